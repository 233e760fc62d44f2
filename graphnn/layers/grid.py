"""Layers on grids: sequences (n, length, c) and images (n, h, w, c), channels last. What a window sees is one row.

A grid is a graph, and a convolution of images one of graphs: on `grid_graph(image)` it is MultiKernelConv with the
kernels `kernels.Offset((down, right))`, one for each cell of the window.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphnn import ops
from graphnn.batch import Batch
from graphnn.initializers import glorot, zeros
from graphnn.layer import Layer, Scope
from graphnn.ops import identity
from graphnn.types import Array

Extent = int | tuple[int, ...]
"""One number for all axes of a grid, or one for each."""


@dataclass(frozen=True)
class Conv1D(Layer):
    """Convolution of sequences: h'_t = activation(sum over k of h_(stride t + k - padding) W_k + b), 0 outside.

    The formula of torch.nn.Conv1d (a cross-correlation, as everywhere in the field) with channels last. There are
    (length + 2 padding - size) // stride + 1 places; padding=size // 2 keeps the length for an odd size.

    (n, length, c) -> (n, places, width)
    weight: (size * c, width) glorot, W_k its rows k c, ..., k c + c - 1    bias: (width,) zeros
    Materialises the windows, n * places * size * c numbers.

    Raises ValueError for arrays of another number of axes, and a window larger than the padded grid.

    >>> import numpy as np
    >>> x = np.array([[[1.0], [2.0], [4.0]]])
    >>> Conv1D(1, size=2)({"weight": np.array([[-1.0], [1.0]]), "bias": np.zeros(1)}, x)  # differences
    array([[[1.],
            [2.]]])
    """

    width: int
    size: int = 3
    activation: Callable = identity
    stride: int = 1
    padding: int = 0

    def forward(self, params: Scope, x: Array) -> Array:
        return _convolved(self, params, x, _frame(self, x, 1))


@dataclass(frozen=True)
class Conv2D(Layer):
    """Convolution of images: h'_ij = activation(sum over k, l of h_(stride i + k - padding, ...) W_kl + b), 0 outside.

    The formula of torch.nn.Conv2d (a cross-correlation) with channels last. size, stride, padding: one number, or one
    for rows and one for columns; padding=size // 2 keeps the shape for an odd size.

    (n, h, w, c) -> (n, places down, places across, width)
    weight: (size * size * c, width) glorot, from torch: weight.permute(2, 3, 1, 0).reshape(-1, width); bias: zeros
    Materialises the windows, n * places * size * size * c numbers.

    Raises ValueError for arrays of another number of axes, and a window larger than the padded grid.

    >>> import numpy as np
    >>> model = Conv2D(8, size=3, padding=1)
    >>> model(model.init(0, np.ones((2, 5, 4, 3))), np.ones((2, 5, 4, 3))).shape
    (2, 5, 4, 8)
    """

    width: int
    size: Extent = 3
    activation: Callable = identity
    stride: Extent = 1
    padding: Extent = 0

    def forward(self, params: Scope, x: Array) -> Array:
        return _convolved(self, params, x, _frame(self, x, 2))


@dataclass(frozen=True)
class MaxPool2D(Layer):
    """The largest value of each channel in each window; what lies outside of the grid does not count.

    torch.nn.MaxPool2d with channels last; entries that tie share the gradient. stride: the size when None.

    (n, h, w, c) -> (n, places down, places across, c)

    >>> import numpy as np
    >>> MaxPool2D(2)({}, np.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """

    size: Extent = 2
    stride: Extent | None = None
    padding: Extent = 0

    def forward(self, params: Scope, x: Array) -> Array:
        frame = _frame(self, x, 2)
        seen = ops.windows(x, frame)
        if any(frame.padding):
            inside = ops.windows(ops.zeros((1, *x.shape[1:-1], 1), ops.value_of(x).dtype) + 1, frame) > 0
            seen = ops.where(inside, seen, float("-inf"))
        return ops.max(seen, axis=-2)


@dataclass(frozen=True)
class AvgPool2D(Layer):
    """The mean of each channel in each window; what lies outside of the grid counts as 0.

    torch.nn.AvgPool2d (with its count_include_pad=True) with channels last. stride: the size when None.

    (n, h, w, c) -> (n, places down, places across, c)

    >>> import numpy as np
    >>> AvgPool2D(2)({}, np.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """

    size: Extent = 2
    stride: Extent | None = None
    padding: Extent = 0

    def forward(self, params: Scope, x: Array) -> Array:
        return ops.mean(ops.windows(x, _frame(self, x, 2)), axis=-2)


@dataclass(frozen=True)
class Flatten(Layer):
    """Each example as one row, the last axis fastest. (n, ...) -> (n, numbers in each)

    >>> import numpy as np
    >>> Flatten()({}, np.arange(8.0).reshape(2, 2, 2))
    array([[0., 1., 2., 3.],
           [4., 5., 6., 7.]])
    """

    def forward(self, params: Scope, x: Array) -> Array:
        _refuse_graphs(self, x)
        count = 1
        for n in x.shape[1:]:
            count *= n
        return x.reshape((x.shape[0], count))


def _convolved(layer: Conv1D | Conv2D, params: Scope, x: Array, frame: ops.Frame) -> Array:
    seen = ops.windows(x, frame)
    seen = seen.reshape((*seen.shape[:-2], seen.shape[-2] * seen.shape[-1]))
    weight = params("weight", (seen.shape[-1], layer.width), glorot)
    return ops.affine(seen, weight, params("bias", (layer.width,), zeros), layer.activation)


def _frame(layer: Any, x: Array, axes: int) -> ops.Frame:
    """Return how the windows of a layer lie on these grids, or say what does not fit."""
    name = type(layer).__name__
    _refuse_graphs(layer, x)
    if x.ndim != axes + 2:
        wanted = {1: "(n, length, channels)", 2: "(n, height, width, channels)"}[axes]
        raise ValueError(f"{name}: expected an array {wanted}, got shape {x.shape}; channels come last, x[..., None]")
    size = _each(layer, "size", axes, 1)
    stride = size if layer.stride is None else _each(layer, "stride", axes, 1)
    frame = ops.Frame(tuple(x.shape[1:-1]), size, stride, _each(layer, "padding", axes, 0))
    if min(frame.places) < 1:
        raise ValueError(
            f"{name}: a window of {frame.size} does not fit into a grid of {frame.space} padded by {frame.padding}; "
            "use a smaller size or more padding"
        )
    if layer.__class__ is MaxPool2D and any(2 * p > k for p, k in zip(frame.padding, frame.size, strict=True)):
        raise ValueError(f"{name}: padding {frame.padding} is more than half of size {frame.size}, windows see nothing")
    return frame


def _each(layer: Any, field: str, axes: int, least: int) -> tuple[int, ...]:
    value = getattr(layer, field)
    each = (value,) * axes if isinstance(value, int) else tuple(value)
    if len(each) != axes or min(each) < least:
        raise ValueError(
            f"{type(layer).__name__}: {field} must be {axes} number(s) of {least} or more, or one, got {value}"
        )
    return each


def _refuse_graphs(layer: Layer, x: Any) -> None:
    if isinstance(x, Batch):
        raise TypeError(
            f"{type(layer).__name__} needs an array on a grid, got graphs; for images as graphs use GraphConv, or put "
            "it behind a pool"
        )
