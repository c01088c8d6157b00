"""Models out of registries: Docker Model Runner's artifacts and ModelPack's, as oras pushes them, and hostile ones."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SAMPLE
from tests.oci.conftest import add_image, plain_tar
from tests.oci.images import MANIFEST, descriptor, put, put_json
from tests.oci.registries import DockerRegistry, running
from tests.oci.test_transfer import at, oras, transfers
from tests.oci.test_transfer_commands import Home
from wherry.engine.catalog import ModelFiles
from wherry.errors import FormatError, NotFoundError
from wherry.oci.image import Manifest
from wherry.oci.model import open_model
from wherry.oci.store import Store
from wherry.oci.transfer import pull, push

DOCKER = "application/vnd.docker.ai."
PACK = "application/vnd.cncf.model."
FILEPATH = "org.cncf.model.filepath"
WEIGHTS = b"GGUF" + bytes(100)


def artifact(
    store: Store, layers: list[dict[str, Any]], kind: str = DOCKER + "model.config.v0.1+json", **config: Any
) -> Manifest:
    """A manifest of these layers, written by hand."""
    said = {"schemaVersion": 2, "mediaType": MANIFEST, "config": put_json(store, config, kind), "layers": layers}
    found = store.document(descriptor(put_json(store, said, MANIFEST)))
    assert isinstance(found, Manifest)
    return found


def layer(store: Store, raw: bytes, media_type: str, path: str = "") -> dict[str, Any]:
    return {**put(store, raw, media_type), **({"annotations": {FILEPATH: path}} if path else {})}


def tar_of(files: dict[str, bytes | str]) -> tuple[bytes, str]:
    """Content, or a link's target -> the tar, its digest."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            tar.addfile(info, None if isinstance(content, str) else io.BytesIO(content))
    return out.getvalue(), "sha256:" + hashlib.sha256(out.getvalue()).hexdigest()


