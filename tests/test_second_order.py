"""Second derivatives of every layer: Hessian-vector products and forward derivatives over the flat dict.

A row of tests/test_contracts.py, its parameters and all it computes on: features, positions, edge values, weights. The
witness is a central difference of fourth order, whose own error is 1e-9 here; features are generic numbers, so that
no kink of a relu or a maximum lies within its step.
"""

from __future__ import annotations

import numpy as np
import pytest
from test_contracts import LAYERS, made

import graphnn as gn
from graphnn.testing import trial
from graphnn.types import is_statistic

STEP = 1e-4


def along(function, leaves, direction):
    """Return the derivative of a function of a dict along a direction, by a central difference of fourth order."""

    def at(step):
        return function({name: value + step * STEP * direction[name] for name, value in leaves.items()})

    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * STEP)


def flat(arrays):
    return np.concatenate([np.ravel(value) for value in arrays.values()])


def on_trial(row):
    """Return loss, function, leaves and two random directions for a row of the table."""
    batch = gn.pack(made(row, "mixed"))
    leaves = trial.leaves_of(row, trial.parameters(row.layer, batch), batch)
    for name in (trial.WHOLE[attribute] for attribute in row.attributes if attribute in trial.WHOLE):
        leaves.pop(name)  # whole numbers have no derivative
    rng = np.random.default_rng(5)
    v, w = ({name: rng.normal(size=value.shape) for name, value in leaves.items()} for _ in range(2))
    for direction in (v, w):  # gradients stop at running statistics
        direction.update({name: 0 * value for name, value in direction.items() if is_statistic(name)})
    return trial.loss_of(row, batch), lambda p: trial.of_leaves(row, batch, p), leaves, v, w


@pytest.mark.parametrize("row", LAYERS, ids=str)
class TestEveryLayer:
    def test_hessian_vector_products_are_differences_of_the_gradient(self, row):
        loss, _, leaves, v, _ = on_trial(row)
        gradient, names = gn.grad(loss), list(leaves)
        wanted = along(lambda p: flat({name: gradient(p)[name] for name in names}), leaves, v)
        found = flat(gn.hvp(loss, leaves, v))
        assert found.shape == wanted.shape
        scale = max(np.linalg.norm(wanted), 1e-2 * np.linalg.norm(flat(gradient(leaves))))
        assert np.linalg.norm(found - wanted) <= 1e-8 * scale

    def test_forward_derivatives_are_differences_of_the_output(self, row):
        _, function, leaves, v, _ = on_trial(row)
        value, slope = gn.jvp(function, leaves, v)
        wanted = along(function, leaves, v)
        assert slope.shape == value.shape == wanted.shape
        assert np.linalg.norm(slope - wanted) <= 1e-8 * max(np.linalg.norm(wanted), 1e-2 * np.linalg.norm(value))

    def test_the_hessian_is_symmetric_and_forward_over_reverse_is_the_same(self, row):
        loss, _, leaves, v, w = on_trial(row)
        products = [flat(gn.hvp(loss, leaves, direction)) for direction in (v, w)]
        _, pushed = gn.jvp(lambda p: list(gn.grad(loss)(p).values()), leaves, v)
        size = np.linalg.norm(products[0]) * np.linalg.norm(flat(w)) + 1e-12
        assert abs(flat(w) @ products[0] - flat(v) @ products[1]) <= 1e-11 * size
        np.testing.assert_allclose(
            np.concatenate([np.ravel(part) for part in pushed]),
            products[0],
            atol=1e-11 * max(1, np.abs(products[0]).max()),
        )
