"""The tape writes itself down: every step with its cost and its time, and the gradients that arrive at marks.

A mark is a node of autograd's tape that hands its number on unchanged; where the backward pass meets it lies the
gradient of what was marked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeAlias
from weakref import ref

import numpy as np
from autograd.core import VJPNode
from autograd.tracer import new_box, notrace_primitives

from graphnn.insight.costs import expected_seconds, multiply_adds
from graphnn.ops import SparseMatrix
from graphnn.types import Array

Mark: TypeAlias = tuple[int, str]
"""A use of a layer by its number, and the part of its output; FEATURE or PARAMETER, and its name."""
FEATURE, PARAMETER = -1, -2


@dataclass(eq=False)
class Step:
    """One primitive as it was computed; seconds from the end of the step before to the end of this one."""

    name: str
    use: int | None  # the number of the innermost layer at work; None is the loss
    inputs: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    multiply_adds: int
    n_bytes: int
    expected: float  # seconds forward, by rule of thumb
    forward: float
    array: Callable[[], Any]  # what it made, as long as somebody keeps it
    backward: float = 0.0


class Notes:
    """What is written down on the way. It knows no array that knows it, so that nothing waits to be collected."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.arrived: dict[Mark, Array] = {}
        self.at_work: list[int] = []
        self.clock = perf_counter()

    def step(self, value: Any, fun: Any, args: tuple, end: float) -> Step:
        """Write down a step that has just been computed."""
        n_bytes = 0 if any(_memory(arg) is _memory(value) for arg in args) else np.asarray(value).nbytes
        step = Step(
            getattr(fun, "__name__", "step").lstrip("_"),
            self.at_work[-1] if self.at_work else None,
            tuple(np.shape(arg) for arg in args if isinstance(arg, (np.ndarray, SparseMatrix))),
            np.shape(value),
            multiply_adds(fun, value, args),
            n_bytes,
            expected_seconds(fun, value, args, n_bytes),
            end - self.clock,
            ref(_memory(np.asarray(value))),
        )
        self.steps.append(step)
        return step

    def timed(self, vjp: Callable, step: Step) -> Callable:
        """Return the way back through a step, which looks at the clock."""

        def back(g: Any) -> list[Any]:
            gradients = list(vjp(g))
            now = perf_counter()
            step.backward, self.clock = now - self.clock, now
            return gradients

        return back

    def taken(self, mark: Mark) -> Callable:
        """Return the way back through a mark: take down the gradient that arrives there, and hand it on."""

        def back(g: Any) -> tuple[Any]:
            if mark[0] >= 0:
                self.arrived[mark] = np.array(g)
            return (g,)

        return back


class Node(VJPNode):
    """A node of the tape that writes itself down. What is computed from one is one."""

    notes: Notes
    mark: Mark | None  # None for a step
    vjp: Any

    def __init__(self, value: Any, fun: Any, args: tuple, kwargs: dict, parent_argnums: tuple, parents: tuple):
        end = perf_counter()
        super().__init__(value, fun, args, kwargs, parent_argnums, parents)
        self.notes, self.mark = parents[0].notes, None
        self.vjp = self.notes.timed(self.vjp, self.notes.step(value, fun, args, end))
        self.notes.clock = perf_counter()  # what the writing took is in no step

    @classmethod
    def over(cls, box: Any, notes: Notes, mark: Mark) -> Any:
        """Return the number of a box under a mark."""
        node = cls.__new__(cls)
        node.parents, node.notes, node.mark = [box._node], notes, mark
        node.vjp = notes.taken(mark)
        return new_box(box._value, box._trace, node)


def notice() -> None:
    """Tell autograd that our nodes leave out what its own leave out: what has no derivative is on neither tape."""
    notrace_primitives[Node] = notrace_primitives[VJPNode]


def _memory(value: Any) -> Any:
    """Return the array that holds the numbers of a view."""
    while isinstance(value, np.ndarray) and isinstance(value.base, np.ndarray):
        value = value.base
    return value
