"""Reading: a table whose rows are molecules, graphs or the nodes of one graph; and from rows to a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from graphnn import chem
from graphnn.batch import Batch
from graphnn.checks import GraphError, listing, nearest
from graphnn.convert import pack
from graphnn.datasets.attributes import GraphFeatures
from graphnn.datasets.graph_files import read_graph, read_graph_folder
from graphnn.datasets.tables import Table, read_table
from graphnn.datasets.tu import read_tu

MOLECULES, GRAPHS, NODES = KINDS = ("molecules", "graphs", "nodes")
FEATURES = {"duvenaud": chem.DuvenaudFeatures(), "dmpnn": chem.DMPNNFeatures()}


@dataclass(frozen=True)
class Rows:
    """What was read: a table, and what each of its rows stands for.

    kind: "molecules", "graphs" or "nodes";  key: the column with SMILES, or with names of files or nodes, or None
    things: SMILES, or networkx graphs, one for each row; for nodes the one networkx graph, whose nodes are the rows
    """

    table: Table
    kind: str
    key: str | None
    things: Any

    @property
    def unit(self) -> str:
        """What a row is, in words."""
        return {MOLECULES: "molecule", GRAPHS: "graph", NODES: "node"}[self.kind]


def read_rows(path: str, *, smiles: str | None = None, graphs: str | None = None, name: str | None = None) -> Rows:
    """Return what a path holds: a CSV table, a TU folder (graphs), or a graph file (nodes).

    smiles: the column of SMILES;  graphs: a folder of graph files, one for each row of the table, or a single file,
        whose nodes are the rows;  name: the column that names the file or node, found by its entries when None

    Raises ValueError, KeyError or OSError with what is wrong and what to do.
    """
    if smiles is not None and graphs is not None:
        raise ValueError("give --smiles, for molecules, or --graphs, for graph files, not both")
    if Path(path).is_dir():
        data = read_tu(path)
        table = Table(str(path), _tu_targets(data), list(range(1, len(data.graphs) + 1)))
        return Rows(table, GRAPHS, None, data.graphs)
    if _is_graph_file(path):
        graph = read_graph(path)
        return Rows(_table_of_nodes(str(path), graph), NODES, None, graph)
    table = read_table(path)
    if graphs is None:
        column = _smiles_column(table) if smiles is None else smiles
        return Rows(table, MOLECULES, column, table.column(column))
    if Path(graphs).is_dir():
        files = [entry.name for entry in sorted(Path(graphs).iterdir())]
        known = [*files, *(file.partition(".")[0] for file in files)]
        key = _naming_column(table, known, None, f"files in {graphs}") if name is None else name
        by_name = read_graph_folder(graphs, table.column(key))
        return Rows(table, GRAPHS, key, [by_name[text] for text in table.column(key)])
    graph = read_graph(graphs)
    by_text = {str(node): node for node in graph}
    key = _naming_column(table, list(by_text), name, f"nodes in {graphs}")
    return Rows(_in_order_of_nodes(table, key, list(by_text)), NODES, key, _with_attributes(graph, table, key, by_text))


def _is_graph_file(path: str) -> bool:
    """Say whether a path names a graph rather than a table."""
    endings = (".graphml", ".gexf", ".gml", ".json", ".net", ".edges", ".edgelist")
    return path.lower().removesuffix(".gz").removesuffix(".zip").endswith(endings)


def _tu_targets(data: Any) -> dict[str, list[str]]:
    """Return the targets of a TU folder as columns: "label", and "target" for numbers."""
    columns: dict[str, list[str]] = {}
    if data.labels is not None:
        columns["label"] = [str(label) for label in data.labels]
    if data.targets is not None:
        names = ["target"] if data.targets.shape[1] == 1 else [f"target{i}" for i in range(data.targets.shape[1])]
        columns |= {name: [repr(float(v)) for v in column] for name, column in zip(names, data.targets.T, strict=True)}
    return columns


def _table_of_nodes(path: str, graph: Any) -> Table:
    """Return the attributes of the nodes as a table, "" where a node has none."""
    names = list(dict.fromkeys(name for _, attributes in graph.nodes(data=True) for name in attributes))
    columns = {str(name): [str(graph.nodes[v].get(name, "")) for v in graph] for name in names}
    return Table(path, {"node": [str(v) for v in graph]} | columns, list(range(1, len(graph) + 1)))


def _smiles_column(table: Table) -> str:
    found = [name for name in table.columns if name.lower() == "smiles"]
    if len(found) != 1:
        raise ValueError(
            f"{table.path}: which column holds the molecules? Say --smiles COLUMN, or --graphs FOLDER for graph files; "
            f"there are {listing(list(table.columns))}"
        )
    return found[0]


def _naming_column(table: Table, known: Sequence[str], name: str | None, what: str) -> str:
    """Return the column whose entries are all among the known names."""
    if name is None:
        found = [column for column, entries in table.columns.items() if set(entries) <= set(known)]
        if not found:
            raise ValueError(
                f"{table.path}: no column names {what} (such as {listing(known, 3)}) in every row; "
                f"say which one should with --name, of {listing(list(table.columns))}"
            )
        return found[0]
    for row, text in enumerate(table.column(name)):
        if text not in known:
            hint = nearest(text, known) or f"; there are {listing(known, 3)}"
            raise KeyError(f"{table.path}: {table.cell(name, row)}, which is not among the {len(known)} {what}{hint}")
    return name


def _in_order_of_nodes(table: Table, key: str, names: Sequence[str]) -> Table:
    """Return the table with a row for each node in the graph's order, blank for nodes the table does not name."""
    rows = {text: row for row, text in enumerate(table.column(key))}
    if len(rows) < table.n_rows:
        twice = next(row for row, text in enumerate(table.column(key)) if rows[text] != row)
        raise ValueError(f"{table.path}: {table.cell(key, twice)} again; give each node one row")
    order = [rows.get(text) for text in names]
    columns = {c: ["" if row is None else entries[row] for row in order] for c, entries in table.columns.items()}
    lines = [0 if row is None else table.lines[row] for row in order]
    return replace(table, columns=columns | {key: list(names)}, lines=lines)


