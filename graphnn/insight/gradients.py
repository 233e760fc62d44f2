"""GradientPanel: how long the gradient of each layer is, along the steps of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from graphnn.insight.curves import NamedCurves
from graphnn.types import is_statistic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KEPT = 400  # moments; then every other one goes, so that a long training takes no more memory than a short one


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
        self.curves: NamedCurves | None = None

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
        if self.curves is None or ax is not self.curves.ax:
            counted = "step" if view.x == "step" else "step, one for each mini-batch"  # beside losses over epochs
            self.curves = NamedCurves(ax, counted, "gradient norm")
        self.curves.update(self.steps, self.norms)
