"""SciPy's minimisers on a flat dict: against solutions known in closed form, scikit-learn, and SciPy on arrays."""

from __future__ import annotations

import _thread
import runpy
from pathlib import Path

import autograd.numpy as anp
import numpy as np
import pytest
import scipy.optimize
from real_files import real_file

import graphnn as gn
from graphnn import TrainingDiverged, minimizers
from graphnn.flat import Flat
from graphnn.minimizers import BY_GRADIENT, BY_HESSIAN

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "minimisers.py"
METHODS = BY_GRADIENT + BY_HESSIAN
RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(60, 4)), RNG.normal(size=(60, 2))
LABELS = (X[:, 0] + 0.5 * RNG.normal(size=60) > 0).astype(int)
LINE = gn.Dense(2)
START = LINE.init(0, X)


def line_loss(params):
    return gn.mean_squared_error(LINE(params, X), T)


def line_residuals(params):
    return LINE(params, X) - T


def least(x=X, t=T):
    solution = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), t, rcond=None)[0]
    return {"weight": solution[:-1], "bias": solution[-1]}


def norm(loss, params):
    return np.linalg.norm(gn.flatten(gn.grad(loss)(params))[0])


def assert_params(found, wanted, **tolerance):
    assert list(found) == list(START)
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, **tolerance)


def graph_problem():
    """Return a smooth graph network on alkanes, with running statistics, and a loss with weight decay."""
    data = gn.datasets.alkanes()
    batch, y = gn.pack(data.graphs[:40]), data.boiling_points[:40]
    model = gn.Sequential(
        gn.GraphConv(6, gn.tanh), gn.SumPool(), gn.Scale(0.1), gn.Dense(4, gn.silu), gn.Dense(1), gn.Rescale()
    )
    params = gn.set_target_scale(model.init(0, batch), y)

    def loss(p):
        return gn.mean_squared_error(model(p, batch), y) / 1e4 + gn.l2_penalty(p, 1e-4)

    return model, params, batch, y, loss


