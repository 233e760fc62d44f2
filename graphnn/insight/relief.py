"""Pictures of landscapes and spectra: a curve, contours, a surface in three dimensions, a density of eigenvalues.

Valleys are dark, heights pale, in a scale of one lightness and two hues that readers with colour deficiencies see too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnn.insight.lettering import (
    SMALL,
    TEXT_SIZE,
    TRAIN,
    VALIDATION,
    entitle,
    ink_and_paper,
    prepare,
    three_figures,
)
from graphnn.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = "YlGnBu_r"
FACTOR = 20  # beyond which a scale is logarithmic, as that of the loss curves
BANDS, LINES = 40, 8
CLOSE_TO_ZERO = 1e-9  # of the largest eigenvalue: rounding
BINS, LEAST = 72, 0.3  # of the eigenvalues; a bin with less than that of one is empty


def is_logarithmic(values: Array) -> bool:
    """Say whether values are best drawn on a logarithmic scale: all positive and far apart.

    >>> is_logarithmic(np.array([1.0, 30.0, np.nan])), is_logarithmic(np.array([0.0, 30.0]))
    (True, False)
    """
    known = values[np.isfinite(values)]
    return bool(known.size) and bool(known.min() > 0) and bool(known.max() > FACTOR * known.min())


def draw_curve(curve: Any, *, ax: Axes | None, axis: str, name: str, title: str | None) -> Axes:
    """Draw the loss along one direction, the parameters themselves at 0.

    >>> from matplotlib.figure import Figure
    >>> from graphnn.insight.landscape import Landscape
    >>> curve = Landscape(np.array([100.0, 1.0, 50.0]), (np.array([-1.0, 0.0, 1.0]),))
    >>> draw_curve(curve, ax=Figure().subplots(), axis="v", name="loss", title=None).get_yscale()
    'log'
    """
    ax = _axes(4.8, 3.6) if ax is None else ax
    ink, _ = prepare(ax, axis, name)
    steps = curve.spans[0]
    ax.plot(steps, np.where(np.isfinite(curve.values), curve.values, np.nan), color=TRAIN, linewidth=1.6)
    ax.axvline(0, color=ink, linewidth=0.7, alpha=0.4, zorder=1)
    if is_logarithmic(curve.values):
        ax.set_yscale("log")
        _plain_ticks(ax.yaxis, curve.values)
    (place,) = curve.lowest
    value = float(curve.values[np.argmax(steps == place)])
    if np.isfinite(value):
        mark: dict[str, Any] = {"linestyle": "none", "marker": "o", "color": VALIDATION, "markersize": 5, "zorder": 3}
        ax.plot([place], [value], label=f"lowest, {three_figures(value)}", **mark)
    _explain(ax)
    _say_not_finite(ax, curve)
    entitle(ax, title)
    return ax


def draw_contours(
    surface: Any, *, ax: Axes | None, path: Array | None, axes: Sequence[str], name: str, title: str | None
) -> Axes:
    """Draw the loss over a plane as bands of colour with some lines, the lowest point of the grid, and a path.

    >>> from matplotlib.figure import Figure
    >>> from graphnn.insight.landscape import Landscape
    >>> surface = Landscape(np.array([[3.0, 2.0], [1.0, 2.0]]), (np.array([0.0, 1.0]), np.array([0.0, 1.0])))
    >>> ax = draw_contours(surface, ax=Figure().subplots(), path=None, axes=("v", "w"), name="loss", title=None)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['lowest on the grid, 1.00']
    """
    ax = _axes(6.0, 4.6) if ax is None else ax
    ink, _ = prepare(ax, axes[0], axes[1])
    x, y = surface.spans
    values = np.ma.masked_invalid(surface.values)
    if values.count() and min(values.shape) > 1:
        scale = _Scale(surface.values)
        bands = ax.contourf(x, y, values, levels=scale.levels(BANDS), norm=scale.norm(), cmap=COLORS)
        lines = ax.contour(x, y, values, levels=scale.round_levels(), colors="white", linewidths=0.5, alpha=0.55)
        lines.set_linestyle("solid")
        bar = ax.figure.colorbar(bands, ax=ax, shrink=0.85, aspect=24, pad=0.02)
        bar.add_lines(lines)
        bar.outline.set_visible(False)
        bar.ax.tick_params(which="both", length=0, labelsize=SMALL, labelcolor=ink)
        bar.set_ticks(scale.round_levels(), labels=[_plain(level) for level in scale.round_levels()])
        bar.set_label(name, size=TEXT_SIZE, color=ink)
    _mark(ax, surface, path)
    _explain(ax)
    ax.set_xlim(x.min(), x.max())
    ax.set_ylim(y.min(), y.max())
    _say_not_finite(ax, surface)
    entitle(ax, title)
    return ax


def _explain(ax: Axes) -> None:
    """Thin out the ticks, and write below the axis what the marks are."""
    from matplotlib.ticker import MaxNLocator

    for axis in (ax.xaxis, ax.yaxis):
        if axis.get_scale() == "linear":
            axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    handles, words = ax.get_legend_handles_labels()
    ax.legend(
        handles, words, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, fontsize=SMALL, frameon=False,
        labelcolor=ink_and_paper(ax)[0], handletextpad=0.4, columnspacing=1.4,
    )  # fmt: skip


def _mark(ax: Axes, surface: Any, path: Array | None) -> None:
    """Mark the path with its ends, and the lowest point of the grid."""
    from matplotlib.patheffects import withStroke

    halo: list[Any] = [withStroke(linewidth=3.2, foreground="white", alpha=0.85)]
    if path is not None:
        ax.plot(path[:, 0], path[:, 1], color=VALIDATION, linewidth=1.5, path_effects=halo, zorder=3)
        rim: dict[str, Any] = {"linestyle": "none", "markeredgecolor": VALIDATION, "markeredgewidth": 1.4, "zorder": 4}
        ax.plot(*path[0], marker="o", color="white", markersize=7, label="start of the training", **rim)
        ax.plot(*path[-1], marker="o", color=VALIDATION, markersize=7, label="its end", **rim)
    if surface.not_finite < surface.values.size:
        value = float(np.nanmin(np.where(np.isfinite(surface.values), surface.values, np.nan)))
        ax.plot(
            *surface.lowest, marker="P", color="white", markersize=8, markeredgecolor="#22262a", markeredgewidth=0.9,
            linestyle="none", zorder=5, label=f"lowest on the grid, {three_figures(value)}",
        )  # fmt: skip


def draw_relief(
    surface: Any, *, ax: Axes | None, path: Array | None, axes: Sequence[str], name: str, title: str | None
) -> Axes:
    """Draw the loss over a plane as a surface in three dimensions, with its contours and the path on the floor.

    >>> from matplotlib.figure import Figure
    >>> from graphnn.insight.landscape import Landscape
    >>> surface = Landscape(np.array([[3.0, 2.0], [1.0, 2.0]]), (np.array([0.0, 1.0]), np.array([0.0, 1.0])))
    >>> ax = Figure().add_subplot(projection="3d")
    >>> draw_relief(surface, ax=ax, path=None, axes=("v", "w"), name="loss", title=None).get_zlabel()
    'loss'
    """
    from matplotlib.ticker import MaxNLocator

    if ax is None:
        from matplotlib import pyplot

        ax = pyplot.figure(figsize=(6.0, 5.0)).add_subplot(projection="3d")
    if ax.name != "3d":
        raise ValueError('draw: a relief needs an ax of projection "3d": figure.add_subplot(projection="3d")')
    space: Any = ax
    ink, paper = ink_and_paper(ax)
    x, y = surface.spans
    scale = _Scale(surface.values)
    heights = scale.height(np.where(np.isfinite(surface.values), surface.values, np.nan))
    low, high = scale.height(np.array([scale.low, scale.high]))
    floor = low - 0.45 * ((high - low) or 1.0)
    space.computed_zorder = False  # the floor, then the surface, then the path, which a valley may not hide
    bands = np.linspace(low, high + 1e-9 * ((high - low) or 1.0), BANDS // 2 + 1)
    space.contourf(x, y, np.ma.masked_invalid(heights), bands, zdir="z", offset=floor, cmap=COLORS, zorder=1)
    if path is not None:
        space.plot(path[:, 0], path[:, 1], floor, color=VALIDATION, linewidth=1.4, zorder=7)
        space.plot(*path[-1:].T, floor, marker="o", color=VALIDATION, markersize=5, linestyle="none", zorder=8)
    space.plot_surface(
        *np.meshgrid(x, y), heights, cmap=COLORS, vmin=low, vmax=high, rcount=60, ccount=60, linewidth=0.2,
        edgecolor=(1, 1, 1, 0.18), antialiased=True, zorder=6,
    )  # fmt: skip
    space.set_zlim(floor, high)
    levels = scale.round_levels()[::2]
    space.set_zticks(scale.height(levels), labels=[_plain(level) for level in levels])
    for axis in (space.xaxis, space.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 4, 5, 10]))
    for axis, text in ((space.xaxis, axes[0]), (space.yaxis, axes[1]), (space.zaxis, name)):
        axis.set_label_text(text, size=TEXT_SIZE, color=ink)
        axis.labelpad = 13 if axis is space.zaxis else 6
        axis.set_tick_params(labelsize=SMALL, labelcolor=ink, pad=3 if axis is space.zaxis else 0)
        axis.set_pane_color(paper)
    space.grid(False)
    space.view_init(elev=26, azim=-62)
    _say_not_finite(ax, surface)
    entitle(ax, title)
    return ax


class _Scale:
    """The heights of a landscape: how they are spread over colours and levels."""

    def __init__(self, values: Array):
        known = values[np.isfinite(values)]
        self.low, self.high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
        if self.low == self.high:  # a plain: a band around it
            self.low, self.high = self.low - 0.5, self.high + 0.5
        self.logarithmic = is_logarithmic(values)

    def norm(self) -> Any:
        from matplotlib.colors import LogNorm, Normalize

        return (LogNorm if self.logarithmic else Normalize)(self.low, self.high)

    def height(self, values: Array) -> Array:
        return np.log10(values) if self.logarithmic else np.asarray(values, float)

    def levels(self, count: int) -> Array:
        levels = (np.geomspace if self.logarithmic else np.linspace)(self.low, self.high, count + 1)
        slack = 1e-9 * (levels[-1] - levels[0])  # so that rounding leaves out no end
        levels[0], levels[-1] = levels[0] - min(slack, 1e-3 * abs(levels[0])), levels[-1] + slack
        return levels

    def round_levels(self) -> Array:
        """Return some round numbers between the ends."""
        from matplotlib.ticker import MaxNLocator

        if not self.logarithmic:
            ticks = np.asarray(MaxNLocator(LINES, steps=[1, 2, 2.5, 5, 10]).tick_values(self.low, self.high))
            return ticks[(ticks >= self.low) & (ticks <= self.high)]
        decades = 10.0 ** np.arange(np.floor(np.log10(self.low)), np.ceil(np.log10(self.high)) + 1)
        for parts in ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
            ticks = np.array([part * decade for decade in decades for part in parts])
            ticks = ticks[(ticks >= self.low) & (ticks <= self.high)]
            if len(ticks) <= LINES:
                break
        return ticks[:: -(-len(ticks) // LINES)] if len(ticks) > LINES else ticks


def _plain(value: float) -> str:
    """Write a round number, a large or small one with a power of ten."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:g}".replace("-", "\N{MINUS SIGN}")
    digits, _, power = f"{value:.0e}".partition("e")
    return f"${'' if digits == '1' else digits + '·'}10^{{{int(power)}}}$"


