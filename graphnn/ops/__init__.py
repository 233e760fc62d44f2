"""The narrow waist: every numeric operation a layer uses, on NumPy arrays, traced by autograd, or on JAX arrays.

Layers compute with `@ + - * /` and the functions here, and nothing else; they never import an array library. Each
function looks at the arrays it is given. Graph operations are autograd primitives with both derivatives of any
order; features keep their dtype, float32 in values and gradients too.

Three forms of one kernel go through `propagate`: a list of dense blocks (the reference), one block-diagonal sparse
matrix, and padded dense blocks. They give the same numbers.
"""

from __future__ import annotations

import builtins
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphnn.ops import fused, grids, primitives, sparse
from graphnn.ops.activations import (
    FUSED,
    elu,
    gelu,
    identity,
    leaky_relu,
    relu,
    selu,
    shifted_softplus,
    sigmoid,
    silu,
    softplus,
    tanh,
)
from graphnn.ops.arrays import (
    absolute,
    concatenate,
    cos,
    differentiable,
    elementwise,
    exp,
    gaussians,
    is_jax,
    is_traced,
    log,
    mean,
    multilinear,
    namespace,
    norm,
    reciprocal,
    sqrt,
    std,
    stop_gradient,
    sum,
    transpose,
    value_of,
    var,
    where,
)
from graphnn.ops.arrays import max_ as max
from graphnn.ops.diffusion import mean_over_walks, sparse_diffusion
from graphnn.ops.grids import Frame
from graphnn.ops.matrix import SparseMatrix, conv, sparse_affine, sparse_product
from graphnn.ops.noise import keep_edges, keep_paths
from graphnn.ops.primitives import Segments
from graphnn.ops.segments import (
    gather,
    segment_first,
    segment_logsumexp,
    segment_max,
    segment_mean,
    segment_min,
    segment_softmax,
    segment_sort,
    segment_sum,
    segment_top,
    segment_var,
    twin,
)
from graphnn.ops.solving import solve
from graphnn.ops.sparse import Pattern
from graphnn.types import Array

__all__ = [
    "Frame",
    "PaddedBlocks",
    "Segments",
    "SparseMatrix",
    "absolute",
    "add_noise",
    "affine",
    "arrivals",
    "biased",
    "coalesced",
    "concatenate",
    "convolve",
    "cos",
    "dense",
    "differentiable",
    "diffuse",
    "dropout",
    "elementwise",
    "elu",
    "exp",
    "eye",
    "gather",
    "gaussians",
    "gelu",
    "headwise",
    "identity",
    "is_jax",
    "is_traced",
    "keep_edges",
    "keep_paths",
    "label_costs",
    "leaky_relu",
    "log",
    "log_softmax",
    "max",
    "mean",
    "messages",
    "minus",
    "multilinear",
    "namespace",
    "norm",
    "pair_softmax",
    "pick",
    "pick_rows",
    "propagate",
    "propagate_many",
    "reciprocal",
    "relu",
    "reshape",
    "sampled_product",
    "segment_first",
    "segment_logsumexp",
    "segment_max",
    "segment_mean",
    "segment_min",
    "segment_softmax",
    "segment_sort",
    "segment_sum",
    "segment_top",
    "segment_var",
    "selu",
    "shifted_softplus",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "solve",
    "split",
    "sqrt",
    "squares",
    "std",
    "stop_gradient",
    "stretched",
    "sum",
    "tanh",
    "transpose",
    "unpermute",
    "value_of",
    "var",
    "weighted_product",
    "where",
    "windows",
    "zeros",
]


class PaddedBlocks:
    """Dense kernels of several graphs padded with zeros to the largest, for one batched product.

    blocks: (n_graphs, n, n), traced or not;  slot: (n_nodes,) the place of every node among the n_graphs * n.
    """

    def __init__(self, blocks: Array, slot: np.ndarray):
        self.blocks = blocks
        self.slots = Segments(slot, blocks.shape[0] * blocks.shape[1])

    def __matmul__(self, h: Array) -> Array:
        count, n, _ = self.blocks.shape
        padded = segment_sum(h, self.slots).reshape((count, n, math.prod(h.shape[1:])))
        product = namespace(self.blocks, padded).matmul(self.blocks, padded)
        return gather(product.reshape((count * n, *h.shape[1:])), self.slots)


