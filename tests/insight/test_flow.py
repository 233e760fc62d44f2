"""model.graph: what feeds what, found by a run."""

from __future__ import annotations

import cases
import numpy as np
import pytest
import scipy.sparse
from cases import added

import graphnn as gn

batch = gn.pack(cases.graphs("mixed"))
rich = gn.pack(cases.graphs("mixed", edges=True, global_features=True))
shared = gn.Dense(3)


def rounded(params, graphs):
    return graphs.replace(nodes=gn.ops.stop_gradient(graphs.nodes).round())


def edges(model, graphs=batch):
    return {f"{a} -> {b}" for a, b in model.graph(graphs).edges}


@pytest.mark.parametrize(
    ("model", "graphs", "wanted"),
    [
        (gn.Sequential(gn.Dense(3), gn.Dense(1)), batch, "(nodes) -> 0.dense, 0.dense -> 1.dense"),
        (gn.Residual(gn.Dense(3)), batch, "(nodes) -> inner, (nodes) -> Residual, inner -> Residual"),
        (gn.Sequential(shared, shared), batch, "(nodes) -> 0.dense#1, 0.dense#1 -> 0.dense#2"),
        (
            gn.Concat(gn.Dense(2), own=gn.Dense(1)), batch,
            "(nodes) -> 0.dense, (nodes) -> own, 0.dense -> Concat, own -> Concat",
        ),
        (  # a function takes part, and Parallel does nothing of its own
            gn.Sequential(gn.Parallel(gn.Dense(2), gn.GraphConv(2)), added, gn.SumPool()), batch,
            "(nodes) -> 0.parallel.0.dense, (nodes) -> 0.parallel.1.graphconv, 0.parallel.0.dense -> 1.added, "
            "0.parallel.1.graphconv -> 1.added, 1.added -> 2.sumpool",
        ),
        (
            gn.JumpingKnowledge(gn.Sequential(gn.Dense(2), gn.GraphConv(2))), batch,
            "(nodes) -> inner.0.dense, inner.0.dense -> inner.1.graphconv, inner.0.dense -> JumpingKnowledge, "
            "inner.1.graphconv -> JumpingKnowledge",
        ),
        (  # both read the edges that came in, not each other's
            gn.Sequential(gn.GINEConv(2), gn.GATConv(2), gn.GINEConv(2)), rich,
            "(nodes) -> 0.gineconv, (edges) -> 0.gineconv, 0.gineconv -> 1.gatconv, 1.gatconv -> 2.gineconv, "
            "(edges) -> 2.gineconv",
        ),
        (  # new edges come from the block
            gn.Sequential(gn.GraphNetwork(gn.Dense(2)), gn.Edges()), rich,
            "(nodes) -> 0.graphnetwork.edges, (edges) -> 0.graphnetwork.edges, (globals) -> 0.graphnetwork.edges, "
            "0.graphnetwork.edges -> 1.edges",
        ),
        (  # the coarse edges that the convolution goes along come from the pool, not from its assignment
            gn.Sequential(gn.DiffPool(gn.Dense(2)), gn.GraphConv(2)), batch,
            "(nodes) -> 0.diffpool.assign, (nodes) -> 0.diffpool, 0.diffpool.assign -> 0.diffpool, "
            "0.diffpool -> 1.graphconv",
        ),
        (gn.Sequential(gn.Dropout(0.5), gn.Dense(1)), batch, "(nodes) -> 0.dropout, 0.dropout -> 1.dense"),
        (gn.Dense(1), np.ones((2, 2)), "(input) -> Dense"),
        (  # no gradient comes through, numbers do
            gn.Sequential(gn.Dense(2), rounded, gn.Dropout(0.5), gn.Dense(1)), batch,
            "(nodes) -> 0.dense, 0.dense -> 1.rounded, 1.rounded -> 2.dropout, 2.dropout -> 3.dense",
        ),
        (gn.Embedding(2, count=4), np.zeros((3, 1)), "(input) -> Embedding"),  # codes are looked up
        (
            gn.Sequential(gn.GraphConv(2), gn.Dense(1)),
            gn.pack(nodes=[scipy.sparse.csr_array(np.eye(3))]),
            "(nodes) -> 0.graphconv, 0.graphconv -> 1.dense",
        ),
    ],
)  # fmt: skip
def test_an_edge_is_an_output_that_goes_in(model, graphs, wanted):
    assert edges(model, graphs) == set(wanted.split(", "))


def test_a_branch_that_is_not_used_leads_nowhere():
    def first(params, parts):
        return parts[0]

    net = gn.Sequential(gn.Parallel(gn.Dense(2), gn.Dense(3)), first).graph(batch)
    assert list(net.successors("0.parallel.1.dense")) == []
    assert list(net.predecessors("1.first")) == ["0.parallel.0.dense"]


def test_nodes_say_what_they_are():
    model = gn.Sequential(gn.GraphConv(4, gn.relu), gn.Repeat(gn.Dense(4), 2), gn.BatchNorm(), gn.SumPool())
    net = model.graph(batch)
    assert net.nodes["0.graphconv"] == {
        "kind": "GraphConv", "what": "GraphConv(4, activation=relu)", "layer": gn.GraphConv(4, gn.relu),
        "scope": "0.graphconv", "shape": (15, 4), "size": 16, "params": ("0.graphconv.weight", "0.graphconv.bias"),
    }  # fmt: skip
    uses = [net.nodes[f"1.repeat.inner#{i}"] for i in (1, 2)]
    assert uses[0]["params"] == uses[1]["params"] == ("1.repeat.inner.weight", "1.repeat.inner.bias")
    assert uses[0]["scope"] == uses[1]["scope"]
    assert net.nodes["2.batchnorm"]["size"] == 8  # running statistics are not learned
    assert len(net.nodes["2.batchnorm"]["params"]) == 4
    assert net.nodes["3.sumpool"]["params"] == ()
    assert (net.nodes["(nodes)"]["kind"], net.nodes["(nodes)"]["shape"]) == ("input", (15, 3))


def test_tied_weights_are_seen_where_they_are_read():
    coder = gn.Sequential(gn.Dense(8), gn.Dense(3))
    net = gn.Tied(coder, {"1.dense.weight": "0.dense.weight"}, gn.ops.transpose).graph(batch)
    assert net.nodes["0.dense"]["params"] == ("0.dense.weight", "0.dense.bias")
    assert net.nodes["1.dense"]["params"] == ("0.dense.weight", "1.dense.bias")
