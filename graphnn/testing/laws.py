"""What holds for every layer on every graph, one function a law.

A law looks at a row, which is a layer and what it needs, on some graphs, and raises AssertionError with the numbers
where it is broken. `table.LAWS` says where each is looked at and what usually breaks it.
"""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any

import autograd
import numpy as np

from graphnn.architecture import from_json, to_json
from graphnn.autodiff import flatten, grad, jvp, value_and_grad
from graphnn.convert import pack
from graphnn.graph import Graph
from graphnn.layer import Layer, Scope
from graphnn.layers import Dense
from graphnn.packed import Packed
from graphnn.testing.flavours import permuted_edges, permuted_nodes
from graphnn.testing.trial import (
    LEVEL_OF,
    WHOLE,
    Row,
    apply,
    assert_same,
    called,
    leaves_of,
    loss_of,
    of_leaves,
    outcome,
    parameters,
)
from graphnn.types import Array


def its_settings_are_all_it_is(row: Row, graphs: list[Graph]) -> None:
    """A copy, and a layer rebuilt from JSON, equal it, hash and print alike."""
    data = json.dumps(to_json(row.layer, "the layer"))
    for how, twin in (
        ("copy.deepcopy", copy.deepcopy(row.layer)),
        ("JSON", from_json(json.loads(data), known=list(_named(row.layer)))),
    ):
        assert twin == row.layer, f"after {how} it is {twin!r}, wanted an equal of {row.layer!r}"
        assert hash(twin) == hash(row.layer), f"after {how} its hash is another"
        assert repr(twin) == repr(row.layer), f"after {how} it prints as {twin!r}, wanted {row.layer!r}"


