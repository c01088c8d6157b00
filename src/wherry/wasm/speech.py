"""What speech the host has for components: the protocol between a guest's imports and the engine."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from wherry.wasm.stop import Check


class Transcript(Protocol):
    """A transcript in the making. Closing `segments` ends the work."""

    @property
    def language(self) -> str: ...

    @property
    def duration(self) -> float: ...

    @property
    def segments(self) -> Iterator[Any]:
        """Records of the contract's `segment`."""
        ...


class SpeechModel(Protocol):
    """Every call raises WherryError; `check` is called now and then, and what it raises ends the work."""

    @property
    def name(self) -> str: ...

    @property
    def device(self) -> str: ...

    @property
    def languages(self) -> Mapping[str, str]: ...

    def stream(self, file: Path, options: Sequence[Any], check: Check) -> Transcript:
        """options: the values of the contract's `options`, in its order. The file is read before this returns."""
        ...

    def detect_language(self, file: Path, check: Check) -> Mapping[str, float]: ...


class Speech(Protocol):
    def names(self) -> Sequence[str]:
        """The default first."""
        ...

    def open(self, name: str) -> SpeechModel:
        """Loaded unless it is. Raises NotFoundError."""
        ...
