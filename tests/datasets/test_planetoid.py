"""The files of Planetoid: Cora against what its authors counted, small ones with every oddity, and damage."""

from __future__ import annotations

import shutil
from collections import Counter

import numpy as np
import pytest
import python2
import scipy.sparse
from damage import outcomes
from real_files import real_file

from graphnn.datasets import read_npz, read_planetoid
from graphnn.datasets.loading import CORA_CLASSES

PARTS = ("x", "y", "tx", "ty", "allx", "ally", "graph")

# Nodes 0 to 4, of which 0 and 1 are for training; test nodes 7, 5 and 9 in that order; 6 and 8 are gaps.
FEATURES = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [0, 1, 1], [7, 0, 0], [0, 5, 0], [0, 0, 9]], "<f4")
CLASSES = np.array([[1, 0], [0, 1], [1, 0], [0, 0], [0, 1], [0, 1], [1, 0], [1, 0]], "<i4")
LINKS = {0: [1, 1, 2], 1: [0], 2: [5, 2], 5: [7], 9: [9, 0], 6: []}
TEST = "7\n5\n9\n"


def sparse(rows):
    return python2.matrix(scipy.sparse.csr_array(FEATURES[rows]))


CONTENT = {
    "x": sparse(slice(0, 2)),
    "allx": sparse(slice(0, 5)),
    "tx": sparse(slice(5, 8)),
    "y": python2.array(CLASSES[:2]),
    "ally": python2.array(CLASSES[:5]),
    "ty": python2.array(CLASSES[5:]),
    "graph": python2.lists(LINKS),
}


@pytest.fixture
def folder(tmp_path):
    """Write a small set, with some files changed or (None) missing."""

    def write(test=TEST, name="toy", **changes):
        for part, body in (CONTENT | changes).items():
            path = tmp_path / f"ind.{name}.{part}"
            path.unlink(missing_ok=True)
            if body is not None:
                path.write_bytes(body if body.startswith(b"\x80") else python2.pickle_of(body))
        (tmp_path / f"ind.{name}.test.index").write_text(test)
        return tmp_path

    return write


def test_rows_of_the_test_go_where_the_unsorted_index_says_and_gaps_stay_empty(folder):
    data = read_planetoid(folder())
    expected = np.zeros((10, 3))
    expected[:5], expected[[7, 5, 9]] = FEATURES[:5], FEATURES[5:]
    np.testing.assert_array_equal(data.graph.nodes.toarray(), expected)
    assert data.labels.tolist() == [0, 1, 0, -1, 1, 0, -1, 1, -1, 0]
    assert data.labels.dtype == np.int64
    assert [part.tolist() for part in data.split] == [[0, 1], [2, 3, 4], [5, 7, 9]]
    assert data.classes == ("0", "1")
    assert repr(data).startswith("NodeData(10 nodes, 10 edges, 3 features, 2 classes, Split(train=2, validation=3")


def test_links_are_taken_once_in_either_direction_and_loops_left_out(folder):
    graph = read_planetoid(folder()).graph
    assert graph.weights is None
    links = set(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))
    one_way = {(0, 1), (0, 2), (2, 5), (5, 7), (9, 0)}
    assert links == one_way | {(v, u) for u, v in one_way}
    assert graph.n_edges == len(links)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_features_have_the_type_asked_for(folder, dtype):
    assert read_planetoid(folder(), dtype=dtype).graph.dtype == dtype


def test_features_may_be_dense(folder):
    dense = {part: python2.array(FEATURES[rows]) for part, rows in {"x": slice(0, 2), "tx": slice(5, 8)}.items()}
    np.testing.assert_array_equal(
        read_planetoid(folder(**dense)).graph.nodes.toarray(), read_planetoid(folder()).graph.nodes.toarray()
    )


def test_of_several_sets_the_name_is_wanted(folder):
    folder(name="other")
    assert len(read_planetoid(folder(), "toy").labels) == 10
    with pytest.raises(FileNotFoundError, match=r"wanted one file ind\.NAME\.x, found 'other', 'toy'; say name="):
        read_planetoid(folder())
    with pytest.raises(FileNotFoundError, match=r"ind\.third\.allx: there is no such file"):
        read_planetoid(folder(), "third")
    with pytest.raises(FileNotFoundError, match=r"ind\.toy\.ty: there is no such file"):
        read_planetoid(folder(ty=None), "toy")


