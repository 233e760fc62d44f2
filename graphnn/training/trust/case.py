"""A training under suspicion: what can be asked about it, each answer computed once, when it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from graphnn import ops
from graphnn.autodiff import Tape
from graphnn.batch import Batch
from graphnn.layer import Call, Layer, Scope, parts_of
from graphnn.ops import SparseMatrix
from graphnn.optim import global_norm
from graphnn.training.data import Data, n_examples_of, take_examples
from graphnn.types import Params, is_statistic

VANISHED = 1e-8  # of the largest gradient norm of a layer
ALIKE = 0.02  # how much worse predictions must get, dealt out to other examples, to have learned something
OVERSHOT = 0.5  # of the loss before, which a step that is too long adds to it
LEAP = 3  # times the first loss is growth that needs an explanation
SHORTER = (0.1, 0.01, 1e-3, 1e-4, 1e-5)  # lengths at which it is tried again
ZERO, VANISHING = "no gradient", "vanishing gradient"
GROWN, JUMPED = "a loss has been many times the first one", "the loss of all examples has"
IDLE, FALLING, STILL = "predictions tell examples apart no better than by chance", "falling loss", "still loss"
ODD, BOUND = "odd from the start", "predictions at the end of their range, targets beyond it"
EARLY, RESUMED = "only few steps were taken", "where training began is not known"
RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, np.inf))  # of sigmoid, tanh and softplus


@dataclass
class Pass:
    """One pass forward and back: the loss, predictions, gradients, their norm by layer, what every layer put out."""

    value: float
    predictions: Any
    grads: Params
    norms: dict[str, float]
    outputs: dict[str, np.ndarray]
    read: set[str]
    is_stuck: bool  # no parameter has a gradient, though the predictions should change


@dataclass
class Case:
    """A training under suspicion. Every answer is computed once, when it is asked.

    start, params: what training began with, and what it has now;  part: the examples to try things out on
    update: (params, grads) -> the parameters after a first step of the optimiser;  trained: whether steps were taken
    symptoms: why there is suspicion;  growth: the loss of the first epoch and of the last, of a training that has ended
    """

    model: Layer
    start: Params
    params: Params
    part: Data
    loss_of: Callable[[Any, Data], Any]
    rng: Any
    update: Callable[[Params, Params], Params] | None = None
    trained: bool = False
    symptoms: set[str] = field(default_factory=set)
    growth: tuple[float, float] = (0.0, 0.0)

    @cached_property
    def first(self) -> Pass:
        return self.run(self.start)

    @cached_property
    def last(self) -> Pass:
        return self.first if self.params is self.start else self.run(self.params)

    def run(self, params: Params) -> Pass:
        outputs: dict[str, np.ndarray] = {}
        read: set[str] = set()

        def watch(path: str, out: Any) -> None:
            for array in parts_of(out):
                if not isinstance(array, SparseMatrix):
                    outputs[path] = np.asarray(ops.value_of(array))

        def objective(moving: Params) -> tuple[Any, Any]:
            call = Call({**params, **moving}, True, self.rng)
            call.watch = watch
            predictions = self.model(Scope(call), self.part.inputs)
            read.update(call.read)
            return self.loss_of(predictions, self.part), predictions

        with np.errstate(all="ignore"):
            tape = Tape(objective, {n: v for n, v in params.items() if np.asarray(v).dtype.kind == "f"})
            grads = tape.gradient(_loss_alone)
        value, predictions = tape.output
        norms = by_layer({name: global_norm({"": g}) for name, g in grads.items()})
        stuck = not any(norms.values()) and self._has_slope(predictions)
        return Pass(float(value), predictions, grads, norms, outputs, read, stuck)

    def _has_slope(self, predictions: Any) -> bool:
        """Say whether the loss would fall with other predictions; two losses that pull apart, say, can cancel."""

        def objective(values: Any) -> Any:
            return self.loss_of(values, self.part)

        if not isinstance(predictions, np.ndarray):
            return True
        with np.errstate(all="ignore"):
            return bool(np.any(Tape(objective, predictions).gradient()))

    def stepped(self, params: Params, grads: Params, scale: float) -> Params:
        """Return the parameters after a first step of the optimiser whose length is multiplied by `scale`."""
        assert self.update is not None
        moving = {name: params[name] for name in grads}
        new = self.update(moving, grads)
        return {**params, **{name: moving[name] + scale * (new[name] - moving[name]) for name in moving}}

    def along(self, params: Params, grads: Params, scale: float) -> float:
        """Return the loss there."""
        with np.errstate(all="ignore"):
            there = self.stepped(params, grads, scale)
            predictions, _ = self.model.apply(there, self.part.inputs, train=True, rng=self.rng)
            return float(self.loss_of(predictions, self.part))

    @cached_property
    def overshoot(self) -> float | None:
        """Which fraction of one of the optimiser's first steps lowers a loss that the whole step raises; else None."""
        params, seen, more = self.start, self.first, 0.01 if self.last.is_stuck or self.vanished else OVERSHOT
        for _ in range(3 if self.update is not None else 0):
            if not self.along(params, seen.grads, 1.0) <= seen.value + more * abs(seen.value):
                return next((s for s in SHORTER if self.along(params, seen.grads, s) < seen.value), None)
            params = self.stepped(params, seen.grads, 1.0)
            seen = self.run(params)
        return None

    @cached_property
    def vanished(self) -> list[str]:
        """The layers from the input on whose gradient is next to nothing, beside the largest.

        Elsewhere that may be by design, up to rounding: a key of an attention to one neighbour, a bias before a
        normalisation. Then what comes before has a gradient.
        """
        norms = {layer: norm for layer, norm in self.last.norms.items() if norm > 0}
        top, found = max(norms.values(), default=0.0), []
        for layer, norm in norms.items():
            if norm >= VANISHED * top:
                break
            found.append(layer)
        return found

    @cached_property
    def is_idle(self) -> bool:
        return IDLE in self.symptoms and no_better(self.loss_of, self.last.predictions, self.part)

    @cached_property
    def began_idle(self) -> bool:
        return no_better(self.loss_of, self.first.predictions, self.part)

    @cached_property
    def distance(self) -> float:
        """How far the parameters are from where they began, beside their size."""
        names = self.last.grads
        moved = global_norm({name: np.asarray(self.params[name]) - self.start[name] for name in names})
        return moved / (global_norm({name: self.start[name] for name in names}) or 1.0)

    @cached_property
    def is_ill(self) -> bool:
        """Whether the training goes wrong, seen on these examples too."""
        return GROWN in self.symptoms or self.is_lost or (self.is_idle and EARLY not in self.symptoms)

    @cached_property
    def is_lost(self) -> bool:
        """Whether more of the same steps would not help."""
        may_come = FALLING in self.symptoms or EARLY in self.symptoms
        return self.last.is_stuck or bool(self.vanished) or (self.is_idle and not may_come)

    @property
    def matrices(self) -> dict[str, np.ndarray]:
        """The weight matrices of the model that training began with."""
        grads, read = self.last.grads, self.last.read
        names = [n for n, g in grads.items() if n in read and g.ndim == 2 and min(g.shape) and not is_statistic(n)]
        return {name: np.asarray(self.start[name]) for name in names}

    @cached_property
    def is_frozen(self) -> bool:
        """Whether the optimiser moves nothing, which must be meant."""
        if not self.trained or self.update is None or self.last.is_stuck:
            return False
        moved = self.stepped(self.params, self.last.grads, 1.0)
        return all(np.array_equal(moved[name], self.params[name]) for name in self.last.grads)

    @cached_property
    def reads_more(self) -> bool:
        """Whether the model reads edges, positions or globals beside the features of nodes."""
        inputs = self.part.inputs
        bare = {n: _bare(p) for n, p in inputs.items()} if isinstance(inputs, Mapping) else _bare(inputs)
        with np.errstate(all="ignore"):
            one, other = (self.model.apply(self.params, i, train=True, rng=self.rng)[0] for i in (inputs, bare))
        return not all(np.array_equal(a, b) for a, b in zip(arrays(one), arrays(other), strict=True))

    @property
    def features(self) -> Iterator[np.ndarray]:
        inputs = self.part.inputs
        for part in inputs.values() if isinstance(inputs, Mapping) else (inputs,):
            array = part.nodes if isinstance(part, Batch) else part
            yield array.values if isinstance(array, SparseMatrix) else array

    @property
    def known_targets(self) -> np.ndarray | None:
        """The targets that count, where they are one array of numbers."""
        known = self.part.known_targets()
        return known if isinstance(known, np.ndarray) and known.dtype.kind in "biuf" else None


