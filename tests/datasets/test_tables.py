"""Tables as they lie on people's disks, what is predicted from them, and the files that are none."""

from __future__ import annotations

import csv
import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_files import real_file

from graphnn.datasets.tables import Table, read_table, targets

NAN = np.nan


def table(**columns):
    n = len(next(iter(columns.values())))
    return Table("my.csv", {name: list(map(str, column)) for name, column in columns.items()}, list(range(2, n + 2)))


def read(folder, content, name="my.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path)


class TestReading:
    @pytest.mark.parametrize(
        "content",
        [
            "a,b\nx,1\ny,2\n",
            "a,b\r\nx,1\r\ny,2\r\n",
            "a,b\rx,1\ry,2",
            "a\tb\nx\t1\ny\t2",
            "a;b\nx;1\ny;2\n",
            '"a","b"\n"x","1"\ny,2\n',
            " a , b \n x ,1 \ny, 2\n",
            "\ufeffa,b\nx,1\ny,2\n",
            "a,b\nx,1\ny,2\n\n  \n\n",
            "a,b\nx,1\n\n  \ny,2\n",
            "a,b\nx,1\ny,2\n,\n,\n",
        ],
        ids=[
            "unix",
            "windows",
            "old mac",
            "tabs",
            "semicolons",
            "quotes",
            "blanks",
            "byte order mark",
            "blank ends",
            "blank between",
            "empty ends",
        ],
    )
    def test_one_table_in_many_spellings(self, tmp_path, content):
        found = read(tmp_path, content)
        assert found.columns == {"a": ["x", "y"], "b": ["1", "2"]}
        assert found.n_rows == 2
        assert read(tmp_path, gzip.compress(content.encode()), "my.csv.gz").columns == found.columns

    def test_the_delimiter_is_the_one_that_parts_every_line_alike(self, tmp_path):
        assert read(tmp_path, "name;l,w,h\nx;1,2\ny;2,3,4\n").columns == {"name": ["x", "y"], "l,w,h": ["1,2", "2,3,4"]}
        assert read(tmp_path, "name;a,b;c\nx;1,5;2\ny;2,5,;3\n").columns["a,b"] == ["1,5", "2,5,"]
        assert read(tmp_path, 'name,n\n"1,1;2;3-x",1\n"a;b;c",2\n').columns["name"] == ["1,1;2;3-x", "a;b;c"]
        assert read(tmp_path, "smiles\nCC\n[Na+].[Cl-]\n").columns == {"smiles": ["CC", "[Na+].[Cl-]"]}

    def test_rows_know_their_line(self, tmp_path):
        found = read(tmp_path, 'a,b\n"two\nlines",1\n\nx,2\n')
        assert found.lines == [3, 5]
        assert found.columns["a"] == ["two\nlines", "x"]

    def test_the_first_column_may_have_no_name_as_pandas_writes_its_index(self, tmp_path):
        assert list(read(tmp_path, ",y\n0,1.5\n1,2.5\n").columns) == ["", "y"]

    @settings(deadline=None)
    @given(
        st.integers(1, 4).flatmap(
            lambda k: st.lists(
                st.lists(st.text("ab,;\t\"'\n |é", max_size=6), min_size=k, max_size=k), min_size=1, max_size=5
            )
        ),
        st.sampled_from(",;\t"),
    )
    def test_what_python_writes_is_read(self, tmp_path_factory, rows, delimiter):
        path = tmp_path_factory.mktemp("t") / "my.csv"
        names = [f"c{j}" for j in range(len(rows[0]))]
        filled = [["x" + cell for cell in row] for row in rows]
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([names, *filled])
        wanted = {name: [cell.strip() for cell in column] for name, *column in zip(names, *filled, strict=True)}
        assert read_table(path).columns == wanted

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            ("", ["my.csv: is empty"]),
            ("\n\n", ["my.csv: is empty"]),
            ("smiles,y\n", ["has only a first line", "'smiles', 'y'", "a line for each row"]),
            ("a,b\n1,2\n1,2,3\n", ["my.csv, line 3 has 3 entries", "names 2 columns", "','", "quote"]),
            ("a,b\n1,2\n\n\n1\n", ["line 5 has 1 entries", "'1'"]),
            ("a,b,a\n1,2,3\n", ["columns [1, 3] are all called 'a'", "name of its own"]),
            ('a,b\n1,"2\n3,4\n', ["my.csv, line 3", "unexpected end of data", "quotes"]),
            ("a,b\n1," + "2" * 200_000, ["my.csv, line 2", "field larger than field limit"]),
            (b"PK\x03\x04rest", ["an Excel or zip file", "as CSV (UTF-8)"]),
            (b"\xd0\xcf\x11\xe0rest", ["an old Excel file", "as CSV"]),
            ("a,b\n1,2\n".encode("utf-16"), ["UTF-16 text", "as CSV (UTF-8)"]),
            (b"a,b\n1,\x00\n", ["a binary file", "as CSV"]),
            ("\n <!DOCTYPE html><html>404</html>", ["a web page", "download the file itself"]),
            ("a,b\n1,2\n3,µ\n".encode("latin-1"), ["my.csv: line 3 is not UTF-8 text", "save it as UTF-8"]),
            (gzip.compress(b"a,b\n1,2\n" * 99), ["a gzip file, whose name should end in .gz"]),
        ],
        ids=[
            "empty",
            "blank",
            "header",
            "too long",
            "too short",
            "same names",
            "open quote",
            "endless",
            "xlsx",
            "xls",
            "utf-16",
            "binary",
            "html",
            "latin-1",
            "gz",
        ],
    )
    def test_what_is_no_table_is_refused(self, tmp_path, content, says):
        with pytest.raises(ValueError) as caught:
            read(tmp_path, content)
        assert_says(caught, says)

    def test_a_file_that_is_not_there_is_named_with_its_neighbours(self, tmp_path):
        (tmp_path / "solubility.csv").write_text("a\n1\n")
        with pytest.raises(
            FileNotFoundError, match=r"solubilty\.csv: there is no such file; did you mean 'solubility\.csv'"
        ):
            read_table(tmp_path / "solubilty.csv")
        with pytest.raises(FileNotFoundError, match="there is no such file"):
            read_table(tmp_path / "nowhere" / "my.csv")
        with pytest.raises(ValueError, match="is a folder"):
            read_table(tmp_path)


