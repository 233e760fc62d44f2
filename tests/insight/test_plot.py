"""Pictures say what the numbers say: marks where the points are, scores as a third party computes them."""

from __future__ import annotations

import subprocess
import sys

import networkx as nx
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from graphnn.insight import plot
from graphnn.insight.plot import (
    Classes,
    LossPanel,
    Pairs,
    ScatterPanel,
    confusion_matrix,
    graph_scores,
    loss_curves,
    predicted_vs_actual,
)


@pytest.fixture
def ax():
    figure = Figure(figsize=(4, 4))
    FigureCanvasAgg(figure)
    return figure.add_axes((0.15, 0.15, 0.8, 0.8))


def rendered(ax):
    ax.figure.canvas.draw()
    return np.asarray(ax.figure.canvas.buffer_rgba()).copy()


def luminance(color):
    linear = np.array(to_rgb(color)) ** 2.2
    return linear @ (0.2126, 0.7152, 0.0722)


class TestPairs:
    def test_rmse_and_r2_are_those_of_scikit_learn(self):
        metrics = pytest.importorskip("sklearn.metrics")
        rng = np.random.default_rng(0)
        actual, predicted = rng.normal(size=(2, 40, 3))
        pairs = Pairs.of(predicted, actual)
        assert pairs.rmse == pytest.approx(
            np.sqrt(metrics.mean_squared_error(actual.ravel(), predicted.ravel()))
        )
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


