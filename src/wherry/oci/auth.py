"""How a registry wants to know who asks: basic authentication (RFC 7617), or bearer tokens from a token server.

The token protocol is distribution's (docs/content/spec/auth/token.md and oauth.md): the registry's 401 names a realm, there one
asks for a token with the scopes one needs (`repository:NAME:pull,push`), and sends it until it expires.
"""

import asyncio
import json
import math
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode, urlsplit, urlunsplit

from wherry.errors import DownloadError
from wherry.oci.docker_config import Credentials

Scopes = frozenset[str]  # `repository:NAME:pull`, `repository:NAME:pull,push`

_CLIENT = "wherry"
_DEFAULT_SECONDS = 60.0  # a token's life where the server does not say (token.md)
_LONGEST_SECONDS = 24 * 3600.0
_MARGIN_SECONDS = 10.0  # a token that is about to expire is not sent
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PARAMETER = re.compile(r'([!#$%&\'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([!#$%&\'*+.^_`|~0-9A-Za-z-]+))')


@dataclass(frozen=True)
class Challenge:
    """One of a 401's WWW-Authenticate; `scheme` and the parameters' names are lower case."""

    scheme: str
    parameters: Mapping[str, str]


class TokenAnswer(Protocol):
    """What a token server said."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> bytes: ...


# (method, address, headers, body) -> answer. Raises DownloadError where there is none.
Fetch = Callable[[str, str, Mapping[str, str], bytes], Awaitable[TokenAnswer]]


@dataclass(frozen=True)
class _Token:
    value: str
    expires: float  # by the clock of the authenticator


class Authenticator:
    """Answers the challenges of one registry. Tokens are kept by their scopes until they expire."""

    def __init__(
        self, registry: str, credentials: Callable[[], Credentials | None], source: str, fetch: Fetch, clock: Callable[[], float]
    ) -> None:
        """`source` says in errors where credentials are kept."""
        self._registry = registry
        self._look_up = credentials
        self._source = source
        self._fetch = fetch
        self._clock = clock
        self._lock = asyncio.Lock()
        self._challenge: Challenge | None = None
        self._known: tuple[Credentials | None] | None = None  # looked up once, when a registry first asks
        self._tokens: dict[Scopes, _Token] = {}

    async def header(self, scopes: Scopes) -> str | None:
        """The Authorization to send at once: None until the registry has asked for one."""
        async with self._lock:
            return None if self._challenge is None else await self._authorization(self._challenge, scopes)

    async def answer(self, challenges: Sequence[str], scopes: Scopes, refused: str | None) -> str:
        """The Authorization to send after a 401 with these WWW-Authenticate headers; `refused` is what was sent with the request.

        Raises DownloadError where there is nothing (else) to say.
        """
        async with self._lock:
            offered = [challenge for header in challenges for challenge in parse_challenges(header)]
            usable = [challenge for scheme in ("bearer", "basic") for challenge in offered if challenge.scheme == scheme]
            if not usable:
                names = ", ".join(challenge.scheme for challenge in offered) or "nothing"
                raise DownloadError(f"{self._registry}: WWW-Authenticate: found {names}, expected Bearer or Basic")
            self._challenge = usable[0]
            kept = self._tokens.get(scopes)
            if kept is not None and refused == f"Bearer {kept.value}":
                del self._tokens[scopes]  # a restarted registry may have other keys
            authorization = await self._authorization(self._challenge, scopes)
            if authorization is None or (authorization == refused and not authorization.startswith("Bearer ")):
                raise await self.refusal(scopes)
            return authorization

    async def refusal(self, scopes: Scopes) -> DownloadError:
        """What to raise where the registry refuses what `answer` gave."""
        credentials = await self._credentials()
        wanted = " and ".join(_describe(scope) for scope in sorted(scopes)) or "to log in"
        if credentials is None:
            return DownloadError(
                f"{self._registry}: refused {wanted} without a login; there are no credentials for it in {self._source}",
                hint=f"check the image's name, or log in with `wherry login {self._registry}`",
            )
        kind = "password" if credentials.kind == "password" else "token"
        who = f'the user "{credentials.username}"' if credentials.kind == "password" else f"the {credentials.kind}"
        return DownloadError(
            f"{self._registry}: refused {who} {wanted}: a wrong {kind}, or no right to it (credentials from {self._source})",
            hint=f"log in again with `wherry login {self._registry}`, and check the image's name",
        )

    async def _credentials(self) -> Credentials | None:
        if self._known is None:
            self._known = (await asyncio.to_thread(self._look_up),)
        return self._known[0]

    async def _authorization(self, challenge: Challenge, scopes: Scopes) -> str | None:
        credentials = await self._credentials()
        if credentials is not None and credentials.kind == "registry token":
            return f"Bearer {credentials.secret}"
        if challenge.scheme == "basic":
            return credentials.basic if credentials is not None and credentials.kind == "password" else None
        token = self._tokens.get(scopes)
        if token is None or token.expires <= self._clock():
            token = self._tokens[scopes] = await self._ask_token(challenge, scopes, credentials)
        return f"Bearer {token.value}"

    async def _ask_token(self, challenge: Challenge, scopes: Scopes, credentials: Credentials | None) -> _Token:
        realm = challenge.parameters.get("realm", "")
        if urlsplit(realm).scheme not in ("https", "http") or not urlsplit(realm).hostname:
            raise DownloadError(f'{self._registry}: WWW-Authenticate: realm: found "{realm[:200]}", expected an address')
        question = [("service", challenge.parameters["service"])] if "service" in challenge.parameters else []
        headers: dict[str, str] = {}
        asked = self._clock()
        if credentials is not None and credentials.kind == "identity token":
            form = [("grant_type", "refresh_token"), *question, ("client_id", _CLIENT), ("scope", " ".join(sorted(scopes)))]
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            answer = await self._fetch("POST", realm, headers, urlencode([*form, ("refresh_token", credentials.secret)]).encode())
        else:
            question += [("scope", scope) for scope in sorted(scopes)]
            if credentials is not None:
                question.append(("account", credentials.username))
                headers["Authorization"] = credentials.basic
            answer = await self._fetch("GET", _with_query(realm, question), headers, b"")
        if answer.status in (400, 401, 403):
            raise await self.refusal(scopes)
        if answer.status != 200:
            raise DownloadError(f"{self._registry}: its token server {realm} answered {answer.status}, expected 200")
        return self._read_token(answer.body, realm, asked)

    def _read_token(self, body: bytes, realm: str, asked: float) -> _Token:
        try:
            words = json.loads(body)
            value = words.get("token") or words.get("access_token")
        except (ValueError, AttributeError, RecursionError) as error:
            raise DownloadError(f"{self._registry}: its token server {realm} answered no JSON object") from error
        if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]+", value):
            raise DownloadError(f"{self._registry}: its token server {realm} answered without a token")
        seconds = words.get("expires_in")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
            seconds = _DEFAULT_SECONDS
        return _Token(value, asked + min(max(seconds, 0.0), _LONGEST_SECONDS) - _MARGIN_SECONDS)


def parse_challenges(header: str) -> list[Challenge]:
    """A WWW-Authenticate header, which may hold several (RFC 9110, 11.6.1). What follows a mistake in it is left out."""
    return list(_challenges(header))


def _challenges(header: str) -> Iterator[Challenge]:
    position, end = 0, len(header)
    while position < end:
        if header[position] in " \t,":
            position += 1
            continue
        name = _TOKEN.match(header, position)
        if name is None:
            return
        position = name.end()
        parameters: dict[str, str] = {}
        while match := _PARAMETER.match(header, _skip(header, position, " \t,")):
            key, quoted, plain = match.groups()
            parameters.setdefault(key.lower(), re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain)
            position = match.end()
        yield Challenge(name[0].lower(), parameters)


def _skip(text: str, position: int, characters: str) -> int:
    while position < len(text) and text[position] in characters:
        position += 1
    return position


def _with_query(address: str, question: list[tuple[str, str]]) -> str:
    """The realm may have a query of its own."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, urlencode(question)))), fragment=""))


def _describe(scope: str) -> str:
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    return f"to {actions.replace(',', ' and ')} {name}" if kind == "repository" else f"the scope {scope}"
