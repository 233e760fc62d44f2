"""Relational graph convolution: every kind of edge has its own weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphnn import ops
from graphnn.batch import Batch
from graphnn.checks import GraphError
from graphnn.graph import is_foreign
from graphnn.initializers import glorot, zeros
from graphnn.layer import Layer, Scope, only_graphs
from graphnn.layers.edges import check_names, edge_features
from graphnn.ops import Segments, SparseMatrix, identity
from graphnn.types import Array, KernelFn


@dataclass(frozen=True)
class RGCNConv(Layer):
    """Relational graph convolution: h'_i = activation(h_i R + sum_r mean_{j in N_r(i)} w_ji h_j W_r + b).

    Schlichtkrull et al., ESWC 2018 (arXiv:1703.06103), eq. 2 with c_ir = |N_r(i)|. N_r(i) are the senders of the edges
    of relation r into i. `relations` is how many there are, and column `column` of the edge features says which one an
    edge is, 0, ..., relations - 1; or it is a tuple of kernels, one for each relation, that are used as they are.
    W_r is its own matrix; with bases=B it is sum_b comp_rb V_b (eq. 3); with blocks=B it is made of B blocks on its
    diagonal (eq. 4). Differs from the paper: a bias. `RGCNConv` of PyG. aggregate="sum" leaves out the division; edge
    weights multiply messages and do not count in c_ir (PyG has none).

    nodes:  (n_nodes, d), edges (n_edges, e) unless kernels are named   -> (n_nodes, width)
    root:   (d, width) glorot, R;   bias: (width,) zeros
    weight: (relations, d, width) glorot;   with bases (bases, d, width), and comp: (relations, bases) glorot;
            with blocks (relations, blocks, d / blocks, width / blocks)

    Cost: for every relation, a sparse product with a row for each of the n_r nodes that hear by it and one dense
    product of those rows, so no more than the smaller of n_edges and relations * n_nodes rows of d and of width in all.

    Raises GraphError for graphs without edge features and for a number that is no relation; ValueError for widths that
    blocks do not divide, and for bases together with blocks.

    >>> import numpy as np
    >>> from graphnn import Graph
    >>> graph = Graph(np.ones((3, 2)), senders=[0, 1, 2], receivers=[1, 2, 1], edges=[[0.0], [1.0], [0.0]])
    >>> {name: value.shape for name, value in RGCNConv(4, relations=2).init(0, graph).items()}
    {'weight': (2, 2, 4), 'root': (2, 4), 'bias': (4,)}
    """

    width: int
    relations: int | tuple[KernelFn | str, ...]
    activation: Callable = identity
    bases: int | None = None
    blocks: int | None = None
    aggregate: str = "mean"
    column: int = 0

    def __post_init__(self) -> None:
        check_names(self, "aggregate", (self.aggregate,), ("mean", "sum"))
        if self.count < 1:
            raise ValueError(f"RGCNConv: relations must be 1 or more, got {self.relations!r}")
        if self.column < 0:
            raise ValueError(f"RGCNConv: column must be 0 or more, got {self.column}")
        if self.bases is not None and self.blocks is not None:
            raise ValueError(f"RGCNConv: bases={self.bases} and blocks={self.blocks} exclude each other; give one")
        for name in ("bases", "blocks"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"RGCNConv: {name} must be 1 or more, got {value}")

    @property
    def count(self) -> int:
        """How many relations there are."""
        return self.relations if isinstance(self.relations, int) else len(self.relations)

    def forward(self, params: Scope, graphs: Batch) -> Batch:
        graphs = only_graphs(self, graphs)
        h = ops.dense(graphs.nodes)
        weight = self._weights(params, h.shape[-1])
        root = params("root", (h.shape[-1], self.width), glorot)
        bias = params("bias", (self.width,), zeros)
        out = ops.affine(h, root, bias)
        if isinstance(self.relations, int):
            if params.call.seed is not None:
                self._refuse_one_hot(graphs)
            heard, rows = self._heard(graphs)
            parts = [self._times(ops.propagate(hear, h), weight[r]) for r, hear in enumerate(heard)]
            out = out + ops.segment_sum(ops.concatenate(parts), rows)
        else:
            for r, kernel in enumerate(self.relations):
                out = out + self._times(graphs.propagate(kernel, graphs.nodes), weight[r])
        return graphs.replace(nodes=self.activation(out))

    def _weights(self, params: Scope, d: int) -> Array:
        """Return W_r for every r: (relations, d, width), or its blocks."""
        if self.blocks is not None:
            if d % self.blocks or self.width % self.blocks:
                raise ValueError(
                    f"RGCNConv: blocks={self.blocks} must divide the {d} features that come in and width={self.width}; "
                    "use a divisor of both, or bases="
                )
            return params("weight", (self.count, self.blocks, d // self.blocks, self.width // self.blocks), glorot)
        if self.bases is None:
            return params("weight", (self.count, d, self.width), glorot)
        basis = params("weight", (self.bases, d, self.width), glorot)
        comp = params("comp", (self.count, self.bases), glorot)
        return (comp @ basis.reshape((self.bases, d * self.width))).reshape((self.count, d, self.width))

    def _times(self, h: Array, weight: Array) -> Array:
        """Return h W_r. (n, d), (d, width) or (blocks, d / blocks, width / blocks) -> (n, width)"""
        if self.blocks is None:
            return ops.affine(h, weight)
        parts = h.reshape((h.shape[0], self.blocks, weight.shape[-2])).swapaxes(0, 1) @ weight
        return parts.swapaxes(0, 1).reshape((h.shape[0], self.width))

    def _refuse_one_hot(self, graphs: Batch) -> None:
        """Refuse, when parameters are made, what can only be meant as one column for each of several relations."""
        edges = ops.value_of(edge_features(self, graphs))
        ones = (edges == 1).sum(axis=0)
        if edges.shape[1] == self.count > 2 and ones.all() and ones.sum() == len(edges) == (edges != 0).sum():
            raise GraphError(
                "edges",
                f"the {self.count} columns are one-hot, and RGCNConv wants the number of the relation in one; give "
                "edges=one_hot.argmax(axis=1)",
            )

    def _heard(self, graphs: Batch) -> tuple[list[SparseMatrix], Segments]:
        edges, settings = edge_features(self, graphs), (self.count, self.column, self.aggregate == "mean")
        if edges is graphs.packed.edges and not is_foreign(edges) and not is_foreign(graphs.weights):
            return graphs.packed.remember(by_relation, *settings)
        return by_relation(graphs, *settings)


def by_relation(graphs: Any, count: int, column: int, mean: bool) -> tuple[list[SparseMatrix], Segments]:
    """Return a sparse matrix for each relation, and the nodes of all their rows. graphs: a Batch, or its Packed

    Matrix r, (n_r, n_nodes), sums or averages what the n_r nodes that have in-edges of the relation hear by it.
    """
    weights = graphs.receiver_segments.ones(graphs.dtype) if graphs.weights is None else graphs.weights
    by_number, order = Segments(_relations(graphs, count, column), count).grouped
    found, nodes = [], []
    for r in range(count):
        edges = order[slice(*by_number.indptr[r : r + 2])]
        part = SparseMatrix.from_entries(
            graphs.receivers[edges], graphs.senders[edges], ops.gather(weights, edges), (graphs.n_nodes, graphs.n_nodes)
        )
        if mean:
            part = part.scale(rows=part.row_segments.inverse_sizes(graphs.dtype, 1))
        hear, place = part.without_empty_rows()
        found.append(hear)
        nodes.append(place.pattern.rows)
    return found, Segments(ops.concatenate(nodes), graphs.n_nodes)


def _relations(graphs: Any, count: int, column: int) -> Array:
    """Return the number of the relation of every edge, checked. (n_edges,)"""
    edges = ops.value_of(graphs.edges)
    if column >= edges.shape[1]:
        raise GraphError(
            "edges", f"RGCNConv finds the relation in column {column}, and edges have {edges.shape[1]}; pass column="
        )
    found = edges[:, column]
    numbers = found.astype(int)
    wrong = (numbers != found) | (numbers < 0) | (numbers >= count)
    if wrong.any():
        edge = int(wrong.argmax())
        owner = graphs.edge_segments.index
        graph = int(owner[edge])
        raise GraphError(
            "edges",
            f"edge {(owner[:edge] == graph).sum()} has {found[edge]:g} in column {column}, where "
            f"RGCNConv wants its relation, a whole number 0..{count - 1}; pass relations= or column=",
            graph,
        )
    return numbers
