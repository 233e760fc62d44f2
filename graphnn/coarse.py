"""Smaller graphs made of larger ones, put together at once for a whole batch: what pools that coarsen return."""

from __future__ import annotations

import numpy as np

from graphnn import ops
from graphnn.batch import Batch
from graphnn.ops import Segments
from graphnn.ops.sparse import Pattern, offsets, ranges
from graphnn.packed import Packed
from graphnn.types import Array


def keep(graphs: Batch, rows: np.ndarray, nodes: Array) -> Batch:
    """Return the graphs with some of their nodes and the edges among those, in their old order.

    rows: (m,) increasing numbers of the nodes that stay;  nodes: (m, f) their new features
    Edge features, weights, positions and globals go along. Kernels and names that came with the graphs stay behind.

    >>> from graphnn import Graph, pack
    >>> path = pack(Graph(np.ones((3, 1)), senders=[0, 1, 2], receivers=[1, 2, 0], weights=[1, 2, 3]))
    >>> part = keep(path, np.array([0, 2]), np.array([[5.0], [7.0]]))
    >>> part.senders, part.receivers, part.weights
    (array([1]), array([0]), array([3.]))
    """
    place = np.full(graphs.n_nodes, -1)
    place[rows] = np.arange(len(rows))
    senders, receivers = place[graphs.senders], place[graphs.receivers]
    edges = np.flatnonzero((senders >= 0) & (receivers >= 0))
    packed = Packed(
        nodes,
        senders[edges],
        receivers[edges],
        _offsets(graphs.node_graph[rows], graphs.n_graphs),
        _offsets(graphs.edge_segments.index[edges], graphs.n_graphs),
        edges=_some(graphs.edges, edges),
        weights=_some(graphs.weights, edges),
        positions=_some(graphs.positions, rows),
        layout=graphs.layout,
    )
    return Batch.of(packed).replace(globals=graphs.globals)


def complete(graphs: Batch, nodes: Array, weights: Array, loops: bool = True) -> Batch:
    """Return graphs of k nodes in place of the given ones, every node joined to every node, also where the weight is 0.

    nodes: (n_graphs, k, f);  weights: (n_graphs, k, k), [g, i, j] is that of the edge from j to i in graph g
    loops: whether nodes are joined to themselves;  globals go along, all else stays behind

    >>> from graphnn import Graph, pack
    >>> pair = complete(pack(Graph([[1.0]])), np.ones((1, 2, 3)), np.array([[[1.0, 2.0], [3.0, 4.0]]]), loops=False)
    >>> pair.senders, pair.receivers, pair.weights
    (array([1, 0]), array([0, 1]), array([2., 3.]))
    """
    count, k, width = nodes.shape
    flat = weights.reshape((count * k * k,))
    graph, receivers, senders = np.indices((count, k, k)).reshape(3, -1)
    if not loops:
        between = np.flatnonzero(receivers != senders)
        graph, receivers, senders = graph[between], receivers[between], senders[between]
        flat = ops.gather(flat, between)
    packed = Packed(
        nodes.reshape((count * k, width)),
        graph * k + senders,
        graph * k + receivers,
        offsets(np.full(count, k)),
        _offsets(graph, count),
        weights=flat,
        layout=graphs.layout,
    )
    return Batch.of(packed).replace(globals=graphs.globals)


def by_cluster(graphs: Batch, S: Array, h: Array) -> Array:
    """Return S' h of every graph, as one sparse product. S: (n_nodes, k), h: (n_nodes, f)  ->  (n_graphs, k, f)

    >>> from graphnn import pack
    >>> two = pack(nodes=[np.ones((2, 1)), np.ones((1, 1))])
    >>> by_cluster(two, np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]), np.array([[10.0], [20.0], [30.0]]))[:, :, 0]
    array([[20., 10.],
           [ 0., 30.]])
    """
    n, k = S.shape
    pattern, place = graphs.packed.remember(_members, k)
    values = ops.gather(S.reshape((n * k,)), place)
    return ops.weighted_product(values, h, pattern).reshape((graphs.n_graphs, k, h.shape[1]))


def _members(packed: Packed, k: int) -> tuple[Pattern, Segments]:
    """Return the nodes of k clusters of every graph, (n_graphs * k, n_nodes), and which number of S each entry is."""
    sizes = np.repeat(packed.node_counts, k)
    nodes = ranges(np.repeat(packed.node_offsets[:-1], k), sizes)
    cluster = np.repeat(np.tile(np.arange(k), packed.n_graphs), sizes)
    pattern = Pattern(offsets(sizes), nodes, (len(sizes), packed.n_nodes))
    return pattern, Segments(nodes * k + cluster, packed.n_nodes * k)


def _offsets(graph: np.ndarray, count: int) -> np.ndarray:
    return offsets(np.bincount(graph, minlength=count))


def _some(array: Array | None, rows: np.ndarray) -> Array | None:
    return None if array is None else ops.gather(array, rows)
