"""Layers in which edges speak."""

import numpy as np
import pytest

import graphnn as gn


def test_edges_to_nodes_is_a_sum_over_in_edges():
    rng = np.random.default_rng(0)
    senders, receivers = rng.integers(0, 5, (2, 9))
    graph = gn.Graph(rng.normal(size=(5, 2)), senders, receivers, edges=rng.normal(size=(9, 3)))
    dense = np.concatenate(
        [
            graph.nodes,
            [sum((e for e, r in zip(graph.edges, receivers, strict=True) if r == i), np.zeros(3)) for i in range(5)],
        ],
        axis=1,
    )
    np.testing.assert_allclose(gn.EdgesToNodes()({}, graph).nodes, dense, rtol=1e-14)


def test_edges_to_nodes_needs_edges():
    with pytest.raises(gn.GraphError, match="there are none; give Graph"):
        gn.EdgesToNodes()({}, gn.Graph(np.ones((2, 1)), [0], [1]))
