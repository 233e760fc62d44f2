"""Kernels: functions of one graph that return an (n, n) array, and so say who listens to whom.

A kernel is any function `graph -> (n, n)` array, dense, SciPy sparse or `ops.SparseMatrix`; a kernel with a setting is
a frozen dataclass with `__call__`. Nothing is registered and nothing subclassed: write your own beside these.
Results are remembered by the kernel object, so a setting belongs into such a dataclass (or into a new function for
each value), never into a variable that the function reads and somebody changes later.

A is the weighted adjacency (A[i, j] from j to i), D the diagonal of its row sums (in-degrees). Kernels marked
`@local` are computed once for a whole batch; those built from `graph.sparse_adjacency` follow traced edge weights.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import scipy.sparse

from graphnn import ops
from graphnn.checks import GraphError
from graphnn.graph import local, name_of, sparse_kernel
from graphnn.memory import check_room
from graphnn.ops import SparseMatrix
from graphnn.types import Array, KernelFn

__all__ = [
    "Chebyshev",
    "Distance",
    "Heat",
    "Offset",
    "PersonalizedPageRank",
    "Power",
    "ScaledLaplacian",
    "adjacency",
    "chebyshev_basis",
    "laplacian",
    "normalized_adjacency",
    "normalized_laplacian",
    "random_walk",
    "scaled_adjacency",
    "transition",
]


@local
def adjacency(graph: Any) -> SparseMatrix:
    """A: every node sums what its neighbours send.

    >>> from graphnn import Graph
    >>> Graph(np.ones((2, 1)), senders=[0], receivers=[1]).kernel(adjacency)
    array([[0., 0.],
           [1., 0.]])
    """
    return graph.sparse_adjacency


@local
def normalized_adjacency(graph: Any) -> SparseMatrix:
    """D^-1/2 (A + I) D^-1/2 with D the degrees of A + I (Kipf & Welling, ICLR 2017, arXiv:1609.02907, eq. 2).

    A loop is added only where a node has none; a loop that is there keeps its weight. Raises GraphError where a
    weighted degree is not positive.

    >>> from graphnn import Graph
    >>> Graph(np.ones((2, 1)), senders=[0, 1], receivers=[1, 0]).kernel(normalized_adjacency)
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """
    matrix = _with_missing_loops(graph)
    scale = ops.reciprocal(ops.sqrt(_degrees(graph, matrix)))
    return matrix.scale(rows=scale, columns=scale)


@local
def scaled_adjacency(graph: Any) -> SparseMatrix:
    """D^-1/2 A D^-1/2, the adjacency scaled by the degrees of both ends; no loop is added.

    Eigenvalues of symmetric weights lie in [-1, 1]. The row of a node without neighbours is 0.

    >>> from graphnn import Graph
    >>> Graph(np.ones((3, 1)), senders=[1, 0, 2, 0], receivers=[0, 1, 0, 2]).kernel(scaled_adjacency)[0].round(4)
    array([0.    , 0.7071, 0.7071])
    """
    matrix = graph.sparse_adjacency
    scale = ops.reciprocal(ops.sqrt(_degrees(graph, matrix)))
    return matrix.scale(rows=scale, columns=scale)


@local
def random_walk(graph: Any) -> SparseMatrix:
    """D^-1 A: every node averages what its neighbours send; the row of a node without neighbours is 0.

    Row i is where a walker at i comes from: K h is the mean of h over one step of the walk seen from each node. What
    moves the probabilities of a walker themselves is `transition`.

    >>> from graphnn import Graph
    >>> Graph(np.ones((3, 1)), senders=[1, 2], receivers=[0, 0]).kernel(random_walk)[0]
    array([0. , 0.5, 0.5])
    """
    matrix = graph.sparse_adjacency
    return matrix.scale(rows=ops.reciprocal(_degrees(graph, matrix)))


@local
def transition(graph: Any) -> SparseMatrix:
    """A D_out^-1 with D_out the column sums: K p is where a walker with probabilities p is after one step.

    Every node shares what it has among those it sends to: columns sum to 1, and that of a node without out-edges is
    0. On symmetric weights it is the transpose of `random_walk`.

    >>> from graphnn import Graph
    >>> Graph(np.ones((3, 1)), senders=[0, 0], receivers=[1, 2]).kernel(transition)[:, 0]
    array([0. , 0.5, 0.5])
    """
    matrix = graph.sparse_adjacency
    return matrix.scale(columns=ops.reciprocal(_degrees(graph, matrix, matrix.column_segments)))


@local
def laplacian(graph: Any) -> SparseMatrix:
    """D - A, the combinatorial Laplacian: rows sum to 0.

    >>> from graphnn import Graph
    >>> Graph(np.ones((2, 1)), senders=[0, 1], receivers=[1, 0]).kernel(laplacian)
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    matrix = graph.sparse_adjacency
    return matrix.with_values(-matrix.values).plus_diagonal(matrix.row_sums())


