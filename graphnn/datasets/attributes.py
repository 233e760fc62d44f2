"""Attributes of networkx graphs as columns of numbers: decided once from data, then the same map for every graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse

from graphnn.checks import GraphError, listing, nearest
from graphnn.convert import from_networkx
from graphnn.datasets.assembly import empty_graph
from graphnn.datasets.columns import Attributes, Column, Rows, column_names, read_column
from graphnn.datasets.structure import STRUCTURE
from graphnn.graph import Graph


@dataclass(frozen=True)
class GraphFeatures:
    """The map from a networkx graph with attributes to a Graph; made by `GraphFeatures.learn`, applied by calling it.

    nodes, edges: the columns, from attributes. (name, "numbers", ((mean, scale), ...)) is a number, or a vector with a
        pair for each component, and gives (value - mean) / scale. (name, "categories", ("C", "N")) is a value among
        these, and gives 1 in its column, 0 in the others.
    weight: the edge attribute that is the weight of the edge, as it stands; None gives no weights
    structure: columns that need no attributes: "constant" (1), "degree" and "out_degree" (log(1 + edges that arrive, or
        leave)), "clustering" (share of pairs of neighbours that are joined), "core" (log(1 + core number))
    identity: names of nodes, a column for each, 1 for the node itself: for learning on one fixed graph. With it the
        node features are a SciPy CSR matrix, as only `@` needs to touch them.
    left_out: what `learn` left out on its own, and why: ("nodes.label", "text that differs from node to node")

    All fields are strings, numbers and tuples, so that they pass through JSON, whose lists become tuples again.

    Columns stand in this order: nodes, structure, identity; `node_names` and `edge_names` call them by name. Rows
    follow `list(graph.nodes)`; an undirected edge becomes two with the same features, parallel edges stay separate (see
    `from_networkx`). Attributes the map does not know are not looked at.

    Raises GraphError naming node and attribute, for a missing one, a category that was not there when learned, another
    length, text for a number, and what is not finite.

    >>> import networkx as nx
    >>> water = nx.path_graph(["H1", "O", "H2"])
    >>> nx.set_node_attributes(water, {"H1": "H", "H2": "H", "O": "O"}, "element")
    >>> features = GraphFeatures.learn([water])
    >>> features.node_names
    ('element=H', 'element=O')
    >>> features(water).nodes
    array([[1., 0.],
           [0., 1.],
           [1., 0.]])
    """

    nodes: tuple[Column, ...] = ()
    edges: tuple[Column, ...] = ()
    weight: str | None = None
    structure: tuple[str, ...] = ()
    identity: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for name in ("nodes", "edges", "structure", "identity", "left_out"):
            object.__setattr__(self, name, _tuples(getattr(self, name)))
        for name in self.structure:
            if name not in STRUCTURE:
                raise KeyError(
                    f"structure {name!r} is not known, only {listing(list(STRUCTURE))}{nearest(name, STRUCTURE)}"
                )
        for column in (*self.nodes, *self.edges):
            if len(column) != 3 or column[1] not in ("numbers", "categories"):
                raise ValueError(f"column {column!r}: wanted (name, 'numbers' or 'categories', values); use learn")

    @classmethod
    def learn(
        cls,
        graphs: Any,
        *,
        exclude: Sequence[str] = (),
        categories: Sequence[str] = (),
        weight: str | None = None,
        structure: Sequence[str] | None = None,
        identity: bool = False,
        scale: bool = True,
        train: Sequence[int] | None = None,
    ) -> GraphFeatures:
        """Return the map that represents these graphs, decided from their attributes.

        graphs: a networkx graph or a list of them; nothing is written to them
        exclude: attributes of nodes or edges to leave out, such as the target
        categories: attributes to take for categories whatever they hold, such as whole numbers that stand for kinds
        weight: the edge attribute that is the weight; it is then no edge feature
        structure: see the class; None gives "constant", "degree" and "clustering" (and "out_degree" for directed
            graphs) where there is nothing else to tell nodes apart, else nothing
        identity: whether the names of the nodes are features
        scale: whether numbers become (value - mean) / standard deviation over nodes, or edges; columns of 0 and 1 stay
        train: numbers of the graphs that mean and deviation are taken from, None for all. Categories are those of all
            graphs: which exist is no secret of the test set, and one that training lacked can still be read.

        Numbers, booleans and vectors of numbers become columns. Text is a category where some graph holds a value
        twice and there are at most 50 in all. Left out, and said so in `left_out`: other text, numbers that are the
        same everywhere, dicts, and "id" and "key", which name and do not describe.

        Raises GraphError for an attribute that only some nodes (or edges) have, KeyError for a name that no graph has,
        ValueError for one that is text here and a number there, TypeError for what is not a networkx graph.

        >>> import networkx as nx
        >>> GraphFeatures.learn(nx.karate_club_graph(), weight="weight").node_names
        ('club=Mr. Hi', 'club=Officer')
        >>> GraphFeatures.learn(nx.karate_club_graph(), weight="weight", exclude=["club"]).node_names
        ('constant', 'degree', 'clustering')
        """
        several = isinstance(graphs, Iterable) and not hasattr(graphs, "nodes")
        listed = list(graphs) if several else [graphs]
        for i, graph in enumerate(listed):
            _check_networkx(graph, f"graphs[{i}]" if several else "graphs")
        if not listed:
            raise ValueError("learn: got no graphs; give at least one")
        wrong = [i for i in (() if train is None else train) if not 0 <= i < len(listed)]
        if wrong:
            raise ValueError(f"learn: train names graph {wrong[0]}, but there are {len(listed)}, from 0")
        of_nodes = Attributes("nodes", [_node_rows(g) for g in listed], train, several)
        of_edges = Attributes("edges", [_edge_rows(g) for g in listed], train, several)
        for name in (*exclude, *categories):
            if name not in of_nodes.names and name not in of_edges.names:
                known = [*of_nodes.names, *of_edges.names]
                raise KeyError(
                    f"learn: no node or edge has an attribute {name!r}, only {listing(known)}{nearest(name, known)}"
                )
        if weight is not None and weight not in of_edges.names and any(g.number_of_edges() for g in listed):
            known = of_edges.names
            raise KeyError(f"learn: no edge has a weight {weight!r}, only {listing(known)}{nearest(weight, known)}")
        nodes, left_nodes = of_nodes.columns(exclude, categories, scale)
        edges, left_edges = of_edges.columns([*exclude, *([] if weight is None else [weight])], categories, scale)
        if structure is None:
            directed = ["out_degree"] if any(g.is_directed() for g in listed) else []
            told_apart = any(kind == "numbers" or len(values) > 1 for _, kind, values in nodes)
            structure = () if told_apart or identity else ["constant", "degree", *directed, "clustering"]
        names = tuple(dict.fromkeys(str(v) for g in listed for v in g)) if identity else ()
        return cls(nodes, edges, weight, tuple(structure), names, left_nodes + left_edges)

    def __call__(self, graph: Any) -> Graph:
        """Return a networkx graph as a Graph."""
        _check_networkx(graph, "graph")
        rows = _node_rows(graph)
        names = rows[0]
        arcs = from_networkx(_numbered(graph), edges="row")
        row = arcs.edges[:, 0].astype(np.intp)
        columns = [read_column(column, rows, "nodes") for column in self.nodes]
        columns += [STRUCTURE[name](graph, arcs)[:, None] for name in self.structure]
        nodes: Any = np.concatenate([np.zeros((len(names), 0)), *columns], axis=1)
        if self.identity:
            nodes = scipy.sparse.hstack([scipy.sparse.csr_array(nodes), self._identities(names)], format="csr")
        edge_rows = _edge_rows(graph)
        edges = weights = None
        if self.edges:
            edges = np.concatenate([read_column(column, edge_rows, "edges") for column in self.edges], axis=1)[row]
        if self.weight is not None:
            weights = read_column((self.weight, "numbers", ((0.0, 1.0),)), edge_rows, "weights")[row, 0]
        return Graph(nodes, arcs.senders, arcs.receivers, edges=edges, weights=weights, names=names)

    def _identities(self, names: Sequence[Any]) -> Any:
        number = {name: i for i, name in enumerate(self.identity)}
        for name in names:
            if str(name) not in number:
                raise GraphError(
                    "nodes",
                    f"node {name!r} was not there when the features were learned, which know nodes by name "
                    f"({len(number)} of them){nearest(str(name), number)}",
                )
        columns = [number[str(name)] for name in names]
        shape = len(names), len(number)
        return scipy.sparse.csr_array((np.ones(len(names)), (np.arange(len(names)), columns)), shape=shape)

    @property
    def node_names(self) -> tuple[str, ...]:
        """The names of the columns of `Graph.nodes`."""
        return (*column_names(self.nodes), *self.structure, *(f"node={name}" for name in self.identity))

    @property
    def edge_names(self) -> tuple[str, ...]:
        """The names of the columns of `Graph.edges`."""
        return column_names(self.edges)


def _check_networkx(graph: Any, place: str) -> None:
    import networkx as nx

    if not isinstance(graph, nx.Graph):
        raise TypeError(f"{place} is a {type(graph).__name__}, wanted a networkx graph, as read_graph gives")


def _tuples(value: Any) -> Any:
    return tuple(_tuples(entry) for entry in value) if isinstance(value, (list, tuple)) else value


def _node_rows(graph: Any) -> Rows:
    return list(graph), list(graph.nodes.values())


def _edge_rows(graph: Any) -> Rows:
    return list(graph.edges()), [attributes for _, _, attributes in graph.edges(data=True)]


def _numbered(graph: Any) -> Any:
    """Return the graph with its edges numbered and nothing else, for `from_networkx` to say where each row goes."""
    numbered = empty_graph(graph.is_directed(), graph.is_multigraph())
    numbered.add_nodes_from(graph, features=0.0)
    numbered.add_edges_from((u, v, {"row": k}) for k, (u, v) in enumerate(graph.edges()))
    return numbered
