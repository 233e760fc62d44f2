"""The words of the package for type checkers, and the one rule about parameter names.

Parameters are one flat dictionary from dotted names to arrays, ``{"0.graphconv.weight": array, ...}``. A name whose
last component starts with ``running_`` holds a statistic that training measures and nobody differentiates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

Array: TypeAlias = Any
"""A NumPy array, an autograd box around one while a gradient is traced, or a JAX array."""

Params: TypeAlias = dict[str, Any]
"""A flat dictionary of parameters."""

KernelFn: TypeAlias = Callable[[Any], Any]
"""A kernel: a function of one graph that returns an (n, n) array, dense or sparse."""


def is_statistic(name: str) -> bool:
    """Say whether a parameter name holds a running statistic, which gradients, decay and clipping leave alone.

    >>> is_statistic("1.batchnorm.running_mean"), is_statistic("running.weight")
    (True, False)
    """
    return name.rpartition(".")[2].startswith("running_")


def matching(names: Iterable[str], pattern: str) -> list[str]:
    """Return the names that a glob pattern matches, in order.

    >>> matching(["0.weight", "0.bias", "1.weight"], "*.weight")
    ['0.weight', '1.weight']
    """
    return [name for name in names if fnmatchcase(name, pattern)]
