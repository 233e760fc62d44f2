"""Whether a training step fits in memory, told before the first one is taken.

Two small parts of the data are run through the model and every step of the tape is written down. What grows from one
part to the other as nodes, edges, graphs or rows do, grows so in the whole too. Nothing large is made for it.
"""

from __future__ import annotations

import math
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from autograd.tracer import isbox

from graphnn.batch import Batch
from graphnn.insight.reading import Reading
from graphnn.layer import Layer
from graphnn.memory import MATTERS, available, gigabytes
from graphnn.ops import SparseMatrix
from graphnn.ops.buffers import release_memory
from graphnn.packed import Packed, take_rows
from graphnn.training.data import Data, batch_in, take_examples
from graphnn.types import Array, Params

WIDEST = 1e-3  # of the memory: where no array can take more than this share, nothing is looked at
SMALL, LARGE = (2, 20), (5, 50)  # how many graphs, and how many edges and nodes of each, a part begins with

Counts: TypeAlias = dict[str, int]


class Made(NamedTuple):
    """An array that a training step will make: its bytes, its shape, which step of which layer makes it, and whether it
    is kept until there is the gradient.
    """

    n_bytes: int
    shape: tuple[int, ...]
    step: str
    layer: str
    kept: bool


def check_training(model: Layer, params: Params, data: Data, batch_size: int | None) -> None:
    """Raise MemoryError where what a training step holds at once is more than all the memory that is left.

    It is told which array is the largest, of which layer. A run that would fit is not refused: what is counted lies
    side by side in the forward pass, and of mini-batches it is what one of them at least must hold.
    """
    floats = [value for value in params.values() if isinstance(value, np.ndarray) and value.dtype.kind == "f"]
    if not floats:
        return
    dtype, width = np.result_type(*floats), max(value.shape[-1] if value.ndim else 1 for value in floats)
    rows = sum(_counts(data.inputs, batch_size).values())
    if rows * width * dtype.itemsize < MATTERS:  # spares the question how much is left
        return
    release_memory()  # what is only kept to be used again is left too
    left = available()
    if left is None or rows * width * dtype.itemsize < WIDEST * left:
        return
    try:
        made = expected(model, params, data.inputs, batch_size)
    except Exception:  # what the model cannot do with a part, or refuses, it says itself in the first step
        return
    held = held_at_once(made)
    if held <= left:
        return
    largest = max(made, key=attrgetter("n_bytes"))  # the first of those
    remedies = ["a smaller batch_size="] if (batch_size or data.n_examples) > 1 else []
    remedies += ['dtype="float32"'] if dtype == np.float64 else []
    raise MemoryError(
        f"fit: a training step holds arrays of at least {gigabytes(held)} at once, and {gigabytes(left)} are left; "
        f"the largest, by {largest.layer} ({largest.step}), has shape {largest.shape} in {dtype}, "
        f"{gigabytes(largest.n_bytes)}; give {', '.join([*remedies, 'narrower or fewer layers'])}"
    )


