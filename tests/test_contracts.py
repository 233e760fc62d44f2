"""Every layer x every flavour of graph x every law. A new layer is one new row of LAYERS.

The laws are those of graphnn.testing, which holds layers of users to them too.
"""

from __future__ import annotations

import copy
import inspect
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import cases
import numpy as np
import pytest
from cases import GatedConv, GraphGRU, Losses, added, as_images, as_sequences
from hypothesis import given, settings
from hypothesis import strategies as st

import graphnn as gn
from graphnn import kernels as k
from graphnn.ops import buffers, loops, passes, sparse
from graphnn.testing import LAWS, Row, laws, trial


def conv(kernel: object, note: str, follows_weights: bool = True) -> Row:
    return Row(gn.GraphConv(2, gn.tanh, kernel=kernel), note, follows_weights=follows_weights)


def thinned(layer: gn.Layer, note: str) -> Row:
    return Row(layer, note, train=True, noisy=True, noisy_edges=True)


def on_images(layer: gn.Layer, note: str) -> Row:
    return Row(gn.Sequential(gn.SumPool(), as_images, layer, gn.Flatten()), note, level="graph")


MODEL = gn.Sequential(
    gn.GraphConv(4, gn.relu),
    gn.BatchNorm(),
    gn.Residual(gn.GraphConv(4, gn.tanh)),
    gn.MeanPool(),
    out=gn.Dense(1),
)

GRAPH_NETWORK = gn.GraphNetwork(gn.Dense(2, gn.tanh), gn.Sequential(gn.Dense(3, gn.tanh), gn.Dense(2)), gn.Dense(3))


def pooled(pool: gn.Layer, note: str, attributes: tuple[str, ...] = ()) -> Row:
    """Return the row of a pool that coarsens: its nodes are no longer those that came in, so they are summed up."""
    return Row(gn.Sequential(pool, gn.GraphConv(2, gn.tanh), gn.SumPool()), note, level="graph", attributes=attributes)


