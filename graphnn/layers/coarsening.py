"""Pools that return smaller graphs: TopKPool and SAGPool keep some nodes, DiffPool and MinCutPool join them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphnn import ops
from graphnn.batch import Batch
from graphnn.checks import GraphError
from graphnn.coarse import by_cluster, complete, keep
from graphnn.initializers import glorot
from graphnn.kernels import adjacency
from graphnn.layer import Layer, Scope, dense_features
from graphnn.layers.convolution import GraphConv
from graphnn.layers.edges import only_edges
from graphnn.ops import tanh
from graphnn.types import Array

# ---- some of the nodes ----------------------------------------------------------------------------------------------


def _check_sizes(layer: TopKPool | SAGPool) -> None:
    name = type(layer).__name__
    if not 0 < layer.ratio <= 1:
        raise ValueError(f"{name}: ratio must lie in (0, 1], got {layer.ratio}; for a number of nodes pass k=")
    if layer.k is not None and layer.k < 1:
        raise ValueError(f"{name}: k must be 1 or more, got {layer.k}")


def _keep_top(layer: TopKPool | SAGPool, params: Scope, graphs: Batch, score: Array) -> Batch:
    """Return the nodes of each graph with the largest scores (n_nodes, 1), each multiplied by activation(score)."""
    sizes = graphs.node_segments.sizes
    # ceil(ratio n), but 0.55 * 100 = 55.000000000000007 is 55
    wanted = sizes * 0 + layer.k if layer.k is not None else -((1e-9 - layer.ratio * sizes) // 1).astype(int)
    rows = ops.segment_top(score.reshape((score.shape[0],)), graphs.node_segments, wanted)
    params.show("kept", ops.value_of, rows)
    h = ops.gather(ops.dense(graphs.nodes), rows) * layer.activation(ops.gather(score, rows))
    return keep(graphs, rows, h)


@dataclass(frozen=True)
class TopKPool(Layer):
    """Keep the nodes that reach farthest along a learned direction p, and the edges among them.

        y = h p / |p|        h' = h_i * activation(y_i) for the ceil(ratio n) nodes of each graph with the largest y_i

    Gao & Ji, ICML 2019 (arXiv:1905.05178), section 3.1, whose gate is a sigmoid; tanh is that of PyG's TopKPooling.
    With `k`, that many nodes of each graph take the place of a share. Graphs that have no more nodes keep them all, a
    graph without nodes stays one. Differs from PyG: nodes stay in their order, where PyG sorts them by score; y is
    compared before the activation, which ties large scores at 1; ratio 1.0 keeps all, where PyG takes 1 for a k.

    Edge features, weights, positions and globals go along; weights play no other part. Kernels that came with the
    graphs stay behind. Where nodes change places the output jumps; derivatives are those of the choice at hand. Of
    nodes that tie, such as two with equal features, the first are kept. `gn.inner_values` shows which nodes as "kept".

    nodes: (n_nodes, d)   -> (m, d), m the sum of ceil(ratio n)
    weight: (d, 1)  glorot

    Nothing is made for each edge but what of it is kept. Raises ValueError for a ratio outside (0, 1] or k below 1,
    GraphError for graphs with kernels in place of edges, TypeError inside of jax.jit.

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> path = Graph(np.array([[1.0], [3.0], [2.0]]), senders=[0, 1, 2], receivers=[1, 2, 0])
    >>> part = TopKPool(0.5)({"weight": np.ones((1, 1))}, path)
    >>> part.nodes.round(3).ravel().tolist(), part.senders, part.receivers  # 3 tanh(3), 2 tanh(2)
    ([2.985, 1.928], array([0]), array([1]))
    """

    ratio: float = 0.5
    k: int | None = None
    activation: Callable = tanh

    def __post_init__(self) -> None:
        _check_sizes(self)

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_edges(self, graphs)
        weight = params("weight", (graphs.nodes.shape[1], 1), glorot)
        score = ops.affine(graphs.nodes, weight) * ops.reciprocal(ops.norm(weight, axis=None))
        return _keep_top(self, params, graphs, score)


@dataclass(frozen=True)
class SAGPool(Layer):
    """Keep the nodes that a graph convolution scores highest, and the edges among them.

        y = score(h)        h' = h_i * activation(y_i) for the ceil(ratio n) nodes of each graph with the largest y_i

    Lee et al., ICML 2019 (arXiv:1904.08082), section 3.1, whose score is the convolution of Kipf & Welling, GraphConv
    here. PyG: SAGPooling, whose default is `score=MorrisConv(1)`; it also multiplies y by the sign of a parameter,
    which is left out. All else is as in TopKPool. Two nodes that have the same neighbours, each other among them, tie
    in the paper's score; MorrisConv(1) tells them apart.

    nodes: (n_nodes, d)   -> (m, d), m the sum of ceil(ratio n)
    parameters: "score." and what that layer has; it must give one column

    Costs for each edge what `score` costs. Raises the errors of TopKPool, and ValueError for a score of more columns.

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> star = Graph(np.ones((4, 2)), senders=[0, 0, 0, 1, 2, 3], receivers=[1, 2, 3, 0, 0, 0])
    >>> pool = SAGPool(k=1)
    >>> pool({"score.weight": np.ones((2, 1)), "score.bias": np.zeros(1)}, star).nodes.shape
    (1, 2)
    """

    ratio: float = 0.5
    k: int | None = None
    score: Layer = GraphConv(1)  # noqa: RUF009 - a layer is a value that nobody can change
    activation: Callable = tanh

    def __post_init__(self) -> None:
        _check_sizes(self)

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_edges(self, graphs)
        score = dense_features(self.score(params.scope("score"), graphs))
        if score.shape[1] != 1:
            raise ValueError(f"SAGPool: the score has {score.shape[1]} columns, wanted 1; use score=GraphConv(1)")
        return _keep_top(self, params, graphs, score)


# ---- clusters of nodes ----------------------------------------------------------------------------------------------


def _assigned(layer: DiffPool | MinCutPool, params: Scope, graphs: Batch) -> tuple[Array, Array]:
    """Return the logits of the assignment (n_nodes, k), and the features (n_nodes, f) to be pooled."""
    logits = dense_features(layer.assign(params.scope("assign"), graphs))
    if logits.ndim != 2 or logits.shape[0] != graphs.n_nodes or logits.shape[1] < 1:
        raise ValueError(
            f"{type(layer).__name__}: `assign` gives shape {tuple(logits.shape)}, wanted a row for each of "
            f"{graphs.n_nodes} nodes and a column for each cluster; use assign=GraphConv(k)"
        )
    return logits, dense_features(graphs if layer.inner is None else layer.inner(params.scope("inner"), graphs))


def _flat(blocks: Array) -> Array:
    return blocks.reshape((blocks.shape[0], blocks.shape[1] * blocks.shape[2]))


def _entropy_loss(graphs: Batch, S: Array, logits: Array) -> Array:
    return ops.segment_mean(-ops.sum(S * ops.log_softmax(logits), axis=1), graphs.node_segments)


def _link_loss(graphs: Batch, S: Array, AS: Array) -> Array:
    """Return |A - S S'| / n^2, from |A - S S'|^2 = |A|^2 - 2 <S, A S> + |S' S|^2: no (n, n) array is made."""
    A, members = ops.coalesced(graphs.packed.sparse_adjacency), graphs.node_segments
    SS = _flat(by_cluster(graphs, S, S))
    of_nodes = ops.segment_sum(A.values * A.values, A.row_segments) - 2.0 * ops.sum(S * AS, axis=1)
    square = ops.segment_sum(of_nodes, members) + ops.sum(SS * SS, axis=1)
    shrink = members.inverse_sizes(S.dtype, 1)
    return ops.sqrt(ops.relu(square)) * shrink * shrink


