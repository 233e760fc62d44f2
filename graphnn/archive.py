"""One file of arrays and JSON that is read whole or refused: the paper that checkpoints are written on.

The file is an `.npz` that NumPy alone can read, `dict(np.load(path))`, and a zip whose first member any tool can show,
`unzip -p model.npz graphnn.json`:

    graphnn.json                      format, length of the file, the caller's header
    params/0.dense.weight.npy ...     the arrays, as they lie in memory, uncompressed
    the directory of the zip, and in its comment the SHA-256 of all bytes before the comment

Reading looks at the SHA-256 first, so that a file cut short or changed in a single bit is refused, and then goes from
member to member as they were written. A digest is no signature, and the file may still be a stranger's: sizes are
checked against the bytes that are there, and arrays hold numbers only. There is no pickle in either direction.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import math
import os
import re
import struct
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

FORMAT = 1
HEADER = "graphnn.json"
MARK = b"graphnn sha256 "
TAIL = len(MARK) + 64  # the comment: the mark and 64 hexadecimal digits
# How every file begins, in every format to come: the local header of the first member and the first words of its text.
HEAD = re.compile(rb'PK\x03\x04.{26}graphnn\.json\{"format": (\d{1,9}), "bytes": "(\d{15})", ', re.DOTALL)
LOCAL = struct.Struct("<4s2xHH8xIIHH")  # before a member: signature, flags, method, sizes, lengths of name and extra
LARGEST = 2**31 - 2**16  # bytes of one array: what a zip member holds without the extension for large files


def write(path: str | os.PathLike, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write the file, whole or not at all: one that was there stays until the new one is on the disk.

    header: JSON data, not empty;  arrays: numbers of any dtype, kept bit by bit. The same content gives the same bytes.
    Raises TypeError for an array of other things than numbers, ValueError for a name or a size that the file cannot
    hold, OSError with the path where writing fails.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/two.npz", {"made": "by hand"}, {"a/b": np.ones(2)})
    ...     header, arrays = read(f"{folder}/two.npz")
    >>> header["made"], arrays
    ('by hand', {'a/b': array([1., 1.])})
    """
    for name, array in arrays.items():
        if array.dtype.kind not in "biufc":
            raise TypeError(f"{name!r} has dtype {array.dtype}; a file holds arrays of numbers")
        if array.nbytes > LARGEST:
            raise ValueError(f"{name!r} takes {array.nbytes} bytes; one array may take {LARGEST}")
    _replace(Path(os.path.realpath(path)), _file(header, {_member(name): array for name, array in arrays.items()}))


