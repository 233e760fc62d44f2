"""Dropout: its statistics, its seeds, and that evaluation never sees it."""

from __future__ import annotations

import itertools

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


def spread_of(rate, n):
    return 5 * np.sqrt(rate * (1 - rate) / n)


NOISE = [
    gn.NodeDropout(0.5),
    gn.EdgeDropout(0.5),
    gn.EdgeDropout(0.5, undirected=True),
    gn.PathDropout(0.5),
    gn.DropConnect(gn.GraphConv(2), 0.5),
    gn.GaussianNoise(0.5),
]


def ring(n, **attributes):
    nodes = np.arange(n)
    senders, receivers = (
        np.stack([nodes, (nodes + 1) % n], axis=1).ravel(),
        np.stack([(nodes + 1) % n, nodes], 1).ravel(),
    )
    return gn.pack(gn.Graph(np.ones((n, 2)), senders, receivers, **attributes))


@pytest.mark.parametrize("layer", NOISE, ids=repr)
class TestEveryNoise:
    def test_evaluation_and_nothing_to_drop_are_the_identity(self, layer):
        batch = ring(5)
        params = layer.init(0, batch)
        rates = {"rate": 0.0} if hasattr(layer, "rate") else {"scale": 0.0}
        off = type(layer)(**{**vars(layer), **rates})
        for out in (layer(params, batch), off.apply(params, batch, train=True)[0]):
            if isinstance(layer, gn.DropConnect):
                inner = {name.removeprefix("inner."): value for name, value in params.items()}
                np.testing.assert_array_equal(out.nodes, layer.inner(inner, batch).nodes)
            else:
                assert out is batch

    def test_it_needs_randomness_and_the_same_integers_are_the_same_noise(self, layer):
        batch = ring(40)
        params = layer.init(0, batch)
        with pytest.raises(ValueError, match="training needs randomness"):
            layer.apply(params, batch, train=True)

        def seen(rng):
            out = gn.Sequential(layer, gn.GraphConv(1)).apply(model, batch, train=True, rng=rng)[0]
            return out.nodes

        model = gn.Sequential(layer, gn.GraphConv(1)).init(0, batch)
        np.testing.assert_array_equal(seen((0, 1)), seen((0, 1)))
        assert (seen((0, 1)) != seen((0, 2))).any()


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.9])
def test_rows_fall_at_their_rate_as_a_whole(rate):
    out, _ = gn.NodeDropout(rate).apply({}, np.ones((20_000, 3)), train=True, rng=0)
    assert ((out == 0).all(axis=1) | (out == 1 / (1 - rate)).all(axis=1)).all()
    assert abs((out[:, 0] == 0).mean() - rate) < spread_of(rate, len(out))


def test_rows_of_sparse_features_fall_and_stay_sparse():
    features = scipy.sparse.csr_array(np.random.default_rng(0).integers(0, 2, (60, 5)) * 1.0)
    out, _ = gn.NodeDropout(0.5).apply({}, gn.pack(gn.Graph(features)), train=True, rng=0)
    assert isinstance(out.nodes, gn.ops.SparseMatrix)
    dense, before = out.nodes.toarray(), features.toarray()
    assert ((dense == 0).all(axis=1) | (dense == 2 * before).all(axis=1)).all()
    assert 10 < (dense == 2 * before).all(axis=1).sum() < 50


