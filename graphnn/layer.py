"""What a layer is. The whole contract:

A layer is a value: a frozen dataclass of settings that holds no arrays. It has one method, `forward(params, graphs)`.
In there, `params(name, shape, initializer)` gives a parameter, declared where it is used; `graphs.replace(nodes=h)`
passes new node features on; `params.scope(name)` is for a layer inside a layer. Nothing else may have an effect.
A layer with a memory, a cell, also takes its state, `forward(params, graphs, state=None)`: h = cell(params, x, h).
What an onlooker may want to see, attention weights for example, is offered with `params.show`; what training may want
to add to its objective, with `params.loss`.

From that one method follow `model.init(seed, graphs)`, which returns the flat dict of parameters,
`model(params, graphs)`, evaluation, always deterministic, and `model.apply(params, graphs, train=True, rng=...)`.
`model.summary(graphs)` and `model.graph(graphs)` say what is in it.
"""

from __future__ import annotations

import copy
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import numpy as np

from graphnn import ops
from graphnn.batch import Batch
from graphnn.checks import listing, nearest
from graphnn.convert import pack
from graphnn.initializers import Initializer, generator
from graphnn.types import Array, Params

OBJECT = np.dtype(object)
USE_OPS = "use gn.ops.where, gn.ops.concatenate and the like, or autograd.numpy, instead of numpy"

Rng = Any
"""Where training draws its noise: an int, a tuple of ints such as (seed, step), a NumPy generator or a JAX key."""


class Onlooker:
    """Sees the layers of one call at work: a base, to be told before and after every layer what goes in and comes out.

    What `leave` returns goes on in place of the output: the same numbers, perhaps with a mark on them. Who only wants
    to see outputs sets `call.watch`.
    """

    def enter(self, path: str, layer: Layer, inputs: tuple) -> None:
        """Be told that a layer begins; path: its name in the parameters, "" for the model itself."""

    def leave(self, path: str, layer: Layer, out: Any) -> Any:
        """Be told what it gives; of nested layers the inner one leaves first."""
        return out


class Call:
    """The record of one call of a model: is it training, with which noise, what was drawn, what is to be updated."""

    def __init__(self, flat: Params, train: bool = False, rng: Rng = None, seed: int | None = None, dtype: Any = None):
        self.flat, self.train, self.rng, self.seed, self.dtype = flat, train, rng, seed, dtype
        self.updates: Params = {}
        self.uses: dict[str, int] = {}
        self.shared: dict[str, int] = {}
        self.read: set[str] = set()
        self.watch: Callable[[str, Any], None] | None = None
        self.onlooker: Onlooker | None = None
        self.shown: dict[str, Any] | None = None
        self.losses: dict[str, Array] | None = None


