"""How a loss curves: its Hessian, the largest and smallest eigenvalues, the density of all of them, its sharpness.

Everything is computed from products of the Hessian with vectors, over all parameters that are floating and no running
statistics, in float64 whatever the parameters' dtype. At a kink, such as that of relu, the Hessian is that of the
smooth pieces: it does not see the jump in slope.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnn.flat import Flat
from graphnn.insight.relief import draw_spectrum
from graphnn.types import Array, Params

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Loss = Callable[[Params], Any]

MOST = 3000  # parameters of a dense Hessian: 72 MB of it
SMALL = 100  # parameters up to which Lanczos is slower


def hessian(loss: Loss, params: Params) -> Array:
    """Return the dense Hessian of loss(params), (n, n), rows and columns in the order of `gn.flatten(params)`.

    One Hessian-vector product a column, so for small networks: raises ValueError for more than 3000 parameters.

    >>> hessian(lambda p: p["a"] ** 2 * p["b"], {"a": np.array(1.0), "b": np.array(3.0)})
    array([[6., 2.],
           [2., 0.]])
    """
    flat = Flat("hessian", params)
    if flat.size > MOST:
        raise ValueError(
            f"hessian: {flat.size} parameters would make a matrix of {8e-9 * flat.size**2:.3g} GB, {MOST} are the "
            "most; ask for hessian_eigenvalues or spectral_density, which need no matrix"
        )
    return _dense(flat, _product(flat, loss))


def _product(flat: Flat, loss: Loss) -> Callable[[Array], Array]:
    """Return the Hessian at the parameters as a function of vectors, after a look at whether it is finite."""
    value, gradient = flat.value_and_gradient(loss, flat.vector)
    if not (np.isfinite(value) and np.isfinite(gradient).all()):
        name = (
            "the loss"
            if not np.isfinite(value)
            else f"the gradient of {flat.name_at(int(np.argmin(np.isfinite(gradient))))!r}"
        )
        raise ValueError(f"{flat.who}: {name} is not finite at these parameters, so nothing can be said of its slopes")
    return flat.hessian_at(loss, flat.vector)


def _dense(flat: Flat, product: Callable[[Array], Array]) -> Array:
    matrix = np.stack([product(row) for row in np.eye(flat.size)])
    return (matrix + matrix.T) / 2


def hessian_eigenvalues(
    loss: Loss, params: Params, k: int = 3, which: str = "largest", *, tolerance: float = 0.0, seed: int = 0
) -> tuple[Array, list[Params]]:
    """Return eigenvalues (k,) of the Hessian, the largest first, and their eigenvectors, of norm 1, as flat dicts.

    which: "largest", "smallest" (most negative) or "both", half of them from either end, the odd one from the upper
    tolerance: relative, of the eigenvalues; 0 is to rounding.  seed: of the vector that Lanczos starts from

    By scipy.sparse.linalg.eigsh on Hessian-vector products; from the dense Hessian for up to 100 parameters, or where k
    is more than half their number. An eigenvector has the names of all parameters, zero for running statistics, so that
    it is a direction for `gn.hvp` and `gn.loss_landscape`; its sign is free. SciPy raises ArpackNoConvergence where
    its iterations do not suffice: ask for fewer eigenvalues or a larger tolerance.

    Raises ValueError for another `which`, a k that is not between 1 and the number of parameters, or a loss that is not
    finite.

    >>> values, vectors = hessian_eigenvalues(lambda p: (p["a"] ** 2).sum() + 3 * p["b"] ** 2,
    ...                                       {"a": np.ones(4), "b": np.array(1.0)}, k=1)
    >>> values.round(6).tolist(), round(abs(float(vectors[0]["b"])), 6)
    ([6.0], 1.0)
    """
    if which not in ENDS:
        raise ValueError(f"hessian_eigenvalues: which is {which!r}, it must be one of {', '.join(map(repr, ENDS))}")
    flat = Flat("hessian_eigenvalues", params)
    if int(k) != k or not 1 <= k <= flat.size:
        raise ValueError(
            f"hessian_eigenvalues: k is {k}, it must be a whole number from 1 to {flat.size}, of parameters"
        )
    values, vectors = _eigenpairs(flat, _product(flat, loss), int(k), which, tolerance, seed)
    order = np.argsort(-values)
    return values[order], [flat.direction(vectors[:, i]) for i in order]


ENDS = {"largest": "LA", "smallest": "SA", "both": "BE"}


def _eigenpairs(
    flat: Flat, product: Callable[[Array], Array], k: int, which: str, tolerance: float, seed: int
) -> tuple[Array, Array]:
    if flat.size <= SMALL or 2 * k > flat.size:
        values, vectors = np.linalg.eigh(_dense(flat, product))
        low = {"largest": 0, "smallest": k, "both": k // 2}[which]  # how many to take from the lower end
        keep = np.r_[0:low, flat.size - (k - low) : flat.size]
        return values[keep], vectors[:, keep]
    from scipy.sparse.linalg import LinearOperator, eigsh

    operator = LinearOperator((flat.size, flat.size), matvec=product, dtype=float)
    start = np.random.default_rng(seed).normal(size=flat.size)
    if not product(start).any():  # a linear loss, from which Lanczos cannot begin
        return np.zeros(k), np.eye(flat.size)[:, :k]
    end = ENDS["largest" if which == "both" and k == 1 else which]  # ARPACK wants two for both ends
    basis = min(flat.size, max(60, 4 * k))  # more than SciPy's 20: the lower ends of these spectra are crowded
    return eigsh(operator, k=k, which=end, v0=start, tol=tolerance, ncv=basis)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The eigenvalues of a Hessian as a density: places with weights, one row for each random vector asked.

    values, weights, errors: (probes, steps);  the weights of a row sum to 1;  n: the number of parameters
    errors: how far from its place an eigenvalue lies at most. It is zero where Lanczos has found one, at the ends as a
        rule; in the crowd around zero a place stands for many, which are taken to lie anywhere within the error

    >>> spectral_density(lambda p: (p["a"] ** 2).sum(), {"a": np.ones(5)})
    Spectrum(5 eigenvalues from 2 to 2, trace 10 ± 0, about 0 % negative)
    """

    values: Array
    weights: Array
    errors: Array
    n: int

    @property
    def lowest(self) -> float:
        """The lowest place: an upper bound of the smallest eigenvalue, close to it as a rule."""
        return float(self.values[self.weights > 0].min())

    @property
    def highest(self) -> float:
        """The highest place: a lower bound of the largest eigenvalue, close to it as a rule."""
        return float(self.values[self.weights > 0].max())

    @property
    def trace(self) -> tuple[float, float]:
        """The sum of all eigenvalues and its standard error: a mean over the random vectors."""
        sums = self.n * (self.weights * self.values).sum(axis=1)
        return float(sums.mean()), float(sums.std(ddof=1) / np.sqrt(len(sums))) if len(sums) > 1 else float("nan")

    def below(self, bound: float | Array) -> Any:
        """Return the share of the eigenvalues below a bound, or each of several, estimated.

        >>> spectrum = Spectrum(np.array([[-1.0, 0.0, 2.0]]), np.array([[0.25, 0.5, 0.25]]), np.array([[0, 0.5, 0]]), 4)
        >>> spectrum.below(np.array([-2.0, 0.0, 3.0])).tolist()
        [0.0, 0.5, 1.0]
        """
        gaps = np.asarray(bound, float)[..., None, None] - self.values
        with np.errstate(over="ignore"):  # where the error is zero this is a step
            within = np.clip(0.5 + gaps / np.maximum(2 * self.errors, np.finfo(float).tiny), 0.0, 1.0)
        share = (within * self.weights).sum(axis=-1).mean(axis=-1)
        return share if share.ndim else float(share)

    def plot(self, *, ax: Axes | None = None, title: str | None = None) -> Axes:
        """Draw how many eigenvalues lie where, both axes logarithmic, across to either side of zero.

        Closer to zero than Lanczos tells apart the axis is linear.  ax: where to draw, a new pyplot figure if None

        >>> from matplotlib.figure import Figure
        >>> spectrum = spectral_density(lambda p: (p["a"] ** 2).sum(), {"a": np.ones(5)})
        >>> spectrum.plot(ax=Figure().subplots()).get_xlabel()
        'eigenvalue of the Hessian'
        """
        return draw_spectrum(self, ax=ax, title=title)

    def __repr__(self) -> str:
        total, error = self.trace
        return (
            f"Spectrum({self.n} eigenvalues from {self.lowest:.4g} to {self.highest:.4g}, "
            f"trace {total:.4g} ± {error:.1g}, about {100 * self.below(0.0):.0f} % negative)"
        )


