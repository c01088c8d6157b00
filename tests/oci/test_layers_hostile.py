"""Layers from outside: whatever they say, nothing is written outside the root, the disk is not filled, nothing hangs.

They are made with tarfile or byte by byte, never with our own writer.
"""

import contextlib
import gzip
import hashlib
import io
import os
import random
import stat
import struct
import subprocess
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.errors import FormatError, InputError, TooLargeError
from wherry.oci.compression import Compression, Decompressed
from wherry.oci.digest import Digest
from wherry.oci.tarstream import Limits
from wherry.oci.unpack import unpack_layer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a neighbour that must stay as it is."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret")
    root = tmp_path / "root"
    root.mkdir()
    return root


def entry(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, target: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.size = kind, target, mode, len(content)
    info.pax_headers = {"content": content.hex()} if content else {}
    return info


def symlink(name: str, target: str) -> tarfile.TarInfo:
    return entry(name, kind=tarfile.SYMTYPE, target=target)


def hardlink(name: str, target: str) -> tarfile.TarInfo:
    return entry(name, kind=tarfile.LNKTYPE, target=target)


def folder(name: str) -> tarfile.TarInfo:
    return entry(name, kind=tarfile.DIRTYPE)


def tar(*entries: tarfile.TarInfo, format: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for info in entries:
            content = bytes.fromhex(info.pax_headers.pop("content", ""))  # type: ignore[attr-defined]
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def unpack(root: Path, plain: bytes, *, sent: bytes | None = None, limits: Limits | None = None) -> None:
    digest = Digest("sha256", hashlib.sha256(plain).hexdigest())
    limits = limits or Limits(reserve=0)
    unpack_layer(io.BytesIO(plain if sent is None else sent), root, diff_id=digest, limits=limits, place="layer")


def tree(root: Path) -> dict[str, str]:
    """name -> content, `-> target` or /"""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        found[name] = f"-> {path.readlink()}" if path.is_symlink() else "/" if path.is_dir() else path.read_text()
    return found


def untouched(root: Path) -> None:
    assert tree(root.parent / "outside") == {"secret": "secret"}
    assert sorted(path.name for path in root.parent.iterdir()) == ["outside", "root"]


def test_files_folders_and_links(root: Path) -> None:
    unpack(
        root,
        tar(
            entry("a/b/c", b"deep"),
            entry("./d", b"dot"),
            entry("/e", b"slash"),
            folder("f/"),
            symlink("a/link", "b/c"),
            hardlink("hard", "./a/b/c"),
            entry("run", b"#!", mode=0o755),
        ),
    )
    assert tree(root) == {
        "a": "/",
        "a/b": "/",
        "a/b/c": "deep",
        "a/link": "-> b/c",
        "d": "dot",
        "e": "slash",
        "f": "/",
        "hard": "deep",
        "run": "#!",
    }
    assert [oct((root / name).stat().st_mode & 0o7777) for name in ("run", "d")] == ["0o555", "0o444"]


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lambda data: run_zstd(data)], ids=["plain", "gzip", "zstd"])
@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_compression_and_format(root: Path, compress: Callable[[bytes], bytes], format: int) -> None:
    names = ["plain", "p" * 90 + "/" + "n" * 90] if format == tarfile.USTAR_FORMAT else ["ünï", "d/" * 60 + "n" * 120]
    plain = tar(*(entry(name, name.encode()) for name in names), format=format)
    unpack(root, plain, sent=compress(plain))
    assert {(root / name).read_bytes() for name in names} == {name.encode() for name in names}


def run_zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-q"], input=data, capture_output=True, check=True).stdout


def test_gnu_tars_own_output(root: Path, tmp_path: Path) -> None:
    source = tmp_path / "outside"
    made = subprocess.run(["tar", "-C", source, "-cf", "-", "."], capture_output=True, check=True).stdout
    unpack(root, made, sent=gzip.compress(made[:700]) + gzip.compress(made[700:]))  # two members, as pigz and eStargz write
    assert tree(root) == {"secret": "secret"}


# -- outside


