"""Wasm artifacts: one module or component as it is, without a root (CNCF TAG Runtime, "Wasm OCI Artifact Layout")."""

from pathlib import Path
from typing import Any

from wherry.errors import FormatError, InputError, NotFoundError
from wherry.oci.component import read_names
from wherry.oci.digest import CHUNK
from wherry.oci.fields import to_json
from wherry.oci.image import WASM_CONFIG, WASM_LAYER, Descriptor, Manifest
from wherry.oci.reference import Reference
from wherry.oci.store import Store

_EPOCH = "1970-01-01T00:00:00Z"
_MODULE, _COMPONENT = b"\0asm\1\0\0\0", b"\0asm\x0d\0\1\0"


def build_artifact(store: Store, source: Path, name: Reference | None) -> Descriptor:
    """Make an artifact of a module or component. The same file gives the same digest. Raises NotFoundError, InputError."""
    try:
        file = source.open("rb")
    except FileNotFoundError as error:
        raise NotFoundError(f"{source}: found no such file, expected a .wasm") from error
    with file, store.hold():
        first = file.read(len(_MODULE))
        if first not in (_MODULE, _COMPONENT):
            raise InputError(f"{source}: found the first bytes {first.hex()}, expected a Wasm module or component")
        with store.writer() as writer:
            writer.write(first)
            while piece := file.read(CHUNK):
                writer.write(piece)
            digest, size = writer.commit()
        layer = Descriptor(WASM_LAYER, digest, size)
        config: dict[str, Any] = {"created": _EPOCH, "architecture": "wasm", "os": "wasip1", "layerDigests": [str(digest)]}
        if first == _COMPONENT:
            imports, exports = read_names(source.read_bytes(), str(source))
            config |= {"os": "wasip2", "component": {"exports": exports, "imports": imports}}
        raw = to_json(config)
        manifest = Manifest.build(Descriptor.of(WASM_CONFIG, raw), [layer])
        store.put_bytes(raw)
        store.put_bytes(manifest.raw)
        if name is not None:
            store.tag(name, manifest.descriptor)
    return manifest.descriptor


def wasm_layer(manifest: Manifest) -> Descriptor:
    """The one layer of a Wasm artifact. Raises FormatError for a manifest that is none."""
    if manifest.config.media_type != WASM_CONFIG and not any(layer.media_type == WASM_LAYER for layer in manifest.layers):
        kind = manifest.artifact_type or manifest.config.media_type
        raise FormatError(f"artifact {manifest.digest}: found {kind}, expected {WASM_CONFIG}")
    layers = [layer for layer in manifest.layers if layer.media_type == WASM_LAYER]
    if len(layers) != 1:
        raise FormatError(f"artifact {manifest.digest}: found {len(layers)} layers of {WASM_LAYER}, expected one")
    return layers[0]
