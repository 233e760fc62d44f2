"""Pools that coarsen, and the virtual node, against their formulas graph by graph; their limits; their losses."""

from __future__ import annotations

import tracemalloc

import cases
import numpy as np
import pytest

import graphnn as gn

FLAVOURS = [*cases.FLAVOURS]
every_flavour = pytest.mark.parametrize("flavour", FLAVOURS)


def softmax(x):
    out = np.exp(x)
    return out / out.sum(axis=1, keepdims=True)


def dense(graph):
    """Return A as a loop over the edges makes it: rows receive, parallel edges are added."""
    A = np.zeros((graph.n_nodes, graph.n_nodes))
    weights = np.ones(graph.n_edges) if graph.weights is None else graph.weights
    for sender, receiver, weight in zip(graph.senders, graph.receivers, weights, strict=True):
        A[receiver, sender] += weight
    return A


def parted(batch):
    """Return [(nodes, A)] of the graphs that came out of a pool."""
    found = []
    for g in range(batch.n_graphs):
        rows, edges = np.flatnonzero(batch.node_graph == g), batch.edge_segments.index == g
        A = np.zeros((len(rows), len(rows)))
        first = batch.packed.node_offsets[g]
        ends = (batch.receivers[edges] - first, batch.senders[edges] - first)
        np.add.at(A, ends, 1.0 if batch.weights is None else batch.weights[edges])
        found.append((batch.nodes[rows], A))
    return found


def assert_pairs(found, wanted):
    assert len(found) == len(wanted)
    for pair, other in zip(found, wanted, strict=True):
        for ours, theirs in zip(pair, other, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-13)


# ---- some of the nodes


def kept(graph, score, count, activation):
    order = sorted(range(graph.n_nodes), key=lambda i: -score[i])
    rows = sorted(order[:count])
    return graph.nodes[rows] * activation(score[rows])[:, None], dense(graph)[np.ix_(rows, rows)]


@every_flavour
@pytest.mark.parametrize(
    "layer", [gn.TopKPool(0.5), gn.TopKPool(0.25, activation=gn.sigmoid), gn.TopKPool(k=3)], ids=str
)
def test_topk_keeps_the_nodes_farthest_along_its_direction(flavour, layer):
    graphs = cases.graphs(flavour)
    params = cases.parameters(layer, gn.pack(cases.graphs("path")))
    p = params["weight"][:, 0]
    wanted = [
        kept(
            g,
            g.nodes @ p / np.sqrt(p @ p),
            min(g.n_nodes, layer.k or int(np.ceil(layer.ratio * g.n_nodes))),
            layer.activation,
        )
        for g in graphs
    ]
    assert_pairs(parted(layer(params, gn.pack(graphs))), wanted)


@every_flavour
def test_sag_keeps_the_nodes_that_a_convolution_scores_highest(flavour):
    layer, graphs = gn.SAGPool(0.6, score=gn.MorrisConv(1)), cases.graphs(flavour)
    params = cases.parameters(layer, gn.pack(cases.graphs("path")))
    root, weight, bias = (params[f"score.{name}"] for name in ("root", "weight", "bias"))
    wanted = []
    for g in graphs:
        score = (g.nodes @ root + dense(g) @ g.nodes @ weight + bias)[:, 0]
        wanted.append(kept(g, score, int(np.ceil(0.6 * g.n_nodes)), np.tanh))
    assert_pairs(parted(layer(params, gn.pack(graphs))), wanted)


def test_the_score_of_the_paper_is_the_convolution_of_kipf_and_welling():
    batch = gn.pack(cases.graphs("weighted"))
    layer = gn.SAGPool(1.0)
    params = cases.parameters(layer, batch)
    score = gn.GraphConv(1)({"weight": params["score.weight"], "bias": params["score.bias"]}, batch).nodes
    np.testing.assert_allclose(layer(params, batch).nodes, batch.nodes * np.tanh(score), rtol=1e-13)


@pytest.mark.parametrize(
    ("n", "ratio", "count"), [(100, 0.55, 55), (7, 0.5, 4), (1, 0.01, 1), (10, 1.0, 10), (3, 1e-6, 1)]
)
def test_the_share_is_rounded_up_but_not_by_rounding_errors(n, ratio, count):
    graph = gn.Graph(np.arange(float(n))[:, None])
    assert gn.TopKPool(ratio)({"weight": np.ones((1, 1))}, graph).n_nodes == count


