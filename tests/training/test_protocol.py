"""What every callback may count on: nine points in order, all of the step to read at each, and nothing computed twice.

The order of points and of callbacks, and the stop at each point, are in test_fit.py.
"""

from __future__ import annotations

import io

import numpy as np
import pytest

import graphnn as gn
from graphnn.training.points import POINTS

rng = np.random.default_rng(0)
X = rng.normal(size=(10, 3))
Y = np.tanh(X @ np.array([[1.0], [-2.0], [0.5]]))
VALIDATION = (X[:4], Y[:4])


class Counting(gn.Layer):
    """A linear model that counts its calls."""

    def __init__(self):
        self.calls = []

    def forward(self, params, x):
        self.calls.append(params.train)
        return x @ params("weight", (x.shape[1], 1), gn.ones) + params("bias", (1,), gn.zeros)


class CountingLoss:
    """A mean squared error that counts its calls."""

    def __init__(self, factor=1.0):
        self.factor, self.calls = factor, 0

    def __call__(self, predictions, targets):
        self.calls += 1
        return self.factor * gn.mean_squared_error(predictions, targets)


class Reader:
    """Reads everything a run has, at every point, and keeps it."""

    def __init__(self):
        self.seen = []

    def __getattr__(self, point):
        if point not in POINTS:
            raise AttributeError(point)

        def ask(run):
            self.seen.append(
                {
                    "point": point, "params": run.params, "state": run.state, "grads": run.grads, "value": run.value,
                    "losses": run.losses, "loss_grads": run.loss_grads, "changes": run.changes, "inputs": run.inputs,
                    "predictions": run.predictions, "targets": run.targets, "step": run.step, "epoch": run.epoch,
                    "steps": list(run.history.steps), "repr": repr(run), "optimizer": run.optimizer,
                }
            )  # fmt: skip

        return ask

    def at(self, point):
        return [moment for moment in self.seen if moment["point"] == point]


def train(callbacks=(), model=None, loss=None, epochs=3, **settings):
    model = Counting() if model is None else model
    params = {"weight": np.array([[0.5], [0.1], [-0.2]]), "bias": np.zeros(1)}
    settings = {"batch_size": 4, "optimizer": gn.momentum(0.05), "validation": VALIDATION, **settings}
    return gn.fit(
        model, params, X, Y, loss=gn.mean_squared_error if loss is None else loss, epochs=epochs, callbacks=callbacks,
        **settings,
    )  # fmt: skip


def test_reading_everything_everywhere_computes_nothing():
    def calls(*callbacks):
        model, loss = Counting(), CountingLoss()
        train(callbacks, model, loss)
        return model.calls, loss.calls

    plain = calls()
    assert calls(Reader(), Reader()) == plain
    # Once to see what the model reads; in each of three epochs three steps and the validation data.
    assert plain == ([False] + 3 * [True, True, True, False], 12)


def test_the_points_of_a_step_share_one_forward_and_one_backward_pass():
    reader = Reader()
    train([reader])
    assert [len(reader.at(point)) for point in POINTS] == [1, 3, 9, 9, 9, 9, 3, 3, 1]
    forward, backward, batch = (reader.at(point) for point in ("after_forward", "after_backward", "after_batch"))
    for before, between, after in zip(forward, backward, batch, strict=True):
        assert before["predictions"] is between["predictions"] is after["predictions"]
        assert before["inputs"] is between["inputs"] is after["inputs"]
        assert between["grads"] is after["grads"]


