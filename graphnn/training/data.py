"""Examples and their targets: checked once, cut into mini-batches."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphnn import ops
from graphnn.batch import Batch
from graphnn.layer import as_input
from graphnn.ops import SparseMatrix


@dataclass
class Data:
    """Examples with their targets: what is cut into mini-batches.

    inputs: a Batch, an array with one example a row, or a dict of such
    targets: an array, or a dict of arrays;  mask: which of them count
    per: what a target belongs to, "graph", "node" or "edge"
    examples, rows: of a mini-batch, which of the user's examples and targets these are; None where they are all
    """

    inputs: Any
    targets: Any
    per: str
    mask: np.ndarray | None = None
    examples: np.ndarray | None = None
    rows: np.ndarray | None = None

    @property
    def n_examples(self) -> int:
        return n_examples_of(self.inputs)

    def take(self, index: np.ndarray | None) -> Data:
        """Return some of the examples; None means all."""
        if index is None:
            return self
        inputs = take_examples(self.inputs, index)
        rows = index if self.per == "graph" else self._rows(index)
        mask = None if self.mask is None else self.mask[rows]
        examples = index if self.examples is None else self.examples[index]
        own = rows if self.rows is None else self.rows[rows]
        return Data(inputs, take_examples(self.targets, rows), self.per, mask, examples, own)

    def digest(self) -> str:
        """Return a SHA-256 of all numbers: the same for the same examples in the same order.

        >>> Data(np.ones((2, 1)), np.ones(2), "graph").digest()[:8]
        '4c9d1479'
        """
        found = hashlib.sha256()
        for name, array in _arrays("", (self.inputs, self.targets, self.mask)):
            found.update(f"{name} {array.dtype} {array.shape};".encode())
            found.update(array.tobytes() if array.dtype != object else repr(array.tolist()).encode())
        return found.hexdigest()

    @property
    def n_counted(self) -> int:
        """How many targets the loss is a mean over."""
        return n_examples_of(self.targets) if self.mask is None else int(self.mask.sum())

    def known_targets(self) -> Any:
        """Return the targets that count, so that nothing is learned from the others, not even their scale."""
        if self.mask is None:
            return self.targets
        if self.mask.ndim == 1:
            return take_examples(self.targets, self.mask)
        return np.where(self.mask, self.targets, np.nan)

    def _rows(self, index: np.ndarray) -> np.ndarray:
        """Return the nodes or edges of some graphs."""
        packed = _batch_of(self.inputs).packed
        starts = packed.node_offsets if self.per == "node" else packed.edge_offsets
        return ops.sparse.ranges(starts[index], np.diff(starts)[index])


def _arrays(name: str, value: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Give the arrays that inputs or targets are made of, with the names of their places."""
    if isinstance(value, Batch):
        packed = value.packed
        structure = (packed.senders, packed.receivers, packed.weights, packed.node_offsets, packed.edge_offsets)
        features = (value.nodes, value.edges, value.positions, value.globals)
        value = (*features, *structure, packed.kernels)
    if isinstance(value, SparseMatrix):
        value = (value.pattern.indptr, value.pattern.indices, value.values)
    elif hasattr(value, "tocsr"):
        csr = value.tocsr()
        value = (csr.indptr, csr.indices, csr.data, np.array(csr.shape))
    if isinstance(value, (dict, tuple, list)):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _arrays(f"{name}/{key}", part)
    elif isinstance(value, np.ndarray):
        yield name, value
    elif hasattr(value, "__dict__"):
        yield from _arrays(name, vars(value))


def validation_parts(validation: Sequence[Any], per: str) -> tuple[Any, Any, str, Any]:
    """Return what `make_data` needs from (inputs, targets) or (inputs, targets, mask)."""
    if not isinstance(validation, (tuple, list)) or len(validation) not in (2, 3):
        raise TypeError("validation must be (inputs, targets) or (inputs, targets, mask)")
    return validation[0], validation[1], per, validation[2] if len(validation) == 3 else None


