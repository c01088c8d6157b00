"""Images made with the standard library alone: what the engines load must not depend on our own builder."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

WASM = (("wasi", "wasm"), ("wasip1", "wasm"), ("linux", "amd64"))
LINUX = (("linux", "amd64"),)
_OCI = "application/vnd.oci.image."


def write_image(
    out: Path, name: str, files: Mapping[str, bytes], config: Mapping[str, Any], platforms: Sequence[tuple[str, str]] = WASM
) -> Path:
    """One tar that is an OCI layout (an index of the platforms) and a docker-archive (the last platform) at once."""
    layer = _tar({path.lstrip("/"): data for path, data in files.items()})
    blobs = {_digest(layer): layer}

    def keep(value: object) -> dict[str, Any]:
        data = json.dumps(value).encode()
        blobs[_digest(data)] = data
        return {"digest": _digest(data), "size": len(data)}

    manifests = []
    settings: dict[str, Any] = {}
    for system, architecture in platforms:
        rootfs = {"type": "layers", "diff_ids": [_digest(layer)]}
        settings = keep({"architecture": architecture, "os": system, "config": dict(config), "rootfs": rootfs})
        manifest = keep(
            {
                "schemaVersion": 2,
                "mediaType": _OCI + "manifest.v1+json",
                "config": {"mediaType": _OCI + "config.v1+json", **settings},
                "layers": [{"mediaType": _OCI + "layer.v1.tar", "digest": _digest(layer), "size": len(layer)}],
            }
        )
        platform = {"os": system, "architecture": architecture}
        manifests.append({"mediaType": _OCI + "manifest.v1+json", **manifest, "platform": platform})
    top = keep({"schemaVersion": 2, "mediaType": _OCI + "index.v1+json", "manifests": manifests})
    names = {"io.containerd.image.name": f"docker.io/library/{name}", "org.opencontainers.image.ref.name": name.split(":")[1]}
    index = {"schemaVersion": 2, "manifests": [{"mediaType": _OCI + "index.v1+json", **top, "annotations": names}]}
    archive = [{"Config": _blob(settings["digest"]), "RepoTags": [name], "Layers": [_blob(_digest(layer))]}]
    contents = {_blob(digest): data for digest, data in blobs.items()}
    contents["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
    contents["index.json"] = json.dumps(index).encode()
    contents["manifest.json"] = json.dumps(archive).encode()
    out.write_bytes(_tar(contents))
    return out


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, data in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _blob(digest: str) -> str:
    return "blobs/sha256/" + digest.partition(":")[2]