class TestPredictedVsActual:
    def test_marks_lie_where_the_points_are(self, ax):
        predicted_vs_actual([1.0, 2.5], [1.5, 2.0], validation=([4.0], [3.0]), ax=ax)
        train, validation = (marks.get_offsets().tolist() for marks in ax.collections)
        assert (train, validation) == ([[1.5, 1.0], [2.0, 2.5]], [[3.0, 4.0]])

    def test_both_axes_show_the_same_range_and_hold_every_point(self, ax):
        predicted_vs_actual([-3.0, 2.0], [0.0, 9.0], ax=ax)
        assert ax.get_xlim() == ax.get_ylim()
        assert ax.get_xlim()[0] < -3
        assert ax.get_xlim()[1] > 9
        assert ax.get_aspect() == 1

    def test_the_table_names_both_sets_and_the_baseline(self, ax):
        panel = ScatterPanel(ax, baseline=("mean", 1234.5))
        panel.update(Pairs.of([1.0, 2.0], [1.0, 2.2]), Pairs.of([0.0, 3.0], [1.0, 2.0]))
        assert panel.table.text() == [
            ["", "RMSE", "R²"],
            ["train", "0.141", "0.944"],
            ["validation", "1.00", "−3.000"],
            ["mean", "1230", ""],
        ]

    def test_a_set_that_goes_takes_its_row_and_its_marks_along(self, ax):
        panel = ScatterPanel(ax)
        panel.update(Pairs.of([1.0], [1.0]), Pairs.of([1.0], [1.0]))
        panel.update(Pairs.of([1.0], [1.0]))
        assert [row[0] for row in panel.table.text()] == ["", "train"]
        assert not panel.marks["validation"].get_visible()

    def test_the_worst_validation_points_are_named(self, ax):
        actual = np.arange(10.0)
        predicted = actual + np.array([0, 0, 3, 0, 0, -2, 0, 0, 1, 0])
        names = {"train": list("abcdefghij"), "validation": [f"v{i}" for i in range(10)]}
        predicted_vs_actual(actual, actual, validation=(predicted, actual), labels=names, ax=ax)
        assert {text.get_text() for text in ax.texts if text.get_visible()} == {"v2", "v5", "v8"}

    def test_names_do_not_cover_each_other(self, ax):
        actual = np.array([0.0, 1.0, 5.0, 5.05, 5.1])
        predicted_vs_actual(actual + np.array([0, 0, 2, 2, 2]), actual, labels=["molecule"] * 5, ax=ax)
        rendered(ax)
        boxes = [
            Text.get_window_extent(text) for text in ax.texts if text.get_visible()
        ]  # without the leader
        assert len(boxes) >= 2
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])

    def test_the_table_leaves_a_corner_full_of_points(self, ax):
        panel = ScatterPanel(ax)
        actual = np.linspace(0, 10, 50)
        panel.update(Pairs.of(10 - 0.1 * actual, actual))
        assert panel.table.corner == "lower right"

    def test_several_targets_have_shades(self, ax):
        predicted_vs_actual(np.zeros((4, 3)), np.ones((4, 3)), ax=ax)
        assert len(np.unique(ax.collections[0].get_facecolors(), axis=0)) == 3

    @pytest.mark.parametrize("n", [0, 1, 2, 5000])
    def test_any_number_of_points(self, ax, n):
        values = np.linspace(0, 1, n)
        predicted_vs_actual(values, values, labels=range(n), ax=ax)
        rendered(ax)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
    def test_what_is_not_finite_is_left_out(self, ax, bad):
        predicted_vs_actual([1.0, bad, 2.0], [1.0, 2.0, 3.0], labels=list("abc"), ax=ax)
        rendered(ax)
        assert np.isfinite(ax.get_xlim()).all()

    def test_many_points_are_smaller_and_more_transparent(self, ax):
        panel, looks = ScatterPanel(ax), []
        for n in (10, 150, 5000):
            panel.update(Pairs.of(np.zeros(n), np.zeros(n)))
            looks.append((panel.marks["train"].get_sizes()[0], panel.marks["train"].get_facecolors()[0, 3]))
        assert looks == sorted(looks, reverse=True)
        assert len({size for size, _ in looks}) == 3

    def test_limits_stay_while_the_points_move_a_little(self, ax):
        panel = ScatterPanel(ax)
        panel.update(Pairs.of([0.0, 10.0], [0.0, 10.0]))
        before = ax.get_xlim()
        panel.update(Pairs.of([0.2, 9.9], [0.1, 10.1]))
        assert ax.get_xlim() == before
        panel.update(Pairs.of([0.2, 11.0], [0.1, 10.1]))
        assert ax.get_xlim() != before

    def test_updates_make_no_new_artists(self, ax):
        panel, counts = ScatterPanel(ax), set()
        for n in (3, 5, 2):
            panel.update(Pairs.of(np.arange(n), np.arange(n), range(n)))
            rendered(ax)
            counts.add(len(ax.get_children()))
        assert len(counts) == 1

    def test_uncertainty_bars_reach_as_far_as_said(self, ax):
        predicted_vs_actual([1.0, 2.0], [1.0, 2.0], spread=[[0.5, 0.25], [1.0, 4.0]], ax=ax)
        bars = ax.collections[-1].get_segments()
        assert [bar[:, 1].tolist() for bar in bars] == [[0.5, 2.0], [1.75, 6.0]]
        assert ax.get_ylim()[1] > 6

    @pytest.mark.parametrize(
        "spread", [[1.0], [[1.0, 1.0]], [-1.0, 1.0]], ids=["length", "shape", "negative"]
    )
    def test_uncertainty_that_does_not_fit(self, ax, spread):
        with pytest.raises(ValueError, match=r"give \(2,\) half-lengths or \(2, 2\)"):
            predicted_vs_actual([1.0, 2.0], [1.0, 2.0], spread=np.array(spread), ax=ax)

    def test_labels_for_an_unknown_set(self, ax):
        with pytest.raises(KeyError, match="labels has no place for"):
            predicted_vs_actual([1.0], [1.0], labels={"test": ["a"]}, ax=ax)

    def test_arguments_are_not_written_to(self, ax):
        arrays = [np.array([3.0, 1.0, np.nan]) for _ in range(4)]
        for array in arrays:
            array.flags.writeable = False
        predicted_vs_actual(*arrays[:2], validation=tuple(arrays[2:]), ax=ax)

    def test_the_point_under_the_mouse_is_named(self, ax):
        panel = ScatterPanel(ax)
        panel.update(Pairs.of([1.0, 2.0], [1.0, 3.0], ["water", "ethanol"]))
        x, y = ax.transData.transform((3.0, 2.0))
        assert panel.point_out(x + 2, y - 2)
        assert panel.hint.get_text() == "ethanol  (train)\nactual 3.00, predicted 2.00"
        assert not panel.point_out(x + 2, y - 2)
        assert panel.point_out(x + 30, y - 30)
        assert not panel.hint.get_visible()


