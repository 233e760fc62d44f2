"""What a live picture shows: the predictions and losses of one moment, evaluated only when they are drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from graphnn.insight.points import Classes, Pairs, check_shapes, is_classification, split_labels
from graphnn.training.run import counted
from graphnn.types import Array, Params
from graphnn.uncertainty import Ensemble, spread

Predicted = Any  # an array, a pair (mean, standard deviation) of arrays, or a function that returns one of them
Labels = Sequence[Any] | Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Noted:
    """One step of a loop written by hand, as a panel takes note of it; in ``gn.fit`` the run itself is shown."""

    step: int
    value: float
    params: Params | None
    grads: Params | None


@dataclass(frozen=True)
class View:
    """What one drawing shows, with the predictions evaluated: what a panel of your own is given.

    x: what is counted, "epoch" or "step";  step: where the training is;  losses: {"loss": ..., "validation": ...}
    and, in a loop by hand, "steps" and "validation_steps" of each;  train, validation: `Pairs` with .predicted, .actual
    and .residuals, or `Classes` with .counts and .accuracy, None without;  params, grads: None if nobody told

    >>> View("epoch", 3, {"loss": [1.0]}, Pairs.of([1.0], [2.0])).train.residuals.tolist()
    [-1.0]
    """

    x: str
    step: int
    losses: Mapping[str, Sequence[float]]  # the arguments of LossPanel.update
    train: Pairs | Classes
    validation: Pairs | Classes | None = None
    params: Params | None = None
    grads: Params | None = None


@dataclass(frozen=True)
class State:
    """A view that waits: the predictions are asked for only when it is drawn."""

    x: str
    step: int
    losses: Mapping[str, Sequence[float]]
    train: Callable[[], tuple[Predicted, Array]]
    validation: Callable[[], tuple[Predicted, Array] | None] | None
    labels: Labels | None = None
    params: Params | None = None
    grads: Params | None = None
    in_fit: bool = False

    def view(self, classes: bool | None = None) -> View:
        """Evaluate the predictions of both sets and check them; classes: what they are, None to look."""
        labels = split_labels(self.labels, "LivePlot")
        train = self.train()
        held_out = None if self.validation is None else self.validation()
        classes = is_classification(apart(train[0])[0], train[1]) if classes is None else classes
        return View(
            self.x,
            self.step,
            self.losses,
            points(*train, labels.get("train"), classes),
            None if held_out is None else points(*held_out, labels.get("validation"), classes),
            self.params,
            self.grads,
        )


def state_of(run: Any, labels: Labels | None, of: Any = None) -> State:
    """Return what there is to show of a run of ``gn.fit``; of: which of several outputs."""
    held_out = None
    if run.validation is not None:
        held_out = partial(_of_run, run, run.validation, run.validation_predictions, of)
    return State(
        x="epoch",
        step=run.epoch,
        losses={"loss": run.history.loss, "validation": run.history.validation_loss},
        train=partial(_of_run, run, run.data, run.train_predictions, of),
        validation=held_out,
        labels=labels,
        params=run.params,
        grads=run.grads,
        in_fit=True,
    )


def evaluate(predicted: Predicted, actual: Array) -> tuple[Predicted, Array]:
    """Return predicted and actual values, calling what is a function.

    >>> evaluate(dict, 2.0)
    ({}, 2.0)
    """
    return predicted() if callable(predicted) else predicted, actual


def check_points(predicted: Predicted, actual: Array) -> None:
    """Raise ValueError where predictions that need no evaluation do not fit.

    >>> check_points((np.zeros(3), np.ones(3)), np.zeros(3))
    """
    mean, _ = apart(predicted)
    if not (callable(mean) or is_classification(mean, actual)):
        check_shapes(mean, actual, "LivePlot")


def points(predicted: Predicted, actual: Array, labels: Sequence[Any] | None, classes: bool) -> Pairs | Classes:
    """Return what the panels show of a set of points.

    >>> points((np.zeros(2), np.ones(2)), np.zeros(2), None, classes=False).spread.tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    mean, deviation = apart(predicted)
    if classes:
        return Classes.of(mean, actual, "LivePlot")
    return Pairs.of(mean, actual, labels, "LivePlot", deviation)


def apart(predicted: Predicted) -> tuple[Any, Array | None]:
    """Return the predictions and their standard deviations, if they came along."""
    if isinstance(predicted, tuple) and len(predicted) == 2 and all(isinstance(p, np.ndarray) for p in predicted):
        return predicted
    return predicted, None


def _of_run(run: Any, data: Any, predict: Callable[[], Any], of: Any) -> tuple[Predicted, Array]:
    """Return predictions and targets of one set, missing targets as NaN; members of an ensemble give a spread."""
    if isinstance(run.model, Ensemble) and run.model.count > 1 and run.model.link == "identity":
        mean, deviation = spread(run.model, run.params, data.inputs)
        (mean, targets), (deviation, _) = counted(mean, data), counted(deviation, data)
        return (mean, deviation), _known(targets, data.mask)
    predictions, targets = predict()
    if of is not None:
        output, target = of if isinstance(of, tuple) else (of, of)
        predictions = predictions[output]
        targets = targets[target] if isinstance(targets, (dict, tuple)) else targets
    elif isinstance(predictions, (dict, tuple)):
        names = list(predictions) if isinstance(predictions, dict) else list(range(len(predictions)))
        raise ValueError(f"LivePlot: the model has the outputs {names}; say which one to draw, such as of={names[0]!r}")
    return predictions, _known(targets, data.mask)


def _known(targets: Array, mask: Array | None) -> Array:
    """The targets, with NaN where a mask of entries leaves them out."""
    if mask is None or np.ndim(mask) < 2 or np.shape(mask) != np.shape(targets):
        return targets
    return np.where(mask, targets, np.nan)
