"""Nodes and links, as a parser finds them, put together as the networkx graph that holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def empty_graph(directed: bool, parallel: bool) -> Any:
    """Return an empty graph of the kind wanted.

    >>> empty_graph(directed=True, parallel=False).is_directed()
    True
    """
    import networkx as nx

    kinds = {(0, 0): nx.Graph, (0, 1): nx.MultiGraph, (1, 0): nx.DiGraph, (1, 1): nx.MultiDiGraph}
    return kinds[bool(directed), bool(parallel)]()


def assemble(nodes: Sequence[tuple[str, dict]], links: Sequence[tuple[str, str, dict]], directed: bool) -> Any:
    """Return the graph of named nodes and links between them: a multigraph only where links are parallel.

    Raises ValueError for a name that two nodes have, and a link to a node that is not there.

    >>> print(assemble([("a", {}), ("b", {})], [("a", "b", {"weight": 2.0}), ("b", "a", {})], directed=False))
    MultiGraph with 2 nodes and 2 edges
    """
    names = {name for name, _ in nodes}
    if len(names) < len(nodes):
        listed = [name for name, _ in nodes]
        twice = next(name for name in listed if listed.count(name) > 1)
        raise ValueError(f"{listed.count(twice)} nodes are called {twice!r}; give every node a name of its own")
    lost = next((end for link in links for end in link[:2] if end not in names), None)
    if lost is not None:
        raise ValueError(f"an edge ends at node {lost!r}, which is not among the {len(names)} nodes")
    pairs = {(u, v) if directed else (min(u, v), max(u, v)) for u, v, _ in links}
    graph = empty_graph(directed, parallel=len(pairs) < len(links))
    graph.add_nodes_from(nodes)
    graph.add_edges_from(links)
    return graph
