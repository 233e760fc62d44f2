"""Step sizes that change with the step: give one to an optimiser in place of a number, `adam(Cosine(0.01, 1000))`.

A schedule is any function of the step number, 0 at the first; those here are values that print, compare and save. They
go one around the other: `Warmup(Cosine(0.01, 900), 100)` rises for 100 steps and falls for 900. They count steps, not
epochs: `steps_in(epochs, n_examples, batch_size)` says how many that makes, `Cosine(0.01, steps_in(100, 512, 32))`.
What reacts to the loss is no schedule but a callback, `gn.ReduceOnPlateau`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise


def steps_in(epochs: int, n_examples: int, batch_size: int | None = None) -> int:
    """Return how many steps `fit` takes in so many epochs: epochs ceil(n_examples / batch_size).

    n_examples: rows of the targets; batch_size: as given to `fit`, None for all in one step. Mini-batches in which a
    mask counts nothing are no steps and make it fewer. Raises ValueError for a number below 1.

    >>> steps_in(10, 100, batch_size=32), steps_in(10, 100)
    (40, 10)
    """
    for name, number in (("epochs", epochs), ("n_examples", n_examples), ("batch_size", batch_size)):
        if number is not None and number < 1:
            raise ValueError(f"steps_in: {name} must be 1 or more, got {number}")
    return epochs * math.ceil(n_examples / (batch_size or n_examples))


@dataclass(frozen=True)
class Cosine:
    """A step size that falls from `start` to `end` along half a cosine wave, and stays there.

    end + (start - end) (1 + cos(pi step / steps)) / 2: Loshchilov & Hutter, ICLR 2017 (arXiv:1608.03983), eq. 5, one
    cycle. Raises ValueError where `steps` is not at least 1.

    >>> schedule = Cosine(0.01, steps=100)
    >>> [round(schedule(step), 4) for step in (0, 50, 100, 200)]
    [0.01, 0.005, 0.0, 0.0]
    """

    start: float
    steps: int
    end: float = 0.0

    def __post_init__(self) -> None:
        _check(self, ("start", "end"), self.steps)

    def __call__(self, step: int) -> float:
        return _wave(self.start, self.end, min(step / self.steps, 1))


@dataclass(frozen=True)
class Step:
    """A step size that drops by a factor at certain steps: start factor^(drops so far).

    at: a number, for a drop every so many steps, or the steps themselves, (600, 800), as in He et al., CVPR 2016
    (arXiv:1512.03385), sec. 3.4. Raises ValueError for steps that do not rise or are not at least 1.

    >>> [Step(1.0, 100)(step) for step in (0, 99, 100, 200)]
    [1.0, 1.0, 0.1, 0.010000000000000002]
    >>> [Step(1.0, at=(600, 800), factor=0.5)(step) for step in (599, 600, 800, 9999)]
    [1.0, 0.5, 0.25, 0.25]
    """

    start: float
    at: int | tuple[int, ...]
    factor: float = 0.1

    def __post_init__(self) -> None:
        if isinstance(self.at, Iterable):
            object.__setattr__(self, "at", tuple(self.at))  # what a schedule is must not change under us
        at = self.at if isinstance(self.at, tuple) else (self.at,)
        if not at or at[0] < 1 or any(b <= a for a, b in pairwise(at)):
            raise ValueError(f"Step: at must be a number from 1 on, or several that rise, got {self.at}")
        _check(self, ("start", "factor"))

    def __call__(self, step: int) -> float:
        drops = sum(step >= place for place in self.at) if isinstance(self.at, tuple) else step // self.at
        return self.start * self.factor**drops


@dataclass(frozen=True)
class Exponential:
    """A step size that goes from `start` to `end` by the same factor every step, and stays there.

    start (end / start)^(step / steps); it may also rise. Raises ValueError unless `steps` is at least 1 and both step
    sizes are above 0.

    >>> [round(Exponential(1.0, 0.01, steps=2)(step), 6) for step in (0, 1, 2, 3)]
    [1.0, 0.1, 0.01, 0.01]
    """

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        _check(self, ("start", "end"), self.steps)
        if not self.start * self.end > 0:
            raise ValueError(f"Exponential: start {self.start} and end {self.end} must be above 0")

    def __call__(self, step: int) -> float:
        return self.start * (self.end / self.start) ** min(step / self.steps, 1)


@dataclass(frozen=True)
class Warmup:
    """A linear rise to the step size of `after`, which then begins: a number or another schedule.

    The first `steps` steps have after(0) (step + 1) / (steps + 1), step t from there on has after(t - steps). Goyal et
    al., 2017 (arXiv:1706.02677), sec. 2.2, gradual warm-up. Differs from the paper: it rises from almost nothing, not
    from the step size of one worker. Raises ValueError where `steps` is not at least 1.

    >>> schedule = Warmup(0.4, steps=3)
    >>> [round(schedule(step), 6) for step in range(5)]
    [0.1, 0.2, 0.3, 0.4, 0.4]
    """

    after: float | Callable[[int], float]
    steps: int

    def __post_init__(self) -> None:
        _check(self, () if callable(self.after) else ("after",), self.steps)

    def __call__(self, step: int) -> float:
        late = max(step - self.steps, 0)
        reached = self.after(late) if callable(self.after) else self.after
        return reached * min((step + 1) / (self.steps + 1), 1)


@dataclass(frozen=True)
class OneCycle:
    """One rise and one fall, each half a cosine wave: from peak / 25 to `peak`, and down to almost nothing.

    rise: the share of the steps that go up. The last of them has the peak, the last of all has peak / 25 / 10^4.

    Smith & Topin, 2017 (arXiv:1708.07120). Differs from the paper: the waves are cosines, not straight lines; the fall
    to almost nothing is one with the fall from the peak; and momentum stays, which in the paper falls while the step
    size rises. Raises ValueError unless 1 < rise steps < steps.

    >>> schedule = OneCycle(1.0, steps=10)
    >>> [round(schedule(step), 4) for step in (0, 1, 2, 9, 99)]
    [0.04, 0.52, 1.0, 0.0, 0.0]
    """

    peak: float
    steps: int
    rise: float = 0.3

    def __post_init__(self) -> None:
        _check(self, ("peak",), self.steps)
        if not 1 < self.rise * self.steps < self.steps:
            raise ValueError(
                f"OneCycle: rise={self.rise} of {self.steps} steps is {self.rise * self.steps:g}; it must be more "
                "than 1 and fewer than all"
            )

    def __call__(self, step: int) -> float:
        top, last = self.rise * self.steps - 1, self.steps - 1
        low = self.peak / 25
        if step <= top:
            return _wave(low, self.peak, step / top)
        return _wave(self.peak, low / 1e4, min((step - top) / (last - top), 1))


@dataclass(frozen=True)
class Scaled:
    """Another schedule times a factor: what `gn.scaled` makes of an optimiser that has a schedule.

    >>> Scaled(Cosine(1.0, 10), 0.5)(0)
    0.5
    """

    schedule: Callable[[int], float]
    factor: float

    def __post_init__(self) -> None:
        _check(self, ("factor",))

    def __call__(self, step: int) -> float:
        return self.schedule(step) * self.factor


def _wave(start: float, end: float, way: float) -> float:
    """Return the height of half a cosine wave, `way` of the way from start to end."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * way))


def _check(schedule: object, names: tuple[str, ...], steps: int = 1) -> None:
    """Refuse fewer steps than 1, and numbers that no step size can be made of."""
    who = type(schedule).__name__
    if steps < 1:
        raise ValueError(f"{who}: steps must be 1 or more, got {steps}")
    for name in names:
        number = getattr(schedule, name)
        if not 0 <= number < math.inf:
            raise ValueError(f"{who}: {name} is {number}, it must be finite and not negative")
