"""Citation networks in the files of Planetoid (Yang, Cohen & Salakhutdinov, ICML 2016): Cora, Citeseer, PubMed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import DTypeLike

from graphnn.checks import listing
from graphnn.datasets.node_data import NodeData, both_ways, csr
from graphnn.datasets.opening import read_bytes, read_text
from graphnn.datasets.pickled import array, parse, parts
from graphnn.graph import Graph
from graphnn.splits import Split

N_VALIDATION = 500  # of the public split


def read_planetoid(folder: str | os.PathLike, name: str | None = None, *, dtype: DTypeLike = np.float64) -> NodeData:
    """Return the citation network in the files ind.NAME.x, .y, .tx, .ty, .allx, .ally, .graph and .test.index.

    x, y         features (rows, f) and classes (rows, c), one-hot, of the training nodes 0, 1, ...
    allx, ally   the same of all nodes but the test nodes, the training nodes first
    tx, ty       the same of the test nodes: row k is of the node in line k of test.index
    graph        {node: [neighbours]};  test.index: a node number a line, in any order

    The split is the public one: train the rows of x; validation the next 500 nodes, or as many as there are; test what
    test.index lists. Numbers that test.index skips (Citeseer has 15) are nodes without features, with label -1 and in
    no part. The graph is undirected and simple: links are listed twice, or three times, and Citeseer's nodes cite
    themselves, which is left out.

    name: such as "cora"; by default the one that the folder has
    dtype: np.float64 or np.float32, of the features

    The files are pickles, which are read as data (see `pickled`): no code in them can run. Raises FileNotFoundError for
    a missing file, and ValueError naming the file for a pickle of anything else, damage and contradictions.

    >>> read_planetoid(".")
    Traceback (most recent call last):
    ...
    FileNotFoundError: .: wanted one file ind.NAME.x, found none; say name= where there are several
    """
    folder = Path(folder)
    name = _only_name(folder) if name is None else name
    files = {part: folder / f"ind.{name}.{part}" for part in ("x", "y", "tx", "ty", "allx", "ally", "graph")}
    allx, tx = (_matrix(files[part]) for part in ("allx", "tx"))
    y, ally, ty = (_one_hot(files[part]) for part in ("y", "ally", "ty"))
    test = _test_index(folder / f"ind.{name}.test.index")

    first, n = allx.shape[0], int(test.max()) + 1
    _check_fit(files, allx, tx, y, ally, ty, _matrix(files["x"]))
    if len(test) != tx.shape[0] or test.min() != first or n - first > 10 * len(test):
        raise ValueError(
            f"{folder}/ind.{name}.test.index: lists {len(test)} nodes from {test.min()} to {n - 1}; wanted one for "
            f"each of the {tx.shape[0]} rows of {files['tx'].name}, the first after the {first} of {files['allx'].name}"
        )
    place = test - first  # numbers in between stay empty
    spread = scipy.sparse.csr_array((np.ones(len(test)), (place, np.arange(len(test)))), (n - first, len(test)))
    features = scipy.sparse.csr_array(scipy.sparse.vstack([allx, spread @ tx]), dtype=np.dtype(dtype))
    labels = np.full(n, -1, np.int64)
    labels[:first], labels[test] = _classes(ally), _classes(ty)
    senders, receivers = both_ways(*_links(files["graph"], n), n)
    seen = np.arange(len(y)), np.arange(len(y), min(len(y) + N_VALIDATION, first))
    classes = tuple(map(str, range(y.shape[1])))
    return NodeData(Graph(features, senders, receivers), labels, classes, Split(*seen, np.sort(test)), str(folder))


def _only_name(folder: Path) -> str:
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder}: there is no such folder; wanted one with the files ind.NAME.x, ind.NAME.y, ..."
        )
    found = sorted(file.name[4:-2] for file in folder.glob("ind.*.x"))
    if len(found) != 1:
        raise FileNotFoundError(
            f"{folder}: wanted one file ind.NAME.x, found {listing(found) or 'none'}; say name= where there are several"
        )
    return found[0]


def _content(file: Path) -> Any:
    data = read_bytes(file, binary=True)[1]
    try:
        return parse(data)
    except ValueError as error:
        raise ValueError(f"{file}: cannot be read as a file of Planetoid, a pickle of Python 2: {error}") from error


def _matrix(file: Path) -> scipy.sparse.csr_array:
    """Return a file of features, sparse or dense, as a sparse matrix."""
    content = _content(file)
    try:
        sparse = parts(content)
        matrix = scipy.sparse.csr_array(np.atleast_2d(array(content))) if sparse is None else csr(*sparse)
    except ValueError as error:
        raise ValueError(f"{file}: holds no matrix: {error}") from error
    if not np.isfinite(matrix.data).all():
        raise ValueError(f"{file}: holds numbers that are not finite")
    return matrix


def _one_hot(file: Path) -> np.ndarray:
    try:
        table = array(_content(file))
    except ValueError as error:
        raise error if str(error).startswith(str(file)) else ValueError(f"{file}: holds no array: {error}") from error
    if table.ndim != 2 or not np.isin(table, (0, 1)).all() or (table.sum(axis=1) > 1).any():
        raise ValueError(
            f"{file}: holds an array of shape {table.shape}, wanted classes, a single 1 or none in each row"
        )
    return table


def _classes(one_hot: np.ndarray) -> np.ndarray:
    return np.where(one_hot.any(axis=1), one_hot.argmax(axis=1), -1)


def _test_index(file: Path) -> np.ndarray:
    lines = read_text(file)[1].split()
    odd = next((line for line in lines if not (line.isascii() and line.isdecimal() and len(line) < 10)), None)
    if odd is not None:
        raise ValueError(f"{file}: has {odd!r:.40}, wanted the number of a node in every line")
    nodes, counts = np.unique(np.array(lines, np.int64), return_counts=True)
    if (counts > 1).any():
        raise ValueError(f"{file}: lists node {nodes[counts > 1][0]} more than once")
    return np.array(lines, np.int64)


def _check_fit(files: dict[str, Path], allx: Any, tx: Any, y: Any, ally: Any, ty: Any, x: Any) -> None:
    """Refuse files that are not of one data set."""
    rows = {"x": x, "y": y, "allx": allx, "ally": ally, "tx": tx, "ty": ty}
    for features, classes in (("x", "y"), ("allx", "ally"), ("tx", "ty")):
        if rows[features].shape[0] != rows[classes].shape[0]:
            raise ValueError(
                f"{files[features]}: has {rows[features].shape[0]} rows, {files[classes].name} has "
                f"{rows[classes].shape[0]}; both are of the same nodes"
            )
    for part, other in (("x", "allx"), ("tx", "allx"), ("y", "ally"), ("ty", "ally")):
        if rows[part].shape[1] != rows[other].shape[1]:
            raise ValueError(
                f"{files[part]}: has {rows[part].shape[1]} columns, {files[other].name} has {rows[other].shape[1]}"
            )
    if x.shape[0] > allx.shape[0] or (x != allx[: x.shape[0]]).nnz or (y != ally[: len(y)]).any():
        raise ValueError(f"{files['x']}: its {x.shape[0]} rows are not the first of {files['allx'].name}")


def _links(file: Path, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of all links that are listed."""
    content = _content(file)
    if not isinstance(content, dict) or not all(isinstance(neighbours, list) for neighbours in content.values()):
        raise ValueError(f"{file}: holds no lists of neighbours by node")
    lists = list(content.values())
    ends = [*content, *(node for neighbours in lists for node in neighbours)]
    odd = next((node for node in ends if type(node) is not int or not 0 <= node < n), None)
    if odd is not None:
        raise ValueError(f"{file}: names node {odd!r:.40}, but there are {n}, from 0")
    receivers = np.repeat(np.array([*content], np.int64), [len(neighbours) for neighbours in lists])
    return np.array(ends[len(content) :], np.int64), receivers
