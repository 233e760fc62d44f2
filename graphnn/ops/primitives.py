"""The graph primitives under autograd: products, sparse products, gathers and segment reductions.

Every one has a reverse and a forward derivative, each written with primitives of this file, so the family is closed
under differentiation: gradients of gradients need nothing more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from graphnn.ops import passes, sparse
from graphnn.ops.arrays import add_all, differentiable, is_traced, linear, multilinear, value_of
from graphnn.ops.buffers import dense_product
from graphnn.types import Array


class Segments:
    """Which of `count` groups each of several rows belongs to; any order, groups may be empty.

    index: (n_rows,) integers in 0..count-1; raises ValueError at the first sum where one lies outside.

    >>> Segments(np.array([0, 2, 2]), 3).sizes
    array([1, 0, 2])
    """

    def __init__(self, index: np.ndarray, count: int):
        self.index, self.count = np.asarray(index), int(count)

    @classmethod
    def apart(cls, count: int) -> Segments:
        """Return the segments of so many rows that each stand alone."""
        return cls(np.arange(count), count)

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


# ---- differences and dense products ----------------------------------------------------------------------------------


def _minus_pull(g: Array, argnums: Sequence[int], ans: None, args: None) -> list[Array]:
    return [g if argnum == 0 else -g for argnum in argnums]


def _minus_push(argnums: Sequence[int], tangents: Sequence[Array], ans: None, args: None) -> Array:
    return add_all([t if argnum == 0 else -t for argnum, t in zip(argnums, tangents, strict=True)])


def _nothing(ans: Array, args: tuple) -> tuple[None, None]:
    return None, None


@differentiable(_minus_pull, _minus_push, _nothing)
def minus(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return x - y for two arrays of one shape and dtype, at a fifth of what autograd's own costs on the tape."""
    return x - y


def _dot_pullback(argnum: int, g: Array, a: Array, b: Array) -> Array:
    return dot_nt(g, b) if argnum == 0 else dot_tn(a, g)


def _dot_tn_pullback(argnum: int, g: Array, a: Array, b: Array) -> Array:
    return dot_nt(b, g) if argnum == 0 else dot(a, g)


def _dot_nt_pullback(argnum: int, g: Array, a: Array, b: Array) -> Array:
    return dot(g, b) if argnum == 0 else dot_tn(g, a)


@multilinear(_dot_pullback)
def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a b."""
    return dense_product(a, b)


@multilinear(_dot_tn_pullback)
def dot_tn(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the transpose of a, times b."""
    return a.T @ b


