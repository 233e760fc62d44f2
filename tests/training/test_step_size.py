"""lr_find: what it tries, what it suggests, and how well that trains."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pytest
from matplotlib.figure import Figure

import graphnn as gn
from graphnn.optim import with_step_sizes
from graphnn.schedules import Cosine
from graphnn.training import step_size
from graphnn.training.step_size import StepSizeTest

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 6))
Y = np.sin(X @ rng.normal(size=(6, 2))) + 0.1 * rng.normal(size=(200, 2))
MLP = gn.Sequential(gn.Dense(16, gn.tanh), gn.Dense(16, gn.tanh), gn.Dense(2))
PARAMS = MLP.init(0, X)


def alkanes():
    data = gn.datasets.alkanes()
    model = gn.Sequential(
        gn.Dense(16, gn.silu),
        gn.Residual(gn.GraphConv(16, gn.silu, kernel=gn.kernels.adjacency)),
        gn.SumPool(), gn.Scale(0.1), gn.Dense(16, gn.silu), gn.Dense(1), gn.Rescale(),
    )  # fmt: skip
    batch = gn.pack(data.graphs, dtype=np.float32)
    return model, batch, data.boiling_points.reshape(-1, 1).astype(np.float32), {"batch_size": 32}, 20


def karate():
    graph = nx.karate_club_graph()
    labels = np.array([graph.nodes[v]["club"] == "Officer" for v in graph], int)
    for i, v in enumerate(graph):
        graph.nodes[v]["features"] = np.eye(34)[i]
    model = gn.Sequential(gn.GraphConv(16, gn.relu), gn.Dropout(0.2), gn.GraphConv(2), gn.Nodes())
    seen = np.isin(np.arange(34), [0, 33])
    return model, gn.pack(graph), labels, {"loss": gn.cross_entropy, "per": "node", "mask": seen}, 50


def mlp():
    return MLP, X, Y, {"batch_size": 32}, 20


def final(problem, optimizer):
    """Return the mean loss of the last epochs of a training, inf if it breaks."""
    model, inputs, targets, settings, epochs = problem()
    try:
        _, history = gn.fit(
            model, model.init(0, inputs), inputs, targets, optimizer=optimizer, epochs=epochs, **settings
        )
    except gn.TrainingDiverged:
        return math.inf
    return np.mean(history.loss[-3:])


@pytest.mark.filterwarnings("ignore:step size too|no progress")  # the grid holds far too small ones
@pytest.mark.parametrize(
    ("problem", "optimizer"),
    [
        (alkanes, gn.adam()), (karate, gn.adam()), (karate, gn.sgd(1.0)), (mlp, gn.adam()), (mlp, gn.sgd(1.0)),
        (mlp, gn.clipped(gn.adamw(), norm=1.0)),
    ],
)  # fmt: skip
def test_the_suggestion_trains_about_as_well_as_the_best_of_a_grid(problem, optimizer):
    """Within a factor of 3, where the best step sizes of these problems differ a hundredfold."""
    model, inputs, targets, settings, _ = problem()
    found = gn.lr_find(model, model.init(0, inputs), inputs, targets, optimizer=optimizer, **settings)
    grid = [final(problem, with_step_sizes(optimizer, lambda _, size=size: size)) for size in 10.0 ** np.arange(-5, 2)]
    best, first = min(grid), found.losses[0]
    assert max(grid) > 5 * best
    assert final(problem, found.optimizer) < max(3 * best, 1e-3 * first)


def test_the_parameters_given_are_not_touched():
    before = {name: value.copy() for name, value in PARAMS.items()}
    for value in PARAMS.values():
        value.setflags(write=False)
    gn.lr_find(MLP, PARAMS, X, Y, batch_size=32)
    for name, value in before.items():
        assert PARAMS[name].tobytes() == value.tobytes()


def test_the_same_seed_gives_the_same_bits_and_leaves_the_global_random_state():
    np.random.seed(3)  # noqa: NPY002 - to see that it stays
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    one, other = (gn.lr_find(MLP, PARAMS, X, Y, batch_size=32, seed=4) for _ in range(2))
    assert one.losses.tobytes() == other.losses.tobytes()
    assert gn.lr_find(MLP, PARAMS, X, Y, batch_size=32, seed=5).losses.tolist() != one.losses.tolist()
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


def test_the_losses_are_those_after_a_step_of_each_size():
    """The sweep by hand, with all examples in one step."""
    found = gn.lr_find(MLP, PARAMS, X, Y, optimizer=gn.sgd(1.0), smallest=1e-3, largest=1.0, n_steps=10)
    np.testing.assert_allclose(found.step_sizes, np.geomspace(1e-3, 1.0, 10))
    params = PARAMS
    for i, size in enumerate(found.step_sizes):
        grads = gn.grad(lambda p: gn.mean_squared_error(MLP(p, X), Y))(params)
        params = {name: value - size * grads[name] for name, value in params.items()}
        assert found.losses[i] == pytest.approx(float(gn.mean_squared_error(MLP(params, X), Y)), rel=1e-12)
    mean = [np.average(found.losses[: i + 1], weights=0.9 ** np.arange(i, -1, -1)) for i in range(10)]
    np.testing.assert_allclose(found.smoothed, mean)


def test_the_suggestion_on_a_curve_known_beforehand():
    optimizer = gn.sgd(1.0)
    test = StepSizeTest(
        np.geomspace(1e-4, 1, 5), np.ones(5), np.ones(5), steepest=1e-3, lowest=1e-1, optimizer=optimizer
    )
    assert test.suggestion == pytest.approx(1e-2)
    near = StepSizeTest(
        np.geomspace(1e-4, 1, 5), np.ones(5), np.ones(5), steepest=8e-2, lowest=1e-1, optimizer=optimizer
    )
    assert near.suggestion == pytest.approx(5e-2)


@pytest.mark.parametrize(("largest", "n_steps"), [(1e3, 40), (1e300, 1500)])
def test_a_loss_that_blows_up_ends_the_sweep_without_a_crash_or_a_warning(largest, n_steps):
    model = gn.Sequential(gn.Dense(16, gn.relu), gn.Dense(2))
    found = gn.lr_find(
        model, model.init(0, X), X, Y, optimizer=gn.sgd(1.0), largest=largest, n_steps=n_steps, batch_size=32
    )
    assert len(found.step_sizes) == len(found.losses) < n_steps
    assert np.isfinite(found.losses).all()
    assert found.suggestion < 10


def test_the_step_sizes_of_rules_keep_their_ratio():
    rules = gn.per_module({"0.*": gn.adam(1e-3), "1.*": gn.frozen(), "*": gn.adam(4e-3)})
    found = gn.lr_find(MLP, PARAMS, X, Y, optimizer=rules)
    sizes = gn.optim.step_sizes(found.optimizer, 0)
    assert sizes == pytest.approx({"step_size of 0.*": found.suggestion / 4, "step_size of *": found.suggestion})


def test_the_ratio_holds_during_the_sweep_too():
    one, other = (gn.per_module({"0.*": gn.sgd(ratio), "*": gn.sgd(1.0)}) for ratio in (0.25, 1.0))
    left, right = (gn.lr_find(MLP, PARAMS, X, Y, optimizer=optimizer).losses for optimizer in (one, other))
    assert abs(left[60] - right[60]) > 1e-3


def test_a_loss_that_is_suddenly_no_number_ends_the_sweep():
    def brittle(predictions, targets):
        loss = gn.mean_squared_error(predictions, targets)
        return loss + 0 * (1.5 - loss) ** 0.5

    found = gn.lr_find(MLP, PARAMS, X, Y, loss=brittle, optimizer=gn.sgd(1.0), batch_size=32)
    assert np.isfinite(found.losses).all()
    assert 10 < len(found.losses) < 100


def test_norms_and_noise_do_not_disturb_it():
    """In evaluation mode the running statistics of the first steps are those of no data."""
    model = gn.Sequential(gn.Dense(16), gn.BatchNorm(), gn.Dropout(0.5), gn.Lambda(gn.relu), gn.Dense(2))
    found = gn.lr_find(model, model.init(0, 50 * X), 50 * X, Y, batch_size=32)
    assert 1e-3 < found.suggestion < 1
    early = found.losses[: len(found.losses) // 4]
    assert np.ptp(early) < 0.05 * early[0]


def test_it_is_drawn_with_the_suggestion_on_a_log_axis():
    found = gn.lr_find(MLP, PARAMS, X, Y, batch_size=32)
    ax = found.plot(Figure().subplots(), title="MLP")
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "step size"
    assert [text.get_text() for text in ax.texts] == [f"suggestion {found.suggestion:.2g}"]
    assert found.suggestion in [line.get_xdata()[0] for line in ax.lines]
    low, high = ax.get_ylim()
    assert low < found.smoothed.min() < found.losses[0] < high < 2 * found.losses[0]


def test_it_prints_what_matters():
    found = gn.lr_find(MLP, PARAMS, X, Y, batch_size=32)
    assert repr(found).startswith(f"StepSizeTest({len(found.losses)} step sizes from 1e-06 to ")
    assert repr(found).endswith(f"suggestion {found.suggestion:.2g})")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (dict(loss={"a": gn.huber}), TypeError, "wanted one function; of several losses find one at a time"),
        (dict(smallest=1.0, largest=0.1), ValueError, "must rise, in 10 steps or more, got 100 from 1.0 to 0.1"),
        (dict(n_steps=9), ValueError, "10 steps or more, got 9 from 1e-06 to 10.0"),
        (dict(optimizer=gn.frozen()), ValueError, r"frozen\(\) moves nothing; give an optimiser with a step size"),
        (dict(optimizer=gn.sgd(Cosine(0.1, 9))), ValueError, r"has the schedule Cosine\(.*\); give it a number"),
        (dict(smallest=50.0, largest=100.0), ValueError, "the loss falls at no step size from 50.0 on"),
        (dict(smallest=1e200, largest=1e201, optimizer=gn.sgd(1.0)), ValueError, r"no step size from 1e\+200 on"),
    ],
)  # fmt: skip
def test_refused(call, error, message):
    with pytest.raises(error, match=message):
        gn.lr_find(MLP, PARAMS, X, Y, **call)


def test_nothing_is_suggested_beyond_a_first_blow_up(monkeypatch):
    falling = 1.0 - 0.5 * np.arange(61) / 60
    losses = [1.0, *falling[:40], 3.0, 2.5, *np.linspace(0.4, 0.05, 30), 5.0]
    monkeypatch.setattr(step_size, "_losses", lambda training, n_steps: losses)
    found = gn.lr_find(MLP, PARAMS, X, Y, n_steps=len(losses) - 1)
    assert found.rose == found.step_sizes[40]
    assert found.suggestion < found.lowest < found.rose
    ax = found.plot(Figure().subplots())
    (grey,) = ax.patches
    assert grey.get_x() == pytest.approx(found.rose)
