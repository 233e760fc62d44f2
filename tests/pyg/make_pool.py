"""Write pool.npz: pools, and pools that coarsen, as PyTorch Geometric computes them."""

from __future__ import annotations

import torch
from record import write
from torch import nn
from torch_geometric.nn import GCNConv, GraphConv, SAGPooling, TopKPooling, dense_diff_pool, dense_mincut_pool
from torch_geometric.nn.aggr import MultiAggregation


def one_graph(module, t):
    return module(t["nodes"], torch.zeros(len(t["nodes"]), dtype=torch.long), dim_size=1)


def beside_neighbours(h, adjacency):
    """[h, A h]: what was pooled, and the edges it was left with."""
    return torch.cat([h, adjacency @ h], dim=1)


def dense(n, edge_index, weights):
    """Our A: rows receive, parallel edges are added."""
    senders, receivers = edge_index
    return torch.zeros(n, n, dtype=weights.dtype).index_put((receivers, senders), weights, accumulate=True)


def scored(module, t):
    """Its score never looks at weights, ours would; and it is multiplied by the sign of a parameter, made 1 here."""
    module.select.weight.data.abs_()
    return kept(module, {**t, "weights": torch.ones_like(t["weights"])})


def kept(module, t):
    h, edge_index, weights, _, kept, _ = module(t["nodes"], t["edge_index"], t["weights"])
    order = kept.argsort()  # ours stay in their order
    return beside_neighbours(h, dense(len(kept), edge_index, weights))[order]


def clusters(pool):
    def call(module, t):
        adjacency = dense(len(t["nodes"]), t["edge_index"], t["weights"])
        h, adjacency, *losses = pool(t["nodes"], adjacency, module(t["nodes"]))
        pooled = beside_neighbours(h[0], adjacency[0])
        return torch.cat([pooled, torch.stack(losses).expand(len(pooled), -1)], dim=1)

    return call


CASES = {
    "several": (MultiAggregation(["sum", "mean", "max", "min", "std"]), one_graph),
    "topk": (TopKPooling(4, 0.5), kept),
    "topk-k": (TopKPooling(4, 3), kept),
    "topk-all": (TopKPooling(4, 9), kept),
    "sag": (SAGPooling(4, 0.5, GNN=GCNConv), scored),
    "sag-morris": (SAGPooling(4, 0.4, GNN=GraphConv, nonlinearity=torch.sigmoid), scored),
    "diff": (nn.Linear(4, 3), clusters(dense_diff_pool)),
    "diff-wider": (nn.Linear(4, 9), clusters(dense_diff_pool)),
    "mincut": (nn.Linear(4, 3), clusters(dense_mincut_pool)),
    "mincut-two": (nn.Linear(4, 2), clusters(dense_mincut_pool)),
}

if __name__ == "__main__":
    write("pool", CASES)
