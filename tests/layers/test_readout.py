"""Attention readouts against their formulas in plain NumPy, graph by graph, and their limits."""

from __future__ import annotations

import cases
import numpy as np
import pytest

import graphnn as gn


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def parts(batch):
    return np.split(batch.nodes, batch.packed.node_offsets[1:-1])


def attention(p, h, normalized):
    gate, inner = h @ p["gate.weight"] + p["gate.bias"], np.tanh(h @ p["inner.weight"] + p["inner.bias"])
    return ((np.exp(gate) / np.exp(gate).sum(0) if normalized else sigmoid(gate)) * inner).sum(0)


def set2set(p, h, steps):
    d = h.shape[1]
    q, c, r = np.zeros(d), np.zeros(d), np.zeros(d)
    for _ in range(steps):
        gates = np.concatenate([q, r]) @ p["input"] + q @ p["hidden"] + p["bias"]
        i, f, g, o = gates.reshape(4, d)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        q = sigmoid(o) * np.tanh(c)
        alpha = np.exp(h @ q)
        r = (alpha / alpha.sum()) @ h if len(h) else np.zeros(d)
    return np.concatenate([q, r])


FLAVOURS = ["mixed", "empty_between", "empty_last", "two_sizes"]


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("columns", [1, 2])
def test_attention_pool_is_its_formula(flavour, normalized, columns):
    layer = gn.AttentionPool(gn.Dense(columns), gn.Dense(2, gn.tanh), normalized)
    batch = gn.pack(cases.graphs(flavour))
    params = cases.parameters(layer, batch)
    wanted = [attention(params, h, normalized) for h in parts(batch)]
    np.testing.assert_allclose(layer(params, batch), wanted, rtol=0, atol=1e-13)


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_set2set_is_its_formula(flavour, steps):
    layer, batch = gn.Set2Set(steps), gn.pack(cases.graphs(flavour))
    params = cases.parameters(layer, batch)
    wanted = [set2set(params, h, steps) for h in parts(batch)]
    np.testing.assert_allclose(layer(params, batch), wanted, rtol=0, atol=1e-13)


@pytest.mark.parametrize("k", [1, 2, 3, 7])
def test_sort_pool_is_its_formula(k):
    batch = gn.pack(cases.graphs("mixed"))
    wanted = []
    for h in parts(batch):
        rows = sorted(h.tolist(), key=lambda row: row[-1], reverse=True)[:k]
        wanted.append(np.ravel(rows + [[0.0] * h.shape[1]] * (k - len(rows))))
    np.testing.assert_array_equal(gn.SortPool(k)({}, batch), wanted)


def test_sort_pool_does_not_depend_on_the_order_of_nodes_that_tie():
    h = np.array([[0.0, 2.0, 1.0], [5.0, 1.0, 1.0], [3.0, 2.0, 1.0]])
    found = {
        gn.SortPool(2)({}, gn.pack(nodes=[h[list(order)]])).tobytes() for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2])
    }
    assert found == {h[[2, 0]].tobytes()}


@pytest.mark.parametrize("layer", [gn.AttentionPool(), gn.Set2Set(3)], ids=repr)
def test_gates_of_ten_thousand_are_finite_to_second_order(layer):
    batch = gn.pack(cases.graphs("mixed"))
    params = {name: 1e4 * value for name, value in cases.parameters(layer, batch).items()}

    def loss(leaves):
        return cases.total(layer({name: leaves[name] for name in params}, batch.replace(nodes=leaves["nodes"])))

    leaves = {**params, "nodes": 100 * batch.nodes}
    along = {name: np.ones_like(value) for name, value in leaves.items()}
    found = [np.asarray(loss(leaves)), *gn.grad(loss)(leaves).values(), *gn.hvp(loss, leaves, along).values()]
    assert all(np.isfinite(value).all() for value in found)


def test_the_weights_of_the_nodes_can_be_seen():
    batch = gn.pack(cases.graphs("two_sizes"))
    for layer in (gn.AttentionPool(), gn.Set2Set(2)):
        weights = gn.inner_values(layer, cases.parameters(layer, batch), batch)["attention"]
        assert np.bincount(batch.node_graph, weights.reshape(batch.n_nodes, -1)[:, 0]) == pytest.approx(1)
