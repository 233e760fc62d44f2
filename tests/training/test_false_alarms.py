"""What was said wrongly, or not at all: trainings that learn are left alone, and causes are the right ones."""

from __future__ import annotations

import csv
import warnings

import numpy as np
import pytest
from real_files import real_file

import graphnn as gn
from graphnn.ops import dense

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = np.sin(X[:, :1])
MODEL = gn.Sequential(gn.Dense(16, gn.tanh), gn.Dense(1))


def causes(model, inputs, targets, params=None, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gn.TrainingWarning)
        start = model.init(0, inputs) if params is None else params
        history = gn.fit(model, start, inputs, targets, **{"epochs": 40, **settings})[1]
    return [text.partition(":")[0] for text in history.findings]


@pytest.fixture(scope="module")
def esol():
    """Return 400 molecules and their solubility, about -3 +- 2."""
    pytest.importorskip("rdkit")
    with real_file("esol", "delaney-processed.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[:400]
    y = np.array([[float(row["measured log solubility in mols per litre"])] for row in rows])
    return gn.pack(gn.chem.from_smiles([row["smiles"] for row in rows]).graphs), y


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", ["gin", "dmpnn"])
def test_a_loss_that_leaps_and_comes_down_is_no_step_too_large(esol, name, seed):
    model = getattr(gn.models, name)(1)
    settings = {"optimizer": gn.adam(0.01), "batch_size": 50, "epochs": 15, "seed": seed}
    assert causes(model, *esol, model.init(seed, esol[0]), **settings) == []


def convolutions(last=gn.identity):
    return gn.Sequential(gn.GraphConv(16, gn.relu), gn.GraphConv(16, gn.relu), gn.MeanPool(), gn.Dense(1, last))


def with_nodes(batch, change):
    return batch.replace(nodes=change(np.array(dense(batch.nodes))))


class TestShort:
    """Forty steps: too few to have learned, enough to see what is wrong with the data."""

    @pytest.mark.parametrize("epochs", [5, 40])
    @pytest.mark.parametrize("optimizer", [gn.adam(0.01), gn.adam(1e-4), gn.sgd(1e-3)], ids=repr)
    def test_nothing_is_wrong(self, esol, epochs, optimizer):
        assert causes(convolutions(), *esol, epochs=epochs, optimizer=optimizer) == []

    @pytest.mark.parametrize(("offset", "epochs"), [(1e3, 40), (1e5, 40), (1e5, 5)])
    def test_targets_far_off(self, esol, offset, epochs):
        assert causes(convolutions(), esol[0], esol[1] + offset, epochs=epochs) == ["targets unscaled"]

    def test_features_that_are_huge_all_alike_or_zero(self, esol):
        for change, cause in (
            (lambda nodes: 1e5 * nodes, "features unscaled"),
            (np.ones_like, "constant features"),
            (np.zeros_like, "features all zero"),
        ):
            assert causes(convolutions(), with_nodes(esol[0], change), esol[1]) == [cause]

    def test_a_step_that_does_not_move(self, esol):
        assert causes(convolutions(), *esol, optimizer=gn.adam(1e-8)) == ["step size too small"]


@pytest.mark.parametrize("last", [gn.sigmoid, gn.tanh, gn.softplus], ids=lambda last: last.__name__)
@pytest.mark.parametrize("epochs", [40, 100])
def test_an_output_that_cannot_reach_the_targets_is_named(esol, last, epochs):
    assert causes(convolutions(last), *esol, epochs=epochs) == ["bounded output"]
    assert causes(convolutions(gn.sigmoid), esol[0], (esol[1] > -3) + 0.0, epochs=epochs) == []


@pytest.mark.parametrize("epochs", [60, 200])
def test_many_sigmoid_layers_are_told_that_gradients_vanish(esol, epochs):
    deep = gn.Sequential(*(gn.GraphConv(16, gn.sigmoid) for _ in range(12)), gn.MeanPool(), gn.Dense(1), gn.Rescale())
    assert causes(deep, *esol, epochs=epochs) == ["vanishing gradient"]


def residual(predictions, targets):
    return gn.ops.mean((predictions[:, 0] - np.sin(X[:, 0]) - targets) ** 2)


def test_a_residual_that_should_be_zero_is_no_constant_target():
    for epochs in (20, 200):
        assert causes(MODEL, X, np.zeros(60), loss=residual, epochs=epochs) == []
        assert causes(MODEL, X, np.zeros((60, 1)), epochs=epochs) == ["constant targets"]


class EdgeSums(gn.Layer):
    """Sends the sum of its edges' features to every node, beside its own features."""

    def forward(self, params, graphs):
        own = graphs.nodes @ params("own", (graphs.nodes.shape[1], 8), gn.glorot)
        seen = np.zeros((graphs.n_nodes, graphs.edges.shape[1]))
        np.add.at(seen, graphs.receivers, graphs.edges)
        return graphs.replace(nodes=gn.ops.tanh(own + seen @ params("seen", (seen.shape[1], 8), gn.glorot)))


def test_nodes_without_features_are_fine_where_edges_have_them():
    rings = []
    for i in range(40):
        n = 5 + i % 4
        ends = np.arange(n)
        rings.append(gn.Graph(np.zeros((n, 1)), ends, np.roll(ends, 1), edges=RNG.normal(size=(n, 2))))
    y = np.array([[ring.edges[:, 0].sum()] for ring in rings])
    batch, model = gn.pack(rings), gn.Sequential(EdgeSums(), gn.SumPool(), gn.Dense(1))
    for epochs in (20, 200):
        assert causes(model, batch, y, epochs=epochs) == []
    assert causes(convolutions(), batch, y, epochs=100) == ["features all zero"]  # it does not look at edges


def test_a_model_that_has_converged_needs_no_longer_steps():
    trained, _ = gn.fit(MODEL, MODEL.init(0, X), X, Y, epochs=1500)
    for step_size in (1e-4, 1e-8):
        assert causes(MODEL, X, Y, trained, epochs=100, optimizer=gn.sgd(step_size)) == []


class TestResumed:
    """A run that goes on does not know what it began with, and names no cause that only this could show."""

    @pytest.mark.parametrize("cut", [5, 60])
    @pytest.mark.parametrize(
        ("begin", "optimizer"),
        [
            (lambda start: {name: 1e-4 * value for name, value in start.items()}, gn.sgd(1e-4)),
            (lambda start: {name: 50 * value for name, value in start.items()}, gn.sgd(1e-3)),
            (dict, gn.sgd(1e-7)),
            (dict, gn.sgd(3.0)),
        ],
        ids=["small weights", "large weights", "small step", "large step"],
    )
    def test_no_wrong_cause(self, begin, optimizer, cut, tmp_path):
        start = begin(MODEL.init(0, X))
        whole = causes(MODEL, X, Y, start, epochs=80, optimizer=optimizer)
        assert len(whole) == 1
        for epochs in (cut, 80):
            keep = gn.Checkpoint(tmp_path / "run.npz", every=1, resume=True)
            found = causes(MODEL, X, Y, start, epochs=epochs, optimizer=optimizer, callbacks=[keep])
        assert set(found) <= {*whole, "grown loss"}

    def test_what_can_be_seen_is_named(self, tmp_path):
        model = gn.Sequential(gn.Dense(8, gn.relu), gn.Dense(1, gn.relu))
        start = {**model.init(0, X), "1.dense.bias": np.array([-50.0])}
        for epochs in (2, 60):
            keep = gn.Checkpoint(tmp_path / "run.npz", every=1, resume=True)
            found = causes(model, X, np.abs(Y), start, epochs=epochs, callbacks=[keep])
        assert found == ["dead output activation"]


def test_every_training_is_warned_of_at_the_line_that_trains():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")  # as Python does by itself: once for each place
        for _ in range(3):
            gn.fit(MODEL, MODEL.init(0, X), X, np.ones((60, 1)), epochs=5)
        for _ in gn.steps(MODEL, MODEL.init(0, X), X, np.ones((60, 1)), epochs=5):
            pass
    assert [warning.filename for warning in caught] == [__file__] * 4
    assert {warning.category for warning in caught} == {gn.TrainingWarning}
    lines = [warning.lineno for warning in caught]
    assert lines[0] == lines[1] == lines[2] < lines[3]
