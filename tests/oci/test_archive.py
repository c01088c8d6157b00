"""Layouts and archives: what skopeo writes is read, what is written skopeo reads, and what is damaged is told."""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.oci.conftest import add_image, plain_tar, program, run
from wherry.errors import FormatError, InputError, NotFoundError, WherryError
from wherry.oci import archive, layout
from wherry.oci.image import Descriptor, Index, Manifest, Platform
from wherry.oci.reference import Reference
from wherry.oci.store import Store, StoredImage
from wherry.oci.tarstream import Limits

ONE = plain_tar({"app.wasm": b"\0asm", "a/b": b"b"})
TWO = plain_tar({"c": b"c" * 5000})
APP = Reference.parse("app")
LIMITS = Limits(reserve=0)


@pytest.fixture
def other(tmp_path: Path) -> Store:
    return Store(tmp_path / "other")


def stored(store: Store, name: str = "app") -> StoredImage:
    reference = Reference.parse(name)
    return StoredImage(reference, store.resolve(reference))


def saved(store: Store, *names: str) -> bytes:
    sink = io.BytesIO()
    archive.save(store, [stored(store, name) for name in names or ("app",)], sink)
    return sink.getvalue()


def load(store: Store, raw: bytes, name: str | None = None) -> list[str]:
    given = Reference.parse(name) if name else None
    return [image.reference.familiar for image in archive.load(store, io.BytesIO(raw), "file", given, limits=LIMITS)]


def add_index(store: Store, *, sparse: bool = False) -> Index:
    """Of two platforms over the same layers; sparse: only one of the two is here."""
    manifest = add_image(store, [gzip.compress(ONE, mtime=0), gzip.compress(TWO, mtime=0)], diff_ids=[ONE, TWO])
    config = json.loads(store.read(manifest.config.digest)) | {"os": "linux", "architecture": "amd64"}
    raw = json.dumps(config).encode()
    linux = Manifest.build(Descriptor.of(manifest.config.media_type, raw), manifest.layers)
    store.put_bytes(raw)
    store.put_bytes(linux.raw)
    gone = Descriptor.of(manifest.media_type, b"elsewhere", platform=Platform("linux", "s390x"))
    entries = [
        Descriptor.of(m.media_type, m.raw, platform=p)
        for m, p in ((manifest, Platform("wasi", "wasm")), (linux, Platform("linux", "amd64")))
    ]
    index = Index.build([*entries, *([gone] if sparse else [])])
    store.put_bytes(index.raw)
    store.tag(APP, index.descriptor)
    return index


def contents(raw: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}  # type: ignore[union-attr]


# -- other programs


@pytest.mark.parametrize("kind", ["oci-archive", "oci", "docker-archive", "dir"])
def test_skopeo_reads_what_is_saved(store: Store, tmp_path: Path, kind: str) -> None:
    """The tar as an OCI layout and as docker's archive, the folder as a layout, the store itself."""
    manifest = add_image(store, [gzip.compress(ONE), TWO], diff_ids=[ONE, TWO])
    (tmp_path / "app.tar").write_bytes(saved(store))
    layout.save_folder(store, [stored(store)], tmp_path / "folder")
    source = {
        "oci-archive": f"oci-archive:{tmp_path}/app.tar:latest",
        "oci": f"oci:{tmp_path}/folder:latest",
        "docker-archive": f"docker-archive:{tmp_path}/app.tar:app:latest",
        "dir": f"oci:{store.root}:docker.io/library/app:latest",
    }[kind]
    run(program("skopeo"), "copy", "--insecure-policy", source, f"dir:{tmp_path}/out")
    found = json.loads((tmp_path / "out/manifest.json").read_bytes())
    assert found["config"]["digest"] == str(manifest.config.digest)
    plain = [(tmp_path / "out" / layer["digest"][7:]).read_bytes() for layer in found["layers"]]
    assert [gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw for raw in plain] == [ONE, TWO]


