"""LivePlot: predicted against actual beside the loss curves, while the model trains.

What it promises: training gives the same bits with it and without it; it takes a twentieth of the time; it
never waits for anyone; and when a picture cannot be drawn, training goes on without pictures.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from graphnn.insight.points import Baseline, split_labels
from graphnn.training.live.outputs import File, check_place
from graphnn.training.live.picture import Panel, Picture, Settings
from graphnn.training.live.terminal import Terminal, import_plotext
from graphnn.training.live.view import Labels, Noted, Predicted, State, check_points, evaluate, state_of
from graphnn.types import Array, Params

SHOW = ("file", "terminal")


class LivePlot:
    """Draw predicted against actual, the residuals and the loss every few steps of training.

    Each of the first two lines below is a complete use; the third is a loop written by hand::

        params, history = gn.fit(..., callbacks=[gn.LivePlot(every=10)])
        plot = gn.LivePlot(every=10, units="kJ/mol", baseline=("mean of training", 4.2), path="run.png")
        plot(step, value, lambda: model(params, batch), y)

    Where it draws: in a window, if matplotlib's backend is a desktop one and there is a display; in the
    output of a notebook's cell, updated in place; otherwise to a file, "graphnn-live.png" without ``path``,
    replaced in one step so that a viewer never sees half a picture. With ``path`` the last picture is saved
    in the first two cases too. The suffix of ``path`` chooses the format: .png, .pdf or .svg. ``show="file"`` opens no
    window; ``show="terminal"`` draws with letters, in place, for training over SSH (extra "terminal"), and writes
    plain lines and one last picture where the output is no terminal.

    What it draws: numbers as points with y = x and a histogram of predicted - actual, classes as a confusion matrix
    with the accuracy; logits against targets 0 and 1 are classes too. NaN targets, and those that a mask leaves out,
    are not shown. Predictions with an uncertainty have bars of one standard deviation: those of `gaussian_nll`
    (n, 2 targets) against targets (n, targets), an `Ensemble` that is trained whole, and in a loop by hand a pair
    (mean, standard deviation), such as ``lambda: gn.uncertainty.spread(model, params, batch)``.

    every: steps between drawings, in ``gn.fit`` epochs. labels: names of the training points, or
    ``{"train": ..., "validation": ...}``: the worst points are named in the picture, and in a window
    whatever point the mouse is over. baseline: the RMSE (for classes: the accuracy) of something simple, or
    (name, value). units: of the target. budget: share of the time that drawing may take: after a drawing of
    d seconds, the evaluation of the predictions included, the next one waits d / budget seconds. keep_open:
    leave the window standing at the end and wait there until it is closed. of: which output to draw in ``gn.fit``
    where the model has several, its number or name; a pair such as (0, "y") where its target has another one.

    panels: more to draw below, such as `GradientPanel()` and `NodePanel(graph, scores)`, or objects of your own with a
    method ``draw(ax, view)``, which is called at every drawing, always with the same Axes; ``view.train`` and
    ``view.validation`` hold what is predicted, ``view.params`` and ``view.grads`` what their names say. A panel that
    has a method ``note(moment)`` too is shown every step that the budget allows: moment.step, .value, .params, .grads;
    with a method ``begin()`` it is told when another training begins, and with a method ``check(params)`` it may raise
    an error before the first step of ``gn.fit``.

    The last state is always drawn: at the end of ``gn.fit``, on ``close()``, and at the end of a ``with``
    block. A loop by hand that has none of these gets its last picture when the notebook's cell ends or,
    drawing to a file, when the plot is garbage or the program ends; a window then simply goes with the
    program.

    A plot that fails while drawing (a full disk, a lost display) switches itself off with one
    RuntimeWarning. A window closed by hand is not opened again. In a loop by hand ValueError is raised
    where the shapes of predicted and actual, or the number of labels, do not fit; in ``gn.fit`` that too is
    only a warning. A ``path`` that cannot be written is an OSError at once.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> with LivePlot(every=5, path=folder.name + "/live.png") as plot:
    ...     for step in range(10):
    ...         plot(step, 1 / (step + 1), np.arange(4.0) + 1 / (step + 1), np.arange(4.0))
    >>> Path(folder.name, "live.png").read_bytes()[1:4]
    b'PNG'
    >>> folder.cleanup()
    """

    asked_last = True  # the last picture is of the parameters fit returns, which EarlyStopping may put back

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
        show: str | None = None,
        of: Any = None,
        panels: Sequence[Panel] = (),
    ) -> None:
        if isinstance(every, (str, Path)):
            raise TypeError(f"LivePlot: every={str(every)!r} came; to save the picture pass path={str(every)!r}.")
        if int(every) != every or every < 1:
            raise ValueError(f"LivePlot: every={every} came; give a whole number of steps, 1 or more.")
        if not budget > 0:
            raise ValueError(f"LivePlot: budget={budget} came; give the share of time to draw in, such as 0.05.")
        if path is not None and Path(path).suffix not in {".png", ".pdf", ".svg"}:
            raise ValueError(f"LivePlot: path={str(path)!r} came; give a name that ends in .png, .pdf or .svg.")
        if show not in {None, *SHOW}:
            raise ValueError(f"LivePlot: show={show!r} came; give one of {SHOW}, or nothing to let it choose.")
        if show == "terminal":
            import_plotext()
        if callable(getattr(panels, "draw", None)):
            name = type(panels).__name__
            raise TypeError(f"LivePlot: panels is one {name}; give a list, panels=[{name}(...)].")
        for panel in panels:
            if isinstance(panel, type) or not callable(getattr(panel, "draw", None)):
                raise TypeError(f"LivePlot: the panel {panel!r} came; give an object with a method draw(ax, view).")
        split_labels(labels, "LivePlot")
        self.every, self.labels, self.budget, self.of = int(every), labels, budget, of
        place = None if path is None else Path(path)
        if place is not None:
            check_place(place)
        self.settings = Settings(place, baseline, units, title, keep_open, show, tuple(panels))
        self._noting = [panel for panel in panels if hasattr(panel, "note")]
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
        params: Params | None = None,
        grads: Params | None = None,
    ) -> None:
        """Take note of one step of a loop written by hand, and draw if it is time to.

        value, validation_value: losses. predicted: (n,), (n, 1), (n, targets), or scores (n, classes)
        against integer classes (n,), or one logit against 0 or 1; or a pair (mean, standard deviation) of such arrays;
        or a function that returns it, called only when drawing, and once more for the last picture. validation:
        (predicted, actual). The number of points may change from call to call. labels: instead of those given at
        first. params, grads: for the panels that want them.
        """
        for p, a in ((predicted, actual), *([] if validation is None else [validation])):
            check_points(p, a)
        losses = self._losses
        losses["steps"].append(int(step))
        losses["loss"].append(float(value))
        if validation_value is not None:
            losses["validation_steps"].append(int(step))
            losses["validation"].append(float(validation_value))
        state = State(
            x="step",
            step=int(step),
            losses=losses,
            train=partial(evaluate, predicted, actual),
            validation=None if validation is None else partial(evaluate, *validation),
            labels=self.labels if labels is None else labels,
            params=params,
            grads=grads,
        )
        if self._noting:
            self._note(Noted(state.step, float(value), params, grads))
        self._see(state, step)

    def begin_fit(self, run: Any) -> None:
        """Finish what was drawn before and begin anew: ``gn.fit`` calls this before the first epoch."""
        self.close()
        for panel in self.settings.panels:
            if hasattr(panel, "check"):
                panel.check(run.params)

    def after_batch(self, run: Any) -> None:
        """Show the step to the panels that take notes: ``gn.fit`` calls this after every step."""
        if self._noting:
            self._note(run)

    def after_epoch(self, run: Any) -> None:
        """Draw if it is time to: ``gn.fit`` calls this after every epoch."""
        self._see(state_of(run, self.labels, self.of), run.epoch)

    def after_fit(self, run: Any) -> None:
        """Draw the last state and finish the picture: ``gn.fit`` calls this at the end."""
        if self._picture.seen:
            self._picture.pending = state_of(run, self.labels, self.of)  # fit may have gone back to its best parameters
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

    def _close(self, *, forgiving: bool) -> None:
        picture = self._picture
        self._ending.detach()
        self._start()
        picture.finish(forgiving=forgiving)

    def _start(self) -> None:
        self.restart()
        self._next_draw = self._next_breath = self._next_note = -np.inf
        self._noted, self._note_cost, self._begun = 0.0, np.inf, False
        self._picture = Picture(self.settings)
        # The picture knows nothing of this object, so it can still be finished when this object is gone.
        self._ending = weakref.finalize(self, self._picture.abandon)

    def _begin(self) -> None:
        """Tell the panels, once, that a training begins."""
        if not self._begun:
            self._begun = True
            for panel in self.settings.panels:
                if hasattr(panel, "begin"):
                    panel.begin()

    def _note(self, moment: Any) -> None:
        """Show a step to the panels that take notes, in no more than half of the time there is for drawing."""
        begin = self.clock()
        if begin < self._next_note or self._picture.off:
            return
        self._begin()
        self._picture.note(self._noting, moment)
        now = self.clock()
        self._noted += now - begin
        # A hiccup of the machine is paid by the next drawing and must not silence the notes.
        self._note_cost = min(now - begin, 2 * self._note_cost)
        self._next_note = now + self._note_cost / (0.5 * self.budget)

    def _see(self, state: State, step: int) -> None:
        """Keep the state; draw it if its turn has come and the last drawing was long enough ago."""
        self._begin()
        picture = self._picture
        if picture.off:
            return
        picture.pending = state
        begin = self.clock()
        if (step % self.every == 0 or picture.output is None) and begin >= self._next_draw:
            if picture.output is None:
                picture.open()  # loading matplotlib is paid once and must not hold up the second drawing
                self._ending.atexit = isinstance(picture.output, (File, Terminal))
                begin = self.clock()
            picture.draw()
            now = self.clock()
            self._next_draw = now + (now - begin + self._noted) / self.budget
            self._noted = 0.0
        elif begin >= self._next_breath:
            picture.breathe()
            self._next_breath = self.clock() + 0.1
