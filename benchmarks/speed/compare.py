"""How fast is a training step, beside the peers, on this machine? One command for all workloads of `workloads.py`.

Every framework runs in a process of its own, from the same initial weights; first predictions must agree to 1e-4 of the
largest. Then they are visited in turn, a slice of time each, so that a noisy machine is noisy for all. Peers are looked
for in the environments named, and left out where they are absent; each may be in an environment of its own. A peer that
fails at a workload says why in its row, and the others go on.

Out comes a table in Markdown: the fastest decile and the median of a step in milliseconds, the ratio to the best peer
(below 1: graphnn is faster), processor time per step, the same for a whole epoch with its batches and for inference,
peak memory of the process, seconds of import. What the workloads are, which extensions a peer went without, versions
and how busy other jobs kept the machine follow, so that the table can be pasted as it is. A second thread for BLAS
helps on idle machines only: see `--threads`.

Run:  python benchmarks/speed/compare.py --also PYG/bin/python DGL/bin/python --picture docs/results/speed.png  # 25 min
      python benchmarks/speed/compare.py --workloads W1 W6 --rounds 2 --seconds 0.3 --peers jax dgl    # 1 min
      python benchmarks/speed/compare.py --smoke                # graphnn alone on small data, for CI
DGL needs an older torch, so an environment of its own, of Python 3.11 at most:
`pip install dgl==2.1.0 torch==2.2.1 torchdata==0.7.1 "numpy<2" pandas pyyaml pydantic setuptools`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import workloads
from machine import Others, cores, processor
from side import LIBRARY

HERE = Path(__file__).parent
PEERS = ("jax", "torch", "pyg", "pyg-csr", "pyg-sparse", "dgl")
ONLY = {"pyg-csr": ("W5", "W7"), "pyg-sparse": ("W1", "W2")}  # forms that are another way at these workloads alone
EXTENSIONS = {"pyg": ("torch-scatter", "torch-sparse", "pyg-lib")}
WHAT = ("step", "epoch", "predict")
MARKS = "†‡§"


def name_of(framework):
    """Return the framework without its form: pyg of pyg-csr."""
    return framework.partition("-")[0]


def short(ms):
    """Write milliseconds with three figures, and none after the point that cannot be seen."""
    return f"{ms:.0f}" if ms >= 100 else f"{ms:.3g}"


def has(python, module):
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    return subprocess.run([python, "-c", code], check=False).returncode == 0


def environment(threads):
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "GRAPHNN_THREADS")
    return {**os.environ, **dict.fromkeys(names, str(threads)), "DGLBACKEND": "pytorch"}  # or DGL writes a file at home


class Side:
    """The process of one framework at one workload; `failed` says why it ended early, `note` what to know of it."""

    def __init__(self, framework, python, workload, arguments, folder):
        self.framework, self.predictions = framework, folder / f"{framework}.npy"
        self.times = {what: [] for what in WHAT}
        self.cpu = {what: [] for what in WHAT}
        self.failed, self.version, self.note, self.does = None, None, "", ()
        smoke = "smoke" if arguments.smoke else "full"
        self.process = subprocess.Popen(
            [python, str(HERE / "side.py"), framework, workload, str(arguments.threads), smoke, str(self.predictions)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(arguments.threads),
        )  # fmt: skip

    def answer(self):
        """Return the next answer, or None from a side that has failed."""
        line = self.process.stdout.readline()
        found = json.loads(line) if line else {"failed": f"its process ended with status {self.process.wait()}"}
        if "failed" in found:
            self.fail(found["failed"])
            return None
        return found

    def fail(self, why):
        """End the process, and hold the first line of why."""
        self.failed, self.does = why.strip().partition("\n")[0][:160].replace("|", "/"), ()
        self.process.communicate()

    def ask(self, words):
        with contextlib.suppress(BrokenPipeError):  # it was ended from outside: no answer comes either
            self.process.stdin.write(words + "\n")
            self.process.stdin.flush()
        return self.answer()

    def begin(self, notes):
        ready = self.answer()
        if ready:
            self.imported, self.does = ready["import"], ready["does"]
            if "+cu" in ready["beside"].get("torch", ready["version"]):
                notes = [*notes, "its torch is built for CUDA, which takes memory and import longer"]
            self.note = f"{name_of(self.framework)}: {'; '.join(notes)}" if notes else ""
            self.version = f"{ready['version']} ({', '.join(' '.join(item) for item in ready['beside'].items())})"

    def work(self, what, seconds, keep=True):
        if what in self.does:
            found = self.ask(f"{what} {seconds}")
            if keep and found:
                self.times[what] += found["ms"]
                self.cpu[what].append(found["cpu"])

    def end(self):
        last = None if self.failed else self.ask("end")
        if last:
            self.peak = last["peak_mb"]
            self.process.communicate()

    def fastest(self, what):
        return float(np.quantile(self.times[what], 0.1)) if self.times[what] else None

    def cell(self, what):
        return f"{short(self.fastest(what))} / {short(np.median(self.times[what]))}" if self.times[what] else "-"


def measured(workload, frameworks, notes, arguments, folder):
    """Return the sides of a workload, after they have taken turns."""
    sides = []
    for framework, python in frameworks.items():
        if workload in ONLY.get(framework, workloads.NAMES):
            sides.append(Side(framework, python, workload, arguments, folder))
            sides[-1].begin(notes.get(name_of(framework), []))
    if sides[0].failed:
        raise SystemExit(f"{workload}: graphnn failed: {sides[0].failed}")
    wanted = np.load(sides[0].predictions)
    for side in sides[1:]:
        if not side.failed:
            found = np.load(side.predictions)
            alike = found.shape == wanted.shape
            error = np.abs(found - wanted).max() / np.abs(wanted).max() if alike else np.inf
            if not error < 1e-4:
                side.fail(f"its first predictions differ by {error:.2g} of the largest")
    for round_ in range(arguments.rounds + 1):
        for what in WHAT:
            for side in sides:
                side.work(what, arguments.seconds, keep=round_ > 0)  # the first round warms up: compilers compile
    for side in sides:
        side.end()
    if sides[0].failed:
        raise SystemExit(f"{workload}: graphnn failed: {sides[0].failed}")
    return sides


def rows_of(workload, sides, marks):
    """Return the rows of a workload, with our ratio to the best peer for each kind of work; marks stand for notes."""
    ratios = {}
    for what in WHAT:
        peers = [side.fastest(what) for side in sides[1:] if side.times[what] and not side.failed]
        if peers and sides[0].times[what]:
            ratios[what] = sides[0].fastest(what) / min(peers)
    for side in sides:
        mine, name = side is sides[0], side.framework
        if side.failed:
            yield f"| {workload} | {name} | failed: {side.failed} |{' |' * 8}"
            continue
        if side.note:
            name += " " + marks.setdefault(side.note, MARKS[len(marks)])
        ratio = [f"**{ratios[what]:.2f}**" if mine and what in ratios else "" for what in WHAT]
        cpu = short(np.median(side.cpu["step"] or side.cpu["predict"]))
        cells = [side.cell("step"), ratio[0], cpu, side.cell("epoch"), ratio[1], side.cell("predict"), ratio[2]]
        yield f"| {workload} | {name} | {' | '.join(cells)} | {side.peak:.0f} | {side.imported:.2f} |"


def drawn(workload, sides):
    """Return a row of the picture: our time of a step, or of the product, and that of every peer."""
    what = "step" if sides[0].times["step"] else "predict"
    label = workload if what == "step" else f"{workload} (product)"
    return label, sides[0].fastest(what), {side.framework: side.fastest(what) for side in sides[1:] if not side.failed}


def present(arguments):
    """Return the interpreter of every framework that is here, and notes of what it goes without."""
    pythons, frameworks, notes = [sys.executable, *arguments.also], {}, {}
    for framework in ("graphnn", *arguments.peers):
        name = name_of(framework)
        library = LIBRARY.get(name, name)
        python = next((python for python in pythons if has(python, library)), None)
        if python is None:
            print(f"{framework} is absent: no {library} in {', '.join(pythons)}  ")
            continue
        frameworks[framework] = python
        missing = [package for package in EXTENSIONS.get(name, ()) if not has(python, package.replace("-", "_"))]
        if missing:
            notes[name] = [f"without {', '.join(missing)}"]
    return frameworks, notes


def of_others(shares):
    """Return a sentence about what other jobs took of the machine, workload by workload."""
    known = {workload: share for workload, share in shares.items() if share is not None}
    if not known:
        return "How much of the machine other jobs took meanwhile is not known on this system."
    most = max(known, key=known.get)
    return (f"Other jobs took {np.median(list(known.values())):.0%} of the machine's processor time while this ran "
            f"(the median of the workloads), at most {known[most]:.0%}, during {most}.")  # fmt: skip


def main(arguments):
    frameworks, notes = present(arguments)
    print(f"{time.strftime('%Y-%m-%d')}; {processor()}, {len(cores())} cores; each framework by itself, held to "
          f"{arguments.threads} of them and as many threads; turns of {arguments.seconds:g} s: {arguments.rounds}; "
          f"load of other work at the start: {os.getloadavg()[0]:.1f}.  ")  # fmt: skip
    if arguments.smoke:
        print("Small data: every workload is cut to a few nodes, and no time here means anything.  ")
    print("Milliseconds: fastest decile / median; ratio: to the best peer's fastest decile; cpu: of a step over all "
          "threads, or of the inference where there is no step.\n")  # fmt: skip
    print("| | framework | step | ratio | cpu | epoch | ratio | inference | ratio | peak MB | import s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    found, versions, shares, marks, others = {}, {}, {}, {}, Others()
    with tempfile.TemporaryDirectory() as folder:
        for workload in arguments.workloads:
            found[workload] = sides = measured(workload, frameworks, notes, arguments, Path(folder))
            shares[workload] = others.share()
            print("\n".join(rows_of(workload, sides, marks)), flush=True)
            versions |= {name_of(side.framework): side.version for side in sides if side.version}
    print()
    print("".join(f"{mark} {note}.  \n" for note, mark in marks.items()), end="")
    print(*(line for line in workloads.__doc__.splitlines() if line.startswith("W")), sep="  \n", end="  \n")
    print("; ".join(f"{name} {version}" for name, version in versions.items()) + ".  ")
    print(of_others(shares))
    if arguments.picture:
        import picture

        picture.draw([drawn(*item) for item in found.items()], arguments.picture)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", nargs="+", default=list(workloads.NAMES), choices=workloads.NAMES)
    parser.add_argument("--peers", nargs="*", default=None, choices=PEERS, help="all; with --smoke none")
    parser.add_argument("--also", nargs="*", default=[], help="interpreters of environments that have peers")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of each turn")
    parser.add_argument("--picture", default=None)
    parser.add_argument("--smoke", action="store_true")
    chosen = parser.parse_args()
    if chosen.smoke:
        chosen.rounds, chosen.seconds, chosen.threads = 1, 0.02, 1
    if chosen.peers is None:
        chosen.peers = [] if chosen.smoke else PEERS
    main(chosen)
