"""What the gradients of a training look like while it runs: norms, updates, units that are dead, losses at odds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnn.insight.curves import NamedCurves
from graphnn.insight.lettering import entitle
from graphnn.insight.params import BLOCKS, Table
from graphnn.insight.watch import silent_units
from graphnn.layer import Call, Scope, as_input, parts_of
from graphnn.training.history import below
from graphnn.training.several import conflict
from graphnn.types import is_statistic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FACTS = ("grad norm", "grad mean", "grad variance", "change", "weight")
"""What is kept of a parameter: of its gradient norm, mean and variance, and the norms of its change and of itself."""

OUTPUTS = ("columns", "dead", "mean", "variance")
"""What is kept of the output of a layer: columns, how many of them are zero in every row, mean and variance."""


class GradientMonitor:
    """Keep for every parameter, as training goes: norm, mean and variance of its gradient, and how far it moves.

    every: training steps between records;  outputs_every: epochs between looks at what the layers give, None for none

    The gradients and changes are those of the step itself, nothing is computed twice. The outputs of the layers are not
    kept by a training step, so a look at them takes one evaluation of the last mini-batch, without dropout: a column
    of a layer's output is dead when it is exactly zero in all rows of it. With several losses the cosine
    between their gradients is kept for each two (see `conflict`).

    steps: (n,), the step of each record;  facts: {name: {fact: (n,)}} with the FACTS of each parameter
    epochs: (m,), the epoch of each look;  layers: {layer: {fact: (m,)}} with the OUTPUTS of each layer
    cosines: {"size, label": (n,)}, None where one of the gradients is zero

    A healthy ratio of change to weight is about 1e-3 a step; far less learns slowly, far more does not settle.

    >>> from graphnn import Dense, fit, sgd
    >>> x, y, monitor = np.ones((4, 1)), np.ones((4, 1)), GradientMonitor(every=1)
    >>> params = {"weight": np.zeros((1, 1)), "bias": np.ones(1) / 2}
    >>> _ = fit(Dense(1), params, x, y, optimizer=sgd(0.25), epochs=1, callbacks=[monitor])
    >>> monitor.table()
    name    grad norm  grad mean  grad variance  change/weight  grad norm, all
    weight          1         -1              0            inf  ▁
    bias            1         -1              0            0.5  ▁
    1 records, the last of step 0
    """

    def __init__(self, every: int = 10, *, outputs_every: int | None = 10):
        for name, number in (("every", every), ("outputs_every", outputs_every)):
            if number is not None and (number != int(number) or number < 1):
                raise ValueError(f"GradientMonitor: {name} must be a whole number, 1 or more, got {number}")
        self.every, self.outputs_every = every, outputs_every
        self._begin()

    def _begin(self) -> None:
        self.steps: list[int] = []
        self.facts: dict[str, dict[str, list[float]]] = {}
        self.cosines: dict[str, list[float]] = {}
        self.epochs: list[int] = []
        self.layers: dict[str, dict[str, list[float]]] = {}

    def begin_fit(self, run: Any) -> None:
        """Begin anew with every training."""
        self._begin()

    def after_batch(self, run: Any) -> None:
        """Keep a record of the step, if it is time to."""
        step = run.step - 1
        if step % self.every:
            return
        self.steps.append(step)
        for name, change in run.changes.items():
            if not is_statistic(name):
                gradient, moved = np.asarray(run.grads[name], float), np.asarray(change, float)
                before = np.asarray(run.params[name], float) - moved
                values = (_norm(gradient), _mean(gradient), _variance(gradient), _norm(moved), _norm(before))
                _append(self.facts, name, dict(zip(FACTS, values, strict=True)))
        if len(run.loss_grads) > 1:
            together = conflict(run.loss_grads)
            for pair, cosine in zip(together.columns[1:], together.rows[-1][1:], strict=True):
                self.cosines.setdefault(pair, []).append(math.nan if cosine is None else cosine)

    def after_epoch(self, run: Any) -> None:
        """Look at what the layers give out, if it is time to."""
        if self.outputs_every is not None and (run.epoch - 1) % self.outputs_every == 0:
            self.epochs.append(run.epoch - 1)
            for layer, facts in layer_outputs(run.model, run.params, run.inputs).items():
                _append(self.layers, layer, facts)

    def memory(self) -> dict[str, Any]:
        """Return all of it as a flat dict of arrays."""
        flat: dict[str, Any] = {"steps": np.array(self.steps, int), "epochs": np.array(self.epochs, int)}
        for part, kept in (("facts", self.facts), ("layers", self.layers)):
            flat |= {f"{part}/{f}/{name}": np.array(row[f], float) for name, row in kept.items() for f in row}
        return flat | {f"cosines/{pair}": np.array(row, float) for pair, row in self.cosines.items()}

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Become what `memory` was made from."""
        self._begin()
        self.steps, self.epochs = memory["steps"].tolist(), memory["epochs"].tolist()
        for part, kept, facts in (("facts", self.facts, FACTS), ("layers", self.layers, OUTPUTS)):
            for fact in facts:
                for name, row in below(memory, f"{part}/{fact}").items():
                    kept.setdefault(name, {})[fact] = row.tolist()
        self.cosines = {pair: row.tolist() for pair, row in below(memory, "cosines").items()}

    def table(self) -> Table:
        """Return the last record, a row for each parameter.

        change/weight     how far the step moved it, as a share of itself; inf where it was all zeros
        grad norm, all    that of all records, first to last, on a logarithmic scale
        """
        rows = []
        for name, facts in self.facts.items():
            last = [facts[fact][-1] for fact in FACTS[:3]]
            rows.append((name, *last, ratio(facts["change"][-1], facts["weight"][-1]), sparkline(facts["grad norm"])))
        total = f"{len(self.steps)} records" + (f", the last of step {self.steps[-1]}" if self.steps else "")
        for pair, cosine in self.cosines.items():
            total += (
                f"\ngradients of {pair}: cosine {cosine[-1]:.3g}, below zero in {sum(c < 0 for c in cosine)} records"
            )
        return Table(("name", *FACTS[:3], "change/weight", "grad norm, all"), tuple(rows), total)

    def layer_table(self) -> Table:
        """Return the last look at the layers: how many columns each has, which share is dead, mean and variance."""
        rows = tuple(
            (layer, int(facts["columns"][-1]), 100 * facts["dead"][-1] / facts["columns"][-1], facts["mean"][-1],
             facts["variance"][-1])
            for layer, facts in self.layers.items()
        )  # fmt: skip
        looks = f"{len(self.epochs)} looks" + (f", the last after epoch {self.epochs[-1]}" if self.epochs else "")
        return Table(("layer", "columns", "dead %", "mean", "variance"), rows, looks)

    def plot(self, ax: Axes | None = None, *, what: str = "grad norm", title: str | None = None) -> Axes:
        """Draw the norm of the gradient of each layer over the steps, or with what="change/weight" how far it moves.

        The parameters of a layer count as one vector. A new pyplot figure if `ax` is None.
        """
        if what not in ("grad norm", "change/weight"):
            raise ValueError(f'GradientMonitor: what is {what!r}, wanted "grad norm" or "change/weight"')
        if ax is None:
            from matplotlib import pyplot

            _, ax = pyplot.subplots(figsize=(5.4, 3.6), layout="constrained")
        curves = {}
        for layer in dict.fromkeys(name.rpartition(".")[0] for name in self.facts):
            own = [facts for name, facts in self.facts.items() if name.rpartition(".")[0] == layer]
            norms = {fact: np.sqrt(sum(np.square(facts[fact]) for facts in own)) for fact in FACTS}
            grown = map(ratio, norms["change"], norms["weight"])
            curves[layer or "model"] = norms["grad norm"] if what == "grad norm" else np.array(list(grown))
        ylabel = "norm of the gradient" if what == "grad norm" else "change / weight, each step"
        NamedCurves(ax, "step", ylabel).update(self.steps, curves)
        entitle(ax, title)
        return ax

    def __repr__(self) -> str:
        return f"GradientMonitor({len(self.steps)} records of {len(self.facts)} parameters)"