LAYERS = [
    Row(gn.Dense(2, gn.tanh)),
    Row(gn.Embedding(2, count=cases.CODES), attributes=("codes",)),
    Row(gn.GraphConv(2)),
    Row(gn.GraphConv(5, gn.relu), "wider"),
    Row(gn.GraphConv(2, kernel="own"), "named-kernel", attributes=("kernels",)),
    Row(gn.GraphConv(2), "given-kernel", attributes=("kernels",)),
    conv(k.adjacency, "adjacency"),
    conv(k.random_walk, "random_walk"),
    conv(k.laplacian, "laplacian"),
    conv(k.normalized_laplacian, "normalized_laplacian"),
    conv(k.Power(k.random_walk, 2), "Power", False),
    conv(k.Chebyshev(2), "Chebyshev", False),
    conv(k.Heat(0.5), "Heat", False),
    conv(k.PersonalizedPageRank(0.3), "PageRank", False),
    conv(k.Distance(2), "Distance"),
    Row(gn.GINConv(2, gn.tanh, hidden=3)),
    # convolutions
    Row(gn.GINEConv(2, gn.tanh, hidden=3), attributes=("edges",)),
    Row(gn.MorrisConv(2, gn.tanh)),
    Row(gn.MorrisConv(4), "wider"),
    Row(gn.MultiKernelConv(2, (k.adjacency, k.random_walk, k.laplacian), gn.tanh)),
    Row(gn.MultiKernelConv(4, (k.Distance(0), "own")), "named-wider", attributes=("kernels",)),
    Row(gn.SGConv(2, steps=3)),
    Row(gn.SGConv(4, kernel="own"), "named-wider", attributes=("kernels",)),
    Row(gn.TAGConv(2, activation=gn.tanh)),
    Row(gn.TAGConv(4, order=1), "wider"),
    Row(gn.ChebConv(2, 3, gn.tanh)),
    Row(gn.ChebConv(4, 3, kernel=k.ScaledLaplacian(1.5)), "wider"),
    Row(gn.APPNP(3, 0.2)),
    Row(gn.HeatConv(2, gn.tanh)),
    Row(gn.HeatConv(4, kernel=k.random_walk, time=20.0), "wider"),
    Row(gn.ARMAConv(2, stacks=2, steps=2, activation=gn.tanh)),
    Row(gn.ARMAConv(4, steps=3, shared=True, activation=gn.tanh), "shared"),
    *(Row(gn.SAGEConv(2, by, gn.tanh), by) for by in ("mean", "max", "sum")),
    Row(gn.SAGEConv(4, "max", project=True), "pool"),
    *(Row(gn.EdgeConv(gn.Dense(2, gn.tanh), by), by) for by in ("max", "mean", "sum")),
    Row(gn.PNAConv(2, activation=gn.tanh)),
    Row(gn.PNAConv(2, ("sum", "std"), ("identity", "attenuation")), "bonds", attributes=("edges",)),
    Row(gn.NeuralFingerprint(4, width=3, depth=2, max_degree=8), level="graph"),
    Row(gn.NeuralFingerprint(4, width=3, depth=1, max_degree=8), "bonds", level="graph", attributes=("edges",)),
    Row(gn.SumPool(), level="graph"),
    Row(gn.MeanPool(), level="graph"),
    Row(gn.MaxPool(), level="graph"),
    # pools
    Row(gn.MinPool(), level="graph"),
    Row(gn.StdPool(), level="graph"),
    pooled(gn.TopKPool(0.5), "TopKPool"),
    pooled(gn.TopKPool(k=2), "TopKPool-k", ("edges", "global_features")),
    Row(
        gn.Sequential(gn.TopKPool(k=2), gn.GINEConv(2, gn.tanh, hidden=3), gn.SumPool()),
        "TopKPool-bonds",
        level="graph",
        attributes=("edges",),
    ),
    Row(gn.Sequential(gn.SAGPool(0.6), gn.Globals()), "SAGPool", level="graph", attributes=("global_features",)),
    pooled(gn.SAGPool(0.6, score=gn.MorrisConv(1)), "SAGPool"),
    pooled(gn.DiffPool(gn.GraphConv(2), gn.GraphConv(3, gn.tanh)), "DiffPool"),
    pooled(gn.DiffPool(gn.Dense(5)), "DiffPool-wider", ("edges", "global_features")),
    pooled(gn.MinCutPool(gn.Dense(3), gn.GraphConv(2, gn.tanh)), "MinCutPool"),
    Row(Losses(gn.DiffPool(gn.GraphConv(2))), "DiffPool", level="graph"),
    Row(Losses(gn.MinCutPool(gn.GraphConv(2))), "MinCutPool", level="graph"),
    Row(gn.VirtualNode(gn.GraphConv(3, gn.tanh), gn.Dense(3, gn.tanh))),
    Row(
        gn.Sequential(
            *(gn.VirtualNode(gn.MorrisConv(3, gn.tanh), gn.Dense(3, gn.tanh)) for _ in range(2)), gn.Globals()
        ),
        "VirtualNode",
        level="graph",
    ),
    Row(gn.Nodes()),
    Row(gn.Edges(), level="edge", attributes=("edges",)),
    Row(gn.Globals(), level="graph", attributes=("global_features",)),
    Row(gn.Rescale()),
    Row(gn.Scale(0.5)),
    Row(gn.Standardize()),
    Row(gn.EdgesToNodes(), attributes=("edges",)),
    # messages and relations
    Row(gn.NNConv(2, gn.Dense(4, gn.tanh)), attributes=("edges",)),
    Row(gn.NNConv(2, activation=gn.tanh, aggregate="mean"), "mean", attributes=("edges",)),
    Row(gn.DMPNN(2, activation=gn.tanh), attributes=("edges",)),
    Row(gn.DMPNN(2, steps=1, activation=gn.silu), "silu", attributes=("edges",)),
    Row(GRAPH_NETWORK, attributes=("edges", "global_features")),
    Row(gn.Sequential(GRAPH_NETWORK, gn.Edges()), "block", level="edge", attributes=("edges", "global_features")),
    Row(gn.Sequential(GRAPH_NETWORK, gn.Globals()), "block", level="graph", attributes=("edges", "global_features")),
    Row(gn.GraphNetwork(gn.Dense(2, gn.tanh), gn.Dense(2), aggregate="mean"), "plain"),
    Row(gn.CFConv(2, gn.tanh, filters=3, cutoff=2.0, gaussians=4), attributes=("positions",)),
    Row(gn.CFConv(2, cutoff=3.0, gaussians=5, distance=1), "column", attributes=("edges",)),
    Row(gn.SchNetBlock(gaussians=4), attributes=("positions",)),
    Row(gn.RGCNConv(2, cases.RELATIONS), attributes=("relations",)),
    Row(gn.RGCNConv(2, cases.RELATIONS, gn.tanh, bases=2, aggregate="sum"), "bases", attributes=("relations",)),
    Row(gn.RGCNConv(6, cases.RELATIONS, blocks=3), "blocks", attributes=("relations",)),
    Row(gn.RGCNConv(2, (k.adjacency, k.random_walk, "own")), "kernels", attributes=("kernels",)),
    Row(gn.Dropout(0.5)),
    Row(gn.Dropout(0.5), "training", train=True, noisy=True),
    Row(gn.BatchNorm()),
    Row(gn.BatchNorm(), "training", train=True, batch_statistics=True),
    Row(gn.LayerNorm()),
    Row(gn.Residual(gn.GraphConv(3, gn.tanh))),
    Row(MODEL, "model", level="graph"),
    Row(MODEL, "model-training", level="graph", train=True, batch_statistics=True),
    # norms, noise, grids, containers
    Row(gn.LayerNorm(per="graph"), "graph"),
    Row(gn.InstanceNorm()),
    Row(gn.InstanceNorm(1e-3, affine=True), "affine"),
    Row(gn.GraphNorm()),
    Row(gn.PairNorm(2.0)),
    Row(gn.PairNorm(by_node=True), "by-node"),
    Row(gn.MeanSubtractionNorm()),
    Row(gn.NodeDropout(0.5)),
    Row(gn.NodeDropout(0.5), "training", train=True, noisy=True),
    Row(gn.EdgeDropout(0.4, gn.GraphConv(2))),
    thinned(gn.EdgeDropout(0.4, gn.GraphConv(2)), "training"),
    thinned(gn.EdgeDropout(0.5, gn.GraphConv(2, gn.tanh, kernel=k.adjacency), undirected=True), "bonds"),
    thinned(gn.Sequential(gn.EdgeDropout(0.4), gn.GINConv(2, gn.tanh)), "thinner"),
    thinned(gn.Sequential(gn.EdgeDropout(0.4), gn.GATConv(2)), "attention"),
    Row(gn.Sequential(gn.EdgeDropout(0.4), gn.Edges()), "edges", level="edge", attributes=("edges",)),
    thinned(gn.PathDropout(0.4, 2, gn.GraphConv(2)), "training"),
    Row(gn.DropConnect(gn.GraphConv(2, gn.tanh), 0.4)),
    Row(gn.DropConnect(MODEL, 0.4), "training", level="graph", train=True, batch_statistics=True),
    Row(gn.GaussianNoise(0.5)),
    Row(gn.GaussianNoise(0.5), "training", train=True, noisy=True),
    Row(gn.PReLU()),
    Row(gn.PReLU(by_feature=True), "by-feature"),
    on_images(gn.Conv2D(2, (2, 1), gn.tanh, padding=1), "conv"),
    on_images(gn.MaxPool2D((2, 1), 1, padding=(1, 0)), "max"),
    on_images(gn.AvgPool2D(2, 1, padding=1), "mean"),
    Row(gn.Sequential(gn.SumPool(), as_sequences, gn.Conv1D(2, 2), gn.Flatten()), "sequence", level="graph"),
    Row(gn.MLP((3, 2), gn.tanh)),
    Row(gn.Concat(gn.GraphConv(2), gn.GraphConv(2, gn.tanh, kernel=k.adjacency))),
    Row(gn.Concat(gn.SumPool(), high=gn.MaxPool()), "pools", level="graph"),
    Row(gn.Sequential(gn.Parallel(gn.GraphConv(2), gn.Dense(2)), added), "parallel"),
    Row(gn.Lambda(gn.tanh)),
    Row(GatedConv(2)),
    Row(GraphGRU(2)),
    # attention
    Row(gn.GATConv(4, heads=2)),
    Row(gn.GATConv(3, 2, gn.tanh, concat=False, loops=False), "mean-no-loops"),
    Row(gn.GATConv(4, heads=2, edges=True), "edges", attributes=("edges",)),
    Row(gn.GATConv(4, heads=2, dropout=0.5), "training", train=True, noisy=True),
    Row(gn.GATv2Conv(4, heads=2)),
    Row(gn.GATv2Conv(3, 2, gn.tanh, concat=False, loops=False, edges=True), "mean-no-loops", attributes=("edges",)),
    Row(gn.TransformerConv(4, heads=2)),
    Row(gn.TransformerConv(3, 2, concat=False, edges=True, gate=True), "mean-edges-gate", attributes=("edges",)),
    Row(gn.AGNNConv()),
    Row(gn.AGNNConv(loops=False), "no-loops"),
    # attention readouts
    Row(gn.AttentionPool(), level="graph"),
    Row(gn.AttentionPool(gn.Dense(2), gn.Dense(2, gn.tanh), normalized=False), "Li", level="graph"),
    Row(gn.Set2Set(2), level="graph"),
    Row(gn.SortPool(3), level="graph"),
    # recurrent
    Row(gn.RNNCell(2)),
    Row(gn.GRUCell(2)),
    Row(gn.GraphGRUCell(2)),
    Row(gn.Sequential(gn.Frames(3), gn.Recurrent(gn.GRUCell(2), reverse=True)), "frames-GRU"),
    Row(gn.Sequential(gn.Frames(3), gn.Recurrent(gn.LSTMCell(2), last=True)), "frames-LSTM"),
    Row(gn.Sequential(gn.Frames(3), gn.Recurrent(gn.GraphGRUCell(2, kernel=k.adjacency))), "frames-GraphGRU"),
    Row(gn.GatedGraphConv(4, steps=2)),
    Row(gn.Repeat(gn.GraphConv(3, gn.tanh), 2)),
    Row(
        gn.Tied(
            gn.Sequential(gn.Dense(4, gn.tanh), gn.GraphConv(3)),
            {"1.graphconv.weight": "0.dense.weight"},
            gn.ops.transpose,
        ),
        "transposed",
    ),
    # jumping knowledge
    Row(gn.JumpingKnowledge(gn.Sequential(gn.GraphConv(2, gn.tanh), gn.Dense(3)))),
    Row(gn.JumpingKnowledge(gn.Sequential(gn.GraphConv(3, gn.tanh), gn.Dense(3)), "max"), "max"),
    Row(gn.JumpingKnowledge(gn.Sequential(gn.GraphConv(3, gn.tanh), gn.Dense(3)), "lstm"), "lstm"),
    # what the ready models bring
    Row(gn.models.Messages(gn.GraphConv(3, gn.tanh), gn.GRUCell(3), 2)),
    Row(gn.models.VGAE(gn.GraphConv(4, gn.tanh), gn.GraphConv(2), gn.GraphConv(2))),
    Row(gn.models.VGAE(gn.GraphConv(4, gn.tanh), gn.GraphConv(2), gn.GraphConv(2)), "training", train=True, noisy=True),
]
KINDS = list({repr(row.layer): row for row in LAYERS}.values())
LAW_AND_FLAVOUR = [
    pytest.param(law, flavour, id=f"{law.check.__name__}-{flavour}") for law in LAWS for flavour in law.flavours
]


