"""The graph primitives against loops and dense matrices: values, derivatives, dtypes, extremes, purity."""

from __future__ import annotations

import pickle
import zlib

import autograd
import numpy as np
import pytest
import scipy.sparse
import scipy.special
from derivatives import (
    Case,
    DerivativeLaws,
    assert_adjoint,
    assert_check_grads,
    backward,
    forward,
    name_of,
    normal,
    relu,
    sigmoid,
)

import graphnn as gn
from graphnn import ops
from graphnn.ops import Segments, SparseMatrix, activations, primitives, sparse

# ---- segments: which rows go where, and the same by loops -------------------------------------------------

SEGMENTS = {
    "sorted": ([0, 0, 1, 2, 2, 2], 3),
    "unsorted": ([2, 0, 1, 0, 2, 2], 3),
    "empty-segments": ([4, 1, 1, 4], 6),
    "no-rows": ([], 3),
    "no-segments": ([], 0),
    "one-row": ([0], 1),
    "many-duplicates": ([1] * 20 + [0] + [1] * 4, 2),
}
WIDTHS = {"1d": (), "columns": (3,), "no-columns": (0,), "3d": (2, 3)}


def plain_sum(z: np.ndarray, index: np.ndarray, count: int) -> np.ndarray:
    out = np.zeros((count, *z.shape[1:]), z.dtype)
    np.add.at(out, index, z)
    return out


def plain_mean(z: np.ndarray, index: np.ndarray, count: int) -> np.ndarray:
    rows = [z[index == s].mean(0) if (index == s).any() else np.zeros(z.shape[1:]) for s in range(count)]
    return np.array(rows).reshape((count, *z.shape[1:]))


def plain_max(z: np.ndarray, index: np.ndarray, count: int) -> np.ndarray:
    out = np.zeros((count, *z.shape[1:]), z.dtype)
    for place in np.ndindex(*out.shape):
        column = z[(index == place[0], *place[1:])]
        if len(column):
            out[place] = column[column.real.argmax()]
    return out


def plain_min(z: np.ndarray, index: np.ndarray, count: int) -> np.ndarray:
    return -plain_max(-z, index, count)


def plain_var(z: np.ndarray, index: np.ndarray, count: int) -> np.ndarray:
    centred = z - plain_mean(z, index, count)[index]
    return plain_mean(centred * centred, index, count)


def plain_logsumexp(z: np.ndarray, index: np.ndarray, count: int) -> np.ndarray:
    total = plain_sum(np.exp(z), index, count)
    return np.where(total == 0, 0, np.log(np.where(total == 0, 1, total)))


def plain_softmax(z: np.ndarray, index: np.ndarray, count: int) -> np.ndarray:
    return np.exp(z) / plain_sum(np.exp(z), index, count)[index]


PLAIN = {
    ops.segment_sum: plain_sum,
    ops.segment_mean: plain_mean,
    ops.segment_max: plain_max,
    ops.segment_min: plain_min,
    ops.segment_var: plain_var,
    ops.segment_softmax: plain_softmax,
    ops.segment_logsumexp: plain_logsumexp,
}


def segment_case(ours, plain, kind: str, width: str) -> Case:
    rows, count = SEGMENTS[kind]
    index, name = np.array(rows, int), f"{ours.__name__}-{kind}-{width}"
    arrays = normal(name, (len(index), *WIDTHS[width]))
    return Case(name, lambda x: ours(x, index, count), lambda z: plain(z, index, count), arrays)


def gather_case(kind: str, width: str) -> Case:
    rows, count = SEGMENTS[kind]
    index, name = np.array(rows, int), f"gather-{kind}-{width}"
    return Case(name, lambda x: ops.gather(x, index), lambda z: z[index], normal(name, (count, *WIDTHS[width])))


PLACES = [(kind, "columns") for kind in SEGMENTS] + [
    (kind, width) for kind in ("unsorted", "empty-segments", "no-rows") for width in ("1d", "no-columns", "3d")
]
SEGMENT_CASES = [gather_case(*place) for place in PLACES] + [
    segment_case(ours, plain, *place) for ours, plain in PLAIN.items() for place in PLACES
]


@pytest.mark.parametrize("case", SEGMENT_CASES, ids=name_of)
class TestSegments(DerivativeLaws):
    pass


