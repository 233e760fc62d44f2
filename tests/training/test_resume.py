"""Checkpoint: a run that was killed goes on to the same bits, and no file is ever half a file."""

from __future__ import annotations

import dataclasses
import errno
import functools
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cases
import numpy as np
import pytest
import scipy.sparse

import graphnn as gn
from graphnn import archive
from graphnn.training.data import Data

RNG = np.random.default_rng(0)
GRAPHS = gn.pack(gn.datasets.alkanes().graphs[20:50])
TARGETS = gn.datasets.alkanes().boiling_points[20:50]
HELD_OUT = (
    gn.pack([gn.datasets.alkanes().graphs[i] for i in range(50, 60)]),
    gn.datasets.alkanes().boiling_points[50:60],
)
MODEL = gn.Sequential(
    gn.GraphConv(4, gn.relu), gn.BatchNorm(), gn.Dropout(0.3), gn.SumPool(), gn.Dense(1), gn.Rescale()
)
PARAMS = MODEL.init(0, GRAPHS)
EPOCHS, STEPS = 6, 4  # of 8 graphs, the last of 6


def absolute(predictions, targets):
    return gn.mean_absolute_error(predictions, targets)


class Sum:
    """A callback of a user, with a memory."""

    def __init__(self):
        self.total = 0.0

    def begin_fit(self, run):
        self.total = 0.0

    def after_batch(self, run):
        self.total += sum(float(np.abs(g).sum()) for g in run.grads.values()) + len(run.predictions)

    def memory(self):
        return {"total": self.total, "word": "sum", "names": ["a", None, 1.5]}

    def remember(self, memory):
        assert (memory["word"], memory["names"]) == ("sum", ["a", None, 1.5])
        self.total = memory["total"]


class Killed(BaseException):
    """What no `except Exception` catches, as a kill leaves nobody time to do anything."""


class Kill:
    """Stop dead after so many steps, before anybody hears of the last."""

    def __init__(self, steps, point="after_backward"):
        self.left = steps
        setattr(self, point, self.count)

    def count(self, run):
        self.left -= 1
        if self.left < 0:
            raise Killed


KINDS = {
    "adam": {"optimizer": gn.adam(0.02)},
    "schedule": {"optimizer": gn.momentum(gn.schedules.Cosine(1e-6, 30))},
    "per_module": {"optimizer": gn.per_module({"0.*": gn.adamw(0.02), "*": gn.sgd(1e-4)})},
    "losses": {
        "loss": {"square": gn.mean_squared_error, "absolute": absolute},
        "optimizer": {"square": gn.adam(0.01), "absolute": gn.sgd(1e-4)},
    },
    "lambda": {"optimizer": gn.sgd(lambda step: 1e-4 / (1 + step))},
}


def train(path, kind="adam", *extra, epochs=EPOCHS, every=1, steps=None, resume=True, stopping=None, **changes):
    """Return parameters, history and callbacks of one training, which kills may end before that."""
    stopping = gn.EarlyStopping(patience=50) if stopping is None else stopping
    adding = Sum()
    callbacks = [gn.Checkpoint(path, every, steps=steps, resume=resume), stopping, adding, *extra]
    arguments = {
        "epochs": epochs, "batch_size": 8, "validation": HELD_OUT, "metrics": {"mae": gn.mae}, "seed": 3,
        **KINDS[kind], **changes,
    }  # fmt: skip
    params, history = gn.fit(MODEL, PARAMS, GRAPHS, TARGETS, callbacks=callbacks, **arguments)
    return params, history, stopping, adding


def assert_same_run(first, second):
    (params, history, stopping, adding), (others, other, stopped, added) = first, second
    for mine, theirs in ((params, others), (stopping.params, stopped.params)):
        assert mine.keys() == theirs.keys()
        for name in mine:
            assert mine[name].tobytes() == theirs[name].tobytes(), name
    for name in ("steps", "loss", "validation_loss", "metrics", "losses", "stopped"):
        assert getattr(history, name) == getattr(other, name), name
    assert len(history.seconds) == len(other.seconds)
    assert (stopping.best, stopping.best_epoch, adding.total) == (stopped.best, stopped.best_epoch, added.total)