@pytest.mark.parametrize("name", ["../outside/secret", "a/../../outside/secret", "..", "a/..", "/../x", "./../x"])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_dots_are_refused(root: Path, name: str, kind: bytes) -> None:
    with pytest.raises(FormatError, match=r"without \.\."):
        unpack(root, tar(entry(name, kind=kind, target="x")))
    untouched(root)


@pytest.mark.parametrize("name", ["/etc/passwd", "//etc/passwd", "///etc//passwd"])
def test_absolute_names_are_the_roots(root: Path, name: str) -> None:
    unpack(root, tar(entry(name, b"ours")))
    assert tree(root) == {"etc": "/", "etc/passwd": "ours"}


@pytest.mark.parametrize("target", ["OUTSIDE", "../outside", "../../../../../../../../../../OUTSIDE", "x/../../outside"])
def test_nothing_is_written_through_a_link(root: Path, target: str) -> None:
    """The link means what it would mean with the root as `/`: below it is a folder of ours, or nothing is written."""
    target = target.replace("OUTSIDE", str(root.parent / "outside"))
    unpack(root, tar(symlink("out", target), entry("out/secret", b"stolen"), entry("out/new", b"new")))
    untouched(root)
    assert (root / "out").is_symlink() and (root / "out").resolve().is_relative_to(root)
    assert (root / "out/secret").read_text() == "stolen"


def test_a_file_replaces_a_link_and_is_not_written_through_it(root: Path) -> None:
    outside = str(root.parent / "outside/secret")
    (root / "x").symlink_to(outside)  # as if a lower layer had managed it
    unpack(root, tar(entry("x", b"mine")))
    assert tree(root) == {"x": "mine"}
    untouched(root)


@pytest.mark.parametrize("target", ["/etc/hostname", "../outside/secret", "OUTSIDE", "folder", "nothing", ""])
def test_hard_links_reach_files_of_the_root_only(root: Path, target: str) -> None:
    target = target.replace("OUTSIDE", str(root.parent / "outside/secret"))
    with pytest.raises(FormatError):
        unpack(root, tar(folder("folder"), hardlink("hard", target)))
    assert not (root / "hard").exists()
    untouched(root)


def test_a_hard_link_through_a_link_stays_inside(root: Path) -> None:
    with pytest.raises(FormatError, match="hard link"):
        unpack(
            root,
            tar(symlink("out", "../../outside"), hardlink("h", "out/secret")),
        )
    untouched(root)


def test_links_mean_inside_what_they_would_mean_with_the_root_as_root(root: Path) -> None:
    unpack(
        root,
        tar(symlink("a/b/absolute", "/c/d"), symlink("a/up", "../../../c"), entry("c/d", b"found"), symlink("a/near", "./b")),
    )
    assert (root / "a/b/absolute").read_text() == "found"
    assert (root / "a/up/d").read_text() == "found"
    assert (root / "a/near").readlink() == Path("b")


def test_a_circle_of_links_ends(root: Path) -> None:
    for links in ([("a", "a")], [("a", "b"), ("b", "a")], [("a", "a/a/a/a")], [("a", "b/b"), ("b", "c/c"), ("c", "a/a")]):
        with pytest.raises(FormatError, match="links without end"):
            unpack(root, tar(*(symlink(name, to) for name, to in links), entry("a/x", b"")))


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"Z"])
def test_devices_and_the_like_are_refused(root: Path, kind: bytes) -> None:
    info = entry("dev/null", kind=kind)
    info.devmajor, info.devminor = 1, 3
    with pytest.raises(FormatError, match=r"expected files, folders and links|sparse|no tar"):
        unpack(root, tar(info, format=tarfile.GNU_FORMAT))
    assert not (root / "dev/null").exists()


def test_rights_are_dropped(root: Path) -> None:
    """No setuid, setgid or sticky bit, no owner, nothing that others may write."""
    modes = (0o4777, 0o2777, 0o1777, 0o6755, 0o7777, 0o000, 0o4644)
    infos = [entry(f"f{mode:o}", b"x", mode=mode) for mode in modes]
    infos += [entry(f"d{mode:o}", kind=tarfile.DIRTYPE, mode=mode) for mode in modes]
    for info in infos:
        info.uid = info.gid = 12345
    unpack(root, tar(*infos))
    for path in root.iterdir():
        status = path.stat()
        assert not status.st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX | 0o022), path
        assert (status.st_uid, status.st_gid) == (os.getuid(), os.getgid())
        assert os.access(path, os.R_OK)


