"""Dropout: noise that acts in training only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphnn import ops
from graphnn.layer import Layer, Scope, features, with_features


def check_rate(layer: Layer, rate: float) -> None:
    """Raise ValueError unless the rate is a probability of dropping."""
    if not 0 <= rate < 1:
        raise ValueError(
            f"{type(layer).__name__}: rate is the probability of dropping and must lie in [0, 1), got {rate}"
        )


@dataclass(frozen=True)
class Dropout(Layer):
    """Dropout: in training each number is set to 0 with probability `rate`, the others multiplied by 1 / (1 - rate).

    Srivastava et al., JMLR 2014, in the inverted form: evaluation changes nothing and needs no scaling. The noise is
    a function of the `rng` given to `apply`, of the layer's name and of how often it was used in this call. Constant
    sparse features are dropped entry by entry and stay sparse.

    (n, d) -> (n, d)

    >>> import numpy as np
    >>> out, _ = Dropout(0.5).apply({}, np.ones((2, 4)), train=True, rng=(0, 0))
    >>> sorted(set(out.ravel().tolist()))
    [0.0, 2.0]
    """

    rate: float

    def __post_init__(self) -> None:
        check_rate(self, self.rate)

    def forward(self, params: Scope, graphs: Any) -> Any:
        if not params.train or self.rate == 0:
            return graphs
        h = features(graphs)
        if isinstance(h, ops.SparseMatrix):
            return with_features(graphs, h.with_values(ops.dropout(h.values, self.rate, params.rng())))
        return with_features(graphs, ops.dropout(h, self.rate, params.rng()))
