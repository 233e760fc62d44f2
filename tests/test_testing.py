"""check_layer finds a planted defect of every kind under the right name, and leaves the world as it was."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import autograd.numpy as anp
import cases
import numpy as np
import pytest
from autograd.extend import defjvp, defvjp, primitive

import graphnn as gn
from graphnn.testing import LAWS, LawBroken, Row, check_layer, trial

ROOT = Path(gn.__file__).parents[1]


def convolved(graphs):
    return graphs.propagate(gn.kernels.adjacency, graphs.nodes)


@dataclass(frozen=True)
class Good(gn.Layer):
    """h' = tanh(A h W): what the layers below would be without their defects."""

    width: int = 2

    def forward(self, params, graphs):
        weight = params("weight", (graphs.nodes.shape[1], self.width), gn.glorot)
        return graphs.replace(nodes=gn.tanh(convolved(graphs) @ weight))


# ---- planted defects -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HoldsAnArray(Good):
    scale: np.ndarray = field(default_factory=lambda: np.ones(2))


@dataclass(frozen=True)
class ChangesItsSettings(Good):
    def __post_init__(self):
        object.__setattr__(self, "width", self.width + 1)


def unseeded(rng, shape):
    return np.random.default_rng().normal(size=shape)


class DrawsItsOwnNoise(Good):
    def forward(self, params, graphs):
        return graphs.replace(nodes=graphs.nodes @ params("weight", (graphs.nodes.shape[1], 2), unseeded))


class WritesIntoTheParameters(Good):
    def forward(self, params, graphs):
        weight = params("weight", (graphs.nodes.shape[1], 2), gn.glorot)
        if type(weight) is np.ndarray:
            weight *= 1.0 + 1e-9
        return graphs.replace(nodes=graphs.nodes @ weight)


class WritesIntoTheGraphs(Good):
    def forward(self, params, graphs):
        h = graphs.nodes
        h += 1.0
        return graphs.replace(nodes=h)


class Counts(Good):
    def forward(self, params, graphs):
        object.__setattr__(self, "width", self.width + 1)
        return graphs


class Noise(Good):
    def forward(self, params, graphs):
        return graphs.replace(nodes=graphs.nodes * np.random.default_rng().uniform(0.9, 1.1))


class SumsOverTheBatch(Good):
    def forward(self, params, graphs):
        return gn.ops.sum(graphs.nodes, axis=0, keepdims=True)


class SumsToANumber(Good):
    def forward(self, params, graphs):
        return gn.ops.sum(graphs.nodes)


class DividesByDegree(Good):
    def forward(self, params, graphs):
        degrees = np.bincount(graphs.receivers, minlength=graphs.n_nodes)[:, None]
        return graphs.replace(nodes=convolved(graphs) / degrees.astype(graphs.dtype))


class LogOfZero(Good):
    def forward(self, params, graphs):
        degrees = np.bincount(graphs.receivers, minlength=graphs.n_nodes)[:, None].astype(graphs.dtype)
        return graphs.replace(nodes=graphs.nodes * np.exp(np.log(degrees)))  # finite in the end, but for a warning


class BecomesDouble(Good):
    def forward(self, params, graphs):
        return graphs.replace(nodes=graphs.nodes * np.ones((graphs.n_nodes, 1)))


class LooksAtTheLayout(Good):
    def forward(self, params, graphs):
        return graphs.replace(nodes=graphs.nodes * (2.0 if graphs.layout == "dense" else 1.0))


def places(graphs, offsets, n):
    """Return the place of every row inside its graph."""
    return (np.arange(n) - np.repeat(offsets[:-1], np.diff(offsets)))[:, None].astype(graphs.dtype)


class CountsNodes(Good):
    def forward(self, params, graphs):
        return graphs.replace(nodes=graphs.nodes * places(graphs, graphs.packed.node_offsets, graphs.n_nodes))


class CountsEdges(Good):
    def forward(self, params, graphs):
        number = places(graphs, graphs.packed.edge_offsets, graphs.n_edges)
        sent = gn.ops.gather(graphs.nodes, graphs.sender_segments) * number
        return graphs.replace(nodes=gn.ops.segment_sum(sent, graphs.receiver_segments))


