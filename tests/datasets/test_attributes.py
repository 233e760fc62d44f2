"""The map from attributes to arrays: what is decided from data, what it then gives, what it refuses."""

# ruff: noqa: E501 - one row a case, so that the table can be read down
from __future__ import annotations

import copy
import dataclasses
import itertools
import json

import networkx as nx
import numpy as np
import pytest
import scipy.sparse

import graphnn as gn
from graphnn.datasets.attributes import GraphFeatures


def path(kind=nx.Graph, names="abc", edges=None, **attributes):
    """Return a path whose nodes have attributes, and whose edges have those of `edges`, a list of values each."""
    graph = kind()
    graph.add_nodes_from(names)
    graph.add_edges_from(itertools.pairwise(names))
    for name, values in attributes.items():
        nx.set_node_attributes(graph, {v: x for v, x in zip(names, values, strict=True) if x is not ...}, name)
    for name, values in (edges or {}).items():
        nx.set_edge_attributes(graph, dict(zip(graph.edges, values, strict=True)), name)
    return graph


CATEGORIES = [
    ("text", ["C", "N", "C"], (("z", "categories", ("C", "N")),), [[1, 0], [0, 1], [1, 0]]),
    ("one text", ["C", "C", "C"], (("z", "categories", ("C",)),), [[1], [1], [1]]),
    ("whole numbers", [1, 3, 2], (("z", "numbers", ((2.0, np.sqrt(2 / 3)),)),), np.array([[-1], [1], [0]]) * np.sqrt(1.5)),
    ("numbers", [-1.0, 1.0, 0.0], (("z", "numbers", ((0.0, np.sqrt(2 / 3)),)),), np.array([[-1], [1], [0]]) * np.sqrt(1.5)),
    ("numpy", list(np.array([1, 3, 2], np.int16)), (("z", "numbers", ((2.0, np.sqrt(2 / 3)),)),), np.array([[-1], [1], [0]]) * np.sqrt(1.5)),
    ("booleans", [True, False, True], (("z", "numbers", ((0.0, 1.0),)),), [[1], [0], [1]]),
    ("zeros and ones", [0.0, 1.0, 0.0], (("z", "numbers", ((0.0, 1.0),)),), [[0], [1], [0]]),
    ("vectors", [[0, 4.0], [1, 6.0], (0, 5.0)], (("z", "numbers", ((0.0, 1.0), (5.0, np.sqrt(2 / 3)))),), [[0, -np.sqrt(1.5)], [1, np.sqrt(1.5)], [0, 0]]),
    ("arrays", list(np.eye(3)), (("z", "numbers", ((0.0, 1.0),) * 3),), np.eye(3)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "columns", "array"), [row[1:] for row in CATEGORIES], ids=[row[0] for row in CATEGORIES]
)
def test_an_attribute_becomes_columns(values, columns, array):
    graph = path(z=values)
    features = GraphFeatures.learn(graph)
    assert features.nodes == columns
    np.testing.assert_allclose(features(graph).nodes[:, : np.shape(array)[1]], array, rtol=0, atol=1e-15)


LEFT_OUT = [
    ("names", ["x", "y", "z"], "text that differs from node to node"),
    ("constants", [2, 2.0, 2], "2 everywhere"),
    ("constant vectors", [[1, 2], [1, 2], [1, 2]], "1, 2 everywhere"),
    ("dicts", [{}, {}, {}], "neither numbers nor text on node 'a'"),
    ("matrices", [np.eye(2)] * 3, "neither numbers nor text on node 'a'"),
    ("complex numbers", [1.0, 1j, 2.0], "neither numbers nor text on node 'b'"),
    ("ragged lists", [[1, 2], [[1], 2], [1, 2]], "neither numbers nor text on node 'b'"),
    ("nothing", [None, None, None], "empty"),
]


@pytest.mark.parametrize(("values", "why"), [row[1:] for row in LEFT_OUT], ids=[row[0] for row in LEFT_OUT])
def test_what_describes_nothing_is_left_out_and_said(values, why):
    features = GraphFeatures.learn(path(z=values, id=[3, 1, 2]))
    assert features.nodes == ()
    assert features.left_out == (("nodes.z", why), ("nodes.id", "it names and does not describe"))
    assert features.node_names == ("constant", "degree", "clustering")