def read(path: str | os.PathLike) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the header and the arrays, in memory of their own, or refuse the file by name.

    Raises ValueError for a file that is cut short, changed in any bit, of a newer format, of another kind, or in any
    way not as `write` writes it; OSError where it cannot be read. Memory in use at any time is at most four times the
    file and 16 MB, whatever the file claims.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "cut.npz")
    ...     write(path, {"made": "by hand"}, {"a": np.ones(9)})
    ...     _ = path.write_bytes(path.read_bytes()[:-1])
    ...     try:
    ...         read(path)
    ...     except ValueError as error:
    ...         print(str(error).rpartition("; ")[2])
    546 of 547 bytes. Take another copy
    """
    path = Path(path)
    data = memoryview(path.read_bytes())
    _verify(path, data)
    try:
        return _read(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: the file is not as graphnn writes it: {error}") from error


# ---- writing --------------------------------------------------------------------------------------------------------


def _member(name: Any) -> str:
    """Return what an array is called inside the file, if every zip tool reads that back unchanged."""
    if isinstance(name, str) and "\0" not in name and "\\" not in name:
        with suppress(UnicodeEncodeError):
            if len(f"{name}.npy".encode()) < 2**16:
                return f"{name}.npy"
    raise ValueError(f"the name {name!r:.80} cannot be written; wanted text without backslash, zero byte or surrogate")


def _file(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> memoryview:
    """Return the bytes of the file, its length and digest in it."""
    length = 0
    for _ in range(2):  # the file says how long it is, which is known once it is there
        text = json.dumps({"format": FORMAT, "bytes": f"{length:015}", **header}, allow_nan=False)
        file = _zip(text.encode("ascii"), arrays)
        length = len(file)
    if _weight(text) > _allowance(length):
        raise ValueError("the header holds too much; give long rows of numbers as arrays")
    file[-64:] = hashlib.sha256(file[:-TAIL]).hexdigest().encode()
    return file


def _zip(text: bytes, arrays: Mapping[str, np.ndarray]) -> memoryview:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_entry(HEADER), text)
        for member, array in arrays.items():
            with archive.open(_entry(member), "w") as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
        archive.comment = MARK + bytes(64)
    return buffer.getbuffer()


def _entry(member: str) -> zipfile.ZipInfo:
    """Return the entry of a member, without the time and the system it is written on."""
    entry = zipfile.ZipInfo(member)
    entry.create_system = 3
    return entry


def _replace(path: Path, data: memoryview) -> None:
    """Put a file in the place of another: written aside, forced to the disk, then renamed over it in one step."""
    aside = path.with_name(f".{path.name}.part")  # one name, so that a killed process leaves one file at most
    try:
        aside.unlink(missing_ok=True)
        with open(aside, "xb") as file:  # new: no link that somebody laid there is followed
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if not os.path.samestat(os.fstat(file.fileno()), os.lstat(aside)):
                raise FileExistsError(errno.EEXIST, "something else saves to this path at the same time")
        os.replace(aside, path)
    except BaseException as error:
        with suppress(OSError):
            aside.unlink()
        if isinstance(error, OSError):
            reason = f"not saved, what was there stands: {error.strerror or error}"
            raise OSError(error.errno, reason, str(path)) from error
        raise
    with suppress(OSError):  # not every system lets a folder be forced to the disk
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


# ---- reading --------------------------------------------------------------------------------------------------------


def _verify(path: Path, data: memoryview) -> None:
    """Refuse a file that is not, bit by bit, what was written, before anything in it is believed."""
    head = HEAD.match(data)
    tail = bytes(data[-TAIL:])
    digest = hashlib.sha256(data[:-TAIL]).hexdigest()
    if head is None and not tail.startswith(MARK):
        what = "this is no graphnn checkpoint"
        if not data or HEADER.encode() in bytes(data[:64]):
            what = f"the file is damaged, cut short or changed at its beginning: it has {len(data)} bytes"
        elif data[:2] == b"PK":
            what += ", perhaps an .npz of arrays alone, for dict(np.load(path)), or the beginning of another file"
        raise ValueError(f"{path}: {what}")
    if head is None or tail != MARK + digest.encode():
        length = f"{int(head[2])} bytes" if head else "an unreadable number of bytes"
        says = repr(tail[len(MARK) :].decode("ascii", "replace")) if tail.startswith(MARK) else "not at its end"
        raise ValueError(
            f"{path}: the file is damaged: its SHA-256 is {digest!r}, the one written into it is {says}; "
            f"{len(data)} of {length}. Take another copy"
        )
    if int(head[1]) > FORMAT:
        raise ValueError(f"{path}: the file has format {int(head[1])}, this graphnn reads {FORMAT}; update graphnn")


def _read(data: memoryview) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the header and the arrays, member by member; the directory at the end is for other programs."""
    _, member, at = _next(data, 0)
    text = str(member, "ascii")
    if _weight(text) > _allowance(len(data)):
        raise ValueError(f"{HEADER} would take many times the memory of the file")
    header = json.loads(text, parse_constant=_refuse_constant)
    arrays: dict[str, np.ndarray] = {}
    while data[at : at + 4] == b"PK\x03\x04":
        name, member, at = _next(data, at)
        if not name.endswith(".npy") or name[:-4] in arrays:
            raise ValueError(f"there is a member {name!r}, which is no array or was there before")
        arrays[name[:-4]] = _array(member, name)
    if data[at : at + 4] not in (b"PK\x01\x02", b"PK\x05\x06"):
        raise ValueError(f"no member and no directory at byte {at}")
    del header["format"], header["bytes"]
    return header, arrays


def _next(data: memoryview, at: int) -> tuple[str, memoryview, int]:
    """Return the name and the bytes of the member that begins at byte `at`, and where it ends."""
    start = at + LOCAL.size
    _, flags, method, stored, size, n_name, n_extra = LOCAL.unpack(data[at:start])
    name, end = str(data[start : start + n_name], "utf-8"), start + n_name + size
    if method or n_extra or stored != size or flags & ~0x800:
        raise ValueError(f"member {name!r:.80} is compressed, encrypted or of two sizes")
    return name, data[start + n_name : end], end


def _array(member: memoryview, name: str) -> np.ndarray:
    """Return the array of a member in memory of its own. Its header is believed as far as there are bytes for it."""
    try:
        start = io.BytesIO(member[:12_000])
        if np.lib.format.read_magic(start) != (1, 0):
            raise ValueError("it has not version 1.0")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(start)
        body = member[start.tell() :]
        if dtype.kind not in "biufc" or math.prod(shape) * dtype.itemsize != len(body):
            raise ValueError(f"it claims {dtype} of shape {shape} for {len(body)} bytes")
        return np.ndarray(shape, dtype, body, order="F" if fortran else "C").copy(order="K")
    except Exception as error:  # NumPy's parser has many ways to fail on a header made to fail
        raise ValueError(f"{name!r:.80} is no array of numbers: {error}") from error


def _weight(text: str) -> int:
    """Return what the values of a JSON text take at most, in bytes: small containers are many times their text.

    A container counts twice, since what the caller makes of it may stand beside it.
    """
    containers, words, parts = text.count("{") + text.count("["), text.count('"') // 2, text.count(",")
    return 400 * containers + 80 * words + 48 * parts + (4 if "\\u" in text else 1) * len(text)


def _allowance(length: int) -> int:
    """Return how much the header of a file of this length may weigh."""
    return 2 * length + 10 * 2**20


def _refuse_constant(word: str) -> float:
    raise ValueError(f"{HEADER} holds {word}, which is no JSON")
