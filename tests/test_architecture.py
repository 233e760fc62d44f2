"""The floors of docs/design.md, section 4, and the house rules that can be read off the source."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import graphnn as gn

PACKAGE = Path(gn.__file__).parent

# A file may import from lower floors only. A folder's name stands for the files in it that have no line.
FLOORS = {
    "types": 0, "checks": 0, "initializers": 0, "memory": 0,
    "ops.loops": 0, "ops.threads": 0, "ops.buffers": 0, "ops.passes": 0, "ops.sparse": 1, "ops.arrays": 1,
    "ops.activations": 2, "ops.primitives": 2, "ops.matrix": 2, "ops.jax": 2, "ops.grids": 2, "ops.noise": 2,
    "ops.diffusion": 2, "ops.fused": 2,
    "ops": 3, "ops.segments": 3, "ops.solving": 3, "autodiff": 3,
    "flat": 4, "incoming": 4, "graph": 4, "packed": 4, "batch": 4,
    "convert": 5, "coarse": 5, "kernels": 5, "grids": 5, "links": 5, "comparison": 5,
    "insight.points": 5, "insight.lettering": 5,
    "insight.costs": 5, "insight.telling": 5,
    "layer": 6, "layers.edges": 6, "propagation": 6, "losses": 6, "penalties": 6, "metrics": 6, "optim": 6,
    "schedules": 6, "splits": 6, "insight.plot": 6, "insight.panels": 6, "insight.params": 6, "insight.relief": 6,
    "insight.curves": 6, "insight.notes": 6, "insight.graphs": 6, "insight.confusion": 6, "insight.residuals": 6,
    "insight.differences": 6,
    "insight.reading": 7, "insight.gradients": 7, "insight.nodes": 7, "layers": 7,
    "models": 8, "transforms": 8, "training": 8, "insight": 8, "chem": 8, "datasets": 8, "uncertainty": 8,
    "minimizers": 8, "demo.baselines": 8,
    "training.live": 9, "training.callbacks": 9,
    "insight.tree": 9, "insight.fragments": 9, "insight.drawing": 9, "architecture": 9, "archive": 9,
    "datasets.planetoid": 9, "datasets.npz": 9, "datasets.idx": 9, "datasets.genes": 9, "datasets.fetching": 9,
    "datasets.loading": 10, "estimators": 10, "checkpoint": 10, "testing": 10, "plot": 10,
    "training.callbacks.resume": 11,
    "": 12,  # the public face, graphnn/__init__.py
    "demo": 13, "study": 13, "study.rows": 13, "study.metrics": 13, "study.domain": 13,
    "study.train": 14, "study.choose": 14, "study.identity": 14,
    "study.folder": 15, "study.baselines": 15, "study.material": 15,
    "study.report": 16, "study.picture": 16,
    "study.run": 17, "study.predict": 17,
    "cli": 18,
    "__main__": 19,
}  # fmt: skip

# On one floor these may import those: what reads first stands first.
BESIDE = {
    ("ops.passes", "ops.buffers"),
    ("ops.passes", "ops.threads"),
    ("ops", "ops.segments"),
    ("ops", "ops.solving"),
    ("checks", "types"),
    ("ops.fused", "ops.activations"),
    ("ops.fused", "ops.primitives"),
    ("ops.matrix", "ops.activations"),
    ("ops.matrix", "ops.primitives"),
    ("ops.diffusion", "ops.matrix"),
    ("ops.jax", "ops.diffusion"),
    ("ops.jax", "ops.matrix"),
    ("ops.jax", "ops.primitives"),
    # noise, grids, containers
    ("ops.noise", "ops.primitives"),
    ("ops.jax", "ops.grids"),
    ("layers.containers", "layers.dense"),
    ("propagation", "metrics"),
    ("packed", "graph"),
    ("packed", "incoming"),
    ("batch", "graph"),
    ("batch", "incoming"),
    ("batch", "packed"),
    ("layers.edges", "layer"),
    ("layers.attention", "layers.dense"),
    ("layers.attention", "layers.dropout"),
    ("layers.readout", "layers.dense"),
    ("layers.readout", "layers.recurrent"),
    # convolutions: what applies a kernel once, then what builds on it
    ("layers.polynomial", "layers.convolution"),
    ("layers.aggregation", "layers.convolution"),
    # pools
    ("layers.coarsening", "layers.convolution"),
    # recurrent
    ("layers.jumping", "layers.containers"),
    ("layers.jumping", "layers.recurrent"),
    ("optim.parts", "optim.methods"),
    ("optim.parts", "schedules"),
    ("training.run", "training.data"),
    ("training.room", "training.data"),
    ("training.history", "training.rows"),
    ("training.run", "training.history"),
    ("training.step_size", "training.data"),
    ("training.step_size", "training.fit"),
    ("training.step_size", "training.run"),
    ("training.fit", "training.data"),
    ("training.fit", "training.history"),
    ("training.fit", "training.points"),
    ("training.points", "training.run"),
    ("training.fit", "training.room"),
    ("training.fit", "training.run"),
    ("training.fit", "training.several"),
    ("training.fit", "training.trust.culprit"),
    ("training.fit", "training.trust.diagnosis"),
    ("training.fit", "training.trust.pace"),
    ("training.trust.culprit", "training.data"),
    ("training.trust.case", "training.data"),
    ("training.trust.causes", "training.trust.case"),
    ("training.trust.causes", "training.data"),
    ("training.trust.diagnosis", "training.trust.case"),
    ("training.trust.diagnosis", "training.trust.causes"),
    ("training.trust.diagnosis", "training.data"),
    ("training.trust.diagnosis", "training.several"),
    ("training.sweep", "training.trials"),
    ("insight.residuals", "insight.panels"),
    ("insight.plot", "insight.confusion"),
    ("insight.plot", "insight.graphs"),
    ("insight.plot", "insight.panels"),
    ("insight.flow", "insight.summary"),
    # live pictures: what is shown, where, how, and when
    ("training.live.terminal", "training.live.outputs"),
    ("training.live.terminal", "training.live.view"),
    ("training.live.picture", "training.live.outputs"),
    ("training.live.picture", "training.live.terminal"),
    ("training.live.picture", "training.live.view"),
    ("training.live.plot", "training.live.outputs"),
    ("training.live.plot", "training.live.picture"),
    ("training.live.plot", "training.live.terminal"),
    ("training.live.plot", "training.live.view"),
    ("training.live.recording", "training.live.outputs"),
    ("training.live.recording", "training.live.picture"),
    ("training.live.recording", "training.live.view"),
    ("datasets.pajek", "datasets.assembly"),
    ("datasets.edge_list", "datasets.assembly"),
    ("datasets.edge_list", "datasets.opening"),
    ("datasets.graph_files", "datasets.assembly"),
    ("datasets.graph_files", "datasets.edge_list"),
    ("datasets.graph_files", "datasets.opening"),
    ("datasets.graph_files", "datasets.pajek"),
    ("datasets.tu", "datasets.opening"),
    ("datasets.tables", "datasets.opening"),
    ("datasets.attributes", "datasets.assembly"),
    ("datasets.attributes", "datasets.columns"),
    ("datasets.attributes", "datasets.structure"),
    ("chem.descriptors", "chem.smiles"),
    ("chem.drawing", "chem.smiles"),
    ("chem.features", "chem.smiles"),
    ("chem.molecules", "chem.smiles"),
    ("chem.molecules", "chem.features"),
    ("testing.laws", "testing.flavours"),
    ("testing.laws", "testing.trial"),
    ("testing.table", "testing.flavours"),
    ("testing.table", "testing.laws"),
    ("testing.table", "testing.trial"),
}
# Doors: a method where a user looks for it, whose work stands on a higher floor and is imported when it is called.
DOORS = {
    ("layer", "insight.summary"): "model.summary(graphs) runs a model, and what runs models stands on layers",
    ("layer", "insight.flow"): "model.graph(graphs), likewise",
    ("insight.watch", "insight.drawing"): "watched.plot() draws what was seen, and the picture takes a Watched",
}
FOLDERS = (
    "layers",
    "optim",
    "training",
    "training.live",
    "training.callbacks",
    "training.trust",
    "insight",
    "datasets",
    "demo",
    "chem",
    "study",
    "testing",
    "transforms",
)  # their __init__ may gather the folder's own files

LAZY = (
    "matplotlib", "networkx", "scipy.linalg", "scipy.optimize", "scipy.sparse.linalg", "scipy.spatial", "scipy.stats",
    "jax", "rdkit", "sklearn", "tqdm", "IPython", "plotext", "pandas", "tensorboardX", "pooch", "requests",
)  # fmt: skip
UNSAFE_MODULES = ("pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle")
UNSAFE_CALLS = ("eval", "exec", "__import__")


def module_name(path):
    """Return the dotted name below graphnn, "" for the public face."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in FILES.items()}
