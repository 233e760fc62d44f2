"""The gradients of a network that learns the boiling points of the alkanes, layer by layer: writes gradients.png.

Run from the repository root:  python docs/pictures/gradients.py
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import graphnn as gn

data = gn.datasets.alkanes()
batch, targets = gn.pack(data.graphs, dtype=np.float32), data.boiling_points.reshape(-1, 1).astype(np.float32)
model = gn.Sequential(
    embed=gn.Dense(32, gn.silu),
    conv1=gn.Residual(gn.GraphConv(32, gn.silu, kernel=gn.kernels.adjacency)),
    conv2=gn.Residual(gn.GraphConv(32, gn.silu, kernel=gn.kernels.adjacency)),
    pool=gn.SumPool(),
    small=gn.Scale(0.1),
    hidden=gn.Dense(32, gn.silu),
    head=gn.Dense(1),
    units=gn.Rescale(),
)
monitor = gn.GradientMonitor(every=10)
optimizer = gn.adam(gn.schedules.Cosine(0.01, 600, end=1e-4))
gn.fit(model, model.init(0, batch), batch, targets, optimizer=optimizer, epochs=600, callbacks=[monitor])

figure = Figure(figsize=(9.6, 3.6), layout="constrained")
left, right = figure.subplots(1, 2)
monitor.plot(left, title="Gradients")
monitor.plot(right, what="change/weight", title="How far each layer moves")
figure.savefig(Path(__file__).with_suffix(".png"), dpi=130)
