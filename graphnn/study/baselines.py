"""What a graph network has to beat: the mean or the commonest class, and models on descriptors, on the same rows.

Every baseline learns from the training rows, chooses on the validation rows, and is scored as the network is.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import NamedTuple

import numpy as np

from graphnn import chem, ops
from graphnn.batch import Batch
from graphnn.datasets.tables import Targets
from graphnn.kernels import adjacency
from graphnn.propagation import propagate
from graphnn.splits import Split
from graphnn.study.metrics import scores
from graphnn.study.rows import MOLECULES, NODES, Rows
from graphnn.study.train import Examples

PENALTIES = tuple(10.0**k for k in range(-2, 5))
WIDEST = 1000  # columns that ridge takes: its cost grows with their square


class Description(NamedTuple):
    """Numbers that describe every row, (n_rows, d), and what they are called in the table of results."""

    values: np.ndarray
    name: str


def describe(rows: Rows, examples: Examples, row_of: np.ndarray) -> Description | None:
    """Return RDKit's descriptors, for graphs sizes and sums of features, for nodes those of a node and around it.

    None where nodes have more features than a baseline should take, names of nodes for instance.
    """
    if rows.kind == MOLECULES:
        return Description(chem.descriptors([rows.things[row] for row in row_of])[0], "RDKit descriptors")
    batch = examples.batch
    if rows.kind == NODES and batch.nodes.shape[1] > WIDEST:
        return None
    nodes = np.asarray(ops.dense(batch.nodes), float)
    if rows.kind == NODES:
        around = propagate(batch, nodes, kernel=adjacency, restart=0.0, steps=1)
        return Description(np.concatenate([nodes, around], axis=1), "features of a node and its neighbours")
    sizes = np.stack([np.ones(batch.n_nodes), batch.receiver_segments.sizes], axis=1)
    columns = [sizes, nodes]
    if batch.edges is not None:
        columns.append(ops.segment_sum(np.asarray(batch.edges, float), batch.receiver_segments))
    return Description(ops.segment_sum(np.concatenate(columns, axis=1), batch.node_segments), "sums of features")


def baselines(
    description: Description | None, targets: Targets, split: Split, network: Batch | None = None
) -> dict[str, dict[str, float]]:
    """Return {name: scores on the test rows} of each baseline that this task has. network: whose nodes the rows are."""
    found = {}
    base = "most common class" if targets.task == "classification" else "mean of the training rows"
    found[base] = _constant(targets, split)
    if description is not None:
        found[f"ridge on {description.name}"] = _ridge(description.values, targets, split)
    if network is not None:
        found["targets spread along the edges"] = _spread(network, targets, split)
    elif description is not None and find_spec("sklearn") is not None:
        found[f"boosted trees on {description.name}"] = _trees(description.values, targets, split)
    return {name: scores(predicted, targets, split.test) for name, predicted in found.items()}


def _columns(targets: Targets) -> tuple[np.ndarray, np.ndarray]:
    """Return targets as columns of numbers, classes one-hot, and which are known. (n, k) and (n, k)"""
    if targets.task != "classification":
        return targets.values, targets.mask
    hot = targets.values[:, None] == np.arange(len(targets.classes))
    return hot.astype(float), np.repeat(targets.mask[:, None], hot.shape[1], axis=1)


def _constant(targets: Targets, split: Split) -> np.ndarray:
    values, mask = _columns(targets)
    means = [column[split.train][known[split.train]].mean() for column, known in zip(values.T, mask.T, strict=True)]
    return np.tile(means, (len(split.test), 1))


def _ridge(x: np.ndarray, targets: Targets, split: Split) -> np.ndarray:
    """Return ridge regression on standardised descriptors, the penalty of each column chosen on validation."""
    values, mask = _columns(targets)
    mean, scale = x[split.train].mean(axis=0), x[split.train].std(axis=0)
    z = np.clip((x - mean) / np.where(scale > 0, scale, 1), -10, 10)  # beyond ten deviations a line means nothing
    out, last = [], np.zeros(0)
    for y, known in zip(values.T, mask.T, strict=True):
        train, kept = split.train[known[split.train]], split.validation[known[split.validation]]
        if not np.array_equal(train, last):
            last, (u, s, v) = train, np.linalg.svd(z[train], full_matrices=False)
        middle = y[train].mean()
        along = u.T @ (y[train] - middle)
        fits = [middle + z @ (v.T @ (along * s / (s**2 + penalty))) for penalty in PENALTIES]
        errors = [np.mean((fit - y)[kept] ** 2) for fit in fits]
        out.append(fits[int(np.argmin(errors))][split.test])
    predicted = np.stack(out, axis=1)
    return predicted if targets.task == "regression" else np.clip(predicted, 0, 1)


def _spread(network: Batch, targets: Targets, split: Split) -> np.ndarray:
    """Return for each node the mean of the training targets, weighted by how much of each arrives there."""
    values, mask = _columns(targets)
    seen = mask & np.isin(np.arange(len(mask)), split.train)[:, None]
    known = np.where(seen, values, 0.0)
    middle = known.sum(axis=0) / seen.sum(axis=0)
    arrives = propagate(network, np.concatenate([known, seen], axis=1), restart=0.1)
    total, amount = np.split(arrives, 2, axis=1)
    reached = amount > 1e-12
    return np.where(reached, total / np.where(reached, amount, 1), middle)[split.test]


def _trees(x: np.ndarray, targets: Targets, split: Split) -> np.ndarray:
    """Return gradient-boosted trees of scikit-learn, one model for each target.

    Its defaults, but for small tables: a leaf holds at least 20 rows, or a twentieth of the training rows if that is
    less, since of 50 rows the default would learn nothing.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    leaf = min(20, max(1, len(split.train) // 20))
    if targets.task == "classification":
        train = split.train[targets.mask[split.train]]
        trees = HistGradientBoostingClassifier(random_state=0, min_samples_leaf=leaf).fit(
            x[train], targets.values[train]
        )
        out = np.zeros((len(split.test), len(targets.classes)))
        out[:, trees.classes_] = trees.predict_proba(x[split.test])
        return out
    columns = []
    for y, known in zip(targets.values.T, targets.mask.T, strict=True):
        train = split.train[known[split.train]]
        if targets.task == "multilabel":
            trees = HistGradientBoostingClassifier(random_state=0, min_samples_leaf=leaf).fit(x[train], y[train])
            columns.append(trees.predict_proba(x[split.test])[:, 1])
        else:
            trees = HistGradientBoostingRegressor(random_state=0, min_samples_leaf=leaf).fit(x[train], y[train])
            columns.append(trees.predict(x[split.test]))
    return np.stack(columns, axis=1)
