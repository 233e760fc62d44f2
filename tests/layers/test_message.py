"""Layers in which edges speak, against the formulas of their papers, edge by edge."""

from __future__ import annotations

import cases
import numpy as np
import pytest

import graphnn as gn

FLAVOURS = ["path", "self_loop", "directed", "weighted", "multi_edge", "isolated_node", "no_edges"]


def weights_of(graph):
    return np.ones(graph.n_edges) if graph.weights is None else graph.weights


def into(graph, i):
    """Return (edge, sender, weight) of every edge into a node."""
    return [(e, graph.senders[e], weights_of(graph)[e]) for e in np.flatnonzero(graph.receivers == i)]


def test_edges_to_nodes_is_a_sum_over_in_edges():
    rng = np.random.default_rng(0)
    senders, receivers = rng.integers(0, 5, (2, 9))
    graph = gn.Graph(rng.normal(size=(5, 2)), senders, receivers, edges=rng.normal(size=(9, 3)))
    arriving = [sum((e for e, r in zip(graph.edges, receivers, strict=True) if r == i), np.zeros(3)) for i in range(5)]
    dense = np.concatenate([graph.nodes, arriving], axis=1)
    np.testing.assert_allclose(gn.EdgesToNodes()({}, graph).nodes, dense, rtol=1e-14)


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("aggregate", ["sum", "mean"])
@pytest.mark.parametrize("inner", [None, gn.Dense(4, gn.relu)], ids=["linear", "inner"])
def test_nn_conv_sends_every_message_through_the_matrix_of_its_edge(flavour, aggregate, inner):
    graph = cases.graph(flavour, edges=True)
    layer = gn.NNConv(2, inner, gn.tanh, aggregate)
    p = cases.parameters(layer, graph)
    a = graph.edges if inner is None else np.maximum(graph.edges @ p["inner.weight"] + p["inner.bias"], 0)
    W = p["weight"].reshape(a.shape[1], cases.WIDTH, 2)
    wanted = graph.nodes @ p["root"] + p["bias"]
    for i in range(graph.n_nodes):
        arriving = [
            w * graph.nodes[j] @ (p["constant"] + np.einsum("k,kfg->fg", a[e], W)) for e, j, w in into(graph, i)
        ]
        wanted[i] += sum(arriving, np.zeros(2)) / (max(len(arriving), 1) if aggregate == "mean" else 1)
    np.testing.assert_allclose(layer(p, graph).nodes, np.tanh(wanted), rtol=1e-12, atol=1e-13)


class TestDMPNN:
    @pytest.mark.parametrize("flavour", FLAVOURS)
    @pytest.mark.parametrize("steps", [0, 1, 4])
    def test_it_is_equations_2_to_6(self, flavour, steps):
        graph = cases.graph(flavour, edges=True)
        layer = gn.DMPNN(3, steps)
        p = cases.parameters(layer, graph)
        ends = list(zip(graph.senders, graph.receivers, strict=True))
        start = np.concatenate([graph.nodes[graph.senders], graph.edges], axis=1)
        first = h = np.maximum(start @ p["input"], 0)
        for _ in range(steps):
            m = np.zeros((len(ends), 3))
            for vw, (v, w) in enumerate(ends):
                for kv, k, weight in into(graph, v):
                    if k != w:
                        m[vw] += weight * h[kv]
            h = np.maximum(first + m @ p["message"], 0)
        arriving = np.array([sum((w * h[e] for e, _, w in into(graph, i)), np.zeros(3)) for i in range(graph.n_nodes)])
        wanted = np.maximum(np.concatenate([graph.nodes, arriving], axis=1) @ p["output"] + p["bias"], 0)
        np.testing.assert_allclose(layer(p, graph).nodes, wanted, rtol=1e-12, atol=1e-13)

    def test_along_a_chain_nothing_comes_back(self):
        """What a node says is heard by others only: on a single bond both ends hear it once, whatever the steps."""
        pair = gn.Graph(np.eye(2), [0, 1], [1, 0], edges=np.ones((2, 1)))
        p = cases.parameters(gn.DMPNN(4), pair)
        once, often = (gn.DMPNN(4, steps)(p, pair).nodes for steps in (0, 5))
        np.testing.assert_array_equal(once, often)

    @pytest.mark.parametrize("flavour", list(cases.FLAVOURS))
    def test_edges_among_edges_of_a_batch_are_those_of_its_graphs(self, flavour):
        batch = gn.pack(cases.graphs(flavour, edges=True))
        whole = batch.nonbacktracking.toarray()
        for part, graph in zip(batch, batch.graphs, strict=True):
            s, r = graph.senders, graph.receivers
            wanted = (r[None, :] == s[:, None]) & (s[None, :] != r[:, None])
            np.testing.assert_array_equal(graph.nonbacktracking.toarray(), wanted)
            np.testing.assert_array_equal(part.nonbacktracking.toarray(), wanted)
        mine = batch.edge_segments.index
        assert (whole[mine[:, None] != mine[None, :]] == 0).all()
        other = list(range(len(batch)))[::-1]
        anew = gn.pack([batch.graphs[i] for i in other])
        np.testing.assert_array_equal(batch[other].nonbacktracking.toarray(), anew.nonbacktracking.toarray())

    def test_other_ends_give_other_edges_among_edges(self):
        batch = gn.pack(cases.graph("directed", edges=True))
        before = batch.nonbacktracking.toarray()
        turned = batch.replace(senders=batch.receivers, receivers=batch.senders)
        np.testing.assert_array_equal(turned.nonbacktracking.toarray(), before.T)


