"""Which rows are learned from and which are held out, as `--split` and `--folds` say, in row numbers of the table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphnn import chem, splits
from graphnn.datasets.tables import Table, Targets
from graphnn.splits import Split
from graphnn.study.rows import MOLECULES, Rows

RANDOM, SCAFFOLD = "random", "scaffold"
NODE_FRACTIONS = (0.6, 0.2, 0.2)  # a node learns from its neighbours: fewer rows are needed for training


def choose_splits(
    rows: Rows, targets: Targets, usable: np.ndarray, *, split: str = RANDOM, folds: int | None = None, seed: int = 0
) -> list[tuple[str, Split]]:
    """Return named splits of the usable rows.

    split: "random" (classes in equal shares), "scaffold", the name of a column of the table, or a JSON file, with
        "FILE.json:name" for some of the splits in it;  folds: so many, in place of one random split

    Duplicates of a molecule stay on one side; a split from a file or column that tears them apart is refused.
    """
    groups = chem.duplicates([rows.things[row] for row in usable]) if rows.kind == MOLECULES else None
    labels = targets.values[usable] if targets.task == "classification" else None
    if folds is not None and split != RANDOM:
        raise ValueError(f"--folds cuts the rows at random and --split {split} otherwise; give one of them")
    if folds is not None:
        parts = splits.folds(len(usable), folds, seed=seed, groups=groups, labels=labels)
        found = [(f"fold {i}", part) for i, part in enumerate(parts, start=1)]
    elif split == RANDOM:
        fractions = (0.8, 0.1, 0.1) if rows.kind != "nodes" else NODE_FRACTIONS
        part = splits.random(len(usable), fractions=fractions, seed=seed, groups=groups, labels=labels)
        found = [("random split", part)]
    elif split == SCAFFOLD:
        if rows.kind != MOLECULES:
            raise ValueError(f"--split scaffold needs molecules, and the rows are {rows.kind}; use random or a column")
        found = [("scaffold split", splits.scaffold([chem.scaffold(rows.things[row]) for row in usable]))]
    elif split in rows.table.columns:
        found = [(f"column {split}", _of_column(rows.table, split, usable))]
    elif ".json" in split.lower():
        found = [(name, _narrowed(part, usable, rows.table, name)) for name, part in splits.read(split)]
    else:
        rows.table.column(split)  # raises, naming the nearest column
    for name, part in found:
        _check(name, part, len(usable), groups)
    return [(name, Split(*(usable[rows] for rows in part))) for name, part in found]


def _of_column(table: Table, name: str, usable: np.ndarray) -> Split:
    return splits.from_column([table.column(name)[row] for row in usable])


def _narrowed(split: Split, usable: np.ndarray, table: Table, name: str) -> Split:
    """Return a split of table rows as one of the usable rows; rows that are not usable fall out."""
    most = max((int(part.max()) for part in split if len(part)), default=0)
    if most >= table.n_rows:
        raise ValueError(f"split {name}: row {most} is beyond the {table.n_rows} rows of {table.path} (counted from 0)")
    return Split(*(np.flatnonzero(np.isin(usable, part)) for part in split))


def _check(name: str, split: Split, n: int, groups: Sequence | np.ndarray | None) -> None:
    try:
        splits.check(split, n, groups)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    if not len(split.validation):
        raise ValueError(f"{name}: no validation rows, and they choose the epoch and set the intervals; give some")