def test_what_is_read_is_that_of_the_step():
    reader = Reader()
    train([reader])
    for i, now in enumerate(reader.at("after_backward")):
        model = Counting()
        assert now["step"] == i == len(now["steps"])
        np.testing.assert_array_equal(now["predictions"], model(now["params"], now["inputs"]))
        assert now["value"] == float(gn.mean_squared_error(now["predictions"], now["targets"]))
        assert now["losses"] == {"loss": now["value"]}
        assert now["loss_grads"] == {}
        grads = gn.grad(lambda p, now=now: gn.mean_squared_error(Counting()(p, now["inputs"]), now["targets"]))
        for name, expected in grads(now["params"]).items():
            np.testing.assert_array_equal(now["grads"][name], expected)
    for i, (before, after) in enumerate(zip(reader.at("after_backward"), reader.at("after_batch"), strict=True)):
        assert after["step"] == i + 1
        assert after["steps"][-1] == after["value"]
        new, state = after["optimizer"].update(before["params"], before["grads"], before["state"])
        for name, value in new.items():
            np.testing.assert_array_equal(after["params"][name], value)
            np.testing.assert_array_equal(after["changes"][name], value - before["params"][name])
            np.testing.assert_array_equal(after["state"][f"m.{name}"], state[f"m.{name}"])


def test_before_the_first_step_there_is_nothing_to_read_and_no_error():
    reader = Reader()
    train([reader])
    first = reader.seen[0]
    assert first["point"] == "begin_fit"
    assert (first["grads"], first["losses"], first["predictions"], first["step"]) == ({}, {}, None, 0)
    assert np.isnan(first["value"])
    assert all(not change.any() for change in first["changes"].values())


def test_after_the_epoch_its_numbers_are_in_the_history():
    numbers = []

    class Look:
        def after_epoch(self, run):
            history = run.history
            numbers.append((run.epoch, len(history.loss), len(history.validation_loss), len(history.seconds)))

    train([Look()])
    assert numbers == [(1, 1, 1, 1), (2, 2, 2, 2), (3, 3, 3, 3)]


def test_several_losses_share_the_forward_pass_too():
    reader, model, losses = Reader(), Counting(), {"one": CountingLoss(), "two": CountingLoss(0.5)}
    train([reader], model, losses)
    assert model.calls.count(True) == 9
    assert losses["one"].calls == losses["two"].calls == 12
    for now in reader.at("after_backward"):
        assert list(now["losses"]) == list(now["loss_grads"]) == ["one", "two"]
        assert sum(now["losses"].values()) == now["value"]
        for name, gradient in now["grads"].items():
            np.testing.assert_allclose(now["loss_grads"]["one"][name] + now["loss_grads"]["two"][name], gradient)
            np.testing.assert_allclose(now["loss_grads"]["two"][name], 0.5 * now["loss_grads"]["one"][name])


def test_an_optimiser_put_in_at_any_point_takes_the_next_step():
    for point in POINTS[:-1]:
        reader = Reader()

        class Freeze:
            def __getattr__(self, name, point=point):
                if name != point:
                    raise AttributeError(name)
                return self.act

            def act(self, run):
                run.optimizer = gn.frozen()

        fitted, _ = train([Freeze(), reader], batch_size=None, epochs=2)
        frozen_from = {"after_batch": 1, "begin_validate": 1, "after_epoch": 1}.get(point, 0)
        changed = [bool(now["changes"]["weight"].any()) for now in reader.at("after_batch")]
        assert changed == [i < frozen_from for i in range(2)], point
        assert fitted["weight"].shape == (3, 1)


# ---- the callbacks of the package --------------------------------------------------------------------------


def progress(folder):
    return gn.Progress(stream=io.StringIO(), plain=True)


def live_plot(folder):
    pytest.importorskip("PIL")
    return gn.LivePlot(every=1, path=folder / "live.png", budget=np.inf)


def tensorboard(folder):
    pytest.importorskip("tensorboardX")
    return gn.TensorBoard(folder / "board", histograms_every=1)


