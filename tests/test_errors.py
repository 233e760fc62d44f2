"""What is refused, with which error, and what the message says: who, what came, what was wanted, what to do."""

# ruff: noqa: E501 - one row a case, so that the table can be read down
from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass

import cases
import networkx as nx
import numpy as np
import pytest
import scipy.sparse

import graphnn as gn
from graphnn import kernels as k
from graphnn.propagation import propagate, spread_labels


@dataclass(frozen=True)
class Bad:
    """A call that must be refused, the error it raises, and what its message must contain, in order."""

    name: str
    call: Callable
    error: type
    says: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


def bad(name: str, call: Callable, error: type, *says: str) -> Bad:
    return Bad(name, call, error, says)


X = np.ones((3, 2))
ENDS = {"senders": [0, 1], "receivers": [1, 2]}
BATCH = gn.pack(cases.graphs("two_sizes", edges=True, kernels=True))
PLAIN = gn.pack(cases.graphs("two_sizes"))
MODEL = gn.Sequential(gn.GraphConv(2, gn.tanh, kernel=k.adjacency), gn.SumPool())
PARAMS = cases.parameters(MODEL, BATCH)
GOOD = MODEL(PARAMS, BATCH)


def graph(**fields) -> gn.Graph:
    return gn.Graph(**{"nodes": X, **ENDS, **fields})


def club(**attributes) -> nx.Graph:
    """Return a path a - b - c whose nodes have attributes, where a list is one value for each."""
    G = nx.Graph([("a", "b"), ("b", "c")])
    for i, v in enumerate(G):
        for name, values in attributes.items():
            if values[i] is not None:
                G.nodes[v][name] = values[i]
    return G


def bonds(**attributes) -> nx.Graph:
    G = club(features=[1, 2, 3])
    for i, e in enumerate(G.edges):
        for name, values in attributes.items():
            if values[i] is not None:
                G.edges[e][name] = values[i]
    return G


GRAPHS = [
    bad("nodes of three dimensions", lambda: graph(nodes=np.ones((3, 1, 2))), gn.GraphError, "graph.nodes", "(n_nodes, n_features)", "(3, 1, 2)"),
    bad("a number as nodes", lambda: gn.Graph(1.0), gn.GraphError, "graph.nodes", "(n_nodes, n_features)", "()"),
    bad("ragged nodes", lambda: gn.Graph([[1.0, 2.0], [3.0]]), gn.GraphError, "graph.nodes", "different lengths", "same columns"),
    bad("nodes of strings", lambda: gn.Graph([["C"], ["N"]]), gn.GraphError, "graph.nodes", "expected numbers", "<U1", "encode"),
    bad("nodes of objects", lambda: gn.Graph(np.array([[None], [1]], object)), gn.GraphError, "graph.nodes", "expected numbers", "object"),
    bad("complex nodes", lambda: gn.Graph(np.ones((2, 2)) * 1j), gn.GraphError, "graph.nodes", "expected numbers", "complex128"),
    bad("dates as nodes", lambda: gn.Graph(np.array([["2020-01-01"]], "M8[D]")), gn.GraphError, "graph.nodes", "datetime64"),
    bad("nan in nodes", lambda: gn.Graph([[1.0, 2.0], [3.0, np.nan]]), gn.GraphError, "graph.nodes", "entry (1, 1) is nan", "finite"),
    bad("inf in nodes", lambda: gn.Graph([[np.inf]]), gn.GraphError, "graph.nodes", "entry (0, 0) is inf", "finite"),
    bad("nan in sparse nodes", lambda: gn.Graph(scipy.sparse.csr_array([[np.nan]])), gn.GraphError, "graph.nodes", "nan"),
    bad("a receiver too high", lambda: graph(receivers=[1, 7]), gn.GraphError, "graph.receivers", "contains 7", "3 nodes (0..2)"),
    bad("a negative sender", lambda: graph(senders=[-1, 0]), gn.GraphError, "graph.senders", "contains -1", "3 nodes (0..2)"),
    bad("floating senders", lambda: graph(senders=[0.0, 1.0]), gn.GraphError, "graph.senders", "integer array", "float64"),
    bad("boolean senders", lambda: graph(senders=[True, False]), gn.GraphError, "graph.senders", "integer array", "bool"),
    bad("senders of two dimensions", lambda: graph(senders=[[0, 1]]), gn.GraphError, "graph.senders", "one-dimensional", "(1, 2)"),
    bad("fewer receivers", lambda: graph(receivers=[1]), gn.GraphError, "graph.receivers", "expected 2 entries", "per sender", "got 1"),
    bad("an edge without nodes", lambda: gn.Graph(np.ones((0, 2)), [0], [0]), gn.GraphError, "graph.senders", "contains 0", "0 nodes"),
    bad("too few edges", lambda: graph(edges=np.ones((1, 2))), gn.GraphError, "graph.edges", "expected 2 rows (one per edge)", "(1, 2)"),
    bad("too many weights", lambda: graph(weights=np.ones(3)), gn.GraphError, "graph.weights", "expected shape (2,) (one per edge)", "(3,)"),
    bad("weights as a column", lambda: graph(weights=np.ones((2, 1))), gn.GraphError, "graph.weights", "expected shape (2,)", "(2, 1)"),
    bad("nan weights", lambda: graph(weights=[1, np.nan]), gn.GraphError, "graph.weights", "entry (1,) is nan"),
    bad("string weights", lambda: graph(weights=["1", "2"]), gn.GraphError, "graph.weights", "expected numbers"),
    bad("positions of too few nodes", lambda: graph(positions=np.ones((2, 3))), gn.GraphError, "graph.positions", "expected 3 rows (one per node)", "(2, 3)"),
    bad("an edge index in one piece", lambda: gn.Graph(X, np.array([[0, 1], [1, 2]])), gn.GraphError, "graph.senders", "(2, 2)", "senders, receivers = edge_index"),
    bad("nan globals", lambda: graph(globals=[np.nan]), gn.GraphError, "graph.globals", "entry (0,) is nan"),
    bad("too few names", lambda: graph(names=["a"]), gn.GraphError, "graph.names", "expected 3 names (one per node)", "got 1"),
    bad("a kernel of another size", lambda: graph(kernels={"K": np.eye(2)}), gn.GraphError, "graph.kernels['K']", "expected shape (3, 3)", "(2, 2)"),
    bad("a kernel with inf", lambda: graph(kernels={"K": np.full((3, 3), np.inf)}), gn.GraphError, "graph.kernels['K']", "inf", "finite"),
    bad("a sparse kernel with nan", lambda: graph(kernels={"K": scipy.sparse.csr_array(np.full((3, 3), np.nan))}), gn.GraphError, "graph.kernels['K']", "nan"),
    bad("kernels in a list", lambda: graph(kernels=[np.eye(3)]), TypeError, "Graph: kernels must be {name: (n, n) array}", "list"),
    bad("an unknown field", lambda: graph().replace(node=X), TypeError, "Graph has no field 'node'", "nodes, senders"),
    bad("an unknown kernel name", lambda: graph(kernels={"own": np.eye(3)}).kernel("owm"), KeyError, "no kernel 'owm'", "did you mean 'own'", "pass it to pack"),
]  # fmt: skip

