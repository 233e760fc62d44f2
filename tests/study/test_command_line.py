"""The command line end to end, as a person types it: every flag, every file of a run, every mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from real_files import real_file
from study.csv_files import read, write

import graphnn as gn
from graphnn.cli import main
from graphnn.study.predict import load_run

FILES = (
    "model.npz", "splits.json", "history.csv", "predictions.csv", "metrics.json", "run.json", "report.txt",
    "picture.png", "seconds.json",
)  # fmt: skip
QUICK = ["--epochs", "3", "--seeds", "2", "--width", "8", "--depth", "1"]


@pytest.fixture(scope="module")
def alkanes(tmp_path_factory) -> Path:
    """A folder as a chemist without RDKit may have it: a table, and a GraphML file for each molecule."""
    folder, data = tmp_path_factory.mktemp("alkanes"), gn.datasets.alkanes()
    (folder / "graphs").mkdir()
    rows = []
    for i, (graph, name) in enumerate(zip(data.graphs, data.names, strict=True)):
        skeleton = nx.empty_graph(graph.n_nodes)
        skeleton.add_edges_from(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))
        nx.write_graphml(skeleton, folder / "graphs" / f"m{i}.graphml")
        side = "test" if i % 10 == 0 else "valid" if i % 10 == 1 else "train"
        rows.append([f"m{i}", name, data.boiling_points[i, 0], int(data.carbons[i]), int(data.carbons[i] > 8), side])
    write(folder / "table.csv", ["file", "name", "boiling", "carbons", "heavy", "side"], rows)
    return folder


def train(folder: Path, out: Path, *arguments: str, target: str = "boiling") -> Path:
    status = main([
        "train", str(folder / "table.csv"), "--graphs", str(folder / "graphs"), "--target", target, "--out", str(out),
        *QUICK, *arguments,
    ])  # fmt: skip
    assert status == 0
    return out


@pytest.fixture(scope="module")
def run(alkanes, tmp_path_factory) -> Path:
    return train(alkanes, tmp_path_factory.mktemp("runs") / "first")


class TestARun:
    def test_leaves_every_file(self, run):
        assert sorted(entry.name for entry in run.iterdir()) == sorted(FILES)
        assert (run / "picture.png").read_bytes()[1:4] == b"PNG"
        assert {"graphnn", "numpy", "python"} <= json.loads((run / "run.json").read_text())["versions"].keys()

    def test_again_gives_the_same_bits(self, run, alkanes, tmp_path):
        before = {name: (run / name).read_bytes() for name in FILES if name != "seconds.json"}
        train(alkanes, run)
        assert {name: (run / name).read_bytes() for name in before} == before

    def test_metrics_are_those_of_the_predictions(self, run):
        rows = [row for row in read(run / "predictions.csv") if row["part"] == "test"]
        actual, predicted = (np.array([float(row[f"{w} boiling"]) for row in rows]) for w in ("actual", "predicted"))
        measured = json.loads((run / "metrics.json").read_text())["test"]["2 networks together"]
        assert measured["rmse"]["mean"] == pytest.approx(np.sqrt(np.mean((actual - predicted) ** 2)), rel=1e-4)

    def test_splits_part_the_rows(self, run):
        ((_, split),) = gn.splits.read(run / "splits.json")
        assert sorted(np.concatenate(split).tolist()) == list(range(150))

    def test_history_has_a_line_for_every_epoch(self, run):
        rows = read(run / "history.csv")
        assert [(row["member"], row["epoch"]) for row in rows] == [(m, e) for m in "01" for e in "012"]
        assert all(np.isfinite(float(row["validation_loss"])) for row in rows)

    def test_the_saved_ensemble_predicts_what_was_written(self, run, alkanes, tmp_path):
        out = tmp_path / "again.csv"
        arguments = [str(run), str(alkanes / "table.csv"), "--graphs", str(alkanes / "graphs"), "--out", str(out)]
        assert main(["predict", *arguments]) == 0
        again = read(out)
        for row in read(run / "predictions.csv"):
            new = again[int(row["row"])]
            for column in ("predicted boiling", "spread boiling", "low boiling", "high boiling"):
                assert float(new[column]) == pytest.approx(float(row[column]), rel=1e-4, abs=1e-3)

    def test_inspect_shows_architecture_parameters_and_report(self, run, capsys):
        assert main(["inspect", str(run), "--like", "net1.*.bias"]) == 0
        text = capsys.readouterr().out
        assert "GINConv(8" in text and "net1.0.dense.bias" in text and "net0.0.dense" not in text
        assert "test scores on 15 rows" in text

    def test_plot_draws_it_anew(self, run, tmp_path, capsys):
        assert main(["plot", str(run), "--out", str(tmp_path / "mine.svg")]) == 0
        assert "<svg" in (tmp_path / "mine.svg").read_text()[:500]

    def test_another_command_does_not_overwrite_it(self, run, alkanes, capsys):
        arguments = ["train", str(alkanes / "table.csv"), "--graphs", str(alkanes / "graphs"), "--target", "carbons"]
        assert main([*arguments, "--out", str(run)]) == 2
        assert "holds another run" in capsys.readouterr().err


class TestFlags:
    def test_folds_test_every_row_once(self, alkanes, tmp_path, capsys):
        run = train(alkanes, tmp_path / "run", "--folds", "3", "--seeds", "1")
        rows = [int(row["row"]) for row in read(run / "predictions.csv") if row["part"] == "test"]
        assert sorted(rows) == list(range(150))
        assert "±" in capsys.readouterr().out
        assert load_run(run).model.count == 3

    def test_a_column_splits(self, alkanes, tmp_path):
        run = train(alkanes, tmp_path / "run", "--split", "side")
        rows = {row["part"]: set() for row in read(run / "predictions.csv")}
        for row in read(run / "predictions.csv"):
            rows[row["part"]].add(int(row["row"]) % 10)
        assert rows == {"test": {0}, "validation": {1}}

    def test_a_file_splits(self, alkanes, tmp_path):
        parts = [(f"mine/{i}", gn.splits.random(150, seed=i)) for i in range(2)]
        gn.splits.write(tmp_path / "s.json", parts)
        run = train(alkanes, tmp_path / "run", "--split", str(tmp_path / "s.json"))
        found = {row["split"] for row in read(run / "predictions.csv")}
        assert len(found) == 2
        one = train(alkanes, tmp_path / "one", "--split", f"{tmp_path / 's.json'}:{sorted(found)[0]}")
        assert {row["split"] for row in read(one / "predictions.csv")} == {sorted(found)[0]}

    @pytest.mark.parametrize("model", ["gin", "gcn", "gat", "fingerprint"])
    def test_every_model(self, model, alkanes, tmp_path):
        run = train(alkanes, tmp_path / "run", "--model", model)
        layer = {"gin": "GINConv", "gcn": "GraphConv", "gat": "GATConv", "fingerprint": "NeuralFingerprint"}[model]
        assert layer in repr(load_run(run).model)

    def test_several_targets_at_once(self, alkanes, tmp_path):
        run = train(alkanes, tmp_path / "run", "--target", "carbons", "--task", "regression")
        header = read(run / "predictions.csv")[0]
        assert "predicted boiling" in header and "high carbons" in header

    def test_classes_are_told_by_the_target(self, alkanes, tmp_path, capsys):
        run = train(alkanes, tmp_path / "run", target="heavy")
        assert "classification" in capsys.readouterr().out
        row = read(run / "predictions.csv")[0]
        assert row["predicted heavy"] in "01" and float(row["probability 0"]) + float(
            row["probability 1"]
        ) == pytest.approx(1)
        assert {"set heavy", "spread 1"} <= row.keys()

    def test_a_task_can_be_said(self, alkanes, tmp_path, capsys):
        train(alkanes, tmp_path / "run", "--task", "regression", target="heavy")
        assert "regression" in capsys.readouterr().out

    def test_yes_and_no_of_several_kinds(self, alkanes, tmp_path):
        rows = read(alkanes / "table.csv")
        table = write(
            tmp_path / "t.csv", ["file", "a", "b"],
            [[r["file"], r["heavy"], "" if i % 5 == 0 else int(i % 2)] for i, r in enumerate(rows)],
        )  # fmt: skip
        arguments = ["train", str(table), "--graphs", str(alkanes / "graphs"), "--target", "a", "--target", "b"]
        assert main([*arguments, "--out", str(tmp_path / "run"), *QUICK]) == 0
        row = read(tmp_path / "run" / "predictions.csv")[0]
        assert 0 <= float(row["probability b"]) <= 1 and "set a" in row

    def test_missing_targets_are_left_out(self, alkanes, tmp_path, capsys):
        rows = read(alkanes / "table.csv")
        table = write(
            tmp_path / "t.csv", ["file", "y", "z"],
            [[r["file"], r["boiling"] if i % 3 else "", "" if i % 2 else r["carbons"]] for i, r in enumerate(rows)],
        )  # fmt: skip
        arguments = ["train", str(table), "--graphs", str(alkanes / "graphs"), "--target", "y", "--target", "z"]
        assert main([*arguments, "--task", "regression", "--out", str(tmp_path / "run"), *QUICK]) == 0
        assert "125 graphs" in capsys.readouterr().out  # a row with neither is of no use
        found = read(tmp_path / "run" / "predictions.csv")
        assert any(row["actual y"] == "" and row["actual z"] for row in found)

    def test_seed_and_other_numbers_change_the_result(self, alkanes, tmp_path):
        plain = (train(alkanes, tmp_path / "a") / "model.npz").read_bytes()
        for i, flags in enumerate(
            (["--seed", "7"], ["--batch-size", "9"], ["--step-size", "0.02"], ["--dropout", "0.5"])
        ):
            assert (train(alkanes, tmp_path / str(i), *flags) / "model.npz").read_bytes() != plain

    def test_live_draws_while_it_learns(self, alkanes, tmp_path):
        run = train(alkanes, tmp_path / "run", "--live")
        assert (run / "live.png").read_bytes()[1:4] == b"PNG"

    def test_weights_and_categories_of_graph_files(self, alkanes, tmp_path):
        (tmp_path / "graphs").mkdir()
        rows = []
        for i in range(40):
            graph = nx.gnp_random_graph(5 + i % 4, 0.6, seed=i)
            nx.set_node_attributes(graph, {v: (v * i) % 3 + 7 for v in graph}, "kind")
            nx.set_edge_attributes(graph, 0.5, "strength")
            graph.add_edge(0, 1, strength=1.0 + i)
            nx.write_graphml(graph, tmp_path / "graphs" / f"g{i}.graphml")
            rows.append([f"g{i}", i * 1.5])
        write(tmp_path / "table.csv", ["file", "boiling"], rows)
        run = train(tmp_path, tmp_path / "run", "--weight", "strength", "--categories", "kind", "--name", "file")
        learned = load_run(run).featurizer
        assert learned.weight == "strength" and learned.node_names == ("kind=7", "kind=8", "kind=9")


class TestNodes:
    """One graph, whose nodes are the rows."""

    @pytest.fixture
    def club(self, tmp_path) -> Path:
        nx.write_graphml(nx.karate_club_graph(), tmp_path / "club.graphml")
        return tmp_path / "club.graphml"

    def test_a_graph_file_alone(self, club, tmp_path):
        assert main(["train", str(club), "--target", "club", "--out", str(tmp_path / "run"), *QUICK]) == 0
        assert main(["predict", str(tmp_path / "run"), str(club), "--out", str(tmp_path / "p.csv")]) == 0
        assert [row["node"] for row in read(tmp_path / "p.csv")] == [str(i) for i in range(34)]

    def test_a_table_of_nodes_beside_an_edge_list(self, tmp_path):
        club = nx.karate_club_graph()
        write(tmp_path / "edges.csv", ["source", "target"], [[f"n{a}", f"n{b}"] for a, b in club.edges])
        rows = [[f"n{v}", club.nodes[v]["club"] if v % 3 else "", club.degree[v]] for v in club]
        write(tmp_path / "nodes.csv", ["member", "club", "friends"], rows[::-1])
        arguments = [str(tmp_path / "nodes.csv"), "--graphs", str(tmp_path / "edges.csv"), "--target", "club"]
        assert main(["train", *arguments, "--out", str(tmp_path / "run"), *QUICK]) == 0
        assert load_run(tmp_path / "run").featurizer.node_names == ("friends",)
        rows = read(tmp_path / "run" / "predictions.csv")
        assert all(int(row["name"][1:]) % 3 for row in rows)  # the others have no known club
        assert all(row["actual club"] == club.nodes[int(row["name"][1:])]["club"] for row in rows)

    def test_a_real_network_and_groups_of_its_authors(self, tmp_path, capsys):
        """netscience, 1589 scientists who wrote together; the groups are networkx's, known for one in four."""
        path = real_file("networks/netscience.gml.zip")
        network = gn.datasets.read_graph(path)
        groups = nx.community.greedy_modularity_communities(network, weight="value")[:8]
        known = {author: f"group {i}" for i, group in enumerate(groups) for author in group}
        write(tmp_path / "authors.csv", ["author", "group"], [[a, known.get(a, "")] for a in network])
        arguments = [str(tmp_path / "authors.csv"), "--graphs", str(path), "--target", "group", "--weight", "value"]
        quick = ["--epochs", "60", "--seeds", "1", "--depth", "2"]
        assert main(["train", *arguments, "--out", str(tmp_path / "run"), *quick]) == 0
        assert "1589 nodes" in capsys.readouterr().out
        measured = json.loads((tmp_path / "run" / "metrics.json").read_text())["test"]
        assert measured["network"]["accuracy"]["mean"] > 0.9
        assert measured["most common class"]["accuracy"]["mean"] < 0.3

    def test_a_model_of_whole_graphs_is_refused(self, club, tmp_path, capsys):
        arguments = ["train", str(club), "--target", "club", "--model", "fingerprint", "--out", str(tmp_path / "run")]
        assert main(arguments) == 2
        assert "use gcn or gin" in capsys.readouterr().err


