"""Relational convolution against its formula, edge by edge."""

from __future__ import annotations

import tracemalloc

import cases
import numpy as np
import pytest

import graphnn as gn
from graphnn import kernels as k

FLAVOURS = ["path", "self_loop", "directed", "weighted", "multi_edge", "isolated_node", "no_edges"]
R = cases.RELATIONS


def matrices(p, d, width, bases=None, blocks=None):
    """Return W_r for every relation, written out."""
    if bases is not None:
        return [sum(c * V for c, V in zip(row, p["weight"], strict=True)) for row in p["comp"]]
    if blocks is None:
        return list(p["weight"])
    out = []
    for parts in p["weight"]:
        W = np.zeros((d, width))
        for b, part in enumerate(parts):
            rows, columns = part.shape
            W[b * rows : (b + 1) * rows, b * columns : (b + 1) * columns] = part
        out.append(W)
    return out


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("aggregate", ["mean", "sum"])
@pytest.mark.parametrize("form", [{}, {"bases": 2}, {"blocks": 3}], ids=["own", "bases", "blocks"])
def test_rgcn_conv_is_equation_2(flavour, aggregate, form):
    graph = cases.graph(flavour, relations=True)
    layer = gn.RGCNConv(6, R, gn.tanh, aggregate=aggregate, **form)
    p = cases.parameters(layer, graph)
    weights = np.ones(graph.n_edges) if graph.weights is None else graph.weights
    wanted = graph.nodes @ p["root"] + p["bias"]
    for r, W in enumerate(matrices(p, cases.WIDTH, 6, **form)):
        for i in range(graph.n_nodes):
            heard = np.flatnonzero((graph.receivers == i) & (graph.edges[:, 0] == r))
            arriving = sum((weights[e] * graph.nodes[graph.senders[e]] @ W for e in heard), np.zeros(6))
            wanted[i] += arriving / (max(len(heard), 1) if aggregate == "mean" else 1)
    for batch in (gn.pack(graph), gn.pack(graph).replace(edges=graph.edges + 0.0)):
        np.testing.assert_allclose(layer(p, batch).nodes, np.tanh(wanted), rtol=1e-12, atol=1e-13)


def test_kernels_may_stand_for_relations():
    graph = cases.graph("weighted", kernels=True)
    layer = gn.RGCNConv(4, (k.laplacian, "own"))
    p = cases.parameters(layer, graph)
    Ks = [graph.kernel(k.laplacian), graph.kernels["own"]]
    wanted = (
        graph.nodes @ p["root"] + p["bias"] + sum(K @ graph.nodes @ W for K, W in zip(Ks, p["weight"], strict=True))
    )
    np.testing.assert_allclose(layer(p, graph).nodes, wanted, rtol=1e-12)


def test_the_relation_may_stand_in_another_column():
    graph = cases.graph("path", relations=True)
    wide = graph.replace(edges=np.concatenate([graph.edges + 0.5, graph.edges], axis=1))
    layer = gn.RGCNConv(2, R, column=1)
    p = cases.parameters(layer, wide)
    np.testing.assert_array_equal(layer(p, wide).nodes, gn.RGCNConv(2, R)(p, graph).nodes)


def test_what_is_remembered_is_that_of_the_edges_and_the_setting():
    batch = gn.pack(cases.graphs("mixed", relations=True))
    layers = [gn.RGCNConv(2, R), gn.RGCNConv(2, R, aggregate="sum"), gn.RGCNConv(2, R)]
    p = cases.parameters(layers[0], batch)
    first, total, again = (layer(p, batch).nodes for layer in layers)
    assert abs(first - total).max() > 0.01
    np.testing.assert_array_equal(first, again)
    assert len(batch.packed._remembered) == 2
    turned = batch.replace(edges=(batch.edges + 1) % R)
    assert abs(layers[0](p, turned).nodes - first).max() > 0.01
    heavier = batch.replace(weights=2 * np.ones(batch.n_edges))
    plain = batch.replace(weights=None)
    root = batch.nodes @ p["root"] + p["bias"]
    np.testing.assert_allclose(layers[0](p, heavier).nodes - root, 2 * (layers[0](p, plain).nodes - root), atol=1e-12)


def test_one_relation_without_root_is_a_random_walk():
    graph = cases.graph("directed", relations=True)
    same = graph.replace(edges=np.zeros((graph.n_edges, 1)))
    layer = gn.RGCNConv(2, 1)
    p = cases.parameters(layer, same)
    wanted = graph.kernel(k.random_walk) @ graph.nodes @ p["weight"][0] + graph.nodes @ p["root"] + p["bias"]
    np.testing.assert_allclose(layer(p, same).nodes, wanted, rtol=1e-12)


def test_a_flag_beside_the_relation_is_not_taken_for_one_hot():
    graph = gn.Graph(np.ones((2, 2)), [0, 1], [1, 0], edges=[[1.0, 0.0], [0.0, 1.0]])
    layer = gn.RGCNConv(2, 2)
    assert layer(layer.init(0, graph), graph).nodes.shape == (2, 2)


def test_memory_grows_with_edges_not_with_relations():
    rng, n = np.random.default_rng(0), 1000
    edges = rng.integers(0, 200, (n, 1)).astype(float)
    graph = gn.pack(gn.Graph(rng.normal(size=(n, 8)), *rng.integers(0, n, (2, n)), edges=edges))
    layer = gn.RGCNConv(16, 200)
    params = layer.init(0, graph)
    gradient = gn.grad(lambda params: (layer(params, graph).nodes ** 2).sum())
    gradient(params)
    tracemalloc.start()
    gradient(params)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.3 * 200 * n * 16 * 8


def test_one_hot_relations_are_refused_with_the_remedy():
    graph = gn.Graph(np.ones((3, 2)), [0, 1, 2], [1, 2, 0], edges=np.eye(3))
    with pytest.raises(gn.GraphError, match=r"one-hot.*argmax\(axis=1\)"):
        gn.RGCNConv(2, 3).init(0, graph)


@pytest.mark.parametrize("layer", [gn.GINEConv(2), gn.NNConv(2), gn.CFConv(2, distance=0), gn.SchNetBlock(distance=0)])
def test_frames_of_time_do_not_meet_the_axis_of_edges(layer):
    graph = gn.pack(gn.Graph(np.ones((3, 2)), [0, 1, 2], [1, 2, 0], edges=np.ones((3, 1))))
    with pytest.raises(ValueError, match=r"needs nodes \(n_nodes, d\), got \(3, 3, 2\)"):
        layer.init(0, graph.replace(nodes=np.ones((3, 3, 2))))


def test_the_width_that_comes_in_is_not_asked_for():
    with pytest.raises(TypeError, match=r"activation is the number 16; a layer is told only the width that comes out"):
        gn.GraphConv(3, 16).init(0, gn.Graph(np.ones((3, 2)), [0], [1]))