class TestMinimize:
    @pytest.mark.parametrize("method", METHODS)
    def test_linear_regression_is_that_of_lstsq(self, method):
        params, result = gn.minimize(line_loss, START, method=method, tolerance=1e-6)
        assert_params(params, least(), rtol=0, atol=3e-6)
        assert result.success and norm(line_loss, params) <= 1e-6
        assert "has reached the tolerance 1e-06" in result.message
        assert result.fun == pytest.approx(line_loss(params), rel=1e-12) and result.nit < 60

    @pytest.mark.parametrize("method", METHODS)
    def test_without_a_tolerance_scipy_decides(self, method):
        params, result = gn.minimize(line_loss, START, method=method)
        assert_params(params, least(), rtol=1e-3, atol=1e-4)
        assert result.success and "tolerance 1e" not in result.message

    @pytest.mark.parametrize("method", BY_HESSIAN)
    def test_logistic_regression_is_that_of_scikit_learn(self, method):
        linear_model = pytest.importorskip("sklearn.linear_model")
        model = gn.Dense(1)

        def loss(p):
            margins = (2 * LABELS[:, None] - 1) * model(p, X)
            return gn.ops.sum(gn.softplus(-margins)) + 0.5 * gn.ops.sum(p["weight"] ** 2)

        params, result = gn.minimize(loss, model.init(0, X), method=method, tolerance=1e-6)
        wanted = linear_model.LogisticRegression(C=1.0, tol=1e-12, max_iter=1000).fit(X, LABELS)
        assert result.success and norm(loss, params) <= 1e-6
        np.testing.assert_allclose(params["weight"].T, wanted.coef_, atol=1e-6)
        np.testing.assert_allclose(params["bias"], wanted.intercept_, atol=1e-6)

    def test_trust_ncg_ends_a_graph_network_at_a_tiny_gradient(self):
        _, params, _, _, loss = graph_problem()
        found, result = gn.minimize(loss, params, method="trust-ncg", tolerance=1e-6, max_iterations=2000)
        assert result.success and norm(loss, found) <= 1e-6 and loss(found) < 0.1 * loss(params)
        assert gn.hessian_eigenvalues(loss, found, 1, "smallest")[0][0] > -1e-6  # a minimum, no saddle

    def test_trust_ncg_ends_cora_in_full_batch(self):
        graph, labels, seen = runpy.run_path(str(BENCHMARK))["cora"](real_file("gnn_benchmark", "cora.npz"))
        batch, model = gn.pack(graph), gn.Sequential(gn.GraphConv(16, gn.tanh), gn.GraphConv(7), gn.Nodes())
        assert (batch.n_nodes, batch.n_edges, int(seen.sum())) == (2708, 2 * 5278, 140)

        def loss(params):
            return gn.cross_entropy(model(params, batch), labels, mask=seen) + gn.l2_penalty(params, 5e-4)

        params, result = gn.minimize(loss, model.init(0, batch), method="trust-ncg", tolerance=1e-6)
        assert result.success and norm(loss, params) <= 1e-6
        assert (model(params, batch).argmax(axis=1) == labels)[~seen].mean() > 0.75

    @pytest.mark.parametrize("method", METHODS)
    def test_statistics_fixed_names_and_what_is_no_float_pass_through(self, method):
        _, params, _, _, loss = graph_problem()
        params = {**params, "codes": np.arange(3), "step": 7}
        found, _ = gn.minimize(loss, params, method=method, max_iterations=3, fixed=("0.graphconv.*", "*.bias"))
        still = [name for name in params if found[name] is params[name]]
        moved = [name for name in params if not np.array_equal(found[name], params[name])]
        assert moved == ["3.dense.weight", "4.dense.weight"] and list(found) == list(params)
        assert {"5.rescale.running_mean", "5.rescale.running_scale", "codes", "step", "0.graphconv.weight"} <= set(
            still
        )

    def test_float32_comes_back_and_the_search_is_in_float64(self):
        seen = []
        single = {name: value.astype(np.float32) for name, value in START.items()}
        before = {name: value.tobytes() for name, value in single.items()}

        def loss(params):
            seen.extend(gn.ops.stop_gradient(value).dtype for value in params.values())
            return line_loss(params)

        params, result = gn.minimize(loss, single, tolerance=1e-6)
        assert {value.dtype for value in params.values()} == {np.dtype(np.float32)} and set(seen) == {np.dtype(float)}
        assert result.success and result.x.dtype == float
        assert_params(params, least(), atol=1e-6)
        assert {name: value.tobytes() for name, value in single.items()} == before

    def test_each_point_is_evaluated_once_and_hessian_products_share_a_gradient(self):
        points, calls = [], []

        def loss(params):
            calls.append(1)
            points.append(gn.ops.stop_gradient(params["weight"]).tobytes())
            return line_loss(params)

        _, result = gn.minimize(loss, START, tolerance=1e-6)
        assert len(points) == len(set(points)) == len(calls) == result.nfev
        points.clear()
        _, result = gn.minimize(loss, START, method="trust-ncg", tolerance=1e-6)
        assert result.nhev > result.nit  # several products an iteration, but at most one more pass for each point
        assert max(points.count(point) for point in points) == 2

    @pytest.mark.parametrize("method", METHODS)
    def test_the_callback_sees_every_iteration_and_may_end_it(self, method):
        seen = []

        def callback(params, value):
            seen.append((params["weight"].copy(), value))
            assert value == pytest.approx(line_loss(params), rel=1e-12)
            return len(seen) == 2

        params, result = gn.minimize(line_loss, START, method=method, callback=callback, tolerance=1e-12)
        assert len(seen) == 2 and result.message == "stopped by the callback" and not result.success
        np.testing.assert_array_equal(params["weight"], seen[-1][0])
        assert seen[1][1] < seen[0][1] < line_loss(START)

    @pytest.mark.parametrize("method", METHODS)
    def test_so_many_iterations_and_no_more(self, method):
        _, result = gn.minimize(line_loss, START, method=method, max_iterations=2, tolerance=1e-12)
        assert result.nit == 2 and not result.success

    def test_options_reach_scipy(self):
        _, result = gn.minimize(line_loss, START, options={"maxfun": 3})
        assert "EXCEEDS LIMIT" in result.message and result.nfev <= 5

    @pytest.mark.parametrize("method", METHODS)
    def test_a_start_at_the_end_stays_there(self, method):
        params, result = gn.minimize(line_loss, least(), method=method, tolerance=1e-6)
        assert result.success and result.nit == 0
        assert_params(params, least(), rtol=0, atol=0)

    @pytest.mark.parametrize("who", [gn.minimize, gn.least_squares])
    def test_ctrl_c_keeps_the_best_so_far(self, who):
        calls = []

        def inner(params):
            calls.append(line_loss(params) < 0.9 * line_loss(START))
            if sum(calls) == 3:
                raise KeyboardInterrupt
            return line_loss(params) if who is gn.minimize else line_residuals(params)

        params, result = who(inner, START)
        assert result.message == "interrupted by the keyboard" and not result.success
        assert line_loss(least()) < line_loss(params) < line_loss(START)

    def test_the_best_so_far_is_the_lowest_and_not_the_last(self):
        seen = []

        def valley(p):  # Rosenbrock 1960: the first long step of a line search climbs the other side
            if seen and seen[-1] > min(seen):
                raise KeyboardInterrupt
            value = (1 - p["a"][0]) ** 2 + 100 * (p["a"][1] - p["a"][0] ** 2) ** 2
            seen.append(float(gn.ops.stop_gradient(value)))
            return value

        params, result = gn.minimize(valley, {"a": np.array([-1.2, 1.0])})
        assert result.message == "interrupted by the keyboard"
        assert result.fun == min(seen) < seen[-1]
        np.testing.assert_array_equal(params["a"], result.x)

    def test_a_real_interrupt_too(self):
        def loss(params):
            if line_loss(params) < 1.5:
                _thread.interrupt_main()
            return line_loss(params)

        _, result = gn.minimize(loss, START, tolerance=1e-6)
        assert result.message == "interrupted by the keyboard"

    def test_what_is_not_finite_at_the_start_is_refused_by_name(self):
        with pytest.raises(ValueError, match="minimize: the loss is nan at the parameters given; start where"):
            gn.minimize(lambda p: anp.log(p["w"]), {"w": np.array(-1.0)})
        with pytest.raises(ValueError, match="minimize: the gradient of 'v' is inf at the parameters given"):
            gn.minimize(lambda p: anp.sqrt(p["v"]) + p["w"] ** 2, {"w": np.array(1.0), "v": np.array(0.0)})
        with pytest.raises(ValueError, match="parameter 'w' holds numbers that are not finite"):
            gn.minimize(lambda p: p["w"] ** 2, {"w": np.array(np.inf)})

    @pytest.mark.parametrize("method", METHODS)
    def test_what_is_not_finite_on_the_way_ends_it_with_the_best_parameters(self, method):
        def loss(params):  # a slope that leads over the edge of a cliff
            return gn.ops.where(params["w"] > 2, np.nan, 1.0) * (100 - params["w"] ** 3)

        with pytest.raises(
            TrainingDiverged, match=r"minimize: the loss is nan in iteration \d+; the lowest loss before"
        ) as told:
            gn.minimize(loss, {"w": np.array(0.5)}, method=method)
        assert told.value.name == "the loss" and 0.5 <= told.value.params["w"] <= 2

    @pytest.mark.parametrize(
        ("settings", "error", "text"),
        [
            ({"method": "lbfgs"}, ValueError, "there is no method 'lbfgs'; choose from L-BFGS-B, BFGS, CG, trust-ncg"),
            ({"tolerance": 0.0}, ValueError, "tolerance must be a positive number, got 0.0"),
            ({"fixed": "wieght"}, ValueError, "fixed='wieght' matches none of the names 'weight', 'bias'; did"),
            ({"fixed": "*"}, ValueError, "no parameter is left to move among 'weight', 'bias'"),
        ],
    )  # fmt: skip
    def test_errors(self, settings, error, text):
        with pytest.raises(error, match=text):
            gn.minimize(line_loss, START, **settings)

    def test_a_loss_that_is_no_scalar_is_named(self):
        with pytest.raises(
            TypeError, match=r"minimize: the loss must return a scalar .* \(60, 2\); take its mean or sum$"
        ):
            gn.minimize(line_residuals, START)
        with pytest.raises(TypeError, match="params must be a dict of arrays, got function; the loss comes first"):
            gn.minimize(START, line_loss)

    def test_the_global_random_state_is_left_alone(self):
        before = np.random.get_state()[1].tobytes()  # noqa: NPY002
        gn.minimize(line_loss, START, method="trust-krylov")
        assert np.random.get_state()[1].tobytes() == before  # noqa: NPY002


