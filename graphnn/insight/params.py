"""Tables of parameters: what is in a flat dict, what changed between two, and a part of one by pattern.

`params` is a plain dict from names to arrays and stays one; nothing here wraps or changes it.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from graphnn.checks import listing, nearest
from graphnn.types import Params, is_statistic, matching

Numbers: TypeAlias = NDArray[Any]

BLOCKS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True, repr=False)
class Table:
    """Rows of plain values under column names, printed as aligned text and, in a notebook, as HTML.

    `rows` holds the values themselves, one tuple per row, with None where there is none; `total` is the last
    line. Words and shapes are aligned left, numbers right.

    >>> Table(("name", "norm"), (("0.dense.weight", 1.5), ("0.dense.bias", None)), "2 arrays")
    name            norm
    0.dense.weight   1.5
    0.dense.bias       -
    2 arrays
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    total: str

    def column(self, name: str) -> tuple[Any, ...]:
        """Return the values of one column, top to bottom. Raises KeyError for a name that is no column.

        >>> table({"0.dense.bias": np.array([3.0, 4.0])}).column("norm")
        (5.0,)
        """
        if name not in self.columns:
            raise KeyError(f"the table has no column {name!r}, it has {listing(self.columns, most=20)}")
        place = self.columns.index(name)
        return tuple(row[place] for row in self.rows)

    def __repr__(self) -> str:
        lines = [self.columns, *(tuple(map(_text, row)) for row in self.rows)]
        widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
        sides = [">" if self._holds_numbers(i) else "<" for i in range(len(self.columns))]
        layout = "  ".join(f"{{:{side}{width}}}" for side, width in zip(sides, widths, strict=True))
        return "\n".join([*(layout.format(*line).rstrip() for line in lines), self.total])

    def _repr_html_(self) -> str:
        """Return the table as HTML; notebooks call it by this name."""
        sides = ["right" if self._holds_numbers(i) else "left" for i in range(len(self.columns))]
        head = _html_row("th", self.columns, sides)
        body = "".join(_html_row("td", map(_text, row), sides) for row in self.rows)
        total = f'<td colspan="{len(self.columns)}" style="text-align: left">{html.escape(self.total)}</td>'
        return (
            f'<table style="font-family: monospace; white-space: pre"><thead>{head}</thead>'
            f"<tbody>{body}</tbody><tfoot><tr>{total}</tr></tfoot></table>"
        )

    def _holds_numbers(self, place: int) -> bool:
        return not any(isinstance(row[place], str | tuple) for row in self.rows)


def table(
    params: Params,
    grads: Mapping[str, Any] | None = None,
    like: str = "*",
    previous: Mapping[str, Any] | None = None,
) -> Table:
    """Describe each parameter whose name matches the pattern `like`, one row each.

    norm, min, max    of all entries, nan where one of them is
    zeros %           share of entries that are exactly zero
    nan/inf           how many entries are not finite; the column is there only if there are any
    grad norm         with `grads`: norm of the gradient
    change            with `previous`, the params of before: |now - before| / |before|
    histogram         of the finite entries: ten bins from the smallest to the largest

    "-" stands for what does not exist, such as the gradient of a name that `grads` lacks. The last line
    counts arrays, parameters, running statistics and memory. Raises KeyError where no name matches,
    ValueError for gradients or older params of another shape, TypeError for what holds no real numbers.

    >>> table({"0.dense.weight": np.array([[1.0, -2.0], [0.0, 2.0]]), "0.dense.bias": np.zeros(2)})
    name            shape   dtype    norm  min  max  zeros %  histogram
    0.dense.weight  (2, 2)  float64     3   -2    2       25  █    █ █ █
    0.dense.bias    (2,)    float64     0    0    0      100       █
    2 arrays, 6 parameters, 48 B
    """
    if not isinstance(params, Mapping):
        raise TypeError(f"table: got a {type(params).__name__}; pass the params, a dict of arrays")
    arrays = _arrays("table", select(params, like) if params else params)
    facts = []
    for name, array in arrays.items():
        fact = _describe(array)
        if grads is not None:
            gradient = _partner("grads", name, array, grads)
            fact["grad norm"] = None if gradient is None else _norm(gradient)
        if previous is not None:
            before = _partner("previous", name, array, previous)
            fact["change"] = None if before is None else _relative_change(before, array)
        facts.append({"name": name, **fact})
    columns: tuple[str, ...] = ("name", "shape", "dtype", "norm", "min", "max", "zeros %")
    columns += ("nan/inf",) if any(fact["nan/inf"] for fact in facts) else ()
    columns += ("grad norm",) if grads is not None else ()
    columns += ("change",) if previous is not None else ()
    columns += ("histogram",)
    return Table(columns, tuple(tuple(fact[column] for column in columns) for fact in facts), _total(arrays))


