"""`wherry pull`, `push`, `login` and `logout`, as a user types them."""

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.oci.images import descriptor, put_image, same_blobs
from tests.oci.registries import PASSWORD, USER, DockerRegistry, Fault, Proxy
from tests.oci.test_registry import gets_blob
from tests.oci.test_transfer import at
from wherry.oci.store import Store

WHERRY = Path(sys.executable).with_name("wherry")
Result = subprocess.CompletedProcess[str]


class Home:
    """A user of this machine: a cache and docker's configuration of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "DOCKER_CONFIG": str(folder / "docker")}
        self.store = Store(folder / "cache/wherry/images")
        self.config = folder / "docker/config.json"

    def wherry(self, *words: object, stdin: str = "") -> Result:
        command = [str(word) for word in (WHERRY, *words)]
        return subprocess.run(command, env=self.environment, input=stdin, capture_output=True, text=True, timeout=60)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def refused(result: Result, code: int, words: str, hint: str) -> None:
    """Nothing on stdout; a line that says what, a line that says what to do."""
    assert (result.returncode, result.stdout) == (code, ""), result
    first, second = result.stderr.splitlines()[-2:]
    assert first.startswith("wherry: ") and words in first and second.startswith("hint: ") and hint in second, result


def test_push_and_pull(tmp_path: Path, home: Home, registry: DockerRegistry) -> None:
    name = at(registry, tmp_path)
    parts = put_image(home.store, str(name), size=1_000_000)
    digest = parts["index"]["digest"]
    sent = home.wherry("push", name)
    assert (sent.returncode, sent.stdout) == (0, f"{name}@{digest}\n"), sent
    assert re.search(r"^pushed 1\.0 MB \(wasi/wasm, wasip1/wasm, linux/amd64\)$", sent.stderr, re.MULTILINE)
    assert f"{descriptor(parts['layers'][0]).digest.short}: done, 1.0 MB" in sent.stderr

    other = Home(tmp_path / "other")
    came = other.wherry("pull", "--quiet", name)
    assert (came.returncode, came.stdout, came.stderr) == (0, f"{name}@{digest}\n", "")
    assert same_blobs(home.store.root, other.store.root)
    again = other.wherry("pull", f"{name}@{digest}")
    assert again.stdout == f"{name}@{digest}\n" and "there already" in again.stderr


def test_a_platform_is_chosen(tmp_path: Path, home: Home, registry: DockerRegistry) -> None:
    name = at(registry, tmp_path)
    put_image(home.store, str(name), platforms=("linux/arm64", "linux/amd64"), own=True)
    assert home.wherry("push", name).returncode == 0
    other = Home(tmp_path / "other")
    assert "(linux/arm64)" in other.wherry("pull", "--platform", "linux/arm64", name).stderr
    refused(
        other.wherry("pull", "--platform", "wasi/wasm", name),
        4,
        "platform: found linux/arm64, linux/amd64, expected wasi/wasm",
        "--platform",
    )
    assert "(linux/arm64, linux/amd64)" in other.wherry("pull", "--all-platforms", name).stderr
    both = other.wherry("pull", "--all-platforms", "--platform", "linux/arm64", name)
    assert both.returncode == 2 and "expected one of them" in both.stderr


def test_logins(tmp_path: Path, home: Home, guarded: DockerRegistry) -> None:
    name = at(guarded, tmp_path)
    put_image(home.store, str(name))
    login = f"wherry login {guarded.host}"
    refused(home.wherry("push", name), 7, "without a login; there are no credentials", login)
    wrong = home.wherry("login", "-u", USER, "--password-stdin", guarded.host, stdin="wrong\n")
    refused(wrong, 7, f'refused the user "{USER}" to log in: a wrong password', login)
    assert not home.config.exists()

    good = home.wherry("login", "-u", USER, "--password-stdin", guarded.host, stdin=PASSWORD + "\n")
    assert (good.returncode, good.stdout) == (0, "") and f"kept in {home.config}" in good.stderr
    assert home.wherry("push", name).returncode == 0
    assert home.wherry("logout", guarded.host).returncode == 0
    refused(home.wherry("pull", name), 7, "without a login", login)
    assert home.wherry("logout", guarded.host).returncode == 4


@pytest.mark.parametrize(
    ("words", "code"),
    [(["login"], 2), (["login", "localhost/app", "-u", "a", "--password-stdin"], 2), (["login", "http://localhost"], 2)],
)
def test_logins_that_make_no_sense(home: Home, words: list[str], code: int) -> None:
    assert home.wherry(*words, stdin="x").returncode == code


def test_a_terminal_is_asked_for_the_password(home: Home, guarded: DockerRegistry) -> None:
    """And does not show it."""
    ours, theirs = pty.openpty()
    command = [str(WHERRY), "login", guarded.host]
    process = subprocess.Popen(command, env=home.environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    said = b""
    for question, answer in ((b"Username", USER), (b"Password", PASSWORD)):
        while question not in said:
            said += os.read(ours, 1000)
        os.write(ours, answer.encode() + b"\n")
    assert process.wait(30) == 0
    said += os.read(ours, 10_000)
    os.close(ours)
    assert PASSWORD.encode() not in said and b"logged in to" in said and home.config.exists()


def test_errors_say_what_to_type_next(tmp_path: Path, home: Home, registry: DockerRegistry) -> None:
    name = at(registry, tmp_path)
    put_image(home.store, str(name))
    home.wherry("push", name)
    refused(home.wherry("pull", name.with_tag("2")), 4, "the registry has no such tag or digest", "its tags are 1")
    refused(home.wherry("pull", f"{registry.host}/no/such"), 4, "the registry has no such image", "check the name")
    refused(
        home.wherry("pull", "127.0.0.1:1/app"), 7, "cannot reach http://127.0.0.1:1: Connection refused", "is a registry running"
    )
    refused(home.wherry("push", "localhost:1/app"), 4, "found none of this name", "wherry images")


def test_a_stopped_pull_goes_on(tmp_path: Path, home: Home, registry: DockerRegistry) -> None:
    """Ctrl-C ends it at once, whatever it waits for; the next pull goes on with what has come."""
    with Proxy(registry.host).serving() as proxy:
        name = at(proxy, tmp_path)
        parts = put_image(home.store, str(name), size=6 << 20)
        home.wherry("push", name)
        layer = descriptor(parts["layers"][0])
        proxy.faults = lambda request: (
            Fault(stall=3 << 20) if gets_blob(request) and request.digest == str(layer.digest) else None
        )
        other = Home(tmp_path / "other")
        process = subprocess.Popen(
            [WHERRY, "pull", str(name)], env=other.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        while other.store.partial_size(layer.digest) < 2 << 20:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.communicate()[0] == b""
        assert not other.store.images()
        proxy.faults = lambda request: None
        assert other.wherry("pull", name).returncode == 0
        ranges = [
            request.headers.get("Range")
            for request in proxy.requests
            if gets_blob(request) and request.digest == str(layer.digest)
        ]
        assert ranges[0] is None and ranges[1] is not None
        assert same_blobs(home.store.root, other.store.root)


def test_bars_on_a_terminal(tmp_path: Path, home: Home, registry: DockerRegistry) -> None:
    name = at(registry, tmp_path)
    parts = put_image(home.store, str(name), size=1_000_000)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [WHERRY, "push", str(name)], env=home.environment | {"TERM": "xterm"}, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    said = b""
    try:
        while piece := os.read(ours, 10_000):
            said += piece
    except OSError:
        pass  # how Linux says that the other side has closed
    os.close(ours)
    assert process.wait(30) == 0
    assert descriptor(parts["layers"][0]).digest.short.encode() in said and b"1.0/1.0 MB" in said and b"pushed" in said
