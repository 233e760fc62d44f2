"""Losses that layers bring along: WithLosses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphnn.layer import Layer, Scope


@dataclass(frozen=True)
class WithLosses(Layer):
    """A model whose output is a pair: what `inner` returns, and the auxiliary losses of the layers in it.

    A layer such as DiffPool or MinCutPool has losses of its own, which training adds to its objective:

        model = gn.WithLosses(gn.Sequential(gn.DiffPool(gn.GraphConv(8)), gn.GraphConv(16), gn.SumPool(), gn.Dense(2)))
        logits, losses = model(params, graphs)
        objective = gn.cross_entropy(logits, labels) + sum(gn.ops.mean(loss) for loss in losses.values())

    losses: {"0.diffpool.link_loss": (n_graphs,), ...}, one number a graph, so that they do not depend on who else is in
    the batch; that of a layer used several times is the sum over its uses. Outside of WithLosses they are not even
    computed. Parameters are those of `inner`, by the same names: train the one, use the other.

    A layer of one's own offers a loss with `params.loss(name, function, *args)`.

    >>> import numpy as np
    >>> from graphnn import DiffPool, Dense, Sequential, SumPool, pack
    >>> model = WithLosses(Sequential(DiffPool(Dense(2)), SumPool()))
    >>> graphs = pack(nodes=[np.ones((3, 1)), np.zeros((4, 1))])
    >>> out, losses = model(model.init(0, graphs), graphs)
    >>> out.ravel().tolist(), sorted(losses)
    ([3.0, 0.0], ['0.diffpool.entropy_loss', '0.diffpool.link_loss'])
    >>> losses["0.diffpool.entropy_loss"].shape
    (2,)
    """

    inner: Layer

    def forward(self, params: Scope, graphs: Any) -> tuple[Any, dict[str, Any]]:
        call, outside = params.call, params.call.losses
        call.losses = {}
        try:
            out = self.inner(params, graphs)
            return out, {name.removeprefix(params.path): loss for name, loss in call.losses.items()}
        finally:
            call.losses = outside
