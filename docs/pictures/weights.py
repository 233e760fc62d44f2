"""Draw docs/pictures/weights.png: what a trained network has learned, as heat maps.

Boiling points of the alkanes. The first layer is told how many carbon neighbours an atom has, so its rows have names;
methane, the only atom without any, is so far from the others that half of the units are about it.
python docs/pictures/weights.py, from the root of the repository.
"""

from __future__ import annotations

from pathlib import Path

import graphnn as gn
from graphnn.plot import weights

alkanes = gn.datasets.alkanes()
molecules, y = gn.pack(alkanes.graphs), alkanes.boiling_points
model = gn.Sequential(
    gn.Dense(16, gn.silu),
    gn.Residual(gn.GraphConv(16, gn.silu, kernel=gn.kernels.adjacency)),
    gn.SumPool(),
    gn.Scale(0.1),
    gn.Dense(1),
    gn.Rescale(),
)
params, _ = gn.fit(model, model.init(0, molecules), molecules, y, epochs=400, optimizer=gn.adam(0.01), seed=0)
neighbours = [f"{n} neighbour{'' if n == 1 else 's'}" for n in range(5)]
figure = weights(params, "[01].*weight", rows={"0.dense.weight": neighbours})
figure.savefig(Path(__file__).with_suffix(".png"), dpi=120)
