"""The workloads in PyTorch, written by hand as its users would: CSR products with their transposes, sums by index."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
import workloads


class Product(torch.autograd.Function):
    """A x for a constant CSR matrix whose transpose is at hand."""

    @staticmethod
    def forward(ctx, A, T, x):
        ctx.T = T
        return A @ x

    @staticmethod
    def backward(ctx, g):
        return None, None, ctx.T @ g


def csr(rows, columns, values, shape):
    both = []
    for r, c, size in ((rows, columns, shape), (columns, rows, shape[::-1])):
        order = np.lexsort((c, r))
        pointers = np.concatenate([[0], np.cumsum(np.bincount(r, minlength=size[0]))])
        parts = (torch.as_tensor(a) for a in (pointers, c[order].astype(np.int64), values[order]))
        both.append(torch.sparse_csr_tensor(*parts, size=tuple(size)))
    return both


class Words:
    """Bags of words, sparse, times a weight, with dropout on their values; the transpose is at hand."""

    def __init__(self, task):
        rows, columns, shape = task["rows"], task["columns"], (task["n"], task["f"])
        self.both = csr(rows, columns, task["values"], shape)
        self.turn = torch.as_tensor(np.lexsort((rows, columns)))  # the entries in the order of the transpose

    def __call__(self, weight, rate):
        if not rate:
            return Product.apply(*self.both, weight)
        kept = F.dropout(self.both[0].values(), rate)
        dropped = [
            torch.sparse_csr_tensor(M.crow_indices(), M.col_indices(), values, size=M.shape)
            for M, values in zip(self.both, (kept, kept[self.turn]), strict=True)
        ]
        return Product.apply(*dropped, weight)


def stepping(params, loss):
    params = {name: torch.tensor(value, requires_grad=True) for name, value in params.items()}
    optimizer = torch.optim.Adam(params.values(), workloads.STEP_SIZE)

    def step(*args):
        optimizer.zero_grad()
        value = loss(params, *args)
        value.backward()
        optimizer.step()
        return value.item()

    return step, params


def attention(z, p, k, senders, receivers, n, rate):
    logits = (z * p[f"t{k}"]).sum(-1)[receivers] + (z * p[f"s{k}"]).sum(-1)[senders]
    logits = F.leaky_relu(logits, 0.2)
    top = torch.full((n, z.shape[1]), -torch.inf).index_reduce_(0, receivers, logits.detach(), "amax")
    share = (logits - top[receivers]).exp()
    share = share / torch.zeros(n, z.shape[1]).index_add_(0, receivers, share)[receivers]
    share = F.dropout(share, rate) if rate else share
    out = torch.zeros_like(z).index_add_(0, receivers, z[senders] * share[..., None])
    return out.reshape(n, -1) + p[f"b{k}"]


def full_batch(task):
    n, rate = task["n"], task["dropout"]
    senders, receivers, values = workloads.normalized(task["senders"], task["receivers"], n)
    S, T = csr(receivers, senders, values, (n, n))
    labels, train = torch.as_tensor(task["labels"]), torch.as_tensor(task["train"])
    s, r = torch.as_tensor(senders), torch.as_tensor(receivers)
    if task["kind"] == "large":
        x = torch.as_tensor(task["x"])
        Sx = S @ x
    else:
        words = Words(task)

    def logits(p, training):
        drop = rate if training else 0.0
        if task["kind"] == "gcn":
            h = F.relu(Product.apply(S, T, words(p["w0"], drop)) + p["b0"])
            return Product.apply(S, T, F.dropout(h, drop) @ p["w1"]) + p["b1"]
        if task["kind"] == "gat":
            h = F.elu(attention(words(p["w0"], drop).view(n, 8, -1), p, 0, s, r, n, drop))
            return attention((F.dropout(h, drop) @ p["w1"]).view(n, 1, -1), p, 1, s, r, n, drop)
        h = F.dropout(F.relu(Sx @ p["w0"] + p["b0"]), drop)
        h = F.dropout(F.relu(Product.apply(S, T, h @ p["w1"]) + p["b1"]), drop)
        return Product.apply(S, T, h @ p["w2"]) + p["b2"]

    step, params = stepping(task["params"], lambda p: F.cross_entropy(logits(p, True)[train], labels[train]))

    def predict():
        with torch.no_grad():
            return logits(params, False).numpy()

    return {"step": step, "predict": predict}


def many_graphs(task):
    y, size, kind = torch.as_tensor(task["y"]), task["batch"], task["kind"]

    def cut(index):
        """Return some graphs as one, from arrays kept for each graph."""
        whole = workloads.together([task["graphs"][i] for i in index])
        senders, receivers = whole["senders"], whole["receivers"]
        if kind == "gcn":
            senders, receivers, values = workloads.normalized(senders, receivers, whole["n"])
            whole["values"] = torch.as_tensor(values)[:, None]
        whole |= {"senders": torch.as_tensor(senders), "receivers": torch.as_tensor(receivers)}
        return whole | {name: torch.as_tensor(whole[name]) for name in ("x", "e", "graph")}

    def output(p, b):
        h = b["x"]
        for k in range(task["layers"]):
            if kind == "gcn":
                z = h @ p[f"w{k}"]
                z = torch.zeros_like(z).index_add_(0, b["receivers"], z[b["senders"]] * b["values"])
                h = F.relu(z + p[f"b{k}"])
                continue
            message = h[b["senders"]]
            if kind == "gine":
                message = F.relu(message + b["e"] @ p[f"e{k}"] + p[f"eb{k}"])
            h = (1 + p[f"eps{k}"]) * h + torch.zeros_like(h).index_add_(0, b["receivers"], message)
            h = F.relu(h @ p[f"w{k}"] + p[f"b{k}"])
            h = F.relu(h @ p[f"v{k}"] + p[f"c{k}"])
        h = torch.zeros(b["count"], h.shape[1]).index_add_(0, b["graph"], h)
        for k in range(task["head"] - 1):
            h = F.relu(h @ p[f"m{k}"] + p[f"mb{k}"])
        return h @ p[f"m{task['head'] - 1}"] + p[f"mb{task['head'] - 1}"]

    step, params = stepping(task["params"], lambda p, b, wanted: F.mse_loss(output(p, b), wanted))
    fixed, rng = cut(range(size)), np.random.default_rng(0)

    def epoch():
        order = rng.permutation(len(task["graphs"]))
        for i in range(0, len(order), size):
            index = order[i : i + size]
            step(cut(index), y[index])

    def predict():
        with torch.no_grad():
            return output(params, fixed).numpy()

    return {"step": lambda: step(fixed, y[:size]), "epoch": epoch, "predict": predict}


def product(task):
    n = task["n"]
    A, _ = csr(task["receivers"], task["senders"], task["values"], (n, n))
    x = torch.as_tensor(task["x"])

    def predict():
        return (A @ x).numpy()

    return {"predict": predict}


def build(task, threads):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    if task["kind"] == "product":
        return product(task)
    return many_graphs(task) if "graphs" in task else full_batch(task)
