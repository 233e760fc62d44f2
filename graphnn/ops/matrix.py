"""Sparse matrices as values under autograd: a pattern that never changes, and numbers that may be traced.

Here is also the product with a constant matrix that runs into an activation; all others are in `primitives`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse

from graphnn.memory import check_room
from graphnn.ops import sparse
from graphnn.ops.activations import FUSED, identity, kept_of_fused
from graphnn.ops.arrays import add_all, concatenate, differentiable, is_jax, linear, namespace, value_of
from graphnn.ops.buffers import dense_product
from graphnn.ops.primitives import (
    Segments,
    column_sum,
    dot_nt,
    dot_tn,
    gather,
    permuted,
    repeat_row,
    segment_sum,
    weighted_product,
)
from graphnn.types import Array


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

    def __init__(self, pattern: sparse.Pattern, values: Array, lasting: bool = False, symmetric: bool = False):
        self.pattern, self.values, self.shape, self.lasting = pattern, values, pattern.shape, lasting
        self._known_symmetric = symmetric

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

    @cached_property
    def entries(self) -> sparse.Entries:
        """Pattern and values as the loops read them, with what they have sorted; of a constant matrix only."""
        return sparse.Entries(self.pattern, self.values, self.lasting, self._known_symmetric)

    @property
    def is_symmetric(self) -> bool:
        """Whether a constant matrix is its own transpose, entry by entry as they stand."""
        return self.entries.turned is self.entries

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

    def kept(self) -> SparseMatrix:
        """Return the same matrix, about to be used in every step of a training: what large products sort is kept.

        Each row is put in the order of its columns, so that a symmetric matrix is its own transpose, number by number.
        """
        if not self.is_constant:
            return SparseMatrix(self.pattern, self.values, lasting=True)
        matrix = scipy.sparse.csr_array((self.values, self.pattern.indices, self.pattern.indptr), shape=self.shape)
        if matrix.has_sorted_indices:
            return SparseMatrix(self.pattern, self.values, lasting=True)
        matrix = matrix.sorted_indices()
        return SparseMatrix(sparse.Pattern(matrix.indptr, matrix.indices, self.shape), matrix.data, lasting=True)

    def astype(self, dtype: np.dtype) -> SparseMatrix:
        return self if self.dtype == dtype else self.with_values(self.values.astype(dtype))

    def row_sums(self) -> Array:
        """Return the sum of every row: weighted in-degrees of an adjacency. (n,)"""
        if is_jax(self.values):
            return namespace(self.values).zeros(self.shape[0], self.dtype).at[self.pattern.rows].add(self.values)
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
        """Return the matrix as a dense array, traced if the values are; MemoryError if it would not fit."""
        check_room("a sparse matrix made dense", self.shape, self.dtype, "keep it sparse")
        if self.is_constant:
            return self.toscipy().toarray()
        if is_jax(self.values):
            places = self.pattern.rows, self.pattern.indices
            return namespace(self.values).zeros(self.shape, self.dtype).at[places].add(self.values)
        place = self.pattern.rows.astype(np.intp) * self.shape[1] + self.pattern.indices
        flat = segment_sum(self.values, Segments(place, self.shape[0] * self.shape[1]))
        return flat.reshape(self.shape)

    def toscipy(self) -> Any:
        """Return a SciPy CSR array of the values, a copy: SciPy sorts and adds entries in place."""
        parts = (value_of(self.values), self.pattern.indices, self.pattern.indptr)
        return scipy.sparse.csr_array(parts, shape=self.shape, copy=True)

    def __getstate__(self) -> dict:
        names = ("pattern", "values", "shape", "lasting", "_known_symmetric")
        return {name: vars(self)[name] for name in names}

    def __repr__(self) -> str:
        return f"SparseMatrix({self.shape[0]} x {self.shape[1]}, {self.pattern.n_entries} entries, {self.dtype})"


# ---- products -------------------------------------------------------------------------------------------------------


def _constant_product_pullback(argnum: int, g: Array, x: Array, matrix: SparseMatrix, turned: bool) -> Array:
    return constant_product(g, matrix, not turned)


@linear(_constant_product_pullback)
def constant_product(x: np.ndarray, matrix: SparseMatrix, turned: bool) -> np.ndarray:
    """Return A x for a constant matrix A, or its transpose times x; the matrix keeps what large products sort."""
    return sparse.product(matrix.entries, x, turned=turned)


def _sparse_affine_pull(g: Array, argnums: Sequence[int], ans: Array, args: tuple) -> list[Array]:
    _, _, matrix, activation = args
    g = FUSED[activation].slope(g, ans)
    parts = []
    for argnum in argnums:
        if argnum == 0:
            parts.append(constant_product(g, matrix, True))
        else:
            parts.append(column_sum(g) if args[1].ndim == 1 else g)
    return parts


def _sparse_affine_push(argnums: Sequence[int], tangents: Sequence[Array], ans: Array, args: tuple) -> Array:
    _, _, matrix, activation = args
    parts = []
    for argnum, tangent in zip(argnums, tangents, strict=True):
        if argnum == 0:
            parts.append(constant_product(tangent, matrix, False))
        else:
            parts.append(repeat_row(tangent, matrix.shape[0]) if tangent.ndim == 1 else tangent)
    return FUSED[activation].slope(add_all(parts), ans)


@differentiable(_sparse_affine_pull, _sparse_affine_push, kept_of_fused)
def sparse_affine(x: np.ndarray, bias: np.ndarray | None, matrix: SparseMatrix, activation: Callable) -> np.ndarray:
    """Return activation(A x + bias) for a constant matrix A and an activation of FUSED.

    x: (m, f);  bias: a row (f,) or what is already there, (n, f)  ->  (n, f)
    """
    out = sparse.product(matrix.entries, x, bias)
    FUSED[activation].apply(out)
    return out


def _conv_pull(g: Array, argnums: Sequence[int], ans: Array, args: tuple) -> list[Array]:
    x, weight, _, matrix, activation = args
    g = FUSED[activation].slope(g, ans)
    of_bias = column_sum(g) if 2 in argnums else None
    g = constant_product(g, matrix, True) if argnums != (2,) else None
    parts = []
    for argnum in argnums:
        if argnum == 0:
            parts.append(dot_nt(g, weight))
        elif argnum == 1:
            parts.append(constant_product(g, x, True) if isinstance(x, SparseMatrix) else dot_tn(x, g))
        else:
            parts.append(of_bias)
    return parts


def _conv_push(argnums: Sequence[int], tangents: Sequence[Array], ans: Array, args: tuple) -> Array:
    x, weight, _, matrix, activation = args
    parts = []
    for argnum, tangent in zip(argnums, tangents, strict=True):
        if argnum == 0:
            parts.append(conv(tangent, weight, None, matrix, identity))
        elif argnum == 1:
            parts.append(conv(x, tangent, None, matrix, identity))
        else:
            parts.append(repeat_row(tangent, matrix.shape[0]))
    return FUSED[activation].slope(add_all(parts), ans)


@differentiable(_conv_pull, _conv_push, kept_of_fused)
def conv(
    x: np.ndarray | SparseMatrix,
    weight: np.ndarray,
    bias: np.ndarray | None,
    matrix: SparseMatrix,
    activation: Callable,
) -> np.ndarray:
    """Return activation(A (x W) + bias) for a constant matrix A and an activation of FUSED; x W is not kept.

    x: (m, d), or a constant sparse matrix;  weight: (d, width);  bias: (width,)  ->  (n, width)
    """
    product = sparse.product(x.entries, weight) if isinstance(x, SparseMatrix) else dense_product(x, weight)
    out = sparse.product(matrix.entries, product, bias)
    FUSED[activation].apply(out)
    return out


def sparse_product(matrix: SparseMatrix, x: Array) -> Array:
    """Return A x, differentiable in x and in the values of A. (m, ...) -> (n, ...)"""
    if matrix.is_constant:
        return constant_product(x, matrix, False)
    return weighted_product(matrix.values, x, matrix.pattern)