def _with_attributes(graph: Any, table: Table, key: str, by_text: dict[str, Any]) -> Any:
    """Return a copy of the graph whose nodes have the other columns of the table as attributes, where all are known."""
    import networkx as nx

    out = graph.copy()
    if set(by_text) <= set(table.column(key)):
        for column in table.columns:
            if column != key:
                values = _values(table, column)
                named = {by_text[text]: value for text, value in zip(table.column(key), values, strict=True)}
                nx.set_node_attributes(out, named, column)
    return out


def _values(table: Table, column: str) -> list[Any]:
    try:
        return table.numbers(column).tolist()
    except ValueError:
        return list(table.column(column))


def learn_featurizer(
    rows: Rows, *, features: str = "duvenaud", exclude: Sequence[str] = (), weight: str | None = None,
    categories: Sequence[str] = (), train: Sequence[int] | None = None,
) -> Any:  # fmt: skip
    """Return the map from a row to arrays: one of `FEATURES` for molecules, learned from attributes for graphs.

    exclude: columns that are targets or splits;  train: rows that scales are taken from
    """
    if rows.kind == MOLECULES:
        return FEATURES[features]
    present = _attribute_names(rows)
    for given in (*([] if weight is None else [weight]), *categories):
        if given not in present:
            raise KeyError(f"no node or edge has an attribute {given!r}{nearest(given, present)}")
    hidden = [column for column in exclude if column in present] if rows.kind == NODES else []
    listed = rows.things if rows.kind == GRAPHS else [rows.things]
    learned = GraphFeatures.learn(
        listed, exclude=hidden, weight=weight, categories=categories, train=train if rows.kind == GRAPHS else None
    )
    if rows.kind == NODES and not learned.nodes:  # nothing but the place in the graph tells its nodes apart
        learned = GraphFeatures.learn(listed, exclude=hidden, weight=weight, categories=categories, identity=True)
    return learned


def _attribute_names(rows: Rows) -> set[str]:
    listed = rows.things if rows.kind == GRAPHS else [rows.things]
    of_nodes = {str(name) for graph in listed for _, data in graph.nodes(data=True) for name in data}
    return of_nodes | {str(name) for graph in listed for *_, data in graph.edges(data=True) for name in data}


def featurize(
    rows: Rows, featurizer: Any, *, skip: bool = False, progress: bool = False
) -> tuple[Batch, np.ndarray, list[tuple[int, str, str]]]:
    """Return (batch, rows kept, failures (row, text, reason)); rows that cannot be represented raise unless skipped.

    For nodes the batch is the one graph, and all rows are kept.
    """
    if rows.kind == NODES:
        return pack(featurizer(rows.things), dtype=np.float32), np.arange(rows.table.n_rows), []
    if rows.kind == MOLECULES:
        found = chem.from_smiles(rows.things, featurizer, on_error="skip", progress=progress)
        graphs, kept = found.graphs, found.rows
        failures = [(int(f.row), str(f.text), f.reason) for f in found.failures]
        if failures and not skip:
            some = ", ".join(f"row {row} {text!r} ({reason})" for row, text, reason in failures[:5])
            raise ValueError(
                f"{rows.table.path}: {len(failures)} of {rows.table.n_rows} rows (counted from 0) hold no molecule "
                f"that can be used: {some}{', ...' if len(failures) > 5 else ''}; mend them, or say --skip"
            )
    else:
        graphs, kept, failures = _featurize_graphs(rows, featurizer, skip)
    if not graphs:
        raise ValueError(f"{rows.table.path}: none of the {rows.table.n_rows} rows can be represented")
    return pack(graphs, dtype=np.float32), kept, failures


def _featurize_graphs(
    rows: Rows, featurizer: Any, skip: bool
) -> tuple[list[Any], np.ndarray, list[tuple[int, str, str]]]:
    graphs, kept, failures = [], [], []
    for row, thing in enumerate(rows.things):
        try:
            graphs.append(featurizer(thing))
            kept.append(row)
        except GraphError as error:
            text = rows.table.column(rows.key)[row] if rows.key else f"graph {row + 1}"
            if not skip:
                raise ValueError(f"{rows.table.path}, row {row}, {text}: {error}") from error
            failures.append((row, text, str(error)))
    return graphs, np.array(kept, np.intp), failures
