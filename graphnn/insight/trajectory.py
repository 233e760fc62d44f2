"""The way a training took through its parameters, and the plane that shows most of it.

trajectory = Trajectory()  # a callback of fit
plane = trajectory.plane()  # the two directions it moved most in
surface = loss_landscape(loss, plane.center, plane.directions, plane.spans())
surface.plot(path=plane.path)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnn.flat import Flat
from graphnn.types import Array, Params


@dataclass(frozen=True, eq=False)
class Plane:
    """The plane that shows most of the way a training took.

    center: parameters at (0, 0), the last of the way;  directions: two flat dicts of norm 1, at right angles
    path: (k, 2), each point of the way seen in the plane;  explained: the shares of the way's variance along the two

    >>> trainings = [{"a": np.array([t, 0.1 * t ** 2, 0.0])} for t in (0.0, 1.0, 2.0)]
    >>> plane = trajectory_plane(trainings)
    >>> plane
    Plane(3 points, 99.7 % + 0.3 % of the variance explained)
    """

    center: Params
    directions: tuple[Params, Params]
    path: Array
    explained: tuple[float, float]

    def spans(self, points: int = 31, margin: float = 0.25) -> tuple[Array, Array]:
        """Return steps along both directions that hold the whole path, and a margin around it.

        >>> plane = trajectory_plane([{"a": np.array([t, t ** 2])} for t in (0.0, 1.0, 2.0)])
        >>> [span.shape for span in plane.spans(points=5)]
        [(5,), (5,)]
        """
        low, high = self.path.min(axis=0), self.path.max(axis=0)
        # a plane much wider one way than the other would be a strip in the picture
        reach = np.maximum((high - low), 0.4 * (high - low).max()) * (0.5 + margin)
        middle = (low + high) / 2
        first, second = (np.linspace(middle[i] - reach[i], middle[i] + reach[i], points) for i in range(2))
        return first, second

    def __repr__(self) -> str:
        first, second = (100 * share for share in self.explained)
        return f"Plane({len(self.path)} points, {first:.1f} % + {second:.1f} % of the variance explained)"


def trajectory_plane(trajectory: Iterable[Params], center: Params | None = None) -> Plane:
    """Return the plane of the two principal components of a list of parameters, such as a training passed through.

    center: parameters to look from, the last of the list when None

    Li et al., NeurIPS 2018 (arXiv:1712.09913), section 7.2. Differs from the paper: the variance is taken around the
    mean. A random walk too lies near a plane by this measure (Antognini & Sohl-Dickstein 2018, arXiv:1806.08805), so a
    large share alone says little. Running statistics and what is not floating are left out.

    Raises ValueError for fewer than three points, points that are all alike, and parameters of different names or
    shapes.

    >>> plane = trajectory_plane([{"a": np.array([t, t ** 2])} for t in (0.0, 1.0, 2.0)])
    >>> plane.path.shape, round(sum(plane.explained), 6)
    ((3, 2), 1.0)
    """
    points = list(trajectory)
    if len(points) < 3:
        raise ValueError(f"trajectory_plane: {len(points)} points make no plane; give three or more")
    flat = Flat("trajectory_plane", points[-1] if center is None else center)
    for i, point in enumerate(points):
        for name, array in flat.arrays.items():
            if name not in point or np.shape(point[name]) != array.shape:
                came = f"shape {np.shape(point[name])}" if name in point else "nothing"
                raise ValueError(f"trajectory_plane: point {i} has {came} for {name!r}, wanted shape {array.shape}")
    way = np.stack([flat.flat(point) for point in points])
    _, lengths, axes = np.linalg.svd(way - way.mean(axis=0), full_matrices=False)
    if lengths[0] == 0:
        raise ValueError("trajectory_plane: all points are the same")
    axes = _with_a_second(axes, lengths, flat.size)
    path = (way - flat.vector) @ axes.T
    turn = np.where(path[0] > 0, -1.0, 1.0)  # the sign is free: start at the lower left
    shares = lengths[:2] ** 2 / (lengths**2).sum()
    first, second = (flat.direction(axis) for axis in turn[:, None] * axes)
    return Plane(flat.params(flat.vector), (first, second), path * turn, (float(shares[0]), float(shares[1])))


def _with_a_second(axes: Array, lengths: Array, size: int) -> Array:
    """Return two axes at right angles, also for a way that is a straight line."""
    if size < 2:
        raise ValueError(
            "trajectory_plane: a single number moves, which makes a line; give its direction to loss_landscape"
        )
    if lengths[1] > 1e-12 * lengths[0]:
        return axes[:2]
    other = np.eye(size)[np.argmin(np.abs(axes[0]))]
    other = other - (other @ axes[0]) * axes[0]
    return np.stack([axes[0], other / np.linalg.norm(other)])


class Trajectory:
    """A callback that keeps the parameters at the start, after every few epochs and at the end.

    every: epochs between two points. `points` is the list of parameters, `epochs` says after which. A resumed run goes
    on with those of the file.

    >>> from graphnn import Dense, fit, sgd
    >>> x, y = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[1.0], [3.0]])
    >>> trajectory = Trajectory(every=5)
    >>> _ = fit(Dense(1), Dense(1).init(0, x), x, y, optimizer=sgd(0.1), epochs=12, callbacks=[trajectory])
    >>> trajectory.epochs
    [0, 5, 10, 12]
    >>> trajectory.plane().path.shape
    (4, 2)
    """

    def __init__(self, every: int = 1):
        if isinstance(every, bool) or int(every) != every or every < 1:
            raise ValueError(f"Trajectory: every={every} came; give a whole number of epochs, 1 or more")
        self.every = int(every)
        self.points: list[Params] = []
        self.epochs: list[int] = []

    def begin_fit(self, run: Any) -> None:
        self.points, self.epochs = [], []
        self._keep(run)

    def after_epoch(self, run: Any) -> None:
        if run.epoch % self.every == 0:
            self._keep(run)

    def after_fit(self, run: Any) -> None:
        self._keep(run)  # unless the last epoch has just been kept

    def plane(self, center: Params | None = None) -> Plane:
        """Return the plane that shows most of the way, see `trajectory_plane`."""
        return trajectory_plane(self.points, center)

    def memory(self) -> dict[str, Any]:
        """Return what must survive a kill: the epochs, and for each name its arrays one over the other."""
        # An end between two points is none of a run that goes on.
        kept = [i for i, epoch in enumerate(self.epochs) if epoch % self.every == 0]
        names = self.points[0] if self.points else {}
        stacks = {f"points.{name}": np.stack([self.points[i][name] for i in kept]) for name in names}
        return {"epochs": [self.epochs[i] for i in kept], **stacks}

    def remember(self, memory: dict[str, Any]) -> None:
        """Take up what `memory` gave, in place of the start that begin_fit has seen."""
        self.epochs = [int(epoch) for epoch in memory["epochs"]]
        stacks = {key.partition(".")[2]: np.asarray(value) for key, value in memory.items() if key != "epochs"}
        self.points = [{name: stack[i].copy() for name, stack in stacks.items()} for i in range(len(self.epochs))]

    def _keep(self, run: Any) -> None:
        if self.epochs and self.epochs[-1] == run.epoch:
            return
        self.epochs.append(run.epoch)
        self.points.append({name: np.array(value) for name, value in run.params.items()})
