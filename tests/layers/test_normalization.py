"""BatchNorm, LayerNorm and Rescale against their closed forms and recurrences."""

from __future__ import annotations

import itertools

import cases
import numpy as np
import pytest

import graphnn as gn


def test_batch_norm_in_training_is_algorithm_1():
    batch = gn.pack(cases.graphs("mixed"))
    layer = gn.BatchNorm(eps=1e-3)
    p = cases.parameters(layer, batch)
    out, _ = layer.apply(p, batch, train=True)
    h = batch.nodes
    wanted = (h - h.mean(axis=0)) / np.sqrt(h.var(axis=0) + 1e-3) * p["scale"] + p["shift"]
    np.testing.assert_allclose(out.nodes, wanted, rtol=1e-12, atol=1e-13)


def test_batch_norm_in_evaluation_uses_the_running_statistics_and_updates_nothing():
    batch = gn.pack(cases.graphs("mixed"))
    layer = gn.BatchNorm(eps=1e-3)
    p = cases.parameters(layer, batch)
    out, updates = layer.apply(p, batch)
    wanted = (batch.nodes - p["running_mean"]) / np.sqrt(p["running_var"] + 1e-3) * p["scale"] + p["shift"]
    np.testing.assert_allclose(out.nodes, wanted, rtol=1e-12, atol=1e-13)
    assert updates == {}


def test_running_statistics_follow_their_recurrence_with_the_unbiased_variance():
    model = gn.Sequential(gn.BatchNorm(momentum=0.3))
    rng = np.random.default_rng(0)
    data = [rng.normal(size=(n, 2)) for n in (4, 7, 5)]
    params = model.init(0, data[0])
    mean, var = np.zeros(2), np.ones(2)
    for x in data:
        _, updates = model.apply(params, x, train=True)
        assert sorted(updates) == ["0.batchnorm.running_mean", "0.batchnorm.running_var"]
        params = {**params, **updates}
        mean = 0.7 * mean + 0.3 * x.mean(axis=0)
        var = 0.7 * var + 0.3 * x.var(axis=0, ddof=1)
    np.testing.assert_allclose(params["0.batchnorm.running_mean"], mean, rtol=1e-13)
    np.testing.assert_allclose(params["0.batchnorm.running_var"], var, rtol=1e-13)


def test_a_shared_batch_norm_follows_the_recurrence_at_each_use():
    """Only the last use once left a trace."""
    norm = gn.BatchNorm(momentum=0.5)
    model = gn.Sequential(norm, gn.Dense(2), norm)
    x = np.random.default_rng(0).normal(3.0, 2.0, size=(5, 2))
    p = cases.parameters(model, x)
    _, updates = model.apply(p, x, train=True)
    first = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5) * p["0.batchnorm.scale"] + p["0.batchnorm.shift"]
    second = first @ p["1.dense.weight"] + p["1.dense.bias"]
    wanted = p["0.batchnorm.running_mean"]
    for h in (x, second):
        wanted = 0.5 * wanted + 0.5 * h.mean(axis=0)
    np.testing.assert_allclose(updates["0.batchnorm.running_mean"], wanted, rtol=1e-12)


def test_updates_come_out_plain_and_statistics_have_gradient_zero():
    model = gn.Sequential(gn.GraphConv(2), gn.BatchNorm(), gn.Nodes(), gn.Rescale())
    batch = gn.pack(cases.graphs("mixed"))
    params = cases.parameters(model, batch)

    def loss(params):
        out, updates = model.apply(params, batch, train=True)
        return cases.total(out), updates

    (_, updates), grads = gn.value_and_grad(loss, has_aux=True)(params)
    assert all(type(value) is np.ndarray for value in updates.values())
    for train in (True, False):
        grads = gn.grad(lambda p, train=train: cases.total(model.apply(p, batch, train=train)[0]))(params)
        zero = sorted(name for name, g in grads.items() if not g.any())
        assert set(zero) >= {name for name in params if gn.types.is_statistic(name)}


@pytest.mark.parametrize("rows", [0, 1])
def test_a_batch_of_one_row_or_none_normalises_to_the_shift(rows):
    layer = gn.BatchNorm()
    p = cases.parameters(layer, np.ones((1, 2)))
    out, updates = layer.apply(p, np.full((rows, 2), 5.0), train=True)
    np.testing.assert_allclose(out, np.tile(p["shift"], (rows, 1)), rtol=1e-13)
    assert all(np.isfinite(value).all() for value in updates.values())
    assert len(updates) == 2 * rows


def test_layer_norm_is_equation_4_for_each_row():
    batch = gn.pack(cases.graphs("mixed"))
    p = cases.parameters(gn.LayerNorm(), batch)
    h = batch.nodes
    centred = h - h.mean(axis=1, keepdims=True)
    wanted = centred / np.sqrt(h.var(axis=1, keepdims=True) + 1e-5) * p["scale"] + p["shift"]
    np.testing.assert_allclose(gn.LayerNorm()(p, batch).nodes, wanted, rtol=1e-12, atol=1e-13)


