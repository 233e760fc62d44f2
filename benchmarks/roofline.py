"""How near is a training step to what this machine can do? Bandwidth and products first, then our share of them.

Bandwidth is that of y += a x (BLAS axpy): two arrays read and one written, no hidden traffic; once on arrays far beyond
the cache, once on arrays inside of it. Products of dense matrices are NumPy's, into an array that is there; the sparse
product is ours. Then the workloads of `speed/workloads.py` with graphnn through its public interface, Adam included.

What a step needs at least is counted product by product: its multiply-adds at the speed of the large product, or its
bytes at the bandwidth of where its arrays are, whichever takes longer. So the floor takes every array as read once; in
brackets, every entry of a sparse matrix reads its row of the other factor anew, which comes near to the truth of a
random graph, and which blocks that stay in the cache can beat. Activations, dropout, losses, the optimiser and Python
count as nothing: the share is what they, and products that are slower than the large one, leave.

One thread is measured by processor time, several by the clock: do that on an idle machine.

Run:  python benchmarks/roofline.py                    # three minutes of two idle cores, 2 GB
      python benchmarks/roofline.py --threads 1        # one core, also a busy one
      python benchmarks/roofline.py --smoke            # small sizes, for CI
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse
from scipy.linalg.blas import saxpy

import graphnn as gn
from graphnn.insight.lettering import three_figures

CACHED = 12e6  # bytes of arrays that may be in the cache when they are read again
MEASURED = ("W7", "W1", "W3", "W4", "W5")


def fastest(function, threads, seconds):
    """Return the seconds of the fastest call, of as many as fit into the time, three at least."""
    clock = time.process_time if threads == 1 else time.perf_counter
    function()
    times = []
    while len(times) < 3 or sum(times) < seconds:
        start = clock()
        function()
        times.append(clock() - start)
    return min(times)


# ---- what the machine can do -----------------------------------------------------------------------------------------


def bandwidth(n, threads, seconds):
    """Return bytes a second of y += a x for n numbers of float32: x and y are read and y is written."""
    x, y = np.ones(n, np.float32), np.ones(n, np.float32)
    return 12 * n / fastest(lambda: saxpy(x, y, a=1e-9), threads, seconds)


def dense_speed(n, d, width, dtype, threads, seconds, turned=False):
    """Return multiply-adds a second of (n, d) times (d, width), or of the transpose of (n, d) times (n, width)."""
    rng = np.random.default_rng(0)
    left, right = rng.random((n, d)).astype(dtype), rng.random((n if turned else d, width)).astype(dtype)
    if turned:
        left = left.T
    out = np.empty((left.shape[0], width), dtype)
    return n * d * width / fastest(lambda: np.matmul(left, right, out=out), threads, seconds)


def sparse_speed(n, width, threads, seconds):
    """Return multiply-adds a second of our sparse product where all is in the cache: each row sums eleven beside it."""
    columns = (np.arange(n)[:, None] + np.arange(-5, 6)).ravel() % n
    band = scipy.sparse.csr_array((np.ones(11 * n, np.float32), columns, np.arange(0, 11 * n + 1, 11)), shape=(n, n))
    kept, x = gn.ops.SparseMatrix.from_scipy(band).kept(), np.ones((n, width), np.float32)
    return 11 * n * width / fastest(lambda: gn.ops.propagate(kept, x), threads, seconds)


PRODUCTS = {
    "product 2048 x 2048 x 2048, float32": (2048, 2048, 2048, np.float32, False),
    "the same, float64": (2048, 2048, 2048, np.float64, False),
    "170 000 x 128 times 128 x 128, float32": (170_000, 128, 128, np.float32, False),
    "its gradient, 128 x 170 000 times 170 000 x 128": (170_000, 128, 128, np.float32, True),
    "1 690 x 64 times 64 x 64, float32": (1_690, 64, 64, np.float32, False),
    "its gradient, 64 x 1 690 times 1 690 x 64": (1_690, 64, 64, np.float32, True),
}


class Machine(NamedTuple):
    """What it does in a second: bytes from memory, bytes from the cache, multiply-adds of a large product."""

    memory: float
    cache: float
    products: float


def measure_machine(threads, smoke, seconds):
    """Return the machine with so many threads, and its rows of the table: a text for each name."""
    far, near = (2**16, 2**14) if smoke else (2**25, 2**20)
    with gn.threads(threads):
        speeds = {
            name: dense_speed(*(min(size, 64) if smoke else size for size in sizes), dtype, threads, seconds, turned)
            for name, (*sizes, dtype, turned) in PRODUCTS.items()
        }
        sparse_speeds = {width: sparse_speed(2**18 // width, width, threads, seconds) for width in (16, 128)}
        memory, cache = bandwidth(far, threads, seconds), bandwidth(near, threads, seconds)
    rows = {"y += a x, two arrays of 128 MB: GB/s": memory / 1e9, "the same of 4 MB, in the cache: GB/s": cache / 1e9}
    rows |= {f"{name}: GFlop/s": 2 * speed / 1e9 for name, speed in speeds.items()}
    rows |= {f"sparse product in the cache, {w} columns: GFlop/s": 2 * s / 1e9 for w, s in sparse_speeds.items()}
    return Machine(memory, cache, next(iter(speeds.values()))), rows


# ---- what the workloads need -----------------------------------------------------------------------------------------


class Product(NamedTuple):
    """multiply-adds, and bytes of float32 and of indices: every array once, and with a row for every entry"""

    work: int
    once: int
    gathered: int


def dense(n, d, width, times=3):
    """The product of (n, d) with (d, width), and its gradients; twice where (n, d) is constant."""
    moved = 4 * (n * d + d * width + n * width)
    return [Product(n * d * width, moved, moved)] * times


def sparse(rows, columns, entries, width, times=2):
    """The product of a sparse matrix with (columns, width), and its gradient."""
    moved, entry = 4 * width * rows, 8 * entries
    once = moved + entry + 4 * width * columns
    return [Product(entries * width, once, moved + entry + 4 * width * entries)] * times


def needs(task):
    """Return all the products of a training step: those of constants are done once and do not count."""
    kind = task["kind"]
    if "graphs" in task:
        graphs = task["graphs"][: task["batch"]]
        n, arcs = sum(g["n"] for g in graphs), sum(len(g["senders"]) for g in graphs)
        shapes = {name: value.shape for name, value in task["params"].items()}
        found = [p for k in range(task["head"]) for p in dense(len(graphs), *shapes[f"m{k}"])]
        for k in range(task["layers"]):
            first = k == 0
            d, width = shapes[f"w{k}"]
            found += dense(n, d, width, times=2 if first else 3)
            if kind == "gcn":
                found += [] if first else sparse(n, n, arcs + n, width)
            else:
                found += dense(n, width, width) + dense(arcs, 6, d, times=2) + sparse(n, n, arcs, d, 1 if first else 2)
        return found
    n, arcs = task["n"], len(task["senders"])
    if kind == "product":
        return sparse(n, n, arcs, task["x"].shape[1], times=1)
    found = []
    for k in range(len(task["params"]) // 2):
        d, width = task["params"][f"w{k}"].shape
        if k == 0 and kind == "gcn":  # sparse features, with dropout on them
            found += sparse(n, d, len(task["rows"]), width)
        else:
            found += dense(n, d, width, times=2 if k == 0 else 3)
        if k > 0 or kind == "gcn":
            found += sparse(n, n, arcs + n, width)
    return found


def least(products, machine):
    """Return seconds that the products take at least: read once, and with a row for every entry."""
    sums = [0.0, 0.0]
    for product in products:
        rate = machine.cache if product.once < CACHED else machine.memory
        for i, moved in enumerate((product.once, product.gathered)):
            sums[i] += max(product.work / machine.products, moved / rate)
    return sums


def share_of(name, threads, machine, smoke, seconds):
    """Return the row of a workload."""
    import graphnn_side
    import workloads

    task = workloads.make(name, smoke)
    products = needs(task)
    with gn.threads(threads):
        built = graphnn_side.build(task, threads)
        taken = fastest(built.get("step", built["predict"]), threads, seconds)
    floor, gathered = least(products, machine)
    work, once, again = (sum(counts) / 1e6 for counts in zip(*products, strict=True))
    cells = [
        f"{name}, {'product' if task['kind'] == 'product' else 'training step'}", str(threads), three_figures(work),
        f"{three_figures(once)} ({three_figures(again)})",
        f"{three_figures(1e3 * floor)} ({three_figures(1e3 * gathered)})", three_figures(1e3 * taken),
        f"{100 * floor / taken:.0f} % ({100 * gathered / taken:.0f} %)",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main(arguments):
    sys.path.insert(0, str(Path(__file__).parent / "speed"))
    seconds = 0.0 if arguments.smoke else 1.0
    about = f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}"
    print(f"{time.strftime('%Y-%m-%d')}; {about}; load at the start {os.getloadavg()[0]:.1f}\n")
    if arguments.smoke:
        print("Small data: no size here holds, and no time means anything.\n")
    machines = {n: measure_machine(n, arguments.smoke, seconds) for n in arguments.threads}
    heads = ["one thread" if n == 1 else f"{n} threads" for n in machines]
    print(f"| the machine | {' | '.join(heads)} |")
    print("| --- |" + " --- |" * len(machines))
    for name in next(iter(machines.values()))[1]:
        print(f"| {name} | {' | '.join(three_figures(rows[name]) for _, rows in machines.values())} |")
    print("\n| workload | threads | million multiply-adds | MB moved | floor, ms | measured, ms | share |")
    print("| --- |" + " --- |" * 6)
    for name in MEASURED:
        for n, (machine, _) in machines.items():
            print(share_of(name, n, machine, arguments.smoke, seconds), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--smoke", action="store_true")
    main(parser.parse_args())
