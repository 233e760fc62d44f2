"""TU folders: what every file means, and every way they can contradict one another."""

# ruff: noqa: E501 - one row a case, so that the table can be read down
from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from real_files import real_file

from graphnn.datasets.attributes import GraphFeatures
from graphnn.datasets.tu import read_tu

FILES = {
    "A": "1, 2\n2, 1\n4, 5\n5, 4\n5, 5\n",
    "graph_indicator": "1\n1\n3\n3\n3\n",
    "graph_labels": "-1\n1\n2\n",
    "graph_attributes": "0.5, 1\n1.5, 2\n2.5, 3\n",
    "node_labels": "0\n1\n0\n0\n7\n",
    "node_attributes": "0.1, 1\n0.2, 2\n0.3, 3\n0.4, 4\n0.5, 5\n",
    "edge_labels": "1\n1\n2\n2\n3\n",
    "edge_attributes": "1.5\n1.5\n2.5\n2.5\n3.5\n",
}


@pytest.fixture
def folder(tmp_path):
    """Write a TU folder, with some files changed or (None) missing."""

    def write(**changes):
        for name, text in (FILES | changes).items():
            path = tmp_path / f"TOY_{name}.txt"
            path.unlink(missing_ok=True)
            if text is not None:
                path.write_text(text)
        return tmp_path

    return write


def test_every_file_is_read(folder):
    data = read_tu(folder())
    assert data.name == "TOY"
    np.testing.assert_array_equal(data.labels, [0, 1, 2])
    assert data.classes == (-1, 1, 2)
    np.testing.assert_array_equal(data.targets, [[0.5, 1], [1.5, 2], [2.5, 3]])
    assert [type(graph) for graph in data.graphs] == [nx.Graph] * 3
    assert [list(graph) for graph in data.graphs] == [["1", "2"], [], ["3", "4", "5"]]
    assert data.graphs[2].nodes["5"] == {"label": "7", "a0": 0.5, "a1": 5.0}
    assert list(data.graphs[2].edges(data=True)) == [
        ("4", "5", {"label": "2", "a0": 2.5}),
        ("5", "5", {"label": "3", "a0": 3.5}),
    ]
    assert repr(data) == "TUData(TOY, 3 graphs, 1 of class -1, 1 of class 1, 1 of class 2, 2 targets)"


@pytest.mark.parametrize(
    ("lines", "classes", "places"), [("1\n-1\n1\n", (-1, 1), [1, 0, 1]), ("7\n1\n3\n", (1, 3, 7), [2, 0, 1])]
)
def test_labels_count_from_0_whatever_the_file_calls_the_classes(folder, lines, classes, places):
    data = read_tu(folder(graph_labels=lines))
    assert (data.classes, data.labels.tolist(), data.labels.dtype) == (classes, places, np.int64)


def test_what_is_optional_may_be_missing(folder):
    path = folder(**dict.fromkeys(FILES.keys() - {"A", "graph_indicator"}))
    data = read_tu(str(path))
    assert (data.labels, data.targets) == (None, None)
    assert [len(graph) for graph in data.graphs] == [2, 0, 3]
    assert data.graphs[0].edges["1", "2"] == {}
    assert repr(data) == "TUData(TOY, 3 graphs)"


def test_several_columns_of_labels(folder):
    data = read_tu(folder(node_labels="0,1\n1,1\n0,2\n0,2\n7,3\n"))
    assert data.graphs[0].nodes["1"] == {"label0": "0", "label1": "1", "a0": 0.1, "a1": 1.0}


@pytest.mark.parametrize(
    "changes",
    [
        {"A": "1, 2\n2, 1\n4, 5\n4, 3\n5, 5\n"},
        {"edge_labels": "1\n9\n2\n2\n3\n"},
        {"edge_attributes": "1.5\n9\n2.5\n2.5\n3.5\n"},
    ],
)
def test_edges_that_differ_from_their_opposite_make_directed_graphs(folder, changes):
    data = read_tu(folder(**changes))
    assert [type(graph) for graph in data.graphs] == [nx.DiGraph] * 3
    assert sum(graph.number_of_edges() for graph in data.graphs) == 5


def test_a_line_that_says_the_same_again_is_taken_once(folder):
    again = {"A": FILES["A"] + "1,2\n", "edge_labels": FILES["edge_labels"] + "1\n"}
    data = read_tu(folder(**again, edge_attributes=None))
    assert data.graphs[0].number_of_edges() == 1


def test_nodes_may_be_listed_out_of_order(folder):
    data = read_tu(folder(graph_indicator="3\n3\n1\n1\n1\n", graph_labels="5\n6\n7\n"))
    assert [list(graph) for graph in data.graphs] == [["3", "4", "5"], [], ["1", "2"]]


