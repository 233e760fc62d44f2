"""From and to networkx, matrices and lists of arrays; and what `pack` makes of them."""

from __future__ import annotations

import copy
import pickle

import cases
import networkx as nx
import numpy as np
import pytest
import scipy.sparse

import graphnn as gn
from graphnn import kernels as k

SPARSE = [getattr(scipy.sparse, name) for name in ("csr_array", "csc_matrix", "coo_array", "lil_array", "dok_array")]
KINDS = [nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph]
LABELS: list = [("a", 1), "b", 7, frozenset({2}), 3.5]


def labelled(kind: type) -> nx.Graph:
    """Return a graph with labels of every kind, a loop, weights, and parallel edges where it can."""
    G = kind()
    for i, label in enumerate(LABELS):
        G.add_node(label, features=[float(i), float(i**2)], charge=i % 2, other="ignored")
    pairs = [(0, 1), (3, 1), (2, 2), (1, 2), (0, 1)]
    for i, (u, v) in enumerate(pairs):
        G.add_edge(LABELS[u], LABELS[v], weight=1.0 + i, bond=[float(i), 1.0])
    return G


def edges_by_hand(G: nx.Graph) -> list[tuple]:
    """Return every (sender, receiver, weight, bond) a graph has, an undirected edge twice, a loop once."""
    number = {v: i for i, v in enumerate(G)}
    out = []
    for u, v, data in G.edges(data=True):
        out.append((number[u], number[v], data["weight"], *data["bond"]))
        if not G.is_directed() and u != v:
            out.append((number[v], number[u], data["weight"], *data["bond"]))
    return sorted(out)


@pytest.mark.parametrize("kind", KINDS)
class TestFromNetworkx:
    def test_every_edge_arrives_with_its_attributes(self, kind):
        G = labelled(kind)
        graph = gn.from_networkx(G, edges="bond", weights="weight")
        found = np.column_stack([graph.senders, graph.receivers, graph.weights, graph.edges])
        assert sorted(map(tuple, found)) == edges_by_hand(G)
        loops = (graph.senders == graph.receivers).sum()
        assert loops == 1

    def test_the_adjacency_is_that_of_networkx(self, kind):
        G = labelled(kind)
        wanted = nx.to_numpy_array(G).T  # parallel edges add there too
        np.testing.assert_array_equal(gn.from_networkx(G, weights="weight").kernel(k.adjacency), wanted)
        unweighted = gn.from_networkx(G)
        assert unweighted.weights is None
        np.testing.assert_array_equal(unweighted.kernel(k.adjacency), nx.to_numpy_array(G, weight=None).T)

    def test_rows_follow_the_order_of_the_nodes_and_names_come_back(self, kind):
        graph = gn.from_networkx(labelled(kind))
        assert graph.names == tuple(LABELS)
        np.testing.assert_array_equal(graph.nodes, [[i, i**2] for i in range(5)])

    def test_attributes_are_put_side_by_side(self, kind):
        graph = gn.from_networkx(labelled(kind), nodes=["charge", "features"], edges=("weight", "bond"))
        np.testing.assert_array_equal(graph.nodes, [[i % 2, i, i**2] for i in range(5)])
        assert graph.edges.shape[1] == 3
        np.testing.assert_array_equal(graph.edges[:, 0], graph.edges[:, 1] + 1)

    def test_the_graph_of_the_user_is_not_touched(self, kind):
        G = labelled(kind)
        before = copy.deepcopy(G)
        model = gn.Sequential(gn.GraphConv(3), gn.SumPool())
        params = model.init(0, G)
        model(params, [G, G])
        gn.pack(G, edges="bond", weights="weight")
        assert nx.utils.graphs_equal(G, before)
        assert list(G.edges(data=True)) == list(before.edges(data=True))

    def test_relabelled_and_reinserted_graphs_give_the_same_prediction(self, kind):
        G = labelled(kind)
        again = kind()
        order = [3, 0, 4, 2, 1]
        again.add_nodes_from((f"n{i}", G.nodes[LABELS[i]]) for i in order)
        for u, v, data in reversed(list(G.edges(data=True))):
            again.add_edge(f"n{LABELS.index(u)}", f"n{LABELS.index(v)}", **data)
        model = gn.Sequential(gn.GraphConv(4, gn.tanh), gn.SumPool())
        params = cases.parameters(model, gn.pack(G))
        np.testing.assert_allclose(model(params, again), model(params, G), rtol=1e-12)

    def test_the_way_there_and_back(self, kind):
        graph = gn.from_networkx(labelled(kind), edges="bond", weights="weight")
        back = gn.to_networkx(graph)
        assert isinstance(back, nx.MultiDiGraph)
        assert tuple(back) == graph.names
        again = gn.from_networkx(back, edges="features", weights="weight")
        assert again.names == graph.names
        np.testing.assert_array_equal(again.nodes, graph.nodes)
        wanted = sorted(map(tuple, np.column_stack([graph.senders, graph.receivers, graph.weights, graph.edges])))
        found = sorted(map(tuple, np.column_stack([again.senders, again.receivers, again.weights, again.edges])))
        assert found == wanted


