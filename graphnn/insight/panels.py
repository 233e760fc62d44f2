"""Panels: pictures that are drawn again and again while a model trains.

A panel makes its artists once, on one Axes, and afterwards only moves them. ``graphnn.insight.plot`` fills a panel
once; ``graphnn.LivePlot`` keeps two or three and updates them. `ConfusionPanel` and `ResidualPanel` have files of
their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnn.insight.lettering import (
    SMALL,
    TRAIN,
    VALIDATION,
    Table,
    between,
    free_place,
    haloed,
    log_ticks,
    prepare,
    three_figures,
)
from graphnn.insight.points import SETS, Baseline, Pairs, named
from graphnn.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ScatterPanel:
    """Predicted against actual on one Axes, with y = x, a table of RMSE and R2, and the worst points named.

    bars: the points may have uncertainty bars; the table then says for which share of them the bar reaches y = x.

    >>> from matplotlib.figure import Figure
    >>> panel = ScatterPanel(Figure().subplots(), baseline=("mean", 2.0))
    >>> panel.update(Pairs.of([1.0, 2.0, 3.5], [1.0, 2.0, 3.0]))
    >>> panel.table.text()
    [['', 'RMSE', 'R²'], ['train', '0.289', '0.875'], ['mean', '2.00', '']]
    """

    def __init__(
        self, ax: Axes, *, baseline: Baseline | None = None, units: str | None = None, worst: int = 3,
        sets: tuple[str, str] = SETS, bars: bool = False,
    ) -> None:  # fmt: skip
        from matplotlib.collections import LineCollection
        from matplotlib.ticker import MaxNLocator

        self.ax = ax
        suffix = f" ({units})" if units else ""
        ink, paper = prepare(ax, f"actual{suffix}", f"predicted{suffix}")
        ax.set_aspect("equal", adjustable="box")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 4, 5, 10]))

        ax.axline((0, 0), slope=1, color=ink, linewidth=0.8, alpha=0.6, zorder=3.5)  # over crowded marks
        self.marks = {
            "train": ax.scatter([], [], marker="o", linewidths=0, zorder=2),
            "validation": ax.scatter([], [], marker="D", edgecolors=paper, zorder=3),
        }
        colors = {"train": TRAIN, "validation": VALIDATION}
        self.bars = {name: LineCollection([], colors=colors[name], linewidths=0.8, zorder=1.5) for name in SETS}
        for bar in self.bars.values() if bars else ():
            ax.add_collection(bar, autolim=False)
        (self.stems,) = ax.plot([], [], linewidth=0.8, alpha=0.8, zorder=3.6)
        leader = {"arrowstyle": "-", "color": ink, "alpha": 0.45, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3}
        self.names = [haloed(ax, leader) for _ in range(worst)]
        self.hint = haloed(ax)
        self.hint.set(zorder=7, bbox={"facecolor": paper, "edgecolor": ink, "linewidth": 0.5})
        compared = named(baseline)
        self.sets = dict(zip(SETS, sets, strict=True))
        rows = [("●", TRAIN, sets[0]), ("◆", VALIDATION, sets[1]), *(("", ink, name) for name, _ in compared)]
        self.columns = ["RMSE", "R²", "in bars"] if bars else ["RMSE", "R²"]
        self.table = Table(ax, "upper left", self.columns, rows)
        for _, value in compared:
            self.table.fill(2, [three_figures(value), "", ""][: len(self.columns)])
        self.limits: tuple[float, float] = (np.nan, np.nan)
        self.hold = False  # True: the limits stay, whatever comes
        self.shown: dict[str, Pairs] = {}

    def update(self, train: Pairs, validation: Pairs | None = None) -> None:
        """Show these points and no others."""
        self.shown = {"train": train} if validation is None else {"train": train, "validation": validation}
        places = np.concatenate([pairs.places for pairs in self.shown.values()])
        values = np.concatenate([places.ravel(), *(pairs.bars.ravel() for pairs in self.shown.values())])
        values = values[np.isfinite(values)]
        if not self.hold:
            self.limits = steady(self.limits, values.min(), values.max()) if values.size else (0.0, 1.0)
        self.ax.set_xlim(self.limits)
        self.ax.set_ylim(self.limits)
        for row, (name, color) in enumerate((("train", TRAIN), ("validation", VALIDATION))):
            pairs = self.shown.get(name)
            self.marks[name].set_visible(pairs is not None)
            self.bars[name].set_visible(pairs is not None)
            self.table.show(row, pairs is not None)
            if pairs is not None:
                _place(self.marks[name], pairs, color, len(places))
                self._draw_bars(name, pairs)
                scores = [three_figures(pairs.rmse), _r2(pairs.r2), _percent(pairs.covered)]
                self.table.fill(row, scores[: len(self.columns)])
        pixels = self.ax.transData.transform(places[np.isfinite(places).all(axis=1)])
        self._name_worst(pixels, self.table.avoid(pixels, ("upper left", "lower right")))

    def _draw_bars(self, name: str, pairs: Pairs) -> None:
        """Draw a bar at each point that has one; the more there are, the fainter."""
        ends = pairs.bars
        at = pairs.actual[: ends.shape[1]]
        lines = np.stack([np.stack([at, end], axis=1) for end in ends], axis=1)
        lines = lines[np.isfinite(lines).all(axis=(1, 2))]
        self.bars[name].set_segments(lines)
        self.bars[name].set_alpha(float(np.clip(2.5 * max(len(lines), 1) ** -0.35, 0.12, 0.55)))

    def point_out(self, x: float, y: float) -> bool:
        """Name the point under a place on the canvas, or take the name away; say whether anything changed."""
        words, at = self._nearest(x, y) or ("", self.hint.xy)
        if words == self.hint.get_text() and at == self.hint.xy:
            return False
        right, upper = self.ax.transAxes.inverted().transform((x, y)) > 0.5
        self.hint.set_text(words)
        self.hint.xy = at
        self.hint.set(ha="right" if right else "left", va="top" if upper else "bottom", visible=bool(words))
        self.hint.set_position((-8 if right else 8, -8 if upper else 8))
        return True

    def _nearest(self, x: float, y: float, reach: float = 8.0) -> tuple[str, tuple[float, float]] | None:
        """Describe the point within ``reach`` pixels of a place on the canvas, and say where it lies."""
        found = None
        for name, pairs in self.shown.items():
            distance = np.hypot(*(self.ax.transData.transform(pairs.places) - (x, y)).T)
            index = int(np.nan_to_num(distance, nan=np.inf).argmin()) if distance.size else 0
            if distance.size and distance[index] <= reach:
                reach, actual, predicted = distance[index], float(pairs.actual[index]), float(pairs.predicted[index])
                values = f"actual {three_figures(actual)}, predicted {three_figures(predicted)}"
                found = f"{pairs.name(index)}  ({self.sets[name]})\n{values}", (actual, predicted)
        return found

    def _name_worst(self, pixels: Array, table: Array) -> None:
        """Tie the worst points to the line they missed, and write their names where they hide least."""
        name, color = ("validation", VALIDATION) if "validation" in self.shown else ("train", TRAIN)
        pairs = self.shown[name]
        worst = pairs.worst(len(self.names)) if pairs.labels is not None else np.zeros(0, int)
        points = pairs.places[worst]
        feet = points[:, [0, 0]]  # on y = x
        self.stems.set_data(*np.stack([points, feet, np.full_like(points, np.nan)], axis=1).reshape(-1, 2).T)
        self.stems.set_color(color)
        for text in self.names[len(worst) :]:
            text.set_visible(False)
        if not len(worst):
            return

        scale = 72 / self.ax.figure.dpi  # pixels to typographic points, in which everything below is
        here, foot = (self.ax.transData.transform(places) * scale for places in (points, feet))
        frame = np.asarray(self.ax.get_window_extent().extents) * scale
        crowd = np.concatenate([pixels * scale, between(frame[:2], frame[2:]), *map(between, foot, here)])
        frame, taken = frame + np.array([3, 3, -3, -3]), [table * scale]
        for text, index, at in zip(self.names, worst, here, strict=False):
            words = _shorten(pairs.name(index))
            size = np.array([0.58 * SMALL * len(words), 1.15 * SMALL])
            box = free_place(at, size, crowd, frame, taken, above=pairs.predicted[index] > pairs.actual[index])
            text.set_visible(box is not None)
            if box is not None:
                taken.append(box)
                middle = (box[:2] + box[2:]) / 2
                text.set_text(words)
                text.xy = pairs.actual[index], pairs.predicted[index]
                text.set_position(tuple(middle - at))
                text.arrow_patch.set_visible(bool(np.hypot(*(np.clip(at, box[:2], box[2:]) - at)) > 8))
                crowd = np.concatenate([crowd, between(at, middle)])  # the next name must not cut this leader


class LossPanel:
    """Losses along the steps, logarithmic when the range asks for it; the best validation, else training, is ringed.

    >>> from matplotlib.figure import Figure
    >>> panel = LossPanel(Figure().subplots())
    >>> panel.update([9.0, 4.0, 2.0], validation=[9.5, 5.0, 5.5])
    >>> panel.table.text()
    [['train', '2.00'], ['validation', '5.50'], ['best, epoch 1', '5.00']]
    """

    def __init__(self, ax: Axes, *, xlabel: str = "epoch") -> None:
        from matplotlib.ticker import MaxNLocator

        self.ax, self.xlabel, self.scale = ax, xlabel, ""
        ink, paper = prepare(ax, xlabel, "loss")
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        ax.grid(axis="y", color=ink, alpha=0.08, linewidth=0.8)
        (self.train,) = ax.plot([], [], color=TRAIN, linewidth=1.4, markersize=4, zorder=2)
        (self.validation,) = ax.plot([], [], color=VALIDATION, linewidth=1.4, markersize=4, zorder=3)
        (self.best,) = ax.plot([], [], "o", markersize=7, zorder=4)
        self.best.set(markerfacecolor=paper, markeredgewidth=1.4)
        rows = [
            ("━━", TRAIN, "train"), ("━━", VALIDATION, "validation"), ("○", VALIDATION, "best"), ("○", TRAIN, "best"),
        ]  # fmt: skip
        self.table = Table(ax, "upper right", [""], rows)
        self.hold = False  # True: the limits stay, whatever comes

    def update(
        self,
        loss: Sequence[float] | Array,
        *,
        steps: Sequence[float] | Array | None = None,
        validation: Sequence[float] | Array = (),
        validation_steps: Sequence[float] | Array | None = None,
    ) -> None:
        """Show these curves; steps count from 0 unless given."""
        curves = []
        lines = ((self.train, loss, steps), (self.validation, validation, validation_steps))
        for row, (line, values, at) in enumerate(lines):
            y = np.asarray(values, float)
            x = np.arange(len(y)) if at is None else np.asarray(at, float)
            line.set_data(x, y)
            line.set_marker("o" if len(y) == 1 else "")
            self.table.show(row, len(y) > 0)
            self.table.fill(row, [three_figures(y[-1]) if len(y) else ""])
            curves.append(np.column_stack([x, y]))
        held_out = bool(len(curves[1]))
        self._ring_best(curves[1] if held_out else curves[0], 2 if held_out else 3)
        places = np.concatenate(curves)
        finite = np.isfinite(places[:, 1])
        if finite.any():
            if not self.hold:
                self._set_limits(places[:, 0], places[finite, 1])
            pixels = self.ax.transData.transform(places[finite])
            self.table.avoid(pixels, ("upper right", "lower left", "upper left", "lower right"))

    def _ring_best(self, curve: Array, row: int) -> None:
        finite = curve[np.isfinite(curve[:, 1])]
        best = finite[finite[:, 1].argmin()] if len(finite) > 1 else None
        for each in (2, 3):
            self.table.show(each, best is not None and each == row)
        if best is None:
            self.best.set_data([], [])
        else:
            self.best.set_data(best[:1], best[1:])
            self.best.set_color(VALIDATION if row == 2 else TRAIN)
            self.table.fill(row, [three_figures(best[1])], name=f"best, {self.xlabel} {best[0]:.0f}")

    def _set_limits(self, x: Array, y: Array) -> None:
        # Once logarithmic it stays so: a scale that flips back and forth cannot be watched.
        log = bool(y.min() > 0 and (y.max() / y.min() > 20 or self.scale == "log"))
        self._set_scale("log" if log else "linear")
        low, high = np.log10([y.min(), y.max()]) if log else (y.min(), y.max())
        pad = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
        bottom, top = low - pad, high + pad
        self.ax.set_ylim(*((10**bottom, 10**top) if log else (bottom, top)))
        length = max(float(x.max() - x.min()), 1.0)
        self.ax.set_xlim(x.min() - 0.02 * length, x.min() + 1.03 * length)
        if log:
            log_ticks(self.ax.yaxis, 10**bottom, 10**top)

    def _set_scale(self, scale: str) -> None:
        if scale == self.scale:
            return
        from matplotlib.ticker import MaxNLocator

        self.scale = scale
        self.ax.set_yscale(scale)
        if scale == "linear":
            self.ax.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))


def _place(marks: Any, pairs: Pairs, color: str, n_points: int) -> None:
    """Move marks to the points; the more there are in the picture, the smaller and the more transparent."""
    n = pairs.actual.size
    marks.set_offsets(pairs.places)
    marks.set_sizes([np.clip(10.0 * max(n_points, 1) ** -0.17, 1.8, 6.5) ** 2])
    marks.set_linewidths([0.4 if color == VALIDATION and n_points < 400 else 0.0])
    shades = _shades(color, pairs.n_targets)
    alpha = np.full((len(shades), 1), np.clip(3.4 * max(n, 1) ** -0.3, 0.22, 0.85))
    marks.set_facecolors(np.tile(np.hstack([shades, alpha]), (n // len(shades) if len(shades) > 1 else 1, 1)))


def _shades(color: str, count: int) -> Array:
    """The colour, or from its light to its dark for 2 to 6 targets (more could not be told apart), (n, 3)."""
    from matplotlib.colors import to_rgb

    base = np.array(to_rgb(color))
    if not 2 <= count <= 6:
        return base[None]
    return np.stack([base + t * (1 - base) if t > 0 else base * (1 + t) for t in np.linspace(0.5, -0.35, count)])


def steady(limits: tuple[float, float], low: float, high: float) -> tuple[float, float]:
    """Limits around the data that stay while the data still sits well in them: a calm picture.

    >>> steady((-1.0, 1.0), -0.9, 0.9), steady((-1.0, 1.0), 0.0, 2.0)
    ((-1.0, 1.0), (-0.1, 2.1))
    """
    pad = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    inside = limits[0] <= low - 0.2 * pad and high + 0.2 * pad <= limits[1]  # no for the first limits, NaN
    if inside and high - low > 0.75 * (limits[1] - limits[0]):
        return limits
    return float(low - pad), float(high + pad)


def _r2(value: float) -> str:
    if np.isnan(value):
        return "–"
    return f"{value:.3f}".replace("-", "\N{MINUS SIGN}") if value > -10 else three_figures(value)


def _percent(share: float) -> str:
    return "–" if np.isnan(share) else f"{100 * share:.0f} %"


def _shorten(name: str, longest: int = 26) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"
