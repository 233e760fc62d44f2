"""Real data that come with the package, ready to train on: no downloads, no further packages."""

from graphnn.datasets.embedded import Alkanes, alkanes, karate

__all__ = ["Alkanes", "alkanes", "karate"]
