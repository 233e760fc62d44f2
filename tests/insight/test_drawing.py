"""Pictures of what is inside say what the numbers say, and nothing lies over anything else."""

from __future__ import annotations

from itertools import pairwise
from types import MappingProxyType

import cases
import networkx as nx
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.path import Path
from test_contracts import KINDS, made

import graphnn as gn
from graphnn.insight import diagram
from graphnn.insight.diagram import model_graph
from graphnn.insight.drawing import activations, neighbourhood, weights

batch = gn.pack(cases.graphs("mixed"))


@pytest.fixture(autouse=True)
def _no_figure_stays_open():
    yield
    pyplot.close("all")


@pytest.fixture
def figure():
    figure = Figure(figsize=(7, 5))
    FigureCanvasAgg(figure)
    return figure


def says(ax):
    return [text.get_text() for text in ax.texts]


class TestActivations:
    model = gn.Sequential(gn.Dense(4, gn.relu), gn.Dense(1))
    params = MappingProxyType({
        "0.dense.weight": np.array([[1.0, -1, 0, 2]]), "0.dense.bias": np.zeros(4),
        "1.dense.weight": np.ones((4, 1)), "1.dense.bias": np.zeros(1),
    })  # fmt: skip
    x = np.array([[1.0], [2.0], [3.0]])

    def test_bars_hold_the_entries_and_zeros_stand_apart(self, figure):
        seen = gn.watch(self.model, self.params, self.x)
        activations(seen, figure=figure)
        hidden, out = figure.axes
        (bars,) = [patch for patch in hidden.patches if hasattr(patch, "get_data")]
        assert np.square(bars.get_data().values).sum() == pytest.approx(6)  # of 12 entries 6 are zero
        assert says(hidden) == ["50 % zero", "0.dense", "3 × 4  ·  2 of 4 dead"]
        assert says(out) == ["1.dense", "3 × 1"]
        assert [label.get_text() for label in hidden.get_xticklabels()] == ["0", "6.00"]

    def test_gradients_stand_beside_on_one_scale(self, figure):
        activations(gn.watch(self.model, self.params, self.x, np.sum), figure=figure, title="a net")
        left, right = figure.axes[1::2]
        assert left.get_xlim() == right.get_xlim() == (-0.2, 0.2)  # all are 1 in size
        assert "norm 3.46" in says(left)
        assert [text.get_text() for text in figure.texts] == ["a net"]
        assert right.get_xlabel() == "log₁₀ of its size"

    def test_what_has_no_gradient_says_so(self, figure):
        model = gn.Sequential(gn.SumPool(), gn.Dense(1))
        activations(gn.watch(model, model.init(0, batch), batch, np.sum), figure=figure)
        assert says(figure.axes[1]) == ["none"]

    def test_layers_without_finite_numbers_are_left_out(self, figure):
        model = gn.Sequential(gn.Lambda(gn.tanh), gn.Dense(1))
        params = {"1.dense.weight": np.full((1, 1), np.nan), "1.dense.bias": np.zeros(1)}
        activations(gn.watch(model, params, self.x), figure=figure)
        assert [says(ax)[0] for ax in figure.axes] == ["0.lambda"]
        with pytest.raises(ValueError, match="none of the 1 layers has a finite number"):
            activations(gn.watch(gn.Dense(1), {"weight": np.full((1, 1), np.nan), "bias": np.zeros(1)}, self.x))

    def test_words_lie_beside_the_bars(self, figure):
        model = gn.Sequential(gn.Residual(gn.Sequential(gn.GraphConv(3, gn.relu), gn.GraphConv(3))), gn.SumPool())
        drawn = activations(gn.watch(model, model.init(0, batch), batch, np.sum))
        FigureCanvasAgg(drawn).draw()
        renderer = drawn.canvas.get_renderer()
        for ax in drawn.axes[::2]:
            for text in ax.texts[-2:]:
                box = text.get_window_extent(renderer)
                assert box.x0 >= 0
                assert box.x1 <= ax.get_window_extent().x0


