"""How large should the step size be? `lr_find` tries them in one short training, from far too small to too large."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnn.checks import TrainingDiverged
from graphnn.insight.lettering import TRAIN, VALIDATION, Table, entitle, haloed, prepare
from graphnn.layer import Layer
from graphnn.losses import mean_squared_error
from graphnn.optim import Optimizer, StepSize, adam, scaled, step_sizes, with_step_sizes
from graphnn.schedules import Exponential, Scaled
from graphnn.training.data import Data
from graphnn.training.fit import steps
from graphnn.training.run import Loss, Run
from graphnn.types import Array, Params

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMOOTHING = 0.9
"""How much of the running mean of the losses stays from step to step."""

BEYOND = 3.0
"""How far the loss may rise above its lowest, in sizes of the first loss, before the sweep ends."""

ROSE = 0.05
"""How far above the first loss, in sizes of it, the loss is said to have blown up: what it falls to later is luck."""

PROBE = 8
"""How many mini-batches of examples the loss is measured on."""

FAINT, GREY = "#a6cbe3", "#e4e6e8"  # of the colour of the training data; what lies beyond a blow-up


@dataclass(frozen=True, eq=False)
class StepSizeTest:
    """What `lr_find` found.

    step_sizes: (n,), those tried, rising;  losses: (n,), the loss after a step of each;  smoothed: (n,), their running
    mean;  steepest, lowest: the step sizes where that falls fastest and where it is lowest
    optimizer: the one given, with the suggestion as its step size;  rose: the step size at which the loss first rose
    above where it began, inf if it never did; nothing beyond it is looked at

    >>> test = StepSizeTest(np.array([0.1, 1.0]), np.array([2.0, 1.0]), np.array([2.0, 1.0]), 0.1, 1.0, adam(0.3))
    >>> test
    StepSizeTest(2 step sizes from 0.1 to 1, suggestion 0.32)
    """

    step_sizes: Array
    losses: Array
    smoothed: Array
    steepest: float
    lowest: float
    optimizer: Optimizer
    rose: float = math.inf

    @property
    def suggestion(self) -> float:
        """The step size to train with: the geometric mean of `steepest` and `lowest`, at most half of `lowest`."""
        return min(math.sqrt(self.steepest * self.lowest), self.lowest / 2)

    def __repr__(self) -> str:
        tried = f"{len(self.step_sizes)} step sizes from {self.step_sizes[0]:.3g} to {self.step_sizes[-1]:.3g}"
        return f"StepSizeTest({tried}, suggestion {self.suggestion:.2g})"

    def plot(self, ax: Axes | None = None, *, title: str | None = None) -> Axes:
        """Draw the losses over the step sizes, with the suggestion marked; a new pyplot figure if `ax` is None.

        Grey is what lies beyond the step size at which the loss rose above where it began.

        >>> from matplotlib.figure import Figure
        >>> test = StepSizeTest(np.array([0.1, 1.0]), np.array([2.0, 1.0]), np.array([2.0, 1.0]), 0.1, 1.0, adam(0.3))
        >>> test.plot(Figure().subplots()).get_xscale()
        'log'
        """
        if ax is None:
            from matplotlib import pyplot

            _, ax = pyplot.subplots(figsize=(4.8, 3.6), layout="constrained")
        _, paper = prepare(ax, "step size", "loss")
        ax.plot(self.step_sizes, self.losses, color=FAINT, linewidth=1.0)
        ax.plot(self.step_sizes, self.smoothed, color=TRAIN, linewidth=1.8)
        at = np.interp(np.log([self.steepest, self.lowest]), np.log(self.step_sizes), self.smoothed)
        ax.plot([self.steepest, self.lowest], at, "o", color=TRAIN, markerfacecolor=paper, markersize=6)
        ax.axvline(self.suggestion, color=VALIDATION, linewidth=1.4)
        ax.set_xscale("log")
        if math.isfinite(self.rose):
            ax.set_xlim(ax.get_xlim())
            ax.axvspan(self.rose, ax.get_xlim()[1], color=GREY, linewidth=0, zorder=0)
        # Beyond the lowest it may rise a thousandfold; what matters is before.
        low, high = float(self.smoothed.min()), float(max(self.smoothed[0], self.losses[0]))
        room = high - low or 1.0
        ax.set_ylim(min(low, float(self.losses.min())) - 0.06 * room, high + 0.25 * room)
        label = haloed(ax)
        label.xy = (self.suggestion, high + 0.25 * room)
        label.set(
            text=f"suggestion {self.suggestion:.2g}", position=(-5, -8), ha="right", visible=True, color=VALIDATION
        )
        rows = [("━━", FAINT, "loss"), ("━━", TRAIN, "running mean"), ("○", TRAIN, "steepest, lowest")]
        beyond = [("■", GREY, "after a blow-up")] if math.isfinite(self.rose) else []
        Table(ax, "lower left", [], [*rows, *beyond])
        entitle(ax, title)
        return ax


def lr_find(
    model: Layer,
    params: Params,
    inputs: Any,
    targets: Any,
    *,
    loss: Loss = mean_squared_error,
    optimizer: Optimizer | None = None,
    batch_size: int | None = None,
    dtype: Any = None,
    per: str = "graph",
    mask: Any = None,
    smallest: float = 1e-6,
    largest: float = 10.0,
    n_steps: int = 100,
    seed: int = 0,
) -> StepSizeTest:
    """Find a step size by training once, a step with each of `n_steps` step sizes from `smallest` to `largest`.

    Smith, WACV 2017 (arXiv:1506.01186), sec. 3.3, the range test. The step sizes rise by one factor from step to step.
    After each step the loss is measured, on the same examples and with the same dropout every time: those of 8
    mini-batches, drawn by `seed`, or all of them without `batch_size`. The sweep ends early where the loss is no longer
    finite or is far above its lowest. Differs from the paper: the step sizes rise exponentially, the loss is looked at
    instead of the accuracy, and the suggestion is one step size: the geometric mean of that where the running mean of
    the loss falls fastest (per factor of the step size) and that where it is lowest, but at most half of the latter.
    Both are looked for before the loss first rises a twentieth above where it began: what it falls to later is luck. It
    is a place to begin: a long training, or one with a falling schedule, may gain by a factor of 3 in either direction.

    model, params, inputs, targets, loss, batch_size, dtype, per, mask: as for `fit`; the parameters given stay
    optimizer: adam() when None; its step sizes are numbers, and several, of `per_module`, keep their ratio: the sweep
    and the suggestion are then of the largest

    Raises ValueError where the loss falls at no step size, for an optimiser with a schedule or that moves nothing, and
    for a range that does not rise; TypeError for several losses.

    >>> from graphnn import Dense, fit, sgd
    >>> x, y = np.array([[0.0], [1.0]]), np.array([[1.0], [3.0]])
    >>> found = lr_find(Dense(1), Dense(1).init(0, x), x, y, optimizer=sgd(1.0))
    >>> params, history = fit(Dense(1), Dense(1).init(0, x), x, y, optimizer=found.optimizer)
    >>> history.loss[-1] < 1e-3 * history.loss[0]
    True
    """
    if not callable(loss):
        raise TypeError(f"lr_find: loss is {loss!r:.80}, wanted one function; of several losses find one at a time")
    if not (0 < smallest < largest < math.inf and n_steps >= 10):
        raise ValueError(
            f"lr_find: n_steps from smallest to largest must rise, in 10 steps or more, got {n_steps} from {smallest} "
            f"to {largest}"
        )
    optimizer = adam() if optimizer is None else optimizer
    base = max(step_sizes(optimizer, 0).values(), default=0.0)
    if not base > 0:
        raise ValueError(f"lr_find: {optimizer!r} moves nothing; give an optimiser with a step size above 0")
    sweep = Exponential(smallest, largest, n_steps - 1)

    def swept(step_size: StepSize) -> StepSize:
        if callable(step_size):
            raise ValueError(
                f"lr_find: the optimiser has the schedule {step_size!r}; give it a number, and put the number that is "
                "found into the schedule"
            )
        return Scaled(sweep, step_size / base)

    training = steps(
        model, params, inputs, targets, loss=loss, optimizer=with_step_sizes(optimizer, swept), epochs=n_steps,
        batch_size=batch_size, dtype=dtype, per=per, mask=mask, seed=seed,
    )  # fmt: skip
    with np.errstate(all="ignore"):  # it is trained until it breaks
        first, *rest = _losses(training, n_steps) or [math.nan]
    losses = np.array(rest)
    tried = np.array([sweep(step) for step in range(len(losses))])
    smoothed = _running_mean(losses) if rest else losses
    up = np.flatnonzero(losses > first + ROSE * abs(first))
    sound = int(up[0]) if len(up) else len(losses)
    lowest = int(np.argmin(smoothed[:sound])) if sound else 0
    if lowest == 0 or not smoothed[lowest] < first:
        raise ValueError(
            f"lr_find: the loss falls at no step size from {smallest} on; make smallest smaller, or look at the "
            "inputs, the targets and the gradients"
        )
    steepest = int(np.argmin(np.gradient(smoothed[:sound], np.log(tried[:sound]))[: lowest + 1]))
    rose = float(tried[sound]) if len(up) else math.inf
    test = StepSizeTest(tried, losses, smoothed, float(tried[steepest]), float(tried[lowest]), optimizer, rose)
    return replace(test, optimizer=scaled(optimizer, test.suggestion / base))


def _losses(training: Generator[Run, None, Run], n_steps: int) -> list[float]:
    """Return the loss before and after each step, on examples that stay the same, until it is far too large."""
    losses: list[float] = []
    probe: Data | None = None
    try:
        for run in training:
            if probe is None:
                probe = _probe(run)
                losses.append(_loss(run, run.last_good, probe))
            loss = _loss(run, run.params, probe)
            if not math.isfinite(loss):
                break
            losses.append(loss)
            if len(losses) > n_steps or loss > min(losses) + BEYOND * abs(losses[0]):
                break
    except TrainingDiverged:
        pass
    return losses


def _loss(run: Run, params: Params, probe: Data) -> float:
    """Return a loss as in training, since norms need it, but with the same noise every time and nothing kept."""
    predictions, _ = run.model.apply(params, probe.inputs, train=True, rng=(run.seed, 0))
    return float(run.losses_of(predictions, probe)["loss"])


def _probe(run: Run) -> Data:
    """Return examples of the training data to measure the loss on."""
    n, rows = run.data.n_examples, None
    if run.batch_size is not None and PROBE * run.batch_size < n:
        rows = np.sort(np.random.default_rng((run.seed, n)).permutation(n)[: PROBE * run.batch_size])
    part = run.data.take(rows)
    return part if part.n_counted else run.data  # a mask may leave nothing of a few


def _running_mean(values: Array) -> Array:
    """Return the mean of the values so far, in which each weighs less by a factor the older it is."""
    weights = SMOOTHING ** np.arange(len(values))
    total = np.convolve(values, weights)[: len(values)]
    return total / np.cumsum(weights)
