"""The one rule about names."""

from __future__ import annotations

import pytest

from graphnn.types import is_statistic


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("running_mean", True),
        ("1.batchnorm.running_var", True),
        ("running_x.running_y", True),
        ("running_x.weight", False),
        ("running.weight", False),
        ("1.batchnorm.scale", False),
        ("weight_running_mean", False),
        ("", False),
    ],
)
def test_only_the_last_component_decides(name, expected):
    assert is_statistic(name) is expected