def by_layer(values: Mapping[str, float]) -> dict[str, float]:
    """Return the largest number of each layer's parameters, without running statistics.

    >>> by_layer({"0.dense.weight": 1.0, "0.dense.bias": 2.0, "1.batchnorm.running_mean": 9.0})
    {'0.dense': 2.0}
    """
    layers: dict[str, float] = {}
    for name, value in values.items():
        if not is_statistic(name):
            layer = name.rpartition(".")[0]
            layers[layer] = max(value, layers.get(layer, 0.0))
    return layers


def no_better(loss_of: Callable[[Any, Data], Any], predictions: Any, part: Data) -> bool:
    """Say whether predictions fit no better than the same ones dealt out to other examples, or their mean for all.

    Whatever the loss, that holds of a model that has learned nothing but the middle of its targets, or less.
    """
    counts = part.mask if part.mask is None or part.mask.ndim == 1 else part.mask.any(axis=1)
    rows = np.arange(n_examples_of(part.targets)) if counts is None else np.flatnonzero(counts)
    known = [values[rows] for values in arrays(part.targets)]
    outputs = list(arrays(predictions))
    if len(rows) < 2 or all((values == values[:1]).all() for values in known):
        return False
    if not outputs or any(np.shape(out)[:1] != np.shape(next(arrays(part.targets)))[:1] for out in outputs):
        return False
    order, dealt = np.random.default_rng(0).permutation(rows), []
    try:
        for shift in range(1, min(4, len(rows))):
            partner = np.arange(len(outputs[0]))
            partner[order] = np.roll(order, shift)
            dealt.append(float(loss_of(take_examples(predictions, partner), part)))
        alike = float(loss_of(_mean_of(predictions, rows), part))
        found = float(loss_of(predictions, part))
    except MemoryError:
        raise
    except Exception:  # a loss for which rows are not examples
        return False
    return any(worse - found <= ALIKE * abs(worse) for worse in (float(np.mean(dealt)), alike))


