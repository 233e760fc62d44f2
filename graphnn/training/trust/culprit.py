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
from graphnn.training.data import Data, batch_in, n_examples_of, take_examples
from graphnn.types import Params

ENORMOUS = 1e6  # how many times larger than in the others a number must be to be pointed at
OTHERS = 8  # so many rows are asked beside the one that is bad alone, whether each of them is, too
NOT_FINITE, MEND = "the first numbers that are not finite are in", "Mend it, or leave it out."
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
    culprit, layer, index, place, oddity = _culprit_of_loss(run, part, rng)
    where = "look at the inputs and targets of this mini-batch."
    advice = f"Lower the step size, or {where}" if run.step else f"No step was taken before: {where}"
    if culprit.startswith("parameter") and not run.step:
        advice = "No step was taken before: look at the parameters that training began with."
    text = f"step {run.step}: the loss is {run.value}; {NOT_FINITE} {culprit}{place}. {_then(oddity, advice)}"
    error = TrainingDiverged(text, run.step, culprit, run.last_good, layer, index)
    return error if MEND in oddity else run.diagnosis.explain(run, error)


def validation_diverged(run: Any, value: float) -> TrainingDiverged:
    """Return the error for a validation loss that is not finite, of the run at the end of an epoch."""
    culprit, layer, index, place, oddity = _culprit_of_loss(run, run.validation, None)
    for name in ("graphs[", "row "):
        place, oddity = (
            place.replace(f" {name}", f" validation {name}"),
            oddity.replace(f" {name}", f" validation {name}"),
        )
    advice = "Look at the inputs and targets of the validation data, or lower the step size."
    params = run.params if all(map(_finite, run.params.values())) else run.last_good
    text = f"epoch {run.epoch}: the validation loss is {value}; {NOT_FINITE} {culprit}{place}. {_then(oddity, advice)}"
    return TrainingDiverged(text, run.step, culprit, params, layer, index)


def _then(oddity: str, advice: str) -> str:
    return oddity.strip() if MEND in oddity else oddity + advice


def _culprit_of_loss(run: Any, part: Data, rng: Any) -> tuple[str, str | None, int | None, str, str]:
    """Return what is to blame, its layer, its example, where that is in words, and what is odd there."""
    bad_parameter = next((name for name, value in run.params.items() if not _finite(value)), None)
    if bad_parameter is not None:
        return f"parameter {bad_parameter!r}", _layer_of(bad_parameter), None, "", ""
    layer, bad, kind, predictions = _first_layer(run.model, run.params, part, rng)
    culprit = "the loss" if layer is None else f"the output of layer {layer or type(run.model).__name__!r}"
    if layer is None:
        bad, kind = _bad_rows(run.total_loss_of, predictions, part), part.per
    place, index, oddity = _where(part, bad, kind)
    return culprit, layer, index, place, oddity


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
    elif part.n_examples > 1:
        bad = _spoilt_examples(part)
    place, index, oddity = _where(part, bad, "graph")
    error = TrainingDiverged(
        f"step {run.step}: the gradient of {name!r} is not finite{place} (loss {run.value:.4g}). {oddity}"
        "The parameters of the last good step are in the error's .params.",
        run.step,
        name,
        run.last_good,
        layer,
        index,
    )
    return error if MEND in oddity else run.diagnosis.explain(run, error)


def _finite(value: Any) -> bool:
    array = np.asarray(value)
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _layer_of(name: str) -> str:
    return name.rpartition(".")[0]


def _first_layer(model: Layer, params: Params, part: Data, rng: Any) -> tuple[str | None, np.ndarray | None, str, Any]:
    """Return the first layer that puts out what is not finite, which rows, of what kind, and what the model puts out.

    rng: as in training;  None: as in evaluation
    """
    found: list[tuple[str, np.ndarray | None, str]] = []

    def watch(path: str, out: Any) -> None:
        for array in () if found else parts_of(out):
            rows = _rows_not_finite(array)
            if rows.any():
                kind = "node" if path or isinstance(out, Batch) else part.per  # by themselves the predictions
                if isinstance(out, Batch) and len(rows) != _lengths(part)["node"]:  # nodes of a coarser graph
                    rows, kind = np.isin(np.arange(out.n_graphs), out.node_graph[rows]), "graph"
                found.append((path, rows, kind))
                return

    call = Call(params, rng is not None, rng)
    call.watch = watch
    with np.errstate(all="ignore"):
        predictions = model(Scope(call), part.inputs)
    return (*(found[0] if found else (None, None, "")), predictions)


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
    if first is not None:
        return np.arange(n) == first
    return _spoilt_targets(part)


def _spoilt_targets(part: Data) -> np.ndarray | None:
    """Return which rows of the targets are not finite."""
    for values in part.targets.values() if isinstance(part.targets, Mapping) else (part.targets,):
        rows = _rows_not_finite(values) if values.dtype.kind == "f" else np.zeros(0, bool)
        if rows.any():
            return rows
    return None


def _spoilt_examples(part: Data) -> np.ndarray | None:
    """Return which examples have inputs or targets that are not finite."""
    bad = np.zeros(part.n_examples, bool)
    for _, array, owner in _numbers(part):
        if array.dtype.kind == "f":
            bad[owner[_rows_not_finite(array)]] = True
    return bad if bad.any() else None


def _first_bad(n: int, is_bad: Callable[[np.ndarray], bool]) -> int | None:
    """Return the first of n that is bad alone, by halving; None where only several together are, or any one alone."""
    low, high = 0, n
    while high - low > 1:
        middle = (low + high) // 2
        if is_bad(np.arange(low, middle)):
            high = middle
        else:
            low = middle
    if not n or not is_bad(np.arange(low, high)):
        return None
    others = [i for i in np.unique(np.linspace(0, n - 1, OTHERS + 1).astype(int)) if i != low][:OTHERS]
    return None if others and all(is_bad(np.array([other])) for other in others) else low


# ---- the place, in the words of the user's data ----------------------------------------------------------------------


def _lengths(part: Data) -> dict[str, int]:
    """Return how many rows there are of every kind."""
    batch = batch_in(part.inputs)
    if batch is None:
        return {"graph": part.n_examples, "node": -1, "edge": -1}
    return {"graph": batch.n_graphs, "node": batch.n_nodes, "edge": batch.n_edges}


def _where(part: Data, bad: np.ndarray | None, kind: str) -> tuple[str, int | None, str]:
    """Return the first bad example in words, its number in the user's data, and what is odd in it.

    bad: booleans, one for each graph, node or edge;  kind: which of these, should there be as many of two
    """
    batch, lengths = batch_in(part.inputs), _lengths(part)
    kinds = [kind for kind in (kind, "graph", "node", "edge") if bad is not None and lengths[kind] == len(bad)]
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
    remedy = f" {MEND}" if " hold " in oddity else ""
    return f", first for {name}{inside}", index, f"In {name} {oddity}.{remedy} " if oddity else ""


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
    batch, owner = batch_in(part.inputs), np.arange(n)
    if part.per != "graph" and batch is not None:
        owner = batch.node_graph if part.per == "node" else batch.edge_segments.index
    for values in part.targets.values() if isinstance(part.targets, Mapping) else (part.targets,):
        yield "the targets", values, owner