ODD = scipy.sparse.csr_array(FEATURES[:2])
BAD = {
    "another pickle": ({"x": b"cposix\nsystem\n(U\x02lstR"}, "", "ind.toy.x: cannot be read .*names 'posix system'"),
    "a list": ({"x": b"]"}, "", "ind.toy.x: holds no matrix: wanted an array, found list"),
    "no classes": ({"y": b"]"}, "", "ind.toy.y: holds no array: wanted an array, found list"),
    "several classes": ({"y": python2.array(np.ones((2, 2), "<i4"))}, "", "ind.toy.y: .*a single 1 or none in each"),
    "a flat array": ({"y": python2.array(np.ones(2, "<i4"))}, "", r"ind.toy.y: holds an array of shape \(2,\)"),
    "other rows": ({"y": CONTENT["ally"]}, "", "ind.toy.x: has 2 rows, ind.toy.y has 5"),
    "other columns": ({"tx": python2.array(FEATURES[5:, :2])}, "", "ind.toy.tx: has 2 columns, ind.toy.allx has 3"),
    "of another set": ({"x": sparse(slice(1, 3))}, "", "ind.toy.x: its 2 rows are not the first of ind.toy.allx"),
    "nan": ({"tx": python2.array(FEATURES[5:] * np.float32(np.nan))}, "", "ind.toy.tx: holds numbers that are not fin"),
    "no lists": ({"graph": b"}"}, "7\n5\n5\n", "test.index: lists node 5 more than once"),
    "numbers as links": ({"graph": b"}(" + python2.whole(0) + python2.whole(1) + b"u"}, "", "graph: holds no lists"),
    "words as links": ({"graph": b"}(" + python2.whole(0) + b"](U\x01aeu"}, "", "graph: names node 'a', but"),
    "a node too many": ({"graph": python2.lists({0: [10]})}, "", "graph: names node 10, but there are 10, from 0"),
    "a negative node": ({"graph": python2.lists({-1: [0]})}, "", "graph: names node -1"),
    "too few numbers": ({}, "7\n5\n", "test.index: lists 2 nodes from 5 to 7; wanted one for each of the 3 rows"),
    "a later start": ({}, "7\n6\n9\n", "test.index: lists 3 nodes from 6 to 9; .* the first after the 5 of ind"),
    "a far number": ({}, "7\n5\n900000000\n", "test.index: lists 3 nodes from 5 to 900000000"),
    "a word": ({}, "7\n5\nx\n", "test.index: has 'x', wanted the number of a node"),
    "a negative number": ({}, "7\n5\n-9\n", "test.index: has '-9', wanted the number of a node"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_contradictions_are_refused_by_file(folder, case):
    changes, test, says = BAD[case]
    with pytest.raises(ValueError, match=says):
        read_planetoid(folder(test or TEST, **changes))


@pytest.mark.parametrize(
    ("change", "value"), [("indices", [0, 3]), ("indptr", [0, 2, 1]), ("indptr", [1, 1, 2]), ("indices", [0, -1])]
)
def test_sparse_parts_that_do_not_fit_are_refused(folder, change, value):
    broken = scipy.sparse.csr_array(FEATURES[:2])
    setattr(broken, change, np.array(value, "<i4"))
    with pytest.raises(ValueError, match=r"ind\.toy\.x: holds no matrix: the parts of a sparse matrix .* contradict"):
        read_planetoid(folder(x=python2.matrix(broken)))


@pytest.mark.parametrize("part", [*PARTS, "test.index"])
def test_damage_is_read_or_refused_by_name_and_nothing_else(folder, part):
    path = folder() / f"ind.toy.{part}"

    def read():
        try:
            read_planetoid(path.parent)
        except ValueError as error:  # a change in one file may show as a contradiction with the next
            assert "ind.toy." in str(error)
            raise ValueError(f"{path.name}: {error}") from error

    read_well, refused = outcomes(path.read_bytes(), path, read, flips=150)
    assert refused > 25
    assert read_well > 0 or part in ("graph", "test.index")  # a feature changed, the rest as it was


@pytest.mark.parametrize("part", ["x", "ally", "graph"])
def test_damage_in_a_real_file_is_read_or_refused(tmp_path, part):
    place = shutil.copytree(real_file("planetoid"), tmp_path / "planetoid")
    path = place / f"ind.cora.{part}"

    def read():
        try:
            read_planetoid(place)
        except ValueError as error:
            raise ValueError(f"{path.name}: {error}") from error

    assert outcomes(path.read_bytes(), path, read, cuts=8, flips=12)[1] > 8


@pytest.fixture(scope="module")
def cora():
    return read_planetoid(real_file("planetoid"))


def test_cora_is_what_its_authors_counted(cora):
    assert (cora.graph.n_nodes, cora.graph.n_edges, cora.graph.nodes.shape) == (2708, 2 * 5278, (2708, 1433))
    assert cora.graph.nodes.toscipy().nnz == 49216
    assert np.bincount(cora.labels).tolist() == [351, 217, 418, 818, 426, 298, 180]
    assert list(map(len, cora.split)) == [140, 500, 1000]
    assert np.bincount(cora.labels[cora.split.train]).tolist() == [20] * 7
    assert [(part.min(), part.max()) for part in cora.split] == [(0, 139), (140, 639), (1708, 2707)]


def test_papers_cite_papers_of_their_field_in_the_test_as_well(cora):
    alike = cora.labels[cora.graph.senders] == cora.labels[cora.graph.receivers]
    tested = np.isin(cora.graph.senders, cora.split.test)
    assert alike.mean() == pytest.approx(0.81, abs=0.001)  # Zhu et al. 2020, edge homophily of Cora
    assert abs(alike[tested].mean() - alike[~tested].mean()) < 0.03


def test_cora_is_the_corpus_of_gnn_benchmark_node_by_node(cora):
    other = read_npz(real_file("gnn_benchmark", "cora.npz"))
    papers = [profiles(cora, CORA_CLASSES), profiles(other, other.classes)]
    assert papers[0] == papers[1]
    assert len(papers[0]) > 2500  # of 2708: nearly every paper is told from all others


def profiles(data, names):
    """Count the papers by field, number of words, and the same of all they are linked to."""
    g = data.graph
    words = g.nodes.toscipy().sum(axis=1).astype(int)
    own = [(names[label], int(n)) for label, n in zip(data.labels.tolist(), words, strict=True)]
    linked = [[] for _ in own]
    for sender, receiver in zip(g.senders.tolist(), g.receivers.tolist(), strict=True):
        linked[receiver].append(own[sender])
    return Counter((paper, tuple(sorted(others))) for paper, others in zip(own, linked, strict=True))
