"""Norms: BatchNorm over the rows of a batch, LayerNorm over the features of a row; Standardize, Scale, Rescale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphnn import ops
from graphnn.initializers import ones, zeros
from graphnn.layer import Layer, Scope, dense_features, with_features


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Batch normalisation: h' = (h - mean) / sqrt(var + eps) * scale + shift, feature by feature.

    Ioffe & Szegedy, ICML 2015 (arXiv:1502.03167), algorithm 1. In training, mean and var are those of all rows of the
    batch; in evaluation, running averages: running = (1 - momentum) running + momentum new, with the unbiased
    variance, as in algorithm 2. `apply` returns their new values as updates. A batch of a single row has var 0.

    nodes: (n, d) -> (n, d)
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

    def forward(self, params: Scope, graphs: Any) -> Any:
        h = dense_features(graphs)
        d = h.shape[-1:]
        scale, shift = params("scale", d, ones), params("shift", d, zeros)
        mean, var = params("running_mean", d, zeros), params("running_var", d, ones)
        mean, var = ops.stop_gradient(mean), ops.stop_gradient(var)
        if params.train and h.shape[0] > 0:
            n = h.shape[0]
            new_mean, new_var = ops.mean(h, axis=0), ops.var(h, axis=0)
            unbiased = new_var * (n / max(n - 1, 1))
            params.update("running_mean", (1 - self.momentum) * mean + self.momentum * ops.stop_gradient(new_mean))
            params.update("running_var", (1 - self.momentum) * var + self.momentum * ops.stop_gradient(unbiased))
            mean, var = new_mean, new_var
        return with_features(graphs, (h - mean) / ops.sqrt(var + self.eps) * scale + shift)


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Layer normalisation: h' = (h - mean) / sqrt(var + eps) * scale + shift, over the features of each row.

    Ba et al. 2016 (arXiv:1607.06450), eq. 4. Every node is normalised by itself, so a graph never sees its
    neighbours in the batch.

    nodes: (n, d) -> (n, d)
    scale: (d,) ones    shift: (d,) zeros

    >>> import numpy as np
    >>> x = np.array([[1.0, 3.0]])
    >>> LayerNorm()(LayerNorm().init(0, x), x).round(3)
    array([[-1.,  1.]])
    """

    eps: float = 1e-5

    def forward(self, params: Scope, graphs: Any) -> Any:
        h = dense_features(graphs)
        scale, shift = params("scale", h.shape[-1:], ones), params("shift", h.shape[-1:], zeros)
        centred = h - ops.mean(h, axis=-1, keepdims=True)
        var = ops.mean(centred * centred, axis=-1, keepdims=True)
        return with_features(graphs, centred / ops.sqrt(var + self.eps) * scale + shift)


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
            return centre_and_spread(h)[0]

        def spread(rng: Any, shape: tuple[int, ...]) -> Any:
            return centre_and_spread(h)[1]

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
        remedy = "; use targets[:, None]" if targets.ndim == 1 and like.shape == (1,) else ""
        raise ValueError(f"Rescale: expected targets of shape (n, {like.shape[0]}), got {targets.shape}{remedy}")
    known = targets == targets  # noqa: PLR0124 - nan alone differs from itself
    count = known.sum(axis=0)
    if not count.all():
        raise ValueError(f"Rescale: column {int(count.argmin())} has no targets to measure a scale from")
    mean = ops.where(known, targets, 0.0).sum(axis=0) / count
    spread = (ops.where(known, (targets - mean) ** 2, 0.0).sum(axis=0) / count) ** 0.5
    spread[spread == 0] = 1
    return mean.astype(like.dtype), spread.astype(like.dtype)
