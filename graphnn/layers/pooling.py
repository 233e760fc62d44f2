"""From nodes to graphs: sum, mean, max, min, std; and readouts that end a model: Nodes, Edges, Globals."""

from __future__ import annotations

from dataclasses import dataclass

from graphnn import ops
from graphnn.batch import Batch
from graphnn.layer import Layer, Scope, only_graphs
from graphnn.layers.edges import spread
from graphnn.types import Array


@dataclass(frozen=True)
class SumPool(Layer):
    """The sum of the nodes of each graph; 0 for a graph without nodes. (n_nodes, f) -> (n_graphs, f)

    >>> import numpy as np
    >>> from graphnn import pack
    >>> SumPool()({}, pack(nodes=[np.ones((3, 1)), np.ones((0, 1))]))
    array([[3.],
           [0.]])
    """

    def forward(self, params: Scope, graphs: Batch) -> Array:
        graphs = only_graphs(self, graphs)
        return ops.segment_sum(ops.dense(graphs.nodes), graphs.node_segments)


@dataclass(frozen=True)
class MeanPool(Layer):
    """The mean of the nodes of each graph; 0 for a graph without nodes. (n_nodes, f) -> (n_graphs, f)

    >>> import numpy as np
    >>> from graphnn import pack
    >>> MeanPool()({}, pack(nodes=[np.array([[1.0], [3.0]])]))
    array([[2.]])
    """

    def forward(self, params: Scope, graphs: Batch) -> Array:
        graphs = only_graphs(self, graphs)
        return ops.segment_mean(ops.dense(graphs.nodes), graphs.node_segments)


@dataclass(frozen=True)
class MaxPool(Layer):
    """The largest value of each feature in each graph; 0 for a graph without nodes. (n_nodes, f) -> (n_graphs, f)

    >>> import numpy as np
    >>> from graphnn import pack
    >>> MaxPool()({}, pack(nodes=[np.array([[1.0], [3.0]])]))
    array([[3.]])
    """

    def forward(self, params: Scope, graphs: Batch) -> Array:
        graphs = only_graphs(self, graphs)
        return ops.segment_max(ops.dense(graphs.nodes), graphs.node_segments)


@dataclass(frozen=True)
class MinPool(Layer):
    """The smallest value of each feature in each graph; 0 for a graph without nodes. (n_nodes, f) -> (n_graphs, f)

    >>> import numpy as np
    >>> from graphnn import pack
    >>> MinPool()({}, pack(nodes=[np.array([[1.0], [3.0]])]))
    array([[1.]])
    """

    def forward(self, params: Scope, graphs: Batch) -> Array:
        graphs = only_graphs(self, graphs)
        return ops.segment_min(ops.dense(graphs.nodes), graphs.node_segments)


@dataclass(frozen=True)
class StdPool(Layer):
    """The standard deviation of each feature in each graph. (n_nodes, f) -> (n_graphs, f)

    0, with derivative 0, for a graph of one node or none, and wherever the variance is 1e-5 or less, as in PyG's
    StdAggregation: the slope of the root has no bound there.

    >>> import numpy as np
    >>> from graphnn import pack
    >>> StdPool()({}, pack(nodes=[np.array([[1.0], [3.0]]), np.ones((3, 1))]))
    array([[1.],
           [0.]])
    """

    def forward(self, params: Scope, graphs: Batch) -> Array:
        graphs = only_graphs(self, graphs)
        return spread(ops.dense(graphs.nodes), graphs.node_segments)


@dataclass(frozen=True)
class Nodes(Layer):
    """The node features as an array: the end of a model that speaks about nodes. -> (n_nodes, f)

    >>> import numpy as np
    >>> from graphnn import pack
    >>> Nodes()({}, pack(nodes=[np.ones((3, 2))])).shape
    (3, 2)
    """

    def forward(self, params: Scope, graphs: Batch) -> Array:
        graphs = only_graphs(self, graphs)
        return ops.dense(graphs.nodes)


@dataclass(frozen=True)
class Edges(Layer):
    """The edge features as an array: the end of a model that speaks about edges. -> (n_edges, e)

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> Edges()({}, Graph(np.ones((2, 1)), senders=[0], receivers=[1], edges=[[7.0]]))
    array([[7.]])
    """

    def forward(self, params: Scope, graphs: Batch) -> Array:
        graphs = only_graphs(self, graphs)
        if graphs.edges is None:
            raise ValueError("Edges: the graphs have no edge features; pack them with edges=")
        return graphs.edges


@dataclass(frozen=True)
class Globals(Layer):
    """The features of whole graphs as an array. -> (n_graphs, g)

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> Globals()({}, Graph(np.ones((2, 1)), globals=[1.0, 2.0]))
    array([[1., 2.]])
    """

    def forward(self, params: Scope, graphs: Batch) -> Array:
        graphs = only_graphs(self, graphs)
        if graphs.globals is None:
            raise ValueError("Globals: the graphs have no global features; make them with Graph(globals=...)")
        return graphs.globals
