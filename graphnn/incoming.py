"""What attention runs over: the arcs of graphs put together by receiver, once, with a loop at every node if wanted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from graphnn.ops import Segments, value_of
from graphnn.ops.sparse import Pattern, offsets
from graphnn.types import Array


class ArcValues(NamedTuple):
    """Numbers that belong to arcs, for looking at: `values[a]` belongs to the arc senders[a] -> receivers[a].

    senders, receivers: (n_arcs,) node numbers of the batch;  values: (n_arcs,) or (n_arcs, heads)
    """

    senders: np.ndarray
    receivers: np.ndarray
    values: np.ndarray


class Incoming:
    """The arcs into every node, those of one receiver beside each other: entries by receiver, then by sender.

    by_sender: pattern (n_nodes, n_nodes), the entry of an arc at (receiver, sender)
    by_arc: pattern (n_nodes, n_arcs), the same entries at (receiver, number of the arc)
    arcs, senders, receivers: the number of the arc of every entry, and its ends

    With `loops` every node listens to itself exactly once: loops that are there are left out, and the loop of node i is
    arc number n_edges + i (so does PyTorch Geometric). Noise drawn entry by entry does not depend on the order in which
    the edges are listed, as long as no two are parallel.

    >>> arcs = Incoming(np.array([1, 2]), np.array([0, 0]), 3, loops=True)
    >>> arcs.by_sender.indices, arcs.by_arc.indices
    (array([0, 1, 2, 1, 2], dtype=int32), array([2, 0, 1, 3, 4], dtype=int32))
    """

    def __init__(self, senders: np.ndarray, receivers: np.ndarray, n_nodes: int, loops: bool):
        n_arcs = len(senders)
        arcs = np.arange(n_arcs)
        if loops:
            nodes = np.arange(n_nodes)
            arcs = np.concatenate([np.flatnonzero(senders != receivers), n_arcs + nodes])
            senders, receivers = np.concatenate([senders, nodes])[arcs], np.concatenate([receivers, nodes])[arcs]
            n_arcs += n_nodes
        order = np.lexsort((senders, receivers))
        senders, receivers, arcs = senders[order], receivers[order], arcs[order]
        starts = offsets(np.bincount(receivers, minlength=n_nodes))
        self.by_sender = Pattern(starts, senders, (n_nodes, n_nodes))
        self.by_arc = Pattern(starts, arcs, (n_nodes, n_arcs))
        self.arcs = Segments(arcs, n_arcs)
        self.senders, self.receivers = Segments(senders, n_nodes), Segments(receivers, n_nodes)

    def listed(self, values: Array) -> ArcValues:
        """Return numbers of the entries as they are looked at: arcs in the order of the edges, loops behind them."""
        order = np.argsort(self.arcs.index)
        return ArcValues(self.senders.index[order], self.receivers.index[order], np.asarray(value_of(values))[order])
