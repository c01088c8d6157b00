"""Docker's config.json: who logs in where, kept and read as docker's own command line does (docker/cli, cli/config).

An entry for a registry comes from, in this order: its credential helper (`credHelpers`), the helper for all (`credsStore`),
or the file itself (`auths`). A helper is a program `docker-credential-NAME` that speaks JSON on stdin and stdout
(github.com/docker/docker-credential-helpers).
"""

import base64
import binascii
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from wherry.errors import DownloadError, FormatError, InputError, NotFoundError
from wherry.isolation import find_program, search_path
from wherry.oci.reference import DEFAULT_REGISTRY

_DOCKER_HUB = "https://index.docker.io/v1/"  # docker.io's key, in the file and for helpers
_MAX_FILE = 4 << 20  # bytes
_HELPER_SECONDS = 120  # a helper may ask the user to unlock a keychain
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TOKEN_USER = "<token>"  # a helper's name for the user where the secret is an identity token
_NOT_FOUND = ("credentials not found", "no credentials server URL", "no credentials username")

Kind = Literal["password", "identity token", "registry token"]


@dataclass(frozen=True)
class Credentials:
    """`secret` is a password, a token to be exchanged for others (identity), or one to send as it is (registry)."""

    username: str
    secret: str = field(repr=False)
    kind: Kind = "password"

    @property
    def basic(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.secret}".encode()).decode()


@dataclass(frozen=True)
class DockerConfig:
    """One config.json, read anew at every question; it need not exist."""

    path: Path

    @classmethod
    def default(cls, environ: Mapping[str, str]) -> "DockerConfig":
        """$DOCKER_CONFIG/config.json, or ~/.docker/config.json."""
        folder = environ.get("DOCKER_CONFIG")
        return cls((Path(folder) if folder else Path("~/.docker").expanduser()) / "config.json")

    def credentials(self, registry: str) -> Credentials | None:
        """What to log in to `registry` (HOST[:PORT]) with. Raises FormatError, InputError; DownloadError where a helper fails."""
        config = self._read()
        helper = self._helper(config, registry)
        if helper is not None:
            return self._ask(helper, registry)
        auths = _mapping(config, "auths", str(self.path))
        for key in (server_key(registry), *auths):
            if key in auths and (key == server_key(registry) or _host(key) == _host(server_key(registry))):
                return _entry(_mapping(auths, key, f"{self.path}: auths"), f'{self.path}: auths: "{key}"')
        return None

    def log_in(self, registry: str, credentials: Credentials) -> str:
        """Keep them; returns where: a helper's program or the file."""
        config = self._read()
        key, helper = server_key(registry), self._helper(config, registry)
        if helper is not None:
            words = {"ServerURL": key, "Username": credentials.username, "Secret": credentials.secret}
            _run(helper, "store", json.dumps(words), str(self.path))
            entry = {}
        else:
            entry = {"auth": base64.b64encode(f"{credentials.username}:{credentials.secret}".encode()).decode()}
        config.setdefault("auths", {})[key] = entry
        self._write(config)
        return _program(helper) if helper is not None else str(self.path)

    def log_out(self, registry: str) -> bool:
        """Forget them; whether there were any."""
        config = self._read()
        key, helper = server_key(registry), self._helper(config, registry)
        known = helper is not None and self._ask(helper, registry) is not None
        if helper is not None and known:
            _run(helper, "erase", key, str(self.path))
        auths = _mapping(config, "auths", str(self.path))
        stale = [name for name in auths if name == key or _host(name) == _host(key)]
        for name in stale:
            del auths[name]
        if stale:
            self._write(config)
        return known or bool(stale)

    def _read(self) -> dict[str, Any]:
        try:
            with self.path.open("rb") as file:
                data = file.read(_MAX_FILE + 1)
        except FileNotFoundError:
            return {}
        if len(data) > _MAX_FILE:
            raise FormatError(f"{self.path}: found more than {_MAX_FILE} bytes, expected docker's config.json")
        try:
            config = json.loads(data)
        except ValueError as error:
            raise FormatError(f"{self.path}: expected JSON: {error}", hint="correct the file, or move it away") from error
        if not isinstance(config, dict):
            raise FormatError(f"{self.path}: found {type(config).__name__}, expected a JSON object")
        return config

    def _write(self, config: dict[str, Any]) -> None:
        """The file as a whole or not at all, readable by its owner only."""
        path = self.path.resolve()  # a link stays a link
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".config.json.")
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(config, file, indent="\t")
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _helper(self, config: dict[str, Any], registry: str) -> str | None:
        """The name of the helper that answers for `registry`."""
        helpers = _mapping(config, "credHelpers", str(self.path))
        names = {_host(key): name for key, name in helpers.items()}
        name = helpers.get(server_key(registry)) or names.get(_host(registry)) or config.get("credsStore")
        if not name:
            return None
        if not isinstance(name, str) or not _HELPER_NAME.fullmatch(name):
            raise FormatError(
                f"{self.path}: credHelpers, credsStore: found {name!r}, expected the NAME of a program docker-credential-NAME"
            )
        return name

    def _ask(self, helper: str, registry: str) -> Credentials | None:
        answer = _run(helper, "get", server_key(registry), str(self.path))
        if answer is None:
            return None
        try:
            words = json.loads(answer)
            username, secret = words["Username"], words["Secret"]
        except (ValueError, KeyError, TypeError) as error:
            raise DownloadError(f"{_program(helper)} get: expected JSON with Username and Secret") from error
        if not isinstance(username, str) or not isinstance(secret, str) or not secret:
            raise DownloadError(f"{_program(helper)} get: expected Username and Secret to be texts")
        return Credentials(username, secret, "identity token" if username == _TOKEN_USER else "password")


