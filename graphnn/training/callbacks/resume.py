"""Checkpoint: the whole run in one file while it trains, and the way back from it to the last bit."""

from __future__ import annotations

import os
import shutil
import warnings
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from graphnn.architecture import from_json, to_json
from graphnn.checkpoint import load, save
from graphnn.checks import INTERRUPTED
from graphnn.layer import show

DIGESTS = ("training data", "validation data")


class Checkpoint:
    """Keep the run in a file while it trains; a run that was killed goes on from there, to the same bits.

    path: of the file, "run.npz". It is replaced as a whole, so that there is a good one at any moment; `gn.load` reads
    it too, for the parameters and the model
    every: epochs between writing, 10 unless given;  steps: training steps between writing, for long epochs, beside it
    best: write where the loss (of the validation data, if there is any) is the lowest so far, and only there; looked
        at after every epoch unless `every` is given
    keep: how many files; those before the last are "run.1.npz", "run.2.npz", ...
    resume: what to do with a file that is there. True: go on from it, and begin anew if there is none, so that the
        same script does for the first start and after a kill. False: replace it. None: refuse it, so that nothing is
        lost by mistake.

    The file holds parameters, optimiser, place in the epoch, history, and the memory of the other callbacks, such as
    the best parameters of `EarlyStopping`. A resumed run must be the same: model, data, loss, optimiser, batch size,
    seed, callbacks, and what differs is refused by name. Only `epochs` may be another number. Of a callback of your own
    that must remember something, write `memory(self)`, which returns a flat dict of arrays, numbers and words, and
    `remember(self, memory)`; let it change what it remembers at after_batch or after_epoch.

    Raises at the beginning of `fit`: ValueError for a file that is not of this run, cut short or altered, TypeError for
    parameters that a file cannot hold, OSError where it cannot be written. Later a full disk is a RuntimeWarning, and
    the file that was there stays good. A file takes some milliseconds to write: choose `every` so that this is little.

    >>> import tempfile
    >>> import numpy as np
    >>> from graphnn import Dense, fit, load
    >>> x, y, model = np.ones((4, 1)), np.ones((4, 1)), Dense(1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = folder + "/run.npz"
    ...     _ = fit(model, model.init(0, x), x, y, epochs=3, callbacks=[Checkpoint(path, resume=True)])
    ...     params, history = fit(model, model.init(0, x), x, y, epochs=5, callbacks=[Checkpoint(path, resume=True)])
    ...     saved = load(path)
    >>> len(history.loss), saved.run["epoch"]  # three epochs, then two more
    (5, 5)
    """

    asked_last = True  # so that the memories of the others are those of the moment that is written

    def __init__(
        self,
        path: str | os.PathLike,
        every: int | None = None,
        *,
        steps: int | None = None,
        best: bool = False,
        keep: int = 1,
        resume: bool | None = None,
    ):
        for name, number in (("every", every), ("steps", steps), ("keep", keep)):
            if number is not None and (number != int(number) or number < 1):
                raise ValueError(f"Checkpoint: {name} must be a whole number, 1 or more, got {number}")
        self.path = Path(path)
        if self.path.suffix != ".npz":
            raise ValueError(f"Checkpoint: path={str(path)!r} came; give a name that ends in .npz")
        self.every = (1 if best else 10) if every is None else every
        self.steps, self.best, self.keep, self.resume = steps, best, keep, resume

    def put_back(self, run: Any) -> None:
        """Put the run where the one in the file stood: `fit` calls this before begin_fit."""
        self._settings, self._written, self._begun = _settings(run), None, False
        if self.resume is False or not self.path.exists():
            return
        if self.resume is None:
            raise ValueError(
                f"Checkpoint: {self.path} is there already; pass resume=True to go on from it, "
                "or resume=False to replace it"
            )
        saved = load(self.path, model=run.model)
        if saved.run is None or saved.state is None:
            raise ValueError(f"{self.path}: the file holds a model and no run to go on from; give another path")
        self._refuse_another(saved.run, run)
        try:
            if 0 < run.step >= saved.run["step"]:
                return  # another file has taken the run as far
            run.go_on(saved.params, saved.state, saved.optimizer or run.optimizer, saved.run)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"{self.path}: the run in the file is not as graphnn writes it: {error!r}") from error
        self._written = run.now

    def _refuse_another(self, saved: dict[str, Any], run: Any) -> None:
        """Refuse a file whose run is not this one, by what differs."""
        remedy = "make them equal, give another path, or pass resume=False to begin anew"
        for name, ours in self._settings.items():
            theirs = saved.get(f"settings/{name}")
            if theirs != ours and name in DIGESTS:
                raise ValueError(f"{self.path}: the run in the file had other {name} than this one; {remedy}")
            if theirs != ours:
                words = [value or "none" for value in (theirs, ours)]
                raise ValueError(
                    f"{self.path}: the run in the file has {name} {words[0]}, this one has {words[1]}; {remedy}"
                )
        behind = saved.get("epoch", 0)
        if isinstance(behind, int) and behind > run.n_epochs:
            raise ValueError(
                f"{self.path}: the run in the file has {behind} epochs behind it, epochs={run.n_epochs} came"
            )

    def begin_fit(self, run: Any) -> None:
        if self._written is None and not self.best:
            self._write(run, run.now)  # what cannot be written is better known now than after the first epochs
        self._begun = True

    def after_batch(self, run: Any) -> None:
        if self.steps is not None and not self.best and run.step % self.steps == 0:
            self._attempt(run, run.now)

    def after_epoch(self, run: Any) -> None:
        due = run.epoch % self.every == 0
        if due and (not self.best or run.history.best_epoch == run.epoch - 1):
            self._attempt(run, run.now)

    def after_fit(self, run: Any) -> None:
        if self._begun and run.settled and run.trained is not self._written and not self.best:
            self._attempt(run, run.trained)

    def _attempt(self, run: Any, now: Any) -> None:
        try:
            self._write(run, now)
        except (OSError, TypeError) as error:
            warnings.warn(
                f"Checkpoint could not write, training goes on and the file before stays: {error}",
                RuntimeWarning,
                stacklevel=2,
            )

    def _write(self, run: Any, now: Any) -> None:
        memory = {**run.memory(now), **{f"settings/{name}": value for name, value in self._settings.items()}}
        if memory["history/stopped"] == INTERRUPTED:
            memory["history/stopped"] = None
        optimizer = _in_a_file(run.optimizer)
        if optimizer is None and show(run.optimizer) != self._settings["optimizer"]:
            raise TypeError(
                f"Checkpoint: a file cannot hold the optimiser {run.optimizer!r}; use a schedule of gn.schedules"
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        before = self._second_name()
        try:
            save(self.path, now.params, model=_in_a_file(run.model), optimizer=optimizer, state=now.state, run=memory)
        except BaseException:
            before.unlink(missing_ok=True)
            raise
        self._pass_on(before)
        self._written = now

    def _second_name(self) -> Path:
        """Give the file of this run that is there a second name, under which it outlives the next."""
        aside = self.path.with_name(f".{self.path.name}.before")
        aside.unlink(missing_ok=True)
        if self.keep > 1 and self._written is not None and self.path.exists():
            try:
                os.link(self.path, aside)
            except OSError:  # a file system without links
                shutil.copyfile(self.path, aside)
        return aside

    def _pass_on(self, before: Path) -> None:
        """Number the files before the last: 1 the newest of them. Those of another run go."""
        names = [self.path.with_suffix(f".{i}.npz") for i in range(1, self.keep)]
        if self._written is None:
            for name in names:
                name.unlink(missing_ok=True)
        if before.exists():
            for newer, older in reversed(list(pairwise(names))):
                if newer.exists():
                    os.replace(newer, older)
            os.replace(before, names[0])


def _settings(run: Any) -> dict[str, Any]:
    """Return what must be equal in a resumed run, in words."""
    losses = run.loss if isinstance(run.loss, dict) else {"loss": run.loss}
    return {
        "model": show(run.model),
        "optimizer": show(run.given_optimizer),
        "loss": ", ".join(f"{name}: {show(loss)}" for name, loss in losses.items()),
        "metrics": ", ".join(run.metrics),
        "batch_size": run.batch_size,
        "seed": run.seed,
        "training data": run.data.digest(),
        "validation data": None if run.validation is None else run.validation.digest(),
        "callbacks": ", ".join(type(callback).__name__ for callback in run.remembering),
    }


def _in_a_file(value: Any) -> Any:
    """Return the value if a file can hold it and give it back without help, else None."""
    with suppress(TypeError, ValueError, KeyError):
        if from_json(to_json(value)) == value:
            return value
    return None
