"""JSON from outside, field by field: what is missing or of another type is named with its place."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wherry.errors import FormatError

_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_SIZE = (1 << 63) - 1  # sizes are int64 in every implementation


@dataclass(frozen=True)
class Fields:
    """One JSON object. `place` names it in errors: `manifest sha256:…`, then `manifest sha256:…: layers[3]`."""

    place: str
    values: Mapping[str, Any]

    @classmethod
    def parse(cls, raw: bytes, place: str) -> "Fields":
        """Raises FormatError unless `raw` is one JSON object in UTF-8 without a key twice: readers differ in which they take."""

        def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
            items = [(_whole(name), _whole(value)) for name, value in items]
            found = dict(items)
            if len(found) != len(items):
                names = [name for name, _ in items]
                twice = next(name for name in names if names.count(name) > 1)
                raise FormatError(f'{place}: found the key "{twice}" twice, expected each once')
            return found

        def constant(text: str) -> None:
            raise FormatError(f"{place}: found {text}, expected JSON")

        try:
            value = json.loads(raw.decode(), object_pairs_hook=pairs, parse_constant=constant)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{place}: found no JSON, expected an object: {str(error)[:200]}") from error
        return cls.of(value, place)

    @classmethod
    def of(cls, value: object, place: str) -> "Fields":
        if not isinstance(value, dict):
            raise FormatError(f"{place}: found {_kind(value)}, expected an object")
        return cls(place, value)

    def has(self, name: str) -> bool:
        """A null counts as absent, as it does for every Go program."""
        return self.values.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        """`default` None: the field must be there."""
        value = self.values.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise self._wrong(name, value, "a string")
        return value

    def integer(self, name: str) -> int:
        """At least 0 and less than 2^63."""
        value = self.values.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_SIZE:
            raise self._wrong(name, value, "a whole number, not negative")
        return value

    def child(self, name: str) -> "Fields":
        """An object that must be there."""
        return Fields.of(self.values.get(name), f"{self.place}: {name}")

    def optional(self, name: str) -> "Fields":
        """An object; an empty one where there is none."""
        return self.child(name) if self.has(name) else Fields(f"{self.place}: {name}", {})

    def children(self, name: str, limit: int) -> "list[Fields]":
        """The objects of a list; none where it is absent."""
        return [Fields.of(item, f"{self.place}: {name}[{i}]") for i, item in enumerate(self._list(name, limit))]

    def texts(self, name: str, limit: int) -> tuple[str, ...]:
        """A list of strings; empty where it is absent."""
        found = self._list(name, limit)
        for i, item in enumerate(found):
            if not isinstance(item, str):
                raise self._wrong(f"{name}[{i}]", item, "a string")
        return tuple(found)

    def text_map(self, name: str) -> dict[str, str]:
        """An object of strings; empty where it is absent."""
        found = self.optional(name)
        return {key: found.text(key) for key in found.values}

    def _list(self, name: str, limit: int) -> list[Any]:
        value = self.values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong(name, value, "a list")
        if len(value) > limit:
            raise FormatError(f"{self.place}: {name}: found {len(value)} entries, expected at most {limit}")
        return value

    def _wrong(self, name: str, value: object, expected: str) -> FormatError:
        return FormatError(f"{self.place}: {name}: found {_kind(value)}, expected {expected}")


def _whole(value: Any) -> Any:
    """Half a surrogate pair (`"\\ud800"`) is no character; Go's JSON reads U+FFFD, and so do we: the rest is still good."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    return [_whole(item) for item in value] if isinstance(value, list) else value


def to_json(value: Mapping[str, Any]) -> bytes:
    """The one form in which Wherry writes JSON: the same value gives the same bytes."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _kind(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool() | int() | float() | str():
            text = json.dumps(value)
            return text if len(text) <= 80 else text[:77] + "…"
        case list():
            return "a list"
        case _:
            return "an object"
