"""Noise that acts in training only: on features, nodes, edges, paths and weights. Evaluation is the identity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphnn import ops
from graphnn.batch import Batch
from graphnn.layer import Layer, Scope, dense_features, features, only_graphs, with_features
from graphnn.types import is_statistic


def check_rate(layer: Layer, rate: float) -> None:
    """Raise ValueError unless the rate is a probability of dropping."""
    if not 0 <= rate < 1:
        raise ValueError(
            f"{type(layer).__name__}: rate is the probability of dropping and must lie in [0, 1), got {rate}"
        )


@dataclass(frozen=True)
class Dropout(Layer):
    """Dropout: in training each number is set to 0 with probability `rate`, the others multiplied by 1 / (1 - rate).

    Srivastava et al., JMLR 2014, in the inverted form: evaluation changes nothing and needs no scaling. The noise is
    a function of the `rng` given to `apply`, of the layer's name and of how often it was used in this call. Constant
    sparse features are dropped entry by entry and stay sparse.

    (n, d) -> (n, d)

    >>> import numpy as np
    >>> out, _ = Dropout(0.5).apply({}, np.ones((2, 4)), train=True, rng=(0, 0))
    >>> sorted(set(out.ravel().tolist()))
    [0.0, 2.0]
    """

    rate: float

    def __post_init__(self) -> None:
        check_rate(self, self.rate)

    def forward(self, params: Scope, graphs: Any) -> Any:
        if not params.train or self.rate == 0:
            return graphs
        h = features(graphs)
        if isinstance(h, ops.SparseMatrix):
            return with_features(graphs, h.with_values(ops.dropout(h.values, self.rate, params.rng())))
        return with_features(graphs, ops.dropout(h, self.rate, params.rng()))


@dataclass(frozen=True)
class NodeDropout(Layer):
    """In training each row is set to 0 as a whole with probability `rate`, the others multiplied by 1 / (1 - rate).

    DropNode of Feng et al., NeurIPS 2020 (arXiv:2005.11079): a node falls silent, so its neighbours have to do
    without it; it still listens. PyTorch Geometric's dropout_node is another thing, it removes the edges of some nodes
    and rescales nothing. Constant sparse features stay sparse.

    (n, d) -> (n, d)

    >>> import numpy as np
    >>> NodeDropout(0.5).apply({}, np.ones((4, 2)), train=True, rng=(0, 0))[0].sum(axis=1)
    array([0., 0., 4., 4.])
    """

    rate: float

    def __post_init__(self) -> None:
        check_rate(self, self.rate)

    def forward(self, params: Scope, graphs: Any) -> Any:
        if not params.train or self.rate == 0:
            return graphs
        h = features(graphs)
        if isinstance(h, ops.SparseMatrix):
            return with_features(
                graphs, h.scale(rows=ops.dropout(ops.Segments.apart(h.shape[0]).ones(h.dtype), self.rate, params.rng()))
            )
        return with_features(graphs, ops.dropout(h, self.rate, params.rng(), by_row=True))


@dataclass(frozen=True)
class EdgeDropout(Layer):
    """In training each edge is gone with probability `rate`; with undirected=True its two directions go together.

    DropEdge of Rong et al., ICLR 2020 (arXiv:1907.10903). Edges that stay keep their weights, nothing is
    rescaled; kernels made of edges are computed anew, so the degrees of `normalized_adjacency` are those of what is
    left, as in the paper. Kernels that the graphs came with stay. PyTorch Geometric: dropout_edge.

    All layers behind see the thinner graphs. With an `inner` layer only that one does, and what it gives stands on the
    whole graphs again: the paper's layer-wise form. Edge and weight gradients are those of the edges that stayed.

    undirected: see `Packed.bonds` for which edges are two directions of one

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> pair = Graph(np.ones((2, 1)), senders=[0, 1], receivers=[1, 0])
    >>> EdgeDropout(0.5, undirected=True).apply({}, pair, train=True, rng=(0, 1))[0].n_edges
    0
    """

    rate: float
    inner: Callable | None = None
    undirected: bool = False

    def __post_init__(self) -> None:
        check_rate(self, self.rate)

    def forward(self, params: Scope, graphs: Batch) -> Any:
        graphs = only_graphs(self, graphs)
        thinner = graphs
        if params.train and self.rate > 0:
            bonds = _bonds(graphs, self.undirected)
            thinner = graphs.keep_edges(ops.keep_edges(bonds, self.rate, params.rng()))
        return _around(self.inner, params, graphs, thinner)


@dataclass(frozen=True)
class PathDropout(Layer):
    """In training whole paths are gone, a share `rate` of all edges of the batch on average.

    Random walks of `length` edges, one starting from each edge, fall in random order until that share is reached; what
    is left has holes that no single edge spans. Li et al., KDD 2023 (arXiv:2205.10053, MaskGAE) mask paths in this
    manner. Differs from them and from PyTorch Geometric's dropout_path: there a rate is how many walks start, and the
    share of edges that fall is whatever comes of it; here it is the share. Every edge falls at times, those in the
    middle of things more often. What else is said of EdgeDropout holds here.

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> ring = Graph(np.ones((6, 1)), senders=range(6), receivers=[1, 2, 3, 4, 5, 0])
    >>> PathDropout(0.5, length=3).apply({}, ring, train=True, rng=(0, 0))[0].senders
    array([0, 4, 5])
    """

    rate: float
    length: int = 3
    inner: Callable | None = None
    undirected: bool = False

    def __post_init__(self) -> None:
        check_rate(self, self.rate)
        if self.length < 1:
            raise ValueError(f"PathDropout: a path has a length of 1 edge or more, got {self.length}")

    def forward(self, params: Scope, graphs: Batch) -> Any:
        graphs = only_graphs(self, graphs)
        thinner = graphs
        if params.train and self.rate > 0:
            bonds = _bonds(graphs, self.undirected)
            kept = ops.keep_paths(graphs.senders, graphs.receivers, bonds, self.rate, self.length, params.rng())
            thinner = graphs.keep_edges(kept)
        return _around(self.inner, params, graphs, thinner)


def _bonds(graphs: Batch, undirected: bool) -> ops.Segments:
    """Return which edges fall together: those of one bond, or each alone."""
    return graphs.packed.bonds if undirected else ops.Segments.apart(graphs.n_edges)


def _around(inner: Callable | None, params: Scope, graphs: Batch, thinner: Batch) -> Any:
    """Return the thinner graphs, or the nodes and globals that the inner layer makes of them, on the whole graphs.

    Its edges stay behind: in training there are too few of them for the whole graphs.
    """
    if inner is None:
        return thinner
    out = inner(params.scope("inner"), thinner)
    return graphs.replace(nodes=out.nodes, globals=out.globals) if isinstance(out, Batch) else out


@dataclass(frozen=True)
class DropConnect(Layer):
    """In training each weight of the inner layer is 0 with probability `rate`, the others times 1 / (1 - rate).

    Wan et al., ICML 2013: h' = activation(h (M * W) + b). "Weights" are the parameters of two or more dimensions, in
    layers inside the inner one too; biases, scales and running statistics stay. Differs from the paper: one mask M for
    a whole batch instead of one for each row, no mask on biases, and evaluation takes the mean of the weights (which
    the factor keeps) instead of sampling the layer's input from a normal law. Parameters keep their names:
    "inner.weight".

    >>> import numpy as np
    >>> from graphnn.layers.dense import Dense
    >>> layer, x = DropConnect(Dense(3), 0.5), np.ones((2, 1))
    >>> out, _ = layer.apply({"inner.weight": np.ones((1, 3)), "inner.bias": np.ones(3)}, x, train=True, rng=(0, 3))
    >>> out
    array([[1., 3., 3.],
           [1., 3., 3.]])
    """

    inner: Callable
    rate: float

    def __post_init__(self) -> None:
        check_rate(self, self.rate)

    def forward(self, params: Scope, graphs: Any) -> Any:
        inner = params.scope("inner")
        if params.train and self.rate > 0:
            weights = {name: value for name, value in inner.items() if _is_matrix(value) and not is_statistic(name)}
            noise = {name: inner.scope(name).rng() for name in sorted(weights)}
            inner = inner.replace({name: ops.dropout(weights[name], self.rate, noise[name]) for name in noise})
        return self.inner(inner, graphs)


def _is_matrix(value: Any) -> bool:
    return getattr(value, "ndim", 0) > 1


@dataclass(frozen=True)
class GaussianNoise(Layer):
    """In training h' = h + normal noise of standard deviation `scale`; evaluation is the identity.

    (n, d) -> (n, d);  no parameters

    Raises ValueError for a scale that is negative or nan.

    >>> import numpy as np
    >>> GaussianNoise(0.1).apply({}, np.ones((1, 2)), train=True, rng=(0, 0))[0].round(2)
    array([[0.95, 0.93]])
    """

    scale: float

    def __post_init__(self) -> None:
        if not self.scale >= 0:
            raise ValueError(f"GaussianNoise: scale is a standard deviation, 0 or more, got {self.scale}")

    def forward(self, params: Scope, graphs: Any) -> Any:
        if not params.train or self.scale == 0:
            return graphs
        return with_features(graphs, ops.add_noise(dense_features(graphs), self.scale, params.rng()))
