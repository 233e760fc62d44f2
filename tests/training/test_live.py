"""LivePlot draws when it may, says what is true, and never stands in the way of training."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import matplotlib
import networkx as nx
import numpy as np
import pytest
from pretence import ACTUAL, Clock, Model, Run, picture, unhurried

import graphnn as gn
from graphnn.training.live import outputs
from graphnn.training.live.plot import LivePlot

X = np.random.default_rng(0).normal(size=(12, 2))


def two_scores(params):
    return np.zeros(2)


pytestmark = pytest.mark.usefixtures("no_display")


class TestWhenItDraws:
    def test_predictions_are_asked_for_only_when_drawing(self):
        plot, model = unhurried(10, path="live.png"), Model()
        for step in range(35):
            plot(step, 1.0, model, ACTUAL)
        assert model.calls == 4  # steps 0, 10, 20, 30
        plot.close()
        assert model.calls == 5  # step 34

    def test_a_last_state_that_is_drawn_already_is_not_asked_for_again(self):
        plot, model = unhurried(10, path="live.png"), Model()
        for step in range(11):
            plot(step, 1.0, model, ACTUAL)
        plot.close()
        assert model.calls == 2

    def test_the_first_call_is_drawn_wherever_counting_starts(self):
        plot, model = unhurried(10, path="live.png"), Model()
        plot(1, 1.0, model, ACTUAL)
        assert model.calls == 1

    def test_after_a_drawing_of_d_seconds_the_next_waits_twenty_d(self):
        clock = Clock()
        plot, model = LivePlot(1, path="live.png"), Model(clock, seconds=0.5)
        plot.clock = clock
        drawn_at = []
        for step in range(60):
            before = model.calls
            plot(step, 1.0, model, ACTUAL)
            if model.calls > before:
                drawn_at.append(clock.now - 0.5)
            clock.now += 1.0
        assert drawn_at == [0.0, 10.5, 21.0, 31.5, 42.0, 52.5]
        assert 0.5 * model.calls <= 0.05 * clock.now + 0.5  # but for the first drawing

    def test_in_fit_every_counts_epochs(self):
        run, plot = Run(), unhurried(5, path="live.png")
        run.go(plot, 12)
        assert run.asked == 4  # epochs 0, 5, 10 and the end

    def test_the_end_of_fit_is_drawn_anew(self):
        # fit may have gone back to its best parameters after the last epoch was drawn
        run, plot = Run(), unhurried(5, path="live.png")
        run.go(plot, 11)
        assert run.asked == 4

    def test_a_fit_without_epochs_draws_nothing(self, tmp_path):
        Run().go(unhurried(1), 0)
        assert list(tmp_path.iterdir()) == []

    def test_a_plot_serves_several_fits(self):
        plot, model = unhurried(1, path="live.png"), Run()
        model.go(plot, 3)
        first = picture("live.png")[1]
        Run().go(plot, 3)
        np.testing.assert_array_equal(picture("live.png")[1], first)

    def test_leaving_a_with_block_draws_the_last_state(self):
        model = Model()
        with unhurried(10, path="live.png") as plot:
            for step in range(5):
                plot(step, 1.0, model, ACTUAL)
        assert model.calls == 2
        assert picture("live.png")[0] == (1920, 980)

    def test_garbage_draws_its_last_state(self):
        plot, model = unhurried(10, path="live.png"), Model()
        for step in range(5):
            plot(step, 1.0, model, ACTUAL)
        del plot
        gc.collect()
        assert model.calls == 2

    def test_the_end_of_the_program_draws_the_last_state(self, tmp_path):
        code = """
            import numpy as np
            from graphnn.training.live.plot import LivePlot
            plot = LivePlot(10, budget=np.inf)
            for step in range(5):
                plot(step, 1.0, lambda: print("asked at", step) or np.zeros(3), np.arange(3.0))
        """
        said = subprocess.run(
            [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert (said.stdout, said.stderr) == ("asked at 0\nasked at 4\n", "")
        assert picture(tmp_path / "graphnn-live.png")[0] == (1920, 980)

    def test_a_closed_plot_does_nothing_more(self):
        plot, model = unhurried(10, path="live.png"), Model()
        plot(0, 1.0, model, ACTUAL)
        plot.close()
        Path("live.png").unlink()
        plot.close()
        del plot
        gc.collect()
        assert not Path("live.png").exists()


class TestWhatItDraws:
    def shown(self, plot):
        return plot._picture.panels

    def test_points_losses_and_scores(self):
        plot = unhurried(1, path="live.png", baseline=("mean", 0.5), units="eV", title="Energies")
        plot(0, 4.0, ACTUAL, ACTUAL, validation=(ACTUAL[:3] + 1, ACTUAL[:3]), validation_value=5.0)
        plot(1, 3.0, ACTUAL, ACTUAL, validation=(ACTUAL[:3] + 2, ACTUAL[:3]), validation_value=6.0)
        curves, points, _ = self.shown(plot)
        assert points.table.text() == [
            ["", "RMSE", "R²"],
            ["train", "0.00", "1.000"],
            ["validation", "2.00", "−180"],
            ["mean", "0.500", ""],
        ]
        assert curves.table.text() == [["train", "3.00"], ["validation", "6.00"], ["best, step 0", "5.00"]]
        assert (points.ax.get_xlabel(), curves.ax.get_xlabel()) == ("actual (eV)", "step")
        assert points.ax.get_title(loc="left") == "Energies"

    def test_fit_shows_its_history(self):
        run, plot = Run(validation=lambda: (ACTUAL[:4], ACTUAL[:4])), unhurried(1, path="live.png")
        run.history.loss += [3.0, 2.0]
        run.history.validation_loss += [3.0, 4.0]
        run.epoch = 1
        plot.after_epoch(run)
        curves, points, _ = self.shown(plot)
        assert curves.train.get_xydata().tolist() == [[0, 3], [1, 2]]
        assert curves.best.get_xydata().tolist() == [[0, 3]]
        assert (curves.ax.get_xlabel(), len(points.shown["validation"].actual)) == ("epoch", 4)

    def test_points_may_grow_from_call_to_call(self):
        plot = unhurried(1, path="live.png")
        for fold in range(1, 5):
            plot(fold, 1.0, ACTUAL[: 3 * fold], ACTUAL[: 3 * fold], labels=range(3 * fold))
            assert len(self.shown(plot)[1].marks["train"].get_offsets()) == 3 * fold

    def test_a_restart_forgets_the_losses_and_keeps_the_picture(self):
        plot = unhurried(1, path="live.png")
        plot(0, 9.0, ACTUAL, ACTUAL, validation_value=8.0)
        before = self.shown(plot)
        plot.restart()
        plot(0, 5.0, ACTUAL, ACTUAL)
        assert self.shown(plot) is before
        assert before[0].table.text() == [["train", "5.00"]]

    def test_classes_get_a_confusion_matrix(self):
        plot, labels = unhurried(1, path="live.png", baseline=0.5), np.array([0, 1, 1])
        plot(0, 1.0, np.eye(2)[[0, 1, 0]], labels, validation=(np.eye(2)[[0, 1, 1]], labels))
        heading = self.shown(plot)[1].heading.get_text()
        assert heading == "accuracy   train 0.667   validation 1.000   baseline 0.500"

    def test_drawings_make_no_new_artists_and_no_new_figures(self):
        plot, counts = unhurried(1, path="live.png", labels=range(12)), set()
        for step in range(6):
            plot(step, 10.0**-step, ACTUAL * step, ACTUAL)
            counts.add(len(plot._picture.output.figure.findobj(match=matplotlib.collections.Collection)))
        assert len(counts) == 1

    def test_the_picture_is_the_same_under_all_rcparams(self):
        pictures = []
        for settings in (
            {},
            {"font.size": 30, "axes.grid": True, "savefig.bbox": "tight", "lines.linewidth": 9},
        ):
            with matplotlib.rc_context(settings), unhurried(1, path="live.png") as plot:
                plot(0, 1.0, ACTUAL, ACTUAL)
            pictures.append(picture("live.png")[1])
        np.testing.assert_array_equal(*pictures)


class TestSafety:
    def test_a_full_disk_ends_the_drawing_with_one_warning(self, monkeypatch, tmp_path):
        def full(*_):
            raise OSError(28, "No space left on device")

        plot, model = unhurried(1, path="live.png"), Model()
        monkeypatch.setattr(outputs.os, "replace", full)
        with pytest.warns(RuntimeWarning, match="stops drawing, training goes on: OSError.*No space left") as caught:
            for step in range(5):
                plot(step, 1.0, model, ACTUAL)
            plot.close()
        assert (len(caught), model.calls, list(tmp_path.iterdir())) == (1, 1, [])
        assert caught[0].filename == __file__

    def test_a_path_that_cannot_be_written_is_named_before_any_step(self, tmp_path):
        (tmp_path / "run.png").mkdir()
        with pytest.raises(NotADirectoryError, match="it is no file"):
            gn.LivePlot(path=tmp_path / "run.png")
        (tmp_path / "file").write_text("not a folder")
        with pytest.raises(NotADirectoryError, match=r"LivePlot: path=.*file is no folder"):
            gn.LivePlot(path=tmp_path / "file" / "live.png")

    def test_panels_are_a_list(self):
        with pytest.raises(TypeError, match=r"give a list, panels=\[GradientPanel\(\.\.\.\)\]"):
            gn.LivePlot(path="live.png", panels=gn.GradientPanel())

    def test_scores_that_do_not_fit_are_named_before_the_first_step(self):
        panel = gn.NodePanel(nx.path_graph(3), two_scores)
        history = None
        with pytest.raises(ValueError, match=r"NodePanel: scores \(2,\) came for 3 nodes"):
            _, history = gn.fit(
                gn.Dense(1), gn.Dense(1).init(0, X), X, X[:, :1], epochs=2,
                callbacks=[gn.LivePlot(path="live.png", panels=[panel])],
            )  # fmt: skip
        assert history is None

    @pytest.mark.parametrize("first", [True, False])
    def test_the_last_picture_is_of_the_parameters_fit_returns(self, first):
        seen = []

        class Looking:
            def draw(self, ax, view):
                seen.append(view.params)

        plot = unhurried(1, path="live.png", panels=[Looking()])
        stopping = gn.EarlyStopping(patience=2)
        y = X[:, :1]
        params, history = gn.fit(
            gn.Dense(1), gn.Dense(1).init(0, X), X, y, validation=(X, -y), epochs=9, optimizer=gn.sgd(0.05),
            callbacks=[plot, stopping] if first else [stopping, plot],
        )  # fmt: skip
        assert len(history.loss) > history.best_epoch + 1
        np.testing.assert_array_equal(seen[-1]["weight"], params["weight"])

    def test_a_folder_that_cannot_be_made_ends_the_drawing(self, tmp_path):
        plot = unhurried(1, path=tmp_path / "file" / "live.png")
        (tmp_path / "file").write_text("not a folder")
        with pytest.warns(RuntimeWarning, match="stops drawing"):
            plot(0, 1.0, ACTUAL, ACTUAL)

    def test_what_the_users_function_raises_is_the_users(self):
        def broken():
            raise KeyError("weight")

        with pytest.raises(KeyError, match="weight"):
            unhurried(1, path="live.png")(0, 1.0, broken, ACTUAL)
        assert not Path("live.png").exists()

    def test_an_error_under_way_is_not_hidden_by_the_plot(self):
        def predicted():
            raise ZeroDivisionError("a second error")

        def train():
            with unhurried(10, path="live.png") as plot:
                plot(0, 1.0, ACTUAL, ACTUAL)
                plot(1, 1.0, predicted, ACTUAL)
                raise ArithmeticError("training diverged")

        with (
            pytest.warns(RuntimeWarning, match="a second error"),
            pytest.raises(ArithmeticError, match="diverged"),
        ):
            train()

    @pytest.mark.parametrize(
        "answer",
        [(np.zeros(3), np.zeros(4)), ({"a": 1}, {"a": 1}), (np.zeros((2, 2)), np.array([0, 7])), None],
        ids=str,
    )
    def test_in_fit_no_predictions_can_stop_training(self, answer):
        run = Run(train=lambda: answer)
        with pytest.warns(RuntimeWarning, match="stops drawing, training goes on") as caught:
            run.go(unhurried(1, path="live.png"), 3)
        assert len(caught) == 1

    @pytest.mark.parametrize("predicted", [np.zeros((12, 1)), lambda: np.zeros((12, 1))], ids=["array", "function"])
    def test_shapes_that_do_not_fit_are_an_error_at_once(self, predicted):
        plot = unhurried(1, path="live.png")
        with pytest.raises(ValueError, match=r"LivePlot: predicted \(12, 1\) and actual \(12,\) came; give both"):
            plot(0, 1.0, predicted, ACTUAL)

    def test_an_array_that_does_not_fit_is_an_error_even_when_nothing_is_drawn(self):
        plot = unhurried(10, path="live.png")
        plot(0, 1.0, ACTUAL, ACTUAL)
        with pytest.raises(ValueError, match="predicted"):
            plot(1, 1.0, ACTUAL, ACTUAL, validation=(ACTUAL[1:], ACTUAL))

    def test_labels_that_do_not_fit_are_an_error(self):
        with pytest.raises(ValueError, match="LivePlot: 2 labels came for 12 points"):
            unhurried(1, path="live.png", labels=["a", "b"])(0, 1.0, ACTUAL, ACTUAL)

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"every": 0}, "every=0 came; give a whole number of steps"),
            ({"every": 2.5}, "every=2.5"),
            ({"budget": 0.0}, "budget=0.0 came; give the share"),
            ({"path": "run.xlsx"}, "path='run.xlsx' came; give a name that ends in .png, .pdf or .svg"),
        ],
        ids=str,
    )
    def test_settings_that_make_no_sense(self, settings, words):
        with pytest.raises(ValueError, match=words):
            LivePlot(**settings)

    def test_nothing_outside_is_touched(self):
        actual, predicted = ACTUAL.copy(), ACTUAL.copy()
        actual.flags.writeable = predicted.flags.writeable = False
        settings = dict(matplotlib.rcParams)
        state = np.random.get_state()[1].copy()  # noqa: NPY002 - the global one
        with unhurried(1, path="live.png", labels=range(12)) as plot:
            plot(0, 1.0, predicted, actual, validation=(predicted, actual))
        assert dict(matplotlib.rcParams) == settings
        np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002 - the global one

    def test_neither_import_nor_drawing_to_a_file_imports_pyplot(self, tmp_path):
        code = """
            import sys
            import numpy as np
            from graphnn.training.live.plot import LivePlot
            print([name for name in sys.modules if name.startswith("matplotlib")])
            with LivePlot(path="live.png") as plot:
                plot(0, 1.0, np.zeros(3), np.zeros(3))
            print("matplotlib.pyplot" in sys.modules)
        """
        said = subprocess.run(
            [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert said.stdout == "[]\nFalse\n"


class TestTwoClassesInOneColumn:
    def test_a_confusion_matrix_is_drawn_and_stays(self):
        with unhurried(1, path="live.png") as plot:
            plot(0, 1.0, np.array([[2.0], [-1.0]]), np.array([[1.0], [0.0]]))
            plot(1, 1.0, np.array([[2.0], [1.0]]), np.array([[1.0], [1.0]]))  # a mini-batch of one class
            assert plot._picture.panels[1].heading.get_text() == "accuracy   train 1.000"


def test_garbage_whose_function_fails_does_not_warn():
    plot, fine = unhurried(10, path="live.png"), [True]

    def model():
        return ACTUAL if fine.pop() else None

    for step in range(5):
        plot(step, 1.0, model, ACTUAL)
    del plot
    gc.collect()


def test_a_path_in_the_place_of_every_is_told():
    with pytest.raises(TypeError, match=r"every='x\.png' came; to save the picture pass path='x\.png'"):
        LivePlot("x.png")


def settled():
    """A small training on graphs, the same bits every time, but for what a callback does to it."""
    rng = np.random.default_rng(0)
    graphs = [gn.Graph(rng.normal(size=(n, 2)), range(n - 1), range(1, n)) for n in (3, 4, 5, 6)]
    model = gn.Sequential(gn.GraphConv(4, gn.tanh), gn.Dropout(0.2), gn.SumPool(), gn.Dense(1))
    batch, y = gn.pack(graphs), rng.normal(size=(4, 1))

    def train(callbacks):
        settings = {"batch_size": 2, "validation": (batch, y), "epochs": 6, "callbacks": callbacks}
        return gn.fit(model, model.init(0, batch), batch, y, **settings)

    return train


def path_scores(params):
    return params["0.graphconv.weight"][0]


class Own:
    """A panel as a user writes it, which also does what it should not: it tries to write into what it is shown."""

    def __init__(self):
        self.views, self.steps, self.begun = [], [], 0

    def begin(self):
        self.begun += 1

    def note(self, moment):
        self.steps.append((moment.step, sorted(moment.grads), moment.params is not None))

    def draw(self, ax, view):
        self.views.append(view)
        ax.clear()
        ax.plot(view.train.residuals)


class TestPanels:
    @pytest.mark.parametrize("show", [None, "file", "terminal"])
    def test_training_has_the_same_bits_with_every_panel_and_without(self, show, capsys):
        if show == "terminal":
            pytest.importorskip("plotext")
        train = settled()
        expected, history = train([])
        panels = [gn.GradientPanel(), gn.NodePanel(nx.path_graph(4), path_scores), Own()]
        recording = gn.Recording(every=1)
        plot = unhurried(1, path="live.png", show=show, panels=panels)
        params, other = train([plot, recording])
        assert other.steps == history.steps
        for name, value in expected.items():
            np.testing.assert_array_equal(params[name], value)
        assert panels[0].steps == list(range(1, 13))
        assert len(recording.moments) == 6
        assert picture("live.png")[0] == (1920, 2 * (490 + 2 * 330))

    def test_a_panel_of_ones_own_is_shown_what_there_is(self):
        own = Own()
        with unhurried(1, path="live.png", panels=[own]) as plot:
            for step in range(3):
                plot(step, 1.0, ACTUAL + 1, ACTUAL, params={"w": 1}, grads={"w": ACTUAL})
        assert own.steps == [(0, ["w"], True), (1, ["w"], True), (2, ["w"], True)]
        assert [view.step for view in own.views] == [0, 1, 2]
        assert own.views[-1].grads["w"] is ACTUAL
        assert own.begun == 1

    def test_a_panel_is_told_of_every_beginning(self):
        own, run = Own(), Run()
        plot = unhurried(1, path="live.png", panels=[own])
        for _ in range(2):
            run.go(plot, 2)
        assert own.begun == 2

    def test_a_panel_that_fails_ends_the_drawing_with_one_warning(self):
        class Broken:
            def draw(self, ax, view):
                raise KeyError("weight")

        plot = unhurried(1, path="live.png", panels=[Broken()])
        with pytest.warns(RuntimeWarning, match="stops drawing, training goes on: KeyError: 'weight'") as caught:
            for step in range(3):
                plot(step, 1.0, ACTUAL, ACTUAL)
            plot.close()
        assert [warning.filename for warning in caught] == [__file__]

    def test_a_note_that_fails_ends_the_drawing_with_one_warning(self):
        own = Own()
        with pytest.warns(RuntimeWarning, match="'NoneType' object is not iterable") as caught:
            plot = unhurried(1, path="live.png", panels=[own])
            for step in range(3):
                plot(step, 1.0, ACTUAL, ACTUAL)  # no gradients, which this panel asks for
        assert [warning.filename for warning in caught] == [__file__]

    def test_notes_take_half_of_the_budget_and_all_together_no_more_than_it(self):
        clock = Clock()

        class Slow:
            spent = notes = 0.0

            def note(self, moment):
                clock.now += 0.01
                self.spent, self.notes = self.spent + 0.01, self.notes + 1

            def draw(self, ax, view):
                clock.now += 0.1
                self.spent += 0.1

        slow = Slow()
        plot = LivePlot(1, path="live.png", panels=[slow])
        plot.clock = clock
        for step in range(600):
            plot(step, 1.0, ACTUAL, ACTUAL)
            clock.now += 0.05
        assert 0.03 * clock.now < slow.spent <= 0.05 * clock.now + 0.2
        assert 0.01 * slow.notes <= 0.026 * clock.now

    @pytest.mark.parametrize("panel", [Own, object()], ids=["a class", "no method"])
    def test_what_is_no_panel_is_told(self, panel):
        with pytest.raises(TypeError, match=r"the panel .* came; give an object with a method draw\(ax, view\)"):
            LivePlot(panels=[panel])

    def test_a_place_that_there_is_not(self):
        with pytest.raises(ValueError, match=r"show='browser' came; give one of \('file', 'terminal'\)"):
            LivePlot(show="browser")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_updates_take_no_memory_and_leave_nothing_open(monkeypatch):
    """At a rate of 5 MiB a thousand. One in fifty is painted: matplotlib's caches of letters fill up, then stand."""
    pyplot, save = pytest.importorskip("matplotlib.pyplot"), outputs._save
    rng, count = np.random.default_rng(0), iter(range(10**6))
    monkeypatch.setattr(outputs, "_save", lambda *a: save(*a) if next(count) % 50 == 0 else Path(a[1]).touch())
    panels = [gn.GradientPanel(), gn.NodePanel(nx.path_graph(12), lambda params: params["w"])]
    plot = unhurried(1, path="live.png", panels=panels)

    def update(step):
        shown = (ACTUAL + rng.normal(size=12), np.ones(12)), ACTUAL
        own = {"params": {"w": rng.normal(size=12)}, "grads": {"layer.w": rng.normal(size=12)}}
        plot(step, rng.random(), *shown, validation=shown, validation_value=rng.random(), **own)

    def megabytes():
        gc.collect()
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    for step in range(80):
        update(step)
    before, files, figures = megabytes(), len(os.listdir("/proc/self/fd")), pyplot.get_fignums()
    for step in range(80, 330):
        update(step)
    assert megabytes() - before < 5 / 4
    assert (len(os.listdir("/proc/self/fd")), pyplot.get_fignums()) == (files, figures)
    assert [path.name for path in Path().iterdir()] == ["live.png"]
