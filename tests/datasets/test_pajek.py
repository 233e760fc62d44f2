"""Pajek's format against networkx where that reads it right, and by hand where it does not."""

from __future__ import annotations

import networkx as nx
import pytest

from graphnn.datasets.pajek import parse_pajek


def edges(graph):
    return sorted(graph.edges(data=True), key=str)


@pytest.mark.parametrize("kind", [nx.Graph, nx.DiGraph])
def test_what_networkx_writes_is_read_as_networkx_reads_it(kind):
    graph = kind()
    graph.add_nodes_from(["Ann", "Bob C", "Dora"], colour="red", size="2")
    graph.add_weighted_edges_from([("Ann", "Bob C", 0.5), ("Dora", "Ann", 2.0), ("Dora", "Dora", 1.0)])
    lines = list(nx.generate_pajek(graph))
    ours, theirs = parse_pajek("\n".join(lines)), nx.parse_pajek(lines)
    assert type(ours) is kind
    assert list(ours) == list(theirs) == ["Ann", "Bob C", "Dora"]
    assert edges(ours) == edges(kind(theirs))
    assert ours.nodes["Bob C"] == {"colour": "red", "size": 2.0}


def test_arcs_and_edges_in_one_file():
    graph = parse_pajek("*Network x\n*Vertices 3\n*Arcs\n1 2 5\n*Edges\n2 3 7 l tie\n3 3\n")
    assert type(graph) is nx.DiGraph
    assert edges(graph) == [
        ("1", "2", {"weight": 5.0}),
        ("2", "3", {"weight": 7.0, "l": "tie"}),
        ("3", "2", {"weight": 7.0, "l": "tie"}),
        ("3", "3", {}),
    ]


def test_an_empty_section_makes_nothing_directed():
    assert type(parse_pajek("*Vertices 2\n*Arcs\n*Edges\n1 2 1\n")) is nx.Graph


def test_lists_of_arcs_and_edges():
    assert edges(parse_pajek("*Vertices 3\n*Arcslist\n1 2 3\n2 1\n")) == [
        ("1", "2", {}),
        ("1", "3", {}),
        ("2", "1", {}),
    ]
    assert edges(parse_pajek("*Vertices 3\n*Edgeslist\n1 2 3\n")) == [("1", "2", {}), ("1", "3", {})]


def test_parallel_edges_are_kept():
    assert type(parse_pajek("*Vertices 2\n*Edges\n1 2 1\n2 1 1\n")) is nx.MultiGraph
    assert type(parse_pajek("*Vertices 2\n*Arcs\n1 2 1\n2 1 1\n")) is nx.DiGraph
    assert type(parse_pajek("*Vertices 2\n*Arcs\n1 2 1\n1 2 1\n")) is nx.MultiDiGraph


VERTICES = [
    ('1 "O\'Brien, J"', "O'Brien, J", {}),
    ("1 a 0.1 0.2", "a", {}),
    ("1 a 0.1 0.2 0.5", "a", {}),
    ("1 a 0.1 0.2 0.5 box", "a", {}),
    ("1 a 0.1 0.2 ellipse ic Red x_fact 2", "a", {"ic": "Red", "x_fact": 2.0}),
    ("1 a 0.1 0.2 0.5 ic Red", "a", {"ic": "Red"}),
    ("1 a ic Red", "a", {"ic": "Red"}),
    ("1 a box", "a", {}),
    ("1", "1", {}),
    ("% 1 a", "1", {}),
    ("", "1", {}),
]


@pytest.mark.parametrize(("line", "name", "attributes"), VERTICES)
def test_vertices(line, name, attributes):
    assert list(parse_pajek(f"*vertices 1\n{line}\n").nodes(data=True)) == [(name, attributes)]


BAD = [
    ("", r"there is no \*Vertices n"),
    ("hello", r"line 1: 'hello' comes before \*Vertices"),
    ("*Edges\n1 2", r"line 2: '1 2' comes before \*Vertices"),
    ("*Vertices x", r"line 1: '\*Vertices x' is not understood"),
    ("*Vertices 99999999999", "line 1: 99999999999 vertices are more than"),
    ("*Vertices 1\n*Vertices 1", r"line 2: '\*Vertices 1' is not understood; wanted one network"),
    ("*Vertices 2\n*Matrix\n0 1\n1 0", r"line 2: '\*Matrix' is not understood"),
    ('*Vertices 2\n*Arcs :1 "advice"\n1 2', "line 2: .* is not understood; .* one relation, alone"),
    ("*Vertices 1\n*Partition x\n1", r"line 2: '\*Partition x' is not understood"),
    ("*Vertices 2\n1 a\n1 b", "line 3: vertex 1 comes a second time"),
    ("*Vertices 2\n1 a\n2 a", "2 nodes are called 'a'; give every node a name of its own"),
    ("*Vertices 2\n1 a\n3 b", "line 3: '3' is no vertex; there are 2, from 1 to 2"),
    ("*Vertices 2\n*Edges\n1 3", "line 3: '3' is no vertex"),
    ("*Vertices 2\n*Edges\n0 1", "line 3: '0' is no vertex; there are 2, from 1 to 2"),
    ("*Vertices 2\n*Edges\n1 b", "line 3: 'b' is no vertex"),
    ("*Vertices 2\n*Edges\n1", "line 3: '1' is one vertex, wanted the two"),
    ("*Vertices 2\n*Edges\n1 2 heavy", "line 3: wanted from, to, weight and pairs .* got '1 2 heavy'"),
    ("*Vertices 2\n*Edges\n1 2 1 c", "line 3: wanted from, to, weight and pairs"),
]


@pytest.mark.parametrize(("text", "says"), BAD)
def test_what_is_not_understood_is_refused_with_the_line(text, says):
    with pytest.raises(ValueError, match=says):
        parse_pajek(text)
