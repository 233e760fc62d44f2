"""Molecules as graphs: what is said about every atom and bond, as two papers have it.

A featurizer is a table of columns, and what to read off an atom and a bond for each. Its fields are plain values, so
that it can be written down with a model and made again; its graphs have a node for each atom, in the order of the
SMILES, and two edges with the same features for each bond. A salt is one graph of several pieces.

Features depend on the molecule, not on how its SMILES was written: handedness is R or S and E or Z by the rules of
Cahn, Ingold and Prelog, where RDKit's own marks turn with the order of the atoms. One column of DuvenaudFeatures is
an exception and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from graphnn.chem.smiles import molecule, rdkit, refusal
from graphnn.graph import Graph

CIP_EFFORT = 1_250_000
"""Steps after which RDKit gives up on R and S, about a second; ordinary molecules take a few thousand."""


@dataclass(frozen=True)
class OneOf:
    """A column for each of some values, and a last one for any other: 1 in one of them, 0 in the rest.

    >>> OneOf("degree", range(2), "2+").names
    ('degree 0', 'degree 1', 'degree 2+')
    """

    name: str
    values: Sequence[Any]
    other: str = "other"

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{self.name} {value}" for value in (*self.values, self.other))

    @cached_property
    def _column(self) -> dict[Any, int]:
        return {value: column for column, value in enumerate(self.values)}

    def fill(self, block: np.ndarray, values: Sequence[Any]) -> None:
        """Write the rows of these values into a block of zeros."""
        last = len(self.values)
        block[np.arange(len(values)), [self._column.get(value, last) for value in values]] = 1.0


@dataclass(frozen=True)
class Number:
    """A column that holds a number itself, a yes as 1.

    >>> Number("aromatic").names
    ('aromatic',)
    """

    name: str

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def fill(self, block: np.ndarray, values: Sequence[float]) -> None:
        """Write these values into the one column."""
        block[:, 0] = values


@dataclass(frozen=True)
class Features:
    """What the featurizers share: `featurizer(smiles)` is a Graph, and every column has a name.

    hydrogens: every hydrogen becomes a node (deuterium always is one)
    salts: "keep" all pieces in one graph, or only the "largest" (by heavy atoms, then mass, then canonical SMILES);
        its charge stays

    Raises TypeError for what is no text and ValueError for what is no molecule, naming it.

    A subclass gives two tables, `atoms` and `bonds`, and reads the values of one row each: `atom` and `bond`.
    """

    hydrogens: bool = False
    salts: str = "keep"

    atoms: ClassVar[Sequence[OneOf | Number]] = ()
    bonds: ClassVar[Sequence[OneOf | Number]] = ()
    handed: ClassVar[bool] = False  # whether R, S, E and Z are to be worked out

    def __post_init__(self) -> None:
        if not isinstance(self.hydrogens, bool):
            raise TypeError(f"{type(self).__name__}: hydrogens must be True or False, got {self.hydrogens!r}")
        if self.salts not in ("keep", "largest"):
            raise ValueError(f'{type(self).__name__}: salts must be "keep" or "largest", got {self.salts!r}')

    @staticmethod
    def atom(atom: Any) -> tuple:
        """Return the values of an RDKit atom, one for each entry of `atoms`."""
        raise NotImplementedError

    @staticmethod
    def bond(bond: Any) -> tuple:
        """Return the values of an RDKit bond, one for each entry of `bonds`."""
        raise NotImplementedError

    @property
    def node_names(self) -> tuple[str, ...]:
        """What every column of `graph.nodes` says."""
        return tuple(name for block in self.atoms for name in block.names)

    @property
    def edge_names(self) -> tuple[str, ...]:
        """What every column of `graph.edges` says."""
        return tuple(name for block in self.bonds for name in block.names)

    @property
    def n_node_features(self) -> int:
        return len(self.node_names)

    @property
    def n_edge_features(self) -> int:
        return len(self.edge_names)

    def __call__(self, smiles: str) -> Graph:
        """Return the graph of a molecule: nodes (atoms, n_node_features), edges (2 bonds, n_edge_features)."""
        found = molecule(smiles)
        if self.handed and any(mark in smiles for mark in "@/\\"):
            label_handedness(found, smiles)
        if self.salts == "largest":
            found = largest_piece(found)
        if self.hydrogens:
            Chem, _ = rdkit()
            found = Chem.AddHs(found)
        nodes = columns([self.atom(atom) for atom in found.GetAtoms()], self.atoms)
        bonds = list(found.GetBonds())
        edges = columns([self.bond(bond) for bond in bonds], self.bonds)
        ends = np.array([(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in bonds], np.intp).reshape(-1, 2)
        senders, receivers = np.concatenate([ends, ends[:, ::-1]]).T
        return Graph(nodes, senders, receivers, edges=np.concatenate([edges, edges]))


def columns(rows: Sequence[tuple], blocks: Sequence[OneOf | Number]) -> np.ndarray:
    """Return rows of values as an array: for each value the columns of its block.

    >>> columns([(7, True), (6, False)], [OneOf("element", (6,)), Number("aromatic")])
    array([[0., 1., 1.],
           [1., 0., 0.]])
    """
    table = np.zeros((len(rows), sum(len(block.names) for block in blocks)))
    if not rows:
        return table
    start = 0
    for block, values in zip(blocks, zip(*rows, strict=True), strict=True):
        end = start + len(block.names)
        block.fill(table[:, start:end], values)
        start = end
    return table


def largest_piece(found: Any) -> Any:
    """Return the piece of a molecule with most heavy atoms; of equals the heavier, then the later canonical SMILES."""
    Chem, _ = rdkit()
    from rdkit.Chem.rdMolDescriptors import CalcExactMolWt

    pieces = Chem.GetMolFrags(found, asMols=True)
    ranks = [(piece.GetNumHeavyAtoms(), CalcExactMolWt(piece), Chem.MolToSmiles(piece)) for piece in pieces]
    return pieces[ranks.index(max(ranks))]


def label_handedness(found: Any, smiles: str) -> None:
    """Have RDKit write R or S on every handed atom and E or Z on every handed bond of its molecule."""
    from rdkit.Chem.rdCIPLabeler import AssignCIPLabels

    try:
        AssignCIPLabels(found, maxRecursiveIterations=CIP_EFFORT)
    except RuntimeError as error:
        raise refusal(smiles, f"its handedness cannot be named, {error}; write it without @, / and \\") from None


def _label(part: Any) -> str:
    """Return R, S, E or Z; RDKit writes r and s where a mirror leaves the label as it is."""
    return part.GetProp("_CIPCode").upper() if part.HasProp("_CIPCode") else "other"


# ---- Duvenaud et al. 2015 --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DuvenaudFeatures(Features):
    """Atoms and bonds of Duvenaud et al., NIPS 2015 (arXiv:1509.09292), as in the code published with it.

    nodes, 62: element (43 and "other"), bonds to other nodes, hydrogens that are no nodes, implicit valence, aromatic
    edges, 6: single, double, triple, aromatic (none of them for a dative bond), conjugated, in a ring

    Charges and handedness are not among them, so both hands of a molecule give the same graph. The implicit valence is
    0 for atoms in brackets: [CH4] and C differ in it, and in nothing else. What differs from the code: five and more
    bonds share a column, where it has one for five and stops at six (SF6).

    hydrogens, salts: see `Features`; with hydrogens as nodes, those two blocks say 0 everywhere.

    >>> import rdkit
    >>> DuvenaudFeatures()("CCO")
    Graph(n_nodes=3, n_edges=4, nodes=(3, 62) float64, edges=(4, 6) float64; A[i, j] is the edge from j to i)
    """

    atoms = (
        OneOf(
            "element",
            (
                "C", "N", "O", "S", "F", "Si", "P", "Cl", "Br", "Mg", "Na", "Ca", "Fe", "As", "Al", "I", "B", "V",
                "K", "Tl", "Yb", "Sb", "Sn", "Ag", "Pd", "Co", "Se", "Ti", "Zn", "H", "Li", "Ge", "Cu", "Au", "Ni",
                "Cd", "In", "Mn", "Zr", "Cr", "Pt", "Hg", "Pb",
            ),
        ),
        OneOf("degree", range(5), "5+"),
        OneOf("hydrogens", range(4), "4+"),
        OneOf("implicit valence", range(5), "5+"),
        Number("aromatic"),
    )  # fmt: skip
    bonds = tuple(map(Number, ("single", "double", "triple", "aromatic", "conjugated", "in ring")))

    @staticmethod
    def atom(atom: Any) -> tuple:
        implicit = atom.GetNumImplicitHs()  # what RDKit calls the implicit valence
        return atom.GetSymbol(), atom.GetDegree(), atom.GetTotalNumHs(), implicit, atom.GetIsAromatic()

    @staticmethod
    def bond(bond: Any) -> tuple:
        kind = bond.GetBondType().name
        of_kind = [kind == name for name in ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC")]
        return (*of_kind, bond.GetIsConjugated(), bond.IsInRing())


# ---- Yang et al. 2019 ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DMPNNFeatures(Features):
    """Atoms and bonds of the directed message passing network: Yang et al., J. Chem. Inf. Model. 59 (2019) 3370
    (arXiv:1904.01561), tables of atom and bond features.

    nodes, 132: atomic number 1 to 100, bonds (to hydrogens too), formal charge, handedness, hydrogens that are no
        nodes, hybridisation, aromatic, atomic mass / 100 (of the isotope, where one is named)
    edges, 11: kind of bond, conjugated, in a ring, E or Z

    Every block has a column for what is not listed, as in the authors' code. What differs: handedness is R or S and
    E or Z, "other" where the rules give no label (metal centres), instead of marks that depend on the order of the
    atoms.

    hydrogens, salts: see `Features`.

    >>> import rdkit
    >>> graph = DMPNNFeatures()("C[C@H](N)O")
    >>> [name for name, value in zip(DMPNNFeatures().node_names, graph.nodes[1]) if value]
    ['atomic number 6', 'degree 4', 'charge 0', 'handedness R', 'hydrogens 1', 'hybridisation SP3', 'mass / 100']
    """

    atoms = (
        OneOf("atomic number", range(1, 101)),
        OneOf("degree", range(6), "6+"),
        OneOf("charge", range(-2, 3)),
        OneOf("handedness", ("none", "R", "S")),
        OneOf("hydrogens", range(5), "5+"),
        OneOf("hybridisation", ("SP", "SP2", "SP3", "SP3D", "SP3D2")),
        Number("aromatic"),
        Number("mass / 100"),
    )
    bonds = (
        OneOf("bond", ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC")),
        Number("conjugated"),
        Number("in ring"),
        OneOf("stereo", ("none", "E", "Z")),
    )
    handed = True

    @staticmethod
    def atom(atom: Any) -> tuple:
        return (
            atom.GetAtomicNum(),
            atom.GetTotalDegree(),
            atom.GetFormalCharge(),
            _label(atom) if atom.GetChiralTag() else "none",
            atom.GetTotalNumHs(),
            atom.GetHybridization().name,
            atom.GetIsAromatic(),
            atom.GetMass() / 100,
        )

    @staticmethod
    def bond(bond: Any) -> tuple:
        stereo = _label(bond) if bond.GetStereo() else "none"
        return bond.GetBondType().name, bond.GetIsConjugated(), bond.IsInRing(), stereo
