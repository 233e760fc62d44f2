"""Elementwise functions, reductions, rows and columns of ops, against plain NumPy; and at the edges."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from derivatives import Case, DerivativeLaws, away_from_zero, backward, forward, name_of, normal

import graphnn as gn
from graphnn import ops

X, Y = normal("arrays", (4, 3), (4, 3))
AWAY = away_from_zero(X)
POSITIVE = np.exp(X)
(CUBE,) = normal("cube", (2, 3, 4))
ROW, COLUMN = normal("row and column", (3,), (4, 1))
MASK = X > Y
AXES = [(None, False), (0, False), (1, False), (-1, False), (0, True), (1, True), (None, True)]


def plain_max(z: np.ndarray, axis: int | None, keepdims: bool) -> np.ndarray:
    if axis is None:
        top = z.ravel()[z.real.argmax()]
        return top.reshape((1,) * z.ndim) if keepdims else top
    top = np.take_along_axis(z, np.expand_dims(z.real.argmax(axis), axis), axis)
    return top if keepdims else top.squeeze(axis)


def plain_var(z: np.ndarray, axis: int | None, keepdims: bool) -> np.ndarray:
    return (z**2).mean(axis, keepdims=keepdims) - z.mean(axis, keepdims=keepdims) ** 2


def plain_softmax(z: np.ndarray) -> np.ndarray:
    return np.exp(z) / np.exp(z).sum(-1, keepdims=True)


REDUCTIONS = {
    "sum": (ops.sum, lambda z, axis, keepdims: z.sum(axis, keepdims=keepdims)),
    "mean": (ops.mean, lambda z, axis, keepdims: z.mean(axis, keepdims=keepdims)),
    "var": (ops.var, plain_var),
    "std": (ops.std, lambda z, axis, keepdims: np.sqrt(plain_var(z, axis, keepdims))),
    "norm": (ops.norm, lambda z, axis, keepdims: np.sqrt((z * z).sum(axis, keepdims=keepdims))),
    "max": (ops.max, plain_max),
}


def reduction_case(name: str, axis: int | None, keepdims: bool, x: np.ndarray) -> Case:
    ours, plain = REDUCTIONS[name]
    return Case(
        f"{name}-{x.ndim}d-{axis}-{keepdims}",
        lambda x: ours(x, axis=axis, keepdims=keepdims),
        lambda z: plain(z, axis, keepdims),
        (x,),
    )


CASES = [
    Case("exp", ops.exp, np.exp, (X,)),
    Case("log", ops.log, np.log, (POSITIVE,)),
    Case("cos", ops.cos, np.cos, (X,)),
    Case(
        "gaussians",
        lambda x: ops.gaussians(x, 1.5, 4),
        lambda z: np.exp(-2 * (z[:, None] - np.array([0, 0.5, 1, 1.5])) ** 2),
        (X[0],),
    ),
    Case("reciprocal", ops.reciprocal, lambda z: 1 / z, (X + np.sign(X),)),
    Case("sqrt", ops.sqrt, np.sqrt, (POSITIVE,)),
    Case("absolute", ops.absolute, lambda z: z * np.sign(z.real), (AWAY,)),
    Case("absolute-1d", ops.absolute, lambda z: z * np.sign(z.real), (AWAY[0],)),
    Case("where", lambda x, y: ops.where(MASK, x, y), lambda x, y: np.where(MASK, x, y), (X, Y)),
    Case(
        "where-broadcasts",
        lambda r, c: ops.where(MASK, r, c),
        lambda r, c: np.where(MASK, r, c),
        (ROW, COLUMN),
    ),
    Case("where-number", lambda x: ops.where(MASK, x, 0.0), lambda x: np.where(MASK, x, 0.0), (X,)),
    Case("where-number-first", lambda x: ops.where(MASK, 2.0, x), lambda x: np.where(MASK, 2.0, x), (X,)),
    Case("where-same", lambda x: ops.where(MASK, x, x * x), lambda x: np.where(MASK, x, x * x), (X,)),
    Case("concatenate-0", lambda x, y: ops.concatenate([x, y]), lambda x, y: np.concatenate([x, y]), (X, Y[:2])),
    Case(
        "concatenate-1",
        lambda x, y: ops.concatenate([x, y, x], axis=1),
        lambda x, y: np.concatenate([x, y, x], axis=1),
        (X, Y[:, :1]),
    ),
    Case("softmax", ops.softmax, plain_softmax, (X,)),
    Case("softmax-1d", ops.softmax, plain_softmax, (ROW,)),
    Case("softmax-no-rows", ops.softmax, plain_softmax, (X[:0],)),
    Case("softmax-one-column", ops.softmax, plain_softmax, (COLUMN,)),
    Case("softmax-3d", ops.softmax, plain_softmax, (CUBE,)),
    Case("log_softmax", ops.log_softmax, lambda z: np.log(plain_softmax(z)), (X,)),
    Case("log_softmax-1d", ops.log_softmax, lambda z: np.log(plain_softmax(z)), (ROW,)),
    Case("log_softmax-3d", ops.log_softmax, lambda z: np.log(plain_softmax(z)), (CUBE,)),
    Case("pick", lambda x: ops.pick(x, np.array([2, 0, 0, 1])), lambda x: x[range(4), [2, 0, 0, 1]], (X,)),
    Case("pick-no-rows", lambda x: ops.pick(x, np.zeros(0, int)), lambda x: x[:, 0], (X[:0],)),
    Case("unpermute", lambda x: ops.unpermute(x, [2, 0, 3, 1]), lambda x: x[[1, 3, 0, 2]], (X,)),
    Case("unpermute-1d", lambda x: ops.unpermute(x, [2, 0, 1]), lambda x: x[[1, 2, 0]], (ROW,)),
    *(reduction_case(name, axis, keepdims, X) for name in REDUCTIONS for axis, keepdims in AXES),
    *(reduction_case(name, axis, False, CUBE) for name in REDUCTIONS for axis in (0, 1, 2)),
    *(reduction_case(name, 0, False, ROW) for name in REDUCTIONS),
]


@pytest.mark.parametrize("case", CASES, ids=name_of)
class TestEveryFunction(DerivativeLaws):
    pass


def gradient_and_curvature(function, x):
    """Return the gradient of sum(f), and the gradient of the gradient along ones."""

    def gradient(x):
        return gn.grad(lambda x: ops.sum(function(x)))(x)

    return gradient(x), gn.grad(lambda x: ops.sum(gradient(x)))(x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
class TestAtZero:
    @pytest.mark.parametrize(
        "function",
        [ops.sqrt, ops.norm, ops.std, ops.var, ops.reciprocal, ops.absolute],
        ids=lambda f: f.__name__,
    )
    def test_value_gradient_and_curvature_are_finite_and_the_gradient_zero(self, function, dtype):
        x = np.zeros((2, 3), dtype)
        gradient, curvature = gradient_and_curvature(function, x)
        assert np.asarray(function(x)).tolist() == np.zeros(np.shape(function(x))).tolist()
        assert gradient.tolist() == x.tolist()
        assert gradient.dtype == dtype
        assert np.isfinite(curvature).all()
        assert np.asarray(forward(function, [x], [np.ones_like(x)])).max() == 0

    def test_a_zero_row_leaves_the_others_alone(self, dtype):
        x = np.array([[0.0, 0.0], [3.0, 4.0]], dtype)
        gradient, curvature = gradient_and_curvature(ops.norm, x)
        np.testing.assert_allclose(gradient, [[0, 0], [0.6, 0.8]], rtol=1e-6)
        assert np.isfinite(curvature).all()

    def test_a_constant_column_has_deviation_and_gradient_zero(self, dtype):
        x = np.array([[2.0, 1.0], [2.0, 3.0]], dtype)
        gradient, curvature = gradient_and_curvature(lambda x: ops.std(x, axis=0), x)
        np.testing.assert_allclose(gradient, [[0, -0.5], [0, 0.5]], rtol=1e-6)
        assert np.isfinite(curvature).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function", [ops.softmax, ops.log_softmax], ids=lambda f: f.__name__)
class TestExtremes:
    def test_logits_of_ten_thousand_are_finite_to_second_order(self, function, dtype):
        x = np.array([[1e4, -1e4, 0.0], [1e4, 1e4, -1e4], [-1e4, -1e4, -1e4]], dtype)
        u = np.arange(9, dtype=dtype).reshape(3, 3)

        def gradient(x):
            return gn.grad(lambda x: (u * function(x)).sum())(x)

        curvature = gn.grad(lambda x: (u * gradient(x)).sum())(x)
        assert np.isfinite(function(x)).all()
        assert np.isfinite(gradient(x)).all()
        assert np.isfinite(curvature).all()
        assert curvature.dtype == dtype

    def test_it_agrees_with_scipy(self, function, dtype):
        x = np.array([[1e4, -1e4, 0.0], [1e4, 1e4, -1e4], [0.1, 0.2, 0.3]], dtype)
        np.testing.assert_allclose(function(x), getattr(scipy.special, function.__name__)(x, axis=-1), rtol=1e-6)


class TestMax:
    def test_ties_share_the_gradient_equally(self):
        x = np.array([[2.0, 2.0, 1.0], [0.0, 5.0, 5.0]])
        assert gn.grad(lambda x: ops.max(x, axis=1).sum())(x).tolist() == [[0.5, 0.5, 0], [0, 0.5, 0.5]]

    @pytest.mark.parametrize("k", range(1, 12))
    def test_the_largest_of_equal_numbers_is_that_number_to_the_last_bit(self, k):
        assert ops.max(np.full(k, 0.1)) == 0.1

    def test_infinities_among_the_smaller_do_not_make_nan(self):
        x = np.array([-np.inf, 1.0])
        assert ops.max(x) == 1.0
        assert gn.grad(ops.max)(x).tolist() == [0.0, 1.0]

    def test_nothing_has_no_largest_entry(self):
        with pytest.raises(ValueError, match="zero-size"):
            ops.max(np.zeros((0, 2)), axis=0)


class TestWhere:
    def test_a_nan_in_the_branch_not_taken_gets_and_gives_no_gradient(self):
        x, y = np.array([1.0, np.nan]), np.array([np.nan, 2.0])
        chosen = np.array([True, False])
        assert ops.where(chosen, x, y).tolist() == [1.0, 2.0]
        pulled = backward(lambda x, y: ops.where(chosen, x, y), [x, y], np.array([3.0, 4.0]))
        assert [p.tolist() for p in pulled] == [[3.0, 0.0], [0.0, 4.0]]

    def test_an_infinite_slope_reaches_only_the_branch_taken(self):
        chosen = np.array([True, False])
        pulled = backward(lambda x, y: ops.where(chosen, x, y), [np.ones(2)] * 2, np.array([np.inf, -np.inf]))
        assert [p.tolist() for p in pulled] == [[np.inf, 0.0], [0.0, -np.inf]]

    def test_a_traced_condition_is_a_constant(self):
        assert gn.grad(lambda x: ops.where(x > 0, x, 0.0).sum())(np.array([-1.0, 2.0])).tolist() == [0.0, 1.0]

    def test_float32_beside_a_python_number_stays_float32(self):
        x = np.ones(2, np.float32)
        assert ops.where(np.array([True, False]), x, 0).dtype == np.float32
        assert ops.where(np.array([True, False]), 0.5, x).dtype == np.float32

    def test_two_numbers(self):
        assert ops.where(np.array([True, False]), 1.0, 2.0).tolist() == [1.0, 2.0]


class TestNothing:
    @pytest.mark.parametrize("function", [ops.mean, ops.sum, ops.var, ops.std], ids=lambda f: f.__name__)
    def test_reductions_of_nothing_are_zero(self, function):
        assert function(np.zeros((0, 2)), axis=0).tolist() == [0.0, 0.0]
        assert float(function(np.zeros(0))) == 0.0

    def test_the_length_of_no_numbers_is_zero(self):
        assert ops.norm(np.zeros((2, 0))).tolist() == [0.0, 0.0]


INTEGERS = np.array([[1, 2], [3, 5]])


@pytest.mark.parametrize(
    "function",
    [
        ops.exp,
        ops.log,
        ops.sqrt,
        ops.absolute,
        ops.sum,
        ops.mean,
        ops.var,
        ops.std,
        ops.norm,
        ops.max,
        ops.softmax,
    ],
    ids=lambda f: f.__name__,
)
def test_whole_numbers_give_the_result_of_floats(function):
    np.testing.assert_allclose(function(INTEGERS), function(INTEGERS.astype(float)), rtol=1e-14)


@pytest.mark.parametrize("function", [ops.reciprocal, ops.log_softmax], ids=lambda f: f.__name__)
def test_whole_numbers_are_refused_where_numpy_cannot_cast(function):
    with pytest.raises(TypeError, match="Cannot cast"):
        function(INTEGERS)


class TestDropout:
    @pytest.mark.parametrize("rate", [0.1, 0.5, 0.75])
    def test_the_share_dropped_is_the_rate_and_the_rest_is_scaled(self, rate):
        n = 200_000
        out = ops.dropout(np.ones((n // 4, 4)), rate, np.random.default_rng(0))
        dropped = np.mean(out == 0)
        assert abs(dropped - rate) < 5 * np.sqrt(rate * (1 - rate) / n)
        np.testing.assert_allclose(out[out != 0], 1 / (1 - rate), rtol=1e-15)

    @pytest.mark.parametrize("rate", [0.3, 0.5])
    def test_its_gradient_is_its_mask(self, rate):
        x = np.arange(1.0, 13).reshape(4, 3)

        def noisy(x):
            return ops.dropout(x, rate, np.random.default_rng(1))

        case = Case("dropout", noisy, lambda z: z * (noisy(x) / x), (x,))
        laws = DerivativeLaws()
        for law in [name for name in dir(laws) if name.startswith("test_")]:
            getattr(laws, law)(case)

    @pytest.mark.parametrize("rate", [0.3, 0.5])
    @pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1,), (65,), (2, 3, 5)])
    def test_any_shape(self, rate, shape):
        out = ops.dropout(np.ones(shape, np.float32), rate, np.random.default_rng(0))
        assert out.shape == shape
        assert out.dtype == np.float32

    def test_neighbours_are_independent(self):
        kept = ops.dropout(np.ones(100_000), 0.5, np.random.default_rng(2)) > 0
        for lag in (1, 2, 8, 64):
            assert abs(np.mean(kept[lag:] == kept[:-lag]) - 0.5) < 0.01


class TestProducts:
    X2, W, B = normal("products", (4, 3), (3, 2), (2,))

    @pytest.mark.parametrize("shape", [(4, 3), (3,), (2, 2, 3), (0, 3), (2, 0, 3)])
    @pytest.mark.parametrize("activation", [ops.identity, ops.relu, ops.tanh, ops.sigmoid, ops.silu])
    def test_affine_is_the_formula_for_any_number_of_axes(self, shape, activation):
        (x,) = normal("affine", shape)
        np.testing.assert_allclose(
            ops.affine(x, self.W, self.B, activation), activation(x @ self.W + self.B), rtol=1e-13, atol=1e-15
        )
        np.testing.assert_allclose(ops.affine(x, self.W), x @ self.W, rtol=1e-13, atol=1e-15)

    def test_no_input_columns_leave_the_bias(self):
        assert ops.affine(np.ones((2, 2, 0)), np.ones((0, 2)), np.array([1.0, 2.0])).tolist() == [[[1.0, 2.0]] * 2] * 2

    def test_a_bias_of_another_dtype_promotes_instead_of_rounding(self):
        x, weight = self.X2.astype(np.float32), self.W.astype(np.float32)
        np.testing.assert_array_equal(ops.affine(x, weight, self.B), x @ weight + self.B)
        kernel = ops.SparseMatrix.from_scipy(np.eye(4, dtype=np.float32))
        bias = np.full(3, 0.1)
        np.testing.assert_array_equal(ops.propagate(kernel, x, bias), x + bias)

    def test_a_constant_sparse_matrix_takes_the_place_of_features(self):
        sparse = ops.SparseMatrix.from_scipy(self.X2 * (self.X2 > 0))
        np.testing.assert_allclose(
            ops.affine(sparse, self.W, self.B, ops.tanh),
            np.tanh(self.X2 * (self.X2 > 0) @ self.W + self.B),
            rtol=1e-13,
        )
        np.testing.assert_array_equal(ops.dense(sparse), self.X2 * (self.X2 > 0))
        assert ops.dense(self.X2) is self.X2


class TestUnpermute:
    def test_it_undoes_a_permutation(self):
        order = np.random.default_rng(0).permutation(10)
        x = np.arange(20.0).reshape(10, 2)
        np.testing.assert_array_equal(ops.unpermute(x[order], order), x)

    @pytest.mark.parametrize("order", [[0, 0], [0], [1, 2], [0, 1, 2]])
    def test_what_is_no_permutation_is_refused(self, order):
        with pytest.raises(ValueError, match=rf"unpermute: order must hold each of 0\.\.1 once, got {len(order)}"):
            ops.unpermute(np.ones((2, 1)), order)


class TestTracing:
    def test_stop_gradient_cuts(self):
        assert float(gn.grad(lambda x: x * ops.stop_gradient(x))(3.0)) == 3.0

    def test_value_of_and_is_traced(self):
        seen = []

        def function(x):
            seen.append((ops.is_traced(x), type(ops.value_of(x)), ops.is_jax(x)))
            return gn.grad(lambda y: (x * y).sum())(x).sum()

        x = np.ones(2)
        gn.grad(function)(x)
        assert seen == [(True, np.ndarray, False)]
        assert not ops.is_traced(x)
        assert ops.value_of(x) is x

    def test_the_namespace_is_numpy_or_that_of_the_trace(self):
        names = []
        gn.grad(lambda x: [names.append(ops.namespace(np.ones(1), x).__name__), x.sum()][1])(np.ones(2))
        assert names[0].startswith("autograd.numpy")
        assert ops.namespace(np.ones(1), 2.0) is np
