"""Positional and structural encodings against dense formulas, networkx, and what they must not do."""

from __future__ import annotations

import json

import cases
import networkx as nx
import numpy as np
import pytest

import graphnn as gn
from graphnn.architecture import from_json, to_json
from graphnn.checks import GraphError
from graphnn.testing import permuted_edges, permuted_nodes
from graphnn.transforms import Centrality, DegreeOneHot, LaplacianEigenvectors, RandomWalkProbabilities, encodings

CENTRALITIES = [Centrality(name) for name in encodings.CENTRALITIES]
TRANSFORMS = [
    LaplacianEigenvectors(3), LaplacianEigenvectors(2, seed=1), RandomWalkProbabilities(4), DegreeOneHot(2),
    *CENTRALITIES,
]  # fmt: skip
WIDTHS = {"LaplacianEigenvectors": (3, 2), "RandomWalkProbabilities": (4,), "DegreeOneHot": (3,), "Centrality": (1,)}


def columns(transform, graph):
    """Return what the transform puts behind the node features."""
    out = transform(graph)
    assert np.array_equal(out.nodes[:, : graph.nodes.shape[1]], graph.nodes)
    return out.nodes[:, graph.nodes.shape[1] :]


def random_graph(seed, n=12, p=0.3, weighted=True):
    """Return an undirected graph with generic weights, so that no eigenvalue repeats."""
    rng = np.random.default_rng(seed)
    A = np.triu(rng.uniform(size=(n, n)) < p, 1) * (rng.uniform(0.5, 2.0, (n, n)) if weighted else 1.0)
    return gn.from_adjacency(A + A.T, nodes=rng.normal(size=(n, 2)))


def laplacian(graph):
    """Return I - D^-1/2 A D^-1/2 with 0 in the rows of isolated nodes, of the mean of both directions."""
    A = graph.adjacency.toarray()
    A = (A + A.T) / 2
    degrees = A.sum(axis=1)
    scale = np.divide(1, np.sqrt(degrees), out=np.zeros(len(A)), where=degrees > 0)
    return np.diag((degrees > 0).astype(float)) - scale[:, None] * A * scale


# ---- what holds for all ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transform", TRANSFORMS, ids=repr)
class TestEveryTransform:
    @pytest.mark.parametrize("flavour", cases.SHAPES)
    def test_columns_are_finite_behind_the_features_and_keep_the_dtype(self, transform, flavour):
        graph = cases.graph(flavour, edges=True, positions=True, dtype=np.float32)
        before = graph.nodes.tobytes()
        out = transform(graph)
        assert out.nodes.shape[1] - cases.WIDTH in WIDTHS[type(transform).__name__]
        assert out.nodes.dtype == np.float32
        assert np.isfinite(out.nodes).all()
        assert graph.nodes.tobytes() == before
        assert np.array_equal(out.edges, graph.edges)
        assert np.array_equal(out.positions, graph.positions)

    def test_permuting_nodes_and_edges_permutes_rows(self, transform):
        graph, rng = random_graph(0), np.random.default_rng(1)
        order = rng.permutation(graph.n_nodes)
        turned = permuted_edges(permuted_nodes(graph, order), rng.permutation(graph.n_edges))
        wanted, found = columns(transform, graph)[order], columns(transform, turned)
        if transform == LaplacianEigenvectors(2, seed=1):  # signs are those of the columns that eigh happens to give
            wanted, found = np.abs(wanted), np.abs(found)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9)

    def test_a_list_is_transformed_one_by_one(self, transform):
        graphs = [random_graph(seed) for seed in range(3)]
        found = transform(graphs)
        assert isinstance(found, list)
        if getattr(transform, "seed", None) is None:
            assert all(np.array_equal(a.nodes, transform(b).nodes) for a, b in zip(found, graphs, strict=True))
        assert np.array_equal(transform(tuple(graphs))[2].nodes, found[2].nodes)
        assert transform([]) == []

    def test_sparse_features_stay_sparse(self, transform):
        graph = random_graph(0)
        sparse = gn.Graph(gn.ops.SparseMatrix.from_scipy(np.eye(12)).toscipy(), graph.senders, graph.receivers)
        out, dense = transform(sparse), transform(sparse.replace(nodes=np.eye(12)))
        assert isinstance(out.nodes, gn.ops.SparseMatrix)
        np.testing.assert_array_equal(gn.ops.dense(out.nodes), dense.nodes)

    def test_it_is_a_value_that_a_file_can_keep(self, transform):
        twin = from_json(json.loads(json.dumps(to_json(transform))))
        assert twin == transform
        assert eval(repr(transform), vars(encodings)) == transform
        assert hash(twin) == hash(transform)

    @pytest.mark.parametrize("given", [gn.pack(cases.graphs("path")), [nx.path_graph(3)], nx.path_graph(3)], ids=type)
    def test_what_is_no_graph_is_refused(self, transform, given):
        name = type(transform).__name__
        with pytest.raises(
            TypeError, match=f"{name}: wanted a Graph or a list of them, got .*; transform before packing"
        ):
            transform(given)


