"""Callbacks for `fit`: objects with methods named like the nine points, each taking the run."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

import numpy as np

from graphnn.types import Params


class EarlyStopping:
    """Stop when the loss has not fallen for `patience` epochs, and put the best parameters back.

    The loss is the validation loss; without validation data the training loss, which belongs to the
    parameters before the steps of its epoch. min_change: how much lower a loss must be to count. `best_epoch`, the
    epoch whose parameters are put back, counts like `History.best_epoch`: epoch 0 is the first, -1 is none so far.

    >>> import numpy as np
    >>> from graphnn import Dense, fit, sgd
    >>> x, y = np.ones((4, 1)), np.ones((4, 1))
    >>> model = Dense(1)
    >>> params, history = fit(model, model.init(0, x), x, y, optimizer=sgd(0.5), epochs=500,
    ...                       callbacks=[EarlyStopping(patience=3)])
    >>> len(history.loss) < 500
    True
    """

    def __init__(self, patience: int = 20, min_change: float = 0.0):
        if patience < 1:
            raise ValueError(f"EarlyStopping: patience must be 1 or more, got {patience}")
        self.patience, self.min_change = patience, min_change
        self.best, self.best_epoch = float("inf"), -1
        self.params: Params = {}

    def begin_fit(self, run: Any) -> None:
        self.best, self.best_epoch, self.params = float("inf"), -1, {}

    def after_epoch(self, run: Any) -> bool:
        curve = run.history.validation_loss or run.history.loss
        if curve[-1] < self.best - self.min_change:
            self.best, self.best_epoch = curve[-1], run.epoch - 1
            self.params = {name: np.array(value) for name, value in run.params.items()}
        if run.epoch - 1 - self.best_epoch >= self.patience:
            run.stop(f"no lower loss for {self.patience} epochs; best was epoch {self.best_epoch}")
            return True
        return False

    def after_fit(self, run: Any) -> None:
        if self.best_epoch >= 0:
            run.params = self.params

    def memory(self) -> dict[str, Any]:
        """Return what a resumed run must know: the best so far."""
        return {"best": self.best, "best_epoch": self.best_epoch, **{f"params/{k}": v for k, v in self.params.items()}}

    def remember(self, memory: dict[str, Any]) -> None:
        """Go on from what `memory` returned."""
        self.best, self.best_epoch = memory["best"], memory["best_epoch"]
        self.params = {key[len("params/") :]: value for key, value in memory.items() if key.startswith("params/")}


class Progress:
    """A progress bar over epochs with the current losses (extra "progress"); without a terminal plain lines.

    seconds: between plain lines, at least;  plain: lines on a terminal too, for which tqdm is not needed

    >>> import numpy as np
    >>> from graphnn import Dense, fit
    >>> x, y = np.ones((4, 1)), np.ones((4, 1))
    >>> _ = fit(Dense(1), Dense(1).init(0, x), x, y, epochs=5, callbacks=[Progress(stream=sys.stdout)])
    ... # doctest: +ELLIPSIS
    epoch 5/5, loss ...
    """

    def __init__(
        self, description: str = "", *, stream: TextIO | None = None, seconds: float = 10.0, plain: bool = False
    ):
        self.description, self.seconds, self.plain = description, seconds, plain
        self.stream = sys.stderr if stream is None else stream
        self._bar: Any = None
        self._told = 0

    def begin_fit(self, run: Any) -> None:
        self._last, self._told = time.perf_counter(), 0
        if self.stream.isatty() and not self.plain:
            try:
                from tqdm import tqdm
            except ImportError:
                raise ImportError(
                    'Progress on a terminal needs tqdm: pip install "graphnn[progress]", or say plain=True'
                ) from None

            self._bar = tqdm(
                total=run.n_epochs, initial=run.epoch, desc=self.description or None, file=self.stream, unit="epoch"
            )

    def after_epoch(self, run: Any) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(self._losses(run), refresh=False)
            self._bar.update(1)
        elif time.perf_counter() - self._last >= self.seconds:
            self._line(run)

    def after_fit(self, run: Any) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        elif run.epoch > self._told:
            self._line(run)

    def _line(self, run: Any) -> None:
        self._last, self._told = time.perf_counter(), run.epoch
        start = f"{self.description}: " if self.description else ""
        print(f"{start}epoch {run.epoch}/{run.n_epochs}, {self._losses(run)}", file=self.stream, flush=True)

    def _losses(self, run: Any) -> str:
        text = f"loss {run.history.loss[-1]:.4g}"
        if run.history.validation_loss:
            text += f", validation {run.history.validation_loss[-1]:.4g}"
        return text
