"""Named small graphs, one for each thing that has broken a graph library before, and two layers of a user.

Features are generic random numbers and parameters have random biases: exactly zero pre-activations would sit
on the kink of relu, where two right derivatives may differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import autograd.numpy as anp
import numpy as np

import graphnn as gn

WIDTH, EDGE_WIDTH, GLOBAL_WIDTH, CODES, RELATIONS = 3, 2, 2, 4, 3

# by name, the number of nodes, the (sender, receiver) of every edge, and whether they are weighted
SHAPES = {
    "path": (4, [(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 2)], False),
    "isolated_node": (4, [(0, 1), (1, 0), (1, 3), (3, 1)], False),
    "self_loop": (3, [(0, 1), (1, 0), (1, 1), (2, 1), (1, 2)], True),
    "directed": (4, [(0, 1), (2, 1), (1, 3), (3, 0)], False),
    "weighted": (4, [(3, 1), (0, 1), (1, 0), (2, 1), (1, 3), (3, 2)], True),
    "multi_edge": (3, [(2, 0), (1, 0), (2, 0), (0, 2), (1, 0), (1, 1)], True),
    "one_node": (1, [], False),
    "no_edges": (3, [], False),
    "empty": (0, [], False),
}

# name: the graphs packed together
FLAVOURS = {name: [name] for name in SHAPES} | {
    "empty_between": ["path", "empty", "multi_edge"],
    "empty_last": ["directed", "empty"],
    "two_sizes": ["path", "self_loop"],
    "mixed": ["weighted", "one_node", "isolated_node", "no_edges", "multi_edge"],
}
DEGENERATE = ["one_node", "no_edges", "empty", "empty_between", "empty_last", "isolated_node", "mixed"]
SEVERAL = ["empty_between", "empty_last", "two_sizes", "mixed"]


def graph(
    shape: str,
    seed: int = 0,
    *,
    edges: bool = False,
    global_features: bool = False,
    codes: bool = False,
    kernels: bool = False,
    positions: bool = False,
    relations: bool = False,
    dtype: type = np.float64,
) -> gn.Graph:
    """Return one graph with random features."""
    n, arcs, weighted = SHAPES[shape]
    rng = np.random.default_rng((seed, n, len(arcs)))
    senders, receivers = np.array(arcs, int).reshape(-1, 2).T
    nodes = rng.integers(0, CODES, (n, 1)) if codes else rng.normal(size=(n, WIDTH))
    kinds = rng.integers(0, RELATIONS, (len(arcs), 1)) if relations else None
    return gn.Graph(
        nodes.astype(dtype),
        senders,
        receivers,
        edges=rng.normal(size=(len(arcs), EDGE_WIDTH)) if edges else kinds,
        weights=rng.uniform(0.5, 1.5, len(arcs)) if weighted else None,
        globals=rng.normal(size=GLOBAL_WIDTH) if global_features else None,
        kernels={"own": rng.normal(size=(n, n))} if kernels else {},
        positions=rng.normal(size=(n, 3)) if positions else None,
    )


def graphs(flavour: str, **attributes: bool | type) -> list[gn.Graph]:
    """Return the graphs of a flavour, each with other random features."""
    return [graph(shape, seed, **attributes) for seed, shape in enumerate(FLAVOURS[flavour])]


def permuted_nodes(graph: gn.Graph, order: np.ndarray) -> gn.Graph:
    """Return the same graph with its nodes listed in another order: new node i is old node order[i]."""
    place = np.argsort(order)
    return graph.replace(
        nodes=graph.nodes[order],
        senders=place[graph.senders],
        receivers=place[graph.receivers],
        kernels={name: K[np.ix_(order, order)] for name, K in graph.kernels.items()},
        positions=None if graph.positions is None else graph.positions[order],
    )


def permuted_edges(graph: gn.Graph, order: np.ndarray) -> gn.Graph:
    """Return the same graph with its edges listed in another order."""
    return graph.replace(
        senders=graph.senders[order],
        receivers=graph.receivers[order],
        edges=None if graph.edges is None else graph.edges[order],
        weights=None if graph.weights is None else graph.weights[order],
    )


def parameters(layer: gn.Layer, batch: object, seed: int = 0, dtype: type = np.float64) -> dict[str, np.ndarray]:
    """Return parameters without a zero in them, read-only; running variances and scales are positive."""
    rng = np.random.default_rng(seed)
    params = {}
    for name, value in layer.init(seed, batch).items():
        moved = value + 0.5 * rng.normal(size=value.shape)
        if name.endswith(("running_var", "running_scale")):
            moved = 0.5 + np.abs(moved)
        params[name] = np.asarray(moved, dtype)
        params[name].setflags(write=False)
    return params


def array(out: object) -> object:
    """Return what a layer returned as an array."""
    return gn.ops.dense(out.nodes) if isinstance(out, gn.Batch) else out


def total(out: object) -> object:
    """Return a scalar with a different slope everywhere, which no permutation of rows changes."""
    return anp.sin(array(out)).sum()


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
