"""Which edges of a graph fall: each by itself, or along random walks. Plain numbers, never traced."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnn.ops.arrays import is_jax
from graphnn.ops.primitives import Segments, draw_mask


def numpy_generator(rng: Any) -> np.random.Generator:
    """Return a NumPy generator for noise that decides shapes; made from a JAX key, which then must be a plain value."""
    if not is_jax(rng):
        return rng
    import jax

    if isinstance(rng, jax.core.Tracer):
        raise TypeError(
            "how many edges stay decides the shapes of arrays, which a compiled function must know: "
            "drop edges outside of jax.jit"
        )
    return np.random.default_rng(np.asarray(jax.random.bits(rng, (4,))).tolist())


def keep_edges(bonds: Segments, rate: float, rng: Any) -> np.ndarray:
    """Return for every edge whether it stays: False with probability `rate`, alike for the edges of one bond.

    bonds: which bond every edge belongs to  ->  (n_edges,) booleans

    >>> keep_edges(Segments(np.array([0, 1, 0]), 2), 0.5, np.random.default_rng(0))
    array([False,  True, False])
    """
    return draw_mask((bonds.count,), rate, numpy_generator(rng))[bonds.index]


def keep_paths(
    senders: np.ndarray, receivers: np.ndarray, bonds: Segments, rate: float, length: int, rng: Any
) -> np.ndarray:
    """Return for every edge whether it stays, where whole random walks fall until a share `rate` of the bonds has.

    A walk starts with each edge, in random order, and goes on along a random edge of where it is, to `length` edges or
    a node without any. The number of bonds that fall is random only in its rounding, its mean is rate * bonds.

    -> (n_edges,) booleans, alike for the edges of one bond

    >>> keep_paths(np.arange(4), np.arange(1, 5), Segments.apart(4), 0.5, 2, np.random.default_rng(0))
    array([ True, False, False,  True])
    """
    rng = numpy_generator(rng)
    by_sender = np.argsort(senders, kind="stable")
    degree = np.bincount(senders, minlength=int(receivers.max(initial=-1)) + 1)
    first = np.cumsum(degree) - degree
    edge = np.arange(len(senders))
    turn = rng.permutation(len(senders)) * length  # when the walk that starts here begins
    falls = np.full(bonds.count, len(senders) * length)  # when a bond is walked for the first time
    np.minimum.at(falls, bonds.index, turn)
    for step in range(1, length):
        goes_on = degree[receivers[edge]] > 0
        edge, turn = edge[goes_on], turn[goes_on]
        node = receivers[edge]
        edge = by_sender[first[node] + (rng.random(len(node)) * degree[node]).astype(np.intp)]
        np.minimum.at(falls, bonds.index[edge], turn + step)
    kept = np.ones(bonds.count, bool)
    kept[np.argsort(falls, kind="stable")[: int(rate * bonds.count + rng.random())]] = False
    return kept[bonds.index]
