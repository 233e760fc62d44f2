"""Write norm.npz: norms over several graphs as PyTorch Geometric computes them, PReLU and activations as torch does."""

from __future__ import annotations

import torch
from graphs import N_GRAPHS
from record import write
from torch import nn
from torch_geometric.nn import GraphNorm, InstanceNorm, LayerNorm, MeanSubtractionNorm, PairNorm


def by_graph(module, t):
    return module(t["nodes"], t["node_graph"], N_GRAPHS)


def by_node(module, t):
    return module(t["nodes"])


CASES = {
    "instance": (InstanceNorm(4), by_graph),
    "instance-affine": (InstanceNorm(4, eps=1e-3, affine=True), by_graph),
    "graph": (GraphNorm(4), by_graph),
    "pair": (PairNorm(scale=2.0), by_graph),
    "pair-by-node": (PairNorm(scale_individually=True), by_graph),
    "mean-subtraction": (MeanSubtractionNorm(), by_graph),
    "layer-graph": (LayerNorm(4), by_graph),
    "layer-node": (LayerNorm(4, mode="node"), by_node),
    "prelu": (nn.PReLU(), by_node),
    "prelu-by-feature": (nn.PReLU(4), by_node),
    **{
        name: (module, by_node)
        for name, module in {
            "relu": nn.ReLU(),
            "leaky_relu": nn.LeakyReLU(),
            "elu": nn.ELU(),
            "selu": nn.SELU(),
            "gelu": nn.GELU(),
            "silu": nn.SiLU(),
            "softplus": nn.Softplus(threshold=1000),
            "sigmoid": nn.Sigmoid(),
            "tanh": nn.Tanh(),
        }.items()
    },
}

if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    write("norm", CASES)