NETWORKX = [
    bad("no attribute at all", lambda: gn.pack(club()), gn.GraphError, "graph.nodes", "node 'a'", "'features'", "(0 of 3 nodes have it)", "nodes=; if there are none, nx.set_node_attributes(graph, 1.0, 'features') gives"),
    bad("one without the attribute", lambda: gn.pack([club(features=[1, 1, 1]), club(features=[1, None, 1])]), gn.GraphError, "graphs[1].nodes", "node 'b'", "(2 of 3 nodes"),
    bad("another name", lambda: gn.pack(club(feature=[1, 1, 1])), gn.GraphError, "'features'", "did you mean 'feature'?"),
    bad("the right name, but not everywhere", lambda: gn.pack(club(mass=[1, None, 1]), nodes="mass"), gn.GraphError, "node 'b' has no attribute 'mass' (2 of 3 nodes have it); set it"),
    bad("no names of attributes", lambda: gn.pack(club(features=[1, 1, 1]), nodes=None), TypeError, "nodes= names an attribute of every node", "got None"),
    bad("weights that are no name", lambda: gn.pack(bonds(w=[1, 2]), weights=True), TypeError, "weights= names an attribute of every edge", "got True"),
    bad("quite another name", lambda: gn.pack(club(z=[1, 1, 1])), gn.GraphError, "'features'", "there is 'z'"),
    bad("ragged attributes", lambda: gn.pack(club(features=[[1, 2], [1], [1, 2]])), gn.GraphError, "graph.nodes", "node 'b' has shape (1,)", "node 'a' (2,)", "same length"),
    bad("ragged inside", lambda: gn.pack(club(features=[[1, [2, 3]], [1], [1, 2]])), gn.GraphError, "graph.nodes", "node 'a' is [1, [2, 3]]", "vector of numbers"),
    bad("a string", lambda: gn.pack([club(features=[1, "C", 1])]), gn.GraphError, "graphs[0].nodes", "'features' of node 'b' is 'C'", "encode"),
    bad("a none", lambda: gn.pack(club(features=[1, 2, [None]])), gn.GraphError, "node 'c' is [None]", "expected a number"),
    bad("a complex number", lambda: gn.pack(club(features=[1, 1j, 2])), gn.GraphError, "node 'b' is 1j", "expected a number"),
    bad("a nan", lambda: gn.pack([club(features=[1.0, np.nan, 1.0])]), gn.GraphError, "graphs[0].nodes", "entry (1, 0) is nan"),
    bad("an edge without its attribute", lambda: gn.pack(bonds(order=[1, None]), edges="order"), gn.GraphError, "graph.edges", "edge ('b', 'c')", "'order'", "(1 of 2 edges"),
    bad("an edge without weight", lambda: gn.pack(bonds(w=[1, None]), weights="w"), gn.GraphError, "graph.weights", "edge ('b', 'c')", "'w'"),
    bad("a vector as weight", lambda: gn.pack(bonds(w=[[1, 2], [3, 4]]), weights="w"), gn.GraphError, "graph.weights", "'w' gives 2 numbers", "wanted one", "edges="),
]  # fmt: skip

TWO = [np.ones((2, 1)), np.ones((3, 1))]
EYES = [np.eye(2), np.eye(3)]

PACK = [
    bad("nothing", gn.pack, TypeError, "pack: nodes is 'features'", "nodes=[X1], kernels=[K1]"),
    bad("none as nodes", lambda: gn.pack(nodes=None), TypeError, "pack: nodes is None", "nodes=[X1]"),
    bad("only kernels", lambda: gn.pack(kernels=EYES), TypeError, "pack: nodes is 'features'"),
    bad("one array as nodes", lambda: gn.pack(nodes=X), TypeError, "pack: nodes is one array of shape (3, 2)", "nodes=[X1]"),
    bad("one array as kernels", lambda: gn.pack(nodes=TWO, kernels=np.eye(2)), TypeError, "pack: kernels is one array of shape (2, 2)"),
    bad("one sparse array as nodes", lambda: gn.pack(nodes=scipy.sparse.eye_array(3)), TypeError, "pack: nodes is one array of shape (3, 3)"),
    bad("fewer kernels", lambda: gn.pack(nodes=TWO, kernels=EYES[:1]), ValueError, "2 arrays of nodes", "1 kernels 'kernel'", "one for each graph"),
    bad("fewer named kernels", lambda: gn.pack(nodes=TWO, kernels={"K": EYES[:1]}), ValueError, "1 kernels 'K'"),
    bad("kernels in the wrong order", lambda: gn.pack(nodes=TWO, kernels=EYES[::-1]), gn.GraphError, "graphs[0].kernels['kernel']", "(2, 2)", "(3, 3)"),
    bad("nodes that are none", lambda: gn.pack(nodes=[X, [["C"]]]), gn.GraphError, "graphs[1].nodes", "expected numbers"),
    bad("kernels beside graphs", lambda: gn.pack([graph()], kernels=[np.eye(3)]), TypeError, "pass kernels= with nodes="),
    bad("a string", lambda: gn.pack("CCO"), TypeError, "graphs[0] is a str", "networkx graph or gn.Graph"),
    bad("a number", lambda: gn.pack(3), TypeError, "cannot make a graph of int", "networkx"),
    bad("a dict", lambda: gn.pack({"nodes": X}), TypeError, "graphs[0] is a str", "networkx graph or gn.Graph"),
    bad("an array", lambda: gn.pack(X), TypeError, "pack: got an array of shape (3, 2)", "gn.from_adjacency(A)", "nodes=[X]"),
    bad("a sparse matrix", lambda: gn.pack(scipy.sparse.eye_array(3)), TypeError, "pack: got an array of shape (3, 3)", "gn.from_adjacency(A)"),
    bad("adjacencies", lambda: gn.pack([np.eye(3)]), TypeError, "graphs[0] is a ndarray", "networkx graph or gn.Graph", "gn.from_adjacency(A)"),
    bad("batches", lambda: gn.pack([BATCH, BATCH]), TypeError, "graphs[0] is a Batch", "pack([*batch1.graphs, *batch2.graphs])"),
    bad("attributes of a gn.Graph", lambda: gn.pack([graph()], nodes="mass"), TypeError, "pack: nodes=, edges= and weights= name attributes", "graphs[0] is a gn.Graph"),
    bad("attributes of a batch", lambda: gn.pack(BATCH, weights="w"), TypeError, "name attributes of networkx graphs", "a Batch came"),
    bad("a none among graphs", lambda: gn.pack([graph(), None]), TypeError, "graphs[1] is a NoneType"),
    bad("a batch among graphs", lambda: gn.pack([PLAIN]), TypeError, "graphs[0] is a Batch"),
    bad("a layout nobody knows", lambda: gn.pack(graph(), layout="csr"), ValueError, "layout 'csr'", "'sparse', 'list', 'dense'"),
    bad("a layout for a batch", lambda: PLAIN.with_layout("Dense"), ValueError, "layout 'Dense'", "'sparse', 'list', 'dense'"),
    bad("half precision", lambda: gn.pack(graph(), dtype=np.float16), TypeError, "float32 or float64", "float16"),
    bad("whole numbers", lambda: gn.pack(graph(), dtype=int), TypeError, "float32 or float64", "int64"),
    bad("attributes of a gn.Graph", lambda: gn.pack([graph()], weights="weight"), TypeError, "networkx graphs", "graphs[0] is a gn.Graph"),
    bad("features of other widths", lambda: gn.pack([graph(), graph(nodes=np.ones((3, 5)))]), gn.GraphError, "graphs[1].nodes", "expected shape (3, 2)", "one row per node", "2 columns as in graphs[0]", "got (3, 5)"),
    bad("edges of other widths", lambda: gn.pack([graph(edges=np.ones((2, 3))), graph(edges=np.ones((2, 1)))]), gn.GraphError, "graphs[1].edges", "expected shape (2, 3)", "got (2, 1)"),
    bad("edges on some", lambda: gn.pack([graph(), graph(edges=np.ones((2, 3)))]), gn.GraphError, "graphs[1].edges", "graphs[0] has no edges and this graph some", "same attributes"),
    bad("edges not on all", lambda: gn.pack([cases.graph("empty"), graph(nodes=np.ones((3, 3)), edges=np.ones((2, 3))), graph(nodes=np.ones((3, 3)))]), gn.GraphError, "graphs[2].edges", "graphs[1] has edges and this graph none"),
    bad("globals of other widths", lambda: gn.pack([graph(globals=[1, 2]), graph(globals=[1])]), gn.GraphError, "graphs[1].globals", "one row per graph", "2 columns as in graphs[0]"),
    bad("positions on some", lambda: gn.pack([graph(positions=X), graph()]), gn.GraphError, "graphs[1].positions", "same attributes"),
    bad("other kernels", lambda: gn.pack([graph(kernels={"a": np.eye(3)}), graph(kernels={"b": np.eye(3)})]), gn.GraphError, "graphs[1].kernels", "['a']", "['b']", "same kernels"),
    bad("names that repeat", lambda: gn.to_networkx(graph(names=["a", "b", "a"])), gn.GraphError, "graph.names", "'a' is the name of 2 nodes"),
    bad("a list as adjacency", lambda: gn.from_adjacency([1, 2]), gn.GraphError, "graph.adjacency", "square", "(2,)"),
    bad("an adjacency not square", lambda: gn.from_adjacency(np.ones((2, 3))), gn.GraphError, "graph.adjacency", "square", "(2, 3)"),
    bad("a sparse adjacency not square", lambda: gn.from_adjacency(scipy.sparse.csr_array((2, 3))), gn.GraphError, "graph.adjacency", "square", "(2, 3)"),
    bad("an adjacency of strings", lambda: gn.from_adjacency([["a"]]), gn.GraphError, "graph.adjacency", "expected numbers"),
    bad("a complex adjacency", lambda: gn.from_adjacency(np.eye(2) * 1j), gn.GraphError, "graph.adjacency", "complex128"),
    bad("a complex sparse adjacency", lambda: gn.from_adjacency(scipy.sparse.eye_array(2) * 1j), gn.GraphError, "graph.adjacency", "complex128"),
    bad("nan in an adjacency", lambda: gn.from_adjacency([[0, np.nan], [0, 0]]), gn.GraphError, "graph.adjacency", "entry (0, 1) is nan"),
    bad("an adjacency of other nodes", lambda: gn.from_adjacency(np.ones((4, 4)), nodes=X), gn.GraphError, "graph.nodes", "adjacency is (4, 4) but nodes has 3 rows"),
    bad("an adjacency of fewer nodes", lambda: gn.from_adjacency(np.ones((2, 2)), nodes=X), gn.GraphError, "graph.nodes", "adjacency is (2, 2) but nodes has 3 rows"),
]  # fmt: skip


