"""A column of SMILES as graphs, with the numbers of the rows that became one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from graphnn.chem.features import DuvenaudFeatures
from graphnn.chem.smiles import Failure, each_of
from graphnn.graph import Graph

Featurizer = Callable[[str], Graph]


class Molecules(NamedTuple):
    """Molecules of a table: their graphs, the row of each (counted from 0), and the rows that are none.

    >>> Molecules([], np.zeros(0, int), [Failure(0, "C(", "syntax error")])
    Molecules(0 graphs, 1 row without)
    """

    graphs: list[Graph]
    rows: np.ndarray
    failures: list[Failure]

    def __repr__(self) -> str:
        n = len(self.failures)
        lost = f", {n} row{'s' * (n > 1)} without" if n else ""
        return f"Molecules({len(self.graphs)} graphs{lost})"


def from_smiles(
    smiles: Sequence[str], featurizer: Featurizer | None = None, *, on_error: str = "raise", progress: bool = False
) -> Molecules:
    """Return the graphs of a column of SMILES.

    featurizer: DuvenaudFeatures() when None; DMPNNFeatures(), or any function from a SMILES to a Graph that raises
        ValueError for what it cannot represent
    on_error: "raise" raises ONE ValueError listing the first rows that fail; "skip" leaves such rows out, and they
        are in `.failures`. `.rows` says which rows are left: targets[molecules.rows] belong to molecules.graphs
    progress: show how far it is (needs the extra `progress`)

    >>> import rdkit
    >>> from_smiles(["CCO", "C1CC", "c1ccccc1"], on_error="skip").failures
    [Failure(row=1, text='C1CC', reason='unclosed ring')]
    """
    featurizer = DuvenaudFeatures() if featurizer is None else featurizer
    if not callable(featurizer):
        raise TypeError(f"from_smiles: the featurizer is a {type(featurizer).__name__}; give e.g. DuvenaudFeatures()")
    graphs, rows, failures = each_of(smiles, featurizer, "from_smiles", on_error=on_error, progress=progress)
    return Molecules(graphs, np.array(rows, np.intp), failures)
