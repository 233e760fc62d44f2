"""Pools and readouts against loops over the graphs."""

from __future__ import annotations

import cases
import numpy as np
import pytest

import graphnn as gn


def everything(nodes, axis):
    return np.concatenate([reduce(nodes, axis=axis) for reduce in (np.std, np.min, np.sum, np.max, np.mean)])


POOLS = {
    "sum": (gn.SumPool(), np.sum),
    "mean": (gn.MeanPool(), np.mean),
    "max": (gn.MaxPool(), np.max),
    "min": (gn.MinPool(), np.min),
    "std": (gn.StdPool(), np.std),
    "several": (gn.Concat(gn.StdPool(), gn.MinPool(), gn.SumPool(), gn.MaxPool(), gn.MeanPool()), everything),
}


@pytest.mark.parametrize(("pool", "reduce"), POOLS.values(), ids=POOLS)
@pytest.mark.parametrize("flavour", cases.FLAVOURS)
def test_a_pool_reduces_the_nodes_of_each_graph_and_an_empty_graph_gives_zero(pool, reduce, flavour):
    graphs = cases.graphs(flavour)
    width = len(reduce(np.ones((1, cases.WIDTH)), axis=0))
    wanted = [reduce(g.nodes, axis=0) if g.n_nodes else np.zeros(width) for g in graphs]
    np.testing.assert_allclose(pool({}, gn.pack(graphs)), wanted, rtol=1e-14)


def test_the_minimum_of_positive_numbers_is_positive():
    assert gn.MinPool()({}, gn.Graph([[3.0], [2.0]])).tolist() == [[2.0]]


def test_nodes_that_are_alike_have_no_spread_and_no_slope():
    batch = gn.pack([gn.Graph(np.full((3, 1), 0.1)), gn.Graph(np.array([[0.0], [4.0]]))])
    assert gn.StdPool()({}, batch).tolist() == [[0.0], [2.0]]
    grads = gn.grad(lambda h: gn.StdPool()({}, batch.replace(nodes=h)).sum())(batch.nodes)
    assert grads.tolist() == [[0.0], [0.0], [0.0], [-0.5], [0.5]]


def test_the_maximum_of_negative_numbers_is_negative():
    assert gn.MaxPool()({}, gn.Graph([[-3.0], [-2.0]])).tolist() == [[-2.0]]


def test_nodes_that_tie_for_the_maximum_share_its_gradient():
    graph = gn.Graph(np.array([[1.0], [1.0], [0.0]]))
    batch = gn.pack([graph])
    grads = gn.grad(lambda h: gn.MaxPool()({}, batch.replace(nodes=h)).sum())(batch.nodes)
    assert grads.tolist() == [[0.5], [0.5], [0.0]]


def test_readouts_give_what_the_graphs_carry():
    graphs = cases.graphs("mixed", edges=True, global_features=True)
    batch = gn.pack(graphs)
    np.testing.assert_array_equal(gn.Nodes()({}, batch), np.concatenate([g.nodes for g in graphs]))
    np.testing.assert_array_equal(gn.Edges()({}, batch), np.concatenate([g.edges for g in graphs]))
    np.testing.assert_array_equal(gn.Globals()({}, batch), np.stack([g.globals for g in graphs]))
