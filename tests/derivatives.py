"""Laws that hold for every differentiable function, and the witness they are held against.

A case is a function of ours beside the same formula in plain NumPy. The plain formula is also evaluated at
complex points: Im f(x + i h v) / h is the directional derivative to the last digits, with no difference taken
(Squire & Trapp, SIAM Review 1998). So first derivatives are compared to 1e-12; finite differences see 1e-6.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from autograd.differential_operators import make_jvp, make_vjp
from autograd.test_util import check_grads

import graphnn as gn

Arrays = Sequence[np.ndarray]


class Case(NamedTuple):
    """A function of ours, the same in plain NumPy (also on complex numbers), and where to compare them."""

    name: str
    function: Callable
    plain: Callable
    arrays: tuple[np.ndarray, ...]


def name_of(case: Case) -> str:
    return case.name


def normal(name: str, *shapes: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """Return one read-only normal array for each shape, the same for the same name."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    arrays = tuple(np.array(rng.normal(size=shape)) for shape in shapes)
    for array in arrays:
        array.setflags(write=False)
    return arrays


def away_from_zero(x: np.ndarray) -> np.ndarray:
    """Return numbers at least 0.1 from the kink at 0."""
    return x + 0.1 * np.sign(x)


def relu(z: np.ndarray) -> np.ndarray:
    return z * (z.real > 0)


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def size(x: np.ndarray) -> float:
    return float(np.sqrt(np.vdot(x, x).real))


def inner(xs: Arrays, ys: Arrays) -> float:
    return float(sum(np.vdot(x, y) for x, y in zip(xs, ys, strict=True)))


def arrays_like(name: str, arrays: Arrays) -> list[np.ndarray]:
    """Return normal arrays of the same shapes and dtypes."""
    drawn = normal(name, *(np.shape(a) for a in arrays))
    return [np.asarray(d, a.dtype) for d, a in zip(drawn, arrays, strict=True)]


def everything(arrays: Arrays) -> tuple[int, ...]:
    return tuple(range(len(arrays)))


def forward(function: Callable, arrays: Arrays, tangents: Arrays) -> np.ndarray:
    return make_jvp(function, everything(arrays))(*arrays)(tuple(tangents))[1]


