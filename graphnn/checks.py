"""Checks of what comes in, and the words of the errors.

A message says who, what came (with sizes), what was wanted and what to do. Everything is checked once, at the border:
when a graph is made, packed, or handed to a loss. Two errors are our own, because a caller may want to catch them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

import numpy as np

from graphnn.types import Array, Params

INTERRUPTED = "interrupted by the keyboard"
"""What a history, a sweep or a search says where Ctrl-C has ended it."""


class GraphError(ValueError):
    """A graph that cannot be used: says which graph (``.index``, or None) and which of its parts (``.attribute``).

    >>> raise GraphError("edges", "expected 8 rows (one per edge), got 7", index=2)
    Traceback (most recent call last):
    ...
    graphnn.checks.GraphError: graphs[2].edges: expected 8 rows (one per edge), got 7
    """

    def __init__(self, attribute: str, message: str, index: int | None = None):
        place = "graph" if index is None else f"graphs[{index}]"
        super().__init__(f"{place}.{attribute}: {message}")
        self.attribute, self.message, self.index = attribute, message, index

    def __reduce__(self) -> tuple:
        return GraphError, (self.attribute, self.message, self.index)

    def at(self, index: int) -> GraphError:
        """Return the same complaint about graph number `index` of a list."""
        return GraphError(self.attribute, self.message, index)


class TrainingDiverged(ArithmeticError):
    """Training met a number that is not finite; the message says where.

    ``.step`` is the step, ``.name`` the culprit, ``.layer`` its layer, ``.index`` the number of the graph, or of the
    row of an array, in the user's data (None where it is none or all of them), ``.params`` the parameters of the last
    good step.

    >>> error = TrainingDiverged("step 3: the loss is nan", 3, "the loss", {})
    >>> error.step, error.name
    (3, 'the loss')
    """

    def __init__(
        self, message: str, step: int, name: str, params: Params, layer: str | None = None, index: int | None = None
    ):
        super().__init__(message)
        self.step, self.name, self.params, self.layer, self.index = step, name, params, layer, index

    def __reduce__(self) -> tuple:
        return TrainingDiverged, (self.args[0], self.step, self.name, self.params, self.layer, self.index)


def numbers(value: Array, attribute: str) -> np.ndarray:
    """Return `value` as a read-only floating array of its own; refuse what is not numeric or not finite.

    Whole numbers and booleans become float64; float32 stays float32.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        raise GraphError(attribute, "rows have different lengths; give every row the same columns") from None
    if array.dtype == object or array.dtype.kind not in "biuf":
        raise GraphError(attribute, f"expected numbers, got dtype {array.dtype}; encode categories as numbers first")
    kept = np.dtype(np.float32) if array.dtype == np.float32 else np.dtype(np.float64)
    array = np.array(array, dtype=kept, order="C")
    if not np.isfinite(array).all():
        bad = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise GraphError(attribute, f"entry {bad} is {array[bad]}; every entry must be finite")
    array.setflags(write=False)
    return array


def floating(who: str, dtype: object) -> np.dtype:
    """Return float32 or float64; refuse any other type that numbers could be asked for in.

    >>> floating("fit", "float32")
    dtype('float32')
    """
    try:
        kept = np.dtype(dtype)  # type: ignore[call-overload]
    except TypeError:
        kept = None
    if kept not in (np.float32, np.float64):
        raise TypeError(
            f"{who}: dtype must be float32 or float64, got {repr(dtype) if kept is None else kept}; "
            'give dtype="float32" or "float64", or leave it out to keep what comes in'
        )
    return kept


def indices(value: Array, attribute: str, n: int) -> np.ndarray:
    """Return `value` as a read-only one-dimensional integer array with entries in 0..n-1."""
    array = np.asarray(value)
    if array.size == 0:
        array = np.zeros(0, np.intp)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise GraphError(
            attribute, f"expected a one-dimensional integer array, got shape {array.shape} of {array.dtype}"
        )
    if array.size and (array.min() < 0 or array.max() >= n):
        bad = int(array.max() if array.max() >= n else array.min())
        known = f"0..{n - 1}" if n else "none"
        raise GraphError(attribute, f"contains {bad} but the graph has {n} nodes ({known})")
    array = np.array(array, dtype=np.intp)
    array.setflags(write=False)
    return array


def rows(array: Array, attribute: str, n: int, what: str) -> Array:
    """Return `array` as a two-dimensional array of `n` rows; a vector becomes one column."""
    if array.ndim == 1:
        array = array.reshape(-1, 1)
    if array.ndim != 2 or array.shape[0] != n:
        raise GraphError(attribute, f"expected {n} rows ({what}), got shape {array.shape}")
    return array


def same_shape(who: str, predictions: Array, targets: Array) -> None:
    """Refuse predictions and targets of different shapes, which NumPy would silently broadcast."""
    p, t = np.shape(predictions), np.shape(targets)
    if p == t:
        return
    remedy = "reshape one of them"
    if p == (*t, 1):
        remedy = "use targets[:, None]"
    elif t == (*p, 1):
        remedy = "use targets[:, 0]"
    elif len(p) == 2 and t == p[:1]:
        remedy = "for classes pass loss=gn.cross_entropy"
    raise ValueError(f"{who}: predictions {p} and targets {t} differ in shape; {remedy}")


def kind(value: object) -> str:
    """Return the name of the type of a value, with the library that a type from elsewhere belongs to.

    >>> import networkx as nx
    >>> kind(nx.Graph()), kind([])
    ('networkx.Graph', 'list')
    """
    name, library = type(value).__name__, type(value).__module__.partition(".")[0]
    return name if library in ("builtins", "graphnn") else f"{library}.{name}"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint naming the most similar known names, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(repr(c) for c in close)}?" if close else ""


def listing(names: Sequence[str], most: int = 8) -> str:
    """Return the first few names for an error message, and how many more there are."""
    shown = ", ".join(repr(n) for n in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
