"""LivePlot: predicted against actual beside the loss curves, while the model trains.

What it promises: training gives the same bits with it and without it; it takes a twentieth of the time; it
never waits for anyone; and when a picture cannot be drawn, training goes on without pictures.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from graphnn.insight.lettering import entitle
from graphnn.insight.panels import Baseline, ConfusionPanel, LossPanel, ScatterPanel
from graphnn.insight.points import Classes, Pairs, check_shapes, is_classification, split_labels
from graphnn.training.outputs import File, Output, Window, open_output, plain_style
from graphnn.types import Array

Predicted = Array | Callable[[], Array]
Labels = Sequence[Any] | Mapping[str, Sequence[Any]]

WIDTH = 9.6  # inches


class LivePlot:
    """Draw predicted against actual, and the loss, every few steps of training.

    Each of the first two lines below is a complete use; the third is a loop written by hand::

        params, history = gn.fit(..., callbacks=[gn.LivePlot(every=10)])
        plot = gn.LivePlot(every=10, units="kJ/mol", baseline=("mean of training", 4.2), path="run.png")
        plot(step, value, lambda: model(params, batch), y)

    Where it draws: in a window, if matplotlib's backend is a desktop one and there is a display; in the
    output of a notebook's cell, updated in place; otherwise to a file, "graphnn-live.png" without ``path``,
    replaced in one step so that a viewer never sees half a picture. With ``path`` the last picture is saved
    in the first two cases too. The suffix of ``path`` chooses the format: .png, .pdf or .svg.

    every: steps between drawings, in ``gn.fit`` epochs. labels: names of the training points, or
    ``{"train": ..., "validation": ...}``: the worst points are named in the picture, and in a window
    whatever point the mouse is over. baseline: the RMSE (for classes: the accuracy) of something simple, or
    (name, value). units: of the target. budget: share of the time that drawing may take: after a drawing of
    d seconds, the evaluation of the predictions included, the next one waits d / budget seconds. keep_open:
    leave the window standing at the end and wait there until it is closed.

    The last state is always drawn: at the end of ``gn.fit``, on ``close()``, and at the end of a ``with``
    block. A loop by hand that has none of these gets its last picture when the notebook's cell ends or,
    drawing to a file, when the plot is garbage or the program ends; a window then simply goes with the
    program.

    A plot that fails while drawing (a full disk, a lost display) switches itself off with one
    RuntimeWarning. A window closed by hand is not opened again. In a loop by hand ValueError is raised
    where the shapes of predicted and actual, or the number of labels, do not fit; in ``gn.fit`` that too is
    only a warning.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> with LivePlot(every=5, path=folder.name + "/live.png") as plot:
    ...     for step in range(10):
    ...         plot(step, 1 / (step + 1), np.arange(4.0) + 1 / (step + 1), np.arange(4.0))
    >>> Path(folder.name, "live.png").read_bytes()[1:4]
    b'PNG'
    >>> folder.cleanup()
    """

    def __init__(
        self,
        every: int = 10,
        *,
        path: str | Path | None = None,
        labels: Labels | None = None,
        baseline: Baseline | None = None,
        units: str | None = None,
        title: str | None = None,
        budget: float = 0.05,
        keep_open: bool = False,
    ) -> None:
        if isinstance(every, (str, Path)):
            raise TypeError(f"LivePlot: every={str(every)!r} came; to save the picture pass path={str(every)!r}.")
        if int(every) != every or every < 1:
            raise ValueError(f"LivePlot: every={every} came; give a whole number of steps, 1 or more.")
        if not budget > 0:
            raise ValueError(f"LivePlot: budget={budget} came; give the share of time to draw in, such as 0.05.")
        if path is not None and Path(path).suffix not in {".png", ".pdf", ".svg"}:
            raise ValueError(f"LivePlot: path={str(path)!r} came; give a name that ends in .png, .pdf or .svg.")
        split_labels(labels, "LivePlot")
        self.every, self.labels, self.budget = int(every), labels, budget
        self.settings = _Settings(None if path is None else Path(path), baseline, units, title, keep_open)
        self.clock: Callable[[], float] = perf_counter
        self._start()

    def __call__(
        self,
        step: int,
        value: float,
        predicted: Predicted,
        actual: Array,
        *,
        validation: tuple[Predicted, Array] | None = None,
        validation_value: float | None = None,
        labels: Labels | None = None,
    ) -> None:
        """Take note of one step of a loop written by hand, and draw if it is time to.

        value, validation_value: losses. predicted: (n,), (n, 1), (n, targets), or scores (n, classes)
        against integer classes (n,), or one logit against 0 or 1; or a function that returns it, called only
        when drawing, and once more for the last picture. validation: (predicted, actual). The number of points
        may change from call to call. labels: instead of those given at first.
        """
        for p, a in ((predicted, actual), *([] if validation is None else [validation])):
            if not (callable(p) or is_classification(p, a)):
                check_shapes(p, a, "LivePlot")
        losses = self._losses
        losses["steps"].append(int(step))
        losses["loss"].append(float(value))
        if validation_value is not None:
            losses["validation_steps"].append(int(step))
            losses["validation"].append(float(validation_value))
        state = _State(
            x="step",
            losses=losses,
            train=partial(_evaluate, predicted, actual),
            validation=None if validation is None else partial(_evaluate, *validation),
            labels=self.labels if labels is None else labels,
        )
        self._see(state, step)

    def begin_fit(self, run: Any) -> None:
        """Finish what was drawn before and begin anew: ``gn.fit`` calls this before the first epoch."""
        self.close()

    def after_epoch(self, run: Any) -> None:
        """Draw if it is time to: ``gn.fit`` calls this after every epoch."""
        self._see(self._state_of(run), run.epoch)

    def after_fit(self, run: Any) -> None:
        """Draw the last state and finish the picture: ``gn.fit`` calls this at the end."""
        if self._picture.seen:
            self._picture.pending = self._state_of(run)  # fit may have gone back to its best parameters
        self.close()

    def restart(self) -> None:
        """Forget the loss curves of a loop written by hand: a next fold begins, the picture stays."""
        self._losses: dict[str, list[float]] = {"loss": [], "steps": [], "validation": [], "validation_steps": []}

    def close(self) -> None:
        """Draw the last state, save it if there is a path, close the window; a next call begins anew."""
        self._close(forgiving=False)

    def __enter__(self) -> LivePlot:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._close(forgiving=kind is not None)  # an error under way is not to be hidden by one of the plot

    def _state_of(self, run: Any) -> _State:
        return _State(
            x="epoch",
            losses={"loss": run.history.loss, "validation": run.history.validation_loss},
            train=run.train_predictions,
            validation=run.validation_predictions,
            labels=self.labels,
            in_fit=True,
        )

    def _close(self, *, forgiving: bool) -> None:
        picture = self._picture
        self._ending.detach()
        self._start()
        picture.finish(forgiving=forgiving)

    def _start(self) -> None:
        self.restart()
        self._next_draw = self._next_breath = -np.inf
        self._picture = _Picture(self.settings)
        # The picture knows nothing of this object, so it can still be finished when this object is gone.
        self._ending = weakref.finalize(self, self._picture.abandon)

    def _see(self, state: _State, step: int) -> None:
        """Keep the state; draw it if its turn has come and the last drawing was long enough ago."""
        picture = self._picture
        if picture.off:
            return
        picture.pending = state
        begin = self.clock()
        if (step % self.every == 0 or picture.output is None) and begin >= self._next_draw:
            if picture.output is None:
                picture.open()  # loading matplotlib is paid once and must not hold up the second drawing
                self._ending.atexit = isinstance(picture.output, File)
                begin = self.clock()
            picture.draw()
            now = self.clock()
            self._next_draw = now + (now - begin) / self.budget
        elif begin >= self._next_breath:
            picture.breathe()
            self._next_breath = self.clock() + 0.1


@dataclass(frozen=True)
class _Settings:
    path: Path | None
    baseline: Baseline | None
    units: str | None
    title: str | None
    keep_open: bool

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the figure in inches."""
        return WIDTH, 4.65 if self.title else 4.4


