"""Graph convolutions: every node gathers from its neighbours through a kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphnn import ops
from graphnn.batch import Batch
from graphnn.initializers import glorot, zeros
from graphnn.kernels import adjacency, normalized_adjacency
from graphnn.layer import Layer, Scope, only_graphs
from graphnn.ops import identity, relu
from graphnn.types import KernelFn


@dataclass(frozen=True)
class GraphConv(Layer):
    """Graph convolution: h' = activation(K h W + b).

    Kipf & Welling, ICLR 2017 (arXiv:1609.02907), eq. 2, for the kernel D^-1/2 (A + I) D^-1/2. Differs from the paper:
    any kernel, bias included. The kernel is, in this order: the one named here (a function of the graph, or the name
    of one the graphs carry), the one the graphs came with, the paper's.

    nodes:  (n_nodes, d)   -> (n_nodes, width)
    weight: (d, width)  glorot    bias: (width,)  zeros

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> triangle = Graph(np.eye(3), senders=[0, 1, 2, 1, 2, 0], receivers=[1, 2, 0, 0, 1, 2])
    >>> sorted(GraphConv(8).init(0, triangle))
    ['bias', 'weight']
    """

    width: int
    activation: Callable = identity
    kernel: KernelFn | str | None = None

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_graphs(self, graphs)
        h = graphs.nodes
        weight = params("weight", (h.shape[-1], self.width), glorot)
        bias = params("bias", (self.width,), zeros)
        # K h W is one product in two orders. K comes first where it costs less: on the narrower side, or at no cost
        # at all on features that came with the graphs, whose K h is remembered.
        if (graphs.has_own_features or h.shape[-1] < self.width) and not isinstance(h, ops.SparseMatrix):
            h = graphs.propagate(self.kernel, h, default=normalized_adjacency)
            h = ops.affine(h, weight, bias, self.activation)
        else:
            h = ops.affine(h, weight)
            h = graphs.propagate(self.kernel, h, bias, self.activation, default=normalized_adjacency)
        return graphs.replace(nodes=h)


@dataclass(frozen=True)
class GINConv(Layer):
    """Graph isomorphism layer: h' = activation(W2 relu(W1 ((1 + eps) h + A h) + b1) + b2), rows as vectors.

    Xu et al., ICLR 2019 (arXiv:1810.00826), eq. 4.1, with a two-layer perceptron and a learned eps that starts at 0
    (their GIN-eps). Differs from the paper: no batch normalisation inside; put BatchNorm behind it. Edge weights
    count as the number of times a neighbour is summed, and another kernel may take the place of A. As in GraphConv it
    is the one named here, else the one the graphs came with, else A.

    nodes:   (n_nodes, d)      -> (n_nodes, width)
    weight1: (d, hidden)  glorot    weight2: (hidden, width)  glorot    bias1, bias2: zeros    eps: ()  zeros
    hidden:  width when None

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> pair = Graph(np.ones((2, 3)), senders=[0, 1], receivers=[1, 0])
    >>> sorted(GINConv(4).init(0, pair))
    ['bias1', 'bias2', 'eps', 'weight1', 'weight2']
    """

    width: int
    activation: Callable = relu
    hidden: int | None = None
    kernel: KernelFn | str | None = None

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_graphs(self, graphs)
        h = ops.dense(graphs.nodes)
        hidden = self.width if self.hidden is None else self.hidden
        eps = params("eps", (), zeros)
        weight1 = params("weight1", (h.shape[-1], hidden), glorot)
        bias1 = params("bias1", (hidden,), zeros)
        weight2 = params("weight2", (hidden, self.width), glorot)
        bias2 = params("bias2", (self.width,), zeros)
        h = (1.0 + eps) * h + graphs.propagate(self.kernel, graphs.nodes, default=adjacency)
        h = ops.affine(ops.affine(h, weight1, bias1, relu), weight2, bias2, self.activation)
        return graphs.replace(nodes=h)
