"""Molecules as rows of numbers, for baselines: RDKit's descriptors, and circular fingerprints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphnn.chem.smiles import each_of, molecule, rdkit

LEFT_OUT = ("Ipc", "AvgIpc")
"""Descriptors that grow exponentially with the molecule, and whose time grows with the fourth power of its atoms."""


def descriptors(smiles: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Return RDKit's 2-D descriptors, (n, d) float64 and finite, and their d names.

    The columns are the same for any molecules (RDKit's list without Ipc and AvgIpc), so that a model fitted on some
    rows can read others; columns that are constant in yours stay. Where RDKit has no finite value, such as partial
    charges around a metal, stands 0.

    Raises one ValueError for all rows that are no molecule.

    >>> import rdkit
    >>> table, names = descriptors(["CCO", "CCCO"])
    >>> table[:, names.index("HeavyAtomCount")]
    array([3., 4.])
    """
    _, rdBase = rdkit()
    from rdkit.Chem import Descriptors

    functions = {name: function for name, function in Descriptors.descList if name not in LEFT_OUT}

    def row(text: str) -> list[float]:
        found = molecule(text)
        with rdBase.BlockLogs():
            return [_value(function, found) for function in functions.values()]

    rows, _, _ = each_of(smiles, row, "descriptors")
    table = np.array(rows, float).reshape(len(rows), len(functions))
    return np.where(np.isfinite(table), table, 0.0), list(functions)


def _value(function: Callable[[Any], float], found: Any) -> float:
    """Return a descriptor, nan where it is not defined, such as a mean over the heavy atoms of hydrogen."""
    try:
        return function(found)
    except (ArithmeticError, ValueError, RuntimeError):  # as it comes, RDKit returns nan or raises any of these
        return np.nan


def morgan(smiles: Sequence[str], radius: int = 2, size: int = 2048, *, counts: bool = False) -> np.ndarray:
    """Return circular fingerprints, (n, size) float64: the surroundings of every atom out to `radius` bonds, hashed.

    Morgan or extended-connectivity fingerprints: Rogers & Hahn, J. Chem. Inf. Model. 50 (2010) 742; radius 2 is ECFP4.
    counts: how often each surrounding occurs instead of whether it does

    Raises one ValueError for all rows that are no molecule.

    >>> import rdkit
    >>> morgan(["CCO", "OCC", "CCN"], size=64).sum(axis=1)
    array([6., 6., 5.])
    """
    rdkit()
    from rdkit.Chem import rdFingerprintGenerator

    for name, value, least in (("radius", radius, 0), ("size", size, 1)):
        if not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"morgan: {name} must be a whole number from {least} up, got {value!r}")
    generator: Any = rdFingerprintGenerator.GetMorganGenerator(radius=int(radius), fpSize=int(size))
    fingerprint = generator.GetCountFingerprintAsNumPy if counts else generator.GetFingerprintAsNumPy

    def row(text: str) -> np.ndarray:
        return fingerprint(molecule(text))

    rows, _, _ = each_of(smiles, row, "morgan")
    return np.array(rows, float).reshape(len(rows), size)
