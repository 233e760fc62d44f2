"""How heavy is an installation, and how long does its import take? Any environment, the same way.

Prints megabytes of site-packages and number of packages without pip and setuptools, and the median import seconds and
peak memory of seven processes beyond an empty one, after one that warms the disk. Linux and macOS.

Run:  python benchmarks/footprint.py .venv/bin/python graphnn
      python benchmarks/footprint.py OTHER/bin/python torch_geometric
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time

REPEATS = 7
INSTALLED = """
import importlib.metadata, json, pathlib, sysconfig
folder = pathlib.Path(sysconfig.get_paths()["purelib"])
aside = ("pip", "setuptools", "pkg_resources", "_distutils_hack")
files = (f for f in folder.rglob("*") if f.is_file() and not f.relative_to(folder).parts[0].startswith(aside))
names = {d.metadata["Name"].lower() for d in importlib.metadata.distributions(path=[str(folder)])}
blocks = sum(f.stat().st_blocks for f in files)
print(json.dumps([blocks * 512 / 2**20, len(names - {"pip", "setuptools"})]))
"""


def import_cost(python, code):
    """Return the seconds and the peak megabytes of one process that runs the code."""
    start = time.perf_counter()
    process = subprocess.Popen([python, "-c", code])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{python} -c {code!r} failed")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return time.perf_counter() - start, usage.ru_maxrss / unit


def median_cost(python, code):
    import_cost(python, code)
    return [
        statistics.median(column) for column in zip(*(import_cost(python, code) for _ in range(REPEATS)), strict=True)
    ]


def main(python, module):
    megabytes, packages = json.loads(subprocess.check_output([python, "-c", INSTALLED]))
    empty, full = median_cost(python, "pass"), median_cost(python, f"import {module}")
    seconds, memory = (a - b for a, b in zip(full, empty, strict=True))
    print(f"{module}: {megabytes:.0f} MB, {packages} packages; import {seconds:.2f} s, {memory:.0f} MB; "
          f"load {os.getloadavg()[0]:.1f}")  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
