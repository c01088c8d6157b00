"""Layers as other tools write them: sparse files, nothing at all, headers for all entries, odd names.

Sparse files are GNU tar's own, in each of its four forms; expected is the file that it read.
"""

import gzip
import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.oci.conftest import add_image
from tests.oci.test_layers_hostile import entry, run_zstd, tar, tree, unpack
from wherry.errors import FormatError, InputError, TooLargeError
from wherry.oci.image import ImageConfig
from wherry.oci.rootfs import Roots
from wherry.oci.store import Store
from wherry.oci.tarstream import Limits

FORMS = (["--format=gnu"], *(["--format=pax", f"--sparse-version={version}"] for version in ("0.0", "0.1", "1.0")))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    return root


def sparse_file(path: Path, *, pieces: int = 30, end: int = 8 << 20) -> bytes:
    """With more pieces than a header has room for, a hole at the begin and one at the end."""
    with path.open("wb") as file:
        for number in range(1, pieces + 1):
            file.seek(number * (128 << 10))
            file.write(bytes([number]) * 5000)
        file.truncate(end)
    return path.read_bytes()


def gnu_tar(folder: Path, *options: str) -> bytes:
    return subprocess.run(["tar", "--sparse", *options, "-C", folder, "-cf", "-", "."], capture_output=True, check=True).stdout


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form[-1])
def test_sparse_files_are_whole_and_stay_sparse(root: Path, tmp_path: Path, form: list[str]) -> None:
    source = tmp_path / "source"
    source.mkdir()
    content = sparse_file(source / "holes")
    sparse_file(source / "nothing", pieces=0, end=1 << 20)
    (source / "z-last").write_text("last")
    plain = gnu_tar(source, *form)
    assert len(plain) < 1 << 20  # it is sparse in there
    unpack(root, plain, sent=gzip.compress(plain))
    assert (root / "holes").read_bytes() == content
    assert (root / "nothing").read_bytes() == bytes(1 << 20)
    assert (root / "z-last").read_text() == "last"
    assert (root / "holes").stat().st_blocks * 512 < 2 << 20


def test_a_sparse_file_is_copied_for_a_run_with_its_holes(tmp_path: Path, store: Store) -> None:
    source = tmp_path / "source"
    source.mkdir()
    content = sparse_file(source / "holes")
    manifest = add_image(store, [gnu_tar(source)])
    roots = Roots(tmp_path / "rootfs", store, limits=Limits(reserve=0))
    config = ImageConfig.parse(store.read(manifest.config.digest))
    with roots.unpacked(manifest, config) as unpacked, roots.writable(unpacked) as copy:
        assert (copy / "holes").read_bytes() == content
        assert (copy / "holes").stat().st_blocks * 512 < 2 << 20


