"""Several curves in one picture, each with its name at its end, in the order of their colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnn.insight.lettering import SMALL, prepare
from graphnn.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def named_curves(ax: Axes, x: Sequence[float] | Array, curves: Mapping[str, Any], xlabel: str, ylabel: str) -> Axes:
    """Draw curves (n,) over x (n,) on a logarithmic axis, from dark to light in their order, named where they end.

    Values of zero and below have no logarithm and leave a gap; a curve of nothing else has its name below.

    >>> from matplotlib.figure import Figure
    >>> ax = named_curves(Figure().subplots(), [0, 1], {"first": [1.0, 0.1], "second": [0.0, 2.0]}, "step", "norm")
    >>> [text.get_text() for text in ax.texts], ax.get_yscale()
    (['first', 'second'], 'log')
    """
    from matplotlib import colormaps
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    ink, _ = prepare(ax, xlabel, ylabel)
    ax.set_yscale("log")
    ax.grid(axis="y", color=ink, alpha=0.08, linewidth=0.8)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    ax.yaxis.set_major_locator(LogLocator(numticks=7))
    ax.yaxis.set_minor_locator(NullLocator())
    colors = colormaps["viridis"](np.linspace(0, 0.76, max(len(curves), 2)))  # the lightest is no ink
    ends = []
    for color, values in zip(colors, curves.values(), strict=False):
        y = np.where(np.asarray(values, float) > 0, np.asarray(values, float), np.nan)
        ax.plot(x, y, color=color, linewidth=1.5, marker="o" if len(y) == 1 else "", markersize=4)
        shown = y[np.isfinite(y)]
        ends.append(np.log10(shown[-1]) if len(shown) else np.nan)
    _name_ends(ax, list(curves), colors, np.array(ends))
    return ax


def _name_ends(ax: Axes, names: list[str], colors: Array, ends: Array) -> None:
    """Write the names beside the right edge at the heights of the ends, pushed apart where they would overlap."""
    if not len(names):
        return
    bottom, top = np.log10(ax.get_ylim())
    height = ax.get_window_extent().height / ax.figure.dpi * 72  # in points
    ends = np.where(np.isfinite(ends), ends, bottom)
    wanted = (ends - bottom) / (top - bottom) * height
    pushed = spread_out(wanted, SMALL + 2.5, 0.0, height) - wanted
    for name, color, end, push in zip(names, colors, ends, pushed, strict=False):
        ax.annotate(
            name, (1, 10**end), (6, push), xycoords=("axes fraction", "data"), textcoords="offset points", va="center",
            color=color, size=SMALL, annotation_clip=False,
        )  # fmt: skip


def spread_out(wanted: Array, gap: float, low: float, high: float) -> Array:
    """Return places as near to those wanted as can be that are `gap` apart, in the same order, between two bounds.

    Closer than `gap` where there is no room for all.

    >>> spread_out(np.array([5.0, 5.0, 1.0]), 2.0, 0.0, 10.0)
    array([4., 6., 1.])
    """
    order = np.argsort(wanted, kind="stable")
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    # With the gaps taken out, what remains must only not fall: the mean of each run that does is nearest to it.
    level = wanted[order] - gap * np.arange(len(wanted))
    runs: list[list[float]] = []
    for value in level:
        runs.append([float(value)])
        while len(runs) > 1 and np.mean(runs[-2]) > np.mean(runs[-1]):
            runs[-2:] = [runs[-2] + runs[-1]]
    flat = np.concatenate([np.full(len(run), np.mean(run)) for run in runs])
    places = np.empty(len(wanted))
    places[order] = np.clip(flat, low, high - gap * (len(wanted) - 1)) + gap * np.arange(len(wanted))
    return places