@multilinear(_dot_nt_pullback)
def dot_nt(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a times the transpose of b."""
    return dense_product(a, b.T)


def _column_sum_pullback(argnum: int, g: Array, x: Array) -> Array:
    return repeat_row(g, x.shape[0])


def _repeat_row_pullback(argnum: int, g: Array, row: Array, n: int) -> Array:
    return column_sum(g)


@linear(_column_sum_pullback)
def column_sum(x: np.ndarray) -> np.ndarray:
    """Return the sum over rows; a product with ones is several times faster than NumPy's sum over axis 0."""
    return np.ones(x.shape[0], x.dtype) @ x


@linear(_repeat_row_pullback)
def repeat_row(row: np.ndarray, n: int) -> np.ndarray:
    """Return n copies of a row under each other."""
    return np.repeat(row[None], n, axis=0)


# ---- sparse products whose matrix values are differentiated ---------------------------------------------------------


def _permuted_pullback(argnum: int, g: Array, values: Array, order: np.ndarray) -> Array:
    return permuted(g, np.argsort(order))


@linear(_permuted_pullback)
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


# ---- cutting, picking and dropping ----------------------------------------------------------------------------------


def _cut_pullback(argnum: int, g: Array, x: Array, start: int, stop: int) -> Array:
    return embed(g, start, x.shape[-1])


def _embed_pullback(argnum: int, g: Array, x: Array, start: int, width: int) -> Array:
    return cut(g, start, start + x.shape[-1])


@linear(_cut_pullback)
def cut(x: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return the columns start, ..., stop - 1; autograd's own slices pay for an indexed addition in reverse."""
    return np.ascontiguousarray(x[..., start:stop])


@linear(_embed_pullback)
def embed(x: np.ndarray, start: int, width: int) -> np.ndarray:
    """Return x as the columns from `start` on of `width` columns that are else zero."""
    out = np.zeros((*x.shape[:-1], width), x.dtype)
    out[..., start : start + x.shape[-1]] = x
    return out


def _reshaped_pullback(argnum: int, g: Array, x: Array, shape: tuple[int, ...]) -> Array:
    return reshaped(g, x.shape)


@linear(_reshaped_pullback)
def reshaped(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return x with another shape; autograd's own costs several times as much."""
    return x.reshape(shape)


def _blocks_pullback(argnum: int, g: Array, vectors: Array) -> Array:
    return of_diagonal_blocks(g, vectors.shape[0])


def _of_blocks_pullback(argnum: int, g: Array, blocks: Array, heads: int) -> Array:
    return diagonal_blocks(g)


@linear(_blocks_pullback)
def diagonal_blocks(vectors: np.ndarray) -> np.ndarray:
    """Return the matrix whose diagonal blocks are the vectors as columns. (heads, f) -> (heads * f, heads)"""
    heads, f = vectors.shape
    out = np.zeros((heads, f, heads), vectors.dtype)
    out[np.arange(heads), :, np.arange(heads)] = vectors
    return out.reshape(heads * f, heads)


@linear(_of_blocks_pullback)
def of_diagonal_blocks(blocks: np.ndarray, heads: int) -> np.ndarray:
    """Return the diagonal blocks, as `diagonal_blocks` takes them. (heads * f, heads) -> (heads, f)"""
    return blocks.reshape(heads, -1, heads)[np.arange(heads), :, np.arange(heads)]


def _pick_pullback(argnum: int, g: Array, x: Array, columns: np.ndarray) -> Array:
    return put(g, columns, x.shape[1])


def _put_pullback(argnum: int, g: Array, values: Array, columns: np.ndarray, width: int) -> Array:
    return pick(g, columns)


@linear(_pick_pullback)
def pick(x: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return one entry of each row: x[i, columns[i]]. (n, c) -> (n,)"""
    return x[np.arange(len(columns)), columns]


@linear(_put_pullback)
def put(values: np.ndarray, columns: np.ndarray, width: int) -> np.ndarray:
    """Return rows that are zero but for values[i] in column columns[i]. (n,) -> (n, width)"""
    out = np.zeros((len(columns), width), values.dtype)
    out[np.arange(len(columns)), columns] = values
    return out


def _rows_pullback(argnum: int, g: Array, x: Array, places: np.ndarray) -> Array:
    return put_rows(g, places, x.shape[0])


def _put_rows_pullback(argnum: int, g: Array, rows: Array, places: np.ndarray, count: int) -> Array:
    return pick_rows(g, places)


@linear(_rows_pullback)
def pick_rows(x: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return x[places], for places of which no two are alike: a gather whose adjoint needs no sums."""
    return x.take(places, axis=0)


@linear(_put_rows_pullback)
def put_rows(rows: np.ndarray, places: np.ndarray, count: int) -> np.ndarray:
    """Return `count` rows that are zero but for rows[i] at places[i]. (k, ...) -> (count, ...)"""
    out = np.zeros((count, *rows.shape[1:]), rows.dtype)
    out[places] = rows
    return out


def _drop_pullback(argnum: int, g: Array, x: Array, keep: np.ndarray, scale: float) -> Array:
    return drop(g, keep, scale)


@linear(_drop_pullback)
def drop(x: np.ndarray, keep: np.ndarray, scale: float) -> np.ndarray:
    """Return x * scale where `keep`, which may be a column, else 0."""
    return passes.masked(x, keep, scale)


def draw_mask(shape: tuple[int, ...], rate: float, rng: np.random.Generator) -> np.ndarray:
    """Return booleans that are False with probability `rate`, from raw bits: 16 for each, a single one at 1/2.

    Many times faster than `rng.random(shape) >= rate`; the rate is met to within 2^-17.
    """
    n = math.prod(shape)
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


@linear(_gather_pullback)
def gather(x: np.ndarray, segments: Segments) -> np.ndarray:
    """Return x[segments.index]. (count, ...) -> (n_rows, ...)"""
    return x.take(segments.index, axis=0)


@linear(_segment_sum_pullback)
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


def shift(x: np.ndarray, segments: Segments) -> np.ndarray:
    """Return what keeps exp(x - shift) from overflow, and its sums from 0: the maximum of all or of each segment.

    exp(-60) is a normal number in float32 too, so where x spans no more than that one maximum does for all.
    """
    if x.size and x.max() - x.min() < 60:
        return x.max()
    return sparse.segment_max(*segments.grouped, x).take(segments.index, axis=0)


def softmax_slope(g: Array, ans: Array, segments: Segments) -> Array:
    weighted = g * ans
    return weighted - ans * gather(segment_sum(weighted, segments), segments)


def _segment_softmax_pull(g: Array, argnums: Sequence[int], ans: Array, args: tuple) -> list[Array]:
    return [softmax_slope(g, ans, args[1])]


def _segment_softmax_push(argnums: Sequence[int], tangents: Sequence[Array], ans: Array, args: tuple) -> Array:
    return softmax_slope(tangents[0], ans, args[1])


def _result_alone(ans: Array, args: tuple) -> tuple[Array, tuple]:
    return ans, (None, *args[1:])


@differentiable(_segment_softmax_pull, _segment_softmax_push, _result_alone)
def segment_softmax(x: np.ndarray, segments: Segments) -> np.ndarray:
    """Return exp(x) over the sum of exp(x) in its segment, shifted by a maximum. Same shape as x."""
    out = x - shift(x, segments)
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


@linear(_row_sum_pullback)
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
    "pick_rows",
    "put",
    "put_rows",
    "sampled_product",
    "segment_logsumexp",
    "segment_max",
    "segment_softmax",
    "segment_sum",
    "softmax",
    "weighted_product",
]
