"""Write readout.npz: readouts with attention and sorting as PyTorch Geometric computes them."""

from __future__ import annotations

import torch
from record import write
from torch import nn
from torch_geometric.nn.aggr import AttentionalAggregation, Set2Set, SortAggregation


def one_graph(module, t):
    return module(t["nodes"], torch.zeros(len(t["nodes"]), dtype=torch.long), dim_size=1)


def with_one_bias(module):
    """The two biases of its LSTM are only ever added: keep the gradient of the first."""
    module.lstm.bias_hh_l0.requires_grad_(False)
    return module


CASES = {
    "attention": (AttentionalAggregation(nn.Linear(4, 1)), one_graph),
    "attention-columns": (
        AttentionalAggregation(nn.Linear(4, 3), nn.Sequential(nn.Linear(4, 3), nn.Tanh())),
        one_graph,
    ),
    "set2set": (with_one_bias(Set2Set(4, processing_steps=3)), one_graph),
    "sort": (SortAggregation(k=3), one_graph),
    "sort-padded": (SortAggregation(k=9), one_graph),
}

if __name__ == "__main__":
    write("readout", CASES)
