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


# case in the fixture: (layer, from their parameters to ours, what of the graph they read besides the nodes)
CONVOLUTION = {
    "gcn": (gn.GraphConv(3), gcn, "weights"),
    "gin": (gn.GINConv(3, gn.identity, hidden=5), gin),
}
NUMBERS = {
    f"{family}/{name}": (*rows[name.partition("/")[0]], numbers)
    for family, rows in {"convolution": CONVOLUTION}.items()
    for name, numbers in read(family).items()
}


@pytest.mark.parametrize("name", NUMBERS)
def test_values_and_gradients_are_those_of_pyg(name):
    layer, translate, *uses, numbers = NUMBERS[name]
    assert_same_as_pyg(layer, numbers, translate, *uses)
