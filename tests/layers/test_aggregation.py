"""SAGEConv, EdgeConv and PNAConv against loops over the edges in plain NumPy."""

from __future__ import annotations

import cases
import numpy as np
import pytest

import graphnn as gn

FLAVOURS = ["weighted", "self_loop", "multi_edge", "directed", "isolated_node", "no_edges"]
every_graph = pytest.mark.parametrize("flavour", FLAVOURS)

AGGREGATES = {
    "mean": lambda rows, w: (w[:, None] * rows).sum(0) / w.sum(),
    "sum": lambda rows, w: (w[:, None] * rows).sum(0),
    "max": lambda rows, w: rows.max(0),
    "min": lambda rows, w: rows.min(0),
    "std": lambda rows, w: np.where(rows.var(0) > 1e-5, rows.std(0), 0.0),
}


def heard(graph, messages, by, weights=None):
    """Return the aggregate of the messages, one for each edge, that arrive at each node; 0 where none does."""
    weights = np.ones(graph.n_edges) if weights is None else weights
    out = np.zeros((graph.n_nodes, messages.shape[1]))
    for i in range(graph.n_nodes):
        arrive = graph.receivers == i
        if arrive.any():
            out[i] = AGGREGATES[by](messages[arrive], weights[arrive])
    return out


@every_graph
@pytest.mark.parametrize("by", ["mean", "max", "sum"])
@pytest.mark.parametrize("project", [False, True])
@pytest.mark.parametrize("width", [2, 5])
def test_sage_is_algorithm_1(flavour, by, project, width):
    graph = cases.graph(flavour)
    layer = gn.SAGEConv(width, by, gn.tanh, project)
    p = cases.parameters(layer, gn.pack(graph))
    sent = np.maximum(graph.nodes @ p["project"] + p["project_bias"], 0) if project else graph.nodes
    arrived = heard(graph, sent[graph.senders], by, graph.weights)
    both = np.concatenate([graph.nodes, arrived], axis=1) @ np.concatenate([p["root"], p["weight"]])
    np.testing.assert_allclose(layer(p, graph).nodes, np.tanh(both + p["bias"]), rtol=1e-12)


@every_graph
@pytest.mark.parametrize("by", ["mean", "max", "sum"])
def test_edge_conv_puts_pairs_through_its_layer(flavour, by):
    graph = cases.graph(flavour)
    layer = gn.EdgeConv(gn.Sequential(gn.Dense(5, gn.tanh), gn.Dense(2)), by)
    p = cases.parameters(layer, gn.pack(graph))
    receiver, sender = graph.nodes[graph.receivers], graph.nodes[graph.senders]
    pair = np.concatenate([receiver, sender - receiver], axis=1)
    hidden = np.tanh(pair @ p["inner.0.dense.weight"] + p["inner.0.dense.bias"])
    messages = hidden @ p["inner.1.dense.weight"] + p["inner.1.dense.bias"]
    np.testing.assert_allclose(layer(p, graph).nodes, heard(graph, messages, by), rtol=1e-12)


@every_graph
@pytest.mark.parametrize("edges", [True, False])
@pytest.mark.parametrize(
    ("aggregates", "scalers"),
    [
        (("mean", "min", "max", "std"), ("identity", "amplification", "attenuation")),
        (("sum",), ("attenuation",)),
        (("std", "mean"), ("amplification", "identity")),
    ],
)
def test_pna_is_every_scaler_times_every_aggregate(flavour, edges, aggregates, scalers):
    graph = cases.graph(flavour, edges=edges)
    layer = gn.PNAConv(4, aggregates, scalers, gn.tanh)
    p = {**cases.parameters(layer, gn.pack(graph)), "running_log_degree": np.array(0.7)}
    messages = graph.nodes[graph.receivers] @ p["receiver"] + graph.nodes[graph.senders] @ p["sender"]
    messages = messages + p["message_bias"] + (graph.edges @ p["edge"] if edges else 0.0)
    together = np.concatenate([heard(graph, messages, by) for by in aggregates], axis=1)
    log_degree = np.log(np.bincount(graph.receivers, minlength=graph.n_nodes) + 1.0)[:, None]
    factor = {
        "identity": np.ones_like(log_degree),
        "amplification": log_degree / 0.7,
        "attenuation": 0.7 / np.maximum(log_degree, np.log(2)),
    }
    columns = np.concatenate([graph.nodes, *(together * factor[scaler] for scaler in scalers)], axis=1)
    np.testing.assert_allclose(layer(p, graph).nodes, np.tanh(columns @ p["weight"] + p["bias"]), rtol=1e-12)


def test_pna_measures_the_degrees_of_the_graphs_it_begins_with_and_keeps_the_number():
    layer, batch = gn.PNAConv(2), gn.pack(cases.graphs("mixed"))
    params = layer.init(0, batch)
    degrees = np.bincount(batch.receivers, minlength=batch.n_nodes)
    assert float(params["running_log_degree"]) == pytest.approx(np.log(degrees + 1).mean(), rel=1e-14)
    assert float(layer.init(0, cases.graph("no_edges"))["running_log_degree"]) == 1.0
    assert float(layer.init(0, batch[[]])["running_log_degree"]) == 1.0
    assert layer.apply(params, batch, train=True)[1] == {}
    grads = gn.grad(lambda p: cases.total(layer(p, batch)))(params)
    assert float(grads["running_log_degree"]) == 0


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("noise", [0.0, 1e-6])
def test_rounding_does_not_decide_the_gradient_where_all_neighbours_are_the_same(offset, noise):
    """The second slope of the standard deviation has no bound near 0."""
    nodes = offset + 1 / 3 + noise * np.random.default_rng(0).normal(size=(4, 2))
    star = gn.pack(gn.Graph(nodes, senders=[1, 2, 3], receivers=[0, 0, 0]))
    layer = gn.PNAConv(2, ("std",), ("identity",))
    p = cases.parameters(layer, star)

    def gradient(h):
        return gn.grad(lambda h: layer(p, star.replace(nodes=h)).nodes.sum())(h)

    alone = gn.grad(lambda h: (h @ p["weight"][:2]).sum())(nodes)
    np.testing.assert_allclose(gradient(nodes), alone, rtol=1e-12)
    curvature = gn.grad(lambda h: (gradient(h) ** 2).sum())(nodes)
    np.testing.assert_array_equal(curvature, np.zeros((4, 2)))


def test_weights_count_in_a_mean_and_a_sum_and_nowhere_else():
    graph = cases.graph("weighted")
    heavier = graph.replace(weights=graph.weights * np.arange(1, 7))
    for layer, same in (
        (gn.SAGEConv(2), False),
        (gn.SAGEConv(2, "sum"), False),
        (gn.SAGEConv(2, "max"), True),
        (gn.EdgeConv(gn.Dense(2)), True),
        (gn.PNAConv(2), True),
    ):
        p = cases.parameters(layer, gn.pack(graph))
        assert np.allclose(layer(p, graph).nodes, layer(p, heavier).nodes) == same


def test_an_edge_conv_may_have_layers_of_training_inside():
    batch = gn.pack(cases.graphs("mixed"))
    layer = gn.EdgeConv(gn.Sequential(gn.Dense(4), gn.BatchNorm(), gn.Dropout(0.5), gn.Dense(2)))
    out, updates = layer.apply(layer.init(0, batch), batch, train=True, rng=(0, 1))
    assert out.nodes.shape == (batch.n_nodes, 2)
    assert sorted(updates) == ["inner.1.batchnorm.running_mean", "inner.1.batchnorm.running_var"]
