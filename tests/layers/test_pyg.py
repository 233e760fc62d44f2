"""Every layer that PyTorch Geometric has, against its numbers: tests/pyg."""

from __future__ import annotations

import pytest
from pyg.fixtures import assert_same_as_pyg, read

import graphnn as gn


def gcn(p):
    return {"weight": p["lin.weight"].T, "bias": p["bias"]}


def gin(p):
    return {
        "eps": p["eps"][0],
        "weight1": p["nn.0.weight"].T,
        "bias1": p["nn.0.bias"],
        "weight2": p["nn.2.weight"].T,
        "bias2": p["nn.2.bias"],
    }


# attention: their names below (heads, columns) vectors carry an axis of 1 in front


def renamed(**theirs):
    """Return a translation by names: matrices are turned, vectors (1, heads, columns) lose their first axis."""

    def translate(p):
        return {
            ours.replace("__", "."): p[name].T
            if p[name].ndim == 2
            else p[name].reshape(p[name].shape[-2:])
            if p[name].ndim == 3
            else p[name]
            for ours, name in theirs.items()
        }

    return translate


GAT = {"weight": "lin.weight", "receiver": "att_dst", "sender": "att_src", "bias": "bias"}
GAT_EDGES = GAT | {"edge_weight": "lin_edge.weight", "edge": "att_edge"}
GATV2 = {
    **{
        f"{ours}__{name}": f"{theirs}.{name}"
        for ours, theirs in (("sender", "lin_l"), ("receiver", "lin_r"))
        for name in ("weight", "bias")
    },
    "attention": "att",
    "bias": "bias",
}
GATV2_EDGES = GATV2 | {"edge_weight": "lin_edge.weight"}
TRANSFORMER = {
    f"{name}__{kind}": f"lin_{name}.{kind}" for name in ("query", "key", "value", "skip") for kind in ("weight", "bias")
}
TRANSFORMER_EDGES = TRANSFORMER | {"edge_weight": "lin_edge.weight", "gate": "lin_beta.weight"}


def set2set(p):
    return {
        "input": p["lstm.weight_ih_l0"].T,
        "hidden": p["lstm.weight_hh_l0"].T,
        "bias": p["lstm.bias_ih_l0"] + p["lstm.bias_hh_l0"],
    }


ATTENTION = {
    "gat": (gn.GATConv(6, 2), renamed(**GAT)),
    "gat-edges": (gn.GATConv(6, 2, edges=True), renamed(**GAT_EDGES), "edges"),
    "gat-mean": (gn.GATConv(3, 2, concat=False, loops=False, edges=True), renamed(**GAT_EDGES), "edges"),
    "gatv2": (gn.GATv2Conv(6, 2), renamed(**GATV2)),
    "gatv2-edges": (gn.GATv2Conv(6, 2, edges=True), renamed(**GATV2_EDGES), "edges"),
    "gatv2-mean": (gn.GATv2Conv(3, 2, concat=False, loops=False, edges=True), renamed(**GATV2_EDGES), "edges"),
    "transformer": (gn.TransformerConv(6, 2), renamed(**TRANSFORMER)),
    "transformer-edges": (gn.TransformerConv(6, 2, edges=True, gate=True), renamed(**TRANSFORMER_EDGES), "edges"),
    "transformer-mean": (
        gn.TransformerConv(3, 2, concat=False, edges=True, gate=True),
        renamed(**TRANSFORMER_EDGES),
        "edges",
    ),
    "agnn": (gn.AGNNConv(), lambda p: {"beta": p["beta"][0]}),
    "agnn-no-loops": (gn.AGNNConv(loops=False), lambda p: {"beta": p["beta"][0]}),
}
READOUT = {
    "attention": (gn.AttentionPool(), renamed(gate__weight="gate_nn.weight", gate__bias="gate_nn.bias")),
    "attention-columns": (
        gn.AttentionPool(gn.Dense(3), gn.Dense(3, gn.tanh)),
        renamed(
            gate__weight="gate_nn.weight",
            gate__bias="gate_nn.bias",
            inner__weight="nn.0.weight",
            inner__bias="nn.0.bias",
        ),
    ),
    "set2set": (gn.Set2Set(3), set2set),
    "sort": (gn.SortPool(3), renamed()),
    "sort-padded": (gn.SortPool(9), renamed()),
}

# case in the fixture: (layer, from their parameters to ours, what of the graph they read besides the nodes)
CONVOLUTION = {
    "gcn": (gn.GraphConv(3), gcn, "weights"),
    "gin": (gn.GINConv(3, gn.identity, hidden=5), gin),
}
NUMBERS = {
    f"{family}/{name}": (*rows[name.partition("/")[0]], numbers)
    for family, rows in {"convolution": CONVOLUTION, "attention": ATTENTION, "readout": READOUT}.items()
    for name, numbers in read(family).items()
}


@pytest.mark.parametrize("name", NUMBERS)
def test_values_and_gradients_are_those_of_pyg(name):
    layer, translate, *uses, numbers = NUMBERS[name]
    assert_same_as_pyg(layer, numbers, translate, *uses)