every_file = pytest.mark.parametrize("module", FILES, ids=lambda name: name or "graphnn")


def imports(tree):
    """Yield (dotted name, whether it runs when the file is imported) for every import of a file."""

    def visit(node, at_import):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from ((alias.name, at_import) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, "imports are absolute"
                yield from ((f"{child.module}.{alias.name}", at_import) for alias in child.names)
            else:
                inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) or _for_types_only(child)
                yield from visit(child, at_import and not inside)

    return list(visit(tree, True))


def _for_types_only(node):
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def ours(name):
    """Return the file of this package that an imported name lies in, or None for somebody else's."""
    if name.partition(".")[0] != "graphnn":
        return None
    rest = name.partition(".")[2]
    while rest not in FILES:  # graphnn.layer.Layer lies in layer, graphnn.ops in ops
        rest = rest.rpartition(".")[0]
    return rest


def floor(module):
    name = module
    while name not in FLOORS:
        name = name.rpartition(".")[0] or "?"
        assert name != "?", f"graphnn/{module.replace('.', '/')}.py stands on no floor; give it one in FLOORS"
    return FLOORS[name]


def may_import(importer, imported):
    gathers = importer in FOLDERS and imported.startswith(f"{importer}.")
    return floor(imported) < floor(importer) or (importer, imported) in {*BESIDE, *DOORS} or gathers


