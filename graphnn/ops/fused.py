"""What a layer or a loss is made of as one step of the tape each, with its derivatives in primitives.

A step of the tape costs some microseconds and keeps what its gradient needs. Where several follow each other in every
layer of a kind they are one here: an affine map and its activation, a message along an edge, what arrives at a node,
the logits of attention, a loss. The products of a matrix with features, and of a whole convolution, are in `matrix`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from graphnn.ops import sparse
from graphnn.ops.activations import FUSED, kept_of_fused
from graphnn.ops.arrays import add_all, differentiable, value_of
from graphnn.ops.arrays import sum as total
from graphnn.ops.buffers import dense_product
from graphnn.ops.passes import above_zero, add_row, below_zero
from graphnn.ops.primitives import (
    Segments,
    column_sum,
    dot,
    dot_nt,
    dot_tn,
    gather,
    put,
    repeat_row,
    segment_sum,
    softmax,
)
from graphnn.types import Array

# ---- activation(x W + b) --------------------------------------------------------------------------------------------


def _affine_pull(g: Array, argnums: Sequence[int], ans: Array, args: tuple) -> list[Array]:
    x, weight, _, activation = args
    g = FUSED[activation].slope(g, ans)
    pull = (dot_nt, dot_tn, column_sum)
    operands = ((g, weight), (x, g), (g,))
    return [pull[argnum](*operands[argnum]) for argnum in argnums]


def _affine_push(argnums: Sequence[int], tangents: Sequence[Array], ans: Array, args: tuple) -> Array:
    x, weight, _, activation = args
    parts = []
    for argnum, tangent in zip(argnums, tangents, strict=True):
        if argnum == 0:
            parts.append(dot(tangent, weight))
        elif argnum == 1:
            parts.append(dot(x, tangent))
        else:
            parts.append(repeat_row(tangent, x.shape[0]))
    return FUSED[activation].slope(add_all(parts), ans)


@differentiable(_affine_pull, _affine_push, kept_of_fused)
def affine(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, activation: Callable) -> np.ndarray:
    """Return activation(x weight + bias) for an activation of FUSED. (n, d), (d, width), (width,) -> (n, width)"""
    out = dense_product(x, weight)
    if bias is not None:
        add_row(out, bias)
    FUSED[activation].apply(out)
    return out


def _biased_pull(g: Array, argnums: Sequence[int], ans: Array, args: tuple) -> list[Array]:
    g = FUSED[args[2]].slope(g, ans)
    return [g if argnum == 0 else column_sum(g) for argnum in argnums]


def _biased_push(argnums: Sequence[int], tangents: Sequence[Array], ans: Array, args: tuple) -> Array:
    pairs = zip(argnums, tangents, strict=True)
    parts = [tangent if argnum == 0 else repeat_row(tangent, args[0].shape[0]) for argnum, tangent in pairs]
    return FUSED[args[2]].slope(add_all(parts), ans)


@differentiable(_biased_pull, _biased_push, kept_of_fused)
def biased(x: np.ndarray, bias: np.ndarray, activation: Callable) -> np.ndarray:
    """Return activation(x + bias) for an activation of FUSED. (n, width), (width,) -> (n, width)"""
    out = x + bias
    FUSED[activation].apply(out)
    return out


# ---- what layers with edge features and with a share of the node itself are made of ---------------------------------


def _messages_pull(g: Array, argnums: Sequence[int], ans: Array, args: tuple) -> list[Array]:
    _, edges, weight, _, senders, activation = args
    g = FUSED[activation].slope(g, ans)
    pull = (segment_sum, dot_nt, dot_tn, column_sum)
    operands = ((g, senders), (g, weight), (edges, g), (g,))
    return [pull[argnum](*operands[argnum]) for argnum in argnums]


def _messages_push(argnums: Sequence[int], tangents: Sequence[Array], ans: Array, args: tuple) -> Array:
    _, edges, weight, _, senders, activation = args
    parts = []
    for argnum, tangent in zip(argnums, tangents, strict=True):
        if argnum == 0:
            parts.append(gather(tangent, senders))
        elif argnum == 1:
            parts.append(dot(tangent, weight))
        elif argnum == 2:
            parts.append(dot(edges, tangent))
        else:
            parts.append(repeat_row(tangent, len(senders.index)))
    return FUSED[activation].slope(add_all(parts), ans)


@differentiable(_messages_pull, _messages_push, kept_of_fused)
def messages(
    h: np.ndarray, edges: np.ndarray, weight: np.ndarray, bias: np.ndarray, senders: Segments, activation: Callable
) -> np.ndarray:
    """Return activation(h[senders] + edges weight + bias) for an activation of FUSED.

    h: (n_nodes, d);  edges: (n_edges, e);  weight: (e, d);  bias: (d,)  ->  (n_edges, d)
    """
    out = edges @ weight
    out += (h + bias).take(senders.index, axis=0)
    FUSED[activation].apply(out)
    return out


def _stretched_pull(g: Array, argnums: Sequence[int], ans: Array, args: tuple) -> list[Array]:
    x, more = args
    return [stretched(g, more) if argnum == 0 else total(g * x) for argnum in argnums]


def _stretched_push(argnums: Sequence[int], tangents: Sequence[Array], ans: Array, args: tuple) -> Array:
    x, more = args
    return add_all([stretched(t, more) if argnum == 0 else x * t for argnum, t in zip(argnums, tangents, strict=True)])


@differentiable(_stretched_pull, _stretched_push)
def stretched(x: np.ndarray, more: np.ndarray) -> np.ndarray:
    """Return (1 + more) x for a single number. autograd's own product would sum g x over an axis after the other."""
    return x * (1 + more)


