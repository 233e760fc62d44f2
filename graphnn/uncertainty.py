"""How sure is a prediction: ensembles with a spread, conformal intervals and sets, and the coverage they reach.

An ensemble averages members trained from different beginnings; their spread says where they disagree, not how far
off they are. A conformal interval says that: measured on rows kept from training, it holds the truth with the
probability asked for, whatever the model, as long as new rows are like those it was measured on (exchangeable).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from graphnn import ops
from graphnn.checks import listing, same_shape
from graphnn.layer import Layer, Scope, as_input, parts_of
from graphnn.types import Array, Params

LINKS = {"identity": ops.identity, "softmax": ops.softmax, "sigmoid": ops.sigmoid}  # from outputs to what is averaged


@dataclass(frozen=True)
class Ensemble(Layer):
    """The mean of members of one kind, each with parameters of its own: "net0.0.dense.weight", ..., "net1...".

    What is averaged are numbers of a regression (link "identity"), or probabilities: those of classes, of logits
    (n, c) by softmax, or of yes and no, by sigmoid. The mean probability is given back as a logit, log p or
    log(p / (1 - p)), so that cross_entropy, binary_cross_entropy and the metrics take the ensemble as they take a
    member. A mean of the logits instead would be a geometric mean of the probabilities, in which a single member that
    is sure outvotes the others (Lakshminarayanan et al., NeurIPS 2017, arXiv:1612.01474, average probabilities too).

    Train the members one by one and `combine` their parameters: trained as one model they would share the error.

    >>> from graphnn.layers.dense import Dense
    >>> x = np.array([[1.0]])
    >>> model = Ensemble(Dense(1), 2)
    >>> params = combine([{"weight": np.array([[w]]), "bias": np.zeros(1)} for w in (1.0, 3.0)])
    >>> sorted(params), float(model(params, x)[0, 0])
    (['net0.bias', 'net0.weight', 'net1.bias', 'net1.weight'], 2.0)
    """

    member: Layer
    count: int
    link: str = "identity"

    def __post_init__(self) -> None:
        if not isinstance(self.count, (int, np.integer)) or self.count < 1:
            raise ValueError(f"Ensemble: count is the number of members, a whole number from 1, got {self.count!r}")
        if self.link not in LINKS:
            raise ValueError(f"Ensemble: link must be one of {listing(list(LINKS))}, got {self.link!r}")

    def forward(self, params: Scope, graphs: Any) -> Array:
        outputs = [_output(self.member(params.scope(f"net{i}"), graphs)) for i in range(self.count)]
        if self.link == "softmax":
            return _log_mean_exp([ops.log_softmax(z) for z in outputs])
        if self.link == "sigmoid":
            yes = _log_mean_exp([-ops.softplus(-z) for z in outputs])
            return yes - _log_mean_exp([-ops.softplus(z) for z in outputs])
        total = outputs[0]
        for output in outputs[1:]:
            total = total + output
        return total * (1.0 / self.count)


def combine(members: Sequence[Params]) -> Params:
    """Return the parameters of an ensemble from those of its members, which must have the same names and shapes.

    >>> sorted(combine([{"weight": np.ones(2)}, {"weight": np.zeros(2)}]))
    ['net0.weight', 'net1.weight']
    """
    if not members:
        raise ValueError("combine: no members; give a list with the parameters of each")
    shapes = [{name: np.shape(value) for name, value in params.items()} for params in members]
    for i, own in enumerate(shapes):
        for name in {**shapes[0], **own}:
            if own.get(name) != shapes[0].get(name):
                here, there = own.get(name, "missing"), shapes[0].get(name, "missing")
                raise ValueError(
                    f"combine: {name!r} is {here} in member {i} and {there} in member 0; members are of one model"
                )
    return {f"net{i}.{name}": value for i, params in enumerate(members) for name, value in params.items()}


def members(params: Params) -> list[Params]:
    """Return the parameters of each member of an ensemble: the inverse of `combine`. Other names are passed over.

    >>> [list(p) for p in members({"net0.weight": np.ones(2), "net1.weight": np.zeros(2)})]
    [['weight'], ['weight']]
    """
    found: dict[int, Params] = {}
    for name, value in params.items():
        match = re.fullmatch(r"net(0|[1-9]\d*)\.(.+)", name)
        if match:
            found.setdefault(int(match[1]), {})[match[2]] = value
    missing = [i for i in range(max(found, default=0) + 1) if i not in found]
    if missing:
        raise KeyError(f"no parameters of member 'net{missing[0]}' among {listing(list(params))}; give an ensemble's")
    return [found[i] for i in range(len(found))]


def spread(model: Ensemble, params: Params, inputs: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the members' predictions, both like one output of the model.

    With link "softmax" or "sigmoid" they are of the probabilities. The standard deviation is the sample's, divided by
    count - 1: it estimates how much a prediction depends on the random beginning of the training.

    >>> from graphnn.layers.dense import Dense
    >>> params = combine([{"weight": np.array([[w]]), "bias": np.zeros(1)} for w in (1.0, 3.0)])
    >>> mean, deviation = spread(Ensemble(Dense(1), 2), params, np.array([[1.0]]))
    >>> mean.tolist(), deviation.round(3).tolist()
    ([[2.0]], [[1.414]])
    """
    if not isinstance(model, Ensemble):
        raise TypeError(f"spread: needs an Ensemble, got {model!r}")
    if model.count < 2:
        raise ValueError(f"spread: needs at least two members, {model!r} has 1")
    link = LINKS[model.link]
    data = as_input(inputs)
    each = members(params)[: model.count]
    if len(each) < model.count:
        raise ValueError(f"spread: the model has {model.count} members, the parameters are of {len(each)}")
    outputs = np.stack([link(_output(model.member(own, data))) for own in each])
    return outputs.mean(axis=0), outputs.std(axis=0, ddof=1)


