"""Large sparse products: by threads, by blocks of columns, by rows of the transpose; always the same sums."""

from __future__ import annotations

import itertools
import multiprocessing
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse

import graphnn as gn
from graphnn.ops import loops, sparse
from graphnn.ops import threads as at_once
from graphnn.ops.matrix import SparseMatrix

SHAPES = [(1, 1, 0), (1, 1, 1), (1, 40, 12), (40, 1, 12), (30, 50, 0), (30, 50, 400), (64, 64, 300), (7, 200, 900)]


@pytest.fixture
def few(monkeypatch):
    """Make a product large from its first number on, and the cache a few rows of x."""
    monkeypatch.setattr(sparse, "LARGE", 1)
    monkeypatch.setattr(sparse, "CACHED", 256)
    yield
    gn.set_threads(None)


def matrix(n, m, count, dtype=np.float64, seed=0):
    """A matrix with empty rows, entries at one place, and columns in no order."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.integers(0, max(1, n // 2), count)) * 2 % n if count else np.zeros(0, int)
    entries = SparseMatrix.from_entries(rows, rng.integers(0, m, count), rng.normal(size=count).astype(dtype), (n, m))
    return entries.kept(), rng


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.usefixtures("few")
def test_every_number_of_threads_and_blocks_gives_the_sums_of_the_definition(shape, threads, dtype):
    A, rng = matrix(*shape, dtype)
    dense, tolerance = A.toarray(), 1e-4 if dtype == np.float32 else 1e-12
    gn.set_threads(threads)
    for width in (1, 3, 16):
        x, back = rng.normal(size=(shape[1], width)).astype(dtype), rng.normal(size=(shape[0], width)).astype(dtype)
        begins = [None, *(rng.normal(size=s).astype(dtype) for s in (width, 1, (1, width), (shape[0], width)))]
        for begin in begins:
            found = sparse.product(A.entries, x, begin)
            assert found.dtype == dtype
            np.testing.assert_allclose(found, dense @ x + (0 if begin is None else begin), atol=tolerance)
        np.testing.assert_allclose(sparse.product(A.entries, back, turned=True), dense.T @ back, atol=tolerance)
        passing = sparse.Entries(A.pattern, A.values)
        np.testing.assert_allclose(sparse.product(passing, x), dense @ x, atol=tolerance)
        np.testing.assert_allclose(sparse.product(passing, back, turned=True), dense.T @ back, atol=tolerance)


@pytest.mark.usefixtures("few")
def test_the_bits_do_not_depend_on_the_number_of_threads():
    A, rng = matrix(64, 64, 300)
    x = rng.normal(size=(64, 16))
    found = set()
    for threads in (1, 2, 3, 5):
        gn.set_threads(threads)
        found.add(sparse.product(A.entries, x).tobytes() + sparse.product(A.entries, x, turned=True).tobytes())
    assert len(found) == 1


@pytest.mark.usefixtures("few")
def test_a_matrix_that_passes_is_not_sorted_and_one_that_lasts_is_sorted_once():
    A, rng = matrix(30, 50, 400)
    x, passing = rng.normal(size=(50, 16)), sparse.Entries(A.pattern, A.values)
    sparse.product(passing, x)
    sparse.product(passing, x[:30], turned=True)
    assert not passing._column_blocks
    assert "turned" not in vars(passing)
    gn.set_threads(2)
    for _ in range(2):
        sparse.product(A.entries, x)
        sparse.product(A.entries, x[:30], turned=True)
    kept = A.entries.turned
    sparse.product(A.entries, x[:30], turned=True)
    assert A.entries.turned is kept
    assert len(A.entries._column_blocks) == 1


def test_what_a_packed_batch_holds_lasts_and_what_a_mini_batch_holds_does_not():
    rng = np.random.default_rng(0)
    X = scipy.sparse.csr_array(rng.normal(size=(4, 3)))
    batch = gn.pack([gn.Graph(X, [0, 1, 2], [1, 2, 3]) for _ in range(3)])
    for part, lasts in ((batch, True), (batch[:2], False)):
        assert part.operator(gn.kernels.normalized_adjacency).lasting == lasts
        assert part.nodes.lasting == lasts


def test_a_symmetric_matrix_is_its_own_transpose_and_not_kept_twice():
    full = scipy.sparse.random_array((20, 20), density=0.2, rng=np.random.default_rng(0)).toarray()
    A = SparseMatrix.from_scipy(full + full.T).kept()
    assert A.entries.turned is A.entries
    uneven = SparseMatrix.from_scipy((full + full.T) * np.arange(1, 21)).kept()
    assert uneven.entries.turned is not uneven.entries
    assert uneven.entries.turned.pattern is uneven.pattern


def test_runs_of_rows_cover_all_rows_once_and_hold_about_as_many_entries():
    counts = np.random.default_rng(0).poisson(5, 1000)
    pattern = sparse.Pattern(sparse.offsets(counts), np.zeros(counts.sum()), (1000, 1))
    for count in (1, 2, 3, 8):
        pieces = pattern.pieces(count)
        assert pieces[0][0] == 0
        assert pieces[-1][1] == 1000
        assert all(end == begin for (_, end), (begin, _) in itertools.pairwise(pieces))
        held = [counts[begin:end].sum() for begin, end in pieces]
        assert len(held) == count
        assert max(held) - min(held) < 60
    lonely = sparse.Pattern(np.array([0, 9, 9]), np.zeros(9), (2, 1))
    assert lonely.pieces(4) in ([(0, 1), (1, 2)], [(0, 2)])


@pytest.fixture
def three():
    gn.set_threads(3)
    yield
    gn.set_threads(None)


@pytest.mark.usefixtures("three")
def test_rounds_of_a_piece_come_in_order_and_one_at_a_time_whoever_lags():
    pieces, seen, inside = [(k, k + 1) for k in range(7)], {k: [] for k in range(7)}, set()
    rng = np.random.default_rng(0)
    naps = rng.random((5, 7)) * 2e-3

    def work(number, start, stop):
        assert start not in inside
        inside.add(start)
        time.sleep(naps[number, start])
        inside.remove(start)
        seen[start].append(number)

    at_once.share_rounds(pieces, 5, work)
    assert seen == {k: list(range(5)) for k in range(7)}


@pytest.mark.usefixtures("three")
def test_a_thread_that_lost_its_core_is_not_waited_for():
    stuck, others = threading.Event(), []

    def work(number, start, stop):
        if (number, start) == (0, 0):
            assert stuck.wait(timeout=30)
        else:
            others.append((number, start))
            if len(others) == 2 * 5:
                stuck.set()

    at_once.share_rounds([(k, k + 1) for k in range(6)], 2, work)
    assert sorted(others) == sorted([(r, k) for r in range(2) for k in range(6) if (r, k) != (0, 0)])


@pytest.mark.usefixtures("three")
def test_what_a_piece_raises_comes_through():
    def work(number, start, stop):
        if (number, start) == (1, 2):
            raise FloatingPointError("piece 2")

    with pytest.raises(FloatingPointError, match="piece 2"):
        at_once.share_rounds([(k, k + 1) for k in range(4)], 3, work)


# ---- the two loops --------------------------------------------------------------------------------------------------


def test_the_loops_in_use_are_those_of_scipy_and_agree_with_the_public_ones():
    private = loops.private_loops()
    assert loops.agree(private)
    assert loops.add_product.__qualname__ == private[0].__qualname__


def doubled(indptr, indices, values, x, out):
    loops.public_add_product(indptr, indices, 2 * values, x, out)


def forgetful(indptr, indices, values, x, out):
    out[...] = 0
    loops.public_add_product(indptr, indices, values, x, out)


def missing():
    raise ImportError("no such name")


def test_loops_that_are_gone_or_give_other_numbers_are_not_used(monkeypatch):
    public = (loops.public_add_product, loops.public_add_turned_product)
    for wrong in (doubled, forgetful, loops.public_add_turned_product):
        monkeypatch.setattr(loops, "private_loops", lambda wrong=wrong: (wrong, public[1]))
        assert loops.chosen() == public
    monkeypatch.setattr(loops, "private_loops", lambda: (public[0], doubled))
    assert loops.chosen() == public
    monkeypatch.setattr(loops, "private_loops", missing)
    assert loops.chosen() == public


def test_a_scipy_without_its_private_loops_gives_the_same_numbers():
    # SciPy itself needs the module, so it is taken away after SciPy has been imported.
    script = (
        "import numpy as np, scipy.sparse, sys; sys.modules['scipy.sparse._sparsetools'] = None\n"
        "from graphnn.ops import loops; import graphnn as gn\n"
        "assert loops.add_product is loops.public_add_product\n"
        "graph = gn.Graph(np.eye(3), senders=[0, 1, 2], receivers=[1, 2, 0])\n"
        "model = gn.Sequential(gn.GraphConv(2, gn.tanh), gn.SumPool())\n"
        "loss = lambda p: model(p, graph).sum()\n"
        "value, grads = gn.value_and_grad(loss)(model.init(0, graph))\n"
        "print(repr(float(value)), grads['0.graphconv.weight'].ravel().tolist())\n"
    )
    without = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    script = script.replace("; sys.modules['scipy.sparse._sparsetools'] = None", "").replace(
        " is loops", " is not loops"
    )
    assert without == subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout


# ---- threads --------------------------------------------------------------------------------------------------------


def test_the_number_of_threads_comes_from_the_call_the_variable_openmp_or_the_cores(monkeypatch):
    monkeypatch.delenv("GRAPHNN_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert 1 <= at_once.by_default() <= at_once.MOST_BY_DEFAULT
    for said, wanted in (("3", 3), ("4,2", 4), (" 5 ", 5)):
        monkeypatch.setenv("OMP_NUM_THREADS", said)
        assert at_once.by_default() == wanted
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert at_once.by_default() >= 1
    monkeypatch.setenv("GRAPHNN_THREADS", "6")
    assert at_once.by_default() == 6
    for wrong in ("0", "two", "-1", "1.5"):
        monkeypatch.setenv("GRAPHNN_THREADS", wrong)
        with pytest.raises(ValueError, match=f"the environment variable GRAPHNN_THREADS is '{wrong}'; give a whole"):
            at_once.by_default()
    try:
        gn.set_threads(2)
        assert gn.get_threads() == at_once.get_threads() == 2
    finally:
        gn.set_threads(None)


def test_wrong_numbers_of_threads_are_refused():
    for wrong in (0, -3):
        with pytest.raises(ValueError, match=f"set_threads: the number of threads must be 1 or more, got {wrong}"):
            gn.set_threads(wrong)
    for wrong in (1.5, "2", True):
        with pytest.raises(TypeError, match="set_threads: the number of threads must be a whole number"):
            gn.set_threads(wrong)
    with pytest.raises(ValueError, match="threads: the number of threads must be 1 or more, got 0"), gn.threads(0):
        pass


def test_a_block_of_threads_limits_blas_too_and_gives_everything_back():
    from threadpoolctl import threadpool_info

    def blas():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before, ours = blas(), at_once.get_threads()
    with gn.threads(1):
        assert blas() == [1] * len(before)
        assert at_once.get_threads() == 1
    assert (blas(), at_once.get_threads()) == (before, ours)
    with gn.threads(np.int64(1)):  # threadpoolctl wants an int of Python's
        assert at_once.get_threads() == 1
    with pytest.raises(KeyError), gn.threads(1):
        raise KeyError
    assert (blas(), at_once.get_threads()) == (before, ours)


def test_what_a_piece_raises_comes_out_once_all_pieces_are_done():
    done, go = [], threading.Event()

    def work(start, stop):
        if start == 0:
            go.set()
            raise ZeroDivisionError
        go.wait(30)
        done.append(start)

    with pytest.raises(ZeroDivisionError):
        at_once.share([(0, 1), (1, 2), (2, 3)], work)
    assert sorted(done) == [1, 2]

    def elsewhere(start, stop):
        if start == 2:
            raise KeyError("third")

    with pytest.raises(KeyError, match="third"):
        at_once.share([(0, 1), (1, 2), (2, 3)], elsewhere)


@pytest.mark.usefixtures("few")
def test_many_threads_of_a_user_share_the_pool():
    A, rng = matrix(64, 64, 300)
    xs = [rng.normal(size=(64, 16)) for _ in range(40)]
    gn.set_threads(3)
    with ThreadPoolExecutor(8) as users:
        found = list(users.map(lambda x: sparse.product(A.entries, x), xs))
    for x, product in zip(xs, found, strict=True):
        np.testing.assert_allclose(product, A.toarray() @ x, atol=1e-12)


AT_THE_END = """
import atexit, sys, threading
import numpy as np
from graphnn.ops import sparse
from graphnn.ops.matrix import SparseMatrix
import graphnn as gn

