"""What every array library must answer the same: the namespace of an array, safe elementwise functions, reductions.

autograd's own `mean`, `max` and `where` turn float32 gradients into float64, and its `sqrt` has an infinite slope at
zero. The functions here keep the dtype, give zero where the mathematics leaves a choice, and have both derivatives.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np
from autograd.extend import defjvp_argnums, defvjp_argnums
from autograd.tracer import Box, new_box

from graphnn.types import Array

ONE_NUMBER = bytes(16)  # of any dtype: 0
BOXES = Box.types  # the classes that autograd wraps values in, a set that it may still add to


def namespace(*arrays: Array) -> Any:
    """Return the array namespace of the first array that is not a plain NumPy one, else NumPy itself.

    >>> namespace(np.ones(3)).__name__
    'numpy'
    """
    for array in arrays:
        if type(array) is not np.ndarray and hasattr(array, "__array_namespace__"):
            return array.__array_namespace__()
    return np


def is_jax(*arrays: Array) -> bool:
    """Say whether any of the arrays belongs to JAX; never imports JAX."""
    jax = sys.modules.get("jax")
    return jax is not None and any(isinstance(array, jax.Array) for array in arrays)


def value_of(array: Array) -> Array:
    """Return the plain number array behind any tracing of autograd."""
    while type(array) in BOXES:
        array = array._value
    return array


def is_traced(array: Array) -> bool:
    """Say whether autograd is recording what happens to this array."""
    return type(array) in BOXES


# ---- the recipe for a primitive -------------------------------------------------------------------------------------


def _primitive(function: Callable) -> Callable:
    """Return a function that autograd records, as its own `primitive` makes it, for arguments without names.

    It does not ask whether other libraries would like to answer for a ufunc, and so costs half as much: of a training
    step on small graphs, autograd's own bookkeeping is a third. Derivatives may be taken of derivatives: the arguments
    of the newest trace are opened, and the function is called again with what is inside.
    """

    @wraps(function)
    def traced(*args: Any) -> Array:
        newest, boxed = -1, []
        for argnum, arg in enumerate(args):
            if type(arg) in BOXES:
                if arg._trace > newest:
                    newest, boxed = arg._trace, [argnum]
                elif arg._trace == newest:
                    boxed.append(argnum)
        if not boxed:
            return function(*args)
        values = list(args)
        for argnum in boxed:
            values[argnum] = args[argnum]._value
        out = traced(*values)
        nodes = tuple([args[argnum]._node for argnum in boxed])
        return new_box(out, newest, type(nodes[0])(out, traced, tuple(values), {}, tuple(boxed), nodes))

    return traced


def _everything(ans: Array, args: tuple) -> tuple[Array, tuple]:
    return ans, args


def differentiable(
    pullback: Callable, pushforward: Callable, keep: Callable = _everything
) -> Callable[[Callable], Callable]:
    """Decorate a NumPy function as an autograd primitive with both derivatives.

    pullback(g, argnums, ans, args) returns one gradient for each traced argument in `argnums`;
    pushforward(argnums, tangents, ans, args) returns the tangent of the result. Both must be written with
    differentiable functions: then second and higher derivatives follow by themselves. They may run several times.

    keep(ans, args) returns what they are given for `ans` and `args`: what it leaves out need not be kept until the
    gradient comes back, which is the most of what training takes of memory.
    """

    def decorate(function: Callable) -> Callable:
        traced = _primitive(function)

        def vjp_maker(argnums: Sequence[int], ans: Array, args: tuple, kwargs: dict) -> Callable:
            ans, args = keep(ans, args)

            def vjp(g: Array) -> Sequence[Array]:
                return pullback(g, argnums, ans, args)

            return vjp

        def jvp_maker(
            argnums: Sequence[int], tangents: Sequence[Array], ans: Array, args: tuple, kwargs: dict
        ) -> Array:
            return pushforward(argnums, tangents, *keep(ans, args))

        defvjp_argnums(traced, vjp_maker)
        defjvp_argnums(traced, jvp_maker)
        return traced

    return decorate


def _arguments(ans: Array, args: tuple) -> tuple[None, tuple]:
    return None, args


def multilinear(pullback: Callable, keep: Callable = _arguments) -> Callable[[Callable], Callable]:
    """Decorate a function that is linear in each of its array arguments; its forward derivative is itself.

    pullback(argnum, g, *args) returns the gradient of that one argument.
    """

    def decorate(function: Callable) -> Callable:
        def pull(g: Array, argnums: Sequence[int], ans: Array, args: tuple) -> list[Array]:
            return [pullback(argnum, g, *args) for argnum in argnums]

        def push(argnums: Sequence[int], tangents: Sequence[Array], ans: Array, args: tuple) -> Array:
            parts = [
                traced(*(tangent if i == argnum else a for i, a in enumerate(args)))
                for argnum, tangent in zip(argnums, tangents, strict=True)
            ]
            return add_all(parts)

        traced = differentiable(pull, push, keep)(function)
        return traced

    return decorate


def _outline(ans: Array, args: tuple) -> tuple[None, tuple]:
    """Keep of the first argument its shape and dtype, in an array of one number seen again and again."""
    x = np.asarray(value_of(args[0]))
    return None, (np.ndarray(x.shape, x.dtype, ONE_NUMBER, 0, (0,) * x.ndim), *args[1:])


def linear(pullback: Callable) -> Callable[[Callable], Callable]:
    """Decorate a function that is linear in its first argument, the only array that is ever traced.

    pullback(argnum, g, *args) returns its gradient, and must not ask for more than the shape and the dtype of args[0]:
    the numbers are not kept for it.
    """
    return multilinear(pullback, _outline)


def elementwise(slope: Callable) -> Callable[[Callable], Callable]:
    """Decorate an elementwise function; slope(g, ans, x) returns g times its derivative."""

    def decorate(function: Callable) -> Callable:
        def pull(g: Array, argnums: Sequence[int], ans: Array, args: tuple) -> list[Array]:
            return [slope(g, ans, args[0])]

        def push(argnums: Sequence[int], tangents: Sequence[Array], ans: Array, args: tuple) -> Array:
            return slope(tangents[0], ans, args[0])

        return differentiable(pull, push)(function)

    return decorate


def add_all(parts: Sequence[Array]) -> Array:
    """Return the sum of one or more arrays."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


