"""Training: `steps` iterates over training steps, so that a person can pause; `fit` runs them to the end.

Everything about a training is on its `Run`: parameters, gradients, loss, history. Callbacks see the run at
nine points, in the order they were given, and stop the training by returning True. A stop at begin_batch,
after_forward or after_backward leaves that step untaken; an epoch in which a step was taken is still
evaluated and closed; and after_fit is asked of every callback that began, however the training ends.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from functools import partial
from typing import Any

import numpy as np

from graphnn import ops
from graphnn.autodiff import Tape
from graphnn.batch import Batch
from graphnn.checks import INTERRUPTED, floating
from graphnn.layer import Layer, names_read
from graphnn.losses import mean_squared_error
from graphnn.ops.buffers import release_memory
from graphnn.optim import Optimizer, adam, step_sizes
from graphnn.training.data import (
    Data,
    first_target,
    in_dtype,
    make_data,
    make_inputs,
    n_examples_of,
    refuse_spreading,
    take_examples,
    validation_parts,
)
from graphnn.training.history import History
from graphnn.training.points import Callbacks
from graphnn.training.room import check_training
from graphnn.training.run import Loss, Run, moving, number
from graphnn.training.several import per_loss
from graphnn.training.trust.culprit import all_finite, gradient_diverged, loss_diverged, squares, validation_diverged
from graphnn.training.trust.diagnosis import Diagnosis, warn
from graphnn.training.trust.pace import Pace
from graphnn.types import Array, Params


def steps(
    model: Layer,
    params: Params,
    inputs: Any,
    targets: Any,
    *,
    loss: Loss | Mapping[str, Loss] = mean_squared_error,
    optimizer: Optimizer | Mapping[str, Optimizer] | None = None,
    epochs: int = 100,
    batch_size: int | None = None,
    dtype: Any = None,
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
        model, params, inputs, targets, loss, optimizer, epochs, batch_size, dtype, per, mask, validation, metrics,
        seed, callbacks,
    )  # fmt: skip
    return _loop(run, ask)


def fit(
    model: Layer,
    params: Params,
    inputs: Any,
    targets: Any,
    *,
    loss: Loss | Mapping[str, Loss] = mean_squared_error,
    optimizer: Optimizer | Mapping[str, Optimizer] | None = None,
    epochs: int = 100,
    batch_size: int | None = None,
    dtype: Any = None,
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
    loss: loss(predictions, targets), also called with mask= if there is a mask; or several, {name: loss}, which are
        back-propagated each on its own after one forward pass: run.losses and run.loss_grads hold them by name
    optimizer: adam(0.01) when None; with several losses it moves along the sum of their gradients, unless it is a dict
        of optimisers by the losses' names (see `per_loss`)
    batch_size: graphs in a mini-batch; None takes all of them in every step
    dtype: "float32" or "float64", to train in whatever came: inputs, targets and parameters are converted once, and
        what comes back has it. float32 takes half of the memory and less time. None keeps what comes in
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
    TrainingDiverged, which names the step, the first parameter or layer and the graph concerned. A training step that
    would not fit in memory is refused before the first, by a MemoryError that names the largest array. One that runs
    but does not learn is told of by a TrainingWarning with its cause and a remedy, also in history.findings; see
    `diagnose`. Ctrl-C ends the training with what has been learned so far; history.stopped says so.

    >>> from graphnn import Dense, sgd
    >>> x, y = np.array([[0.0], [1.0]]), np.array([[1.0], [3.0]])
    >>> model = Dense(1)
    >>> params, history = fit(model, model.init(0, x), x, y, optimizer=sgd(0.5), epochs=100)
    >>> params["weight"].round(3).tolist(), params["bias"].round(3).tolist()
    ([[2.0]], [1.0])
    """
    learned = _to_the_end(*_prepare(
        model, params, inputs, targets, loss, optimizer, epochs, batch_size, dtype, per, mask, validation, metrics,
        seed, callbacks,
    ))  # fmt: skip
    release_memory()  # what was packed for this training is gone by now
    return learned


