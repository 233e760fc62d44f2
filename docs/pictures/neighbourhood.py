"""Draw docs/pictures/neighbourhood.png: what one unit of a trained network says about each node, and about one of them.

Zachary's karate club, of which two members have told their side. The unit is the one of the first convolution that
varies most over the members; the ringed member is the one it answers to most.
python docs/pictures/neighbourhood.py, from the root of the repository.
"""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
from matplotlib import pyplot

import graphnn as gn
from graphnn.plot import graph_scores, neighbourhood

club = gn.datasets.karate()
kernel = gn.kernels.normalized_adjacency
model = gn.Sequential(gn.GraphConv(16, gn.relu, kernel=kernel), gn.GraphConv(2, kernel=kernel), gn.Nodes())
told = np.isin(np.arange(club.graph.n_nodes), [0, 33])
params, _ = gn.fit(
    model, model.init(0, club.graph), gn.pack(club.graph), club.labels,
    loss=gn.cross_entropy, per="node", mask=told, epochs=200, seed=0,
)  # fmt: skip

answers = gn.watch(model, params, club.graph)["0.graphconv"]
unit = int(answers.var(axis=0).argmax())
ranking = np.argsort(-answers[:, unit])
network = nx.Graph(gn.to_networkx(club.graph))
places = nx.kamada_kawai_layout(network, weight=None)
places = nx.spring_layout(network, pos=places, iterations=3, k=0.5, weight=None, seed=0)  # 32 and 33 not so close
places = {node: (y, -x) for node, (x, y) in places.items()}  # lying down
print("it answers most to members", ranking[:5].tolist())

figure, (whole, near) = pyplot.subplots(1, 2, figsize=(9, 3.9), layout="constrained", width_ratios=(1.3, 1))
graph_scores(
    network, answers[:, unit], positions=places, ax=whole, name=f"activation of unit {unit}", title="Everyone",
)  # fmt: skip
neighbourhood(
    network, ranking[0], answers[:, unit], hops=1, ax=near, name=f"activation of unit {unit}",
    title=f"Member {ranking[0]} and its neighbours",
)  # fmt: skip
for ax in (whole, near):
    ax.set_aspect("equal", adjustable="datalim")
figure.savefig(Path(__file__).with_suffix(".png"), dpi=108)
