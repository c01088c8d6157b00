"""Makes tests/fixtures/modelpack.tar.gz: a ModelPack artifact in an OCI layout, as olot writes it.

python -m venv env && env/bin/pip install olot==0.1.11 && env/bin/python tests/references/modelpack.py
"""

import hashlib
import io
import json
import tarfile
import tempfile
from pathlib import Path

from olot.basics import oci_layers_on_top

FIXTURE = Path(__file__).parents[1] / "fixtures/modelpack.tar.gz"


def put(layout: Path, raw: bytes, kind: str) -> dict[str, object]:
    digest = hashlib.sha256(raw).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(raw)
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(raw)}


def base(layout: Path) -> None:
    """An image for one platform: olot puts models on top of images."""
    (layout / "blobs/sha256").mkdir(parents=True)
    layer = bytes(1024)
    config = {"os": "linux", "architecture": "amd64", "config": {}, "history": [{"created_by": "base"}]}
    config["rootfs"] = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put(layout, json.dumps(config).encode(), "config.v1+json"),
        "layers": [put(layout, layer, "layer.v1.tar")],
    }
    entry = put(layout, json.dumps(manifest).encode(), "manifest.v1+json")
    inner = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json"}
    inner["manifests"] = [entry | {"platform": {"os": "linux", "architecture": "amd64"}}]
    named = put(layout, json.dumps(inner).encode(), "index.v1+json")
    named["annotations"] = {"org.opencontainers.image.ref.name": "example.com/model:1"}
    (layout / "index.json").write_text(json.dumps(inner | {"manifests": [named]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        top = Path(temporary)
        base(top / "layout")
        (top / "model.safetensors").write_bytes(b"weights of a model")
        (top / "config.json").write_text('{"architectures": ["x"]}')
        oci_layers_on_top(top / "layout", [top / "model.safetensors", top / "config.json"], add_modelpack=True)
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz") as tar:
            tar.add(top / "layout", arcname=".")
        FIXTURE.write_bytes(out.getvalue())