def server_key(registry: str) -> str:
    """A registry's key in config.json and its ServerURL for helpers."""
    return _DOCKER_HUB if registry == DEFAULT_REGISTRY else registry


def _host(key: str) -> str:
    """Keys may be whole addresses, as old versions of docker wrote them."""
    host = re.sub(r"^https?://", "", key).split("/", 1)[0]
    return "index.docker.io" if host == DEFAULT_REGISTRY else host


def _mapping(config: dict[str, Any], name: str, place: str) -> dict[str, Any]:
    found = config.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise FormatError(f"{place}: {name}: found {type(found).__name__}, expected a JSON object")
    return found


def _entry(entry: dict[str, Any], place: str) -> Credentials | None:
    """One of `auths`; an empty one only says that somebody once logged in."""
    wrong = next((name for name, value in entry.items() if name in _FIELDS and not isinstance(value, str)), None)
    if wrong is not None:
        raise FormatError(f"{place}: {wrong}: found {type(entry[wrong]).__name__}, expected a text")
    username, password = entry.get("username", ""), entry.get("password", "")
    if entry.get("auth"):
        try:
            username, colon, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise FormatError(f"{place}: auth: expected USER:PASSWORD in base64") from error
        if not colon or not username:
            raise FormatError(f"{place}: auth: expected USER:PASSWORD in base64")
        password = password.rstrip("\0")  # docker pads it so
    if entry.get("registrytoken"):
        return Credentials(username, entry["registrytoken"], "registry token")
    if entry.get("identitytoken"):
        return Credentials(username, entry["identitytoken"], "identity token")
    return Credentials(username, password) if username and password else None


_FIELDS = ("auth", "username", "password", "identitytoken", "registrytoken")


def _program(helper: str) -> str:
    return f"docker-credential-{helper}"


def _run(helper: str, verb: str, words: str, config: str) -> str | None:
    """What the helper printed; None where it knows no such registry. Its output is not repeated: it may hold a secret."""
    program = _program(helper)
    try:
        done = subprocess.run(
            [find_program(program), verb], input=words, capture_output=True, text=True, check=False, timeout=_HELPER_SECONDS,
            errors="replace", env={**os.environ, "PATH": search_path()},
        )  # fmt: skip
    except NotFoundError as error:
        raise InputError(
            f"{config}: names the credential helper {program}, which is not on the PATH",
            hint=f"install it, or remove credsStore or credHelpers from {config} and log in again with `wherry login`",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise DownloadError(f"{program} {verb}: no answer within {_HELPER_SECONDS} s") from error
    if done.returncode == 0:
        return done.stdout
    said = (done.stdout.strip() or done.stderr.strip())[:300]  # a failing helper prints its reason on stdout
    if verb != "store" and any(words in said for words in _NOT_FOUND):
        return None
    raise DownloadError(f"{program} {verb}: {said or f'ended with {done.returncode}'}", hint=f"try `{program} list`")