def _to_the_end(run: Run, ask: Callbacks) -> tuple[Params, History]:
    training = _loop(run, ask)
    try:
        for _ in training:
            pass
    except KeyboardInterrupt:
        run.stop(INTERRUPTED)
        training.close()
    return run.params, run.history


def predict(model: Layer, params: Params, inputs: Any, batch_size: int | None = None, dtype: Any = None) -> Any:
    """Return the model's output for all inputs, in evaluation mode; with `batch_size` a mini-batch at a time.

    dtype: "float32" or "float64", to compute in whatever came in, as in `fit`

    The output is an array, or a tuple or dict of arrays.

    >>> from graphnn import Dense
    >>> x = np.ones((5, 2))
    >>> predict(Dense(1), Dense(1).init(0, x), x, batch_size=2).shape
    (5, 1)
    """
    dtype = None if dtype is None else floating("predict", dtype)
    data, params = make_inputs(inputs, "inputs", dtype), in_dtype(params, dtype)
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
    model: Layer, params: Params, inputs: Any, targets: Any, loss: Loss | Mapping[str, Loss],
    optimizer: Optimizer | Mapping[str, Optimizer] | None, epochs: int,
    batch_size: int | None, dtype: Any, per: str, mask: Any, validation: Sequence[Any] | None,
    metrics: Mapping[str, Callable] | None, seed: int, callbacks: Sequence[Any],
) -> tuple[Run, Callbacks]:  # fmt: skip
    """Return a run that has not begun, and its callbacks, after a check of all that `fit` is given."""
    if not isinstance(params, Mapping):
        swapped = ": the model comes first" if isinstance(model, Mapping) else ", a dict of arrays"
        raise TypeError(f"expected (model, params), got {type(model).__name__} and {type(params).__name__}{swapped}")
    if isinstance(loss, Mapping):
        loss = dict(loss)
    _refuse_losses(loss, optimizer)
    optimizer = adam(1e-2) if optimizer is None else optimizer
    optimizer = per_loss(optimizer) if isinstance(optimizer, Mapping) else optimizer
    if isinstance(optimizer, type) or not hasattr(optimizer, "update"):
        raise TypeError(f"optimizer is {optimizer!r}; give an optimiser such as gn.adam(0.01)")
    metrics = {} if metrics is None else metrics
    if not isinstance(metrics, Mapping):
        raise TypeError(f"metrics must be a dict such as {{'rmse': gn.rmse}}, got {type(metrics).__name__}")
    _check_batch_size(batch_size)
    if not isinstance(epochs, (int, np.integer)):
        raise TypeError(f"epochs must be a whole number, got {epochs!r}")
    if epochs < 0:
        raise ValueError(f"epochs must be 0 or more, got {epochs}")
    ask = Callbacks(callbacks)

    dtype = None if dtype is None else floating("fit", dtype)
    data = make_data(inputs, targets, per, mask, "inputs", dtype)
    held_out = None if validation is None else make_data(*validation_parts(validation, per), "validation", dtype)
    params = in_dtype(dict(params), dtype)
    masks = [part.mask for part in (data, held_out) if part is not None and part.mask is not None]
    if masks:
        for who, function in (loss if isinstance(loss, dict) else {"": loss}).items():
            _refuse_without_mask(f"the loss {who!r}" if who else "the loss", function)
    if any(part.ndim > 1 for part in masks):
        for name, metric in metrics.items():
            _refuse_without_mask(f"the metric {name!r}", metric)

    check_training(model, params, data, batch_size)
    run = Run(
        model,
        params,
        optimizer=optimizer,
        loss=loss,
        data=data,
        validation=held_out,
        metrics=dict(metrics),
        seed=seed,
        epochs=int(epochs),
        batch_size=batch_size,
        callbacks=ask.callbacks,
    )
    # One evaluation, of no more than a mini-batch, tells the parameters of this model from all else in the dict.
    first = data.inputs if batch_size is None else take_examples(data.inputs, slice(0, batch_size))
    read = names_read(model, params, first)
    _refuse_misspelt(params, read)
    run.set_target_scale(read)
    return run, ask


