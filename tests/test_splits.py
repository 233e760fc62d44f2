"""Splits: laws of what is drawn, real splits drawn again, and what a file or a column may not say."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_files import real_file

from graphnn import splits
from graphnn.splits import Split

NONE = np.zeros(0, np.intp)

seeds = st.integers(0, 2**32 - 1)
group_lists = st.lists(st.integers(0, 8).map(str), min_size=20, max_size=60).filter(lambda g: len(set(g)) >= 5)


def parts(*rows):
    return Split(*(np.array(part, np.intp) for part in rows))


def assert_partition(split, n):
    np.testing.assert_array_equal(np.sort(np.concatenate(split)), np.arange(n))
    for part in split:
        np.testing.assert_array_equal(part, np.sort(part))


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def sides(split, n):
    """Return for every row the part it is in."""
    side = np.full(n, -1)
    for i, part in enumerate(split):
        side[part] = i
    return side


def assert_not_torn(split, groups):
    side = sides(split, len(groups))
    for group in set(groups):
        assert len({int(s) for s, own in zip(side, groups, strict=True) if own == group}) == 1, group


class TestRandom:
    @given(st.integers(10, 300), seeds)
    def test_every_row_is_in_one_part_and_sizes_are_the_fractions(self, n, seed):
        split = splits.random(n, seed=seed)
        assert_partition(split, n)
        assert (len(split.train), len(split.train) + len(split.validation)) == (n * 8 // 10, n * 9 // 10)
        assert_same(split, splits.random(n, seed=seed))

    def test_sizes_are_not_lost_to_rounding_of_the_fractions(self):
        for n in range(10, 500, 10):
            split = splits.random(n, fractions=(0.7, 0.1, 0.2))
            assert [len(part) for part in split] == [7 * n // 10, n // 10, n // 5]

    def test_seeds_differ_and_leave_the_global_generator_alone(self):
        before = np.random.get_state()[1].copy()  # noqa: NPY002 - the state that must not change
        assert not np.array_equal(splits.random(100, seed=1).train, splits.random(100, seed=2).train)
        np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002

    def test_every_row_comes_to_every_part_as_often(self):
        tested = np.zeros(20)
        for seed in range(2000):
            tested[splits.random(20, fractions=(0.5, 0.25, 0.25), seed=seed).test] += 1
        assert abs(tested / 2000 - 0.25).max() < 0.05  # five standard deviations

    @given(group_lists, seeds)
    def test_groups_are_never_torn_and_the_fractions_are_theirs(self, groups, seed):
        split = splits.random(len(groups), fractions=(0.6, 0.2, 0.2), seed=seed, groups=groups)
        assert_partition(split, len(groups))
        assert_not_torn(split, groups)
        count, taken = len(set(groups)), [len({groups[row] for row in part}) for part in split]
        assert (taken[0], taken[0] + taken[1]) == (count * 6 // 10, count * 8 // 10)

    @given(st.lists(st.integers(5, 40), min_size=2, max_size=4), seeds)
    def test_classes_keep_their_shares(self, counts, seed):
        labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
        n = len(labels)
        split = splits.random(n, fractions=(0.5, 0.25, 0.25), seed=seed, labels=labels)
        assert_partition(split, n)
        assert len(split.train) == n // 2
        for c, count in enumerate(counts):
            # half a row by rounding, one by ties, and its part of what the other classes lost by rounding
            slack = 1.5 + len(counts) / 2 * count / n
            for part, share in ((split.train, 0.5), (np.concatenate(split[:2]), 0.75)):
                assert abs(np.sum(labels[part] == c) - share * count) <= slack

    def test_rare_classes_come_to_every_part(self):
        labels = np.concatenate([np.repeat(np.arange(20), 2), np.full(60, 20)])
        split = splits.random(100, fractions=(0.5, 0.25, 0.25), labels=labels)
        assert [int(np.sum(labels[part] < 20)) for part in split] == [20, 10, 10]

    def test_groups_with_labels_count_as_the_label_of_their_first_row(self):
        groups = np.repeat(np.arange(40), 2)
        labels = np.repeat(["rare", "common"], [20, 60])
        split = splits.random(80, fractions=(0.5, 0.0, 0.5), groups=groups, labels=labels)
        assert_not_torn(split, groups.tolist())
        assert [int(np.sum(labels[part] == "rare")) for part in split] == [10, 0, 10]


class TestFolds:
    @given(st.integers(12, 120), st.integers(2, 6), seeds)
    def test_every_row_is_tested_once_and_sizes_are_even(self, n, k, seed):
        made = splits.folds(n, k, validation=0.2, seed=seed)
        assert len(made) == k
        np.testing.assert_array_equal(np.sort(np.concatenate([split.test for split in made])), np.arange(n))
        for split in made:
            assert_partition(split, n)
            rest = n - len(split.test)
            assert len(split.test) in (n // k, -(-n // k))
            assert rest / 5 <= len(split.validation) < rest / 5 + 1
        for one, other in zip(made, splits.folds(n, k, validation=0.2, seed=seed), strict=True):
            assert_same(one, other)

    @given(group_lists, seeds)
    def test_groups_are_never_torn_and_folds_differ_by_the_largest_at_most(self, groups, seed):
        made = splits.folds(len(groups), 4, validation=0.3, seed=seed, groups=groups)
        for split in made:
            assert_partition(split, len(groups))
            assert_not_torn(split, groups)
        sizes = [len(split.test) for split in made]
        assert max(sizes) - min(sizes) <= max(groups.count(group) for group in groups)

    @given(st.lists(st.integers(4, 30), min_size=2, max_size=4), seeds)
    def test_every_class_is_dealt_evenly(self, counts, seed):
        labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
        made = splits.folds(len(labels), 4, seed=seed, labels=labels)
        for c, count in enumerate(counts):
            dealt = [int(np.sum(labels[split.test] == c)) for split in made]
            assert min(dealt) >= count // 4
            assert max(dealt) <= -(-count // 4)
        sizes = [len(split.test) for split in made]
        assert max(sizes) - min(sizes) <= 1

    def test_validation_keeps_the_shares_too_and_may_be_nothing(self):
        labels = np.repeat([0, 1], [40, 160])
        for split in splits.folds(200, 5, validation=0.25, labels=labels):
            assert np.bincount(labels[split.validation]).tolist() == [8, 32]
        assert [len(split.validation) for split in splits.folds(200, 5, validation=0.0)] == [0] * 5

    def test_every_fold_has_a_validation_of_its_own_and_large_groups_come_into_it(self):
        made = splits.folds(100, 5, validation=0.1)
        assert len(set(np.concatenate([split.validation for split in made]).tolist())) > 20
        groups = np.concatenate([np.repeat(np.arange(20), 6), np.arange(20, 100)])
        made = splits.folds(200, 5, validation=0.3, groups=groups)
        assert any(np.sum(split.validation < 120) > 20 for split in made)

    def test_scikit_learn_deals_classes_and_groups_no_better(self):
        selection = pytest.importorskip("sklearn.model_selection")
        rng = np.random.default_rng(0)
        labels, groups = rng.choice(3, 101, p=[0.1, 0.3, 0.6]), rng.choice(25, 101)

        def spread(tests, values):
            table = np.array([np.bincount(values[test], minlength=values.max() + 1) for test in tests])
            return (table.max(axis=0) - table.min(axis=0)).max()

        theirs = [test for _, test in selection.StratifiedKFold(5).split(labels, labels)]
        ours = [split.test for split in splits.folds(101, 5, labels=labels)]
        assert spread(ours, labels) <= spread(theirs, labels) == 1
        for train, test in selection.GroupKFold(5).split(labels, groups=groups):
            assert not set(groups[train]) & set(groups[test])
        for split in splits.folds(101, 5, groups=groups):
            assert not set(groups[split.train]) & set(groups[split.test])


class TestScaffold:
    def test_the_largest_groups_are_learned_and_the_rarest_tested(self):
        scaffolds = ["a"] * 5 + ["b"] * 2 + ["c", "d", "e"]
        assert_same(splits.scaffold(scaffolds, fractions=(0.7, 0.1, 0.2)), parts(range(7), [7], [8, 9]))
        assert_same(splits.scaffold(scaffolds[::-1], fractions=(0.7, 0.1, 0.2)), parts(range(3, 10), [0], [1, 2]))

    def test_a_smaller_group_still_fits_where_a_larger_did_not(self):
        split = splits.scaffold(["a"] * 3 + ["b"] * 3 + ["c"] * 2 + ["d"] * 2, fractions=(0.5, 0.2, 0.3))
        assert_same(split, parts([0, 1, 2, 6, 7], [8, 9], [3, 4, 5]))

    def test_a_group_larger_than_the_fraction_of_train_is_learned_all_the_same(self):
        assert_same(splits.scaffold([""] * 9 + ["a", "b"]), parts(range(9), [9], [10]))

    @given(st.lists(st.sampled_from("abcdefgh"), min_size=30, max_size=60))
    def test_no_scaffold_is_on_two_sides(self, scaffolds):
        try:
            split = splits.scaffold(scaffolds, fractions=(0.5, 0.3, 0.2))
        except ValueError as error:
            assert "would be empty" in str(error)
            return
        assert_partition(split, len(scaffolds))
        assert_not_torn(split, scaffolds)


def test_a_column_of_words_is_a_split():
    words = ["Train", "TEST", "training ", "val", "valid", " Validation", "testing", "train"]
    assert_same(splits.from_column(words), parts([0, 2, 7], [3, 4, 5], [1, 6]))


class TestFiles:
    @given(st.integers(10, 40), st.integers(2, 4), st.text(max_size=5), seeds)
    @settings(deadline=None)
    def test_what_is_written_is_read(self, tmp_path_factory, n, k, name, seed):
        made = [(f"{name}/{i}", split) for i, split in enumerate(splits.folds(n, k, validation=0.0, seed=seed))]
        path = tmp_path_factory.mktemp("s") / "mine.json"
        splits.write(path, made)
        found = splits.read(path)
        assert [own for own, _ in found] == [own for own, _ in made]
        for (_, one), (_, other) in zip(found, made, strict=True):
            assert_same(one, other)
        assert path.read_bytes().decode() == splits.to_json(made)

    @pytest.mark.parametrize(
        ("content", "names"),
        [
            ({"train": [0], "val": [1], "test": [2]}, ["mine"]),
            ({"Training": [0], "Testing": [1], "note": "by hand"}, ["mine"]),
            ([{"train": [0], "valid": [1], "test": [2]}] * 2, ["0", "1"]),
            ({"a": [{"train": [0], "test": [1]}], "b": {"train": [0], "test": [1]}}, ["a/0", "b"]),
            ({"about": "x", "seeds": [0, 1], "n": 3, "s": {"train": [1, 0], "validation": [], "test": [2]}}, ["s"]),
        ],
    )
    def test_forms_of_a_file(self, tmp_path, content, names):
        path = tmp_path / "mine.json"
        path.write_text(json.dumps(content))
        found = splits.read(path)
        assert [name for name, _ in found] == names
        for _, split in found:
            assert_partition(split, sum(map(len, split)))

    def test_a_byte_order_mark_is_no_part_of_it(self, tmp_path):
        path = tmp_path / "mine.json"
        path.write_text('\ufeff{"train": [0], "test": [1]}', encoding="utf-8")
        assert_same(splits.read(path)[0][1], parts([0], [], [1]))

    def test_one_or_all_of_a_name_are_picked(self, tmp_path):
        path = tmp_path / "mine.json"
        splits.write(path, [(name, parts([0], [], [1])) for name in ("random/0", "random/1", "randomly")])
        assert [name for name, _ in splits.read(path, "random")] == ["random/0", "random/1"]
        assert [name for name, _ in splits.read(f"{path}:random/1")] == ["random/1"]
        with pytest.raises(KeyError, match="no split 'rando'; did you mean 'random'"):
            splits.read(path, "rando")
        with pytest.raises(KeyError, match="no split 'zzz'; there is 'random', 'random/0'"):
            splits.read(f"{path}:zzz")

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            ("{", "mine.json: not a JSON file of splits"),
            ("[" * 100_000, "mine.json: not a JSON file of splits"),
            ("{}", "mine.json: no split in it; wanted"),
            ('{"about": "x", "rows": [1, 2]}', "no split in it"),
            ('{"train": [0], "val": [1]}', r"split 'mine' has no list 'test', only 'train', 'val'"),
            ('{"a": {"train": [0], "tset": [1]}}', r"split 'a' has a list 'tset'; wanted one train"),
            ('{"train": [0], "val": [1], "valid": [2], "test": [3]}', "has a list 'valid'"),
            ('{"train": [0, 1.5], "test": [1]}', r"train has 1\.5; wanted row numbers from 0"),
            ('{"train": [0, true], "test": [1]}', "train has True"),
            ('{"train": ["0"], "test": [1]}', "train has 0; wanted"),
            ('{"train": [0], "test": [-1, 1e99, 99999999999]}', r"test has -1, 1e\+99, 99999999999"),
            ('{"train": [0, 3, 4], "test": [4, 3]}', "split 'mine': both train and test have row 3, 4"),
            ('{"train": [0, 0], "test": [1]}', "split 'mine': train has more than once row 0"),
            ('{"train": [], "test": [1]}', "split 'mine': train is empty"),
        ],
    )
    def test_files_that_are_refused(self, tmp_path, content, says):
        path = tmp_path / "mine.json"
        path.write_text(content)
        with pytest.raises(ValueError, match=says):
            splits.read(path)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: splits.random(0), ValueError, "random: n is the number of rows, a whole number from 1, got 0"),
        (lambda: splits.random(5), ValueError, r"random: 5 rows are too few for shares of 0.8, 0.1, 0.1: validation"),
        (lambda: splits.random(9, groups="aabbccdde"), ValueError, r"one entry for each of 9 rows, got shape \(\)"),
        (lambda: splits.random(9, groups=list("aabbccdde")), ValueError, "random: 5 groups are too few .* validation"),
        (lambda: splits.random(9, fractions=(0.8, 0.1)), ValueError, r"three numbers that add up to 1, got .0.8, 0.1"),
        (lambda: splits.random(9, fractions=(0.8, 0.1, 0.2)), ValueError, "add up to 1"),
        (lambda: splits.random(9, fractions=(1.2, -0.1, -0.1)), ValueError, "add up to 1"),
        (lambda: splits.random(3, groups=["a", None, "b"]), ValueError, "random: row 1 of groups is None; every row"),
        (lambda: splits.random(2, groups=[None, None]), ValueError, "random: row 0 of groups is None; every row"),
        (lambda: splits.random(3, labels=[0.0, 1.0, np.nan]), ValueError, "random: row 2 of labels is .*nan"),
        (lambda: splits.random(4, labels=[0.5, 1.5, 2.5, 3.5]), ValueError, "labels has 4 different values for 4 rows"),
        (lambda: splits.folds(9, 1), ValueError, r"whole number from 2 to 9 \(there are 9 rows\), got 1"),
        (lambda: splits.folds(9, 10), ValueError, "from 2 to 9"),
        (lambda: splits.folds(9, 2.0), ValueError, "got 2.0"),
        (lambda: splits.folds(4, 3, groups=list("aabb")), ValueError, r"there are 2 groups\), got 3"),
        (lambda: splits.folds(9, 3, validation=1), ValueError, "folds: validation is a share of the rows.*got 1"),
        (lambda: splits.folds(4, 2, validation=0.9), ValueError, "beside one fold are too few.*train would be empty"),
        (lambda: splits.scaffold(["a"] * 9), ValueError, "9 rows with 1 scaffolds, 9 of one,.*validation"),
        (lambda: splits.scaffold([]), ValueError, "0 rows with 0 scaffolds.*train would be empty"),
        (lambda: splits.scaffold(["a", None]), TypeError, "scaffold: row 1 has None, wanted a SMILES"),
        (lambda: splits.from_column(["train", "", "tset", "test"]), ValueError, r"rows 1 \(''\), 2 \('tset'\),"),
        (lambda: splits.from_column(["x"] * 9), ValueError, r"4 \('x'\), and 4 more"),
        (lambda: splits.from_column(["train", "val"]), ValueError, "from_column: test is empty; it needs rows to test"),
        (lambda: splits.to_json([parts([0], [], [1])]), TypeError, "pairs of a name and a Split"),
        (lambda: splits.to_json(parts([0], [], [1])), TypeError, "pairs of a name and a Split"),
        (lambda: splits.to_json([5]), TypeError, "pairs of a name and a Split"),
        (lambda: splits.to_json([("a", parts([0], [], [1]), 1)]), TypeError, "pairs of a name and a Split"),
        (lambda: splits.to_json([("a", parts([0], [], [1]))] * 2), ValueError, "two splits are called 'a'"),
        (lambda: splits.check(([0], [], [1]), 2), TypeError, "expected a Split, got tuple"),
        (lambda: splits.check(Split([0], [], [2]), 2), ValueError, r"test has row 2, but there are 2 \(0\.\.1\)"),
        (lambda: splits.check(parts([0, -1], [], [1]), 2), ValueError, "train has row -1"),
        (lambda: splits.check(parts([0, 1], [2], [1, 2]), 3), ValueError, "both train and test have row 1;"),
        (lambda: splits.check(parts([0], [], []), 3), ValueError, "test is empty"),
        (lambda: splits.check(Split(np.array([True]), NONE, np.array([1])), 2), TypeError, "np.flatnonzero.mask"),
        (lambda: splits.check(parts([0, 1], [3], [2]), 4, groups=["C", "O", "C", "O"]), ValueError,
         r"rows 1 \(train\) and 3 \(validation\) are of one group, 'O', and 1 more; keep duplicates on one side"),
    ],
)  # fmt: skip
def test_what_is_refused_and_how(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_a_good_split_passes_and_need_not_use_every_row():
    splits.check(parts([0, 5], [], [3]), 6, groups=["C", "C", "N", "O", "C", "C"])
    splits.check(Split([0], [], [1]), 2)


@pytest.fixture(scope="module")
def molecules():
    Chem = pytest.importorskip("rdkit.Chem")
    murcko = pytest.importorskip("rdkit.Chem.Scaffolds.MurckoScaffold")
    with real_file("esol", "delaney-processed.csv").open(encoding="utf-8", newline="") as file:
        found = [Chem.MolFromSmiles(row["smiles"].strip()) for row in csv.DictReader(file)]
    return [Chem.MolToSmiles(m) for m in found], [murcko.MurckoScaffoldSmiles(mol=m) for m in found]


@pytest.fixture(scope="module")
def published():
    return dict(splits.read(real_file("derived", "esol_splits.json")))


class TestEsol:
    """The splits of ESOL that the reference scores were measured on, drawn again."""

    def test_the_file_holds_five_random_splits_and_one_by_scaffold(self, published):
        assert list(published) == [*(f"random/{i}" for i in range(5)), "scaffold"]
        for split in published.values():
            assert_partition(split, 1128)

    @pytest.mark.parametrize("seed", range(5))
    def test_random_over_distinct_molecules(self, molecules, published, seed):
        canonical, _ = molecules
        assert_same(splits.random(1128, seed=seed, groups=canonical), published[f"random/{seed}"])
        splits.check(published[f"random/{seed}"], 1128, groups=canonical)

    def test_duplicates_stay_on_one_side_of_every_fold(self, molecules):
        canonical, _ = molecules
        assert len(set(canonical)) == 1117
        for split in splits.folds(1128, 10, groups=canonical):
            assert_partition(split, 1128)
            splits.check(split, 1128, groups=canonical)

    def test_scaffold(self, molecules, published):
        canonical, scaffolds = molecules
        assert_same(splits.scaffold(scaffolds), published["scaffold"])
        splits.check(published["scaffold"], 1128, groups=scaffolds)
        splits.check(published["scaffold"], 1128, groups=canonical)
