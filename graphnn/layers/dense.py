"""Layers that treat every node alone: Dense, Embedding, PReLU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphnn import ops
from graphnn.initializers import constant, glorot, normal, zeros
from graphnn.layer import Layer, Scope, dense_features, features, with_features
from graphnn.ops import identity


@dataclass(frozen=True)
class Dense(Layer):
    """A fully connected layer: h' = activation(h W + b), on the nodes of a batch or on a plain array.

    nodes:  (n, d)      -> (n, width)
    weight: (d, width)  glorot    bias: (width,)  zeros

    >>> import numpy as np
    >>> model = Dense(8)
    >>> sorted(model.init(0, np.ones((2, 3))))
    ['bias', 'weight']
    """

    width: int
    activation: Callable = identity

    def forward(self, params: Scope, graphs: Any) -> Any:
        h = features(graphs)
        weight = params("weight", (h.shape[-1], self.width), glorot)
        bias = params("bias", (self.width,), zeros)
        return with_features(graphs, ops.affine(h, weight, bias, self.activation))


@dataclass(frozen=True)
class Embedding(Layer):
    """A learned vector for each of `count` categories: h' = weight[h], for node codes 0, ..., count - 1.

    nodes:  (n, 1) codes       -> (n, width)
    weight: (count, width)     normal(1)

    Raises ValueError for features that are no such codes.

    >>> import numpy as np
    >>> model = Embedding(2, count=10)
    >>> model(model.init(0, np.array([[3]])), np.array([[3], [7]])).shape
    (2, 2)
    """

    width: int
    count: int

    def forward(self, params: Scope, graphs: Any) -> Any:
        h = ops.value_of(dense_features(graphs))
        weight = params("weight", (self.count, self.width), normal(1.0))
        if h.ndim != 2 or h.shape[1] != 1:
            raise ValueError(f"Embedding: expected one column of codes, got features of shape {h.shape}")
        codes = h[:, 0].astype(int)
        if codes.size and ((codes != h[:, 0]).any() or codes.min() < 0 or codes.max() >= self.count):
            raise ValueError(
                f"Embedding: node features must be whole codes 0..{self.count - 1}, "
                f"got values from {h.min():g} to {h.max():g}"
            )
        return with_features(graphs, ops.gather(weight, codes))


@dataclass(frozen=True)
class PReLU(Layer):
    """A rectifier whose negative side is learned: h' = max(h, 0) + slope min(h, 0).

    He et al., ICCV 2015 (arXiv:1502.01852), eq. 1. One slope for all features, or with by_feature=True one for each:
    torch.nn.PReLU with num_parameters 1 or d. At 0 the gradient is 0, as in `relu` and `leaky_relu`. Weight decay would
    pull it towards relu; the optimisers here decay arrays of two or more dimensions only.

    (n, d) -> (n, d)
    slope: () or (d,)  constant(0.25)

    >>> import numpy as np
    >>> PReLU()({"slope": np.array(0.5)}, np.array([[2.0, -2.0]]))
    array([[ 2., -1.]])
    """

    by_feature: bool = False

    def forward(self, params: Scope, graphs: Any) -> Any:
        h = dense_features(graphs)
        slope = params("slope", h.shape[-1:] if self.by_feature else (), constant(0.25))
        return with_features(graphs, ops.relu(h) - slope * ops.relu(-h))
