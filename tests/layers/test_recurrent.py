"""Cells, sequences and graph recurrences against their formulas, gate by gate in plain NumPy, and their limits."""

from __future__ import annotations

from dataclasses import dataclass

import cases
import numpy as np
import pytest
import scipy.linalg
from autograd.test_util import check_grads

import graphnn as gn
from graphnn import kernels as k

rng = np.random.default_rng(0)
N, TIMES, D, WIDTH = 5, 4, 3, 2
X, H, C = rng.normal(size=(N, D)), rng.normal(size=(N, WIDTH)), rng.normal(size=(N, WIDTH))
FRAMES = rng.normal(size=(N, TIMES, D))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gates(p, names):
    """Return {gate: (W, U, b)}, cut out of the matrices that hold them side by side."""
    parts = (np.split(p[name], len(names), axis=-1) for name in ("input", "hidden", "bias"))
    return dict(zip(names, zip(*parts, strict=True), strict=True))


def rnn(p, x, h):
    return np.tanh(x @ p["input"] + h @ p["hidden"] + p["bias"])


def gru(p, x, h):
    (W_r, U_r, b_r), (W_z, U_z, b_z), (W_v, U_v, b_v) = gates(p, ("reset", "update", "new")).values()
    r, z = sigmoid(x @ W_r + h @ U_r + b_r), sigmoid(x @ W_z + h @ U_z + b_z)
    return (1 - z) * np.tanh(x @ W_v + b_v + r * (h @ U_v + p["hidden_bias"])) + z * h


def lstm(p, x, state):
    h, c = state
    gate = {name: x @ W + h @ U + b for name, (W, U, b) in gates(p, ("into", "forget", "new", "out")).items()}
    c = sigmoid(gate["forget"]) * c + sigmoid(gate["into"]) * np.tanh(gate["new"])
    return sigmoid(gate["out"]) * np.tanh(c), c


def graph_gru(p, K, x, h):
    W, b = np.split(p["input"], 3, axis=1), np.split(p["bias"], 3)
    U = [*np.split(p["hidden"], 2, axis=1), p["new"]]
    r, z = (sigmoid(K @ x @ W[i] + K @ h @ U[i] + b[i]) for i in (0, 1))
    return (1 - z) * np.tanh(K @ x @ W[2] + K @ (r * h) @ U[2] + b[2]) + z * h


# cell: (its formula, a state, the state it starts from)
NOTHING = np.zeros((N, WIDTH))
CELLS = [
    (gn.RNNCell(WIDTH), rnn, H, NOTHING),
    (gn.GRUCell(WIDTH), gru, H, NOTHING),
    (gn.LSTMCell(WIDTH), lstm, (H, C), (NOTHING, NOTHING)),
]
every_cell = pytest.mark.parametrize("cell, formula, state, start", CELLS, ids=lambda part: type(part).__name__)


def first(state):
    """Return h of the state of any cell."""
    return state[0] if isinstance(state, tuple) else state


def assert_close(got, wanted):
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-13)


