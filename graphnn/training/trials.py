"""Trial and Sweep: what came of each setting of a sweep, and the table of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnn.insight.params import Table


@dataclass(frozen=True)
class Trial:
    """What came of one setting.

    value: what `run` returned, None where it failed;  error: None, or the kind of error and its message
    seconds: of this run alone, None where it did not end;  trace: where the error arose, as Python prints it

    >>> Trial({"seed": 0}, 0.5, seconds=1.0).error is None
    True
    """

    setting: Any
    value: Any = None
    error: str | None = None
    seconds: float | None = None
    trace: str = ""


class Sweep(Sequence):
    """The trials of a sweep in the order of its settings. Prints as a table.

    stopped: why the sweep ended early, None if it did not

    >>> tried = Sweep([Trial({"seed": 0}, 0.5, seconds=1.0), Trial({"seed": 1}, error="ValueError: no")])
    >>> tried.done.values(), tried.failed.settings()
    ([0.5], [{'seed': 1}])
    >>> tried
    seed  value  seconds  error
       0    0.5        1  -
       1      -        -  ValueError: no
    1 of 2 done, 1 failed
    """

    def __init__(self, trials: Iterable[Trial], stopped: str | None = None):
        self.trials, self.stopped = tuple(trials), stopped

    def __len__(self) -> int:
        return len(self.trials)

    def __getitem__(self, place: Any) -> Any:
        return Sweep(self.trials[place], self.stopped) if isinstance(place, slice) else self.trials[place]

    @property
    def done(self) -> Sweep:
        """Those that ended well."""
        return Sweep((trial for trial in self.trials if trial.error is None), self.stopped)

    @property
    def failed(self) -> Sweep:
        """Those that did not, each with its error."""
        return Sweep((trial for trial in self.trials if trial.error is not None), self.stopped)

    def settings(self) -> list[Any]:
        """Return the settings: `sweep(run, tried.failed.settings())` tries again what failed."""
        return [trial.setting for trial in self.trials]

    def values(self) -> list[Any]:
        """Return what the runs returned, None for one that failed; `tried.done.values()` leaves those out."""
        return [trial.value for trial in self.trials]

    def table(self, over: str | None = None) -> Table:
        """Return a row for each setting; with `over` a row for those that differ in that entry alone, such as "seed".

        Settings and values that are dicts have a column for each entry. With `over` there are the mean and the
        standard deviation (of a sample, n - 1) of each number, n, how many it is taken over, and `failed`, how many
        more there should have been. Raises KeyError where a setting has no entry `over`.

        >>> Sweep(Trial({"width": 4, "seed": s}, {"rmse": 1.0 + s}, seconds=1.0) for s in range(3)).table(over="seed")
        width  n  failed  rmse  sd
            4  3       0     2   1
        3 of 3 done
        """
        inputs = [_entries(trial.setting, "setting") for trial in self.trials]
        outputs = [{} if trial.error is not None else _entries(trial.value, "value") for trial in self.trials]
        named, measured = _keys(inputs), _keys(outputs)
        titles = [f"{name} (value)" if name in named else name for name in measured]
        if over is None:
            rows = [
                (*(i.get(name) for name in named), *(o.get(name) for name in measured), trial.seconds, trial.error)
                for trial, i, o in zip(self.trials, inputs, outputs, strict=True)
            ]
            columns = [*named, *titles, "seconds", "error"]
            if not self.failed:
                rows, columns = [row[:-1] for row in rows], columns[:-1]
            return Table(tuple(columns), tuple(tuple(map(shown, row)) for row in rows), self._total())
        if any(over not in i for i in inputs):
            raise KeyError(f"table: not every setting has an entry {over!r}; they have {named}")
        named.remove(over)
        groups: dict[str, list[int]] = {}
        for place, i in enumerate(inputs):
            groups.setdefault(repr([(name, name in i, i.get(name)) for name in named]), []).append(place)
        numbers = [name for name in measured if all(_is_number(o.get(name)) for o in outputs if o)]
        rows = []
        for places in groups.values():
            done = [outputs[place] for place in places if self.trials[place].error is None]
            start = (*(shown(inputs[places[0]].get(name)) for name in named), len(done), len(places) - len(done))
            rows.append((*start, *(part for name in numbers for part in _mean_and_sd(o[name] for o in done))))
        sds = ["sd" if len(numbers) == 1 else f"{name} sd" for name in numbers]
        titles = [part for name, sd in zip(numbers, sds, strict=True) for part in (titles[measured.index(name)], sd)]
        return Table((*named, "n", "failed", *titles), tuple(rows), self._total())

    def __repr__(self) -> str:
        return repr(self.table()) if self.trials else self._total()

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def _total(self) -> str:
        words = f"{len(self.done)} of {len(self)} done"
        words += f", {len(self.failed)} failed" if self.failed else ""
        return words + (f"; {self.stopped}" if self.stopped else "")


def _entries(value: Any, name: str) -> dict[str, Any]:
    return {str(key): part for key, part in value.items()} if isinstance(value, Mapping) else {name: value}


def _keys(dicts: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for one in dicts for name in one))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) or (isinstance(value, np.ndarray) and value.shape == ())


def shown(value: Any) -> Any:
    """Return what a table can hold of a value: numbers as they are, all else in few words.

    >>> shown(np.float32(0.5)), shown([1.0] * 40)
    (0.5, '[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1...')
    """
    if isinstance(value, str):
        return " ".join(value.split())
    if value is None or isinstance(value, (bool, int)):
        return value
    return float(value) if _is_number(value) else short(value)


def short(value: Any) -> str:
    """Return a value on part of a line.

    >>> short({"rmse": 0.123456})
    'rmse 0.1235'
    """
    if _is_number(value) and not isinstance(value, (bool, int)):
        return f"{float(value):.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {short(part)}" for name, part in value.items())
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _mean_and_sd(values: Iterable[Any]) -> tuple[float | None, float | None]:
    numbers = np.array([float(value) for value in values])
    return (
        float(numbers.mean()) if numbers.size else None,
        float(numbers.std(ddof=1)) if numbers.size > 1 else None,
    )
