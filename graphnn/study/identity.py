"""By what a row is known again: so that a prediction can say which rows the model was trained on."""

from __future__ import annotations

import hashlib

import numpy as np

from graphnn import chem
from graphnn.study.rows import MOLECULES, Rows


def identities(rows: Rows) -> np.ndarray:
    """Return a number for each row, 64 bits of a SHA-256: of the molecule, however it is written, else of its name.

    A molecule that cannot be read goes by its text.
    """
    names = rows.names
    if rows.kind == MOLECULES:
        names = [_canonical(text) for text in names]
    return np.array([int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") for name in names], np.uint64)


def _canonical(text: str) -> str:
    try:
        return chem.canonical(text)
    except ValueError:
        return text