@pytest.mark.parametrize("kind", KINDS)
def test_killed_after_any_step_the_run_goes_on_to_the_same_bits(tmp_path, kind):
    whole = train(tmp_path / "whole.npz", kind)
    for kill in range(1, EPOCHS * STEPS, 5):  # all places in an epoch
        path = tmp_path / f"{kill}.npz"
        with pytest.raises(Killed):
            train(path, kind, Kill(kill), steps=1)
        assert gn.load(path, known=[absolute]).run["step"] == kill
        assert_same_run(train(path, kind, steps=1), whole)


def test_killed_again_and_again(tmp_path):
    whole, path = train(tmp_path / "whole.npz"), tmp_path / "run.npz"
    for _ in range(EPOCHS * STEPS // 3 - 1):
        with pytest.raises(Killed):
            train(path, "adam", Kill(3), steps=1)
    assert_same_run(train(path), whole)
    assert_same_run(train(path), whole)  # a finished run has nothing more to do


def test_callbacks_without_a_memory_may_come_and_go(tmp_path):
    whole, path = train(tmp_path / "whole.npz"), tmp_path / "run.npz"
    with pytest.raises(Killed):
        train(path, "adam", Kill(9))
    callbacks = [
        gn.Progress(stream=io.StringIO()),
        gn.EarlyStopping(patience=50),
        gn.Checkpoint(path, resume=True),
        Sum(),
    ]
    params, history = gn.fit(
        MODEL, PARAMS, GRAPHS, TARGETS, epochs=EPOCHS, batch_size=8, validation=HELD_OUT, metrics={"mae": gn.mae},
        seed=3, **KINDS["adam"], callbacks=callbacks,
    )  # fmt: skip
    assert_same_run((params, history, callbacks[1], callbacks[3]), whole)


def test_a_run_stopped_early_stays_stopped(tmp_path):
    def impatient():
        return gn.EarlyStopping(patience=2, min_change=1e3)

    whole = train(tmp_path / "whole.npz", stopping=impatient(), epochs=20)
    assert 2 < len(whole[1].loss) < 20
    with pytest.raises(Killed):
        train(tmp_path / "run.npz", "adam", Kill(2 * STEPS + 1), stopping=impatient(), epochs=20)
    for _ in range(2):
        assert_same_run(train(tmp_path / "run.npz", stopping=impatient(), epochs=20), whole)


def test_more_epochs_go_on_where_fewer_ended(tmp_path):
    path = tmp_path / "run.npz"
    train(path, epochs=2)
    assert_same_run(train(path), train(tmp_path / "whole.npz"))


class Interrupt(Kill):
    def count(self, run):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("point", ["begin_epoch", "begin_batch", "after_forward", "after_backward", "after_batch"])
def test_ctrl_c_leaves_a_file_from_which_the_run_goes_on(tmp_path, point):
    path = tmp_path / "run.npz"
    _, history, *_ = train(path, "adam", Interrupt(2 if point == "begin_epoch" else 7, point), every=100)
    assert history.stopped == "interrupted by the keyboard"
    saved = gn.load(path).run["step"]
    # after_batch: some callbacks know of the step and some do not, so the file keeps to the last that all knew
    assert saved == (0 if point == "after_batch" else len(history.steps) > 0 and len(history.steps))
    assert_same_run(train(path), train(tmp_path / "whole.npz"))


def test_leaving_the_loop_of_steps_leaves_a_file_to_go_on_from(tmp_path):
    def go(callbacks):
        return gn.steps(MODEL, PARAMS, GRAPHS, TARGETS, epochs=3, batch_size=8, callbacks=callbacks)

    for run in go([gn.Checkpoint(tmp_path / "run.npz", resume=True)]):
        if run.step == 5:
            break
    numbers = [run.step for run in go([gn.Checkpoint(tmp_path / "run.npz", resume=True)])]
    assert numbers == list(range(6, 13))


def test_the_file_serves_for_predictions_too(tmp_path):
    params, *_ = train(tmp_path / "run.npz", stopping=gn.EarlyStopping(patience=100, min_change=1e9))
    saved = gn.load(tmp_path / "run.npz")
    assert saved.model == MODEL and saved.optimizer == gn.adam(0.02) and saved.state["step"] == EPOCHS * STEPS
    assert saved.params.keys() == params.keys()
    assert saved.run["epoch"] == EPOCHS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 7}, "batch_size 8, this one has 7"),
        ({"seed": 4}, "seed 3, this one has 4"),
        ({"optimizer": gn.adam(0.03)}, r"optimizer adam\(step_size=0.02.*, this one has adam\(step_size=0.03"),
        ({"loss": gn.mean_absolute_error}, "loss loss: mean_squared_error, this one has loss: mean_absolute_error"),
        ({"metrics": {}}, "metrics mae, this one has none"),
    ],
)
def test_another_training_is_refused_by_what_differs(tmp_path, change, message):
    train(tmp_path / "run.npz", epochs=1)
    before = (tmp_path / "run.npz").read_bytes()
    with pytest.raises(ValueError, match=rf"run\.npz: the run in the file has {message}"):
        train(tmp_path / "run.npz", **change)
    assert (tmp_path / "run.npz").read_bytes() == before


