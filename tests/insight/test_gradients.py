"""The norms of gradients are those of numpy, layer by layer; a long training takes no more room than a short one."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from graphnn.insight.gradients import KEPT, GradientPanel

VIEW = SimpleNamespace(x="epoch")


def moment(step, **grads):
    return SimpleNamespace(step=step, grads={name.replace("_", "."): value for name, value in grads.items()})


@pytest.fixture
def ax():
    figure = Figure(figsize=(4, 2.5))
    FigureCanvasAgg(figure)
    return figure.subplots()


def test_a_layers_norm_is_that_of_all_its_parameters_together():
    rng = np.random.default_rng(0)
    weight, bias, other = rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=2)
    panel = GradientPanel()
    panel.note(moment(0, a_weight=weight, a_bias=bias, b_weight=other))
    assert panel.norms["a"] == [pytest.approx(np.linalg.norm(np.append(weight, bias)))]
    assert panel.norms["b"] == [pytest.approx(np.linalg.norm(other))]


def test_running_statistics_have_no_gradient_to_draw():
    panel = GradientPanel()
    panel.note(SimpleNamespace(step=0, grads={"1.norm.running_mean": np.zeros(2), "1.norm.scale": np.ones(1)}))
    assert panel.norms == {"1.norm": [1.0]}


def test_a_bare_name_is_a_layer_of_its_own():
    panel = GradientPanel()
    panel.note(moment(0, temperature=np.array(2.0)))
    assert panel.norms == {"temperature": [2.0]}


def test_ten_times_as_many_steps_take_no_more_room():
    panel = GradientPanel()
    for step in range(10 * KEPT):
        panel.note(moment(step, a_weight=np.array([float(step)])))
    assert KEPT / 2 <= len(panel.steps) <= KEPT + 1
    assert set(np.diff(panel.steps)) == {panel.every}
    assert panel.norms["a"] == [float(step) for step in panel.steps]


def test_a_layer_that_comes_later_begins_later():
    panel = GradientPanel()
    panel.note(moment(0, a_weight=np.ones(1)))
    panel.note(moment(1, a_weight=np.ones(1), b_weight=np.ones(1)))
    panel.note(moment(2, b_weight=np.ones(1)))
    np.testing.assert_equal(panel.norms, {"a": [1.0, 1.0, np.nan], "b": [np.nan, 1.0, 1.0]})


def test_lines_and_names_are_drawn_and_moved(ax):
    panel, counts = GradientPanel(), set()
    for step in range(4):
        panel.note(moment(step, a_weight=np.ones(1) * 10.0**-step, b_weight=np.ones(1)))
        panel.draw(ax, VIEW)
        ax.figure.canvas.draw()
        counts.add(len(ax.get_children()))
    assert panel.curves.lines["a"].get_xydata().tolist() == [[0, 1.0], [1, 0.1], [2, 0.01], [3, 0.001]]
    assert [text.get_text() for text in ax.texts] == ["a", "b"]
    assert len(counts) == 1
    assert ax.get_ylim()[0] < 1e-3


@pytest.mark.parametrize("values", [[0.0, 0.0], [np.nan, 1.0], [np.inf, np.inf]], ids=str)
def test_any_gradients_can_be_drawn(ax, values):
    panel = GradientPanel()
    for step, value in enumerate(values):
        panel.note(moment(step, a_weight=np.array([value])))
    panel.draw(ax, VIEW)
    ax.figure.canvas.draw()


def test_without_gradients_nothing_is_drawn(ax):
    panel = GradientPanel()
    panel.note(SimpleNamespace(step=0, grads=None))
    panel.draw(ax, VIEW)
    assert ax.lines[:] == []


def test_another_training_begins_empty(ax):
    panel = GradientPanel()
    panel.note(moment(0, a_weight=np.ones(1)))
    panel.begin()
    assert (panel.norms, panel.steps) == ({}, [])


def test_beside_losses_over_epochs_it_says_what_a_step_is():
    for counted, words in (("epoch", "step, one for each mini-batch"), ("step", "step")):
        panel, ax = GradientPanel(), Figure().subplots()
        panel.note(SimpleNamespace(step=0, grads={"weight": np.ones(2)}))
        panel.draw(ax, SimpleNamespace(x=counted))
        assert ax.get_xlabel() == words
