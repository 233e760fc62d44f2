"""Numbers a node has by its place in the graph alone: a column each, for graphs whose nodes carry nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnn.graph import Graph


def constant(graph: Any, arcs: Graph) -> np.ndarray:
    """1 for every node: without it a node without neighbours is not seen at all."""
    return np.ones(arcs.n_nodes)


def degree(graph: Any, arcs: Graph) -> np.ndarray:
    """log(1 + number of edges that arrive), parallel ones counted; the logarithm, as degrees have long tails."""
    return np.log1p(np.bincount(arcs.receivers, minlength=arcs.n_nodes))


def out_degree(graph: Any, arcs: Graph) -> np.ndarray:
    """log(1 + number of edges that leave)."""
    return np.log1p(np.bincount(arcs.senders, minlength=arcs.n_nodes))


def clustering(graph: Any, arcs: Graph) -> np.ndarray:
    """The share of pairs of neighbours that are joined (Watts & Strogatz, Nature 393 (1998) 440), 0 below two."""
    import networkx as nx

    return _in_order(graph, nx.clustering(_simple(graph)))


def core(graph: Any, arcs: Graph) -> np.ndarray:
    """log(1 + k), k the largest such that the node has k neighbours among nodes that have (Seidman 1983)."""
    import networkx as nx

    return np.log1p(_in_order(graph, nx.core_number(_simple(graph))))


STRUCTURE = {f.__name__: f for f in (constant, degree, out_degree, clustering, core)}


def _simple(graph: Any) -> Any:
    """Return the graph without directions, parallel edges and loops."""
    import networkx as nx

    simple = nx.Graph()
    simple.add_nodes_from(graph)
    simple.add_edges_from((u, v) for u, v in graph.edges() if u != v)
    return simple


def _in_order(graph: Any, values: dict) -> np.ndarray:
    return np.array([values[v] for v in graph], float)
