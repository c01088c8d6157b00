"""Who logs in where: docker's config.json as skopeo writes and reads it, credential helpers, and what registries ask."""

import base64
import json
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.oci.conftest import program
from tests.oci.images import put_image
from tests.oci.registries import PASSWORD, USER, DockerRegistry, TokenServer, running
from wherry.errors import DownloadError, FormatError, InputError
from wherry.oci.auth import parse_challenges
from wherry.oci.connection import Patience
from wherry.oci.docker_config import Credentials, DockerConfig
from wherry.oci.reference import Reference
from wherry.oci.store import Store
from wherry.oci.transfer import Transfers, check_login, pull, push

QUICK = Patience(pause=0.01, connect=5, silence=5, answer=10)
HELPER = """#!/bin/sh
# A keychain in a folder: docker's protocol for credential helpers.
folder=$(dirname "$0")/keychain
mkdir -p "$folder"
echo "$1" >> "$folder/asked"
case "$1" in
  store) cat > "$folder/kept" ;;
  get)
    server=$(cat)
    if [ -s "$folder/kept" ] && grep -q "\\"$server\\"" "$folder/kept"; then cat "$folder/kept"
    else echo "credentials not found in native keychain"; exit 1; fi ;;
  erase) rm -f "$folder/kept" ;;
esac
"""


def config(folder: Path, **said: object) -> DockerConfig:
    path = folder / "config.json"
    path.write_text(json.dumps(said))
    return DockerConfig(path)


def basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """docker-credential-tests on the PATH."""
    path = tmp_path / "bin/docker-credential-tests"
    path.parent.mkdir()
    path.write_text(HELPER)
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
    return path


# -- challenges (RFC 9110, 11.6.1, and its examples)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Basic realm="simple"', [("basic", {"realm": "simple"})]),
        (
            'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"',
            [
                (
                    "bearer",
                    {"realm": "https://auth.example/token", "service": "registry.example", "scope": "repository:a/b:pull,push"},
                )
            ],
        ),
        (
            'Newauth realm="apps", type=1, title="Login to \\"apps\\"", Basic realm="simple"',
            [("newauth", {"realm": "apps", "type": "1", "title": 'Login to "apps"'}), ("basic", {"realm": "simple"})],
        ),
        ('Negotiate, Basic realm = "x"', [("negotiate", {}), ("basic", {"realm": "x"})]),
        ("Basic", [("basic", {})]),
        (", ,Basic realm=a,", [("basic", {"realm": "a"})]),
        ('"', []),
        ("", []),
    ],
)
def test_challenges(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    assert [(challenge.scheme, dict(challenge.parameters)) for challenge in parse_challenges(header)] == expected


# -- config.json


def test_no_file_is_no_credentials(tmp_path: Path) -> None:
    assert DockerConfig(tmp_path / "none.json").credentials("a.example") is None


def test_where_the_file_is() -> None:
    assert DockerConfig.default({"DOCKER_CONFIG": "/somewhere"}).path == Path("/somewhere/config.json")
    assert DockerConfig.default({}).path == Path.home() / ".docker/config.json"


@pytest.mark.parametrize(
    ("registry", "key"),
    [
        ("docker.io", "https://index.docker.io/v1/"),
        ("docker.io", "index.docker.io"),
        ("docker.io", "docker.io"),
        ("a.example:5000", "a.example:5000"),
        ("a.example", "https://a.example/v2/"),
        ("a.example", "http://a.example"),
    ],
)
def test_keys_of_a_registry(tmp_path: Path, registry: str, key: str) -> None:
    auths = {"b.example": {"auth": basic("no", "no")}, key: {"auth": basic("ada", "a:b")}}
    found = config(tmp_path, auths=auths).credentials(registry)
    assert found == Credentials("ada", "a:b")
    assert "a:b" not in repr(found)


def test_other_registries_get_nothing(tmp_path: Path) -> None:
    said = config(tmp_path, auths={"a.example": {"auth": basic("ada", "x")}, "a.example:5000": {}})
    assert said.credentials("b.example") is None
    assert said.credentials("a.example:5000") is None
    assert said.credentials("sub.a.example") is None


def test_tokens_in_the_file(tmp_path: Path) -> None:
    said = config(
        tmp_path,
        auths={"a.example": {"auth": basic("ada", "x"), "identitytoken": "i"}, "b.example": {"registrytoken": "r"}},
    )
    assert said.credentials("a.example") == Credentials("ada", "i", "identity token")
    assert said.credentials("b.example") == Credentials("", "r", "registry token")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "expected JSON"),
        ("[]", "found list, expected a JSON object"),
        ('{"auths": []}', "auths: found list"),
        ('{"auths": {"a.example": 1}}', "auths: a.example: found int"),
        ('{"auths": {"a.example": {"auth": "%%%"}}}', "USER:PASSWORD in base64"),
        ('{"auths": {"a.example": {"auth": 7}}}', "auth: found int"),
        ('{"credsStore": "../../bin/sh"}', "docker-credential-NAME"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(FormatError) as caught:
        DockerConfig(tmp_path / "config.json").credentials("a.example")
    assert words in str(caught.value) and str(tmp_path) in str(caught.value)


def test_logging_in_keeps_the_rest_of_the_file(tmp_path: Path) -> None:
    said = config(tmp_path, proxies={"default": {}}, auths={"b.example": {"auth": basic("bob", "b")}})
    said.log_in("docker.io", Credentials("ada", "secret"))
    kept = json.loads(said.path.read_text())
    assert kept["proxies"] == {"default": {}} and kept["auths"]["b.example"] == {"auth": basic("bob", "b")}
    assert kept["auths"]["https://index.docker.io/v1/"] == {"auth": basic("ada", "secret")}
    assert stat.S_IMODE(said.path.stat().st_mode) == 0o600
    assert said.log_out("docker.io") and not said.log_out("docker.io")
    assert said.credentials("docker.io") is None and said.credentials("b.example") == Credentials("bob", "b")


def test_a_linked_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "dotfiles/config.json").write_text("{}")
    (tmp_path / "config.json").symlink_to("dotfiles/config.json")
    DockerConfig(tmp_path / "config.json").log_in("a.example", Credentials("ada", "x"))
    assert (tmp_path / "config.json").is_symlink()
    assert "a.example" in (tmp_path / "dotfiles/config.json").read_text()