class TestLossCurves:
    @pytest.mark.parametrize(
        ("loss", "scale"),
        [([100.0, 1.0], "log"), ([2.0, 1.0], "linear"), ([100.0, 0.0], "linear"), ([100.0, -1.0], "linear")],
    )
    def test_logarithmic_only_over_a_wide_range_above_zero(self, ax, loss, scale):
        assert loss_curves(loss, ax=ax).get_yscale() == scale

    def test_the_best_validation_is_ringed(self, ax):
        panel = LossPanel(ax)
        panel.update([3.0, 2.0, 1.0], validation=[3.0, np.nan, 2.0, 2.5], validation_steps=[10, 20, 30, 40])
        assert panel.best.get_xydata().tolist() == [[30.0, 2.0]]
        assert panel.table.text()[-1] == ["best, epoch 30", "2.00"]

    def test_a_scale_that_became_logarithmic_stays(self, ax):
        panel, scales = LossPanel(ax), []
        for loss in ([100.0, 1.0], [9.0, 3.0], [9.0, -3.0]):
            panel.update(loss)
            scales.append(ax.get_yscale())
        assert scales == ["log", "log", "linear"]

    @pytest.mark.parametrize(
        "loss", [[], [1.0], [1.0, 1.0], [0.0, 0.0], [np.nan], [np.inf, 1.0, np.nan]], ids=str
    )
    def test_any_losses_can_be_drawn(self, ax, loss):
        rendered(loss_curves(loss, validation=loss, ax=ax))

    def test_the_table_leaves_the_curve_free(self, ax):
        panel = LossPanel(ax)
        panel.update(np.linspace(0, 1, 200))
        assert panel.table.corner != "upper right"

    def test_steps_that_do_not_fit(self, ax):
        with pytest.raises(ValueError, match="2 values came with 1 steps; give one step per value"):
            loss_curves([1.0, 2.0], steps=[0], ax=ax)


class TestConfusionMatrix:
    def test_shows_the_counts(self, ax):
        confusion_matrix(np.eye(2)[[0, 1, 1]], np.array([0, 1, 0]), ax=ax)
        assert [text.get_text() for text in ax.texts] == ["1", "1", "0", "1", "accuracy   train 0.667"]

    def test_shows_validation_where_there_is_one(self, ax):
        scores, actual = np.eye(2)[[0, 1]], np.array([0, 1])
        confusion_matrix(scores, actual, validation=(scores, 1 - actual), ax=ax)
        assert [text.get_text() for text in ax.texts][:4] == ["0", "1", "1", "0"]
        assert ax.texts[-1].get_text() == "accuracy   train 1.000   validation 0.000"

    def test_twenty_classes_are_shaded_only(self, ax):
        confusion_matrix(np.eye(20), np.arange(20), ax=ax)
        rendered(ax)
        assert len(ax.texts) == 1