def names(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def test_docker_model_runners(store: Store, tmp_path: Path) -> None:
    """Weights, licence and template; what projects pictures is left out."""
    layers = [
        layer(store, WEIGHTS, DOCKER + "gguf.v3"),
        layer(store, b"MIT", DOCKER + "license"),
        layer(store, b"{{ messages }}", DOCKER + "chat.template.jinja"),
        layer(store, b"GGUF pictures", DOCKER + "mmproj"),
    ]
    weights = open_model(store, artifact(store, layers), tmp_path / "models")
    assert weights.name == "model.gguf" and weights.read_bytes() == WEIGHTS
    assert names(weights.parent) == {"model.gguf", "LICENSE", "chat_template.jinja"}
    assert weights.samefile(store.path(descriptor(layers[0]).digest))  # not copied


def test_docker_model_runners_folders(store: Store, tmp_path: Path) -> None:
    """Version 0.2: a path for each file; and archives of what is small."""
    plain, diff_id = tar_of({"config.json": b"{}", "deep/tokenizer.json": b"{}", "link": "/etc/passwd"})
    layers = [
        layer(store, WEIGHTS, DOCKER + "safetensors", "text/model.safetensors"),
        layer(store, plain, DOCKER + "vllm.config.tar"),
        layer(store, b"{}", DOCKER + "model.file", "text/config.json"),
    ]
    config = {"rootfs": {"type": "rootfs", "diff_ids": [layers[0]["digest"], diff_id, layers[2]["digest"]]}}
    weights = open_model(store, artifact(store, layers, DOCKER + "model.config.v0.2+json", **config), tmp_path / "models")
    root = weights.parents[1]
    assert names(root) == {"text/model.safetensors", "config.json", "deep/tokenizer.json", "text/config.json"}
    assert not (root / "link").is_symlink()


@pytest.mark.parametrize("prefix", [PACK, "application/vnd.cnai.model."])
def test_modelpacks(store: Store, tmp_path: Path, prefix: str) -> None:
    plain, diff_id = tar_of({"tokenizer.json": b"{}"})
    layers = [
        layer(store, WEIGHTS, prefix + "weight.v1.raw", "smollm.gguf"),
        layer(store, plain, prefix + "weight.config.v1.tar"),
        layer(store, b"rm -rf", prefix + "code.v1.raw", "run.sh"),
        layer(store, b"1,2", prefix + "dataset.v1.raw", "data.csv"),
        layer(store, b"# Model", prefix + "doc.v1.raw", "README.md"),
    ]
    diff_ids = [entry["digest"] for entry in layers]
    diff_ids[1] = diff_id
    manifest = artifact(store, layers, prefix + "config.v1+json", modelfs={"type": "layers", "diffIds": diff_ids})
    weights = open_model(store, manifest, tmp_path / "models")
    assert weights.name == "smollm.gguf" and names(weights.parent) == {"smollm.gguf", "tokenizer.json", "README.md"}
    assert open_model(store, manifest, tmp_path / "models") == weights


def test_several_weights_are_a_folder(store: Store, tmp_path: Path) -> None:
    layers = [layer(store, WEIGHTS + bytes([i]), DOCKER + "gguf.v3") for i in range(3)]
    folder = open_model(store, artifact(store, layers), tmp_path / "models")
    assert names(folder) == {"model.gguf", "model-2.gguf", "model-3.gguf"}


def test_what_the_store_has_lost_is_missed(store: Store, tmp_path: Path) -> None:
    entry = layer(store, WEIGHTS, DOCKER + "gguf.v3")
    manifest = artifact(store, [entry])
    open_model(store, manifest, tmp_path / "models")
    store.path(descriptor(entry).digest).unlink()
    with pytest.raises(NotFoundError):
        open_model(store, manifest, tmp_path / "models")
    store.put_bytes(WEIGHTS)
    assert open_model(store, manifest, tmp_path / "models").read_bytes() == WEIGHTS


@pytest.mark.parametrize("path", ["/etc/cron.d/evil", "../evil.gguf", "a/../../evil", "evil\n.gguf", "x" * 501, "."])
def test_paths_that_lead_elsewhere(store: Store, tmp_path: Path, path: str) -> None:
    manifest = artifact(store, [layer(store, WEIGHTS, PACK + "weight.v1.raw", path)], PACK + "config.v1+json")
    with pytest.raises(FormatError, match=r"filepath: found .* expected a path within the model"):
        open_model(store, manifest, tmp_path / "models")
    assert not list((tmp_path / "models").iterdir())


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [("a.gguf", "a.gguf", "twice"), ("a.gguf", "a.gguf/b.gguf", "below a file"), ("a.gguf/b.gguf", "a.gguf", "twice")],
)
def test_two_files_in_one_place(store: Store, tmp_path: Path, first: str, second: str, words: str) -> None:
    layers = [layer(store, WEIGHTS + path.encode(), PACK + "weight.v1.raw", path) for path in (first, second)]
    with pytest.raises(FormatError, match=words):
        open_model(store, artifact(store, layers, PACK + "config.v1+json"), tmp_path / "models")


def test_a_tars_links_lead_nowhere(store: Store, tmp_path: Path) -> None:
    """A folder of a tar that is a link to one of the host's gets no file of another layer."""
    outside = tmp_path / "outside"
    outside.mkdir()
    plain, diff_id = tar_of({"weights": str(outside), "model.gguf": "/etc/passwd"})
    layers = [layer(store, plain, DOCKER + "dir.tar"), layer(store, WEIGHTS, DOCKER + "gguf.v3", "weights/model.gguf")]
    manifest = artifact(store, layers, rootfs={"diff_ids": [diff_id, layers[1]["digest"]]})
    weights = open_model(store, manifest, tmp_path / "models")
    assert weights.read_bytes() == WEIGHTS and not list(outside.iterdir())