@every_cell
class TestACell:
    def test_it_is_its_formula(self, cell, formula, state, start):
        params = cases.parameters(cell, X)
        assert_close(cell(params, X, state), formula(params, X, state))

    def test_without_a_state_it_starts_from_zeros(self, cell, formula, state, start):
        params = cases.parameters(cell, X)
        assert_close(cell(params, X), formula(params, X, start))

    def test_on_graphs_it_replaces_the_nodes(self, cell, formula, state, start):
        graph = gn.pack(gn.Graph(X, senders=[0], receivers=[1]))
        params, pair = cases.parameters(cell, graph), isinstance(state, tuple)
        on_graph = (graph.replace(nodes=H), C) if pair else graph.replace(nodes=H)
        for out in (cell(params, graph, state), cell(params, graph, on_graph)):
            assert_close((out[0] if pair else out).nodes, first(formula(params, X, state)))

    def test_derivatives_follow_parameters_input_and_state(self, cell, formula, state, start):
        params = cases.parameters(cell, X)
        pair = isinstance(state, tuple)
        leaves = {**params, "x": X, "h": H} | ({"c": C} if pair else {})
        vector, unflatten = gn.flatten(leaves)

        def function(vector):
            given = unflatten(vector)
            out = cell(given, given["x"], (given["h"], given["c"]) if pair else given["h"])
            return gn.ops.concatenate(list(out), axis=1) if pair else out

        np.random.seed(0)  # noqa: NPY002 - check_grads draws its directions there
        check_grads(function, modes=["fwd", "rev"], order=2)(vector)

    def test_gates_that_are_wide_open_or_shut_are_finite(self, cell, formula, state, start):
        params = {name: 1e4 * value for name, value in cases.parameters(cell, X).items()}
        out = cell(params, 1e4 * X, state)
        grads = gn.grad(lambda p: sum(gn.ops.sum(h) for h in gn.layer.parts_of(cell(p, 1e4 * X, state))))(params)
        assert all(np.isfinite(part).all() for part in (*gn.layer.parts_of(out), *grads.values()))

    def test_float32_stays_float32(self, cell, formula, state, start):
        params = cases.parameters(cell, X, dtype=np.float32)
        for given in ((), (tuple(np.float32(s) for s in state) if isinstance(state, tuple) else np.float32(state),)):
            parts = gn.layer.parts_of(cell(params, np.float32(X), *given))
            assert {part.dtype for part in parts} == {np.dtype(np.float32)}

    def test_a_sequence_is_the_loop(self, cell, formula, state, start):
        layer = gn.Recurrent(cell)
        params = cases.parameters(layer, FRAMES)
        own = {name.removeprefix("cell."): value for name, value in params.items()}

        def loop(times):
            seen, now = {}, start
            for t in times:
                now = formula(own, FRAMES[:, t], now)
                seen[t] = first(now)
            return np.stack([seen[t] for t in range(TIMES)], axis=1)

        ahead, back = loop(range(TIMES)), loop(reversed(range(TIMES)))
        assert_close(layer(params, FRAMES), ahead)
        assert_close(gn.Recurrent(cell, last=True)(params, FRAMES), ahead[:, -1])
        assert_close(gn.Recurrent(cell, reverse=True)(params, FRAMES), back)
        assert_close(gn.Recurrent(cell, last=True, reverse=True)(params, FRAMES), back[:, 0])
        assert layer(params, FRAMES[:0]).shape == (0, TIMES, WIDTH)


def test_apply_hands_the_state_on():
    cell = gn.GRUCell(WIDTH)
    params = cases.parameters(cell, X)
    out, updates = cell.apply(params, X, H)
    assert_close(out, cell(params, X, H))
    assert updates == {}


def test_set2set_can_be_said_with_an_lstm_cell():
    batch, readout, cell = gn.pack(cases.graphs("mixed")), gn.Set2Set(3), gn.LSTMCell(cases.WIDTH)
    params = cases.parameters(readout, batch)
    q = c = np.zeros((batch.n_graphs, cases.WIDTH))
    both = np.concatenate([q, q], axis=1)
    for _ in range(3):
        q, c = cell(params, both, (q, c))
        scores = (gn.ops.gather(q, batch.node_segments) * batch.nodes).sum(axis=1)
        alpha = gn.ops.segment_softmax(scores, batch.node_segments)
        both = np.concatenate([q, gn.ops.segment_sum(alpha[:, None] * batch.nodes, batch.node_segments)], axis=1)
    assert_close(readout(params, batch), both)


@dataclass(frozen=True)
class Sum(gn.Layer):
    """A cell of a user: the running sum."""

    def forward(self, params, graphs, state=None):
        return graphs if state is None else graphs + state


