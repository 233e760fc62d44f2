"""Values as JSON: what goes in comes back equal, and a file can name nothing but what it was given."""

from __future__ import annotations

import functools
import json
import sys
from dataclasses import dataclass, field, fields
from typing import get_type_hints

import autograd
import cases
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_contracts import LAYERS

import graphnn as gn
from graphnn import architecture, chem, initializers, kernels, schedules
from graphnn.architecture import MODULES, from_json, public_names, to_json
from graphnn.datasets.attributes import GraphFeatures

CONTRACTS = list({repr(row.layer): row.layer for row in LAYERS}.values())


def sine(x):
    return gn.ops.where(x > 0, x, 0.5 * x)


def nearby(graph):
    return graph.adjacency.toarray()


@dataclass(frozen=True)
class Band:
    """A kernel of the user's."""

    low: float = 0.0
    high: float = float("inf")

    def __call__(self, graph):
        return graph.adjacency.toarray()


@dataclass(frozen=True)
class Gate(gn.Layer):
    width: int
    inner: gn.Layer | None = None
    sizes: tuple = ()
    table: dict = field(default_factory=dict)

    def forward(self, params, graphs):
        return graphs


class TwoHeads(gn.Layer):
    encoder = gn.Dense(3)

    def forward(self, params, graphs):
        return self.encoder(params.scope("encoder"), graphs)


class Deep(gn.Sequential):
    """A container of the user's."""


class Tower(gn.Sequential):
    """A container whose members follow from a number."""

    def __init__(self, depth):
        super().__init__(*(gn.Dense(2) for _ in range(depth)))


class Loose(gn.Layer):
    """A layer that is no dataclass, on which somebody sets what he likes."""


class WithState(gn.Layer):
    def __init__(self):
        self.weights = 3


@dataclass(frozen=True)
class Doubles:
    width: int

    def __post_init__(self):
        object.__setattr__(self, "width", 2 * self.width)


OWN = [sine, nearby, Band, Gate, TwoHeads, Deep]
CONV = gn.GraphConv(4, gn.relu)
VALUES = [
    None, True, 0, -3, 10**30, 0.1, -0.0, 1e300, float("inf"), float("-inf"), float("nan"), "", "$x", "Ångström \ud800",
    [], (), {}, [1, [2.0, ()]], (1, (2, [3])), {"a": (1,), "": {"b": None}},
    np.float32(0.1), np.float64(0.1), np.float16("nan"), np.int8(-1), np.uint64(2**64 - 1), np.bool_(True),
    gn.relu, gn.ops.max, kernels.adjacency, gn.glorot, gn.cross_entropy, gn.rmse, initializers.identity, gn.identity,
    initializers.normal(0.1), initializers.uniform(-1, 1),
    kernels.Heat(0.5), kernels.Power(kernels.Heat(np.float32(2.0), kernels.laplacian), 3), kernels.chebyshev_basis(3),
    gn.GraphConv(8, kernel="own"), gn.GraphConv(np.int64(8), kernel=kernels.PersonalizedPageRank(0.1)),
    gn.Sequential(), gn.Sequential(gn.Dense(2), gn.Nodes()),
    gn.Sequential(a=gn.Dense(2), b=gn.Sequential(gn.Dense(3), gn.Residual(gn.Dense(3)))),
    gn.Sequential(gn.Dense(2), CONV, CONV, again=CONV), gn.Sequential(gn.Sequential(CONV, CONV), CONV),
    gn.Sequential(gn.GraphConv(4), gn.GraphConv(4)),
    gn.Concat(CONV, CONV, far=gn.Dense(2)), gn.Parallel(a=CONV, b=gn.Sequential(CONV)), gn.Parallel(gn.MLP((3, 1))),
    gn.sgd(0.1), gn.adamw(schedules.Cosine(0.1, 10), weight_decay=0), gn.frozen(), gn.adam(np.float32(0.01)),
    gn.per_module({"encoder.*": gn.sgd(0.1), "*.bias": gn.momentum(1), "*": gn.frozen()}),
    chem.DuvenaudFeatures(), chem.DMPNNFeatures(hydrogens=True),
    GraphFeatures(structure=("degree",), identity=(0, "b")),
    sine, nearby, Band(), Band(float("nan")),
    Band(np.float64(1), 2), Gate(1, Gate(2), (1, (2,)), {"x": [1.5]}), TwoHeads(), Deep(Gate(1)),
    gn.Sequential(gn.GraphConv(2, sine, kernel=Band(1.0)), TwoHeads()),
]  # fmt: skip


