"""Every layer that PyTorch Geometric has, against its numbers: tests/pyg."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from pyg.fixtures import assert_same_as_pyg, read

import graphnn as gn


def gcn(p):
    return {"weight": p["lin.weight"].T, "bias": p["bias"]}


def gin(p):
    return {
        "eps": p["eps"][0],
        "weight1": p["nn.0.weight"].T,
        "bias1": p["nn.0.bias"],
        "weight2": p["nn.2.weight"].T,
        "bias2": p["nn.2.bias"],
    }


def gine(p):
    return gin(p) | {"edge": p["lin.weight"].T, "edge_bias": p["lin.bias"]}


def morris(p):
    return {"weight": p["lin_rel.weight"].T, "bias": p["lin_rel.bias"], "root": p["lin_root.weight"].T}


def sage(p):
    return {"weight": p["lin_l.weight"].T, "bias": p["lin_l.bias"], "root": p["lin_r.weight"].T}


def sage_pool(p):
    return sage(p) | {"project": p["lin.weight"].T, "project_bias": p["lin.bias"]}


def polynomial(p):
    weights = [name for name in p if name.startswith("lins")]
    return {"bias": p["bias"]} | {f"weight{k}": p[f"lins.{k}.weight"].T for k in range(len(weights))}


def simplified(p):
    return {"weight": p["lin.weight"].T, "bias": p["lin.bias"]}


def nothing(p):
    return {}


def arma(p):
    ours = {}
    for k in range(len(p["init_weight"])):
        ours[f"stack{k}.weight0"] = p["init_weight"][k]
        for t, weights in enumerate(p["weight"]):
            ours[f"stack{k}.weight{t + 1}"] = weights[k]
        for t in range(len(p["root_weight"])):
            ours[f"stack{k}.root{t}"] = p["root_weight"][t][k]
            ours[f"stack{k}.bias{t}"] = p["bias"][t][k][0]
    return ours


def perceptron(p):
    return {
        "inner.0.dense.weight": p["nn.0.weight"].T,
        "inner.0.dense.bias": p["nn.0.bias"],
        "inner.1.dense.weight": p["nn.2.weight"].T,
        "inner.1.dense.bias": p["nn.2.bias"],
    }


def linear(p):
    return {"inner.weight": p["nn.weight"].T, "inner.bias": p["nn.bias"]}


def pna(p):
    message = p["pre_nns.0.0.weight"].T
    return {
        "receiver": message[:4],
        "sender": message[4:8],
        "message_bias": p["pre_nns.0.0.bias"],
        "weight": p["post_nns.0.0.weight"].T,
        "bias": p["post_nns.0.0.bias"],
        "running_log_degree": p["aggr_module.avg_deg_log"][0],
    }


def pna_edges(p):
    return pna(p) | {"edge": p["pre_nns.0.0.weight"].T[8:11]}


@dataclass(frozen=True)
class LaplacianOfPyG:
    """2 L / lambda_max - I as PyG scales it: degrees are those of senders, loops are dropped."""

    lambda_max: float = 2.0
    is_local = True

    def __call__(self, graph):
        matrix = graph.sparse_adjacency
        matrix = matrix.with_values(matrix.values * (matrix.pattern.rows != matrix.pattern.indices))
        scale = gn.ops.reciprocal(gn.ops.sqrt(gn.ops.segment_sum(matrix.values, matrix.column_segments)))
        scaled = matrix.scale(rows=scale, columns=scale * (-2 / self.lambda_max))
        return scaled.plus_diagonal(np.full(graph.n_nodes, 2 / self.lambda_max - 1))


EDGE_NET = gn.Sequential(gn.Dense(5, gn.relu), gn.Dense(3))


# attention: their names below (heads, columns) vectors carry an axis of 1 in front


def renamed(**theirs):
    """Return a translation by names: matrices are turned, vectors (1, heads, columns) lose their first axis."""

    def translate(p):
        return {
            ours.replace("__", "."): p[name].T
            if p[name].ndim == 2
            else p[name].reshape(p[name].shape[-2:])
            if p[name].ndim == 3
            else p[name]
            for ours, name in theirs.items()
        }

    return translate


GAT = {"weight": "lin.weight", "receiver": "att_dst", "sender": "att_src", "bias": "bias"}
GAT_EDGES = GAT | {"edge_weight": "lin_edge.weight", "edge": "att_edge"}
GATV2 = {
    **{
        f"{ours}__{name}": f"{theirs}.{name}"
        for ours, theirs in (("sender", "lin_l"), ("receiver", "lin_r"))
        for name in ("weight", "bias")
    },
    "attention": "att",
    "bias": "bias",
}
GATV2_EDGES = GATV2 | {"edge_weight": "lin_edge.weight"}
TRANSFORMER = {
    f"{name}__{kind}": f"lin_{name}.{kind}" for name in ("query", "key", "value", "skip") for kind in ("weight", "bias")
}
TRANSFORMER_EDGES = TRANSFORMER | {"edge_weight": "lin_edge.weight", "gate": "lin_beta.weight"}


def set2set(p):
    return {
        "input": p["lstm.weight_ih_l0"].T,
        "hidden": p["lstm.weight_hh_l0"].T,
        "bias": p["lstm.bias_ih_l0"] + p["lstm.bias_hh_l0"],
    }


ATTENTION = {
    "gat": (gn.GATConv(6, 2), renamed(**GAT)),
    "gat-edges": (gn.GATConv(6, 2, edges=True), renamed(**GAT_EDGES), "edges"),
    "gat-mean": (gn.GATConv(3, 2, concat=False, loops=False, edges=True), renamed(**GAT_EDGES), "edges"),
    "gatv2": (gn.GATv2Conv(6, 2), renamed(**GATV2)),
    "gatv2-edges": (gn.GATv2Conv(6, 2, edges=True), renamed(**GATV2_EDGES), "edges"),
    "gatv2-mean": (gn.GATv2Conv(3, 2, concat=False, loops=False, edges=True), renamed(**GATV2_EDGES), "edges"),
    "transformer": (gn.TransformerConv(6, 2), renamed(**TRANSFORMER)),
    "transformer-edges": (gn.TransformerConv(6, 2, edges=True, gate=True), renamed(**TRANSFORMER_EDGES), "edges"),
    "transformer-mean": (
        gn.TransformerConv(3, 2, concat=False, edges=True, gate=True),
        renamed(**TRANSFORMER_EDGES),
        "edges",
    ),
    "agnn": (gn.AGNNConv(), lambda p: {"beta": p["beta"][0]}),
    "agnn-no-loops": (gn.AGNNConv(loops=False), lambda p: {"beta": p["beta"][0]}),
}
READOUT = {
    "attention": (gn.AttentionPool(), renamed(gate__weight="gate_nn.weight", gate__bias="gate_nn.bias")),
    "attention-columns": (
        gn.AttentionPool(gn.Dense(3), gn.Dense(3, gn.tanh)),
        renamed(
            gate__weight="gate_nn.weight",
            gate__bias="gate_nn.bias",
            inner__weight="nn.0.weight",
            inner__bias="nn.0.bias",
        ),
    ),
    "set2set": (gn.Set2Set(3), set2set),
    "sort": (gn.SortPool(3), renamed()),
    "sort-padded": (gn.SortPool(9), renamed()),
}

# messages and relations


def neural(p):
    """Row k d + f of ours is row f of W_k; in theirs W_k is unrolled in column k of the last map."""
    last = "nn.2" if "nn.2.weight" in p else "nn"
    ours = {"weight": p[f"{last}.weight"].T.reshape(-1, 3), "constant": p[f"{last}.bias"].reshape(4, 3)}
    if last != "nn":
        ours |= {"inner.weight": p["nn.0.weight"].T, "inner.bias": p["nn.0.bias"]}
    return {**ours, "root": p["lin.weight"].T, "bias": p["bias"]}


def meta(p):
    ours = {}
    for theirs, name in (("edge_model", "edges"), ("node_model", "nodes"), ("global_model", "globals")):
        ours[f"1.graphnetwork.{name}.weight"] = p[f"{theirs}.net.weight"].T
        ours[f"1.graphnetwork.{name}.bias"] = p[f"{theirs}.net.bias"]
    return ours


def filtering(p, theirs, net, ours):
    return {
        f"{ours}input": p[f"{theirs}lin1.weight"].T,
        f"{ours}weight": p[f"{theirs}lin2.weight"].T,
        f"{ours}bias": p[f"{theirs}lin2.bias"],
        f"{ours}filter.weight1": p[f"{net}.0.weight"].T,
        f"{ours}filter.bias1": p[f"{net}.0.bias"],
        f"{ours}filter.weight2": p[f"{net}.2.weight"].T,
        f"{ours}filter.bias2": p[f"{net}.2.bias"],
    }


def cf(p):
    return filtering(p, "conv.", "conv.nn", "1.cfconv.")


def schnet(p):
    lin = {"1.schnetblock.weight": p["conv.lin.weight"].T, "1.schnetblock.bias": p["conv.lin.bias"]}
    return filtering(p, "conv.conv.", "conv.mlp", "1.schnetblock.conv.") | lin


def with_globals(params, graphs):
    """Give a graph its features: the first two of node 0."""
    return graphs.replace(globals=graphs.nodes[:1, :2])


def with_relations(params, graphs):
    """Turn edge features into one of three relations, by the sign of the first two."""
    return graphs.replace(edges=(gn.ops.value_of(graphs.edges)[:, :2] > 0).sum(axis=1, keepdims=True) + 0.0)


def with_distances(params, graphs):
    return graphs.replace(edges=3.0 * gn.sigmoid(graphs.edges[:, :1]))


def only_the_change(params, graphs):
    """Take away what SchNetBlock adds and PyG's block does not: its input, kept in the positions."""
    return graphs.replace(nodes=graphs.nodes - graphs.positions)


