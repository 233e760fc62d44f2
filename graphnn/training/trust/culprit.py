"""Where numbers stop being finite: which parameter, which layer, which of the user's graphs; asked after the fact.

While all is well a training step pays for one sum of squares per gradient. Once a number is not finite, the mini-batch
that brought it is looked at again, layer by layer and graph by graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from graphnn.autodiff import Tape
from graphnn.batch import Batch
from graphnn.checks import TrainingDiverged
from graphnn.layer import Call, Layer, Scope, parts_of
from graphnn.ops import SparseMatrix
from graphnn.training.data import Data, n_examples_of, take_examples
from graphnn.types import Params

ENORMOUS = 1e6  # how many times larger than in the others a number must be to be pointed at
LossOf = Callable[[Any, Data], Any]


def squares(grads: Params) -> dict[str, float]:
    """Return the sum of squares of every gradient, inf or nan where one of its numbers is not finite.

    A finite gradient above the root of the largest float gives inf too, so `all_finite` has the last word.

    >>> squares({"weight": np.array([3.0, 4.0]), "bias": np.array([np.nan])})
    {'weight': 25.0, 'bias': nan}
    """
    return {name: float(np.vdot(g, g)) for name, g in grads.items()}


def all_finite(grads: Params, total: float) -> bool:
    """Say whether all gradients are finite; `total` is the sum of their squares."""
    return bool(np.isfinite(total)) or all(np.isfinite(g).all() for g in grads.values())


def loss_diverged(run: Any, part: Data, rng: Any) -> TrainingDiverged:
    """Return the error for a loss that is not finite, of the run at this mini-batch, with the noise of its step."""
    layer, bad = None, None
    bad_parameter = next((name for name, value in run.params.items() if not _finite(value)), None)
    if bad_parameter is not None:
        culprit, layer = f"parameter {bad_parameter!r}", _layer_of(bad_parameter)
    else:
        layer, bad, predictions = _first_layer(run.model, run.params, part, rng)
        culprit = "the loss" if layer is None else f"the output of layer {layer or type(run.model).__name__!r}"
        if layer is None:
            bad = _bad_rows(run.total_loss_of, predictions, part)
    place, index, oddity = _where(part, bad)
    return TrainingDiverged(
        f"step {run.step}: the loss is {run.value}; the first numbers that are not finite are in {culprit}{place}. "
        f"{oddity}Lower the step size, or look at the inputs and targets of this mini-batch.",
        run.step,
        culprit,
        run.last_good,
        layer,
        index,
    )


def gradient_diverged(run: Any, part: Data, rng: Any) -> TrainingDiverged:
    """Return the error for a gradient that is not finite.

    What is not finite spreads backwards, so the layer named is the last one in the order of the parameters.
    """
    bad_names = [name for name, g in run.grads.items() if not _finite(g)]
    layer = _layer_of(bad_names[-1])
    name = next(name for name in bad_names if _layer_of(name) == layer)
    floats = {name: run.params[name] for name in run.grads}

    def is_bad(examples: np.ndarray) -> bool:
        some = part.take(examples)

        def objective(moving: Params) -> Any:
            predictions, _ = run.model.apply({**run.params, **moving}, some.inputs, train=True, rng=rng)
            return run.total_loss_of(predictions, some)

        with np.errstate(all="ignore"):
            return bool(some.n_counted) and not all(map(_finite, Tape(objective, floats).gradient().values()))

    first, bad = _first_bad(part.n_examples, is_bad), None
    if first is not None:
        bad = np.arange(part.n_examples) == first
    place, index, oddity = _where(part, bad)
    return TrainingDiverged(
        f"step {run.step}: the gradient of {name!r} is not finite{place} (loss {run.value:.4g}). {oddity}"
        "The parameters of the last good step are in the error's .params.",
        run.step,
        name,
        run.last_good,
        layer,
        index,
    )


def _finite(value: Any) -> bool:
    array = np.asarray(value)
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _layer_of(name: str) -> str:
    return name.rpartition(".")[0]


def _first_layer(model: Layer, params: Params, part: Data, rng: Any) -> tuple[str | None, np.ndarray | None, Any]:
    """Return the first layer that puts out what is not finite, which rows of it, and what the model puts out."""
    found: list[tuple[str, np.ndarray | None]] = []

    def watch(path: str, out: Any) -> None:
        for array in () if found else parts_of(out):
            rows = _rows_not_finite(array)
            if rows.any():
                if isinstance(out, Batch) and len(rows) != _lengths(part)["node"]:  # nodes of a coarser graph
                    rows = np.isin(np.arange(out.n_graphs), out.node_graph[rows])
                found.append((path, rows))
                return

    call = Call(params, True, rng)
    call.watch = watch
    with np.errstate(all="ignore"):
        predictions = model(Scope(call), part.inputs)
    return (*(found[0] if found else (None, None)), predictions)


def _rows_not_finite(array: Any) -> np.ndarray:
    if isinstance(array, SparseMatrix):
        return np.bincount(array.pattern.rows, ~np.isfinite(array.values), array.shape[0]) > 0
    bad = ~np.isfinite(np.atleast_1d(array))
    return bad.reshape(len(bad), -1).any(axis=1)


def _bad_rows(loss_of: LossOf, predictions: Any, part: Data) -> np.ndarray | None:
    """Return which row of the targets first makes the loss not finite by itself."""
    n = n_examples_of(part.targets)

    def is_bad(rows: np.ndarray) -> bool:
        mask = None if part.mask is None else part.mask[rows]
        some = Data(part.inputs, take_examples(part.targets, rows), part.per, mask)
        if not some.n_counted:
            return False
        with np.errstate(all="ignore"):
            return not np.isfinite(float(loss_of(take_examples(predictions, rows), some)))

    try:
        first = _first_bad(n, is_bad)
    except (ValueError, TypeError, IndexError):  # a loss that needs all rows at once cannot be asked about one
        return None
    return None if first is None else np.arange(n) == first


def _first_bad(n: int, is_bad: Callable[[np.ndarray], bool]) -> int | None:
    """Return the first of n that is bad alone, by halving; None where only several together are."""
    low, high = 0, n
    while high - low > 1:
        middle = (low + high) // 2
        if is_bad(np.arange(low, middle)):
            high = middle
        else:
            low = middle
    return low if n and is_bad(np.arange(low, high)) else None


# ---- the place, in the words of the user's data ----------------------------------------------------------------------


def _batch(inputs: Any) -> Batch | None:
    parts = inputs.values() if isinstance(inputs, Mapping) else (inputs,)
    return next((part for part in parts if isinstance(part, Batch)), None)


def _lengths(part: Data) -> dict[str, int]:
    """Return how many rows there are of every kind."""
    batch = _batch(part.inputs)
    if batch is None:
        return {"graph": part.n_examples, "node": -1, "edge": -1}
    return {"graph": batch.n_graphs, "node": batch.n_nodes, "edge": batch.n_edges}


def _where(part: Data, bad: np.ndarray | None) -> tuple[str, int | None, str]:
    """Return the first bad example in words, its number in the user's data, and what is odd in it.

    bad: booleans, one for each row of the targets, each example, node or edge
    """
    batch, lengths = _batch(part.inputs), _lengths(part)
    kinds = [kind for kind in (part.per, "graph", "node", "edge") if bad is not None and lengths[kind] == len(bad)]
    if bad is None or not kinds or not bad.any():
        return "", None, ""
    row = int(np.flatnonzero(bad)[0])
    examples, inside = np.flatnonzero(bad), ""
    if kinds[0] != "graph" and batch is not None:
        starts = batch.packed.node_offsets if kinds[0] == "node" else batch.packed.edge_offsets
        examples = np.unique(np.searchsorted(starts, examples, side="right") - 1)
        inside = f", {kinds[0]} {row - int(starts[examples[0]])}"
    example = int(examples[0])
    oddity = _oddity(part, example)
    if len(examples) == part.n_examples > 1 and not oddity:
        return f", for every {'row' if batch is None else 'graph'}", None, ""
    index = example if part.examples is None else int(part.examples[example])
    name = f"row {index}" if batch is None else f"graphs[{index}]"
    return f", first for {name}{inside}", index, f"In {name} {oddity}. " if oddity else ""


def _oddity(part: Data, example: int) -> str:
    """Return what stands out among the numbers of one example, "" if nothing does."""
    for what, array, owner in _numbers(part):
        if array.dtype.kind != "f" or not array.size:
            continue
        size = np.abs(array).reshape(len(array), -1)
        own = owner == example
        if not own.any():
            continue
        place = np.unravel_index(int(np.argmax(np.where(np.isfinite(size[own]), size[own], np.inf))), size[own].shape)
        worst = array[own].reshape(size[own].shape)[place]
        column = f" in column {int(place[1])}" if size.shape[1] > 1 else ""
        if not np.isfinite(worst):
            return f"{what} hold {worst}{column}"
        others = size[~own]
        usual = float(others.max()) if others.size else 0.0
        if abs(worst) > ENORMOUS * max(usual, 1.0 if not others.size else usual):
            beside = f", those of the others at most {usual:.3g}" if others.size else ""
            return f"{what} reach {worst:.3g}{column}{beside}"
    return ""


def _numbers(part: Data) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Give what the examples are made of: what it is called, its rows, and the example of each row."""
    n = part.n_examples
    for inputs in part.inputs.values() if isinstance(part.inputs, Mapping) else (part.inputs,):
        if not isinstance(inputs, Batch):
            yield "the inputs", inputs, np.arange(n)
            continue
        nodes, of_node, of_edge = inputs.nodes, inputs.node_graph, inputs.edge_segments.index
        if isinstance(nodes, SparseMatrix):
            nodes, of_node = nodes.values, of_node[nodes.pattern.rows]
        yield "the node features", nodes, of_node
        of_node = inputs.node_graph
        rows = {"edges": of_edge, "weights": of_edge, "positions": of_node, "globals": np.arange(n)}
        for name, owner in rows.items():
            if getattr(inputs, name) is not None:
                yield f"the {name}", getattr(inputs, name), owner
    batch, owner = _batch(part.inputs), np.arange(n)
    if part.per != "graph" and batch is not None:
        owner = batch.node_graph if part.per == "node" else batch.edge_segments.index
    for values in part.targets.values() if isinstance(part.targets, Mapping) else (part.targets,):
        yield "the targets", values, owner
