"""The graph of a model: layers as nodes, and an edge where the output of one goes into another."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnn.insight.notes import FEATURE
from graphnn.insight.reading import Reading
from graphnn.insight.summary import shapes_of, what_is
from graphnn.layer import Layer, as_input
from graphnn.types import Params, is_statistic


def flow(model: Layer, graphs: Any, params: Params | None = None) -> Any:
    """Return what `Layer.graph` promises, which is also where it is explained."""
    import networkx as nx

    data = as_input(graphs)
    seen = Reading(model, model.init(0, data) if params is None else params, data, features=True)
    edges = [
        (part if source == FEATURE else seen.uses[source].label, use.label)
        for use in seen.layers
        for source, part in seen.sources(use)
    ]
    net = nx.DiGraph()
    for name, array in seen.entered.items():
        if any(begin == name for begin, _ in edges):
            net.add_node(name, kind="input", what="", layer=None, scope="", shape=array.shape, params=(), size=0)
    for use in seen.layers:
        names = tuple(seen.weights(use))
        net.add_node(
            use.label,
            kind=type(use.layer).__name__,
            what=what_is(use),
            layer=use.layer,
            scope=use.path,
            shape=shapes_of(use),
            params=names,
            size=int(sum(np.size(seen.params[name]) for name in names if not is_statistic(name))),
        )
    net.add_edges_from(edges)
    return net
