"""Layers made of layers: one after the other, again, around, side by side; and plain functions as layers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from graphnn import ops
from graphnn.batch import Batch
from graphnn.layer import Layer, Scope, dense_features, show, with_features
from graphnn.layers.dense import Dense
from graphnn.ops import identity, relu


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
        _set_members(self, layers, named)

    def forward(self, params: Scope, graphs: Any) -> Any:
        for out in self.stages(params, graphs):
            graphs = out
        return graphs

    def stages(self, params: Scope, graphs: Any) -> Iterator[Any]:
        """Give the output of one member after the other."""
        for layer, scope in _members(self, params):
            graphs = layer(scope, graphs)
            yield graphs

    def __getitem__(self, index: int) -> Any:
        return self.layers[index]

    def __len__(self) -> int:
        return len(self.layers)

    def __repr__(self) -> str:
        return _show_members(self)


@dataclass(frozen=True, init=False, repr=False)
class Parallel(Layer):
    """Layers side by side on the same input; their outputs as a tuple, or as a dict where the members are named.

    Members are those of Sequential: unnamed ones are called by place and type, the same object is the same weights.
    Name all of them or none.

    >>> import numpy as np
    >>> from graphnn.layers.dense import Dense
    >>> heads = Parallel(size=Dense(1), label=Dense(2))
    >>> out = heads(heads.init(0, np.ones((2, 3))), np.ones((2, 3)))
    >>> {name: array.shape for name, array in out.items()}
    {'size': (2, 1), 'label': (2, 2)}
    """

    layers: tuple
    names: tuple
    given: tuple

    def __init__(self, *layers: Any, **named: Any):
        if bool(layers) == bool(named):
            raise TypeError(
                f"Parallel: got {len(layers)} unnamed and {len(named)} named layers; name all, for a dict of outputs, "
                "or none, for a tuple"
            )
        _set_members(self, layers, named)

    def forward(self, params: Scope, graphs: Any) -> Any:
        out = tuple(layer(scope, graphs) for layer, scope in _members(self, params))
        return out if self.given[0] is None else dict(zip(self.given, out, strict=True))

    def __repr__(self) -> str:
        return _show_members(self)


@dataclass(frozen=True, init=False, repr=False)
class Concat(Layer):
    """Layers side by side on the same input, their outputs joined column by column: h' = [a(h), b(h), ...].

    Members are those of Sequential. They all give graphs, as convolutions with different kernels do, or they all give
    arrays with as many rows, as pools do: `Concat(MeanPool(), MaxPool())`.

    Raises ValueError for no layer, and outputs of different kinds or numbers of rows.

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> from graphnn.layers.pooling import MaxPool, SumPool
    >>> Concat(SumPool(), MaxPool())({}, Graph(np.array([[1.0], [2.0]])))
    array([[3., 2.]])
    """

    layers: tuple
    names: tuple
    given: tuple

    def __init__(self, *layers: Any, **named: Any):
        if not layers and not named:
            raise ValueError("Concat: needs at least one layer")
        _set_members(self, layers, named)

    def forward(self, params: Scope, graphs: Any) -> Any:
        outputs = [layer(scope, graphs) for layer, scope in _members(self, params)]
        parts = [dense_features(out) for out in outputs]
        kinds = {
            ("graphs" if isinstance(out, Batch) else "arrays", part.shape[:-1])
            for out, part in zip(outputs, parts, strict=True)
        }
        if len(kinds) > 1:
            came = " and ".join(f"{kind} {shape}" for kind, shape in sorted(kinds))
            raise ValueError(f"Concat: the layers give {came}; join outputs of one kind with as many rows")
        if len({id(out.packed.node_offsets) for out in outputs if isinstance(out, Batch)}) > 1:
            raise ValueError("Concat: a layer gives graphs of other nodes, as a pool does; pool behind Concat")
        return with_features(outputs[0], ops.concatenate(parts, axis=-1))

    def __repr__(self) -> str:
        return _show_members(self)


CONTAINERS = (Sequential, Parallel, Concat)
"""Those made as (*layers, **named), with `layers`, `names` and `given`."""


@dataclass(frozen=True)
class MLP(Layer):
    """A multilayer perceptron: Dense layers of these widths, `activation` between them and `final` at the end.

    h' = final(act(... act(h W_0 + b_0) ...) W_last + b_last), on the nodes of a batch or on a plain array. A stack of
    other things is a Sequential; PyTorch Geometric's MLP also has norms and dropout in between.

    nodes: (n, d) -> (n, widths[-1]);  parameters "0.weight", "0.bias", "1.weight", ... as in Dense

    Raises ValueError for no widths.

    >>> import numpy as np
    >>> model = MLP((8, 1))
    >>> list(model.init(0, np.ones((2, 3))))
    ['0.weight', '0.bias', '1.weight', '1.bias']
    """

    widths: tuple[int, ...]
    activation: Callable = relu
    final: Callable = identity

    def __post_init__(self) -> None:
        widths = (self.widths,) if isinstance(self.widths, int) else tuple(self.widths)
        if not widths:
            raise ValueError("MLP: needs at least one width, the last is that of the output")
        object.__setattr__(self, "widths", widths)

    def forward(self, params: Scope, graphs: Any) -> Any:
        last = len(self.widths) - 1
        for i, width in enumerate(self.widths):
            graphs = Dense(width, self.final if i == last else self.activation)(params.scope(str(i)), graphs)
        return graphs


@dataclass(frozen=True)
class Lambda(Layer):
    """A plain function as a layer, without parameters: h' = function(h); or graphs' = function(graphs).

    of="features": the function is given the node features (or the array behind a pool) as a dense array.
    of="graphs": it is given the batch and returns one, or an array. Use `graphnn.ops` inside, or `autograd.numpy`. A
    function with a name can be printed and pickled. With parameters write a function (params, graphs) or a Layer.

    Raises ValueError for another `of`.

    >>> import numpy as np
    >>> from graphnn.ops import tanh
    >>> Lambda(tanh)({}, np.zeros((1, 2)))
    array([[0., 0.]])
    """

    function: Callable
    of: str = "features"

    def __post_init__(self) -> None:
        if self.of not in ("features", "graphs"):
            raise ValueError(f"Lambda: of must be 'features' or 'graphs', got {self.of!r}")

    def forward(self, params: Scope, graphs: Any) -> Any:
        if self.of == "graphs":
            return self.function(graphs)
        return with_features(graphs, self.function(dense_features(graphs)))


def _members(container: Any, params: Scope) -> Iterator[tuple[Any, Scope]]:
    """Give every member of a container with its scope, and tell the call which are used several times."""
    for name, layer in zip(container.names, container.layers, strict=True):
        scope = params.scope(name)
        uses = container.names.count(name)
        if uses > 1:
            params.call.shared[scope.path] = uses
        yield _as_layer(layer), scope


@dataclass(frozen=True, repr=False)
class _Function(Layer):
    """A plain function (params, graphs) among layers: called as they are, so that onlookers see it too."""

    function: Callable

    def forward(self, params: Scope, graphs: Any) -> Any:
        return self.function(params, graphs)

    def __repr__(self) -> str:
        return show(self.function)


def _as_layer(member: Callable) -> Layer:
    return member if isinstance(member, Layer) else _Function(member)


def _set_members(container: Any, layers: tuple, named: dict[str, Any]) -> None:
    """Give a container its members and their names, or say what cannot be one."""
    kind = type(container).__name__
    members = (*layers, *named.values())
    names: list[str] = []
    first: dict[int, str] = {}
    given = (*(None for _ in layers), *named)
    for i, (layer, name) in enumerate(zip(members, given, strict=True)):
        if not callable(layer):
            remedy = f"; unpack it: {kind}(*layers)" if isinstance(layer, (list, tuple)) else ""
            raise TypeError(f"{kind}: member {i} is a {type(layer).__name__}, wanted a layer or a function{remedy}")
        if isinstance(layer, type):
            raise TypeError(f"{kind}: member {i} is the class {layer.__name__}; make one: {layer.__name__}(...)")
        if not isinstance(layer, Layer) and not _takes_two(layer):
            raise TypeError(
                f"{kind}: member {i} is {show(layer)}, a function of one argument; make it a layer, "
                f"Lambda({show(layer)}), give it to one as activation=, or write a function (params, graphs)"
            )
        if name is not None and "." in name:
            raise ValueError(f"{kind}: the name {name!r} has a dot; dots only separate layers inside layers")
        own = name or f"{i}.{_kind(layer)}"
        names.append(first.setdefault(id(layer), own))
    for field, value in (("layers", members), ("names", tuple(names)), ("given", given)):
        object.__setattr__(container, field, value)


def _show_members(container: Any) -> str:
    """Return a container as it would be written; a member that stands in it twice gets a letter."""
    letters: dict[str, str] = {}
    parts = []
    taken = {letter for layer in container.layers for letter in re.findall(r"\((\w+) := ", show(layer))}
    free = (letter for letter in map(_letter, count()) if letter not in taken)
    for given, name, layer in zip(container.given, container.names, container.layers, strict=True):
        text = show(layer)
        if container.names.count(name) > 1:
            if name in letters:
                text = letters[name]
            else:
                letters[name] = next(free)
                text = f"({letters[name]} := {text})"
        parts.append(text if given is None else f"{given}={text}")
    return f"{type(container).__name__}({', '.join(parts)})"


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

    Parameters are those of the inner layer: "inner.weight". Edges
    and globals are those that the inner layer returns. Noise inside it is drawn anew each time.

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
            graphs = _as_layer(self.inner)(scope, graphs)
        return graphs


@dataclass(frozen=True)
class Residual(Layer):
    """A layer and a way around it: h' = h + inner(h). `inner` must keep the width.

    He et al., CVPR 2016 (arXiv:1512.03385), eq. 1. Parameters are those of the inner layer: "inner.weight". Edges
    and globals are those that the inner layer returns.

    >>> import numpy as np
    >>> from graphnn.layers.dense import Dense
    >>> sorted(Residual(Dense(3)).init(0, np.ones((2, 3))))
    ['inner.bias', 'inner.weight']
    """

    inner: Callable

    def forward(self, params: Scope, graphs: Any) -> Any:
        out = _as_layer(self.inner)(params.scope("inner"), graphs)
        h, change = dense_features(graphs), dense_features(out)
        if h.shape != change.shape:
            raise ValueError(
                f"Residual: the inner layer turns features of shape {h.shape} into {change.shape}; "
                f"give it width {h.shape[-1]}"
            )
        return with_features(out, h + change)
