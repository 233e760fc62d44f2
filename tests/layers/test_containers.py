"""Sequential and Residual: names, sharing, and what they print."""

from __future__ import annotations

import copy
import pickle

import cases
import numpy as np
import pytest

import graphnn as gn

batch = gn.pack(cases.graphs("two_sizes"))


def half(params, graphs):
    return graphs.replace(nodes=0.5 * graphs.nodes)


def test_unnamed_members_are_called_by_place_and_type_and_named_ones_by_keyword():
    model = gn.Sequential(gn.GraphConv(4), half, gn.Residual(gn.Dense(4)), gn.SumPool(), head=gn.Dense(1))
    assert list(model.init(0, batch)) == [
        "0.graphconv.weight",
        "0.graphconv.bias",
        "2.residual.inner.weight",
        "2.residual.inner.bias",
        "head.weight",
        "head.bias",
    ]
    assert len(model) == 5
    assert model[3] == gn.SumPool()


def test_sequential_is_composition_function_included():
    model = gn.Sequential(gn.GraphConv(4, gn.tanh), half, gn.MeanPool(), gn.Dense(1))
    p = cases.parameters(model, batch)
    h = gn.GraphConv(4, gn.tanh)({"weight": p["0.graphconv.weight"], "bias": p["0.graphconv.bias"]}, batch)
    wanted = gn.MeanPool()({}, half({}, h)) @ p["3.dense.weight"] + p["3.dense.bias"]
    np.testing.assert_allclose(model(p, batch), wanted, rtol=1e-13)


def test_the_same_object_is_the_same_weights_and_equal_objects_are_not():
    conv = gn.GraphConv(cases.WIDTH, gn.tanh)
    shared = gn.Sequential(conv, gn.LayerNorm(), conv, conv, gn.Nodes())
    params = cases.parameters(shared, batch)
    assert sorted(params) == [
        "0.graphconv.bias",
        "0.graphconv.weight",
        "1.layernorm.scale",
        "1.layernorm.shift",
    ]
    apart = gn.Sequential(
        *(gn.GraphConv(cases.WIDTH, gn.tanh) if i != 1 else gn.LayerNorm() for i in range(4)), gn.Nodes()
    )
    spread = {f"{i}.graphconv.{n}": params[f"0.graphconv.{n}"] for i in (0, 2, 3) for n in ("weight", "bias")}
    spread |= {name: value for name, value in params.items() if "norm" in name}
    np.testing.assert_array_equal(shared(params, batch), apart(spread, batch))
    assert sorted(apart.init(0, batch)) == sorted(spread)

    one = gn.grad(lambda p: cases.total(shared(p, batch)))(params)
    each = gn.grad(lambda p: cases.total(apart(p, batch)))(spread)
    total = sum(each[f"{i}.graphconv.weight"] for i in (0, 2, 3))
    np.testing.assert_allclose(one["0.graphconv.weight"], total, rtol=1e-12)


