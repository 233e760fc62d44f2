"""The idx format and MNIST: every kind of number, headers that lie, damage, and the digits as everybody knows them."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from damage import outcomes
from real_files import real_file

from graphnn.datasets import read_idx, read_mnist

KINDS = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}


def idx(values):
    values = np.asarray(values)
    kind = next(code for name, code in KINDS.items() if np.dtype(name) == values.dtype)
    return bytes([0, 0, kind, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("packed", [False, True])
def test_every_kind_of_number(tmp_path, dtype, packed):
    values = (np.arange(6) - 2).reshape(1, 2, 3).astype(dtype)
    path = tmp_path / ("numbers.gz" if packed else "numbers")
    path.write_bytes(gzip.compress(idx(values)) if packed else idx(values))
    found = read_idx(path)
    np.testing.assert_array_equal(found, values)
    assert found.dtype == np.dtype(dtype).newbyteorder("=")


GOOD = idx(np.arange(6, dtype="u1").reshape(2, 3))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\0\1" + GOOD[2:], "begins with the bytes 00 01 08 02, which is no header"),
        (b"\0\0\x0a" + GOOD[3:], "begins with the bytes 00 00 0a 02"),
        (GOOD[:3], "begins with the bytes 00 00 08, which is no header"),
        (b"\0\0\x08\0", "no header of an idx file"),
        (b"\0\0\x08\x09" + bytes(100), "no header of an idx file"),
        (GOOD[:9], "begins with the bytes 00 00 08 02"),
        (GOOD[:-1], "has 5 bytes after the header, which says 2 x 3 numbers in 6 bytes; it is cut off or damaged"),
        (GOOD + b"x", "has 7 bytes after the header"),
        (GOOD[:4] + b"\xff" * 8 + GOOD[12:], "says 4294967295 x 4294967295 numbers"),
        (gzip.compress(GOOD), "whether its name should end in .gz"),
        (b"<html>log in</html>", "is a web page"),
        (b"", "is empty"),
    ],
)
def test_headers_that_lie_are_refused(tmp_path, data, says):
    (tmp_path / "numbers").write_bytes(data)
    with pytest.raises(ValueError, match=says):
        read_idx(tmp_path / "numbers")


@pytest.mark.parametrize("name", ["numbers", "numbers.gz"])
def test_damage_is_read_or_refused_by_name_and_nothing_else(tmp_path, name):
    path = tmp_path / name
    data = gzip.compress(GOOD, mtime=0) if name.endswith(".gz") else GOOD
    assert outcomes(data, path, lambda: read_idx(path), flips=200)[1] > 20


@pytest.fixture
def folder(tmp_path):
    def write(**changes):
        files = {
            "train-images-idx3-ubyte": idx(np.arange(24, dtype="u1").reshape(4, 2, 3)),
            "train-labels-idx1-ubyte": idx(np.array([3, 1, 0, 1], "u1")),
            "t10k-images-idx3-ubyte": idx(np.full((2, 2, 3), 255, "u1")),
            "t10k-labels-idx1-ubyte": idx(np.array([2, 0], "u1")),
        }
        for name, data in files.items():
            (tmp_path / name).write_bytes(changes.get(name.rpartition("-")[0].replace("-", "_"), data))
        return tmp_path

    return write


def test_images_are_those_of_training_then_those_of_the_test(folder):
    data = read_mnist(folder())
    assert (data.images.shape, data.images.dtype) == ((6, 2, 3), np.uint8)
    np.testing.assert_array_equal(data.images[:4].ravel(), np.arange(24))
    assert (data.labels.tolist(), data.labels.dtype) == ([3, 1, 0, 1, 2, 0], np.int64)
    assert data.classes == ("0", "1", "2", "3")
    assert [part.tolist() for part in data.split] == [[0, 1, 2, 3], [], [4, 5]]
    assert repr(data) == "ImageData(6 images of 2 x 3, 4 classes, Split(train=4, validation=0, test=2))"


def test_files_that_do_not_go_together_are_refused(folder):
    with pytest.raises(ValueError, match=r"train has images \(4, 2, 3\) and 2 labels"):
        read_mnist(folder(train_labels_idx1=idx(np.array([1, 2], "u1"))))
    with pytest.raises(ValueError, match=r"t10k has images \(2, 3, 3\) and 2 labels; .* one size of images, \(2, 3\)"):
        read_mnist(folder(t10k_images_idx3=idx(np.zeros((2, 3, 3), "u1"))))
    with pytest.raises(ValueError, match=r"holds uint8 of shape \(2,\), wanted bytes with 3 axes"):
        read_mnist(folder(t10k_images_idx3=idx(np.array([1, 2], "u1"))))
    place = folder()
    (place / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match=r"there is no t10k-labels-idx1-ubyte\.gz, packed or not"):
        read_mnist(place)


def test_mnist_is_what_everybody_downloads():
    data = read_mnist(real_file("mnist"))
    assert data.images.shape == (70000, 28, 28)
    train, test = data.split.train, data.split.test
    assert np.bincount(data.labels[train]).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(data.labels[test]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert data.images[train].mean() == pytest.approx(33.318421449829934, rel=1e-12)
    assert data.images[test].mean() == pytest.approx(33.791224489795916, rel=1e-12)
    assert len(data.classes) == 10
