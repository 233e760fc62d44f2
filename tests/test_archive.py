"""One file, whole or refused: hostile files, failing disks, and memory."""

from __future__ import annotations

import builtins
import errno
import hashlib
import io
import json
import os
import re
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from graphnn import archive

ARRAYS = {"params/0.dense.weight": np.arange(6.0).reshape(2, 3), "state/m.0": np.float32([1, np.nan, -0.0])}
OLD, NEW = {"a": np.zeros(3)}, {"a": np.ones(5)}
KIND = {"made": "by hand"}


def same(left, right):
    """Say whether two dicts of arrays agree in every bit, in order and in layout."""
    return list(left) == list(right) and all(
        left[name].dtype == right[name].dtype
        and left[name].shape == right[name].shape
        and left[name].tobytes() == np.asarray(right[name]).tobytes()
        for name in left
    )


def sealed(file):
    """Return a file of the same members that says its true length and digest: what a stranger can make."""
    body = re.sub(rb'"bytes": "\d{15}"', b'"bytes": "%015d"' % len(file), bytes(file), count=1)[: -archive.TAIL]
    return body + archive.MARK + hashlib.sha256(body).hexdigest().encode()


def zipped(*members, text=None, method=zipfile.ZIP_STORED):
    """Return a zip whose first member is the header and whose comment has room for the digest."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        head = f'{{"format": 1, "bytes": "{0:015}", '
        file.writestr(zipfile.ZipInfo(archive.HEADER), head + (text or '"made": "by hand"}'))
        for name, data in members:
            file.writestr(name, data)
        file.comment = bytes(archive.TAIL)
    return buffer.getvalue()


def npy(shape="(2,)", descr="'<f8'", data=bytes(16), version=b"\x01\x00", fortran="False"):
    text = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode("latin1")
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + data


def test_numpy_and_zip_alone_can_read_it(tmp_path):
    path = tmp_path / "a.npz"
    archive.write(path, KIND, ARRAYS)
    with np.load(path, allow_pickle=False) as plain:
        assert same({name: plain[name] for name in ARRAYS}, ARRAYS)
        assert set(plain.files) == {*ARRAYS, archive.HEADER}
    with zipfile.ZipFile(path) as plain:
        assert plain.testzip() is None
        header = json.loads(plain.read(archive.HEADER))
        assert {info.compress_type for info in plain.infolist()} == {zipfile.ZIP_STORED}
    assert header == {"format": 1, "bytes": f"{path.stat().st_size:015}", **KIND}
    assert path.read_bytes()[-64:].decode() == hashlib.sha256(path.read_bytes()[:-79]).hexdigest()


def test_the_same_content_gives_the_same_bytes(tmp_path, monkeypatch):
    archive.write(tmp_path / "a.npz", KIND, ARRAYS)
    monkeypatch.setattr(time, "time", lambda: 2e9)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(2e9))
    monkeypatch.setattr(sys, "platform", "win32")
    archive.write(tmp_path / "b.npz", KIND, ARRAYS)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


DTYPES = ["?", "i1", "<i2", ">i4", "i8", "u1", ">u8", "f2", "<f4", ">f4", "f8", ">f8", "c8", ">c16", np.dtype("g").str]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_bit_of_an_array_comes_back(tmp_path_factory, data):
    dtype = np.dtype(data.draw(st.sampled_from(DTYPES)))
    shape = data.draw(arrays_of.array_shapes(min_dims=0, min_side=0, max_side=4))
    count = int(np.prod(shape)) * dtype.itemsize
    bits = data.draw(st.binary(min_size=count, max_size=count))
    array = np.ndarray(shape, dtype, bits if dtype.kind != "b" else bytes(b & 1 for b in bits))
    array = data.draw(st.sampled_from([np.array, np.asfortranarray, np.transpose, np.flip]))(array)
    path = tmp_path_factory.getbasetemp() / "one.npz"
    archive.write(path, KIND, {"a": array})
    back = archive.read(path)[1]
    assert same(back, {"a": array})
    assert back["a"].flags.f_contiguous or not array.flags.f_contiguous
    assert back["a"].flags.writeable
    assert back["a"].flags.owndata or back["a"].base.flags.owndata


NAMES = [
    "",
    "a",
    "a.npy",
    "../../x",
    "/etc/passwd",
    "C:",
    "ä/ö\n",
    "名",
    "con",
    " ",
    "x" * 60_000,
    "'\"{}",
    "graphnn.json",
]


def test_any_name_comes_back_and_none_is_a_place_on_the_disk(tmp_path):
    wanted = {name: np.array(i) for i, name in enumerate(NAMES)}
    archive.write(tmp_path / "a.npz", KIND, wanted)
    assert same(archive.read(tmp_path / "a.npz")[1], wanted)
    assert os.listdir(tmp_path) == ["a.npz"]


@pytest.mark.parametrize("name", ["a\0b", "a\\b", "\ud800", "x" * 70_000, 3, None])
def test_a_name_that_zip_tools_change_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"the name .* cannot be written; wanted text without backslash"):
        archive.write(tmp_path / "a.npz", KIND, {name: np.ones(1)})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("array", [np.array([{}]), np.array(["a"]), np.zeros(1, "f8,i4"), np.array("2020", "M8[D]")])
def test_arrays_of_other_things_than_numbers_are_refused(tmp_path, array):
    with pytest.raises(TypeError, match=r"'p' has dtype .*; a file holds arrays of numbers"):
        archive.write(tmp_path / "a.npz", KIND, {"p": array})


def test_an_array_beyond_the_reach_of_plain_zip_is_refused(tmp_path):
    vast = np.broadcast_to(np.float64(1), (2**28,))
    with pytest.raises(ValueError, match=r"'p' takes 2147483648 bytes; one array may take 2147418112"):
        archive.write(tmp_path / "a.npz", KIND, {"p": vast})


def test_a_header_that_could_not_be_read_again_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="the header holds too much; give long rows of numbers as arrays"):
        archive.write(tmp_path / "a.npz", {"a": [[] for _ in range(40_000)]}, {})
    archive.write(tmp_path / "a.npz", {"history": [i / 7 for i in range(200_000)]}, {})
    assert archive.read(tmp_path / "a.npz")[0]["history"][-1] == 199_999 / 7


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_has_no_word_for_is_not_written(tmp_path, number):
    with pytest.raises(ValueError, match="not JSON compliant"):
        archive.write(tmp_path / "a.npz", {"a": number}, {})
    assert os.listdir(tmp_path) == []


# ---- damage ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def whole(tmp_path):
    """Give the bytes of a small file."""
    archive.write(tmp_path / "a.npz", KIND, {"a": np.ones(2)})
    return (tmp_path / "a.npz").read_bytes()


@pytest.fixture
def read_bytes(monkeypatch):
    """Give a function that reads bytes as if they were the file a.npz; tens of thousands of real files take minutes."""

    def read(data):
        monkeypatch.setattr(Path, "read_bytes", lambda self: data)
        return archive.read("a.npz")

    return read


def test_a_file_cut_at_any_byte_is_refused(whole, read_bytes):
    for n in range(len(whole)):
        with pytest.raises(ValueError, match=r"a\.npz: ") as error:
            read_bytes(whole[:n])
        if n > 84:  # what the file says of its length is there
            digest = hashlib.sha256(whole[: max(n - archive.TAIL, 0)]).hexdigest()
            assert f"a.npz: the file is damaged: its SHA-256 is '{digest}'" in str(error.value)
            assert f"; {n} of {len(whole)} bytes" in str(error.value)


def test_a_file_with_more_behind_it_is_refused(whole, read_bytes):
    for more in (b"\0", whole, b"PK\x05\x06" + bytes(18), whole[-archive.TAIL :]):
        with pytest.raises(ValueError, match=f"damaged.*; {len(whole + more)} of {len(whole)} bytes"):
            read_bytes(whole + more)


def test_a_flip_of_any_bit_is_refused(whole, read_bytes):
    assert same(read_bytes(whole)[1], {"a": np.ones(2)})
    for i in range(len(whole)):
        for bit in range(8):
            with pytest.raises(ValueError, match=r"a\.npz: the file is damaged"):
                read_bytes(whole[:i] + bytes([whole[i] ^ 1 << bit]) + whole[i + 1 :])


def test_no_change_to_a_file_goes_unnoticed(whole, read_bytes):
    rng = np.random.default_rng(0)
    for _ in range(20_000):
        i, j, n = rng.integers(len(whole), size=3)
        start, end = sorted((i, j))
        mutated = [
            whole[:start] + rng.bytes(n) + whole[end:],
            whole[:start] + whole[end:] + whole[start:end],
            whole[:start] + whole[start:end][::-1] + whole[end:],
            whole[:end] + whole[start:],
        ][rng.integers(4)]
        if mutated != whole:
            with pytest.raises(ValueError, match=r"a\.npz: "):
                read_bytes(mutated)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "damaged, cut short or changed at its beginning: it has 0 bytes"),
        (b"<html>not found</html>" * 20, "this is no graphnn checkpoint$"),
        (zipped()[:30], "no graphnn checkpoint, perhaps an .npz of arrays alone"),
        (zipped()[:50], "damaged, cut short.*50 bytes"),
        (b"x" + sealed(zipped()), "damaged: .*; .* of an unreadable number"),
        (sealed(b"x" + zipped()), "damaged: .*; .* of an unreadable number"),
        (sealed(zipped()) + b"x", "is not at its end; "),
    ],
)
def test_what_is_no_checkpoint_is_called_that(tmp_path, data, message):
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(ValueError, match=rf"a\.npz: .*{message}"):
        archive.read(tmp_path / "a.npz")


def test_a_plain_npz_is_called_that(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.ones(3))
    with pytest.raises(ValueError, match=r"a\.npz: this is no graphnn checkpoint, .* dict\(np.load\(path\)\)"):
        archive.read(tmp_path / "a.npz")


# ---- files of strangers, whose digest is right ----------------------------------------------------------------------


def changed(place, data, file=None):
    """Return a file with other bytes at a place of the local header of its second member."""
    file = bytearray(file or zipped(("a.npy", npy())))
    at = file.find(b"PK\x03\x04", 4) + place
    file[at : at + len(data)] = data
    return bytes(file)


HUGE = 10**15
HOSTILE = {
    "huge shape": zipped(("a.npy", npy(f"({HUGE},)"))),
    "huge and empty": zipped(("a.npy", npy(f"(0, {HUGE}, {HUGE})", data=b""))),
    "fewer than there are": zipped(("a.npy", npy("(1,)"))),
    "negative": zipped(("a.npy", npy("(-1, -2)"))),
    "not numbers": zipped(("a.npy", npy("('2',)"))),
    "a hundred dimensions": zipped(("a.npy", npy("(2" + ", 1" * 100 + ")"))),
    "objects": zipped(("a.npy", npy("(1,)", "'|O'", b"\x80\x04N."))),
    "words": zipped(("a.npy", npy("(2,)", "'<U2'"))),
    "records": zipped(("a.npy", npy("(2,)", "[('a', '<f8')]"))),
    "sub-arrays": zipped(("a.npy", npy("(1,)", "('<f8', (2,))"))),
    "nothing wide": zipped(("a.npy", npy(f"({HUGE},)", "'|V0'", b""))),
    "dates": zipped(("a.npy", npy("(2,)", "'<M8[s]'"))),
    "no dtype": zipped(("a.npy", npy("(2,)", "'<q9'"))),
    "code": zipped(("a.npy", npy("(__import__('os').getpid(),)"))),
    "nested": zipped(("a.npy", npy("(" * 3000 + ")" * 3000))),
    "open": zipped(("a.npy", npy("((((("))),
    "long": zipped(("a.npy", npy("(2,)" + " " * 20_000))),
    "other version": zipped(("a.npy", npy(version=b"\x02\x00"))),
    "no array": zipped(("a.npy", b"hello")),
    "empty member": zipped(("a.npy", b"")),
    "other member": zipped(("a.txt", npy())),
    "twice": zipped(("a.npy", npy()), ("b.npy", npy())).replace(b"b.npy", b"a.npy"),
    "compressed": zipped(("a.npy", npy("(1000000,)", data=bytes(8_000_000))), method=zipfile.ZIP_DEFLATED),
    "says compressed": changed(8, b"\x08"),
    "encrypted": changed(6, b"\x01"),
    "sizes behind": changed(6, b"\x08"),
    "longer than the file": changed(18, b"\xff\xff\xff\x7f\xff\xff\xff\x7f"),
    "sizes differ": changed(18, b"\x01\x00\x00\x00"),
    "long name": changed(26, b"\xff\xff"),
    "no text for a name": changed(30, b"\xff"),
    "extra": changed(28, b"\x04"),
    "no member": changed(0, b"PK\x07\x08"),
    "nan": zipped(text='"a": NaN}'),
    "no JSON": zipped(text='"a": 1'),
    "deep": zipped(text='"a": ' + "[" * 20_000 + "]" * 20_000 + "}"),
    "not ASCII": zipped(text='"a": "ä"}'),
    "lists": zipped(text='"a": [' + "[]," * 400_000 + "[]]}"),
    "dicts": zipped(text='"a": [' + '{"a":1},' * 200_000 + "1]}"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_strangers_file_is_refused_by_name_in_little_memory(tmp_path, case):
    path = tmp_path / "a.npz"
    path.write_bytes(sealed(HOSTILE[case]))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"a\.npz: the file is not as graphnn writes it: "):
            archive.read(path)
        assert tracemalloc.get_traced_memory()[1] < 4 * path.stat().st_size + 2**24
    finally:
        tracemalloc.stop()


def test_the_hostile_files_differ_from_a_good_one_in_that_alone(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(sealed(zipped(("a.npy", npy()))))
    assert same(archive.read(path)[1], {"a": np.zeros(2)})


def test_a_directory_that_names_one_member_many_times_is_not_followed(tmp_path):
    file = zipped(("a.npy", npy("(100000,)", data=bytes(800_000))))
    at, end = file.rfind(b"PK\x01\x02"), file.rfind(b"PK\x05\x06")
    path = tmp_path / "a.npz"
    path.write_bytes(sealed(file[:end] + file[at:end] * 2000 + file[end:]))
    tracemalloc.start()
    try:
        assert list(archive.read(path)[1]) == ["a"]
        assert tracemalloc.get_traced_memory()[1] < 4 * path.stat().st_size + 2**24
    finally:
        tracemalloc.stop()


HEAVY = {
    "one array": ({}, {"a": np.zeros(4_000_000)}),
    "many arrays": ({}, {f"params/{i}.weight": np.zeros(3) for i in range(5_000)}),
    "rows of numbers": ({"a": [i / 7 for i in range(150_000)]}, {}),
    "small lists": ({"a": [[i] for i in range(20_000)]}, {}),
    "small dicts": ({"a": [{"b": 1.5} for i in range(15_000)]}, {}),
    "words": ({f"{i}-{j}": i for i in range(300) for j in range(200)}, {}),
    "wide letters": ({"a": "x" * 1_000_000 + "\U0001f600"}, {}),
}


@pytest.mark.parametrize("case", HEAVY)
def test_reading_takes_four_times_the_file_and_sixteen_megabytes_at_most(tmp_path, case):
    header, arrays = HEAVY[case]
    path = tmp_path / "a.npz"
    archive.write(path, {"x": 0, **header}, arrays)
    tracemalloc.start()
    try:
        archive.read(path)
        assert tracemalloc.get_traced_memory()[1] < 4 * path.stat().st_size + 2**24
    finally:
        tracemalloc.stop()


def test_a_newer_format_is_told(tmp_path):
    archive.write(tmp_path / "a.npz", KIND, {})
    newer = (tmp_path / "a.npz").read_bytes().replace(b'"format": 1', b'"format": 2')
    (tmp_path / "a.npz").write_bytes(sealed(newer))
    with pytest.raises(ValueError, match=r"a\.npz: the file has format 2, this graphnn reads 1; update graphnn"):
        archive.read(tmp_path / "a.npz")


WATCHED = """
import sys
seen = []
def watch(event, arguments):
    if event in ("pickle.find_class", "marshal.loads", "os.system", "subprocess.Popen", "os.exec", "os.posix_spawn"):
        seen.append(event)
