"""The graph primitives under autograd: products, sparse products, gathers and segment reductions.

Every one has a reverse and a forward derivative, each written with primitives of this file, so the family is closed
under differentiation: gradients of gradients need nothing more. Sparse matrices are values: a pattern that never
changes, and numbers that may be traced.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse

from graphnn.ops import sparse
from graphnn.ops.activations import FUSED, identity
from graphnn.ops.arrays import add_all, concatenate, differentiable, is_traced, multilinear, value_of
from graphnn.types import Array


class Segments:
    """Which of `count` groups each of several rows belongs to; any order, groups may be empty.

    index: (n_rows,) integers in 0..count-1; raises ValueError at the first sum where one lies outside.

    >>> Segments(np.array([0, 2, 2]), 3).sizes
    array([1, 0, 2])
    """

    def __init__(self, index: np.ndarray, count: int):
        self.index, self.count = np.asarray(index), int(count)

    @cached_property
    def grouped(self) -> tuple[sparse.Pattern, np.ndarray]:
        """The (count, n_rows) pattern of ones that sums the rows, and the order in which it visits them."""
        return sparse.group(self.index, self.count)

    @cached_property
    def sizes(self) -> np.ndarray:
        """How many rows each group has."""
        return np.diff(self.grouped[0].indptr).astype(np.intp)

    def ones(self, dtype: np.dtype) -> np.ndarray:
        return np.ones(len(self.index), dtype)

    def inverse_sizes(self, dtype: np.dtype, ndim: int) -> np.ndarray:
        """Return 1 / size of every group as a column (1 for an empty one), ready to multiply (count, ...) arrays."""
        column = (1.0 / np.maximum(self.sizes, 1)).astype(float if dtype.kind in "biu" else dtype)
        return column.reshape((-1,) + (1,) * (ndim - 1))


class SparseMatrix:
    """A sparse matrix under autograd: a fixed pattern with values that may be constants or traced.

    It shows itself by `.toarray()` and `.toscipy()`, multiplies with `@`, and is never changed.

    >>> A = SparseMatrix.from_entries(np.array([0, 1]), np.array([1, 0]), np.array([2.0, 3.0]), (2, 2))
    >>> A @ np.array([[1.0], [10.0]])
    array([[20.],
           [ 3.]])
    """

    __array_ufunc__ = None  # so that `array @ matrix` asks us instead of trying element by element
    ndim = 2

    def __init__(self, pattern: sparse.Pattern, values: Array):
        self.pattern, self.values, self.shape = pattern, values, pattern.shape

    @classmethod
    def from_entries(cls, rows: np.ndarray, columns: np.ndarray, values: Array, shape: tuple[int, int]) -> SparseMatrix:
        """Make the matrix whose entry (rows[i], columns[i]) is values[i]; entries at one place add.

        Raises ValueError for a place outside of the shape.
        """
        rows, columns = np.asarray(rows), np.asarray(columns)
        if not len(rows) == len(columns) == len(values):
            raise ValueError(f"a sparse matrix of {len(rows)} rows, {len(columns)} columns and {len(values)} values")
        for index, count, what in ((rows, shape[0], "row"), (columns, shape[1], "column")):
            if index.size and (index.min() < 0 or index.max() >= count):
                bad = index.max() if index.max() >= count else index.min()
                raise ValueError(f"a sparse matrix {shape[0]} x {shape[1]} has no {what} {bad}")
        grouped, order = sparse.group(rows, shape[0])
        return cls(sparse.Pattern(grouped.indptr, columns[order], shape), permuted(values, order))

    @classmethod
    def from_scipy(cls, matrix: Any, dtype: np.dtype | None = None) -> SparseMatrix:
        """Make it from a copy of any SciPy sparse matrix or dense array."""
        csr = scipy.sparse.csr_array(matrix, copy=True)
        return cls(sparse.Pattern(csr.indptr, csr.indices, csr.shape), csr.data.astype(dtype or csr.dtype, copy=False))

    @property
    def dtype(self) -> np.dtype:
        return self.values.dtype

    @property
    def is_constant(self) -> bool:
        return type(self.values) is np.ndarray

    @cached_property
    def row_segments(self) -> Segments:
        return Segments(self.pattern.rows, self.shape[0])

    @cached_property
    def column_segments(self) -> Segments:
        return Segments(self.pattern.indices, self.shape[1])

    def __matmul__(self, x: Array) -> Array:
        return sparse_product(self, x)

    def with_values(self, values: Array) -> SparseMatrix:
        """Return the same pattern with other values."""
        return SparseMatrix(self.pattern, values)

    def astype(self, dtype: np.dtype) -> SparseMatrix:
        return self if self.dtype == dtype else self.with_values(self.values.astype(dtype))

    def row_sums(self) -> Array:
        """Return the sum of every row: weighted in-degrees of an adjacency. (n,)"""
        return segment_sum(self.values, self.row_segments)

    def scale(self, rows: Array | None = None, columns: Array | None = None) -> SparseMatrix:
        """Return diag(rows) A diag(columns)."""
        values = self.values
        if rows is not None:
            values = values * gather(rows, self.row_segments)
        if columns is not None:
            values = values * gather(columns, self.column_segments)
        return self.with_values(values)

    def plus_diagonal(self, diagonal: Array, where: np.ndarray | None = None) -> SparseMatrix:
        """Return A + diag(diagonal); `where` picks the nodes, and `diagonal` has one entry for each of them."""
        nodes = np.arange(self.shape[0]) if where is None else where
        return SparseMatrix.from_entries(
            np.concatenate([self.pattern.rows, nodes]),
            np.concatenate([self.pattern.indices, nodes]),
            concatenate([self.values, diagonal]),
            self.shape,
        )

    def without_empty_rows(self) -> tuple[SparseMatrix, SparseMatrix]:
        """Return the rows that have entries, and the matrix of ones that puts them back: (k, m) and (n, k).

        >>> kept, place = SparseMatrix.from_scipy(np.array([[0.0, 0.0], [1.0, 2.0]])).without_empty_rows()
        >>> kept.shape, (place @ kept.toarray()).tolist()
        ((1, 2), [[0.0, 0.0], [1.0, 2.0]])
        """
        filled = np.diff(self.pattern.indptr) > 0
        k = int(filled.sum())
        kept = sparse.Pattern(self.pattern.indptr[np.append(True, filled)], self.pattern.indices, (k, self.shape[1]))
        place = sparse.Pattern(sparse.offsets(filled), np.arange(k), (self.shape[0], k))
        return SparseMatrix(kept, self.values), SparseMatrix(place, np.ones(k, self.dtype))

    def toarray(self) -> Array:
        """Return the matrix as a dense array, traced if the values are."""
        if self.is_constant:
            return self.toscipy().toarray()
        place = self.pattern.rows.astype(np.intp) * self.shape[1] + self.pattern.indices
        flat = segment_sum(self.values, Segments(place, self.shape[0] * self.shape[1]))
        return flat.reshape(self.shape)

    def toscipy(self) -> Any:
        """Return a SciPy CSR array of the values, a copy: SciPy sorts and adds entries in place."""
        parts = (value_of(self.values), self.pattern.indices, self.pattern.indptr)
        return scipy.sparse.csr_array(parts, shape=self.shape, copy=True)

    def __getstate__(self) -> dict:
        return {"pattern": self.pattern, "values": self.values, "shape": self.shape}

    def __repr__(self) -> str:
        return f"SparseMatrix({self.shape[0]} x {self.shape[1]}, {self.pattern.n_entries} entries, {self.dtype})"


# ---- dense products -------------------------------------------------------------------------------------------------


def _dot_pullback(argnum: int, g: Array, a: Array, b: Array) -> Array:
    return dot_nt(g, b) if argnum == 0 else dot_tn(a, g)


def _dot_tn_pullback(argnum: int, g: Array, a: Array, b: Array) -> Array:
    return dot_nt(b, g) if argnum == 0 else dot(a, g)


def _dot_nt_pullback(argnum: int, g: Array, a: Array, b: Array) -> Array:
    return dot(g, b) if argnum == 0 else dot_tn(g, a)


@multilinear(_dot_pullback)
def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a b."""
    return a @ b


