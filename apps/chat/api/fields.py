"""The fields of an object, each checked where it is read: whatever is wrong is named by its place in the request."""

import json
import logging
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from wherry.guest.openai import ApiError

_LOG = logging.getLogger("chat")
_SHOWN = 80  # characters of a value


class Fields:
    """place: the object's own in the request, "" for all of it. A field that is null is as one that is not there.

    ignored: the fields of the whole request that have no effect here.
    """

    def __init__(self, values: Mapping[str, Any], place: str = "", ignored: list[str] | None = None) -> None:
        self.values = values
        self.place = place
        self.ignored: list[str] = [] if ignored is None else ignored

    def name(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key

    def has(self, key: str) -> bool:
        return self.values.get(key) is not None

    def only(self, known: Collection[str], unsupported: Mapping[str, str] | None = None) -> None:
        """Note what is not known. unsupported: fields without which the answer is not what was asked for -> why they are not
        here; they are refused."""
        for key in self.values:
            if key in (unsupported or {}):
                if self.has(key):
                    raise refused(self.name(key), (unsupported or {})[key])
            elif key not in known and self.has(key):
                self.ignore(key)

    def ignore(self, key: str) -> None:
        """A field that has no effect: it is named in the log, once, and in the answer's headers."""
        name = self.name(key)[:_SHOWN]
        if name not in self.ignored:
            self.ignored.append(name)
            _log_ignored(name)

    def required(self, key: str) -> Any:
        if not self.has(key):
            raise ApiError(
                400, f"Missing required parameter: '{self.name(key)}'.", param=self.name(key), code="missing_required_parameter"
            )
        return self.values[key]

    def text(self, key: str, default: str = "") -> str:
        value = self.values.get(key)
        return default if value is None else text(value, self.name(key))

    def one_of(self, key: str, known: Collection[str], default: str) -> str:
        value = self.text(key, default)
        if value not in known:
            raise wrong(self.name(key), value, f"one of {', '.join(known)}")
        return value

    def number(self, key: str, default: float, low: float, high: float) -> float:
        value = self.values.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise wrong(self.name(key), value, f"a number from {low:g} to {high:g}")
        return float(value)

    def whole(self, key: str, low: int, high: int) -> int | None:
        """None where there is none. JSON tells no 5.0 from 5."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise wrong(self.name(key), self.values[key], f"an integer from {low} to {high}")
        return value

    def flag(self, key: str, default: bool = False) -> bool:
        value = self.values.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise wrong(self.name(key), value, "true or false")
        return value

    def object(self, key: str) -> "Fields | None":
        value = self.values.get(key)
        return None if value is None else as_object(value, self.name(key), self.ignored)

    def list(self, key: str, most: int) -> list[Any]:
        value = self.values.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise wrong(self.name(key), value, "a list")
        if len(value) > most:
            raise ApiError(
                400, f"{self.name(key)}: found {len(value)} items, expected at most {most}", param=self.name(key),
                code="array_above_max_length",
            )  # fmt: skip
        return value


def as_object(value: Any, place: str, ignored: list[str] | None = None) -> Fields:
    """ignored: as `Fields` has it; without it an object of its own."""
    if not isinstance(value, dict):
        raise wrong(place, value, "an object")
    return Fields(value, place, ignored)


@lru_cache(maxsize=1000)
def _log_ignored(name: str) -> None:
    """Once for each, as long as this app runs."""
    _LOG.warning("ignored: the request's field %s", name)


def text(value: Any, place: str) -> str:
    """A string of whole characters: JSON can write half a surrogate pair."""
    if not isinstance(value, str):
        raise wrong(place, value, "a string")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise wrong(place, value, "Unicode without lone surrogates") from error
    return value


def tokens(value: Any, place: str) -> list[int] | None:
    """Token numbers; None where it is no list of integers."""
    if not isinstance(value, list) or not value or not all(type(token) is int for token in value):
        return None
    for token in value:
        if not 0 <= token < 1 << 31:
            raise wrong(place, token, "tokens of the model's")
    return value


def wrong(place: str, value: Any, expected: str) -> ApiError:
    found = json.dumps(value)
    found = found if len(found) <= _SHOWN else f"{found[:_SHOWN]}…"
    return ApiError(400, f"{place}: found {found}, expected {expected}", param=place, code="invalid_value")


def refused(place: str, why: str) -> ApiError:
    return ApiError(400, f"{place}: {why}", param=place, code="unsupported_parameter")
