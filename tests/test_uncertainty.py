"""Ensembles against their members, conformal prediction against its theorem, coverage against SciPy."""

from __future__ import annotations

import cases
import numpy as np
import pytest
from autograd.test_util import check_grads
from hypothesis import example, given
from hypothesis import strategies as st

import graphnn as gn
from graphnn.uncertainty import (
    Coverage,
    Ensemble,
    combine,
    conformal_interval,
    conformal_set,
    conformal_threshold,
    conformal_width,
    coverage,
    members,
    set_coverage,
    spread,
)

BATCH = gn.pack(cases.graphs("mixed"))
NAN, INF = np.nan, np.inf


def network(width, count=3, link="identity"):
    model = Ensemble(gn.Sequential(gn.GraphConv(4, gn.tanh), gn.SumPool(), gn.Dense(width)), count, link)
    return model, cases.parameters(model, BATCH)


def each_output(model, params):
    return np.stack([model.member(own, BATCH) for own in members(params)])


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


class TestEnsemble:
    def test_regression_is_the_mean_of_the_members(self):
        model, params = network(2)
        np.testing.assert_allclose(model(params, BATCH), each_output(model, params).mean(axis=0), rtol=1e-13)

    def test_classes_get_the_mean_of_the_probabilities(self):
        model, params = network(3, link="softmax")
        wanted = softmax(each_output(model, params)).mean(axis=0)
        np.testing.assert_allclose(np.exp(model(params, BATCH)), wanted, rtol=1e-12)
        labels = np.array([0, 1, 2, 0, 1])
        loss = gn.cross_entropy(model(params, BATCH), labels)
        assert loss == pytest.approx(-np.log(wanted[np.arange(5), labels]).mean(), rel=1e-12)
        assert (
            abs(wanted - softmax(each_output(model, params).mean(axis=0))).max() > 1e-3
        )  # the logits' mean is another

    def test_yes_and_no_get_the_mean_of_the_probabilities(self):
        model, params = network(2, link="sigmoid")
        wanted = (1 / (1 + np.exp(-each_output(model, params)))).mean(axis=0)
        np.testing.assert_allclose(1 / (1 + np.exp(-model(params, BATCH))), wanted, rtol=1e-12)
        truth = (wanted > 0.5).astype(float)
        loss = gn.binary_cross_entropy(model(params, BATCH), truth)
        assert loss == pytest.approx(-np.log(np.where(truth == 1, wanted, 1 - wanted)).mean(), rel=1e-12)

    def test_two_columns_by_softmax_and_one_by_sigmoid_are_the_same_question(self):
        z = np.array([[-3.0], [0.2], [7.0]])
        one = Ensemble(gn.Dense(1), 2, "sigmoid")
        two = Ensemble(gn.Dense(2), 2, "softmax")
        of_one = combine([{"weight": np.array([[w]]), "bias": np.zeros(1)} for w in (1.0, -2.0)])
        of_two = combine([{"weight": np.array([[0.0, w]]), "bias": np.zeros(2)} for w in (1.0, -2.0)])
        log_p = two(of_two, z)
        np.testing.assert_allclose(one(of_one, z)[:, 0], log_p[:, 1] - log_p[:, 0], rtol=1e-12)

    @pytest.mark.parametrize("link", ["softmax", "sigmoid"])
    def test_sure_members_that_disagree_stay_finite(self, link):
        model = Ensemble(gn.Dense(2), 2, link)
        params = combine([{"weight": s * np.array([[1e4, -1e4]]), "bias": np.zeros(2)} for s in (1.0, -1.0)])
        out = model(params, np.ones((1, 1)))
        assert np.isfinite(out).all()
        np.testing.assert_allclose(out, np.log(0.5) if link == "softmax" else 0.0, atol=1e-9)

    def test_members_sure_of_the_same_give_their_own_answer(self):
        params = combine([{"weight": np.array([[1e4, -1e4]]), "bias": np.zeros(2)}] * 2)
        for link, wanted in (("softmax", [[0.0, -2e4]]), ("sigmoid", [[1e4, -1e4]])):
            np.testing.assert_allclose(Ensemble(gn.Dense(2), 2, link)(params, np.ones((1, 1))), wanted, rtol=1e-12)

    @pytest.mark.parametrize("link", ["identity", "softmax", "sigmoid"])
    def test_derivatives_and_dtype(self, link):
        model, params = network(2, count=2, link=link)
        check_grads(lambda p: cases.total(model(p, BATCH)), modes=["rev"], order=2)(params)
        halves = gn.pack(cases.graphs("mixed"), dtype=np.float32)
        out = model(model.init(0, halves), halves)
        assert out.dtype == np.float32
        mean, deviation = spread(model, model.init(0, halves), halves)
        assert mean.dtype == deviation.dtype == np.float32

    def test_one_member_says_what_it_says_alone(self):
        model, params = network(3, count=1, link="softmax")
        alone = softmax(each_output(model, params)[0])
        np.testing.assert_allclose(np.exp(model(params, BATCH)), alone, rtol=1e-12)

    def test_members_begin_differently_and_are_trained_apart(self):
        model, _ = network(1, count=2)
        params = model.init(0, BATCH)
        assert not np.array_equal(params["net0.2.dense.weight"], params["net1.2.dense.weight"])
        y = np.arange(5.0)[:, None]
        trained = [gn.fit(model.member, own, BATCH, y, epochs=3)[0] for own in members(params)]
        model.check(combine(trained), BATCH)
        for own, other in zip(members(combine(trained)), trained, strict=True):
            assert own.keys() == other.keys()
            assert all(own[name] is other[name] for name in own)

    def test_parameters_of_others_are_passed_over(self):
        params = {"net0.w": 1, "net1.w": 2, "net01.w": 3, "other.net2.w": 4, "temperature": 5}
        assert members(params) == [{"w": 1}, {"w": 2}]
        many = {f"net{i}.w": i for i in reversed(range(12))}
        assert members(many) == [{"w": i} for i in range(12)]

    def test_it_prints_as_it_is_written(self):
        assert repr(Ensemble(gn.Dense(1), 3, "sigmoid")) == "Ensemble(Dense(1), 3, link='sigmoid')"

    @pytest.mark.parametrize("link", ["identity", "softmax", "sigmoid"])
    def test_spread_is_mean_and_sample_deviation(self, link):
        model, params = network(3, link=link)
        each = each_output(model, params)
        each = {"identity": each, "softmax": softmax(each), "sigmoid": 1 / (1 + np.exp(-each))}[link]
        mean, deviation = spread(model, params, cases.graphs("mixed"))
        np.testing.assert_allclose(mean, each.mean(axis=0), rtol=1e-12)
        fewer = Ensemble(model.member, 2, link)
        np.testing.assert_allclose(spread(fewer, params, BATCH)[0], each[:2].mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(deviation**2, ((each - each.mean(axis=0)) ** 2).sum(axis=0) / 2, rtol=1e-10)


class TestConformalWidth:
    @given(st.lists(st.integers(0, 1000), min_size=1, max_size=60), st.integers(1, 99))
    @example(list(range(24)), 56)  # 25 * 0.56 is a little more than 14
    def test_it_is_the_order_statistic_of_the_definition(self, sizes, percent):
        n = len(sizes)
        rank = -(-(n + 1) * percent // 100)  # in whole numbers, so that nothing is rounded
        wanted = sorted(sizes)[rank - 1] if rank <= n else INF
        signs = np.where(np.arange(n) % 2, -1, 1)
        assert conformal_width(signs * np.array(sizes), percent / 100) == wanted

    def test_smallest_sample_that_has_a_width(self):
        assert conformal_width(np.arange(9.0)) == 8
        assert conformal_width(np.arange(8.0)) == INF
        assert conformal_width([]) == INF
        assert conformal_width(np.arange(19.0), 0.95) == 18
        assert conformal_width(np.arange(18.0), 0.95) == INF

    def test_columns_with_missing_targets_each_have_their_own(self):
        residuals = np.full((20, 3), NAN)
        residuals[:, 0] = np.arange(20)
        residuals[::2, 1] = -np.arange(10)
        np.testing.assert_array_equal(conformal_width(residuals, 0.8), [16, 8, INF])

    @pytest.mark.parametrize(("n", "level"), [(19, 0.9), (30, 0.8), (99, 0.95)])
    def test_the_theorem(self, n, level):
        """Mean coverage lies between level and level + 1 / (n + 1), for errors of any distribution without ties."""
        rng, times = np.random.default_rng(0), 4000
        errors = rng.standard_cauchy((times, n))
        new = rng.standard_cauchy((times, 50))
        widths = np.array([conformal_width(row, level) for row in errors])
        covered = np.mean(abs(new) <= widths[:, None], axis=1)
        error = 4 * covered.std() / times**0.5
        assert level - error <= covered.mean() <= level + 1 / (n + 1) + error
        rank = np.ceil(round((n + 1) * level, 9))
        assert covered.mean() == pytest.approx(rank / (n + 1), abs=error)  # exactly, it is this

    def test_widths_scaled_by_a_spread(self):
        scale = np.array([1.0, 2.0, 4.0] * 10)
        width = conformal_width(scale * 0.5 / scale, 0.9)
        low, high = conformal_interval(np.zeros(30), width * scale)
        np.testing.assert_array_equal(high - low, scale)

    def test_the_interval(self):
        p = np.array([[1.0, 10.0], [2.0, 20.0]])
        low, high = conformal_interval(p, np.array([0.5, INF]))
        np.testing.assert_array_equal(low, [[0.5, -INF], [1.5, -INF]])
        np.testing.assert_array_equal(high, [[1.5, INF], [2.5, INF]])
        np.testing.assert_array_equal(p, [[1.0, 10.0], [2.0, 20.0]])
        assert conformal_interval(p.astype(np.float32), 0.5)[0].dtype == np.float32


class TestConformalSet:
    p = np.array([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.3, 0.3, 0.4], [0.1, 0.1, 0.8]])

    def test_by_hand(self):
        # the true classes have 0.7, 0.4, 0.3, 0.8; of five ranks the third and fourth largest
        assert conformal_threshold(self.p, [0, 1, 0, 2], 0.6) == 0.4
        assert conformal_threshold(self.p, [0, 1, 0, 2], 0.8) == 0.3
        assert conformal_threshold(self.p, [0, 1, 0, 2], 0.9) == 0
        np.testing.assert_array_equal(
            conformal_set(self.p, 0.4), np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 1]], bool)
        )
        assert conformal_set(self.p, 0).all()
        assert not conformal_set(self.p, 0.75)[:3].any()

    def test_the_theorem(self):
        rng, n, level, times = np.random.default_rng(1), 39, 0.8, 1500
        covered = []
        for _ in range(times):
            p = rng.dirichlet([0.6, 0.8, 1.0], 2 * n)
            labels = (
                (rng.random((2 * n, 1)) > (0.5 * p + 0.5 / 3).cumsum(axis=1)).sum(axis=1).clip(0, 2)
            )  # p is too sure
            threshold = conformal_threshold(p[:n], labels[:n], level)
            covered.append(set_coverage(labels[n:], conformal_set(p[n:], threshold)).share)
        error = 4 * np.std(covered) / times**0.5
        assert level - error <= np.mean(covered) <= level + 1 / (n + 1) + error


