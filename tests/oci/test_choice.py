"""Indexes as registries have them: which image is taken, and what is said where there is none.

Expected is the image specification (image-index.md, descriptor.md), and BuildKit's attestations (docs/attestations).
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.oci.conftest import plain_tar
from tests.oci.images import CONFIG, INDEX, LAYER, MANIFEST, descriptor, layer_of, put, put_json
from tests.oci.registries import DockerRegistry
from tests.oci.test_registry import transfers
from tests.oci.test_transfer import at
from wherry.errors import FormatError, NotFoundError, WherryError
from wherry.oci import archive, layout
from wherry.oci.artifact import WASM_CONFIG, WASM_LAYER
from wherry.oci.image import Platform
from wherry.oci.reference import Reference
from wherry.oci.store import Store, StoredImage
from wherry.oci.stored import check_image, open_image, why_not_run
from wherry.oci.transfer import pull, push

Entry = dict[str, Any]


def image(store: Store, system: str, architecture: str, **more: Any) -> Entry:
    """One manifest, whose configuration says its platform; the entry says what `more` says."""
    layer, diff_id = layer_of({"app.wasm": f"{system}/{architecture}".encode()})
    said = {"os": system, "architecture": architecture, "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": put_json(store, said, CONFIG),
        "layers": [put(store, layer, LAYER)],
    }
    return put_json(store, manifest, MANIFEST) | more


def artifact(store: Store, kind: str, **more: Any) -> Entry:
    empty = put(store, b"{}", "application/vnd.oci.empty.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind, "config": empty, "layers": [empty]}
    return put_json(store, manifest, MANIFEST) | more


def attestation(store: Store, subject: Entry) -> Entry:
    """As BuildKit has it: an image by its form, for a platform that nobody has, and an annotation that says what it is."""
    note = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": subject["digest"]}
    return image(store, "unknown", "unknown", platform={"os": "unknown", "architecture": "unknown"}, annotations=note)


def index(store: Store, *entries: Entry, kind: str = INDEX, **more: Any) -> Entry:
    return put_json(store, {"schemaVersion": 2, "mediaType": kind, "manifests": list(entries)}, kind) | more


def chosen(store: Store, root: Entry, *wanted: str) -> str:
    """The platform in the configuration of the image that is taken."""
    options = [[Platform.parse(text) for text in wanted]] if wanted else []
    _, config = open_image(store, descriptor(root), *options)
    return str(config.platform) if config is not None else "artifact"


WASM = {"platform": {"os": "wasi", "architecture": "wasm"}}


def test_an_entry_without_a_platform_is_what_its_configuration_says(store: Store) -> None:
    for platform in ({}, {"platform": {}}, {"platform": None}, {"platform": {"os": "", "architecture": ""}}):
        wasm, linux = image(store, "wasi", "wasm", **platform), image(store, "linux", "arm64", **platform)
        assert chosen(store, index(store, linux, wasm)) == "wasi/wasm"
        assert chosen(store, index(store, linux, wasm), "linux/arm64") == "linux/arm64"


def test_indexes_in_indexes_are_looked_through(store: Store) -> None:
    wasm, linux = (
        image(store, "wasi", "wasm", **WASM),
        image(store, "linux", "arm64", platform={"os": "linux", "architecture": "arm64"}),
    )
    root = index(store, linux, wasm)
    for depth in range(4):
        assert chosen(store, root) == "wasi/wasm", depth
        root = index(store, attestation(store, wasm), root)
    inherited = index(store, image(store, "wasi", "wasm"), platform={"os": "wasip1", "architecture": "wasm"})
    assert chosen(store, index(store, inherited), "wasip1") == "wasi/wasm"  # the outer entry says what it is for
    for _ in range(6):
        root = index(store, root)
    with pytest.raises(FormatError, match="in 4 other indexes"):
        chosen(store, root)


def test_what_is_no_image_is_passed_over(store: Store) -> None:
    wasm = image(store, "wasi", "wasm", **WASM)
    root = index(
        store,
        attestation(store, wasm),
        artifact(store, "application/spdx+json", platform={}, artifactType="application/spdx+json"),
        artifact(store, "application/spdx+json"),  # which only its manifest says
        artifact(store, "application/vnd.example", platform=WASM["platform"]),  # for the very platform
        put(store, b"what is this", "application/octet-stream"),
        wasm,
    )
    assert chosen(store, root) == "wasi/wasm"
    store.tag(Reference.parse("app"), descriptor(root))


def test_what_is_there_is_said_where_no_image_fits(store: Store) -> None:
    arm = image(store, "linux", "arm", platform={"os": "linux", "architecture": "arm", "variant": "v7"})
    root = index(store, arm, attestation(store, arm), attestation(store, arm), image(store, "linux", "riscv64"))
    with pytest.raises(
        NotFoundError, match=r"found linux/arm/v7, linux/riscv64, 2 × attestation, expected wasi/wasm or"
    ) as caught:
        chosen(store, root)
    assert "--platform" in caught.value.hint
    assert chosen(store, root, "linux/arm") == chosen(store, root, "linux/arm/v7") == "linux/arm"
    with pytest.raises(NotFoundError, match="expected linux/arm/v6"):
        chosen(store, root, "linux/arm/v6")
    plain = index(store, image(store, "linux", "arm64", platform={"os": "linux", "architecture": "arm64"}))
    assert chosen(store, plain, "linux/arm64/v8") == "linux/arm64"  # the usual variant need not be named


@pytest.mark.parametrize("system", ["wasi", "wasip1", "wasip2"])
@pytest.mark.parametrize("architecture", ["wasm", "wasm32"])
def test_wasm_is_taken_by_each_of_its_names(store: Store, system: str, architecture: str) -> None:
    linux = image(store, "linux", "amd64", platform={"os": "linux", "architecture": "amd64"})
    wasm = image(store, system, architecture, platform={"os": system, "architecture": architecture})
    root = index(store, linux, wasm)
    found = f"{system}/{architecture}"
    assert chosen(store, root) == chosen(store, root, "wasm") == chosen(store, root, system) == found
    assert chosen(store, root, f"{system}/wasm32") == found


def test_a_wasm_artifact_in_an_index_is_a_program(store: Store) -> None:
    said = put_json(store, {"os": "wasip1", "architecture": "wasm", "layerDigests": []}, WASM_CONFIG)
    layer = put(store, b"\0asm\1\0\0\0", WASM_LAYER)
    manifest = put_json(store, {"schemaVersion": 2, "mediaType": MANIFEST, "config": said, "layers": [layer]}, MANIFEST)
    assert chosen(store, index(store, manifest)) == "artifact"
    assert chosen(store, index(store, manifest | {"artifactType": WASM_CONFIG}), "wasm") == "artifact"


def test_dockers_own_lists_are_looked_through(store: Store) -> None:
    kind = "application/vnd.docker.distribution.manifest.list.v2+json"
    root = index(store, image(store, "wasi", "wasm", **WASM), kind=kind)
    assert chosen(store, index(store, root)) == "wasi/wasm"


def test_an_index_that_names_too_much_ends(store: Store) -> None:
    """Four thousand entries in four thousand entries would be read for a day."""
    inner = index(store, *(image(store, "linux", "arm64") for _ in range(1100)))
    with pytest.raises(FormatError, match="more than 1024 entries"):
        chosen(store, index(store, inner))


def nothing(store: Store) -> Entry:
    return index(store)


def attestations_alone(store: Store) -> Entry:
    return index(store, attestation(store, nothing(store)), index(store))


def damaged(store: Store) -> Entry:
    """Its configuration names no layers, the manifest one."""
    layer = put(store, layer_of({"a": b"a"})[0], LAYER)
    said = put_json(store, {"os": "wasi", "architecture": "wasm", "rootfs": {"type": "layers", "diff_ids": []}}, CONFIG)
    manifest = put_json(store, {"schemaVersion": 2, "mediaType": MANIFEST, "config": said, "layers": [layer]}, MANIFEST)
    return index(store, manifest | WASM)


@pytest.mark.parametrize("make", [nothing, attestations_alone, damaged])
def test_what_cannot_be_run_anywhere_is_neither_loaded_nor_pushed(
    store: Store, tmp_path: Path, registry: DockerRegistry, make: Any
) -> None:
    root = descriptor(make(store))
    with pytest.raises(FormatError):
        check_image(store, root)
    folder = tmp_path / "layout"
    layout.save_folder(store, [StoredImage(Reference.parse("app:1"), root)], folder)
    other = Store(tmp_path / "other")
    with pytest.raises(WherryError):
        layout.load_folder(other, folder)
    with (tmp_path / "a.tar").open("wb") as sink:
        archive.save(store, [StoredImage(Reference.parse("app:1"), root)], sink)
    with (tmp_path / "a.tar").open("rb") as file, pytest.raises(WherryError):
        archive.load(other, file, "a.tar")
    assert other.images() == []
    work = transfers(tmp_path)
    name = Reference.parse(f"{registry.host}/broken/{make.__name__}:1")
    copied = make(work.store)
    work.store.tag(name, descriptor(copied))
    with pytest.raises(FormatError):
        push(name, work)


@pytest.mark.parametrize("nested", [0, 1, 2])
@pytest.mark.parametrize("platform", [{}, WASM])
def test_they_are_pushed_and_pulled(tmp_path: Path, registry: DockerRegistry, nested: int, platform: Entry) -> None:
    work, other = transfers(tmp_path), transfers(tmp_path, "other")
    wasm = image(work.store, "wasi", "wasm", **platform)
    root = index(work.store, image(work.store, "linux", "s390x"), wasm, attestation(work.store, wasm))
    for _ in range(nested):
        root = index(work.store, root)
    name = Reference.parse(f"{registry.host}/{at(registry, tmp_path).repository}:1")
    work.store.tag(name, descriptor(root))
    push(name, work)
    received = pull(name, other)
    assert (str(received.descriptor.digest), [str(p) for p in received.platforms]) == (root["digest"], ["wasi/wasm"])
    assert chosen(other.store, root) == "wasi/wasm"
    with pytest.raises(NotFoundError, match="found linux/s390x, wasi/wasm, 1 × attestation, expected linux/arm64"):
        pull(name, transfers(tmp_path, "third"), platform=Platform.parse("linux/arm64"))
    everything = transfers(tmp_path, "all")
    assert len(pull(name, everything, all_platforms=True).platforms) == 2
    assert why_not_run(everything.store, received.descriptor) == ""


def test_a_name_for_what_another_machine_runs_comes_with_a_note(store: Store) -> None:
    other = index(store, image(store, "linux", "arm64"))
    assert "found linux/arm64, expected wasi/wasm" in why_not_run(store, descriptor(other))
    assert "found linux/arm64" in why_not_run(store, descriptor(image(store, "linux", "arm64")))
    model = artifact(store, "application/vnd.docker.ai.model")
    assert "expected a program" in why_not_run(store, descriptor(model))
    assert why_not_run(store, descriptor(image(store, "wasip1", "wasm"))) == ""


def test_dockers_archives_with_both_lists_keep_all_names(tmp_path: Path, store: Store) -> None:
    """docker save since version 25: index.json has an entry a tag, manifest.json one with all of them."""
    wasm = image(store, "wasi", "wasm")
    files: dict[str, bytes | str | None] = {
        f"blobs/sha256/{path.name}": path.read_bytes() for path in (store.root / "blobs/sha256").iterdir()
    }
    names = {
        tag: {"io.containerd.image.name": f"docker.io/library/app:{tag}", "org.opencontainers.image.ref.name": tag}
        for tag in "ab"
    }
    listed = json.loads(files[f"blobs/sha256/{wasm['digest'][7:]}"] or b"")
    entries = [wasm | {"annotations": note} for note in names.values()]
    files["index.json"] = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
    files["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
    path = "blobs/sha256/{}".format
    docker = {"Config": path(listed["config"]["digest"][7:]), "Layers": [path(each["digest"][7:]) for each in listed["layers"]]}
    files["manifest.json"] = json.dumps([docker | {"RepoTags": ["app:a", "app:b"]}]).encode()
    for number, left_out in enumerate(((), ("manifest.json",), ("index.json", "oci-layout"))):
        tar = plain_tar({name: content for name, content in files.items() if name not in left_out})
        (tmp_path / "a.tar").write_bytes(tar)
        other = Store(tmp_path / f"other{number}")
        with (tmp_path / "a.tar").open("rb") as file:
            assert [found.reference.familiar for found in archive.load(other, file, "a.tar")] == ["app:a", "app:b"]
        assert {str(open_image(other, found.descriptor)[1].platform) for found in other.images()} == {"wasi/wasm"}  # type: ignore[union-attr]
    with (tmp_path / "a.tar").open("wb") as sink:
        sink.write(plain_tar(files))
    with (tmp_path / "a.tar").open("rb") as file:
        given = archive.load(Store(tmp_path / "named"), file, "a.tar", Reference.parse("mine"))
    assert [found.reference.familiar for found in given] == ["mine:latest"]
