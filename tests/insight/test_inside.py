"""Looking inside changes nothing and says what is: every layer x watch, summary, graph and trace."""

from __future__ import annotations

from collections import Counter

import cases
import networkx as nx
import numpy as np
import pytest
from test_contracts import LAYERS, made

import graphnn as gn
from graphnn.insight.reading import Reading, parts, replaced
from graphnn.layer import Call, Onlooker, Scope, parts_of
from graphnn.testing import trial

every_layer = pytest.mark.parametrize("row", LAYERS, ids=str)
every_kind = pytest.mark.parametrize("row", list({repr(row.layer): row for row in LAYERS}.values()), ids=str)
FROM_ZEROS = "Set2Set/LSTMCell#1"  # its first question is asked of nothing
FLAVOURS = ("mixed", "directed", "empty_last", "empty")


def frozen(row, flavour):
    """Return a batch, parameters that cannot be written to, and copies to compare with."""
    batch = gn.pack(made(row, flavour))
    params = cases.parameters(row.layer, batch)
    return batch, params, {name: value.copy() for name, value in params.items()}


def bits(out):
    return [np.asarray(gn.ops.dense(part)).tobytes() for part in parts_of(out)]


@pytest.fixture(autouse=True)
def _the_global_random_state_stays():
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the global state is what is tested
    yield
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


@every_layer
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_it_changes_nothing_and_the_output_is_the_same_bit_by_bit(row, flavour):
    batch, params, before = frozen(row, flavour)
    features = {part: array.copy() for part, array in parts(batch).items()}
    noise = {"train": row.train, "rng": (0, 1)}

    def with_loss(leaves):
        out, _ = row.layer.apply({**params, **leaves}, batch, **noise)
        return trial.total(out), out

    plain, _ = row.layer.apply(params, batch, **noise)
    moving = {name: value for name, value in params.items() if not name.rpartition(".")[2].startswith("running_")}
    (value, stepped), grads = gn.value_and_grad(with_loss, has_aux=True)(moving)
    seen = gn.watch(row.layer, params, batch, **noise)
    assert bits(seen.output) == bits(plain)
    back = gn.watch(row.layer, params, batch, trial.total, **noise)
    assert back.loss == value
    assert bits(back.output) == [np.asarray(trial.ops.value_of(part)).tobytes() for part in parts_of(stepped)]
    assert list(back) == list(seen)
    gn.trace(row.layer, params, batch, trial.total, repeats=1, **noise)
    row.layer.summary(batch, params)
    row.layer.graph(batch, params)
    again, regrads = gn.value_and_grad(with_loss, has_aux=True)(moving)
    assert bits(row.layer.apply(params, batch, **noise)[0]) == bits(plain)
    assert all((regrads[name] == grads[name]).all() for name in grads)
    assert again[0] == value
    assert list(params) == list(before)
    assert all(params[name].tobytes() == before[name].tobytes() for name in before)
    assert all(array.tobytes() == features[part].tobytes() for part, array in parts(batch).items())


class Shifted(Onlooker):
    """Adds `by` to one part of what one use of a layer gives."""

    def __init__(self, number, part, by):
        self.number, self.part, self.by, self.count, self.open = number, part, by, 0, []

    def enter(self, path, layer, inputs):
        self.open.append(self.count)
        self.count += 1

    def leave(self, path, layer, out):
        if self.open.pop() != self.number:
            return out
        return replaced(out, lambda part, array: array + self.by if part == self.part else array)


@every_layer
def test_gradients_are_what_finite_differences_say(row):
    batch, params, _ = frozen(row, "two_sizes")  # without parallel edges, whose maximum has a kink
    rng = np.random.default_rng(5)

    def shifted(number, part, by):
        call = Call(params, row.train, (0, 1))
        call.onlooker = Shifted(number, part, by)
        return float(trial.total(row.layer(Scope(call), batch)))

    seen = Reading(row.layer, params, batch, loss=trial.total, train=row.train, rng=(0, 1))
    moving = {name: value for name, value in params.items() if not name.rpartition(".")[2].startswith("running_")}
    grads = gn.grad(
        lambda leaves: trial.total(row.layer.apply({**params, **leaves}, batch, train=row.train, rng=(0, 1))[0])
    )
    assert seen.notes.arrived or not any(g.any() for g in grads(moving).values())
    for (number, part), g in seen.notes.arrived.items():
        assert g.shape == seen.uses[number].gave[part].shape
        along = rng.normal(size=g.shape)
        slope = (shifted(number, part, 1e-5 * along) - shifted(number, part, -1e-5 * along)) / 2e-5
        assert (g * along).sum() == pytest.approx(slope, rel=2e-5, abs=2e-7), seen.uses[number].label


@every_layer
def test_every_layer_is_there_with_what_it_gives(row):
    batch, params, _ = frozen(row, "mixed")
    given = []

    class Listening(Onlooker):
        def leave(self, path, layer, out):
            given.extend(array.tobytes() for array in map(gn.ops.dense, parts(out).values()))
            return out

    call = Call(params, row.train, (0, 1))
    call.onlooker = Listening()
    row.layer(Scope(call), batch)
    seen = gn.watch(row.layer, params, batch, train=row.train, rng=(0, 1))
    features = {array.tobytes() for array in parts(batch).values()}
    assert {array.tobytes() for array in seen.values()} | features >= set(given)
    assert {array.tobytes() for array in seen.values()} <= set(given)
    assert all(isinstance(array, np.ndarray) for array in seen.values())


@every_kind
def test_a_summary_adds_up_to_the_whole_model(row):
    batch, params, _ = frozen(row, "mixed")
    table = row.layer.summary(batch, params)
    learned = sum(value.size for name, value in params.items() if not name.rpartition(".")[2].startswith("running_"))
    assert sum(table.column("parameters")) == learned
    assert all(type(n) is int and n >= 0 for name in ("multiply-adds", "bytes") for n in table.column(name))
    assert len(set(table.column("layer"))) == len(table.rows)
    steps = gn.trace(row.layer, params, batch, repeats=1)
    assert sum(steps.column("multiply-adds")) <= max(sum(table.column("multiply-adds")), 1) * 3
    assert row.layer.summary(batch, params) == table


@every_kind
@pytest.mark.parametrize("flavour", ["mixed", "empty"])
def test_the_graph_of_a_model_is_acyclic_and_holds_every_weight(row, flavour):
    batch, params, _ = frozen(row, flavour)
    net = row.layer.graph(batch, params)
    assert nx.is_directed_acyclic_graph(net)
    read = [(data["scope"], name) for _, data in net.nodes(data=True) for name in data["params"]]
    assert {name for _, name in read} == set(params)
    twice = [name for name, count in Counter(name for _, name in set(read)).items() if count > 1]
    assert not twice or "Tied" in repr(row.layer)
    for node, data in net.nodes(data=True):
        assert (net.in_degree(node) == 0) == (data["kind"] == "input" or node == FROM_ZEROS), node
        assert (node[0] == "(") == (data["kind"] == "input")


def test_nothing_waits_to_be_collected():
    import gc

    x = np.ones((5, 3))
    model = gn.Sequential(gn.Dense(3, gn.relu), gn.Residual(gn.Dense(3)), gn.Repeat(gn.Dense(3), 2))
    params = model.init(0, x)
    gn.watch(model, params, x, np.sum)
    gc.collect()
    gc.disable()
    try:
        gn.watch(model, params, x, np.sum)
        gn.watch(model, params, x)
        gn.trace(model, params, x, np.sum, repeats=2)
        model.summary(x)
        assert gc.collect() == 0
    finally:
        gc.enable()
