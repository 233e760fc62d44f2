"""How long is one training step? graphnn through its public API, beside the hand-written prototype of its fast path.

Workloads: W1 a Cora-size two-layer GCN on sparse bag-of-words features, full batch; W3 molecule-size graphs in
batches of 128, three GraphConv(64), sum pool, MLP; W6 500 tiny graphs, two GraphConv(16), linear readout. Float32,
random data of the stated sizes. Both sides take turns, step by step, so that a noisy machine is noisy for both.

The prototype is not part of the project; name its folder in GRAPHNN_SKETCH to compare with it.

Run:  OMP_NUM_THREADS=1 python benchmarks/training_step.py            # about a minute
      python benchmarks/training_step.py --smoke                      # a few steps, for CI
"""

from __future__ import annotations

import gc
import os
import sys
import time
import types
from pathlib import Path

import numpy as np
import scipy.sparse

import graphnn as gn


def random_graph(rng, n, m, features):
    """A symmetric graph of n nodes and about 2 m arcs."""
    ends = rng.integers(0, n, (m, 2))
    ends = np.unique(np.sort(ends[ends[:, 0] != ends[:, 1]], axis=1), axis=0)
    senders, receivers = np.concatenate([ends, ends[:, ::-1]]).T
    return gn.Graph(features, senders, receivers)


def cora_size(rng):
    n, f, nonzeros = 2708, 1433, 49216
    places = np.unique(rng.integers(0, n * f, nonzeros))
    x = scipy.sparse.csr_array((np.ones(len(places), np.float32), divmod(places, f)), shape=(n, f))
    return random_graph(rng, n, 5278, x), rng.integers(0, 7, n), np.arange(n) < 140


def small_graphs(rng, count, low, high, width):
    graphs = []
    for n in rng.integers(low, high + 1, count):
        graphs.append(random_graph(rng, int(n), int(1.05 * n), rng.random((n, width)).astype(np.float32)))
    return graphs, rng.normal(size=(count, 1)).astype(np.float32)


# ---- the two sides: each returns a function that does one step, and one that does an epoch --------------------------


def steps_of(model, params, loss):
    """One training step as a user writes it."""
    optimizer = gn.adam(1e-2)
    held = {"params": params, "state": optimizer.init(params), "step": 0}
    value_and_grad = gn.value_and_grad(loss)

    def step(*args):
        value, grads = value_and_grad(held["params"], held["step"], *args)
        held["params"], held["state"] = optimizer.update(held["params"], grads, held["state"])
        held["step"] += 1
        return float(value)

    return step


def graphnn_w1(graph, labels, seen):
    batch = gn.pack(graph)
    model = gn.Sequential(gn.Dropout(0.5), gn.GraphConv(16, gn.relu), gn.Dropout(0.5), gn.GraphConv(7), gn.Nodes())
    params = model.init(0, batch)

    def loss(params, step):
        logits, _ = model.apply(params, batch, train=True, rng=(0, step))
        return gn.cross_entropy(logits, labels, mask=seen)

    return params, steps_of(model, params, loss), None


def graphnn_small(graphs, y, layers, width, head, batch_size):
    data = gn.pack(graphs)
    convolutions = [gn.GraphConv(width, gn.relu) for _ in range(layers)]
    model = gn.Sequential(*convolutions, gn.SumPool(), *(gn.Dense(w, gn.relu) for w in head), gn.Dense(1))
    params = model.init(0, data)

    def loss(params, step, batch, targets):
        return gn.mean_squared_error(model(params, batch), targets)

    step = steps_of(model, params, loss)
    fixed, targets = data[np.arange(batch_size)], y[:batch_size]
    rng = np.random.default_rng(0)

    def epoch():
        order = rng.permutation(len(graphs))
        for i in range(0, len(order), batch_size):
            index = order[i : i + batch_size]
            step(data[index], y[index])

    def one_step():
        return step(fixed, targets)

    kernel = gn.kernels.normalized_adjacency

    def cut():
        """A mini-batch with everything a step asks of it that a batch used twice would remember."""
        packed = data[rng.permutation(len(graphs))[:batch_size]].packed
        return packed.operator(kernel), packed.product(kernel), packed.node_segments.grouped

    return params, one_step, {"epoch": epoch, "cut": cut}


def gcn_norm(edge_index, n):
    """What the prototype asks of its data module: arcs with loops, and symmetric normalisation."""
    s = np.concatenate([edge_index[0], np.arange(n)])
    t = np.concatenate([edge_index[1], np.arange(n)])
    scale = 1 / np.sqrt(np.bincount(t, minlength=n))
    return s, t, (scale[s] * scale[t]).astype(np.float32)