def _alike(*arrays: Array | None) -> bool:
    """Say whether the arrays have one floating dtype, which the fused primitives rely on to work in place."""
    dtypes = {getattr(value_of(array), "dtype", None) for array in arrays if array is not None}
    return len(dtypes) == 1 and getattr(dtypes.pop(), "kind", "") in ("f", "c")


def _fits(bias: Array | None, *shapes: tuple[int, ...]) -> bool:
    """Say whether a bias has one of these shapes; one that is to be spread is left to autograd, which sums it back."""
    return bias is None or bias.shape in shapes


def dense(x: Array | SparseMatrix) -> Array:
    """Return features as a dense array, if they came in sparse."""
    return x.toarray() if isinstance(x, SparseMatrix) else x


def affine(
    x: Array | SparseMatrix,
    weight: Array,
    bias: Array | None = None,
    activation: Callable = identity,
) -> Array:
    """Return activation(x weight + bias), in one step of the tape where the activation allows it.

    x: (..., d) or a constant sparse matrix (n, d);  weight: (d, width);  bias: (width,)  ->  (..., width)

    >>> affine(np.ones((2, 3)), np.ones((3, 1)), np.full(1, -5.0), relu)
    array([[0.],
           [0.]])
    """
    if isinstance(x, SparseMatrix):
        return propagate(x, weight, bias, activation)
    if x.ndim != 2:
        flat = affine(x.reshape((math.prod(x.shape[:-1]), x.shape[-1])), weight, bias, activation)
        return flat.reshape((*x.shape[:-1], weight.shape[-1]))
    if is_jax(x, weight, bias):
        return twin(x, weight, bias).affine(x, weight, bias, activation)
    if activation in FUSED and _alike(x, weight, bias) and _fits(bias, weight.shape[1:]):
        return fused.affine(x, weight, bias, activation)
    out = primitives.dot(x, weight)
    return activation(out if bias is None else out + bias)


def propagate(
    kernel: SparseMatrix | PaddedBlocks | Sequence[Array],
    h: Array,
    bias: Array | None = None,
    activation: Callable = identity,
) -> Array:
    """Return activation(K h + bias): every node gathers from the nodes its row of the kernel names.

    kernel: a sparse matrix (n, m), a list of dense (n_i, n_i) blocks, or padded blocks; its numbers may be traced.
    h: (m, f);  bias: a row (f,), or (n, f) what the sum begins with  ->  (n, f)

    >>> propagate([np.eye(1), np.ones((2, 2))], np.array([[1.0], [2.0], [3.0]]))
    array([[1.],
           [5.],
           [5.]])
    """
    if isinstance(kernel, SparseMatrix):
        if is_jax(h, bias, kernel.values):
            return twin(h, bias, kernel.values).sparse_affine(h, bias, kernel, activation)
        plain = kernel.is_constant and h.ndim == 2 and activation in FUSED
        if plain and _alike(h, bias, kernel) and _fits(bias, h.shape[1:], (kernel.shape[0], *h.shape[1:])):
            return sparse_affine(h, bias, kernel, activation)
        out = sparse_product(kernel, h)
    elif isinstance(kernel, PaddedBlocks):
        out = kernel @ h
    else:
        out = _block_products(kernel, h)
    return activation(out if bias is None else out + bias)


