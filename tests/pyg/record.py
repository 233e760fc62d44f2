"""The writing side of the fixtures, run where torch and torch_geometric are installed, never by the tests.

    python tests/pyg/make_<family>.py

A maker lists cases {name: (module, call)} and calls `write`: `call(module, tensors)` gives the output for a dict of
nodes, edges, weights (float64, with gradients), edge_index = [senders, receivers] and node_graph, a division of the
nodes among several graphs for what needs no edges. Parameters are redrawn, biases
too, since zeros hide errors.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch_geometric

sys.path.insert(0, str(Path(__file__).parent))
from graphs import GRAPHS, NODE_GRAPH, arrays, joined

Call = Callable[[torch.nn.Module, dict[str, torch.Tensor]], torch.Tensor]


def write(family: str, cases: dict[str, tuple[torch.nn.Module, Call]]) -> None:
    """Write <family>.npz beside this file: for every case parameters, output and gradients of sum(sin(output))."""
    versions = [f"torch {torch.__version__}", f"torch_geometric {torch_geometric.__version__}"]
    found = {"versions": np.array(versions)}
    for case, (module, call) in cases.items():
        numbers = [_numbers(module.double().eval(), call, graph, seed) for seed, graph in enumerate(GRAPHS)]
        found.update({f"{case}/{name}": joined(name, [part[name] for part in numbers]) for name in numbers[0]})
    np.savez_compressed(Path(__file__).with_name(f"{family}.npz"), **found)


def _numbers(module: torch.nn.Module, call: Call, graph: str, seed: int) -> dict[str, np.ndarray]:
    given = arrays(graph)
    tensors = {name: torch.tensor(given[name], requires_grad=True) for name in ("nodes", "edges", "weights")}
    tensors["edge_index"] = torch.tensor(np.stack([given["senders"], given["receivers"]]))
    tensors["node_graph"] = torch.tensor(NODE_GRAPH)
    torch.manual_seed(seed)
    with torch.no_grad():
        for value in module.parameters():
            value.copy_(0.5 * torch.randn_like(value))
    module.zero_grad()
    out = call(module, tensors)
    out.sin().sum().backward()
    numbers = {"out": out.detach().numpy()}
    for name, value in (*module.named_parameters(), *module.named_buffers()):  # buffers have gradient zero
        numbers[f"params/{name}"] = value.detach().numpy().copy()
        numbers[f"grads/{name}"] = (torch.zeros_like(value) if value.grad is None else value.grad).numpy().copy()
    for name in ("nodes", "edges", "weights"):
        if tensors[name].grad is not None:
            numbers[f"grads_of/{name}"] = tensors[name].grad.numpy().copy()
    return numbers
