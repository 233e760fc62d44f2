"""What a training leaves in files: the history as a table, and the logs that grow with it."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

import graphnn as gn
from graphnn.schedules import Cosine
from graphnn.training.callbacks import logs
from graphnn.training.history import History

X = np.random.default_rng(0).normal(size=(10, 2))
Y = X @ np.array([[1.0], [2.0]])
MODEL = gn.Dense(1)
LOGS = {"csv": gn.CSVLog, "jsonl": gn.JSONLog}
each_log = pytest.mark.parametrize("kind", LOGS)


def train(*callbacks, epochs=4, **settings):
    settings = {
        "optimizer": gn.adam(Cosine(0.1, 30)), "batch_size": 4, "validation": (X, Y),
        "metrics": {"rmse": gn.rmse, "loss": gn.mae}, **settings,
    }  # fmt: skip
    return gn.fit(MODEL, MODEL.init(0, X), X, Y, epochs=epochs, callbacks=callbacks, **settings)


def rows_of(path):
    """Return the rows of a log as another program reads them."""
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    else:
        with path.open(newline="") as file:
            rows = [dict(row) for row in csv.DictReader(file)]
    return [{name: None if value in ("", None) else float(value) for name, value in row.items()} for row in rows]


def assert_rows(path, expected):
    rows = rows_of(path)
    assert rows == expected
    assert [list(row) for row in rows] == [list(row) for row in expected]


# ---- History -----------------------------------------------------------------------------------------------


def test_the_rows_of_a_history():
    _, history = train()
    rows = history.rows()
    assert list(rows[0]) == ["epoch", "loss", "validation_loss", "rmse", "metric loss", "step_size", "seconds"]
    assert [row["epoch"] for row in rows] == [0, 1, 2, 3]
    for name, curve in (
        ("loss", history.loss), ("validation_loss", history.validation_loss), ("rmse", history.metrics["rmse"]),
        ("metric loss", history.metrics["loss"]), ("seconds", history.seconds),
    ):  # fmt: skip
        assert [row[name] for row in rows] == curve
    assert history.rows("step") == [{"step": i, "loss": value} for i, value in enumerate(history.steps)]
    assert len(history.steps) == 12


def test_the_step_sizes_are_those_of_the_last_step_of_each_epoch():
    _, history = train()
    assert history.step_sizes == {"step_size": [Cosine(0.1, 30)(step) for step in (2, 5, 8, 11)]}
    rules = gn.per_module({"bias": gn.sgd(0.1), "*": gn.sgd(0.2)})
    assert train(optimizer=rules)[1].step_sizes == {"step_size of bias": [0.1] * 4, "step_size of *": [0.2] * 4}
    assert train(optimizer=gn.frozen())[1].step_sizes == {}


def test_an_optimiser_may_change_on_the_way():
    class Change:
        def after_epoch(self, run):
            if run.epoch == 2:
                run.optimizer = gn.per_module({"bias": gn.sgd(0.1), "*": gn.frozen()})
                run.state = run.optimizer.init(run.params)

    history = train(Change(), optimizer=gn.sgd(0.2))[1]
    assert str(history.step_sizes) == "{'step_size': [0.2, 0.2, nan, nan], 'step_size of bias': [nan, nan, 0.1, 0.1]}"


def test_an_interruption_while_an_epoch_is_closed_leaves_whole_rows():
    calls = []

    def interrupt(predictions, targets):
        calls.append(0)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return 0.0

    history = train(metrics={"odd": interrupt})[1]
    assert len(history.loss) == len(history.step_sizes["step_size"]) == len(history.metrics["odd"]) == 2


def test_a_history_goes_through_json():
    _, history = train()
    data = json.loads(json.dumps(history.to_dict()))
    assert History(**data) == history
    history.to_dict()["metrics"]["rmse"].clear()
    assert len(history.metrics["rmse"]) == 4


@pytest.mark.parametrize("per", ["epoch", "step"])
def test_a_history_is_written_bit_by_bit(tmp_path, per):
    _, history = train()
    history.to_csv(tmp_path / "history.csv", per)
    assert_rows(tmp_path / "history.csv", history.rows(per))
    History().to_csv(tmp_path / "history.csv", per)
    assert (tmp_path / "history.csv").read_text() == ("epoch,loss,seconds\n" if per == "epoch" else "step,loss\n")
    assert [path.name for path in tmp_path.iterdir()] == ["history.csv"]


def test_a_history_is_a_frame():
    pytest.importorskip("pandas")
    _, history = train()
    frame = history.to_frame()
    assert frame.index.name == "epoch"
    assert frame["validation_loss"].tolist() == history.validation_loss
    assert frame.index.tolist() == [0, 1, 2, 3]
    assert history.to_frame("step")["loss"].tolist() == history.steps
    assert list(History().to_frame().columns) == ["loss", "seconds"]


def test_a_frame_without_pandas_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="to_frame needs pandas: pip install pandas, or use to_csv or rows"):
        History().to_frame()


def test_rows_are_per_epoch_or_per_step():
    with pytest.raises(ValueError, match='History: per is \'batch\', wanted "epoch" or "step"'):
        History().rows("batch")


# ---- CSVLog, JSONLog ---------------------------------------------------------------------------------------


@each_log
@pytest.mark.parametrize("per", ["epoch", "step"])
def test_a_log_holds_the_history_bit_by_bit(tmp_path, kind, per):
    log = LOGS[kind](tmp_path / f"log.{kind}", per)
    _, history = train(log)
    assert_rows(log.path, history.rows(per))
    _, history = train(log, epochs=2)  # a second training begins anew
    assert_rows(log.path, history.rows(per))


@each_log
def test_each_of_several_losses_has_its_column(tmp_path, kind):
    log = LOGS[kind](tmp_path / f"log.{kind}")
    losses = {"size": gn.mean_squared_error, "label": gn.mean_absolute_error}
    optimizers = {"size": gn.sgd(0.1), "label": gn.per_module({"bias": gn.frozen(), "*": gn.sgd(0.2)})}
    _, history = train(log, loss=losses, optimizer=optimizers)
    assert_rows(log.path, history.rows())
    row = history.rows()[-1]
    assert row["loss of size"] + row["loss of label"] == row["loss"]
    assert (row["step_size of size"], row["step_size of label, *"]) == (0.1, 0.2)


@each_log
def test_every_line_is_there_at_once(tmp_path, kind):
    log, seen = LOGS[kind](tmp_path / f"log.{kind}"), []

    class Reader:
        def after_epoch(self, run):
            seen.append(len(rows_of(log.path)))

    train(log, Reader())
    assert seen == [1, 2, 3, 4]


@each_log
def test_a_log_changes_no_bit_of_the_training(tmp_path, kind):
    with_log, one = train(LOGS[kind](tmp_path / "log", "step"), LOGS[kind](tmp_path / "other"))
    without, other = train()
    assert one.steps == other.steps
    assert with_log["weight"].tobytes() == without["weight"].tobytes()


class Resumed:
    """A run that goes on from an epoch, as `fit` shows it to its callbacks."""

    def __init__(self, history, epoch, step):
        self.history, self.epoch, self.step = history, epoch, step
        self.validation, self.metrics, self.optimizer = (X, Y), dict(history.metrics), gn.adam(Cosine(0.1, 30))


def cut(history, epochs, steps):
    """Return the history as it was after so many epochs and steps."""
    return dataclasses.replace(
        history, steps=history.steps[:steps], loss=history.loss[:epochs], seconds=history.seconds[:epochs],
        validation_loss=history.validation_loss[:epochs],
        metrics={name: values[:epochs] for name, values in history.metrics.items()},
        step_sizes={name: values[:epochs] for name, values in history.step_sizes.items()},
    )  # fmt: skip


@each_log
@pytest.mark.parametrize("per", ["epoch", "step"])
@pytest.mark.parametrize("saved", [0, 1, 3, 4])
def test_a_resumed_log_is_that_of_a_training_never_killed(tmp_path, kind, per, saved):
    """Whatever bytes the killed training has left: too many lines, too few, half a line, an empty file."""
    log = LOGS[kind](tmp_path / f"log.{kind}", per)
    _, history = train(log)
    whole = log.path.read_bytes()
    for size in sorted({*range(0, len(whole), 7), *range(12), len(whole) - 1, len(whole)}):
        log.path.write_bytes(whole[:size])
        again = LOGS[kind](log.path, per)
        again.begin_fit(Resumed(cut(history, saved, 3 * saved), saved, 3 * saved))
        for epoch in range(saved, 4):
            for step in range(3 * epoch + 1, 3 * epoch + 4):
                again.after_batch(Resumed(cut(history, epoch, step), epoch, step))
            again.after_epoch(Resumed(cut(history, epoch + 1, step), epoch + 1, step))
        again.after_fit(None)
        assert log.path.read_bytes() == whole


@each_log
@pytest.mark.parametrize(
    "content",
    ["my notes\n", "epoch,loss\n0,1.0\n", '{"epoch": 0, "loss": 1.0}\n', "\x00\xff", '{"loss": 0}\n', "[0]\n"],
)
def test_another_file_is_not_written_over(tmp_path, kind, content):
    path, steps = tmp_path / f"log.{kind}", []
    path.write_text(content, "latin-1")
    before = path.read_bytes()

    class Count:
        def after_batch(self, run):
            steps.append(run.step)

    with pytest.raises(
        ValueError, match=r"Log: '.*' begins with .*; this run has the columns \['epoch', 'loss', .*\]. Give"
    ):
        train(LOGS[kind](path), Count())
    assert path.read_bytes() == before
    assert steps == []


@each_log
def test_numbers_that_are_none(tmp_path, kind):
    values = iter([1.0, math.inf, -math.inf, math.nan])
    log = LOGS[kind](tmp_path / f"log.{kind}")
    train(log, metrics={"odd": lambda predictions, targets: next(values)})
    odd = [row["odd"] for row in rows_of(log.path)]
    assert odd[:3] == [1.0, math.inf, -math.inf]
    assert odd[3] is None if kind == "jsonl" else math.isnan(odd[3])
    if kind == "jsonl":  # what other programs than Python read
        assert not {"NaN", "Infinity"} & set(log.path.read_text().replace(",", " ").split())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
@each_log
def test_a_full_disk_ends_the_log_and_not_the_training(tmp_path, kind):
    log = LOGS[kind](tmp_path / f"log.{kind}")

    class Full:
        def begin_fit(self, run):
            log._file.close()
            log._file = open("/dev/full", "w")  # noqa: SIM115 - the log closes it

    with pytest.warns(
        RuntimeWarning, match=f"{type(log).__name__} stops writing, training goes on: .*No space"
    ) as seen:
        _, history = train(log, Full())
    assert len(seen) == 1
    assert len(history.loss) == 4


@each_log
def test_no_epochs_leave_no_rows(tmp_path, kind):
    log = LOGS[kind](tmp_path / f"log.{kind}")
    train(log, epochs=0)
    assert rows_of(log.path) == []
    train(log, epochs=1)  # which is no other file
    assert len(rows_of(log.path)) == 1


def test_a_folder_that_is_not_there_is_named_before_the_first_step(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        train(gn.CSVLog(tmp_path / "missing" / "log.csv"))


def test_refused():
    with pytest.raises(ValueError, match='JSONLog: per is \'batch\', wanted "epoch" or "step"'):
        logs.JSONLog("log.jsonl", per="batch")