def is_package(name, packages):
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@every_file
def test_imports_come_from_lower_floors(module):
    wrong = sorted(
        f"{module} (floor {floor(module)}) imports {target} (floor {floor(target)})"
        for target in {ours(name) for name, _ in imports(TREES[module])} - {None, module}
        if not may_import(module, target)
    )
    assert not wrong


def test_the_tables_name_nothing_that_is_not_used():
    used = {(module, ours(name)) for module, tree in TREES.items() for name, _ in imports(tree)}
    assert {pair for pair in BESIDE if pair not in used} == set()
    assert all(floor(a) == floor(b) for a, b in BESIDE)
    assert all(floor(a) < floor(b) for a, b in DOORS)
    assert {pair for pair in DOORS if pair not in used} == set()


def test_doors_open_only_when_a_method_is_called():
    at_import = {(module, ours(name)) for module, tree in TREES.items() for name, now in imports(tree) if now}
    assert at_import & set(DOORS) == set()


def test_imports_are_seen():
    source = (
        "import numpy as np\nfrom graphnn import ops\ndef f():\n    import jax.numpy\n"
        "if TYPE_CHECKING:\n    import tqdm\n"
    )
    assert imports(ast.parse(source)) == [
        ("numpy", True), ("graphnn.ops", True), ("jax.numpy", False), ("tqdm", False),
    ]  # fmt: skip
    assert ours("graphnn.ops.sparse.group") == "ops.sparse"
    assert ours("graphnn.fit") == ""
    assert ours("numpy.graphnn") is None
    assert not may_import("graph", "batch")
    assert may_import("batch", "graph")
    assert not may_import("layer", "layers.dense")


@pytest.mark.parametrize("module", [name for name in FILES if name.startswith("layers")])
def test_layers_do_not_know_what_computes_them(module):
    assert [name for name, _ in imports(TREES[module]) if is_package(name, ("numpy", "scipy", "autograd", "jax"))] == []


@every_file
def test_heavy_packages_are_imported_where_they_are_used(module):
    if module == "ops.jax":
        pytest.skip("is itself imported only once a JAX array has arrived")
    at_import = [name for name, now in imports(TREES[module]) if now]
    assert [name for name in at_import if is_package(name, LAZY)] == []
    assert "graphnn.ops.jax" not in at_import


@every_file
def test_no_file_can_run_what_it_reads(module):
    assert [name for name, _ in imports(TREES[module]) if is_package(name, UNSAFE_MODULES)] == []
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in UNSAFE_CALLS, f"line {node.lineno}"
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant), f"line {node.value.lineno}"
            assert node.value.value is False, f"line {node.value.lineno}"


@every_file
def test_functions_have_names(module):
    assert [node.lineno for node in ast.walk(TREES[module]) if isinstance(node, ast.Lambda)] == []


@every_file
def test_no_default_can_be_written_to(module):
    for node in ast.walk(TREES[module]):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for default in (*node.args.defaults, *node.args.kw_defaults):
                assert not isinstance(default, (ast.List, ast.Dict, ast.Set)), f"line {node.lineno}"


@every_file
def test_every_file_says_what_it_is(module):
    assert ast.get_docstring(TREES[module])
    assert FILES[module].name != "utils.py"


@pytest.mark.parametrize(
    "name",
    [name for name in gn.__all__ if not inspect.ismodule(getattr(gn, name))],
)
def test_public_names_are_explained_by_example(name):
    assert ">>>" in (getattr(gn, name).__doc__ or "")


def test_the_public_face_is_in_order_and_complete():
    assert gn.__all__ == sorted(set(gn.__all__), key=lambda name: (not name.isupper(), name))
    given = {
        alias.asname or alias.name
        for node in TREES[""].body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert given == set(gn.__all__)
