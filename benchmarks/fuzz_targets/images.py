"""Images of strangers: manifests, indexes and configurations, layers, archives; and the files that builds read."""

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.fuzz import Read, Target, damage_json
from wherry.errors import WherryError
from wherry.oci import archive, image
from wherry.oci.artifact import wasm_layer
from wherry.oci.build import build, read_recipe
from wherry.oci.component import read_names
from wherry.oci.digest import Digest
from wherry.oci.image import Descriptor, ImageConfig, Index, Manifest, Platform
from wherry.oci.reference import Reference
from wherry.oci.settings import RunSettings
from wherry.oci.store import Store, StoredImage
from wherry.oci.stored import check_image, open_image, why_not_run
from wherry.oci.tarstream import Limits
from wherry.oci.unpack import unpack_layer

_LIMITS = Limits(entries=5000, bytes=64 << 20, free=16 << 20, reserve=0)
_DIGEST = "sha256:" + "1" * 64


def _documents() -> Sequence[bytes]:
    """One of each kind, in one document: what the reader takes apart."""
    blob = {"mediaType": image.OCI_LAYER_GZIP, "digest": _DIGEST, "size": 5, "annotations": {"a": "b"}, "urls": ["https://a"]}
    config: dict[str, Any] = {
        "os": "wasi",
        "architecture": "wasm",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "Entrypoint": ["/app.wasm"],
            "Cmd": ["x"],
            "Env": ["A=b"],
            "Labels": {"wherry.publish": "8080:80", "wherry.preload": "a:GGML:AUTO:/m.gguf", "wherry.memory": "1g"},
            "WorkingDir": "/d",
            "ExposedPorts": {"80/tcp": {}},
            "User": "1",
        },
        "rootfs": {"type": "layers", "diff_ids": [_DIGEST]},
    }
    manifest = {"schemaVersion": 2, "mediaType": image.OCI_MANIFEST, "config": {}, "layers": [blob], "subject": blob}
    entry = {"platform": {"os": "linux", "architecture": "arm", "variant": "v7"}, "artifactType": image.OCI_CONFIG}
    index = {"schemaVersion": 2, "mediaType": image.OCI_INDEX, "manifests": [entry, {"platform": {}}], "annotations": {"a": "b"}}
    docker = {"schemaVersion": 2, "mediaType": image.DOCKER_INDEX, "manifests": [{}]}
    return [json.dumps({"config": config, "manifest": manifest, "index": outer}).encode() for outer in (index, docker)]


def _read_documents(folder: Path) -> Read:
    store = Store(folder / "store")
    numbers = iter(range(1 << 60))

    def put(value: Any, media_type: str, more: object) -> dict[str, Any]:
        raw = json.dumps(value).encode()
        said = {"mediaType": media_type, "digest": str(store.put_bytes(raw)), "size": len(raw)}
        return {**said, **more} if isinstance(more, dict) else said

    def read(data: bytes) -> object:
        if next(numbers) % 200 == 0:
            store.prune()
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            image.parse_document(data)
            return ImageConfig.parse(data)
        if not isinstance(value, dict):
            return image.parse_document(data)
        manifest, index = value.get("manifest"), value.get("index")
        config = put(value.get("config"), image.OCI_CONFIG, None)
        if isinstance(manifest, dict):
            manifest = {**manifest, "config": config}
        entries = index.get("manifests") if isinstance(index, dict) else None
        if isinstance(index, dict) and isinstance(entries, list):
            index = {**index, "manifests": [put(manifest, image.OCI_MANIFEST, entry) for entry in entries]}
        raw = json.dumps(index).encode()
        root = Descriptor("", store.put_bytes(raw), len(raw))
        for step in (_name_and_open, _open_manifest):
            try:
                step(store, root, manifest)
            except WherryError:
                continue
        return open_image(store, root)

    return read


def _name_and_open(store: Store, root: Descriptor, manifest: object) -> None:
    why_not_run(store, root)
    check_image(store, root)
    store.tag(Reference.parse("app"), root)
    store.reach([root])
    for name in ("wasm", "linux/arm/v7"):
        open_image(store, root, [Platform.parse(name)])
    archive.save(store, [StoredImage(Reference.parse("app"), root)], io.BytesIO())


def _open_manifest(store: Store, root: Descriptor, manifest: object) -> None:
    found = image.parse_document(json.dumps(manifest).encode())
    if isinstance(found, Manifest):
        config = ImageConfig.parse(store.read(found.config.digest))
        str(RunSettings.of_image(config.labels, config.variables))
        wasm_layer(found)


def _layer(form: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        kinds = {tarfile.SYMTYPE: "../../x", tarfile.LNKTYPE: "a/b", tarfile.DIRTYPE: "", tarfile.REGTYPE: ""}
        for number, (kind, target) in enumerate(kinds.items()):
            for name in ("a/b", f"d/{number}/link", "a/.wh.c", "e/.wh..wh..opq", "ü/" * 4 + "long" * 20):
                info = tarfile.TarInfo(name if kind == tarfile.REGTYPE else f"{number}/{name}")
                info.type, info.linkname = kind, target
                info.size = 700 if kind == tarfile.REGTYPE else 0
                tar.addfile(info, io.BytesIO(b"c" * 700))
    return out.getvalue()


def _sparse() -> bytes:
    info = tarfile.TarInfo("sparse")
    info.size = 1024
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "90000"}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info, io.BytesIO(b"2\n0\n256\n80000\n256\n".ljust(512, b"\0") + b"s" * 512))
    return out.getvalue()


