"""Several losses, each back-propagated on its own: an optimiser for each, and how far they pull apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnn.insight.params import Table
from graphnn.optim import Optimizer, State
from graphnn.types import Params, is_statistic


@dataclass(frozen=True, repr=False)
class per_loss(Optimizer):
    """Give each loss the optimiser of its name: {loss: optimizer}. `fit` makes one of a dict of optimisers.

    All gradients are of the same parameters, by one forward pass; the updates are done one after the other, in the
    order of the dict. The state of loss "size" has the prefix "size/". With `per_module` a loss moves a part only.

    >>> from graphnn.optim import sgd
    >>> both = per_loss({"size": sgd(0.5), "label": sgd(0.25)})
    >>> params = {"w": np.ones(1)}
    >>> both.update(params, {"size": {"w": np.ones(1)}, "label": {"w": -np.ones(1)}}, both.init(params))[0]
    {'w': array([0.75])}
    """

    optimizers: Mapping[str, Optimizer]

    def __post_init__(self) -> None:
        object.__setattr__(self, "optimizers", dict(self.optimizers))  # it must not change when the caller's does
        for name, optimizer in self.optimizers.items():
            if isinstance(optimizer, type) or not hasattr(optimizer, "update"):
                raise TypeError(f"per_loss: the optimiser of loss {name!r} is {optimizer!r}; give one like gn.adam()")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, per_loss) and list(self.optimizers.items()) == list(other.optimizers.items())

    def __hash__(self) -> int:
        return hash(tuple(self.optimizers.items()))

    def init(self, params: Params) -> State:
        """Return the state before the first update.

        >>> from graphnn.optim import momentum, sgd
        >>> per_loss({"a": sgd(0.1), "b": momentum(0.1)}).init({"w": np.ones(1)})
        {'step': 0, 'a/step': 0, 'b/step': 0, 'b/m.w': array([0.])}
        """
        state: State = {"step": 0}
        for name, optimizer in self.optimizers.items():
            state |= {f"{name}/{key}": value for key, value in optimizer.init(params).items()}
        return state

    def update(self, params: Params, grads: Mapping[str, Any], state: State) -> tuple[Params, State]:
        """Return the parameters and the state after one step for every loss; grads: {loss: {name: gradient}}.

        Raises KeyError for a loss without gradients.
        """
        new_state: State = {"step": self._step(state) + 1}
        for name, optimizer in self.optimizers.items():
            if name not in grads:
                raise KeyError(f"per_loss: there are no gradients of loss {name!r}, only of {list(grads)}")
            own = {key[len(name) + 1 :]: value for key, value in state.items() if key.startswith(f"{name}/")}
            params, own = optimizer.update(params, grads[name], own)
            new_state |= {f"{name}/{key}": value for key, value in own.items()}
        return params, new_state


def conflict(loss_grads: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return how far several losses pull apart: the cosine between the gradients of each two, parameter by parameter.

    loss_grads: {loss: {name: gradient}}, as `multi_grad` gives and `run.loss_grads` holds. 1 is the same direction,
    -1 the opposite; None where one of the gradients is zero. The last row, "all", takes the whole dict as one vector:
    below zero, a step down one loss is at first a step up the other (Yu et al. 2020, arXiv:2001.06782).

    Raises ValueError for fewer than two losses, KeyError where they have different names.

    >>> conflict({"size": {"w": np.array([1.0, 0.0])}, "label": {"w": np.array([-1.0, 1.0])}}).column("size, label")
    (-0.7071067811865475, -0.7071067811865475)
    """
    losses = list(loss_grads)
    if len(losses) < 2:
        raise ValueError(f"conflict: there must be two losses or more, got {losses}")
    names = [name for name in loss_grads[losses[0]] if not is_statistic(name)]
    for loss in losses[1:]:
        if set(loss_grads[loss]) != set(loss_grads[losses[0]]):
            raise KeyError(f"conflict: losses {losses[0]!r} and {loss!r} have gradients of different names")
    pairs = [(a, b) for i, a in enumerate(losses) for b in losses[i + 1 :]]

    def row(kind: str, chosen: list[str]) -> tuple[Any, ...]:
        vectors = {a: np.concatenate([np.ravel(loss_grads[a][n]) for n in chosen]) for a in losses}
        return (kind, *(_cosine(vectors[a], vectors[b]) for a, b in pairs))

    rows = [*(row(name, [name]) for name in names), row("all", names)]
    apart = sum(value is not None and value < 0 for value in rows[-1][1:])
    total = f"{apart} of {len(pairs)} pairs of losses pull apart"
    return Table(("name", *(f"{a}, {b}" for a, b in pairs)), tuple(rows), total)


def _cosine(a: np.ndarray, b: np.ndarray) -> float | None:
    largest = [float(np.abs(v).max(initial=0.0)) for v in (a, b)]  # divided by which no square is too small or large
    if not all(largest):
        return None
    a, b = a.astype(float) / largest[0], b.astype(float) / largest[1]
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