def made(row: Row, flavour: str) -> list[gn.Graph]:
    return gn.testing.graphs(flavour, row.attributes)


@pytest.mark.parametrize("row", LAYERS, ids=str)
@pytest.mark.parametrize(("law", "flavour"), LAW_AND_FLAVOUR)
def test_every_layer_keeps_every_law_on_every_graph(row, law, flavour):
    if law.exemption(row):
        pytest.skip(law.exemption(row))
    law(row, made(row, flavour), flavour)


@pytest.mark.parametrize("row", KINDS, ids=str)
class TestALayerIsAValue:
    def test_its_repr_rebuilds_it(self, row):
        names = {**vars(gn.models), **vars(gn.ops), **vars(gn), **vars(gn.kernels), **vars(cases)}
        rebuilt = eval(repr(row.layer), names)
        assert rebuilt == row.layer
        assert repr(rebuilt) == repr(row.layer)

    @pytest.mark.parametrize("copied", [lambda layer: pickle.loads(pickle.dumps(layer)), copy.deepcopy])
    def test_pickle_and_deepcopy_survive(self, row, copied):
        twin = copied(row.layer)
        assert twin == row.layer
        assert hash(twin) == hash(row.layer)
        assert repr(twin) == repr(row.layer)

    def test_another_seed_draws_other_weights(self, row):
        batch = gn.pack(made(row, "path"))
        some, other = (row.layer.init(seed, batch) for seed in (7, 8))
        drawn = [name for name in some if name.endswith(("weight", "gate", "reset"))]
        assert all((other[name] != some[name]).any() for name in drawn)

    def test_whole_numbers_count_as_floats(self, row):
        batch = gn.pack(made(row, "path"))
        whole = np.arange(batch.n_nodes)[:, None] % cases.CODES * np.ones((1, batch.nodes.shape[1]), int)
        params, graph = cases.parameters(row.layer, batch), batch.graphs[0]
        as_int, as_float = (
            trial.apply(row, params, gn.pack(graph.replace(nodes=a))) for a in (whole, whole.astype(float))
        )
        assert as_int.tobytes() == as_float.tobytes()

    def test_parameters_come_first(self, row):
        assert list(inspect.signature(type(row.layer).forward).parameters)[:2] == ["self", "params"]
        assert list(inspect.signature(row.layer).parameters)[:2] == ["params", "graphs"]

    def test_a_parameter_of_another_shape_is_named_with_both_shapes(self, row):
        batch = gn.pack(made(row, "mixed"))
        params = cases.parameters(row.layer, batch)
        for name, value in params.items():
            wrong = np.ones((*value.shape[:-1], value.shape[-1] + 1) if value.ndim else (2,))
            with pytest.raises(ValueError, match=re.escape(f"{name!r} has shape {wrong.shape}")) as error:
                trial.apply(row, {**params, name: wrong}, batch)
            assert str(value.shape) in str(error.value)

    def test_what_comes_out_is_numpy(self, row):
        batch = gn.pack(made(row, "path"))
        params = row.layer.init(0, batch)
        out = trial.apply(row, params, batch)
        grads = gn.grad(lambda p: (trial.apply(row, p, batch) ** 2).sum())(params)
        assert all(isinstance(array, (np.ndarray, np.floating)) for array in (out, *params.values(), *grads.values()))

    def test_a_parameter_is_called_as_everywhere(self, row):
        """No `biases` in one layer beside `bias` in another."""
        for name in row.layer.init(0, gn.pack(made(row, "path"))):
            last = name.rpartition(".")[2]
            assert re.fullmatch("[a-z][a-z0-9_]*", last)
            assert not last.endswith(("biases", "weights", "shifts", "scales"))


