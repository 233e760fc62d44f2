"""Which rows are learned from, which choose the moment to stop, which are kept for the test.

A split is three arrays of row numbers. It can be drawn at random, in folds or by scaffold, read from a column of the
table or from a file, and checked. What belongs together, such as the duplicates of a molecule, stays together.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from graphnn.checks import listing, nearest

PARTS = ("train", "validation", "test")
WORDS = dict(zip(PARTS, PARTS, strict=True)) | {
    "training": "train", "val": "validation", "valid": "validation", "testing": "test"
}  # fmt: skip


class Split(NamedTuple):
    """Row numbers from 0 for training, validation and test: sorted, and no row in two parts.

    >>> Split(np.arange(8), np.array([8]), np.array([9]))
    Split(train=8, validation=1, test=1)
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def __repr__(self) -> str:
        return f"Split(train={len(self.train)}, validation={len(self.validation)}, test={len(self.test)})"


def random(
    n: int,
    *,
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    groups: ArrayLike | None = None,
    labels: ArrayLike | None = None,
) -> Split:
    """Return n rows split at random: floor(0.8 n) to train, up to floor(0.9 n) validation, the rest test.

    groups: (n,) rows of the same group stay on one side. The fractions are then of the groups, as in scikit-learn's
        GroupShuffleSplit; where groups are small, as duplicates are, that is about the same.
    labels: (n,) classes; every part gets about its share of each, a class of very few rows perhaps none. With groups,
        a group counts as the label of its first row.

    The order is `numpy.random.default_rng(seed).permutation` over the rows, or over the sorted groups. Raises
    ValueError for fractions that do not add up to 1, and where a part with a share would stay empty.

    >>> random(10, seed=1).test
    array([3])
    >>> random(4, fractions=(0.5, 0, 0.5), groups=["b", "a", "b", "a"]).train
    array([1, 3])
    """
    shares = _checked_fractions("random", fractions)
    units, members = _units("random", n, groups)
    order = np.random.default_rng(seed).permutation(members)
    if labels is not None:
        order = _interleaved(order, _labels_of_units("random", labels, units))
    kind = "rows" if groups is None else "groups"
    return _split_of_units(units, _cut(order, shares, f"random: {members} {kind}"))


def folds(
    n: int,
    k: int,
    *,
    validation: float = 0.1,
    seed: int = 0,
    groups: ArrayLike | None = None,
    labels: ArrayLike | None = None,
) -> list[Split]:
    """Return k splits of n rows for cross-validation: every row is in the test part of exactly one.

    The test parts differ by at most one row. `validation` is the share of the other rows that is taken from training,
    at random, 0 for none. groups and labels are those of `random`: with labels each class is dealt to the folds as
    evenly as can be; with groups alone the test parts differ by at most the rows of the largest group.

    >>> [fold.test.tolist() for fold in folds(5, 2, validation=0.0)]
    [[1, 2, 3], [0, 4]]
    >>> folds(100, 5)[0]
    Split(train=72, validation=8, test=20)
    """
    if not 0 <= validation < 1:
        raise ValueError(f"folds: validation is a share of the rows, at least 0 and below 1, got {validation}")
    units, members = _units("folds", n, groups)
    if not _is_whole(k) or not 2 <= k <= members:
        kind = "rows" if groups is None else "groups"
        raise ValueError(f"folds: k must be a whole number from 2 to {members} (there are {members} {kind}), got {k!r}")
    rng = np.random.default_rng(seed)
    order = rng.permutation(members)
    classes = np.zeros(members, np.intp) if labels is None else _labels_of_units("folds", labels, units)
    # Dealt like cards, class by class and in each the largest group first, so that no fold gets ahead of another.
    dealt = order[np.lexsort((-np.bincount(units)[order], classes[order]))]
    splits = []
    for i in range(k):
        rest = _interleaved(rng.permutation(np.delete(dealt, np.s_[i::k])), classes)
        shares = (1 - validation, validation, 0.0)
        train, held, _ = _cut(rest, shares, f"folds: {len(rest)} rows or groups beside one fold")
        splits.append(_split_of_units(units, (train, held, dealt[i::k])))
    return splits