class CountsGraphs(Good):
    def forward(self, params, graphs):
        return graphs.replace(nodes=graphs.nodes * (1.0 + graphs.node_graph[:, None].astype(graphs.dtype)))


class CentresTheBatch(Good):
    def forward(self, params, graphs):
        total = gn.ops.sum(graphs.nodes, axis=0, keepdims=True)
        return graphs.replace(nodes=graphs.nodes - total / max(1, graphs.n_nodes))


class AsksForItsParent(Good):
    def forward(self, params, graphs):
        return graphs.replace(nodes=graphs.nodes * (1.0 if graphs.packed._source is None else 2.0))


class LooksAtTheFirstGraph(Good):
    def forward(self, params, graphs):
        return graphs.replace(nodes=graphs.nodes * float(graphs.graphs[0].n_nodes > -1))


class AsksForTheTrace(Good):
    def forward(self, params, graphs):
        return graphs.replace(nodes=graphs.nodes * (2.0 if gn.ops.is_traced(graphs.nodes) else 1.0))


@primitive
def skewed(h):
    return h * h


def skewed_vjp(ans, h):
    return lambda g: 2.0 * g * h


def skewed_jvp(g, ans, h):
    return 3.0 * g * h


defvjp(skewed, skewed_vjp)
defjvp(skewed, skewed_jvp)


class WrongForwardDerivative(Good):
    def forward(self, params, graphs):
        return graphs.replace(nodes=skewed(graphs.nodes))


class CutsTheGradient(Good):
    def forward(self, params, graphs):
        return graphs.replace(nodes=graphs.nodes * gn.ops.stop_gradient(graphs.nodes))


DEFECTS = [
    (HoldsAnArray, "its settings are all it is", "scale"),
    (ChangesItsSettings, "its settings are all it is", "makes 4 of 3"),
    (
        DrawsItsOwnNoise,
        "init repeats and layers added behind change nothing",
        "'weight' is drawn anew",
    ),
    (WritesIntoTheParameters, "a call changes nothing", "a call has written into the parameters"),
    (WritesIntoTheGraphs, "a call changes nothing", "read-only"),
    (Counts, "a call changes nothing", "a call has changed the layer from Counts() to Counts(width=4)"),
    (Noise, "the same call gives the same bits", "the output at ("),
    (SumsOverTheBatch, "every node edge or graph has its row", "has shape (1, 3), wanted 15 rows (one per node)"),
    (SumsToANumber, "every node edge or graph has its row", "the output is a single number"),
    (DividesByDegree, "numbers are finite and no warning is given", "it raises RuntimeWarning: invalid value"),
    (LogOfZero, "numbers are finite and no warning is given", "it raises RuntimeWarning: divide by zero"),
    (BecomesDouble, "float32 stays float32", "the output is float64"),
    (LooksAtTheLayout, "three layouts agree", "the output at ("),
    (CountsNodes, "permuting nodes permutes rows", "the output at ("),
    (CountsEdges, "the order of edges does not matter", "the output at ("),
    (CountsGraphs, "the order of graphs permutes blocks", "the output at ("),
    (CentresTheBatch, "a graph does not see its neighbours in the batch", "the output at ("),
    (AsksForItsParent, "a mini batch equals packing those graphs anew", "the output at ("),
    (LooksAtTheFirstGraph, "a batch of no graphs works", "it raises IndexError"),
    (AsksForTheTrace, "a gradient changes no number and is that of autograd", "the output at () is "),
    (WrongForwardDerivative, "the adjoint is the adjoint", "forward derivatives give "),
    (
        CutsTheGradient,
        "gradients match finite differences to second order",
        "finite differences give other derivatives",
    ),
]


@pytest.mark.parametrize(("broken", "law", "words"), DEFECTS, ids=lambda value: getattr(value, "__name__", None))
def test_a_planted_defect_is_found_under_its_name(broken, law, words):
    with pytest.raises(LawBroken) as caught:
        check_layer(broken())
    assert caught.value.law == law
    assert caught.value.graphs in cases.FLAVOURS
    message = str(caught.value)
    assert message.startswith(broken.__name__)
    assert f"on the graphs {caught.value.graphs!r}: {law}, but " in message
    assert words in message
    assert ".\nUsually " in message
    assert vars(pickle.loads(pickle.dumps(caught.value))) == vars(caught.value)


