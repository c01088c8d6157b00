"""A registry's manifests, tags and blobs (OCI distribution specification 1.1). Everything that comes is checked by its digest."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from wherry.errors import DownloadError, FormatError, NotFoundError
from wherry.oci.auth import Scopes
from wherry.oci.connection import Answer, Attempts, Connection, RetryableError
from wherry.oci.digest import Digest
from wherry.oci.fields import Fields
from wherry.oci.image import INDEXES, MANIFESTS, Descriptor, Index, Manifest, parse_document
from wherry.oci.reference import Reference

_ACCEPT = {"Accept": ", ".join((*MANIFESTS, *INDEXES))}
_OK, _HERE = frozenset({200}), frozenset({200, 404})
_MAX_PAGES = 100  # of tags
_MAX_TAGS = 100_000  # on one page
_SHOWN_TAGS = 10
_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')


def pull_scopes(repository: str) -> Scopes:
    return frozenset({f"repository:{repository}:pull"})


def push_scopes(repository: str, *sources: str) -> Scopes:
    """To push to a repository what may be mounted from others."""
    return frozenset({f"repository:{repository}:pull,push"}).union(*map(pull_scopes, sources))


class Registry:
    """One repository's place in its registry, over an open connection."""

    def __init__(self, connection: Connection, repository: str, scopes: Scopes) -> None:
        self.connection = connection
        self.repository = repository
        self.scopes = scopes

    @property
    def name(self) -> str:
        """For errors."""
        return f"{self.connection.registry}/{self.repository}"

    async def document(self, reference: Reference) -> Manifest | Index:
        """What a tag or, where the reference has one, a digest stands for.

        Raises NotFoundError, FormatError (not what its digest says), DownloadError.
        """
        attempts = Attempts(self.connection.patience)
        url = self.connection.address(f"{self.repository}/manifests/{reference.digest or reference.tag}")
        while True:
            try:
                answer = await self.connection.ask_once("GET", url, self.scopes, _HERE, headers=_ACCEPT)
                if answer.status == 404:
                    raise await self._unknown(reference, answer)
                self._check(answer, reference)
                return parse_document(answer.body, answer.headers.get("Content-Type", ""), place=f"manifest {reference}")
            except RetryableError as error:  # also where it was damaged on its way
                await attempts.wait(error)

    async def child(self, descriptor: Descriptor) -> Manifest | Index:
        """The manifest that an index's entry points to. Raises as `document` does."""
        reference = Reference(self.connection.registry, self.repository, None, descriptor.digest)
        found = await self.document(reference)
        if len(found.raw) != descriptor.size:
            raise FormatError(f"manifest {reference}: found {len(found.raw)} bytes, expected {descriptor.size}")
        if found.media_type != descriptor.media_type:
            raise FormatError(f"manifest {reference}: found {found.media_type}, expected {descriptor.media_type}")
        return found

    async def has_manifest(self, digest: Digest) -> bool:
        return await self._has(f"{self.repository}/manifests/{digest}")

    async def has_blob(self, digest: Digest) -> bool:
        return await self._has(f"{self.repository}/blobs/{digest}")

    async def tags(self, *, pages: int = _MAX_PAGES) -> list[str]:
        """All tags, in the registry's order. Raises NotFoundError, FormatError, DownloadError."""
        url = self.connection.address(f"{self.repository}/tags/list").copy_merge_params({"n": "1000"})
        found: list[str] = []
        for _ in range(pages):
            answer = await self.connection.ask("GET", url, self.scopes, _OK)
            found += Fields.parse(answer.body, f"tags of {self.name}").texts("tags", _MAX_TAGS)
            following = _NEXT.search(answer.headers.get("Link", ""))
            if following is None:
                break
            url = self.connection.target(answer.url, following[1])
        return found

    async def put_manifest(self, name: str, document: Manifest | Index) -> None:
        """Under a tag or a digest. Raises DownloadError."""
        url = self.connection.address(f"{self.repository}/manifests/{name}")
        headers = {"Content-Type": document.media_type}
        answer = await self.connection.ask("PUT", url, self.scopes, frozenset({201}), headers=headers, content=document.raw)
        kept = _said_digest(answer, f"{self.name}:{name}")
        if kept is not None and kept != Digest.of_bytes(document.raw, kept.algorithm):
            raise DownloadError(f"{self.name}:{name}: the registry kept {kept}, expected {document.digest}")

    @asynccontextmanager
    async def blob(self, descriptor: Descriptor, offset: int) -> AsyncIterator[httpx2.Response]:
        """The bytes of a blob from `offset` on, where the registry can (206), or all of them (200). One attempt."""
        url = self.connection.address(f"{self.repository}/blobs/{descriptor.digest}")
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        async with self.connection.stream("GET", url, self.scopes, frozenset({200, 206, 416}), headers=headers) as response:
            yield response

    async def _has(self, path: str) -> bool:
        answer = await self.connection.ask("HEAD", self.connection.address(path), self.scopes, _HERE, headers=_ACCEPT)
        return answer.status == 200

    def _check(self, answer: Answer, reference: Reference) -> None:
        """Against the digest asked for, or the one that the registry says it sends."""
        expected = reference.digest or _said_digest(answer, f"manifest {reference}")
        if expected is None:
            return
        found = Digest.of_bytes(answer.body, expected.algorithm)
        if found != expected:
            hint = "the registry, or something between, changes it: push the image again, or pull it from elsewhere"
            raise RetryableError(f"manifest {reference}: found digest {found}, expected {expected}", hint=hint)

    async def _unknown(self, reference: Reference, answer: Answer) -> NotFoundError:
        """With what there is instead, where the registry tells."""
        try:
            tags = [] if b"NAME_UNKNOWN" in answer.body else await self.tags(pages=1)
        except (DownloadError, NotFoundError, FormatError):
            tags = []  # only a hint was wanted
        if not tags:
            hint = f"check the name; `wherry login {self.connection.registry}` if it is private"
            return NotFoundError(f'image "{reference}": the registry has no such image', hint=hint)
        more = f" and {len(tags) - _SHOWN_TAGS} more" if len(tags) > _SHOWN_TAGS else ""
        shown = ", ".join(tags[:_SHOWN_TAGS])
        return NotFoundError(f'image "{reference}": the registry has no such tag or digest', hint=f"its tags are {shown}{more}")


def _said_digest(answer: Answer, place: str) -> Digest | None:
    text = answer.headers.get("Docker-Content-Digest")
    try:
        return Digest.parse(text) if text else None
    except FormatError as error:
        raise FormatError(f"{place}: Docker-Content-Digest: {error.message}") from error