def scaffold(scaffolds: Sequence[str], *, fractions: Sequence[float] = (0.8, 0.1, 0.1)) -> Split:
    """Return a split in which no scaffold is on two sides: the test is on chemistry that training has not seen.

    scaffolds: the scaffold of every row, such as the SMILES of Bemis & Murcko, J. Med. Chem. 39 (1996) 2887; molecules
        without a ring have "" and are one group.

    The largest group is the first of train; of equal ones that with the earlier row counts as larger. Each further
    group goes to train while it fits into its fraction of the rows, else to validation while it fits there, else to
    test: frequent scaffolds are learned, rare ones tested (the idea of MoleculeNet, Wu et al., Chem. Sci. 2018).
    Nothing is random; to have scaffolds in random order say `random(n, groups=scaffolds)`.

    >>> scaffold(["", "c1ccccc1", "", "", "", "C1CC1"], fractions=(0.7, 0.2, 0.1)).test
    array([5])
    """
    shares = _checked_fractions("scaffold", fractions)
    groups: dict[str, list[int]] = {}
    for row, value in enumerate(scaffolds):
        if not isinstance(value, str):
            raise TypeError(f'scaffold: row {row} has {value!r}, wanted a SMILES, "" for a molecule without a ring')
        groups.setdefault(value, []).append(row)
    n = len(scaffolds)
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    for rows in sorted(groups.values(), key=len, reverse=True):  # equal ones keep their order
        fits = [len(part) + len(rows) <= _floor(share * n) for part, share in zip(parts, shares, strict=True)]
        parts[0 if fits[0] or not parts[0] else 1 if fits[1] else 2].extend(rows)
    largest = max(map(len, groups.values()), default=0)
    _refuse_empty(parts, shares, f"scaffold: {n} rows with {len(groups)} scaffolds, {largest} of one,")
    return Split(*(np.array(sorted(part), np.intp) for part in parts))


def from_column(values: Sequence[str]) -> Split:
    """Return the split that a column of the table spells out: the words train, validation and test.

    Also training, val, valid and testing, in upper or lower case. Raises ValueError for any other word or a blank,
    naming the rows.

    >>> from_column(["train", "Test", "train", "valid"]).train
    array([0, 2])
    """
    parts = [WORDS.get(str(value).strip().lower(), "") for value in values]
    odd = [f"{row} ({value!r})" for row, (value, part) in enumerate(zip(values, parts, strict=True)) if not part]
    if odd:
        raise ValueError(
            f"from_column: every row must say train, validation or test; not so in rows {_few(odd)}, counted from 0"
        )
    array = np.array(parts, str)
    split = Split(*(np.flatnonzero(array == name) for name in PARTS))
    _check_parts("from_column", split)
    return split


def read(path: str | Path, name: str | None = None) -> list[tuple[str, Split]]:
    """Return the splits of a JSON file, each with its name.

    A split is {"train": [rows], "validation": [rows], "test": [rows]} with row numbers from 0; validation may be
    missing, and the words of `from_column` do as well. The file holds one split, a list of them, or names with splits
    or lists of them: {"random": [split, split], "scaffold": split} has "random/0", "random/1" and "scaffold". A split
    alone is named after the file. What is no split, such as a remark, is passed over.

    name: only this one, or all below it ("random"); "file.json:random" says the same. Raises KeyError where there is
    none, ValueError for a file that is no JSON or has no split, and for rows that are in two parts.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(Path(folder, "splits.json"), [("random/0", random(10)), ("random/1", random(10, seed=1))])
    ...     read(f"{folder}/splits.json:random/1")
    [('random/1', Split(train=8, validation=1, test=1))]
    """
    before, mark, after = str(path).rpartition(".json:")
    if mark and name is None:
        path, name = f"{before}.json", after
    path = Path(path)
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not a JSON file of splits ({error})") from error
    found = list(_splits_in(content, "", path))
    if not found:
        raise ValueError(f'{path}: no split in it; wanted {{"train": [rows], "validation": [rows], "test": [rows]}}')
    if name is None:
        return found
    picked = [(own, split) for own, split in found if own == name or own.startswith(f"{name}/")]
    if not picked:
        known = dict.fromkeys(part for own, _ in found for part in (own.partition("/")[0], own))
        hint = nearest(name, known) or f"; there is {listing(list(known))}"
        raise KeyError(f"{path}: no split {name!r}{hint}")
    return picked


