"""Activations, each an autograd primitive that keeps the dtype, with its JAX twin.

Those whose slope can be read off their output (`FUSED`) are applied in place inside the fused layer primitives, so
that an affine map and its activation are one step on the tape and store nothing but the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from graphnn.ops.arrays import differentiable, elementwise, is_jax, linear, namespace, value_of
from graphnn.ops.passes import above_zero, below_zero, masked
from graphnn.types import Array

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # what makes mean 0 and variance 1 a fixed point


def identity(x: Array) -> Array:
    """Return x itself.

    >>> identity(np.array([-1.0, 2.0]))
    array([-1.,  2.])
    """
    return x


# ---- slopes: g times the derivative, from the output (second argument) or the input (third) --------------------------


def _masked_pullback(argnum: int, g: Array, x: Array, mask: np.ndarray) -> Array:
    return _masked(g, mask)


@linear(_masked_pullback)
def _masked(g: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return masked(g, mask)


def _positive(out: Array) -> np.ndarray:
    return value_of(out) > 0


def _relu_slope(g: Array, out: Array, x: Array | None = None) -> Array:
    return _masked(g, _positive(out))


def _tanh_slope(g: Array, out: Array, x: Array | None = None) -> Array:
    return g * (1.0 - out * out)


def _sigmoid_slope(g: Array, out: Array, x: Array | None = None) -> Array:
    return g * (out * (1.0 - out))


def _softplus_slope(g: Array, out: Array, x: Array) -> Array:
    return g * sigmoid(x)


def _silu_slope(g: Array, out: Array, x: Array) -> Array:
    s = sigmoid(x)
    return g * (s + out * (1.0 - s))


def _elu_slope(g: Array, out: Array, x: Array | None = None) -> Array:
    return g * (1.0 - relu(-out))


def _selu_slope(g: Array, out: Array, x: Array | None = None) -> Array:
    """Read the slope off the output: scale where it is positive, else scale alpha exp(x) = out + scale alpha."""
    positive = np.asarray(value_of(out) > 0, np.result_type(value_of(out)))
    steep = SELU_SCALE * SELU_ALPHA
    return g * (steep - relu(-out) - positive * (steep - SELU_SCALE))


def _density_slope(g: Array, out: Array, x: Array) -> Array:
    return -g * out * x


def _cumulated_slope(g: Array, out: Array, x: Array) -> Array:
    return g * _normal_density(x)


def _gelu_slope(g: Array, out: Array, x: Array) -> Array:
    return g * (_normal_cumulated(x) + x * _normal_density(x))


def _logistic(x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return 1 / (1 + exp(-x)); several times faster than SciPy's expit, and as accurate for every x."""
    out = np.empty(np.shape(x), np.result_type(x, 0.0)) if out is None else out
    with np.errstate(over="ignore"):  # exp overflows to inf, whose inverse is the right 0
        np.negative(x, out=out)
        np.exp(out, out=out)
        out += 1
        return np.divide(1, out, out=out)


# ---- the functions --------------------------------------------------------------------------------------------------


@elementwise(_relu_slope)
def _relu(x: np.ndarray) -> np.ndarray:
    return above_zero(x)


def relu(x: Array) -> Array:
    """Return max(x, 0), with slope 0 at 0.

    >>> relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    return _jax_relu(x) if is_jax(x) else _relu(x)


def _jax_relu(x: Array) -> Array:
    import jax

    return jax.nn.relu(x)


@elementwise(_tanh_slope)
def _tanh(x: np.ndarray) -> np.ndarray:
    return np.tanh(x)


def tanh(x: Array) -> Array:
    """Return the hyperbolic tangent.

    >>> tanh(np.array([0.0, 1e4]))
    array([0., 1.])
    """
    return namespace(x).tanh(x) if is_jax(x) else _tanh(x)


@elementwise(_sigmoid_slope)
def _sigmoid(x: np.ndarray) -> np.ndarray:
    return _logistic(x)


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), finite for every x.

    >>> sigmoid(np.array([0.0, -1e4]))
    array([0.5, 0. ])
    """
    return 0.5 * (namespace(x).tanh(0.5 * x) + 1) if is_jax(x) else _sigmoid(x)


@elementwise(_softplus_slope)
def _softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(x, 0.0)


def softplus(x: Array) -> Array:
    """Return log(1 + exp(x)), finite for every x.

    >>> softplus(np.array([0.0, 1e4])).round(4)
    array([6.931e-01, 1.000e+04])
    """
    return namespace(x).logaddexp(x, 0.0) if is_jax(x) else _softplus(x)


@elementwise(_softplus_slope)
def _shifted_softplus(x: np.ndarray) -> np.ndarray:
    out = np.logaddexp(x, 0.0)
    out -= math.log(2.0)
    return out


def shifted_softplus(x: Array) -> Array:
    """Return log(1/2 + exp(x)/2), a softplus that is 0 at 0 (Schuett et al. 2017, arXiv:1706.08566).

    >>> shifted_softplus(np.array([0.0, 1e4])).round(4)
    array([   0.    , 9999.3069])
    """
    return softplus(x) - math.log(2.0) if is_jax(x) else _shifted_softplus(x)


@elementwise(_silu_slope)
def _silu(x: np.ndarray) -> np.ndarray:
    return x * _logistic(x)


