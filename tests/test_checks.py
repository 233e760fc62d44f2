"""What comes in is checked once, and the words of the errors."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from graphnn.checks import GraphError, TrainingDiverged, indices, listing, nearest, numbers, rows, same_shape


class TestErrors:
    def test_a_graph_error_names_place_and_part(self):
        error = GraphError("edges", "expected 8 rows, got 7", index=2)
        assert str(error) == "graphs[2].edges: expected 8 rows, got 7"
        assert (error.index, error.attribute) == (2, "edges")
        assert isinstance(error, ValueError)

    def test_without_a_place_in_a_list_it_is_the_graph(self):
        error = GraphError("nodes", "none")
        assert (str(error), error.index) == ("graph.nodes: none", None)
        assert str(error.at(3)) == "graphs[3].nodes: none"

    def test_a_divergence_names_step_and_culprit(self):
        error = TrainingDiverged("step 214: loss is nan", step=214, name="loss", params={})
        assert (str(error), error.step, error.name) == ("step 214: loss is nan", 214, "loss")
        assert isinstance(error, ArithmeticError)

    @pytest.mark.parametrize("clone", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
    @pytest.mark.parametrize("error", [GraphError("nodes", "none", 1), TrainingDiverged("gone", 3, "w", {})], ids=repr)
    def test_errors_cross_process_boundaries_whole(self, error, clone):
        again = clone(error)
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


class TestNumbers:
    @pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int64, np.float16, np.float64, np.longdouble])
    def test_everything_but_float32_becomes_float64(self, dtype):
        out = numbers(np.array([[1, 0]], dtype), "nodes")
        assert (out.dtype, out.tolist()) == (np.float64, [[1.0, 0.0]])

    def test_float32_stays(self):
        assert numbers(np.ones(2, np.float32), "nodes").dtype == np.float32

    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
    def test_the_result_is_its_own_read_only_array(self, dtype):
        given = np.ones((2, 2), dtype)
        out = numbers(given, "nodes")
        assert not out.flags.writeable
        assert not np.shares_memory(out, given)
        assert given.flags.writeable

    def test_uint8_does_not_wrap(self):
        assert (numbers(np.array([200], np.uint8), "nodes") + 100).tolist() == [300.0]

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ([[1, 2], [3]], "graph.nodes: rows have different lengths; give every row the same columns"),
            (["C", "N"], r"graph.nodes: expected numbers, got dtype <U1; encode categories as numbers first"),
            ([None, 1], "graph.nodes: expected numbers, got dtype object"),
            ([1j], "graph.nodes: expected numbers, got dtype complex128"),
            ([[1.0, 2.0], [np.nan, 0.0]], r"graph.nodes: entry \(1, 0\) is nan; every entry must be finite"),
            ([np.inf], r"graph.nodes: entry \(0,\) is inf; every entry must be finite"),
            (
                np.array(["2020-01-01"], "datetime64[D]"),
                "graph.nodes: expected numbers, got dtype datetime64",
            ),
        ],
    )
    def test_what_is_no_finite_number_is_refused(self, value, text):
        with pytest.raises(GraphError, match=text):
            numbers(value, "nodes")


class TestIndices:
    def test_they_are_copied_read_only_machine_integers(self):
        given = np.array([0, 2], np.uint8)
        out = indices(given, "senders", 3)
        assert (out.dtype, out.tolist(), out.flags.writeable) == (np.intp, [0, 2], False)

    @pytest.mark.parametrize("nothing", [[], np.zeros(0), np.zeros((0, 2))])
    def test_nothing_of_any_dtype_is_no_index(self, nothing):
        assert indices(nothing, "senders", 0).shape == (0,)

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ([0, 7], r"graph.receivers: contains 7 but the graph has 5 nodes \(0..4\)"),
            ([0, 5], r"graph.receivers: contains 5 but the graph has 5 nodes \(0..4\)"),
            ([-1, 0], r"graph.receivers: contains -1 but the graph has 5 nodes \(0..4\)"),
            (
                [0.0],
                r"graph.receivers: expected a one-dimensional integer array, got shape \(1,\) of float64",
            ),
            ([True], r"got shape \(1,\) of bool"),
            ([[0]], r"got shape \(1, 1\) of int64"),
            (["a"], r"got shape \(1,\) of <U1"),
            (3, r"got shape \(\) of int64"),
        ],
    )
    def test_what_is_no_index_is_refused(self, value, text):
        with pytest.raises(GraphError, match=text):
            indices(value, "receivers", 5)


class TestRows:
    def test_a_vector_becomes_a_column(self):
        assert rows(np.arange(3.0), "nodes", 3, "one per node").shape == (3, 1)

    @pytest.mark.parametrize("shape", [(2, 3), (4,), (3, 1, 1), ()])
    def test_a_wrong_number_of_rows_or_axes_is_refused(self, shape):
        with pytest.raises(GraphError, match=r"graph.nodes: expected 3 rows \(one per node\), got shape"):
            rows(np.zeros(shape), "nodes", 3, "one per node")


class TestSameShape:
    def test_equal_shapes_pass(self):
        assert same_shape("loss", np.ones((2, 1)), [[1], [2]]) is None

    @pytest.mark.parametrize(
        ("p", "t", "remedy"),
        [
            ((32, 1), (32,), r"use targets\[:, None\]"),
            ((32,), (32, 1), r"use targets\[:, 0\]"),
            ((3, 1), (1, 1), "reshape one of them"),
            ((3, 2), (3,), "for classes pass loss=gn.cross_entropy"),
            ((), (1,), r"use targets\[:, 0\]"),
        ],
    )
    def test_every_other_pair_is_refused_with_a_remedy(self, p, t, remedy):
        with pytest.raises(ValueError, match=r"loss: predictions \(.*\) and targets \(.*\) differ in shape; " + remedy):
            same_shape("loss", np.zeros(p), np.zeros(t))


def test_the_nearest_names_are_suggested_or_nothing():
    known = ["0.dense.weight", "0.dense.bias", "1.graphconv.weight"]
    assert nearest("0.dense.wieght", known).startswith("; did you mean '0.dense.weight'")
    assert nearest("zzz", known) == ""
    assert nearest("a", []) == ""


def test_long_lists_of_names_are_cut():
    assert listing(["a", "b"]) == "'a', 'b'"
    assert listing(list("abcdefgh")) == ", ".join(map(repr, "abcdefgh"))
    assert listing(list("abcdefghij")).endswith("'h' and 2 more")
    assert listing([], most=2) == ""
