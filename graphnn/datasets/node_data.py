"""A graph whose nodes are to be classified, as the readers of citation networks return it, and how they make it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse

from graphnn.graph import Graph
from graphnn.splits import Split


class NodeData(NamedTuple):
    """One graph, a class for each node, and the split its authors published.

    graph: features as a sparse matrix, `graph.replace(nodes=graph.nodes.toarray())` makes them dense
    labels: (n,) int64, the place of a node's class in `classes`, -1 where none is known
    classes: names, or numbers as text where the file has no names
    split: rows of train, validation and test, None where the file has none
    source: the file or folder it was read from
    """

    graph: Graph
    labels: np.ndarray
    classes: tuple[str, ...]
    split: Split | None
    source: str

    def __repr__(self) -> str:
        g = self.graph
        split = "" if self.split is None else f", {self.split}"
        return (
            f"NodeData({g.n_nodes} nodes, {g.n_edges} edges, {g.nodes.shape[1]} features, {len(self.classes)} classes"
            f"{split}, {g.dtype})"
        )


def both_ways(senders: np.ndarray, receivers: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges of the undirected simple graph: each link once in either direction, loops left out.

    Files list a link once, or twice, or three times; a degree is right only after this.

    >>> both_ways(np.array([0, 1, 2, 0]), np.array([1, 0, 2, 1]), 3)
    (array([1, 0]), array([0, 1]))
    """
    senders, receivers = np.concatenate([senders, receivers]), np.concatenate([receivers, senders])
    apart = senders != receivers
    once = np.unique(receivers[apart].astype(np.int64) * n + senders[apart])
    return once % n, once // n


def csr(data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, shape: tuple[int, ...]) -> scipy.sparse.csr_array:
    """Return a CSR array from the parts in a file, after a check that they fit together.

    >>> csr(np.ones(1), np.array([2]), np.array([0, 1]), (1, 2))
    Traceback (most recent call last):
    ...
    ValueError: the parts of a sparse matrix of shape (1, 2) contradict one another
    """
    fits = (
        data.ndim == indices.ndim == indptr.ndim == 1
        and data.dtype.kind in "biuf"
        and indices.dtype.kind in "iu"
        and indptr.dtype.kind in "iu"
        and len(shape) == 2
        and len(indptr) == shape[0] + 1 > 0
        and 0 <= shape[1] < 2**31
        and len(data) == len(indices) == indptr[-1]
        and indptr[0] == 0
        and (indptr[:-1] <= indptr[1:]).all()
        and (not len(indices) or (indices.min() >= 0 and indices.max() < shape[1]))
    )
    if not fits:
        raise ValueError(f"the parts of a sparse matrix of shape {shape} contradict one another")
    return scipy.sparse.csr_array((data, indices.astype(np.int64), indptr.astype(np.int64)), shape)