@pytest.mark.parametrize(
    "layer",
    [
        gn.SumPool(), gn.MeanPool(), gn.MaxPool(), gn.MinPool(), gn.StdPool(), gn.SortPool(2), gn.Nodes(),
        gn.Dropout(0.5), gn.NodeDropout(0.5), gn.EdgeDropout(0.5), gn.PathDropout(0.5), gn.GaussianNoise(1.0),
        gn.PairNorm(), gn.Frames(1), gn.EdgesToNodes(), gn.MeanSubtractionNorm(), gn.APPNP(),
        gn.Lambda(gn.tanh), gn.Sequential(),
    ],
    ids=repr,
)  # fmt: skip
def test_what_learns_nothing_carries_no_parameters(layer):
    assert layer.init(0, gn.pack(cases.graphs("mixed", edges=True))) == {}


PRINT_PARAMETERS = """
import cases, numpy as np, zlib, graphnn as gn
batch = gn.pack(cases.graphs("mixed"))
model = gn.Sequential(gn.GraphConv(4, gn.relu), gn.Dropout(0.5), gn.NeuralFingerprint(4), head=gn.Dense(2))
params = model.init(0, batch)
out, _ = model.apply(params, batch, train=True, rng=(0, 5))
print([(name, zlib.crc32(np.ascontiguousarray(value).tobytes())) for name, value in params.items()])
print(zlib.crc32(out.tobytes()))
"""


