"""Numeric loops on sparse matrices and segments: NumPy and SciPy only, nothing here knows of gradients.

Everything rests on one loop, ``out += A @ X`` for a CSR matrix A. Summing rows by segment is that loop with a matrix
of ones, so the same few lines serve kernels, sparse features, edge gathers and pools.
"""

from __future__ import annotations

import itertools
import math
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.sparse

from graphnn.ops.buffers import empty
from graphnn.ops.loops import add_product, add_turned_product
from graphnn.ops.passes import fill_rows
from graphnn.ops.threads import get_threads, share_rounds

MOST = np.iinfo(np.int32).max  # SciPy's loops count entries in 32 bits
LARGE = 2_000_000  # entries times columns from which a second thread is worth its call, 12 us or, on busy cores, 60
PIECES = 16  # of the rows for each thread, at most: one that lags behind does fewer of them
SOME = 2**16  # numbers brought together at a time, where a product is made at the entries of a pattern only
CACHED = 12 * 2**20  # bytes of x in one block of columns: it stays in cache while rows are gathered from it at random


class ColumnBlocks(NamedTuple):
    """A matrix cut into ranges of columns, one after the other; each range gathers from a few rows of x only.

    indices, values: (n_entries,) by range, columns counting from the start of theirs
    parts: (start, stop, indptr) of every range, its row pointers counting through all entries
    """

    indices: np.ndarray
    values: np.ndarray
    parts: list[tuple[int, int, np.ndarray]]


class Pattern:
    """Where the entries of a sparse matrix are: CSR row pointers and column indices, without values.

    shape: (n, m);  indptr: (n + 1,);  indices: (n_entries,), entries of one row beside each other.
    """

    def __init__(self, indptr: np.ndarray, indices: np.ndarray, shape: tuple[int, int]):
        if max(*shape, len(indices)) > MOST:
            raise ValueError(f"a sparse matrix of {shape} with more than {MOST} entries, rows or columns is too large")
        self.indptr = indptr.astype(np.int32, copy=False)
        self.indices = indices.astype(np.int32, copy=False)
        self.shape = shape
        self._per_head: dict[int, tuple[Pattern, np.ndarray]] = {}

    @property
    def n_entries(self) -> int:
        return self.indices.shape[0]

    @cached_property
    def rows(self) -> np.ndarray:
        """The row of every entry, in order."""
        return np.repeat(np.arange(self.shape[0], dtype=np.int32), np.diff(self.indptr))

    def turned(self) -> tuple[Pattern, np.ndarray]:
        """Return the pattern of the transpose, itself where symmetric, and where each of its entries stands here."""
        numbers = np.arange(self.n_entries, dtype=np.int32)
        places = scipy.sparse.csr_array((numbers, self.indices, self.indptr), shape=self.shape)
        turned = places.tocsc()
        same = np.array_equal(turned.indptr, self.indptr) and np.array_equal(turned.indices, self.indices)
        return self if same else Pattern(turned.indptr, turned.indices, self.shape[::-1]), turned.data

    def pieces(self, count: int) -> list[tuple[int, int]]:
        """Return (start, stop) of at most so many runs of rows that hold about as many entries each."""
        wanted = np.linspace(0, self.n_entries, count + 1)[1:-1]
        inner = np.searchsorted(self.indptr, wanted).tolist()
        cuts = sorted({0, *inner, self.shape[0]})
        return list(itertools.pairwise(cuts))

    def per_head(self, heads: int) -> tuple[Pattern, np.ndarray]:
        """Return the pattern of `heads` matrices at once, made on first use, and the order of its entries.

        Row i and column j of head h are row i * heads + h and column j * heads + h, so that (n, heads, f) features are
        its (n * heads, f) features as they lie in memory. `order` says which of (n_entries, heads) numbers each entry
        has.
        """
        if heads not in self._per_head:
            lengths = np.repeat(np.diff(self.indptr), heads)
            entry = ranges(np.repeat(self.indptr[:-1].astype(np.intp), heads), lengths)
            head = np.repeat(np.tile(np.arange(heads), self.shape[0]), lengths)
            columns = self.indices[entry] * np.int64(heads) + head
            shape = (self.shape[0] * heads, self.shape[1] * heads)
            self._per_head[heads] = Pattern(offsets(lengths), columns, shape), entry * heads + head
        return self._per_head[heads]


def offsets(counts: np.ndarray) -> np.ndarray:
    """Return where each of several blocks begins and the last one ends: 0 and the running sums of `counts`."""
    ends = np.cumsum(counts, dtype=np.int64)
    if ends.size and ends[-1] > MOST:
        raise ValueError(f"blocks of {ends[-1]} rows in all; more than {MOST} entries cannot be counted in 32 bits")
    out = np.zeros(len(counts) + 1, np.int32)
    out[1:] = ends
    return out


def ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the integers start, ..., start + length - 1 of every pair, one after the other."""
    if lengths.size == 0:
        return np.zeros(0, np.intp)
    ends = lengths.cumsum()
    return np.arange(ends[-1]) + np.repeat(starts - (ends - lengths), lengths)


def group(index: np.ndarray, n: int) -> tuple[Pattern, np.ndarray]:
    """Return the (n, len(index)) pattern with one entry per column, in row index[column], and its entries' order."""
    counts = np.bincount(index, minlength=n)  # refuses what is negative or no whole number
    if len(counts) > n:
        raise ValueError(f"an index of {len(index)} rows names {len(counts) - 1}, wanted numbers below {n}")
    sorted_already = index.size < 2 or bool((index[1:] >= index[:-1]).all())
    order = np.arange(index.size) if sorted_already else np.argsort(index, kind="stable")
    return Pattern(offsets(counts), order, (n, index.size)), order


def flat(x: np.ndarray) -> np.ndarray:
    """Return x as rows of numbers, also where there are no rows to count them by. (n, ...) -> (n, f)"""
    return x.reshape(x.shape[0], math.prod(x.shape[1:]))


class Entries:
    """A pattern with its values, and the values again in the other orders that large products read them in.

    lasting: they will be used again and again, so that it pays to sort them, and to keep up to three copies
    symmetric: the matrix is known to be its own transpose, number by number
    """

    def __init__(self, pattern: Pattern, values: np.ndarray, lasting: bool = False, symmetric: bool = False):
        self.pattern, self.values, self.lasting, self.symmetric = pattern, values, lasting, symmetric
        self._column_blocks: dict[int, ColumnBlocks] = {}

    @cached_property
    def turned(self) -> Entries:
        """Those of the transpose; of a symmetric matrix the same."""
        if self.symmetric:
            return self
        pattern, order = self.pattern.turned()
        values = self.values.take(order)
        symmetric = pattern is self.pattern and np.array_equal(values, self.values)
        return self if symmetric else Entries(pattern, values, self.lasting)

    def column_blocks(self, count: int) -> ColumnBlocks:
        """Return the entries by ranges of columns, so many of them, made on first use."""
        if count not in self._column_blocks:
            (n, m), indices = self.pattern.shape, self.pattern.indices
            cuts = np.linspace(0, m, count + 1).astype(np.intp)
            block = np.searchsorted(cuts, indices, side="right").astype(np.uint16) - np.uint16(1)
            order = np.argsort(block, kind="stable")
            rows = np.repeat(np.arange(n), np.diff(self.pattern.indptr))
            ends = offsets(np.bincount(block * np.intp(n) + rows, minlength=count * n))
            parts = [(int(cuts[b]), int(cuts[b + 1]), ends[b * n : (b + 1) * n + 1]) for b in range(count)]
            inside = (indices - cuts[block]).astype(np.int32)
            self._column_blocks[count] = ColumnBlocks(inside[order], self.values.take(order), parts)
        return self._column_blocks[count]


def matmul(
    pattern: Pattern, values: np.ndarray, x: np.ndarray, start: np.ndarray | None = None, turned: bool = False
) -> np.ndarray:
    """Return start + A @ x for the CSR matrix A with these values; `start` broadcasts (a bias row) and is optional.

    x: (m, ...) -> (n, ...). With turned=True it is the transpose that multiplies, (n, ...) -> (m, ...).

    Values (n_entries, heads) are a matrix for each head; then x is (m, heads, ...) and so is what comes out.
    """
    if values.ndim == 1:
        return product(Entries(pattern, values), x, start, turned)
    heads = values.shape[1]
    if x.shape[1:2] != (heads,):
        raise ValueError(f"sparse product: values of {heads} heads multiply rows of {heads}, got shape {x.shape}")
    wide, order = pattern.per_head(heads)
    flat_x = x.reshape((x.shape[0] * heads, *x.shape[2:]))
    out = matmul(wide, values.ravel().take(order), flat_x, turned=turned)
    return out.reshape((pattern.shape[turned], heads, *x.shape[2:]))


def product(entries: Entries, x: np.ndarray, start: np.ndarray | None = None, turned: bool = False) -> np.ndarray:
    """Return start + A @ x, or its transpose times x, as `matmul`.

    A small product is one loop, over rows or, for the transpose of what does not last, over columns: the same arrays
    read the other way, which is a little slower and needs no sorting. A large one is shared between threads, each with
    rows of its own. Where x does not fit into the cache, lasting entries are sorted by blocks of columns too, and taken
    block after block.
    """
    n, m = entries.pattern.shape[::-1] if turned else entries.pattern.shape
    _check_rows(n, m, x)
    dtype = np.result_type(entries.values, x)
    dense = flat(np.ascontiguousarray(x, dtype))
    out = empty((n, dense.shape[1]), dtype)
    _multiply(out, dtype.type(0) if start is None else start, entries, dense, turned)
    return out.reshape((n, *x.shape[1:]))


def _check_rows(n: int, m: int, x: np.ndarray) -> None:
    """Refuse what a matrix n x m does not multiply: the loops would read, or write, memory that is not theirs."""
    if x.shape[0] != m:
        raise ValueError(f"sparse product: a matrix {n} x {m} multiplies {m} rows, got shape {x.shape}")


