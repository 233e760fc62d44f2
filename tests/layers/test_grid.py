"""Layers on grids against loops, and against graph convolutions on the graph of the grid."""

from __future__ import annotations

import cases
import numpy as np
import pytest
from autograd.test_util import check_grads

import graphnn as gn

IMAGES = np.random.default_rng(0).normal(size=(2, 5, 4, 3))
SEQUENCES = np.random.default_rng(1).normal(size=(2, 7, 3))

LAYERS = {
    gn.Conv2D(2, activation=gn.tanh): IMAGES,
    gn.Conv2D(2, (2, 3), stride=2, padding=(0, 2)): IMAGES,
    gn.Conv1D(2, 2, gn.sigmoid, stride=3, padding=1): SEQUENCES,
    gn.MaxPool2D(): IMAGES,
    gn.MaxPool2D(3, stride=1, padding=1): IMAGES,
    gn.AvgPool2D((2, 1), padding=(1, 0)): IMAGES,
    gn.Flatten(): IMAGES,
}
every_layer = pytest.mark.parametrize("layer", LAYERS, ids=repr)


def patch(x, i, j, size, stride, padding, fill):
    """Return what the window at (i, j) sees of one image."""
    padded = np.pad(x, [(padding[0],) * 2, (padding[1],) * 2, (0, 0)], constant_values=fill)
    top, left = i * stride[0], j * stride[1]
    return padded[top : top + size[0], left : left + size[1]]


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (2, 4)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
@pytest.mark.parametrize("padding", [(0, 0), (1, 0), (1, 2)])
def test_convolutions_and_means_are_loops_over_places(size, stride, padding):
    conv, mean = gn.Conv2D(2, size, stride=stride, padding=padding), gn.AvgPool2D(size, stride, padding)
    p = cases.parameters(conv, IMAGES)
    out, means = conv(p, IMAGES), mean({}, IMAGES)
    weight = p["weight"].reshape(*size, 3, 2)
    assert out.shape[:3] == means.shape[:3]
    places = [(i, j) for i in range(out.shape[1]) for j in range(out.shape[2])]
    assert out.shape[1] == (5 + 2 * padding[0] - size[0]) // stride[0] + 1
    for n, image in enumerate(IMAGES):
        for i, j in places:
            seen = patch(image, i, j, size, stride, padding, 0.0)
            np.testing.assert_allclose(out[n, i, j], np.einsum("ijc,ijcw->w", seen, weight) + p["bias"], rtol=1e-12)
            np.testing.assert_allclose(means[n, i, j], seen.mean(axis=(0, 1)), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("size", "padding"), [((2, 2), (0, 0)), ((3, 2), (1, 1)), ((2, 4), (1, 2))])
def test_the_largest_value_is_one_of_the_image_even_where_all_are_negative(size, padding):
    x = -np.exp(IMAGES)
    out = gn.MaxPool2D(size, 1, padding)({}, x)
    for n, i, j in np.ndindex(out.shape[:3]):
        seen = patch(x[n], i, j, size, (1, 1), padding, -np.inf)
        np.testing.assert_array_equal(out[n, i, j], seen.max(axis=(0, 1)))


def test_a_sequence_is_an_image_of_one_row():
    for size, stride, padding in ((3, 1, 0), (4, 2, 3)):
        layer = gn.Conv1D(2, size, gn.tanh, stride=stride, padding=padding)
        p = cases.parameters(layer, SEQUENCES)
        twin = gn.Conv2D(2, (1, size), gn.tanh, stride=(1, stride), padding=(0, padding))
        np.testing.assert_allclose(layer(p, SEQUENCES), twin(p, SEQUENCES[:, None])[:, 0], rtol=1e-13, atol=1e-15)


def test_flatten_keeps_the_order_in_memory():
    np.testing.assert_array_equal(gn.Flatten()({}, IMAGES), IMAGES.reshape(2, -1))
    assert gn.Flatten()({}, IMAGES[:0]).shape == (0, 60)


