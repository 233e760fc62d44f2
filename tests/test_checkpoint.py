"""Checkpoints: a model, its parameters and its training in one file, and back to the last bit."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import autograd
import cases
import numpy as np
import pytest

import graphnn as gn
from graphnn import archive, chem, kernels, schedules
from graphnn.checkpoint import Saved, load, save


@dataclass(frozen=True)
class Mine(gn.Layer):
    width: int

    def forward(self, params, graphs):
        return graphs


@dataclass(frozen=True)
class Halving:
    start: float

    def __call__(self, step):
        return self.start * 0.5**step


def half(graph):
    return 0.5 * graph.adjacency.toarray()


MODEL = gn.Sequential(
    gn.GraphConv(4, gn.silu, kernel=kernels.Power(kernels.random_walk, 2)), gn.BatchNorm(), gn.Dropout(0.1),
    gn.SumPool(), head=gn.Dense(1), scale=gn.Rescale(),
)  # fmt: skip
OPTIMIZER = gn.per_module({"head.*": gn.sgd(1e-3), "*": gn.adam(schedules.Cosine(0.01, 20))})
GRAPHS = gn.pack(cases.graphs("mixed"))
TARGETS = np.arange(GRAPHS.n_graphs, dtype=float)[:, None]
SMALL = gn.Sequential(gn.Dense(2), gn.Rescale())
SMALL_PARAMS = SMALL.init(0, np.ones((1, 3)))


def step(params, state, number):
    def loss(p):
        out, updates = MODEL.apply(p, GRAPHS, train=True, rng=(0, number))
        return gn.mean_squared_error(out, TARGETS), updates

    (_, updates), grads = gn.value_and_grad(loss, has_aux=True)(params)
    params, state = OPTIMIZER.update(params, grads, state)
    return {**params, **updates}, state


def assert_same_bits(left, right):
    assert list(left) == list(right)
    for name, value in left.items():
        assert type(value) is type(right[name])
        assert np.asarray(value).dtype == np.asarray(right[name]).dtype
        assert np.asarray(value).tobytes() == np.asarray(right[name]).tobytes()


def trained(steps):
    params = gn.set_target_scale(MODEL.init(0, GRAPHS), TARGETS)
    state = OPTIMIZER.init(params)
    for number in range(steps):
        params, state = step(params, state, number)
    return params, state


def test_a_training_goes_on_as_if_it_had_never_stopped(tmp_path):
    params, state = trained(5)
    save(tmp_path / "a.npz", params, model=MODEL, optimizer=OPTIMIZER, state=state, info={"step": 5})
    saved = load(tmp_path / "a.npz")
    assert_same_bits(saved.params, params)
    assert_same_bits(saved.state, state)
    assert type(saved.state["rule0/step"]) is int
    assert (saved.model, saved.optimizer, saved.info) == (MODEL, OPTIMIZER, {"step": 5})
    assert repr(saved.model) == repr(MODEL)
    params, state = saved.params, saved.state
    for number in range(saved.info["step"], 8):
        params, state = step(params, state, number)
    whole = trained(8)
    assert_same_bits(params, whole[0])
    assert_same_bits(state, whole[1])
    np.testing.assert_array_equal(saved.model(params, GRAPHS), MODEL(whole[0], GRAPHS))


def test_what_is_not_given_is_none_and_what_is_given_comes_back(tmp_path):
    save(tmp_path / "a.npz", {"w": np.ones(2)})
    saved = load(str(tmp_path / "a.npz"))
    assert (saved.model, saved.optimizer, saved.state, saved.featurizer, saved.info) == (None, None, None, None, {})
    assert (saved.version, saved.path) == (gn.__version__, tmp_path / "a.npz")
    info = {"rmse": np.float64(0.7), "splits": ((0, 1), [2]), "nan": float("nan"), "command": "train", "none": None}
    save(tmp_path / "a.npz", {}, state={}, featurizer=chem.DMPNNFeatures(hydrogens=True), info=info)
    saved = load(tmp_path / "a.npz")
    assert (saved.params, saved.state, saved.featurizer) == ({}, {}, chem.DMPNNFeatures(hydrogens=True))
    assert repr(saved.info) == repr(info)


def test_numbers_beside_the_arrays_come_back_as_what_they_were(tmp_path):
    params = {
        "array": np.float32([1]),
        "mine": 3,
        "rate": 0.1,
        "flag": True,
        "array0": np.array(7),
        "single": np.float32(0.1),
    }
    save(tmp_path / "a.npz", params)
    assert_same_bits(load(tmp_path / "a.npz").params, params)


def test_a_checkpoint_prints_in_one_line(tmp_path):
    save(tmp_path / "a.npz", SMALL_PARAMS, model=SMALL)
    assert repr(load(tmp_path / "a.npz")) == (
        f"Saved({str(tmp_path / 'a.npz')!r}, parameters: 12 numbers in 4 arrays, "
        "model: Sequential(Dense(2), Rescale()))"
    )


def test_numpy_alone_reads_the_parameters_and_unzip_the_architecture(tmp_path):
    save(tmp_path / "a.npz", SMALL_PARAMS, model=SMALL, state={"step": 3})
    with np.load(tmp_path / "a.npz", allow_pickle=False) as plain:
        np.testing.assert_array_equal(plain["params/0.dense.weight"], SMALL_PARAMS["0.dense.weight"])
    with zipfile.ZipFile(tmp_path / "a.npz") as plain:
        header = json.loads(plain.read("graphnn.json"))
    assert header["repr"] == "Sequential(Dense(2), Rescale())"
    assert header["model"]["$members"][0][1]["$new"] == "graphnn.layers.Dense"
    assert header["state"] == {"step": 3}


def test_the_same_content_gives_the_same_bytes_in_every_process(tmp_path):
    code = (
        "import sys, numpy as np, graphnn as gn\nfrom graphnn.checkpoint import save\n"
        "model = gn.Sequential(gn.Dense(2), a=gn.Dense(1))\nparams = model.init(0, np.ones((1, 3)))\n"
        "save(sys.argv[1], params, model=model, state=gn.adam().init(params), info={'b': 1, 'a': 2})\n"
    )
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", code, tmp_path / f"{seed}.npz"], env=environment, check=True)
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()


def test_nothing_that_is_given_is_written_to(tmp_path):
    params = {name: value.copy() for name, value in SMALL_PARAMS.items()}
    for array in params.values():
        array.setflags(write=False)
    state, info = gn.adam().init(params), {"a": [1]}
    keys = list(params), list(state)
    save(tmp_path / "a.npz", params, state=state, info=info)
    load(tmp_path / "a.npz").info["a"].append(2)
    assert_same_bits(params, SMALL_PARAMS)
    assert ((list(params), list(state)), info) == (keys, {"a": [1]})


# ---- own classes ----------------------------------------------------------------------------------------------------

OWN = gn.Sequential(Mine(3), gn.GraphConv(2, kernel=half))


def test_own_classes_are_given_by_known_or_the_model_itself(tmp_path):
    save(tmp_path / "a.npz", SMALL_PARAMS, model=OWN, optimizer=gn.adam(Halving(0.5)))
    saved = load(tmp_path / "a.npz", known=[Mine, half, Halving])
    assert (saved.model, saved.optimizer) == (OWN, gn.adam(Halving(0.5)))
    given = load(tmp_path / "a.npz", known=[Halving], model=OWN)
    assert given.model is OWN
    with pytest.raises(
        KeyError, match=r"a\.npz: model\[0\]: '.*Mine'.*known=\[Mine\], or give the model itself, model="
    ):
        load(tmp_path / "a.npz")
    with pytest.raises(KeyError, match=r"a\.npz: optimizer.step_size: '.*Halving'.*known=\[Halving\]\"$"):
        load(tmp_path / "a.npz", model=OWN)


def test_a_model_that_no_file_can_name_is_left_out_and_given_again(tmp_path):
    model = gn.Sequential(gn.Dense(2, lambda x: x), gn.Rescale())
    with pytest.raises(TypeError, match=r"model\[0\].activation is .*<lambda>.*or leave the model out"):
        save(tmp_path / "a.npz", SMALL_PARAMS, model=model)
    assert os.listdir(tmp_path) == []
    save(tmp_path / "a.npz", SMALL_PARAMS)
    assert load(tmp_path / "a.npz", model=model).model is model


def test_another_model_than_the_one_saved_is_refused(tmp_path):
    save(tmp_path / "a.npz", SMALL_PARAMS, model=SMALL)
    other = gn.Sequential(gn.Dense(2, gn.relu), gn.Rescale())
    with pytest.raises(ValueError, match=r"of Sequential\(Dense\(2\), .*model=Sequential\(Dense\(2, activation=relu\)"):
        load(tmp_path / "a.npz", model=other)


def test_a_model_may_be_a_function(tmp_path):
    save(tmp_path / "a.npz", {}, model=half)
    assert load(tmp_path / "a.npz", known=[half]).model is half


# ---- refused --------------------------------------------------------------------------------------------------------


def test_a_traced_parameter_is_refused(tmp_path):
    def loss(p):
        with pytest.raises(TypeError, match=r"'params/w' has dtype object"):
            save(tmp_path / "a.npz", p)
        return p["w"].sum()

    gn.grad(loss)({"w": np.ones(2)})
    autograd.grad(lambda w: loss({"w": w}))(np.ones(2))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ({"params": {"w": [1.0]}}, TypeError, r"save: params\['w'\] is a list, wanted an array or a number"),
        ({"params": {"w": None}}, TypeError, r"params\['w'\] is a NoneType"),
        ({"params": {"w": np.array([None])}}, TypeError, r"'params/w' has dtype object"),
        ({"params": {"w": np.ma.masked_array([1.0], [True])}}, TypeError, r"params\['w'\] is a MaskedArray"),
        ({"params": {1: np.ones(1)}}, TypeError, r"params has the name 1, wanted a word"),
        ({"params": {"a\\b": np.ones(1)}}, ValueError, r"the name 'params/a\\\\b' cannot be written"),
        ({"params": [np.ones(1)]}, TypeError, r"params is a list, wanted a flat dict"),
        ({"params": {}, "state": {"step": "3"}}, TypeError, r"state\['step'\] is a str"),
        ({"params": {}, "model": gn.Dense}, TypeError, r"save: model is Dense, wanted a layer"),
        ({"params": {}, "model": "Dense(2)"}, TypeError, r"save: model is 'Dense\(2\)', wanted a layer"),
        ({"params": {}, "optimizer": gn.adam}, TypeError, r"save: optimizer is adam, wanted"),
        ({"params": {}, "optimizer": 0.01}, TypeError, r"save: optimizer is 0.01, wanted an optimiser"),
        ({"params": {}, "info": {"table": Path("x.csv")}}, TypeError, r"info\['table'\] is a \w*Path, which a file"),
        (
            {"params": {}, "info": {"mae": np.ones(3)}},
            TypeError,
            r"info\['mae'\] is a ndarray.*belong to params or state",
        ),
        ({"params": {}, "info": {3: 1}}, TypeError, r"info has the key 3; keys must be words"),
    ],
)
def test_what_a_file_cannot_hold_is_refused_and_nothing_is_written(tmp_path, content, error, message):
    with pytest.raises(error, match=message):
        save(tmp_path / "a.npz", **content)
    assert os.listdir(tmp_path) == []


def test_a_class_in_place_of_a_model_is_refused_before_the_file_is_read(tmp_path):
    with pytest.raises(TypeError, match="load: model is Dense"):
        load(tmp_path / "none.npz", model=gn.Dense)


GOOD = {
    "graphnn": "0.1.0", "model": None, "repr": None, "optimizer": None, "featurizer": None, "info": {}, "params": {},
    "state": None,
    "run": None,
}  # fmt: skip
DENSE = {"$new": "graphnn.layers.Dense", "width": 1}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"model": "Dense(1)"}, ValueError, "model is 'Dense"),
        ({"model": {"$name": "graphnn.layers.Dense"}}, ValueError, "model is Dense, wanted a layer"),
        ({"model": {"$name": "os.system"}}, KeyError, r"model: 'os.system' is not a name of graphnn"),
        ({"model": {**DENSE, "width": "1"}}, ValueError, r"model.width is '1'; Dense declares width: int"),
        ({"model": {**DENSE, "depth": "1"}}, ValueError, r"model: Dense has no field 'depth'"),
        ({"optimizer": DENSE}, ValueError, r"optimizer is Dense\(1\), wanted an optimiser"),
        ({"featurizer": {"$new": "builtins.open"}}, KeyError, "'builtins.open'"),
        ({"info": {"$new": "subprocess.Popen", "args": "id"}}, KeyError, "'subprocess.Popen'"),
        ({"info": DENSE}, ValueError, "info is no dict"),
        ({"info": []}, ValueError, "info is no dict"),
        ({"params": None}, ValueError, "params is a NoneType"),
        ({"params": {"w": "array"}}, ValueError, r"params\['w'\] is neither an array of the file nor a number"),
        ({"params": {"w": DENSE}}, ValueError, r"params\['w'\] is neither"),
        ({"params": {"w": "abc"}}, ValueError, r"params\['w'\] is neither"),
        ({"state": [1]}, ValueError, "state is a list"),
        ({"more": 1}, ValueError, r"its header has \['featurizer'.*'more'"),
        ({"model": {"$tuple": [{"$tuple": "x"}]}}, ValueError, r"model\[0\] is not as graphnn writes it"),
    ],
)
def test_a_header_that_save_does_not_write_is_refused_by_name(tmp_path, change, error, message):
    archive.write(tmp_path / "a.npz", GOOD, {})
    assert isinstance(load(tmp_path / "a.npz"), Saved)
    archive.write(tmp_path / "a.npz", {**GOOD, **change}, {})
    with pytest.raises(error, match=rf"a\.npz: .*{message}"):
        load(tmp_path / "a.npz")


def test_a_nest_too_deep_is_refused(tmp_path):
    nest: dict = {}
    for _ in range(400):
        nest = {"a": [nest]}
    archive.write(tmp_path / "a.npz", {**GOOD, "info": nest}, {})
    with pytest.raises(ValueError, match=r"a\.npz: the file is not as graphnn writes it: maximum recursion"):
        load(tmp_path / "a.npz")


def test_arrays_and_fields_that_nothing_asks_for_are_refused(tmp_path):
    archive.write(tmp_path / "a.npz", GOOD, {"params/w": np.ones(1)})
    with pytest.raises(ValueError, match=r"it has arrays 'params/w' that its header does not name"):
        load(tmp_path / "a.npz")
    archive.write(tmp_path / "a.npz", {name: part for name, part in GOOD.items() if name != "repr"}, {})
    with pytest.raises(ValueError, match="its header has"):
        load(tmp_path / "a.npz")


def test_every_bit_and_every_byte_of_a_checkpoint_counts(tmp_path, monkeypatch):
    save(tmp_path / "a.npz", SMALL_PARAMS, model=SMALL, optimizer=gn.adam(), state={"step": 1}, info={"rmse": 0.5})
    whole = (tmp_path / "a.npz").read_bytes()
    damaged = [whole[:n] for n in range(len(whole))]
    for i in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[i // 8] ^= 1 << i % 8
        damaged.append(bytes(flipped))
    for data in damaged:
        monkeypatch.setattr(Path, "read_bytes", lambda self, data=data: data)
        with pytest.raises(ValueError, match=r"a\.npz: "):
            load("a.npz")


def test_errors_of_the_disk_name_the_path(tmp_path):
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path / "none" / "a.npz"))):
        save(tmp_path / "none" / "a.npz", {})
    with pytest.raises(FileNotFoundError, match=r"none\.npz"):
        load(tmp_path / "none.npz")