def _cut_loss(graphs: Batch, S: Array, AS: Array) -> Array:
    """Return - Tr(S' A S) / Tr(S' D S)."""
    A = graphs.packed.sparse_adjacency
    degrees = ops.segment_sum(A.values, A.row_segments)
    within = ops.segment_sum(ops.sum(S * AS, axis=1), graphs.node_segments)
    everything = ops.segment_sum(degrees * ops.sum(S * S, axis=1), graphs.node_segments)
    return -within * ops.reciprocal(everything)


def _orthogonality_loss(graphs: Batch, S: Array) -> Array:
    """Return | S' S / |S' S| - I / |I| |, and 0 for a graph without nodes."""
    k = S.shape[1]
    SS = _flat(by_cluster(graphs, S, S))
    wanted = ops.eye(k, S.dtype).reshape((1, k * k)) * k**-0.5
    loss = ops.norm(SS * ops.reciprocal(ops.norm(SS, keepdims=True)) - wanted)
    return ops.where(graphs.node_segments.sizes > 0, loss, 0.0)


@dataclass(frozen=True)
class DiffPool(Layer):
    """Differentiable pooling: every node is spread over k clusters, which are the nodes of the new graph.

        S = softmax(assign(h))        h' = S' inner(h)        A' = S' A S

    Ying et al., NeurIPS 2018 (arXiv:1806.08804), eqs. 3-6; PyG: dense_diff_pool. `assign` and `inner` are layers that
    keep the nodes, in the paper two graph convolutions: `assign` gives a column for each cluster, `inner=None` takes h
    as it is. Each graph becomes one of k nodes, also one that has fewer, joined all with all and to themselves, with A'
    as weights; a graph without nodes becomes k nodes of zeros and weights of 0.

    Losses, one number for each graph, for `WithLosses`:
        link_loss     |A - S S'|_F / n^2, section 3.3. Dividing is PyG's default, the paper does not. With several
                      graphs PyG takes one norm over all of them, padded.
        entropy_loss  the mean over nodes of the entropy of their row of S

    Edge weights are A, parallel edges are added. Globals go along; edge features, positions and kernels that came with
    the graphs stay behind. `gn.inner_values` shows S as "assignment".

    nodes: (n_nodes, d)   -> (n_graphs * k, width of inner);  edges: n_graphs * k^2
    parameters: "assign." and "inner." and what those layers have

    One sparse product with the k columns of S, no array with a row for each edge: what is made is S and A S, (n_nodes,
    k), and A', (n_graphs, k, k). Raises ValueError for an assignment that does not fit, GraphError for graphs with
    kernels in place of edges.

    >>> import numpy as np
    >>> from graphnn import Dense, Graph
    >>> path = Graph(np.array([[1.0], [2.0], [3.0]]), senders=[0, 1, 1, 2], receivers=[1, 0, 2, 1])
    >>> logits = {"assign.weight": np.array([[0.0, 100.0]]), "assign.bias": np.array([150.0, 0.0])}  # {0}, {1, 2}
    >>> small = DiffPool(Dense(2))(logits, path)
    >>> small.nodes.ravel().round(9).tolist(), small.weights.reshape(2, 2).round(9).tolist()
    ([1.0, 5.0], [[0.0, 1.0], [1.0, 2.0]])
    """

    assign: Layer
    inner: Layer | None = None

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_edges(self, graphs)
        logits, h = _assigned(self, params, graphs)
        S = ops.softmax(logits)
        AS = graphs.propagate(adjacency, S)
        params.show("assignment", ops.value_of, S)
        params.loss("link_loss", _link_loss, graphs, S, AS)
        params.loss("entropy_loss", _entropy_loss, graphs, S, logits)
        return complete(graphs, by_cluster(graphs, S, h), by_cluster(graphs, S, AS))


