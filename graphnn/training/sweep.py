"""sweep: one function over many settings, in this process or over any executor, and what came of each.

One failure does not lose the rest, the order is that of the settings, and every run gets the same number of BLAS
threads, so that the values are the same bits in this process, in threads and in other processes.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from graphnn.insight.params import Table

INTERRUPTED = "interrupted by the keyboard"
Note = Callable[[int, "Trial"], None]  # takes down the trial at a place


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

    >>> tried = sweep(_half, [{"width": w, "seed": s} for w in (4, 8) for s in (0, 1)], quiet=True)
    >>> tried[0].value, len(tried.failed)
    (2.0, 0)
    >>> tried.table(over="seed").column("sd")
    (0.7071067811865476, 0.7071067811865476)
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

        >>> sweep(_half, [{"width": 4, "seed": 0}, {"width": None, "seed": 0}], quiet=True).table(over="seed")
        width  n  failed  value  sd
            4  1       0      2   -
            -  0       1      -   -
        1 of 2 done, 1 failed
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
            return Table(tuple(columns), tuple(tuple(map(_shown, row)) for row in rows), self._total())
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
            start = (*(_shown(inputs[places[0]].get(name)) for name in named), len(done), len(places) - len(done))
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


def sweep(
    run: Callable[[Any], Any],
    settings: Iterable[Any],
    executor: Executor | None = None,
    *,
    threads: int = 1,
    quiet: bool = False,
) -> Sweep:
    """Return what `run(setting)` returns for each setting, or how it failed: a `Sweep`.

    settings: a list, mostly of dicts; a grid is [{"width": w, "seed": s} for w in (16, 32) for s in range(5)]
    executor: any of concurrent.futures; None runs one after the other in this process. It is not shut down
    threads: BLAS threads of each run. The same number gives the same bits whatever the executor; processes times
        threads should be at most the cores there are
    quiet: no progress. Else there is a bar on a terminal that has tqdm, and otherwise a line for each trial

    A run that raises is recorded with its error, and the sweep goes on. If a worker process dies, all that had not
    ended have the error "BrokenProcessPool". Ctrl-C cancels what has not begun and returns what is done; the others
    are marked, as is a run that Ctrl-C ended early, which keeps the value that it returned all the same. With threads,
    those that run go on to their end.

    Raises TypeError for settings in a dict or text, for what is no executor, and for a function that another process
    could not import.

    >>> sweep(_half, [{"width": 4, "seed": 0}, {"width": None, "seed": 0}], quiet=True).values()
    [2.0, None]
    """
    trials = [Trial(setting) for setting in _checked(run, settings, executor, threads)]
    stopped = None
    with _Told(len(trials), quiet) as told, _blas(threads):

        def note(place: int, trial: Trial) -> None:
            trials[place] = trial
            told(trial)

        try:
            if executor is None:
                _one_by_one(run, trials, threads, note)
            else:
                _at_once(run, trials, executor, threads, note)
        except KeyboardInterrupt:
            stopped = INTERRUPTED
    return Sweep((_unended(trial) if _is_open(trial) else trial for trial in trials), stopped)


def _half(setting: Mapping[str, Any]) -> float:
    """Return half the width, and the seed: the run of the examples."""
    return setting["width"] / 2 + setting["seed"]


def _is_open(trial: Trial) -> bool:
    return trial.seconds is None and trial.error is None


def _unended(trial: Trial) -> Trial:
    return Trial(trial.setting, error=f"not ended: {INTERRUPTED}")


def _checked(run: Any, settings: Any, executor: Any, threads: int) -> list[Any]:
    if not callable(run):
        raise TypeError(f"sweep: run is {run!r}; give a function of one setting")
    if isinstance(settings, (Mapping, str)) or not isinstance(settings, Iterable):
        raise TypeError(
            f"sweep: settings must be a list, got {type(settings).__name__}; for a grid write "
            '[{"width": w, "seed": s} for w in (16, 32) for s in range(5)]'
        )
    if executor is not None and (isinstance(executor, type) or not hasattr(executor, "submit")):
        raise TypeError(f"sweep: executor is {executor!r}; give one such as ProcessPoolExecutor(2), or None")
    if threads < 1:
        raise ValueError(f"sweep: threads must be 1 or more, got {threads}")
    if executor is not None:
        _refuse_unless_it_travels(run, executor)
    return list(settings)


def _refuse_unless_it_travels(run: Any, executor: Any) -> None:
    """Refuse a function that worker processes cannot find; other executors have ways of their own."""
    loaded = sys.modules.get("concurrent.futures.process")  # who has such an executor has loaded it
    if loaded is None or not isinstance(executor, loaded.ProcessPoolExecutor):
        return
    from multiprocessing import get_start_method
    from multiprocessing.reduction import ForkingPickler

    what = run.func if isinstance(run, partial) else run
    remedy = "write it with def in a .py file of its own and import it from there, or use threads or no executor"
    try:
        ForkingPickler.dumps(run)
    except Exception as error:
        raise TypeError(f"sweep: {what!r} cannot be sent to another process ({error}); {remedy}") from None
    context = getattr(executor, "_mp_context", None)
    starts = get_start_method() if context is None else context.get_start_method()
    in_session = getattr(what, "__module__", None) == "__main__" and not hasattr(sys.modules["__main__"], "__file__")
    if in_session and starts != "fork":
        raise TypeError(f"sweep: {what!r} lives in this session, where a process begun anew has no part; {remedy}")


# ---- the runs --------------------------------------------------------------------------------------------------------


def _attempt(run: Callable[[Any], Any], setting: Any, threads: int) -> tuple[Any, str | None, float, str]:
    """Return (value, error, seconds, trace) of one run. An error travels as text: not all of them can be pickled."""
    value, error, trace = None, None, ""
    own = dict(setting) if isinstance(setting, dict) else setting  # what a run takes out of it stays in the record
    begun = time.perf_counter()
    with _noting_interrupts() as noted, _blas(threads):
        try:
            value = run(own)
        except KeyboardInterrupt:
            noted.append(signal.SIGINT)
        except (Exception, SystemExit) as failure:
            error = f"{type(failure).__name__}: {failure}"
            trace = traceback.format_exc()
    return value, INTERRUPTED if noted else error, time.perf_counter() - begun, trace


@contextmanager
def _noting_interrupts() -> Iterator[list[Any]]:
    """Give a list that is not empty once Ctrl-C was pressed, though `run` may keep that to itself, as `fit` does."""
    noted: list[Any] = []
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if in_main else None
    if not callable(before):
        yield noted
        return

    def note(number: int, frame: Any) -> None:
        noted.append(number)
        before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _blas(threads: int) -> Iterator[None]:
    """Limit BLAS, where this is the main thread: the limit is one for the whole process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(threads, user_api="blas"):
        yield


