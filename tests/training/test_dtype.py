"""fit(dtype=...): nothing is promoted on the way, whatever came in, and what came in stays as it was."""

from __future__ import annotations

import cases
import numpy as np
import pytest
import scipy.sparse
from test_contracts import LAYERS, made

import graphnn as gn
from graphnn.testing import trial

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
GRAPHS = cases.graphs("mixed", edges=True, global_features=True)
BATCH = gn.pack(GRAPHS)
Y = np.linspace(-1, 1, BATCH.n_graphs)[:, None]
MODEL = gn.Sequential(
    gn.GraphConv(4, gn.silu), gn.BatchNorm(), gn.Dropout(0.2), gn.MeanPool(), gn.Dense(1), gn.Rescale()
)


def dtypes(*parts):
    """The types of all arrays in some dicts, by name, without whole numbers such as the optimiser's step."""
    found = {name: np.asarray(value).dtype for part in parts for name, value in part.items()}
    return {name: dtype for name, dtype in found.items() if dtype.kind == "f"}


@pytest.mark.parametrize("row", LAYERS, ids=str)
def test_a_step_of_fit_promotes_nothing_in_any_layer(row):
    batch = gn.pack(made(row, "mixed"))
    params = cases.parameters(row.layer, batch)
    for run in gn.steps(
        row.layer, params, batch, np.zeros(batch.n_graphs), loss=lambda out, _: trial.total(out), epochs=2,
        optimizer=gn.adam(1e-3), dtype="float32",
    ):  # fmt: skip
        assert set(dtypes(run.params, run.grads, run.state).values()) <= {SINGLE}, dtypes(run.params, run.grads)
        assert gn.ops.value_of(trial.array(run.predictions)).dtype == SINGLE
    assert run.params.keys() == params.keys()
    assert set(dtypes(params).values()) <= {DOUBLE}


@pytest.mark.parametrize("wanted", [np.float32, "float32", np.dtype("float64")], ids=str)
@pytest.mark.parametrize("given", [np.float32, np.float64], ids=str)
@pytest.mark.parametrize("batch_size", [None, 2])
def test_what_comes_back_has_the_type_that_was_asked_for(wanted, given, batch_size):
    batch = gn.pack(BATCH, dtype=given)
    params = {**MODEL.init(0, batch), "mine": np.ones(2, np.float16), "number": 2.0, "count": 3}
    before = {name: np.array(value) for name, value in params.items()}
    callback = Seen()
    got, history = gn.fit(
        MODEL, params, batch, Y.astype(given), validation=(batch, Y), metrics={"rmse": gn.rmse}, epochs=3,
        batch_size=batch_size, dtype=wanted, callbacks=[callback],
    )  # fmt: skip
    assert set(dtypes(got).values()) == callback.types == {np.dtype(wanted)}
    assert {name: np.asarray(value).dtype for name, value in params.items()} == {n: v.dtype for n, v in before.items()}
    assert all((params[name] == before[name]).all() for name in before)
    assert got["count"] == 3
    assert batch.dtype == given
    assert history.validation_loss[-1] > 0


class Seen:
    """What a callback can see of the types of a run."""

    def __init__(self):
        self.types = set()

    def after_batch(self, run):
        arrays = (run.inputs.nodes, run.inputs.edges, run.predictions, run.targets, run.validation_predictions()[0])
        self.types |= {array.dtype for array in arrays} | set(dtypes(run.grads, run.state, run.changes).values())


def test_it_is_the_training_one_gets_by_converting_everything_oneself():
    params = MODEL.init(0, BATCH)
    single = {name: value.astype(np.float32) for name, value in params.items()}
    by_hand, _ = gn.fit(MODEL, single, gn.pack(BATCH, dtype=np.float32), Y.astype(np.float32), epochs=5)
    got, _ = gn.fit(MODEL, params, BATCH, Y, epochs=5, dtype="float32")
    assert all(got[name].tobytes() == value.tobytes() for name, value in by_hand.items())


