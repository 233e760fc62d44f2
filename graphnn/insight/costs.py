"""How many multiply-adds a step of the tape takes, by what is computed and not by what the formula would need, and the
order of the time to expect.

The time is a sum of four, at rates that are nominal for one core of a laptop and float64: nothing is measured here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np

from graphnn.ops import arrays, diffusion, fused, grids, matrix, primitives

DENSE_RATE = 15e9  # multiply-adds a second in products of dense arrays
LOOSE_RATE = 1.5e9  # and in all else: products with sparse matrices, sums
BYTE_RATE = 4e9  # bytes a second that a step makes, among them those of functions number by number
OVERHEAD = 5e-6  # seconds for a step of any size
BACK_AND_FORTH = 3  # a training step in forward passes; 2 to 5 were measured


def _product(out: Any, left: Any, *rest: Any) -> int:
    return np.size(out) * np.shape(left)[-1] if np.ndim(left) else 0


def _transposed_product(out: Any, left: Any, right: Any) -> int:
    return np.size(out) * np.shape(left)[0]


def _constant_sparse_product(out: Any, x: Any, *rest: Any) -> int:
    kernel = next(arg for arg in rest if isinstance(arg, matrix.SparseMatrix))
    return kernel.pattern.n_entries * math.prod(x.shape[1:])


def _diffusion(out: Any, h: Any, t: Any, kernel: Any, turned: bool) -> int:
    return kernel.pattern.n_entries * math.prod(h.shape[1:]) * diffusion.least_products(float(t), h.dtype)


def _weighting(out: Any, x: Any, weight: Any, *rest: Any) -> int:
    """Of a convolution the product with the weights, where it is dense."""
    return 0 if isinstance(x, matrix.SparseMatrix) else np.size(x) * np.shape(weight)[1]


def _spreading(out: Any, x: Any, weight: Any, bias: Any, kernel: Any, activation: Any) -> int:
    """Of a convolution the product with the kernel, and that with the weights where it is sparse."""
    entries = kernel.pattern.n_entries + (x.pattern.n_entries if isinstance(x, matrix.SparseMatrix) else 0)
    return entries * np.shape(weight)[1]


def _messages(out: Any, h: Any, edges: Any, *rest: Any) -> int:
    return np.size(out) * np.shape(edges)[-1]


def _sparse_product(out: Any, values: Any, x: Any, pattern: Any) -> int:
    return pattern.n_entries * math.prod(x.shape[1:])


def _sampled_product(out: Any, a: Any, x: Any, pattern: Any, by_head: bool) -> int:
    return pattern.n_entries * math.prod(x.shape[1:])


def _arrivals(out: Any, h: Any, more: Any, messages: Any, receivers: Any) -> int:
    return np.size(messages)


def _sum(out: Any, x: Any, *rest: Any) -> int:
    return np.size(x)


def _einsum(out: Any, subscripts: Any, *operands: Any) -> int:
    if not isinstance(subscripts, str):
        return 0
    sizes = {
        letter: n
        for letters, operand in zip(subscripts.replace(" ", "").partition("->")[0].split(","), operands, strict=True)
        for letter, n in zip(letters, np.shape(operand), strict=False)
    }
    return math.prod(sizes.values()) * max(1, len(operands) - 1)


def _tensordot(out: Any, left: Any, right: Any, *axes: Any) -> int:
    """Of a tensor product the contracted axes have sqrt(|a| |b| / |out|) places."""
    return round(math.sqrt(np.size(left) * np.size(right) * np.size(out)))


Cost = Callable[..., int]

DENSE: dict[Any, Cost] = {
    primitives.dot: _product,
    primitives.dot_nt: _product,
    primitives.dot_tn: _transposed_product,
    fused.affine: _product,
    fused.messages: _messages,
    matrix.conv: _weighting,
    anp.matmul: _product,
    anp.dot: _product,
    anp.inner: _product,
    anp.einsum: _einsum,
    anp.tensordot: _tensordot,
}
LOOSE: dict[Any, Cost] = {
    matrix.sparse_affine: _constant_sparse_product,
    diffusion.sparse_diffusion: _diffusion,
    matrix.constant_product: _constant_sparse_product,
    matrix.conv: _spreading,
    primitives.weighted_product: _sparse_product,
    primitives.turned_product: _sparse_product,
    primitives.sampled_product: _sampled_product,
    # sums
    primitives.segment_sum: _sum,
    primitives.segment_softmax: _sum,
    fused.arrivals: _arrivals,
    primitives.segment_logsumexp: _sum,
    primitives.softmax: _sum,
    primitives.log_softmax: _sum,
    primitives.column_sum: _sum,
    primitives.row_sum: _sum,
    fused.label_costs: _sum,
    fused.squares: _sum,
    arrays._total: _sum,
    grids.overlapped: _sum,
    anp.sum: _sum,
    anp.mean: _sum,
}


def multiply_adds(step: Any, out: Any, args: tuple) -> int:
    """Return how many terms a step adds up: of a dense product (n, d) (d, w) it is n d w, of a sparse one with rows of
    w numbers w for every entry, of a sum, by segment or along an axis, one for every number that goes in.

    What adds nothing up is 0: activations and all else that goes number by number, gathers, copies, maxima.

    >>> from graphnn import ops
    >>> multiply_adds(ops.primitives.dot, np.ones((5, 2)), (np.ones((5, 3)), np.ones((3, 2))))
    30
    """
    return sum(_terms(step, out, args))


def expected_seconds(step: Any, out: Any, args: tuple, n_bytes: int) -> float:
    """Return how long a step that makes so many new bytes should take; only its order of size means something.

    >>> from graphnn import ops
    >>> arrays = np.ones((1000, 100)), np.ones((100, 100))
    >>> round(1e3 * expected_seconds(ops.primitives.dot, np.ones((1000, 100)), arrays, 800_000), 3)  # ms
    0.872
    """
    dense, loose = _terms(step, out, args)
    return dense / DENSE_RATE + loose / LOOSE_RATE + n_bytes / BYTE_RATE + OVERHEAD


def order_of(seconds: float) -> float:
    """Return a time in milliseconds, rounded to its order: 1 or 3 times a power of ten, whichever is nearer.

    >>> [order_of(seconds) for seconds in (0.0, 0.0016, 0.0018, 0.0056, 0.0057, 12.0)]
    [0.0, 1.0, 3.0, 3.0, 10.0, 10000.0]
    """
    if seconds == 0:
        return 0.0
    halves = round(2 * math.log10(1e3 * seconds))  # 3 stands for the square root of ten
    return float(f"{(1, 3)[halves % 2]}e{halves // 2}")


def _terms(step: Any, out: Any, args: tuple) -> tuple[int, int]:
    """Return the multiply-adds of a step in dense products, and elsewhere."""
    dense, loose = (int(costs[step](out, *args)) if step in costs else 0 for costs in (DENSE, LOOSE))
    return dense, loose
