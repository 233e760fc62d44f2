"""Continuous filters against their formula, edge by edge."""

from __future__ import annotations

import cases
import numpy as np
import pytest

import graphnn as gn

FLAVOURS = ["path", "self_loop", "directed", "weighted", "multi_edge", "isolated_node", "no_edges"]
CUTOFF = 2.0


def ssp(x):
    return np.log(0.5 + 0.5 * np.exp(x))


def dense_conv(p, h, graph, at, inside=""):
    """Return the convolution of h, edge by edge, for four Gaussians; distances are those of `at`."""
    weights = np.ones(graph.n_edges) if graph.weights is None else graph.weights
    own = {name.removeprefix(inside): value for name, value in p.items() if name.startswith(inside)}
    arriving = np.zeros((graph.n_nodes, own["input"].shape[1]))
    for s, r, w in zip(graph.senders, graph.receivers, weights, strict=True):
        d = np.sqrt(((at[s] - at[r]) ** 2).sum())
        g = np.exp(-((d - np.linspace(0, CUTOFF, 4)) ** 2) / (2 * (CUTOFF / 3) ** 2))
        hidden = ssp(g @ own["filter.weight1"] + own["filter.bias1"])
        fade = (np.cos(np.pi * d / CUTOFF) + 1) / 2 if d < CUTOFF else 0.0
        arriving[r] += w * (h[s] @ own["input"]) * (hidden @ own["filter.weight2"] + own["filter.bias2"]) * fade
    return arriving @ own["weight"] + own["bias"]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_cf_conv_is_its_formula_by_positions_and_by_a_column_of_distances(flavour):
    graph = cases.graph(flavour, positions=True)
    layer = gn.CFConv(2, gn.tanh, filters=5, cutoff=CUTOFF, gaussians=4)
    p = cases.parameters(layer, graph)
    wanted = np.tanh(dense_conv(p, graph.nodes, graph, graph.positions))
    np.testing.assert_allclose(layer(p, graph).nodes, wanted, rtol=1e-12)
    far = np.linalg.norm(graph.positions[graph.senders] - graph.positions[graph.receivers], axis=1)
    written = graph.replace(positions=None, edges=np.stack([0 * far, far], axis=1))
    by_column = gn.CFConv(2, gn.tanh, filters=5, cutoff=CUTOFF, gaussians=4, distance=1)
    np.testing.assert_allclose(by_column(p, written).nodes, wanted, rtol=1e-12)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_block_of_schnet_adds_what_the_convolution_gives(flavour):
    graph = cases.graph(flavour, positions=True)
    layer = gn.SchNetBlock(5, CUTOFF, 4)
    p = cases.parameters(layer, graph)
    change = ssp(dense_conv(p, graph.nodes, graph, graph.positions, "conv."))
    np.testing.assert_allclose(layer(p, graph).nodes, graph.nodes + change @ p["weight"] + p["bias"], rtol=1e-12)


def test_beyond_the_cutoff_nobody_is_heard():
    at = np.array([[0.0, 0.0], [0.0, CUTOFF], [0.0, 3 * CUTOFF]])
    graph = gn.Graph(np.eye(3), [0, 1, 0, 2], [1, 0, 2, 0], positions=at)
    layer = gn.CFConv(3, cutoff=CUTOFF)
    p = cases.parameters(layer, graph)
    np.testing.assert_array_equal(layer(p, graph).nodes, np.tile(p["bias"], (3, 1)))


def test_moving_and_turning_everything_changes_nothing():
    graph = cases.graph("weighted", positions=True)
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    moved = graph.replace(positions=graph.positions @ turn + 5.0)
    layer = gn.SchNetBlock()
    p = cases.parameters(layer, graph)
    np.testing.assert_allclose(layer(p, moved).nodes, layer(p, graph).nodes, rtol=1e-11)


def test_two_nodes_at_one_place_have_a_finite_gradient():
    graph = gn.pack(gn.Graph(np.eye(2), [0, 1], [1, 0], positions=np.zeros((2, 3))))
    layer = gn.CFConv(2)
    p = cases.parameters(layer, graph)
    grads = gn.grad(lambda at: cases.total(layer(p, graph.replace(positions=at))))(graph.positions)
    assert np.isfinite(grads).all()
