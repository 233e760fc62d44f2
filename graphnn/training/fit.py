"""Training: `steps` iterates over training steps, so that a person can pause; `fit` runs them to the end.

Everything about a training is on its `Run`: parameters, gradients, loss, history. Callbacks see the run at
nine points, in the order they were given, and stop the training by returning True. A stop at begin_batch,
after_forward or after_backward leaves that step untaken; an epoch in which a step was taken is still
evaluated and closed; and after_fit is asked of every callback, however the training ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphnn import ops
from graphnn.autodiff import Tape
from graphnn.batch import Batch
from graphnn.checks import TrainingDiverged
from graphnn.layer import Layer, first_not_finite
from graphnn.layers.normalization import set_target_scale
from graphnn.losses import mean_squared_error
from graphnn.optim import Optimizer, adam
from graphnn.training.data import Data, make_data, make_inputs, n_examples_of, take_examples, validation_parts
from graphnn.types import Array, Params

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

Loss = Callable[..., Array]


@dataclass
class History:
    """What a training leaves behind: plain floats, one for each step or epoch.

    steps: loss of every step;  loss: mean training loss of every epoch;  validation_loss: of every epoch, if
    there is validation data;  metrics: {name: of every epoch}, on the validation data, else the training data
    seconds: wall time of every epoch;  stopped: why training ended early, None if it did not
    best_epoch: where the validation loss (else the loss) was lowest, counted from 0

    >>> history = History(loss=[4.0, 1.0, 2.0], seconds=[0.5, 0.5, 0.5])
    >>> history
    History(3 epochs, 1.5 s, loss 2)
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
        return int(np.argmin(curve)) if curve else None

    def __repr__(self) -> str:
        if not self.loss:
            return "History(no epochs yet)"
        parts = [f"{len(self.loss)} epochs", f"{sum(self.seconds):.1f} s", f"loss {self.loss[-1]:.4g}"]
        if self.validation_loss:
            best = self.best_epoch or 0
            parts.append(f"validation {self.validation_loss[-1]:.4g} (best {self.validation_loss[best]:.4g} at {best})")
        parts += [f"{name} {values[-1]:.4g}" for name, values in self.metrics.items()]
        if self.stopped:
            parts.append(f"stopped: {self.stopped}")
        return f"History({', '.join(parts)})"


