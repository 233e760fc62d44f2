"""The estimators: scikit-learn's own checks in full, its tools around them, and what they do without it."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings

import cases
import networkx as nx
import numpy as np
import pytest
import scipy.sparse

import graphnn as gn
from graphnn.estimators import GraphClassifier, GraphRegressor, NodeClassifier

ESTIMATORS = [GraphRegressor, GraphClassifier, NodeClassifier]
DATA = gn.datasets.alkanes()
GRAPHS, BOILING = DATA.graphs[4:44], DATA.boiling_points[4:44]
HEAVY = np.where(BOILING.ravel() > 110, "heavy", "light")
CLUB = gn.datasets.karate()
SEEN = np.isin(np.arange(34), [0, 33])
RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(60, 3))
LINE = ROWS @ [1.0, -2.0, 0.5]
SIDE = np.where(LINE > 0, "up", "down")


def small(width=1, **named):
    return gn.Sequential(gn.GraphConv(8, gn.silu), gn.SumPool(), gn.Dense(width), **named)


def as_networkx(graph):
    return graph if isinstance(graph, nx.Graph) else gn.to_networkx(graph)


def array_of(items):
    """Return a one-dimensional object array; np.array would look into networkx graphs."""
    array = np.empty(len(items), object)
    array[:] = items
    return array


def checks():
    """Return every check that scikit-learn has for the three, or nothing without it."""
    try:
        from sklearn.utils import estimator_checks
    except ImportError:
        return []
    each = getattr(estimator_checks, "estimator_checks_generator", None)
    if each is None:  # before 1.6
        pairs = [pair for kind in ESTIMATORS for pair in estimator_checks.check_estimator(kind(), generate_only=True)]
    else:
        with warnings.catch_warnings():  # it wishes for its base class, which is not ours to inherit from
            warnings.filterwarnings("ignore", ".*does not inherit from", UserWarning)
            pairs = [pair for kind in ESTIMATORS for pair in each(kind())]
    return [pytest.param(*pair, id=f"{type(pair[0]).__name__}-{name_of(pair[1])}") for pair in pairs]


def name_of(check):
    return getattr(check, "func", check).__name__


CHECKS = checks()


class TestScikitLearnsChecks:
    @pytest.mark.parametrize(("estimator", "check"), CHECKS)
    def test_check(self, estimator, check):
        check(estimator)

    @pytest.mark.parametrize("kind", ESTIMATORS)
    def test_they_are_at_least_forty(self, kind):
        pytest.importorskip("sklearn")
        assert sum(type(param.values[0]) is kind for param in CHECKS) >= 40


class TestScikitLearnsTools:
    @pytest.fixture(autouse=True)
    def selection(self):
        self.selection = pytest.importorskip("sklearn.model_selection")

    @pytest.mark.parametrize(
        "give",
        [list, tuple, gn.pack, array_of, lambda graphs: array_of(list(map(as_networkx, graphs)))],
        ids=["list", "tuple", "batch", "array", "networkx"],
    )
    def test_every_form_of_graphs_is_sliced_alike(self, give):
        wanted = self.selection.cross_val_score(GraphRegressor(epochs=10), list(GRAPHS), BOILING[:, 0], cv=3)
        scores = self.selection.cross_val_score(GraphRegressor(epochs=10), give(GRAPHS), BOILING[:, 0], cv=3)
        np.testing.assert_allclose(scores, wanted, rtol=1e-9)

    @pytest.mark.filterwarnings("ignore:targets unscaled")  # small() has no Rescale, and loses for it
    def test_a_grid_of_epochs_and_models(self):
        grid = {"epochs": [1, 60], "model": [None, small()]}
        search = self.selection.GridSearchCV(GraphRegressor(), grid, cv=2).fit(GRAPHS, BOILING[:, 0])
        assert search.best_params_ == {"epochs": 60, "model": None}
        assert search.best_estimator_.epochs == 60

    def test_two_processes_say_what_one_says(self):
        one, two = (
            self.selection.cross_val_score(GraphRegressor(epochs=5), GRAPHS, BOILING[:, 0], cv=2, n_jobs=n)
            for n in (1, 2)
        )
        assert (one == two).all()

    def test_stratified_folds_and_probability_scores(self):
        folds = self.selection.StratifiedKFold(3, shuffle=True, random_state=0)
        scores = self.selection.cross_validate(
            GraphClassifier(epochs=60), GRAPHS, HEAVY, cv=folds, scoring=["accuracy", "roc_auc", "neg_log_loss"]
        )
        assert scores["test_accuracy"].mean() > 0.7  # 24 of 40 are of one class
        assert scores["test_roc_auc"].mean() > 0.85

    def test_whole_graphs_of_nodes_are_left_out(self):
        graphs = [gn.from_adjacency(nx.to_numpy_array(nx.path_graph(n)), np.eye(9)[:n]) for n in range(3, 9)]
        labels = [np.arange(n) < 2 for n in range(3, 9)]
        folds = self.selection.KFold(3)
        scores = self.selection.cross_val_score(NodeClassifier(epochs=200), graphs, labels, cv=folds)
        assert scores.min() > 0.8

    def test_a_pipeline_with_something_before(self):
        pipeline = pytest.importorskip("sklearn.pipeline")
        steps = pytest.importorskip("sklearn.preprocessing")
        first = pipeline.make_pipeline(steps.FunctionTransformer(list), GraphRegressor(epochs=20))
        alone = GraphRegressor(epochs=20).fit(GRAPHS, BOILING)
        np.testing.assert_array_equal(first.fit(GRAPHS, BOILING).predict(GRAPHS), alone.predict(GRAPHS))
        table = pipeline.make_pipeline(steps.StandardScaler(), GraphClassifier(epochs=50)).fit(ROWS, SIDE)
        assert table.score(ROWS, SIDE) > 0.9
        assert "GraphClassifier" in table._repr_html_()

    def test_clone_keeps_settings_and_forgets_the_fit(self):
        clone = pytest.importorskip("sklearn.base").clone
        fitted = GraphRegressor(small(), epochs=3, optimizer=gn.adam(1e-3)).fit(GRAPHS, BOILING)
        copy = clone(fitted)
        assert repr(copy) == repr(fitted)
        assert not hasattr(copy, "params_")

    def test_tags(self):
        base = pytest.importorskip("sklearn.base")
        assert base.is_regressor(GraphRegressor())
        assert [base.is_classifier(kind()) for kind in ESTIMATORS] == [False, True, True]


class TestGraphRegressor:
    @pytest.mark.parametrize("shape", [(40,), (40, 1), (40, 2)])
    def test_predictions_have_the_shape_of_y(self, shape):
        y = np.resize(BOILING, shape)
        assert GraphRegressor(epochs=2).fit(GRAPHS, y).predict(GRAPHS[:3]).shape == (3, *shape[1:])

    def test_is_fit_with_the_same_settings(self):
        """What the estimator does, by hand."""
        model, batch = small(scale=gn.Rescale()), gn.pack(GRAPHS)
        estimator = GraphRegressor(
            model, loss=gn.mean_absolute_error, optimizer=gn.adam(0.02), epochs=7, batch_size=16, random_state=3
        ).fit(GRAPHS, BOILING)
        params, history = gn.fit(
            model, model.init(3, batch), batch, BOILING, loss=gn.mean_absolute_error, optimizer=gn.adam(0.02),
            epochs=7, batch_size=16, seed=3,
        )  # fmt: skip
        assert estimator.history_.steps == history.steps
        assert estimator.model_ is model
        for name, value in params.items():
            np.testing.assert_array_equal(estimator.params_[name], value)
        np.testing.assert_array_equal(estimator.predict(batch), gn.predict(model, params, batch, 16))

    def test_alkanes_are_learned(self):
        train, test = np.arange(4, 150) % 5 != 0, np.arange(4, 150) % 5 == 0
        batch, y = gn.pack(DATA.graphs)[4:], DATA.boiling_points[4:]
        assert GraphRegressor().fit(batch[train], y[train]).score(batch[test], y[test]) > 0.97

    @pytest.mark.parametrize(("shift", "scale"), [(0, 1), (1e8, 1e3), (0, 1e-170), (-5, 1e160)])
    def test_any_scale_of_inputs(self, shift, scale):
        rows = ROWS * scale + shift
        wanted = GraphRegressor(epochs=100).fit(ROWS, LINE).score(ROWS, LINE)
        assert GraphRegressor(epochs=100).fit(rows, LINE).score(rows, LINE) == pytest.approx(wanted, abs=1e-3)
        assert wanted > 0.95

    @pytest.mark.parametrize("scale", [1e-9, 1e9])
    def test_any_scale_of_targets_and_columns_count_alike(self, scale):
        y = np.stack([LINE, LINE**2 * scale], axis=1)
        assert GraphRegressor(epochs=100).fit(ROWS, y).score(ROWS, y) > 0.9

    def test_a_row_is_a_graph_of_one_node(self):
        rows = [gn.Graph(row[None]) for row in ROWS]
        by_table, by_graphs = (GraphRegressor(epochs=5).fit(given, LINE) for given in (ROWS, rows))
        np.testing.assert_allclose(by_table.predict(rows), by_graphs.predict(ROWS), rtol=1e-9)

    def test_float32_stays(self):
        estimator = GraphRegressor(epochs=2).fit(ROWS.astype(np.float32), LINE)
        assert {value.dtype for value in estimator.params_.values()} == {np.dtype(np.float32)}
        assert estimator.predict(ROWS.astype(np.float32)).dtype == np.float32

    def test_validation_is_held_out_and_ends_the_training(self):
        noise = np.random.default_rng(1).normal(size=len(ROWS))
        estimator = GraphRegressor(epochs=300, validation_fraction=0.25, patience=5).fit(ROWS, noise)
        history = estimator.history_
        assert "no lower loss for 5 epochs" in history.stopped
        assert len(history.validation_loss) == history.best_epoch + 6

    def test_what_is_held_out_keeps_its_targets(self):
        estimator = GraphRegressor(epochs=100, validation_fraction=0.25).fit(ROWS, LINE)
        assert estimator.history_.validation_loss[-1] < 0.1  # in variances of y
        assert estimator.score(ROWS, LINE) > 0.9

    def test_the_same_seed_gives_the_same_bits_and_another_does_not(self):
        a, b, c = (GraphRegressor(epochs=3, batch_size=16, random_state=seed).fit(ROWS, LINE) for seed in (1, 1, 2))
        assert a.predict(ROWS).tobytes() == b.predict(ROWS).tobytes() != c.predict(ROWS).tobytes()

    def test_nothing_that_came_in_is_changed(self):
        rows, y, state = ROWS.copy(), LINE.copy(), np.random.get_state()[1].copy()  # noqa: NPY002 - must not move
        GraphRegressor(epochs=2, validation_fraction=0.2).fit(rows, y).predict(rows)
        np.testing.assert_array_equal(rows, ROWS)
        np.testing.assert_array_equal(y, LINE)
        assert (np.random.get_state()[1] == state).all()  # noqa: NPY002 - must not move

    def test_callbacks_are_asked(self):
        class Count:
            epochs = 0

            def after_epoch(self, run):
                self.epochs += 1

        count = Count()
        GraphRegressor(epochs=4, callbacks=[count]).fit(ROWS, LINE)
        assert count.epochs == 4

    def test_survives_pickling(self):
        estimator = GraphRegressor(epochs=2).fit(GRAPHS, BOILING)
        again = pickle.loads(pickle.dumps(estimator))
        np.testing.assert_array_equal(again.predict(GRAPHS), estimator.predict(GRAPHS))


class TestGraphClassifier:
    @pytest.mark.parametrize(
        "labels",
        [HEAVY, HEAVY == "heavy", np.where(HEAVY == "heavy", 7, -1), HEAVY.astype(object), np.arange(40) // 14],
        ids=["strings", "booleans", "numbers", "objects", "three"],
    )
    def test_labels_of_any_kind_come_back(self, labels):
        estimator = GraphClassifier(epochs=150).fit(GRAPHS, labels)
        assert estimator.classes_.tolist() == sorted(set(labels.tolist()))
        assert set(estimator.predict(GRAPHS).tolist()) <= set(labels.tolist())
        assert estimator.score(GRAPHS, labels) > 0.9

    def test_probabilities(self):
        estimator = GraphClassifier(epochs=20).fit(GRAPHS, HEAVY)
        chances = estimator.predict_proba(GRAPHS)
        assert chances.shape == (40, 2)
        assert chances.dtype == np.float64
        np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-15)
        assert (estimator.classes_[chances.argmax(axis=1)] == estimator.predict(GRAPHS)).all()
        logits = estimator.model_(estimator.params_, GRAPHS)
        np.testing.assert_allclose(np.log(chances[:, 0] / chances[:, 1]), logits[:, 0] - logits[:, 1], rtol=1e-9)

    def test_probabilities_of_a_float32_model_are_float64(self):
        chances = GraphClassifier(epochs=2).fit(ROWS.astype(np.float32), SIDE).predict_proba(ROWS.astype(np.float32))
        assert chances.dtype == np.float64
        np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-15)

    def test_a_column_is_taken_with_a_warning(self):
        with pytest.warns(UserWarning, match="column-vector y"):
            GraphClassifier(epochs=1).fit(GRAPHS, HEAVY[:, None])


class TestNodeClassifier:
    def test_two_known_members_place_the_club(self):
        estimator = NodeClassifier().fit(CLUB.graph, np.where(SEEN, CLUB.labels, np.nan))
        assert estimator.score(CLUB.graph, np.where(SEEN, np.nan, CLUB.labels)) > 0.9
        assert estimator.predict_proba(CLUB.graph).shape == (34, 2)

    @pytest.mark.parametrize("none", [None, float("nan")])
    def test_nodes_without_a_label_teach_nothing(self, none):
        names = np.where(CLUB.labels == CLUB.labels[0], "a", "b").astype(object)
        names[~SEEN] = none
        by_names = NodeClassifier(epochs=5).fit(CLUB.graph, names)
        codes, model = (CLUB.labels != CLUB.labels[0]).astype(int), by_names.model_
        by_mask, _ = gn.fit(
            model, model.init(0, CLUB.graph), CLUB.graph, codes, loss=gn.cross_entropy, per="node", mask=SEEN, epochs=5,
        )  # fmt: skip
        assert by_names.classes_.tolist() == ["a", "b"]
        for name, value in by_mask.items():
            np.testing.assert_array_equal(by_names.params_[name], value)

    def test_minus_one_and_one_are_two_classes(self):
        signs = 2 * CLUB.labels - 1
        assert NodeClassifier(epochs=1).fit(CLUB.graph, signs).classes_.tolist() == [-1, 1]

    def test_labels_graph_by_graph(self):
        graphs = [CLUB.graph, CLUB.graph]
        one = NodeClassifier(epochs=3).fit(graphs, np.tile(CLUB.labels, 2))
        two = NodeClassifier(epochs=3).fit(graphs, [CLUB.labels, CLUB.labels])
        np.testing.assert_array_equal(one.predict_proba(graphs), two.predict_proba(graphs))

    def test_validation_holds_out_labels_not_nodes(self):
        labels = np.where(np.arange(34) % 2 == 0, CLUB.labels, np.nan)
        estimator = NodeClassifier(epochs=5, validation_fraction=0.3).fit(CLUB.graph, labels)
        assert len(estimator.history_.validation_loss) == 5
        assert estimator.predict(CLUB.graph).shape == (34,)

    def test_the_score_is_over_given_labels(self):
        estimator = NodeClassifier(epochs=30).fit(CLUB.graph, CLUB.labels)
        right = estimator.predict(CLUB.graph) == CLUB.labels
        some = np.where(right, np.nan, CLUB.labels)
        some[np.flatnonzero(right)[0]] = CLUB.labels[right][0]
        assert estimator.score(CLUB.graph, some) == pytest.approx(1 / (1 + (~right).sum()))


FITTED = GraphRegressor(epochs=1).fit(ROWS, LINE)
BAD = {
    "no targets": (lambda: GraphRegressor().fit(ROWS, None), ValueError, "GraphRegressor requires y to be passed"),
    "too few targets": (lambda: GraphRegressor().fit(GRAPHS, BOILING[:3]), ValueError, "3 entries.* 40 graphs"),
    "nan target": (lambda: GraphRegressor().fit(ROWS, LINE * np.nan), ValueError, r"Input y contains NaN at \[0\]"),
    "targets of three dimensions": (lambda: GraphRegressor().fit(ROWS, LINE[:, None, None]), ValueError, r"\(n, t\)"),
    "text": (lambda: GraphRegressor().fit([["a"], ["b"]], [1, 2]), ValueError, "X has dtype <U1, wanted numbers"),
    "ragged": (lambda: GraphRegressor().fit([[1.0], [1.0, 2.0]], [1, 2]), ValueError, "rows of different lengths"),
    "one row": (lambda: GraphRegressor().fit(ROWS[0], LINE), ValueError, r"got shape \(3,\). Reshape your data"),
    "infinite": (lambda: FITTED.predict(ROWS / 0.0), ValueError, r"Input X contains infinity at \[0, 0\]"),
    "sparse": (lambda: FITTED.predict(scipy.sparse.csr_array(ROWS)), TypeError, "not supported; give table.toarray"),
    "no graphs": (lambda: FITTED.predict([]), ValueError, r"0 sample\(s\)"),
    "other features": (lambda: FITTED.predict(GRAPHS), ValueError, "5 features, but GraphRegressor is expecting 3"),
    "not fitted": (lambda: GraphRegressor().predict(ROWS), ValueError, r"not fitted yet; call fit\(graphs, y\)"),
    "a number as a graph": (lambda: FITTED.predict(3), TypeError, "cannot make a graph of int"),
    "a model of another width": (
        lambda: GraphRegressor(small(3)).fit(GRAPHS, BOILING), ValueError,
        r"gives shape \(40, 3\), y needs \(40, 1\), a row for each graph; end it in a pool",
    ),
    "a model without a pool": (
        lambda: GraphRegressor(gn.GraphConv(1)).fit(GRAPHS, BOILING), ValueError, "the model gives a Batch",
    ),
    "no model": (lambda: GraphRegressor("gcn").fit(GRAPHS, BOILING), TypeError, "model must be a layer .* got 'gcn'"),
    "no seed": (lambda: GraphRegressor(random_state=None).fit(ROWS, LINE), TypeError, "whole number, got None"),
    "everything held out": (
        lambda: GraphRegressor(validation_fraction=0.99).fit(ROWS, LINE), ValueError, "leaves none to learn from",
    ),
    "fraction": (lambda: GraphRegressor(validation_fraction=2).fit(ROWS, LINE), ValueError, "below 1, got 2"),
    "misspelt": (lambda: GraphRegressor().set_params(epoch=3), ValueError, "'epoch'.*; did you mean 'epochs'"),
    "one class": (lambda: GraphClassifier().fit(ROWS, [1] * 60), ValueError, r"1 class only \(1\); a classifier needs"),
    "continuous": (lambda: GraphClassifier().fit(ROWS, LINE), ValueError, "Unknown label type: continuous.*Regressor"),
    "infinite label": (lambda: GraphClassifier().fit(ROWS, [0, np.inf] * 30), ValueError, "Unknown label type"),
    "mixed": (
        lambda: GraphClassifier().fit(ROWS, np.array([1, "a"] * 30, object)), ValueError, "label type: .*int and str",
    ),
    "missing label": (lambda: GraphClassifier().fit(ROWS, [None, 1] * 30), ValueError, "contains NaN or None"),
    "table of labels": (lambda: GraphClassifier().fit(ROWS, np.ones((60, 2))), ValueError, r"1d array.*\(60, 2\)"),
    "score of too few": (
        lambda: GraphClassifier(epochs=1).fit(ROWS, SIDE).score(ROWS, SIDE[:5]), ValueError, "5 entries.*60 graphs",
    ),
    "no label at all": (lambda: NodeClassifier().fit(CLUB.graph, [None] * 34), ValueError, "no label, all 34 entries"),
    "a label short": (lambda: NodeClassifier().fit(CLUB.graph, CLUB.labels[1:]), ValueError, "33 entries.*34 nodes"),
    "labels of other graphs": (
        lambda: NodeClassifier().fit([CLUB.graph] * 2, [CLUB.labels[:33], np.append(CLUB.labels, 1)]), ValueError,
        r"arrays of \[33, 35\] labels, the graphs have \[34, 34\] nodes",
    ),
    "minus one": (
        lambda: NodeClassifier().fit(CLUB.graph, np.where(np.arange(34) < 3, -1, CLUB.labels)), ValueError,
        r"-1 beside 2 other labels; mark nodes without a label by nan",
    ),
    "nothing to score": (
        lambda: NodeClassifier(epochs=1).fit(CLUB.graph, CLUB.labels).score(CLUB.graph, [None] * 34), ValueError,
        "no label to score against",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_errors(case):
    call, error, says = BAD[case]
    with pytest.raises(error, match=says):
        call()


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_repr_shows_what_was_chosen_and_rebuilds(kind):
    assert repr(kind()) == f"{kind.__name__}()"
    estimator = kind(small(), epochs=3, optimizer=gn.adam(0.1))
    again = eval(repr(estimator), {**vars(gn), kind.__name__: kind})
    assert again.get_params() == estimator.get_params()


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_settings_change_by_name(kind):
    estimator = kind().set_params(epochs=3, random_state=5)
    assert (estimator.get_params()["epochs"], estimator.random_state) == (3, 5)


def test_they_work_without_scikit_learn():
    program = """
import sys
sys.modules["sklearn"] = None  # as if it were not installed
import numpy as np
from graphnn.estimators import GraphClassifier, GraphRegressor, NodeClassifier
x, y = np.eye(4), np.array([0, 1, 0, 1])
for kind in (GraphRegressor, GraphClassifier, NodeClassifier):
    print(kind(epochs=2).fit(x, y).predict(x).shape, kind(epochs=2).fit(x, y).score(x, y) <= 1)
    try:
        kind().predict(x)
    except ValueError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("(4,) True") == done.stdout.count("is not fitted yet") == 3


def test_importing_them_does_not_import_scikit_learn():
    program = "import sys, graphnn.estimators; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_graphs_of_every_shape_go_through():
    graphs = cases.graphs("two_sizes")
    y = np.arange(len(graphs), dtype=float)
    assert GraphRegressor(epochs=2).fit(graphs, y).predict(graphs).shape == y.shape
