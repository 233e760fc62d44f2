"""Draw docs/pictures/watch.png: what every layer of a trained network gives, and the gradient that comes back to it.

Boiling points of the alkanes, with units that can die (relu) and steps that are larger than is good for them.
python docs/pictures/watch.py, from the root of the repository.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

import graphnn as gn
from graphnn.plot import activations

alkanes = gn.datasets.alkanes()
molecules, y = gn.pack(alkanes.graphs), alkanes.boiling_points
model = gn.Sequential(
    gn.Dense(32, gn.relu),
    gn.Residual(gn.GraphConv(32, gn.relu, kernel=gn.kernels.adjacency)),
    gn.Residual(gn.GraphConv(32, gn.relu, kernel=gn.kernels.adjacency)),
    gn.SumPool(),
    gn.Scale(0.1),
    gn.Dense(32, gn.relu),
    gn.Dense(1),
    gn.Rescale(),
)
params, _ = gn.fit(model, model.init(0, molecules), molecules, y, epochs=150, optimizer=gn.adam(0.03), seed=0)


def error(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return gn.mean_squared_error(predictions, targets)


seen = gn.watch(model, params, molecules, partial(error, targets=y))
print(seen)
activations(seen).savefig(Path(__file__).with_suffix(".png"), dpi=130)