def spectral_density(loss: Loss, params: Params, *, probes: int = 8, steps: int = 80, seed: int = 0) -> Spectrum:
    """Estimate how the eigenvalues of the Hessian are spread, by stochastic Lanczos quadrature.

    probes: random vectors;  steps: of Lanczos with each, that many Hessian-vector products

    Golub & Welsch 1969; Ghorbani, Krishnan & Xiao, ICML 2019 (arXiv:1901.10159), algorithm 2. Each probe gives places
    and weights that integrate polynomials up to degree 2 steps - 1 exactly against the eigenvalues as that vector sees
    them. Differs from the paper: every new vector is made orthogonal to all before, twice; a probe ends early
    when there are no more directions; and a place is as wide as its error bound, the residual of its Ritz vector, in
    place of one width for all.

    >>> spectral_density(lambda p: (p["a"] ** 2).sum() - 2 * p["b"] ** 2, {"a": np.ones(3), "b": np.array(1.0)})
    Spectrum(4 eigenvalues from -4 to 2, trace 2 ± 0, about 25 % negative)
    """
    if probes < 1 or steps < 1:
        raise ValueError(f"spectral_density: probes and steps must be 1 or more, got {probes} and {steps}")
    flat = Flat("spectral_density", params)
    product = _product(flat, loss)
    rng, steps = np.random.default_rng(seed), min(steps, flat.size)
    rows = np.zeros((3, probes, steps))
    for i in range(probes):
        start = rng.choice([-1.0, 1.0], flat.size)  # with which the trace of a diagonal matrix is exact
        found = np.stack(_quadrature(product, start / np.linalg.norm(start), steps))
        rows[:, i, : found.shape[1]] = found
        rows[0, i, found.shape[1] :] = found[0, 0]  # of weight 0
    return Spectrum(rows[0], rows[1], rows[2], flat.size)


