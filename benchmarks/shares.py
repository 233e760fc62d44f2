"""What a step of each workload is made of: sparse products, dense products, passes over arrays, and all the rest.

The workloads of `benchmarks/speed`, one thread. A profiler tells how long the functions that compute take, which it
hardly slows down; their share is of a step without it, and what they leave is Python, the tape and small calls.

Run:  python benchmarks/shares.py            # two minutes
      python benchmarks/shares.py --smoke    # small data, for CI
"""

from __future__ import annotations

import cProfile
import platform
import pstats
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "speed"))
import graphnn_side
import workloads

import graphnn as gn

KINDS = {  # where a function lies and what it is called, as the profiler writes it
    "sparse products": ("csr_matvecs", "csc_matvecs"),
    "dense products": ("dense_product", "dot_tn", "column_sum", "sparse.py:sampled_product"),
    "passes and gathers": (
        "passes.py:part", "passes.py:add_row", "passes.py:fill_rows", "'take'", "'reduce'", "activations.py:_positive",
        "activations.py:_elu_in_place", "fused.py:pair_logits", "fused.py:_slope_of_leaky", "fused.py:messages",
        "fused.py:arrivals", "primitives.py:segment_softmax", "primitives.py:softmax", "fused.py:label_costs",
        "fused.py:biased",
    ),
    "noise and Adam": ("primitives.py:draw_mask", "methods.py:move"),
}  # fmt: skip


def kind_of(place):
    file, _, name = place
    whole = f"{Path(file).name}:{name}"
    for kind, names in KINDS.items():
        if any(part in whole for part in names):
            return kind
    return None


def quickest(function, seconds):
    """Return the fastest decile of calls in milliseconds of processor time, and how many there were."""
    found, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(found) < 3:
        start = time.thread_time()
        function()
        found.append(1e3 * (time.thread_time() - start))
    return float(np.quantile(found, 0.1)), len(found)


def shares(function, seconds):
    """Return the milliseconds of a call, and the part of it that each kind of work takes."""
    quickest(function, seconds / 4)
    whole, count = quickest(function, seconds)
    profile = cProfile.Profile(time.thread_time)
    profile.enable()
    for _ in range(count):
        function()
    profile.disable()
    spent = dict.fromkeys(KINDS, 0.0)
    for place, (_, _, own, _, _) in pstats.Stats(profile).stats.items():
        kind = kind_of(place)
        if kind is not None:
            spent[kind] += 1e3 * own / count
    return whole, {kind: ms / whole for kind, ms in spent.items()}


def main(smoke):
    print(f"{time.strftime('%Y-%m-%d')}; {platform.machine()}, Python {platform.python_version()}, "
          f"NumPy {np.__version__}; one thread\n")  # fmt: skip
    if smoke:
        print("Small data: no time here means anything.\n")
    print(f"| workload | ms a step | {' | '.join(KINDS)} | Python, tape, the rest |")
    print("| --- |" + " --- |" * (len(KINDS) + 2))
    for name in workloads.NAMES:
        built = graphnn_side.build(workloads.make(name, smoke), 1)
        whole, parts = shares(built.get("step", built["predict"]), 0.02 if smoke else 4)
        cells = [f"{100 * part:.0f} %" for part in (*parts.values(), max(0.0, 1 - sum(parts.values())))]
        print(f"| {name} | {whole:.3g} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    with gn.threads(1):
        main(smoke="--smoke" in sys.argv)