def add_to(out: np.ndarray, entries: Entries, x: np.ndarray) -> None:
    """Add A @ x to `out`, as `product` does; both have two axes, C order and one dtype."""
    _check_rows(*entries.pattern.shape, x)
    if out.shape != (entries.pattern.shape[0], x.shape[1]):
        raise ValueError(f"sparse product: {entries.pattern.shape} times {x.shape} is not added to {out.shape}")
    _multiply(out, None, entries, x, False)


def _multiply(out: np.ndarray, begin: np.ndarray | None, entries: Entries, x: np.ndarray, turned: bool) -> None:
    """Write begin + A @ x, or its transpose times x, into `out`; None: begin with what is there."""
    if entries.values.dtype != out.dtype or not entries.values.flags.c_contiguous:
        values = np.ascontiguousarray(entries.values, out.dtype)
        entries = Entries(entries.pattern, values, symmetric=entries.symmetric)
    if turned and (entries.lasting or entries.symmetric):
        entries, turned = entries.turned, False
    n_entries = entries.pattern.n_entries
    if n_entries * x.shape[1] >= LARGE and not turned:
        scattered = entries.lasting and x.nbytes > 1.5 * CACHED and n_entries > 4 * len(out)
        blocks = -(-x.nbytes // CACHED) if scattered else 1
        if blocks > 1 or get_threads() > 1:
            _multiply_large(out, begin, entries, x, blocks)
            return
    _begin(out, begin)
    if out.size and n_entries:
        loop = add_turned_product if turned else add_product
        loop(entries.pattern.indptr, entries.pattern.indices, entries.values, x, out)


def _begin(out: np.ndarray, begin: np.ndarray | None) -> None:
    if begin is not None and begin.ndim == 1:
        fill_rows(out, begin)
    elif begin is not None:
        out[...] = begin


def _multiply_large(out: np.ndarray, begin: np.ndarray | None, entries: Entries, x: np.ndarray, blocks: int) -> None:
    """Do as `_multiply`: threads share the rows, and each goes through the blocks of columns in turn."""
    pattern = entries.pattern
    if begin is not None and begin.ndim == 2:
        begin = np.broadcast_to(begin, out.shape)
    if blocks > 1:
        indices, values, parts = entries.column_blocks(blocks)
    else:
        indices, values, parts = pattern.indices, entries.values, [(0, len(x), pattern.indptr)]

    def rows(block: int, first: int, last: int) -> None:
        if block == 0:
            _begin(out[first:last], begin if begin is None or begin.ndim < 2 else begin[first:last])
        left, right, indptr = parts[block]
        add_product(indptr[first : last + 1], indices, values, x[left:right], out[first:last])

    threads = get_threads()
    most = PIECES * threads if threads > 1 else 1
    worth = pattern.n_entries * x.shape[1] // (LARGE // 4 + 1)
    share_rounds(pattern.pieces(min(most, max(threads, worth))), len(parts), rows)


def sampled_product(pattern: Pattern, g: np.ndarray, x: np.ndarray, by_head: bool = False) -> np.ndarray:
    """Return <g_i, x_j> for every entry (i, j) of the pattern. g: (n, ...), x: (m, ...) -> (n_entries,)

    by_head: the second axis is not summed over. (n, heads, ...), (m, heads, ...) -> (n_entries, heads)
    The rows are brought together some at a time, so that they stay in cache and no (n_entries, ...) array is made. A
    product with ones adds short rows several times faster than NumPy's sum does.
    """
    heads, n_entries = g.shape[1] if by_head else 1, pattern.n_entries
    width = math.prod(g.shape[2:] if by_head else g.shape[1:])
    g, x = flat(g), flat(x)
    out = np.empty((n_entries, heads), np.result_type(g, x))
    ones, some = np.ones(width, out.dtype), max(1, SOME // max(1, heads * width))

    for start in range(0, n_entries, some):
        part = slice(start, start + some)
        both = g.take(pattern.rows[part], axis=0).astype(out.dtype, copy=False)
        both *= x.take(pattern.indices[part], axis=0)
        np.matmul(both.reshape(len(both) * heads, width), ones, out=out[part].reshape(-1))
    return out if by_head else out[:, 0]


def segment_max(pattern: Pattern, order: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the largest row of every segment, element by element; 0 for a segment without rows."""
    out = np.zeros((pattern.shape[0], *x.shape[1:]), x.dtype)
    sizes = np.diff(pattern.indptr)
    filled, longest = np.flatnonzero(sizes), sizes.max(initial=0)
    if filled.size < 8 * longest:
        out[filled] = np.maximum.reduceat(x.take(order, axis=0), pattern.indptr[filled], axis=0)
    elif filled.size:
        # Many short segments, the neighbours of nodes: NumPy's reduceat costs microseconds a segment. Instead take the
        # first row of all at once, then the second of those that have two, and so on.
        out[filled] = x.take(order.take(pattern.indptr[filled]), axis=0)
        for place in range(1, longest):
            filled = filled[sizes[filled] > place]
            rows = x.take(order.take(pattern.indptr[filled] + place), axis=0)
            out[filled] = np.maximum(out[filled], rows)
    return out
