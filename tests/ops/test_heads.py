"""What attention adds to the waist: one matrix a head, products at places of a pattern, columns, sorted segments."""

from __future__ import annotations

import numpy as np
import pytest
from derivatives import Case, DerivativeLaws, name_of, normal

from graphnn import ops
from graphnn.ops import Segments, SparseMatrix, primitives, sparse

# rows and columns of the entries, and the shape: in order of rows, as a pattern keeps them
PLACES = {
    "square": ([0, 0, 1, 2, 2], [1, 2, 0, 0, 2], (3, 3)),
    "duplicates-and-gaps": ([0, 0, 2, 2, 2], [3, 0, 4, 1, 4], (4, 5)),
    "no-entries": ([], [], (3, 2)),
    "no-rows": ([], [], (0, 3)),
}
HEADS, WIDTH = 2, 3


def pattern_of(kind: str) -> sparse.Pattern:
    rows, columns, shape = PLACES[kind]
    rows, columns = np.array(rows, int), np.array(columns, int)
    return SparseMatrix.from_entries(rows, columns, np.zeros(len(rows)), shape).pattern


def dense_of(z: np.ndarray, kind: str) -> np.ndarray:
    """(n_entries, ...) -> (n, m, ...)"""
    rows, columns, shape = PLACES[kind]
    out = np.zeros((*shape, *z.shape[1:]), z.dtype)
    np.add.at(out, (np.array(rows, int), np.array(columns, int)), z)
    return out


def cases_of(kind: str) -> list[Case]:
    rows, columns, (n, m) = PLACES[kind]
    rows, columns, pattern = np.array(rows, int), np.array(columns, int), pattern_of(kind)
    (values,) = normal(f"{kind} values", (len(rows), HEADS))
    x, y = normal(f"{kind} features", (m, HEADS, WIDTH), (n, HEADS, WIDTH))
    return [
        Case(
            f"{kind}-weighted",
            lambda v, x: ops.weighted_product(v, x, pattern),
            lambda v, x: np.einsum("nmh,mhf->nhf", dense_of(v, kind), x),
            (values, x),
        ),
        Case(
            f"{kind}-weighted-one-matrix",
            lambda v, x: ops.weighted_product(v, x, pattern),
            lambda v, x: np.einsum("nm,mhf->nhf", dense_of(v, kind), x),
            (values[:, 0], x),
        ),
        Case(
            f"{kind}-turned",
            lambda v, y: primitives.turned_product(v, y, pattern),
            lambda v, y: np.einsum("nmh,nhf->mhf", dense_of(v, kind), y),
            (values, y),
        ),
        Case(
            f"{kind}-sampled-by-head",
            lambda y, x: ops.sampled_product(y, x, pattern),
            lambda y, x: (y[rows] * x[columns]).sum(2),
            (y, x),
        ),
        Case(
            f"{kind}-sampled",
            lambda y, x: ops.sampled_product(y, x, pattern),
            lambda y, x: (y[rows] * x[columns]).sum(1),
            (y[:, 0], x[:, 0]),
        ),
    ]


INDEX = np.array([1, 0, 3, 1, 1, 0])
KEYS = normal("keys", (6, 3))[0]
CASES = [
    *(case for kind in PLACES for case in cases_of(kind)),
    Case(
        "headwise",
        ops.headwise,
        lambda x, a: np.einsum("nhf,hf->nh", x.reshape(4, HEADS, WIDTH), a),
        normal("headwise", (4, HEADS * WIDTH), (HEADS, WIDTH)),
    ),
    Case("cut", lambda x: primitives.cut(x, 1, 3), lambda x: x[:, 1:3], normal("cut", (3, 4))),
    Case("embed", lambda x: primitives.embed(x, 1, 4), lambda x: np.pad(x, ((0, 0), (1, 1))), normal("embed", (3, 2))),
    Case(
        "split", lambda x: ops.split(x, 2)[0] * ops.split(x, 2)[1], lambda x: x[:, :2] * x[:, 2:], normal("s", (3, 4))
    ),
    Case(
        "segment_sort",
        lambda x: ops.segment_sort(x, INDEX, 4),
        lambda x: x[np.lexsort((-x[:, -1].real, INDEX))],
        (KEYS,),
    ),
    Case(
        "segment_first",
        lambda x: ops.segment_first(x, np.sort(INDEX), 2, 4),
        lambda x: np.stack([x[:2], x[2:4], 0 * x[:2], np.concatenate([x[5:], 0 * x[:1]])]),
        (KEYS,),
    ),
    Case(
        "softmax-within-one-shift",
        lambda x: ops.segment_softmax(x, INDEX, 4),
        lambda x: np.exp(x) / np.array([np.exp(x)[i == INDEX].sum(0) for i in INDEX]),
        (KEYS,),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=name_of)
class TestEveryFunction(DerivativeLaws):
    pass


def test_heads_of_another_number_are_refused_before_memory_is_read():
    with pytest.raises(ValueError, match=r"values of 2 heads multiply rows of 2, got shape \(3, 3, 4\)"):
        ops.weighted_product(np.ones((5, 2)), np.ones((3, 3, 4)), pattern_of("square"))


def test_long_products_are_the_same_in_parts():
    rng = np.random.default_rng(0)
    rows = np.sort(rng.integers(0, 50, 3000))
    columns = rng.integers(0, 50, 3000)
    pattern = SparseMatrix.from_entries(rows, columns, np.ones(3000), (50, 50)).pattern
    g, x = rng.normal(size=(2, 50, 4, 100))
    wanted = np.einsum("ehf,ehf->eh", g[rows], x[columns])
    np.testing.assert_allclose(ops.sampled_product(g, x, pattern), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("spread", [59.0, 61.0, 1e4])
def test_a_softmax_far_below_the_largest_number_is_exact(spread, dtype):
    """The same segments alone and beside numbers that are `spread` larger."""
    low = np.array([0.0, 1.0, 0.5], dtype)
    both = ops.segment_softmax(np.concatenate([low - spread, low]).astype(dtype), np.array([0, 0, 0, 1, 1, 1]), 2)
    rounding = spread * np.finfo(dtype).eps
    np.testing.assert_allclose(both[:3], ops.segment_softmax(low, np.zeros(3, int), 1), rtol=2 * rounding)


class TestSegmentSort:
    def test_ties_go_by_the_columns_before(self):
        x = np.array([[0.0, 2.0, 1.0], [5.0, 1.0, 1.0], [3.0, 2.0, 1.0], [9.0, 9.0, 0.0]])
        wanted = x[[2, 0, 1, 3]]
        for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]):
            np.testing.assert_array_equal(ops.segment_sort(x[order], np.zeros(4, int), 1), wanted)

    def test_equal_keys_in_different_segments_are_no_tie(self):
        x = np.array([[1.0, 7.0], [2.0, 7.0]])
        np.testing.assert_array_equal(ops.segment_sort(x, np.array([1, 0]), 2), x[::-1])

    @pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
    def test_nothing_to_sort_by(self, shape):
        assert ops.segment_sort(np.ones(shape), Segments(np.zeros(shape[0], int), 1)).shape == shape


def test_parts_that_are_not_equal_are_refused():
    with pytest.raises(ValueError, match="split: 5 columns are no 2 equal parts"):
        ops.split(np.ones((1, 5)), 2)
