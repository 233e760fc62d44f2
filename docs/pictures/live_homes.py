"""The live plot in its four homes, a file, a window, a notebook and a terminal; and a training replayed as a film.

Run:  python docs/pictures/live_homes.py                                # about two minutes
      xvfb-run -s "-screen 0 1600x1400x24" python docs/pictures/live_homes.py   # the window too, without a screen

The window needs a display, the notebook the packages nbclient and ipykernel, the terminal plotext; what cannot be made
here is said, and the picture that lies in docs/pictures/ stays.
"""

from __future__ import annotations

import base64
import io
import os
import re
from contextlib import redirect_stdout
from pathlib import Path

import matplotlib
import networkx as nx
import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageGrab

import graphnn as gn
from graphnn.training.live import outputs

HERE = Path(__file__).parent
ALWAYS = 1e9  # the budget of a plot that draws whenever it is told to
PALETTE = {"33": (92, 178, 255), "208": (255, 158, 74), "245": (150, 150, 150)}
PAPER, INK = (30, 32, 36), (222, 225, 230)


def alkanes(callback, variance=False, epochs=400):
    """Train on two thirds of the boiling points, in units of the standard deviation where a variance is learned."""
    data = gn.datasets.alkanes()
    batch, y = gn.pack(data.graphs), data.boiling_points
    order = np.random.default_rng(1).permutation(np.flatnonzero(data.carbons > 4))
    train, held = np.sort(order[:100]), np.sort(order[100:])
    callback.labels = {"train": [data.names[i] for i in train], "validation": [data.names[i] for i in held]}
    head = [gn.Dense(2)] if variance else [gn.Dense(1), gn.Rescale()]
    model = gn.Sequential(
        gn.Dense(24, gn.silu),
        gn.Residual(gn.GraphConv(24, gn.silu, kernel=gn.kernels.adjacency)),
        gn.SumPool(), gn.Scale(0.1), gn.Dense(24, gn.silu), *head,
    )  # fmt: skip
    if variance:
        y = (y - y[train].mean()) / y[train].std()
    gn.fit(
        model, model.init(0, batch), batch[train], y[train], validation=(batch[held], y[held]), epochs=epochs,
        loss=gn.gaussian_nll if variance else gn.mean_squared_error, callbacks=[callback],
        optimizer=gn.adam(gn.schedules.Cosine(1e-2, epochs)),
    )  # fmt: skip


def karate(plot_of, *callbacks):
    """Two known members of the karate club, and the side that the model gives to all of the others."""
    club = nx.karate_club_graph()
    labels = np.array([club.nodes[v]["club"] == "Officer" for v in club], int)
    for i, v in enumerate(club):
        club.nodes[v]["features"] = np.eye(len(club))[i]
    graph, seen = gn.pack(club), np.isin(np.arange(len(club)), [0, 33])
    model = gn.Sequential(gn.GraphConv(16, gn.relu), gn.Dropout(0.2), gn.GraphConv(2), gn.Nodes())

    def scores(params):
        return model(params, graph)

    sides = gn.NodePanel(club, scores, classes=["Mr. Hi", "Officer"], name="predicted side")
    gn.fit(
        model, model.init(0, graph), graph, labels, per="node", mask=seen, validation=(graph, labels, ~seen),
        loss=gn.cross_entropy, epochs=60, callbacks=[plot_of([sides, gn.GradientPanel()]), *callbacks],
    )  # fmt: skip


def small(path, width=1440):
    """Fewer pixels; and where that is not enough, a palette."""
    picture = Image.open(path).convert("RGB")
    if picture.width > width:
        picture = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
    picture.save(path, optimize=True)
    if path.stat().st_size > 150_000:
        picture.quantize(255, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name:22} {path.stat().st_size / 1024:5.0f} kB")


def file():
    path = HERE / "live_file.png"
    title = "Boiling points of alkanes, with what the model thinks of its own errors"
    alkanes(gn.LivePlot(path=path, show="file", title=title, units="standard deviations"), variance=True)
    small(path)


