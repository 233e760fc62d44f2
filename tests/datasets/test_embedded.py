"""The embedded tables against what is known of them."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pytest

import graphnn as gn
from graphnn.datasets.embedded import alkanes, karate


class TestAlkanes:
    data = alkanes()

    def test_there_is_every_alkane_up_to_decane_once(self):
        isomers = [1, 1, 1, 2, 3, 5, 9, 18, 35, 75]  # Henze & Blair, J. Am. Chem. Soc. 53 (1931) 3077
        assert np.bincount(self.data.carbons)[1:].tolist() == isomers
        assert len(set(self.data.names)) == len(set(self.data.smiles)) == 150

    def test_every_graph_is_a_tree_of_carbons_and_no_two_are_alike(self):
        seen = set()
        for graph, carbons in zip(self.data.graphs, self.data.carbons, strict=True):
            G = nx.Graph()
            G.add_edges_from(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))
            G.add_nodes_from(range(graph.n_nodes))
            assert graph.n_nodes == carbons
            assert nx.is_tree(G)
            assert graph.n_edges == 2 * (carbons - 1)
            np.testing.assert_array_equal(graph.nodes.argmax(axis=1), [G.degree(v) for v in range(carbons)])
            np.testing.assert_array_equal(graph.nodes.sum(axis=1), 1)
            centres = nx.center(G)
            seen.add(min(nx.to_nested_tuple(G, root, canonical_form=True) for root in centres))
        assert len(seen) == 150

    def test_boiling_points_are_those_of_the_handbook(self):
        found = dict(zip(self.data.names, self.data.boiling_points[:, 0], strict=True))
        assert self.data.boiling_points.shape == (150, 1)
        known = {
            "methane": -161.5,
            "ethane": -88.6,
            "butane": -0.5,
            "pentane": 36.1,
            "octane": 125.7,
            "decane": 174.1,
        }
        for name, celsius in known.items():
            assert found[name] == pytest.approx(celsius, abs=0.6), name

    def test_the_smiles_have_as_many_carbons(self):
        assert [s.count("C") for s in self.data.smiles] == self.data.carbons.tolist()

    def test_longer_straight_chains_boil_higher(self):
        chains = [
            "methane",
            "ethane",
            "propane",
            "butane",
            "pentane",
            "hexane",
            "heptane",
            "octane",
            "nonane",
            "decane",
        ]
        found = dict(zip(self.data.names, self.data.boiling_points[:, 0], strict=True))
        steps = np.diff([found[name] for name in chains])
        assert (steps > 0).all()
        assert math.isclose(sum(steps), found["decane"] - found["methane"])


def test_the_karate_club_is_zacharys():
    club = karate()
    graph = club.graph
    assert (graph.n_nodes, graph.n_edges) == (34, 156)
    assert club.labels.tolist().count(1) == 17
    assert (club.labels[0], club.labels[33]) == (0, 1)
    assert graph.names == tuple(range(34))
    np.testing.assert_array_equal(graph.nodes, np.eye(34))
    np.testing.assert_array_equal(graph.kernel(gn.kernels.adjacency), nx.to_numpy_array(nx.karate_club_graph()))
    assert graph.weights.sum() == 2 * 231  # networkx carries Zachary's 1977 counts of shared contexts
    assert karate().networkx is not club.networkx


def test_data_sets_show_themselves_in_a_line():
    assert repr(gn.datasets.alkanes()) == "Alkanes(150 molecules, boiling points -161.5 to 174.1 °C)"
    assert repr(gn.datasets.karate()).startswith("Karate(34 members, 17 joined the officer, Graph(n_nodes=34")
    assert "\n" not in repr(gn.datasets.karate())