@local
def normalized_laplacian(graph: Any) -> SparseMatrix:
    """D^-1/2 (D - A) D^-1/2; the row of a node without neighbours is 0 (Chung, Spectral Graph Theory, 1997).

    >>> from graphnn import Graph
    >>> Graph(np.ones((2, 1)), senders=[0, 1], receivers=[1, 0]).kernel(normalized_laplacian)
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    matrix = graph.sparse_adjacency
    degrees = _degrees(graph, matrix)
    scale = ops.reciprocal(ops.sqrt(degrees))
    turned = matrix.with_values(-matrix.values).scale(rows=scale, columns=scale)
    return turned.plus_diagonal(degrees * ops.reciprocal(degrees))


class _Setting:
    """A kernel with settings, printed as it is made: other kernels by their names, which can be read back."""

    def __repr__(self) -> str:
        settings = ", ".join(f"{f.name}={name_of(getattr(self, f.name))}" for f in fields(self))  # type: ignore[arg-type]
        return f"{type(self).__name__}({settings})"


@dataclass(frozen=True, repr=False)
class Power(_Setting):
    """K^exponent: the kernel applied several times, walks of that length for the adjacency.

    >>> from graphnn import Graph
    >>> path = Graph(np.ones((3, 1)), senders=[0, 1], receivers=[1, 2])
    >>> path.kernel(Power(adjacency, 2))[2]
    array([1., 0., 0.])
    """

    kernel: KernelFn
    exponent: int

    def __post_init__(self) -> None:
        if self.exponent < 0:
            raise ValueError(f"Power: exponent must be 0 or more, got {self.exponent}")

    @property
    def is_local(self) -> bool:
        return getattr(self.kernel, "is_local", False)

    def __call__(self, graph: Any) -> Any:
        matrix = _constant(self.kernel, graph)
        power = scipy.sparse.eye_array(graph.n_nodes, format="csr", dtype=graph.dtype)
        for _ in range(self.exponent):
            power = power @ matrix
        return power


@local
@dataclass(frozen=True, repr=False)
class ScaledLaplacian(_Setting):
    """2 L / lambda_max - I with L = I - D^-1/2 A D^-1/2: eigenvalues in [-1, 1], where Chebyshev polynomials live.

    Defferrard et al., NeurIPS 2016 (arXiv:1606.09375), below eq. 4. `lambda_max` is 2, the bound for every graph,
    where the paper computes the largest eigenvalue of each. L is the paper's: 1 for a node without neighbours, where
    `normalized_laplacian` (Chung's) is 0.

    >>> from graphnn import Graph
    >>> Graph(np.ones((2, 1)), senders=[0, 1], receivers=[1, 0]).kernel(ScaledLaplacian())
    array([[ 0., -1.],
           [-1.,  0.]])
    """

    lambda_max: float = 2.0

    def __post_init__(self) -> None:
        if not self.lambda_max > 0:
            raise ValueError(f"ScaledLaplacian: lambda_max must be positive, got {self.lambda_max}")

    def __call__(self, graph: Any) -> SparseMatrix:
        matrix = scaled_adjacency(graph)
        matrix = matrix.with_values(matrix.values * (-2.0 / self.lambda_max))
        diagonal = 2.0 / self.lambda_max - 1.0
        if diagonal == 0:
            return matrix
        return matrix.plus_diagonal(np.full(graph.n_nodes, diagonal, graph.dtype))


@local
@dataclass(frozen=True, repr=False)
class Chebyshev(_Setting):
    """T_k(2 L / lambda_max - I), the k-th Chebyshev polynomial of `ScaledLaplacian`.

    Defferrard et al., NeurIPS 2016 (arXiv:1606.09375), eq. 4, with T_k = 2 x T_k-1 - T_k-2.

    >>> from graphnn import Graph
    >>> Graph(np.ones((2, 1)), senders=[0, 1], receivers=[1, 0]).kernel(Chebyshev(1))
    array([[ 0., -1.],
           [-1.,  0.]])
    """

    order: int
    lambda_max: float = 2.0

    def __post_init__(self) -> None:
        if self.order < 0 or self.lambda_max <= 0:
            raise ValueError(f"Chebyshev: order must be 0 or more and lambda_max positive, got {self}")

    def __call__(self, graph: Any) -> Any:
        eye = scipy.sparse.eye_array(graph.n_nodes, format="csr", dtype=graph.dtype)
        scaled = _constant(ScaledLaplacian(self.lambda_max), graph)
        before, now = eye, scaled
        if self.order == 0:
            return eye
        for _ in range(self.order - 1):
            before, now = now, 2.0 * (scaled @ now) - before
        return now


def chebyshev_basis(order: int) -> tuple[Chebyshev, ...]:
    """Return the kernels T_0, ..., T_order.

    >>> len(chebyshev_basis(2))
    3
    """
    return tuple(Chebyshev(k) for k in range(order + 1))


@dataclass(frozen=True, repr=False)
class Heat(_Setting):
    """exp(-t L), the diffusion kernel of a Laplacian (Kondor & Lafferty, ICML 2002). Dense.

    >>> from graphnn import Graph
    >>> Graph(np.ones((2, 1)), senders=[0, 1], receivers=[1, 0]).kernel(Heat(100.0)).round(6)
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """

    t: float
    laplacian: KernelFn = laplacian

    def __call__(self, graph: Any) -> np.ndarray:
        import scipy.linalg

        check_room(f"kernel {self}", (graph.n_nodes,) * 2, float, "use HeatConv, which never makes it", copies=5)
        return scipy.linalg.expm(-self.t * _constant(self.laplacian, graph).toarray())


@dataclass(frozen=True, repr=False)
class PersonalizedPageRank(_Setting):
    """restart (I - (1 - restart) K)^-1: random walks along K that go home with probability `restart`. Dense.

    Klicpera et al., ICLR 2019 (arXiv:1810.05997), eq. 3, for the default kernel.

    >>> from graphnn import Graph
    >>> Graph(np.ones((1, 1))).kernel(PersonalizedPageRank(0.1))
    array([[1.]])
    """

    restart: float
    kernel: KernelFn = normalized_adjacency

    def __post_init__(self) -> None:
        if not 0 < self.restart <= 1:
            raise ValueError(f"PersonalizedPageRank: restart must lie in (0, 1], got {self.restart}")

    def __call__(self, graph: Any) -> np.ndarray:
        check_room(f"kernel {self}", (graph.n_nodes,) * 2, float, "use APPNP, which never makes it", copies=3)
        eye = np.eye(graph.n_nodes)
        return self.restart * np.linalg.solve(eye - (1 - self.restart) * _constant(self.kernel, graph).toarray(), eye)


@local
@dataclass(frozen=True, repr=False)
class Distance(_Setting):
    """1 where the shortest path from j to i has exactly `length` edges, else 0; weights are not looked at.

    >>> from graphnn import Graph
    >>> Graph(np.ones((3, 1)), senders=[0, 1], receivers=[1, 2]).kernel(Distance(2))[2]
    array([1., 0., 0.])
    """

    length: int

    def __post_init__(self) -> None:
        if self.length < 0:
            raise ValueError(f"Distance: length must be 0 or more, got {self.length}")

    def __call__(self, graph: Any) -> Any:
        one = scipy.sparse.csr_array(
            (np.ones(graph.n_edges), (graph.receivers, graph.senders)), shape=(graph.n_nodes, graph.n_nodes)
        )
        ring = scipy.sparse.eye_array(graph.n_nodes, format="csr")
        seen = ring
        for _ in range(self.length):
            reached = (one @ ring) != 0
            ring = (reached - reached.multiply(seen != 0)).astype(graph.dtype)
            ring.eliminate_zeros()
            seen = seen + ring
        return ring.astype(graph.dtype)


@local
@dataclass(frozen=True, repr=False)
class Offset(_Setting):
    """The edges that come from just this offset: A[i, j] where position j - position i is the offset, else 0.

    For the offset 0 it is the identity. On the graph of a grid (`grid_graph`) Offset((0, 1)) @ h is the image seen one
    column further right. Follows edge weights. Raises GraphError for graphs without positions, or of another dimension.

    >>> from graphnn import grid_graph
    >>> grid_graph(np.ones((1, 3, 1))).kernel(Offset((0, 1)))
    array([[0., 1., 0.],
           [0., 0., 1.],
           [0., 0., 0.]])
    """

    offset: tuple[float, ...]

    def __call__(self, graph: Any) -> SparseMatrix:
        n, positions = graph.n_nodes, ops.value_of(graph.positions)
        if positions is None or positions.shape[1] != len(self.offset):
            came = "none" if positions is None else f"those of {positions.shape[1]} dimensions"
            raise GraphError(
                "positions", f"Offset({self.offset}) needs positions of {len(self.offset)} dimensions, got {came}"
            )
        if not any(self.offset):
            return SparseMatrix.from_entries(np.arange(n), np.arange(n), np.ones(n, graph.dtype), (n, n))
        steps = positions[graph.senders] - positions[graph.receivers]
        edges = np.flatnonzero((steps == np.array(self.offset)).all(axis=1))
        values = np.ones(len(edges), graph.dtype) if graph.weights is None else ops.gather(graph.weights, edges)
        return SparseMatrix.from_entries(graph.receivers[edges], graph.senders[edges], values, (n, n))


def _constant(kernel: KernelFn, graph: Any) -> Any:
    """Return a kernel as a SciPy CSR array of plain numbers."""
    if ops.is_traced(graph.weights):
        raise TypeError("this kernel works on plain numbers and cannot follow traced edge weights")
    return sparse_kernel(kernel(graph), graph.dtype).toscipy()


def _with_missing_loops(graph: Any) -> SparseMatrix:
    has_loop = np.zeros(graph.n_nodes, bool)
    has_loop[graph.senders[graph.senders == graph.receivers]] = True
    missing = np.flatnonzero(~has_loop)
    return graph.sparse_adjacency.plus_diagonal(np.ones(len(missing), graph.dtype), missing)


def _degrees(graph: Any, matrix: SparseMatrix, ends: ops.Segments | None = None) -> Array:
    """Return the sums of the rows (or of other segments of the entries), positive where there is anything to add."""
    ends = matrix.row_segments if ends is None else ends
    degrees = ops.segment_sum(matrix.values, ends)
    plain = ops.value_of(degrees)
    if not ops.is_jax(plain) and (plain <= 0).any():
        used = np.zeros(graph.n_nodes, bool)
        used[ends.index[np.asarray(ops.value_of(matrix.values)) != 0]] = True
        bad = np.flatnonzero((plain < 0) | ((plain == 0) & used))
        if bad.size:
            index, node = graph.locate(int(bad[0]))
            raise GraphError(
                "weights",
                f"node {node} has weighted degree {plain[bad[0]]:g}; this normalisation needs positive degrees, "
                "use kernels.adjacency or give positive weights",
                index,
            )
    return degrees
