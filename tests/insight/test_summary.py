"""model.summary: multiply-adds by closed forms and by hand, parameters, bytes."""

from __future__ import annotations

import autograd.numpy as anp
import cases
import numpy as np
import pytest
import scipy.sparse

import graphnn as gn
from graphnn.insight import costs
from graphnn.insight.costs import expected_seconds, multiply_adds, order_of
from graphnn.ops import Segments, matrix, primitives

# A triangle with both directions: 6 arcs, 9 with loops. Features have 2 columns.
triangle = gn.Graph(np.arange(6.0).reshape(3, 2), senders=[0, 1, 2, 1, 2, 0], receivers=[1, 2, 0, 0, 1, 2])
N, D, ARCS, LOOPS = 3, 2, 6, 9


@pytest.mark.parametrize(
    ("layer", "wanted"),
    [
        (gn.Dense(4), N * D * 4),
        (gn.GraphConv(4), LOOPS * D + N * D * 4),  # the kernel meets the narrower side
        (gn.GraphConv(1, gn.relu), N * D * 1 + LOOPS * 1),
        (gn.GraphConv(4, kernel=gn.kernels.adjacency), ARCS * D + N * D * 4),
        (gn.MorrisConv(4), ARCS * D + 2 * N * D * 4),
        (gn.GINConv(4, hidden=5), ARCS * D + N * D * 5 + N * 5 * 4),
        (gn.SGConv(1, steps=3), N * D * 1 + 3 * LOOPS * 1),
        # z = h W; <z, a> head by head for sender and receiver, each one product with (4, heads); softmax; alpha z
        (gn.GATConv(4, heads=2), N * D * 4 + 2 * N * 4 * 2 + LOOPS * 2 + LOOPS * 4),
        (gn.Repeat(gn.GraphConv(2, kernel=gn.kernels.adjacency), 2), 2 * (N * D * 2 + ARCS * 2)),
        (gn.MLP((5, 1)), N * D * 5 + N * 5 * 1),
        (gn.SumPool(), N * D),
        (gn.MaxPool(), 0),
        (gn.Dropout(0.5), 0),
        (gn.Lambda(gn.tanh), 0),
        (gn.Sequential(gn.GraphConv(4, gn.relu), gn.SumPool(), gn.Dense(3)), LOOPS * D + N * D * 4 + N * 4 + 4 * 3),
    ],
    ids=str,
)  # fmt: skip
def test_multiply_adds_are_those_of_the_formula(layer, wanted):
    table = layer.summary(triangle)
    assert sum(table.column("multiply-adds")) == wanted
    assert f"{wanted:,} multiply-add" in table.total


def test_two_graphs_cost_twice_as_much():
    model = gn.Sequential(gn.GATConv(4, heads=2), gn.GINConv(3), gn.MeanPool(), gn.Dense(2))
    one, two = (model.summary([triangle] * n).column("multiply-adds") for n in (1, 2))
    assert two == tuple(2 * n for n in one)


def test_sparse_features_cost_what_they_hold():
    few = scipy.sparse.csr_array(np.array([[0.0, 1, 0, 0], [2, 0, 0, 3], [0, 0, 0, 0]]))
    graphs = gn.pack(nodes=[few])
    assert gn.Dense(5).summary(graphs).column("multiply-adds") == (3 * 5,)


def test_layouts_cost_what_they_compute():
    path, pair = cases.graph("path"), cases.graph("one_node")
    conv = gn.GraphConv(3, kernel=gn.kernels.adjacency)
    costs = {
        layout: sum(conv.summary(gn.pack([path, pair], layout=layout)).column("multiply-adds"))
        for layout in ("sparse", "list", "dense")
    }
    dense_product = 5 * 3 * 3
    assert costs["sparse"] == dense_product + 6 * 3
    assert costs["list"] == dense_product + (4 * 4 + 1) * 3
    assert costs["dense"] == dense_product + 2 * 4 * 4 * 3 + 5 * 3  # padded, and rows put into their places


@pytest.mark.parametrize(
    ("step", "out", "args", "wanted"),
    [
        (primitives.dot_tn, (3, 2), (np.ones((5, 3)), np.ones((5, 2))), 5 * 3 * 2),
        (primitives.dot_nt, (5, 4), (np.ones((5, 3)), np.ones((4, 3))), 5 * 3 * 4),
        (anp.matmul, (7, 5, 2), (np.ones((7, 5, 3)), np.ones((7, 3, 2))), 7 * 5 * 3 * 2),
        (anp.dot, (5,), (np.ones((5, 3)), np.ones(3)), 15),
        (anp.dot, (2,), (2.0, np.ones(2)), 0),
        (anp.einsum, (5, 2), ("ij,jk->ik", np.ones((5, 3)), np.ones((3, 2))), 30),
        (anp.einsum, (), ("i, i, i", np.ones(4), np.ones(4), np.ones(4)), 8),
        (anp.tensordot, (5, 2), (np.ones((5, 3, 4)), np.ones((3, 4, 2))), 5 * 12 * 2),
        (primitives.segment_sum, (2, 3), (np.ones((7, 3)), Segments(np.zeros(7, int), 2)), 21),
        (anp.sum, (), (np.ones((4, 3)),), 12),
        (anp.tanh, (4,), (np.ones(4),), 0),
        (primitives.gather, (9, 2), (np.ones((3, 2)), Segments(np.zeros(9, int), 3)), 0),
    ],
)  # fmt: skip
def test_terms_of_a_step_are_counted(step, out, args, wanted):
    assert multiply_adds(step, np.zeros(out), args) == wanted