def make_data(inputs: Any, targets: Any, per: str, mask: Any, who: str, dtype: np.dtype | None = None) -> Data:
    """Return inputs and targets made ready, in a floating type, after checking that they go together."""
    if per not in ("graph", "node", "edge"):
        raise ValueError(f"per must be 'graph', 'node' or 'edge' (what a target belongs to), got {per!r}")
    data = make_inputs(inputs, who, dtype)
    wanted, unit = n_examples_of(data), "graph"
    if per != "graph":
        packed = _batch_of(data).packed
        wanted, unit = (packed.n_nodes, "node") if per == "node" else (packed.n_edges, "edge")
    elif not isinstance(data, Batch) and not isinstance(data, dict):
        unit = "example"
    if wanted == 0:
        raise ValueError(f"{who}: there are no {unit}s to learn from")
    if isinstance(targets, dict):
        given: Any = {name: np.asarray(values) for name, values in targets.items()}
        named = {f"targets[{name!r}]": values for name, values in given.items()}
    else:
        given = np.asarray(targets)
        named = {"targets": given}
    for name, values in named.items():
        if values.ndim == 0:
            came = "a single number" if values.dtype.kind in "biuf" else repr(values.item())
            raise ValueError(f"{name} must have a row for every {unit}, got {came}")
        if len(values) != wanted:
            hint = _other_per(data, per, len(values))
            raise ValueError(f"{who}: {wanted} {unit}s but {name} has {len(values)} rows{hint}")
    made = Data(data, in_dtype(given, dtype), per, None if mask is None else _checked_mask(mask, wanted, unit))
    _refuse_infinite(made, "validation " if who == "validation" else "")
    return made


def _refuse_infinite(data: Data, who: str) -> None:
    place = first_target(data, np.isinf)
    if place is not None:
        name, value = place
        remedy = "mend it, or leave it out with mask="
        raise ValueError(f"{who}{name} is {value}; every target that counts must be finite: {remedy}")


def first_target(data: Data, is_bad: Callable[[np.ndarray], np.ndarray]) -> tuple[str, float] | None:
    """Return the place in the user's data of the first target that counts and is bad, and its value; None if none is.

    >>> first_target(Data(np.ones((2, 1)), np.array([[0.0], [np.nan]]), "graph"), np.isnan)
    ('targets[1]', nan)
    """
    targets = data.targets if isinstance(data.targets, dict) else {"": data.targets}
    for name, values in targets.items():
        if values.dtype.kind != "f":
            continue
        bad = is_bad(values)
        if bad.any() and data.mask is not None and data.mask.shape in (values.shape[:1], values.shape):
            bad = bad & data.mask.reshape(data.mask.shape + (1,) * (bad.ndim - data.mask.ndim))
        if bad.any():
            place = tuple(int(i) for i in np.argwhere(bad)[0])
            row = place[0] if data.rows is None else int(data.rows[place[0]])
            column = f" in column {place[1]}" if bad.ndim == 2 and bad.shape[1] > 1 else ""
            return f"targets{f'[{name!r}]' if name else ''}[{row}]{column}", float(values[place])
    return None


def refuse_spreading(who: str, function: Callable[[Any, Data], Any], predictions: Any, data: Data) -> None:
    """Refuse a function that compares every prediction with every target, as NumPy does for (n, 1) and (n,).

    Shapes alone do not tell, since a function may put them right by itself. One that has spread them out does not care
    about the order of the targets, though it does about their values; that is asked with predictions drawn at random.
    """
    targets = data.targets
    if not isinstance(targets, np.ndarray) or not isinstance(predictions, np.ndarray):
        return
    shape = predictions.shape
    if targets.dtype.kind not in "biuf" or not _spreads(shape, targets.shape):
        return
    try:
        is_spread = all(_ignores_order(function, shape, predictions.dtype, data, seed) for seed in range(5))
    except MemoryError:
        raise
    except Exception:  # what it cannot do with these it says by itself
        return
    if is_spread:
        remedy = "targets[:, None]" if len(shape) > targets.ndim else "targets[:, 0]"
        raise ValueError(
            f"{who} compares every prediction with every target: predictions {shape} and targets {targets.shape} "
            f"differ in shape, and NumPy spreads both to {np.broadcast_shapes(shape, targets.shape)}; use {remedy}"
        )