@every_layer
class TestLaws:
    def test_both_derivatives_to_second_order(self, layer):
        x = LAYERS[layer]
        params = cases.parameters(layer, x)
        vector, unflatten = gn.flatten({**params, "x": x})

        def function(vector):
            leaves = unflatten(vector)
            return layer({name: leaves[name] for name in params}, leaves["x"])

        np.random.seed(0)  # noqa: NPY002 - check_grads draws its directions there
        check_grads(function, modes=["fwd", "rev"], order=2)(vector)

    def test_float32_stays_float32_and_no_images_give_none(self, layer):
        x = LAYERS[layer].astype(np.float32)
        params = layer.init(0, x)
        assert all(value.dtype == np.float32 for value in params.values())
        leaves = {**params, "x": x}
        out, grads = gn.value_and_grad(
            lambda p: gn.ops.sum(layer({name: p[name] for name in params}, p["x"])), has_aux=False
        )(leaves)
        assert out.dtype == np.float32
        assert {g.dtype for g in grads.values()} == {np.dtype(np.float32)}
        assert layer(params, x[:0]).shape == (0, *layer(params, x).shape[1:])

    def test_an_image_does_not_see_its_neighbours_in_the_batch(self, layer):
        x = LAYERS[layer]
        params = cases.parameters(layer, x)
        alone = np.concatenate([layer(params, x[:1]), layer(params, x[1:])])
        np.testing.assert_allclose(layer(params, x), alone, rtol=1e-13, atol=1e-15)


class TestAGridIsAGraph:
    """The identity: a convolution is a sum over offsets of (who lies that way) @ features @ weight of the offset."""

    @pytest.mark.parametrize("reach", [1, 2])
    def test_conv2d_equals_a_convolution_with_several_kernels_on_the_graph_of_the_grid(self, reach):
        size = 2 * reach + 1
        conv = gn.Conv2D(2, size, padding=reach)
        p = cases.parameters(conv, IMAGES)
        batch = gn.pack([gn.grid_graph(image, reach) for image in IMAGES])
        offsets = [(i - reach, j - reach) for i in range(size) for j in range(size)]
        same = gn.MultiKernelConv(2, tuple(gn.kernels.Offset(offset) for offset in offsets))
        weights = p["weight"].reshape(len(offsets), 3, 2)
        params = {"bias": p["bias"], **{f"weight{k}": weight for k, weight in enumerate(weights)}}
        for layout in ("sparse", "list", "dense"):
            out = same(params, batch.with_layout(layout)).nodes
            np.testing.assert_allclose(out.reshape(2, 5, 4, 2), conv(p, IMAGES), rtol=0, atol=1e-12)

    def test_the_mean_of_all_neighbours_is_a_graph_convolution_with_the_random_walk(self):
        graphs = gn.pack([gn.grid_graph(image) for image in IMAGES])
        around = np.ones((9, 1)) - (np.arange(9) == 4)[:, None]
        many = [
            gn.Conv2D(1, 3, padding=1)({"weight": around, "bias": np.zeros(1)}, IMAGES[..., c : c + 1])
            for c in range(3)
        ]
        count = gn.Conv2D(1, 3, padding=1)({"weight": around, "bias": np.zeros(1)}, np.ones((2, 5, 4, 1)))
        wanted = np.concatenate(many, axis=-1) / count
        out = graphs.propagate(gn.kernels.random_walk, graphs.nodes)
        np.testing.assert_allclose(out.reshape(IMAGES.shape), wanted, rtol=1e-12, atol=1e-14)

    def test_pixels_are_joined_with_those_in_reach_and_know_where_they_are(self):
        graph = gn.grid_graph(IMAGES[0], 2)
        apart = np.abs(graph.positions[:, None] - graph.positions[None]).max(axis=-1)
        np.testing.assert_array_equal(graph.adjacency.toarray(), (apart > 0) & (apart <= 2))
        np.testing.assert_array_equal(graph.nodes, IMAGES[0].reshape(20, 3))
        assert gn.grid_graph(np.ones((1, 1, 2))).n_edges == 0
        assert gn.grid_graph(np.ones((0, 4, 2))).n_nodes == 0


def test_a_small_network_of_convolutions_learns_which_way_lines_run():
    rng = np.random.default_rng(0)
    lines = np.zeros((40, 6, 6, 1))
    across = np.arange(40) % 2
    for i, line in enumerate(lines):
        if across[i]:
            line[rng.integers(6)] = 1
        else:
            line[:, rng.integers(6)] = 1
    model = gn.Sequential(gn.Conv2D(4, 3, gn.relu), gn.MaxPool2D(4), gn.Flatten(), gn.Dense(2))
    params = model.init(0, lines)
    optimizer = gn.adam(0.05)
    state = optimizer.init(params)
    for _ in range(60):
        grads = gn.grad(lambda p: gn.cross_entropy(model(p, lines), across))(params)
        params, state = optimizer.update(params, grads, state)
    assert (model(params, lines).argmax(axis=1) == across).all()


def test_what_lies_outside_of_a_padded_pool_does_not_depend_on_the_first_image():
    x = np.ones((2, 4, 4, 1))
    x[0, 0, 0, 0], x[1, 0, 0, 0] = -np.inf, 9.0
    assert gn.MaxPool2D(2, padding=1)({}, x)[1, 0, 0].tolist() == [9.0]
