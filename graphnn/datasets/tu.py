"""Folders in the text format of the TU collection (Morris et al. 2020, arXiv:2007.08663): many graphs in few files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from graphnn.checks import listing
from graphnn.datasets.opening import read_text


class TUData(NamedTuple):
    """A TU folder: its name, the networkx graphs, a class for each and numbers for each (n, k), or None.

    labels: (n,) int64, 0, 1, ..., the place of a graph's class in `classes`, which are as the file has them: -1 and 1
    """

    name: str
    graphs: list[Any]
    labels: np.ndarray | None
    targets: np.ndarray | None
    classes: tuple[int, ...] = ()

    def __repr__(self) -> str:
        counts = [] if self.labels is None else np.bincount(self.labels).tolist()
        classes = ", ".join(f"{n} of class {label}" for label, n in zip(self.classes, counts, strict=True))
        values = "" if self.targets is None else f"{self.targets.shape[1]} targets"
        return f"TUData({', '.join(filter(None, [self.name, f'{len(self.graphs)} graphs', classes, values]))})"


def read_tu(folder: str | os.PathLike) -> TUData:
    """Return the graphs of a folder with DS_A.txt, DS_graph_indicator.txt and what else there is, DS any name.

    DS_A.txt             two node numbers a line, an edge; nodes are numbered from 1 over all graphs
    DS_graph_indicator   for each node the number of its graph, from 1
    DS_graph_labels      a class for each graph, by any whole numbers: `classes`, and `labels` that count from 0
    DS_graph_attributes  numbers for each graph: `targets`
    DS_node_labels       node attribute "label", as text, for it names a category ("label0", "label1" for two columns)
    DS_node_attributes   node attributes "a0", "a1", ...
    DS_edge_labels, DS_edge_attributes   the same for the edges, in the order of DS_A.txt

    Nodes are called by their number in the file, as text. Where every edge is listed in both directions, with the same
    labels, the graphs are nx.Graph, else nx.DiGraph; a line that repeats another is taken once.

    Raises FileNotFoundError for a missing file, and ValueError naming file and line for other text, other numbers of
    lines, an edge between two graphs, and an edge listed twice with different labels.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "P_A.txt").write_text("1, 2\\n2, 1\\n")
    ...     _ = Path(folder, "P_graph_indicator.txt").write_text("1\\n1\\n2\\n")
    ...     _ = Path(folder, "P_graph_labels.txt").write_text("-1\\n1\\n")
    ...     read_tu(folder)
    TUData(P, 2 graphs, 1 of class -1, 1 of class 1)
    """
    import networkx as nx

    prefix = _prefix(Path(folder))
    graph_of = _whole(prefix, "graph_indicator")[:, 0]
    pairs = _whole(prefix, "A", columns=2)
    labels, targets = _optional(prefix, "graph_labels"), _numbers(prefix, "graph_attributes")
    n_nodes, n_graphs = (
        len(graph_of),
        max(graph_of.max(initial=0), *(len(t) for t in (labels, targets) if t is not None), 0),
    )
    for table, lines, what in ((labels, n_graphs, "graph_labels"), (targets, n_graphs, "graph_attributes")):
        _check_lines(prefix, what, table, lines, "graph")
    _check_range(prefix, "graph_indicator", graph_of, n_graphs, "graphs")
    _check_range(prefix, "A", pairs, n_nodes, "nodes")
    apart = np.flatnonzero(graph_of[pairs[:, 0] - 1] != graph_of[pairs[:, 1] - 1])
    if len(apart):
        u, v = pairs[apart[0]]
        raise ValueError(f"{prefix}_A.txt: line {apart[0] + 1} joins node {u} and node {v}, which are of two graphs")

    nodes = _attributes(prefix, "node", n_nodes)
    edges = _attributes(prefix, "edge", len(pairs))
    first = _first_lines(prefix, pairs, edges)
    undirected = all((v, u) in first and edges[first[v, u]] == edges[k] for (u, v), k in first.items())
    graphs = [nx.Graph() if undirected else nx.DiGraph() for _ in range(n_graphs)]
    for i, (g, attributes) in enumerate(zip(graph_of.tolist(), nodes, strict=True), 1):
        graphs[g - 1].add_node(str(i), **attributes)
    for (u, v), k in first.items():
        graphs[graph_of[u - 1] - 1].add_edge(str(u), str(v), **edges[k])
    if labels is None:
        return TUData(Path(prefix).name, graphs, None, targets)
    classes, places = np.unique(labels[:, 0], return_inverse=True)
    return TUData(Path(prefix).name, graphs, places.astype(np.int64), targets, tuple(classes.tolist()))


def _prefix(folder: Path) -> str:
    """Return the path of the files up to the underscore: .../MUTAG/MUTAG."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: there is no such folder; unpack the archive and name the folder in it")
    found = sorted(file.name for file in folder.iterdir() if file.name.endswith("_A.txt"))
    if len(found) != 1:
        what = listing(found) if found else f"none among {listing(sorted(file.name for file in folder.iterdir()))}"
        raise FileNotFoundError(f"{folder}: wanted one file that ends in _A.txt, found {what}")
    return str(folder / found[0].removesuffix("_A.txt"))


