"""A recording keeps what the model said at the time, in bounded room, and a film shows it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from pretence import ACTUAL, image

import graphnn as gn
from graphnn.training.live import recording as module

pytestmark = pytest.mark.usefixtures("no_display")
X = np.random.default_rng(0).normal(size=(10, 2))
Y = X @ np.array([[1.0], [-2.0]])
MODEL = gn.Dense(1)


class Witness:
    """Keeps the predictions by itself."""

    def __init__(self):
        self.seen = []

    def after_epoch(self, run):
        self.seen.append(run.train_predictions()[0])


def recorded(epochs=7, **settings):
    recording, witness = gn.Recording(**settings), Witness()
    gn.fit(MODEL, MODEL.init(0, X), X, Y, validation=(X[:3], Y[:3]), epochs=epochs, callbacks=[recording, witness])
    return recording, witness


class TestRecording:
    def test_keeps_what_the_model_said_at_the_time(self):
        recording, witness = recorded(every=3)
        assert recording.moments == [0, 3, 6]
        for i, moment in enumerate(recording.moments):
            np.testing.assert_array_equal(recording.view(i).train.predicted, witness.seen[moment].ravel())
            np.testing.assert_array_equal(recording.view(i).validation.predicted, witness.seen[moment][:3].ravel())

    def test_a_view_has_the_losses_up_to_its_moment(self):
        recording, _ = recorded(every=3)
        assert [len(recording.view(i).losses["loss"]) for i in range(3)] == [1, 4, 7]
        assert recording.view(1).losses["validation"] == recording.losses["validation"][:4]

    def test_the_last_epoch_is_kept_too(self):
        assert recorded(epochs=6, every=4)[0].moments == [0, 4, 5]

    def test_a_long_training_takes_no_more_room_than_a_short_one(self):
        recording, witness = recorded(epochs=100, every=1, most=8)
        assert len(recording.moments) <= 9
        assert recording.moments[0] == 0
        assert set(np.diff(recording.moments[:-1])) == {recording.every}
        np.testing.assert_array_equal(recording.predicted["train"][-1], witness.seen[-1])

    def test_of_many_rows_the_same_ones_are_kept_all_along(self):
        recording, witness = recorded(every=3, rows=4)
        kept = recording.kept["train"]
        assert len(set(kept)) == 4
        np.testing.assert_array_equal(recording.actual["train"], Y[kept])
        np.testing.assert_array_equal(recording.predicted["train"][1], witness.seen[3][kept])
        assert recording.kept["validation"] is None

    def test_another_fit_begins_anew(self):
        recording = gn.Recording(every=1)
        for epochs in (4, 2):
            gn.fit(MODEL, MODEL.init(0, X), X, Y, epochs=epochs, callbacks=[recording])
        assert recording.moments == [0, 1]

    def test_its_memory_goes_through_a_file(self, tmp_path):
        recording, _ = recorded(every=3, rows=4)
        np.savez(tmp_path / "memory.npz", **{name: v for name, v in recording.memory().items() if v is not None})
        with np.load(tmp_path / "memory.npz") as file:
            other = gn.Recording(every=1, rows=4)
            other.remember({**dict.fromkeys(recording.memory()), **file})
        other.losses = recording.losses
        assert (other.moments, other.every) == (recording.moments, recording.every)
        np.testing.assert_array_equal(other.kept["train"], recording.kept["train"])
        np.testing.assert_array_equal(other.view(1).validation.predicted, recording.view(1).validation.predicted)

    def test_a_resumed_training_has_the_recording_of_one_that_was_never_stopped(self, tmp_path):
        def train(epochs, name):
            recording, checkpoint = gn.Recording(every=2, rows=4), gn.Checkpoint(tmp_path / name, every=1, resume=True)
            settings = {"validation": (X[:3], Y[:3]), "epochs": epochs, "callbacks": [recording, checkpoint]}
            gn.fit(MODEL, MODEL.init(0, X), X, Y, **settings)
            return recording

        whole = train(9, "whole.npz")
        train(5, "run.npz")
        resumed = train(9, "run.npz")
        assert resumed.moments == whole.moments
        for i in range(len(whole.moments)):
            np.testing.assert_array_equal(resumed.view(i).train.predicted, whole.view(i).train.predicted)
            assert resumed.view(i).losses == whole.view(i).losses

    def test_a_loop_by_hand(self):
        asked, recording = [], gn.Recording(every=2)

        def predicted():
            asked.append(1)
            return ACTUAL

        for step in range(5):
            recording(step, 1 / (step + 1), predicted, ACTUAL, validation=(ACTUAL, ACTUAL), validation_value=0.5)
        assert (recording.moments, len(asked)) == ([0, 2, 4], 3)
        assert recording.view(1).losses["validation_steps"] == [0, 1, 2]

    @pytest.mark.parametrize("settings", [{"every": 0}, {"most": 1}, {"rows": 2.5}], ids=str)
    def test_settings_that_make_no_sense(self, settings):
        with pytest.raises(ValueError, match="give a whole number"):
            gn.Recording(**settings)


class TestReplay:
    def test_a_film_has_a_picture_for_every_moment_and_lasts_as_long_as_asked(self):
        recording, _ = recorded(epochs=6, every=1)
        path = gn.replay(recording, "film.gif", seconds=3, units="eV", title="Energies")
        assert path == Path("film.gif")
        with image.open(path) as film:
            assert film.n_frames == 6
            durations = []
            for i in range(6):
                film.seek(i)
                durations.append(film.info["duration"])
        assert sum(durations[:5]) == pytest.approx(2500, abs=100)
        assert durations[-1] > 1500  # the last picture stands a moment
        assert os.listdir() == ["film.gif"]

    def test_a_short_film_of_many_moments_leaves_some_out(self):
        recording, _ = recorded(epochs=60, every=1)
        with image.open(gn.replay(recording, "film.gif", seconds=0.5)) as film:
            assert film.n_frames <= 0.5 * module.FASTEST

    def test_the_axes_are_those_of_the_end_all_along(self):
        recording, _ = recorded(every=1)
        figure = module.canvas((9.6, 4.9))
        draw = module._film(figure, module.Settings(title="Energies"), recording)
        looks = set()
        for index in range(len(recording.moments)):
            draw(index)
            looks.add(tuple((ax.get_xlim(), ax.get_ylim(), ax.get_yscale()) for ax in figure.axes))
        assert len(looks) == 1
        assert figure.axes[0].get_title(loc="left") == "Energies, epoch 6"

    def test_classes_are_a_film_too(self):
        recording, labels = gn.Recording(every=1), (Y[:, 0] > 0).astype(int)
        model = gn.Dense(2)
        gn.fit(model, model.init(0, X), X, labels, loss=gn.cross_entropy, epochs=2, callbacks=[recording])
        assert gn.replay(recording, "film.gif", seconds=0.2).stat().st_size > 1000

    def test_a_film_that_fails_leaves_the_old_one_and_nothing_else(self, monkeypatch):
        recording, _ = recorded(epochs=2, every=1)
        Path("film.gif").write_bytes(b"old")

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(module.os, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            gn.replay(recording, "film.gif", seconds=0.2)
        assert (os.listdir(), Path("film.gif").read_bytes()) == (["film.gif"], b"old")

    def test_without_ffmpeg_it_is_named(self, monkeypatch):
        recording, _ = recorded(epochs=2, every=1)
        monkeypatch.setenv("PATH", "")
        with pytest.raises(FileNotFoundError, match=r"\.mp4 is written by the program ffmpeg, which is not installed"):
            gn.replay(recording, "film.mp4")

    def test_it_is_found_where_the_user_says_and_all_other_settings_are_plain(self, monkeypatch):
        recording, _ = recorded(epochs=2, every=1)
        real, seen = module._film, []

        def film(*arguments):
            seen.append((matplotlib.rcParams["animation.ffmpeg_path"], matplotlib.rcParams["font.size"]))
            return real(*arguments)

        monkeypatch.setattr(module, "_film", film)
        with matplotlib.rc_context({"animation.ffmpeg_path": "/opt/ffmpeg", "font.size": 30}):
            gn.replay(recording, "film.gif", seconds=0.2)
            assert matplotlib.rcParams["font.size"] == 30
        assert seen == [("/opt/ffmpeg", matplotlib.rcParamsDefault["font.size"])]

    @pytest.mark.parametrize(
        ("path", "seconds", "words"),
        [("film.avi", 1.0, r"give a name that ends in \.gif or \.mp4"), ("film.gif", 0.0, "seconds=0.0 came")],
    )
    def test_what_makes_no_sense(self, path, seconds, words):
        recording, _ = recorded(epochs=2, every=1)
        with pytest.raises(ValueError, match=words):
            gn.replay(recording, path, seconds=seconds)

    def test_an_empty_recording(self):
        with pytest.raises(ValueError, match=r"the recording is empty; pass it to fit first"):
            gn.replay(gn.Recording(), "film.gif")

    def test_mp4_is_written_by_ffmpeg(self):
        if subprocess.run(["which", "ffmpeg"], capture_output=True, check=False).returncode:
            pytest.skip("ffmpeg is not installed")
        recording, _ = recorded(epochs=3, every=1)
        assert gn.replay(recording, "film.mp4", seconds=0.5, title="Energies").read_bytes()[4:8] == b"ftyp"


def test_an_end_between_two_moments_is_none_of_a_run_that_goes_on(tmp_path):
    def train(epochs, name):
        recording, checkpoint = gn.Recording(every=5), gn.Checkpoint(tmp_path / name, every=100, resume=True)
        gn.fit(MODEL, MODEL.init(0, X), X, Y, epochs=epochs, callbacks=[recording, checkpoint])
        return recording

    whole = train(20, "whole.npz")
    train(12, "run.npz")
    assert train(20, "run.npz").moments == whole.moments == [0, 5, 10, 15, 19]
    again = train(20, "run.npz")  # a finished script run once more
    assert again.losses["loss"] == whole.losses["loss"]
    assert again.moments[:4] == [0, 5, 10, 15]


def test_a_film_tells_how_far_it_is_if_asked(tmp_path, capsys):
    recording, _ = recorded(every=3)
    gn.replay(recording, tmp_path / "film.gif", seconds=1)
    assert capsys.readouterr() == ("", "")
    gn.replay(recording, tmp_path / "film.gif", seconds=1, progress=True)
    words = capsys.readouterr().err
    assert words.startswith("film: ")
    assert words.endswith(" frames\n")
