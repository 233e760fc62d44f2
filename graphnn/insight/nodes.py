"""NodePanel: the nodes of one graph coloured by what a model says of them, while it trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnn.insight.graphs import (
    as_networkx,
    class_colors,
    class_key,
    color_bar,
    draw_edges,
    layout,
    node_area,
    node_rim,
)
from graphnn.insight.lettering import entitle
from graphnn.insight.panels import steady
from graphnn.types import Array, Params

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class NodePanel:
    """A panel for `LivePlot` that draws one graph, its nodes coloured by what `scores` says of them.

    graph: a `Graph` or a networkx graph. scores: a function params -> values of its nodes, in their order: numbers (n,)
    or (n, 1) get a colour bar, scores of classes (n, classes) the colour of the largest. Asked when drawing, and once
    before the first step of ``gn.fit``, where ValueError is raised if there is not a row for each node. In a loop
    written by hand tell the plot the parameters: ``plot(step, value, predicted, actual, params=params)``.
    positions: dict from node to (x, y), otherwise networkx's layouts find them, with this seed, before training begins.
    classes: their names. name: of the colour bar or the classes, with the unit.

    >>> import networkx as nx
    >>> from types import SimpleNamespace
    >>> from matplotlib.figure import Figure
    >>> def charges(params):
    ...     return params["charge"]
    >>> panel, ax = NodePanel(nx.path_graph(3), charges, name="charge (e)"), Figure().subplots()
    >>> panel.draw(ax, SimpleNamespace(params={"charge": np.array([-0.8, 0.4, 0.4])}))
    >>> panel.marks.get_array().tolist()
    [-0.8, 0.4, 0.4]
    """

    def __init__(
        self,
        graph: Any,
        scores: Callable[[Params], Array],
        *,
        positions: Mapping[Any, Any] | None = None,
        classes: list[str] | None = None,
        name: str | None = None,
        title: str | None = None,
        seed: int = 0,
    ) -> None:
        self.graph, self.scores, self.classes = as_networkx("NodePanel", graph), scores, classes
        self.name, self.title = name, title
        self.positions = layout(self.graph, seed) if positions is None else positions
        self.ax: Axes | None = None
        self.marks: Any = None
        self.limits: tuple[float, float] = (np.nan, np.nan)

    def draw(self, ax: Axes, view: Any) -> None:
        """Colour the nodes by the parameters of this moment."""
        if view.params is None:
            raise ValueError("NodePanel: there are no parameters; call plot(..., params=params) in your own loop")
        values, n = self._values(view.params), len(self.graph)
        classes = values.ndim == 2 and values.shape[1] > 1
        if ax is not self.ax:
            self._begin(ax, values.shape[1] if classes else 0)
        if classes:
            self.marks.set_facecolors(class_colors(values.argmax(axis=1)))
            return
        values = values.reshape(n).astype(float)
        finite = values[np.isfinite(values)]
        if finite.size:
            self.limits = steady(self.limits, finite.min(), finite.max())
            self.marks.set_clim(self.limits)
        self.marks.set_array(values)

    def check(self, params: Params) -> None:
        """Raise ValueError where there is not one row of scores for each node."""
        self._values(params)

    def _values(self, params: Params) -> Array:
        values, n = np.asarray(self.scores(params)), len(self.graph)
        if values.ndim not in {1, 2} or len(values) != n:
            raise ValueError(f"NodePanel: scores {values.shape} came for {n} nodes; give a row for each")
        return values

    def _begin(self, ax: Axes, n_classes: int) -> None:
        """Draw the graph once: its edges, marks to be coloured, and the key."""
        self.ax, self.limits = ax, (np.nan, np.nan)
        places = np.array([self.positions[node] for node in self.graph.nodes], float).reshape(-1, 2)
        area = 0.7 * node_area(len(places))
        draw_edges(ax, self.graph, self.positions, area)
        rim = node_rim(ax)
        if n_classes:
            for i in range(min(n_classes, 8)):
                words = str(i) if self.classes is None else self.classes[i]
                ax.scatter([], [], s=area, color=class_colors(np.array([i])), label=words, **rim)
            self.marks = ax.scatter(places[:, 0], places[:, 1], s=area, **rim)
            class_key(ax, area, self.name)
        else:
            self.marks = ax.scatter(places[:, 0], places[:, 1], s=area, c=np.zeros(len(places)), cmap="viridis", **rim)
            color_bar(ax, self.marks, self.name or "predicted")
        ax.set_axis_off()
        ax.set_aspect("equal")
        ax.margins(0.06)
        entitle(ax, self.title)