def test_scalar_features_whole_numbers_and_booleans_are_numbers():
    G = nx.path_graph(3)
    for v in G:
        G.nodes[v].update(number=v, truth=v > 0, small=np.float32(v))
    assert gn.from_networkx(G, nodes="number").nodes.ravel().tolist() == [0, 1, 2]
    assert gn.from_networkx(G, nodes="truth").nodes.ravel().tolist() == [0, 1, 1]
    assert gn.from_networkx(G, nodes="small").dtype == np.float32
    assert gn.from_networkx(G, nodes=["number", "truth"]).dtype == np.float64


def test_a_number_and_a_vector_of_one_number_go_together():
    G = nx.path_graph(2)
    G.nodes[0]["features"], G.nodes[1]["features"] = 1.0, [2.0]
    assert gn.from_networkx(G).nodes.tolist() == [[1], [2]]


def test_no_nodes_and_no_edges_are_graphs_too():
    empty, single = nx.Graph(), nx.Graph()
    single.add_node("x", features=[1.0, 2.0, 3.0])
    chain = nx.path_graph(2)
    for v in chain:
        chain.nodes[v]["features"] = [0.0, 1.0, 2.0]
    chain.edges[0, 1].update(bond=[1.0, 2.0], weight=3.0)
    assert gn.from_networkx(empty).nodes.shape[0] == 0
    batch = gn.pack([empty, chain, single, empty], edges="bond", weights="weight")
    assert (batch.n_graphs, batch.nodes.shape, batch.edges.shape) == (4, (3, 3), (2, 2))
    assert batch.weights.tolist() == [3.0, 3.0]
    model = gn.Sequential(gn.NeuralFingerprint(4, width=2))
    params = model.init(0, batch)
    out = model(params, batch)
    np.testing.assert_array_equal(out[[0, 3]], 0)
    np.testing.assert_allclose(model(params, batch[[2, 0]]), out[[2, 0]], rtol=1e-14)


def test_a_graph_without_edges_need_not_have_edge_features():
    bonded, lone = cases.graph("path", edges=True), cases.graph("one_node")
    for graphs in ([bonded, lone], [lone, bonded]):
        assert gn.pack(graphs).edges.shape == (6, cases.EDGE_WIDTH)
    assert gn.pack([cases.graph("path"), cases.graph("one_node", edges=True)]).edges is None
    assert gn.pack([cases.graph("one_node", edges=True)] * 2).edges.shape == (0, cases.EDGE_WIDTH)


class TestPack:
    @pytest.mark.parametrize("wrap", [list, tuple, iter, lambda graphs: (g for g in graphs)])
    def test_it_takes_any_sequence_of_graphs(self, wrap):
        graphs = cases.graphs("two_sizes")
        np.testing.assert_array_equal(gn.pack(wrap(graphs)).nodes, gn.pack(graphs).nodes)

    def test_a_numpy_array_of_graphs_is_one_too(self):
        several = np.empty(2, object)
        several[:] = cases.graphs("two_sizes")
        assert gn.pack(several).n_graphs == 2

    def test_one_graph_is_a_batch_of_one(self):
        graph = cases.graph("path")
        assert gn.pack(graph).n_graphs == gn.pack([graph]).n_graphs == 1

    def test_networkx_and_graphs_mix(self):
        G = nx.path_graph(2)
        for v in G:
            G.nodes[v]["features"] = [0.0] * cases.WIDTH
        assert gn.pack([G, cases.graph("path")]).n_nodes == 6

    def test_no_graphs_are_a_batch(self):
        batch = gn.pack([])
        assert (batch.n_graphs, batch.n_nodes, batch.graphs) == (0, 0, ())
        assert gn.SumPool()({}, batch).shape == (0, 0)

    @pytest.mark.parametrize("layout", ["sparse", "list", "dense"])
    @pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array, scipy.sparse.coo_array])
    def test_two_lists_of_arrays_are_enough(self, form, layout):
        rng = np.random.default_rng(0)
        X, Ks = [rng.normal(size=(n, 2)) for n in (3, 0, 2)], [rng.normal(size=(n, n)) for n in (3, 0, 2)]
        batch = gn.pack(nodes=X, kernels=[form(K) for K in Ks], layout=layout)
        wanted = np.concatenate([K @ x for K, x in zip(Ks, X, strict=True)])
        np.testing.assert_allclose(batch.propagate(None, batch.nodes), wanted, rtol=1e-13)
        for found, K in zip(batch.kernels(), Ks, strict=True):
            np.testing.assert_array_equal(found, K)

    def test_several_kernels_are_named(self):
        X, Ks = [np.ones((2, 1))], {"a": [np.eye(2)], "b": [2 * np.eye(2)]}
        batch = gn.pack(nodes=X, kernels=Ks)
        assert batch.propagate("b", batch.nodes).tolist() == [[2], [2]]
        with pytest.raises(ValueError, match=r"several kernels, \['a', 'b'\]; name one"):
            batch.propagate(None, batch.nodes)

    def test_kernels_are_given_to_a_batch_that_is_there(self):
        batch = gn.pack(cases.graphs("path"))
        K = 2 * np.eye(4)
        np.testing.assert_array_equal(gn.pack(batch, kernels=[K]).propagate(None, batch.nodes), 2 * batch.nodes)