def _plain_ticks(axis: Any, values: Array) -> None:
    levels = _Scale(values).round_levels()
    axis.set_ticks(levels, labels=[_plain(level) for level in levels])
    axis.set_ticks([], minor=True)


def draw_spectrum(spectrum: Any, *, ax: Axes | None, title: str | None) -> Axes:
    """Draw how many eigenvalues lie where, logarithmic both ways; what Lanczos cannot tell from zero is linear.

    >>> from matplotlib.figure import Figure
    >>> from graphnn.insight.curvature import Spectrum
    >>> spectrum = Spectrum(np.array([[-1.0, 0.0, 2.0]]), np.array([[0.25, 0.5, 0.25]]), np.array([[0.0, 0.1, 0.0]]), 4)
    >>> draw_spectrum(spectrum, ax=Figure().subplots(), title=None).get_xscale()
    'asinh'
    """
    ax = _axes(5.6, 3.4) if ax is None else ax
    ink, _ = prepare(ax, "eigenvalue of the Hessian", "number of eigenvalues, estimated")
    low, high = spectrum.lowest, spectrum.highest
    linear = _resolution(spectrum)
    ends = np.arcsinh(np.array([min(low, 0.0), max(high, 0.0)]) / linear) + np.array([-1.0, 1.0])
    edges = linear * np.sinh(np.linspace(ends[0], ends[1], BINS + 1))
    count = spectrum.n * np.diff(spectrum.below(edges))
    ax.set_xscale("asinh", linear_width=linear)
    ax.set_yscale("log")
    shown = np.maximum(count, LEAST)
    ax.stairs(shown, edges, baseline=LEAST, fill=True, color=TRAIN, alpha=0.3, linewidth=0)
    ax.stairs(shown, edges, baseline=LEAST, color=TRAIN, linewidth=1.1)
    ax.axvline(0, color=ink, linewidth=0.7, alpha=0.4, zorder=1)
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(LEAST, float(shown.max()) * 2)
    _plain_ticks(ax.yaxis, np.array([LEAST, shown.max() * 2]))
    _decades(ax.xaxis, low, high, linear)
    for place, side, word in ((low, "left", "lowest"), (high, "right", "highest")):
        ax.annotate(
            f"{word} {three_figures(place)}", (0.02 if side == "left" else 0.98, 0.98), xycoords="axes fraction",
            ha=side, va="top", size=SMALL, color=ink,
        )  # fmt: skip
    entitle(ax, title)
    return ax


