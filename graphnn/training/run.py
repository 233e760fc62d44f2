"""A training in progress: `Run`, everything about it, and `History`, what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from time import perf_counter
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
    losses: {name: of every epoch}, the parts of `loss`, where `fit` was given several losses
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
    losses: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    stopped: str | None = None

    @property
    def best_epoch(self) -> int | None:
        curve = self.validation_loss or self.loss
        return None if np.isnan(curve).all() else int(np.nanargmin(curve))

    def memory(self) -> dict[str, Any]:
        """Return all of it as a flat dict, its numbers in arrays, from which `remember` makes it again bit by bit.

        >>> sorted(History(steps=[0.5], metrics={"rmse": [0.1]}).memory())
        ['loss', 'metrics/rmse', 'seconds', 'steps', 'stopped', 'validation_loss']
        """
        flat: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, dict):
                flat.update({f"{f.name}/{name}": np.array(numbers, float) for name, numbers in value.items()})
            else:
                flat[f.name] = np.array(value, float) if isinstance(value, list) else value
        return flat

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Become what `memory` was made from; the names in dicts are there already."""
        for f in fields(self):
            if isinstance(getattr(self, f.name), dict):
                setattr(self, f.name, {name: _floats(memory[f"{f.name}/{name}"]) for name in getattr(self, f.name)})
            elif isinstance(getattr(self, f.name), list):
                setattr(self, f.name, _floats(memory[f.name]))
            else:
                setattr(self, f.name, None if memory[f.name] is None else str(memory[f.name]))

    def trim(self, step: int, epoch: int) -> None:
        """Forget what lies beyond these: an interruption may come in the middle of writing."""
        del self.steps[step:]
        for numbers in (self.loss, self.validation_loss, self.seconds, *self.metrics.values(), *self.losses.values()):
            del numbers[epoch:]

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
        self.trained = self.now  # where the last step has led, whatever parameters the callbacks choose at the end
        self.settled = True  # whether all callbacks know of the last step
        self.began = perf_counter()  # when this epoch would have begun, had nothing come between
        self.memories: dict[int, dict[str, Any]] = {}  # what callbacks of an earlier part of this run have to remember

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
        for i, callback in enumerate(self.callbacks):
            if hasattr(callback, "memory"):
                flat[f"callbacks/{i}"] = type(callback).__name__
                flat |= {f"callbacks/{i}/{name}": value for name, value in callback.memory().items()}
        return flat

    def go_on(self, params: Params, state: dict[str, Any], optimizer: Optimizer, memory: Mapping[str, Any]) -> None:
        """Stand where another run of the same training stood when `memory` was made; callbacks remember later."""
        where = {name: int(memory[name]) for name in ("step", "epoch", "batch", "count")}
        self.now = Moment(copied(params), dict(state), totals=below(memory, "totals"), **where)
        self.last_good, self.optimizer = copied(params), optimizer
        self.value, self.began = float(memory["value"]), perf_counter() - float(memory["seconds"])
        self.history.remember(below(memory, "history"))
        told = [i for i in range(len(self.callbacks)) if f"callbacks/{i}" in memory]
        self.memories = {i: below(memory, f"callbacks/{i}") for i in told}

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