class TestGraphNetwork:
    @staticmethod
    def dense(p, graph, aggregate, edges=True):
        """Return edges, nodes, globals by algorithm 1, one after the other, with tanh layers."""

        def update(name, *parts):
            return np.tanh(np.concatenate(parts) @ p[f"{name}.weight"] + p[f"{name}.bias"])

        def total(rows, width):
            return sum(rows, np.zeros(width)) / (max(len(rows), 1) if aggregate == "mean" else 1)

        u = graph.globals
        features = graph.edges if edges else np.zeros((graph.n_edges, 0))
        e = np.array(
            [
                update("edges", features[k], graph.nodes[r], graph.nodes[s], u)
                for k, (s, r) in enumerate(zip(graph.senders, graph.receivers, strict=True))
            ]
        ).reshape(graph.n_edges, 2)
        h = np.array(
            [
                update("nodes", total([w * e[k] for k, _, w in into(graph, i)], 2), graph.nodes[i], u)
                for i in range(graph.n_nodes)
            ]
        )
        of_edges = total([w * row for w, row in zip(weights_of(graph), e, strict=True)], 2)
        return e, h, update("globals", of_edges, total(list(h), 4), u)

    @pytest.mark.parametrize("flavour", FLAVOURS)
    @pytest.mark.parametrize("aggregate", ["sum", "mean"])
    @pytest.mark.parametrize("edges", [True, False], ids=["edges", "no-edge-features"])
    def test_it_is_algorithm_1(self, flavour, aggregate, edges):
        graph = cases.graph(flavour, edges=edges, global_features=True)
        block = gn.GraphNetwork(gn.Dense(2, gn.tanh), gn.Dense(4, gn.tanh), gn.Dense(3, gn.tanh), aggregate)
        p = cases.parameters(block, graph)
        out = block(p, graph)
        e, h, u = self.dense(p, graph, aggregate, edges)
        np.testing.assert_allclose(out.edges, e, rtol=1e-12)
        np.testing.assert_allclose(out.nodes, h, rtol=1e-12)
        np.testing.assert_allclose(out.globals, u[None], rtol=1e-12)

    def test_what_has_no_update_stays(self):
        graph = cases.graph("path", edges=True, global_features=True)
        for updates, changed in (
            ({"edge_update": gn.Dense(5)}, "edges"),
            ({"node_update": gn.Dense(5)}, "nodes"),
            ({"global_update": gn.Dense(5)}, "globals"),
        ):
            block = gn.GraphNetwork(**updates)
            batch = gn.pack(graph)
            out = block(cases.parameters(block, batch), batch)
            assert getattr(out, changed).shape[1] == 5
            for name in {"edges", "nodes", "globals"} - {changed}:
                assert getattr(out, name) is getattr(batch, name)

    def test_without_edges_and_globals_nodes_are_updated_alone(self):
        graph = cases.graph("path")
        block = gn.GraphNetwork(node_update=gn.Dense(2))
        p = cases.parameters(block, graph)
        wanted = graph.nodes @ p["nodes.weight"] + p["nodes.bias"]
        np.testing.assert_allclose(block(p, graph).nodes, wanted, rtol=1e-13)

    def test_blocks_follow_each_other(self):
        graphs = gn.pack(cases.graphs("mixed", edges=True, global_features=True))
        block = gn.GraphNetwork(gn.Dense(3, gn.relu), gn.Dense(3, gn.relu), gn.Dense(3, gn.relu))
        model = gn.Sequential(block, gn.GraphNetwork(gn.Dense(2), gn.Dense(2), gn.Dense(1)), gn.Globals())
        assert model(model.init(0, graphs), graphs).shape == (5, 1)
