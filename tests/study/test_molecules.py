"""The command line on molecules: needs RDKit, and for ESOL the real table."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from real_files import real_file
from study.csv_files import read

import graphnn as gn
from graphnn.cli import main
from graphnn.study.predict import load_run

pytest.importorskip("rdkit", reason='molecules need RDKit: pip install "graphnn[chem]"')

QUICK = ["--epochs", "2", "--seeds", "1", "--width", "8", "--depth", "1"]
TARGET = "measured log solubility in mols per litre"


@pytest.fixture
def alkanes(tmp_path) -> Path:
    """The embedded table as a file of one's own, with a bad row and a molecule written in two ways."""
    data = gn.datasets.alkanes()
    rows = [[s, f"{y:g}"] for s, y in zip(data.smiles, data.boiling_points[:, 0], strict=True)]
    with (tmp_path / "alkanes.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["SMILES", "boiling"], *rows, ["C(C)C", "-42.1"], ["C1CC", "5"]])
    return tmp_path / "alkanes.csv"


def train(table: Path, out: Path, *arguments: str) -> int:
    return main(["train", str(table), "--target", "boiling", "--out", str(out), *QUICK, *arguments])


def test_rows_that_do_not_parse_are_reported_and_skipped_only_when_asked(alkanes, tmp_path, capsys):
    assert train(alkanes, tmp_path / "run") == 2
    error = capsys.readouterr().err
    assert "row 151 'C1CC'" in error and "--skip" in error
    assert train(alkanes, tmp_path / "run", "--skip") == 0
    text = capsys.readouterr().out
    assert "151 molecules (150 distinct)" in text and "skipped row 151, 'C1CC'" in text
    assert all(int(row["row"]) != 151 for row in read(tmp_path / "run" / "predictions.csv"))


def test_duplicates_stay_on_one_side(alkanes, tmp_path):
    for seed in range(4):
        out = tmp_path / f"run{seed}"
        assert train(alkanes, out, "--skip", "--seed", str(seed)) == 0
        ((_, split),) = gn.splits.read(out / "splits.json")
        propane = gn.datasets.alkanes().smiles.index("CCC")
        assert [{propane, 150} <= set(part.tolist()) for part in split].count(True) == 1


def test_predictions_leave_the_unreadable_blank_and_warn_of_the_unlike(alkanes, tmp_path, capsys):
    assert train(alkanes, tmp_path / "run", "--skip", "--smiles", "SMILES") == 0
    (tmp_path / "new.csv").write_text("SMILES,comment\nCCCCCCCC,usual\nCCO,oxygen\nC(,open\n", encoding="utf-8")
    arguments = ["predict", str(tmp_path / "run"), str(tmp_path / "new.csv"), "--out", str(tmp_path / "p.csv")]
    capsys.readouterr()
    assert main(arguments) == 2
    assert "row 2 'C('" in capsys.readouterr().err
    assert main([*arguments, "--skip"]) == 0
    usual, oxygen, unreadable = read(tmp_path / "p.csv")
    assert usual["comment"] == "usual" and float(usual["predicted boiling"]) and not usual["unlike the training"]
    assert "never seen" in oxygen["unlike the training"] and "O" in oxygen["unlike the training"]
    assert unreadable["predicted boiling"] == "" and "not predicted" in unreadable["unlike the training"]
    captured = capsys.readouterr()
    assert "1 of 2 rows are unlike the training" in captured.err and "1 row skipped" in captured.out


def test_other_features_and_scaffolds(alkanes, tmp_path):
    sizes = {"c1ccccc1": 10, "C1CCCC1": 10, "c1ccncc1": 4, "": 3, "C1CC1": 3}
    pairs = [("C" * i + ring, i + len(ring)) for ring, count in sizes.items() for i in range(1, count + 1)]
    rows = "".join(f"{smiles},{y}.5\n" for smiles, y in pairs)
    (tmp_path / "t.csv").write_text("smiles,boiling\n" + rows, encoding="utf-8")
    assert (
        train(tmp_path / "t.csv", tmp_path / "run", "--features", "dmpnn", "--model", "dmpnn", "--split", "scaffold")
        == 0
    )
    saved = load_run(tmp_path / "run")
    assert saved.featurizer == gn.chem.DMPNNFeatures() and "DMPNN(8" in repr(saved.model)
    ((_, split),) = gn.splits.read(tmp_path / "run" / "splits.json")
    scaffolds = [{gn.chem.scaffold(pairs[row][0]) for row in part} for part in split]
    assert not any(scaffolds[i] & scaffolds[j] for i, j in ((0, 1), (0, 2), (1, 2)))


def test_no_molecule_at_all(tmp_path, capsys):
    (tmp_path / "t.csv").write_text("smiles,boiling\nhello,1.5\nworld,2.5\n", encoding="utf-8")
    assert train(tmp_path / "t.csv", tmp_path / "run") == 2
    assert "2 of 2 rows" in capsys.readouterr().err
    assert train(tmp_path / "t.csv", tmp_path / "run", "--skip") == 2
    assert "none of the 2 rows" in capsys.readouterr().err


def test_esol_on_splits_from_a_file(tmp_path, capsys):
    table, splits = real_file("esol/delaney-processed.csv"), real_file("derived/esol_splits.json")
    arguments = ["train", str(table), "--target", TARGET, "--split", f"{splits}:random", "--out", str(tmp_path / "run")]
    assert main([*arguments, *QUICK]) == 0
    text = capsys.readouterr().out
    assert "1128 molecules (1117 distinct)" in text
    measured = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert len(measured["splits"]) == 5
    # the reference of the same rows, computed elsewhere: mean 2.127, ridge on descriptors 0.668
    assert measured["test"]["mean of the training rows"]["rmse"]["mean"] == pytest.approx(2.127, abs=5e-4)
    assert measured["test"]["ridge on RDKit descriptors"]["rmse"]["mean"] == pytest.approx(0.668, abs=0.01)
    theirs = json.loads(Path(splits).read_text())["random"]
    for (_, ours), part in zip(gn.splits.read(tmp_path / "run" / "splits.json"), theirs, strict=True):
        assert np.array_equal(ours.test, np.sort(part["test"]))
