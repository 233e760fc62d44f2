"""A model in one file: parameters, architecture, optimiser, featurizer and the caller's notes, without pickle.

How the file is laid out, and why a torn or altered one is refused, stands in `archive`; how values become JSON, in
`architecture`. Here they meet: arrays under "params/" and "state/", and a header that says the rest.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphnn import archive
from graphnn.architecture import from_json, to_json
from graphnn.checks import listing
from graphnn.layer import show
from graphnn.types import Params

VALUES = ("model", "optimizer", "featurizer", "info")
FIELDS = {*VALUES, "graphnn", "repr", "params", "state", "run"}


@dataclass(frozen=True, repr=False, eq=False)
class Saved:
    """What a file holds.

    params: the parameters, running statistics and target scale among them, in arrays of their own
    model, optimizer, featurizer: rebuilt from their names and fields, None where none was saved
    state: of the optimiser, or None;  info: the caller's notes, {} if there were none
    run: where a training stood, for the callback `Checkpoint` to go on from, else None
    version: of the graphnn that wrote it;  path: where it was read

    >>> Saved({"weight": np.ones((2, 3))}, None, None, None, None, {}, None, "0.1.0", Path("model.npz"))
    Saved('model.npz', parameters: 6 numbers in 1 array, model: None)
    """

    params: Params
    model: Any
    optimizer: Any
    state: dict[str, Any] | None
    featurizer: Any
    info: dict[str, Any]
    run: dict[str, Any] | None
    version: str
    path: Path

    def __repr__(self) -> str:
        size, count = sum(np.size(value) for value in self.params.values()), len(self.params)
        parameters = f"{size} numbers in {count} array{'s' * (count != 1)}"
        return f"Saved({str(self.path)!r}, parameters: {parameters}, model: {show(self.model)})"


def save(
    path: str | os.PathLike,
    params: Params,
    *,
    model: Any = None,
    optimizer: Any = None,
    state: Mapping[str, Any] | None = None,
    featurizer: Any = None,
    info: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
) -> None:
    """Write a checkpoint, whole or not at all: a file that was there stays until the new one is on the disk.

    params, state: flat dicts of arrays and numbers, kept bit by bit;  model, optimizer, featurizer: values, kept by
    name and fields (see `to_json`);  info: notes such as metrics, history or the command, of words, numbers, lists,
    tuples and dicts;  run: where a training stands, `Run.memory()`. The same content gives the same bytes.

    Raises TypeError for what a file cannot hold (a lambda in the model: give it a name, or leave the model out and pass
    it to `load`), ValueError for a name or a size that it cannot, OSError with the path where writing fails.

    >>> import tempfile
    >>> from graphnn.layers import Dense
    >>> model = Dense(2)
    >>> params = model.init(0, np.ones((1, 3)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/model.npz", params, model=model, info={"rmse": 0.5})
    ...     saved = load(f"{folder}/model.npz")
    >>> saved.model, saved.info, np.array_equal(saved.params["weight"], params["weight"])
    (Dense(2), {'rmse': 0.5}, True)
    """
    wrong = _wrong_kind(model, optimizer)
    if wrong:
        raise TypeError(f"save: {wrong}")
    arrays: dict[str, np.ndarray] = {}
    header = {
        "graphnn": sys.modules["graphnn"].__version__,
        "model": to_json(model, "model"),
        "repr": None if model is None else show(model),
        "optimizer": to_json(optimizer, "optimizer"),
        "featurizer": to_json(featurizer, "featurizer"),
        "info": to_json(dict(info or {}), "info"),
        "params": _described("params", params, arrays),
        "state": None if state is None else _described("state", state, arrays),
        "run": None if run is None else _described("run", run, arrays),
    }
    archive.write(path, header, arrays)


def load(path: str | os.PathLike, *, model: Any = None, known: Sequence[Any] = ()) -> Saved:
    """Read a checkpoint, or refuse it by name.

    known: your own classes and functions that the file may name, [MyLayer, my_kernel]. Nothing is imported or run
    because a file says so.
    model: taken in place of the file's, which is then not rebuilt; it must print the same if the file has one.

    Raises ValueError for a file that is cut short, changed in any bit, no checkpoint, of a newer format or in any way
    not as `save` writes it, and for a model that prints differently; KeyError for a name neither of graphnn nor in
    known; OSError where the file cannot be read.

    >>> import tempfile
    >>> from graphnn.layers import Dense
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/model.npz", {"weight": np.ones((3, 2)), "bias": np.zeros(2)})
    ...     load(f"{folder}/model.npz", model=Dense(2)).model
    Dense(2)
    """
    wrong = _wrong_kind(model, None)
    if wrong:
        raise TypeError(f"load: {wrong}")
    header, arrays = archive.read(path)
    try:
        if set(header) != FIELDS:
            raise ValueError(f"its header has {sorted(header)}, wanted {sorted(FIELDS)}")
        params = _filled("params", header["params"], arrays)
        state = None if header["state"] is None else _filled("state", header["state"], arrays)
        run = None if header["run"] is None else _filled("run", header["run"], arrays)
        if arrays:
            raise ValueError(f"it has arrays {listing(list(arrays))} that its header does not name")
        made = {name: from_json(header[name], known, name) for name in VALUES if name != "model" or model is None}
        wrong = _wrong_kind(made.get("model"), made["optimizer"])
        if wrong or not isinstance(made["info"], dict):
            raise ValueError(wrong or "info is no dict")
    except KeyError as error:
        remedy = ", or give the model itself, model=" if error.args[0].startswith("model") else ""
        raise KeyError(f"{path}: {error.args[0]}{remedy}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: the file is not as graphnn writes it: {error}") from error
    if model is not None and header["repr"] not in (None, show(model)):
        raise ValueError(
            f"{path}: the file holds parameters of {header['repr']}, given was model={show(model)}; give that model, "
            "or read the arrays alone with np.load"
        )
    made = {"model": model, **made}
    return Saved(params, state=state, run=run, version=str(header["graphnn"]), path=Path(path), **made)


def _wrong_kind(model: Any, optimizer: Any) -> str:
    """Return the complaint about what cannot be a model or an optimiser, "" if there is none."""
    if model is not None and (not callable(model) or isinstance(model, type)):
        return f"model is {show(model)}, wanted a layer or a function (params, graphs)"
    if optimizer is not None and (isinstance(optimizer, type) or not hasattr(optimizer, "update")):
        return f"optimizer is {show(optimizer)}, wanted an optimiser such as gn.adam()"
    return ""


def _described(part: str, values: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return {name: "array" or the value itself}, and put the arrays beside the others of the file."""
    if not isinstance(values, Mapping):
        raise TypeError(f"save: {part} is a {type(values).__name__}, wanted a flat dict of arrays")
    described: dict[str, Any] = {}
    for name, value in values.items():
        if not isinstance(name, str):
            raise TypeError(f"save: {part} has the name {name!r}, wanted a word")
        if isinstance(value, (bool, int, float, np.generic)):
            described[name] = to_json(value, f"{part}[{name!r}]")
        elif part == "run" and isinstance(value, (str, list, type(None))):
            described[name] = {"note": to_json(value, f"{part}[{name!r}]")}
        elif hasattr(value, "dtype") and not isinstance(value, np.ma.MaskedArray):
            described[name], arrays[f"{part}/{name}"] = "array", np.asarray(value)
        else:
            raise TypeError(f"save: {part}[{name!r}] is a {type(value).__name__}, wanted an array or a number")
    return described


def _filled(part: str, described: Any, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the dict that `_described` was given, and take its arrays from those of the file."""
    if not isinstance(described, dict):
        raise ValueError(f"{part} is a {type(described).__name__}, wanted a dict")
    filled: dict[str, Any] = {}
    for name, what in described.items():
        if part == "run" and isinstance(what, dict) and list(what) == ["note"]:
            filled[name] = from_json(what["note"], (), part)
            continue
        value = arrays.pop(f"{part}/{name}", None) if what == "array" else from_json(what, (), part)
        if not isinstance(value, (np.ndarray, np.generic, bool, int, float)):
            raise ValueError(f"{part}[{name!r}] is neither an array of the file nor a number")
        filled[name] = value
    return filled
