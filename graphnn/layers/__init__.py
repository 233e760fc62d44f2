"""Layers, one family a file. They compute with `@ + - * /` and `graphnn.ops` only and import no array library."""

from graphnn.layers.aggregation import EdgeConv, PNAConv, SAGEConv
from graphnn.layers.attention import AGNNConv, GATConv, GATv2Conv, TransformerConv
from graphnn.layers.auxiliary import WithLosses
from graphnn.layers.coarsening import DiffPool, MinCutPool, SAGPool, TopKPool
from graphnn.layers.containers import Repeat, Residual, Sequential
from graphnn.layers.convolution import GINConv, GINEConv, GraphConv, MorrisConv, MultiKernelConv
from graphnn.layers.dense import Dense, Embedding
from graphnn.layers.dropout import Dropout
from graphnn.layers.fingerprint import NeuralFingerprint
from graphnn.layers.geometry import CFConv, SchNetBlock
from graphnn.layers.jumping import JumpingKnowledge
from graphnn.layers.message import DMPNN, EdgesToNodes, GraphNetwork, NNConv
from graphnn.layers.normalization import BatchNorm, LayerNorm, Rescale, Scale, Standardize, set_target_scale
from graphnn.layers.polynomial import APPNP, ARMAConv, ChebConv, SGConv, TAGConv
from graphnn.layers.pooling import Edges, Globals, MaxPool, MeanPool, MinPool, Nodes, Pool, StdPool, SumPool
from graphnn.layers.readout import AttentionPool, Set2Set, SortPool
from graphnn.layers.recurrent import (
    Frames,
    GatedGraphConv,
    GraphGRUCell,
    GRUCell,
    LSTMCell,
    Recurrent,
    RNNCell,
)
from graphnn.layers.relational import RGCNConv
from graphnn.layers.virtual import VirtualNode

__all__ = [
    "APPNP",
    "DMPNN",
    "AGNNConv",
    "ARMAConv",
    "AttentionPool",
    "BatchNorm",
    "CFConv",
    "ChebConv",
    "Dense",
    "DiffPool",
    "Dropout",
    "EdgeConv",
    "Edges",
    "EdgesToNodes",
    "Embedding",
    "Frames",
    "GATConv",
    "GATv2Conv",
    "GINConv",
    "GINEConv",
    "GRUCell",
    "GatedGraphConv",
    "Globals",
    "GraphConv",
    "GraphGRUCell",
    "GraphNetwork",
    "JumpingKnowledge",
    "LSTMCell",
    "LayerNorm",
    "MaxPool",
    "MeanPool",
    "MinCutPool",
    "MinPool",
    "MorrisConv",
    "MultiKernelConv",
    "NNConv",
    "NeuralFingerprint",
    "Nodes",
    "PNAConv",
    "Pool",
    "RGCNConv",
    "RNNCell",
    "Recurrent",
    "Repeat",
    "Rescale",
    "Residual",
    "SAGEConv",
    "SAGPool",
    "SGConv",
    "Scale",
    "SchNetBlock",
    "Sequential",
    "Set2Set",
    "SortPool",
    "Standardize",
    "StdPool",
    "SumPool",
    "TAGConv",
    "TopKPool",
    "TransformerConv",
    "VirtualNode",
    "WithLosses",
    "set_target_scale",
]
