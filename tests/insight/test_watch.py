"""watch: names, values, the table; what is dead and what is not."""

from __future__ import annotations

import cases
import numpy as np
import pytest

import graphnn as gn
from graphnn.insight.watch import silent_units
from graphnn.layer import parts_of

batch = gn.pack(cases.graphs("mixed"))


def shift(params, graphs):
    """Add one to every feature: a function of a user among layers."""
    return graphs.replace(nodes=graphs.nodes + 1)


def everything(out):
    return sum(gn.ops.sum(gn.tanh(part)) for part in parts_of(out))


def names(model, graphs=batch, **settings):
    return list(gn.watch(model, model.init(0, graphs), graphs, **settings))


def as_rows(params, graphs):
    return graphs.nodes


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        (gn.Dense(2), ["Dense"]),
        (gn.Sequential(gn.Dense(2), out=gn.Dense(1)), ["0.dense", "out"]),
        (gn.Residual(gn.Dense(3)), ["inner", "Residual"]),
        (gn.Repeat(gn.Dense(3), 2), ["inner#1", "inner#2"]),
        (gn.Sequential(shift, gn.SumPool()), ["0.shift", "1.sumpool"]),
        (gn.Residual(shift), ["inner", "Residual"]),
        (gn.Repeat(shift, 2), ["inner#1", "inner#2"]),
        (gn.Parallel(a=gn.Dense(1), b=gn.Sequential(gn.SumPool(), gn.Dense(2))), ["a", "b.0.sumpool", "b.1.dense"]),
        (gn.WithLosses(gn.DiffPool(gn.Dense(2))), [
            "assign", "WithLosses/DiffPool", "WithLosses:0", "WithLosses:1:link_loss", "WithLosses:1:entropy_loss",
        ]),
        (gn.Sequential(as_rows, gn.Frames(3), gn.Recurrent(gn.RNNCell(2))), [
            "0.as_rows", "1.frames", "2.recurrent.cell#1", "2.recurrent.cell#2", "2.recurrent.cell#3", "2.recurrent",
        ]),
        (gn.Set2Set(1), ["Set2Set/LSTMCell:0", "Set2Set/LSTMCell:1", "Set2Set"]),
    ],
    ids=str,
)  # fmt: skip
def test_names_are_those_of_the_parameters(model, wanted):
    assert names(model) == wanted
    assert names(model, loss=everything) == wanted


def test_a_shared_layer_is_there_once_for_every_use():
    shared = gn.Dense(3, gn.tanh)
    model = gn.Sequential(shared, gn.LayerNorm(), shared)
    params = cases.parameters(model, batch)
    seen = gn.watch(model, params, batch)
    assert list(seen) == ["0.dense#1", "1.layernorm", "0.dense#2"]
    weight, bias = params["0.dense.weight"], params["0.dense.bias"]
    np.testing.assert_allclose(seen["0.dense#1"], np.tanh(batch.nodes @ weight + bias))
    np.testing.assert_allclose(seen["0.dense#2"], np.tanh(seen["1.layernorm"] @ weight + bias))


def test_new_edges_and_globals_count_and_old_ones_do_not():
    graphs = gn.pack(cases.graphs("mixed", edges=True, global_features=True))
    block = gn.GraphNetwork(gn.Dense(2), gn.Dense(4), gn.Dense(3))
    assert names(gn.Sequential(block, gn.GATConv(2)), graphs) == [
        "0.graphnetwork.edges", "0.graphnetwork.nodes", "0.graphnetwork.globals", "1.gatconv",
    ]  # fmt: skip
    dropped = gn.watch(gn.EdgeDropout(0.5), {}, graphs, train=True, rng=1)
    assert list(dropped) == ["EdgeDropout", "EdgeDropout:edges"]
    assert len(dropped["EdgeDropout:edges"]) < graphs.n_edges


def test_gradients_by_the_chain_rule():
    model = gn.Sequential(gn.Dense(4, gn.tanh), gn.Dense(1))
    x = np.random.default_rng(0).normal(size=(6, 3))
    params = cases.parameters(model, x)
    seen = gn.watch(model, params, x, loss=np.sum)
    assert seen.loss == pytest.approx(seen.output.sum())
    np.testing.assert_array_equal(seen.gradients["1.dense"], np.ones((6, 1)))
    np.testing.assert_allclose(seen.gradients["0.dense"], np.ones((6, 1)) @ params["1.dense.weight"].T)


def test_the_gradient_of_a_layer_on_a_way_around_is_that_of_its_own_output():
    """h + drop(h): what comes back to the dropout is not what comes back to h, though in evaluation they are one."""
    x, model = np.ones((2, 1)), gn.Sequential(gn.Dense(1), gn.Residual(gn.Dropout(0.5)))
    seen = gn.watch(model, model.init(0, x), x, loss=np.sum)
    assert seen["1.residual.inner"] is seen["0.dense"] or (seen["1.residual.inner"] == seen["0.dense"]).all()
    assert seen.gradients["1.residual.inner"].tolist() == [[1.0], [1.0]]
    assert seen.gradients["0.dense"].tolist() == [[2.0], [2.0]]