@dataclass(frozen=True)
class _State:
    """All that one drawing shows; the predictions are asked for only when it is drawn."""

    x: str  # what is counted, epochs or steps
    losses: Mapping[str, Sequence[float]]  # the arguments of LossPanel.update
    train: Callable[[], tuple[Array, Array]]
    validation: Callable[[], tuple[Array, Array] | None] | None
    labels: Labels | None
    in_fit: bool = False

    def points(self, classes: bool | None = None) -> tuple[Pairs | Classes, Pairs | Classes | None]:
        """Evaluate the predictions of both sets and check them; classes: what they are, None to look."""
        labels = split_labels(self.labels, "LivePlot")
        train = self.train()
        held_out = None if self.validation is None else self.validation()
        classes = is_classification(*train) if classes is None else classes
        shown = _points(*train, labels.get("train"), classes)
        return shown, None if held_out is None else _points(*held_out, labels.get("validation"), classes)


def _evaluate(predicted: Predicted, actual: Array) -> tuple[Array, Array]:
    return predicted() if callable(predicted) else predicted, actual


def _points(predicted: Array, actual: Array, labels: Sequence[Any] | None, classes: bool) -> Pairs | Classes:
    if classes:
        return Classes.of(predicted, actual, "LivePlot")
    return Pairs.of(predicted, actual, labels, "LivePlot")


