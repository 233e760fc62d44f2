"""The same picture in a file, in a notebook and in a window, each with its own manners."""

from __future__ import annotations

import os
import sys
import types
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import pytest
from matplotlib.backend_bases import FigureManagerBase, MouseEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg
from pretence import ACTUAL, Clock, Model, image, picture, unhurried

from graphnn.training.live import outputs

pytestmark = pytest.mark.usefixtures("no_display")


class TestFiles:
    def test_without_path_the_file_lies_in_the_current_folder(self, tmp_path):
        unhurried(1)(0, 1.0, ACTUAL, ACTUAL)
        assert [file.name for file in tmp_path.iterdir()] == ["graphnn-live.png"]

    def test_the_picture_changes_in_place(self):
        plot = unhurried(1, path="live.png")
        plot(0, 1.0, ACTUAL, ACTUAL)
        size, first = picture("live.png")
        plot(1, 0.5, ACTUAL**3, ACTUAL)
        assert size == (960, 490)
        assert (picture("live.png")[1] != first).any()

    def test_it_is_written_aside_and_put_in_place_whole(self, monkeypatch):
        plot, seen = unhurried(1, path="live.png"), []

        def replace(source, target):
            seen.append((Path(source).parent == Path(target).parent, picture(source)[0]))
            os.rename(source, target)

        monkeypatch.setattr(outputs.os, "replace", replace)
        plot(0, 1.0, ACTUAL, ACTUAL)
        assert seen == [(True, (960, 490))]

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
        assert image.open(BytesIO(notebook.later[-2][1])).size == (960, 490)
        assert image.open(BytesIO(notebook.later[-1][1])).size == (1920, 980)
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
        assert (len(notebook.later), notebook.hooks) == (1, [])  # it was shown in full already

    def test_with_a_path_the_end_is_saved_too(self, notebook):
        with unhurried(1, path="end.png") as plot:
            plot(0, 1.0, ACTUAL, ACTUAL)
            assert not Path("end.png").exists()
        assert picture("end.png")[0] == (1920, 980)

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
    monkeypatch.setattr(outputs, "_has_desktop", lambda: True)
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
        panel, canvas = plot._picture.panels[1], plot._picture.output.figure.canvas
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
        assert picture("end.png")[0] == (1920, 980)

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
        words = "could open no window and writes graphnn-live.png instead: RuntimeError"
        with pytest.warns(RuntimeWarning, match=words) as caught:
            unhurried(1)(0, 1.0, ACTUAL, ACTUAL)
        assert Path("graphnn-live.png").exists()
        assert [warning.filename for warning in caught] == [__file__]