def of_shape(*shape):
    def kernel(graph):
        return np.ones(shape)

    return kernel


def infinite(graph):
    return np.full((graph.n_nodes, graph.n_nodes), np.inf)


def imaginary(graph):
    return 1j * np.eye(graph.n_nodes)


def nothing(graph):
    return None


def three_by_three(graph):
    return np.eye(3)


class Unhashable:
    __hash__ = None

    def __call__(self, graph):
        return np.eye(graph.n_nodes)


def conv(kernel, batch=BATCH, layout="sparse"):
    batch = batch.with_layout(layout)
    return gn.GraphConv(2, kernel=kernel)({"weight": np.ones((3, 2)), "bias": np.zeros(2)}, batch)


BATCHES = [
    bad("an unknown field", lambda: PLAIN.replace(node=1), TypeError, "no field 'node'", "nodes, edges"),
    bad("nodes of too few rows", lambda: PLAIN.replace(nodes=X), ValueError, "replace(nodes=...)", "7 rows (one per node)", "(3, 2)"),
    bad("nodes in a list", lambda: PLAIN.replace(nodes=[1, 2]), TypeError, "replace(nodes=...)", "array of 7 rows", "list"),
    bad("no nodes", lambda: PLAIN.replace(nodes=None), TypeError, "replace(nodes=...)", "array of 7 rows", "NoneType"),
    bad("edges of too few rows", lambda: PLAIN.replace(edges=X), ValueError, "replace(edges=...)", "11 rows (one per edge)", "(3, 2)"),
    bad("positions of too few rows", lambda: PLAIN.replace(positions=X), ValueError, "replace(positions=...)", "7 rows (one per node)"),
    bad("globals of too many rows", lambda: PLAIN.replace(globals=X), ValueError, "replace(globals=...)", "2 rows (one per graph)"),
    bad("too few weights", lambda: PLAIN.replace(weights=np.ones(3)), gn.GraphError, "weights", "expected shape (11,)", "(3,)"),
    bad("nan weights", lambda: PLAIN.replace(weights=np.full(11, np.nan)), gn.GraphError, "weights", "entry (0,) is nan"),
    bad("too few senders", lambda: PLAIN.replace(senders=[0]), gn.GraphError, "senders", "11 entries (one per edge)", "got 1"),
    bad("a sender too high", lambda: PLAIN.replace(senders=[9] * 11), gn.GraphError, "senders", "contains 9", "7 nodes"),
    bad("a sender in another graph", lambda: PLAIN.replace(senders=[6] * 11), gn.GraphError, "graphs[0].senders", "edge 0", "another graph", "node 6"),
    bad("too few kernels", lambda: BATCH.replace(kernels=[np.eye(4)]), ValueError, "kernels", "2 arrays (one per graph)", "got 1"),
    bad("kernels of other sizes", lambda: BATCH.replace(kernels=[np.eye(4), np.eye(4)]), gn.GraphError, "graphs[1].kernels['own']", "(3, 3)", "(4, 4)"),
    bad("kernels with nan", lambda: BATCH.replace(kernels=[np.eye(4), np.full((3, 3), np.nan)]), gn.GraphError, "graphs[1].kernels['own']", "nan"),
    bad("kernels as strings", lambda: BATCH.replace(kernels=["a", "b"]), gn.GraphError, "graphs[0].kernels['own']", "expected numbers"),
    bad("an index too high", lambda: PLAIN[5], IndexError, "index 5", "size 2"),
    bad("a mask of another length", lambda: PLAIN[np.array([True])], IndexError, "size of axis is 2", "boolean axis is 1"),
    bad("no kernel named", PLAIN.kernels, ValueError, "no kernel was named", "pass kernel="),
    bad("an unknown kernel", lambda: conv("owm"), KeyError, "no kernel 'owm'", "'own'", "did you mean 'own'", "pass it to pack"),
    bad("a kernel nobody brought", lambda: conv("own", PLAIN), KeyError, "no kernel 'own'", "only none"),
    bad("an unknown kernel in a list", lambda: BATCH.kernels("owm"), KeyError, "no kernel 'owm'"),
    bad("a function in quotes", lambda: conv("adjacency", PLAIN), KeyError, "no kernel 'adjacency'", "without quotes: kernel=kernels.adjacency"),
    bad("a class of kernels", lambda: conv(k.Heat), TypeError, "kernel Heat is a class", "make one", "Heat(...)"),
    bad("an array as kernel", lambda: conv(np.eye(7)), TypeError, "kernel must be a function", "got ndarray", "pack(nodes=[X], kernels=[K])"),
    bad("several kernels", lambda: conv(k.chebyshev_basis(2)), TypeError, "kernel must be a function", "got tuple"),
    bad("a kernel of another shape", lambda: conv(three_by_three, PLAIN), ValueError, "graphs[0]: kernel three_by_three returned shape (3, 3), wanted (4, 4)"),
    bad("a kernel that is not hashable", lambda: conv(Unhashable()), TypeError, "Unhashable", "not hashable", "frozen dataclass"),
    *(
        bad(f"{what} ({layout})", lambda kernel=kernel, layout=layout: conv(kernel, layout=layout), error, *says)
        for layout in ("sparse", "list", "dense")
        for what, kernel, error, says in (
            ("a kernel too small", of_shape(2, 2), ValueError, ("kernel kernel returned shape (2, 2)", "wanted (4, 4)")),
            ("a kernel of one dimension", of_shape(4), ValueError, ("returned shape (4,)", "wanted (4, 4)")),
            ("a kernel that is not finite", infinite, ValueError, ("kernel infinite", "not finite", "4 nodes", "give 0")),
            ("a complex kernel", imaginary, TypeError, ("kernel imaginary returned dtype complex128", "real numbers")),
            ("a kernel that returns nothing", nothing, ValueError, ("kernel nothing returned shape ()", "wanted (4, 4)")),
        )
    ),
    bad("a local kernel too small", lambda: conv(gn.local(of_shape(2, 2))), ValueError, "returned shape (2, 2)", "wanted (7, 7)"),
    bad("kernels that do not fit the features", lambda: gn.ops.propagate(EYES, X), ValueError, "kernels have 5 rows", "features 3"),
    bad("a negative power", lambda: k.Power(k.adjacency, -1), ValueError, "Power: exponent must be 0 or more", "-1"),
    bad("a negative order", lambda: k.Chebyshev(-1), ValueError, "Chebyshev", "0 or more", "order=-1"),
    bad("lambda_max of zero", lambda: k.Chebyshev(1, 0.0), ValueError, "lambda_max positive", "lambda_max=0.0"),
    bad("restart of zero", lambda: k.PersonalizedPageRank(0.0), ValueError, "restart must lie in (0, 1]", "0.0"),
    bad("a negative distance", lambda: k.Distance(-1), ValueError, "Distance: length must be 0 or more", "-1"),
]  # fmt: skip


