"""A table of one's own: CSV or TSV, as text, and from its columns what is to be predicted.

Nothing is guessed in silence. A file that is no table, a row too short, a word among numbers are refused, naming the
line; what a target was taken for is written on `Targets.task`, and can be said instead.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from graphnn.checks import listing, nearest
from graphnn.datasets.opening import read_text

BLANK = frozenset(("", "na", "n/a", "#n/a", "nan", "null", "none"))  # in lower case: no value is known
DELIMITERS = ",\t;"
MOST_CLASSES = 10
TASKS = ("regression", "classification", "multilabel")


@dataclass(frozen=True, repr=False)
class Table:
    """The columns of a file by name, as text without surrounding blanks, and the line of every row in the file.

    >>> table = Table("my.csv", {"smiles": ["C", "CC"], "y": ["1.5", "NA"]}, [2, 3])
    >>> table, table.numbers("y")
    (Table('my.csv', 2 rows, columns 'smiles', 'y'), array([1.5, nan]))
    """

    path: str
    columns: dict[str, list[str]]
    lines: list[int]

    @property
    def n_rows(self) -> int:
        return len(self.lines)

    def column(self, name: str) -> list[str]:
        """Return a column as text; KeyError names the most similar ones."""
        if name not in self.columns:
            hint = nearest(name, self.columns) or f"; there are {listing(list(self.columns))}"
            raise KeyError(f"{self.path} has no column {name!r}{hint}")
        return self.columns[name]

    def numbers(self, name: str) -> np.ndarray:
        """Return a column as float64, nan where it is blank, NA, nan, null or none; anything else is refused."""
        column = self.column(name)
        values = np.array([_number(text) for text in column], float)
        odd = np.flatnonzero(np.isinf(values))
        if odd.size:
            comma = "; write decimals with a point" if "," in column[odd[0]] else ""
            raise ValueError(
                f"{self.path}: column {name!r} is not numeric: {self.cell(name, odd[0])}, as in {odd.size} of "
                f"{self.n_rows} rows{comma}; correct it, or leave it blank where nothing is known"
            )
        return values

    def cell(self, name: str, row: int) -> str:
        """Return the words for one entry in an error message."""
        return f"row {row} (line {self.lines[row]}) has {self.columns[name][row]!r}"

    def __repr__(self) -> str:
        return f"Table({self.path!r}, {self.n_rows} rows, columns {listing(list(self.columns))})"


def _number(text: str) -> float:
    """Return the number a text stands for, nan where it is blank, and inf, which no target may be, for no number."""
    try:
        value = float(text)
    except ValueError:
        return math.nan if text.lower() in BLANK else math.inf
    return math.inf if "_" in text else value  # Python reads 1_000, tables do not write it


def read_table(path: str | Path) -> Table:
    """Return a table from a text file: columns parted by commas, tabs or semicolons, their names in the first line.

    UTF-8, with or without quotes, also packed as .gz. Row numbers count from 0 in the order of the file; blank lines
    are no rows. Raises ValueError, with the line, for what is no such table, FileNotFoundError where there is none.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "my.csv").write_text('name;y\\n"water; pure";1.5\\n')
    ...     read_table(f"{folder}/my.csv").columns
    {'name': ['water; pure'], 'y': ['1.5']}
    """
    path = Path(path)
    text = read_text(path)[1]
    if text.lstrip().startswith("<"):
        raise ValueError(f"{path} is a web page or XML, not a table; save it as CSV (UTF-8)")
    delimiter = _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, lines = [], []
    try:
        for row in reader:
            if row and (len(row) > 1 or row[0].strip()):
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}; are the quotes right?") from error
    while len(rows) > 1 and not any(map(str.strip, rows[-1])):  # what a spreadsheet leaves below a table
        del rows[-1], lines[-1]
    if len(rows) < 2:
        came = "is empty" if not rows else f"has only a first line, {listing(rows[0])}"
        raise ValueError(f"{path} {came}; wanted a line with the names of the columns, then a line for each row")
    names = [name.strip() for name in rows[0]]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        places = [i + 1 for i, name in enumerate(names) if name == twice[0]]
        raise ValueError(f"{path}: columns {places} are all called {twice[0]!r}; give each a name of its own")
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(names):
            raise ValueError(
                f"{path}, line {line} has {len(row)} entries where the first line names {len(names)} columns, "
                f"parted by {delimiter!r}: {listing(row, 4)}; quote a text that has {delimiter!r} in it"
            )
    columns = {name: list(map(str.strip, column)) for name, *column in zip(names, *rows[1:], strict=True)}
    return Table(str(path), columns, lines[1:])


def _delimiter(text: str) -> str:
    """Return the delimiter that parts the first lines into equally many columns, of several the one into most."""
    head = "".join(io.StringIO(text, newline="").readlines(1 << 16))

    def fit(delimiter: str) -> tuple[bool, int]:
        reader = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)
        try:
            widths = [len(row) for _, row in zip(range(50), reader, strict=False) if row] or [0]
        except csv.Error:  # said with its line where the table itself is read
            return False, 0
        return len(set(widths)) == 1 and widths[0] > 1, widths[0]

    return max(DELIMITERS, key=fit)


class Targets(NamedTuple):
    """What is to be predicted, as the losses take it.

    task             values                              where nothing is known    loss
    regression       (n, k) float64                      nan                       mean_squared_error
    classification   (n,) int64, places in `classes`     -1                        cross_entropy
    multilabel       (n, k) float64, 0 or 1              nan                       binary_cross_entropy

    mask: of the shape of values, False where nothing is known;  classes: as the table spells them, () for regression
    names: of the columns
    """

    values: np.ndarray
    mask: np.ndarray
    task: str
    classes: tuple[str, ...]
    names: tuple[str, ...]

    def __repr__(self) -> str:
        missing = int((~self.mask).sum())
        classes = f", classes {listing(self.classes)}" if self.classes else ""
        return f"Targets({self.task} of {listing(self.names)}, {len(self.values)} rows, {missing} missing{classes})"


def targets(table: Table, names: str | Sequence[str], task: str | None = None) -> Targets:
    """Return the targets in one column or several, classification and regression told apart by what is in them.

    A column is classes if nothing in it is a number; or if all are 0 or 1, or -1 or 1; or if all are whole numbers
    from -1 to 10, at most 10 different ones, each in two rows or more. Else it is numbers: boiling points in whole
    degrees are, but a column that counts rings is taken for classes, and task="regression" says otherwise.
    Several columns are all numbers, or all 0 and 1: "multilabel". task: one of the three, to say it instead.

    Raises ValueError, naming the column, where numbers and words are mixed, where columns do not go together, and
    where there is nothing to learn: nothing known, a constant, a single class, or three and more classes with fewer
    than two rows each.

    >>> table = Table("my.csv", {"y": ["1.5", "", "2", "2"], "ok": ["no", "yes", "no", "yes"]}, [2, 3, 4, 5])
    >>> targets(table, "y").values.tolist()
    [[1.5], [nan], [2.0], [2.0]]
    >>> targets(table, "ok")
    Targets(classification of 'ok', 4 rows, 0 missing, classes 'no', 'yes')
    """
    columns = (names,) if isinstance(names, str) else tuple(names)
    if not columns or len(set(columns)) < len(columns):
        raise ValueError(
            f"targets: wanted the names of one column or more, each once, got {listing(columns) or 'none'}"
        )
    if task not in (*TASKS, None):
        raise ValueError(f"targets: task must be one of {listing(TASKS)}, got {task!r}")
    own = {name: task or _task(table, name) for name in columns}
    for name, kind in own.items():
        _refuse_nothing_to_learn(table, name, kind)
    kinds = set(own.values())
    if len(kinds) > 1:
        raise ValueError(
            f"targets: {' and '.join(f'{name!r} is {kind}' for name, kind in own.items())}; "
            "train them one by one, or set the task to regression to take all as numbers"
        )
    if kinds == {"regression"}:
        values = np.stack([table.numbers(name) for name in columns], axis=1)
        return Targets(values, ~np.isnan(values), "regression", (), columns)
    if len(columns) > 1 or task == "multilabel":
        values = np.stack([_binary(table, name) for name in columns], axis=1)
        return Targets(values, ~np.isnan(values), "multilabel", ("0", "1"), columns)
    spelled = _spelled(table, columns[0])
    known = sorted(set(spelled) - {""}, key=_by_value)
    place = {text: i for i, text in enumerate(known)} | {"": -1}
    values = np.array([place[text] for text in spelled], np.int64)
    return Targets(values, values >= 0, "classification", tuple(known), columns)


def _task(table: Table, name: str) -> str:
    """Return what a column is taken for."""
    known = [text for text in table.column(name) if text.lower() not in BLANK]
    values = np.array([_number(text) for text in known], float)
    words = np.isinf(values)
    if any(re.fullmatch(r"[-+]?\d+,\d+", text) for text in known):
        raise ValueError(f"{table.path}: target {name!r} has decimal commas, such as {known[0]!r}; write points")
    if words.all():
        return "classification"
    if words.any():
        rows = [row for row, text in enumerate(table.column(name)) if math.isinf(_number(text))]
        raise ValueError(
            f"{table.path}: target {name!r} is not numeric: {table.cell(name, rows[0])}, and {len(rows)} of "
            f"{table.n_rows} rows are no numbers; correct them, leave them blank, or set the task to classification"
        )
    distinct, counts = np.unique(values, return_counts=True)
    small = (distinct == np.round(distinct)).all() and distinct[0] >= -1 and distinct[-1] <= MOST_CLASSES
    classes = small and len(distinct) <= MOST_CLASSES and counts.min() >= 2
    return "classification" if classes or distinct.tolist() in ([0, 1], [-1, 1]) else "regression"


def _spelled(table: Table, name: str) -> list[str]:
    """Return a column with "" where nothing is known, and with one spelling of each number if it has only numbers."""
    texts = ["" if text.lower() in BLANK else text for text in table.column(name)]
    values = {text: _number(text) for text in set(texts) if text}
    if any(map(math.isinf, values.values())):
        return texts
    spelling = {text: str(int(value)) if value == int(value) else repr(value) for text, value in values.items()}
    return [spelling.get(text, "") for text in texts]


def _by_value(text: str) -> tuple[float, str]:
    return _number(text), text


def _refuse_nothing_to_learn(table: Table, name: str, kind: str) -> None:
    known = [text for text in _spelled(table, name) if text]
    who, distinct = f"{table.path}: target {name!r}", set(known)
    if not known:
        raise ValueError(f"{who} is blank in all {table.n_rows} rows; choose a column with something to learn")
    if len(distinct) == 1:
        raise ValueError(
            f"{who} is {known[0]!r} in all {len(known)} rows where it is known, a constant or a single class; "
            "choose a column that varies"
        )
    if kind != "regression" and len(distinct) > 2 and 2 * len(distinct) > len(known):
        raise ValueError(
            f"{who} has {len(distinct)} different entries in {len(known)} rows, such as {listing(known[:3])}: too many "
            "for classes; choose another column, or set the task to regression if these are numbers"
        )


def _binary(table: Table, name: str) -> np.ndarray:
    """Return a column of 0 and 1 as float64, nan where nothing is known."""
    spelled = _spelled(table, name)
    odd = [row for row, text in enumerate(spelled) if text not in ("0", "1", "")]
    if odd:
        raise ValueError(
            f"{table.path}: target {name!r}: {table.cell(name, odd[0])}; several targets that are classes must each be "
            "0 and 1: write it so, or train it alone"
        )
    return np.array([float(text) if text else math.nan for text in spelled])