class TestCoverage:
    def test_the_interval_is_that_of_scipy(self):
        stats = pytest.importorskip("scipy.stats")
        for inside, n, confidence in [(93, 112, 0.95), (0, 10, 0.95), (10, 10, 0.9), (1, 1, 0.5), (500, 1000, 0.99)]:
            found = coverage((np.arange(n) >= inside) * 2.0, -np.ones(n), np.ones(n), confidence=confidence)
            wanted = stats.binomtest(inside, n).proportion_ci(confidence, "exact")
            assert found == pytest.approx((inside / n, wanted.low, wanted.high, n), rel=1e-9)

    def test_ends_count_and_missing_targets_do_not(self):
        found = coverage([[1.0], [2.0], [NAN], [3.5]], [[1.0], [1.0], [1.0], [1.0]], [[2.0], [2.0], [2.0], [INF]])
        assert (found.share, found.rows) == (1.0, 3)

    def test_sets(self):
        found = set_coverage([0, 1, 1, 1], TestConformalSet.p > 0.35)
        assert (found.share, found.rows) == (0.5, 4)

    def test_it_shows_itself_in_a_line(self):
        assert repr(Coverage(0.5, 0.25, 0.75, 8)) == "Coverage(0.500 of 8 rows, true share 0.250 to 0.750)"