def test_a_cell_of_ones_own_goes_through_time():
    assert_close(gn.Recurrent(Sum())({}, FRAMES), FRAMES.cumsum(axis=1))
    assert_close(gn.Recurrent(Sum(), reverse=True)({}, FRAMES), FRAMES[:, ::-1].cumsum(axis=1)[:, ::-1])


def test_frames_are_columns_in_order():
    x = np.arange(12.0).reshape(2, 6)
    assert_close(gn.Frames(3)({}, x)[1], [[6, 7], [8, 9], [10, 11]])


KERNELS = [None, k.adjacency, k.random_walk]
FLAVOURS = ["weighted", "multi_edge", "isolated_node", "mixed", "empty_between"]


def dense_kernel(kernel, batch):
    """Return the kernel of all graphs as one dense matrix."""
    blocks = batch.kernels(kernel)
    return scipy.linalg.block_diag(*blocks) if blocks else np.zeros((0, 0))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_graph_gru_is_its_formula_over_frames(kernel, flavour):
    batch = gn.pack(cases.graphs(flavour))
    frames = np.random.default_rng(1).normal(size=(batch.n_nodes, TIMES, D))
    K = dense_kernel(kernel or k.normalized_adjacency, batch)
    layer = gn.Recurrent(gn.GraphGRUCell(WIDTH, kernel=kernel))
    graphs = batch.replace(nodes=frames)
    params = cases.parameters(layer, graphs)
    own = {name.removeprefix("cell."): value for name, value in params.items()}
    h, wanted = np.zeros((batch.n_nodes, WIDTH)), []
    for t in range(TIMES):
        h = graph_gru(own, K, frames[:, t], h)
        wanted.append(h)
    assert_close(layer(params, graphs).nodes, np.stack(wanted, axis=1))
    assert_close(gn.Recurrent(layer.cell, last=True)(params, graphs).nodes, h)


def test_frames_whose_edges_change_are_a_loop():
    cell, n = gn.GraphGRUCell(WIDTH), 4
    frames = [
        gn.pack(gn.Graph(rng.normal(size=(n, D)), rng.integers(0, n, m), rng.integers(0, n, m))) for m in (3, 0, 5)
    ]
    params, h, wanted = cases.parameters(cell, frames[0]), None, np.zeros((n, WIDTH))
    for frame in frames:
        h = cell(params, frame, h)
        wanted = graph_gru(params, dense_kernel(k.normalized_adjacency, frame), frame.nodes, wanted)
    assert_close(h.nodes, wanted)

    def loss(params):
        h = None
        for frame in frames:
            h = cell(params, frame, h)
        return cases.total(h)

    vector, unflatten = gn.flatten(params)
    check_grads(lambda vector: loss(unflatten(vector)), modes=["rev"], order=1)(vector)


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("width", [D, D + 2])
def test_a_gated_graph_convolution_is_its_formula(flavour, width):
    layer, batch = gn.GatedGraphConv(width, 2), gn.pack(cases.graphs(flavour))
    params = cases.parameters(layer, batch)
    own = {name.removeprefix("gru."): value for name, value in params.items()}
    h = np.pad(batch.nodes, ((0, 0), (0, width - D)))
    weights = np.ones(batch.n_edges) if batch.weights is None else batch.weights
    for t in (1, 2):
        m = np.zeros_like(h)
        np.add.at(m, batch.receivers, weights[:, None] * (h @ params[f"weight{t}"])[batch.senders])
        h = gru(own, m, h)
    assert_close(layer(params, batch).nodes, h)


def test_repeating_one_step_of_it_shares_the_matrix_as_in_the_paper():
    batch, width = gn.pack(cases.graphs("mixed")), D
    shared = gn.Repeat(gn.GatedGraphConv(width, 1), 3)
    params = cases.parameters(shared, batch)
    own = {name.removeprefix("inner."): value for name, value in params.items()}
    spread = {**own, "weight2": own["weight1"], "weight3": own["weight1"]}
    assert_close(shared(params, batch).nodes, gn.GatedGraphConv(width, 3)(spread, batch).nodes)