class TestFromAdjacency:
    matrix = np.array([[0.0, 2.0, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 0.0]])

    @pytest.mark.parametrize("form", [np.asarray, np.ndarray.tolist, *SPARSE])
    def test_there_and_back(self, form):
        graph = gn.from_adjacency(form(self.matrix))
        assert graph.n_edges == 3
        np.testing.assert_array_equal(graph.adjacency.toarray(), self.matrix)
        np.testing.assert_array_equal(graph.kernel(k.adjacency), self.matrix)
        assert graph.nodes.tolist() == [[1], [1], [1]]

    def test_duplicates_add_stored_zeros_are_no_edges_and_nothing_is_written_to(self):
        rows, columns = np.array([1, 1, 0, 2]), np.array([0, 0, 1, 2])
        mine = scipy.sparse.coo_array((np.array([1.0, 2, 4, 0]), (rows, columns)), shape=(3, 3))
        before = pickle.dumps(mine)
        graph = gn.from_adjacency(mine, nodes=np.eye(3))
        assert sorted(zip(graph.receivers, graph.senders, graph.weights, strict=True)) == [
            (0, 1, 4),
            (1, 0, 3),
        ]
        assert pickle.dumps(mine) == before
        np.testing.assert_array_equal(graph.nodes, np.eye(3))

    def test_float32_stays(self):
        graph = gn.from_adjacency(self.matrix.astype(np.float32))
        assert (graph.dtype, graph.weights.dtype) == (np.float32, np.float32)
        assert gn.from_adjacency(self.matrix.astype(int)).dtype == np.float64


def edges_of(G):
    ends = tuple if G.is_directed() else sorted
    return sorted((*ends((u, v)), data["weight"]) for u, v, data in G.edges(data=True))


class TestToNetworkx:
    @pytest.mark.parametrize("kind", [nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph], ids=lambda k: k.__name__)
    def test_every_kind_comes_back_as_it_went(self, kind):
        G = kind([("a", "b"), ("b", "c"), ("c", "c")])
        if G.is_multigraph():
            G.add_edge("a", "b")
        for i, v in enumerate(G):
            G.nodes[v]["features"] = [float(i)]
        nx.set_edge_attributes(G, 2.5, "weight")
        back = gn.to_networkx(gn.from_networkx(G, weights="weight"), kind)
        assert type(back) is kind
        assert edges_of(back) == edges_of(G)
        assert {v: G.nodes[v]["features"] for v in G} == {v: back.nodes[v]["features"].tolist() for v in back}

    def test_positions_and_globals_come_along(self):
        graph = gn.Graph(np.ones((2, 1)), positions=[[0.0, 1.0], [2.0, 3.0]], globals=[7.0])
        back = gn.to_networkx(graph)
        assert back.nodes[1]["position"].tolist() == [2.0, 3.0]
        assert back.graph["globals"].tolist() == [7.0]

    @pytest.mark.parametrize(
        ("senders", "receivers", "weights", "kind", "message"),
        [
            ([0], [1], None, nx.Graph, "the edge from 0 to 1 has no opposite"),
            ([0, 1], [1, 0], [1.0, 2.0], nx.Graph, "two edges join 1 and 0; use a multigraph or a directed kind"),
            ([0, 1], [1, 0], [1.0, 2.0], nx.MultiGraph, "no opposite with the same attributes"),
            ([0, 0], [1, 1], None, nx.DiGraph, "two edges join 0 and 1; use a multigraph"),
        ],
    )
    def test_what_the_kind_cannot_hold_is_refused(self, senders, receivers, weights, kind, message):
        graph = gn.Graph(np.ones((2, 1)), senders, receivers, weights=weights)
        with pytest.raises(gn.GraphError, match=message):
            gn.to_networkx(graph, kind)
