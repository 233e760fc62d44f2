"""Gradients of functions of a flat dictionary: value_and_grad, grad, jvp, hvp, multi_grad; flatten and unflatten.

`autograd.grad` works on the same dictionaries and gives the same numbers. It boxes the dictionary as one value, so
every lookup costs time in proportion to the number of keys. Here each leaf is boxed by itself: the function sees a
plain dict, and the cost is linear.

Threads. autograd numbers its traces with one counter for the whole process; two threads that nest gradients can get
the same number and then silently wrong results. Our traces take a number that was never used before, under a lock,
above ours and autograd's counter, and leave autograd's counter above it. So every gradient taken through this module
is right in any number of threads, and after exceptions, and no name of autograd is touched. Plain `autograd.grad`
nested in several threads stays wrong, as it is without us.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from autograd.core import JVPNode, VJPNode, add_outgrads, vspace
from autograd.tracer import getval, isbox, new_box, toposort, trace_stack

from graphnn.types import Array, Params, is_statistic

_lock = threading.Lock()
_last_trace = [0]
_HEADROOM = 1_000_000  # how far autograd's own counter may drift below us before numbers could meet


def _new_trace() -> int:
    """Return a trace number above every one in use, and lift autograd's counter above it."""
    with _lock:
        number = max(_last_trace[0], trace_stack.top) + 1
        _last_trace[0] = number
        trace_stack.top = number + _HEADROOM
    return number


class _Tree:
    """The three forms of a first argument: a flat dict, a list of arrays, one array."""

    def __init__(self, params: Any):
        form = getval(params)  # inside `autograd.grad` a dict or a list is boxed as one value
        self.kind = dict if isinstance(form, dict) else list if isinstance(form, (list, tuple)) else None
        self.names: list[Any] = [None]
        if self.kind is None:
            self.leaves = [_leaf(None, params)]
        else:
            self.names = list(form) if self.kind is dict else list(range(len(form)))
            self.leaves = [_leaf(name, params[name]) for name in self.names]

    def build(self, leaves: Sequence[Any]) -> Any:
        if self.kind is dict:
            return dict(zip(self.names, leaves, strict=True))
        return list(leaves) if self.kind is list else leaves[0]


def _leaf(name: Any, leaf: Any) -> Any:
    """Return a leaf that can be differentiated, or say which one cannot."""
    if isbox(leaf):
        return leaf
    if isinstance(leaf, float):
        return leaf
    array = np.asarray(leaf)
    if array.dtype.kind != "f":
        raise TypeError(
            f"{_place(name)} has dtype {array.dtype}; only floating numbers have gradients, convert it to float"
        )
    return array


def _place(name: Any) -> str:
    return "the argument" if name is None else f"parameter {name!r}"


