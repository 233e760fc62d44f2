"""What a picture shows of a model: predicted and actual values, or scores and classes, checked and counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnn.types import Array


@dataclass(frozen=True, eq=False)
class Pairs:
    """Predicted and actual values of one set of points, checked and flattened: ``n_targets`` values a label.

    predicted, actual: (n,), (n, 1) or (n, n_targets), equal shapes, else ValueError. labels: n names or None.

    >>> pairs = Pairs.of([1.0, 2.0, 3.5], [1.0, 2.0, 3.0])
    >>> round(pairs.rmse, 3), round(pairs.r2, 3)
    (0.289, 0.875)
    """

    predicted: Array
    actual: Array
    n_targets: int = 1
    labels: Sequence[Any] | None = None

    @classmethod
    def of(
        cls, predicted: Array, actual: Array, labels: Sequence[Any] | None = None, who: str = "predicted_vs_actual"
    ) -> Pairs:
        """Check the two arrays and the names; ``who`` speaks in the errors."""
        predicted, actual = real_numbers(predicted, "predicted", who), real_numbers(actual, "actual", who)
        check_shapes(predicted, actual, who)
        if labels is not None and len(labels) != len(actual):
            raise ValueError(
                f"{who}: {len(labels)} labels came for {len(actual)} points; give one name per point, "
                f"and with validation points labels={{'train': [...], 'validation': [...]}}."
            )
        n_targets = 1 if actual.ndim == 1 else actual.shape[1]
        return cls(predicted.ravel().astype(float), actual.ravel().astype(float), n_targets, labels)

    @property
    def places(self) -> Array:
        """The points as (x, y) = (actual, predicted), shape (n, 2)."""
        return np.column_stack([self.actual, self.predicted])

    @property
    def rmse(self) -> float:
        """Root mean squared error, NaN without points: unlike the metric, a picture never raises."""
        with np.errstate(all="ignore"):
            return float(np.sqrt(np.mean((self.predicted - self.actual) ** 2))) if self.actual.size else np.nan

    @property
    def r2(self) -> float:
        """Coefficient of determination, 1 - sum (p - a)^2 / sum (a - mean a)^2; NaN where a does not vary."""
        with np.errstate(all="ignore"):
            spread = np.sum((self.actual - self.actual.mean()) ** 2) if self.actual.size else 0.0
            return float(1 - np.sum((self.predicted - self.actual) ** 2) / spread) if spread > 0 else np.nan

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

    One column of logits against targets 0 and 1 of the same shape is two classes; a logit above 0 says 1.

    >>> Classes.of([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], [0, 1, 1]).counts.tolist()
    [[1, 0], [1, 1]]
    """

    counts: Array

    @classmethod
    def of(cls, predicted: Array, actual: Array, who: str = "confusion_matrix") -> Classes:
        """Count; ValueError where a class lies outside 0..c-1 or the lengths differ."""
        predicted, actual = real_numbers(predicted, "predicted", who), real_numbers(actual, "actual", who)
        if _is_binary(predicted, actual):
            predicted, actual = predicted.reshape(-1, 1) * [-1, 1], actual.ravel().astype(int)
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
    """Say whether these are scores (n, c), c >= 2, against n integer classes, or one logit against 0 or 1, both there.

    >>> is_classification(np.zeros((3, 2)), np.array([0, 1, 1])), is_classification(np.zeros(3), np.zeros(3))
    (True, False)
    >>> is_classification(np.zeros((2, 1)), np.array([[0.0], [1.0]]))
    True
    """
    return _are_scores(predicted, actual) or (_is_binary(predicted, actual) and len(np.unique(actual)) == 2)


def _is_binary(predicted: Array, actual: Array) -> bool:
    """Say whether this is one column against the targets 0 and 1."""
    shape = np.shape(predicted)
    if np.shape(actual) != shape or shape[1:] not in ((), (1,)) or shape[:1] in ((), (0,)):
        return False
    return bool(np.isin(actual, (0, 1)).all())


def _are_scores(predicted: Array, actual: Array) -> bool:
    shape = np.shape(predicted)
    if len(shape) != 2 or shape[1] < 2 or np.shape(actual) != shape[:1]:
        return False
    return np.asarray(actual).dtype.kind in "iub"


def check_shapes(predicted: Array, actual: Array, who: str) -> None:
    """Raise ValueError unless predicted and actual have one shape, (n,) or (n, targets).

    >>> check_shapes(np.zeros(3), np.zeros(3), "me")
    """
    if np.shape(predicted) != np.shape(actual) or np.ndim(actual) not in {1, 2}:
        raise ValueError(
            f"{who}: predicted {np.shape(predicted)} and actual {np.shape(actual)} came; give both as (n,) "
            f"or both as (n, targets), or scores (n, classes) against n integer classes."
        )


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
