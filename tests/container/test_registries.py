"""One image, both ways between Wherry and each engine, over a real registry in the engine's own network."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.container.engines import WHERRY, Engine
from tests.oci.images import layer_of, noise, put_image
from tests.oci.registries import DockerRegistry, running
from wherry.oci.digest import Digest
from wherry.oci.image import ImageConfig, Index, Manifest
from wherry.oci.reference import Reference
from wherry.oci.store import Store

WASM = ("--platform=wasi/wasm",)


@pytest.fixture(
    params=[("docker26", WASM), ("docker20", ()), ("podman", (*WASM, "--tls-verify=false"))], ids=lambda param: param[0]
)
def engine(request: pytest.FixtureRequest) -> tuple[Engine, tuple[str, ...]]:
    """An engine, and how it is told to pull: Docker 20.10 knows linux alone."""
    name, flags = request.param
    return request.getfixturevalue(name), flags


@pytest.fixture
def registry(engine: tuple[Engine, tuple[str, ...]], tmp_path: Path) -> Iterator[DockerRegistry]:
    enter = ["nsenter", f"--net=/run/netns/{engine[0].namespace}"]
    with running(DockerRegistry(tmp_path / "registry", enter=enter)) as started:
        yield started


def test_an_image_goes_both_ways(engine: tuple[Engine, tuple[str, ...]], registry: DockerRegistry, tmp_path: Path) -> None:
    docker, flags = engine
    there, back = f"{registry.host}/team/app:there", f"{registry.host}/team/app:back"
    mine, other = Store(tmp_path / "mine/wherry/images"), Store(tmp_path / "other/wherry/images")
    put_image(mine, there, size=300_000)
    wherry(docker, tmp_path / "mine", "push", there)
    docker("pull", "--quiet", *flags, there, check=True)
    docker("tag", there, back, check=True)
    docker("push", *(["--tls-verify=false"] if docker.name == "podman" else []), back, check=True)
    docker("rmi", there, back, check=True)

    wherry(docker, tmp_path / "other", "pull", back)
    _, diff_id = layer_of({"app.wasm": b"\0asm", "model": noise((0, 0), 300_000)})
    config = config_of(other, back)
    assert config.diff_ids == (Digest.parse(diff_id),)
    assert str(config.platform) == ("wasi/wasm" if WASM[0] in flags else "linux/amd64")


def wherry(docker: Engine, cache: Path, *words: str) -> None:
    """In the engine's network, with a cache and no logins of its own."""
    done = docker.inside("env", f"XDG_CACHE_HOME={cache}", f"DOCKER_CONFIG={cache}", WHERRY, *words)
    assert done.returncode == 0, done


def config_of(store: Store, name: str) -> ImageConfig:
    """Of the first manifest that came."""
    document: Any = store.document(store.resolve(Reference.parse(name)))
    if isinstance(document, Index):
        document = store.document(next(entry for entry in document.manifests if store.has(entry.digest)))
    assert isinstance(document, Manifest)
    raw = store.read(document.config.digest)
    assert json.loads(raw)["os"]
    return ImageConfig.parse(raw, document.config.media_type)
