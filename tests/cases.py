"""The small graphs and helpers of graphnn.testing under short names, layers of a user, and parts of the rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import graphnn as gn
from graphnn import testing
from graphnn.testing.flavours import CODES, EDGE_WIDTH, FLAVOURS, GLOBAL_WIDTH, RELATIONS, SEVERAL, SHAPES, WIDTH
from graphnn.testing.trial import array, parameters, total

__all__ = [
    "CODES", "EDGE_WIDTH", "FLAVOURS", "GLOBAL_WIDTH", "RELATIONS", "SEVERAL", "SHAPES", "WIDTH",
    "array", "parameters", "total",
]  # fmt: skip


def graph(shape: str, seed: int = 0, *, dtype: type = np.float64, **attributes: bool) -> gn.Graph:
    """Return one graph with random features, and with the attributes that are True."""
    return testing.graph(shape, [name for name, wanted in attributes.items() if wanted], seed, dtype)


def graphs(flavour: str, *, dtype: type = np.float64, **attributes: bool) -> list[gn.Graph]:
    """Return the graphs of a flavour, each with other random features."""
    return testing.graphs(flavour, [name for name, wanted in attributes.items() if wanted], dtype)


def as_images(params, x):
    """Turn rows of features into images, one pixel wide."""
    return x.reshape((*x.shape, 1, 1))


def as_sequences(params, x):
    """Turn rows of features into sequences of one channel."""
    return x.reshape((*x.shape, 1))


def added(params, parts):
    """Return one batch with the sum of two batches' nodes."""
    return parts[0].replace(nodes=parts[0].nodes + parts[1].nodes)


@dataclass(frozen=True)
class Losses(gn.Layer):
    """The auxiliary losses of a layer beside each other. -> (n_graphs, number of losses)"""

    inner: gn.Layer

    def forward(self, params, graphs):
        _, losses = gn.WithLosses(self.inner)(params.scope("inner"), graphs)
        return gn.ops.concatenate([loss.reshape((graphs.n_graphs, 1)) for loss in losses.values()], axis=1)


@dataclass(frozen=True)
class GatedConv(gn.Layer):
    """h' = sigmoid(h G) * (K h W): a layer as a user writes it."""

    width: int

    def forward(self, params, graphs):
        h, d = graphs.nodes, graphs.nodes.shape[1]
        weight = params("weight", (d, self.width), gn.glorot)
        message = graphs.propagate(gn.kernels.normalized_adjacency, h @ weight)
        gate = gn.sigmoid(h @ params("gate", (d, self.width), gn.glorot))
        return graphs.replace(nodes=gate * message)


@dataclass(frozen=True)
class GraphGRU(gn.Layer):
    """h <- GRU(A h, h), `steps` times with shared weights (Li et al. 2016, arXiv:1511.05493, eqs. 2-6)."""

    steps: int

    def forward(self, params, graphs):
        h, d = graphs.nodes, graphs.nodes.shape[1]
        W = {name: params(name, (2 * d, d), gn.glorot) for name in ("reset", "update", "candidate")}
        for _ in range(self.steps):
            m = graphs.propagate(gn.kernels.adjacency, h)
            mh = gn.ops.concatenate([m, h], axis=1)
            r, u = gn.sigmoid(mh @ W["reset"]), gn.sigmoid(mh @ W["update"])
            h = (1 - u) * h + u * gn.tanh(gn.ops.concatenate([m, r * h], axis=1) @ W["candidate"])
        return graphs.replace(nodes=h)
