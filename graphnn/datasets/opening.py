"""The content of a file, packed (.gz, .zip) or not, checked before anybody parses it; unpacked in memory only."""

from __future__ import annotations

import gzip
import os
import zipfile
import zlib
from pathlib import Path

from graphnn.checks import listing, nearest

MOST_BYTES = 2**30  # a packed file of a few megabytes can unpack to any size
FOREIGN = {
    b"PK\x03\x04": "an Excel or zip file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a gzip file, whose name should end in .gz",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}


def read_bytes(path: str | os.PathLike, *, binary: bool = False) -> tuple[str, bytes]:
    """Return the name of a file, without packing, and its bytes. A .zip must hold one file, which then gives the name.

    binary: whether the content is meant to be something else than text

    Raises FileNotFoundError with the nearest name in the folder, and ValueError for a folder, a damaged, encrypted or
    overlong archive, an empty file, a web page saved in place of the data, and, unless binary, for UTF-16 or binary
    content.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     packed = Path(folder, "pair.csv.gz")
    ...     _ = packed.write_bytes(gzip.compress(b"a,b"))
    ...     read_bytes(packed)
    ('pair.csv', b'a,b')
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder, wanted a file; for a folder use read_graph_folder or read_tu")
    if not path.is_file():
        beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise FileNotFoundError(f"{path}: there is no such file{nearest(path.name, beside)}")
    name, data = path.name, b""
    try:
        if path.suffix.lower() == ".zip":
            name, data = _only_member(path)
        elif path.suffix.lower() == ".gz":
            name = path.stem
            with gzip.open(path) as unpacked:
                data = unpacked.read(MOST_BYTES + 1)
        else:
            data = path.read_bytes()
    except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise ValueError(f"{path}: cannot be unpacked: {error}; download it again or unpack it yourself") from error
    if len(data) > MOST_BYTES and path.suffix.lower() in (".zip", ".gz"):
        raise ValueError(f"{path}: unpacks to more than {MOST_BYTES} bytes; unpack it yourself if it is meant to")
    _refuse_what_is_no_data(path, data)
    if not binary:
        _refuse_what_is_no_text(path, data)
    return name, data


def _only_member(path: Path) -> tuple[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        files = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
        if len(files) != 1:
            held = f": {listing([m.filename for m in files])}" if files else ""
            raise ValueError(f"{path}: holds {len(files)} files{held}; wanted one, so unpack it and name the file")
        with archive.open(files[0]) as unpacked:
            return Path(files[0].filename).name, unpacked.read(MOST_BYTES + 1)


def _refuse_what_is_no_data(path: Path, data: bytes) -> None:
    if not data.strip():
        raise ValueError(f"{path}: is empty ({len(data)} bytes)")
    if is_web_page(data):
        raise ValueError(f"{path}: is a web page, not data; download the file itself, by its raw link")


def is_web_page(data: bytes) -> bool:
    """Say whether this is what a server answers in place of the data.

    >>> is_web_page(b"<!DOCTYPE html><title>Sign in</title>")
    True
    """
    return data[:1000].removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith((b"<!doctype html", b"<html"))


def _refuse_what_is_no_text(path: Path, data: bytes) -> None:
    kind = next((kind for magic, kind in FOREIGN.items() if data.startswith(magic)), "")
    if kind or b"\x00" in data:
        raise ValueError(f"{path}: is {kind or 'a binary file'}; save it as UTF-8 text, a table as CSV (UTF-8)")


def read_text(path: str | os.PathLike) -> tuple[str, str]:
    """Return the name of a file, without packing, and its text: UTF-8, with or without mark, lines ending in "\\n".

    Raises what `read_bytes` does, and ValueError for text that is not UTF-8, with its line.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "pair.csv").write_bytes("\\ufeffa,é\\r\\n".encode())
    ...     read_text(Path(folder, "pair.csv"))
    ('pair.csv', 'a,é\\n')
    """
    name, data = read_bytes(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}: line {line} is not UTF-8 text (byte 0x{data[error.start]:02x}); save it as UTF-8"
        ) from None
    return name, text.replace("\r\n", "\n").replace("\r", "\n")
