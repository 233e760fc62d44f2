"""Step sizes that change with the step, against closed forms and against the numbers of PyTorch's schedulers."""

from __future__ import annotations

import math
import pickle
from functools import partial
from itertools import pairwise

import numpy as np
import pytest

import graphnn as gn
from graphnn.architecture import from_json, to_json
from graphnn.schedules import Cosine, Exponential, OneCycle, Scaled, Step, Warmup, steps_in

# The learning rates of torch 2.13 at steps 0, 1, 2, ..., read from the optimiser before each step. In order these are
# CosineAnnealingLR with T_max 8 and eta_min 0.01; StepLR with 3 and gamma 0.1; MultiStepLR with 2, 5 and gamma 0.5;
# ExponentialLR with gamma 0.01 to the power of 1/8; LinearLR with start_factor 1/5 and total_iters 4; SequentialLR at
# milestone 3 from LinearLR with start_factor 1/4 and total_iters 3 to CosineAnnealingLR with T_max 5; OneCycleLR with
# total_steps 10; the same with pct_start 0.55.
TORCH = {
    Cosine(0.1, 8, end=0.01): [
        0.1, 0.0965745789630079, 0.08681980515339463, 0.07222075445642905, 0.055, 0.03777924554357096,
        0.023180194846605363, 0.013425421036992097, 0.01,
    ],
    Step(0.1, 3): [0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001, 0.001],
    Step(0.1, (2, 5), 0.5): [0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025, 0.025],
    Exponential(0.1, 0.001, 8): [
        0.1, 0.05623413251903491, 0.03162277660168379, 0.017782794100389226, 0.01, 0.00562341325190349,
        0.003162277660168379, 0.0017782794100389225, 0.001,
    ],
    Warmup(0.1, 4): [0.02, 0.04, 0.06, 0.08, 0.1, 0.1, 0.1, 0.1, 0.1],
    Warmup(Cosine(0.1, 5), 3): [
        0.025, 0.05, 0.075, 0.1, 0.09045084971874738, 0.06545084971874737, 0.03454915028125263,
        0.009549150281252633, 0.0,
    ],
    OneCycle(0.1, 10): [
        0.004, 0.052, 0.1, 0.09504846320134738, 0.0811745653949763, 0.06112620219362893, 0.03887419780637107,
        0.0188258346050237, 0.004951936798652629, 0.1 / 25 / 1e4,
    ],
    OneCycle(0.1, 10, rise=0.55): [
        0.004, 0.01522986673028906, 0.04366488747198734, 0.076, 0.0971052457977236, 0.09698464310077128, 0.0750001,
        0.04131782584628902, 0.01169813105293973, 0.1 / 25 / 1e4,
    ],
}  # fmt: skip
EVERY = [*TORCH, Scaled(Cosine(0.1, 8), 0.5), Warmup(Step(0.1, 5), 2)]
each = pytest.mark.parametrize("schedule", EVERY, ids=repr)


@pytest.mark.parametrize("schedule", TORCH, ids=repr)
def test_the_numbers_of_pytorch(schedule):
    expected = TORCH[schedule]
    assert [schedule(step) for step in range(len(expected))] == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_cosine_is_half_a_wave_and_then_nothing():
    schedule = Cosine(0.1, 10)
    assert [schedule(step) for step in (0, 2.5, 5)] == pytest.approx([0.1, 0.05 * (1 + math.sqrt(0.5)), 0.05])
    assert schedule(10) == schedule(99) == pytest.approx(0, abs=1e-17)


def test_a_cosine_ends_where_it_is_told_to():
    assert Cosine(0.1, 10, end=0.02)(10) == Cosine(0.1, 10, end=0.02)(1000) == 0.02