def diffuse(kernel: SparseMatrix | PaddedBlocks | Sequence[Array], h: Array, t: Array) -> Array:
    """Return exp(-t (I - K)) h, the mean of K^k h over a Poisson number k of steps, t on average; K as in `propagate`.

    h: (n, f);  t: () a time from 0 to 1000  ->  (n, f). K is never formed nor is its exponential; see
    `diffusion.least_products` for the cost. Gradients in h and t keep no step of the walk where K is constant and
    sparse; else every step is kept, (n, f) each.

    >>> diffuse([np.full((2, 2), 0.5)], np.array([[1.0], [0.0]]), np.array(100.0))
    array([[0.5],
           [0.5]])
    """
    if is_jax(h, t):
        return twin(h, t).diffuse(h, t, functools.partial(propagate, kernel))
    if isinstance(kernel, SparseMatrix) and kernel.is_constant:
        return sparse_diffusion(h, t, kernel, False)
    return mean_over_walks(functools.partial(propagate, kernel), h, t)


def convolve(
    kernel: SparseMatrix | PaddedBlocks | Sequence[Array],
    h: Array | SparseMatrix,
    weight: Array,
    bias: Array | None = None,
    activation: Callable = identity,
) -> Array:
    """Return activation(K (h weight) + bias), in one step of the tape where the kernel is constant and sparse.

    kernel: as for `propagate`;  h: (m, d), or a constant sparse matrix;  weight: (d, width);  bias: (width,)
    ->  (n, width). The product h weight, as large as the result, is not kept for the derivative.

    >>> convolve([np.ones((2, 2))], np.ones((2, 3)), np.ones((3, 1)), np.full(1, -1.0))
    array([[5.],
           [5.]])
    """
    one_step = isinstance(kernel, SparseMatrix) and kernel.is_constant and activation in FUSED
    plain = h.is_constant if isinstance(h, SparseMatrix) else h.ndim == 2
    plain = plain and one_step and not is_jax(h, weight, bias)
    if plain and _alike(h, weight, bias, kernel) and _fits(bias, weight.shape[1:]):
        return conv(h, weight, bias, kernel, activation)
    return propagate(kernel, affine(h, weight), bias, activation)


def messages(
    h: Array, edges: Array, weight: Array, bias: Array, senders: Segments, activation: Callable = relu
) -> Array:
    """Return activation(h[senders] + edges weight + bias) for every edge, in one step of the tape where it can be.

    h: (n_nodes, d);  edges: (n_edges, e);  weight: (e, d);  bias: (d,)  ->  (n_edges, d)

    >>> messages(np.array([[1.0], [2.0]]), np.ones((1, 1)), np.ones((1, 1)), np.zeros(1), Segments(np.array([1]), 2))
    array([[3.]])
    """
    plain = activation in FUSED and not is_jax(h, edges, weight, bias)
    if plain and _alike(h, edges, weight, bias) and _fits(bias, weight.shape[1:]):
        return fused.messages(h, edges, weight, bias, senders, activation)
    return activation(gather(h, senders) + affine(edges, weight, bias))


def pair_softmax(receiver: Array, sender: Array, receivers: Segments, senders: Segments, slope: float = 0.2) -> Array:
    """Return the softmax over the arcs into each node of leaky_relu(receiver_i + sender_j, slope) for arcs j -> i.

    receiver, sender: (n_nodes, heads);  receivers, senders: the ends of the arcs  ->  (n_arcs, heads)

    >>> ends = Segments(np.array([0, 0]), 2), Segments(np.array([0, 1]), 2)
    >>> pair_softmax(np.zeros((2, 1)), np.array([[5.0], [5.0]]), *ends)[:, 0]
    array([0.5, 0.5])
    """
    if is_jax(receiver, sender) or slope < 0 or not _alike(receiver, sender):
        return segment_softmax(leaky_relu(gather(receiver, receivers) + gather(sender, senders), slope), receivers)
    return segment_softmax(fused.pair_logits(receiver, sender, receivers, senders, slope), receivers)


def stretched(x: Array, more: Array) -> Array:
    """Return (1 + more) x for a single number `more`.

    >>> stretched(np.array([1.0, 2.0]), np.array(0.5))
    array([1.5, 3. ])
    """
    return (1.0 + more) * x if is_jax(x, more) else fused.stretched(x, more)


