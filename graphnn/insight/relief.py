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
    value = curve.values[np.argmax(steps == place)]
    if np.isfinite(value):
        ax.plot([place], [value], "o", color=VALIDATION, markersize=5, zorder=3)
        ax.annotate(
            three_figures(float(value)),
            (place, value),
            (0, 7),
            textcoords="offset points",
            ha="center",
            color=ink,
            size=SMALL,
        )
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
        bands = ax.contourf(x, y, values, levels=scale.levels(BANDS), norm=scale.norm(), cmap=COLORS, extend="both")
        lines = ax.contour(x, y, values, levels=scale.round_levels(), colors="white", linewidths=0.5, alpha=0.55)
        lines.set_linestyle("solid")
        bar = ax.figure.colorbar(bands, ax=ax, shrink=0.85, aspect=24, pad=0.02, extend="neither")
        bar.add_lines(lines)
        bar.outline.set_visible(False)
        bar.ax.tick_params(which="both", length=0, labelsize=SMALL, labelcolor=ink)
        bar.set_ticks(scale.round_levels(), labels=[_plain(level) for level in scale.round_levels()])
        bar.set_label(name, size=TEXT_SIZE, color=ink)
    _mark(ax, surface, path)
    key = ax.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, fontsize=SMALL, frameon=False, labelcolor=ink,
        handletextpad=0.4, columnspacing=1.4,
    )  # fmt: skip
    key.set_in_layout(True)
    ax.set_xlim(x.min(), x.max())
    ax.set_ylim(y.min(), y.max())
    _say_not_finite(ax, surface)
    entitle(ax, title)
    return ax


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
    low, high = float(np.nanmin(heights)), float(np.nanmax(heights))
    floor = low - 0.45 * ((high - low) or 1.0)
    space.contourf(x, y, np.ma.masked_invalid(heights), BANDS // 2, zdir="z", offset=floor, cmap=COLORS, alpha=0.55)
    if path is not None:
        space.plot(path[:, 0], path[:, 1], floor, color=VALIDATION, linewidth=1.4, zorder=4)
        space.plot(*path[-1:].T, floor, marker="o", color=VALIDATION, markersize=5, linestyle="none", zorder=5)
    space.plot_surface(
        *np.meshgrid(x, y), heights, cmap=COLORS, vmin=low, vmax=high, rcount=60, ccount=60, linewidth=0.15,
        edgecolor=(1, 1, 1, 0.35), antialiased=True, zorder=6,
    )  # fmt: skip
    space.set_zlim(floor, high)
    levels = scale.round_levels()[::2]
    space.set_zticks(scale.height(levels), labels=[_plain(level) for level in levels])
    for axis, text in ((space.xaxis, axes[0]), (space.yaxis, axes[1]), (space.zaxis, name)):
        axis.set_label_text(text, size=TEXT_SIZE, color=ink)
        axis.set_tick_params(labelsize=SMALL, labelcolor=ink, pad=0)
        axis.set_pane_color(paper)
        axis._axinfo["grid"].update(color=ink + "22", linewidth=0.5)
    space.view_init(elev=28, azim=-58)
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
        return (np.geomspace if self.logarithmic else np.linspace)(self.low, self.high, count + 1)

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
    """Write a round number."""
    text = f"{value:g}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.0e}"
    return text.replace("-", "\N{MINUS SIGN}")


def _plain_ticks(axis: Any, values: Array) -> None:
    levels = _Scale(values).round_levels()
    axis.set_ticks(levels, labels=[_plain(level) for level in levels])
    axis.set_ticks([], minor=True)


def draw_density(spectrum: Any, *, ax: Axes | None, width: float | None, title: str | None) -> Axes:
    """Draw the density of the eigenvalues, logarithmic upwards, from the lowest to the highest.

    >>> from matplotlib.figure import Figure
    >>> from graphnn.insight.curvature import Spectrum
    >>> spectrum = Spectrum(np.array([[-1.0, 0.0, 2.0]]), np.array([[0.25, 0.5, 0.25]]), 4)
    >>> draw_density(spectrum, ax=Figure().subplots(), width=None, title=None).get_yscale()
    'log'
    """
    ax = _axes(5.6, 3.4) if ax is None else ax
    ink, _ = prepare(ax, "eigenvalue of the Hessian", "density")
    low, high = spectrum.lowest, spectrum.highest
    reach = (high - low) or abs(high) or 1.0
    width = 0.01 * reach if width is None else width
    at = np.linspace(low - 0.06 * reach, high + 0.06 * reach, 1200)
    density = spectrum.density(at, width)
    bottom = 0.1 / (spectrum.n * width)  # a tenth of what a single eigenvalue shows
    ax.set_yscale("log")
    ax.fill_between(at, np.maximum(density, bottom), bottom, color=TRAIN, alpha=0.25, linewidth=0)
    ax.plot(at, np.maximum(density, bottom), color=TRAIN, linewidth=1.3)
    ax.axvline(0, color=ink, linewidth=0.7, alpha=0.4, zorder=1)
    ax.set_xlim(at[0], at[-1])
    ax.set_ylim(bottom, float(density.max()) * 3)
    for place, side in ((low, "left"), (high, "right")):
        ax.annotate(
            f"{'lowest' if side == 'left' else 'highest'} {three_figures(place)}", (place, bottom), (0, 30),
            textcoords="offset points", ha=side, size=SMALL, color=ink,
            arrowprops={"arrowstyle": "-", "color": ink, "linewidth": 0.7, "shrinkA": 2, "shrinkB": 0},
        )  # fmt: skip
    entitle(ax, title)
    return ax


def _say_not_finite(ax: Axes, surface: Any) -> None:
    if surface.not_finite:
        ink, _ = ink_and_paper(ax)
        text = f"not finite at {surface.not_finite} of {surface.values.size} points"
        write = getattr(ax, "text2D", ax.text)
        write(0.01, 0.98, text, transform=ax.transAxes, va="top", size=SMALL, color=ink)


def _axes(width: float, height: float) -> Axes:
    from matplotlib import pyplot

    _, ax = pyplot.subplots(figsize=(width, height), layout="constrained")
    return ax
