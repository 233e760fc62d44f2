"""Step sizes that change with the step: give one to an optimiser in place of a number, `adam(Cosine(0.01, 1000))`.

A schedule is any function of the step number; those here are values that print, compare and save.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Cosine:
    """A step size that falls from `start` to 0 along half a cosine wave, and stays there.

    start (1 + cos(pi step / steps)) / 2: Loshchilov & Hutter, ICLR 2017 (arXiv:1608.03983), eq. 5, one cycle.
    Raises ValueError where `steps` is not at least 1.

    >>> schedule = Cosine(0.01, steps=100)
    >>> [round(schedule(step), 4) for step in (0, 50, 100, 200)]
    [0.01, 0.005, 0.0, 0.0]
    """

    start: float
    steps: int

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"Cosine: steps must be 1 or more, got {self.steps}")

    def __call__(self, step: int) -> float:
        return self.start * 0.5 * (1 + math.cos(math.pi * min(step / self.steps, 1)))
