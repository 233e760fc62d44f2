"""What every layer of a model gives, and the gradient that comes back to it, by the names of the layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnn.checks import listing, nearest
from graphnn.flat import scalar
from graphnn.insight.params import Table, counted, memory, sparkline
from graphnn.insight.reading import Loss, Reading
from graphnn.layer import Layer, Rng
from graphnn.types import Array, Params

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Watched(Mapping):
    """The activations of a model by the name of the layer, and what belongs to them. It reads like a dict of arrays.

    .activations: the same as a plain dict;  .gradients: of the loss with respect to each, by the same names
    .output: what the model returned;  .loss: the number, None without
    .table: mean, variance and the dead of each, which is also how it is printed;  .plot(): the picture of it

    >>> from graphnn.layers import Dense
    >>> seen = watch(Dense(1), {"weight": np.ones((2, 1)), "bias": np.zeros(1)}, np.ones((3, 2)))
    >>> list(seen), seen["Dense"].ravel().tolist()
    (['Dense'], [2.0, 2.0, 2.0])
    """

    activations: dict[str, Array]
    gradients: dict[str, Array]
    output: Any
    loss: float | None

    def __getitem__(self, name: str) -> Array:
        if name not in self.activations:
            raise KeyError(f"no layer {name!r} was seen{nearest(name, self) or f'; there are {listing(list(self))}'}")
        return self.activations[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.activations)

    def __len__(self) -> int:
        return len(self.activations)

    @property
    def table(self) -> Table:
        """One row for each layer.

        mean, variance  of all entries
        zeros %         share of the entries that are exactly zero
        dead %          share of the units (columns, the last axis) that are zero in every row: for no node here, or
                        no graph behind a pool, do they say anything; of relu units they are those that stopped learning
        grad norm       with a loss: norm of its gradient with respect to all entries, "-" where none came back
        histogram       of the finite entries: ten bins from the smallest to the largest
        """
        rows, dead, units = [], 0, 0
        for name, array in self.activations.items():
            silent = silent_units(array)
            dead, units = dead + int(silent.sum()), units + silent.size
            g = self.gradients.get(name)
            norm = () if self.loss is None else (None if g is None else float(np.linalg.norm(g.astype(float).ravel())),)
            rows.append((name, array.shape, *_moments(array, silent), *norm, sparkline(_finite(array))))
        norm_column = () if self.loss is None else ("grad norm",)
        columns = ("layer", "shape", "mean", "variance", "zeros %", "dead %", *norm_column, "histogram")
        size = memory(sum(array.nbytes for array in self.activations.values()))
        total = f"{counted(len(rows), 'layer')}, {dead} of {counted(units, 'unit')} dead, {size}"
        return Table(columns, tuple(rows), total if self.loss is None else f"{total}, loss {self.loss:.6g}")

    def plot(self, *, figure: Figure | None = None, title: str | None = None) -> Figure:
        """Draw how the activations, and with a loss their gradients, are distributed: `gn.plot.activations`."""
        from graphnn.insight.drawing import activations

        return activations(self, figure=figure, title=title)

    def __repr__(self) -> str:
        return repr(self.table)

    def _repr_html_(self) -> str:
        """Return the table as HTML; notebooks call it by this name."""
        return self.table._repr_html_()


def watch(
    model: Layer, params: Params, graphs: Any, loss: Loss | None = None, *, train: bool = False, rng: Rng = None
) -> Watched:
    """Return what every layer of a model gives for these graphs, and with a loss the gradient of each.

    loss: a function of what the model returns that gives a number, for example `partial(mse_of, targets)`
    train, rng: as in `model.apply`; what training would update is left alone

    One forward pass, and with a loss one backward pass; nothing else is computed, and nothing changes. The names are
    those of the layers in the parameters, "1.graphconv"; a layer that is used several times is numbered, "inner#1",
    "inner#2"; the model itself is called by its kind. A batch of graphs counts with its nodes, and with edges or
    globals, "block:edges", where the layer has made new ones; of a tuple or dict each member counts, "heads:size". A
    container that only hands on what a layer inside it gave has no entry of its own: Sequential has none, Residual,
    which adds, has one. What no parameter comes into has no gradient, for training computes none.

    Without a loss the numbers are, bit by bit, those of `model(params, graphs)`; with one those of a training step.

    Raises TypeError for a loss that gives no number, and with a loss for JAX arrays.

    >>> from graphnn.layers import Dense, Sequential
    >>> from graphnn.ops import relu
    >>> model = Sequential(Dense(2, relu), Dense(1))
    >>> params = model.init(0, np.ones((1, 1)))
    >>> params["0.dense.weight"] = np.array([[1.0, -1.0]])
    >>> params["1.dense.weight"] = np.array([[1.0], [5.0]])
    >>> seen = watch(model, params, np.array([[1.0], [3.0]]), loss=np.mean)
    >>> seen
    layer    shape   mean  variance  zeros %  dead %  grad norm  histogram
    0.dense  (2, 2)     1       1.5       50      50       3.61  █  ▄     ▄
    1.dense  (2, 1)     2         1        0       0      0.707  █        █
    2 layers, 1 of 3 units dead, 48 B, loss 2
    >>> seen.gradients["0.dense"].tolist()
    [[0.5, 2.5], [0.5, 2.5]]
    """
    traced = None if loss is None else scalar("watch", loss)
    seen = Reading(model, params, graphs, loss=traced, train=train, rng=rng, traced=loss is not None)
    activations, gradients = {}, {}
    for use in seen.layers:
        for part, array in use.values.items():
            name = f"{use.label}:{part}" if part else use.label
            activations[name] = array
            if (use.number, part) in seen.notes.arrived:
                gradients[name] = seen.notes.arrived[use.number, part]
    return Watched(activations, gradients, seen.output, None if seen.value is None else float(seen.value))


def silent_units(array: Array) -> Array:
    """Return for every unit, a place on the last axis, whether it is zero in every row; an array (n,) is one unit.

    Without rows nothing is known and no unit counts as dead.

    >>> silent_units(np.array([[0.0, 1.0], [0.0, 0.0]]))
    array([ True, False])
    """
    rows = array.reshape((-1, array.shape[-1])) if array.ndim > 1 and array.size else array.reshape((array.size, 1))
    return (rows == 0).all(axis=0) & bool(array.size)


def _moments(array: Array, silent: Array) -> tuple[float | None, ...]:
    if not array.size:
        return None, None, None, None
    with np.errstate(all="ignore"):  # nan is shown, so it needs no warning
        numbers = array.astype(float)
        return float(numbers.mean()), float(numbers.var()), 100 * float((array == 0).mean()), 100 * float(silent.mean())


def _finite(array: Array) -> Array:
    return array[np.isfinite(array)].astype(float)
