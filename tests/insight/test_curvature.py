"""Eigenvalues, densities and sharpness against the dense Hessian, autograd's own, and losses known in closed form."""

from __future__ import annotations

import io

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from matplotlib.figure import Figure

import graphnn as gn
from graphnn.insight import curvature
from graphnn.insight.curvature import MOST, Spectrum

BATCH = gn.pack(gn.testing.graphs("mixed"))
MODEL = gn.Sequential(gn.GraphConv(4, gn.tanh), gn.BatchNorm(), gn.SumPool(), gn.Dense(3, gn.silu), gn.Dense(1))
Y = np.random.default_rng(1).normal(size=(BATCH.n_graphs, 1))
PARAMS = gn.testing.trial.parameters(MODEL, BATCH)


def loss(params):
    return gn.mean_squared_error(MODEL(params, BATCH), Y)


def flat(params):
    return gn.flatten(params)[0]


def quadratic(eigenvalues, seed=0):
    """Return a loss with these eigenvalues around zero, its parameters (a matrix and a vector), and its matrix."""
    n = len(eigenvalues)
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))
    matrix = (q * eigenvalues) @ q.T

    def function(params):
        vector = anp.concatenate([params["a"].ravel(), params["b"]])
        return 0.5 * vector @ matrix @ vector

    return function, {"a": np.zeros((2, 2)), "b": np.zeros(n - 4), "running_mean": np.ones(2)}, matrix


class TestHessian:
    def test_is_that_of_autograd(self):
        vector, unflatten = gn.flatten(PARAMS)
        wanted = autograd.hessian(lambda v: loss(unflatten(v)))(vector)
        np.testing.assert_allclose(gn.hessian(loss, PARAMS), wanted, rtol=1e-10, atol=1e-10)

    def test_is_a_difference_of_gradients(self):
        vector, unflatten = gn.flatten(PARAMS)
        matrix, step = gn.hessian(loss, PARAMS), 1e-4
        for i in range(0, len(vector), 5):
            moved = [flat(gn.grad(loss)(unflatten(vector + k * step * np.eye(len(vector))[i]))) for k in (1, -1, 2, -2)]
            wanted = (8 * (moved[0] - moved[1]) - (moved[2] - moved[3])) / (12 * step)
            np.testing.assert_allclose(matrix[i], wanted, rtol=1e-8, atol=1e-8)

    def test_too_large_is_refused_with_its_size(self):
        text = (
            r"hessian: 10000 parameters would make a matrix of 0.8 GB, 3000 are the most; ask for hessian_eigenvalues"
        )
        with pytest.raises(ValueError, match=text):
            gn.hessian(lambda p: (p["w"] ** 2).sum(), {"w": np.ones((100, 100))})
        assert MOST == 3000

    def test_nothing_is_written_to_and_what_is_no_float_stays_out(self):
        params = {**PARAMS, "codes": np.arange(3)}
        before = {name: value.tobytes() for name, value in params.items()}
        assert gn.hessian(loss, params).shape == (flat(PARAMS).size,) * 2
        assert {name: value.tobytes() for name, value in params.items()} == before


