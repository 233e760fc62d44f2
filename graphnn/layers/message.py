"""Layers in which edges speak: EdgesToNodes."""

from __future__ import annotations

from dataclasses import dataclass

from graphnn import ops
from graphnn.batch import Batch
from graphnn.checks import GraphError
from graphnn.layer import Layer, Scope, only_graphs


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
        if graphs.edges is None:
            raise GraphError("edges", "EdgesToNodes sums edge features and there are none; give Graph(..., edges=...)")
        arriving = ops.segment_sum(graphs.edges, graphs.receiver_segments)
        return graphs.replace(nodes=ops.concatenate([ops.dense(graphs.nodes), arriving], axis=1))