class TestWeights:
    params = MappingProxyType(
        {"0.dense.weight": np.array([[1.0, -4.0, 0.0], [2.0, 0.0, 0.0]]), "0.dense.bias": np.array([0.5, 0, 0])}
    )

    def test_colours_are_symmetric_about_zero(self, figure):
        weights(self.params, "*", figure=figure)
        first, second = (ax.images[0] for ax in figure.axes[:2])
        assert (first.get_clim(), second.get_clim()) == ((-4, 4), (-0.5, 0.5))
        assert (first.get_array() == self.params["0.dense.weight"]).all()
        assert second.get_array().shape == (1, 3)
        zero = first.cmap(first.norm(0.0))
        assert min(zero[:3]) > 0.95

    def test_one_scale_for_all_compares_them(self, figure):
        weights(self.params, "*", figure=figure, shared_scale=True)
        assert [ax.images[0].get_clim() for ax in figure.axes[:2]] == [(-4, 4)] * 2

    def test_rows_have_names(self, figure):
        weights(self.params, figure=figure, rows=["carbon", "oxygen"])
        assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["carbon", "oxygen"]

    def test_more_axes_than_two_are_stacked_and_a_number_is_one_cell(self, figure):
        weights({"a": np.zeros((2, 3, 4)), "eps": np.array(2.0)}, "*", figure=figure)
        assert [ax.images[0].get_array().shape for ax in figure.axes[:2]] == [(6, 4), (1, 1)]
        assert figure.axes[0].images[0].get_clim() == (-1, 1)

    def test_what_does_not_fit_is_refused(self, figure):
        with pytest.raises(KeyError, match="no name matches"):
            weights(self.params, "nothing", figure=figure)
        with pytest.raises(ValueError, match=r"'0.dense.weight' has 2 rows, got 1 names"):
            weights(self.params, figure=figure, rows=["carbon"])
        with pytest.raises(KeyError, match="'other', which is not drawn"):
            weights(self.params, figure=figure, rows={"other": ["carbon"]})
        with pytest.raises(ValueError, match="hold no numbers"):
            weights({"weight": np.zeros((0, 3))}, figure=figure)


class TestNeighbourhood:
    graph = nx.path_graph(7)

    def test_it_holds_the_node_and_those_within_reach_in_the_colours_of_the_whole(self, figure):
        ax = neighbourhood(self.graph, 2, np.arange(7.0), hops=2, ax=figure.subplots(), name="score")
        assert sorted(filter(None, says(ax))) == ["0", "1", "2", "3", "4"]
        marks, ring = ax.collections[-2:]
        assert marks.get_clim() == (0, 6)
        place = marks.get_offsets()[marks.get_array() == 2.0]
        np.testing.assert_allclose(ring.get_offsets(), place)

    @pytest.mark.parametrize("kind", [nx.Graph, nx.DiGraph])
    def test_classes_and_directed_graphs_are_drawn_too(self, figure, kind):
        ax = neighbourhood(kind([("a", "b"), ("b", "c"), ("d", "a")]), "a", {"a": 1, "b": 0, "c": 0, "d": 1}, hops=1,
                           ax=figure.subplots())  # fmt: skip
        assert sorted(filter(None, says(ax))) == ["a", "b", "d"]
        neighbourhood(kind([("a", "b")]), "b", {"a": 0.5, "b": 1.5}, ax=figure.add_axes((0, 0, 1, 1)))

    def test_a_node_alone_is_drawn(self, figure):
        assert says(neighbourhood(self.graph, 0, np.arange(7.0), hops=0, ax=figure.subplots())) == ["0"]

    def test_what_does_not_fit_is_refused(self, figure):
        with pytest.raises(KeyError, match="the graph has no node 9"):
            neighbourhood(self.graph, 9, np.arange(7.0), ax=figure.subplots())
        with pytest.raises(ValueError, match=r"scores \(3,\) came for the 7 nodes of the whole graph"):
            neighbourhood(self.graph, 0, np.arange(3.0), ax=figure.subplots())


NETS = [
    *(pytest.param(row.layer, made(row, "two_sizes"), id=str(row)) for row in KINDS),
    pytest.param(
        gn.Sequential(
            gn.Dense(3), gn.Residual(gn.Sequential(gn.GraphConv(3), gn.Residual(gn.GraphConv(3)), gn.BatchNorm())),
            gn.JumpingKnowledge(gn.Sequential(*(gn.GraphConv(8, gn.relu) for _ in range(4)))),
            gn.Concat(gn.SumPool(), gn.Sequential(gn.Dense(3), gn.MaxPool())),
            gn.Parallel(a=gn.MLP((3, 3, 1)), b=gn.Dense(1)),
        ), cases.graphs("two_sizes"), id="deep",
    ),
]  # fmt: skip