def arrivals(h: Array, more: Array, messages: Array, receivers: Segments) -> Array:
    """Return (1 + more) h_i + the sum of the messages that arrive at node i, for a single number `more`.

    h: (n_nodes, d);  messages: (n_edges, d);  receivers: where each goes  ->  (n_nodes, d)

    >>> arrivals(np.array([[1.0], [2.0]]), np.array(0.5), np.array([[4.0]]), Segments(np.array([1]), 2))
    array([[1.5],
           [7. ]])
    """
    if is_jax(h, more, messages) or not _alike(h, more, messages) or h.ndim != 2 or h.shape[1:] != messages.shape[1:]:
        return stretched(h, more) + segment_sum(messages, receivers)
    return fused.arrivals(h, more, messages, receivers)


def propagate_many(pattern: sparse.Pattern, values: Array, h: Array) -> Array:
    """Return K_k h for q kernels on one pattern, the numbers of K_k being column k of `values`.

    values: (n_entries, q) in the order of the pattern;  h: (m, f)  ->  (n, q, f). A copy of h for every kernel is made,
    (m, q, f), and no (n_entries, q, f) array.

    >>> pair = SparseMatrix.from_scipy(np.array([[0.0, 1.0], [1.0, 0.0]])).pattern
    >>> propagate_many(pair, np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[10.0], [1.0]]))[:, :, 0]
    array([[ 1.,  2.],
           [30., 40.]])
    """
    copies = h.reshape((h.shape[0], 1, h.shape[1])) * np.ones((values.shape[1], 1), h.dtype)
    return weighted_product(values, copies, pattern)


def coalesced(matrix: SparseMatrix) -> SparseMatrix:
    """Return the same matrix with one entry at each place: entries at one place, such as parallel edges, are added.

    >>> twice = SparseMatrix.from_entries(np.array([0, 0]), np.array([1, 1]), np.array([2.0, 3.0]), (1, 2))
    >>> coalesced(twice).values
    array([5.])
    """
    n, m = matrix.shape
    place = matrix.pattern.rows.astype(np.int64) * m + matrix.pattern.indices
    places, entry = np.unique(place, return_inverse=True)
    rows, columns = np.divmod(places, builtins.max(m, 1))
    pattern = Pattern(sparse.offsets(np.bincount(rows, minlength=n)), columns, matrix.shape)
    return SparseMatrix(pattern, segment_sum(matrix.values, Segments(entry.ravel(), len(places))))


def _block_products(blocks: Sequence[Array], h: Array) -> Array:
    """Return every dense block times its own rows of h, under each other: the definition, kept as the reference."""
    n_rows = builtins.sum(block.shape[0] for block in blocks)
    if n_rows != h.shape[0]:
        raise ValueError(
            f"propagate: the kernels have {n_rows} rows in all, the features {h.shape[0]}; "
            "give one (n, n) kernel for each graph, in order"
        )
    if h.ndim > 2:
        return _block_products(blocks, h.reshape((n_rows, math.prod(h.shape[1:])))).reshape(h.shape)
    products, start = [], 0
    for block in blocks:
        stop = start + block.shape[0]
        products.append(block @ h[start:stop])
        start = stop
    return concatenate(products) if products else h


def weighted_product(values: Array, x: Array, pattern: Pattern) -> Array:
    """Return A x for the matrix with these values at the places of a pattern (n, m).

    values: (n_entries,), x: (m, ...) -> (n, ...);  or a matrix for each head, as attention has it:
    values: (n_entries, heads), x: (m, heads, ...) -> (n, heads, ...). No (n_entries, ...) array is made of x.

    >>> edge = SparseMatrix.from_scipy(np.array([[0.0, 1.0], [0.0, 0.0]])).pattern
    >>> weighted_product(np.array([3.0]), np.array([[1.0], [10.0]]), edge)
    array([[30.],
           [ 0.]])
    """
    return twin(values, x).weighted_product(values, x, pattern)


