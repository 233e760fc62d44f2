"""One framework at one workload, in a process of its own: `compare.py` tells it when to work and reads the times.

Lines that come in: "step SECONDS", "epoch SECONDS", "predict SECONDS", or "end". Lines that go out: JSON; whatever else
a library prints goes to the error stream. A side that fails says so in its last line, under "failed".
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import platform
import sys
import time
import traceback
import warnings

LIBRARY = {"pyg": "torch_geometric"}  # where it is not the framework's own name
BESIDE = {  # whose versions matter too
    "graphnn": ("autograd", "numpy", "scipy"), "jax": ("jaxlib", "numpy"), "torch": ("numpy",),
    "pyg": ("torch", "numpy"), "dgl": ("torch", "numpy"),
}  # fmt: skip


def seconds_of(module):
    start = time.perf_counter()
    importlib.import_module(module)
    return time.perf_counter() - start


def version(module):
    """Return the version a module tells, or the one it was installed as."""
    from importlib import metadata  # late, since the import of a library is timed

    return getattr(sys.modules.get(module), "__version__", None) or metadata.version(module)


def times(function, seconds):
    """Call a function for some seconds; return milliseconds of each call, and of processor time over all of them."""
    found, cpu, end = [], time.process_time(), time.perf_counter() + seconds
    while True:
        start = time.perf_counter()
        function()
        stop = time.perf_counter()
        found.append(1e3 * (stop - start))
        if stop > end:
            return {"ms": found, "cpu": 1e3 * (time.process_time() - cpu) / len(found)}


def peak_mb():
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(tell, framework, workload, threads, smoke, predictions):
    warnings.filterwarnings("ignore", module="torch")  # that its sparse matrices are in beta
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])  # inherited by the threads of every library
    name, _, variant = framework.partition("-")
    imported = seconds_of(LIBRARY.get(name, name))
    import numpy as np
    import workloads

    side = importlib.import_module(f"{name}_side")
    task = workloads.make(workload, smoke)
    built = side.build(task | {"variant": variant}, threads)
    np.save(predictions, np.asarray(built["predict"](), np.float32))
    versions = {"Python": platform.python_version(), **{module: version(module) for module in BESIDE[name]}}
    tell({"import": imported, "version": version(LIBRARY.get(name, name)), "beside": versions, "does": sorted(built)})
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        what, _, seconds = line.strip().partition(" ")
        if what == "end":
            tell({"peak_mb": peak_mb()})
            return
        tell(times(built[what], float(seconds)))


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    framework, workload, threads, smoke, predictions = sys.argv[1:]

    def tell(answer):
        print(json.dumps(answer), file=answers)

    try:
        main(tell, framework, workload, int(threads), smoke == "smoke", predictions)
    except Exception as error:  # of whatever kind: the other sides go on
        traceback.print_exc()
        tell({"failed": f"{type(error).__name__}: {error}"})
