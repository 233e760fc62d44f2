"""One live picture: its panels on one figure, the place where it is shown, and what happens when that fails."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from graphnn.insight.confusion import ConfusionPanel
from graphnn.insight.lettering import entitle
from graphnn.insight.panels import LossPanel, ScatterPanel
from graphnn.insight.points import Baseline, Classes, Pairs
from graphnn.insight.residuals import ResidualPanel
from graphnn.training.live.outputs import File, Output, Window, open_output, plain_style
from graphnn.training.live.terminal import Terminal
from graphnn.training.live.view import State, View

WIDTH = 9.6  # of the figure, and all lengths below: inches
SQUARE, LEFT, BOTTOM, BETWEEN, RIGHT, TOP, TITLE = 4.1, 0.75, 0.6, 0.95, 0.25, 0.2, 0.25
HEADING = 0.3  # over a confusion matrix
LOW, SEAM = 1.1, 0.85  # height of the residuals, and what lies between them and the losses
ROW = 2.5  # height of a row of further panels


class Panel(Protocol):
    """A further panel: an object with this method, and with ``begin`` and ``note`` if it wants to see every step."""

    def draw(self, ax: Any, view: View) -> None:
        """Draw on these Axes; they are the same at every drawing of one training."""


@dataclass(frozen=True)
class Settings:
    """What a live picture is told once."""

    path: Path | None = None
    baseline: Baseline | None = None
    units: str | None = None
    title: str | None = None
    keep_open: bool = False
    show: str | None = None
    panels: Sequence[Any] = ()

    @property
    def rows(self) -> int:
        """Rows of further panels, two in each."""
        return (len(self.panels) + 1) // 2

    @property
    def lift(self) -> float:
        """Height of all the further rows."""
        return self.rows * (ROW + BOTTOM + TOP)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the figure."""
        return WIDTH, self.lift + BOTTOM + SQUARE + TOP + (TITLE if self.title else 0.0)


