"""A network as a table of edges, and if wanted a table of its nodes: CSV, TSV, or columns set apart by blanks."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from graphnn.checks import listing, nearest
from graphnn.datasets.assembly import empty_graph
from graphnn.datasets.opening import read_text

ENDS = (("source", "target"), ("from", "to"), ("sender", "receiver"), ("node1", "node2"), ("u", "v"))
NAMES = ("id", "node", "name")
NOTHING = ("", "NA", "N/A", "NaN", "nan", "null", "None")  # in a column of numbers; "Na" is sodium

Path = str | os.PathLike


def read_edge_list(
    edges: Path,
    nodes: Path | None = None,
    *,
    source: str | None = None,
    target: str | None = None,
    node: str | None = None,
    header: bool | None = None,
    directed: bool = False,
    multigraph: bool = False,
) -> Any:
    """Return the networkx graph of a table with a line for each edge; nodes are called by the text in the table.

    edges: the table. Columns are set apart by tabs, commas, semicolons or blanks, whichever the first line has; lines
        that begin with # are comments. The two ends are the columns called `source` and `target`; by default a pair
        called source and target, from and to, sender and receiver, node1 and node2, or u and v, else the first two.
        Every other column becomes an edge attribute; without a header the third is called "weight".
    nodes: a table with a line for each node, with header: the column `node` (by default one called id, node or name,
        else the first) is the name, the others become attributes. It gives the order of the nodes, and is the only
        way to have nodes without edges; without it the nodes are those of the edges, as they appear.
    header: whether the first line of `edges` is one. By default it is where it names a pair of ends as above, or where
        it has text in a column that holds only numbers further down.
    directed: whether an edge goes only from its source to its target
    multigraph: whether parallel edges are kept. A simple graph takes a line that says the same twice once (also with
        the ends exchanged, unless directed), and refuses a pair that comes with different attributes.

    A column of numbers gives numbers, any other text. An empty cell gives no attribute, nor does NA, NaN, null or None
    in a column of numbers.

    Raises ValueError with the line for uneven lines, an empty end, a node twice in the table or not in it, KeyError for
    a column that is not there, and what `read_text` raises.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = pathlib.Path(folder, "genes.tsv")
    ...     _ = table.write_text("TP53\\tMDM2\\t4.1\\nTP53\\tATM\\t3.2\\n")
    ...     read_edge_list(table).edges["TP53", "ATM"]
    {'weight': 3.2}
    """
    graph = empty_graph(directed, parallel=multigraph)
    if nodes is not None:
        _add_nodes(graph, _read_table(nodes, True), node)
    table = _read_table(edges, header)
    if len(table.names) < 2:
        raise ValueError(f"{edges}: line {table.lines[0]} has one column, wanted two, the ends of an edge")
    pair = next((pair for pair in ENDS if set(pair) <= {name.lower() for name in table.names}), None)
    first = table.column(source, pair[:1] if pair else (), 0)
    second = table.column(target, pair[1:] if pair else (), 1)
    if first == second:
        raise ValueError(f"{edges}: source and target are the same column {table.names[first]!r}; name both")
    for line, row, attributes in table.records({first, second}):
        ends = row[first], row[second]
        for end in ends:
            if not end:
                raise ValueError(f"{edges}: line {line} has an empty end; an edge joins two named nodes")
            if nodes is not None and end not in graph:
                raise ValueError(
                    f"{edges}: line {line}: node {end!r} is not among the {len(graph)} of {nodes}"
                    f"{nearest(end, graph)}; add it there or take the line out"
                )
        if not multigraph and graph.has_edge(*ends):
            if graph.edges[ends] != attributes:
                remedy = "multigraph=True" if directed else "multigraph=True, or directed=True where direction counts"
                raise ValueError(
                    f"{edges}: line {line} gives the edge {ends[0]!r} - {ends[1]!r} again, with {attributes} where "
                    f"{graph.edges[ends]} stood; take one out, or pass {remedy}"
                )
            continue
        graph.add_edge(*ends, **attributes)
    return graph


def _add_nodes(graph: Any, table: _Table, node: str | None) -> None:
    number = table.column(node, NAMES, 0)
    for line, row, attributes in table.records({number}):
        name = row[number]
        if not name or name in graph:
            what = f"node {name!r} a second time" if name else "a node without a name"
            raise ValueError(f"{table.path}: line {line} gives {what}; every node has one line and a name of its own")
        graph.add_node(name, **attributes)


class _Table(NamedTuple):
    """The names of the columns, the cells of every row, and the lines the rows stand on."""

    path: Path
    names: list[str]
    rows: list[list[str]]
    lines: list[int]

    def column(self, wanted: str | None, usual: Sequence[str], otherwise: int) -> int:
        """Return the number of the column called `wanted`, else of one that is usual, else `otherwise`."""
        if wanted is not None and wanted not in self.names:
            raise KeyError(
                f"{self.path}: no column {wanted!r}, only {listing(self.names)}{nearest(wanted, self.names)}"
            )
        lower = [name.lower() for name in self.names]
        found = [self.names.index(wanted)] if wanted is not None else [lower.index(u) for u in usual if u in lower]
        return found[0] if found else otherwise

    def records(self, without: set[int]) -> list[tuple[int, list[str], dict[str, Any]]]:
        """Return for every row its line, its cells, and its attributes: the cells of the other columns, by name."""
        kept = [i for i in range(len(self.names)) if i not in without]
        columns = [_values([row[i] for row in self.rows]) for i in kept]
        return [
            (
                line,
                row,
                {self.names[i]: column[k] for i, column in zip(kept, columns, strict=True) if column[k] is not None},
            )
            for k, (line, row) in enumerate(zip(self.lines, self.rows, strict=True))
        ]


def _read_table(path: Path, header: bool | None) -> _Table:
    text = read_text(path)[1]
    numbered = [(i, line) for i, line in enumerate(text.split("\n"), 1) if line.strip() and not line.startswith("#")]
    if not numbered:
        raise ValueError(f"{path}: has no lines but comments")
    separator = next((mark for mark in "\t,;" if mark in numbered[0][1]), None)
    rows, lines = [], []
    if separator is None:
        rows, lines = [line.split() for _, line in numbered], [i for i, _ in numbered]
    else:
        reader = csv.reader((line for _, line in numbered), delimiter=separator, strict=True)
        try:
            for row in reader:
                rows.append([cell.strip() for cell in row])
                lines.append(numbered[reader.line_num - 1][0])
        except csv.Error as error:
            raise ValueError(f"{path}: line {numbered[reader.line_num - 1][0]}: {error}") from None
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(rows[0]):
            raise ValueError(
                f"{path}: line {line} has {len(row)} columns, line {lines[0]} has {len(rows[0])}; "
                "give every line the same, and put text that contains the separator in quotes"
            )
    if header is None:
        header = _is_header(rows)
    names = (
        rows.pop(0) if header else ["source", "target", "weight", *(f"column {i}" for i in range(4, len(rows[0]) + 1))]
    )
    names = names[: len(rows[0]) if rows else None]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"{path}: two columns are called {twice!r}; give every column a name of its own")
    return _Table(path, names, rows, lines[bool(header) :])


def _is_header(rows: list[list[str]]) -> bool:
    first = [cell.lower() for cell in rows[0]]
    named = any(set(pair) <= set(first) for pair in ENDS)
    below = [[row[i] for row in rows[1:] if row[i]] for i in range(len(first))]
    return named or any(
        cells and all(map(_is_number, cells)) and not _is_number(cell) for cell, cells in zip(first, below, strict=True)
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python reads 1_1 as eleven; in a table it is a name


def _values(cells: list[str]) -> list[Any]:
    """Return the cells of a column as numbers where all that hold something are, None for the others."""
    filled = [cell for cell in cells if cell not in NOTHING]
    if not all(map(_is_number, filled)):
        return [cell or None for cell in cells]
    kind = int if all(cell.lstrip("+-").isdecimal() for cell in filled) else float
    return [None if cell in NOTHING else kind(cell) for cell in cells]
