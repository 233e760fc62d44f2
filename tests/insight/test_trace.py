"""trace: the steps of one training step in order, with their layers and costs. Times are only looked at for sense."""

from __future__ import annotations

import re

import cases
import numpy as np
import pytest

import graphnn as gn

batch = gn.pack(cases.graphs("mixed"))
model = gn.Sequential(gn.GraphConv(4, gn.relu), gn.Residual(gn.Dense(4, gn.silu)), gn.SumPool(), gn.Dense(1))
params = model.init(0, batch)


def loss(out):
    return gn.ops.mean(out * out)


def test_steps_come_in_order_each_with_its_layer():
    table = gn.trace(model, params, batch, loss, repeats=1)
    assert list(zip(table.column("step"), table.column("layer"), strict=True)) == [
        ("affine", "0.graphconv"),  # K h of features that never change is remembered, and no step
        ("dot", "1.residual.inner"), ("add", "1.residual.inner"), ("silu", "1.residual.inner"),
        ("add", "1.residual"),
        ("segment_sum", "2.sumpool"),
        ("affine", "3.dense"),
        ("multiply", "loss"), ("total", "loss"), ("multiply", "loss"),
    ]  # fmt: skip
    assert table.column("inputs")[0] == ((15, 3), (3, 4), (4,))
    assert table.column("output")[:2] == ((15, 4), (15, 4))
    assert table.column("multiply-adds") == (15 * 12, 15 * 16, 0, 0, 0, 15 * 4, 5 * 4, 0, 5, 0)
    assert table.column("bytes")[:2] == (15 * 4 * 8,) * 2


def test_times_make_sense():
    table = gn.trace(model, params, batch, loss, repeats=3)
    assert all(t > 0 for name in ("ms", "backward ms") for t in table.column(name))
    assert sum(table.column("share %")) == pytest.approx(100)
    forward, back, plain = re.search(r"B, (\S+) ms forward and (\S+) ms back; (\S+) ms where", table.total).groups()
    assert float(forward) == pytest.approx(sum(table.column("ms")), rel=0.01)
    assert float(back) == pytest.approx(sum(table.column("backward ms")), rel=0.01)
    assert float(plain) > 0


def test_without_a_loss_it_goes_forward_only():
    table = gn.trace(model, params, batch, repeats=1)
    assert "backward ms" not in table.columns
    assert "loss" not in table.column("layer")
    assert " ms forward; " in table.total


def test_views_have_no_bytes():
    flat = gn.Sequential(gn.Dense(6), gn.Frames(2))
    table = gn.trace(flat, flat.init(0, batch), batch, repeats=1)
    assert table.column("step")[-1] == "reshape"
    assert table.column("bytes") == (15 * 6 * 8, 0)


def test_noise_is_the_same_in_every_repeat_and_a_generator_is_left_where_it_was():
    noisy = gn.Sequential(gn.EdgeDropout(0.5), gn.GraphConv(4), gn.Dropout(0.5))
    rng = np.random.default_rng(3)
    state = rng.bit_generator.state
    gn.trace(noisy, noisy.init(0, batch), batch, repeats=3, train=True, rng=rng)
    assert rng.bit_generator.state == state


def test_a_model_that_does_nothing_has_no_steps():
    assert gn.trace(gn.Dropout(0.5), {}, batch, repeats=1).rows == ()


def test_repeats_below_one_are_refused():
    with pytest.raises(ValueError, match="repeats must be 1 or more, got 0"):
        gn.trace(model, params, batch, repeats=0)
