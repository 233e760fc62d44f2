"""Are the steps of a training far slower than the fastest of them? Then the threads of BLAS wait for each other.

Each dense product in several threads ends when the last of them does, and one whose core some other job has taken is
waited for: milliseconds in place of microseconds, in every product. It is told once, since only the user can say how
many cores are there for this training: the number of threads may change the last bits of a result.
"""

from __future__ import annotations

import statistics
from collections import deque

SEEN = 30  # steps that are looked back upon
ENOUGH = 8  # steps from which something is said
LONG = 2.0  # seconds they must have taken; nobody minds less
SLOWER = 10  # times the fastest that half of the steps take; 10 to 500 were seen beside one busy job, else below 2


class Pace:
    """The times of the last steps of a training, of whole mini-batches only.

    >>> pace = Pace()
    >>> [pace.complaint(seconds, blas_threads=2) is None for seconds in [0.01] + [0.5] * 9].index(False)
    7
    """

    def __init__(self) -> None:
        self.fastest, self.spent, self.told = float("inf"), 0.0, False
        self.last: deque[float] = deque(maxlen=SEEN)

    def complaint(self, seconds: float, blas_threads: int | None = None) -> str | None:
        """Note the time of a step, and return what is to be said of the pace, once.

        blas_threads: how many there are; None asks for it, but only where half of the steps are slow
        """
        self.last.append(seconds)
        self.fastest, self.spent = min(self.fastest, seconds), self.spent + seconds
        if self.told or len(self.last) < ENOUGH or self.spent < LONG:
            return None
        typical = statistics.median(self.last)
        if typical < SLOWER * self.fastest:
            return None
        self.told = True
        count = threads_of_blas() if blas_threads is None else blas_threads
        if count < 2:
            return None
        return (
            f"half of the last {len(self.last)} steps took {1e3 * typical:.3g} ms or more, the fastest "
            f"{1e3 * self.fastest:.3g}: where other jobs keep the cores busy, the {count} threads of BLAS wait for "
            "each other in every product; train inside of `with gn.threads(1):`, or set OMP_NUM_THREADS=1 in the "
            "environment"
        )


def threads_of_blas() -> int:
    """Return how many threads BLAS may use, at most, in this process; 1 where nothing is known of it.

    >>> threads_of_blas() >= 1
    True
    """
    from threadpoolctl import threadpool_info

    return max([int(pool["num_threads"]) for pool in threadpool_info() if pool["user_api"] == "blas"], default=1)
