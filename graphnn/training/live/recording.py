"""Recording: the predictions along a training, kept; and replay, which turns them into a short film afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from graphnn.insight.points import Baseline, Classes, is_classification
from graphnn.insight.telling import telling
from graphnn.training.live.outputs import canvas, plain_style
from graphnn.training.live.picture import Settings, arrange
from graphnn.training.live.view import Predicted, View, apart, evaluate, points, state_of
from graphnn.types import Array

DPI, FASTEST, PAUSE = 80, 20, 1.5  # dots an inch; pictures a second, at most; seconds the last one stands


class Recording:
    """A callback that keeps the predictions every few epochs, for `replay`.

    every: epochs between them, or steps in a loop by hand. most: how many moments are kept: when there are more, every
    other one is dropped and `every` doubles, so that a long training takes no more memory than a short one. rows: how
    many examples are kept of each set, drawn once by `seed` if there are more. of: which of several outputs.

    In a loop written by hand it is called like `LivePlot`: ``recording(step, value, lambda: model(params, batch), y)``.

    >>> from graphnn import Dense, fit, sgd
    >>> x, y = np.array([[0.0], [1.0]]), np.array([[1.0], [3.0]])
    >>> recording = Recording(every=5)
    >>> _ = fit(Dense(1), Dense(1).init(0, x), x, y, optimizer=sgd(0.5), epochs=12, callbacks=[recording])
    >>> recording
    Recording(4 moments, epoch 0 to 11)
    >>> recording.moments
    [0, 5, 10, 11]
    """

    def __init__(self, every: int = 10, *, most: int = 120, rows: int = 2000, of: Any = None, seed: int = 0) -> None:
        for name, value, least in (("every", every, 1), ("most", most, 2), ("rows", rows, 1)):
            if int(value) != value or value < least:
                raise ValueError(f"Recording: {name}={value} came; give a whole number, {least} or more.")
        self.first_every, self.most, self.rows, self.of, self.seed = int(every), int(most), int(rows), of, seed
        self._forget()

    def _forget(self) -> None:
        self.every, self.x = self.first_every, "epoch"
        self.moments: list[int] = []
        self.losses: dict[str, list[float]] = {"loss": [], "validation": []}
        self.predicted: dict[str, list[Array]] = {"train": [], "validation": []}
        self.actual: dict[str, Array] = {}
        self.kept: dict[str, Array | None] = {}

    def begin_fit(self, run: Any) -> None:
        """Begin anew: ``gn.fit`` calls this before the first epoch."""
        self._forget()
        self.losses = {"loss": run.history.loss, "validation": run.history.validation_loss}  # those of a resumed run

    def after_epoch(self, run: Any) -> None:
        """Keep the predictions if it is time to: ``gn.fit`` calls this after every epoch."""
        self.losses = {"loss": run.history.loss, "validation": run.history.validation_loss}
        if (run.epoch - 1) % self.every == 0:
            self._keep_run(run)

    def after_fit(self, run: Any) -> None:
        """Keep the last predictions: ``gn.fit`` calls this at the end."""
        if self.moments and self.moments[-1] != run.epoch - 1:
            self._keep_run(run)

    def __call__(
        self,
        step: int,
        value: float,
        predicted: Predicted,
        actual: Array,
        *,
        validation: tuple[Predicted, Array] | None = None,
        validation_value: float | None = None,
    ) -> None:
        """Take note of one step of a loop written by hand; the arguments are those of `LivePlot`."""
        self.x = "step"
        for name, number in (("loss", value), ("validation", validation_value)):
            at = "steps" if name == "loss" else "validation_steps"
            if number is not None:
                self.losses[name].append(float(number))
                self.losses.setdefault(at, []).append(int(step))
        if step % self.every == 0 or not self.moments:
            self._keep(int(step), evaluate(predicted, actual), None if validation is None else evaluate(*validation))

    def memory(self) -> dict[str, Any]:
        """Return what must survive a kill, for a file that resumes the training."""
        stay = self._on_the_grid()  # an end between two moments is none of a run that goes on
        kept: dict[str, Any] = {"every": self.every, "moments": np.array([self.moments[i] for i in stay], int)}
        for name, values in self.predicted.items():
            kept[f"{name}.predicted"] = np.array([values[i] for i in stay]) if values else None
            kept[f"{name}.actual"] = self.actual.get(name)
            kept[f"{name}.kept"] = self.kept.get(name)
        return kept

    def remember(self, memory: dict[str, Any]) -> None:
        """Go on from what `memory` returned."""
        self.every, self.moments = int(memory["every"]), [int(moment) for moment in memory["moments"]]
        for name in self.predicted:
            values = memory[f"{name}.predicted"]
            self.predicted[name] = [] if values is None else list(np.asarray(values))
            if memory[f"{name}.actual"] is not None:
                self.actual[name], self.kept[name] = memory[f"{name}.actual"], memory[f"{name}.kept"]

    def _keep_run(self, run: Any) -> None:
        state = state_of(run, None, self.of)
        self._keep(run.epoch - 1, state.train(), None if state.validation is None else state.validation())

    def _keep(self, moment: int, train: tuple[Any, Array], validation: tuple[Any, Array] | None) -> None:
        for name, pair in (("train", train), ("validation", validation)):
            if pair is None:
                continue
            predicted, actual = np.asarray(apart(pair[0])[0]), np.asarray(pair[1])
            if name not in self.actual:
                n = len(actual)
                rng = np.random.default_rng(self.seed)
                some = np.sort(rng.choice(n, self.rows, replace=False)) if n > self.rows else None
                self.kept[name], self.actual[name] = some, np.array(actual if some is None else actual[some])
            some = self.kept[name]
            self.predicted[name].append(np.array(predicted if some is None else predicted[some]))
        self.moments.append(moment)
        if len(self.moments) > self.most:
            self.every *= 2
            stay = self._on_the_grid()
            self.moments = [self.moments[i] for i in stay]
            self.predicted = {name: [values[i] for i in stay if values] for name, values in self.predicted.items()}

    def _on_the_grid(self) -> list[int]:
        return [i for i, moment in enumerate(self.moments) if moment % self.every == 0 or i == 0]

    def view(self, index: int) -> View:
        """Return what the panels show at one of the kept moments."""
        until = self.moments[index]
        losses = {name: list(values) for name, values in self.losses.items()}
        for name, at in (("loss", "steps"), ("validation", "validation_steps")):
            steps = losses.get(at, range(len(losses[name])))
            count = sum(step <= until for step in steps)
            losses[name] = losses[name][:count]
            if at in losses:
                losses[at] = losses[at][:count]
        classes = is_classification(self.predicted["train"][0], self.actual["train"])
        sets = {
            name: points(self.predicted[name][index], actual, None, classes) for name, actual in self.actual.items()
        }
        return View(self.x, until, losses, sets["train"], sets.get("validation"))

    def __repr__(self) -> str:
        if not self.moments:
            return "Recording(nothing yet)"
        return f"Recording({len(self.moments)} moments, {self.x} {self.moments[0]} to {self.moments[-1]})"


def replay(
    recording: Recording,
    path: str | Path,
    *,
    seconds: float = 8.0,
    title: str | None = None,
    units: str | None = None,
    baseline: Baseline | None = None,
    progress: bool = False,
) -> Path:
    """Turn a recording into a film: predicted against actual, the residuals and the loss as they became; return where.

    path: ends in .gif, or in .mp4, for which the program ffmpeg must be installed. seconds: how long it lasts, and a
    moment more for the last picture. progress: whether to tell on stderr how far it is, as `loss_landscape` does. The
    other arguments are those of `LivePlot`. The axes are those of the end.

    Raises ValueError for a recording without moments or another ending, FileNotFoundError without ffmpeg.

    >>> import tempfile
    >>> recording = Recording(every=1)
    >>> for step in range(3):
    ...     recording(step, 1 / (step + 1), np.arange(4.0) + 1 / (step + 1), np.arange(4.0))
    >>> folder = tempfile.TemporaryDirectory()
    >>> replay(recording, folder.name + "/film.gif", seconds=1).read_bytes()[:3]
    b'GIF'
    >>> folder.cleanup()
    """
    place = Path(path)
    if place.suffix not in {".gif", ".mp4"}:
        raise ValueError(f"replay: path={str(path)!r} came; give a name that ends in .gif or .mp4.")
    if not recording.moments:
        raise ValueError("replay: the recording is empty; pass it to fit first, callbacks=[recording].")
    if not seconds > 0:
        raise ValueError(f"replay: seconds={seconds} came; give how long the film is to last.")
    count = int(np.clip(round(seconds * FASTEST), 1, len(recording.moments)))
    chosen = np.unique(np.linspace(0, len(recording.moments) - 1, count).round().astype(int))
    rate = len(chosen) / seconds
    writer, films = _writer(place.suffix, rate)
    settings = Settings(title=title or " ", units=units, baseline=baseline)
    place.parent.mkdir(parents=True, exist_ok=True)
    aside = place.with_name(f".{place.stem}.{os.getpid()}.part{place.suffix}")
    with plain_style(), films:
        figure = canvas(settings.size)
        draw = _film(figure, settings, recording)
        try:
            with writer.saving(figure, str(aside), DPI):
                frames = [*chosen, *[chosen[-1]] * round(rate * PAUSE)]
                for _, index in telling(frames, "film", "frame") if progress else enumerate(frames):
                    draw(int(index))
                    writer.grab_frame()
            os.replace(aside, place)
        finally:
            aside.unlink(missing_ok=True)
    return place


def _writer(suffix: str, rate: Any) -> Any:  # matplotlib takes floats, though it says int
    """Return what writes the film, and a context with the user's settings of films, such as where ffmpeg is."""
    from matplotlib import animation, rc_context, rcParams

    films = rc_context({name: value for name, value in rcParams.items() if name.startswith("animation.")})
    if suffix == ".gif":
        return animation.PillowWriter(fps=rate), films
    if not animation.FFMpegWriter.isAvailable():
        raise FileNotFoundError(
            "replay: a film .mp4 is written by the program ffmpeg, which is not installed or not on the PATH; "
            "install it, or give a path that ends in .gif."
        )
    return animation.FFMpegWriter(fps=rate), films


def _film(figure: Any, settings: Settings, recording: Recording) -> Callable[[int], None]:
    """Make the panels with the axes of the whole recording; return the function that draws one of its moments."""
    end = recording.view(-1)
    panels, _ = arrange(figure, settings, end)
    curves, square, *others = panels
    curves.update(**{**end.losses, **recording.losses})
    curves.hold = True
    if not isinstance(end.train, Classes):
        for panel in (square, *others):
            panel.update(end.train, end.validation)
            panel.hold = True

    def draw(index: int) -> None:
        view = recording.view(index)
        curves.update(**view.losses)
        for panel in (square, *others):
            panel.update(view.train, view.validation)
        words = f"{view.x} {view.step}"
        title = words if settings.title == " " else f"{settings.title}, {words}"
        square.ax.set_title(title, loc="left")

    return draw
