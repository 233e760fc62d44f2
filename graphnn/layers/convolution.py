"""Graph convolutions: every node gathers from its neighbours through a kernel, or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphnn import ops
from graphnn.batch import Batch
from graphnn.initializers import glorot, zeros
from graphnn.kernels import adjacency, normalized_adjacency
from graphnn.layer import Layer, Scope, only_graphs
from graphnn.layers.edges import edge_features, only_edges, weighted
from graphnn.ops import identity, relu
from graphnn.types import Array, KernelFn


def convolve(
    graphs: Batch,
    kernel: KernelFn | str | None,
    weight: Array,
    bias: Array | None = None,
    activation: Callable = identity,
    *,
    default: KernelFn | None = None,
    steps: int = 1,
) -> Array:
    """Return activation(K^steps h W + b) for the nodes h of the graphs. (n_nodes, d) -> (n_nodes, width)

    It is one product in two orders. K comes first where it costs less: on the narrower side, or at no cost at all on
    features that came with the graphs, whose K^steps h is remembered.

    >>> from graphnn import pack
    >>> import numpy as np
    >>> convolve(pack(nodes=[np.ones((1, 2))]), None, np.ones((2, 3)), default=normalized_adjacency)
    array([[2., 2., 2.]])
    """
    h = graphs.nodes
    own_and_dense = graphs.has_own_features and not isinstance(h, ops.SparseMatrix)
    if own_and_dense or is_narrow(h, weight.shape[-1]):
        h = graphs.propagate(kernel, h, default=default, steps=steps)
        return ops.affine(h, weight, bias, activation)
    operator = graphs.operator(kernel, default)
    if steps == 1:
        return ops.convolve(operator, h, weight, bias, activation)
    h = ops.convolve(operator, h, weight)
    for _ in range(steps - 2):
        h = ops.propagate(operator, h)
    return ops.propagate(operator, h, bias, activation)


def is_narrow(h: Array | ops.SparseMatrix, width: int) -> bool:
    """Say whether a kernel multiplies h at less cost than it multiplies h W of this width; not if h is sparse.

    >>> import numpy as np
    >>> is_narrow(np.ones((5, 2)), 3), is_narrow(np.ones((5, 3)), 2)
    (True, False)
    """
    return not isinstance(h, ops.SparseMatrix) and h.shape[-1] < width


def mixed(terms: Sequence[Array], weights: Sequence[Array], bias: Array, activation: Callable) -> Array:
    """Return activation(terms[0] weights[0] + terms[1] weights[1] + ... + bias) as one product of all side by side.

    >>> import numpy as np
    >>> mixed([np.ones((1, 2)), np.ones((1, 1))], [np.ones((2, 1)), np.full((1, 1), 5.0)], np.zeros(1), identity)
    array([[7.]])
    """
    return ops.affine(ops.concatenate(terms, axis=1), ops.concatenate(weights), bias, activation)


@dataclass(frozen=True)
class GraphConv(Layer):
    """Graph convolution: h' = activation(K h W + b).

    Kipf & Welling, ICLR 2017 (arXiv:1609.02907), eq. 2, for the kernel D^-1/2 (A + I) D^-1/2; GCNConv in PyG. Differs
    from the paper: any kernel, bias included. The kernel is, in this order: the one named here (a function of the
    graph, or the name of one the graphs carry), the one the graphs came with, the paper's.

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
        weight = params("weight", (graphs.nodes.shape[-1], self.width), glorot)
        bias = params("bias", (self.width,), zeros)
        h = convolve(graphs, self.kernel, weight, bias, self.activation, default=normalized_adjacency)
        return graphs.replace(nodes=h)


@dataclass(frozen=True)
class MultiKernelConv(Layer):
    """One weight matrix for each of several kernels: h' = activation(sum over k of K_k h W_k + b).

    The general form of a convolution. With kernels that say "the node itself", "the neighbour above", "to the left"
    it is the convolution of images; with one for each kind of edge, a relational one (Schlichtkrull et al.,
    arXiv:1703.06103, eq. 2); with powers of one, TAGConv; with Chebyshev polynomials, ChebConv. Those two never form
    the powers, this layer takes any kernels as they are: `kernels` is a tuple of functions of the graph, or names of
    kernels the graphs came with.

    nodes:   (n_nodes, d)  -> (n_nodes, width)
    weight0, weight1, ...: (d, width)  glorot, one for each kernel in order    bias: (width,)  zeros

    Edge weights act as the kernels say. Nothing of size (n_edges x width) is formed. Raises TypeError for kernels
    that are no tuple, ValueError for none.

    >>> import numpy as np
    >>> from graphnn import Graph, kernels
    >>> path = Graph(np.ones((3, 4)), senders=[0, 1], receivers=[1, 2])
    >>> layer = MultiKernelConv(8, (kernels.Distance(0), kernels.Distance(1), kernels.Distance(2)))
    >>> sorted(layer.init(0, path))
    ['bias', 'weight0', 'weight1', 'weight2']
    """

    width: int
    kernels: tuple[KernelFn | str, ...]
    activation: Callable = identity

    def __post_init__(self) -> None:
        if not isinstance(self.kernels, tuple):
            raise TypeError(
                f"MultiKernelConv: kernels must be a tuple, got {type(self.kernels).__name__}; "
                "write kernels=(first, second), or use GraphConv for a single one"
            )
        if not self.kernels:
            raise ValueError("MultiKernelConv: got no kernels, wanted one or more; without any use Dense")

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_graphs(self, graphs)
        h = graphs.nodes
        weights = [params(f"weight{k}", (h.shape[-1], self.width), glorot) for k in range(len(self.kernels))]
        bias = params("bias", (self.width,), zeros)
        if is_narrow(h, self.width):
            terms = [graphs.propagate(kernel, h) for kernel in self.kernels]
            return graphs.replace(nodes=mixed(terms, weights, bias, self.activation))
        out = bias
        for kernel, weight in zip(self.kernels, weights, strict=True):
            out = out + convolve(graphs, kernel, weight)
        return graphs.replace(nodes=self.activation(out))