def through_text(value, known=OWN):
    return from_json(json.loads(json.dumps(to_json(value), allow_nan=False)), known)


@pytest.mark.parametrize("value", [*VALUES, *CONTRACTS], ids=repr)
def test_what_goes_in_comes_back(value):
    known = [*OWN, *(part for part in vars(cases).values() if getattr(part, "__module__", "") == "cases")]
    back = through_text(value, known)
    assert type(back) is type(value)
    assert repr(back) == repr(value)
    assert back == value or "nan" in repr(value)


def test_what_is_shared_comes_back_shared_and_what_is_equal_comes_back_apart():
    shared = through_text(gn.Sequential(gn.Dense(2), CONV, CONV, gn.Residual(CONV), head=gn.Sequential(CONV)))
    assert shared[1] is shared[2] is shared[3].inner is shared[4][0]
    assert shared.names == ("0.dense", "1.graphconv", "1.graphconv", "3.residual", "head")
    apart = through_text(gn.Sequential(gn.GraphConv(4), gn.GraphConv(4)))
    assert apart[0] is not apart[1]
    assert apart.names == ("0.graphconv", "1.graphconv")


def test_two_shared_objects_keep_their_numbers():
    a, b = gn.Dense(1), gn.Dense(2)
    back = through_text([a, b, b, a, gn.Sequential(a, b)])
    assert back[0] is back[3] is back[4][0]
    assert back[1] is back[2] is back[4][1]
    assert back[0] is not back[1]


def test_the_text_is_as_it_was_when_the_first_files_were_written():
    model = gn.Sequential(CONV, CONV, pool=gn.SumPool())
    convolution = {
        "$new": "graphnn.layers.GraphConv", "width": 4, "activation": {"$name": "graphnn.ops.relu"}, "kernel": None,
        "$as": 1,
    }  # fmt: skip
    assert to_json(model) == {
        "$new": "graphnn.layers.Sequential",
        "$members": [[None, convolution], [None, {"$same": 1}], ["pool", {"$new": "graphnn.layers.SumPool"}]],
    }
    assert to_json((1, float("inf"))) == {"$tuple": [1, {"$float": "inf"}]}
    assert to_json([np.float32(0.5), np.bool_(True)]) == [{"$scalar": ["float32", 0.5]}, {"$scalar": ["bool", True]}]
    assert to_json(Gate(1))["$new"] == f"{__name__}.Gate"


def test_the_table_holds_what_graphnn_defines_and_nothing_that_lies_around_in_it():
    names = public_names()
    assert names["graphnn.kernels.Heat"] is kernels.Heat
    assert names["graphnn.datasets.attributes.GraphFeatures"] is GraphFeatures
    modules = tuple(module.__name__ for module in MODULES)
    assert all(value.__module__.startswith(modules) for value in names.values())
    for name in ("ops.np", "ops.math", "ops.relu.__globals__", "layers.Layer", "kernels.dataclass", "kernels.fields"):
        assert f"graphnn.{name}" not in names
    assert not [name for name in names if "._" in name]
    assert "graphnn.layers.containers.Sequential" not in names


@pytest.mark.parametrize("cls", [v for v in public_names().values() if isinstance(v, type)], ids=lambda c: c.__name__)
def test_the_declared_kinds_of_every_public_class_can_be_read(cls):
    assert {f.name for f in fields(cls)} <= set(get_type_hints(cls))


