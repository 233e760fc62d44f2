"""Draw docs/pictures/model_graph.png: a model whose ways around, branches and shared weights a run has found.

python docs/pictures/model_graph.py, from the root of the repository.
"""

from __future__ import annotations

from pathlib import Path

import graphnn as gn
from graphnn.plot import model_graph

adjacency = gn.kernels.adjacency
model = gn.Sequential(
    gn.Dense(32, gn.silu),
    gn.Residual(gn.GraphConv(32, gn.silu, kernel=adjacency)),
    gn.Repeat(gn.GraphConv(32, gn.silu, kernel=adjacency), 2),
    gn.Concat(gn.SumPool(), gn.MaxPool()),
    gn.Parallel(boiling_point=gn.MLP((32, 1), gn.silu), spread=gn.Dense(1, gn.softplus)),
)
molecules = gn.pack(gn.datasets.alkanes().graphs)
ax = model_graph(model.graph(molecules))
ax.figure.savefig(Path(__file__).with_suffix(".png"), dpi=130)
