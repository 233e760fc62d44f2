"""Which rows are learned from and which are held out, as `--split` and `--folds` say, in row numbers of the table."""

from __future__ import annotations

import numpy as np

from graphnn import chem, splits
from graphnn.datasets.tables import Table, Targets
from graphnn.splits import Split
from graphnn.study.rows import MOLECULES, NODES, Rows

RANDOM, SCAFFOLD = "random", "scaffold"
NODE_FRACTIONS = (0.6, 0.2, 0.2)  # a node learns from its neighbours: fewer rows are needed for training


def choose_splits(
    rows: Rows, targets: Targets, usable: np.ndarray, *, split: str = RANDOM, folds: int | None = None, seed: int = 0
) -> tuple[list[tuple[str, Split]], list[str]]:
    """Return named splits of the usable rows, in row numbers of the table, and notes on them.

    split: "random" (classes in equal shares), "scaffold", the name of a column of the table, or a JSON file, with
        "FILE.json:name" for some of the splits in it;  folds: so many, in place of one random split

    Rows of one molecule, or of one graph file, stay on one side. Where a file or column tears them apart a note says
    so: such a split may be what was published.
    """
    groups = _groups(rows, usable)
    labels = targets.values[usable] if targets.task == "classification" else None
    if folds is not None and split != RANDOM:
        raise ValueError(f"--folds cuts the rows at random and --split {split} otherwise; give one of them")
    if folds is not None:
        parts = splits.folds(len(usable), folds, seed=seed, groups=groups, labels=labels)
        found = [(f"fold {i}", part) for i, part in enumerate(parts, start=1)]
    elif split == RANDOM:
        fractions = (0.8, 0.1, 0.1) if rows.kind != NODES else NODE_FRACTIONS
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
    notes = [note for name, part in found for note in _check(name, part, len(usable), groups)]
    return [(name, Split(*(usable[rows] for rows in part))) for name, part in found], notes


def _groups(rows: Rows, usable: np.ndarray) -> np.ndarray | None:
    """Return a number for each usable row, the same for rows that are the same thing."""
    if rows.kind == MOLECULES:
        return chem.duplicates([rows.things[row] for row in usable])
    if rows.kind == NODES:
        return None
    return np.unique([rows.names[row] for row in usable], return_inverse=True)[1]


def refuse_nothing_to_learn(name: str, split: Split, targets: Targets) -> None:
    """Refuse a split whose training rows know too little of a target. split: in the rows of the targets."""
    for part in ("train", "validation"):
        rows = getattr(split, part)
        for column, target in enumerate(targets.names):
            values = targets.values if targets.values.ndim == 1 else targets.values[:, column]
            mask = targets.mask if targets.mask.ndim == 1 else targets.mask[:, column]
            known = values[rows][mask[rows]]
            if len(known) and (part == "validation" or targets.task == "regression" or len(set(known.tolist())) > 1):
                continue
            what = f"all {len(known)} are of one class" if len(known) else "none is known"
            raise ValueError(f"{name}: of {target!r} in the {len(rows)} {part} rows {what}; choose another split")


def _of_column(table: Table, name: str, usable: np.ndarray) -> Split:
    return splits.from_column([table.column(name)[row] for row in usable])


def _narrowed(split: Split, usable: np.ndarray, table: Table, name: str) -> Split:
    """Return a split of table rows as one of the usable rows; rows that are not usable fall out."""
    most = max((int(part.max()) for part in split if len(part)), default=0)
    if most >= table.n_rows:
        raise ValueError(f"split {name}: row {most} is beyond the {table.n_rows} rows of {table.path} (counted from 0)")
    return Split(*(np.flatnonzero(np.isin(usable, part)) for part in split))


def _check(name: str, split: Split, n: int, groups: np.ndarray | None) -> list[str]:
    """Refuse a split that cannot be used; return notes on one that can, but should be known."""
    try:
        splits.check(split, n)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    if not len(split.validation):
        raise ValueError(f"{name}: no validation rows, and they choose the epoch and set the intervals; give some")
    if groups is None:
        return []
    apart = sum(np.isin(groups[split.test], groups[part]).sum() for part in (split.train, split.validation))
    return [f"{name}: {apart} test rows are also in train or validation, under another row"] if apart else []
