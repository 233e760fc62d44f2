"""Curves with names at their ends: nothing overlaps, whatever the numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from graphnn.insight.curves import NamedCurves, spread_out


@given(st.lists(st.floats(-50, 150), min_size=1, max_size=12))
def test_names_keep_their_distance_and_their_order_inside_the_frame(heights):
    heights = np.sort(heights)
    places = spread_out(heights, 10.0, 0.0, 100.0)
    gap = min(10.0, 100.0 / len(heights))
    assert (np.diff(places) >= gap - 1e-9).all()
    assert places[0] >= gap / 2 - 1e-9
    assert places[-1] <= 100 - gap / 2 + 1e-9


def test_names_with_room_stay_where_they_are():
    np.testing.assert_allclose(spread_out(np.array([20.0, 40.0, 80.0]), 10.0, 0.0, 100.0), [20, 40, 80])


@pytest.mark.parametrize("span", [(0.52, 0.93), (0.4, 5.0), (1.2, 9.8), (3.0, 800.0), (1e-9, 1e3), (2e-8, 3e-8)])
def test_a_logarithmic_axis_has_several_numbers_however_short_it_is(span):
    figure = Figure(figsize=(4, 3))
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    NamedCurves(ax, "step", "norm").update([0, 1], {"layer": list(span)})
    figure.canvas.draw()
    low, high = ax.get_ylim()
    shown = [tick.label1.get_text() for tick in ax.yaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    assert 3 <= len(set(shown)) <= 8
    assert "" not in shown
