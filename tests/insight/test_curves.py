"""Curves with names at their ends: nothing overlaps, whatever the numbers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from graphnn.insight.curves import spread_out


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