def diff(before: Params, after: Params) -> Table:
    """Compare two dicts of parameters, the largest relative change first.

    change            |after - before| / |before|, inf where everything was zero before
    largest step      largest |after - before| of a single entry
    note              "only before", "only after" or what happened to shape and dtype; such rows come last

    The last line counts. Raises TypeError for a parameter that holds no real numbers.

    >>> diff({"a": np.ones(2), "b": np.ones(2), "c": 1.0}, {"a": np.ones(2), "b": np.array([1.0, 2.0])})
    name  shape  change  largest step  note
    b     (2,)    0.707             1
    a     (2,)        0             0
    c     ()          -             -  only before
    1 changed, 1 equal, 1 only before
    """
    old, new = _arrays("diff", before), _arrays("diff", after)
    compared, apart, counts = (
        [],
        [],
        dict.fromkeys(("changed", "equal", "reshaped", "only before", "only after"), 0),
    )
    for name in [*old, *(name for name in new if name not in old)]:
        if name not in new or name not in old:
            kind = "only before" if name in old else "only after"
            apart.append((name, (old if name in old else new)[name].shape, None, None, kind))
        elif old[name].shape != new[name].shape:
            kind = "reshaped"
            apart.append((name, new[name].shape, None, None, f"shape {old[name].shape} before"))
        else:
            change = _relative_change(old[name], new[name])
            kind = "equal" if change == 0 else "changed"
            note = "" if old[name].dtype == new[name].dtype else f"dtype {old[name].dtype} before"
            compared.append((name, new[name].shape, change, _largest_step(old[name], new[name]), note))
        counts[kind] += 1
    compared.sort(key=_alarm, reverse=True)
    total = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "no parameters"
    return Table(("name", "shape", "change", "largest step", "note"), (*compared, *apart), total)


def select(params: Params, pattern: str) -> Params:
    """Return the part of params whose names match a pattern with the wildcards of a shell; case counts.

    Raises KeyError, with the nearest names, where none matches.

    >>> list(select({"0.dense.weight": 1.0, "0.dense.bias": 2.0, "1.dense.bias": 3.0}, "*.bias"))
    ['0.dense.bias', '1.dense.bias']
    """
    part = {name: params[name] for name in matching(params, pattern)}
    if not part:
        names = f"; the names are {listing(list(params))}" if params else "; params is empty"
        raise KeyError(f"select: no name matches {pattern!r}{nearest(pattern, params) or names}")
    return part


def _arrays(who: str, params: Params) -> dict[str, Numbers]:
    arrays = {name: np.asarray(value) for name, value in params.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{who}: parameter {name!r} holds {array.dtype}, expected real numbers")
    return arrays


def _partner(source: str, name: str, array: Numbers, values: Mapping[str, Any]) -> Numbers | None:
    """Return what grads or previous hold for a parameter, None where they lack it."""
    if name not in values:
        return None
    value = np.asarray(values[name])
    if value.shape != array.shape:
        raise ValueError(f"table: {source} has shape {value.shape} for {name!r}, the parameter has shape {array.shape}")
    return value


def _describe(array: Numbers) -> dict[str, Any]:
    finite = np.isfinite(array)
    some = array.size > 0
    with np.errstate(all="ignore"):  # nan is shown, so it needs no warning
        return {
            "shape": array.shape,
            "dtype": str(array.dtype),
            "norm": _norm(array),
            "min": float(array.min()) if some else None,
            "max": float(array.max()) if some else None,
            "zeros %": 100 * float(np.mean(array == 0)) if some else None,
            "nan/inf": int(array.size - finite.sum()),
            "histogram": sparkline(array[finite].astype(np.float64)),
        }


def _norm(array: Numbers) -> float:
    with np.errstate(all="ignore"):
        return float(np.linalg.norm(array.astype(np.float64).ravel()))


def _step(before: Numbers, after: Numbers) -> NDArray[np.float64]:
    with np.errstate(all="ignore"):
        return after.astype(np.float64) - before.astype(np.float64)


def _relative_change(before: Numbers, after: Numbers) -> float:
    if np.array_equal(before, after, equal_nan=True):
        return 0.0
    size = _norm(before)
    return _norm(_step(before, after)) / size if size else float("inf")


def _largest_step(before: Numbers, after: Numbers) -> float:
    if np.array_equal(before, after, equal_nan=True):
        return 0.0
    return float(np.abs(_step(before, after)).max())


def _alarm(row: tuple[Any, ...]) -> float:
    """Return what rows of `diff` are sorted by: the change, where nan is more alarming than anything."""
    change = row[2]
    return float("inf") if np.isnan(change) else change


def sparkline(values: NDArray[np.float64]) -> str:
    """Return the counts in ten bins from the smallest to the largest value as blocks; blank is none."""
    if not values.size:
        return ""
    # Scaled first, for the distance of two finite numbers may be infinite.
    scaled = values / (np.abs(values).max() or 1.0)
    low, high = scaled.min(), scaled.max()
    position = (scaled - low) / (high - low) if high > low else np.full(values.shape, 0.5)
    counts = np.bincount(np.minimum((10 * position).astype(int), 9), minlength=10)
    return "".join(BLOCKS[height] for height in np.ceil(8 * counts / counts.max()).astype(int))


def _total(arrays: Mapping[str, Numbers]) -> str:
    statistics = sum(array.size for name, array in arrays.items() if is_statistic(name))
    parameters = sum(array.size for array in arrays.values()) - statistics
    parts = [counted(len(arrays), "array"), counted(parameters, "parameter")]
    parts += [counted(statistics, "number") + " of running statistics"] if statistics else []
    return ", ".join([*parts, memory(sum(array.nbytes for array in arrays.values()))])


def counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def memory(n_bytes: float) -> str:
    for unit in ("B", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:,.3g} GB"


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _html_row(tag: str, cells: Iterable[str], sides: list[str]) -> str:
    row = zip(cells, sides, strict=True)
    words = (f'<{tag} style="text-align: {side}">{html.escape(cell)}</{tag}>' for cell, side in row)
    return f"<tr>{''.join(words)}</tr>"
