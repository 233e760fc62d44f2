"""Parameters that are functions of others: Tied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from graphnn import ops
from graphnn.checks import nearest
from graphnn.layer import Layer, Scope
from graphnn.types import Array, is_statistic


@dataclass(frozen=True)
class Tied(Layer):
    """A model in which some parameters are functions of others: params[name] = through(params[source]).

    ties: {name: source}, names as `inner` has them;  through: the identity, `gn.ops.transpose`, or a function of yours

    The tied names are no longer in the dict: there is one array, and its gradient is the sum over both uses. An
    auto-encoder whose decoder is the encoder turned round:

        coder = gn.Sequential(gn.Dense(8), gn.Dense(3))
        model = gn.Tied(coder, {"1.dense.weight": "0.dense.weight"}, gn.ops.transpose)

    For ties through different functions put one Tied around another. A layer object that occurs twice in a container
    needs none of this: it has one name, and so one weight.

    Raises KeyError for a name that is tied to itself or to a tied one and, in `init`, for one that the inner model has
    not; ValueError for a running statistic, and in `init` where through(source) has another shape than the parameter
    it stands for.

    >>> import numpy as np
    >>> from graphnn.layers import Dense, Sequential
    >>> model = Tied(Sequential(Dense(8), Dense(3)), {"1.dense.weight": "0.dense.weight"}, ops.transpose)
    >>> sorted(model.init(0, np.ones((4, 3))))
    ['0.dense.bias', '0.dense.weight', '1.dense.bias']
    """

    inner: Layer
    ties: Mapping[str, str]
    through: Callable[[Array], Array] = ops.identity

    def __post_init__(self) -> None:
        object.__setattr__(self, "ties", dict(self.ties))  # it must not change when the caller's does
        for name, source in self.ties.items():
            if is_statistic(name) or is_statistic(source):
                raise ValueError(f"Tied: {name!r} to {source!r}; running statistics are no parameters and are not tied")
            if source in self.ties:
                raise KeyError(f"Tied: {name!r} is tied to {source!r}, which is tied itself; name what both come from")

    def __hash__(self) -> int:
        return hash((self.inner, tuple(self.ties.items()), self.through))

    def forward(self, params: Scope, graphs: Any) -> Any:
        if params.call.seed is not None:
            return self._declared(params, graphs)
        return self.inner(
            params.replace({name: self.through(params[source]) for name, source in self.ties.items()}), graphs
        )

    def _declared(self, params: Scope, graphs: Any) -> Any:
        """Let the inner model declare all its parameters, and take those out that are tied."""
        out, flat = self.inner(params, graphs), params.call.flat
        for name, source in self.ties.items():
            for wanted in (name, source):
                if wanted not in params:
                    raise KeyError(f"Tied: the model has no parameter {wanted!r}{nearest(wanted, list(params))}")
            need, have = flat[params.path + name].shape, self.through(flat[params.path + source]).shape
            if need != have:
                raise ValueError(
                    f"Tied: {name!r} has shape {need}, what comes of {source!r} has shape {have}; "
                    "tie it through another function, such as gn.ops.transpose, or choose other widths"
                )
        for name in self.ties:
            del flat[params.path + name]
        return out
