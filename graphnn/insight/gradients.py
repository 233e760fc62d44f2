"""GradientPanel: how long the gradient of each layer is, along the steps of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from graphnn.insight.graphs import CLASS_COLORS
from graphnn.insight.lettering import SMALL, prepare
from graphnn.types import Array, is_statistic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KEPT = 400  # moments; then every other one goes, so that a long training takes no more memory than a short one
LINE = 1.25  # height of a line of text, in its size


class GradientPanel:
    """A panel for `LivePlot` that draws the norm of the gradient of each layer over the steps, on a logarithmic axis.

    A layer is what comes before the last dot of a name: "0.graphconv" of "0.graphconv.weight"; its norm is that of all
    its parameters together. A line that falls away from the others is a layer that learns nothing; lines that rise
    together say that the step size is too large. In a loop written by hand tell the plot the gradients:
    ``plot(step, value, predicted, actual, grads=grads)``.

    >>> from types import SimpleNamespace
    >>> from matplotlib.figure import Figure
    >>> panel, ax = GradientPanel(), Figure().subplots()
    >>> panel.note(SimpleNamespace(step=0, grads={"0.dense.weight": np.array([3.0]), "0.dense.bias": np.array([4.0])}))
    >>> panel.draw(ax, SimpleNamespace(x="epoch"))
    >>> panel.norms
    {'0.dense': [5.0]}
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget: another training begins."""
        self.steps: list[int] = []
        self.norms: dict[str, list[float]] = {}
        self.every = 1
        self.ax: Axes | None = None

    def note(self, moment: Any) -> None:
        """Take down the norms of this step's gradients."""
        if not moment.grads or moment.step % self.every:
            return
        squares: dict[str, float] = {}
        for name, gradient in moment.grads.items():
            if not is_statistic(name):
                layer = name.rpartition(".")[0] or name
                flat = np.ravel(gradient)
                squares[layer] = squares.get(layer, 0.0) + float(flat @ flat)
        for layer, square in squares.items():
            self.norms.setdefault(layer, [np.nan] * len(self.steps)).append(float(np.sqrt(square)))
        self.steps.append(int(moment.step))
        for values in self.norms.values():
            values.extend([np.nan] * (len(self.steps) - len(values)))
        if len(self.steps) > KEPT:
            self.every *= 2
            self.steps = self.steps[::2]
            self.norms = {layer: values[::2] for layer, values in self.norms.items()}

    def draw(self, ax: Axes, view: Any) -> None:
        """Draw the norms noted so far."""
        from matplotlib.ticker import MaxNLocator

        if ax is not self.ax:
            self._begin(ax)
        for layer in self.norms:
            if layer not in self.lines:
                color = CLASS_COLORS[len(self.lines) % len(CLASS_COLORS)]
                style = "-" if len(self.lines) < len(CLASS_COLORS) else "--"
                (self.lines[layer],) = ax.plot([], [], color=color, linewidth=1.2, linestyle=style, markersize=4)
                leader = {"arrowstyle": "-", "color": color, "linewidth": 1.0, "shrinkB": 0}
                self.names[layer] = ax.annotate(
                    layer, (0, 1), (0, 0), textcoords="offset points", size=SMALL, color=self.ink, va="center",
                    annotation_clip=False, arrowprops=leader,
                )  # fmt: skip
        values = {layer: _positive(self.norms[layer]) for layer in self.norms}
        known = np.concatenate([np.zeros(0), *values.values()])
        known = known[np.isfinite(known)]
        if not known.size:
            return
        for layer, line in self.lines.items():
            line.set_data(self.steps, values[layer])
            line.set_marker("o" if len(self.steps) == 1 else "")
        low, high = np.log10([known.min(), known.max()])
        pad = 0.06 * (high - low) or 0.3
        ax.set_ylim(10 ** (low - pad), 10 ** (high + pad))
        first, last = self.steps[0], max(self.steps[-1], self.steps[0] + 1)
        longest = max(len(layer) for layer in self.norms) * 0.62 * SMALL + 16
        share = float(np.clip(longest / (ax.get_window_extent().width * 72 / ax.figure.dpi), 0.05, 0.5))
        ax.set_xlim(first, last + (last - first) * share / (1 - share))
        ticks = np.asarray(MaxNLocator(nbins=6, integer=True).tick_values(first, last))
        ax.set_xticks(ticks[(first <= ticks) & (ticks <= last)])  # none where only names stand
        self._name_lines(values, self.steps[-1])

    def _begin(self, ax: Axes) -> None:
        from matplotlib.ticker import LogLocator, NullLocator

        self.ax = ax
        self.lines: dict[str, Any] = {}
        self.names: dict[str, Any] = {}
        self.ink, _ = prepare(ax, "step", "gradient norm")
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(numticks=6))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.grid(axis="y", color=self.ink, alpha=0.08, linewidth=0.8)

    def _name_lines(self, values: dict[str, Array], last: int) -> None:
        """Write the name of each layer at the end of its line, as high as its neighbours allow."""
        assert self.ax is not None
        scale = 72 / self.ax.figure.dpi
        ends = {layer: _last_finite(curve) for layer, curve in values.items()}
        order = sorted((layer for layer in ends if np.isfinite(ends[layer])), key=ends.__getitem__)
        heights = np.array([self.ax.transData.transform((last, ends[layer]))[1] * scale for layer in order])
        frame = np.asarray(self.ax.get_window_extent().extents) * scale
        places = spread_out(heights, LINE * SMALL, frame[1], frame[3])
        for layer, text in self.names.items():
            text.set_visible(layer in order)
        for layer, height, place in zip(order, heights, places, strict=True):
            self.names[layer].xy = (last, ends[layer])
            self.names[layer].set_position((12, place - height))


def spread_out(heights: Array, gap: float, low: float, high: float) -> Array:
    """Move sorted heights apart so that neighbours are `gap` or more apart, near where they were, within low..high.

    If there is no room for all, the gap shrinks.

    >>> spread_out(np.array([1.0, 1.0, 5.0]), 1.0, 0.0, 10.0).tolist()
    [0.5, 1.5, 5.0]
    """
    if not len(heights):
        return heights
    gap = min(gap, (high - low) / len(heights))
    offsets = gap * np.arange(len(heights))
    # Subtracting the gaps leaves a regression to a rising sequence, which pooling of neighbours solves exactly.
    blocks: list[list[float]] = []
    for value in heights - offsets:
        blocks.append([value, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            value_, count = blocks.pop()
            total = blocks[-1][1] + count
            blocks[-1] = [(blocks[-1][0] * blocks[-1][1] + value_ * count) / total, total]
    rising = np.repeat([block[0] for block in blocks], [int(block[1]) for block in blocks])
    return np.clip(rising, low + gap / 2, high - gap / 2 - offsets[-1]) + offsets


def _positive(values: list[float]) -> Array:
    """As an array, with NaN for what a logarithmic axis cannot show."""
    array = np.asarray(values, float)
    return np.where(np.isfinite(array) & (array > 0), array, np.nan)


def _last_finite(curve: Array) -> float:
    finite = curve[np.isfinite(curve)]
    return float(finite[-1]) if finite.size else np.nan