def test_scores_that_the_activation_ties_are_told_apart_and_equal_nodes_are_taken_in_order():
    batch = gn.pack(gn.Graph(np.array([[50.0], [60.0], [55.0], [60.0]])))
    layer, params = gn.TopKPool(k=2), {"weight": np.ones((1, 1))}
    assert layer(params, batch).nodes.ravel().tolist() == [60, 60]
    assert gn.inner_values(layer, params, batch)["kept"].tolist() == [1, 3]
    assert gn.inner_values(gn.TopKPool(k=1), params, batch)["kept"].tolist() == [1]


def test_a_direction_of_zeros_scores_nobody():
    out = gn.TopKPool(0.5)({"weight": np.zeros((1, 1))}, gn.Graph(np.ones((4, 1))))
    assert out.nodes.tolist() == [[0.0], [0.0]]


def test_what_belongs_to_nodes_and_edges_goes_along():
    graph = gn.Graph(
        np.array([[3.0], [1.0], [2.0]]), [0, 0, 1, 2], [2, 1, 2, 0],
        edges=[[1.0], [2.0], [3.0], [4.0]], weights=[1, 2, 3, 4], positions=[[0.0], [1.0], [2.0]], globals=[7.0],
        kernels={"own": np.eye(3)}, names="abc",
    )  # fmt: skip
    part = gn.TopKPool(k=2)({"weight": np.ones((1, 1))}, graph)
    assert (part.senders.tolist(), part.receivers.tolist()) == ([0, 1], [1, 0])
    assert (part.edges.tolist(), part.weights.tolist()) == ([[1.0], [4.0]], [1.0, 4.0])
    assert (part.positions.tolist(), part.globals.tolist()) == ([[0.0], [2.0]], [[7.0]])
    assert (part.names, part.packed.kernels) == (None, {})


@pytest.mark.parametrize("layer", [gn.TopKPool(0.5), gn.DiffPool(gn.Dense(2)), gn.MinCutPool(gn.Dense(2))], ids=str)
def test_nothing_that_was_given_is_made_read_only(layer):
    batch = gn.pack(cases.graphs("two_sizes", edges=True))
    mine = {"nodes": batch.nodes.copy(), "edges": batch.edges.copy(), "globals": np.ones((2, 1))}
    layer(layer.init(0, batch), batch.replace(**mine))
    assert all(array.flags.writeable for array in mine.values())


# ---- clusters


def spread_over_clusters(params, graph):
    S = softmax(graph.nodes @ params["assign.weight"] + params["assign.bias"])
    h = np.tanh(graph.nodes @ params["inner.weight"] + params["inner.bias"])
    A = dense(graph)
    return S, A, S.T @ h, S.T @ A @ S


def clustering(kind, k):
    return kind(gn.Dense(k), gn.Dense(2, gn.tanh))


@every_flavour
@pytest.mark.parametrize("k", [1, 2, 6])
def test_diffpool_is_its_formula_and_so_are_its_losses(flavour, k):
    graphs, layer = cases.graphs(flavour), clustering(gn.DiffPool, k)
    params = cases.parameters(layer, gn.pack(cases.graphs("path")))
    small, losses = gn.WithLosses(layer)(params, gn.pack(graphs))
    pairs, link, entropy = [], [], []
    for g in graphs:
        S, A, h, coarse = spread_over_clusters(params, g)
        pairs.append((h, coarse))
        n = max(g.n_nodes, 1)
        link.append(np.sqrt(((A - S @ S.T) ** 2).sum()) / n**2)
        entropy.append(-(S * np.log(S)).sum() / n)
    assert_pairs(parted(small), pairs)
    assert small.n_edges == len(graphs) * k * k
    np.testing.assert_allclose(losses["link_loss"], link, rtol=0, atol=1e-13)
    np.testing.assert_allclose(losses["entropy_loss"], entropy, rtol=0, atol=1e-13)