KINDS = gn.pack([gn.Graph(np.ones((3, 3)), [0, 1, 2], [1, 2, 0], edges=[[0], [1], [kind]]) for kind in (1, 2)])


def neural(aggregate):
    return gn.NNConv(2, aggregate=aggregate)


def relational(aggregate):
    return gn.RGCNConv(2, 2, aggregate=aggregate)


def without(name):
    return {key: value for key, value in PARAMS.items() if key != name}


def state_for(cell, h):
    return (h, h) if isinstance(cell, gn.LSTMCell) else h


UNEVEN = gn.Sequential(gn.Dense(2), gn.Dense(4))
shared = gn.GraphConv(5)
WEIGHT = "0.graphconv.weight"

MODELS = [
    bad("a missing parameter", lambda: MODEL(without(WEIGHT), BATCH), KeyError, f"'{WEIGHT}' of shape (3, 2) is missing", "Call model.init"),
    bad("a misspelt parameter", lambda: MODEL({**without(WEIGHT), "0.graphconv.wieght": 1}, BATCH), KeyError, WEIGHT, "did you mean '0.graphconv.wieght'"),
    bad("quite other parameters", lambda: MODEL({"zz": 1}, BATCH), KeyError, WEIGHT, "the dict has 'zz'"),
    bad("a misshaped parameter", lambda: MODEL({**PARAMS, WEIGHT: np.ones((4, 2))}, BATCH), ValueError, f"'{WEIGHT}' has shape (4, 2)", "needs (3, 2)", "model.init again"),
    bad("a parameter of integers", lambda: MODEL({**PARAMS, WEIGHT: np.ones((3, 2), int)}, BATCH), TypeError, WEIGHT, "int64", "convert it to float"),
    bad("a complex parameter", lambda: MODEL({**PARAMS, WEIGHT: np.ones((3, 2)) * 1j}, BATCH), TypeError, WEIGHT, "complex128"),
    bad("a shared layer", lambda: gn.Sequential(shared, shared, shared).init(0, BATCH), ValueError, "'0.graphconv.weight' has shape (3, 5)", "(5, 5)", "used 3 times", "separate objects"),
    bad("arguments swapped", lambda: MODEL(BATCH, PARAMS), TypeError, "dict of parameters first", "Batch", "model(params, graphs)"),
    bad("a list of parameters", lambda: MODEL([np.ones(2)], BATCH), TypeError, "dict of parameters first", "list"),
    bad("a seed in a string", lambda: MODEL.init("0", BATCH), TypeError, "seed must be an integer", "str"),
    bad("a broken seed", lambda: MODEL.init(0.5, BATCH), TypeError, "seed must be an integer", "float"),
    bad("a negative seed", lambda: MODEL.init(-1, BATCH), ValueError, "seed is -1", "negative"),
    bad("an array of strings", lambda: gn.Dense(1).init(0, np.array([["a"]])), TypeError, "array of numbers", "<U1"),
    bad("a complex array", lambda: gn.Dense(1).init(0, np.ones((2, 2)) * 1j), TypeError, "array of numbers", "complex128"),
    bad("a model of numbers", lambda: MODEL(PARAMS, 3), TypeError, "cannot make a graph of int"),
    bad("a member that is a number", lambda: gn.Sequential(gn.Dense(1), 3), TypeError, "Sequential: member 1 is a int", "layer or a function"),
    bad("a member that is a list", lambda: gn.Sequential([gn.Dense(1)]), TypeError, "Sequential: member 0 is a list", "unpack it: Sequential(*layers)"),
    bad("a member that is an activation", lambda: gn.Sequential(gn.Dense(1), gn.relu), TypeError, "member 1 is relu, a function of one argument", "activation="),
    bad("a member that is a class", lambda: gn.Sequential(gn.SumPool), TypeError, "member 0 is the class SumPool", "SumPool(...)"),
    bad("a dot in a name", lambda: gn.Sequential(**{"a.b": gn.Dense(1)}), ValueError, "'a.b' has a dot"),
    bad("dropout without noise", lambda: gn.Sequential(gn.Dropout(0.5)).apply({}, X, train=True), ValueError, "0.dropout", "training needs randomness", "rng=(seed, step)"),
    bad("dropout of everything", lambda: gn.Dropout(1.0), ValueError, "Dropout: rate", "[0, 1)", "1.0"),
    bad("a negative rate", lambda: gn.Dropout(-0.1), ValueError, "Dropout: rate", "-0.1"),
    bad("a rate that is nan", lambda: gn.Dropout(float("nan")), ValueError, "Dropout: rate", "nan"),
    bad("two columns of codes", lambda: gn.Embedding(2, count=4).init(0, X), ValueError, "Embedding: expected one column", "(3, 2)"),
    bad("a code too high", lambda: gn.Embedding(2, count=4).init(0, np.array([[0], [4]])), ValueError, "Embedding", "codes 0..3", "from 0 to 4"),
    bad("a negative code", lambda: gn.Embedding(2, count=4).init(0, np.array([[-1]])), ValueError, "Embedding", "codes 0..3", "from -1"),
    bad("half a code", lambda: gn.Embedding(2, count=4).init(0, np.array([[0.5]])), ValueError, "Embedding", "whole codes 0..3"),
    bad("too many bonds", lambda: gn.NeuralFingerprint(4, max_degree=1).init(0, BATCH), gn.GraphError, "graphs[1].receivers", "node 1 has 3 in-edges", "degrees 0..1", "max_degree=3"),
    bad("a residual of another width", lambda: gn.Residual(gn.Dense(5)).init(0, X), ValueError, "Residual", "(3, 2) into (3, 5)", "width 2"),
    # convolutions
    bad("edges of another width", lambda: gn.GINEConv(2)(gn.GINEConv(2).init(0, BATCH), BATCH.replace(edges=np.ones((11, 5)))), ValueError, "'edge' has shape (2, 3), this input needs (5, 3)", "model.init again"),
    bad("bonds of another width", lambda: gn.PNAConv(2)(gn.PNAConv(2).init(0, BATCH), BATCH.replace(edges=np.ones((11, 5)))), ValueError, "'edge' has shape (2, 3), this input needs (5, 3)", "model.init again"),
    bad("one kernel as several", lambda: gn.MultiKernelConv(2, k.adjacency), TypeError, "MultiKernelConv: kernels must be a tuple, got function", "kernels=(first, second)", "GraphConv"),
    bad("kernels in a list", lambda: gn.MultiKernelConv(2, [k.adjacency]), TypeError, "MultiKernelConv: kernels must be a tuple, got list"),
    bad("no kernels for a layer", lambda: gn.MultiKernelConv(2, ()), ValueError, "MultiKernelConv: got no kernels", "use Dense"),
    bad("an unknown kernel among several", lambda: gn.MultiKernelConv(2, ("own", "owm")).init(0, BATCH), KeyError, "no kernel 'owm'", "did you mean 'own'"),
    bad("Chebyshev of order zero", lambda: gn.ChebConv(2, 0), ValueError, "ChebConv: order must be 1 or more, got 0", "use Dense"),
    bad("a polynomial of order zero", lambda: gn.TAGConv(2, 0), ValueError, "TAGConv: order must be 1 or more, got 0", "use Dense"),
    bad("no steps", lambda: gn.SGConv(2, 0), ValueError, "SGConv: steps must be 1 or more, got 0", "use Dense"),
    bad("negative steps of APPNP", lambda: gn.APPNP(-1), ValueError, "APPNP: steps must be 0 or more, got -1"),
    bad("restart above one", lambda: gn.APPNP(restart=1.5), ValueError, "APPNP: restart must lie in [0, 1], got 1.5", "alpha"),
    bad("a restart that is nan", lambda: gn.APPNP(restart=float("nan")), ValueError, "APPNP: restart", "nan"),
    bad("heat without time", lambda: gn.HeatConv(2, time=0.0), ValueError, "HeatConv: time must be positive, got 0.0", "try 1"),
    bad("heat for a nan", lambda: gn.HeatConv(2, time=float("nan")), ValueError, "HeatConv: time must be positive, got nan"),
    bad("heat for ever", lambda: gn.HeatConv(2, time=1e4).init(0, BATCH), ValueError, "a time of 10000, wanted one from 0 to 1000", "smaller step size"),
    bad("heat backwards", lambda: BATCH.diffuse(k.adjacency, BATCH.nodes, np.array(-1.0)), ValueError, "a time of -1, wanted"),
    bad("no stacks", lambda: gn.ARMAConv(2, stacks=0), ValueError, "ARMAConv: stacks must be 1 or more, got 0"),
    bad("no steps of ARMA", lambda: gn.ARMAConv(2, steps=0), ValueError, "ARMAConv: steps must be 1 or more, got 0"),
    bad("a negative lambda_max", lambda: k.ScaledLaplacian(-1.0), ValueError, "ScaledLaplacian: lambda_max must be positive, got -1.0"),
    bad("an aggregate nobody knows", lambda: gn.SAGEConv(2, "median"), ValueError, "SAGEConv: aggregate 'median' is not known", "'mean', 'max', 'sum'"),
    bad("an aggregate of pairs nobody knows", lambda: gn.EdgeConv(gn.Dense(2), "lstm"), ValueError, "EdgeConv: aggregate 'lstm' is not known", "'max', 'mean', 'sum'"),
    bad("aggregates nobody knows", lambda: gn.PNAConv(2, ("mean", "mode")), ValueError, "PNAConv: aggregates 'mode' is not known", "'mean', 'sum', 'max', 'min', 'std'"),
    bad("scalers nobody knows", lambda: gn.PNAConv(2, scalers=("linear",)), ValueError, "PNAConv: scalers 'linear' is not known", "'identity', 'amplification', 'attenuation'"),
    bad("one aggregate as several", lambda: gn.PNAConv(2, "mean"), ValueError, "PNAConv: aggregates must be a tuple of one name or more, got 'mean'"),
    bad("no scalers", lambda: gn.PNAConv(2, scalers=()), ValueError, "PNAConv: scalers must be a tuple of one name or more, got ()"),
    bad("weights that add to zero", lambda: gn.SAGEConv(2).init(0, graph(weights=[0.5, -1])), gn.GraphError, "weights", "node 2 has weighted degree -1", "positive"),
    *(
        bad(f"kernels in place of edges for {type(layer).__name__}", lambda layer=layer: layer.init(0, gn.pack(nodes=TWO, kernels=EYES)), gn.GraphError, "edges", "came with kernels and no edges", f"{type(layer).__name__} goes by the edges", "GraphConv")
        for layer in (gn.GINEConv(2), gn.SAGEConv(2, "max"), gn.EdgeConv(gn.Dense(2)), gn.PNAConv(2))
    ),
    bad("no edges to read out", lambda: gn.Edges()({}, PLAIN), ValueError, "Edges: the graphs have no edge features", "edges="),
    bad("no globals to read out", lambda: gn.Globals()({}, PLAIN), ValueError, "Globals: the graphs have no global features", "globals="),
    # attention
    *(
        bad(f"{kind.__name__}: {name}", lambda kind=kind, fields=fields: kind(**fields), ValueError, f"{kind.__name__}: ", *says)
        for kind in (gn.GATConv, gn.GATv2Conv, gn.TransformerConv)
        for name, fields, says in (
            ("heads that do not divide", {"width": 10, "heads": 4}, ("4 heads cannot share a width of 10", "width=12", "concat=False")),
            ("no heads", {"width": 4, "heads": 0}, ("heads must be 1 or more, got 0",)),
            ("dropout of everything", {"width": 4, "dropout": 1.0}, ("probability of dropping", "[0, 1)", "1.0")),
        )
    ),
    *(
        bad(f"{type(layer).__name__} with kernels in place of edges", lambda layer=layer: layer.init(0, gn.pack(nodes=[X], kernels=[np.eye(3)])), gn.GraphError, "came with kernels and no edges", type(layer).__name__, "senders and receivers")
        for layer in (gn.GATConv(2), gn.GATv2Conv(2), gn.TransformerConv(2), gn.AGNNConv())
    ),
    bad("edge features of another width", lambda: gn.GATConv(2, edges=True)(gn.GATConv(2, edges=True).init(0, BATCH), graph(edges=np.ones((2, 5)), nodes=np.ones((3, 3)))), ValueError, "'edge_weight' has shape (2, 2)", "needs (5, 2)"),
    # attention readouts
    bad("a gate of another width", lambda: gn.AttentionPool(gn.Dense(2)).init(0, PLAIN), ValueError, "AttentionPool: the gate has 2 columns", "1 or the 3", "gate=Dense(1)"),
    bad("no steps of Set2Set", lambda: gn.Set2Set(0), ValueError, "Set2Set: steps must be 1 or more", "0"),
    bad("no nodes to keep", lambda: gn.SortPool(0), ValueError, "SortPool: k must be 1 or more", "0"),
    # messages and relations
    *(
        bad(f"{type(layer).__name__} without edge features", lambda layer=layer: layer.init(0, PLAIN), gn.GraphError, "graph.edges", type(layer).__name__, "needs edge features and there are none", "Graph(..., edges=...)")
        for layer in (gn.EdgesToNodes(), gn.NNConv(2), gn.DMPNN(2), gn.RGCNConv(2, 3), gn.CFConv(2, distance=0), gn.GINEConv(2),
                      gn.GATConv(2, edges=True), gn.GATv2Conv(2, edges=True), gn.TransformerConv(2, edges=True))
    ),
    *(
        bad(f"{type(layer).__name__} on kernels", lambda layer=layer: layer.init(0, gn.pack(nodes=TWO, kernels=EYES)), gn.GraphError, "graph.edges", "kernels and no edges", type(layer).__name__, "give senders and receivers")
        for layer in (gn.GraphNetwork(node_update=gn.Dense(1)), gn.CFConv(2), gn.SchNetBlock())
    ),
    *(
        bad(f"another aggregate for {make.__name__}", lambda make=make: make(aggregate="max"), ValueError, ": aggregate 'max' is not known; use one of", *names)
        for make, names in ((neural, ("'sum', 'mean'",)), (gn.GraphNetwork, ("'sum', 'mean'",)), (relational, ("'mean', 'sum'",)))
    ),
    bad("negative steps of DMPNN", lambda: gn.DMPNN(2, -1), ValueError, "DMPNN: steps must be 0 or more", "-1"),
    bad("a block without updates", gn.GraphNetwork, ValueError, "GraphNetwork: no update was given", "edge_update="),
    bad("no positions", lambda: gn.CFConv(2).init(0, PLAIN), gn.GraphError, "graph.positions", "CFConv", "positions=...", "distance=0"),
    bad("no positions for a block", lambda: gn.SchNetBlock().init(0, PLAIN), gn.GraphError, "graph.positions", "distance=0"),
    bad("no such column of distances", lambda: gn.CFConv(2, distance=2).init(0, BATCH), gn.GraphError, "graph.edges", "CFConv finds distances in column 2", "edges have 2"),
    bad("a negative column of distances", lambda: gn.CFConv(2, distance=-1), ValueError, "CFConv: distance must be the number of a column", "-1"),
    bad("a cutoff of zero", lambda: gn.CFConv(2, cutoff=0.0), ValueError, "CFConv: cutoff must be positive", "0.0"),
    bad("a cutoff that is nan", lambda: gn.SchNetBlock(cutoff=float("nan")), ValueError, "cutoff must be positive", "nan"),
    bad("one Gaussian", lambda: gn.SchNetBlock(gaussians=1), ValueError, "gaussians must be 2 or more", "1"),
    bad("a relation too high", lambda: gn.RGCNConv(2, 2).init(0, KINDS), gn.GraphError, "graphs[1].edges", "edge 2 has 2 in column 0", "whole number 0..1", "relations="),
    bad("half a relation", lambda: gn.RGCNConv(2, 3).init(0, KINDS.replace(edges=KINDS.edges + 0.5)), gn.GraphError, "graphs[0].edges", "edge 0 has 0.5 in column 0", "0..2"),
    bad("a negative relation", lambda: gn.RGCNConv(2, 3).init(0, KINDS.replace(edges=KINDS.edges - 1)), gn.GraphError, "graphs[0].edges", "edge 0 has -1"),
    bad("no such column of relations", lambda: gn.RGCNConv(2, 3, column=1).init(0, KINDS), gn.GraphError, "graph.edges", "relation in column 1", "edges have 1", "column="),
    bad("a negative column of relations", lambda: gn.RGCNConv(2, 3, column=-1), ValueError, "RGCNConv: column must be 0 or more", "-1"),
    bad("no relations", lambda: gn.RGCNConv(2, 0), ValueError, "RGCNConv: relations must be 1 or more", "0"),
    bad("no kernels as relations", lambda: gn.RGCNConv(2, ()), ValueError, "relations must be 1 or more", "()"),
    bad("bases and blocks", lambda: gn.RGCNConv(2, 3, bases=2, blocks=2), ValueError, "bases=2 and blocks=2 exclude each other"),
    bad("no bases", lambda: gn.RGCNConv(2, 3, bases=0), ValueError, "bases must be 1 or more", "0"),
    bad("blocks that do not divide", lambda: gn.RGCNConv(4, 3, blocks=2).init(0, KINDS), ValueError, "blocks=2 must divide the 3 features that come in and width=4", "bases="),
    # pools
    bad("a ratio above one", lambda: gn.TopKPool(2), ValueError, "TopKPool: ratio must lie in (0, 1], got 2", "pass k="),
    bad("a ratio of zero", lambda: gn.SAGPool(0.0), ValueError, "SAGPool: ratio must lie in (0, 1], got 0.0"),
    bad("a ratio that is nan", lambda: gn.TopKPool(float("nan")), ValueError, "TopKPool: ratio", "nan"),
    bad("none of the nodes", lambda: gn.SAGPool(k=0), ValueError, "SAGPool: k must be 1 or more, got 0"),
    bad("a score of two columns", lambda: gn.SAGPool(score=gn.GraphConv(2)).init(0, PLAIN), ValueError, "SAGPool: the score has 2 columns, wanted 1", "GraphConv(1)"),
    bad("no clusters", lambda: gn.DiffPool(gn.Dense(0)).init(0, PLAIN), ValueError, "DiffPool: `assign` gives shape (7, 0)", "a column for each cluster", "GraphConv(k)"),
    bad("an assignment of graphs", lambda: gn.MinCutPool(gn.SumPool()).init(0, PLAIN), ValueError, "MinCutPool: `assign` gives shape (2, 3)", "each of 7 nodes"),
    bad("negative weights to cut", lambda: gn.MinCutPool(gn.Dense(2)).init(0, PLAIN.replace(weights=-np.ones(11))), gn.GraphError, "weights", "weight 0 or more, got -1", "DiffPool"),
    bad("globals of another width than the nodes", lambda: gn.VirtualNode(gn.Dense(3), gn.Dense(3)).init(0, graph(globals=[1, 2, 3])), gn.GraphError, "globals", "3 columns of the globals to the 2 of the nodes", "Dense(3)"),
    bad("a pool inside of a virtual node", lambda: gn.VirtualNode(gn.SumPool(), gn.Dense(3)).init(0, PLAIN), TypeError, "VirtualNode: SumPool returns no graphs", "behind VirtualNode"),
    *(
        bad(f"kernels in place of edges for {type(layer).__name__}", lambda layer=layer: layer.init(0, gn.pack(nodes=TWO, kernels=EYES)), gn.GraphError, "edges", "came with kernels and no edges", f"{type(layer).__name__} goes by the edges", "GraphConv")
        for layer in (gn.TopKPool(), gn.SAGPool(), gn.DiffPool(gn.Dense(2)), gn.MinCutPool(gn.Dense(2)))
    ),
    # recurrent
    *(
        bad(f"{type(cell).__name__}: {name}", lambda cell=cell, call=call: call(cell), ValueError, f"{type(cell).__name__}: ", *says)
        for cell in (gn.RNNCell(2), gn.GRUCell(2), gn.LSTMCell(2), gn.GraphGRUCell(2))
        for name, call, says in (
            ("a sequence for one step", lambda cell: cell.init(0, PLAIN.replace(nodes=np.ones((7, 3, 4)))), ("one step takes features (n, d)", "(7, 3, 4)", "Recurrent(", "Cell(2))")),
            ("a state of other rows", lambda cell: cell({}, PLAIN, state_for(cell, np.ones((3, 2)))), ("state must have shape (7, 2)", "7 rows", "(3, 2)")),
            ("a state of another width", lambda cell: cell({}, PLAIN, state_for(cell, np.ones((7, 5)))), ("state must have shape (7, 2)", "(7, 5)")),
            ("a state in a list", lambda cell: cell({}, PLAIN, state_for(cell, [1.0])), ("state must have shape (7, 2)", "list")),
        )
    ),
    bad("an LSTM with half of its state", lambda: gn.LSTMCell(2)({}, PLAIN, np.ones((7, 2))), TypeError, "LSTMCell: the state must be a pair (h, c)", "ndarray"),
    bad("a state for a layer that takes none", lambda: gn.Dense(2)({}, X, X), TypeError, "forward() takes 3 positional arguments"),
    bad("no state through time", lambda: gn.Recurrent(gn.Dense(2)), TypeError, "Recurrent: Dense(2) takes no state", "GRUCell(8)", "state=None"),
    bad("a number through time", lambda: gn.Recurrent(3), TypeError, "Recurrent: 3 takes no state"),
    bad("no time axis", lambda: gn.Recurrent(gn.GRUCell(2)).init(0, X), ValueError, "Recurrent: wanted features (n, time, d)", "(3, 2)", "Frames(count)"),
    bad("no time", lambda: gn.Recurrent(gn.GRUCell(2)).init(0, np.ones((3, 0, 2))), ValueError, "one time or more", "(3, 0, 2)"),
    bad("no frames", lambda: gn.Frames(0), ValueError, "Frames: count must be 1 or more", "0"),
    bad("frames that do not divide", lambda: gn.Frames(2)({}, PLAIN), ValueError, "Frames: features of shape (7, 3)", "2 equal frames"),
    bad("a state too narrow for the features", lambda: gn.GatedGraphConv(2, 1).init(0, PLAIN), ValueError, "GatedGraphConv: 3 features do not fit", "width 2", "width=3"),
    bad("no rounds of messages", lambda: gn.GatedGraphConv(2, 0), ValueError, "GatedGraphConv: steps must be 1 or more", "0"),
    bad("a width that is no number", lambda: gn.GraphConv("a").init(0, PLAIN), ValueError, "parameter 'weight' would have shape (3, 'a')", "whole numbers"),
    bad("a width below nothing", lambda: gn.Dense(-1).init(0, X), ValueError, "parameter 'weight' would have shape (2, -1)", "whole numbers"),
    bad("no repetitions", lambda: gn.Repeat(gn.Dense(2), 0), ValueError, "Repeat: steps must be 1 or more", "0"),
    bad("a repetition of another width", lambda: gn.Repeat(gn.Dense(5), 4).init(0, X), ValueError, "'inner.weight' has shape (2, 5)", "(5, 5)", "used 4 times"),
    # jumping knowledge
    bad("an unknown way to jump", lambda: gn.JumpingKnowledge(UNEVEN, "cat"), ValueError, "JumpingKnowledge: mode", "concat, max, lstm", "'cat'"),
    bad("a list to jump over", lambda: gn.JumpingKnowledge([gn.Dense(1)]), TypeError, "expected a Sequential", "list", "JumpingKnowledge(Sequential("),
    bad("nothing to jump over", lambda: gn.JumpingKnowledge(gn.Sequential()), ValueError, "no layers", "one or more"),
    bad("the largest of two widths", lambda: gn.JumpingKnowledge(UNEVEN, "max").init(0, X), ValueError, "'max'", "same rows and width", "(3, 2), (3, 4)"),
    bad("the choice of two widths", lambda: gn.JumpingKnowledge(UNEVEN, "lstm").init(0, X), ValueError, "'lstm'", "same rows and width", "(3, 2), (3, 4)"),
    bad("a jump over a pool", lambda: gn.JumpingKnowledge(gn.Sequential(gn.Dense(2), gn.SumPool())).init(0, PLAIN), ValueError, "'concat'", "same rows", "(7, 2), (2, 2)"),
    bad("a jump over sequences", lambda: gn.JumpingKnowledge(gn.Sequential(gn.Dense(2))).init(0, np.ones((3, 4, 1))), ValueError, "features (n, width)", "(3, 4, 2)"),
    *(
        bad(f"{type(layer).__name__} behind a pool", lambda layer=layer: gn.Sequential(gn.SumPool(), layer).init(0, PLAIN), TypeError, type(layer).__name__, "needs graphs", "array of shape (2, 3)", "before the pool")
        for layer in (gn.GraphConv(2), gn.GINConv(2), gn.NeuralFingerprint(2),
                      gn.GINEConv(2), gn.MorrisConv(2), gn.MultiKernelConv(2, (k.adjacency,)), gn.SGConv(2), gn.TAGConv(2), gn.ChebConv(2), gn.APPNP(), gn.HeatConv(2), gn.ARMAConv(2), gn.SAGEConv(2), gn.EdgeConv(gn.Dense(2)), gn.PNAConv(2),
                      gn.SumPool(), gn.MeanPool(), gn.MaxPool(), gn.Nodes(), gn.Edges(), gn.Globals(),
                      gn.GATConv(2), gn.GATv2Conv(2), gn.TransformerConv(2), gn.AGNNConv(), gn.AttentionPool(), gn.Set2Set(1), gn.SortPool(1),
                      gn.MinPool(), gn.StdPool(), gn.TopKPool(), gn.SAGPool(), gn.DiffPool(gn.Dense(2)), gn.MinCutPool(gn.Dense(2)), gn.VirtualNode(gn.Dense(2), gn.Dense(2)),
                      gn.GraphGRUCell(2), gn.GatedGraphConv(3, 1))
    ),
]  # fmt: skip