class Scope(Mapping):
    """The parameters of one layer during one call: a view of the flat dict below a path.

    Called, `params(name, shape, initializer)`, it declares and returns a parameter. It also reads like the layer's
    own dict: `params["weight"]`, `list(params)`, `print(params)`.
    """

    __slots__ = ("call", "path")

    def __init__(self, call: Call, path: str = ""):
        self.call, self.path = call, path

    @property
    def train(self) -> bool:
        """Whether this call is training."""
        return self.call.train

    def scope(self, name: str) -> Scope:
        """Return the scope of a layer inside this one."""
        return Scope(self.call, f"{self.path}{name}.")

    def replace(self, values: Params) -> Scope:
        """Return this scope with other values of some parameters, by their names in here, for layers inside this one.

        What the call records, updates and noise, goes on as one.
        """
        call = copy.copy(self.call)
        call.flat = {**self.call.flat, **{self.path + name: value for name, value in values.items()}}
        return Scope(call, self.path)

    def __call__(self, name: str, shape: tuple[int, ...], initializer: Initializer) -> Array:
        """Return the parameter `name` of this layer, which for this input must have this shape.

        In `init` it is drawn from its own stream (seed, name). Raises KeyError where the dict lacks it and ValueError
        where its shape is another.
        """
        key, call = self.path + name, self.call
        if key not in call.flat:
            if call.seed is None:
                raise KeyError(self._missing(key, shape))
            if not all(isinstance(n, (int, np.integer)) and n >= 0 for n in shape):
                raise ValueError(f"parameter {key!r} would have shape {tuple(shape)}; widths are whole numbers")
            drawn = np.asarray(initializer(generator(call.seed, key), shape))
            call.flat[key] = drawn.astype(call.dtype, copy=False)
        call.read.add(key)
        value: Array = call.flat[key]
        if key in call.updates:  # a layer used twice goes on from its own update
            value = call.updates[key]
        plain = ops.value_of(value)
        if type(plain) is np.ndarray and plain.shape == shape and plain.dtype.kind == "f":
            return value
        if np.shape(plain) != tuple(shape):
            raise ValueError(self._misshaped(key, np.shape(plain), tuple(shape)))
        dtype = getattr(plain, "dtype", None)
        if dtype is not None and dtype.kind != "f":
            raise TypeError(f"parameter {key!r} has dtype {dtype}; parameters are floating, convert it to float")
        return value

    def _missing(self, key: str, shape: tuple[int, ...]) -> str:
        known = list(self.call.flat)
        spare = [name for name in known if name not in self.call.read]  # the others are where they belong
        hint = nearest(key, spare) or f"; the dict has {listing(known)}."
        return f"parameter {key!r} of shape {tuple(shape)} is missing{hint} Call model.init for this model."

    def _misshaped(self, key: str, have: tuple, want: tuple) -> str:
        times = max([n for path, n in self.call.shared.items() if self.path.startswith(path)], default=1)
        again = ""
        if times > 1:
            again = f" This layer object is used {times} times; make separate objects for separate weights."
        return (
            f"parameter {key!r} has shape {have}, this input needs {want}.{again} "
            "Call model.init again for these graphs, or give graphs like those it was made for."
        )

    def update(self, name: str, value: Array) -> None:
        """Hand a new value of a running statistic to the caller of `apply`."""
        self.call.updates[self.path + name] = ops.stop_gradient(value)

    def show(self, name: str, make: Callable, *args: Any) -> None:
        """Let an onlooker (`inner_values`) see make(*args), such as attention weights; made only if one is there."""
        if self.call.shown is not None:
            self.call.shown[self.path + name] = make(*args)

    def loss(self, name: str, make: Callable, *args: Any) -> None:
        """Offer an auxiliary loss, make(*args) of shape (n_graphs,); made only inside of `WithLosses`.

        That of a layer used several times is the sum over its uses.
        """
        losses, key = self.call.losses, self.path + name
        if losses is not None:
            value = make(*args)
            losses[key] = losses[key] + value if key in losses else value

    def rng(self) -> Any:
        """Return the noise of this use of this layer: a NumPy generator, or a JAX key if `apply` was given one."""
        call = self.call
        use = call.uses[self.path] = call.uses.get(self.path, -1) + 1
        place = self.path.rstrip(".") or "the model"
        if call.rng is None:
            raise ValueError(
                f"{place}: training needs randomness; call model.apply(params, graphs, train=True, rng=(seed, step))"
            )
        if isinstance(call.rng, np.random.Generator):
            return call.rng
        salt = (zlib.crc32(self.path.encode()), use)
        if ops.is_jax(call.rng):
            import jax

            return jax.random.fold_in(jax.random.fold_in(call.rng, salt[0]), salt[1])
        numbers = (call.rng,) if isinstance(call.rng, (int, np.integer)) else tuple(call.rng)
        return np.random.Generator(np.random.SFC64([*(int(n) for n in numbers), *salt]))

    def _own(self) -> Params:
        n = len(self.path)
        return {key[n:]: value for key, value in self.call.flat.items() if key.startswith(self.path)}

    def __getitem__(self, name: str) -> Array:
        try:
            value = self.call.flat[self.path + name]
            self.call.read.add(self.path + name)
            return value
        except KeyError:
            raise KeyError(f"no parameter {name!r} here{nearest(name, self._own())}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._own())

    def __len__(self) -> int:
        return len(self._own())

    def __repr__(self) -> str:
        return repr({name: ops.value_of(value) for name, value in self._own().items()})


class Layer:
    """The base of every layer and model: subclass it as a frozen dataclass and write `forward(params, graphs)`.

    >>> from dataclasses import dataclass
    >>> from graphnn.initializers import glorot
    >>> @dataclass(frozen=True)
    ... class Linear(Layer):
    ...     width: int
    ...     def forward(self, params, x):
    ...         return x @ params("weight", (x.shape[-1], self.width), glorot)
    >>> model = Linear(2)
    >>> params = model.init(0, np.ones((5, 3)))
    >>> params["weight"].shape, model(params, np.ones((5, 3))).shape
    ((3, 2), (5, 2))
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = cls.__repr__  # type: ignore[method-assign] # in the class, so that @dataclass keeps it

    def forward(self, params: Scope, graphs: Any) -> Any:
        """Compute the layer; the one method to write."""
        raise NotImplementedError(f"{type(self).__name__} has no forward(params, graphs)")

    def __call__(self, params: Any, graphs: Any, *state: Any) -> Any:
        """Return the output for graphs (a Batch, graphs of any kind, or an array): evaluation, deterministic.

        params: the flat dict, or inside another layer a scope;  state: of a layer that takes one
        """
        if isinstance(params, Scope):
            onlooker = params.call.onlooker
            if onlooker is not None:
                onlooker.enter(params.path.rstrip("."), self, (graphs, *state))
            try:
                out = self.forward(params, graphs, *state)
            except TypeError as error:
                remedy = self._remedy(str(error))
                if not remedy:
                    raise
                raise TypeError(f"{self._place(params)}: {remedy} ({error})") from error
            if made_of_objects(out):
                raise TypeError(
                    f"{self._place(params)}: NumPy made an object array of traced numbers, in the layer or in its "
                    f"activation; {USE_OPS}"
                )
            if params.call.watch is not None:
                params.call.watch(params.path.rstrip("."), out)
            return out if onlooker is None else onlooker.leave(params.path.rstrip("."), self, out)
        return self.apply(params, graphs, *state)[0]

    def _place(self, params: Scope) -> str:
        return f"layer {params.path.rstrip('.') or type(self).__name__!r}"

    def _remedy(self, message: str) -> str:
        """Return what to do about a TypeError from NumPy or Python, "" if it is not one of those that puzzle."""
        activation = getattr(self, "activation", None)
        if isinstance(activation, str) and "not callable" in message:
            return f"activation {activation!r} is a str; pass the function, such as gn.{activation}"
        if isinstance(activation, int) and "not callable" in message:
            who = type(self).__name__
            return f"activation is the number {activation}; a layer is told only the width that comes out: {who}(width)"
        if message.startswith("layer "):  # a layer inside this one has said it
            return ""
        if "item assignment" in message and "Box" in message:
            return "write h = gn.ops.where(condition, new, h) instead of assigning into h, whose gradient is traced"
        return USE_OPS if "Box" in message or "dtype('O')" in message else ""

    def apply(
        self, params: Params, graphs: Any, *state: Any, train: bool = False, rng: Rng = None
    ) -> tuple[Any, Params]:
        """Return (output, updates): the output, and new values of the running statistics ({} in evaluation).

        rng: where the noise comes from when training, e.g. (seed, step): the same integers give the same noise.
        """
        if not isinstance(params, Mapping) and not hasattr(params, "keys"):
            raise TypeError(f"expected a dict of parameters first, got {type(params).__name__}: model(params, graphs)")
        call = Call(params, train, rng)
        return self(Scope(call), as_input(graphs), *state), call.updates

    def init(self, seed: int, graphs: Any) -> Params:
        """Return the parameters for graphs like these, by one forward pass over a dict that fills itself.

        Every parameter draws from its own stream (seed, name), so adding a layer changes no other. The parameters
        have the dtype of the features.
        """
        if not isinstance(seed, (int, np.integer)):
            raise TypeError(f"init: seed must be an integer, got {type(seed).__name__}")
        data = as_input(graphs)
        params: Params = {}
        dtype = np.result_type(*(part.dtype for part in (data.values() if isinstance(data, dict) else (data,))))
        self(Scope(Call(params, seed=int(seed), dtype=dtype)), data)
        return params

    def check(self, params: Params, graphs: Any) -> None:
        """Raise KeyError unless the dict holds exactly the parameters of this model for graphs like these."""
        wanted = self.init(0, graphs)
        missing = [name for name in wanted if name not in params]
        if missing:
            hint = nearest(missing[0], [name for name in params if name not in wanted])
            raise KeyError(f"parameters {listing(missing)} are missing{hint}")
        extra = [name for name in params if name not in wanted]
        if extra:
            raise KeyError(f"parameters {listing(extra)} are not of this model{nearest(extra[0], wanted)}")
        self(params, graphs)

    def summary(self, graphs: Any, params: Params | None = None) -> Any:
        """Return a table of the model before any training: what each layer gives, how much it learns, what it costs.

        A row for each layer as it comes to its end, what is inside of it first; not for containers that do nothing.

        output          shape of what comes out; several where it gives a tuple, a dict, or other edges too
        parameters      how many numbers it learns, those of layers inside it not counted, nor running statistics;
                        a layer that is used several times ("inner#1", "inner#2") has them once
        multiply-adds   terms added up in one forward pass: n d w in a product (n, d) (d, w), entries * w in a sparse
                        one, one for every number that goes into a sum. What goes number by number (biases,
                        activations), gathers and copies are not counted, nor what is prepared once, the kernels.
        bytes           of the arrays that its steps make; training keeps those that the gradient needs until it has it
        about ms        the order of the time of a forward pass, 1 or 3 times a power of ten, not measured but added up
                        at nominal rates of one core of a laptop: 15e9 multiply-adds a second in products of dense
                        arrays, 1.5e9 in all others, 4 GB a second, 5 microseconds a step (`insight/costs.py`)

        Counted is what is computed, with features as they are behind a layer: products with features that never change
        are remembered, so that the first convolution costs less in training. `gn.trace` shows that. Parameters are
        made by `init` if none are given; nothing is changed.

        >>> from graphnn.layers.dense import Dense
        >>> Dense(2).summary(np.ones((5, 3)))
        layer  what      output  parameters  multiply-adds  bytes  about ms
        Dense  Dense(2)  (5, 2)           8             30     80     0.003
        8 parameters, 30 multiply-adds, 80 B, about 0.003 ms forward and 0.01 ms a training step, for an array (5, 3)
        """
        from graphnn.insight.summary import summary

        return summary(self, graphs, params)

    def graph(self, graphs: Any, params: Params | None = None) -> Any:
        """Return the model as a networkx DiGraph: layers, and an edge where the output of one goes into another.

        It is found by a run on these graphs, not guessed from types. A node is called by the layer's name in the
        parameters, a use by its number ("inner#2"), and has

        layer, what, kind    the layer, how it is written (one that holds layers only by its kind), and the kind
        scope                its name in the parameters; uses of one layer share it
        shape                of its output
        weights, size        the names of the parameters it reads, and how many numbers they are; layers that are tied
                             or used several times have names in common

        Features that come in are nodes of kind "input": "(nodes)", "(edges)", ..., or "(input)" for an array.
        Containers that only hand on what a layer inside them gave are not there, those that do something are:
        Residual adds, Concat joins. `gn.plot.model_graph` draws it.

        >>> from graphnn.layers.containers import Residual, Sequential
        >>> from graphnn.layers.dense import Dense
        >>> net = Sequential(Dense(3), Residual(Dense(3))).graph(np.ones((5, 2)))
        >>> for edge in net.edges:
        ...     print(edge)
        ('(input)', '0.dense')
        ('0.dense', '1.residual.inner')
        ('0.dense', '1.residual')
        ('1.residual.inner', '1.residual')
        >>> net.nodes["1.residual.inner"]["params"]
        ('1.residual.inner.weight', '1.residual.inner.bias')
        """
        from graphnn.insight.flow import flow

        return flow(self, graphs, params)

    def __repr__(self) -> str:
        if not is_dataclass(self):
            return f"{type(self).__name__}()"
        parts = []
        for f in fields(self):
            value = getattr(self, f.name)
            if f.default is MISSING and f.default_factory is MISSING:
                parts.append(show(value))
            elif value is not f.default and value != f.default:
                parts.append(f"{f.name}={show(value)}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), tuple(vars(self).items())))


def show(value: Any) -> str:
    """Return a setting as it would be written: functions by their name, everything else by its repr."""
    if type(value) is tuple:
        return f"({', '.join(map(show, value))}{',' * (len(value) == 1)})"
    if callable(value) and hasattr(value, "__name__"):
        return value.__name__
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))  # the same in every process


def as_input(graphs: Any) -> Any:
    """Return what a model runs on: a batch, a floating array, or a dict of such. Whole numbers become floats."""
    if isinstance(graphs, Mapping):
        return {name: as_input(part) for name, part in graphs.items()}
    if isinstance(graphs, Batch) or ops.is_traced(graphs) or ops.is_jax(graphs):
        return graphs
    if isinstance(graphs, np.ndarray) and graphs.dtype != object:
        if graphs.dtype.kind not in "biuf":
            raise TypeError(f"expected graphs or an array of numbers, got dtype {graphs.dtype}")
        return graphs if graphs.dtype in (np.float32, np.float64) else graphs.astype(float)
    return pack(graphs)


def made_of_objects(out: Any) -> bool:
    """Say whether NumPy made an object array somewhere in a layer's output."""
    if isinstance(out, (dict, tuple, list)):
        return any(made_of_objects(part) for part in parts_of(out))
    return getattr(ops.value_of(features(out)), "dtype", None) == OBJECT


def parts_of(out: Any) -> Iterator[Array]:
    """Give the arrays of a layer's output, which may be nested: node features of batches, members of dicts and tuples.

    >>> [int(part) for part in parts_of({"a": 1, "b": (2, (3,))})]
    [1, 2, 3]
    """
    if isinstance(out, (dict, tuple, list)):
        for part in out.values() if isinstance(out, dict) else out:
            yield from parts_of(part)
    else:
        yield features(out)


def names_read(model: Layer, params: Params, graphs: Any) -> set[str]:
    """Return the names of the parameters that a model reads for these graphs, by one evaluation.

    >>> from graphnn.layers.dense import Dense
    >>> sorted(names_read(Dense(1), {"weight": np.ones((2, 1)), "bias": np.ones(1), "mine": 3}, np.ones((1, 2))))
    ['bias', 'weight']
    """
    call = Call(params)
    with np.errstate(all="ignore"):
        model(Scope(call), as_input(graphs))
    return call.read


def inner_values(model: Layer, params: Params, graphs: Any) -> dict[str, Any]:
    """Return what the layers of a model show beside their output: attention weights, and the like, for plotting.

    The names are those of the parameters: layer "1.gatconv" shows "1.gatconv.attention". Of a layer used several times
    it is the last use. One evaluation, so there is no dropout.

    >>> from graphnn.graph import Graph
    >>> from graphnn.layers.attention import GATConv
    >>> pair, model = Graph(np.ones((2, 3)), senders=[0, 1], receivers=[1, 0]), GATConv(2)
    >>> arcs = inner_values(model, model.init(0, pair), pair)["attention"]
    >>> arcs.senders, arcs.receivers, arcs.values[:, 0]  # two edges, two loops
    (array([0, 1, 0, 1]), array([1, 0, 0, 1]), array([0.5, 0.5, 0.5, 0.5]))
    """
    call = Call(params)
    call.shown = {}
    model(Scope(call), as_input(graphs))
    return call.shown


def only_graphs(layer: Layer, graphs: Any) -> Batch:
    """Return the batch a layer needs, or refuse an array."""
    if not isinstance(graphs, Batch):
        raise TypeError(
            f"{type(layer).__name__} needs graphs, got an array of shape {np.shape(graphs)}; "
            "give the model graphs, and let this layer stand before the pool"
        )
    return graphs


def features(graphs: Any) -> Any:
    """Return the node features of a batch, or the array itself: for layers that act on either."""
    return graphs.nodes if isinstance(graphs, Batch) else graphs


def dense_features(graphs: Any) -> Array:
    """Return the features as a dense array, where a layer needs each number."""
    return ops.dense(features(graphs))


def with_features(graphs: Any, h: Any) -> Any:
    """Return the batch with new node features, or just the new array."""
    return graphs.replace(nodes=h) if isinstance(graphs, Batch) else h