class TestGraphScores:
    def test_nodes_are_coloured_by_score_and_named(self, ax):
        graph = nx.karate_club_graph()
        scores = nx.pagerank(graph)
        graph_scores(graph, scores, name="PageRank", ax=ax)
        nodes = ax.collections[-1]
        np.testing.assert_allclose(nodes.get_array(), [scores[v] for v in graph])
        assert [text.get_text() for text in ax.texts] == [str(v) for v in graph]
        rendered(ax)

    def test_classes_get_a_legend_and_a_colour_each(self, ax):
        graph = nx.karate_club_graph()
        graph_scores(graph, [graph.nodes[v]["club"] for v in graph], name="club", ax=ax)
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["Mr. Hi", "Officer"]
        assert [len(marks.get_offsets()) for marks in ax.collections[1:]] == [17, 17]

    def test_the_same_seed_gives_the_same_picture(self):
        pictures = []
        for _ in range(2):
            figure = Figure(figsize=(4, 3))
            FigureCanvasAgg(figure)
            pictures.append(rendered(graph_scores(nx.path_graph(5), np.arange(5.0), ax=figure.subplots())))
        np.testing.assert_array_equal(*pictures)

    @pytest.mark.parametrize(
        "graph",
        [
            nx.empty_graph(0),
            nx.empty_graph(1),
            nx.empty_graph(4),
            nx.path_graph(4, nx.DiGraph),
            nx.star_graph(200),
        ],
        ids=["empty", "one", "no edges", "directed", "large"],
    )
    def test_any_graph_can_be_drawn(self, ax, graph):
        rendered(graph_scores(graph, np.zeros(len(graph)), ax=ax))

    def test_given_positions_are_kept(self, ax):
        graph_scores(nx.path_graph(2), [0.0, 1.0], positions={0: (5, 6), 1: (7, 8)}, labels={0: "a"}, ax=ax)
        assert ax.collections[-1].get_offsets().tolist() == [[5, 6], [7, 8]]
        assert [text.get_text() for text in ax.texts] == ["a", "1"]

    @pytest.mark.parametrize(
        ("scores", "error", "words"),
        [
            ([1.0, 2.0], ValueError, r"scores \(2,\) came for 3 nodes; give one value per node, \(3,\)"),
            ({0: 1.0, 2: 1.0}, KeyError, "1 of 3 nodes have no score, the first is 1"),
            ([1j, 2j, 3j], TypeError, "dtype complex128"),
        ],
        ids=["length", "missing", "complex"],
    )
    def test_scores_that_do_not_fit(self, ax, scores, error, words):
        with pytest.raises(error, match=words):
            graph_scores(nx.path_graph(3), scores, ax=ax)

    def test_the_graph_and_the_random_state_stay_as_they_were(self, ax):
        graph = nx.karate_club_graph()
        before = nx.to_dict_of_dicts(graph)
        state = np.random.get_state()[1].copy()  # noqa: NPY002 - the global one
        graph_scores(graph, np.arange(34.0), ax=ax)
        assert nx.to_dict_of_dicts(graph) == before
        np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002 - the global one


def test_without_axes_a_pyplot_figure_is_made(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    pyplot = pytest.importorskip("matplotlib.pyplot")
    with pyplot.rc_context():
        pyplot.switch_backend("agg")
        ax = loss_curves([1.0, 2.0], title="Loss")
        try:
            assert pyplot.fignum_exists(ax.figure.number)
            assert ax.get_title(loc="left") == "Loss"
        finally:
            pyplot.close(ax.figure)


def test_text_is_legible_on_dark_paper():
    figure = Figure(facecolor="black")
    FigureCanvasAgg(figure)
    ax = predicted_vs_actual([1.0], [1.0], ax=figure.subplots())
    assert luminance(ax.xaxis.label.get_color()) > 0.6
    assert luminance(ax.get_facecolor()) < 0.1


def test_the_two_colours_differ_for_every_kind_of_sight():
    # Machado et al. 2009 (doi:10.1109/TVCG.2009.113): full protanopia, deuteranopia and tritanopia.
    sights = [
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ]
    colors = np.array([to_rgb(plot.TRAIN), to_rgb(plot.VALIDATION)]) ** 2.2
    for sight in sights:
        seen = np.clip(colors @ np.array(sight).T, 0, 1)
        assert np.linalg.norm(seen[0] - seen[1]) > 0.3


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00"),
        (0.25, "0.250"),
        (9.996, "10.0"),
        (-1234.5, "−1230"),
        (1e-7, "1.00e−07"),
        (np.nan, "nan"),
        (np.inf, "inf"),
        (2e8, "2.00e+08"),
    ],
)
def test_numbers_have_three_figures(value, text):
    assert plot._number(value) == text


def test_importing_the_module_imports_no_matplotlib():
    code = (
        "import sys, graphnn.insight.plot; print(any(name.startswith('matplotlib') for name in sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
