"""graphnn"""
from graphnn.graph import Graph, local
from graphnn.batch import Batch
from graphnn.convert import pack, from_networkx
from graphnn import kernels, ops
from graphnn.layers import *
from graphnn.ops import relu,tanh,sigmoid
from graphnn.losses import *
from graphnn.autodiff import *
from graphnn.optim import *
from graphnn.layer import Layer
