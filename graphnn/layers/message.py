"""Layers in which edges speak: EdgesToNodes, NNConv, DMPNN, and the graph network block with all its parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphnn import ops
from graphnn.batch import Batch
from graphnn.initializers import glorot, zeros
from graphnn.kernels import adjacency
from graphnn.layer import Layer, Scope, only_graphs
from graphnn.layers.edges import AGGREGATES, check_names, edge_features, only_edges, weighted
from graphnn.ops import Segments, identity, relu
from graphnn.types import Array


@dataclass(frozen=True)
class EdgesToNodes(Layer):
    """Every node learns what its edges are: h'_i = [h_i, sum of e_ji over its in-edges].

    In front of a convolution that goes by a kernel it lets edge features, such as kinds of bonds, have a say. Edge
    weights do not count.

    nodes: (n_nodes, d), edges: (n_edges, e)  ->  (n_nodes, d + e);  no parameters

    Raises GraphError for graphs without edge features.

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> pair = Graph(np.zeros((2, 1)), senders=[0, 1, 1], receivers=[1, 0, 0], edges=[[1.0], [2.0], [3.0]])
    >>> EdgesToNodes()({}, pair).nodes
    array([[0., 5.],
           [0., 1.]])
    """

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_graphs(self, graphs)
        arriving = ops.segment_sum(edge_features(self, graphs), graphs.receiver_segments)
        return graphs.replace(nodes=ops.concatenate([ops.dense(graphs.nodes), arriving], axis=1))


@dataclass(frozen=True)
class NNConv(Layer):
    """Edge-conditioned convolution: h'_i = activation(h_i R + sum_j w_ji h_j W(e_ji) + b).

    Gilmer et al., ICML 2017 (arXiv:1704.01212), section 5, "edge network": every edge turns its features into the
    matrix that its message goes through, W(e) = W_0 + sum_k a_k(e) W_k with a = inner(e), or a = e without an inner
    layer. So W(e) is any edge network that ends in a linear map. Differs from the paper: R h_i + b takes the place of
    its GRU. `NNConv` of PyG, whose network is `inner` followed by that linear map. Edge weights w multiply messages
    (PyG has none); aggregate="mean" divides by the number of in-edges.

    nodes:  (n_nodes, d), edges: (n_edges, e)   -> (n_nodes, width)
    weight: (q d, width) glorot, row k d + f of it row f of W_k;  constant: (d, width) glorot, W_0
    root:   (d, width)   glorot, R;   bias: (width,) zeros;   "inner.*": those of `inner`, which gives (n_edges, q)

    Cost: since sum_j a_k(e_ji) h_j is a sparse product for every k, messages are summed before they are multiplied:
    four times n_edges * q * itemsize bytes for a and the places of its numbers, twice n_nodes * q * d * itemsize for h
    and the sums, and no matrix for any edge, which would be n_edges * d * width.

    Raises GraphError for graphs without edge features, ValueError for another aggregate.

    >>> import numpy as np
    >>> from graphnn import Dense, Graph
    >>> pair = Graph(np.ones((2, 3)), senders=[0, 1], receivers=[1, 0], edges=[[1.0], [2.0]])
    >>> {name: value.shape for name, value in NNConv(4, Dense(8, relu)).init(0, pair).items() if "inner" not in name}
    {'weight': (24, 4), 'constant': (3, 4), 'root': (3, 4), 'bias': (4,)}
    """

    width: int
    inner: Layer | None = None
    activation: Callable = identity
    aggregate: str = "sum"

    def __post_init__(self) -> None:
        check_names(self, "aggregate", (self.aggregate,), ("sum", "mean"))

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_graphs(self, graphs)
        h, e = ops.dense(graphs.nodes), edge_features(self, graphs)
        a = e if self.inner is None else self.inner(params.scope("inner"), e)
        d, q = h.shape[-1], a.shape[-1]
        weight = params("weight", (q * d, self.width), glorot)
        constant = params("constant", (d, self.width), glorot)
        root = params("root", (d, self.width), glorot)
        bias = params("bias", (self.width,), zeros)
        sums = graphs.propagate_many(weighted(a, graphs), h).reshape((graphs.n_nodes, q * d))
        message = ops.affine(sums, weight) + ops.affine(graphs.propagate(adjacency, graphs.nodes), constant)
        if self.aggregate == "mean":
            message = message * graphs.receiver_segments.inverse_sizes(message.dtype, 2)
        return graphs.replace(nodes=self.activation(message + ops.affine(h, root, bias)))


@dataclass(frozen=True)
class DMPNN(Layer):
    """Directed message passing: every edge v -> w has a state, which hears from all edges into v but w's own.

    Yang et al., J. Chem. Inf. Model. 2019 (arXiv:1904.01561), eqs. 2 to 6, for t = 1, ..., steps:

        h0_vw = activation([x_v, e_vw] W_i)
        m_vw  = sum of h_kv over the edges k -> v with k != w
        h_vw  = activation(h0_vw + m_vw W_m)
        h'_v  = activation([x_v, sum of h_kv over the edges k -> v] W_a + b)

    Without the way back, nothing runs to and fro on one bond. Differs from the paper: a bias at the end, as in the
    authors' code, chemprop, which also adds h0 before its activation in the third line; its depth is steps + 1. PyG
    has no such layer. Edge weights, if there are any, multiply what an edge passes on.

    nodes:  (n_nodes, d), edges: (n_edges, e)   -> (n_nodes, width)
    input:  (d + e, width) glorot, W_i;   message: (width, width) glorot, W_m
    output: (d + width, width) glorot, W_a;   bias: (width,) zeros

    Cost: states are arrays of n_edges * width * itemsize bytes, two a step; the sum m is one sparse product, with
    p q entries for a node with p edges in and q out, found once for each batch (`batch.nonbacktracking`).

    Raises GraphError for graphs without edge features, ValueError for negative steps.

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> chain = Graph(np.eye(3), senders=[0, 1, 1, 2], receivers=[1, 0, 2, 1], edges=np.ones((4, 2)))
    >>> {name: value.shape for name, value in DMPNN(8).init(0, chain).items()}
    {'input': (5, 8), 'message': (8, 8), 'output': (11, 8), 'bias': (8,)}
    """

    width: int
    steps: int = 3
    activation: Callable = relu

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"DMPNN: steps must be 0 or more, got {self.steps}")

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_graphs(self, graphs)
        x, e = ops.dense(graphs.nodes), edge_features(self, graphs)
        d, width = x.shape[-1], self.width
        inputs = params("input", (d + e.shape[-1], width), glorot)
        message = params("message", (width, width), glorot)
        output = params("output", (d + width, width), glorot)
        bias = params("bias", (width,), zeros)
        start = ops.concatenate([ops.gather(x, graphs.sender_segments), e], axis=1)
        first = h = ops.affine(start, inputs, None, self.activation)
        for _ in range(self.steps):
            passed = ops.affine(weighted(h, graphs), message)
            h = ops.propagate(graphs.nonbacktracking, passed, first, self.activation)
        arriving = ops.segment_sum(weighted(h, graphs), graphs.receiver_segments)
        h = ops.affine(ops.concatenate([x, arriving], axis=1), output, bias, self.activation)
        return graphs.replace(nodes=h)


@dataclass(frozen=True)
class GraphNetwork(Layer):
    """The graph network block: edges, nodes and whole graphs are updated in turn, each by a layer of its own.

    Battaglia et al. 2018 (arXiv:1806.01261), algorithm 1, for every edge s -> r of a graph with features u:

        e'_sr = edge_update([e_sr, h_r, h_s, u])
        h'_r  = node_update([sum of e'_sr over the in-edges of r, h_r, u])
        u'    = global_update([sum of e', sum of h', u])

    An update is any layer on arrays (Dense, a Sequential); one that is None leaves its features as they are. Features
    that the graphs lack are left out of the brackets, so all parts of the paper's figure 4 can be had. `MetaLayer` of
    PyG. Edge weights, if there are any, multiply e' in both sums (the paper has none); aggregate="mean" takes all sums
    over their number of terms, 0 for none.

    nodes (n_nodes, d), edges (n_edges, e), globals (n_graphs, g)   -> each as wide as its update gives
    parameters: "edges.*", "nodes.*", "globals.*", those of the updates

    Cost: the first bracket is an array of n_edges * (e + 2 d + g) * itemsize bytes, and its parts are another.

    Raises ValueError for another aggregate and where no update is given, GraphError for kernels in place of edges.

    >>> import numpy as np
    >>> from graphnn import Dense, Graph
    >>> pair = Graph(np.ones((2, 3)), senders=[0, 1], receivers=[1, 0], globals=[1.0])
    >>> block = GraphNetwork(edge_update=Dense(8, relu), node_update=Dense(4), global_update=Dense(2))
    >>> out = block(block.init(0, pair), pair)
    >>> out.edges.shape, out.nodes.shape, out.globals.shape
    ((2, 8), (2, 4), (1, 2))
    """

    edge_update: Layer | None = None
    node_update: Layer | None = None
    global_update: Layer | None = None
    aggregate: str = "sum"

    def __post_init__(self) -> None:
        check_names(self, "aggregate", (self.aggregate,), ("sum", "mean"))
        if self.edge_update is None and self.node_update is None and self.global_update is None:
            raise ValueError("GraphNetwork: no update was given; pass edge_update=, node_update= or global_update=")

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_edges(self, graphs)
        e, h, u = graphs.edges, ops.dense(graphs.nodes), graphs.globals
        together = AGGREGATES[self.aggregate]
        if self.edge_update is not None:
            ends = [ops.gather(h, graphs.receiver_segments), ops.gather(h, graphs.sender_segments)]
            e = self.edge_update(params.scope("edges"), _joined(e, *ends, _spread(u, graphs.edge_segments)))
        if self.node_update is not None:
            arriving = None if e is None else together(weighted(e, graphs), graphs.receiver_segments)
            h = self.node_update(params.scope("nodes"), _joined(arriving, h, _spread(u, graphs.node_segments)))
        if self.global_update is not None:
            of_edges = None if e is None else together(weighted(e, graphs), graphs.edge_segments)
            u = self.global_update(params.scope("globals"), _joined(of_edges, together(h, graphs.node_segments), u))
        return graphs.replace(nodes=h, edges=e, globals=u)


def _joined(*parts: Array | None) -> Array:
    return ops.concatenate([part for part in parts if part is not None], axis=1)


def _spread(u: Array | None, segments: Segments) -> Array | None:
    return None if u is None else ops.gather(u, segments)
