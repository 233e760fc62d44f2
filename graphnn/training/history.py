"""What a training leaves behind: `History`, its numbers, and the ways out of it to tables and files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from graphnn.training.rows import csv_line, write_whole


@dataclass
class History:
    """What a training leaves behind: plain floats, one for each step or epoch.

    steps: loss of every step;  loss: mean training loss of every epoch;  validation_loss: of every epoch, if
    there is validation data;  metrics: {name: of every epoch}, on the validation data, else the training data
    losses: {name: of every epoch}, the parts of `loss`, where `fit` was given several losses
    step_sizes: {name: at the last step of every epoch}, as many as the optimiser has
    seconds: wall time of every epoch;  stopped: why training ended early, None if it did not
    findings: what kept it from learning, each with a remedy; none is good news
    best_epoch: where the validation loss (else the loss) was lowest; epoch 0 is the first. None without epochs

    >>> history = History(loss=[4.0, 1.0, 2.0], seconds=[0.5, 0.5, 0.5])
    >>> history
    History(3 epochs, 1.5 s, best loss 1 at epoch 1, last 2)
    >>> history.best_epoch
    1
    >>> history.row(1)
    {'epoch': 1, 'loss': 1.0, 'seconds': 0.5}
    """

    steps: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    losses: dict[str, list[float]] = field(default_factory=dict)
    step_sizes: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    stopped: str | None = None
    findings: list[str] = field(default_factory=list)

    @property
    def best_epoch(self) -> int | None:
        curve = self.validation_loss or self.loss
        return None if np.isnan(curve).all() else int(np.nanargmin(curve))

    def memory(self) -> dict[str, Any]:
        """Return all of it as a flat dict, its numbers in arrays, from which `remember` makes it again bit by bit.

        >>> sorted(History(steps=[0.5], metrics={"rmse": [0.1]}).memory())
        ['findings', 'loss', 'metrics/rmse', 'seconds', 'steps', 'stopped', 'validation_loss']
        """
        flat: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, dict):
                flat.update({f"{f.name}/{name}": np.array(numbers, float) for name, numbers in value.items()})
            elif isinstance(value, list) and f.name != "findings":
                flat[f.name] = np.array(value, float)
            else:
                flat[f.name] = value
        return flat

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Become what `memory` was made from; the names of metrics and losses are there already."""
        for f in fields(self):
            if isinstance(getattr(self, f.name), dict):
                names = dict.fromkeys([*getattr(self, f.name), *below(memory, f.name)])
                setattr(self, f.name, {name: _floats(memory[f"{f.name}/{name}"]) for name in names})
            elif f.name == "findings":
                self.findings = [str(word) for word in memory[f.name]]
            elif isinstance(getattr(self, f.name), list):
                setattr(self, f.name, _floats(memory[f.name]))
            else:
                setattr(self, f.name, None if memory[f.name] is None else str(memory[f.name]))

    def trim(self, step: int, epoch: int) -> None:
        """Forget what lies beyond these: an interruption may come in the middle of writing."""
        del self.steps[step:]
        named = [numbers for part in (self.metrics, self.losses, self.step_sizes) for numbers in part.values()]
        for numbers in (self.loss, self.validation_loss, self.seconds, *named):
            del numbers[epoch:]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain lists, dicts and words, which JSON can hold; `History(**...)` makes it again.

        >>> History(loss=[1.0]).to_dict()["loss"]
        [1.0]
        """
        return asdict(self)

    def row(self, index: int, per: str = "epoch") -> dict[str, Any]:
        """Return the numbers of one epoch, or with per="step" of one step, by the names of their columns.

        None stands for what was not measured. A metric called like another column becomes "metric loss".

        >>> History(steps=[4.0, 2.0]).row(1, per="step")
        {'step': 1, 'loss': 2.0}
        """
        columns: dict[str, list[float]] = {"loss": self.loss if per == "epoch" else self.steps}
        if per == "epoch":
            columns |= {loss_column(name): values for name, values in self.losses.items()}
            columns |= {"validation_loss": self.validation_loss} if self.validation_loss else {}
            columns |= {metric_column(name): values for name, values in self.metrics.items()}
            columns |= {**self.step_sizes, "seconds": self.seconds}
        return {
            per: index,
            **{name: values[index] if index < len(values) else None for name, values in columns.items()},
        }

    def rows(self, per: str = "epoch") -> list[dict[str, Any]]:
        """Return the numbers of every epoch, or with per="step" of every step, as `row` does.

        >>> History(loss=[4.0, 2.0], seconds=[0.1, 0.1]).rows()[0]
        {'epoch': 0, 'loss': 4.0, 'seconds': 0.1}
        """
        if per not in ("epoch", "step"):
            raise ValueError(f'History: per is {per!r}, wanted "epoch" or "step"')
        return [self.row(i, per) for i in range(len(self.steps if per == "step" else self.loss))]

    def to_csv(self, path: str | os.PathLike, per: str = "epoch") -> None:
        """Write a table with a line for every epoch, or with per="step" for every step; numbers read back bit by bit.

        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     History(loss=[4.0, 2.0], seconds=[0.1, 0.1]).to_csv(f"{folder}/history.csv")
        ...     print(Path(folder, "history.csv").read_text(), end="")
        epoch,loss,seconds
        0,4.0,0.1
        1,2.0,0.1
        """
        lines = [csv_line(row.values()) for row in self.rows(per)]
        write_whole(path, "".join([csv_line(self.row(0, per)), *lines]))  # an empty history has columns too

    def to_frame(self, per: str = "epoch") -> Any:
        """Return the rows as a pandas DataFrame whose index is the epoch, or with per="step" the step.

        Raises ImportError where pandas is not installed.

        >>> History(loss=[4.0, 2.0], seconds=[0.1, 0.1]).to_frame()["loss"].tolist()  # doctest: +SKIP
        [4.0, 2.0]
        """
        try:
            import pandas
        except ImportError:
            raise ImportError("History.to_frame needs pandas: pip install pandas, or use to_csv or rows") from None
        return pandas.DataFrame(self.rows(per), columns=list(self.row(0, per))).set_index(per)

    def note_step_sizes(self, sizes: Mapping[str, float]) -> None:
        """Add the step sizes of the epoch whose loss was added last; nan for one that there is not in every epoch.

        >>> history = History(loss=[4.0, 2.0], step_sizes={"step_size": [0.1]})
        >>> history.note_step_sizes({"step_size of head.*": 0.2})
        >>> history.step_sizes
        {'step_size': [0.1, nan], 'step_size of head.*': [nan, 0.2]}
        """
        for name in dict.fromkeys([*self.step_sizes, *sizes]):
            column = self.step_sizes.setdefault(name, [float("nan")] * (len(self.loss) - 1))
            column.append(sizes.get(name, float("nan")))

    def __repr__(self) -> str:
        best, parts = self.best_epoch, ["no epochs yet"]
        if self.loss:
            parts = [f"{len(self.loss)} epochs", f"{sum(self.seconds):.1f} s"]
            curve, name = (self.validation_loss, "validation") if self.validation_loss else (self.loss, "loss")
            parts += [] if best is None else [f"best {name} {curve[best]:.4g} at epoch {best}"]
            measures = {name: values[best or 0] for name, values in self.metrics.items() if values}
            parts += [f"{name} {value:.4g} there" for name, value in measures.items()]
            parts.append(f"last {curve[-1]:.4g}")
        if self.stopped:
            parts.append(f"stopped: {self.stopped}")
        return f"History({', '.join(parts)})"


def loss_column(name: str) -> str:
    """Return what the column of one of several losses is called.

    >>> loss_column("size")
    'loss of size'
    """
    return f"loss of {name}"


def metric_column(name: str) -> str:
    """Return what the column of a metric is called: its name, unless another column has it.

    >>> metric_column("rmse"), metric_column("loss")
    ('rmse', 'metric loss')
    """
    return f"metric {name}" if name in ("epoch", "loss", "validation_loss", "seconds") else name


def _floats(array: Any) -> list[float]:
    if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype != float:
        raise ValueError(f"history has {array!r:.60}, wanted a row of floats")
    return array.tolist()


def below(flat: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Return the part of a flat dict whose names begin with a folder, without it.

    >>> below({"a/b": 1, "c": 2}, "a")
    {'b': 1}
    """
    return {name[len(folder) + 1 :]: value for name, value in flat.items() if name.startswith(f"{folder}/")}