def test_many_different_texts_are_left_out_unless_asked_for():
    graph = path(names=range(60), z=[str(i // 2 + (i // 2) * (i % 2) * 100) for i in range(60)])
    assert GraphFeatures.learn(graph).left_out == (
        ("nodes.z", "59 different texts; name it in categories= if that is meant"),
    )
    assert len(GraphFeatures.learn(graph, categories=["z"]).node_names) == 59


def test_a_text_that_names_nodes_in_every_graph_is_no_category():
    graphs = [path(label=["C1", "C2", "O1"]), path(label=["C1", "N1", "O1"])]
    assert GraphFeatures.learn(graphs).left_out == (("nodes.label", "text that differs from node to node"),)


def test_numbers_are_categories_where_asked_for():
    graph = path(z=[6, 7.0, True])
    features = GraphFeatures.learn(graph, categories=["z"])
    assert features.node_names == ("z=1", "z=6", "z=7")
    np.testing.assert_array_equal(features(path(z=["7", "6", 1.0])).nodes, [[0, 0, 1], [0, 1, 0], [1, 0, 0]])


def test_attributes_of_edges_follow_both_arcs_and_parallel_edges():
    graph = nx.MultiGraph()
    graph.add_edge("a", "b", order=1.0, kind="x", w=5.0)
    graph.add_edge("b", "a", order=3.0, kind="y", w=6.0)
    graph.add_edge("c", "c", order=2.0, kind="x", w=7.0)
    features = GraphFeatures.learn(graph, weight="w", scale=False)
    assert features.edge_names == ("order", "kind=x", "kind=y")
    made = features(graph)
    rows = zip(made.senders, made.receivers, made.edges.tolist(), made.weights, strict=True)
    assert sorted(rows) == [
        (0, 1, [1.0, 1.0, 0.0], 5.0),
        (0, 1, [3.0, 0.0, 1.0], 6.0),
        (1, 0, [1.0, 1.0, 0.0], 5.0),
        (1, 0, [3.0, 0.0, 1.0], 6.0),
        (2, 2, [2.0, 1.0, 0.0], 7.0),
    ]


@pytest.mark.parametrize("kind", [nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph])
def test_numbers_come_out_as_from_networkx_gives_them(kind):
    rng = np.random.default_rng(0)
    graph = kind(nx.gnp_random_graph(12, 0.3, seed=1, directed=True))
    graph.add_edge(3, 3)
    graph.add_edges_from([(0, 1), (0, 1), (1, 0)])
    for v in graph:
        graph.nodes[v].update(p=rng.normal(size=2), q=float(rng.normal()))
    for _, _, data in graph.edges(data=True):
        data.update(r=rng.normal(size=3), w=float(rng.uniform(1, 2)))
    ours = GraphFeatures.learn(graph, weight="w", scale=False)(graph)
    theirs = gn.convert.from_networkx(graph, nodes=["p", "q"], edges="r", weights="w")
    for name in ("nodes", "senders", "receivers", "edges", "weights"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert ours.names == theirs.names


def test_nodes_inserted_in_another_order_only_move_the_rows():
    graph = path(mass=[1.0, 2.0, 4.0], group=["x", "y", "x"], edges={"order": [1.0, 2.0]})
    features = GraphFeatures.learn(graph)
    other = nx.Graph()
    other.add_nodes_from((v, graph.nodes[v]) for v in "cab")
    other.add_edges_from((v, u, data) for u, v, data in reversed(list(graph.edges(data=True))))
    np.testing.assert_array_equal(features(other).nodes, features(graph).nodes[[2, 0, 1]])
    order = {
        (made.names[s], made.names[r]): tuple(row)
        for made in (features(graph),)
        for s, r, row in zip(made.senders, made.receivers, made.edges, strict=True)
    }
    made = features(other)
    for s, r, row in zip(made.senders, made.receivers, made.edges, strict=True):
        assert order[made.names[s], made.names[r]] == tuple(row)


class TestScale:
    graphs = (path(mass=[12.0, 14.0, 16.0]), path(mass=[100.0, 0.0, 50.0]))

    def test_mean_and_deviation_are_those_of_the_training_graphs(self):
        features = GraphFeatures.learn(self.graphs, train=[0])
        np.testing.assert_allclose(features(self.graphs[0]).nodes.mean(), 0, atol=1e-15)
        np.testing.assert_allclose(features(self.graphs[0]).nodes.std(), 1)
        assert features == GraphFeatures.learn([self.graphs[0]])
        assert features != GraphFeatures.learn(self.graphs)

    def test_over_all_graphs_every_column_has_mean_0_and_deviation_1(self):
        features = GraphFeatures.learn(self.graphs)
        rows = np.concatenate([features(graph).nodes for graph in self.graphs])
        np.testing.assert_allclose([rows.mean(), rows.std()], [0, 1], atol=1e-15)

    def test_numbers_can_be_left_as_they_are(self):
        features = GraphFeatures.learn(self.graphs, scale=False)
        np.testing.assert_array_equal(features(self.graphs[1]).nodes, [[100], [0], [50]])

    def test_a_column_that_training_holds_constant_is_only_shifted(self):
        features = GraphFeatures.learn([path(mass=[7.0, 7.0, 7.0]), path(mass=[7.0, 9.0, 7.0])], train=[0])
        assert features.nodes == (("mass", "numbers", ((7.0, 1.0),)),)

    def test_categories_are_those_of_all_graphs(self):
        graphs = [path(z=["C", "C", "N"]), path(z=["C", "I", "C"])]
        assert GraphFeatures.learn(graphs, train=[0]) == GraphFeatures.learn(graphs)

    def test_weights_stay_as_they_are(self):
        graph = path(edges={"w": [2.0, 5.0]})
        np.testing.assert_array_equal(GraphFeatures.learn(graph, weight="w")(graph).weights, [2, 5, 2, 5])


class TestStructure:
    def test_columns_are_what_networkx_counts(self):
        graph = nx.gnp_random_graph(30, 0.2, seed=0)
        graph.add_edge(3, 3)
        graph.add_node("alone")
        nodes = GraphFeatures(structure=("constant", "degree", "clustering", "core"))(graph).nodes
        neighbours = [len(graph.adj[v]) for v in graph]
        simple = nx.Graph()
        simple.add_nodes_from(graph)
        simple.add_edges_from((u, v) for u, v in graph.edges if u != v)
        np.testing.assert_array_equal(nodes[:, 0], 1)
        np.testing.assert_allclose(nodes[:, 1], np.log(1 + np.array(neighbours)))
        np.testing.assert_allclose(nodes[:, 2], [nx.clustering(simple, v) for v in graph])
        np.testing.assert_allclose(nodes[:, 3], [np.log1p(nx.core_number(simple)[v]) for v in graph])

    def test_directed_graphs_have_two_degrees(self):
        graph = nx.MultiDiGraph()
        graph.add_edges_from([("a", "b"), ("a", "b"), ("a", "c")])
        features = GraphFeatures.learn(graph)
        assert features.node_names == ("constant", "degree", "out_degree", "clustering")
        assert GraphFeatures.learn([path(), graph]).structure == features.structure
        np.testing.assert_allclose(np.expm1(features(graph).nodes[:, 1:3]), [[0, 3], [2, 0], [1, 0]], atol=1e-15)

    def test_it_takes_the_place_of_attributes_that_tell_nothing_apart(self):
        assert GraphFeatures.learn(path(z=["C", "C", "C"])).node_names == ("z=C", "constant", "degree", "clustering")
        assert GraphFeatures.learn(path(z=["C", "N", "C"])).node_names == ("z=C", "z=N")
        assert GraphFeatures.learn(path(z=["C", "N", "C"]), structure=["core"]).node_names == ("z=C", "z=N", "core")

    def test_an_unknown_name_is_refused(self):
        with pytest.raises(KeyError, match=r"structure 'degre' is not known, only 'constant', .*did you mean 'degree'"):
            GraphFeatures(structure=("degre",))


class TestIdentity:
    def test_every_node_has_a_column_whatever_the_order(self):
        features = GraphFeatures.learn(path(mass=[1.0, 2.0, 3.0]), identity=True, scale=False)
        assert features.node_names == ("mass", "node=a", "node=b", "node=c")
        made = features(path(names="ca", mass=[3.0, 1.0]))
        np.testing.assert_array_equal(made.nodes.toscipy().toarray(), [[3, 0, 0, 1], [1, 1, 0, 0]])

    def test_features_are_sparse_and_layers_take_them(self):
        graph = nx.karate_club_graph()
        features = GraphFeatures.learn(graph, exclude=["club"], identity=True, weight="weight")
        made = features(graph)
        assert scipy.sparse.issparse(made.nodes.toscipy())
        model = gn.Sequential(gn.GraphConv(4), gn.Nodes())
        params = model.init(0, made)
        dense = made.replace(nodes=np.eye(34))
        np.testing.assert_allclose(model(params, made), model(params, dense), rtol=0, atol=1e-14)

    def test_names_of_several_graphs_are_one_vocabulary_and_strangers_are_refused(self):
        features = GraphFeatures.learn([path(names="ab"), path(names="bc")], identity=True)
        assert features.identity == ("a", "b", "c")
        with pytest.raises(gn.GraphError, match=r"graph\.nodes: node 'd' was not there when .* by name \(3 of them\)"):
            features(path(names="abd"))


def test_it_passes_through_json():
    graph = path(
        z=["C", "N", "C"], p=[[1, 2.5], [2, 3.5], [0, 1]], label=list("xyz"), edges={"w": [1.0, 2.0], "o": [1.5, 2]}
    )
    features = GraphFeatures.learn(graph, weight="w", identity=True, structure=["core"])
    again = GraphFeatures(**json.loads(json.dumps(dataclasses.asdict(features))))
    assert again == features
    assert hash(again) == hash(features)
    np.testing.assert_array_equal(again(graph).nodes.toscipy().toarray(), features(graph).nodes.toscipy().toarray())


def test_nothing_is_written_to_the_graphs():
    graph = path(z=["C", "N", "C"], p=[np.ones(2), np.zeros(2), np.ones(2)], edges={"w": [1.0, 2.0]})
    before = copy.deepcopy(graph)
    features = GraphFeatures.learn([graph], weight="w")
    features(graph)
    assert str(graph.edges(data=True)) == str(before.edges(data=True))
    assert str(graph.nodes(data=True)) == str(before.nodes(data=True))
    assert graph.graph == before.graph == {}


def test_graphs_without_nodes_or_edges_keep_their_columns():
    full = path(z=["C", "N", "C"], edges={"order": [1.0, 2.0]})
    features = GraphFeatures.learn([full, nx.Graph()])
    empty, atom = features(nx.Graph()), features(path(names="a", z=["N"]))
    assert (empty.nodes.shape, empty.edges.shape) == ((0, 2), (0, 1))
    assert (atom.nodes.shape, atom.edges.shape) == ((1, 2), (0, 1))
    assert gn.pack([features(full), empty, atom]).edges.shape == (4, 1)


def several(**last):
    return [path(z=["C", "N", "C"], q=[1.0, 2.0, 3.0], edges={"order": [1.0, 2.0]}), path(**last)]


GOOD = {"z": ["C", "N", "C"], "q": [1.0, 2.0, 3.0], "edges": {"order": [1.0, 2.0]}}
LEARN = [
    ({"q": [1.0, ..., 2.0]}, {}, gn.GraphError, r"graphs\[1\]\.nodes: node 'b' has no attribute 'q' \(2 of 3 nodes have it\); set it, or leave it out with exclude=\['q'\]"),
    ({"q": [1.0, None, 2.0]}, {}, gn.GraphError, r"graphs\[1\]\.nodes: node 'b' has no attribute 'q' \(2 of 3"),
    ({"z": ["C", ..., "C"]}, {}, gn.GraphError, r"graphs\[1\]\.nodes: node 'b' has no attribute 'z' \(2 of 3"),
    ({"edges": {}}, {}, gn.GraphError, r"graphs\[1\]\.edges: edge \('a', 'b'\) has no attribute 'order' \(0 of 2 edges"),
    ({"q": [1.0, np.nan, 2.0]}, {}, gn.GraphError, r"graphs\[1\]\.nodes: 'q' of node 'b' is nan; every number must be finite"),
    ({"q": [1.0, [1.0, 2.0], 2.0]}, {}, gn.GraphError, r"graphs\[1\]\.nodes: 'q' of node 'b' is \[1\.0, 2\.0\], wanted a number"),
    ({"q": ["1", 2.0, 3.0]}, {}, ValueError, r"attribute 'q' is a number on node 'a' of graphs\[0\] and text on node 'a' of graphs\[1\]; make it one of both"),
    ({}, {"exclude": ["zz"]}, KeyError, "no node or edge has an attribute 'zz', only 'z', 'q', 'order'; did you mean 'z'"),
    ({}, {"categories": ["Q"]}, KeyError, "no node or edge has an attribute 'Q'"),
    ({}, {"weight": "ordr"}, KeyError, "no edge has a weight 'ordr', only 'order'; did you mean 'order'"),
    ({}, {"train": [2]}, ValueError, "train names graph 2, but there are 2, from 0"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "settings", "error", "says"), LEARN)
def test_learning_refuses_by_name(changes, settings, error, says):
    with pytest.raises(error, match=says) as caught:
        GraphFeatures.learn(several(**{**GOOD, **changes}), **settings)
    assert type(caught.value) is error


def test_one_graph_is_not_called_a_list():
    with pytest.raises(gn.GraphError, match=r"^graph\.nodes: node 'b' has no attribute 'q'"):
        GraphFeatures.learn(path(q=[1.0, ..., 2.0]))
    with pytest.raises(ValueError, match=r"is a number on node 'a' and text on node 'b';"):
        GraphFeatures.learn(path(q=[1.0, "x", 2.0]))


def test_what_is_no_networkx_graph_is_refused():
    for bad, says in [
        (3, "graphs is a int, wanted a networkx graph"),
        ([path(), 3], r"graphs\[1\] is a int"),
        ("abc", r"graphs\[0\] is a str"),
        (gn.Graph(np.ones((1, 1))), "graphs is a Graph"),
    ]:
        with pytest.raises(TypeError, match=says):
            GraphFeatures.learn(bad)
    with pytest.raises(ValueError, match="got no graphs; give at least one"):
        GraphFeatures.learn([])
    with pytest.raises(TypeError, match="graph is a list, wanted a networkx graph"):
        GraphFeatures()([path()])
    with pytest.raises(ValueError, match=r"column \('z', None\): wanted \(name, 'numbers' or 'categories', values\)"):
        GraphFeatures(nodes=(("z", None),))


APPLY = [
    ({"z": ["C", "I", "C"]}, r"graph\.nodes: 'z' of node 'b' is 'I', which was not there when .* known are 'C', 'N'"),
    ({"z": ["C", ..., "C"]}, r"graph\.nodes: node 'b' has no attribute 'z' \(2 of 3 nodes have it\); set it$"),
    ({"q": [1.0, 2.0, "3"]}, r"graph\.nodes: 'q' of node 'c' is '3', wanted a number"),
    ({"q": [1.0, np.inf, 3.0]}, r"graph\.nodes: 'q' of node 'b' is inf; every number must be finite"),
    ({"q": [1, 2, 10**400]}, r"graph\.nodes: 'q' of node 'c' is 1000*, wanted a number"),
    ({"edges": {"order": [1.0, [1.0, 2.0]]}}, r"graph\.edges: 'order' of edge \('b', 'c'\) is \[1\.0, 2\.0\], wanted a number"),
    ({"edges": {}}, r"graph\.edges: edge \('a', 'b'\) has no attribute 'order' \(0 of 2 edges have it\)"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "says"), APPLY)
def test_a_new_graph_that_cannot_be_represented_is_refused_by_name(changes, says):
    features = GraphFeatures.learn(several(**GOOD))
    features(path(**GOOD, unknown=["more", "is", "fine"]))
    with pytest.raises(gn.GraphError, match=says):
        features(path(**{**GOOD, **changes}))


def test_a_weight_is_one_number():
    graph = path(edges={"w": [1.0, 2.0]})
    features = GraphFeatures.learn(graph, weight="w")
    for values, says in [
        (["x", 1.0], "'w' of edge .* is 'x', wanted a number"),
        ([[1, 2], 1.0], r"'w' of edge .* is \[1, 2\], wanted"),
    ]:
        with pytest.raises(gn.GraphError, match=rf"graph\.weights: {says}"):
            features(path(edges={"w": values}))