def test_constant_features_normalise_to_the_shift_without_a_warning():
    for layer in (gn.LayerNorm(), gn.BatchNorm()):
        x = np.full((4, 3), 7.0)
        p = cases.parameters(layer, x)
        out, _ = layer.apply(p, x, train=True)
        np.testing.assert_allclose(out, np.tile(p["shift"], (4, 1)), rtol=1e-12)
        grads = gn.grad(lambda p, layer=layer, x=x: cases.total(layer.apply(p, x, train=True)[0]))(p)
        assert all(np.isfinite(g).all() for g in grads.values())


class TestSetTargetScale:
    targets = np.array([[90.0, 1.0], [110.0, 1.0], [100.0, 1.0]])

    def test_it_measures_mean_and_spread_and_a_constant_target_has_scale_one(self):
        model = gn.Sequential(gn.Dense(2), gn.Rescale())
        params = gn.set_target_scale(model.init(0, np.ones((1, 3))), self.targets)
        np.testing.assert_allclose(params["1.rescale.running_mean"], [100, 1])
        np.testing.assert_allclose(params["1.rescale.running_scale"], [self.targets[:, 0].std(), 1])

    def test_it_leaves_the_given_dict_and_a_scale_that_was_set_alone(self):
        params = gn.Rescale().init(0, np.ones((1, 2)))
        before = {name: value.copy() for name, value in params.items()}
        once = gn.set_target_scale(params, self.targets)
        twice = gn.set_target_scale(once, 10 * self.targets)
        assert all((params[name] == before[name]).all() for name in params)
        assert all((once[name] == twice[name]).all() for name in params)

    def test_nan_is_a_missing_target_of_its_column_and_float32_stays(self):
        params = gn.Rescale().init(0, np.ones((1, 2), np.float32))
        with_hole = np.concatenate([self.targets, [[np.nan, 5.0]]])
        params = gn.set_target_scale(params, with_hole)
        np.testing.assert_allclose(params["running_mean"], [100, 2])
        np.testing.assert_allclose(params["running_scale"], [self.targets[:, 0].std(), 3**0.5], rtol=1e-6)
        assert {value.dtype for value in params.values()} == {np.dtype(np.float32)}

    @pytest.mark.parametrize(
        ("targets", "message"),
        [(np.ones(3), r"targets of shape \(n, 2\), got \(3,\)"), (np.full((3, 2), np.nan), "no targets")],
    )
    def test_targets_that_do_not_fit_are_refused(self, targets, message):
        with pytest.raises(ValueError, match=message):
            gn.set_target_scale(gn.Rescale().init(0, np.ones((1, 2))), targets)


class TestStandardize:
    def test_columns_by_hand(self):
        x = np.array([[1.0, 7.0, 0.0, -3.0], [5.0, 7.0, 0.0, -3.0]])
        layer = gn.Standardize()
        params = layer.init(0, x)
        assert params["running_centre"].tolist() == [3, 0, 0, 0]
        assert params["running_spread"].tolist() == [2, 7, 1, 3]
        np.testing.assert_array_equal(layer(params, x), [[-1, 1, 0, -1], [1, 1, 0, -1]])

    def test_training_leaves_it_alone(self):
        rows = np.random.default_rng(0).normal(3, 2, size=(20, 2))
        model = gn.Sequential(gn.Standardize(), gn.Dense(1))
        params, _ = gn.fit(model, model.init(0, rows), rows, rows[:, :1], epochs=3)
        np.testing.assert_allclose(params["0.standardize.running_centre"], rows.mean(axis=0))
        np.testing.assert_allclose(params["0.standardize.running_spread"], rows.std(axis=0))

    def test_without_nodes(self):
        assert gn.Standardize()(gn.Standardize().init(0, np.ones((0, 2))), np.ones((0, 2))).shape == (0, 2)


def by_graph(formula, batch):
    """Return what a formula makes of the nodes of each graph alone, under each other."""
    starts = batch.packed.node_offsets
    return np.concatenate([formula(batch.nodes[a:b]) for a, b in itertools.pairwise(starts)])


def centred(h, part=1.0):
    return h - part * h.mean(axis=0) if len(h) else h


def over(h, square, eps=1e-5):
    """Return h over the root of the mean of some squares."""
    return h / np.sqrt(square.mean(axis=0) + eps) if len(h) else h