class TestEdges:
    @pytest.mark.parametrize("rate", [0.2, 0.5, 0.9])
    @pytest.mark.parametrize("undirected", [False, True])
    def test_edges_fall_at_their_rate_and_bonds_together(self, rate, undirected):
        batch = ring(5_000)
        out, _ = gn.EdgeDropout(rate, undirected=undirected).apply({}, batch, train=True, rng=0)
        n = batch.n_edges // (2 if undirected else 1)
        assert abs(1 - out.n_edges / batch.n_edges - rate) < spread_of(rate, n)
        left = set(zip(out.senders.tolist(), out.receivers.tolist(), strict=True))
        paired = np.mean([(i, j) in left for j, i in left])
        assert paired == 1 if undirected else abs(paired - (1 - rate)) < 0.05

    def test_what_is_left_is_the_graph_that_one_would_have_built_without_them(self):
        graphs = cases.graphs("mixed", edges=True, global_features=True)
        batch = gn.pack(graphs)
        kept = np.random.default_rng(0).random(batch.n_edges) < 0.6
        starts = batch.packed.edge_offsets
        parts = [kept[a:b] for a, b in itertools.pairwise(starts)]
        anew = gn.pack(
            [
                g.replace(
                    senders=g.senders[keep],
                    receivers=g.receivers[keep],
                    edges=g.edges[keep],
                    weights=None if g.weights is None else g.weights[keep],
                )
                for g, keep in zip(graphs, parts, strict=True)
            ]
        )
        thinner = batch.keep_edges(kept)
        assert len(anew.graphs) == len(thinner.graphs) == 5
        for name in ("senders", "receivers", "weights", "edges", "nodes", "globals"):
            np.testing.assert_array_equal(getattr(thinner, name), getattr(anew, name), err_msg=name)
        for layout in ("sparse", "list", "dense"):
            for kernel in (gn.kernels.normalized_adjacency, gn.kernels.Distance(2)):
                ours, wanted = (b.with_layout(layout).kernels(kernel) for b in (thinner, anew))
                for a, b in zip(ours, wanted, strict=True):
                    np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(thinner[1:].senders, anew[1:].senders)

    def test_features_that_a_layer_made_go_with_their_edges_and_have_gradients(self):
        batch = gn.pack(cases.graphs("path", edges=True))
        kept = np.arange(batch.n_edges) % 2 == 0
        out = batch.replace(edges=2 * batch.edges).keep_edges(kept)
        np.testing.assert_array_equal(out.edges, 2 * batch.edges[kept])
        grads = gn.grad(lambda e: (batch.replace(edges=e).keep_edges(kept).edges ** 2).sum())(batch.edges)
        np.testing.assert_allclose(grads, 2 * batch.edges * kept[:, None])

    def test_kernels_the_graphs_came_with_stay(self):
        batch = gn.pack(cases.graphs("two_sizes", kernels=True))
        out = batch.keep_edges(np.zeros(batch.n_edges, bool))
        for a, b in zip(out.kernels("own"), batch.kernels("own"), strict=True):
            np.testing.assert_array_equal(a, b)

    @pytest.mark.parametrize("layer", [gn.EdgeDropout, gn.PathDropout])
    def test_with_an_inner_layer_only_that_one_sees_the_thinner_graphs(self, layer):
        batch, conv = ring(50), gn.GraphConv(3, kernel=gn.kernels.adjacency)
        params = conv.init(0, batch)
        around = gn.Sequential(layer(0.5, inner=conv))
        inside = {f"0.{layer.__name__.lower()}.inner.{name}": value for name, value in params.items()}
        out, _ = around.apply(inside, batch, train=True, rng=(0, 1))
        thinner, _ = gn.Sequential(layer(0.5)).apply({}, batch, train=True, rng=(0, 1))
        assert out.n_edges == batch.n_edges > thinner.n_edges
        np.testing.assert_array_equal(out.nodes, conv(params, thinner).nodes)
        pooled, _ = layer(0.5, inner=gn.SumPool()).apply({}, batch, train=True, rng=0)
        assert pooled.shape == (1, 2)

    def test_the_globals_that_an_inner_layer_makes_go_on(self):
        batch, inner = ring(5), gn.VirtualNode(gn.GraphConv(2), gn.Dense(4))
        layer = gn.EdgeDropout(0.5, inner)
        params = layer.init(0, batch)
        assert layer(params, batch).globals.shape == (1, 4)
        assert layer.apply(params, batch, train=True, rng=0)[0].globals.shape == (1, 4)


class TestBonds:
    def test_directions_of_an_edge_are_one_bond_parallel_ones_in_order_loops_alone(self):
        senders, receivers = [0, 1, 0, 1, 0, 2, 2, 1, 0], [1, 0, 1, 0, 2, 0, 2, 2, 1]
        bonds = gn.pack(gn.Graph(np.ones((3, 1)), senders, receivers)).packed.bonds
        groups = {tuple(np.flatnonzero(bonds.index == b).tolist()) for b in range(bonds.count)}
        assert groups == {(0, 1), (2, 3), (4, 5), (6,), (7,), (8,)}

    def test_of_several_graphs_they_are_those_of_each(self):
        graphs = cases.graphs("mixed")
        together = gn.pack(graphs).packed.bonds
        alone = [gn.pack(g).packed.bonds for g in graphs]
        starts = np.cumsum([0] + [bonds.count for bonds in alone])
        wanted = np.concatenate([bonds.index + start for bonds, start in zip(alone, starts, strict=False)])
        np.testing.assert_array_equal(together.index, wanted)
        assert together.count == starts[-1]