class TestLeastSquares:
    def test_linear_regression_is_that_of_lstsq(self):
        for settings in ({}, {"tolerance": 1e-9}):
            params, result = gn.least_squares(line_residuals, START, **settings)
            assert_params(params, least(), rtol=0, atol=3e-6)
            assert result.success
            assert result.cost == pytest.approx(0.5 * (line_residuals(params) ** 2).sum(), rel=1e-12)

    def test_a_curve_is_fitted_as_scipy_fits_it_with_dense_arrays(self):
        t = np.linspace(0, 3, 25)
        y = 2.5 * np.exp(-1.3 * t) + 0.5 + 0.05 * np.random.default_rng(2).normal(size=25)
        start = {"height": np.array(1.0), "rest": np.array([0.6, 0.0])}
        found, _ = gn.least_squares(
            lambda p: p["height"] * anp.exp(-p["rest"][0] * t) + p["rest"][1] - y, start, tolerance=1e-10
        )
        dense = scipy.optimize.least_squares(
            lambda v: v[0] * np.exp(-v[1] * t) + v[2] - y, [1.0, 0.6, 0.0], xtol=1e-15, ftol=1e-15, gtol=1e-12
        )
        np.testing.assert_allclose([found["height"], *found["rest"]], dense.x, rtol=1e-7)

    def test_a_graph_network_is_fitted_and_statistics_stay(self):
        model, params, batch, y, _ = graph_problem()
        seen = []
        found, result = gn.least_squares(
            lambda p: (model(p, batch) - y) / 100,
            params,
            max_iterations=15,
            callback=lambda p, v: seen.append(v),
            fixed="*.bias",
        )
        assert 0 < len(seen) <= 15 and seen == sorted(seen, reverse=True)
        assert result.cost < 0.01 * 0.5 * (((model(params, batch) - y) / 100) ** 2).sum()
        assert found["5.rescale.running_scale"] is params["5.rescale.running_scale"]
        assert found["3.dense.bias"] is params["3.dense.bias"]

    def test_the_jacobian_is_the_dense_one(self):
        model, params, batch, y, _ = graph_problem()
        flat = Flat("test", params)
        output, forward, backward = flat.jacobian_at(lambda p: model(p, batch) - y, flat.vector)
        dense = np.stack([forward(row) for row in np.eye(flat.size)], axis=1)
        np.testing.assert_allclose(np.stack([backward(row) for row in np.eye(output.size)]), dense, atol=1e-10)

    def test_it_ends_by_callback_by_number_and_by_tolerance(self):
        start = {"a": np.array([-1.2, 1.0])}

        def valley(p):  # Rosenbrock 1960
            return anp.array([10 * (p["a"][1] - p["a"][0] ** 2), 1 - p["a"][0]])

        _, result = gn.least_squares(valley, start, callback=lambda p, value: value < 1)
        assert result.message == "stopped by the callback" and not result.success and result.cost < 1
        _, result = gn.least_squares(valley, start, max_iterations=2)
        assert result.message == "2 iterations are done" and not result.success
        params, result = gn.least_squares(valley, start, tolerance=1e-10)
        assert result.success and "has reached the tolerance" in result.message
        np.testing.assert_allclose(params["a"], 1, atol=1e-8)

    def test_float32_comes_back(self):
        params, _ = gn.least_squares(line_residuals, {k: v.astype(np.float32) for k, v in START.items()})
        assert {value.dtype for value in params.values()} == {np.dtype(np.float32)}
        assert_params(params, least(), atol=1e-6)

    def test_errors(self):
        with pytest.raises(ValueError, match="least_squares: residual 0 of 1 is nan at the parameters given"):
            gn.least_squares(lambda p: anp.log(p["w"]), {"w": np.array(-1.0)})
        with pytest.raises(ValueError, match="least_squares: the gradient of 'v' is inf at the parameters given"):
            gn.least_squares(
                lambda p: anp.sqrt(p["v"]) + p["w"] + anp.ones(2), {"w": np.array(1.0), "v": np.array(0.0)}
            )
        with pytest.raises(ValueError, match="no loss='huber' among the options; minimise it"):
            gn.least_squares(line_residuals, START, options={"loss": "huber"})
        with pytest.raises(
            TrainingDiverged, match=r"least_squares: residual 1 of 2 is nan after \d+ iterations"
        ) as told:
            gn.least_squares(
                lambda p: anp.array([p["w"] - 5, gn.ops.where(p["w"] > 2, np.nan, 0.1) * p["w"]]), {"w": np.array(1.0)}
            )
        assert told.value.params["w"] <= 2


