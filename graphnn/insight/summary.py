"""A model layer by layer before any training: what comes out, what is learned, what it costs."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnn.batch import Batch
from graphnn.insight.costs import BACK_AND_FORTH, order_of
from graphnn.insight.notes import Step
from graphnn.insight.params import Table, counted, memory
from graphnn.insight.reading import Reading, Use
from graphnn.layer import Layer, as_input
from graphnn.types import Params, is_statistic


def summary(model: Layer, graphs: Any, params: Params | None = None) -> Table:
    """Return what `Layer.summary` promises, which is also where it is explained."""
    data = as_input(graphs)
    seen = Reading(model, model.init(0, data) if params is None else params, data, features=True)
    work: dict[int | None, list[Step]] = {}
    for step in seen.notes.steps:
        work.setdefault(step.use, []).append(step)
    owned = seen.owned
    rows = []
    for use in seen.ended:
        if use.hands_on and use.number not in work and use.number not in owned:
            continue
        numbers = sum(np.size(seen.params[name]) for name in owned.get(use.number, ()) if not is_statistic(name))
        rows.append((use.label, what_is(use), shapes_of(use), numbers, *_costs(work.get(use.number, []))))
    columns = ("layer", "what", "output", "parameters", "multiply-adds", "bytes", "about ms")
    table = Table(columns, tuple(rows), "")
    sums = [sum(table.column(name)) for name in columns[3:6]]
    forward = sum(step.expected for step in seen.notes.steps)
    training = order_of(BACK_AND_FORTH * forward)
    total = (
        f"{counted(sums[0], 'parameter')}, {counted(sums[1], 'multiply-add')}, {memory(sums[2])}, "
        f"about {order_of(forward):g} ms forward and {training:g} ms a training step, for {_of(data)}"
    )
    return Table(columns, table.rows, total)


def _costs(steps: list[Step]) -> tuple[int, int, float]:
    """Return the last columns of a row: multiply-adds, bytes, and the order of the milliseconds."""
    multiply_adds, n_bytes = sum(step.multiply_adds for step in steps), sum(step.n_bytes for step in steps)
    return multiply_adds, n_bytes, order_of(sum(step.expected for step in steps))


def what_is(use: Use) -> str:
    """Return the layer as it would be written, one that holds layers by its kind."""
    return type(use.layer).__name__ if use.inner else repr(use.layer)


def shapes_of(use: Use) -> tuple:
    shapes = [array.shape for array in use.values.values()]
    return shapes[0] if len(shapes) == 1 else tuple(shapes)


def _of(data: Any) -> str:
    if isinstance(data, Batch):
        parts = ((data.n_graphs, "graph"), (data.n_nodes, "node"), (data.n_edges, "edge"))
        return ", ".join(counted(n, noun) for n, noun in parts)
    return "several inputs" if isinstance(data, dict) else f"an array {data.shape}"
