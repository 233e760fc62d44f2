"""A training in progress: `Run`, everything about it; what it leaves behind is its `History`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np

from graphnn.layer import Layer
from graphnn.layers.normalization import set_target_scale
from graphnn.optim import Optimizer
from graphnn.training.data import Data, take_examples
from graphnn.training.history import History, below
from graphnn.types import Array, Params

Loss = Callable[..., Array]


@dataclass(frozen=True)
class Moment:
    """Where a training stands, exchanged as a whole: who interrupts it finds all of one step, or all of the next.

    step, epoch: how many lie behind;  batch: mini-batches of the epoch under way that do;  totals: {loss: its sum over
    the targets of these};  count: how many targets
    """

    params: Params
    state: dict[str, Any]
    step: int = 0
    epoch: int = 0
    batch: int = 0
    totals: Mapping[str, float] = field(default_factory=dict)
    count: int = 0


class Run:
    """A training in progress. Read everything at any time; change `params`, `state`, `optimizer` between steps.

    step, epoch: how many steps and whole epochs lie behind;  value: the last loss;  grads: its gradient
    losses: {name: value} of the last step;  loss_grads: {name: gradient}, with several losses, else empty
    inputs, predictions, targets: of the last mini-batch, as training saw them (with dropout noise, for instance),
    read-only
    history: the record so far;  n_epochs: how many epochs were asked for;  callbacks: those of this training

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
        loss: Loss | Mapping[str, Loss],
        data: Data,
        validation: Data | None,
        metrics: Mapping[str, Callable],
        seed: int,
        epochs: int,
        batch_size: int | None,
        callbacks: Sequence[Any],
    ):
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self.given_optimizer = optimizer  # a callback may replace the other one
        self.data, self.validation, self.seed = data, validation, seed
        self.n_epochs, self.batch_size, self.callbacks = epochs, batch_size, list(callbacks)
        own = copied(params)
        self.now = Moment(own, optimizer.init(moving(own)))
        self.last_good: Params = copied(params)
        self.value = float("nan")
        self.losses: dict[str, float] = {}
        self.grads: Params = {}
        self.loss_grads: dict[str, Params] = {}
        self.inputs: Any = None
        self.predictions: Any = None
        self.targets: Any = None
        parts = loss if isinstance(loss, Mapping) else ()
        self.history = History(metrics={name: [] for name in metrics}, losses={name: [] for name in parts})
        self.metrics = metrics
        self.diagnosis: Any = None
        self.pace: Any = None
        self.trained = self.now  # where the last step has led, whatever parameters the callbacks choose at the end
        self.settled = True  # whether all callbacks know of the last step
        self.began = perf_counter()  # when this epoch would have begun, had nothing come between
        self.remembering = [callback for callback in callbacks if hasattr(callback, "memory")]
        self.memories: list[dict[str, Any]] = []  # what they have to remember of an earlier part of this run

    @property
    def params(self) -> Params:
        """The parameters now."""
        return self.now.params

    @params.setter
    def params(self, params: Params) -> None:
        self.now = replace(self.now, params=params)

    @property
    def state(self) -> dict[str, Any]:
        """The optimiser's state now."""
        return self.now.state

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self.now = replace(self.now, state=state)

    @property
    def step(self) -> int:
        """How many steps lie behind."""
        return self.now.step

    @property
    def epoch(self) -> int:
        """How many whole epochs lie behind."""
        return self.now.epoch

    @property
    def changes(self) -> Params:
        """What the last step has added to each parameter; before the first, zeros."""
        return {name: value - self.last_good[name] for name, value in moving(self.params).items()}

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

    def memory(self, now: Moment) -> dict[str, Any]:
        """Return where this training stands beside its parameters and the optimiser's state, as a flat dict."""
        flat: dict[str, Any] = {"step": now.step, "epoch": now.epoch, "batch": now.batch, "count": now.count}
        flat |= {f"totals/{name}": total for name, total in now.totals.items()}
        flat |= {"value": self.value, "seconds": perf_counter() - self.began if now.batch else 0.0}
        flat |= {f"history/{name}": value for name, value in self.history.memory().items()}
        for i, callback in enumerate(self.remembering):
            for name, value in callback.memory().items():
                if not isinstance(value, (str, bool, int, float, list, np.ndarray, np.generic, type(None))):
                    raise TypeError(
                        f"{type(callback).__name__}.memory: {name!r} is a {type(value).__name__}, wanted arrays, "
                        "numbers, words, None, or lists of these"
                    )
                flat[f"callbacks/{i}/{name}"] = value
        return flat

    def go_on(self, params: Params, state: dict[str, Any], optimizer: Optimizer, memory: Mapping[str, Any]) -> None:
        """Stand where another run of the same training stood when `memory` was made; callbacks remember later."""
        where = {name: int(memory[name]) for name in ("step", "epoch", "batch", "count")}
        self.now = Moment(copied(params), dict(state), totals=below(memory, "totals"), **where)
        self.last_good, self.optimizer = copied(params), optimizer
        self.value, self.began = float(memory["value"]), perf_counter() - float(memory["seconds"])
        self.history.remember(below(memory, "history"))
        self.memories = [below(memory, f"callbacks/{i}") for i in range(len(self.remembering))]

    def stop(self, reason: str) -> None:
        """End the training after this point."""
        self.history.stopped = reason

    def _evaluate(self, data: Data) -> tuple[Any, Any]:
        return counted(self.model(self.params, data.inputs), data)

    def losses_of(self, predictions: Any, data: Data) -> dict[str, Array]:
        """Return {name: loss}, with one loss {"loss": loss}."""
        losses = self.loss if isinstance(self.loss, Mapping) else {"loss": self.loss}
        if data.mask is None:
            return {name: loss(predictions, data.targets) for name, loss in losses.items()}
        return {name: loss(predictions, data.targets, mask=data.mask) for name, loss in losses.items()}

    def total_loss_of(self, predictions: Any, data: Data) -> Array:
        """Return the loss, of several losses the sum."""
        losses = list(self.losses_of(predictions, data).values())
        return losses[0] if len(losses) == 1 else sum(losses)

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
