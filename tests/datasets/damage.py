"""What happens to files on their way: cut off anywhere, a byte changed anywhere."""

from __future__ import annotations

import numpy as np


def damaged(data, seed=0, cuts=25, flips=75):
    """Give a file cut off at many places, and with bytes changed at many places."""
    rng = np.random.default_rng(seed)
    for end in sorted({0, 1, len(data) - 1, *rng.integers(0, len(data), cuts).tolist()}):
        yield f"cut off at {end}", data[:end]
    for place in rng.integers(0, len(data), flips).tolist():
        yield f"changed at {place}", data[:place] + bytes([data[place] ^ rng.integers(1, 256)]) + data[place + 1 :]


def outcomes(data, path, read, **settings):
    """Return how often a reader read damaged files and how often it refused; anything but a named refusal is raised."""
    read_well = refused = 0
    for what, content in damaged(data, **settings):
        path.write_bytes(content)
        try:
            read()
            read_well += 1
        except ValueError as error:
            assert path.name in str(error), f"{path.name} {what}: {error}"
            refused += 1
        except BaseException as error:
            raise AssertionError(f"{path.name} {what}: {type(error).__name__}: {error}") from error
    path.write_bytes(data)
    return read_well, refused
