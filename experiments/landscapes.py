"""How does the shape of the loss change with the activation and the architecture? Boiling points of alkanes.

Three activations in three networks of the same width and depth, each trained the same way; then, at what training
found: the loss, the largest and the smallest eigenvalue of its Hessian, its sharpness after Keskar et al. 2017, and
how wide the valley is: the share of a plane of two filter-normalised directions, half as long as the weights either
way, where the network still beats the mean of the targets. Medians and ranges over the seeds.

Data: gn.datasets.alkanes(), 150 molecules. Losses in units of the targets' variance, so that networks compare.
Run:  python experiments/landscapes.py               # some minutes on one core
      python experiments/landscapes.py grid.png      # and draw the planes of the first seed
      python experiments/landscapes.py --smoke       # a few epochs of two networks, for CI
"""

from __future__ import annotations

import sys
import time

import numpy as np
from matplotlib.figure import Figure

import graphnn as gn

WIDTH, EPOCHS, STEP_SIZE, SEEDS = 16, 400, 1e-2, (0, 1, 2)
ACTIVATIONS = (gn.relu, gn.tanh, gn.silu)
SPAN = np.linspace(-0.5, 0.5, 21)
COLUMNS = ("loss", "largest", "smallest", "sharpness %", "better than mean %")

data = gn.datasets.alkanes()
batch = gn.pack(data.graphs)
y = (data.boiling_points - data.boiling_points.mean()) / data.boiling_points.std()


def plain(activation):
    return [gn.GraphConv(WIDTH, activation, kernel=gn.kernels.adjacency) for _ in range(3)]


def with_skips(activation):
    first, *rest = plain(activation)
    return [first, *map(gn.Residual, rest)]


def with_batch_norm(activation):
    parts = [
        [gn.GraphConv(WIDTH, kernel=gn.kernels.adjacency), gn.BatchNorm(), gn.Lambda(activation)] for _ in range(3)
    ]
    return [layer for part in parts for layer in part]


ARCHITECTURES = (plain, with_skips, with_batch_norm)


def measured(architecture, activation, seed, epochs, span):
    """Train one network; return its numbers and the plane around what was found."""
    model = gn.Sequential(
        *architecture(activation), gn.SumPool(), gn.Scale(0.1), gn.Dense(WIDTH, activation), gn.Dense(1)
    )
    optimizer = gn.adam(gn.schedules.Cosine(STEP_SIZE, epochs))
    params, _ = gn.fit(model, model.init(seed, batch), batch, y, optimizer=optimizer, epochs=epochs, seed=seed)

    def loss(params):
        return gn.mean_squared_error(model(params, batch), y)

    (largest, smallest), _ = gn.hessian_eigenvalues(loss, params, 2, "both", tolerance=1e-3, seed=seed)
    surface = gn.loss_landscape(loss, params, gn.random_directions(params, seed=seed), span)
    wide = 100 * np.mean(surface.values < 1)
    return (float(loss(params)), largest, smallest, gn.sharpness(loss, params, seed=seed), wide), surface


def draw(path, surfaces):
    """Draw the planes, a row for each architecture and a column for each activation."""
    figure = Figure(figsize=(10.5, 9.6), layout="constrained", dpi=100)
    axes = figure.subplots(len(ARCHITECTURES), len(ACTIVATIONS))
    for ax, (title, surface) in zip(axes.ravel(), surfaces.items(), strict=True):
        surface.plot(ax=ax, title=title, axes=("", ""), name="mean squared error")
    figure.savefig(path)


def main(arguments):
    smoke, files = "--smoke" in arguments, [a for a in arguments if a != "--smoke"]
    epochs, span, seeds = (4, SPAN[::10], SEEDS[:1]) if smoke else (EPOCHS, SPAN, SEEDS)
    begin, surfaces = time.perf_counter(), {}
    print(f"{'architecture':16} {'activation':10} " + " ".join(f"{name:>22}" for name in COLUMNS))
    for architecture in ARCHITECTURES[:1] if smoke else ARCHITECTURES:
        for activation in ACTIVATIONS[1:] if smoke else ACTIVATIONS:
            rows, planes = zip(*(measured(architecture, activation, seed, epochs, span) for seed in seeds), strict=True)
            low, middle, high = (np.quantile(rows, q, axis=0) for q in (0, 0.5, 1))
            words = " ".join(
                f"{f'{m:.3g} ({a:.2g} to {b:.2g})':>22}" for a, m, b in zip(low, middle, high, strict=True)
            )
            name = architecture.__name__.replace("_", " ")
            print(f"{name:16} {activation.__name__:10} {words}", flush=True)
            surfaces[f"{name}, {activation.__name__}"] = planes[0]
    print(f"\n{len(seeds)} seeds, {epochs} epochs, {time.perf_counter() - begin:.0f} s")
    for path in files:
        draw(path, surfaces)


if __name__ == "__main__":
    main(sys.argv[1:])