def assert_says(caught, says):
    message = str(caught.value)
    place = 0
    for words in says:
        assert words in message[place:], f"{words!r} not (or not in this order) in: {message}"
        place = message.index(words, place)


class TestColumns:
    def test_numbers_and_every_way_to_leave_one_out(self):
        found = table(y=["1.5", "-2", "1e3", "", "NA", "n/a", "nan", "NaN", "null", "None", "#N/A"]).numbers("y")
        np.testing.assert_array_equal(found, [1.5, -2, 1000] + [NAN] * 8)

    @pytest.mark.parametrize("text", ["abc", ">10", "1 2", "inf", "-inf", "1e999", "1_000", "-"])
    def test_what_is_no_number_is_refused_by_row_line_and_text(self, text):
        with pytest.raises(ValueError) as caught:
            table(y=["1", "", text, text]).numbers("y")
        assert_says(
            caught, ["my.csv: column 'y' is not numeric: row 2 (line 4) has", repr(text), "in 2 of 4 rows", "blank"]
        )
        assert "point" not in str(caught.value)

    def test_a_decimal_comma_is_recognised(self):
        with pytest.raises(ValueError, match=r"has '1,5'.*; write decimals with a point"):
            table(y=["1,5", "2,5"]).numbers("y")

    def test_an_unknown_column_names_the_nearest(self):
        with pytest.raises(KeyError, match="has no column 'smile'; did you mean 'smiles'"):
            table(smiles=["C"], y=["1"]).column("smile")
        with pytest.raises(KeyError, match="has no column 'target'; there are 'smiles', 'y'"):
            targets(table(smiles=["C"], y=["1"]), "target")

    def test_a_table_shows_itself_in_a_line(self):
        assert repr(table(a=["1", "2"])) == "Table('my.csv', 2 rows, columns 'a')"


