"""By what a row is known again: so that a prediction can say which rows the model was trained on."""

from __future__ import annotations

import hashlib

import numpy as np

from graphnn import chem, ops
from graphnn.batch import Batch
from graphnn.study.rows import GRAPHS, MOLECULES, Rows


def identities(rows: Rows, kept: np.ndarray, batch: Batch) -> np.ndarray:
    """Return a number for each of the rows kept, 64 bits of a SHA-256. (n_kept,)

    A molecule is known by its canonical SMILES, a node by its name, and a graph, whose file may be called anything, by
    its features: the rows of its nodes and of its edges with both ends, in whatever order.

    batch: the graphs of the rows kept; for nodes the whole graph
    """
    if rows.kind == GRAPHS:
        return np.array([_number(b"".join(_parts(batch, i))) for i in range(batch.n_graphs)], np.uint64)
    names = [rows.names[row] for row in kept]
    if rows.kind == MOLECULES:
        names = [chem.canonical(text) for text in names]
    return np.array([_number(name.encode()) for name in names], np.uint64)


def _number(data: bytes) -> int:
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big")


def _parts(batch: Batch, i: int) -> list[bytes]:
    """Return the bytes of the nodes, then those of the edges with their ends, each sorted."""
    graph = batch[i]
    nodes = [row.tobytes() for row in np.asarray(ops.dense(graph.nodes))]
    about = [np.asarray(part) for part in (graph.edges, graph.weights) if part is not None]
    edges = [
        nodes[s] + nodes[r] + b"".join(part[e].tobytes() for part in about)
        for e, (s, r) in enumerate(zip(graph.senders, graph.receivers, strict=True))
    ]
    return [*sorted(nodes), *sorted(edges)]
