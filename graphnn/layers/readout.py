"""Readouts that choose what to look at: attention over the nodes of a graph, Set2Set, and sorting."""

from __future__ import annotations

from dataclasses import dataclass

from graphnn import ops
from graphnn.batch import Batch
from graphnn.layer import Layer, Scope, dense_features, only_graphs
from graphnn.layers.dense import Dense
from graphnn.layers.recurrent import LSTMCell
from graphnn.types import Array


@dataclass(frozen=True)
class AttentionPool(Layer):
    """A weighted sum over the nodes of each graph: sum of softmax(gate(h)) inner(h); 0 for a graph without nodes.

    Li et al., ICLR 2016 (arXiv:1511.05493), eq. 7, whose gate is a sigmoid of every node alone: that is
    `normalized=False`, with gate=Dense(w) and inner=Dense(w, gn.tanh). The softmax over the nodes of a graph is that of
    PyG: AttentionalAggregation.

    `gate` and `inner` are layers that keep the nodes, `inner=None` takes h as it is. The gate has one column, or one
    for each column of inner(h). `gn.inner_values` gives the weights of the nodes as "<layer>.attention".

    nodes: (n_nodes, d)   -> (n_graphs, width of inner)    parameters: "gate." and "inner." and what those layers have

    Raises ValueError for a gate of another width.

    >>> import numpy as np
    >>> from graphnn import pack
    >>> pool, graphs = AttentionPool(), pack(nodes=[np.array([[1.0], [3.0]]), np.ones((0, 1))])
    >>> pool({"gate.weight": np.array([[1e4]]), "gate.bias": np.zeros(1)}, graphs)
    array([[3.],
           [0.]])
    """

    gate: Layer = Dense(1)  # noqa: RUF009 - a layer is a value that nobody can change
    inner: Layer | None = None
    normalized: bool = True

    def forward(self, params: Scope, graphs: Batch) -> Array:
        graphs = only_graphs(self, graphs)
        gate = dense_features(self.gate(params.scope("gate"), graphs))
        h = dense_features(graphs if self.inner is None else self.inner(params.scope("inner"), graphs))
        if gate.shape[1] not in (1, h.shape[1]):
            raise ValueError(
                f"AttentionPool: the gate has {gate.shape[1]} columns, wanted 1 or the {h.shape[1]} of what it weighs; "
                "use gate=Dense(1)"
            )
        alpha = ops.segment_softmax(gate, graphs.node_segments) if self.normalized else ops.sigmoid(gate)
        params.show("attention", ops.value_of, alpha)
        return ops.segment_sum(alpha * h, graphs.node_segments)


@dataclass(frozen=True)
class Set2Set(Layer):
    """A readout that looks at the nodes several times: an LSTM asks, attention answers, `steps` times.

        q, c = LSTM([q, r], c)        alpha = softmax of h_v . q over the nodes v of the graph        r = sum of alpha h

    Vinyals, Bengio & Kudlur, ICLR 2016 (arXiv:1511.06391), eqs. 3-7; [q, r] comes out. All start at 0, so a graph
    without nodes has r = 0 and the q of the LSTM alone. PyG: Set2Set, whose two biases of the LSTM are added here.
    q is heard twice, as part of [q, r] and as the LSTM's own state, in PyG too.

    nodes:  (n_nodes, d)   -> (n_graphs, 2 d)
    input:  (2 d, 4 d)    hidden: (d, 4 d)    bias: (4 d,), those of `LSTMCell(d)`

    Raises ValueError for fewer steps than one.

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> pair = Graph(np.ones((2, 3)), senders=[0, 1], receivers=[1, 0])
    >>> readout = Set2Set(steps=3)
    >>> readout(readout.init(0, pair), pair).round(12)[:, 3:]  # both nodes are alike
    array([[1., 1., 1.]])
    """

    steps: int

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"Set2Set: steps must be 1 or more, got {self.steps}")

    def forward(self, params: Scope, graphs: Batch) -> Array:
        graphs = only_graphs(self, graphs)
        h = ops.dense(graphs.nodes)
        d, members = h.shape[1], graphs.node_segments.grouped[0]
        lstm, q = LSTMCell(d), ops.zeros((graphs.n_graphs, d), h.dtype)
        c, both = q, ops.concatenate([q, q], axis=1)
        for _ in range(self.steps):
            q, c = lstm(params, both, (q, c))
            alpha = ops.segment_softmax(ops.sampled_product(q, h, members), graphs.node_segments)
            both = ops.concatenate([q, ops.weighted_product(alpha, h, members)], axis=1)
        params.show("attention", ops.value_of, alpha)
        return both


@dataclass(frozen=True)
class SortPool(Layer):
    """The k nodes of each graph that are largest in the last column, beside each other, zeros behind them if fewer.

    Zhang et al., AAAI 2018 (DGCNN), section "SortPooling layer". Nodes that tie there are ordered by the column before
    it, and so on, as in the paper, so the order of the nodes never matters; PyG: SortAggregation leaves ties open.
    Where nodes change places the output jumps; derivatives are those of the order at hand.

    nodes: (n_nodes, d)   -> (n_graphs, k * d)

    Raises ValueError for k below 1.

    >>> import numpy as np
    >>> from graphnn import pack
    >>> SortPool(2)({}, pack(nodes=[np.array([[1.0], [5.0], [3.0]]), np.ones((1, 1))]))
    array([[5., 3.],
           [1., 0.]])
    """

    k: int

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"SortPool: k must be 1 or more, got {self.k}")

    def forward(self, params: Scope, graphs: Batch) -> Array:
        graphs = only_graphs(self, graphs)
        h = ops.segment_sort(ops.dense(graphs.nodes), graphs.node_segments)
        h = ops.segment_first(h, graphs.node_segments, self.k)
        return h.reshape((graphs.n_graphs, self.k * h.shape[2]))
