"""Parameter tables, differences and selections."""

from __future__ import annotations

import html.parser

import numpy as np
import pytest

from graphnn.insight.params import diff, select, table


def make_params():
    rng = np.random.default_rng(0)
    return {
        "0.graphconv.weight": rng.normal(size=(5, 4)).astype(np.float32),
        "0.graphconv.bias": np.zeros(4, np.float32),
        "1.batchnorm.running_mean": rng.random(4),
        "temperature": 2.0,
        "steps": np.arange(5),
        "seen": np.array([True, False]),
        "empty": np.zeros((0, 3)),
        "broken": np.array([np.nan, 1.0, -np.inf]),
    }


def row(shown, name):
    return dict(zip(shown.columns, shown.rows[shown.column("name").index(name)], strict=True))


class TestTable:
    def test_every_row_tells_the_facts(self):
        params = make_params()
        shown = table(params)
        assert shown.column("name") == tuple(params)
        weight = params["0.graphconv.weight"]
        fact = row(shown, "0.graphconv.weight")
        assert (fact["shape"], fact["dtype"], fact["zeros %"], fact["nan/inf"]) == ((5, 4), "float32", 0.0, 0)
        assert fact["norm"] == pytest.approx(np.sqrt((weight.astype(float) ** 2).sum()))
        assert (fact["min"], fact["max"]) == (weight.min(), weight.max())
        assert row(shown, "0.graphconv.bias")["zeros %"] == 100.0
        fact = row(shown, "steps")
        assert (fact["dtype"], fact["min"], fact["max"], fact["zeros %"]) == ("int64", 0.0, 4.0, 20.0)
        fact = row(shown, "temperature")
        assert (fact["shape"], fact["dtype"], fact["norm"]) == ((), "float64", 2.0)
        assert row(shown, "seen")["zeros %"] == 50.0

    def test_an_empty_array_has_no_minimum(self):
        fact = row(table(make_params()), "empty")
        assert (fact["norm"], fact["min"], fact["max"], fact["zeros %"]) == (0.0, None, None, None)
        assert fact["histogram"] == ""

    def test_numbers_that_are_not_finite_are_shown_and_counted(self):
        fact = row(table(make_params()), "broken")
        assert fact["nan/inf"] == 2
        assert np.isnan([fact["norm"], fact["min"], fact["max"]]).all()
        assert "nan" in repr(table(make_params()))
        assert row(table({"a": np.array([np.inf, 1.0])}), "a")["max"] == np.inf
        assert "nan/inf" not in table({"a": np.ones(2)}).columns

    def test_the_last_line_counts(self):
        lines = repr(table(make_params())).splitlines()
        # 20 and 4 float32, 4 + 1 + 3 float64, 5 int64 and 2 booleans
        assert lines[-1] == "8 arrays, 35 parameters, 4 numbers of running statistics, 202 B"
        assert len(lines) == 10
        assert repr(table({"a": 1.0})).splitlines()[-1] == "1 array, 1 parameter, 8 B"
        assert repr(table({"a": np.zeros(1_234_567)})).splitlines()[-1] == "1 array, 1,234,567 parameters, 9.88 MB"
        assert repr(table({})).splitlines()[-1] == "0 arrays, 0 parameters, 0 B"

    def test_columns_stand_below_each_other(self):
        params = {name: value for name, value in make_params().items() if name != "empty"}
        head, *rows = repr(table(params)).splitlines()[:-1]
        end = head.index("zeros %") + len("zeros %")
        assert all(line[end - 1].isdigit() and line[end] == " " for line in rows)
        start = head.index("shape")
        assert all(line[start] == "(" and line[start - 1] == " " for line in rows)

    def test_gradients_stand_beside_their_parameters(self):
        params = make_params()
        shown = table(params, grads={"0.graphconv.bias": np.array([3.0, 0.0, 4.0, 0.0]), "other": 1.0})
        assert row(shown, "0.graphconv.bias")["grad norm"] == 5.0
        assert row(shown, "steps")["grad norm"] is None
        assert "grad norm" not in table(params).columns

    def test_the_change_is_relative_to_the_params_of_before(self):
        before = {"a": np.array([3.0, 4.0]), "b": np.zeros(2), "c": np.zeros(2), "d": 1.0}
        after = {"a": np.array([3.0, 4.5]), "b": np.zeros(2), "c": np.ones(2), "e": 1.0}
        assert table(after, previous=before).column("change") == (pytest.approx(0.1), 0.0, np.inf, None)

    def test_a_pattern_chooses_rows(self):
        assert table(make_params(), like="0.*").column("name") == ("0.graphconv.weight", "0.graphconv.bias")
        with pytest.raises(KeyError, match=r"select: no name matches '9\.\*'"):
            table(make_params(), like="9.*")

    @pytest.mark.parametrize(
        ("values", "picture"),
        [
            ([0.0, 1.0], "█        █"),
            (np.arange(10), "█" * 10),
            ([0.0] * 8 + [1.0], "█        ▁"),
            ([0.0] * 2 + [1.0], "█        ▄"),
            ([0.0] * 99 + [1.0], "█        ▁"),
            ([7.0], "     █"),
            ([1e16, 1e16 + 2], "█        █"),
            ([-1.7e308, 1.7e308], "█        █"),
            ([0.0, 5e-324], "█        █"),
            ([np.nan, 0.0, 1.0, np.inf], "█        █"),
        ],
        ids=str,
    )
    def test_the_histogram_draws_the_finite_entries(self, values, picture):
        assert table({"a": np.array(values)}).column("histogram")[0].rstrip() == picture

    def test_html_holds_the_same_cells_and_escapes_names(self):
        class Cells(html.parser.HTMLParser):
            def __init__(self):
                super().__init__()
                self.open, self.cells = [], []

            def handle_starttag(self, tag, attrs):
                self.open.append(tag)
                if tag in ("td", "th"):
                    self.cells.append("")

            def handle_endtag(self, tag):
                assert self.open.pop() == tag

            def handle_data(self, data):
                self.cells[-1] += data

        shown = table({"<script>&": np.array([1.0, 2.0])})
        parser = Cells()
        parser.feed(shown._repr_html_())
        assert parser.open == []
        assert parser.cells[: len(shown.columns)] == list(shown.columns)
        assert parser.cells[len(shown.columns) :][:4] == ["<script>&", "(2,)", "float64", "2.24"]
        assert parser.cells[-1] == shown.total
        assert "<script>" not in shown._repr_html_()

    def test_nothing_passed_in_is_written_to(self):
        params = {name: np.array(value) for name, value in make_params().items()}
        for value in params.values():
            value.setflags(write=False)
        table(params, grads=params, previous=params)
        diff(params, params)
        assert list(params) == list(make_params())

    @pytest.mark.parametrize("source", ["grads", "previous"])
    def test_another_shape_is_refused(self, source):
        message = rf"table: {source} has shape \(3,\) for 'a', the parameter has shape \(2,\)"
        with pytest.raises(ValueError, match=message):
            table({"a": np.ones(2)}, **{source: {"a": np.ones(3)}})

    @pytest.mark.parametrize("value", ["text", np.array([1j]), None], ids=repr)
    def test_what_is_no_number_is_refused(self, value):
        with pytest.raises(TypeError, match=r"table: parameter 'a' holds .+, expected real numbers"):
            table({"a": value})

    def test_an_unknown_column_is_refused(self):
        with pytest.raises(KeyError, match=r"the table has no column 'size', it has 'name', 'shape'"):
            table({"a": 1.0}).column("size")