# -- whiteouts and duplicates


def test_whiteouts_hide_what_lower_layers_have(root: Path) -> None:
    unpack(root, tar(entry("a/x", b"1"), entry("a/y", b"1"), entry("b/c/z", b"1"), entry("e/f/z", b"1"), entry("keep", b"1")))
    unpack(
        root,
        tar(
            entry("a/.wh.x"),
            entry("new", b"2"),
            entry(".wh.new"),
            entry("b/c/own", b"2"),
            entry("b/.wh..wh..opq"),
            entry(".wh.never-there"),
            entry("e/f/own", b"2"),
            entry(".wh.e"),
            folder(".wh..wh.plnk"),
        ),
    )
    assert tree(root) == {
        "a": "/",
        "a/y": "1",
        "b": "/",
        "b/c": "/",
        "b/c/own": "2",
        "e": "/",
        "e/f": "/",
        "e/f/own": "2",
        "keep": "1",
        "new": "2",
    }


@pytest.mark.parametrize("name", [".wh...", ".wh..", ".wh.", "a/.wh..."])
def test_a_whiteout_of_no_name_is_refused(root: Path, name: str) -> None:
    (root / "a").mkdir()
    with pytest.raises(FormatError, match="whiteout"):
        unpack(root, tar(entry(name)))
    assert (root / "a").is_dir()
    untouched(root)


def test_a_whiteout_removes_a_link_and_not_its_target(root: Path) -> None:
    (root / "out").symlink_to(root.parent / "outside")
    unpack(root, tar(entry(".wh.out")))
    (root / "out").symlink_to(root.parent / "outside")
    unpack(root, tar(entry("out/.wh.secret")))
    untouched(root)


def test_the_last_of_equal_names_wins(root: Path) -> None:
    unpack(
        root,
        tar(
            entry("x", b"1"),
            entry("./x", b"22"),
            entry("d/f", b"1"),
            entry("d", b"now a file"),
            entry("e", b"file"),
            folder("e"),
            entry("e/f", b"2"),
            symlink("s", "x"),
            entry("s", b"3"),
            entry("x", b"333"),
            hardlink("h", "x"),
            entry("h", b"4"),
        ),
    )
    assert tree(root) == {"x": "333", "d": "now a file", "e": "/", "e/f": "2", "s": "3", "h": "4"}
    with pytest.raises(FormatError, match="a folder"):
        unpack(root, tar(entry("x/y", b"")))
    with pytest.raises(FormatError, match="root to be a folder"):
        unpack(root, tar(entry("./", b"x"), entry("/", b"x"), entry(".", b"x")))


def test_lower_layers_are_not_written_into(root: Path) -> None:
    """A root may share its files with another by hard links: they are replaced, never changed."""
    (root / "x").write_text("lower")
    other = root.parent / "outside/x"
    other.hardlink_to(root / "x")
    unpack(root, tar(entry("x", b"upper", mode=0o777)))
    assert other.read_text() == "lower"
    assert stat.S_IMODE(other.stat().st_mode) & 0o111 == 0


# -- too much


def test_a_million_entries(root: Path) -> None:
    """512 MB of headers are 4 MB of gzip; it ends at the limit, long before the last."""
    block = tar(folder("x"))[:512]
    packer = zlib.compressobj(6, wbits=31)
    sent = b"".join(packer.compress(block * 1000) for _ in range(1000)) + packer.flush()
    assert len(sent) < 4 << 20
    with pytest.raises(TooLargeError, match=r"entries|compressed one"):
        unpack(root, b"", sent=sent, limits=Limits(entries=10_000, reserve=0))


