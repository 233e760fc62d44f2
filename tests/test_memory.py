"""How much memory is left, by files such as Linux has, and what is refused before it is made."""

from __future__ import annotations

import os
import tracemalloc

import numpy as np
import pytest
import scipy.sparse

import graphnn as gn
from graphnn import kernels, memory
from graphnn.transforms import radius_graph

MEMINFO = "MemTotal:  900 kB\nMemFree: 10 kB\nMemAvailable:     500 kB\nSwapFree:   40 kB\n"
ROOM = 512_000  # what it says is available
SWAP = 40_960


def written(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


NEW, OLD = "sys/fs/cgroup", "sys/fs/cgroup/memory"
MACHINES = {
    "no groups": ({}, ROOM),
    "no limit": ({"proc/self/cgroup": "0::/job", f"{NEW}/job/memory.max": "max\n"}, ROOM),
    "a limit": (
        {"proc/self/cgroup": "0::/job\n", f"{NEW}/job/memory.max": "300000", f"{NEW}/job/memory.current": "100000"},
        200_000,
    ),
    "a limit above what there is": (
        {"proc/self/cgroup": "0::/job\n", f"{NEW}/job/memory.max": "900000", f"{NEW}/job/memory.current": "100000"},
        ROOM,
    ),
    "cached files count as free": (
        {
            "proc/self/cgroup": "0::/job\n",
            f"{NEW}/job/memory.max": "300000",
            f"{NEW}/job/memory.current": "250000",
            f"{NEW}/job/memory.stat": "anon 7\ninactive_file 30000\nactive_file 20000\n",
        },
        100_000,
    ),
    "the limit of a group around": (
        {
            "proc/self/cgroup": "0::/job/part/of\n",
            f"{NEW}/job/part/memory.max": "300000",
            f"{NEW}/job/part/memory.current": "100000",
            f"{NEW}/job/memory.max": "max",
        },
        200_000,
    ),
    "of a container, at the root": (
        {"proc/self/cgroup": "0::/../x\n", f"{NEW}/memory.max": "300000", f"{NEW}/memory.current": "100000"},
        200_000,
    ),
    "more is used than allowed": (
        {"proc/self/cgroup": "0::/\n", f"{NEW}/memory.max": "300000", f"{NEW}/memory.current": "400000"},
        0,
    ),
    "of version 1": (
        {
            "proc/self/cgroup": "3:cpu,cpuacct:/\n2:memory:/job\n0::/\n",
            f"{OLD}/job/memory.limit_in_bytes": "300000\n",
            f"{OLD}/job/memory.usage_in_bytes": "250000\n",
            f"{OLD}/job/memory.stat": "total_inactive_file 30000\ntotal_active_file 20000\ninactive_file 9\n",
        },
        100_000,
    ),
    "of version 1 without one": (
        {
            "proc/self/cgroup": "2:memory:/\n",
            f"{OLD}/memory.limit_in_bytes": "9223372036854771712",
            f"{OLD}/memory.usage_in_bytes": "5",
        },
        ROOM,
    ),
}


@pytest.mark.parametrize("name", MACHINES)
def test_what_is_left_is_the_least_of_all_limits_and_swap(name, tmp_path):
    files, left = MACHINES[name]
    assert memory.available(written(tmp_path, {"proc/meminfo": MEMINFO, **files})) == left + SWAP


def test_elsewhere_it_is_all_the_memory_or_unknown(tmp_path, monkeypatch):
    numbers = {"SC_PHYS_PAGES": 7, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", numbers.__getitem__)
    assert memory.available(tmp_path) == 7 * 4096
    monkeypatch.delattr(os, "sysconf")
    assert memory.available(tmp_path) is None


N = 5000  # an array (N, N) in float64 takes 200 MB
LEFT = 150_000_000
RING = gn.Graph(np.ones((N, 1)), np.arange(N), np.roll(np.arange(N), -1))
STAR = gn.Graph(np.ones((N, 1)), np.r_[np.zeros(N - 1, int), 1:N], np.r_[1:N, np.zeros(N - 1, int)])
OWN = RING.replace(kernels={"own": scipy.sparse.eye_array(N, format="csr")})
SMALL = gn.Graph(np.ones((2, 1)), [0], [1])
CONV = gn.GraphConv(1, kernel=kernels.adjacency)
ONE = rf"an array of shape \({N}, {N}\) in float64 takes 0.2 GB, and 0.15 GB are left; "
LIST = r"as a list: dense arrays, one a graph and the largest of shape \({}, {}\), take {} GB in float64, and 0.15 GB"


def layer_on(layout, *graphs):
    batch = gn.pack(list(graphs), layout=layout)
    return CONV.init(0, batch.replace(nodes=batch.nodes + 1))


REFUSED = {
    "a sparse kernel made dense": (
        lambda: RING.kernel(kernels.adjacency),
        "kernel adjacency: " + ONE + "it came sparse",
    ),
    "a kernel that came along": (lambda: OWN.kernel("own"), "kernel 'own': " + ONE + "it came sparse"),
    "a matrix of ops made dense": (lambda: gn.pack(RING).operator(kernels.adjacency).toarray(), "made dense: " + ONE),
    "Heat": (
        lambda: RING.kernel(kernels.Heat(0.5)),
        r"kernel Heat\(t=0.5, .*\): .* takes 0.2 GB, 5 of them are needed, and 0.15 GB are left; use HeatConv",
    ),
    "PageRank": (
        lambda: RING.kernel(kernels.PersonalizedPageRank(0.1)),
        r"kernel Pers.*: .* takes 0.2 GB, 3 of them are needed, and 0.15 GB are left; use APPNP",
    ),
    "layout list": (lambda: layer_on("list", RING), "kernel adjacency " + LIST.format(N, N, 0.2)),
    "layout list, several": (lambda: layer_on("list", *[RING.replace(nodes=RING.nodes)] * 3), LIST.format(N, N, 0.6)),
    "kernels as arrays": (lambda: gn.pack(RING).kernels(kernels.adjacency), LIST.format(N, N, 0.2)),
    "kernels that came, as arrays": (lambda: gn.pack(OWN).kernels(), "kernel 'own' " + LIST.format(N, N, 0.2)),
    "layout dense": (
        lambda: layer_on("dense", RING),
        rf'kernel adjacency in layout "dense": an array of shape \(1, {N}, {N}\) in float64 takes 0.2 GB, and 0.15 GB '
        r'are left; every graph is padded to the largest; pack\(graphs, layout="sparse"\)',
    ),
    "one large graph among small ones": (
        lambda: layer_on("dense", gn.Graph(np.ones((1000, 1))), *[SMALL] * 99),
        r"an array of shape \(100, 1000, 1000\) in float64 takes 0.8 GB",
    ),
    "the nonbacktracking matrix of a star": (
        lambda: STAR.nonbacktracking,
        r"graph.nonbacktracking: an array of shape \(24995000,\) in int64 takes 0.2 GB, 2 of them",
    ),
    "points that are all near": (
        lambda: radius_graph(np.linspace(0, 1, N), 2.0),
        rf"radius_graph: radius 2 joins {N} points by {N * (N - 1)} edges: an array .* take a smaller one, or",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_not_fit_is_refused_before_it_is_made(name, monkeypatch):
    make, text = REFUSED[name]
    monkeypatch.setattr(memory, "available", lambda: LEFT)
    tracemalloc.start()
    try:
        with pytest.raises(MemoryError, match=text):
            make()
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


def test_what_fits_just_so_is_not_refused_nor_what_nobody_can_judge(monkeypatch):
    large = memory.size_of((N, N), float)
    for left in (large, None):
        monkeypatch.setattr(memory, "available", lambda left=left: left)
        memory.check_room("it", (N, N), float, "")
    monkeypatch.setattr(memory, "available", lambda: large - 1)
    with pytest.raises(MemoryError, match=r"^it: an array"):
        memory.check_room("it", (N, N), float, "")
    memory.check_room("it", (N, N), np.float32, "")


def test_small_arrays_ask_nobody(monkeypatch):
    monkeypatch.delattr(memory, "available")
    memory.check_room("it", (1000, 1000), float, "")
    layer_on("dense", SMALL, SMALL)


def test_what_is_there_already_is_not_counted_again(monkeypatch):
    batch = gn.pack(gn.Graph(np.ones((2500, 1)), [0], [1], kernels={"dense": np.zeros((2500, 2500))}))
    monkeypatch.setattr(memory, "available", lambda: 10**8)
    first = batch.kernels(kernels.adjacency)
    monkeypatch.setattr(memory, "available", lambda: 0)
    assert batch.kernels(kernels.adjacency)[0] is first[0]
    assert batch.kernels("dense")[0].shape == (2500, 2500)
    assert len(gn.pack(batch, layout="list").packed.operator("dense")) == 1
