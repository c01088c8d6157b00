"""`NAME:ENCODING:TARGET:PATH[:PATH…]`: which graphs a guest finds by name.

In place of the paths there may be `oci://IMAGE`, a model in a registry; Burn's language may follow an image with a tag or digest.
"""

import contextlib
import posixpath
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wherry.errors import InputError, NotFoundError
from wherry.wasm.nn.opened import open_beneath, open_file

ENCODINGS = {
    "openvino": 0, "onnx": 1, "tensorflow": 2, "pytorch": 3, "tensorflowlite": 4, "autodetect": 5, "ggml": 6,
    "neuralspeed": 7, "burn": 8, "whisper": 9, "mlx": 10, "piper": 11, "chattts": 12, "openvinogenai": 13, "bitnet": 14,
}  # fmt: skip
TARGETS = {"cpu": 0, "gpu": 1, "tpu": 2, "auto": 3}
_ADDRESS = "oci://"
_WITH_LANGUAGE = re.compile(r"(.+[^/:]+(?::[^/:@]+|@sha256:[0-9a-f]{64})):([^/:@]*)")


@dataclass(frozen=True)
class Preload:
    """One graph by name. `paths` are the guest's, `options` what follows them (Burn's language).

    address    oci://IMAGE: there are no paths
    found      its weights, configuration and tokenizer on the host, where an address was fetched
    """

    name: str
    encoding: str
    target: str
    paths: tuple[str, ...]
    options: tuple[str, ...] = ()
    address: str | None = None
    found: tuple[Path, Path | None, Path | None] | None = None


def kind_of(preload: Preload) -> str:
    """speech, language or sentences: what a graph is for, before it is loaded. Empty where Wherry has no engine for it."""
    if preload.encoding in ("burn", "whisper"):
        return "speech"
    if preload.encoding == "autodetect":
        name = preload.found[0].name if preload.found else preload.paths[0] if preload.paths else ""
        return "language" if name.endswith(".gguf") else "sentences"
    return "language" if preload.encoding == "ggml" else ""


def parse_preload(text: str) -> Preload:
    """Raises InputError naming the part that is wrong."""
    parts = text.split(":")
    if len(parts) < 4 or not all(parts[:4]):
        raise InputError(f'preload: found "{text}", expected NAME:ENCODING:TARGET:PATH[:PATH…]')
    name, encoding, target = parts[0], parts[1].lower(), parts[2].lower()
    if encoding not in ENCODINGS:
        raise InputError(f'preload "{name}": encoding: found "{parts[1]}", expected Burn, Whisper, GGML or Autodetect')
    if target not in TARGETS:
        raise InputError(f'preload "{name}": target: found "{parts[2]}", expected CPU, GPU or AUTO')
    rest = tuple(parts[3:])
    if (address := ":".join(rest)).startswith(_ADDRESS):
        if encoding == "burn" and (split := _WITH_LANGUAGE.fullmatch(address)):
            return Preload(name, encoding, target, (), (split[2],), split[1])
        return Preload(name, encoding, target, (), (), address)
    if encoding == "burn":
        if len(rest) not in (3, 4):
            raise InputError(
                f'preload "{name}": found {len(rest)} fields after the target, expected WEIGHTS:CONFIG:TOKENIZER[:LANGUAGE]'
            )
        return Preload(name, encoding, target, rest[:3], rest[3:])
    if encoding == "ggml":
        return Preload(name, encoding, target, (":".join(rest),))
    return Preload(name, encoding, target, rest)


def parse_preloads(texts: Sequence[str]) -> dict[str, Preload]:
    """Raises InputError for a name given twice."""
    found: dict[str, Preload] = {}
    for preload in map(parse_preload, texts):
        if preload.name in found:
            raise InputError(f'preload: found the name "{preload.name}" twice, expected each once')
        found[preload.name] = preload
    return found


@dataclass(frozen=True)
class GuestPaths:
    """Where the guest's folders lie on the host: (guest folder, host folder)."""

    mounts: tuple[tuple[str, Path], ...]

    def resolve(self, path: str) -> Path:
        """A preload's path -> the host's file, opened: through the mounts first, then as the host's own path.

        The operator wrote it, not the guest, so a host path is no escape; but a mount's `..` or symbolic link must not
        leave that mount.
        """
        if (mounted := self._mounted(path)) is not None:
            return mounted
        if (direct := Path(path)).is_file():
            return open_file(direct)
        raise NotFoundError(
            f'preload: found no file "{path}" in the guest\'s folders ({self._known()}) or on the host',
            hint="give the folder to the guest with --dir HOST:GUEST",
        )

    def resolve_mounted(self, path: str) -> Path:
        """A path that the guest itself names: only files in its folders are there for it."""
        if (mounted := self._mounted(path)) is not None:
            return mounted
        raise NotFoundError(f'load: found no file "{path}" in the guest\'s folders ({self._known()})')

    def _mounted(self, path: str) -> Path | None:
        if "\0" in path:
            return None
        pure = _rooted(path)
        for guest, host in sorted(self.mounts, key=lambda mount: -len(_rooted(mount[0]))):
            prefix = _rooted(guest).rstrip("/")
            if pure.startswith(prefix + "/"):
                root = host.resolve()
                candidate = (root / pure[len(prefix) :].lstrip("/")).resolve()
                if candidate != root and candidate.is_relative_to(root):
                    with contextlib.suppress(OSError, NotFoundError):  # it is not there, or a link came into the path meanwhile
                        return open_beneath(root, candidate.relative_to(root))
        return None

    def _known(self) -> str:
        return ", ".join(guest for guest, _ in self.mounts) or "none"


def _rooted(path: str) -> str:
    """A guest's path from its root: `.`, `./a` and `a` are what `/`, `/a` and `/a` are."""
    return posixpath.normpath("/" + path.lstrip("/"))


Resolve = Callable[[str], Path]
