"""fit tells before the first step that one would not fit: what it expects is what is kept, and nothing is made."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import scipy.sparse

import graphnn as gn
from graphnn.insight.reading import Reading
from graphnn.training import room
from graphnn.training.room import expected


def drawn(n, m, seed=0, **more):
    rng = np.random.default_rng(seed)
    senders, receivers = rng.integers(0, n, (2, m))
    ends = np.r_[senders, receivers], np.r_[receivers, senders]
    return gn.Graph(rng.normal(size=(n, 3)), *ends, edges=rng.normal(size=(2 * m, 2)), **more)


MANY = gn.pack([drawn(n, 2 * n, n) for n in range(4, 40)])
ONE = gn.pack(drawn(500, 2000))
# The largest are of one size: in the parts nodes and edges are multiples of graphs.
TREES = gn.pack([*(drawn(7, 6, seed) for seed in range(5)), *(drawn(2, 1, seed) for seed in range(30))])
# The first edges share no ends: in the parts nodes are a multiple of edges.
PAIRS = np.arange(100, 1100, 2)
THIN = gn.pack(gn.Graph(np.ones((5000, 3)), np.r_[PAIRS, PAIRS + 1], np.r_[PAIRS + 1, PAIRS], edges=np.ones((1000, 2))))
ALONE = gn.pack(gn.Graph(np.ones((700, 3)), edges=np.ones((0, 2))))
ALL = {
    "many": MANY,
    "one": ONE,
    "trees": TREES,
    "thin": THIN,
    "no edges": ALONE,
    "replaced": ONE.replace(nodes=2 * ONE.nodes, weights=np.ones(ONE.n_edges)),
    "sparse": gn.pack([graph.replace(nodes=scipy.sparse.csr_array(graph.nodes)) for graph in MANY.graphs]),
    "own kernels": gn.pack([graph.replace(kernels={"own": np.eye(graph.n_nodes)}) for graph in MANY.graphs]),
}
MODELS = {
    "gcn": (gn.GraphConv(8, gn.relu), gn.GraphConv(4), gn.Nodes()),
    "gat": (gn.GATConv(8, heads=2), gn.GATv2Conv(4, heads=2), gn.Nodes()),
    "gine": (gn.GINEConv(8, gn.relu, hidden=5), gn.SumPool(), gn.Dense(1)),
    "noise": (gn.Dense(6), gn.BatchNorm(), gn.Dropout(0.5), gn.GraphConv(6, gn.tanh), gn.MeanPool(), gn.Dense(2)),
    "steps": (gn.GatedGraphConv(4, steps=2), gn.Set2Set(2), gn.Dense(1)),
    "diffusion": (gn.Dense(4), gn.APPNP(4, 0.1), gn.Residual(gn.Scale(0.5)), gn.Nodes()),
    "let go": (gn.Dense(4), *(gn.Scale(0.9) for _ in range(20)), gn.Nodes()),
    "messages": (gn.DMPNN(4), gn.EdgeConv(gn.Dense(4, gn.relu), "max"), gn.Nodes()),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("data", ALL)
def test_what_is_expected_is_what_the_whole_makes_and_keeps(name, data):
    model, batch = gn.Sequential(*MODELS[name]), ALL[data]
    params = model.init(0, batch)
    before = {key: value.copy() for key, value in params.items()}
    found = [(made.shape, made.n_bytes, made.step, made.kept) for made in expected(model, params, batch, None)]
    reading = Reading(model, params, batch, train=True, rng=(0, 0))
    tape = room._left_alone(reading)
    made = [step for step in reading.notes.steps if step.n_bytes]
    assert found == [(step.output, step.n_bytes, step.name, step.array() is not None) for step in made]
    assert tape
    assert all((params[key] == before[key]).all() for key in before)


def test_kernels_that_came_with_the_graphs_are_cut_too():
    graphs = [graph.replace(kernels={"own": np.eye(graph.n_nodes)}) for graph in MANY.graphs]
    model = gn.Sequential(gn.GraphConv(4, kernel="own"), gn.Nodes())
    made = expected(model, model.init(0, graphs), gn.pack(graphs), None)
    assert [one.shape for one in made] == [(MANY.n_nodes, 4)]


def test_rows_that_are_a_multiple_grow_alike():
    model = gn.Sequential(gn.DiffPool(gn.GraphConv(3), gn.GraphConv(4)), gn.GraphConv(2, gn.relu), gn.Nodes())
    made = expected(model, model.init(0, MANY), MANY, None)
    assert made[-1].shape == (len(MANY) * 3, 2)


def test_of_two_ways_to_grow_the_lesser_is_taken():
    rings = [gn.Graph(np.ones((6, 2)), range(6), np.roll(range(6), 1)) for _ in range(5)]
    batch = gn.pack([*rings, *(gn.Graph(np.ones((1, 2))) for _ in range(100))])  # in the parts as many edges as nodes
    model = gn.Sequential(gn.Dense(3), gn.Nodes())
    assert [one.shape for one in expected(model, model.init(0, batch), batch, None)] == [(30, 3)]


@pytest.mark.parametrize("layout", ["list", "dense"])
def test_other_layouts_are_expected_to_make_what_the_sparse_one_makes(layout):
    model = gn.Sequential(*MODELS["gcn"])
    params = model.init(0, MANY)
    assert expected(model, params, gn.pack(MANY, layout=layout), None) == expected(model, params, MANY, None)


@pytest.mark.parametrize("name", MODELS)
def test_no_training_gets_by_with_less(name):
    batch = gn.pack(drawn(3000, 6000))
    model = gn.Sequential(*MODELS[name])
    params = model.init(0, batch)
    out = model(params, batch)
    per = "node" if len(out) == batch.n_nodes else "graph"
    held = room.held_at_once(expected(model, params, batch, None))
    training = gn.steps(model, params, batch, np.zeros(out.shape), per=per, epochs=2)
    next(training)
    tracemalloc.start()
    next(training)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    training.close()
    assert 0.1 * peak < held < peak


def test_mini_batches_hold_what_one_of_them_must():
    graphs = [drawn(n, 10) for n in (4, 6, 8, 10, 50)]
    model = gn.Sequential(gn.Dense(2), gn.Nodes())
    params = model.init(0, graphs)
    sizes = {size: expected(model, params, gn.pack(graphs * 2), size)[0].shape[0] for size in (None, 10, 11, 6, 5, 1)}
    assert sizes == {None: 156, 10: 156, 11: 156, 6: 78, 5: 78, 1: 50}  # the mean of two; the largest graph alone


X = np.ones((150_000, 4))
WIDE = gn.Sequential(gn.Dense(64, gn.relu), gn.Dense(32), gn.Dense(1))
PARAMS = WIDE.init(0, X)
KEPT = len(X) * (64 + 32 + 1) * 8


def started(monkeypatch, left, inputs=X, model=WIDE, params=PARAMS, **settings):
    monkeypatch.setattr(room, "available", lambda: left)
    y = np.zeros((len(inputs), 1))
    return gn.steps(model, params, inputs, y, epochs=0, **settings)


def test_the_error_names_the_array_its_layer_the_sum_and_what_to_do(monkeypatch):
    tracemalloc.start()
    with pytest.raises(MemoryError) as caught:
        started(monkeypatch, 100_000_000)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
    assert str(caught.value) == (
        "fit: a training step holds arrays of at least 0.116 GB at once, and 0.1 GB are left; the largest, by layer "
        "'0.dense' (affine), has shape (150000, 64) in float64, 0.0768 GB; give a smaller batch_size=, "
        'dtype="float32", narrower or fewer layers'
    )
    started(monkeypatch, 100_000_000, dtype="float32")
    with pytest.raises(MemoryError, match=r"in float32, 0.0384 GB; give a smaller batch_size=, narrower or fewer"):
        started(monkeypatch, 50_000_000, dtype="float32")
    started(monkeypatch, 100_000_000, batch_size=1000)


def test_of_several_arrays_alike_the_first_is_named(monkeypatch):
    model = gn.Sequential(*[gn.Dense(64) for _ in range(10)])
    with pytest.raises(MemoryError, match=r"the largest, by layer '0.dense' \(affine\), has shape \(150000, 64\)"):
        started(monkeypatch, 100_000_000, model=model, params=model.init(0, X[:5]))


def test_one_graph_has_no_smaller_batches(monkeypatch):
    graph = gn.pack(gn.Graph(X))
    model = gn.Sequential(gn.Dense(64), gn.Nodes())
    with pytest.raises(MemoryError, match=r"shape \(150000, 64\) .* GB; give dtype=\"float32\", narrower or fewer"):
        started(monkeypatch, 20_000_000, graph, model, model.init(0, graph))


@pytest.mark.parametrize(("left", "refused"), [(KEPT, False), (KEPT - 1, True), (None, False)])
def test_what_fits_is_not_refused(monkeypatch, left, refused):
    if refused:
        with pytest.raises(MemoryError):
            started(monkeypatch, left)
    else:
        started(monkeypatch, left)


def test_inputs_in_a_dict(monkeypatch):
    class Both(gn.Layer):
        def forward(self, params, inputs):
            h = gn.Sequential(gn.GraphConv(8, gn.tanh), gn.SumPool())(params.scope("a"), inputs["graphs"])
            return h @ params("weight", (8, 1), gn.glorot) + gn.Dense(1)(params.scope("b"), inputs["rows"])

    inputs = {"graphs": MANY, "rows": np.ones((len(MANY), 5))}
    shapes = [made.shape for made in expected(Both(), Both().init(0, inputs), inputs, None)]
    assert {shape[0] for shape in shapes} == {MANY.n_nodes, len(MANY)}


def test_small_data_ask_nobody_and_parts_that_a_model_refuses_are_no_reason(monkeypatch):
    class Table(gn.Layer):
        def forward(self, params, x):
            return x @ params("weight", (4, 64), gn.glorot) + params("table", (len(x), 64), gn.zeros)

    started(monkeypatch, 1, model=Table(), params=Table().init(0, X))
    monkeypatch.delattr(room, "available")
    gn.steps(WIDE, PARAMS, X[:1000], np.zeros((1000, 1)), epochs=0)
    gn.steps(gn.SumPool(), {}, MANY, np.zeros((len(MANY), 3)), epochs=0)


def test_memory_that_is_only_kept_to_be_used_again_is_given_back_before_it_is_asked_what_is_left(monkeypatch):
    left = [0]
    monkeypatch.setattr(room, "release_memory", lambda: left.append(KEPT))
    monkeypatch.setattr(room, "available", lambda: left[-1])
    gn.steps(WIDE, PARAMS, X, np.zeros((len(X), 1)), epochs=0)