def test_what_no_parameter_comes_into_has_no_gradient():
    model = gn.Sequential(gn.SumPool(), gn.Dense(1))
    seen = gn.watch(model, model.init(0, batch), batch, loss=np.sum)
    assert list(seen) == ["0.sumpool", "1.dense"]
    assert list(seen.gradients) == ["1.dense"]
    assert seen.table.column("grad norm")[0] is None


def test_training_is_watched_with_its_noise_and_updates_nothing():
    model = gn.Sequential(gn.BatchNorm(), gn.Dropout(0.5), gn.Dense(2))
    params = model.init(0, batch)
    wanted, updates = model.apply(params, batch, train=True, rng=(0, 3))
    seen = gn.watch(model, params, batch, everything, train=True, rng=(0, 3))
    assert seen.output.nodes.tobytes() == wanted.nodes.tobytes()
    assert (params["0.batchnorm.running_mean"] != updates["0.batchnorm.running_mean"]).any()
    assert 30 < seen.table.column("zeros %")[1] < 70


class TestTheTable:
    def test_its_numbers_are_those_of_numpy(self):
        model = gn.Sequential(gn.Dense(5, gn.relu), gn.Dense(2))
        x = np.random.default_rng(1).normal(size=(7, 3))
        params = model.init(0, x)
        params["0.dense.bias"] = np.array([-9.0, 0, 0, -9, 0])
        seen = gn.watch(model, params, x, loss=np.sum)
        h, g = seen["0.dense"], seen.gradients["0.dense"]
        row = seen.table.rows[0]
        assert row[:2] == ("0.dense", (7, 5))
        assert row[2:7] == pytest.approx((h.mean(), h.var(), 100 * (h == 0).mean(), 40.0, np.linalg.norm(g)))
        assert seen.table.total.startswith("2 layers, 2 of 7 units dead, 392 B, loss ")

    def test_without_a_loss_it_has_no_column_of_gradients(self):
        seen = gn.watch(gn.Dense(1), gn.Dense(1).init(0, np.ones((2, 2))), np.ones((2, 2)))
        assert "grad norm" not in seen.table.columns
        assert (seen.loss, seen.gradients) == (None, {})

    def test_nan_is_shown_and_warns_of_nothing(self):
        x = np.array([[np.nan], [np.inf], [1.0]])
        seen = gn.watch(gn.Lambda(gn.tanh), {}, x)
        assert np.isnan(seen.table.rows[0][2])
        assert "nan" in repr(seen)

    def test_in_a_notebook_it_is_html(self):
        seen = gn.watch(gn.Dense(1), gn.Dense(1).init(0, np.ones((2, 2))), np.ones((2, 2)))
        assert seen._repr_html_() == seen.table._repr_html_()

    @pytest.mark.parametrize("flavour", ["empty", "no_edges", "one_node"])
    def test_graphs_without_anything_have_one_too(self, flavour):
        graphs = gn.pack(cases.graphs(flavour))
        model = gn.Sequential(gn.GraphConv(2, gn.relu), gn.SumPool())
        assert len(gn.watch(model, model.init(0, graphs), graphs, np.sum).table.rows) == 2


@pytest.mark.parametrize(
    ("array", "dead"),
    [
        ([[0.0, 1.0], [0.0, 0.0]], [True, False]),
        ([0.0, 0.0], [True]),
        ([0.0, 1.0], [False]),
        ([[[0.0, 0.0]], [[0.0, 1.0]]], [True, False]),
        (np.zeros((0, 3)), [False]),
        (np.array(0.0), [True]),
    ],
)
def test_a_unit_is_dead_where_it_is_zero_in_every_row(array, dead):
    assert silent_units(np.asarray(array)).tolist() == dead


def test_an_unknown_layer_is_named_with_the_nearest():
    seen = gn.watch(
        gn.Sequential(gn.Dense(1)), {"0.dense.weight": np.ones((1, 1)), "0.dense.bias": np.ones(1)}, np.ones((1, 1))
    )
    with pytest.raises(KeyError, match=r"no layer '0\.dens' was seen; did you mean '0\.dense'"):
        seen["0.dens"]


def test_a_loss_that_is_no_number_is_refused():
    x = np.ones((3, 2))
    with pytest.raises(
        TypeError, match=r"watch: the loss must return a scalar .* got shape \(3, 1\); take its mean or sum$"
    ):
        gn.watch(gn.Dense(1), gn.Dense(1).init(0, x), x, loss=gn.tanh)


def test_sparse_features_are_shown_as_they_are_in_full():
    graphs = gn.pack(nodes=[np.eye(4)])
    assert (gn.watch(gn.Nodes(), {}, graphs)["Nodes"] == np.eye(4)).all()


def test_arrays_of_jax_are_watched_without_a_loss_only():
    jax = pytest.importorskip("jax")
    x = jax.numpy.ones((3, 2))
    model = gn.Sequential(gn.Dense(2, gn.relu), gn.Dense(1))
    params = {name: jax.numpy.asarray(value) for name, value in model.init(0, np.ones((3, 2), np.float32)).items()}
    assert type(gn.watch(model, params, x)["0.dense"]) is np.ndarray
    with pytest.raises(TypeError, match="NumPy arrays, got JAX"):
        gn.watch(model, params, x, loss=np.sum)
