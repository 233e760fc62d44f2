"""`graphnn demo`, as typed: it ends by itself and leaves what it says it leaves."""

from __future__ import annotations

import csv

import numpy as np
import pytest

import graphnn as gn
from graphnn.cli import main
from graphnn.demo.alkanes import MEMBERS, Study, network
from graphnn.demo.baselines import folds


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    assert main(["demo", "--smoke", "--out", str(out / "run")]) == 0
    return out / "run"


class TestAlkanes:
    def test_leaves_picture_table_predictions_and_model(self, finished):
        assert sorted(path.name for path in finished.iterdir()) == [
            "alkanes.csv", "alkanes.npz", "alkanes.png", "alkanes.txt"
        ]  # fmt: skip
        assert (finished / "alkanes.png").read_bytes()[1:4] == b"PNG"

    def test_table_has_every_baseline_and_the_network(self, finished):
        text = (finished / "alkanes.txt").read_text("utf-8")
        for name in ("mean", "carbon count", "Wiener", "ridge", "Gaussian process", "graph network"):
            assert name in text
        assert "the graph network is behind" in text  # after 20 epochs it must be, and must say so

    def test_every_molecule_from_butane_up_is_predicted_unseen(self, finished):
        rows = list(csv.DictReader((finished / "alkanes.csv").read_text("utf-8").splitlines()))
        unseen = [row for row in rows if row["predicted_out_of_fold"]]
        assert len(rows) == 150 and len(unseen) == 147
        assert {row["name"] for row in rows if not row["predicted_out_of_fold"]} == {"methane", "ethane", "propane"}

    def test_saved_model_predicts(self, finished):
        saved, data = gn.load(finished / "alkanes.npz"), gn.datasets.alkanes()
        assert saved.model == gn.Ensemble(network(), MEMBERS)
        saved.model.check(saved.params, gn.pack(data.graphs, dtype=np.float32))
        assert saved.model(saved.params, data.graphs).shape == (150, 1)

    def test_training_does_not_see_what_is_held_out(self):
        study, (train, test) = Study(0, 3), folds(150, 3)[0]
        first = study.predict(study.train(train), test)
        study.y[test] += 1000.0
        np.testing.assert_array_equal(first, study.predict(study.train(train), test))


class TestNetwork:
    def test_draws_the_club_and_prints_both(self, tmp_path, capsys):
        assert main(["demo", "--task", "network", "--smoke", "--out", str(tmp_path)]) == 0
        text = capsys.readouterr().out
        assert "propagation" in text and "convolution" in text
        assert (tmp_path / "karate.png").read_bytes()[1:4] == b"PNG"


def test_a_folder_that_cannot_be_made_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["demo", "--out", str(tmp_path / "file" / "run")]) == 2
    assert "choose another folder with --out" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["demo", "--task", "poetry"], ["nonsense"]], ids=str)
def test_a_wrong_call_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err
