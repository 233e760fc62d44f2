"""sweep: the same values over every executor, and what becomes of failures, dead workers and Ctrl-C."""

from __future__ import annotations

import functools
import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import graphnn as gn
from graphnn.training.trials import Trial

GRID = [{"width": width, "seed": seed} for width in (2, 3) for seed in (0, 1)]
HERE = Path(__file__).parent
NO_FORK = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="there is no fork here")
FORK = pytest.param("fork", marks=NO_FORK)
posix = pytest.mark.skipif(os.name != "posix", reason="sends signals")

# What runs in other processes has to be importable there, so it stands at the top of this file.


def train(setting):
    x = np.random.default_rng(0).normal(size=(40, 3))
    model = gn.Sequential(gn.Dense(setting["width"], gn.tanh), gn.Dense(1))
    params = model.init(setting["seed"], x)
    params, history = gn.fit(model, params, x, x[:, :1] ** 2, epochs=5, batch_size=8, seed=setting["seed"])
    bits = b"".join(value.tobytes() for value in params.values())
    return {"loss": history.loss[-1], "bits": hashlib.sha256(bits).hexdigest()}


def sometimes(setting):
    """Fail in every way that does not end the process."""
    if setting == "raise":
        raise ValueError("the third\nof five")
    if setting == "exit":
        sys.exit("enough")
    if setting == "unpicklable error":
        raise Awkward(1, 2)
    if setting == "unpicklable value":
        return threading.Lock()
    return setting


