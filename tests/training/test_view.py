"""What a live picture of a real training shows: the right numbers of the right rows, whatever the model says."""

from __future__ import annotations

import numpy as np
import pytest
from pretence import unhurried

import graphnn as gn

pytestmark = pytest.mark.usefixtures("no_display")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 3))
Y = np.column_stack([X @ [1.0, 2.0, -1.0], X @ [0.0, 1.0, 1.0]])


def trained(model, targets, **settings):
    """The view after a few epochs, with the parameters."""
    plot = unhurried(1, path="live.png", of=settings.pop("of", None))
    seen = []
    real = plot._start
    plot._start = lambda: (seen.append(plot._picture.view), real())
    params, _ = gn.fit(model, model.init(0, X), X, targets, epochs=3, callbacks=[plot], **settings)
    return seen[-1], params


def test_rows_that_a_mask_leaves_out_are_not_shown():
    mask = np.arange(12) < 5
    view, params = trained(gn.Dense(2), Y, mask=mask)
    np.testing.assert_allclose(view.train.predicted, gn.Dense(2)(params, X)[:5].ravel())
    np.testing.assert_allclose(view.train.actual, Y[:5].ravel())


@pytest.mark.parametrize("filler", [np.nan, 1e6], ids=["nan", "a number"])
def test_entries_that_a_mask_leaves_out_do_not_count(filler):
    mask = RNG.random(Y.shape) < 0.6
    view, params = trained(gn.Dense(2), np.where(mask, Y, filler), mask=mask)
    error = (gn.Dense(2)(params, X) - Y)[mask]
    assert view.train.rmse == pytest.approx(np.sqrt(np.mean(error**2)))
    assert len(view.train.residuals) == mask.sum()


def test_missing_labels_do_not_count():
    labels = np.where(RNG.random(Y.shape) < 0.2, np.nan, Y > 0)
    view, params = trained(gn.Dense(2), labels, loss=gn.binary_cross_entropy)
    known = ~np.isnan(labels)
    right = (gn.Dense(2)(params, X) > 0) == (labels == 1)
    assert view.train.accuracy == pytest.approx(right[known].mean())


def test_means_and_log_variances_have_bars():
    view, params = trained(gn.Dense(4), Y, loss=gn.gaussian_nll, validation=(X[:4], Y[:4]))
    outputs = gn.Dense(4)(params, X)
    np.testing.assert_allclose(view.train.spread[0], np.exp(outputs[:, 2:] / 2).ravel())
    np.testing.assert_allclose(view.validation.predicted, outputs[:4, :2].ravel())
    assert view.validation.spread.shape == (2, 8)


@pytest.mark.parametrize("mask", [None, np.arange(12) < 5], ids=["all", "rows"])
def test_the_members_of_an_ensemble_have_bars(mask):
    model = gn.Ensemble(gn.Dense(2), 3)
    view, params = trained(model, Y, mask=mask, validation=(X[:4], Y[:4]))
    mean, deviation = gn.uncertainty.spread(model, params, X)
    rows = slice(None) if mask is None else mask
    np.testing.assert_allclose(view.train.predicted, mean[rows].ravel())
    np.testing.assert_allclose(view.train.spread[1], deviation[rows].ravel())
    assert view.validation.spread.shape == (2, 8)


def test_an_ensemble_of_classifiers_has_a_confusion_matrix():
    model = gn.Ensemble(gn.Dense(2), 3, link="softmax")
    view, params = trained(model, (Y[:, 0] > 0).astype(int), loss=gn.cross_entropy)
    right = model(params, X).argmax(axis=1) == (Y[:, 0] > 0)
    assert view.train.accuracy == pytest.approx(right.mean())


def test_a_pair_in_a_loop_by_hand_has_bars_and_is_asked_for_once():
    model, asked = gn.Ensemble(gn.Dense(2), 2), []
    params = model.init(0, X)

    def predicted():
        asked.append(1)
        return gn.uncertainty.spread(model, params, X)

    with unhurried(1, path="live.png") as plot:
        plot(0, 1.0, predicted, Y, validation=((Y, np.full_like(Y, 0.5)), Y))
        view = plot._picture.view
    np.testing.assert_allclose(view.train.spread[0], predicted()[1].ravel())
    assert (view.validation.spread == 0.5).all()
    assert len(asked) == 2  # once by the plot, once by this test


class Heads(gn.Layer):
    """Two outputs of one input."""

    def forward(self, params, graphs):
        return gn.Dense(2)(params.scope("numbers"), graphs), gn.Dense(3)(params.scope("classes"), graphs)


def both(predictions, targets):
    return gn.mean_squared_error(predictions[0], targets["y"]) + gn.cross_entropy(predictions[1], targets["kind"])


TARGETS = {"y": Y, "kind": np.arange(12) % 3}


class Named(Heads):
    """The same two outputs by the names of their targets."""

    def forward(self, params, graphs):
        return dict(zip(("y", "kind"), super().forward(params, graphs), strict=True))


def both_by_name(predictions, targets):
    return both((predictions["y"], predictions["kind"]), targets)


@pytest.mark.parametrize(
    ("model", "loss", "of", "key"),
    [(Heads(), both, (0, "y"), 0), (Named(), both_by_name, "y", "y")],
    ids=["pair", "name"],
)
def test_of_several_outputs_one_is_drawn(model, loss, of, key):
    view, params = trained(model, TARGETS, loss=loss, of=of)
    np.testing.assert_allclose(view.train.predicted, model(params, X)[key].ravel())
    np.testing.assert_allclose(view.train.actual, Y.ravel())


def test_of_several_outputs_classes_are_drawn_too():
    view, params = trained(Named(), TARGETS, loss=both_by_name, of="kind")
    right = Named()(params, X)["kind"].argmax(axis=1) == TARGETS["kind"]
    assert view.train.accuracy == pytest.approx(right.mean())


def test_several_outputs_without_a_choice_are_told_of():
    with pytest.warns(RuntimeWarning, match=r"the model has the outputs \[0, 1\]; say which one to draw, such as of=0"):
        trained(Heads(), TARGETS, loss=both)
