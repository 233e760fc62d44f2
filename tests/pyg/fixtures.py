"""Numbers that PyTorch Geometric produced: the reading side, and the law that ours are the same.

A fixture <family>.npz was written by make_<family>.py beside it, with the versions named inside.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import autograd.numpy as anp
import numpy as np
from pyg.graphs import GRAPHS, N_GRAPHS, NODE_GRAPH, arrays, parted

import graphnn as gn

TOLERANCE = 1e-10  # of the largest number

Translate = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


def read(family: str) -> dict[str, dict[str, np.ndarray]]:
    """Return {"case/graph": arrays by name} of a fixture, the inputs among them."""
    found: dict[str, dict[str, np.ndarray]] = {}
    with np.load(Path(__file__).with_name(f"{family}.npz"), allow_pickle=False) as file:
        for member in file.files:
            if member != "versions":
                case, _, name = member.partition("/")
                for graph, array in zip(GRAPHS, parted(name, file[member]), strict=True):
                    found.setdefault(f"{case}/{graph}", arrays(graph))[name] = array
    return found


def part(numbers: dict[str, np.ndarray], group: str) -> dict[str, np.ndarray]:
    """Return the arrays of one group, "params", "grads" or "grads_of", by their own names."""
    return {name.removeprefix(f"{group}/"): value for name, value in numbers.items() if name.startswith(f"{group}/")}


def assert_same_as_pyg(layer: gn.Layer, numbers: dict[str, np.ndarray], translate: Translate, *uses: str) -> None:
    """Check output, every parameter gradient, and the gradients of nodes and of what is used ("edges", "weights").

    translate: from their parameters to ours by name; linear, since it is applied to the gradients too.
    uses "node_graph": the nodes are those of several graphs, without edges.
    """
    if "node_graph" in uses:
        uses = tuple(name for name in uses if name != "node_graph")
        batch = gn.Batch.from_arrays(numbers["nodes"], [], [], NODE_GRAPH, N_GRAPHS)
    else:
        batch = gn.pack(
            gn.Graph(
                numbers["nodes"], numbers["senders"], numbers["receivers"], **{name: numbers[name] for name in uses}
            )
        )
    given = {name: numbers[name] for name in ("nodes", *uses)}
    params = translate(part(numbers, "params"))

    def output(params: dict, given: dict) -> object:
        out = layer(params, batch.replace(**given))
        return out.nodes if isinstance(out, gn.Batch) else out

    _assert_close(output(params, given), numbers["out"], "output")
    leaves = {f"params/{name}": value for name, value in params.items()} | given

    def loss(leaves: dict) -> object:
        inputs = {name: leaves[name] for name in given}
        return anp.sin(output(part(leaves, "params"), inputs)).sum()

    grads = gn.grad(loss)(leaves)
    theirs = translate(part(numbers, "grads"))
    for name, value in theirs.items():
        _assert_close(grads[f"params/{name}"], value, f"gradient of {name}")
    for name in given:
        if f"grads_of/{name}" in numbers:
            _assert_close(grads[name], numbers[f"grads_of/{name}"], f"gradient of {name}")


def _assert_close(ours: np.ndarray, theirs: np.ndarray, what: str) -> None:
    assert ours.shape == theirs.shape, what
    scale = max(1.0, np.abs(theirs).max(initial=0.0))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE * scale, err_msg=what)