def silu(x: Array) -> Array:
    """Return x sigmoid(x) (Elfwing et al. 2018, arXiv:1702.03118; also called swish).

    >>> silu(np.array([0.0, 100.0]))
    array([  0., 100.])
    """
    return x * sigmoid(x) if is_jax(x) else _silu(x)


@elementwise(_elu_slope)
def _elu(x: np.ndarray) -> np.ndarray:
    out = np.array(x, np.result_type(x, 0.0), order="C")
    _elu_in_place(out)
    return out


def elu(x: Array) -> Array:
    """Return x where positive, else exp(x) - 1 (Clevert et al. 2016, arXiv:1511.07289).

    >>> elu(np.array([2.0, -100.0]))
    array([ 2., -1.])
    """
    if is_jax(x):
        xp = namespace(x)
        return xp.where(x > 0, x, xp.expm1(xp.where(x > 0, 0, x)))
    return _elu(x)


def _leaky_slope(g: Array, x: Array, slope: float) -> Array:
    x = np.asarray(value_of(x))
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype(float)
    return g * ((x > 0) + dtype.type(slope) * (x < 0))


def _leaky_pull(g: Array, argnums: Sequence[int], ans: Array, args: tuple) -> list[Array]:
    return [_leaky_slope(g, *args)]


def _leaky_push(argnums: Sequence[int], tangents: Sequence[Array], ans: Array, args: tuple) -> Array:
    return _leaky_slope(tangents[0], *args)


@differentiable(_leaky_pull, _leaky_push)
def _leaky_relu(x: np.ndarray, slope: float) -> np.ndarray:
    return above_zero(x) + slope * below_zero(x)


@elementwise(_selu_slope)
def _selu(x: np.ndarray) -> np.ndarray:
    return SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0)))


def selu(x: Array) -> Array:
    """Return 1.0507 x where positive, else 1.0507 * 1.6733 (exp(x) - 1) (Klambauer et al. 2017, arXiv:1706.02515).

    Best with `lecun_normal` weights and without normalisation layers.

    >>> selu(np.array([1.0, -100.0])).round(4)
    array([ 1.0507, -1.7581])
    """
    if is_jax(x):
        xp = namespace(x)
        return SELU_SCALE * xp.where(x > 0, x, SELU_ALPHA * xp.expm1(xp.where(x > 0, 0, x)))
    return _selu(x)


@elementwise(_density_slope)
def _normal_density(x: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))


@elementwise(_cumulated_slope)
def _normal_cumulated(x: np.ndarray) -> np.ndarray:
    from scipy.special import ndtr

    return ndtr(x)


@elementwise(_gelu_slope)
def _gelu(x: np.ndarray) -> np.ndarray:
    return x * _normal_cumulated(x)


def gelu(x: Array) -> Array:
    """Return x times the probability that a standard normal number is below x (Hendrycks & Gimpel, arXiv:1606.08415).

    The exact form, not its approximation by tanh.

    >>> gelu(np.array([1.0, -100.0])).round(4)
    array([ 0.8413, -0.    ])
    """
    if is_jax(x):
        import jax

        return jax.nn.gelu(x, approximate=False)
    return _gelu(x)


def leaky_relu(x: Array, slope: float = 0.01) -> Array:
    """Return x where positive, else slope * x (Maas et al. 2013), with slope 0 at 0.

    >>> leaky_relu(np.array([2.0, -1.0]))
    array([ 2.  , -0.01])
    """
    return relu(x) - slope * relu(-x) if is_jax(x) else _leaky_relu(x, slope)


# ---- those that may run in place inside a fused primitive ------------------------------------------------------------


class Fused(NamedTuple):
    """An activation in place on a fresh array, what of its output tells the slope, and from that g times the slope."""

    apply: Callable
    kept: Callable
    slope: Callable


def kept_of_fused(ans: Array, args: tuple) -> tuple[Array, tuple]:
    """Return what a primitive that ends in an activation, its last argument, keeps of its result."""
    return FUSED[args[-1]].kept(ans), args


def _elu_in_place(out: np.ndarray) -> None:
    # exp(x) - 1 = 2 t / (1 - t) with t = tanh(x / 2): as exact as expm1 and several times faster. Where x > 0, t is 0.
    t = np.empty_like(out)
    below_zero(out, t)
    above_zero(out, out)
    t *= 0.5
    np.tanh(t, out=t)
    t /= 1 - t
    t *= 2
    out += t


def _tanh_in_place(out: np.ndarray) -> None:
    np.tanh(out, out=out)


def _sigmoid_in_place(out: np.ndarray) -> None:
    _logistic(out, out=out)


def _relu_in_place(out: np.ndarray) -> None:
    above_zero(out, out)


def _nothing(out: Array) -> None:
    pass


def _same(g: Array, out: Array) -> Array:
    return g


FUSED: dict[Callable, Fused] = {
    identity: Fused(_nothing, _nothing, _same),
    relu: Fused(_relu_in_place, _positive, _masked),
    elu: Fused(_elu_in_place, identity, _elu_slope),
    tanh: Fused(_tanh_in_place, identity, _tanh_slope),
    sigmoid: Fused(_sigmoid_in_place, identity, _sigmoid_slope),
}
