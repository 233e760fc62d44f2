"""From and to what scientists hold: networkx graphs, SciPy sparse and dense matrices, lists of arrays; and `pack`.

Packing is linear in the number of nodes and edges. Nothing the user passes in is written to.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse

from graphnn import ops
from graphnn.batch import FEATURES, Batch
from graphnn.checks import GraphError, floating, listing, nearest, numbers
from graphnn.graph import Graph, as_dtype, node_features
from graphnn.ops import SparseMatrix
from graphnn.ops.sparse import offsets
from graphnn.packed import Packed

Attributes = str | Sequence[str]


def pack(
    graphs: Any = None,
    *,
    nodes: Any = "features",
    edges: Attributes | None = None,
    weights: str | None = None,
    kernels: Any = None,
    layout: str | None = None,
    dtype: Any = None,
) -> Batch:
    """Put graphs together into one batch.

    graphs: a Graph, a networkx graph, a list of them, or a Batch (returned as it is, but for what is asked here)
    nodes, edges, weights: for networkx graphs, and only for those, the attributes to read (see `from_networkx`)
    layout: the form of the kernels, "sparse" (the default, one block-diagonal matrix), "list" (dense arrays, the
        reference) or "dense" (padded blocks)
    dtype: np.float32 or np.float64 for all features; default: what comes in, whole numbers become float64

    Without graphs, two lists of arrays are enough: nodes=[X1, ...] with (n_i, f) features and kernels=[K1, ...] with
    (n_i, n_i) kernels, dense or SciPy sparse, or {name: list} for several. GraphConv uses these kernels by default.

    A graph without edges need not have edge features, one without nodes may have any number of columns.

    Raises GraphError naming the graph and the attribute.

    >>> pack(nodes=[np.ones((2, 3)), np.ones((1, 3))], kernels=[np.eye(2), np.eye(1)])
    Batch(2 graphs, 3 nodes, 0 edges, nodes=(3, 3), kernels=['kernel'], layout='sparse', float64)
    """
    if isinstance(graphs, Batch):
        _refuse_attributes(nodes, edges, weights, "a Batch came")
        if kernels is not None:
            graphs = graphs.replace(kernels=kernels)
        if layout is not None:
            graphs = graphs.with_layout(layout)
        return graphs if dtype is None else graphs.astype(floating("pack", dtype))
    if graphs is None:
        listed = _from_arrays(nodes, kernels)
    else:
        if kernels is not None:
            raise TypeError("pack: pass kernels= with nodes=, or put them into each Graph(kernels={name: array})")
        if scipy.sparse.issparse(graphs) or (isinstance(graphs, np.ndarray) and graphs.dtype != object):
            raise TypeError(
                f"pack: got an array of shape {tuple(graphs.shape)}; give gn.from_adjacency(A) for an adjacency, "
                "or pack(nodes=[X], kernels=[K])"
            )
        several = not (_is_networkx(graphs) or isinstance(graphs, Graph))
        try:
            entries = list(graphs) if several else [graphs]
        except TypeError:
            raise TypeError(
                f"cannot make a graph of {type(graphs).__name__}; "
                "give networkx graphs, gn.Graph, or pack(nodes=[...], kernels=[...])"
            ) from None
        listed = [_as_graph(g, i if several else None, nodes, edges, weights) for i, g in enumerate(entries)]
    return Batch.of(_stack(listed, "sparse" if layout is None else layout, dtype))


def _from_arrays(nodes: Any, kernels: Any) -> list[Graph]:
    nodes = _listed(nodes, "nodes")
    given = kernels if isinstance(kernels, dict) else {"kernel": kernels} if kernels is not None else {}
    named = {name: _listed(blocks, "kernels") for name, blocks in given.items()}
    for name, blocks in named.items():
        if len(blocks) != len(nodes):
            raise ValueError(
                f"pack: {len(nodes)} arrays of nodes but {len(blocks)} kernels {name!r}; one for each graph"
            )
    graphs = []
    for i, features in enumerate(nodes):
        try:
            graphs.append(Graph(features, kernels={name: blocks[i] for name, blocks in named.items()}))
        except GraphError as error:
            raise error.at(i) from None
    return graphs


def _listed(arrays: Any, name: str) -> list:
    """Return a list of arrays; a single matrix, whose rows would pass for graphs, is refused."""
    matrix = scipy.sparse.issparse(arrays) or (isinstance(arrays, np.ndarray) and arrays.ndim == 2)
    if matrix or isinstance(arrays, (str, dict)) or not hasattr(arrays, "__iter__"):
        what = f"one array of shape {arrays.shape}" if matrix else repr(arrays)
        raise TypeError(
            f"pack: {name} is {what}; give graphs, or lists with an array for each: nodes=[X1], kernels=[K1]"
        )
    return list(arrays)


def _is_networkx(graph: Any) -> bool:
    networkx = sys.modules.get("networkx")
    return networkx is not None and isinstance(graph, networkx.Graph)


def _as_graph(graph: Any, index: int | None, nodes: Attributes, edges: Attributes | None, weights: str | None) -> Graph:
    place = "graphs" if index is None else f"graphs[{index}]"
    if isinstance(graph, Graph):
        _refuse_attributes(nodes, edges, weights, f"{place} is a gn.Graph")
        return graph
    if _is_networkx(graph):
        try:
            return from_networkx(graph, nodes=nodes, edges=edges, weights=weights)
        except GraphError as error:
            raise (error if index is None else error.at(index)) from None
    remedy = ""
    if isinstance(graph, Batch):
        remedy = "; to put batches together, pack([*batch1.graphs, *batch2.graphs])"
    elif hasattr(graph, "shape"):
        remedy = "; make a graph of an adjacency with gn.from_adjacency(A)"
    raise TypeError(f"{place} is a {type(graph).__name__}; wanted a networkx graph or gn.Graph{remedy}")


def _refuse_attributes(nodes: Any, edges: Any, weights: Any, what_came: str) -> None:
    if edges is not None or weights is not None or not (isinstance(nodes, str) and nodes == "features"):
        raise TypeError(f"pack: nodes=, edges= and weights= name attributes of networkx graphs; {what_came}")


def _stack(graphs: Sequence[Graph], layout: str, dtype: Any) -> Packed:
    """Return the disjoint union of graphs, after checking that they go together."""
    wanted = _common_dtype(graphs, dtype)
    _check_alike(graphs)
    sizes, counts = [g.n_nodes for g in graphs], [g.n_edges for g in graphs]
    node_offsets, edge_offsets = offsets(np.array(sizes, np.intp)), offsets(np.array(counts, np.intp))
    shift = np.repeat(node_offsets[:-1], counts)
    return Packed(
        _stack_nodes(graphs, wanted),
        _ends([g.senders for g in graphs], shift),
        _ends([g.receivers for g in graphs], shift),
        node_offsets,
        edge_offsets,
        edges=_stack_rows(graphs, "edges", wanted),
        weights=_stack_weights(graphs, wanted),
        positions=_stack_rows(graphs, "positions", wanted),
        globals=_stack_globals(graphs, wanted),
        kernels={
            name: [as_dtype(g.kernels[name], wanted) for g in graphs] for name in (graphs[0].kernels if graphs else ())
        },
        names=[g.names for g in graphs] if any(g.names is not None for g in graphs) else None,
        layout=layout,
        graphs=graphs if all(g.dtype == wanted for g in graphs) else None,
    )


def _common_dtype(graphs: Sequence[Graph], dtype: Any) -> np.dtype:
    if dtype is not None:
        return floating("pack", dtype)
    return np.result_type(*(g.dtype for g in graphs)) if graphs else np.dtype(float)


def _telling(graphs: Sequence[Graph], name: str) -> list[int]:
    """Return which graphs say what an attribute looks like: those with any rows of it, or all if none has."""
    unit = FEATURES[name]
    return [i for i, g in enumerate(graphs) if unit == "graph" or getattr(g, f"n_{unit}s")] or list(range(len(graphs)))


def _check_alike(graphs: Sequence[Graph]) -> None:
    for name, unit in FEATURES.items():
        first, *others = _telling(graphs, name) or [0]
        for i in others:
            ours, theirs = getattr(graphs[first], name), getattr(graphs[i], name)
            if (ours is None) != (theirs is None):
                have, lack = ("has", "none") if ours is not None else ("has no", "some")
                message = f"graphs[{first}] {have} {name} and this graph {lack}; give all graphs the same attributes"
                raise GraphError(name, message, i)
            if ours is not None and ours.shape[-1] != theirs.shape[-1]:
                wanted = (*theirs.shape[:-1], ours.shape[-1])
                raise GraphError(
                    name,
                    f"expected shape {wanted} (one row per {unit}, {ours.shape[-1]} columns as in graphs[{first}]), "
                    f"got {theirs.shape}",
                    i,
                )
    for i, graph in enumerate(graphs):
        if set(graph.kernels) != set(graphs[0].kernels):
            message = f"graphs[0] has {sorted(graphs[0].kernels)}, this graph {sorted(graph.kernels)}"
            raise GraphError("kernels", f"{message}; give all graphs the same kernels", i)


def _ends(ends: Sequence[np.ndarray], shift: np.ndarray) -> np.ndarray:
    """Return the ends of all edges as nodes of the union; those of a single graph are what they are, not a copy."""
    return ends[0] if len(ends) == 1 else _join(ends, np.intp) + shift


def _join(arrays: Sequence[np.ndarray], dtype: Any) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype)


def _stack_nodes(graphs: Sequence[Graph], dtype: np.dtype) -> Any:
    if not graphs:
        return np.zeros((0, 0), dtype)
    features = [graphs[i].nodes for i in _telling(graphs, "nodes")]
    if any(isinstance(h, SparseMatrix) and not h.is_constant for h in features):
        return _stack_traced(
            [h if isinstance(h, SparseMatrix) else SparseMatrix.from_scipy(h) for h in features], dtype
        )
    if any(isinstance(h, SparseMatrix) for h in features):
        parts = [h.toscipy() if isinstance(h, SparseMatrix) else scipy.sparse.csr_array(h) for h in features]
        return SparseMatrix.from_scipy(scipy.sparse.vstack(parts, format="csr"), dtype)
    return _joined(features, dtype)


def _stack_traced(parts: Sequence[SparseMatrix], dtype: np.dtype) -> SparseMatrix:
    """Return sparse features under each other whose numbers may be traced, and stay so."""
    starts = np.cumsum([0] + [part.shape[0] for part in parts])
    return SparseMatrix.from_entries(
        np.concatenate([part.pattern.rows + start for part, start in zip(parts, starts, strict=False)]),
        np.concatenate([part.pattern.indices for part in parts]),
        ops.concatenate([part.values for part in parts]).astype(dtype),
        (int(starts[-1]), parts[0].shape[1]),
    )


def _joined(arrays: Sequence[np.ndarray], dtype: np.dtype) -> np.ndarray:
    joined = arrays[0] if len(arrays) == 1 else ops.concatenate(arrays)
    return joined.astype(dtype, copy=False)


def _stack_rows(graphs: Sequence[Graph], name: str, dtype: np.dtype) -> np.ndarray | None:
    arrays = [getattr(graphs[i], name) for i in _telling(graphs, name)]
    given = [array for array in arrays if array is not None]
    return _joined(given, dtype) if given else None


def _stack_globals(graphs: Sequence[Graph], dtype: np.dtype) -> np.ndarray | None:
    return None if not graphs or graphs[0].globals is None else _joined([g.globals[None] for g in graphs], dtype)


def _stack_weights(graphs: Sequence[Graph], dtype: np.dtype) -> Any:
    if all(g.weights is None for g in graphs):
        return None
    if any(ops.is_traced(g.weights) for g in graphs):
        return ops.concatenate([np.ones(g.n_edges, dtype) if g.weights is None else g.weights for g in graphs])
    return _joined([np.ones(g.n_edges) if g.weights is None else g.weights for g in graphs], dtype)


# ---- networkx -------------------------------------------------------------------------------------------------------


def from_networkx(
    graph: Any, *, nodes: Attributes = "features", edges: Attributes | None = None, weights: str | None = None
) -> Graph:
    """Return a networkx graph as a Graph: rows follow `list(graph.nodes)`, whose labels are kept as `.names`.

    graph: Graph, DiGraph, MultiGraph or MultiDiGraph. An undirected edge becomes two, with the same attributes, and a
        loop one. Parallel edges stay separate edges; in the adjacency they add.
    nodes: the node attribute holding the features (numbers or vectors), or several to put side by side
    edges: the same for edge features; None reads none
    weights: the edge attribute holding the weight; None means 1, whatever the graph carries

    Raises GraphError for a missing or ragged attribute, naming the node or edge.

    >>> import networkx as nx
    >>> G = nx.Graph([("a", "b")])
    >>> G.nodes["a"]["features"], G.nodes["b"]["features"] = [1.0, 0.0], [0.0, 1.0]
    >>> from_networkx(G).names
    ('a', 'b')
    """
    names = list(graph.nodes)
    number = {name: i for i, name in enumerate(names)}
    found = [attributes for _, attributes in graph.nodes(data=True)]
    features = _columns(found, names, nodes, "nodes", "node")
    labels, data = list(graph.edges()), []
    if edges is not None or weights is not None:
        data = [attributes for _, _, attributes in graph.edges(data=True)]
    pairs = np.array([number[name] for label in labels for name in label], np.intp).reshape(-1, 2)
    order = np.arange(len(pairs))
    if not graph.is_directed():
        back = np.flatnonzero(pairs[:, 0] != pairs[:, 1])
        pairs = np.concatenate([pairs, pairs[back, ::-1]])
        order = np.concatenate([order, back])
    edge_features = None if edges is None else _columns(data, labels, edges, "edges", "edge")[order]
    edge_weights = None if weights is None else _columns(data, labels, weights, "weights", "edge")[order]
    if edge_weights is not None and edge_weights.shape[1] != 1:
        raise GraphError(
            "weights",
            f"{weights!r} gives {edge_weights.shape[1]} numbers for each edge, wanted one; read them with edges=",
        )
    flat = None if edge_weights is None else edge_weights[:, 0]
    return Graph(features, pairs[:, 0], pairs[:, 1], edges=edge_features, weights=flat, names=names)


def _columns(rows: Sequence[dict], labels: Sequence[Any], attributes: Attributes, field: str, unit: str) -> np.ndarray:
    """Return the named attributes of every node or edge as one array, a row each."""
    names = [attributes] if isinstance(attributes, str) else attributes
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"{field}= names an attribute of every {unit}, or several in a list; got {attributes!r}")
    parts = []
    for name in names:
        having = sum(name in row for row in rows)
        if having < len(rows):
            missing = next(label for label, row in zip(labels, rows, strict=True) if name not in row)
            others = sorted({str(key) for row in rows for key in row} - {name})
            hint = nearest(name, others) or (f"; there is {listing(others)}" if others and not having else "")
            bare = f"; if there are none, nx.set_node_attributes(graph, 1.0, {name!r}) gives every node the feature 1"
            raise GraphError(
                field,
                f"{unit} {missing!r} has no attribute {name!r} ({having} of {len(rows)} {unit}s have it){hint}; "
                f"set it, or choose another with {field}={bare if field == 'nodes' and not having else ''}",
            )
        column = _stacked([row[name] for row in rows], name, labels, field, unit)
        parts.append(column.reshape(len(rows), -1) if rows else np.zeros((0, 1)))
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _stacked(values: list, name: str, labels: Sequence[Any], field: str, unit: str) -> np.ndarray:
    """Return values as one array, a row each; if they do not go together, look at each to say which one does not."""
    try:
        together = np.array(values)
        if together.dtype.kind in "biuf":
            return together
    except ValueError:  # of different lengths
        pass
    vectors = [_vector(value, name, label, field, unit) for label, value in zip(labels, values, strict=True)]
    for label, vector in zip(labels, vectors, strict=True):
        if vector.shape != vectors[0].shape:
            raise GraphError(
                field,
                f"attribute {name!r} of {unit} {label!r} has shape {vector.shape}, "
                f"that of {unit} {labels[0]!r} {vectors[0].shape}; give every {unit} the same length",
            )
    return np.array(vectors)


def _vector(value: Any, name: str, label: Any, field: str, unit: str) -> np.ndarray:
    try:
        vector = np.atleast_1d(value)
    except ValueError:
        vector = np.empty(0, object)
    if vector.dtype.kind not in "biuf":
        raise GraphError(
            field,
            f"attribute {name!r} of {unit} {label!r} is {value!r}, expected a number or a vector of numbers; "
            "encode categories as numbers first",
        )
    return vector


def to_networkx(graph: Graph, create_using: Any = None) -> Any:
    """Return a Graph as a networkx graph with attributes "features", "position" (nodes), "features", "weight" (edges).

    create_using: the kind, as networkx calls it: nx.MultiDiGraph (None: every edge as it is), nx.DiGraph, nx.Graph or
        nx.MultiGraph; an undirected kind makes one edge of two opposite ones with the same attributes.
    Node labels are the graph's names, or 0, 1, ...; global features stand in `.graph["globals"]`.

    Raises GraphError where a name stands for two nodes, an edge has no opposite, or a simple kind meets parallel edges.

    >>> import networkx as nx
    >>> pair = Graph(np.ones((2, 1)), senders=[0, 1], receivers=[1, 0])
    >>> to_networkx(pair).number_of_edges(), to_networkx(pair, nx.Graph).number_of_edges()
    (2, 1)
    """
    import networkx as nx

    names = list(range(graph.n_nodes)) if graph.names is None else list(graph.names)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise GraphError("names", f"{twice!r} is the name of {names.count(twice)} nodes; networkx would make them one")
    out = nx.empty_graph(0, create_using=nx.MultiDiGraph if create_using is None else create_using)
    features = ops.dense(graph.nodes)
    for i, name in enumerate(names):
        out.add_node(name, features=features[i])
        if graph.positions is not None:
            out.nodes[name]["position"] = graph.positions[i]
    if graph.globals is not None:
        out.graph["globals"] = graph.globals
    waiting: Counter = Counter()  # edges of an undirected graph whose opposite is still to come
    for k, (sender, receiver) in enumerate(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True)):
        attributes: dict[str, Any] = {}
        if graph.edges is not None:
            attributes["features"] = graph.edges[k]
        if graph.weights is not None:
            attributes["weight"] = float(graph.weights[k])
        if not out.is_directed() and sender != receiver:
            like = tuple(np.asarray(value).tobytes() for value in attributes.values())
            if waiting[receiver, sender, like]:
                waiting[receiver, sender, like] -= 1
                continue
            waiting[sender, receiver, like] += 1
        if not out.is_multigraph() and out.has_edge(names[sender], names[receiver]):
            ends = f"{names[sender]!r} and {names[receiver]!r}"
            raise GraphError("senders", f"two edges join {ends}; use a multigraph or a directed kind")
        out.add_edge(names[sender], names[receiver], **attributes)
    for (sender, receiver, _), count in waiting.items():
        if count:
            raise GraphError(
                "senders",
                f"the edge from {names[sender]!r} to {names[receiver]!r} has no opposite with the same attributes; "
                "use a directed kind",
            )
    return out


# ---- matrices -------------------------------------------------------------------------------------------------------


def from_adjacency(matrix: Any, nodes: Any = None) -> Graph:
    """Return the graph of a SciPy sparse or dense adjacency: entry [i, j] is the weight of the edge from j to i.

    Zeros are no edges. Without node features every node gets the single feature 1. The way back is `graph.adjacency`
    (a SciPy CSR array) and `graph.adjacency.toarray()`.

    Raises GraphError for a matrix that is not square, not of real numbers or not finite, and for other numbers of
    nodes than rows.

    >>> from_adjacency([[0, 0], [2, 0]])
    Graph(n_nodes=2, n_edges=1, nodes=(2, 1) float64, weights=(1,) float64; A[i, j] is the edge from j to i)
    """
    given: Any = matrix if scipy.sparse.issparse(matrix) else numbers(matrix, "adjacency")
    if given.ndim != 2 or given.shape[0] != given.shape[1]:
        raise GraphError("adjacency", f"expected a square matrix, got shape {given.shape}")
    coo = scipy.sparse.coo_array(given)
    coo.sum_duplicates()
    weights = numbers(coo.data, "adjacency")
    kept = weights != 0
    receivers, senders = (index[kept] for index in coo.coords)
    features = np.ones((coo.shape[0], 1), weights.dtype) if nodes is None else node_features(nodes)
    if features.shape[0] != coo.shape[0]:
        raise GraphError(
            "nodes", f"adjacency is {coo.shape} but nodes has {features.shape[0]} rows; give one row per node"
        )
    return Graph(features, senders, receivers, weights=weights[kept])
