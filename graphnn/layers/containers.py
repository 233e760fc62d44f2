"""Layers made of layers: Sequential, Repeat, Residual."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from graphnn.layer import Layer, Scope, dense_features, show, with_features


@dataclass(frozen=True, init=False, repr=False)
class Sequential(Layer):
    """Layers one after the other.

    Unnamed members are called by place and type, "0.graphconv"; named ones by their keyword. The same object twice is
    the same weights twice, under its first name; `repr` shows it. A member may also be any function
    (params, graphs) -> graphs.

    >>> import numpy as np
    >>> from graphnn.layers.dense import Dense
    >>> model = Sequential(Dense(8), head=Dense(1))
    >>> sorted(model.init(0, np.ones((2, 3))))
    ['0.dense.bias', '0.dense.weight', 'head.bias', 'head.weight']
    """

    layers: tuple
    names: tuple  # the scope of each member; members that are one object share a name
    given: tuple  # the keyword of each member, or None

    def __init__(self, *layers: Any, **named: Any):
        members = (*layers, *named.values())
        names: list[str] = []
        first: dict[int, str] = {}
        given = (*(None for _ in layers), *named)
        for i, (layer, name) in enumerate(zip(members, given, strict=True)):
            if not callable(layer):
                remedy = "; unpack it: Sequential(*layers)" if isinstance(layer, (list, tuple)) else ""
                raise TypeError(
                    f"Sequential: member {i} is a {type(layer).__name__}, wanted a layer or a function{remedy}"
                )
            if isinstance(layer, type):
                raise TypeError(
                    f"Sequential: member {i} is the class {layer.__name__}; make one: {layer.__name__}(...)"
                )
            if not isinstance(layer, Layer) and not _takes_two(layer):
                raise TypeError(
                    f"Sequential: member {i} is {show(layer)}, a function of one argument; give it to a layer as "
                    "activation=, or write a function (params, graphs)"
                )
            if name is not None and "." in name:
                raise ValueError(f"Sequential: the name {name!r} has a dot; dots only separate layers inside layers")
            own = name or f"{i}.{_kind(layer)}"
            names.append(first.setdefault(id(layer), own))
        for field, value in (("layers", members), ("names", tuple(names)), ("given", given)):
            object.__setattr__(self, field, value)

    def forward(self, params: Scope, graphs: Any) -> Any:
        for out in self.stages(params, graphs):
            graphs = out
        return graphs

    def stages(self, params: Scope, graphs: Any) -> Iterator[Any]:
        """Give the output of one member after the other."""
        for name, layer in zip(self.names, self.layers, strict=True):
            scope = params.scope(name)
            uses = self.names.count(name)
            if uses > 1:
                params.call.shared[scope.path] = uses
            graphs = layer(scope, graphs)
            yield graphs

    def __getitem__(self, index: int) -> Any:
        return self.layers[index]

    def __len__(self) -> int:
        return len(self.layers)

    def __repr__(self) -> str:
        letters: dict[str, str] = {}
        parts = []
        taken = {letter for layer in self.layers for letter in re.findall(r"\((\w+) := ", show(layer))}
        free = (letter for letter in map(_letter, count()) if letter not in taken)
        for given, name, layer in zip(self.given, self.names, self.layers, strict=True):
            text = show(layer)
            if self.names.count(name) > 1:
                if name in letters:
                    text = letters[name]
                else:
                    letters[name] = next(free)
                    text = f"({letters[name]} := {text})"
            parts.append(text if given is None else f"{given}={text}")
        return f"{type(self).__name__}({', '.join(parts)})"


def _kind(layer: Any) -> str:
    return (layer.__name__ if hasattr(layer, "__name__") else type(layer).__name__).lower().strip("<>")


def _takes_two(function: Any) -> bool:
    """Say whether a function can be called with two arguments; yes where Python cannot tell."""
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def _letter(n: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz"[n % 26] + (str(n // 26) if n >= 26 else "")


@dataclass(frozen=True)
class Repeat(Layer):
    """One layer applied `steps` times with the same weights: h <- inner(h). `inner` must keep the width.

    Parameters are those of the inner layer: "inner.weight". Noise inside it is drawn anew each time.

    Raises ValueError for fewer steps than one.

    >>> import numpy as np
    >>> from graphnn.layers.dense import Dense
    >>> Repeat(Dense(1), 3)({"inner.weight": np.array([[2.0]]), "inner.bias": np.ones(1)}, np.ones((1, 1)))
    array([[15.]])
    """

    inner: Callable
    steps: int

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"Repeat: steps must be 1 or more, got {self.steps}")

    def forward(self, params: Scope, graphs: Any) -> Any:
        scope = params.scope("inner")
        params.call.shared[scope.path] = self.steps
        for _ in range(self.steps):
            graphs = self.inner(scope, graphs)
        return graphs


@dataclass(frozen=True)
class Residual(Layer):
    """A layer and a way around it: h' = h + inner(h). `inner` must keep the width.

    He et al., CVPR 2016 (arXiv:1512.03385), eq. 1. Parameters are those of the inner layer: "inner.weight".

    >>> import numpy as np
    >>> from graphnn.layers.dense import Dense
    >>> sorted(Residual(Dense(3)).init(0, np.ones((2, 3))))
    ['inner.bias', 'inner.weight']
    """

    inner: Callable

    def forward(self, params: Scope, graphs: Any) -> Any:
        h, change = dense_features(graphs), dense_features(self.inner(params.scope("inner"), graphs))
        if h.shape != change.shape:
            raise ValueError(
                f"Residual: the inner layer turns features of shape {h.shape} into {change.shape}; "
                f"give it width {h.shape[-1]}"
            )
        return with_features(graphs, h + change)
