"""LivePlot draws when it may, says what is true, and never stands in the way of training."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import types
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from matplotlib.backend_bases import FigureManagerBase, MouseEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg

from graphnn.training import live
from graphnn.training.live import LivePlot

image = pytest.importorskip("PIL.Image")
ACTUAL = np.linspace(-1, 1, 12)


@pytest.fixture(autouse=True)
def no_display(monkeypatch, tmp_path):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.chdir(tmp_path)


class Clock:
    """A clock that stands still; drawing moves it through the predictions it asks for."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Model:
    """Counts how often its predictions are asked for, each taking so many seconds of the clock."""

    def __init__(self, clock=None, seconds=0.0):
        self.calls, self.clock, self.seconds = 0, clock, seconds

    def __call__(self):
        self.calls += 1
        if self.clock is not None:
            self.clock.now += self.seconds
        return ACTUAL + 1 / self.calls


class Run:
    """What gn.fit shows of itself to a callback."""

    def __init__(self, train=None, validation=None):
        self.epoch, self.value = -1, np.nan
        self.history = SimpleNamespace(loss=[], validation_loss=[])
        self.train_predictions = train or self.predict
        self.validation_predictions = validation or self.nothing
        self.asked = 0

    def predict(self):
        self.asked += 1
        return ACTUAL * (1 - 1 / (self.epoch + 2)), ACTUAL

    def nothing(self):
        return None

    def go(self, plot, epochs):
        plot.begin_fit(self)
        for self.epoch in range(epochs):
            self.value = 1 / (self.epoch + 1)
            self.history.loss.append(self.value)
            plot.after_epoch(self)
        plot.after_fit(self)


def unhurried(every, **settings):
    return LivePlot(every, budget=np.inf, **settings)


def picture(path):
    with open(path, "rb") as file, image.open(file) as opened:
        opened.load()
        return opened.size, np.asarray(opened.convert("RGB"))


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
        assert picture("live.png")[0] == (1920, 880)

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
            from graphnn.training.live import LivePlot
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
        assert picture(tmp_path / "graphnn-live.png")[0] == (1920, 880)

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
        points, curves = self.shown(plot)
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
        points, curves = self.shown(plot)
        assert curves.train.get_xydata().tolist() == [[0, 3], [1, 2]]
        assert curves.best.get_xydata().tolist() == [[0, 3]]
        assert (curves.ax.get_xlabel(), len(points.shown["validation"].actual)) == ("epoch", 4)

    def test_points_may_grow_from_call_to_call(self):
        plot = unhurried(1, path="live.png")
        for fold in range(1, 5):
            plot(fold, 1.0, ACTUAL[: 3 * fold], ACTUAL[: 3 * fold], labels=range(3 * fold))
            assert len(self.shown(plot)[0].marks["train"].get_offsets()) == 3 * fold

    def test_a_restart_forgets_the_losses_and_keeps_the_picture(self):
        plot = unhurried(1, path="live.png")
        plot(0, 9.0, ACTUAL, ACTUAL, validation_value=8.0)
        before = self.shown(plot)
        plot.restart()
        plot(0, 5.0, ACTUAL, ACTUAL)
        assert self.shown(plot) is before
        assert before[1].table.text() == [["train", "5.00"]]

    def test_classes_get_a_confusion_matrix(self):
        plot, labels = unhurried(1, path="live.png", baseline=0.5), np.array([0, 1, 1])
        plot(0, 1.0, np.eye(2)[[0, 1, 0]], labels, validation=(np.eye(2)[[0, 1, 1]], labels))
        heading = self.shown(plot)[0].heading.get_text()
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


class TestFiles:
    def test_without_path_the_file_lies_in_the_current_folder(self, tmp_path):
        unhurried(1)(0, 1.0, ACTUAL, ACTUAL)
        assert [file.name for file in tmp_path.iterdir()] == ["graphnn-live.png"]

    def test_the_picture_changes_in_place(self):
        plot = unhurried(1, path="live.png")
        plot(0, 1.0, ACTUAL, ACTUAL)
        size, first = picture("live.png")
        plot(1, 0.5, ACTUAL**3, ACTUAL)
        assert size == (960, 440)
        assert (picture("live.png")[1] != first).any()

    def test_it_is_written_aside_and_put_in_place_whole(self, monkeypatch):
        plot, seen = unhurried(1, path="live.png"), []

        def replace(source, target):
            seen.append((Path(source).parent == Path(target).parent, picture(source)[0]))
            os.rename(source, target)

        monkeypatch.setattr(live.os, "replace", replace)
        plot(0, 1.0, ACTUAL, ACTUAL)
        assert seen == [(True, (960, 440))]

    def test_a_missing_folder_is_made(self, tmp_path):
        with unhurried(1, path=tmp_path / "a" / "b" / "live.png") as plot:
            plot(0, 1.0, ACTUAL, ACTUAL)
        assert [file.name for file in (tmp_path / "a" / "b").iterdir()] == ["live.png"]

    def test_the_path_is_kept_when_the_program_changes_its_folder(self, tmp_path, monkeypatch):
        with unhurried(1) as plot:
            plot(0, 1.0, ACTUAL, ACTUAL)
            (tmp_path / "elsewhere").mkdir()
            monkeypatch.chdir(tmp_path / "elsewhere")
        assert list((tmp_path / "elsewhere").iterdir()) == []

    @pytest.mark.parametrize(("name", "begin"), [("live.pdf", b"%PDF"), ("live.svg", b"<?xml")])
    def test_the_suffix_chooses_the_format(self, name, begin):
        with unhurried(1, path=name) as plot:
            plot(0, 1.0, ACTUAL, ACTUAL)
        assert Path(name).read_bytes().startswith(begin)


