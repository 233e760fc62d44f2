"""The small graphs on which PyTorch Geometric's numbers were made; NumPy only, so that both sides can read it."""

from __future__ import annotations

import numpy as np

FLAVOURS = ("simple", "isolated", "loops", "multi", "undirected")
GRAPHS = tuple(f"{flavour}-{seed}" for flavour in FLAVOURS for seed in (0, 1))
N, WIDTH, EDGE_WIDTH = 7, 4, 3
NODE_GRAPH, N_GRAPHS = np.array([0, 0, 0, 0, 2, 2, 3]), 5  # where the nodes stand for several graphs: two are empty


def arrays(name: str) -> dict[str, np.ndarray]:
    """Return nodes (7, 4), senders and receivers (m,), edges (m, 3) and weights (m,) of the graph of this name."""
    flavour, _, seed = name.partition("-")
    rng = np.random.default_rng((int(seed), FLAVOURS.index(flavour)))
    pairs = [(i, j) for i in range(N) for j in range(N) if i != j]
    if flavour == "isolated":
        pairs = [(i, j) for i, j in pairs if N - 1 not in (i, j)]
    chosen = [pairs[i] for i in rng.permutation(len(pairs))[:12]]
    if flavour == "loops":
        chosen += [(0, 0), (3, 3)]
    if flavour == "multi":
        chosen += chosen[:4]
    if flavour == "undirected":
        chosen = sorted({(min(pair), max(pair)) for pair in chosen})
        chosen = [arc for i, j in chosen for arc in ((i, j), (j, i))]
    senders, receivers = np.array(chosen).T
    edges, weights = rng.normal(size=(len(chosen), EDGE_WIDTH)), rng.uniform(0.5, 2.0, len(chosen))
    if flavour == "undirected":
        edges[1::2], weights[1::2] = edges[::2], weights[::2]
    nodes = rng.normal(size=(N, WIDTH))
    return {"nodes": nodes, "senders": senders, "receivers": receivers, "edges": edges, "weights": weights}


def joined(name: str, parts: list[np.ndarray]) -> np.ndarray:
    """Return one array for all graphs: rows of edges one after the other, everything else stacked."""
    return np.concatenate(parts) if name in ("grads_of/edges", "grads_of/weights") else np.stack(parts)


def parted(name: str, array: np.ndarray) -> list[np.ndarray]:
    """Return what `joined` joined."""
    if name not in ("grads_of/edges", "grads_of/weights"):
        return list(array)
    return np.split(array, np.cumsum([len(arrays(graph)["senders"]) for graph in GRAPHS])[:-1])
