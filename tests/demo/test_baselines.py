"""The demo's data and baselines, against published indices, brute force, networkx and scikit-learn."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from importlib import resources
from itertools import combinations
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from graphnn.demo import baselines
from graphnn.demo.baselines import BASELINES


def as_tree(graph):
    return graph.number_of_nodes(), np.array(graph.edges, int).reshape(-1, 2)


def as_graph(tree):
    graph = nx.Graph()
    graph.add_nodes_from(range(tree[0]))
    graph.add_edges_from(tree[1].tolist())
    return graph


@pytest.fixture(scope="module")
def rows():
    with (resources.files("graphnn") / "datasets" / "alkanes.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def alkanes(rows):
    """Name -> tree, in the order of the file."""
    bonds = [[[int(end) - 1 for end in bond.split("-")] for bond in row["bonds"].split()] for row in rows]
    return {
        row["name"]: (int(row["carbons"]), np.array(pairs, int).reshape(-1, 2))
        for row, pairs in zip(rows, bonds, strict=True)
    }


@pytest.fixture(scope="module")
def boiling_points(rows):
    return np.array([float(row["boiling_point_celsius"]) for row in rows])


class TestAlkanes:
    def test_every_constitutional_isomer_is_there_once(self, alkanes):
        # Isomers of the alkanes: Henze & Blair, J. Am. Chem. Soc. 53, 3077 (1931).
        sizes = Counter(n_atoms for n_atoms, _ in alkanes.values())
        assert [sizes[n] for n in range(1, 11)] == [1, 1, 1, 2, 3, 5, 9, 18, 35, 75]
        graphs = [as_graph(tree) for tree in alkanes.values()]
        assert all(nx.is_tree(graph) and max(dict(graph.degree).values()) <= 4 for graph in graphs)
        alike = [(a, b) for a, b in combinations(graphs, 2) if len(a) == len(b) and nx.faster_could_be_isomorphic(a, b)]
        assert not any(nx.is_isomorphic(a, b) for a, b in alike)

    @pytest.mark.parametrize(
        ("name", "degrees"),
        [
            ("methane", [0]),
            ("decane", [1, 1] + 8 * [2]),
            ("2,2-dimethylpropane", [1, 1, 1, 1, 4]),
            ("2,2,4-trimethylpentane", [1, 1, 1, 1, 1, 2, 3, 4]),
        ],
    )
    def test_bonds_belong_to_the_name(self, alkanes, name, degrees):
        assert sorted(dict(as_graph(alkanes[name]).degree).values()) == degrees

    def test_bonds_are_those_of_the_smiles(self, rows, alkanes):
        for row in rows:
            open_branches, last, n_atoms, bonds = [], None, 0, []
            for sign in row["smiles"]:
                if sign == "(":
                    open_branches.append(last)
                elif sign == ")":
                    last = open_branches.pop()
                else:
                    bonds += [] if last is None else [[last, n_atoms]]
                    last, n_atoms = n_atoms, n_atoms + 1
            assert alkanes[row["name"]][1].tolist() == bonds

    def test_checksum_is_the_documented_one(self):
        document = Path(__file__).parents[2] / "data" / "README.md"
        if not document.exists():
            pytest.skip("data/README.md is only in the repository")
        file = resources.files("graphnn") / "datasets" / "alkanes.csv"
        assert hashlib.sha256(file.read_bytes()).hexdigest() in document.read_text(encoding="utf-8")


class TestDescriptors:
    @pytest.mark.parametrize("n", [1, 2, 3, 7, 10])
    def test_wiener_index_of_chain_and_star(self, n):
        assert baselines.wiener_index(as_tree(nx.path_graph(n))) == (n**3 - n) // 6
        assert baselines.wiener_index(as_tree(nx.star_graph(n - 1))) == (n - 1) ** 2

    @pytest.mark.parametrize(
        ("name", "wiener", "polarity"),
        # Octanes as tabulated by Wiener, J. Am. Chem. Soc. 69, 17 (1947).
        [("octane", 84, 5), ("2-methylheptane", 79, 5), ("2,2,3,3-tetramethylbutane", 58, 9)],
    )
    def test_published_indices_of_octanes(self, alkanes, name, wiener, polarity):
        assert baselines.wiener_index(alkanes[name]) == wiener
        assert baselines.polarity_number(alkanes[name]) == polarity

    def test_distances_are_those_of_networkx(self, alkanes):
        for tree in alkanes.values():
            assert np.array_equal(baselines.distances(tree), nx.floyd_warshall_numpy(as_graph(tree)))

    def test_polarity_is_pairs_of_branches_over_each_bond(self, alkanes):
        for tree in alkanes.values():
            graph = as_graph(tree)
            expected = sum((graph.degree[a] - 1) * (graph.degree[b] - 1) for a, b in graph.edges)
            assert baselines.polarity_number(tree) == expected

    @pytest.mark.parametrize("name", ["methane", "propane", "2-methylbutane", "3-ethylpentane", "octane"])
    def test_subtree_counts_by_brute_force(self, alkanes, name):
        graph = as_graph(alkanes[name])
        trees = [nx.empty_graph(1), *(t for n in range(2, 7) for t in nx.nonisomorphic_trees(n))]
        skeletons = [t for t in trees if max(dict(t.degree).values()) < 5]
        expected = Counter()
        for size in range(1, 7):
            for nodes in combinations(graph, size):
                part = graph.subgraph(nodes)
                if nx.is_connected(part):
                    expected[next(i for i, t in enumerate(skeletons) if nx.is_isomorphic(t, part))] += 1
        order = [int(np.flatnonzero(row)[-1]) for row in baselines.subtree_counts([as_tree(t) for t in skeletons])]
        assert sorted(order) == list(range(13))
        counts = baselines.subtree_counts([alkanes[name]])[0]
        assert [counts[column] for column in order] == [expected[i] for i in range(13)]

    def test_numbering_of_atoms_does_not_matter(self, alkanes):
        n_atoms, bonds = alkanes["3-ethyl-2,2-dimethylpentane"]
        order = np.random.default_rng(0).permutation(n_atoms)
        for baseline in BASELINES:
            assert np.array_equal(
                baseline.describe([(n_atoms, bonds)]),
                baseline.describe([(n_atoms, order[bonds][::-1, ::-1])]),
            )


class TestPredictors:
    @pytest.fixture
    def tables(self):
        rng = np.random.default_rng(0)
        train, test = rng.normal(size=(30, 4)) * [1, 10, 0.1, 2], rng.normal(size=(7, 4))
        return train, train @ [1, 0.1, 5, 0] + np.sin(train[:, 0]) + 3, test

    def test_least_squares_solves_the_normal_equations(self, tables):
        train, targets, test = tables
        design = np.column_stack([train, np.ones(30)])
        expected = np.column_stack([test, np.ones(7)]) @ np.linalg.solve(design.T @ design, design.T @ targets)
        np.testing.assert_allclose(baselines.predict_least_squares(*tables), expected)

    @pytest.mark.parametrize("n", [6, 7, 8, 30])
    def test_ridge_is_the_closed_form_with_the_penalty_of_explicit_leave_one_out(self, tables, n):
        train, targets, test = tables[0][:n], tables[1][:n], tables[2]
        mean, scale = train.mean(axis=0), train.std(axis=0)
        A, B = (train - mean) / scale, (test - mean) / scale

        def ridge(rows, at, penalty):
            # The intercept is a column of its own and not penalised.
            design = np.column_stack([A[rows], np.ones(len(rows))])
            normal = design.T @ design + penalty * np.diag([1, 1, 1, 1, 0])
            return np.column_stack([at, np.ones(len(at))]) @ np.linalg.solve(normal, design.T @ targets[rows])

        def left_out_error(penalty):
            return sum((ridge(np.delete(np.arange(n), i), A[[i]], penalty)[0] - targets[i]) ** 2 for i in range(n))

        penalty = min(np.logspace(-8, 4, 49), key=left_out_error)
        np.testing.assert_allclose(baselines.predict_ridge(train, targets, test), ridge(np.arange(n), B, penalty))

    def test_gaussian_process_is_that_of_scikit_learn_on_the_same_grid(self, tables):
        process = pytest.importorskip("sklearn.gaussian_process")
        parts = process.kernels
        train, targets, test = tables
        mean, scale = train.mean(axis=0), train.std(axis=0)
        # The mean over four columns is half the distance.
        A, B = (train - mean) / scale / 2, (test - mean) / scale / 2
        centred = targets - targets.mean()
        candidates = []
        for length in 2.0 ** np.linspace(-1, 6, 15):
            for ratio in np.logspace(-9, -1, 33):
                K = np.exp(-((A[:, None] - A) ** 2).sum(axis=2) / (2 * length**2)) + ratio * np.eye(30)
                if np.linalg.cond(K) > 1e12:
                    continue
                variance = centred @ np.linalg.solve(K, centred) / 30
                kernel = parts.ConstantKernel(variance, "fixed") * parts.RBF(length, "fixed")
                model = process.GaussianProcessRegressor(kernel, alpha=ratio * variance, optimizer=None)
                model.fit(A, centred)
                candidates.append((model.log_marginal_likelihood_value_, model))
        best = max(candidates, key=lambda candidate: candidate[0])[1]
        expected = targets.mean() + best.predict(B)
        np.testing.assert_allclose(baselines.predict_gaussian_process(*tables), expected, rtol=1e-6)

    @pytest.mark.parametrize("baseline", BASELINES, ids=lambda baseline: baseline.name)
    def test_a_call_writes_to_nothing_and_test_rows_do_not_meet(self, baseline, tables):
        copies = [table.copy() for table in tables]
        together = baseline.predict(*tables)
        assert all(np.array_equal(a, b) for a, b in zip(tables, copies, strict=True))
        alone = [baseline.predict(*tables[:2], tables[2][[i]])[0] for i in range(7)]
        np.testing.assert_allclose(together, alone, rtol=1e-9)

    @pytest.mark.parametrize(
        ("name", "rmse", "rmse_decanes"),
        # Pooled over ten folds of seed 0, and trained up to nonane; the folds also by an independent script.
        [
            ("mean", 36.24, 57.84),
            ("line through carbon count", 8.36, 14.17),
            ("six terms after Wiener 1947", 2.24, 2.76),
            ("ridge on subtree counts and √n", 1.94, 2.63),
            ("Gaussian process on subtree counts", 1.54, 3.5),
        ],
    )
    def test_errors_on_the_alkanes(self, alkanes, boiling_points, name, rmse, rmse_decanes):
        baseline = next(baseline for baseline in BASELINES if baseline.name == name)
        table, y = baseline.describe(list(alkanes.values())), boiling_points
        errors = [
            baseline.predict(table[train], y[train], table[test]) - y[test]
            for train, test in baselines.folds(150, always=3, seed=0)
        ]
        assert np.sqrt(np.mean(np.concatenate(errors) ** 2)) == pytest.approx(rmse, abs=0.02)
        decanes = baseline.predict(table[:75], y[:75], table[75:]) - y[75:]
        assert np.sqrt(np.mean(decanes**2)) == pytest.approx(rmse_decanes, abs=0.05)


class TestFolds:
    def test_each_example_is_tested_once_and_the_first_never(self):
        parts = baselines.folds(150, always=3, seed=4)
        assert sorted(np.concatenate([test for _, test in parts])) == list(range(3, 150))
        assert all(sorted([*train, *test]) == list(range(150)) for train, test in parts)

    def test_the_seed_decides(self):
        first, again, other = (baselines.folds(150, 3, seed=seed)[0][1] for seed in (0, 0, 1))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: baselines.wiener_index((3, np.array([[0, 1], [1, 3]]))), "bond 1-3 of a tree of 3 atoms"),
        (lambda: baselines.wiener_index((4, np.array([[0, 1], [2, 3], [2, 3]]))), "2 of the atoms reached"),
        (lambda: baselines.wiener_index((3, np.array([[0, 1], [1, 2], [2, 0]]))), "3 atoms with 3 bonds"),
        (lambda: baselines.wiener_index((0, np.zeros((0, 2), int))), "0 atoms with 0 bonds"),
        (lambda: baselines.subtree_counts([as_tree(nx.star_graph(5))]), r"trees\[0\]: an atom has 5 bonds"),
        (lambda: baselines.folds(5, always=3), "10 folds of 2 examples"),
        (lambda: baselines.folds(5, always=3, n_folds=1), "take between 2 and 2"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
