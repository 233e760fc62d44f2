"""Progress: how far the training is, in a bar or in lines."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO


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