# ---- elementwise ----------------------------------------------------------------------------------------------------


def exp(x: Array) -> Array:
    """Return e to the x."""
    return namespace(x).exp(x)


def log(x: Array) -> Array:
    """Return the natural logarithm."""
    return namespace(x).log(x)


def cos(x: Array) -> Array:
    """Return the cosine of x in radians."""
    return namespace(x).cos(x)


def _bell_slope(g: Array, ans: Array, x: Array) -> Array:
    return -g * ans * x


@elementwise(_bell_slope)
def _bell(x: np.ndarray) -> np.ndarray:
    out = np.square(x)
    out *= -0.5
    return np.exp(out, out=out)


def gaussians(x: Array, stop: float, count: int) -> Array:
    """Return exp(-(x - c_k)^2 / (2 s^2)) for `count` centres c_k from 0 to `stop`, s apart. (n,) -> (n, count)

    >>> gaussians(np.array([0.0, 1.0]), 2.0, 3).round(3)
    array([[1.   , 0.607, 0.135],
           [0.607, 1.   , 0.607]])
    """
    apart = (x * ((count - 1) / stop))[:, None] - np.arange(count, dtype=x.dtype)  # in units of s
    return exp(-0.5 * apart * apart) if is_jax(x) else _bell(apart)


def _reciprocal_slope(g: Array, ans: Array, x: Array) -> Array:
    return -g * ans * ans