TOLD = [
    # entries of the column, what it is taken for, its classes
    ([0, 1, 1, 0], "classification", ("0", "1")),
    ([0, 0, 0, 1], "classification", ("0", "1")),
    ([-1, 1, 1, 1], "classification", ("-1", "1")),
    ([*range(1, 8)] * 2, "classification", tuple("1234567")),
    ([10, 9, 2, 1] * 2, "classification", ("1", "2", "9", "10")),
    (["1.0", "0.0", "1", "0"], "classification", ("0", "1")),
    (["1.0", "", "2.0", "1", "2"], "classification", ("1", "2")),
    (["toxic", "safe", "safe", "toxic"], "classification", ("safe", "toxic")),
    (["b", "NA", "a", "b", "a"], "classification", ("a", "b")),
    ([36, 69, 98, 126, 36, 69, 98, 126], "regression", ()),
    ([1, 2, 3, 3, 4, 4], "regression", ()),
    ([*range(11)] * 2, "regression", ()),
    ([0.5, 1.5, 0.5, 1.5], "regression", ()),
    ([0, 1, 0.5, 1, 0, 0.5], "regression", ()),
    ([-2, 2, -2, 2], "regression", ()),
]  # fmt: skip


class TestTargets:
    @pytest.mark.parametrize(("entries", "task", "classes"), TOLD, ids=str)
    def test_classes_and_numbers_are_told_apart(self, entries, task, classes):
        found = targets(table(y=entries), "y")
        assert (found.task, found.classes, found.names) == (task, classes, ("y",))
        unknown = [str(entry) in ("", "NA") for entry in entries]
        if task == "regression":
            np.testing.assert_array_equal(found.values, np.array(entries, float)[:, None])
            assert found.values.dtype == np.float64
        else:
            for entry, value, missing in zip(entries, found.values, unknown, strict=True):
                assert value == -1 if missing else str(entry).removesuffix(".0") == classes[value]
            assert found.values.dtype == np.int64
        np.testing.assert_array_equal(found.mask.ravel(), ~np.array(unknown))

    def test_the_task_can_be_said(self):
        counts = table(rings=[0, 1, 0, 1], grade=[0.5, 0.5, 70, 70])
        np.testing.assert_array_equal(targets(counts, "rings", "regression").values, [[0.0], [1.0], [0.0], [1.0]])
        assert targets(counts, "grade", "classification").classes == ("0.5", "70")
        assert targets(counts, ["rings", "grade"], "regression").values.shape == (4, 2)
        one = targets(counts, "rings", "multilabel")
        assert (one.task, one.values.shape) == ("multilabel", (4, 1))

    def test_several_regressions_are_masked_entry_by_entry(self):
        found = targets(table(a=["1.5", "", "3", ""], b=["", "2", "4.5", ""]), ["a", "b"])
        np.testing.assert_array_equal(found.values, [[1.5, NAN], [NAN, 2], [3, 4.5], [NAN, NAN]])
        np.testing.assert_array_equal(found.mask, ~np.isnan(found.values))
        assert (found.task, found.names) == ("regression", ("a", "b"))

    def test_several_columns_of_0_and_1_are_labels_of_which_any_may_hold(self):
        found = targets(table(a=["1", "0", "0", "1"], b=["", "1.0", "0.0", "0"]), ["a", "b"])
        np.testing.assert_array_equal(found.values, [[1, NAN], [0, 1], [0, 0], [1, 0]])
        assert (found.task, found.classes) == ("multilabel", ("0", "1"))
        np.testing.assert_array_equal(found.mask, ~np.isnan(found.values))

    def test_the_table_is_left_alone(self):
        given_table = table(a=["NA", "1.0", "1", "2"])
        before = {name: list(column) for name, column in given_table.columns.items()}
        targets(given_table, "a")
        assert given_table.columns == before

    @pytest.mark.parametrize(
        ("columns", "names", "task", "says"),
        [
            ({"y": ["", "NA", "nan"]}, "y", None, ["my.csv: target 'y' is blank in all 3 rows", "choose"]),
            ({"y": ["", "NA", "nan"]}, "y", "regression", ["target 'y' is blank in all 3 rows"]),
            (
                {"y": [1, 1, 1]},
                "y",
                None,
                ["target 'y' is '1' in all 3 rows", "a constant or a single class", "varies"],
            ),
            ({"y": ["a", "a", ""]}, "y", None, ["target 'y' is 'a' in all 2 rows", "a single class", "varies"]),
            ({"y": [2.5, 2.5]}, "y", None, ["target 'y' is '2.5' in all 2 rows", "a constant"]),
            ({"y": ["1.0", "1", "1.00"]}, "y", "classification", ["target 'y' is '1' in all 3 rows"]),
            (
                {"y": [1.5, 2.5, "n.d."]},
                "y",
                None,
                [
                    "target 'y' is not numeric: row 2 (line 4) has 'n.d.'",
                    "1 of 3 rows",
                    "blank",
                    "task to classification",
                ],
            ),
            ({"y": ["a", "b", "b"]}, "y", "regression", ["column 'y' is not numeric: row 0 (line 2) has 'a'"]),
            (
                {"y": ["a", "b", "c", "d"]},
                "y",
                None,
                ["target 'y' has 4 different entries in 4 rows", "'a', 'b', 'c'", "too many for classes"],
            ),
            ({"y": [1.5, 2.5, 3.5]}, "y", "classification", ["3 different entries in 3 rows", "task to regression"]),
            (
                {"a": [0, 1, 0, 1], "b": [1.5, 2, 3, 4]},
                ["a", "b"],
                None,
                ["'a' is classification and 'b' is regression", "one by one", "task to regression"],
            ),
            (
                {"a": [0, 1, 0, 1], "b": [1, 2, 1, 2]},
                ["a", "b"],
                None,
                ["target 'b': row 1 (line 3) has '2'", "0 and 1", "train it alone"],
            ),
            ({"a": [0, 1, 0, 1], "b": [0, 0, 0, 0]}, ["a", "b"], "multilabel", ["target 'b' is '0' in all 4 rows"]),
            ({"a": [0, 1, 0, 1], "b": ["", "", "", ""]}, ["a", "b"], None, ["target 'b' is blank"]),
            ({"a": ["x", "y", "x", "y"]}, "a", "multilabel", ["target 'a': row 0 (line 2) has 'x'", "0 and 1"]),
            ({"a": [1, 2]}, [], None, ["one column or more", "none"]),
            ({"a": [1, 2]}, ["a", "a"], None, ["each once", "'a', 'a'"]),
            (
                {"a": [1, 2]},
                "a",
                "ranking",
                ["task must be one of 'regression', 'classification', 'multilabel', got 'ranking'"],
            ),
        ],
        ids=str,
    )
    def test_what_cannot_be_learned_is_refused_by_name(self, columns, names, task, says):
        with pytest.raises(ValueError) as caught:
            targets(table(**columns), names, task)
        assert_says(caught, says)

    def test_they_show_themselves_in_a_line(self):
        found = targets(table(y=["a", "", "b", "a", "b"]), "y")
        assert repr(found) == "Targets(classification of 'y', 5 rows, 1 missing, classes 'a', 'b')"


