"""What the tests of LivePlot train: a clock, a model and a run that only pretend."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from graphnn.training.live.plot import LivePlot

image = pytest.importorskip("PIL.Image")
ACTUAL = np.linspace(-1, 1, 12)


class Clock:
    """A clock that stands still; drawing moves it through the predictions it asks for."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Model:
    """Counts how often its predictions are asked for, each taking so many seconds of the clock."""

    def __init__(self, clock=None, seconds=0.0):
        self.calls, self.clock, self.seconds = 0, clock, seconds

    def __call__(self):
        self.calls += 1
        if self.clock is not None:
            self.clock.now += self.seconds
        return ACTUAL + 1 / self.calls


class Run:
    """What gn.fit shows of itself to a callback."""

    def __init__(self, train=None, validation=None):
        self.epoch, self.value = -1, np.nan
        self.history = SimpleNamespace(loss=[], validation_loss=[])
        self.model, self.params, self.grads, self.step = None, {}, {}, 0
        self.data = SimpleNamespace(mask=None)
        self.validation = None if validation is None else self.data
        self.train_predictions = train or self.predict
        self.validation_predictions = validation or self.nothing
        self.asked = 0

    def predict(self):
        self.asked += 1
        return ACTUAL * (1 - 1 / (self.epoch + 2)), ACTUAL

    def nothing(self):
        return None

    def go(self, plot, epochs):
        plot.begin_fit(self)
        for self.epoch in range(epochs):
            self.value = 1 / (self.epoch + 1)
            self.history.loss.append(self.value)
            self.grads = {"0.dense.weight": np.full(3, self.value)}
            self.step = self.epoch
            plot.after_batch(self)
            plot.after_epoch(self)
        plot.after_fit(self)


def unhurried(every, **settings):
    return LivePlot(every, budget=np.inf, **settings)


def picture(path):
    with open(path, "rb") as file, image.open(file) as opened:
        opened.load()
        return opened.size, np.asarray(opened.convert("RGB"))
