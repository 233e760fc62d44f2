"""Gradients in threads: every interleaving of two nested gradients, many at once, nothing rebound."""

from __future__ import annotations

import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from autograd.tracer import trace_stack

import graphnn as gn

X = {"a": np.array([0.3, -0.7]), "b": np.array([1.1, 0.4])}
SEGMENTS = 4  # stretches of a nested gradient between its three pauses


def orders() -> list[str]:
    """Return every order in which two threads of four stretches each can take turns."""
    every = range(2 * SEGMENTS)
    return ["".join("a" if i in mine else "b" for i in every) for mine in combinations(every, SEGMENTS)]


class Turns:
    """Let two threads run one at a time, stretch by stretch, in a given order."""

    def __init__(self, order: str):
        self.order, self.at, self.changed = order, 0, threading.Condition()

    def wait(self, who: str) -> None:
        with self.changed:
            if not self.changed.wait_for(lambda: self.order[self.at] == who, timeout=30):
                raise TimeoutError(f"{who} never got its turn in {self.order}")

    def done(self) -> None:
        with self.changed:
            self.at += 1
            self.changed.notify_all()

    def pause(self, who: str) -> None:
        self.done()
        self.wait(who)


def nested(grad, x, pause):
    """Return the gradient of |inner gradient|^2, with a pause before, inside and after the inner gradient."""

    def inner(y, x):
        pause()
        return anp.sum(anp.tanh(x * y) * y)

    def outer(x):
        pause()
        g = grad(inner)(np.array([0.5, 2.0]), x)
        pause()
        return anp.sum(g * g * x)

    return grad(outer)(x)


def interleaved(grad, order: str) -> dict[str, np.ndarray | Exception]:
    turns, results = Turns(order), {}

    def work(who: str) -> None:
        turns.wait(who)
        try:
            results[who] = nested(grad, X[who], lambda: turns.pause(who))
        finally:
            turns.done()

    threads = [threading.Thread(target=work, args=(who,)) for who in X]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def alone(grad) -> dict[str, np.ndarray]:
    return {who: nested(grad, x, lambda: None) for who, x in X.items()}


@pytest.mark.parametrize("order", orders())
def test_two_nested_gradients_interleaved_in_any_order_are_right(order):
    wanted = alone(autograd.grad)
    found = interleaved(gn.grad, order)
    for who, gradient in wanted.items():
        np.testing.assert_array_equal(found[who], gradient)


def test_the_orders_are_hostile_plain_autograd_gets_some_of_them_wrong():
    """Why `gn.grad` numbers its own traces; when autograd protects itself one day, this is skipped."""
    wanted, wrong = alone(autograd.grad), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # autograd's only sign is "Output seems independent of input"
        for order in orders():
            found = interleaved(autograd.grad, order)
            if any(not np.allclose(found[who], wanted[who]) for who in X):
                wrong.append(order)
    if not wrong:
        pytest.skip("this autograd keeps traces of threads apart")
    for order in wrong:
        found = interleaved(gn.grad, order)
        assert all(np.array_equal(found[who], wanted[who]) for who in X)


@pytest.fixture(scope="module")
def model_and_batch():
    rng = np.random.default_rng(0)
    graphs = []
    for n in (3, 5, 1, 4):
        adjacency = np.triu(rng.random((n, n)) < 0.6, 1).astype(float)
        graphs.append(gn.from_adjacency(adjacency + adjacency.T, nodes=rng.normal(size=(n, 3))))
    model = gn.Sequential(gn.GraphConv(8, gn.tanh), gn.GraphConv(8, gn.relu), gn.SumPool(), gn.Dense(1))
    return model, graphs, model.init(0, graphs)


def test_eight_threads_of_model_gradients_give_the_same_bits(model_and_batch):
    model, graphs, params = model_and_batch
    y = np.arange(4.0)[:, None]
    batch = gn.pack(graphs)  # fresh: its operators are made by whichever thread comes first

    def loss(p):
        return gn.mean_squared_error(model(p, batch), y)

    def bits(_: int) -> bytes:
        value, grads = gn.value_and_grad(loss)(params)
        return value.tobytes() + b"".join(g.tobytes() for g in grads.values())

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(bits, range(8 * 200)))
    assert set(results) == {bits(0)}


def test_eight_threads_of_second_derivatives_give_the_same_bits(model_and_batch):
    model, graphs, params = model_and_batch
    batch, y = gn.pack(graphs), np.arange(4.0)[:, None]
    rng = np.random.default_rng(1)
    v = {k: rng.normal(size=a.shape) for k, a in params.items()}

    def loss(p):
        return gn.mean_squared_error(model(p, batch), y)

    def predictions(p):
        return model(p, batch)

    def bits(i: int) -> bytes:
        if i % 5 == 0:  # a gradient that fails half way must not disturb the others
            with pytest.raises(TypeError, match="must return a scalar"):
                gn.hvp(predictions, params, v)
        return b"".join(g.tobytes() for g in gn.hvp(loss, params, v).values())

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(bits, range(8 * 30)))
    assert set(results) == {bits(1)}


def test_plain_autograd_works_before_inside_and_after():
    def cubic(x):
        return x**3

    assert float(autograd.grad(cubic)(2.0)) == 12.0
    assert float(gn.grad(lambda x: autograd.grad(cubic)(x) * x)(2.0)) == pytest.approx(36.0)
    assert float(autograd.grad(lambda x: gn.grad(cubic)(x) * x)(2.0)) == pytest.approx(36.0)
    assert float(autograd.grad(autograd.grad(gn.grad(cubic)))(2.0)) == pytest.approx(6.0)
    assert float(autograd.grad(gn.grad(autograd.grad(cubic)))(2.0)) == pytest.approx(6.0)
    assert float(autograd.grad(cubic)(2.0)) == 12.0


@pytest.mark.parametrize(("inner", "drift"), [(gn.grad, None), (gn.grad, 1), (autograd.grad, 1), (autograd.grad, 99)])
def test_a_counter_another_thread_has_lowered_does_no_harm(monkeypatch, inner, drift):
    """autograd's `top += 1 ... top -= 1` is not atomic: beside other threads it may come out lower than it was."""
    monkeypatch.setattr(trace_stack, "top", trace_stack.top)  # put back in the end

    def outer(x):
        trace_stack.top = -1 if drift is None else trace_stack.top - drift
        return x * inner(lambda y: x * y**2)(x)

    assert float(gn.grad(outer)(3.0)) == pytest.approx(54.0)


NOTHING_REBOUND = """
import autograd, autograd.numpy
from autograd import core, differential_operators, extend, tracer
from autograd.numpy.numpy_boxes import ArrayBox

places = [autograd, autograd.numpy, core, differential_operators, extend, tracer, tracer.TraceStack, ArrayBox]

def snapshot():
    return [{name: id(value) for name, value in vars(place).items()} for place in places]

before = snapshot()
import graphnn as gn
gn.grad(gn.grad(lambda x: x ** 3))(2.0)
gn.hvp(lambda x: x ** 3, 2.0, 1.0)
assert snapshot() == before
assert type(tracer.trace_stack) is tracer.TraceStack
assert autograd.grad(autograd.grad(lambda x: x ** 3))(2.0) == 12.0
print("untouched")
"""


def test_no_name_of_autograd_is_rebound():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", NOTHING_REBOUND], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("untouched\n", "")
