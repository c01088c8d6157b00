"""Images, both ways between Wherry and each engine, over a real registry in the engine's own network."""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.engines import WHERRY, Engine
from tests.oci.images import descriptor, put_image
from tests.oci.registries import DockerRegistry, running
from wherry.oci.reference import Reference
from wherry.oci.store import Store


@pytest.fixture(params=["docker26", "docker20", "podman"])
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def registry(engine: Engine, tmp_path: Path) -> Iterator[DockerRegistry]:
    with running(DockerRegistry(tmp_path / "registry", enter=["nsenter", f"--net=/run/netns/{engine.namespace}"])) as started:
        yield started


def insecure(engine: Engine) -> list[str]:
    """Docker speaks http with this machine by itself."""
    return ["--tls-verify=false"] if engine.name == "podman" else []


def wherry(engine: Engine, cache: Path, *words: str) -> None:
    """In the engine's network, with a cache and no logins of its own."""
    done = engine.inside("env", f"XDG_CACHE_HOME={cache}", f"DOCKER_CONFIG={cache}", WHERRY, *words)
    assert done.returncode == 0, done


def test_an_engine_takes_what_we_push(engine: Engine, registry: DockerRegistry, tmp_path: Path) -> None:
    """Docker 20.10, which knows linux alone, takes that of an image's platforms."""
    name = f"{registry.host}/team/app:1"
    platform = "linux/amd64" if engine.name == "docker20" else "wasi/wasm"
    put_image(Store(tmp_path / "wherry/images"), name)
    wherry(engine, tmp_path, "push", name)
    engine("pull", "--quiet", f"--platform={platform}", *insecure(engine), name, check=True)
    said = json.loads(engine("image", "inspect", name, check=True).stdout)[0]
    assert f"{said['Os']}/{said['Architecture']}" == platform
    engine("rmi", name, check=True)


def test_we_take_what_an_engine_pushes(engine: Engine, registry: DockerRegistry, tmp_path: Path, probe_guest: Path) -> None:
    """The probe, which the engine has from a tar file."""
    name = f"{registry.host}/team/probe:1"
    engine("tag", f"{engine.images}probe", name, check=True)
    engine("push", *insecure(engine), name, check=True)
    engine("rmi", name, check=True)
    wherry(engine, tmp_path, "pull", name)
    store = Store(tmp_path / "wherry/images")
    document = json.loads(store.read(store.resolve(Reference.parse(name)).digest))
    while "manifests" in document:
        document = json.loads(store.read(descriptor(document["manifests"][0]).digest))
    with store.open(descriptor(document["layers"][0]).digest) as layer, tarfile.open(fileobj=io.BytesIO(layer.read())) as tar:
        member = next(member for member in tar if member.name.lstrip("./") == "probe.wasm")
        file = tar.extractfile(member)
        assert file is not None and file.read() == probe_guest.read_bytes()