@pytest.mark.parametrize("validation", [(HELD_OUT[0], HELD_OUT[1] + 1), None])
def test_other_validation_data_are_refused(tmp_path, validation):
    train(tmp_path / "run.npz", epochs=1)
    with pytest.raises(ValueError, match="the run in the file had other validation data than this one; make them"):
        train(tmp_path / "run.npz", validation=validation)


def test_fewer_epochs_than_lie_behind_are_refused(tmp_path):
    train(tmp_path / "run.npz", epochs=2)
    with pytest.raises(ValueError, match=r"run\.npz: the run in the file has 2 epochs behind it, epochs=1 came"):
        train(tmp_path / "run.npz", epochs=1)


def test_losses_by_other_names_are_refused(tmp_path):
    first = {"square": gn.mean_squared_error, "absolute": absolute}
    train(tmp_path / "run.npz", loss=first, epochs=1)
    loss = {"square": gn.mean_squared_error, "other": absolute}
    with pytest.raises(ValueError, match="loss square: mean_squared_error, absolute: absolute, this one has square: "):
        train(tmp_path / "run.npz", loss=loss)


def test_other_data_another_model_and_other_callbacks_are_refused(tmp_path):
    path = tmp_path / "run.npz"
    x, y = RNG.normal(size=(5, 2)), RNG.normal(size=(5, 1))

    def go(model=gn.Dense(1), x=x, y=y, more=()):  # noqa: B008 - a layer is a value
        gn.fit(model, model.init(0, x), x, y, epochs=1, callbacks=[gn.Checkpoint(path, resume=True), *more])

    go()
    go()
    for change, words in (
        ({"x": x + 1e-12}, "had other training data"),
        ({"y": y[::-1]}, "had other training data"),
        ({"more": [Sum()]}, "has callbacks none, this one has Sum"),
    ):
        with pytest.raises(ValueError, match=f"the run in the file {words}"):
            go(**change)
    with pytest.raises(ValueError, match="holds parameters of Dense"):
        go(model=gn.Sequential(gn.Dense(1)))


@pytest.mark.parametrize("name", ["nodes", "edges", "weights", "positions", "globals", "senders", "targets"])
def test_the_digest_sees_every_number(name):
    graphs = cases.graphs("weighted", edges=True, positions=True, global_features=True)
    targets = np.zeros(len(graphs))
    digest = Data(gn.pack(graphs), targets, "graph").digest()
    assert Data(gn.pack(graphs)[:], targets.copy(), "graph").digest() == digest
    if name == "targets":
        targets[-1] = 1e-300
    else:
        array = getattr(graphs[-1], name).copy()
        array.flat[-1] = (array.flat[-1] + 1) % 4 if name == "senders" else np.nextafter(array.flat[-1], 9.0)
        graphs[-1] = dataclasses.replace(graphs[-1], **{name: array})
    assert Data(gn.pack(graphs), targets, "graph").digest() != digest


def test_a_file_that_is_there_is_not_lost_by_mistake(tmp_path):
    train(tmp_path / "run.npz", epochs=1)
    with pytest.raises(ValueError, match=r"run\.npz is there already; pass resume=True .* or resume=False"):
        train(tmp_path / "run.npz", resume=None)
    train(tmp_path / "run.npz", resume=False, epochs=2)
    assert gn.load(tmp_path / "run.npz").run["epoch"] == 2


def test_a_model_without_a_run_is_refused(tmp_path):
    gn.save(tmp_path / "model.npz", PARAMS, model=MODEL)
    with pytest.raises(ValueError, match=r"model\.npz: the file holds a model and no run to go on from"):
        train(tmp_path / "model.npz")