def keep_nodes(params, graphs):
    return with_distances(params, graphs).replace(positions=graphs.nodes)


def relational(p):
    return {f"1.rgcnconv.{name}": value for name, value in p.items()}


def block(aggregate):
    return gn.GraphNetwork(gn.Dense(5, gn.tanh), gn.Dense(3, gn.tanh), gn.Dense(2, gn.tanh), aggregate)


def rgcn(width=3, **settings):
    return gn.Sequential(with_relations, gn.RGCNConv(width, 3, **settings)), relational, "edges"


# pools


def beside_neighbours(params, graphs):
    """[h, A h]: what was pooled, and the edges it was left with."""
    return gn.ops.concatenate([graphs.nodes, graphs.propagate(gn.kernels.adjacency, graphs.nodes)], axis=1)


def top(p):
    return {"0.topkpool.weight": p["select.weight"].T}


def scored(p):
    names = (("gnn.lin.weight", "weight"), ("gnn.bias", "bias"), ("gnn.lin_rel.weight", "weight"),
             ("gnn.lin_rel.bias", "bias"), ("gnn.lin_root.weight", "root"))  # fmt: skip
    return {f"0.sagpool.score.{ours}": p[name].T for name, ours in names if name in p}


def assigned(p):
    return {"assign.weight": p["weight"].T, "assign.bias": p["bias"]}