def old_gnu(segments: list[tuple[int, int]], size: int, content: bytes) -> bytes:
    """One sparse file as GNU tar's old header has it, whatever its numbers claim."""
    info = tarfile.TarInfo("sparse")
    info.size = len(content)
    header = bytearray(info.tobuf(format=tarfile.GNU_FORMAT))
    header[156:157] = b"S"
    for number, (offset, length) in enumerate(segments):
        header[386 + 24 * number : 410 + 24 * number] = octal(offset) + octal(length)
    header[483:495] = octal(size)
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 256 + sum(header[156:512]))
    return bytes(header) + content.ljust(-(-len(content) // 512) * 512, b"\0") + bytes(1024)


def octal(number: int) -> bytes:
    return b"%011o\0" % number if number >= 0 else b"\xff" * 4 + number.to_bytes(8, "big", signed=True)


def test_the_old_header_is_read(root: Path) -> None:
    unpack(root, old_gnu([(512, 512), (2048, 0)], 2048, b"x" * 512))
    assert (root / "sparse").read_bytes() == bytes(512) + b"x" * 512 + bytes(1024)


@pytest.mark.parametrize(
    ("segments", "size"),
    [
        ([(0, 512), (256, 512)], 4096),  # over one another
        ([(1024, 512), (0, 512)], 4096),  # backwards
        ([(4096, 512)], 4096),  # beyond the end
        ([(0, -512)], 4096),
        ([(-512, 512)], 4096),
        ([(0, 2048)], 4096),  # more than there is
        ([(0, 512)], 1 << 60),
        ([(0, 512)], -1),
    ],
    ids=range(8),
)
def test_a_sparse_map_that_lies_is_refused(root: Path, segments: list[tuple[int, int]], size: int) -> None:
    with pytest.raises((FormatError, TooLargeError)):
        unpack(root, old_gnu(segments, size, b"x" * 1024)[:-1024])


@pytest.mark.parametrize(
    "records",
    [
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "99"},  # no map before the bytes
        {"GNU.sparse.map": "0,5,x", "GNU.sparse.size": "99"},
        {"GNU.sparse.map": "0,50,40,50", "GNU.sparse.size": "99"},
        {"GNU.sparse.map": "90,99", "GNU.sparse.size": "99"},
        {"GNU.sparse.map": "0,5", "GNU.sparse.size": str(1 << 62)},
        {"GNU.sparse.size": "nine"},
    ],
    ids=range(6),
)
def test_a_sparse_map_in_records_that_lies_is_refused(root: Path, records: dict[str, str]) -> None:
    info = tarfile.TarInfo("sparse")
    info.size, info.pax_headers = 100, records
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(b"q" * 100))
    with pytest.raises(InputError):
        unpack(root, out.getvalue())


@pytest.mark.parametrize("sent", [b"", gzip.compress(b""), run_zstd(b"")], ids=["plain", "gzip", "zstd"])
def test_a_layer_of_nothing_changes_nothing(root: Path, sent: bytes) -> None:
    """moby's empty layer: not even the two blocks of zeros at the end."""
    (root / "lower").write_text("lower")
    unpack(root, b"", sent=sent)
    unpack(root, bytes(1024), sent=gzip.compress(bytes(1024)))
    assert tree(root) == {"lower": "lower"}


def test_bytes_after_the_end_belong_to_nothing(root: Path) -> None:
    """Go's archive/tar, which engines read with, ends at two blocks of zeros; one alone, and more after it, is damage."""
    plain = tar(entry("x", b"1"))[:1024]
    unpack(root, plain + bytes(1024) + b"what else a tool left there" + tar(entry("y", b"2")))
    assert tree(root) == {"x": "1"}
    with pytest.raises(FormatError, match="other bytes after the last entry"):
        unpack(root, plain + bytes(512) + tar(entry("y", b"2")))


def test_headers_for_all_entries_are_passed_over(root: Path) -> None:
    """`git archive` writes one with its commit; engines take no name, size or link from it."""
    out = io.BytesIO()
    records = {"comment": "a" * 40, "path": "elsewhere", "size": "7", "linkpath": "/etc/passwd"}
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers=records) as archive:
        for name in ("a", "b/c"):
            info = tarfile.TarInfo(name)
            info.size = 3
            archive.addfile(info, io.BytesIO(b"abc"))
    unpack(root, out.getvalue())
    assert tree(root) == {"a": "abc", "b": "/", "b/c": "abc"}


def test_names_that_are_no_utf8_are_the_same_bytes(root: Path) -> None:
    for number, form in enumerate((tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT)):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form, encoding="latin-1") as archive:
            info = tarfile.TarInfo(f"caf\xe9{number}")
            info.pax_headers = {"SCHILY.xattr.user.x": "y", "mtime": "-5"} if form == tarfile.PAX_FORMAT else {}
            archive.addfile(info)
        unpack(root, out.getvalue())
    names = {os.fsencode(path.name) for path in root.iterdir()}
    assert {b"caf\xe90", b"caf\xe91"} < names and len(names) == 3
