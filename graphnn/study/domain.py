"""Where a model knows its way: the range of what it was trained on, and what lies outside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from graphnn import ops
from graphnn.batch import Batch


class Domain(NamedTuple):
    """Least and largest number of nodes of a graph, and of each node and edge feature: (2,), (2, d), (2, e) or None."""

    sizes: np.ndarray
    nodes: np.ndarray
    edges: np.ndarray | None

    @classmethod
    def of(cls, batch: Batch) -> Domain:
        """Return the range of the graphs of a batch."""
        sizes = batch.node_segments.sizes
        edges = None if batch.edges is None or not batch.n_edges else _range(np.asarray(batch.edges))
        return cls(np.array([sizes.min(), sizes.max()]), _range(np.asarray(ops.dense(batch.nodes))), edges)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Domain:
        """Return what `to_json` wrote."""
        edges = data["edges"]
        return cls(np.array(data["sizes"]), np.array(data["nodes"]), None if edges is None else np.array(edges))

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as lists."""
        return {name: None if value is None else value.tolist() for name, value in self._asdict().items()}

    def outside(self, batch: Batch, node_names: Sequence[str], edge_names: Sequence[str]) -> list[str]:
        """Return for each graph what about it training has not seen, "" where it has seen everything."""
        notes: list[list[str]] = [[] for _ in range(batch.n_graphs)]
        least, most = self.sizes
        for graph in np.flatnonzero((batch.node_segments.sizes < least) | (batch.node_segments.sizes > most)):
            notes[graph].append(f"{batch.node_segments.sizes[graph]} nodes, training had {least} to {most}")
        _note(notes, np.asarray(ops.dense(batch.nodes)), self.nodes, batch.node_graph, node_names)
        if batch.edges is not None and self.edges is not None:
            _note(notes, np.asarray(batch.edges), self.edges, batch.node_graph[batch.receivers], edge_names)
        return ["; ".join(parts) for parts in notes]


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
