"""A component without the names of its functions: they are a tenth of what it weighs, and nobody debugs CPython with them."""

from collections.abc import Iterator

_CUSTOM, _CORE_MODULE, _COMPONENT = 0, 1, 4  # section ids; the last two are a component's own
_NAMES = (b"name", b"component-name", b"producers")
_HEADER = 8
_LAYER = b"\x01\x00"  # bytes 6 and 7 of a component


def strip_names(wasm: bytes) -> bytes:
    """wasm: a component or module that the compiler has just written."""
    inside = wasm[6:8] == _LAYER
    out = [wasm[:_HEADER]]
    for kind, body in _sections(wasm):
        if kind == _CUSTOM:
            size, start = _number(body, 0)
            if body[start : start + size] in _NAMES:
                continue
        elif inside and kind in (_CORE_MODULE, _COMPONENT):
            body = strip_names(body)
        out += [bytes([kind]), _leb(len(body)), body]
    return b"".join(out)


def _sections(wasm: bytes) -> Iterator[tuple[int, bytes]]:
    position = _HEADER
    while position < len(wasm):
        size, start = _number(wasm, position + 1)
        yield wasm[position], wasm[start : start + size]
        position = start + size


def _number(raw: bytes, position: int) -> tuple[int, int]:
    """An unsigned LEB128 -> its value and where it ends."""
    value = shift = 0
    while True:
        byte = raw[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position


def _leb(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