FORMULAS = {
    gn.InstanceNorm(): lambda h, p: over(centred(h), centred(h) ** 2),
    gn.InstanceNorm(0.1, affine=True): lambda h, p: over(centred(h), centred(h) ** 2, 0.1) * p["scale"] + p["shift"],
    gn.GraphNorm(): lambda h, p: (
        over(centred(h, p["mean_scale"]), centred(h, p["mean_scale"]) ** 2) * p["scale"] + p["shift"]
    ),
    gn.PairNorm(3.0): lambda h, p: 3 * over(centred(h), (centred(h) ** 2).sum(axis=1)),
    gn.PairNorm(by_node=True): lambda h, p: centred(h) / (np.linalg.norm(centred(h), axis=1, keepdims=True) + 1e-5),
    gn.MeanSubtractionNorm(): lambda h, p: centred(h),
    gn.LayerNorm(0.01, per="graph"): lambda h, p: (
        (h - h.mean() if len(h) else h) / np.sqrt((h.var() if len(h) else 0) + 0.01) * p["scale"] + p["shift"]
    ),
}
per_graph = pytest.mark.parametrize("layer", FORMULAS, ids=repr)


@per_graph
@pytest.mark.parametrize("flavour", ["mixed", "empty_between", "empty_last", "one_node"])
def test_norms_of_graphs_are_their_formulas_graph_by_graph(layer, flavour):
    batch = gn.pack(cases.graphs(flavour))
    p = cases.parameters(layer, batch)
    wanted = by_graph(lambda h: FORMULAS[layer](h, p), batch)
    np.testing.assert_allclose(layer(p, batch).nodes, wanted, rtol=1e-11, atol=1e-13)


@per_graph
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_nodes_and_a_last_graph_of_one_atom_are_finite_to_second_order(layer, dtype):
    batch = gn.pack(nodes=[np.full((3, 2), 7, dtype), np.arange(4, dtype=dtype).reshape(2, 2), np.ones((1, 2), dtype)])
    p = cases.parameters(layer, batch, dtype=dtype)

    def gradient(h):
        return gn.grad(lambda h: cases.total(layer(p, batch.replace(nodes=h))))(h)

    curvature = gn.grad(lambda h: gradient(h).sum())(batch.nodes)
    for values in (layer(p, batch).nodes, gradient(batch.nodes), curvature):
        assert np.isfinite(values).all()
        assert values.dtype == dtype


@per_graph
def test_far_from_zero_nothing_is_lost_but_the_digits_of_the_input(layer):
    batch = gn.pack(cases.graphs("two_sizes"))
    p = {**cases.parameters(layer, batch), "mean_scale": np.ones(cases.WIDTH)}
    far = batch.replace(nodes=batch.nodes + 1e6)
    np.testing.assert_allclose(layer(p, far).nodes, layer(p, batch).nodes, rtol=0, atol=1e-7)


def test_pair_norm_keeps_the_mean_squared_distance_of_two_nodes():
    """Zhao & Akoglu 2020: the sum over pairs of squared distances is 2 n^2 s^2."""
    batch = gn.pack(gn.Graph(np.random.default_rng(0).normal(size=(6, 3))))
    h = gn.PairNorm(2.0, eps=0.0)({}, batch).nodes
    distances = ((h[:, None] - h[None]) ** 2).sum(axis=-1)
    assert distances.sum() == pytest.approx(2 * 6**2 * 2**2)


class TestImagesAndSequences:
    X = np.random.default_rng(0).normal(3, 2, size=(6, 4, 5, 2))

    def test_batch_norm_has_one_mean_for_a_channel(self):
        model = gn.BatchNorm()
        params = model.init(0, self.X)
        out, updates = model.apply(params, self.X, train=True)
        mean, var = self.X.mean(axis=(0, 1, 2)), self.X.var(axis=(0, 1, 2))
        np.testing.assert_allclose(out, (self.X - mean) / np.sqrt(var + 1e-5), rtol=1e-12)
        n = self.X[..., 0].size
        np.testing.assert_allclose(updates["running_mean"], 0.1 * mean, rtol=1e-12)
        np.testing.assert_allclose(updates["running_var"], 0.9 + 0.1 * var * n / (n - 1), rtol=1e-12)
        assert model({**params, **updates}, self.X).shape == self.X.shape

    def test_standardize_too(self):
        out = gn.Standardize()(gn.Standardize().init(0, self.X), self.X)
        np.testing.assert_allclose(out.mean(axis=(0, 1, 2)), 0, atol=1e-12)
        np.testing.assert_allclose(out.std(axis=(0, 1, 2)), 1, rtol=1e-12)


@pytest.mark.parametrize("norm", [gn.BatchNorm, gn.LayerNorm, gn.InstanceNorm, gn.GraphNorm])
def test_a_width_given_to_a_norm_is_refused(norm):
    with pytest.raises(ValueError, match="16; norms take no width, they find it in what comes in"):
        norm(16)
    with pytest.raises(ValueError, match="eps is a small number from 0, got -1"):
        norm(eps=-1)
