"""One block-diagonal operator as dense blocks, one sparse matrix, padded blocks: the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from derivatives import Case, DerivativeLaws, assert_close, name_of, normal

import graphnn as gn
from graphnn import ops

SIZES = {
    "several": (2, 3, 4),
    "an-empty-graph-in-the-middle": (3, 0, 2),
    "an-empty-graph-last": (2, 1, 0),
    "graphs-of-one-node": (1, 1, 1),
    "one-graph": (4,),
    "only-empty-graphs": (0, 0),
    "no-graphs": (),
}
WIDTHS = {"1d": (), "columns": (2,), "no-columns": (0,), "3d": (2, 3), "3d-as-wide-as-a-graph": (3, 2)}
FORMS = ["list", "sparse", "padded"]


def operator(form: str, blocks: list, sizes: tuple[int, ...]):
    """Return the operator with these blocks, whose numbers may be traced, in one of the three forms."""
    if form == "list":
        return list(blocks)
    largest, n = max(sizes, default=0), sum(sizes)
    starts = np.cumsum([0, *sizes])
    local = [np.indices((size, size)).reshape(2, -1) for size in sizes]
    values = ops.concatenate([b.reshape((b.shape[0] ** 2,)) for b in blocks]) if blocks else np.zeros(0)
    if form == "sparse":
        rows, columns = np.concatenate(
            [places + start for places, start in zip(local, starts, strict=False)] or [np.zeros((2, 0), int)],
            axis=1,
        )
        return ops.SparseMatrix.from_entries(rows.astype(int), columns.astype(int), values, (n, n))
    flat = [(g * largest + r) * largest + c for g, (r, c) in enumerate(local)]
    place = np.concatenate([*flat, np.zeros(0, int)]).astype(int)
    padded = ops.segment_sum(values, place, len(sizes) * largest**2)
    slot = np.concatenate([g * largest + np.arange(size) for g, size in enumerate(sizes)] + [np.zeros(0)])
    return ops.PaddedBlocks(padded.reshape((len(sizes), largest, largest)), slot.astype(int))


def arrays_for(kind: str, width: str) -> tuple[list[np.ndarray], np.ndarray]:
    sizes = SIZES[kind]
    *blocks, h = normal(f"{kind} {width}", *((size, size) for size in sizes), (sum(sizes), *WIDTHS[width]))
    return blocks, h


def plain(*arrays: np.ndarray) -> np.ndarray:
    *blocks, h = arrays
    n = h.shape[0]
    dense = scipy.linalg.block_diag(*blocks).reshape((n, n)) if n else np.zeros((0, 0))
    return (dense @ h.reshape((n, int(np.prod(h.shape[1:]))))).reshape(h.shape)


def case_of(form: str, kind: str, width: str) -> Case:
    blocks, h = arrays_for(kind, width)

    def ours(*arrays):
        return ops.propagate(operator(form, arrays[:-1], SIZES[kind]), arrays[-1])

    return Case(f"{form}-{kind}-{width}", ours, plain, (*blocks, h))


CASES = [
    case_of(form, kind, width)
    for form in FORMS
    for kind in SIZES
    for width in WIDTHS
    if sum(SIZES[kind]) and (width == "columns" or kind == "an-empty-graph-in-the-middle")
]


@pytest.mark.parametrize("case", CASES, ids=name_of)
class TestEveryForm(DerivativeLaws):
    pass


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", SIZES)
def test_three_forms_give_the_same_values_and_gradients(kind, width):
    blocks, h = arrays_for(kind, width)
    results = []
    for form in FORMS:

        def loss(arrays, form=form):
            out = ops.propagate(operator(form, arrays[:-1], SIZES[kind]), arrays[-1])
            return ops.sum(out * out), out

        results.append(gn.value_and_grad(loss, has_aux=True)([*blocks, h]))
    (_, reference), gradients = results[0]
    for (_, value), grads in results[1:]:
        assert_close(value, reference)
        for ours, wanted in zip(grads, gradients, strict=True):
            assert_close(ours, wanted)


@pytest.mark.parametrize("activation", [ops.identity, ops.relu, ops.tanh, ops.sigmoid, ops.silu, ops.elu])
@pytest.mark.parametrize("form", FORMS)
def test_bias_and_activation_are_applied_alike(form, activation):
    blocks, h = arrays_for("an-empty-graph-in-the-middle", "columns")
    (bias,) = normal("bias", (2,))
    out = ops.propagate(operator(form, blocks, (3, 0, 2)), h, bias, activation)
    assert_close(out, activation(plain(*blocks, h) + bias))


def test_a_graph_does_not_see_its_neighbours():
    blocks, h = arrays_for("several", "columns")
    for form in FORMS:
        together = ops.propagate(operator(form, blocks, (2, 3, 4)), h)
        alone = ops.propagate(operator(form, blocks[1:2], (3,)), h[2:5])
        assert_close(together[2:5], alone)


@pytest.mark.parametrize("rows", [0, 4, 6])
def test_a_list_of_kernels_that_does_not_fit_is_refused(rows):
    text = f"propagate: the kernels have 5 rows in all, the features {rows}; give one"
    with pytest.raises(ValueError, match=text):
        ops.propagate([np.eye(2), np.eye(3)], np.ones((rows, 2)))


def test_gradients_per_kernel_have_each_kernels_shape_and_dtype():
    blocks, h = arrays_for("graphs-of-one-node", "columns")
    small = [b.astype(np.float32) for b in blocks]
    grads = gn.grad(lambda Ks: ops.mean(ops.propagate(Ks, h.astype(np.float32)) ** 2))(small)
    assert [(g.shape, g.dtype) for g in grads] == [((1, 1), np.float32)] * 3