def _named(value: Any) -> Iterator[Any]:
    """Give the classes and functions that a value is made of."""
    if isinstance(value, (tuple, list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _named(part)
    elif callable(value) and hasattr(value, "__name__"):
        yield value
    elif is_dataclass(value) or isinstance(value, Layer):
        yield type(value)
        yield from _named(list(vars(value).values()))


def a_call_changes_nothing(row: Row, graphs: list[Graph]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are the next law's business
        batch, layer = pack(graphs), copy.deepcopy(row.layer)
        params = {name: value.copy() for name, value in parameters(row.layer, batch).items()}
        before = {"the parameters": params, "the graphs": graphs, "the batch": batch.packed}
        bits = {what: _bits(value) for what, value in before.items()}
        for how, call in (("a call", apply), ("a gradient", outcome)):
            call(row, params, batch)
            for what, value in before.items():
                assert _bits(value) == bits[what], f"{how} has written into {what}"
            assert layer == row.layer, f"{how} has changed the layer from {layer!r} to {row.layer!r}"
            assert vars(layer) == vars(row.layer), f"{how} has left {_news(layer, row.layer)} on the layer"


def _news(before: Layer, after: Layer) -> str:
    """Return what a layer has now that it had not, or had otherwise."""
    return ", ".join(repr(name) for name, value in vars(after).items() if vars(before).get(name, ...) != value)


def _bits(value: Any) -> Any:
    """Return all that could be written to, copied."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, dict):
        return {name: _bits(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_bits(part) for part in value]
    return _bits(value.__getstate__()) if isinstance(value, (Graph, Packed)) else repr(value)


def numbers_are_finite_and_no_warning_is_given(row: Row, graphs: list[Graph]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batch = pack(graphs)
        found = outcome(row, parameters(row.layer, batch), batch)
    for name, value in found.items():
        bad = np.argwhere(~np.isfinite(value))
        assert not len(bad), f"{called(name)} is {value[tuple(bad[0])]} at {tuple(bad[0].tolist())}"


@dataclass(frozen=True)
class _Followed(Layer):
    """A layer, and one behind it that looks at the same graphs, so that it does not matter what the first returns."""

    layer: Layer
    behind: Layer | None = None

    def forward(self, params: Scope, graphs: Any) -> Any:
        out = self.layer(params.scope("layer"), graphs)
        if self.behind is not None:
            self.behind(params.scope("behind"), graphs)
        return out


def init_repeats_and_layers_added_behind_change_nothing(row: Row, graphs: list[Graph]) -> None:
    batch = pack(graphs)
    first = _Followed(row.layer).init(7, batch)
    again, longer = (_Followed(row.layer, behind).init(7, batch) for behind in (None, Dense(3)))
    for what, other in (("the same seed again", again), ("a layer added behind", longer)):
        for name, value in first.items():
            assert value.tobytes() == other[name].tobytes(), f"{name.partition('.')[2]!r} is drawn anew by {what}"


def the_same_call_gives_the_same_bits(row: Row, graphs: list[Graph]) -> None:
    params = parameters(row.layer, pack(graphs))
    first, again = (outcome(row, params, pack(graphs)) for _ in range(2))
    for name, value in first.items():
        if value.tobytes() != again[name].tobytes():
            assert_same({name: again[name]}, {name: value}, 0.0)


def every_node_edge_or_graph_has_its_row(row: Row, graphs: list[Graph]) -> None:
    batch = pack(graphs)
    out, n = apply(row, parameters(row.layer, batch), batch), getattr(batch, f"n_{row.level}s")
    assert out.ndim > 0, "the output is a single number"
    assert len(out) == n, f"the output has shape {out.shape}, wanted {n} rows (one per {row.level})"


def float32_stays_float32(row: Row, graphs: list[Graph]) -> None:
    batch = pack(graphs, dtype=np.float32)
    params = parameters(row.layer, batch)
    for name, value in params.items():
        assert value.dtype == np.float32, f"init makes {name!r} {value.dtype}"
    for name, value in outcome(row, params, batch).items():
        assert value.dtype == np.float32, f"{called(name)} is {value.dtype}"


def three_layouts_agree(row: Row, graphs: list[Graph]) -> None:
    params = parameters(row.layer, pack(graphs))
    wanted = outcome(row, params, pack(graphs))
    for layout in ("list", "dense"):
        assert_same(outcome(row, params, pack(graphs, layout=layout)), wanted)


def permuting_nodes_permutes_rows(row: Row, graphs: list[Graph], seed: int = 0) -> None:
    orders = _shuffles(graphs, "n_nodes", seed)
    turned = [permuted_nodes(graph, order) for graph, order in zip(graphs, orders, strict=True)]
    _assert_rows_move(row, graphs, turned, {"node": _joined(orders)})


def the_order_of_edges_does_not_matter(row: Row, graphs: list[Graph], seed: int = 0) -> None:
    orders = _shuffles(graphs, "n_edges", seed)
    turned = [permuted_edges(graph, order) for graph, order in zip(graphs, orders, strict=True)]
    _assert_rows_move(row, graphs, turned, {"edge": _joined(orders)})


def the_order_of_graphs_permutes_blocks(row: Row, graphs: list[Graph]) -> None:
    order = np.roll(np.arange(len(graphs)), 1)  # which moves every graph, as a drawn order of few need not
    rows = {"graph": order, **{unit: _blocks(graphs, f"n_{unit}s", order) for unit in ("node", "edge")}}
    _assert_rows_move(row, graphs, [graphs[i] for i in order], rows)


def _assert_rows_move(row: Row, graphs: list[Graph], turned: list[Graph], rows: dict[str, np.ndarray]) -> None:
    """Demand of the graphs in another order the same numbers, the rows of some levels in their new order."""
    params = parameters(row.layer, pack(graphs))
    wanted = outcome(row, params, pack(graphs))
    for name, level in {"out": row.level, **LEVEL_OF}.items():
        if name in wanted and level in rows:
            wanted[name] = wanted[name][rows[level]]
    assert_same(outcome(row, params, pack(turned)), wanted)


def _shuffles(graphs: list[Graph], count: str, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(getattr(graph, count)) for graph in graphs]
    return [np.roll(order, 1) if (order == np.arange(len(order))).all() else order for order in drawn]


def _joined(orders: Sequence[np.ndarray]) -> np.ndarray:
    starts = np.cumsum([0] + [len(order) for order in orders])
    return np.concatenate([order + start for order, start in zip(orders, starts, strict=False)]).astype(int)


def _blocks(graphs: list[Graph], count: str, order: np.ndarray) -> np.ndarray:
    """Return the rows of the graphs' nodes or edges, graph by graph in another order."""
    starts = np.cumsum([0] + [getattr(graph, count) for graph in graphs])
    return np.concatenate([np.arange(starts[i], starts[i + 1]) for i in order])


def a_graph_does_not_see_its_neighbours_in_the_batch(row: Row, graphs: list[Graph]) -> None:
    params = parameters(row.layer, pack(graphs))
    alone = [outcome(row, params, pack([graph])) for graph in graphs]
    wanted = {
        name: sum(one[name] for one in alone)
        if name.startswith("params.")
        else np.concatenate([one[name] for one in alone if len(one[name])] or [alone[0][name]])
        for name in alone[0]
    }
    assert_same(outcome(row, params, pack(graphs)), wanted)


def a_mini_batch_equals_packing_those_graphs_anew(row: Row, graphs: list[Graph]) -> None:
    params, last = parameters(row.layer, pack(graphs)), len(graphs) - 1
    for layout in ("sparse", "list", "dense"):
        batch = pack(graphs, layout=layout)
        outcome(row, params, batch)  # fills the memo that the parts are cut from
        for part, chosen in (
            (batch[[last, 0]], [last, 0]),
            (batch[1:], list(range(1, len(graphs)))),
            (batch[[last, 0, last]][1:][[1, 0]], [last, 0]),
            (batch[0], [0]),
            (batch[np.arange(len(graphs)) == last], [last]),
        ):
            anew = pack([graphs[i] for i in chosen], layout=layout) if chosen else pack(graphs, layout=layout)[[]]
            assert_same(outcome(row, params, part), outcome(row, params, anew))


def a_batch_of_no_graphs_works(row: Row, graphs: list[Graph]) -> None:
    found = outcome(row, parameters(row.layer, pack(graphs)), pack(graphs)[[]])
    assert len(found["out"]) == 0, f"no graphs give an output of shape {found['out'].shape}, wanted no rows"
    for name, value in found.items():
        assert np.isfinite(value).all(), f"{called(name)} is not finite for no graphs"


def a_gradient_changes_no_number_and_is_that_of_autograd(row: Row, graphs: list[Graph]) -> None:
    batch = pack(graphs)
    leaves = leaves_of(row, parameters(row.layer, batch), batch)
    loss, names = loss_of(row, batch), list(leaves)

    def named(leaves: dict[str, Array]) -> Array:
        return loss({name: leaves[name] for name in names})  # what autograd boxes is no dict

    value, grads = value_and_grad(loss)(leaves)
    assert_same({"out": value}, {"out": loss(leaves)})
    assert_same(autograd.grad(named)(leaves), grads, 1e-14)


def the_adjoint_is_the_adjoint(row: Row, graphs: list[Graph]) -> None:
    """<u, J v> = <J' u, v>: reverse derivatives are the transpose of forward ones."""
    batch, rng = pack(graphs), np.random.default_rng(2)
    leaves = leaves_of(row, parameters(row.layer, batch), batch)
    along = {name: rng.normal(size=value.shape) for name, value in leaves.items()}

    def function(leaves: dict[str, Array]) -> Array:
        return of_leaves(row, batch, leaves)

    def weighted(leaves: dict[str, Array]) -> Array:
        return (function(leaves) * u).sum()

    out, pushed = jvp(function, leaves, along)
    u = rng.normal(size=out.shape)
    pulled = grad(weighted)(leaves)
    terms = np.array([(pulled[name] * along[name]).sum() for name in leaves])
    forward, reverse = float((u * pushed).sum()), float(terms.sum())
    assert abs(forward - reverse) <= 1e-12 * (1 + np.abs(terms).sum()), (
        f"along one direction forward derivatives give {forward:.9g}, reverse ones {reverse:.9g}"
    )


def gradients_match_finite_differences_to_second_order(row: Row, graphs: list[Graph]) -> None:
    from autograd.test_util import check_grads

    batch = pack(graphs)
    leaves = leaves_of(row, parameters(row.layer, batch), batch)
    for name in (WHOLE[attribute] for attribute in row.attributes if attribute in WHOLE):
        leaves.pop(name)
    vector, unflatten = flatten(leaves)

    def function(vector: Array) -> Array:
        return of_leaves(row, batch, unflatten(vector))

    state = np.random.get_state()  # noqa: NPY002 - check_grads draws its directions from the global generator
    try:
        np.random.seed(0)  # noqa: NPY002
        check_grads(function, modes=["fwd", "rev"], order=2)(vector)
    except AssertionError as error:
        told = " ".join(line[:70] for line in str(error).splitlines() if ":" in line)  # a row each of two arrays
        raise AssertionError(f"finite differences give other derivatives than the layer: {told}") from None
    finally:
        np.random.set_state(state)  # noqa: NPY002
