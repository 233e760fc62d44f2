"""The nodes of a graph have the colour of what the model says of them at this moment."""

from __future__ import annotations

from types import SimpleNamespace

import networkx as nx
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import graphnn as gn
from graphnn.insight.graphs import class_colors
from graphnn.insight.nodes import NodePanel

GRAPH = nx.path_graph(4)


def new_axes():
    figure = Figure(figsize=(4, 3))
    FigureCanvasAgg(figure)
    return figure.subplots()


def scores(params):
    return params["scores"]


def view(values):
    return SimpleNamespace(params={"scores": np.asarray(values)})


def test_numbers_are_coloured_by_size_with_a_colour_bar():
    panel, ax = NodePanel(GRAPH, scores, name="charge (e)"), new_axes()
    for values in ([0.0, 1.0, 2.0, 3.0], [[3.0], [2.0], [1.0], [0.0]]):
        panel.draw(ax, view(values))
        assert panel.marks.get_array().tolist() == np.ravel(values).tolist()
        low, high = panel.marks.get_clim()
        assert low <= 0
        assert high >= 3
        ax.figure.canvas.draw()
    assert ax.figure.axes[1].get_ylabel() == "charge (e)"


def test_classes_have_the_colour_of_the_largest_score_and_a_key():
    panel, ax = NodePanel(GRAPH, scores, classes=["helix", "strand"]), new_axes()
    for largest in ([0, 1, 1, 0], [1, 1, 0, 0]):
        panel.draw(ax, view(np.eye(2)[largest]))
        np.testing.assert_allclose(panel.marks.get_facecolors(), class_colors(np.array(largest)))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["helix", "strand"]


def test_marks_lie_where_they_are_told():
    panel, ax = NodePanel(GRAPH, scores, positions={i: (i, 2 * i) for i in range(4)}), new_axes()
    panel.draw(ax, view(np.zeros(4)))
    assert panel.marks.get_offsets().tolist() == [[0, 0], [1, 2], [2, 4], [3, 6]]


def test_drawing_again_makes_no_new_artists():
    panel, ax, counts = NodePanel(GRAPH, scores), new_axes(), set()
    for i in range(3):
        panel.draw(ax, view(np.arange(4.0) * i))
        counts.add((len(ax.get_children()), len(ax.figure.axes)))
    assert len(counts) == 1


def test_another_picture_is_begun_anew():
    panel = NodePanel(GRAPH, scores)
    for ax in (new_axes(), new_axes()):
        panel.draw(ax, view(np.arange(4.0)))
        assert panel.marks in ax.collections


def test_what_is_not_finite_does_not_spoil_the_scale():
    panel, ax = NodePanel(GRAPH, scores), new_axes()
    panel.draw(ax, view([np.nan, np.inf, 1.0, 2.0]))
    assert np.isfinite(panel.marks.get_clim()).all()
    ax.figure.canvas.draw()


@pytest.mark.parametrize(
    ("params", "words"),
    [
        (None, r"there are no parameters; call plot\(..., params=params\)"),
        ({"scores": np.zeros(3)}, r"scores \(3,\) came for 4 nodes; give a row for each"),
        ({"scores": np.zeros((4, 2, 2))}, r"scores \(4, 2, 2\) came"),
    ],
    ids=["none", "length", "rank"],
)
def test_what_does_not_fit_is_told(params, words):
    with pytest.raises(ValueError, match=words):
        NodePanel(GRAPH, scores).draw(new_axes(), SimpleNamespace(params=params))


def test_a_graph_of_ours_is_drawn_as_well_with_lines_for_edges_both_ways():
    graph, ax = gn.Graph(np.ones((4, 1)), senders=[0, 1, 2, 1, 2, 3], receivers=[1, 2, 3, 0, 1, 2]), new_axes()
    NodePanel(graph, scores).draw(ax, view(np.arange(4.0)))
    assert len(ax.collections[0].get_segments()) == 3
    one_way = gn.Graph(np.ones((2, 1)), senders=[0], receivers=[1])
    assert NodePanel(one_way, scores).graph.is_directed()
    for draw in (gn.plot.graph_scores, NodePanel):
        with pytest.raises(TypeError, match=r"the graph is list; give a gn\.Graph or a networkx graph"):
            draw([1, 2], scores)
    assert gn.plot.graph_scores(graph, np.arange(4.0), ax=new_axes()).texts[0].get_text() == "0"
    near = gn.plot.neighbourhood(graph, 0, np.arange(4.0), hops=1, ax=new_axes())
    assert [text.get_text() for text in near.texts] == ["0", "1"]
