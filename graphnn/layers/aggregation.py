"""Convolutions by how they put messages together: mean, maximum and the like over the edges that arrive at a node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphnn import ops
from graphnn.batch import Batch
from graphnn.initializers import constant, glorot, zeros
from graphnn.kernels import adjacency, random_walk
from graphnn.layer import Layer, Scope
from graphnn.layers.convolution import convolve
from graphnn.layers.edges import AGGREGATES, check_names, only_edges
from graphnn.ops import identity, relu
from graphnn.types import Array

SCALERS = ("identity", "amplification", "attenuation")


@dataclass(frozen=True)
class SAGEConv(Layer):
    """GraphSAGE: h'_i = activation(h_i W_root + aggregate of the h_j of all j -> i, W + b).

    Hamilton et al., NeurIPS 2017 (arXiv:1706.02216), algorithm 1, lines 4 and 5: the concatenation there, times one
    matrix, is the sum of two products here; SAGEConv in PyG. With `project`, neighbours send relu(h_j P + p), which
    with aggregate="max" is the pooling aggregator of eq. 3. Differs from the paper: neighbours are not sampled, bias
    included, and no l2 normalisation of the result.

    Edge weights, if there are any, are how often a neighbour counts in a "mean" or "sum"; "max" asks only whether
    there is an edge. PyG does not look at them. A node without neighbours hears 0.

    nodes: (n_nodes, d)  -> (n_nodes, width)
    root:  (d, width)  glorot    weight: (d, width)  glorot    bias: (width,)  zeros
    project: (d, d)  glorot    project_bias: (d,)  zeros, where asked for

    "mean" and "sum" are sparse products; "max" forms an array of (n_edges x d): n_edges * d * itemsize bytes. Raises
    ValueError for another aggregate, GraphError for "max" of graphs with kernels in place of edges, and for "mean"
    where the weights that arrive at a node do not add to a positive number.

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> star = Graph(np.array([[0.0], [1.0], [5.0]]), senders=[1, 2], receivers=[0, 0])
    >>> params = {"root": np.zeros((1, 1)), "weight": np.ones((1, 1)), "bias": np.zeros(1)}
    >>> [float(SAGEConv(1, by)(params, star).nodes[0, 0]) for by in ("mean", "max", "sum")]
    [3.0, 5.0, 6.0]
    """

    width: int
    aggregate: str = "mean"
    activation: Callable = identity
    project: bool = False

    def __post_init__(self) -> None:
        check_names(self, "aggregate", (self.aggregate,), ("mean", "max", "sum"))

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_edges(self, graphs)
        d = graphs.nodes.shape[-1]
        root, weight = (params(name, (d, self.width), glorot) for name in ("root", "weight"))
        bias = params("bias", (self.width,), zeros)
        own = ops.affine(graphs.nodes, root, bias)
        sent = graphs
        if self.project:
            project, project_bias = params("project", (d, d), glorot), params("project_bias", (d,), zeros)
            sent = graphs.replace(nodes=ops.affine(graphs.nodes, project, project_bias, relu))
        if self.aggregate == "max":
            segments = graphs.receiver_segments
            top = ops.segment_max(ops.gather(ops.dense(sent.nodes), graphs.sender_segments), segments)
            heard = ops.affine(top, weight)
        else:
            kernel = random_walk if self.aggregate == "mean" else adjacency
            heard = convolve(sent, kernel, weight)
        return graphs.replace(nodes=self.activation(own + heard))


@dataclass(frozen=True)
class EdgeConv(Layer):
    """A layer on pairs of nodes: h'_i = the maximum (mean, sum) over edges j -> i of inner([h_i, h_j - h_i]).

    Wang et al., ACM TOG 2019 (arXiv:1801.07829), section 3.1, the asymmetric edge function; EdgeConv in PyG. The
    paper rebuilds the graph from nearest neighbours before every layer (dynamic graph CNN); here it is the one given.
    `inner` is any layer on arrays, (n_edges, 2 d) -> (n_edges, width). The formula has no place for edge weights, and
    they are not looked at. A node without neighbours gets 0.

    nodes: (n_nodes, d)  -> (n_nodes, width of inner);  parameters are those of the inner layer: "inner.weight"

    Forms arrays of (n_edges x d), n_edges * d * itemsize bytes each: both ends, their difference, the pair as two; and
    one of (n_edges x width) for every layer within.
    Raises ValueError for another aggregate, GraphError for graphs with kernels in place of edges.

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> from graphnn.layers.dense import Dense
    >>> star = Graph(np.array([[0.0], [1.0], [5.0]]), senders=[1, 2], receivers=[0, 0])
    >>> EdgeConv(Dense(1))({"inner.weight": np.ones((2, 1)), "inner.bias": np.zeros(1)}, star).nodes
    array([[5.],
           [0.],
           [0.]])
    """

    inner: Callable
    aggregate: str = "max"

    def __post_init__(self) -> None:
        check_names(self, "aggregate", (self.aggregate,), ("max", "mean", "sum"))

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_edges(self, graphs)
        h = ops.dense(graphs.nodes)
        receiver = ops.gather(h, graphs.receiver_segments)
        pair = ops.concatenate([receiver, ops.gather(h, graphs.sender_segments) - receiver], axis=1)
        message = self.inner(params.scope("inner"), pair)
        return graphs.replace(nodes=AGGREGATES[self.aggregate](message, graphs.receiver_segments))


@dataclass(frozen=True)
class PNAConv(Layer):
    """Principal neighbourhood aggregation: several aggregates of the messages, each scaled by degree in several ways.

        m_ij = h_i R + h_j S + e_ij E + c                         what j sends to i
        h'_i = activation([h_i, s(d_i) aggregate over j of m_ij, for every scaler s and aggregate] W + b)

    Corso et al., NeurIPS 2020 (arXiv:2004.05718), section 2. Aggregates are mean, min, max, std and sum. Scalers are
    powers of log(d_i + 1) / delta with the number of in-edges d_i, loops and parallel edges counted: "identity" 1,
    "amplification" itself, "attenuation" its inverse. PNAConv in PyG, with one tower, and without the two linear maps
    that meet another linear map there (the encoder of edges, the mixing of towers).

    delta is the mean of log(d + 1) over the nodes of the graphs given to `init`, give it the training graphs: the
    statistic "running_log_degree" of the parameters, saved and loaded with them, never trained or changed. It only
    sets the scale in which W begins, so a rough one does no harm; 1 where there are no edges.

    Edge weights are not looked at: the formula has none. A node without neighbours hears 0.

    nodes:  (n_nodes, d), edges (n_edges, e) or None   -> (n_nodes, width)
    receiver, sender: (d, d)  glorot    edge: (e, d)  glorot    message_bias: (d,)  zeros
    weight: ((1 + scalers * aggregates) d, width)  glorot    bias: (width,)  zeros    running_log_degree: ()

    Forms arrays of (n_edges x d), n_edges * d * itemsize bytes each: both ends and the message (with edge features two
    more), and up to three for each aggregate.
    Raises ValueError for unknown names or none, GraphError for graphs with kernels in place of edges.

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> pair = Graph(np.ones((2, 3)), senders=[0, 1], receivers=[1, 0])
    >>> params = PNAConv(4).init(0, pair)
    >>> params["weight"].shape, float(params["running_log_degree"].round(4))
    ((39, 4), 0.6931)
    """

    width: int
    aggregates: tuple[str, ...] = ("mean", "min", "max", "std")
    scalers: tuple[str, ...] = SCALERS
    activation: Callable = identity

    def __post_init__(self) -> None:
        for field, known in (("aggregates", tuple(AGGREGATES)), ("scalers", SCALERS)):
            names = getattr(self, field)
            if not isinstance(names, tuple) or not names:
                raise ValueError(f"PNAConv: {field} must be a tuple of one name or more, got {names!r}")
            check_names(self, field, names, known)

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_edges(self, graphs)
        h = ops.dense(graphs.nodes)
        message = self._messages(params, graphs, h)
        found = [AGGREGATES[name](message, graphs.receiver_segments) for name in self.aggregates]
        together = ops.concatenate(found, axis=1)
        scaled = [together * scale for scale in self._scales(params, graphs)]
        weight = params("weight", ((1 + len(found) * len(scaled)) * h.shape[-1], self.width), glorot)
        bias = params("bias", (self.width,), zeros)
        return graphs.replace(nodes=ops.affine(ops.concatenate([h, *scaled], axis=1), weight, bias, self.activation))

    def _messages(self, params: Scope, graphs: Batch, h: Array) -> Array:
        d = h.shape[-1]
        receiver, sender = params("receiver", (d, d), glorot), params("sender", (d, d), glorot)
        bias = params("message_bias", (d,), zeros)
        heard = ops.gather(ops.affine(h, receiver, bias), graphs.receiver_segments)
        message = heard + ops.gather(ops.affine(h, sender), graphs.sender_segments)
        if graphs.edges is None:
            return message
        return message + ops.affine(graphs.edges, params("edge", (graphs.edges.shape[-1], d), glorot))

    def _scales(self, params: Scope, graphs: Batch) -> list[Array]:
        degree = graphs.receiver_segments.sizes.astype(graphs.dtype)[:, None]
        log_degree = ops.log(degree + 1.0)
        typical = float(ops.mean(log_degree)) or 1.0
        delta = ops.stop_gradient(params("running_log_degree", (), constant(typical)))
        amplification = log_degree / delta
        # a node without neighbours has aggregates of 0, whatever they are multiplied by
        scales = {"identity": 1.0, "amplification": amplification, "attenuation": ops.reciprocal(amplification)}
        return [scales[name] for name in self.scalers]
