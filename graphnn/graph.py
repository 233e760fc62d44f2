"""One graph as arrays, and what a kernel is: a function of it that gives an (n, n) array.

Direction, once and for all: an edge goes from its sender to its receiver, and A[i, j] is the weight of the edge from
j to i. Rows receive: (K @ h)[i] gathers at node i.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse

from graphnn import ops
from graphnn.checks import GraphError, indices, listing, nearest, numbers, rows
from graphnn.memory import check_room
from graphnn.ops import SparseMatrix
from graphnn.ops.sparse import Pattern, group, offsets, ranges
from graphnn.types import Array, KernelFn


def local(kernel: Any) -> Any:
    """Mark a kernel whose value on a disjoint union is the block diagonal of its values on the parts.

    Such a kernel is computed once for a whole batch instead of once for each graph. Without the mark a kernel is
    always right, only slower.

    >>> @local
    ... def twice(graph):
    ...     return 2 * graph.adjacency
    """
    kernel.is_local = True
    return kernel


class Arcs:
    """What graphs and packed graphs share: their edges seen as a matrix."""

    senders: np.ndarray
    receivers: np.ndarray
    weights: Array | None
    nodes: Any

    @property
    def n_nodes(self) -> int:
        return self.nodes.shape[0]

    @property
    def n_edges(self) -> int:
        return self.senders.shape[0]

    @property
    def dtype(self) -> np.dtype:
        """The floating type everything computed from this graph has."""
        return self.nodes.dtype

    @cached_property
    def _edges_by_receiver(self) -> tuple[Pattern, np.ndarray]:
        grouped, order = group(self.receivers, self.n_nodes)
        return Pattern(grouped.indptr, self.senders[order], (self.n_nodes, self.n_nodes)), order.astype(np.int32)

    @property
    def sparse_adjacency(self) -> SparseMatrix:
        """A as a matrix of `ops`, whose values follow traced edge weights; parallel edges are entries that add."""
        pattern, order = self._edges_by_receiver
        weights = np.ones(self.n_edges, self.dtype) if self.weights is None else self.weights
        return SparseMatrix(pattern, ops.primitives.permuted(weights, order))

    @property
    def adjacency(self) -> Any:
        """A as a SciPy CSR array: A[i, j] is the weight of the edge from j to i, parallel edges added."""
        if ops.is_traced(self.weights):
            raise TypeError(
                "graph.adjacency is a SciPy array and cannot follow traced edge weights; "
                "in a kernel use graph.sparse_adjacency and functions of gn.ops"
            )
        matrix = self.sparse_adjacency.toscipy()
        matrix.sum_duplicates()
        return matrix

    @cached_property
    def nonbacktracking(self) -> SparseMatrix:
        """B[(v, w), (k, v)] = 1 for k != w: what arrives at the sender of an edge, but not from its receiver.

        (n_edges, n_edges) of ones (Hashimoto 1989), the edges in their order and without their weights. All parallel
        edges from w to v are left out alike, so nothing needs to be paired, and one that has no reverse leaves nothing
        out. A node with p edges in and q out makes up to p q entries.
        """
        by_receiver, order = self._edges_by_receiver
        starts, sizes = by_receiver.indptr[self.senders], np.diff(by_receiver.indptr)[self.senders]
        remedy = "a node with p edges in and q out makes p q of them; leave out edges of the largest nodes"
        check_room("graph.nonbacktracking", (int(sizes.sum()),), np.intp, remedy, copies=2)
        after, before = np.repeat(np.arange(self.n_edges), sizes), order[ranges(starts, sizes)]
        onward = self.senders[before] != self.receivers[after]
        after, before = after[onward], before[onward]
        indptr = offsets(np.bincount(after, minlength=self.n_edges))
        return SparseMatrix(Pattern(indptr, before, (self.n_edges, self.n_edges)), np.ones(len(before), self.dtype))

    def locate(self, node: int) -> tuple[int | None, int]:
        """Return the number of the graph a node belongs to (None for a single graph) and its number in there."""
        return None, node


@dataclass(frozen=True, eq=False, repr=False)
class Graph(Arcs):
    """One graph as arrays; checked when made, read-only ever after.

    nodes: (n_nodes, f) features, dense or a SciPy sparse matrix (then they are constants that only `@` touches)
    senders, receivers: (n_edges,) node numbers; an undirected edge is two of them
    edges: (n_edges, e) edge features;  weights: (n_edges,) edge weights, 1 when None
    positions: (n_nodes, p) coordinates;  globals: (g,) features of the whole graph
    kernels: {name: (n_nodes, n_nodes) array} that come with the graph
    names: what the nodes are called, in order, any hashable values

    Raises GraphError, which names the attribute, what came and what was wanted.

    >>> Graph(np.ones((3, 1)), senders=[0, 1], receivers=[1, 2])
    Graph(n_nodes=3, n_edges=2, nodes=(3, 1) float64; A[i, j] is the edge from j to i)
    """

    nodes: Any
    senders: Any = ()
    receivers: Any = ()
    edges: Any = None
    weights: Any = None
    positions: Any = None
    globals: Any = None
    kernels: Mapping[str, Any] = field(default_factory=dict)
    names: Sequence[Any] | None = None
    _memo: dict = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "nodes", node_features(self.nodes))
        n, dtype = self.n_nodes, self.dtype
        if np.ndim(self.senders) == 2 and len(self.senders) == 2:
            shape = np.shape(self.senders)
            raise GraphError("senders", f"got shape {shape}; take an edge index apart: senders, receivers = edge_index")
        put(self, "senders", indices(self.senders, "senders", n))
        put(self, "receivers", indices(self.receivers, "receivers", n))
        if len(self.senders) != len(self.receivers):
            raise GraphError(
                "receivers", f"expected {len(self.senders)} entries (one per sender), got {len(self.receivers)}"
            )
        m = len(self.senders)
        put(self, "edges", features(self.edges, "edges", m, "one per edge", dtype))
        put(self, "weights", edge_weights(self.weights, m, dtype))
        put(self, "positions", features(self.positions, "positions", n, "one per node", dtype))
        if self.globals is not None:
            put(self, "globals", numbers(self.globals, "globals").astype(dtype, copy=False).ravel())
        if self.names is not None:
            put(self, "names", tuple(self.names))
            if len(self.names) != n:
                raise GraphError("names", f"expected {n} names (one per node), got {len(self.names)}")
        if not isinstance(self.kernels, Mapping):
            raise TypeError(f"Graph: kernels must be {{name: (n, n) array}}, got {type(self.kernels).__name__}")
        put(self, "kernels", {name: given_kernel(K, name, n, dtype) for name, K in self.kernels.items()})
        self._freeze()

    def _freeze(self) -> None:
        freeze(self.nodes, self.senders, self.receivers, self.edges, self.weights, self.positions, self.globals)
        freeze(*self.kernels.values())

    def __repr__(self) -> str:
        parts = [f"n_nodes={self.n_nodes}", f"n_edges={self.n_edges}"]
        for name in ("nodes", "edges", "weights", "positions", "globals"):
            value = getattr(self, name)
            if value is not None:
                parts.append(f"{name}={tuple(value.shape)} {value.dtype}")
        if self.kernels:
            parts.append(f"kernels={list(self.kernels)}")
        return f"Graph({', '.join(parts)}; A[i, j] is the edge from j to i)"

    def replace(self, **changes: Any) -> Graph:
        """Return a new graph with some fields changed, checked anew."""
        known = [f.name for f in dataclasses.fields(self) if f.init]
        for name in changes:
            if name not in known:
                raise TypeError(f"Graph has no field {name!r}; it has {', '.join(known)}")
        return Graph(**{name: changes.get(name, getattr(self, name)) for name in known})

    def kernel(self, kernel: KernelFn | str) -> Any:
        """Return a kernel of this graph as a dense (n, n) NumPy array, computed once.

        It is remembered by the kernel object: a kernel with a setting is a frozen dataclass or a new function, not a
        function that reads a variable changed later.
        """
        if isinstance(kernel, str):
            if kernel not in self.kernels:
                raise KeyError(no_such_kernel("the graph has", kernel, self.kernels))
            return dense_kernel(self.kernels[kernel], kernel)
        key = memo_key(kernel)
        if key not in self._memo:
            value = dense_kernel(checked_kernel(kernel(self), kernel, self.n_nodes), kernel)
            if is_foreign(value):
                return value
            value = np.array(value, self.dtype)  # a copy: the kernel may have returned an array of the user's
            freeze(value)
            self._memo[key] = value
        return self._memo[key]

    def remembers(self, kernel: KernelFn) -> bool:
        """Say whether this kernel was computed before, so that it takes neither time nor memory."""
        return memo_key(kernel) in self._memo

    def __getstate__(self) -> dict:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init} | {"_memo": {}}

    def __setstate__(self, state: dict) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)
        self._freeze()  # arrays come out of a pickle writable


# ---- kernels as matrices ---------------------------------------------------------------------------------------------


def name_of(kernel: Any) -> str:
    """Return what a kernel is called in messages."""
    return getattr(kernel, "__name__", None) or repr(kernel)


def memo_key(kernel: Any) -> Any:
    """Return what a kernel is remembered by: itself, if it is a function or a name and can be hashed."""
    if isinstance(kernel, type):
        raise TypeError(f"kernel {kernel.__name__} is a class; make one and pass that: {kernel.__name__}(...)")
    if not (callable(kernel) or isinstance(kernel, str)):
        raise TypeError(
            f"kernel must be a function graph -> (n, n) array or the name of one the graphs came with, got "
            f"{type(kernel).__name__}; pass the function, and arrays with the graphs: pack(nodes=[X], kernels=[K])"
        )
    try:
        hash(kernel)
    except TypeError:
        raise TypeError(
            f"kernel {name_of(kernel)} cannot be remembered because it is not hashable; "
            "make it a function or a frozen dataclass of plain values"
        ) from None
    return kernel


def checked_kernel(value: Any, kernel: Any, n: int) -> Any:
    """Return what a kernel returned, if it is an (n, n) array of finite numbers."""
    if scipy.sparse.issparse(value):
        value = scipy.sparse.csr_array(value)
    elif not hasattr(value, "shape"):
        value = np.asarray(value)
    shape = tuple(value.shape)
    if shape != (n, n):
        raise ValueError(f"kernel {name_of(kernel)} returned shape {shape}, wanted ({n}, {n}): one row per node")
    plain = value.values if isinstance(value, SparseMatrix) else value.data if scipy.sparse.issparse(value) else value
    plain = ops.value_of(plain)
    if ops.is_jax(plain):
        return value
    if plain.dtype.kind not in "biuf":
        raise TypeError(f"kernel {name_of(kernel)} returned dtype {plain.dtype}, wanted real numbers")
    if not np.isfinite(plain).all():
        raise ValueError(
            f"kernel {name_of(kernel)} returned numbers that are not finite for a graph of {n} nodes; "
            "give 0 where it divides by 0"
        )
    return value


def no_such_kernel(who: str, name: str, known: Mapping[str, Any]) -> str:
    have = f"{listing(sorted(known))}{nearest(name, known)}" if known else "none"
    return (
        f"{who} no kernel {name!r}, only {have}; pass it to pack, "
        "or pass a function, without quotes: kernel=kernels.adjacency"
    )


def edge_weights(weights: Any, m: int, dtype: np.dtype) -> Any:
    """Return weights of m edges, checked; numbers are copied, traced arrays and None pass."""
    if weights is None:
        return None
    if not is_foreign(weights):
        weights = numbers(weights, "weights").astype(dtype, copy=False)
    if weights.shape != (m,):
        raise GraphError("weights", f"expected shape ({m},) (one per edge), got {weights.shape}")
    return weights


def given_kernel(kernel: Any, name: str, n: int, dtype: np.dtype) -> Any:
    """Return a kernel of n nodes that came with a graph, checked; traced arrays pass."""
    attribute = f"kernels[{name!r}]"
    if is_foreign(kernel):
        matrix = kernel
    elif scipy.sparse.issparse(kernel):
        matrix = scipy.sparse.csr_array(kernel)
        numbers(matrix.data, attribute)
        matrix = matrix.astype(dtype)  # a copy, like every array that is kept
        matrix.sum_duplicates()
    else:
        matrix = numbers(kernel, attribute).astype(dtype, copy=False)
    if matrix.shape != (n, n):
        raise GraphError(attribute, f"expected shape ({n}, {n}) (one row per node), got {matrix.shape}")
    freeze(matrix)
    return matrix


def as_dtype(kernel: Any, dtype: np.dtype) -> Any:
    """Return a kernel that came with a graph in another floating type; traced arrays stay as they are."""
    if is_foreign(kernel):
        return kernel
    kept = kernel.astype(dtype, copy=False)
    freeze(kept)
    return kept


def dense_kernel(value: Any, kernel: Any) -> Any:
    """Return what a kernel gave as a dense array; raises MemoryError, before it is made, where it would not fit."""
    if not hasattr(value, "toarray"):
        return value
    remedy = 'it came sparse: pack(graphs, layout="sparse") leaves it so, and kernel(graph) shows it as it is'
    check_room(f"kernel {name_of(kernel)}", value.shape, value.dtype, remedy)
    return value.toarray()


def sparse_kernel(kernel: Any, dtype: np.dtype) -> SparseMatrix:
    if isinstance(kernel, SparseMatrix):
        return kernel.astype(dtype)
    return SparseMatrix.from_scipy(kernel, dtype)


# ---- features as they come in ----------------------------------------------------------------------------------------


def is_foreign(array: Any) -> bool:
    """Say whether an array belongs to a trace of autograd or to JAX, and so passes as it is."""
    return ops.is_traced(array) or ops.is_jax(array)


def freeze(*arrays: Any) -> None:
    """Make NumPy arrays, and those that sparse matrices are made of, read-only: a memo may rest on them."""
    for array in arrays:
        if type(array) is np.ndarray:
            array.flags.writeable = False
        elif isinstance(array, SparseMatrix):
            freeze(array.values, array.pattern.indptr, array.pattern.indices)
        elif scipy.sparse.issparse(array):
            freeze(array.data, array.indptr, array.indices)


def features(value: Any, attribute: str, n: int, what: str, dtype: np.dtype) -> Any:
    """Return n rows of features, checked; numbers are copied, traced arrays and None pass."""
    if value is None:
        return None
    if is_foreign(value):
        return rows(value, attribute, n, what)
    return rows(numbers(value, attribute), attribute, n, what).astype(dtype, copy=False)


def node_features(nodes: Any) -> Any:
    """Return (n_nodes, f) features, checked; numbers are copied, traced arrays pass."""
    if isinstance(nodes, SparseMatrix):
        if not nodes.is_constant:
            return nodes
        nodes = nodes.toscipy()
    if scipy.sparse.issparse(nodes):
        matrix = scipy.sparse.csr_array(nodes, copy=True)  # adding duplicates works in place
        matrix.sum_duplicates()
        return SparseMatrix.from_scipy(matrix, numbers(matrix.data, "nodes").dtype)
    array = nodes if is_foreign(nodes) else numbers(nodes, "nodes")
    if array.ndim == 1:
        array = array.reshape(-1, 1)
    if array.ndim != 2:
        raise GraphError("nodes", f"expected shape (n_nodes, n_features), got {array.shape}")
    return array
