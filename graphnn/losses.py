"""Losses: scalars to be minimised. They refuse silent broadcasting and take masks and weights.

Every loss is called loss(predictions, targets, mask=..., weights=...): `mask` picks the rows (n,) or the entries
(n, k) that count, `weights` says how much; the result is the weighted mean over what counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnn import ops
from graphnn.batch import Batch
from graphnn.checks import listing, same_shape
from graphnn.types import Array

Mask = Any


def mean_squared_error(predictions: Array, targets: Array, *, mask: Mask = None, weights: Any = None) -> Array:
    """Return the mean of (predictions - targets)^2.

    predictions, targets: the same shape, (n,) or (n, k). Raises ValueError for different shapes and missing targets.

    >>> float(mean_squared_error(np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]])))
    2.0
    """
    difference = _difference("mean_squared_error", predictions, targets, mask)
    return ops.squares(difference, *_shares(difference, mask, weights, "mean_squared_error"))


@dataclass(frozen=True)
class StandardizedError:
    """A loss for targets in units of their own: the mean of ((predictions - targets) / scale)^2.

    scale: one number for each column, such as the standard deviations of the training targets. Columns in different
    units then count alike, and tiny units do not drown in the eps of Adam. predictions, targets: (n, k)

    >>> loss = StandardizedError((1.0, 100.0))
    >>> float(loss(np.array([[1.0, 300.0]]), np.array([[0.0, 100.0]])))
    2.5
    """

    scale: tuple[float, ...]

    def __call__(self, predictions: Array, targets: Array, *, mask: Mask = None, weights: Any = None) -> Array:
        """Return the loss; mask and weights are those of `mean_squared_error`."""
        difference = _difference("StandardizedError", predictions, targets, mask)
        if difference.shape[1:] != (len(self.scale),):
            raise ValueError(
                f"StandardizedError: there are {len(self.scale)} scales for columns of shape {difference.shape[1:]}"
            )
        relative = difference / np.asarray(self.scale, _dtype(predictions))
        return ops.squares(relative, *_shares(relative, mask, weights, "StandardizedError"))


def mean_absolute_error(predictions: Array, targets: Array, *, mask: Mask = None, weights: Any = None) -> Array:
    """Return the mean of |predictions - targets|; its slope at 0 is 0.

    >>> float(mean_absolute_error(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    1.0
    """
    difference = _difference("mean_absolute_error", predictions, targets, mask)
    return _average(ops.absolute(difference), mask, weights, "mean_absolute_error")


def huber(predictions: Array, targets: Array, *, delta: float = 1.0, mask: Mask = None, weights: Any = None) -> Array:
    """Return the mean of d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2), with d = predictions - targets.

    Huber, Ann. Math. Statist. 1964. `delta` is in the units of the targets.

    >>> float(huber(np.array([0.5, 3.0]), np.zeros(2)))
    1.3125
    """
    d = _difference("huber", predictions, targets, mask)
    size = ops.absolute(d)
    values = ops.where(ops.value_of(size) <= delta, 0.5 * d * d, delta * (size - 0.5 * delta))
    return _average(values, mask, weights, "huber")


def cross_entropy(logits: Array, labels: Array, *, mask: Mask = None, weights: Any = None) -> Array:
    """Return the mean of -log softmax(logits)[label].

    logits: (n, c);  labels: (n,) whole numbers 0..c-1;  mask, weights: (n,). Finite for logits of any size.

    >>> float(cross_entropy(np.array([[1e4, 0.0], [0.0, 0.0]]), np.array([0, 1])).round(6))
    0.346574
    """
    who = "cross_entropy"
    logits, labels = _array(who, logits), np.asarray(labels)
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        remedy = "; use labels.argmax(axis=1) for one-hot labels" if labels.shape == logits.shape else ""
        came = f"{logits.shape} and {labels.shape}{remedy}"
        raise ValueError(f"{who}: expected logits (n, c) and labels (n,), got {came}")
    n = len(labels)
    rows = _rows(who, mask, n)
    labels = _whole(who, labels if rows is None else labels[rows], logits.shape[1])
    logits = logits if rows is None else ops.pick_rows(logits, rows)
    return ops.label_costs(logits, labels, *_shares(labels, None, _row_weights(who, weights, n, rows), who, logits))


def binary_cross_entropy(logits: Array, targets: Array, *, mask: Mask = None, weights: Any = None) -> Array:
    """Return the mean of log(1 + exp(logit)) - target logit: -log of the probability sigmoid gives the target.

    logits, targets: the same shape, (n,) or (n, k) for several labels of which any number may hold; targets in
    [0, 1], nan where a label is missing: those entries do not count.

    >>> float(binary_cross_entropy(np.array([[0.0, 5.0]]), np.array([[1.0, np.nan]])).round(6))
    0.693147
    """
    who = "binary_cross_entropy"
    logits = _array(who, logits)
    same_shape(who, logits, targets)
    targets = np.asarray(targets, dtype=_dtype(logits))
    if mask is not None:
        targets = np.where(_spread(who, _booleans(who, mask), targets), targets, 0).astype(targets.dtype)
    known = ~np.isnan(targets)
    if ((targets < 0) | (targets > 1)).any():
        raise ValueError(f"{who}: targets must lie in [0, 1], got {np.nanmin(targets):g} to {np.nanmax(targets):g}")
    targets = np.where(known, targets, 0).astype(targets.dtype)
    logits = _counted(who, logits, mask)
    values = ops.softplus(logits) - targets * logits
    if not known.all():
        mask = known if mask is None else known & _spread(who, _booleans(who, mask), known)
    return _average(values, mask, weights, who)


def hinge(scores: Array, targets: Array, *, mask: Mask = None, weights: Any = None) -> Array:
    """Return the mean of max(0, 1 - target score) for targets -1 and 1 (Cortes & Vapnik 1995).

    >>> float(hinge(np.array([2.0, 0.5]), np.array([1, -1])))
    0.75
    """
    who = "hinge"
    scores = _array(who, scores)
    same_shape(who, scores, targets)
    signs, scores = np.asarray(targets), _counted(who, scores, mask)
    if mask is not None:
        signs = np.where(_spread(who, _booleans(who, mask), signs), signs, 1)
    if not np.isin(signs, (-1, 1)).all():
        raise ValueError(f"{who}: targets must be -1 or 1; for labels 0 and 1 pass 2 * targets - 1")
    return _average(ops.relu(1.0 - signs.astype(_dtype(scores)) * scores), mask, weights, who)


def multiclass_hinge(scores: Array, labels: Array, *, mask: Mask = None, weights: Any = None) -> Array:
    """Return the mean over rows of the sum over wrong classes of max(0, 1 + score - score of the label).

    Weston & Watkins 1999. scores: (n, c);  labels: (n,) whole numbers;  mask, weights: (n,)

    >>> float(multiclass_hinge(np.array([[2.0, 1.5, 0.0]]), np.array([0])))
    0.5
    """
    who = "multiclass_hinge"
    scores = _array(who, scores)
    if scores.ndim != 2 or np.shape(labels) != scores.shape[:1]:
        raise ValueError(f"{who}: expected scores (n, c) and labels (n,), got {scores.shape} and {np.shape(labels)}")
    n = len(labels)
    rows = _rows(who, mask, n)
    kept = np.arange(n) if rows is None else rows
    labels = _whole(who, np.asarray(labels)[kept], scores.shape[1])
    scores = ops.gather(scores, kept)
    margins = ops.relu(1.0 + scores - ops.pick(scores, labels).reshape((-1, 1)))
    per_row = ops.sum(margins, axis=1) - 1.0
    return _average(per_row, None, _row_weights(who, weights, n, kept), who)


def gaussian_nll(predictions: Array, targets: Array, *, mask: Mask = None, weights: Any = None) -> Array:
    """Return the mean of (log v + (m - target)^2 / v + log 2 pi) / 2: a model that says how sure it is.

    predictions: (n, 2 k), means m in the first k columns and log-variances log v in the last k;  targets: (n, k)
    (Nix & Weigend, ICNN 1994)

    >>> float(gaussian_nll(np.array([[1.0, 0.0]]), np.array([[1.0]])).round(6))
    0.918939
    """
    who = "gaussian_nll"
    predictions, shape = _array(who, predictions), np.shape(targets)
    if len(shape) != 2 or tuple(predictions.shape) != (shape[0], 2 * shape[1]):
        raise ValueError(
            f"{who}: predictions {tuple(predictions.shape)} must hold a mean and a log-variance for each of the "
            f"targets {shape}: twice as many columns, both two-dimensional"
        )
    k = shape[1]
    d = _difference(who, predictions[:, :k], targets, mask)
    log_variance = _counted(who, predictions[:, k:], mask)
    values = 0.5 * (log_variance + d * d * ops.exp(-log_variance) + float(np.log(2 * np.pi)))
    return _average(values, mask, weights, who)


def poisson_nll(predictions: Array, targets: Array, *, mask: Mask = None, weights: Any = None) -> Array:
    """Return the mean of exp(s) - target s + log(target!): -log of the probability of counts whose mean is exp(s).

    predictions: the logarithms s of the means;  targets: counts from 0, of the same shape, (n,) or (n, k)

    >>> float(poisson_nll(np.array([0.0, 0.0]), np.array([0, 2])).round(6))
    1.346574
    """
    from scipy.special import gammaln

    who = "poisson_nll"
    predictions = _array(who, predictions)
    same_shape(who, predictions, targets)
    counts = _known(who, predictions, targets, mask)
    if mask is not None:
        counts = np.where(_spread(who, _booleans(who, mask), counts), counts, 0).astype(counts.dtype)
    if not ((counts >= 0) & (counts < np.inf)).all():
        raise ValueError(f"{who}: targets are counts from 0, got {counts.min():g} to {counts.max():g}")
    s = _counted(who, predictions, mask)
    return _average(ops.exp(s) - counts * s + gammaln(counts + 1).astype(counts.dtype), mask, weights, who)


def pairwise_ranking(scores: Array, targets: Array, *, mask: Mask = None, weights: Any = None) -> Array:
    """Return the mean of log(1 + exp(s_j - s_i)) over all pairs where target i is larger than target j: RankNet.

    Burges et al., ICML 2005. Only the order of the targets counts, which is what is wanted where measurements of
    several laboratories have different zeros. scores, targets: (n,), or (n, k), each column ranked by itself; a pair
    weighs as much as its rows' weights multiplied. Takes n^2 k numbers. 0 where no two targets differ, as in a
    mini-batch of one row.

    >>> float(pairwise_ranking(np.array([3.0, 1.0, 1.0]), np.array([9, 2, 2])).round(6))
    0.126928
    """
    who = "pairwise_ranking"
    scores = _array(who, scores)
    same_shape(who, scores, targets)
    ranks, s = _known(who, scores, targets, mask), _counted(who, scores, mask)
    share = _share(who, scores, mask, weights, _dtype(scores))
    pairs = (ranks[:, None] > ranks[None]) * share[:, None] * share[None]
    total = float(pairs.sum())
    n = len(ranks)
    behind = s.reshape((1, n, *ranks.shape[1:])) - s.reshape((n, 1, *ranks.shape[1:]))  # [i, j]: s_j - s_i
    return ops.sum(ops.softplus(behind) * pairs) * (1.0 / total if total else 0.0)


# ---- what the losses share -------------------------------------------------------------------------------------------


def _array(who: str, predictions: Any) -> Array:
    if isinstance(predictions, Batch):
        raise TypeError(f"{who}: got a Batch; end the model with Nodes() or a pool, or pass batch.nodes")
    if not hasattr(predictions, "shape"):
        raise TypeError(f"{who}: predictions must be an array, got {type(predictions).__name__}")
    return predictions


def _dtype(predictions: Array) -> Any:
    return predictions.dtype if predictions.dtype.kind == "f" else np.dtype(float)


def _difference(who: str, predictions: Array, targets: Array, mask: Mask) -> Array:
    predictions = _array(who, predictions)
    same_shape(who, predictions, targets)
    if ops.is_traced(targets) or ops.is_jax(targets):
        return _counted(who, ops.minus(predictions, targets), mask)
    return _counted(who, ops.minus(predictions, _known(who, predictions, targets, mask)), mask)


def _known(who: str, predictions: Array, targets: Any, mask: Mask) -> np.ndarray:
    """Return the targets, with 0 for those that are nan and do not count; refuse others that are nan."""
    targets = np.asarray(targets, dtype=_dtype(predictions))
    missing = np.isnan(targets)
    if missing.any():
        counts = np.ones_like(missing) if mask is None else _spread(who, _booleans(who, mask), missing)
        if (missing & counts).any():
            n, remedy = int((missing & counts).sum()), "~np.isnan(targets)"
            remedy = f"pass mask={remedy}" if mask is None else f"let the mask leave them out as {remedy} does"
            raise ValueError(f"{who}: {n} of {int(counts.sum())} targets are nan; {remedy}")
        targets = np.where(missing, 0, targets).astype(targets.dtype)
    return targets


def _counted(who: str, values: Array, mask: Mask) -> Array:
    """Return the values with 0 where the mask is False: inf or nan there must not reach the sum or its gradient."""
    return values if mask is None else ops.where(_spread(who, _booleans(who, mask), values), values, 0.0)


def _rows(who: str, mask: Mask, n: int) -> np.ndarray | None:
    """Return the row numbers a mask picks, None for all."""
    if mask is None:
        return None
    mask = np.asarray(mask)
    if mask.shape != (n,) or mask.dtype != bool:
        raise ValueError(f"{who}: mask must be {n} booleans (one per row), got shape {mask.shape} of {mask.dtype}")
    if not mask.any():
        raise ValueError(f"{who}: the mask leaves nothing to learn from; it is False everywhere")
    return np.flatnonzero(mask)


def _row_weights(who: str, weights: Any, n: int, rows: np.ndarray | None) -> np.ndarray | None:
    """Return the weights of the rows a mask picks."""
    if weights is None:
        return None
    weights = np.asarray(weights)
    if weights.shape != (n,):
        raise ValueError(f"{who}: weights must be {n} numbers (one per row), got shape {weights.shape}")
    return weights if rows is None else weights[rows]


def _whole(who: str, labels: np.ndarray, classes: int) -> np.ndarray:
    if labels.dtype.kind not in "biuf" or not np.isfinite(labels).all():
        raise ValueError(f"{who}: labels must be whole numbers 0..{classes - 1}, got {listing(labels.tolist())}")
    whole = labels.astype(np.intp)
    if (whole != labels).any() or (labels.size and (whole.min() < 0 or whole.max() >= classes)):
        raise ValueError(
            f"{who}: labels must be whole numbers 0..{classes - 1} (the predictions have {classes} columns), "
            f"got {labels.min():g} to {labels.max():g}"
        )
    return whole


def _booleans(who: str, mask: Mask) -> np.ndarray:
    mask = np.asarray(mask)
    if mask.dtype != bool:
        raise ValueError(f"{who}: mask must be booleans, got {mask.dtype}; amounts go into weights=")
    return mask


def _spread(who: str, rows: np.ndarray, like: Array) -> np.ndarray:
    """Return a mask or weights of rows or entries in the shape of the entries."""
    if rows.shape == tuple(like.shape):
        return rows
    if rows.shape == tuple(like.shape[:1]):
        return np.broadcast_to(rows.reshape((-1,) + (1,) * (like.ndim - 1)), like.shape)
    raise ValueError(
        f"{who}: mask or weights of shape {rows.shape} fit neither rows nor entries of {tuple(like.shape)}"
    )


def _shares(
    values: Array, mask: Mask, weights: Any, who: str, like: Array | None = None
) -> tuple[np.ndarray | None, float]:
    """Return how much each value counts, None where all count alike, and one over the sum of it, which makes a mean.

    like: whose dtype the shares have, by default that of the values
    """
    if mask is None and weights is None:
        return None, 1.0 / max(math.prod(values.shape), 1)
    share = _share(who, values, mask, weights, _dtype(values if like is None else like))
    return share, 1.0 / float(share.sum())


def _share(who: str, like: Array, mask: Mask, weights: Any, dtype: Any) -> np.ndarray:
    """Return how much every entry counts, in the shape of the entries."""
    share = np.ones(like.shape, dtype)
    if mask is not None:
        share = share * _spread(who, _booleans(who, mask), like)
    if weights is not None:
        share = share * _spread(who, np.asarray(weights, dtype), like)
    total = float(share.sum())
    if not 0 < total < np.inf:
        raise ValueError(f"{who}: mask and weights leave nothing to learn from; they sum to {total:g}")
    return share.astype(dtype)


def _average(values: Array, mask: Mask, weights: Any, who: str) -> Array:
    """Return the mean of the values, weighted and masked."""
    share, scale = _shares(values, mask, weights, who)
    return ops.sum(values if share is None else values * share) * scale
