"""Molecules: features against a slow writing of the two papers, real tables, and what is refused in which words."""

from __future__ import annotations

import csv
import dataclasses
import json
import sys

import numpy as np
import pytest
import scipy.sparse.csgraph
from real_files import real_file

import graphnn as gn

pytest.importorskip("rdkit", reason="molecules need RDKit")

from rdkit import Chem, rdBase
from rdkit.Chem import Descriptors, rdFingerprintGenerator

from graphnn import chem

DUVENAUD, DMPNN = chem.DuvenaudFeatures(), chem.DMPNNFeatures()
both_papers = pytest.mark.parametrize("featurizer", [DUVENAUD, DMPNN], ids=["duvenaud", "dmpnn"])

# everything the field writes in a SMILES, one thing each
SPECIAL = {
    "methane": "C",
    "charges": "[NH4+].[Cl-]",
    "double_charge": "[Fe+2].[Cl-].[Cl-]",
    "zwitterion": "C[N+](C)(C)CC(=O)[O-]",
    "two_hands": "C[C@H](N)[C@@H](O)F",
    "E_and_Z": "F/C=C/C/C=C\\Cl",
    "deuterium": "[2H]C([2H])([2H])O",
    "carbon_13": "[13CH3]C",
    "radical": "C[CH2]",
    "hydrogen": "[H][H]",
    "proton": "[H+]",
    "selenophene": "c1cc[se]c1",
    "boronic_acid": "B(O)(O)c1ccccc1",
    "silane": "C[Si](C)(C)C",
    "pyrrole": "c1cc[nH]c1",
    "explicit_bonds": "C-C=C-C#N",
    "ring_closure_12": "C%12CCCCC%12",
    "hexafluoride": "FS(F)(F)(F)(F)F",
    "dative": "N->[Cu]",
    "quadruple": "[Re]$[Re]",
    "metal": "[Pt](Cl)(Cl)(N)N",
    "uranium": "[U]",
    "beyond_100": "[Og]",
    "octahedral": "F[S@OH6](Cl)(Br)(I)(N)O",
}
specials = pytest.mark.parametrize("smiles", SPECIAL.values(), ids=SPECIAL)


def column(path, name):
    with real_file(path).open(encoding="utf-8", newline="") as file:
        return [row[name] for row in csv.DictReader(file)]


@pytest.fixture
def esol():
    return column("esol/delaney-processed.csv", "smiles")


