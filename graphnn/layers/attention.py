"""Attention over neighbours: every node weighs what it is sent, by weights that depend on both ends and sum to 1.

All layers here have one shape. With z = h W in `heads` parts and the logits l of every arc j -> i and head:

    alpha = softmax of l over the arcs into i          h'_i = sum over j of alpha_ij z_j, head by head

Heads are an axis behind that of the nodes, (n_nodes, heads, columns), and each arc has one number a head, (n_arcs,
heads); the sum is a sparse product, so no (n_arcs x width) array is made of it. `width` is the number of columns that
come out: with `concat` each head has width / heads of them, else each has `width` and the heads are averaged.

`gn.inner_values(model, params, graphs)` gives alpha, for plotting, as "<layer>.attention": an `ArcValues` of senders,
receivers, loops included, and values (n_arcs, heads). Dropout in training acts on alpha. Edge weights are not looked
at, as in PyTorch Geometric: give them as edge features to a layer that hears those.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from graphnn import ops
from graphnn.batch import Batch
from graphnn.incoming import Incoming
from graphnn.initializers import glorot, ones, zeros
from graphnn.layer import Layer, Scope
from graphnn.layers.dense import Dense
from graphnn.layers.dropout import check_rate
from graphnn.layers.edges import edge_features, only_edges
from graphnn.ops import identity
from graphnn.types import Array


@dataclass(frozen=True)
class GATConv(Layer):
    """Graph attention: l_ij = leaky_relu(a . z_i + b . z_j + c . (e_ij E)) with z = h W, for every head.

    Velickovic et al., ICLR 2018 (arXiv:1710.10903), eqs. 1-6; the paper's vector a is a and b here. PyG: GATConv.
    Differs from the paper: edge features, with `edges=True`. As in PyG, with `loops` each node attends to itself once,
    loops that are there are replaced, and the edge features of a loop are the mean of those of the node's other
    in-edges (0 for none). The paper has elu as activation, dropout 0.6 and the loops.

    nodes:  (n_nodes, d), edges (n_edges, e) if edges=True                -> (n_nodes, width)
    weight: (d, heads * columns)  glorot    receiver, sender: (heads, columns)  glorot  (a and b)    bias: (width,)
    edge_weight: (e, heads * columns)  glorot    edge: (heads, columns)  glorot  (E and c)

    Cost: a few arrays of (n_edges + n_nodes) * heads * itemsize bytes; nothing else grows with the edges. A node that
    hears nobody (loops=False) gets the bias. Raises ValueError for a width that the heads do not divide, GraphError for
    missing edge features and for graphs that came with kernels in place of edges.

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> triangle = Graph(np.eye(3), senders=[0, 1, 2, 1, 2, 0], receivers=[1, 2, 0, 0, 1, 2])
    >>> {name: value.shape for name, value in GATConv(8, heads=2).init(0, triangle).items()}
    {'weight': (3, 8), 'receiver': (2, 4), 'sender': (2, 4), 'bias': (8,)}
    """

    width: int
    heads: int = 1
    activation: Callable = identity
    concat: bool = True
    dropout: float = 0.0
    slope: float = 0.2
    loops: bool = True
    edges: bool = False

    def __post_init__(self) -> None:
        _check(self, self.width, self.heads, self.concat, self.dropout)

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        arcs = only_edges(self, graphs).incoming(self.loops)
        d, columns = graphs.nodes.shape[-1], _columns(self.width, self.heads, self.concat)
        z = ops.affine(graphs.nodes, params("weight", (d, self.heads * columns), glorot))
        receiver = ops.headwise(z, params("receiver", (self.heads, columns), glorot))
        sender = ops.headwise(z, params("sender", (self.heads, columns), glorot))
        if self.edges:
            logits = ops.gather(receiver, arcs.receivers) + ops.gather(sender, arcs.senders)
            e = edge_features(self, graphs)
            weight = params("edge_weight", (e.shape[1], self.heads * columns), glorot)
            # (e E) . c = e (E . c): one number a head; neither the product with E nor loops as wide as e are ever made
            told = ops.affine(e, ops.headwise(weight, params("edge", (self.heads, columns), glorot)))
            logits = ops.leaky_relu(logits + _of_arcs(told, graphs, arcs, self.loops), self.slope)
            alpha = ops.segment_softmax(logits, arcs.receivers)
        else:
            alpha = ops.pair_softmax(receiver, sender, arcs.receivers, arcs.senders, self.slope)
        alpha = _attention(params, alpha, arcs, self.dropout)
        out = ops.weighted_product(alpha, _by_head(z, self.heads), arcs.by_sender)
        bias = params("bias", (self.width,), zeros)
        return graphs.replace(nodes=ops.biased(_joined(out, self.concat), bias, self.activation))


@dataclass(frozen=True)
class GATv2Conv(Layer):
    """Graph attention where the ranking depends on the asker: l_ij = a . leaky_relu(h_i R + r + h_j S + s + e_ij E).

    Brody, Alon & Yahav, ICLR 2022 (arXiv:2105.14491), eq. 7, their W = [R, S]. What is summed is z_j = h_j S + s. PyG:
    GATv2Conv (share_weights=False). Differs from the paper: biases and edge features, as in PyG, and loops as in
    GATConv.

    nodes:    (n_nodes, d), edges (n_edges, e) if edges=True               -> (n_nodes, width)
    sender.weight, receiver.weight: (d, heads * columns)  glorot    sender.bias, receiver.bias: (heads * columns,) zeros
    attention: (heads, columns)  glorot    edge_weight: (e, heads * columns)  glorot    bias: (width,) zeros

    Cost: the leaky_relu stands between the sum and the product with a, so arrays of (n_edges + n_nodes) * heads *
    columns * itemsize bytes are made, about four in a training step: where memory is short, GATConv makes none.
    Errors as in GATConv.

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> pair = Graph(np.ones((2, 3)), senders=[0, 1], receivers=[1, 0])
    >>> sorted(GATv2Conv(4, heads=2).init(0, pair))
    ['attention', 'bias', 'receiver.bias', 'receiver.weight', 'sender.bias', 'sender.weight']
    """

    width: int
    heads: int = 1
    activation: Callable = identity
    concat: bool = True
    dropout: float = 0.0
    slope: float = 0.2
    loops: bool = True
    edges: bool = False

    def __post_init__(self) -> None:
        _check(self, self.width, self.heads, self.concat, self.dropout)

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        arcs = only_edges(self, graphs).incoming(self.loops)
        columns = _columns(self.width, self.heads, self.concat)
        to_heads = Dense(self.heads * columns)
        sender = to_heads(params.scope("sender"), graphs.nodes)
        receiver = to_heads(params.scope("receiver"), graphs.nodes)
        total = ops.gather(receiver, arcs.receivers) + ops.gather(sender, arcs.senders)
        if self.edges:
            e = _of_arcs(edge_features(self, graphs), graphs, arcs, self.loops)
            total = total + ops.affine(e, params("edge_weight", (e.shape[1], self.heads * columns), glorot))
        logits = ops.headwise(ops.leaky_relu(total, self.slope), params("attention", (self.heads, columns), glorot))
        alpha = _attention(params, ops.segment_softmax(logits, arcs.receivers), arcs, self.dropout)
        out = ops.weighted_product(alpha, _by_head(sender, self.heads), arcs.by_sender)
        bias = params("bias", (self.width,), zeros)
        return graphs.replace(nodes=ops.biased(_joined(out, self.concat), bias, self.activation))


@dataclass(frozen=True)
class TransformerConv(Layer):
    """Dot-product attention among neighbours: l_ij = q_i . (k_j + e_ij) / sqrt(columns), with e_ij = edges E.

        m_i = sum over j of alpha_ij (v_j + e_ij)      h'_i = m_i + r_i,   or with `gate`  g r_i + (1 - g) m_i
        q, k, v, r = four affine maps of h             g = sigmoid([m_i, r_i, m_i - r_i] G)

    Shi et al., IJCAI 2021 (arXiv:2009.03509), the graph transformer of section 3, without their layer normalisation and
    relu (put LayerNorm behind; `activation`). PyG: TransformerConv, whose beta is `gate`. No loops are added; a node
    that hears nobody has m = 0.

    nodes:  (n_nodes, d), edges (n_edges, e) if edges=True      -> (n_nodes, width)
    query, key, value: (d, heads * columns)  glorot, skip: (d, width)  glorot; each <name>.weight, and <name>.bias zeros
    edge_weight: (e, heads * columns)  glorot    gate: (3 * width, 1)  glorot

    Cost: (n_edges, heads) arrays; with edges=True also e_ij, n_edges * heads * columns * itemsize bytes. Errors as in
    GATConv.

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> pair = Graph(np.ones((2, 3)), senders=[0, 1], receivers=[1, 0])
    >>> sorted(name for name in TransformerConv(4, heads=2, gate=True).init(0, pair) if not name.endswith("bias"))
    ['gate', 'key.weight', 'query.weight', 'skip.weight', 'value.weight']
    """

    width: int
    heads: int = 1
    activation: Callable = identity
    concat: bool = True
    dropout: float = 0.0
    edges: bool = False
    gate: bool = False

    def __post_init__(self) -> None:
        _check(self, self.width, self.heads, self.concat, self.dropout)

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        arcs = only_edges(self, graphs).incoming()
        h, columns = graphs.nodes, _columns(self.width, self.heads, self.concat)
        to_heads = Dense(self.heads * columns)
        query, key, value = (
            _by_head(to_heads(params.scope(name), h), self.heads) for name in ("query", "key", "value")
        )
        query = query * (1.0 / math.sqrt(columns))
        logits = ops.sampled_product(query, key, arcs.by_sender)
        if self.edges:
            e = edge_features(self, graphs)
            e = ops.affine(e, params("edge_weight", (e.shape[1], self.heads * columns), glorot))
            e = _by_head(e, self.heads)
            logits = logits + ops.sampled_product(query, e, arcs.by_arc)
        alpha = _attention(params, ops.segment_softmax(logits, arcs.receivers), arcs, self.dropout)
        out = ops.weighted_product(alpha, value, arcs.by_sender)
        if self.edges:
            out = out + ops.weighted_product(alpha, e, arcs.by_arc)
        out, skip = _joined(out, self.concat), Dense(self.width)(params.scope("skip"), h)
        if self.gate:
            both = ops.concatenate([out, skip, out - skip], axis=1)
            gate = ops.sigmoid(ops.affine(both, params("gate", (3 * self.width, 1), glorot)))
            out = gate * skip + (1.0 - gate) * out
        else:
            out = out + skip
        return graphs.replace(nodes=self.activation(out))


@dataclass(frozen=True)
class AGNNConv(Layer):
    """Attention by likeness, with a single parameter: l_ij = beta cos(h_i, h_j), and h'_i = sum of alpha_ij h_j.

    Thekumparampil et al. 2018 (arXiv:1803.03735), the attention-guided propagation layer. PyG: AGNNConv. beta starts at
    1; the paper fixes it to 0 in the first of its layers, an average over neighbours. Loops as in GATConv. The cosine
    with a node whose features are all 0 is 0, and so is its derivative.

    nodes: (n_nodes, d)   -> same    beta: ()  ones

    Cost: a few (n_edges + n_nodes,) arrays.

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> pair = Graph(np.eye(2), senders=[0, 1], receivers=[1, 0])
    >>> AGNNConv()({"beta": np.array(0.0)}, pair).nodes
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """

    loops: bool = True

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        arcs = only_edges(self, graphs).incoming(self.loops)
        h = ops.dense(graphs.nodes)
        direction = h * ops.reciprocal(ops.norm(h, keepdims=True))
        cosine = ops.sampled_product(direction, direction, arcs.by_sender)
        alpha = ops.segment_softmax(params("beta", (), ones) * cosine, arcs.receivers)
        alpha = _attention(params, alpha, arcs)
        return graphs.replace(nodes=ops.weighted_product(alpha, h, arcs.by_sender))


# ---- what they share ------------------------------------------------------------------------------------------------


def _attention(params: Scope, alpha: Array, arcs: Incoming, rate: float = 0.0) -> Array:
    """Return the shares of the arcs into each node, shown to onlookers, in training with dropout."""
    params.show("attention", arcs.listed, alpha)
    return ops.dropout(alpha, rate, params.rng()) if params.train and rate else alpha


def _by_head(z: Array, heads: int) -> Array:
    """(n, heads * columns) -> (n, heads, columns)"""
    return ops.reshape(z, (z.shape[0], heads, z.shape[1] // heads))


def _joined(out: Array, concat: bool) -> Array:
    """Return the heads beside each other, or their mean."""
    n, heads, columns = out.shape
    return ops.reshape(out, (n, heads * columns)) if concat or heads == 1 else ops.mean(out, axis=1)


def _columns(width: int, heads: int, concat: bool) -> int:
    """Return the number of columns of one head."""
    return width // heads if concat else width


def _of_arcs(e: Array, graphs: Batch, arcs: Incoming, loops: bool) -> Array:
    """Return the edge features e of every entry; those of a loop are the mean over the node's other in-edges."""
    if loops:
        others = (graphs.senders != graphs.receivers).astype(e.dtype)[:, None]
        total = ops.segment_sum(e * others, graphs.receiver_segments)
        count = ops.segment_sum(others, graphs.receiver_segments)
        e = ops.concatenate([e, total * ops.reciprocal(count)], axis=0)
    return ops.gather(e, arcs.arcs)


def _check(layer: Layer, width: int, heads: int, concat: bool, rate: float) -> None:
    name = type(layer).__name__
    if heads < 1:
        raise ValueError(f"{name}: heads must be 1 or more, got {heads}")
    if concat and width % heads:
        raise ValueError(
            f"{name}: {heads} heads cannot share a width of {width} equally; "
            f"use width={math.ceil(width / heads) * heads}, or concat=False to average heads of {width} columns"
        )
    check_rate(layer, rate)
