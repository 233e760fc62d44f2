"""The words of a run: what is learned from what, how each split went, and the closing table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphnn import chem
from graphnn.datasets.tables import Targets
from graphnn.layer import Layer
from graphnn.study.material import Material
from graphnn.study.metrics import FIRST, NAMES, mean_and_spread
from graphnn.study.rows import MOLECULES
from graphnn.study.train import Interval, Result, Settings, n_epochs
from graphnn.uncertainty import Coverage


def opening(material: Material, model: Layer, settings: Settings) -> str:
    """Return what is about to be done."""
    rows, wanted, batch = material.rows, material.examples.targets, material.examples.batch
    what = f"{len(material.kept)} {rows.unit}s"
    if rows.kind == MOLECULES:
        distinct = len(set(chem.duplicates([rows.things[row] for row in material.kept])))
        what += f" ({distinct} distinct)" if distinct < len(material.kept) else ""
    edges = 0 if batch.edges is None else batch.edges.shape[1]
    lines = [
        f"{rows.table.path}: {what}, {batch.nodes.shape[1]} node and {edges} edge features",
        *(_target(wanted, i) for i in range(len(wanted.names))),
    ]
    for row, text, reason in material.failures[:5]:
        lines.append(f"skipped row {row}, {text!r}: {reason}")
    if len(material.failures) > 5:
        lines.append(f"skipped {len(material.failures)} rows in all")
    left_out = getattr(material.featurizer, "left_out", ())
    lines += [f"not used: {name}, {reason}" for name, reason in left_out]
    names = [name for name, _ in material.parts]
    n_params = sum(value.size for value in model.init(0, batch[: min(2, len(batch))]).values())
    epochs = n_epochs(settings, len(material.parts[0][1].train), material.examples.per)
    of = names[0] if len(names) == 1 else f"each of {len(names)} splits"
    lines.append(
        f"model {settings.model or 'by default'}: {n_params} parameters; {settings.seeds} on {of}, {epochs} epochs"
    )
    return "\n".join(lines)


def _target(wanted: Targets, column: int) -> str:
    name = wanted.names[column]
    if wanted.task == "regression":
        known = wanted.values[:, column][wanted.mask[:, column]]
        text = f"{known.min():g} to {known.max():g}, mean {known.mean():.4g}"
        missing = len(wanted.values) - len(known)
    else:
        labels = wanted.values if wanted.task == "classification" else wanted.values[:, column]
        mask = wanted.mask if wanted.task == "classification" else wanted.mask[:, column]
        counts = np.bincount(labels[mask].astype(int), minlength=len(wanted.classes))
        text = ", ".join(f"{n} of {c}" for c, n in zip(wanted.classes[:6], counts, strict=False))
        text += f" and {len(wanted.classes) - 6} classes more" if len(wanted.classes) > 6 else ""
        missing = int((~mask).sum())
    kind = "classification" if wanted.task == "classification" else "yes or no" if wanted.classes else "regression"
    return f"target {name!r}, {kind}: {text}{f', {missing} missing' if missing else ''}"


def line(result: Result, wanted: Targets) -> str:
    """Return how one split went."""
    first = FIRST[wanted.task]
    if first not in result.together:
        return (
            f"{result.name}: {len(result.split.test)} test rows of one class, no {NAMES[first]}; {result.seconds:.0f} s"
        )
    single = [scores[first] for scores in result.single]
    text = f"{result.name}: test {NAMES[first]} {result.together[first]:.3f}"
    if len(single) > 1:
        text += f" together, {mean_and_spread(single)} one by one"
    return f"{text}; {_coverage(result.coverage, result.interval)}; {result.seconds:.0f} s"


def _coverage(found: Sequence[Coverage], interval: Interval | None) -> str:
    assert interval is not None
    what = "interval" if interval.task == "regression" else "set"
    if not found:
        return f"no test rows for the {what}s"
    covered = sum(part.share * part.rows for part in found)
    n = sum(part.rows for part in found)
    return f"{100 * interval.level:.0f} % {what} holds {100 * covered / n:.0f} % of {n}"


def closing(
    results: Sequence[Result], compared: Sequence[dict[str, dict[str, float]]], wanted: Targets, interval: Interval
) -> str:
    """Return the table of results: the networks and the baselines, every score with its spread over the splits."""
    table = _table(results, compared)
    names = [name for name in NAMES if any(name in scores for scores in next(iter(table.values())))]
    over = f"over {len(results)} splits" if len(results) > 1 else f"on {len(results[0].split.test)} rows"
    head = f"test scores {over}"
    widest = max(map(len, (*table, head)))
    best_first = sorted(table, key=_FirstScore(table, wanted.task), reverse=FIRST[wanted.task] != "rmse")
    lines = [head.ljust(widest) + "".join(f"{NAMES[name]:>17}" for name in names)]
    for row in best_first:
        cells = [[scores[name] for scores in table[row] if name in scores] for name in names]
        lines.append(row.ljust(widest) + "".join(f"{mean_and_spread(cell) if cell else '-':>17}" for cell in cells))
    return "\n".join([*lines, "", *_sureness(results, wanted, interval)])


def _table(results: Sequence[Result], compared: Sequence[dict]) -> dict[str, list[dict[str, float]]]:
    """Return {method: its scores on each split}."""
    n = len(results[0].members)
    ours = f"{n} networks together" if n > 1 else "network"
    table = {ours: [result.together for result in results]}
    if n > 1:
        table["one network"] = [_mean(result.single) for result in results]
    return table | {name: [scores[name] for scores in compared] for name in compared[0]}


def _mean(scores: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([one[name] for one in scores])) for name in scores[0]}


class _FirstScore:
    """The key that sorts methods by the mean of their first score."""

    def __init__(self, table: dict[str, list[dict[str, float]]], task: str):
        self.table, self.first = table, FIRST[task]

    def __call__(self, method: str) -> float:
        values = [scores[self.first] for scores in self.table[method] if self.first in scores]
        return float(np.mean(values)) if values else float("inf" if self.first == "rmse" else "-inf")


def _sureness(results: Sequence[Result], wanted: Targets, interval: Interval) -> list[str]:
    """Return the lines about intervals or sets: how wide, and whether they held what they promise."""
    every = [part for result in results for part in result.coverage]
    n = sum(part.rows for part in every)
    if not n:
        return []
    share = sum(part.share * part.rows for part in every) / n
    promise = f"promised {100 * interval.level:.0f} %"
    if interval.task == "regression":
        widths = ", ".join(f"±{value:.3g}" for value in interval.values)
        lines = [f"conformal interval {widths}: held {100 * share:.1f} % of {n} test values ({promise})"]
    else:
        sizes = [s.sum(axis=1) for result in results for s in _own(result).sets(result.predicted["test"])]
        mean = float(np.mean(np.concatenate(sizes)))
        lines = [f"conformal sets of {mean:.2f} classes: held {100 * share:.1f} % of {n} test labels ({promise})"]
    if len(every) == 1:
        low, high = 100 * every[0].low, 100 * every[0].high
        lines.append(f"so few rows tell the true share only to {low:.0f} to {high:.0f} % (95 % confidence)")
    return lines


def _own(result: Result) -> Interval:
    assert result.interval is not None
    return result.interval


def metrics(
    results: Sequence[Result], compared: Sequence[dict[str, dict[str, float]]], wanted: Targets, interval: Interval
) -> dict[str, Any]:
    """Return everything measured, as plain data."""
    table = _table(results, compared)
    of_methods = {}
    for method, scores in table.items():
        names = dict.fromkeys(name for one in scores for name in one)
        by_split = {name: [one.get(name) for one in scores] for name in names}
        of_methods[method] = {name: _summary([v for v in values if v is not None]) | {"by_split": values}
                              for name, values in by_split.items()}  # fmt: skip
    return {
        "task": wanted.task,
        "splits": [result.name for result in results],
        "test": of_methods,
        "members": {result.name: result.single for result in results},
        "interval": {"level": interval.level, "values": list(interval.values)},
        "coverage": {result.name: [part._asdict() for part in result.coverage] for result in results},
    }


def _summary(values: Sequence[float]) -> dict[str, float | None]:
    return {"mean": float(np.mean(values)), "spread": float(np.std(values, ddof=1)) if len(values) > 1 else None}