def to_json(splits: Sequence[tuple[str, Split]]) -> str:
    """Return splits with their names as JSON, one a line, for `read` to read.

    >>> print(to_json([("mine", Split(np.array([0, 2]), np.array([], int), np.array([1])))]), end="")
    {
    "mine": {"train": [0, 2], "validation": [], "test": [1]}
    }
    """
    lines: dict[str, str] = {}
    for pair in splits:
        if not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(pair[1], Split):
            raise TypeError('to_json: wanted pairs of a name and a Split, such as [("random/0", split)]')
        name, split = pair
        if name in lines:
            raise ValueError(f"to_json: two splits are called {name!r}; give each a name of its own")
        rows = {part: np.asarray(own).tolist() for part, own in split._asdict().items()}
        lines[name] = f"{json.dumps(name)}: {json.dumps(rows)}"
    return "{\n" + ",\n".join(lines.values()) + "\n}\n"


def write(path: str | Path, splits: Sequence[tuple[str, Split]]) -> None:
    """Write `to_json(splits)` into a file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/mine.json", [("mine", random(10))])
    ...     read(f"{folder}/mine.json")
    [('mine', Split(train=8, validation=1, test=1))]
    """
    Path(path).write_text(to_json(splits), encoding="utf-8", newline="\n")


def check(split: Split, n: int, groups: ArrayLike | None = None) -> None:
    """Raise ValueError unless the split fits a table of n rows, naming the rows that do not.

    Refused: rows beyond the table, in two parts or twice in one, an empty train or test, and with `groups` (n,), such
    as canonical SMILES, rows of one group on two sides. A split need not use every row.

    >>> check(Split(np.array([0, 1]), np.array([], int), np.array([2])), 3, groups=["C", "CC", "C"])
    Traceback (most recent call last):
    ...
    ValueError: split: rows 0 (train) and 2 (test) are of one group, 'C'; keep duplicates on one side
    """
    if not isinstance(split, Split):
        raise TypeError(f"check: expected a Split, got {type(split).__name__}: Split(train, validation, test)")
    _check_parts("split", split)
    split = Split(*map(np.asarray, split))
    for name, rows in split._asdict().items():
        outside = rows[(rows < 0) | (rows >= n)]
        if outside.size:
            raise ValueError(
                f"split: {name} has row {_few(outside)}, but there are {n} (0..{n - 1}); is it of another table?"
            )
    if groups is None:
        return
    units, _ = _units("check", n, groups)
    first: dict[int, tuple[int, str]] = {}
    torn = []
    for name, rows in split._asdict().items():
        for row in rows.tolist():
            other, side = first.setdefault(units[row], (row, name))
            if side != name:
                torn.append(f"{other} ({side}) and {row} ({name}) are of one group, {np.asarray(groups)[row].item()!r}")
    if torn:
        raise ValueError(f"split: rows {_few(torn, 1)}; keep duplicates on one side")


# ---- what they share -------------------------------------------------------------------------------------------------


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _few(words: Any, most: int = 5) -> str:
    shown = ", ".join(map(str, words[:most]))
    return shown if len(words) <= most else f"{shown}, and {len(words) - most} more"


def _floor(x: float) -> int:
    return math.floor(x + 1e-9)  # 0.7 + 0.1 of ten rows are eight


def _checked_fractions(who: str, fractions: Sequence[float]) -> tuple[float, float, float]:
    shares = tuple(float(share) for share in fractions)
    if len(shares) != 3 or not all(0 <= share <= 1 for share in shares) or abs(sum(shares) - 1) > 1e-6:
        raise ValueError(
            f"{who}: fractions are the shares of train, validation and test, three numbers that add up to 1, "
            f"got {tuple(fractions)}"
        )
    return shares


def _cut(order: np.ndarray, shares: Sequence[float], who: str) -> list[np.ndarray]:
    first, second = _floor(shares[0] * len(order)), _floor((shares[0] + shares[1]) * len(order))
    parts = [order[:first], order[first:second], order[second:]]
    _refuse_empty(parts, shares, who)
    return parts


def _refuse_empty(parts: Sequence[Any], shares: Sequence[float], who: str) -> None:
    """Refuse a part that got nothing although it has a share."""
    for name, part, share in zip(PARTS, parts, shares, strict=True):
        if share > 0 and not len(part):
            raise ValueError(
                f"{who} are too few for shares of {', '.join(f'{s:g}' for s in shares)}: {name} would be empty; "
                "make its share larger, or 0 to do without"
            )


def _units(who: str, n: int, groups: ArrayLike | None) -> tuple[np.ndarray, int]:
    """Return for every row the number of its group among the sorted ones, or of itself, and how many there are."""
    if not _is_whole(n) or n < 1:
        raise ValueError(f"{who}: n is the number of rows, a whole number from 1, got {n!r}")
    if groups is None:
        return np.arange(n), int(n)
    units = _codes(who, "groups", groups, n)
    return units, int(units.max()) + 1


