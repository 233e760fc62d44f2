"""Initialisers: the published variance, orthogonality, and one independent stream per name."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from graphnn.initializers import (
    constant,
    generator,
    glorot,
    glorot_normal,
    he,
    he_normal,
    identity,
    lecun,
    lecun_normal,
    normal,
    ones,
    orthogonal,
    uniform,
    zeros,
)

VARIANCES = [
    (glorot, lambda n, m: 2 / (n + m)),
    (glorot_normal, lambda n, m: 2 / (n + m)),
    (he, lambda n, m: 2 / n),
    (he_normal, lambda n, m: 2 / n),
    (lecun, lambda n, m: 1 / n),
    (lecun_normal, lambda n, m: 1 / n),
    (normal(0.3), lambda n, m: 0.09),
    (uniform(-0.5, 0.7), lambda n, m: 1.2**2 / 12),
]
WITH_FANS = [glorot, glorot_normal, he, he_normal, lecun, lecun_normal]
ALL = [
    *WITH_FANS,
    orthogonal,
    identity,
    zeros,
    ones,
    constant(2.0),
    normal(0.3),
    uniform(-1.0, 1.0),
]


@pytest.mark.parametrize(("initializer", "variance"), VARIANCES)
@pytest.mark.parametrize("shape", [(400, 100), (100, 400), (4, 100, 50), (20_000,)], ids=str)
def test_the_variance_is_the_published_one(initializer, variance, shape):
    values = initializer(np.random.default_rng(0), shape)
    n, m = shape[-2:] if len(shape) > 1 else shape * 2
    # 20 000 draws and more: the sample variance of a normal law spreads by sqrt(2 / 20000) = 1 %.
    assert values.var() == pytest.approx(variance(n, m), rel=0.04)


@pytest.mark.parametrize(("drawn", "kurtosis"), [(glorot, 1.8), (he, 1.8), (lecun, 1.8), (normal(1.0), 3.0)])
def test_the_law_is_uniform_or_normal(drawn, kurtosis):
    values = drawn(np.random.default_rng(0), (300, 200))
    assert (values**4).mean() / (values**2).mean() ** 2 == pytest.approx(kurtosis, rel=0.03)


@pytest.mark.parametrize("initializer", [glorot_normal, he_normal, lecun_normal])
def test_the_normal_forms_are_normal(initializer):
    values = initializer(np.random.default_rng(0), (300, 200))
    assert (values**4).mean() / (values**2).mean() ** 2 == pytest.approx(3.0, rel=0.03)


@pytest.mark.parametrize("shape", [(7, 7), (9, 4), (4, 9), (3, 6, 2), (2, 3, 2, 5)], ids=str)
def test_orthogonal_has_orthonormal_columns_or_rows(shape):
    Q = orthogonal(np.random.default_rng(1), shape)
    assert Q.shape == shape
    transposed = Q.swapaxes(-1, -2)
    gram = transposed @ Q if shape[-2] >= shape[-1] else Q @ transposed
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(min(shape[-2:])), gram.shape), atol=1e-12)


def test_orthogonal_stacks_different_matrices():
    Q = orthogonal(np.random.default_rng(1), (2, 5, 5))
    assert np.abs(Q[0] - Q[1]).max() > 0.1


def test_orthogonal_is_evenly_distributed_over_signs():
    # Without the correction of signs LAPACK's Householder vectors make the first entry negative every time.
    firsts = [orthogonal(np.random.default_rng(seed), (3, 3))[0, 0] for seed in range(200)]
    assert abs(np.mean(firsts)) < 0.15


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (5, 2, 3)], ids=str)
def test_identity_keeps_what_it_multiplies(shape):
    eye = identity(np.random.default_rng(0), shape)
    k = min(shape[-2:])
    np.testing.assert_array_equal(eye[..., :k, :k], np.broadcast_to(np.eye(k), (*shape[:-2], k, k)))
    assert eye.shape == shape
    assert eye.sum() == k * np.prod(shape[:-2])
    assert eye.flags.writeable


def test_constants():
    rng = np.random.default_rng(0)
    assert zeros(rng, (2, 3)).tolist() == [[0.0] * 3] * 2
    assert ones(rng, (2,)).tolist() == [1.0, 1.0]
    assert constant(7)(rng, (2,)).tolist() == [7.0, 7.0]
    assert constant(7)(rng, ()).shape == ()


@pytest.mark.parametrize("initializer", ALL)
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (0, 4), (4, 0), (0, 0), (2, 0, 3)], ids=str)
def test_every_initializer_gives_float64_of_the_shape(initializer, shape):
    values = initializer(np.random.default_rng(0), shape)
    assert values.shape == shape
    assert values.dtype == np.float64


def test_uniform_stays_between_its_bounds():
    values = uniform(2.0, 3.0)(np.random.default_rng(0), (1000,))
    assert 2.0 <= values.min() < 2.02
    assert 2.98 < values.max() < 3.0


@pytest.mark.parametrize("initializer", [constant(0.1), normal(0.3), uniform(-1.0, 1.0)], ids=repr)
def test_settings_print_compare_and_pickle_by_value(initializer):
    names = {"constant": constant, "normal": normal, "uniform": uniform}
    assert eval(repr(initializer), names) == initializer
    assert pickle.loads(pickle.dumps(initializer)) == initializer


@pytest.mark.parametrize("initializer", WITH_FANS)
def test_a_shape_without_dimensions_has_no_fan(initializer):
    with pytest.raises(ValueError, match=r"shape \(\) has no fan; use normal, uniform or constant"):
        initializer(np.random.default_rng(0), ())


@pytest.mark.parametrize("initializer", [orthogonal, identity])
@pytest.mark.parametrize("shape", [(), (3,)], ids=str)
def test_a_vector_is_no_matrix(initializer, shape):
    with pytest.raises(ValueError, match=r"is no matrix; it must have two or more dimensions"):
        initializer(np.random.default_rng(0), shape)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: normal(-1.0), r"normal: std is -1.0, it must be zero or more"),
        (lambda: normal(float("nan")), r"normal: std is nan"),
        (lambda: uniform(1.0, 0.0), r"uniform: low is 1.0 and high is 0.0, which must not be below"),
        (lambda: generator(-1, "a"), r"generator: the seed is -1, it must not be negative"),
    ],
)
def test_bad_settings_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_seed_is_an_integer():
    with pytest.raises(TypeError, match=r"generator: the seed is 0.5, it must be an integer"):
        generator(0.5, "a")


def draw(seed, names):
    return {name: glorot(generator(seed, name), (6, 5)) for name in names}


def test_streams_are_reproducible_and_differ_by_name_and_by_seed():
    first, again, other_seed = draw(0, "ab"), draw(0, "ab"), draw(1, "ab")
    np.testing.assert_array_equal(first["a"], again["a"])
    assert not np.array_equal(first["a"], first["b"])
    assert not np.array_equal(first["a"], other_seed["a"])


def test_another_name_or_another_order_changes_nothing():
    first, more = draw(0, ["a", "b"]), draw(0, ["new", "b", "a"])
    for name in first:
        np.testing.assert_array_equal(first[name], more[name])


def test_streams_are_uncorrelated():
    x = glorot(generator(0, "0.dense.weight"), (200, 200)).ravel()
    y = glorot(generator(0, "1.dense.weight"), (200, 200)).ravel()
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.02  # four standard deviations of 1 / sqrt(40000)
