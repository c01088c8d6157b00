"""Images go to a real registry and come from it, Wherry at one end and skopeo, podman or oras at the other."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.oci.conftest import program, run
from tests.oci.images import LAYER, MANIFEST, OURS, blobs, descriptor, layer_of, noise, put, put_image, put_json, same_blobs
from tests.oci.registries import DockerRegistry, Proxy
from wherry.errors import DownloadError, FormatError, NotFoundError
from wherry.oci.connection import Patience
from wherry.oci.docker_config import DockerConfig
from wherry.oci.image import Platform
from wherry.oci.progress import Step
from wherry.oci.reference import Reference
from wherry.oci.store import Store
from wherry.oci.transfer import Transfers, pull, push

QUICK = Patience(pause=0.01, connect=5, silence=5, answer=10)


def transfers(tmp_path: Path, name: str = "store", **options: Any) -> Transfers:
    return Transfers(Store(tmp_path / name), DockerConfig(tmp_path / "none.json"), QUICK, **options)


def at(registry: DockerRegistry | Proxy, tmp_path: Path, tag: str = "1") -> Reference:
    """A name that no other test has: `tmp_path` is this test's own."""
    return Reference.parse(f"{registry.host}/{tmp_path.name.lower().replace('_', '-').strip('-')}/app:{tag}")


def copy(source: str, target: str, *options: str) -> None:
    run(
        program("skopeo"),
        "copy",
        "--insecure-policy",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        *options,
        source,
        target,
    )


# -- round trips


def test_what_is_pushed_is_pulled(tmp_path: Path, registry: DockerRegistry) -> None:
    """Our own images come back whole without being asked for it: all platforms, the same bytes."""
    one, other = transfers(tmp_path), transfers(tmp_path, "other")
    name = at(registry, tmp_path)
    parts = put_image(one.store, str(name))
    sent = push(name, one)
    assert str(sent.descriptor.digest) == parts["index"]["digest"]
    received = pull(name, other)
    assert received.descriptor == sent.descriptor and [str(p) for p in received.platforms] == list(OURS)
    assert same_blobs(one.store.root, other.store.root)
    assert received.bytes == sent.bytes == sum(blob["size"] for blob in layers_and_configs(one.store, parts))
    assert other.store.resolve(name) == sent.descriptor


def layers_and_configs(store: Store, parts: dict[str, Any]) -> list[dict[str, Any]]:
    manifests = [json.loads(store.read(descriptor(entry).digest)) for entry in parts["entries"]]
    found = {blob["digest"]: blob for manifest in manifests for blob in [manifest["config"], *manifest["layers"]]}
    return list(found.values())


def test_nothing_moves_twice(tmp_path: Path, registry: DockerRegistry) -> None:
    work = transfers(tmp_path)
    name = at(registry, tmp_path)
    put_image(work.store, str(name))
    push(name, work)
    assert push(name, work).bytes == 0
    assert pull(name, work).bytes == 0


def test_large_blobs_go_in_chunks(tmp_path: Path, registry: DockerRegistry) -> None:
    one, other = transfers(tmp_path), transfers(tmp_path, "other")
    with Proxy(registry.host).serving() as proxy:
        name = at(proxy, tmp_path)
        put_image(one.store, str(name), size=40 << 20)
        push(name, one)
        assert proxy.count("PATCH", "/blobs/uploads/") == 3
        pull(name, other)
    assert same_blobs(one.store.root, other.store.root)


def test_an_empty_blob(tmp_path: Path, registry: DockerRegistry) -> None:
    one, other = transfers(tmp_path), transfers(tmp_path, "other")
    name = at(registry, tmp_path)
    config = put_json(one.store, {}, "application/vnd.oci.empty.v1+json")
    empty = put(one.store, b"", "text/plain")
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "a/b", "config": config, "layers": [empty]}
    one.store.tag(name, descriptor(put_json(one.store, manifest, MANIFEST)))
    push(name, one)
    assert pull(name, other).platforms == ()
    assert same_blobs(one.store.root, other.store.root)


def test_by_digest(tmp_path: Path, registry: DockerRegistry) -> None:
    one, other = transfers(tmp_path), transfers(tmp_path, "other")
    name = at(registry, tmp_path)
    parts = put_image(one.store, str(name))
    push(name, one)
    by_digest = name.with_digest(descriptor(parts["index"]).digest)
    assert pull(by_digest, other).descriptor.digest == by_digest.digest
    assert other.store.resolve(by_digest).digest == by_digest.digest


