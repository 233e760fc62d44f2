"""Activations: values, slopes and curvatures against their formulas; extremes; the fused forms."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from derivatives import Case, DerivativeLaws, away_from_zero, backward, name_of, normal, relu, sigmoid

import graphnn as gn
from graphnn import ops
from graphnn.ops.activations import FUSED, SELU_ALPHA, SELU_SCALE

(POINTS,) = normal("activations", (5, 3))
POINTS = away_from_zero(2 * POINTS)


def softplus(z: np.ndarray) -> np.ndarray:
    return np.log(1 + np.exp(z))


def shifted_softplus(z: np.ndarray) -> np.ndarray:
    return np.log(0.5 + 0.5 * np.exp(z))


def silu(z: np.ndarray) -> np.ndarray:
    return z / (1 + np.exp(-z))


def elu(z: np.ndarray) -> np.ndarray:
    return np.where(z.real > 0, z, np.exp(z) - 1)


def selu(z: np.ndarray) -> np.ndarray:
    return 1.0507009873554804934 * np.where(z.real > 0, z, 1.6732632423543772848 * (np.exp(z) - 1))


def gelu(z: np.ndarray) -> np.ndarray:
    return z * (1 + scipy.special.erf(z / np.sqrt(2))) / 2


def leaky(z: np.ndarray) -> np.ndarray:
    return np.where(z.real > 0, z, 0.01 * z)


def steep(z: np.ndarray) -> np.ndarray:
    return np.where(z.real > 0, z, 0.2 * z)


def ours_steep(z: np.ndarray) -> np.ndarray:
    return ops.leaky_relu(z, 0.2)


FORMULAS = {
    ops.identity: np.asarray,
    ops.relu: relu,
    ops.tanh: np.tanh,
    ops.sigmoid: sigmoid,
    ops.softplus: softplus,
    ops.shifted_softplus: shifted_softplus,
    ops.silu: silu,
    ops.elu: elu,
    ops.selu: selu,
    ops.gelu: gelu,
    ops.leaky_relu: leaky,
    ours_steep: steep,
}
SMOOTH = [ops.tanh, ops.sigmoid, ops.softplus, ops.shifted_softplus, ops.silu, ops.gelu]
CASES = [
    Case(f"{ours.__name__}-{shape}", ours, plain, (POINTS.ravel()[: int(np.prod(shape))].reshape(shape),))
    for ours, plain in FORMULAS.items()
    for shape in [(5, 3), (4,), (), (0, 3), (2, 3, 1)]
    if ours is not ops.identity
]


@pytest.mark.parametrize("case", CASES, ids=name_of)
class TestEveryActivation(DerivativeLaws):
    pass


@pytest.mark.parametrize("activation", FORMULAS, ids=lambda f: f.__name__)
class TestExtremes:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_finite_to_second_order_up_to_ten_thousand(self, activation, dtype):
        x = np.array([-1e4, -800.0, -90.0, -1.0, 0.0, 1.0, 90.0, 800.0, 1e4], dtype)

        def slope(x):
            return gn.grad(lambda x: activation(x).sum())(x)

        def curvature(x):
            return gn.grad(lambda x: slope(x).sum())(x)

        for values in (activation(x), slope(x), curvature(x)):
            assert np.isfinite(values).all()
            assert values.dtype == dtype

    def test_far_out_it_is_its_asymptote(self, activation):
        far = np.array([1e4, -1e4])
        limits = {ops.tanh: (1, -1), ops.sigmoid: (1, 0), ops.leaky_relu: (1e4, -1e2), ops.elu: (1e4, -1)}
        limits |= {ops.selu: (1e4 * SELU_SCALE, -SELU_SCALE * SELU_ALPHA)}
        limits |= {ops.identity: (1e4, -1e4), ours_steep: (1e4, -2e3)}
        limits |= {ops.shifted_softplus: (1e4 - np.log(2), -np.log(2))}
        assert activation(far).tolist() == list(limits.get(activation, (1e4, 0)))

    def test_a_python_number_is_an_argument(self, activation):
        assert float(activation(0.5)) == pytest.approx(float(FORMULAS[activation](np.array(0.5))), rel=1e-14)
        assert np.shape(gn.grad(activation)(0.5)) == ()
        for along in (gn.jvp(activation, 0.5, 2.0)[1], gn.hvp(lambda x: activation(x) ** 2, 0.5, 1.0)):
            assert np.shape(along) == ()

    def test_whole_numbers_are_arguments_of_a_layer(self, activation):
        x, weight = np.array([[1, -2], [0, 3]]), np.array([[1, 0], [2, -1]])
        wanted = activation((x @ weight).astype(float))
        for given in (ops.affine(x, weight, None, activation), ops.biased(x @ weight, np.zeros(2, int), activation)):
            np.testing.assert_allclose(given, wanted, rtol=1e-14)


@pytest.mark.parametrize("activation", [ops.relu, ops.leaky_relu], ids=lambda f: f.__name__)
def test_the_slope_at_the_kink_is_zero_as_documented(activation):
    assert gn.grad(lambda x: activation(x).sum())(np.zeros(2)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("activation", "slope"), [(ops.elu, 1.0), (ops.selu, SELU_SCALE * SELU_ALPHA)])
def test_the_slope_at_zero_is_that_from_the_left(activation, slope):
    assert gn.grad(lambda x: activation(x).sum())(np.zeros(2)).tolist() == [slope, slope]


def test_selu_keeps_mean_and_variance_of_normal_numbers():
    """The fixed point of Klambauer et al. 2017: mean 0 and variance 1 go to themselves."""
    points, weights = np.polynomial.hermite_e.hermegauss(200)
    weights = weights / weights.sum()
    out = ops.selu(points)
    assert (weights * out).sum() == pytest.approx(0, abs=5e-3)
    assert (weights * out**2).sum() == pytest.approx(1, abs=5e-3)


@pytest.mark.parametrize("activation", FORMULAS, ids=lambda f: f.__name__)
def test_whole_numbers_give_the_result_of_floats(activation):
    whole = np.array([-2, 0, 3])
    np.testing.assert_allclose(activation(whole), activation(whole.astype(float)), rtol=1e-15)


@pytest.mark.parametrize("activation", FUSED, ids=lambda f: f.__name__)
class TestFusedForms:
    def test_in_place_is_the_function(self, activation):
        out = POINTS.copy()
        assert FUSED[activation].apply(out) is None
        np.testing.assert_array_equal(out, activation(POINTS))

    def test_slope_read_off_the_output_is_the_derivative(self, activation):
        g = np.full(POINTS.shape, 1.5)
        (wanted,) = backward(activation, [POINTS], g) if activation is not ops.identity else (g,)
        kept = FUSED[activation].kept(activation(POINTS))
        np.testing.assert_allclose(FUSED[activation].slope(g, kept), wanted, rtol=1e-15)
