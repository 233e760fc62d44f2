"""SciPy's minimisers beside Adam on one graph of the size of Cora, full batch: how long to a gradient of 1e-6?

Two GraphConv layers with tanh, 16 wide, cross entropy of 140 labelled papers and a little weight decay, float64; the
loss is smooth and the same at every step, so that a minimum can be told from a point where one stopped. Every method
starts from the same parameters and ends at the tolerance or after a minute. Cora itself where the file cora.npz of the
"gnn-benchmark" collection is given, otherwise a random graph with as many nodes, edges and words.

Cora, one shared core, 2026-11-21:

    method            seconds           loss  gradient  unseen right  work
    adam(0.01)           60.0   0.0972047836   8.1e-04        78.5 %  20324 gradients  (not reached)
    adam(0.001)          25.1   0.0972598494   8.2e-07        78.4 %  11829 gradients
    L-BFGS-B              1.6   0.0971386429   9.4e-07        78.4 %  369 gradients
    CG                    5.0   0.0970923571   9.9e-07        78.5 %  2168 gradients
    Newton-CG             1.5   0.0971509328   2.6e-07        78.5 %  36 gradients, 352 products
    trust-ncg             1.6   0.0971074112   2.1e-08        78.4 %  31 gradients, 369 products
    trust-krylov          2.8   0.0971751898   9.6e-07        78.5 %  30 gradients, 693 products

Run:  OMP_NUM_THREADS=1 python benchmarks/minimisers.py [cora.npz]    # some minutes on one core
      python benchmarks/minimisers.py --smoke                         # a small graph, for CI
"""

from __future__ import annotations

import sys
import time

import numpy as np
import scipy.sparse

import graphnn as gn

TOLERANCE, SECONDS, RATE = 1e-6, 60.0, 5e-4
METHODS = ("L-BFGS-B", "CG", "Newton-CG", "trust-ncg", "trust-krylov")


def cora(path):
    """Read Cora; label 20 papers of each class."""
    data = gn.datasets.read_npz(path)
    rng, seen = np.random.default_rng(0), np.zeros(len(data.labels), bool)
    for label in range(len(data.classes)):
        seen[rng.choice(np.flatnonzero(data.labels == label), 20, replace=False)] = True
    return data.graph, data.labels, seen


def of_the_size_of_cora(nodes=2708, edges=5278, words=1433, classes=7):
    """Return a random graph whose words say a little about the classes."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, nodes)
    owners = np.repeat(np.arange(nodes), 18)
    places = (rng.integers(0, words // classes, len(owners)) * classes + labels[owners]) % words
    places = np.where(rng.random(len(owners)) < 0.2, places, rng.integers(0, words, len(owners)))
    x = scipy.sparse.csr_array((np.ones(len(owners)), (owners, places)), shape=(nodes, words))
    senders, receivers = rng.integers(0, nodes, (2, edges))
    pairs = np.unique(np.sort(np.stack([senders, receivers]), axis=0), axis=1)
    senders, receivers = pairs[:, pairs[0] != pairs[1]]
    graph = gn.Graph(x, np.concatenate([senders, receivers]), np.concatenate([receivers, senders]))
    return graph, labels, np.arange(nodes) < 20 * classes


def norm(grads):
    return float(np.sqrt(sum((g**2).sum() for g in grads.values())))


def by_adam(loss, params, step_size, seconds):
    """Adam until the tolerance or the end of its time; return the parameters and the number of gradients."""
    optimizer, value_and_grad = gn.adam(step_size), gn.value_and_grad(loss)
    state, end, steps = optimizer.init(params), time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        _, grads = value_and_grad(params)
        steps += 1
        if norm(grads) <= TOLERANCE:
            break
        params, state = optimizer.update(params, grads, state)
    return params, f"{steps} gradients"


def by_scipy(loss, params, method, seconds):
    end = time.perf_counter() + seconds

    def in_time(params, value):
        return time.perf_counter() > end

    params, result = gn.minimize(
        loss, params, method=method, tolerance=TOLERANCE, callback=in_time, max_iterations=10**6
    )
    products = f", {result.nhev} products" if "nhev" in result and method not in ("CG", "L-BFGS-B") else ""
    return params, f"{result.nfev} gradients{products}"


def main(arguments):
    smoke, files = "--smoke" in arguments, [a for a in arguments if a != "--smoke"]
    small = {"nodes": 150, "edges": 300, "words": 70} if smoke else {}
    graph, labels, seen = cora(files[0]) if files else of_the_size_of_cora(**small)
    batch, unseen = gn.pack(graph), ~seen
    model = gn.Sequential(gn.GraphConv(16, gn.tanh), gn.GraphConv(7), gn.Nodes())
    start = model.init(0, batch)

    def loss(params):
        return gn.cross_entropy(model(params, batch), labels, mask=seen) + gn.l2_penalty(params, RATE)

    size = sum(value.size for value in start.values())
    name = "Cora" if files else "a random graph"
    print(f"{name}: {batch.n_nodes} nodes, {batch.n_edges // 2} edges, {size} parameters")
    print(f"start: loss {loss(start):.6f}, gradient {norm(gn.grad(loss)(start)):.1e}; at most {SECONDS:.0f} s each\n")
    print(f"{'method':16} {'seconds':>8} {'loss':>14} {'gradient':>9} {'unseen right':>13}  work")
    runs = [(f"adam({rate:g})", by_adam, rate) for rate in (1e-2, 1e-3)]
    runs += [(method, by_scipy, method) for method in METHODS]
    for name, how, setting in runs:
        begin = time.perf_counter()
        params, work = how(loss, start, setting, 0.4 if smoke else SECONDS)
        taken = time.perf_counter() - begin
        right = 100 * float((model(params, batch).argmax(axis=1) == labels)[unseen].mean())
        found = norm(gn.grad(loss)(params))
        reached = "" if found <= TOLERANCE else "  (not reached)"
        print(f"{name:16} {taken:8.1f} {loss(params):14.10f} {found:9.1e} {right:11.1f} %  {work}{reached}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
