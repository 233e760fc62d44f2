"""Pictures of what is inside: distributions layer by layer, weight matrices, and a node among its neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnn.insight.diagram import text_width
from graphnn.insight.graphs import as_networkx
from graphnn.insight.lettering import (
    LUMINANCE,
    SMALL,
    TEXT_SIZE,
    TRAIN,
    VALIDATION,
    entitle,
    ink_and_paper,
    prepare,
    three_figures,
)
from graphnn.insight.params import select
from graphnn.insight.plot import graph_scores
from graphnn.insight.watch import Watched, silent_units
from graphnn.types import Array, Params

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 48
ROW, GAP, NORM = 44.0, 0.75, 62.0  # points a layer takes, of which a part is left free; and for the norm at the right


def activations(watched: Watched, *, figure: Figure | None = None, title: str | None = None) -> Figure:
    """Draw what `watch` saw: one row a layer, how its activations are distributed and, with a loss, their gradients.

    Left: the activations, each layer on its own scale, zero is the thin line; entries that are exactly zero are the bar
    in vermillion. Right: log10 of the size of the gradients, all on one scale, so that one sees them vanish or explode
    on the way back, and their norm. Heights are square roots of counts, for what is rare to be seen. Numbers that are
    not finite are left out, and so are layers without any.

    Raises ValueError where no layer has numbers to draw.

    >>> from graphnn.layers import Dense
    >>> from graphnn.insight.watch import watch
    >>> from matplotlib.figure import Figure
    >>> x = np.ones((3, 2))
    >>> len(activations(watch(Dense(1), Dense(1).init(0, x), x, np.sum), figure=Figure()).axes)
    2
    """
    shown = {name: array for name, array in watched.items() if np.isfinite(array).any()}
    if not shown:
        raise ValueError(f"activations: none of the {len(watched)} layers has a finite number to draw")
    columns = 1 if watched.loss is None else 2
    facts = {name: _facts(array) for name, array in shown.items()}
    words = 16 + max(text_width(text, SMALL) for pair in facts.items() for text in pair)
    if figure is None:
        figure = _new_figure((words + 230 * columns + NORM) / 72, (ROW * len(shown) + 48 + (18 if title else 0)) / 72)
    width, height = 72 * figure.get_size_inches()
    grid = figure.subplots(
        len(shown), columns, squeeze=False, width_ratios=(1.2, 1)[:columns],
        gridspec_kw={
            "left": words / width, "right": 1 - (NORM if columns == 2 else 22) / width, "hspace": GAP, "wspace": 0.12,
            "bottom": 38 / height, "top": 1 - (18 + (18 if title else 0)) / height,
        },
    )  # fmt: skip
    sizes = {name: _logarithms(g) for name, g in watched.gradients.items() if name in shown}
    every = [values for values in sizes.values() if values.size]
    span = (min(v.min() for v in every) - 0.2, max(v.max() for v in every) + 0.2) if every else (-1.0, 1.0)
    for i, (name, array) in enumerate(shown.items()):
        _distribution(grid[i, 0], name, facts[name], array)
        if columns == 2:
            last = i == len(shown) - 1
            _magnitudes(grid[i, 1], watched.gradients.get(name), sizes.get(name, np.zeros(0)), span, last)
    ink, _ = ink_and_paper(grid[0, 0])
    for ax, head in zip(grid[0], ("activations", "gradients of the loss by activation"), strict=False):
        ax.set_title(head, loc="left", size=TEXT_SIZE, color=ink, pad=5)
    if title:
        figure.text(8 / width, 1 - 8 / height, title, size=TEXT_SIZE + 2, color=ink, va="top")
    return figure


def _facts(array: Array) -> str:
    """Return the shape, and how much is zero."""
    silent = silent_units(array)
    facts = [" × ".join(f"{n:,}" for n in array.shape)]
    facts += [f"{silent.sum()} of {silent.size} dead"] if silent.any() else []
    return "  ·  ".join(facts)


def _distribution(ax: Axes, name: str, facts: str, array: Array) -> None:
    """Draw how the entries of one layer are distributed, the zeros apart."""
    ink, _ = prepare(ax, "", "")
    finite = array[np.isfinite(array)].astype(float)
    low, high = min(finite.min(), 0.0), max(finite.max(), 0.0)
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    heights = np.sqrt(np.histogram(finite[finite != 0], edges)[0])
    zeros = int((finite == 0).sum())
    tallest = max(float(heights.max()), 1.0)
    ax.stairs(heights, edges, fill=True, color=TRAIN, alpha=0.75, linewidth=0)
    if zeros:
        ax.bar(0, min(np.sqrt(zeros), 1.3 * tallest), width=(edges[-1] - edges[0]) / 70, color=VALIDATION, linewidth=0)
        share = f"{100 * zeros / array.size:.0f} % zero" if zeros >= 0.005 * array.size else f"{zeros} zero"
        ax.annotate(share, (1, 1), xycoords="axes fraction", ha="right", va="top", size=SMALL, color=VALIDATION)
    ax.axvline(0, color=ink, linewidth=0.6, alpha=0.5, zorder=0)
    ax.set(yticks=[], ylim=(0, 1.3 * tallest), xlim=(edges[0], edges[-1]), xticks=[edges[0], edges[-1]])
    ax.set_xticklabels([three_figures(edge) if edge else "0" for edge in edges[[0, -1]]])
    ax.spines["left"].set_visible(False)
    at: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "right", "size": SMALL}
    ax.annotate(name, (0, 0.5), (-8, 1), va="bottom", color=ink, **at)
    ax.annotate(facts, (0, 0.5), (-8, -1), va="top", color=ink, alpha=0.65, **at)


def _magnitudes(ax: Axes, gradient: Array | None, sizes: Array, span: tuple[float, float], last: bool) -> None:
    """Draw the distribution of log10 |gradient|, and say its norm."""
    ink, _ = prepare(ax, "log₁₀ of its size" if last else "", "")
    ax.set(yticks=[], xlim=span)
    ax.spines["left"].set_visible(False)
    ax.tick_params(labelbottom=last)
    if sizes.size:
        counts, edges = np.histogram(sizes, np.linspace(*span, BINS + 1))
        ax.stairs(np.sqrt(counts), edges, fill=True, color="#009E73", alpha=0.75, linewidth=0)
        ax.set_ylim(0, 1.15 * np.sqrt(counts.max()))
    says = "none" if gradient is None else f"norm {three_figures(float(np.linalg.norm(gradient)))}"
    at: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "size": SMALL}
    ax.annotate(says, (1, 0), (6, 2), va="bottom", color=ink, alpha=0.65, **at)


def _logarithms(gradient: Array) -> Array:
    sizes = np.abs(gradient[np.isfinite(gradient)].astype(float))
    return np.log10(sizes[sizes > 0])


def weights(
    params: Params,
    like: str = "*weight*",
    *,
    figure: Figure | None = None,
    rows: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    shared_scale: bool = False,
    title: str | None = None,
) -> Figure:
    """Draw parameters as heat maps: red is positive, blue negative, white zero, each with its scale.

    like: a pattern of names, "0.graphconv.weight", "*.weight";  a vector is one row, more axes than two are stacked
    rows: names of what comes in, for the first matrix, or {parameter: names}
    shared_scale: one scale for all, to compare their sizes

    Raises KeyError where no name matches, ValueError for row names too few or too many.

    >>> from matplotlib.figure import Figure
    >>> drawn = weights({"0.dense.weight": np.eye(2), "0.dense.bias": np.ones(2)}, figure=Figure())
    >>> drawn.axes[0].get_title(loc="left")
    '0.dense.weight'
    """
    matrices = {name: _as_matrix(value) for name, value in select(params, like).items() if np.size(value)}
    if not matrices:
        raise ValueError(f"weights: the parameters like {like!r} hold no numbers")
    names = _row_names(rows, matrices)
    ratios = [max(matrix.shape[1], 4) / max(matrix.shape[0], 4) for matrix in matrices.values()]
    ratios = [float(np.clip(ratio, 0.6, 2.2)) for ratio in ratios]
    width = min(14.0, 0.6 + 2.0 * sum(ratios) + 1.1 * len(ratios))
    figure = _new_figure(width, 3.3) if figure is None else figure
    figure.set_layout_engine("constrained")
    axes = figure.subplots(1, len(matrices), squeeze=False, width_ratios=ratios)[0]
    largest = max(_limit(matrix) for matrix in matrices.values())
    for ax, (name, matrix) in zip(axes, matrices.items(), strict=True):
        _heat_map(ax, name, matrix, largest if shared_scale else _limit(matrix), names.get(name))
    if title:
        figure.suptitle(title, size=TEXT_SIZE + 2, color=ink_and_paper(axes[0])[0])
    return figure


def _heat_map(ax: Axes, name: str, matrix: Array, limit: float, names: Sequence[str] | None) -> None:
    from matplotlib.ticker import MaxNLocator

    ink, _ = prepare(ax, "unit that comes out", "" if names is not None else "feature that comes in")
    image = ax.imshow(matrix, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))  # of one unit there is just 0
    if names is not None:
        ax.set_yticks(range(len(names)), list(names), size=SMALL, color=ink)
    for spine in ax.spines.values():
        spine.set(visible=True, linewidth=0.5)
    bar = ax.figure.colorbar(image, ax=ax, pad=0.03, fraction=0.06, aspect=24)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=SMALL, labelcolor=ink)
    bar.set_label("weight", size=TEXT_SIZE, color=ink)
    entitle(ax, name, pad=6)


def _as_matrix(value: Any) -> Array:
    array = np.asarray(value, float)
    return array.reshape((-1, array.shape[-1])) if array.ndim else array.reshape((1, 1))


def _limit(matrix: Array) -> float:
    return float(np.abs(matrix[np.isfinite(matrix)]).max(initial=0.0)) or 1.0


def _row_names(rows: Any, matrices: dict[str, Array]) -> dict[str, Sequence[str]]:
    given = dict(rows) if isinstance(rows, Mapping) else {} if rows is None else {next(iter(matrices)): rows}
    for name, names in given.items():
        if name not in matrices:
            raise KeyError(f"weights: rows are named for {name!r}, which is not drawn; drawn are {list(matrices)}")
        if len(names) != len(matrices[name]):
            raise ValueError(f"weights: {name!r} has {len(matrices[name])} rows, got {len(names)} names")
    return given


def neighbourhood(
    graph: Any,
    node: Any,
    scores: Array | Mapping[Any, Any],
    *,
    hops: int = 2,
    ax: Axes | None = None,
    positions: Mapping[Any, Any] | None = None,
    name: str | None = None,
    title: str | None = None,
) -> Axes:
    """Draw a node of a graph, ringed, with all within so many hops, coloured by their scores.

    scores: one value per node of the whole graph, in the order of its nodes, or a dict from node to value, as in
    `graph_scores`, which draws it. Colours are those of the whole graph, so that pictures of several nodes compare.
    hops: along edges in either direction;  positions: from node to (x, y), otherwise by path lengths

    Raises KeyError for a node that the graph does not have, and as `graph_scores` does.

    >>> import networkx as nx
    >>> from matplotlib.figure import Figure
    >>> ax = neighbourhood(nx.path_graph(9), 4, np.arange(9.0), hops=1, ax=Figure().subplots())
    >>> [text.get_text() for text in ax.texts]
    ['3', '4', '5']
    """
    import networkx as nx

    graph = as_networkx("neighbourhood", graph)
    if node not in graph:
        raise KeyError(f"neighbourhood: the graph has no node {node!r}")
    near = nx.single_source_shortest_path_length(graph.to_undirected(as_view=True), node, cutoff=hops)
    part = graph.subgraph(near)
    if not isinstance(scores, Mapping):
        values = np.asarray(scores)
        if values.shape not in {(len(graph),), (len(graph), 1)}:
            raise ValueError(
                f"neighbourhood: scores {values.shape} came for the {len(graph)} nodes of the whole graph; "
                "give one value per node, also for those that are not drawn"
            )
        scores = dict(zip(graph.nodes, values.ravel().tolist(), strict=True))
    if positions is None:
        rings = [[other for other in part if near[other] == hop] for hop in range(1 + max(near.values()))]
        beginning = nx.shell_layout(part, rings)
        positions = nx.kamada_kawai_layout(part.to_undirected(as_view=True), pos=beginning, weight=None)
    ax = graph_scores(part, scores, ax=ax, positions=positions, name=name, title=title)
    marks: Any = ax.collections[-1]
    if marks.get_array() is not None:  # numbers keep the colours that they have in the whole graph
        marks.set_clim(min(scores.values()), max(scores.values()))
        names = [text for text in ax.texts if text.get_text()]  # arrows are texts too, empty ones
        for text, color in zip(names, marks.to_rgba(marks.get_array()), strict=True):
            text.set_color("white" if np.dot(color[:3], LUMINANCE) < 0.6 else "#22262a")
    area = 1.9 * float(np.max(marks.get_sizes()))
    ring: dict[str, Any] = {"facecolors": "none", "edgecolors": ink_and_paper(ax)[0], "linewidths": 1.4}
    x, y = positions[node]
    ax.scatter([x], [y], s=area, zorder=2.5, **ring)
    return ax


def _new_figure(width: float, height: float) -> Figure:
    from matplotlib import pyplot

    return pyplot.figure(figsize=(width, height))
