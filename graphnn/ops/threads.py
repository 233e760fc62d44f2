"""How many cores a large product may use: a pool of threads of our own, one for each process.

Only large sparse products are cut into pieces, by rows, so that each piece is summed in the same order whatever the
number of threads: the bits of a result do not depend on it. SciPy's loops let go of Python's lock, so threads do run at
the same time. BLAS has threads of its own, which are left alone except inside of ``with threads(n)``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

VARIABLE = "GRAPHNN_THREADS"
MOST_BY_DEFAULT = 8  # a large sparse product waits for memory, and beyond this more threads wait for the same memory


class _Workers:
    """The pool of this process and its limit. A forked child has none of its parent's threads, so it makes its own."""

    def __init__(self) -> None:
        self.limit: int | None = None
        self.default: int | None = None
        self.lock = threading.Lock()
        self.made: tuple[int, int, ThreadPoolExecutor] | None = None  # process, threads, pool

    def pool(self, size: int) -> ThreadPoolExecutor:
        with self.lock:
            if self.made is None or self.made[0] != os.getpid() or self.made[1] < size:
                self.made = os.getpid(), size, ThreadPoolExecutor(size, thread_name_prefix="graphnn")
            return self.made[2]


_workers = _Workers()


def _forget() -> None:
    """Begin anew in a forked child, where another thread may have held the lock when the process was copied."""
    _workers.lock, _workers.made = threading.Lock(), None


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget)


def set_threads(n: int | None) -> None:
    """Let large sparse products use so many threads, in this process; None: as many as by default.

    The default is the environment variable GRAPHNN_THREADS, else OMP_NUM_THREADS, else the number of cores this process
    may run on, at most 8. Results are the same bits for every number. Nothing is said to BLAS, see `threads` for that.

    Raises TypeError for what is no whole number, ValueError for less than 1.

    >>> set_threads(1)
    >>> get_threads()
    1
    >>> set_threads(None)
    """
    if n is not None:
        _check("set_threads", n)
    _workers.limit = n


def get_threads() -> int:
    """Return how many threads a large sparse product may use, see `set_threads`.

    >>> set_threads(2)
    >>> get_threads()
    2
    >>> set_threads(None)
    """
    if _workers.limit is not None:
        return _workers.limit
    if _workers.default is None:  # asked once: the environment is read slowly
        _workers.default = by_default()
    return _workers.default


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Let both BLAS and our own products use at most so many threads inside of a block, in this process.

    BLAS gains from a second thread on an idle machine: a quarter of a step on a batch of molecules, more on large
    graphs, nothing on tiny ones. Where other programs keep the cores busy its threads wait for each other in every
    product, and one thread is then many times faster: put this around what shares its machine. The limit is one for the
    process, for all of its threads. Raises as `set_threads`.

    >>> with threads(1):
    ...     get_threads()
    1
    """
    from threadpoolctl import threadpool_limits

    _check("threads", n)
    before = _workers.limit
    with threadpool_limits(int(n), user_api="blas"):
        _workers.limit = n
        try:
            yield
        finally:
            _workers.limit = before


def by_default() -> int:
    """Return the number of threads where nobody has set one: from the environment, else the cores that are ours.

    Raises ValueError where GRAPHNN_THREADS is no whole number of 1 or more.
    """
    given = os.environ.get(VARIABLE, "").strip()
    if given:
        if not given.isdecimal() or int(given) < 1:
            raise ValueError(f"the environment variable {VARIABLE} is {given!r}; give a whole number, 1 or more")
        return int(given)
    others = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # "4,2": four, and two inside of each
    if others.isdecimal() and int(others) >= 1:
        return int(others)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_BY_DEFAULT)


def share(pieces: Sequence[tuple[int, int]], work: Callable[[int, int], None]) -> None:
    """Call work(start, stop) for every piece, the first one here and the others at the same time in the pool.

    Comes back when all are done; raises what a piece raised. While the interpreter ends, when no pool takes work any
    more, all are done here: a thread may outlive the main one, and functions of `atexit` run then.

    >>> done = []
    >>> share([(0, 2), (2, 5)], lambda start, stop: done.append((start, stop)))
    >>> sorted(done)
    [(0, 2), (2, 5)]
    """
    futures: list[Future] = []
    try:
        left = list(pieces[1:])
        while left and _submitted(futures, work, left[-1], len(pieces) - 1):
            left.pop()
        for piece in (pieces[0], *left):
            work(*piece)
    finally:
        wait(futures)  # they write into an array that belongs to the caller
    for future in futures:
        future.result()


def share_rounds(pieces: Sequence[tuple[int, int]], rounds: int, work: Callable[[int, int, int], None]) -> None:
    """Call work(round, start, stop) for every piece in every round: a piece's rounds in order, and one at a time.

    Who has time takes the next piece, one that is behind the others first. So no thread waits for another that has lost
    its core to some other job, or to BLAS, whose threads keep theirs busy for a while after a product.

    >>> done = []
    >>> share_rounds([(0, 2), (2, 5)], 2, lambda round_, start, stop: done.append((round_, start)))
    >>> sorted(done)
    [(0, 0), (0, 2), (1, 0), (1, 2)]
    """
    done, taken, lock = [0] * len(pieces), [False] * len(pieces), threading.Lock()

    def take() -> int | None:
        with lock:
            free = [i for i in range(len(pieces)) if done[i] < rounds and not taken[i]]
            if not free:
                return None
            i = min(free, key=done.__getitem__)
            taken[i] = True
            return i

    def worker(number: int, stop: int) -> None:
        while (i := take()) is not None:
            work(done[i], *pieces[i])
            with lock:
                done[i] += 1
                taken[i] = False

    share([(number, number + 1) for number in range(min(get_threads(), len(pieces)))], worker)


def _submitted(futures: list[Future], work: Callable[[int, int], None], piece: tuple[int, int], size: int) -> bool:
    """Give a piece to the pool and say whether it was taken."""
    try:
        futures.append(_workers.pool(size).submit(work, *piece))
    except RuntimeError as error:  # the same kind as where the system gives no more threads, which is no end
        if "shutdown" not in str(error):
            raise
        return False
    return True


def _check(who: str, n: int) -> None:
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"{who}: the number of threads must be a whole number, got {n!r}")
    if n < 1:
        raise ValueError(f"{who}: the number of threads must be 1 or more, got {n}")
