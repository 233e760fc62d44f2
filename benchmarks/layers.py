"""How long do layers on graphs take? Forward and gradient, graphnn beside torch_geometric where that is installed.

Problems: 128 molecules (4 to 22 atoms, about as many bonds), and one graph of 2 708 nodes and 5 278 undirected edges,
the size of Cora. 64 features in float32 as a hidden layer has them, 64 out; 8 edge features where a layer reads edges.
Left out are noise, which is nothing in evaluation, containers and readouts without arithmetic, and layers on images.
Forward is evaluation; gradient is a forward pass and the derivatives of sum(output^2) with respect to the node
features and all parameters. Milliseconds, the fastest tenth of the runs; one thread.

Each side runs in a process of its own, and they take turns, layer by layer, so that a noisy machine is noisy for both.
graphnn prepares structure once for each batch (normalised kernels, edges by receiver) and then remembers it; so does
torch_geometric in the rows that say "cached".

Run:  python benchmarks/layers.py                                  # some minutes; a Markdown table
      python benchmarks/layers.py --torch /path/to/python          # torch_geometric lives with another Python
      python benchmarks/layers.py --smoke                          # each layer once, for CI
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import time
import warnings

import numpy as np

WIDTH, EDGE_WIDTH, RELATIONS, HEADS = 64, 8, 4, 8
PROBLEMS = ("128 molecules", "2 708 nodes")
SIDES = {"graphnn": ("graphnn", "numpy"), "torch_geometric": ("torch_geometric", "torch", "numpy")}
PINNED = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}

# name: (ours, theirs, what theirs is called with). gn is graphnn, g is torch_geometric.nn, t is torch.nn
LAYERS = {
    "Dense": (lambda gn: gn.Dense(64), lambda g, t: t.Linear(64, 64), ["nodes"]),
    "MLP, two": (lambda gn: gn.MLP((64, 64)), lambda g, t: perceptron(t), ["nodes"]),
    "PReLU": (lambda gn: gn.PReLU(), lambda g, t: t.PReLU(), ["nodes"]),
    "GraphConv": (lambda gn: gn.GraphConv(64), lambda g, t: g.GCNConv(64, 64), ["nodes", "arcs"]),
    "GraphConv, cached": (
        lambda gn: gn.GraphConv(64), lambda g, t: g.GCNConv(64, 64, cached=True), ["nodes", "arcs"],
    ),
    "MorrisConv": (lambda gn: gn.MorrisConv(64), lambda g, t: g.GraphConv(64, 64), ["nodes", "arcs"]),
    "MultiKernelConv, 2 kernels": (
        lambda gn: gn.MultiKernelConv(64, (gn.kernels.adjacency, gn.kernels.random_walk)), None, [],
    ),
    "SAGEConv mean": (lambda gn: gn.SAGEConv(64), lambda g, t: g.SAGEConv(64, 64), ["nodes", "arcs"]),
    "SAGEConv max": (lambda gn: gn.SAGEConv(64, "max"), lambda g, t: g.SAGEConv(64, 64, "max"), ["nodes", "arcs"]),
    "GINConv": (lambda gn: gn.GINConv(64), lambda g, t: g.GINConv(perceptron(t), train_eps=True), ["nodes", "arcs"]),
    "GINEConv": (
        lambda gn: gn.GINEConv(64), lambda g, t: g.GINEConv(perceptron(t), train_eps=True, edge_dim=EDGE_WIDTH),
        ["nodes", "arcs", "edges"],
    ),
    "ChebConv, order 2": (lambda gn: gn.ChebConv(64, 2), lambda g, t: g.ChebConv(64, 64, 3), ["nodes", "arcs"]),
    "TAGConv, order 3": (lambda gn: gn.TAGConv(64, 3), lambda g, t: g.TAGConv(64, 64, 3), ["nodes", "arcs"]),
    "SGConv, 2 steps": (lambda gn: gn.SGConv(64, 2), lambda g, t: g.SGConv(64, 64, 2), ["nodes", "arcs"]),
    "APPNP, 10 steps": (lambda gn: gn.APPNP(10, 0.1), lambda g, t: g.APPNP(10, 0.1), ["nodes", "arcs"]),
    "APPNP, 10 steps, cached": (
        lambda gn: gn.APPNP(10, 0.1), lambda g, t: g.APPNP(10, 0.1, cached=True), ["nodes", "arcs"],
    ),
    "ARMAConv": (lambda gn: gn.ARMAConv(64), lambda g, t: g.ARMAConv(64, 64), ["nodes", "arcs"]),
    "EdgeConv": (
        lambda gn: gn.EdgeConv(gn.Dense(64, gn.relu)),
        lambda g, t: g.EdgeConv(t.Sequential(t.Linear(128, 64), t.ReLU())), ["nodes", "arcs"],
    ),
    "PNAConv": (lambda gn: gn.PNAConv(64), lambda g, t: pna(g), ["nodes", "arcs"]),
    "GATConv, 8 heads": (lambda gn: gn.GATConv(64, 8), lambda g, t: g.GATConv(64, 8, 8), ["nodes", "arcs"]),
    "GATv2Conv, 8 heads": (lambda gn: gn.GATv2Conv(64, 8), lambda g, t: g.GATv2Conv(64, 8, 8), ["nodes", "arcs"]),
    "TransformerConv, 8 heads": (
        lambda gn: gn.TransformerConv(64, 8), lambda g, t: g.TransformerConv(64, 8, 8), ["nodes", "arcs"],
    ),
    "TransformerConv, 8 heads, edges": (
        lambda gn: gn.TransformerConv(64, 8, edges=True),
        lambda g, t: g.TransformerConv(64, 8, 8, edge_dim=EDGE_WIDTH), ["nodes", "arcs", "edges"],
    ),
    "AGNNConv": (lambda gn: gn.AGNNConv(), lambda g, t: g.AGNNConv(), ["nodes", "arcs"]),
    "EdgesToNodes": (lambda gn: gn.EdgesToNodes(), None, []),
    "NNConv": (
        lambda gn: gn.NNConv(64, gn.Dense(16, gn.relu)),
        lambda g, t: g.NNConv(64, 64, t.Sequential(t.Linear(EDGE_WIDTH, 16), t.ReLU(), t.Linear(16, 64 * 64))),
        ["nodes", "arcs", "edges"],
    ),
    "DMPNN, 3 steps": (lambda gn: gn.DMPNN(64), None, []),
    "GraphNetwork": (lambda gn: gn.GraphNetwork(gn.Dense(64, gn.relu), gn.Dense(64, gn.relu)), None, []),
    "CFConv": (lambda gn: gn.CFConv(64), lambda g, t: filters(t), ["nodes", "arcs", "positions"]),
    "SchNetBlock": (lambda gn: gn.SchNetBlock(), None, []),
    "RGCNConv, 4 relations": (
        lambda gn: gn.RGCNConv(64, RELATIONS), lambda g, t: g.RGCNConv(64, 64, RELATIONS),
        ["nodes", "arcs", "relations"],
    ),
    "NeuralFingerprint": (lambda gn: gn.NeuralFingerprint(64, 64, max_degree=40), None, []),
    "GatedGraphConv, 3 steps": (
        lambda gn: gn.GatedGraphConv(64, 3), lambda g, t: g.GatedGraphConv(64, 3), ["nodes", "arcs"],
    ),
    "RNNCell": (lambda gn: gn.RNNCell(64), lambda g, t: t.RNNCell(64, 64), ["nodes"]),
    "GRUCell": (lambda gn: gn.GRUCell(64), lambda g, t: t.GRUCell(64, 64), ["nodes"]),
    "GraphGRUCell": (lambda gn: gn.GraphGRUCell(64), None, []),
    "VirtualNode": (lambda gn: gn.VirtualNode(gn.GraphConv(64), gn.Dense(64)), None, []),
    "JumpingKnowledge, 3 layers": (
        lambda gn: gn.JumpingKnowledge(gn.Sequential(*(gn.GraphConv(64) for _ in range(3))), "max"), None, [],
    ),
    "SumPool": (lambda gn: gn.SumPool(), lambda g, t: g.SumAggregation(), ["nodes", "graph"]),
    "MeanPool": (lambda gn: gn.MeanPool(), lambda g, t: g.MeanAggregation(), ["nodes", "graph"]),
    "MaxPool": (lambda gn: gn.MaxPool(), lambda g, t: g.MaxAggregation(), ["nodes", "graph"]),
    "MinPool": (lambda gn: gn.MinPool(), lambda g, t: g.MinAggregation(), ["nodes", "graph"]),
    "StdPool": (lambda gn: gn.StdPool(), lambda g, t: g.StdAggregation(), ["nodes", "graph"]),
    "TopKPool, half": (lambda gn: gn.TopKPool(0.5), None, []),
    "SAGPool, half": (lambda gn: gn.SAGPool(0.5), None, []),
    "DiffPool, 8 clusters": (lambda gn: gn.DiffPool(gn.Dense(8)), None, []),
    "MinCutPool, 8 clusters": (lambda gn: gn.MinCutPool(gn.Dense(8)), None, []),
    "AttentionPool": (
        lambda gn: gn.AttentionPool(), lambda g, t: g.AttentionalAggregation(t.Linear(64, 1)), ["nodes", "graph"],
    ),
    "Set2Set, 3 steps": (lambda gn: gn.Set2Set(3), lambda g, t: g.Set2Set(64, 3), ["nodes", "graph"]),
    "SortPool, 10 nodes": (lambda gn: gn.SortPool(10), lambda g, t: g.SortAggregation(10), ["nodes", "graph"]),
    "BatchNorm": (lambda gn: gn.BatchNorm(), lambda g, t: g.BatchNorm(64), ["nodes"]),
    "LayerNorm": (lambda gn: gn.LayerNorm(), lambda g, t: g.LayerNorm(64, mode="node"), ["nodes"]),
    "InstanceNorm": (lambda gn: gn.InstanceNorm(), lambda g, t: g.InstanceNorm(64), ["nodes", "graph"]),
    "GraphNorm": (lambda gn: gn.GraphNorm(), lambda g, t: g.GraphNorm(64), ["nodes", "graph"]),
    "PairNorm": (lambda gn: gn.PairNorm(), lambda g, t: g.PairNorm(), ["nodes", "graph"]),
    "MeanSubtractionNorm": (
        lambda gn: gn.MeanSubtractionNorm(), lambda g, t: g.MeanSubtractionNorm(), ["nodes", "graph"],
    ),
}  # fmt: skip


def perceptron(t):
    return t.Sequential(t.Linear(64, 64), t.ReLU(), t.Linear(64, 64))


def pna(g):
    import torch

    aggregates, scalers = ["mean", "min", "max", "std"], ["identity", "amplification", "attenuation"]
    return g.PNAConv(64, 64, aggregates, scalers, deg=torch.tensor([0, 400, 800, 400, 100]))


def filters(t):
    """CFConv with what a SchNet of torch_geometric puts before it: distances, and Gaussians of them."""
    from torch_geometric.nn.models.schnet import CFConv, GaussianSmearing, ShiftedSoftplus

    class Filters(t.Module):
        def __init__(self):
            super().__init__()
            network = t.Sequential(t.Linear(50, 64), ShiftedSoftplus(), t.Linear(64, 64))
            self.smear, self.conv = GaussianSmearing(0.0, 5.0, 50), CFConv(64, 64, 64, network, 5.0)

        def forward(self, nodes, arcs, positions):
            distances = (positions[arcs[0]] - positions[arcs[1]]).norm(dim=-1)
            return self.conv(nodes, arcs, distances, self.smear(distances))

    return Filters()


# ---- the problems, the same numbers for both sides -------------------------------------------------------------------


def bonds(rng, n, m):
    """About m undirected edges among n nodes, as arcs both ways; every node but the first has one to a node before."""
    tree = np.stack([np.arange(1, n), rng.integers(0, np.arange(1, n))], axis=1)
    more = rng.integers(0, n, (max(0, m - len(tree)), 2))
    pairs = np.concatenate([tree, more[more[:, 0] != more[:, 1]]])
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    return np.concatenate([pairs, pairs[:, ::-1]]).T


def problem(name):
    """The arrays of a problem: graphs side by side, as torch_geometric has them."""
    rng = np.random.default_rng(0)
    sizes = [2708] if name == "2 708 nodes" else rng.integers(4, 23, 128)
    arcs = [bonds(rng, n, 5278 if n == 2708 else int(1.05 * n)) for n in sizes]
    starts = np.cumsum([0, *sizes])
    joined = np.concatenate([a + start for a, start in zip(arcs, starts, strict=False)], axis=1)
    n, m = int(starts[-1]), joined.shape[1]
    return {
        "nodes": rng.normal(size=(n, WIDTH)).astype(np.float32),
        "arcs": joined,
        "edges": rng.normal(size=(m, EDGE_WIDTH)).astype(np.float32),
        "relations": rng.integers(0, RELATIONS, m),
        "positions": rng.normal(size=(n, 3)).astype(np.float32),
        "graph": np.repeat(np.arange(len(sizes)), sizes),
    }


# ---- the two sides: each gives a function for a forward pass and one for a gradient ----------------------------------


def graphnn_side(name, arrays):
    import graphnn as gn

    layer = LAYERS[name][0](gn)
    edges = arrays["relations"][:, None] if isinstance(layer, gn.RGCNConv) else arrays["edges"]
    sender, receiver = arrays["arcs"]
    batch = gn.Batch.from_arrays(
        arrays["nodes"], sender, receiver, arrays["graph"], int(arrays["graph"][-1]) + 1,
        edges=edges.astype(np.float32), positions=arrays["positions"],
    )  # fmt: skip
    params = layer.init(0, batch)
    hidden = arrays["nodes"].copy()  # not the features that came in, whose products are remembered

    def out(params, nodes):
        found = layer(params, batch.replace(nodes=nodes))
        return found.nodes if isinstance(found, gn.Batch) else found

    def loss(leaves):
        return (out(leaves, leaves["hidden nodes"]) ** 2).sum()  # the layer reads its own names and leaves others alone

    gradient = gn.value_and_grad(loss)
    return lambda: out(params, hidden), lambda: gradient({**params, "hidden nodes": hidden})


def torch_side(name, arrays):
    import torch
    import torch_geometric.nn

    torch.set_num_threads(1)
    if LAYERS[name][1] is None:
        return None
    module = LAYERS[name][1](torch_geometric.nn, torch.nn).eval()
    tensors = {key: torch.tensor(value) for key, value in arrays.items()}
    tensors["nodes"].requires_grad_()
    given = [tensors[key] for key in LAYERS[name][2]]

    def forward():
        with torch.no_grad():
            return module(*given)

    def gradient():
        module.zero_grad()
        tensors["nodes"].grad = None
        (module(*given) ** 2).sum().backward()

    return forward, gradient


def milliseconds(function, seconds):
    """The fastest tenth of as many runs as fit."""
    function()  # what is prepared once
    times, end = [], time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        function()
        times.append(1e3 * (time.perf_counter() - start))
    return float(np.quantile(times, 0.1))


def worker(side, seconds):
    """Answer requests, a line each: [layer, problem] -> [forward, gradient], or null where there is no such layer."""
    warnings.simplefilter("ignore")  # of another package, on an interpreter of another's choice
    try:
        versions = [f"{name} {importlib.import_module(name).__version__}" for name in SIDES[side]]
    except ImportError as error:
        print(json.dumps({"missing": str(error)}), flush=True)
        return
    print(json.dumps({"versions": versions}), flush=True)
    for line in sys.stdin:
        name, where = json.loads(line)
        made = (graphnn_side if side == "graphnn" else torch_side)(name, problem(where))
        print(json.dumps(made and [milliseconds(function, seconds) for function in made]), flush=True)


class Side:
    """One framework in a process of its own."""

    def __init__(self, side, python, seconds):
        command = [python, __file__, "--side", side, "--seconds", str(seconds)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **PINNED}
        )
        self.about = json.loads(self.process.stdout.readline())

    def ask(self, name, where):
        if "missing" in self.about:
            return None
        print(json.dumps([name, where]), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"the process for {self.process.args} ended at {name}, {where}")
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        if self.process.wait():
            raise SystemExit(f"the process for {self.process.args} ended with {self.process.returncode}")


def cell(pair, i):
    return "-" if pair is None else f"{pair[i]:.2f}"


def main(options):
    seconds = 0.0 if options.smoke else options.seconds
    ours, theirs = Side("graphnn", sys.executable, seconds), Side("torch_geometric", options.torch, seconds)
    print(f"{platform.machine()}, one thread, load {os.getloadavg()[0]:.1f}; {', '.join(ours.about['versions'])}; "
          f"{theirs.about.get('missing') or ', '.join(theirs.about['versions'])}")  # fmt: skip
    print("Milliseconds, graphnn / torch_geometric.\n")
    print(
        "| layer | " + " | ".join(f"{where}: {what}" for where in PROBLEMS for what in ("forward", "gradient")) + " |"
    )
    print("| --- |" + " ---: |" * 2 * len(PROBLEMS))
    for name in LAYERS:
        cells = []
        for where in PROBLEMS:
            pair = ours.ask(name, where), theirs.ask(name, where)
            cells += [f"{cell(pair[0], i)} / {cell(pair[1], i)}" for i in range(2)]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    ours.close()
    theirs.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="each layer once")
    parser.add_argument("--torch", default=sys.executable, metavar="PYTHON", help="the Python that has torch_geometric")
    parser.add_argument("--seconds", type=float, default=0.5, help="how long each of the measurements takes")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        worker(given.side, given.seconds)
    else:
        main(given)