def prototype():
    folder = Path(os.environ.get("GRAPHNN_SKETCH", ""))
    if not (folder / "workloads.py").is_file():
        return None
    sys.modules["data"] = types.ModuleType("data")
    sys.modules["data"].gcn_norm = gcn_norm
    sys.path.insert(0, str(folder))
    import workloads

    return workloads


def prototype_w1(workloads, graph, labels, seen, params):
    x = graph.nodes.toscipy().tocoo()
    names = {"w1": "1.graphconv.weight", "b1": "1.graphconv.bias", "w2": "3.graphconv.weight", "b2": "3.graphconv.bias"}
    data = {
        "n": graph.n_nodes, "f": x.shape[1], "edge_index": np.stack([graph.senders, graph.receivers]),
        "x_rows": x.coords[0], "x_cols": x.coords[1], "x_vals": x.data, "y": labels, "train": np.flatnonzero(seen),
        "P": {short: params[name].copy() for short, name in names.items()},
    }  # fmt: skip
    return workloads.W1(data, "+vg")


def prototype_small(workloads, graphs, y, params, layers, head, batch_size):
    names = {}
    for k in range(layers):
        names |= {f"w{k}": f"{k}.graphconv.weight", f"b{k}": f"{k}.graphconv.bias"}
    dense = [(f"m{i + 1}", f"mb{i + 1}") for i in range(len(head) + 1)] if head else [("m", "mb")]
    for i, (w, b) in enumerate(dense):
        names |= {w: f"{layers + 1 + i}.dense.weight", b: f"{layers + 1 + i}.dense.bias"}
    data = {
        "P": {short: params[name].copy() for short, name in names.items()}, "edges": False, "batch": batch_size,
        "graphs": [
            {"n": g.n_nodes, "x": g.nodes, "y": t[0], "edge_index": np.stack([g.senders, g.receivers])}
            for g, t in zip(graphs, y, strict=True)
        ],
    }  # fmt: skip
    return workloads.small(data, "+vg", "gcn")


# ---- measuring -----------------------------------------------------------------------------------------------------


def in_turn(functions, seconds):
    """Time several functions in turn for some seconds; returns milliseconds, fastest decile and median of each."""
    times = [[] for _ in functions]
    for function in functions:
        for _ in range(10):
            function()
    gc.collect()
    gc.disable()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for function, record in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            record.append(1e3 * (time.perf_counter() - start))
    gc.enable()
    return [(float(np.quantile(t, 0.1)), float(np.median(t))) for t in times]


def report(name, ours, theirs, seconds):
    pair = in_turn([ours] if theirs is None else [ours, theirs], seconds)
    line = f"{name:22} graphnn {pair[0][0]:7.3f} {pair[0][1]:7.3f} ms"
    if theirs is not None:
        line += f"   prototype {pair[1][0]:7.3f} {pair[1][1]:7.3f} ms   ratio {pair[0][0] / pair[1][0]:.2f}"
    print(line, flush=True)
    return pair[0][0]


def main(smoke):
    seconds = 0.2 if smoke else 6.0
    rng = np.random.default_rng(0)
    sketch = prototype()
    print(f"threads: {os.environ.get('OMP_NUM_THREADS', 'not pinned')}; load {os.getloadavg()[0]:.1f}; "
          "fastest decile and median")  # fmt: skip

    graph, labels, seen = cora_size(rng)
    params, step, _ = graphnn_w1(graph, labels, seen)
    theirs = sketch and prototype_w1(sketch, graph, labels, seen, params)["step"]
    report("W1 step", step, theirs, seconds)

    for name, count, low, high, width, layers, head, size in (
        ("W3", 1128, 4, 22, 31, 3, (64,), 128),
        ("W6", 500, 5, 20, 8, 2, (), 500),
    ):
        graphs, y = small_graphs(rng, count, low, high, width)
        hidden = 64 if name == "W3" else 16
        params, step, more = graphnn_small(graphs, y, layers, hidden, head, size)
        other = sketch and prototype_small(sketch, graphs, y, params, layers, head, size)
        one = report(f"{name} step", step, other and other["step"], seconds)
        report(f"{name} epoch", more["epoch"], other and other["epoch"], seconds)
        cut = report(f"{name} cut a mini-batch", more["cut"], None, seconds / 4)
        print(f"{'':22} a mini-batch costs {100 * cut / one:.0f} % of a step")


if __name__ == "__main__":
    main(smoke="--smoke" in sys.argv)
