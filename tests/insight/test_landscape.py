"""Landscapes against the loss itself, directions against their norms, planes against what is known of the way."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

import graphnn as gn
from graphnn.insight import relief, telling
from graphnn.insight.landscape import Landscape

MODEL = gn.Sequential(gn.GraphConv(4, gn.tanh), gn.BatchNorm(), gn.SumPool(), gn.Dense(1), gn.Rescale())
BATCH = gn.pack(gn.testing.graphs("mixed"))
Y = np.random.default_rng(1).normal(size=(BATCH.n_graphs, 1))
PARAMS = gn.testing.trial.parameters(MODEL, BATCH)
V, W = gn.random_directions(PARAMS)


def loss(params):
    return gn.mean_squared_error(MODEL(params, BATCH), Y)


def bowl(params):
    return (params["a"] ** 2).sum()


class TestLandscape:
    def test_every_value_is_the_loss_there(self):
        first, second = np.linspace(-1, 1, 5), np.array([-2.0, 0.5, 0.0])
        surface = gn.loss_landscape(loss, PARAMS, (V, W), (first, second))
        assert surface.shape == surface.values.shape == (3, 5)
        for i, b in enumerate(second):
            for j, a in enumerate(first):
                moved = {k: p + a * V[k] + b * W[k] for k, p in PARAMS.items()}
                assert surface.values[i, j] == pytest.approx(loss(moved), rel=1e-12)
        assert surface.values[2, 2] == loss(PARAMS)

    def test_one_direction_is_a_curve(self):
        curve = gn.loss_landscape(loss, PARAMS, V, [0.0, 0.25])
        assert curve.values.tolist() == [loss(PARAMS), loss({k: p + 0.25 * V[k] for k, p in PARAMS.items()})]
        assert gn.loss_landscape(loss, PARAMS, [V]).shape == (25,)

    def test_running_statistics_never_move(self):
        pushed = {name: value + 5 * ("running_" in name) for name, value in V.items()}
        assert any("running_" in name for name in V)
        found = [gn.loss_landscape(loss, PARAMS, direction, [0.5]).values for direction in (V, pushed)]
        np.testing.assert_array_equal(*found)

    def test_a_direction_of_some_parameters_moves_only_those(self):
        name = "0.graphconv.weight"
        found = gn.loss_landscape(loss, PARAMS, {name: np.ones((3, 4))}, [0.5]).values
        assert found.tolist() == [loss({**PARAMS, name: PARAMS[name] + 0.5})]

    def test_parameters_keep_their_dtype_and_are_not_written_to(self):
        seen = []
        params = {"a": np.ones(3, np.float32), "codes": np.arange(2)}
        gn.loss_landscape(lambda p: (seen.append(p), bowl(p))[1], params, {"a": np.ones(3)}, [0.0, 1.0])
        assert [p["a"].dtype for p in seen] == [np.float32] * 2
        assert all(p["codes"] is params["codes"] for p in seen)
        assert params["a"].tolist() == [1, 1, 1]

    def test_numpy_and_matplotlib_take_it_for_its_array(self):
        surface = gn.loss_landscape(loss, PARAMS, (V, W), np.linspace(-1, 1, 4))
        np.testing.assert_array_equal(np.asarray(surface), surface.values)
        np.testing.assert_array_equal(np.log(surface), np.log(surface.values))
        assert np.asarray(surface, np.float32).dtype == np.float32
        drawn, plain = (Figure().subplots().contourf(values) for values in (surface, surface.values))
        np.testing.assert_array_equal(drawn.levels, plain.levels)
        with pytest.raises(ValueError, match="read-only"):
            surface.values[0] = 0

    def test_what_is_not_finite_is_kept_and_said(self):
        def cliff(params):
            return gn.ops.where(params["a"] > 0.5, np.inf, params["a"] ** 2)

        curve = gn.loss_landscape(cliff, {"a": np.array(0.0)}, {"a": np.array(1.0)}, [-1.0, 0.0, 1.0])
        assert curve.values.tolist() == [1, 0, np.inf] and curve.not_finite == 1 and curve.lowest == (0.0,)
        assert repr(curve) == "Landscape(3 values from 0 at (0) to 1 at (-1); 1 not finite)"
        nothing = Landscape(np.array([np.nan, np.inf]), (np.array([0.0, 1.0]),))
        assert repr(nothing) == "Landscape(2 values, none of them finite)"
        ax = curve.plot(ax=Figure().subplots())
        assert "not finite at 1 of 3 points" in [text.get_text() for text in ax.texts]

    @pytest.mark.parametrize(
        ("directions", "span", "error", "text"),
        [
            ((V, W, V), [0.0], ValueError, "give one or two directions, got 3"),
            ((), [0.0], ValueError, "give one or two directions, got 0"),
            ({"0.graphconv.wieght": 1}, [0.0], KeyError, "names '0.graphconv.wieght', .* did you mean '0.graphconv.w"),
            ({"0.graphconv.weight": np.ones(4)}, [0.0], ValueError, r"has shape \(4,\) for .*, wanted shape \(3, 4\)"),
            ((V, {"0.graphconv.bias": np.full(4, np.nan)}), [0.0], ValueError, "direction 1 is not finite in '0.graph"),
            ((V, 3.0), [0.0], TypeError, "direction 1 is a float; give a dict like the params"),
            ({"0.graphconv.bias": np.zeros(4)}, [0.0], ValueError, "direction 0 is zero in every parameter"),
            ({"1.batchnorm.running_mean": np.ones(4)}, [0.0], ValueError, "is zero in every parameter that can move"),
            (V, [], ValueError, r"span must be a vector of finite steps, .* got shape \(0,\)"),
            (V, 3.0, ValueError, r"span must be a vector of finite steps, .* got shape \(\)"),
            (V, [0.0, np.inf], ValueError, r"shape \(2,\) with numbers that are not finite"),
            ((V, W), np.zeros((2, 3)), ValueError, r"got shape \(2, 3\)"),
        ],
    )  # fmt: skip
    def test_errors_say_what_is_wrong_with_which(self, directions, span, error, text):
        with pytest.raises(error, match=text):
            gn.loss_landscape(loss, PARAMS, directions, span)

    def test_a_loss_that_is_no_number_and_parameters_that_are_none(self):
        with pytest.raises(TypeError, match=r"the loss must return a scalar, got shape \(2,\)"):
            gn.loss_landscape(lambda p: p["a"], {"a": np.ones(2)}, {"a": np.ones(2)})
        with pytest.raises(TypeError, match="the loss must return a scalar, got tuple"):
            gn.loss_landscape(lambda p: (bowl(p), {}), {"a": np.ones(2)}, {"a": np.ones(2)})
        with pytest.raises(ValueError, match="direction 0 moves 'codes', which holds no floating numbers"):
            params = {"a": np.ones(2), "codes": np.arange(2)}
            gn.loss_landscape(bowl, params, {"a": np.ones(2), "codes": np.ones(2)})

    def test_progress_is_told_on_stderr_only_when_asked_for(self, capsys, monkeypatch):
        gn.loss_landscape(bowl, {"a": np.ones(2)}, {"a": np.ones(2)})
        assert capsys.readouterr() == ("", "")
        gn.loss_landscape(bowl, {"a": np.ones(2)}, {"a": np.ones(2)}, progress=True)
        assert capsys.readouterr() == ("", "landscape: 25/25 points\n")
        monkeypatch.setattr(telling.time, "perf_counter", iter(np.arange(0, 1e4, 4.0)).__next__)
        gn.loss_landscape(bowl, {"a": np.ones(2)}, {"a": np.ones(2)}, np.arange(6.0), progress=True)
        assert capsys.readouterr().err.splitlines() == ["landscape: 3/6 points", "landscape: 6/6 points"]

    def test_progress_on_a_terminal_is_a_bar(self, capsys, monkeypatch):
        pytest.importorskip("tqdm")
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        gn.loss_landscape(bowl, {"a": np.ones(2)}, {"a": np.ones(2)}, progress=True)
        assert "25/25" in capsys.readouterr().err


class TestDirections:
    def test_are_as_long_as_the_parameters_filter_by_filter(self):
        rng = np.random.default_rng(0)
        params = {"weight": rng.normal(size=(5, 3)), "relations": rng.normal(size=(2, 4, 3)), "bias": np.ones(3),
                  "eps": np.array(0.5), "running_mean": np.ones(3), "codes": np.arange(4)}  # fmt: skip
        params["weight"][:, 1] = 0
        first, second = gn.random_directions(params)
        for direction in (first, second):
            assert list(direction) == list(params)
            for name in ("weight", "relations"):
                norms = [np.linalg.norm(p[name], axis=-2) for p in (direction, params)]
                np.testing.assert_allclose(*norms, rtol=1e-12)
            assert not any(direction[name].any() for name in ("bias", "eps", "running_mean", "codes"))
        cosine = (first["weight"] * second["weight"]).sum() / (params["weight"] ** 2).sum()
        assert abs(cosine) < 0.9

    def test_depend_on_the_seed_and_the_name_alone(self):
        some = {"weight": np.eye(3)}
        one, more = gn.random_directions(some, 1)[0], gn.random_directions({"a": np.eye(2), **some}, 2)[0]
        np.testing.assert_array_equal(one["weight"], more["weight"])
        assert (gn.random_directions(some, 1, seed=1)[0]["weight"] != one["weight"]).any()
        assert (gn.initializers.normal(1.0)(gn.initializers.generator(0, "weight"), (3, 3)) != one["weight"]).all()

    def test_make_the_landscape_blind_to_the_scale_of_a_rescaled_network(self):
        """relu(s x W1) W2 / s is the same function: Li et al., section 3; without biases."""
        model = gn.Sequential(gn.Dense(6, gn.relu), gn.Dense(1))
        x = np.random.default_rng(0).normal(size=(8, 3))
        params = model.init(0, x)
        other = {
            **params,
            "0.dense.weight": 7 * params["0.dense.weight"],
            "1.dense.weight": params["1.dense.weight"] / 7,
        }
        found = [
            gn.loss_landscape(
                lambda p: gn.ops.mean(model(p, x) ** 2), p, gn.random_directions(p), np.linspace(-1, 1, 5)
            ).values
            for p in (params, other)
        ]
        np.testing.assert_allclose(*found, rtol=1e-10)

    def test_errors(self):
        with pytest.raises(ValueError, match="no parameter has two dimensions, so there is no filter"):
            gn.random_directions({"bias": np.ones(2)})
        with pytest.raises(ValueError, match="count must be 1 or more, got 0"):
            gn.random_directions(PARAMS, 0)


class TestPlane:
    def test_a_way_within_a_plane_is_shown_whole(self):
        rng = np.random.default_rng(0)
        axes, places = rng.normal(size=(2, 12)), rng.normal(size=(9, 2))
        way = [{"a": (row @ axes)[:8].reshape(2, 4), "b": (row @ axes)[8:]} for row in places]
        plane = gn.trajectory_plane(way)
        assert sum(plane.explained) == pytest.approx(1, abs=1e-12) and plane.explained[0] >= plane.explained[1]
        np.testing.assert_array_equal(plane.center["a"], way[-1]["a"])
        for point, (first, second) in zip(way, plane.path, strict=True):
            for name, value in point.items():
                v, w = (direction[name] for direction in plane.directions)
                np.testing.assert_allclose(plane.center[name] + first * v + second * w, value, atol=1e-12)
        v, w = (gn.flatten(direction)[0] for direction in plane.directions)
        np.testing.assert_allclose([v @ v, w @ w, v @ w], [1, 1, 0], atol=1e-12)
        for span, along in zip(plane.spans(7), plane.path.T, strict=True):
            assert len(span) == 7 and span[0] < along.min() and span[-1] > along.max()

    def test_explained_is_the_share_of_the_variance(self):
        sklearn = pytest.importorskip("sklearn.decomposition")
        rows = np.random.default_rng(0).normal(size=(10, 6)) * [5, 3, 2, 1, 1, 1]
        plane = gn.trajectory_plane([{"a": row} for row in rows], center={"a": np.zeros(6)})
        pca = sklearn.PCA(2).fit(rows)
        np.testing.assert_allclose(plane.explained, pca.explained_variance_ratio_, rtol=1e-10)
        for direction, component in zip(plane.directions, pca.components_, strict=True):
            assert abs(direction["a"] @ component) == pytest.approx(1, abs=1e-10)
        np.testing.assert_allclose(np.abs(plane.path), np.abs(rows @ pca.components_.T), atol=1e-10)

    def test_a_straight_way_gets_a_second_direction_at_right_angles(self):
        plane = gn.trajectory_plane([{"a": np.array([t, 0.0, t])} for t in range(4)])
        v, w = (direction["a"] for direction in plane.directions)
        assert abs(v @ w) < 1e-14 and np.linalg.norm(w) == pytest.approx(1)
        assert np.abs(plane.path[:, 1]).max() < 1e-12

    @pytest.mark.parametrize(
        ("way", "text"),
        [
            ([{"a": np.ones(2)}] * 2, "2 points make no plane"),
            ([{"a": np.ones(2)}] * 3, "all points are the same"),
            ([{"a": np.ones(3)}] + [{"a": np.ones(2)}] * 2, r"point 0 has shape \(3,\) for 'a', wanted shape \(2,\)"),
            ([{"b": np.ones(2)}] + [{"a": np.ones(2)}] * 2, "point 0 has nothing for 'a'"),
            ([{"a": np.array(float(t))} for t in range(3)], "a single number moves, which makes a line"),
        ],
    )
    def test_errors(self, way, text):
        with pytest.raises(ValueError, match=text):
            gn.trajectory_plane(way)


class TestTrajectory:
    def fitted(self, callbacks, epochs=7):
        return gn.fit(MODEL, PARAMS, BATCH, Y, epochs=epochs, batch_size=2, callbacks=callbacks)[0]

    def test_keeps_the_start_every_few_epochs_and_the_end(self):
        trajectory = gn.Trajectory(every=3)
        after, plain = self.fitted([trajectory]), self.fitted([])
        assert trajectory.epochs == [0, 3, 6, 7] and len(trajectory.points) == 4
        for name, value in after.items():
            np.testing.assert_array_equal(trajectory.points[-1][name], value)
            np.testing.assert_array_equal(plain[name], value)
        np.testing.assert_array_equal(trajectory.points[0]["0.graphconv.weight"], PARAMS["0.graphconv.weight"])
        plane = trajectory.plane()
        np.testing.assert_allclose(plane.path[-1], 0, atol=1e-12)
        assert gn.loss_landscape(loss, plane.center, plane.directions, plane.spans(3)).values[1, 1] > 0

    def test_memory_and_remember_are_each_others_inverse(self):
        trajectory, other = gn.Trajectory(2), gn.Trajectory(2)
        self.fitted([trajectory], epochs=8)
        memory = trajectory.memory()
        assert all(isinstance(value, (list, np.ndarray)) for value in memory.values())
        other.remember(memory)
        assert other.epochs == trajectory.epochs
        for mine, yours in zip(trajectory.points, other.points, strict=True):
            assert list(mine) == list(yours)
            for name in mine:
                np.testing.assert_array_equal(mine[name], yours[name])
                assert mine[name].dtype == yours[name].dtype

    def test_an_end_between_two_points_is_not_remembered_by_a_run_that_goes_on(self):
        trajectory = gn.Trajectory(every=3)
        self.fitted([trajectory])
        assert trajectory.epochs == [0, 3, 6, 7]
        assert trajectory.memory()["epochs"] == [0, 3, 6]
        assert len(trajectory.memory()["points.0.graphconv.weight"]) == 3

    @pytest.mark.parametrize("epochs", [3, 4])
    def test_of_a_run_that_was_ended_and_resumed_is_that_of_one_that_was_not(self, tmp_path, epochs):
        whole, parts = gn.Trajectory(every=3), gn.Trajectory(every=3)
        self.fitted([whole])
        for n in (epochs, 7):
            self.fitted([parts, gn.Checkpoint(tmp_path / "run.npz", every=1, resume=True)], epochs=n)
        assert parts.epochs == whole.epochs == [0, 3, 6, 7]
        for mine, yours in zip(parts.points, whole.points, strict=True):
            assert {name: value.tobytes() for name, value in mine.items()} == {
                name: value.tobytes() for name, value in yours.items()
            }

    @pytest.mark.parametrize("every", [0, -1, 1.5, True])
    def test_every_is_a_whole_number(self, every):
        with pytest.raises(ValueError, match="give a whole number of epochs, 1 or more"):
            gn.Trajectory(every)


def steep(n=7):
    """A valley whose loss spans several powers of ten."""
    span = np.linspace(-1, 1, n)
    return Landscape(np.exp(3 * (span[:, None] ** 2 + np.abs(span + 0.4))), (span, span))


class TestPictures:
    def test_contours_mark_the_lowest_point_and_both_ends_of_the_path(self):
        path = np.array([[-0.9, -0.9], [0.0, 0.5], [0.1, 0.2]])
        ax = steep().plot(ax=Figure().subplots(), path=path, axes=("v", "w"), name="loss (eV)", title="T")
        assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title(loc="left")) == ("v", "w", "T")
        words = [text.get_text() for text in ax.get_legend().get_texts()]
        assert words == ["start of the training", "its end", f"lowest on the grid, {steep().values.min():.2f}"]
        way, start, end, low = ax.get_lines()
        np.testing.assert_array_equal(way.get_xydata(), path)
        np.testing.assert_array_equal([start.get_xydata()[0], end.get_xydata()[0]], path[[0, -1]])
        assert tuple(low.get_xydata()[0]) == steep().lowest
        bar = ax.figure.axes[1]
        assert bar.get_ylabel() == "loss (eV)" and bar.get_yscale() == "log"
        ax.figure.canvas.draw()

    @pytest.mark.parametrize(("factor", "scale"), [(1.0, "log"), (0.2, "linear")])
    def test_scales_are_logarithmic_where_the_range_asks_for_it(self, factor, scale):
        curve = Landscape(np.exp(factor * np.linspace(0, 5, 9)), (np.linspace(0, 1, 9),))
        assert curve.plot(ax=Figure().subplots()).get_yscale() == scale

    def test_the_relief_has_the_surface_of_the_logarithms(self):
        ax = Figure().add_subplot(projection="3d")
        steep().plot(ax=ax, relief=True, path=np.zeros((2, 2)), name="loss")
        low, high = ax.get_zlim()
        assert high == pytest.approx(np.log10(steep().values.max()), rel=0.05)
        assert low < np.log10(steep().values.min())
        assert "30" in [text.get_text() for text in ax.get_zticklabels()]
        ax.figure.canvas.draw()

    @pytest.mark.parametrize("relieved", [False, True])
    @pytest.mark.parametrize(
        "values",
        [
            np.full((4, 4), 2.0),
            np.zeros((4, 4)),
            np.array([[1.0, np.nan], [np.inf, 2.0]]),
            -np.arange(16.0).reshape(4, 4),
            np.full((3, 3), np.nan),
        ],
    )
    def test_flat_negative_and_torn_landscapes_can_be_drawn(self, values, relieved):
        span = np.linspace(-1, 1, len(values))
        figure = Figure()
        ax = figure.add_subplot(projection="3d" if relieved else None)
        Landscape(values, (span, span)).plot(ax=ax, relief=relieved)
        figure.canvas.draw()
        bad = int((~np.isfinite(values)).sum())
        said = [text.get_text() for text in ax.texts if "finite" in text.get_text()]
        assert said == ([f"not finite at {bad} of {values.size} points"] if bad else [])

    def test_without_an_ax_pyplot_makes_a_figure(self):
        from matplotlib import pyplot

        for drawn in (steep().plot(), steep().plot(relief=True), Landscape(np.arange(3.0), (np.arange(3.0),)).plot()):
            assert pyplot.fignum_exists(drawn.figure.number)
        pyplot.close("all")

    def test_errors(self):
        curve = Landscape(np.arange(3.0), (np.arange(3.0),))
        with pytest.raises(ValueError, match="a relief needs two directions, this landscape has one"):
            curve.plot(relief=True)
        with pytest.raises(ValueError, match=r"a path of shape \(3, 2\) came for a landscape \(3,\)"):
            curve.plot(path=np.zeros((3, 2)))
        with pytest.raises(ValueError, match=r"a path of shape \(3,\) came for a landscape \(7, 7\)"):
            steep().plot(path=np.zeros(3))
        with pytest.raises(ValueError, match='a relief needs an ax of projection "3d"'):
            steep().plot(relief=True, ax=Figure().subplots())

    @pytest.mark.parametrize("ends", [(1.0, 30.0), (1e-9, 1e9), (0.011, 0.012), (-5.0, 3.0), (0.0, 0.0)])
    def test_round_levels_are_few_and_inside(self, ends):
        levels = relief._Scale(np.array(ends)).round_levels()
        assert 1 <= len(levels) <= relief.LINES + 2
        assert (np.diff(levels) > 0).all()
