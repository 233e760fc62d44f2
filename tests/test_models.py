"""The ready models: shapes, tasks, what they refuse, and that they learn."""

import numpy as np
import pytest

import graphnn as gn
from graphnn import models

GRAPHS = gn.datasets.alkanes().graphs[:12]
BONDED = [graph.replace(edges=np.ones((graph.n_edges, 2))) for graph in GRAPHS]


GRAPH_MODELS = [models.gcn, models.gin, models.gat, models.dmpnn, models.fingerprint]


@pytest.mark.parametrize("model", GRAPH_MODELS)
def test_a_graph_has_a_row(model):
    made = model(3, width=8, depth=2)
    assert made(made.init(0, BONDED), BONDED).shape == (12, 3)
    assert any(name.endswith("running_scale") for name in made.init(0, BONDED))
    assert not any("running" in name for name in model(3, task="classification").init(0, BONDED))


@pytest.mark.parametrize("model", [models.gcn, models.gin, models.gat])
def test_a_node_has_a_row_and_edges_are_seen(model):
    made = model(2, width=8, depth=1, level="node", edges=True)
    params = made.init(0, BONDED)
    out = made(params, BONDED)
    assert out.shape == (sum(graph.n_nodes for graph in GRAPHS), 2)
    doubled = [graph.replace(edges=2 * graph.edges) for graph in BONDED]
    assert np.abs(made(params, doubled) - out).max() > 1e-6


@pytest.mark.parametrize("model", GRAPH_MODELS)
def test_it_learns(model):
    y = gn.datasets.alkanes().boiling_points[:12]
    made = model(1, width=8, depth=2)
    params, _ = gn.fit(made, made.init(0, BONDED), BONDED, y, epochs=150, optimizer=gn.adam(1e-2))
    assert gn.r2(made(params, BONDED), y) > 0.98


def test_dropout_stands_where_it_is_asked_for():
    assert "Dropout(0.3)" in repr(models.gin(1, rate=0.3))
    assert "Dropout" not in repr(models.gin(1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"task": "ranking"}, "task must be one of regression, classification, got 'ranking'"),
     ({"level": "edge"}, "level must be one of graph, node, got 'edge'")],
)  # fmt: skip
def test_what_is_not_known_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.gcn(1, **arguments)
