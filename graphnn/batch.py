"""Several graphs as one: what goes into every layer and comes out of most.

`Batch` is the disjoint union of several graphs. Its node features change from layer to layer
(`batch.replace(nodes=h)`), while everything the layers never change lives once in `Packed`: the edges, where each
graph begins and ends, the features as they came in, and the kernels computed so far.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnn import ops
from graphnn.checks import GraphError, indices
from graphnn.graph import Graph, edge_weights, features, given_kernel, is_foreign, node_features
from graphnn.incoming import Incoming
from graphnn.ops import Segments, SparseMatrix
from graphnn.ops.sparse import offsets, ranges
from graphnn.packed import Packed, take_rows
from graphnn.types import Array, KernelFn

STRUCTURE = ("senders", "receivers", "weights", "kernels")
FEATURES = {"nodes": "node", "edges": "edge", "positions": "node", "globals": "graph"}  # and what has a row


@dataclass(frozen=True, eq=False, repr=False)
class Batch:
    """Several graphs as one: what goes into every layer and comes out of most.

    nodes: (n_nodes, f) features of all nodes of all graphs, under each other; what a layer replaces
    edges, positions, globals: (n_edges, e), (n_nodes, p), (n_graphs, g), or None
    packed: the graphs as they came in; it answers for senders, receivers, weights, kernels

    Kernels see the graphs as they were packed, never the hidden features of a layer.

    >>> from graphnn import pack
    >>> batch = pack(nodes=[np.ones((2, 3)), np.ones((1, 3))])
    >>> batch[1], batch.node_graph
    (Batch(1 graphs, 1 nodes, 0 edges, nodes=(1, 3), layout='sparse', float64), array([0, 0, 1]))
    """

    packed: Packed
    nodes: Any
    edges: Array | None = None
    positions: Array | None = None
    globals: Array | None = None

    @classmethod
    def of(cls, packed: Packed) -> Batch:
        """Return the batch of packed graphs with the features they came with."""
        return cls(packed, packed.nodes, packed.edges, packed.positions, packed.globals)

    @classmethod
    def from_arrays(
        cls,
        nodes: Array,
        senders: np.ndarray,
        receivers: np.ndarray,
        node_graph: np.ndarray,
        n_graphs: int,
        *,
        edges: Array | None = None,
        weights: Array | None = None,
        positions: Array | None = None,
        globals: Array | None = None,
        layout: str = "sparse",
    ) -> Batch:
        """Build a batch from arrays, as a layer that coarsens its graphs does.

        node_graph: (n_nodes,) the graph of every node, non-decreasing; edges must follow their graphs' order too.
        Features and `weights` may be traced, what is not is copied and checked as for a Graph. Raises GraphError for
        numbers out of range, rows too few or too many, and blocks out of order.
        """
        nodes = node_features(nodes)
        n, dtype = nodes.shape[0], nodes.dtype
        senders, receivers = indices(senders, "senders", n), indices(receivers, "receivers", n)
        node_graph = np.asarray(node_graph, np.intp)
        if node_graph.shape != (n,) or (n and not (0 <= node_graph.min() <= node_graph.max() < n_graphs)):
            raise GraphError("node_graph", f"expected {n} numbers (one per node) of graphs 0..{n_graphs - 1}")
        if len(senders) != len(receivers):
            raise GraphError("receivers", f"expected {len(senders)} entries (one per sender), got {len(receivers)}")
        edge_graph = node_graph[receivers]
        if (node_graph[senders] != edge_graph).any():
            raise GraphError("senders", "an edge goes from one graph to another")
        for name, index in (("node_graph", node_graph), ("receivers", edge_graph)):
            if (np.diff(index) < 0).any():
                raise GraphError(name, "nodes and edges of one graph must stand together, graphs in order")
        packed = Packed(
            nodes,
            senders,
            receivers,
            offsets(np.bincount(node_graph, minlength=n_graphs)),
            offsets(np.bincount(edge_graph, minlength=n_graphs)),
            edges=features(edges, "edges", len(senders), "one per edge", dtype),
            weights=edge_weights(weights, len(senders), dtype),
            positions=features(positions, "positions", n, "one per node", dtype),
            globals=features(globals, "globals", n_graphs, "one per graph", dtype),
            layout=layout,
        )
        return cls.of(packed)

    @property
    def senders(self) -> np.ndarray:
        return self.packed.senders

    @property
    def receivers(self) -> np.ndarray:
        return self.packed.receivers

    @property
    def weights(self) -> Array | None:
        return self.packed.weights

    @property
    def n_nodes(self) -> int:
        return self.packed.n_nodes

    @property
    def n_edges(self) -> int:
        return self.packed.n_edges

    @property
    def n_graphs(self) -> int:
        return self.packed.n_graphs

    @property
    def node_graph(self) -> np.ndarray:
        """The number of the graph of every node. (n_nodes,)"""
        return self.packed.node_segments.index

    @property
    def node_segments(self) -> Segments:
        return self.packed.node_segments

    @property
    def edge_segments(self) -> Segments:
        return self.packed.edge_segments

    @property
    def sender_segments(self) -> Segments:
        return self.packed.sender_segments

    @property
    def receiver_segments(self) -> Segments:
        return self.packed.receiver_segments

    def incoming(self, loops: bool = False) -> Incoming:
        """Return the arcs by receiver, what attention runs over; with `loops` each node also listens to itself."""
        return self.packed.incoming(loops)

    @property
    def graphs(self) -> tuple[Graph, ...]:
        """The graphs one by one, as they were packed."""
        return self.packed.graphs

    @property
    def names(self) -> Sequence[Any] | None:
        """The names of the nodes of every graph, where they have any."""
        return self.packed.names

    @property
    def layout(self) -> str:
        return self.packed.layout

    @property
    def dtype(self) -> np.dtype:
        return self.packed.dtype

    @property
    def has_own_features(self) -> bool:
        """Whether the node features are still the constants that came in."""
        return self.nodes is self.packed.nodes and not is_foreign(self.nodes)

    @property
    def is_fresh(self) -> bool:
        """Whether all features are still those that came in."""
        return all(getattr(self, name) is getattr(self.packed, name) for name in FEATURES)

    def kernels(self, kernel: KernelFn | str | None = None) -> list[np.ndarray]:
        """Return a kernel as a list of dense NumPy arrays, one (n_i, n_i) for each graph; default: the given ones."""
        return self.packed.kernel_list(self.packed.resolve(kernel, None))

    def propagate(
        self,
        kernel: KernelFn | str | None,
        h: Array,
        bias: Array | None = None,
        activation: Callable = ops.identity,
        default: KernelFn | None = None,
        steps: int = 1,
    ) -> Array:
        """Return activation(K^steps h + bias), where K is the kernel of all the graphs. (n_nodes, f) -> (n_nodes, f)

        K is applied to h `steps` times, at least once. With the batch's own constant features, K^steps h is computed
        once and remembered.
        """
        kernel = self.packed.resolve(kernel, default)
        if h is self.nodes and self.has_own_features and not self.packed.follows_traces(kernel):
            product = self.packed.product(kernel, steps)
            return activation(product if bias is None else product + bias)
        operator, h = self.packed.operator(kernel), ops.dense(h)
        for _ in range(steps - 1):
            h = ops.propagate(operator, h)
        return ops.propagate(operator, h, bias, activation)

    def diffuse(self, kernel: KernelFn | str | None, h: Array, t: Array, default: KernelFn | None = None) -> Array:
        """Return exp(-t (I - K)) h, where K is the kernel of all the graphs. (n_nodes, f), () -> (n_nodes, f)

        The mean of K^k h over a random number k of steps, Poisson distributed, t on average; see `ops.diffuse`.
        """
        return ops.diffuse(self.packed.operator(self.packed.resolve(kernel, default)), ops.dense(h), t)

    def operator(self, kernel: KernelFn | str | None, default: KernelFn | None = None) -> Any:
        """Return the kernel of all the graphs as `ops.propagate` takes it, in the form of the layout."""
        return self.packed.operator(self.packed.resolve(kernel, default))

    @property
    def nonbacktracking(self) -> SparseMatrix:
        """B[(v, w), (k, v)] = 1 for k != w, the kernel of edges among edges; see `Graph.nonbacktracking`."""
        return self.packed.nonbacktracking

    def propagate_many(self, values: Array, h: Array) -> Array:
        """Return what arrives at every node through q kernels given by numbers on the edges.

        values: (n_edges, q), h: (n_nodes, f)  ->  (n_nodes, q, f), the sum over in-edges of values_e times h of the
        sender. Edge weights do not count; multiply the values by them.
        """
        arcs = self.incoming()
        return ops.propagate_many(arcs.by_sender, ops.gather(values, arcs.arcs), h)

    def replace(self, **changes: Any) -> Batch:
        """Return this batch with other features, or with other structure.

        nodes, edges, positions, globals: what layers replace; the kernels stay those of the packed graphs.
        weights, senders, receivers: other edges; every kernel is computed anew, and follows traced weights.
        kernels: a list of arrays (or {name: list}), one for each graph; traced arrays too.
        """
        held, structure = {name: getattr(self, name) for name in FEATURES}, {}
        for name, value in changes.items():
            if name in FEATURES:
                self._check_rows(name, value)
                held[name] = value
            elif name in STRUCTURE:
                structure[name] = value
            else:
                known = ", ".join((*FEATURES, *STRUCTURE))
                raise TypeError(f"a batch has no field {name!r} to replace; it has {known}")
        if not structure:
            return Batch(self.packed, **held)
        if "kernels" in structure:
            structure["kernels"] = self._new_kernels(structure["kernels"])
        if structure.get("weights") is not None:
            structure["weights"] = edge_weights(structure["weights"], self.n_edges, self.dtype)
        for name in ("senders", "receivers"):
            if name in structure:
                structure[name] = self._new_ends(name, structure[name])
        return Batch(self.packed.changed(**structure), **held)

    def _check_rows(self, name: str, value: Any) -> None:
        if value is None and name != "nodes":
            return
        unit = FEATURES[name]
        n, shape = getattr(self.packed, f"n_{unit}s"), getattr(ops.value_of(value), "shape", None)
        if shape is None or shape[:1] != (n,):
            wanted = f"replace({name}=...): expected an array of {n} rows (one per {unit})"
            if shape is None:
                raise TypeError(f"{wanted}, got {type(value).__name__}")
            raise ValueError(f"{wanted}, got shape {tuple(shape)}")

    def _new_ends(self, name: str, value: Any) -> np.ndarray:
        ends = indices(value, name, self.n_nodes)
        if len(ends) != self.n_edges:
            raise GraphError(name, f"expected {self.n_edges} entries (one per edge), got {len(ends)}")
        astray = np.flatnonzero(self.node_graph[ends] != self.edge_segments.index)
        if astray.size:
            edge = int(astray[0])
            graph = int(self.edge_segments.index[edge])
            raise GraphError(name, f"edge {edge} of the batch would end in another graph, at node {ends[edge]}", graph)
        return ends

    def _new_kernels(self, kernels: Any) -> dict[str, list]:
        if isinstance(kernels, Mapping):
            given = {name: list(blocks) for name, blocks in kernels.items()}
        else:
            given = {next(iter(self.packed.kernels), "kernel"): list(kernels)}
        sizes = self.packed.node_counts
        for name, blocks in given.items():
            if len(blocks) != self.n_graphs:
                raise ValueError(f"kernels: expected {self.n_graphs} arrays (one per graph), got {len(blocks)}")
            for i, n in enumerate(sizes):
                try:
                    blocks[i] = given_kernel(blocks[i], name, int(n), self.dtype)
                except GraphError as error:
                    raise error.at(i) from None
        return given

    def keep_edges(self, kept: np.ndarray) -> Batch:
        """Return this batch with only the edges where `kept` is True; every kernel made of edges is computed anew.

        kept: (n_edges,) booleans. Kernels that the graphs came with stay as they are. Raises ValueError for others.

        >>> from graphnn import pack
        >>> graph = Graph(np.ones((2, 1)), senders=[0, 1], receivers=[1, 0])
        >>> pack(graph).keep_edges(np.array([True, False])).receivers
        array([1])
        """
        kept = np.asarray(kept)
        if kept.dtype != bool or kept.shape != (self.n_edges,):
            raise ValueError(
                f"keep_edges: expected {self.n_edges} booleans (one per edge), got shape {kept.shape} of {kept.dtype}"
            )
        packed = self.packed.keep_edges(kept)
        edges = self.edges
        if edges is self.packed.edges:
            edges = packed.edges
        elif edges is not None:
            edges = ops.gather(edges, np.flatnonzero(kept))
        return dataclasses.replace(self, packed=packed, edges=edges)

    def with_layout(self, layout: str) -> Batch:
        """Return this batch with its kernels in another form: "sparse", "list" or "dense"."""
        if layout == self.layout:
            return self
        return dataclasses.replace(self, packed=self.packed.changed(layout=layout))

    def astype(self, dtype: np.dtype) -> Batch:
        """Return this batch with all its numbers in another floating type; itself, where they have it already."""
        held = {name: getattr(self, name) for name in FEATURES if getattr(self, name) is not None}
        changed = {name: value.astype(dtype) for name, value in held.items() if value.dtype != dtype}
        if self.dtype == dtype:
            return dataclasses.replace(self, **changed) if changed else self
        packed = self.packed.astype(dtype)
        own = {name: getattr(packed, name) for name in held if held[name] is getattr(self.packed, name)}
        return dataclasses.replace(self, packed=packed, **{**changed, **own})

    def __getitem__(self, index: Any) -> Batch:
        """Return some of the graphs as a batch: an integer, a slice, a list of integers or a mask."""
        chosen = np.atleast_1d(np.arange(self.n_graphs)[index])
        part = Batch.of(self.packed.take(chosen))
        changed = [name for name in FEATURES if getattr(self, name) is not getattr(self.packed, name)]
        return part.replace(**{name: self._rows_of(name, chosen) for name in changed}) if changed else part

    def _rows_of(self, name: str, chosen: np.ndarray) -> Any:
        """Return the rows that some of the graphs have in replaced features."""
        values, unit = getattr(self, name), FEATURES[name]
        if values is None:
            return None
        rows = chosen
        if unit != "graph":
            starts = self.packed.node_offsets if unit == "node" else self.packed.edge_offsets
            rows = ranges(starts[chosen], np.diff(starts)[chosen])
        return take_rows(values, rows) if isinstance(values, SparseMatrix) else ops.gather(values, rows)

    def __len__(self) -> int:
        return self.n_graphs

    def __iter__(self) -> Iterator[Batch]:
        return (self[i] for i in range(self.n_graphs))

    def __repr__(self) -> str:
        what = f"Batch({self.n_graphs} graphs, {self.n_nodes} nodes, {self.n_edges} edges"
        parts = [f"{name}={tuple(getattr(self, name).shape)}" for name in FEATURES if getattr(self, name) is not None]
        given = [f"kernels={list(self.packed.kernels)}"] if self.packed.kernels else []
        return ", ".join([what, *parts, *given, f"layout={self.layout!r}"]) + f", {self.dtype})"