@elementwise(_reciprocal_slope)
def _reciprocal(x: np.ndarray) -> np.ndarray:
    return np.divide(1, x, out=np.zeros_like(x), where=x != 0)


def reciprocal(x: Array) -> Array:
    """Return 1 / x, and 0 (with derivative 0) where x is 0: the inverse degree of an isolated node.

    >>> reciprocal(np.array([2.0, 0.0]))
    array([0.5, 0. ])
    """
    if is_jax(x):
        xp = namespace(x)
        return xp.where(x == 0, 0, 1 / xp.where(x == 0, 1, x))
    return _reciprocal(x)


def _sqrt_slope(g: Array, ans: Array, x: Array) -> Array:
    return g * _reciprocal(ans) * 0.5


@elementwise(_sqrt_slope)
def _sqrt(x: np.ndarray) -> np.ndarray:
    return np.sqrt(x)


def sqrt(x: Array) -> Array:
    """Return the square root, with derivative 0 at 0 (any value from there up is a subgradient of its square).

    >>> sqrt(np.array([4.0, 0.0]))
    array([2., 0.])
    """
    if is_jax(x):
        xp = namespace(x)
        return xp.where(x == 0, 0, xp.sqrt(xp.where(x == 0, 1, x)))
    return _sqrt(x)


def _abs_slope(g: Array, ans: Array, x: Array) -> Array:
    return g * np.sign(value_of(x))


@elementwise(_abs_slope)
def _absolute(x: np.ndarray) -> np.ndarray:
    return np.abs(x)


def absolute(x: Array) -> Array:
    """Return |x|, with derivative 0 at 0."""
    if is_jax(x):
        return x * namespace(x).sign(x)  # JAX's own slope at 0 is 1
    return _absolute(x)


def _where_pullback(argnum: int, g: Array, x: Array, y: Array, condition: np.ndarray) -> Array:
    zeros = np.zeros_like(value_of(g))
    return _where(g, zeros, condition) if argnum == 0 else _where(zeros, g, condition)


def _where_push(argnums: Sequence[int], tangents: Sequence[Array], ans: Array, args: tuple) -> Array:
    zeros = np.zeros_like(value_of(ans))
    given = dict(zip(argnums, tangents, strict=True))
    return _where(given.get(0, zeros), given.get(1, zeros), args[2])


def _where_pull(g: Array, argnums: Sequence[int], ans: Array, args: tuple) -> list[Array]:
    return [_where_pullback(argnum, g, *args) for argnum in argnums]


@differentiable(_where_pull, _where_push)
def _where(x: np.ndarray, y: np.ndarray, condition: np.ndarray) -> np.ndarray:
    return np.where(condition, x, y)


def where(condition: Array, x: Array, y: Array) -> Array:
    """Return x where the condition holds, else y; the branch not taken gets no gradient, not even from a nan.

    `x` and `y` broadcast to one shape; the condition is never differentiated.

    >>> where(np.array([True, False]), np.array([1.0, 2.0]), 0.0)
    array([1., 0.])
    """
    if is_jax(condition, x, y):
        return namespace(*(a for a in (condition, x, y) if is_jax(a))).where(condition, x, y)
    condition = value_of(condition)
    shape = np.broadcast_shapes(np.shape(condition), np.shape(x), np.shape(y))
    dtype = np.result_type(*(a if np.isscalar(a) else a.dtype for a in (x, y)))
    return _where(_spread(x, shape, dtype), _spread(y, shape, dtype), np.broadcast_to(condition, shape))


