"""Shared by the tests of LivePlot and of its outputs."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture
def no_display(monkeypatch, tmp_path):
    """A machine without a display, and an empty folder to write into."""
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.chdir(tmp_path)