def _layers() -> Sequence[bytes]:
    plain = [_layer(tarfile.PAX_FORMAT), _layer(tarfile.GNU_FORMAT), _layer(tarfile.USTAR_FORMAT), _sparse()]
    return [*plain, gzip.compress(plain[0])]


def _read_layer(folder: Path) -> Read:
    def read(data: bytes) -> None:
        root = folder / "root"
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        plain = data
        if data.startswith(b"\x1f\x8b"):
            plain = b""  # it is another layer, which is known at its end
        diff_id = Digest("sha256", hashlib.sha256(plain).hexdigest())
        try:
            unpack_layer(io.BytesIO(data), root, diff_id=diff_id, limits=_LIMITS, place="layer")
        finally:
            for path in root.rglob("*"):
                assert path.resolve().is_relative_to(root.resolve()), f"{path} leads out of the root"

    return read


def _archives() -> Sequence[bytes]:
    layer = _layer(tarfile.PAX_FORMAT)
    config = json.dumps(
        {"os": "wasi", "architecture": "wasm", "rootfs": {"type": "layers", "diff_ids": [str(Digest.of_bytes(layer))]}}
    ).encode()
    listing = json.dumps([{"Config": "c.json", "RepoTags": ["app:1"], "Layers": ["1/layer.tar"]}]).encode()
    docker = {"c.json": config, "1/layer.tar": layer, "manifest.json": listing}
    blobs = [Descriptor.of(image.OCI_CONFIG, config), Descriptor.of(image.OCI_LAYER, layer)]
    manifest = Manifest.build(blobs[0], [blobs[1]])
    named = Descriptor(
        image.OCI_MANIFEST, manifest.digest, len(manifest.raw), annotations={"io.containerd.image.name": "a.b/app:1"}
    )
    layout = {f"blobs/sha256/{hashlib.sha256(raw).hexdigest()}": raw for raw in (config, layer, manifest.raw)}
    layout |= {"index.json": Index.build([named]).raw, "oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    return [_tar(docker), _tar(layout), gzip.compress(_tar(docker))]


def _tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _read_archive(folder: Path) -> Read:
    numbers = iter(range(1 << 60))

    def read(data: bytes) -> object:
        if next(numbers) % 100 == 0:
            shutil.rmtree(folder / "store", ignore_errors=True)
        store = Store(folder / "store")
        return [open_image(store, found.descriptor) for found in archive.load(store, io.BytesIO(data), "tar", limits=_LIMITS)]

    return read


_DOCKERFILE = b"""# syntax=docker/dockerfile:1
# escape=\\
ARG BASE=scratch
FROM $BASE AS one
ARG V=a.b.c
ENV A="x y" B=${V:-z} C=${V%.*} D=${V##*.} E=${V/a/b} F=\\
# comment
 'q'
LABEL wherry.publish=8080:80 "a b"=c
WORKDIR /w
COPY --chmod=755 --chown=1:1 f g* ./d/
COPY ["app.wasm", "/"]
COPY <<EOF /text
hello $V
EOF
EXPOSE 80 8000-8002/TCP
ENTRYPOINT ["/app.wasm", "x"]
CMD ["y"]
"""
_IGNORE = b"# ignore\n*.log\n!keep.log\n**/x/**\n[a-c]?\\*\n"


def _builds() -> Sequence[bytes]:
    return [_DOCKERFILE + b"\0" + _IGNORE, b'FROM scratch\nCOPY . /\nENTRYPOINT ["/app.wasm"]\n\0**\n!app.wasm\n']


def _read_build(folder: Path) -> Read:
    for name in ("app.wasm", "f", "g1", "x/y/z", "keep.log"):
        (folder / "context" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "context" / name).write_bytes(b"\0asm")
    store = Store(folder / "store")

    def read(data: bytes) -> object:
        text, _, ignored = data.partition(b"\0")
        (folder / "context/Dockerfile").write_bytes(text)
        (folder / "context/.dockerignore").write_bytes(ignored)
        return build(read_recipe(folder / "context", None, {}), store, None)

    return read


def _components() -> Sequence[bytes]:
    import wasmtime

    text = '(component (import "a:b/c@1.0.0" (func)) (export "d" (func 0)))'
    return [bytes(wasmtime.wat2wasm(text)), bytes(wasmtime.wat2wasm('(component (core module) (component (import "x" (func))))'))]


_WORDS = (b"GNU.sparse.", b"ustar\x0000", b"././@LongLink", b".wh.", b".wh..wh..opq", b"../", b"/", b"S", b"L", b"x", b"g", b"2")
_INSTRUCTIONS = tuple(
    b'COPY |ADD |ENV |ARG |FROM |EXPOSE |${|:?|##|%%|//|}|<<EOF|\\\n|\xe2\x80\xa8|\xff|["|--|*|**|!'.split(b"|")
)
TARGETS = [
    Target("image-documents", _documents, _read_documents, damage=damage_json, suite_cases=150),
    Target("image-layers", _layers, _read_layer, words=_WORDS, suite_cases=150),
    Target("image-archives", _archives, _read_archive, words=_WORDS, suite_cases=100),
    Target("builds", _builds, _read_build, words=_INSTRUCTIONS, suite_cases=150),
    Target("component-names", _components, lambda folder: lambda data: read_names(data, "component"), suite_cases=300),
]