def _refuse_losses(loss: Any, optimizer: Any) -> None:
    """Refuse what is no loss, and optimisers by other names than the losses'."""
    for name, function in loss.items() if isinstance(loss, dict) else (("", loss),):
        if not callable(function):
            who = f"loss {name!r}" if name else "loss"
            raise TypeError(f"{who} is {function!r}; give a function such as gn.mean_squared_error")
    if isinstance(loss, dict) and (len(loss) < 2 or any(not isinstance(n, str) or not n or "/" in n for n in loss)):
        raise ValueError(f"several losses are a dict of two or more with names, and without '/', got {list(loss)}")
    if isinstance(optimizer, Mapping):
        names = list(loss) if isinstance(loss, dict) else ["the one loss"]
        if not isinstance(loss, dict) or set(optimizer) != set(loss):
            raise ValueError(f"optimizer has {list(optimizer)}, the losses are {names}; give one for each, or just one")


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


def _loop(run: Run, ask: Callbacks) -> Generator[Run, None, Run]:
    failure: BaseException | None = None
    try:
        ask.begin(run)
        run.diagnosis, run.pace = Diagnosis(run), Pace()
        while run.epoch < run.n_epochs:
            if not run.now.batch:  # else an epoch begun by a run before this goes on
                run.began = time.perf_counter()
                if run.history.stopped is not None or ask("begin_epoch", run):
                    break
            yield from _epoch(run, ask)
            if not run.now.batch:
                break
            _close_epoch(run, ask)
        run.diagnosis.close(run)
    except GeneratorExit:
        pass
    except KeyboardInterrupt as interrupt:
        run.stop(INTERRUPTED)
        failure = interrupt
    except BaseException as error:
        failure = error
    run.history.trim(run.step, run.epoch)
    run.trained = run.now
    ask.finish(run, failure)
    return run


def _epoch(run: Run, ask: Callbacks) -> Generator[Run, None, None]:
    """Do the steps of one epoch that are left of it."""
    for position, index in enumerate(_mini_batches(run.data.n_examples, run.batch_size, (run.seed, run.epoch))):
        if position < run.now.batch:
            continue
        part = run.data.take(index)
        if not part.n_counted:
            continue
        if ask("begin_batch", run):
            return
        began = time.perf_counter()
        if not _step(run, part, position, ask):
            return
        if index is None or len(index) == run.batch_size:
            complaint = run.pace.complaint(time.perf_counter() - began)
            if complaint is not None:
                warn(complaint)
        try:
            yield run
        finally:  # also where the consumer leaves the loop, which is fine: the step was done
            stop = ask("after_batch", run)
            run.settled = True
        if stop:
            return