def expected(model: Layer, params: Params, inputs: Any, batch_size: int | None) -> list[Made]:
    """Return the arrays that the forward pass of a training step will make, in their order.

    >>> from graphnn.layers.dense import Dense
    >>> from graphnn.ops import tanh
    >>> x = np.ones((10_000, 3))
    >>> expected(Dense(2, tanh), Dense(2).init(0, x), x, batch_size=1000)
    [Made(n_bytes=16000, shape=(1000, 2), step='affine', layer="layer 'Dense'", kept=True)]
    """
    whole = _counts(inputs, batch_size)
    (small, few), (large, many) = (_read(model, params, _part(inputs, *sizes)) for sizes in (SMALL, LARGE))
    tape = _left_alone(large)
    made = []
    for one, other in zip(small.notes.steps, large.notes.steps, strict=True):
        if not other.n_bytes:  # a view of another array
            continue
        n_bytes, shape = other.n_bytes, other.output
        if shape and one.output[0] != shape[0]:
            first, then = one.output[0], shape[0]
            units = [unit for unit, n in many.items() if (first, then) == (few[unit], n)]  # else a multiple of them
            units = units or [unit for unit, n in many.items() if n and first * n == then * few[unit]]
            shape = (min((whole[unit] * then // many[unit] for unit in units), default=then), *shape[1:])
            n_bytes = n_bytes // then * shape[0]
        layer = "the model" if other.use is None else f"layer {large.uses[other.use].label!r}"
        made.append(Made(n_bytes, shape, other.name, layer, kept=other.array() is not None))
    del tape  # which has kept them until here
    return made


def held_at_once(made: list[Made]) -> int:
    """Return the most bytes that lie side by side at least: an array, and all that were kept before it.

    >>> held_at_once([Made(5, (), "", "", kept=True), Made(9, (), "", "", kept=False), Made(1, (), "", "", kept=True)])
    14
    """
    most = kept = 0
    for one in made:
        most = max(most, kept + one.n_bytes)
        kept += one.n_bytes * one.kept
    return most


def _left_alone(reading: Reading) -> list[Any]:
    """Return the ends of the tape of a reading, which now keeps only what the way back needs."""
    ends = [array._node for use in reading.uses for array in use.gave.values() if isbox(array)]
    for use in reading.uses:
        use.handed, use.gave, use.marked = [], {}, {}
    return ends


def _read(model: Layer, params: Params, part: Any) -> tuple[Reading, Counts]:
    with np.errstate(all="ignore"):
        return Reading(model, params, part, train=True, rng=(0, 0)), _counts(part, None)


# ---- how much of what there is ---------------------------------------------------------------------------------------


def _counts(inputs: Any, batch_size: int | None) -> Counts:
    """Return how many nodes, edges, arcs (with a loop at every node), graphs and rows there are at once.

    Of mini-batches it is what one of them must hold at least, whichever graphs come together: the mean of them, or the
    largest graph alone.
    """
    found: Counts = {}
    for name, part in inputs.items() if isinstance(inputs, dict) else (("", inputs),):
        n = len(part)
        n_batches = 1 if batch_size is None else max(math.ceil(n / batch_size), 1)
        if not isinstance(part, Batch):
            found[f"{name} rows"] = n // n_batches
            continue
        loops = np.bincount(part.edge_segments.index[part.senders == part.receivers], minlength=n)
        nodes, edges = part.packed.node_counts, part.packed.edge_counts
        for unit, counts in {"nodes": nodes, "edges": edges, "arcs": nodes + edges - loops}.items():
            found[f"{name} {unit}"] = max(int(counts.sum()) // n_batches, int(counts.max(initial=0)))
        found[f"{name} graphs"] = n // n_batches
    return found


def _part(inputs: Any, n_graphs: int, n_edges: int) -> Any:
    """Return a small part of some inputs: some nodes and edges of the largest graphs, or a few rows."""
    batch = batch_in(inputs)
    if batch is None:
        return take_examples(inputs, slice(n_graphs * n_edges))
    largest = np.sort(np.argsort(-batch.packed.node_counts, kind="stable")[:n_graphs])
    if isinstance(inputs, Batch):
        return _part_of_batch(inputs, largest, n_edges)
    return {
        name: _part_of_batch(part, largest, n_edges) if isinstance(part, Batch) else part[largest]
        for name, part in inputs.items()
    }


def _part_of_batch(batch: Batch, graphs: np.ndarray, n_edges: int) -> Batch:
    """Return some nodes and edges of some graphs; in the layout that needs the least memory."""
    packed = batch.packed
    parts = [_part_of_graph(packed, graph, n_edges) for graph in graphs]
    nodes, edges = (np.concatenate(rows) for rows in zip(*parts, strict=True))
    place = np.zeros(packed.n_nodes, np.intp)
    place[nodes] = np.arange(len(nodes))
    rows = {"nodes": nodes, "edges": edges, "positions": nodes, "weights": edges, "globals": graphs}
    held = {name: getattr(batch, name) for name in rows}
    features = {name: _rows(array, rows[name]) for name, array in held.items() if array is not None}
    part = Batch.from_arrays(
        senders=place[packed.senders[edges]], receivers=place[packed.receivers[edges]], n_graphs=len(graphs),
        node_graph=np.searchsorted(graphs, packed.node_segments.index[nodes]), **features,
    )  # fmt: skip
    inside = [own - packed.node_offsets[graph] for graph, (own, _) in zip(graphs, parts, strict=True)]
    kernels = {
        name: [blocks[graph][at][:, at] for graph, at in zip(graphs, inside, strict=True)]
        for name, blocks in packed.kernels.items()
    }
    return part.replace(kernels=kernels) if kernels else part


def _part_of_graph(packed: Packed, graph: int, n_edges: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first nodes of a graph and those at the ends of its first edges, and all edges among them."""
    start, end = packed.node_offsets[graph : graph + 2]
    first, last = packed.edge_offsets[graph : graph + 2]
    senders, receivers = packed.senders[first:last], packed.receivers[first:last]
    chosen = np.zeros(end - start, bool)
    chosen[:n_edges] = True
    chosen[np.r_[senders[:n_edges], receivers[:n_edges]] - start] = True
    inside = chosen[senders - start] & chosen[receivers - start]
    return start + np.flatnonzero(chosen), first + np.flatnonzero(inside)


def _rows(array: Array | SparseMatrix, index: np.ndarray) -> Any:
    return take_rows(array, index) if isinstance(array, SparseMatrix) else array[index]
