"""Write attention.npz: the attention layers as PyTorch Geometric computes them."""

from __future__ import annotations

from record import write
from torch_geometric.nn import AGNNConv, GATConv, GATv2Conv, TransformerConv


def on_nodes(module, t):
    return module(t["nodes"], t["edge_index"])


def on_edges(module, t):
    return module(t["nodes"], t["edge_index"], t["edges"])


CASES = {
    "gat": (GATConv(4, 3, heads=2), on_nodes),
    "gat-edges": (GATConv(4, 3, heads=2, edge_dim=3), on_edges),
    "gat-mean": (GATConv(4, 3, heads=2, concat=False, add_self_loops=False, edge_dim=3), on_edges),
    "gatv2": (GATv2Conv(4, 3, heads=2), on_nodes),
    "gatv2-edges": (GATv2Conv(4, 3, heads=2, edge_dim=3), on_edges),
    "gatv2-mean": (GATv2Conv(4, 3, heads=2, concat=False, add_self_loops=False, edge_dim=3), on_edges),
    "transformer": (TransformerConv(4, 3, heads=2), on_nodes),
    "transformer-edges": (TransformerConv(4, 3, heads=2, beta=True, edge_dim=3), on_edges),
    "transformer-mean": (TransformerConv(4, 3, heads=2, concat=False, beta=True, edge_dim=3), on_edges),
    "agnn": (AGNNConv(), on_nodes),
    "agnn-no-loops": (AGNNConv(add_self_loops=False), on_nodes),
}

if __name__ == "__main__":
    write("attention", CASES)
