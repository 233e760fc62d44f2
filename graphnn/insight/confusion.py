"""ConfusionPanel: which class was taken for which, drawn again and again while a model trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from graphnn.insight.lettering import SMALL, TEXT_SIZE, TRAIN, VALIDATION, prepare
from graphnn.insight.points import SETS, Baseline, Classes, named

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ConfusionPanel:
    """Counts of predicted by actual class, shaded by the share of the actual class, with the accuracy above.

    >>> from matplotlib.figure import Figure
    >>> panel = ConfusionPanel(Figure().subplots(), n_classes=2)
    >>> panel.update(Classes(np.array([[8, 2], [1, 9]])))
    >>> panel.heading.get_text()
    'accuracy   train 0.850'
    """

    def __init__(
        self, ax: Axes, n_classes: int, *, baseline: Baseline | None = None, sets: tuple[str, str] = SETS
    ) -> None:
        self.ax, self.baseline, self.sets = ax, baseline, sets
        self.ink, self.paper = prepare(ax, "predicted class", "actual class")
        self.image = ax.imshow(np.ones((n_classes, n_classes, 3)), interpolation="nearest", aspect="equal")
        every = -(-n_classes // 12)
        ax.set_xticks(range(0, n_classes, every))
        ax.set_yticks(range(0, n_classes, every))
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        edges = np.arange(n_classes - 1) + 0.5 if n_classes <= 40 else np.zeros(0)  # lines would hide smaller cells
        width = min(1.5, 18 / n_classes)
        ax.hlines(edges, -0.5, n_classes - 0.5, color=self.paper, linewidth=width)
        ax.vlines(edges, -0.5, n_classes - 0.5, color=self.paper, linewidth=width)
        size = TEXT_SIZE + 2 if n_classes <= 4 else SMALL
        cells = np.ndindex(n_classes, n_classes) if n_classes <= 12 else ()  # more would be unreadable
        self.numbers = {cell: ax.text(cell[1], cell[0], "", ha="center", va="center", size=size) for cell in cells}
        self.heading = ax.text(0, 1.02, "", transform=ax.transAxes, size=TEXT_SIZE, color=self.ink, va="bottom")

    def update(self, train: Classes, validation: Classes | None = None) -> None:
        """Show the validation matrix, or the training matrix without one, in the colour of its set."""
        from matplotlib.colors import to_rgb

        shown, color = (train, TRAIN) if validation is None else (validation, VALIDATION)
        share = shown.counts / np.maximum(shown.counts.sum(axis=1, keepdims=True), 1)
        tint = 0.04 + 0.96 * share[..., None]
        self.image.set_data(np.array(to_rgb(color)) * tint + np.array(to_rgb(self.paper)) * (1 - tint))
        for cell, text in self.numbers.items():
            text.set_text(f"{shown.counts[cell]}")
            text.set_color("white" if share[cell] > 0.65 else self.ink)
            text.set_alpha(0.35 if shown.counts[cell] == 0 else 1.0)
        held_out = [] if validation is None else [(self.sets[1], validation.accuracy)]
        parts = [(self.sets[0], train.accuracy), *held_out, *named(self.baseline)]
        self.heading.set_text("accuracy   " + "   ".join(f"{name} {value:.3f}" for name, value in parts))