# -- credential helpers


@pytest.mark.parametrize("said", [{"credsStore": "tests"}, {"credHelpers": {"a.example": "tests"}}])
def test_a_helper_keeps_what_one_logs_in_with(tmp_path: Path, helper: Path, said: dict[str, object]) -> None:
    docker = config(tmp_path, **said)
    assert docker.credentials("a.example") is None
    assert docker.log_in("a.example", Credentials("ada", 'pass "word"')) == "docker-credential-tests"
    assert docker.credentials("a.example") == Credentials("ada", 'pass "word"')
    assert "pass" not in docker.path.read_text()
    assert docker.log_out("a.example")
    assert docker.credentials("a.example") is None


def test_a_helper_of_another_registry_is_not_asked(tmp_path: Path, helper: Path) -> None:
    said = config(tmp_path, credHelpers={"b.example": "tests"}, auths={"a.example": {"auth": basic("ada", "x")}})
    assert said.credentials("a.example") == Credentials("ada", "x")
    assert not (helper.parent / "keychain/asked").exists()


def test_a_helpers_identity_token(tmp_path: Path, helper: Path) -> None:
    (helper.parent / "keychain").mkdir()
    (helper.parent / "keychain/kept").write_text('{"ServerURL":"a.example","Username":"<token>","Secret":"i"}')
    assert config(tmp_path, credsStore="tests").credentials("a.example") == Credentials("<token>", "i", "identity token")


def test_a_helper_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="docker-credential-missing, which is not on the PATH"):
        config(tmp_path, credsStore="missing").credentials("a.example")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo locked; exit 1", "get: locked"),
        ("exit 3", "get: ended with 3"),
        ("echo no json", "expected JSON"),
        ("""echo '{"Username": 1, "Secret": "x"}'""", "to be texts"),
    ],
)
def test_a_helper_that_fails(tmp_path: Path, helper: Path, script: str, words: str) -> None:
    helper.write_text(f"#!/bin/sh\n{script}\n")
    with pytest.raises(DownloadError, match=words):
        config(tmp_path, credsStore="tests").credentials("a.example")


# -- with skopeo, which reads and writes the same file


def test_skopeo_reads_what_we_write_and_we_what_it_writes(tmp_path: Path, guarded: DockerRegistry) -> None:
    skopeo = program("skopeo")
    ours, theirs = tmp_path / "ours.json", tmp_path / "theirs.json"
    DockerConfig(ours).log_in(guarded.host, Credentials(USER, PASSWORD))
    told = subprocess.run([skopeo, "login", "--authfile", ours, "--get-login", guarded.host], capture_output=True, text=True)
    assert told.stdout.strip() == USER, told.stderr
    command = [skopeo, "login", "--authfile", theirs, "--tls-verify=false", "-u", USER, "-p", PASSWORD, guarded.host]
    subprocess.run(command, check=True, capture_output=True)
    assert DockerConfig(theirs).credentials(guarded.host) == Credentials(USER, PASSWORD)


def test_skopeo_uses_the_same_helper(tmp_path: Path, helper: Path, guarded: DockerRegistry) -> None:
    skopeo = program("skopeo")
    said = config(tmp_path, credHelpers={guarded.host: "tests"})
    said.log_in(guarded.host, Credentials(USER, PASSWORD))
    command = [skopeo, "login", "--authfile", str(said.path), "--get-login", guarded.host]
    assert subprocess.run(command, capture_output=True, text=True).stdout.strip() == USER


# -- registries that ask


def transfers(tmp_path: Path, said: DockerConfig, name: str = "store") -> Transfers:
    return Transfers(Store(tmp_path / name), said, QUICK)


