"""Pictures: predicted against actual, loss curves, a confusion matrix, a decision boundary, a graph with scores.

Each function draws one picture on an Axes and returns the Axes. matplotlib is imported when a picture is asked for;
rcParams stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnn.insight.confusion import ConfusionPanel
from graphnn.insight.graphs import CLASS_COLORS, as_networkx, draw_edges, draw_nodes, layout, node_area, node_values
from graphnn.insight.lettering import LUMINANCE, SMALL, entitle, prepare
from graphnn.insight.panels import LossPanel, ScatterPanel
from graphnn.insight.points import SETS, Baseline, Classes, Pairs, split_labels
from graphnn.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def predicted_vs_actual(
    predicted: Array,
    actual: Array,
    *,
    ax: Axes | None = None,
    labels: Sequence[Any] | Mapping[str, Sequence[Any]] | None = None,
    validation: tuple[Array, Array] | tuple[Array, Array, Array] | None = None,
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
    validation: (predicted, actual) of the points held out, or (predicted, actual, spread). spread: an uncertainty bar
    at each prediction, half-lengths such as standard deviations, or lengths below and above (2, n); predictions
    (n, 2 targets), means and log-variances as `gaussian_nll` wants them, bring their own.
    baseline: an RMSE, or (name, RMSE), to compare with.
    units: of the target, for the axis labels. ax: where to draw; a new pyplot figure if None.
    sets: what the two sets of points are called.

    Raises ValueError where shapes or the number of labels do not fit, TypeError for no real numbers.

    >>> from matplotlib.figure import Figure
    >>> ax = predicted_vs_actual([1.1, 1.9, 3.2], [1.0, 2.0, 3.0], units="eV", ax=Figure().subplots())
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('actual (eV)', 'predicted (eV)')
    """
    names = split_labels(labels, "predicted_vs_actual")
    train = Pairs.of(predicted, actual, names.get("train"), spread=spread)
    held_out = None
    if validation is not None:
        held_out = Pairs.of(*validation[:2], names.get("validation"), spread=[*validation, None][2])
    bars = any(pairs is not None and pairs.spread is not None for pairs in (train, held_out))
    ax = _new_axes(4.4, 4.4) if ax is None else ax
    ScatterPanel(ax, baseline=baseline, units=units, worst=worst, sets=sets, bars=bars).update(train, held_out)
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


def decision_boundary(
    classify: Callable[[Array], Array],
    points: Array,
    labels: Array,
    *,
    ax: Axes | None = None,
    names: Sequence[str] | None = None,
    title: str | None = None,
    fineness: int = 300,
) -> Axes:
    """Draw which class a model gives to every place in the plane, and the points it was shown, wrong ones ringed.

    classify: from points (m, 2) to scores (m, classes), of which the largest counts, or to classes (m,)
    points: (n, 2); labels: (n,) classes 0, 1, ...; names: what they are called, for a key; fineness: places a side

    Raises ValueError where shapes do not fit, TypeError for labels that are no classes.

    >>> from matplotlib.figure import Figure
    >>> points = np.array([[-1.0, 0.0], [1.0, 0.0]])
    >>> ax = decision_boundary(lambda at: at[:, 0] > 0.1, points, [0, 1], ax=Figure().subplots(), fineness=20)
    >>> np.round(ax.get_xlim(), 2).tolist()
    [-1.16, 1.16]
    """
    from matplotlib.colors import to_rgb
    from matplotlib.ticker import MaxNLocator

    points, labels = np.asarray(points, float), np.asarray(labels)
    if points.ndim != 2 or points.shape[1] != 2 or labels.shape != points.shape[:1]:
        raise ValueError(
            f"decision_boundary: points {points.shape} came with labels {labels.shape}; wanted (n, 2) and (n,)."
        )
    if labels.dtype.kind not in "iub":
        raise TypeError(f"decision_boundary: labels has dtype {labels.dtype}; give classes 0, 1, ...")
    ax = _new_axes(4.4, 4.4) if ax is None else ax
    ink, paper = prepare(ax, "", "")
    half = 0.58 * np.ptp(points, axis=0).max() or 1.0
    center = (points.min(axis=0) + points.max(axis=0)) / 2
    across, up = (np.linspace(c - half, c + half, fineness) for c in center)
    places = np.stack(np.meshgrid(across, up), axis=2)
    scores = _class_scores(classify(places.reshape(-1, 2)), fineness**2)
    regions = scores.argmax(axis=1).reshape(fineness, fineness)
    mixed = np.array([0.25 * np.array(to_rgb(color)) + 0.75 * np.array(to_rgb(paper)) for color in CLASS_COLORS])
    extent = (across[0], across[-1], up[0], up[-1])
    ax.imshow(mixed[regions % len(mixed)], extent=extent, origin="lower", interpolation="nearest", zorder=0)
    for c in range(scores.shape[1]):
        if 0 < (regions == c).sum() < regions.size:
            margin = (scores[:, c] - np.delete(scores, c, axis=1).max(axis=1)).reshape(regions.shape)
            ax.contour(across, up, margin, levels=[0.0], colors=[ink], linewidths=0.8, alpha=0.7, zorder=1)
    wrong = _class_scores(classify(points), len(points)).argmax(axis=1) != labels
    for index, kind in enumerate(np.unique(labels)):
        mine, color = labels == kind, CLASS_COLORS[int(kind) % len(CLASS_COLORS)]
        name = str(kind) if names is None else names[int(kind)]
        style: dict[str, Any] = {"color": color, "marker": "osD^v"[index % 5], "edgecolors": paper, "label": name}
        ax.scatter(points[mine, 0], points[mine, 1], s=22, linewidths=0.6, zorder=2, **style)
    ax.scatter(points[wrong, 0], points[wrong, 1], s=70, facecolors="none", edgecolors=ink, linewidths=1.1, zorder=3)
    if names is not None:
        ax.legend(fontsize=SMALL, frameon=False, labelcolor=ink)
    ax.set(xlim=extent[:2], ylim=extent[2:], aspect="equal")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    entitle(ax, title)
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
    """Draw a graph, a `Graph` or one of networkx, with its nodes coloured by a score or a class.

    scores: one value per node in the order of the nodes, or a dict from node to value. Floats are
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
    graph = as_networkx("graph_scores", graph)
    nodes = list(graph.nodes)
    values = node_values(nodes, scores)
    positions = layout(graph, seed) if positions is None else positions
    places = np.array([positions[node] for node in nodes], float).reshape(-1, 2)
    area = node_area(len(nodes))
    ax = _new_axes(6.0, 4.8) if ax is None else ax
    draw_edges(ax, graph, positions, area)
    colors = draw_nodes(ax, places, values, area, name)
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


def _class_scores(scores: Array, n: int) -> Array:
    """Return (n, classes) scores, of classes (n,) as ones and zeros."""
    scores = np.asarray(scores)
    if scores.ndim == 1:
        scores = np.eye(max(2, int(scores.max(initial=0)) + 1))[scores.astype(int)]
    if scores.ndim != 2 or len(scores) != n or scores.shape[1] < 2:
        raise ValueError(
            f"decision_boundary: classify gave shape {scores.shape} for {n} points; wanted scores ({n}, classes) or "
            f"classes ({n},)."
        )
    return scores


def _new_axes(width: float, height: float) -> Axes:
    from matplotlib import pyplot

    _, ax = pyplot.subplots(figsize=(width, height), layout="constrained")
    return ax
