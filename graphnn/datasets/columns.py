"""One attribute of nodes or edges as columns of numbers: deciding which from data, and reading them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from graphnn.checks import GraphError, listing

Column = tuple[str, str, tuple]  # (name, "numbers", ((mean, scale), ...)) or (name, "categories", ("C", "N", ...))
Rows = tuple[Sequence[Any], Sequence[dict]]  # what the nodes or edges of one graph are called, and their attributes

MOST_CATEGORIES = 50
IDENTIFIERS = ("id", "key")


def column_names(columns: Sequence[Column]) -> tuple[str, ...]:
    """Return what the columns of the array are called.

    >>> column_names([("element", "categories", ("C", "N")), ("mass", "numbers", ((0.0, 1.0),))])
    ('element=C', 'element=N', 'mass')
    """
    names: list[str] = []
    for name, kind, values in columns:
        if kind == "categories":
            names += [f"{name}={value}" for value in values]
        else:
            names += [name] if len(values) == 1 else [f"{name}[{i}]" for i in range(len(values))]
    return tuple(names)


def read_column(column: Column, rows: Rows, field: str) -> np.ndarray:
    """Return an attribute of all nodes or edges as (rows, width) numbers; `field`, say "nodes", is for the errors.

    >>> read_column(("mass", "numbers", ((10.0, 2.0),)), (["a", "b"], [{"mass": 12}, {"mass": 16}]), "nodes")
    array([[1.],
           [3.]])
    """
    name, kind, values = column
    _refuse_missing(name, rows, field)
    labels, given = rows[0], [row[name] for row in rows[1]]
    if kind == "numbers":
        mean, scale = np.array(values).T
        return (_numbers(name, labels, given, field, len(values)) - mean) / scale
    number = {value: i for i, value in enumerate(values)}
    codes = np.array([number.get(_word(value), -1) for value in given], np.intp)
    if (codes < 0).any():
        k = int(np.argmin(codes))
        raise GraphError(
            field,
            f"{name!r} of {_unit(field)} {labels[k]!r} is {given[k]!r}, which was not there when the features were "
            f"learned; known are {listing(values)}",
        )
    return np.eye(len(values))[codes]


@dataclass(frozen=True)
class Attributes:
    """The attributes of all nodes, or all edges, of several graphs, to decide how to represent them.

    >>> table = Attributes("nodes", [(["a", "b", "c"], [{"element": "C"}, {"element": "N"}, {"element": "C"}])])
    >>> table.columns()
    ((('element', 'categories', ('C', 'N')),), ())
    """

    field: str
    graphs: Sequence[Rows]
    train: Sequence[int] | None = None
    several: bool = False

    @cached_property
    def names(self) -> list[str]:
        """Every attribute that occurs, as it is met."""
        return list(dict.fromkeys(name for _, rows in self.graphs for row in rows for name in row))

    def columns(
        self, exclude: Sequence[str] = (), categories: Sequence[str] = (), scale: bool = True
    ) -> tuple[tuple[Column, ...], tuple[tuple[str, str], ...]]:
        """Return the columns, and what is left out for which reason (see `GraphFeatures.learn`)."""
        columns, left_out = [], []
        for name in self.names:
            if name in exclude:
                continue
            found: Column | str = "it names and does not describe"
            if name in categories:
                found = self._categories(name)
            elif name not in IDENTIFIERS:
                found = self._decide(name, scale)
            if isinstance(found, str):
                left_out.append((f"{self.field}.{name}", found))
            else:
                columns.append(found)
        return tuple(columns), tuple(left_out)

    def _decide(self, name: str, scale: bool) -> Column | str:
        first: dict[str, tuple[int, Any]] = {}
        for i, (labels, rows) in enumerate(self.graphs):
            for label, row in zip(labels, rows, strict=True):
                first.setdefault(_kind(row.get(name)), (i, label))
        first.pop("nothing", None)
        if "neither" in first:
            i, label = first["neither"]
            return f"neither numbers nor text on {self._place(i, label)}"
        if set(first) == {"text", "number"}:
            number, text = self._place(*first["number"]), self._place(*first["text"])
            raise ValueError(
                f"attribute {name!r} is a number on {number} and text on {text}; make it one of both, name it in "
                f"categories=, or leave it out with exclude="
            )
        if "number" in first:
            return self._scaled(name, scale)
        if not first:
            return "empty"
        per_graph = [[row[name] for row in rows if row.get(name) is not None] for _, rows in self.graphs]
        distinct = {value for values in per_graph for value in values}
        if all(len(set(values)) == len(values) for values in per_graph):
            return f"text that differs from {_unit(self.field)} to {_unit(self.field)}"
        if len(distinct) > MOST_CATEGORIES:
            return f"{len(distinct)} different texts; name it in categories= if that is meant"
        return self._categories(name)

    def _categories(self, name: str) -> Column:
        self._check_all_have(name)
        return name, "categories", tuple(sorted({_word(row[name]) for _, rows in self.graphs for row in rows}))

    def _scaled(self, name: str, scale: bool) -> Column | str:
        self._check_all_have(name)
        width = next(_vector(row[name]).size for _, rows in self.graphs for row in rows)
        plain: Column = (name, "numbers", ((0.0, 1.0),) * width)
        arrays = []
        for i, rows in enumerate(self.graphs):
            try:
                arrays.append(read_column(plain, rows, self.field))
            except GraphError as error:
                raise (error.at(i) if self.several else error) from None
        every = np.concatenate(arrays)
        if (every == every[0]).all():
            return f"{', '.join(f'{v:g}' for v in every[0])} everywhere"
        trained = np.concatenate([arrays[i] for i in (range(len(arrays)) if self.train is None else self.train)])
        pairs = []
        for whole, part in zip(every.T, trained.T, strict=True):
            kept = not scale or len(part) == 0 or np.isin(whole, (0.0, 1.0)).all()
            deviation = 1.0 if kept else float(part.std())
            pairs.append((0.0 if kept else float(part.mean()), deviation or 1.0))
        return name, "numbers", tuple(pairs)

    def _check_all_have(self, name: str) -> None:
        for i, rows in enumerate(self.graphs):
            try:
                _refuse_missing(name, rows, self.field, f", or leave it out with exclude=[{name!r}]")
            except GraphError as error:
                raise (error.at(i) if self.several else error) from None

    def _place(self, i: int, label: Any) -> str:
        return f"{_unit(self.field)} {label!r}" + (f" of graphs[{i}]" if self.several else "")


def _unit(field: str) -> str:
    return "node" if field == "nodes" else "edge"


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return "text"
    return "neither" if _vector(value) is None else "number"


def _vector(value: Any) -> Any:
    """Return a number or a vector of numbers as an array of one dimension, None for anything else."""
    try:
        array = np.atleast_1d(value)
    except ValueError:
        return None
    return array.astype(float) if array.dtype.kind in "biuf" and array.ndim == 1 and array.size else None


def _word(value: Any) -> str:
    """Return what a category is called: 6, 6.0 and "6" are one."""
    whole = isinstance(value, (int, float, np.number, np.bool_)) and float(value).is_integer()
    return str(int(value)) if whole else str(value)


def _refuse_missing(name: str, rows: Rows, field: str, remedy: str = "") -> None:
    having = [row.get(name) is not None for row in rows[1]]
    if not all(having):
        unit, missing = _unit(field), rows[0][having.index(False)]
        raise GraphError(
            field,
            f"{unit} {missing!r} has no attribute {name!r} ({sum(having)} of {len(having)} {unit}s have it); "
            f"set it{remedy}",
        )


def _numbers(name: str, labels: Sequence[Any], given: Sequence[Any], field: str, width: int) -> np.ndarray:
    """Return numbers, or vectors of one length, as a (rows, width) array of finite numbers."""
    if width == 1 and set(map(type, given)) <= {float, bool}:
        array = np.array(given, float).reshape(-1, 1)
    else:
        vectors = []
        for label, value in zip(labels, given, strict=True):
            vector = _vector(value)
            if vector is None or vector.size != width:
                wanted = "a number" if width == 1 else f"{width} numbers"
                raise GraphError(field, f"{name!r} of {_unit(field)} {label!r} is {value!r}, wanted {wanted}")
            vectors.append(vector)
        array = np.array(vectors, float).reshape(-1, width)
    if not np.isfinite(array).all():
        k = int(np.argmin(np.isfinite(array).all(axis=1)))
        raise GraphError(
            field, f"{name!r} of {_unit(field)} {labels[k]!r} is {given[k]!r}; every number must be finite"
        )
    return array