class TestSafety:
    def test_a_full_disk_ends_the_drawing_with_one_warning(self, monkeypatch, tmp_path):
        def full(*_):
            raise OSError(28, "No space left on device")

        plot, model = unhurried(1, path="live.png"), Model()
        monkeypatch.setattr(live.os, "replace", full)
        with pytest.warns(
            RuntimeWarning, match="stops drawing, training goes on: OSError.*No space left"
        ) as caught:
            for step in range(5):
                plot(step, 1.0, model, ACTUAL)
            plot.close()
        assert (len(caught), model.calls, list(tmp_path.iterdir())) == (1, 1, [])
        assert caught[0].filename == __file__

    def test_a_folder_that_cannot_be_made_ends_the_drawing(self, tmp_path):
        (tmp_path / "file").write_text("not a folder")
        plot = unhurried(1, path=tmp_path / "file" / "live.png")
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

    @pytest.mark.parametrize(
        "predicted", [np.zeros((12, 1)), lambda: np.zeros((12, 1))], ids=["array", "function"]
    )
    def test_shapes_that_do_not_fit_are_an_error_at_once(self, predicted):
        plot = unhurried(1, path="live.png")
        with pytest.raises(
            ValueError, match=r"LivePlot: predicted \(12, 1\) and actual \(12,\) came; give both"
        ):
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
            from graphnn.training.live import LivePlot
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


@pytest.fixture
def notebook(monkeypatch):
    """An IPython whose shell has a kernel, and a page that records what is displayed where."""
    ipython, page = pytest.importorskip("IPython"), SimpleNamespace(first=[], later=[], hooks=[])
    pytest.importorskip("IPython.display")

    def register(name, hook):
        assert name == "post_run_cell"
        page.hooks.append(hook)

    def unregister(name, hook):
        page.hooks.remove(hook)

    shell = SimpleNamespace(kernel=object(), events=SimpleNamespace(register=register, unregister=unregister))
    monkeypatch.setattr(ipython, "get_ipython", lambda: shell)

    def display(shown, display_id):
        page.first.append((display_id, shown.data))

    def update_display(shown, display_id):
        page.later.append((display_id, shown.data))

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr("IPython.display.update_display", update_display)
    return page


class TestNotebook:
    def test_one_output_is_updated_in_place(self, notebook, tmp_path):
        with unhurried(1) as plot:
            for step in range(3):
                plot(step, 1.0 / (step + 1), ACTUAL, ACTUAL)
        places = {place for place, _ in notebook.first + notebook.later}
        assert (len(notebook.first), len(notebook.later), len(places)) == (1, 3, 1)
        assert image.open(BytesIO(notebook.later[-2][1])).size == (960, 440)
        assert image.open(BytesIO(notebook.later[-1][1])).size == (1920, 880)
        assert all(data.startswith(b"\x89PNG") for _, data in notebook.first + notebook.later)
        assert list(tmp_path.iterdir()) == []

    def test_two_plots_have_two_places(self, notebook):
        for _ in range(2):
            with unhurried(1) as plot:
                plot(0, 1.0, ACTUAL, ACTUAL)
        assert len({place for place, _ in notebook.first}) == 2

    def test_the_end_of_the_cell_shows_the_last_state(self, notebook):
        plot, model = unhurried(10), Model()
        for step in range(5):
            plot(step, 1.0, model, ACTUAL)
        for hook in list(notebook.hooks):
            hook(None)
        assert (model.calls, len(notebook.later)) == (2, 1)
        plot.close()
        assert notebook.hooks == []

    def test_with_a_path_the_end_is_saved_too(self, notebook):
        with unhurried(1, path="end.png") as plot:
            plot(0, 1.0, ACTUAL, ACTUAL)
            assert not Path("end.png").exists()
        assert picture("end.png")[0] == (1920, 880)

    def test_a_plot_that_fails_leaves_the_shell_alone(self, notebook, monkeypatch):
        def gone(*_, **__):
            raise ConnectionError("no frontend")

        monkeypatch.setattr("IPython.display.display", gone)
        with pytest.warns(RuntimeWarning, match="ConnectionError: no frontend"):
            unhurried(1)(0, 1.0, ACTUAL, ACTUAL)
        assert notebook.hooks == []


