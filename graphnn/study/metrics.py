"""How good is a prediction: scores by task, and how they are written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphnn import metrics
from graphnn.datasets.tables import Targets

WORDS = {"rmse": "RMSE", "mae": "MAE", "r2": "R²", "accuracy": "accuracy", "roc_auc": "ROC AUC"}
ERRORS = ("rmse", "mae")  # the smaller the better


def first_score(targets: Targets) -> str:
    """Return the score that methods are ranked by: of several targets one without units."""
    if targets.task == "classification":
        return "accuracy"
    return "roc_auc" if targets.task == "multilabel" else "r2" if len(targets.names) > 1 else "rmse"


def words(score: str) -> str:
    """Return the name of a score as a heading: "rmse logP" is "RMSE logP"."""
    kind, _, target = score.partition(" ")
    return f"{WORDS[kind]} {target}".strip()


def scores(predicted: np.ndarray, targets: Targets, rows: np.ndarray) -> dict[str, float]:
    """Return every score of the task on some rows; what these rows do not define is left out.

    Of several targets R2 or ROC AUC is their mean, and all else belongs to one: "rmse logP".

    predicted: (n_rows, k) numbers, or probabilities of the classes or labels, of the rows alone
    """
    actual, mask = targets.values[rows], targets.mask[rows]
    if targets.task == "classification":
        return _of_classes(predicted[mask], actual[mask], len(targets.classes))
    one = _of_numbers if targets.task == "regression" else _of_labels
    each = [one(p[m], y[m]) for p, y, m in zip(predicted.T, actual.T, mask.T, strict=True)]
    if len(each) == 1:
        return each[0]
    shared = "r2" if targets.task == "regression" else "roc_auc"
    means = [own[shared] for own in each if shared in own]
    named = {f"{kind} {name}": v for name, own in zip(targets.names, each, strict=True) for kind, v in own.items()}
    return ({shared: float(np.mean(means))} if means else {}) | named


def _of_numbers(predicted: np.ndarray, actual: np.ndarray) -> dict[str, float]:
    if not len(actual):
        return {}
    found = {"rmse": metrics.rmse(predicted, actual), "mae": metrics.mae(predicted, actual)}
    return found | ({"r2": metrics.r2(predicted, actual)} if np.ptp(actual) > 0 else {})


def _of_classes(predicted: np.ndarray, actual: np.ndarray, n_classes: int) -> dict[str, float]:
    if not len(actual):
        return {}
    both = n_classes == 2 and len(set(actual.tolist())) == 2
    found = {"accuracy": float(np.mean(predicted.argmax(axis=1) == actual))}
    return found | ({"roc_auc": metrics.roc_auc(predicted[:, 1], actual)} if both else {})


def _of_labels(predicted: np.ndarray, actual: np.ndarray) -> dict[str, float]:
    if not len(actual):
        return {}
    found = {"roc_auc": metrics.roc_auc(predicted, actual)} if len(set(actual.tolist())) == 2 else {}
    return found | {"accuracy": float(np.mean((predicted > 0.5) == (actual > 0.5)))}


def mean_and_spread(values: Sequence[float]) -> str:
    """Return "0.573 ± 0.070", mean and standard deviation (n - 1) of the values, or the one value alone."""
    if len(values) == 1:
        return digits(values[0])
    return f"{digits(float(np.mean(values)))} ± {digits(float(np.std(values, ddof=1)))}"


def digits(value: float) -> str:
    """Return a number with three decimals, or with three significant digits where it is tiny or large.

    >>> digits(0.5), digits(1234567.8), digits(0.000123456)
    ('0.500', '1.23e+06', '0.000123')
    """
    return f"{value:.3f}" if value == 0 or 0.001 <= abs(value) < 10_000 else f"{value:.3g}"


def count(n: int, what: str) -> str:
    """Return "1 row" or "2 rows"."""
    return f"{n} {what}{'' if n == 1 else 's'}"
