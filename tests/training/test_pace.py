"""Steps far slower than the fastest are told of once, where BLAS has threads that may wait for each other."""

from __future__ import annotations

import itertools
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import graphnn as gn
from graphnn.training import fit as fit_module
from graphnn.training.trust import pace
from graphnn.training.trust.pace import Pace


def told(times, threads=2):
    """Return after which of these times something is said."""
    clock = Pace()
    return [i for i, seconds in enumerate(times) if clock.complaint(seconds, threads) is not None]


TIMES = {
    "even": [0.3] * 100,
    "a slow first step": [60.0] + [0.1] * 100,
    "one in three slow": [0.1, 0.1, 5.0] * 30,
    "nine times as slow": [0.1] + [0.9] * 100,
    "slow but over soon": [0.001] + [0.05] * 7,
    "under two seconds": [0.001] + [0.05] * 38,
}


@pytest.mark.parametrize("name", TIMES)
def test_what_is_usual_is_not_told(name):
    assert told(TIMES[name]) == []


def test_slow_steps_are_told_of_once_also_where_they_come_late():
    assert told([0.01] + [0.5] * 100) == [7]
    late = told([0.1] * 200 + [2.0] * 200)
    assert len(late) == 1
    assert 200 <= late[0] <= 200 + pace.SEEN


def test_one_thread_of_blas_waits_for_nobody():
    assert told([0.01] + [0.5] * 100, threads=1) == []


def test_the_message_has_times_threads_and_remedy():
    clock = Pace()
    said = [clock.complaint(seconds, 4) for seconds in [0.01] + [0.5] * 7]
    assert said[-1] is not None
    for part in (
        "500 ms or more",
        "the fastest 10",
        "the 4 threads of BLAS",
        "`with gn.threads(1):`",
        "OMP_NUM_THREADS=1",
    ):
        assert part in said[-1]


@pytest.mark.parametrize("batch_size", [None, 4])
def test_a_training_tells_it_at_the_line_of_the_user(batch_size, monkeypatch):
    ticks = itertools.accumulate(itertools.chain([0.001] * 8, itertools.repeat(1.0)))
    monkeypatch.setattr(fit_module, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    monkeypatch.setattr(pace, "threads_of_blas", lambda: 2)
    x, y = np.linspace(0, 1, 10)[:, None], np.linspace(0, 1, 10)[:, None]
    model = gn.Dense(1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gn.fit(model, model.init(0, x), x, y, epochs=20, batch_size=batch_size)
    said = [w for w in caught if "threads of BLAS" in str(w.message)]
    assert len(said) == 1
    assert said[0].category is gn.TrainingWarning
    assert said[0].filename == __file__