def test_entries_count_the_folders_that_lead_to_them(root: Path) -> None:
    infos = [entry("/".join(f"{i}d" for _ in range(60)) + "/f") for i in range(20)]
    with pytest.raises(TooLargeError, match="more than 1000 entries"):
        unpack(root, tar(*infos), limits=Limits(entries=1000, reserve=0))
    with pytest.raises(FormatError, match="at most 64 folders"):
        unpack(root, tar(entry("d/" * 65 + "f")))
    with pytest.raises(FormatError, match="file system"):
        unpack(root, tar(entry("n" * 300)))


@pytest.mark.parametrize("compress", [lambda data: gzip.compress(data, 9), run_zstd], ids=["gzip", "zstd"])
def test_a_bomb_of_zeros(root: Path, compress: Callable[[bytes], bytes]) -> None:
    plain = tar(entry("bomb", bytes(32 << 20)))
    with pytest.raises(TooLargeError, match="compressed one"):
        unpack(root, plain, sent=compress(plain), limits=Limits(free=1 << 20, reserve=0))
    with pytest.raises(TooLargeError, match="more than 16777216 bytes"):
        unpack(root, plain, sent=compress(plain), limits=Limits(bytes=16 << 20, reserve=0))
    assert sum(path.stat().st_size for path in root.iterdir()) <= 17 << 20


def test_a_bomb_of_headers(root: Path) -> None:
    """A pax header, a long name and a sparse map that claim gigabytes: tarfile alone would read them into memory."""
    for kind in (b"x", b"g", b"L", b"K"):
        header = tarfile.TarInfo("bomb")
        header.type, header.size = kind, 8 << 30
        with pytest.raises(FormatError, match="header larger"):
            unpack(root, b"", sent=gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(8 << 20)))
    header = tarfile.TarInfo("sparse")
    header.type = tarfile.GNUTYPE_SPARSE
    raw = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    raw[482] = 1  # extended
    raw[148:156] = b"%06o\0 " % (sum(raw[:148]) + 256 + sum(raw[156:]))
    with pytest.raises(FormatError, match="header larger"):
        unpack(root, b"", sent=gzip.compress(bytes(raw) + (b"0" * 504 + b"\1" + bytes(7)) * 10_000))
    records = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n19 GNU.sparse.name=\n"
    pax = tarfile.TarInfo("pax")
    pax.type, pax.size = b"x", len(records)
    data = tarfile.TarInfo("data")
    data.size = 64 << 20
    raw10 = (
        pax.tobuf(tarfile.USTAR_FORMAT)
        + records.ljust(512, b"\0")
        + data.tobuf(tarfile.USTAR_FORMAT)
        + b"99999999\n"
        + b"1\n" * (8 << 20)
    )
    with pytest.raises(FormatError):
        unpack(root, b"", sent=gzip.compress(raw10))


def test_a_chain_of_headers_ends(root: Path) -> None:
    pax = tarfile.TarInfo("pax")
    pax.type = b"x"
    with pytest.raises(FormatError):
        unpack(root, b"", sent=gzip.compress(pax.tobuf(tarfile.USTAR_FORMAT) * 100_000))


def test_hard_links_count_as_what_they_would_be_copied(root: Path) -> None:
    links = [hardlink(f"h{i}", "f") for i in range(20)]
    with pytest.raises(TooLargeError, match="more than 100000 bytes"):
        unpack(root, tar(entry("f", os.urandom(8000)), *links), limits=Limits(bytes=100_000, reserve=0))


def test_the_disk_is_not_filled(root: Path) -> None:
    info = entry("large", bytes(2 << 20))
    with pytest.raises(TooLargeError, match="free at") as raised:
        unpack(root, tar(info), limits=Limits(reserve=1 << 60))
    assert "wherry prune" in raised.value.hint
    assert list(root.iterdir()) == []


def test_a_million_empty_members_end(root: Path) -> None:
    with pytest.raises(FormatError, match="after the gzip data"):
        unpack(root, b"", sent=gzip.compress(b"") * 1_000_000)
    with pytest.raises(FormatError, match="after the zstd data"):
        unpack(root, b"", sent=(b"\x50\x2a\x4d\x18" + struct.pack("<I", 0)) * 1_000_000)


