"""One pass through a model, written down: which layer gave what, by which steps, and what flowed back.

An `Onlooker` is told before and after every layer and puts a mark on what the layer gives. Where the backward pass
meets the mark lies the gradient of that output, and between two marks lies what the layer did. So nothing is computed
twice and nothing is left behind.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from time import perf_counter
from typing import Any

import numpy as np
from autograd.tracer import isbox

from graphnn import ops
from graphnn.autodiff import Tape
from graphnn.batch import FEATURES, Batch
from graphnn.insight.notes import FEATURE, PARAMETER, Mark, Node, Notes, notice
from graphnn.layer import Call, Layer, Onlooker, Rng, Scope, as_input
from graphnn.ops import SparseMatrix
from graphnn.types import Array, Params, is_statistic

Loss = Callable[[Any], Any]


@dataclass(eq=False)
class Use:
    """One use of a layer in a call: what it was handed, what it gave, and where it stands among the others."""

    number: int
    path: str
    layer: Layer
    outer: int | None  # the number of the use that this one lies in
    handed: list[Array]
    label: str = ""
    gave: dict[str, Array] = field(default_factory=dict)  # by part, "" for the output or its nodes; before the marks
    marked: dict[str, Array] = field(default_factory=dict)  # the same with the marks
    inner: list[int] = field(default_factory=list)
    hands_on: bool = False  # holds nothing and gives nothing but what a layer inside it gave, as Sequential does

    @property
    def values(self) -> dict[str, Array]:
        """What it gave, by part, as plain arrays."""
        return {part: np.asarray(ops.value_of(ops.dense(array))) for part, array in self.gave.items()}


class Reading(Onlooker):
    """A run of a model: its layers (`uses`), `steps`, `output`, the `value` of the loss, the gradients that `arrived`.

    traced: whether a tape is kept: without it there are no steps and no gradients
    features: whether the features that come in are marked and traced too, under the names "(nodes)", "(edges)"
    """

    def __init__(
        self,
        model: Layer,
        params: Params,
        graphs: Any,
        *,
        loss: Loss | None = None,
        train: bool = False,
        rng: Rng = None,
        traced: bool = True,
        features: bool = False,
    ):
        self.params, self.notes = params, Notes()
        self.uses: list[Use] = []  # by number, as they began
        self.ended: list[Use] = []  # as they came to an end, inner layers first
        self.entered: dict[str, Array] = {}  # the features that came in
        self._trace: int | None = None
        data = as_input(graphs)
        nodes_or_array = "nodes" if isinstance(data, Batch) else "input"

        def run(leaves: dict) -> tuple[Any, Any]:
            boxes = {
                name: self._own(box, (PARAMETER, name)) for (kind, name), box in leaves.items() if kind == "params"
            }
            call = Call({**params, **boxes}, train, rng)
            call.onlooker = self

            def entering(part: str, array: Array) -> Array:
                name = f"({part or nodes_or_array})"  # no layer can be called so
                if ("features", part) in leaves:
                    array = self._own(leaves["features", part], (FEATURE, name))
                self.entered[name] = array
                return array

            entered = replaced(data, entering)
            self.notes.clock = perf_counter()
            out = model(Scope(call), entered)
            return out, None if loss is None else loss(out)

        if not traced:
            out, self.value = run({})
        else:
            leaves = {("params", name): value for name, value in params.items() if is_leaf(name, value)}
            if features:
                leaves |= {("features", part): array for part, array in parts(data).items() if is_leaf("", array)}
            if any(ops.is_jax(leaf) for leaf in leaves.values()):
                raise TypeError("what happens inside a model is recorded on NumPy arrays, got JAX arrays")
            notice()
            tape = Tape(run, leaves)
            out, self.value = tape.output
            if loss is not None:
                self.notes.clock = perf_counter()
                tape.gradient(_second, "the loss")
        self.output = replaced(out, _plain)
        _name(self.uses)

    def _own(self, box: Any, mark: Mark) -> Any:
        self._trace = box._trace
        return Node.over(box, self.notes, mark)

    # ---- what the layers tell ---------------------------------------------------------------------------------------

    def enter(self, path: str, layer: Layer, inputs: tuple) -> None:
        start = perf_counter()
        at_work = self.notes.at_work
        outer = at_work[-1] if at_work else None
        number = len(self.uses)
        if outer is not None:
            self.uses[outer].inner.append(number)
        handed = [array for part in inputs for array in parts(part).values()]
        self.uses.append(Use(number, path, layer, outer, handed))
        at_work.append(number)
        self.notes.clock += perf_counter() - start  # looking is no part of the step that is being timed

    def leave(self, path: str, layer: Layer, out: Any) -> Any:
        start = perf_counter()
        use = self.uses[self.notes.at_work.pop()]
        self.ended.append(use)
        given = {id(array) for array in use.handed}
        use.gave = {part: array for part, array in parts(out).items() if not _is_extra(part) or id(array) not in given}
        within = given | {id(array) for inner in use.inner for array in self.uses[inner].marked.values()}
        holds = any(name.rpartition(".")[0] == path for name in self.params)
        use.hands_on = bool(use.inner) and not holds and all(id(array) in within for array in use.gave.values())
        use.marked = use.gave
        if not use.hands_on:
            use.marked = {part: self._marked(array, (use.number, part)) for part, array in use.gave.items()}

        def marked(part: str, array: Array) -> Array:
            return use.marked.get(part, array)

        out = replaced(out, marked)
        self.notes.clock += perf_counter() - start
        return out

    def _marked(self, array: Array, mark: Mark) -> Array:
        return self._own(array, mark) if isbox(array) and array._trace == self._trace else array

    # ---- what can be read off it ------------------------------------------------------------------------------------

    @property
    def layers(self) -> list[Use]:
        """The uses that count, as they came to an end: all but those that only hand on what one inside them gave."""
        return [use for use in self.ended if not use.hands_on]

    @cached_property
    def owned(self) -> dict[int, list[str]]:
        """The names of the parameters by the number of the use that reads them first, the innermost they are in."""
        first: dict[str, int] = {}
        for use in self.uses:
            if self.is_innermost(use):
                first.setdefault(use.path, use.number)
        out: dict[int, list[str]] = {}
        for name in self.params:
            path = name
            while path and path not in first:
                path = path.rpartition(".")[0]
            out.setdefault(first.get(path, 0), []).append(name)
        return out

    def is_innermost(self, use: Use) -> bool:
        """Say whether no layer inside this one has the same scope, and so its parameters."""
        return not any(self.uses[inner].path == use.path for inner in use.inner)

    def weights(self, use: Use) -> list[str]:
        """Return the names of the parameters a layer reads: on the tape from what it was handed on, and its own."""
        handed = {id(array._node) for array in use.handed if isbox(array)}
        read = {name for number, name in self._behind(list(use.gave.values()), handed) if number == PARAMETER}
        for other in self.uses:
            if other.path == use.path and self.is_innermost(other) == self.is_innermost(use):
                read |= set(self.owned.get(other.number, ()))
        return [name for name in self.params if name in read]

    def sources(self, use: Use) -> list[Mark]:
        """Return the marks nearest to what a layer gave, else to what it was handed: what it was computed from."""
        around = {use.number, *self._around(use.number)}
        near = self._outputs_behind(list(use.gave.values())) or self._outputs_behind(use.handed)
        near = near or self._handed_over(use, around)
        return sorted({mark if mark[0] == FEATURE else (self._outermost(mark[0], around), "") for mark in near})

    def _handed_over(self, use: Use, around: set[int]) -> set[Mark]:
        """Return who made the arrays that a layer was handed, where no tape says so: codes, what gradients stop at."""
        makers: dict[int, Mark] = {id(array): (FEATURE, name) for name, array in self.entered.items()}
        for other in self.uses[: use.number]:
            if not other.hands_on and other.number not in around:
                makers |= {id(array): (other.number, part) for part, array in other.gave.items()}
        return {makers[id(array)] for array in use.handed if id(array) in makers}

    def _outputs_behind(self, arrays: list[Array]) -> set[Mark]:
        return {mark for mark in self._behind(arrays) if mark[0] != PARAMETER}

    def _around(self, number: int) -> Iterator[int]:
        outer = self.uses[number].outer
        while outer is not None:
            yield outer
            outer = self.uses[outer].outer

    def _outermost(self, number: int, around: set[int]) -> int:
        """Return the layer that brought out what one inside it made: a pool its edges, made of an assignment."""
        for outer in self._around(number):
            if outer in around:
                break
            if not self.uses[outer].hands_on:
                number = outer
        return number

    def _behind(self, arrays: list[Array], until: Collection[int] = ()) -> set[Mark]:
        pending, seen = [array._node for array in arrays if isbox(array)], set(until)
        marks: set[Mark] = set()
        while pending:
            node = pending.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            mark = getattr(node, "mark", None)
            if mark is None:
                pending.extend(node.parents)
            else:
                marks.add(mark)
        return marks


def _plain(part: str, array: Array) -> Array:
    return ops.value_of(array)


def _second(pair: Any) -> Any:
    return pair[1]


def is_leaf(name: str, value: Any) -> bool:
    """Say whether a parameter or a feature is traced: floating numbers that are no running statistics."""
    return not is_statistic(name) and getattr(value, "dtype", np.dtype(object)).kind == "f" and _is_array(value)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or isbox(value) or ops.is_jax(value)


def _is_extra(part: str) -> bool:
    """Say whether a part is what a batch has beside its nodes, which a layer hands on unless it makes new ones."""
    return part.rpartition(":")[2] in ("edges", "positions", "globals")


def parts(value: Any) -> dict[str, Array]:
    """Return the arrays in what goes into a layer or comes out: "" or "nodes", ":edges"; "0" and "1"; "size", "label".

    >>> list(parts((np.ones(1), {"size": np.ones(1)})))
    ['0', '1:size']
    """
    found: dict[str, Array] = {}

    def keep(part: str, array: Array) -> Array:
        found[part] = array
        return array

    replaced(value, keep)
    return found


def replaced(value: Any, change: Callable[[str, Array], Array], part: str = "") -> Any:
    """Return the same batch, array, dict or tuple with change(part, array) in place of every array.

    >>> replaced({"a": np.ones(2)}, lambda part, array: array + 1)
    {'a': array([2., 2.])}
    """
    prefix = f"{part}:" if part else ""
    if isinstance(value, dict):
        return {name: replaced(inner, change, f"{prefix}{name}") for name, inner in value.items()}
    if isinstance(value, (tuple, list)):
        inside = [replaced(inner, change, f"{prefix}{i}") for i, inner in enumerate(value)]
        return type(value)(*inside) if hasattr(value, "_fields") else type(value)(inside)
    if isinstance(value, Batch):
        held = {name: getattr(value, name) for name in FEATURES if getattr(value, name) is not None}
        new = {name: change(part if name == "nodes" else f"{prefix}{name}", array) for name, array in held.items()}
        changed = {name: array for name, array in new.items() if array is not held[name]}
        return dataclasses.replace(value, **changed) if changed else value
    return change(part, value) if _is_array(value) or isinstance(value, SparseMatrix) else value


def _name(uses: list[Use]) -> None:
    """Give every use a name of its own: that of the layer in the parameters, numbered where it is used several times.

    The model itself, which has none, is called by its kind, and so is a layer in the scope of another, "outer/kind".
    """
    for use in uses:
        kind = type(use.layer).__name__
        shares = use.outer is not None and uses[use.outer].path == use.path
        use.label = f"{uses[use.outer or 0].label}/{kind}" if shares else use.path or kind
    times, seen = Counter(use.label for use in uses), Counter[str]()
    for use in uses:
        seen[use.label] += 1
        if times[use.label] > 1:
            use.label = f"{use.label}#{seen[use.label]}"
