"""Passes written for speed do what plain NumPy does, bit by bit, small and large, in any number of threads."""

from __future__ import annotations

import numpy as np
import pytest

import graphnn as gn
from graphnn.ops import passes

LONG = passes.LONG
ROWS = [(0, 3), (5, 0), (1, 1), (5, 3), (3000, 7), (513, 16), (600, 32), (600, 33), (LONG, 1)]
SHAPES = [(), (0,), (0, 3), (3, 0), (1,), (5, 3), (LONG,), (LONG + 1,), (700, 16), (3, 2, 5), (40, LONG // 16)]
KINDS = {"float32": np.float32, "float64": np.float64, "whole": np.int64, "half": np.float16}


@pytest.fixture(params=["at once", "one thread", "three threads"])
def _way(request, monkeypatch):
    if request.param != "at once":
        monkeypatch.setattr(passes, "LARGE", 1)
        monkeypatch.setattr(passes, "BLOCK", 64)
        gn.set_threads(1 if request.param == "one thread" else 3)
    yield
    gn.set_threads(None)


def numbers(shape, kind, seed=0):
    """Numbers of both signs, with zeros of both signs, infinities and a nan where the kind has them."""
    x = np.asarray(np.random.default_rng(seed).normal(size=shape) * 3)
    if x.size > 4 and np.issubdtype(kind, np.floating):
        x.reshape(-1)[:5] = 0.0, -0.0, np.inf, -np.inf, np.nan
    return x.astype(kind)


def same_bits(found, wanted):
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.usefixtures("_way")
class TestAgainstZero:
    def test_above_and_below_are_the_larger_and_the_smaller(self, shape, kind):
        x = numbers(shape, kind)
        before = x.copy()
        same_bits(passes.above_zero(x), np.maximum(x, 0))
        same_bits(passes.below_zero(x), np.minimum(x, 0))
        np.testing.assert_array_equal(x, before)

    def test_in_place_and_into_another(self, shape, kind):
        x, out = numbers(shape, kind), np.empty(shape, kind)
        wanted = np.maximum(x, 0)
        assert passes.above_zero(x, out) is out
        passes.above_zero(x, x)
        same_bits(out, wanted)
        same_bits(x, wanted)


def test_arrays_that_do_not_lie_in_order_are_right_too():
    x = numbers((6, 8), np.float64)
    turned = np.empty((8, 6)).T
    same_bits(passes.above_zero(x, turned), np.maximum(x, 0))
    tall, row = np.zeros((3, 4000)).T, numbers((3,), np.float64)
    passes.add_row(tall, row)
    same_bits(tall, np.broadcast_to(row, tall.shape))
    tall[...] = 0
    passes.fill_rows(tall, row)
    same_bits(tall, np.broadcast_to(row, tall.shape))
    for seen in (x.T, x[:, ::2], np.asfortranarray(x), x[::-1]):
        same_bits(passes.above_zero(seen), np.maximum(seen, 0))
        mask = seen > 0.5
        finite = np.where(np.isfinite(seen), seen, 0)
        same_bits(passes.masked(finite, mask, 2.0), finite * mask * 2.0)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
@pytest.mark.usefixtures("_way")
def test_masked_is_the_product(shape, kind):
    x = np.random.default_rng(1).normal(size=shape).astype(kind)
    mask = np.random.default_rng(2).random(shape) < 0.5
    with np.errstate(invalid="ignore"):
        for given in (x, numbers(shape, kind)):
            same_bits(passes.masked(given, mask), given * mask)
            same_bits(passes.masked(given, mask, 1 / 0.3), given * mask * kind(1 / 0.3))
    if len(shape) == 2:
        same_bits(passes.masked(x, mask[:, :1], 2.0), x * mask[:, :1] * kind(2))


def added_and_written(x, row):
    with np.errstate(invalid="ignore"):
        wanted = x + row
        passes.add_row(x, row)
    same_bits(x, wanted)
    passes.fill_rows(x, row)
    same_bits(x, np.broadcast_to(row, x.shape))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("shape", ROWS, ids=str)
def test_a_row_is_added_to_every_row_and_written_into_every_row(shape, kind):
    x, row = numbers(shape, kind), numbers(shape[1:], kind, 3)
    added_and_written(x, row)


@pytest.mark.parametrize("shape", [(5, 3), (9000, 3)], ids=str)
@pytest.mark.parametrize("row", [np.ones(1), np.ones((1, 3)), np.array(2.0), np.ones((1, 1))], ids=np.shape)
def test_what_is_no_row_is_spread_as_numpy_does(shape, row):
    x = numbers(shape, np.float64)
    added_and_written(x, row)


def test_masked_takes_numbers_and_masks_that_are_not_booleans():
    x = np.arange(6.0).reshape(2, 3)
    assert passes.masked(2.0, np.True_, 3.0) == 6.0
    same_bits(passes.masked(x, (x > 2).astype(float), 2.0), x * (x > 2) * 2)
    same_bits(passes.masked(x, (x > 2).astype(np.int64)), x * (x > 2))
