"""How good is a prediction: scores by task, and how they are written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphnn import metrics
from graphnn.datasets.tables import Targets

FIRST = {"regression": "rmse", "classification": "accuracy", "multilabel": "roc_auc"}
NAMES = {"rmse": "RMSE", "mae": "MAE", "r2": "R²", "accuracy": "accuracy", "roc_auc": "ROC AUC"}


def scores(predicted: np.ndarray, targets: Targets, rows: np.ndarray) -> dict[str, float]:
    """Return every score of the task on some rows; what these rows do not define is left out.

    predicted: (n_rows, k) numbers, or probabilities of the classes or labels, of the rows alone
    """
    actual, mask = targets.values[rows], targets.mask[rows]
    if targets.task == "regression":
        found = {"rmse": metrics.rmse(predicted, actual, mask=mask), "mae": metrics.mae(predicted, actual, mask=mask)}
        return found | ({"r2": metrics.r2(predicted, actual, mask=mask)} if _varies(actual, mask) else {})
    if targets.task == "classification":
        found = {"accuracy": metrics.accuracy(predicted, actual, mask=mask)}
        both = len(targets.classes) == 2 and len(set(actual[mask].tolist())) == 2
        return found | ({"roc_auc": metrics.roc_auc(predicted[mask, 1], actual[mask])} if both else {})
    found = {"accuracy": float(np.mean((predicted > 0.5) == (actual > 0.5), where=mask))}
    columns = [
        metrics.roc_auc(p[m], y[m]) for p, y, m in zip(predicted.T, actual.T, mask.T, strict=True) if _both(y[m])
    ]
    return found | ({"roc_auc": float(np.mean(columns))} if columns else {})


def _varies(actual: np.ndarray, mask: np.ndarray) -> bool:
    return all(len(set(y[m].tolist())) > 1 for y, m in zip(actual.T, mask.T, strict=True))


def _both(labels: np.ndarray) -> bool:
    return len(set(labels.tolist())) == 2


def mean_and_spread(values: Sequence[float]) -> str:
    """Return "0.573 ± 0.070", the standard deviation of the sample behind the mean, or the one value alone."""
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
