"""The karate club from two labels: a learned convolution beside propagation with the same kernel.

Zachary's club split between its instructor (member 0) and its officer (member 33). Knowing only which side these two
took, which side does everyone take? Both answers move labels along one kernel object, the normalised adjacency: the
propagation with nothing to learn, the convolution with weights between the steps.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import graphnn as gn
from graphnn.propagation import spread_labels

KERNEL = gn.kernels.normalized_adjacency
SEEDS, EPOCHS = range(10), 200


def network() -> gn.Sequential:
    """Return the learned model: two convolutions along the kernel."""
    return gn.Sequential(
        gn.GraphConv(16, gn.relu, kernel=KERNEL), gn.Dropout(0.2), gn.GraphConv(2, kernel=KERNEL), gn.Nodes()
    )


def learned(club: Any, seen: np.ndarray, seed: int, epochs: int) -> np.ndarray:
    """Return the logits (n_nodes, 2) of a convolution trained on the seen members."""
    model = network()
    params = model.init(seed, club.graph)
    params, _ = gn.fit(
        model, params, gn.pack(club.graph), club.labels,
        loss=gn.cross_entropy, per="node", mask=seen, epochs=epochs, seed=seed,
    )  # fmt: skip
    return model(params, club.graph)


def run(out: Path, smoke: bool = False) -> str:
    """Run both, draw them, and return the table."""
    club = gn.datasets.karate()
    seen = np.isin(np.arange(club.graph.n_nodes), [0, 33])
    unseen = ~seen
    spread = spread_labels(club.graph, club.labels, seen, kernel=KERNEL)
    runs = [learned(club, seen, seed, 5 if smoke else EPOCHS) for seed in (SEEDS[:2] if smoke else SEEDS)]
    right = [int((logits.argmax(axis=1) == club.labels)[unseen].sum()) for logits in runs]
    fixed = int((spread.argmax(axis=1) == club.labels)[unseen].sum())
    picture = _draw(out, club, spread, runs[0], fixed, right[0])
    n = int(unseen.sum())
    lines = [
        f"Karate club, two labels known, {n} members to place; kernel {KERNEL.__name__}, tie weights used",
        "",
        f"{'':34}{'right of ' + str(n):>16}",
        f"{'propagation, nothing learned':34}{fixed:>16}",
        f"{'convolution, mean of ' + str(len(right)) + ' seeds':34}{np.mean(right):>10.1f} ± {np.std(right):.1f}",
        f"{'everyone with the instructor':34}{int((club.labels[unseen] == 0).sum()):>16}",
        "",
        f"picture  {picture}",
    ]
    return "\n".join(lines)


def _draw(out: Path, club: Any, spread: np.ndarray, logits: np.ndarray, fixed: int, right: int) -> Path:
    """Draw the club twice, coloured by how much each member leans to the officer's side."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from graphnn.insight.plot import graph_scores

    share = spread[:, 1] / spread.sum(axis=1)
    probability = np.exp(logits[:, 1] - np.logaddexp(logits[:, 0], logits[:, 1]))
    figure = Figure(figsize=(11, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    left, beside = figure.subplots(1, 2)
    n = len(share) - 2
    graph_scores(club.networkx, share, ax=left, name="share of the officer", title=f"Propagation: {fixed} of {n} right")
    graph_scores(
        club.networkx, probability, ax=beside, name="probability of the officer",
        title=f"Learned convolution, first seed: {right} of {n} right",
    )  # fmt: skip
    path = out / "karate.png"
    figure.savefig(path, dpi=150)
    return path