sparse.LARGE = 1
gn.set_threads(3)
A = SparseMatrix.from_scipy(np.tri(50)).kept()

def total():
    if sys.argv[1] == "thread":
        threading.main_thread().join()
    print(sparse.product(A.entries, np.ones((50, 2))).sum())

if sys.argv[2] == "warm":
    sparse.product(A.entries, np.ones((50, 2)))
threading.Thread(target=total).start() if sys.argv[1] == "thread" else atexit.register(total)
"""


@pytest.mark.parametrize("pool", ["warm", "cold"])
@pytest.mark.parametrize("way", ["thread", "atexit"])
def test_when_the_main_thread_has_ended_products_go_on(way, pool, tmp_path):
    script = tmp_path / "end.py"
    script.write_text(AT_THE_END, "utf-8")
    command = [sys.executable, str(script), way, pool]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "2550.0", done.stderr


KERNELS = {"symmetric": gn.kernels.normalized_adjacency, "not": gn.kernels.random_walk}


@pytest.mark.parametrize("kind", KERNELS)
def test_slices_of_a_symmetric_kernel_are_known_to_be_symmetric_and_multiply_as_their_transpose(kind):
    rng = np.random.default_rng(0)
    trees = [gn.chain_graph(rng.normal(size=(n, 2))) for n in (3, 5, 4, 6)]
    whole = gn.pack(trees)
    part = whole[[2, 0]].operator(KERNELS[kind])
    dense, g = part.toarray(), rng.normal(size=(7, 3))
    assert part.is_symmetric == np.array_equal(dense, dense.T) == (kind == "symmetric")
    np.testing.assert_allclose(sparse.product(part.entries, g, turned=True), dense.T @ g, atol=1e-15)
    kept = whole.operator(KERNELS[kind])
    assert kept.is_symmetric == (kind == "symmetric")
    back = rng.normal(size=(18, 3))
    np.testing.assert_allclose(sparse.product(kept.entries, back, turned=True), kept.toarray().T @ back, atol=1e-15)


def test_that_the_system_gives_no_thread_is_said(monkeypatch):
    def refused(pool, work, *piece):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(ThreadPoolExecutor, "submit", refused)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        at_once.share([(0, 1), (1, 2)], lambda start, stop: None)


IN_CHILDREN = """
import multiprocessing, sys
import numpy as np
from graphnn.ops import sparse
from graphnn.ops.matrix import SparseMatrix
import graphnn as gn

def total(seed):
    sparse.LARGE = 1
    gn.set_threads(3)
    A = SparseMatrix.from_scipy(np.tri(50)).kept()
    return float(sparse.product(A.entries, np.ones((50, 2))).sum())

if __name__ == "__main__":
    here = total(0)
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        print([here, *pool.map(total, range(4))])
"""


@pytest.mark.parametrize("way", multiprocessing.get_all_start_methods())
def test_a_child_of_a_process_that_has_used_its_threads_has_threads_of_its_own(way, tmp_path):
    script = tmp_path / "children.py"
    script.write_text(IN_CHILDREN, "utf-8")
    command = [sys.executable, "-W", "ignore::DeprecationWarning", str(script), way]  # 3.12 warns of fork and threads
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == str([2550.0] * 5), done.stderr
