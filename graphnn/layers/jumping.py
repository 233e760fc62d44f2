"""Jumping knowledge: a stack of layers that hands on what every one of them found, not only the last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphnn import ops
from graphnn.initializers import glorot
from graphnn.layer import Layer, Scope, dense_features, with_features
from graphnn.layers.containers import Sequential
from graphnn.layers.recurrent import LSTMCell, Recurrent
from graphnn.types import Array

MODES = ("concat", "max", "lstm")


@dataclass(frozen=True)
class JumpingKnowledge(Layer):
    """The layers of a Sequential one after the other; out come the features after each, h_1, ..., h_L, as one.

        concat   [h_1, ..., h_L]
        max      the largest of them, feature by feature
        lstm     sum of alpha_l h_l, where alpha = softmax over l of [forward_l, backward_l] attention, and the two are
                 LSTMs of width L * width // 2 over l = 1, ..., L and back: every node chooses its own depth

    Xu et al., ICML 2018 (arXiv:1806.03536), section 4.1. PyG: JumpingKnowledge, whose attention has a bias, which
    moves all logits of a node alike and changes nothing. `gn.inner_values` gives alpha (n, L) as "<layer>.attention".

    nodes:     (n_nodes, d)  -> (n_nodes, sum of the widths), or (n_nodes, width) with max and lstm
    inner.:    parameters of the layers
    forward.cell., backward.cell.: those of `LSTMCell`;  attention: (2 * (L * width // 2), 1)  glorot;  for lstm only

    Raises ValueError for an unknown mode, no layers, and with max or lstm for layers of different widths; TypeError
    where `inner` is no Sequential.

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> from graphnn.layers.dense import Dense
    >>> pair = Graph(np.ones((2, 3)), senders=[0, 1], receivers=[1, 0])
    >>> model = JumpingKnowledge(Sequential(Dense(4), Dense(2)))
    >>> model(model.init(0, pair), pair).nodes.shape
    (2, 6)
    """

    inner: Sequential
    mode: str = "concat"

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"JumpingKnowledge: mode must be one of {', '.join(MODES)}, got {self.mode!r}")
        if not isinstance(self.inner, Sequential):
            raise TypeError(
                f"JumpingKnowledge: expected a Sequential of layers, got {type(self.inner).__name__}; "
                "write JumpingKnowledge(Sequential(layer, layer))"
            )
        if not len(self.inner):
            raise ValueError("JumpingKnowledge: the Sequential has no layers, wanted one or more")

    def forward(self, params: Scope, graphs: Any) -> Any:
        found = []
        for out in self.inner.stages(params.scope("inner"), graphs):
            found.append(dense_features(out))
        self._check([h.shape for h in found])
        together = ops.concatenate(found, axis=1)
        if self.mode != "concat":
            n, width = found[0].shape
            together = together.reshape((n, len(found), width))
            together = ops.max(together, axis=1) if self.mode == "max" else self._chosen(params, together)
        return with_features(out, together)

    def _check(self, shapes: list[tuple[int, ...]]) -> None:
        one_size = len({shape if self.mode != "concat" else shape[:1] for shape in shapes}) == 1
        if not one_size or any(len(shape) != 2 for shape in shapes):
            wanted = "rows" if self.mode == "concat" else "rows and width"
            raise ValueError(
                f"JumpingKnowledge: mode {self.mode!r} joins layers whose features (n, width) have the same {wanted}, "
                f"got {', '.join(map(str, shapes))}"
            )

    def _chosen(self, params: Scope, h: Array) -> Array:
        """Return the mean over the layers, (n, L, width) -> (n, width), by the weights that two LSTMs give them."""
        n, depth, width = h.shape
        cell = LSTMCell(depth * width // 2)
        ahead = Recurrent(cell)(params.scope("forward"), h)
        back = Recurrent(cell, reverse=True)(params.scope("backward"), h)
        logits = ops.affine(ops.concatenate([ahead, back], axis=2), params("attention", (2 * cell.width, 1), glorot))
        alpha = ops.softmax(logits.reshape((n, depth)))
        params.show("attention", ops.value_of, alpha)
        return ops.sum(alpha.reshape((n, depth, 1)) * h, axis=1)
