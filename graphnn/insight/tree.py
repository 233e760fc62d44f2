"""The architecture of a model as a tree of its layers, each with its settings and the number of its parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from graphnn.layer import Layer, show
from graphnn.layers.auxiliary import WithLosses
from graphnn.layers.containers import CONTAINERS
from graphnn.layers.tying import Tied
from graphnn.types import Params, is_statistic
from graphnn.uncertainty import Ensemble


def tree(model: Layer, params: Params) -> str:
    """Return the layers of a model line by line: the name in the parameters, the layer, how many numbers it learns.

    A layer inside a layer is indented below it; layers that share a name share their numbers.

    >>> from graphnn.layers import Dense, Residual, Sequential
    >>> model = Sequential(Dense(4), Residual(Dense(4)), head=Dense(1))
    >>> print(tree(model, model.init(0, np.ones((1, 3)))))
    Sequential             41
      0.dense: Dense(4)    16
      1.residual: Residual 20
        inner: Dense(4)    20
      head: Dense(1)        5
    """
    lines = list(_lines(model, "", "", params))
    width = max(len(text) for text, _ in lines)
    digits = max(len(str(count)) for _, count in lines)
    return "\n".join(f"{text:<{width}} {count or '':>{digits}}" for text, count in lines)


def _lines(layer: Any, name: str, path: str, params: Params, depth: int = 0) -> Iterator[tuple[str, int]]:
    inner = list(_inner(layer))
    what = type(layer).__name__ if inner else show(layer)
    prefix = f"{path}." if path else ""
    count = sum(np.size(value) for key, value in params.items() if key.startswith(prefix) and not is_statistic(key))
    yield f"{'  ' * depth}{name and f'{name}: '}{what}", count
    for own, part in inner:
        yield from _lines(part, own, f"{prefix}{own}".rstrip("."), params, depth + 1)


def _inner(layer: Any) -> Iterator[tuple[str, Any]]:
    """Give the layers that a layer is made of, with their scopes."""
    if isinstance(layer, Ensemble):
        yield from ((f"net{i}", layer.member) for i in range(layer.count))
    elif isinstance(layer, (WithLosses, Tied)):
        yield "", layer.inner  # in the same scope
    elif isinstance(layer, CONTAINERS):
        yield from dict(zip(layer.names, layer.layers, strict=True)).items()
    elif isinstance(layer, Layer) and is_dataclass(layer):
        yield from ((f.name, value) for f in fields(layer) if isinstance(value := getattr(layer, f.name), Layer))
