"""Layers, one family a file. They compute with `@ + - * /` and `graphnn.ops` only and import no array library."""

from graphnn.layers.attention import AGNNConv, GATConv, GATv2Conv, TransformerConv
from graphnn.layers.containers import Residual, Sequential
from graphnn.layers.convolution import GINConv, GraphConv
from graphnn.layers.dense import Dense, Embedding
from graphnn.layers.dropout import Dropout
from graphnn.layers.fingerprint import NeuralFingerprint
from graphnn.layers.message import EdgesToNodes
from graphnn.layers.normalization import BatchNorm, LayerNorm, Rescale, Scale, Standardize, set_target_scale
from graphnn.layers.pooling import Edges, Globals, MaxPool, MeanPool, Nodes, SumPool
from graphnn.layers.readout import AttentionPool, Set2Set, SortPool

__all__ = [
    "AGNNConv",
    "AttentionPool",
    "BatchNorm",
    "Dense",
    "Dropout",
    "Edges",
    "EdgesToNodes",
    "Embedding",
    "GATConv",
    "GATv2Conv",
    "GINConv",
    "Globals",
    "GraphConv",
    "LayerNorm",
    "MaxPool",
    "MeanPool",
    "NeuralFingerprint",
    "Nodes",
    "Rescale",
    "Residual",
    "Scale",
    "Sequential",
    "Set2Set",
    "SortPool",
    "Standardize",
    "SumPool",
    "TransformerConv",
    "set_target_scale",
]
