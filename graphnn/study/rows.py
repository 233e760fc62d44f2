"""Reading: a table whose rows are molecules, graphs or the nodes of one graph; and from rows to a batch."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
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

MOLECULES, GRAPHS, NODES = "molecules", "graphs", "nodes"
NODE, GRAPH = "node", "graph"  # columns that a graph file and a TU folder are given
FEATURES = {"duvenaud": chem.DuvenaudFeatures(), "dmpnn": chem.DMPNNFeatures()}


@dataclass(frozen=True)
class Rows:
    """What was read: a table, and what each of its rows stands for.

    kind: "molecules", "graphs" or "nodes";  key: the column with SMILES, or with names of files, graphs or nodes
    things: SMILES, or networkx graphs, one for each row; for nodes the one networkx graph
    places: for nodes, the number of each row's node in the graph, (n_rows,)
    notes: what a person should know about how it was read
    """

    table: Table
    kind: str
    key: str
    things: Any
    places: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """What a row is, in words."""
        return {MOLECULES: "molecule", GRAPHS: "graph", NODES: "node"}[self.kind]

    @property
    def names(self) -> list[str]:
        """What each row is called in the files of a run."""
        return self.table.column(self.key)


def read_rows(
    path: str, *, smiles: str | None = None, graphs: str | None = None, name: str | None = None,
    exclude: Sequence[str] = (),
) -> Rows:  # fmt: skip
    """Return what a path holds: a CSV table, a TU folder (graphs), or a graph file (nodes).

    smiles: the column of SMILES;  graphs: a folder of graph files, one for each row of the table, or a single file,
        whose nodes are the rows;  name: the column that names the file or node, found by its entries when None
    exclude: columns that name nothing, such as the targets

    Raises ValueError, KeyError or OSError with what is wrong and what to do.
    """
    if smiles is not None and graphs is not None:
        raise ValueError("give --smiles, for molecules, or --graphs, for graph files, not both")
    if Path(path).is_dir():
        return _read_folder(path)
    if _is_graph_file(path):
        graph = read_graph(path)
        return Rows(_table_of_nodes(str(path), graph), NODES, NODE, graph, np.arange(len(graph)))
    table = read_table(path)
    if graphs is None:
        column = _smiles_column(table) if smiles is None else smiles
        if column not in table.columns:
            raise KeyError(
                f"{table.path} has no column {column!r} of SMILES; say --smiles, {listing(list(table.columns))}"
            )
        return Rows(table, MOLECULES, column, table.column(column))
    if Path(graphs).is_dir():
        files = [entry.name for entry in sorted(Path(graphs).iterdir())]
        known = [*files, *(file.partition(".")[0] for file in files)]
        key = _naming_column(table, known, exclude, f"files in {graphs}") if name is None else name
        by_name = read_graph_folder(graphs, table.column(key))
        return Rows(table, GRAPHS, key, [by_name[text] for text in table.column(key)], notes=(f"files by {key!r}",))
    return _read_nodes(table, graphs, name, exclude)


def _read_folder(path: str) -> Rows:
    if not any(entry.name.endswith("_A.txt") for entry in Path(path).iterdir()):
        raise ValueError(f"{path} is a folder without TU data (..._A.txt); for graph files give a table and --graphs")
    data = read_tu(path)
    columns = {GRAPH: [str(i) for i in range(1, len(data.graphs) + 1)]}
    if data.labels is not None:
        columns["label"] = [str(data.classes[label]) for label in data.labels]
    if data.targets is not None:
        names = ["target"] if data.targets.shape[1] == 1 else [f"target{i}" for i in range(data.targets.shape[1])]
        columns |= {name: [repr(float(v)) for v in column] for name, column in zip(names, data.targets.T, strict=True)}
    table = Table(str(path), columns, list(range(1, len(data.graphs) + 1)))
    return Rows(table, GRAPHS, GRAPH, data.graphs)


def _read_nodes(table: Table, path: str, name: str | None, exclude: Sequence[str]) -> Rows:
    """Return the rows of a table that are nodes of a graph; the other columns become attributes of the nodes."""
    graph = read_graph(path)
    number = {str(node): i for i, node in enumerate(graph)}
    key = _naming_column(table, list(number), exclude, f"nodes in {path}") if name is None else name
    entries = table.column(key)
    for row, text in enumerate(entries):
        if text not in number:
            hint = nearest(text, number) or f"; there are {listing(list(number), 3)}"
            raise KeyError(f"{table.path}: {table.cell(key, row)}, which is no node in {path}{hint}")
    first = {text: row for row, text in reversed(list(enumerate(entries)))}
    twice = [row for row, text in enumerate(entries) if first[text] != row]
    if twice:
        raise ValueError(f"{table.path}: {table.cell(key, twice[0])} again; give each node one row")
    notes = [f"nodes by {key!r}"]
    others = [column for column in table.columns if column not in (key, *exclude)]
    if others and len(first) < len(number):
        notes.append(f"not used: {listing(others)}, the table has {len(first)} of {len(number)} nodes")
        others = []
    places = np.array([number[text] for text in entries], np.intp)
    return Rows(table, NODES, key, _with_attributes(graph, table, others, places), places, tuple(notes))


def _is_graph_file(path: str) -> bool:
    """Say whether a path names a graph rather than a table."""
    endings = (".graphml", ".gexf", ".gml", ".json", ".net", ".edges", ".edgelist")
    return path.lower().removesuffix(".gz").removesuffix(".zip").endswith(endings)


def _table_of_nodes(path: str, graph: Any) -> Table:
    """Return the attributes of the nodes as a table, "" where a node has none."""
    names = list(dict.fromkeys(name for _, attributes in graph.nodes(data=True) for name in attributes))
    columns = {str(name): [str(graph.nodes[v].get(name, "")) for v in graph] for name in names}
    return Table(path, columns | {NODE: [str(v) for v in graph]}, list(range(1, len(graph) + 1)))


def _smiles_column(table: Table) -> str:
    found = [name for name in table.columns if name.lower() == "smiles"]
    if len(found) != 1:
        raise ValueError(
            f"{table.path}: which column holds the molecules? Say --smiles COLUMN, or --graphs FOLDER for graph files; "
            f"there are {listing(list(table.columns))}"
        )
    return found[0]


def _naming_column(table: Table, known: Sequence[str], exclude: Sequence[str], what: str) -> str:
    """Return the column whose entries are all among the known names; refuse to choose between several."""
    names, among = set(known), listing(list(table.columns))
    found = [c for c, entries in table.columns.items() if c not in exclude and set(entries) <= names]
    once = [column for column in found if len(set(table.column(column))) == table.n_rows]
    fits = once or found
    if not fits:
        raise ValueError(
            f"{table.path}: no column names {what} (such as {listing(known, 3)}) in every row; say which one should "
            f"with --name, of {among}"
        )
    if len(fits) > 1:
        raise ValueError(f"{table.path}: columns {listing(fits)} could each name {what}; say which one with --name")
    return fits[0]


def _with_attributes(graph: Any, table: Table, columns: Sequence[str], places: np.ndarray) -> Any:
    """Return a copy of the graph whose nodes have columns of the table as attributes."""
    import networkx as nx

    out, nodes = graph.copy(), list(graph)
    for column in columns:
        try:
            values: list[Any] = table.numbers(column).tolist()
        except ValueError:
            values = table.column(column)
        nx.set_node_attributes(out, {nodes[i]: v for i, v in zip(places, values, strict=True)}, column)
    return out


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
    rows: Rows, featurizer: Any, *, skip: bool = False
) -> tuple[Batch, np.ndarray, list[tuple[int, str, str]]]:
    """Return (batch, rows kept, failures (row, text, reason)); rows that cannot be represented raise unless skipped.

    For nodes the batch is the one graph, and all rows are kept. On a terminal a bar shows how far molecules are.
    """
    if rows.kind == NODES:
        return pack(featurizer(rows.things), dtype=np.float32), np.arange(rows.table.n_rows), []
    if rows.kind == MOLECULES:
        bar = sys.stderr.isatty() and find_spec("tqdm") is not None
        found = chem.from_smiles(rows.things, featurizer, on_error="skip", progress=bar)
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
            text = rows.names[row]
            if not skip:
                raise ValueError(f"{rows.table.path}, row {row}, {text}: {error}") from error
            failures.append((row, text, str(error)))
    return graphs, np.array(kept, np.intp), failures
