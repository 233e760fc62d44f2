"""The loss seen along one direction or over a plane through the parameters; directions; the way a training took.

directions = random_directions(params)                         # filter-normalised, Li et al. 2018
surface = loss_landscape(loss, params, directions)
surface.plot(); surface.plot(relief=True)

trajectory = Trajectory()                                      # a callback of fit
plane = trajectory.plane()                                     # the two directions it moved most in
surface = loss_landscape(loss, plane.center, plane.directions, plane.spans())
surface.plot(path=plane.path)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnn.checks import nearest
from graphnn.flat import Flat
from graphnn.initializers import generator
from graphnn.insight.relief import draw_contours, draw_curve, draw_relief
from graphnn.insight.telling import telling
from graphnn.types import Array, Params, is_statistic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SPAN = np.linspace(-1.0, 1.0, 25)
SPAN.setflags(write=False)


@dataclass(frozen=True, eq=False)
class Landscape:
    """The loss at the points of a line or a grid. NumPy and matplotlib take it for its array `values`.

    values: (n,) along one direction;  (n2, n1) over a plane, a row for each step along the second direction and a
        column for each along the first, as contourf wants it
    spans: the steps along each direction, (n1,) and (n2,), in multiples of the direction

    >>> surface = loss_landscape(lambda p: (p["a"] ** 2).sum(), {"a": np.zeros(2)},
    ...                          ({"a": np.array([1.0, 0.0])}, {"a": np.array([0.0, 2.0])}), span=[-1, 0, 1])
    >>> surface
    Landscape(3 x 3 values from 0 at (0, 0) to 5 at (-1, -1))
    >>> np.asarray(surface).tolist()
    [[5.0, 4.0, 5.0], [1.0, 0.0, 1.0], [5.0, 4.0, 5.0]]
    """

    values: Array
    spans: tuple[Array, ...]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.values, dtype, copy=copy)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def not_finite(self) -> int:
        """At how many points the loss is no finite number."""
        return int((~np.isfinite(self.values)).sum())

    @property
    def lowest(self) -> tuple[float, ...]:
        """Where on the grid the loss is lowest: steps along the first and the second direction.

        >>> Landscape(np.array([[3.0, np.nan], [1.0, 2.0]]), (np.array([0.0, 0.5]), np.array([0.0, 4.0]))).lowest
        (0.0, 4.0)
        """
        return self._place(np.where(np.isfinite(self.values), self.values, np.inf).argmin())

    def _place(self, index: Any) -> tuple[float, ...]:
        along = np.unravel_index(index, self.values.shape)[::-1]
        return tuple(float(span[i]) for span, i in zip(self.spans, along, strict=True))

    def plot(
        self,
        *,
        ax: Axes | None = None,
        relief: bool = False,
        path: Array | None = None,
        axes: Sequence[str] = ("first direction", "second direction"),
        name: str = "loss",
        title: str | None = None,
    ) -> Axes:
        """Draw a curve or contours, or with relief=True a surface in space; logarithmic beyond a factor of 20.

        path: places (k, 2) that a training passed, such as `Plane.path`, its start and end marked
        axes: what the directions are called;  name: of the loss, with its units;  ax: where to draw (for a relief one
        of projection "3d"), a new pyplot figure if None

        The lowest point of the grid is marked; where the loss is not finite the picture is left empty and says so.
        Raises ValueError where path does not fit, or for a relief of a curve.

        >>> from matplotlib.figure import Figure
        >>> surface = Landscape(np.array([[3.0, 2.0], [1.0, 2.0]]), (np.array([0.0, 1.0]), np.array([0.0, 1.0])))
        >>> surface.plot(ax=Figure().subplots(), axes=("v", "w")).get_xlabel()
        'v'
        """
        path = None if path is None else np.asarray(path, float)
        if path is not None and (self.values.ndim != 2 or path.ndim != 2 or path.shape[1] != 2):
            raise ValueError(
                f"draw: a path of shape {path.shape} came for a landscape {self.shape}; give (k, 2) for a plane"
            )
        if self.values.ndim == 1:
            if relief:
                raise ValueError("draw: a relief needs two directions, this landscape has one")
            return draw_curve(self, ax=ax, axis=axes[0], name=name, title=title)
        draw = draw_relief if relief else draw_contours
        return draw(self, ax=ax, path=path, axes=axes, name=name, title=title)

    def __repr__(self) -> str:
        size = " x ".join(map(str, self.values.shape))
        if self.not_finite == self.values.size:
            return f"Landscape({size} values, none of them finite)"
        highest = self._place(np.where(np.isfinite(self.values), self.values, -np.inf).argmax())
        ends = [
            f"{value:.4g} at ({', '.join(f'{step:.3g}' for step in place)})"
            for value, place in ((self._at(self.lowest), self.lowest), (self._at(highest), highest))
        ]
        bad = f"; {self.not_finite} not finite" if self.not_finite else ""
        return f"Landscape({size} values from {ends[0]} to {ends[1]}{bad})"

    def _at(self, place: tuple[float, ...]) -> float:
        index = [int(np.argmax(span == step)) for span, step in zip(self.spans, place, strict=True)]
        return float(self.values[tuple(index[::-1])])


def loss_landscape(
    loss: Callable[[Params], Any],
    params: Params,
    directions: Params | Sequence[Params],
    span: Any = SPAN,
    *,
    progress: bool = False,
) -> Landscape:
    """Evaluate loss(params + a v) for a in span, or loss(params + a v + b w) on a grid.

    directions: v, or (v, w): flat dicts; what a direction does not name stays where it is. Running statistics never
        move, whatever a direction says of them
    span: the steps a and b, or a pair of arrays, the steps along each direction
    progress: whether to tell on stderr how far it is: a bar on a terminal where tqdm (extra "progress") is there, else
        a line every ten seconds

    A loss that is not finite is kept: repr and picture say how many there are.

    Raises KeyError for a direction that names an unknown parameter, ValueError for one of another shape or not
    finite, for more than two directions and for spans that are no vectors of finite numbers, TypeError for a loss
    that is no scalar.

    >>> curve = loss_landscape(lambda p: p["a"] ** 2, {"a": np.array(1.0)}, {"a": np.array(1.0)}, span=[-1, 0, 1])
    >>> curve.values.tolist(), curve.lowest
    ([0.0, 1.0, 4.0], (-1.0,))
    """
    flat = Flat("loss_landscape", params)
    given = (directions,) if isinstance(directions, Mapping) else tuple(directions)
    if len(given) not in (1, 2):
        raise ValueError(f"loss_landscape: give one or two directions, got {len(given)}")
    along = [_checked(flat, direction, place) for place, direction in enumerate(given)]
    spans = _spans(span, len(along))
    points = list(product(*spans[::-1]))
    found = np.empty(len(points))
    for i, steps in telling(points, "landscape", "point") if progress else enumerate(points):
        moved = {
            name: _moved(array, [(step, direction[name]) for step, direction in zip(steps[::-1], along, strict=True)])
            for name, array in flat.arrays.items()
        }
        found[i] = _number(loss, {**flat.given, **moved})
    values = found.reshape([len(span) for span in spans[::-1]])
    for array in (values, *spans):
        array.setflags(write=False)
    return Landscape(values, spans)


def _checked(flat: Flat, direction: Params, place: int) -> Params:
    """Return a direction with an array for all that moves."""
    if not isinstance(direction, Mapping):
        raise TypeError(
            f"loss_landscape: direction {place} is a {type(direction).__name__}; give a dict like the params"
        )
    out = {}
    for name, value in direction.items():
        if name not in flat.given:
            raise KeyError(
                f"loss_landscape: direction {place} names {name!r}, which is no parameter{nearest(name, flat.given)}"
            )
        if name in flat.arrays:
            out[name] = np.asarray(value, float)
            shape = flat.arrays[name].shape
            if out[name].shape != shape:
                raise ValueError(
                    f"loss_landscape: direction {place} has shape {out[name].shape} for {name!r}, wanted shape {shape}"
                )
            if not np.isfinite(out[name]).all():
                raise ValueError(f"loss_landscape: direction {place} is not finite in {name!r}")
        elif not is_statistic(name) and np.any(value):
            raise ValueError(f"loss_landscape: direction {place} moves {name!r}, which holds no floating numbers")
    if not any(value.any() for value in out.values()):
        raise ValueError(f"loss_landscape: direction {place} is zero in every parameter that can move")
    return {name: out.get(name, np.zeros(array.shape)) for name, array in flat.arrays.items()}


def _spans(span: Any, count: int) -> tuple[Array, ...]:
    pair = count == 2 and isinstance(span, (tuple, list)) and len(span) == 2 and all(np.ndim(part) for part in span)
    spans = tuple(np.array(part, float) for part in (span if pair else (span,) * count))
    for steps in spans:
        if steps.ndim != 1 or not steps.size or not np.isfinite(steps).all():
            raise ValueError(
                f"loss_landscape: span must be a vector of finite steps, such as np.linspace(-1, 1, 21), got shape "
                f"{steps.shape}{'' if np.isfinite(steps).all() else ' with numbers that are not finite'}"
            )
    return spans


def _moved(array: Array, steps: Sequence[tuple[float, Array]]) -> Array:
    with np.errstate(over="ignore"):
        return (array + sum(step * direction for step, direction in steps)).astype(array.dtype)


def _number(loss: Callable[[Params], Any], params: Params) -> float:
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        value = loss(params)
    if isinstance(value, (tuple, list, dict)) or np.shape(value) != ():
        came = f"shape {np.shape(value)}" if hasattr(value, "shape") else type(value).__name__
        raise TypeError(f"loss_landscape: the loss must return a scalar, got {came}")
    return float(value)


# ---- directions ------------------------------------------------------------------------------------------------------


def random_directions(params: Params, count: int = 2, seed: int = 0) -> tuple[Params, ...]:
    """Return random directions, filter-normalised: as long as the parameters are, filter by filter.

    Li et al., NeurIPS 2018 (arXiv:1712.09913), section 4: d_ij <- d_ij / |d_ij| |w_ij|, which makes the landscapes of
    networks whose weights differ in scale comparable. Here a filter is what feeds one output: a column of a weight
    matrix (inputs, outputs), of each matrix where there are several. Biases, scales and other parameters of fewer than
    two dimensions, and running statistics, are zero, as in the paper's code. Directions are normal numbers, each
    parameter from a stream of its own.

    >>> params = {"weight": np.array([[3.0, 0.0], [4.0, 1.0]]), "bias": np.ones(2)}
    >>> (direction,) = random_directions(params, count=1)
    >>> np.linalg.norm(direction["weight"], axis=0).round(6).tolist(), direction["bias"].tolist()
    ([5.0, 1.0], [0.0, 0.0])
    """
    flat = Flat("random_directions", params)
    if count < 1:
        raise ValueError(f"random_directions: count must be 1 or more, got {count}")
    if all(array.ndim < 2 for array in flat.arrays.values()):
        raise ValueError("random_directions: no parameter has two dimensions, so there is no filter to normalise")
    return tuple(
        {
            name: _like_filters(generator(seed, f"direction {i}, {name}"), np.asarray(value))
            if name in flat.arrays
            else np.zeros(np.shape(value))
            for name, value in params.items()
        }
        for i in range(count)
    )


def _like_filters(rng: np.random.Generator, weight: Array) -> Array:
    if weight.ndim < 2:
        return np.zeros(weight.shape)
    drawn = rng.normal(size=weight.shape)
    wanted, found = (np.linalg.norm(np.asarray(a, float), axis=-2, keepdims=True) for a in (weight, drawn))
    return drawn * wanted / found