def conformal_width(residuals: ArrayLike, level: float = 0.9) -> Any:
    """Return the half-width w for which prediction +- w holds a new target with probability `level` or more.

    residuals: (n,) targets - predictions on rows that nothing was learned or chosen from, or any other size of the
        error such as (targets - predictions) / spread;  (n, k) with nan where a target is missing -> (k,)

    w is the ceil((n + 1) level)-th smallest |residual|. If the rows and the new one are exchangeable, the interval
    covers with probability at least level, and without ties below level + 1 / (n + 1): on average over such samples
    of n rows; for the one at hand coverage scatters by about sqrt(level (1 - level) / n). Infinite where n is too
    small for the level (fewer than 9 rows for 0.9), since no width has the guarantee then. Split conformal
    prediction: Vovk, Gammerman & Shafer 2005; Lei et al., JASA 113 (2018) 1094, theorem 2.

    >>> conformal_width([0.3, -0.1, 0.2, 0.5, -0.4, 0.1, 0.6, -0.2, 0.7], level=0.8)
    0.6
    >>> conformal_width([0.3, -0.1])
    inf
    """
    sizes = np.abs(np.asarray(residuals, float))
    if sizes.ndim not in (1, 2):
        raise ValueError(f"conformal_width: residuals must have shape (n,) or (n, k), got {sizes.shape}")
    if np.isinf(sizes).any():
        raise ValueError(f"conformal_width: {int(np.isinf(sizes).sum())} residuals are infinite; did training diverge?")
    if sizes.ndim == 1:
        return _nth_smallest(sizes[~np.isnan(sizes)], level)
    return np.array([_nth_smallest(column[~np.isnan(column)], level) for column in sizes.T])