@pytest.mark.parametrize(("rows", "tall"), [(60, True), (3, False)])
def test_a_small_jacobian_is_formed_in_the_fewer_passes_and_a_large_one_is_not(monkeypatch, rows, tall):
    seen = []
    plain = Flat.jacobian_at

    def counting(self, residuals, vector):
        output, forward, backward = plain(self, residuals, vector)
        calls = {"forward": 0, "backward": 0}
        seen.append(calls)

        def ahead(v):
            calls["forward"] += 1
            return forward(v)

        def back(u):
            calls["backward"] += 1
            return backward(u)

        return output, ahead, back

    monkeypatch.setattr(Flat, "jacobian_at", counting)
    x, t = X[:rows], T[:rows]

    def residuals(params):
        return (LINE(params, x) - t) if tall else (LINE(params, x) - t)[:, :1]

    size = sum(value.size for value in START.values())
    _, result = gn.least_squares(residuals, START)
    assert seen[0] == ({"forward": size, "backward": 1} if tall else {"forward": 0, "backward": 1 + rows})
    monkeypatch.setattr(minimizers, "FEW", 0)
    _, other = gn.least_squares(residuals, START)
    assert seen[-1]["backward"] > 1
    assert result.cost == pytest.approx(other.cost, rel=1e-9, abs=1e-12)
