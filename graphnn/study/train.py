"""Training: an ensemble on each split, what it predicts, how sure it is, and how it compares."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np

from graphnn import models, uncertainty
from graphnn.batch import Batch
from graphnn.checks import INTERRUPTED
from graphnn.datasets.tables import Targets
from graphnn.layer import Layer
from graphnn.losses import StandardizedError, binary_cross_entropy, cross_entropy
from graphnn.optim import adam
from graphnn.schedules import Cosine
from graphnn.splits import Split
from graphnn.study.metrics import scores
from graphnn.training.callbacks.progress import Progress
from graphnn.training.callbacks.stopping import EarlyStopping
from graphnn.training.fit import fit, predict
from graphnn.training.history import History
from graphnn.types import Params

MODELS = ("gin", "gcn", "gat", "dmpnn", "fingerprint")
LINKS = {"regression": "identity", "classification": "softmax", "multilabel": "sigmoid"}
LEVEL = 0.9  # of the conformal intervals
AT_LEAST = 1500  # steps, where epochs are not said: enough for the losses of a hundred molecules to settle


@dataclass(frozen=True)
class Settings:
    """What a person may choose about the training. model: one of `MODELS`."""

    model: str = "gin"
    width: int = 64
    depth: int = 3
    epochs: int = 100
    batch_size: int = 64
    step_size: float = 3e-3
    dropout: float = 0.0
    seeds: int = 3
    seed: int = 0


@dataclass(frozen=True)
class Examples:
    """What is learned from: a batch, and the targets of its graphs or nodes, as `per` says."""

    batch: Batch
    targets: Targets
    per: str

    def inputs(self, rows: np.ndarray) -> Batch:
        """Return what a model needs to predict some rows; for nodes the whole graph."""
        return self.batch if self.per == "node" else self.batch[rows]


@dataclass
class Result:
    """What one split gave. predicted: of each part, mean of the members; spread: their deviation, or None for one."""

    name: str
    split: Split
    members: list[Params] = field(default_factory=list)
    histories: list[History] = field(default_factory=list)
    single: list[dict[str, float]] = field(default_factory=list)
    predicted: dict[str, np.ndarray] = field(default_factory=dict)
    spread: dict[str, np.ndarray | None] = field(default_factory=dict)
    together: dict[str, float] = field(default_factory=dict)
    interval: Interval | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Interval:
    """A conformal statement: half-widths by target for numbers, thresholds for classes or by label."""

    task: str
    values: tuple[float, ...]
    level: float = LEVEL

    @classmethod
    def of(cls, predicted: np.ndarray, actual: np.ndarray, mask: np.ndarray, task: str) -> Interval:
        """Return what rows not trained on say. predicted: numbers, or probabilities, as `scores` takes them."""
        if task == "regression":
            width = uncertainty.conformal_width(np.where(mask, actual - predicted, np.nan), LEVEL)
            return cls(task, tuple(map(float, width)))
        if task == "classification":
            return cls(task, (uncertainty.conformal_threshold(predicted[mask], actual[mask], LEVEL),))
        columns = [(_two(p[m]), y[m].astype(int)) for p, y, m in zip(predicted.T, actual.T, mask.T, strict=True)]
        return cls(task, tuple(uncertainty.conformal_threshold(p, y, LEVEL) for p, y in columns))

    def says_something(self, target: int) -> bool:
        """Say whether there were rows enough for the level: no infinite width, no set of all classes."""
        value = self.values[target if len(self.values) > 1 else 0]
        return math.isfinite(value) if self.task == "regression" else value > 0

    def coverage(self, predicted: np.ndarray, actual: np.ndarray, mask: np.ndarray) -> dict[int, uncertainty.Coverage]:
        """Return how many of other rows it covers, by target; targets nobody knows there are left out."""
        if self.task == "classification":
            return {0: uncertainty.set_coverage(actual[mask], self.sets(predicted)[0][mask])} if mask.any() else {}
        found = {}
        for i, known in enumerate(mask.T):
            if known.any() and self.task == "regression":
                low, high = uncertainty.conformal_interval(predicted[known, i], self.values[i])
                found[i] = uncertainty.coverage(actual[known, i], low, high)
            elif known.any():
                found[i] = uncertainty.set_coverage(actual[known, i].astype(int), self.sets(predicted)[i][known])
        return found

    def sets(self, predicted: np.ndarray) -> list[np.ndarray]:
        """Return the classes that are in the set of each row, (n, c) booleans for each target."""
        if self.task == "classification":
            return [uncertainty.conformal_set(predicted, self.values[0])]
        return [uncertainty.conformal_set(_two(p), t) for p, t in zip(predicted.T, self.values, strict=True)]


def _two(yes: np.ndarray) -> np.ndarray:
    """Return the probabilities of no and yes. (n,) -> (n, 2)"""
    return np.stack([1 - yes, yes], axis=1)


def make_model(settings: Settings, examples: Examples) -> Layer:
    """Return the model of one member for these examples."""
    targets, batch = examples.targets, examples.batch
    outputs = len(targets.classes) if targets.task == "classification" else len(targets.names)
    task = "regression" if targets.task == "regression" else "classification"
    scale = float(f"{min(1.0, batch.n_graphs / max(batch.n_nodes, 1)):.2g}")
    kind = settings.model
    if kind not in MODELS:
        raise ValueError(f"model must be one of {', '.join(MODELS)}, got {kind!r}")
    width, depth, rate = settings.width, settings.depth, settings.dropout
    if kind == "fingerprint":
        if examples.per == "node":
            raise ValueError("--model fingerprint reads whole graphs, and here rows are nodes; use gcn or gin")
        most = max(6, int(batch.receiver_segments.sizes.max(initial=0)))
        return models.fingerprint(outputs, width=width, depth=depth, max_degree=most, task=task, scale=scale, rate=rate)
    if kind == "dmpnn":
        if batch.edges is None:
            raise ValueError("--model dmpnn passes messages along edges with features, and there are none; use gin")
        return models.dmpnn(outputs, width=width, depth=depth, task=task, level=examples.per, scale=scale, rate=rate)
    make = {"gin": models.gin, "gcn": models.gcn, "gat": models.gat}[kind]
    return make(
        outputs, width=width, depth=depth, task=task, level=examples.per, edges=batch.edges is not None, scale=scale,
        rate=rate,
    )  # fmt: skip


def enough_epochs(n_train: int, batch_size: int, per: str) -> int:
    """Return at least 100 epochs and 1500 steps; for the nodes of one graph, where an epoch is a step, 300."""
    return 300 if per == "node" else max(100, math.ceil(AT_LEAST / math.ceil(n_train / batch_size)))


def train_split(
    name: str, split: Split, examples: Examples, model: Layer, settings: Settings, callbacks: Callable[[str], Sequence]
) -> Result:
    """Train the members on one split and return what they predict, with the epoch of each chosen on validation."""
    start, result, targets = time.perf_counter(), Result(name, split), examples.targets
    outputs: dict[str, list[np.ndarray]] = {"validation": [], "test": []}
    for i in range(settings.seeds):
        params, history = _train_member(split, examples, model, settings, settings.seed + i, callbacks(f"{i + 1}"))
        result.members.append(params)
        result.histories.append(history)
        for part, found in outputs.items():
            found.append(outcome(model, params, examples, getattr(split, part)))
        result.single.append(scores(outputs["test"][-1], targets, split.test))
    for part, found in outputs.items():
        each = np.stack(found)
        result.predicted[part] = each.mean(axis=0)
        result.spread[part] = each.std(axis=0, ddof=1) if len(each) > 1 else None
    result.together = scores(result.predicted["test"], targets, split.test)
    kept = split.validation
    result.interval = Interval.of(
        result.predicted["validation"], targets.values[kept], targets.mask[kept], targets.task
    )
    result.seconds = time.perf_counter() - start
    return result


def _train_member(
    split: Split, examples: Examples, model: Layer, settings: Settings, seed: int, callbacks: Sequence[Any]
) -> tuple[Params, History]:
    whole = examples.per == "node"
    n_steps = settings.epochs * (1 if whole else math.ceil(len(split.train) / settings.batch_size))
    inputs, values, mask = _data(examples, split.train)
    params, history = fit(
        model, model.init(seed, inputs), inputs, values, mask=mask, validation=_data(examples, split.validation),
        per=examples.per, loss=_loss(examples.targets, split.train),
        optimizer=adam(Cosine(settings.step_size, n_steps)), epochs=settings.epochs,
        batch_size=None if whole else settings.batch_size, seed=seed,
        callbacks=[EarlyStopping(patience=settings.epochs), *callbacks],
    )  # fmt: skip
    if history.stopped == INTERRUPTED:  # fit returns what it has, but a study with a member cut short is another study
        raise KeyboardInterrupt
    return params, history


def _loss(targets: Targets, train: np.ndarray) -> Callable:
    if targets.task != "regression":
        return cross_entropy if targets.task == "classification" else binary_cross_entropy
    spread = np.nanstd(np.where(targets.mask, targets.values, np.nan)[train], axis=0)
    return StandardizedError(tuple(float(value) or 1.0 for value in spread))


def _data(examples: Examples, rows: np.ndarray) -> tuple[Batch, np.ndarray, np.ndarray]:
    """Return (inputs, targets, mask) of some rows; of a single graph all rows, the others masked."""
    mask = examples.targets.mask
    values = np.where(mask, examples.targets.values, 0)
    if examples.per == "graph":
        return examples.batch[rows], values[rows], mask[rows]
    chosen = np.isin(np.arange(len(values)), rows)
    return examples.batch, values, (mask.T & chosen).T


def outcome(model: Layer, params: Params, examples: Examples, rows: np.ndarray) -> np.ndarray:
    """Return what a member says of some rows: numbers, or probabilities. (n_rows, k)"""
    out = predict_rows(model, params, examples.inputs(rows), LINKS[examples.targets.task])
    return out[rows] if examples.per == "node" else out


def predict_rows(model: Layer, params: Params, inputs: Batch, link: str) -> np.ndarray:
    """Return numbers or probabilities for all graphs or nodes of a batch, in float64."""
    out = np.asarray(predict(model, params, inputs, batch_size=512), float)
    return uncertainty.LINKS[link](out)


def progress(description: str) -> Progress:
    """Return a progress bar, or plain lines where tqdm is not installed."""
    return Progress(description, plain=find_spec("tqdm") is None, stream=sys.stderr)
