"""Layers, one family a file. They compute with `@ + - * /` and `graphnn.ops` only and import no array library."""

from graphnn.layers.attention import AGNNConv, GATConv, GATv2Conv, TransformerConv
from graphnn.layers.containers import Residual, Sequential
from graphnn.layers.convolution import GINConv, GraphConv
from graphnn.layers.dense import Dense, Embedding
from graphnn.layers.dropout import Dropout
from graphnn.layers.fingerprint import NeuralFingerprint
from graphnn.layers.geometry import CFConv, SchNetBlock
from graphnn.layers.message import DMPNN, EdgesToNodes, GraphNetwork, NNConv
from graphnn.layers.normalization import BatchNorm, LayerNorm, Rescale, Scale, Standardize, set_target_scale
from graphnn.layers.pooling import Edges, Globals, MaxPool, MeanPool, Nodes, SumPool
from graphnn.layers.readout import AttentionPool, Set2Set, SortPool
from graphnn.layers.relational import RGCNConv

__all__ = [
    "DMPNN",
    "AGNNConv",
    "AttentionPool",
    "BatchNorm",
    "CFConv",
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
    "GraphNetwork",
    "LayerNorm",
    "MaxPool",
    "MeanPool",
    "NNConv",
    "NeuralFingerprint",
    "Nodes",
    "RGCNConv",
    "Rescale",
    "Residual",
    "Scale",
    "SchNetBlock",
    "Sequential",
    "Set2Set",
    "SortPool",
    "Standardize",
    "SumPool",
    "TransformerConv",
    "set_target_scale",
]
