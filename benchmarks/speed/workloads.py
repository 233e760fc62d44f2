"""The workloads: arrays and initial weights, the same in every framework. NumPy only, so that any environment runs it.

W1  a Cora-size graph convolution of two layers, 16 hidden, dropout 0.5 on sparse bag-of-words features, full batch
W2  the same graph, attention with 8 heads of 8, dropout 0.6 on features and attention
W3  1128 molecule-size graphs in batches of 128: three convolutions of 64, sum pool, two dense layers
W4  the same with 6 features on every edge: GINE;  W4g  GIN
W5  170 000 nodes, 2.3 million arcs, 128 features: three convolutions of 128, 40 classes, full batch
W6  500 tiny graphs at once: two convolutions of 16, sum pool, linear
W7  the bare product of a sparse 170 000 x 170 000 matrix, 2.5 million entries, with 128 columns

Every model is written in these letters: A is the adjacency, S = D^-1/2 (A + I) D^-1/2.
  gcn   h' = relu(S h w + b), the last layer of W1 and W5 without relu
  gat   h'_i = sum of alpha_ij z_j, z = h w, alpha = softmax of leaky_relu(z_i . t + z_j . s, 0.2) over j -> i and j = i
  gine  h' = relu(relu(((1 + eps) h_i + sum of relu(h_j + e_ij E + eb)) w + b) v + c);  gin the same with sum of h_j
"""

from __future__ import annotations

import numpy as np

NAMES = ("W1", "W2", "W3", "W4", "W4g", "W5", "W6", "W7")
STEP_SIZE = 0.01


def glorot(rng, d, width):
    return rng.uniform(-1, 1, (d, width)).astype(np.float32) * np.float32(np.sqrt(6 / (d + width)))


def arcs(rng, n, bonds):
    """Both directions of about so many random bonds, without loops or doubles."""
    ends = rng.integers(0, n, (bonds, 2))
    ends = np.unique(np.sort(ends[ends[:, 0] != ends[:, 1]], axis=1), axis=0)
    senders, receivers = np.concatenate([ends, ends[:, ::-1]]).T
    order = np.lexsort((senders, receivers))
    return senders[order], receivers[order]


def cora_size(kind, smoke):
    rng = np.random.default_rng(0)
    n, f, words = (60, 40, 400) if smoke else (2708, 1433, 49216)
    places = np.unique(rng.integers(0, n * f, words))
    senders, receivers = arcs(rng, n, 2 * n)
    if kind == "gcn":
        sizes = [(f, 16), (16, 7)]
        params = {f"w{k}": glorot(rng, *size) for k, size in enumerate(sizes)}
        params |= {f"b{k}": np.zeros(size[1], np.float32) for k, size in enumerate(sizes)}
    else:
        params = {}
        for k, (d, heads, width) in enumerate([(f, 8, 8), (64, 1, 7)]):
            params |= {
                f"w{k}": glorot(rng, d, heads * width), f"b{k}": np.zeros(heads * width, np.float32),
                f"s{k}": glorot(rng, heads, width), f"t{k}": glorot(rng, heads, width),
            }  # fmt: skip
    return {
        "kind": kind, "n": n, "f": f, "rows": places // f, "columns": places % f,
        "values": np.ones(len(places), np.float32), "senders": senders, "receivers": receivers,
        "labels": rng.integers(0, 7, n), "train": np.arange(min(n, 140)), "params": params,
        "dropout": 0.5 if kind == "gcn" else 0.6,
    }  # fmt: skip