class TestDiff:
    def test_the_largest_relative_change_comes_first(self):
        before = {"small": np.full(4, 10.0), "large": np.ones(4), "same": np.ones(2), "new": np.zeros(1)}
        after = {"small": np.full(4, 11.0), "large": np.full(4, 1.5), "same": np.ones(2), "new": np.ones(1)}
        shown = diff(before, after)
        assert shown.column("name") == ("new", "large", "small", "same")
        assert shown.column("change") == (np.inf, 0.5, pytest.approx(0.1), 0.0)
        assert shown.column("largest step") == (1.0, 0.5, 1.0, 0.0)
        assert shown.total == "3 changed, 1 equal"

    def test_the_largest_step_is_that_of_one_entry(self):
        shown = diff({"a": np.array([3.0, 4.0])}, {"a": np.array([3.0, 1.0])})
        assert shown.column("largest step") == (3.0,)
        assert shown.column("change") == (pytest.approx(0.6),)

    def test_names_of_one_side_and_other_shapes_are_listed(self):
        before = {"gone": np.ones(2), "wide": np.ones((3, 4)), "same": np.ones(2)}
        after = {"wide": np.ones((5, 4)), "same": np.ones(2), "fresh": np.ones(3)}
        shown = diff(before, after)
        assert shown.column("name") == ("same", "gone", "wide", "fresh")
        assert shown.column("note") == ("", "only before", "shape (3, 4) before", "only after")
        assert shown.column("change") == (0.0, None, None, None)
        assert shown.column("shape") == ((2,), (2,), (5, 4), (3,))
        assert shown.total == "1 equal, 1 reshaped, 1 only before, 1 only after"

    def test_nan_comes_before_every_number_and_equal_nan_is_no_change(self):
        before = {"a": np.ones(2), "b": np.array([np.nan, 1.0]), "c": np.ones(2)}
        after = {"a": np.full(2, 9.0), "b": np.array([np.nan, 1.0]), "c": np.array([np.nan, 1.0])}
        shown = diff(before, after)
        assert shown.column("name") == ("c", "a", "b")
        assert np.isnan(shown.column("change")[0])
        assert shown.column("change")[2] == 0.0

    def test_another_dtype_is_noted(self):
        shown = diff({"a": np.ones(2, np.float32)}, {"a": np.ones(2)})
        assert shown.column("note") == ("dtype float32 before",)

    def test_whole_numbers_below_zero_are_no_overflow(self):
        shown = diff({"a": np.array([0], np.uint8)}, {"a": np.array([255], np.uint8)})
        assert diff({"a": np.array([255], np.uint8)}, {"a": np.array([0], np.uint8)}).column("change") == (1.0,)
        assert shown.column("largest step") == (255.0,)

    def test_mixed_kinds_are_no_error(self):
        params = make_params()
        assert diff(params, params).total == "8 equal"
        assert diff({}, {}).total == "no parameters"
        assert repr(diff({}, {})).splitlines()[-1] == "no parameters"


