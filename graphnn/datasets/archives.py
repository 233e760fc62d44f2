"""Files out of a .zip, .tar or .tar.gz that somebody else made: read in memory, by name, after a look at all of it."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath

from graphnn.checks import listing

MOST_BYTES = 2**28  # all members together, unpacked
MOST_MEMBERS = 10_000


def unpack(data: bytes, wanted: Mapping[str, int]) -> dict[str, bytes]:
    """Return members of an archive by their names without folders; `wanted` says how many bytes each must have.

    Nothing is written anywhere. An archive is refused whole, with ValueError, for a member that would leave the folder
    it is unpacked in (an absolute path, a drive, "..", a backslash), for links and devices, encryption, too many
    members or bytes, damage, and for a wanted member that is missing, there twice or of another size.

    >>> packed = io.BytesIO()
    >>> with zipfile.ZipFile(packed, "w") as archive:
    ...     archive.writestr("MUTAG/MUTAG_A.txt", "1, 2")
    >>> unpack(packed.getvalue(), {"MUTAG_A.txt": 4})
    {'MUTAG_A.txt': b'1, 2'}
    """
    reader = _from_zip if data.startswith(b"PK") else _from_tar
    damage = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)
    try:
        return reader(data, wanted)
    except damage as error:
        raise ValueError(f"the archive of {len(data)} bytes cannot be unpacked: {error}") from error


def _from_zip(data: bytes, wanted: Mapping[str, int]) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        for member in members:
            if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ValueError(f"the archive has {member.filename!r:.80}, which is a link or a device")
            if member.flag_bits & 1:
                raise ValueError(f"the archive has {member.filename!r:.80}, which is encrypted")
        _check_sizes((member.filename, member.file_size) for member in members)
        found = {member.filename: member for member in members if not member.is_dir()}
        if len(found) < sum(not member.is_dir() for member in members):
            raise ValueError("the archive has two members of one name")

        def content(name: str) -> bytes:
            with archive.open(found[name]) as file:
                return file.read(MOST_BYTES)

        return _pick({name: member.file_size for name, member in found.items()}, wanted, content)


def _from_tar(data: bytes, wanted: Mapping[str, int]) -> dict[str, bytes]:
    if data.startswith(b"\x1f\x8b"):
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
            data = packed.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ValueError(f"the archive unpacks to more than {MOST_BYTES} bytes")
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        members = archive.getmembers()
        odd = next((member for member in members if not (member.isreg() or member.isdir())), None)
        if odd is not None:
            raise ValueError(f"the archive has {odd.name!r:.80}, which is a link or a device")
        _check_sizes((member.name, member.size) for member in members)
        found = {member.name: member for member in members if member.isreg()}
        if len(found) < sum(member.isreg() for member in members):
            raise ValueError("the archive has two members of one name")

        def content(name: str) -> bytes:
            file = archive.extractfile(found[name])
            return b"" if file is None else file.read()

        return _pick({name: member.size for name, member in found.items()}, wanted, content)


def _check_sizes(members: Iterable[tuple[str, int]]) -> None:
    """Refuse an archive for the names, the number and the sizes of its members."""
    total = 0
    for count, (name, size) in enumerate(members, 1):
        total += size
        if not _stays_inside(name):
            raise ValueError(f"the archive has {name!r:.80}, which leaves the folder; nothing was unpacked")
        if count > MOST_MEMBERS or total > MOST_BYTES:
            raise ValueError(f"the archive has more than {MOST_MEMBERS} members or {MOST_BYTES} bytes")


def _stays_inside(name: str) -> bool:
    return bool(name) and not (name.startswith("/") or ".." in PurePosixPath(name).parts or set(name) & set("\\:\0"))


def _pick(sizes: Mapping[str, int], wanted: Mapping[str, int], content: Callable[[str], bytes]) -> dict[str, bytes]:
    picked = {}
    for name, n_bytes in wanted.items():
        found = [member for member in sizes if PurePosixPath(member).name == name]
        if len(found) != 1 or sizes[found[0]] != n_bytes:
            came = f"{found[0]!r} of {sizes[found[0]]} bytes" if len(found) == 1 else f"{len(found)} such members"
            raise ValueError(
                f"the archive has {came} among {listing(list(sizes), 4)}; wanted {name!r} of {n_bytes} bytes"
            )
        picked[name] = content(found[0])
    return picked