def sampled_product(a: Array, x: Array, pattern: Pattern) -> Array:
    """Return <a_i, x_j> for every entry (i, j) of a pattern (n, m). (n, f), (m, f) -> (n_entries,)

    With heads, head by head: (n, heads, f), (m, heads, f) -> (n_entries, heads). What `weighted_product` is to the
    values of a matrix this is to its derivative.

    >>> edge = SparseMatrix.from_scipy(np.array([[0.0, 1.0], [0.0, 0.0]])).pattern
    >>> sampled_product(np.array([[2.0], [3.0]]), np.array([[5.0], [7.0]]), edge)
    array([14.])
    """
    return twin(a, x).sampled_product(a, x, pattern, a.ndim == 3)


def headwise(x: Array, vectors: Array) -> Array:
    """Return <x_h, vector_h> of every row and head. (n, heads * f), (heads, f) -> (n, heads)

    One product with a matrix that has the vectors as its diagonal blocks.

    >>> headwise(np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([[1.0, 1.0], [0.0, 1.0]]))
    array([[3., 4.]])
    """
    if not is_jax(x, vectors):
        return affine(x, primitives.diagonal_blocks(vectors))
    heads, f = vectors.shape
    blocks = vectors.reshape((heads, f, 1)) * np.eye(heads, dtype=vectors.dtype)[:, None, :]
    return affine(x, blocks.reshape((heads * f, heads)))


def reshape(x: Array, shape: tuple[int, ...]) -> Array:
    """Return x with another shape, its numbers in the same order.

    >>> reshape(np.arange(4.0), (2, 2))
    array([[0., 1.],
           [2., 3.]])
    """
    return x.reshape(shape) if is_jax(x) else primitives.reshaped(x, shape)


def biased(x: Array, bias: Array, activation: Callable = identity) -> Array:
    """Return activation(x + bias), in one step of the tape where the activation allows it. (n, width), (width,) -> same

    >>> biased(np.ones((1, 2)), np.array([-3.0, 1.0]), relu)
    array([[0., 2.]])
    """
    if activation in FUSED and x.ndim == 2 and not is_jax(x, bias) and _alike(x, bias) and _fits(bias, x.shape[1:]):
        return fused.biased(x, bias, activation)
    return activation(x + bias)


def split(x: Array, parts: int) -> list[Array]:
    """Return the columns in so many equal parts. (..., parts * f) -> parts times (..., f)

    >>> split(np.array([[1.0, 2.0]]), 2)
    [array([[1.]]), array([[2.]])]
    """
    f, rest = divmod(x.shape[-1], parts)
    if rest:
        raise ValueError(f"split: {x.shape[-1]} columns are no {parts} equal parts")
    if is_jax(x):
        return [x[..., i * f : (i + 1) * f] for i in range(parts)]
    return [primitives.cut(x, i * f, (i + 1) * f) for i in range(parts)]


def unpermute(x: Array, order: Sequence[int]) -> Array:
    """Return rows put back where they came from: out[order[i]] = x[i].

    >>> unpermute(np.array([[10.0], [20.0]]), [1, 0])
    array([[20.],
           [10.]])
    """
    places = np.asarray(order, np.intp)
    inverse = np.argsort(places)
    if len(places) != x.shape[0] or (places[inverse] != np.arange(len(places))).any():
        raise ValueError(f"unpermute: order must hold each of 0..{x.shape[0] - 1} once, got {len(places)} numbers")
    return x[inverse] if is_jax(x) else primitives.permuted(x, inverse)


def pick(x: Array, columns: np.ndarray) -> Array:
    """Return one entry of each row, x[i, columns[i]]. (n, c) -> (n,)

    >>> pick(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 0]))
    array([2., 3.])
    """
    return x[np.arange(len(columns)), columns] if is_jax(x) else primitives.pick(x, columns)


def label_costs(logits: Array, labels: np.ndarray, shares: np.ndarray | None = None, scale: float = 1.0) -> Array:
    """Return scale times the sum over rows of -shares[i] log softmax(logits[i])[labels[i]]. (n, c), (n,), (n,) -> ()

    >>> round(float(label_costs(np.array([[1e4, 0.0], [0.0, 0.0]]), np.array([0, 1]))), 6)
    0.693147
    """
    if is_jax(logits):
        costs = -pick(log_softmax(logits), labels)
        return scale * sum(costs if shares is None else costs * shares)
    return fused.label_costs(logits, labels, shares, scale)


