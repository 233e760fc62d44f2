"""The random numbers of a program are its own: nothing in the package draws from the global states or sets them."""

from __future__ import annotations

import ast
import doctest
import importlib
import io
import pkgutil
import random
from contextlib import redirect_stdout

import numpy as np
import pytest
from test_architecture import FILES, TREES
from test_contracts import KINDS, made

import graphnn as gn
from graphnn.testing import trial

ALLOWED = ("default_rng", "Generator", "SFC64")  # what holds a state of its own


def global_state():
    """Return the states of NumPy's and of Python's generator, as text."""
    name, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 - looked at, not drawn from
    return name, keys.tobytes(), rest, random.getstate()


@pytest.fixture
def untouched():
    np.random.seed(7)  # noqa: NPY002 - the state that must not move
    random.seed(7)
    before = global_state()
    yield
    assert global_state() == before


# testing.laws puts back what autograd's check_grads takes from the global state.
@pytest.mark.parametrize("module", [name for name in FILES if name != "testing.laws"])
def test_no_file_names_a_global_generator(module):
    for node in ast.walk(TREES[module]):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            assert not any(name == "random" or name.endswith("numpy.random") for name in names), node.lineno
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "random":
            assert node.attr in ALLOWED or ast.unparse(node.value) == "jax.random", f"line {node.lineno}: {node.attr}"


def examples():
    """Return the examples of every public function and class, of which each has one."""
    found = []
    for info in pkgutil.walk_packages(gn.__path__, "graphnn."):
        if info.name not in ("graphnn.__main__", "graphnn.ops.jax"):
            found += [
                test for test in doctest.DocTestFinder().find(importlib.import_module(info.name)) if test.examples
            ]
    return found


EXAMPLES = examples()


def test_every_public_name_is_called_below():
    named = {test.name.rpartition(".")[2] for test in EXAMPLES}
    callables = {name for name in gn.__all__ if callable(getattr(gn, name))}
    assert callables - named == set()


@pytest.mark.parametrize("module", sorted({test.globs["__name__"] for test in EXAMPLES}))
@pytest.mark.filterwarnings("ignore")
def test_no_example_touches_it(module, untouched, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = global_state()
    for test in EXAMPLES:
        if test.globs["__name__"] == module:
            with redirect_stdout(io.StringIO()):
                doctest.DocTestRunner(verbose=False).run(test, clear_globs=False)
            assert global_state() == before, test.name


@pytest.mark.parametrize("row", KINDS, ids=str)
def test_no_layer_touches_it(row, untouched):
    batch = gn.pack(made(row, "two_sizes"))
    params = row.layer.init(0, batch)
    row.layer.apply(params, batch, train=True, rng=(0, 1))
    trial.outcome(row, params, batch)


def test_training_of_every_kind_touches_nothing(untouched, tmp_path):
    rng = np.random.default_rng(0)
    graphs = [gn.Graph(rng.normal(size=(n, 3)), np.arange(n), np.roll(np.arange(n), 1)) for n in rng.integers(3, 6, 12)]
    y = rng.normal(size=(12, 1))
    model = gn.Sequential(gn.GINConv(4), gn.BatchNorm(), gn.Dropout(0.5), gn.SumPool(), gn.Dense(1), gn.Rescale())
    batch = gn.pack(graphs)
    plot = gn.LivePlot(path=tmp_path / "live.png")
    stop = gn.EarlyStopping(patience=3)
    params, _ = gn.fit(
        model, model.init(0, batch), graphs, y, epochs=5, batch_size=4, validation=(graphs[:3], y[:3]),
        metrics={"rmse": gn.rmse}, callbacks=[plot, stop, gn.Checkpoint(tmp_path / "run.npz")],
    )  # fmt: skip
    gn.predict(model, params, graphs, batch_size=5)
    gn.diagnose(model, params, graphs, y, optimizer=gn.adam(), start=model.init(0, batch))
    ensemble = gn.Ensemble(model, 2)
    ensemble(ensemble.init(0, batch), batch)
