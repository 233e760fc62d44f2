"""Layers with a memory: RNN, GRU and LSTM cells, whole sequences, and recurrences on graphs.

A cell is a layer whose state is one more argument: `h = cell(params, x, h)`, in an ordinary Python loop. Without a
state it starts from zeros. `Recurrent(cell)` is that loop over the time axis of an array.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphnn import ops
from graphnn.batch import Batch
from graphnn.initializers import glorot, zeros
from graphnn.kernels import adjacency, normalized_adjacency
from graphnn.layer import Layer, Scope, dense_features, features, only_graphs, with_features
from graphnn.ops import sigmoid, tanh
from graphnn.types import Array, KernelFn


@dataclass(frozen=True)
class RNNCell(Layer):
    """One step of a plain recurrent network: h' = activation(x W + h U + b).

    Elman, Cognitive Science 1990; torch.nn.RNNCell, whose two biases are added here.

    x: (n, d) array or nodes, state h: (n, width), zeros if not given   -> (n, width)
    input:  (d, width)  glorot    hidden: (width, width)  glorot    bias: (width,)  zeros

    Raises ValueError for x that is no (n, d) and for a state of another shape.

    >>> import numpy as np
    >>> cell, frames, h = RNNCell(4), np.ones((3, 5, 2)), None
    >>> params = cell.init(0, frames[0])
    >>> for x in frames:  # three steps of five sequences
    ...     h = cell(params, x, h)
    >>> h.shape
    (5, 4)
    """

    width: int
    activation: Callable = tanh

    def forward(self, params: Scope, graphs: Any, state: Any = None) -> Any:
        x, h = _start(self, graphs, state)
        from_input = params("input", (x.shape[1], self.width), glorot)
        from_state = params("hidden", (self.width, self.width), glorot)
        bias = params("bias", (self.width,), zeros)
        return with_features(graphs, self.activation(ops.affine(x, from_input, bias) + ops.affine(h, from_state)))


@dataclass(frozen=True)
class GRUCell(Layer):
    """One step of a gated recurrent unit: every number of the state is kept (update near 1) or written anew.

        reset  r = sigmoid(x W_r + h U_r + b_r)        new  v = tanh(x W_v + b_v + r (h U_v + c))
        update z = sigmoid(x W_z + h U_z + b_z)             h' = (1 - z) v + z h

    Cho et al., EMNLP 2014 (arXiv:1406.1078), section 2.3. As in torch.nn.GRUCell, and unlike the paper, r multiplies
    after U_v, which has a bias c of its own; the two biases that torch gives the gates are added here.

    x: (n, d) array or nodes, state h: (n, width), zeros if not given   -> (n, width)
    input:  (d, 3 width)  glorot    hidden: (width, 3 width)  glorot    columns: reset, update, new
    bias:   (3 width,)  zeros       hidden_bias: (width,)  zeros, which is c

    Raises ValueError for x that is no (n, d) and for a state of another shape.

    >>> import numpy as np
    >>> cell, x = GRUCell(2), np.ones((1, 3))
    >>> params = cell.init(0, x)
    >>> keep = {**params, "bias": np.array([0, 0, 1e4, 1e4, 0, 0])}
    >>> cell(keep, x, np.array([[5.0, 7.0]]))
    array([[5., 7.]])
    """

    width: int

    def forward(self, params: Scope, graphs: Any, state: Any = None) -> Any:
        x, h = _start(self, graphs, state)
        from_input = params("input", (x.shape[1], 3 * self.width), glorot)
        from_state = params("hidden", (self.width, 3 * self.width), glorot)
        bias = params("bias", (3 * self.width,), zeros)
        x_reset, x_update, x_new = ops.split(ops.affine(x, from_input, bias), 3)
        h_reset, h_update, h_new = ops.split(ops.affine(h, from_state), 3)
        reset, update = sigmoid(x_reset + h_reset), sigmoid(x_update + h_update)
        new = tanh(x_new + reset * (h_new + params("hidden_bias", (self.width,), zeros)))
        return with_features(graphs, (1.0 - update) * new + update * h)


@dataclass(frozen=True)
class LSTMCell(Layer):
    """One step of a long short-term memory, whose state is a pair: h, which speaks, and c, which remembers.

        into   i = sigmoid(x W_i + h U_i + b_i)        new  g = tanh(x W_g + h U_g + b_g)
        forget f = sigmoid(x W_f + h U_f + b_f)        c' = f c + i g
        out    o = sigmoid(x W_o + h U_o + b_o)        h' = o tanh(c')

    Hochreiter & Schmidhuber, Neural Computation 1997, with the forget gate of Gers et al., Neural Computation 2000;
    torch.nn.LSTMCell, whose two biases are added here.

    x: (n, d) array or nodes, state (h, c): (n, width) each, zeros if not given   -> (h', c')
    input:  (d, 4 width)  glorot    hidden: (width, 4 width)  glorot    bias: (4 width,)  zeros
    columns: into, forget, new, out

    Raises ValueError for x that is no (n, d) and for states of another shape, TypeError for a state that is no pair.

    >>> import numpy as np
    >>> cell, x, state = LSTMCell(2), np.ones((5, 3)), None
    >>> params = cell.init(0, x)
    >>> for _ in range(3):
    ...     state = cell(params, x, state)
    >>> h, c = state
    >>> h.shape, c.shape
    ((5, 2), (5, 2))
    """

    width: int

    def forward(self, params: Scope, graphs: Any, state: Any = None) -> tuple[Any, Array]:
        if state is not None and not (isinstance(state, (tuple, list)) and len(state) == 2):
            raise TypeError(f"LSTMCell: the state must be a pair (h, c), got {type(state).__name__}")
        h_before, c_before = (None, None) if state is None else state
        x, h = _start(self, graphs, h_before)
        _, c = _start(self, graphs, c_before)
        from_input = params("input", (x.shape[1], 4 * self.width), glorot)
        from_state = params("hidden", (self.width, 4 * self.width), glorot)
        bias = params("bias", (4 * self.width,), zeros)
        into, forget, new, out = ops.split(ops.affine(x, from_input, bias) + ops.affine(h, from_state), 4)
        c = sigmoid(forget) * c + sigmoid(into) * tanh(new)
        return with_features(graphs, sigmoid(out) * tanh(c)), c


@dataclass(frozen=True)
class GraphGRUCell(Layer):
    """One step of a GRU on the nodes of a graph, where input and state are heard through a kernel K.

        reset  r = sigmoid(K x W_r + K h U_r + b_r)        new  v = tanh(K x W_v + K (r h) U_v + b_v)
        update z = sigmoid(K x W_z + K h U_z + b_z)             h' = (1 - z) v + z h

    Li et al., ICLR 2018 (arXiv:1707.01926), section 2.3, with one kernel where theirs is a sum over several steps of
    random walks; the kernel is the one named here, else the one the graphs came with, else D^-1/2 (A + I) D^-1/2. With
    the identity as K it is the GRU of Cho et al. as printed, where r multiplies before U_v. Edge weights act in K.

    Frames of one graph: `Recurrent(GraphGRUCell(8))`. Frames whose edges change: a loop,

        for frame in frames:  # batches with the same nodes
            h = cell(params, frame, h)

    nodes:  (n_nodes, d), state h: (n_nodes, width) array or graphs, zeros if not given   -> (n_nodes, width)
    input:  (d, 3 width)  glorot    hidden: (width, 2 width)  glorot    new: (width, width)  glorot
    bias:   (3 width,)  zeros       columns: reset, update, new

    Raises ValueError for nodes that are no (n_nodes, d) and for a state of another shape.

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> pair, cell = Graph(np.ones((2, 3)), senders=[0, 1], receivers=[1, 0]), GraphGRUCell(4)
    >>> params = cell.init(0, pair)
    >>> cell(params, pair, cell(params, pair)).nodes.shape
    (2, 4)
    """

    width: int
    kernel: KernelFn | str | None = None

    def forward(self, params: Scope, graphs: Batch, state: Any = None) -> Batch:
        graphs = only_graphs(self, graphs)
        x, h = _start(self, graphs, state)
        from_input = params("input", (x.shape[1], 3 * self.width), glorot)
        from_state = params("hidden", (self.width, 2 * self.width), glorot)
        from_kept = params("new", (self.width, self.width), glorot)
        bias = params("bias", (3 * self.width,), zeros)
        x_gates = ops.affine(self._heard(graphs, x), from_input, bias)
        x_reset, x_update, x_new = ops.split(x_gates, 3)
        h_reset, h_update = ops.split(ops.affine(self._heard(graphs, h), from_state), 2)
        reset, update = sigmoid(x_reset + h_reset), sigmoid(x_update + h_update)
        new = tanh(x_new + ops.affine(self._heard(graphs, reset * h), from_kept))
        return graphs.replace(nodes=(1.0 - update) * new + update * h)

    def _heard(self, graphs: Batch, h: Array) -> Array:
        return graphs.propagate(self.kernel, h, default=normalized_adjacency)


@dataclass(frozen=True)
class Recurrent(Layer):
    """A cell that goes through time: h_t = cell(x_t, h_t-1) for every t, from a state of zeros.

    What comes out is every h_t, or with `last` only the last one. With `reverse` the cell goes backwards: each h_t
    still stands at its time, and the last one is that of the first frame. All sequences have one length. As
    torch.nn.RNN, GRU and LSTM with batch_first and one layer; stack layers with Sequential.

    x: (n, time, d) array or nodes (see `Frames`)   -> (n, time, width), with `last` (n, width)
    parameters: "cell." and what the cell has

    A cell of one's own is a layer with forward(params, graphs, state=None) that returns the new state, of which the
    first is what comes out if it is a tuple. Raises TypeError for a layer that takes no state, ValueError for an array
    that has no time axis, or no time.

    >>> import numpy as np
    >>> x = np.ones((5, 7, 2))
    >>> model = Recurrent(GRUCell(4))
    >>> params = model.init(0, x)
    >>> model(params, x).shape, Recurrent(GRUCell(4), last=True)(params, x).shape
    ((5, 7, 4), (5, 4))
    """

    cell: Layer
    last: bool = False
    reverse: bool = False

    def __post_init__(self) -> None:
        try:
            inspect.signature(self.cell.forward).bind(None, None, None)
        except (TypeError, AttributeError):
            raise TypeError(
                f"Recurrent: {self.cell!r} takes no state; give a cell, such as GRUCell(8), or a layer with "
                "forward(params, graphs, state=None)"
            ) from None

    def forward(self, params: Scope, graphs: Any) -> Any:
        x = dense_features(graphs)
        if x.ndim != 3 or x.shape[1] == 0:
            raise ValueError(
                f"Recurrent: wanted features (n, time, d) with one time or more, got shape {x.shape}; "
                "put Frames(count) before it, or use x[:, None] for a single time"
            )
        (n, times), state, seen = x.shape[:2], None, []
        for t in range(times)[:: -1 if self.reverse else 1]:
            state = self.cell(params.scope("cell"), with_features(graphs, x[:, t]), state)
            seen.append(features(state[0] if isinstance(state, tuple) else state))
        if self.last:
            return with_features(graphs, seen[-1])
        in_time = seen[::-1] if self.reverse else seen
        together = ops.concatenate(in_time, axis=1)
        return with_features(graphs, together.reshape((n, times, together.shape[1] // times)))


@dataclass(frozen=True)
class Frames(Layer):
    """The columns as `count` frames in time, the first frame first. (n, count * d) -> (n, count, d)

    So the readings of a node over time, its features, become a sequence for `Recurrent`; no parameters.

    Raises ValueError for columns that do not divide into so many frames.

    >>> import numpy as np
    >>> Frames(3)({}, np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]))[0]
    array([[1., 2.],
           [3., 4.],
           [5., 6.]])
    """

    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"Frames: count must be 1 or more, got {self.count}")

    def forward(self, params: Scope, graphs: Any) -> Any:
        h = dense_features(graphs)
        if h.ndim != 2 or h.shape[1] % self.count:
            raise ValueError(f"Frames: features of shape {h.shape} are no {self.count} equal frames of columns")
        return with_features(graphs, h.reshape((h.shape[0], self.count, h.shape[1] // self.count)))


@dataclass(frozen=True)
class GatedGraphConv(Layer):
    """Messages into a GRU, `steps` times: h <- GRU(x = A h W_t, state = h), from the features padded with zeros.

    Li et al., ICLR 2016 (arXiv:1511.05493), section 3.2. As in PyG's GatedGraphConv, and unlike the paper, each step
    has a matrix W_t of its own (`Repeat(GatedGraphConv(width, 1), steps)` has one), there is one kind of edge, and the
    GRU is torch's, see `GRUCell`, which keeps where the paper's z writes. Edge weights multiply what is sent; the
    kernel is the one named here, else the one the graphs came with, else A.

    nodes:       (n_nodes, d), d <= width   -> (n_nodes, width)
    weight<t>:   (width, width)  glorot, t = 1, ..., steps    gru.: what `GRUCell(width)` has

    Raises ValueError for features wider than `width` and for fewer steps than one.

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> pair = Graph(np.ones((2, 3)), senders=[0, 1], receivers=[1, 0])
    >>> list(GatedGraphConv(4, steps=2).init(0, pair))
    ['weight1', 'gru.input', 'gru.hidden', 'gru.bias', 'gru.hidden_bias', 'weight2']
    """

    width: int
    steps: int
    kernel: KernelFn | str | None = None

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"GatedGraphConv: steps must be 1 or more, got {self.steps}")

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_graphs(self, graphs)
        h, gru = ops.dense(graphs.nodes), GRUCell(self.width)
        n, d = h.shape
        if d > self.width:
            raise ValueError(
                f"GatedGraphConv: {d} features do not fit into a state of width {self.width}; use width={d} or more, "
                "or put Dense before it"
            )
        h = ops.concatenate([h, ops.zeros((n, self.width - d), h.dtype)], axis=1)
        for t in range(1, self.steps + 1):
            message = ops.affine(h, params(f"weight{t}", (self.width, self.width), glorot))
            heard = graphs.propagate(self.kernel, message, default=adjacency)
            h = gru(params.scope("gru"), heard, h)
        return graphs.replace(nodes=h)


def _start(layer: Any, graphs: Any, state: Any) -> tuple[Any, Array]:
    """Return the input of one step, (n, d), and the state it starts from, (n, width): the one given or zeros."""
    x, name = features(graphs), type(layer).__name__
    if x.ndim != 2:
        raise ValueError(
            f"{name}: one step takes features (n, d), got shape {x.shape}; for (n, time, d) use Recurrent({layer!r})"
        )
    wanted = (x.shape[0], layer.width)
    h = ops.zeros(wanted, x.dtype) if state is None else dense_features(state)
    if getattr(h, "shape", None) != wanted:
        raise ValueError(
            f"{name}: the state must have shape {wanted}, one row for each of the {wanted[0]} rows of x, "
            f"got {getattr(h, 'shape', type(h).__name__)}"
        )
    return x, h
