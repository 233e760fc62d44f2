"""ReduceOnPlateau on curves written out by hand, and in a training."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import graphnn as gn
from graphnn.optim import step_sizes
from graphnn.schedules import Cosine

NAN = float("nan")
X = np.random.default_rng(0).normal(size=(8, 2))
Y = X @ np.array([[1.0], [2.0]])
MODEL = gn.Dense(1)


def play(plateau, curve, optimizer=None, start=0):
    """Return the step size after each epoch of a validation curve."""
    run = SimpleNamespace(optimizer=optimizer or gn.sgd(1.0), history=SimpleNamespace(validation_loss=[], loss=[]))
    if not start:
        plateau.begin_fit(run)
    sizes = []
    for value in curve[start:]:
        run.history.validation_loss.append(value)
        plateau.after_epoch(run)
        sizes.append(step_sizes(run.optimizer, 0)["step_size"])
    return sizes


CURVES = {  # curve, settings, step sizes after each epoch
    "it falls": ([5, 4, 3, 2], {"patience": 1}, [1, 1, 1, 1]),
    "it stands": ([5, 5, 5, 5, 5], {"patience": 2}, [1, 1, 0.5, 0.5, 0.25]),
    "it rises and recovers": ([5, 6, 4, 5, 3], {"patience": 2}, [1, 1, 1, 1, 1]),
    "the waiting begins anew": ([5, 6, 6, 4, 5, 5], {"patience": 2}, [1, 1, 0.5, 0.5, 0.5, 0.25]),
    "too little each time": ([5, 4.9, 4.8], {"patience": 2, "min_change": 0.5}, [1, 1, 0.5]),
    "no number": ([NAN, NAN, 1, 1], {"patience": 2}, [1, 0.5, 0.5, 0.5]),
    "another factor": ([5, 5, 5], {"patience": 1, "factor": 0.1}, [1, 0.1, 0.01]),
    "not below the least": ([5, 5, 5, 5], {"patience": 1, "least": 0.25}, [1, 0.5, 0.25, 0.25]),
}


@pytest.mark.parametrize("case", CURVES)
def test_step_sizes_on_curves(case):
    curve, settings, sizes = CURVES[case]
    plateau = gn.ReduceOnPlateau(**settings)
    assert play(plateau, curve) == pytest.approx(sizes)
    assert play(plateau, curve) == pytest.approx(sizes)  # it begins anew with every training


@pytest.mark.parametrize("at", range(1, 6))
def test_a_resumed_training_goes_on_waiting_where_it_was(at):
    curve = [5, 5, 4, 4, 4, 4]
    whole = play(gn.ReduceOnPlateau(patience=2), curve)
    first, second = gn.ReduceOnPlateau(patience=2), gn.ReduceOnPlateau(patience=2)
    before = play(first, curve[:at])
    second.begin_fit(None)
    second.remember(first.memory())
    assert before + play(second, curve, gn.sgd(before[-1]), start=at) == whole


def test_in_a_training_moments_and_schedules_go_on():
    sizes = []

    class Watch:
        def after_epoch(self, run):
            sizes.append(
                (run.history.loss[-1], step_sizes(run.optimizer, 0), float(np.abs(run.state["m.weight"]).max()))
            )

    plateau = gn.ReduceOnPlateau(factor=0.1, patience=2)
    optimizer = gn.adam(Cosine(3.0, 1000))
    gn.fit(MODEL, MODEL.init(0, X), X, Y, optimizer=optimizer, epochs=60, callbacks=[plateau, Watch()])
    assert plateau.reductions > 1
    assert sizes[-1][1]["step_size"] == pytest.approx(3 * 0.1**plateau.reductions)
    assert min(moment for _, _, moment in sizes) > 0
    assert optimizer == gn.adam(Cosine(3.0, 1000))


def test_it_goes_through_the_optimisers_of_several_losses_and_is_saved(tmp_path):
    losses = {"size": gn.mean_squared_error, "label": gn.mean_absolute_error}

    def train(folder, *epochs):
        for count in epochs:
            plateau = gn.ReduceOnPlateau(patience=1, min_change=10.0)
            keep = gn.Checkpoint(folder / "run.npz", every=1, resume=True)
            _, history = gn.fit(
                MODEL, MODEL.init(0, X), X, Y, loss=losses, optimizer={"size": gn.adam(0.1), "label": gn.sgd(0.2)},
                epochs=count, callbacks=[plateau, keep],
            )  # fmt: skip
        return history

    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    whole, cut = train(tmp_path / "one", 6), train(tmp_path / "two", 3, 6)
    assert whole.step_sizes["step_size of size"][-1] < 0.1 / 8
    assert (cut.steps, cut.step_sizes) == (whole.steps, whole.step_sizes)


def test_a_plateau_that_never_comes_changes_no_bit():
    with_it = gn.fit(MODEL, MODEL.init(0, X), X, Y, epochs=9, batch_size=3, callbacks=[gn.ReduceOnPlateau(patience=99)])
    without = gn.fit(MODEL, MODEL.init(0, X), X, Y, epochs=9, batch_size=3)
    assert with_it[1].steps == without[1].steps
    assert with_it[0]["weight"].tobytes() == without[0]["weight"].tobytes()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"factor": 1.0}, "factor must be between 0 and 1, got 1.0"),
        ({"factor": 0.0}, "factor must be between 0 and 1, got 0.0"),
        ({"patience": 0}, "patience must be 1 or more, got 0"),
        ({"min_change": -1.0}, "min_change must not be negative and least a share from 0 to 1, got -1.0 and 0.0001"),
        ({"least": 2.0}, "got 0.0 and 2.0"),
    ],
)
def test_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        gn.ReduceOnPlateau(**settings)