P = TestConformalSet.p
MODEL, PARAMS = network(1)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: Ensemble(gn.Dense(1), 0), ValueError, "count is the number of members, a whole number from 1, got 0"),
        (lambda: Ensemble(gn.Dense(1), 2, "log"), ValueError, "one of 'identity', 'softmax', 'sigmoid', got 'log'"),
        (lambda: Ensemble(gn.GraphConv(1), 2).init(0, BATCH), TypeError, "returns a Batch; end it with a pool"),
        (lambda: combine([]), ValueError, "combine: no members"),
        (lambda: combine([{"w": np.ones(2)}, {"w": np.ones(3)}]), ValueError, r"'w' is \(3,\) in member 1 and \(2,\)"),
        (lambda: combine([{"w": np.ones(2)}, {}]), ValueError, "'w' is missing in member 1"),
        (lambda: combine([{}, {"w": np.ones(2)}]), ValueError, r"'w' is \(2,\) in member 1 and missing in member 0"),
        (lambda: members({"w": 1}), KeyError, "no parameters of member 'net0' among 'w'; give an ensemble's"),
        (lambda: members({"net0.w": 1, "net2.w": 1}), KeyError, "no parameters of member 'net1'"),
        (lambda: spread(gn.Dense(1), {}, P), TypeError, r"spread: needs an Ensemble, got Dense\(1\)"),
        (lambda: spread(Ensemble(gn.Dense(1), 1), {}, P), ValueError, "at least two members"),
        (lambda: spread(Ensemble(MODEL.member, 4), PARAMS, BATCH), ValueError, "4 members, the parameters are of 3"),
        (lambda: conformal_width([1.0], 90), ValueError, "between 0 and 1, such as 0.9, got 90"),
        (lambda: conformal_width([1.0], 1.0), ValueError, "between 0 and 1"),
        (lambda: conformal_width([1.0, INF]), ValueError, "1 residuals are infinite; did training diverge"),
        (lambda: conformal_width(1.0), ValueError, r"shape \(n,\) or \(n, k\), got \(\)"),
        (lambda: conformal_interval(np.ones((3, 2)), np.ones(3)), ValueError, r"width \(3,\) fits neither .* \(3, 2\)"),
        (lambda: conformal_interval(np.ones(3), np.ones((3, 1))), ValueError, r"width \(3, 1\) fits neither"),
        (lambda: conformal_interval(np.ones(3), -1.0), ValueError, "a width is at least 0"),
        (lambda: conformal_interval(np.ones(3), NAN), ValueError, "a width is at least 0"),
        (lambda: conformal_threshold(4 * P - 1, [0] * 4), ValueError, r"got -0.6 to 2.2 of shape .*; for logits say"),
        (lambda: conformal_threshold(P[:, 0], [0] * 4), ValueError, r"probabilities \(n, c\), .* of shape \(4,\)"),
        (lambda: conformal_threshold(P[:, :2], [0] * 4), ValueError, "each row adding up to 1"),
        (lambda: conformal_threshold(P, [0, 1, 2, 3]), ValueError, r"4 whole numbers 0..2, got shape \(4,\) of int64"),
        (lambda: conformal_threshold(P, [0, 1, 2]), ValueError, r"got shape \(3,\)"),
        (lambda: conformal_threshold(P, [0, 1, -1, 2]), ValueError, "leave missing ones out"),
        (lambda: conformal_threshold(P, [0, 1, NAN, 2]), ValueError, "whole numbers"),
        (lambda: conformal_set(P, 1.5), ValueError, "threshold is a probability from conformal_threshold, got 1.5"),
        (lambda: conformal_set(P, NAN), ValueError, "threshold is a probability"),
        (lambda: coverage([1.0], [[0.0]], [[2.0]]), ValueError, r"coverage: predictions \(1, 1\) and targets \(1,\)"),
        (lambda: coverage(P, P, P), ValueError, r"targets \(4, 3\) have several columns; ask one by one"),
        (lambda: coverage([1.0], [2.0], [1.0]), ValueError, "low <= high"),
        (lambda: coverage([1.0], [NAN], [1.0]), ValueError, "must be numbers"),
        (lambda: coverage([NAN], [1.0], [1.0]), ValueError, "no row has a known target"),
        (lambda: coverage([1.0], [1.0], [1.0], confidence=95), ValueError, "between 0 and 1, such as 0.9, got 95"),
        (lambda: set_coverage([0] * 4, P), ValueError, r"booleans \(n, c\), got float64 of shape \(4, 3\)"),
    ],
)  # fmt: skip
def test_what_is_refused_and_how(call, error, says):
    with pytest.raises(error, match=says):
        call()