def small_graphs(kind, smoke, count, low, high, f, width, layers, head, batch):
    rng = np.random.default_rng(0)
    graphs = []
    for n in rng.integers(low, high + 1, 12 if smoke else count):
        senders, receivers = arcs(rng, int(n), int(1.05 * n))
        graphs.append({"n": int(n), "x": rng.random((n, f)).astype(np.float32), "senders": senders,
                       "receivers": receivers, "e": rng.random((len(senders), 6)).astype(np.float32)})  # fmt: skip
    params, d = {}, f
    for k in range(layers):
        if kind != "gcn":
            params |= {f"eps{k}": np.zeros((), np.float32), f"v{k}": glorot(rng, width, width)}
            params |= {f"c{k}": np.zeros(width, np.float32)}
        if kind == "gine":
            params |= {f"e{k}": glorot(rng, 6, d), f"eb{k}": np.zeros(d, np.float32)}
        params |= {f"w{k}": glorot(rng, d, width), f"b{k}": np.zeros(width, np.float32)}
        d = width
    for k, size in enumerate([*head, 1]):
        params |= {f"m{k}": glorot(rng, d, size), f"mb{k}": np.zeros(size, np.float32)}
        d = size
    y = rng.normal(size=(len(graphs), 1)).astype(np.float32)
    return {"kind": kind, "layers": layers, "head": len(head) + 1, "batch": min(batch, len(graphs)),
            "graphs": graphs, "y": y, "params": params}  # fmt: skip


def large(smoke):
    rng = np.random.default_rng(0)
    n, classes, width = (300, 5, 8) if smoke else (170_000, 40, 128)
    senders, receivers = arcs(rng, n, 1_157_000 * n // 170_000)
    sizes = [(width, width), (width, width), (width, classes)]
    params = {f"w{k}": glorot(rng, *size) for k, size in enumerate(sizes)}
    params |= {f"b{k}": np.zeros(size[1], np.float32) for k, size in enumerate(sizes)}
    return {
        "kind": "large", "n": n, "x": rng.normal(size=(n, width)).astype(np.float32), "senders": senders,
        "receivers": receivers, "labels": rng.integers(0, classes, n), "train": np.arange(0, n, 2), "params": params,
        "dropout": 0.5,
    }  # fmt: skip


def product(smoke):
    task = large(smoke)
    senders, receivers, _ = normalized(task["senders"], task["receivers"], task["n"])  # with loops
    values = np.random.default_rng(1).random(len(senders)).astype(np.float32)
    return {"kind": "product", "n": task["n"], "x": task["x"], "senders": senders, "receivers": receivers,
            "values": values, "params": {}}  # fmt: skip


def make(name, smoke=False):
    """Return one workload as a dict of arrays."""
    molecules = (smoke, 1128, 4, 22, 31, 64, 3, (64,), 128)
    if name in ("W1", "W2"):
        return cora_size("gcn" if name == "W1" else "gat", smoke)
    if name in ("W3", "W4", "W4g"):
        return small_graphs({"W3": "gcn", "W4": "gine", "W4g": "gin"}[name], *molecules)
    if name == "W6":
        return small_graphs("gcn", smoke, 500, 5, 20, 8, 16, 2, (), 500)
    return large(smoke) if name == "W5" else product(smoke)


def normalized(senders, receivers, n):
    """Return arcs with loops, and the entries of S for them."""
    senders = np.concatenate([senders, np.arange(n)])
    receivers = np.concatenate([receivers, np.arange(n)])
    scale = 1 / np.sqrt(np.bincount(receivers, minlength=n))
    return senders, receivers, (scale[senders] * scale[receivers]).astype(np.float32)


def together(graphs):
    """Return several small graphs as one: features, arcs, the graph of every node, features of arcs."""
    sizes = np.array([g["n"] for g in graphs])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return {
        "x": np.concatenate([g["x"] for g in graphs]), "e": np.concatenate([g["e"] for g in graphs]),
        "senders": np.concatenate([g["senders"] + s for g, s in zip(graphs, starts, strict=True)]),
        "receivers": np.concatenate([g["receivers"] + s for g, s in zip(graphs, starts, strict=True)]),
        "graph": np.repeat(np.arange(len(graphs)), sizes), "n": int(sizes.sum()), "count": len(graphs),
    }  # fmt: skip