@pytest.fixture(params=["esol", "malaria", "cep"])
def sample(request):
    """About sixty molecules of a real table."""
    path = {"esol": "esol/delaney-processed.csv"}.get(
        request.param, f"neural_fingerprint/{request.param}-processed.csv"
    )
    smiles = column(path, "smiles")
    return smiles[:: len(smiles) // 60]


# the list in the code of Duvenaud et al., by atomic number
ELEMENTS = (
    "H Li B C N O F Na Mg Al Si P S Cl K Ca Ti V Cr Mn Fe Co Ni Cu Zn Ge As Se Br Zr Pd Ag Cd In Sn Sb I Yb Pt Au Hg "
    "Tl Pb"
)

# ---- an outside witness: every number straight from RDKit, the handedness by RDKit's other algorithm -----------------


def one_hot(name, value, listed, other="other"):
    return {f"{name} {value if value in listed else other}": 1.0}


def hand(part, mark, none):
    if str(mark) == none:
        return "none"
    return {"STEREOE": "E", "STEREOZ": "Z"}.get(str(mark)) or (part.HasProp("_CIPCode") and part.GetProp("_CIPCode"))


def implicit_valence(atom):
    newer = hasattr(Chem, "ValenceType")
    return atom.GetValence(Chem.ValenceType.IMPLICIT) if newer else atom.GetImplicitValence()


def duvenaud_atom(atom):
    return {
        **one_hot("element", atom.GetSymbol(), ELEMENTS.split()),
        **one_hot("degree", len(atom.GetNeighbors()), range(5), "5+"),
        **one_hot("hydrogens", atom.GetNumImplicitHs() + atom.GetNumExplicitHs(), range(4), "4+"),
        **one_hot("implicit valence", implicit_valence(atom), range(5), "5+"),
        "aromatic": float(atom.GetIsAromatic()),
    }


def duvenaud_bond(bond):
    kinds = {str(kind).lower(): float(bond.GetBondType() == kind) for kind in Chem.BondType.names.values()}
    return {
        **{kind: kinds[kind] for kind in ("single", "double", "triple", "aromatic")},
        "conjugated": float(bond.GetIsConjugated()),
        "in ring": float(bond.IsInRing()),
    }


def dmpnn_atom(atom):
    degree = len(atom.GetNeighbors()) + atom.GetTotalNumHs()
    return {
        **one_hot("atomic number", Chem.GetPeriodicTable().GetAtomicNumber(atom.GetSymbol()), range(1, 101)),
        **one_hot("degree", degree, range(6), "6+"),
        **one_hot("charge", atom.GetFormalCharge(), (-2, -1, 0, 1, 2)),
        **one_hot("handedness", hand(atom, atom.GetChiralTag(), "CHI_UNSPECIFIED"), ("none", "R", "S")),
        **one_hot("hydrogens", atom.GetTotalNumHs(), range(5), "5+"),
        **one_hot("hybridisation", str(atom.GetHybridization()), ("SP", "SP2", "SP3", "SP3D", "SP3D2")),
        "aromatic": float(atom.GetIsAromatic()),
        "mass / 100": atom.GetMass() / 100,
    }


def dmpnn_bond(bond):
    return {
        **one_hot("bond", str(bond.GetBondType()), ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC")),
        "conjugated": float(bond.GetIsConjugated()),
        "in ring": float(bond.IsInRing()),
        **one_hot("stereo", hand(bond, bond.GetStereo(), "STEREONONE"), ("none", "E", "Z")),
    }


WITNESS = {DUVENAUD: (duvenaud_atom, duvenaud_bond), DMPNN: (dmpnn_atom, dmpnn_bond)}


def assert_as_witnessed(featurizer, smiles):
    of_atom, of_bond = WITNESS[featurizer]
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles.strip())
    graph = featurizer(smiles)
    nodes = [[of_atom(a).get(name, 0.0) for name in featurizer.node_names] for a in molecule.GetAtoms()]
    np.testing.assert_array_equal(graph.nodes, nodes, err_msg=smiles)
    found = {(s, r): row for s, r, row in zip(graph.senders, graph.receivers, graph.edges.tolist(), strict=True)}
    wanted = {}
    for bond in molecule.GetBonds():
        row = [of_bond(bond).get(name, 0.0) for name in featurizer.edge_names]
        ends = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        wanted |= {ends: row, ends[::-1]: row}
    assert found == wanted, smiles
    assert graph.edges.shape == (2 * molecule.GetNumBonds(), featurizer.n_edge_features)


@both_papers
@specials
def test_every_column_is_what_rdkit_says(featurizer, smiles):
    assert_as_witnessed(featurizer, smiles)


@both_papers
def test_every_column_is_what_rdkit_says_of_real_molecules(featurizer, sample):
    for smiles in sample:
        assert_as_witnessed(featurizer, smiles)


def test_the_widths_are_those_of_the_papers():
    assert (DUVENAUD.n_node_features, DUVENAUD.n_edge_features) == (62, 6)
    # 133 and 14 in the authors' code: a second column for other handedness, one for no bond, three more for stereo
    assert (DMPNN.n_node_features, DMPNN.n_edge_features) == (132, 11)
    for featurizer in (DUVENAUD, DMPNN):
        assert len(set(featurizer.node_names)) == featurizer.n_node_features
        assert len(set(featurizer.edge_names)) == featurizer.n_edge_features


# ---- real tables -----------------------------------------------------------------------------------------------------


def block(featurizer, rows, name, part="node"):
    """Return the columns of one block."""
    names = featurizer.node_names if part == "node" else featurizer.edge_names
    return rows[:, [i for i, column in enumerate(names) if column.startswith(name)]]


def counts(graph):
    """Return what the reference file says of a molecule, out of the features of D-MPNN."""
    kinds = block(DMPNN, graph.edges, "bond", "edge").sum(axis=0) / 2
    pieces = scipy.sparse.csgraph.connected_components(graph.adjacency)[0]
    return {
        "heavy_atoms": graph.n_nodes,
        "bonds": graph.n_edges / 2,
        "aromatic_atoms": block(DMPNN, graph.nodes, "aromatic").sum(),
        "aromatic_bonds": kinds[3],
        "double_bonds": kinds[1],
        "triple_bonds": kinds[2],
        "total_h": (block(DMPNN, graph.nodes, "hydrogens") @ np.arange(6)).sum(),
        "net_charge": (block(DMPNN, graph.nodes, "charge")[:, :5] @ np.arange(-2, 3)).sum(),
        "components": pieces,
    }


def test_counts_of_every_esol_molecule(esol):
    with real_file("derived/esol_rdkit_counts.csv").open(encoding="utf-8", newline="") as file:
        wanted = list(csv.DictReader(file))
    for graph, row in zip(chem.from_smiles(esol, DMPNN).graphs, wanted, strict=True):
        assert counts(graph) == {name: int(row[name]) for name in counts(graph)}, row["row"]
        degrees = np.sort(np.bincount(graph.receivers, minlength=graph.n_nodes))
        assert degrees.tolist() == [int(d) for d in row["degree_sequence"].split()], row["row"]


def test_duplicates_and_scaffolds_of_esol_are_those_of_the_reference_split(esol):
    """Groups of one scaffold, the largest first and of equals the one whose first row comes first, go to train while
    it has at most int(0.8 n) rows, then to val while it has at most int(0.1 n), else to test.
    """
    groups = chem.duplicates(esol)
    assert len(np.unique(groups)) == 1117
    splits = json.loads(real_file("derived/esol_splits.json").read_text(encoding="utf-8"))
    for split in splits["random"]:
        parts = [set(groups[rows]) for rows in split.values()]
        assert len(set.union(*parts)) == sum(map(len, parts)) == 1117

    rows_of = {}
    for row, smiles in enumerate(esol):
        rows_of.setdefault(chem.scaffold(smiles), []).append(row)
    parts, room = {"train": [], "val": [], "test": []}, {"train": 902, "val": 112, "test": 1128}
    for rows in sorted(rows_of.values(), key=lambda rows: (-len(rows), rows[0])):
        next(part for name, part in parts.items() if len(part) + len(rows) <= room[name]).extend(rows)
    assert {name: sorted(part) for name, part in parts.items()} == splits["scaffold"]


# ---- the same molecule, however it is written ------------------------------------------------------------------------


def assert_same_under(graph, other, order):
    """Assert that node i of `other` is node order[i] of `graph`, with all its bonds."""
    np.testing.assert_array_equal(other.nodes, graph.nodes[order])
    bonds = {(s, r): row for s, r, row in zip(graph.senders, graph.receivers, graph.edges.tolist(), strict=True)}
    ends = zip(order[other.senders], order[other.receivers], other.edges.tolist(), strict=True)
    assert {(s, r): row for s, r, row in ends} == bonds


@both_papers
def test_writing_a_molecule_in_another_order_only_reorders_its_nodes(featurizer, sample):
    marked = [smiles for smiles in sample if "@" in smiles or "/" in smiles]
    for seed, smiles in enumerate([*SPECIAL.values(), *sample[::3], *marked]):
        molecule = Chem.MolFromSmiles(chem.canonical(smiles))
        written = Chem.MolToRandomSmilesVect(molecule, 1, randomSeed=seed + 1)[0]
        order = Chem.MolFromSmiles(written).GetSubstructMatch(molecule, useChirality=True)
        assert len(order) == molecule.GetNumAtoms(), (smiles, written)
        assert_same_under(featurizer(written), featurizer(chem.canonical(smiles)), np.array(order))


@both_papers
@pytest.mark.parametrize(
    "one, other",
    [("C1=CC=CC=C1", "c1ccccc1"), ("C1=CNC=C1", "c1c[nH]cc1"), ("CCO  ", "CCO"), ("C%12CCC%12", "C1CCC1")],
    ids=["kekule", "kekule_pyrrole", "blanks", "ring_numbers"],
)
def test_two_writings_of_one_molecule_give_one_graph(featurizer, one, other):
    ours, theirs = featurizer(one), featurizer(other)
    np.testing.assert_array_equal(np.sort(ours.nodes, axis=0), np.sort(theirs.nodes, axis=0))
    np.testing.assert_array_equal(np.sort(ours.edges, axis=0), np.sort(theirs.edges, axis=0))


def named(featurizer, smiles, node):
    """Return the names of the columns in which a node is not 0."""
    row = featurizer(smiles).nodes[node]
    return {name for name, value in zip(featurizer.node_names, row, strict=True) if value}


def test_handedness_does_not_turn_with_the_order_of_the_atoms():
    writings = {"C[C@H](N)O": 1, "O[C@H](C)N": 1, "[C@H](C)(O)N": 0, "N[C@H](O)C": 1, "N[C@@H](C)O": 1}
    marks = {str(Chem.MolFromSmiles(text).GetAtomWithIdx(centre).GetChiralTag()) for text, centre in writings.items()}
    assert len(marks) == 2  # RDKit's own would not do
    for text, centre in writings.items():
        assert "handedness R" in named(DMPNN, text, centre), text
    assert "handedness S" in named(DMPNN, "C[C@@H](N)O", 1)


@pytest.mark.parametrize(
    "one, other, part",
    [
        ("C[C@H](N)O", "C[C@@H](N)O", "nodes"),
        ("C/C=C/Cl", "C/C=C\\Cl", "edges"),
        ("C1CC[C@H]2CCCC[C@@H]2C1", "C1CC[C@H]2CCCC[C@H]2C1", "nodes"),  # cis- and trans-decalin
    ],
)
def test_both_hands_differ_in_dmpnn_and_not_in_duvenaud(one, other, part):
    ours, theirs = getattr(DMPNN(one), part), getattr(DMPNN(other), part)
    assert not np.array_equal(np.sort(ours, axis=0), np.sort(theirs, axis=0))
    for name in ("nodes", "edges"):
        np.testing.assert_array_equal(getattr(DUVENAUD(one), name), getattr(DUVENAUD(other), name))


def test_brackets_show_in_the_implicit_valence_alone():
    assert named(DUVENAUD, "C", 0) ^ named(DUVENAUD, "[CH4]", 0) == {"implicit valence 4", "implicit valence 0"}
    assert named(DMPNN, "C", 0) == named(DMPNN, "[CH4]", 0)


# ---- hydrogens, salts, single atoms ----------------------------------------------------------------------------------


@pytest.mark.parametrize("features", [chem.DuvenaudFeatures, chem.DMPNNFeatures])
def test_hydrogens_become_nodes_when_asked(features):
    methane = features(hydrogens=True)("C")
    assert (methane.n_nodes, methane.n_edges) == (5, 8)
    assert "hydrogens 0" in named(features(hydrogens=True), "C", 0)
    assert features()("[2H]C").n_nodes == 2  # deuterium is a node in any case
    assert features(hydrogens=True)("[2H]C").n_nodes == 5


@both_papers
def test_a_single_atom_has_edge_features_of_no_rows(featurizer):
    methane = featurizer("C")
    assert methane.nodes.shape == (1, featurizer.n_node_features)
    assert methane.edges.shape == (0, featurizer.n_edge_features)
    batch = gn.pack(chem.from_smiles(["CC", "C", "[Na+].[Cl-]"], featurizer).graphs)
    assert (batch.n_graphs, batch.n_nodes, batch.n_edges) == (3, 5, 2)


@pytest.mark.parametrize("features", [chem.DuvenaudFeatures, chem.DMPNNFeatures])
@pytest.mark.parametrize(
    "salt, piece",
    [
        ("[Na+].CC(=O)[O-]", "CC(=O)[O-]"),
        ("CN.O.CN", "CN"),
        ("CCO.CCN", "CCO"),  # of as many heavy atoms the heavier
        ("CCC.[Cl-]", "CCC"),
    ],
)
def test_a_salt_is_kept_whole_or_as_its_largest_piece(features, salt, piece):
    for written in (salt, ".".join(reversed(salt.split(".")))):
        assert features()(written).n_nodes == sum(features()(part).n_nodes for part in salt.split("."))
        kept, wanted = features(salts="largest")(written), features()(piece)
        np.testing.assert_array_equal(kept.nodes, wanted.nodes)
        np.testing.assert_array_equal(kept.edges, wanted.edges)


def test_a_featurizer_is_its_plain_values():
    for featurizer in (DUVENAUD, DMPNN, chem.DMPNNFeatures(hydrogens=True, salts="largest")):
        text = json.dumps(dataclasses.asdict(featurizer))
        assert type(featurizer)(**json.loads(text)) == featurizer
    assert chem.DMPNNFeatures() != chem.DMPNNFeatures(hydrogens=True)
    with pytest.raises(ValueError, match=r'DMPNNFeatures: salts must be "keep" or "largest", got .big.'):
        chem.DMPNNFeatures(salts="big")
    with pytest.raises(TypeError, match="DuvenaudFeatures: hydrogens must be True or False, got 'no'"):
        chem.DuvenaudFeatures(hydrogens="no")


# ---- what is no molecule ---------------------------------------------------------------------------------------------

newer = pytest.mark.skipif(not hasattr(rdBase, "CaptureErrorLog"), reason="this RDKit tells its reasons its log alone")
NONE = {
    "empty": ("", "SMILES '': it is empty"),
    "blank": ("  ", "SMILES '': it is empty"),
    "two_words": (
        "CC O",
        "SMILES 'CC O': it holds a blank or a control character; keep names in a column of their own",
    ),
    "null": ("C\0C", r"SMILES 'C\x00C': it holds a blank or a control character; keep names in a column of their own"),
    "wildcard": ("C*", "SMILES 'C*': an atom * stands for no element; give the whole molecule"),
    "numbered_wildcard": ("[#0]C", "SMILES '[#0]C': an atom * stands for no element; give the whole molecule"),
    "any_bond": ("C~C", "SMILES 'C~C': a bond ~ is of no kind; name it"),
    "ring": pytest.param("C1CC", "SMILES 'C1CC': unclosed ring", marks=newer),
    "word": pytest.param("hello", "SMILES 'hello': syntax error; check for mistakes around position 1", marks=newer),
    "parenthesis": pytest.param(
        "CC(=O)O)", "SMILES 'CC(=O)O)': extra close parentheses; check for mistakes around position 8", marks=newer
    ),
    "valence": pytest.param(
        "CN(C)(C)C", "SMILES 'CN(C)(C)C': Explicit valence for atom # 1 N, 4, is greater than permitted", marks=newer
    ),
    "aromatic": pytest.param(
        "c1cccc1", "SMILES 'c1cccc1': Can't kekulize mol.  Unkekulized atoms: 0 1 2 3 4", marks=newer
    ),
    "element": pytest.param("[#120]", "SMILES '[#120]': Pre-condition Violation; Atomic number not found", marks=newer),
}


@pytest.mark.parametrize("smiles, message", NONE.values(), ids=NONE)
def test_what_is_no_molecule_is_refused_with_a_reason(smiles, message):
    for function in (DUVENAUD, DMPNN, chem.canonical, chem.scaffold):
        with pytest.raises(ValueError) as error:
            function(smiles)
        assert str(error.value) == message


def test_what_is_no_text_is_refused():
    for value in (None, float("nan"), b"CC", 7):
        with pytest.raises(TypeError, match=f"a SMILES is text, got {type(value).__name__}: "):
            DUVENAUD(value)


def test_handedness_that_rdkit_cannot_name_is_refused(monkeypatch):
    monkeypatch.setattr(chem.features, "CIP_EFFORT", 1)
    with pytest.raises(
        ValueError, match=r"SMILES 'C\[C@H\]\(N\)O': its handedness cannot be named, Max Iter.*without @"
    ):
        DMPNN("C[C@H](N)O")
    assert DMPNN("CC(N)O").n_nodes == 4  # nothing to name


def test_rdkit_is_silent_and_its_log_is_left_as_it_was(capfd):
    before = rdBase.LogStatus()
    for smiles in ("C1CC", "c1cccc1", "[H]", "[Fe]", "C[C@@](C)(C)C", "CC"):
        chem.from_smiles([smiles], DMPNN, on_error="skip")
    chem.descriptors(["[Fe+2].[Cl-].[Cl-]", "[H]", "B"])
    chem.morgan(["CC", "[H]"])
    chem.duplicates(["CC", "[H]"])
    assert capfd.readouterr() == ("", "")
    assert rdBase.LogStatus() == before
    Chem.MolFromSmiles("C1CC")
    assert "unclosed ring" in capfd.readouterr().err


# ---- a column of a table ---------------------------------------------------------------------------------------------

BAD = ["C", "", "CC O", None, "CC"]


def test_one_error_names_all_rows_that_fail():
    with pytest.raises(ValueError) as error:
        chem.from_smiles(BAD)
    assert str(error.value) == (
        "from_smiles: 3 of 5 rows (counted from 0) hold no molecule that can be used: row 1 '' (it is empty), "
        "row 2 'CC O' (it holds a blank or a control character; keep names in a column of their own), "
        "row 3 None (it is no text but NoneType); "
        'mend them or leave them out (from_smiles does with on_error="skip")'
    )
    with pytest.raises(ValueError, match=r"12 of 12 rows .* row 7 '' \(it is empty\) and 4 more; mend"):
        chem.from_smiles([""] * 12)
    for function in (chem.duplicates, chem.descriptors, chem.morgan):
        with pytest.raises(ValueError, match=rf"{function.__name__}: 3 of 5 rows .* row 1 '' \(it is empty\), row 2"):
            function(BAD)


def test_rows_that_fail_are_left_out_only_when_asked():
    molecules = chem.from_smiles(BAD, on_error="skip")
    assert [graph.n_nodes for graph in molecules.graphs] == [1, 2]
    assert molecules.rows.tolist() == [0, 4]
    assert [failure[:2] for failure in molecules.failures] == [(1, ""), (2, "CC O"), (3, None)]
    assert repr(molecules) == "Molecules(2 graphs, 3 rows without)"
    nothing = chem.from_smiles([], on_error="skip")
    assert nothing[0] == nothing[2] == []
    assert nothing.rows.dtype == np.intp  # indexes targets, empty or not


def test_quotes_in_a_text_do_not_spoil_its_reason():
    for text in ("C'C *", 'C"C *', "C'\"C *", "': *"):
        (failure,) = chem.from_smiles([text], on_error="skip").failures
        assert failure == (0, text, "it holds a blank or a control character; keep names in a column of their own")


@pytest.mark.parametrize(
    "smiles, settings, kind, message",
    [
        (
            "CCO",
            {},
            TypeError,
            "from_smiles: expected a list of SMILES, got 'CCO'; for one molecule give a list of one",
        ),
        (5, {}, TypeError, "from_smiles: expected a list of SMILES, got 5"),
        (["C"], {"on_error": "warn"}, ValueError, 'from_smiles: on_error must be "raise" or "skip", got .warn.'),
        (["C"], {"featurizer": "dmpnn"}, TypeError, "from_smiles: the featurizer is a str; give e.g. Duvenaud"),
    ],
)
def test_what_from_smiles_refuses(smiles, settings, kind, message):
    with pytest.raises(kind, match=message):
        chem.from_smiles(smiles, **settings)


def test_a_featurizer_may_be_any_function_and_its_mistakes_are_not_swallowed():
    def by_length(smiles):
        return gn.Graph(np.full((len(smiles) // (smiles != "N"), 1), 1.0))

    assert [graph.n_nodes for graph in chem.from_smiles(np.array(["CC", "OCC"]), by_length).graphs] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        chem.from_smiles(["C", "N"], by_length, on_error="skip")


def test_progress_is_told_only_when_asked(capfd, monkeypatch):
    pytest.importorskip("tqdm")
    chem.from_smiles(["C", "CC"])
    assert capfd.readouterr() == ("", "")
    assert len(chem.from_smiles(["C", "CC"], progress=True).graphs) == 2
    assert "2/2" in capfd.readouterr().err
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match=r'progress=True needs tqdm: pip install "graphnn\[progress\]"'):
        chem.from_smiles(["C"], progress=True)


def test_without_rdkit_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "rdkit", None)
    for call in (DUVENAUD, chem.canonical, chem.scaffold):
        with pytest.raises(ImportError, match=r'Reading molecules needs RDKit: pip install "graphnn\[chem\]"'):
            call("C")
    for call in (chem.from_smiles, chem.duplicates, chem.descriptors, chem.morgan):
        with pytest.raises(ImportError, match=r'Reading molecules needs RDKit: pip install "graphnn\[chem\]"'):
            call(["C"])


# ---- identity, scaffold, descriptors, fingerprints -------------------------------------------------------------------


def test_duplicates_are_numbered_as_they_come():
    smiles = ["OCC", "[13CH4]", "C", "CCO", "C[C@H](N)O", "C[C@@H](N)O", "N[C@@H](C)O", "[CH4]"]
    assert chem.duplicates(smiles).tolist() == [0, 1, 2, 0, 3, 4, 3, 2]
    assert chem.duplicates([]).shape == (0,)


@pytest.mark.parametrize(
    "smiles, framework",
    [
        ("CCCC(C)C", ""),
        ("CC(C)c1ccc(O)cc1", "c1ccccc1"),
        ("O=C(Cc1ccccc1)NC1CCCC1", "O=C(Cc1ccccc1)NC1CCCC1"),  # RDKit keeps the =O on what joins two rings
        ("C1CC[C@H]2CCCC[C@@H]2C1", "C1CCC2CCCCC2C1"),
        ("Cc1ccccc1.[Na+]", "c1ccccc1"),
    ],
)
def test_the_scaffold_is_rings_and_what_joins_them(smiles, framework):
    assert chem.scaffold(smiles) == framework


def test_descriptors_are_rdkits():
    smiles = ["CC(=O)Oc1ccccc1C(=O)O", "C", "[Pt](Cl)(Cl)(N)N", "[H]"]
    rows, names = chem.descriptors(smiles)
    assert rows.shape == (4, len(names))
    assert rows.dtype == np.float64
    assert set(dict(Descriptors.descList)) - set(names) == {"Ipc", "AvgIpc"}
    for text, row in zip(smiles, rows, strict=True):
        with rdBase.BlockLogs():
            wanted = Descriptors.CalcMolDescriptors(Chem.MolFromSmiles(text), missingVal=np.inf, silent=True)
        assert dict(zip(names, row, strict=True)) == {n: wanted[n] if np.isfinite(wanted[n]) else 0 for n in names}
    alone, same = chem.descriptors(smiles[1:2])
    np.testing.assert_array_equal(alone[0], rows[1])
    assert same == names
    assert chem.descriptors([])[0].shape == (0, len(names))


def test_descriptors_of_a_long_chain_do_not_overflow():
    rows, names = chem.descriptors(["C" * 300])  # Ipc is 1e94
    assert rows[0, names.index("HeavyAtomCount")] == 300
    assert np.abs(rows).max() < 1e6


def test_fingerprints_fold_the_unfolded_ones(sample):
    smiles, size = sample[::20], 64
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=3)
    wanted = np.zeros((len(smiles), size))
    for row, text in zip(wanted, smiles, strict=True):
        unfolded = generator.GetSparseCountFingerprint(Chem.MolFromSmiles(text)).GetNonzeroElements()
        for number, count in unfolded.items():
            row[number % size] += count
    np.testing.assert_array_equal(chem.morgan(smiles, 3, size, counts=True), wanted)
    np.testing.assert_array_equal(chem.morgan(smiles, 3, size), wanted > 0)
    assert chem.morgan(["C"]).shape == (1, 2048)
    assert chem.morgan([]).shape == (0, 2048)
    np.testing.assert_array_equal(chem.morgan(["c1ccccc1O"]), chem.morgan(["OC1=CC=CC=C1"]))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"radius": -1}, "morgan: radius must be a whole number from 0 up, got -1"),
        ({"size": 0}, "morgan: size must be a whole number from 1 up, got 0"),
        ({"size": 64.0}, "morgan: size must be a whole number from 1 up, got 64.0"),
    ],
)
def test_what_morgan_refuses(settings, message):
    with pytest.raises(ValueError, match=message):
        chem.morgan(["C"], **settings)