@pytest.mark.parametrize("name", ["step", "value", "history/loss", "history/metrics/mae"])
@pytest.mark.parametrize("value", [None, "gone"])
def test_a_file_made_by_somebody_else_is_refused(tmp_path, name, value):
    train(tmp_path / "run.npz", epochs=1)
    saved = gn.load(tmp_path / "run.npz")
    run = {key: what for key, what in saved.run.items() if key != name}
    if value is not None:
        run[name] = [value]
    parts = {"model": saved.model, "optimizer": saved.optimizer, "state": saved.state}
    gn.save(tmp_path / "run.npz", saved.params, **parts, run=run)
    with pytest.raises(ValueError, match=r"run\.npz: the run in the file is not as graphnn writes it"):
        train(tmp_path / "run.npz")


def test_several_files_are_kept_the_newest_under_the_plain_name(tmp_path):
    x, y = np.ones((4, 1)), np.ones((4, 1))
    keep = gn.Checkpoint(tmp_path / "run.npz", every=2, keep=3)
    gn.fit(gn.Dense(1), gn.Dense(1).init(0, x), x, y, epochs=11, callbacks=[keep])
    assert sorted(os.listdir(tmp_path)) == ["run.1.npz", "run.2.npz", "run.npz"]
    epochs = [gn.load(tmp_path / name).run["epoch"] for name in ("run.npz", "run.1.npz", "run.2.npz")]
    assert epochs == [11, 10, 8]


def test_best_keeps_the_file_of_the_lowest_loss(tmp_path):
    x, y = np.ones((4, 1)), np.ones((4, 1))

    def worse(run):  # from the fourth epoch on
        if run.epoch >= 3:
            run.params["bias"] = run.params["bias"] + 5.0

    class Spoil:
        begin_epoch = staticmethod(worse)

    keep = gn.Checkpoint(tmp_path / "best.npz", every=1, best=True)
    model, data = gn.Dense(1), (x, y)
    _, history = gn.fit(
        model, model.init(0, x), x, y, optimizer=gn.sgd(0.1), validation=data, epochs=8, callbacks=[keep, Spoil()]
    )
    assert gn.load(tmp_path / "best.npz").run["epoch"] - 1 == history.best_epoch == 2


def test_best_looks_at_every_epoch(tmp_path):
    """With the default of every ten epochs a best in between was lost."""
    keep = gn.Checkpoint(tmp_path / "best.npz", best=True)
    _, history = gn.fit(
        MODEL,
        PARAMS,
        GRAPHS,
        TARGETS,
        validation=HELD_OUT,
        batch_size=8,
        epochs=17,
        callbacks=[keep],
        optimizer=gn.adam(0.3),
    )
    assert gn.load(tmp_path / "best.npz").run["epoch"] - 1 == history.best_epoch


def test_who_never_began_is_not_asked_to_finish(tmp_path):
    """A callback used again wrote its earlier run over a good file when another one refused to begin."""
    x, model = np.ones((4, 1)), gn.Dense(1)
    first, second = gn.Checkpoint(tmp_path / "a.npz"), gn.Checkpoint(tmp_path / "b.npz", resume=True)

    def go(epochs):
        return gn.fit(model, model.init(0, x), x, x, epochs=epochs, callbacks=[first, second])

    go(3)
    good = (tmp_path / "b.npz").read_bytes()
    with pytest.raises(ValueError, match=r"a\.npz is there already"):
        go(5)
    assert (tmp_path / "b.npz").read_bytes() == good


def test_of_two_files_the_one_that_is_further_counts(tmp_path):
    def go(*extra):
        best = gn.Checkpoint(tmp_path / "best.npz", best=True, resume=True)
        return train(
            tmp_path / "run.npz", "adam", *extra, gn.ReduceOnPlateau(0.5, patience=1), best, every=1, epochs=12
        )

    with pytest.raises(Killed):
        go(Kill(10 * STEPS + 1))
    steps = {name: gn.load(tmp_path / f"{name}.npz").run["step"] for name in ("run", "best")}
    assert steps["best"] < steps["run"] == 10 * STEPS + 1
    begun = []

    class Note:
        def begin_fit(self, run):
            begun.append(run.step)

    go(Note())
    assert begun == [steps["run"]]