class Picture:
    """One figure with its panels, and the place where it is shown."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pending: State | None = None
        self.output: Output | None = None
        self.view: View | None = None
        self.panels: tuple[Any, ...] | None = None
        self.off = False

    @property
    def seen(self) -> bool:
        """Whether there has been anything to show."""
        return self.pending is not None or self.output is not None

    def open(self) -> None:
        """Make the figure where it will be shown."""
        said = self.settings
        if said.show is not None:
            self.output = self._attempt({"terminal": Terminal, "file": File}[said.show], said.size, said.path)
        else:
            self.output = self._attempt(open_output, said.size, said.path, self._point_out, self._refresh)

    def note(self, panels: Sequence[Any], moment: Any) -> None:
        """Let the further panels take down one step."""
        for panel in panels:
            if not self.off:
                self._attempt(panel.note, moment)

    def draw(self, *, final: bool = False, forgiving: bool = False) -> None:
        """Draw the pending state, if there is one and somebody to see it.

        What the user's own function raises, and errors of shape, are the user's to see in a loop written by
        hand; everything else, and everything in ``gn.fit``, ends the drawing and not the training.
        """
        state = self.pending
        if state is None or self.off or self.output is None or not (self.output.watched or final):
            return
        self.pending = None
        classes = None if self.view is None else isinstance(self.view.train, Classes)
        view = self._attempt(state.view, classes) if forgiving or state.in_fit else state.view(classes)
        if not self.off:
            self._attempt(self._show, self.output, view, final)

    def finish(self, *, forgiving: bool = False) -> None:
        """Draw what is pending, in full resolution, and take leave."""
        if self.pending is not None and self.output is None:
            self.open()
        self.draw(final=True, forgiving=forgiving)
        if self.output is not None and not self.off:
            self._attempt(self._take_leave, self.output)

    def abandon(self) -> None:
        """Finish unless that means to touch a window: the plot is garbage, or the program ends.

        By then what the user's function needs may be gone, which is nobody's fault and no reason to warn.
        """
        if not isinstance(self.output, Window):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                self.finish(forgiving=True)

    def breathe(self) -> None:
        """Let a window answer the mouse between drawings."""
        if self.output is not None and not self.off:
            self._attempt(self.output.breathe)

    def _attempt(self, act: Callable[..., Any], *arguments: Any) -> Any:
        """Return what comes of it; if that is an error, warn and draw no more."""
        try:
            return act(*arguments)
        except Exception as error:
            self.off, self.pending = True, None
            if self.output is not None:
                with suppress(Exception):  # it may be the very thing that is broken
                    self.output.leave()
            warnings.warn(
                f"LivePlot stops drawing, training goes on: {type(error).__name__}: {error}",
                RuntimeWarning,
                stacklevel=5,
            )

    def _show(self, output: Output, view: View, final: bool) -> None:
        self.view = view
        output.tell(view, self.settings, final)
        if output.figure is not None and output.paints(final):
            self._paint(output, view)
            with plain_style():
                output.show(final)
        output.breathe()

    def _paint(self, output: Output, view: View) -> None:
        """Bring the panels to this view."""
        with plain_style():
            if self.panels is None:
                self.panels, self.axes = arrange(output.figure, self.settings, view)
            curves, *others = self.panels
            curves.update(**view.losses)
            for panel in others:
                panel.update(view.train, view.validation)  # the panels were made for this kind
            for panel, ax in zip(self.settings.panels, self.axes, strict=True):
                panel.draw(ax, view)

    def _take_leave(self, output: Output) -> None:
        if self.view is not None:
            if output.figure is not None and self.panels is None:
                self._paint(output, self.view)
            with plain_style():
                output.finish()
            if self.settings.keep_open:
                output.wait()
        output.leave()

    def _point_out(self, x: float, y: float) -> bool:
        points = self.panels[1] if self.panels else None
        return isinstance(points, ScatterPanel) and points.point_out(x, y)

    def _refresh(self, result: object = None) -> None:
        self.draw(final=True, forgiving=True)


def arrange(figure: Any, settings: Settings, view: View) -> tuple[tuple[Any, ...], list[Any]]:
    """Make the panels for what this view holds, the losses first, and the Axes of the further panels.

    A square for the points; beside it the losses, over the residuals if there are any; further panels below.

    >>> from graphnn.training.live.outputs import canvas
    >>> said = Settings(title="Boiling points")
    >>> panels, _ = arrange(canvas(said.size), said, View("epoch", 0, {"loss": [1.0]}, Pairs.of([1.0], [2.0])))
    >>> [type(panel).__name__ for panel in panels]
    ['LossPanel', 'ScatterPanel', 'ResidualPanel']
    """
    foot, start = settings.lift + BOTTOM, LEFT + SQUARE + BETWEEN
    across = WIDTH - start - RIGHT
    classes = isinstance(view.train, Classes)
    side = SQUARE - HEADING if classes else SQUARE
    square = _axes(figure, LEFT, foot, side, side)
    entitle(square, settings.title, pad=24 if classes else 10)
    panels: tuple[Any, ...]
    if isinstance(view.train, Classes):
        curves = LossPanel(_axes(figure, start, foot, across, side), xlabel=view.x)
        panels = curves, ConfusionPanel(square, len(view.train.counts), baseline=settings.baseline)
    else:
        low = _axes(figure, start, foot, across, LOW)
        upper = _axes(figure, start, foot + LOW + SEAM, across, SQUARE - LOW - SEAM)
        bars = any(isinstance(each, Pairs) and each.spread is not None for each in (view.train, view.validation))
        panels = (
            LossPanel(upper, xlabel=view.x),
            ScatterPanel(square, baseline=settings.baseline, units=settings.units, bars=bars),
            ResidualPanel(low, units=settings.units),
        )
    return panels, [_axes(figure, *box) for box in _boxes(len(settings.panels))]


def _boxes(count: int) -> list[tuple[float, float, float, float]]:
    """Where the further panels stand: two in a row, one that is left over across the whole width; from above."""
    wide = WIDTH - LEFT - RIGHT
    half = (wide - BETWEEN) / 2
    rows = (count + 1) // 2
    boxes = []
    for i in range(count):
        row, column = divmod(i, 2)
        alone = column == 0 and i == count - 1
        boxes.append((
            LEFT + column * (half + BETWEEN),
            BOTTOM + (rows - 1 - row) * (ROW + BOTTOM + TOP),
            wide if alone else half,
            ROW,
        ))  # fmt: skip
    return boxes


def _axes(figure: Any, left: float, bottom: float, width: float, height: float) -> Any:
    scale = np.tile([figure.get_figwidth(), figure.get_figheight()], 2)
    return figure.add_axes(tuple(np.array([left, bottom, width, height]) / scale))