def conformal_interval(predictions: ArrayLike, width: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return (low, high) = predictions -+ width.

    predictions: (n,) or (n, k);  width: a number, (k,) for k columns, or one for every prediction.

    >>> low, high = conformal_interval(np.array([[1.0], [2.0]]), conformal_width(np.full((20, 1), 0.5)))
    >>> low.tolist(), high.tolist()
    ([[0.5], [1.5]], [[1.5], [2.5]])
    """
    p = np.asarray(predictions)
    w = np.asarray(width, p.dtype if p.dtype.kind == "f" else float)
    if w.shape not in ((), p.shape) and not (p.ndim == 2 and w.shape == p.shape[1:]):
        raise ValueError(
            f"conformal_interval: width {w.shape} fits neither the columns nor the entries of predictions {p.shape}"
        )
    if not (w >= 0).all():
        raise ValueError("conformal_interval: a width is at least 0; take it from conformal_width")
    return p - w, p + w


def conformal_threshold(probabilities: ArrayLike, labels: ArrayLike, level: float = 0.9) -> float:
    """Return the probability from which on a class is in the set that holds the truth with probability `level`.

    probabilities: (n, c);  labels: (n,) whole numbers, of rows that nothing was learned or chosen from.

    It is the ceil((n + 1) level)-th largest probability given to the true class, and 0, every class, where n is too
    small. The smallest sets on average (least ambiguous classifier: Sadinle, Lei & Wasserman, JASA 114 (2019) 223);
    a set may be empty where no class is likely enough.

    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    >>> conformal_threshold(p, [0, 0, 1, 1], level=0.6)
    0.7
    """
    p, truth = _probabilities("conformal_threshold", probabilities, labels)
    return max(0.0, -_nth_smallest(-p[np.arange(len(p)), truth], level))


def conformal_set(probabilities: ArrayLike, threshold: float) -> np.ndarray:
    """Return which classes are in the set of each row: probabilities >= threshold. (n, c) -> (n, c) booleans

    >>> conformal_set([[0.9, 0.1], [0.5, 0.5]], 0.4).tolist()
    [[True, False], [True, True]]
    """
    p, _ = _probabilities("conformal_set", probabilities, None)
    if not 0 <= threshold <= 1:
        raise ValueError(f"conformal_set: threshold is a probability from conformal_threshold, got {threshold}")
    return p >= threshold


class Coverage(NamedTuple):
    """The share of rows whose truth was covered, and between which shares the true one lies with some confidence.

    >>> Coverage(0.83, 0.75, 0.89, 112)
    Coverage(0.830 of 112 rows, true share 0.750 to 0.890)
    """

    share: float
    low: float
    high: float
    rows: int

    def __repr__(self) -> str:
        return f"Coverage({self.share:.3f} of {self.rows} rows, true share {self.low:.3f} to {self.high:.3f})"


def coverage(targets: ArrayLike, low: ArrayLike, high: ArrayLike, *, confidence: float = 0.95) -> Coverage:
    """Return how many targets lie in [low, high], with the interval of Clopper & Pearson, Biometrika 26 (1934) 404.

    targets, low, high: (n,) or (n, 1), of rows that the width was not taken from; nan targets are left out. A level
    outside the interval is at odds with these rows. For several targets ask column by column: a row's targets are not
    independent.

    >>> inside = np.arange(112) < 93
    >>> coverage(np.where(inside, 0.0, 9.0), np.full(112, -1.0), np.full(112, 1.0))
    Coverage(0.830 of 112 rows, true share 0.748 to 0.895)
    """
    y, a, b = (np.asarray(values, float) for values in (targets, low, high))
    same_shape("coverage", a, y)
    same_shape("coverage", b, y)
    if y.shape not in ((len(y),), (len(y), 1)):
        raise ValueError(f"coverage: targets {y.shape} have several columns; ask one by one, with targets[:, 0] and so")
    if np.isnan(a).any() or np.isnan(b).any() or (a > b).any():
        raise ValueError("coverage: low and high must be numbers with low <= high, as conformal_interval gives them")
    known = ~np.isnan(y)
    return _binomial((y >= a)[known] & (y <= b)[known], confidence)


def set_coverage(labels: ArrayLike, sets: ArrayLike, *, confidence: float = 0.95) -> Coverage:
    """Return how many sets hold their label, as `coverage` does. labels: (n,);  sets: (n, c) booleans.

    >>> set_coverage([0, 1, 1], [[True, False], [True, True], [True, False]]).share.__round__(3)
    0.667
    """
    held = np.asarray(sets)
    if held.ndim != 2 or held.dtype != bool:
        raise ValueError(f"set_coverage: sets must be booleans (n, c), got {held.dtype} of shape {held.shape}")
    truth = _labels("set_coverage", labels, held.shape)
    return _binomial(held[np.arange(len(held)), truth], confidence)


# ---- what they share -------------------------------------------------------------------------------------------------


def _output(out: Any) -> Array:
    """Return a member's output, which must be one array."""
    if getattr(out, "shape", None) is None or len(list(parts_of(out))) != 1:
        raise TypeError(f"Ensemble: a member returns a {type(out).__name__}; end it with a pool or Nodes()")
    return out


def _log_mean_exp(parts: Sequence[Array]) -> Array:
    """Return log(mean(exp(part))), for parts of any size."""
    stack = ops.concatenate([part.reshape((1, *part.shape)) for part in parts])
    top = ops.stop_gradient(ops.max(stack, axis=0))
    return top + ops.log(ops.sum(ops.exp(stack - top), axis=0) * (1.0 / len(parts)))


def _checked_level(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level and confidence are probabilities between 0 and 1, such as 0.9, got {level}")
    return level


def _nth_smallest(values: np.ndarray, level: float) -> float:
    """Return the ceil((n + 1) level)-th smallest of n values, inf where there is none."""
    n = len(values)
    rank = math.ceil((n + 1) * _checked_level(level) - 1e-9)  # 0.7 * 10 are 7 and not a little more
    return float(np.partition(values, rank - 1)[rank - 1]) if rank <= n else math.inf


def _probabilities(who: str, probabilities: ArrayLike, labels: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    p = np.asarray(probabilities, float)
    if p.ndim != 2 or not ((p >= 0) & (p <= 1)).all() or not np.allclose(p.sum(axis=1), 1, atol=1e-4):
        came = f"{p.min():g} to {p.max():g}" if p.size else "nothing"
        raise ValueError(
            f"{who}: expected probabilities (n, c), each row adding up to 1, got {came} of shape {p.shape}; "
            "for logits say gn.ops.softmax(logits), for a single column p np.hstack([1 - p, p])"
        )
    return p, np.zeros(0, int) if labels is None else _labels(who, labels, p.shape)


def _labels(who: str, labels: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    truth = np.asarray(labels)
    whole = truth.dtype.kind in "biu" or (truth.dtype.kind == "f" and bool((truth == np.round(truth)).all()))
    if truth.shape != shape[:1] or not whole or ((truth < 0) | (truth >= shape[1])).any():
        raise ValueError(
            f"{who}: labels must be {shape[0]} whole numbers 0..{shape[1] - 1}, got shape {truth.shape} of "
            f"{truth.dtype}: {listing(truth.ravel()[:3].tolist())}; leave missing ones out"
        )
    return truth.astype(np.intp)


def _binomial(covered: np.ndarray, confidence: float) -> Coverage:
    from scipy.special import betaincinv

    n, k, tail = covered.size, int(covered.sum()), (1 - _checked_level(confidence)) / 2
    if not n:
        raise ValueError("coverage: no row has a known target")
    low = float(betaincinv(k, n - k + 1, tail)) if k else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return Coverage(k / n, low, high, n)