class Scorer:
    """A loss that is an object, whose repr holds an address."""

    def __call__(self, predictions, targets):
        return gn.mean_squared_error(predictions, targets)


@pytest.mark.parametrize("make", [lambda: functools.partial(absolute), Scorer])
def test_a_loss_without_a_name_is_the_same_in_another_process(tmp_path, make):
    path = tmp_path / "run.npz"
    kept = [train(path, loss=make(), epochs=epochs)[1] for epochs in (2, 3)]
    assert len(kept[1].loss) == 3
    assert " at 0x" not in gn.load(path).run["settings/loss"]


def test_given_sparse_kernels_are_part_of_the_data(tmp_path):
    def go(factor):
        graphs = [gn.Graph(np.ones((3, 2)), kernels={"own": scipy.sparse.csr_array(factor * np.eye(3))})] * 2
        model = gn.Sequential(gn.GraphConv(2, kernel="own"), gn.SumPool())
        batch = gn.pack(graphs)
        keep = gn.Checkpoint(tmp_path / "run.npz", resume=True)
        gn.fit(model, model.init(0, batch), batch, np.zeros((2, 2)), epochs=2, callbacks=[keep])

    go(1.0)
    go(1.0)
    with pytest.raises(ValueError, match="had other training data"):
        go(50.0)


def test_a_schedule_without_a_name_and_a_plateau_go_on_without_the_file(tmp_path):
    """The file cannot hold what the plateau has made of a schedule that has no name: training matters more."""
    x, model = np.ones((4, 1)), gn.Dense(1)
    callbacks = [gn.ReduceOnPlateau(0.5, patience=1), gn.Checkpoint(tmp_path / "run.npz", every=1)]
    with pytest.warns(RuntimeWarning, match="training goes on and the file before stays: .*cannot hold the optimiser"):
        _, history = gn.fit(
            model, model.init(0, x), x, x[:, :1] + 1, epochs=8, optimizer=gn.sgd(lambda step: 0.9), callbacks=callbacks
        )
    assert len(history.loss) == 8
    gn.load(tmp_path / "run.npz")


def test_files_before_the_last_outlive_a_full_disk(tmp_path, monkeypatch):
    path, write, written = tmp_path / "run.npz", archive._replace, []

    def full(place, data):
        written.append(place)
        if len(written) > 4:
            raise OSError(errno.ENOSPC, "No space left on device", str(place))
        write(place, data)

    monkeypatch.setattr(archive, "_replace", full)
    x, model = np.ones((4, 1)), gn.Dense(1)
    with pytest.warns(RuntimeWarning, match="No space left"):
        gn.fit(model, model.init(0, x), x, x, epochs=8, callbacks=[gn.Checkpoint(path, every=1, keep=3)])
    names = ["run.1.npz", "run.2.npz", "run.npz"]
    assert sorted(os.listdir(tmp_path)) == names
    assert [gn.load(tmp_path / name).run["epoch"] for name in names] == [2, 1, 3]


def test_replacing_a_run_replaces_the_files_before_its_last_too(tmp_path):
    x, model = np.ones((4, 1)), gn.Dense(1)
    for epochs, names in ((5, ["run.1.npz", "run.2.npz", "run.npz"]), (1, ["run.1.npz", "run.npz"])):
        keep = gn.Checkpoint(tmp_path / "run.npz", every=1, keep=3, resume=False)
        gn.fit(model, model.init(0, x), x, x, epochs=epochs, callbacks=[keep])
        assert sorted(os.listdir(tmp_path)) == names


def test_a_memory_that_no_file_holds_is_refused_by_the_callback(tmp_path):
    class Nested(Sum):
        def memory(self):
            return {"avg": {"a": 1}}

        def remember(self, memory):
            pass

    x = np.ones((4, 1))
    with pytest.raises(TypeError, match=r"Nested\.memory: 'avg' is a dict, wanted arrays, numbers"):
        gn.fit(
            gn.Dense(1), gn.Dense(1).init(0, x), x, x, epochs=1,
            callbacks=[Nested(), gn.Checkpoint(tmp_path / "run.npz")],
        )  # fmt: skip


