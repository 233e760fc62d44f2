"""What the layers that go by edges share: they need edges, perhaps edge features, and put together what arrives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphnn import ops
from graphnn.batch import Batch
from graphnn.checks import GraphError
from graphnn.layer import Layer, only_graphs
from graphnn.types import Array

SMALLEST_VARIANCE = 1e-5


def only_edges(layer: Layer, graphs: Any) -> Batch:
    """Return the batch a layer needs whose messages run along edges; refuse graphs that have kernels in their place."""
    packed = only_graphs(layer, graphs).packed
    if packed.kernels and not packed.came_with_edges and packed.n_nodes > packed.n_graphs:
        raise GraphError(
            "edges",
            f"these graphs came with kernels and no edges, and {type(layer).__name__} goes by the edges of a node; "
            "give senders and receivers to each Graph, or use GraphConv",
        )
    return graphs


def rows_of_features(layer: Layer, graphs: Batch) -> None:
    """Refuse nodes with an axis of time, which would meet that of the edges."""
    if len(graphs.nodes.shape) != 2:
        raise ValueError(
            f"{type(layer).__name__} needs nodes (n_nodes, d), got {graphs.nodes.shape}; "
            "for frames of time write a loop, or Recurrent(GraphGRUCell(...))"
        )


def edge_features(layer: Layer, graphs: Batch) -> Array:
    """Return the edge features a layer cannot do without, whose nodes must be rows of features."""
    rows_of_features(layer, graphs)
    if graphs.edges is None:
        raise GraphError(
            "edges", f"{type(layer).__name__} needs edge features and there are none; give Graph(..., edges=...)"
        )
    return graphs.edges


def weighted(messages: Array, graphs: Batch) -> Array:
    """Return one row for each edge times the weight of that edge, if there are weights. (n_edges, f) -> same"""
    return messages if graphs.weights is None else messages * graphs.weights.reshape((-1, 1))


def spread(messages: Array, segments: ops.Segments) -> Array:
    """Return the standard deviation of each segment, 0 where the variance is 1e-5 or less.

    The slope of the root has no bound near 0; both the paper of PNA and PyG stop at this variance.

    >>> import numpy as np
    >>> spread(np.array([[1.0], [3.0], [7.0]]), ops.Segments(np.array([0, 0, 1]), 2))
    array([[1.],
           [0.]])
    """
    variance = ops.segment_var(messages, segments)
    return ops.sqrt(ops.where(variance > SMALLEST_VARIANCE, variance, 0.0))


AGGREGATES: dict[str, Callable[[Array, ops.Segments], Array]] = {
    "mean": ops.segment_mean,
    "sum": ops.segment_sum,
    "max": ops.segment_max,
    "min": ops.segment_min,
    "std": spread,
}


def check_names(layer: Layer, field: str, names: tuple[str, ...], known: tuple[str, ...]) -> None:
    """Raise ValueError unless all names are known ones.

    >>> check_names(Layer(), "aggregate", ("median",), ("mean", "max"))
    Traceback (most recent call last):
    ...
    ValueError: Layer: aggregate 'median' is not known; use one of 'mean', 'max'
    """
    for name in names:
        if name not in known:
            wanted = ", ".join(map(repr, known))
            raise ValueError(f"{type(layer).__name__}: {field} {name!r} is not known; use one of {wanted}")
