"""Names of images, read as docker reads them (the grammar and the defaults of github.com/distribution/reference)."""

import re
from dataclasses import dataclass, replace

from wherry.errors import FormatError, InputError
from wherry.oci.digest import Digest

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"
_OFFICIAL = "library/"
_MAX_REPOSITORY = 255  # characters
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")
_LOCAL = re.compile(r"(?:localhost|127\.[0-9]+\.[0-9]+\.[0-9]+|\[::1\])(?::[0-9]+)?")


@dataclass(frozen=True, order=True)
class Reference:
    """registry/repository[:tag][@digest]; at least one of tag and digest is there."""

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """`app` is docker.io/library/app:latest, `localhost:5000/app@sha256:…` what it says. Raises InputError."""
        rest, at, digits = text.partition("@")
        try:
            digest = Digest.parse(digits) if at else None
        except FormatError as error:
            raise InputError(f'image "{text}": {error.message}') from error
        name, tag = _split_tag(rest)
        if tag is not None and not _TAG.fullmatch(tag):
            raise InputError(f'image "{text}": tag: found "{tag}", expected at most 128 of A-Z a-z 0-9 _ . -')
        if _IDENTIFIER.fullmatch(name):
            raise InputError(f'image "{text}": found 64 hexadecimal digits, expected a name', hint=f"write sha256:{name}")
        registry, repository = _split_registry(name)
        if not _REGISTRY.fullmatch(registry):
            raise InputError(f'image "{text}": registry: found "{registry}", expected HOST[:PORT]')
        if not _REPOSITORY.fullmatch(repository):
            hint = f'write "{text.lower()}"' if _REPOSITORY.fullmatch(repository.lower()) else ""
            raise InputError(
                f'image "{text}": found the name "{repository}", expected a-z 0-9 with . _ - between, and /', hint=hint
            )
        if len(repository) > _MAX_REPOSITORY:
            raise InputError(f"image: found a name of {len(repository)} characters, expected at most {_MAX_REPOSITORY}")
        return cls(registry, repository, tag if tag or digest else DEFAULT_TAG, digest)

    def __str__(self) -> str:
        """The whole name, nothing left to defaults."""
        return f"{self.registry}/{self.repository}{self._suffix}"

    @property
    def familiar(self) -> str:
        """As people write it: no docker.io/, no library/."""
        if self.registry != DEFAULT_REGISTRY:
            return str(self)
        return self.repository.removeprefix(_OFFICIAL) + self._suffix

    @property
    def is_local(self) -> bool:
        """Whether the registry is this machine, where plain http is no risk."""
        return bool(_LOCAL.fullmatch(self.registry))

    def with_tag(self, tag: str) -> "Reference":
        return replace(self, tag=tag, digest=None)

    def with_digest(self, digest: Digest) -> "Reference":
        """The same repository, by digest alone."""
        return replace(self, tag=None, digest=digest)

    @property
    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def _split_tag(text: str) -> tuple[str, str | None]:
    """A colon before the last slash belongs to a port."""
    name, colon, tag = text.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (text, None)


def _split_registry(name: str) -> tuple[str, str]:
    """The first component is a registry where it has a dot, a colon or a capital, or is localhost."""
    first, slash, rest = name.partition("/")
    if not slash or not (re.search(r"[.:]", first) or first == "localhost" or first != first.lower()):
        first, rest = DEFAULT_REGISTRY, name
    if first == "index.docker.io":
        first = DEFAULT_REGISTRY
    if first == DEFAULT_REGISTRY and "/" not in rest:
        rest = _OFFICIAL + rest
    return first, rest