def test_own_classes_are_found_where_they_have_moved_to():
    data = to_json(Gate(1))
    data["$new"] = "__main__.Gate"
    assert from_json(data, [Band, Gate]) == Gate(1)
    twin = type("Gate", (Gate,), {"__module__": "elsewhere"})
    with pytest.raises(KeyError, match=r"'__main__.Gate' could be 'test_architecture_json.Gate', 'elsewhere.Gate'"):
        from_json(data, [twin, Gate][::-1])
    data["$new"] = "elsewhere.Gate"
    assert type(from_json(data, [Gate, twin])) is twin


def test_an_unknown_name_is_told_with_the_remedy():
    remedy = r"model\[0\]: 'test_architecture_json.Gate' is not a name of graphnn.* import it and pass known=\[Gate\]"
    with pytest.raises(KeyError, match=remedy):
        from_json(to_json(gn.Sequential(Gate(1))), place="model")
    with pytest.raises(KeyError, match=r"did you mean 'graphnn.layers.GraphConv'"):
        from_json({"$new": "graphnn.layers.GraphCon", "width": 3})


@pytest.mark.parametrize("known", [Gate, "Gate", {"Gate": Gate}])
def test_known_is_a_list(known):
    with pytest.raises(TypeError, match=r"known must be a list .* known=\[...\]"):
        from_json(1, known)


def test_known_holds_classes_not_their_objects():
    with pytest.raises(TypeError, match="known holds a Gate; give the class"):
        from_json(1, [Gate(1)])


def local(x):
    def inside(x):
        return x

    return inside


def loose():
    layer = Loose()
    layer.width = 3
    return layer


class Bound:
    def method(self, x):
        return x


UNWRITABLE = {
    "lambda": (gn.Sequential(gn.Dense(1, activation=lambda x: x)), r"model\[0\].activation is .*<lambda>.*at the top"),
    "local function": (gn.Dense(1, local(1)), r"model.activation is .*local.<locals>.inside"),
    "local class": (dataclass(frozen=True)(type("L", (), {"__qualname__": "f.<locals>.L"}))(), r"model is .*<locals>"),
    "bound method": (gn.Dense(1, Bound().method), r"model.activation is .*Bound.method, which no file can name"),
    "builtin method": (gn.Dense(1, [].append), r"model.activation is builtin.*append, which no file"),
    "partial": (gn.Dense(1, functools.partial(max, 1)), r"model.activation is a partial, which a file cannot hold"),
    "array": (Gate(1, sizes=(1, np.ones(2))), r"model.sizes\[1\] is a ndarray.*Arrays belong to params or state"),
    "set": ([{1}], r"model\[0\] is a set"),
    "set later": (loose(), r"model is a Loose, which a file cannot hold"),
    "nothing inside": (object(), r"model is a object, which a file cannot hold"),
    "state": (WithState(), r"model is a WithState"),
    "own key": (Gate(1, table={1: 2}), r"model.table has the key 1; keys must be words"),
    "dollar": ({"$new": 1}, r"model has the key '\$new'"),
    "numpy word": ([np.str_("a")], r"model\[0\] is a str_"),
    "complex": ([1j, np.complex64(1)], r"model\[0\] is a complex"),
    "file": ({"out": sys.stdout}, r"model\['out'\] is a"),
}


@pytest.mark.parametrize("case", UNWRITABLE)
def test_what_cannot_be_named_is_refused_with_its_place(case):
    value, message = UNWRITABLE[case]
    with pytest.raises(TypeError, match=message):
        to_json(value, "model")


def test_a_number_that_is_being_differentiated_is_refused():
    def loss(x):
        with pytest.raises(TypeError, match="value is a ArrayBox"):
            to_json(x)
        return x

    autograd.grad(loss)(1.0)


