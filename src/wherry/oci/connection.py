"""HTTP with one registry: authentication, redirects, time limits, and what is tried again.

Credentials are sent to the registry itself and to its token server, to nobody else: a redirect to another host goes without.
Plain http is spoken with this machine only. Wherever a registry sends us (redirects, uploads, further pages, token servers), the
address is looked at before we connect, and once more when we have: not this machine or a private network, unless the registry is
there itself.
"""

import asyncio
import json
import os
import random
import re
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import httpx2

from wherry.addresses import Boundary
from wherry.errors import DownloadError, NotFoundError, WherryError
from wherry.oci.auth import Authenticator, Scopes
from wherry.oci.docker_config import DockerConfig
from wherry.oci.reference import DEFAULT_REGISTRY

Content = Callable[[], AsyncIterator[bytes]]  # a request's body, as often as it is sent

_DOCKER_HUB = "registry-1.docker.io"
_LOCAL = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|::1)")
_MAX_ANSWER = 4 << 20  # bytes
_MAX_REDIRECTS = 5
_MAX_LOGINS = 2  # the second answers an expired or insufficient token
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_PROBE_SECONDS = 3.0


@dataclass(frozen=True)
class Patience:
    """How long to wait for what (seconds), and how often to try."""

    connect: float = 15.0
    silence: float = 30.0  # without a byte
    answer: float = 90.0  # for a small answer as a whole; for a long one's beginning
    slowest: int = 1024  # bytes per second that a transfer must reach over `window`
    window: float = 60.0
    attempts: int = 6
    pause: float = 0.5  # before the second attempt; doubled before each further one
    longest_pause: float = 60.0  # Retry-After above it is an error
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep, repr=False)


class RetryableError(DownloadError):
    """What may go away by itself; `after`: the seconds that the server asks to wait, `otherwise`: what may help at once."""

    def __init__(self, message: str, *, hint: str = "", after: float | None = None, otherwise: str = "") -> None:
        super().__init__(message, hint=hint)
        self.after = after
        self.otherwise = otherwise


