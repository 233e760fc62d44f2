"""SMILES, read strictly: one molecule or a column of a table; what a molecule is known by, and its scaffold.

What is no molecule is refused with RDKit's own reason: text that does not parse, impossible valences, nothing at all,
and atoms that stand for no element (`*`). RDKit's log is silent meanwhile and afterwards as it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

SHOWN = 8
"""How many failing rows an error lists."""


class Failure(NamedTuple):
    """A row of a table that holds no molecule: its number from 0, what stands there, and why it is none.

    >>> Failure(3, "C1CC", "unclosed ring")
    Failure(row=3, text='C1CC', reason='unclosed ring')
    """

    row: int
    text: Any
    reason: str


def rdkit() -> tuple[Any, Any]:
    """Return the modules rdkit.Chem and rdkit.rdBase, imported when the first molecule is read."""
    try:
        from rdkit import Chem, rdBase
    except ImportError:
        raise ImportError('Reading molecules needs RDKit: pip install "graphnn[chem]"') from None
    return Chem, rdBase


def molecule(smiles: str) -> Any:
    """Return the RDKit molecule of a SMILES; blanks around it do not count.

    Raises TypeError unless it is text, and ValueError naming the text and the reason.

    >>> import rdkit
    >>> molecule("CCO ").GetNumAtoms()
    3
    >>> molecule("C1CC")
    Traceback (most recent call last):
    ...
    ValueError: SMILES 'C1CC': unclosed ring
    """
    Chem, rdBase = rdkit()
    if not isinstance(smiles, str):
        raise TypeError(f"a SMILES is text, got {type(smiles).__name__}: {smiles!r}")
    text = smiles.strip()
    if not text:
        raise refusal(text, "it is empty")
    if " " in text or not text.isprintable():  # RDKit would read up to there and take the rest for a name
        raise refusal(text, "it holds a blank or a control character; keep names in a column of their own")
    with rdBase.BlockLogs():
        found = Chem.MolFromSmiles(text)
    if found is None:
        raise refusal(text, reason_of(text))
    if not found.GetNumAtoms():
        raise refusal(text, "it holds no atom")
    may_be_wild = "*" in text or "#" in text  # asking every atom takes time: * is also written [#0]
    if may_be_wild and any(atom.GetAtomicNum() == 0 for atom in found.GetAtoms()):
        raise refusal(text, "an atom * stands for no element; give the whole molecule")
    if "~" in text:  # RDKit fills the valences as if the bond were not there
        raise refusal(text, "a bond ~ is of no kind; name it")
    return found


def refusal(smiles: str, reason: str) -> ValueError:
    """Return the error for a text that is no molecule; `each_of` takes the two apart again."""
    return ValueError(f"SMILES {smiles.strip()!r}: {reason}")


def reason_of(text: str) -> str:
    """Return why RDKit cannot read a text: its own first words, without the time of day and the text again."""
    Chem, rdBase = rdkit()
    if not hasattr(rdBase, "CaptureErrorLog"):  # an older RDKit tells its log alone
        return "RDKit cannot read it as a molecule"
    with rdBase.CaptureErrorLog() as log:
        Chem.MolFromSmiles(text)
    lines = [re.sub(r"^\[[\d:]+\] (SMILES Parse Error: )?", "", line) for line in log.messages.splitlines()]
    words = [re.sub(r" (for input|while parsing): .*$", "", line).strip(" :") for line in lines]
    said = list(dict.fromkeys(line for line in words if line.strip("*")))
    return "; ".join(said[:2]) or "RDKit cannot read it as a molecule"


# ---- a column of a table ---------------------------------------------------------------------------------------------


def each_of(
    smiles: Sequence[str],
    function: Callable[[str], Any],
    who: str,
    *,
    on_error: str = "raise",
    progress: bool = False,
) -> tuple[list[Any], list[int], list[Failure]]:
    """Return what a function gives for every row, the numbers of those rows, and the rows where it raised ValueError.

    on_error: "raise" raises ONE ValueError that lists the first failing rows; "skip" leaves them out

    >>> each_of(["1", "one", "2"], int, "int", on_error="skip")[:2]
    ([1, 2], [0, 2])
    """
    if on_error not in ("raise", "skip"):
        raise ValueError(f'{who}: on_error must be "raise" or "skip", got {on_error!r}')
    if isinstance(smiles, str) or not isinstance(smiles, Iterable):
        raise TypeError(f"{who}: expected a list of SMILES, got {smiles!r}; for one molecule give a list of one")
    column = list(smiles)
    results, rows, failures = [], [], []
    for row, text in enumerate(_told(column, who) if progress else column):
        if not isinstance(text, str):
            failures.append(Failure(row, text, f"it is no text but {type(text).__name__}"))
            continue
        try:
            results.append(function(text))
            rows.append(row)
        except ValueError as error:
            failures.append(Failure(row, text, str(error).removeprefix(str(refusal(text, "")))))
    if failures and on_error == "raise":
        raise ValueError(f"{who}: {_listing(failures, len(column))}")
    return results, rows, failures


def _listing(failures: Sequence[Failure], n_rows: int) -> str:
    listed = ", ".join(f"row {row} {text!r} ({reason})" for row, text, reason in failures[:SHOWN])
    more = f" and {len(failures) - SHOWN} more" if len(failures) > SHOWN else ""
    return (
        f"{len(failures)} of {n_rows} rows (counted from 0) hold no molecule that can be used: {listed}{more}; "
        'mend them or leave them out (from_smiles does with on_error="skip")'
    )


def _told(column: list, who: str) -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError('progress=True needs tqdm: pip install "graphnn[progress]"') from None
    return tqdm(column, desc=who, unit="molecule")


# ---- what a molecule is known by -------------------------------------------------------------------------------------


def canonical(smiles: str) -> str:
    """Return the canonical SMILES of RDKit: the same text however the molecule was written.

    Isotopes, charges and marked handedness are part of it; tautomers and salts are other molecules. It may change
    with RDKit's version: compare texts made by one.

    >>> import rdkit
    >>> canonical("OCC") == canonical("C(C)O")
    True
    """
    Chem, _ = rdkit()
    return Chem.MolToSmiles(molecule(smiles))


def duplicates(smiles: Sequence[str]) -> np.ndarray:
    """Return the group of every row, (n,) integers: rows of one molecule (`canonical`) have one number.

    Groups are numbered from 0 in the order in which they first come. Raises one ValueError for all rows that are no
    molecule.

    >>> import rdkit
    >>> duplicates(["CCO", "c1ccccc1", "OCC", "C1=CC=CC=C1"])
    array([0, 1, 0, 1])
    """
    names, _, _ = each_of(smiles, canonical, "duplicates")
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], np.intp)


def scaffold(smiles: str) -> str:
    """Return the Bemis-Murcko scaffold as SMILES: all rings and what joins them, "" for a molecule without a ring.

    Bemis & Murcko, J. Med. Chem. 39 (1996) 2887. As RDKit has it: atoms double-bonded to the scaffold stay, and
    handedness is left out.

    >>> import rdkit
    >>> scaffold("CC(C)c1ccc(O)cc1"), scaffold("CCO")
    ('c1ccccc1', '')
    """
    _, rdBase = rdkit()
    from rdkit.Chem.Scaffolds import MurckoScaffold

    found = molecule(smiles)
    with rdBase.BlockLogs():
        return MurckoScaffold.MurckoScaffoldSmiles(mol=found, includeChirality=False)
