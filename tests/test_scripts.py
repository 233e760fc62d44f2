"""The scripts of docs/design.md, section 2, run as they stand there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

import graphnn as gn

DESIGN = Path(__file__).parents[1] / "docs" / "design.md"


def fences():
    return dict(re.findall(r"^```python (\w)\n(.*?)^```$", DESIGN.read_text("utf-8"), re.M | re.S))


def execute(letter, namespace):
    """Run one script in a namespace; line numbers in a traceback are those of the script."""
    exec(compile(fences()[letter], f"docs/design.md ({letter})", "exec", dont_inherit=True), namespace)
    return namespace


def world():
    """What section 2 takes for granted: imports, networkx graphs with "features", y (n_graphs, 1), labels."""
    rng = np.random.default_rng(0)
    graphs = []
    for seed in range(12):
        graph = nx.gnp_random_graph(3 + seed % 5, 0.5, seed=seed)
        for node in graph:
            graph.nodes[node]["features"] = rng.normal(size=3)
        graphs.append(graph)
    sizes = np.array([len(graph) for graph in graphs])
    total = np.array([sum(graph.nodes[v]["features"][0] for v in graph) for graph in graphs])
    return {
        "__name__": __name__, "gn": gn, "np": np, "dataclass": dataclass,
        "graphs": graphs, "y": total[:, None], "labels": (sizes > 4).astype(int),
        "features": [np.array([graph.nodes[v]["features"] for v in graph]) for graph in graphs],
        "kernel_list": [nx.to_numpy_array(graph) + np.eye(len(graph)) for graph in graphs],
    }  # fmt: skip


@pytest.fixture
def namespace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return world()


@pytest.fixture(scope="module")
def regression(tmp_path_factory):
    """The namespace that script (a) leaves behind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("a"))
        patch.setenv("MPLBACKEND", "Agg")
        for name in ("DISPLAY", "WAYLAND_DISPLAY"):
            patch.delenv(name, raising=False)
        namespace = execute("a", world())
        namespace["plot"].close()
        namespace["files"] = sorted(path.name for path in Path().iterdir())
    return namespace


def assert_gradient(function, leaves, gradient, seed=0):
    """Compare a gradient with a central difference along a random direction, leaf by leaf."""
    rng, names = np.random.default_rng(seed), leaves if isinstance(leaves, dict) else range(len(leaves))
    assert list(gradient) == list(leaves) if isinstance(leaves, dict) else len(gradient) == len(leaves)
    for name in names:
        direction, step = rng.normal(size=leaves[name].shape), 1e-6
        values = []
        for sign in (1, -1):
            moved = dict(leaves) if isinstance(leaves, dict) else list(leaves)
            moved[name] = leaves[name] + sign * step * direction
            values.append(float(function(moved)))
        slope = (values[0] - values[1]) / (2 * step)
        assert gradient[name].shape == leaves[name].shape
        np.testing.assert_allclose((gradient[name] * direction).sum(), slope, rtol=1e-5, atol=1e-6)


def dense_kernel(graph):
    """D^-1/2 (A + I) D^-1/2, written out."""
    a = nx.to_numpy_array(graph) + np.eye(len(graph))
    scale = a.sum(axis=1) ** -0.5
    return scale[:, None] * a * scale


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_every_script_of_the_design_is_run():
    run = {name.split("_")[1] for name in globals() if name.startswith("test_")}
    assert sorted(fences()) == list("abcdefghijkl")
    assert set(fences()) <= run


def test_a_regression_learns_and_draws(regression):
    model, batch, loss = regression["model"], regression["batch"], regression["loss"]
    before = loss(model.init(0, batch))
    assert float(loss(regression["params"])) < 0.05 * float(before)
    assert regression["files"] == ["graphnn-live.png"]
    assert next(iter(regression["params"])) == "0.graphconv.weight"


def test_a_as_one_call_and_as_an_iterator(regression):
    """The two one-liners below script (a), with its dots filled in, do what its loop does."""
    model, graphs, y = regression["model"], regression["graphs"], regression["y"]
    params = model.init(0, graphs)
    settings = {"loss": gn.mean_squared_error, "optimizer": gn.adam(1e-2), "epochs": 200}
    fitted, history = gn.fit(model, params, graphs, y, **settings)
    *_, run = gn.steps(model, params, graphs, y, **settings)
    for name, value in regression["params"].items():
        np.testing.assert_array_equal(fitted[name], value)
        np.testing.assert_array_equal(run.params[name], value)
    assert history.steps[-1] == float(regression["value"])


