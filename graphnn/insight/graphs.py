"""How a graph is drawn: where its nodes lie, its edges, its nodes coloured by score or class with their key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnn.convert import to_networkx
from graphnn.graph import Graph
from graphnn.insight.lettering import SMALL, TEXT_SIZE, ink_and_paper
from graphnn.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CLASS_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")


def as_networkx(who: str, graph: Any) -> Any:
    """Return a Graph as a networkx graph, and what is one as it is.

    >>> as_networkx("doctest", Graph(np.ones((2, 1)), senders=[0, 1], receivers=[1, 0])).number_of_nodes()
    2
    """
    if isinstance(graph, Graph):
        import networkx as nx

        arrows = to_networkx(graph, nx.DiGraph)
        return arrows.to_undirected() if all((b, a) in arrows.edges for a, b in arrows.edges) else arrows
    if not hasattr(graph, "number_of_edges"):
        raise TypeError(f"{who}: the graph is {type(graph).__name__}; give a gn.Graph or a networkx graph")
    return graph


def layout(graph: Any, seed: int) -> dict[Any, Array]:
    """Positions by springs, then by path lengths where the graph is small, its longest side lying down.

    >>> import networkx as nx
    >>> sorted(layout(nx.path_graph(3), seed=0))
    [0, 1, 2]
    """
    import networkx as nx

    positions = nx.spring_layout(graph, seed=seed, weight=None)
    if 2 < len(graph) <= 150 and nx.is_connected(graph.to_undirected(as_view=True)):
        positions = nx.kamada_kawai_layout(graph.to_undirected(as_view=True), pos=positions, weight=None)
    places = np.array(list(positions.values())).reshape(-1, 2)
    places = places - places.mean(axis=0) if len(places) else places
    across = np.linalg.svd(places.T @ places)[0][:, 0]
    turned = places @ np.array([[across[0], -across[1]], [across[1], across[0]]])
    return dict(zip(positions, turned, strict=True))


def draw_edges(ax: Axes, graph: Any, positions: Mapping[Any, Any], area: float) -> None:
    """Draw lines between the nodes, or arrows up to their rims; the more there are, the fainter.

    >>> import networkx as nx
    >>> from matplotlib.figure import Figure
    >>> ax, graph = Figure().subplots(), nx.path_graph(2)
    >>> draw_edges(ax, graph, layout(graph, seed=0), area=10.0)
    >>> len(ax.collections[0].get_segments())
    1
    """
    from matplotlib.collections import LineCollection

    ink, _ = ink_and_paper(ax)
    alpha = float(np.clip(2.8 / np.sqrt(max(graph.number_of_edges(), 1)), 0.08, 0.35))
    if not graph.is_directed():
        lines = [(positions[u], positions[v]) for u, v in graph.edges()]
        ax.add_collection(LineCollection(lines, colors=ink, alpha=alpha, linewidths=0.9, zorder=1))
        return
    rim = np.sqrt(area) / 2
    style = {"arrowstyle": "-|>", "color": ink, "alpha": alpha, "linewidth": 0.8, "shrinkA": rim, "shrinkB": rim}
    for sender, receiver in graph.edges():
        ax.annotate("", positions[receiver], positions[sender], arrowprops=style)


def node_area(n_nodes: int) -> float:
    """Area of a mark in square points: the more nodes there are, the smaller.

    >>> node_area(10), node_area(10_000)
    (320.0, 12.0)
    """
    return float(np.clip(9000 / max(n_nodes, 1), 12, 320))


def draw_nodes(ax: Axes, places: Array, values: Array, area: float, name: str | None) -> Array:
    """Draw the nodes with their key, a colour bar or a legend; return each node's colour, (n, 4).

    >>> from matplotlib.figure import Figure
    >>> draw_nodes(Figure().subplots(), np.zeros((2, 2)), np.array([0, 1]), 10.0, None).shape
    (2, 4)
    """
    rim = node_rim(ax)
    if values.dtype.kind == "f":
        marks = ax.scatter(places[:, 0], places[:, 1], s=area, c=values, cmap="viridis", **rim)
        color_bar(ax, marks, name)
        return marks.to_rgba(values)
    kinds, index = np.unique(values, return_inverse=True)
    colors = class_colors(index)
    for i, kind in enumerate(kinds):
        mine = index == i
        ax.scatter(places[mine, 0], places[mine, 1], s=area, color=colors[mine], label=str(kind), **rim)
    class_key(ax, area, name)
    return colors


def node_rim(ax: Axes) -> dict[str, Any]:
    """What the marks of nodes have in common: a thin rim in the colour of the paper, above the edges.

    >>> from matplotlib.figure import Figure
    >>> node_rim(Figure().subplots())["edgecolors"]
    '#ffffff'
    """
    return {"edgecolors": ink_and_paper(ax)[1], "linewidths": 1.0, "zorder": 2}


def class_colors(classes: Array) -> Array:
    """Colours of integer classes, (n, 4); beyond eight they begin again.

    >>> class_colors(np.array([0, 8])).round(2).tolist()
    [[0.0, 0.45, 0.7, 1.0], [0.0, 0.45, 0.7, 1.0]]
    """
    from matplotlib.colors import to_rgba_array

    return to_rgba_array(CLASS_COLORS)[np.asarray(classes, int) % len(CLASS_COLORS)]


def color_bar(ax: Axes, marks: Any, name: str | None) -> None:
    """Write the scale of the scores beside the graph.

    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> color_bar(ax, ax.scatter([0], [0], c=[1.0]), "charge (e)")
    >>> ax.figure.axes[1].get_ylabel()
    'charge (e)'
    """
    ink, _ = ink_and_paper(ax)
    bar = ax.figure.colorbar(marks, ax=ax, shrink=0.55, aspect=22, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=SMALL, labelcolor=ink)
    bar.set_label(name or "score", size=TEXT_SIZE, color=ink)


def class_key(ax: Axes, area: float, name: str | None) -> None:
    """Write which colour is which class: a legend of the marks that have a label.

    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> _ = ax.scatter([0], [0], label="helix")
    >>> class_key(ax, 10.0, None)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['helix']
    """
    ink, _ = ink_and_paper(ax)
    scale = 7 / np.sqrt(area)
    key = ax.legend(title=name, fontsize=SMALL, title_fontsize=SMALL, frameon=False, labelcolor=ink, markerscale=scale)
    key.get_title().set_color(ink)


def node_values(nodes: list[Any], scores: Array | Mapping[Any, Any]) -> Array:
    """Return the values of the nodes in their order, (n,), from an array (n,), (n, 1) or a dict.

    >>> node_values(["a", "b"], {"b": 2.0, "a": 1.0}).tolist()
    [1.0, 2.0]
    """
    if isinstance(scores, Mapping):
        missing = [node for node in nodes if node not in scores]
        if missing:
            raise KeyError(
                f"graph_scores: {len(missing)} of {len(nodes)} nodes have no score, the first is "
                f"{missing[0]!r}; give every node one."
            )
        scores = [scores[node] for node in nodes]
    values = np.asarray(scores)
    if values.shape == (len(nodes), 1):
        values = values[:, 0]
    if values.shape != (len(nodes),):
        raise ValueError(
            f"graph_scores: scores {values.shape} came for {len(nodes)} nodes; give one value per node, "
            f"({len(nodes)},)."
        )
    if values.dtype.kind not in "fiubU":
        raise TypeError(f"graph_scores: scores has dtype {values.dtype}; give numbers, booleans or strings.")
    return values