@every_flavour
@pytest.mark.parametrize("k", [1, 2, 6])
def test_mincut_is_its_formula_and_so_are_its_losses(flavour, k):
    graphs, layer = cases.graphs(flavour), clustering(gn.MinCutPool, k)
    params = cases.parameters(layer, gn.pack(cases.graphs("path")))
    small, losses = gn.WithLosses(layer)(params, gn.pack(graphs))
    pairs, cut, orthogonality = [], [], []
    for g in graphs:
        S, A, h, coarse = spread_over_clusters(params, g)
        D = np.diag(A.sum(axis=1))
        everything = np.trace(S.T @ D @ S)
        cut.append(-np.trace(coarse) / everything if everything else 0.0)
        SS = S.T @ S
        orthogonality.append(np.linalg.norm(SS / np.linalg.norm(SS) - np.eye(k) / np.sqrt(k)) if g.n_nodes else 0.0)
        np.fill_diagonal(coarse, 0)
        scale = np.array([1 / np.sqrt(d) if d else 0.0 for d in coarse.sum(axis=1)])
        pairs.append((h, scale[:, None] * coarse * scale))
    assert_pairs(parted(small), pairs)
    assert small.n_edges == len(graphs) * k * (k - 1)
    np.testing.assert_allclose(losses["cut_loss"], cut, rtol=0, atol=1e-13)
    np.testing.assert_allclose(losses["orthogonality_loss"], orthogonality, rtol=0, atol=1e-13)


def two_cliques(n):
    """Return two cliques of n nodes that no edge joins, and the logits that tell them apart."""
    A = np.kron(np.eye(2), np.ones((n, n)))
    return gn.from_adjacency(A, nodes=np.repeat([[1.0, -1.0], [-1.0, 1.0]], n, axis=0)), {
        "assign.weight": 400 * np.eye(2),
        "assign.bias": np.zeros(2),
    }


def test_clusters_that_are_cliques_lose_nothing():
    graph, params = two_cliques(4)
    small, losses = gn.WithLosses(gn.MinCutPool(gn.Dense(2)))(params, graph)
    assert losses["cut_loss"].tolist() == [-1.0]
    assert abs(losses["orthogonality_loss"][0]) < 1e-15
    assert small.weights.tolist() == [0.0, 0.0]
    small, losses = gn.WithLosses(gn.DiffPool(gn.Dense(2)))(params, graph)
    assert losses["link_loss"].tolist() == [0.0]
    assert losses["entropy_loss"].tolist() == [0.0]
    assert small.weights.reshape(2, 2).tolist() == [[16.0, 0.0], [0.0, 16.0]]
    assert gn.inner_values(gn.DiffPool(gn.Dense(2)), params, graph)["assignment"][0].tolist() == [1.0, 0.0]


@pytest.mark.parametrize("seed", range(20))
def test_links_that_are_met_to_the_last_digit_lose_nothing_and_have_finite_slopes(seed):
    """|A|^2 - 2 <S, A S> + |S' S|^2 may come out below 0 then."""
    h = np.random.default_rng(seed).normal(size=(5, 3))
    S, params = softmax(h), {"assign.weight": np.eye(3), "assign.bias": np.zeros(3)}
    graph = gn.from_adjacency(S @ S.T, nodes=h)
    model = gn.WithLosses(gn.DiffPool(gn.Dense(3)))
    assert 0 <= model(params, graph)[1]["link_loss"][0] < 1e-8
    slopes = gn.grad(lambda p: model(p, graph)[1]["link_loss"].sum())(params)
    assert all(np.isfinite(slope).all() for slope in slopes.values())


COARSENING = [
    gn.TopKPool(0.5),
    gn.SAGPool(0.5, score=gn.Dense(1)),
    gn.DiffPool(gn.Dense(2)),
    gn.MinCutPool(gn.Dense(2)),
]


@pytest.mark.parametrize("layer", COARSENING, ids=str)
def test_pools_go_by_edges_also_where_graphs_bring_a_kernel_and_the_layout_stays(layer):
    plain, both = (gn.pack(cases.graphs("mixed", kernels=kernels)) for kernels in (False, True))
    params = layer.init(0, plain)
    assert_pairs(parted(layer(params, both)), parted(layer(params, plain)))
    for layout in ("sparse", "list", "dense"):
        assert layer(params, plain.with_layout(layout)).layout == layout


