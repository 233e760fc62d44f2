"""The picture of a finished run, drawn from its folder: predicted against actual, or a confusion matrix; the losses."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphnn.insight.lettering import entitle
from graphnn.insight.plot import confusion_matrix, loss_curves, predicted_vs_actual
from graphnn.study.folder import read_json

MOST_PANELS = 3
SETS = ("validation", "test")


def draw(run: Path, out: Path | None = None) -> Path:
    """Draw a run and return where: run/picture.png, or `out`, whose suffix says the format."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    for name in ("predictions.csv", "history.csv", "metrics.json"):
        if not (run / name).is_file():
            raise FileNotFoundError(f"{run} is no finished run: it has no {name}; make one with graphnn train")
    path = run / "picture.png" if out is None else out
    measured = read_json(run / "metrics.json")
    rows = _read(run / "predictions.csv")
    names = [column.removeprefix("actual ") for column in rows[0] if column.startswith("actual ")]
    shown = names if measured["task"] != "classification" else names[:1]
    panels = min(len(shown), MOST_PANELS)
    figure = Figure(figsize=(4.6 * panels + 4.2, 4.6), layout="constrained", dpi=130)
    FigureCanvasAgg(figure)
    axes = np.atleast_1d(figure.subplots(1, panels + 1))
    for ax, name in zip(axes[:-1], shown, strict=False):
        _draw_target(ax, rows, name, measured["task"])
    _draw_losses(axes[-1], _read(run / "history.csv"))
    figure.savefig(path, metadata={"Software": None} if path.suffix == ".png" else None)
    return path


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _draw_target(ax: Any, rows: Sequence[dict[str, str]], name: str, task: str) -> None:
    """Draw one target on the validation and test rows; a row tested in several splits is there several times."""
    known = {part: [row for row in rows if row["part"] == part and row[f"actual {name}"]] for part in SETS}
    test = known["test"]
    if task == "regression":
        kept, held = (_pairs(known[part], f"predicted {name}", f"actual {name}") for part in SETS)
        labels = {"train": [row["name"] for row in known["validation"]], "validation": [row["name"] for row in test]}
        predicted_vs_actual(*kept, validation=held, labels=labels, ax=ax, sets=SETS)
        entitle(ax, _short(name))
        return
    if task == "multilabel":
        p, y = _pairs(test, f"probability {name}", f"actual {name}")
        confusion_matrix(np.stack([1 - p, p], axis=1), y.astype(int), ax=ax, sets=("test", ""), title=_short(name))
        return
    classes = [column.removeprefix("probability ") for column in rows[0] if column.startswith("probability ")]
    scores = np.array([[float(row[f"probability {c}"]) for c in classes] for row in test])
    confusion_matrix(
        scores,
        np.array([classes.index(row[f"actual {name}"]) for row in test]),
        ax=ax,
        sets=("test", ""),
        title=_short(name),
    )
    ax.set_xticks(range(len(classes)), classes)
    ax.set_yticks(range(len(classes)), classes)


def _short(name: str, longest: int = 46) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"


def _pairs(rows: Sequence[dict[str, str]], first: str, second: str) -> tuple[np.ndarray, np.ndarray]:
    return np.array([float(row[first]) for row in rows]), np.array([float(row[second]) for row in rows])


def _draw_losses(ax: Any, rows: Sequence[dict[str, str]]) -> None:
    """Draw the losses, mean over the members of all splits at each epoch."""
    last = max(int(row["epoch"]) for row in rows) + 1
    total, count = np.zeros((2, last)), np.zeros(last)
    for row in rows:
        epoch = int(row["epoch"])
        total[:, epoch] += float(row["loss"]), float(row["validation_loss"])
        count[epoch] += 1
    loss, validation = total / count
    members = len({(row["split"], row["member"]) for row in rows})
    loss_curves(loss, validation=validation, ax=ax, title=f"loss, mean of {members}" if members > 1 else "loss")