def test_parameters_stand_where_they_are_read_and_once():
    shared = gn.Dense(2)
    model = gn.Sequential(gn.BatchNorm(), shared, gn.Residual(shared), gn.GatedGraphConv(2, steps=2), gn.Set2Set(1))
    table = model.summary(triangle)
    count = dict(zip(table.column("layer"), table.column("parameters"), strict=True))
    assert count == {
        "0.batchnorm": 4, "1.dense": 6, "2.residual.inner": 6, "2.residual": 0,
        "3.gatedgraphconv.gru#1": 12 + 12 + 6 + 2, "3.gatedgraphconv.gru#2": 0, "3.gatedgraphconv": 8,
        "4.set2set/LSTMCell": 32 + 16 + 8, "4.set2set": 0,
    }  # fmt: skip


def test_outputs_have_shapes_and_steps_have_bytes():
    model = gn.Sequential(gn.Dense(4), gn.Parallel(a=gn.Dense(1), b=gn.SumPool()))
    table = model.summary(gn.pack(triangle, dtype=np.float32))
    assert table.column("output") == ((3, 4), (3, 1), (1, 4))
    assert table.column("bytes") == (3 * 4 * 4, 3 * 1 * 4, 4 * 4)
    assert gn.Lambda(gn.ops.identity).summary(triangle).column("bytes") == (0,)


def test_parameters_that_are_given_are_used_and_wrong_ones_refused():
    model = gn.Dense(4)
    assert model.summary(triangle, model.init(1, triangle)) == model.summary(triangle)
    with pytest.raises(ValueError, match="has shape"):
        model.summary(triangle, gn.Dense(5).init(0, triangle))


def test_the_last_line_adds_up():
    model = gn.Sequential(gn.Dense(4), gn.SumPool())
    assert model.summary([triangle, triangle]).total == (
        "12 parameters, 72 multiply-adds, 256 B, about 0.01 ms forward and 0.03 ms a training step, "
        "for 2 graphs, 6 nodes, 12 edges"
    )
    assert gn.Dense(1).summary(np.ones((2, 2))).total.endswith("for an array (2, 2)")


@pytest.mark.parametrize(
    ("ms", "order"),
    [(0, 0), (0.0017, 0.001), (0.0018, 0.003), (0.0056, 0.003), (0.0057, 0.01), (0.01, 0.01), (0.9, 1), (1.0, 1),
     (1.7, 1), (1.8, 3), (5.6, 3), (5.7, 10), (17, 10), (18, 30), (2e5, 3e5)],
)  # fmt: skip
def test_a_time_is_rounded_to_one_or_three_times_a_power_of_ten(ms, order):
    assert order_of(1e-3 * ms) == order


KERNEL = gn.pack(triangle).packed.operator(gn.kernels.adjacency)
WEIGHT, BIAS = np.ones((2, 4)), np.zeros(4)


@pytest.mark.parametrize(
    ("step", "out", "args", "dense", "loose"),
    [
        (primitives.dot, (5, 2), (np.ones((5, 3)), np.ones((3, 2))), 30, 0),
        (anp.einsum, (5, 2), ("ij,jk->ik", np.ones((5, 3)), np.ones((3, 2))), 30, 0),
        (matrix.conv, (3, 4), (triangle.nodes, WEIGHT, BIAS, KERNEL, gn.relu), N * D * 4, ARCS * 4),
        (matrix.conv, (3, 4), (KERNEL, np.ones((3, 4)), BIAS, KERNEL, gn.relu), 0, (ARCS + ARCS) * 4),
        (primitives.segment_sum, (2, 3), (np.ones((7, 3)), Segments(np.zeros(7, int), 2)), 0, 21),
        (anp.tanh, (4,), (np.ones(4),), 0, 0),
    ],
)  # fmt: skip
def test_the_time_to_expect_is_that_of_the_products_the_rest_the_memory_and_the_step(step, out, args, dense, loose):
    wanted = dense / 15e9 + loose / 1.5e9 + 800 / 4e9 + 5e-6
    assert expected_seconds(step, np.zeros(out), args, 800) == pytest.approx(wanted, rel=1e-12)
    assert multiply_adds(step, np.zeros(out), args) == dense + loose


def test_the_rates_are_those_that_the_docstring_tells():
    told = gn.Layer.summary.__doc__
    assert (costs.DENSE_RATE, costs.LOOSE_RATE, costs.BYTE_RATE, costs.OVERHEAD) == (15e9, 1.5e9, 4e9, 5e-6)
    assert "15e9 multiply-adds a second in products of dense\n" in told
    assert "arrays, 1.5e9 in all others, 4 GB a second, 5 microseconds a step" in told


def test_the_order_of_the_time_stands_behind_every_layer_and_below_all():
    x = np.ones((2000, 500))
    model = gn.Sequential(gn.Dense(1000), gn.Lambda(gn.relu), gn.Dropout(0.5), gn.Dense(1))
    table = model.summary(x)
    product = 2000 * 500 * 1000 / 15e9 + 2000 * 1000 * 8 / 4e9 + 5e-6  # 71 ms
    activation = 2000 * 1000 * 8 / 4e9 + 5e-6  # 4 ms
    last = 2000 * 1000 / 15e9 + 2000 * 8 / 4e9 + 5e-6  # 0.14 ms
    assert table.column("about ms") == tuple(map(order_of, (product, activation, 0, last))) == (100, 3, 0, 0.1)
    assert str(table).splitlines()[0].endswith("multiply-adds     bytes  about ms")
    assert ", about 100 ms forward and 300 ms a training step, for an array (2000, 500)" in table.total