@pytest.mark.parametrize(
    "inputs",
    [
        GRAPHS,
        BATCH.replace(nodes=2 * BATCH.nodes),
        gn.pack([graph.replace(nodes=scipy.sparse.csr_array(graph.nodes)) for graph in GRAPHS]),
        gn.pack(GRAPHS, layout="list"),
        gn.pack(GRAPHS, layout="dense"),
    ],
    ids=["graphs", "replaced", "sparse", "list", "dense"],
)
def test_inputs_of_every_kind(inputs):
    model = gn.Sequential(gn.GraphConv(3), gn.GraphConv(2, gn.tanh), gn.SumPool(), gn.Dense(1))
    start = model.init(0, inputs)
    *_, run = gn.steps(model, start, inputs, Y, epochs=2, dtype="float32")
    wide, _ = gn.fit(model, start, inputs, Y, epochs=2)
    assert {run.predictions.dtype, *dtypes(run.params, run.grads, run.state).values()} == {SINGLE}
    for name, value in wide.items():
        np.testing.assert_allclose(run.params[name], value, atol=1e-5)
    assert gn.predict(model, wide, inputs, batch_size=2, dtype="float32").dtype == SINGLE
    assert gn.predict(model, wide, inputs).dtype == DOUBLE


def test_inputs_and_targets_in_dicts_and_classes_that_stay_whole():
    class Two(gn.Layer):
        def forward(self, params, inputs):
            h = gn.Dense(2)(params.scope("a"), inputs["a"])
            return {"classes": h + gn.Dense(2)(params.scope("b"), inputs["b"]), "numbers": h}

    def loss(out, targets):
        assert targets["numbers"].dtype == SINGLE
        assert targets["classes"].dtype.kind == "i"
        numbers = gn.mean_squared_error(out["numbers"], targets["numbers"])
        return gn.cross_entropy(out["classes"], targets["classes"]) + numbers

    x = {"a": np.eye(4), "b": np.ones((4, 1), int)}
    targets = {"classes": np.array([0, 1, 0, 1]), "numbers": np.ones((4, 2))}
    *_, run = gn.steps(Two(), Two().init(0, x), x, targets, loss=loss, epochs=2, dtype="float32")
    assert {part.dtype for part in (*run.inputs.values(), *run.predictions.values())} == {SINGLE}
    assert set(dtypes(run.params, run.grads).values()) == {SINGLE}


@pytest.mark.parametrize("dtype", [np.float16, "float16", int, "complex64", np.longdouble, "half an hour", 3])
def test_other_types_are_refused_with_the_remedy(dtype):
    params = MODEL.init(0, BATCH)
    remedy = r'; give dtype="float32" or "float64", or leave it out to keep what comes in'
    wanted = rf"dtype must be float32 or float64, got .*{remedy}$"
    with pytest.raises(TypeError, match=f"^fit: {wanted}"):
        gn.fit(MODEL, params, BATCH, Y, dtype=dtype)
    with pytest.raises(TypeError, match=f"^predict: {wanted}"):
        gn.predict(MODEL, params, BATCH, dtype=dtype)
    with pytest.raises(TypeError, match=f"^GraphRegressor: {wanted}"):
        gn.GraphRegressor(dtype=dtype).fit(BATCH, Y)


def test_estimators_and_the_search_for_a_step_size_pass_it_on():
    data = gn.datasets.alkanes()
    estimator = gn.GraphRegressor(epochs=2, dtype="float32").fit(data.graphs, data.boiling_points)
    assert set(dtypes(estimator.params_).values()) == {SINGLE}
    assert estimator.predict(data.graphs).dtype == SINGLE
    model, batch = gn.Sequential(gn.SumPool(), gn.Dense(1)), gn.pack(data.graphs)
    seen = []

    def loss(predictions, targets):
        seen.append(gn.ops.value_of(predictions).dtype)
        return gn.mean_squared_error(predictions, targets)

    gn.lr_find(model, model.init(0, batch), batch, data.boiling_points, loss=loss, dtype="float32", n_steps=30)
    assert set(seen) == {SINGLE}
