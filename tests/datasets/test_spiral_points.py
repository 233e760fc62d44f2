"""Spirals by their formula, and learned."""

from __future__ import annotations

import numpy as np
import pytest

import graphnn as gn
from graphnn.datasets import spirals


@pytest.mark.parametrize("classes", [1, 2, 3, 5])
def test_without_noise_the_points_lie_on_the_arms(classes):
    data = spirals(20, classes, noise=0.0)
    assert data.points.shape == (20 * classes, 2)
    np.testing.assert_array_equal(data.labels, np.repeat(np.arange(classes), 20))
    radius = np.hypot(*data.points.T)
    np.testing.assert_allclose(radius, np.tile(np.arange(1, 21) / 20, classes), rtol=1e-14)
    turned = np.exp(1j * (2 * np.pi * data.labels / classes + 4 * radius))
    np.testing.assert_allclose(data.points[:, 0] + 1j * data.points[:, 1], radius * turned, atol=1e-14)


def test_noise_turns_points_around_the_origin_by_so_much():
    plain, noisy = spirals(3000, noise=0.0), spirals(3000, noise=0.3, seed=4)
    np.testing.assert_allclose(np.hypot(*noisy.points.T), np.hypot(*plain.points.T), rtol=1e-14)
    turn = np.angle((noisy.points @ [1, 1j]) / (plain.points @ [1, 1j]))
    assert abs(turn.mean()) < 0.02
    assert abs(turn.std() - 0.3) < 0.02


def test_a_seed_is_a_data_set_and_the_global_generator_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the state that must not change
    np.testing.assert_array_equal(spirals(seed=3).points, spirals(seed=3).points)
    assert (spirals(seed=3).points != spirals(seed=4).points).all()
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_a_line_cannot_tell_arms_apart_that_neighbours_can():
    data = spirals(noise=0.1)
    graph = gn.knn_graph(data.points, 5)
    votes = graph.adjacency.toarray() @ np.eye(3)[data.labels]
    assert (votes.argmax(axis=1) == data.labels).mean() > 0.97
    inputs = np.column_stack([data.points, np.ones(300)])
    line = inputs @ np.linalg.lstsq(inputs, np.eye(3)[data.labels], rcond=None)[0]
    assert (line.argmax(axis=1) == data.labels).mean() < 0.7


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ((0, 3, 0.1), "per_class and classes must be 1 or more, got 0 and 3"),
        ((10, 0, 0.1), "got 10 and 0"),
        ((10, 3, -1.0), "noise must be a finite number from 0, got -1.0"),
        ((10, 3, np.nan), "got nan"),
    ],
)
def test_what_makes_no_spiral_is_refused(settings, words):
    per_class, classes, noise = settings
    with pytest.raises(ValueError, match=words):
        spirals(per_class, classes, noise=noise)