@dataclass(frozen=True)
class MinCutPool(Layer):
    """Pooling into k clusters of nodes that have many edges within and few between: spectral clustering, learned.

        S = softmax(assign(h))        h' = S' inner(h)        A' = D^-1/2 (S' A S without its diagonal) D^-1/2

    Bianchi, Grattarola & Alippi, ICML 2020 (arXiv:1907.00481), D the row sums of what it scales; PyG:
    dense_mincut_pool. In the paper `assign` is a perceptron on the nodes of a graph convolution. Each graph becomes one
    of k nodes, as in DiffPool, joined all with all but not to themselves; a cluster without edges has D = 0 and stays
    alone.

    Losses, one number for each graph (PyG: their mean), for `WithLosses`. Without them the clusters mean nothing:
        cut_loss            - Tr(S' A S) / Tr(S' D S), D the weighted in-degrees; 0 for a graph without edges
        orthogonality_loss  | S' S / |S' S| - I / sqrt(k) |_F, least for clusters of one size; 0 for an empty graph

    Edge weights are A, which the paper wants symmetric. What goes along, what is shown and what it costs: see DiffPool.

    nodes: (n_nodes, d)   -> (n_graphs * k, width of inner);  edges: n_graphs * k (k - 1)
    parameters: "assign." and "inner." and what those layers have

    Raises the errors of DiffPool, and GraphError for negative weights.

    >>> import numpy as np
    >>> from graphnn import Dense, Graph
    >>> path = Graph(np.array([[1.0], [2.0], [3.0]]), senders=[0, 1, 1, 2], receivers=[1, 0, 2, 1])
    >>> logits = {"assign.weight": np.array([[0.0, 100.0]]), "assign.bias": np.array([150.0, 0.0])}  # {0}, {1, 2}
    >>> small = MinCutPool(Dense(2))(logits, path)
    >>> small.nodes.ravel().round(9).tolist(), small.weights.round(9).tolist()
    ([1.0, 5.0], [1.0, 1.0])
    """

    assign: Layer
    inner: Layer | None = None

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_edges(self, graphs)
        plain = None if graphs.weights is None else ops.value_of(graphs.weights)
        if plain is not None and not ops.is_jax(plain) and (plain < 0).any():
            raise GraphError("weights", f"MinCutPool cuts edges of weight 0 or more, got {plain.min():g}; use DiffPool")
        logits, h = _assigned(self, params, graphs)
        S = ops.softmax(logits)
        AS = graphs.propagate(adjacency, S)
        params.show("assignment", ops.value_of, S)
        params.loss("cut_loss", _cut_loss, graphs, S, AS)
        params.loss("orthogonality_loss", _orthogonality_loss, graphs, S)
        k = S.shape[1]
        between = by_cluster(graphs, S, AS) * (1.0 - ops.eye(k, S.dtype))
        scale = ops.reciprocal(ops.sqrt(ops.sum(between, axis=2, keepdims=True)))
        normalized = between * scale * scale.reshape((graphs.n_graphs, 1, k))
        return complete(graphs, by_cluster(graphs, S, h), normalized, loops=False)