def minus(x: Array, y: Array) -> Array:
    """Return x - y for two arrays of one shape.

    >>> minus(np.array([3.0]), np.array([1.0]))
    array([2.])
    """
    return x - y if is_jax(x, y) or not _alike(x, y) or x.shape != y.shape else primitives.minus(x, y)


def squares(x: Array, shares: np.ndarray | None = None, scale: float = 1.0) -> Array:
    """Return scale times the sum over all entries of shares x^2; the shares have the shape of x.

    >>> float(squares(np.array([1.0, 3.0]), scale=0.5))
    5.0
    """
    if is_jax(x):
        return scale * sum(x * x if shares is None else x * x * shares)
    return fused.squares(x, shares, scale)


def pick_rows(x: Array, places: np.ndarray) -> Array:
    """Return x[places] for places of which no two are alike. (n, ...) -> (k, ...)

    >>> pick_rows(np.array([[1.0], [2.0]]), np.array([1]))
    array([[2.]])
    """
    return x[places] if is_jax(x) else primitives.pick_rows(x, places)


def dropout(x: Array, rate: float, rng: Any, by_row: bool = False) -> Array:
    """Return x with each entry (or each row) set to 0 with probability `rate` and the others divided by 1 - rate.

    rng: a NumPy generator, or a JAX key for JAX arrays.
    """
    keep = 1.0 - rate
    shape = (x.shape[0], *(1 for _ in x.shape[1:])) if by_row else x.shape
    if is_jax(rng):
        import jax

        return x * jax.random.bernoulli(rng, keep, shape) / keep
    _refuse_frozen_noise("Dropout", x)
    return primitives.drop(x, primitives.draw_mask(shape, rate, rng), 1.0 / keep)


def add_noise(x: Array, scale: float, rng: Any) -> Array:
    """Return x plus normal noise of this standard deviation.

    rng: a NumPy generator, or a JAX key for JAX arrays.

    >>> add_noise(np.zeros(2), 0.1, np.random.default_rng(0)).round(3)
    array([ 0.013, -0.013])
    """
    if is_jax(rng):
        import jax

        return x + scale * jax.random.normal(rng, x.shape, x.dtype)
    _refuse_frozen_noise("Noise", x)
    return x + scale * rng.standard_normal(x.shape, x.dtype)


def _refuse_frozen_noise(what: str, x: Array) -> None:
    if is_jax(x):
        raise TypeError(
            f"{what} on JAX arrays needs a JAX key, a NumPy seed would freeze one mask into a compiled function: "
            "pass rng=jax.random.key(step)"
        )


def windows(x: Array, frame: Frame) -> Array:
    """Return what every window on a grid sees, cell by cell; 0 outside of the grid. The adjoint adds windows up.

    (n, *space, c)  ->  (n, *places, cells, c), an array that is `cells` times as large where the stride is 1

    >>> windows(np.array([[[1.0], [2.0], [3.0]]]), Frame((3,), (2,), (1,), (0,)))[0, :, :, 0]
    array([[1., 2.],
           [2., 3.]])
    """
    return twin(x).windows(x, frame) if is_jax(x) else grids.windows(x, frame)


def eye(n: int, dtype: Any) -> Array:
    """Return the identity matrix as a constant.

    >>> eye(2, np.float32).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return np.eye(n, dtype=dtype)


def zeros(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return a constant array of zeros: where a recurrence starts.

    >>> zeros((1, 2), np.float32).dtype
    dtype('float32')
    """
    return np.zeros(shape, dtype)


def softmax(x: Array) -> Array:
    """Return exp(x) over its sum along the last axis, finite for every x."""
    return twin(x).softmax(x)


def log_softmax(x: Array) -> Array:
    """Return the logarithm of the softmax along the last axis, finite for every x.

    >>> log_softmax(np.array([[1e4, -1e4]]))
    array([[     0., -20000.]])
    """
    return twin(x).log_softmax(x)