def test_b_two_labels_place_most_of_the_club(namespace):
    assert execute("b", namespace)["accuracy"] > 0.8  # half of the club is on either side


def test_c_parameters_are_a_dict_of_arrays(regression, namespace, capsys):
    before = {name: value.copy() for name, value in regression["params"].items()}
    execute("c", namespace := dict(regression))
    assert capsys.readouterr().out.count("norm") == len(before)
    for name, value in before.items():
        np.testing.assert_array_equal(namespace["params"][name], value)
        assert namespace["pruned"][name].shape == value.shape
    model, batch = regression["model"], regression["batch"]
    bias = before["3.dense.bias"]
    np.testing.assert_allclose(namespace["change"], model(before, batch) - bias, rtol=1e-9, atol=1e-9)
    assert_gradient(regression["loss"], before, namespace["grads"])
    assert namespace["loudest"] in before


def test_d_a_layer_in_a_dozen_lines(namespace):
    execute("d", namespace)
    graphs, gated, residual = namespace["graphs"], namespace["GatedConv"], namespace["Residual"]
    params = gated(4).init(0, graphs)
    h = np.concatenate(namespace["features"])
    kernel = np.zeros((len(h), len(h)))
    start = 0
    for graph in graphs:
        end = start + len(graph)
        kernel[start:end, start:end], start = dense_kernel(graph), end
    expected = sigmoid(h @ params["gate"]) * (kernel @ (h @ params["weight"]))
    np.testing.assert_allclose(gated(4)(params, graphs).nodes, expected, rtol=1e-12, atol=1e-12)

    model = gn.Sequential(residual(gated(3)), gn.SumPool())
    params = model.init(0, graphs)
    assert sorted(params) == ["0.residual.inner.gate", "0.residual.inner.weight"]

    def loss(p):
        return gn.mean_squared_error(model(p, graphs)[:, :1], namespace["y"])

    assert_gradient(loss, params, gn.grad(loss)(params))


def test_e_a_kernel_of_ones_own(namespace):
    execute("e", namespace)
    kernels, graphs = namespace["kernels"], namespace["graphs"]
    assert [kernel.shape for kernel in kernels] == [(len(graph), len(graph)) for graph in graphs]
    for kernel, graph in zip(kernels, graphs, strict=True):
        values, vectors = np.linalg.eigh(nx.laplacian_matrix(graph).toarray().astype(float))
        np.testing.assert_allclose(kernel, (vectors * np.exp(-0.5 * values)) @ vectors.T, atol=1e-12)
    assert namespace["model"](namespace["params"], graphs).shape == (len(graphs), 1)


def test_f_the_same_object_is_the_same_weights(namespace):
    execute("f", namespace)
    assert sorted(name for name in namespace["params"] if "graphconv" in name) == [
        "1.graphconv.bias",
        "1.graphconv.weight",
    ]
    assert "(a := GraphConv(16, activation=tanh)), a, a" in repr(namespace["model"])
    decoder, tie, graphs, x = (namespace[name] for name in ("decoder", "tie", "graphs", "X"))
    assert "1.dense.weight" not in namespace["free"]
    assert_gradient(lambda p: gn.mean_squared_error(decoder(tie(p), graphs), x), namespace["free"], namespace["grads"])


def test_g_two_losses_with_an_optimiser_for_each_module(namespace):
    execute("g", namespace)
    params, size_loss, label_loss = (namespace[name] for name in ("params", "size_loss", "label_loss"))
    before = namespace["model"].init(0, namespace["graphs"])
    assert size_loss(params) < 0.8 * size_loss(before)
    assert label_loss(params) < 0.8 * label_loss(before)
    grads = gn.grad(label_loss)(params)
    assert np.abs(grads["encoder.0.graphconv.weight"]).max() > 0
    after, _ = namespace["on_label"].update(params, grads, namespace["l"])
    changed = {name for name in params if not np.array_equal(after[name], params[name])}
    assert changed == {"label.weight", "label.bias"}


