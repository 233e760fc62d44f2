"""Published data sets by name: `load("cora")`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from graphnn.checks import listing, nearest
from graphnn.datasets.fetching import fetch
from graphnn.datasets.genes import read_gene_network, read_gene_sets, read_mutations
from graphnn.datasets.graph_files import read_graph
from graphnn.datasets.idx import read_mnist
from graphnn.datasets.npz import read_npz
from graphnn.datasets.planetoid import read_planetoid
from graphnn.datasets.registry import REGISTRY
from graphnn.datasets.tables import Table, read_table
from graphnn.datasets.tu import read_tu

CORA_CLASSES = (  # the files have none; by comparison with those of cora-npz, paper by paper
    "Theory", "Reinforcement_Learning", "Genetic_Algorithms", "Neural_Networks", "Probabilistic_Methods", "Case_Based",
    "Rule_Learning",
)  # fmt: skip
TARGETS = {
    "delaney-processed.csv": "measured log solubility in mols per litre",
    "ci034243xsi20040112_053635.txt": "measured log solubility in mols per litre",
    "malaria-processed.csv": "activity",
    "cep-processed.csv": "PCE",
}


class MoleculeData(NamedTuple):
    """Molecules as SMILES, what was measured of each (n, 1) and how that is called, and the table with all columns."""

    smiles: list[str]
    values: np.ndarray
    target: str
    table: Table
    source: str

    def __repr__(self) -> str:
        low, high = self.values.min(), self.values.max()
        return f"MoleculeData({len(self.smiles)} molecules, {self.target!r} from {low:g} to {high:g})"


def load(name: str, folder: str | os.PathLike | None = None, *, dtype: DTypeLike = np.float64) -> Any:
    """Return a published data set: from a folder of yours, else from the cache, else downloaded into it.

    name                                      what comes back
    cora, cora-npz                            NodeData: graph, labels, classes, split, source
    esol, esol-original, malaria, cep         MoleculeData: smiles, values, target, table, source
    mutag                                     TUData: name, graphs (networkx), labels, targets, classes
    mnist                                     ImageData: images, labels, classes, split, source
    humannet                                  Graph, with `names` and `weights`
    gwas                                      GeneSets: sets, source
    ovarian                                   Mutations: matrix, patients, genes, source
    netscience                                networkx graph, weight attribute "value"

    folder: looked into first, by default the one that the environment variable GRAPHNN_DATA names; files lie in it as
        `print(datasets.REGISTRY["cora"])` shows, which also gives the licence and whom to cite. Else they are
        downloaded to the user's cache, once (extra `data`). Every file is checked by its SHA-256 whenever it is read.
    dtype: np.float64 or np.float32, of features, weights and values; images are bytes, networkx graphs have their own

    Raises KeyError for a name that is not known, and else what `fetch` and the readers raise: FileNotFoundError says
    which file to put where when there is no network.

    >>> load("chora")
    Traceback (most recent call last):
    ...
    KeyError: "there is no data set 'chora'; did you mean 'cora' or 'cora-npz'?"
    """
    if name not in REGISTRY:
        hint = (
            nearest(str(name), REGISTRY)
            or f", only {listing(list(REGISTRY), 20)}; datasets.alkanes() and karate() are inside"
        )
        raise KeyError(f"there is no data set {name!r}{hint}")
    entry = REGISTRY[name]
    place = fetch(entry, folder)
    file = place / entry.files[0].name
    match name:
        case "cora":
            data: Any = read_planetoid(place, "cora", dtype=dtype)._replace(classes=CORA_CLASSES)
        case "cora-npz":
            data = read_npz(file, dtype=dtype)
        case "mutag":
            data = read_tu(place)
        case "mnist":
            data = read_mnist(place)
        case "humannet":
            data = read_gene_network(file, dtype=dtype)
        case "gwas":
            data = read_gene_sets(file)
        case "ovarian":
            data = read_mutations(file, dtype=dtype)
        case "netscience":
            data = read_graph(file)
        case _:
            data = _molecules(file, TARGETS[file.name], dtype)
    return data


def _molecules(file: Path, target: str, dtype: DTypeLike) -> MoleculeData:
    table = read_table(file)
    values = table.numbers(target).astype(dtype)[:, None]
    return MoleculeData(table.column("smiles"), values, target, table, str(file))
