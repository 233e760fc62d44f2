"""Trainings that run but do not learn: noticed while they run, and told with a cause and a remedy.

`fit` looks at the gradients that it has anyway, and when it ends at the predictions seen last. Only where these arouse
suspicion is the model run again, to tell one cause from another (see `causes`).
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from graphnn.checks import TrainingDiverged
from graphnn.layer import Layer
from graphnn.losses import mean_squared_error
from graphnn.training.data import Data, make_data
from graphnn.training.several import per_loss
from graphnn.training.trust.case import (
    BOUND,
    EARLY,
    FALLING,
    GROWN,
    IDLE,
    JUMPED,
    LEAP,
    ODD,
    RESUMED,
    STILL,
    VANISHED,
    VANISHING,
    ZERO,
    Case,
    by_layer,
    no_better,
    range_left,
)
from graphnn.training.trust.causes import Finding, deepest, is_odd, is_off_scale
from graphnn.types import Params

FEWEST, ENOUGH = 3, 50  # steps: to say anything, and to expect predictions that tell the examples apart
STOCK = (10, 100, 1_000, 10_000, 100_000, 1_000_000)  # the steps after which stock is taken
MOST_EXAMPLES = 256  # to try things out on, where training goes by smaller mini-batches


class TrainingWarning(UserWarning):
    """A training does not learn; the text names the cause and the remedy.

    Python's filters decide what becomes of it: ``warnings.simplefilter("error", gn.TrainingWarning)`` ends the
    training there, ``"ignore"`` is silent.

    >>> issubclass(TrainingWarning, UserWarning)
    True
    """


def diagnose(
    model: Layer,
    params: Params,
    inputs: Any,
    targets: Any,
    *,
    loss: Callable = mean_squared_error,
    optimizer: Any = None,
    start: Params | None = None,
    per: str = "graph",
    mask: Any = None,
    seed: int = 0,
) -> list[Finding]:
    """Return what keeps a model from learning, [] if nothing is seen: what `fit` does by itself, for loops of your own.

    Called before training it looks at the data, the parameters and their gradients. With `start`, the parameters that
    training began with, it looks back on a training that has led to `params`. With an optimizer it also tries out
    what its step does. The other arguments are those of `fit`.

    A finding has a `cause`, the `evidence`, a `remedy` and maybe a `layer`; as text it is all of these.

    >>> from graphnn import Dense, relu
    >>> x = np.linspace(-1, 1, 12)[:, None]
    >>> model, dead = Dense(1, relu), {"weight": np.ones((1, 1)), "bias": np.array([-2.0])}
    >>> [finding.cause for finding in diagnose(model, dead, x, x)]
    ['dead output activation']
    """
    data = make_data(inputs, targets, per, mask, "inputs")

    def loss_of(predictions: Any, part: Data) -> Any:
        return loss(predictions, part.targets) if part.mask is None else loss(predictions, part.targets, mask=part.mask)

    def update(params: Params, grads: Params) -> Params:
        return optimizer.update(params, grads, optimizer.init(params))[0]

    case = Case(model, params if start is None else start, params, data, loss_of, (seed, 0))
    case.update = None if optimizer is None else update
    if start is not None:
        case.trained, case.symptoms = True, {IDLE}
        before, after = case.first.value, case.last.value
        case.growth = before, after
        case.symptoms |= {STILL} if abs(after - before) < 0.01 * abs(before) else set()
        case.symptoms |= {GROWN} if after > LEAP * before > 0 else set()
    return deepest(case)[1]


class Diagnosis:
    """The onlooker of `fit`: `look` at every step, `close` at the end. It changes no bit of the training."""

    def __init__(self, run: Any):
        self.start, self.part = run.last_good, run.data
        self.is_resumed = run.step > 0
        self.is_odd: bool | None = None
        self.peaks: dict[str, float] = {}
        self.n_seen = self.n_alive = 0
        self.known: int | None = None
        self.has_looked = False

    def look(self, run: Any, sums: dict[str, float], part: Data) -> None:
        """Note the squares of a step's gradients relative to the largest; at steps 10, 100, 1000 ... take stock."""
        self.part = part
        self.n_seen, self.has_looked = self.n_seen + 1, True
        top = max(sums.values(), default=0.0)
        if top > 0:
            self.n_alive += 1
            for name, value in sums.items():
                if value > self.peaks.get(name, 0.0) * top:
                    self.peaks[name] = value / top
        if run.step + 1 in STOCK:
            self._take_stock(run, at_the_end=False)

    def close(self, run: Any) -> None:
        """Look back on a training that came to its end."""
        if self.has_looked and run.step >= FEWEST:
            self._take_stock(run, at_the_end=True)

    def explain(self, run: Any, error: TrainingDiverged) -> TrainingDiverged:
        """Return the error with the cause in its text, where one is seen in the parameters of the last good step."""
        if self.has_looked:
            case = self._case(run, {GROWN})
            case.params, self.known = error.params, None
            for finding in self._asked(case):
                error.args = (f"{error.args[0]} Its cause may be: {finding}.",)
        return error

    def _take_stock(self, run: Any, at_the_end: bool) -> None:
        case = self._case(run, self._symptoms(run, at_the_end))
        if at_the_end and run.step >= ENOUGH and run.history.loss:
            case.growth = run.history.loss[0], run.history.loss[-1]
        self.peaks, self.n_seen, self.n_alive = {}, 0, 0
        for finding in self._asked(case) if case.symptoms else ():
            if not any(told.startswith(f"{finding.cause}:") for told in run.history.findings):
                run.history.findings.append(str(finding))
                warn(str(finding))

    def _asked(self, case: Case) -> list[Finding]:
        """Return what is found; a model or loss that cannot be asked once more must not lose its training for that."""
        found: list[Finding] = []
        try:
            self.known, found = deepest(case, self.known)
        except MemoryError:
            raise
        except Exception:
            return []
        return found

    def _symptoms(self, run: Any, at_the_end: bool) -> set[str]:
        if self.is_odd is None:
            self.is_odd = is_odd(self.start, run.data)
        symptoms, losses = {ODD} if self.is_odd else set(), run.history.steps
        if self.n_seen >= FEWEST:
            if not self.n_alive and run.value != 0:
                symptoms.add(ZERO)
            elif any(peak < VANISHED**2 for peak in by_layer(self.peaks).values()):
                symptoms.add(VANISHING)
        learned = at_the_end and run.history.loss and run.history.loss[-1] < losses[0] / 2
        if losses[0] > 0 and not learned and (_has_leapt(losses) if at_the_end else _stays_up(losses)):
            symptoms |= {GROWN, JUMPED} if self.part is run.data else {GROWN}
        if at_the_end:
            symptoms |= self._at_the_end(run)
        return symptoms

    def _at_the_end(self, run: Any) -> set[str]:
        """Return what the last predictions, and the losses of all the epochs, say."""
        symptoms, losses = {EARLY} if run.step < ENOUGH else set(), run.history.steps
        seen = Data(None, run.targets, self.part.per, self.part.mask)
        if self.part.n_counted < 8 or no_better(run.total_loss_of, run.predictions, seen):
            symptoms.add(IDLE)
        means = run.history.loss if len(run.history.loss) > 1 else losses
        if abs(means[-1] - means[0]) < 0.01 * abs(means[0]):
            symptoms.add(STILL)
        half = len(means) // 2
        if np.median(means[half:]) < 0.9 * np.median(means[:half]):
            symptoms.add(FALLING)
        if range_left(run.predictions, run.targets):
            symptoms.add(BOUND)
        told = {STILL, BOUND} if EARLY in symptoms and not is_off_scale(self.start, run.data) else {IDLE, STILL, BOUND}
        return symptoms if symptoms & told else set()

    def _case(self, run: Any, symptoms: set[str]) -> Case:
        symptoms = symptoms | {RESUMED} if symptoms and self.is_resumed else symptoms
        n, size, some = run.data.n_examples, self.part.n_examples, None
        if size < n and n > MOST_EXAMPLES:
            some = np.random.default_rng(0).permutation(n)[: max(size, MOST_EXAMPLES)]
        optimizer = run.optimizer

        def update(params: Params, grads: Params) -> Params:
            return optimizer.update(params, grads, optimizer.init(params))[0]

        return Case(
            run.model, self.start, run.params, run.data.take(some), run.total_loss_of, (run.seed, run.step),
            None if isinstance(optimizer, per_loss) else update, True, symptoms,
        )  # fmt: skip


def _has_leapt(losses: list[float]) -> bool:
    """Say whether a training, now at its end, has met a loss of several times the first one."""
    return len(losses) >= ENOUGH and max(losses) > LEAP * losses[0]


def _stays_up(losses: list[float]) -> bool:
    """Say whether the loss has leapt and does not come down, which is clear only after a while."""
    if len(losses) < 2 * ENOUGH - 1 or np.median(losses[len(losses) // 2 :]) <= 3 * LEAP * losses[0]:
        return False
    third, last = np.array_split(losses[len(losses) // 2 :], 2)
    return bool(np.median(last) > 0.5 * np.median(third))


def warn(text: str) -> None:
    """Warn at the line of the user's that trains; of every training anew, whatever was said of one before."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "graphnn":
        frame = frame.f_back
    module = frame.f_globals.get("__name__", "")
    warnings.warn_explicit(text, TrainingWarning, frame.f_code.co_filename, frame.f_lineno, module)
