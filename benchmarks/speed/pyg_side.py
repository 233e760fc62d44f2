"""The workloads in PyTorch Geometric: its layers, its loader; the entries of S for molecules made once, by GCNNorm.

Variant "csr" gives the adjacency as a sparse matrix. Variant "sparse" keeps the bags of words sparse: the linear map of
the first layer is that of `torch_side`, the loops of attention are added once; of the ways tried this took least time
(a COO or CSR product by torch alone takes up to twice as long, and a CSR adjacency beside it a third longer).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
import workloads
from torch import nn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GATConv, GCNConv, GINConv, GINEConv, global_add_pool
from torch_geometric.transforms import GCNNorm
from torch_geometric.utils import add_self_loops, scatter, spmm, to_torch_csr_tensor
from torch_side import Words, csr


def filled(parameter, value):
    with torch.no_grad():
        parameter.copy_(torch.as_tensor(value).reshape(parameter.shape))


def set_linear(linear, weight, bias=None):
    filled(linear.weight, weight.T)
    if bias is not None:
        filled(linear.bias, bias)


def trained(model, loss):
    optimizer = torch.optim.Adam(model.parameters(), workloads.STEP_SIZE)

    def step(*args):
        model.train()
        optimizer.zero_grad()
        value = loss(*args)
        value.backward()
        optimizer.step()
        return value.item()

    return step


class WordsLinear(nn.Module):
    """Stands where a layer has its linear map: bags of words, sparse, with dropout on their values."""

    def __init__(self, task):
        super().__init__()
        self.words, self.rate = Words(task), task["dropout"]
        self.weight = nn.Parameter(torch.as_tensor(task["params"]["w0"]))

    def forward(self, _):
        return self.words(self.weight, self.rate if self.training else 0.0)


class Nodes(nn.Module):
    """The networks of W1, W2 and W5; variant "sparse" of W1 and W2 has dropout of the features in its linear map."""

    def __init__(self, task, x, arcs):
        super().__init__()
        self.sparse = task["variant"] == "sparse"
        p, self.kind, self.rate, self.x, self.arcs = task["params"], task["kind"], task["dropout"], x, arcs
        if self.kind == "gat":
            f = p["w0"].shape[0]
            settings = {"dropout": self.rate, "add_self_loops": not self.sparse}
            convs = [GATConv(f, 8, heads=8, **settings), GATConv(64, p["b1"].size, **settings)]
            for k, conv in enumerate(convs):
                set_linear(conv.lin, p[f"w{k}"])
                filled(conv.att_src, p[f"s{k}"])
                filled(conv.att_dst, p[f"t{k}"])
                filled(conv.bias, p[f"b{k}"])
        else:
            layers = sum(name.startswith("w") for name in p)
            convs = [GCNConv(*p[f"w{k}"].shape, cached=True) for k in range(layers)]
            for k, conv in enumerate(convs):
                set_linear(conv.lin, p[f"w{k}"])
                filled(conv.bias, p[f"b{k}"])
        self.convs = nn.ModuleList(convs)
        if self.sparse:
            self.convs[0].lin = WordsLinear(task)

    def forward(self):
        h = self.x
        if self.kind != "large" and not self.sparse:
            h = F.dropout(h, self.rate, self.training)
        for conv in self.convs[:-1]:
            h = (F.elu if self.kind == "gat" else F.relu)(conv(h, self.arcs))
            h = F.dropout(h, self.rate, self.training)
        return self.convs[-1](h, self.arcs)


def full_batch(task):
    n, sparse = task["n"], task["variant"] == "sparse"
    if task["kind"] == "large":
        x = torch.as_tensor(task["x"])
    elif sparse:
        x, _ = csr(task["rows"], task["columns"], task["values"], (n, task["f"]))
    else:
        x = torch.zeros(n, task["f"])
        x[task["rows"], task["columns"]] = torch.as_tensor(task["values"])
    arcs = torch.as_tensor(np.stack([task["senders"], task["receivers"]]))
    if task["variant"] == "csr":
        arcs = to_torch_csr_tensor(arcs, size=(n, n)).t().to_sparse_csr()
    if sparse and task["kind"] == "gat":
        arcs, _ = add_self_loops(arcs, num_nodes=n)
    model = Nodes(task, x, arcs)
    labels, train = torch.as_tensor(task["labels"]), torch.as_tensor(task["train"])
    step = trained(model, lambda: F.cross_entropy(model()[train], labels[train]))

    def predict():
        model.eval()
        with torch.no_grad():
            return model().numpy()

    return {"step": step, "predict": predict}


class Molecules(nn.Module):
    """The networks of W3, W4, W4g and W6."""

    def __init__(self, task):
        super().__init__()
        p, self.kind = task["params"], task["kind"]
        self.hears = {"gcn": "edge_weight", "gine": "edge_attr"}.get(self.kind)
        self.convs, self.head = nn.ModuleList(), nn.ModuleList()
        for k in range(task["layers"]):
            d, width = p[f"w{k}"].shape
            if self.kind == "gcn":
                conv = GCNConv(d, width, normalize=False)
                set_linear(conv.lin, p[f"w{k}"])
                filled(conv.bias, p[f"b{k}"])
            else:
                inner = nn.Sequential(nn.Linear(d, width), nn.ReLU(), nn.Linear(width, width))
                gine = self.kind == "gine"
                conv = GINEConv(inner, train_eps=True, edge_dim=6) if gine else GINConv(inner, train_eps=True)
                set_linear(inner[0], p[f"w{k}"], p[f"b{k}"])  # after the layer, which draws them anew
                set_linear(inner[2], p[f"v{k}"], p[f"c{k}"])
                if gine:
                    set_linear(conv.lin, p[f"e{k}"], p[f"eb{k}"])
            self.convs.append(conv)
        for k in range(task["head"]):
            linear = nn.Linear(*p[f"m{k}"].shape)
            set_linear(linear, p[f"m{k}"], p[f"mb{k}"])
            self.head.append(linear)

    def forward(self, b):
        h = b.x
        for conv in self.convs:
            h = F.relu(conv(h, b.edge_index, b[self.hears]) if self.hears else conv(h, b.edge_index))
        h = global_add_pool(h, b.batch, b.num_graphs)
        for linear in self.head[:-1]:
            h = F.relu(linear(h))
        return self.head[-1](h)


def many_graphs(task):
    graphs = [
        Data(x=torch.as_tensor(g["x"]), edge_index=torch.as_tensor(np.stack([g["senders"], g["receivers"]])),
             edge_attr=torch.as_tensor(g["e"]) if task["kind"] == "gine" else None, y=torch.as_tensor(y)[None])
        for g, y in zip(task["graphs"], task["y"], strict=True)
    ]  # fmt: skip
    if task["kind"] == "gcn":
        graphs = [GCNNorm()(graph) for graph in graphs]
    model = Molecules(task)
    step = trained(model, lambda b: F.mse_loss(model(b), b.y))
    fixed = next(iter(DataLoader(graphs, task["batch"])))
    shuffled = DataLoader(graphs, task["batch"], shuffle=True)

    def epoch():
        for batch in shuffled:
            step(batch)

    def predict():
        model.eval()
        with torch.no_grad():
            return model(fixed).numpy()

    return {"step": lambda: step(fixed), "epoch": epoch, "predict": predict}


def product(task):
    x, senders, receivers = (torch.as_tensor(task[name]) for name in ("x", "senders", "receivers"))
    if task["variant"] == "csr":
        A, _ = csr(task["receivers"], task["senders"], task["values"], (task["n"], task["n"]))
        return {"predict": lambda: spmm(A, x).numpy()}
    values = torch.as_tensor(task["values"])[:, None]
    return {"predict": lambda: scatter(x[senders] * values, receivers, 0, task["n"]).numpy()}


def build(task, threads):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    if task["kind"] == "product":
        return product(task)
    return many_graphs(task) if "graphs" in task else full_batch(task)
