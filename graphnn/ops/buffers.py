"""Memory that is used again: the cure for page faults, for small arrays and for large ones.

A training step makes and drops the same arrays again and again. The system hands out memory page by page, on first
touch, and large pieces go back to it at once, so without a cure every step pays for every page anew. Two things are
done here; neither changes a number, and GRAPHNN_REUSE_MEMORY=0 in the environment switches off both.

* Small arrays. glibc returns pieces above 128 KB to the system, and learns a higher bound from what it sees freed, up
  to 32 MB. At import graphnn frees one block just below that, once. The rule is the process's own from then on: other
  libraries in it keep freed memory of their own the same way. Small training steps become up to twice as fast.
* Large arrays, above that bound, that come out of products and activations. Where nobody holds one any more its memory
  is kept for the next of about that size: `gn.release_memory` gives it back, and `fit` does so at its end.
"""

from __future__ import annotations

import math
import os
import sys
import threading

import numpy as np

VARIABLE = "GRAPHNN_REUSE_MEMORY"
LARGE = 32 * 2**20  # bytes; larger pieces glibc always gives back


def _references(blocks: list[np.ndarray], i: int) -> int:
    return sys.getrefcount(blocks[i])


class _Kept:
    """The memory that large results lie in; a block that nothing but this list refers to is free to be used again."""

    def __init__(self) -> None:
        locked = not hasattr(sys, "_is_gil_enabled") or sys._is_gil_enabled()
        counts = locked and hasattr(sys, "getrefcount")  # without the lock, or in PyPy, no count is exact
        given = os.environ.get(VARIABLE, "").strip() or "1"
        if given not in ("0", "1"):
            raise ValueError(f"the environment variable {VARIABLE} is {given!r}; give 0 to switch it off, or 1")
        self.on = given == "1"
        self.counted = self.on and counts
        self.blocks: list[np.ndarray] = []
        self.alone = _references([np.empty(1)], 0) if counts else 0
        self.lock = threading.Lock()

    def block(self, n_bytes: int) -> np.ndarray:
        """Return a free block of about so many bytes, or a new one."""
        if not self.lock.acquire(blocking=False):  # to wait would be for ever in a finalizer that interrupts ourselves
            return np.empty(n_bytes, np.uint8)
        try:
            for i, size in enumerate([block.nbytes for block in self.blocks]):
                if n_bytes <= size <= 1.25 * n_bytes and _references(self.blocks, i) == self.alone:
                    return self.blocks[i]
            self._drop_free()  # what fits nothing that is asked for now is of another time
            self.blocks.append(np.empty(n_bytes, np.uint8))
            return self.blocks[-1]
        finally:
            self.lock.release()

    def release(self) -> None:
        with self.lock:
            self._drop_free()

    def _drop_free(self) -> None:
        held = [_references(self.blocks, i) > self.alone for i in range(len(self.blocks))]
        self.blocks = [block for block, is_held in zip(self.blocks, held, strict=True) if is_held]


_kept = _Kept()

if hasattr(os, "register_at_fork"):  # not on Windows; another thread may have held the lock when we were copied
    os.register_at_fork(after_in_child=_kept.__init__)  # type: ignore[misc]

if _kept.on:
    np.empty(LARGE - 2**13, np.uint8)


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return ``np.empty(shape, dtype)``; a large one may lie where one lay that nobody holds any more."""
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes < LARGE or not _kept.counted:
        return np.empty(shape, dtype)
    return np.ndarray(shape, dtype, _kept.block(n_bytes))


def dense_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a @ b; of two matrices a large one in memory that is used again."""
    if a.ndim != 2 or b.ndim != 2 or len(a) * b.shape[1] * a.itemsize < LARGE or a.dtype != b.dtype:
        return a @ b
    return np.matmul(a, b, out=empty((len(a), b.shape[1]), a.dtype))


def release_memory() -> None:
    """Give back the memory of large results that nobody holds any more.

    It is kept for the next results of about that size (32 MB and more each), up to as much as was in use at once;
    `fit` calls this at its end. GRAPHNN_REUSE_MEMORY=0 in the environment keeps nothing.

    >>> release_memory()
    """
    _kept.release()