def test_what_progress_tells(tmp_path: Path, registry: DockerRegistry) -> None:
    steps: list[Step] = []
    work = transfers(tmp_path, progress=steps.append)
    name = at(registry, tmp_path)
    parts = put_image(work.store, str(name), size=300_000)
    push(name, work)
    layer = descriptor(parts["layers"][0])
    told = [step for step in steps if step.blob.digest == layer.digest]
    assert told[-1].state == "done" and told[-1].done == layer.size
    assert [step.done for step in told] == sorted(step.done for step in told)


# -- platforms


def test_of_others_images_what_runs_here(tmp_path: Path, registry: DockerRegistry) -> None:
    """The preferred platform, and no layer of another; --platform chooses, --all-platforms takes all."""
    one = transfers(tmp_path)
    name = at(registry, tmp_path)
    put_image(one.store, str(name), platforms=("linux/arm64", "linux/amd64", "linux/s390x"), own=True)
    push(name, one)

    def pulled(**options: Any) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            return [str(platform) for platform in pull(name, transfers(Path(folder)), **options).platforms]

    assert pulled() == ["linux/amd64"]
    assert pulled(platform=Platform("linux", "arm64")) == ["linux/arm64"]
    assert pulled(all_platforms=True) == ["linux/arm64", "linux/amd64", "linux/s390x"]
    with pytest.raises(NotFoundError, match="found linux/arm64, linux/amd64, linux/s390x, expected wasi/wasm"):
        pulled(platform=Platform("wasi", "wasm"))


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        (("linux/amd64", "wasip1/wasm", "wasi/wasm"), "wasi/wasm"),
        (("linux/amd64", "wasip1/wasm"), "wasip1/wasm"),
        (("linux/riscv64", "linux/amd64"), "linux/amd64"),
    ],
)
def test_the_preferred_platform(tmp_path: Path, registry: DockerRegistry, there: tuple[str, ...], chosen: str) -> None:
    one = transfers(tmp_path)
    name = at(registry, tmp_path)
    put_image(one.store, str(name), platforms=there, own=True)
    push(name, one)
    assert [str(platform) for platform in pull(name, transfers(tmp_path, "other")).platforms] == [chosen]


def test_a_second_platform_joins_the_first(tmp_path: Path, registry: DockerRegistry) -> None:
    one, other = transfers(tmp_path), transfers(tmp_path, "other")
    name = at(registry, tmp_path)
    put_image(one.store, str(name), platforms=("linux/arm64", "linux/amd64"), own=True)
    push(name, one)
    pull(name, other)
    assert len(pull(name, other, platform=Platform("linux", "arm64")).platforms) == 2
    assert same_blobs(one.store.root, other.store.root)


def test_an_image_without_an_index(tmp_path: Path, registry: DockerRegistry) -> None:
    one = transfers(tmp_path)
    name = at(registry, tmp_path)
    parts = put_image(one.store, "parts", platforms=("linux/amd64",))
    one.store.tag(name, descriptor(parts["entries"][0]))
    push(name, one)
    assert [str(p) for p in pull(name, transfers(tmp_path, "a")).platforms] == ["linux/amd64"]
    assert pull(name, transfers(tmp_path, "b"), platform=Platform("linux", "amd64")).bytes
    with pytest.raises(NotFoundError, match="platform: found linux/amd64, expected wasi/wasm"):
        pull(name, transfers(tmp_path, "c"), platform=Platform("wasi", "wasm"))


def test_half_an_image_is_pushed_only_where_the_rest_is(tmp_path: Path, registry: DockerRegistry) -> None:
    one, half = transfers(tmp_path), transfers(tmp_path, "half")
    name = at(registry, tmp_path)
    put_image(one.store, str(name), platforms=("linux/arm64", "linux/amd64"), own=True)
    push(name, one)
    pull(name, half)
    push(name, half)  # the rest is there
    elsewhere = Reference.parse(f"{registry.host}/{tmp_path.name.lower().strip('_')}-elsewhere:1")
    half.store.tag(elsewhere, half.store.resolve(name))
    with pytest.raises(NotFoundError) as caught:
        push(elsewhere, half)
    assert "linux/arm64" in caught.value.message and "--all-platforms" in caught.value.hint


# -- damage in the store is made good


def test_a_pull_brings_back_what_was_damaged(tmp_path: Path, registry: DockerRegistry) -> None:
    one, other = transfers(tmp_path), transfers(tmp_path, "other")
    name = at(registry, tmp_path)
    parts = put_image(one.store, str(name))
    push(name, one)
    pull(name, other)
    cut = other.store.path(descriptor(parts["layers"][0]).digest)
    cut.chmod(0o644)
    cut.write_bytes(cut.read_bytes()[:-1])
    other.store.path(descriptor(parts["entries"][1]).digest).unlink()
    pull(name, other)
    assert same_blobs(one.store.root, other.store.root)


