"""ResidualPanel: how far predictions lie from what was measured, as a histogram that changes while a model trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from graphnn.insight.lettering import SMALL, TRAIN, VALIDATION, haloed, prepare, three_figures
from graphnn.insight.panels import steady
from graphnn.insight.points import Pairs
from graphnn.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FARTHEST = 4.0  # standard deviations; what lies farther is counted in the last bins, and said


class ResidualPanel:
    """Shares of points by predicted minus actual, on one Axes, with the zero line and mean and deviation of each set.

    >>> from matplotlib.figure import Figure
    >>> panel = ResidualPanel(Figure().subplots())
    >>> panel.update(Pairs.of([1.0, 2.0, 3.5], [1.0, 2.0, 3.0]))
    >>> panel.words["train"].get_text()
    '0.167 ± 0.236'
    """

    def __init__(self, ax: Axes, *, units: str | None = None) -> None:
        from matplotlib.ticker import MaxNLocator, PercentFormatter

        self.ax = ax
        ink, _ = prepare(ax, "predicted − actual" + (f" ({units})" if units else ""), "share")
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, symmetric=True))
        ax.yaxis.set_major_locator(MaxNLocator(nbins=3))
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        ax.axvline(0, color=ink, linewidth=0.8, alpha=0.6, zorder=1.5)
        empty: dict[str, Any] = {"values": [0.0], "edges": [0.0, 1.0]}
        self.steps = {
            "train": ax.stairs(**empty, fill=True, color=TRAIN, alpha=0.45, linewidth=0, zorder=1),
            "validation": ax.stairs(**empty, fill=False, color=VALIDATION, linewidth=1.4, zorder=2),
        }
        above: dict[str, Any] = {"y": 1.06, "transform": ax.transAxes, "size": SMALL, "va": "bottom"}
        ax.text(0, s="mean ± sd", color=ink, alpha=0.65, **above)
        self.words: dict[str, Any] = {}
        self.keys: dict[str, Any] = {}
        for name, x, mark, color in (("train", 0.25, "■", TRAIN), ("validation", 0.65, "□", VALIDATION)):
            self.keys[name] = ax.text(x, s=mark, color=color, family="DejaVu Sans", **above)
            self.words[name] = ax.text(x + 0.045, s="", color=ink, **above)
        self.beyond = {-1: haloed(ax), 1: haloed(ax)}
        for side, text in self.beyond.items():
            text.xy = (0.0 if side < 0 else 1.0, 1.0)
            text.xycoords = "axes fraction"
            text.set(position=(-2 * side, -1), ha="left" if side < 0 else "right", va="top")
        self.limits: tuple[float, float] = (np.nan, np.nan)
        self.hold = False  # True: the limits stay, whatever comes

    def update(self, train: Pairs, validation: Pairs | None = None) -> None:
        """Show the residuals of these points and no others; those that are not finite are left out."""
        shown = {"train": _finite(train)}
        if validation is not None:
            shown["validation"] = _finite(validation)
        edges = self._edges(list(shown.values()))
        tallest = 0.0
        for name, steps in self.steps.items():
            residuals = shown.get(name)
            for artist in (steps, self.keys[name], self.words[name]):
                artist.set_visible(residuals is not None)
            if residuals is None:
                continue
            counts, _ = np.histogram(np.clip(residuals, edges[0], edges[-1]), edges)
            share = counts / max(residuals.size, 1)
            steps.set_data(share, edges)
            tallest = max(tallest, float(share.max()))
            mean, deviation = (residuals.mean(), residuals.std()) if residuals.size else (np.nan, np.nan)
            self.words[name].set_text(_with_error(float(mean), float(deviation)))
        everything = np.concatenate(list(shown.values()))
        for side, text in self.beyond.items():
            far = int(np.sum(side * everything > max(side * edges)))
            text.set_text(f"← {far} beyond" if side < 0 else f"{far} beyond →")
            text.set_visible(far > 0)
        if not self.hold:
            self.ax.set_ylim(0, 1.08 * tallest or 1.0)

    def _edges(self, sets: list[Array]) -> Array:
        """Bins of one width around zero, the middle one around it, wide enough for nearly all of the points."""
        values = np.concatenate(sets)
        if values.size and not self.hold:
            reach = min(np.abs(values).max(), FARTHEST * np.sqrt(np.mean(values**2)))
            self.limits = steady(self.limits, -reach, reach)
            self.ax.set_xlim(self.limits)
        largest = max((residuals.size for residuals in sets), default=0)
        n_bins = 2 * int(np.clip(1.5 * largest ** (1 / 3), 4, 20)) + 1
        low, high = self.limits if np.isfinite(self.limits).all() else (-1.0, 1.0)
        return np.linspace(low, high, n_bins + 1)


def _finite(pairs: Pairs) -> Array:
    residuals = pairs.residuals
    return residuals[np.isfinite(residuals)]


def _with_error(mean: float, deviation: float) -> str:
    """Write a mean with as many decimals as its deviation, which has three figures.

    >>> _with_error(-4.64e-04, 1.27), _with_error(12345.678, 0.5)
    ('0.00 ± 1.27', '12345.678 ± 0.500')
    """
    if np.isnan(mean):
        return "–"
    spread = three_figures(deviation)
    if "e" in spread:
        return f"{three_figures(mean)} ± {spread}"
    digits = len(spread.partition(".")[2])
    return f"{round(mean, digits) + 0.0:.{digits}f} ± {spread}".replace("-", "\N{MINUS SIGN}")
