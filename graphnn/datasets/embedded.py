"""Small real data sets inside the package: boiling points of the alkanes, Zachary's karate club."""

from __future__ import annotations

import csv
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

from graphnn.convert import from_networkx
from graphnn.graph import Graph


class Alkanes(NamedTuple):
    """150 alkanes: graphs of carbon atoms, boiling points (150, 1) in degrees C, names, numbers of carbons, SMILES."""

    graphs: list[Graph]
    boiling_points: np.ndarray
    names: list[str]
    carbons: np.ndarray
    smiles: list[str]

    def __repr__(self) -> str:
        low, high = self.boiling_points.min(), self.boiling_points.max()
        return f"Alkanes({len(self.graphs)} molecules, boiling points {low:g} to {high:g} °C)"


def alkanes() -> Alkanes:
    """Return the boiling points of all 150 alkanes from methane to decane, at normal pressure.

    Every graph is the carbon skeleton; an atom's features are its number of carbon neighbours 0, ..., 4, one-hot.
    Values are those of standard handbooks and of Cherqaoui & Villemin, J. Chem. Soc. Faraday Trans. 90 (1994) 97.

    >>> data = alkanes()
    >>> data.names[3], data.boiling_points[3], data.graphs[3].n_nodes
    ('2-methylpropane', array([-11.7]), 4)
    """
    text = resources.files("graphnn.datasets").joinpath("alkanes.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    carbons = np.array([int(row["carbons"]) for row in rows])
    graphs = [_skeleton(int(row["carbons"]), row["bonds"]) for row in rows]
    boiling_points = np.array([[float(row["boiling_point_celsius"])] for row in rows])
    return Alkanes(graphs, boiling_points, [row["name"] for row in rows], carbons, [row["smiles"] for row in rows])


def _skeleton(n: int, bonds: str) -> Graph:
    """Return the graph of n carbons with bonds written like "1-2 2-3"."""
    pairs = np.array([[int(a) - 1 for a in bond.split("-")] for bond in bonds.split()], np.intp).reshape(-1, 2)
    senders, receivers = np.concatenate([pairs, pairs[:, ::-1]]).T
    degree = np.bincount(receivers, minlength=n)
    return Graph(np.eye(5)[degree], senders, receivers)


class Karate(NamedTuple):
    """Zachary's karate club: the graph with one-hot features, the club each member joined, and the networkx graph."""

    graph: Graph
    labels: np.ndarray
    networkx: Any

    def __repr__(self) -> str:
        return f"Karate({self.graph.n_nodes} members, {int(self.labels.sum())} joined the officer, {self.graph!r})"


def karate() -> Karate:
    """Return the karate club of Zachary 1977 as networkx has it: 34 members, 78 weighted ties.

    labels: 0 for the instructor's club (Mr. Hi, member 0), 1 for the officer's (member 33).

    >>> karate().graph.n_nodes, int(karate().labels.sum())
    (34, 17)
    """
    import networkx as nx

    club = nx.karate_club_graph()
    for i, member in enumerate(club):
        club.nodes[member]["features"] = np.eye(len(club))[i]
    labels = np.array([int(club.nodes[member]["club"] == "Officer") for member in club])
    return Karate(from_networkx(club, weights="weight"), labels, club)
