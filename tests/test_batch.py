"""Batch: the disjoint union, its parts, what `replace` keeps and what it forgets."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import cases
import numpy as np
import pytest
import scipy.sparse

import graphnn as gn
from graphnn import kernels as k

LAYOUTS = ("sparse", "list", "dense")


def counting():
    """Return a kernel that counts how often it is computed, and the count."""
    calls = []

    def kernel(graph):
        calls.append(graph.n_nodes)
        return 2.0 * np.eye(graph.n_nodes)

    return kernel, calls


def test_packing_stacks_nodes_and_shifts_edges():
    graphs = cases.graphs("mixed", edges=True, global_features=True)
    batch = gn.pack(graphs)
    starts = np.cumsum([0] + [g.n_nodes for g in graphs])
    assert (batch.n_graphs, batch.n_nodes, batch.n_edges) == (5, starts[-1], sum(g.n_edges for g in graphs))
    assert len(batch) == 5
    np.testing.assert_array_equal(batch.nodes, np.concatenate([g.nodes for g in graphs]))
    np.testing.assert_array_equal(batch.edges, np.concatenate([g.edges for g in graphs]))
    np.testing.assert_array_equal(batch.globals, np.stack([g.globals for g in graphs]))
    for name in ("senders", "receivers"):
        wanted = np.concatenate([getattr(g, name) + start for g, start in zip(graphs, starts, strict=False)])
        np.testing.assert_array_equal(getattr(batch, name), wanted)
    np.testing.assert_array_equal(batch.node_graph, np.repeat(range(5), [g.n_nodes for g in graphs]))
    weights = np.concatenate([np.ones(g.n_edges) if g.weights is None else g.weights for g in graphs])
    np.testing.assert_array_equal(batch.weights, weights)
    assert gn.pack(cases.graphs("path")).weights is None


def assert_same_graph(a, b):
    for name in ("nodes", "senders", "receivers", "edges", "positions", "globals"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    weights = [np.ones(g.n_edges) if g.weights is None else g.weights for g in (a, b)]
    np.testing.assert_array_equal(*weights)
    assert a.names == b.names


def test_graphs_come_back_out_of_a_batch_and_of_its_parts():
    graphs = [
        graph.replace(names=[f"{i}-{j}" for j in range(graph.n_nodes)], positions=np.ones((graph.n_nodes, 2)) * i)
        for i, graph in enumerate(cases.graphs("mixed", edges=True, global_features=True))
    ]
    batch = gn.pack(graphs, dtype=np.float32)  # another type, so that the graphs must be made anew
    for a, b in zip(batch.graphs, graphs, strict=True):
        assert a.dtype == np.float32
        assert_same_graph(a, gn.pack([b], dtype=np.float32).graphs[0])
    for part, chosen in ((batch[[4, 0]], [4, 0]), (batch[2:], [2, 3, 4]), (batch[-1], [4])):
        for a, i in zip(part.graphs, chosen, strict=True):
            assert_same_graph(a, batch.graphs[i])
    assert [one.n_nodes for one in batch] == [g.n_nodes for g in graphs]
    assert batch.names[1] == ("1-0",)
    assert gn.pack(graphs).graphs[2] is graphs[2]


def test_repr_tells_sizes():
    text = repr(gn.pack(cases.graphs("two_sizes", edges=True)))
    assert text == "Batch(2 graphs, 7 nodes, 11 edges, nodes=(7, 3), edges=(11, 2), layout='sparse', float64)"


@pytest.mark.parametrize("layout", LAYOUTS)
class TestProductsOfConstantFeatures:
    def test_they_are_computed_once_also_for_parts(self, layout):
        kernel, calls = counting()
        batch = gn.pack(cases.graphs("two_sizes"), layout=layout)
        first = batch.propagate(kernel, batch.nodes)
        assert batch.propagate(kernel, batch.nodes) is first
        assert not first.flags.writeable
        np.testing.assert_allclose(batch[[1]].propagate(kernel, batch[[1]].nodes), 2 * batch.graphs[1].nodes)
        assert calls == [4, 3]

    def test_several_steps_are_computed_once_also_for_parts(self, layout):
        kernel, calls = counting()
        batch = gn.pack(cases.graphs("two_sizes"), layout=layout)
        first = batch.propagate(kernel, batch.nodes, steps=3)
        assert batch.propagate(kernel, batch.nodes, steps=3) is first
        np.testing.assert_allclose(first, 8 * batch.nodes)
        np.testing.assert_allclose(batch.propagate(kernel, batch.nodes), 2 * batch.nodes)
        part = batch[[1]]
        np.testing.assert_allclose(part.propagate(kernel, part.nodes, steps=3), 8 * batch.graphs[1].nodes)
        np.testing.assert_allclose(part.propagate(kernel, part.nodes + 1, steps=3), 8 * (batch.graphs[1].nodes + 1))
        assert calls == [4, 3]

    def test_other_nodes_give_other_products(self, layout):
        batch = gn.pack(cases.graphs("two_sizes"), layout=layout)
        kernel, _ = counting()
        stale = batch.propagate(kernel, batch.nodes)
        h = batch.nodes + 1.0
        other = batch.replace(nodes=h)
        np.testing.assert_allclose(other.propagate(kernel, other.nodes), 2 * h)
        assert not other.has_own_features
        np.testing.assert_array_equal(batch.propagate(kernel, batch.nodes), stale)

    def test_other_weights_give_other_products(self, layout):
        batch = gn.pack(cases.graphs("weighted"), layout=layout)
        stale = batch.propagate(k.adjacency, batch.nodes)
        for weights in (2 * batch.weights, list(2 * batch.weights), None):
            other = batch.replace(weights=weights)
            times = 2.0 if weights is not None else None
            wanted = times * stale if times else batch.graphs[0].replace(weights=None).kernel(k.adjacency) @ batch.nodes
            np.testing.assert_allclose(other.propagate(k.adjacency, other.nodes), wanted, rtol=1e-13)
            np.testing.assert_allclose(other.graphs[0].kernel(k.adjacency) @ batch.nodes, wanted, rtol=1e-13)
            np.testing.assert_allclose(other[[0]].propagate(k.adjacency, other.nodes), wanted, rtol=1e-13)
        np.testing.assert_array_equal(batch.propagate(k.adjacency, batch.nodes), stale)

    def test_other_kernels_give_other_products(self, layout):
        batch = gn.pack(cases.graphs("two_sizes", kernels=True), layout=layout)
        Ks = batch.kernels()
        stale = batch.propagate(None, batch.nodes)
        other = batch.replace(kernels=[3 * K for K in Ks])
        np.testing.assert_allclose(other.propagate(None, other.nodes), 3 * stale, rtol=1e-13)
        sparse = batch.replace(kernels={"own": [scipy.sparse.csr_array(4 * K) for K in Ks]})
        np.testing.assert_allclose(sparse.propagate("own", sparse.nodes), 4 * stale, rtol=1e-13)
        np.testing.assert_array_equal(batch.propagate(None, batch.nodes), stale)
        np.testing.assert_allclose(other.kernels()[1], 3 * Ks[1])

    def test_other_ends_give_other_products(self, layout):
        batch = gn.pack(cases.graphs("directed"), layout=layout)
        batch.propagate(k.adjacency, batch.nodes)
        turned = batch.replace(senders=batch.receivers, receivers=batch.senders)
        wanted = batch.graphs[0].kernel(k.adjacency).T @ batch.nodes
        np.testing.assert_allclose(turned.propagate(k.adjacency, turned.nodes), wanted, rtol=1e-13)

    def test_a_traced_feature_is_never_remembered(self, layout):
        batch = gn.pack(cases.graphs("two_sizes"), layout=layout)
        for _ in range(2):
            g = gn.grad(lambda h: (batch.replace(nodes=h).propagate(k.laplacian, h) ** 2).sum())(batch.nodes)
        K = scipy.linalg.block_diag(*batch.kernels(k.laplacian))
        np.testing.assert_allclose(g, 2 * K.T @ K @ batch.nodes, rtol=1e-12, atol=1e-12)


def test_segments_count_nodes_and_ends_of_edges():
    batch = gn.pack(cases.graphs("mixed"))
    np.testing.assert_array_equal(batch.node_segments.sizes, [g.n_nodes for g in batch.graphs])
    np.testing.assert_array_equal(batch.edge_segments.sizes, [g.n_edges for g in batch.graphs])
    for name in ("sender", "receiver"):
        wanted = np.bincount(getattr(batch, f"{name}s"), minlength=batch.n_nodes)
        np.testing.assert_array_equal(getattr(batch, f"{name}_segments").sizes, wanted)


def test_features_can_be_taken_away_again():
    batch = gn.pack(cases.graphs("mixed", edges=True, global_features=True))
    bare = batch.replace(edges=None, globals=None)
    assert (bare.edges, bare.globals, bare.n_edges) == (None, None, batch.n_edges)


def test_hidden_features_never_reach_a_kernel():
    seen = []

    def kernel(graph):
        seen.append(graph.nodes.copy())
        return np.eye(graph.n_nodes)

    batch = gn.pack(cases.graphs("path"))
    batch.replace(nodes=batch.nodes * 0).propagate(kernel, batch.nodes)
    np.testing.assert_array_equal(seen[0], batch.nodes)


def test_layouts_turn_into_each_other_and_say_so():
    batch = gn.pack(cases.graphs("two_sizes"))
    for layout in LAYOUTS:
        other = batch.with_layout(layout)
        assert other.layout == gn.pack(batch, layout=layout).layout == layout
        assert gn.pack(other).layout == layout
        assert other.has_own_features
        hidden = batch.replace(nodes=batch.nodes + 1.0).with_layout(layout)
        np.testing.assert_array_equal(hidden.nodes, batch.nodes + 1.0)
    assert gn.pack(batch) is batch
    operators = [type(gn.pack(batch, layout=name).packed.operator(k.adjacency)) for name in LAYOUTS]
    assert operators == [gn.ops.SparseMatrix, list, gn.ops.PaddedBlocks]


def test_a_batch_changes_its_type_and_keeps_everything_else():
    batch = gn.pack(cases.graphs("mixed", edges=True, kernels=True), layout="list")
    small = gn.pack(batch, dtype=np.float32)
    assert (small.dtype, small.edges.dtype, small.weights.dtype, small.layout) == (
        *[np.dtype(np.float32)] * 3,
        "list",
    )
    for layout in LAYOUTS:
        again = gn.pack(small, layout=layout)
        assert again.propagate(None, again.nodes).dtype == np.float32
        assert again.replace(kernels=batch.kernels()).propagate(None, again.nodes).dtype == np.float32
    assert gn.pack(small, dtype=np.float64).dtype == np.float64
    assert gn.pack(batch, dtype=np.float64) is batch
    mixed = [cases.graph("path", dtype=np.float32), cases.graph("path")]
    assert gn.pack(mixed).nodes.dtype == np.float64


@pytest.mark.parametrize("index", [[0], [1, 0], slice(None), [1, 1]], ids=str)
@pytest.mark.parametrize("name", ["nodes", "edges", "positions", "globals"])
def test_a_part_of_a_batch_has_the_features_that_were_put_in(name, index):
    """Taking a part once fell back to the edge features that had come in."""
    graphs = cases.graphs("two_sizes", edges=True, positions=True, global_features=True)
    doubled = [dataclasses.replace(graph, **{name: 2 * getattr(graph, name)}) for graph in graphs]
    batch = gn.pack(graphs)
    part, expected = batch.replace(**{name: 2 * getattr(batch, name)})[index], gn.pack(doubled)[index]
    for other in ("nodes", "edges", "positions", "globals"):
        np.testing.assert_array_equal(getattr(part, other), getattr(expected, other))
    np.testing.assert_array_equal(part.senders, expected.senders)


def test_a_part_of_features_that_were_taken_away_or_made_sparse():
    batch = gn.pack(cases.graphs("two_sizes", edges=True))
    assert batch.replace(edges=None)[[1]].edges is None
    sparse = gn.ops.SparseMatrix.from_scipy(scipy.sparse.csr_array(batch.nodes))
    np.testing.assert_array_equal(gn.ops.dense(batch.replace(nodes=sparse)[[1]].nodes), batch[[1]].nodes)


def test_the_gradient_of_a_part_lies_in_its_rows():
    batch = gn.pack(cases.graphs("two_sizes"))

    def loss(nodes):
        return (batch.replace(nodes=nodes)[[1]].nodes ** 2).sum()

    np.testing.assert_array_equal(gn.grad(loss)(batch.nodes), 2 * batch.nodes * (batch.node_graph == 1)[:, None])


def test_fit_cuts_mini_batches_of_replaced_features():
    batch = gn.pack(gn.datasets.alkanes().graphs[10:20])
    model = gn.Sequential(gn.GraphConv(3), gn.SumPool(), gn.Dense(1))
    small, y = batch.replace(nodes=0.1 * batch.nodes), np.arange(10.0)[:, None]
    _, history = gn.fit(model, model.init(0, batch), small, y, batch_size=4, epochs=3)
    assert len(history.steps) == 9


def test_weights_flow_through_parts_traced_or_not():
    batch = gn.pack(cases.graphs("mixed"))

    def loss(weights):
        part = batch.replace(weights=weights)[[4, 0]]
        return (part.propagate(k.random_walk, part.nodes) ** 2).sum()

    g = gn.grad(loss)(batch.weights)
    offsets = batch.packed.edge_offsets
    untouched = np.ones(batch.n_edges, bool)
    for i in (4, 0):
        piece = slice(*offsets[i : i + 2])
        untouched[piece] = False
        alone = gn.pack([batch.graphs[i]])
        one = gn.grad(lambda w, b=alone: (b.replace(weights=w).propagate(k.random_walk, b.nodes) ** 2).sum())
        np.testing.assert_allclose(g[piece], one(batch.weights[piece]), rtol=1e-12, atol=1e-14)
    assert not g[untouched].any()


class TestFromArrays:
    def test_it_is_what_pack_makes(self):
        graphs = cases.graphs("mixed")
        batch = gn.pack(graphs)
        for layout in LAYOUTS:
            made = gn.Batch.from_arrays(
                batch.nodes,
                batch.senders,
                batch.receivers,
                batch.node_graph,
                5,
                weights=batch.weights,
                layout=layout,
            )
            h = np.ones((made.n_nodes, 2))
            np.testing.assert_allclose(
                made.propagate(k.normalized_adjacency, h),
                batch.propagate(k.normalized_adjacency, h),
                rtol=1e-13,
            )
            np.testing.assert_array_equal(gn.SumPool()({}, made), gn.SumPool()({}, batch))

    def test_the_last_graphs_may_be_empty(self):
        made = gn.Batch.from_arrays(np.ones((2, 1)), [0], [1], [0, 0], 3)
        assert gn.SumPool()({}, made).ravel().tolist() == [2, 0, 0]

    def test_nodes_may_be_traced(self):
        x = np.random.default_rng(0).normal(size=(3, 2))

        def loss(x):
            batch = gn.Batch.from_arrays(x, [0, 1], [1, 0], [0, 0, 1], 2)
            return (batch.propagate(k.normalized_adjacency, batch.nodes) ** 2).sum()

        K = np.array([[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]])
        np.testing.assert_allclose(gn.grad(loss)(x), 2 * K.T @ K @ x, rtol=1e-13)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (([0, 5], [1, 0], [0, 0, 1], 2), "senders: contains 5 but the graph has 3 nodes"),
            (([0], [1, 0], [0, 0, 1], 2), r"receivers: expected 1 entries \(one per sender\), got 2"),
            (([1], [2], [1, 0, 0], 2), "node_graph: nodes and edges of one graph must stand together"),
            (([2, 0], [2, 1], [0, 0, 1], 2), "receivers: nodes and edges of one graph must stand together"),
            (([0], [2], [0, 0, 1], 2), "senders: an edge goes from one graph to another"),
            (([0], [1], [0, 0, 2], 2), r"node_graph: expected 3 numbers \(one per node\) of graphs 0..1"),
            (([0], [1], [0, 0], 2), r"node_graph: expected 3 numbers"),
        ],
    )
    def test_blocks_out_of_order_are_refused(self, arguments, message):
        with pytest.raises(gn.GraphError, match=message):
            gn.Batch.from_arrays(np.ones((3, 1)), *arguments)


@pytest.mark.parametrize("copied", [lambda batch: pickle.loads(pickle.dumps(batch)), copy.deepcopy])
def test_copies_compute_the_same(copied):
    batch = gn.pack(cases.graphs("mixed", edges=True, positions=True, global_features=True))
    model = gn.Sequential(gn.GraphConv(4, gn.tanh), gn.NeuralFingerprint(3))
    params = cases.parameters(model, batch)
    wanted = model(params, batch)
    for one in (batch, batch[[4, 2]]):
        twin = copied(one)
        np.testing.assert_array_equal(model(params, twin), model(params, one))
        for ours, theirs in zip(one.graphs, twin.graphs, strict=True):
            assert_same_graph(ours, theirs)
    np.testing.assert_array_equal(model(params, batch), wanted)


def arrays_of(batch):
    packed = batch.packed
    blocks = [block for blocks in packed.kernels.values() for block in blocks]
    names = (
        "nodes",
        "senders",
        "receivers",
        "node_offsets",
        "edge_offsets",
        "edges",
        "weights",
        "positions",
        "globals",
    )
    named = {name: getattr(packed, name) for name in names}
    segments = {"node_graph": batch.node_graph, "edge_graph": batch.edge_segments.index}
    graphs = {f"{i}.{name}": getattr(g, name) for i, g in enumerate(batch.graphs) for name in names if hasattr(g, name)}
    return {**named, **segments, **graphs, **{f"kernel {i}": block for i, block in enumerate(blocks)}}


@pytest.mark.parametrize(
    "part",
    [
        lambda batch: batch,
        lambda batch: batch[[4, 0]],
        lambda batch: pickle.loads(pickle.dumps(batch)),
        lambda batch: pickle.loads(pickle.dumps(batch[1:])),
        copy.deepcopy,
        lambda batch: gn.pack(batch, dtype=np.float32),
        lambda batch: batch.replace(weights=np.ones(batch.n_edges)),
    ],
)
def test_no_array_of_a_batch_can_be_edited_behind_the_back_of_its_memo(part):
    """Mini-batches, copies and the ends of edges were writable, and products already remembered went stale."""
    batch = part(gn.pack(cases.graphs("mixed", edges=True, global_features=True, kernels=True)))
    arrays = {name: array for name, array in arrays_of(batch).items() if array is not None}
    assert len(arrays) > 20
    assert not [name for name, array in arrays.items() if array.flags.writeable]


def test_sparse_kernels_and_features_cannot_be_edited_either():
    eye = scipy.sparse.eye_array(3, format="csr")
    batch = gn.pack(nodes=[eye], kernels=[eye])
    for one in (batch, pickle.loads(pickle.dumps(batch))):
        for array in (one.nodes.values, one.packed.kernels["kernel"][0].data, one.graphs[0].kernels["kernel"].indices):
            assert not array.flags.writeable
    assert eye.data.flags.writeable


FIELDS = {"edges": np.ones((2, 1)), "weights": np.ones(2), "positions": np.ones((3, 2)), "globals": np.ones((2, 1))}


class TestFromArraysKeepsItsOwn:
    @staticmethod
    def made(nodes, **fields):
        return gn.Batch.from_arrays(nodes, [0, 1], [1, 0], [0, 0, 1], 2, **fields)

    def test_later_edits_of_the_users_arrays_do_not_reach_it(self):
        nodes, fields = np.ones((3, 2)), {name: array.copy() for name, array in FIELDS.items()}
        batch = self.made(nodes, **fields)
        for array in (nodes, *fields.values()):
            array[...] = 7
        assert batch.nodes.max() == 1
        assert [float(getattr(batch, name).max()) for name in fields] == [1, 1, 1, 1]

    def test_whole_numbers_become_floats(self):
        assert (
            self.made(np.ones((3, 2), int), weights=[1, 2]).weights.dtype == self.made([[1], [2], [3]]).dtype == float
        )

    @pytest.mark.parametrize("name", FIELDS)
    def test_rows_too_few_and_nan_are_refused(self, name):
        with pytest.raises(gn.GraphError, match=f"{name}: expected"):
            self.made(np.ones((3, 2)), **{name: FIELDS[name][:1]})
        with pytest.raises(gn.GraphError, match=f"{name}: entry .* is nan"):
            self.made(np.ones((3, 2)), **{name: FIELDS[name] * np.nan})

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_a_kernel_without_mark_works_beside_traced_nodes(self, layout):
        def loss(x):
            batch = self.made(x, layout=layout)
            return (batch.propagate(k.Heat(0.5), batch.nodes) ** 2).sum()

        x = np.random.default_rng(0).normal(size=(3, 2))
        K = scipy.linalg.block_diag(*self.made(x).kernels(k.Heat(0.5)))
        np.testing.assert_allclose(gn.grad(loss)(x), 2 * K.T @ K @ x, rtol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("own", [True, False])
def test_a_kernel_that_closes_over_a_traced_number_is_not_remembered(layout, own):
    batch = gn.pack(cases.graphs("two_sizes"), layout=layout)[[1, 0]]
    stretched = {}

    def loss(t):
        @gn.local
        def kernel(graph):
            A = graph.sparse_adjacency
            return A.with_values(t * A.values)

        function = stretched.setdefault("kernel", kernel)  # the same object, as a user's module-level function would be
        function.__closure__[0].cell_contents = t
        h = batch.nodes if own else batch.nodes + 0.0
        return (batch.propagate(function, h) ** 2).sum()

    wanted = loss(1.0)
    stretched.clear()
    for t in (2.0, 3.0):
        np.testing.assert_allclose(gn.grad(loss)(t), 2 * t * wanted, rtol=1e-12)


@pytest.mark.parametrize("layout", ["sparse", "dense"])
def test_a_part_slices_what_its_parent_computed(layout, monkeypatch):
    """Given kernels were converted anew for every mini-batch, and so was every kernel of the padded layout."""
    from graphnn import packed

    batch = gn.pack(cases.graphs("mixed", kernels=True), layout=layout)
    local_calls = []

    @gn.local
    def counted(graph):
        local_calls.append(graph.n_nodes)
        return graph.sparse_adjacency

    for kernel in ("own", counted):
        batch.packed.operator(kernel)
    monkeypatch.delattr(packed, "stack_blocks")
    for chosen in ([4, 0], [2], []):
        part = batch[chosen]
        h = np.ones((part.n_nodes, 2))
        for kernel in ("own", counted):
            wanted = [K @ np.ones((len(K), 2)) for K in (batch.kernels(kernel)[i] for i in chosen)]
            np.testing.assert_allclose(part.propagate(kernel, h), np.concatenate([h[:0], *wanted]), atol=1e-14)
    assert local_calls[0] == batch.n_nodes
    assert set(local_calls[1:]) <= {g.n_nodes for g in batch.graphs}  # only `kernels`, the reference, graph by graph


@pytest.mark.parametrize("layout", LAYOUTS)
def test_graphs_that_were_sliced_away_are_not_complained_about(layout):
    good = cases.graph("path")
    batch = gn.pack([good.replace(weights=-np.ones(6)), good, good], layout=layout)
    part = batch[1:]
    wanted = gn.pack([good, good]).propagate(k.random_walk, part.nodes)
    np.testing.assert_allclose(part.propagate(k.random_walk, part.nodes), wanted)
    np.testing.assert_allclose(part.propagate(k.random_walk, part.nodes + 0.0), wanted)
    with pytest.raises(gn.GraphError, match=r"graphs\[1\].weights"):
        batch[[2, 0]].propagate(k.random_walk, part.nodes)


def numbers(batch):
    """Return the bytes of all arrays that a batch and its remembered kernels hold."""
    parts = [batch.nodes, batch.senders, batch.receivers, batch.packed.node_offsets, batch.packed.edge_offsets]
    return sum(np.asarray(part).nbytes for part in parts)


def test_no_graph_takes_the_room_of_the_largest():
    """1513 molecules of 34 atoms on average, the largest of 97: padded adjacencies would take 114 MB, these 3."""
    rng = np.random.default_rng(0)
    sizes = np.append(rng.integers(14, 54, 1512), 97)
    chains = [gn.from_adjacency(np.eye(n, k=1) + np.eye(n, k=-1)) for n in sizes]
    batch = gn.pack(chains)
    kernel = batch.packed.operator(k.normalized_adjacency)
    assert kernel.pattern.n_entries == batch.n_edges + batch.n_nodes
    entries = kernel.values.nbytes + kernel.pattern.indices.nbytes + kernel.pattern.indptr.nbytes
    assert entries < 3e6 < 0.03 * 8 * len(sizes) * 97**2
    assert len(pickle.dumps(batch)) < 2 * numbers(batch)  # and no graph of networkx with it


@pytest.mark.parametrize("count", [1, 3])
def test_traced_sparse_features_keep_their_trace_when_packed(count):
    pattern = gn.ops.SparseMatrix.from_entries(np.array([0, 0, 1]), np.array([1, 0, 1]), np.ones(3), (2, 2))
    model, dense = gn.GraphConv(3, gn.tanh), gn.Graph(np.ones((2, 2)), senders=[0, 1], receivers=[1, 0])
    params = model.init(0, dense)

    def total(values, sparse):
        nodes = pattern.with_values(values)
        graph = gn.Graph(nodes if sparse else nodes.toarray(), senders=[0, 1], receivers=[1, 0])
        batch = gn.pack([graph, dense, graph][:count])
        return gn.ops.sum(model(params, batch).nodes ** 2)

    values = np.array([0.5, -1.0, 2.0])
    found, wanted = (gn.grad(total)(values, sparse) for sparse in (True, False))
    assert abs(wanted).min() > 0
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
