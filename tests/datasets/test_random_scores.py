"""Random graphs and their scores: formulas once more with matrices, and the task that nothing can learn."""

from __future__ import annotations

import re

import numpy as np
import pytest

import graphnn as gn
from graphnn.checks import GraphError
from graphnn.datasets import SCORES, random_graphs, scores

GRAPHS = random_graphs(40, nodes=(1, 9), features=3, seed=2)


def by_matrices(name, graph):
    """Return a score from the definition, with the dense adjacency."""
    A, v = graph.adjacency.toarray(), np.asarray(graph.nodes).mean(axis=1)
    marks = np.zeros_like(A)
    marks[graph.receivers, graph.senders] = graph.edges[:, 0]
    degrees = A.sum(axis=1)
    return {
        "number_of_nodes": len(v),
        "sum_of_nodes": v.sum(),
        "neighbor_sum": (A @ v).sum(),
        "square_root": ((A @ v) ** 0.5).sum(),
        "sine": np.sin(A @ v).sum(),
        "tangent": np.tan((A @ v)[degrees > 0] / degrees[degrees > 0]).sum(),
        "important_edges": v @ np.triu(marks) @ v,
    }[name]


# ---- graphs ----------------------------------------------------------------------------------------------------------


def test_graphs_are_simple_undirected_and_marked_both_ways():
    for graph in GRAPHS:
        A = graph.adjacency.toarray()
        np.testing.assert_array_equal(A, A.T)
        assert set(np.unique(A)) <= {0.0, 1.0}
        assert not np.diag(A).any()
        marks = np.zeros_like(A)
        marks[graph.receivers, graph.senders] = graph.edges[:, 0]
        np.testing.assert_array_equal(marks, marks.T)
        assert set(np.unique(graph.edges)) <= {0.0, 1.0}
        assert graph.nodes.shape[1] == 3


def test_sizes_degrees_marks_and_features_are_drawn_as_said():
    graphs = random_graphs(2000, nodes=(4, 8), degree=2.0)
    sizes = np.bincount([graph.n_nodes for graph in graphs])
    assert not sizes[:4].any()
    assert abs(sizes[4:] / 2000 - 0.2).max() < 0.05
    for size in range(4, 9):
        degrees = [graph.n_edges / size for graph in graphs if graph.n_nodes == size]
        assert abs(np.mean(degrees) - 2.0) < 0.2
    assert abs(np.concatenate([graph.edges for graph in graphs]).mean() - 0.5) < 0.02
    features = np.concatenate([graph.nodes for graph in graphs])
    assert 0 <= features.min() < 0.01
    assert 0.99 < features.max() < 1
    assert abs(features.mean() - 0.5) < 0.02


def test_a_large_degree_joins_all_and_none_joins_nothing():
    assert all(g.n_edges == g.n_nodes * (g.n_nodes - 1) for g in random_graphs(20, degree=99.0))
    assert all(g.n_edges == 0 for g in random_graphs(20, degree=0.0))
    assert random_graphs(0) == []


def test_the_first_of_many_are_those_of_few_and_seeds_differ():
    few, many, other = random_graphs(5, seed=1), random_graphs(9, seed=1), random_graphs(5, seed=2)
    for a, b in zip(few, many, strict=False):
        assert a.nodes.tobytes() == b.nodes.tobytes()
        np.testing.assert_array_equal(a.senders, b.senders)
    assert all(a.nodes.tobytes() != b.nodes.tobytes() for a, b in zip(few, other, strict=True))


@pytest.mark.parametrize(
    "settings", [{"n": -1}, {"nodes": (0, 3)}, {"nodes": (4, 3)}, {"features": 0}, {"degree": -1.0}]
)
def test_settings_that_no_graph_has_are_refused(settings):
    name, value = next(iter(settings.items()))
    with pytest.raises(ValueError, match=r"random_graphs: wanted .* got .*" + re.escape(f"{name}={value}")):
        random_graphs(**settings)


# ---- scores ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCORES)
def test_scores_are_what_their_formulas_say(name):
    wanted = [[by_matrices(name, graph)] for graph in GRAPHS]
    np.testing.assert_allclose(scores(GRAPHS, name), wanted, rtol=1e-12, atol=1e-12)
    assert np.std(wanted) > 0.1


@pytest.mark.parametrize("name", SCORES)
def test_scores_do_not_depend_on_the_order_of_nodes(name):
    rng = np.random.default_rng(0)
    turned = [gn.testing.permuted_nodes(graph, rng.permutation(graph.n_nodes)) for graph in GRAPHS]
    np.testing.assert_allclose(scores(turned, name), scores(GRAPHS, name), atol=1e-12)


def test_a_score_of_ones_own_is_a_function_of_a_graph():
    np.testing.assert_array_equal(scores(GRAPHS, lambda graph: graph.n_edges)[:, 0], [g.n_edges for g in GRAPHS])
    assert scores([], "sine").shape == scores([], "random").shape == (0, 1)


def test_random_scores_are_drawn_from_their_own_seed():
    np.testing.assert_array_equal(scores(GRAPHS, "random", seed=1), scores(GRAPHS[::-1], "random", seed=1))
    assert (scores(GRAPHS, "random", seed=1) != scores(GRAPHS, "random", seed=2)).all()
    drawn = scores(random_graphs(2000, nodes=(1, 1)), "random")
    assert abs(drawn.mean()) < 0.1
    assert abs(drawn.std() - 1) < 0.05


def test_other_names_infinite_scores_and_missing_marks_are_refused():
    with pytest.raises(ValueError, match=r"scores: there is no 'sin', only number_of_nodes.*did you mean 'sine'"):
        scores(GRAPHS, "sin")
    with pytest.raises(ValueError, match=r"scores: graphs\[0\] has the score nan"):
        scores(GRAPHS, lambda graph: np.nan)
    with pytest.raises(GraphError, match=r"graph\.edges: important_edges needs a column"):
        scores([gn.Graph(np.ones((2, 1)))], "important_edges")


# ---- the negative control --------------------------------------------------------------------------------------------


def errors(score):
    """Return the RMSE of a trained network on training and test graphs, and that of the training mean on the latter."""
    graphs = random_graphs(400, seed=7)
    y, batch = scores(graphs, score), gn.pack(graphs)
    train, test = np.arange(100), np.arange(100, 400)
    convolution = gn.Residual(gn.GraphConv(32, gn.silu, kernel=gn.kernels.adjacency))
    model = gn.Sequential(
        gn.Dense(32, gn.silu), convolution, gn.SumPool(), gn.Dense(32, gn.silu), gn.Dense(1), gn.Rescale()
    )
    params, _ = gn.fit(model, model.init(0, batch), batch[train], y[train], epochs=150, optimizer=gn.adam(1e-2))
    rows = [gn.rmse(model(params, batch[part]), y[part]) for part in (train, test)]
    return *rows, gn.rmse(np.full((300, 1), y[train].mean()), y[test])


def test_on_the_null_task_what_is_learned_does_not_hold_for_other_graphs():
    learned, tested, mean = errors("random")
    assert learned < 0.95 * mean, "it learned the training scores by heart"
    assert tested > mean


def test_the_same_network_learns_a_score_that_can_be_learned():
    _, tested, mean = errors("neighbor_sum")
    assert tested < 0.1 * mean
