"""How far a long computation is, told on stderr: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

SECONDS = 10.0  # between two lines


def telling(items: Sequence[Any], what: str, unit: str) -> Iterator[tuple[int, Any]]:
    """Number the items and tell how far we are: a bar on a terminal with tqdm, else a line every ten seconds.

    >>> list(telling(["a", "b"], "doctest", "letter"))
    [(0, 'a'), (1, 'b')]
    """
    try:
        from tqdm import tqdm
    except ImportError:
        tqdm = None
    if tqdm is not None and sys.stderr.isatty():
        yield from enumerate(tqdm(items, desc=what, unit=unit))
        return
    told = time.perf_counter()
    for i, item in enumerate(items):
        yield i, item
        if time.perf_counter() - told >= SECONDS or i + 1 == len(items):
            told = time.perf_counter()
            print(f"{what}: {i + 1}/{len(items)} {unit}s", file=sys.stderr, flush=True)
