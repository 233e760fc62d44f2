"""Windows on grids: against a loop over places, their adjoint, and both derivatives."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from derivatives import Case, DerivativeLaws, name_of, normal

from graphnn import ops
from graphnn.ops.grids import overlapped


def seen(x, frame):
    """Return what each window sees, by looking at every place and cell by itself."""
    out = np.zeros((x.shape[0], *frame.places, int(np.prod(frame.size)), x.shape[-1]), x.dtype)
    for place in product(*map(range, frame.places)):
        for cell, offset in enumerate(product(*map(range, frame.size))):
            along = zip(place, frame.stride, offset, frame.padding, strict=True)
            spot = tuple(i * s + k - p for i, s, k, p in along)
            if all(0 <= at < n for at, n in zip(spot, frame.space, strict=True)):
                out[(slice(None), *place, cell)] = x[(slice(None), *spot)]
    return out


FRAMES = {
    "plain": ops.Frame((4, 3), (2, 2), (1, 1), (0, 0)),
    "padded": ops.Frame((3, 4), (3, 3), (1, 1), (1, 1)),
    "strides": ops.Frame((5, 4), (3, 2), (2, 3), (2, 0)),
    "gaps": ops.Frame((5, 5), (1, 1), (2, 2), (0, 0)),
    "one cell": ops.Frame((1, 1), (1, 1), (1, 1), (0, 0)),
    "sequence": ops.Frame((6,), (3,), (2,), (1,)),
    "volume": ops.Frame((2, 3, 2), (2, 2, 1), (1, 1, 1), (0, 1, 0)),
}
CASES = [
    Case(f"{name}-{n}", lambda x, f=frame: ops.windows(x, f), lambda x, f=frame: seen(x, f), normal(name, shape))
    for name, frame in FRAMES.items()
    for n in (2, 0)
    for shape in [(n, *frame.space, 2)]
]


@pytest.mark.parametrize("case", CASES, ids=name_of)
class TestWindows(DerivativeLaws):
    pass


@pytest.mark.parametrize("name", FRAMES)
def test_adding_up_is_the_transpose_of_looking(name):
    frame = FRAMES[name]
    shape = (1, *frame.space, 1)
    size = int(np.prod(shape))
    looking = np.stack([seen(e.reshape(shape), frame).ravel() for e in np.eye(size)], axis=1)
    (y,) = normal("overlap", (1, *frame.places, int(np.prod(frame.size)), 1))
    np.testing.assert_allclose(overlapped(y, frame).ravel(), looking.T @ y.ravel(), rtol=1e-13, atol=1e-14)
