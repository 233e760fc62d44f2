"""One step of training, operation by operation."""

from __future__ import annotations

import copy
from time import perf_counter
from typing import Any

import numpy as np

from graphnn.autodiff import value_and_grad
from graphnn.flat import scalar
from graphnn.insight.params import Table, counted, memory
from graphnn.insight.reading import Loss, Reading, is_leaf
from graphnn.layer import Layer, Rng, as_input
from graphnn.types import Params


def trace(
    model: Layer,
    params: Params,
    graphs: Any,
    loss: Loss | None = None,
    *,
    train: bool = False,
    rng: Rng = None,
    repeats: int = 10,
) -> Table:
    """Return one step of training operation by operation, in the order in which they run, and how long each takes.

    step            the primitive; "affine" is activation(x W + b) in one
    layer           the innermost layer that does it; "loss" behind the model
    inputs, output  shapes of the arrays
    multiply-adds   forward, counted as in `Layer.summary`; the backward pass takes about twice as many
    bytes           of the array it makes, which lives until the backward pass; 0 where it is a view of another
    ms              forward: from the end of the step before to the end of this one, so with the Python in between
    backward ms     with a loss: the same on the way back, where the steps run in the opposite order
    share %         of both together

    Times are the shortest of `repeats` runs, for what else a machine does only adds, after one that is not counted, for
    in it kernels are prepared. Writing a step down is not in its time, which ends before; the last line says what the
    sum is, and what the same step takes where nobody looks. Constants are not on the tape: kernels, and products with
    features that do not change, count as time of the step behind them.

    loss: a function of what the model returns that gives a number; without one, only forward
    train, rng: as in `model.apply`. Raises ValueError for fewer repeats than 1, and as `watch` does.

    >>> from graphnn.layers import Dense, Sequential
    >>> model = Sequential(Dense(4), Dense(1))
    >>> steps = trace(model, model.init(0, np.ones((5, 3))), np.ones((5, 3)), loss=np.sum)
    >>> for step in zip(*map(steps.column, ("step", "layer", "inputs", "output", "multiply-adds", "bytes"))):
    ...     print(*step)
    affine 0.dense ((5, 3), (3, 4), (4,)) (5, 4) 60 160
    affine 1.dense ((5, 4), (4, 1), (1,)) (5, 1) 20 40
    sum loss ((5, 1),) () 5 8
    """
    if repeats < 1:
        raise ValueError(f"trace: repeats must be 1 or more, got {repeats}")
    data = as_input(graphs)
    times, wanted = [], None if loss is None else scalar("trace", loss)
    for _ in range(repeats + 1):
        seen = Reading(model, params, data, loss=wanted, train=train, rng=copy.deepcopy(rng))
        times.append([(step.forward, step.backward) for step in seen.notes.steps])
    forward, backward = np.min(1e3 * np.reshape(times[1:], (repeats, -1, 2)), axis=0).T
    whole = max(forward.sum() + backward.sum(), 1e-12)
    rows = []
    for step, ahead, back in zip(seen.notes.steps, forward, backward, strict=True):
        place = "loss" if step.use is None else seen.uses[step.use].label
        way_back = () if loss is None else (float(back),)
        share = 100 * float(ahead + back) / whole
        rows.append(
            (
                step.name,
                place,
                step.inputs,
                step.output,
                step.multiply_adds,
                step.n_bytes,
                float(ahead),
                *way_back,
                share,
            )
        )
    back_column = () if loss is None else ("backward ms",)
    columns = ("step", "layer", "inputs", "output", "multiply-adds", "bytes", "ms", *back_column, "share %")
    untraced = _untraced(model, params, data, loss, train, rng, repeats)
    spent = f"{forward.sum():.3g} ms forward" + ("" if loss is None else f" and {backward.sum():.3g} ms back")
    work = sum(row[4] for row in rows), sum(row[5] for row in rows)
    total = (
        f"{counted(len(rows), 'step')}, {counted(work[0], 'multiply-add')}, {memory(work[1])}, {spent}; "
        f"{untraced:.3g} ms where nobody looks"
    )
    return Table(columns, tuple(rows), total)


def _untraced(model: Layer, params: Params, data: Any, loss: Loss | None, train: bool, rng: Rng, repeats: int) -> float:
    """Return the milliseconds of the same step by itself, the shortest of several, after one that is not counted."""
    moving = {name: value for name, value in params.items() if is_leaf(name, value)}

    def value(leaves: Params) -> Any:
        out, _ = model.apply({**params, **leaves}, data, train=train, rng=copy.deepcopy(rng))
        return out if loss is None else loss(out)

    step = value if loss is None else value_and_grad(value)
    times = []
    for _ in range(repeats + 1):
        start = perf_counter()
        step(moving)
        times.append(perf_counter() - start)
    return 1e3 * min(times[1:])
