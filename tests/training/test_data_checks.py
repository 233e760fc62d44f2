"""What comes in wrong is refused before it is learned from, in the words of the user's data."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import graphnn as gn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 3))
Y = np.sin(X[:, :1]) + 2
MODEL = gn.Sequential(gn.Dense(4, gn.tanh), gn.Dense(1))
START = MODEL.init(0, X)


def fit(targets, inputs=X, **settings):
    return gn.fit(MODEL, START, inputs, targets, **{"epochs": 3, **settings})


def squared(predictions, targets, mask=None):
    if mask is None:
        return gn.ops.mean((predictions - targets) ** 2)
    return gn.ops.sum((predictions - targets) ** 2 * mask) / mask.sum()


def absolute(predictions, targets):
    return np.abs(predictions - targets).mean()


def by_hand(predictions, targets):
    return gn.ops.mean((predictions[:, 0] - targets) ** 2)


def without_targets(predictions, targets):
    return gn.ops.mean((predictions - X) ** 2)


def spoilt(array, place, value=np.nan):
    array = np.array(array, float)
    array[place] = value
    return array


SPREAD = r"compares every prediction with every target: predictions \(20, 1\) and targets \(20,\) differ in shape, "


class TestSpreading:
    """(n, 1) with (n,) gives (n, n) in NumPy, and everything goes on."""

    @pytest.mark.parametrize("y", [Y[:, 0], Y[:, 0] + 1e5, np.arange(20), Y[:, 0].astype(np.float32)])
    def test_by_a_loss_of_ones_own(self, y):
        with pytest.raises(
            ValueError, match="^the loss " + SPREAD + r"and NumPy .* \(20, 20\); use targets\[:, None\]$"
        ):
            fit(y, loss=squared)

    def test_by_one_of_several_losses(self):
        with pytest.raises(ValueError, match="^the loss 'mine' " + SPREAD):
            fit(Y[:, 0], loss={"hand": by_hand, "mine": squared})

    def test_by_a_loss_with_a_mask(self):
        with pytest.raises(ValueError, match="^the loss " + SPREAD):
            fit(Y[:, 0], loss=squared, mask=np.arange(20) < 12)

    def test_in_a_mini_batch_and_the_other_way_round(self):
        flat = gn.Sequential(gn.Dense(1), Flat())
        with pytest.raises(ValueError, match=r"predictions \(5,\) and targets \(5, 1\) .*; use targets\[:, 0\]$"):
            gn.fit(flat, flat.init(0, X), X, Y, loss=squared, batch_size=5)

    def test_by_a_metric(self):
        with pytest.raises(ValueError, match="^the metric 'mae' " + SPREAD):
            fit(Y[:, 0], loss=by_hand, metrics={"mae": absolute})

    def test_in_the_validation_data_only(self):
        with pytest.raises(ValueError, match="^the loss " + SPREAD):
            fit(Y, loss=squared, validation=(X, Y[:, 0]))

    def test_what_puts_the_shapes_right_by_itself_is_left_alone(self):
        def own(predictions, targets):
            return float(np.mean((predictions[:, 0] > 0) == (targets > 0)))

        for y in (Y[:, 0], Y[:, 0] + 1e5, np.arange(20) % 2, np.zeros(20)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", gn.TrainingWarning)
                fit(y, loss=by_hand, metrics={"own": own}, validation=(X, y))
        fit(Y[:, 0], loss=without_targets)

    def test_labels_of_classes_are_left_alone(self):
        two = gn.Dense(2)
        gn.fit(two, two.init(0, X), X, (Y[:, 0] > 2).astype(int), loss=gn.cross_entropy, epochs=3)
        square = gn.Dense(20)
        gn.fit(square, square.init(0, X), X, np.arange(20), loss=gn.cross_entropy, epochs=3)


class Flat(gn.Layer):
    def forward(self, params, h):
        return h[:, 0]


class TestNotFinite:
    @pytest.mark.parametrize("value", [np.inf, -np.inf])
    def test_infinite_targets_are_refused_at_the_start(self, value):
        model = gn.Sequential(gn.Dense(1), gn.Rescale())
        with pytest.raises(ValueError, match=rf"^targets\[7\] is {value}; every target that counts must be finite"):
            gn.fit(model, model.init(0, X), X, spoilt(Y, 7, value))
        with pytest.raises(ValueError, match=r"^validation targets\[7\] is "):
            fit(Y, validation=(X, spoilt(Y, 7, value)))
        with pytest.raises(ValueError, match=r"^targets\['a'\]\[7\] in column 1 is "):
            fit({"a": spoilt(np.hstack([Y, Y]), (7, 1), value)})

    def test_what_a_mask_leaves_out_may_be_anything(self):
        counts = np.arange(20) != 7
        for value in (np.inf, np.nan):
            fit(spoilt(Y, 7, value), mask=counts, validation=(X, spoilt(Y, 7, value), counts))
            fit(spoilt(Y, 7, value), mask=counts[:, None])

    @pytest.mark.parametrize("size", [None, 6])
    def test_a_missing_target_is_named_by_its_row_among_the_users(self, size):
        says = r"of \d+ targets are nan; pass mask=.* \(the first of them here is targets\[7\]\)$"
        with pytest.raises(ValueError, match=says):
            fit(spoilt(Y, 7), batch_size=size)
        with pytest.raises(ValueError, match=r"\(the first of them here is validation targets\[7\]\)$"):
            fit(Y, validation=(X, spoilt(Y, 7)))
        with pytest.raises(gn.TrainingDiverged, match=r"In row 7 the targets hold nan. Mend it, or leave it out.$"):
            fit(spoilt(Y, 7), loss=squared, batch_size=size)

    def test_a_missing_target_of_a_node_is_named_by_its_node(self):
        graphs = [gn.Graph(np.ones((2, 1)) * i, [0], [1]) for i in range(5)]
        model = gn.Sequential(gn.Dense(1), gn.Nodes())
        with pytest.raises(ValueError, match=r"\(the first of them here is targets\[7\]\)$"):
            gn.fit(model, model.init(0, graphs), graphs, spoilt(np.ones((10, 1)), 7), per="node", batch_size=2)

    def test_labels_that_may_be_missing_are_left_alone(self):
        fit(spoilt(Y > 2, 7), loss=gn.binary_cross_entropy, validation=(X, spoilt(Y > 2, 7)))

    def test_what_the_mask_leaves_out_is_not_counted_as_missing(self):
        y = spoilt(Y, [3, 7])
        with pytest.raises(ValueError, match=r"^mean_squared_error: 1 of 19 targets are nan; let the mask leave"):
            fit(y, mask=np.arange(20)[:, None] != 3)

    def test_features_that_are_not_finite_are_to_be_mended_and_nothing_else_is_advised(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", gn.TrainingWarning)
            for size in (None, 4):
                with pytest.raises(gn.TrainingDiverged) as caught:
                    fit(np.full((20, 1), 3.0), spoilt(X, (7, 1)), batch_size=size)
                says = "first for row 7. In row 7 the inputs hold nan in column 1. Mend it, or leave it out."
                assert str(caught.value).endswith(says)


class TestValidation:
    """A validation loss that is not finite ends the training at its epoch, by name."""

    def test_by_its_features(self):
        says = (
            "validation loss is nan; .* first for validation row 7. In validation row 7 the inputs hold nan in column 1"
        )
        with pytest.raises(gn.TrainingDiverged, match="^epoch 0: the " + says) as caught:
            fit(Y, validation=(spoilt(X, (7, 1)), Y), callbacks=[gn.EarlyStopping(2)])
        assert (caught.value.index, caught.value.step) == (7, 1)
        assert all(np.isfinite(value).all() for value in caught.value.params.values())

    def test_of_a_graph(self):
        graphs = [gn.Graph(np.ones((2, 1)) * i, [0], [1]) for i in range(9)]
        model, y = gn.Sequential(gn.Scale(1.0), gn.SumPool(), gn.Dense(1)), np.ones((9, 1))
        batch = gn.pack(graphs)
        bad = batch.replace(nodes=spoilt(batch.nodes, 14))
        with pytest.raises(gn.TrainingDiverged, match=r"first for validation graphs\[7\]"):
            gn.fit(model, model.init(0, batch), batch, y, validation=(bad, y), epochs=2)

    def test_by_the_loss(self):
        def log_loss(predictions, targets):
            return gn.ops.mean(gn.ops.log(targets) + predictions**2)

        with pytest.raises(
            gn.TrainingDiverged, match=r"^epoch 0: the validation loss is -inf; .* are in the loss, first for"
        ):
            fit(Y, loss=log_loss, validation=(X, spoilt(Y, 7, 0.0)))
