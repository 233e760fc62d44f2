"""GradientMonitor: its numbers against those computed by hand, its pictures, and that it changes nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.figure import Figure

import graphnn as gn
from graphnn.insight.curves import NamedCurves
from graphnn.training.callbacks.monitor import layer_outputs, ratio, sparkline

rng = np.random.default_rng(0)
X = rng.normal(size=(12, 3))
Y = np.tanh(X @ np.array([[1.0], [-2.0], [0.5]]))
MODEL = gn.Sequential(gn.Dense(6, gn.relu), gn.BatchNorm(), gn.Dropout(0.2), head=gn.Dense(1))
PARAMS = MODEL.init(0, X)


def train(*callbacks, model=MODEL, epochs=4, **settings):
    settings = {"batch_size": 5, "optimizer": gn.adam(0.02), **settings}
    return gn.fit(model, model.init(0, X), X, Y, epochs=epochs, callbacks=callbacks, **settings)


class Recorder:
    """Keeps what every step had."""

    def begin_fit(self, run):
        self.before, self.steps = run.params, []

    def after_batch(self, run):
        self.steps.append((self.before, run.grads, run.params))
        self.before = run.params


@pytest.mark.parametrize("every", [1, 3, 100])
def test_the_numbers_of_every_record(every):
    monitor, recorder = gn.GradientMonitor(every), Recorder()
    train(recorder, monitor)
    assert len(recorder.steps) == 12
    assert monitor.steps == list(range(0, 12, every))
    assert list(monitor.facts) == [name for name in PARAMS if "running" not in name]
    for name, facts in monitor.facts.items():
        for i, step in enumerate(monitor.steps):
            before, grads, after = recorder.steps[step]
            expected = {
                "grad norm": np.sqrt((grads[name] ** 2).sum()),
                "grad mean": grads[name].mean(),
                "grad variance": grads[name].var(),
                "change": np.sqrt(((after[name] - before[name]) ** 2).sum()),
                "weight": np.sqrt((before[name] ** 2).sum()),
            }
            assert {fact: row[i] for fact, row in facts.items()} == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_the_table_shows_the_last_record():
    monitor = gn.GradientMonitor(2)
    train(monitor)
    table = monitor.table()
    assert table.columns == ("name", "grad norm", "grad mean", "grad variance", "change/weight", "grad norm, all")
    facts = monitor.facts["head.weight"]
    assert table.rows[-2][:2] == ("head.weight", facts["grad norm"][-1])
    assert table.column("change/weight")[-2] == facts["change"][-1] / facts["weight"][-1]
    assert repr(table).endswith("6 records, the last of step 10")
    assert repr(monitor) == "GradientMonitor(6 records of 6 parameters)"


def test_a_frozen_layer_does_not_change():
    monitor = gn.GradientMonitor(1)
    train(monitor, optimizer=gn.per_module({"0.*": gn.frozen(), "*": gn.sgd(0.1)}))
    assert set(monitor.facts["0.dense.weight"]["change"]) == {0.0}
    assert min(monitor.facts["head.weight"]["change"]) > 0


def test_dead_units_by_hand():
    model = gn.Sequential(gn.Dense(4, gn.relu), head=gn.Dense(2))
    params = model.init(0, X)
    params["0.dense.bias"] = np.array([-100.0, 100.0, -100.0, 0.0])
    facts = layer_outputs(model, params, X)
    h = np.maximum(X @ params["0.dense.weight"] + params["0.dense.bias"], 0)
    assert facts["0.dense"] == pytest.approx({"columns": 4, "dead": 2, "mean": h.mean(), "variance": h.var()})
    assert facts["head"]["dead"] == 0
    assert list(facts) == ["0.dense", "head"]  # not the container, whose output is the head's


def test_a_head_that_died_is_seen():
    """The output unit of the net of S0.35: a rectifier that gives zero for every example, and no gradient."""
    model = gn.Sequential(gn.Dense(6, gn.relu), head=gn.Dense(1, gn.relu))

    class Kill:
        def begin_fit(self, run):
            run.params = {**run.params, "head.bias": np.full(1, -100.0)}

    monitor = gn.GradientMonitor(1, outputs_every=2)
    with pytest.warns(gn.TrainingWarning, match="dead output activation"):
        train(Kill(), monitor, model=model, batch_size=None)
    assert monitor.epochs == [0, 2]
    assert monitor.layers["head"]["dead"] == [1.0, 1.0]
    assert monitor.layer_table().column("dead %")[-1] == 100
    assert set(monitor.facts["0.dense.weight"]["grad norm"]) == {0.0}
    assert monitor.layer_table().total == "2 looks, the last after epoch 2"


def test_graphs_and_a_layer_alone(tmp_path):
    batch = gn.pack(gn.datasets.alkanes().graphs[:20])
    targets = gn.datasets.alkanes().boiling_points[:20].reshape(-1, 1)
    model = gn.Sequential(gn.GraphConv(4, gn.relu), gn.SumPool(), gn.Dense(1))
    monitor = gn.GradientMonitor(1, outputs_every=1)
    gn.fit(model, model.init(0, batch), batch, targets, epochs=2, batch_size=8, callbacks=[monitor])
    assert list(monitor.layers) == ["0.graphconv", "1.sumpool", "2.dense"]
    train(monitor, model=gn.Dense(1))
    assert list(monitor.layers) == ["Dense"]


def test_no_look_at_the_layers_costs_no_evaluation():
    calls = []

    class Counting(gn.Layer):
        def forward(self, params, x):
            calls.append(params.train)
            return x @ params("weight", (3, 1), gn.ones)

    def evaluations(*callbacks):
        model = Counting()
        params = model.init(0, X)
        calls.clear()
        gn.fit(model, params, X, Y, epochs=4, batch_size=5, callbacks=callbacks)
        return len(calls)

    plain = evaluations()
    assert evaluations(gn.GradientMonitor(1, outputs_every=None)) == plain
    assert evaluations(gn.GradientMonitor(1, outputs_every=2)) == plain + 2


def test_the_cosine_between_two_losses():
    monitor = gn.GradientMonitor(1)
    model = gn.Dense(2)
    targets = {"one": Y, "two": -Y}

    def one(predictions, targets):
        return gn.mean_squared_error(predictions[:, :1], targets["one"])

    def two(predictions, targets):
        return gn.mean_squared_error(predictions[:, :1], targets["two"])

    params = {"weight": np.zeros((3, 2)), "bias": np.zeros(2)}
    losses = {"one": one, "two": two}
    gn.fit(model, params, X, targets, loss=losses, epochs=3, optimizer=gn.sgd(0.1), callbacks=[monitor])
    assert list(monitor.cosines) == ["one, two"]
    assert monitor.cosines["one, two"][0] == pytest.approx(-1)  # from zero they pull exactly apart
    assert "gradients of one, two: cosine " in repr(monitor.table())
    assert "below zero in 3 records" in repr(monitor.table())


def test_it_changes_no_bit_and_begins_anew():
    monitor = gn.GradientMonitor(1, outputs_every=1)
    with_it, one = train(monitor)
    first = monitor.memory()
    without, other = train()
    assert one.steps == other.steps
    for name, value in without.items():
        assert with_it[name].tobytes() == value.tobytes()
    train(monitor)
    assert repr(monitor.memory()) == repr(first)


def test_what_it_remembers():
    monitor, other = gn.GradientMonitor(2, outputs_every=1), gn.GradientMonitor(2, outputs_every=1)
    train(monitor)
    assert all(isinstance(value, np.ndarray) for value in monitor.memory().values())
    other.remember(monitor.memory())
    assert (other.steps, other.facts, other.cosines) == (monitor.steps, monitor.facts, monitor.cosines)
    assert (other.epochs, other.layers) == (monitor.epochs, monitor.layers)
    other.remember(gn.GradientMonitor().memory())
    assert (other.steps, other.facts, other.layers) == ([], {}, {})


def test_a_resumed_training_keeps_the_records_before(tmp_path):
    whole, first, second = (gn.GradientMonitor(2, outputs_every=1) for _ in range(3))
    train(whole, epochs=6)
    path = tmp_path / "run.npz"
    train(first, gn.Checkpoint(path, every=1, resume=True), epochs=3)
    train(second, gn.Checkpoint(path, every=1, resume=True), epochs=6)
    assert repr(second.memory()) == repr(whole.memory())


def test_small_parts():
    assert [ratio(1.0, 2.0), ratio(1.0, 0.0), ratio(0.0, 0.0)] == [0.5, math.inf, 0.0]
    assert sparkline(np.geomspace(1, 1e7, 8)) == "▁▂▃▄▅▆▇█"
    assert len(sparkline(np.arange(1.0, 1000.0))) == 12
    assert sparkline([0.0, 0.0]) == "  "
    assert sparkline([2.0]) == "▁"
    assert sparkline([]) == ""


@pytest.mark.parametrize("what", ["grad norm", "change/weight"])
def test_a_picture_with_a_line_for_each_layer(what):
    monitor = gn.GradientMonitor(2)
    train(monitor)
    ax = monitor.plot(Figure().subplots(), what=what, title="MLP")
    assert [text.get_text() for text in ax.texts] == ["0.dense", "1.batchnorm", "head"]
    assert ax.get_yscale() == "log"
    line = ax.lines[0]
    np.testing.assert_array_equal(line.get_xdata(), monitor.steps)
    own = [monitor.facts["0.dense.weight"], monitor.facts["0.dense.bias"]]
    expected = np.hypot(own[0]["grad norm"], own[1]["grad norm"])
    if what == "change/weight":
        expected = np.hypot(own[0]["change"], own[1]["change"]) / np.hypot(own[0]["weight"], own[1]["weight"])
    np.testing.assert_allclose(line.get_ydata(), expected)


def test_a_picture_of_nothing_and_of_zeros():
    assert gn.GradientMonitor().plot(Figure().subplots()).lines[:] == []
    ax = Figure().subplots()
    NamedCurves(ax, "step", "norm").update([0, 1], {"zero": [0.0, 0.0], "one": [1.0, 1.0]})
    assert np.isnan(ax.lines[0].get_ydata()).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gn.GradientMonitor(0), "every must be a whole number, 1 or more, got 0"),
        (lambda: gn.GradientMonitor(1.5), "every must be a whole number, 1 or more, got 1.5"),
        (lambda: gn.GradientMonitor(outputs_every=0), "outputs_every must be a whole number"),
        (lambda: gn.GradientMonitor().plot(what="loss"), 'what is \'loss\', wanted "grad norm" or "change/weight"'),
    ],
)
def test_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
