"""Training: `steps` iterates over training steps, so that a person can pause; `fit` runs them to the end.

Everything about a training is on its `Run`: parameters, gradients, loss, history. Callbacks see the run at
nine points, in the order they were given, and stop the training by returning True. A stop at begin_batch,
after_forward or after_backward leaves that step untaken; an epoch in which a step was taken is still
evaluated and closed; and after_fit is asked of every callback, however the training ends.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from graphnn import ops
from graphnn.autodiff import Tape
from graphnn.batch import Batch
from graphnn.checks import TrainingDiverged
from graphnn.layer import Layer, first_not_finite, names_read
from graphnn.losses import mean_squared_error
from graphnn.optim import Optimizer, adam
from graphnn.training.data import Data, make_data, make_inputs, n_examples_of, take_examples, validation_parts
from graphnn.training.run import History, Loss, Run, moving, number
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

INTERRUPTED = "interrupted by the keyboard"


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
    run, ask = _prepare(
        model, params, inputs, targets, loss, optimizer, epochs, batch_size, per, mask, validation, metrics, seed,
        callbacks,
    )  # fmt: skip
    return _loop(run, batch_size, ask)


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
    """Train a model and return (parameters, history). The parameters passed in are not changed: arrays are copied.

    inputs: a Batch, a list of graphs (packed once), an array with one example a row, or a dict of arrays
    targets: an array with a row for each graph, node or edge, as `per` says; or a dict of arrays
    loss: loss(predictions, targets), also called with mask= if there is a mask
    optimizer: adam(0.01) when None
    batch_size: graphs in a mini-batch; None takes all of them in every step
    mask: booleans, which targets count: with per="node" the labelled nodes
    validation: (inputs, targets) or (inputs, targets, mask), evaluated after every epoch
    metrics: {name: metric(predictions, targets)}, evaluated after every epoch; also called with mask= if there is
        a mask of entries, with two dimensions; a mask of rows leaves the rows out
    seed: of the order of the mini-batches and of the noise; the same seed gives the same bits
    callbacks: objects such as `EarlyStopping()`, `Progress()` or `LivePlot()`, each with methods that take the run,
        named like the points at which they are asked: begin_fit, begin_epoch, begin_batch, after_forward,
        after_backward, after_batch, begin_validate, after_epoch, after_fit

    A Rescale layer in the model is set from the training targets first. The dict may hold more than the model reads:
    floating extras get the gradient of the loss, anything else passes through as it is. KeyError is raised for a
    name that looks like a misspelt one of the model. A loss or gradient that is not finite stops the training with
    TrainingDiverged, which names the step and the first parameter or layer concerned. Ctrl-C ends the training with
    what has been learned so far; history.stopped says so.

    >>> from graphnn import Dense, sgd
    >>> x, y = np.array([[0.0], [1.0]]), np.array([[1.0], [3.0]])
    >>> model = Dense(1)
    >>> params, history = fit(model, model.init(0, x), x, y, optimizer=sgd(0.5), epochs=100)
    >>> params["weight"].round(3).tolist(), params["bias"].round(3).tolist()
    ([[2.0]], [1.0])
    """
    run, ask = _prepare(
        model, params, inputs, targets, loss, optimizer, epochs, batch_size, per, mask, validation, metrics, seed,
        callbacks,
    )  # fmt: skip
    training = _loop(run, batch_size, ask)
    try:
        for _ in training:
            pass
    except KeyboardInterrupt:
        run.stop(INTERRUPTED)
        training.close()
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


def _prepare(
    model: Layer, params: Params, inputs: Any, targets: Any, loss: Loss, optimizer: Optimizer | None, epochs: int,
    batch_size: int | None, per: str, mask: Any, validation: Sequence[Any] | None,
    metrics: Mapping[str, Callable] | None, seed: int, callbacks: Sequence[Any],
) -> tuple[Run, _Callbacks]:  # fmt: skip
    """Return a run that has not begun, and its callbacks, after a check of all that `fit` is given."""
    if not isinstance(params, Mapping):
        swapped = ": the model comes first" if isinstance(model, Mapping) else ", a dict of arrays"
        raise TypeError(f"expected (model, params), got {type(model).__name__} and {type(params).__name__}{swapped}")
    optimizer = adam(1e-2) if optimizer is None else optimizer
    if isinstance(optimizer, type) or not hasattr(optimizer, "update"):
        raise TypeError(f"optimizer is {optimizer!r}; give an optimiser such as gn.adam(0.01)")
    if not callable(loss):
        raise TypeError(f"loss is {loss!r}; give a function such as gn.mean_squared_error")
    metrics = {} if metrics is None else metrics
    if not isinstance(metrics, Mapping):
        raise TypeError(f"metrics must be a dict such as {{'rmse': gn.rmse}}, got {type(metrics).__name__}")
    _check_batch_size(batch_size)
    if not isinstance(epochs, (int, np.integer)):
        raise TypeError(f"epochs must be a whole number, got {epochs!r}")
    if epochs < 0:
        raise ValueError(f"epochs must be 0 or more, got {epochs}")
    ask = _Callbacks(callbacks)

    data = make_data(inputs, targets, per, mask, "inputs")
    held_out = None if validation is None else make_data(*validation_parts(validation, per), "validation")
    masks = [part.mask for part in (data, held_out) if part is not None and part.mask is not None]
    if masks:
        _refuse_without_mask("the loss", loss)
    if any(part.ndim > 1 for part in masks):
        for name, metric in metrics.items():
            _refuse_without_mask(f"the metric {name!r}", metric)

    run = Run(
        model,
        params,
        optimizer=optimizer,
        loss=loss,
        data=data,
        validation=held_out,
        metrics=dict(metrics),
        seed=seed,
    )
    run.n_epochs = int(epochs)
    # One evaluation, of no more than a mini-batch, tells the parameters of this model from all else in the dict.
    first = data.inputs if batch_size is None else take_examples(data.inputs, slice(0, batch_size))
    read = names_read(model, params, first)
    _refuse_misspelt(params, read)
    run.set_target_scale(read)
    return run, ask


def _refuse_without_mask(who: str, function: Callable) -> None:
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # Python cannot tell
        return
    if not any(p.name == "mask" or p.kind is p.VAR_KEYWORD for p in parameters):
        raise TypeError(f"{who} takes no mask=, which fit passes because you gave one; add a keyword mask to it")


def _refuse_misspelt(params: Params, read: set[str]) -> None:
    """Refuse a name that the model does not read, one letter away from one that it reads in the same layer."""
    for name in params:
        path, _, last = name.rpartition(".")
        for other in () if name in read else sorted(read):
            place, _, right = other.rpartition(".")
            same = sum(block.size for block in SequenceMatcher(None, last, right).get_matching_blocks())
            numbered = last.rstrip("0123456789") == right.rstrip("0123456789")
            if path == place and not numbered and same >= max(3, len(last) - 1, len(right) - 1):
                raise KeyError(f"the model reads no parameter {name!r}; did you mean {other!r}?")


def _read_only(value: Any) -> Any:
    """Return the same arrays, which the backward pass or the caller still needs, as views that refuse to be changed."""
    if isinstance(value, dict):
        return {name: _read_only(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(map(_read_only, value))
    if not isinstance(value, np.ndarray):
        return value
    view = value.view()
    view.setflags(write=False)
    return view


class _Callbacks:
    """Asks every callback at a point, in order."""

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

    def finish(self, run: Run, first: BaseException | None) -> None:
        """Ask all of them at after_fit, though the training or one of them failed; raise the first failure."""
        for callback in self.callbacks:
            try:
                if hasattr(callback, "after_fit"):
                    callback.after_fit(run)
            except BaseException as error:
                first = first or error
        if first is not None:
            raise first


def _loop(run: Run, batch_size: int | None, ask: _Callbacks) -> Generator[Run, None, Run]:
    failure: BaseException | None = None
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
    except GeneratorExit:  # the consumer left the loop, which is fine
        pass
    except KeyboardInterrupt as interrupt:
        run.stop(INTERRUPTED)
        failure = interrupt
    except BaseException as error:
        failure = error
    ask.finish(run, failure)
    return run


def _step(run: Run, part: Data, ask: _Callbacks) -> bool:
    """Do one training step; return whether it was done, or stopped by a callback between its halves."""
    rng = (run.seed, run.step)

    def objective(moving: Params) -> tuple[Array, tuple]:
        predictions, updates = run.model.apply({**run.params, **moving}, part.inputs, train=True, rng=rng)
        return run._loss_of(predictions, part), (predictions, updates)

    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found and named below
        tape = Tape(objective, moving(run.params))
    value, (predictions, updates) = tape.output
    run.predictions, run.targets = _read_only(predictions), _read_only(part.targets)
    run.value = number("the loss", value)
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
    with np.errstate(over="ignore", invalid="ignore"):
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
    new, run.state = run.optimizer.update(moving(run.params), run.grads, run.state)
    run.params = {**run.params, **new, **updates}
    run.history.steps.append(run.value)
    run.step += 1
    return True


def _scalar(pair: tuple) -> Any:
    return pair[0]


def _close_epoch(run: Run, mean_loss: float, start: float, ask: _Callbacks) -> None:
    history = run.history
    history.loss.append(mean_loss)
    data = run.data if run.validation is None else run.validation
    if run.validation is not None:
        ask("begin_validate", run)
    if run.validation is not None or run.metrics:
        predictions = run.model(run.params, data.inputs)
        if run.validation is not None:
            history.validation_loss.append(number("the loss", run._loss_of(predictions, data)))
        for name in run.metrics:
            history.metrics[name].append(run._metric_of(name, predictions, data))
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
