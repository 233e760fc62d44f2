"""Layers that hear by distance: the continuous-filter convolution of SchNet and its interaction block."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from graphnn import ops
from graphnn.batch import Batch
from graphnn.checks import GraphError
from graphnn.initializers import glorot, zeros
from graphnn.layer import Layer, Scope
from graphnn.layers.edges import edge_features, only_edges, rows_of_features, weighted
from graphnn.ops import identity, shifted_softplus
from graphnn.types import Array


@dataclass(frozen=True)
class CFConv(Layer):
    """Continuous-filter convolution: h'_i = activation((sum_j w_ji (h_j W_in) * filter(d_ij)) W_out + b).

    Schuett et al., NeurIPS 2017 (arXiv:1706.08566), eq. 2 and figure 2. The filter of a distance d, one number for each
    of `filters` channels (* goes channel by channel), is a small network on Gaussians of d, centred evenly from 0 to
    `cutoff`:

        filter(d) = (ssp(g(d) W_1 + b_1) W_2 + b_2) (cos(pi d / cutoff) + 1) / 2, and 0 from the cutoff on

    Distances are those of the graphs' positions, or stand in column `distance` of the edge features. Differs from the
    paper: the two maps W_in, W_out around, which there stand in the interaction block; no second ssp; and the cosine,
    as in the authors' later code; Gaussians as wide as they lie apart. `CFConv` of PyG's SchNet, which leaves out
    what is beyond the cutoff when it makes the edges, and not here. Edge weights, if there are any, multiply messages.

    nodes:  (n_nodes, d), positions (n_nodes, p) or edges (n_edges, e)   -> (n_nodes, width)
    input:  (d, filters)  glorot, W_in;   weight: (filters, width) glorot, W_out;   bias: (width,) zeros
    filter.weight1: (gaussians, filters), filter.weight2: (filters, filters) glorot;   filter.bias1, .bias2: zeros
    filters: width when None

    Cost: filters, senders and messages are six arrays of n_edges * filters * itemsize bytes, and there are two of
    n_edges * gaussians * itemsize.

    Raises GraphError for graphs without positions, or without the named column, and for kernels in place of edges;
    ValueError for a cutoff that is not positive or fewer than two Gaussians.

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> pair = Graph(np.ones((2, 3)), senders=[0, 1], receivers=[1, 0], positions=[[0.0, 0.0], [3.0, 4.0]])
    >>> conv = CFConv(4, cutoff=10.0)
    >>> conv(conv.init(0, pair), pair).nodes.shape
    (2, 4)
    """

    width: int
    activation: Callable = identity
    filters: int | None = None
    cutoff: float = 5.0
    gaussians: int = 50
    distance: int | None = None

    def __post_init__(self) -> None:
        if self.distance is not None and self.distance < 0:
            raise ValueError(f"CFConv: distance must be the number of a column, 0 or more, got {self.distance}")
        if not 0 < self.cutoff < math.inf:
            raise ValueError(f"CFConv: cutoff must be positive and finite, got {self.cutoff}")
        if self.gaussians < 2:
            raise ValueError(f"CFConv: gaussians must be 2 or more, got {self.gaussians}")

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_edges(self, graphs)
        h = ops.dense(graphs.nodes)
        filters = self.width if self.filters is None else self.filters
        inputs = params("input", (h.shape[-1], filters), glorot)
        weight = params("weight", (filters, self.width), glorot)
        bias = params("bias", (self.width,), zeros)
        passed = self._filter(params.scope("filter"), distances(self, graphs, self.distance), filters)
        messages = ops.gather(ops.affine(h, inputs), graphs.sender_segments) * weighted(passed, graphs)
        arriving = ops.segment_sum(messages, graphs.receiver_segments)
        return graphs.replace(nodes=ops.affine(arriving, weight, bias, self.activation))

    def _filter(self, params: Scope, d: Array, filters: int) -> Array:
        """Return the filter of every distance. (n_edges,) -> (n_edges, filters)"""
        weight1 = params("weight1", (self.gaussians, filters), glorot)
        bias1 = params("bias1", (filters,), zeros)
        weight2 = params("weight2", (filters, filters), glorot)
        bias2 = params("bias2", (filters,), zeros)
        hidden = ops.affine(ops.gaussians(d, self.cutoff, self.gaussians), weight1, bias1, shifted_softplus)
        fade = ops.where(d < self.cutoff, 0.5 * (ops.cos(d * (math.pi / self.cutoff)) + 1.0), 0.0)
        return ops.affine(hidden, weight2, bias2) * fade.reshape((-1, 1))


@dataclass(frozen=True)
class SchNetBlock(Layer):
    """The interaction block of SchNet: h' = h + ssp(CFConv(h)) W + b, which keeps the width.

    Schuett et al., NeurIPS 2017 (arXiv:1706.08566), figure 2. `InteractionBlock` of PyG and the sum around it. The
    fields are those of `CFConv`, which says what differs, how weights count, what it costs and raises.

    nodes:  (n_nodes, d)   -> (n_nodes, d)
    weight: (d, d) glorot, bias: (d,) zeros;   "conv.*": those of CFConv(d), with `filters` channels, d when None

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> pair = Graph(np.ones((2, 3)), senders=[0, 1], receivers=[1, 0], edges=[[1.5], [1.5]])
    >>> block = SchNetBlock(filters=8, distance=0)
    >>> block(block.init(0, pair), pair).nodes.shape
    (2, 3)
    """

    filters: int | None = None
    cutoff: float = 5.0
    gaussians: int = 50
    distance: int | None = None

    def __post_init__(self) -> None:
        self._conv(1)

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_edges(self, graphs)
        h = ops.dense(graphs.nodes)
        d = h.shape[-1]
        weight, bias = params("weight", (d, d), glorot), params("bias", (d,), zeros)
        change = self._conv(d)(params.scope("conv"), graphs).nodes
        return graphs.replace(nodes=h + ops.affine(change, weight, bias))

    def _conv(self, width: int) -> CFConv:
        return CFConv(width, shifted_softplus, self.filters, self.cutoff, self.gaussians, self.distance)


def distances(layer: Layer, graphs: Batch, column: int | None = None) -> Array:
    """Return the length of every edge: from positions, or from a column of the edge features. -> (n_edges,)"""
    rows_of_features(layer, graphs)
    name = type(layer).__name__
    if column is not None:
        edges = edge_features(layer, graphs)
        if column >= edges.shape[1]:
            raise GraphError("edges", f"{name} finds distances in column {column}, and edges have {edges.shape[1]}")
        return edges[:, column]
    if graphs.positions is None:
        raise GraphError(
            "positions",
            f"{name} needs to know how far nodes are apart; give Graph(..., positions=...), or name the column of the "
            "edge features that says it: distance=0",
        )
    at = graphs.positions
    return ops.norm(ops.gather(at, graphs.sender_segments) - ops.gather(at, graphs.receiver_segments))
