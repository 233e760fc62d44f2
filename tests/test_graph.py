"""Graph: what it keeps, what it converts, and that it is nobody else's memory."""

from __future__ import annotations

import copy
import pickle

import cases
import numpy as np
import pytest
import scipy.sparse

import graphnn as gn
from graphnn import kernels as k

ARRAYS = ("nodes", "senders", "receivers", "edges", "weights", "positions", "globals")


def full() -> dict[str, np.ndarray]:
    """Return every field a graph has, as arrays a user would hold."""
    rng = np.random.default_rng(0)
    return {
        "nodes": rng.normal(size=(3, 2)),
        "senders": np.array([0, 1, 2]),
        "receivers": np.array([1, 2, 0]),
        "edges": rng.normal(size=(3, 4)),
        "weights": rng.uniform(1, 2, 3),
        "positions": rng.normal(size=(3, 2)),
        "globals": rng.normal(size=5),
    }


def test_a_graph_keeps_copies_that_nobody_can_write_to():
    given = full()
    own = np.eye(3)
    graph = gn.Graph(**given, kernels={"own": own})
    for name, array in given.items():
        kept = getattr(graph, name)
        assert not np.shares_memory(kept, array)
        assert not kept.flags.writeable
        assert array.flags.writeable
        array[...] = 0
        assert kept.any()
    own[...] = 0
    assert graph.kernels["own"].any()
    with pytest.raises(AttributeError):
        graph.nodes = np.ones((3, 2))


@pytest.mark.parametrize("kind", [scipy.sparse.csr_array, scipy.sparse.csc_array, scipy.sparse.coo_array])
def test_sparse_features_with_duplicates_are_not_written_to(kind):
    """Adding duplicates in place once rewrote the user's matrix."""
    coo = scipy.sparse.coo_array((np.array([1.0, 2, 3]), (np.array([1, 1, 0]), np.array([2, 2, 0]))), shape=(2, 3))
    mine = scipy.sparse.csr_array((np.array([1.0, 2, 3]), np.array([2, 0, 0]), np.array([0, 3, 3])), shape=(2, 3))
    mine = mine if kind is scipy.sparse.csr_array else kind(coo)
    before, dense = pickle.dumps(mine), mine.toarray()
    graph = gn.Graph(mine)
    np.testing.assert_array_equal(graph.nodes.toarray(), dense)
    assert graph.nodes.pattern.n_entries == np.count_nonzero(dense)
    gn.pack([graph, graph]).nodes.toarray()
    np.testing.assert_array_equal(graph.replace(globals=[1.0]).nodes.toarray(), dense)
    assert pickle.dumps(mine) == before
    with_kernel = gn.Graph(np.ones((2, 1)), kernels={"own": kind(mine.tocsr()[:, :2])})
    np.testing.assert_array_equal(with_kernel.kernel("own"), dense[:, :2])


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.int64, np.float64),
        (np.uint8, np.float64),
        (bool, np.float64),
        (np.float16, np.float64),
    ],
)
def test_floats_keep_their_type_and_everything_follows_the_nodes(given, kept):
    arrays = full() | {"nodes": np.array([[1, 0], [0, 1], [1, 1]], given)}
    graph = gn.Graph(**arrays, kernels={"own": np.eye(3), "sparse": scipy.sparse.eye_array(3)})
    assert graph.dtype == kept
    for name in ("nodes", "edges", "weights", "positions", "globals"):
        assert getattr(graph, name).dtype == kept
    assert {K.dtype for K in graph.kernels.values()} == {np.dtype(kept)}
    assert graph.kernel(k.Heat(0.5)).dtype == kept
    assert graph.adjacency.dtype == kept
    np.testing.assert_array_equal(graph.nodes, arrays["nodes"].astype(float))


def test_vectors_become_columns_and_lists_arrays():
    graph = gn.Graph([1, 2, 3], [0, 1], (1, 2), edges=[5.0, 6.0], positions=[0, 1, 2], globals=7.0)
    assert (graph.nodes.shape, graph.edges.shape, graph.positions.shape) == ((3, 1), (2, 1), (3, 1))
    assert graph.globals.shape == (1,)


