"""What a picture shows of a model: predicted and actual values, or scores and classes, checked and counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnn.types import Array

Baseline = float | tuple[str, float]
SETS = ("train", "validation")  # what the two sets of points are called


@dataclass(frozen=True, eq=False)
class Pairs:
    """Predicted and actual values of one set of points, checked and flattened: ``n_targets`` values a label.

    predicted, actual: (n,), (n, 1) or (n, n_targets), equal shapes, else ValueError. Predictions (n, 2 n_targets) are
    means, then log-variances, as `gaussian_nll` wants them. NaN among the actual values is a missing one and does not
    count. labels: n names or None. spread: how far an uncertainty bar reaches below and above, (2, n n_targets).

    >>> pairs = Pairs.of([1.0, 2.0, 3.5], [1.0, 2.0, 3.0])
    >>> round(pairs.rmse, 3), round(pairs.r2, 3)
    (0.289, 0.875)
    >>> Pairs.of([[1.0, 0.0], [2.0, np.log(4.0)]], [[1.5], [np.nan]]).spread.tolist()
    [[1.0, 2.0], [1.0, 2.0]]
    """

    predicted: Array
    actual: Array
    n_targets: int = 1
    labels: Sequence[Any] | None = None
    spread: Array | None = None

    @classmethod
    def of(
        cls,
        predicted: Array,
        actual: Array,
        labels: Sequence[Any] | None = None,
        who: str = "predicted_vs_actual",
        spread: Array | None = None,
    ) -> Pairs:
        """Check the arrays and the names; ``who`` speaks in the errors.

        spread: half-lengths, shaped like predicted, or lengths below and above, (2, n).
        """
        predicted, actual = real_numbers(predicted, "predicted", who), real_numbers(actual, "actual", who)
        check_shapes(predicted, actual, who)
        if predicted.shape != actual.shape:
            k = actual.shape[1]
            with np.errstate(over="ignore"):
                predicted, spread = predicted[:, :k], np.exp(0.5 * predicted[:, k:].astype(float))
        if labels is not None and len(labels) != len(actual):
            raise ValueError(
                f"{who}: {len(labels)} labels came for {len(actual)} points; give one name per point, "
                f"and with validation points labels={{'train': [...], 'validation': [...]}}."
            )
        n_targets = 1 if actual.ndim == 1 else actual.shape[1]
        bars = None if spread is None else _lengths(real_numbers(spread, "spread", who), predicted, who)
        return cls(predicted.ravel().astype(float), actual.ravel().astype(float), n_targets, labels, bars)

    @property
    def places(self) -> Array:
        """The points as (x, y) = (actual, predicted), shape (n, 2)."""
        return np.column_stack([self.actual, self.predicted])

    @property
    def bars(self) -> Array:
        """The ends of the uncertainty bars as predicted values, (2, n); none for points without, (2, 0)."""
        if self.spread is None:
            return np.zeros((2, 0))
        with np.errstate(all="ignore"):
            return self.predicted + self.spread * [[-1.0], [1.0]]

    @property
    def residuals(self) -> Array:
        """Predicted minus actual, of the points whose actual value is known."""
        known = ~np.isnan(self.actual)
        with np.errstate(all="ignore"):
            return self.predicted[known] - self.actual[known]

    @property
    def rmse(self) -> float:
        """Root mean squared error, NaN without points: unlike the metric, a picture never raises."""
        residuals = self.residuals
        with np.errstate(all="ignore"):
            return float(np.sqrt(np.mean(residuals**2))) if residuals.size else np.nan

    @property
    def r2(self) -> float:
        """Coefficient of determination, 1 - sum (p - a)^2 / sum (a - mean a)^2; NaN where a does not vary."""
        actual = self.actual[~np.isnan(self.actual)]
        with np.errstate(all="ignore"):
            spread = np.sum((actual - actual.mean()) ** 2) if actual.size else 0.0
            return float(1 - np.sum(self.residuals**2) / spread) if spread > 0 else np.nan

    @property
    def covered(self) -> float:
        """Share of the known points whose bar reaches the line y = x; NaN without bars."""
        known = ~np.isnan(self.actual)
        if self.spread is None or not known.any():
            return np.nan
        low, high = self.bars[:, known]
        return float(np.mean((low <= self.actual[known]) & (self.actual[known] <= high)))

    def name(self, index: int) -> str:
        """Name of the point at a flat index: its label, or its number."""
        row, target = divmod(index, self.n_targets)
        name = f"#{row}" if self.labels is None else str(self.labels[row])
        return name if self.n_targets == 1 else f"{name} [{target}]"

    def worst(self, count: int) -> Array:
        """Flat indices of the largest finite residuals, largest first."""
        with np.errstate(all="ignore"):
            residual = np.abs(self.predicted - self.actual)
        finite = np.flatnonzero(np.isfinite(residual))
        return finite[np.argsort(-residual[finite], kind="stable")[:count]]


@dataclass(frozen=True, eq=False)
class Classes:
    """Predicted scores (n, c) against integer classes (n,), as the (c, c) counts, actual by row.

    Logits against targets 0 and 1 of the same shape, one column or several labels of which any number may hold, are
    two classes, counted over all entries; a logit above 0 says 1. NaN among such targets is a missing one.

    >>> Classes.of([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], [0, 1, 1]).counts.tolist()
    [[1, 0], [1, 1]]
    """

    counts: Array

    @classmethod
    def of(cls, predicted: Array, actual: Array, who: str = "confusion_matrix") -> Classes:
        """Count; ValueError where a class lies outside 0..c-1 or the lengths differ."""
        predicted, actual = real_numbers(predicted, "predicted", who), real_numbers(actual, "actual", who)
        if _is_binary(predicted, actual):
            known = ~np.isnan(actual.astype(float))
            predicted, actual = predicted[known].reshape(-1, 1) * [-1, 1], actual[known].astype(int)
        if not _are_scores(predicted, actual):
            raise ValueError(
                f"{who}: predicted {predicted.shape} and actual {actual.shape} of {actual.dtype} came; "
                f"give scores (n, classes) and n integer classes."
            )
        n_classes = predicted.shape[1]
        if actual.size and not 0 <= actual.min() <= actual.max() < n_classes:
            raise ValueError(
                f"{who}: actual classes run from {actual.min()} to {actual.max()}, predicted has {n_classes} "
                f"columns; number the classes 0..{n_classes - 1}."
            )
        pairs = actual.astype(int) * n_classes + predicted.argmax(axis=1)
        return cls(np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes))

    @property
    def accuracy(self) -> float:
        """Share of points on the diagonal; NaN without points."""
        return float(np.trace(self.counts) / self.counts.sum()) if self.counts.sum() else np.nan


def is_classification(predicted: Array, actual: Array) -> bool:
    """Say whether these are scores (n, c), c >= 2, against n integer classes, or logits against 0 and 1, both there.

    >>> is_classification(np.zeros((3, 2)), np.array([0, 1, 1])), is_classification(np.zeros(3), np.zeros(3))
    (True, False)
    >>> is_classification(np.zeros((2, 2)), np.array([[0.0, 1.0], [1.0, np.nan]]))
    True
    """
    if _are_scores(predicted, actual):
        return True
    return _is_binary(predicted, actual) and bool(np.isin((0, 1), actual).all())


def _is_binary(predicted: Array, actual: Array) -> bool:
    """Say whether the known targets, shaped like the predictions, are all 0 and 1, and there are any."""
    values = np.asarray(actual)
    if np.shape(predicted) != values.shape or values.ndim not in {1, 2} or values.dtype.kind not in "fiub":
        return False
    known = values[~np.isnan(values.astype(float))]
    return known.size > 0 and bool(np.isin(known, (0, 1)).all())


def _are_scores(predicted: Array, actual: Array) -> bool:
    shape = np.shape(predicted)
    if len(shape) != 2 or shape[1] < 2 or np.shape(actual) != shape[:1]:
        return False
    return np.asarray(actual).dtype.kind in "iub"


def check_shapes(predicted: Array, actual: Array, who: str) -> None:
    """Raise ValueError unless predicted and actual have one shape, (n,) or (n, targets), or are means and variances.

    >>> check_shapes(np.zeros(3), np.zeros(3), "me")
    >>> check_shapes(np.zeros((3, 2)), np.zeros((3, 1)), "me")  # a mean and a log-variance for each
    """
    p, a = np.shape(predicted), np.shape(actual)
    if len(a) not in {1, 2} or p not in (a, (a[0], 2 * a[-1]) if len(a) == 2 else a):
        raise ValueError(
            f"{who}: predicted {p} and actual {a} came; give both as (n,) or both as (n, targets), means and "
            f"log-variances (n, 2 targets) against (n, targets), or scores (n, classes) against n integer classes."
        )


def _lengths(spread: Array, predicted: Array, who: str) -> Array:
    """Return lengths of bars below and above, (2, n targets)."""
    n = predicted.size
    if (spread.shape not in {predicted.shape, (n,), (2, n)}) or (spread < 0).any():
        raise ValueError(
            f"{who}: spread {spread.shape} came for predictions {predicted.shape}; give half-lengths shaped like "
            f"them, or (2, {n}) lengths below and above, none negative."
        )
    both = spread if spread.shape == (2, n) else spread.ravel()
    return np.array(np.broadcast_to(both, (2, n)), float)


def real_numbers(values: Array, name: str, who: str) -> Array:
    """Return the values as an array, TypeError unless they are real numbers.

    >>> real_numbers([1, 2], "spread", "me")
    array([1, 2])
    """
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{who}: {name} has dtype {array.dtype}; give an array of real numbers.")
    return array


def split_labels(labels: Sequence[Any] | Mapping[str, Sequence[Any]] | None, who: str) -> dict[str, Sequence[Any]]:
    """Bring labels to the form {"train": ..., "validation": ...}; a plain sequence names the training points.

    >>> split_labels(["methane", "ethane"], "me")
    {'train': ['methane', 'ethane']}
    """
    if labels is None:
        return {}
    if not isinstance(labels, Mapping):
        return {"train": labels}
    unknown = set(labels) - {"train", "validation"}
    if unknown:
        raise KeyError(f"{who}: labels has no place for {sorted(unknown)}; its keys are 'train' and 'validation'.")
    return dict(labels)


def named(baseline: Baseline | None) -> list[tuple[str, float]]:
    """Return the baseline with its name, or nothing.

    >>> named(1.5), named(("mean", 2.0)), named(None)
    ([('baseline', 1.5)], [('mean', 2.0)], [])
    """
    if baseline is None:
        return []
    return [baseline if isinstance(baseline, tuple) else ("baseline", baseline)]
