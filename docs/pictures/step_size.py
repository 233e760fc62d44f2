"""A step-size range test on the boiling points of the alkanes: writes step_size.png.

Run from the repository root:  python docs/pictures/step_size.py
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import graphnn as gn

data = gn.datasets.alkanes()
batch, targets = gn.pack(data.graphs, dtype=np.float32), data.boiling_points.reshape(-1, 1).astype(np.float32)
model = gn.Sequential(
    gn.Dense(32, gn.silu),
    gn.Residual(gn.GraphConv(32, gn.silu, kernel=gn.kernels.adjacency)),
    gn.SumPool(),
    gn.Scale(0.1),
    gn.Dense(32, gn.silu),
    gn.Dense(1),
    gn.Rescale(),
)
found = gn.lr_find(model, model.init(0, batch), batch, targets, batch_size=32)

figure = Figure(figsize=(4.8, 3.6), layout="constrained")
ax = found.plot(figure.subplots(), title="Alkanes, Adam, 32 molecules a step")
ax.set_ylabel("squared error (°C²)")
figure.savefig(Path(__file__).with_suffix(".png"), dpi=130)
