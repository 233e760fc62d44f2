"""EarlyStopping: an end when the loss no longer falls, and the best parameters back."""

from __future__ import annotations

from typing import Any

from graphnn.training.run import copied
from graphnn.types import Params


class EarlyStopping:
    """Stop when the loss has not fallen for `patience` epochs, and put the best parameters back.

    The loss is the validation loss; without validation data the training loss, which belongs to the
    parameters before the steps of its epoch. min_change: how much lower a loss must be to count. `best_epoch`, the
    epoch whose parameters are put back, counts like `History.best_epoch`: epoch 0 is the first, -1 is none so far.

    >>> import numpy as np
    >>> from graphnn import Dense, fit, sgd
    >>> x, y = np.ones((4, 1)), np.ones((4, 1))
    >>> model = Dense(1)
    >>> params, history = fit(model, model.init(0, x), x, y, optimizer=sgd(0.5), epochs=500,
    ...                       callbacks=[EarlyStopping(patience=3)])
    >>> len(history.loss) < 500
    True
    """

    def __init__(self, patience: int = 20, min_change: float = 0.0):
        if patience < 1:
            raise ValueError(f"EarlyStopping: patience must be 1 or more, got {patience}")
        self.patience, self.min_change = patience, min_change
        self.best, self.best_epoch = float("inf"), -1
        self.params: Params = {}

    def begin_fit(self, run: Any) -> None:
        self.best, self.best_epoch, self.params = float("inf"), -1, {}

    def after_epoch(self, run: Any) -> bool:
        curve = run.history.validation_loss or run.history.loss
        if curve[-1] < self.best - self.min_change:
            self.best, self.best_epoch = curve[-1], run.epoch - 1
            self.params = copied(run.params)
        if run.epoch - 1 - self.best_epoch >= self.patience:
            run.stop(f"no lower loss for {self.patience} epochs; best was epoch {self.best_epoch}")
            return True
        return False

    def after_fit(self, run: Any) -> None:
        if self.best_epoch >= 0:
            run.params = copied(self.params)

    def memory(self) -> dict[str, Any]:
        """Return what a resumed run must know: the best so far."""
        return {"best": self.best, "best_epoch": self.best_epoch, **{f"params/{k}": v for k, v in self.params.items()}}

    def remember(self, memory: dict[str, Any]) -> None:
        """Go on from what `memory` returned."""
        self.best, self.best_epoch = memory["best"], memory["best_epoch"]
        self.params = {key[len("params/") :]: value for key, value in memory.items() if key.startswith("params/")}
