"""First values of parameters: functions (rng, shape) -> float64 array.

The last two dimensions of a shape are one matrix (fan_in, fan_out), used as ``h @ weight``; those before
them stack independent matrices. A vector (n,) has fan_in = fan_out = n. The uniform and the normal form of a
method share their variance:

    glorot   2 / (fan_in + fan_out)     tanh, sigmoid       Glorot & Bengio, AISTATS 2010, eqs. 12 and 16
    he       2 / fan_in                 relu                He et al., ICCV 2015 (arXiv:1502.01852), eq. 10
    lecun    1 / fan_in                 selu, linear        LeCun et al., Efficient BackProp, 1998, sec. 4.6

A uniform law of variance s^2 has the limits -sqrt(3) s and sqrt(3) s. Normal laws are not truncated, which
differs from Keras.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Shape: TypeAlias = tuple[int, ...]
Values: TypeAlias = NDArray[np.float64]

Initializer: TypeAlias = Callable[[np.random.Generator, Shape], Any]
"""A function from a random generator and a shape to an array of that shape."""


def generator(seed: int, name: str) -> np.random.Generator:
    """Return the random stream of one parameter, which depends on the seed and on its name only.

    Adding or removing another parameter therefore changes nothing here. Raises ValueError for a negative
    seed, TypeError for one that is no integer.

    >>> generator(0, "0.dense.weight").random() == generator(0, "0.dense.weight").random()
    True
    """
    if not isinstance(seed, (int, np.integer)):
        raise TypeError(f"generator: the seed is {seed!r}, it must be an integer")
    if seed < 0:
        raise ValueError(f"generator: the seed is {seed}, it must not be negative")
    return np.random.default_rng((int(seed), zlib.crc32(name.encode())))


def glorot(rng: np.random.Generator, shape: Shape) -> Values:
    """Draw uniformly with variance 2 / (fan_in + fan_out).

    Raises ValueError for a shape without dimensions.

    >>> bool(abs(glorot(np.random.default_rng(0), (20, 10))).max() < (6 / 30) ** 0.5)
    True
    """
    return _uniform(rng, shape, _glorot_variance("glorot", shape))


def glorot_normal(rng: np.random.Generator, shape: Shape) -> Values:
    """Draw from the normal law of variance 2 / (fan_in + fan_out).

    Raises ValueError for a shape without dimensions.

    >>> glorot_normal(np.random.default_rng(0), (20, 10)).shape
    (20, 10)
    """
    return _normal(rng, shape, _glorot_variance("glorot_normal", shape))


def he(rng: np.random.Generator, shape: Shape) -> Values:
    """Draw uniformly with variance 2 / fan_in.

    Raises ValueError for a shape without dimensions.

    >>> bool(abs(he(np.random.default_rng(0), (20, 10))).max() < (6 / 20) ** 0.5)
    True
    """
    return _uniform(rng, shape, 2 / _fans("he", shape)[0])


def he_normal(rng: np.random.Generator, shape: Shape) -> Values:
    """Draw from the normal law of variance 2 / fan_in.

    Raises ValueError for a shape without dimensions.

    >>> he_normal(np.random.default_rng(0), (20, 10)).shape
    (20, 10)
    """
    return _normal(rng, shape, 2 / _fans("he_normal", shape)[0])


def lecun(rng: np.random.Generator, shape: Shape) -> Values:
    """Draw uniformly with variance 1 / fan_in.

    Raises ValueError for a shape without dimensions.

    >>> bool(abs(lecun(np.random.default_rng(0), (20, 10))).max() < (3 / 20) ** 0.5)
    True
    """
    return _uniform(rng, shape, 1 / _fans("lecun", shape)[0])


def lecun_normal(rng: np.random.Generator, shape: Shape) -> Values:
    """Draw from the normal law of variance 1 / fan_in.

    Raises ValueError for a shape without dimensions.

    >>> lecun_normal(np.random.default_rng(0), (20, 10)).shape
    (20, 10)
    """
    return _normal(rng, shape, 1 / _fans("lecun_normal", shape)[0])


def orthogonal(rng: np.random.Generator, shape: Shape) -> Values:
    """Draw matrices with orthonormal columns, or rows where there are fewer rows, evenly among all of those.

    Saxe, McClelland & Ganguli, ICLR 2014 (arXiv:1312.6120): Q of the QR decomposition of a normal matrix. The
    signs of R's diagonal go into Q, without which Q is not evenly distributed (Mezzadri,
    arXiv:math-ph/0609050). Raises ValueError below two dimensions.

    >>> Q = orthogonal(np.random.default_rng(0), (5, 3))
    >>> np.allclose(Q.T @ Q, np.eye(3))
    True
    """
    _check_matrix("orthogonal", shape)
    *stack, rows, columns = shape
    if rows < columns:
        return orthogonal(rng, (*stack, columns, rows)).swapaxes(-1, -2)
    Q, R = np.linalg.qr(rng.standard_normal(shape))
    diagonal = np.diagonal(R, axis1=-2, axis2=-1)
    return Q * np.where(diagonal < 0, -1.0, 1.0)[..., None, :]


def identity(rng: np.random.Generator, shape: Shape) -> Values:
    """Fill with ones on the diagonal of the last two dimensions and zeros elsewhere; draws nothing.

    Raises ValueError below two dimensions.

    >>> identity(np.random.default_rng(0), (2, 3))
    array([[1., 0., 0.],
           [0., 1., 0.]])
    """
    _check_matrix("identity", shape)
    rows, columns = shape[-2:]
    return np.broadcast_to(np.eye(rows, columns), shape).copy()


def zeros(rng: np.random.Generator, shape: Shape) -> Values:
    """Fill with zeros; draws nothing.

    >>> zeros(np.random.default_rng(0), (2,))
    array([0., 0.])
    """
    return np.zeros(shape)


def ones(rng: np.random.Generator, shape: Shape) -> Values:
    """Fill with ones; draws nothing.

    >>> ones(np.random.default_rng(0), (2,))
    array([1., 1.])
    """
    return np.ones(shape)


@dataclass(frozen=True)
class constant:
    """Fill with one value; draws nothing.

    >>> constant(0.5)(np.random.default_rng(0), (2,))
    array([0.5, 0.5])
    """

    value: float

    def __call__(self, rng: np.random.Generator, shape: Shape) -> Values:
        return np.full(shape, self.value, np.float64)


@dataclass(frozen=True)
class normal:
    """Draw from the normal law of mean 0 and standard deviation `std`, the same for every shape.

    Raises ValueError if `std` is negative.

    >>> normal(0.1)(np.random.default_rng(0), (2, 3)).shape
    (2, 3)
    """

    std: float

    def __post_init__(self) -> None:
        if not self.std >= 0:
            raise ValueError(f"normal: std is {self.std}, it must be zero or more")

    def __call__(self, rng: np.random.Generator, shape: Shape) -> Values:
        return rng.normal(0.0, self.std, shape)


@dataclass(frozen=True)
class uniform:
    """Draw uniformly from [low, high), the same for every shape.

    Raises ValueError if `low` is above `high`.

    >>> bool(uniform(2.0, 3.0)(np.random.default_rng(0), (2, 3)).min() >= 2)
    True
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"uniform: low is {self.low} and high is {self.high}, which must not be below")

    def __call__(self, rng: np.random.Generator, shape: Shape) -> Values:
        return rng.uniform(self.low, self.high, shape)


def _fans(who: str, shape: Shape) -> tuple[int, int]:
    """Return (fan_in, fan_out), at least 1 each, so that an empty matrix is no error."""
    if not shape:
        raise ValueError(f"{who}: shape () has no fan; use normal, uniform or constant for a single number")
    fan_in, fan_out = shape[-2:] if len(shape) > 1 else shape * 2
    return max(fan_in, 1), max(fan_out, 1)


def _glorot_variance(who: str, shape: Shape) -> float:
    fan_in, fan_out = _fans(who, shape)
    return 2 / (fan_in + fan_out)


def _check_matrix(who: str, shape: Shape) -> None:
    if len(shape) < 2:
        raise ValueError(f"{who}: shape {shape} is no matrix; it must have two or more dimensions")


def _uniform(rng: np.random.Generator, shape: Shape, variance: float) -> Values:
    limit = math.sqrt(3 * variance)
    return rng.uniform(-limit, limit, shape)


def _normal(rng: np.random.Generator, shape: Shape, variance: float) -> Values:
    return rng.normal(0.0, math.sqrt(variance), shape)
