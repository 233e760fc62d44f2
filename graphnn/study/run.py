"""One command from a table to a trained model: read, split, train, compare, write."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from graphnn import splits
from graphnn.checkpoint import save
from graphnn.datasets.tables import Targets
from graphnn.layer import Layer
from graphnn.splits import Split
from graphnn.study import folder, picture, report
from graphnn.study.baselines import baselines, describe
from graphnn.study.domain import Domain
from graphnn.study.material import Material, Request, prepare
from graphnn.study.rows import NODES, Rows
from graphnn.study.train import LINKS, Interval, Result, make_model, progress, train_split
from graphnn.training.live import LivePlot
from graphnn.uncertainty import Ensemble, combine


def train(request: Request, command: Sequence[str]) -> str:
    """Do all of it and return the closing report. command: for the record, and to tell this run from another."""
    # Two threads help no product as small as these, and on a busy machine waiting for the second costs tenfold.
    with threadpool_limits(1):
        return _train(request, list(command))


def _train(request: Request, command: list[str]) -> str:
    start, out = time.perf_counter(), Path(request.out)
    material = prepare(request)
    rows, examples, settings = material.rows, material.examples, request.settings
    model = make_model(settings, examples)
    run = {"command": command, "settings": asdict(settings), "versions": folder.versions()}
    folder.prepare(out, run)
    print(report.opening(material, model, settings), flush=True)
    results = [_train_split(name, split, material, model, request) for name, split in material.parts]
    description = describe(rows, examples, material.kept)
    network = examples.batch if examples.per == "node" else None
    compared = [baselines(description, examples.targets, result.split, network) for result in results]
    interval = _pooled(results, examples.targets)
    text = report.closing(results, compared, examples.targets, interval)
    _write(out, material, model, results, compared, interval, text)
    seconds = time.perf_counter() - start
    folder.write_json(out / "seconds.json", {r.name: r.seconds for r in results} | {"all": seconds})
    return f"{text}\n\n{seconds:.0f} s in all; everything is in {out}/, the picture is {out / 'picture.png'}"


def _train_split(name: str, split: Split, material: Material, model: Layer, request: Request) -> Result:
    plot = LivePlot(path=Path(request.out) / "live.png", title=name) if request.live else None

    def callbacks(member: str) -> list[Any]:
        shown = progress(f"{name}, network {member} of {request.settings.seeds}")
        return [shown, *([] if plot is None else [plot])]

    result = train_split(name, split, material.examples, model, request.settings, callbacks)
    print(report.line(result, material.examples.targets), flush=True)
    return result


def _pooled(results: Sequence[Result], wanted: Targets) -> Interval:
    """Return the interval of the ensemble of all splits, from the validation rows of each as its own members saw them.

    The ensemble averages more networks than any of these predictions did, so that the interval is rather too wide.
    """
    predicted = np.concatenate([result.predicted["validation"] for result in results])
    kept = np.concatenate([result.split.validation for result in results])
    return Interval.of(predicted, wanted.values[kept], wanted.mask[kept], wanted.task)


def _write(
    out: Path, material: Material, model: Layer, results: Sequence[Result], compared: Sequence[dict],
    interval: Interval, text: str,
) -> None:  # fmt: skip
    rows, examples, wanted = material.rows, material.examples, material.examples.targets
    members = [params for result in results for params in result.members]
    used = np.unique(np.concatenate([result.split.train for result in results]))
    domain = Domain.of(examples.batch if rows.kind == NODES else examples.batch[used])
    info = {
        "kind": rows.kind,
        "key": rows.key,
        "targets": {"names": list(wanted.names), "task": wanted.task, "classes": list(wanted.classes)},
        "interval": {"task": interval.task, "values": list(interval.values), "level": interval.level},
        "domain": domain.to_json(),
    }
    ensemble = Ensemble(model, len(members), LINKS[wanted.task])
    save(out / "model.npz", combine(members), model=ensemble, featurizer=material.featurizer, info=info)
    in_table = [(result.name, Split(*(material.kept[part] for part in result.split))) for result in results]
    splits.write(out / "splits.json", in_table)
    names = _names(rows)
    folder.write_history(out / "history.csv", results)
    folder.write_predictions(
        out / "predictions.csv", results, wanted, material.kept, [names[row] for row in material.kept]
    )
    folder.write_json(out / "metrics.json", report.metrics(results, compared, wanted, interval))
    (out / "report.txt").write_text(text + "\n", encoding="utf-8")
    picture.draw(out)


def _names(rows: Rows) -> list[str]:
    """Return what each row is called in the files: its SMILES, file, node or number."""
    return rows.table.column(rows.key) if rows.key else [str(i) for i in range(rows.table.n_rows)]
