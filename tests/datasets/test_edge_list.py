"""Tables of edges and nodes: where columns are found, what a line may say, what is refused."""

# ruff: noqa: E501 - one row a case, so that the table can be read down
from __future__ import annotations

import networkx as nx
import pytest

from graphnn.datasets.edge_list import read_edge_list


def edges(graph):
    return [(u, v, attributes) for u, v, attributes in graph.edges(data=True)]


@pytest.fixture
def table(tmp_path):
    """Write a table and return its path."""

    def write(text, name="edges.csv"):
        (tmp_path / name).write_bytes(text.encode())
        return tmp_path / name

    return write


TABLES = {
    "commas": "a,b,2\nb,c,3\n",
    "tabs": "a\tb\t2\nb\tc\t3\n",
    "semicolons": "a;b;2\nb;c;3",
    "blanks": " a  b 2\nb c   3\n",
    "comments and empty lines": "# Nodes: 3\n\na,b,2\n# more\nb,c,3\n",
    "blanks after commas": "source, target, weight\na, b, 2\nb, c, 3\n",
    "quotes": '"a","b","2"\n"b","c","3"\n',
    "old macs": "a,b,2\rb,c,3\r",
    "windows": "\ufeffa,b,2\r\nb,c,3\r\n",
    "a header": "source,target,weight\na,b,2\nb,c,3\n",
    "another order": "weight,to,from\n2,b,a\n3,c,b\n",
    "capital letters": "Source;Target;weight\na;b;2\nb;c;3\n",
    "a header of unknown words": "gene,partner,weight\na,b,2\nb,c,3\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_the_same_network_in_many_tables(table, name):
    assert edges(read_edge_list(table(TABLES[name]))) == [("a", "b", {"weight": 2}), ("b", "c", {"weight": 3})]


def test_a_header_of_words_can_be_said_or_denied(table):
    path = table("gene,partner\na,b\n")
    assert len(read_edge_list(path).edges) == 2
    assert edges(read_edge_list(path, header=True)) == [("a", "b", {})]
    assert len(read_edge_list(table("source,target\na,b\n"), header=False)) == 4


def test_names_stay_text_and_columns_of_numbers_are_numbers(table):
    graph = read_edge_list(table("source,target,count,score,sign,code\n1,02,3,1.5,+,1_1\n02,x,,2,-,7\n"))
    assert edges(graph) == [
        ("1", "02", {"count": 3, "score": 1.5, "sign": "+", "code": "1_1"}),
        ("02", "x", {"score": 2.0, "sign": "-", "code": "7"}),
    ]
    assert isinstance(graph.edges["1", "02"]["count"], int)


def test_words_for_nothing_count_as_empty_among_numbers_only(table):
    graph = read_edge_list(table("source,target,score,symbol\na,b,1.5,NA\nb,c,NA,Na\nc,d,nan,\n"))
    assert edges(graph) == [("a", "b", {"score": 1.5, "symbol": "NA"}), ("b", "c", {"symbol": "Na"}), ("c", "d", {})]


def test_columns_can_be_named(table):
    path = table("date,who,whom\n1,a,b\n2,b,c\n")
    graph = read_edge_list(path, source="whom", target="who", directed=True)
    assert sorted(edges(graph)) == [("b", "a", {"date": 1}), ("c", "b", {"date": 2})]


def test_every_kind_of_graph(table):
    path = table("a,b,1\nb,a,2\na,b,1\na,a,5\n")
    directed = read_edge_list(path, directed=True)
    assert type(directed) is nx.DiGraph
    assert edges(directed) == [("a", "b", {"weight": 1}), ("a", "a", {"weight": 5}), ("b", "a", {"weight": 2})]
    assert type(read_edge_list(path, multigraph=True)) is nx.MultiGraph
    assert len(read_edge_list(path, multigraph=True).edges) == 4
    assert type(read_edge_list(path, multigraph=True, directed=True)) is nx.MultiDiGraph


def test_a_link_listed_both_ways_is_one_edge(table):
    assert edges(read_edge_list(table("a,b,1\nb,a,1\n"))) == [("a", "b", {"weight": 1})]


def test_nodes_come_from_their_table_in_its_order(table):
    nodes = table("id,mass,kind\nc,12,metal\na,1.5,\nd,3,salt\nb,4,salt\n", "nodes.csv")
    graph = read_edge_list(table("a,b\nb,c\n"), nodes)
    assert list(graph.nodes(data=True)) == [
        ("c", {"mass": 12.0, "kind": "metal"}),
        ("a", {"mass": 1.5}),
        ("d", {"mass": 3.0, "kind": "salt"}),
        ("b", {"mass": 4.0, "kind": "salt"}),
    ]
    assert list(nx.isolates(graph)) == ["d"]


@pytest.mark.parametrize("header", ["mass,name", "mass,Node"])
def test_the_column_of_names_is_found(table, header):
    graph = read_edge_list(table("a,b\n"), table(f"{header}\n1,a\n2,b\n", "nodes.csv"))
    assert dict(graph.nodes(data="mass")) == {"a": 1, "b": 2}


def test_the_column_of_names_can_be_named(table):
    nodes = table("id,symbol\n7,a\n8,b\n", "nodes.csv")
    assert dict(read_edge_list(table("a,b\n"), nodes, node="symbol").nodes(data="id")) == {"a": 7, "b": 8}


BAD = [
    ("a\nb\n", {}, ValueError, r"edges\.csv: line 1 has one column, wanted two"),
    ("a,b\nc,d,e\n", {}, ValueError, r"line 2 has 3 columns, line 1 has 2; .* quotes"),
    ("# a\n", {}, ValueError, "no lines but comments"),
    ("a,b\n\nc,\n", {}, ValueError, "line 3 has an empty end"),
    ('a,b\n"c,d\n', {}, ValueError, "line 2: unexpected end of data"),
    ("a,b,1\n#\nb,a,2\n", {}, ValueError, r"line 3 gives the edge 'b' - 'a' again, with {'weight': 2} where {'weight': 1} stood; .* multigraph=True, or directed=True"),
    ("source,target,w,w\na,b,1,2\n", {}, ValueError, "two columns are called 'w'"),
    ("source,target\na,b\n", {"source": "sorce"}, KeyError, r"no column 'sorce', only 'source', 'target'; did you mean 'source'"),
    ("source,target\na,b\n", {"source": "target"}, ValueError, "source and target are the same column 'target'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "settings", "error", "says"), BAD)
def test_tables_that_cannot_be_read_are_refused_with_the_line(table, text, settings, error, says):
    with pytest.raises(error, match=says):
        read_edge_list(table(text), **settings)


BAD_NODES = [
    ("id\na\nbb\n", r"line 1: node 'b' is not among the 2 of .*nodes\.csv; did you mean 'bb'\?; add it there"),
    ("id\na\nb\na\n", r"nodes\.csv: line 4 gives node 'a' a second time"),
    ("id,m\na,1\n,2\n", r"nodes\.csv: line 3 gives a node without a name"),
]


@pytest.mark.parametrize(("text", "says"), BAD_NODES)
def test_node_tables_that_do_not_fit_are_refused(table, text, says):
    with pytest.raises(ValueError, match=says):
        read_edge_list(table("a,b\n"), table(text, "nodes.csv"))