def _step(run: Run, part: Data, position: int, ask: Callbacks) -> bool:
    """Do one training step; return whether it was done, or stopped by a callback between its halves."""
    rng = (run.seed, run.step)

    def objective(moving: Params) -> tuple[dict[str, Array], tuple]:
        predictions, updates = run.model.apply({**run.params, **moving}, part.inputs, train=True, rng=rng)
        return _losses_of(run, predictions, part), (predictions, updates)

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # what is not finite is found and named below
        tape = Tape(objective, moving(run.params))
    losses, (predictions, updates) = tape.output
    seen = (part.inputs, predictions, part.targets)
    run.inputs, run.predictions, run.targets = map(_read_only, seen)
    several = isinstance(run.loss, Mapping)
    run.losses = {
        name: number(f"the loss {name!r}" if several else "the loss", value) for name, value in losses.items()
    }
    run.value = sum(run.losses.values())
    if not run.step:
        _refuse_spreading(run, predictions, part)
    if not np.isfinite(run.value):
        raise loss_diverged(run, part, rng)
    if ask("after_forward", run):
        return False
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        by_loss = {name: tape.gradient(partial(_pick, name)) for name in losses}
    run.loss_grads = by_loss if several else {}
    run.grads = _sum(list(by_loss.values()))
    sums = squares(run.grads)
    if not all_finite(run.grads, sum(sums.values())):
        raise gradient_diverged(run, part, rng)
    run.diagnosis.look(run, sums, part)
    if ask("after_backward", run):
        return False
    run.last_good = run.params
    grads = run.loss_grads if isinstance(run.optimizer, per_loss) else run.grads
    new, state = run.optimizer.update(moving(run.params), grads, run.state)
    now, counted = run.now, part.n_counted
    totals = {name: now.totals.get(name, 0.0) + value * counted for name, value in run.losses.items()}
    run.history.steps.append(run.value)
    run.settled = False
    run.now = replace(
        now,
        params={**run.params, **new, **updates},
        state=state,
        step=now.step + 1,
        batch=position + 1,
        totals=totals,
        count=now.count + counted,
    )
    return True


def _losses_of(run: Run, predictions: Any, data: Data) -> dict[str, Array]:
    """Return the losses; one that refuses a missing target is told where in the user's data that is."""
    try:
        return run.losses_of(predictions, data)
    except ValueError as error:
        missing = first_target(data, np.isnan)
        if missing is None:
            raise
        whose = "validation " if data is run.validation else ""
        raise ValueError(f"{error} (the first of them here is {whose}{missing[0]})") from error


def _refuse_spreading(run: Run, predictions: Any, data: Data) -> None:
    """Refuse losses that compare every prediction with every target."""
    losses = run.loss if isinstance(run.loss, Mapping) else {"": run.loss}
    for name in losses:
        function = partial(_one_loss, run, name or "loss")
        refuse_spreading(f"the loss {name!r}" if name else "the loss", function, predictions, data)


def _one_loss(run: Run, name: str, predictions: Any, data: Data) -> Any:
    return run.losses_of(predictions, data)[name]


def _pick(name: str, output: tuple) -> Any:
    return output[0][name]


def _sum(grads: list[Params]) -> Params:
    """Return the sum of gradients, name by name; of one the gradient itself."""
    return grads[0] if len(grads) == 1 else {name: sum(part[name] for part in grads) for name in grads[0]}


def _close_epoch(run: Run, ask: Callbacks) -> None:
    history, now = run.history, run.now
    means = {name: total / now.count for name, total in now.totals.items()}
    history.loss.append(sum(means.values()))
    history.note_step_sizes(step_sizes(run.optimizer, run.step - 1))
    for name in history.losses:
        history.losses[name].append(means[name])
    data = run.data if run.validation is None else run.validation
    if run.validation is not None:
        ask("begin_validate", run)
    if run.validation is not None or run.metrics:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # what is not finite is named below
            predictions = run.model(run.params, data.inputs)
            losses = {} if run.validation is None else _losses_of(run, predictions, data)
        if run.validation is not None:
            value = sum(number(f"the loss {name!r}", value) for name, value in losses.items())
            if not np.isfinite(value):
                raise validation_diverged(run, value)
            if not run.epoch:
                _refuse_spreading(run, predictions, data)
            history.validation_loss.append(value)
        for name in run.metrics:
            if not run.epoch:
                refuse_spreading(f"the metric {name!r}", partial(run._metric_of, name), predictions, data)
            history.metrics[name].append(run._metric_of(name, predictions, data))
    history.seconds.append(time.perf_counter() - run.began)
    run.settled = False
    run.now = replace(run.now, epoch=now.epoch + 1, batch=0, totals={}, count=0)
    ask("after_epoch", run)
    run.settled = True


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