IMAGE = np.ones((2, 4, 4, 1))

# norms, noise, grids, containers
NOISE_AND_GRIDS = [
    *(
        bad(f"{type(layer).__name__} behind a pool", lambda layer=layer: gn.Sequential(gn.SumPool(), layer).init(0, PLAIN), TypeError, type(layer).__name__, "needs graphs", "array of shape (2, 3)", "before the pool")
        for layer in (gn.InstanceNorm(), gn.GraphNorm(), gn.PairNorm(), gn.MeanSubtractionNorm(), gn.LayerNorm(per="graph"), gn.EdgeDropout(0.5), gn.PathDropout(0.5))
    ),
    *(
        bad(f"{make.__name__} of everything", lambda make=make: make(1.0), ValueError, f"{make.__name__}: rate", "probability of dropping", "[0, 1)", "1.0")
        for make in (gn.NodeDropout, gn.EdgeDropout, gn.PathDropout)
    ),
    bad("dropconnect of everything", lambda: gn.DropConnect(gn.Dense(1), 1.0), ValueError, "DropConnect: rate", "[0, 1)", "1.0"),
    bad("a path of no edges", lambda: gn.PathDropout(0.5, length=0), ValueError, "PathDropout", "length of 1 edge or more", "got 0"),
    bad("negative noise", lambda: gn.GaussianNoise(-1.0), ValueError, "GaussianNoise: scale", "0 or more", "-1.0"),
    bad("noise of nan", lambda: gn.GaussianNoise(float("nan")), ValueError, "GaussianNoise: scale", "nan"),
    bad("edges dropped without noise", lambda: gn.Sequential(gn.EdgeDropout(0.5)).apply({}, PLAIN, train=True), ValueError, "0.edgedropout", "training needs randomness", "rng=(seed, step)"),
    bad("weights dropped without noise", lambda: gn.DropConnect(gn.Dense(1), 0.5).apply({"inner.weight": X.T, "inner.bias": X[0]}, X, train=True), ValueError, "inner.weight", "training needs randomness"),
    bad("a norm per batch", lambda: gn.LayerNorm(per="batch"), ValueError, "LayerNorm: per must be 'node' or 'graph'", "'batch'"),
    bad("edges kept by number", lambda: PLAIN.keep_edges([0, 1]), ValueError, "keep_edges: expected 11 booleans (one per edge)", "(2,) of int64"),
    bad("too few edges kept", lambda: PLAIN.keep_edges([True]), ValueError, "keep_edges: expected 11 booleans", "(1,) of bool"),
    bad("an image without channels", lambda: gn.Conv2D(1).init(0, IMAGE[..., 0]), ValueError, "Conv2D: expected an array (n, height, width, channels)", "(2, 4, 4)", "x[..., None]"),
    bad("a sequence without channels", lambda: gn.Conv1D(1).init(0, IMAGE[..., 0, 0]), ValueError, "Conv1D: expected an array (n, length, channels)", "(2, 4)"),
    bad("a window too large", lambda: gn.Conv2D(1, 5).init(0, IMAGE), ValueError, "Conv2D: a window of (5, 5) does not fit into a grid of (4, 4) padded by (0, 0)", "smaller size"),
    bad("a pool too large", lambda: gn.AvgPool2D(5)({}, IMAGE), ValueError, "AvgPool2D: a window of (5, 5)"),
    bad("too many sizes", lambda: gn.Conv1D(1, (3, 3)).init(0, IMAGE[0]), ValueError, "Conv1D: size must be 1 number(s) of 1 or more", "(3, 3)"),
    bad("a stride of zero", lambda: gn.Conv2D(1, stride=0).init(0, IMAGE), ValueError, "Conv2D: stride must be 2 number(s) of 1 or more", "got 0"),
    bad("a negative padding", lambda: gn.Conv2D(1, padding=-1).init(0, IMAGE), ValueError, "Conv2D: padding must be 2 number(s) of 0 or more", "got -1"),
    bad("a pool of padding", lambda: gn.MaxPool2D(2, padding=2)({}, IMAGE), ValueError, "MaxPool2D: padding (2, 2) is more than half of size (2, 2)"),
    *(
        bad(f"graphs for {type(layer).__name__}", lambda layer=layer: layer.init(0, PLAIN), TypeError, type(layer).__name__, "array on a grid, got graphs", "behind a pool")
        for layer in (gn.Conv1D(1), gn.Conv2D(1), gn.MaxPool2D(), gn.AvgPool2D(), gn.Flatten())
    ),
    bad("an image of two axes as a graph", lambda: gn.grid_graph(np.ones((2, 2))), ValueError, "grid_graph: expected an image (height, width, channels)", "(2, 2)", "image[:, :, None]"),
    bad("a grid of no reach", lambda: gn.grid_graph(IMAGE[0], 0), ValueError, "grid_graph: reach must be 1 or more", "0"),
    bad("an offset without positions", lambda: conv(k.Offset((0, 1)), PLAIN), gn.GraphError, "positions: Offset((0, 1)) needs positions of 2 dimensions", "got none"),
    bad("an offset of other dimensions", lambda: gn.grid_graph(IMAGE[0]).kernel(k.Offset((0, 1, 0))), gn.GraphError, "needs positions of 3 dimensions, got those of 2"),
    bad("no widths", lambda: gn.MLP(()), ValueError, "MLP: needs at least one width"),
    bad("nothing to join", gn.Concat, ValueError, "Concat: needs at least one layer"),
    bad("graphs beside arrays", lambda: gn.Concat(gn.GraphConv(2), gn.SumPool()).init(0, PLAIN), ValueError, "Concat: the layers give arrays (2,) and graphs (7,)", "one kind"),
    bad("a number side by side", lambda: gn.Concat(3), TypeError, "Concat: member 0 is a int"),
    bad("half the names", lambda: gn.Parallel(gn.Dense(1), label=gn.Dense(1)), TypeError, "Parallel: got 1 unnamed and 1 named layers", "name all"),
    bad("nothing in parallel", gn.Parallel, TypeError, "Parallel: got 0 unnamed and 0 named layers"),
    bad("a list in parallel", lambda: gn.Parallel([gn.Dense(1)]), TypeError, "Parallel: member 0 is a list", "unpack it: Parallel(*layers)"),
    bad("a lambda of edges", lambda: gn.Lambda(np.abs, of="edges"), ValueError, "Lambda: of must be 'features' or 'graphs'", "'edges'"),
    bad("an activation as member", lambda: gn.Sequential(gn.relu), TypeError, "a function of one argument", "Lambda(relu)"),
]  # fmt: skip

