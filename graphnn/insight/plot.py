"""Pictures: predicted against actual, loss curves, a confusion matrix, a graph with scores.

Each function draws one picture on an Axes and returns the Axes. matplotlib is imported when a picture is asked for;
rcParams stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnn.insight.lettering import LUMINANCE, SMALL, TEXT_SIZE, TRAIN, entitle, ink_and_paper
from graphnn.insight.panels import SETS, Baseline, ConfusionPanel, LossPanel, ScatterPanel
from graphnn.insight.points import Classes, Pairs, real_numbers, split_labels
from graphnn.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CLASS_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")


def predicted_vs_actual(
    predicted: Array,
    actual: Array,
    *,
    ax: Axes | None = None,
    labels: Sequence[Any] | Mapping[str, Sequence[Any]] | None = None,
    validation: tuple[Array, Array] | None = None,
    spread: Array | None = None,
    baseline: Baseline | None = None,
    units: str | None = None,
    title: str | None = None,
    worst: int = 3,
    sets: tuple[str, str] = SETS,
) -> Axes:
    """Draw predictions against what was measured, with the line y = x and RMSE and R2 of each set.

    predicted, actual: (n,), (n, 1) or (n, targets); several targets share it in shades of one colour.
    labels: names of the n points, or ``{"train": ..., "validation": ...}``; the ``worst`` ones are named.
    validation: (predicted, actual) of the points held out. spread: an uncertainty bar at each prediction,
    (n,) half-lengths or (2, n) lengths below and above. baseline: an RMSE, or (name, RMSE), to compare with.
    units: of the target, for the axis labels. ax: where to draw; a new pyplot figure if None.
    sets: what the two sets of points are called.

    Raises ValueError where shapes or the number of labels do not fit, TypeError for no real numbers.

    >>> from matplotlib.figure import Figure
    >>> ax = predicted_vs_actual([1.1, 1.9, 3.2], [1.0, 2.0, 3.0], units="eV", ax=Figure().subplots())
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('actual (eV)', 'predicted (eV)')
    """
    names = split_labels(labels, "predicted_vs_actual")
    train = Pairs.of(predicted, actual, names.get("train"))
    held_out = None if validation is None else Pairs.of(*validation, names.get("validation"))
    ax = _new_axes(4.4, 4.4) if ax is None else ax
    panel = ScatterPanel(ax, baseline=baseline, units=units, worst=worst, sets=sets)
    if spread is not None:
        panel.ends = _draw_spread(ax, train, real_numbers(spread, "spread", "predicted_vs_actual"))
    panel.update(train, held_out)
    entitle(ax, title)
    return ax


def loss_curves(
    loss: Sequence[float] | Array,
    *,
    validation: Sequence[float] | Array = (),
    steps: Sequence[int] | Array | None = None,
    validation_steps: Sequence[int] | Array | None = None,
    ax: Axes | None = None,
    xlabel: str = "epoch",
    title: str | None = None,
) -> Axes:
    """Draw the loss along training, logarithmic beyond a factor of 20, the best validation ringed.

    loss: (n,), validation: (m,); steps and validation_steps: where they were measured, 0, 1, 2, ... if None.
    Raises ValueError where values and steps differ in number.

    >>> from matplotlib.figure import Figure
    >>> loss_curves([100.0, 10.0, 1.0], ax=Figure().subplots()).get_yscale()
    'log'
    """
    for values, at in ((loss, steps), (validation, validation_steps)):
        if at is not None and len(at) != len(values):
            raise ValueError(f"loss_curves: {len(values)} values came with {len(at)} steps; give one step per value.")
    ax = _new_axes(4.8, 3.6) if ax is None else ax
    panel = LossPanel(ax, xlabel=xlabel)
    panel.update(loss, steps=steps, validation=validation, validation_steps=validation_steps)
    entitle(ax, title)
    return ax


def confusion_matrix(
    predicted: Array,
    actual: Array,
    *,
    ax: Axes | None = None,
    validation: tuple[Array, Array] | None = None,
    title: str | None = None,
    sets: tuple[str, str] = SETS,
) -> Axes:
    """Draw how often each class was taken for each, from scores (n, c) and integer classes (n,).

    With validation (predicted, actual) its matrix is drawn instead; the heading gives the accuracy of both,
    called by the names in `sets`. Raises ValueError where shapes do not fit or a class lies outside 0..c-1.

    >>> from matplotlib.figure import Figure
    >>> scores = [[2.0, 0.0], [0.0, 1.0], [0.5, 1.0]]
    >>> confusion_matrix(scores, [0, 1, 0], ax=Figure().subplots()).get_xlabel()
    'predicted class'
    """
    train = Classes.of(predicted, actual)
    held_out = None if validation is None else Classes.of(*validation)
    ax = _new_axes(4.0, 4.2) if ax is None else ax
    ConfusionPanel(ax, len(train.counts), sets=sets).update(train, held_out)
    entitle(ax, title, pad=22)
    return ax


def graph_scores(
    graph: Any,
    scores: Array | Mapping[Any, Any],
    *,
    ax: Axes | None = None,
    positions: Mapping[Any, Any] | None = None,
    labels: bool | Mapping[Any, str] = True,
    name: str | None = None,
    title: str | None = None,
    seed: int = 0,
) -> Axes:
    """Draw a networkx graph with its nodes coloured by a score or a class.

    scores: one value per node in the order of ``graph.nodes``, or a dict from node to value. Floats are
    scores and get a colour bar called ``name``; integers, booleans and strings are classes and get a legend.
    positions: dict from node to (x, y), otherwise networkx's layouts find them, with this seed. labels:
    whether to write the names of the nodes, or a dict of names.

    Raises ValueError where values and nodes differ in number, KeyError for a node without a score.

    >>> import networkx as nx
    >>> from matplotlib.figure import Figure
    >>> ax = graph_scores(nx.path_graph(3), [0.1, 0.5, 0.9], ax=Figure().subplots())
    >>> [text.get_text() for text in ax.texts]
    ['0', '1', '2']
    """
    nodes = list(graph.nodes)
    values = _node_values(nodes, scores)
    positions = _layout(graph, seed) if positions is None else positions
    places = np.array([positions[node] for node in nodes], float).reshape(-1, 2)
    area = float(np.clip(9000 / max(len(nodes), 1), 12, 320))
    ax = _new_axes(6.0, 4.8) if ax is None else ax
    _draw_edges(ax, graph, positions, area)
    colors = _draw_nodes(ax, places, values, area, name)
    if labels is not False:
        names = labels if isinstance(labels, Mapping) else {}
        size = float(np.clip(0.45 * np.sqrt(area), 4, SMALL))
        for node, place, color in zip(nodes, places, colors, strict=True):
            ink = "white" if np.dot(color[:3], LUMINANCE) < 0.6 else "#22262a"
            text = str(names.get(node, node))
            ax.text(place[0], place[1], text, ha="center", va="center", zorder=3, color=ink, size=size)
    ax.set_axis_off()
    ax.set_aspect("equal")
    ax.margins(0.08)
    entitle(ax, title)
    return ax


def _new_axes(width: float, height: float) -> Axes:
    from matplotlib import pyplot

    _, ax = pyplot.subplots(figsize=(width, height), layout="constrained")
    return ax


def _draw_spread(ax: Axes, pairs: Pairs, spread: Array) -> Array:
    """Draw the uncertainty bars; return their ends."""
    n = pairs.actual.size
    if spread.shape not in {(n,), (2, n)} or (spread < 0).any():
        raise ValueError(
            f"predicted_vs_actual: spread {spread.shape} came for {n} predictions; give ({n},) half-lengths "
            f"or (2, {n}) lengths below and above, none negative."
        )
    below, above = np.broadcast_to(spread, (2, n))
    low, high = pairs.predicted - below, pairs.predicted + above
    ax.vlines(pairs.actual, low, high, color=TRAIN, alpha=0.35, linewidth=0.8)
    return np.concatenate([low, high])


def _layout(graph: Any, seed: int) -> dict[Any, Array]:
    """Positions by springs, then by path lengths where the graph is small, its longest side lying down."""
    import networkx as nx

    positions = nx.spring_layout(graph, seed=seed, weight=None)
    if 2 < len(graph) <= 150 and nx.is_connected(graph.to_undirected(as_view=True)):
        positions = nx.kamada_kawai_layout(graph.to_undirected(as_view=True), pos=positions, weight=None)
    places = np.array(list(positions.values())).reshape(-1, 2)
    places = places - places.mean(axis=0) if len(places) else places
    across = np.linalg.svd(places.T @ places)[0][:, 0]
    turned = places @ np.array([[across[0], -across[1]], [across[1], across[0]]])
    return dict(zip(positions, turned, strict=True))


def _draw_edges(ax: Axes, graph: Any, positions: Mapping[Any, Any], area: float) -> None:
    """Draw lines between the nodes, or arrows up to their rims; the more there are, the fainter."""
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


def _draw_nodes(ax: Axes, places: Array, values: Array, area: float, name: str | None) -> Array:
    """Draw the nodes with their key, a colour bar or a legend; return each node's colour."""
    from matplotlib.colors import to_rgba

    ink, paper = ink_and_paper(ax)
    rim: dict[str, Any] = {"edgecolors": paper, "linewidths": 1.0, "zorder": 2}
    if values.dtype.kind == "f":
        marks = ax.scatter(places[:, 0], places[:, 1], s=area, c=values, cmap="viridis", **rim)
        bar = ax.figure.colorbar(marks, ax=ax, shrink=0.55, aspect=22, pad=0.02)
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0, labelsize=SMALL, labelcolor=ink)
        bar.set_label(name or "score", size=TEXT_SIZE, color=ink)
        return marks.to_rgba(values)
    colors = np.zeros((len(places), 4))
    for index, kind in enumerate(np.unique(values)):
        mine = values == kind
        colors[mine] = to_rgba(CLASS_COLORS[index % len(CLASS_COLORS)])
        ax.scatter(places[mine, 0], places[mine, 1], s=area, color=colors[mine], label=str(kind), **rim)
    scale = 7 / np.sqrt(area)
    key = ax.legend(title=name, fontsize=SMALL, title_fontsize=SMALL, frameon=False, labelcolor=ink, markerscale=scale)
    key.get_title().set_color(ink)
    return colors


def _node_values(nodes: list[Any], scores: Array | Mapping[Any, Any]) -> Array:
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