def _mean_of(predictions: Any, rows: np.ndarray) -> Any:
    """Return predictions that are the same for all examples: the mean over some rows."""
    if isinstance(predictions, dict):
        return {name: _mean_of(part, rows) for name, part in predictions.items()}
    if isinstance(predictions, tuple):
        return tuple(_mean_of(part, rows) for part in predictions)
    return np.broadcast_to(predictions[rows].mean(axis=0), predictions.shape)


def arrays(values: Any) -> Iterator[np.ndarray]:
    for array in values.values() if isinstance(values, dict) else values if isinstance(values, tuple) else (values,):
        if isinstance(array, np.ndarray):
            yield array


def _bare(inputs: Any) -> Any:
    """Return graphs whose edges, positions and globals are all 0, where they have any."""
    if not isinstance(inputs, Batch):
        return inputs
    given = {name: getattr(inputs, name) for name in ("edges", "positions", "globals")}
    return inputs.replace(**{name: np.zeros_like(part) for name, part in given.items() if part is not None})


def _loss_alone(pair: tuple) -> Any:
    return pair[0]


def rms(array: np.ndarray) -> float:
    return global_norm({"": np.asarray(array, float)}) / float(np.sqrt(array.size)) if array.size else 0.0


def is_about_examples(loss_of: Callable[[Any, Data], Any], predictions: Any, part: Data) -> bool:
    """Say whether a loss depends on whose a prediction is by more than the targets: on the inputs, say."""
    counts = part.mask if part.mask is None or part.mask.ndim == 1 else part.mask.any(axis=1)
    rows = np.arange(n_examples_of(part.targets)) if counts is None else np.flatnonzero(counts)
    if isinstance(predictions, np.ndarray):
        drawn = np.random.default_rng(0).uniform(0.25, 0.75, predictions.shape)
        predictions = np.asarray(drawn, predictions.dtype)
    order = np.arange(n_examples_of(part.targets))
    order[rows] = np.roll(rows, 1)
    with np.errstate(all="ignore"):
        one, other = (float(loss_of(take_examples(predictions, i), part)) for i in (np.arange(len(order)), order))
    return not abs(one - other) <= 1e-5 * abs(one)


def range_left(predictions: Any, targets: Any) -> tuple[float, float] | None:
    """Return the range that predictions keep to, crowded at its end, while most targets lie beyond that end."""
    if not isinstance(predictions, np.ndarray) or np.shape(predictions) != np.shape(targets) or not predictions.size:
        return None
    if np.asarray(targets).dtype.kind not in "biuf":
        return None
    for low, high in RANGES:
        if not (low <= predictions.min() and predictions.max() <= high and predictions.any()):
            continue
        below = (targets < low - 0.1).mean() > 0.7 and np.mean(predictions < low + 0.1) > 0.5
        above = (targets > high + 0.1).mean() > 0.7 and np.mean(predictions > high - 0.1) > 0.5
        if below or above:
            return low, high
    return None
