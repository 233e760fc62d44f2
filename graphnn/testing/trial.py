"""A layer on trial: what it needs, its parameters, and all that comes out of it, to be compared.

Gradients are always those of sum(sin(output)), which has another slope everywhere and which no order of rows changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np

from graphnn import ops
from graphnn.autodiff import grad
from graphnn.batch import FEATURES, Batch
from graphnn.layer import Layer, parts_of
from graphnn.types import Array, Params

LEVELS = ("node", "edge", "graph")
LEVEL_OF = {"nodes": "node", "positions": "node", "edges": "edge", "weights": "edge", "globals": "graph"}
WHOLE = {"codes": "nodes", "relations": "edges"}  # attributes that are whole numbers, with no derivative to find


@dataclass(frozen=True)
class Row:
    """A layer and what it needs; what the rows of its output stand for; and what exempts it from laws.

    attributes: what the test graphs carry, see `graph`

    >>> from graphnn import Dense
    >>> print(Row(Dense(2), "narrow"))
    Dense-narrow
    """

    layer: Layer
    note: str = ""
    level: str = "node"  # a row of the output is a node, an edge or a graph
    attributes: tuple[str, ...] = ()
    train: bool = False
    batch_statistics: bool = False  # in training, sees the other graphs of the batch
    noisy: bool = False  # in training, its noise goes with the place of a row
    noisy_edges: bool = False  # in training, its noise goes with the place of an edge
    follows_weights: bool = True  # can be differentiated with respect to the edge weights
    unsavable: bool = False  # holds what a checkpoint cannot name

    def __str__(self) -> str:
        return f"{type(self.layer).__name__}{self.note and '-' + self.note}"


# ---- a layer at work -------------------------------------------------------------------------------------------------


def parameters(layer: Layer, graphs: Any, seed: int = 0, dtype: Any = None) -> Params:
    """Return parameters without a zero in them, read-only; running variances and scales are positive.

    >>> from graphnn import Dense
    >>> (parameters(Dense(2), np.ones((1, 3)))["bias"] != 0).all()
    np.True_
    """
    rng = np.random.default_rng(seed)
    params = {}
    for name, value in layer.init(seed, graphs).items():
        moved = value + 0.5 * rng.normal(size=value.shape)
        if name.endswith(("running_var", "running_scale")):
            moved = 0.5 + np.abs(moved)
        params[name] = np.asarray(moved, value.dtype if dtype is None else dtype)
        params[name].setflags(write=False)
    return params


def array(out: Any) -> Array:
    """Return what a layer returned as one array: the nodes of a Batch; the members of a tuple or dict side by side."""
    parts = [ops.dense(part) for part in parts_of(out)]
    return parts[0] if len(parts) == 1 else ops.concatenate([part.reshape((len(part), -1)) for part in parts], axis=1)


def total(out: Any) -> Array:
    """Return sum(sin(output))."""
    return anp.sin(array(out)).sum()


def apply(row: Row, params: Params, batch: Batch) -> Array:
    return array(row.layer.apply(params, batch, train=row.train, rng=(0, 1))[0])


def leaves_of(row: Row, params: Params, batch: Batch) -> dict[str, Array]:
    """Return everything a gradient can be taken of: parameters, features of all kinds, edge weights."""
    leaves = {f"params.{name}": value for name, value in params.items()}
    leaves |= {name: getattr(batch, name) for name in FEATURES if getattr(batch, name) is not None}
    if row.follows_weights:
        leaves["weights"] = np.ones(batch.n_edges, batch.dtype) if batch.weights is None else batch.weights
    return leaves


def of_leaves(row: Row, batch: Batch, leaves: dict[str, Array]) -> Array:
    params = {name.partition(".")[2]: value for name, value in leaves.items() if name.startswith("params.")}
    graphs = batch.replace(**{name: leaves[name] for name in FEATURES if name in leaves})
    if row.follows_weights:
        graphs = graphs.replace(weights=leaves["weights"])
    return apply(row, params, graphs)


def loss_of(row: Row, batch: Batch) -> Callable[[dict[str, Array]], Array]:
    def loss(leaves: dict[str, Array]) -> Array:
        return total(of_leaves(row, batch, leaves))

    return loss


def outcome(row: Row, params: Params, batch: Batch) -> dict[str, Array]:
    """Return the output, and the gradient of everything."""
    leaves = leaves_of(row, params, batch)
    return {"out": apply(row, params, batch), **grad(loss_of(row, batch))(leaves)}


def called(name: str) -> str:
    """Return what a part of an outcome is called in messages."""
    return "the output" if name == "out" else f"the gradient of {name.removeprefix('params.')!r}"


def assert_same(got: dict[str, Array], wanted: dict[str, Array], tolerance: float = 1e-12) -> None:
    """Compare arrays by name, every entry to `tolerance` of the largest, or of 1 where that is larger."""
    assert got.keys() == wanted.keys(), f"there are {list(got)}, wanted {list(wanted)}"
    for name, value in wanted.items():
        found, what = got[name], called(name)
        assert found.shape == value.shape, f"{what} has shape {found.shape}, wanted {value.shape}"
        error = np.abs(found - value)
        if not (error <= tolerance * max(1.0, np.abs(value).max(initial=0.0))).all():  # also where it is nan
            at = np.unravel_index(np.argmax(error), error.shape)
            place = ", ".join(str(int(i)) for i in at)
            raise AssertionError(f"{what} at ({place}) is {found[at]:.9g}, wanted {value[at]:.9g}")
