"""Windows that slide over a grid, and their adjoint: each window adds its numbers back to where they came from."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

from graphnn.ops.arrays import multilinear
from graphnn.types import Array


class Frame(NamedTuple):
    """How windows lie on a grid: one number for each of its axes."""

    space: tuple[int, ...]
    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]

    @property
    def places(self) -> tuple[int, ...]:
        """How many windows there are along each axis."""
        return tuple((n + 2 * p - k) // s + 1 for n, k, s, p in zip(*self, strict=True))

    @property
    def margins(self) -> list[tuple[int, int]]:
        """The padding before and behind every axis of an array (n, *space, c)."""
        return [(0, 0), *((p, p) for p in self.padding), (0, 0)]

    @property
    def cuts(self) -> Iterator[tuple[slice, ...]]:
        """For every cell of a window where, in the padded grid, it lies in all the windows."""
        for cell in product(*(range(k) for k in self.size)):
            along = (slice(i, i + s * n, s) for i, s, n in zip(cell, self.stride, self.places, strict=True))
            yield (slice(None), *along)


def _windows_pullback(argnum: int, g: Array, x: Array, frame: Frame) -> Array:
    return overlapped(g, frame)


def _overlapped_pullback(argnum: int, g: Array, y: Array, frame: Frame) -> Array:
    return windows(g, frame)


@multilinear(_windows_pullback)
def windows(x: np.ndarray, frame: Frame) -> np.ndarray:
    """Return what every window sees, row by row; 0 outside of the grid. (n, *space, c) -> (n, *places, cells, c)"""
    padded = np.pad(x, frame.margins)
    return np.stack([padded[cut] for cut in frame.cuts], axis=-2)


@multilinear(_overlapped_pullback)
def overlapped(y: np.ndarray, frame: Frame) -> np.ndarray:
    """Return the sum of what all windows say about each place. (n, *places, cells, c) -> (n, *space, c)"""
    margins = frame.margins
    shape = [n + 2 * p for n, p in zip(frame.space, frame.padding, strict=True)]
    padded = np.zeros((y.shape[0], *shape, y.shape[-1]), y.dtype)
    for cell, cut in enumerate(frame.cuts):
        padded[cut] += y[..., cell, :]
    return padded[tuple(slice(p, n - p) for n, (p, _) in zip(padded.shape, margins, strict=True))]
