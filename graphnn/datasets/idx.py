"""Arrays in the idx format, and in it MNIST, the handwritten digits of LeCun, Bottou, Bengio & Haffner 1998."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from graphnn.datasets.opening import read_bytes
from graphnn.splits import Split

KINDS = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_AXES = 8


class ImageData(NamedTuple):
    """Images (n, height, width) of whole numbers from 0 to 255, a class for each (n,), and which were meant for what.

    Divide by 255 for numbers from 0 to 1, `(data.images[rows] / 255).astype(np.float32)`; only for the rows in use, for
    all 70 000 take 440 MB as float64.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    split: Split
    source: str

    def __repr__(self) -> str:
        n, height, width = self.images.shape
        return f"ImageData({n} images of {height} x {width}, {len(self.classes)} classes, {self.split})"


def read_idx(path: str | os.PathLike) -> np.ndarray:
    """Return the array in an idx file, packed as .gz or not.

    The file is: two bytes 0, one that names the kind of number, one the number of axes; the length of every axis in
    four bytes, the highest first; the numbers. Raises ValueError where the header is none or is not followed by exactly
    as many bytes as it says, and what `read_bytes` raises.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "pair-idx1-ubyte")
    ...     _ = file.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 255]))
    ...     read_idx(file)
    array([  7, 255], dtype=uint8)
    """
    data = read_bytes(path, binary=True)[1]
    axes = data[3] if len(data) > 3 else 0
    if data[:2] != b"\0\0" or len(data) < 4 + 4 * axes or data[2] not in KINDS or not 1 <= axes <= MOST_AXES:
        raise ValueError(
            f"{path}: begins with the bytes {data[:4].hex(' ')}, which is no header of an idx file: 00 00, a kind of "
            "number 08 to 0e, the number of axes; check which file it is, and whether its name should end in .gz"
        )
    shape = tuple(map(int, np.frombuffer(data, ">u4", axes, 4)))
    dtype, start = np.dtype(KINDS[data[2]]), 4 + 4 * axes
    wanted = math.prod(shape) * dtype.itemsize
    if len(data) - start != wanted:
        raise ValueError(
            f"{path}: has {len(data) - start} bytes after the header, which says {' x '.join(map(str, shape))} numbers "
            f"in {wanted} bytes; it is cut off or damaged, so download it again"
        )
    values = np.frombuffer(data, dtype, offset=start).reshape(shape)
    return values.astype(dtype.newbyteorder("="))


def read_mnist(folder: str | os.PathLike) -> ImageData:
    """Return the images of train-images-idx3-ubyte, t10k-images-idx3-ubyte and their labels, each also as .gz.

    Rows are the training images, then those of the test, and `split` says so; validation is for you to take from train.
    Fashion-MNIST and others in files of the same names are read as well.

    Raises FileNotFoundError for a missing file, and ValueError for one that is not as the others.

    >>> read_mnist("nowhere")
    Traceback (most recent call last):
    ...
    FileNotFoundError: nowhere: there is no train-images-idx3-ubyte.gz, packed or not
    """
    pairs = [
        (_part(folder, f"{part}-images-idx3-ubyte", 3), _part(folder, f"{part}-labels-idx1-ubyte", 1))
        for part in ("train", "t10k")
    ]
    for part, (images, labels) in zip(("train", "t10k"), pairs, strict=True):
        if len(images) != len(labels) or images.shape[1:] != pairs[0][0].shape[1:]:
            raise ValueError(
                f"{folder}: {part} has images {images.shape} and {len(labels)} labels; wanted a label for each, and "
                f"one size of images, {pairs[0][0].shape[1:]}"
            )
    (images, labels), (test_images, test_labels) = pairs
    n, rows = len(images), len(images) + len(test_images)
    every = np.concatenate([labels, test_labels]).astype(np.int64)
    classes = tuple(map(str, range(int(every.max(initial=-1)) + 1)))
    split = Split(np.arange(n), np.arange(0), np.arange(n, rows))
    return ImageData(np.concatenate([images, test_images]), every, classes, split, os.fspath(folder))


def _part(folder: str | os.PathLike, name: str, axes: int) -> np.ndarray:
    found = next((file for file in (Path(folder, f"{name}.gz"), Path(folder, name)) if file.exists()), None)
    if found is None:
        raise FileNotFoundError(f"{folder}: there is no {name}.gz, packed or not")
    values = read_idx(found)
    if values.ndim != axes or values.dtype != np.uint8:
        raise ValueError(f"{found}: holds {values.dtype} of shape {values.shape}, wanted bytes with {axes} axes")
    return values
