"""The parts of a study by themselves: scores, intervals, the range of the training, baselines, epochs."""

from __future__ import annotations

import numpy as np
import pytest

import graphnn as gn
from graphnn.datasets.tables import Targets
from graphnn.splits import Split
from graphnn.study.baselines import Description, baselines
from graphnn.study.domain import Domain
from graphnn.study.folder import read_json, write_json
from graphnn.study.metrics import mean_and_spread, scores
from graphnn.study.train import Interval, enough_epochs


def regression(values: np.ndarray) -> Targets:
    return Targets(values, ~np.isnan(values), "regression", (), tuple(f"y{i}" for i in range(values.shape[1])))


def classification(labels: list[int], classes: int = 2) -> Targets:
    values = np.array(labels)
    return Targets(values, values >= 0, "classification", tuple(map(str, range(classes))), ("y",))


class TestScores:
    def test_of_several_numbers_are_apart_and_leave_missing_ones_out(self):
        targets = regression(np.array([[1.0, np.nan], [2.0, 5.0], [4.0, 7.0]]))
        found = scores(np.array([[1.0, 99.0], [2.0, 5.0], [1.0, 6.0]]), targets, np.arange(3))
        assert found["rmse y0"] == pytest.approx(np.sqrt(9 / 3)) and found["mae y1"] == pytest.approx(0.5)
        assert found["r2"] == pytest.approx((found["r2 y0"] + found["r2 y1"]) / 2)

    def test_of_constant_targets_have_no_r2(self):
        assert "r2" not in scores(np.array([[1.0], [2.0]]), regression(np.array([[3.0], [3.0]])), np.arange(2))

    def test_of_classes(self):
        p = np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2], [0.3, 0.7]])
        assert scores(p, classification([0, 1, 1, -1]), np.arange(4)) == {
            "accuracy": pytest.approx(2 / 3), "roc_auc": pytest.approx(1.0)
        }  # fmt: skip
        assert "roc_auc" not in scores(p[:1], classification([0]), np.arange(1))

    def test_of_labels(self):
        values = np.array([[1.0, 0.0], [0.0, np.nan], [1.0, 1.0]])
        targets = Targets(values, ~np.isnan(values), "multilabel", ("0", "1"), ("a", "b"))
        found = scores(np.array([[0.9, 0.6], [0.2, 0.1], [0.6, 0.7]]), targets, np.arange(3))
        assert found == {"roc_auc": 1.0, "roc_auc a": 1.0, "accuracy a": 1.0, "roc_auc b": 1.0, "accuracy b": 0.5}

    def test_in_words(self):
        assert mean_and_spread([1.0]) == "1.000"
        assert mean_and_spread([1e-9, 3e-9]) == "2e-09 ± 1.41e-09"
        assert mean_and_spread([1.0, 2.0, 3.0]) == "2.000 ± 1.000"


class TestInterval:
    def test_of_numbers_holds_what_it_promises(self):
        rng = np.random.default_rng(0)
        shares = []
        for _ in range(200):
            actual = rng.normal(size=(120, 2)) * [1, 10]
            mask = rng.random((120, 2)) < 0.9
            interval = Interval.of(np.zeros((60, 2)), actual[:60], mask[:60], "regression")
            found = interval.coverage(np.zeros((60, 2)), actual[60:], mask[60:])
            shares.append([found[i].share for i in range(2)])
        np.testing.assert_allclose(np.mean(shares, axis=0), 0.9, atol=0.02)
        assert 5 < interval.values[1] / interval.values[0] < 20

    def test_of_classes_and_labels_holds_too(self):
        rng = np.random.default_rng(0)
        classes, labels = [], []
        for _ in range(200):
            p = rng.dirichlet([1, 1, 1], size=120)
            y = np.array([rng.choice(3, p=row) for row in p])
            known = np.ones(120, bool)
            interval = Interval.of(p[:60], y[:60], known[:60], "classification")
            classes += [part.share for part in interval.coverage(p[60:], y[60:], known[60:]).values()]
            q = rng.random((120, 2))
            z = (rng.random((120, 2)) < q).astype(float)
            known = np.ones((120, 2), bool)
            interval = Interval.of(q[:60], z[:60], known[:60], "multilabel")
            labels += [part.share for part in interval.coverage(q[60:], z[60:], known[60:]).values()]
        assert np.mean(classes) == pytest.approx(0.91, abs=0.02)
        assert np.mean(labels) == pytest.approx(0.91, abs=0.02)

    def test_too_few_rows_say_nothing(self):
        few = Interval.of(np.zeros((5, 1)), np.ones((5, 1)), np.ones((5, 1), bool), "regression")
        assert not few.says_something(0)
        enough = Interval.of(np.zeros((9, 1)), np.ones((9, 1)), np.ones((9, 1), bool), "regression")
        assert enough.says_something(0)
        assert not Interval.of(np.eye(2), np.array([0, 1]), np.ones(2, bool), "classification").says_something(0)

    def test_says_nothing_where_nothing_is_known(self):
        interval = Interval("regression", (1.0, 1.0))
        mask = np.array([[True, False], [True, False]])
        assert list(interval.coverage(np.zeros((2, 2)), np.zeros((2, 2)), mask)) == [0]
        none = Interval("classification", (0.5,)).coverage(np.eye(2), np.array([-1, -1]), np.zeros(2, bool))
        assert none == {}


