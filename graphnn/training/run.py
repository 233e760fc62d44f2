"""A training in progress: `Run`, everything about it, and `History`, what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphnn.layer import Layer
from graphnn.layers.normalization import set_target_scale
from graphnn.optim import Optimizer
from graphnn.training.data import Data, take_examples
from graphnn.types import Array, Params

Loss = Callable[..., Array]


@dataclass
class History:
    """What a training leaves behind: plain floats, one for each step or epoch.

    steps: loss of every step;  loss: mean training loss of every epoch;  validation_loss: of every epoch, if
    there is validation data;  metrics: {name: of every epoch}, on the validation data, else the training data
    seconds: wall time of every epoch;  stopped: why training ended early, None if it did not
    best_epoch: where the validation loss (else the loss) was lowest; epoch 0 is the first. None without epochs

    >>> history = History(loss=[4.0, 1.0, 2.0], seconds=[0.5, 0.5, 0.5])
    >>> history
    History(3 epochs, 1.5 s, best loss 1 at epoch 1, last 2)
    >>> history.best_epoch
    1
    """

    steps: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    stopped: str | None = None

    @property
    def best_epoch(self) -> int | None:
        curve = self.validation_loss or self.loss
        return None if np.isnan(curve).all() else int(np.nanargmin(curve))

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


class Run:
    """A training in progress. Read everything at any time; change `params` and `state` between steps.

    step, epoch: how many steps and whole epochs lie behind;  value: the last loss;  grads: its gradient
    predictions, targets: of the last mini-batch, as training saw them (with dropout noise, for instance), read-only
    history: the record so far;  n_epochs: how many epochs were asked for

    >>> from graphnn import Dense, sgd, steps
    >>> x, y = np.ones((4, 2)), np.ones((4, 1))
    >>> for run in steps(Dense(1), Dense(1).init(0, x), x, y, optimizer=sgd(0.1), epochs=100):
    ...     if run.value < 1e-6:
    ...         run.stop("good enough")
    >>> run.history.stopped, run.step == run.epoch < 100
    ('good enough', True)
    """

    def __init__(
        self,
        model: Layer,
        params: Params,
        *,
        optimizer: Optimizer,
        loss: Loss,
        data: Data,
        validation: Data | None,
        metrics: Mapping[str, Callable],
        seed: int,
    ):
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self.data, self.validation, self.seed = data, validation, seed
        self.params: Params = copied(params)
        self.last_good: Params = copied(params)
        self.state = optimizer.init(moving(self.params))
        self.step, self.epoch, self.n_epochs = 0, 0, 0
        self.value = float("nan")
        self.grads: Params = {}
        self.predictions: Any = None
        self.targets: Any = None
        self.history = History(metrics={name: [] for name in metrics})
        self.metrics = metrics

    def train_predictions(self) -> tuple[Any, Any]:
        """Return (predictions, targets) of the training examples that count, by a pass in evaluation mode."""
        return self._evaluate(self.data)

    def validation_predictions(self) -> tuple[Any, Any] | None:
        """Return (predictions, targets) for the validation examples, or None if there are none."""
        return None if self.validation is None else self._evaluate(self.validation)

    def set_target_scale(self, names: set[str]) -> None:
        """Set the Rescale layers among the parameters of these names from the training targets."""
        if isinstance(self.data.targets, np.ndarray):
            own = {name: value for name, value in self.params.items() if name in names}
            self.params.update(set_target_scale(own, self.data.known_targets()))
            self.last_good = copied(self.params)

    def stop(self, reason: str) -> None:
        """End the training after this point."""
        self.history.stopped = reason

    def _evaluate(self, data: Data) -> tuple[Any, Any]:
        return counted(self.model(self.params, data.inputs), data)

    def _loss_of(self, predictions: Any, data: Data) -> Array:
        if data.mask is None:
            return self.loss(predictions, data.targets)
        return self.loss(predictions, data.targets, mask=data.mask)

    def _metric_of(self, name: str, predictions: Any, data: Data) -> float:
        metric = self.metrics[name]
        if data.mask is not None and data.mask.ndim > 1:
            value = metric(predictions, data.targets, mask=data.mask)
        else:
            value = metric(*counted(predictions, data))
        return number(f"the metric {name!r}", value)

    def __repr__(self) -> str:
        place = f"step {self.step}, epoch {self.epoch}, loss {self.value:.4g}"
        return f"Run({place}, {len(self.params)} parameter arrays)"


def copied(params: Params) -> Params:
    """Return the same parameters in arrays of their own."""
    return {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in params.items()}


def moving(params: Params) -> Params:
    """Return the parameters that training can change: those that hold floats."""
    return {name: value for name, value in params.items() if np.asarray(value).dtype.kind == "f"}


def counted(predictions: Any, data: Data) -> tuple[Any, Any]:
    """Return predictions and targets without the rows that a mask leaves out."""
    if data.mask is not None and data.mask.ndim == 1:
        return take_examples(predictions, data.mask), data.known_targets()
    return predictions, data.targets


def number(who: str, value: Any) -> float:
    """Return a loss or metric as a float, or say why it is none."""
    if np.shape(value) != ():
        raise TypeError(f"{who} must be a single number, got shape {np.shape(value)}; take its mean or sum")
    kind = np.asarray(value).dtype.kind
    if kind == "O" and isinstance(value, (np.ndarray, np.generic)):
        raise TypeError(f"{who}: NumPy made an object array of traced numbers; use gn.ops or autograd.numpy in it")
    if kind not in "fiub":
        raise TypeError(f"{who} must be a single number, got {type(value).__name__}")
    return float(value)