class Run:
    """A training in progress. Read everything at any time; change `params` and `state` between steps.

    step, epoch: how many steps and whole epochs lie behind;  value: the last loss;  grads: its gradient
    predictions, targets: of the last mini-batch, as training saw them (with dropout noise, for instance)
    history: the record so far;  n_epochs: how many epochs were asked for

    >>> from graphnn import Dense, sgd
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
        one_output = isinstance(data.targets, np.ndarray)
        self.params = set_target_scale(params, data.known_targets()) if one_output else dict(params)
        self.last_good: Params = self.params
        self.state = optimizer.init(self.params)
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

    def stop(self, reason: str) -> None:
        """End the training after this point."""
        self.history.stopped = reason

    def _evaluate(self, data: Data) -> tuple[Any, Any]:
        predictions = self.model(self.params, data.inputs)
        if data.mask is not None and data.mask.ndim == 1:
            return take_examples(predictions, data.mask), data.known_targets()
        return predictions, data.targets

    def _loss_of(self, predictions: Any, data: Data) -> Array:
        if data.mask is None:
            return self.loss(predictions, data.targets)
        return self.loss(predictions, data.targets, mask=data.mask)

    def __repr__(self) -> str:
        place = f"step {self.step}, epoch {self.epoch}, loss {self.value:.4g}"
        return f"Run({place}, {len(self.params)} parameter arrays)"


def steps(
    model: Layer,
    params: Params,
    inputs: Any,
    targets: Any,
    *,
    loss: Loss = mean_squared_error,
    optimizer: Optimizer | None = None,
    epochs: int = 100,
    batch_size: int | None = None,
    per: str = "graph",
    mask: Any = None,
    validation: Sequence[Any] | None = None,
    metrics: Mapping[str, Callable] | None = None,
    seed: int = 0,
    callbacks: Sequence[Any] = (),
) -> Generator[Run, None, Run]:
    """Iterate over training steps. After each you hold the same `Run`: look, change `run.params`, go on.

    The arguments are those of `fit`. Leaving the loop early is fine: callbacks end properly.

    >>> from graphnn import Dense, sgd
    >>> x, y = np.ones((4, 2)), np.ones((4, 1))
    >>> model = Dense(1)
    >>> for run in steps(model, model.init(0, x), x, y, optimizer=sgd(0.1), epochs=3):
    ...     run.params["bias"] = run.params["bias"] * 0
    >>> run.step, run.params["bias"].tolist()
    (3, [0.0])
    """
    data = make_data(inputs, targets, per, mask, "inputs")
    held_out = None if validation is None else make_data(*validation_parts(validation, per), "validation")
    run = Run(
        model,
        params,
        optimizer=adam(1e-2) if optimizer is None else optimizer,
        loss=loss,
        data=data,
        validation=held_out,
        metrics=dict(metrics or {}),
        seed=seed,
    )
    _check_batch_size(batch_size)
    if epochs < 0:
        raise ValueError(f"epochs must be 0 or more, got {epochs}")
    run.n_epochs = epochs
    return _loop(run, batch_size, _Callbacks(callbacks))


def fit(
    model: Layer,
    params: Params,
    inputs: Any,
    targets: Any,
    *,
    loss: Loss = mean_squared_error,
    optimizer: Optimizer | None = None,
    epochs: int = 100,
    batch_size: int | None = None,
    per: str = "graph",
    mask: Any = None,
    validation: Sequence[Any] | None = None,
    metrics: Mapping[str, Callable] | None = None,
    seed: int = 0,
    callbacks: Sequence[Any] = (),
) -> tuple[Params, History]:
    """Train a model and return (parameters, history). The parameters passed in are not changed.

    inputs: a Batch, a list of graphs (packed once), an array with one example a row, or a dict of arrays
    targets: an array with a row for each graph, node or edge, as `per` says; or a dict of arrays
    loss: loss(predictions, targets), also called with mask= if there is a mask
    optimizer: adam(0.01) when None
    batch_size: graphs in a mini-batch; None takes all of them in every step
    mask: booleans, which targets count: with per="node" the labelled nodes
    validation: (inputs, targets) or (inputs, targets, mask), evaluated after every epoch
    metrics: {name: metric(predictions, targets)}, evaluated after every epoch
    seed: of the order of the mini-batches and of the noise; the same seed gives the same bits
    callbacks: objects with methods named like `POINTS`

    A Rescale layer in the model is set from the training targets first. A loss or gradient that is not finite
    stops the training with TrainingDiverged, which names the step and the first parameter or layer concerned.

    >>> from graphnn import Dense, sgd
    >>> x, y = np.array([[0.0], [1.0]]), np.array([[1.0], [3.0]])
    >>> model = Dense(1)
    >>> params, history = fit(model, model.init(0, x), x, y, optimizer=sgd(0.5), epochs=100)
    >>> params["weight"].round(3).tolist(), params["bias"].round(3).tolist()
    ([[2.0]], [1.0])
    """
    training = steps(
        model, params, inputs, targets, loss=loss, optimizer=optimizer, epochs=epochs, batch_size=batch_size,
        per=per, mask=mask, validation=validation, metrics=metrics, seed=seed, callbacks=callbacks,
    )  # fmt: skip
    try:
        while True:
            next(training)
    except StopIteration as end:  # it hands back its run even where no step was taken
        run: Run = end.value
    return run.params, run.history


def predict(model: Layer, params: Params, inputs: Any, batch_size: int | None = None) -> Any:
    """Return the model's output for all inputs, in evaluation mode; with `batch_size` a mini-batch at a time.

    The output is an array, or a tuple or dict of arrays.

    >>> from graphnn import Dense
    >>> x = np.ones((5, 2))
    >>> predict(Dense(1), Dense(1).init(0, x), x, batch_size=2).shape
    (5, 1)
    """
    data = make_inputs(inputs, "inputs")
    n = n_examples_of(data)
    _check_batch_size(batch_size)
    if batch_size is None or n <= batch_size:
        return model(params, data)
    starts = range(0, n, batch_size)
    return _join([model(params, take_examples(data, slice(i, i + batch_size))) for i in starts])


def _join(parts: list[Any]) -> Any:
    """Return the outputs of mini-batches as one output."""
    first = parts[0]
    if isinstance(first, Batch):
        raise TypeError("predict: the model returns a Batch; end it with Nodes() or a pool to predict in mini-batches")
    if isinstance(first, dict):
        return {name: _join([part[name] for part in parts]) for name in first}
    if isinstance(first, tuple):
        return tuple(_join(list(column)) for column in zip(*parts, strict=True))
    return ops.concatenate(parts)


# ---- the loop ----------------------------------------------------------------------------------------------


class _Callbacks:
    """Asks every callback at a point, in order."""

    def __init__(self, callbacks: Sequence[Any]):
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            if not any(hasattr(callback, point) for point in POINTS):
                raise TypeError(
                    f"callback {type(callback).__name__} has none of the methods {', '.join(POINTS)}; "
                    "each takes the run"
                )
        self.used = {point for point in POINTS if any(hasattr(callback, point) for callback in self.callbacks)}

    def __call__(self, point: str, run: Run) -> bool:
        """Return whether somebody wants to stop."""
        if point in self.used:
            for callback in self.callbacks:
                method = getattr(callback, point, None)
                answer = None if method is None else method(run)
                if isinstance(answer, (bool, np.bool_)) and answer and run.history.stopped is None:
                    run.stop(f"{type(callback).__name__} at {point}")
        return run.history.stopped is not None

    def finish(self, run: Run) -> None:
        """Ask all of them at after_fit, though the training or one of them failed."""
        with ExitStack() as stack:
            for callback in reversed(self.callbacks):  # the stack is called from its top
                if hasattr(callback, "after_fit"):
                    stack.callback(callback.after_fit, run)


def _loop(run: Run, batch_size: int | None, ask: _Callbacks) -> Generator[Run, None, Run]:
    try:
        ask("begin_fit", run)
        for epoch in range(run.n_epochs):
            start = time.perf_counter()
            if run.history.stopped is not None or ask("begin_epoch", run):
                break
            values, sizes = [], []
            for index in _mini_batches(run.data.n_examples, batch_size, (run.seed, epoch)):
                part = run.data.take(index)
                if not part.n_counted:
                    continue
                if ask("begin_batch", run) or not _step(run, part, ask):
                    break
                values.append(run.value)
                sizes.append(part.n_counted)
                yield run
                if ask("after_batch", run):
                    break
            if values:
                _close_epoch(run, float(np.average(values, weights=sizes)), start, ask)
    finally:
        ask.finish(run)
    return run


def _step(run: Run, part: Data, ask: _Callbacks) -> bool:
    """Do one training step; return whether it was done, or stopped by a callback between its halves."""
    rng = (run.seed, run.step)

    def objective(params: Params) -> tuple[Array, tuple]:
        predictions, updates = run.model.apply(params, part.inputs, train=True, rng=rng)
        return run._loss_of(predictions, part), (predictions, updates)

    tape = Tape(objective, run.params)
    value, (run.predictions, updates) = tape.output
    if np.shape(value) != ():
        raise TypeError(f"the loss must be a single number, got shape {np.shape(value)}; take its mean or sum")
    run.value, run.targets = float(value), part.targets
    if not np.isfinite(run.value):
        culprit = first_not_finite(run.model, run.params, part.inputs, train=True, rng=rng)
        raise TrainingDiverged(
            f"step {run.step}: the loss is {run.value}; "
            f"the first numbers that are not finite are in {culprit}. "
            "Lower the step size, or look at the inputs and targets of this mini-batch.",
            run.step,
            culprit,
            run.last_good,
        )
    if ask("after_forward", run):
        return False
    run.grads = tape.gradient(_scalar)
    for name, gradient in run.grads.items():
        if not np.isfinite(gradient).all():
            raise TrainingDiverged(
                f"step {run.step}: the gradient of {name!r} is not finite (loss {run.value:.4g}). "
                "The parameters of the last good step are in the error's .params.",
                run.step,
                name,
                run.last_good,
            )
    if ask("after_backward", run):
        return False
    run.last_good = run.params
    new, run.state = run.optimizer.update(run.params, run.grads, run.state)
    run.params = {**new, **updates}
    run.history.steps.append(run.value)
    run.step += 1
    return True


def _scalar(pair: tuple) -> Any:
    return pair[0]


def _close_epoch(run: Run, mean_loss: float, start: float, ask: _Callbacks) -> None:
    history = run.history
    history.loss.append(mean_loss)
    if run.validation is not None:
        ask("begin_validate", run)
        predictions = run.model(run.params, run.validation.inputs)
        history.validation_loss.append(float(run._loss_of(predictions, run.validation)))
    if run.metrics:
        predictions, targets = run.validation_predictions() or run.train_predictions()
        for name, metric in run.metrics.items():
            history.metrics[name].append(float(metric(predictions, targets)))
    history.seconds.append(time.perf_counter() - start)
    run.epoch += 1
    ask("after_epoch", run)


def _check_batch_size(batch_size: int | None) -> None:
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more, got {batch_size}")


def _mini_batches(n: int, batch_size: int | None, seed: tuple[int, int]) -> Iterator[np.ndarray | None]:
    """Yield the examples of each mini-batch, shuffled; the last may be smaller; None for all in one."""
    if batch_size is None or batch_size >= n:
        yield None
        return
    order = np.random.default_rng(seed).permutation(n)
    for i in range(0, n, batch_size):
        yield order[i : i + batch_size]