def test_h_recurrence_is_a_python_loop(namespace):
    execute("h", namespace)
    graphs = namespace["graphs"]
    model = namespace["GraphGRU"](3)
    params = model.init(0, graphs)
    expected = []
    for graph, features in zip(graphs, namespace["features"], strict=True):
        h = features
        for _ in range(3):  # Li et al. 2016, eqs. 2-6
            m = nx.to_numpy_array(graph) @ h
            both = np.hstack([m, h])
            r, u = sigmoid(both @ params["reset"]), sigmoid(both @ params["update"])
            h = (1 - u) * h + u * np.tanh(np.hstack([m, r * h]) @ params["candidate"])
        expected.append(h)
    np.testing.assert_allclose(model(params, graphs).nodes, np.concatenate(expected), rtol=1e-12, atol=1e-12)
    batch = gn.pack(graphs)

    def total(p):
        return gn.ops.sum(model(p, batch).nodes ** 2)

    assert_gradient(total, params, gn.grad(total)(params))

    rng = np.random.default_rng(0)
    frames, start = [rng.normal(size=(5, 3)) for _ in range(4)], np.zeros((5, 4))

    def through_time(p):
        return gn.ops.sum(namespace["unroll"](p, frames, start) ** 2)

    assert_gradient(through_time, namespace["params"], gn.grad(through_time)(namespace["params"]))


def test_i_dropout_and_batch_normalisation_without_hidden_state(namespace):
    execute("i", namespace)
    model, batch, params, loss = (namespace[name] for name in ("model", "batch", "params", "loss"))
    before = model.init(0, batch)
    assert gn.mean_squared_error(model(params, batch), namespace["y"]) < gn.mean_squared_error(
        model(before, batch), namespace["y"]
    )
    for name in ("1.batchnorm.running_mean", "1.batchnorm.running_var"):
        assert not np.allclose(params[name], before[name])
    assert loss(params, 7)[0] == loss(params, 7)[0] != loss(params, 8)[0]


def test_j_the_list_of_kernels_is_the_reference(regression, namespace):
    execute("j", namespace := {**namespace, "model": regression["model"], "params": regression["params"]})
    for kernel, graph in zip(
        namespace["reference"].kernels(gn.kernels.normalized_adjacency), namespace["graphs"], strict=True
    ):
        np.testing.assert_allclose(kernel, dense_kernel(graph), atol=1e-14)
    mine, params, own = namespace["mine"], namespace["mine_params"], namespace["own"]
    weight, bias = params["0.graphconv.weight"], params["0.graphconv.bias"]

    def by_hand(kernels):
        pairs = zip(kernels, namespace["features"], strict=True)
        return np.stack([(k @ h @ weight + bias).sum(axis=0) for k, h in pairs])

    np.testing.assert_allclose(mine(params, own), by_hand(namespace["kernel_list"]), atol=1e-12)
    squared = [k @ k for k in namespace["kernel_list"]]
    np.testing.assert_allclose(mine(params, namespace["sharper"]), by_hand(squared), atol=1e-12)
    assert len(namespace["blame"]) == len(namespace["graphs"])
    assert_gradient(lambda kernels: (by_hand(kernels) ** 2).mean(), namespace["kernel_list"], namespace["blame"])


def test_k_an_estimator_in_the_tools_of_scikit_learn(world_of_k):
    estimator, search = world_of_k["estimator"], world_of_k["search"]
    assert estimator.params_["0.graphconv.weight"].shape == (3, 32)
    assert len(estimator.history_.loss) == 60 and len(world_of_k["scores"]) == 3
    assert search.best_params_["epochs"] in (20, 60)


@pytest.fixture(scope="module")
def world_of_k():
    pytest.importorskip("sklearn", reason="script (k) is about scikit-learn's tools")
    return execute("k", world())


def test_l_the_sharpest_direction_and_the_landscape(regression, namespace):
    from matplotlib import pyplot

    given = {"model": regression["model"], "params": regression["params"], "plt": pyplot}
    execute("l", namespace := {**namespace, **given})
    loss, params, surface, span = (*(namespace[name] for name in ("loss", "params", "surface")), np.linspace(-1, 1, 21))
    assert float(namespace["curvature"]) == pytest.approx(gn.hessian_eigenvalues(loss, params, 1)[0][0], rel=0.05)
    assert surface.shape == (21, 21)
    for i, j in ((0, 20), (3, 7), (10, 10)):  # a row goes along w, a column along v
        moved = {k: a + span[j] * namespace["v"][k] + span[i] * namespace["w"][k] for k, a in params.items()}
        assert np.asarray(surface)[i, j] == pytest.approx(float(loss(moved)), rel=1e-12)
    assert len(pyplot.gca().collections) > 0
    pyplot.close("all")