def _quadrature(product: Callable[[Array], Array], start: Array, steps: int) -> tuple[Array, Array, Array]:
    """Return the places, weights and errors that Lanczos gives for a matrix, seen from a vector of norm 1."""
    from scipy.linalg import eigh_tridiagonal

    basis = [start]
    diagonal: list[float] = []
    beside: list[float] = []
    for _ in range(steps):
        w = product(basis[-1])
        diagonal.append(float(w @ basis[-1]))
        known = np.stack(basis)
        for _ in range(2):
            w = w - known.T @ (known @ w)
        beside.append(float(np.linalg.norm(w)))
        if beside[-1] <= 1e-10 * max(map(abs, [*diagonal, *beside])):  # all directions this vector leads to are known
            break
        basis.append(w / beside[-1])
    places, vectors = eigh_tridiagonal(np.array(diagonal), np.array(beside[:-1]))
    return places, vectors[0] ** 2, beside[-1] * np.abs(vectors[-1])


def sharpness(loss: Loss, params: Params, epsilon: float = 1e-3, *, starts: int = 3, seed: int = 0) -> float:
    """Return by how much the loss can rise close by, in percent: 100 (max loss(p + d) - loss(p)) / (1 + loss(p)).

    The maximum is over |d| <= epsilon (|p| + 1), entry by entry. Keskar et al., ICLR 2017 (arXiv:1609.04836), eqs. 3, 4
    with A the identity. Searched by L-BFGS-B, ten iterations as in the paper, from halfway to the corner of that box
    that the gradient points at and to random corners; so what is found is a lower bound. For losses of at least 0. It
    depends on how the parameters are scaled (Dinh et al. 2017, arXiv:1703.04933): compare trainings of one network, not
    two networks.
    The other measure of sharpness is the largest eigenvalue, `hessian_eigenvalues(loss, params, 1)`.

    >>> round(sharpness(lambda p: (p["a"] ** 2).sum(), {"a": np.zeros(2)}, epsilon=0.1), 6)  # 100 * 2 * 0.1 ** 2
    2.0
    """
    from scipy.optimize import minimize

    if not 0 < epsilon < np.inf or starts < 1:
        raise ValueError(f"sharpness: epsilon must be positive and starts 1 or more, got {epsilon} and {starts}")
    flat = Flat("sharpness", params)
    value, gradient = flat.value_and_gradient(loss, flat.vector)
    if not np.isfinite(value) or value <= -1:
        raise ValueError(
            f"sharpness: the loss is {value} at these parameters; it is measured relative to a loss from 0"
        )

    def lowered(vector: Array) -> tuple[float, Array]:
        found, slope = flat.value_and_gradient(loss, vector)
        if not (np.isfinite(found) and np.isfinite(slope).all()):
            raise ValueError(
                f"sharpness: the loss or its gradient is not finite within epsilon={epsilon}; take a smaller one"
            )
        return -found, -slope

    reach = epsilon * (np.abs(flat.vector) + 1)
    bounds = np.column_stack([flat.vector - reach, flat.vector + reach])
    rng, highest = np.random.default_rng(seed), value
    for i in range(starts):
        corner = np.sign(gradient) if i == 0 else rng.choice([-1.0, 1.0], flat.size)
        found = minimize(
            lowered,
            flat.vector + 0.5 * reach * corner,
            jac=True,
            bounds=bounds,
            method="L-BFGS-B",
            options={"maxiter": 10},
        )
        highest = max(highest, -float(found.fun))
    return 100 * (highest - value) / (1 + value)
