"""Numeric loops on sparse matrices and segments: NumPy and SciPy only, nothing here knows of gradients.

Everything rests on one loop, ``out += A @ X`` for a CSR matrix A. Summing rows by segment is that loop with a matrix
of ones, so the same few lines serve kernels, sparse features, edge gathers and pools.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import scipy.sparse

try:  # a private name of SciPy: faster than `csr @ x` because it adds into an output that is already there
    from scipy.sparse._sparsetools import csc_matvecs, csr_matvecs
except ImportError:  # pragma: no cover - only if SciPy moves it
    csc_matvecs = csr_matvecs = None

# glibc hands out arrays above 128 KB by mmap and every training step would fault their pages in again. Freeing one
# block just under 32 MB raises that threshold for the process: small training steps become about twice as fast.
np.empty(32 * 2**20 - 2**13, np.uint8)


MOST = np.iinfo(np.int32).max  # SciPy's loops count entries in 32 bits


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


def matmul(
    pattern: Pattern, values: np.ndarray, x: np.ndarray, start: np.ndarray | None = None, turned: bool = False
) -> np.ndarray:
    """Return start + A @ x for the CSR matrix A with these values; `start` broadcasts (a bias row) and is optional.

    x: (m, ...) -> (n, ...). With turned=True it is the transpose that multiplies, (n, ...) -> (m, ...): the same arrays
    read as columns, which needs no sorting, no second copy, and is a little faster.

    Values (n_entries, heads) are a matrix for each head; then x is (m, heads, ...) and so is what comes out.
    """
    if values.ndim == 2:
        heads = values.shape[1]
        if x.shape[1:2] != (heads,):
            raise ValueError(f"sparse product: values of {heads} heads multiply rows of {heads}, got shape {x.shape}")
        wide, order = pattern.per_head(heads)
        flat_x = x.reshape((x.shape[0] * heads, *x.shape[2:]))
        out = matmul(wide, values.ravel().take(order), flat_x, turned=turned)
        return out.reshape((pattern.shape[turned], heads, *x.shape[2:]))
    n, m = pattern.shape[::-1] if turned else pattern.shape
    if x.shape[0] != m:
        raise ValueError(f"sparse product: a matrix {n} x {m} multiplies {m} rows, got shape {x.shape}")
    dtype = np.result_type(values, x)
    values, dense = values.astype(dtype, copy=False), flat(np.ascontiguousarray(x, dtype))
    width = dense.shape[1]
    if start is None:
        out = np.zeros((n, width), dtype)
    else:
        out = np.empty((n, width), dtype)
        out[...] = start
    if csr_matvecs is None:  # pragma: no cover - the fallback of the import above
        matrix = scipy.sparse.csr_array((values, pattern.indices, pattern.indptr), shape=pattern.shape)
        out += (matrix.T if turned else matrix) @ dense
    elif out.size and pattern.n_entries:
        loop = csc_matvecs if turned else csr_matvecs
        values = np.ascontiguousarray(values)
        loop(n, m, width, pattern.indptr, pattern.indices, values, dense.ravel(), out.ravel())
    return out.reshape((n, *x.shape[1:]))


def sampled_product(pattern: Pattern, g: np.ndarray, x: np.ndarray, by_head: bool = False) -> np.ndarray:
    """Return <g_i, x_j> for every entry (i, j) of the pattern. g: (n, ...), x: (m, ...) -> (n_entries,)

    by_head: the second axis is not summed over. (n, heads, ...), (m, heads, ...) -> (n_entries, heads)
    The rows are brought together some at a time, so that they stay in cache and no (n_entries, ...) array is made.
    """
    heads, n_entries = g.shape[1] if by_head else 1, pattern.n_entries
    width = math.prod(g.shape[2:] if by_head else g.shape[1:])
    g, x = (a.reshape((a.shape[0], heads, width)) for a in (g, x))
    out = np.empty((n_entries, heads), np.result_type(g, x))
    some = max(1, 2**16 // max(1, heads * width))
    for start in range(0, n_entries, some):
        part = slice(start, start + some)
        left, right = g.take(pattern.rows[part], axis=0), x.take(pattern.indices[part], axis=0)
        np.einsum("ehf,ehf->eh", left, right, out=out[part])
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
