"""Does the kernel matter? One small network, eight kernels, the boiling points of the alkanes.

Everything but the kernel is the same: two residual graph convolutions, a sum pool, a head. Ten folds over the 147
alkanes from butane up, two random beginnings each; the errors are paired, molecule by molecule, with those of the
adjacency. Data: gn.datasets.alkanes() (data/README.md). Expected: the table in experiments/README.md.

Run:  python experiments/kernels.py            # about four minutes on one core
      python experiments/kernels.py --smoke    # two folds, twenty epochs, for CI
"""

from __future__ import annotations

import sys
import time

import numpy as np
from threadpoolctl import threadpool_limits

import graphnn as gn
from graphnn import kernels
from graphnn.demo.baselines import folds

SEEDS, EPOCHS, WIDTH, STEP_SIZE = (0, 1), 1000, 32, 1e-2


def nearby(graph):
    """A kernel of one's own: a bond counts 1, two bonds away 1/4."""
    A = graph.adjacency.toarray()
    return A + 0.25 * (A @ A - np.diag(A.sum(axis=0)))


KERNELS = [
    kernels.adjacency,
    kernels.normalized_adjacency,
    kernels.random_walk,
    kernels.laplacian,
    kernels.Heat(0.5),
    kernels.Power(kernels.adjacency, 2),
    kernels.Distance(3),
    nearby,
]


def network(kernel):
    """Return the model with this kernel."""
    first, second = (gn.Residual(gn.GraphConv(WIDTH, gn.silu, kernel=kernel)) for _ in range(2))
    head = (gn.SumPool(), gn.Scale(0.1), gn.Dense(WIDTH, gn.silu), gn.Dense(1), gn.Rescale())
    return gn.Sequential(gn.Dense(WIDTH, gn.silu), first, second, *head)


def held_out_errors(kernel, seed, splits, epochs, batch, y):
    """Return the error of every molecule when it was held out, in degrees C; nan where it never was."""
    model, errors = network(kernel), np.full(len(y), np.nan)
    for train, test in splits:
        start, optimizer = model.init(seed, batch), gn.adam(gn.schedules.Cosine(STEP_SIZE, epochs))
        params, _ = gn.fit(model, start, batch[train], y[train], epochs=epochs, optimizer=optimizer)
        errors[test] = (model(params, batch[test]) - y[test])[:, 0]
    return errors


def main(smoke):
    data = gn.datasets.alkanes()
    batch, y = gn.pack(data.graphs, dtype=np.float32), data.boiling_points
    splits = folds(len(y), 3, seed=0)[: 2 if smoke else 10]
    epochs, seeds = (20, SEEDS[:1]) if smoke else (EPOCHS, SEEDS)
    print(f"{'kernel':40}{'RMSE, °C':>14}{'against adjacency, squared error':>38}{'s':>7}")
    reference = None
    for kernel in KERNELS:
        start = time.perf_counter()
        runs = np.array([held_out_errors(kernel, seed, splits, epochs, batch, y) for seed in seeds])
        runs = runs[:, ~np.isnan(runs[0])]
        squared = np.mean(runs**2, axis=0)
        reference = squared if reference is None else reference
        change = squared - reference
        interval = 1.96 * change.std(ddof=1) / np.sqrt(len(change))
        rmse = np.sqrt(np.mean(runs**2, axis=1))
        error, against = f"{rmse.mean():.2f} ± {rmse.std():.2f}", f"{change.mean():.1f} ± {interval:.1f} (95 %)"
        seconds = time.perf_counter() - start
        print(f"{gn.layer.show(kernel):40}{error:>14}{against:>38}{seconds:7.0f}", flush=True)


if __name__ == "__main__":
    with threadpool_limits(1):
        main(smoke="--smoke" in sys.argv)