def test_repr_shows_sharing_and_rebuilds_it():
    conv, norm = gn.GraphConv(4), gn.LayerNorm()
    model = gn.Sequential(gn.Dense(4), conv, norm, conv, last=norm)
    text = "Sequential(Dense(4), (a := GraphConv(4)), (b := LayerNorm()), a, last=b)"
    assert repr(model) == text
    for twin in (eval(text, vars(gn)), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin == model
        assert sorted(twin.init(0, batch)) == sorted(model.init(0, batch))
        assert twin.layers[1] is twin.layers[3]
    assert model != gn.Sequential(gn.Dense(4), gn.GraphConv(4), norm, gn.GraphConv(4), last=norm)


def test_a_width_that_does_not_fit_a_shared_layer_says_how_often_it_is_used():
    for layer in (gn.GraphConv(5), gn.Sequential(gn.GraphConv(5))):
        with pytest.raises(ValueError, match=r"'0\.\w+.*weight' has shape \(3, 5\).* \(5, 5\).*used 3 times"):
            gn.Sequential(*[layer] * 3).init(0, batch)


def test_residual_adds_the_way_around():
    layer = gn.Residual(gn.GraphConv(cases.WIDTH, gn.tanh))
    params = cases.parameters(layer, batch)
    inner = {name.removeprefix("inner."): value for name, value in params.items()}
    wanted = batch.nodes + gn.GraphConv(cases.WIDTH, gn.tanh)(inner, batch).nodes
    np.testing.assert_allclose(layer(params, batch).nodes, wanted, rtol=1e-14)
    x = np.ones((2, cases.WIDTH))
    dense = gn.Residual(gn.Dense(cases.WIDTH))
    p = cases.parameters(dense, x)
    np.testing.assert_allclose(dense(p, x), x + x @ p["inner.weight"] + p["inner.bias"], rtol=1e-14)


def test_repeating_a_layer_is_the_same_object_so_many_times():
    conv = gn.GraphConv(cases.WIDTH, gn.tanh)
    layer, spread = gn.Repeat(conv, 3), gn.Sequential(conv, conv, conv)
    params = cases.parameters(layer, batch)
    assert sorted(params) == ["inner.bias", "inner.weight"]
    same = {name.replace("inner", "0.graphconv"): value for name, value in params.items()}
    np.testing.assert_array_equal(layer(params, batch).nodes, spread(same, batch).nodes)
    one = gn.Repeat(conv, 1)(params, batch).nodes
    np.testing.assert_array_equal(
        one, conv({"weight": params["inner.weight"], "bias": params["inner.bias"]}, batch).nodes
    )


def test_noise_and_statistics_inside_a_repetition_go_on_from_use_to_use():
    x, rate = np.ones((40, 5)), 0.5
    kept = gn.Repeat(gn.Dropout(rate), 4).apply({}, x, train=True, rng=(0, 0))[0] != 0
    assert 0 < kept.mean() < 2 * (1 - rate) ** 4
    layer, norm = gn.Repeat(gn.BatchNorm(), 2), gn.BatchNorm()
    params = {name: value for name, value in layer.init(0, x[:, :1]).items()}
    y = np.arange(4.0)[:, None]
    _, updates = layer.apply(params, y, train=True)
    own = {name.removeprefix("inner."): value for name, value in params.items()}
    z, after = norm.apply(own, y, train=True)
    _, after = norm.apply({**own, **after}, z, train=True)
    np.testing.assert_allclose(updates["inner.running_mean"], after["running_mean"], rtol=1e-14)
    np.testing.assert_allclose(updates["inner.running_var"], after["running_var"], rtol=1e-14)


def test_letters_of_an_inner_repr_are_not_used_again_outside():
    d, c = gn.Dense(4), gn.GraphConv(4)
    model = gn.Sequential(d, gn.Sequential(c, c), d)
    twin = eval(repr(model), vars(gn))
    assert repr(model) == "Sequential((b := Dense(4)), Sequential((a := GraphConv(4)), a), b)"
    assert twin == model
    assert twin.layers[0] is twin.layers[2]


def test_a_subclass_of_sequential_prints_as_one():
    class MyNet(gn.Sequential):
        pass

    assert repr(MyNet(gn.Dense(4), head=gn.Dense(1))) == "MyNet(Dense(4), head=Dense(1))"


class TestParallel:
    def test_unnamed_members_give_a_tuple_and_named_ones_a_dict(self):
        x = np.ones((2, 3))
        layer = gn.Parallel(gn.Dense(1), gn.Dense(2, gn.tanh))
        p = cases.parameters(layer, x)
        first, second = layer(p, x)
        np.testing.assert_allclose(first, x @ p["0.dense.weight"] + p["0.dense.bias"])
        np.testing.assert_allclose(second, np.tanh(x @ p["1.dense.weight"] + p["1.dense.bias"]))
        named = gn.Parallel(size=gn.Dense(1), label=gn.Dense(2, gn.tanh))
        out = named({name.replace("0.dense", "size").replace("1.dense", "label"): v for name, v in p.items()}, x)
        assert list(out) == ["size", "label"]
        np.testing.assert_array_equal(out["label"], second)

    def test_heads_of_one_encoder_have_gradients(self):
        model = gn.Sequential(gn.GraphConv(4, gn.relu), gn.SumPool(), gn.Parallel(size=gn.Dense(1), label=gn.Dense(2)))
        params = cases.parameters(model, batch)
        grads = gn.grad(lambda p: cases.total(model(p, batch)["size"]))(params)
        assert grads["0.graphconv.weight"].any()
        assert not grads["2.parallel.label.weight"].any()


class TestConcat:
    def test_convolutions_with_different_kernels_stand_side_by_side(self):
        near, far = gn.GraphConv(2, gn.tanh), gn.GraphConv(3, kernel=gn.kernels.Power(gn.kernels.adjacency, 2))
        layer = gn.Concat(near, far=far)
        p = cases.parameters(layer, batch)
        out = layer(p, batch)
        scopes = ("0.graphconv.", "far.")
        parts = [
            part({n.removeprefix(scope): v for n, v in p.items() if n.startswith(scope)}, batch).nodes
            for part, scope in zip((near, far), scopes, strict=True)
        ]
        np.testing.assert_array_equal(out.nodes, np.concatenate(parts, axis=1))
        assert out.packed is batch.packed

    def test_pools_stand_side_by_side(self):
        pools = (gn.SumPool(), gn.MeanPool(), gn.MaxPool())
        wanted = np.concatenate([pool({}, batch) for pool in pools], axis=1)
        np.testing.assert_array_equal(gn.Concat(*pools)({}, batch), wanted)

    def test_the_same_object_is_the_same_weights(self):
        dense = gn.Dense(2)
        layer = gn.Concat(dense, dense)
        p = layer.init(0, batch)
        assert sorted(p) == ["0.dense.bias", "0.dense.weight"]
        assert repr(layer) == "Concat((a := Dense(2)), a)"
        out = layer(p, batch).nodes
        np.testing.assert_array_equal(out[:, :2], out[:, 2:])


def test_mlp_is_dense_after_dense():
    model, x = gn.MLP((4, 5, 2), gn.tanh, gn.sigmoid), np.random.default_rng(0).normal(size=(6, 3))
    p = cases.parameters(model, x)
    h = np.tanh(np.tanh(x @ p["0.weight"] + p["0.bias"]) @ p["1.weight"] + p["1.bias"])
    wanted = 1 / (1 + np.exp(-(h @ p["2.weight"] + p["2.bias"])))
    np.testing.assert_allclose(model(p, x), wanted, rtol=1e-13)
    assert gn.MLP(3) == gn.MLP([3]) == gn.MLP((3,))
    assert repr(gn.MLP([8, 1], gn.tanh)) == "MLP((8, 1), activation=tanh)"


def thinner(graphs):
    return graphs.keep_edges(graphs.senders < graphs.receivers)


def test_lambda_is_a_function_of_features_or_of_graphs():
    np.testing.assert_array_equal(gn.Lambda(np.abs)({}, batch).nodes, np.abs(batch.nodes))
    np.testing.assert_array_equal(gn.Lambda(gn.relu)({}, batch.nodes), np.maximum(batch.nodes, 0))
    layer = gn.Lambda(thinner, of="graphs")
    assert layer({}, batch).n_edges < batch.n_edges
    assert repr(layer) == "Lambda(thinner, of='graphs')"
    assert pickle.loads(pickle.dumps(layer)) == layer


def test_residual_passes_on_what_its_inner_layer_makes_of_edges_and_globals():
    graph = gn.Graph(np.eye(3), [0, 1, 2], [1, 2, 0], edges=np.ones((3, 1)))
    virtual = gn.VirtualNode(gn.GraphConv(3, gn.tanh), gn.Dense(3, gn.tanh))
    model = gn.Sequential(gn.Residual(virtual), gn.Residual(gn.VirtualNode(gn.GraphConv(3), gn.Dense(3))), gn.Nodes())
    grads = gn.grad(lambda params: (model(params, graph) ** 2).sum())(model.init(0, graph))
    assert all(np.abs(grads[name]).max() > 0 for name in grads if name.startswith("0.residual.inner.update"))
    edges = gn.Sequential(gn.Residual(gn.GraphNetwork(edge_update=gn.Dense(5))), gn.Edges())
    assert edges(edges.init(0, graph), graph).shape == (3, 5)


def test_concat_refuses_graphs_of_different_nodes():
    graph = gn.Graph(np.random.default_rng(0).normal(size=(4, 3)), [0, 1], [1, 0])
    with pytest.raises(ValueError, match="a layer gives graphs of other nodes"):
        gn.Concat(gn.TopKPool(0.5), gn.TopKPool(0.5)).init(0, graph)
