"""A training as TensorBoard shows it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np


class TensorBoard:
    """Write the curves of a training to a folder that `tensorboard --logdir` shows (extra "tensorboard").

    After every epoch: loss/train and loss/validation, also in one picture, each of several losses, the metrics, the
    step sizes and the seconds. Every `histograms_every` epochs, None for never: params/<name>, the distribution of each
    parameter. TensorBoard keeps numbers in single precision; `CSVLog` keeps every bit.

    The step of TensorBoard is the epoch. Every training adds a file to the folder; a new one hides those before it, and
    a resumed one the epochs that lie beyond its own beginning. The file is written out every few seconds, of which a
    kill may lose the last; `CSVLog` loses none. For curves side by side give each run a folder of its own below one.
    Raises ImportError without the package tensorboardX.

    >>> TensorBoard("runs/first").folder.as_posix()
    'runs/first'
    """

    def __init__(self, folder: str | os.PathLike, *, histograms_every: int | None = 10):
        if histograms_every is not None and (histograms_every != int(histograms_every) or histograms_every < 1):
            raise ValueError(
                f"TensorBoard: histograms_every must be a whole number, 1 or more, or None, got {histograms_every}"
            )
        self.folder, self.histograms_every = Path(folder), histograms_every
        self._writer: Any = None

    def begin_fit(self, run: Any) -> None:
        """Open a file, in which TensorBoard is told to forget this epoch and those after it."""
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise ImportError('TensorBoard needs tensorboardX: pip install "graphnn[tensorboard]"') from None
        self.after_fit(run)
        self.folder.mkdir(parents=True, exist_ok=True)
        # Two files of one second would have one name.
        suffix = f".{len(list(self.folder.iterdir()))}"
        self._writer = SummaryWriter(str(self.folder), purge_step=run.epoch, filename_suffix=suffix, flush_secs=5)
        self._writer.add_custom_scalars({"loss": {"loss": ["Multiline", ["loss/train", "loss/validation"]]}})

    def after_epoch(self, run: Any) -> None:
        """Write what the epoch has brought."""
        epoch = run.epoch - 1
        for tag, value in _scalars(run.history):
            self._writer.add_scalar(tag, value, epoch)
        if self.histograms_every is not None and epoch % self.histograms_every == 0:
            for name, value in run.params.items():
                if np.size(value) and np.isfinite(value).all():
                    self._writer.add_histogram(f"params/{name}", np.asarray(value), epoch)

    def after_fit(self, run: Any) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _scalars(history: Any) -> Iterator[tuple[str, float]]:
    """Give the numbers of the last epoch by their tags."""
    groups = (
        ("loss", {"train": history.loss, "validation": history.validation_loss}),
        ("losses", history.losses), ("metrics", history.metrics), ("step_sizes", history.step_sizes),
    )  # fmt: skip
    for group, curves in groups:
        yield from ((f"{group}/{name}", curve[-1]) for name, curve in curves.items() if curve)
    yield "seconds", history.seconds[-1]
