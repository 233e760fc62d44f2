"""Attention layers against the formulas of the papers, node by node in plain NumPy; extremes; what they show."""

from __future__ import annotations

import tracemalloc

import cases
import numpy as np
import pytest

import graphnn as gn

LAYERS = {
    "gat": gn.GATConv(4, heads=2),
    "gat-mean": gn.GATConv(3, heads=2, concat=False, loops=False),
    "gat-edges": gn.GATConv(4, heads=2, edges=True),
    "gatv2": gn.GATv2Conv(4, heads=2),
    "gatv2-mean": gn.GATv2Conv(3, heads=2, concat=False, edges=True),
    "transformer": gn.TransformerConv(4, heads=2),
    "transformer-mean": gn.TransformerConv(3, heads=2, concat=False, edges=True, gate=True),
    "agnn": gn.AGNNConv(),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


# ---- the formulas ---------------------------------------------------------------------------------------------------


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def gat_logit(p, h_i, h_j, e):
    z_i, z_j = (((h @ p["weight"]).reshape(2, -1)) for h in (h_i, h_j))
    logit = (z_i * p["receiver"]).sum(1) + (z_j * p["sender"]).sum(1)
    if "edge" in p:
        logit += ((e @ p["edge_weight"]).reshape(2, -1) * p["edge"]).sum(1)
    return leaky(logit), z_j


def gatv2_logit(p, h_i, h_j, e):
    z_j = h_j @ p["sender.weight"] + p["sender.bias"]
    total = h_i @ p["receiver.weight"] + p["receiver.bias"] + z_j
    if "edge_weight" in p:
        total = total + e @ p["edge_weight"]
    return (leaky(total).reshape(2, -1) * p["attention"]).sum(1), z_j.reshape(2, -1)


def transformer_logit(p, h_i, h_j, e):
    query, key, value = (
        (h @ p[f"{name}.weight"] + p[f"{name}.bias"]).reshape(2, -1)
        for name, h in (("query", h_i), ("key", h_j), ("value", h_j))
    )
    e = (e @ p["edge_weight"]).reshape(2, -1) if "edge_weight" in p else 0.0
    return (query * (key + e)).sum(1) / np.sqrt(query.shape[1]), value + e


def agnn_logit(p, h_i, h_j, e):
    return p["beta"] * (h_i @ h_j / np.linalg.norm(h_i) / np.linalg.norm(h_j))[None], h_j[None]


LOGITS = {
    gn.GATConv: gat_logit,
    gn.GATv2Conv: gatv2_logit,
    gn.TransformerConv: transformer_logit,
    gn.AGNNConv: agnn_logit,
}


def arcs_of(layer, batch):
    """(senders, receivers, edge features), with the loops the layer adds."""
    senders, receivers = batch.senders, batch.receivers
    e = np.zeros((batch.n_edges, 1)) if batch.edges is None else batch.edges
    if not getattr(layer, "loops", False):
        return senders, receivers, e
    others, nodes = senders != receivers, np.arange(batch.n_nodes)
    into = [e[others & (receivers == i)] for i in nodes]
    loops = np.array([rows.mean(0) if len(rows) else np.zeros(e.shape[1]) for rows in into])
    return (
        np.concatenate([senders[others], nodes]),
        np.concatenate([receivers[others], nodes]),
        np.concatenate([e[others], loops]),
    )


def by_the_formula(layer, p, batch):
    """Return (new features, weights of the arcs), one node after the other."""
    senders, receivers, edges = arcs_of(layer, batch)
    h, rows, weights = batch.nodes, [], np.full((len(senders), 1 if layer == gn.AGNNConv() else 2), np.nan)
    for i in range(batch.n_nodes):
        into = np.flatnonzero(receivers == i)
        logits, values = zip(*[LOGITS[type(layer)](p, h[i], h[senders[a]], edges[a]) for a in into], strict=True)
        alpha = np.exp(logits) / np.exp(logits).sum(0)
        weights[into] = alpha
        out = (alpha[:, :, None] * np.array(values)).sum(0)
        out = out.ravel() if getattr(layer, "concat", True) else out.mean(0)
        if isinstance(layer, gn.TransformerConv):
            skip = h[i] @ p["skip.weight"] + p["skip.bias"]
            gate = 1 / (1 + np.exp(-np.concatenate([out, skip, out - skip]) @ p["gate"])) if layer.gate else None
            out = gate * skip + (1 - gate) * out if layer.gate else out + skip
        rows.append(out + p.get("bias", 0.0))
    return np.array(rows), weights


@every_layer
@pytest.mark.parametrize("flavour", ["path", "weighted", "self_loop", "multi_edge"])
def test_it_is_the_formula_of_the_paper(name, flavour):
    layer, batch = LAYERS[name], gn.pack(cases.graphs(flavour, edges=True))
    params = cases.parameters(layer, batch)
    rows, weights = by_the_formula(layer, params, batch)
    np.testing.assert_allclose(layer(params, batch).nodes, rows, rtol=0, atol=1e-12)
    senders, receivers, _ = arcs_of(layer, batch)
    shown = gn.inner_values(layer, params, batch)["attention"]
    np.testing.assert_array_equal(shown.senders, senders)
    np.testing.assert_array_equal(shown.receivers, receivers)
    np.testing.assert_allclose(shown.values.reshape(len(senders), -1), weights, rtol=0, atol=1e-12)


# ---- laws -----------------------------------------------------------------------------------------------------------


@every_layer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logits_of_ten_thousand_are_finite_to_second_order(name, dtype):
    layer, batch = LAYERS[name], gn.pack(cases.graphs("path", edges=True, dtype=dtype))
    params = cases.parameters(layer, batch, dtype=dtype)
    loud = [key for key in params if key in ("receiver", "sender", "attention", "query.weight", "beta")]
    params = {key: np.asarray(value * (1e4 if key in loud else 1), dtype) for key, value in params.items()}
    assert loud

    def loss(params):
        return cases.total(layer(params, batch))

    along = {key: np.ones_like(value) for key, value in params.items()}
    found = {"value": np.asarray(loss(params)), **gn.grad(loss)(params)}
    found |= {f"curvature {key}": value for key, value in gn.hvp(loss, params, along).items()}
    assert all(np.isfinite(value).all() for value in found.values())
    weights = gn.inner_values(layer, params, batch)["attention"]
    sums = np.bincount(weights.receivers, weights.values.reshape(len(weights.receivers), -1)[:, 0])
    np.testing.assert_allclose(sums, 1, rtol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [gn.GATConv(3, loops=False), gn.GATv2Conv(3, loops=False), gn.TransformerConv(3), gn.AGNNConv(loops=False)],
    ids=repr,
)
def test_a_node_that_hears_nobody_has_no_message(layer):
    graph = gn.Graph(np.ones((2, 3)), senders=[0], receivers=[1])
    params = cases.parameters(layer, graph)
    deaf = layer(params, graph).nodes[0]
    skip = params["skip.weight"].sum(0) + params["skip.bias"] if "skip.weight" in params else params.get("bias", 0.0)
    np.testing.assert_allclose(deaf, skip + np.zeros(3), rtol=1e-14)


def test_the_cosine_with_a_node_of_zeros_is_zero_and_flat():
    graph = gn.pack(gn.Graph(np.array([[0.0, 0.0], [3.0, 4.0]]), senders=[1], receivers=[0]))
    params = {"beta": np.array(2.0)}
    assert gn.inner_values(gn.AGNNConv(), params, graph)["attention"].values.tolist() == [0.5, 0.5, 1.0]
    grads = gn.grad(lambda h: (gn.AGNNConv()(params, graph.replace(nodes=h)).nodes[0] ** 2).sum())(graph.nodes)
    np.testing.assert_allclose(grads, [[1.5, 2.0], [1.5, 2.0]])  # that of the mean: the cosines do not move


@pytest.mark.parametrize(
    "layer", [gn.GATConv(64), gn.GATConv(64, edges=True), gn.TransformerConv(64), gn.AGNNConv()], ids=repr
)
def test_no_array_of_edges_times_features_is_made(layer):
    """A training step on a full graph of 200 nodes stays below half of a single such array."""
    n, width = 200, 64
    rng = np.random.default_rng(0)
    graph = gn.from_adjacency(np.ones((n, n)), nodes=rng.normal(size=(n, width)))
    batch = gn.pack(graph.replace(edges=rng.normal(size=(n * n, 1))))
    params = layer.init(0, batch)
    step = gn.value_and_grad(lambda params: cases.total(layer(params, batch)))
    step(params)  # what the batch remembers is made
    tracemalloc.start()
    step(params)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < n * n * width * 8 / 2


class TestDropout:
    graph = gn.from_adjacency(np.ones((60, 60)), nodes=np.random.default_rng(0).normal(size=(60, 3)))

    @pytest.mark.parametrize("kind", [gn.GATConv, gn.GATv2Conv, gn.TransformerConv])
    def test_it_acts_in_training_only_and_keeps_the_mean(self, kind):
        layer, plain = kind(3, dropout=0.4), kind(3)
        params = cases.parameters(plain, self.graph)
        wanted = plain(params, self.graph).nodes
        np.testing.assert_array_equal(layer(params, self.graph).nodes, wanted)
        drawn = [layer.apply(params, self.graph, train=True, rng=(0, step))[0].nodes for step in range(300)]
        assert (drawn[0] != drawn[1]).any()
        error = np.std(drawn, axis=0) / np.sqrt(len(drawn))
        assert (np.abs(np.mean(drawn, axis=0) - wanted) < 5 * error + 1e-12).all()

    def test_it_drops_weights_of_arcs_at_the_rate(self):
        """The sum of a constant feature counts what is left of the weights."""
        graph = self.graph.replace(nodes=np.ones((60, 1)))
        params = {
            "weight": np.ones((1, 1)),
            "receiver": np.ones((1, 1)),
            "sender": np.ones((1, 1)),
            "bias": np.zeros(1),
        }
        out, _ = gn.GATConv(1, dropout=0.4).apply(params, graph, train=True, rng=(0, 0))
        kept = out.nodes * 60 * 0.6  # of 60 equal weights a node
        np.testing.assert_allclose(kept, np.round(kept), rtol=0, atol=1e-9)
        assert kept.mean() == pytest.approx(36, abs=1)


class TestWhatIsShown:
    def test_every_layer_of_a_model_under_its_name(self):
        model = gn.Sequential(gn.GATConv(4, heads=2), gn.Residual(gn.AGNNConv()), gn.AttentionPool(), head=gn.Dense(1))
        batch = gn.pack(cases.graphs("two_sizes"))
        params = model.init(0, batch)
        shown = gn.inner_values(model, params, batch)
        assert list(shown) == ["0.gatconv.attention", "1.residual.inner.attention", "2.attentionpool.attention"]
        assert shown["0.gatconv.attention"].values.shape == (batch.n_edges + batch.n_nodes - 1, 2)  # a loop is replaced
        assert np.bincount(batch.node_graph, shown["2.attentionpool.attention"][:, 0]) == pytest.approx(1)

    def test_nothing_is_kept_for_nobody(self):
        graph = gn.pack(cases.graphs("path"))
        params = gn.GATConv(2).init(0, graph)
        assert gn.inner_values(gn.Dense(2), gn.Dense(2).init(0, graph), graph) == {}
        assert gn.GATConv(2).apply(params, graph)[1] == {}


def test_sparse_features_give_what_dense_ones_give():
    import scipy.sparse

    batch = gn.pack(cases.graphs("weighted", edges=True))
    sparse = gn.pack(batch.graphs[0].replace(nodes=scipy.sparse.csr_array(batch.nodes)))
    for layer in LAYERS.values():
        params = cases.parameters(layer, batch)
        np.testing.assert_allclose(layer(params, sparse).nodes, layer(params, batch).nodes, rtol=0, atol=1e-14)
