"""Dropout: its statistics, its seeds, and that evaluation never sees it."""

from __future__ import annotations

import cases
import numpy as np
import pytest
import scipy.sparse

import graphnn as gn


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
def test_it_drops_at_its_rate_and_scales_what_stays(rate):
    out, _ = gn.Dropout(rate).apply({}, np.ones((400, 250)), train=True, rng=(0, 1))
    kept = out[out != 0]
    np.testing.assert_allclose(kept, 1 / (1 - rate), rtol=1e-15)
    spread = np.sqrt(rate * (1 - rate) / out.size)
    assert abs((out == 0).mean() - rate) < 5 * spread
    columns = (out == 0).mean(axis=0)
    assert columns.std() == pytest.approx(np.sqrt(rate * (1 - rate) / 400), rel=0.2)  # entries are independent


def test_evaluation_and_rate_zero_are_the_identity():
    x = np.ones((3, 2))
    assert gn.Dropout(0.5)({}, x) is x
    assert gn.Dropout(0.0).apply({}, x, train=True)[0] is x


def noise(model, rng, x=np.ones((8, 8))):  # noqa: B008 - never written to
    return model.apply({}, x, train=True, rng=rng)[0]


def test_the_same_integers_are_the_same_noise_and_others_other():
    model = gn.Dropout(0.5)
    first = noise(model, (0, 1))
    np.testing.assert_array_equal(first, noise(model, (0, 1)))
    for other in ((0, 2), (1, 1), (1, 0), 0, 5):
        assert (noise(model, other) != first).any()
    np.testing.assert_array_equal(noise(model, 3), noise(model, (3,)))
    np.testing.assert_array_equal(noise(model, np.int64(3)), noise(model, 3))


def test_a_shared_layer_draws_anew_at_each_use_and_so_do_two_layers():
    once = gn.Dropout(0.5)
    shared, separate = gn.Sequential(once, once), gn.Sequential(gn.Dropout(0.5), gn.Dropout(0.5))
    for model in (shared, separate):
        both = noise(model, (0, 1)) != 0
        single = noise(gn.Sequential(once), (0, 1)) != 0
        assert 0.15 < both.mean() < 0.35  # a repeated mask would keep a half
        assert (both <= single).all()  # the first use draws what it draws alone


def test_a_numpy_generator_is_used_as_it_stands_and_the_global_one_never():
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the state that must not move
    first, second = (noise(gn.Dropout(0.5), np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    rng = np.random.default_rng(7)
    assert (noise(gn.Dropout(0.5), rng) != noise(gn.Dropout(0.5), rng)).any()
    noise(gn.Dropout(0.5), (0, 0))
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_gradients_and_second_gradients_see_the_same_mask():
    layer, x = gn.Dropout(0.5), np.full((4, 4), 2.0)
    loss = lambda x: (layer.apply({}, x, train=True, rng=(0, 0))[0] ** 2).sum()  # noqa: E731
    mask = noise(layer, (0, 0), x) != 0
    np.testing.assert_allclose(gn.grad(loss)(x), 8 * x * mask)
    np.testing.assert_allclose(gn.hvp(loss, x, x), 8 * x * mask)


def test_sparse_features_stay_sparse_and_lose_stored_values_only():
    rng = np.random.default_rng(0)
    features = scipy.sparse.csr_array(rng.normal(size=(50, 40)) * (rng.random((50, 40)) < 0.3))
    batch = gn.pack(gn.Graph(features))
    out, _ = gn.Dropout(0.5).apply({}, batch, train=True, rng=(0, 0))
    assert isinstance(out.nodes, gn.ops.SparseMatrix)
    values = out.nodes.values
    assert values.shape == features.data.shape
    np.testing.assert_allclose(values[values != 0], 2 * features.data[values != 0])
    assert 0.4 < (values == 0).mean() < 0.6
    np.testing.assert_array_equal(batch.nodes.toarray(), features.toarray())
    params = cases.parameters(gn.GraphConv(3), batch)
    dense = gn.GraphConv(3)(params, batch.replace(nodes=out.nodes.toarray())).nodes
    np.testing.assert_allclose(gn.GraphConv(3)(params, out).nodes, dense, rtol=1e-12, atol=1e-13)