def test_a_class_that_changes_its_settings_is_refused_when_it_is_written():
    with pytest.raises(ValueError, match=r"model.width: Doubles makes 4 of 2.*keep settings as they are given"):
        to_json(Doubles(1), "model")


def test_a_class_that_cannot_be_made_from_its_fields_is_refused_when_it_is_written():
    def start(self):
        Gate.__init__(self, 3)

    own = type("Own", (Gate,), {"__init__": start, "__qualname__": "Own"})
    with pytest.raises(ValueError, match="model: Own cannot be made from its settings"):
        to_json(own(), "model")
    with pytest.raises(ValueError, match="model: Tower cannot be made from its settings"):
        to_json(Tower(2), "model")


DENSE = {"$new": "graphnn.layers.Dense", "width": 1}
UNREADABLE = {
    "system call": ({"$name": "os.system"}, KeyError, "'os.system' is not a name of graphnn"),
    "module inside": ({"$name": "graphnn.ops.np.load"}, KeyError, "'graphnn.ops.np.load'"),
    "method": ({"$new": "graphnn.layers.Dense.__init__"}, KeyError, "__init__"),
    "no setting": ({"$new": "graphnn.graph.Graph"}, KeyError, "Graph"),
    "base": ({"$new": "graphnn.layers.Layer"}, KeyError, "Layer"),
    "not imported": ({"$new": "antigravity.Layer"}, KeyError, "antigravity"),
    "function made": ({"$new": "graphnn.ops.relu"}, ValueError, "is nothing a file may make"),
    "extra": ({**DENSE, "depth": 3}, ValueError, "Dense has no field 'depth'"),
    "misspelt": ({**DENSE, "widht": 3}, ValueError, "no field 'widht'; did you mean 'width'"),
    "missing": ({"$new": "graphnn.layers.Dense"}, ValueError, "Dense needs 'width', which is missing"),
    "kind": ({**DENSE, "width": "1"}, ValueError, "value.width is '1'; Dense declares width: int"),
    "callable": ({**DENSE, "activation": "relu"}, ValueError, "value.activation is 'relu'; Dense declares"),
    "no union": ({"$new": "graphnn.layers.GraphConv", "width": 1, "kernel": 3}, ValueError, "kernel is 3"),
    "rules": ({"$new": "graphnn.optim.per_module", "rules": [1]}, ValueError, "rules is"),
    "refused": ({"$new": "graphnn.layers.Dropout", "rate": 3.0}, ValueError, "Dropout cannot be made.*got 3.0"),
    "two words": ({"$tuple": [], "$float": "nan"}, ValueError, "not as graphnn writes it"),
    "word and field": ({"$name": "graphnn.ops.relu", "x": 1}, ValueError, "not as graphnn writes it"),
    "unknown word": ({"$eval": "1"}, ValueError, r"value is not as graphnn writes it: \{'\$eval'"),
    "name no word": ({"$name": 3}, ValueError, "not as graphnn writes it"),
    "tuple no list": ({"$tuple": "ab"}, ValueError, "not as graphnn writes it"),
    "float": ({"$float": "1e5"}, ValueError, "not as graphnn writes it"),
    "scalar kind": ({"$scalar": ["object", 1]}, ValueError, "not as graphnn writes it"),
    "scalar value": ({"$scalar": ["float32", "1"]}, ValueError, "'1' is no float32"),
    "scalar range": ({"$scalar": ["int8", 300]}, ValueError, "300 is no int8"),
    "scalar overflow": ({"$scalar": ["float32", 1e300]}, ValueError, "1e[+]300 is no float32"),
    "scalar type": ({"$scalar": ["int8", 1.5]}, ValueError, "1.5 is no int8"),
    "same": ([DENSE, {"$same": 1}], ValueError, r"value\[1\] is not as graphnn writes it"),
    "same and more": ([{**DENSE, "$as": 1}, {"$same": 1, "x": 1}], ValueError, r"value\[1\] is not as graphnn"),
    "same before": ([{"$same": 1}, {**DENSE, "$as": 1}], ValueError, r"value\[0\]"),
    "as": ({**DENSE, "$as": [1]}, ValueError, r"\$as is a number, got \[1\]"),
    "no members": ({"$new": "graphnn.layers.Sequential"}, ValueError, r"a Sequential has \$members"),
    "layers": ({"$new": "graphnn.layers.Sequential", "layers": []}, ValueError, r"\$members"),
    "member": ({"$new": "graphnn.layers.Sequential", "$members": [DENSE]}, ValueError, r"\$members"),
    "order": ({"$new": "graphnn.layers.Sequential", "$members": [["a", DENSE], [None, DENSE]]}, ValueError, "last"),
    "twice": ({"$new": "graphnn.layers.Sequential", "$members": [["a", DENSE], ["a", DENSE]]}, ValueError, "different"),
    "dot": ({"$new": "graphnn.layers.Sequential", "$members": [["a.b", DENSE]]}, ValueError, "has a dot"),
    "no layer": ({"$new": "graphnn.layers.Sequential", "$members": [[None, 3]]}, ValueError, "member 0 is a int"),
    "members of others": ({**DENSE, "$members": []}, ValueError, r"no field '\$members'"),
    "no JSON": ({1, 2}, ValueError, "not as graphnn writes it"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_was_never_written_is_refused(case):
    data, error, message = UNREADABLE[case]
    modules = set(sys.modules)
    with pytest.raises(error, match=message):
        from_json(data)
    assert set(sys.modules) == modules


def test_a_class_that_stores_something_unseen_is_not_made_by_a_file():
    with pytest.raises(ValueError, match="is nothing a file may make"):
        from_json({"$new": f"{__name__}.WithState"}, [WithState])


def test_a_number_may_be_whole_where_a_fraction_is_declared_and_the_other_way_round():
    assert from_json({"$new": "graphnn.layers.Dropout", "rate": 0}) == gn.Dropout(0)
    assert from_json({"$new": "graphnn.optim.adamw", "min_ndim": 2.0}) == gn.adamw(min_ndim=2.0)


def test_a_list_may_stand_where_a_tuple_is_declared(monkeypatch):
    monkeypatch.setattr(architecture, "MODULES", (sys.modules[__name__],))
    value = Gate(1, sizes=[1, 2])
    assert from_json(to_json(value)) == value
    with pytest.raises(ValueError, match=r"value\.sizes is 3; Gate declares sizes: tuple"):
        to_json(Gate(1, sizes=3))


def test_a_field_that_came_later_takes_its_default():
    assert from_json({"$new": "graphnn.layers.GraphConv", "width": 3}) == gn.GraphConv(3)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([gn.relu, CONV, Band(2.0)]),
    lambda parts: (
        st.lists(parts, max_size=3)
        | st.lists(parts, max_size=3).map(tuple)
        | st.dictionaries(st.text().filter(lambda key: not key.startswith("$")), parts, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(PLAIN)
def test_any_nest_of_values_comes_back(value):
    assert repr(through_text(value)) == repr(value)


WORDS = st.sampled_from(["$new", "$name", "$tuple", "$same", "$as", "$float", "$scalar", "$members", "width", "a"])
NAMES = st.sampled_from(["graphnn.layers.Dense", "graphnn.layers.Sequential", "graphnn.ops.relu", "os.system", "nan"])
SCRAMBLED = st.recursive(
    st.none() | st.integers(-2, 2) | st.floats() | NAMES,
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(WORDS, parts, max_size=4),
    max_leaves=12,
)


@settings(max_examples=500, deadline=None)
@given(SCRAMBLED)
def test_scrambled_data_is_read_or_refused_by_name(data):
    try:
        from_json(data)
    except (ValueError, KeyError) as error:
        assert error.args[0].startswith("value")