class TestTheUnlike:
    def test_graphs_beyond_the_training_are_noted(self, alkanes, tmp_path, capsys):
        run = train(alkanes, tmp_path / "run", "--split", "side")
        (tmp_path / "graphs").mkdir()
        nx.write_graphml(nx.star_graph(40), tmp_path / "graphs" / "big.graphml")
        nx.write_graphml(nx.path_graph(5), tmp_path / "graphs" / "usual.graphml")
        write(tmp_path / "new.csv", ["file"], [["big"], ["usual"]])
        arguments = [str(run), str(tmp_path / "new.csv"), "--graphs", str(tmp_path / "graphs")]
        assert main(["predict", *arguments, "--out", str(tmp_path / "p.csv")]) == 0
        big, usual = read(tmp_path / "p.csv")
        assert "41 nodes, training had" in big["unlike the training"] and usual["unlike the training"] == ""
        assert "1 of 2 rows are unlike the training" in capsys.readouterr().err
        assert float(big["low boiling"]) < float(big["predicted boiling"]) < float(big["high boiling"])

    def test_what_cannot_be_represented_is_refused(self, tmp_path, capsys):
        for folder, kinds in (("old", "ab"), ("new", "cc")):
            (tmp_path / folder).mkdir()
            for i in range(30):
                graph = nx.path_graph(3 + i % 3)
                nx.set_node_attributes(graph, {v: kinds[(v + i) % 2] for v in graph}, "kind")
                nx.write_graphml(graph, tmp_path / folder / f"g{i}.graphml")
        write(tmp_path / "t.csv", ["file", "y"], [[f"g{i}", 1.5 * i] for i in range(30)])
        common = [str(tmp_path / "t.csv"), "--graphs"]
        assert (
            main(["train", *common, str(tmp_path / "old"), "--target", "y", "--out", str(tmp_path / "r"), *QUICK]) == 0
        )
        new = ["predict", str(tmp_path / "r"), *common, str(tmp_path / "new"), "--out", str(tmp_path / "p.csv")]
        assert main(new) == 2
        error = capsys.readouterr().err
        assert "row 0, g0" in error and "'c'" in error
        assert main([*new, "--skip"]) == 2
        assert "none of the 30 rows" in capsys.readouterr().err