def test_a_cycle_rises_to_its_peak_and_falls_to_almost_nothing():
    """Smith & Topin: up, down, and orders of magnitude below where it began."""
    schedule = OneCycle(1.0, steps=100)
    sizes = [schedule(step) for step in range(100)]
    assert sizes.index(max(sizes)) == 29  # the 30th step
    assert max(sizes) == 1.0
    assert sizes[0] == pytest.approx(1 / 25)
    assert sizes[99] == pytest.approx(1 / 25 / 1e4)
    assert all(a < b for a, b in pairwise(sizes[:30]))
    assert all(a > b for a, b in pairwise(sizes[29:]))


@each
def test_they_stay_at_their_end_and_are_never_below_nothing(schedule):
    assert schedule(10**6) == schedule(10**6 + 1) or isinstance(schedule, Step)
    assert min(schedule(step) for step in range(200)) >= 0


@each
def test_they_are_values_that_print_pickle_and_save(schedule):
    assert eval(repr(schedule)) == schedule
    assert hash(schedule) == hash(pickle.loads(pickle.dumps(schedule)))
    optimizer = gn.adam(schedule)
    assert from_json(to_json(optimizer)) == optimizer


@each
def test_an_optimiser_follows_it(schedule):
    optimizer, params = gn.sgd(schedule), {"p": np.zeros(1)}
    state, moves = optimizer.init(params), []
    for _ in range(4):
        before = params["p"][0]
        params, state = optimizer.update(params, {"p": np.ones(1)}, state)
        moves.append(before - params["p"][0])
    assert moves == pytest.approx([schedule(step) for step in range(4)])


def test_a_list_of_steps_is_kept_as_it_was():
    places = [2, 5]
    schedule = Step(0.1, at=places)
    places.append(6)
    assert schedule == Step(0.1, at=(2, 5))


@pytest.mark.parametrize(
    ("epochs", "n_examples", "batch_size", "steps"),
    [(1, 10, None, 1), (3, 10, 4, 9), (3, 8, 4, 6), (2, 5, 99, 2), (7, 1, 1, 7)],
)
def test_epochs_are_counted_in_the_steps_that_fit_takes(epochs, n_examples, batch_size, steps):
    x = np.arange(n_examples, dtype=float)[:, None]
    history = gn.fit(gn.Dense(1), gn.Dense(1).init(0, x), x, x, epochs=epochs, batch_size=batch_size)[1]
    assert steps_in(epochs, n_examples, batch_size) == len(history.steps) == steps


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(Cosine, 0.1, 0), "Cosine: steps must be 1 or more, got 0"),
        (partial(Cosine, -0.1, 9), "Cosine: start is -0.1, it must be finite and not negative"),
        (partial(Cosine, 0.1, 9, end=math.nan), "Cosine: end is nan"),
        (partial(Step, 0.1, 0), "Step: at must be a number from 1 on, or several that rise, got 0"),
        (partial(Step, 0.1, ()), r"Step: at must .* got \(\)"),
        (partial(Step, 0.1, (5, 5)), r"Step: at must .* got \(5, 5\)"),
        (partial(Step, 0.1, 5, factor=-1.0), "Step: factor is -1.0"),
        (partial(Exponential, 0.1, 0.0, 9), "Exponential: start 0.1 and end 0.0 must be above 0"),
        (partial(Exponential, 0.1, 0.01, 0), "Exponential: steps must be 1 or more"),
        (partial(Warmup, 0.1, 0), "Warmup: steps must be 1 or more"),
        (partial(Warmup, math.inf, 9), "Warmup: after is inf"),
        (partial(OneCycle, 0.1, 3), r"OneCycle: rise=0.3 of 3 steps is 0.9; it must be more than 1 and fewer than all"),
        (partial(OneCycle, 0.1, 9, rise=1.0), "OneCycle: rise=1.0 of 9 steps is 9"),
        (partial(Scaled, Cosine(0.1, 9), math.inf), "Scaled: factor is inf"),
        (partial(steps_in, 0, 9), "steps_in: epochs must be 1 or more, got 0"),
        (partial(steps_in, 9, 9, 0), "steps_in: batch_size must be 1 or more, got 0"),
    ],
)
def test_what_makes_no_schedule_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
