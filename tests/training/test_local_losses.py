"""Training without one backward pass through everything: losses of single layers, and targets for hidden ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import graphnn as gn


@dataclass(frozen=True)
class Guesses(gn.Layer):
    """Every block guesses by a head of its own; no gradient goes from a block into the one before."""

    blocks: tuple
    local: bool = True

    def forward(self, params, graphs):
        guesses = {}
        for i, block in enumerate(self.blocks):
            graphs = block(params.scope(f"block{i}"), graphs)
            pooled = gn.MeanPool()(params.scope("pool"), graphs)
            guesses[f"block{i}"] = gn.Dense(1)(params.scope(f"head{i}"), pooled)
            if self.local:
                graphs = graphs.replace(nodes=gn.ops.stop_gradient(graphs.nodes))
        return guesses


def first(guesses, targets):
    return gn.mean_squared_error(guesses["block0"], targets)


def second(guesses, targets):
    return gn.mean_squared_error(guesses["block1"], targets)


@pytest.fixture(scope="module")
def alkanes():
    data = gn.datasets.alkanes()
    y = data.boiling_points
    return gn.pack(data.graphs), (y - y.mean()) / y.std()


BLOCKS = (gn.GraphConv(8, gn.tanh), gn.GraphConv(8, gn.tanh))
LOSSES = {"block0": first, "block1": second}


def of_block(params, i):
    return {name: value for name, value in params.items() if name.startswith((f"block{i}", f"head{i}"))}


def test_local_losses_train_every_layer(alkanes):
    graphs, y = alkanes
    model = Guesses(BLOCKS)
    _, history = gn.fit(model, model.init(0, graphs), graphs, y, loss=LOSSES, optimizer=gn.adam(0.02), epochs=150)
    for curve in history.losses.values():
        assert curve[-1] < 0.25 * curve[0]
    # the second block sees what the first has learned, two bonds away
    assert history.losses["block1"][-1] < history.losses["block0"][-1]


def test_no_gradient_goes_from_a_block_into_the_one_before(alkanes):
    graphs, y = alkanes
    runs = {local: next(gn.steps(m, m.init(0, graphs), graphs, y, loss=LOSSES)) for local, m in _both()}
    for loss, i in (("block0", 0), ("block1", 1)):
        grads = runs[True].loss_grads[loss]
        assert {name for name in grads if np.any(grads[name] != 0)} == set(of_block(grads, i))
    assert np.any(runs[False].loss_grads["block1"]["block0.weight"] != 0)
    cosines = gn.conflict(runs[True].loss_grads).column("block0, block1")
    assert set(cosines) <= {None, 0.0}  # losses that share no parameter cannot pull apart
    assert gn.conflict(runs[False].loss_grads).column("block0, block1")[-1] != 0


def _both():
    return [(local, Guesses(BLOCKS, local)) for local in (True, False)]


def test_a_block_learns_the_same_bits_whether_or_not_there_are_blocks_behind_it(alkanes):
    graphs, y = alkanes
    both, alone = Guesses(BLOCKS), Guesses(BLOCKS[:1])
    settings = {"optimizer": gn.adam(0.02), "epochs": 20, "batch_size": 50}
    trained, _ = gn.fit(both, both.init(0, graphs), graphs, y, loss=LOSSES, **settings)
    single, _ = gn.fit(alone, alone.init(0, graphs), graphs, y, loss=first, **settings)
    assert set(single) == set(of_block(trained, 0))
    for name, value in single.items():
        np.testing.assert_array_equal(trained[name], value)


def test_a_target_for_a_hidden_layer_one_step_down_the_loss_gives_back_propagation(alkanes):
    """The law behind target propagation: with targets h - rate dL/dh the local gradient is rate times the global."""
    graphs, y = alkanes
    below, above = gn.GraphConv(8, gn.tanh), gn.Sequential(gn.GraphConv(8, gn.tanh), gn.MeanPool(), gn.Dense(1))
    p = below.init(0, graphs)
    hidden = below(p, graphs).nodes
    q = above.init(1, graphs.replace(nodes=hidden))

    def end(h):
        return gn.mean_squared_error(above(q, graphs.replace(nodes=h)), y)

    target = hidden - 0.1 * gn.grad(end)(hidden)
    local = gn.grad(lambda p: 0.5 * ((below(p, graphs).nodes - target) ** 2).sum())(p)
    whole = gn.grad(lambda p: end(below(p, graphs).nodes))(p)
    for name, value in whole.items():
        assert np.abs(value).max() > 0
        np.testing.assert_allclose(local[name], 0.1 * value, rtol=1e-9, atol=1e-15)
