"""Every format written by networkx, or by hand, and read back; and every damage a file can have."""

# ruff: noqa: E501 - one row a case, so that the table can be read down
from __future__ import annotations

import gzip
import json
import warnings
import zipfile

import networkx as nx
import numpy as np
import pytest
from real_files import real_file

import graphnn as gn
from graphnn.datasets.attributes import GraphFeatures
from graphnn.datasets.graph_files import read_graph, read_graph_folder


def write_json(graph, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # networkx 3.4 announces another name for "links"
        path.write_text(json.dumps(nx.node_link_data(graph)), "utf-8")


def write_pajek(graph, path):
    lines = [f"*Vertices {len(graph)}", *(f'{i} "{v}"' for i, v in enumerate(graph, 1))]
    number = {v: i for i, v in enumerate(graph, 1)}
    lines += ["*Arcs" if graph.is_directed() else "*Edges"]
    lines += [f"{number[u]} {number[v]} {w}" for u, v, w in graph.edges(data="weight")]
    path.write_text("\n".join(lines), "utf-8")


def write_gml(graph, path):
    nx.write_gml(graph, path)


WRITE = {
    ".graphml": nx.write_graphml_xml,
    ".gexf": nx.write_gexf,
    ".gml": write_gml,
    ".json": write_json,
    ".net": write_pajek,
}


def weighted(kind, nodes, edges):
    graph = kind()
    graph.add_nodes_from(nodes)
    graph.add_weighted_edges_from(edges)
    return graph


GRAPHS = {
    "text": weighted(nx.Graph, ["a", "b c", "d"], [("a", "b c", 0.5), ("b c", "d", 2.0)]),
    "unicode": weighted(nx.Graph, ["β-catenin", "Kräuter", "水"], [("β-catenin", "水", 1.5), ("水", "Kräuter", 2.0)]),
    "numbers": weighted(nx.Graph, [3, 1, 2], [(3, 1, 1.0), (2, 1, 4.0)]),
    "directed": weighted(nx.DiGraph, "abc", [("a", "b", 1.0), ("b", "a", 2.0), ("c", "a", 3.0)]),
    "multigraph": weighted(nx.MultiGraph, "ab", [("a", "b", 1.0), ("a", "b", 2.0), ("b", "a", 3.0)]),
    "directed multigraph": weighted(nx.MultiDiGraph, "ab", [("a", "b", 1.0), ("a", "b", 2.0), ("b", "a", 1.0)]),
    "loop": weighted(nx.Graph, "ab", [("a", "a", 2.0), ("a", "b", 1.0)]),
    "isolated": weighted(nx.Graph, "abc", [("a", "c", 1.0)]),
    "no edges": weighted(nx.Graph, "ab", []),
}


def told(graph):
    """Return all that must survive: the names in their order, and the edges with their weights."""
    ends = [(str(u), str(v)) if graph.is_directed() else tuple(sorted((str(u), str(v)))) for u, v in graph.edges()]
    weights = [float(w) for _, _, w in graph.edges(data="weight")]
    return [str(v) for v in graph], graph.is_directed(), sorted(zip(ends, weights, strict=True))


@pytest.mark.parametrize("suffix", WRITE)
@pytest.mark.parametrize("name", GRAPHS)
def test_what_is_written_is_read_back(tmp_path, name, suffix):
    path = tmp_path / f"graph{suffix}"
    WRITE[suffix](GRAPHS[name], path)
    read = read_graph(path)
    assert told(read) == told(GRAPHS[name])
    assert read.is_multigraph() == ("multigraph" in name)
    assert {key for _, _, attributes in read.edges(data=True) for key in attributes} <= {"weight", "id"}


@pytest.mark.parametrize("suffix", [".graphml", ".gexf", ".gml", ".json"])
def test_the_karate_club_comes_back_with_its_attributes(tmp_path, suffix):
    club = nx.karate_club_graph()
    WRITE[suffix](club, tmp_path / f"club{suffix}")
    read = read_graph(tmp_path / f"club{suffix}")
    assert [read.nodes[str(v)]["club"] for v in club] == [club.nodes[v]["club"] for v in club]
    np.testing.assert_array_equal(nx.to_numpy_array(read), nx.to_numpy_array(club))
    assert read.graph["name"] == club.graph["name"]


@pytest.mark.parametrize("suffix", WRITE)
def test_line_ends_and_the_mark_of_windows_change_nothing(tmp_path, suffix):
    plain, windows = tmp_path / f"plain{suffix}", tmp_path / f"windows{suffix}"
    WRITE[suffix](GRAPHS["unicode"], plain)
    lines = plain.read_bytes().decode().splitlines()
    windows.write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    assert told(read_graph(windows)) == told(read_graph(plain))


@pytest.mark.parametrize("suffix", WRITE)
def test_packed_files_are_read_in_memory(tmp_path, suffix):
    plain = tmp_path / f"graph{suffix}"
    WRITE[suffix](GRAPHS["text"], plain)
    content = plain.read_bytes()
    (tmp_path / f"graph{suffix}.gz").write_bytes(gzip.compress(content))
    with zipfile.ZipFile(tmp_path / "graph.zip", "w") as archive:
        archive.writestr("__MACOSX/._graph", "")
        archive.writestr("data/", "")
        archive.writestr(f"../../outside/graph{suffix}", content)
    plain.unlink()
    before = sorted(tmp_path.rglob("*"))
    assert told(read_graph(tmp_path / f"graph{suffix}.gz")) == told(GRAPHS["text"])
    assert told(read_graph(tmp_path / "graph.zip")) == told(GRAPHS["text"])
    assert sorted(tmp_path.rglob("*")) == before
    assert not (tmp_path.parent / "outside").exists()


def test_gml_is_named_by_label_only_where_labels_tell_nodes_apart(tmp_path):
    path = tmp_path / "graph.gml"
    nodes = 'graph [ node [ id 7 label "a" ] node [ id 8 label "{}" ] edge [ source 7 target 8 ] ]'
    path.write_text(nodes.format("b"))
    assert list(read_graph(path).nodes(data=True)) == [("a", {}), ("b", {})]
    path.write_text(nodes.format("a"))
    assert list(read_graph(path).nodes(data=True)) == [("7", {"label": "a"}), ("8", {"label": "a"})]
    path.write_text('graph [ node [ id 7 label "a" ] node [ id 8 ] ]')
    assert list(read_graph(path).nodes(data=True)) == [("7", {"label": "a"}), ("8", {})]
    path.write_text("graph [ node [ id 7 ] node [ id 8 ] ]")
    assert list(read_graph(path)) == ["7", "8"]


def test_gml_may_be_raw_utf_8_as_other_programs_write_it(tmp_path):
    (tmp_path / "graph.gml").write_text('graph [ node [ id 0 label "Kräuter" ] ]', "utf-8")
    assert list(read_graph(tmp_path / "graph.gml")) == ["Kräuter"]


def test_xml_may_declare_its_own_encoding(tmp_path):
    text = '<?xml version="1.0" encoding="ISO-8859-1"?><graphml><graph edgedefault="undirected"><node id="ä"/></graph></graphml>'
    text = text.replace("<graphml>", '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">')
    (tmp_path / "graph.graphml").write_bytes(text.encode("latin-1"))
    assert list(read_graph(tmp_path / "graph.graphml")) == ["ä"]


def test_json_of_d3_counts_its_nodes(tmp_path):
    (tmp_path / "a.json").write_text('{"nodes": [{"name": "x"}, {"name": "y"}], "edges": [{"source": 1, "target": 0}]}')
    graph = read_graph(tmp_path / "a.json")
    assert dict(graph.nodes(data=True)) == {"0": {"name": "x"}, "1": {"name": "y"}}
    assert list(graph.edges) in ([("0", "1")], [("1", "0")])


def test_edge_lists_are_told_by_their_suffix(tmp_path):
    for suffix in (".csv", ".tsv", ".txt", ".edges", ".edgelist"):
        (tmp_path / f"graph{suffix}").write_text("a b 2\nb c 3\n")
        assert told(read_graph(str(tmp_path / f"graph{suffix}")))[2] == [(("a", "b"), 2.0), (("b", "c"), 3.0)]


GRAPHML = '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">{}</graphml>'
NODES = '<node id="a"/><node id="b"/>'
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
PLAIN = '<graph edgedefault="undirected">{}</graph>'

BAD = {
    "an unknown suffix": ("g.xyz", "a b", ["'.xyz' names no format", ".graphml, .gexf, .gml, .json, .net, .csv"]),
    "no suffix": ("graph", "a b", ["'' names no format"]),
    "nothing": ("g.gml", "", ["is empty (0 bytes)"]),
    "blanks": ("g.json", " \n", ["is empty (2 bytes)"]),
    "a web page": ("g.graphml", "\n<!DOCTYPE HTML><html>404</html>", ["is a web page, not data", "raw link"]),
    "a marked web page": ("g.json", "\ufeff<html>404</html>", ["is a web page, not data"]),
    "utf-16": ("g.csv", "a,b".encode("utf-16"), ["UTF-16 text", "UTF-16", "save it as UTF-8"]),
    "latin-1": ("g.gml", 'graph [\n node [ id 0 label "ä" ]\n]'.encode("latin-1"), ["line 2 is not UTF-8 text (byte 0xe4)"]),
    "no gzip": ("g.gml.gz", "graph", ["cannot be unpacked", "Not a gzipped file", "download it again"]),
    "half a gzip": ("g.gml.gz", gzip.compress(b"graph [ ]" * 99)[:30], ["cannot be unpacked", "download it again"]),
    "no zip": ("g.zip", "graph", ["cannot be unpacked", "not a zip file"]),
    "half a graphml": ("g.graphml", GRAPHML.format(NODES)[:-9], ["cannot be read as GraphML", "line 1, column"]),
    "entities": ("g.graphml", BOMB + GRAPHML.format(PLAIN.format("&b;")), ["declares a DOCTYPE", "take that line out"]),
    "entities in gexf": ("g.gexf", BOMB + "<gexf/>", ["declares a DOCTYPE"]),
    "two graphs": ("g.graphml", GRAPHML.format(2 * PLAIN.format(NODES)), ["holds 2 graphs", "wanted one"]),
    "no graph": ("g.graphml", GRAPHML.format(""), ["holds 0 graphs", "wanted one"]),
    "an unknown end": ("g.graphml", GRAPHML.format(PLAIN.format(NODES + '<edge source="a" target="c"/>')), ["node 'c'", "among the 2 nodes"]),
    "an end in gml": ("g.gml", "graph [ node [ id 0 ] edge [ source 0 target 5 ] ]", ["cannot be read as GML", "undefined target 5"]),
    "an edge twice in gml": ("g.gml", "graph [ node [ id 0 ] edge [ source 0 target 0 ] edge [ source 0 target 0 ] ]", ["edge #1", "duplicated"]),
    "no gml": ("g.gml", "hello", ["cannot be read as GML", "NetworkXError"]),
    "half a json": ("g.json", '{"nodes": [', ["cannot be read as node-link JSON", "line 1 column"]),
    "another json": ("g.json", '{"elements": {}}', ['lists of objects, "nodes" and "links"', "node_link_data"]),
    "a list as json": ("g.json", "[1]", ['lists of objects, "nodes" and "links"']),
    "numbers as nodes": ("g.json", '{"nodes": [1], "links": []}', ['lists of objects, "nodes" and "links"']),
    "links and edges": ("g.json", '{"nodes": [], "links": [], "edges": []}', ['lists of objects, "nodes" and "links"']),
    "an edge with one end": ("g.json", '{"nodes": [{"id": 1}], "links": [{"source": 1}]}', ["the edge {'source': 1} wants", '"target"']),
    "an end in json": ("g.json", '{"nodes": [{"id": 1}], "links": [{"source": 1, "target": 2}]}', ["node '2'", "among the 1 nodes"]),
    "an id twice": ("g.json", '{"nodes": [{"id": 1}, {"id": "1"}], "links": []}', ["2 nodes are called '1'", "name of its own"]),
    "directed as text": ("g.json", '{"directed": "no", "nodes": [], "links": []}', ["\"directed\" is 'no', wanted true or false"]),
    "deep json": ("g.json", "[" * 10**5, ["cannot be read as node-link JSON", "RecursionError"]),
    "pajek": ("g.net", "*Vertices 1\n2 b", ["cannot be read as Pajek", "line 2: '2' is no vertex"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_named_with_its_cause(tmp_path, case):
    name, content, says = BAD[case]
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ValueError, match=str(path)) as caught:
        read_graph(path)
    assert type(caught.value) is ValueError
    for words in says:
        assert words in str(caught.value)
    assert str(caught.value).count(str(path)) == 1


def test_a_zip_of_several_files_a_folder_and_a_missing_file_are_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.gml", "graph [ ]")
        archive.writestr("b.gml", "graph [ ]")
    with pytest.raises(ValueError, match=r"holds 2 files: 'a\.gml', 'b\.gml'; wanted one"):
        read_graph(tmp_path / "two.zip")
    with pytest.raises(ValueError, match="is a folder, wanted a file"):
        read_graph(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no such file; did you mean 'two\.zip'"):
        read_graph(tmp_path / "tow.zip")


def test_a_file_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("graphnn.datasets.opening.MOST_BYTES", 1000)
    (tmp_path / "bomb.json.gz").write_bytes(gzip.compress(b" " * 1001))
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.json", b" " * 1001)
    for name in ("bomb.json.gz", "bomb.zip"):
        with pytest.raises(ValueError, match="unpacks to more than 1000 bytes"):
            read_graph(tmp_path / name)


class TestFolder:
    def folder(self, tmp_path):
        for name in ("mol1.graphml", "mol2.gml", "mol10.json"):
            suffix = f".{name.partition('.')[2]}"
            WRITE[suffix](nx.path_graph(int(name.partition(".")[0][3:])), tmp_path / name)
        (tmp_path / "targets.csv").write_text("name,y\nmol1,3\n")
        (tmp_path / "README.md").write_text("nothing")
        return tmp_path

    def test_every_graph_by_stem_and_no_table_beside_them(self, tmp_path):
        graphs = read_graph_folder(self.folder(tmp_path))
        assert {name: len(graph) for name, graph in graphs.items()} == {"mol1": 1, "mol10": 10, "mol2": 2}

    def test_names_of_a_table_in_its_order(self, tmp_path):
        graphs = read_graph_folder(self.folder(tmp_path), ["mol2", "mol10.json", "mol2"])
        assert [(name, len(graph)) for name, graph in graphs.items()] == [("mol2", 2), ("mol10.json", 10)]

    def test_numbers_are_names_too(self, tmp_path):
        write_gml(nx.path_graph(2), tmp_path / "17.gml")
        assert len(read_graph_folder(str(tmp_path), [17])["17"]) == 2

    def test_edge_lists_where_there_is_nothing_else(self, tmp_path):
        for name in "ab":
            (tmp_path / f"{name}.csv").write_text("x,y\n")
        assert list(read_graph_folder(tmp_path)) == ["a", "b"]
        assert list(read_graph_folder(self.folder(tmp_path), ["b"])) == ["b"]

    def test_packed_files_by_the_stem_below(self, tmp_path):
        (tmp_path / "a.net.gz").write_bytes(gzip.compress(b"*Vertices 3"))
        with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
            archive.writestr("other.net", "*Vertices 2")
        assert {name: len(graph) for name, graph in read_graph_folder(tmp_path).items()} == {"a": 3, "b": 2}

    def test_missing_files_are_named_with_the_nearest(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"no graph file for 'mol3' \(1 of 2 names\); did you mean 'mol"):
            read_graph_folder(self.folder(tmp_path), ["mol1", "mol3"])
        with pytest.raises(FileNotFoundError, match=r"no graph file for '\.\./mol1'"):
            read_graph_folder(tmp_path, ["../mol1"])

    def test_a_stem_of_two_files_is_refused(self, tmp_path):
        write_gml(nx.path_graph(1), self.folder(tmp_path) / "mol1.gml")
        with pytest.raises(ValueError, match=r"'mol1' may be 'mol1\.gml' or 'mol1\.graphml'; name the file in full"):
            read_graph_folder(tmp_path)
        assert list(read_graph_folder(tmp_path, ["mol1.gml"])) == ["mol1.gml"]

    def test_a_folder_without_graphs_and_no_folder(self, tmp_path):
        with pytest.raises(ValueError, match=r"no graph files to read; known are \.graphml"):
            read_graph_folder(tmp_path)
        with pytest.raises(FileNotFoundError, match="there is no such folder"):
            read_graph_folder(tmp_path / "none")
        (tmp_path / "file").write_text("")
        with pytest.raises(FileNotFoundError, match="is a file; wanted a folder"):
            read_graph_folder(tmp_path / "file")


class TestRealFiles:
    def test_netscience(self):
        graph = read_graph(real_file("networks", "netscience.gml.zip"))
        values = [value for _, _, value in graph.edges(data="value")]
        assert (len(graph), len(values), min(values), max(values)) == (1589, 2742, 0.0526316, 4.75)
        assert next(iter(graph)) == "ABRAMSON, G"

    def test_human_net(self):
        graph = read_graph(real_file("networks", "HumanNet90_Symbol.txt"))
        scores = [score for _, _, score in graph.edges(data="weight")]
        assert (len(graph), len(scores)) == (7939, 47595)
        assert nx.number_connected_components(graph) == 285
        assert (round(min(scores), 2), round(max(scores), 2)) == (2.17, 4.26)

    def test_an_old_gexf_is_refused_with_advice(self):
        with pytest.raises(ValueError, match=r"cannot be read as GEXF: .* open it in Gephi and export it anew"):
            read_graph(real_file("networks", "diseasome.gexf.zip"))


def test_what_is_read_can_be_packed(tmp_path):
    write_gml(nx.karate_club_graph(), tmp_path / "club.gml")
    graph = GraphFeatures.learn(read_graph(tmp_path / "club.gml"), weight="weight")
    packed = gn.pack(graph(read_graph(tmp_path / "club.gml")))
    assert (packed.n_nodes, packed.n_edges) == (34, 156)
    assert packed.weights.sum() == 2 * 231