BAD = [
    ({"A": "1, 2\n2, x\n"}, r"TOY_A\.txt: line 2 is '2, x', wanted a whole number"),
    ({"A": "1, 2\n2, 99999999999999999999\n"}, r"TOY_A\.txt: holds a whole number beyond 64 bits"),
    ({"A": "1, 2\n2\n"}, r"TOY_A\.txt: line 2 has 1 columns, line 1 has 2"),
    ({"A": "1\n2\n"}, r"TOY_A\.txt: has 1 columns, wanted 2"),
    ({"A": "1, 2\n0, 1\n2, 1\n4, 5\n5, 4\n"}, r"TOY_A\.txt: line 2 names number 0, but there are 5 nodes, from 1"),
    ({"A": "1, 2\n2, 6\n2, 1\n4, 5\n5, 4\n"}, r"TOY_A\.txt: line 2 names number 6, but there are 5 nodes"),
    ({"A": "1, 2\n2, 3\n2, 1\n4, 5\n5, 4\n"}, r"TOY_A\.txt: line 2 joins node 2 and node 3, which are of two graphs"),
    ({"A": "1, 2\n2, 1\n4, 5\n5, 4\n4, 5\n"}, r"TOY_A\.txt: line 5 lists the edge 4, 5 of line 3 again, with .*'3'.* where that has .*'2'"),
    ({"graph_indicator": "0\n1\n3\n3\n3\n"}, r"indicator\.txt: line 1 names number 0, but there are 3 graphs, from 1"),
    ({"graph_indicator": ""}, r"TOY_graph_indicator\.txt: is empty"),
    ({"graph_labels": "1\n2\n"}, r"TOY_graph_labels\.txt: has 2 lines, wanted 3, one for each graph"),
    ({"graph_labels": "1\n2.5\n3\n"}, r"TOY_graph_labels\.txt: line 2 is '2\.5', wanted a whole number"),
    ({"graph_attributes": "1\nno\n3\n"}, r"graph_attributes\.txt: line 2 is 'no', wanted a number"),
    ({"node_labels": "1\n"}, r"TOY_node_labels\.txt: has 1 lines, wanted 5, one for each node"),
    ({"node_attributes": "1\n"}, r"TOY_node_attributes\.txt: has 1 lines, wanted 5, one for each node"),
    ({"edge_labels": "1\n"}, r"TOY_edge_labels\.txt: has 1 lines, wanted 5, one for each edge"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "says"), BAD)
def test_contradictions_are_refused_with_file_and_line(folder, changes, says):
    with pytest.raises(ValueError, match=says):
        read_tu(folder(**changes))


def test_missing_files_are_named(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"wanted one file that ends in _A\.txt, found none among"):
        read_tu(folder(A=None))
    with pytest.raises(FileNotFoundError, match=r"TOY_graph_indicator\.txt: there is no such file"):
        read_tu(folder(graph_indicator=None))
    (tmp_path / "SECOND_A.txt").write_text("")
    with pytest.raises(FileNotFoundError, match=r"found 'SECOND_A\.txt', 'TOY_A\.txt'"):
        read_tu(folder())
    with pytest.raises(FileNotFoundError, match="there is no such folder; unpack the archive"):
        read_tu(tmp_path / "none")


def test_mutag_is_what_its_authors_counted():
    data = read_tu(real_file("TUDataset", "MUTAG"))
    assert repr(data) == "TUData(MUTAG, 188 graphs, 63 of class -1, 125 of class 1)"
    assert {type(graph) for graph in data.graphs} == {nx.Graph}
    assert (data.classes, np.bincount(data.labels).tolist()) == ((-1, 1), [63, 125])
    features = GraphFeatures.learn(data.graphs)
    assert features.node_names == tuple(f"label={i}" for i in range(7))
    assert features.edge_names == tuple(f"label={i}" for i in range(4))
    graphs = [features(graph) for graph in data.graphs]
    assert sum(graph.n_nodes for graph in graphs) == 3371
    assert sum(graph.n_edges for graph in graphs) == 7442
    lines = real_file("TUDataset", "MUTAG", "MUTAG_node_labels.txt").read_text().split()
    np.testing.assert_array_equal(
        np.concatenate([graph.nodes.argmax(axis=1) for graph in graphs]), np.array(lines, int)
    )
    bonds = np.array(real_file("TUDataset", "MUTAG", "MUTAG_edge_labels.txt").read_text().split(), int)
    np.testing.assert_array_equal(sum(graph.edges.sum(axis=0) for graph in graphs), np.bincount(bonds))