class TestRealTables:
    def test_esol_as_moleculenet_has_it(self):
        found = read_table(real_file("esol", "delaney-processed.csv"))
        assert (found.n_rows, len(found.columns)) == (1128, 10)
        assert sum(text.endswith(" ") for text in found.column("smiles")) == 0
        y = targets(found, "measured log solubility in mols per litre")
        assert (y.task, y.mask.all()) == ("regression", True)
        assert (y.values.mean(), y.values.std()) == pytest.approx((-3.050, 2.096), abs=5e-4)

    def test_esol_as_the_paper_has_it_with_windows_line_ends_and_commas_in_names(self):
        found = read_table(real_file("esol", "ci034243xsi20040112_053635.txt"))
        assert found.n_rows == 1144
        assert found.column("Compound ID")[0] == "1,1,1,2-Tetrachloroethane"
        assert found.column("smiles")[0] == "ClCC(Cl)(Cl)Cl"

    @pytest.mark.parametrize(
        ("name", "target", "rows", "std"),
        [("malaria-processed.csv", "activity", 9999, 1.48**0.5), ("cep-processed.csv", "PCE", 29978, 6.44**0.5)],
    )
    def test_neural_fingerprint_tables(self, name, target, rows, std):
        y = targets(read_table(real_file("neural_fingerprint", name)), target)
        assert (y.task, len(y.values)) == ("regression", rows)
        assert y.values.std() == pytest.approx(std, abs=2e-3)

    @pytest.mark.parametrize(
        "name", ["planetoid/ind.cora.x", "gnn_benchmark/cora.npz", "mnist/t10k-labels-idx1-ubyte.gz"]
    )
    def test_files_of_another_kind_are_refused(self, name):
        with pytest.raises(ValueError, match="a table as CSV"):
            read_table(real_file(name))