def test_every_law_has_its_planted_defect():
    assert {law for _, law, _ in DEFECTS} == {law.name for law in LAWS}


def test_a_good_layer_passes_and_the_global_random_state_stays():
    np.random.seed(5)  # noqa: NPY002 - it is this state that must stay
    before = pickle.dumps(np.random.get_state())  # noqa: NPY002
    assert check_layer(Good()) is None
    assert pickle.dumps(np.random.get_state()) == before  # noqa: NPY002


# ---- exemptions, levels, graphs of one's own -----------------------------------------------------------------------


@dataclass(frozen=True)
class Shuffled(gn.Layer):
    """Training noise, a batch statistic, or a kernel without derivative, by name."""

    what: str

    def forward(self, params, graphs):
        h = graphs.nodes
        if self.what == "noisy" and params.train:
            h = h * params.rng().uniform(0.5, 1.5, h.shape).astype(h.dtype)
        if self.what == "noisy_edges" and params.train:
            kept = params.rng().uniform(0.5, 1.5, (graphs.n_edges, 1)).astype(h.dtype)
            h = gn.ops.segment_sum(gn.ops.gather(h, graphs.sender_segments) * kept, graphs.receiver_segments)
        if self.what == "batch_statistics" and params.train and len(h):
            h = h - gn.ops.mean(h, axis=0, keepdims=True)
        if self.what == "follows_weights":
            h = graphs.propagate(gn.kernels.Heat(0.5), h)
        return graphs.replace(nodes=h)


@pytest.mark.parametrize("what", ["noisy", "noisy_edges", "batch_statistics", "follows_weights"])
def test_a_flag_exempts_and_the_error_without_it_names_it(what):
    layer = Shuffled(what)
    train = what != "follows_weights"
    check_layer(layer, train=train, **{what: train}, **({"noisy": True} if what == "noisy_edges" else {}))
    with pytest.raises(LawBroken, match=f"{what}={train}"):
        check_layer(layer, train=train)


def test_what_no_file_can_name_is_exempt_as_unsavable():
    layer = gn.GraphConv(2, activation=lambda h: h * h)
    with pytest.raises(LawBroken, match="unsavable=True"):
        check_layer(layer)
    check_layer(layer, unsavable=True)


@pytest.mark.parametrize(
    ("layer", "settings"),
    [
        (gn.SumPool(), {"level": "graph"}),
        (gn.Edges(), {"level": "edge", "attributes": ["edges"]}),
        (gn.Embedding(2, count=cases.CODES), {"attributes": ["codes"]}),
        (gn.RGCNConv(2, cases.RELATIONS), {"attributes": ["relations"]}),
        (gn.BatchNorm(), {"train": True, "batch_statistics": True}),
        (gn.Sequential(gn.GraphConv(3), mean=gn.MeanPool()), {"level": "graph"}),
    ],
    ids=repr,
)
def test_layers_of_other_levels_and_needs(layer, settings):
    check_layer(layer, **settings)


class Pair(gn.Layer):
    """Two outputs, the second with a defect."""

    def forward(self, params, graphs):
        first = gn.ops.segment_sum(graphs.nodes, graphs.node_segments)
        return first, {"twice": anp.maximum(first, 0.0) * (1.0 if graphs.layout == "sparse" else 2.0)}


def test_all_parts_of_an_output_are_looked_at():
    with pytest.raises(LawBroken, match="three layouts agree"):
        check_layer(Pair(), level="graph")


def test_graphs_of_ones_own_and_their_names():
    scattered = gn.testing.graphs("mixed", ["edges"])
    check_layer(Good(), scattered)
    check_layer(Good(), gn.Graph(np.eye(3), [0, 1], [1, 2], names=["a", "b", "c"]))
    with pytest.raises(LawBroken, match="on the graphs 'mine'") as caught:
        check_layer(DividesByDegree(), {"fine": [cases.graph("path")], "mine": scattered})
    assert caught.value.graphs == "mine"


def test_sparse_features_are_looked_at_as_dense_ones():
    graph = gn.Graph(gn.ops.SparseMatrix.from_scipy(np.eye(4)[:, :3]).toscipy(), [0, 1], [1, 2])
    check_layer(Good(), graph)


