"""Values as JSON and back: how a checkpoint keeps a model, an optimiser or a featurizer without pickle.

A value is a frozen dataclass, and what it is follows from its name and its fields:

    {"$new": "graphnn.layers.Dense", "width": 8, "activation": {"$name": "graphnn.ops.relu"}}

    $new     an object by the name of its class, with its fields beside; `$members` are those of a container
    $as      the number of an object that comes again, as {"$same": number}: shared layers come back shared
    $name    a function or a class
    $tuple, $float, $scalar     what JSON has no word for: tuples, inf and nan, NumPy scalars

Reading runs no code that the file chooses. A name is looked up, whole, in the table of `public_names` and in `known`,
which the caller gives; nothing is imported and no attribute is followed. What a class of graphnn is then made from has
the kinds its fields are declared with.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass
from numbers import Real
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from graphnn import (
    chem,
    initializers,
    kernels,
    layers,
    losses,
    metrics,
    models,
    ops,
    optim,
    schedules,
    transforms,
    uncertainty,
)
from graphnn.checks import listing, nearest
from graphnn.datasets import attributes
from graphnn.layers.containers import CONTAINERS
from graphnn.training import several

MODULES = (
    layers,
    kernels,
    ops,
    initializers,
    losses,
    metrics,
    optim,
    schedules,
    uncertainty,
    chem,
    attributes,
    transforms,
    models,
    several,
)
"""Where names may come from. Their functions and dataclasses can be named in a file; nothing else can."""

SCALARS = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
)  # fmt: skip


def to_json(value: Any, place: str = "value") -> Any:
    """Return a value as plain JSON data, from which `from_json` makes an equal one.

    Numbers, words, lists, tuples, dicts; functions and classes by name; objects whose class is a dataclass or holds
    nothing. Raises TypeError, with `place` and the way to the culprit, for what has no name to be found by (a lambda,
    a function inside a function, a bound method, a partial) or is no setting (an array), and ValueError for an object
    that is not equal to what its class makes from its fields.

    >>> to_json(layers.Dense(8, ops.relu))
    {'$new': 'graphnn.layers.Dense', 'width': 8, 'activation': {'$name': 'graphnn.ops.relu'}}
    """
    return _Writer().write(value, place)


def from_json(data: Any, known: Sequence[Any] = (), place: str = "value") -> Any:
    """Return the value that `to_json` wrote.

    known: classes and functions of your own that may be named, `[MyLayer, my_kernel]`; they are found by module and
    name, or by name alone where they have moved, say from a notebook to a module. A field that the data lacks takes
    its default. Raises KeyError for a name that is in neither table, ValueError for anything else that `to_json` would
    not have written.

    >>> from_json({"$new": "graphnn.layers.Dense", "width": 8, "activation": {"$name": "graphnn.ops.relu"}})
    Dense(8, activation=relu)
    """
    return _Reader(known).read(data, place)


def public_names() -> dict[str, Any]:
    """Return all that a file may name: the functions and dataclasses of MODULES, by module and name.

    >>> names = public_names()
    >>> names["graphnn.ops.relu"] is ops.relu, "graphnn.ops.np" in names, "graphnn.layers.Layer" in names
    (True, False, False)
    """
    return {
        f"{module.__name__}.{name}": value
        for module in MODULES
        for name, value in vars(module).items()
        if not name.startswith("_") and _is_of(module, value)
    }


def _is_of(module: types.ModuleType, value: Any) -> bool:
    home = getattr(value, "__module__", "") or ""
    own = home == module.__name__ or home.startswith(f"{module.__name__}.")
    return own and (isinstance(value, types.FunctionType) or (isinstance(value, type) and is_dataclass(value)))


# ---- writing --------------------------------------------------------------------------------------------------------


class _Writer:
    """One value on its way into JSON: which names there are, and which objects were met."""

    def __init__(self) -> None:
        self.names = {id(value): name for name, value in public_names().items()}
        self.met: dict[int, tuple[Any, dict]] = {}
        self.shared = 0

    def write(self, value: Any, place: str) -> Any:  # noqa: PLR0911 - one for each kind
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"$float": repr(value)}
        if isinstance(value, np.generic) and value.dtype.name in SCALARS:
            return {"$scalar": [value.dtype.name, self.write(value.item(), place)]}
        if type(value) is list:
            return self._each(value, place)
        if type(value) is tuple:
            return {"$tuple": self._each(value, place)}
        if type(value) is dict:
            return self._dict(value, place)
        if callable(value) and hasattr(value, "__name__"):
            return {"$name": self._name(value, place)}
        return self._object(value, place)

    def _each(self, values: Sequence[Any], place: str) -> list:
        return [self.write(part, f"{place}[{i}]") for i, part in enumerate(values)]

    def _dict(self, value: dict, place: str) -> dict:
        for key in value:
            if type(key) is not str or key.startswith("$"):
                raise TypeError(f"{place} has the key {key!r}; keys must be words that do not begin with $")
        return {key: self.write(part, f"{place}[{key!r}]") for key, part in value.items()}

    def _name(self, value: Any, place: str) -> str:
        """Return the name that a function or class can be found by again."""
        if id(value) in self.names:
            return self.names[id(value)]
        owner = getattr(value, "__self__", None)
        name = _full_name(value)
        if "<" in name or not (owner is None or isinstance(owner, types.ModuleType)):
            raise TypeError(
                f"{place} is {name}, which no file can name; write it as a function at the top of a module, or as a "
                f"frozen dataclass with __call__, or leave the {place.partition('.')[0].partition('[')[0]} out"
            )
        return name

    def _object(self, value: Any, place: str) -> dict:
        if id(value) in self.met:
            node = self.met[id(value)][1]
            if "$as" not in node:
                self.shared += 1
                node["$as"] = self.shared
            return {"$same": node["$as"]}
        cls = type(value)
        if not _is_value(cls) or (not is_dataclass(cls) and getattr(value, "__dict__", None) != {}):
            raise TypeError(
                f"{place} is a {cls.__name__}, which a file cannot hold; wanted numbers, words, lists, tuples, dicts, "
                "functions by name and frozen dataclasses of these. Arrays belong to params or state"
            )
        node = {"$new": self._name(cls, place)}
        self.met[id(value)] = (value, node)  # the value too, so that no other takes its id
        if _has_members(cls):
            members = zip(value.given, self._each(value.layers, place), strict=True)
            node["$members"] = [list(pair) for pair in members]
            return node
        settings = _settings(value)
        node.update({name: self.write(part, f"{place}.{name}") for name, part in settings.items()})
        _make(cls, settings, place, declared=id(cls) in self.names)
        return node


def _full_name(value: Any) -> str:
    name = getattr(value, "__qualname__", value.__name__)
    return f"{getattr(value, '__module__', None) or type(value).__module__}.{name}"


# ---- reading --------------------------------------------------------------------------------------------------------


class _Reader:
    """One value on its way out of JSON: which names it may use, and which of its objects come again."""

    def __init__(self, known: Sequence[Any]):
        if not isinstance(known, (list, tuple)):
            raise TypeError(f"known must be a list of classes and functions, got {known!r}; write known=[...]")
        for value in known:
            if not hasattr(value, "__name__"):
                raise TypeError(f"known holds a {type(value).__name__}; give the class or function itself")
        self.names, self.known = public_names(), known
        self.shared: dict[int, Any] = {}

    def read(self, data: Any, place: str) -> Any:  # noqa: PLR0911 - one for each word
        match data:
            case None | bool() | int() | float() | str():
                return data
            case list():
                return self._each(data, place)
            case {"$new": str(name)}:
                return self._new(name, data, place)
            case {"$name": str(name), **rest} if not rest:
                return self._find(name, place)
            case {"$same": int(number), **rest} if not rest and number in self.shared:
                return self.shared[number]
            case {"$tuple": list(parts), **rest} if not rest:
                return tuple(self._each(parts, place))
            case {"$float": "inf" | "-inf" | "nan" as word, **rest} if not rest:
                return float(word)
            case {"$scalar": [str(dtype), number], **rest} if not rest and dtype in SCALARS:
                return self._scalar(dtype, self.read(number, place), place)
            case dict() if not any(key.startswith("$") for key in data):
                return {key: self.read(part, f"{place}[{key!r}]") for key, part in data.items()}
        raise ValueError(f"{place} is not as graphnn writes it: {str(data)[:80]}")

    def _each(self, parts: list, place: str) -> list:
        return [self.read(part, f"{place}[{i}]") for i, part in enumerate(parts)]

    def _scalar(self, dtype: str, number: Any, place: str) -> Any:
        value = None
        if isinstance(number, (bool, int, float)):
            with np.errstate(over="ignore"), suppress(OverflowError):
                value = np.dtype(dtype).type(number)
        if value is None or repr(value.item()) != repr(number):
            raise ValueError(f"{place}: {number!r} is no {dtype}")
        return value

    def _find(self, name: str, place: str) -> Any:
        """Return what the file names, from the two tables."""
        if name in self.names:
            return self.names[name]
        exact = [value for value in self.known if _full_name(value) == name]
        found = exact or [value for value in self.known if name.endswith(f".{value.__name__}")]
        if len(found) == 1:
            return found[0]
        if found:
            raise KeyError(f"{place}: {name!r} could be {listing(list(map(_full_name, found)))}; leave one in known")
        raise KeyError(
            f"{place}: {name!r:.100} is not a name of graphnn{nearest(name[:100], self.names)}; "
            f"if it is yours, import it and pass known=[{name.rpartition('.')[2]:.100}]"
        )

    def _new(self, name: str, data: dict, place: str) -> Any:
        cls = self._find(name, place)
        if not _is_value(cls):
            raise ValueError(f"{place}: {name!r} is nothing a file may make; wanted a layer or another dataclass")
        parts = {key: part for key, part in data.items() if key not in ("$new", "$as")}
        if _has_members(cls):
            value = self._container(cls, parts, place)
        else:
            settings = {key: self.read(part, f"{place}.{key}") for key, part in parts.items()}
            value = _make(cls, settings, place, declared=name in self.names)
        if type(data.get("$as", 0)) is not int:
            raise ValueError(f"{place}: $as is a number, got {data['$as']!r}")
        if "$as" in data:
            self.shared[data["$as"]] = value
        return value

    def _container(self, cls: type, parts: dict, place: str) -> Any:
        match parts:
            case {"$members": list(members), **rest} if not rest and all(_is_member(pair) for pair in members):
                names = [name for name, _ in members if name is not None]
                unnamed = len(members) - len(names)
                if len(set(names)) == len(names) and all(name is None for name, _ in members[:unnamed]):
                    made = self._each([layer for _, layer in members], place)
                    return _call(cls, made[:unnamed], dict(zip(names, made[unnamed:], strict=True)), place)
        raise ValueError(
            f"{place}: a {cls.__name__} has $members, a list of [name or null, layer] with different names, named ones "
            f"last, got {str(parts)[:80]}"
        )


def _is_member(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str | None)


# ---- what a value is ------------------------------------------------------------------------------------------------


def _is_value(cls: Any) -> bool:
    """Say whether objects of a class are known by their fields: a dataclass, or a class that stores nothing."""
    return is_dataclass(cls) or (cls.__init__ is object.__init__ and cls.__new__ is object.__new__)


def _has_members(cls: type) -> bool:
    return any(issubclass(cls, kind) and cls.__init__ is kind.__init__ for kind in CONTAINERS)


def _settings(value: Any) -> dict[str, Any]:
    return {f.name: getattr(value, f.name) for f in fields(value) if f.init} if is_dataclass(value) else {}


def _make(cls: Any, settings: dict[str, Any], place: str, *, declared: bool) -> Any:
    """Return cls(**settings), after a check of names and kinds; refuse a class that does not keep what it is given."""
    own = {f.name: f for f in fields(cls) if f.init} if is_dataclass(cls) else {}
    extra = [name for name in settings if name not in own]
    if extra:
        raise ValueError(f"{place}: {cls.__name__} has no field {extra[0]!r}{nearest(extra[0], own)}")
    for name, f in own.items():
        if name not in settings and f.default is MISSING and f.default_factory is MISSING:
            raise ValueError(f"{place}: {cls.__name__} needs {name!r}, which is missing")
    if declared:
        hints = get_type_hints(cls)
        for name, value in settings.items():
            if not _fits(value, hints[name]):
                raise ValueError(f"{place}.{name} is {value!r}; {cls.__name__} declares {name}: {own[name].type}")
    made = _call(cls, (), settings, place)
    for name, value in settings.items():
        kept = getattr(made, name)
        if kept is not value and kept != value:
            raise ValueError(
                f"{place}.{name}: {cls.__name__} makes {kept!r} of {value!r}, so a file cannot give it back; keep "
                "settings as they are given and compute in forward"
            )
    return made


def _call(cls: type, members: Sequence[Any], named: Mapping[str, Any], place: str) -> Any:
    try:
        return cls(*members, **named)
    except Exception as error:  # whatever a class has against these settings, it is the file that has them
        raise ValueError(f"{place}: {cls.__name__} cannot be made from its settings: {error}") from error


def _fits(value: Any, hint: Any) -> bool:
    """Say whether a value is of the declared kind: any real number for int and float, tuple or list for either."""
    kind = get_origin(hint) or hint
    if kind in (Union, types.UnionType):
        return any(_fits(value, part) for part in get_args(hint))
    if kind in (int, float):
        return isinstance(value, Real)
    if kind in (tuple, list, Sequence):
        return isinstance(value, (tuple, list))
    return not isinstance(kind, type) or isinstance(value, kind)