@contextmanager
def token_registry(folder: Path, **said: float) -> Iterator[tuple[TokenServer, DockerRegistry]]:
    """A registry that sends everybody to a token server, whose tokens it checks."""
    with TokenServer(folder / "tokens", **said).serving() as server:  # noqa: SIM117  # the second needs the first
        with running(DockerRegistry(folder / "registry", auth=server.auth())) as registry:
            yield server, registry


def logged_in(folder: Path, host: str, user: str = USER, password: str = PASSWORD) -> DockerConfig:
    return config(folder, auths={host: {"auth": basic(user, password)}})


def test_basic_authentication(tmp_path: Path, guarded: DockerRegistry) -> None:
    work = transfers(tmp_path, logged_in(tmp_path, guarded.host))
    name = Reference.parse(f"{guarded.host}/basic:1")
    put_image(work.store, str(name))
    sent = push(name, work)
    assert pull(name, transfers(tmp_path, work.config, "other")).descriptor == sent.descriptor
    check_login(guarded.host, Credentials(USER, PASSWORD), QUICK)


def test_a_wrong_password(tmp_path: Path, guarded: DockerRegistry) -> None:
    work = transfers(tmp_path, logged_in(tmp_path, guarded.host, password="wrong"))
    with pytest.raises(DownloadError) as caught:
        pull(Reference.parse(f"{guarded.host}/basic:1"), work)
    assert caught.value.message == (
        f'{guarded.host}: refused the user "ada" to pull basic: a wrong password, or no right to it '
        f"(credentials from {work.config.path})"
    )
    assert f"wherry login {guarded.host}" in caught.value.hint
    with pytest.raises(DownloadError, match="to log in: a wrong password"):
        check_login(guarded.host, Credentials(USER, "wrong"), QUICK)


def test_no_password(tmp_path: Path, guarded: DockerRegistry) -> None:
    with pytest.raises(DownloadError) as caught:
        pull(Reference.parse(f"{guarded.host}/basic:1"), transfers(tmp_path, config(tmp_path)))
    assert "refused to pull basic without a login" in caught.value.message
    assert f"wherry login {guarded.host}" in caught.value.hint


def test_tokens(tmp_path: Path) -> None:
    """The registry checks the token's signature, scopes and life."""
    with token_registry(tmp_path) as (server, registry):
        work = transfers(tmp_path, logged_in(tmp_path, registry.host))
        name = Reference.parse(f"{registry.host}/team/app:1")
        put_image(work.store, str(name))
        sent = push(name, work)
        assert [question["scope"] for question in server.asked] == [["repository:team/app:pull,push"]]  # asked once, kept

        # Pulled by anybody, without a login.
        server.asked.clear()
        anybody = transfers(tmp_path, DockerConfig(tmp_path / "none.json"), "other")
        assert pull(name, anybody).descriptor == sent.descriptor
        assert [(question["authorization"], question["scope"]) for question in server.asked] == [
            ("", ["repository:team/app:pull"])
        ]

        # But not pushed.
        put_image(anybody.store, str(name), seed=1)
        with pytest.raises(DownloadError, match="refused to pull and push team/app without a login"):
            push(name, anybody)

        # An identity token is exchanged.
        server.asked.clear()
        said = config(tmp_path, auths={registry.host: {"identitytoken": server.identity}})
        push(name, transfers(tmp_path, said))
        assert server.asked[0]["method"] == "POST" and server.asked[0]["grant_type"] == ["refresh_token"]

        # A wrong password is the token server's to refuse.
        said = logged_in(tmp_path, registry.host, password="wrong")
        with pytest.raises(DownloadError, match='refused the user "ada" to pull team/app: a wrong password'):
            pull(name, transfers(tmp_path, said))


def test_tokens_expire(tmp_path: Path) -> None:
    """One that is said to be good for nothing is asked for anew at each request; one that lies about it, when it is refused."""
    with token_registry(tmp_path, said_life=0) as (server, registry):
        work = transfers(tmp_path, logged_in(tmp_path, registry.host))
        name = Reference.parse(f"{registry.host}/app:1")
        put_image(work.store, str(name))
        push(name, work)
        assert len(server.asked) > 5

        # distribution takes expired tokens for another minute; what is older than that is refused.
        server.asked.clear()
        server.life, server.said_life = -120, 3600
        with pytest.raises(DownloadError, match='refused the user "ada"'):
            pull(name, transfers(tmp_path, work.config, "other"))
        assert len(server.asked) == 2  # a second one might have been better


def test_mounting_asks_for_both_repositories(tmp_path: Path) -> None:
    with token_registry(tmp_path) as (server, registry):
        work = transfers(tmp_path, logged_in(tmp_path, registry.host))
        one, other = (Reference.parse(f"{registry.host}/{name}:1") for name in ("one", "other"))
        put_image(work.store, str(one))
        push(one, work)
        work.store.tag(other, work.store.resolve(one))
        server.asked.clear()
        assert push(other, work).bytes == 0  # every blob was mounted
        assert sorted(server.asked[0]["scope"]) == ["repository:one:pull", "repository:other:pull,push"]
