"""A function of a flat dict as SciPy sees it: a function of one float64 vector, with its derivatives.

SciPy's routines know vectors of float64 only. So the parameters that may move are laid end to end in float64,
whatever their dtype, and the function is evaluated at float64 parameters too. Running statistics, what is not
floating and what is fixed keep the values they came with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import numpy as np

from graphnn.autodiff import Tape, hessian_at, jvp, value_and_grad
from graphnn.checks import listing, nearest
from graphnn.types import Array, Params, is_statistic, matching


class Flat:
    """The parameters of a function that may move, as one vector; who: speaks in the errors.

    fixed: a pattern of names that stay where they are, or several

    Raises TypeError for params that are no dict, ValueError for a pattern that matches no
    name, for a number that is not finite, and where nothing is left to move.

    >>> flat = Flat("doctest", {"weight": np.ones((2, 1)), "bias": np.zeros(1), "running_mean": np.ones(1)}, "bias")
    >>> flat.vector.tolist(), flat.params(np.array([3.0, 4.0]))["weight"].tolist()
    ([1.0, 1.0], [[3.0], [4.0]])
    """

    def __init__(self, who: str, params: Params, fixed: str | Sequence[str] = ()):
        if not isinstance(params, Mapping):
            raise TypeError(
                f"{who}: params must be a dict of arrays, got {type(params).__name__}; the loss comes first"
            )
        self.who, self.given = who, dict(params)
        self.arrays = _moving(who, self.given, (fixed,) if isinstance(fixed, str) else tuple(fixed))
        self.rest = {name: _double(value) for name, value in self.given.items()}
        ends = np.cumsum([array.size for array in self.arrays.values()])
        self.size = int(ends[-1])
        self.parts = {
            name: slice(int(end) - array.size, int(end))
            for (name, array), end in zip(self.arrays.items(), ends, strict=True)
        }
        self.vector = self.flat(self.arrays)
        if not np.isfinite(self.vector).all():
            name = self.name_at(int(np.argmin(np.isfinite(self.vector))))
            raise ValueError(f"{who}: parameter {name!r} holds numbers that are not finite; start from finite ones")

    def flat(self, arrays: Mapping[str, Any]) -> Array:
        """Return the entries of all that moves as one float64 vector."""
        return np.concatenate([np.asarray(arrays[name], float).ravel() for name in self.parts])

    def moved(self, vector: Array) -> Params:
        """Return a vector as a dict of float64 arrays, of what moves only."""
        return {
            name: np.asarray(vector[part], float).reshape(self.arrays[name].shape) for name, part in self.parts.items()
        }

    def params(self, vector: Array) -> Params:
        """Return all parameters at a vector, each with the dtype it came with."""
        moved = {name: value.astype(self.arrays[name].dtype) for name, value in self.moved(vector).items()}
        return {**self.given, **moved}

    def direction(self, vector: Array) -> Params:
        """Return a direction with the names and shapes of all parameters, zero where they do not move."""
        still = {name: np.zeros(np.shape(value)) for name, value in self.given.items()}
        return {**still, **self.moved(vector)}

    def name_at(self, place: int) -> str:
        """Return the name of the parameter that an entry of the vector belongs to."""
        return next(name for name, part in self.parts.items() if place < part.stop)

    def of_moved(self, function: Callable[[Params], Any]) -> Callable[[Params], Any]:
        """Return the function of what moves alone, the rest as it came."""

        @wraps(function)
        def inner(moved: Params) -> Any:
            return function({**self.rest, **moved})

        return inner

    def value_and_gradient(self, loss: Callable[[Params], Any], vector: Array) -> tuple[float, Array]:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # the caller looks at what came out
            value, grads = value_and_grad(scalar(self.who, self.of_moved(loss)))(self.moved(vector))
        return float(value), self.flat(grads)

    def hessian_at(self, loss: Callable[[Params], Any], vector: Array) -> Callable[[Array], Array]:
        """Return the function that multiplies a vector with the Hessian of the loss at a point."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            product = hessian_at(scalar(self.who, self.of_moved(loss)), self.moved(vector))

        def times(v: Array) -> Array:
            return self.flat(product(self.moved(np.ravel(v))))

        return times

    def jacobian_at(self, residuals: Callable[[Params], Any], vector: Array) -> tuple[Array, Callable, Callable]:
        """Return an array-valued function at a point, as a vector, and with its Jacobian J: v -> J v, u -> J' u."""
        function, here = self.of_moved(residuals), self.moved(vector)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            tape = Tape(function, here)

        def forward(v: Array) -> Array:
            return np.asarray(jvp(function, here, self.moved(np.ravel(v)))[1], float).ravel()

        def backward(u: Array) -> Array:
            weights = np.asarray(u, float).reshape(np.shape(tape.output))

            def along(output: Any) -> Any:
                return (output * weights).sum()

            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                return self.flat(tape.gradient(along))

        return np.asarray(tape.output, float).ravel(), forward, backward


def scalar(who: str, loss: Callable[..., Any]) -> Callable[..., Any]:
    """Return the same loss, which refuses to give anything but a number.

    >>> scalar("doctest", np.sum)(np.ones(3))
    np.float64(3.0)
    """

    @wraps(loss)
    def inner(given: Any) -> Any:
        value = loss(given)
        if isinstance(value, (tuple, list, dict)) or value is None or np.shape(value):
            came = f"shape {np.shape(value)}; take its mean or sum" if hasattr(value, "shape") else type(value).__name__
            raise TypeError(f"{who}: the loss must return a scalar to be differentiated, got {came}")
        return value

    return inner


def _double(value: Any) -> Any:
    """Return floating numbers in float64, anything else as it is."""
    return np.asarray(value, float) if np.asarray(value).dtype.kind == "f" else value


def _moving(who: str, params: Params, fixed: tuple[str, ...]) -> dict[str, Array]:
    """Return the parameters that move: floating, no running statistics, matched by no pattern."""
    for pattern in fixed:
        if not matching(params, pattern):
            near = nearest(pattern, params)
            raise ValueError(f"{who}: fixed={pattern!r} matches none of the names {listing(list(params))}{near}")
    stays = {name for pattern in fixed for name in matching(params, pattern)}
    arrays = {name: np.asarray(value) for name, value in params.items() if not is_statistic(name) and name not in stays}
    arrays = {name: array for name, array in arrays.items() if array.dtype.kind == "f" and array.size}
    if not arrays:
        raise ValueError(f"{who}: no parameter is left to move among {listing(list(params))}")
    return arrays