@dataclass(frozen=True)
class BesideLosses(gn.Layer):
    """What a pool makes of a graph, and beside it, in every row, its losses."""

    inner: gn.Layer

    def forward(self, params, graphs):
        small, losses = gn.WithLosses(self.inner)(params, graphs)
        every_row = np.zeros(small.n_nodes, int)
        columns = [gn.ops.gather(loss.reshape((1, 1)), every_row) for loss in losses.values()]
        return gn.ops.concatenate([beside_neighbours(params, small), *columns], axis=1)


POOL = {
    "several": (gn.Concat(gn.SumPool(), gn.MeanPool(), gn.MaxPool(), gn.MinPool(), gn.StdPool()), nothing),
    "topk": (gn.Sequential(gn.TopKPool(0.5), beside_neighbours), top, "weights"),
    "topk-k": (gn.Sequential(gn.TopKPool(k=3), beside_neighbours), top, "weights"),
    "topk-all": (gn.Sequential(gn.TopKPool(k=9), beside_neighbours), top, "weights"),
    "sag": (gn.Sequential(gn.SAGPool(0.5), beside_neighbours), scored),
    "sag-morris": (
        gn.Sequential(gn.SAGPool(0.4, score=gn.MorrisConv(1), activation=gn.sigmoid), beside_neighbours),
        scored,
    ),
    "diff": (BesideLosses(gn.DiffPool(gn.Dense(3))), assigned, "weights"),
    "diff-wider": (BesideLosses(gn.DiffPool(gn.Dense(9))), assigned, "weights"),
    "mincut": (BesideLosses(gn.MinCutPool(gn.Dense(3))), assigned, "weights"),
    "mincut-two": (BesideLosses(gn.MinCutPool(gn.Dense(2))), assigned, "weights"),
}