def backward(function: Callable, arrays: Arrays, cotangent: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return J' u for each argument alone: taken together, autograd would cast them to the leaves' dtypes."""
    return tuple(make_vjp(function, i)(*arrays)[0](cotangent) for i in everything(arrays))


def complex_step(plain: Callable, arrays: Arrays, tangents: Arrays) -> np.ndarray:
    """Return the derivative of the plain formula along the tangents, to rounding."""
    step = 1e-30
    return plain(*(a + 1j * step * t for a, t in zip(arrays, tangents, strict=True))).imag / step


def second_difference(plain: Callable, arrays: Arrays, first: Arrays, second: Arrays) -> np.ndarray:
    """Return the second derivative along two directions: a fourth-order difference of complex steps."""
    h = 1e-3

    def slope(t: float) -> np.ndarray:
        return complex_step(plain, [a + t * h * s for a, s in zip(arrays, second, strict=True)], first)

    return (8 * (slope(1) - slope(-1)) - (slope(2) - slope(-2))) / (12 * h)


def assert_close(found: np.ndarray, wanted: np.ndarray, rtol: float = 1e-12) -> None:
    """Compare whole arrays: every entry to `rtol` of the largest."""
    assert np.shape(found) == np.shape(wanted)
    scale = max(float(np.abs(wanted).max(initial=0.0)), 1.0)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=rtol * scale)


def assert_adjoint(function: Callable, arrays: Arrays, rtol: float = 1e-12) -> None:
    """<u, J v> = <J' u, v>: the reverse derivative is the transpose of the forward one."""
    v = arrays_like("tangents", arrays)
    slope = forward(function, arrays, v)
    (u,) = arrays_like("cotangent", [np.asarray(slope)])
    pulled = backward(function, arrays, u)
    difference = abs(inner([u], [slope]) - inner(pulled, v))
    allowed = size(u) * size(slope) + sum(size(p) * size(t) for p, t in zip(pulled, v, strict=True))
    assert difference <= rtol * allowed, f"<u, Jv> and <J'u, v> differ by {difference / allowed:.1e}"


def assert_check_grads(function: Callable, arrays: Arrays) -> None:
    np.random.seed(0)  # noqa: NPY002 - autograd's check_grads draws from the global generator
    check_grads(function, everything(arrays), modes=["fwd", "rev"], order=2)(*arrays)


class DerivativeLaws:
    """Subclass as Test..., parametrised over `case`."""

    def test_value_is_the_plain_formula(self, case: Case) -> None:
        assert_close(case.function(*case.arrays), case.plain(*case.arrays), 1e-13)

    def test_forward_derivative_is_a_complex_step_of_the_plain_formula(self, case: Case) -> None:
        v = arrays_like("tangents", case.arrays)
        found = forward(case.function, case.arrays, v)
        assert_close(found, complex_step(case.plain, case.arrays, v))

    def test_reverse_derivative_is_the_adjoint_of_the_forward_one(self, case: Case) -> None:
        assert_adjoint(case.function, case.arrays)

    def test_second_derivative_is_that_of_the_plain_formula_in_all_four_ways(self, case: Case) -> None:
        arrays = list(case.arrays)
        v, w = arrays_like("tangents", arrays), arrays_like("more tangents", arrays)
        curved = second_difference(case.plain, arrays, v, w)
        (u,) = arrays_like("cotangent", [curved])

        def scalar(xs: list) -> np.ndarray:
            return (u * case.function(*xs)).sum()

        def slope_along_v(xs: list) -> np.ndarray:
            return gn.jvp(scalar, xs, v)[1]

        def gradient_along_v(xs: list) -> np.ndarray:
            return sum((g * t).sum() for g, t in zip(gn.grad(scalar)(xs), v, strict=True))

        found = [
            gn.jvp(slope_along_v, arrays, w)[1],
            gn.jvp(gradient_along_v, arrays, w)[1],
            inner(gn.grad(slope_along_v)(arrays), w),
            inner(gn.grad(gradient_along_v)(arrays), w),
        ]
        scale = max(1.0, size(u) * size(curved))
        np.testing.assert_allclose(found, float((u * curved).sum()), rtol=0, atol=1e-8 * scale)
        np.testing.assert_allclose(found, found[0], rtol=0, atol=1e-12 * scale)

    def test_check_grads_of_autograd_to_second_order(self, case: Case) -> None:
        assert_check_grads(case.function, case.arrays)

    def test_float32_stays_float32_in_values_and_both_derivatives(self, case: Case) -> None:
        arrays = [a.astype(np.float32) for a in case.arrays]
        value = case.function(*arrays)
        assert value.dtype == np.float32
        slope = forward(case.function, arrays, arrays_like("tangents", arrays))
        assert slope.dtype == np.float32
        cotangent = np.ones(np.shape(value), np.float32)
        pulled = backward(case.function, arrays, cotangent)
        assert [p.dtype for p in pulled] == [np.float32] * len(arrays)
        exact = backward(case.function, case.arrays, np.ones(np.shape(value)))
        for single, double in zip(pulled, exact, strict=True):
            assert_close(single, double, 1e-3)

    def test_inputs_are_read_only_and_stay_the_same_bits(self, case: Case) -> None:
        arrays = [a.copy() for a in case.arrays]
        for array in arrays:
            array.setflags(write=False)
        before = [a.tobytes() for a in arrays]
        value = case.function(*arrays)
        u = np.ones(np.shape(value))
        u.setflags(write=False)
        backward(case.function, arrays, u)
        forward(case.function, arrays, arrays)
        assert [a.tobytes() for a in arrays] == before
        assert (u == 1).all()