class Canvas(FigureCanvasAgg):
    """The canvas of a desktop that is not there."""

    required_interactive_framework = None
    flushed = 0

    def flush_events(self):
        Canvas.flushed += 1


class Manager(FigureManagerBase):
    shows = 0

    def show(self):
        Manager.shows += 1


Canvas.manager_class = Manager


@pytest.fixture
def desktop(monkeypatch):
    backend = types.ModuleType("imaginary_desktop")
    backend.FigureCanvas, backend.FigureManager = Canvas, Manager
    monkeypatch.setitem(sys.modules, "imaginary_desktop", backend)
    monkeypatch.setattr(live, "_has_desktop", lambda: True)
    monkeypatch.setattr(Canvas, "flushed", 0)
    monkeypatch.setattr(Manager, "shows", 0)
    pyplot = pytest.importorskip("matplotlib.pyplot")
    with matplotlib.rc_context():
        before = matplotlib.rcParams["backend"]
        pyplot.switch_backend("module://imaginary_desktop")
        # Said only now: pyplot would look for the event loop of this desktop.
        monkeypatch.setattr(Canvas, "required_interactive_framework", "imaginary")
        yield pyplot
        pyplot.close("all")
        pyplot.switch_backend(before if isinstance(before, str) else "agg")


class TestWindow:
    def test_opens_once_and_closes_at_the_end(self, desktop, tmp_path):
        plot = unhurried(1)
        for step in range(3):
            plot(step, 1.0, ACTUAL, ACTUAL)
            assert len(desktop.get_fignums()) == 1
        plot.close()
        assert (Manager.shows, Canvas.flushed, desktop.get_fignums()) == (1, 3, [])
        assert list(tmp_path.iterdir()) == []

    def test_answers_the_mouse_between_drawings(self, desktop):
        plot, clock = unhurried(100), Clock()
        plot.clock = clock
        for step in range(10):
            plot(step, 1.0, ACTUAL, ACTUAL)
            clock.now += 0.03
        assert 2 <= Canvas.flushed <= 5

    def test_names_the_point_under_the_mouse(self, desktop):
        plot = unhurried(1, labels=[f"molecule {i}" for i in range(12)])
        plot(0, 1.0, ACTUAL, ACTUAL)
        panel, canvas = plot._picture.panels[0], plot._picture.output.figure.canvas
        x, y = panel.ax.transData.transform((ACTUAL[5], ACTUAL[5]))
        canvas.callbacks.process("motion_notify_event", MouseEvent("motion_notify_event", canvas, x, y))
        assert panel.hint.get_text().startswith("molecule 5  (train)")
        assert panel.hint.get_visible()

    def test_closed_by_the_user_training_goes_on_without_it(self, desktop):
        plot, model = unhurried(1), Model()
        plot(0, 1.0, model, ACTUAL)
        desktop.close("all")
        for step in range(1, 4):
            plot(step, 1.0, model, ACTUAL)
        assert (model.calls, desktop.get_fignums()) == (1, [])

    def test_closed_by_the_user_the_end_is_still_saved(self, desktop):
        with unhurried(1, path="end.png") as plot:
            plot(0, 1.0, ACTUAL, ACTUAL)
            desktop.close("all")
            plot(1, 1.0, ACTUAL, ACTUAL)
        assert picture("end.png")[0] == (1920, 880)

    def test_keep_open_waits_for_the_user_and_only_at_the_end(self, desktop, monkeypatch):
        waits = []
        monkeypatch.setattr(desktop, "show", lambda block: waits.append(block))  # noqa: PLW0108 - called by name
        with unhurried(1, keep_open=True) as plot:
            plot(0, 1.0, ACTUAL, ACTUAL)
            assert waits == []
        assert waits == [True]

    def test_the_users_own_figure_stays_the_current_one(self, desktop):
        mine = desktop.figure()
        unhurried(1)(0, 1.0, ACTUAL, ACTUAL)
        assert desktop.gcf() is mine

    def test_a_window_that_breaks_is_given_up_with_one_warning(self, desktop, monkeypatch):
        plot = unhurried(1)
        plot(0, 1.0, ACTUAL, ACTUAL)

        def broken(self):
            raise RuntimeError("lost connection to the display")

        monkeypatch.setattr(Canvas, "draw", broken)
        with pytest.warns(RuntimeWarning, match="lost connection to the display") as caught:
            for step in range(1, 4):
                plot(step, 1.0, ACTUAL, ACTUAL)
            plot.close()
        assert (len(caught), desktop.get_fignums()) == (1, [])

    def test_a_display_that_does_not_answer_means_a_file(self, desktop):
        desktop.switch_backend("agg")
        with pytest.warns(RuntimeWarning, match="could open no window and writes .*graphnn-live.png instead"):
            unhurried(1)(0, 1.0, ACTUAL, ACTUAL)
        assert Path("graphnn-live.png").exists()