def test_skopeo_copies_a_whole_index(store: Store, tmp_path: Path) -> None:
    index = add_index(store)
    (tmp_path / "app.tar").write_bytes(saved(store))
    run(program("skopeo"), "copy", "--insecure-policy", "--all", f"oci-archive:{tmp_path}/app.tar", f"oci:{tmp_path}/out:x")
    entries = json.loads((tmp_path / "out/index.json").read_bytes())["manifests"]
    assert [entry["digest"] for entry in entries] == [str(index.digest)]


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive", "oci", "gzip"])
def test_what_skopeo_writes_is_loaded(store: Store, other: Store, tmp_path: Path, kind: str) -> None:
    """Its docker-archive is docker's old form: a tar and a link for a layer."""
    manifest = add_image(store, [gzip.compress(ONE), TWO], diff_ids=[ONE, TWO])
    target = {
        "oci": f"oci:{tmp_path}/out:example.com/app:1",
        "docker-archive": f"docker-archive:{tmp_path}/out:example.com/app:1",
    }
    source = f"oci:{store.root}:docker.io/library/app:latest"
    where = target.get(kind, f"oci-archive:{tmp_path}/out:example.com/app:1")
    run(program("skopeo"), "copy", "--insecure-policy", source, where)
    if kind == "oci":
        names = [image.reference.familiar for image in layout.load_folder(other, tmp_path / "out")]
    else:
        raw = (tmp_path / "out").read_bytes()
        names = load(other, gzip.compress(raw) if kind == "gzip" else raw)
    assert names == ["example.com/app:1"]
    found = other.document(other.resolve(Reference.parse("example.com/app:1")))
    assert isinstance(found, Manifest) and found.config.digest == manifest.config.digest
    assert [gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw for raw in (other.read(b.digest) for b in found.layers)] == [
        ONE,
        TWO,
    ]


def test_gnu_tar_finds_nothing_strange(store: Store, tmp_path: Path) -> None:
    add_index(store)
    (tmp_path / "app.tar").write_bytes(saved(store))
    listing = run("tar", "-tvf", tmp_path / "app.tar", "--numeric-owner").splitlines()
    assert all(" 0/0 " in line and "1970-01-01" in line for line in listing)
    assert [line.split()[-1] for line in listing][-3:] == ["index.json", "manifest.json", "oci-layout"]


# -- there and back


def test_there_and_back(store: Store, other: Store, tmp_path: Path) -> None:
    """An index comes back under its digest; the same images give the same bytes; a sparse index stays so."""
    for sparse in (False, True):
        index = add_index(store, sparse=sparse)
        raw = saved(store)
        assert raw == saved(store)
        assert load(other, raw) == ["app:latest"] and other.resolve(APP) == index.descriptor
        assert saved(other) == raw
        layout.save_folder(store, [stored(store)], tmp_path / f"folder{sparse}")
        third = Store(tmp_path / f"third{sparse}")
        assert layout.load_folder(third, tmp_path / f"folder{sparse}", Reference.parse("x:2"))[0].descriptor == index.descriptor
        third.require(third.resolve(Reference.parse("x:2")))
    listing = json.loads(contents(raw)["manifest.json"])
    config = json.loads(contents(raw)[listing[0]["Config"]])
    assert (config["os"], listing[0]["RepoTags"]) == ("linux", ["app:latest"])  # what docker's older stores take


def test_several_images_share_their_blobs(store: Store, other: Store) -> None:
    add_image(store, [ONE, TWO], name="localhost:5000/b:1")
    add_image(store, [ONE], name="a")
    raw = saved(store, "a", "localhost:5000/b:1")
    assert sum(name.startswith("blobs/") for name in contents(raw)) == 6
    assert load(other, raw) == ["a:latest", "localhost:5000/b:1"]
    with pytest.raises(InputError, match="2 images and one name"):
        load(other, raw, "c")


def test_names(store: Store, other: Store) -> None:
    add_image(store, [ONE])
    files = contents(saved(store))
    index = json.loads(files["index.json"])
    index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "1.0"}
    raw = plain_tar(files | {"index.json": json.dumps(index).encode()})
    with pytest.raises(InputError, match=r'"1\.0", expected NAME:TAG') as raised:
        load(other, raw)
    assert "--tag" in raised.value.hint
    assert load(other, raw, "given:2") == ["given:2"]


# -- docker's old form, and what is wrong

