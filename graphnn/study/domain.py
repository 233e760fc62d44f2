"""Where a model knows its way: the range of what it was trained on, and what lies outside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph

from graphnn.batch import Batch


class Domain(NamedTuple):
    """Least and largest numbers of nodes and of pieces of a graph, and of each node and edge feature.

    sizes, pieces: (2,);  nodes: (2, d), edges: (2, e), or None for sparse features and where there are no edges
    """

    sizes: np.ndarray
    pieces: np.ndarray
    nodes: np.ndarray | None
    edges: np.ndarray | None

    @classmethod
    def of(cls, batch: Batch) -> Domain:
        """Return the range of the graphs of a batch."""
        sizes, pieces = batch.node_segments.sizes, _pieces(batch)
        return cls(
            _range(sizes), _range(pieces), *(None if part is None else _range(part) for part in _features(batch))
        )

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Domain:
        """Return what `to_json` wrote."""
        nodes, edges = (None if data[name] is None else np.array(data[name]) for name in ("nodes", "edges"))
        return cls(np.array(data["sizes"]), np.array(data["pieces"]), nodes, edges)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as lists."""
        return {name: None if value is None else value.tolist() for name, value in self._asdict().items()}

    def outside(self, batch: Batch, node_names: Sequence[str], edge_names: Sequence[str]) -> list[str]:
        """Return for each graph what about it training has not seen, "" where it has seen everything."""
        notes: list[list[str]] = [[] for _ in range(batch.n_graphs)]
        for what, seen, counts in (
            ("nodes", self.sizes, batch.node_segments.sizes),
            ("unconnected pieces", self.pieces, _pieces(batch)),
        ):
            least, most = seen.tolist()
            for graph in np.flatnonzero((counts < least) | (counts > most)):
                trained = f"{least}" if least == most else f"{least} to {most}"
                notes[graph].append(f"{counts[graph]} {what}, training had {trained}")
        nodes, edges = _features(batch)
        if nodes is not None and self.nodes is not None:
            _note(notes, nodes, self.nodes, batch.node_graph, node_names)
        if edges is not None and self.edges is not None:
            _note(notes, edges, self.edges, batch.node_graph[batch.receivers], edge_names)
        return ["; ".join(parts) for parts in notes]


def _features(batch: Batch) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return node and edge features; sparse node features are names of nodes, which the featurizer itself checks."""
    nodes = batch.nodes if isinstance(batch.nodes, np.ndarray) else None
    return nodes, None if batch.edges is None or not batch.n_edges else np.asarray(batch.edges)


def _pieces(batch: Batch) -> np.ndarray:
    """Return into how many connected pieces each graph falls. (n_graphs,)"""
    n, ends = batch.n_nodes, (batch.senders, batch.receivers)
    joined = scipy.sparse.csr_array((np.ones(batch.n_edges), ends), shape=(n, n))
    _, piece = scipy.sparse.csgraph.connected_components(joined, directed=False)
    first = np.unique(piece, return_index=True)[1]
    return np.bincount(batch.node_graph[first], minlength=batch.n_graphs)


def _range(values: np.ndarray) -> np.ndarray:
    return np.stack([values.min(axis=0), values.max(axis=0)])


def _note(
    notes: list[list[str]], values: np.ndarray, seen: np.ndarray, graph_of: np.ndarray, names: Sequence[str]
) -> None:
    """Append to the notes of each graph the features in which one of its rows lies outside what was seen."""
    slack = 1e-6 * np.maximum(np.abs(seen).max(axis=0), 1)
    rows, columns = np.nonzero((values < seen[0] - slack) | (values > seen[1] + slack))
    for graph, column in sorted(set(zip(graph_of[rows].tolist(), columns.tolist(), strict=True))):
        name = names[column] if column < len(names) else f"feature {column}"
        is_new = seen[0, column] == seen[1, column] == 0
        span = "never seen" if is_new else f"outside {seen[0, column]:g} to {seen[1, column]:g}"
        notes[graph].append(f"{name} {span}")