def test_a_damaged_blob_is_not_pushed(tmp_path: Path, registry: DockerRegistry) -> None:
    work = transfers(tmp_path)
    name = at(registry, tmp_path)
    parts = put_image(work.store, str(name))
    path = work.store.path(descriptor(parts["layers"][0]).digest)
    path.chmod(0o644)
    path.write_bytes(b"!" + path.read_bytes()[1:])
    with pytest.raises(FormatError) as caught:
        push(name, work)
    assert str(path) in caught.value.message and "build" in caught.value.hint


# -- unknown names


def test_unknown_images_and_tags(tmp_path: Path, registry: DockerRegistry) -> None:
    work = transfers(tmp_path)
    name = at(registry, tmp_path)
    put_image(work.store, str(name))
    push(name, work)
    with pytest.raises(NotFoundError) as caught:
        pull(name.with_tag("2"), work)
    assert str(caught.value) == f'image "{name.with_tag("2")}": the registry has no such tag or digest\n\nhint: its tags are 1'
    with pytest.raises(NotFoundError, match="the registry has no such image"):
        pull(Reference.parse(f"{registry.host}/nobody/nothing"), work)
    with pytest.raises(NotFoundError, match="found none of this name"):
        push(name.with_tag("3"), work)


def test_a_registry_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DownloadError) as caught:
        pull(Reference.parse("127.0.0.1:1/app"), transfers(tmp_path))
    assert caught.value.message == "127.0.0.1:1: cannot reach http://127.0.0.1:1: Connection refused"
    assert "is a registry running at 127.0.0.1:1?" in caught.value.hint
    with pytest.raises(DownloadError, match=r"nowhere.invalid: cannot reach https://nowhere.invalid: .*known"):
        pull(Reference.parse("nowhere.invalid/app"), transfers(tmp_path))


# -- other programs


def test_skopeo_takes_what_we_push(tmp_path: Path, registry: DockerRegistry) -> None:
    work = transfers(tmp_path)
    name = at(registry, tmp_path)
    parts = put_image(work.store, str(name))
    push(name, work)
    said = json.loads(run(program("skopeo"), "inspect", "--raw", "--tls-verify=false", f"docker://{name}"))
    assert said == json.loads(work.store.read(descriptor(parts["index"]).digest))
    copy(f"docker://{name}", f"oci:{tmp_path / 'layout'}:app", "--all")
    assert same_blobs(work.store.root, tmp_path / "layout")


def test_we_take_what_skopeo_pushes(tmp_path: Path, registry: DockerRegistry) -> None:
    one, other = transfers(tmp_path), transfers(tmp_path, "other")
    name = at(registry, tmp_path)
    put_image(one.store, "app")
    copy(f"oci:{one.store.root}:docker.io/library/app:latest", f"docker://{name}", "--all")
    pull(name, other)
    assert same_blobs(one.store.root, other.store.root)


def test_we_take_dockers_own_manifests(tmp_path: Path, registry: DockerRegistry) -> None:
    """Schema 2, a list of them too: what old engines push."""
    one, other = transfers(tmp_path), transfers(tmp_path, "other")
    name = at(registry, tmp_path)
    put_image(one.store, "app", platforms=("linux/amd64",))
    copy(f"oci:{one.store.root}:docker.io/library/app:latest", f"docker://{name}", "--all", "--format=v2s2")
    received = pull(name, other)
    assert received.descriptor.media_type == "application/vnd.docker.distribution.manifest.list.v2+json"
    assert [str(platform) for platform in received.platforms] == ["linux/amd64"]
    push(name.with_tag("again"), Transfers(retagged(other.store, name, "again"), other.config, QUICK))
    copy(f"docker://{name.with_tag('again')}", f"dir:{tmp_path / 'dir'}")


def retagged(store: Store, name: Reference, tag: str) -> Store:
    store.tag(name.with_tag(tag), store.resolve(name))
    return store


