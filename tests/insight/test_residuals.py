"""The histogram of residuals says where the residuals are: as many as numpy counts, with their mean and deviation."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from graphnn.insight.points import Pairs
from graphnn.insight.residuals import FARTHEST, ResidualPanel


@pytest.fixture
def panel():
    figure = Figure(figsize=(4, 2))
    FigureCanvasAgg(figure)
    return ResidualPanel(figure.subplots(), units="eV")


def drawn(panel, name):
    values, edges, _ = panel.steps[name].get_data()
    return values, edges


def off_by(residuals):
    return Pairs.of(np.asarray(residuals, float), np.zeros(len(residuals)))


def test_the_steps_are_the_shares_that_numpy_counts(panel):
    residuals = np.random.default_rng(0).normal(size=500)
    panel.update(off_by(residuals))
    values, edges = drawn(panel, "train")
    inside = np.clip(residuals, edges[0], edges[-1])
    np.testing.assert_allclose(values, np.histogram(inside, edges)[0] / 500)
    assert values.sum() == pytest.approx(1.0)


def test_the_middle_bin_lies_around_zero(panel):
    panel.update(off_by([3.0, 4.0, 5.0]))
    _, edges = drawn(panel, "train")
    np.testing.assert_allclose(edges, -edges[::-1])
    assert len(edges) % 2 == 0


def test_mean_and_deviation_are_written_with_both_sets(panel):
    train, validation = np.array([1.0, 2.0, 6.0]), np.array([-1.0, -3.0])
    panel.update(off_by(train), off_by(validation))
    assert panel.words["train"].get_text() == "3.00 ± 2.16"
    assert panel.words["validation"].get_text() == "−2.00 ± 1.00"
    assert panel.ax.get_xlabel() == "predicted − actual (eV)"


def test_a_point_far_out_is_counted_in_the_last_bin_and_leaves_the_others_readable(panel):
    residuals = np.append(np.linspace(-1, 1, 999), 1000.0)
    panel.update(off_by(residuals))
    values, edges = drawn(panel, "train")
    assert edges[-1] <= 1.1 * FARTHEST * np.sqrt(np.mean(residuals**2))
    assert values[-1] == pytest.approx(1 / 1000)
    assert (panel.beyond[1].get_text(), panel.beyond[1].get_visible()) == ("1 beyond →", True)
    assert not panel.beyond[-1].get_visible()
    panel.update(off_by(np.linspace(-1, 1, 999)))
    assert not panel.beyond[1].get_visible()


def test_missing_and_infinite_ones_are_left_out(panel):
    panel.update(Pairs.of([1.0, 2.0, np.inf, np.nan], [0.0, np.nan, 0.0, 0.0]))
    assert panel.words["train"].get_text() == "1.00 ± 0.00"
    panel.ax.figure.canvas.draw()


@pytest.mark.parametrize("residuals", [[], [0.0], [0.0, 0.0], [np.nan]], ids=str)
def test_any_residuals_can_be_drawn(panel, residuals):
    panel.update(off_by(residuals), off_by(residuals))
    panel.ax.figure.canvas.draw()


def test_a_set_that_goes_takes_its_steps_and_its_words_along(panel):
    panel.update(off_by([1.0]), off_by([1.0]))
    panel.update(off_by([1.0]))
    assert not panel.steps["validation"].get_visible()
    assert not panel.words["validation"].get_visible()


def test_held_limits_stay(panel):
    panel.update(off_by([-1.0, 1.0]))
    panel.hold, before = True, (panel.ax.get_xlim(), panel.ax.get_ylim())
    panel.update(off_by([-50.0, 50.0, 60.0]))
    assert (panel.ax.get_xlim(), panel.ax.get_ylim()) == before
    assert drawn(panel, "train")[0][-1] == pytest.approx(2 / 3)
