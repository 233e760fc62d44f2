"""Pictures: predicted against actual, loss curves, a confusion matrix, a graph with scores.

Every picture is drawn by a panel: an object that makes its artists once, on one Axes, and afterwards only
moves them. The functions make a panel, fill it once and return the Axes; ``graphnn.LivePlot`` keeps two
panels and updates them. matplotlib is imported when a picture is asked for; rcParams stay as they are.

Colours are the blue and vermillion of Okabe & Ito, "Color Universal Design" (2008), which readers with any of
the common colour deficiencies tell apart; training and validation also differ in the shape of their marks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnn.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRAIN, VALIDATION = "#0072B2", "#D55E00"
CLASS_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
TEXT_SIZE, SMALL = 9.0, 8.0


# ----------------------------------------------------------------------------------------------------
# What is drawn


@dataclass(frozen=True, eq=False)
class Pairs:
    """Predicted and actual values of one set of points, checked and flattened: ``n_targets`` values a label.

    predicted, actual: (n,), (n, 1) or (n, n_targets), equal shapes, else ValueError. labels: n names or None.

    >>> pairs = Pairs.of([1.0, 2.0, 3.5], [1.0, 2.0, 3.0])
    >>> round(pairs.rmse, 3), round(pairs.r2, 3)
    (0.289, 0.875)
    """

    predicted: Array
    actual: Array
    n_targets: int = 1
    labels: Sequence[Any] | None = None

    @classmethod
    def of(
        cls,
        predicted: Array,
        actual: Array,
        labels: Sequence[Any] | None = None,
        who: str = "predicted_vs_actual",
    ) -> Pairs:
        """Check the two arrays and the names; ``who`` speaks in the errors."""
        predicted, actual = _numbers(predicted, "predicted", who), _numbers(actual, "actual", who)
        check_shapes(predicted, actual, who)
        if labels is not None and len(labels) != len(actual):
            raise ValueError(
                f"{who}: {len(labels)} labels came for {len(actual)} points; give one name per point, "
                f"and with validation points labels={{'train': [...], 'validation': [...]}}."
            )
        n_targets = 1 if actual.ndim == 1 else actual.shape[1]
        return cls(predicted.ravel().astype(float), actual.ravel().astype(float), n_targets, labels)

    @property
    def rmse(self) -> float:
        """Root mean squared error, NaN without points: unlike the metric, a picture never raises."""
        with np.errstate(all="ignore"):
            return (
                float(np.sqrt(np.mean((self.predicted - self.actual) ** 2))) if self.actual.size else np.nan
            )

    @property
    def r2(self) -> float:
        """Coefficient of determination, 1 - sum (p - a)^2 / sum (a - mean a)^2; NaN where a does not vary."""
        with np.errstate(all="ignore"):
            spread = np.sum((self.actual - self.actual.mean()) ** 2) if self.actual.size else 0.0
            return float(1 - np.sum((self.predicted - self.actual) ** 2) / spread) if spread > 0 else np.nan

    def name(self, index: int) -> str:
        """Name of the point at a flat index: its label, or its number."""
        row, target = divmod(index, self.n_targets)
        name = f"#{row}" if self.labels is None else str(self.labels[row])
        return name if self.n_targets == 1 else f"{name} [{target}]"

    def worst(self, count: int) -> Array:
        """Flat indices of the largest finite residuals, largest first."""
        with np.errstate(all="ignore"):
            residual = np.abs(self.predicted - self.actual)
        finite = np.flatnonzero(np.isfinite(residual))
        return finite[np.argsort(-residual[finite], kind="stable")[:count]]


@dataclass(frozen=True, eq=False)
class Classes:
    """Predicted scores (n, c) against integer classes (n,), as the (c, c) counts, actual by row.

    >>> Classes.of([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], [0, 1, 1]).counts.tolist()
    [[1, 0], [1, 1]]
    """

    counts: Array

    @classmethod
    def of(cls, predicted: Array, actual: Array, who: str = "confusion_matrix") -> Classes:
        """Count; ValueError where a class lies outside 0..c-1 or the lengths differ."""
        predicted, actual = _numbers(predicted, "predicted", who), _numbers(actual, "actual", who)
        if not is_classification(predicted, actual):
            raise ValueError(
                f"{who}: predicted {predicted.shape} and actual {actual.shape} of {actual.dtype} came; "
                f"give scores (n, classes) and n integer classes."
            )
        n_classes = predicted.shape[1]
        if actual.size and not 0 <= actual.min() <= actual.max() < n_classes:
            raise ValueError(
                f"{who}: actual classes run from {actual.min()} to {actual.max()}, predicted has {n_classes} "
                f"columns; number the classes 0..{n_classes - 1}."
            )
        pairs = actual.astype(int) * n_classes + predicted.argmax(axis=1)
        return cls(np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes))

    @property
    def accuracy(self) -> float:
        """Share of points on the diagonal; NaN without points."""
        return float(np.trace(self.counts) / self.counts.sum()) if self.counts.sum() else np.nan


def is_classification(predicted: Array, actual: Array) -> bool:
    """Say whether these are scores (n, c), c >= 2, against n integer classes.

    >>> is_classification(np.zeros((3, 2)), np.array([0, 1, 1])), is_classification(np.zeros(3), np.zeros(3))
    (True, False)
    """
    shape = np.shape(predicted)
    if len(shape) != 2 or shape[1] < 2 or np.shape(actual) != shape[:1]:
        return False
    return np.asarray(actual).dtype.kind in "iub"


def check_shapes(predicted: Array, actual: Array, who: str) -> None:
    """Raise ValueError unless predicted and actual have one shape, (n,) or (n, targets).

    >>> check_shapes(np.zeros(3), np.zeros(3), "me")
    """
    if np.shape(predicted) != np.shape(actual) or np.ndim(actual) not in {1, 2}:
        raise ValueError(
            f"{who}: predicted {np.shape(predicted)} and actual {np.shape(actual)} came; give both as (n,) "
            f"or both as (n, targets), or scores (n, classes) against n integer classes."
        )


def _numbers(values: Array, name: str, who: str) -> Array:
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{who}: {name} has dtype {array.dtype}; give an array of real numbers.")
    return array


# ----------------------------------------------------------------------------------------------------
# Panels


class ScatterPanel:
    """Predicted against actual on one Axes, with y = x, a table of RMSE and R2, and the worst points named.

    >>> from matplotlib.figure import Figure
    >>> panel = ScatterPanel(Figure().subplots(), baseline=("mean", 2.0))
    >>> panel.update(Pairs.of([1.0, 2.0, 3.5], [1.0, 2.0, 3.0]))
    >>> panel.table.text()
    [['', 'RMSE', 'R²'], ['train', '0.289', '0.875'], ['mean', '2.00', '']]
    """

    def __init__(
        self,
        ax: Axes,
        *,
        baseline: float | tuple[str, float] | None = None,
        units: str | None = None,
        worst: int = 3,
    ) -> None:
        from matplotlib.ticker import MaxNLocator

        self.ax, self.n_worst = ax, worst
        ink, paper = _ink(ax)
        _plain(ax)
        suffix = f" ({units})" if units else ""
        ax.set_xlabel(f"actual{suffix}", size=TEXT_SIZE, color=ink)
        ax.set_ylabel(f"predicted{suffix}", size=TEXT_SIZE, color=ink)
        ax.set_aspect("equal", adjustable="box")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 4, 5, 10]))

        ax.axline((0, 0), slope=1, color=ink, linewidth=0.8, alpha=0.6, zorder=3.5)  # over crowded marks
        self.marks = {
            "train": ax.scatter([], [], marker="o", linewidths=0, zorder=2),
            "validation": ax.scatter([], [], marker="D", edgecolors=paper, zorder=3),
        }
        (self.stems,) = ax.plot([], [], linewidth=0.8, alpha=0.8, zorder=3.6)
        leader = {
            "arrowstyle": "-",
            "color": ink,
            "alpha": 0.45,
            "linewidth": 0.5,
            "shrinkA": 0,
            "shrinkB": 3,
        }
        self.names = [_haloed(ax, ink, paper, leader) for _ in range(worst)]
        self.hint = _haloed(ax, ink, paper)
        self.hint.set(zorder=7, visible=False, bbox={"facecolor": paper, "edgecolor": ink, "linewidth": 0.5})
        rows = [("●", TRAIN, "train"), ("◆", VALIDATION, "validation")]
        if baseline is not None:
            name, self.baseline = baseline if isinstance(baseline, tuple) else ("baseline", baseline)
            rows.append(("", ink, name))
        self.table = Table(ax, "upper left", ["RMSE", "R²"], rows)
        if baseline is not None:
            self.table.fill(2, [_number(self.baseline), ""])
        self.limits: tuple[float, float] = (np.nan, np.nan)
        self.ends = np.zeros(0)  # of uncertainty bars, which the limits must hold too
        self.shown: dict[str, Pairs] = {}

    def update(self, train: Pairs, validation: Pairs | None = None) -> None:
        """Show these points and no others."""
        self.shown = {"train": train} if validation is None else {"train": train, "validation": validation}
        values = np.concatenate([np.concatenate([p.predicted, p.actual]) for p in self.shown.values()])
        values = np.concatenate([values, self.ends])
        values = values[np.isfinite(values)]
        self.limits = _steady(self.limits, values.min(), values.max()) if values.size else (0.0, 1.0)
        self.ax.set_xlim(self.limits)
        self.ax.set_ylim(self.limits)

        n_points = sum(pairs.actual.size for pairs in self.shown.values())
        for row, (name, color) in enumerate((("train", TRAIN), ("validation", VALIDATION))):
            pairs = self.shown.get(name)
            self.marks[name].set_visible(pairs is not None)
            self.table.show(row, pairs is not None)
            if pairs is not None:
                _place(self.marks[name], pairs, color, n_points)
                self.table.fill(row, [_number(pairs.rmse), _r2(pairs.r2)])
        everything = np.concatenate([np.column_stack([p.actual, p.predicted]) for p in self.shown.values()])
        pixels = self.ax.transData.transform(everything[np.isfinite(everything).all(axis=1)])
        self.table.avoid(pixels, ("upper left", "lower right"))
        self._name_worst(pixels)

    def point_out(self, x: float, y: float) -> bool:
        """Name the point under a place on the canvas, or take the name away; say whether anything changed."""
        found = self.nearest(x, y)
        words, at = found or ("", self.hint.xy)
        if words == self.hint.get_text() and at == self.hint.xy:
            return False
        right, upper = self.ax.transAxes.inverted().transform((x, y)) > 0.5
        self.hint.set_text(words)
        self.hint.xy = at
        self.hint.set(ha="right" if right else "left", va="top" if upper else "bottom", visible=bool(words))
        self.hint.set_position((-8 if right else 8, -8 if upper else 8))
        return True

    def nearest(self, x: float, y: float, reach: float = 8.0) -> tuple[str, tuple[float, float]] | None:
        """Describe the point within ``reach`` pixels of a place on the canvas, and say where it lies."""
        found, best = None, reach
        for name, pairs in self.shown.items():
            if not pairs.actual.size:
                continue
            pixels = self.ax.transData.transform(np.column_stack([pairs.actual, pairs.predicted]))
            distance = np.hypot(*(np.nan_to_num(pixels, nan=np.inf) - (x, y)).T)
            index = int(distance.argmin())
            if distance[index] <= best:
                best, actual, predicted = distance[index], pairs.actual[index], pairs.predicted[index]
                text = (
                    f"{pairs.name(index)}  ({name})\nactual {_number(actual)}, predicted {_number(predicted)}"
                )
                found = text, (float(actual), float(predicted))
        return found

    def _name_worst(self, pixels: Array) -> None:
        """Write the names of the worst points where they hide least, and tie each to the line it missed."""
        name, color = ("validation", VALIDATION) if "validation" in self.shown else ("train", TRAIN)
        pairs = self.shown[name]
        worst = pairs.worst(self.n_worst) if pairs.labels is not None else np.zeros(0, int)
        ends = np.full((3, len(worst)), np.nan)  # point, foot on y = x, gap
        ends[0], ends[1] = pairs.predicted[worst], pairs.actual[worst]
        self.stems.set_data(np.repeat(pairs.actual[worst], 3), ends.T.ravel())
        self.stems.set_color(color)

        to_points = 72 / self.ax.figure.dpi
        along = np.linspace(0, 1, 60)[:, None]
        lines = [(1 - along) * self.limits[0] + along * self.limits[1] * np.ones(2)]
        for at, high in zip(pairs.actual[worst], pairs.predicted[worst], strict=True):
            lines.append(np.column_stack([np.full(60, at), (1 - along) * at + along * high]))
        crowd = np.concatenate([pixels, self.ax.transData.transform(np.concatenate(lines))]) * to_points
        frame = np.asarray(self.ax.get_window_extent().extents) * to_points + (3, 3, -3, -3)
        taken = [np.asarray(self.table.box.get_window_extent().extents) * to_points]
        for text in self.names[len(worst) :]:
            text.set_visible(False)
        for text, index in zip(self.names, worst, strict=False):
            at = np.array([pairs.actual[index], pairs.predicted[index]])
            words = _shorten(pairs.name(index))
            size = np.array([0.58 * SMALL * len(words), 1.15 * SMALL])
            here = self.ax.transData.transform(at) * to_points
            box = _free_place(here, size, crowd=crowd, frame=frame, taken=taken, above=at[1] > at[0])
            text.set_visible(box is not None)
            if box is not None:
                taken.append(box)
                text.set_text(words)
                text.xy = tuple(at)
                shift = (box[:2] + box[2:]) / 2 - here
                text.set_position(tuple(shift))
                crowd = np.concatenate(
                    [crowd, here + along * shift]
                )  # the next name must not cut this leader
                away = np.maximum(np.maximum(box[:2] - here, here - box[2:]), 0)
                text.arrow_patch.set_visible(bool(np.hypot(*away) > 8))


class LossPanel:
    """Losses along the steps, logarithmic when the range asks for it, the best one ringed.

    >>> from matplotlib.figure import Figure
    >>> panel = LossPanel(Figure().subplots())
    >>> panel.update([9.0, 4.0, 2.0], validation=[9.5, 5.0, 5.5])
    >>> panel.table.text()
    [['train', '2.00'], ['validation', '5.50'], ['best, epoch 1', '5.00']]
    """

    def __init__(self, ax: Axes, *, xlabel: str = "epoch", ylabel: str = "loss") -> None:
        from matplotlib.ticker import LogLocator, MaxNLocator

        self.ax, self.xlabel, self.scale = ax, xlabel, ""
        self.ticks = LogLocator(numticks=7)
        ink, paper = _ink(ax)
        _plain(ax)
        ax.set_xlabel(xlabel, size=TEXT_SIZE, color=ink)
        ax.set_ylabel(ylabel, size=TEXT_SIZE, color=ink)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        ax.grid(axis="y", color=ink, alpha=0.08, linewidth=0.8)
        (self.train,) = ax.plot([], [], color=TRAIN, linewidth=1.4, markersize=4, zorder=2)
        (self.validation,) = ax.plot([], [], color=VALIDATION, linewidth=1.4, markersize=4, zorder=3)
        (self.best,) = ax.plot(
            [],
            [],
            "o",
            markersize=7,
            markerfacecolor=paper,
            markeredgecolor=VALIDATION,
            markeredgewidth=1.4,
            zorder=4,
        )
        rows = [("━━", TRAIN, "train"), ("━━", VALIDATION, "validation"), ("○", VALIDATION, "best")]
        self.table = Table(ax, "upper right", [""], rows)

    def update(
        self,
        loss: Sequence[float] | Array,
        *,
        steps: Sequence[int] | Array | None = None,
        validation: Sequence[float] | Array = (),
        validation_steps: Sequence[int] | Array | None = None,
    ) -> None:
        """Show these curves; steps count from 0 unless given."""
        curves = []
        for line, values, at in ((self.train, loss, steps), (self.validation, validation, validation_steps)):
            y = np.asarray(values, float)
            x = np.arange(len(y)) if at is None else np.asarray(at, float)
            line.set_data(x, y)
            line.set_marker("o" if len(y) == 1 else "")
            curves.append((x, y))
        best = self._mark_best(*curves[1])
        for row, (_, y) in enumerate(curves):
            self.table.show(row, len(y) > 0)
            self.table.fill(row, [_number(y[-1]) if len(y) else ""])
        self.table.show(2, bool(best))
        self.table.fill(2, [best[1]] if best else [""], name=best[0] if best else "best")
        x, y = np.concatenate([x for x, _ in curves]), np.concatenate([y for _, y in curves])
        self._set_limits(x, y)
        pixels = self.ax.transData.transform(np.column_stack([x, y])[np.isfinite(y)])
        self.table.avoid(pixels, ("upper right", "lower left", "upper left", "lower right"))

    def _mark_best(self, x: Array, y: Array) -> tuple[str, str] | tuple[()]:
        finite = np.flatnonzero(np.isfinite(y))
        if len(finite) < 2:
            self.best.set_data([], [])
            return ()
        at = finite[y[finite].argmin()]
        self.best.set_data(x[at : at + 1], y[at : at + 1])
        return f"best, {self.xlabel} {x[at]:.0f}", _number(y[at])

    def _set_limits(self, x: Array, y: Array) -> None:
        y = y[np.isfinite(y)]
        if not y.size:
            return
        # Once logarithmic it stays so: a scale that flips back and forth cannot be watched.
        log = bool(y.min() > 0 and (y.max() / y.min() > 20 or self.scale == "log"))
        self._set_scale("log" if log else "linear")
        low, high = np.log10([y.min(), y.max()]) if log else (y.min(), y.max())
        pad = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
        bottom, top = low - pad, high + pad
        self.ax.set_ylim(*((10**bottom, 10**top) if log else (bottom, top)))
        last = max(float(x.max()), float(x.min()) + 1)
        self.ax.set_xlim(x.min() - 0.02 * (last - x.min()), last + 0.03 * (last - x.min()))
        if log:
            self.ticks.set_params(subs=(1, 2, 5) if high - low < 1.6 else (1, 3) if high - low < 3 else (1,))

    def _set_scale(self, scale: str) -> None:
        if scale == self.scale:
            return
        from matplotlib.ticker import MaxNLocator, NullLocator, StrMethodFormatter

        self.scale = scale
        self.ax.set_yscale(scale)
        axis = self.ax.yaxis
        if scale == "log":
            axis.set_major_locator(self.ticks)
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.set_minor_locator(NullLocator())
        else:
            axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))


class ConfusionPanel:
    """Counts of predicted by actual class, shaded by the share of the actual class, with the accuracy above.

    >>> from matplotlib.figure import Figure
    >>> panel = ConfusionPanel(Figure().subplots(), n_classes=2)
    >>> panel.update(Classes(np.array([[8, 2], [1, 9]])))
    >>> panel.heading.get_text()
    'accuracy   train 0.850'
    """

    def __init__(
        self, ax: Axes, n_classes: int, *, baseline: float | tuple[str, float] | None = None
    ) -> None:
        self.ax, self.baseline = ax, baseline
        ink, self.paper = _ink(ax)
        self.ink = ink
        _plain(ax)
        ax.set_xlabel("predicted class", size=TEXT_SIZE, color=ink)
        ax.set_ylabel("actual class", size=TEXT_SIZE, color=ink)
        self.image = ax.imshow(np.ones((n_classes, n_classes, 3)), interpolation="nearest", aspect="equal")
        every = -(-n_classes // 12)
        ax.set_xticks(range(0, n_classes, every))
        ax.set_yticks(range(0, n_classes, every))
        ax.tick_params(length=0)
        for spine in ax.spines.values():
            spine.set_visible(False)
        edges = np.arange(n_classes - 1) + 0.5
        ax.hlines(edges, -0.5, n_classes - 0.5, color=self.paper, linewidth=1.5)
        ax.vlines(edges, -0.5, n_classes - 0.5, color=self.paper, linewidth=1.5)
        size = TEXT_SIZE + 2 if n_classes <= 4 else SMALL
        cells = np.ndindex(n_classes, n_classes) if n_classes <= 12 else ()  # more would be unreadable
        self.numbers = {
            cell: ax.text(cell[1], cell[0], "", ha="center", va="center", size=size) for cell in cells
        }
        self.heading = ax.text(0, 1.02, "", transform=ax.transAxes, size=TEXT_SIZE, color=ink, va="bottom")

    def update(self, train: Classes, validation: Classes | None = None) -> None:
        """Show the validation matrix, or the training matrix without one, in the colour of its set."""
        from matplotlib.colors import to_rgb

        shown, color = (train, TRAIN) if validation is None else (validation, VALIDATION)
        share = shown.counts / np.maximum(shown.counts.sum(axis=1, keepdims=True), 1)
        tint = 0.04 + 0.96 * share[..., None]
        self.image.set_data(np.array(to_rgb(color)) * tint + np.array(to_rgb(self.paper)) * (1 - tint))
        for cell, text in self.numbers.items():
            text.set_text(f"{shown.counts[cell]}")
            text.set_color("white" if share[cell] > 0.65 else self.ink)
            text.set_alpha(0.35 if shown.counts[cell] == 0 else 1.0)
        parts = [f"train {train.accuracy:.3f}"]
        if validation is not None:
            parts.append(f"validation {validation.accuracy:.3f}")
        if self.baseline is not None:
            name, value = self.baseline if isinstance(self.baseline, tuple) else ("baseline", self.baseline)
            parts.append(f"{name} {value:.3f}")
        self.heading.set_text("accuracy   " + "   ".join(parts))


class Table:
    """A small table in a corner of an Axes: a coloured mark and a name, then right-aligned numbers.

    >>> from matplotlib.figure import Figure
    >>> table = Table(Figure().subplots(), "upper left", ["RMSE"], [("●", TRAIN, "train")])
    >>> table.fill(0, ["0.25"])
    >>> table.text()
    [['', 'RMSE'], ['train', '0.25']]
    """

    def __init__(self, ax: Axes, corner: str, header: list[str], rows: list[tuple[str, str, str]]) -> None:
        from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea, VPacker

        ink, paper = _ink(ax)
        self.ax, self.corner = ax, corner
        plain = {"size": SMALL, "color": ink}
        # The marks are letters, of the font that ships with matplotlib, to stand on the line of their row.
        marks = [
            TextArea(mark, textprops={"size": SMALL, "color": color, "family": "DejaVu Sans"})
            for mark, color, _ in rows
        ]
        self.rows = [
            [mark, TextArea(name, textprops=plain), *(TextArea("", textprops=plain) for _ in header)]
            for mark, (_, _, name) in zip(marks, rows, strict=True)
        ]
        heads = [TextArea(text, textprops={**plain, "alpha": 0.65}) for text in ("", "", *header)]
        self.lines = [heads, *self.rows] if any(header) else self.rows
        columns: list[Any] = [
            VPacker(children=list(cells), align="left" if i == 1 else "right", pad=0, sep=3)
            for i, cells in enumerate(zip(*self.lines, strict=True))
        ]
        body = HPacker(children=columns, align="top", pad=0, sep=7)
        self.box = AnchoredOffsetbox(loc=corner, child=body, pad=0.5, borderpad=0.3, frameon=True)
        self.box.patch.set(facecolor=paper, edgecolor="none", alpha=0.8)
        self.box.set_zorder(5)
        ax.add_artist(self.box)

    def fill(self, row: int, values: list[str], name: str | None = None) -> None:
        """Write the numbers of one row, and its name if it changes."""
        for cell, value in zip(self.rows[row][2:], values, strict=True):
            cell.set_text(value)
        if name is not None:
            self.rows[row][1].set_text(name)

    def show(self, row: int, visible: bool) -> None:
        """Take a row out of the table or put it back; hidden rows take no room."""
        for cell in self.rows[row]:
            cell.set_visible(visible)
        self.box.set_visible(any(line[0].get_visible() for line in self.lines))

    def move(self, corner: str) -> None:
        """Put the table in another corner."""
        self.corner = corner
        self.box.loc = self.box.codes[corner]

    def avoid(self, pixels: Array, corners: tuple[str, ...]) -> None:
        """Where marks (n, 2) lie under the table, move it to the corner with the fewest."""
        if not self.box.get_visible():
            return
        frame, (width, height) = self.ax.get_window_extent(), self.box.get_window_extent().size
        right, upper = pixels[:, 0] > frame.x1 - width, pixels[:, 1] > frame.y1 - height
        left, lower = pixels[:, 0] < frame.x0 + width, pixels[:, 1] < frame.y0 + height
        crowd = {
            "upper left": np.count_nonzero(upper & left),
            "upper right": np.count_nonzero(upper & right),
            "lower left": np.count_nonzero(lower & left),
            "lower right": np.count_nonzero(lower & right),
        }
        if crowd[self.corner]:
            self.move(min(corners, key=crowd.__getitem__))

    def text(self) -> list[list[str]]:
        """What the table says, line by line, marks left out."""
        return [[cell.get_text() for cell in line[1:]] for line in self.lines if line[0].get_visible()]


# ----------------------------------------------------------------------------------------------------
# Functions


def predicted_vs_actual(
    predicted: Array,
    actual: Array,
    *,
    ax: Axes | None = None,
    labels: Sequence[Any] | Mapping[str, Sequence[Any]] | None = None,
    validation: tuple[Array, Array] | None = None,
    spread: Array | None = None,
    baseline: float | tuple[str, float] | None = None,
    units: str | None = None,
    title: str | None = None,
    worst: int = 3,
) -> Axes:
    """Draw predictions against what was measured, with the line y = x and RMSE and R2 of each set.

    predicted, actual: (n,), (n, 1) or (n, targets); several targets share it in shades of one colour.
    labels: names of the n points, or ``{"train": ..., "validation": ...}``; the ``worst`` ones are named.
    validation: (predicted, actual) of the points held out. spread: an uncertainty bar at each prediction,
    (n,) half-lengths or (2, n) lengths below and above. baseline: an RMSE, or (name, RMSE), to compare with.
    units: of the target, for the axis labels. ax: where to draw; a new pyplot figure if None.

    Raises ValueError where shapes or the number of labels do not fit, TypeError for no real numbers.

    >>> from matplotlib.figure import Figure
    >>> ax = predicted_vs_actual([1.1, 1.9, 3.2], [1.0, 2.0, 3.0], units="eV", ax=Figure().subplots())
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('actual (eV)', 'predicted (eV)')
    """
    names = split_labels(labels, "predicted_vs_actual")
    train = Pairs.of(predicted, actual, names.get("train"))
    held_out = None if validation is None else Pairs.of(*validation, names.get("validation"))
    ax = _new_axes(4.4, 4.4) if ax is None else ax
    panel = ScatterPanel(ax, baseline=baseline, units=units, worst=worst)
    if spread is not None:
        panel.ends = _draw_spread(ax, train, _numbers(spread, "spread", "predicted_vs_actual"))
    panel.update(train, held_out)
    entitle(ax, title)
    return ax


def loss_curves(
    loss: Sequence[float] | Array,
    *,
    validation: Sequence[float] | Array = (),
    steps: Sequence[int] | Array | None = None,
    validation_steps: Sequence[int] | Array | None = None,
    ax: Axes | None = None,
    xlabel: str = "epoch",
    title: str | None = None,
) -> Axes:
    """Draw the loss along training, logarithmic beyond a factor of 20, the best validation ringed.

    loss: (n,), validation: (m,); steps and validation_steps: where they were measured, 0, 1, 2, ... if None.
    Raises ValueError where values and steps differ in number.

    >>> from matplotlib.figure import Figure
    >>> loss_curves([100.0, 10.0, 1.0], ax=Figure().subplots()).get_yscale()
    'log'
    """
    for values, at in ((loss, steps), (validation, validation_steps)):
        if at is not None and len(at) != len(values):
            raise ValueError(
                f"loss_curves: {len(values)} values came with {len(at)} steps; give one step per value."
            )
    ax = _new_axes(4.8, 3.6) if ax is None else ax
    panel = LossPanel(ax, xlabel=xlabel)
    panel.update(loss, steps=steps, validation=validation, validation_steps=validation_steps)
    entitle(ax, title)
    return ax


def confusion_matrix(
    predicted: Array,
    actual: Array,
    *,
    ax: Axes | None = None,
    validation: tuple[Array, Array] | None = None,
    title: str | None = None,
) -> Axes:
    """Draw how often each class was taken for each, from scores (n, c) and integer classes (n,).

    With validation (predicted, actual) its matrix is drawn instead; the heading gives the accuracy of both.
    Raises ValueError where shapes do not fit or a class lies outside 0..c-1.

    >>> from matplotlib.figure import Figure
    >>> scores = [[2.0, 0.0], [0.0, 1.0], [0.5, 1.0]]
    >>> confusion_matrix(scores, [0, 1, 0], ax=Figure().subplots()).get_xlabel()
    'predicted class'
    """
    train = Classes.of(predicted, actual)
    held_out = None if validation is None else Classes.of(*validation)
    ax = _new_axes(4.0, 4.2) if ax is None else ax
    ConfusionPanel(ax, len(train.counts)).update(train, held_out)
    entitle(ax, title, pad=22)
    return ax


def graph_scores(
    graph: Any,
    scores: Array | Mapping[Any, Any],
    *,
    ax: Axes | None = None,
    positions: Mapping[Any, Any] | None = None,
    labels: bool | Mapping[Any, str] = True,
    name: str | None = None,
    title: str | None = None,
    seed: int = 0,
) -> Axes:
    """Draw a networkx graph with its nodes coloured by a score or a class.

    scores: one value per node in the order of ``graph.nodes``, or a dict from node to value. Floats are
    scores and get a colour bar called ``name``; integers, booleans and strings are classes and get a legend.
    positions: dict from node to (x, y), otherwise networkx's layouts find them, with this seed. labels:
    whether to write the names of the nodes, or a dict of names.

    Raises ValueError where values and nodes differ in number, KeyError for a node without a score.

    >>> import networkx as nx
    >>> from matplotlib.figure import Figure
    >>> ax = graph_scores(nx.path_graph(3), [0.1, 0.5, 0.9], ax=Figure().subplots())
    >>> [text.get_text() for text in ax.texts]
    ['0', '1', '2']
    """
    from matplotlib.collections import LineCollection

    nodes = list(graph.nodes)
    values = _node_values(nodes, scores)
    positions = _layout(graph, seed) if positions is None else positions
    ax = _new_axes(6.0, 4.8) if ax is None else ax
    ink, _ = _ink(ax)
    places = np.array([positions[node] for node in nodes], float).reshape(-1, 2)
    area = float(np.clip(9000 / max(len(nodes), 1), 12, 320))

    alpha = float(np.clip(2.8 / np.sqrt(max(graph.number_of_edges(), 1)), 0.08, 0.35))

    if graph.is_directed():
        style: dict[str, Any] = {"arrowstyle": "-|>", "color": ink, "alpha": alpha, "linewidth": 0.8}
        shrink = {"shrinkA": np.sqrt(area) / 2, "shrinkB": np.sqrt(area) / 2}
        for sender, receiver in graph.edges():
            ax.annotate("", positions[receiver], positions[sender], arrowprops={**style, **shrink})
    else:
        lines = [(positions[u], positions[v]) for u, v in graph.edges()]
        ax.add_collection(LineCollection(lines, colors=ink, alpha=alpha, linewidths=0.9, zorder=1))
    grounds = _draw_nodes(ax, places, values, area, name)

    if labels is not False:
        names = labels if isinstance(labels, Mapping) else {}
        size = float(np.clip(0.45 * np.sqrt(area), 4, SMALL))
        for node, place, ground in zip(nodes, places, grounds, strict=True):
            on_dark = np.dot(ground[:3], (0.299, 0.587, 0.114)) < 0.6
            color = "white" if on_dark else "#22262a"
            text = str(names.get(node, node))
            ax.text(place[0], place[1], text, ha="center", va="center", zorder=3, color=color, size=size)
    ax.set_axis_off()
    ax.set_aspect("equal")
    ax.margins(0.08)
    entitle(ax, title)
    return ax


# ----------------------------------------------------------------------------------------------------
# Parts of pictures


def split_labels(
    labels: Sequence[Any] | Mapping[str, Sequence[Any]] | None, who: str
) -> dict[str, Sequence[Any]]:
    """Bring labels to the form {"train": ..., "validation": ...}; a plain sequence names the training points.

    >>> split_labels(["methane", "ethane"], "me")
    {'train': ['methane', 'ethane']}
    """
    if labels is None:
        return {}
    if not isinstance(labels, Mapping):
        return {"train": labels}
    unknown = set(labels) - {"train", "validation"}
    if unknown:
        raise KeyError(
            f"{who}: labels has no place for {sorted(unknown)}; its keys are 'train' and 'validation'."
        )
    return dict(labels)


def _new_axes(width: float, height: float) -> Axes:
    from matplotlib import pyplot

    _, ax = pyplot.subplots(figsize=(width, height), layout="constrained")
    return ax


def _ink(ax: Axes) -> tuple[str, str]:
    """Colour of text and lines on this figure, and of the paper under them."""
    from matplotlib.colors import to_hex, to_rgb

    paper = ax.figure.get_facecolor()
    dark = np.dot(to_rgb(paper), (0.299, 0.587, 0.114)) < 0.5
    return ("#e8eaec" if dark else "#22262a"), to_hex(paper)


def _plain(ax: Axes) -> None:
    """Two thin spines, small ticks, and the same ink on every part, whatever the rcParams say."""
    ink, paper = _ink(ax)
    ax.set_facecolor(paper)
    ax.grid(False)
    ax.tick_params(
        which="major", direction="out", length=3, width=0.7, color=ink, labelcolor=ink, labelsize=SMALL
    )
    ax.tick_params(which="minor", length=0)
    for side, spine in ax.spines.items():
        spine.set(visible=side in {"left", "bottom"}, color=ink, linewidth=0.7)


def entitle(ax: Axes, title: str | None, pad: float = 10) -> None:
    """Write a title, if there is one, ``pad`` points over the left edge of an Axes.

    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> entitle(ax, "Boiling points")
    >>> ax.get_title(loc="left")
    'Boiling points'
    """
    if title:
        ax.set_title(title, loc="left", size=TEXT_SIZE + 2, color=_ink(ax)[0], pad=pad)


def _haloed(ax: Axes, ink: str, paper: str, leader: dict[str, Any] | None = None) -> Any:
    """A small text that stays legible over marks, perhaps with a line that leads to what it names."""
    from matplotlib.patheffects import withStroke

    text = ax.annotate(
        "", (0, 0), (0, 0), textcoords="offset points", arrowprops=leader, annotation_clip=False
    )
    text.set(size=SMALL, color=ink, ha="center", va="center", zorder=6, visible=False)
    text.set_path_effects([withStroke(linewidth=2.2, foreground=paper, alpha=0.85)])
    return text


def _place(marks: Any, pairs: Pairs, color: str, n_points: int) -> None:
    """Move marks to the points; the more there are in the picture, the smaller and the more transparent."""
    n = max(pairs.actual.size, 1)
    marks.set_offsets(np.column_stack([pairs.actual, pairs.predicted]))
    marks.set_sizes([np.clip(10.0 * max(n_points, 1) ** -0.17, 1.8, 6.5) ** 2])
    marks.set_linewidths([0.4 if color == VALIDATION and n_points < 400 else 0.0])
    marks.set_alpha(None)
    shades = np.array(_shades(color, pairs.n_targets))
    alpha = np.full((len(shades), 1), np.clip(3.4 * n**-0.3, 0.22, 0.85))
    shades = np.hstack([shades, alpha])
    marks.set_facecolors(
        np.tile(shades, (pairs.actual.size // len(shades), 1)) if len(shades) > 1 else shades
    )


def _shades(color: str, count: int) -> list[Array]:
    """The colour, or from its light to its dark for 2 to 6 targets; more could not be told apart."""
    from matplotlib.colors import to_rgb

    base = np.array(to_rgb(color))
    if not 2 <= count <= 6:
        return [base]
    return [base + t * (1 - base) if t > 0 else base * (1 + t) for t in np.linspace(0.5, -0.35, count)]


def _free_place(
    here: Array, size: Array, *, crowd: Array, frame: Array, taken: list[Array], above: bool
) -> Array | None:
    """Where a text of this size hides least around a point: the box (left, lower, right, upper) it fills.

    Everything is in typographic points. Next to the point is best, else further out on the side that leads
    away from the line y = x; covering marks costs, leaving the frame costs more. None if other texts leave no
    room.
    """
    crowd = crowd[np.abs(crowd - here).max(axis=1) < 150 + size[0]]
    best, cheapest = None, np.inf
    for rank, center in _places_around(here, size, frame, above):
        box = np.concatenate([center - size / 2, center + size / 2])
        way = here + np.linspace(0.1, 1, 10)[:, None] * (center - here)
        if any(np.all(box[:2] < other[2:]) and np.all(other[:2] < box[2:]) for other in taken):
            continue
        outside = np.maximum(frame[:2] - box[:2], 0).sum() + np.maximum(box[2:] - frame[2:], 0).sum()
        covered = np.count_nonzero(_inside(crowd, box))
        crossed = sum(_inside(way, other).any() for other in taken)
        cost = rank + 10 * outside + 5 * covered + 40 * crossed
        if cost < cheapest:
            best, cheapest = box, cost
    return best


def _places_around(here: Array, size: Array, frame: Array, above: bool) -> Iterator[tuple[float, Array]]:
    """Centres a text may have, the dearer the further: eight at the point, then rings, kept in the frame."""
    outward = np.array([(-1, 0), (-1, 1), (0, 1), (1, 1), (-1, -1), (1, 0), (0, -1), (1, -1)])
    for rank, side in enumerate(outward if above else -outward):
        yield rank, here + side * (size / 2 + (5.0 if 0 in side else 3.5))
    middle = 0.75 * np.pi if above else -0.25 * np.pi
    for distance in (14.0, 24.0, 36.0, 50.0, 66.0, 84.0, 104.0, 126.0):
        for angle in middle + np.linspace(-0.25, 0.25, 5) * np.pi:
            center = here + np.array([np.cos(angle), np.sin(angle)]) * (size / 2 + distance)
            yield 6 + distance / 5, np.clip(center, frame[:2] + size / 2, frame[2:] - size / 2)


def _inside(points: Array, box: Array) -> Array:
    """Which of the points (n, 2) lie in the box (left, lower, right, upper)."""
    return np.all((points > box[:2]) & (points < box[2:]), axis=1)


def _layout(graph: Any, seed: int) -> dict[Any, Array]:
    """Positions by springs, then by path lengths where the graph is small, its longest side lying down."""
    import networkx as nx

    positions = nx.spring_layout(graph, seed=seed, weight=None)
    if 2 < len(graph) <= 150 and nx.is_connected(graph.to_undirected(as_view=True)):
        positions = nx.kamada_kawai_layout(graph.to_undirected(as_view=True), pos=positions, weight=None)
    places = np.array(list(positions.values())).reshape(-1, 2)
    places = places - places.mean(axis=0) if len(places) else places
    across = np.linalg.svd(places.T @ places)[0][:, 0]
    turned = places @ np.array([[across[0], -across[1]], [across[1], across[0]]])
    return dict(zip(positions, turned, strict=True))


def _draw_spread(ax: Axes, pairs: Pairs, spread: Array) -> Array:
    """Draw the uncertainty bars; return their ends."""
    n = pairs.actual.size
    if spread.shape not in {(n,), (2, n)} or (spread < 0).any():
        raise ValueError(
            f"predicted_vs_actual: spread {spread.shape} came for {n} predictions; give ({n},) half-lengths "
            f"or (2, {n}) lengths below and above, none negative."
        )
    below, above = np.broadcast_to(spread, (2, n))
    low, high = pairs.predicted - below, pairs.predicted + above
    ax.vlines(pairs.actual, low, high, color=TRAIN, alpha=0.35, linewidth=0.8)
    return np.concatenate([low, high])


def _draw_nodes(ax: Axes, places: Array, values: Array, area: float, name: str | None) -> Array:
    """Draw the nodes with their key, a colour bar or a legend; return each node's colour."""
    from matplotlib.colors import to_rgba

    ink, paper = _ink(ax)
    rim: dict[str, Any] = {"edgecolors": paper, "linewidths": 1.0, "zorder": 2}
    if values.dtype.kind == "f":
        marks = ax.scatter(places[:, 0], places[:, 1], s=area, c=values, cmap="viridis", **rim)
        bar = ax.figure.colorbar(marks, ax=ax, shrink=0.55, aspect=22, pad=0.02)
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0, labelsize=SMALL, labelcolor=ink)
        bar.set_label(name or "score", size=TEXT_SIZE, color=ink)
        return marks.to_rgba(values)
    classes = list(dict.fromkeys(sorted(values.tolist())))
    colors = np.zeros((len(places), 4))
    for index, kind in enumerate(classes):
        mine = values == kind
        colors[mine] = to_rgba(CLASS_COLORS[index % len(CLASS_COLORS)])
        ax.scatter(places[mine, 0], places[mine, 1], s=area, color=colors[mine], label=str(kind), **rim)
    key = ax.legend(
        title=name,
        fontsize=SMALL,
        title_fontsize=SMALL,
        frameon=False,
        labelcolor=ink,
        markerscale=7 / np.sqrt(area),
    )
    key.get_title().set_color(ink)
    return colors