@multilinear(_dot_tn_pullback)
def dot_tn(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the transpose of a, times b."""
    return a.T @ b


@multilinear(_dot_nt_pullback)
def dot_nt(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a times the transpose of b."""
    return a @ b.T


def _column_sum_pullback(argnum: int, g: Array, x: Array) -> Array:
    return repeat_row(g, x.shape[0])


def _repeat_row_pullback(argnum: int, g: Array, row: Array, n: int) -> Array:
    return column_sum(g)


@multilinear(_column_sum_pullback)
def column_sum(x: np.ndarray) -> np.ndarray:
    """Return the sum over rows; a product with ones is several times faster than NumPy's sum over axis 0."""
    return np.ones(x.shape[0], x.dtype) @ x


@multilinear(_repeat_row_pullback)
def repeat_row(row: np.ndarray, n: int) -> np.ndarray:
    """Return n copies of a row under each other."""
    return np.repeat(row[None], n, axis=0)


# ---- fused: activation(x W + b) and activation(A x + b) -------------------------------------------------------------


def _affine_pull(g: Array, argnums: Sequence[int], ans: Array, args: tuple) -> list[Array]:
    x, weight, _, activation = args
    g = FUSED[activation].slope(g, ans)
    pull = (dot_nt, dot_tn, column_sum)
    operands = ((g, weight), (x, g), (g,))
    return [pull[argnum](*operands[argnum]) for argnum in argnums]


def _affine_push(argnums: Sequence[int], tangents: Sequence[Array], ans: Array, args: tuple) -> Array:
    x, weight, _, activation = args
    parts = []
    for argnum, tangent in zip(argnums, tangents, strict=True):
        if argnum == 0:
            parts.append(dot(tangent, weight))
        elif argnum == 1:
            parts.append(dot(x, tangent))
        else:
            parts.append(repeat_row(tangent, x.shape[0]))
    return FUSED[activation].slope(add_all(parts), ans)


@differentiable(_affine_pull, _affine_push)
def affine(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, activation: Callable) -> np.ndarray:
    """Return activation(x weight + bias) for an activation of FUSED. (n, d), (d, width), (width,) -> (n, width)"""
    out = x @ weight
    if bias is not None:
        out += bias
    FUSED[activation].apply(out)
    return out


def _sparse_affine_pull(g: Array, argnums: Sequence[int], ans: Array, args: tuple) -> list[Array]:
    _, _, matrix, activation = args
    g = FUSED[activation].slope(g, ans)
    parts = []
    for argnum in argnums:
        if argnum == 0:
            parts.append(turned_product(matrix.values, g, matrix.pattern))
        else:
            parts.append(column_sum(g) if args[1].ndim == 1 else g)
    return parts


def _sparse_affine_push(argnums: Sequence[int], tangents: Sequence[Array], ans: Array, args: tuple) -> Array:
    _, _, matrix, activation = args
    parts = []
    for argnum, tangent in zip(argnums, tangents, strict=True):
        if argnum == 0:
            parts.append(sparse_affine(tangent, None, matrix, identity))
        else:
            parts.append(repeat_row(tangent, matrix.shape[0]) if tangent.ndim == 1 else tangent)
    return FUSED[activation].slope(add_all(parts), ans)


@differentiable(_sparse_affine_pull, _sparse_affine_push)
def sparse_affine(x: np.ndarray, bias: np.ndarray | None, matrix: SparseMatrix, activation: Callable) -> np.ndarray:
    """Return activation(A x + bias) for a constant matrix A and an activation of FUSED.

    x: (m, f);  bias: a row (f,) or what is already there, (n, f)  ->  (n, f)
    """
    out = sparse.matmul(matrix.pattern, matrix.values, x, bias)
    FUSED[activation].apply(out)
    return out


# ---- sparse products whose matrix values are differentiated ---------------------------------------------------------


def _permuted_pullback(argnum: int, g: Array, values: Array, order: np.ndarray) -> Array:
    return permuted(g, np.argsort(order))


@multilinear(_permuted_pullback)
def permuted(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return values[order] for a permutation."""
    return values.take(order, axis=0)


def _product_pullback(argnum: int, g: Array, values: Array, x: Array, pattern: sparse.Pattern) -> Array:
    return sampled_product(g, x, pattern, values.ndim == 2) if argnum == 0 else turned_product(values, g, pattern)


def _turned_pullback(argnum: int, g: Array, values: Array, x: Array, pattern: sparse.Pattern) -> Array:
    return sampled_product(x, g, pattern, values.ndim == 2) if argnum == 0 else weighted_product(values, g, pattern)


def _sampled_pullback(argnum: int, g: Array, a: Array, x: Array, pattern: sparse.Pattern, by_head: bool) -> Array:
    return weighted_product(g, x, pattern) if argnum == 0 else turned_product(g, a, pattern)


@multilinear(_product_pullback)
def weighted_product(values: np.ndarray, x: np.ndarray, pattern: sparse.Pattern) -> np.ndarray:
    """Return A x for the matrix with these values at the pattern's places. (n_entries,), (m, ...) -> (n, ...)

    Values (n_entries, heads) are a matrix for each head. (m, heads, ...) -> (n, heads, ...)
    """
    return sparse.matmul(pattern, values, x)


@multilinear(_turned_pullback)
def turned_product(values: np.ndarray, x: np.ndarray, pattern: sparse.Pattern) -> np.ndarray:
    """Return the transpose of A, times x. (n_entries,), (n, ...) -> (m, ...)"""
    return sparse.matmul(pattern, values, x, turned=True)


@multilinear(_sampled_pullback)
def sampled_product(a: np.ndarray, x: np.ndarray, pattern: sparse.Pattern, by_head: bool) -> np.ndarray:
    """Return <a_i, x_j> for every entry (i, j) of the pattern. (n, ...), (m, ...) -> (n_entries,)

    by_head: head by head. (n, heads, ...), (m, heads, ...) -> (n_entries, heads)
    """
    return sparse.sampled_product(pattern, a, x, by_head)


def sparse_product(matrix: SparseMatrix, x: Array) -> Array:
    """Return A x, differentiable in x and in the values of A. (m, ...) -> (n, ...)"""
    if matrix.is_constant and x.ndim == 2:
        return sparse_affine(x, None, matrix, identity)
    return weighted_product(matrix.values, x, matrix.pattern)


# ---- several matrices on one pattern --------------------------------------------------------------------------------


def _weighted_many_pullback(argnum: int, g: Array, values: Array, x: Array, pattern: sparse.Pattern) -> Array:
    return sampled_many(g, x, pattern) if argnum == 0 else turned_many(values, g, pattern)


def _turned_many_pullback(argnum: int, g: Array, values: Array, y: Array, pattern: sparse.Pattern) -> Array:
    return sampled_many(y, g, pattern) if argnum == 0 else weighted_many(values, g, pattern)


def _sampled_many_pullback(argnum: int, g: Array, y: Array, x: Array, pattern: sparse.Pattern) -> Array:
    return weighted_many(g, x, pattern) if argnum == 0 else turned_many(g, y, pattern)


@multilinear(_weighted_many_pullback)
def weighted_many(values: np.ndarray, x: np.ndarray, pattern: sparse.Pattern) -> np.ndarray:
    """Return A_k x for the matrix A_k of every column of values. (n_entries, q), (m, f) -> (n, q, f)"""
    out = np.empty((pattern.shape[0], values.shape[1], x.shape[1]), np.result_type(values, x))
    for k in range(values.shape[1]):
        out[:, k] = sparse.matmul(pattern, values[:, k], x)
    return out


@multilinear(_turned_many_pullback)
def turned_many(values: np.ndarray, y: np.ndarray, pattern: sparse.Pattern) -> np.ndarray:
    """Return the sum over k of the transpose of A_k, times y_k. (n_entries, q), (n, q, f) -> (m, f)"""
    out = np.zeros((pattern.shape[1], y.shape[2]), np.result_type(values, y))
    for k in range(values.shape[1]):
        out = sparse.matmul(pattern, values[:, k], y[:, k], out, turned=True)
    return out


@multilinear(_sampled_many_pullback)
def sampled_many(y: np.ndarray, x: np.ndarray, pattern: sparse.Pattern) -> np.ndarray:
    """Return <y_ik, x_j> for every entry (i, j) of the pattern and every k. (n, q, f), (m, f) -> (n_entries, q)"""
    out = np.empty((pattern.n_entries, y.shape[1]), np.result_type(y, x))
    for k in range(y.shape[1]):
        out[:, k] = sparse.sampled_product(pattern, y[:, k], x)
    return out


# ---- cutting, picking and dropping ----------------------------------------------------------------------------------


def _cut_pullback(argnum: int, g: Array, x: Array, start: int, stop: int) -> Array:
    return embed(g, start, x.shape[-1])


def _embed_pullback(argnum: int, g: Array, x: Array, start: int, width: int) -> Array:
    return cut(g, start, start + x.shape[-1])


@multilinear(_cut_pullback)
def cut(x: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return the columns start, ..., stop - 1; autograd's own slices pay for an indexed addition in reverse."""
    return np.ascontiguousarray(x[..., start:stop])


@multilinear(_embed_pullback)
def embed(x: np.ndarray, start: int, width: int) -> np.ndarray:
    """Return x as the columns from `start` on of `width` columns that are else zero."""
    out = np.zeros((*x.shape[:-1], width), x.dtype)
    out[..., start : start + x.shape[-1]] = x
    return out


def _pick_pullback(argnum: int, g: Array, x: Array, columns: np.ndarray) -> Array:
    return put(g, columns, x.shape[1])


def _put_pullback(argnum: int, g: Array, values: Array, columns: np.ndarray, width: int) -> Array:
    return pick(g, columns)


@multilinear(_pick_pullback)
def pick(x: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return one entry of each row: x[i, columns[i]]. (n, c) -> (n,)"""
    return x[np.arange(len(columns)), columns]


@multilinear(_put_pullback)
def put(values: np.ndarray, columns: np.ndarray, width: int) -> np.ndarray:
    """Return rows that are zero but for values[i] in column columns[i]. (n,) -> (n, width)"""
    out = np.zeros((len(columns), width), values.dtype)
    out[np.arange(len(columns)), columns] = values
    return out


def _drop_pullback(argnum: int, g: Array, x: Array, keep: np.ndarray, scale: float) -> Array:
    return drop(g, keep, scale)


@multilinear(_drop_pullback)
def drop(x: np.ndarray, keep: np.ndarray, scale: float) -> np.ndarray:
    """Return x * scale where `keep`, else 0."""
    out = x * keep
    out *= scale
    return out


def draw_mask(shape: tuple[int, ...], rate: float, rng: np.random.Generator) -> np.ndarray:
    """Return booleans that are False with probability `rate`, from raw bits: 16 for each, a single one at 1/2.

    Many times faster than `rng.random(shape) >= rate`; the rate is met to within 2^-17.
    """
    n = int(np.prod(shape))
    top = np.iinfo(np.uint64).max
    if rate == 0.5:
        raw = rng.integers(0, top, size=(n + 63) // 64, dtype=np.uint64, endpoint=True)
        return np.unpackbits(raw.view(np.uint8), count=n).view(bool).reshape(shape)
    raw = rng.integers(0, top, size=(n + 3) // 4, dtype=np.uint64, endpoint=True)
    return raw.view(np.uint16)[:n].reshape(shape) >= round(rate * 65536)


# ---- gather and segment reductions ----------------------------------------------------------------------------------


def _gather_pullback(argnum: int, g: Array, x: Array, segments: Segments) -> Array:
    return segment_sum(g, segments)


def _segment_sum_pullback(argnum: int, g: Array, x: Array, segments: Segments) -> Array:
    return gather(g, segments)


@multilinear(_gather_pullback)
def gather(x: np.ndarray, segments: Segments) -> np.ndarray:
    """Return x[segments.index]. (count, ...) -> (n_rows, ...)"""
    return x.take(segments.index, axis=0)


@multilinear(_segment_sum_pullback)
def segment_sum(x: np.ndarray, segments: Segments) -> np.ndarray:
    """Return the sum of the rows of every segment; 0 for none. (n_rows, ...) -> (count, ...)"""
    return sparse.matmul(segments.grouped[0], segments.ones(x.dtype), x)


def _share_of_maximum(x: np.ndarray, ans: np.ndarray, segments: Segments) -> np.ndarray:
    """Return 1 at the single largest row of a segment, 1 / k where k rows tie, else 0."""
    ties = (x == ans.take(segments.index, axis=0)).astype(x.dtype)
    return ties / segment_sum(ties, segments).take(segments.index, axis=0)


def _segment_max_pull(g: Array, argnums: Sequence[int], ans: Array, args: tuple) -> list[Array]:
    x, segments = args
    return [gather(g, segments) * _share_of_maximum(value_of(x), value_of(ans), segments)]


def _segment_max_push(argnums: Sequence[int], tangents: Sequence[Array], ans: Array, args: tuple) -> Array:
    x, segments = args
    return segment_sum(tangents[0] * _share_of_maximum(value_of(x), value_of(ans), segments), segments)


@differentiable(_segment_max_pull, _segment_max_push)
def segment_max(x: np.ndarray, segments: Segments) -> np.ndarray:
    """Return the largest row of every segment; 0 for none; rows that tie share the gradient equally."""
    return sparse.segment_max(*segments.grouped, x)


def _shift(x: np.ndarray, segments: Segments) -> np.ndarray:
    """Return what keeps exp(x - shift) from overflow, and its sums from 0: the maximum of all or of each segment.

    exp(-60) is a normal number in float32 too, so where x spans no more than that one maximum does for all.
    """
    if x.size and x.max() - x.min() < 60:
        return x.max()
    return sparse.segment_max(*segments.grouped, x).take(segments.index, axis=0)


def _softmax_slope(g: Array, ans: Array, segments: Segments) -> Array:
    weighted = g * ans
    return weighted - ans * gather(segment_sum(weighted, segments), segments)


def _segment_softmax_pull(g: Array, argnums: Sequence[int], ans: Array, args: tuple) -> list[Array]:
    return [_softmax_slope(g, ans, args[1])]


def _segment_softmax_push(argnums: Sequence[int], tangents: Sequence[Array], ans: Array, args: tuple) -> Array:
    return _softmax_slope(tangents[0], ans, args[1])


@differentiable(_segment_softmax_pull, _segment_softmax_push)
def segment_softmax(x: np.ndarray, segments: Segments) -> np.ndarray:
    """Return exp(x) over the sum of exp(x) in its segment, shifted by a maximum. Same shape as x."""
    out = x - _shift(x, segments)
    np.exp(out, out=out)
    out /= segment_sum(out, segments).take(segments.index, axis=0)
    return out


def _logsumexp_pull(g: Array, argnums: Sequence[int], ans: Array, args: tuple) -> list[Array]:
    x, segments = args
    return [gather(g, segments) * segment_softmax(x, segments)]


def _logsumexp_push(argnums: Sequence[int], tangents: Sequence[Array], ans: Array, args: tuple) -> Array:
    x, segments = args
    return segment_sum(tangents[0] * segment_softmax(x, segments), segments)


@differentiable(_logsumexp_pull, _logsumexp_push)
def segment_logsumexp(x: np.ndarray, segments: Segments) -> np.ndarray:
    """Return log of the sum of exp(x) of every segment, shifted by its maximum; 0 for an empty segment."""
    top = sparse.segment_max(*segments.grouped, x)
    total = segment_sum(np.exp(x - top.take(segments.index, axis=0)), segments)
    return np.log(total, out=np.zeros_like(total), where=total > 0) + top


def _log_softmax_slope_pull(g: Array, argnums: Sequence[int], ans: Array, args: tuple) -> list[Array]:
    return [g - softmax(args[0]) * row_sum(g)]


def _log_softmax_push(argnums: Sequence[int], tangents: Sequence[Array], ans: Array, args: tuple) -> Array:
    return tangents[0] - row_sum(softmax(args[0]) * tangents[0])


def _row_sum_pullback(argnum: int, g: Array, x: Array) -> Array:
    return g * np.ones(x.shape, g.dtype)


@multilinear(_row_sum_pullback)
def row_sum(x: np.ndarray) -> np.ndarray:
    """Return the sum over the last axis as a column."""
    return x.sum(axis=-1, keepdims=True)


@differentiable(_log_softmax_slope_pull, _log_softmax_push)
def log_softmax(x: np.ndarray) -> np.ndarray:
    """Return log of the softmax over the last axis."""
    out = x - x.max(axis=-1, keepdims=True)
    out -= np.log(np.exp(out).sum(axis=-1, keepdims=True))
    return out


def _row_softmax_slope(g: Array, ans: Array) -> Array:
    weighted = g * ans
    return weighted - ans * row_sum(weighted)


def _softmax_pull(g: Array, argnums: Sequence[int], ans: Array, args: tuple) -> list[Array]:
    return [_row_softmax_slope(g, ans)]


def _softmax_push(argnums: Sequence[int], tangents: Sequence[Array], ans: Array, args: tuple) -> Array:
    return _row_softmax_slope(tangents[0], ans)


@differentiable(_softmax_pull, _softmax_push)
def softmax(x: np.ndarray) -> np.ndarray:
    """Return exp(x) over its sum along the last axis."""
    out = np.exp(x - x.max(axis=-1, keepdims=True))
    out /= out.sum(axis=-1, keepdims=True)
    return out


__all__ = [
    "Segments",
    "SparseMatrix",
    "affine",
    "column_sum",
    "cut",
    "draw_mask",
    "drop",
    "embed",
    "gather",
    "is_traced",
    "log_softmax",
    "permuted",
    "pick",
    "put",
    "sampled_product",
    "segment_logsumexp",
    "segment_max",
    "segment_softmax",
    "segment_sum",
    "softmax",
    "sparse_affine",
    "sparse_product",
    "weighted_many",
    "weighted_product",
]