def _resolution(spectrum: Any) -> float:
    """Return how far from zero an eigenvalue must lie to be told from it: the errors of the places next to zero."""
    nearest = np.argmin(np.abs(spectrum.values), axis=1)
    error = float(np.median(np.take_along_axis(spectrum.errors, nearest[:, None], axis=1)))
    return max(error, CLOSE_TO_ZERO * (max(abs(spectrum.lowest), abs(spectrum.highest)) or 1.0))


def _decades(axis: Any, low: float, high: float, linear: float) -> None:
    """Put ticks at zero and at powers of ten on either side."""
    smallest = int(np.ceil(np.log10(2 * linear)))
    sides = [(sign, int(np.floor(np.log10(end)))) for sign, end in ((-1, -low), (1, high)) if end > 2 * linear]
    stride = max(1, -(-sum(most - smallest + 1 for _, most in sides) // LINES))
    powers = [(sign, power) for sign, most in sides for power in range(most, smallest - 1, -stride)]
    ticks = [0.0, *(sign * 10.0**power for sign, power in powers)]
    words = ["0", *(f"${'-' if sign < 0 else ''}10^{{{power}}}$" for sign, power in powers)]
    axis.set_ticks(ticks, labels=words)
    axis.set_ticks([], minor=True)


def _say_not_finite(ax: Axes, surface: Any) -> None:
    if surface.not_finite:
        from matplotlib.patheffects import withStroke

        ink, paper = ink_and_paper(ax)
        text = f"not finite at {surface.not_finite} of {surface.values.size} points"
        write = getattr(ax, "text2D", ax.text)
        halo: list[Any] = [withStroke(linewidth=2.2, foreground=paper, alpha=0.85)]
        write(0.01, 0.98, text, transform=ax.transAxes, va="top", size=SMALL, color=ink, path_effects=halo, zorder=7)


def _axes(width: float, height: float) -> Axes:
    from matplotlib import pyplot

    _, ax = pyplot.subplots(figsize=(width, height), layout="constrained")
    return ax