from graphnn import archive
sys.addaudithook(watch)
for path in sys.argv[1:]:
    try:
        archive.read(path)
    except ValueError:
        pass
assert not seen, seen
import io, pickle
pickle.loads(b"cbuiltins\\nlen\\n.")
assert seen == ["pickle.find_class"], seen
"""


def test_no_file_makes_python_run_anything(tmp_path):
    paths = [tmp_path / f"{i}.npz" for i in range(len(HOSTILE))]
    for path, file in zip(paths, HOSTILE.values(), strict=True):
        path.write_bytes(sealed(file))
    done = subprocess.run([sys.executable, "-c", WATCHED, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# ---- failing disks --------------------------------------------------------------------------------------------------


class Faults:
    """Lets the first calls to the file system pass and the k-th fail, before or half-way through what it does."""

    def __init__(self, monkeypatch, k, error):
        self.left, self.error, self.calls = k, error, 0
        faults = self

        class File(io.FileIO):
            def write(self, data):
                faults.step(lambda: super(File, self).write(data[: len(data) // 2]))
                return super().write(data)

            def flush(self):
                faults.step()
                super().flush()

            def close(self):
                if not self.closed:
                    super().close()
                    faults.step()

        def opened(path, mode):
            faults.step(lambda: builtins.open(path, mode).close())
            return File(path, mode)

        monkeypatch.setattr(archive, "open", opened, raising=False)
        for name in ("open", "fsync", "fstat", "lstat", "unlink", "replace"):
            real = getattr(os, name)
            monkeypatch.setattr(os, name, self.failing(real))

    def failing(self, real):
        def call(*arguments, **named):
            self.step()
            return real(*arguments, **named)

        return call

    def step(self, half=None):
        self.calls += 1
        self.left -= 1
        if self.left == 0:
            if half is not None:
                half()
            raise self.error


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EIO, "I/O error"), KeyboardInterrupt()]
)
def test_whatever_call_fails_the_old_file_or_the_new_one_is_there(tmp_path, error, old):
    path, k, failed = tmp_path / "a.npz", 0, 0
    while True:
        k += 1
        path.unlink(missing_ok=True)
        if old:
            archive.write(path, KIND, OLD)
        with pytest.MonkeyPatch.context() as patch:
            faults = Faults(patch, k, error)
            try:
                archive.write(path, KIND, NEW)
                raised = None
            except (OSError, KeyboardInterrupt) as caught:
                raised, failed = caught, failed + 1
        assert set(os.listdir(tmp_path)) <= {"a.npz"}
        if isinstance(raised, OSError):
            assert str(path) in str(raised)
            assert "not saved, what was there stands: " in str(raised)
            assert raised.errno == error.errno
        there = archive.read(path)[1] if path.exists() else None
        assert same(there, NEW) if raised is None else there is None or same(there, OLD) or same(there, NEW)
        if isinstance(raised, OSError):
            assert same(there, OLD) if old else there is None
        if faults.left > 0:
            break
    assert failed >= 7
    assert same(archive.read(path)[1], NEW)


def test_a_full_disk_leaves_what_was_there(tmp_path):
    pytest.importorskip("resource")
    path = tmp_path / "a.npz"
    archive.write(path, KIND, OLD)
    code = (
        "import resource, signal, sys, numpy as np\nfrom graphnn import archive\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n    archive.write(sys.argv[1], {'a': 1}, {'a': np.ones(9999)})\n"
        "except OSError as error:\n    print(error)\n"
    )
    said = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True).stdout
    assert "not saved, what was there stands: File too large" in said
    assert str(path) in said
    assert same(archive.read(path)[1], OLD)
    assert os.listdir(tmp_path) == ["a.npz"]


@pytest.mark.skipif(os.name == "nt", reason="a folder cannot be forced to the disk there")
def test_the_file_is_on_the_disk_before_it_takes_its_place_and_the_folder_after(tmp_path, monkeypatch):
    path, order, fsync, replace = tmp_path / "a.npz", [], os.fsync, os.replace

    def forced(number):
        order.append("folder" if os.path.samestat(os.fstat(number), os.stat(tmp_path)) else os.fstat(number).st_size)
        fsync(number)

    def replaced(*paths):
        order.append("replace")
        replace(*paths)

    monkeypatch.setattr(os, "fsync", forced)
    monkeypatch.setattr(os, "replace", replaced)
    archive.write(path, KIND, NEW)
    assert order == [path.stat().st_size, "replace", "folder"]


def test_what_a_killed_process_left_is_no_hindrance_and_goes(tmp_path):
    (tmp_path / ".a.npz.part").write_bytes(b"half a fil")
    archive.write(tmp_path / "a.npz", KIND, NEW)
    assert os.listdir(tmp_path) == ["a.npz"]


def test_a_folder_that_is_not_there_and_a_folder_in_the_place_of_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"not saved.*none/a\.npz'"):
        archive.write(tmp_path / "none" / "a.npz", KIND, NEW)
    with pytest.raises(IsADirectoryError, match=f"'{re.escape(str(tmp_path))}'"):
        archive.write(tmp_path, KIND, NEW)
    with pytest.raises(FileNotFoundError, match=r"none\.npz"):
        archive.read(tmp_path / "none.npz")


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_is_followed_to_the_file_and_one_laid_in_the_way_is_not(tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    (tmp_path / "best.npz").symlink_to(tmp_path / "runs" / "a.npz")
    mine = tmp_path / "mine.txt"
    mine.write_text("precious")
    (tmp_path / "runs" / ".a.npz.part").symlink_to(mine)
    archive.write(tmp_path / "best.npz", KIND, NEW)
    assert (tmp_path / "best.npz").is_symlink()
    assert same(archive.read(tmp_path / "runs" / "a.npz")[1], NEW)
    assert mine.read_text() == "precious"
    (tmp_path / "runs" / ".a.npz.part").symlink_to(mine)
    monkeypatch.setattr(Path, "unlink", lambda self, missing_ok=False: None)  # laid there just after it was cleared
    with pytest.raises(FileExistsError, match="not saved"):
        archive.write(tmp_path / "best.npz", KIND, OLD)
    assert mine.read_text() == "precious"


def test_two_that_save_to_one_path_at_one_time_do_not_tear_the_file(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    archive.write(path, KIND, OLD)
    fsync, inside = os.fsync, []

    def meanwhile(number):
        fsync(number)
        if not inside:
            inside.append(1)
            aside = tmp_path / ".a.npz.part"
            aside.unlink()
            aside.write_bytes(b"what the other one has written so far")

    monkeypatch.setattr(os, "fsync", meanwhile)
    with pytest.raises(FileExistsError, match=r"something else saves to this path at the same time: .*a\.npz"):
        archive.write(path, KIND, NEW)
    assert same(archive.read(path)[1], OLD)


def test_what_is_given_is_left_as_it_is(tmp_path):
    header = {"a": [1, {"b": 2}]}
    before = json.dumps(header), {name: array.tobytes() for name, array in ARRAYS.items()}
    archive.write(tmp_path / "a.npz", header, ARRAYS)
    assert before == (json.dumps(header), {name: array.tobytes() for name, array in ARRAYS.items()})
