"""The benchmarks run; what they measure depends on the machine and is not tested."""

from __future__ import annotations

import ast
import importlib
import itertools
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.figure import Figure

import graphnn as gn

ROOT = Path(__file__).parents[1]


def smoke(name, *words):
    """Return what a benchmark prints with --smoke; a warning is an error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", f"benchmarks/{name}.py", "--smoke", *words],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_training_step():
    environment = {name: value for name, value in os.environ.items() if name != "GRAPHNN_SKETCH"}
    environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "benchmarks/training_step.py", "--smoke"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for row in ("W1 step", "W3 step", "W3 epoch", "W3 cut a mini-batch", "W6 step", "W6 epoch"):
        assert f"{row:22} graphnn " in done.stdout
    assert done.stdout.count("a mini-batch costs") == 2
    assert "prototype" not in done.stdout


def test_shares():
    rows = [line.split("|")[1:-1] for line in smoke("shares").splitlines() if line.startswith("| W")]
    assert [row[0].strip() for row in rows] == ["W1", "W2", "W3", "W4", "W4g", "W5", "W6", "W7"]
    assert all(cell.strip().endswith(" %") for row in rows for cell in row[2:])


def test_speed_beside_peers():
    printed = smoke("speed/compare")
    rows = [line.split("|")[1:4] for line in printed.splitlines() if line.startswith("| W")]
    assert [row[0].strip() for row in rows] == ["W1", "W2", "W3", "W4", "W4g", "W5", "W6", "W7"]
    assert [row[2].strip() == "-" for row in rows] == [False] * 7 + [True]
    assert f"graphnn {gn.__version__} (Python {platform.python_version()}, autograd " in printed
    assert "\nW6  500 tiny graphs" in printed  # the table explains itself


def test_a_peer_that_fails_says_why_in_its_row(tmp_path):
    (tmp_path / "jax.py").write_text("print('hello')\nraise RuntimeError('no room | left\\nand more')")
    done = subprocess.run(
        [sys.executable, "benchmarks/speed/compare.py", "--smoke", "--workloads", "W6", "W7", "--peers", "jax"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("|")] for line in done.stdout.splitlines() if line.startswith("| W")]
    assert [row[1:3] for row in rows] == [["W6", "graphnn"], ["W6", "jax"], ["W7", "graphnn"], ["W7", "jax"]]
    assert {row[3] for row in rows[1::2]} == {"failed: RuntimeError: no room / left"}
    assert len({len(row) for row in rows}) == 1


def test_our_side_of_the_comparison_uses_what_is_public():
    tree = ast.parse((ROOT / "benchmarks/speed/graphnn_side.py").read_text())
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and "graphnn" in node.module]
    ours = {node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id == "gn"}
    assert "value_and_grad" in ours and ours <= set(gn.__all__)
    assert not imported and not [node.attr for node in attributes if node.attr.startswith("_")]


def test_what_others_took_of_the_machine(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks/speed")
    machine = importlib.import_module("machine")
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    states = iter([(0.0, 10.0, 1.0), (2.0, 13.0, 2.0), (3.0, 13.0, 3.0)])  # time, work of all, ours
    monkeypatch.setattr(machine.Others, "state", lambda self: next(states))
    others = machine.Others()
    assert others.share() == (3 - 1) / (2 * 2)
    assert others.share() is None  # the machine worked less than we did: its counter stands still


def test_names_in_the_picture_of_the_comparison_cover_none(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks/speed")
    place = importlib.import_module("picture").place
    figure = Figure()
    ax = figure.subplots()
    names = [ax.annotate("pyg-sparse", (at, 0.5), (0, 0), textcoords="offset points") for at in (0.5, 0.51, 0.52)]
    figure.draw_without_rendering()
    place(names)
    boxes = [name.get_window_extent() for name in names]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_layers():
    printed = smoke("layers")
    rows = [line.split("|")[1].strip() for line in printed.splitlines() if line.startswith("| ")]
    assert rows[0] == "layer"
    assert {"GraphConv", "GATConv, 8 heads", "RGCNConv, 4 relations", "Set2Set, 3 steps"} < set(rows)
    assert "nan" not in printed


def test_footprint_of_this_environment():
    done = subprocess.run(
        [sys.executable, "benchmarks/footprint.py", sys.executable, "json"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("json: ") and "packages; import" in done.stdout


def test_molecules():
    pytest.importorskip("rdkit", reason="the benchmark reads SMILES")
    printed = smoke("molecules")
    assert "DMPNNFeatures" in printed and "molecules a second once packed" in printed


def test_minimisers():
    printed = smoke("minimisers")
    rows = [line.split()[0] for line in printed.splitlines() if " gradients" in line]
    assert rows == ["adam(0.01)", "adam(0.001)", "L-BFGS-B", "CG", "Newton-CG", "trust-ncg", "trust-krylov"]


def test_scaling(tmp_path):
    printed = smoke("scaling", "--picture", str(tmp_path / "scaling.png"))
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed.splitlines() if line[:2] == "| "][2:]
    assert [row[4] for row in rows] == ["molecules", "nodes", "nodes", "arcs", "multiply-adds", "layers"]
    assert all(float(number) > 0 for row in rows for number in row[6].split(","))
    assert "GiB at most" in printed and "50 unseen graphs" in printed and "50 networkx molecules" in printed
    assert (tmp_path / "scaling.png").stat().st_size > 10_000


def test_roofline():
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in smoke("roofline").splitlines() if "|" in line]
    machine, workloads = ([row for row in rows if len(row) == columns and row[0] != "---"][1:] for columns in (3, 7))
    assert len(machine) == 10 and all(float(number) > 0 for row in machine for number in row[1:])
    assert [(row[0][:2], row[1]) for row in workloads] == [
        (name, threads) for name in ("W7", "W1", "W3", "W4", "W5") for threads in ("1", "2")
    ]
    assert all(float(row[2]) > 0 for row in workloads)


def test_roofline_counts_the_products_of_a_step_as_summary_counts_those_of_a_forward_pass(monkeypatch):
    for folder in ("benchmarks", "benchmarks/speed"):
        monkeypatch.syspath_prepend(ROOT / folder)
    roofline, workloads = (importlib.import_module(module) for module in ("roofline", "workloads"))
    task = workloads.make("W3", smoke=True)
    batch = gn.pack([gn.Graph(g["x"], g["senders"], g["receivers"]) for g in task["graphs"]])
    convolutions = [gn.GraphConv(64, gn.relu) for _ in range(3)]
    model = gn.Sequential(*convolutions, gn.SumPool(), gn.Dense(64, gn.relu), gn.Dense(1))
    _, *hidden, _, first_dense, last_dense = model.summary(batch).column("multiply-adds")
    n, entries, f = batch.n_nodes, batch.n_edges + batch.n_nodes, batch.nodes.shape[1]
    wanted = 2 * n * f * 64  # of the constant features only the weights have a gradient
    wanted += 3 * sum(hidden) - 2 * entries * 64  # the kernel has none
    wanted += 3 * (first_dense + last_dense)
    assert sum(product.work for product in roofline.needs(task)) == wanted