def window():
    if not os.environ.get("DISPLAY"):
        print("no window: there is no display; say xvfb-run, as the first lines of this file do")
        return
    from matplotlib import pyplot

    matplotlib.use("TkAgg")
    outputs.DPI = 150  # as a finer screen has it, for the picture to be read at half its size

    class Shot:
        """Photographs the window after the last drawing."""

        asked_last = True  # and after LivePlot, which is so too

        def after_epoch(self, run):
            if run.epoch == run.n_epochs:
                shown = pyplot.gcf().canvas.manager.window
                left, top = shown.winfo_rootx(), shown.winfo_rooty()
                box = left, top, left + shown.winfo_width(), top + shown.winfo_height()
                ImageGrab.grab(bbox=box, xdisplay=os.environ["DISPLAY"]).save(HERE / "live_window.png")

    def plot(panels):
        return gn.LivePlot(every=10, budget=ALWAYS, title="Zachary's karate club", panels=panels)

    karate(plot, Shot())
    small(HERE / "live_window.png")


def notebook():
    try:
        import nbformat
        from nbclient import NotebookClient
    except ImportError:
        print("no notebook: pip install nbclient ipykernel")
        return
    code = (
        "import sys; sys.path.insert(0, '.'); sys.path.insert(0, 'docs/pictures')\n"
        "import graphnn as gn, live_homes\n"
        "plot = gn.LivePlot(units='°C', panels=[gn.GradientPanel()])\n"
        "live_homes.alkanes(plot, epochs=200)"
    )
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(page, timeout=600).execute()
    (shown,) = [output for output in page.cells[0].outputs if "data" in output]  # one output, updated in place
    path = HERE / "live_notebook.png"
    path.write_bytes(base64.b64decode(shown["data"]["image/png"]))
    small(path)


class Tty(io.StringIO):
    """A terminal that remembers what is sent to it."""

    def isatty(self):
        return True


def terminal():
    os.environ["COLUMNS"], os.environ["LINES"] = "104", "28"
    tty = Tty()
    with redirect_stdout(tty):
        alkanes(gn.LivePlot(show="terminal", title="Boiling points of alkanes", units="°C", budget=ALWAYS), epochs=200)
    last = re.split(r"\033\[\d+A", tty.getvalue())[-1]
    path = HERE / "live_terminal.png"
    typeset(last).save(path)
    small(path)


def typeset(text, size=24):
    """Draw what a terminal would show; dots of Braille by hand, for the font has none."""
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    font = ImageFont.truetype(fonts / "DejaVuSansMono.ttf", size)
    width, height = font.getlength("M"), round(1.17 * size)
    lines = text.rstrip("\n").split("\n")
    columns = max(len(re.sub(r"\033\[[\d;]*[A-Za-z]", "", line)) for line in lines)
    picture = Image.new("RGB", (round(columns * width) + 2 * size, len(lines) * height + 2 * size), PAPER)
    pen = ImageDraw.Draw(picture)
    for row, line in enumerate(lines):
        column, color = 0, INK
        for part in re.findall(r"\033\[[\d;]*[A-Za-z]|.", line):
            if part.startswith("\033"):
                code = re.search(r"38;5;(\d+)m", part)
                color = PALETTE.get(code[1], INK) if code else INK
                continue
            x, y = size + column * width, size + row * height
            bits = ord(part) - 0x2800
            if 0 <= bits < 256:
                for bit, (across, down) in enumerate([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)]):
                    if bits >> bit & 1:
                        middle = x + width * (0.25 + 0.5 * across), y + height * (0.125 + 0.25 * down)
                        pen.circle(middle, 0.09 * size, fill=color)
            else:
                pen.text((x, y), part, font=font, fill=color)
            column += 1
    return picture


def film():
    recording = gn.Recording(every=5)
    alkanes(recording, epochs=250)
    path = gn.replay(recording, HERE / "replay.gif", seconds=5, title="Boiling points of alkanes", units="°C")
    print(f"{path.name:22} {path.stat().st_size / 1024:5.0f} kB")


if __name__ == "__main__":
    file()
    terminal()
    film()
    notebook()
    window()
