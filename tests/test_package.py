"""The package as a whole: what importing it costs, what it calls itself, what it leaves alone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import graphnn as gn

ROOT = Path(__file__).parents[1]
LATE = (
    "matplotlib", "matplotlib.pyplot", "networkx", "jax", "scipy.linalg", "scipy.optimize", "scipy.stats",
    "tqdm", "IPython", "plotext", "rdkit", "sklearn",
)  # fmt: skip


def fresh(code, folder):
    """Run code in a new interpreter that starts in an empty folder; returns the lines it prints."""
    command = f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """The modules that `import graphnn` loads, and the folder it was imported in."""
    folder = tmp_path_factory.mktemp("import")
    return set(fresh("import graphnn; print(*sys.modules)", folder)), folder


@pytest.fixture(scope="module")
def brought_by_scipy(tmp_path_factory):
    """The modules that `import scipy.sparse` loads by itself: older SciPy brings scipy.linalg along."""
    return set(fresh("import scipy.sparse, sys; print(*sys.modules)", tmp_path_factory.mktemp("scipy")))


@pytest.mark.parametrize("name", LATE)
def test_import_does_not_load(imported, brought_by_scipy, name):
    assert name not in imported[0] - brought_by_scipy


def test_import_loads_the_package_and_writes_no_file(imported):
    assert {"graphnn", "graphnn.training.fit", "numpy", "autograd"} <= imported[0]
    assert list(imported[1].iterdir()) == []


def test_every_public_name_is_there_without_more_imports(tmp_path):
    code = "import graphnn as gn; [getattr(gn, name) for name in gn.__all__]; print(*gn.__all__)"
    assert fresh(code, tmp_path) == gn.__all__


def test_the_version_is_said_once():
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    assert re.search(r'^version = "(.+)"$', project, re.M)[1] == gn.__version__


def test_training_leaves_the_global_random_state_alone():
    x = np.ones((6, 2))
    model = gn.Sequential(gn.Dense(3), gn.Dropout(0.5), gn.Dense(1))
    np.random.seed(0)  # noqa: NPY002 - the global state is what is tested
    before = np.random.get_state()  # noqa: NPY002
    params, _ = gn.fit(model, model.init(0, x), x, np.ones((6, 1)), epochs=2, batch_size=2)
    model.apply(params, x, train=True, rng=(0, 1))
    gn.predict(model, params, x)
    after = np.random.get_state()  # noqa: NPY002
    assert before[0] == after[0]
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]


def test_training_does_not_look_at_the_global_random_state():
    x = np.ones((6, 2))
    model = gn.Sequential(gn.Dense(3), gn.Dropout(0.5), gn.Dense(1))
    fits = []
    for seed in (1, 2):
        np.random.seed(seed)  # noqa: NPY002 - the global state is what is tested
        fits.append(gn.fit(model, model.init(0, x), x, np.ones((6, 1)), epochs=2, batch_size=2)[0])
    for name, value in fits[0].items():
        np.testing.assert_array_equal(fits[1][name], value)


def test_the_typing_marker_is_there():
    assert (ROOT / "graphnn" / "py.typed").exists()