def _inner(a: Array, b: Array) -> Array:
    return total(a * b)


def _arrivals_pull(g: Array, argnums: Sequence[int], ans: None, args: tuple) -> list[Array]:
    h, more, _, receivers = args
    pull = (stretched, _inner, gather)
    operands = ((g, more), (g, h), (g, receivers))
    return [pull[argnum](*operands[argnum]) for argnum in argnums]


def _arrivals_push(argnums: Sequence[int], tangents: Sequence[Array], ans: None, args: tuple) -> Array:
    h, more, _, receivers = args
    parts = []
    for argnum, tangent in zip(argnums, tangents, strict=True):
        if argnum == 2:
            parts.append(segment_sum(tangent, receivers))
        else:
            parts.append(stretched(tangent, more) if argnum == 0 else h * tangent)
    return add_all(parts)


def _without_messages(ans: Array, args: tuple) -> tuple[None, tuple]:
    return None, (*args[:2], None, args[3])


@differentiable(_arrivals_pull, _arrivals_push, _without_messages)
def arrivals(h: np.ndarray, more: np.ndarray, messages: np.ndarray, receivers: Segments) -> np.ndarray:
    """Return (1 + more) h_i + the sum of the messages that arrive at i, for a single number `more`.

    h: (n_nodes, d);  messages: (n_edges, d)  ->  (n_nodes, d)
    """
    out = np.multiply(h, 1 + more, order="C")
    sparse.add_to(out, sparse.Entries(receivers.grouped[0], receivers.ones(out.dtype)), messages)
    return out


# ---- attention ------------------------------------------------------------------------------------------------------


def _slope_of_leaky(ans: Array, args: tuple) -> tuple[np.ndarray, tuple]:
    """Keep of leaky_relu(x, slope), for a slope from 0 up, what it is steep: 1, slope, and 0 at 0."""
    out, slope = value_of(ans), args[-1]
    steep = (out < 0) * out.dtype.type(slope)
    steep += out > 0
    return steep, args


def _pair_pull(g: Array, argnums: Sequence[int], steep: np.ndarray, args: tuple) -> list[Array]:
    g = g * steep
    return [segment_sum(g, args[2 + argnum]) for argnum in argnums]


def _pair_push(argnums: Sequence[int], tangents: Sequence[Array], steep: np.ndarray, args: tuple) -> Array:
    return steep * add_all([gather(t, args[2 + argnum]) for argnum, t in zip(argnums, tangents, strict=True)])


@differentiable(_pair_pull, _pair_push, _slope_of_leaky)
def pair_logits(
    receiver: np.ndarray, sender: np.ndarray, receivers: Segments, senders: Segments, slope: float
) -> np.ndarray:
    """Return leaky_relu(receiver_i + sender_j, slope) for arcs j -> i and a slope from 0 up.

    receiver, sender: (n_nodes, heads)  ->  (n_arcs, heads)
    """
    out = receiver.take(receivers.index, axis=0)
    out += sender.take(senders.index, axis=0)
    below = below_zero(out)
    below *= slope
    above_zero(out, out)
    out += below
    return out


# ---- losses: a number from an array, in one step of the tape --------------------------------------------------------


def _label_slope(g: Array, logits: Array, labels: np.ndarray, shares: np.ndarray | None, scale: float) -> Array:
    hit = put(np.ones(len(labels), value_of(logits).dtype), labels, value_of(logits).shape[1])
    slope = (softmax(logits) - hit) * (scale * g)
    return slope if shares is None else slope * shares[:, None]


def _label_costs_pull(g: Array, argnums: Sequence[int], ans: Array, args: tuple) -> list[Array]:
    return [_label_slope(g, *args)]


def _label_costs_push(argnums: Sequence[int], tangents: Sequence[Array], ans: Array, args: tuple) -> Array:
    return total(_label_slope(1.0, *args) * tangents[0])


@differentiable(_label_costs_pull, _label_costs_push)
def label_costs(logits: np.ndarray, labels: np.ndarray, shares: np.ndarray | None, scale: float) -> np.ndarray:
    """Return scale times the sum of -shares[i] log softmax(logits[i])[labels[i]]. (n, c), (n,), (n,) -> a number"""
    shifted = logits - logits.max(axis=1, keepdims=True)
    costs = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]
    return scale * np.sum(costs if shares is None else costs * shares)


def _squares_slope(g: Array, x: Array, shares: np.ndarray | None, scale: float) -> Array:
    slope = x * (2 * scale * g)
    return slope if shares is None else slope * shares


def _squares_pull(g: Array, argnums: Sequence[int], ans: Array, args: tuple) -> list[Array]:
    return [_squares_slope(g, *args)]


def _squares_push(argnums: Sequence[int], tangents: Sequence[Array], ans: Array, args: tuple) -> Array:
    return total(_squares_slope(1.0, *args) * tangents[0])


@differentiable(_squares_pull, _squares_push)
def squares(x: np.ndarray, shares: np.ndarray | None, scale: float) -> np.ndarray:
    """Return scale times the sum of shares x^2, the shares being of the shape of x. (...) -> a number"""
    return scale * np.sum(x * x if shares is None else x * x * shares)
