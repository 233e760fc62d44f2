"""Every kernel against networkx, SciPy or the formula of its paper; and what a user's own kernel may be."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import autograd.numpy as anp
import cases
import networkx as nx
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from numpy.polynomial import chebyshev

import graphnn as gn
from graphnn import kernels as k


def undirected(weighted: bool) -> nx.Graph:
    """Return a connected random graph, a loop and an isolated node beside it."""
    G = nx.gnp_random_graph(8, 0.5, seed=3)
    G.add_edge(2, 2)
    G.add_node("alone")
    rng = np.random.default_rng(0)
    for _, _, edge in G.edges(data=True):
        edge["weight"] = rng.uniform(0.5, 2.0) if weighted else 1.0
    return G


def directed() -> nx.DiGraph:
    G = nx.gnp_random_graph(7, 0.4, seed=1, directed=True)
    rng = np.random.default_rng(0)
    for _, _, edge in G.edges(data=True):
        edge["weight"] = rng.uniform(0.5, 2.0)
    return G


def converted(G: nx.Graph) -> gn.Graph:
    for v in G:
        G.nodes[v]["features"] = 1.0
    return gn.from_networkx(G, weights="weight")


def received(G: nx.Graph) -> np.ndarray:
    """Return the adjacency with rows that receive; networkx has rows that send."""
    return nx.to_numpy_array(G).T


def inverse(degrees: np.ndarray, power: float) -> np.ndarray:
    return np.array([d**-power if d > 0 else 0.0 for d in degrees])


def kipf_and_welling(G: nx.Graph) -> np.ndarray:
    A = received(G)
    A = A + np.diag((np.diag(A) == 0).astype(float))
    scale = np.diag(inverse(A.sum(axis=1), 0.5))
    return scale @ A @ scale


def walk(G: nx.Graph) -> np.ndarray:
    A = received(G)
    return np.diag(inverse(A.sum(axis=1), 1.0)) @ A


def moves(G: nx.Graph) -> np.ndarray:
    A = received(G)
    return A @ np.diag(inverse(A.sum(axis=0), 1.0))


def turned(G: nx.Graph) -> np.ndarray:
    """Return D^-1/2 (D - A) D^-1/2 with in-degrees D."""
    A = received(G)
    scale = np.diag(inverse(A.sum(axis=1), 0.5))
    return scale @ (np.diag(A.sum(axis=1)) - A) @ scale


def both_ends(G: nx.Graph) -> np.ndarray:
    """Return D^-1/2 A D^-1/2 with in-degrees D."""
    A = received(G)
    scale = np.diag(inverse(A.sum(axis=1), 0.5))
    return scale @ A @ scale


def laplacian_of_defferrard(G: nx.Graph) -> np.ndarray:
    """Return networkx' Laplacian, but 1 where a node has no neighbours: I - D^-1/2 A D^-1/2 to the letter."""
    return nx.normalized_laplacian_matrix(G).toarray() + np.diag([float(d == 0) for _, d in G.degree()])


