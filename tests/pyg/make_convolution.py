"""Write convolution.npz: the convolutions as PyTorch Geometric computes them."""

from __future__ import annotations

import torch
from record import write
from torch import nn
from torch_geometric.nn import (
    APPNP,
    ARMAConv,
    ChebConv,
    EdgeConv,
    GCNConv,
    GINConv,
    GINEConv,
    GraphConv,
    PNAConv,
    SAGEConv,
    SGConv,
    TAGConv,
)


def nodes(module, t):
    return module(t["nodes"], t["edge_index"])


def weighted(module, t):
    return module(t["nodes"], t["edge_index"], t["weights"])


def with_edges(module, t):
    return module(t["nodes"], t["edge_index"], t["edges"])


def with_four_columns(module, t):
    """Edge features as wide as the nodes, which PNAConv has its encoder for, and we take out."""
    return module(t["nodes"], t["edge_index"], nn.functional.pad(t["edges"], (0, 1)))


def perceptron():
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))


def pna(aggregates, scalers, **settings):
    """A PNAConv whose linear maps that meet another linear map are the identity."""
    module = PNAConv(4, 3, aggregates, scalers, deg=torch.tensor([1, 4, 6, 3, 1]), **settings)
    module.lin = nn.Identity()
    if "edge_dim" in settings:
        module.edge_encoder = nn.Identity()
    return module


CASES = {
    "gcn": (GCNConv(4, 3), weighted),
    "gin": (GINConv(perceptron(), train_eps=True), nodes),
    "gine": (GINEConv(perceptron(), train_eps=True, edge_dim=3), with_edges),
    "morris": (GraphConv(4, 3), weighted),
    "sage-mean": (SAGEConv(4, 3), nodes),
    "sage-max": (SAGEConv(4, 3, "max"), nodes),
    "sage-sum": (SAGEConv(4, 3, "sum"), nodes),
    "sage-pool": (SAGEConv(4, 3, "max", project=True), nodes),
    "cheb": (ChebConv(4, 3, 4), weighted),
    "cheb-1.5": (ChebConv(4, 5, 3), lambda module, t: module(t["nodes"], t["edge_index"], t["weights"], None, 1.5)),
    "tag": (TAGConv(4, 3), weighted),
    "tag-wider": (TAGConv(4, 5, 2), weighted),
    "sg": (SGConv(4, 3, 3), weighted),
    "appnp": (APPNP(5, 0.2), weighted),
    "arma": (ARMAConv(4, 3, num_stacks=2, num_layers=3), weighted),
    "arma-shared": (ARMAConv(4, 3, num_stacks=2, num_layers=3, shared_weights=True, act=nn.Tanh()), weighted),
    "edge-max": (EdgeConv(nn.Sequential(nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 3))), nodes),
    "edge-sum": (EdgeConv(nn.Linear(8, 3), "sum"), nodes),
    "pna": (pna(["mean", "min", "max", "std"], ["identity", "amplification", "attenuation"]), nodes),
    "pna-edges": (pna(["sum", "std"], ["attenuation"], edge_dim=4), with_four_columns),
}

if __name__ == "__main__":
    write("convolution", CASES)