@pytest.mark.parametrize("ours", PLAIN, ids=lambda f: f.__name__)
class TestSegmentsFurther:
    def test_the_order_of_the_rows_changes_nothing(self, ours):
        x, index = normal("order", (30, 2))[0], np.random.default_rng(0).integers(0, 5, 30)
        order = np.random.default_rng(1).permutation(30)
        out, again = ours(x, index, 6), ours(x[order], index[order], 6)
        np.testing.assert_allclose(again, out[order] if ours is ops.segment_softmax else out, atol=1e-12)

    def test_segments_made_once_give_what_the_index_gives(self, ours):
        (x,) = normal("once", (4, 2))
        index = np.array([3, 0, 0, 1])
        np.testing.assert_array_equal(ours(x, Segments(index, 4)), ours(x, index, 4))

    @pytest.mark.parametrize(
        ("index", "count", "error", "text"),
        [
            ([0, 3], 3, ValueError, r"segment index reaches from 0 to 3, wanted 0\.\.2"),
            ([-1, 0], 3, ValueError, r"segment index reaches from -1 to 0, wanted 0\.\.2"),
            ([0, 1], None, TypeError, "needs the number of segments: pass count="),
            ([0.0, 0.7], 2, TypeError, r"whole numbers \(n_rows,\), got shape \(2,\) of float64"),
            ([[0], [1]], 2, TypeError, r"whole numbers \(n_rows,\), got shape \(2, 1\) of int64"),
            ([0], 2, ValueError, "a segment index of 1 entries does not fit 2 rows"),
            ([0, 1, 1], 2, ValueError, "a segment index of 3 entries does not fit 2 rows"),
        ],
    )
    def test_a_wrong_index_is_refused(self, ours, index, count, error, text):
        with pytest.raises(error, match=text):
            ours(np.ones((2, 1)), np.array(index), count)

    def test_an_empty_list_is_an_index(self, ours):
        assert ours(np.zeros((0, 2)), [], 0).shape == (0, 2)

    def test_whole_numbers_are_never_rounded(self, ours):
        x, index = np.array([[1, 7], [2, -4]]), np.array([0, 0])
        if ours is ops.segment_softmax:
            with pytest.raises(TypeError, match="Cannot cast"):
                ours(x, index, 1)
        else:
            np.testing.assert_allclose(ours(x, index, 1), ours(x.astype(float), index, 1), rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ours", PLAIN, ids=lambda f: f.__name__)
def test_segments_are_finite_to_second_order_for_logits_of_ten_thousand(ours, dtype):
    x = np.array([1e4, -1e4, 0.0, 1e4, 1e4, -1e4, -1e4, 3.0], dtype)
    index = np.array([0, 0, 0, 1, 1, 2, 2, 4])
    u = np.arange(1, 9, dtype=dtype)[: 8 if ours is ops.segment_softmax else 5]

    def gradient(x):
        return gn.grad(lambda x: (u * ours(x, index, 5)).sum())(x)

    curvature = gn.grad(lambda x: (np.arange(8, dtype=dtype) * gradient(x)).sum())(x)
    for array in (ours(x, index, 5), gradient(x), curvature):
        assert np.isfinite(array).all()
        assert array.dtype == dtype


def test_segment_logsumexp_agrees_with_scipy_far_out():
    x = np.array([1e4, 1e4, -1e4, -1e4, 5.0])
    out = ops.segment_logsumexp(x, np.array([0, 0, 1, 1, 2]), 4)
    wanted = [scipy.special.logsumexp(part) for part in (x[:2], x[2:4], x[4:])] + [0.0]
    np.testing.assert_allclose(out, wanted, rtol=1e-15)


class TestSegmentMaxTies:
    def test_rows_that_tie_share_the_gradient_equally_column_by_column(self):
        x = np.array([[2.0, 1.0], [2.0, 3.0], [0.0, 3.0], [7.0, 7.0]])
        index = np.array([0, 0, 0, 1])
        grads = gn.grad(lambda x: ops.segment_max(x, index, 3).sum())(x)
        assert grads.tolist() == [[0.5, 0], [0.5, 0.5], [0, 0.5], [1, 1]]
        assert_adjoint(lambda x: ops.segment_max(x, index, 3), [x])

    def test_a_segment_of_negative_rows_is_not_lifted_to_zero(self):
        assert ops.segment_max(np.array([-3.0, -2.0]), np.array([0, 0]), 2).tolist() == [-2.0, 0.0]


@pytest.mark.parametrize("kind", SEGMENTS)
def test_segment_top_gives_the_rows_of_the_largest_numbers(kind):
    rows, count = SEGMENTS[kind]
    index, sizes = np.array(rows, int), np.arange(count) % 3
    (x,) = normal(f"top-{kind}", (len(index),))
    wanted = []
    for s in range(count):
        own = np.flatnonzero(index == s)
        wanted += own[np.argsort(-x[own])][: sizes[s]].tolist()
    found = ops.segment_top(x, index, sizes, count)
    assert found.tolist() == sorted(wanted)
    assert found.dtype.kind == "i"
    traced = []
    gn.grad(lambda x: traced.append(ops.segment_top(x, index, sizes, count)) or (x * x).sum())(x)
    assert traced[0].tolist() == sorted(wanted)


def test_segment_top_takes_the_first_of_rows_that_tie():
    assert ops.segment_top(np.ones(5), np.array([1, 0, 1, 0, 1]), np.array([1, 2]), 2).tolist() == [0, 1, 2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_eye_is_the_identity(dtype):
    found = ops.eye(3, dtype)
    np.testing.assert_array_equal(found, np.identity(3))
    assert found.dtype == dtype


def test_the_variance_of_one_row_is_zero_and_that_of_large_numbers_keeps_its_digits():
    x = np.array([1e8, 1e8 + 1, 1e8 + 2, 0.1])
    out = ops.segment_var(x, np.array([0, 0, 0, 2]), 3)
    np.testing.assert_allclose(out, [2 / 3, 0, 0], rtol=1e-12)
    assert out[2] == 0


def test_the_smallest_of_no_rows_is_a_plain_zero():
    out = ops.segment_min(np.array([3.0, 2.0]), np.array([0, 0]), 2)
    assert out.tolist() == [2.0, 0.0]
    assert not np.signbit(out).any()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_largest_of_many_short_segments_is_that_of_few_long_ones(width, dtype):
    rng = np.random.default_rng(0)
    index = rng.permutation(np.repeat(np.arange(100), rng.integers(0, 5, 100)))
    x = rng.normal(size=(len(index), *WIDTHS[width])).astype(dtype) - 1
    x[3] = np.nan
    many = ops.segment_max(x, index, 103)
    few = np.concatenate([ops.segment_max(x[index == i], np.zeros((index == i).sum(), int), 1) for i in range(100)])
    np.testing.assert_array_equal(many[:100], few)
    assert (many[100:] == 0).all()
    assert many.dtype == dtype


# ---- sparse matrices --------------------------------------------------------------------------------------

ENTRIES = {
    "square": ([0, 0, 1, 2, 2], [1, 2, 0, 0, 2], (3, 3)),
    "unsorted-with-duplicates": ([2, 0, 2, 2, 0], [1, 0, 1, 4, 3], (3, 5)),
    "empty-rows-and-columns": ([1, 1], [0, 2], (4, 4)),
    "tall": ([5, 0, 3], [0, 1, 1], (6, 2)),
    "no-entries": ([], [], (3, 2)),
    "no-rows": ([], [], (0, 3)),
    "no-columns": ([], [], (3, 0)),
    "nothing": ([], [], (0, 0)),
    "one": ([0], [0], (1, 1)),
}


def plain_dense(z: np.ndarray, kind: str) -> np.ndarray:
    rows, columns, shape = ENTRIES[kind]
    out = np.zeros(shape, z.dtype)
    np.add.at(out, (np.array(rows, int), np.array(columns, int)), z)
    return out


def sparse_of(values, kind: str) -> SparseMatrix:
    rows, columns, shape = ENTRIES[kind]
    return SparseMatrix.from_entries(np.array(rows, int), np.array(columns, int), values, shape)


def plain_product(matrix: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.tensordot(matrix, x, axes=(1, 0)) if x.ndim else matrix * x


def matrix_cases(kind: str) -> list[Case]:
    rows, _, (n, m) = ENTRIES[kind]
    k = len(rows)
    (values,) = normal(f"values {kind}", (k,))

    def constant(x) -> SparseMatrix:
        return sparse_of(values.astype(x.dtype), kind)

    dense = plain_dense(values, kind)
    cases = [
        Case("to-dense", lambda v: sparse_of(v, kind).toarray(), lambda z: plain_dense(z, kind), (values,)),
        Case(
            "row-sums",
            lambda v: sparse_of(v, kind).row_sums(),
            lambda z: plain_dense(z, kind).sum(1),
            (values,),
        ),
        Case(
            "scaled",
            lambda v, r, c: sparse_of(v, kind).scale(r, c).toarray(),
            lambda z, r, c: r[:, None] * plain_dense(z, kind) * c,
            (values, *normal("scales", (n,), (m,))),
        ),
    ]
    for name, width in WIDTHS.items():
        (x,) = normal(f"{kind} {name}", (m, *width))
        (y,) = normal(f"{kind} {name} y", (n, *width))
        cases += [
            Case(
                f"{name}-constant",
                lambda x: ops.propagate(constant(x), x),
                lambda z: plain_product(dense, z),
                (x,),
            ),
            Case(
                f"{name}-values",
                lambda v, x: ops.propagate(sparse_of(v, kind), x),
                lambda z, x: plain_product(plain_dense(z, kind), x),
                (values, x),
            ),
            Case(
                f"{name}-turned-values",
                lambda v, y: turned(sparse_of(v, kind), y),
                lambda z, y: plain_product(plain_dense(z, kind).T, y),
                (values, y),
            ),
        ]
    return [case._replace(name=f"{kind}-{case.name}") for case in cases]


def plain_many(values: np.ndarray, x: np.ndarray, kind: str) -> np.ndarray:
    """A_k x for every column k of values, stacked on axis 1."""
    return np.stack([plain_dense(column, kind) @ x for column in values.T], axis=1)


def many_cases(kind: str) -> list[Case]:
    rows, _, (_, m) = ENTRIES[kind]
    pattern = sparse_of(np.zeros(len(rows)), kind).pattern
    order = np.argsort(np.array(rows, int), kind="stable")
    values, x = normal(f"many {kind}", (len(rows), 3), (m, 2))
    return [
        Case(
            f"many-{kind}",
            lambda v, x: ops.propagate_many(pattern, v, x),
            lambda v, x: plain_many(v[np.argsort(order)], x, kind),
            (values, x),
        ),
    ]


def turned(matrix: SparseMatrix, y):
    """The transpose times y, as the derivative of a product uses it."""
    return primitives.turned_product(matrix.values, y, matrix.pattern)


def normalised(matrix: SparseMatrix) -> SparseMatrix:
    return matrix.scale(ops.reciprocal(matrix.row_sums()))


def affine_cases() -> list[Case]:
    cases = []
    formulas = {ops.identity: np.asarray, ops.relu: relu, ops.tanh: np.tanh, ops.sigmoid: sigmoid}
    formulas[ops.silu] = lambda z: z * sigmoid(z)
    for activation, plain in formulas.items():
        x, weight, bias = normal(f"affine {activation.__name__}", (4, 3), (3, 2), (2,))
        h, shift = normal(f"sparse affine {activation.__name__}", (5, 2), (2,))
        (values,) = normal("affine values", (5,))

        def kernel(x, values=values) -> SparseMatrix:
            return sparse_of(values.astype(x.dtype), "unsorted-with-duplicates")

        def product(z, values=values) -> np.ndarray:
            return plain_dense(values, "unsorted-with-duplicates") @ z

        name = activation.__name__
        cases += [
            Case(
                f"affine-{name}",
                lambda x, w, b, f=activation: ops.affine(x, w, b, f),
                lambda x, w, b, f=plain: f(x @ w + b),
                (x, weight, bias),
            ),
            Case(
                f"affine-no-bias-{name}",
                lambda x, w, f=activation: ops.affine(x, w, activation=f),
                lambda x, w, f=plain: f(x @ w),
                (x, weight),
            ),
            Case(
                f"affine-3d-{name}",
                lambda x, w, b, f=activation: ops.affine(x, w, b, f),
                lambda x, w, b, f=plain: f(x @ w + b),
                (x.reshape(2, 2, 3), weight, bias),
            ),
            Case(
                f"propagate-{name}",
                lambda h, b, f=activation, kernel=kernel: ops.propagate(kernel(h), h, b, f),
                lambda h, b, f=plain, product=product: f(product(h) + b),
                (h, shift),
            ),
            Case(
                f"propagate-beginning-with-{name}",
                lambda h, b, f=activation, kernel=kernel: ops.propagate(kernel(h), h, b, f),
                lambda h, b, f=plain, product=product: f(product(h) + b),
                (h, *normal("beginning", (kernel(h).shape[0], h.shape[1]))),
            ),
            Case(
                f"propagate-no-bias-{name}",
                lambda h, f=activation, kernel=kernel: ops.propagate(kernel(h), h, None, f),
                lambda h, f=plain, product=product: f(product(h)),
                (h,),
            ),
            Case(
                f"propagate-traced-kernel-{name}",
                lambda v, h, b, f=activation: ops.propagate(sparse_of(v, "unsorted-with-duplicates"), h, b, f),
                lambda v, h, b, f=plain: f(plain_dense(v, "unsorted-with-duplicates") @ h + b),
                (values, h, shift),
            ),
            Case(
                f"sparse-features-{name}",
                lambda w, b, f=activation, kernel=kernel: ops.affine(kernel(w), w, b, f),
                lambda w, b, f=plain, product=product: f(product(w) + b),
                (h, shift),
            ),
            *convolution_cases(activation, plain),
        ]
    return cases


def convolution_cases(activation, plain) -> list[Case]:
    """A kernel of 5 x 3 entries, features of 3 nodes dense and sparse, and messages along 5 edges."""
    kind, name = "unsorted-with-duplicates", activation.__name__
    (values,), senders = normal("convolution", (5,)), ops.Segments(np.array([2, 0, 2, 1, 0]), 3)
    _, m = ENTRIES[kind][2]
    h, weight, bias = normal(f"convolve {name}", (m, 4), (4, 2), (2,))
    edges, narrow, short = normal(f"messages {name}", (5, 2), (2, 4), (4,))
    features = scipy.sparse.random_array((m, 4), density=0.6, rng=np.random.default_rng(1)).toarray()

    def kernel(like) -> SparseMatrix:
        return sparse_of(values.astype(like.dtype), kind)

    return [
        Case(
            f"convolve-{name}",
            lambda h, w, b: ops.convolve(kernel(h), h, w, b, activation),
            lambda h, w, b: plain(plain_dense(values, kind) @ h @ w + b),
            (h, weight, bias),
        ),
        Case(
            f"convolve-no-bias-{name}",
            lambda h, w: ops.convolve(kernel(h), h, w, None, activation),
            lambda h, w: plain(plain_dense(values, kind) @ h @ w),
            (h, weight),
        ),
        Case(
            f"convolve-sparse-features-{name}",
            lambda w, b: ops.convolve(kernel(w), SparseMatrix.from_scipy(features, w.dtype), w, b, activation),
            lambda w, b: plain(plain_dense(values, kind) @ features @ w + b),
            (weight, bias),
        ),
        Case(
            f"biased-{name}",
            lambda x, b: ops.biased(x, b, activation),
            lambda x, b: plain(x + b),
            normal(f"biased {name}", (3, 2), (2,)),
        ),
        Case(
            f"messages-{name}",
            lambda h, e, w, b: ops.messages(h, e, w, b, senders, activation),
            lambda h, e, w, b: plain(h[senders.index] + e @ w + b),
            (normal("sent", (3, 4))[0], edges, narrow, short),
        ),
    ]


def spread_bias_cases() -> list[Case]:
    """A bias of one number for all columns, or of one row in two axes: its gradient has its own shape."""
    kernel, senders = sparse_of(np.arange(1.0, 6), "square"), ops.Segments(np.array([2, 0]), 3)
    dense, cases = kernel.toarray(), []
    for kind in ((1,), (1, 2), ()):
        x, h, weight, bias = normal(f"spread {kind}", (3, 2), (3, 4), (4, 2), kind)
        edges, sent = normal(f"spread along edges {kind}", (2, 4), (3, 2))
        cases += [
            Case(f"affine-spread-{kind}", ops.affine, lambda h, w, b: h @ w + b, (h, weight, bias)),
            Case(f"biased-spread-{kind}", ops.biased, lambda x, b: x + b, (x, bias)),
            Case(
                f"propagate-spread-{kind}",
                lambda x, b: ops.propagate(kernel.astype(x.dtype), x, b),
                lambda x, b: dense @ x + b,
                (x, bias),
            ),
            Case(
                f"convolve-spread-{kind}",
                lambda h, w, b: ops.convolve(kernel.astype(h.dtype), h, w, b),
                lambda h, w, b: dense @ h @ w + b,
                (h, weight, bias),
            ),
            Case(
                f"messages-spread-{kind}",
                lambda s, e, w, b: ops.messages(s, e, w, b, senders, ops.tanh),
                lambda s, e, w, b: np.tanh(s[[2, 0]] + e @ w + b),
                (sent, edges, weight, bias),
            ),
        ]
    return cases


ENDS = np.array([2, 0, 2, 0, 2, 0]), np.array([3, 1, 0, 0, 1, 2])  # node 1 hears nobody, sender 3 speaks once


def plain_attention(receiver, sender):
    logits = receiver[ENDS[0]] + sender[ENDS[1]]
    shares = np.exp(np.where(logits > 0, logits, 0.3 * logits))
    return shares / np.stack([shares[ENDS[0] == i].sum(0) for i in ENDS[0]])


def shares_cases() -> list[Case]:
    """Losses in one step: with and without shares, and scaled."""
    labels, shares = np.array([2, 0, 2]), np.array([0.5, 0.0, 2.0])
    logits, x = normal("label costs", (3, 4), (3, 2))

    def costs(z):
        return np.log(np.exp(z).sum(1)) - z[np.arange(3), labels]

    def typed(like, array):
        return array.astype(ops.value_of(like).dtype)

    return [
        Case("label-costs", lambda z: ops.label_costs(z, labels, scale=0.5), lambda z: 0.5 * costs(z).sum(), (logits,)),
        Case(
            "label-costs-shares",
            lambda z: ops.label_costs(z, labels, typed(z, shares), 3.0),
            lambda z: 3.0 * (shares * costs(z)).sum(),
            (logits,),
        ),
        Case("squares", lambda x: ops.squares(x, scale=0.25), lambda x: 0.25 * (x**2).sum(), (x,)),
        Case(
            "squares-shares",
            lambda x: ops.squares(x, typed(x, np.outer(shares, [1, 3])), 2.0),
            lambda x: 2.0 * (np.outer(shares, [1, 3]) * x**2).sum(),
            (x,),
        ),
    ]


def squared(matrix: SparseMatrix) -> SparseMatrix:
    """Square every entry, which is not the square of the matrix unless each place has one entry."""
    return matrix.with_values(matrix.values * matrix.values)


MATRIX_CASES = [
    *(case for kind in ENTRIES for case in matrix_cases(kind)),
    *affine_cases(),
    *(case for kind in ENTRIES for case in many_cases(kind)),
    *(
        Case(
            f"coalesced-{kind}",
            lambda v, kind=kind: squared(ops.coalesced(sparse_of(v, kind))).toarray(),
            lambda z, kind=kind: plain_dense(z, kind) ** 2,
            normal(f"coalesced {kind}", (len(ENTRIES[kind][0]),)),
        )
        for kind in ENTRIES
    ),
    Case(
        "plus-diagonal",
        lambda v, d: sparse_of(v, "square").plus_diagonal(d).toarray(),
        lambda z, d: plain_dense(z, "square") + np.diag(d),
        normal("diagonal", (5,), (3,)),
    ),
    Case(
        "plus-diagonal-at-some-nodes",
        lambda v, d: sparse_of(v, "square").plus_diagonal(d, np.array([0, 2])).toarray(),
        lambda z, d: plain_dense(z, "square") + np.diag(np.array([d[0], 0, d[1]])),
        normal("some diagonal", (5,), (2,)),
    ),
    Case(
        "normalised-from-traced-weights",
        lambda v: normalised(sparse_of(v, "square")).toarray(),
        lambda z: plain_dense(z, "square") / plain_dense(z, "square").sum(1)[:, None],
        (np.exp(normal("weights", (5,))[0]),),
    ),
    *shares_cases(),
    Case(
        "pair-softmax",
        lambda r, s: ops.pair_softmax(r, s, ops.Segments(ENDS[0], 3), ops.Segments(ENDS[1], 4), 0.3),
        plain_attention,
        normal("pair softmax", (3, 2), (4, 2)),
    ),
    Case(
        "arrivals",
        lambda h, more, m: ops.arrivals(h, more, m, ops.Segments(np.array([2, 0, 2, 0]), 3)),
        lambda h, more, m: h * (1 + more) + plain_sum(m, np.array([2, 0, 2, 0]), 3),
        normal("arrivals", (3, 2), (), (4, 2)),
    ),
    Case(
        "arrivals-at-columns-in-memory",
        lambda h, more, m: ops.arrivals(h.T, more, m, ops.Segments(np.array([2, 0, 2, 0]), 3)),
        lambda h, more, m: h.T * (1 + more) + plain_sum(m, np.array([2, 0, 2, 0]), 3),
        normal("arrivals turned", (2, 3), (), (4, 2)),
    ),
    *[
        Case(
            f"arrivals-{name}",
            lambda h, more, m: ops.arrivals(h, more, m, ops.Segments(np.array([2, 0, 2, 0]), 3)),
            lambda h, more, m: h * (1 + more) + plain_sum(m, np.array([2, 0, 2, 0]), 3),
            normal(f"arrivals {name}", (3, *columns), (), (4, *columns)),
        )
        for name, columns in (("1d", ()), ("3d", (2, 3)))
    ],
    Case("minus", ops.minus, lambda x, y: x - y, normal("minus", (3, 2), (3, 2))),
    Case("minus-spread", ops.minus, lambda x, y: x - y, normal("minus spread", (3, 1), (2,))),
    *spread_bias_cases(),
    Case("reshape", lambda x: ops.reshape(x, (2, 3)), lambda x: x.reshape(2, 3), normal("reshape", (3, 2))),
    Case("stretched", ops.stretched, lambda x, more: x * (1 + more), normal("stretched", (3, 2), ())),
    Case(
        "pick-rows",
        lambda x: ops.pick_rows(x, np.array([2, 0])),
        lambda x: x[[2, 0]],
        normal("pick rows", (3, 2)),
    ),
    Case(
        "put-rows",
        lambda x: primitives.put_rows(x, np.array([2, 0]), 4),
        lambda x: np.stack([x[1], 0 * x[0], x[0], 0 * x[0]]),
        normal("put rows", (2, 3)),
    ),
    Case("dot", primitives.dot, lambda a, b: a @ b, normal("dot", (2, 3), (3, 4))),
    Case("dot_tn", primitives.dot_tn, lambda a, b: a.T @ b, normal("dot_tn", (3, 2), (3, 4))),
    Case("dot_nt", primitives.dot_nt, lambda a, b: a @ b.T, normal("dot_nt", (2, 3), (4, 3))),
    Case("dot-of-itself", lambda a: primitives.dot(a, a), lambda a: a @ a, normal("dot2", (3, 3))),
    Case("column_sum", primitives.column_sum, lambda x: x.sum(0), normal("column_sum", (4, 3))),
    Case("row_sum", primitives.row_sum, lambda x: x.sum(-1, keepdims=True), normal("row_sum", (4, 3))),
    Case(
        "repeat_row",
        lambda x: primitives.repeat_row(x, 3),
        lambda x: x + np.zeros((3, 1)),
        normal("rr", (4,)),
    ),
    Case(
        "put",
        lambda v: primitives.put(v, np.array([2, 0]), 3),
        lambda v: np.array([[0, 0, v[0]], [v[1], 0, 0]]),
        normal("put", (2,)),
    ),
]


@pytest.mark.parametrize("case", MATRIX_CASES, ids=name_of)
class TestMatrices(DerivativeLaws):
    pass


class TestSparseMatrix:
    def test_round_trip_through_scipy(self):
        scipy_matrix = scipy.sparse.random_array((6, 4), density=0.4, rng=np.random.default_rng(0))
        matrix = SparseMatrix.from_scipy(scipy_matrix)
        np.testing.assert_array_equal(matrix.toarray(), scipy_matrix.toarray())
        np.testing.assert_array_equal(matrix.toscipy().toarray(), scipy_matrix.toarray())
        assert SparseMatrix.from_scipy(scipy_matrix, np.float32).dtype == np.float32

    def test_a_traced_matrix_is_not_constant(self):
        matrix, seen = SparseMatrix.from_scipy(np.eye(2)), []

        def function(values):
            traced = matrix.with_values(values)
            seen.append(traced.is_constant)
            return traced.row_sums().sum()

        gn.grad(function)(matrix.values)
        assert matrix.is_constant and seen == [False]

    def test_with_values_and_astype_leave_the_first_alone(self):
        matrix = sparse_of(np.arange(5.0), "square")
        assert matrix.astype(np.float64) is matrix
        assert matrix.astype(np.float32).dtype == np.float32
        assert matrix.with_values(np.zeros(5)).toarray().sum() == 0
        assert matrix.toarray().sum() == 10

    def test_pickle_keeps_it_and_drops_its_memo(self):
        matrix = sparse_of(np.arange(5.0), "square")
        matrix.row_sums()
        again = pickle.loads(pickle.dumps(matrix))
        np.testing.assert_array_equal(again.toarray(), matrix.toarray())
        assert "row_segments" not in vars(again)

    @pytest.mark.parametrize("kind", ENTRIES)
    def test_without_its_empty_rows_it_can_be_put_together_again(self, kind):
        matrix = sparse_of(np.arange(1.0, 1 + len(ENTRIES[kind][0])), kind)
        kept, place = matrix.without_empty_rows()
        assert kept.shape[0] == len(set(ENTRIES[kind][0]))
        np.testing.assert_array_equal((place @ kept.toarray()), matrix.toarray())

    def test_it_says_what_it_is(self):
        assert repr(sparse_of(np.arange(5.0), "unsorted-with-duplicates")) == (
            "SparseMatrix(3 x 5, 5 entries, float64)"
        )

    def test_each_side_may_be_scaled_alone(self):
        matrix, rows = sparse_of(np.arange(5.0), "square"), np.array([1.0, 2.0, 3.0])
        np.testing.assert_array_equal(matrix.scale(rows=rows).toarray(), rows[:, None] * matrix.toarray())
        np.testing.assert_array_equal(matrix.scale(columns=rows).toarray(), matrix.toarray() * rows)

    def test_an_array_times_a_sparse_matrix_is_refused_not_tried_entry_by_entry(self):
        with pytest.raises(TypeError, match="unsupported operand"):
            np.ones((2, 3)) @ sparse_of(np.arange(5.0), "square")

    @pytest.mark.parametrize("rows", [0, 2, 4, 6])
    def test_a_wrong_number_of_rows_is_refused_before_memory_is_read(self, rows):
        with pytest.raises(ValueError, match=r"sparse product: a matrix 3 x 3 multiplies 3 rows, got shape"):
            sparse_of(np.arange(5.0), "square") @ np.ones((rows, 3))

    @pytest.mark.parametrize(("rows", "nodes"), [(3, 3), (5, 3), (4, 2), (4, 4)])
    def test_arrivals_refuse_wrong_numbers_of_rows_before_memory_is_read_or_written(self, rows, nodes):
        receivers = ops.Segments(np.array([2, 0, 2, 0]), 3)
        with pytest.raises(ValueError, match="sparse product: "):
            ops.arrivals(np.ones((nodes, 2)), np.array(0.5), np.ones((rows, 2)), receivers)

    def test_a_traced_matrix_is_kept_with_its_trace(self):
        unsorted = SparseMatrix.from_entries(np.zeros(2, int), np.array([1, 0]), np.ones(2), (1, 2))

        def total(values):
            return ops.sum(unsorted.with_values(values).kept() @ np.array([[1.0], [5.0]]))

        assert gn.grad(total)(np.ones(2)).tolist() == [5.0, 1.0]


class TestSparseLoops:
    def test_ranges_are_the_concatenated_aranges(self):
        starts, lengths = np.array([5, 0, 9, 2]), np.array([2, 0, 1, 3])
        wanted = np.concatenate([np.arange(s, s + k) for s, k in zip(starts, lengths, strict=True)])
        np.testing.assert_array_equal(sparse.ranges(starts, lengths), wanted)
        assert sparse.ranges(np.zeros(0, int), np.zeros(0, int)).size == 0

    def test_matmul_adds_onto_a_start_and_leaves_it_alone(self):
        matrix, x = sparse_of(np.arange(1.0, 6), "square"), np.ones((3, 2))
        start = np.array([10.0, 20.0])
        out = sparse.matmul(matrix.pattern, matrix.values, x, start)
        np.testing.assert_array_equal(out, matrix.toarray() @ x + start)
        assert start.tolist() == [10.0, 20.0]

    def test_strided_and_fortran_features_give_the_same(self):
        (values,) = normal("strided", (5,))
        matrix = sparse_of(values, "square")
        (x,) = normal("strided x", (6, 4))
        for view in (x[::2, ::2], np.asfortranarray(x[:3]), x[:3].T[:3]):
            np.testing.assert_allclose(matrix @ view, matrix.toarray() @ view, rtol=1e-13)


# ---- the test of the tests --------------------------------------------------------------------------------


def scaled(function, factor: float = 1 + 1e-5):
    def wrong(*args):
        out = function(*args)
        return [factor * part for part in out] if isinstance(out, list) else factor * out

    return wrong


SEGMENT = Segments(np.array([0, 2, 2, 0]), 3)
PLANTED = {
    "segment_sum": (
        lambda x: sparse.matmul(SEGMENT.grouped[0], SEGMENT.ones(x.dtype), x),
        lambda g, argnums, ans, args: [primitives.gather(g, SEGMENT)],
        lambda argnums, tangents, ans, args: primitives.segment_sum(tangents[0], SEGMENT),
        normal("planted sum", (4, 2)),
    ),
    "segment_softmax": (
        lambda x: plain_softmax(x, SEGMENT.index, SEGMENT.count),
        lambda g, argnums, ans, args: [primitives.softmax_slope(g, ans, SEGMENT)],
        lambda argnums, tangents, ans, args: primitives.softmax_slope(tangents[0], ans, SEGMENT),
        normal("planted softmax", (4, 2)),
    ),
    "tanh": (
        np.tanh,
        lambda g, argnums, ans, args: [activations._tanh_slope(g, ans)],
        lambda argnums, tangents, ans, args: activations._tanh_slope(tangents[0], ans),
        normal("planted tanh", (4, 2)),
    ),
}


@pytest.mark.parametrize("name", PLANTED)
class TestPlantedErrors:
    """A derivative wrong by one part in 100 000 is seen."""

    def test_the_sound_copy_passes(self, name):
        function, pull, push, arrays = PLANTED[name]
        assert_adjoint(ops.differentiable(pull, push)(function), arrays)

    def test_an_error_in_the_reverse_derivative_is_seen(self, name):
        function, pull, push, arrays = PLANTED[name]
        with pytest.raises(AssertionError, match="differ by"):
            assert_adjoint(ops.differentiable(scaled(pull), push)(function), arrays)

    def test_an_error_in_the_forward_derivative_is_seen(self, name):
        function, pull, push, arrays = PLANTED[name]
        wrong = ops.differentiable(pull, scaled(push))(function)
        with pytest.raises(AssertionError, match="differ by"):
            assert_adjoint(wrong, arrays)

    def test_the_same_error_in_both_is_seen_by_the_complex_step(self, name):
        function, pull, push, arrays = PLANTED[name]
        wrong = ops.differentiable(scaled(pull), scaled(push))(function)
        assert_adjoint(wrong, arrays)
        plain = function
        if name == "segment_sum":

            def plain(z):
                return plain_sum(z, SEGMENT.index, SEGMENT.count)

        case = Case(name, wrong, plain, arrays)
        with pytest.raises(AssertionError, match="Not equal to tolerance"):
            DerivativeLaws().test_forward_derivative_is_a_complex_step_of_the_plain_formula(case)

    def test_check_grads_alone_is_blind_to_a_millionth(self, name):
        function, pull, push, arrays = PLANTED[name]
        wrong = ops.differentiable(scaled(pull, 1 + 1e-8), push)(function)
        assert_check_grads(wrong, arrays)
        with pytest.raises(AssertionError, match="differ by"):
            assert_adjoint(wrong, arrays)


def test_derivatives_may_be_taken_twice_from_one_tape():
    """The pullback runs again for every row of a Jacobian; it must not have used anything up."""
    (x,) = normal("twice", (4, 2))
    index = np.array([0, 1, 1, 0])
    first = backward(lambda x: ops.segment_softmax(x, index, 2), [x], np.ones((4, 2)))
    again = backward(lambda x: ops.segment_softmax(x, index, 2), [x], np.ones((4, 2)))
    np.testing.assert_array_equal(first[0], again[0])
    assert zlib.crc32(first[0].tobytes()) == zlib.crc32(again[0].tobytes())
    assert forward(ops.softmax, [x], [np.zeros_like(x)]).tolist() == np.zeros((4, 2)).tolist()


@pytest.mark.parametrize("inner", [autograd.grad, gn.grad])
@pytest.mark.parametrize("outer", [autograd.grad, gn.grad])
@pytest.mark.parametrize("newest", [0, 1])
def test_arguments_of_two_traces_are_told_apart_in_either_order(outer, inner, newest):
    """Of |d/dy |x y|^2|^2, with an x of the older trace; sums of squares, so that d/dy is 2 x' x y."""
    older, y = np.array([[1.0, 2.0]]), np.array([[0.5], [3.0]])

    def product(x, y):
        return primitives.dot(x, y) if newest == 1 else primitives.dot(y.T, x.T)

    def steepness(x):
        return (inner(lambda y: (product(x, y) ** 2).sum())(y) ** 2).sum()

    s, length = float((older @ y)[0, 0]), float((older**2).sum())  # steepness is 4 s^2 |x|^2
    np.testing.assert_allclose(outer(steepness)(older), 8 * s * length * y.T + 8 * s**2 * older)


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_pair_softmax_has_the_slope_of_leaky_relu_at_the_kink_too(slope):
    ends = Segments(np.array([0, 0, 0]), 2), Segments(np.array([0, 1, 0]), 2)

    def total(fused, receiver):
        sender, weights = np.array([[0.0], [1.0]]), np.array([[3.0], [1.0], [-2.0]])
        if fused:
            return (weights * ops.pair_softmax(receiver, sender, *ends, slope)).sum()
        pair = ops.gather(receiver, ends[0]) + ops.gather(sender, ends[1])
        return (weights * ops.segment_softmax(ops.leaky_relu(pair, slope), ends[0])).sum()

    receiver = np.zeros((2, 1))  # two of the three pairs are exactly 0
    wanted = gn.grad(lambda r: total(False, r))(receiver)
    np.testing.assert_allclose(gn.grad(lambda r: total(True, r))(receiver), wanted, rtol=1e-12)
    assert wanted.any()


class TestPlacesOutOfRange:
    """They were read from memory that belongs to somebody else."""

    @pytest.mark.parametrize(
        ("rows", "columns", "message"),
        [
            ([0, 2], [0, 0], "2 x 3 has no row 2"),
            ([0, -1], [0, 0], "2 x 3 has no row -1"),
            ([0, 1], [0, 3], "2 x 3 has no column 3"),
            ([0, 1], [-2, 0], "2 x 3 has no column -2"),
            ([0], [0, 1], "1 rows, 2 columns and 2 values"),
        ],
    )
    def test_a_matrix_refuses_them(self, rows, columns, message):
        with pytest.raises(ValueError, match=message):
            SparseMatrix.from_entries(np.array(rows), np.array(columns), np.ones(2), (2, 3))

    @pytest.mark.parametrize("index", [[0, 3], [0, -1]])
    def test_segments_refuse_them(self, index):
        with pytest.raises(ValueError, match=r"wanted numbers below 3|negative"):
            ops.segment_sum(np.ones((2, 1)), Segments(np.array(index), 3))

    def test_more_entries_than_32_bits_count_are_refused(self):
        many = np.broadcast_to(np.zeros(1, np.int32), (2**31,))
        with pytest.raises(ValueError, match="more than 2147483647 entries"):
            sparse.Pattern(np.zeros(2, np.int32), many, (1, 1))
        with pytest.raises(ValueError, match="more than 2147483647 entries"):
            sparse.offsets(np.array([2**30, 2**30]))


def test_a_scipy_matrix_handed_out_or_in_shares_no_memory():
    mine = scipy.sparse.csr_array(np.eye(3))
    matrix = SparseMatrix.from_scipy(mine)
    out = matrix.toscipy()
    for array in (mine, out):
        array.data *= 5
        array.indices[:] = 0
    np.testing.assert_array_equal(matrix.toarray(), np.eye(3))
