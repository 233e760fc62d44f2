"""Points as graphs: each joined with its nearest neighbours, or with all that are near enough.

Which points are joined follows from the coordinates alone. Points equally far are told apart by their numbers, not by
the order in which a search tree comes upon them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphnn.checks import GraphError, numbers
from graphnn.graph import Graph
from graphnn.memory import check_room
from graphnn.ops.sparse import MOST
from graphnn.types import Array

__all__ = ["knn_graph", "radius_graph"]

BLOCK = 2**20  # numbers looked at together
FEW = 15  # dimensions up to which a tree is faster than all distances
ROUNDING = 1 + 1e-9  # what the searches call equal may differ by so much


def knn_graph(points: Array, k: int, nodes: Any = None) -> Graph:
    """Return the graph in which an edge comes to every point from each of the k points nearest to it.

    points: (n, p) coordinates, the positions of the nodes, and their features unless `nodes` (n, f) are given.
    Distances are Euclidean. A point is no neighbour of itself, but points at the same place are of each other; of
    those equally far the one with the smaller number is nearer. n k edges, in the order of receivers, the nearest
    first. Being near is not mutual: `transforms.add_reverse_edges` makes it so.

    `knn_graph` of PyG, which gives fewer neighbours where there are fewer points. Cost: n log n for few dimensions,
    n^2 for many, or where many points are equally far from each other.

    Raises ValueError for a k that is not 1, ..., n - 1, GraphError for coordinates that are not finite.

    >>> graph = knn_graph(np.array([[0.0], [1.0], [3.0]]), k=1)
    >>> graph.senders, graph.receivers
    (array([1, 0, 1]), array([0, 1, 2]))
    """
    positions = _coordinates("knn_graph", points)
    n = len(positions)
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k < n:
        most = f"at most {n - 1}, the others of {n} points" if n > 1 else f"but there are no others: n = {n}"
        raise ValueError(f"knn_graph: k must be a whole number from 1, {most}; got {k!r}")
    senders, receivers = _nearest(_scaled(positions)[0], int(k)).ravel(), np.repeat(np.arange(n), k)
    return Graph(positions if nodes is None else nodes, senders, receivers, positions=positions)


def radius_graph(points: Array, radius: float, nodes: Any = None) -> Graph:
    """Return the graph in which all points at most `radius` from each other are joined, both ways.

    points: (n, p) coordinates, the positions of the nodes, and their features unless `nodes` (n, f) are given.
    Distances are Euclidean. No loops; points at the same place are joined. Edges are in the order of receivers, then
    of senders. `radius_graph` of PyG without its limit on the number of neighbours.

    Raises ValueError for a negative radius, or one so large that there are more than 2^31 edges, GraphError for
    coordinates that are not finite.

    >>> graph = radius_graph(np.array([[0.0], [1.0], [3.0]]), radius=1.0)
    >>> graph.senders, graph.receivers
    (array([1, 0]), array([0, 1]))
    """
    from scipy.spatial import cKDTree

    positions = _coordinates("radius_graph", points)
    if not 0 <= radius < np.inf:
        raise ValueError(f"radius_graph: radius must be a finite number from 0, got {radius!r}")
    places, reach = _scaled(positions, radius)
    tree = cKDTree(places)
    count = int(tree.count_neighbors(tree, reach * ROUNDING)) - len(places)
    if count > MOST:
        raise ValueError(
            f"radius_graph: radius {radius:g} makes {count} edges of {len(places)} points, more than {MOST}; "
            "take a smaller one, or knn_graph"
        )
    who = f"radius_graph: radius {radius:g} joins {len(places)} points by {count} edges"
    check_room(who, (count,), np.intp, "take a smaller one, or knn_graph", copies=4)
    one, other = tree.query_pairs(reach * ROUNDING, output_type="ndarray").reshape(-1, 2).T
    near = np.sqrt(((places[one] - places[other]) ** 2).sum(axis=1)) <= reach
    one, other = one[near], other[near]
    senders, receivers = np.concatenate([one, other]), np.concatenate([other, one])
    order = np.lexsort((senders, receivers))
    return Graph(positions if nodes is None else nodes, senders[order], receivers[order], positions=positions)


def _coordinates(who: str, points: Array) -> np.ndarray:
    array = numbers(points, "positions")
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or not array.shape[1]:
        raise GraphError("positions", f"{who} wants coordinates (n, p) of n points, got shape {array.shape}")
    return array


def _scaled(points: np.ndarray, radius: float = 0.0) -> tuple[np.ndarray, float]:
    """Return coordinates and radius times a power of two that leaves them below 1, so that no square is infinite."""
    exponent = int(np.frexp(max(float(np.abs(points).max(initial=0)), radius))[1])
    return np.ldexp(points.astype(float), -exponent), math.ldexp(radius, -exponent)


def _nearest(places: np.ndarray, k: int) -> np.ndarray:
    """Return the numbers of the k nearest others of every point, the nearest first. (n, p) -> (n, k)

    A search gives more points than wanted, and is asked for twice as many wherever the last of them could be as near
    as the last one wanted. Which are the nearest of these is then measured anew.
    """
    n, dimensions = places.shape
    search = _Tree(places) if dimensions <= FEW else _AllPairs(places)
    found = np.empty((n, k), np.intp)
    rows, wanted = np.arange(n), min(k + 2, n)
    while len(rows):
        undecided = [rows[:0]]
        size = wanted * dimensions + (n if dimensions > FEW else 0)
        for part in np.array_split(rows, math.ceil(len(rows) * size / BLOCK)):
            squares, candidates = search.query(part, wanted)
            distances = ((places[candidates] - places[part][:, None]) ** 2).sum(axis=2)
            distances[candidates == part[:, None]] = np.inf
            order = np.lexsort((candidates, distances), axis=1)[:, :k]
            found[part] = np.take_along_axis(candidates, order, axis=1)
            if wanted < n:
                undecided.append(part[squares[:, k] * ROUNDING + search.rounding >= squares[:, -1]])
        rows, wanted = np.concatenate(undecided), min(2 * wanted, n)
    return found


class _Tree:
    """The nearest points by a tree, for few dimensions."""

    rounding = 0.0

    def __init__(self, places: np.ndarray):
        from scipy.spatial import cKDTree

        self.places, self.tree = places, cKDTree(places)

    def query(self, rows: np.ndarray, wanted: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the squares of the distances to the nearest points, the nearest first, and their numbers."""
        far, candidates = self.tree.query(self.places[rows], wanted)
        return far**2, candidates


class _AllPairs:
    """The nearest points by all distances, |x|^2 + |y|^2 - 2 x.y: in many dimensions a tree passes over few."""

    def __init__(self, places: np.ndarray):
        self.places = places - places.mean(axis=0)
        self.squares = (self.places**2).sum(axis=1)
        self.rounding = 8 * places.shape[1] * np.finfo(float).eps * self.squares.max()

    def query(self, rows: np.ndarray, wanted: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the squares of the distances to the nearest points, the nearest first, and their numbers."""
        squares = self.squares[rows][:, None] + self.squares - 2 * self.places[rows] @ self.places.T
        candidates = np.argpartition(squares, wanted - 1, axis=1)[:, :wanted]
        return np.sort(np.take_along_axis(squares, candidates, axis=1), axis=1), candidates