def drawn(way):
    """Return points along a way, as a renderer finds them."""
    if len(way) == 2:
        curve = Path(diagram._bends(way), [Path.MOVETO] + [Path.CURVE4] * 3).to_polygons(closed_only=False)[0]
        return np.concatenate([np.linspace(a, b, 20) for a, b in pairwise(curve)])
    return np.concatenate([np.linspace(a, b, 200) for a, b in pairwise(way)])


class TestModelGraph:
    @pytest.mark.parametrize(("model", "graphs"), NETS)
    def test_no_box_lies_on_another_and_no_way_runs_through_one(self, model, graphs):
        net = model.graph(graphs)
        boxes = diagram._boxes(net)
        diagram._place(net, boxes)
        ways = {edge: diagram._way(boxes, *edge) for edge in net.edges}
        diagram._sidestep(boxes, ways)
        for node, box in boxes.items():
            for other, beside in boxes.items():
                if other != node and beside.level == box.level:
                    assert abs(box.x - beside.x) >= (box.width + beside.width) / 2, (node, other)
            for edge, way in ways.items():
                if node not in edge:
                    x, y = drawn(way).T
                    inside = (abs(x - box.x) < box.width / 2) & (abs(y - box.y) < diagram.HEIGHT / 2)
                    assert not inside.any(), (edge, node)
        assert all(boxes[a].level < boxes[b].level for a, b in net.edges)

    def test_it_says_what_a_layer_is_and_holds(self, figure):
        model = gn.Sequential(gn.Repeat(gn.Dense(3, gn.tanh), 2), gn.SumPool(), gn.Dense(1))
        ax = model_graph(model.graph(batch), ax=figure.subplots(), title="a net")
        assert says(ax) == [
            "nodes", "15 × 3",
            "Dense(3, tanh)", "0.repeat.inner#1  ·  15 × 3  ·  12 parameters",
            "Dense(3, tanh)", "0.repeat.inner#2  ·  15 × 3  ·  the same weights",
            "SumPool()", "1.sumpool  ·  5 × 3",
            "Dense(1)", "2.dense  ·  5 × 1  ·  4 parameters",
        ]  # fmt: skip
        assert ax.get_title(loc="left") == "a net"
        assert len(ax.patches) == 5 + 4

    def test_words_lie_in_their_boxes(self):
        model = gn.Sequential(gn.Residual(gn.GraphConv(3, gn.leaky_relu, kernel=gn.kernels.random_walk)), gn.Dense(1))
        ax = model_graph(model.graph(batch))
        ax.figure.set_dpi(200)
        FigureCanvasAgg(ax.figure).draw()
        boxes = [patch for patch in ax.patches if hasattr(patch, "get_boxstyle")]
        for patch, lines in zip(boxes, zip(ax.texts[::2], ax.texts[1::2], strict=True), strict=True):
            frame = patch.get_window_extent()
            for text in lines:
                box = text.get_window_extent()
                assert frame.x0 < box.x0 < box.x1 < frame.x1
                assert frame.y0 < box.y0 < box.y1 < frame.y1

    def test_what_is_no_model_is_refused(self):
        with pytest.raises(ValueError, match="wanted a graph without cycles"):
            model_graph(nx.DiGraph([("a", "b"), ("b", "a")]))
        with pytest.raises(ValueError, match=r"as model\.graph gives it, got DiGraph with 0 nodes"):
            model_graph(nx.DiGraph())


def test_a_heat_map_of_one_unit_has_a_whole_number_below_it():
    (ax, _) = weights({"weight": np.arange(5.0)[:, None]}, figure=Figure()).axes
    low, high = ax.get_xlim()
    assert [tick for tick in ax.get_xticks() if low <= tick <= high] == [0]


def test_all_pictures_are_in_one_place():
    assert gn.plot.weights is weights
    assert gn.plot.__all__ == sorted(name for name, value in vars(gn.plot).items() if callable(value))
    x = np.ones((3, 2))
    seen = gn.watch(gn.Dense(1), gn.Dense(1).init(0, x), x)
    assert len(seen.plot(figure=Figure(), title="Dense").axes) == 1