CONFIG = json.dumps(
    {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/app.wasm"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in (ONE, TWO, ONE)]},
    }
).encode()
NAME = hashlib.sha256(CONFIG).hexdigest()


def old_archive(**change: Any) -> dict[str, bytes | str | None]:
    """As Docker 20.10 writes it: a folder a layer, one of them a link to another's."""
    listing = [
        {"Config": f"{NAME}.json", "RepoTags": ["app:latest", "app:1"], "Layers": ["1/layer.tar", "2/layer.tar", "3/layer.tar"]}
    ]
    files: dict[str, bytes | str | None] = {
        "1": None, "1/VERSION": b"1.0", "1/json": b"{}", "1/layer.tar": ONE, "2": None, "2/layer.tar": TWO,
        "3": None, "3/layer.tar": "../1/layer.tar", f"{NAME}.json": CONFIG,
        "manifest.json": json.dumps(listing).encode(), "repositories": b"{}",
    }  # fmt: skip
    return {name: content for name, content in (files | change).items() if content is not ...}


def test_dockers_old_archive(other: Store) -> None:
    assert load(other, plain_tar(old_archive())) == ["app:latest", "app:1"]
    found = other.document(other.resolve(APP))
    assert isinstance(found, Manifest)
    assert [other.read(layer.digest) for layer in found.layers] == [ONE, TWO, ONE]
    assert other.read(found.config.digest) == CONFIG


def changed(**fields: Any) -> Mapping[str, Any]:
    listing = json.loads(str(old_archive()["manifest.json"], "utf-8"))  # type: ignore[arg-type]
    return {"manifest.json": json.dumps([listing[0] | fields]).encode()}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"manifest.json": b"[]"}, "found 0 images"),
        ({"manifest.json": b"{}"}, "images: found an object"),
        ({"manifest.json": b"[" * 5000}, "no JSON"),
        ({"manifest.json": ...}, "neither index.json nor manifest.json"),
        ({"2/layer.tar": ...}, 'no file "2/layer.tar"'),
        ({"2/layer.tar": "2/layer.tar"}, "no file"),
        ({"2/layer.tar": "../../../../etc/passwd"}, "no file"),
        ({"2/layer.tar": ONE}, "diff_id: found"),
        ({"2/layer.tar": b"no tar"}, "diff_id: found"),
        ({"2/layer.tar": gzip.compress(TWO)[:-4]}, "too soon"),
        ({f"{NAME}.json": b"{}"}, "rootfs"),
        (changed(Layers=["1/layer.tar"]), "1 layers and 3 diff_ids"),
        (changed(Layers=["../../etc/passwd"] * 3), "no file"),
        (changed(Config="/etc/passwd"), "no file"),
        (changed(RepoTags=["A B"]), "image"),
        (changed(RepoTags=None), "without a name"),
    ],
)
def test_a_wrong_docker_archive(other: Store, change: Mapping[str, Any], words: str) -> None:
    with pytest.raises(WherryError, match=words):
        load(other, plain_tar(old_archive(**change)))
    assert other.images() == []


def flip(raw: bytes) -> bytes:
    return raw[:-1] + bytes([raw[-1] ^ 1])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda files, layer: files | {layer: flip(files[layer])}, "expected its name's"),
        (lambda files, layer: {name: raw for name, raw in files.items() if name != layer}, "found none"),
        (lambda files, layer: files | {"index.json": b"{}"}, "index.json"),
        (lambda files, layer: files | {"index.json": b'{"schemaVersion":2,"manifests":[]}'}, "no image"),
        (lambda files, layer: files | {"index.json": b" " * (5 << 20)}, "at most 4194304"),
        (lambda files, layer: files | {"oci-layout": b'{"imageLayoutVersion":"2.0.0"}'}, '"2.0.0"'),
        (lambda files, layer: files | {"blobs/sha256/short": b""}, None),
    ],
)
def test_a_wrong_layout(store: Store, other: Store, spoil: Callable[..., Any], words: str | None) -> None:
    manifest = add_image(store, [ONE])
    files = spoil(contents(saved(store)), f"blobs/sha256/{manifest.layers[0].digest.hex}")
    if words is None:
        assert load(other, plain_tar(files)) == ["app:latest"]
        return
    with pytest.raises(WherryError, match=words):
        load(other, plain_tar(files))
    assert other.images() == []