def _ignores_order(
    function: Callable[[Any, Data], Any], shape: tuple[int, ...], dtype: Any, data: Data, seed: int
) -> bool:
    """Say whether a function of predictions depends on what the targets are, but not on whose they are."""
    targets, rng = data.targets, np.random.default_rng(seed)
    counted = np.flatnonzero(np.ones(len(targets)) if data.mask is None else data.mask.reshape(len(targets), -1)[:, 0])
    turned, alike = targets.copy(), targets.copy()
    turned[counted] = targets[np.roll(counted, 1)]
    alike[counted] = targets[counted[:1]]
    known = np.asarray(targets[counted], float).ravel()
    drawn = (rng.choice(known, shape) + rng.uniform(-0.3, 0.3, shape) * known.std()).astype(dtype)
    with np.errstate(all="ignore"):
        given, other, same = (float(function(drawn, replace(data, targets=y))) for y in (targets, turned, alike))
    return abs(other - given) <= 1e-6 * abs(given) < abs(same - given)


def _spreads(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Say whether arrays of these shapes, taken together, give more numbers than each of them has."""
    try:
        both = np.broadcast_shapes(one, other)
    except ValueError:
        return False
    return math.prod(both) > max(math.prod(one), math.prod(other))


def _checked_mask(mask: Any, wanted: int, unit: str) -> np.ndarray:
    mask = np.asarray(mask)
    if mask.dtype != bool or mask.shape[:1] != (wanted,):
        remedy = f"; for indices pass np.isin(np.arange({wanted}), mask)" if mask.dtype.kind in "iu" else ""
        came = f"shape {mask.shape} of {mask.dtype}{remedy}"
        raise ValueError(f"mask must be {wanted} booleans (one per {unit}), got {came}")
    if not mask.any():
        raise ValueError("mask is False everywhere; there is nothing to learn from")
    return mask


def _other_per(data: Any, per: str, length: int) -> str:
    """Return a hint where that many targets would be right for something else."""
    if not isinstance(data, Batch):
        return ""
    counts = {"graph": data.n_graphs, "node": data.n_nodes, "edge": data.n_edges}
    fits = [kind for kind, n in counts.items() if n == length and kind != per]
    return f"; for one per {fits[0]} pass per={fits[0]!r}" if fits else ""


def make_inputs(inputs: Any, who: str, dtype: np.dtype | None = None) -> Any:
    """Return inputs as a batch, an array, or a dict of such with the same number of examples, in a floating type."""
    if isinstance(inputs, dict):
        made = {name: in_dtype(as_input(part), dtype) for name, part in inputs.items()}
        lengths = {name: n_examples_of(part) for name, part in made.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"{who}: every part must have the same number of examples, got {lengths}")
        return made
    return in_dtype(as_input(inputs), dtype)


def in_dtype(value: Any, dtype: np.dtype | None) -> Any:
    """Return a batch, an array, a number, or a dict of such with what is floating in another type; None keeps it.

    >>> in_dtype({"a": np.ones(1), "classes": np.array([0, 1])}, np.dtype("float32"))
    {'a': array([1.], dtype=float32), 'classes': array([0, 1])}
    """
    if dtype is None:
        return value
    if isinstance(value, dict):
        return {name: in_dtype(part, dtype) for name, part in value.items()}
    if isinstance(value, float):  # Python's own, which counts as float64 once a step has been added to it
        return dtype.type(value)
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    return value.astype(dtype) if kind == "f" and value.dtype != dtype else value


def n_examples_of(inputs: Any) -> int:
    """Return how many examples there are: graphs of a batch, rows of an array."""
    return len(next(iter(inputs.values()), ())) if isinstance(inputs, dict) else len(inputs)


def batch_in(inputs: Any) -> Batch | None:
    """Return the first batch among the inputs, None if there are no graphs."""
    parts = inputs.values() if isinstance(inputs, dict) else (inputs,)
    return next((part for part in parts if isinstance(part, Batch)), None)


def _batch_of(inputs: Any) -> Batch:
    """Return the first batch among the inputs; raises TypeError where there are no graphs."""
    batch = batch_in(inputs)
    if batch is None:
        raise TypeError(f"per='node' or 'edge' needs graphs, got {type(inputs).__name__}")
    return batch


def take_examples(examples: Any, index: np.ndarray | slice) -> Any:
    """Return some of the examples of an array, of graphs, or of a dict or tuple of such."""
    if isinstance(examples, dict):
        return {name: part[index] for name, part in examples.items()}
    if isinstance(examples, tuple):
        return tuple(part[index] for part in examples)
    return examples[index]