def test_a_window_of_gigabytes_is_refused(root: Path) -> None:
    frame = b"\x28\xb5\x2f\xfd" + b"\x00" + bytes([(31 - 10) << 3]) + b"\x01\x00\x00"  # no single segment, window 2^31
    with pytest.raises(FormatError, match="damaged zstd"):
        unpack(root, b"", sent=frame)


# -- damaged


def test_damage_is_told(root: Path) -> None:
    plain = tar(entry("x", os.urandom(5000)))
    sent = gzip.compress(plain)
    for wrong, words in (
        (sent[:-1], "too soon"),
        (sent[:50], "too soon"),
        (sent + b"x", "after the gzip data"),
        (sent[:2000] + bytes([sent[2000] ^ 1]) + sent[2001:], "damaged gzip|diff_id|no tar"),
        (run_zstd(plain)[:-3], "too soon"),
        (plain[:700], "found 188 bytes|too soon|within"),
        (plain[:512] + b"garbage" * 1000, "no tar|diff_id|5000"),
        (b"this is no tar at all", "no tar"),
        (b"", "diff_id"),
        (plain + b"more", "diff_id"),
        (plain + bytes(512), "diff_id"),
        (tar(entry("x", b"another")), "diff_id"),
    ):
        with pytest.raises(FormatError, match=words):
            unpack(root, plain, sent=wrong)


@pytest.mark.parametrize("size", [b"7" * 11 + b"\0", b"\x80" + b"\xff" * 11, b"\xff" * 12, b"-0000000001\0"])
def test_a_size_that_lies(root: Path, size: bytes) -> None:
    raw = bytearray(tar(entry("x", b"content")))
    raw[124:136] = size
    raw[148:156] = b"%06o\0 " % (sum(raw[:148]) + 256 + sum(raw[156:512]))
    with pytest.raises(InputError):
        unpack(root, bytes(raw))


def test_strange_times(root: Path) -> None:
    for time in ("nan", "inf", "-5", "1e300", "12.5"):
        info = entry("x", b"1")
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            info.pax_headers = {"mtime": time}
            info.size = 1
            archive.addfile(info, io.BytesIO(b"1"))
        unpack(root, out.getvalue())
        assert (root / "x").stat().st_mtime == (12 if time == "12.5" else 0)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 1 << 32), st.sampled_from(["flip", "cut", "insert"]), st.sampled_from([False, True]))
def test_any_damage_is_an_error_or_none(tmp_path_factory: pytest.TempPathFactory, seed: int, what: str, packed: bool) -> None:
    """Headers with every field, changed at random places: an InputError, or the same layer; never something outside."""
    top = tmp_path_factory.mktemp("fuzz")
    (top / "outside").mkdir()
    (top / "outside/secret").write_text("secret")
    (top / "root").mkdir()
    plain = tar(
        entry("d/" * 60 + "long" * 40, b"x" * 100),
        entry("a/b", b"1" * 600),
        symlink("l", "../outside"),
        hardlink("h", "a/b"),
        entry("l/secret", b"2"),
        entry(".wh.q"),
    )
    chance = random.Random(seed)
    data = bytearray(zlib.compress(plain, 9, 31) if packed else plain)
    for _ in range(chance.randrange(1, 4)):
        where = chance.randrange(len(data))
        match what:
            case "flip":
                data[where] ^= 1 << chance.randrange(8)
            case "cut":
                del data[where : where + chance.randrange(1, 600)]
            case _:
                data[where:where] = chance.randbytes(chance.randrange(1, 600))
        if not data:
            break
    with contextlib.suppress(InputError):
        unpack(top / "root", plain, sent=bytes(data))
    untouched(top / "root")


def test_a_stream_that_gives_a_byte_at_a_time() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, 1))

    for packed, kind in (
        (gzip.compress(b"abc" * 99), Compression.GZIP),
        (run_zstd(b"abc" * 99), Compression.ZSTD),
        (b"abc" * 99, Compression.NONE),
    ):
        reader = Decompressed(Slow(packed), place="x")
        assert reader.compression is kind
        assert reader.read() == b"abc" * 99
        assert reader.consumed == len(packed)
