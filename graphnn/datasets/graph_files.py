"""Graphs from files, one or a folder of them, as networkx graphs: the format is told by the suffix."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from graphnn.checks import listing, nearest
from graphnn.datasets.assembly import assemble
from graphnn.datasets.edge_list import read_edge_list
from graphnn.datasets.opening import read_bytes, read_text
from graphnn.datasets.pajek import parse_pajek

FORMATS = {
    ".graphml": "GraphML", ".gexf": "GEXF", ".gml": "GML", ".json": "node-link JSON", ".net": "Pajek",
    ".csv": "edge list", ".tsv": "edge list", ".txt": "edge list", ".edges": "edge list", ".edgelist": "edge list",
}  # fmt: skip
XML = ("GraphML", "GEXF")
TABLES = (".csv", ".tsv", ".txt")  # may as well hold the targets
PACKED = (".gz", ".zip")


def read_graph(path: str | os.PathLike) -> Any:
    """Return the networkx graph in a file: GraphML, GEXF, GML, node-link JSON, Pajek or an edge list, also packed.

    The suffix names the format: .graphml, .gexf, .gml, .json, .net, and for edge lists (see `read_edge_list`, which has
    settings) .csv, .tsv, .txt, .edges, .edgelist. A further .gz is unpacked, and a .zip that holds one file, in memory.

    Nodes are called by text in every format: the `id` of GraphML, GEXF and JSON, the label of Pajek, and in GML the
    `label` where every node has one of its own, else the `id`. Attributes are kept as numbers and text. Directed graphs
    stay directed; parallel edges make a multigraph.

    Raises ValueError naming the file and the cause, where it cannot be read: an unknown suffix, damage, an edge to a
    node that is not there, several graphs in one file. XML with a DOCTYPE is refused, for what its entities could do.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "pair.json")
    ...     _ = file.write_text('{"nodes": [{"id": 1}, {"id": 2}], "links": [{"source": 1, "target": 2, "order": 1}]}')
    ...     list(read_graph(file).edges(data=True))
    [('1', '2', {'order': 1})]
    """
    name, data = read_bytes(path)
    kind = FORMATS.get(Path(name).suffix.lower())
    if kind is None:
        known = ", ".join(FORMATS)
        raise ValueError(f"{path}: {Path(name).suffix!r} names no format of graphs; known are {known}, also with .gz")
    if kind == "edge list":
        return read_edge_list(path)
    text = "" if kind in XML else read_text(path)[1]  # XML says itself how its text is written
    try:
        if kind in XML:
            return _named_by_text(_parse_xml(data, kind))
        return _named_by_text({"GML": _parse_gml, "node-link JSON": _parse_json, "Pajek": parse_pajek}[kind](text))
    except Exception as error:  # a damaged file lets networkx fail in any way at all
        cause = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        raise ValueError(f"{path}: cannot be read as {kind}: {cause}") from error


def _parse_xml(data: bytes, kind: str) -> Any:
    from xml.etree import ElementTree

    import networkx as nx

    if b"<!DOCTYPE" in data:
        raise ValueError("it declares a DOCTYPE, which a graph has no use for; take that line out")
    root = ElementTree.fromstring(data)
    graphs = root.findall(".//{*}graph")
    if len(graphs) != 1:
        raise ValueError(f"it holds {len(graphs)} graphs, nested ones counted; wanted one")
    known = {node.get("id") for node in graphs[0].findall(".//{*}node")}
    for edge in graphs[0].findall(".//{*}edge"):  # networkx would make up the node
        for end in (edge.get("source"), edge.get("target")):
            if end not in known:
                raise ValueError(f"an edge ends at node {end!r}, which is not among the {len(known)} nodes")
    if kind == "GraphML":
        return nx.read_graphml(io.BytesIO(data))
    try:
        return nx.read_gexf(io.BytesIO(data))
    except nx.NetworkXError as error:
        raise ValueError(
            f"{error}; networkx reads GEXF 1.1 to 1.3, so open it in Gephi and export it anew, best as GraphML"
        ) from error


def _parse_gml(text: str) -> Any:
    import networkx as nx

    ascii_text = text.encode("ascii", "xmlcharrefreplace").decode("ascii")  # networkx follows the standard of 1997
    graph = nx.parse_gml(ascii_text, label="id")
    labels = {v: attributes.get("label") for v, attributes in graph.nodes(data=True)}
    if None in labels.values() or len(set(map(str, labels.values()))) < len(labels):
        return graph
    for attributes in graph.nodes.values():
        del attributes["label"]
    return nx.relabel_nodes(graph, labels)


def _parse_json(text: str) -> Any:
    data = json.loads(text)
    lists = {name: data[name] for name in ("nodes", "links", "edges") if name in data} if isinstance(data, dict) else {}
    if len(lists) != 2 or "nodes" not in lists or not all(map(_is_list_of_objects, lists.values())):
        raise ValueError(
            'wanted an object with lists of objects, "nodes" and "links" (or "edges"), as networkx.node_link_data gives'
        )
    nodes, links = lists.values()
    endless = next((link for link in links if not {"source", "target"} <= link.keys()), None)
    if endless is not None:
        raise ValueError(f'the edge {endless} wants a "source" and a "target"')
    directed = data.get("directed", False)
    if not isinstance(directed, bool):
        raise ValueError(f'"directed" is {directed!r}, wanted true or false')
    graph = assemble(
        [(str(node.get("id", i)), _without(node, "id")) for i, node in enumerate(nodes)],  # D3 numbers them from 0
        [(str(e["source"]), str(e["target"]), _without(e, "source", "target", "key")) for e in links],
        directed,
    )
    graph.graph.update(data.get("graph") or {})
    return graph


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


def _without(attributes: dict, *names: str) -> dict:
    return {name: value for name, value in attributes.items() if name not in names}


def _named_by_text(graph: Any) -> Any:
    import networkx as nx

    names = {v: str(v) for v in graph}
    if len(set(names.values())) < len(names):
        raise ValueError("two nodes are called the same once their names are text; rename one")
    return nx.relabel_nodes(graph, names)


def read_graph_folder(folder: str | os.PathLike, names: Iterable[Any] | None = None) -> dict[str, Any]:
    """Return the networkx graphs in the files of a folder, by name, in the order asked for.

    names: what to read, file names or stems ("mol1" for mol1.graphml or mol1.gml.gz), as a column of a table has them;
        None reads every graph file, by stem, in the order of the names. Files .csv, .tsv and .txt then count only where
        there are no others: beside graphs they are tables of something else.

    Raises FileNotFoundError for a name without a file, with the nearest one and how many are missing, and ValueError
    for a stem that two files have, a folder without graphs, and what `read_graph` raises.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("a", "b"):
    ...         _ = Path(folder, f"{name}.net").write_text("*Vertices 2\\n*Edges\\n1 2")
    ...     read_graph_folder(folder, ["b"])["b"].number_of_edges()
    1
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "there is no such folder"
        raise FileNotFoundError(f"{folder}: {what}; wanted a folder of graph files")
    files = {entry.name: entry for entry in sorted(folder.iterdir()) if _suffix(entry) in FORMATS or _is_zip(entry)}
    by_stem: dict[str, list[str]] = {}
    for name, file in files.items():
        by_stem.setdefault(_stem(file), []).append(name)
    if names is None:
        graphs_only = [name for name, file in files.items() if _suffix(file) not in TABLES]
        by_stem = {
            s: kept
            for s, found in by_stem.items()
            if (kept := [f for f in found if not graphs_only or f in graphs_only])
        }
        names = list(by_stem)
    wanted = [str(name) for name in names]
    if not wanted or not files:
        raise ValueError(f"{folder}: no graph files to read; known are {', '.join(FORMATS)}, also with .gz or .zip")
    missing = [name for name in wanted if name not in files and name not in by_stem]
    if missing:
        raise FileNotFoundError(
            f"{folder}: no graph file for {listing(missing)} ({len(missing)} of {len(wanted)} names)"
            f"{nearest(missing[0], by_stem)}"
        )
    graphs: dict[str, Any] = {}
    for name in dict.fromkeys(wanted):
        found = [name] if name in files else by_stem[name]
        if len(found) > 1:
            raise ValueError(f"{folder}: {name!r} may be {' or '.join(map(repr, found))}; name the file in full")
        graphs[name] = read_graph(files[found[0]])
    return graphs


def _suffix(file: Path) -> str:
    """Return the suffix that names the format, below that of the packing."""
    return (Path(file.stem) if file.suffix.lower() in PACKED else file).suffix.lower()


def _is_zip(file: Path) -> bool:
    return file.suffix.lower() == ".zip"


def _stem(file: Path) -> str:
    stem = Path(file.stem) if file.suffix.lower() in PACKED else file
    return stem.stem if stem.suffix.lower() in FORMATS else stem.name
