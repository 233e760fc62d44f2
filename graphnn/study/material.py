"""From a request to what can be learned from: rows read, splits chosen, examples made."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from graphnn.batch import Batch
from graphnn.checks import listing
from graphnn.datasets.tables import Targets, targets
from graphnn.splits import Split
from graphnn.study.choose import RANDOM, choose_splits, refuse_nothing_to_learn
from graphnn.study.rows import GRAPH, GRAPHS, MOLECULES, NODES, Rows, featurize, learn_featurizer, read_rows
from graphnn.study.train import Examples, Settings, enough_epochs


@dataclass(frozen=True)
class Request:
    """What `graphnn train` was asked for. model: None for gin, gcn where rows are nodes;  epochs: None for enough."""

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
    model: str | None = None
    epochs: int | None = None
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True)
class Material:
    """What was read and made ready.

    rows: of the table, row_of[i] is that of example i, -1 for a node that the table does not name
    parts: the splits, in examples;  featurizer: from a row to a graph;  settings: with model and epochs decided
    failures: (row, text, reason) of rows that were skipped;  notes: what a person should know
    """

    rows: Rows
    examples: Examples
    row_of: np.ndarray
    parts: list[tuple[str, Split]]
    featurizer: Any
    settings: Settings
    failures: list[tuple[int, str, str]]
    notes: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """What each example is called."""
        return ["" if row < 0 else self.rows.names[row] for row in self.row_of]


def prepare(request: Request) -> Material:
    """Read the table, make the splits and turn rows into examples."""
    rows = read_rows(
        request.table, smiles=request.smiles, graphs=request.graphs, name=request.name,
        exclude=(*request.target, request.split),
    )  # fmt: skip
    named = tuple(request.target) or (_only_target(rows),)
    wanted = targets(rows.table, named, request.task)
    print(f"reading {rows.table.n_rows} {rows.unit}s", file=sys.stderr, flush=True)
    known = np.asarray(wanted.mask.reshape(len(wanted.mask), -1).any(axis=1))
    if rows.kind == MOLECULES:
        featurizer = learn_featurizer(rows, features=request.features)
        batch, readable, failures = featurize(rows, featurizer, skip=request.skip)
        usable = readable[known[readable]]
        parts, notes = _splits(request, rows, wanted, usable)
        batch = batch[np.flatnonzero(known[readable])]
    else:
        usable, failures = np.flatnonzero(known), []
        parts, notes = _splits(request, rows, wanted, usable)
        train = np.unique(np.concatenate([part.train for _, part in parts]))
        exclude = [*named, *([request.split] if request.split in rows.table.columns else [])]
        featurizer = learn_featurizer(
            rows, exclude=exclude, weight=request.weight, categories=request.categories, train=train.tolist()
        )
        batch, _, _ = featurize(rows, featurizer)
        if rows.kind == GRAPHS:
            batch = batch[usable]
    if rows.kind == NODES:
        assert rows.places is not None
        examples, row_of = _of_nodes(batch, wanted, rows.places)
        place = rows.places
    else:
        examples = Examples(batch, wanted._replace(values=wanted.values[usable], mask=wanted.mask[usable]), "graph")
        row_of, place = usable, np.cumsum(np.isin(np.arange(rows.table.n_rows), usable)) - 1
    parts = [(name, Split(*(np.sort(place[part]) for part in split))) for name, split in parts]
    settings = _decided(request, max(len(split.train) for _, split in parts), examples.per)
    notes = [*rows.notes, *notes]
    return Material(rows, examples, row_of, parts, featurizer, settings, failures, tuple(notes))


def _splits(
    request: Request, rows: Rows, wanted: Targets, usable: np.ndarray
) -> tuple[list[tuple[str, Split]], list[str]]:
    parts, notes = choose_splits(
        rows, wanted, usable, split=request.split, folds=request.folds, seed=request.settings.seed
    )
    for name, split in parts:
        refuse_nothing_to_learn(name, split, wanted)
    return parts, notes


def _of_nodes(batch: Batch, wanted: Targets, places: np.ndarray) -> tuple[Examples, np.ndarray]:
    """Return targets node by node, unknown where the table does not name a node, and the row of each node."""
    row_of = np.full(batch.n_nodes, -1)
    row_of[places] = np.arange(len(places))
    unknown = -1 if wanted.task == "classification" else np.nan
    values = np.full((batch.n_nodes, *wanted.values.shape[1:]), unknown, wanted.values.dtype)
    mask = np.zeros((batch.n_nodes, *wanted.mask.shape[1:]), bool)
    values[places], mask[places] = wanted.values, wanted.mask
    return Examples(batch, wanted._replace(values=values, mask=mask), "node"), row_of


def _decided(request: Request, n_train: int, per: str) -> Settings:
    """Return the settings with model and number of epochs as they will be."""
    model = request.model or ("gcn" if per == "node" else "gin")
    epochs = request.epochs or enough_epochs(n_train, request.settings.batch_size, per)
    return replace(request.settings, model=model, epochs=epochs)


def _only_target(rows: Rows) -> str:
    """Return the target of a TU folder, which says itself what it is for."""
    columns = [name for name in rows.table.columns if name != rows.key]
    if rows.kind == GRAPHS and rows.key == GRAPH and columns:
        return columns[0]
    if rows.key == GRAPH:
        raise ValueError(f"{rows.table.path} has no graph labels or attributes, so there is nothing to learn")
    raise ValueError(f"say what to predict: --target COLUMN, of {listing(columns)}")
