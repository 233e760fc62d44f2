"""Dense and Embedding."""

from __future__ import annotations

import cases
import numpy as np

import graphnn as gn


def test_dense_is_h_w_plus_b_on_nodes_and_on_arrays_of_any_dimension():
    layer = gn.Dense(2, gn.tanh)
    batch = gn.pack(cases.graphs("two_sizes"))
    params = cases.parameters(layer, batch)
    for x in (batch.nodes, np.ones((2, 4, 3)), np.ones(3)):
        wanted = np.tanh(x @ params["weight"] + params["bias"])
        np.testing.assert_allclose(layer(params, x), wanted, rtol=1e-13)
    np.testing.assert_array_equal(layer(params, batch).nodes, layer(params, batch.nodes))


def test_embedding_looks_rows_up_and_repeated_codes_add_their_gradients():
    codes = np.array([[2.0], [0.0], [2.0]])
    params = {"weight": np.arange(8.0).reshape(4, 2)}
    layer = gn.Embedding(2, count=4)
    assert layer(params, codes).tolist() == [[4, 5], [0, 1], [4, 5]]
    grads = gn.grad(lambda p: (layer(p, codes) * np.array([[1.0], [10.0], [100.0]])).sum())(params)
    assert grads["weight"].tolist() == [[10, 10], [0, 0], [101, 101], [0, 0]]


def test_an_embedding_starts_from_the_standard_normal_law():
    weight = gn.Embedding(50, count=200).init(0, np.zeros((1, 1)))["weight"]
    assert abs(weight.mean()) < 0.03
    assert abs(weight.std() - 1) < 0.03
