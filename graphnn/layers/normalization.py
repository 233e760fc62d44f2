"""Normalisation: over the rows of a batch, the features of a row, the nodes of each graph; fixed scales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphnn import ops
from graphnn.batch import Batch
from graphnn.initializers import ones, zeros
from graphnn.layer import Layer, Scope, dense_features, only_graphs, with_features
from graphnn.types import Array

NO_WIDTH = "norms take no width, they find it in what comes in"


def check_eps(layer: Layer, eps: float) -> None:
    """Raise ValueError unless eps is a small number, which a width given by mistake is not."""
    if not 0 <= eps < 1:
        raise ValueError(f"{type(layer).__name__}: eps is a small number from 0, got {eps}; {NO_WIDTH}")


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Batch normalisation: h' = (h - mean) / sqrt(var + eps) * scale + shift, feature by feature.

    Ioffe & Szegedy, ICML 2015 (arXiv:1502.03167), algorithm 1. In training, mean and var are those of all rows of the
    batch; in evaluation, running averages: running = (1 - momentum) running + momentum new, with the unbiased
    variance, as in algorithm 2. `apply` returns their new values as updates. A batch of a single row has var 0. Of
    images or sequences every pixel and every moment is a row, so that a channel has one mean.

    nodes: (n, d) -> (n, d), or (n, ..., d) -> (n, ..., d)
    scale: (d,) ones    shift: (d,) zeros    running_mean: (d,) zeros    running_var: (d,) ones

    >>> import numpy as np
    >>> x = np.array([[1.0], [3.0]])
    >>> model = BatchNorm()
    >>> out, updates = model.apply(model.init(0, x), x, train=True)
    >>> out.round(3).ravel().tolist(), updates["running_mean"].tolist()
    ([-1.0, 1.0], [0.2])
    """

    momentum: float = 0.1
    eps: float = 1e-5

    def __post_init__(self) -> None:
        if not 0 < self.momentum <= 1:
            raise ValueError(f"BatchNorm: momentum is a share, above 0 and at most 1, got {self.momentum}; {NO_WIDTH}")
        check_eps(self, self.eps)

    def forward(self, params: Scope, graphs: Any) -> Any:
        h = dense_features(graphs)
        d, rows = h.shape[-1:], h if len(h.shape) == 2 else h.reshape((-1, h.shape[-1]))
        scale, shift = params("scale", d, ones), params("shift", d, zeros)
        mean, var = params("running_mean", d, zeros), params("running_var", d, ones)
        mean, var = ops.stop_gradient(mean), ops.stop_gradient(var)
        if params.train and h.shape[0] > 0:
            n = rows.shape[0]
            new_mean, new_var = ops.mean(rows, axis=0), ops.var(rows, axis=0)
            unbiased = new_var * (n / max(n - 1, 1))
            params.update("running_mean", (1 - self.momentum) * mean + self.momentum * ops.stop_gradient(new_mean))
            params.update("running_var", (1 - self.momentum) * var + self.momentum * ops.stop_gradient(unbiased))
            mean, var = new_mean, new_var
        return with_features(graphs, (h - mean) / ops.sqrt(var + self.eps) * scale + shift)


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Layer normalisation: h' = (h - mean) / sqrt(var + eps) * scale + shift.

    Ba et al. 2016 (arXiv:1607.06450), eq. 4. per="node": mean and var are those of the features of each row, as in the
    paper; so every node is normalised by itself. per="graph": those of all numbers of a graph, which keeps what
    distinguishes its nodes and its features (PyTorch Geometric's LayerNorm, whose default this is). Either way a graph
    never sees its neighbours in the batch.

    nodes: (n, d) -> (n, d)
    scale: (d,) ones    shift: (d,) zeros

    Raises ValueError for another `per`.

    >>> import numpy as np
    >>> x = np.array([[1.0, 3.0]])
    >>> LayerNorm()(LayerNorm().init(0, x), x).round(3)
    array([[-1.,  1.]])
    """

    eps: float = 1e-5
    per: str = "node"

    def __post_init__(self) -> None:
        if self.per not in ("node", "graph"):
            raise ValueError(f"LayerNorm: per must be 'node' or 'graph', got {self.per!r}")
        check_eps(self, self.eps)

    def forward(self, params: Scope, graphs: Any) -> Any:
        if self.per == "graph":
            graphs = only_graphs(self, graphs)
        h = dense_features(graphs)
        scale, shift = params("scale", h.shape[-1:], ones), params("shift", h.shape[-1:], zeros)
        mean = ops.mean(h, axis=-1, keepdims=True)
        centred = h - (mean if self.per == "node" else mean_of_graph(mean, graphs))
        var = ops.mean(centred * centred, axis=-1, keepdims=True)
        var = var if self.per == "node" else mean_of_graph(var, graphs)
        return with_features(graphs, centred / ops.sqrt(var + self.eps) * scale + shift)


def mean_of_graph(h: Array, graphs: Batch) -> Array:
    """Return for every node the mean of h over the nodes of its graph. (n_nodes, ...) -> (n_nodes, ...)"""
    return ops.gather(ops.segment_mean(h, graphs.node_segments), graphs.node_segments)


@dataclass(frozen=True)
class InstanceNorm(Layer):
    """Instance normalisation: h' = (h - mean) / sqrt(var + eps), feature by feature over the nodes of each graph.

    Ulyanov et al. 2016 (arXiv:1607.08022), the nodes of a graph in the place of the pixels of an image. With
    affine=True times scale plus shift. The same in training and evaluation: PyTorch Geometric's InstanceNorm without
    its running statistics. A graph of a single node becomes 0 (or the shift).

    nodes: (n_nodes, d) -> (n_nodes, d)
    with affine=True  scale: (d,) ones    shift: (d,) zeros

    >>> import numpy as np
    >>> from graphnn import pack
    >>> InstanceNorm()({}, pack(nodes=[np.array([[1.0], [3.0]]), np.array([[7.0]])])).nodes.round(3).ravel()
    array([-1.,  1.,  0.])
    """

    eps: float = 1e-5
    affine: bool = False

    def __post_init__(self) -> None:
        check_eps(self, self.eps)

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_graphs(self, graphs)
        h = ops.dense(graphs.nodes)
        h = h - mean_of_graph(h, graphs)
        h = h / ops.sqrt(mean_of_graph(h * h, graphs) + self.eps)
        if self.affine:
            h = h * params("scale", h.shape[-1:], ones) + params("shift", h.shape[-1:], zeros)
        return graphs.replace(nodes=h)


@dataclass(frozen=True)
class GraphNorm(Layer):
    """Graph normalisation: c = h - mean_scale * mean,  h' = c / sqrt(mean of c^2 + eps) * scale + shift, per graph.

    Cai et al., ICML 2021 (arXiv:2009.03294): InstanceNorm that learns, feature by feature, how much of the mean to take
    away, for the mean says things about regular graphs that nothing else does. Where mean_scale is not 1, "mean of
    c^2" is not quite a variance, as in the paper and in PyTorch Geometric's GraphNorm.

    nodes: (n_nodes, d) -> (n_nodes, d)
    mean_scale: (d,) ones    scale: (d,) ones    shift: (d,) zeros

    >>> import numpy as np
    >>> from graphnn import pack
    >>> batch = pack(nodes=[np.array([[1.0], [3.0]])])
    >>> params = {**GraphNorm().init(0, batch), "mean_scale": np.zeros(1)}  # keep the mean
    >>> GraphNorm()(params, batch).nodes.round(3).ravel()
    array([0.447, 1.342])
    """

    eps: float = 1e-5

    def __post_init__(self) -> None:
        check_eps(self, self.eps)

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_graphs(self, graphs)
        h = ops.dense(graphs.nodes)
        d = h.shape[-1:]
        scale, shift, mean_scale = params("scale", d, ones), params("shift", d, zeros), params("mean_scale", d, ones)
        h = h - mean_scale * mean_of_graph(h, graphs)
        h = h / ops.sqrt(mean_of_graph(h * h, graphs) + self.eps)
        return graphs.replace(nodes=h * scale + shift)


@dataclass(frozen=True)
class PairNorm(Layer):
    """Pair normalisation: c = h - mean,  h' = scale c / sqrt(mean of |c|^2 + eps), over the nodes of each graph.

    Zhao & Akoglu, ICLR 2020 (arXiv:1909.12223): the mean squared distance of two nodes stays the same however many
    layers there are, so features cannot all become one. With by_node=True every row gets the length `scale` by itself,
    h' = scale c / (|c| + eps): their PairNorm-SI. Differs from the paper: eps, as in PyTorch Geometric's PairNorm, so
    that a graph of a single node, or of equal ones, becomes 0.

    nodes: (n_nodes, d) -> (n_nodes, d);  no parameters

    >>> import numpy as np
    >>> from graphnn import pack
    >>> PairNorm(2.0)({}, pack(nodes=[np.array([[1.0], [3.0]])])).nodes.round(3).ravel()
    array([-2.,  2.])
    """

    scale: float = 1.0
    by_node: bool = False
    eps: float = 1e-5

    def __post_init__(self) -> None:
        check_eps(self, self.eps)

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_graphs(self, graphs)
        h = ops.dense(graphs.nodes)
        h = h - mean_of_graph(h, graphs)
        if self.by_node:
            length = ops.norm(h, keepdims=True) + self.eps
        else:
            length = ops.sqrt(mean_of_graph(ops.sum(h * h, axis=-1, keepdims=True), graphs) + self.eps)
        return graphs.replace(nodes=self.scale * h / length)


@dataclass(frozen=True)
class MeanSubtractionNorm(Layer):
    """Take away the mean of the nodes of each graph: h' = h - mean.

    Yang et al. 2020 (arXiv:2003.13663); PyTorch Geometric's MeanSubtractionNorm. What repeated convolutions drive all
    nodes towards is mostly a mean; without it they stay apart.

    nodes: (n_nodes, d) -> (n_nodes, d);  no parameters

    >>> import numpy as np
    >>> from graphnn import pack
    >>> MeanSubtractionNorm()({}, pack(nodes=[np.array([[1.0], [3.0]]), np.array([[7.0]])])).nodes.ravel()
    array([-1.,  1.,  0.])
    """

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_graphs(self, graphs)
        h = ops.dense(graphs.nodes)
        return graphs.replace(nodes=h - mean_of_graph(h, graphs))


@dataclass(frozen=True)
class Standardize(Layer):
    """The first layer for inputs of any scale: h' = (h - centre) / spread, column by column, as `init` found them.

    A column that is the same in all rows is only divided by its size, so that a constant 1 stays 1. Nothing is
    learned: the numbers are those of the rows given to `init`, which should be those of the training.

    (n, d) -> (n, d);  running_centre: (d,) mean    running_spread: (d,) standard deviation

    >>> import numpy as np
    >>> x = np.array([[1.0, 5.0], [3.0, 5.0]])
    >>> Standardize()(Standardize().init(0, x), x).tolist()
    [[-1.0, 1.0], [1.0, 1.0]]
    """

    def forward(self, params: Scope, graphs: Any) -> Any:
        h = dense_features(graphs)

        def centre(rng: Any, shape: tuple[int, ...]) -> Any:
            return centre_and_spread(h.reshape((-1, h.shape[-1])))[0]

        def spread(rng: Any, shape: tuple[int, ...]) -> Any:
            return centre_and_spread(h.reshape((-1, h.shape[-1])))[1]

        c, s = params("running_centre", h.shape[-1:], centre), params("running_spread", h.shape[-1:], spread)
        return with_features(graphs, (h - ops.stop_gradient(c)) / ops.stop_gradient(s))


def centre_and_spread(h: Any) -> tuple[Any, Any]:
    """Return mean and standard deviation of the columns; of constant ones 0 and their size, never a spread of 0."""
    h = h.astype(float)
    if len(h) == 0:
        return h.sum(axis=0), h.sum(axis=0) + 1
    constant = h.max(axis=0) == h.min(axis=0)
    centre = ops.where(constant, 0.0, h.mean(axis=0))
    largest = abs(h - centre).max(axis=0)
    largest = largest + (largest == 0)
    spread = largest * (((h - centre) / largest) ** 2).mean(axis=0) ** 0.5  # squares of about 1, at any scale
    return centre, spread + (spread == 0)


@dataclass(frozen=True)
class Scale(Layer):
    """Multiply by a number: h' = factor h. A sum over the nodes of a graph comes back to the size of one.

    (n, d) -> (n, d);  no parameters

    >>> import numpy as np
    >>> Scale(0.5)({}, np.array([[4.0]]))
    array([[2.]])
    """

    factor: float

    def forward(self, params: Scope, graphs: Any) -> Any:
        return with_features(graphs, dense_features(graphs) * self.factor)


@dataclass(frozen=True)
class Rescale(Layer):
    """The last layer of a regression: h' = h * running_scale + running_mean, in the units of the targets.

    `fit` sets the two from the training targets, so the layers before it learn standardised numbers while
    `model(params, graphs)` speaks degrees, volts or whatever the targets are in, also after saving and loading. In a
    loop of your own call `set_target_scale(params, targets)` first.

    (n, d) -> (n, d);  running_mean: (d,) zeros    running_scale: (d,) ones

    >>> import numpy as np
    >>> params = Rescale().init(0, np.ones((2, 1)))
    >>> params = set_target_scale(params, np.array([[90.0], [110.0]]))
    >>> Rescale()(params, np.array([[0.0], [1.0]]))
    array([[100.],
           [110.]])
    """

    def forward(self, params: Scope, graphs: Any) -> Any:
        h = dense_features(graphs)
        mean = ops.stop_gradient(params("running_mean", h.shape[-1:], zeros))
        scale = ops.stop_gradient(params("running_scale", h.shape[-1:], ones))
        return with_features(graphs, h * scale + mean)


def set_target_scale(params: dict[str, Any], targets: Any) -> dict[str, Any]:
    """Return the parameters with the Rescale layer, if the model has one, set to the mean and spread of the targets.

    A Rescale that was set before is left alone. targets: (n, d), nan where one is missing; a constant one has scale 1.

    >>> import numpy as np
    >>> params = set_target_scale(Rescale().init(0, np.ones((2, 1))), np.array([[90.0], [110.0]]))
    >>> params["running_mean"].tolist(), params["running_scale"].tolist()
    ([100.0], [10.0])
    """
    out = dict(params)
    for name, scale in params.items():
        path, _, last = name.rpartition(".")
        if last != "running_scale":
            continue
        mean_name = f"{path}.running_mean" if path else "running_mean"
        mean = params.get(mean_name)
        if mean is None:  # somebody else's running_scale
            continue
        if not (scale == 1).all() or not (mean == 0).all():
            continue
        out[mean_name], out[name] = _mean_and_spread(targets, scale)
    return out


def _mean_and_spread(targets: Any, like: Any) -> tuple[Any, Any]:
    """Return mean and standard deviation of every column, over the targets that are there."""
    if targets.shape[1:] != like.shape:
        remedy = ""
        if targets.ndim == 1:
            remedy = "; use targets[:, None]" if like.shape == (1,) else "; for classes leave Rescale out"
        raise ValueError(f"Rescale: expected targets of shape (n, {like.shape[0]}), got {targets.shape}{remedy}")
    known = targets == targets  # noqa: PLR0124 - nan alone differs from itself
    count = known.sum(axis=0)
    if not count.all():
        raise ValueError(f"Rescale: column {int(count.argmin())} has no targets to measure a scale from")
    mean = ops.where(known, targets, 0.0).sum(axis=0) / count
    spread = (ops.where(known, (targets - mean) ** 2, 0.0).sum(axis=0) / count) ** 0.5
    spread[spread == 0] = 1
    return mean.astype(like.dtype), spread.astype(like.dtype)