class Awkward(Exception):
    """An exception that pickle cannot make again, which breaks a pool that has to carry it."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def doubled(setting):
    return {name: 2 * value for name, value in setting.items()}


def last_first(place):
    time.sleep(0.05 * (4 - place))
    return place


def die(setting):
    if setting == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return setting


def takes_out(setting):
    return setting.pop("seed")


def blas_threads(setting):
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def interrupts_parent(setting):
    if setting == 1:
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(1)
    return setting


def interrupts_its_fit(setting):
    if setting == 1:
        return gn.fit(gn.Dense(1), gn.Dense(1).init(0, X), X, X, epochs=9, callbacks=[PressesCtrlC()])[1].stopped
    return setting


class PressesCtrlC:
    def after_epoch(self, run):
        if run.epoch == 2:
            signal.raise_signal(signal.SIGINT)


X = np.ones((4, 1))


def processes(method, workers=2):
    if method == "fork" and "jax" in sys.modules:
        pytest.skip("JAX, which another test has imported, does not bear being forked")
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context(method))


@pytest.fixture(params=["here", "threads", "spawn", FORK])
def executor(request):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of fork where there are threads
        if request.param == "here":
            yield None
        elif request.param == "threads":
            with ThreadPoolExecutor(2) as pool:
                yield pool
        else:
            with processes(request.param) as pool:
                yield pool


def test_values_are_the_same_bits_over_every_executor_in_the_order_of_the_settings(executor):
    tried = gn.sweep(train, GRID, executor, quiet=True)
    assert tried.values() == [train(setting) for setting in GRID]
    assert tried.settings() == GRID
    assert len({value["bits"] for value in tried.values()}) == 4
    assert all(trial.error is None and trial.seconds > 0 for trial in tried)
    assert len(tried) == len(tried.done) == 4 and not tried.failed and tried.stopped is None


def test_a_failure_is_reported_with_its_setting_and_the_rest_goes_on(executor):
    settings = ["a", "raise", "b", "exit", "unpicklable error", "c"]
    tried = gn.sweep(sometimes, settings, executor, quiet=True)
    assert tried.values() == ["a", None, "b", None, None, "c"]
    assert [trial.error for trial in tried] == [
        None, "ValueError: the third\nof five", None, "SystemExit: enough", "Awkward: 1 and 2", None,
    ]  # fmt: skip
    assert tried.failed.settings() == ["raise", "exit", "unpicklable error"]
    assert 'raise ValueError("the third\\nof five")' in tried[1].trace and tried[0].trace == ""
    assert tried.table().rows[1][3] == "ValueError: the third of five"


def test_the_order_is_that_of_the_settings_whoever_ends_first():
    with ThreadPoolExecutor(4) as pool:
        assert gn.sweep(last_first, range(4), pool, quiet=True).values() == [0, 1, 2, 3]


@pytest.mark.parametrize("method", ["spawn", FORK])
def test_what_cannot_be_sent_fails_alone(method):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with processes(method) as pool:
            tried = gn.sweep(sometimes, ["a", "unpicklable value", threading.Lock(), "b"], pool, quiet=True)
    assert tried.done.values() == ["a", "b"]
    assert all("pickle" in trial.error for trial in tried.failed)
    assert len(tried.failed) == 2


@posix
def test_a_killed_worker_is_reported_by_name_and_the_rest_can_be_done_anew():
    with processes("spawn", 1) as pool:
        tried = gn.sweep(die, range(4), pool, quiet=True)
        assert tried.values()[0] == 0
        assert {trial.error.partition(":")[0] for trial in tried.failed} == {"BrokenProcessPool"}
        assert "failed.settings()" in tried[1].error
        assert tried.failed.settings() == [1, 2, 3]
        again = gn.sweep(die, [0, 2], pool, quiet=True)  # it is broken before it is filled
    assert [trial.error.partition(":")[0] for trial in again] == ["BrokenProcessPool"] * 2


def test_a_run_cannot_change_the_record_of_its_setting(executor):
    settings = [{"seed": 3}]
    assert gn.sweep(takes_out, settings, executor, quiet=True)[0] == Trial(
        {"seed": 3}, 3, None, pytest.approx(0, abs=9)
    )
    assert settings == [{"seed": 3}]


def test_every_run_has_the_threads_it_was_given_and_afterwards_all_is_as_before(executor):
    before = blas_threads(None)
    if not before:
        pytest.skip("NumPy has a BLAS that threadpoolctl does not know")
    (found,) = gn.sweep(blas_threads, [0], executor, threads=1, quiet=True).values()
    assert set(found) == {1}
    assert blas_threads(None) == before


# ---- Ctrl-C ----------------------------------------------------------------------------------------------------------


@posix
def test_an_interrupt_in_this_process_stops_the_sweep_though_fit_keeps_it_to_itself():
    tried = gn.sweep(interrupts_its_fit, range(4), quiet=True)
    stopped = "interrupted by the keyboard"
    assert tried.stopped == stopped
    assert [trial.error for trial in tried] == [None, stopped, f"not ended: {stopped}", f"not ended: {stopped}"]
    assert tried[1].value == stopped  # fit's own word for it: what it returned is kept
    assert repr(tried).endswith(f"1 of 4 done, 3 failed; {stopped}")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@posix
def test_an_interrupt_over_threads_returns_what_is_done_and_cancels_the_rest():
    release, begun = threading.Event(), []

    def run(setting):
        begun.append(setting)
        if setting == 1:
            os.kill(os.getpid(), signal.SIGINT)
            release.wait(30)
        return setting

    with ThreadPoolExecutor(1) as pool:
        tried = gn.sweep(run, range(5), pool, quiet=True)
        release.set()
    assert tried.stopped == "interrupted by the keyboard"
    assert tried.done.values() == [0]
    assert [trial.error for trial in tried][1:] == ["not ended: interrupted by the keyboard"] * 4
    assert begun == [0, 1]


@posix
def test_an_interrupt_over_processes_returns_what_is_done():
    with processes("spawn", 1) as pool:
        tried = gn.sweep(interrupts_parent, range(5), pool, quiet=True)
    assert tried.stopped == "interrupted by the keyboard"
    assert tried.done.values() == [0]
    assert [trial.error for trial in tried][1:] == ["not ended: interrupted by the keyboard"] * 4


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((1, []), TypeError, "run is 1; give a function of one setting"),
        ((train, {"seed": [1]}), TypeError, "settings must be a list, got dict; for a grid write"),
        ((train, "seeds"), TypeError, "settings must be a list, got str"),
        ((train, 3), TypeError, "settings must be a list, got int"),
        ((train, [], 4), TypeError, r"executor is 4; give one such as ProcessPoolExecutor\(2\), or None"),
        ((train, [], ThreadPoolExecutor), TypeError, "executor is <class"),
    ],
)
def test_refusals(arguments, error, words):
    with pytest.raises(error, match=words):
        gn.sweep(*arguments)


def test_no_threads_are_refused():
    with pytest.raises(ValueError, match="threads must be 1 or more, got 0"):
        gn.sweep(train, [], threads=0)


def test_an_executor_that_was_shut_down_says_so():
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        gn.sweep(train, GRID, pool, quiet=True)


@pytest.mark.parametrize("run", [lambda setting: setting, functools.partial(lambda more, setting: setting, 1)])
def test_a_lambda_is_refused_where_it_would_have_to_travel(run):
    with processes("spawn", 1) as pool, pytest.raises(TypeError, match=r"cannot be sent .*; write it with def in a"):
        gn.sweep(run, [1], pool, quiet=True)
    assert gn.sweep(run, [1], quiet=True).values() == [1]


def script(code, **environment):
    path = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


SESSION = """
import functools, multiprocessing, graphnn as gn
from concurrent.futures import ProcessPoolExecutor
def run(setting): return setting
partial = functools.partial(run)
with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
    gn.sweep(NAME, [1], pool)