class TestDomain:
    GRAPHS = (
        gn.Graph([[1.0, 0.0], [0.0, 0.0]], [0, 1], [1, 0], edges=[[1.0], [1.0]]),
        gn.Graph([[3.0, 0.0]] * 4, [0], [1], edges=[[2.0]]),
    )

    def test_sees_sizes_nodes_and_edges(self):
        domain = Domain.of(gn.pack(self.GRAPHS, dtype=np.float32))
        new = [
            gn.Graph([[2.0, 0.0]] * 3, [0], [1], edges=[[1.5]]),
            gn.Graph([[2.0, 0.0]] * 7, [0], [1], edges=[[1.5]]),
            gn.Graph([[9.0, 0.0]] * 2, [0], [1], edges=[[1.5]]),
            gn.Graph([[2.0, 1.0]] * 2, [0], [1], edges=[[0.5]]),
        ]
        again = Domain.from_json(domain.to_json())
        assert again.outside(gn.pack(new, dtype=np.float32), ["mass", "element=Se"], ["order"]) == [
            "",
            "7 nodes, training had 2 to 4; 6 unconnected pieces, training had 1 to 3",
            "mass outside 0 to 3",
            "element=Se never seen; order outside 1 to 2",
        ]

    def test_holds_what_it_was_made_of(self):
        batch = gn.pack(gn.datasets.alkanes().graphs, dtype=np.float32)
        assert set(Domain.of(batch).outside(batch, [], [])) == {""}


class TestBaselines:
    X = np.random.default_rng(0).normal(size=(90, 4))
    SPLIT = Split(np.arange(60), np.arange(60, 75), np.arange(75, 90))

    def test_ridge_finds_a_line_and_the_mean_does_not(self):
        y = (self.X @ [1.0, -2.0, 0.5, 0.0] + 3)[:, None]
        found = baselines(Description(self.X, "numbers"), regression(y), self.SPLIT)
        assert found["ridge on numbers"]["rmse"] < 0.01
        mean = y[:60].mean()
        assert found["mean of the training rows"]["rmse"] == pytest.approx(np.sqrt(np.mean((y[75:] - mean) ** 2)))

    def test_ridge_equals_its_normal_equations(self):
        pytest.importorskip("sklearn", reason="scikit-learn is the witness")
        from sklearn.linear_model import Ridge

        from graphnn.study.baselines import PENALTIES

        y = self.X @ [1.0, -2.0, 0.5, 0.0] + np.random.default_rng(1).normal(size=90)
        z = (self.X - self.X[:60].mean(axis=0)) / self.X[:60].std(axis=0)
        fits = [Ridge(alpha=a).fit(z[:60], y[:60]).predict(z) for a in PENALTIES]
        best = min(fits, key=lambda fit: np.mean((fit - y)[60:75] ** 2))
        found = baselines(Description(self.X, "numbers"), regression(y[:, None]), self.SPLIT)
        assert found["ridge on numbers"]["rmse"] == pytest.approx(np.sqrt(np.mean((best - y)[75:] ** 2)))

    def test_classes_and_labels(self):
        labels = (self.X[:, 0] > 0).astype(int)
        found = baselines(Description(self.X, "numbers"), classification(labels.tolist()), self.SPLIT)
        assert found["ridge on numbers"]["accuracy"] > 0.8
        commonest = int(labels[:60].mean() > 0.5)
        assert found["most common class"]["accuracy"] == pytest.approx(np.mean(labels[75:] == commonest))
        values = np.stack([labels, 1 - labels], axis=1).astype(float)
        values[::4, 1] = np.nan
        targets = Targets(values, ~np.isnan(values), "multilabel", ("0", "1"), ("a", "b"))
        assert baselines(Description(self.X, "numbers"), targets, self.SPLIT)["ridge on numbers"]["roc_auc"] > 0.8

    def test_spreading_along_a_path_reaches_the_nearest_label(self):
        path = gn.from_adjacency(np.diag(np.ones(5), 1) + np.diag(np.ones(5), -1))
        split = Split(np.array([0, 5]), np.array([1]), np.array([2, 3, 4]))
        found = baselines(Description(np.eye(6), "ones"), classification([0, 0, 0, 1, 1, 1]), split, gn.pack(path))
        assert found["targets spread along the edges"]["accuracy"] == 1
        numbers = regression(np.array([[0.0], [1], [2], [3], [4], [5]]))
        spread = baselines(Description(np.eye(6), "ones"), numbers, split, gn.pack(path))
        errors = {name: scores["rmse"] for name, scores in spread.items()}
        assert errors["targets spread along the edges"] < errors["mean of the training rows"]


def test_epochs_are_enough_steps():
    assert enough_epochs(120, 64, "graph") == 750
    assert enough_epochs(6400, 64, "graph") == 100
    assert enough_epochs(20, 64, "node") == 300


def test_json_has_null_for_what_is_no_number(tmp_path):
    write_json(tmp_path / "a.json", {"a": [1.0, float("inf"), (float("nan"),)]})
    assert read_json(tmp_path / "a.json") == {"a": [1.0, None, [None]]}
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(ValueError, match=r"a\.json is damaged"):
        read_json(tmp_path / "a.json")
