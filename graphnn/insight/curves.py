"""Several curves in one picture, each with its name at its end, in the order of their colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnn.insight.lettering import SMALL, log_ticks, prepare
from graphnn.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE = 1.25  # height of a line of text, in its size


class NamedCurves:
    """Curves on a logarithmic axis, from dark to light in their order, named where they end; drawn again and again.

    Values of zero and below have no logarithm and leave a gap; a curve of nothing else has no name.

    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> NamedCurves(ax, "step", "norm").update([0, 1], {"first": [1.0, 0.1], "second": [0.0, 2.0]})
    >>> [text.get_text() for text in ax.texts], ax.get_yscale()
    (['first', 'second'], 'log')
    """

    def __init__(self, ax: Axes, xlabel: str, ylabel: str) -> None:
        self.ax = ax
        self.lines: dict[str, Any] = {}
        self.names: dict[str, Any] = {}
        self.ink, _ = prepare(ax, xlabel, ylabel)
        ax.set_yscale("log")
        ax.grid(axis="y", color=self.ink, alpha=0.08, linewidth=0.8)

    def update(self, x: Sequence[float], curves: Mapping[str, Any]) -> None:
        """Show these curves (n,) over x (n,); those that were there before keep their order."""
        for name in curves:
            if name not in self.lines:
                (self.lines[name],) = self.ax.plot([], [], linewidth=1.4, markersize=4)
                leader = {"arrowstyle": "-", "linewidth": 1.0, "shrinkB": 0}
                self.names[name] = self.ax.annotate(
                    name, (0, 1), (0, 0), textcoords="offset points", size=SMALL, color=self.ink, va="center",
                    annotation_clip=False, arrowprops=leader,
                )  # fmt: skip
        values = {name: _positive(curve) for name, curve in curves.items()}
        known = np.concatenate([np.zeros(0), *values.values()])
        known = known[np.isfinite(known)]
        if not known.size:
            return
        self._paint()
        for name, curve in values.items():
            self.lines[name].set_data(x, curve)
            self.lines[name].set_marker("o" if len(x) == 1 else "")
        self._set_limits(x, np.log10(known.min()), np.log10(known.max()))
        self._name_ends(values, x[-1])

    def _paint(self) -> None:
        from matplotlib import colormaps

        shades = colormaps["viridis"](np.linspace(0, 0.8, max(len(self.lines), 2)))  # the lightest is no ink
        for name, color in zip(self.lines, shades, strict=False):
            self.lines[name].set_color(color)
            self.names[name].arrow_patch.set_color(color)

    def _set_limits(self, x: Sequence[float], low: float, high: float) -> None:
        """Leave room for the names on the right, where no ticks stand."""
        from matplotlib.ticker import MaxNLocator

        pad = 0.06 * (high - low) or 0.3
        ends = 10 ** (low - pad), 10 ** (high + pad)
        self.ax.set_ylim(*ends)
        log_ticks(self.ax.yaxis, *ends)
        first, last = x[0], max(x[-1], x[0] + 1)
        longest = max(map(len, self.lines)) * 0.62 * SMALL + 16
        share = float(np.clip(longest / (self.ax.get_window_extent().width * 72 / self.ax.figure.dpi), 0.05, 0.5))
        self.ax.set_xlim(first, last + (last - first) * share / (1 - share))
        ticks = np.asarray(MaxNLocator(nbins=6, integer=True).tick_values(first, last))
        self.ax.set_xticks(ticks[(first <= ticks) & (ticks <= last)])

    def _name_ends(self, values: Mapping[str, Array], last: float) -> None:
        """Write each name at the end of its curve, as high as its neighbours allow."""
        scale = 72 / self.ax.figure.dpi
        ends = {name: _last_finite(curve) for name, curve in values.items()}
        order = sorted((name for name in ends if np.isfinite(ends[name])), key=ends.__getitem__)
        heights = np.array([self.ax.transData.transform((last, ends[name]))[1] * scale for name in order])
        frame = np.asarray(self.ax.get_window_extent().extents) * scale
        places = spread_out(heights, LINE * SMALL, frame[1], frame[3])
        for name, text in self.names.items():
            text.set_visible(name in order)
        for name, height, place in zip(order, heights, places, strict=True):
            self.names[name].xy = (last, ends[name])
            self.names[name].set_position((12, place - height))


def spread_out(heights: Array, gap: float, low: float, high: float) -> Array:
    """Move sorted heights apart so that neighbours are `gap` or more apart, near where they were, within low..high.

    If there is no room for all, the gap shrinks.

    >>> spread_out(np.array([1.0, 1.0, 5.0]), 1.0, 0.0, 10.0).tolist()
    [0.5, 1.5, 5.0]
    """
    if not len(heights):
        return heights
    gap = min(gap, (high - low) / len(heights))
    offsets = gap * np.arange(len(heights))
    # Subtracting the gaps leaves a regression to a rising sequence, which pooling of neighbours solves exactly.
    blocks: list[list[float]] = []
    for value in heights - offsets:
        blocks.append([value, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            value_, count = blocks.pop()
            total = blocks[-1][1] + count
            blocks[-1] = [(blocks[-1][0] * blocks[-1][1] + value_ * count) / total, total]
    rising = np.repeat([block[0] for block in blocks], [int(block[1]) for block in blocks])
    return np.clip(rising, low + gap / 2, high - gap / 2 - offsets[-1]) + offsets


def _positive(values: Any) -> Array:
    """As an array, with NaN for what a logarithmic axis cannot show."""
    array = np.asarray(values, float)
    return np.where(np.isfinite(array) & (array > 0), array, np.nan)


def _last_finite(curve: Array) -> float:
    finite = curve[np.isfinite(curve)]
    return float(finite[-1]) if finite.size else np.nan