class Attempts:
    """Counts the attempts at one thing."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._failed = 0

    def progress(self) -> None:
        """Something was achieved: a later failure is a first one."""
        self._failed = 0

    async def wait(self, error: RetryableError) -> None:
        """Before the next attempt; raises `error` where there is none."""
        patience = self._patience
        self._failed += 1
        if self._failed >= patience.attempts:
            raise error
        pause = min(patience.pause * 2 ** (self._failed - 1), patience.longest_pause) * random.uniform(0.5, 1.0)
        if error.after is not None:
            if error.after > patience.longest_pause:
                hint = f"try again in {error.after:.0f} s, when it wants to be asked again"
                hint += f"; {error.otherwise}" if error.otherwise else ""
                raise DownloadError(error.message, hint=hint) from error
            pause = max(pause, error.after)
        await patience.sleep(pause)


@dataclass(frozen=True)
class Answer:
    """A response with its whole body."""

    status: int
    headers: httpx2.Headers
    body: bytes
    url: httpx2.URL


class Connection:
    """`async with` it; one event loop. `registry` is HOST[:PORT]."""

    def __init__(self, registry: str, config: DockerConfig, patience: Patience) -> None:
        self.registry = registry
        self.patience = patience
        host = _DOCKER_HUB if registry == DEFAULT_REGISTRY else registry
        self._origin = httpx2.URL(f"https://{host}")
        self._local = _is_local(self._origin)
        self._boundary = Boundary(self._origin.host)
        self._reached: set[str] = set()  # hosts that answered: one that never did is not asked again and again
        self._client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(patience.silence, connect=patience.connect),
            headers={"User-Agent": "wherry", "Accept-Encoding": "identity"},
            trust_env=not self._local,  # no proxy to this machine; certificates: see __aenter__
            verify=_certificates(),
        )
        self._auth = Authenticator(registry, lambda: config.credentials(registry), str(config.path), self._fetch, time.monotonic)

    async def __aenter__(self) -> Self:
        if self._local and not await self._speaks_tls():
            self._origin = self._origin.copy_with(scheme="http")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._client.aclose()

    def address(self, path: str) -> httpx2.URL:
        """Of a path below /v2/."""
        return self._origin.join("/v2/" + path)

    def target(self, base: httpx2.URL, location: str) -> httpx2.URL:
        """Where an answer from `base` sends us.

        Raises DownloadError where plain http would leave this machine, or a registry elsewhere sends us into it.
        """
        try:
            url = base.join(location)
        except (httpx2.InvalidURL, ValueError) as error:
            raise DownloadError(f'{self.registry}: Location: found "{_printable(location)}", expected an address') from error
        if url.scheme == "https" and url.host:
            return url
        if url.scheme == "http" and self._origin.scheme == "http" and _is_local(url):
            return url
        shown = _printable(f"{url.scheme}://{url.host}")
        raise DownloadError(
            f"{self.registry}: sends us to {shown}, expected https",
            hint="the registry, or the proxy before it, should be told that it is reached by https",
        )

    async def ask(
        self,
        method: str,
        url: httpx2.URL,
        scopes: Scopes,
        accept: frozenset[int],
        *,
        headers: Mapping[str, str] | None = None,
        content: Content | bytes = b"",
    ) -> Answer:
        """As `ask_once`, and again where that may help: for what may be done twice."""
        attempts = Attempts(self.patience)
        while True:
            try:
                return await self.ask_once(method, url, scopes, accept, headers=headers, content=content)
            except RetryableError as error:
                await attempts.wait(error)

    async def ask_once(
        self,
        method: str,
        url: httpx2.URL,
        scopes: Scopes,
        accept: frozenset[int],
        *,
        headers: Mapping[str, str] | None = None,
        content: Content | bytes = b"",
    ) -> Answer:
        """A small answer with one of the statuses `accept`, at most 4 MiB.

        Raises NotFoundError (404), RetryableError, DownloadError.
        """
        async with self.stream(method, url, scopes, accept, headers=headers, content=content) as response:
            return await self._read(response)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: httpx2.URL,
        scopes: Scopes,
        accept: frozenset[int],
        *,
        headers: Mapping[str, str] | None = None,
        content: Content | bytes = b"",
    ) -> AsyncIterator[httpx2.Response]:
        """A response with one of the statuses `accept`, its body yet to be read. One attempt.

        Raises NotFoundError (404), RetryableError, DownloadError; what breaks off within is a RetryableError as well.
        """
        async with self._explained(url):
            response = await self._authorized(method, url, scopes, dict(headers or {}), content)
            try:
                if response.status_code not in accept:
                    raise self.unexpected(await self._read(response), method)
                yield response
            finally:
                await response.aclose()

    async def pieces(self, response: httpx2.Response) -> AsyncIterator[bytes]:
        """A long body as it comes over the line. Raises RetryableError where it comes too slowly."""
        clock = asyncio.get_running_loop().time
        begin, count = clock(), 0
        async for piece in response.aiter_raw():
            count += len(piece)
            if (passed := clock() - begin) > self.patience.window:
                if count < self.patience.slowest * passed:
                    raise RetryableError(f"{self.registry}: {count} bytes came in {passed:.0f} s")
                begin, count = clock(), 0
            yield piece

    # -- one exchange

    async def _authorized(
        self, method: str, url: httpx2.URL, scopes: Scopes, headers: dict[str, str], content: Content | bytes
    ) -> httpx2.Response:
        """The registry is told who asks, whom it may redirect to is not."""
        own = _same_origin(url, self._origin)
        for login in range(_MAX_LOGINS + 1):
            authorization = await self._auth.header(scopes) if own else None
            sent = headers | ({"Authorization": authorization} if authorization else {})
            response = await self._follow(method, url, sent, content)
            if response.status_code != 401 or not own or not _same_origin(response.url, self._origin):
                return response
            challenges = response.headers.get_list("WWW-Authenticate")
            await response.aclose()
            if login < _MAX_LOGINS:
                await self._auth.answer(challenges, scopes, authorization)
        raise await self._auth.refusal(scopes)

    async def _follow(self, method: str, url: httpx2.URL, headers: dict[str, str], content: Content | bytes) -> httpx2.Response:
        begin = url
        for _ in range(_MAX_REDIRECTS + 1):
            body = content if isinstance(content, bytes) else content()
            sent_away = not _same_origin(url, self._origin)
            if sent_away:
                await self._boundary.check(url.host)
            extensions = {"trace": _Connected(self._boundary, url.host)} if sent_away else None
            request = self._client.build_request(method, url, headers=headers, content=body or None, extensions=extensions)
            length = int(request.headers.get("Content-Length", "0"))
            async with asyncio.timeout(self.patience.answer + length / self.patience.slowest):
                response = await self._client.send(request, stream=True)
            self._reached.add(url.host)
            if response.status_code not in (301, 302, 303, 307, 308) or "Location" not in response.headers:
                return response
            await response.aclose()
            url = self.target(response.url, response.headers["Location"])
            elsewhere = not _same_origin(url, begin)
            if method not in ("GET", "HEAD") and (elsewhere or response.status_code not in (307, 308)):
                # A body may hold a token, too.
                raise DownloadError(f"{self.registry}: {method} {begin.path}: found a redirect to {url.host}, expected none")
            if elsewhere:
                headers = {name: value for name, value in headers.items() if name != "Authorization"}
        raise DownloadError(f"{self.registry}: {method} {begin.path}: found more than {_MAX_REDIRECTS} redirects")

    async def _fetch(self, method: str, address: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """For the authenticator: whatever the token server says."""
        url = self.target(self._origin, address)
        attempts = Attempts(self.patience)
        while True:
            try:
                async with self._explained(url):
                    response = await self._follow(method, url, dict(headers), body)
                    try:
                        answer = await self._read(response)
                    finally:
                        await response.aclose()
                if answer.status in _TRY_AGAIN:
                    raise self.unexpected(answer, method)
                return answer
            except RetryableError as error:
                await attempts.wait(error)

    async def _read(self, response: httpx2.Response) -> Answer:
        body = bytearray()
        async with asyncio.timeout(self.patience.answer):
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > _MAX_ANSWER:
                    raise DownloadError(f"{self.registry}: {response.url.path}: found more than {_MAX_ANSWER} bytes")
        return Answer(response.status_code, response.headers, bytes(body), response.url)

    async def _speaks_tls(self) -> bool:
        """Whether a local registry does: most do not, and say so at once."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # only asked, nothing is sent
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                _, writer = await asyncio.open_connection(self._origin.host, self._origin.port or 443, ssl=context)
        except OSError:  # includes TLS errors and TimeoutError
            return False
        writer.transport.abort()
        return True

    # -- what went wrong

    @asynccontextmanager
    async def _explained(self, url: httpx2.URL) -> AsyncIterator[None]:
        """The HTTP library's errors as ours."""
        try:
            yield
        except TimeoutError as error:
            raise self._broken(url, f"{self.registry}: no answer within {self.patience.answer:.0f} s", _NETWORK) from error
        except httpx2.TimeoutException as error:
            what = "no connection" if isinstance(error, httpx2.ConnectTimeout) else "no byte"
            seconds = self.patience.connect if isinstance(error, httpx2.ConnectTimeout) else self.patience.silence
            raise self._broken(url, f"{self.registry}: {what} within {seconds:.0f} s ({url.host})", _NETWORK) from error
        except httpx2.ConnectError as error:
            raise self._unreachable(url, error) from error
        except httpx2.TransportError as error:
            raise RetryableError(f"{self.registry}: the connection broke off: {_reason(error)}", hint=_NETWORK) from error
        except httpx2.HTTPError as error:
            raise DownloadError(f"{self.registry}: expected HTTP: {_reason(error)}") from error

    def _unreachable(self, url: httpx2.URL, error: httpx2.ConnectError) -> DownloadError:
        reason = _reason(error)
        place = f"{self.registry}: cannot reach {url.scheme}://{url.netloc.decode()}"
        if "CERTIFICATE_VERIFY_FAILED" in reason:
            hint = "if the certificate is your own authority's, name its file in SSL_CERT_FILE"
            return DownloadError(f"{place}: its certificate is not trusted: {reason}", hint=hint)
        if "WRONG_VERSION_NUMBER" in reason or "RECORD_LAYER_FAILURE" in reason:
            hint = "plain http is for localhost; give the registry a certificate, or forward a local port to it"
            return DownloadError(f"{place}: it speaks no TLS", hint=hint)
        hint = f"is a registry running at {url.netloc.decode()}? Check the name and the port" if self._local else _NETWORK
        return self._broken(url, f"{place}: {reason}", hint)

    def _broken(self, url: httpx2.URL, message: str, hint: str) -> DownloadError:
        return (RetryableError if url.host in self._reached else DownloadError)(message, hint=hint)

    def unexpected(self, answer: Answer, method: str) -> WherryError:
        said = _said(answer.body)
        message = f"{self.registry}: {method} {answer.url.path}: found status {answer.status}{said and f': {said}'}"
        if answer.status == 404:
            return NotFoundError(message)
        if answer.status in _TRY_AGAIN:
            after = _retry_after(answer.headers.get("Retry-After", ""))
            hint = "the registry is busy or out of order; run the same command again later: it goes on where it stopped"
            limit = f"`wherry login {self.registry}` may raise its limit" if answer.status == 429 else ""
            return RetryableError(message, hint=f"{hint}; {limit}" if limit else hint, after=after, otherwise=limit)
        if answer.status in (401, 403):
            return DownloadError(message, hint=f"log in with `wherry login {self.registry}` as somebody who may")
        return DownloadError(message)


