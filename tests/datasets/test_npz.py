"""Graphs of gnn-benchmark: Cora, the variants of the format, what contradicts itself, and damage."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from damage import outcomes
from real_files import real_file

from graphnn.datasets import read_npz

ARRAYS = {
    "adj_data": np.array([2.0, 1.0, 1.0, 5.0], np.float32),
    "adj_indices": np.array([1, 0, 2, 2], np.int32),
    "adj_indptr": np.array([0, 1, 3, 4], np.int32),
    "adj_shape": np.array([3, 3]),
    "attr_data": np.array([1.0, 4.0], np.float32),
    "attr_indices": np.array([1, 0], np.int32),
    "attr_indptr": np.array([0, 1, 1, 2], np.int32),
    "attr_shape": np.array([3, 2]),
    "labels": np.array([1, 0, 1], np.int8),
    "node_names": np.array(["a", "b", "c"]),
    "class_names": np.array(["red", "blue"]),
}


@pytest.fixture
def file(tmp_path):
    """Write a small graph, with some arrays changed or (None) missing."""

    def write(**changes):
        arrays = {name: array for name, array in (ARRAYS | changes).items() if array is not None}
        np.savez(tmp_path / "toy.npz", **arrays)
        return tmp_path / "toy.npz"

    return write


def test_every_array_is_read(file):
    data = read_npz(file())
    assert (data.labels.tolist(), data.classes, data.split) == ([1, 0, 1], ("red", "blue"), None)
    assert data.graph.names == ("a", "b", "c")
    np.testing.assert_array_equal(data.graph.nodes.toarray(), [[0, 1], [0, 0], [4, 0]])
    links = set(zip(data.graph.senders.tolist(), data.graph.receivers.tolist(), strict=True))
    assert links == {(0, 1), (1, 0), (1, 2), (2, 1)}
    assert (data.graph.n_edges, data.graph.weights, data.source) == (4, None, str(file()))


def test_directed_links_keep_direction_weight_and_loops(file):
    graph = read_npz(file(), directed=True).graph
    found = zip(graph.senders.tolist(), graph.receivers.tolist(), graph.weights.tolist(), strict=True)
    assert sorted(found) == [(0, 1, 2.0), (1, 0, 1.0), (1, 2, 1.0), (2, 2, 5.0)]
    assert read_npz(file(adj_data=np.ones(4)), directed=True).graph.weights is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_have_the_type_asked_for(file, dtype):
    graph = read_npz(file(), directed=True, dtype=dtype).graph
    assert (graph.dtype, graph.weights.dtype) == (dtype, dtype)


def test_features_may_be_dense_or_missing(file):
    gone = dict.fromkeys(["attr_data", "attr_indices", "attr_indptr", "attr_shape", "node_names", "class_names"])
    dense = read_npz(file(**gone, attr_matrix=np.arange(6.0).reshape(3, 2)))
    np.testing.assert_array_equal(dense.graph.nodes.toarray(), [[0, 1], [2, 3], [4, 5]])
    assert dense.classes == ("0", "1")
    np.testing.assert_array_equal(read_npz(file(**gone)).graph.nodes.toarray(), np.ones((3, 1)))


BAD = {
    "objects": ({"node_names": np.array(["a", None, 3], object)}, "Object arrays cannot be loaded when allow_pickle=F"),
    "objects in what nobody asked for": ({"more": np.array([{}], object)}, "Object arrays cannot be loaded"),
    "a missing array": ({"adj_indptr": None, "labels": None}, "no array 'adj_indptr', 'labels', only 'adj_data'"),
    "an index too far": ({"adj_indices": np.array([1, 0, 2, 3])}, r"parts of a sparse matrix of shape \(3, 3\) contra"),
    "a pointer that falls": ({"adj_indptr": np.array([0, 3, 1, 4])}, "contradict one another"),
    "indices with a point": ({"adj_indices": np.array([1.0, 0, 2, 2])}, "contradict one another"),
    "no rows": ({"adj_indptr": np.zeros(0, int), "adj_shape": np.array([-1, 3])}, "contradict one another"),
    "a wide matrix": ({"adj_shape": np.array([3, 4])}, r"the adjacency has the shape \(3, 4\)"),
    "labels short": ({"labels": np.array([1, 0])}, r"the labels \(2,\); wanted as many rows"),
    "labels with a point": ({"labels": np.array([0.5, 0, 1])}, "not whole numbers from 0, each the place of a class"),
    "a label without a name": ({"labels": np.array([2, 0, 1])}, "each the place of a class"),
    "a label beyond all": ({"labels": np.array([10**9, 0, 1]), "class_names": None}, "each the place of a class"),
    "a negative label": ({"labels": np.array([-1, 0, 1])}, "each the place of a class"),
    "names short": ({"node_names": np.array(["a", "b"])}, r"node_names has the shape \(2,\), wanted \(3,\)"),
    "nan": ({"attr_data": np.array([np.nan, 1])}, "numbers that are not finite"),
    "an infinite weight": ({"adj_data": np.array([np.inf, 1, 1, 1])}, "numbers that are not finite"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_such_graph_is_refused(file, case):
    changes, says = BAD[case]
    with pytest.raises(ValueError, match=rf"toy\.npz: cannot be read as a graph of gnn-benchmark: .*{says}"):
        read_npz(file(**changes))


def test_what_unpacks_to_too_much_is_refused_before_it_is_unpacked(file, monkeypatch):
    path = file(more=np.zeros(10**6))
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    monkeypatch.setattr("graphnn.datasets.npz.MOST_BYTES", size - 1)
    with pytest.raises(ValueError, match=f"unpacks to {size} bytes"):
        read_npz(path)


def test_other_files_are_refused(tmp_path):
    for name, data in {"page.npz": b"<html>log in</html>", "text.npz": b"1 2 3", "array.npz": b"\x93NUMPY"}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=name):
            read_npz(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"none\.npz: there is no such file"):
        read_npz(tmp_path / "none.npz")


def test_damage_is_read_or_refused_by_name_and_nothing_else(file):
    path = file()
    assert outcomes(path.read_bytes(), path, lambda: read_npz(path), flips=300)[1] > 100


def test_cora_is_what_its_authors_counted():
    path = real_file("gnn_benchmark", "cora.npz")
    data, directed = read_npz(path), read_npz(path, directed=True)
    assert (data.graph.n_nodes, data.graph.n_edges, data.graph.nodes.shape) == (2708, 2 * 5278, (2708, 1433))
    assert (directed.graph.n_edges, directed.graph.weights) == (5429, None)
    assert len(data.classes) == 7
    assert np.bincount(data.labels)[data.classes.index("Neural_Networks")] == 818
    assert len(set(data.graph.names)) == 2708