class TestPaths:
    @pytest.mark.parametrize("undirected", [False, True])
    @pytest.mark.parametrize("rate", [0.1, 0.37, 0.8])
    def test_the_share_that_falls_is_the_rate(self, rate, undirected):
        batch = ring(41)
        layer = gn.PathDropout(rate, undirected=undirected)
        fallen = [1 - layer.apply({}, batch, train=True, rng=(0, i))[0].n_edges / 82 for i in range(200)]
        whole = 82 / (2 if undirected else 1)
        assert np.ptp(fallen) <= 1.001 / whole
        assert np.mean(fallen) == pytest.approx(rate, abs=0.1 / whole)

    def test_one_walk_falls_edge_after_edge(self):
        """On a directed ring there is one way to go, so all that falls first is one path of the walk's length."""
        n = 60
        nodes = np.arange(n)
        batch = gn.pack(gn.Graph(np.ones((n, 1)), nodes, (nodes + 1) % n))
        for step in range(20):
            out, _ = gn.PathDropout(5 / n, length=5).apply({}, batch, train=True, rng=step)
            gone = np.setdiff1d(nodes, out.senders)
            assert len(gone) == 5
            assert sorted((gone - gone[np.argmax(np.diff(np.append(gone[-1] - n, gone)) > 1)]) % n) == [0, 1, 2, 3, 4]

    def test_a_path_of_one_edge_is_edge_dropout_and_longer_ones_leave_fewer_gaps(self):
        n = 400
        nodes = np.arange(n)
        batch = gn.pack(gn.Graph(np.ones((n, 1)), nodes, (nodes + 1) % n))

        def gaps(length):
            out, _ = gn.PathDropout(0.3, length=length).apply({}, batch, train=True, rng=3)
            kept = np.isin(nodes, out.senders)
            return (kept & ~np.roll(kept, -1)).sum()

        assert gaps(1) > 2 * gaps(10)

    def test_walks_end_where_no_edge_leads_on(self):
        star = gn.pack(gn.Graph(np.ones((5, 1)), [1, 2, 3, 4], [0, 0, 0, 0]))
        out, _ = gn.PathDropout(0.5, length=4).apply({}, star, train=True, rng=0)
        assert out.n_edges == 2
        empty = gn.pack(gn.Graph(np.ones((2, 1))))
        assert gn.PathDropout(0.5).apply({}, empty, train=True, rng=0)[0].n_edges == 0


class TestDropConnect:
    def test_weights_fall_at_their_rate_biases_and_statistics_never(self):
        layer = gn.DropConnect(gn.Sequential(gn.Dense(300), gn.BatchNorm()), 0.3)
        x = np.eye(200)
        params = {name: np.ones_like(value) for name, value in layer.init(0, x).items()}
        seen = []

        def spy(params, h):
            seen.append({name: params[name] for name in params})
            return h

        gn.DropConnect(spy, 0.3).apply(params, x, train=True, rng=0)
        (values,) = seen
        weight = values.pop("0.dense.weight")
        assert set(np.unique(weight)) == {0.0, 1 / 0.7}
        assert abs((weight == 0).mean() - 0.3) < spread_of(0.3, weight.size)
        assert all((value == 1).all() for value in values.values())

    def test_it_is_the_layer_with_masked_weights_and_gradients_follow_the_mask(self):
        batch = gn.pack(cases.graphs("path"))
        layer = gn.DropConnect(gn.GraphConv(40), 0.5)
        params = cases.parameters(layer, batch)
        grads = gn.grad(lambda p: cases.total(layer.apply(p, batch, train=True, rng=(0, 4))[0]))(params)
        mask = grads["inner.weight"] != 0
        assert 0.3 < mask.mean() < 0.7
        masked = {"weight": 2 * mask * params["inner.weight"], "bias": params["inner.bias"]}
        out, _ = layer.apply(params, batch, train=True, rng=(0, 4))
        np.testing.assert_allclose(out.nodes, gn.GraphConv(40)(masked, batch).nodes, rtol=1e-13)

    def test_noise_does_not_go_by_the_order_of_the_dict_and_updates_come_out(self):
        x = np.random.default_rng(0).normal(size=(6, 3))
        layer = gn.DropConnect(gn.Sequential(gn.Dense(4), gn.BatchNorm(), gn.Dense(2)), 0.5)
        params = cases.parameters(layer, x)
        out, updates = layer.apply(params, x, train=True, rng=0)
        again, _ = layer.apply(dict(reversed(params.items())), x, train=True, rng=0)
        np.testing.assert_array_equal(out, again)
        assert sorted(updates) == ["inner.1.batchnorm.running_mean", "inner.1.batchnorm.running_var"]

    def test_a_shared_layer_draws_anew_at_each_use(self):
        once = gn.DropConnect(gn.Dense(30), 0.5)
        x = np.ones((1, 30))
        model = gn.Sequential(once, once)
        params = {name: np.ones_like(value) for name, value in model.init(0, x).items()}
        masks = gn.grad(lambda p: model.apply(p, x, train=True, rng=0)[0].sum())(params)["0.dropconnect.inner.weight"]
        assert len(np.unique(masks)) > 2  # one mask twice would leave 0 or one other number in each column's rows


def test_gaussian_noise_has_its_scale_and_its_dtype():
    for dtype in (np.float32, np.float64):
        out, _ = gn.GaussianNoise(0.3).apply({}, np.ones((200, 200), dtype), train=True, rng=0)
        assert out.dtype == dtype
        assert out.mean() == pytest.approx(1, abs=0.01)
        assert out.std() == pytest.approx(0.3, rel=0.02)