class _Connected:
    """Looks at the address that a new connection has, before anything is sent: a name may lead elsewhere than a moment before.

    A proxy's address is the user's own choice.
    """

    def __init__(self, boundary: Boundary, host: str) -> None:
        self._boundary = boundary
        self._host = host
        self._reached = ""

    async def __call__(self, event: str, info: dict[str, Any]) -> None:
        if event == "connection.connect_tcp.started":
            self._reached = info["host"]
        elif event == "connection.connect_tcp.complete" and self._reached == self._host:
            stream = info["return_value"]
            try:
                await self._boundary.check_addresses(self._host, [stream.get_extra_info("server_addr")[0]])
            except DownloadError:
                await stream.aclose()
                raise


_NETWORK = "check the name, the network and HTTPS_PROXY, then run the same command again: it goes on where it stopped"


def _certificates() -> ssl.SSLContext:
    """The system's authorities, or those of SSL_CERT_FILE and SSL_CERT_DIR."""
    return httpx2.create_ssl_context(trust_env=True)


def _is_local(url: httpx2.URL) -> bool:
    return bool(_LOCAL.fullmatch(url.host))


def _same_origin(one: httpx2.URL, other: httpx2.URL) -> bool:
    def parts(url: httpx2.URL) -> tuple[str, str, int | None]:
        return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)

    return parts(one) == parts(other)


def _retry_after(value: str) -> float | None:
    """Seconds, from seconds or a date (RFC 9110, 10.2.3)."""
    if re.fullmatch(r"[0-9]{1,9}", value.strip()):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _said(body: bytes) -> str:
    """A registry's own words (distribution specification, error codes)."""
    try:
        errors = json.loads(body)["errors"]
        return "; ".join(_printable(f"{error.get('code', '')} {error.get('message', '')}".strip()) for error in errors[:3])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return _printable(body[:200].decode(errors="replace").strip())


def _reason(error: BaseException) -> str:
    """The system's own words, where it is the system that refused."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno and cause.strerror:
            # asyncio's own words for a refused connection say less than the system's
            return os.strerror(cause.errno) if isinstance(cause, ConnectionError) else _printable(cause.strerror)
        cause = cause.__cause__ or cause.__context__
    return _printable(str(error) or type(error).__name__)


def _printable(text: str) -> str:
    """Nothing from outside moves the terminal's cursor."""
    return "".join(character if character.isprintable() else " " for character in text[:300])