def _codes(who: str, what: str, values: ArrayLike, n: int) -> np.ndarray:
    """Return values as numbers 0, 1, ... in the order in which they sort."""
    array = np.asarray(values)
    if array.shape != (n,):
        raise ValueError(f"{who}: {what} must have one entry for each of {n} rows, got shape {array.shape}")
    if array.dtype == object:
        kind = type(array[0])
        odd = [row for row, value in enumerate(array) if type(value) is not kind or value is None]
    else:
        odd = np.flatnonzero(array != array).tolist()  # noqa: PLR0124 - nan alone differs from itself
    if odd:
        raise ValueError(
            f"{who}: row {odd[0]} of {what} is {array[odd[0]]!r}; every row needs one, all strings or all numbers"
        )
    return np.unique(array, return_inverse=True)[1]


def _labels_of_units(who: str, labels: ArrayLike, units: np.ndarray) -> np.ndarray:
    """Return the class of every unit, that of its first row."""
    codes = _codes(who, "labels", labels, len(units))
    classes = codes[np.unique(units, return_index=True)[1]]
    count = len(np.unique(classes))
    if count > 2 and 2 * count > len(classes):
        raise ValueError(
            f"{who}: labels has {count} different values for {len(classes)} rows or groups; "
            "give classes, or no labels for a regression"
        )
    return classes


def _interleaved(order: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return units in an order in which every stretch has about its share of each class.

    The r-th of the m units of a class stands at (r + 1/2) / m of the way.
    """
    own = classes[order]
    counts = np.bincount(own)
    by_class = np.argsort(own, kind="stable")
    rank = np.empty(len(order))
    rank[by_class] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[np.argsort((rank + 0.5) / counts[own], kind="stable")]


def _split_of_units(units: np.ndarray, parts: Sequence[np.ndarray]) -> Split:
    return Split(*(np.flatnonzero(np.isin(units, part)) for part in parts))


def _check_parts(who: str, split: Split) -> None:
    """Refuse parts that are no row numbers, repeat or share rows, and an empty train or test."""
    for name, rows in split._asdict().items():
        array = np.asarray(rows)
        if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
            remedy = "; for a mask pass np.flatnonzero(mask)" if array.dtype == bool else ""
            raise TypeError(f"{who}: {name} must be row numbers (n,), got shape {array.shape} of {array.dtype}{remedy}")
        if not array.size and name != "validation":
            raise ValueError(f"{who}: {name} is empty; it needs rows to {'learn from' if name == 'train' else 'test'}")
        values, counts = np.unique(array, return_counts=True)
        if (counts > 1).any():
            raise ValueError(f"{who}: {name} has more than once row {_few(values[counts > 1])}")
    for one, other in combinations(PARTS, 2):
        shared = np.intersect1d(getattr(split, one), getattr(split, other))
        if shared.size:
            raise ValueError(f"{who}: both {one} and {other} have row {_few(shared)}; a row belongs to one part")


def _splits_in(content: Any, name: str, path: Path) -> Iterator[tuple[str, Split]]:
    """Give every split in a piece of JSON, with its name."""
    if isinstance(content, list):
        content = {str(i): part for i, part in enumerate(content)}
    if not isinstance(content, dict):
        return
    lists = {key: rows for key, rows in content.items() if isinstance(rows, list)}
    if not any(key.lower() in WORDS for key in lists):
        for key, part in content.items():
            yield from _splits_in(part, f"{name}/{key}" if name else key, path)
        return
    name = name or path.stem
    parts: dict[str, np.ndarray] = {"validation": np.zeros(0, np.intp)}
    for key, rows in lists.items():
        part = WORDS.get(key.lower(), "")
        if not part or (part in parts and len(parts[part])):
            raise ValueError(f"{path}: split {name!r} has a list {key!r}; wanted one train, validation and test each")
        odd = [row for row in rows if not _is_whole(row) or not 0 <= row < 2**31]
        if odd:
            raise ValueError(f"{path}: split {name!r}: {key} has {_few(odd)}; wanted row numbers from 0")
        parts[part] = np.array(sorted(rows), np.intp)
    missing = [part for part in PARTS if part not in parts]
    if missing:
        raise ValueError(f"{path}: split {name!r} has no list {missing[0]!r}, only {listing(list(lists))}")
    split = Split(parts["train"], parts["validation"], parts["test"])
    _check_parts(f"{path}: split {name!r}", split)
    yield name, split
