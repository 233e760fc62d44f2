"""Write norm.npz: norms over several graphs as PyTorch Geometric computes them, PReLU and activations as torch does."""

from __future__ import annotations

import torch
from graphs import N_GRAPHS
from record import write
from torch import nn
from torch_geometric.nn import BatchNorm, GraphNorm, InstanceNorm, LayerNorm, MeanSubtractionNorm, PairNorm


def by_graph(module, t):
    return module(t["nodes"], t["node_graph"], N_GRAPHS)


def by_node(module, t):
    return module(t["nodes"])


def with_statistics(norm):
    """Return a norm as training may have left it: evaluation reads its running mean and variance."""
    norm.module.running_mean.copy_(torch.tensor([0.5, -1.0, 0.0, 2.0]))
    norm.module.running_var.copy_(torch.tensor([0.3, 1.0, 4.0, 0.7]))
    return norm


CASES = {
    "batch": (with_statistics(BatchNorm(4, eps=1e-3)), by_node),
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
