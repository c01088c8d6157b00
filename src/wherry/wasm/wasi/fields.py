"""Headers and trailers of wasi:http."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from wherry.errors import GuestError
from wherry.wasm.component import Guest
from wherry.wasm.values import Case, Own
from wherry.wasm.wasi.resources import FIELDS

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
# Of one connection, which is the host's (RFC 9110, 7.6.1).
_FORBIDDEN = {"connection", "host", "http2-settings", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"}
_MAX_BYTES = 1 << 16
_MAX_ENTRIES = 1024
_OK = Case("ok")


@dataclass
class Fields:
    """fixed: they belong to a message."""

    entries: list[tuple[str, bytes]] = field(default_factory=list)
    fixed: bool = False

    def named(self, name: str) -> list[bytes]:
        return [value for key, value in self.entries if key.lower() == name.lower()]

    def copy(self, *, fixed: bool = False) -> "Fields":
        return Fields(list(self.entries), fixed)

    def length(self) -> int | None:
        """What content-length says; nothing where it is no number."""
        values = set(self.named("content-length"))
        return int(text) if len(values) == 1 and (text := values.pop().strip()).isdigit() and len(text) < 19 else None

    def replace(self, entries: Sequence[tuple[str, bytes]]) -> None:
        """Raises GuestError for more than a message may have."""
        size = sum(len(name) + len(value) + 4 for name, value in entries)
        if size > _MAX_BYTES or len(entries) > _MAX_ENTRIES:
            raise GuestError(
                f"headers: found {len(entries)} of {size} bytes, expected at most {_MAX_ENTRIES} of {_MAX_BYTES} bytes"
            )
        self.entries = list(entries)


def _fault(name: str, values: Sequence[bytes] = ()) -> Case | None:
    if not _NAME.fullmatch(name) or not all(_VALUE.fullmatch(value) for value in values):
        return Case("err", Case("invalid-syntax"))
    if name.lower() in _FORBIDDEN:
        return Case("err", Case("forbidden"))
    return None


def functions() -> dict[str, Callable[..., Any]]:
    return {
        "[constructor]fields": lambda guest: add_fields(guest, Fields()),
        "[static]fields.from-list": _from_list,
        "[method]fields.get": lambda guest, fields, name: guest.table.of(fields, Fields).named(name),
        "[method]fields.has": lambda guest, fields, name: bool(guest.table.of(fields, Fields).named(name)),
        "[method]fields.set": _set,
        "[method]fields.delete": lambda guest, fields, name: _set(guest, fields, name, []),
        "[method]fields.append": _append,
        "[method]fields.entries": lambda guest, fields: guest.table.of(fields, Fields).entries,
        "[method]fields.clone": lambda guest, fields: add_fields(guest, guest.table.of(fields, Fields).copy()),
    }


def add_fields(guest: Guest, fields: Fields) -> Own:
    return guest.table.add(FIELDS, fields)


def _from_list(guest: Guest, entries: Sequence[tuple[str, bytes]]) -> Case:
    for name, value in entries:
        if (fault := _fault(name, [value])) is not None:
            return fault
    found = Fields()
    found.replace(entries)
    return Case("ok", add_fields(guest, found))


def _set(guest: Guest, number: int, name: str, values: Sequence[bytes]) -> Case:
    fields = guest.table.of(number, Fields)
    if fields.fixed:
        return Case("err", Case("immutable"))
    if (fault := _fault(name, values)) is not None:
        return fault
    kept = [entry for entry in fields.entries if entry[0].lower() != name.lower()]
    fields.replace([*kept, *((name, value) for value in values)])
    return _OK


def _append(guest: Guest, number: int, name: str, value: bytes) -> Case:
    fields = guest.table.of(number, Fields)
    if fields.fixed:
        return Case("err", Case("immutable"))
    if (fault := _fault(name, [value])) is not None:
        return fault
    fields.replace([*fields.entries, (name, value)])
    return _OK
