"""A ModelPack artifact that olot made (tests/references/modelpack.py), in an index beside an image."""

import hashlib
import tarfile
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.oci.conftest import add_image, plain_tar
from wherry.errors import FormatError
from wherry.oci import archive
from wherry.oci.model import find_model_manifest, open_model, prune_models
from wherry.oci.store import Store

FIXTURE = ROOT / "tests/fixtures/modelpack.tar.gz"


def test_olots_model_is_read(store: Store, tmp_path: Path) -> None:
    with FIXTURE.open("rb") as file:
        images = archive.load(store, file, "fixture")
    assert [image.reference.familiar for image in images] == ["example.com/model:1"]
    manifest = find_model_manifest(store, images[0].descriptor)
    with tarfile.open(FIXTURE) as tar:
        names = {member.name.rpartition("/")[2] for member in tar}
    assert hashlib.sha256(manifest.raw).hexdigest() in names
    weights = open_model(store, manifest, tmp_path / "models")
    assert weights.name == "model.safetensors" and weights.read_bytes() == b"weights of a model"
    assert weights.with_name("config.json").read_text() == '{"architectures": ["x"]}'
    assert prune_models(store, tmp_path / "models") == 0
    store.untag(images[0].reference)
    store.prune()
    assert prune_models(store, tmp_path / "models") == 1 and prune_models(store, tmp_path / "none") == 0


def test_an_image_is_no_model(store: Store) -> None:
    image = add_image(store, [plain_tar({"x": b""})])
    with pytest.raises(FormatError, match="expected a model") as raised:
        find_model_manifest(store, image.descriptor)
    assert "docker model push" in raised.value.hint