# ---- Laplacian eigenvectors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_eigenvectors_are_the_slowest_waves(seed):
    graph = random_graph(seed)
    values = np.linalg.eigvalsh(laplacian(graph))
    values = values[values > 1e-9]
    waves = columns(LaplacianEigenvectors(4), graph)
    np.testing.assert_allclose(waves.T @ waves, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(laplacian(graph) @ waves, waves * values[:4], atol=1e-12)
    assert (waves[np.abs(waves).argmax(axis=0), np.arange(4)] > 0).all()


def test_both_directions_of_an_edge_are_averaged():
    arcs = gn.from_adjacency(np.random.default_rng(0).uniform(0.1, 1, (6, 6)))
    waves = columns(LaplacianEigenvectors(3), arcs)
    np.testing.assert_allclose(laplacian(arcs) @ waves, waves * np.linalg.eigvalsh(laplacian(arcs))[1:4], atol=1e-12)


def test_components_and_isolated_nodes_cost_no_column():
    parts = [random_graph(3), random_graph(4), gn.Graph(np.zeros((2, 2)))]
    whole = gn.from_adjacency(gn.pack(parts).packed.sparse_adjacency.toscipy())
    waves = columns(LaplacianEigenvectors(5), whole)
    values = np.linalg.eigvalsh(laplacian(whole))
    values = values[values > 1e-9][:5]
    np.testing.assert_allclose(laplacian(whole) @ waves, waves * values, atol=1e-12)
    assert (waves[24:] == 0).all()
    assert all((waves[:12, i] == 0).all() or (waves[12:24, i] == 0).all() for i in range(5))


def test_small_graphs_are_padded_with_zeros():
    waves = columns(LaplacianEigenvectors(5), gn.from_adjacency(nx.to_numpy_array(nx.path_graph(3))))
    assert (np.abs(waves[:, :2]).sum(axis=0) > 0).all()
    assert (waves[:, 2:] == 0).all()


def test_large_components_get_the_same_from_the_sparse_solver(monkeypatch):
    graph = random_graph(7, n=60, p=0.1)
    dense = columns(LaplacianEigenvectors(4), graph)
    monkeypatch.setattr(encodings, "DENSE", 10)
    np.testing.assert_allclose(columns(LaplacianEigenvectors(4), graph), dense, atol=1e-9)
    np.testing.assert_array_equal(*(columns(LaplacianEigenvectors(4), graph) for _ in range(2)))


def test_a_seed_draws_signs_graph_by_graph_and_again():
    graphs = [random_graph(seed) for seed in range(20)]
    plain = [columns(LaplacianEigenvectors(3), graph) for graph in graphs]

    def signs(seed):
        turned = [graph.nodes[:, 2:] for graph in LaplacianEigenvectors(3, seed=seed)(graphs)]
        ratios = np.array([(a * b).sum(axis=0) for a, b in zip(turned, plain, strict=True)])
        np.testing.assert_allclose(np.abs(ratios), 1, atol=1e-9)
        return ratios.round()

    assert (signs(0) == signs(0)).all()
    assert (signs(0) != signs(1)).any()
    assert 10 < (signs(0) > 0).sum() < 50
    alike = LaplacianEigenvectors(3, seed=0)([graphs[0]] * 20)
    assert len({graph.nodes.tobytes() for graph in alike}) > 2


# ---- walks, degrees, centralities ------------------------------------------------------------------------------------


@pytest.mark.parametrize("flavour", ["path", "directed", "weighted", "self_loop", "multi_edge", "isolated_node"])
def test_walks_come_back_as_the_powers_say(flavour):
    graph = cases.graph(flavour)
    A = graph.adjacency.toarray()
    sums = A.sum(axis=0)
    P = np.divide(A, sums, out=np.zeros_like(A), where=sums > 0)
    wanted = np.stack([np.diag(np.linalg.matrix_power(P, t)) for t in range(1, 7)], axis=1)
    np.testing.assert_allclose(columns(RandomWalkProbabilities(6), graph), wanted, atol=1e-14)


def test_walks_are_started_in_blocks(monkeypatch):
    wanted = columns(RandomWalkProbabilities(5), random_graph(2))
    monkeypatch.setattr(encodings, "BLOCK", 5)
    np.testing.assert_array_equal(columns(RandomWalkProbabilities(5), random_graph(2)), wanted)


def test_degrees_are_in_degrees_of_all_edges_the_last_column_for_more():
    hot = columns(DegreeOneHot(2), cases.graph("multi_edge"))  # edges arrive: four at 0, one at 1, one at 2
    np.testing.assert_array_equal(hot, [[0, 0, 1], [0, 1, 0], [0, 1, 0]])
    hot = columns(DegreeOneHot(5), cases.graph("multi_edge"))
    np.testing.assert_array_equal(hot.argmax(axis=1), [4, 1, 1])


@pytest.mark.parametrize("name", encodings.CENTRALITIES)
def test_centralities_are_those_of_networkx(name):
    G = nx.karate_club_graph()
    by_hand = {
        "degree": nx.degree_centrality, "closeness": nx.closeness_centrality, "betweenness": nx.betweenness_centrality,
        "eigenvector": nx.eigenvector_centrality_numpy, "pagerank": lambda G: nx.pagerank(G, weight=None),
        "clustering": nx.clustering, "core": nx.core_number,
    }  # fmt: skip
    wanted = [by_hand[name](G)[v] for v in G]
    graph = gn.from_adjacency(nx.to_numpy_array(G))
    np.testing.assert_allclose(
        columns(Centrality(name), graph)[:, 0], wanted, atol=1e-5 if name == "pagerank" else 1e-8
    )


def test_only_pagerank_goes_along_the_edges():
    chain = gn.Graph(np.zeros((3, 0)), senders=[0, 1, 1, 2], receivers=[1, 2, 2, 2])
    both = gn.Graph(np.zeros((3, 0)), senders=[0, 1, 1, 2], receivers=[1, 0, 2, 1])
    for name in encodings.CENTRALITIES:
        same = np.allclose(columns(Centrality(name), chain), columns(Centrality(name), both))
        assert same == (name != "pagerank"), name
    ranks = columns(Centrality("pagerank"), chain)[:, 0]
    assert ranks[0] < ranks[1] < ranks[2]


# ---- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: LaplacianEigenvectors(0), "LaplacianEigenvectors: k must be 1 or more, got 0"),
        (lambda: RandomWalkProbabilities(0), "RandomWalkProbabilities: steps must be 1 or more, got 0"),
        (lambda: DegreeOneHot(-1), "DegreeOneHot: most must be 0 or more, got -1"),
        (lambda: Centrality("closness"), "there is no 'closness'.*did you mean 'closeness'"),
        (lambda: Centrality(["degree"]), r"there is no \['degree'\]"),
    ],
)
def test_bad_settings_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        (LaplacianEigenvectors(2), "-1 is negative"),
        (RandomWalkProbabilities(2), "node 0 has weighted degree -1"),
    ],
)
def test_negative_weights_are_refused_and_the_graph_named(transform, words):
    bad = gn.Graph(np.zeros((2, 1)), [0, 1], [1, 0], weights=[-1.0, -1.0])
    with pytest.raises(GraphError, match=rf"^graph\.weights: {words}"):
        transform(bad)
    with pytest.raises(GraphError, match=rf"^graphs\[1\]\.weights: {words}") as caught:
        transform([cases.graph("path"), bad])
    assert caught.value.index == 1


def test_a_centrality_that_does_not_settle_says_so(monkeypatch):
    def unsettled(graph, max_iter, tol):
        raise nx.PowerIterationFailedConvergence(max_iter)

    monkeypatch.setattr(nx, "eigenvector_centrality", unsettled)
    with pytest.raises(
        GraphError, match="the eigenvector centrality of Graph with 4 nodes and 3 edges does not settle"
    ):
        Centrality("eigenvector")(cases.graph("path"))
