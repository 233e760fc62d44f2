"""Do time and memory of a training step grow with the work alone? Six things grow a thousandfold, one at a time.

A step is the loss and its gradient over the whole packed batch: three graph convolutions of 32 (64 for molecules), a
dense layer, squared error, float32, one thread. Time is processor time, so that other jobs hardly count, the fastest of
several steps. Memory is the largest sum of living arrays (NumPy tells tracemalloc), the data included. The exponent is
the slope of a line through the logarithms: 1 is linear. Whatever does not grow, Python's part above all, lowers it, so
that of the last decade stands beside it. Parameters grow by the width, and so as its square: their exponents are of the
multiply-adds.

Then one large graph in a process of its own; 5 000 graphs nobody has seen, given as a list and packed on the way, and
the same list again; 10 000 molecules from networkx. Linux and macOS.

Run:  python benchmarks/scaling.py --picture docs/results/scaling.png    # two minutes of one core, 3 GB
      python benchmarks/scaling.py --smoke                               # small sizes, for CI
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import resource
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import graphnn as gn
from graphnn.insight.lettering import three_figures

WIDTH, FEATURES = 32, 16
SHORT, ENOUGH = 0.3, 3  # a step is repeated for so many seconds, and so often at least; for CI only so often
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8C6D1F", "#56B4E9")  # Okabe & Ito, yellow darkened
MARKS = (("o", 4.5), ("s", 7), ("D", 4), ("^", 4.5), ("v", 4.5), ("P", 4.5))  # both kinds of nodes need the same memory


# ---- what grows ------------------------------------------------------------------------------------------------------


class Problem(NamedTuple):
    """A step to time, how large it is, and against what its costs are held."""

    step: Callable[[], object]
    size: int
    against: int


def both_ways(one, other):
    return np.concatenate([one, other]), np.concatenate([other, one])


def molecule(rng, n):
    """A random tree with a few rings, bonds between atoms that stand close together; 16 features."""
    child = np.arange(1, n)
    parent = child - 1 - rng.integers(0, np.minimum(child, 3))
    ring = rng.choice(n - 6, n // 8, replace=False)
    arcs = both_ways(np.concatenate([child, ring]), np.concatenate([parent, ring + 5]))
    return gn.Graph(rng.normal(size=(n, FEATURES)).astype(np.float32), *arcs)


def molecules(count, seed):
    rng = np.random.default_rng(seed)
    return [molecule(rng, n) for n in rng.integers(13, 24, count)]


def random_graph(n, arcs, width=FEATURES):
    """Every arc has its way back; the neighbours of a node may be anywhere in memory."""
    rng = np.random.default_rng(0)
    ends = both_ways(*rng.integers(0, n, (2, arcs // 2)))
    return gn.Graph(rng.normal(size=(n, width)).astype(np.float32), *ends)


def ring_lattice(n):
    """Every node is joined with the five before and the five after it, which lie beside it in memory."""
    node, steps = np.arange(n), np.arange(1, 6)
    ends = both_ways(np.repeat(node, 5), (node[:, None] + steps).ravel() % n)
    return gn.Graph(np.random.default_rng(0).normal(size=(n, FEATURES)).astype(np.float32), *ends)


def problem(graphs, size=None, width=WIDTH, depth=3):
    """Return the training step of `depth` convolutions, with a target for every graph of several, or for every node.

    Without a size it is the number of parameters, held against multiply-adds: the features are constants, which the
    first convolution multiplies with its kernel once and for all and which need no gradient. Every other product with
    weights comes three times, forwards and for both gradients, and one with a kernel twice.
    """
    several = isinstance(graphs, list)
    batch = gn.pack(graphs)
    n = batch.n_nodes
    end = (gn.SumPool(), gn.Dense(1)) if several else (gn.Dense(1), gn.Nodes())
    model = gn.Sequential(*(gn.GraphConv(width, gn.relu) for _ in range(depth)), *end)
    params, targets = model.init(0, batch), np.zeros((batch.n_graphs if several else n, 1), np.float32)
    step = gn.value_and_grad(lambda p: gn.mean_squared_error(model(p, batch), targets))
    if size is not None:
        return Problem(lambda: step(params), size, size)
    entries = batch.n_edges + n  # the kernel has a loop at every node
    dense = 2 * n * FEATURES * width + 3 * (depth - 1) * n * width**2
    numbers = sum(value.size for value in params.values())
    return Problem(lambda: step(params), numbers, dense + 2 * (depth - 1) * entries * width)


NODES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
GROWTH = {
    "molecules in a batch": (
        lambda count: problem(molecules(count, 1), count, width=64), (5, 16, 50, 160, 500, 1_600, 5_000),
    ),
    "nodes of a lattice": (lambda n: problem(ring_lattice(n), n), NODES),
    "nodes of a random graph": (lambda n: problem(random_graph(n, 10 * n), n), NODES),
    "arcs among 10 000 nodes": (
        lambda m: problem(random_graph(10_000, m), m),
        (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000),
    ),
    "parameters": (
        lambda width: problem(ring_lattice(3_000), width=width), (4, 8, 16, 32, 64, 128, 256),
    ),
    "layers": (lambda depth: problem(ring_lattice(300), depth, depth=depth), (1, 3, 10, 30, 100, 300, 1_000)),
}  # fmt: skip


# ---- what it costs ---------------------------------------------------------------------------------------------------


class Cost(NamedTuple):
    size: int
    against: int
    seconds: float
    peak: int


def seconds(function, *given):
    start = time.process_time()
    function(*given)
    return time.process_time() - start


def fastest(step, short):
    step()  # what is computed once
    gc.collect()
    times = []
    while len(times) < ENOUGH or sum(times) < short:
        times.append(seconds(step))
    return min(times)


def cost(make, size, short):
    made = make(size)
    taken = fastest(made.step, short)
    del made
    gc.collect()
    gn.release_memory()  # or large results would lie in memory that tracemalloc has not seen
    tracemalloc.start()
    made = make(size)
    made.step()
    gc.collect()
    tracemalloc.reset_peak()
    made.step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return Cost(made.size, made.against, taken, peak)


def slope(across, up):
    return float(np.polyfit(np.log(across), np.log(up), 1)[0])


def last_decade(across, up):
    """Return the slope from a tenth of the largest, as near as there is one, to the largest."""
    from_here = int(np.argmin(np.abs(np.log(np.array(across[:-1]) * 10 / across[-1]))))
    return slope(across[from_here:], up[from_here:])


def row(name, costs):
    sizes, against, times, peaks = zip(*costs, strict=True)
    of = "multiply-adds" if against != sizes else name.split()[0]
    cells = [
        f"{spaced(sizes[0])} to {spaced(sizes[-1])}",
        f"{three_figures(1e3 * times[0])} to {three_figures(1e3 * times[-1])}",
        f"{three_figures(peaks[0] / 2**20)} to {three_figures(peaks[-1] / 2**20)}",
        of,
        f"{slope(against, times):.2f}, {last_decade(against, times):.2f}",
        f"{slope(against, peaks):.2f}, {last_decade(against, peaks):.2f}",
    ]
    return f"| {name} | {' | '.join(cells)} |"


def spaced(number):
    return f"{number:,}".replace(",", " ")


def picture(found, path):
    """Draw time and memory over how many times larger a problem is than the smallest, above lines of slope 1."""
    from matplotlib.figure import Figure

    from graphnn.insight.lettering import SMALL, entitle, log_ticks, prepare

    figure = Figure(figsize=(10.6, 4.8), layout="constrained", dpi=110)
    panels = (
        ("seconds", 1e-3, "Time of a training step", "milliseconds"),
        ("peak", 2**20, "Memory it needs, data included", "megabytes"),
    )
    for ax, (field, unit, title, label) in zip(figure.subplots(1, 2), panels, strict=True):
        ink, paper = prepare(ax, "times as large as the smallest of its kind; grey: linear", label)
        ax.set(xscale="log", yscale="log")
        values = []
        for (name, costs), color, (mark, size) in zip(found.items(), COLORS, MARKS, strict=True):
            values.append(np.array([getattr(c, field) for c in costs]) / unit)
            ratios = np.array([c.size for c in costs]) / costs[0].size
            ax.plot(ratios, values[-1], mark + "-", color=color, markersize=size, linewidth=1.3, label=name)
        low, high = min(map(np.min, values)), max(map(np.max, values))
        for level in low * 10.0 ** np.arange(-3, np.ceil(np.log10(high / low))):
            ax.plot([1, 1000], [level, 1000 * level], color=ink, linewidth=0.5, alpha=0.25, zorder=0)
        ax.set(xlim=(0.8, 1400), ylim=(0.6 * low, 1.7 * high))
        log_ticks(ax.xaxis, 1, 1000)
        log_ticks(ax.yaxis, low, high)
        entitle(ax, title)
    figure.axes[0].legend(
        frameon=True, facecolor=paper, edgecolor="none", framealpha=1, fontsize=SMALL, labelcolor=ink, loc="upper left"
    )
    figure.savefig(path)


# ---- one large graph, graphs nobody has seen, and networkx -----------------------------------------------------------


def large(n, arcs, width):
    """Print seconds of packing, of the first step and of the next, and the peak memory of this process in GiB."""
    graph = random_graph(n, arcs, width)
    start = time.process_time()
    made = problem(graph, n, width)
    took = [time.process_time() - start, seconds(made.step), seconds(made.step)]
    unit = 2**30 if sys.platform == "darwin" else 2**20
    print(json.dumps([*took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit]))


def large_apart(smoke):
    n, arcs = (1_000, 10_000) if smoke else (1_000_000, 10_000_000)
    command = [sys.executable, "-W", "error", __file__, "--large", str(n), str(arcs)]
    packing, first, step, peak = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    words = f"{spaced(n)} nodes, {spaced(arcs)} arcs, {WIDTH} features, three convolutions of {WIDTH}"
    return (
        f"{words}: prepared in {packing:.1f} s, first step {first:.1f} s, the next {step:.1f} s, {peak:.2f} GiB at most"
    )


def unseen(count):
    """How much longer is the first call on a list of graphs than the second? Both pack them."""
    model = gn.models.gcn(1)
    params, calls = model.init(0, molecules(2, 0)), []
    for seed in range(3):
        graphs = molecules(count, 2 + seed)
        calls.append((seconds(model, params, graphs), seconds(model, params, graphs)))
    first, again = np.median(calls, axis=0)
    times = f"first call {first:.2f} s, the next {again:.2f} s: {first / again:.1f} times"
    return f"{spaced(count)} unseen graphs, packed on the way: {times}"


def from_networkx(count):
    import networkx as nx

    listed = []
    for graph in molecules(count, 5):
        G = nx.Graph(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))
        for node in G:
            G.nodes[node]["features"] = graph.nodes[node]
        listed.append(G)
    took = [seconds(gn.pack, listed) for _ in range(2)]
    nodes, arcs = (sum(getattr(g, f"number_of_{what}")() for g in listed) / count for what in ("nodes", "edges"))
    what = f"{spaced(count)} networkx molecules of {nodes:.0f} nodes and {2 * arcs:.0f} arcs"
    return f"{what}, packed: {took[0]:.2f} s, again {took[1]:.2f} s"


def main(arguments):
    about = f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}"
    print(f"{time.strftime('%Y-%m-%d')}; {about}; one thread; load at the start {os.getloadavg()[0]:.1f}\n")
    if arguments.smoke:
        print("Small data: no time here means anything.\n")
    print(
        "| what grows | from, to | ms a step | peak MB | grows with | time: exponent, last decade | memory: the same |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    apart = large_apart(arguments.smoke)  # now, while this process is small: on Linux a child's peak begins at ours
    found = {}
    for name, (make, sizes) in GROWTH.items():
        chosen, short = (sizes[:2], 0.0) if arguments.smoke else (sizes, SHORT)
        found[name] = [cost(make, size, short) for size in chosen]
        print(row(name, found[name]), flush=True)
    print(f"\n{apart}")
    print(unseen(50 if arguments.smoke else 5_000), flush=True)
    print(from_networkx(50 if arguments.smoke else 10_000), flush=True)
    if arguments.picture:
        picture(found, arguments.picture)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", default=None)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--large", nargs=2, type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    with gn.threads(1):
        if given.large:
            large(*given.large, WIDTH)
        else:
            main(given)
