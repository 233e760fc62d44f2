"""Step sizes that change with the step."""

import math

import numpy as np
import pytest

import graphnn as gn
from graphnn.schedules import Cosine


def test_cosine_is_half_a_wave_and_then_nothing():
    schedule = Cosine(0.1, 10)
    assert [schedule(step) for step in (0, 2.5, 5)] == pytest.approx([0.1, 0.05 * (1 + math.sqrt(0.5)), 0.05])
    assert schedule(10) == schedule(99) == pytest.approx(0, abs=1e-17)


def test_an_optimiser_follows_it():
    optimizer, params = gn.sgd(Cosine(1.0, 2)), {"p": np.zeros(1)}
    state = optimizer.init(params)
    moves = []
    for _ in range(3):
        params, state = optimizer.update(params, {"p": np.ones(1)}, state)
        moves.append(float(params["p"][0]))
    assert moves == pytest.approx([-1.0, -1.5, -1.5])


def test_no_steps_are_refused():
    with pytest.raises(ValueError, match="steps must be 1 or more, got 0"):
        Cosine(0.1, 0)
