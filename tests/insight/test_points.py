"""What a picture shows is checked and counted as a third party counts it."""

from __future__ import annotations

import numpy as np
import pytest

from graphnn.insight.points import Classes, Pairs, is_classification


class TestPairs:
    def test_rmse_and_r2_are_those_of_scikit_learn(self):
        metrics = pytest.importorskip("sklearn.metrics")
        rng = np.random.default_rng(0)
        actual, predicted = rng.normal(size=(2, 40, 3))
        pairs = Pairs.of(predicted, actual)
        assert pairs.rmse == pytest.approx(np.sqrt(metrics.mean_squared_error(actual.ravel(), predicted.ravel())))
        assert pairs.r2 == pytest.approx(metrics.r2_score(actual.ravel(), predicted.ravel()))

    def test_rmse_and_r2_are_those_of_a_correlation(self):
        # For a least-squares line R2 is the squared correlation, and RMSE^2 the residual variance.
        x = np.array([1.0, 2.0, 4.0, 7.0])
        actual = np.array([1.0, 3.0, 2.0, 9.0])
        predicted = np.polyval(np.polyfit(x, actual, 1), x)
        pairs = Pairs.of(predicted, actual)
        assert pairs.r2 == pytest.approx(np.corrcoef(x, actual)[0, 1] ** 2)
        assert pairs.rmse == pytest.approx(np.std(predicted - actual))

    @pytest.mark.parametrize("actual", [[3.0, 3.0], [5.0], []], ids=["constant", "one", "none"])
    def test_r2_without_spread_is_nan_and_warns_of_nothing(self, actual):
        assert np.isnan(Pairs.of(np.zeros(len(actual)), np.array(actual)).r2)

    def test_the_worst_come_first_and_nan_never(self):
        pairs = Pairs.of([1.0, np.nan, -5.0, 2.0], [0.0, 0.0, 0.0, 0.0])
        assert pairs.worst(2).tolist() == [2, 3]

    def test_the_name_of_a_point_of_several_targets_tells_which(self):
        pairs = Pairs.of(np.zeros((2, 3)), np.zeros((2, 3)), ["water", "ethanol"])
        assert pairs.name(4) == "ethanol [1]"

    @pytest.mark.parametrize(
        ("predicted", "actual", "words"),
        [
            (
                np.zeros((3, 1)),
                np.zeros(3),
                r"predicted \(3, 1\) and actual \(3,\) came; give both as \(n,\)",
            ),
            (np.zeros(3), np.zeros(4), r"predicted \(3,\) and actual \(4,\)"),
            (np.zeros((2, 2, 2)), np.zeros((2, 2, 2)), r"\(2, 2, 2\)"),
        ],
        ids=["column", "length", "rank"],
    )
    def test_shapes_that_do_not_fit(self, predicted, actual, words):
        with pytest.raises(ValueError, match=words):
            Pairs.of(predicted, actual)

    def test_missing_targets_do_not_count(self):
        predicted, actual = np.array([[1.0, 9.0], [2.0, 5.0]]), np.array([[2.0, np.nan], [4.0, 5.0]])
        pairs, known = Pairs.of(predicted, actual), Pairs.of([1.0, 2.0, 5.0], [2.0, 4.0, 5.0])
        assert (pairs.rmse, pairs.r2) == (known.rmse, known.r2)
        assert pairs.residuals.tolist() == [-1.0, -2.0, 0.0]
        assert pairs.worst(3).tolist() == [2, 0, 3]

    def test_a_prediction_that_is_nan_is_not_passed_over(self):
        assert np.isnan(Pairs.of([1.0, np.nan], [1.0, 2.0]).rmse)

    def test_means_and_log_variances_have_bars_of_one_deviation(self):
        rng = np.random.default_rng(0)
        mean, deviation, actual = rng.normal(size=(5, 2)), rng.uniform(0.1, 2, size=(5, 2)), rng.normal(size=(5, 2))
        pairs = Pairs.of(np.hstack([mean, 2 * np.log(deviation)]), actual)
        np.testing.assert_array_equal(pairs.predicted, mean.ravel())
        np.testing.assert_allclose(pairs.bars, [(mean - deviation).ravel(), (mean + deviation).ravel()])

    def test_the_bars_of_a_normal_error_cover_two_thirds(self):
        rng = np.random.default_rng(0)
        deviation = rng.uniform(0.5, 3, size=20_000)
        actual = rng.normal(size=20_000)
        pairs = Pairs.of(actual + deviation * rng.normal(size=20_000), actual, spread=deviation)
        assert pairs.covered == pytest.approx(0.6827, abs=0.01)

    def test_bars_may_reach_further_up_than_down(self):
        assert Pairs.of([1.0, 2.0], [0.0, 0.0], spread=[[0.5, 1.0], [2.0, 3.0]]).bars.tolist() == [
            [0.5, 1.0],
            [3.0, 5.0],
        ]

    def test_without_bars_nothing_is_covered(self):
        assert np.isnan(Pairs.of([1.0], [1.0]).covered)

    def test_labels_that_do_not_fit(self):
        with pytest.raises(ValueError, match="2 labels came for 3 points; give one name per point"):
            Pairs.of(np.zeros(3), np.zeros(3), ["a", "b"])

    def test_words_are_no_numbers(self):
        with pytest.raises(TypeError, match="predicted has dtype <U1; give an array of real numbers"):
            Pairs.of(["a"], [1.0])


class TestClasses:
    def test_counts_are_those_of_scikit_learn(self):
        metrics = pytest.importorskip("sklearn.metrics")
        rng = np.random.default_rng(0)
        scores, actual = rng.normal(size=(50, 4)), rng.integers(0, 4, 50)
        expected = metrics.confusion_matrix(actual, scores.argmax(1), labels=range(4))
        np.testing.assert_array_equal(Classes.of(scores, actual).counts, expected)

    def test_accuracy_by_hand(self):
        classes = Classes.of(np.eye(3)[[0, 1, 1, 2]], np.array([0, 1, 2, 2]))
        assert classes.counts.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
        assert classes.accuracy == 0.75

    @pytest.mark.parametrize(
        ("actual", "words"),
        [
            ([0, 3], "run from 0 to 3, predicted has 2 columns"),
            ([-1, 0], "run from -1 to 0"),
            ([0.0, 1.0], "give scores"),
        ],
        ids=["large", "negative", "floats"],
    )
    def test_classes_that_do_not_fit(self, actual, words):
        with pytest.raises(ValueError, match=words):
            Classes.of(np.zeros((2, 2)), np.array(actual))


class TestTwoClassesInOneColumn:
    def test_logits_are_counted_as_classes(self):
        logits, labels = np.array([[2.0], [-1.0], [0.5], [-3.0]]), np.array([[1.0], [0.0], [0.0], [0.0]])
        assert is_classification(logits, labels)
        assert Classes.of(logits, labels).counts.tolist() == [[2, 1], [0, 1]]

    def test_several_labels_are_counted_together_and_missing_ones_not_at_all(self):
        logits = np.array([[2.0, -1.0], [0.5, -3.0]])
        labels = np.array([[1.0, 1.0], [np.nan, 0.0]])
        assert is_classification(logits, labels)
        assert Classes.of(logits, labels).counts.tolist() == [[1, 0], [1, 1]]

    @pytest.mark.parametrize("actual", [[0.0, 0.0], [0.0, 2.0], [0.5, 1.0], [np.nan, 1.0], [np.nan, np.nan]])
    def test_other_targets_are_numbers(self, actual):
        assert not is_classification(np.zeros(2), np.array(actual))
