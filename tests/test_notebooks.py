"""The notebooks run from top to bottom, are what their sources say, and show what comes out."""

from __future__ import annotations

import ast
import base64
import io
import json
import re
import runpy
from contextlib import redirect_stdout
from itertools import zip_longest
from pathlib import Path

import pytest
from matplotlib import pyplot

import graphnn as gn

FOLDER = Path(__file__).parents[1] / "docs/notebooks"
MAKE = runpy.run_path(str(FOLDER / "make.py"))
SOURCES = MAKE["SOURCES"]
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
every_notebook = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


def committed(source):
    return json.loads(source.with_suffix(".ipynb").read_text("utf-8"))


def blocks_of(source):
    return [text for kind, text in MAKE["cells"](source.read_text("utf-8")) if kind == "code"]


def shown_by(cell):
    """Return what a cell of a notebook printed and ended in, and how many pictures it shows."""
    printed, pictures = "", 0
    for output in cell["outputs"]:
        assert output["output_type"] != "error"
        assert output.get("name") != "stderr", output["text"]
        picture = "image/png" in output.get("data", {})
        pictures += picture
        printed += "".join(output["text"] if "text" in output else [] if picture else output["data"]["text/plain"])
    return printed, pictures


def execute(text, name, namespace):
    """Run a cell; return what it prints and ends in."""
    tree, ending = ast.parse(text), None
    if isinstance(tree.body[-1], ast.Expr):
        ending = ast.Expression(tree.body.pop().value)
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, name, "exec", dont_inherit=True), namespace)
        value = None if ending is None else eval(compile(ending, name, "eval", dont_inherit=True), namespace)
    return printed.getvalue() + ("" if value is None else repr(value))


def words_and_numbers(text):
    """Split a text into its words and its numbers, without what a last digit could change: spaces and histograms."""
    text = re.sub("[ ▁▂▃▄▅▆▇█]+", " ", text)
    words = re.sub(r"\s+", " ", re.sub(NUMBER, "#", text)).strip()
    return re.sub(r"(?<=\[) | (?=\])", "", words), [float(number) for number in re.findall(NUMBER, text)]


def test_the_comparison_sees_what_differs():
    words, numbers = words_and_numbers("loss   0.53, ▁▂ █\n[ 1e-3]")
    assert words == "loss #, [#]"
    assert numbers == [0.53, 0.001]


def test_there_is_a_notebook():
    assert "first_steps" in [path.stem for path in SOURCES]


@every_notebook
def test_a_notebook_is_what_its_source_says(source):
    made, found = MAKE["notebook"](source.read_text("utf-8")), committed(source)
    assert found["metadata"] == made["metadata"]
    for cell, other in zip_longest(found["cells"], made["cells"]):
        assert [cell[key] for key in ("cell_type", "id", "source")] == [other[k] for k in ("cell_type", "id", "source")]


@every_notebook
def test_a_notebook_is_small_and_was_run_in_order(source):
    assert source.with_suffix(".ipynb").stat().st_size < 400_000
    cells = [cell for cell in committed(source)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        for output in cell["outputs"]:
            if "image/png" in output.get("data", {}):
                assert base64.b64decode(output["data"]["image/png"])[1:4] == b"PNG"


@every_notebook
def test_cells_are_short_and_use_only_what_is_public(source):
    for text in blocks_of(source):
        assert len(text.splitlines()) <= 14, text
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute):
                assert not node.attr.startswith("_"), text
                if isinstance(node.value, ast.Name) and node.value.id == "gn":
                    assert node.attr in gn.__all__, text
            if isinstance(node, ast.ImportFrom):
                assert not node.module.startswith("graphnn"), text


@every_notebook
def test_a_notebook_runs_and_shows_what_is_committed(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    pyplot.switch_backend("Agg")
    namespace = {"__name__": "__main__"}
    cells = [cell for cell in committed(source)["cells"] if cell["cell_type"] == "code"]
    for cell, text in zip(cells, blocks_of(source), strict=True):
        printed = execute(text, f"{source.stem} {cell['id']}", namespace)
        files = list(tmp_path.iterdir())  # a live plot where there is no notebook
        pictures = len(files) + len(pyplot.get_fignums())
        for path in files:
            assert path.read_bytes()[1:4] == b"PNG"
            path.unlink()
        pyplot.close("all")
        wanted, shown = shown_by(cell)
        assert pictures == shown, text
        (words, numbers), (same_words, same_numbers) = words_and_numbers(printed), words_and_numbers(wanted)
        assert words == same_words, text
        assert numbers == pytest.approx(same_numbers, rel=0.05, abs=1e-3), text
