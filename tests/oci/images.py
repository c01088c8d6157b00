"""Small images in a store, as bytes written by hand: the specification's JSON, not the builder's."""

import gzip
import hashlib
import io
import json
import random
import tarfile
from pathlib import Path
from typing import Any

from tests.oci.registries import sha256
from wherry.oci.image import Descriptor
from wherry.oci.reference import Reference
from wherry.oci.store import Store

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
OURS = ("wasi/wasm", "wasip1/wasm", "linux/amd64")


def noise(seed: object, size: int) -> bytes:
    """Bytes that no compression makes smaller, always the same."""
    return random.Random(str(seed)).randbytes(size)


def layer_of(files: dict[str, bytes]) -> tuple[bytes, str]:
    """A tar with gzip, and the digest of the plain tar."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), 1, mtime=0), sha256(plain.getvalue())


def put_image(
    store: Store, reference: str, *, platforms: tuple[str, ...] = OURS, size: int = 100_000, seed: object = 0, own: bool = False
) -> dict[str, Any]:
    """An index of one layer's image for each platform (each with a layer of its `own`), under a name -> the parts."""
    layers, entries = [], []
    numbers = range(len(platforms) if own else 1)
    made = [layer_of({"app.wasm": b"\0asm", "model": noise((seed, number), size)}) for number in numbers]
    for number, platform in enumerate(platforms):
        layer, diff_id = made[number if own else 0]
        system, architecture = platform.split("/")
        said = {"architecture": architecture, "os": system}
        config = put_json(store, {**said, "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff_id]}}, CONFIG)
        layers.append(put(store, layer, LAYER))
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layers[-1]]}
        entries.append({**put_json(store, manifest, MANIFEST), "platform": said})
    index = put_json(store, {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}, INDEX)
    store.tag(Reference.parse(reference), descriptor(index))
    return {"index": index, "entries": entries, "layers": layers}


def put(store: Store, raw: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": str(store.put_bytes(raw)), "size": len(raw)}


def put_json(store: Store, value: dict[str, Any], media_type: str) -> dict[str, Any]:
    return put(store, json.dumps(value).encode(), media_type)


def descriptor(said: dict[str, Any]) -> Descriptor:
    from wherry.oci.digest import Digest

    return Descriptor(said["mediaType"], Digest.parse(said["digest"]), said["size"])


def same_blobs(one: Path, other: Path) -> bool:
    """Whether two layout folders have the same blobs."""
    return blobs(one) == blobs(other)


def blobs(root: Path) -> dict[str, bytes]:
    """Each checked against its name."""
    found = {f"{file.parent.name}:{file.name}": file.read_bytes() for file in (root / "blobs").glob("*/*")}
    for name, raw in found.items():
        algorithm, _, digits = name.partition(":")
        assert hashlib.new(algorithm, raw).hexdigest() == digits
    return found
