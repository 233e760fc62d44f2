"""Tied parameters: one array, several places, and a gradient that is the sum over them (S4.6)."""

from __future__ import annotations

import numpy as np
import pytest

import graphnn as gn
from graphnn.architecture import from_json, to_json

X = np.random.default_rng(0).normal(size=(6, 3))
CODER = gn.Sequential(gn.Dense(2, gn.tanh), gn.Dense(3))
TURNED = {"1.dense.weight": "0.dense.weight"}


def loss_of(model):
    def loss(params):
        return gn.mean_squared_error(model(params, X), X)

    return loss


def negative(weight):
    return -weight


@pytest.mark.parametrize(
    ("inner", "ties", "through", "back"),
    [
        (CODER, TURNED, gn.ops.transpose, np.transpose),
        (gn.Sequential(gn.Dense(3, gn.tanh), gn.Dense(3)), TURNED, gn.identity, np.asarray),
        (gn.Sequential(gn.Dense(3, gn.tanh), gn.Dense(3), gn.Dense(3)),
         {**TURNED, "2.dense.weight": "0.dense.weight", "2.dense.bias": "1.dense.bias"}, negative, np.negative),
    ],
    ids=["transposed", "by key", "several"],
)  # fmt: skip
def test_the_gradient_is_the_sum_over_all_uses(inner, ties, through, back):
    model = gn.Tied(inner, ties, through)
    params = model.init(0, X)
    untied = {**params, **{name: through(params[source]) for name, source in ties.items()}}
    assert set(untied) == set(inner.init(0, X)) and not set(ties) & set(params)
    np.testing.assert_array_equal(model(params, X), inner(untied, X))
    apart, together = gn.grad(loss_of(inner))(untied), gn.grad(loss_of(model))(params)
    for name in params:
        uses = [apart[name], *(back(apart[other]) for other, source in ties.items() if source == name)]
        np.testing.assert_allclose(together[name], sum(uses), rtol=1e-12, atol=1e-14)


def test_what_is_tied_stays_tied_in_training():
    model = gn.Tied(CODER, TURNED, gn.ops.transpose)
    params, history = gn.fit(model, model.init(0, X), X, X, optimizer=gn.adam(0.05), epochs=60)
    assert history.loss[-1] < 0.7 * history.loss[0]
    model.check(params, X)
    assert sorted(params) == ["0.dense.bias", "0.dense.weight", "1.dense.bias"]


def test_inside_another_layer_names_are_those_of_the_inner_one():
    model = gn.Sequential(coder=gn.Tied(CODER, TURNED, gn.ops.transpose), head=gn.Dense(1))
    params = model.init(0, X)
    assert sorted(params) == [
        "coder.0.dense.bias",
        "coder.0.dense.weight",
        "coder.1.dense.bias",
        "head.bias",
        "head.weight",
    ]
    assert model(params, X).shape == (6, 1)


def test_ties_through_two_functions():
    model = gn.Tied(gn.Tied(CODER, TURNED, gn.ops.transpose), {"1.dense.bias": "0.dense.weight"}, first_row)
    params = model.init(0, X)
    assert sorted(params) == ["0.dense.bias", "0.dense.weight"]
    weight = params["0.dense.weight"]
    untied = {**params, "1.dense.weight": weight.T, "1.dense.bias": first_row(weight)}
    np.testing.assert_array_equal(model(params, X), CODER(untied, X))


def first_row(weight):
    return weight[:, 0]


def test_the_dict_of_the_caller_stays_as_it_is():
    ties = dict(TURNED)
    model = gn.Tied(CODER, ties, gn.ops.transpose)
    params = model.init(0, X)
    ties.clear()
    assert model == gn.Tied(CODER, TURNED, gn.ops.transpose)
    before = dict(params)
    model(params, X)
    assert params.keys() == before.keys()
    assert hash(model) == hash(gn.Tied(CODER, TURNED, gn.ops.transpose))
    assert from_json(to_json(model)) == model
    assert eval(repr(model), vars(gn) | {"transpose": gn.ops.transpose}) == model


def test_a_tied_layer_shows_in_the_tree():
    model = gn.Tied(CODER, TURNED, gn.ops.transpose)
    assert "0.dense: Dense(2, activation=tanh)" in gn.tree(model, model.init(0, X))


@pytest.mark.parametrize(
    ("ties", "through", "error", "message"),
    [
        ({"2.dense.weight": "0.dense.weight"}, gn.identity, KeyError, "the model has no parameter '2.dense.weight'"),
        ({"1.dense.weight": "0.dense.wieght"}, gn.identity, KeyError, "'0.dense.wieght'; did you mean"),
        (TURNED, gn.identity, ValueError, r"'1.dense.weight' has shape \(2, 3\).*'0.dense.weight' has shape \(3, 2\)"),
        ({"1.batchnorm.running_mean": "0.dense.bias"}, gn.identity, ValueError, "running statistics are no parameters"),
        ({"a": "a"}, gn.identity, KeyError, "'a' is tied to 'a', which is tied itself"),
        ({"a": "b", "b": "c"}, gn.identity, KeyError, "'a' is tied to 'b', which is tied itself"),
    ],
)  # fmt: skip
def test_ties_that_cannot_hold_are_refused(ties, through, error, message):
    with pytest.raises(error, match=message):
        gn.Tied(CODER, ties, through).init(0, X)


def test_a_source_that_is_missing_is_named():
    model = gn.Tied(CODER, TURNED, gn.ops.transpose)
    params = model.init(0, X)
    del params["0.dense.weight"]
    with pytest.raises(KeyError, match=r"no parameter '0\.dense\.weight' here"):
        model(params, X)