def chebyshev_by_eigenvalues(G: nx.Graph, order: int, top: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(laplacian_of_defferrard(G))
    return vectors @ np.diag(chebyshev.Chebyshev.basis(order)(2 * values / top - 1)) @ vectors.T


def steps_away(G: nx.Graph, length: int) -> np.ndarray:
    number = {v: i for i, v in enumerate(G)}
    out = np.zeros((len(G), len(G)))
    for u, lengths in nx.all_pairs_shortest_path_length(G):
        for v, steps in lengths.items():
            out[number[v], number[u]] = steps == length
    return out


def page_rank(G: nx.Graph, restart: float) -> np.ndarray:
    walks = G.subgraph([v for v in G if v != "alone"])
    ranks = [nx.pagerank(walks, 1 - restart, {v: 1}, max_iter=2000, tol=1e-16) for v in walks]
    out = np.zeros((len(G), len(G)))
    out[: len(walks), : len(walks)] = [[rank[v] for v in walks] for rank in ranks]
    out[len(walks) :, len(walks) :] = restart  # nothing arrives at a node alone but its own restart
    return out


ANY = [
    (k.adjacency, received),
    (k.normalized_adjacency, kipf_and_welling),
    (k.random_walk, walk),
    (k.transition, moves),
    (k.laplacian, lambda G: np.diag(received(G).sum(axis=1)) - received(G)),
    (k.normalized_laplacian, turned),
    (k.scaled_adjacency, both_ends),
    *(
        (k.ScaledLaplacian(top), lambda G, top=top: 2 / top * (np.eye(len(G)) - both_ends(G)) - np.eye(len(G)))
        for top in (2.0, 1.5)
    ),
    *((k.Power(k.adjacency, n), lambda G, n=n: np.linalg.matrix_power(received(G), n)) for n in (0, 1, 3)),
    (k.Power(k.random_walk, 2), lambda G: walk(G) @ walk(G)),
    (k.Heat(0.7, k.random_walk), lambda G: scipy.linalg.expm(-0.7 * walk(G))),
    *((k.Distance(n), lambda G, n=n: steps_away(G, n)) for n in (0, 1, 2, 3)),
    (
        k.PersonalizedPageRank(0.2),
        lambda G: 0.2 * np.linalg.inv(np.eye(len(G)) - 0.8 * kipf_and_welling(G)),
    ),
]
SYMMETRIC = [
    (k.laplacian, lambda G: nx.laplacian_matrix(G).toarray()),
    (k.normalized_laplacian, lambda G: nx.normalized_laplacian_matrix(G).toarray()),
    (k.Heat(0.5), lambda G: scipy.linalg.expm(-0.5 * nx.laplacian_matrix(G).toarray())),
    (k.Heat(0.0), lambda G: np.eye(len(G))),
    (k.PersonalizedPageRank(0.15, k.random_walk), lambda G: page_rank(G, 0.15)),
    *(
        (k.Chebyshev(n, top), lambda G, n=n, top=top: chebyshev_by_eigenvalues(G, n, top))
        for n in (0, 1, 2, 5)
        for top in (2.0, 1.5)
    ),
]
TABLE = [
    *((kernel, witness, G) for kernel, witness in ANY for G in (undirected(False), undirected(True), directed())),
    *((kernel, witness, G) for kernel, witness in SYMMETRIC for G in (undirected(False), undirected(True))),
]


@pytest.mark.parametrize(("kernel", "witness", "G"), TABLE, ids=lambda value: getattr(value, "__name__", None))
def test_the_kernel_is_its_formula(kernel, witness, G):
    wanted = witness(G)
    np.testing.assert_allclose(converted(G).kernel(kernel), wanted, rtol=0, atol=1e-10)
    for layout in ("sparse", "list", "dense"):
        batch = gn.pack([converted(G), converted(G)], layout=layout)
        h = np.random.default_rng(0).normal(size=(batch.n_nodes, 2))
        product = np.concatenate([wanted @ h[: len(G)], wanted @ h[len(G) :]])
        np.testing.assert_allclose(batch.propagate(kernel, h), product, rtol=0, atol=1e-10)


def test_a_row_receives_what_the_arrows_bring():
    path = gn.Graph(np.ones((3, 1)), senders=[0, 1], receivers=[1, 2], weights=[2.0, 5.0])
    assert path.kernel(k.adjacency).tolist() == [[0, 0, 0], [2, 0, 0], [0, 5, 0]]
    assert path.adjacency.toarray().tolist() == path.kernel(k.adjacency).tolist()
    h = np.array([[1.0], [10.0], [100.0]])
    assert gn.pack(path).propagate(k.adjacency, h).ravel().tolist() == [0, 2, 50]
    assert gn.pack(path).propagate(k.random_walk, h).ravel().tolist() == [0, 1, 10]


def test_loops_are_added_only_where_they_are_missing():
    graph = gn.Graph(np.ones((2, 1)), senders=[0, 0, 1], receivers=[0, 1, 0], weights=[3.0, 1.0, 1.0])
    wanted = np.array([[3.0, 1.0], [1.0, 1.0]])
    scale = np.diag(wanted.sum(axis=1) ** -0.5)
    np.testing.assert_allclose(graph.kernel(k.normalized_adjacency), scale @ wanted @ scale, rtol=1e-15)


def test_parallel_edges_and_parallel_loops_add():
    graph = gn.Graph(np.ones((2, 1)), [0, 0, 1, 1], [1, 1, 1, 1], weights=[1.0, 2.0, 4.0, 8.0])
    assert graph.kernel(k.adjacency).tolist() == [[0, 0], [3, 12]]
    assert graph.adjacency.toarray().tolist() == [[0, 0], [3, 12]]
    assert graph.adjacency.nnz == 2


def test_asking_for_the_adjacency_changes_nothing_else():
    """SciPy adds duplicates in place; that once reordered the pattern all kernels are made from."""
    arrays = {"senders": [2, 1, 0, 0, 1, 0], "receivers": [0, 0, 1, 1, 2, 1], "weights": [5.0, 7, 1, 2, 3, 9]}
    for graph in (gn.Graph(np.ones((3, 1)), **arrays), gn.pack(gn.Graph(np.ones((3, 1)), **arrays)).packed):
        fresh = gn.Graph(np.ones((3, 1)), **arrays)
        wanted = fresh.sparse_adjacency.toarray()
        for _ in range(2):
            np.testing.assert_array_equal(graph.adjacency.toarray(), wanted)
            np.testing.assert_array_equal(graph.sparse_adjacency.toarray(), wanted)


@pytest.mark.parametrize("flavour", ["weighted", "multi_edge", "directed", "mixed"])
def test_weights_are_differentiated_through_the_normalisation(flavour):
    batch = gn.pack(cases.graphs(flavour))
    n, m = batch.n_nodes, batch.n_edges
    h, u = (np.random.default_rng(i).normal(size=(n, 2)) for i in (1, 2))
    ends = np.zeros((m, n, n))
    ends[np.arange(m), batch.receivers, batch.senders] = 1
    loops = np.ones(n)
    loops[batch.senders[batch.senders == batch.receivers]] = 0

    def by_hand(weights):
        A = anp.tensordot(weights, ends, 1) + anp.diag(loops)
        scale = anp.sum(A, axis=1) ** -0.5
        return anp.sum(u * anp.dot(scale[:, None] * A * scale, h) ** 2)

    def ours(weights):
        return anp.sum(u * batch.replace(weights=weights).propagate(k.normalized_adjacency, h) ** 2)

    weights = np.ones(m) if batch.weights is None else batch.weights
    np.testing.assert_allclose(gn.grad(ours)(weights), gn.grad(by_hand)(weights), rtol=1e-12, atol=1e-13)


def by_lists(graph):
    return [[float(i + j) for j in range(graph.n_nodes)] for i in range(graph.n_nodes)]


def by_whole_numbers(graph):
    return np.array(by_lists(graph), int).reshape(graph.n_nodes, -1)


def by_coo(graph):
    return scipy.sparse.coo_array(by_whole_numbers(graph))


def by_lil(graph):
    return scipy.sparse.lil_array(by_whole_numbers(graph))


def by_sparse_matrix(graph):
    return gn.ops.SparseMatrix.from_scipy(by_whole_numbers(graph))


@pytest.mark.parametrize("layout", ["sparse", "list", "dense"])
@pytest.mark.parametrize("kernel", [by_whole_numbers, by_coo, by_lil, by_sparse_matrix, by_lists])
def test_a_kernel_may_return_any_form_of_a_matrix(kernel, layout):
    batch = gn.pack(cases.graphs("two_sizes"), layout=layout)
    h = np.ones((batch.n_nodes, 1))
    wanted = np.concatenate([by_whole_numbers(graph).sum(axis=1) for graph in batch.graphs])
    np.testing.assert_allclose(batch.propagate(kernel, h).ravel(), wanted, rtol=1e-15)
    assert [K.dtype for K in batch.kernels(kernel)] == [np.float64] * 2


def test_a_kernel_is_computed_once_and_a_local_one_once_for_all():
    calls = []

    def counting(graph):
        calls.append(graph.n_nodes)
        return np.eye(graph.n_nodes)

    graphs = cases.graphs("two_sizes")
    batch = gn.pack(graphs)
    for _ in range(3):
        batch.propagate(counting, np.ones((batch.n_nodes, 1)))
        batch[[0]].propagate(counting, np.ones((graphs[0].n_nodes, 1)))
    assert calls == [4, 3]

    calls.clear()
    gn.pack(graphs).propagate(gn.local(counting), np.ones((7, 1)))
    assert calls == [7]


def everyone(graph):
    """The same share from every node of the graph: not block-diagonal on a disjoint union."""
    return np.full((graph.n_nodes, graph.n_nodes), 1 / max(graph.n_nodes, 1))


@pytest.mark.parametrize("layout", ["sparse", "list", "dense"])
@pytest.mark.parametrize("kernel", [everyone, k.Power(everyone, 2), k.PersonalizedPageRank(0.5, everyone)])
def test_an_unmarked_kernel_is_computed_graph_by_graph(kernel, layout):
    batch = gn.pack(cases.graphs("mixed"), layout=layout)
    wanted = np.concatenate([kernel(graph) @ graph.nodes for graph in batch.graphs])
    np.testing.assert_allclose(batch.propagate(kernel, batch.nodes), wanted, rtol=1e-12, atol=1e-14)


def test_the_array_a_kernel_returns_stays_the_users():
    """The memo once made the user's own array read-only."""
    mine = np.eye(3)
    graph = cases.graph("no_edges")
    kept = graph.kernel(lambda graph: mine)
    assert mine.flags.writeable
    assert not kept.flags.writeable
    mine[:] = 7
    np.testing.assert_array_equal(kept, np.eye(3))


@pytest.mark.parametrize("layout", ["sparse", "list", "dense"])
def test_kernels_that_cannot_follow_traced_weights_refuse_them(layout):
    batch = gn.pack(cases.graphs("weighted"), layout=layout)
    for kernel in (k.Heat(1.0), k.Power(k.adjacency, 2), k.Chebyshev(2), k.PersonalizedPageRank(0.1)):
        with pytest.raises(TypeError, match="traced edge weights"):
            gn.grad(lambda w, K=kernel: batch.replace(weights=w).propagate(K, batch.nodes).sum())(batch.weights)

    @gn.local
    def by_scipy(graph):
        return graph.adjacency

    with pytest.raises(TypeError, match="sparse_adjacency"):
        gn.grad(lambda w: batch.replace(weights=w).propagate(by_scipy, batch.nodes).sum())(batch.weights)


@pytest.mark.parametrize(
    "kernel",
    [
        k.Heat(0.5),
        k.Power(k.laplacian, 2),
        k.Chebyshev(3),
        k.PersonalizedPageRank(0.1),
        k.Distance(2),
        k.Offset((1, 0)),
    ],
    ids=repr,
)
def test_a_kernel_with_a_setting_is_a_value(kernel):
    twin = pickle.loads(pickle.dumps(kernel))
    assert (twin, hash(twin), repr(twin)) == (kernel, hash(kernel), repr(kernel))
    assert eval(repr(kernel), vars(k)) == kernel
    assert "0x" not in repr(kernel)


def test_equal_kernels_share_one_memo_entry():
    graph = cases.graph("path")
    assert graph.kernel(k.Heat(0.5)) is graph.kernel(k.Heat(0.5))
    assert graph.kernel(k.Heat(0.5)) is not graph.kernel(k.Heat(0.25))


def test_the_chebyshev_basis_is_the_recurrence():
    graph = converted(undirected(True))
    T = [graph.kernel(kernel) for kernel in k.chebyshev_basis(4)]
    x = graph.kernel(k.ScaledLaplacian())
    np.testing.assert_allclose(x, laplacian_of_defferrard(undirected(True)) - np.eye(graph.n_nodes), atol=1e-12)
    for n in range(2, 5):
        np.testing.assert_allclose(T[n], 2 * x @ T[n - 1] - T[n - 2], atol=1e-12)


@pytest.mark.parametrize(
    ("kernel", "weights", "degree"),
    [
        (k.normalized_adjacency, [-3.0], "-2"),  # its loop adds 1
        (k.normalized_adjacency, [-1.0], "0"),
        (k.random_walk, [-2.0], "-2"),
        (k.random_walk, [1.0, -1.0], "0"),
        (k.normalized_laplacian, [0.5, -1.0], "-0.5"),
        (k.Heat(0.5, k.normalized_laplacian), [-1.0], "-1"),
        (k.Power(k.random_walk, 2), [-1.0], "-1"),
    ],
)
def test_degrees_that_are_not_positive_name_graph_and_node(kernel, weights, degree):
    m = len(weights)
    bad = gn.Graph(np.ones((3, 1)), senders=[0] * m, receivers=[1] * m, weights=weights)
    good = cases.graph("path").replace(nodes=np.ones((4, 1)))
    with pytest.raises(gn.GraphError, match=rf"graph\.weights: node 1 has weighted degree {degree};") as caught:
        bad.kernel(kernel)
    assert caught.value.index is None
    for layout in ("sparse", "list", "dense"):
        with pytest.raises(gn.GraphError, match=rf"graphs\[1\]\.weights: node 1 .* {degree};") as caught:
            gn.pack([good, bad], layout=layout).propagate(kernel, np.ones((7, 1)))
        assert (caught.value.index, caught.value.attribute) == (1, "weights")


def test_a_frozen_dataclass_of_the_user_is_a_kernel():
    batch = gn.pack(cases.graphs("two_sizes"))
    assert [K[0, 0] for K in batch.kernels(Diagonal(3.0))] == [3.0, 3.0]
    assert batch.propagate(Diagonal(3.0), batch.nodes).tolist() == (3.0 * batch.nodes).tolist()


@dataclass(frozen=True)
class Diagonal:
    value: float

    def __call__(self, graph):
        return self.value * np.eye(graph.n_nodes)


@pytest.mark.parametrize("mark", [gn.local, lambda kernel: kernel])
def test_a_sparse_array_of_the_user_may_be_changed_after_the_kernel_returned_it(mark):
    graph = converted(directed())
    mine = graph.adjacency

    def kernel(graph):
        return mine

    mark(kernel)
    batch, h = gn.pack(graph), np.ones((graph.n_nodes, 1))
    before = batch.propagate(kernel, h)
    mine.data *= 2
    np.testing.assert_array_equal(batch.propagate(kernel, h), before)


def test_a_walker_moves_and_is_never_lost():
    """`transition` moves probabilities along the arrows; `random_walk` is its transpose on symmetric weights."""
    graph = gn.from_adjacency(nx.to_numpy_array(undirected(True)))
    np.testing.assert_allclose(graph.kernel(k.transition), graph.kernel(k.random_walk).T, rtol=1e-13)
    np.testing.assert_allclose(graph.kernel(k.transition).sum(axis=0)[:-1], 1, rtol=1e-13)
    with pytest.raises(gn.GraphError, match="node 1 has weighted degree -1"):
        gn.Graph(np.ones((2, 1)), [1], [0], weights=[-1.0]).kernel(k.transition)


class TestOffset:
    graph = gn.Graph(
        np.ones((4, 1)),
        [0, 1, 2, 3, 1],
        [1, 0, 1, 1, 2],
        weights=[2, 3, 4, 5, 6],
        positions=[[0, 0], [0, 1], [0, 2], [1, 1]],
    )

    def test_it_has_the_weights_of_the_edges_that_come_from_there(self):
        right, below = self.graph.kernel(k.Offset((0, 1))), self.graph.kernel(k.Offset((1, 0)))
        assert {(*ij, v) for ij, v in np.ndenumerate(right) if v} == {(0, 1, 3.0), (1, 2, 4.0)}
        assert {(*ij, v) for ij, v in np.ndenumerate(below) if v} == {(1, 3, 5.0)}
        np.testing.assert_array_equal(self.graph.kernel(k.Offset((0, 0))), np.eye(4))

    def test_all_offsets_together_are_the_adjacency(self):
        offsets = [(0, 1), (0, -1), (1, 0), (-1, 0)]
        total = sum(self.graph.kernel(k.Offset(offset)) for offset in offsets)
        np.testing.assert_array_equal(total, self.graph.adjacency.toarray())

    def test_it_follows_edge_weights(self):
        batch = gn.pack(self.graph)

        def heard(w):
            return batch.replace(weights=w).propagate(k.Offset((0, 1)), batch.nodes).sum()

        assert gn.grad(heard)(batch.weights).tolist() == [0, 1, 1, 0, 0]
