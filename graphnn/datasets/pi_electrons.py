"""Hueckel molecules: graphs of conjugated carbons with their exact pi energies, as many as wanted.

In Hueckel's theory (Z. Phys. 70 (1931) 204) the pi orbitals of conjugated carbons are the eigenvectors of
alpha I + beta A, with A the adjacency of the carbons. Every carbon gives one electron, and two fill an orbital, the
lowest first. Here alpha = 0 and energies are in units of |beta|; beta is negative, so an eigenvalue x of A is a level
of energy -x, and lower is more stable: benzene has -8 |beta|, which is 8 beta.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from graphnn.checks import GraphError
from graphnn.graph import Graph

TURNS = ((1, 0), (0, 1), (-1, 1), (-1, 0), (0, -1), (1, -1))
"""From a cell of the honeycomb to its six neighbours, in the order of going round."""


class Hueckel(NamedTuple):
    """Orbital energies (n,), ascending, the energy of all pi electrons, and the HOMO-LUMO gap, in units of |beta|."""

    levels: np.ndarray
    energy: float
    gap: float


class PiMolecules(NamedTuple):
    """Graphs of carbons with their pi energies (n, 1) and HOMO-LUMO gaps (n, 1), in units of |beta|."""

    graphs: list[Graph]
    energies: np.ndarray
    gaps: np.ndarray

    def __repr__(self) -> str:
        if not self.graphs:
            return "PiMolecules(0 molecules)"
        sizes = [graph.n_nodes for graph in self.graphs]
        return f"PiMolecules({len(sizes)} molecules of {min(sizes)} to {max(sizes)} carbons)"


def hueckel(graph: Graph) -> Hueckel:
    """Return the pi electrons of a graph of carbons, by Hueckel's theory.

    Levels are the eigenvalues of -A. The n electrons fill them in pairs; where n is odd the last is alone in its
    orbital, which is both the highest occupied and the lowest free one, so that the gap is 0, as it is, but for
    rounding, wherever orbitals of one energy are filled in part. A linear polyene of n carbons has levels
    -2 cos(k pi / (n + 1)), a ring -2 cos(2 k pi / n). Weights are resonance integrals in units of beta.

    Raises GraphError for a graph without nodes, or with an edge whose way back is missing or weighs otherwise.

    >>> butadiene = Graph(np.ones((4, 1)), senders=[0, 1, 1, 2, 2, 3], receivers=[1, 0, 2, 1, 3, 2])
    >>> hueckel(butadiene).levels.round(3), round(hueckel(butadiene).energy, 3), round(hueckel(butadiene).gap, 3)
    (array([-1.618, -0.618,  0.618,  1.618]), -4.472, 1.236)
    """
    adjacency = graph.adjacency.toarray().astype(float)
    if not len(adjacency):
        raise GraphError("nodes", "there are none; hueckel needs at least one carbon")
    if (adjacency != adjacency.T).any():
        i, j = (int(index) for index in np.argwhere(adjacency != adjacency.T)[0])
        raise GraphError(
            "weights",
            f"the edge from {j} to {i} weighs {adjacency[i, j]:g}, that back {adjacency[j, i]:g}; a bond has two edges "
            "of one weight",
        )
    levels = np.linalg.eigvalsh(-adjacency)
    energy, gap = _filled(levels)
    return Hueckel(levels, float(energy), float(gap))


def hueckel_molecules(
    n: int = 1000, *, rings: tuple[int, int] = (0, 4), chains: tuple[int, int] = (0, 6), seed: int = 0
) -> PiMolecules:
    """Return n random conjugated molecules with their exact pi energies and HOMO-LUMO gaps.

    rings: fewest and most hexagons, fused into a piece of the honeycomb: a random one is added to a random side
    chains: fewest and most C=C units that are bonded on, one by one, at a random carbon with less than three neighbours

    Every number in between is as likely. Without rings the molecule begins with one C=C: rings=(0, 0) are branched
    polyenes, chains=(0, 0) with rings from 1 benzenoids. A polyene has a gap; a piece of honeycomb may be a radical.
    An atom's features are its number of carbon neighbours, 1, 2 or 3, one-hot.

    Small molecules come more than once. To keep copies on one side of a split give it their energies as groups:
    `splits.random(n, groups=data.energies[:, 0].round(6))`.

    The first molecules of many are those of few with the same settings and seed. Raises ValueError for ranges that are
    none.

    >>> data = hueckel_molecules(3)
    >>> data, data.energies.round(3).tolist()
    (PiMolecules(3 molecules of 6 to 25 carbons), [[-33.35], [-28.402], [-6.899]])
    """
    for name, (fewest, most) in (("rings", rings), ("chains", chains)):
        if not 0 <= fewest <= most:
            raise ValueError(f"hueckel_molecules: {name} must be (fewest, most) from 0, got {(fewest, most)}")
    if n < 0:
        raise ValueError(f"hueckel_molecules: n must be 0 or more, got {n}")
    rng = np.random.default_rng(seed)
    graphs = []
    for _ in range(n):
        counts = int(rng.integers(*rings, endpoint=True)), int(rng.integers(*chains, endpoint=True))
        graphs.append(_carbons(_bonds(*counts, iter(rng.random(sum(counts)).tolist()))))
    energies, gaps = np.zeros((n, 1)), np.zeros((n, 1))
    sizes = np.array([graph.n_nodes for graph in graphs], int)
    for size in np.unique(sizes):
        of_size = np.flatnonzero(sizes == size)
        for some in np.array_split(of_size, -(-len(of_size) * size**2 // 2**22)):
            matrices = np.zeros((len(some), size, size))
            for matrix, i in zip(matrices, some, strict=True):
                matrix[graphs[i].receivers, graphs[i].senders] = -1
            energies[some, 0], gaps[some, 0] = _filled(np.linalg.eigvalsh(matrices))
    return PiMolecules(graphs, energies, gaps)


def _filled(levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the energy of as many electrons as there are levels, and the gap above them. (..., n) -> (...), (...)"""
    n = levels.shape[-1]
    pairs = 2 * levels[..., : n // 2].sum(axis=-1)
    alone = levels[..., n // 2] if n % 2 else 0.0
    return pairs + alone, levels[..., n // 2] - levels[..., (n - 1) // 2]


def _bonds(rings: int, chains: int, chance: Iterator[float]) -> list[tuple[int, int]]:
    """Return the bonds of a molecule, atoms counted from 0; `chance` has a number from 0 to 1 for every choice."""
    bonds = _honeycomb(rings, chance) if rings else [(0, 1)]
    degrees = [0] * (1 + max(max(bond) for bond in bonds))
    for bond in bonds:
        for atom in bond:
            degrees[atom] += 1
    for _ in range(chains):
        free = [atom for atom, degree in enumerate(degrees) if degree < 3]
        here, new = free[int(next(chance) * len(free))], len(degrees)
        bonds += [(here, new), (new, new + 1)]
        degrees[here] += 1
        degrees += [2, 1]
    return bonds


def _honeycomb(rings: int, chance: Iterator[float]) -> list[tuple[int, int]]:
    """Return the bonds of hexagons grown at random from one.

    An atom lies between three cells and is known by the sum of their places.
    """
    atoms: dict[tuple[int, int], int] = {}
    bonds: dict[tuple[int, int], None] = {}
    cells, border = {(0, 0)}, [(0, 0)]
    for _ in range(rings):
        q, r = border.pop(int(next(chance) * len(border)))
        corners = []
        for (a, b), (c, d) in zip(TURNS, (*TURNS[1:], TURNS[0]), strict=True):
            corners.append(atoms.setdefault((3 * q + a + c, 3 * r + b + d), len(atoms)))
        for one, other in zip(corners, (*corners[1:], corners[0]), strict=True):
            bonds[min(one, other), max(one, other)] = None
        around = [(q + a, r + b) for a, b in TURNS if (q + a, r + b) not in cells]
        cells.update(around)
        border += around
    return list(bonds)


def _carbons(bonds: list[tuple[int, int]]) -> Graph:
    one, other = np.array(bonds, np.intp).T
    senders, receivers = np.concatenate([one, other]), np.concatenate([other, one])
    return Graph(np.eye(3)[np.bincount(receivers) - 1], senders, receivers)