def test_a_truncated_or_damaged_archive(store: Store, other: Store) -> None:
    add_image(store, [ONE, TWO])
    raw = saved(store)
    for wrong in (raw[:5000], raw[: len(raw) // 2], gzip.compress(raw)[:-10], b"", b"text"):
        with pytest.raises((FormatError, NotFoundError)):
            load(other, wrong)
    assert other.images() == []
    assert load(other, raw) == ["app:latest"]


def test_an_archive_may_not_be_without_end(other: Store) -> None:
    many = plain_tar({f"{i}.json": b"" for i in range(300)})
    with pytest.raises(FormatError, match="more than 100 entries"):
        archive.load(other, io.BytesIO(many), "file", limits=Limits(entries=100, reserve=0))
    bomb = gzip.compress(plain_tar({"1/layer.tar": bytes(16 << 20)}))
    with pytest.raises(WherryError, match="bomb"):
        archive.load(other, io.BytesIO(bomb), "file", limits=Limits(free=1 << 20, reserve=0))
    with pytest.raises(WherryError, match="free at"):
        archive.load(other, io.BytesIO(bomb), "file", limits=Limits(reserve=1 << 60))
    assert list((other.root / "incoming").iterdir()) == []


def test_a_damaged_folder(store: Store, other: Store, tmp_path: Path) -> None:
    manifest = add_image(store, [ONE])
    folder = tmp_path / "folder"
    layout.save_folder(store, [stored(store)], folder)
    with pytest.raises(InputError, match="expected a folder to make"):
        layout.save_folder(store, [stored(store)], folder)
    path = folder / "blobs/sha256" / manifest.layers[0].digest.hex
    path.write_bytes(flip(ONE))
    with pytest.raises(FormatError, match="expected sha256") as raised:
        layout.load_folder(other, folder)
    assert str(path) in raised.value.message
    path.unlink()
    with pytest.raises(NotFoundError, match="no such file"):
        layout.load_folder(other, folder)
    with pytest.raises(NotFoundError, match="expected an OCI layout"):
        layout.load_folder(other, tmp_path)
    assert other.images() == []
    subprocess.run(["rm", "-r", folder], check=True)


@pytest.mark.parametrize("name", ["index.json", "oci-layout", "blob", "blobs"])
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_layout_from_outside_leads_nowhere_else(store: Store, tmp_path: Path, name: str, kind: str) -> None:
    """A stranger's folder: its links are not followed out of it, its pipes not waited for."""
    manifest = add_image(store, [plain_tar({"app.wasm": b"\0asm"})])
    folder = tmp_path / "layout"
    layout.save_folder(store, store.images(), folder)
    digest = manifest.config.digest
    path = folder / f"blobs/sha256/{digest.hex}" if name == "blob" else folder / name
    if kind == "link":
        path.rename(tmp_path / "moved")
        path.symlink_to(tmp_path / "moved")
    else:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        os.mkfifo(path)
    with pytest.raises((FormatError, NotFoundError)):
        layout.load_folder(Store(tmp_path / "other"), folder)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gzip", "bzip2", "xz"])
def test_archives_are_read_whatever_packed_them(
    store: Store, other: Store, tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    """As `docker load` takes them. Several streams in a row are one, and damage is told."""
    add_image(store, [ONE, TWO])
    plain = saved(store, "app")
    packed = pack(plain[:3000]) + pack(plain[3000:])
    assert [image.reference for image in archive.load(other, io.BytesIO(packed), "file", limits=LIMITS)] == [APP]
    for damaged in (packed[:-9], packed + b"more", packed[:200] + bytes(8) + packed[208:]):
        with pytest.raises(FormatError):
            archive.load(Store(tmp_path / "third"), io.BytesIO(damaged), "file", limits=LIMITS)


def test_a_packed_bomb_ends(other: Store) -> None:
    for pack in (bz2.compress, lzma.compress):
        bomb = pack(plain_tar({"1/layer.tar": bytes(16 << 20)}))
        with pytest.raises(WherryError, match="bomb"):
            archive.load(other, io.BytesIO(bomb), "file", limits=Limits(free=1 << 20, reserve=0))