def _spread(x: Array, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    if np.shape(x) == shape and not np.isscalar(x):
        return x
    return x + np.zeros(shape, dtype)


# ---- reductions -----------------------------------------------------------------------------------------------------


def _total_pullback(argnum: int, g: Array, x: Array) -> Array:
    return _filled(g, x.shape)


def _filled_pullback(argnum: int, g: Array, number: Array, shape: tuple[int, ...]) -> Array:
    return _total(g)


@linear(_total_pullback)
def _total(x: np.ndarray) -> np.ndarray:
    return np.sum(x)


@linear(_filled_pullback)
def _filled(number: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.full(shape, number)


def sum(x: Array, axis: int | None = None, keepdims: bool = False) -> Array:
    """Return the sum over one axis or all."""
    if axis is None and not keepdims and not is_jax(x):
        return _total(x)
    return namespace(x).sum(x, axis=axis, keepdims=keepdims)


def mean(x: Array, axis: int | None = None, keepdims: bool = False) -> Array:
    """Return the mean over one axis or all; the mean of nothing is 0.

    >>> mean(np.zeros((0, 2)), axis=0)
    array([0., 0.])
    """
    n = x.size if axis is None else x.shape[axis]
    return sum(x, axis, keepdims) * (1.0 / max(int(n), 1))


def var(x: Array, axis: int | None = None, keepdims: bool = False) -> Array:
    """Return the mean squared deviation from the mean over one axis or all."""
    centred = x - mean(x, axis, keepdims=True)
    return mean(centred * centred, axis, keepdims)


def std(x: Array, axis: int | None = None, keepdims: bool = False) -> Array:
    """Return the standard deviation over one axis or all; its derivative is 0 where the deviation is 0.

    >>> float(std(np.array([1.0, 3.0])))
    1.0
    """
    return sqrt(var(x, axis, keepdims))


def norm(x: Array, axis: int | None = -1, keepdims: bool = False) -> Array:
    """Return the Euclidean length over one axis or all, with derivative 0 at the zero vector.

    >>> norm(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([5., 0.])
    """
    return sqrt(sum(x * x, axis, keepdims))


def _share_of_largest(x: np.ndarray, axis: int | None) -> np.ndarray:
    """Return 1 at a single largest entry, 1 / k where k entries tie, else 0."""
    ties = x == x.max(axis=axis, keepdims=True)
    return (ties / ties.sum(axis=axis, keepdims=True)).astype(x.dtype)


def _max_pull(g: Array, argnums: Sequence[int], ans: Array, args: tuple) -> list[Array]:
    x, axis = args
    return [g * _share_of_largest(value_of(x), axis)]


def _max_push(argnums: Sequence[int], tangents: Sequence[Array], ans: Array, args: tuple) -> Array:
    x, axis = args
    return sum(tangents[0] * _share_of_largest(value_of(x), axis), axis, keepdims=True)


@differentiable(_max_pull, _max_push)
def _max(x: np.ndarray, axis: int | None) -> np.ndarray:
    return x.max(axis=axis, keepdims=True)


def max_(x: Array, axis: int | None = None, keepdims: bool = False) -> Array:
    """Return the largest entry over one axis or all; entries that tie share the gradient equally.

    >>> max_(np.array([[1.0, 3.0], [2.0, 0.0]]), axis=1)
    array([3., 2.])
    """
    if is_jax(x):
        return namespace(x).max(x, axis=axis, keepdims=keepdims)
    largest = _max(x, axis)
    return largest if keepdims else largest.squeeze(axis)


def concatenate(arrays: Sequence[Array], axis: int = 0) -> Array:
    """Join arrays along an axis.

    >>> concatenate([np.ones((2, 1)), np.zeros((2, 2))], axis=1).shape
    (2, 3)
    """
    return namespace(*arrays).concatenate(arrays, axis=axis)


def transpose(x: Array) -> Array:
    """Return the transpose, the axes in reverse order.

    >>> transpose(np.ones((2, 3))).shape
    (3, 2)
    """
    return x.T


def stop_gradient(x: Array) -> Array:
    """Return the same numbers as a constant: no gradient flows through.

    >>> stop_gradient(np.ones(2))
    array([1., 1.])
    """
    if is_jax(x):
        import jax

        return jax.lax.stop_gradient(x)
    return value_of(x)
