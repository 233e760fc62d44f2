"""How much memory this process may still use, and the refusal of what would not fit in all of it.

On a machine that is out of memory an array is granted all the same, and the process is killed while it is filled. So
what could be that large asks before: the error then names the array, and nothing has been made yet.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

MATTERS = 2**25  # bytes; nobody is asked about less
CONTROL_GROUPS = (  # versions 2 and 1: folder, controller, files of the limit and of what is used, prefix of the cache
    ("sys/fs/cgroup", "", "memory.max", "memory.current", ""),
    ("sys/fs/cgroup/memory", "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
)


def check_room(who: str, shape: tuple[int, ...], dtype: Any, remedy: str, copies: int = 1) -> None:
    """Raise MemoryError, before it is made, if an array is larger than all the memory that is left.

    who: what the message begins with;  copies: how many arrays of this size it takes at least to get there

    >>> check_room("kernel K", (10**7, 10**7), "float64", "use a sparse one")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    MemoryError: kernel K: an array of shape (10000000, 10000000) in float64 takes 800,000 GB, and ... use a sparse one
    """
    what = f"an array of shape {shape} in {np.dtype(dtype)} takes {gigabytes(size_of(shape, dtype))}"
    if copies > 1:
        what += f", {copies} of them are needed"
    check_bytes(who, what, copies * size_of(shape, dtype), remedy)


def check_bytes(who: str, what: str, n_bytes: float, remedy: str) -> None:
    """Raise MemoryError if so many bytes are more than all the memory that is left; `what` says of what they are."""
    if n_bytes < MATTERS:
        return
    left = available()
    if left is not None and n_bytes > left:
        raise MemoryError(f"{who}: {what}, and {gigabytes(left)} are left; {remedy}")


def size_of(shape: tuple[int, ...], dtype: Any) -> int:
    """Return the bytes of an array.

    >>> size_of((3, 2), "float32")
    24
    """
    n_bytes = np.dtype(dtype).itemsize
    for n in shape:
        n_bytes *= int(n)
    return n_bytes


def gigabytes(n_bytes: float) -> str:
    """Return a size as it stands in messages.

    >>> gigabytes(170_000**2 * 8)
    '231 GB'
    """
    n = n_bytes / 1e9
    return f"{n:,.0f} GB" if n >= 100 else f"{n:.3g} GB"


def available(root: str | Path = "/") -> int | None:
    """Return how many bytes this process may still take: the largest number there is a reason to believe.

    On Linux what the kernel calls available, or what the limits of its control groups (containers, batch jobs) leave if
    that is less, where files in the cache count as free; and swap space. Elsewhere all the memory of the machine. None
    where nobody says.

    >>> available() is None or available() > 2**20
    True
    """
    root = Path(root)
    machine = _numbers(root / "proc/meminfo")
    if "MemAvailable" in machine:
        left = min(machine["MemAvailable"] * 1024, *_left_to_groups(root), 2**62)
        return max(left, 0) + machine.get("SwapFree", 0) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows, and systems that do not say
        return None


def _left_to_groups(root: Path) -> Iterator[int]:
    """Give what the limits of the control groups that this process is in leave to it."""
    for base, controller, limit_in, used_in, cached in CONTROL_GROUPS:
        for folder in _folders(root, base, controller):
            limit, used = _number(folder / limit_in), _number(folder / used_in)
            if limit is not None and used is not None:
                cache = _numbers(folder / "memory.stat")
                yield limit - used + cache.get(f"{cached}inactive_file", 0) + cache.get(f"{cached}active_file", 0)


def _folders(root: Path, base: str, controller: str) -> Iterator[Path]:
    """Give the folders of the group of this process and of all that it is inside of, down to the base."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, place = line.split(":", 2)
        if controller in controllers.split(","):
            folder = Path(place.lstrip("/"))
            for part in dict.fromkeys((folder, *folder.parents, Path())):
                yield root / base / part


def _numbers(path: Path) -> dict[str, int]:
    """Return the numbers of a file of lines such as "MemAvailable: 123 kB"."""
    found = {}
    for line in _text(path).splitlines():
        words = line.replace(":", " ").split()
        if len(words) > 1 and words[1].isdigit():
            found[words[0]] = int(words[1])
    return found


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None  # "max" is no limit


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
