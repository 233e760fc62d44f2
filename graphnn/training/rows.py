"""Rows of numbers as lines of text, CSV or JSON, that read back bit by bit; and files that are written whole."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
"""A number, or None where there is none, by the name of its column."""


def csv_line(values: Iterable[Any]) -> str:
    """Return values as one line of CSV: floats with as many digits as it takes to read the same bits, None as nothing.

    >>> csv_line(["step_size of *, a", 0.1 + 0.2, None, float("nan")])
    '"step_size of *, a",0.30000000000000004,,nan\\n'
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()


def json_line(row: Row) -> str:
    """Return a row as one line of JSON, which has no word for inf, here "inf", nor for nan, here null.

    >>> json_line({"epoch": 0, "loss": 0.1, "r2": float("-inf"), "auc": float("nan")})
    '{"epoch": 0, "loss": 0.1, "r2": "-inf", "auc": null}\\n'
    """
    return json.dumps({name: _json_number(value) for name, value in row.items()}, allow_nan=False) + "\n"


def _json_number(value: Any) -> Any:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return None if math.isnan(value) else repr(value)


def write_whole(path: str | os.PathLike, text: str) -> None:
    """Write a text file so that whoever reads it finds the old one or the new one, never a part.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(Path(folder, "log.csv"), "epoch,loss")
    ...     Path(folder, "log.csv").read_text(), os.listdir(folder)
    ('epoch,loss', ['log.csv'])
    """
    path = Path(os.path.realpath(path))
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, "utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