def test_repr_names_sizes_and_the_direction_of_edges():
    text = repr(gn.Graph(**full(), kernels={"own": np.eye(3)}))
    assert text.startswith("Graph(n_nodes=3, n_edges=3, nodes=(3, 2) float64, edges=(3, 4)")
    assert "kernels=['own']" in text
    assert text.endswith("A[i, j] is the edge from j to i)")


def test_replace_changes_what_it_is_told_and_forgets_what_depended_on_it():
    graph = gn.Graph(**full(), names=["a", "b", "c"])
    before = graph.kernel(k.adjacency)
    heavier = graph.replace(weights=2 * graph.weights)
    np.testing.assert_array_equal(heavier.kernel(k.adjacency), 2 * before)
    np.testing.assert_array_equal(graph.kernel(k.adjacency), before)
    assert heavier.names == ("a", "b", "c")
    assert graph.replace(weights=None).weights is None
    for name in set(ARRAYS) - {"weights"}:
        np.testing.assert_array_equal(getattr(heavier, name), getattr(graph, name))


def test_a_kernel_is_remembered_read_only():
    graph = cases.graph("weighted")
    K = graph.kernel(k.normalized_adjacency)
    assert graph.kernel(k.normalized_adjacency) is K
    with pytest.raises(ValueError, match="read-only"):
        K[0, 0] = 1


@pytest.mark.parametrize("copied", [lambda graph: pickle.loads(pickle.dumps(graph)), copy.copy, copy.deepcopy])
def test_copies_are_equal_in_every_array_and_carry_no_memo(copied):
    graph = gn.Graph(**full(), kernels={"own": np.eye(3)}, names=["a", "b", "c"])
    graph.kernel(k.Heat(0.5))
    twin = copied(graph)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(twin, name), getattr(graph, name))
    assert twin.names == graph.names
    np.testing.assert_array_equal(twin.kernel("own"), np.eye(3))
    np.testing.assert_array_equal(twin.kernel(k.Heat(0.5)), graph.kernel(k.Heat(0.5)))


def test_a_graph_made_of_traced_weights_is_differentiated_through():
    graph = cases.graph("weighted")
    batch = gn.pack(graph)

    def through_graph(weights):
        return (gn.pack([graph.replace(weights=weights)]).propagate(k.random_walk, graph.nodes) ** 2).sum()

    def through_batch(weights):
        return (batch.replace(weights=weights).propagate(k.random_walk, graph.nodes) ** 2).sum()

    def through_matrix(weights):
        return (gn.ops.propagate([graph.replace(weights=weights).kernel(k.random_walk)], graph.nodes) ** 2).sum()

    wanted = gn.grad(through_batch)(graph.weights)
    assert wanted.any()
    for function in (through_graph, through_matrix):
        np.testing.assert_allclose(gn.grad(function)(graph.weights), wanted, rtol=1e-12)
    with pytest.raises(gn.GraphError, match=r"weights: expected shape \(6,\)"):
        gn.grad(lambda w: through_graph(w[:2]))(graph.weights)


@pytest.mark.parametrize("copied", [lambda graph: pickle.loads(pickle.dumps(graph)), copy.deepcopy])
def test_copies_are_read_only_too(copied):
    twin = copied(gn.Graph(**full(), kernels={"own": np.eye(3), "sparse": scipy.sparse.eye_array(3, format="csr")}))
    arrays = [*(getattr(twin, name) for name in ARRAYS), twin.kernels["own"], twin.kernels["sparse"].data]
    assert not any(array.flags.writeable for array in arrays)


def test_the_memo_is_not_an_argument():
    with pytest.raises(TypeError, match="_memo"):
        gn.Graph(np.ones((1, 1)), _memo={})


def test_a_kernel_that_sorts_its_adjacency_in_place_leaves_the_graph_as_it_is():
    def sorting(graph):
        matrix = graph.sparse_adjacency.toscipy()
        matrix.sum_duplicates()
        matrix.data *= 2
        return matrix

    for flavour in ("multi_edge", "weighted"):
        graph = cases.graph(flavour)
        before = graph.kernel(k.adjacency)
        np.testing.assert_array_equal(graph.kernel(sorting), 2 * before)
        np.testing.assert_array_equal(graph.sparse_adjacency.toarray(), before)
