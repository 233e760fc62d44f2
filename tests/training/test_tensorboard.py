"""TensorBoard: its files read back, record by record."""

from __future__ import annotations

import struct
import sys

import numpy as np
import pytest

import graphnn as gn

X = np.random.default_rng(0).normal(size=(10, 2))
Y = X @ np.array([[1.0], [2.0]])
MODEL = gn.Dense(1)


def train(*callbacks, epochs=4, **settings):
    settings = {"batch_size": 4, "validation": (X, Y), "metrics": {"rmse": gn.rmse}, **settings}
    return gn.fit(MODEL, MODEL.init(0, X), X, Y, epochs=epochs, callbacks=callbacks, **settings)


def events_of(path):
    """Read a file of TensorBoard: each record has its length, a checksum, the event, another checksum."""
    from tensorboardX.proto.event_pb2 import Event

    data, events, at = path.read_bytes(), [], 0
    while at < len(data):
        (size,) = struct.unpack_from("<Q", data, at)
        events.append(Event.FromString(data[at + 12 : at + 12 + size]))
        at += 16 + size
    return events


def files_of(folder):
    return sorted(folder.iterdir(), key=lambda path: int(path.suffix[1:]))


def scalars_of(path):
    curves = {}
    for event in events_of(path):
        for value in event.summary.value:
            if value.WhichOneof("value") == "simple_value":
                curves.setdefault(value.tag, []).append((event.step, value.simple_value))
    return curves


def single(values, start=0):
    """Return (epoch, value) as the file keeps it."""
    return [(start + i, float(np.float32(value))) for i, value in enumerate(values)]


def test_the_curves_are_those_of_the_history(tmp_path):
    pytest.importorskip("tensorboardX")
    _, history = train(gn.TensorBoard(tmp_path / "a" / "b"))
    (path,) = files_of(tmp_path / "a" / "b")
    assert scalars_of(path) == {
        "loss/train": single(history.loss),
        "loss/validation": single(history.validation_loss),
        "metrics/rmse": single(history.metrics["rmse"]),
        "step_sizes/step_size": single(history.step_sizes["step_size"]),
        "seconds": single(history.seconds),
    }


def test_histograms_of_the_parameters_every_so_many_epochs(tmp_path):
    pytest.importorskip("tensorboardX")
    params, _ = train(gn.TensorBoard(tmp_path / "with", histograms_every=3))
    train(gn.TensorBoard(tmp_path / "without", histograms_every=None))
    found = {}
    for event in events_of(*files_of(tmp_path / "with")):
        for value in event.summary.value:
            if value.WhichOneof("value") == "histo":
                found.setdefault(value.tag, []).append((event.step, value.histo))
    assert {tag: [step for step, _ in rows] for tag, rows in found.items()} == {
        "params/weight": [0, 3], "params/bias": [0, 3],
    }  # fmt: skip
    last = found["params/weight"][-1][1]
    assert (last.num, last.min, last.max) == (2, params["weight"].min(), params["weight"].max())
    assert all(
        "params" not in value.tag for e in events_of(*files_of(tmp_path / "without")) for value in e.summary.value
    )


def test_a_second_training_hides_the_first(tmp_path):
    pytest.importorskip("tensorboardX")
    board = gn.TensorBoard(tmp_path)
    train(board)
    train(board, epochs=2)
    first, second = files_of(tmp_path)
    assert len(scalars_of(first)["loss/train"]) == 4
    assert len(scalars_of(second)["loss/train"]) == 2
    starts = [event.step for event in events_of(second) if event.WhichOneof("what") == "session_log"]
    assert starts == [0]


def test_a_resumed_training_goes_on_in_a_second_file(tmp_path):
    pytest.importorskip("tensorboardX")
    for epochs in (3, 5):
        keep = gn.Checkpoint(tmp_path / "run.npz", every=1, resume=True)
        _, history = train(gn.TensorBoard(tmp_path / "board"), keep, epochs=epochs)
    _, second = files_of(tmp_path / "board")
    assert scalars_of(second)["loss/train"] == single(history.loss[3:], start=3)
    starts = [event.step for event in events_of(second) if event.WhichOneof("what") == "session_log"]
    assert starts == [3]


def test_it_changes_no_bit_and_leaves_the_global_random_state(tmp_path):
    pytest.importorskip("tensorboardX")
    state = np.random.get_state()[1].tolist()  # noqa: NPY002 - to see that it stays
    with_it, one = train(gn.TensorBoard(tmp_path, histograms_every=1))
    without, other = train()
    assert one.steps == other.steps
    assert with_it["weight"].tobytes() == without["weight"].tobytes()
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


def test_without_the_package_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r'TensorBoard needs tensorboardX: pip install "graphnn\[tensorboard\]"'):
        train(gn.TensorBoard(tmp_path))


def test_refused():
    with pytest.raises(ValueError, match="histograms_every must be a whole number, 1 or more, or None, got 0"):
        gn.TensorBoard("runs", histograms_every=0)