class _Picture:
    """One figure with its two panels, and the place where it is shown."""

    def __init__(self, settings: _Settings) -> None:
        self.settings = settings
        self.pending: _State | None = None
        self.output: Output | None = None
        self.panels: tuple[ScatterPanel | ConfusionPanel, LossPanel] | None = None
        self.off = False

    @property
    def seen(self) -> bool:
        """Whether there has been anything to show."""
        return self.pending is not None or self.output is not None

    def open(self) -> None:
        """Make the figure where it will be shown."""
        settings = self.settings
        self.output = self._attempt(open_output, settings.size, settings.path, self._point_out, self._refresh)

    def draw(self, *, final: bool = False, forgiving: bool = False) -> None:
        """Draw the pending state, if there is one and somebody to see it.

        What the user's own function raises, and errors of shape, are the user's to see in a loop written by
        hand; everything else, and everything in ``gn.fit``, ends the drawing and not the training.
        """
        state = self.pending
        if state is None or self.off or self.output is None or not (self.output.watched or final):
            return
        self.pending = None
        classes = None if self.panels is None else isinstance(self.panels[0], ConfusionPanel)
        points = self._attempt(state.points, classes) if forgiving or state.in_fit else state.points(classes)
        if not self.off:
            self._attempt(self._show, self.output, state, points, final)

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

    def _show(self, output: Output, state: _State, shown: Any, final: bool) -> None:
        with plain_style():
            if self.panels is None:
                self.panels = self._arrange(output.figure, state.x, shown[0])
            points, curves = self.panels
            points.update(*shown)  # the panel was made for this kind
            curves.update(**state.losses)
            output.show(final)
        output.breathe()

    def _take_leave(self, output: Output) -> None:
        if self.panels is not None:
            with plain_style():
                output.finish()
            if self.settings.keep_open:
                output.wait()
        output.leave()

    def _point_out(self, x: float, y: float) -> bool:
        points = self.panels[0] if self.panels else None
        return isinstance(points, ScatterPanel) and points.point_out(x, y)

    def _refresh(self, result: object = None) -> None:
        self.draw(final=True, forgiving=True)

    def _arrange(self, figure: Any, x: str, train: Pairs | Classes) -> tuple[ScatterPanel | ConfusionPanel, LossPanel]:
        """A square for the points, and the losses beside it at the same height; all lengths in inches."""
        classes = isinstance(train, Classes)
        side, left, bottom, gap, right = 3.4 if classes else 3.6, 0.75, 0.6, 0.95, 0.25
        start = left + side + gap
        scale = np.tile(self.settings.size, 2)
        square = figure.add_axes(tuple(np.array([left, bottom, side, side]) / scale))
        beside = figure.add_axes(tuple(np.array([start, bottom, WIDTH - start - right, side]) / scale))
        baseline, units = self.settings.baseline, self.settings.units
        entitle(square, self.settings.title, pad=22 if classes else 10)
        curves = LossPanel(beside, xlabel=x)
        if isinstance(train, Classes):
            return ConfusionPanel(square, len(train.counts), baseline=baseline), curves
        return ScatterPanel(square, baseline=baseline, units=units), curves