"""


@pytest.mark.parametrize("name", ["run", "partial"])
def test_a_function_of_a_session_is_refused_where_processes_begin_anew(name):
    done = script(SESSION.replace("NAME", name))
    assert "lives in this session, where a process begun anew has no part; write it with def in a .py" in done.stderr
    assert done.returncode == 1


PRINT_VALUES = """
import multiprocessing, graphnn as gn, test_sweep
with test_sweep.processes("spawn") as pool:
    print(gn.sweep(test_sweep.train, test_sweep.GRID, pool, quiet=True).values())
"""


def test_another_hash_seed_gives_the_same_bits():
    one, two = (script(PRINT_VALUES, PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert one.stdout == two.stdout != "", one.stderr
    assert one.stdout.strip() == str([train(setting) for setting in GRID])


# ---- what is shown ---------------------------------------------------------------------------------------------------


def test_table_has_a_row_for_each_setting_and_a_column_for_each_entry():
    trials = [
        Trial({"width": 2, "seed": 0}, {"rmse": 1.0, "note": "a"}, seconds=1.0),
        Trial({"width": 2, "loss": None}, {"rmse": np.float32(2.0), "width": np.ones(2)}, seconds=2.0),
        Trial({"width": 3}, error="ValueError: no"),
    ]
    table = gn.Sweep(trials).table()
    assert table.columns == ("width", "seed", "loss", "rmse", "note", "width (value)", "seconds", "error")
    assert table.rows == (
        (2, 0, None, 1.0, "a", None, 1.0, None),
        (2, None, None, 2.0, None, "array([1., 1.])", 2.0, None),
        (3, None, None, None, None, None, None, "ValueError: no"),
    )
    assert table.total == "2 of 3 done, 1 failed"
    assert gn.Sweep(trials).table().columns == table.columns
    assert "error" not in gn.Sweep(trials)[:2].table().columns
    assert gn.Sweep(trials)._repr_html_() == table._repr_html_()


def test_table_over_seeds_takes_mean_and_standard_deviation_of_what_is_done():
    values = {(2, 0): 1.0, (3, 0): 5.0, (2, 1): 3.0, (2, 2): 2.0}
    trials = [Trial({"width": w, "seed": s}, {"rmse": v, "name": "x"}, seconds=1.0) for (w, s), v in values.items()]
    trials.append(Trial({"width": 3, "seed": 1}, error="ValueError: no", seconds=1.0))
    table = gn.Sweep(trials).table(over="seed")
    assert table.columns == ("width", "n", "failed", "rmse", "sd")
    assert table.rows == ((2, 3, 0, 2.0, 1.0), (3, 1, 1, 5.0, None))
    assert table.total == "4 of 5 done, 1 failed"
    with pytest.raises(KeyError, match=r"not every setting has an entry 'epochs'; they have \['width', 'seed'\]"):
        gn.Sweep(trials).table(over="epochs")


def test_several_numbers_have_a_deviation_each():
    trials = [Trial({"seed": s}, {"a": s, "b": 2 * s}) for s in (0, 1)]
    assert gn.Sweep(trials).table(over="seed").columns == ("n", "failed", "a", "a sd", "b", "b sd")


def test_no_settings_are_a_sweep_of_nothing():
    assert repr(gn.sweep(train, [], quiet=True)) == "0 of 0 done"


def test_plain_lines_tell_of_every_trial(capsys):
    gn.sweep(sometimes, ["a", "raise"])
    told = capsys.readouterr()
    assert [line.rpartition(",")[0] for line in told.err.splitlines()] == [
        "1/2 'a': 'a'",
        "2/2 'raise': ValueError: the third of five",
    ]
    assert told.out == ""
    gn.sweep(doubled, [{"width": 2, "rate": 1 / 3}])
    assert capsys.readouterr().err.startswith("1/1 width 2, rate 0.3333: width 4, rate 0.6667, 0.0 s")


def test_quiet_is_quiet(capsys):
    gn.sweep(sometimes, ["a", "raise"], quiet=True)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("there", [True, False])
def test_a_terminal_has_a_bar_where_tqdm_is_there(there, capsys, monkeypatch):
    if there:
        pytest.importorskip("tqdm")
    else:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    gn.sweep(sometimes, ["a", "raise", "b"])
    told = capsys.readouterr().err
    assert ("3/3 [" in told, "1 failed" in told, "3/3 'b': 'b'" in told) == (there, there, not there)
    assert "'raise': ValueError" in told