def layer_outputs(model: Any, params: Any, inputs: Any) -> dict[str, dict[str, float]]:
    """Return the OUTPUTS of every layer without layers in it, by one evaluation; of one used several times the last.

    >>> from graphnn import Dense, Sequential, ops
    >>> params = {"0.dense.weight": np.array([[1.0, -1.0]]), "0.dense.bias": np.zeros(2)}
    >>> layer_outputs(Sequential(Dense(2, ops.relu)), params, np.ones((3, 1)))
    {'0.dense': {'columns': 2.0, 'dead': 1.0, 'mean': 0.5, 'variance': 0.25}}
    """
    seen: dict[str, Any] = {}

    def watch(path: str, out: Any) -> None:
        seen[path] = next(parts_of(out), None)

    call = Call(params)
    call.watch = watch
    model(Scope(call), as_input(inputs))
    facts = {}
    for path, output in seen.items():
        outer = any(other != path and other.startswith(f"{path}." if path else "") for other in seen)
        if not outer and isinstance(output, np.ndarray) and output.ndim > 1 and output.size:
            h, silent = output.astype(float), silent_units(output)
            values = (silent.size, silent.sum(), _mean(h), _variance(h))
            facts[path or type(model).__name__] = dict(zip(OUTPUTS, map(float, values), strict=True))
    return facts


def ratio(change: float, weight: float) -> float:
    """Return change / weight, inf for a change from nothing, 0 for none.

    >>> ratio(1.0, 4.0), ratio(1.0, 0.0), ratio(0.0, 0.0)
    (0.25, inf, 0.0)
    """
    return float(change / weight) if weight > 0 else (math.inf if change > 0 else 0.0)


def sparkline(values: Any, width: int = 12) -> str:
    """Return positive numbers as a line of blocks on a logarithmic scale, zeros as blanks; at most `width` of them.

    >>> sparkline([1.0, 10.0, 0.0, 100.0])
    '▁▅ █'
    """
    if not len(values):
        return ""
    picked = np.asarray(values, float)[np.unique(np.linspace(0, len(values) - 1, width).round().astype(int))]
    shown = picked > 0
    logs = np.log(picked[shown])
    span = np.ptp(logs) if shown.any() else 0.0
    levels = np.zeros(len(picked), int)
    levels[shown] = 1 + np.round((len(BLOCKS) - 2) * (logs - logs.min()) / span if span else 0 * logs)
    return "".join(BLOCKS[level] for level in levels)


def _append(kept: dict[str, dict[str, list[float]]], name: str, facts: Mapping[str, float]) -> None:
    row = kept.setdefault(name, {fact: [] for fact in facts})
    for fact, value in facts.items():
        row[fact].append(value)


def _norm(array: np.ndarray) -> float:
    return float(np.linalg.norm(array))


def _mean(array: np.ndarray) -> float:
    return float(array.mean()) if array.size else 0.0


def _variance(array: np.ndarray) -> float:
    return float(array.var()) if array.size else 0.0