@pytest.mark.parametrize(
    ("config", "words"),
    [({}, "diff_ids: found 0"), ({"rootfs": {"diff_ids": ["sha256:" + "0" * 64]}}, "diff_id: found")],
)
def test_a_tar_that_is_another(store: Store, tmp_path: Path, config: dict[str, Any], words: str) -> None:
    plain, _ = tar_of({"model.gguf": WEIGHTS})
    manifest = artifact(store, [layer(store, plain, DOCKER + "dir.tar")], **config)
    with pytest.raises(FormatError, match=words):
        open_model(store, manifest, tmp_path / "models")


def test_what_is_no_model(store: Store, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"found application/vnd\.oci\.image\.config\.v1\+json, expected a model"):
        open_model(store, artifact(store, [], "application/vnd.oci.image.config.v1+json"), tmp_path / "models")


def test_a_model_that_oras_pushed(tmp_path: Path, registry: DockerRegistry) -> None:
    """With the title that oras gives a file."""
    name = at(registry, tmp_path)
    (tmp_path / "tiny.gguf").write_bytes(WEIGHTS)
    (tmp_path / "config.json").write_text(json.dumps({"descriptor": {}, "modelfs": {"type": "layers", "diffIds": []}}))
    oras(
        tmp_path,
        f"push(target='{name}', files=['tiny.gguf:{PACK}weight.v1.raw'], manifest_config='config.json:{PACK}config.v1+json')",
    )
    work = transfers(tmp_path)
    document = work.store.document(pull(name, work).descriptor)
    assert isinstance(document, Manifest)
    weights = open_model(work.store, document, tmp_path / "models")
    assert weights.name == "tiny.gguf" and weights.read_bytes() == WEIGHTS


def test_commands_and_guests_take_a_model_from_a_registry(
    tmp_path: Path, tiny_en_files: ModelFiles, transcribe_guest: Path
) -> None:
    """`oci://…`: fetched once; then the registry may be gone. An image alone cannot have it fetched."""
    files = [tiny_en_files.weights, tiny_en_files.config, tiny_en_files.tokenizer]
    home = Home(tmp_path / "home")
    with running(DockerRegistry(tmp_path / "registry")) as registry:
        name = at(registry, tmp_path)
        work = transfers(tmp_path)
        layers = [layer(work.store, file.read_bytes(), PACK + "weight.v1.raw", file.name) for file in files if file is not None]
        work.store.tag(name, artifact(work.store, layers, PACK + "config.v1+json").descriptor)
        push(name, work)
        words = ["transcribe", "--device", "cpu", "--language", "en", "--model", f"oci://{name}", SAMPLE]
        first = home.wherry(*words)
    again = home.wherry(*words)
    assert first.returncode == 0 and "A ferry is a light boat" in first.stdout and f"fetching {name}" in first.stderr, first
    assert (again.returncode, again.stdout) == (0, first.stdout) and "fetching" not in again.stderr, again

    preload = f"default:Burn:AUTO:oci://{name}:en"
    guest = ["run", "--device", "cpu", "-v", f"{SAMPLE.parent}:/audio:ro", "--pull", "never"]
    said = home.wherry(*guest, "--nn-preload", preload, transcribe_guest, "/audio/sample.wav")
    assert (said.returncode, "A ferry is a light boat" in said.stdout) == (0, True), said
    said = home.wherry(*guest, "-e", f"WASMEDGE_WASINN_PRELOAD={preload.replace(':1:', ':2:')}", transcribe_guest)
    assert (said.returncode, "app:2` fetches it" in said.stderr) == (4, True), said
    config = {"Entrypoint": ["/app.wasm"], "Labels": {"wherry.preload": preload}}
    add_image(home.store, [plain_tar({"app.wasm": transcribe_guest.read_bytes()})], config=config)
    said = home.wherry(*guest, "app")
    assert (said.returncode, "expected files of the image" in said.stderr) == (2, True), said
    assert f"--nn-preload {preload.lower()}" in said.stderr.lower()
