"""One node that knows a whole graph: VirtualNode."""

from __future__ import annotations

from dataclasses import dataclass

from graphnn import ops
from graphnn.batch import Batch
from graphnn.checks import GraphError
from graphnn.initializers import zeros
from graphnn.layer import Layer, Scope, only_graphs


@dataclass(frozen=True)
class VirtualNode(Layer):
    """A layer around which every graph has a node that is joined with all of its nodes, and has a state v of its own.

        h_i <- h_i + v of its graph        v' = update(v + sum of the h_i)        h' = inner(h)

    Gilmer et al., ICML 2017 (arXiv:1704.01212), section 5.2, "virtual graph elements", in the form of the Open Graph
    Benchmark (Hu et al. 2020, arXiv:2005.00687). v is the `globals` of the graphs: it goes from one VirtualNode of a
    model to the next, `Globals()` reads it out, and globals that came with the graphs are where it starts; without
    any it starts from a learned row, 0 at first. Differs from OGB: dropout and norms are put into `update`, and the
    last layer too makes a new v. PyG has no such layer; its transform of the name adds a node and edges to each graph.

    nodes: (n_nodes, d), globals: (n_graphs, d) or None  ->  those of inner, globals as wide as `update` makes them
    start: (d,)  zeros, where the graphs have no globals;  "inner." and "update." and what those layers have

    Nothing is made for each edge. Raises GraphError for globals of another width than the nodes, TypeError where
    `inner` returns no graphs.

    >>> import numpy as np
    >>> from graphnn import Dense, Graph, Globals, Sequential
    >>> far = Graph(np.array([[1.0], [2.0], [4.0]]))  # no edges
    >>> model = Sequential(VirtualNode(Dense(1), Dense(1)), Globals())
    >>> params = model.init(0, far) | {"0.virtualnode.update.weight": np.array([[10.0]])}
    >>> model(params, far)
    array([[70.]])
    """

    inner: Layer
    update: Layer

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_graphs(self, graphs)
        h, v = ops.dense(graphs.nodes), graphs.globals
        d = h.shape[1]
        if v is None:
            v = ops.zeros((graphs.n_graphs, d), h.dtype) + params("start", (d,), zeros)
        if v.shape[1] != d:
            raise GraphError(
                "globals",
                f"VirtualNode adds the {v.shape[1]} columns of the globals to the {d} of the nodes; bring the nodes to "
                f"that width first, Dense({v.shape[1]}), or let `update` give as many columns as `inner`",
            )
        h = h + ops.gather(v, graphs.node_segments)
        v = self.update(params.scope("update"), v + ops.segment_sum(h, graphs.node_segments))
        out = self.inner(params.scope("inner"), graphs.replace(nodes=h))
        if not isinstance(out, Batch):
            raise TypeError(
                f"VirtualNode: {type(self.inner).__name__} returns no graphs; put the pool behind VirtualNode"
            )
        return out.replace(globals=v)