def test_podman_both_ways(tmp_path: Path, registry: DockerRegistry) -> None:
    one, other = transfers(tmp_path), transfers(tmp_path, "other")
    name, back = at(registry, tmp_path), at(registry, tmp_path, "back")
    put_image(one.store, str(name), size=100_000)
    push(name, one)
    with tempfile.TemporaryDirectory() as short:  # podman wants it so
        podman = [program("podman"), "--root", f"{short}/root", "--runroot", f"{short}/run", "--storage-driver", "vfs"]
        run(*podman, "pull", "--quiet", "--tls-verify=false", "--platform", "wasi/wasm", str(name))
        said = json.loads(run(*podman, "image", "inspect", str(name)))[0]
        assert (said["Os"], said["Architecture"]) == ("wasi", "wasm")
        run(*podman, "push", "--quiet", "--tls-verify=false", str(name), str(back))
    received = pull(back, other)
    assert [str(platform) for platform in received.platforms] == ["wasi/wasm"]
    _, diff_id = layer_of({"app.wasm": b"\0asm", "model": noise((0, 0), 100_000)})
    assert json.loads(other.store.read(config_of(other.store, received.descriptor)))["rootfs"]["diff_ids"] == [diff_id]


def config_of(store: Store, manifest: Any) -> Any:
    return descriptor(json.loads(store.read(manifest.digest))["config"]).digest


def test_oras_both_ways(tmp_path: Path, registry: DockerRegistry) -> None:
    """An artifact of the CNCF's wasm kind, pushed by oras (PyPI), pulled, pushed on by us, pulled by oras."""
    work = transfers(tmp_path)
    name, back = at(registry, tmp_path), at(registry, tmp_path, "back")
    (tmp_path / "app.wasm").write_bytes(b"\0asm\1\0\0\0")
    (tmp_path / "config.json").write_text('{"created":"2020-01-01T00:00:00Z","architecture":"wasm","os":"wasip1"}')
    oras(
        tmp_path,
        f"push(target='{name}', files=['app.wasm:application/wasm'], "
        "manifest_config='config.json:application/vnd.wasm.config.v0+json')",
    )
    received = pull(name, work)
    manifest = json.loads(work.store.read(received.descriptor.digest))
    assert manifest["config"]["mediaType"] == "application/vnd.wasm.config.v0+json"
    assert work.store.read(descriptor(manifest["layers"][0]).digest) == b"\0asm\1\0\0\0"
    push(back, Transfers(retagged(work.store, name, "back"), work.config, QUICK))
    oras(tmp_path, f"pull(target='{back}', outdir='out', overwrite=True)")
    assert (tmp_path / "out/app.wasm").read_bytes() == b"\0asm\1\0\0\0"


def oras(folder: Path, call: str) -> None:
    program_text = f"import oras.client; oras.client.OrasClient(insecure=True).{call}"
    environment = os.environ | {"HOME": str(folder)}
    done = subprocess.run([sys.executable, "-c", program_text], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done


def test_layers_that_are_there_are_mounted(tmp_path: Path, registry: DockerRegistry) -> None:
    """A second repository on the same registry gets its blobs from the first, over no line."""
    work = transfers(tmp_path)
    one = at(registry, tmp_path)
    other = Reference.parse(str(one).replace("/app:", "/other:"))
    put_image(work.store, str(one))
    push(one, work)
    work.store.tag(other, work.store.resolve(one))
    steps: list[Step] = []
    assert push(other, Transfers(work.store, work.config, QUICK, progress=steps.append)).bytes == 0
    assert {step.state for step in steps} == {"mounted"}
    pull(other, fresh := transfers(tmp_path, "fresh"))
    assert set(blobs(fresh.store.root)) == set(blobs(work.store.root))


def test_a_neighbour_without_the_blob(tmp_path: Path, registry: DockerRegistry) -> None:
    """The store believes that a repository has a blob; the registry knows better, and takes it from us."""
    work = transfers(tmp_path)
    one = at(registry, tmp_path)
    other = Reference.parse(str(one).replace("/app:", "/other:"))
    put_image(work.store, str(one))  # never pushed
    work.store.tag(other, work.store.resolve(one))
    assert push(other, work).bytes > 100_000
    pull(other, fresh := transfers(tmp_path, "fresh"))
    assert same_blobs(work.store.root, fresh.store.root)


def test_one_blob_under_two_media_types(tmp_path: Path, registry: DockerRegistry) -> None:
    """A model's artifact: what a layer is does not matter to who carries it, and it is carried once."""
    one, other = transfers(tmp_path), transfers(tmp_path, "other")
    name = at(registry, tmp_path)
    config = put_json(one.store, {}, "application/vnd.docker.ai.model.config.v0.1+json")
    layer = put(one.store, noise("gguf", 70_000), "application/vnd.docker.ai.gguf.v3")
    again = put(one.store, noise("gguf", 70_000), LAYER)
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer, again]}
    one.store.tag(name, descriptor(put_json(one.store, manifest, MANIFEST)))
    push(name, one)
    pull(name, other)
    assert same_blobs(one.store.root, other.store.root)
