"""Pickles as Python 2 with protocol 2 wrote them, byte by byte: what the files of Planetoid consist of."""

from __future__ import annotations

import struct

import numpy as np


def whole(number):
    return b"J" + struct.pack("<i", number)


def text(data):
    return b"T" + struct.pack("<i", len(data)) + data


def array(values, *, fortran=False):
    values = np.asarray(values)
    code, order = values.dtype.str[1:].encode(), values.dtype.str[:1].encode()
    dtype = (
        b"cnumpy\ndtype\n" + b"(U\x02" + code + b"K\x00K\x01tR(K\x03U\x01" + order + b"NNN" + 2 * whole(-1) + b"K\x00tb"
    )
    shape = b"(" + b"".join(map(whole, values.shape)) + b"t"
    raw = values.tobytes("F" if fortran else "C")
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    return made + b"(K\x01" + shape + dtype + (b"\x88" if fortran else b"\x89") + text(raw) + b"tb"


def matrix(m):
    parts = {b"data": m.data, b"indices": m.indices, b"indptr": m.indptr}
    items = b"U\x06format" + b"U\x03csr" + b"U\x06_shape" + whole(m.shape[0]) + whole(m.shape[1]) + b"\x86"
    for name, values in parts.items():
        items += b"U" + bytes([len(name)]) + name + array(values)
    return b"cscipy.sparse.csr\ncsr_matrix\n)\x81}(" + items + b"ub"


def lists(graph):
    items = b"".join(whole(node) + b"](" + b"".join(map(whole, ends)) + b"e" for node, ends in graph.items())
    return b"ccollections\ndefaultdict\n(c__builtin__\nlist\ntR(" + items + b"u"


def pickle_of(body):
    return b"\x80\x02" + body + b"."
