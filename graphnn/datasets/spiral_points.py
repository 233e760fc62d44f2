"""Spirals: points in the plane that only a curved boundary tells apart."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Spirals(NamedTuple):
    """Points (n, 2), one arm after the other, and the number (n,) of the arm that each is on."""

    points: np.ndarray
    labels: np.ndarray

    def __repr__(self) -> str:
        return f"Spirals({len(self.points)} points, {len(np.unique(self.labels))} classes)"


def spirals(per_class: int = 100, classes: int = 3, *, noise: float = 0.2, seed: int = 0) -> Spirals:
    """Return points on arms that wind out from the origin, one arm a class, evenly turned against each other.

    Point i of m on arm c of k is at radius r = (i + 1) / m and angle 2 pi c / k + 4 r + noise * e, in radians, with e
    standard normal, drawn anew for every point.  -> points (k m, 2), within the unit circle; labels (k m,) from 0

    `knn_graph(data.points, 10)` makes a graph of them.  Raises ValueError for a count below 1 or negative noise.

    >>> data = spirals(seed=1)
    >>> data, data.points[-1].round(2).tolist()
    (Spirals(300 points, 3 classes), [-0.27, 0.96])
    """
    if per_class < 1 or classes < 1:
        raise ValueError(f"spirals: per_class and classes must be 1 or more, got {per_class} and {classes}")
    if not 0 <= noise < np.inf:
        raise ValueError(f"spirals: noise must be a finite number from 0, got {noise!r}")
    labels = np.repeat(np.arange(classes), per_class)
    radius = np.tile(np.arange(1, per_class + 1) / per_class, classes)
    angle = 2 * np.pi * labels / classes + 4 * radius
    angle += noise * np.random.default_rng(seed).normal(size=len(angle))
    return Spirals(radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1), labels)