@dataclass(frozen=True)
class MorrisConv(Layer):
    """What a node is and what its neighbours are: h' = activation(h W_root + A h W + b).

    Morris et al., AAAI 2019 (arXiv:1810.02244), eq. 1, the 1-GNN; GraphConv in PyG (not ours, which is Kipf's).
    Differs from the paper: bias included, and any kernel, taken as in GraphConv, in place of A. Edge weights multiply
    what neighbours send.

    nodes: (n_nodes, d)  -> (n_nodes, width)
    root:  (d, width)  glorot    weight: (d, width)  glorot    bias: (width,)  zeros

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> pair = Graph(np.ones((2, 3)), senders=[0, 1], receivers=[1, 0])
    >>> sorted(MorrisConv(4).init(0, pair))
    ['bias', 'root', 'weight']
    """

    width: int
    activation: Callable = identity
    kernel: KernelFn | str | None = None

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_graphs(self, graphs)
        shape = (graphs.nodes.shape[-1], self.width)
        root, weight = params("root", shape, glorot), params("weight", shape, glorot)
        bias = params("bias", (self.width,), zeros)
        heard = convolve(graphs, self.kernel, weight, default=adjacency)
        return graphs.replace(nodes=self.activation(ops.affine(graphs.nodes, root, bias) + heard))


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
        eps = params("eps", (), zeros)
        h = graphs.propagate(self.kernel, graphs.nodes, ops.stretched(h, eps), default=adjacency)
        return graphs.replace(nodes=_perceptron(self, params, h))


@dataclass(frozen=True)
class GINEConv(Layer):
    """GIN that hears edge features: h'_i = activation(W2 relu(W1 ((1 + eps) h_i + m_i) + b1) + b2), where

        m_i = sum over edges j -> i of relu(h_j + e_ij E + c)

    Hu et al., ICLR 2020 (arXiv:1905.12265), the GIN of their appendix A; GINEConv with edge_dim and train_eps in PyG.
    Differs from the paper, as PyG does: a relu around what each edge brings, without which edges and nodes would be
    summed apart; a learned eps; and edge features, of any width e, come to the width of the nodes by E and c. Edge
    weights, if there are any, multiply the messages, which PyG has not. Parallel edges are several messages, and a
    loop is one a node sends to itself.

    nodes:   (n_nodes, d), edges (n_edges, e)   -> (n_nodes, width)
    edge:    (e, d)  glorot    edge_bias: (d,)  zeros    eps, weight1, bias1, weight2, bias2 as in GINConv

    Forms arrays of (n_edges x d), n_edges * d * itemsize bytes each: what senders send, what edges add, their sum and
    its relu.
    Raises GraphError for graphs without edge features or with kernels in place of edges.

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> pair = Graph(np.ones((2, 3)), senders=[0, 1], receivers=[1, 0], edges=np.ones((2, 1)))
    >>> sorted(GINEConv(4).init(0, pair))
    ['bias1', 'bias2', 'edge', 'edge_bias', 'eps', 'weight1', 'weight2']
    """

    width: int
    activation: Callable = relu
    hidden: int | None = None

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_edges(self, graphs)
        h, edges = ops.dense(graphs.nodes), edge_features(self, graphs)
        d = h.shape[-1]
        eps = params("eps", (), zeros)
        edge, edge_bias = params("edge", (edges.shape[-1], d), glorot), params("edge_bias", (d,), zeros)
        message = ops.messages(h, edges, edge, edge_bias, graphs.sender_segments)
        h = ops.arrivals(h, eps, weighted(message, graphs), graphs.receiver_segments)
        return graphs.replace(nodes=_perceptron(self, params, h))


def _perceptron(layer: GINConv | GINEConv, params: Scope, h: Array) -> Array:
    """Return activation(relu(h W1 + b1) W2 + b2)."""
    hidden = layer.width if layer.hidden is None else layer.hidden
    weight1 = params("weight1", (h.shape[-1], hidden), glorot)
    bias1 = params("bias1", (hidden,), zeros)
    weight2 = params("weight2", (hidden, layer.width), glorot)
    bias2 = params("bias2", (layer.width,), zeros)
    return ops.affine(ops.affine(h, weight1, bias1, relu), weight2, bias2, layer.activation)
