"""Jumping knowledge against its definition, and what its LSTMs choose."""

from __future__ import annotations

import cases
import numpy as np
import pytest

import graphnn as gn

BATCH = gn.pack(cases.graphs("mixed"))
STACK = gn.Sequential(gn.GraphConv(2, gn.tanh), gn.Dense(2, gn.tanh), gn.GraphConv(2, gn.tanh))


def stages(params):
    """Return the features after each layer, from the layers alone."""
    own = {name.removeprefix("inner."): value for name, value in params.items()}
    return [gn.Sequential(*STACK.layers[:depth])(own, BATCH).nodes for depth in (1, 2, 3)]


def both_ways(params, h):
    ahead, back = (
        gn.Recurrent(gn.LSTMCell(3), reverse=name == "backward")(
            {part: params[f"{name}.{part}"] for part in ("cell.input", "cell.hidden", "cell.bias")}, h
        )
        for name in ("forward", "backward")
    )
    return np.concatenate([ahead, back], axis=2)


def test_concat_and_max_join_what_every_layer_found():
    layer = gn.JumpingKnowledge(STACK)
    params = cases.parameters(layer, BATCH)
    found = stages(params)
    np.testing.assert_array_equal(layer(params, BATCH).nodes, np.concatenate(found, axis=1))
    largest = gn.JumpingKnowledge(STACK, "max")
    np.testing.assert_array_equal(largest(params, BATCH).nodes, np.max(found, axis=0))
    parts = ("0.graphconv", "1.dense", "2.graphconv")
    assert list(params) == [f"inner.{part}.{name}" for part in parts for name in ("weight", "bias")]


def test_lstm_weighs_the_layers_of_each_node():
    layer = gn.JumpingKnowledge(STACK, "lstm")
    params = cases.parameters(layer, BATCH)
    h = np.stack(stages(params), axis=1)
    logits = (both_ways(params, h) @ params["attention"])[:, :, 0]
    alpha = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(layer(params, BATCH).nodes, (alpha[:, :, None] * h).sum(axis=1), rtol=0, atol=1e-13)
    shown = gn.inner_values(layer, params, BATCH)["attention"]
    np.testing.assert_allclose(shown, alpha, rtol=0, atol=1e-13)


def test_layers_of_different_widths_can_be_concatenated_also_on_arrays():
    layer, x = gn.JumpingKnowledge(gn.Sequential(gn.Dense(2), gn.Dense(5))), np.ones((3, 4))
    assert layer(layer.init(0, x), x).shape == (3, 7)


@pytest.mark.parametrize("mode", ["concat", "max", "lstm"])
def test_one_layer_of_width_one_is_handed_on(mode):
    layer, x = gn.JumpingKnowledge(gn.Sequential(gn.Dense(1)), mode), np.ones((3, 4))
    params = layer.init(0, x)
    wanted = x @ params["inner.0.dense.weight"]
    np.testing.assert_allclose(layer(params, x), wanted, rtol=1e-14)


def test_a_shared_layer_is_one_set_of_weights():
    conv = gn.GraphConv(cases.WIDTH, gn.tanh)
    layer = gn.JumpingKnowledge(gn.Sequential(conv, conv))
    params = layer.init(0, BATCH)
    assert sorted(params) == ["inner.0.graphconv.bias", "inner.0.graphconv.weight"]
    assert layer(params, BATCH).nodes.shape == (BATCH.n_nodes, 2 * cases.WIDTH)
