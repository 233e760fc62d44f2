"""Callbacks that write a training down as it goes: a line for every epoch or step, in CSV or in JSON."""

from __future__ import annotations

import json
import os
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from graphnn.optim import step_sizes
from graphnn.training.history import loss_column, metric_column
from graphnn.training.rows import csv_line, json_line, write_whole


class _Log:
    """What both logs do: begin with what the history has, add a line at a time, keep the file fit to read."""

    def __init__(self, path: str | os.PathLike, per: str = "epoch"):
        if per not in ("epoch", "step"):
            raise ValueError(f'{type(self).__name__}: per is {per!r}, wanted "epoch" or "step"')
        self.path, self.per = Path(path), per
        self._file: TextIO | None = None
        self._columns: list[str] = []

    def begin_fit(self, run: Any) -> None:
        """Begin the file anew, with the epochs of a resumed run, which stand in its history."""
        self.after_fit(run)
        self._columns = _columns(run, self.per)
        self._refuse_another_file()
        lines = [self._line(row) for row in run.history.rows(self.per)]
        write_whole(self.path, "".join([self._head(), *lines]))
        self._file = self.path.open("a", encoding="utf-8", newline="")

    def after_batch(self, run: Any) -> None:
        """Write the line of a step."""
        if self.per == "step":
            self._add(run.history.row(run.step - 1, "step"))

    def after_epoch(self, run: Any) -> None:
        """Write the line of an epoch."""
        if self.per == "epoch":
            self._add(run.history.row(run.epoch - 1))

    def after_fit(self, run: Any) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _add(self, row: dict[str, Any]) -> None:
        if self._file is None:
            return
        try:
            self._file.write(self._line(row))
            self._file.flush()  # line by line, so that a kill loses none
        except OSError as error:
            with suppress(OSError):  # it tries once more to write what it could not
                self._file.close()
            self._file = None
            warnings.warn(
                f"{type(self).__name__} stops writing, training goes on: {error}", RuntimeWarning, stacklevel=2
            )

    def _refuse_another_file(self) -> None:
        """Refuse to write over anything but a log of these columns; a line cut short by a kill is one of ours."""
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8", errors="replace", newline="") as file:
            first = file.readline(1 << 16)
        if first and not self._is_first_line(first):
            raise ValueError(
                f"{type(self).__name__}: {str(self.path)!r} begins with {first.strip()[:80]!r}; this run has the "
                f"columns {self._columns}. Give another path, or delete the file if nobody needs it"
            )

    def _head(self) -> str:
        raise NotImplementedError

    def _line(self, row: dict[str, Any]) -> str:
        raise NotImplementedError

    def _is_first_line(self, line: str) -> bool:
        raise NotImplementedError


class CSVLog(_Log):
    """Write the history to a CSV file while it grows: a line for every epoch, or with per="step" for every step.

    The columns are those of `History.row`: epoch, loss, validation_loss, the metrics, the step sizes, seconds; or step,
    loss. Floats have all their digits, so reading them gives the same bits. Every line is written out at once. Each
    training begins the file anew; a resumed one with the epochs that lie behind it, so that lines after the saved one,
    and a line cut short when the training was killed, are gone. Raises ValueError for a file that is no log of the same
    columns, before the first step. A disk that is full ends the log with a RuntimeWarning, not the training.

    >>> import tempfile
    >>> import numpy as np
    >>> from graphnn import Dense, fit, sgd
    >>> x, y = np.ones((4, 1)), np.zeros((4, 1))
    >>> params = {"weight": np.ones((1, 1)), "bias": np.zeros(1)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = CSVLog(f"{folder}/log.csv", per="step")
    ...     _ = fit(Dense(1), params, x, y, optimizer=sgd(0.125), epochs=2, callbacks=[log])
    ...     print(log.path.read_text(), end="")
    step,loss
    0,1.0
    1,0.25
    """

    def _head(self) -> str:
        return csv_line(self._columns)

    def _line(self, row: dict[str, Any]) -> str:
        return csv_line([row.get(name) for name in self._columns])

    def _is_first_line(self, line: str) -> bool:
        return line == self._head() or (not line.endswith("\n") and self._head().startswith(line))


class JSONLog(_Log):
    """Write the history to a file of JSON lines while it grows, as `CSVLog` does: one object for every epoch or step.

    inf is written "inf", and nan, like what was not measured, null: JSON has no numbers for them.

    >>> import tempfile
    >>> import numpy as np
    >>> from graphnn import Dense, fit, sgd
    >>> x, y = np.ones((4, 1)), np.zeros((4, 1))
    >>> params = {"weight": np.ones((1, 1)), "bias": np.zeros(1)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = JSONLog(f"{folder}/log.jsonl", per="step")
    ...     _ = fit(Dense(1), params, x, y, optimizer=sgd(0.125), epochs=2, callbacks=[log])
    ...     print(log.path.read_text(), end="")
    {"step": 0, "loss": 1.0}
    {"step": 1, "loss": 0.25}
    """

    def _head(self) -> str:
        return ""

    def _line(self, row: dict[str, Any]) -> str:
        return json_line({name: row.get(name) for name in self._columns})

    def _is_first_line(self, line: str) -> bool:
        start = f'{{"{self.per}": 0, "loss": '
        if not line.endswith("\n"):
            return line.startswith(start) or start.startswith(line)
        try:
            row = json.loads(line)
        except ValueError:
            return False
        return isinstance(row, dict) and list(row) == self._columns


def _columns(run: Any, per: str) -> list[str]:
    """Return the columns that the history of a run will have."""
    if per == "step":
        return ["step", "loss"]
    validation = ["validation_loss"] if run.validation is not None else []
    sizes = step_sizes(run.optimizer, run.step)
    losses = map(loss_column, run.history.losses)
    return ["epoch", "loss", *losses, *validation, *map(metric_column, run.metrics), *sizes, "seconds"]