@pytest.mark.parametrize("kind", [gn.DiffPool, gn.MinCutPool])
def test_certain_assignments_have_finite_losses_and_gradients(kind):
    graph, params = two_cliques(3)
    model = gn.WithLosses(kind(gn.Dense(2)))

    def total(params):
        return sum(loss.sum() for loss in model({k: 1e4 * p for k, p in params.items()}, graph)[1].values())

    curved = gn.hvp(total, params, {k: np.ones_like(p) for k, p in params.items()})
    for numbers in (gn.grad(total)(params), curved):
        assert all(np.isfinite(value).all() for value in numbers.values())


@pytest.mark.parametrize("kind", [gn.DiffPool, gn.MinCutPool])
def test_neither_pool_nor_losses_make_an_array_of_all_pairs_or_of_the_edges(kind):
    n = 20_000
    ring = np.arange(n)
    ends = np.concatenate([np.roll(ring, s) for s in range(1, 6)])
    batch = gn.pack(gn.Graph(np.random.default_rng(0).normal(size=(n, 4)), np.tile(ring, 5), ends))
    model = gn.WithLosses(kind(gn.Dense(10)))
    params = model.init(0, batch)
    model(params, batch)
    tracemalloc.start()
    losses = gn.grad(lambda p: sum(loss.sum() for loss in model(p, batch)[1].values()))(params)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert losses["assign.weight"].shape == (4, 10)
    assert peak < 40 * n * 10 * 8  # some forty arrays like S; all pairs are 2 000 times that


def test_one_pool_behind_the_other_shrinks_a_graph_twice():
    batch = gn.pack(cases.graphs("mixed"))
    model = gn.WithLosses(gn.Sequential(gn.DiffPool(gn.Dense(4)), gn.MinCutPool(gn.Dense(2)), gn.TopKPool(k=1)))
    out, losses = model(model.init(0, batch), batch)
    assert out.nodes.shape == (batch.n_graphs, cases.WIDTH)
    assert list(losses) == [
        "0.diffpool.link_loss", "0.diffpool.entropy_loss", "1.mincutpool.cut_loss", "1.mincutpool.orthogonality_loss",
    ]  # fmt: skip


# ---- losses on their way out


def offered(params, graphs, value):
    return gn.ops.segment_sum(value * graphs.nodes[:, 0], graphs.node_segments)


class Offers(gn.Layer):
    """A layer of a user that has a loss."""

    def forward(self, params, graphs):
        weight = params("weight", (), gn.initializers.ones)
        params.loss("size_loss", offered, params, graphs, weight)
        return graphs


class TestWithLosses:
    batch = gn.pack(nodes=[np.ones((3, 1)), np.ones((2, 1))])

    def test_its_parameters_are_those_of_the_model(self):
        model = gn.Sequential(gn.DiffPool(gn.GraphConv(2)), gn.SumPool())
        batch = gn.pack(cases.graphs("mixed"))
        params, others = model.init(0, batch), gn.WithLosses(model).init(0, batch)
        assert params.keys() == others.keys()
        assert all(params[name].tobytes() == others[name].tobytes() for name in params)
        assert gn.WithLosses(model)(params, batch)[0].tobytes() == model(params, batch).tobytes()

    def test_a_layer_used_twice_gives_the_sum_of_its_losses(self):
        layer = Offers()
        _, losses = gn.WithLosses(gn.Sequential(layer, layer))({"0.offers.weight": np.array(2.0)}, self.batch)
        assert {name: loss.tolist() for name, loss in losses.items()} == {"0.offers.size_loss": [12.0, 8.0]}

    def test_names_are_those_inside_and_a_loss_is_given_out_once(self):
        model = gn.WithLosses(gn.Sequential(outer=Offers(), pair=gn.WithLosses(gn.Sequential(inner=Offers()))))
        params = {"outer.weight": np.array(1.0), "pair.inner.weight": np.array(1.0)}
        (_, inner), outer = model(params, self.batch)
        assert (list(inner), list(outer)) == (["inner.size_loss"], ["outer.size_loss"])

    def test_nobody_computes_losses_that_nobody_asked_for(self):
        class Refuses(gn.Layer):
            def forward(self, params, graphs):
                params.loss("a_loss", self.fail)
                return graphs

            def fail(self):
                raise AssertionError("computed")

        Refuses()({}, self.batch)
        with pytest.raises(AssertionError, match="computed"):
            gn.WithLosses(Refuses())({}, self.batch)

    def test_losses_reach_training_by_mini_batches_and_are_learned_from(self):
        batch = gn.pack([*cases.graphs("two_sizes"), *cases.graphs("mixed")])
        model = gn.Sequential(gn.MinCutPool(gn.GraphConv(2)), gn.SumPool(), gn.Dense(1))
        targets = np.zeros((batch.n_graphs, 1))

        def objective(predictions, targets):
            out, losses = predictions
            fit = gn.mean_squared_error(out, targets)
            return 0.0 * fit + sum(gn.ops.mean(loss) for loss in losses.values())

        whole = gn.WithLosses(model)
        start = model.init(0, batch)
        params, _ = gn.fit(whole, start, batch, targets, loss=objective, epochs=30, batch_size=4)
        assert set(params) == set(start)
        assert objective(whole(params, batch), targets) < objective(whole(start, batch), targets) - 0.05
        assert gn.predict(model, params, batch).shape == targets.shape
        together, in_parts = whole(params, batch), gn.predict(whole, params, batch, batch_size=3)
        for name, loss in together[1].items():
            np.testing.assert_allclose(in_parts[1][name], loss, rtol=0, atol=1e-13)