SCHNET = gn.SchNetBlock(5, cutoff=3.0, gaussians=6, distance=0)


# recurrent: two biases of a gate that torch adds are one here; a GRU has the second for its "new" too


@dataclass(frozen=True)
class Step(gn.Layer):
    """One step of a cell on columns of the nodes: the first two are x, the last three h, the first three c."""

    cell: gn.Layer

    def forward(self, params, graphs):
        x, h, c = (graphs.nodes[:, columns] for columns in (slice(2), slice(1, None), slice(3)))
        state = (h, c) if isinstance(self.cell, gn.LSTMCell) else h
        out = self.cell(params, x, state)
        return gn.ops.concatenate(list(out), axis=1) if isinstance(out, tuple) else out


def cell(p, theirs="{}", ours=""):
    """Return the parameters of a torch cell named "weight_ih" and so on inside a pattern, under our names."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    from_input, from_state, bias, second = (p[theirs.format(name)] for name in names)
    width, found = from_state.shape[1], {"input": from_input.T, "hidden": from_state.T, "bias": bias + second}
    if len(bias) == 3 * width:  # a GRU
        apart = np.arange(len(bias)) >= 2 * width
        found |= {"bias": bias + np.where(apart, 0, second), "hidden_bias": second[apart]}
    return {ours + name: value for name, value in found.items()}


def sequence(p):
    return cell(p, "{}_l0", "1.recurrent.cell.")


def gated(p):
    weights = {f"weight{t}": weight for t, weight in enumerate(p["weight"], 1)}
    return weights | cell(p, "rnn.{}", "gru.")


def jump(p):
    kinds = {"weight": np.transpose, "bias": np.asarray}
    found = {f"inner.{i}.dense.{k}": turn(p[f"maps.{i}.{k}"]) for i in range(2) for k, turn in kinds.items()}
    if "jump.att.weight" in p:
        found["attention"] = p["jump.att.weight"].T
        found |= cell(p, "jump.lstm.{}_l0", "forward.cell.") | cell(p, "jump.lstm.{}_l0_reverse", "backward.cell.")
    return found


def over_time(one):
    return gn.Sequential(gn.Frames(4), gn.Recurrent(one))


MAPS = gn.Sequential(*(gn.Dense(3, gn.tanh) for _ in range(2)))
RECURRENT = {
    "rnn-cell": (Step(gn.RNNCell(3)), cell),
    "gru-cell": (Step(gn.GRUCell(3)), cell),
    "lstm-cell": (Step(gn.LSTMCell(3)), cell),
    "rnn": (over_time(gn.RNNCell(3)), sequence),
    "gru": (over_time(gn.GRUCell(3)), sequence),
    "lstm": (over_time(gn.LSTMCell(3)), sequence),
    "gated": (gn.GatedGraphConv(5, 2), gated, "weights"),
    "gated-no-padding": (gn.GatedGraphConv(4, 1), gated, "weights"),
    "jump-concat": (gn.JumpingKnowledge(MAPS), jump),
    "jump-max": (gn.JumpingKnowledge(MAPS, "max"), jump),
    "jump-lstm": (gn.JumpingKnowledge(MAPS, "lstm"), jump),
}


# norms, activations, grids
def unchanged(p):
    return p


def scale_shift(p):
    return {"scale": p["weight"], "shift": p["bias"]}


def graph_norm(p):
    return {**scale_shift(p), "mean_scale": p["mean_scale"]}


def batch_norm(p):
    names = {"scale": "weight", "shift": "bias", "running_mean": "running_mean", "running_var": "running_var"}
    return {ours: p[f"module.{theirs}"] for ours, theirs in names.items()}


def prelu(p):
    return {"slope": p["weight"][0]}


def prelu_by_feature(p):
    return {"slope": p["weight"]}


def images(params, graphs):
    """Return two images of 7 x 4 pixels and three channels, last, made of the nodes. (2, 7, 4, 3)"""
    h = graphs.nodes[None, :, :, None]
    join = gn.ops.concatenate
    return join([join([h, h * h], axis=0), join([h - h * h, h], axis=0), join([h * h, 2 - h], axis=0)], axis=3)


def sequences(params, graphs):
    """Return the images as sequences of rows, whose channels are columns and channels. (2, 7, 12)"""
    return images(params, graphs).reshape((2, 7, 12))


def grid(layer, given=images):
    return gn.Sequential(given, layer=layer), convolved


def convolved(p):
    """Put the channels of a window last: (width, c, *size) -> (cells * c, width)."""
    if not p:
        return {}
    weight = p["weight"]
    turned = weight.transpose((*range(2, weight.ndim), 1, 0)).reshape(-1, len(weight))
    return {"layer.weight": turned, "layer.bias": p["bias"]}


# case in the fixture: (layer, from their parameters to ours, what of the graph they read besides the nodes)
CONVOLUTION = {
    "gcn": (gn.GraphConv(3), gcn, "weights"),
    "gin": (gn.GINConv(3, gn.identity, hidden=5), gin),
    "gine": (gn.GINEConv(3, gn.identity, hidden=5), gine, "edges"),
    "morris": (gn.MorrisConv(3), morris, "weights"),
    "sage-mean": (gn.SAGEConv(3), sage),
    "sage-max": (gn.SAGEConv(3, "max"), sage),
    "sage-sum": (gn.SAGEConv(3, "sum"), sage),
    "sage-pool": (gn.SAGEConv(3, "max", project=True), sage_pool),
    "cheb": (gn.ChebConv(3, 3, kernel=LaplacianOfPyG()), polynomial, "weights"),
    "cheb-1.5": (gn.ChebConv(5, kernel=LaplacianOfPyG(1.5)), polynomial, "weights"),
    "tag": (gn.TAGConv(3), polynomial, "weights"),
    "tag-wider": (gn.TAGConv(5, order=2), polynomial, "weights"),
    "sg": (gn.SGConv(3, steps=3), simplified, "weights"),
    "appnp": (gn.APPNP(5, 0.2), nothing, "weights"),
    "arma": (gn.ARMAConv(3, stacks=2, steps=3), arma, "weights"),
    "arma-shared": (gn.ARMAConv(3, stacks=2, steps=3, shared=True, activation=gn.tanh), arma, "weights"),
    "edge-max": (gn.EdgeConv(EDGE_NET), perceptron),
    "edge-sum": (gn.EdgeConv(gn.Dense(3), "sum"), linear),
    "pna": (gn.PNAConv(3), pna),
    "pna-edges": (gn.PNAConv(3, ("sum", "std"), ("attenuation",)), pna_edges, "edges"),
}
MESSAGE = {
    "nn": (gn.NNConv(3, gn.Dense(5, gn.tanh)), neural, "edges"),
    "nn-linear": (gn.NNConv(3, aggregate="mean"), neural, "edges"),
    **{
        f"{name}-{what}": (gn.Sequential(with_globals, block(aggregate), end), meta, "edges")
        for name, aggregate in (("meta", "sum"), ("meta-mean", "mean"))
        for what, end in (("nodes", gn.EdgesToNodes()), ("globals", gn.Globals()))
    },
    "rgcn": rgcn(),
    "rgcn-sum": rgcn(aggregate="sum"),
    "rgcn-bases": rgcn(bases=2),
    "rgcn-blocks": rgcn(6, blocks=2),
    "cf": (gn.Sequential(with_distances, gn.CFConv(3, filters=5, cutoff=3.0, gaussians=6, distance=0)), cf, "edges"),
    "schnet": (gn.Sequential(keep_nodes, SCHNET, only_the_change), schnet, "edges"),
}
ACTIVATIONS = ("relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus", "sigmoid", "tanh")
NORM = {
    "batch": (gn.BatchNorm(eps=1e-3), batch_norm),
    "instance": (gn.InstanceNorm(), unchanged, "node_graph"),
    "instance-affine": (gn.InstanceNorm(1e-3, affine=True), scale_shift, "node_graph"),
    "graph": (gn.GraphNorm(), graph_norm, "node_graph"),
    "pair": (gn.PairNorm(2.0), unchanged, "node_graph"),
    "pair-by-node": (gn.PairNorm(by_node=True), unchanged, "node_graph"),
    "mean-subtraction": (gn.MeanSubtractionNorm(), unchanged, "node_graph"),
    "layer-graph": (gn.LayerNorm(per="graph"), scale_shift, "node_graph"),
    "layer-node": (gn.LayerNorm(), scale_shift),
    "prelu": (gn.PReLU(), prelu),
    "prelu-by-feature": (gn.PReLU(by_feature=True), prelu_by_feature),
    **{name: (gn.Lambda(getattr(gn, name)), unchanged) for name in ACTIVATIONS},
}
GRID = {
    "conv2d": grid(gn.Conv2D(5, padding=1)),
    "conv2d-uneven": grid(gn.Conv2D(2, (3, 2), stride=(2, 1), padding=(2, 0))),
    "conv1d": grid(gn.Conv1D(3), sequences),
    "conv1d-strides": grid(gn.Conv1D(3, 4, stride=2, padding=3), sequences),
    "max": grid(gn.MaxPool2D()),
    "max-padded": grid(gn.MaxPool2D((3, 2), stride=(2, 1), padding=1)),
    "mean": grid(gn.AvgPool2D()),
    "mean-padded": grid(gn.AvgPool2D(3, stride=(2, 1), padding=1)),
}
FAMILIES = {
    "convolution": CONVOLUTION,
    "attention": ATTENTION,
    "readout": READOUT,
    "message": MESSAGE,
    "pool": POOL,
    "recurrent": RECURRENT,
    "norm": NORM,
    "grid": GRID,
}
NUMBERS = {
    f"{family}/{name}": (*rows[name.partition("/")[0]], numbers)
    for family, rows in FAMILIES.items()
    for name, numbers in read(family).items()
}


@pytest.mark.parametrize("name", NUMBERS)
def test_values_and_gradients_are_those_of_pyg(name):
    layer, translate, *uses, numbers = NUMBERS[name]
    assert_same_as_pyg(layer, numbers, translate, *uses)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("case", "layer"),
    [("cheb", gn.ChebConv(3, 3)), ("cheb-1.5", gn.ChebConv(5, kernel=gn.kernels.ScaledLaplacian(1.5)))],
)
def test_on_undirected_graphs_without_loops_our_own_laplacian_is_that_of_pyg(case, layer, seed):
    """The gradient of weights is left out: it would part the two arcs of an edge."""
    numbers = NUMBERS[f"convolution/{case}/undirected-{seed}"][-1]
    kept = {name: value for name, value in numbers.items() if name != "grads_of/weights"}
    assert_same_as_pyg(layer, kept, polynomial, "weights")