def _untrace(value: Any, trace: int) -> Any:
    """Return `value` without the boxes of one trace, looking into dicts, lists and tuples."""
    if isbox(value):
        return value._value if value._trace == trace else value
    if isinstance(value, dict):
        return {k: _untrace(v, trace) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        parts = [_untrace(v, trace) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


class Tape:
    """One forward pass of a function and everything needed to go back through it, as often as one likes.

    `tape.output` is what the function returned, free of boxes; `tape.gradient(pick)` the gradient of one scalar of it.
    """

    def __init__(self, function: Callable, params: Any, args: Sequence[Any] = ()):
        self._tree = _Tree(params)
        self._trace = _new_trace()
        self._roots = [VJPNode.new_root() for _ in self._tree.leaves]
        boxes = [new_box(leaf, self._trace, root) for leaf, root in zip(self._tree.leaves, self._roots, strict=True)]
        self._boxed = function(self._tree.build(boxes), *args)
        self.output = _untrace(self._boxed, self._trace)

    def gradient(self, pick: Callable[[Any], Any] | None = None, name: str = "the function", last: bool = False) -> Any:
        """Return the gradient of pick(output), one array for each leaf, zeros where it has no influence.

        last: it is the last time; on the way back every step lets go of what it kept, and half of the memory comes free
        """
        end = self._boxed if pick is None else pick(self._boxed)
        _refuse_unless_scalar(getval(end), name)
        zero = [None] * len(self._roots)
        found = self._backward(end, last) if isbox(end) and end._trace == self._trace else zero
        grads = [_like(leaf, g) for leaf, g in zip(self._tree.leaves, found, strict=True)]
        return self._tree.build(_separate(grads))

    def _backward(self, end: Any, last: bool) -> list[Any]:
        position = {root: i for i, root in enumerate(self._roots)}
        found: list[Any] = [None] * len(self._roots)
        pending: dict[Any, Any] = {end._node: (vspace(end._value).ones(), False)}
        for node in toposort(end._node):
            g, _ = pending.pop(node)
            if node in position:
                found[position[node]] = g
                continue
            for parent, part in zip(node.parents, node.vjp(g), strict=True):
                pending[parent] = _sum(pending.get(parent), part)
            if last:
                node.vjp = None
        return found


def _sum(before: tuple[Any, bool] | None, part: Any) -> tuple[Any, bool]:
    """Return the sum of gradients so far and one more, and whether it is ours to write into; plain arrays at once."""
    if type(part) is np.ndarray:
        if before is None:
            return part, False
        if not before[1] and type(before[0]) is np.ndarray:
            return before[0] + part, True
    return add_outgrads(before, part)


def _refuse_unless_scalar(value: Any, name: str) -> None:
    if isinstance(value, (np.ndarray, np.generic, float, int)):
        if np.shape(value) == ():
            return
        came = f"shape {np.shape(value)}; take its mean or sum"
    else:
        came = f"{type(value).__name__}; return a number"
    raise TypeError(
        f"{name} must return a scalar to be differentiated, got {came}, "
        "or pass has_aux=True if it returns (scalar, more)"
    )


def _separate(grads: list[Any]) -> list[Any]:
    """Return the gradients with no memory in two places, so that changing one in place leaves the others alone."""
    seen: set[int] = set()
    for i, g in enumerate(grads):
        owner = g if getattr(g, "base", None) is None else g.base  # NumPy's views refer to what they are a view of
        if id(owner) in seen and not isbox(g):
            grads[i] = np.array(g)
        seen.add(id(owner))
    return grads


def _like(leaf: Any, g: Any) -> Any:
    """Return a gradient with its leaf's dtype, zeros where there is none."""
    if g is None:
        return np.zeros(np.shape(leaf), leaf.dtype if hasattr(leaf, "dtype") else float)
    wanted = getattr(leaf, "dtype", None)
    return g if wanted is None or g.dtype == wanted else g.astype(wanted)


def value_and_grad(function: Callable, has_aux: bool = False) -> Callable[..., tuple[Any, Any]]:
    """Return a function of the same arguments that gives (value, gradient with respect to the first argument).

    The first argument is a flat dict of arrays, a list of arrays, or one array; the gradient has the same form, each
    array its leaf's shape and dtype. The function must return a scalar, or with has_aux=True a pair (scalar, more):
    then the value is that pair, its arrays, dicts, lists and tuples free of boxes.

    Raises TypeError for a leaf that is not floating, or a result that is not a scalar.

    >>> params = {"weight": np.array([1.0, 2.0]), "unused": np.ones(3)}
    >>> value, grads = value_and_grad(lambda p: (p["weight"] ** 2).sum())(params)
    >>> float(value), grads["weight"].tolist(), grads["unused"].tolist()
    (5.0, [2.0, 4.0], [0.0, 0.0, 0.0])
    """

    def value_and_gradient(params: Any, *args: Any) -> tuple[Any, Any]:
        tape = Tape(function, params, args)
        name = getattr(function, "__name__", "the function")
        if has_aux and not (isinstance(tape.output, tuple) and len(tape.output) == 2):
            raise TypeError(f"{name} must return a pair (scalar, more) with has_aux=True")
        return tape.output, tape.gradient(_first if has_aux else None, name, last=True)

    return value_and_gradient


def _first(pair: Any) -> Any:
    return pair[0]


def grad(function: Callable, has_aux: bool = False) -> Callable[..., Any]:
    """Return a function of the same arguments that gives the gradient with respect to the first one.

    With has_aux=True it gives (gradient, more). See `value_and_grad`.

    >>> float(grad(lambda x: x ** 3)(2.0))
    12.0
    """
    both = value_and_grad(function, has_aux)

    def gradient(params: Any, *args: Any) -> Any:
        value, grads = both(params, *args)
        return (grads, value[1]) if has_aux else grads

    return gradient


def multi_grad(functions: Callable, has_aux: bool = False) -> Callable[..., Any]:
    """Return a function that gives the gradients of several losses from one forward pass.

    `functions(params, ...)` returns {name: scalar}, with has_aux=True ({name: scalar}, more). The result is
    (values, gradients): {name: value} and {name: gradient}; with has_aux=True ((values, more), gradients).

    >>> losses = lambda w: {"square": w ** 2, "cube": w ** 3}
    >>> values, grads = multi_grad(losses)(2.0)
    >>> float(values["cube"]), float(grads["square"]), float(grads["cube"])
    (8.0, 4.0, 12.0)
    """

    def gradients(params: Any, *args: Any) -> tuple[Any, dict[str, Any]]:
        tape = Tape(functions, params, args)
        losses = tape.output[0] if has_aux else tape.output
        if not isinstance(losses, dict):
            raise TypeError(f"multi_grad: the function must return a dict of scalars, got {type(losses).__name__}")
        grads = {}
        for name in losses:

            def pick(boxed: Any, name: str = name) -> Any:
                return boxed[0][name] if has_aux else boxed[name]

            grads[name] = tape.gradient(pick, f"loss {name!r}")
        return tape.output, grads

    return gradients


def jvp(function: Callable, params: Any, tangents: Any) -> tuple[Any, Any]:
    """Return (value, derivative of the function at `params` in the direction `tangents`), by one forward pass.

    `tangents` has the form of `params`. The function may return an array, or a dict, list or tuple of arrays; the
    derivative has the same form.

    >>> value, slope = jvp(lambda p: p["a"] * p["b"], {"a": 2.0, "b": 3.0}, {"a": 1.0, "b": 0.0})
    >>> float(value), float(slope)
    (6.0, 3.0)
    """
    tree = _Tree(params)
    given = _directions("jvp", tree, tangents)
    trace = _new_trace()
    boxes = [
        new_box(leaf, trace, JVPNode.new_root(given[name])) for name, leaf in zip(tree.names, tree.leaves, strict=True)
    ]
    end = function(tree.build(boxes))
    return _untrace(end, trace), _tangent(end, trace)


def _tangent(value: Any, trace: int) -> Any:
    """Return the forward derivative of what a function returned, in its form."""
    if isinstance(value, dict):
        return {name: _tangent(part, trace) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        parts = [_tangent(part, trace) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isbox(value) and value._trace == trace:
        return value._node.g
    return np.zeros(np.shape(value), getattr(getval(value), "dtype", float))


def _directions(who: str, tree: _Tree, vector: Any) -> dict[Any, Any]:
    """Return the leaves of a direction by name, which must have the form and the shapes of the parameters."""
    along = _Tree(vector)
    if tree.kind is not along.kind or set(tree.names) != set(along.names):
        raise ValueError(f"{who}: the direction must have the form of the parameters, {tree.names}, got {along.names}")
    given = dict(zip(along.names, along.leaves, strict=True))
    for name, leaf in zip(tree.names, tree.leaves, strict=True):
        if np.shape(leaf) != np.shape(given[name]):
            raise ValueError(
                f"{who}: the direction has shape {np.shape(given[name])} along {_place(name)}, "
                f"which has shape {np.shape(leaf)}"
            )
    return given


def hvp(function: Callable, params: Any, vector: Any) -> Any:
    """Return the Hessian of a scalar function times `vector`, in the form of `params`.

    The gradient of <gradient, vector>, which needs reverse derivatives only.

    >>> float(hvp(lambda x: x ** 3, 2.0, 1.0))
    12.0
    """
    return hessian_at(function, params)(vector)


def hessian_at(function: Callable, params: Any) -> Callable[[Any], Any]:
    """Return the function vector -> Hessian times vector, of a scalar function at one point, in the form of `params`.

    The gradient is taken once and kept; each product goes back through it, the dearer half of an `hvp` but no more.

    >>> product = hessian_at(lambda p: (p["a"] ** 3).sum(), {"a": np.array([1.0, 2.0])})
    >>> product({"a": np.array([1.0, 0.0])})["a"].tolist(), product({"a": np.array([0.0, 1.0])})["a"].tolist()
    ([6.0, 0.0], [0.0, 12.0])
    """
    tree, tape = _Tree(params), Tape(grad(function), params)

    def product(vector: Any) -> Any:
        given = _directions("hvp", tree, vector)

        def along(gradient: Any) -> Any:
            grads = _Tree(gradient)
            return sum((g * given[name]).sum() for name, g in zip(grads.names, grads.leaves, strict=True))

        return tape.gradient(along)

    return product


def flatten(params: Params) -> tuple[np.ndarray, Callable[[Array], Params]]:
    """Return all parameters as one vector, and the function that turns such a vector back into the dict.

    Running statistics stay out of the vector and come back unchanged. The way back can be differentiated.

    >>> vector, unflatten = flatten({"weight": np.ones((2, 2)), "running_mean": np.zeros(2)})
    >>> vector.shape, sorted(unflatten(2 * vector))
    ((4,), ['running_mean', 'weight'])
    """
    names = [name for name in params if not is_statistic(name)]
    arrays = [np.asarray(params[name]) for name in names]
    vector = np.concatenate([a.ravel() for a in arrays]) if arrays else np.zeros(0)

    def unflatten(flat: Array) -> Params:
        if flat.shape != vector.shape:
            raise ValueError(f"unflatten: expected a vector of {vector.size} numbers, got shape {flat.shape}")
        out, start = dict(params), 0
        for name, array in zip(names, arrays, strict=True):
            out[name] = flat[start : start + array.size].reshape(array.shape)
            start += array.size
        return out

    return vector, unflatten