class TestEigenvalues:
    @pytest.mark.parametrize("which", ["largest", "smallest", "both"])
    @pytest.mark.parametrize("k", [1, 3, 4])
    def test_by_lanczos_equal_those_of_the_dense_hessian(self, which, k, monkeypatch):
        monkeypatch.setattr(curvature, "SMALL", 0)
        every, vectors = np.linalg.eigh(gn.hessian(loss, PARAMS))
        low = {"largest": 0, "smallest": k, "both": k // 2}[which]
        places = np.r_[len(every) - (k - low) : len(every), 0:low]
        values, found = gn.hessian_eigenvalues(loss, PARAMS, k, which)
        np.testing.assert_allclose(values, np.sort(every[places])[::-1], rtol=1e-8, atol=1e-8)
        for value, vector in zip(values, found, strict=True):
            assert list(vector) == list(PARAMS)
            assert not any(vector[name].any() for name in vector if "running_" in name)
            np.testing.assert_allclose(flat(gn.hvp(loss, PARAMS, vector)), value * flat(vector), atol=1e-8)
            assert abs(flat(vector) @ vectors[:, np.argmin(np.abs(every - value))]) == pytest.approx(1, abs=1e-6)

    @pytest.mark.parametrize("which", ["largest", "smallest", "both"])
    def test_of_few_parameters_are_those_of_the_dense_hessian(self, which):
        function, params, matrix = quadratic([-3.0, -1, 0, 0.5, 2, 4, 7])
        every = np.sort(np.linalg.eigvalsh(matrix))
        for k in (1, 4, 6, 7):
            low = {"largest": 0, "smallest": k, "both": k // 2}[which]
            values, _ = gn.hessian_eigenvalues(function, params, k, which)
            wanted = np.r_[every[:low], every[len(every) - (k - low) :]]
            np.testing.assert_allclose(values, np.sort(wanted)[::-1], atol=1e-12)

    def test_float32_parameters_are_taken_in_float64(self):
        single = {name: value.astype(np.float32) for name, value in PARAMS.items()}
        double = {name: value.astype(float) for name, value in single.items()}
        values = [gn.hessian_eigenvalues(loss, params, 2)[0] for params in (single, double)]
        np.testing.assert_array_equal(*values)

    def test_the_same_seed_gives_the_same_bits_and_the_global_state_is_left_alone(self, monkeypatch):
        monkeypatch.setattr(curvature, "SMALL", 0)
        before = np.random.get_state()[1].tobytes()  # noqa: NPY002
        first, again = (gn.hessian_eigenvalues(loss, PARAMS, 2)[0] for _ in range(2))
        assert first.tobytes() == again.tobytes()
        assert np.random.get_state()[1].tobytes() == before  # noqa: NPY002

    @pytest.mark.parametrize(
        ("call", "error", "text"),
        [
            (lambda: gn.hessian_eigenvalues(loss, PARAMS, which="top"), ValueError, "which is 'top', it must be one"),
            (lambda: gn.hessian_eigenvalues(loss, PARAMS, 0), ValueError, "k is 0, it must be a whole number from"),
            (lambda: gn.hessian_eigenvalues(loss, PARAMS, 999), ValueError, "k is 999, it must be a whole number"),
            (lambda: gn.hessian_eigenvalues(PARAMS, loss), TypeError, "params must be a dict of arrays, got function"),
            (lambda: gn.hessian(loss, {"running_mean": np.ones(1)}), ValueError, "no parameter is left to move among"),
            (
                lambda: gn.hessian(loss, {**PARAMS, "4.dense.bias": np.array([np.nan])}),
                ValueError, "hessian: parameter '4.dense.bias' holds numbers that are not finite",
            ),
            (
                lambda: gn.hessian(lambda p: anp.log(p["w"]), {"w": np.array(-1.0)}),
                ValueError, "hessian: the loss is not finite at these parameters",
            ),
            (
                lambda: gn.hessian(lambda p: anp.sqrt(p["v"]) + p["w"], {"w": np.array(1.0), "v": np.array(0.0)}),
                ValueError, "hessian: the gradient of 'v' is not finite at these parameters",
            ),
            (lambda: gn.hessian(lambda p: p["w"], {"w": np.ones(2)}), TypeError, r"must return a scalar .* shape"),
            (lambda: gn.spectral_density(loss, PARAMS, probes=0), ValueError, "probes and steps must be 1 or more"),
            (lambda: gn.sharpness(loss, PARAMS, epsilon=0.0), ValueError, "epsilon must be positive"),
            (lambda: gn.sharpness(lambda p: -2 + p["w"], {"w": np.array(0.0)}), ValueError, "the loss is -2.0"),
            (
                lambda: gn.sharpness(lambda p: 9 - anp.log(p["w"]), {"w": np.array(1e-4)}),
                ValueError, "not finite within epsilon=0.001; take a smaller one",
            ),
        ],
    )  # fmt: skip
    def test_errors_say_who_and_what(self, call, error, text):
        with pytest.raises(error, match=text):
            call()


class TestDensity:
    def test_lanczos_of_full_length_finds_every_eigenvalue(self):
        every = np.array([-3.0, -1, 0.25, 0.5, 2, 4, 7, 30])
        function, params, _ = quadratic(every)
        spectrum = gn.spectral_density(function, params, probes=3)
        assert spectrum.values.shape == (3, 8) and spectrum.n == 8
        for row in spectrum.values:
            np.testing.assert_allclose(row, every, atol=1e-10)
        assert spectrum.errors.max() < 1e-8

    def test_the_moments_of_a_probe_are_those_of_the_matrix_it_sees(self):
        every = np.random.default_rng(3).normal(size=40) ** 3
        function, params, matrix = quadratic(every)
        spectrum = gn.spectral_density(function, params, probes=1, steps=6, seed=4)
        start = np.random.default_rng(4).choice([-1.0, 1.0], 40) / np.sqrt(40)
        seen = start
        for power in range(11):  # 2 * 6 - 1 and lower
            found = (spectrum.weights * spectrum.values**power).sum()
            assert found == pytest.approx(start @ seen, rel=1e-9, abs=1e-9)
            seen = matrix @ seen

    def test_counts_and_trace_of_a_large_crowd_with_outliers(self):
        rng = np.random.default_rng(0)
        every = np.concatenate([0.1 * rng.normal(size=290), [-20.0, 5, 15, 16, 17, 18, 19, 100, 150, 200]])
        function, params, _ = quadratic(every)
        spectrum = gn.spectral_density(function, params, probes=16, steps=40)
        assert spectrum.lowest == pytest.approx(-20, rel=1e-6)
        assert spectrum.highest == pytest.approx(200, rel=1e-6)
        assert spectrum.below(0.0) == pytest.approx((every < 0).mean(), abs=0.06)
        assert 300 * (spectrum.below(np.inf) - spectrum.below(10.0)) == pytest.approx(8, abs=1.5)
        total, error = spectrum.trace
        assert abs(total - every.sum()) < 3 * error

    def test_every_eigenvalue_lies_within_the_error_of_its_place(self):
        every = np.random.default_rng(1).normal(size=60)
        spectrum = gn.spectral_density(*quadratic(every)[:2], probes=2, steps=12)
        distance = np.abs(spectrum.values[..., None] - every).min(axis=-1)
        assert (distance <= spectrum.errors + 1e-10).all()
        assert np.median(spectrum.errors) < 0.5

    def test_a_matrix_of_one_eigenvalue_ends_after_a_step(self):
        spectrum = gn.spectral_density(lambda p: 3 * (p["a"] ** 2).sum(), {"a": np.ones(9)})
        assert (spectrum.weights > 0).sum(axis=1).tolist() == [1] * 8
        assert repr(spectrum) == "Spectrum(9 eigenvalues from 6 to 6, trace 54 ± 0, about 0 % negative)"

    def test_the_picture_counts_eigenvalues(self):
        every = np.array([-3.0, -1, 0.25, 0.5, 2, 4, 7, 3000])
        ax = gn.spectral_density(*quadratic(every)[:2]).plot(ax=Figure().subplots(), title="T")
        shown = ax.patches[0].get_data()
        assert shown.values[shown.values > shown.baseline].sum() == pytest.approx(8, rel=1e-6)
        assert {text.get_text() for text in ax.texts} == {"lowest −3.00", "highest 3000"}
        assert "0" in [text.get_text() for text in ax.get_xticklabels()]

    @pytest.mark.parametrize("values", [[2.0, 2.0], [0.0, 0.0], [-5.0, -1.0]])
    def test_the_picture_of_little(self, values):
        row = np.array([values])
        ax = Spectrum(row, np.array([[0.5, 0.5]]), 0 * row, 2).plot(ax=Figure().subplots())
        ax.figure.savefig(io.BytesIO(), format="png")


class TestSharpness:
    def test_of_a_bowl_is_known(self):
        """Far from zero the box is epsilon (|p| + 1) wide, and the loss of a bowl is highest in a corner."""
        curvature, epsilon = np.array([1.0, 5.0, 2.0]), 1e-2

        def bowl(p):
            return 0.5 * (curvature * (p["w"] - np.array([0.0, 3.0, -1.0])) ** 2).sum()

        wanted = 100 * 0.5 * (curvature * (epsilon * np.array([1.0, 4.0, 2.0])) ** 2).sum()
        assert gn.sharpness(bowl, {"w": np.array([0.0, 3.0, -1.0])}, epsilon) == pytest.approx(wanted, rel=1e-9)

    def test_is_relative_to_the_loss(self):
        found = gn.sharpness(lambda p: 4 + 2 * p["w"], {"w": np.array(1.0)}, 1e-3)
        assert found == pytest.approx(100 * 2 * 2e-3 / (1 + 6), rel=1e-9)

    def test_a_sharper_bowl_is_sharper_and_nothing_is_random(self):
        first, again = (gn.sharpness(loss, PARAMS) for _ in range(2))
        assert first == again > 0
        assert gn.sharpness(lambda p: 3 * loss(p), PARAMS) > first


@pytest.mark.parametrize("which", ["largest", "both"])
def test_a_linear_loss_of_many_parameters_has_no_curvature(which):
    params = {"weight": np.ones((15, 10))}
    values, vectors = gn.hessian_eigenvalues(lambda p: (3 * p["weight"]).sum(), params, 2, which)
    np.testing.assert_array_equal(values, 0)
    np.testing.assert_array_equal(np.stack(list(map(flat, vectors))) @ np.stack(list(map(flat, vectors))).T, np.eye(2))