def _table(prefix: str, what: str, dtype: type) -> np.ndarray:
    """Return a file of numbers set apart by commas, (lines, columns)."""
    path = f"{prefix}_{what}.txt"
    text = read_text(path)[1]
    rows = [line.split(",") for line in text.rstrip("\n").split("\n")]
    for number, row in enumerate(rows, 1):
        try:
            values = [dtype(cell) for cell in row]
        except ValueError:
            wanted = "a whole number" if dtype is int else "a number"
            raise ValueError(f"{path}: line {number} is {','.join(row)!r}, wanted {wanted} in each column") from None
        if len(values) != len(rows[0]):
            raise ValueError(f"{path}: line {number} has {len(values)} columns, line 1 has {len(rows[0])}")
        row[:] = values
    try:
        return np.array(rows, dtype)
    except OverflowError:
        raise ValueError(f"{path}: holds a whole number beyond 64 bits; check the file") from None


def _whole(prefix: str, what: str, columns: int = 1) -> np.ndarray:
    table = _table(prefix, what, int)
    if table.shape[1] != columns:
        raise ValueError(f"{prefix}_{what}.txt: has {table.shape[1]} columns, wanted {columns}")
    return table


def _optional(prefix: str, what: str) -> np.ndarray | None:
    return _table(prefix, what, int) if Path(f"{prefix}_{what}.txt").exists() else None


def _numbers(prefix: str, what: str) -> np.ndarray | None:
    return _table(prefix, what, float) if Path(f"{prefix}_{what}.txt").exists() else None


def _attributes(prefix: str, unit: str, lines: int) -> list[dict[str, Any]]:
    """Return the attributes of every node, or of every line of DS_A.txt."""
    rows: list[dict[str, Any]] = [{} for _ in range(lines)]
    labels, numbers = _optional(prefix, f"{unit}_labels"), _numbers(prefix, f"{unit}_attributes")
    _check_lines(prefix, f"{unit}_labels", labels, lines, unit)
    _check_lines(prefix, f"{unit}_attributes", numbers, lines, unit)
    if labels is not None:
        names = ["label"] if labels.shape[1] == 1 else [f"label{c}" for c in range(labels.shape[1])]
        for row, values in zip(rows, labels.tolist(), strict=True):
            row.update(zip(names, map(str, values), strict=True))
    if numbers is not None:
        for row, values in zip(rows, numbers.tolist(), strict=True):
            row.update({f"a{c}": value for c, value in enumerate(values)})
    return rows


def _first_lines(prefix: str, pairs: np.ndarray, edges: list[dict]) -> dict[tuple[int, int], int]:
    """Return for every edge its first line (from 0) of DS_A.txt; a repetition must say the same."""
    first: dict[tuple[int, int], int] = {}
    for k, (u, v) in enumerate(pairs.tolist()):
        before = first.setdefault((u, v), k)
        if edges[before] != edges[k]:
            raise ValueError(
                f"{prefix}_A.txt: line {k + 1} lists the edge {u}, {v} of line {before + 1} again, with {edges[k]} "
                f"where that has {edges[before]}; take one out"
            )
    return first


def _check_lines(prefix: str, what: str, table: np.ndarray | None, lines: int, unit: str) -> None:
    if table is not None and len(table) != lines:
        raise ValueError(f"{prefix}_{what}.txt: has {len(table)} lines, wanted {lines}, one for each {unit}")


def _check_range(prefix: str, what: str, table: np.ndarray, most: int, unit: str) -> None:
    bad = np.argwhere((table < 1) | (table > most))
    if len(bad):
        number = table[tuple(bad[0])]
        raise ValueError(
            f"{prefix}_{what}.txt: line {bad[0][0] + 1} names number {number}, but there are {most} {unit}, from 1"
        )
