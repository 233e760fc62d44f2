"""Archives somebody else made: what is wanted comes out, and what would leave the folder is refused whole."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile

import pytest

from graphnn.datasets.archives import unpack

GOOD = {"set/README.txt": b"words", "set/a.txt": b"1, 2"}


def zipped(members, **attributes):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.filename = name  # ZipInfo mends what a hostile writer would not
            for key, value in attributes.items():
                setattr(info, key, value)
            archive.writestr(info, data)
    return file.getvalue()


def tarred(members, kind=tarfile.REGTYPE, target="", packed=False):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = (len(data) if kind == tarfile.REGTYPE else 0), kind, target
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(file.getvalue()) if packed else file.getvalue()


@pytest.mark.parametrize("make", [zipped, tarred, lambda members: tarred(members, packed=True)])
def test_what_is_wanted_comes_out_and_nothing_is_written(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert unpack(make(GOOD.items()), {"a.txt": 4}) == {"a.txt": b"1, 2"}
    assert list(tmp_path.iterdir()) == []


LEAVING = ["../a.txt", "set/../../a.txt", "/etc/a.txt", "C:/a.txt", "C:a.txt", "..\\a.txt", "\\\\host\\a.txt", ".."]


@pytest.mark.parametrize("name", LEAVING)
@pytest.mark.parametrize("make", [zipped, tarred])
def test_members_that_leave_the_folder_are_refused_though_nobody_asks_for_them(make, name):
    with pytest.raises(ValueError, match="which leaves the folder; nothing was unpacked"):
        unpack(make([*GOOD.items(), (name, b"evil")]), {"a.txt": 4})


def symlink_in_a_zip():
    return zipped(GOOD.items(), external_attr=(stat.S_IFLNK | 0o777) << 16)


def two_of_one_name_in_a_zip():
    with pytest.warns(UserWarning, match="Duplicate name"):
        return zipped([*GOOD.items(), ("set/a.txt", b"evil")])


def encrypted():
    data = bytearray(zipped([("set/a.txt", b"1, 2")]))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + at] |= 1
    return bytes(data)


def says_another_size():
    data = bytearray(zipped([("set/a.txt", b"1, 2 and much more")]))
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = (4).to_bytes(4, "little")
    return bytes(data)


REFUSED = {
    "a symbolic link in a zip": (symlink_in_a_zip, "a link or a device"),
    "a symbolic link": (lambda: tarred(GOOD.items(), tarfile.SYMTYPE, "/etc/passwd"), "a link or a device"),
    "a hard link": (lambda: tarred(GOOD.items(), tarfile.LNKTYPE, "/etc/passwd"), "a link or a device"),
    "a device": (lambda: tarred(GOOD.items(), tarfile.CHRTYPE), "a link or a device"),
    "a pipe": (lambda: tarred(GOOD.items(), tarfile.FIFOTYPE), "a link or a device"),
    "two of one name in a zip": (two_of_one_name_in_a_zip, "two members of one name"),
    "two of one name": (lambda: tarred([*GOOD.items(), ("set/a.txt", b"evil")]), "two members of one name"),
    "two in two folders": (lambda: zipped([*GOOD.items(), ("b/a.txt", b"evil")]), "2 such members among"),
    "encryption": (encrypted, "which is encrypted"),
    "another size": (lambda: zipped([("set/a.txt", b"1, 2, 3")]), "'set/a.txt' of 7 bytes among .* of 4 bytes"),
    "a size that lies": (says_another_size, "cannot be unpacked|of 4 bytes"),
    "nothing of the kind": (lambda: zipped([("b.txt", b"1, 2")]), "0 such members among 'b.txt'; wanted 'a.txt'"),
    "no archive": (lambda: b"words", "the archive of 5 bytes cannot be unpacked"),
    "a zip cut off": (lambda: zipped(GOOD.items())[:-9], "cannot be unpacked"),
    "a tar.gz cut off": (lambda: tarred(GOOD.items(), packed=True)[:-9], "cannot be unpacked"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_other_archives_are_refused(case):
    make, says = REFUSED[case]
    with pytest.raises(ValueError, match=says):
        unpack(make(), {"a.txt": 4})


@pytest.mark.parametrize("make", [zipped, tarred, lambda members: tarred(members, packed=True)])
def test_what_unpacks_to_too_much_is_refused(make, monkeypatch):
    data = make([*GOOD.items(), ("zeros", bytes(50_000))])
    monkeypatch.setattr("graphnn.datasets.archives.MOST_BYTES", 40_000)
    with pytest.raises(ValueError, match="40000 bytes"):
        unpack(data, {"a.txt": 4})
    monkeypatch.setattr("graphnn.datasets.archives.MOST_MEMBERS", 2)
    monkeypatch.setattr("graphnn.datasets.archives.MOST_BYTES", 10**6)
    with pytest.raises(ValueError, match="more than 2 members"):
        unpack(data, {"a.txt": 4})