def _one_by_one(run: Callable[[Any], Any], trials: Sequence[Trial], threads: int, note: Note) -> None:
    for place, trial in enumerate(trials):
        ended = Trial(trial.setting, *_attempt(run, trial.setting, threads))
        note(place, ended)
        if ended.error == INTERRUPTED:
            raise KeyboardInterrupt


def _at_once(run: Callable[[Any], Any], trials: Sequence[Trial], executor: Executor, threads: int, note: Note) -> None:
    """Hand all runs to the executor and note each as it ends."""
    ended: SimpleQueue[Future] = SimpleQueue()
    places: dict[Future, int] = {}
    try:
        for place, trial in enumerate(trials):
            try:
                future = executor.submit(_attempt, run, trial.setting, threads)
            except BrokenExecutor as error:  # it broke while it was being filled
                note(place, Trial(trial.setting, error=_broken(error)))
                continue
            places[future] = place
            future.add_done_callback(ended.put)
        for _ in range(len(places)):
            future = _next(ended)
            note(places[future], _trial_of(trials[places[future]], future))
    except BaseException:
        for future, place in places.items():
            if not future.cancel() and future.done() and _is_open(trials[place]):
                note(place, _trial_of(trials[place], future))
        raise


def _next(ended: SimpleQueue[Future]) -> Future:
    """Return the next that ends. Waiting without an end, Windows would not hear Ctrl-C."""
    while True:
        try:
            return ended.get(timeout=0.5)
        except Empty:
            continue


def _trial_of(trial: Trial, future: Future) -> Trial:
    try:
        return Trial(trial.setting, *future.result())
    except (CancelledError, KeyboardInterrupt):
        return _unended(trial)
    except BrokenExecutor as error:
        return Trial(trial.setting, error=_broken(error))
    except Exception as error:  # the setting or the value cannot be sent, mostly
        return Trial(trial.setting, error=f"{type(error).__name__}: {error}")


def _broken(error: BrokenExecutor) -> str:
    return (
        f"{type(error).__name__}: a worker process died, killed or out of memory, or it could not import the run "
        '(a script needs `if __name__ == "__main__":`); a new executor can do failed.settings()'
    )


# ---- the words -------------------------------------------------------------------------------------------------------


class _Told:
    """Tells of each trial that has ended, on stderr: a bar where there is a terminal and tqdm, else lines."""

    def __init__(self, total: int, quiet: bool):
        self.total, self.quiet, self.ended, self.failed = total, quiet, 0, 0
        self.bar: Any = None

    def __enter__(self) -> _Told:
        if not self.quiet and sys.stderr.isatty():
            try:
                from tqdm import tqdm
            except ImportError:
                return self
            self.bar = tqdm(total=self.total, unit="run", file=sys.stderr)
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def __call__(self, trial: Trial) -> None:
        self.ended += 1
        self.failed += trial.error is not None
        what = f"{_short(trial.setting)}: {_short(trial.value) if trial.error is None else _shown(trial.error)}"
        if self.bar is not None:
            if trial.error is not None:
                self.bar.write(what, file=sys.stderr)
                self.bar.set_postfix_str(f"{self.failed} failed", refresh=False)
            self.bar.update(1)
        elif not self.quiet:
            time_taken = "" if trial.seconds is None else f", {trial.seconds:.1f} s"
            print(f"{self.ended}/{self.total} {what}{time_taken}", file=sys.stderr, flush=True)


def _entries(value: Any, name: str) -> dict[str, Any]:
    return {str(key): part for key, part in value.items()} if isinstance(value, Mapping) else {name: value}


def _keys(dicts: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for one in dicts for name in one))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) or (isinstance(value, np.ndarray) and value.shape == ())


def _shown(value: Any) -> Any:
    """Return what a table can hold of a value: numbers as they are, all else in few words."""
    if isinstance(value, str):
        return " ".join(value.split())
    if value is None or isinstance(value, (bool, int)):
        return value
    return float(value) if _is_number(value) else _short(value)


def _short(value: Any) -> str:
    if _is_number(value) and not isinstance(value, (bool, int)):
        return f"{float(value):.4g}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _mean_and_sd(values: Iterable[Any]) -> tuple[float | None, float | None]:
    numbers = np.array([float(value) for value in values])
    return (
        float(numbers.mean()) if numbers.size else None,
        float(numbers.std(ddof=1)) if numbers.size > 1 else None,
    )
