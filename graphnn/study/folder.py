"""The folder of a run: what is written, so that a run can be read, repeated and used years later.

model.npz          the ensemble, its featurizer and what a prediction needs (see graphnn.checkpoint)
splits.json        row numbers of every split
history.csv        losses by split, member and epoch
predictions.csv    validation and test rows of every split: actual, predicted, spread, interval
metrics.json       scores with their spread, of the network and the baselines, and the coverage of the intervals
run.json           the command, the settings and the versions of everything that computed
report.txt         the table that was printed
picture.png        predicted against actual, and the losses
seconds.json       how long it took: the one file that differs when a run is repeated
"""

from __future__ import annotations

import csv
import json
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from graphnn.datasets.tables import Targets
from graphnn.study.train import Interval, Result

FILES = (
    "model.npz", "splits.json", "history.csv", "predictions.csv", "metrics.json", "run.json", "report.txt",
    "picture.png", "seconds.json",
)  # fmt: skip
PACKAGES = ("autograd", "numpy", "scipy", "networkx", "rdkit", "scikit-learn")


def versions() -> dict[str, str]:
    """Return the version of Python and of every package that takes part."""
    found = {"python": platform.python_version(), "graphnn": sys.modules["graphnn"].__version__}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def refuse_strangers(out: Path, command: Sequence[str]) -> None:
    """Refuse a folder that holds something else, which would be lost: files, or a run of another command."""
    if out.is_dir() and any(out.iterdir()):
        record = out / "run.json"
        if not record.is_file():
            raise ValueError(f"{out} is not empty and holds no run; choose another folder with --out")
        before = read_json(record).get("command")
        if (out / "model.npz").exists() and before != list(command):
            raise ValueError(f"{out} holds another run, {shlex.join(before or [])}; choose another folder with --out")
    elif out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; --out names the folder for the run")


def begin(out: Path, run: dict[str, Any]) -> None:
    """Make the folder, or clear the files of the run that is repeated, so that old and new never stand together."""
    out.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (out / name).unlink(missing_ok=True)
    write_json(out / "run.json", run)


def write_json(path: Path, data: Any) -> None:
    """Write plain data, numbers as Python prints them; what is not a number as null."""
    path.write_text(json.dumps(_finite(data), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Return what a JSON file holds; ValueError says what is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _finite(value) for name, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not np.isfinite(data) else data


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV table, whole or not at all."""
    aside = path.with_name(f".{path.name}.part")
    with aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    os.replace(aside, path)


def write_history(path: Path, results: Sequence[Result]) -> None:
    """Write the losses of every epoch."""
    lines = [
        (result.name, member, epoch, repr(loss), repr(held))
        for result in results
        for member, history in enumerate(result.histories)
        for epoch, (loss, held) in enumerate(zip(history.loss, history.validation_loss, strict=True))
    ]
    write_table(path, ["split", "member", "epoch", "loss", "validation_loss"], lines)


def write_predictions(path: Path, results: Sequence[Result], targets: Targets, rows: np.ndarray, names: list) -> None:
    """Write a line for every validation and test row of every split. rows: in the table; names: of the examples."""
    header = ["split", "part", "row", "name"]
    for name in targets.names:
        header += [f"actual {name}", *prediction_header(name, targets, len(results[0].members))]
    lines = []
    for result in results:
        assert result.interval is not None
        for part in ("validation", "test"):
            columns = prediction_columns(result.predicted[part], result.spread[part], result.interval, targets)
            for i, example in enumerate(getattr(result.split, part)):
                line = [result.name, part, int(rows[example]), names[example]]
                for target, entries in enumerate(columns):
                    line += [_actual(targets, example, target), *entries[i]]
                lines.append(line)
    write_table(path, header, lines)


def prediction_header(name: str, targets: Targets, members: int) -> list[str]:
    """Return the names of the columns that `prediction_columns` gives for a target."""
    spread = ["spread"] if members > 1 else []
    if targets.task == "regression":
        return [f"predicted {name}", *(f"{s} {name}" for s in (*spread, "low", "high"))]
    if targets.task == "multilabel":
        return [f"probability {name}", *(f"{s} {name}" for s in spread), f"set {name}"]
    return [
        f"predicted {name}",
        *(f"probability {c}" for c in targets.classes),
        *(f"spread {c}" for c in targets.classes if spread),
        f"set {name}",
    ]


def prediction_columns(
    predicted: np.ndarray, spread: np.ndarray | None, interval: Interval, targets: Targets
) -> list[list[list[str]]]:
    """Return, for each target and row, the entries under `prediction_header`."""
    if targets.task == "classification":
        sets = interval.sets(predicted)[0]
        return [
            [
                [targets.classes[int(p.argmax())], *_numbers(p), *([] if spread is None else _numbers(spread[i])),
                 _set(targets.classes, sets[i], interval, 0)]
                for i, p in enumerate(predicted)
            ]
        ]  # fmt: skip
    out = []
    for target in range(predicted.shape[1]):
        p = predicted[:, target]
        if targets.task == "regression":
            width = interval.values[target]
            ends = [_numbers((value - width, value + width)) for value in p]
        else:
            ends = [[_set(targets.classes, held, interval, target)] for held in interval.sets(predicted)[target]]
        middle = [[] if spread is None else _numbers(spread[i, [target]]) for i in range(len(p))]
        out.append([[*_numbers([value]), *middle[i], *ends[i]] for i, value in enumerate(p)])
    return out


def _set(classes: Sequence[str], held: np.ndarray, interval: Interval, target: int) -> str:
    """Return the classes of a set, "" where there were too few rows to say anything."""
    return "|".join(np.array(classes)[held]) if interval.says_something(target) else ""


def _numbers(values: Iterable[float]) -> list[str]:
    return [f"{value:.9g}" if np.isfinite(value) else "" for value in values]


def _actual(targets: Targets, example: int, target: int) -> str:
    value = targets.values[example] if targets.task == "classification" else targets.values[example, target]
    known = targets.mask[example] if targets.task == "classification" else targets.mask[example, target]
    if not known:
        return ""
    return targets.classes[int(value)] if targets.task == "classification" else f"{value:.9g}"
