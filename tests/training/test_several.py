"""Several losses in one training: gradients apart, an optimiser for each, and how far they pull apart."""

from __future__ import annotations

from dataclasses import dataclass

import autograd
import numpy as np
import pytest

import graphnn as gn
from graphnn.architecture import from_json, to_json

DATA = gn.datasets.alkanes()
GRAPHS = gn.pack(DATA.graphs[10:40])
SIZES = np.array([[graph.n_nodes] for graph in DATA.graphs[10:40]], float)
LABELS = (DATA.boiling_points[10:40, 0] > 100).astype(int)
TARGETS = {"size": SIZES, "label": LABELS}


@dataclass(frozen=True)
class TwoHeads(gn.Layer):
    """A shared encoder with two readouts."""

    encoder: gn.Layer
    size: gn.Layer
    label: gn.Layer

    def forward(self, params, graphs):
        z = self.encoder(params.scope("encoder"), graphs)
        return {"size": self.size(params.scope("size"), z), "label": self.label(params.scope("label"), z)}


MODEL = TwoHeads(gn.Sequential(gn.GraphConv(6, gn.tanh), gn.MeanPool()), gn.Dense(1), gn.Dense(2))
PARAMS = MODEL.init(0, GRAPHS)


def size_loss(predictions, targets):
    return gn.mean_squared_error(predictions["size"], targets["size"])


def label_loss(predictions, targets):
    return gn.cross_entropy(predictions["label"], targets["label"])


LOSSES = {"size": size_loss, "label": label_loss}


def train(loss=LOSSES, optimizer=None, epochs=5, **more):
    return gn.fit(MODEL, PARAMS, GRAPHS, TARGETS, loss=loss, optimizer=optimizer, epochs=epochs, **more)


def both(predictions, targets):
    return size_loss(predictions, targets) + label_loss(predictions, targets)


def assert_close(first, second, tolerance=1e-12):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=tolerance, atol=tolerance, err_msg=name)


def test_with_one_optimizer_the_sum_is_minimised():
    params, history = train(optimizer=gn.adam(0.05), validation=(GRAPHS, TARGETS), batch_size=7)
    expected, sums = train(both, gn.adam(0.05), validation=(GRAPHS, TARGETS), batch_size=7)
    assert_close(params, expected)
    np.testing.assert_allclose(history.loss, sums.loss)
    np.testing.assert_allclose(history.validation_loss, sums.validation_loss)
    assert history.losses.keys() == LOSSES.keys() and sums.losses == {}
    np.testing.assert_allclose(np.sum(list(history.losses.values()), axis=0), history.loss)


def test_an_optimizer_for_each_is_the_loop_written_by_hand():
    moving_all = {"size": gn.sgd(0.01), "label": gn.momentum(0.1)}
    params, _ = train(optimizer=moving_all)
    ours, s, l = dict(PARAMS), moving_all["size"].init(PARAMS), moving_all["label"].init(PARAMS)
    for _ in range(5):
        grads = {
            name: autograd.grad(lambda p, loss=loss: loss(MODEL(p, GRAPHS), TARGETS))(ours)
            for name, loss in LOSSES.items()
        }
        ours, s = moving_all["size"].update(ours, grads["size"], s)
        ours, l = moving_all["label"].update(ours, grads["label"], l)
    assert_close(params, ours)


def test_a_loss_may_move_a_part_only():
    optimizer = {
        "size": gn.per_module({"encoder.*": gn.sgd(1e-3), "size.*": gn.adam(1e-2), "*": gn.frozen()}),
        "label": gn.per_module({"label.*": gn.adam(1e-2), "*": gn.frozen()}),
    }
    with_label, _ = train(optimizer=optimizer)
    alone, _ = train(size_loss, optimizer["size"])
    for name in PARAMS:  # what the label learns does not reach the encoder
        if not name.startswith("label."):
            assert with_label[name].tobytes() == alone[name].tobytes(), name
    assert not np.array_equal(with_label["label.weight"], PARAMS["label.weight"])


def test_the_run_holds_the_parts_and_their_sum():
    for run in gn.steps(MODEL, PARAMS, GRAPHS, TARGETS, loss=LOSSES, epochs=3):
        assert run.value == sum(run.losses.values()) and list(run.losses) == ["size", "label"]
        for name in PARAMS:
            parts = [run.loss_grads[loss][name] for loss in LOSSES]
            np.testing.assert_array_equal(run.grads[name], parts[0] + parts[1])
        assert run.changes.keys() == PARAMS.keys()
        np.testing.assert_array_equal(run.changes["size.bias"], run.params["size.bias"] - run.last_good["size.bias"])
    for run in gn.steps(MODEL, PARAMS, GRAPHS, TARGETS, loss=both, epochs=1):
        assert (list(run.losses), run.loss_grads) == (["loss"], {})


