"""SciPy's minimisers on a flat dict: one vector, our gradients, our Hessian-vector products.

    params, result = minimize(loss, params)                         # L-BFGS-B
    params, result = minimize(loss, params, method="trust-ncg")     # Newton steps by Hessian-vector products
    params, result = least_squares(residuals, params)               # Gauss-Newton steps by Jacobian-vector products

For small and middle-sized models trained on all data at once: the loss must be the same function at every call, so
no mini-batches, and dropout only with a fixed rng. Second-order steps want a smooth loss: at a kink of relu the
Hessian knows nothing of the jump in slope, so that trust-ncg may end short of a small gradient; silu, tanh and
softplus have none, and a little weight decay makes the minimum a point.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphnn.checks import INTERRUPTED, TrainingDiverged
from graphnn.flat import Flat
from graphnn.types import Array, Params

BY_GRADIENT = ("L-BFGS-B", "BFGS", "CG")
BY_HESSIAN = ("trust-ncg", "trust-krylov", "Newton-CG")
STOPPED = "stopped by the callback"

Callback = Callable[[Params, float], Any]


def minimize(
    loss: Callable[[Params], Any],
    params: Params,
    *,
    method: str = "L-BFGS-B",
    tolerance: float | None = None,
    max_iterations: int | None = None,
    fixed: str | Sequence[str] = (),
    callback: Callback | None = None,
    options: Mapping[str, Any] | None = None,
) -> tuple[Params, Any]:
    """Minimise loss(params) by scipy.optimize.minimize. Return (parameters, SciPy's result).

    method: "L-BFGS-B" (limited memory), "BFGS", "CG" by gradients; "trust-ncg", "trust-krylov", "Newton-CG" by
        Hessian-vector products as well
    tolerance: end once the Euclidean norm of the gradient is no larger, and call only that a success;  None leaves it
        to SciPy's own rules
    max_iterations: None is SciPy's own number
    fixed: a pattern of names that stay where they are, or several: ``fixed="encoder.*"``
    callback: callback(params, value) after each iteration; ends the search by returning True
    options: those of SciPy for this method, such as {"maxcor": 20}

    SciPy works in float64, and so does the loss here; what is returned has the dtypes that came in. Running
    statistics and what is not floating pass through. Ctrl-C ends the search with the lowest loss found so far;
    result.message says why it ended.

    Raises ValueError for an unknown method, a pattern that matches nothing, a tolerance that is not positive, and a
    start whose loss or gradient is not finite; TrainingDiverged, with the best parameters so far, where one is met on
    the way.

    >>> params, result = minimize(lambda p: (p["a"] - 3) ** 2, {"a": np.array(0.0)})
    >>> float(params["a"]), result.success
    (3.0, True)
    """
    from scipy import optimize

    if method not in BY_GRADIENT + BY_HESSIAN:
        raise ValueError(f"minimize: there is no method {method!r}; choose from {', '.join(BY_GRADIENT + BY_HESSIAN)}")
    search = _Search("minimize", loss, Flat("minimize", params, fixed), tolerance, callback)
    settings = {} if max_iterations is None else {"maxiter": max_iterations}
    if tolerance is not None:
        settings |= _unreachable(method)
    if search.has_arrived(search.flat.vector):
        result = optimize.OptimizeResult(x=search.best, fun=search.lowest, jac=search.slope, nit=0, nfev=1, status=0)
        result.message, result.success = search.ended, True
        return search.flat.params(result.x), result
    try:
        result = optimize.minimize(
            search.value_and_gradient,
            search.flat.vector,
            jac=True,
            hessp=search.hessian_times if method in BY_HESSIAN else None,
            method=method,
            callback=search.after_iteration,
            options={**settings, **(options or {})},
        )
    except KeyboardInterrupt:
        search.ended = INTERRUPTED
        result = optimize.OptimizeResult(x=search.best, fun=search.lowest, nit=search.iterations, status=99)
    if search.ended:
        result.message = search.ended
    if search.ended or tolerance is not None:
        result.success = search.ended not in (INTERRUPTED, STOPPED, "")
    return search.flat.params(result.x), result


def _unreachable(method: str) -> dict[str, Any]:
    """Return settings by which SciPy's own rules end nothing: the norms they look at differ from method to method."""
    if method == "L-BFGS-B":
        return {"gtol": 0.0, "ftol": 0.0}
    return {"xtol": 0.0} if method == "Newton-CG" else {"gtol": 0.0}


class _Search:
    """A loss while it is being minimised: what was evaluated last, the best so far, why it ended."""

    def __init__(self, who: str, loss: Callable, flat: Flat, tolerance: float | None, callback: Callback | None):
        _check_tolerance(who, tolerance)
        self.who, self.loss, self.flat, self.tolerance, self.callback = who, loss, flat, tolerance, callback
        self.best, self.lowest, self.slope, self.iterations = flat.vector, math.inf, np.zeros(flat.size), 0
        self.ended = ""
        self._seen: list[tuple[Array, float, Array]] = []  # the point an iteration ends at is one of the last few
        self._curved: tuple[Array, Callable[[Array], Array]] | None = None

    def value_and_gradient(self, vector: Array) -> tuple[float, Array]:
        """Return loss and gradient, computed once for each point."""
        for point, value, gradient in self._seen:
            if np.array_equal(point, vector):
                return value, gradient
        value, gradient = self.flat.value_and_gradient(self.loss, vector)
        _refuse_not_finite(self, value, gradient, at_start=self.lowest == math.inf)
        self._seen = [*self._seen[-3:], (vector.copy(), value, gradient)]
        if value < self.lowest:
            self.best, self.lowest, self.slope = vector.copy(), value, gradient
        return value, gradient

    def hessian_times(self, vector: Array, v: Array) -> Array:
        """Return the Hessian times v; the gradient it goes back through is kept for one point."""
        if self._curved is None or not np.array_equal(self._curved[0], vector):
            self._curved = vector.copy(), self.flat.hessian_at(self.loss, vector)
        return self._curved[1](v)

    def after_iteration(self, xk: Array) -> None:  # the name by which SciPy knows what to pass
        self.iterations += 1
        value, _ = self.value_and_gradient(xk)
        if _wants_to_stop(self.callback, self.flat.params(xk), value):
            self.ended = STOPPED
        if self.ended or self.has_arrived(xk):
            raise StopIteration

    def has_arrived(self, vector: Array) -> bool:
        """Say whether the gradient is small enough, and note it as the end."""
        if self.tolerance is None:
            return False
        self.ended = _arrival(self.value_and_gradient(vector)[1], self.tolerance)
        return bool(self.ended)


def _arrival(gradient: Array, tolerance: float) -> str:
    size = float(np.linalg.norm(gradient))
    return f"the gradient's norm {size:.2g} has reached the tolerance {tolerance:.2g}" if size <= tolerance else ""


def _wants_to_stop(callback: Callback | None, params: Params, value: float) -> bool:
    answer = None if callback is None else callback(params, value)
    return isinstance(answer, (bool, np.bool_)) and bool(answer)


def _check_tolerance(who: str, tolerance: float | None) -> None:
    if tolerance is not None and not 0 < tolerance < math.inf:
        raise ValueError(f"{who}: tolerance must be a positive number, got {tolerance}")


def _refuse_not_finite(search: _Search | _Squares, value: float, gradient: Array, at_start: bool) -> None:
    if math.isfinite(value) and np.isfinite(gradient).all():
        return
    name = "the loss"
    if math.isfinite(value):
        name = f"the gradient of {search.flat.name_at(int(np.argmin(np.isfinite(gradient))))!r}"
    number = value if name == "the loss" else float(gradient[~np.isfinite(gradient)][0])
    if at_start:
        raise ValueError(f"{search.who}: {name} is {number} at the parameters given; start where it is finite")
    raise TrainingDiverged(
        f"{search.who}: {name} is {number} in iteration {search.iterations + 1}; the lowest loss before was "
        f"{search.lowest:.6g}, its parameters are in .params of this error; scale inputs and targets to about 1, "
        "add weight decay, or start closer",
        search.iterations,
        name,
        search.flat.params(search.best),
    )


MOST, FEW = 10**7, 1000
"""Numbers of a Jacobian that is formed, and passes to form it, one for each residual or each parameter."""


class _Ended(Exception):
    """Leaves SciPy's least_squares, which asks nobody whether to go on."""


def least_squares(
    residuals: Callable[[Params], Any],
    params: Params,
    *,
    tolerance: float | None = None,
    max_iterations: int | None = None,
    fixed: str | Sequence[str] = (),
    callback: Callback | None = None,
    options: Mapping[str, Any] | None = None,
) -> tuple[Params, Any]:
    """Minimise half the sum of squares of residuals(params), an array of any shape, by scipy.optimize.least_squares.

    The steps are Gauss-Newton steps in a trust region ("trf"). With up to 1000 residuals or parameters, and a Jacobian
    of up to 10^7 numbers, it is formed, row by row by reverse or column by column by forward derivatives, whichever are
    fewer, and the steps are exact; a larger one never is: LSMR solves them by J v and J'u. A penalty is one more
    residual: its square root.

    tolerance: end once the Euclidean norm of the gradient J'r is no larger;  None leaves it to SciPy's own rules
    max_iterations: steps that lowered the sum, at most
    fixed, callback: as in `minimize`; the value is half the sum of squares
    options: those of SciPy, such as {"x_scale": 0.1} or {"max_nfev": 100};  a robust "loss" is not among them: write it
        as a loss and give it to `minimize`

    Returns (parameters, SciPy's result). What is said of dtypes, statistics, Ctrl-C and errors in `minimize` holds.

    >>> x = np.array([0.0, 1.0, 2.0])
    >>> params, result = least_squares(lambda p: p["slope"] * x + p["start"] - (2 * x + 1),
    ...                                {"slope": np.array(0.0), "start": np.array(0.0)})
    >>> round(float(params["slope"]), 6), round(float(params["start"]), 6)
    (2.0, 1.0)
    """
    from scipy import optimize

    if options and options.get("loss", "linear") != "linear":
        raise ValueError(f"least_squares: no loss={options['loss']!r} among the options; minimise it with gn.minimize")
    flat = Flat("least_squares", params, fixed)
    squares = _Squares(residuals, flat, tolerance, max_iterations, callback)
    settings: dict[str, Any] = {"gtol": None, "ftol": None, "xtol": 1e-15} if tolerance is not None else {}
    # SciPy's damping of LSMR stalls at gradients of 1e-8; the trust region holds the step without it.
    if not squares.small:
        settings |= {"tr_solver": "lsmr", "tr_options": {"regularize": False}}
    try:
        result = optimize.least_squares(
            squares.at, flat.vector, jac=squares.jacobian, **{**settings, **(options or {})}
        )
        result.success = bool(result.success) and tolerance is None
    except (_Ended, KeyboardInterrupt) as end:
        squares.ended = squares.ended if isinstance(end, _Ended) else INTERRUPTED
        result = optimize.OptimizeResult(
            x=squares.best, cost=squares.lowest, fun=squares.at(squares.best), nfev=squares.evaluations, status=99,
            message=squares.ended, success=squares.reached,
        )  # fmt: skip
    return flat.params(result.x), result


class _Squares:
    """Residuals while the sum of their squares is being minimised."""

    def __init__(
        self, residuals: Callable, flat: Flat, tolerance: float | None, max_iterations: int | None,
        callback: Callback | None,
    ):  # fmt: skip
        _check_tolerance("least_squares", tolerance)
        self.who, self.residuals, self.flat, self.tolerance = "least_squares", residuals, flat, tolerance
        self.max_iterations, self.callback = max_iterations, callback
        self.best, self.lowest, self.iterations, self.evaluations = flat.vector, math.inf, -1, 0
        self.ended, self.reached = "", False
        rows = self.at(flat.vector).size
        self.evaluations = 0
        self.small = flat.size == 1 or (rows * flat.size <= MOST and min(rows, flat.size) <= FEW)

    def at(self, vector: Array) -> Array:
        """Return the residuals as one vector."""
        self.evaluations += 1
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            found = np.asarray(self.flat.of_moved(self.residuals)(self.flat.moved(vector)), float).ravel()
        if not np.isfinite(found).all():
            self._refuse(found)
        cost = 0.5 * float(found @ found)
        if cost < self.lowest:
            self.best, self.lowest = vector.copy(), cost
        return found

    def _refuse(self, found: Array) -> None:
        place = int(np.argmin(np.isfinite(found)))
        told = f"residual {place} of {found.size} is {found[place]}"
        if self.lowest == math.inf:
            raise ValueError(f"least_squares: {told} at the parameters given; start where all are finite")
        raise TrainingDiverged(
            f"least_squares: {told} after {max(self.iterations, 0)} iterations; the parameters with the lowest sum so "
            "far are in .params of this error",
            max(self.iterations, 0), f"residual {place}", self.flat.params(self.best),
        )  # fmt: skip

    def jacobian(self, vector: Array) -> Any:
        """Return the Jacobian, a large one as an operator. SciPy asks at the start and after each step it took."""
        from scipy.sparse.linalg import LinearOperator

        output, forward, backward = self.flat.jacobian_at(self.residuals, vector)
        self.iterations += 1
        gradient = backward(output)
        _refuse_not_finite(self, self.lowest, gradient, at_start=not self.iterations)
        if self.iterations and _wants_to_stop(self.callback, self.flat.params(vector), 0.5 * float(output @ output)):
            self.ended = STOPPED
        elif self.tolerance is not None:
            self.ended = _arrival(gradient, self.tolerance)
            self.reached = bool(self.ended)
        if not self.ended and self.max_iterations is not None and self.iterations >= self.max_iterations:
            self.ended = f"{self.max_iterations} iterations are done"
        if self.ended:
            raise _Ended
        if self.small and output.size < self.flat.size:
            return np.stack([backward(row) for row in np.eye(output.size)])
        if self.small:
            return np.stack([forward(column) for column in np.eye(self.flat.size)], axis=1)
        return LinearOperator((output.size, self.flat.size), matvec=forward, rmatvec=backward, dtype=float)
