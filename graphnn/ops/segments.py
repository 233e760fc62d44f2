"""Reductions of rows by segment, and rows gathered: what messages along edges are made of, for NumPy and JAX."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from graphnn.ops import primitives
from graphnn.ops.arrays import is_jax, namespace, value_of
from graphnn.ops.primitives import Segments
from graphnn.ops.sparse import ranges
from graphnn.types import Array


def twin(*arrays: Array) -> ModuleType:
    """Return the module that computes on these arrays."""
    if is_jax(*arrays):
        from graphnn.ops import jax

        return jax
    return primitives


def _segments(index: np.ndarray | Segments, count: int | None) -> Segments:
    if isinstance(index, Segments):
        return index
    if count is None:
        raise TypeError("a segment operation on a plain index needs the number of segments: pass count=")
    index = np.asarray(index)
    if index.ndim != 1 or (index.size and index.dtype.kind not in "iu"):
        raise TypeError(f"a segment index must be whole numbers (n_rows,), got shape {index.shape} of {index.dtype}")
    if index.size and (index.min() < 0 or index.max() >= count):
        raise ValueError(f"segment index reaches from {index.min()} to {index.max()}, wanted 0..{count - 1}")
    return Segments(index.astype(np.intp, copy=False), count)


def _rows_by_segment(x: Array, index: np.ndarray | Segments, count: int | None) -> Segments:
    """Return the segments, which must say where each row of x belongs."""
    segments = _segments(index, count)
    if x.shape[0] != len(segments.index):
        raise ValueError(f"a segment index of {len(segments.index)} entries does not fit {x.shape[0]} rows")
    return segments


def gather(x: Array, index: np.ndarray | Segments) -> Array:
    """Return the rows x[index]; the derivative is a segment sum. (count, ...) -> (n_rows, ...)

    >>> gather(np.array([[1.0], [2.0]]), np.array([1, 1, 0]))
    array([[2.],
           [2.],
           [1.]])
    """
    return twin(x).gather(x, _segments(index, x.shape[0]))


def segment_sum(x: Array, index: np.ndarray | Segments, count: int | None = None) -> Array:
    """Return the sum of the rows of each of `count` segments, in any order; 0 for none. (n_rows, ...) -> (count, ...)

    >>> segment_sum(np.array([[1.0], [2.0], [4.0]]), np.array([2, 0, 2]), 3)
    array([[2.],
           [0.],
           [5.]])
    """
    return twin(x).segment_sum(x, _rows_by_segment(x, index, count))


def segment_mean(x: Array, index: np.ndarray | Segments, count: int | None = None) -> Array:
    """Return the mean of the rows of each segment; 0 for none. (n_rows, ...) -> (count, ...)"""
    segments = _rows_by_segment(x, index, count)
    return twin(x).segment_sum(x, segments) * segments.inverse_sizes(x.dtype, x.ndim)


def segment_max(x: Array, index: np.ndarray | Segments, count: int | None = None) -> Array:
    """Return the largest entry of each segment, column by column; 0 for none. (n_rows, ...) -> (count, ...)"""
    return twin(x).segment_max(x, _rows_by_segment(x, index, count))


def segment_min(x: Array, index: np.ndarray | Segments, count: int | None = None) -> Array:
    """Return the smallest entry of each segment, column by column; 0 for none. (n_rows, ...) -> (count, ...)"""
    return 0.0 - segment_max(-x, index, count)


def segment_var(x: Array, index: np.ndarray | Segments, count: int | None = None) -> Array:
    """Return the mean squared deviation from the mean of each segment; 0 for none. (n_rows, ...) -> (count, ...)

    Two passes, so that one row alone has exactly 0 and large numbers keep their digits.
    """
    segments = _rows_by_segment(x, index, count)
    centred = x - gather(segment_mean(x, segments), segments)
    return segment_mean(centred * centred, segments)


def segment_softmax(x: Array, index: np.ndarray | Segments, count: int | None = None) -> Array:
    """Return exp(x) over the sum of exp(x) in the row's segment, finite for every x. (n_rows, ...) -> same

    >>> segment_softmax(np.array([1e4, 1e4, -3.0]), np.array([0, 0, 1]), 2)
    array([0.5, 0.5, 1. ])
    """
    return twin(x).segment_softmax(x, _rows_by_segment(x, index, count))


def segment_logsumexp(x: Array, index: np.ndarray | Segments, count: int | None = None) -> Array:
    """Return log of the sum of exp(x) of each segment, finite for every x; 0 for none. (n_rows, ...) -> (count, ...)"""
    return twin(x).segment_logsumexp(x, _rows_by_segment(x, index, count))


def segment_sort(x: Array, index: np.ndarray | Segments, count: int | None = None) -> Array:
    """Return the rows segment by segment, in each the largest last column first; ties go by the column before it.

    So the result does not depend on the order of the rows. (n_rows, f) -> same

    >>> segment_sort(np.array([[9.0, 1.0], [0.0, 2.0], [5.0, 0.0]]), np.array([1, 1, 0]), 2)
    array([[5., 0.],
           [0., 2.],
           [9., 1.]])
    """
    segments = _rows_by_segment(x, index, count)
    if is_jax(x):
        return x[namespace(x).lexsort((*(-x.T), segments.index))]
    keys = (*(-value_of(x).T), segments.index)
    order = np.lexsort(keys[-2:])  # by the last column alone, which is enough if nothing ties
    if np.all([key[order][1:] == key[order][:-1] for key in keys[-2:]], axis=0).any():
        order = np.lexsort(keys)
    return gather(x, order)


def segment_top(x: Array, index: np.ndarray | Segments, sizes: np.ndarray, count: int | None = None) -> np.ndarray:
    """Return the numbers of the rows that are among the sizes[s] largest of their segment s, in increasing order.

    x: (n_rows,);  sizes: (count,), all rows of a segment that has fewer  ->  (m,) integers, which have no derivative.
    Of rows that tie the first are taken. Raises TypeError for numbers that JAX is tracing: m depends on them.

    >>> segment_top(np.array([1.0, 3.0, 2.0, 7.0]), np.array([0, 0, 0, 1]), np.array([2, 5]), 2)
    array([1, 2, 3])
    """
    segments = _rows_by_segment(x, index, count)
    if is_jax(x):
        _refuse_tracer(x)
    order = np.lexsort((-np.asarray(value_of(x)), segments.index))
    places = np.arange(len(order)) - np.repeat(np.cumsum(segments.sizes) - segments.sizes, segments.sizes)
    return np.sort(order[places < np.repeat(sizes, segments.sizes)])


def _refuse_tracer(x: Array) -> None:
    import jax

    if isinstance(x, jax.core.Tracer):
        raise TypeError(
            "which rows are largest must be known as numbers, and JAX is tracing them; choose outside of jax.jit and "
            "jax.grad, or compute on NumPy arrays"
        )


def segment_first(x: Array, index: np.ndarray | Segments, k: int, count: int | None = None) -> Array:
    """Return the first k rows of each segment, followed by zeros where it has fewer. (n_rows, f) -> (count, k, f)

    The rows stand segment by segment.

    >>> segment_first(np.array([[1.0], [2.0], [3.0]]), np.array([0, 0, 2]), 1, 3)[:, 0]
    array([[1.],
           [0.],
           [3.]])
    """
    segments = _rows_by_segment(x, index, count)
    taken = np.minimum(segments.sizes, k)
    rows = ranges(np.cumsum(segments.sizes) - segments.sizes, taken)
    places = Segments(ranges(np.arange(segments.count) * k, taken), segments.count * k)
    return segment_sum(gather(x, rows), places).reshape((segments.count, k, *x.shape[1:]))