def test_one_forward_pass_for_all_losses():
    passes = []

    @dataclass(frozen=True)
    class Counting(TwoHeads):
        def forward(self, params, graphs):
            passes.append(1)
            return super().forward(params, graphs)

    model = Counting(MODEL.encoder, MODEL.size, MODEL.label)
    for run in gn.steps(model, PARAMS, GRAPHS, TARGETS, loss=LOSSES, epochs=4):
        if run.step == 1:
            passes.clear()
    assert len(passes) == 3


def test_masks_reach_every_loss():
    mask = np.arange(len(LABELS)) % 2 == 0

    def size(predictions, targets, mask=None):
        return gn.mean_squared_error(predictions["size"], targets["size"], mask=mask)

    def label(predictions, targets, mask=None):
        return gn.cross_entropy(predictions["label"], targets["label"], mask=mask)

    masked, _ = train({"size": size, "label": label}, gn.sgd(0.01), mask=mask)
    targets = {"size": SIZES[mask], "label": LABELS[mask]}
    part, _ = gn.fit(
        MODEL, PARAMS, GRAPHS[np.flatnonzero(mask)], targets, loss=LOSSES, optimizer=gn.sgd(0.01), epochs=5
    )
    assert_close(masked, part)
    with pytest.raises(TypeError, match="the loss 'label' takes no mask="):
        train({"size": size, "label": label_loss}, mask=mask)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"loss": {"size": size_loss}}, ValueError, r"two or more with names.*got \['size'\]"),
        ({"loss": {"a/b": size_loss, "c": label_loss}}, ValueError, "without '/'"),
        ({"loss": {"size": size_loss, "label": "mse"}}, TypeError, "loss 'label' is 'mse'; give a function"),
        (
            {"optimizer": {"size": gn.adam()}},
            ValueError,
            r"optimizer has \['size'\], the losses are \['size', 'label'\]",
        ),
        ({"loss": both, "optimizer": {"size": gn.adam()}}, ValueError, r"the losses are \['the one loss'\]"),
        ({"optimizer": {"size": gn.adam, "label": gn.adam()}}, TypeError, "optimiser of loss 'size' is"),
    ],
)
def test_losses_and_optimizers_that_do_not_go_together_are_refused(change, error, message):
    with pytest.raises(error, match=message):
        train(**change)


def test_what_is_not_finite_is_told_by_the_name_of_the_loss():
    def wrong(predictions, targets):
        return predictions["size"]

    with pytest.raises(TypeError, match=r"the loss 'wrong' must be a single number, got shape \(30, 1\)"):
        train({"size": size_loss, "wrong": wrong})


def test_per_loss_is_a_value_that_a_file_can_hold():
    optimizer = gn.per_loss({"a": gn.sgd(0.1), "b": gn.per_module({"*": gn.adam(0.01)})})
    assert from_json(to_json(optimizer)) == optimizer
    assert optimizer != gn.per_loss({"b": optimizer.optimizers["b"], "a": gn.sgd(0.1)})  # the order counts
    assert hash(optimizer) == hash(from_json(to_json(optimizer)))
    with pytest.raises(KeyError, match=r"no gradients of loss 'a', only of \['c'\]"):
        optimizer.update({"w": np.ones(1)}, {"c": {}}, optimizer.init({"w": np.ones(1)}))


def test_conflict_is_the_cosine_parameter_by_parameter():
    rng = np.random.default_rng(0)
    grads = {loss: {"w": rng.normal(size=(3, 2)), "b": rng.normal(size=2)} for loss in "abc"}
    grads["c"]["b"] = np.zeros(2)
    table = gn.conflict(grads)
    assert table.columns == ("name", "a, b", "a, c", "b, c")
    assert table.column("name") == ("w", "b", "all")

    def cosine(x, y):
        return np.vdot(x, y) / np.sqrt(np.vdot(x, x) * np.vdot(y, y))

    np.testing.assert_allclose(table.column("a, b")[0], cosine(grads["a"]["w"], grads["b"]["w"]))
    assert table.column("a, c")[1] is None
    whole = {loss: np.concatenate([g["w"].ravel(), g["b"]]) for loss, g in grads.items()}
    np.testing.assert_allclose(table.column("b, c")[2], cosine(whole["b"], whole["c"]))
    apart = sum(cosine(whole[a], whole[b]) < 0 for a, b in ("ab", "ac", "bc"))
    assert table.total == f"{apart} of 3 pairs of losses pull apart"


@pytest.mark.parametrize("scale", [1e-200, 1e200, np.float32(1e-30)])
def test_conflict_does_not_depend_on_scale(scale):
    grads = {"a": {"w": scale * np.array([1.0, 0.0])}, "b": {"w": scale * np.array([-1.0, 1.0])}}
    assert gn.conflict(grads).column("a, b")[0] == pytest.approx(-np.sqrt(0.5))


def test_conflict_of_one_loss_or_of_different_names_is_refused():
    with pytest.raises(ValueError, match=r"two losses or more, got \['a'\]"):
        gn.conflict({"a": {"w": np.ones(1)}})
    with pytest.raises(KeyError, match="'a' and 'b' have gradients of different names"):
        gn.conflict({"a": {"w": np.ones(1)}, "b": {"v": np.ones(1)}})
