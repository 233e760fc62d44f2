"""Graphs in the .npz files of gnn-benchmark (Shchur et al. 2018, arXiv:1811.05868): the parts of CSR matrices."""

from __future__ import annotations

import io
import os
import zipfile

import numpy as np
import scipy.sparse
from numpy.typing import DTypeLike

from graphnn.checks import listing
from graphnn.datasets.node_data import NodeData, both_ways, csr
from graphnn.datasets.opening import MOST_BYTES, read_bytes
from graphnn.graph import Graph

NEEDED = ("adj_data", "adj_indices", "adj_indptr", "adj_shape", "labels")


def read_npz(path: str | os.PathLike, *, directed: bool = False, dtype: DTypeLike = np.float64) -> NodeData:
    """Return the graph in a file with the arrays adj_data, adj_indices, adj_indptr, adj_shape, labels and what else is.

    attr_data, attr_indices, attr_indptr, attr_shape   features of the nodes, sparse; or attr_matrix, dense
    class_names, node_names                            texts; without class_names the classes are numbers as text

    Without features every node has the one feature 1. `split` is None: the authors drew theirs at random, and so does
    `graphnn.splits.random(n, labels=labels)`.

    directed: False makes the graph undirected and simple: every link once in either direction, without weights and
        loops, as the authors use it; True keeps it, entry [i, j] being an edge from i to j with its weight
    dtype: np.float64 or np.float32, of features and weights

    Raises ValueError naming the file where it is no such file: damage, a missing array, arrays of objects, which would
    be pickles and are never loaded, parts that contradict one another, labels that are no whole numbers from 0.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     adjacency = dict(adj_data=[1.0], adj_indices=[1], adj_indptr=[0, 1, 1], adj_shape=[2, 2])
    ...     np.savez(pathlib.Path(folder, "pair.npz"), labels=[0, 1], **adjacency)
    ...     read_npz(pathlib.Path(folder, "pair.npz"))
    NodeData(2 nodes, 2 edges, 1 features, 2 classes, float64)
    """
    try:
        arrays = _arrays(read_bytes(path, binary=True)[1])
        missing = [name for name in NEEDED if name not in arrays]
        if missing:
            raise ValueError(f"it has no array {listing(missing)}, only {listing(list(arrays))}")
        adjacency = _sparse(arrays, "adj")
        n, labels = adjacency.shape[0], arrays["labels"]
        features = _features(arrays, n, np.dtype(dtype))
        _check(arrays, adjacency, features, labels)
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged file lets NumPy and zipfile fail in any way at all
        cause = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        raise ValueError(f"{path}: cannot be read as a graph of gnn-benchmark: {cause}") from error
    links = scipy.sparse.coo_array(adjacency)
    senders, receivers, weights = links.row, links.col, None
    if directed:
        weights = None if (links.data == 1).all() else links.data.astype(dtype)
    else:
        senders, receivers = both_ways(senders, receivers, n)
    n_classes = max(int(labels.max(initial=-1)) + 1, len(arrays.get("class_names", ())))
    classes = tuple(map(str, arrays.get("class_names", range(n_classes))))
    names = map(str, arrays["node_names"]) if "node_names" in arrays else None
    graph = Graph(features, senders, receivers, weights=weights, names=names)  # type: ignore[arg-type]
    return NodeData(graph, labels.astype(np.int64), classes, None, os.fspath(path))


def _arrays(data: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of a .npz file, none of which may hold objects."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > MOST_BYTES:
        raise ValueError(f"it unpacks to {size} bytes")
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _sparse(arrays: dict[str, np.ndarray], name: str) -> scipy.sparse.csr_array:
    data, indices, indptr, shape = (arrays[f"{name}_{part}"] for part in ("data", "indices", "indptr", "shape"))
    return csr(data, indices, indptr, tuple(map(int, shape.ravel())))


def _features(arrays: dict[str, np.ndarray], n: int, dtype: np.dtype) -> scipy.sparse.csr_array:
    if "attr_data" in arrays:
        return _sparse(arrays, "attr").astype(dtype)
    return scipy.sparse.csr_array(arrays.get("attr_matrix", np.ones((n, 1))), dtype=dtype)


def _check(
    arrays: dict[str, np.ndarray],
    adjacency: scipy.sparse.csr_array,
    features: scipy.sparse.csr_array,
    labels: np.ndarray,
) -> None:
    n = adjacency.shape[0]
    if adjacency.shape[1] != n or features.shape[0] != n or labels.shape != (n,):
        raise ValueError(
            f"the adjacency has the shape {adjacency.shape}, the features {features.shape}, the labels {labels.shape}; "
            "wanted as many rows in each"
        )
    names = arrays.get("class_names")
    if labels.dtype.kind not in "iu" or (
        n and not 0 <= labels.min() <= labels.max() < (n if names is None else len(names))
    ):
        raise ValueError("the labels are not whole numbers from 0, each the place of a class")
    if "node_names" in arrays and arrays["node_names"].shape != (n,):
        raise ValueError(f"node_names has the shape {arrays['node_names'].shape}, wanted ({n},)")
    if not np.isfinite(features.data).all() or not np.isfinite(adjacency.data).all():
        raise ValueError("it holds numbers that are not finite")
