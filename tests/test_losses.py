"""Losses against plain formulas and SciPy; masks, weights and missing targets; what they refuse and how."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
import scipy.stats
from autograd.test_util import check_grads
from derivatives import Case, DerivativeLaws, away_from_zero, name_of, normal, relu

import graphnn as gn

P, T = normal("losses", (6, 2), (6, 2))
T = P + away_from_zero(T)  # no difference at a kink of |d|
LOGITS, WIDE = normal("logits", (6, 3), (6, 4))
LABELS = np.array([2, 0, 1, 1, 0, 2])
BITS = np.array([[1, 0], [0, 1], [1, 1], [0, 0], [0.25, 1], [1, 0.5]])
SIGNS = 2 * BITS.round().astype(int) - 1
ROW_MASK = np.array([True, False, True, True, False, True])
ENTRY_MASK = np.median(T) < T
ROW_WEIGHTS = np.array([1.0, 2.0, 0.0, 0.5, 3.0, 1.0])
ENTRY_WEIGHTS = np.abs(T) + 0.1


def huber_of(d: np.ndarray) -> np.ndarray:
    size = d * np.sign(d.real)
    return np.where(size.real <= 1.0, d * d / 2, size - 0.5)


def log_softmax(z: np.ndarray) -> np.ndarray:
    return z - np.log(np.exp(z).sum(1, keepdims=True))


def weston_watkins(z: np.ndarray) -> np.ndarray:
    rows = []
    for scores, label in zip(z, LABELS, strict=True):
        rows.append(sum(relu(1 + scores[k] - scores[label]) for k in range(3) if k != label))
    return np.array(rows)


def gaussian(z: np.ndarray) -> np.ndarray:
    m, log_v = z[:, :2], z[:, 2:]
    return 0.5 * (log_v + (m - T) ** 2 / np.exp(log_v) + np.log(2 * np.pi))


COUNTS = np.array([[0, 2], [1, 0], [5, 3], [0, 0], [7, 1], [2, 4]])


def softplus(z: np.ndarray) -> np.ndarray:
    return np.log(1 + np.exp(z))


PLAIN = {  # name: (targets, predictions, the values that are averaged)
    "mean_squared_error": (T, P, lambda z: (z - T) ** 2),
    "mean_absolute_error": (T, P, lambda z: (z - T) * np.sign((z - T).real)),
    "huber": (T, P, lambda z: huber_of(z - T)),
    "binary_cross_entropy": (BITS, P, lambda z: softplus(z) - BITS * z),
    "hinge": (SIGNS, P, lambda z: relu(1 - SIGNS * z)),
    "gaussian_nll": (T, WIDE, gaussian),
    "poisson_nll": (COUNTS, P, lambda z: np.exp(z) - COUNTS * z + scipy.special.gammaln(COUNTS + 1)),
    "cross_entropy": (LABELS, LOGITS, lambda z: -log_softmax(z)[range(6), LABELS]),
    "multiclass_hinge": (LABELS, LOGITS, weston_watkins),
}
BY_ROW = ("cross_entropy", "multiclass_hinge")
CHOICES = {
    "plain": {},
    "rows": {"mask": ROW_MASK},
    "entries": {"mask": ENTRY_MASK},
    "weighted-rows": {"weights": ROW_WEIGHTS},
    "weighted-entries": {"weights": ENTRY_WEIGHTS},
    "both": {"mask": ROW_MASK, "weights": ROW_WEIGHTS},
    "mixed": {"mask": ENTRY_MASK, "weights": ROW_WEIGHTS},
}


def averaged(values: np.ndarray, mask=None, weights=None) -> np.ndarray:
    share = np.ones(values.shape)
    for part in (mask, weights):
        if part is not None:
            share = share * (part if np.shape(part) == values.shape else np.asarray(part)[:, None])
    return (values * share).sum() / share.sum()


def case_of(name: str, choice: str) -> Case:
    targets, predictions, plain = PLAIN[name]
    loss, settings = getattr(gn, name), CHOICES[choice]
    return Case(
        f"{name}-{choice}",
        lambda p: loss(p, targets, **settings),
        lambda z: averaged(plain(z), **settings),
        (predictions,),
    )


RANKED = np.array([[3, 1], [1, 1], [2, 0], [2, 5], [9, -1], [0, 5]])


def ranked(z, mask=None, weights=None):
    """RankNet pair by pair, column by column."""
    share, total, pairs = np.ones(RANKED.shape), 0, 0
    for part in (mask, weights):
        if part is not None:
            share = share * (part if np.shape(part) == share.shape else np.asarray(part)[:, None])
    for k in range(2):
        for i in range(6):
            for j in range(6):
                if RANKED[i, k] > RANKED[j, k]:
                    total = total + share[i, k] * share[j, k] * softplus(z[j, k] - z[i, k])
                    pairs += share[i, k] * share[j, k]
    return total / pairs


def ranking_case(choice: str) -> Case:
    settings = CHOICES[choice]
    return Case(
        f"pairwise_ranking-{choice}",
        lambda p: gn.pairwise_ranking(p, RANKED, **settings),
        lambda z: ranked(z, **settings),
        (P,),
    )


TWO = [  # loops, weights, parallel edges and a node alone
    gn.Graph(np.ones((3, 1)), [0, 1, 1, 0], [1, 0, 1, 1], weights=[2.0, 0.5, 1.0, 3.0]),
    gn.Graph(np.ones((2, 1)), [0], [1], weights=[1.5]),
]


def unlike(h: np.ndarray) -> np.ndarray:
    """Edges one by one."""
    ends = [(0, 1, 2.0), (1, 0, 0.5), (1, 1, 1.0), (0, 1, 3.0), (3, 4, 1.5)]
    return 0.3 * sum(w * ((h[i] - h[j]) ** 2).sum() for j, i, w in ends) / 2


PENALISED = dict(zip(["0.weight", "1.weight", "0.bias"], normal("penalty", (2, 3), (2,), (3,)), strict=True))
CASES = [
    *(
        case_of(name, choice)
        for name in PLAIN
        for choice in CHOICES
        if name not in BY_ROW or choice in ("plain", "rows", "weighted-rows", "both")
    ),
    *(ranking_case(choice) for choice in CHOICES),
    Case("laplacian", lambda h: gn.laplacian_penalty(h, TWO, 0.3), unlike, normal("laplacian", (5, 2))),
    Case(
        "l2",
        lambda a, b, c: gn.l2_penalty({"0.weight": a, "1.weight": b, "0.bias": c}, 0.3, "*.weight") + 0.0 * c.sum(),
        lambda a, b, c: 0.3 * ((a * a).sum() + (b * b).sum()) + 0.0 * c.sum(),
        tuple(PENALISED.values()),
    ),
    Case(
        "l1",
        lambda a, b: gn.l1_penalty({"0.weight": a, "1.weight": b}, 0.3),
        lambda a, b: 0.3 * ((a * np.sign(a.real)).sum() + (b * np.sign(b.real)).sum()),
        tuple(away_from_zero(a) for a in list(PENALISED.values())[:2]),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=name_of)
class TestEveryLoss(DerivativeLaws):
    def test_nothing_is_promoted_from_float32(self, case):
        single = [array.astype(np.float32) for array in case.arrays]
        value, grads = gn.value_and_grad(lambda arrays: case.function(*arrays))(single)
        assert {value.dtype, *(g.dtype for g in grads)} == {np.dtype(np.float32)}


@pytest.mark.parametrize("name", PLAIN)
class TestLosses:
    def test_rows_that_are_masked_out_have_no_influence(self, name):
        targets, predictions, _ = PLAIN[name]
        loss, wild = getattr(gn, name), np.where(ROW_MASK[:, None], predictions, 1e3)
        assert float(loss(wild, targets, mask=ROW_MASK)) == float(loss(predictions, targets, mask=ROW_MASK))
        alone = loss(predictions[ROW_MASK], targets[ROW_MASK])
        assert float(loss(predictions, targets, mask=ROW_MASK)) == pytest.approx(float(alone), rel=1e-14)
        grads = gn.grad(lambda p: loss(p, targets, mask=ROW_MASK))(predictions)
        assert (grads[~ROW_MASK] == 0).all()

    def test_a_weight_of_two_counts_a_row_twice(self, name):
        targets, predictions, _ = PLAIN[name]
        twice = np.array([0, 1, 1, 2, 3, 4, 5])
        weights = np.array([1.0, 2, 1, 1, 1, 1])
        found = getattr(gn, name)(predictions, targets, weights=weights)
        assert float(found) == pytest.approx(float(getattr(gn, name)(predictions[twice], targets[twice])), rel=1e-14)

    def test_a_mask_that_is_false_everywhere_is_refused(self, name):
        targets, predictions, _ = PLAIN[name]
        with pytest.raises(ValueError, match=rf"^{name}: .*leaves? nothing to learn from"):
            getattr(gn, name)(predictions, targets, mask=np.zeros(6, bool))

    @pytest.mark.parametrize("weights", [np.zeros(6), -np.ones(6), np.full(6, np.nan), np.full(6, np.inf)])
    def test_weights_without_a_positive_finite_sum_are_refused(self, name, weights):
        targets, predictions, _ = PLAIN[name]
        with pytest.raises(ValueError, match=rf"^{name}: mask and weights leave nothing to learn from; they sum to"):
            getattr(gn, name)(predictions, targets, weights=weights)

    @pytest.mark.parametrize("mask", [np.ones(6), np.arange(6), [0, 1]])
    def test_a_mask_of_numbers_is_refused(self, name, mask):
        targets, predictions, _ = PLAIN[name]
        with pytest.raises(ValueError, match=rf"^{name}: mask must be .*booleans"):
            getattr(gn, name)(predictions, targets, mask=mask)

    @pytest.mark.parametrize("setting", ["mask", "weights"])
    @pytest.mark.parametrize("shape", [(5,), (7,), (6, 1), (1,), ()])
    def test_masks_and_weights_of_other_shapes_are_refused(self, name, setting, shape):
        targets, predictions, _ = PLAIN[name]
        with pytest.raises(ValueError, match=rf"^{name}: .*(fit neither rows nor entries of|one per row)"):
            getattr(gn, name)(predictions, targets, **{setting: np.ones(shape, bool)})

    def test_a_batch_is_refused_with_the_remedy(self, name):
        batch = gn.pack([gn.from_adjacency(np.ones((2, 2)), nodes=np.ones((2, 1)))])
        text = rf"^{name}: got a Batch; end the model with Nodes\(\) or a pool, or pass batch.nodes"
        with pytest.raises(TypeError, match=text):
            getattr(gn, name)(batch, PLAIN[name][0])

    def test_a_list_is_refused(self, name):
        targets, predictions, _ = PLAIN[name]
        with pytest.raises(TypeError, match=rf"^{name}: predictions must be an array, got list"):
            getattr(gn, name)(predictions.tolist(), targets)

    def test_float64_targets_do_not_promote_float32_predictions(self, name):
        targets, predictions, _ = PLAIN[name]
        value, grads = gn.value_and_grad(lambda p: getattr(gn, name)(p, targets, weights=ROW_WEIGHTS))(
            predictions.astype(np.float32)
        )
        assert value.dtype == grads.dtype == np.float32

    def test_whole_numbers_and_lists_as_targets(self, name):
        targets, predictions, _ = PLAIN[name]
        whole = np.round(targets).astype(int) if name != "hinge" else targets
        found = getattr(gn, name)(predictions, whole.tolist())
        assert float(found) == pytest.approx(float(getattr(gn, name)(predictions, whole.astype(float))), rel=1e-15)


SAME_SHAPE = [name for name in PLAIN if name not in (*BY_ROW, "gaussian_nll")]


@pytest.mark.parametrize("name", SAME_SHAPE)
@pytest.mark.parametrize(
    ("p", "t", "remedy"),
    [
        ((6, 1), (6,), r"use targets\[:, None\]"),
        ((6,), (6, 1), r"use targets\[:, 0\]"),
        ((6, 1), (1, 1), "reshape one of them"),
        ((6, 2), (6, 1), "reshape one of them"),
        ((6, 1), (), "reshape one of them"),
    ],
)
def test_nothing_is_ever_broadcast(name, p, t, remedy):
    text = rf"^{name}: predictions \(6,.* and targets \(.*\) differ in shape; {remedy}"
    with pytest.raises(ValueError, match=text):
        getattr(gn, name)(np.zeros(p), np.ones(t))


@pytest.mark.parametrize("name", SAME_SHAPE)
def test_vectors_are_as_good_as_columns(name):
    targets, predictions, _ = PLAIN[name]
    loss = getattr(gn, name)
    column = float(loss(predictions[:, :1], targets[:, :1], weights=ROW_WEIGHTS))
    assert float(loss(predictions[:, 0], targets[:, 0], weights=ROW_WEIGHTS)) == pytest.approx(column, rel=1e-15)


class TestMissingTargets:
    MISSING = np.where(ENTRY_MASK, T, np.nan)

    @pytest.mark.parametrize("name", ["mean_squared_error", "mean_absolute_error", "huber", "gaussian_nll"])
    def test_nan_targets_need_a_mask(self, name):
        loss, predictions = getattr(gn, name), PLAIN[name][1]
        text = rf"^{name}: 6 of 12 targets are nan; pass mask=~np.isnan\(targets\)"
        with pytest.raises(ValueError, match=text):
            loss(predictions, self.MISSING)
        text = rf"^{name}: 4 of 8 targets are nan; let the mask leave them out as ~np.isnan\(targets\) does"
        with pytest.raises(ValueError, match=text):
            loss(predictions, self.MISSING, mask=ROW_MASK)
        found = gn.value_and_grad(lambda p: loss(p, self.MISSING, mask=ENTRY_MASK))(predictions)
        wanted = gn.value_and_grad(lambda p: loss(p, T, mask=ENTRY_MASK))(predictions)
        assert float(found[0]) == float(wanted[0])
        np.testing.assert_array_equal(found[1], wanted[1])

    def test_missing_rows_may_be_masked_by_row(self):
        missing = np.where(ROW_MASK[:, None], T, np.nan)
        found = gn.mean_squared_error(P, missing, mask=ROW_MASK)
        assert float(found) == pytest.approx(float(gn.mean_squared_error(P[ROW_MASK], T[ROW_MASK])), rel=1e-14)

    @pytest.mark.parametrize("mask", [None, ROW_MASK, ENTRY_MASK], ids=["no-mask", "rows", "entries"])
    def test_missing_labels_do_not_count(self, mask):
        missing = np.where(T > 0, BITS, np.nan)
        known = ~np.isnan(missing)
        if mask is not None:
            known = known & (mask if mask.ndim == 2 else mask[:, None])
        wanted = gn.value_and_grad(lambda p: gn.binary_cross_entropy(p, BITS, mask=known))(P)
        found = gn.value_and_grad(lambda p: gn.binary_cross_entropy(p, missing, mask=mask))(P)
        assert float(found[0]) == float(wanted[0])
        np.testing.assert_array_equal(found[1], wanted[1])

    def test_labels_that_are_all_missing_are_refused(self):
        with pytest.raises(ValueError, match="binary_cross_entropy: mask and weights leave nothing to learn from"):
            gn.binary_cross_entropy(P, np.full(P.shape, np.nan))

    def test_a_mask_of_numbers_is_refused_beside_missing_labels_too(self):
        with pytest.raises(ValueError, match="binary_cross_entropy: mask must be booleans, got int64"):
            gn.binary_cross_entropy(P, np.where(T > 0, BITS, np.nan), mask=np.ones(6, int))


class TestLabels:
    @pytest.mark.parametrize("name", BY_ROW)
    @pytest.mark.parametrize(
        ("labels", "text"),
        [
            ([0, 3], r"labels must be whole numbers 0\.\.2 \(the predictions have 3 columns\), got 0 to 3"),
            ([-1, 0], r"labels must be whole numbers 0\.\.2 .*got -1 to 0"),
            ([0.5, 1], r"labels must be whole numbers 0\.\.2 .*got 0.5 to 1"),
            ([0, np.nan], r"labels must be whole numbers 0\.\.2, got 0.0, nan"),
            (["C", "N"], r"labels must be whole numbers 0\.\.2, got 'C', 'N'"),
            ([None, 1], r"labels must be whole numbers 0\.\.2, got None, 1"),
        ],
    )
    def test_what_is_no_label_is_refused(self, name, labels, text):
        with pytest.raises(ValueError, match=rf"^{name}: {text}"):
            getattr(gn, name)(LOGITS[:2], np.array(labels))

    @pytest.mark.parametrize("name", BY_ROW)
    def test_a_label_that_is_masked_out_may_be_anything(self, name):
        odd = np.where(ROW_MASK, LABELS, -100)
        loss = getattr(gn, name)
        assert float(loss(LOGITS, odd, mask=ROW_MASK)) == float(loss(LOGITS, LABELS, mask=ROW_MASK))

    @pytest.mark.parametrize("name", BY_ROW)
    @pytest.mark.parametrize("shape", [(6, 1), (5,), ()])
    def test_other_shapes_are_refused(self, name, shape):
        text = rf"^{name}: expected (logits|scores) \(n, c\) and labels \(n,\), got \(6, 3\) and"
        with pytest.raises(ValueError, match=text):
            getattr(gn, name)(LOGITS, np.zeros(shape, int))

    def test_one_hot_labels_are_told_apart(self):
        with pytest.raises(ValueError, match=r"use labels.argmax\(axis=1\) for one-hot labels"):
            gn.cross_entropy(LOGITS, np.eye(3)[LABELS])


@pytest.mark.parametrize("targets", [[[2.0]], [[-0.1]]])
def test_probabilities_outside_0_to_1_are_refused(targets):
    with pytest.raises(ValueError, match=r"binary_cross_entropy: targets must lie in \[0, 1\], got"):
        gn.binary_cross_entropy(np.zeros((1, 1)), np.array(targets))


@pytest.mark.parametrize("targets", [[0, 1], [np.nan, 1], [2, -1]])
def test_hinge_wants_signs(targets):
    with pytest.raises(ValueError, match=r"hinge: targets must be -1 or 1; for labels 0 and 1 pass 2 \* targets - 1"):
        gn.hinge(np.zeros(2), np.array(targets))


@pytest.mark.parametrize(("p", "t"), [((6, 2), (6, 2)), ((6, 2), (6,)), ((5, 2), (6, 1)), ((6,), (6, 1))])
def test_gaussian_nll_wants_two_columns_for_each_target(p, t):
    with pytest.raises(ValueError, match=r"gaussian_nll: predictions \(.*\) must hold a mean and a log-variance"):
        gn.gaussian_nll(np.zeros(p), np.zeros(t))


class TestRanking:
    def test_a_loss_of_nothing_to_rank_is_zero_and_so_is_its_slope(self):
        for targets in (np.ones((3, 1)), np.ones((1, 1))):
            value, slope = gn.value_and_grad(lambda s, t=targets: gn.pairwise_ranking(s, t))(np.ones(targets.shape))
            assert value == 0 and (slope == 0).all()

    def test_only_the_order_of_the_targets_counts(self):
        found = gn.pairwise_ranking(P, RANKED)
        assert float(gn.pairwise_ranking(P, np.sinh(RANKED))) == float(found)
        assert float(gn.pairwise_ranking(P, -RANKED)) != float(found)

    def test_training_puts_rows_into_the_order_of_their_targets(self):
        x = np.random.default_rng(0).normal(size=(30, 3))
        y = np.exp(x @ [[1.0], [-2.0], [0.5]])
        model = gn.Dense(1)
        params = model.init(0, x)
        params, _ = gn.fit(model, params, x, y, loss=gn.pairwise_ranking, optimizer=gn.adam(0.1), epochs=60)
        found = scipy.stats.spearmanr(np.ravel(model(params, x)), y[:, 0]).statistic
        assert scipy.stats.spearmanr(x.sum(axis=1), y[:, 0]).statistic < 0.5
        assert found > 0.99

    def test_what_a_mask_leaves_out_may_be_anything(self):
        odd, wild = np.where(ROW_MASK[:, None], RANKED, np.nan), np.where(ROW_MASK[:, None], P, np.inf)
        found = gn.value_and_grad(lambda s: gn.pairwise_ranking(s, odd, mask=ROW_MASK))(wild)
        wanted = gn.value_and_grad(lambda s: gn.pairwise_ranking(s, RANKED[ROW_MASK]))(P[ROW_MASK])
        assert float(found[0]) == pytest.approx(float(wanted[0]), rel=1e-14)
        np.testing.assert_allclose(found[1][ROW_MASK], wanted[1], rtol=1e-12)
        with pytest.raises(ValueError, match=r"^pairwise_ranking: 4 of 12 targets are nan; pass mask="):
            gn.pairwise_ranking(P, odd)

    @pytest.mark.parametrize("setting", ["mask", "weights"])
    def test_nothing_that_counts_is_refused(self, setting):
        with pytest.raises(ValueError, match=r"^pairwise_ranking: mask and weights leave nothing to learn from"):
            gn.pairwise_ranking(P, RANKED, **{setting: np.zeros(6, bool)})


@pytest.mark.parametrize("counts", [[-1.0, 2], [np.inf, 1]])
def test_poisson_nll_wants_counts(counts):
    with pytest.raises(ValueError, match="poisson_nll: targets are counts from 0, got"):
        gn.poisson_nll(np.zeros(2), np.array(counts))
    assert np.isfinite(gn.poisson_nll(np.zeros(2), np.array(counts), mask=np.array([False, True])))


class TestLaplacian:
    def test_it_is_the_quadratic_form_of_the_laplacian(self):
        club = gn.datasets.karate().graph
        (h,) = normal("club", (34, 3))
        laplacian = club.kernel(gn.kernels.laplacian)
        assert float(gn.laplacian_penalty(h, club, 0.5)) == pytest.approx(
            0.5 * np.trace(h.T @ laplacian @ h), rel=1e-12
        )
        assert float(gn.laplacian_penalty(h[:, 0], club, 1.0)) == pytest.approx(
            h[:, 0] @ laplacian @ h[:, 0], rel=1e-12
        )

    def test_few_labels_go_further_with_it(self):
        """One known member a side: what neighbours share places the rest of the club."""
        club = gn.datasets.karate()
        graph, known = gn.pack(club.graph).replace(nodes=np.eye(34)), np.isin(np.arange(34), [0, 33])
        model = gn.Sequential(gn.Dense(2), gn.Nodes())

        def right(rate):
            def loss(scores, labels, *, mask=None):
                return gn.cross_entropy(scores, labels, mask=mask) + gn.laplacian_penalty(scores, graph, rate)

            params, _ = gn.fit(
                model, model.init(0, graph), graph, club.labels, loss=loss, per="node", mask=known, epochs=300,
                optimizer=gn.adam(0.1),
            )  # fmt: skip
            return int((model(params, graph).argmax(axis=1) == club.labels)[~known].sum())

        assert right(0.0) < 24
        assert right(0.05) >= 30

    def test_whole_numbers_do_not_cut_the_weights(self):
        h = np.array([0, 3, 1, 2, 7])
        assert gn.laplacian_penalty(h, TWO, 0.5) == pytest.approx(float(gn.laplacian_penalty(h * 1.0, TWO, 0.5)))

    def test_other_rows_are_refused(self):
        with pytest.raises(
            ValueError, match=r"laplacian_penalty: nodes have shape \(4, 1\), wanted 5 rows, one per node"
        ):
            gn.laplacian_penalty(np.ones((4, 1)), TWO, 1.0)
        with pytest.raises(TypeError, match=r"laplacian_penalty: wanted an array, got Batch; end the model"):
            gn.laplacian_penalty(gn.pack(TWO), TWO, 1.0)


class TestOutsideWitnesses:
    def test_poisson_nll_is_scipys(self):
        wanted = -scipy.stats.poisson.logpmf(COUNTS, np.exp(P)).mean()
        assert float(gn.poisson_nll(P, COUNTS)) == pytest.approx(wanted, rel=1e-14)

    def test_gaussian_nll_is_scipys_normal_density(self):
        wanted = -scipy.stats.norm.logpdf(T, WIDE[:, :2], np.exp(WIDE[:, 2:] / 2)).mean()
        assert float(gn.gaussian_nll(WIDE, T)) == pytest.approx(wanted, rel=1e-14)

    def test_huber_is_scipys(self):
        for delta in (0.1, 1.0, 2.5):
            wanted = scipy.special.huber(delta, P - T).mean()
            assert float(gn.huber(P, T, delta=delta)) == pytest.approx(wanted, rel=1e-14)

    def test_cross_entropy_is_scipys_log_softmax(self):
        wanted = -scipy.special.log_softmax(LOGITS, axis=1)[range(6), LABELS].mean()
        assert float(gn.cross_entropy(LOGITS, LABELS)) == pytest.approx(wanted, rel=1e-14)

    def test_binary_cross_entropy_is_that_of_scipys_expit(self):
        p = scipy.special.expit(P)
        wanted = -(scipy.special.xlogy(BITS, p) + scipy.special.xlog1py(1 - BITS, -p)).mean()
        assert float(gn.binary_cross_entropy(P, BITS)) == pytest.approx(wanted, rel=1e-13)

    @pytest.mark.parametrize("name", ["log_loss", "hinge_loss"])
    def test_scikit_learn_agrees(self, name):
        metrics = pytest.importorskip("sklearn.metrics")
        if name == "log_loss":
            wanted = metrics.log_loss(LABELS, scipy.special.softmax(LOGITS, axis=1))
            found = gn.cross_entropy(LOGITS, LABELS)
        else:
            wanted, found = metrics.hinge_loss(SIGNS[:, 0], P[:, 0]), gn.hinge(P[:, 0], SIGNS[:, 0])
        assert float(found) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("loss", "targets", "wanted"),
    [
        (gn.cross_entropy, np.array([0, 1, 1]), (0 + 2e4 + np.log(2)) / 3),
        (gn.binary_cross_entropy, np.array([[1, 0], [0, 1], [1, 1]]), (0 + 0 + 1e4 + 1e4 + 0 + 0) / 6),
    ],
)
def test_logits_of_ten_thousand_are_finite_to_second_order(loss, targets, wanted, dtype):
    logits = np.array([[1e4, -1e4], [1e4, -1e4], [1e4, 1e4]], dtype)
    v = np.arange(6, dtype=dtype).reshape(3, 2)
    value, grads = gn.value_and_grad(lambda z: loss(z, targets))(logits)
    curved = gn.hvp(lambda z: loss(z, targets), logits, v)
    assert float(value) == pytest.approx(wanted, rel=1e-6)
    assert np.isfinite(grads).all()
    assert np.isfinite(curved).all()
    assert value.dtype == grads.dtype == curved.dtype == dtype


def test_slopes_at_the_kinks_are_zero_as_documented():
    same = np.ones((2, 1))
    assert gn.grad(lambda p: gn.mean_absolute_error(p, same))(same).tolist() == [[0.0], [0.0]]
    assert gn.grad(lambda p: gn.huber(p, same))(same).tolist() == [[0.0], [0.0]]
    assert gn.grad(lambda p: gn.hinge(p, same))(same).tolist() == [[0.0], [0.0]]


def test_targets_may_be_traced():
    grads = gn.grad(lambda t: gn.mean_squared_error(P, t))(T)
    np.testing.assert_allclose(grads, -2 * (P - T) / P.size, rtol=1e-13)


def test_nothing_given_is_written_to():
    for name, (targets, predictions, _) in PLAIN.items():
        given = [a.copy() for a in (predictions, targets, ROW_MASK, ROW_WEIGHTS)]
        for array in given:
            array.setflags(write=False)
        before = [a.tobytes() for a in given]
        loss = getattr(gn, name)
        gn.value_and_grad(lambda p, loss=loss, given=given: loss(p, given[1], mask=given[2], weights=given[3]))(
            given[0]
        )
        assert [a.tobytes() for a in given] == before


WITH_STATISTICS = {**PENALISED, "1.running_mean": np.full(3, 100.0), "running_var": np.full(1, 100.0)}


class TestPenalties:
    @pytest.mark.parametrize(
        ("pattern", "names"),
        [
            ("*", ["0.weight", "1.weight", "0.bias"]),
            ("*.weight", ["0.weight", "1.weight"]),
            ("0.*", ["0.weight", "0.bias"]),
            ("1.*", ["1.weight"]),
            ("1.weight", ["1.weight"]),
        ],
    )
    def test_the_pattern_chooses_and_statistics_never_count(self, pattern, names):
        squares = 0.1 * sum((WITH_STATISTICS[n] ** 2).sum() for n in names)
        sizes = 0.1 * sum(np.abs(WITH_STATISTICS[n]).sum() for n in names)
        assert float(gn.l2_penalty(WITH_STATISTICS, 0.1, pattern)) == pytest.approx(squares, rel=1e-14)
        assert float(gn.l1_penalty(WITH_STATISTICS, 0.1, pattern)) == pytest.approx(sizes, rel=1e-14)
        grads = gn.grad(lambda p: gn.l2_penalty(p, 0.1, pattern))(WITH_STATISTICS)
        assert [n for n in grads if grads[n].any()] == names

    @pytest.mark.parametrize("pattern", ["2.*", "weight", "*running*"])
    @pytest.mark.parametrize("penalty", [gn.l1_penalty, gn.l2_penalty], ids=lambda f: f.__name__)
    def test_a_pattern_that_matches_nothing_is_refused(self, penalty, pattern):
        with pytest.raises(
            ValueError, match=rf"penalty: no parameter matches '{pattern.replace('*', '.')}'; there are"
        ):
            penalty(WITH_STATISTICS, 0.1, pattern)

    def test_l1_has_slope_zero_at_zero(self):
        grads = gn.grad(lambda p: gn.l1_penalty(p, 0.5))({"w": np.array([0.0, -2.0, 3.0])})
        assert grads["w"].tolist() == [0.0, -0.5, 0.5]


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("value", [np.inf, np.nan, 1e300])
def test_what_a_mask_leaves_out_may_be_infinite(name, value):
    targets, predictions, _ = PLAIN[name]
    loss, wild = getattr(gn, name), np.where(ROW_MASK[:, None], predictions, value)

    def of(p):
        return loss(p, targets, mask=ROW_MASK)

    with np.errstate(over="ignore"):
        got, g = gn.value_and_grad(of)(wild)
    wanted, h = gn.value_and_grad(of)(predictions)
    assert float(got) == float(wanted)
    np.testing.assert_array_equal(g, h)


@pytest.mark.parametrize("name", ["hinge", "binary_cross_entropy"])
def test_targets_that_a_mask_leaves_out_may_be_anything(name):
    targets, predictions, _ = PLAIN[name]
    odd = np.where(ROW_MASK[:, None], targets, 7)
    loss = getattr(gn, name)
    assert float(loss(predictions, odd, mask=ROW_MASK)) == float(loss(predictions, targets, mask=ROW_MASK))


class TestStandardizedError:
    LOSS = gn.losses.StandardizedError((2.0, 50.0))

    def test_is_the_squared_error_of_scaled_columns(self):
        rng = np.random.default_rng(0)
        p, t = rng.normal(size=(2, 6, 2)) * (1, 30)
        scaled = gn.mean_squared_error(p / (2, 50), t / (2, 50))
        assert float(self.LOSS(p, t)) == pytest.approx(float(scaled), rel=1e-14)
        mask = rng.random((6, 2)) < 0.6
        wanted = np.mean((((p - t) / (2, 50)) ** 2)[mask])
        assert float(self.LOSS(p, np.where(mask, t, np.nan), mask=mask)) == pytest.approx(wanted, rel=1e-14)

    def test_gradients_to_second_order_and_float32(self):
        rng = np.random.default_rng(1)
        p, t = rng.normal(size=(2, 5, 2))
        check_grads(lambda p: self.LOSS(p, t), modes=["fwd", "rev"], order=2)(p)
        assert gn.grad(lambda p: self.LOSS(p, t))(p.astype(np.float32)).dtype == np.float32

    def test_other_numbers_of_columns_are_refused(self):
        with pytest.raises(ValueError, match="2 scales for columns"):
            self.LOSS(np.ones((3, 1)), np.ones((3, 1)))