@pytest.mark.parametrize(
    ("arguments", "settings", "error", "words"),
    [
        ((Good,), {}, TypeError, r"wanted a layer, got .*; make one: Good\(\.\.\.\)"),
        ((len,), {}, TypeError, "wanted a layer"),
        ((Good(),), {"level": "nodes"}, ValueError, "must be one of node, edge, graph, got 'nodes'"),
        ((Good(),), {"attributes": ["edge"]}, ValueError, "no 'edge'; did you mean 'edges'"),
        ((Good(), {}), {}, ValueError, "holds no graphs"),
    ],
)
def test_bad_arguments_are_refused(arguments, settings, error, words):
    with pytest.raises(error, match=words):
        check_layer(*arguments, **settings)


def test_it_does_not_pass_in_silence_where_assertions_are_left_out():
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import graphnn as gn; gn.testing.check_layer(gn.Dense(2))"
    done = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True, check=False)
    assert "RuntimeError: laws are assert statements, which python -O leaves out" in done.stderr


@pytest.mark.parametrize("maker", [gn.testing.graph, gn.testing.graphs])
def test_a_misspelt_name_of_graphs_is_refused(maker):
    with pytest.raises(KeyError, match="did you mean 'isolated_node'"):
        maker("isolated_nodes")


def test_nan_is_never_equal():
    row, nan = Row(Good()), np.array([np.nan])
    with pytest.raises(AssertionError, match=r"the output at \(0\) is nan"):
        trial.assert_same({"out": nan}, {"out": np.ones(1)})
    with pytest.raises(AssertionError, match="wanted nan"):
        trial.assert_same({"out": np.ones(1)}, {"out": nan})
    assert str(row) == "Good"


class TestWhatElseIsReturned:
    """Edges and globals of the graphs that a layer returns keep the laws as its nodes do."""

    def test_edges(self):
        with pytest.raises(gn.testing.LawBroken, match="does not see its neighbours"):
            gn.testing.check_layer(EdgeMean(), attributes=["edges"])

    def test_globals(self):
        with pytest.raises(gn.testing.LawBroken, match=r"Globals.*numbers are finite"):
            gn.testing.check_layer(NoGlobals())

    def test_a_layer_that_changes_them_rightly_passes(self):
        layer = gn.GraphNetwork(gn.Dense(3), gn.Dense(3), gn.Dense(2))
        gn.testing.check_layer(layer, attributes=["edges", "global_features"])


def test_a_layer_that_lacks_its_input_is_told_how_to_ask_for_it():
    with pytest.raises(gn.testing.LawBroken, match=r"(?s)raises GraphError.*attributes=\['edges'\]"):
        gn.testing.check_layer(gn.GINEConv(3))


@dataclass(frozen=True)
class EdgeMean(gn.Layer):
    def forward(self, params, graphs):
        return graphs.replace(edges=graphs.edges - gn.ops.mean(graphs.edges, axis=0))


@dataclass(frozen=True)
class NoGlobals(gn.Layer):
    def forward(self, params, graphs):
        return graphs.replace(globals=np.full((graphs.n_graphs, 1), np.nan))


class TestFewGraphsOfOnesOwn:
    """Laws about order move something however few there are."""

    @pytest.mark.parametrize("count", [2, 3, 4])
    def test_the_number_of_a_graph(self, count):
        graphs = gn.testing.graphs("path", ()) * count
        with pytest.raises(gn.testing.LawBroken, match=r"order of graphs|neighbours"):
            gn.testing.check_layer(ByNumber(), graphs)

    def test_float32_graphs_are_no_reason(self):
        gn.testing.check_layer(gn.GraphConv(2, gn.tanh), [gn.Graph(np.ones((3, 2), np.float32), [0, 1], [1, 2])])


def test_a_count_kept_on_the_layer_is_seen():
    with pytest.raises(gn.testing.LawBroken, match="has left '_seen' on the layer"):
        gn.testing.check_layer(Remembers())


@dataclass(frozen=True)
class ByNumber(gn.Layer):
    def forward(self, params, graphs):
        return graphs.replace(nodes=graphs.nodes * (1 + graphs.node_graph[:, None]).astype(graphs.nodes.dtype))


@dataclass(frozen=True)
class Remembers(gn.Layer):
    def forward(self, params, graphs):
        object.__setattr__(self, "_seen", getattr(self, "_seen", 0) + 1)
        return graphs