def test_a_full_disk_is_told_and_the_file_before_stays_good(tmp_path, monkeypatch):
    path, write, written = tmp_path / "run.npz", archive._replace, []

    def full(place, data):
        written.append(place)
        if len(written) > 3:
            raise OSError(errno.ENOSPC, "No space left on device", str(place))
        write(place, data)

    monkeypatch.setattr(archive, "_replace", full)
    with pytest.warns(RuntimeWarning, match=r"training goes on and the file before stays: .*No space left.*run\.npz"):
        result = train(path)
    monkeypatch.setattr(archive, "_replace", write)
    assert gn.load(path).run["epoch"] == 2
    whole = train(tmp_path / "whole.npz")
    assert_same_run(result, whole)
    assert_same_run(train(path), whole)


def test_what_cannot_be_written_is_known_before_the_first_step(tmp_path):
    (tmp_path / "file").write_text("")
    steps = []

    class Count:
        after_batch = staticmethod(steps.append)

    with pytest.raises(OSError, match="file"):
        train(tmp_path / "file" / "run.npz", "adam", Count())
    x = np.ones((2, 1))
    with pytest.raises(TypeError, match=r"params\['note'\] is a str"):
        gn.fit(
            gn.Dense(1), {**gn.Dense(1).init(0, x), "note": "mine"}, x, x,
            callbacks=[gn.Checkpoint(tmp_path / "run.npz"), Count()],
        )  # fmt: skip
    assert not steps


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run.npz", 0), "every must be a whole number, 1 or more, got 0"),
        (("run.npz", 1.5), "every must be a whole number"),
        (("run.pt",), r"path='run\.pt' came; give a name that ends in \.npz"),
    ],
)
def test_bad_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=f"Checkpoint: {message}"):
        gn.Checkpoint(*arguments)


def test_training_is_the_same_with_and_without_a_file(tmp_path):
    def go(callbacks):
        return gn.fit(MODEL, PARAMS, GRAPHS, TARGETS, epochs=4, batch_size=8, callbacks=callbacks)

    kept, plain = go([gn.Checkpoint(tmp_path / "run.npz", steps=1)]), go([])
    assert kept[1].steps == plain[1].steps
    assert all(kept[0][name].tobytes() == plain[0][name].tobytes() for name in plain[0])


SCRIPT = """
import sys
import numpy as np
import graphnn as gn

data = gn.datasets.alkanes()
graphs, y = gn.pack(data.graphs[:60]), data.boiling_points[:60]
conv, noise = gn.GraphConv(8, gn.silu), gn.Dropout(0.2)
model = gn.Sequential(conv, gn.BatchNorm(), noise, gn.SumPool(), gn.Dense(1), gn.Rescale())
callbacks = [gn.EarlyStopping(patience=1000), gn.Checkpoint(sys.argv[1], every=1, steps=3, keep=2, resume=True)]
print("begun", flush=True)
params, history = gn.fit(
    model, model.init(0, graphs), graphs, y, epochs=60, batch_size=16, validation=(graphs[:20], y[:20]),
    callbacks=callbacks,
)
np.savez(sys.argv[2], steps=history.steps, validation=history.validation_loss, **params)
"""


def begin(*arguments):
    command = [sys.executable, "-c", SCRIPT, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_thirty_kills_at_random_moments_cost_no_bit_and_no_file(tmp_path):
    begun = time.monotonic()
    with begin(tmp_path / "whole.npz", tmp_path / "expected.npz") as process:
        assert process.wait() == 0
    length = time.monotonic() - begun
    rng, kills, rounds = np.random.default_rng(0), 0, 0
    expected = np.load(tmp_path / "expected.npz")
    while kills < 30:
        path, result = tmp_path / f"run{rounds}.npz", tmp_path / f"result{rounds}.npz"
        for _ in range(10):
            with begin(path, result) as process:
                time.sleep(rng.uniform(0, length / 4))
                ended = process.poll() is not None
                process.send_signal(signal.SIGKILL)
            if ended:
                break
            kills += 1
            if path.exists():
                gn.load(path)  # whole, at any moment
        with begin(path, result) as process:
            assert process.wait() == 0
        found = np.load(result)
        assert set(found) == set(expected)
        for name in expected:
            assert found[name].tobytes() == expected[name].tobytes(), name
        aside = [name for name in os.listdir(tmp_path) if name.endswith(".part")]
        assert len(aside) <= 1
        rounds += 1
    assert Path(tmp_path, "run0.1.npz").exists()