def _node_values(nodes: list[Any], scores: Array | Mapping[Any, Any]) -> Array:
    if isinstance(scores, Mapping):
        missing = [node for node in nodes if node not in scores]
        if missing:
            raise KeyError(
                f"graph_scores: {len(missing)} of {len(nodes)} nodes have no score, the first is "
                f"{missing[0]!r}; give every node one."
            )
        scores = [scores[node] for node in nodes]
    values = np.asarray(scores)
    if values.shape == (len(nodes), 1):
        values = values[:, 0]
    if values.shape != (len(nodes),):
        raise ValueError(
            f"graph_scores: scores {values.shape} came for {len(nodes)} nodes; give one value per node, "
            f"({len(nodes)},)."
        )
    if values.dtype.kind not in "fiubU":
        raise TypeError(f"graph_scores: scores has dtype {values.dtype}; give numbers, booleans or strings.")
    return values


def _steady(limits: tuple[float, float], low: float, high: float) -> tuple[float, float]:
    """Limits around the data that stay while the data still sits well in them: a calm picture."""
    pad = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    inside = limits[0] <= low - 0.2 * pad and high + 0.2 * pad <= limits[1]  # no for the first limits, NaN
    if inside and high - low > 0.75 * (limits[1] - limits[0]):
        return limits
    return float(low - pad), float(high + pad)


def _number(value: float) -> str:
    """Three figures, without an exponent where it can be avoided, and a proper minus sign."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        rounded = float(f"{value:.2e}")  # 9.996 has one digit before the point, 10.0 has two
        digits = 2 - int(np.floor(np.log10(abs(rounded)))) if rounded else 2
        text = f"{rounded:.{max(digits, 0)}f}"
    else:
        text = f"{value:.2e}"
    return text.replace("-", "\N{MINUS SIGN}")


def _r2(value: float) -> str:
    if np.isnan(value):
        return "–"
    return f"{value:.3f}".replace("-", "\N{MINUS SIGN}") if value > -10 else _number(value)


def _shorten(name: str, longest: int = 26) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"
