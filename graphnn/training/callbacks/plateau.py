"""A step size that falls when the loss no longer does."""

from __future__ import annotations

import math
from typing import Any

from graphnn.optim import scaled


class ReduceOnPlateau:
    """Multiply every step size by `factor` when the loss has not fallen for `patience` epochs, again and again.

    The loss is the validation loss; without validation data the training loss. min_change: how much lower a loss must
    be to count; least: the share of the first step size below which none is made. `run.optimizer` becomes
    `gn.scaled(run.optimizer, factor)`, so a schedule goes on, lower, and the moments of the optimiser stay.
    `reductions` counts them. With `EarlyStopping`, give that one more patience than this.

    PyTorch's ReduceLROnPlateau waits for one epoch more, and its first threshold is relative; a loss that is not a
    number counts as no fall.

    >>> import numpy as np
    >>> from graphnn import Dense, fit, sgd
    >>> x, y = np.ones((4, 1)), np.ones((4, 1))
    >>> plateau = ReduceOnPlateau(factor=0.5, patience=3)
    >>> _ = fit(Dense(1), Dense(1).init(0, x), x, y, optimizer=sgd(0.9), epochs=100, callbacks=[plateau])
    >>> plateau.reductions > 0
    True
    """

    def __init__(self, factor: float = 0.5, patience: int = 10, *, min_change: float = 0.0, least: float = 1e-4):
        if not 0 < factor < 1:
            raise ValueError(f"ReduceOnPlateau: factor must be between 0 and 1, got {factor}")
        if patience < 1:
            raise ValueError(f"ReduceOnPlateau: patience must be 1 or more, got {patience}")
        if not 0 <= min_change < math.inf or not 0 <= least <= 1:
            raise ValueError(
                f"ReduceOnPlateau: min_change must not be negative and least a share from 0 to 1, got {min_change} and "
                f"{least}"
            )
        self.factor, self.patience, self.min_change, self.least = factor, patience, min_change, least
        self.best, self.waited, self.reductions = math.inf, 0, 0

    def begin_fit(self, run: Any) -> None:
        self.best, self.waited, self.reductions = math.inf, 0, 0

    def after_epoch(self, run: Any) -> None:
        loss = (run.history.validation_loss or run.history.loss)[-1]
        if loss < self.best - self.min_change:
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.waited = 0
            if self.factor ** (self.reductions + 1) >= self.least:
                run.optimizer = scaled(run.optimizer, self.factor)
                self.reductions += 1

    def memory(self) -> dict[str, Any]:
        """Return what a resumed training must know of the epochs before."""
        return {"best": self.best, "waited": self.waited, "reductions": self.reductions}

    def remember(self, memory: dict[str, Any]) -> None:
        """Go on from what `memory` returned."""
        self.best, self.waited = float(memory["best"]), int(memory["waited"])
        self.reductions = int(memory["reductions"])
