"""The machine that a benchmark runs on: its processor, and how busy others keep it meanwhile."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def cores():
    """Return the cores this process may run on, by number."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count()))


def processor():
    """Return the model of the processor, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(models), "") or platform.processor() or platform.machine()


def busy():
    """Return seconds of work of the whole machine so far, or None where the system does not count them.

    Time that the host of a virtual machine took away counts as work too: it was not ours.
    """
    try:
        user, nice, system, _, _, *rest = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    except (OSError, ValueError):
        return None
    return (user + nice + system + sum(rest[:3])) / os.sysconf("SC_CLK_TCK")  # rest: interrupts twice, stolen


class Others:
    """What others did with the machine between two looks: a share of the processor time of all its cores.

    Our own work is that of this process and of the children it has waited for, so look when none is running.
    """

    def __init__(self):
        self.last = self.state()

    @staticmethod
    def state():
        now = os.times()
        return now.elapsed, busy(), now.user + now.system + now.children_user + now.children_system

    def share(self):
        """Return the share since the last call, or None where it is not known."""
        (begun, before, mine_before), (ended, after, mine) = self.last, self.state()
        self.last = ended, after, mine
        if before is None or after - before < 0.5 * (mine - mine_before):  # a counter that does not count
            return None
        return max(0.0, (after - before) - (mine - mine_before)) / ((ended - begun) * os.cpu_count())