class TestSelect:
    def test_it_gives_the_part_that_matches_in_order(self):
        params = make_params()
        part = select(params, "?.*")
        assert list(part) == ["0.graphconv.weight", "0.graphconv.bias", "1.batchnorm.running_mean"]
        assert part["0.graphconv.weight"] is params["0.graphconv.weight"]
        assert type(part) is dict

    def test_case_counts(self):
        with pytest.raises(KeyError):
            select({"Dense.weight": 1.0}, "dense.*")

    @pytest.mark.parametrize(
        ("pattern", "message"),
        [
            (
                "0.grpahconv.weight",
                r"no name matches '0\.grpahconv\.weight'; did you mean '0\.graphconv\.weight'",
            ),
            ("temprature*", r"no name matches 'temprature\*'; did you mean 'temperature'"),
            ("zzz", r"no name matches 'zzz'; the names are '0\.graphconv\.weight', '0\.graphconv\.bias'"),
        ],
    )
    def test_no_match_suggests_names(self, pattern, message):
        with pytest.raises(KeyError, match=message):
            select(make_params(), pattern)

    def test_nothing_to_choose_from(self):
        with pytest.raises(KeyError, match=r"select: no name matches '\*'; params is empty"):
            select({}, "*")


def test_a_table_of_a_model_asks_for_the_params():
    with pytest.raises(TypeError, match="table: got a object; pass the params"):
        table(object())
