"""Memory of large results is used again when nobody holds it, in any number of threads, and given back on demand."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import graphnn as gn
from graphnn.ops import buffers

pytestmark = pytest.mark.skipif(not buffers._kept.counted, reason="this Python does not count references exactly")


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Let arrays be large from 64 bytes on."""
    monkeypatch.setattr(buffers, "LARGE", 64)
    gn.release_memory()
    yield
    gn.release_memory()


def made(n=100):
    return buffers.empty((n, 2), np.dtype(float))


def place(array):
    return array.__array_interface__["data"][0]


def test_memory_nobody_holds_is_used_again_and_what_is_held_is_not():
    first = made()
    where = place(first)
    second = made()
    assert place(second) != where
    del first
    assert place(made()) == where


@pytest.mark.parametrize(
    "hold",
    [lambda a: a[3:], lambda a: a.T, lambda a: a.reshape(-1)[::7], memoryview, lambda a: [a], lambda a: a.view("u1")],
)
def test_whatever_still_sees_the_numbers_keeps_them(hold):
    array = made()
    array[...] = 7.0
    held = hold(array)
    before = np.array(held).copy()
    del array
    for _ in range(3):
        made()[...] = -1.0
    np.testing.assert_array_equal(np.array(held), before)


def test_other_sizes_get_memory_of_their_own_and_the_old_is_given_back():
    made()
    assert len(buffers._kept.blocks) == 1
    made(1000)
    assert [block.nbytes for block in buffers._kept.blocks] == [16000]
    assert made(900).nbytes == 900 * 16
    assert len(buffers._kept.blocks) == 1


def test_release_gives_back_what_is_free_and_nothing_else():
    held, _ = made(), made()
    held[...] = 5.0
    del _
    gn.release_memory()
    assert len(buffers._kept.blocks) == 1
    assert (held == 5.0).all()


def test_two_threads_never_get_the_same_memory():
    def fill(number):
        for _ in range(200):
            array = made()
            array[...] = number
            np.sqrt(np.abs(array))  # lets another thread run
            if not (array == number).all():
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(fill, range(4)))


def test_nobody_waits_for_memory_while_another_chooses():
    with ThreadPoolExecutor(1) as pool, buffers._kept.lock:
        assert pool.submit(made).result(timeout=20).shape == (100, 2)
    assert not buffers._kept.lock.locked()


def test_results_are_the_same_with_and_without():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(30, 20)), rng.normal(size=(20, 10))
    np.testing.assert_array_equal(buffers.dense_product(a, b), a @ b)
    np.testing.assert_array_equal(buffers.dense_product(a, b[:, 0]), a @ b[:, 0])
    assert buffers.dense_product(a.astype(np.float32), b).dtype == np.float64


def test_fit_gives_back_what_it_used(molecules=30):
    graphs = [gn.chain_graph(np.ones((9, 3))) for _ in range(molecules)]
    model = gn.Sequential(gn.GraphConv(4, gn.relu), gn.GraphConv(4, gn.relu), gn.SumPool(), gn.Dense(1))
    gn.fit(model, model.init(0, graphs), graphs, np.ones((molecules, 1)), loss=gn.mean_squared_error, epochs=2)
    assert not buffers._kept.blocks


SWITCHED_OFF = """
import numpy as np
import graphnn as gn
from graphnn.ops import buffers
a = buffers.empty((2**23, 1), np.dtype(float))
assert a.base is None and not buffers._kept.blocks
"""


def test_what_the_environment_cannot_mean_is_refused(monkeypatch):
    for given, on in (("", True), (" 1 ", True), ("0", False)):
        monkeypatch.setenv(buffers.VARIABLE, given)
        assert buffers._Kept().on == on
    monkeypatch.setenv(buffers.VARIABLE, "no")
    with pytest.raises(ValueError, match="GRAPHNN_REUSE_MEMORY is 'no'; give 0 to switch it off, or 1"):
        buffers._Kept()


def test_the_environment_switches_it_off(tmp_path):
    environment = {"GRAPHNN_REUSE_MEMORY": "0", "PYTHONPATH": ":".join(p for p in sys.path if p), "PATH": ""}
    subprocess.run([sys.executable, "-c", SWITCHED_OFF], check=True, env=environment, cwd=tmp_path)
