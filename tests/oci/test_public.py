"""The public registries' ways: docker.io's names, tokens for anybody, blobs from elsewhere, limits. None can be reached here."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.oci.images import put_image
from tests.oci.public import ARTIFACTS, NAMES, REGISTRIES
from tests.oci.registries import certificate
from tests.oci.test_transfer_commands import WHERRY, Home
from wherry.oci.store import Store

ROOT = Path(__file__).parents[2]


@pytest.fixture
def asked(tmp_path: Path) -> Any:
    """Run commands where the names lead to our server -> (exit code, stdout, stderr) of each, what was asked of whom."""
    if os.geteuid() != 0:
        words = "left out: names of public registries want a machine of their own, and so root"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    store = Store(tmp_path / "public")
    images = []
    for repository in ("library/app", "ada/app", "k8s/app"):
        parts = put_image(store, repository, seed=repository)
        images.append({"repository": repository, "tag": "1", "digest": parts["index"]["digest"]})
    cert, key = certificate(tmp_path / "tls", names=NAMES)

    def run(*commands: list[str], busy: list[str] | None = None) -> tuple[list[list[Any]], list[dict[str, str]], dict[str, str]]:
        job = {"store": str(store.root), "images": images, "busy": busy or [], "folder": str(tmp_path)}
        job |= {"certificate": str(cert), "key": str(key), "commands": [[str(WHERRY), *words] for words in commands]}
        (tmp_path / "job.json").write_text(json.dumps(job))
        environment = Home(tmp_path / "home").environment | {"SSL_CERT_FILE": str(cert), "NO_PROXY": "*"}
        words = ["unshare", "--mount", "--net", sys.executable, "-m", "tests.oci.public", str(tmp_path / "job.json")]
        done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        return said["results"], said["requests"], {image["repository"]: image["digest"] for image in images}

    return run


@pytest.mark.parametrize(
    ("name", "host", "repository", "whole"),
    [
        ("app:1", "registry-1.docker.io", "library/app", "docker.io/library/app:1"),
        ("docker.io/ada/app:1", "registry-1.docker.io", "ada/app", "docker.io/ada/app:1"),
        ("index.docker.io/library/app:1", "registry-1.docker.io", "library/app", "docker.io/library/app:1"),
        ("ghcr.io/ada/app:1", "ghcr.io", "ada/app", "ghcr.io/ada/app:1"),
        ("quay.io/ada/app:1", "quay.io", "ada/app", "quay.io/ada/app:1"),
    ],
)
def test_anybody_may_pull(asked: Any, name: str, host: str, repository: str, whole: str) -> None:
    """One token for the whole pull; blobs come from another host, which must not see it."""
    (pulled,), requests, digests = asked(["pull", name])
    assert pulled[:2] == [0, f"{whole}@{digests[repository]}\n"], pulled
    realm, service, cdn = REGISTRIES[host]
    tokens = [request for request in requests if f"https://{request['host']}{request['path']}".startswith(f"{realm}?")]
    assert len(tokens) == 1 and not tokens[0]["authorization"]
    scope = f"repository:{repository}:pull"
    assert parse_qs(urlsplit(tokens[0]["path"]).query) == {"service": [service], "scope": [scope]}
    blobs = [request for request in requests if request["host"] == cdn]
    assert blobs and not any(request["authorization"] for request in blobs)
    assert {request["authorization"] for request in requests if request["host"] == host} <= {"", f"Bearer token-{repository}"}


def test_a_registry_that_sends_everybody_on(asked: Any) -> None:
    (pulled,), requests, digests = asked(["pull", "registry.k8s.io/k8s/app:1"])
    assert pulled[:2] == [0, f"registry.k8s.io/k8s/app:1@{digests['k8s/app']}\n"], pulled
    assert any(request["host"] == ARTIFACTS for request in requests) and not any(r["authorization"] for r in requests)


def test_what_is_not_there_may_be_private(asked: Any) -> None:
    """docker.io gives a token that is good for nothing, ghcr.io none: both mean the same."""
    results, _, _ = asked(["pull", "nobody/app"], ["pull", "ghcr.io/nobody/app"], ["pull", "app:2"])
    for (code, out, error), registry in zip(results[:2], ("docker.io", "ghcr.io"), strict=True):
        assert (code, out) == (7, "")
        assert "refused to pull nobody/app without a login" in error and f"wherry login {registry}" in error
    assert results[2][0] == 4 and "app:2" in results[2][2]


def test_a_limit_is_waited_for_or_told(asked: Any) -> None:
    """docker.io counts what anonymous users fetch."""
    (pulled,), requests, _ = asked(["pull", "app:1"], busy=["1", "0"])
    assert pulled[0] == 0, pulled
    assert sum("/manifests/1" in request["path"] for request in requests) >= 3
    (pulled,), requests, _ = asked(["pull", "ada/app:1"], busy=["21600"] * 9)
    assert pulled[0] == 7 and "You have reached your unauthenticated pull rate limit" in pulled[2], pulled
    assert "try again in 21600 s" in pulled[2] and "wherry login docker.io" in pulled[2]
