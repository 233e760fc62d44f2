"""The workloads in DGL, as its users would write them for speed: message passing by `dgl.ops` on graphs made once.

Of the forms tried this took least time. `dgl.ops` computes what `dgl.nn.GraphConv`, `GATConv`, `GINConv` and `GINEConv`
do, without a frame to fill at every call (up to 15 % of a step). S h is a plain sum between two scalings by degree, as
in `GraphConv`, with the scale kept: a third less than a product with weights of edges. Indices have 32 bits, which
halves the products of W5. Bags of words stay sparse, by torch: a product of `dgl.sparse` took fourteen times as long.
Batches of an epoch are made by `dgl.batch`, as its loader does.
"""

from __future__ import annotations

import dgl
import numpy as np
import torch
import torch.nn.functional as F
from dgl.nn.functional import edge_softmax
from torch_side import Words, stepping


def graph_of(g, loops):
    """Return the graph of a workload; with loops, every node keeps its D^-1/2."""
    ends = torch.as_tensor(g["senders"]), torch.as_tensor(g["receivers"])
    graph = dgl.graph(ends, num_nodes=g["n"], idtype=torch.int32)
    if loops:
        graph = dgl.add_self_loop(graph)
        graph.ndata["scale"] = graph.in_degrees()[:, None] ** -0.5
    return graph


def smoothed(graph, h):
    """S h."""
    scale = graph.ndata["scale"]
    return dgl.ops.copy_u_sum(graph, h * scale) * scale


def attention(z, p, k, graph, rate):
    logits = dgl.ops.u_add_v(graph, (z * p[f"s{k}"]).sum(-1, keepdim=True), (z * p[f"t{k}"]).sum(-1, keepdim=True))
    share = F.dropout(edge_softmax(graph, F.leaky_relu(logits, 0.2)), rate)
    return dgl.ops.u_mul_e_sum(graph, z, share).flatten(1) + p[f"b{k}"]


def full_batch(task):
    n, rate, graph = task["n"], task["dropout"], graph_of(task, loops=True)
    labels, train = torch.as_tensor(task["labels"]), torch.as_tensor(task["train"])
    if task["kind"] == "large":
        Sx = smoothed(graph, torch.as_tensor(task["x"]))
    else:
        words = Words(task)

    def logits(p, training):
        drop = rate if training else 0.0
        if task["kind"] == "gcn":
            h = F.relu(smoothed(graph, words(p["w0"], drop)) + p["b0"])
            return smoothed(graph, F.dropout(h, drop) @ p["w1"]) + p["b1"]
        if task["kind"] == "gat":
            h = F.elu(attention(words(p["w0"], drop).view(n, 8, -1), p, 0, graph, drop))
            return attention((F.dropout(h, drop) @ p["w1"]).view(n, 1, -1), p, 1, graph, drop)
        h = F.dropout(F.relu(Sx @ p["w0"] + p["b0"]), drop)
        h = F.dropout(F.relu(smoothed(graph, h @ p["w1"]) + p["b1"]), drop)
        return smoothed(graph, h @ p["w2"]) + p["b2"]

    step, params = stepping(task["params"], lambda p: F.cross_entropy(logits(p, True)[train], labels[train]))

    def predict():
        with torch.no_grad():
            return logits(params, False).numpy()

    return {"step": step, "predict": predict}


def many_graphs(task):
    y, size, kind = torch.as_tensor(task["y"]), task["batch"], task["kind"]
    graphs = [graph_of(g, loops=kind == "gcn") for g in task["graphs"]]
    for graph, g in zip(graphs, task["graphs"], strict=True):
        graph.ndata["x"] = torch.as_tensor(g["x"])
        if kind == "gine":
            graph.edata["e"] = torch.as_tensor(g["e"])

    def output(p, b):
        h = b.ndata["x"]
        for k in range(task["layers"]):
            if kind == "gcn":
                h = F.relu(smoothed(b, h @ p[f"w{k}"]) + p[f"b{k}"])
                continue
            if kind == "gine":
                message = F.relu(dgl.ops.u_add_e(b, h, b.edata["e"] @ p[f"e{k}"] + p[f"eb{k}"]))
                heard = dgl.ops.copy_e_sum(b, message)
            else:
                heard = dgl.ops.copy_u_sum(b, h)
            h = F.relu(((1 + p[f"eps{k}"]) * h + heard) @ p[f"w{k}"] + p[f"b{k}"])
            h = F.relu(h @ p[f"v{k}"] + p[f"c{k}"])
        h = dgl.ops.segment_reduce(b.batch_num_nodes(), h)
        for k in range(task["head"] - 1):
            h = F.relu(h @ p[f"m{k}"] + p[f"mb{k}"])
        return h @ p[f"m{task['head'] - 1}"] + p[f"mb{task['head'] - 1}"]

    step, params = stepping(task["params"], lambda p, b, wanted: F.mse_loss(output(p, b), wanted))
    fixed, rng = dgl.batch(graphs[:size]), np.random.default_rng(0)

    def epoch():
        order = rng.permutation(len(graphs))
        for i in range(0, len(order), size):
            index = order[i : i + size]
            step(dgl.batch([graphs[j] for j in index]), y[index])

    def predict():
        with torch.no_grad():
            return output(params, fixed).numpy()

    return {"step": lambda: step(fixed, y[:size]), "epoch": epoch, "predict": predict}


def product(task):
    graph = graph_of(task, loops=False)
    x, values = torch.as_tensor(task["x"]), torch.as_tensor(task["values"])
    return {"predict": lambda: dgl.ops.u_mul_e_sum(graph, x, values[:, None]).numpy()}


def build(task, threads):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    if task["kind"] == "product":
        return product(task)
    return many_graphs(task) if "graphs" in task else full_batch(task)
