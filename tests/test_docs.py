"""The Python blocks of README.md and docs/*.md run as they stand; those of design.md in test_scripts.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from matplotlib import pyplot
from real_files import FOLDER

import graphnn as gn
from graphnn import penalties

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


def test_the_parts_of_a_network_are_listed_by_their_names():
    part = (ROOT / "docs/layers.md").read_text("utf-8").partition("## What else a network is made of")[2]
    rows = re.findall(r"^\| (?!part|---)([^|]*) \| ([^|]*) \| ([^|]*) \|$", part, re.M)
    listed = {kind: set(re.findall(r"`([\w.]+)`", names)) for kind, names, _ in rows}
    for name in set().union(*listed.values()) - {"gn.ops"}:
        places = (gn, gn.ops, gn.kernels, gn.initializers)
        assert any(has(place, name) for place in places), f"{name} is listed and does not exist"
    for _, _, files in rows:
        assert all((ROOT / file).exists() for file in re.findall(r"`([^`]+)`", files))
    for kind, module in {
        "activations": gn.ops.activations, "kernels": gn.kernels, "first values": gn.initializers,
        "losses": gn.losses, "regularisers": penalties, "metrics": gn.metrics,
    }.items():  # fmt: skip
        own = {n for n, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__ and n[0] != "_"}
        own &= set(gn.__all__) | set(getattr(module, "__all__", ()))
        assert own - listed[kind] == set()


def has(place, name):
    """Say whether `place.name` is there, for a name with dots in it too."""
    first, _, rest = name.partition(".")
    return hasattr(place, first) and (not rest or has(getattr(place, first), rest))


@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    path = ROOT / page
    if not path.exists():
        pytest.skip(f"{page} is not written yet")
    found = blocks(path.read_text("utf-8"))
    if any("datasets.load(" in block for block in found) and not FOLDER.is_dir():
        pytest.skip(f"{page} reads published data, and {FOLDER} is not there; name its folder with GRAPHNN_DATA")
    monkeypatch.setenv("GRAPHNN_DATA", str(FOLDER))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    namespace = {"__name__": __name__}
    for block in found:
        exec(compile(block, page, "exec", dont_inherit=True), namespace)
    pyplot.close("all")


@pytest.mark.parametrize("page", PAGES)
def test_a_quoted_run_is_the_one_that_is_kept(page):
    text = (ROOT / page).read_text("utf-8")
    marks = re.findall(r"<!-- (begin|end) (\w+) -->", text)
    assert marks == [(mark, name) for _, name in marks[::2] for mark in ("begin", "end")]
    for name, quoted in re.findall(r"<!-- begin (\w+) -->\n(.*?)<!-- end \1 -->", text, re.S):
        command, _, printed = (ROOT / f"docs/results/{name}.txt").read_text("utf-8").partition("\n")
        assert quoted.strip() == printed.strip(), (
            f"paste docs/results/{name}.txt, less its first line, between the marks"
        )
        assert command.removeprefix("$ ") in text


# ---- the founding texts: every requirement has its line, and what a line names is there ------------------------------

IDS = {
    "S0": [*range(1, 18), *range(20, 40)],
    "S1": range(1, 22),
    "S2": range(1, 9),
    "S3": range(1, 16),
    "S4": range(1, 13),
}
ROW = re.compile(r"^\| (S\d\.\d+) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", re.M)
LINES = ROW.findall((ROOT / "docs/texts.md").read_text("utf-8"))


def test_every_requirement_of_the_founding_texts_has_its_line():
    assert [line[0] for line in LINES] == [f"{text}.{n}" for text, numbers in IDS.items() for n in numbers]
    assert all(re.fullmatch(r"(in part: |no: ).+|yes", line[4]) for line in LINES)
    assert not [line[0] for line in LINES if not re.search(r"::test_|experiments/\w+\.py|docs/|tests/", line[3])]


@pytest.mark.parametrize("line", LINES, ids=[line[0] for line in LINES])
def test_what_a_line_on_the_founding_texts_names_is_there(line):
    for name in re.findall(r"`([^`]+)`", " ".join(line[2:])):
        path, _, test = name.partition("::")
        if "/" in path or path.endswith(".md") or path == "LICENSE":
            assert (ROOT / path).exists(), f"{line[0]} names {path}, which is not there"
            assert not test or re.search(rf"^ *def {test}\(", (ROOT / path).read_text("utf-8"), re.M), name
        elif re.fullmatch(r"[A-Za-z][\w.]*", name) and not name.endswith("_"):
            assert has(gn, name), f"{line[0]} names {name}, which is not there"