@pytest.mark.parametrize("pool", [gn.DiffPool(gn.Dense(2)), gn.MinCutPool(gn.Dense(2)), gn.TopKPool(0.5)], ids=str)
def test_training_that_diverges_in_front_of_a_pool_is_told_where(pool):
    batch = gn.pack(cases.graphs("two_sizes"))
    model = gn.Sequential(gn.Dense(3), pool, gn.SumPool(), gn.Dense(1))
    params = model.init(0, batch)
    params["0.dense.weight"] = np.full_like(params["0.dense.weight"], 1e308)
    with pytest.raises(gn.TrainingDiverged, match=r"are in the output of layer '0\.dense'"):
        gn.fit(model, params, batch, np.zeros((2, 1)), epochs=1)


# ---- a node for the whole graph


@every_flavour
@pytest.mark.parametrize("start", ["learned", "globals"])
def test_virtual_nodes_hear_everybody_and_tell_everybody(flavour, start):
    graphs = cases.graphs(flavour)
    if start == "globals":
        rng = np.random.default_rng(5)
        graphs = [g.replace(globals=rng.normal(size=cases.WIDTH)) for g in graphs]
    layers = [gn.VirtualNode(gn.MorrisConv(3, gn.tanh), gn.Dense(3, gn.tanh)) for _ in range(2)]
    model = gn.Sequential(one=layers[0], two=layers[1])
    batch = gn.pack(graphs)
    params = cases.parameters(model, batch)
    assert ("one.start" in params) == (start == "learned")
    assert "two.start" not in params
    found = model(params, batch)
    for g, graph in enumerate(graphs):
        h, v = graph.nodes, params["one.start"] if start == "learned" else graph.globals
        for name in ("one", "two"):
            p = {key.removeprefix(f"{name}."): value for key, value in params.items()}
            h = h + v
            v = np.tanh((v + h.sum(axis=0)) @ p["update.weight"] + p["update.bias"])
            h = np.tanh(h @ p["inner.root"] + dense(graph) @ h @ p["inner.weight"] + p["inner.bias"])
        np.testing.assert_allclose(found.nodes[batch.node_graph == g], h, rtol=0, atol=1e-13)
        np.testing.assert_allclose(found.globals[g], v, rtol=0, atol=1e-13)


def test_a_tree_counts_the_parameters_of_a_model_with_its_losses():
    model, assign = gn.Residual(gn.WithLosses(gn.Sequential(gn.DiffPool(gn.Dense(2))))), "inner.0.diffpool.assign"
    tree = gn.tree(model, {f"{assign}.weight": np.ones((3, 2)), f"{assign}.bias": np.ones(2)})
    assert [line.split()[-1] for line in tree.splitlines()] == ["8"] * 5
