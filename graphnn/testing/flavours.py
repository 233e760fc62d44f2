"""Named small graphs, one for each thing that has broken a graph library before.

Features are generic random numbers: exactly zero pre-activations would sit on the kink of relu, where two right
derivatives may differ.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphnn.checks import nearest
from graphnn.graph import Graph

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
DEGENERATE = ("one_node", "no_edges", "empty", "empty_between", "empty_last", "isolated_node", "mixed")
SEVERAL = ("empty_between", "empty_last", "two_sizes", "mixed")


ATTRIBUTES = ("edges", "relations", "codes", "positions", "global_features", "kernels")


def graph(shape: str, attributes: Sequence[str] = (), seed: int = 0, dtype: type = np.float64) -> Graph:
    """Return one graph of SHAPES with three columns of random features on its nodes.

    attributes: what it carries besides
        "edges", two columns of edge features;  "relations", one of whole numbers 0..2 in their place
        "codes", one column of whole numbers 0..3 in place of the node features;  "positions", three coordinates
        "global_features", two numbers of the whole graph;  "kernels", a dense random kernel named "own"

    Raises KeyError for a shape and ValueError for an attribute that there is not.

    >>> loop = graph("self_loop", ["edges"])
    >>> loop.nodes.shape, loop.edges.shape, loop.weights.shape
    ((3, 3), (5, 2), (5,))
    """
    if shape not in SHAPES:
        raise KeyError(f"no graph {shape!r}{nearest(shape, SHAPES)}; there is {', '.join(SHAPES)}")
    for name in attributes:
        if name not in ATTRIBUTES:
            raise ValueError(f"graphs carry no {name!r}{nearest(name, ATTRIBUTES)}; there is {', '.join(ATTRIBUTES)}")
    n, arcs, weighted = SHAPES[shape]
    rng = np.random.default_rng((seed, n, len(arcs)))
    senders, receivers = np.array(arcs, int).reshape(-1, 2).T
    nodes = rng.integers(0, CODES, (n, 1)) if "codes" in attributes else rng.normal(size=(n, WIDTH))
    relations = rng.integers(0, RELATIONS, (len(arcs), 1)) if "relations" in attributes else None
    return Graph(
        nodes.astype(dtype),
        senders,
        receivers,
        edges=rng.normal(size=(len(arcs), EDGE_WIDTH)) if "edges" in attributes else relations,
        weights=rng.uniform(0.5, 1.5, len(arcs)) if weighted else None,
        globals=rng.normal(size=GLOBAL_WIDTH) if "global_features" in attributes else None,
        kernels={"own": rng.normal(size=(n, n))} if "kernels" in attributes else {},
        positions=rng.normal(size=(n, 3)) if "positions" in attributes else None,
    )


def graphs(flavour: str, attributes: Sequence[str] = (), dtype: type = np.float64) -> list[Graph]:
    """Return the graphs of a flavour, each with other random features; attributes as `graph` takes them.

    Raises KeyError for a name that is not in FLAVOURS.

    >>> [part.n_nodes for part in graphs("empty_between", ["positions"])]
    [4, 0, 3]
    """
    if flavour not in FLAVOURS:
        raise KeyError(f"no flavour {flavour!r}{nearest(flavour, FLAVOURS)}; there is {', '.join(FLAVOURS)}")
    return [graph(shape, attributes, seed, dtype) for seed, shape in enumerate(FLAVOURS[flavour])]


def permuted_nodes(graph: Graph, order: np.ndarray) -> Graph:
    """Return the same graph with its nodes listed in another order: new node i is old node order[i].

    >>> chain = Graph([[0.0], [1.0]], senders=[0], receivers=[1])
    >>> permuted_nodes(chain, np.array([1, 0])).senders
    array([1])
    """
    place = np.argsort(order)
    return graph.replace(
        nodes=graph.nodes[order],
        senders=place[graph.senders],
        receivers=place[graph.receivers],
        kernels={name: K[order][:, order] for name, K in graph.kernels.items()},
        positions=None if graph.positions is None else graph.positions[order],
        names=None if graph.names is None else [graph.names[i] for i in order],
    )


def permuted_edges(graph: Graph, order: np.ndarray) -> Graph:
    """Return the same graph with its edges listed in another order.

    >>> chain = Graph(np.ones((3, 1)), senders=[0, 1], receivers=[1, 2])
    >>> permuted_edges(chain, np.array([1, 0])).senders
    array([1, 0])
    """
    return graph.replace(
        senders=graph.senders[order],
        receivers=graph.receivers[order],
        edges=None if graph.edges is None else graph.edges[order],
        weights=None if graph.weights is None else graph.weights[order],
    )
