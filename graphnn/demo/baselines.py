"""What a graph network has to beat: five predictors of a tree's property from counts, the oldest of 1947.

A tree is a pair `(n_atoms, bonds)`: the bonds are integers of shape (n_atoms - 1, 2), atoms count from 0. A
baseline is two functions: `describe(trees)` makes one table of descriptors, once for all trees, and
`predict(train rows, targets, test rows)` fits and predicts. Whatever is estimated (means, coefficients,
scales, hyper-parameters) is estimated from the training rows alone, and the columns of a table never depend
on which trees are asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from graphnn.types import Array

Tree: TypeAlias = tuple[int, Array]
Shape: TypeAlias = tuple["Shape", ...]


@dataclass(frozen=True)
class Baseline:
    """A named pair: descriptors of trees, and a fit-and-predict on their rows.

    describe: trees -> (n_trees, n_descriptors)
    predict:  (train rows, targets of shape (n_train,), test rows) -> predictions of shape (n_test,)

    >>> trees = [(1, np.zeros((0, 2), int)), (2, np.array([[0, 1]])), (3, np.array([[0, 1], [1, 2]]))]
    >>> table = MEAN.describe(trees)
    >>> MEAN.predict(table[:2], np.array([-161.5, -88.6]), table[2:]).round(2).tolist()
    [-125.05]
    """

    name: str
    describe: Callable[[Sequence[Tree]], Array]
    predict: Callable[[Array, Array, Array], Array]


def distances(tree: Tree) -> Array:
    """Number of bonds between every two atoms, shape (n_atoms, n_atoms).

    Raises ValueError when the bonds are not those of a tree.

    >>> distances((3, np.array([[0, 1], [1, 2]]))).tolist()
    [[0, 1, 2], [1, 0, 1], [2, 1, 0]]
    """
    neighbours = _neighbours(tree)
    n_atoms = len(neighbours)
    result = np.zeros((n_atoms, n_atoms), dtype=int)
    for start in range(n_atoms):
        reached, ring = {start}, {start}
        while ring:
            ring = {atom for inner in ring for atom in neighbours[inner]} - reached
            result[start, list(ring)] = result[start].max() + 1
            reached |= ring
    return result


def wiener_index(tree: Tree) -> int:
    """W, the sum of the distances over all pairs of atoms.

    The "path number" of Wiener, J. Am. Chem. Soc. 69, 17, 1947. For the chain of n atoms it is (n^3 - n) / 6.

    >>> wiener_index((4, np.array([[0, 1], [1, 2], [2, 3]])))
    10
    """
    return int(distances(tree).sum()) // 2


def polarity_number(tree: Tree) -> int:
    """p, the number of pairs of atoms three bonds apart (Wiener, J. Am. Chem. Soc. 69, 17, 1947).

    >>> polarity_number((4, np.array([[0, 1], [1, 2], [2, 3]])))
    1
    """
    return int((distances(tree) == 3).sum()) // 2


def carbon_counts(trees: Sequence[Tree]) -> Array:
    """One column: n, the number of atoms.

    >>> carbon_counts([(4, np.array([[0, 1], [1, 2], [1, 3]]))]).tolist()
    [[4.0]]
    """
    return np.array([[n_atoms] for n_atoms, _ in trees], dtype=float)


def wiener_descriptors(trees: Sequence[Tree]) -> Array:
    """Six columns: n, n^2, sqrt(n), the Wiener index W, the polarity number p, and W / n^2.

    Wiener (1947) fitted the difference to the straight chain by W / n^2 and p, with the chain's own boiling
    point given. Here the chain has to be learned too: n, n^2 and sqrt(n) are there for it.

    >>> wiener_descriptors([(4, np.array([[0, 1], [1, 2], [2, 3]]))]).tolist()
    [[4.0, 16.0, 2.0, 10.0, 1.0, 0.625]]
    """
    n = carbon_counts(trees)[:, 0]
    w = np.array([wiener_index(tree) for tree in trees], dtype=float)
    p = np.array([polarity_number(tree) for tree in trees], dtype=float)
    return np.column_stack([n, n**2, np.sqrt(n), w, p, w / n**2])


def subtree_counts(trees: Sequence[Tree], largest: int = 6) -> Array:
    """How often each tree of at most `largest` atoms occurs as a connected part, one column per tree.

    The columns are all carbon skeletons (trees of degree at most four) by size, then by canonical form: 13
    for six atoms; the first counts atoms, the second bonds, the third chains of three. They are the same
    whatever trees are asked for. An atom of more than four bonds is a ValueError.

    >>> isobutane = (4, np.array([[0, 1], [1, 2], [1, 3]]))
    >>> subtree_counts([isobutane], largest=4).tolist()  # atoms, bonds, chains of 3, stars, chains of 4
    [[4.0, 3.0, 3.0, 1.0, 0.0]]
    """
    columns = {shape: column for column, shape in enumerate(_skeletons(largest))}
    table = np.zeros((len(trees), len(columns)))
    for row, tree in enumerate(trees):
        neighbours = _neighbours(tree)
        if max(map(len, neighbours)) > 4:
            raise ValueError(
                f"trees[{row}]: an atom has {max(map(len, neighbours))} bonds; subtree counts are of carbon "
                f"skeletons, whose atoms have at most 4."
            )
        for shape, count in Counter(_connected_parts(neighbours, largest)).items():
            table[row, columns[shape]] = count
    return table


def subtree_counts_and_root(trees: Sequence[Tree]) -> Array:
    """The 13 columns of `subtree_counts`, then sqrt(n), because boiling points flatten as molecules grow.

    >>> subtree_counts_and_root([(4, np.array([[0, 1], [1, 2], [1, 3]]))]).shape
    (1, 14)
    """
    return np.column_stack([subtree_counts(trees), np.sqrt(carbon_counts(trees))])


def predict_mean(train: Array, targets: Array, test: Array) -> Array:
    """The mean of the training targets, for everybody.

    >>> predict_mean(np.zeros((2, 1)), np.array([1.0, 2.0]), np.zeros((1, 1))).tolist()
    [1.5]
    """
    return np.full(len(test), targets.mean())


def predict_least_squares(train: Array, targets: Array, test: Array) -> Array:
    """Ordinary least squares with an intercept.

    >>> line = np.array([[0.0], [1.0], [2.0]])
    >>> predict_least_squares(line, np.array([1.0, 3.0, 5.0]), np.array([[3.0]])).round(6).tolist()
    [7.0]
    """
    train, test = _standardized(train, test)
    design = np.column_stack([train, np.ones(len(train))])
    coefficients = np.linalg.lstsq(design, targets, rcond=None)[0]
    return test @ coefficients[:-1] + coefficients[-1]


def predict_ridge(train: Array, targets: Array, test: Array) -> Array:
    """Ridge regression on standardised columns, the penalty chosen by leave-one-out on the training rows.

    With A = U diag(d) V^T the centred columns and t the centred targets, the fit of one penalty is H t with
    H = U diag(d^2 / (d^2 + penalty)) U^T + 1 1^T / n, and the error of a row left out is its residual divided
    by 1 - H_ii (Golub, Heath & Wahba, Technometrics 21, 215, 1979). 49 penalties from 1e-8 to 1e4 are tried.

    >>> line = np.arange(5.0)[:, None]
    >>> predict_ridge(line, 2 * line[:, 0] + 1, np.array([[5.0]])).round(3).tolist()
    [11.0]
    """
    train, test = _standardized(train, test)
    mean = targets.mean()
    left, d, right = np.linalg.svd(train, full_matrices=False)
    rotated = left.T @ (targets - mean)

    def left_out_error(penalty: float) -> float:
        shrink = d**2 / (d**2 + penalty)
        leverage = left**2 @ shrink + 1 / len(train)
        return float(np.mean(((targets - mean - left @ (shrink * rotated)) / (1 - leverage)) ** 2))

    penalty = min(np.logspace(-8, 4, 49), key=left_out_error)
    return mean + test @ (right.T @ (d / (d**2 + penalty) * rotated))


def predict_gaussian_process(train: Array, targets: Array, test: Array) -> Array:
    """Gaussian process with k(a, b) = s^2 exp(-|a - b|^2 / (2 l^2)) on standardised columns, plus noise.

    |a - b|^2 is the mean over columns. The length l and the ratio of noise to s^2 maximise the marginal
    likelihood of the training targets over a grid of 15 lengths (1/2 to 64) and 33 ratios (1e-9 to 1e-1),
    s^2 being known for each in closed form (Rasmussen & Williams, Gaussian Processes for Machine Learning,
    2006, eq. 2.30). One eigendecomposition serves all ratios of a length. What differs: the mean of the
    targets is taken off first.

    >>> angle = np.linspace(0, 6, 20)[:, None]
    >>> predict_gaussian_process(angle, np.sin(angle[:, 0]), np.array([[3.2]])).round(3).tolist()
    [-0.058]
    """
    train, test = _standardized(train, test)
    mean, n = targets.mean(), len(train)
    among_train, to_train = _mean_squares(train, train), _mean_squares(test, train)
    ratios = np.logspace(-9, -1, 33)
    lowest, prediction = np.inf, np.full(len(test), mean)
    for length in 2.0 ** np.linspace(-1, 6, 15):
        eigenvalues, basis = np.linalg.eigh(np.exp(-among_train / (2 * length**2)))
        # Eigenvalues that should be tiny come out slightly negative.
        spectrum = np.maximum(eigenvalues, 0)[:, None] + ratios
        rotated = basis.T @ (targets - mean)
        score = n * np.log((rotated[:, None] ** 2 / spectrum).sum(axis=0)) + np.log(spectrum).sum(axis=0)
        best = score.argmin()
        if score[best] < lowest:
            lowest = score[best]
            coefficients = basis @ (rotated / spectrum[:, best])
            prediction = mean + np.exp(-to_train / (2 * length**2)) @ coefficients
    return prediction


MEAN = Baseline("mean", carbon_counts, predict_mean)
CARBON_COUNT = Baseline("line through carbon count", carbon_counts, predict_least_squares)
WIENER = Baseline("six terms after Wiener 1947", wiener_descriptors, predict_least_squares)
RIDGE = Baseline("ridge on subtree counts and √n", subtree_counts_and_root, predict_ridge)
GAUSSIAN_PROCESS = Baseline("Gaussian process on subtree counts", subtree_counts, predict_gaussian_process)
BASELINES = (MEAN, CARBON_COUNT, WIENER, RIDGE, GAUSSIAN_PROCESS)


def folds(n_examples: int, always: int, n_folds: int = 10, seed: int = 0) -> list[tuple[Array, Array]]:
    """Split the rows from `always` on into shuffled test sets; (train rows, test rows) of each.

    The first `always` rows are in every training set: methane, ethane and propane are alone in their sizes.

    >>> [test.tolist() for _, test in folds(5, always=1, n_folds=2)]
    [[3, 1], [2, 4]]
    """
    if not 2 <= n_folds <= n_examples - always:
        raise ValueError(
            f"folds: {n_folds} folds of {n_examples - always} examples ({n_examples} less the {always} "
            f"always trained on) were asked for; take between 2 and {n_examples - always} folds."
        )
    shuffled = always + np.random.default_rng(seed).permutation(n_examples - always)
    return [(np.setdiff1d(np.arange(n_examples), test), test) for test in np.array_split(shuffled, n_folds)]


def _neighbours(tree: Tree) -> list[set[int]]:
    n_atoms, bonds = tree
    neighbours: list[set[int]] = [set() for _ in range(n_atoms)]
    for first, second in np.asarray(bonds, dtype=int).tolist():
        if not (0 <= first < n_atoms and 0 <= second < n_atoms):
            raise ValueError(
                f"bond {first}-{second} of a tree of {n_atoms} atoms: count atoms from 0 to {n_atoms - 1}."
            )
        neighbours[first].add(second)
        neighbours[second].add(first)
    reached: set[int] = set()
    ring = set(range(min(n_atoms, 1)))
    while ring:
        reached |= ring
        ring = {atom for inner in ring for atom in neighbours[inner]} - reached
    if not len(reached) == n_atoms == len(bonds) + 1:
        raise ValueError(
            f"{n_atoms} atoms with {len(bonds)} bonds, {len(reached)} of the atoms reached from the first, "
            f"are not a tree; a tree has at least one atom, is connected, and has one bond less than atoms."
        )
    return neighbours


def _shape(part: frozenset[int], neighbours: Sequence[set[int]]) -> Shape:
    """The canonical form of a connected part: over all roots, the smallest of its sorted nested branches."""

    def rooted(atom: int, parent: int | None) -> Shape:
        return tuple(sorted(rooted(child, atom) for child in neighbours[atom] & part if child != parent))

    return min(rooted(root, None) for root in part)


def _connected_parts(neighbours: Sequence[set[int]], largest: int) -> Iterable[Shape]:
    """The shapes of all connected parts of at most `largest` atoms, each size grown from the one before."""
    parts = {frozenset([atom]) for atom in range(len(neighbours))}
    for _ in range(largest):
        for part in parts:
            yield _shape(part, neighbours)
        parts = {part | {new} for part in parts for atom in part for new in neighbours[atom] - part}


def _skeletons(largest: int) -> list[Shape]:
    """Every tree of degree at most four with at most `largest` atoms, by size, then by canonical form."""
    skeletons: list[Shape] = []
    trees: dict[Shape, list[set[int]]] = {(): [set()]}
    for _ in range(largest):
        skeletons += sorted(trees)
        grown = {}
        for neighbours in trees.values():
            new = len(neighbours)
            for atom in range(new):
                if len(neighbours[atom]) < 4:
                    tree = [*neighbours, {atom}]
                    tree[atom] = neighbours[atom] | {new}
                    grown[_shape(frozenset(range(new + 1)), tree)] = tree
        trees = grown
    return skeletons


def _standardized(train: Array, test: Array) -> tuple[Array, Array]:
    """Both tables less the training mean, divided by the training deviation (by 1 where it is 0)."""
    mean, scale = train.mean(axis=0), train.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    return (train - mean) / scale, (test - mean) / scale


def _mean_squares(left: Array, right: Array) -> Array:
    return ((left[:, None] - right[None]) ** 2).mean(axis=2)
