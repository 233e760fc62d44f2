"""Write message.npz: layers in which edges, relations and distances speak, as PyTorch Geometric computes them."""

from __future__ import annotations

import torch
from record import write
from torch import nn
from torch_geometric.nn import MetaLayer, NNConv, RGCNConv
from torch_geometric.nn.models.schnet import CFConv, GaussianSmearing, InteractionBlock, ShiftedSoftplus
from torch_geometric.utils import scatter

CUTOFF, GAUSSIANS = 3.0, 6


def perceptron(*widths: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(*widths[:2]), nn.Tanh(), nn.Linear(*widths[1:]))


def relations(t: dict) -> torch.Tensor:
    """Return three kinds of edges, by the sign of their first two features."""
    return (t["edges"][:, 0] > 0).long() + (t["edges"][:, 1] > 0).long()


def distances(t: dict) -> torch.Tensor:
    """Return a distance for every edge, below the cutoff."""
    return CUTOFF * t["edges"][:, 0].sigmoid()


class EdgeModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(3 + 4 + 4 + 2, 5)

    def forward(self, sent, received, edges, u, graph):
        return self.net(torch.cat([edges, received, sent, u[graph]], 1)).tanh()


class NodeModel(nn.Module):
    def __init__(self, reduce):
        super().__init__()
        self.net, self.reduce = nn.Linear(5 + 4 + 2, 3), reduce

    def forward(self, x, edge_index, edges, u, graph):
        arriving = scatter(edges, edge_index[1], dim=0, dim_size=len(x), reduce=self.reduce)
        return self.net(torch.cat([arriving, x, u[graph]], 1)).tanh()


class GlobalModel(nn.Module):
    def __init__(self, reduce):
        super().__init__()
        self.net, self.reduce = nn.Linear(5 + 3 + 2, 2), reduce

    def forward(self, x, edge_index, edges, u, graph):
        sums = [scatter(edges, graph[edge_index[0]], 0, reduce=self.reduce), scatter(x, graph, 0, reduce=self.reduce)]
        return self.net(torch.cat([*sums, u], 1)).tanh()


def whole(module: nn.Module, t: dict) -> tuple:
    """Return what MetaLayer gives on graphs whose features are the first two of node 0."""
    graph = torch.zeros(len(t["nodes"]), dtype=torch.long)
    return module(t["nodes"], t["edge_index"], t["edges"], t["nodes"][:1, :2], graph)


def nodes_and_edges(module: nn.Module, t: dict) -> torch.Tensor:
    nodes, edges, _ = whole(module, t)
    return torch.cat([nodes, scatter(edges, t["edge_index"][1], 0, dim_size=len(nodes))], 1)


def graph_features(module: nn.Module, t: dict) -> torch.Tensor:
    return whole(module, t)[2]


def meta(reduce: str) -> MetaLayer:
    return MetaLayer(EdgeModel(), NodeModel(reduce), GlobalModel(reduce))


class Continuous(nn.Module):
    def __init__(self, conv: nn.Module):
        super().__init__()
        self.conv, self.gaussians = conv, GaussianSmearing(0.0, CUTOFF, GAUSSIANS)
        self.gaussians.coeff = -0.5 / (CUTOFF / (GAUSSIANS - 1)) ** 2  # PyG reads it off centres in float32
        self.gaussians.offset = torch.linspace(0.0, CUTOFF, GAUSSIANS, dtype=torch.float64)

    def forward(self, t: dict) -> torch.Tensor:
        far = distances(t)
        return self.conv(t["nodes"], t["edge_index"], far, self.gaussians(far))


def shift_in_double(module: nn.Module) -> nn.Module:
    for part in module.modules():
        if isinstance(part, ShiftedSoftplus):
            part.shift = torch.log(torch.tensor(2.0, dtype=torch.float64)).item()
    return module


def continuous(module: nn.Module, t: dict) -> torch.Tensor:
    return module(t)


def on_edges(module: nn.Module, t: dict) -> torch.Tensor:
    return module(t["nodes"], t["edge_index"], t["edges"])


def on_relations(module: nn.Module, t: dict) -> torch.Tensor:
    return module(t["nodes"], t["edge_index"], relations(t))


FILTER = nn.Sequential(nn.Linear(GAUSSIANS, 5), ShiftedSoftplus(), nn.Linear(5, 5))

CASES = {
    "nn": (NNConv(4, 3, perceptron(3, 5, 12)), on_edges),
    "nn-linear": (NNConv(4, 3, nn.Linear(3, 12), aggr="mean"), on_edges),
    "meta-nodes": (meta("sum"), nodes_and_edges),
    "meta-globals": (meta("sum"), graph_features),
    "meta-mean-nodes": (meta("mean"), nodes_and_edges),
    "meta-mean-globals": (meta("mean"), graph_features),
    "rgcn": (RGCNConv(4, 3, 3), on_relations),
    "rgcn-sum": (RGCNConv(4, 3, 3, aggr="add"), on_relations),
    "rgcn-bases": (RGCNConv(4, 3, 3, num_bases=2), on_relations),
    "rgcn-blocks": (RGCNConv(4, 6, 3, num_blocks=2), on_relations),
    "cf": (shift_in_double(Continuous(CFConv(4, 3, 5, FILTER, CUTOFF))), continuous),
    "schnet": (shift_in_double(Continuous(InteractionBlock(4, GAUSSIANS, 5, CUTOFF))), continuous),
}

if __name__ == "__main__":
    write("message", CASES)
