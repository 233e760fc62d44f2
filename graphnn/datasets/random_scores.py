"""Random graphs, and scores of them whose answer is known: what should be learned, and one that cannot be.

Here v_i, the value of a node, is the mean of its features, and N(i) are the nodes with an edge to i.

    number_of_nodes   sum_i 1
    sum_of_nodes      sum_i v_i
    neighbor_sum      sum_i a_i            with a_i = sum_{j in N(i)} v_j
    square_root       sum_i sqrt(a_i)
    sine              sum_i sin(a_i)
    tangent           sum_i tan(m_i)       with m_i the mean of v_j over N(i), which stays below the pole at pi / 2
    important_edges   sum_{edges i - j} e_ij v_i v_j,  each edge once, with e_ij its mark 0 or 1
    random            a normal number that has nothing to do with the graph
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from graphnn import ops
from graphnn.checks import GraphError, nearest
from graphnn.graph import Graph


def random_graphs(
    n: int = 1000, *, nodes: tuple[int, int] = (5, 15), degree: float = 3.0, features: int = 1, seed: int = 0
) -> list[Graph]:
    """Return n random graphs with random features, every second edge marked.

    nodes: fewest and most nodes of a graph, every number in between as likely
    degree: of k nodes every two are joined, both ways, with probability degree / (k - 1), so a node has about so many
        neighbours (Erdos-Renyi). Nodes may stay alone.

    nodes (k, features), uniform from 0 to 1;  edges (m, 1), 1 where marked as important, else 0, with even chances.
    The first graphs of many are those of few with the same settings and seed.

    Raises ValueError for settings that no graph has.

    >>> random_graphs(2)[0]
    Graph(n_nodes=14, n_edges=38, nodes=(14, 1) float64, edges=(38, 1) float64; A[i, j] is the edge from j to i)
    """
    fewest, most = nodes
    if n < 0 or features < 1 or not 1 <= fewest <= most or not 0 <= degree < np.inf:
        raise ValueError(
            f"random_graphs: wanted n from 0, features from 1, nodes as (fewest, most) from 1 and a degree from 0, "
            f"got n={n}, features={features}, nodes={nodes}, degree={degree}"
        )
    rng = np.random.default_rng(seed)
    pairs: dict[int, np.ndarray] = {}
    graphs = []
    for _ in range(n):
        k = int(rng.integers(fewest, most, endpoint=True))
        if k not in pairs:
            pairs[k] = np.array(np.triu_indices(k, 1))
        one, other = pairs[k][:, rng.random(pairs[k].shape[1]) * max(k - 1, 1) < degree]
        marks = np.floor(2 * rng.random(len(one)))
        graphs.append(
            Graph(
                rng.random((k, features)),
                np.concatenate([one, other]),
                np.concatenate([other, one]),
                edges=np.concatenate([marks, marks])[:, None],
            )
        )
    return graphs


def scores(graphs: Sequence[Graph], score: str | Callable[[Graph], float], *, seed: int = 0) -> np.ndarray:
    """Return the score of every graph. (n_graphs, 1)

    score: a name of SCORES, or a function of your own from a graph to a number; or "random", the null task: normal
        numbers drawn from `seed`, which no model can predict better than by their mean. What beats that on graphs kept
        aside has seen them.

    Raises ValueError for another name and for a score that is not finite.

    >>> graphs = random_graphs(3)
    >>> scores(graphs, "number_of_nodes").tolist()
    [[14.0], [12.0], [11.0]]
    >>> scores(graphs, "random", seed=1).shape
    (3, 1)
    """
    if score == "random":
        return np.random.default_rng(seed).normal(size=(len(graphs), 1))
    if not callable(score) and score not in SCORES:
        names = (*SCORES, "random")
        raise ValueError(f"scores: there is no {score!r}, only {', '.join(names)}{nearest(str(score), names)}")
    function = score if callable(score) else SCORES[score]
    values = np.array([[function(graph)] for graph in graphs], float).reshape(-1, 1)
    if not np.isfinite(values).all():
        i = int(np.argmin(np.isfinite(values)))
        raise ValueError(f"scores: graphs[{i}] has the score {values[i, 0]}; every score must be finite")
    return values


def number_of_nodes(graph: Graph) -> float:
    return graph.n_nodes


def sum_of_nodes(graph: Graph) -> float:
    return _values(graph).sum()


def neighbor_sum(graph: Graph) -> float:
    return _around(graph).sum()


def square_root(graph: Graph) -> float:
    return np.sqrt(_around(graph)).sum()


def sine(graph: Graph) -> float:
    return np.sin(_around(graph)).sum()


def tangent(graph: Graph) -> float:
    degrees = np.bincount(graph.receivers, minlength=graph.n_nodes)
    return np.tan(_around(graph) / np.maximum(degrees, 1)).sum()


def important_edges(graph: Graph) -> float:
    if graph.edges is None:
        raise GraphError(
            "edges", "important_edges needs a column that marks the edges that count with 1, others with 0"
        )
    value = _values(graph)
    return (graph.edges[:, 0] * value[graph.senders] * value[graph.receivers]).sum() / 2


def _values(graph: Graph) -> np.ndarray:
    return ops.dense(graph.nodes).mean(axis=1)


def _around(graph: Graph) -> np.ndarray:
    return np.bincount(graph.receivers, _values(graph)[graph.senders], graph.n_nodes)


SCORES: dict[str, Callable[[Graph], float]] = {
    function.__name__: function
    for function in (number_of_nodes, sum_of_nodes, neighbor_sum, square_root, sine, tangent, important_edges)
}
"""The scores with names, each a function of one graph; formulas are at the top of the file."""
