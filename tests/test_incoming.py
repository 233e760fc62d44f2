"""The arcs by receiver: where each entry is, loops, and that a batch makes them once."""

from __future__ import annotations

import cases
import numpy as np
import pytest

import graphnn as gn
from graphnn.incoming import Incoming

SENDERS, RECEIVERS = np.array([2, 0, 1, 0, 1]), np.array([0, 2, 1, 2, 0])  # a loop at 1, two parallel arcs 0 -> 2


@pytest.mark.parametrize(
    ("loops", "arcs"),
    [
        (False, [(1, 0, 4), (2, 0, 0), (1, 1, 2), (0, 2, 1), (0, 2, 3)]),
        (True, [(0, 0, 5), (1, 0, 4), (2, 0, 0), (1, 1, 6), (0, 2, 1), (0, 2, 3), (2, 2, 7)]),
    ],
)
def test_entries_stand_by_receiver_then_sender_and_know_their_arc(loops, arcs):
    found = Incoming(SENDERS, RECEIVERS, 3, loops)
    columns = found.senders.index, found.receivers.index, found.by_arc.indices
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == arcs
    np.testing.assert_array_equal(found.by_sender.indices, found.senders.index)
    for pattern in (found.by_sender, found.by_arc):
        np.testing.assert_array_equal(pattern.rows, found.receivers.index)
    assert found.by_arc.shape == (3, 8 if loops else 5)


def test_numbers_are_listed_in_the_order_of_the_edges_with_the_loops_behind():
    found = Incoming(SENDERS, RECEIVERS, 3, True)
    listed = found.listed(found.by_arc.indices * 1.0)
    assert listed.values.tolist() == [0, 1, 3, 4, 5, 6, 7]
    assert listed.senders.tolist() == [2, 0, 0, 1, 0, 1, 2]
    assert listed.receivers.tolist() == [0, 2, 2, 0, 0, 1, 2]


def test_a_batch_makes_them_once_and_anew_when_edges_change():
    batch = gn.pack(cases.graphs("directed"))
    assert batch.incoming(True) is batch.replace(nodes=2 * batch.nodes).incoming(True)
    assert batch.incoming(True) is not batch.incoming(False)
    turned = batch.replace(senders=batch.receivers, receivers=batch.senders)
    assert turned.incoming().senders.index.tolist() != batch.incoming().senders.index.tolist()
