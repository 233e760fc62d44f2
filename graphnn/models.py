"""Ready models, each a few lines of composition: read them as examples, copy them and change them."""

from __future__ import annotations

from collections.abc import Sequence

from graphnn import kernels
from graphnn.layer import Layer
from graphnn.layers import (
    DMPNN,
    Dense,
    Dropout,
    EdgesToNodes,
    GATConv,
    GINConv,
    GraphConv,
    NeuralFingerprint,
    Nodes,
    Rescale,
    Residual,
    Scale,
    Sequential,
    SumPool,
)
from graphnn.ops import silu

TASKS = ("regression", "classification")
LEVELS = ("graph", "node")


def gcn(
    outputs: int, *, width: int = 64, depth: int = 3, task: str = "regression", level: str = "graph",
    edges: bool = False, scale: float = 0.1, rate: float = 0.0,
) -> Sequential:  # fmt: skip
    """Return graph convolutions with skip connections, in the kernel of Kipf & Welling (see `GraphConv`).

    outputs: how many numbers or classes;  width, depth: of the convolutions;  task: regression ends in Rescale
    level: "graph" sums the nodes of each graph and maps that, "node" maps each node
    edges: whether nodes start with the sum of their edges' features beside their own
    scale: what the sum over nodes is multiplied by: one over the usual number of nodes brings it to the size of one
    rate: of dropout on the hidden features in front of the last layers

    Raises ValueError for an unknown task or level.

    >>> from graphnn import datasets
    >>> data = datasets.alkanes()
    >>> model = gcn(1, width=8, depth=1)
    >>> model(model.init(0, data.graphs[:3]), data.graphs[:3]).shape
    (3, 1)
    """
    convolutions = [Residual(GraphConv(width, silu, kernel=kernels.normalized_adjacency)) for _ in range(depth)]
    return _around(convolutions, outputs, width, task, level, edges, scale, rate)


def gin(
    outputs: int, *, width: int = 64, depth: int = 3, task: str = "regression", level: str = "graph",
    edges: bool = False, scale: float = 0.1, rate: float = 0.0,
) -> Sequential:  # fmt: skip
    """Return graph isomorphism layers with skip connections: sums over neighbours, so that counts are seen.

    The arguments are those of `gcn`; the layers are `GINConv`.

    >>> from graphnn import datasets
    >>> club = datasets.karate()
    >>> model = gin(2, width=8, depth=2, task="classification", level="node")
    >>> model(model.init(0, club.graph), club.graph).shape
    (34, 2)
    """
    convolutions = [Residual(GINConv(width, silu)) for _ in range(depth)]
    return _around(convolutions, outputs, width, task, level, edges, scale, rate)


def gat(
    outputs: int, *, width: int = 64, depth: int = 3, heads: int = 4, task: str = "regression", level: str = "graph",
    edges: bool = False, scale: float = 0.1, rate: float = 0.0,
) -> Sequential:  # fmt: skip
    """Return graph attention layers with skip connections, which look at edge features if there are any.

    heads: of each `GATConv`, a divisor of width; the rest as in `gcn`

    >>> from graphnn import datasets
    >>> club = datasets.karate()
    >>> model = gat(2, width=8, depth=1, heads=2, task="classification", level="node")
    >>> model(model.init(0, club.graph), club.graph).shape
    (34, 2)
    """
    convolutions = [Residual(GATConv(width, heads, silu, edges=edges)) for _ in range(depth)]
    return _around(convolutions, outputs, width, task, level, False, scale, rate)


def dmpnn(
    outputs: int, *, width: int = 64, depth: int = 3, task: str = "regression", level: str = "graph",
    scale: float = 0.1, rate: float = 0.0,
) -> Sequential:  # fmt: skip
    """Return messages along directed bonds (see `DMPNN`), for graphs with edge features.

    depth: how often messages are passed;  the rest as in `gcn`

    >>> from graphnn import Graph
    >>> pair = Graph([[1.0], [2.0]], [0, 1], [1, 0], edges=[[1.0], [1.0]])
    >>> model = dmpnn(1, width=8)
    >>> model(model.init(0, pair), pair).shape
    (1, 1)
    """
    return Sequential(DMPNN(width, depth), *_pool(level, scale), *_head(outputs, width, task, rate))


def fingerprint(
    outputs: int, *, width: int = 64, depth: int = 3, size: int = 128, max_degree: int = 6, task: str = "regression",
    scale: float = 0.1, rate: float = 0.0,
) -> Sequential:  # fmt: skip
    """Return a model on the neural fingerprint of Duvenaud et al. 2015 (see `NeuralFingerprint`).

    size: of the fingerprint;  max_degree: of a node;  the rest as in `gcn`

    >>> from graphnn import datasets
    >>> data = datasets.alkanes()
    >>> model = fingerprint(1, width=8, depth=2, size=16)
    >>> model(model.init(0, data.graphs[:3]), data.graphs[:3]).shape
    (3, 1)
    """
    read = NeuralFingerprint(size, width=width, depth=depth, max_degree=max_degree, activation=silu)
    return Sequential(read, Scale(scale), *_head(outputs, width, task, rate))


def _around(
    convolutions: Sequence[Layer], outputs: int, width: int, task: str, level: str, edges: bool, scale: float,
    rate: float,
) -> Sequential:  # fmt: skip
    """Return the convolutions between a map of the inputs and the head."""
    inputs = [*([EdgesToNodes()] if edges else []), Dense(width, silu)]
    return Sequential(*inputs, *convolutions, *_pool(level, scale), *_head(outputs, width, task, rate))


def _pool(level: str, scale: float) -> list[Layer]:
    if level not in LEVELS:
        raise ValueError(f"level must be one of {', '.join(LEVELS)}, got {level!r}")
    return [SumPool(), Scale(scale)] if level == "graph" else [Nodes()]


def _head(outputs: int, width: int, task: str, rate: float) -> list[Layer]:
    if task not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}, got {task!r}")
    noise = [Dropout(rate)] if rate else []
    return [*noise, Dense(width, silu), Dense(outputs), *([Rescale()] if task == "regression" else [])]