WATCHING = {
    "Progress": progress,
    "LivePlot": live_plot,
    "EarlyStopping": lambda folder: gn.EarlyStopping(patience=99),
    "ReduceOnPlateau": lambda folder: gn.ReduceOnPlateau(patience=99),
    "Recording": lambda folder: gn.Recording(every=1),
    "Trajectory": lambda folder: gn.Trajectory(),
    "GradientMonitor": lambda folder: gn.GradientMonitor(1, outputs_every=1),
    "CSVLog": lambda folder: gn.CSVLog(folder / "log.csv"),
    "JSONLog": lambda folder: gn.JSONLog(folder / "log.jsonl", per="step"),
    "TensorBoard": tensorboard,
    "Checkpoint": lambda folder: gn.Checkpoint(folder / "run.npz", every=1, resume=False),
}


@pytest.mark.parametrize("name", WATCHING)
def test_a_callback_that_watches_changes_no_bit_and_can_be_used_again(name, tmp_path, no_display):
    callback, model = WATCHING[name](tmp_path), gn.Dense(1)
    expected, history = train(model=model)
    random = np.random.get_state()[1].tolist()  # noqa: NPY002 - to see that it stays
    for _ in range(2):
        fitted, seen = train([callback], model=model)
        assert (seen.steps, seen.loss, seen.validation_loss) == (history.steps, history.loss, history.validation_loss)
        assert seen.stopped is None
        for key, value in expected.items():
            assert fitted[key].tobytes() == value.tobytes()
    assert np.random.get_state()[1].tolist() == random  # noqa: NPY002


def test_all_of_them_together(tmp_path, no_display):
    expected, history = train(model=gn.Dense(1))
    callbacks = [make(tmp_path) for make in WATCHING.values()]
    fitted, seen = train(callbacks, model=gn.Dense(1))
    assert seen.steps == history.steps
    for key, value in expected.items():
        assert fitted[key].tobytes() == value.tobytes()


def test_the_table_names_every_callback_of_the_package():
    public = {name for name in gn.__all__ if any(hasattr(getattr(gn, name), point) for point in POINTS)}
    assert public == set(WATCHING)


# ---- cut in two --------------------------------------------------------------------------------------------


class Kill:
    """Ends the training after so many steps, None for never."""

    def __init__(self, step):
        self.step = step

    def begin_batch(self, run):
        if run.step == self.step:
            raise SystemExit


def watched(folder, kill=None):
    """Train with a plateau at hand and everybody writing; return the parameters, the history and what was written."""
    folder.mkdir(exist_ok=True)
    callbacks = [
        gn.ReduceOnPlateau(patience=1, min_change=0.01), gn.GradientMonitor(2, outputs_every=1),
        gn.CSVLog(folder / "log.csv"), gn.JSONLog(folder / "steps.jsonl", per="step"), gn.EarlyStopping(patience=99),
    ]  # fmt: skip
    keep = gn.Checkpoint(folder / "run.npz", every=1, steps=1, resume=True)
    params, history = train(
        [Kill(kill), *callbacks, keep], gn.Dense(1), epochs=5, optimizer=gn.adam(gn.schedules.Cosine(0.2, 15))
    )
    columns = [line.rpartition(",")[0] for line in (folder / "log.csv").read_text().splitlines()]  # without the seconds
    written = (columns, (folder / "steps.jsonl").read_text(), repr(callbacks[1].memory()), callbacks[0].reductions)
    return params, history, written


@pytest.mark.parametrize("step", [1, 3, 4, 8, 14])
def test_a_training_killed_at_any_step_goes_on_as_if_nothing_had_been(tmp_path, step):
    expected, history, written = watched(tmp_path / "whole")
    assert written[-1] > 0
    assert len(written[0]) == 6
    with pytest.raises(SystemExit):
        watched(tmp_path / "cut", step)
    params, resumed, after = watched(tmp_path / "cut")
    assert after == written
    assert (resumed.steps, resumed.loss, resumed.step_sizes) == (history.steps, history.loss, history.step_sizes)
    for name, value in expected.items():
        assert params[name].tobytes() == value.tobytes()
