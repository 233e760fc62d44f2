"""The live picture in letters, for training over SSH: what the panels show, redrawn in place by plotext.

Where the output is no terminal (a log file, a pipe) nothing moves: a line of numbers now and then, and the picture
once at the end, without colours.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from graphnn.insight.lettering import three_figures
from graphnn.insight.points import Classes, Pairs, named
from graphnn.training.live.outputs import Output, Size, canvas
from graphnn.training.live.view import View
from graphnn.types import Array

WIDEST, TALLEST, NARROW = 112, 24, 68  # columns, lines; below so many columns one plot stands under the other
PATIENCE = 10.0  # seconds between lines where the output is no terminal
BLUE, ORANGE, GRAY = 33, 208, 245  # of the 256 colours that nearly every terminal has
MOST_CLASSES = 10  # in a table of counts


class Terminal(Output):
    """The output of a terminal, and the picture in the path at the end if there is one."""

    def __init__(self, size: Size, path: Path | None) -> None:
        self.plotext = import_plotext()
        self.path = path
        self.figure = None if path is None else canvas(size)
        self.stream = sys.stdout
        self.moves = self.stream.isatty()
        # Figures of our own, so that the one everybody shares stays as the user left it; made once, for plotext gives
        # back not all that a figure takes.
        self.figures = [type(self.plotext.figure)(self.plotext.terminal) for _ in range(2)]
        self.height = 0  # lines standing there from the last time
        self.last_line = -np.inf
        self.last: tuple[View, Any] | None = None

    def paints(self, final: bool) -> bool:
        """Only the last picture is painted, for the path."""
        return final

    def tell(self, view: View, settings: Any, final: bool) -> None:
        """Write the picture over the one before; where nothing can move, a line if the last was a while ago."""
        self.last = view, settings
        if self.moves:
            self._replace(self.compose(view, settings))
        elif perf_counter() - self.last_line >= PATIENCE:
            self.last_line = perf_counter()
            self._write("   ".join([_losses(view), *_scores(view, None)]) + "\n")

    def finish(self) -> None:
        """Write the picture where nothing could move until now; leave a painted one in the path."""
        if not self.moves and self.last is not None:
            self._write("\n".join(self.compose(*self.last)) + "\n")
        super().finish()

    def compose(self, view: View, settings: Any) -> list[str]:
        """Return the lines of the picture: the numbers, then the points or classes beside the losses."""
        columns, rows = self.plotext.terminal.size(update=True, plottable=False)
        width = int(np.clip(columns, 30, WIDEST))
        head = [settings.title] if settings.title else []
        head += [_losses(view), "   ".join(_scores(view, settings.baseline))]
        height = int(np.clip(rows - 1 - len(head), 8, TALLEST))
        stacked = width < NARROW
        sizes = (width, height // 2) if stacked else (width // 2, height)
        curves = self._curves(view, *sizes)
        if isinstance(view.train, Classes):
            block = _table(view.train if view.validation is None else view.validation)  # type: ignore[arg-type]
        else:
            block = self._points(view, settings.units, *sizes)
        head = [line[:width] for line in head]
        lines = head + (block[: sizes[1]] + curves if stacked else _beside(block, curves, width // 2))
        return lines[: rows - 1] if self.moves else lines  # one line more than there is would make it scroll

    def _points(self, view: View, units: str | None, width: int, height: int) -> list[str]:
        """Predicted against actual: training as dots, validation as crosses, y = x as a line."""
        title = "predicted against actual" + (f" ({units})" if units else "")
        figure = self._figure(self.figures[0], title, width, height)
        sets = [pairs for pairs in (view.train, view.validation) if isinstance(pairs, Pairs)]
        places = [pairs.places[np.isfinite(pairs.places).all(axis=1)] for pairs in sets]
        everything = np.concatenate(places)
        if len(everything):
            low, high = float(everything.min()), float(everything.max())
            pad = 0.03 * (high - low) or 0.5
            limits = low - pad, high + pad
            ticks = _round_ticks(*limits, 5)
            for axis in ("x", "y"):
                _rule(figure, axis, limits, ticks, ticks)
            self._draw(figure, limits, limits, "braille", GRAY, lines=True)
        for those, marker, color in zip(places, ("braille", "×"), (BLUE, ORANGE), strict=False):
            if len(those):
                self._draw(figure, those[:, 0], those[:, 1], marker, color)
        return self._lines(figure)

    def _curves(self, view: View, width: int, height: int) -> list[str]:
        """The losses, logarithmic beyond a factor of 20, the best one marked."""
        curves = _finite_curves(view)
        figure = self._figure(self.figures[1], f"loss by {view.x}", width, height)
        values = np.concatenate(list(curves.values()))
        if not len(values):
            return self._lines(figure)
        low, high = float(values[:, 1].min()), float(values[:, 1].max())
        log = low > 0 and high > 20 * low
        pad = 1.1 if log else 0.05 * (high - low) or 0.5
        low, high = (low / pad, high * pad) if log else (low - pad, high + pad)
        first = float(values[:, 0].min())
        last = max(float(values[:, 0].max()), first + 1)
        # plotext's own logarithmic axis forgets the limits where ticks are given.
        scaled = np.log10 if log else np.asarray
        ticks = _decades(low, high) if log else _round_ticks(low, high, 5)
        _rule(figure, "y", scaled([low, high]).tolist(), scaled(ticks).tolist(), ticks)
        steps = _round_ticks(first, last, 5, whole=True)
        _rule(figure, "x", (first, last), steps, steps)
        for (name, curve), color in zip(curves.items(), (BLUE, ORANGE), strict=True):
            few = curve[np.unique(np.linspace(0, len(curve) - 1, 4 * width).astype(int))] if len(curve) else curve
            if len(few):
                self._draw(figure, few[:, 0], scaled(few[:, 1]), "braille", color, lines=len(few) > 1)
            if _best_of(curves) == name and len(curve) > 1:
                best = curve[[curve[:, 1].argmin()]]
                self._draw(figure, best[:, 0], scaled(best[:, 1]), "o", color)
        return self._lines(figure)

    def _figure(self, figure: Any, title: str, width: int, height: int) -> Any:
        figure.clear()
        figure.theme("colorless")
        figure.plot_size(width, height)
        figure.legend(False)
        return figure.title(title)

    def _draw(self, figure: Any, x: Any, y: Any, marker: str, color: int, *, lines: bool = False) -> None:
        ink = self.plotext.marker(marker, self.plotext.pixel(foreground=color))
        figure.draw(figure.signal([float(v) for v in x], [float(v) for v in y], marker=ink).lines(lines))

    def _lines(self, figure: Any) -> list[str]:
        return figure.build().string(colorless=not self.moves).rstrip("\n").split("\n")

    def _replace(self, lines: list[str]) -> None:
        up = f"\r\033[{self.height}A" if self.height else ""
        body = "".join(f"\033[2K{line}\033[0m\n" for line in lines)
        self._write(f"{up}{body}\033[J")
        self.height = len(lines)

    def _write(self, text: str) -> None:
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        self.stream.write(text.encode(encoding, "replace").decode(encoding))
        self.stream.flush()


def import_plotext() -> Any:
    """Return plotext, or say how to get it.

    >>> plotext = import_plotext()  # doctest: +SKIP
    """
    try:
        import plotext
    except ImportError:
        raise ImportError('LivePlot(show="terminal") needs plotext: pip install "graphnn[terminal]"') from None
    if not hasattr(plotext, "figure"):
        raise ImportError('LivePlot(show="terminal") needs plotext 6 or newer: pip install -U "graphnn[terminal]"')
    return plotext


def _finite_curves(view: View) -> dict[str, Array]:
    """The losses by name as (steps, values), without those that are not finite."""
    curves = {}
    for name, at in (("loss", "steps"), ("validation", "validation_steps")):
        values = np.asarray(view.losses.get(name, ()), float)
        steps = np.asarray(view.losses.get(at, np.arange(len(values))), float)
        curves[name] = np.column_stack([steps, values])[np.isfinite(values)]
    return curves


def _best_of(curves: dict[str, Array]) -> str:
    return "validation" if len(curves["validation"]) else "loss"


def _losses(view: View) -> str:
    curves = _finite_curves(view)
    best = curves[_best_of(curves)]
    parts = [f"{view.x} {view.step}"]
    parts += [f"{name} {three_figures(curve[-1, 1])}" for name, curve in curves.items() if len(curve)]
    if len(best) > 1:
        step, value = best[best[:, 1].argmin()]
        parts.append(f"best {three_figures(value)} at {view.x} {step:.0f}")
    return "   ".join(parts)


def _scores(view: View, baseline: Any) -> list[str]:
    """RMSE and R2, or the accuracy, of each set."""
    parts, what = [], "RMSE"
    for name, mark, shown in (("train", "⠿", view.train), ("validation", "×", view.validation)):
        if isinstance(shown, Pairs):
            parts.append(f"{mark} {name} RMSE {three_figures(shown.rmse)} R² {shown.r2:.3f}")
        elif isinstance(shown, Classes):
            what = "accuracy"
            parts.append(f"{name} accuracy {shown.accuracy:.3f}")
    return parts + [f"{name} {what} {three_figures(value)}" for name, value in named(baseline)]


def _table(classes: Classes) -> list[str]:
    """The counts, actual by row; of many classes the commonest confusions."""
    counts = classes.counts
    n = len(counts)
    if n <= MOST_CLASSES:
        size = max(4, len(str(counts.max())) + 1)
        lines = ["actual \\ predicted", "      " + "".join(f"{j:>{size}}" for j in range(n))]
        return lines + [f"{i:>6}" + "".join(f"{counts[i, j]:>{size}}" for j in range(n)) for i in range(n)]
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CLASSES]
    pairs = [divmod(int(flat), n) for flat in order]
    return [f"{n} classes; taken most often for another:"] + [
        f"  {i:>4} for {j:>4}  {wrong[i, j]:>6} of {counts[i].sum()}" for i, j in pairs if wrong[i, j]
    ]


def _beside(left: Sequence[str], right: Sequence[str], width: int) -> list[str]:
    """Join two blocks of lines; the left one, if it is shorter, is words without colours."""
    padded = [*left, *[""] * (len(right) - len(left))]
    return [
        (line if len(left) == len(right) else f"{line[:width]:<{width}}") + other
        for line, other in zip(padded, right, strict=False)
    ]


def _rule(figure: Any, axis: str, limits: Sequence[float], places: Sequence[float], ticks: Sequence[float]) -> None:
    figure.ruler(axis).lim(*limits).ticks(list(places), [f"{tick:g}" for tick in ticks])


def _round_ticks(low: float, high: float, count: int, *, whole: bool = False) -> list[float]:
    """Round numbers from low to high, some `count` of them.

    >>> _round_ticks(-1.0, 9.0, 5)
    [0.0, 2.0, 4.0, 6.0, 8.0]
    """
    rough = max((high - low) / count, 1e-300)
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= 0.999 * rough)
    step = max(step, 1.0) if whole else step
    numbers = np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1)
    return [float(f"{step * number:.10g}") + 0.0 for number in numbers]


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten from low to high, with 2 and 5 between where there are few.

    >>> _decades(0.9, 30.0)
    [1.0, 2.0, 5.0, 10.0, 20.0]
    """
    powers = np.arange(np.floor(np.log10(low)), np.log10(high) + 1)
    for factors in ((1,), (1, 2, 5)):
        ticks = [factor * 10.0**power for power in powers for factor in factors]
        ticks = [float(f"{tick:.10g}") for tick in ticks if low <= tick <= high]
        if len(ticks) > 2:
            break
    return ticks[:: -(-len(ticks) // 7)] if ticks else []
