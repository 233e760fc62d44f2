"""Hueckel molecules against closed formulas, tabulated energies, and the theorems they obey."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphnn as gn
from graphnn.checks import GraphError
from graphnn.datasets import hueckel, hueckel_molecules


def carbons(n, bonds):
    one, other = np.array(bonds, int).reshape(-1, 2).T
    return gn.Graph(np.ones((n, 1)), np.concatenate([one, other]), np.concatenate([other, one]))


def chain(n):
    return carbons(n, [(i, i + 1) for i in range(n - 1)])


def ring(n):
    return carbons(n, [(i, (i + 1) % n) for i in range(n)])


def as_networkx(graph):
    return nx.Graph(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))


@pytest.mark.parametrize("n", range(1, 13))
def test_polyenes_have_the_levels_of_the_closed_formula(n):
    found = hueckel(chain(n))
    levels = -2 * np.cos(np.arange(1, n + 1) * np.pi / (n + 1))
    np.testing.assert_allclose(found.levels, levels, atol=1e-13)
    assert found.energy == pytest.approx(2 * levels[: n // 2].sum() + (levels[n // 2] if n % 2 else 0), abs=1e-12)
    assert found.gap == pytest.approx(0 if n % 2 else 4 * np.sin(np.pi / (2 * (n + 1))), abs=1e-12)


@pytest.mark.parametrize("n", range(3, 13))
def test_rings_have_the_levels_of_the_closed_formula(n):
    found = hueckel(ring(n))
    np.testing.assert_allclose(found.levels, np.sort(-2 * np.cos(2 * np.pi * np.arange(n) / n)), atol=1e-13)
    if n % 4 == 2:
        assert found.energy == pytest.approx(-4 / np.sin(np.pi / n), abs=1e-12)
        assert found.gap == pytest.approx(4 * np.sin(np.pi / n), abs=1e-12)
    if n % 4 == 0:
        assert found.energy == pytest.approx(-4 / np.tan(np.pi / n), abs=1e-12)
        assert found.gap == pytest.approx(0, abs=1e-12)


NAPHTHALENE = [*((i, (i + 1) % 10) for i in range(10)), (0, 5)]
AZULENE = [*((i, (i + 1) % 10) for i in range(10)), (0, 4)]
STYRENE = [*((i, (i + 1) % 6) for i in range(6)), (0, 6), (6, 7)]
TRIMETHYLENEMETHANE = [(0, 1), (0, 2), (0, 3)]
CYCLOPROPENYL = [(0, 1), (1, 2), (2, 0)]


@pytest.mark.parametrize(
    ("bonds", "energy", "gap"),  # Streitwieser, "Molecular Orbital Theory for Organic Chemists" (1961)
    [
        ([(0, 1)], 2.0, 2.0),
        ([(0, 1), (1, 2), (2, 3)], 4.472, 1.236),
        ([(i, (i + 1) % 6) for i in range(6)], 8.0, 2.0),
        (NAPHTHALENE, 13.683, 1.236),
        (AZULENE, 13.364, 0.878),
        (STYRENE, 10.424, 1.324),
        (TRIMETHYLENEMETHANE, 3.464, 0.0),
        (CYCLOPROPENYL, 3.0, 0.0),
    ],
)
def test_energies_are_those_in_the_books(bonds, energy, gap):
    found = hueckel(carbons(1 + max(map(max, bonds)), bonds))
    assert found.energy == pytest.approx(-energy, abs=6e-4)
    assert found.gap == pytest.approx(gap, abs=6e-4)


def test_weights_are_resonance_integrals():
    bond = gn.Graph(np.ones((2, 1)), [0, 1], [1, 0], weights=[0.8, 0.8])
    assert hueckel(bond).energy == pytest.approx(-1.6)
    assert hueckel(bond).gap == pytest.approx(1.6)


def test_what_is_no_molecule_is_refused():
    with pytest.raises(GraphError, match=r"graph\.weights: the edge from 1 to 0 weighs 0, that back 1; a bond has two"):
        hueckel(gn.Graph(np.ones((2, 1)), [0], [1]))
    with pytest.raises(GraphError, match=r"graph\.nodes: there are none; hueckel needs at least one carbon"):
        hueckel(gn.Graph(np.zeros((0, 1))))


# ---- random molecules ------------------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.integers(0, 5), st.integers(0, 5))
@settings(max_examples=60)
def test_every_molecule_keeps_the_theorems(seed, rings, chains):
    data = hueckel_molecules(3, rings=(rings, rings), chains=(chains, chains), seed=seed)
    for graph, energy, gap in zip(data.graphs, data.energies[:, 0], data.gaps[:, 0], strict=True):
        G, n = as_networkx(graph), graph.n_nodes
        assert len(G) == n
        assert nx.is_connected(G)
        assert nx.is_bipartite(G)
        assert max(dict(G.degree).values()) <= 3
        assert graph.n_edges == 2 * (n - 1 + rings)
        np.testing.assert_array_equal(graph.nodes, np.eye(3)[[G.degree[i] - 1 for i in range(n)]])
        spectrum = np.linalg.eigvalsh(nx.to_numpy_array(G))
        assert energy == pytest.approx(-np.abs(spectrum).sum(), abs=1e-9), "Coulson and Rushbrooke, 1940"
        assert -energy <= np.sqrt(graph.n_edges * n) + 1e-9, "McClelland, 1971"
        assert (energy, gap) == pytest.approx(hueckel(graph)[1:], abs=1e-9)
        if rings == 0:
            assert n == 2 * (1 + chains)
            assert len(nx.max_weight_matching(G, maxcardinality=True)) == n // 2, "every carbon has its double bond"
            assert gap > 1e-6
        if chains == 0 and rings:
            assert 4 * rings + 2 >= n >= 2 * rings + np.sqrt(12 * rings - 3), "Harary and Harborth, 1976"


def test_the_smallest_benzenoids_come_as_often_as_they_grow():
    data = hueckel_molecules(2000, rings=(3, 3), chains=(0, 0))
    names = {-19.314: "anthracene", -19.448: "phenanthrene", -17.827: "phenalenyl"}
    found = [names[energy] for energy in data.energies[:, 0].round(3)]
    # Two cells have eight neighbours: two in line, four bent, two that close the triangle.
    for name, chance in (("anthracene", 0.25), ("phenanthrene", 0.5), ("phenalenyl", 0.25)):
        assert abs(found.count(name) / 2000 - chance) < 0.05
    gaps = dict(zip(found, data.gaps[:, 0].round(3), strict=True))
    assert gaps == {"anthracene": 0.828, "phenanthrene": 1.210, "phenalenyl": 0.0}


def test_chains_are_bonded_on_at_every_free_carbon():
    assert set(hueckel_molecules(300, rings=(0, 0), chains=(1, 1)).energies[:, 0].round(3)) == {-4.472}
    hexatrienes = hueckel_molecules(400, rings=(0, 0), chains=(2, 2))
    counts = np.unique(hexatrienes.energies.round(3), return_counts=True)
    np.testing.assert_array_equal(counts[0], [-6.988, -6.899])  # linear, and bonded on at an inner carbon
    assert abs(counts[1] / 400 - 0.5).max() < 0.1
    assert set(hueckel_molecules(50, rings=(1, 1), chains=(1, 1)).energies[:, 0].round(3)) == {-10.424}


def test_the_first_of_many_are_those_of_few_and_seeds_differ():
    few, many, other = (hueckel_molecules(n, seed=seed) for n, seed in ((20, 1), (50, 1), (20, 2)))
    np.testing.assert_allclose(many.energies[:20], few.energies, atol=1e-12)
    for a, b in zip(few.graphs, many.graphs, strict=False):
        np.testing.assert_array_equal(a.senders, b.senders)
    assert (few.energies.round(6) != other.energies.round(6)).mean() > 0.5
    assert hueckel_molecules(0).energies.shape == (0, 1)
    assert "0 molecules" in repr(hueckel_molecules(0))


@pytest.mark.parametrize("name", ["rings", "chains"])
@pytest.mark.parametrize("value", [(-1, 2), (3, 2)])
def test_ranges_that_are_none_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"hueckel_molecules: {name} must be \(fewest, most\) from 0, got"):
        hueckel_molecules(1, **{name: value})


def test_a_negative_number_of_molecules_is_refused():
    with pytest.raises(ValueError, match="n must be 0 or more, got -1"):
        hueckel_molecules(-1)