LABELS, SEEN = np.zeros(7, int), np.arange(7) == 0

PROPAGATION = [
    bad("restart above 1", lambda: propagate(PLAIN, np.ones(7), restart=1.5), ValueError, "propagate: restart must lie in [0, 1]", "1.5"),
    bad("no restart and no steps", lambda: propagate(PLAIN, np.ones(7), restart=0), ValueError, "restart=0", "steps="),
    bad("negative steps", lambda: propagate(PLAIN, np.ones(7), steps=-1), ValueError, "steps must be 0 or more", "-1"),
    bad("a signal too short", lambda: propagate(PLAIN, np.ones(3)), ValueError, "signal has shape (3,)", "7 rows (one per node)"),
    bad("a number as signal", lambda: propagate(PLAIN, 1.0), ValueError, "signal has shape ()", "7 rows"),
    bad("a nan in the signal", lambda: propagate(PLAIN, np.full(7, np.nan)), ValueError, "signal", "not finite"),
    bad("nobody seen", lambda: spread_labels(PLAIN, LABELS, SEEN & False), ValueError, "7 booleans", "at least one True"),
    bad("seen as numbers", lambda: spread_labels(PLAIN, LABELS, SEEN.astype(int)), ValueError, "7 booleans", "int64"),
    bad("seen of another length", lambda: spread_labels(PLAIN, LABELS, SEEN[:3]), ValueError, "7 booleans", "(3,)"),
    bad("a negative label", lambda: spread_labels(PLAIN, LABELS - 1, SEEN), ValueError, "seen label is -1", "from 0"),
    bad("floating labels", lambda: spread_labels(PLAIN, LABELS * 1.0, SEEN), TypeError, "whole number per node", "float64"),
    bad("labels of two dimensions", lambda: spread_labels(PLAIN, LABELS[:, None], SEEN), TypeError, "one whole number per node", "(7, 1)"),
    bad("labels too few", lambda: spread_labels(PLAIN, LABELS[:3], SEEN[:3]), ValueError, "signal has shape (3, 1)", "7 rows"),
]  # fmt: skip

EVERY = [*GRAPHS, *NETWORKX, *PACK, *BATCHES, *MODELS, *NOISE_AND_GRIDS, *PROPAGATION]


@pytest.mark.parametrize("case", EVERY, ids=str)
def test_a_bad_call_is_refused_in_words_that_help_and_leaves_nothing_behind(case):
    with pytest.raises(case.error) as caught:
        case.call()
    assert type(caught.value) is case.error
    message = str(caught.value)
    pattern = ".*".join(re.escape(part) for part in case.says)
    assert re.search(pattern, message, re.DOTALL), message
    again = MODEL(PARAMS, BATCH)
    assert again.tobytes() == GOOD.tobytes()


def test_a_graph_error_says_where_and_travels_through_pickle():
    with pytest.raises(gn.GraphError) as caught:
        gn.pack([graph(), graph(nodes=np.ones((3, 5)))])
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        assert (error.index, error.attribute) == (1, "nodes")
        assert str(error) == str(caught.value)
