"""Write convolution.npz: the convolutions as PyTorch Geometric computes them."""

from __future__ import annotations

from record import write
from torch import nn
from torch_geometric.nn import GCNConv, GINConv

CASES = {
    "gcn": (GCNConv(4, 3), lambda module, t: module(t["nodes"], t["edge_index"], t["weights"])),
    "gin": (
        GINConv(nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)), train_eps=True),
        lambda module, t: module(t["nodes"], t["edge_index"]),
    ),
}

if __name__ == "__main__":
    write("convolution", CASES)
