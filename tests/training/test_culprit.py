"""Training stops at the first number that is not finite, and the error names the parameter, the layer and the graph."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import autograd.numpy as anp
import numpy as np
import pytest

import graphnn as gn
from graphnn.training.trust.culprit import all_finite, squares

N, SPOILT, MARK = 12, 7, 0.125
SINCE = [0]  # from which step on a mine goes off; here, because layers hold nothing that changes


def graphs(spoilt=SPOILT):
    """Return twelve graphs of 2 to 5 nodes; node 1 of one of them carries the mark."""
    rng, made = np.random.default_rng(0), []
    for i in range(N):
        n = int(rng.integers(2, 6))
        nodes, ends = rng.uniform(0.5, 1, (n, 3)), np.arange(n)
        if i == spoilt:
            nodes[1, 2] = MARK
        made.append(gn.Graph(nodes, ends, np.roll(ends, 1)))
    return made


GRAPHS, TARGETS = graphs(), np.random.default_rng(1).normal(size=(N, 1))
PER_NODE = np.concatenate([g.nodes[:, :1] for g in GRAPHS])


class Clock:
    """A callback that tells the mines which step it is."""

    def begin_batch(self, run):
        NOW[0] = run.step


NOW = [0]


@dataclass(frozen=True)
class Mine(gn.Layer):
    """Passes features on; once its step has come, it spoils nodes that carry the mark: forward, or backward only."""

    place: str

    def forward(self, params, h):
        batch, h = (h, h.nodes) if isinstance(h, gn.Batch) else (None, h)
        raw = batch.packed.nodes if batch is not None else h
        marked = (raw == MARK).any(axis=1, keepdims=True) & (NOW[0] >= SINCE[0])
        h = h * params("scale", (1,), gn.ones)
        if self.place == "layer":
            h = h + np.where(marked, np.nan, 0.0)
        if self.place == "gradient":
            h = h + 0.0 * anp.sqrt(h * h * np.where(marked, 0.0, 1.0))
        return h if batch is None else batch.replace(nodes=h)


class Poison:
    """A callback that spoils a parameter when its step has come."""

    def begin_batch(self, run):
        if run.step >= SINCE[0]:
            run.params["1.mine.scale"] = np.array([np.nan])


def model_with(place, readout=None):
    return gn.Sequential(
        gn.Dense(4, gn.tanh), Mine(place), gn.GraphConv(4, gn.tanh), readout or gn.SumPool(), gn.Dense(1)
    )


def first_step_with(graph, since, batch_size, seed):
    """Return the first step from `since` on whose mini-batch holds the graph."""
    size = batch_size or N
    step = 0
    for epoch in range(50):
        order = np.arange(N) if batch_size is None else np.random.default_rng((seed, epoch)).permutation(N)
        for start in range(0, N, size):
            if step >= since and graph in order[start : start + size]:
                return step
            step += 1
    raise AssertionError("never")


def diverge(model, inputs, targets, *, callbacks=(), **settings):
    with np.errstate(all="ignore"):
        params = model.init(0, inputs)
    with pytest.raises(gn.TrainingDiverged) as caught:
        gn.fit(model, params, inputs, targets, epochs=50, callbacks=[Clock(), *callbacks], **settings)
    error = caught.value
    assert all(np.isfinite(value).all() for value in error.params.values())
    return error


@pytest.mark.parametrize("batch_size", [None, 5], ids=["whole", "mini-batches"])
@pytest.mark.parametrize("since", [0, 1, 2, 7, 20])
class TestPlanted:
    """Three places, five steps: each time stopped at that step, with the right names."""

    @pytest.fixture(autouse=True)
    def plant(self, since):
        SINCE[0] = since
        yield
        NOW[0] = SINCE[0] = 0

    def test_in_a_parameter(self, since, batch_size):
        error = diverge(model_with("nowhere"), GRAPHS, TARGETS, callbacks=[Poison()], batch_size=batch_size)
        assert (error.step, error.name, error.layer) == (since, "parameter '1.mine.scale'", "1.mine")
        assert error.index is None

    @pytest.mark.parametrize("per", ["graph", "node"])
    def test_in_a_layer(self, since, batch_size, per):
        model, y = (model_with("layer"), TARGETS) if per == "graph" else (model_with("layer", gn.Nodes()), PER_NODE)
        error = diverge(model, GRAPHS, y, batch_size=batch_size, seed=3, per=per)
        assert error.step == first_step_with(SPOILT, since, batch_size, 3)
        assert (error.name, error.layer, error.index) == ("the output of layer '1.mine'", "1.mine", SPOILT)
        assert "in the output of layer '1.mine', first for graphs[7], node 1. " in str(error)
        assert ("Lower the step size" in str(error)) == bool(since)

    @pytest.mark.parametrize("per", ["graph", "node"])
    def test_in_a_gradient(self, since, batch_size, per):
        model, y = (
            (model_with("gradient"), TARGETS) if per == "graph" else (model_with("gradient", gn.Nodes()), PER_NODE)
        )
        error = diverge(model, GRAPHS, y, batch_size=batch_size, seed=3, per=per)
        assert error.step == first_step_with(SPOILT, since, batch_size, 3)
        assert (error.name, error.layer, error.index) == ("1.mine.scale", "1.mine", SPOILT)
        assert "the gradient of '1.mine.scale' is not finite, first for graphs[7] (loss" in str(error)


@pytest.mark.parametrize("batch_size", [None, 4])
@pytest.mark.parametrize(("place", "name"), [("layer", "the output of layer '1.mine'"), ("gradient", "1.mine.scale")])
def test_of_an_array_it_is_the_row(place, name, batch_size):
    x = np.random.default_rng(0).uniform(0.5, 1, (N, 3))
    x[SPOILT, 1] = MARK
    model = gn.Sequential(gn.Scale(1.0), Mine(place), gn.Dense(1))
    error = diverge(model, x, TARGETS, batch_size=batch_size, seed=1)
    assert (error.name, error.index) == (name, SPOILT)
    assert "first for row 7" in str(error)


@pytest.mark.parametrize("batch_size", [None, 4])
@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        ({"nodes": 1e200}, "In graphs[7] the node features reach 1e+200 in column 2, those of the others at most 0.9"),
        ({"weights": 1e200}, "In graphs[7] the weights reach 1e+200, those of the others at most 1."),
        ({"targets": -1e200}, "In graphs[7] the targets reach -1e+200, those of the others at most "),
    ],
    ids=["features", "weights", "enormous target"],
)
def test_what_is_wrong_with_the_graph(spoil, says, batch_size):
    made, y = graphs(spoilt=None), TARGETS.copy()
    nodes, weights = made[SPOILT].nodes.copy(), np.ones(made[SPOILT].n_edges)
    made = [gn.Graph(g.nodes, g.senders, g.receivers, weights=np.ones(g.n_edges)) for g in made]
    nodes[1, 2], weights[1] = spoil.get("nodes", nodes[1, 2]), spoil.get("weights", 1)
    y[SPOILT] = spoil.get("targets", y[SPOILT])
    made[SPOILT] = gn.Graph(nodes, made[SPOILT].senders, made[SPOILT].receivers, weights=weights)
    model = gn.Sequential(gn.GraphConv(4, kernel=gn.kernels.adjacency), gn.SumPool(), gn.Dense(1))
    error = diverge(model, made, y, batch_size=batch_size)
    assert says in str(error)
    assert error.index == SPOILT


def test_a_row_that_is_not_finite_is_told_with_its_column():
    x = np.ones((N, 3))
    x[SPOILT, 1] = np.nan
    error = diverge(gn.Dense(1), x, TARGETS)
    assert "in the output of layer 'Dense', first for row 7. In row 7 the inputs hold nan in column 1." in str(error)


def test_sparse_features_too():
    sparse = pytest.importorskip("scipy.sparse")
    rows = np.eye(4)
    rows[2, 2] = 1e300
    made = [gn.Graph(sparse.csr_array(rows), [0], [1])]
    model = gn.Sequential(gn.GraphConv(2), gn.Nodes(), gn.Dense(1))
    error = diverge(model, made, np.ones((4, 1)), per="node")
    assert error.index == 0


def test_where_all_are_alike_none_is_named():
    model = gn.Sequential(gn.Dense(3), gn.SumPool(), gn.Dense(1))
    params = model.init(0, GRAPHS)
    params["0.dense.weight"] = np.full((3, 3), 1e308)
    with pytest.raises(gn.TrainingDiverged) as caught:
        gn.fit(model, params, GRAPHS, TARGETS, epochs=1)
    assert "in the output of layer '0.dense', for every graph." in str(caught.value)
    assert caught.value.index is None


def test_a_loss_that_ties_rows_together_names_no_row():
    def loss(predictions, targets):
        if len(predictions) < N:
            raise ValueError("needs all rows")
        return gn.mean_squared_error(predictions, targets) * np.inf

    error = diverge(gn.Dense(1), np.ones((N, 2)), TARGETS, loss=loss)
    assert (error.name, error.layer, error.index) == ("the loss", None, None)


def test_a_batch_normalisation_does_not_hide_the_graph():
    model = gn.Sequential(gn.Dense(4), Mine("layer"), gn.BatchNorm(), gn.SumPool(), gn.Dense(1))
    assert diverge(model, GRAPHS, TARGETS).index == SPOILT
    model = gn.Sequential(gn.Dense(4), Mine("gradient"), gn.BatchNorm(), gn.SumPool(), gn.Dense(1))
    assert diverge(model, GRAPHS, TARGETS).index == SPOILT


def test_nodes_of_a_coarser_graph_are_not_numbered():
    model = gn.Sequential(gn.Dense(4), gn.TopKPool(0.5), Mine("nowhere"), Burst(), gn.SumPool(), gn.Dense(1))
    error = diverge(model, GRAPHS, TARGETS)
    assert "first for graphs[3]. " in str(error)


class Burst(gn.Layer):
    def forward(self, params, graphs):
        return graphs.replace(nodes=graphs.nodes + np.where(graphs.node_graph == 3, np.inf, 0.0)[:, None])


class Nested(gn.Layer):
    """Takes a dict and gives a dict of tuples, one of which is not finite where its input is 0."""

    def forward(self, params, inputs):
        h = inputs["table"] * params("one", (), gn.ones)
        return {"a": h, "b": (h, (1 / inputs["table"],))}


def test_nested_outputs_are_searched_and_parts_of_a_dict_of_inputs_looked_at():
    inputs = {"graphs": GRAPHS, "table": np.ones((N, 2))}
    inputs["table"][SPOILT, 1] = 0

    def loss(predictions, targets):
        return gn.mean_squared_error(predictions["a"] + predictions["b"][1][0], targets)

    error = diverge(Nested(), inputs, np.ones((N, 2)), loss=loss)
    assert (error.name, error.index) == ("the output of layer 'Nested'", SPOILT)
    inputs["table"][SPOILT, 1] = np.inf
    error = diverge(Nested(), inputs, np.ones((N, 2)), loss=loss)
    assert "In graphs[7] the inputs hold inf in column 1." in str(error)


def test_the_guard_reads_sums_of_squares():
    grads = {"a": np.array([3.0, 4.0]), "b": np.zeros(0)}
    assert squares(grads) == {"a": 25.0, "b": 0.0}
    assert all_finite(grads, 25.0)
    for bad in (np.nan, np.inf, -np.inf):
        spoilt = {**grads, "c": np.array([[1.0, bad]])}
        assert not all_finite(spoilt, sum(squares(spoilt).values()))
    huge = {"a": np.array([1e200]), "b": np.full(3, 1e30, np.float32)}  # finite, though their squares are not
    assert all_finite(huge, sum(squares(huge).values()))


def test_the_error_pickles_with_all_it_says():
    error = gn.TrainingDiverged("step 3: gone", 3, "0.weight", {"0.weight": np.ones(1)}, "0", 7)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.step, again.name, again.layer, again.index) == ("step 3: gone", 3, "0.weight", "0", 7)


def correlation(predictions, targets):
    a, b = predictions - gn.ops.mean(predictions), targets - np.mean(targets)
    return 1 - gn.ops.sum(a * b) / anp.sqrt(gn.ops.sum(a * a) * np.sum(b * b))  # of one row nan


@pytest.mark.parametrize("spoilt", [2, 5, 11])
def test_a_loss_that_no_row_alone_bears_names_the_row_that_is_not_finite(spoilt):
    y = TARGETS.copy()
    y[spoilt] = np.nan
    error = diverge(gn.Dense(1), np.random.default_rng(0).normal(size=(N, 3)), y, loss=correlation)
    assert (error.name, error.index) == ("the loss", spoilt)


def test_a_loss_that_no_row_alone_bears_names_no_innocent_one():
    x = np.random.default_rng(0).normal(size=(N, 3))
    error = diverge(gn.Dense(1), x, np.ones((N, 1)), loss=correlation)
    assert (error.name, error.index) == ("the loss", None)
    assert "row" not in str(error)


class NodeRows(gn.Layer):
    def forward(self, params, graphs):
        return graphs.nodes


def test_a_node_is_not_called_an_edge_where_there_are_as_many():
    made = graphs()
    y = np.ones((gn.pack(made).n_edges, 4))
    assert len(y) == gn.pack(made).n_nodes
    error = diverge(gn.Sequential(gn.Dense(4), Mine("layer"), NodeRows()), made, y, per="edge")
    assert "first for graphs[7], node 1. " in str(error)
