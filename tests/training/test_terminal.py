"""The live picture in letters: in place on a terminal, plain in a log, and an explanation where plotext is missing."""

from __future__ import annotations

import io
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from pretence import ACTUAL, picture, unhurried

from graphnn.training.live.plot import LivePlot

pytestmark = pytest.mark.usefixtures("no_display")
VALIDATION = (ACTUAL[:5] + 0.5, ACTUAL[:5])


class Tty(io.StringIO):
    """A terminal that remembers all that was sent to it."""

    def isatty(self):
        return True


class Screen:
    """What stands on a terminal of so many lines after what was sent, and how far it has scrolled."""

    def __init__(self, text, rows):
        self.lines, self.row, self.scrolled, self.rows = [""], 0, 0, rows
        for part in re.findall(r"\033\[\d*[A-Za-z]|\033\[[\d;]*m|\n|\r|[^\033\n\r]+", text):
            self.take(part)

    def take(self, part):
        if part == "\n":
            self.row += 1
            if self.row == len(self.lines):
                self.lines.append("")
            if self.row - self.scrolled >= self.rows:
                self.scrolled += 1
        elif up := re.fullmatch(r"\033\[(\d+)A", part):
            self.row = max(self.row - int(up[1]), self.scrolled)
        elif part == "\033[2K":
            self.lines[self.row] = ""
        elif part == "\033[J":
            del self.lines[self.row + 1 :]
        elif not part.startswith(("\033", "\r")):
            self.lines[self.row] += part


@pytest.fixture
def tty(monkeypatch):
    pytest.importorskip("plotext")
    monkeypatch.setenv("COLUMNS", "90")
    monkeypatch.setenv("LINES", "24")
    return Tty()


@pytest.fixture
def log():
    pytest.importorskip("plotext")
    return io.StringIO()


def go(stream, plot, steps=5):
    with redirect_stdout(stream), plot:
        for step in range(steps):
            losses = {"value": 10.0**-step, "validation_value": 2.0 + abs(step - 2)}
            plot(step, predicted=ACTUAL, actual=ACTUAL, validation=VALIDATION, **losses)


class TestOnATerminal:
    def test_one_picture_stands_there_and_nothing_scrolls(self, tty):
        go(tty, unhurried(1, show="terminal", units="eV", title="Energies", baseline=("mean", 0.5)), steps=30)
        screen = Screen(tty.getvalue(), 24)
        text = "\n".join(screen.lines)
        assert (screen.scrolled, text.count("Energies"), text.count("loss by step")) == (0, 1, 1)
        assert screen.lines[1] == "step 29   loss 1.00e−29   validation 29.0   best 2.00 at step 2"
        assert screen.lines[2].startswith("⠿ train RMSE 0.00 R² 1.000   × validation RMSE 0.500")
        assert screen.lines[2].endswith("mean RMSE 0.500")
        assert "predicted against actual (eV)" in text
        assert max(len(line) for line in screen.lines) <= 90

    @pytest.mark.parametrize(("columns", "rows"), [(200, 60), (40, 24), (30, 12), (80, 10)])
    def test_it_fits_a_terminal_of_any_size(self, tty, monkeypatch, columns, rows):
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("LINES", str(rows))
        go(tty, unhurried(1, show="terminal"))
        screen = Screen(tty.getvalue(), rows)
        assert screen.scrolled == 0
        assert max(len(line) for line in screen.lines) <= columns

    def test_validation_has_crosses_and_the_best_a_ring(self, tty):
        go(tty, unhurried(1, show="terminal"))
        text = "\n".join(Screen(tty.getvalue(), 24).lines[2:])
        assert text.count("×") >= 5
        assert text.count("o") >= 1
        assert re.search("[⠁-⣿]", text)

    def test_classes_have_their_counts_as_a_table(self, tty):
        scores, labels = np.eye(3)[[0, 1, 2, 2]], np.array([0, 1, 2, 1])
        with redirect_stdout(tty), unhurried(1, show="terminal", baseline=("commonest", 0.5)) as plot:
            plot(0, 1.0, scores, labels)
        lines = Screen(tty.getvalue(), 24).lines
        assert lines[1] == "train accuracy 0.750   commonest accuracy 0.500"
        table = [line[:45].split() for line in lines]
        assert ["1", "0", "1", "1"] in table

    def test_of_many_classes_the_commonest_confusions_are_told(self, tty):
        labels = np.arange(50) % 25
        with redirect_stdout(tty), unhurried(1, show="terminal") as plot:
            plot(0, 1.0, np.eye(25)[np.where(labels == 3, 7, labels)], labels)
        assert "     3 for    7       2 of 2" in "\n".join(Screen(tty.getvalue(), 24).lines)

    def test_a_path_gets_the_last_picture(self, tty):
        go(tty, unhurried(1, show="terminal", path="end.png"))
        assert picture("end.png")[0] == (1920, 980)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_what_is_not_finite_is_left_out(self, tty, bad):
        with redirect_stdout(tty), unhurried(1, show="terminal") as plot:
            for value in (bad, 1.0, bad):
                plot(0, value, np.array([bad, 1.0]), np.array([1.0, 2.0]))

    @pytest.mark.parametrize("n", [0, 1])
    def test_any_number_of_points(self, tty, n):
        with redirect_stdout(tty), unhurried(1, show="terminal") as plot:
            plot(0, 0.0, np.zeros(n), np.zeros(n))

    def test_the_figure_that_plotext_shares_stays_the_users(self, tty):
        plotext = pytest.importorskip("plotext")
        plotext.figure.clear()
        plotext.figure.draw(plotext.figure.signal([1.0, 2.0, 3.0])).title("mine")
        before = plotext.figure.build().string()
        go(tty, unhurried(1, show="terminal"))
        assert plotext.figure.build().string() == before
        plotext.figure.clear()


class TestInALog:
    def test_numbers_now_and_then_and_one_plain_picture_at_the_end(self, log):
        go(log, unhurried(1, show="terminal"), steps=20)
        text = log.getvalue()
        assert "\033" not in text
        assert text.startswith("step 0   loss 1.00   validation 4.00   ⠿ train RMSE 0.00")
        assert (text.count("loss by step"), text.count("loss 1.00e−19")) == (1, 1)
        assert len(text.splitlines()) < 30

    def test_lines_come_again_after_a_while(self, log, monkeypatch):
        monkeypatch.setattr("graphnn.training.live.terminal.PATIENCE", 0.0)
        go(log, unhurried(1, show="terminal"), steps=4)
        assert [line[:6] for line in log.getvalue().splitlines()[:4]] == ["step 0", "step 1", "step 2", "step 3"]

    def test_letters_that_the_output_does_not_know_do_not_end_the_drawing(self):
        pytest.importorskip("plotext")
        stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        go(stream, unhurried(1, show="terminal"))
        assert b"loss by step" in stream.buffer.getvalue()


def test_without_plotext_it_is_told_at_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotext", None)
    with pytest.raises(ImportError, match=r'needs plotext: pip install "graphnn\[terminal\]"'):
        LivePlot(show="terminal")


def test_an_old_plotext_is_told_of(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotext", type(sys)("plotext"))
    with pytest.raises(ImportError, match="needs plotext 6 or newer"):
        LivePlot(show="terminal")


def test_nothing_is_written_without_a_path(log):
    go(log, unhurried(1, show="terminal"))
    assert list(Path().iterdir()) == []
