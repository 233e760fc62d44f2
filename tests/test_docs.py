"""The Python blocks of README.md and docs/*.md run as they stand; those of design.md in test_scripts.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from matplotlib import pyplot

import graphnn as gn

ROOT = Path(__file__).parents[1]
PAGES = [
    "README.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md") if path.name != "design.md"),
]


def blocks(text):
    """Return the blocks fenced as ```python, each moved down to its line of the page."""
    found = re.finditer(r"^```python[^\n]*\n(.*?)^```$", text, re.M | re.S)
    return ["\n" * text[: match.start(1)].count("\n") + match[1] for match in found]


def test_blocks_are_found_and_keep_their_lines():
    page = "words\n```python\nx = 1\n```\n```bash\nls\n```\n```python title\ny = 2\n```\n"
    assert blocks(page) == ["\n\nx = 1\n", "\n\n\n\n\n\n\n\ny = 2\n"]


def test_every_layer_has_a_row_on_the_page_of_layers():
    first = re.findall(r"^\| ([^|]*) \|", (ROOT / "docs/layers.md").read_text("utf-8"), re.M)
    listed = {name for cell in first for name in re.findall(r"\w+", cell)}
    kinds = {name for name, value in vars(gn.layers).items() if isinstance(value, type) and issubclass(value, gn.Layer)}
    assert kinds - listed == set()


@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    path = ROOT / page
    if not path.exists():
        pytest.skip(f"{page} is not written yet")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    namespace = {"__name__": __name__}
    for block in blocks(path.read_text("utf-8")):
        exec(compile(block, page, "exec", dont_inherit=True), namespace)
    pyplot.close("all")
