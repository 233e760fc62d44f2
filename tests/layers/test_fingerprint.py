"""The neural fingerprint against algorithm 2 of Duvenaud et al. written as loops over atoms and bonds."""

from __future__ import annotations

import cases
import numpy as np
import pytest

import graphnn as gn


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def by_hand(params, graph, size, depth):
    """Go through atoms and bonds one by one, as the paper does."""
    weights = np.ones(graph.n_edges) if graph.weights is None else graph.weights
    h = list(graph.nodes)
    f = np.zeros(size)
    for r in h:
        f += softmax(r @ params["layer0.out.weight"] + params["layer0.out.bias"])
    for layer in range(1, depth + 1):
        moved = []
        for a in range(graph.n_nodes):
            bonds = [e for e in range(graph.n_edges) if graph.receivers[e] == a]
            v = h[a].copy()
            for e in bonds:
                v = v + weights[e] * h[graph.senders[e]]
            if graph.edges is not None:
                v = np.concatenate([v, sum((graph.edges[e] for e in bonds), np.zeros(graph.edges.shape[1]))])
            name = f"layer{layer}.degree{len(bonds)}"
            moved.append(np.tanh(v @ params[f"{name}.weight"] + params[f"{name}.bias"]))
        h = moved
        for r in h:
            f += softmax(r @ params[f"layer{layer}.out.weight"] + params[f"layer{layer}.out.bias"])
    return f


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("flavour", cases.FLAVOURS)
def test_the_fingerprint_is_the_papers_algorithm(flavour, edges):
    graphs = cases.graphs(flavour, edges=edges)
    layer = gn.NeuralFingerprint(4, width=3, depth=2)
    params = cases.parameters(layer, gn.pack(cases.graph("path", edges=edges)))
    wanted = [by_hand(params, graph, 4, 2) for graph in graphs]
    np.testing.assert_allclose(layer(params, graphs), wanted, rtol=1e-12)


def test_every_degree_and_layer_has_its_own_parameters():
    params = gn.NeuralFingerprint(4, width=3, depth=2, max_degree=1).init(0, cases.graph("one_node", edges=True))
    assert {name: value.shape for name, value in params.items() if name.endswith("weight")} == {
        "layer0.out.weight": (3, 4),
        "layer1.degree0.weight": (5, 3),
        "layer1.degree1.weight": (5, 3),
        "layer1.out.weight": (3, 4),
        "layer2.degree0.weight": (5, 3),
        "layer2.degree1.weight": (5, 3),
        "layer2.out.weight": (3, 4),
    }


def test_large_random_weights_make_it_a_circular_fingerprint():
    """With saturated activations each atom votes for one bit: equal surroundings, equal bits (section 3)."""
    layer = gn.NeuralFingerprint(64, width=16, depth=2)
    ring = gn.Graph(np.ones((6, 2)), *np.array([(i, j % 6) for i in range(6) for j in (i - 1, i + 1)]).T)
    params = {name: 1e3 * value for name, value in layer.init(0, ring).items()}
    bits = layer(params, ring)
    np.testing.assert_allclose(np.sort(bits.ravel())[-3:].sum(), 18, rtol=1e-6)  # six atoms, three layers


def test_a_degree_too_high_names_graph_node_and_remedy():
    star = gn.Graph(np.ones((4, 3)), senders=[1, 2, 3], receivers=[0, 0, 0])
    layer = gn.NeuralFingerprint(4, max_degree=2)
    params = layer.init(0, cases.graph("path"))
    with pytest.raises(gn.GraphError, match=r"graphs\[1\].*node 0 has 3 in-edges.*max_degree=3") as caught:
        layer(params, [cases.graph("path"), star])
    assert caught.value.index == 1


def test_graphs_that_came_with_kernels_in_place_of_edges_are_refused():
    """Every degree was 0 and no neighbour was ever heard."""
    batch = gn.pack(nodes=[np.ones((3, 2))] * 2, kernels=[np.ones((3, 3))] * 2)
    with pytest.raises(gn.GraphError, match=r"came with kernels and no edges.*or use GraphConv"):
        gn.NeuralFingerprint(4).init(0, batch)
    mixed = gn.pack(cases.graphs("mixed", kernels=True))
    gn.NeuralFingerprint(4).init(0, mixed[[3]])  # a graph that has no edges among others that have