# what is wrong: the command, with G for a good table and its graphs, and the words that say so
MISTAKES = {
    "no such table": ("nowhere.csv --target y", "nowhere.csv: there is no such file"),
    "no such column": ("G --target boilng", "no column 'boilng'; did you mean 'boiling'"),
    "empty file": ("empty.csv --target y", "empty.csv: is empty"),
    "header only": ("header.csv --target y", "has only a first line"),
    "words among numbers": ("words.csv --graphs graphs --target y", "row 2 (line 4) has 'hot'"),
    "one class only": ("G --target same", "is 'same' in all 20 rows"),
    "all targets missing": ("G --target none", "blank in all"),
    "no target": ("t.csv --graphs graphs", "say what to predict: --target COLUMN, of 'name'"),
    "neither molecules nor graphs": ("t.csv --target boiling", "which column holds the molecules"),
    "both": ("G --target boiling --smiles file", "not both"),
    "no such folder": ("t.csv --target boiling --graphs grphs", "grphs"),
    "a file that is missing": ("G --target boiling --name name", "no graph file"),
    "no column names the files": ("other.csv --target y --graphs graphs", "no column names files"),
    "split of nothing": ("G --target boiling --split sied", "did you mean 'side'"),
    "scaffolds without molecules": ("G --target boiling --split scaffold", "needs molecules"),
    "no such file of splits": ("G --target boiling --split no.json", "no.json"),
    "split beyond the table": ("G --target boiling --split far.json", "row 99 is beyond the 20 rows"),
    "folds of a column": ("G --target boiling --split side --folds 2", "give one of them"),
    "more folds than rows": ("G --target boiling --folds 50", "from 2 to 20"),
    "a weight that no edge has": ("G --target boiling --weight w", "attribute 'w'"),
    "targets that do not go together": ("G --target boiling --target name", "'name' is classification"),
    "messages along edges without features": (
        "G --target boiling --model dmpnn", "there are none; use gin"
    ),
    "a damaged graph": ("t.csv --target boiling --graphs damaged", "cannot be read as GraphML"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_said_in_words(mistake, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("graphs", "damaged"):
        Path(folder).mkdir()
        for i in range(20):
            nx.write_graphml(nx.path_graph(2 + i % 5), f"{folder}/m{i}.graphml")
    Path("damaged/m3.graphml").write_text("<graphml>")
    sides = ["train"] * 16 + ["valid"] * 2 + ["test"] * 2
    rows = [[f"m{i}", f"name{i % 2}", i * 1.5, "same", "", sides[i]] for i in range(20)]
    write(Path("t.csv"), ["file", "name", "boiling", "same", "none", "side"], rows)
    write(Path("words.csv"), ["file", "y"], [[f"m{i}", "hot" if i == 2 else i * 1.5] for i in range(20)])
    write(Path("other.csv"), ["id", "y"], [[f"x{i}", i * 1.5] for i in range(20)])
    Path("empty.csv").write_text("")
    Path("header.csv").write_text("file,y\n")
    Path("far.json").write_text(json.dumps({"train": [0, 1, 2], "val": [3], "test": [99]}))
    command, words = MISTAKES[mistake]
    arguments = command.replace("G ", "t.csv --graphs graphs ").split()
    assert main(["train", *arguments, "--out", "run", *QUICK]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("graphnn: ") == 1
    assert not Path("run", "model.npz").exists()


@pytest.mark.parametrize("flag", ["--folds", "--seeds", "--epochs", "--width", "--depth", "--batch-size"])
def test_counts_start_at_one(flag, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["train", "t.csv", "--out", "run", flag, "0"])
    assert "wanted 1 or more, got 0" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["predict", "inspect", "plot"])
def test_a_folder_without_a_run_is_refused(command, tmp_path, capsys):
    more = ["t.csv"] if command == "predict" else []
    assert main([command, str(tmp_path), *more]) == 2
    assert "is no finished run" in capsys.readouterr().err


def test_inspect_reads_the_file_of_a_training_and_of_a_model(tmp_path, capsys):
    x, model = np.ones((3, 2)), gn.Dense(1)
    keep = gn.Checkpoint(tmp_path / "run.npz")
    params, history = gn.fit(model, model.init(0, x), x, x[:, :1], epochs=3, callbacks=[keep])
    gn.save(tmp_path / "model.npz", params, info={"source": "a test"})
    assert main(["inspect", str(tmp_path / "run.npz")]) == 0
    text = capsys.readouterr().out
    assert f"a run after 3 epochs and 3 steps, loss {history.loss[-1]:.4g}" in text
    assert "Dense(1) 3" in text and "(2, 1)" in text
    assert main(["inspect", str(tmp_path / "model.npz"), "--like", "bias"]) == 0
    text = capsys.readouterr().out
    assert "source: a test" in text and "weight" not in text


def test_a_damaged_model_is_named(alkanes, tmp_path, capsys):
    run = train(alkanes, tmp_path / "run")
    data = bytearray((run / "model.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (run / "model.npz").write_bytes(data)
    assert main(["inspect", str(run)]) == 2
    assert "model.npz" in capsys.readouterr().err


def test_it_runs_as_a_program(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "graphnn", "train", "nowhere.csv", "--target", "y", "--out", "run"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(gn.__file__).parent.parent)},
    )  # fmt: skip
    assert (
        done.returncode == 2 and "nowhere.csv: there is no such file" in done.stderr and "Traceback" not in done.stderr
    )
