"""Passes over whole arrays that NumPy does several times slower when asked in the plain way.

NumPy compares with a number by a slow loop and with an array by a fast one; it starts its loop anew for every row when
a short row is added to many; it turns booleans into numbers by a detour through a buffer. Each function says what it is
the same as. Large arrays are cut into blocks that stay in cache between two passes, and shared between threads: number
by number, so the bits do not depend on it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from graphnn.ops.buffers import empty
from graphnn.ops.threads import get_threads, share_rounds

LONG = 8192  # numbers in a row long enough that starting NumPy's loop for it costs nothing
NARROW = 32  # columns up to which rows are worth being put beside each other
BLOCK = 2**16  # numbers that stay in cache from one pass to the next
LARGE = 2**20  # numbers from which a second thread is worth its call
PIECES = 4  # for each thread: one that lags behind does fewer of them

_ZEROS = {np.dtype(kind): np.zeros(LONG, kind) for kind in (np.float32, np.float64)}


def above_zero(x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return ``np.maximum(x, 0, out=out)``; out may be x.

    >>> above_zero(np.array([-1.0, 2.0, np.nan]))
    array([ 0.,  2., nan])
    """
    return _against_zero(np.maximum, x, out)


def below_zero(x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return ``np.minimum(x, 0, out=out)``; out may be x.

    >>> below_zero(np.array([-1.0, 2.0]))
    array([-1.,  0.])
    """
    return _against_zero(np.minimum, x, out)


def _against_zero(function: np.ufunc, x: np.ndarray, out: np.ndarray | None) -> np.ndarray:
    in_order = type(x) is np.ndarray and x.flags.c_contiguous and (out is None or out.flags.c_contiguous)
    if not in_order or x.dtype not in _ZEROS:
        return function(x, 0, out=out)
    zeros, out = _ZEROS[x.dtype], empty(x.shape, x.dtype) if out is None else out
    numbers, results = x.reshape(-1), out.reshape(-1)

    def part(start: int, stop: int) -> None:
        whole = stop - (stop - start) % LONG
        if whole > start:
            function(numbers[start:whole].reshape(-1, LONG), zeros, out=results[start:whole].reshape(-1, LONG))
        function(numbers[whole:stop], zeros[: stop - whole], out=results[whole:stop])

    _shared(x.size, x.size, part)
    return out


def masked(x: np.ndarray, mask: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Return ``x * mask * scale`` for a boolean mask, which may be a column.

    >>> masked(np.array([1.0, 2.0]), np.array([True, False]), 3.0)
    array([3., 0.])
    """
    plain = type(x) is type(mask) is np.ndarray and mask.shape == x.shape and mask.dtype == bool
    if not plain or not (mask.flags.c_contiguous and x.flags.c_contiguous):
        out = x * mask
        if scale != 1:
            out *= scale
        return out
    out = empty(x.shape, x.dtype)
    numbers, bits, flat = out.reshape(-1), mask.view(np.uint8).reshape(-1), x.reshape(-1)

    def part(start: int, stop: int) -> None:
        piece = numbers[start:stop]
        piece[...] = bits[start:stop]
        piece *= flat[start:stop]
        if scale != 1:
            piece *= scale

    _shared(flat.size, BLOCK, part)
    return out


def add_row(out: np.ndarray, row: np.ndarray) -> None:
    """Do ``out += row``, for an array (n, width)."""
    if row.shape != out.shape[1:] or len(row) > NARROW or not out.flags.c_contiguous:
        out += row
        return
    for part, wide in _side_by_side(out, row):
        np.add(part, wide, out=part)


def fill_rows(out: np.ndarray, row: np.ndarray) -> None:
    """Do ``out[...] = row``, for an array (n, width)."""
    if row.shape != out.shape[1:] or len(row) > NARROW or not out.flags.c_contiguous:
        out[...] = row
        return
    for part, wide in _side_by_side(out, row):
        part[...] = wide


def _side_by_side(out: np.ndarray, row: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the array in parts, with what is the row for each: as few long rows, of many next to each other."""
    together = LONG // max(1, len(row))
    whole = len(out) - len(out) % together
    if whole and len(row):
        wide = np.empty((together, len(row)), row.dtype)
        wide[...] = row
        yield out[:whole].reshape(whole // together, -1), wide.reshape(-1)
    yield out[whole:], row


def _shared(size: int, block: int, part: Callable[[int, int], None]) -> None:
    """Call part(start, stop) for all of so many numbers: at once if they are few, else in blocks and in threads."""
    if size < LARGE:
        part(0, size)
        return
    pieces = PIECES * get_threads()
    cuts = [size * k // pieces for k in range(pieces + 1)]

    def run(_: int, start: int, stop: int) -> None:
        for first in range(start, stop, block):
            part(first, min(first + block, stop))

    share_rounds(list(itertools.pairwise(cuts)), 1, run)
