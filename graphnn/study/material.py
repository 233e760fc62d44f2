"""From a request to what can be learned from: rows read, splits chosen, examples made."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphnn.checks import listing
from graphnn.datasets.tables import targets
from graphnn.splits import Split
from graphnn.study.choose import RANDOM, choose_splits
from graphnn.study.rows import MOLECULES, NODES, Rows, featurize, learn_featurizer, read_rows
from graphnn.study.train import Examples, Settings


@dataclass(frozen=True)
class Request:
    """What `graphnn train` was asked for."""

    table: str
    out: str
    target: Sequence[str] = ()
    smiles: str | None = None
    graphs: str | None = None
    name: str | None = None
    task: str | None = None
    features: str = "duvenaud"
    weight: str | None = None
    categories: Sequence[str] = ()
    split: str = RANDOM
    folds: int | None = None
    skip: bool = False
    live: bool = False
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True)
class Material:
    """What was read and made ready. usable: rows of the table that can be learned from; parts: the splits.

    Example i is row kept[i]; parts are in examples. failures: (row, text, reason) of rows that were skipped.
    """

    rows: Rows
    examples: Examples
    kept: np.ndarray
    parts: list[tuple[str, Split]]
    featurizer: Any
    failures: list[tuple[int, str, str]]


def prepare(request: Request) -> Material:
    """Read the table, make the splits and turn rows into examples."""
    rows = read_rows(request.table, smiles=request.smiles, graphs=request.graphs, name=request.name)
    named = tuple(request.target) or (_only_target(rows),)
    wanted = targets(rows.table, named, request.task)
    print(f"reading {rows.table.n_rows} {rows.unit}s", file=sys.stderr, flush=True)
    failures: list[tuple[int, str, str]] = []
    readable = np.arange(rows.table.n_rows)
    batch = None
    if rows.kind == MOLECULES:
        featurizer = learn_featurizer(rows, features=request.features)
        batch, readable, failures = featurize(rows, featurizer, skip=request.skip)
    known = np.asarray(wanted.mask.reshape(len(wanted.mask), -1).any(axis=1))
    usable = readable[known[readable]]
    parts = choose_splits(rows, wanted, usable, split=request.split, folds=request.folds, seed=request.settings.seed)
    if batch is None:
        exclude = [*named, *([request.split] if request.split in rows.table.columns else [])]
        used = np.unique(np.concatenate([part.train for _, part in parts]))
        featurizer = learn_featurizer(
            rows, exclude=exclude, weight=request.weight, categories=request.categories, train=used.tolist()
        )
        batch, readable, failures = featurize(rows, featurizer)
    if rows.kind == NODES:
        return Material(rows, Examples(batch, wanted, "node"), readable, parts, featurizer, failures)
    places = np.flatnonzero(known[readable])
    kept = readable[places]
    examples = Examples(batch[places], wanted._replace(values=wanted.values[kept], mask=wanted.mask[kept]), "graph")
    parts = [(name, Split(*(np.searchsorted(kept, part) for part in split))) for name, split in parts]
    return Material(rows, examples, kept, parts, featurizer, failures)


def _only_target(rows: Rows) -> str:
    """Return the target of a TU folder, which says itself what it is for."""
    if rows.key is None and rows.kind == "graphs":
        return next(iter(rows.table.columns))
    raise ValueError(f"say what to predict: --target COLUMN, of {listing(list(rows.table.columns))}")