def test_another_process_with_another_hash_seed_gives_the_same_bits():
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parent), os.environ.get("PYTHONPATH", "")])
    printed = {
        subprocess.run(
            [sys.executable, "-c", PRINT_PARAMETERS],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
    assert "head.weight" in printed.pop()


@pytest.mark.parametrize("row", LAYERS, ids=str)
def test_the_numbers_are_those_of_one_thread_and_of_scipys_public_product(row, monkeypatch):
    batch = gn.pack(made(row, "mixed"))
    params = cases.parameters(row.layer, batch)
    wanted = trial.outcome(row, params, batch)
    monkeypatch.setattr(sparse, "LARGE", 1)  # a product of two numbers is shared between threads, by blocks of columns
    monkeypatch.setattr(sparse, "CACHED", 16)
    monkeypatch.setattr(sparse, "SOME", 8)
    monkeypatch.setattr(passes, "LARGE", 1)  # every relu and every mask too, by blocks
    monkeypatch.setattr(passes, "BLOCK", 8)
    monkeypatch.setattr(buffers, "LARGE", 1)  # and every result lies where an older one lay
    for threads in (1, 3):
        with gn.threads(threads):
            trial.assert_same(trial.outcome(row, params, gn.pack(made(row, "mixed"))), wanted)
    monkeypatch.setattr(sparse, "add_product", loops.public_add_product)
    monkeypatch.setattr(sparse, "add_turned_product", loops.public_add_turned_product)
    trial.assert_same(trial.outcome(row, params, gn.pack(made(row, "mixed"))), wanted)


# ---- gradients with respect to all that a graph carries --------------------------------------------------------------


def carried(row: Row, batch: gn.Batch) -> dict[str, object]:
    """Return by name what `batch.replace` takes and has a gradient: features of all kinds, weights, kernels."""
    whole = [trial.WHOLE[attribute] for attribute in row.attributes if attribute in trial.WHOLE]
    values = {name: getattr(batch, name) for name in trial.LEVEL_OF if name not in whole}
    values["weights"] = np.ones(batch.n_edges) if batch.weights is None else batch.weights
    if "kernels" in row.attributes:
        values["kernels"] = batch.kernels("own")
    return {name: value for name, value in values.items() if value is not None}


def moved(value: object, step: float, along: list[np.ndarray]) -> object:
    if isinstance(value, list):
        return [part + step * v for part, v in zip(value, along, strict=True)]
    return value + step * along[0]


@pytest.mark.parametrize("layout", ["sparse", "list", "dense"])
@pytest.mark.parametrize("row", LAYERS, ids=str)
def test_gradients_with_respect_to_features_weights_positions_and_kernels_as_a_user_asks_for_them(row, layout):
    batch = gn.pack(made(row, "mixed"), layout=layout)
    params, rng = cases.parameters(row.layer, batch), np.random.default_rng(3)
    for name, value in carried(row, batch).items():

        def loss(value, name=name):
            graphs = batch.replace(**{name: value})
            return trial.total(row.layer.apply(params, graphs, train=row.train, rng=(0, 1))[0])

        if name == "weights" and not row.follows_weights:
            with pytest.raises(TypeError, match="cannot follow traced edge weights"):  # and no zeros in silence
                gn.grad(loss)(value)
            continue
        found = gn.grad(loss)(value)
        parts = found if isinstance(value, list) else [found]
        assert [part.shape for part in parts] == [np.shape(v) for v in (value if isinstance(value, list) else [value])]
        along = [rng.normal(size=part.shape) for part in parts]
        slope = (loss(moved(value, 1e-6, along)) - loss(moved(value, -1e-6, along))) / 2e-6
        steep = sum(np.abs(part * v).sum() for part, v in zip(parts, along, strict=True))
        forward = sum((part * v).sum() for part, v in zip(parts, along, strict=True))
        assert abs(forward - slope) <= 1e-6 * (1 + steep), f"{name}: gradient {forward:.9g}, differences {slope:.9g}"


# ---- random graphs ---------------------------------------------------------------------------------

WORDS = ("Conv", "Pool", "GRU", "Finger", "model", "Set2Set", "DMPNN", "Net")
PERMUTED = [row for row in LAYERS if not row.noisy and any(word in str(row) for word in WORDS)]


@st.composite
def random_graphs(draw: st.DrawFn) -> list[tuple[int, list[tuple[int, int]], int]]:
    sizes = draw(st.lists(st.integers(0, 6), min_size=1, max_size=3))
    return [
        (
            n,
            draw(st.lists(st.tuples(*[st.integers(0, n - 1)] * 2), max_size=8)) if n else [],
            draw(st.integers(0, 99)),
        )
        for n in sizes
    ]


@pytest.mark.parametrize("row", PERMUTED, ids=str)
@settings(max_examples=30, deadline=None, derandomize=True)
@given(drawn=random_graphs(), seed=st.integers(0, 1000))
def test_random_graphs_obey_the_permutation_laws(row, drawn, seed):
    graphs = []
    for n, arcs, number in drawn:
        rng = np.random.default_rng(number)
        senders, receivers = np.array(arcs, int).reshape(-1, 2).T
        own = {"own": rng.normal(size=(n, n))} if "kernels" in row.attributes else {}
        nodes, weights = rng.normal(size=(n, cases.WIDTH)), rng.uniform(0.5, 2, len(arcs))
        edges = rng.normal(size=(len(arcs), cases.EDGE_WIDTH)) if "edges" in row.attributes else None
        if "relations" in row.attributes:
            edges = rng.integers(0, cases.RELATIONS, (len(arcs), 1))
        more = {"positions": rng.normal(size=(n, 3))} if "positions" in row.attributes else {}
        more |= {"globals": rng.normal(size=cases.GLOBAL_WIDTH)} if "global_features" in row.attributes else {}
        graphs.append(gn.Graph(nodes, senders, receivers, edges=edges, weights=weights, kernels=own, **more))
    laws.permuting_nodes_permutes_rows(row, graphs, seed)
    laws.the_order_of_edges_does_not_matter(row, graphs, seed)
