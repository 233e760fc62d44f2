"""The nine points of a training at which callbacks are asked, and who asks them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphnn.training.run import Run

POINTS = (
    "begin_fit",
    "begin_epoch",
    "begin_batch",
    "after_forward",
    "after_backward",
    "after_batch",
    "begin_validate",
    "after_epoch",
    "after_fit",
)
"""The nine points at which a callback is asked, each with the run, if it has a method of that name."""


def _asked_last(callback: Any) -> bool:
    return bool(getattr(callback, "asked_last", False))


class Callbacks:
    """Asks every callback at a point, in order; last those that say `asked_last`.

    Raises TypeError for what is no list, a class in place of an object, and an object without any of the points.
    """

    def __init__(self, callbacks: Sequence[Any]):
        if not isinstance(callbacks, (list, tuple)):
            raise TypeError(f"callbacks must be a list, got {type(callbacks).__name__}; write callbacks=[...]")
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            if isinstance(callback, type):
                raise TypeError(f"callback {callback.__name__} is a class; make one: {callback.__name__}()")
            if not any(hasattr(callback, point) for point in POINTS):
                raise TypeError(
                    f"callback {type(callback).__name__} has none of the methods {', '.join(POINTS)}; "
                    "each takes the run"
                )
        self.callbacks.sort(key=_asked_last)
        self.begun: list[Any] = []  # only who has begun is asked to finish
        self.used = {point for point in POINTS if any(hasattr(callback, point) for callback in self.callbacks)}

    def __call__(self, point: str, run: Run) -> bool:
        """Return whether somebody wants to stop."""
        if point in self.used:
            for callback in self.callbacks:
                self._ask(callback, point, run)
        return run.history.stopped is not None

    def _ask(self, callback: Any, point: str, run: Run) -> None:
        method = getattr(callback, point, None)
        answer = None if method is None else method(run)
        if isinstance(answer, (bool, np.bool_)) and answer and run.history.stopped is None:
            run.stop(f"{type(callback).__name__} at {point}")

    def begin(self, run: Run) -> None:
        """Let one who knows this run from before put it back where it was; then ask all of them at begin_fit."""
        for callback in self.callbacks:
            if hasattr(callback, "put_back"):
                callback.put_back(run)
        for callback in self.callbacks:
            self.begun.append(callback)
            self._ask(callback, "begin_fit", run)
        if run.memories:
            for callback, memory in zip(run.remembering, run.memories, strict=True):
                callback.remember(memory)

    def finish(self, run: Run, first: BaseException | None) -> None:
        """Ask all that began at after_fit, though the training or one of them failed; raise the first failure."""
        for callback in self.begun:
            try:
                if hasattr(callback, "after_fit"):
                    callback.after_fit(run)
            except BaseException as error:
                first = first or error
        if first is not None:
            raise first
