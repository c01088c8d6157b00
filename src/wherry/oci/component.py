"""What a component imports and exports, from its bytes (WebAssembly/component-model, design/mvp/Binary.md)."""

from wherry.errors import FormatError

_IMPORTS, _EXPORTS = 10, 11  # section ids
_MAX_NAMES = 10_000


def read_names(raw: bytes, place: str) -> tuple[list[str], list[str]]:
    """The names of a component's imports and exports, in its order. Raises FormatError."""
    try:
        return _read(raw)
    except (IndexError, ValueError) as error:
        raise FormatError(f"{place}: found a component that ends too soon or lies about its sizes: {error}") from error


def _read(raw: bytes) -> tuple[list[str], list[str]]:
    imports: list[str] = []
    exports: list[str] = []
    reader = _Reader(raw, 8, len(raw))
    while reader.position < len(raw):
        section, size = reader.byte(), reader.number()
        begin = reader.position
        reader.skip(size)
        inside = _Reader(raw, begin, begin + size)
        if section == _IMPORTS:
            for _ in range(min(inside.number(), _MAX_NAMES)):
                imports.append(inside.name())
                inside.description()
        elif section == _EXPORTS:
            for _ in range(min(inside.number(), _MAX_NAMES)):
                exports.append(inside.name())
                inside.sort()
                inside.number()
                if inside.byte():
                    inside.description()
    return imports, exports


class _Reader:
    """A cursor that leaves its bounds with an IndexError."""

    def __init__(self, raw: bytes, position: int, end: int) -> None:
        self._raw = raw
        self._end = end
        self.position = position

    def byte(self) -> int:
        self.skip(1)
        return self._raw[self.position - 1]

    def skip(self, size: int) -> None:
        if size > self._end - self.position:
            raise IndexError(f"byte {self.position}: {size} more of {self._end - self.position}")
        self.position += size

    def number(self) -> int:
        """An unsigned LEB128 of at most 32 bits."""
        value = 0
        for shift in range(0, 35, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ValueError(f"byte {self.position}: a number of more than 32 bits")

    def name(self) -> str:
        """importname' and exportname': a kind, then the name, and options where the kind is 2."""
        kind = self.byte()
        size = self.number()
        self.skip(size)
        found = self._raw[self.position - size : self.position].decode()
        if kind == 2:
            for _ in range(min(self.number(), _MAX_NAMES)):
                self.byte()
                self.skip(self.number())
        return found

    def sort(self) -> int:
        """0 means a core sort, whose own byte follows."""
        sort = self.byte()
        return self.byte() if sort == 0 else sort

    def description(self) -> None:
        """externdesc."""
        kind = self.byte()
        if kind == 0:
            self.byte()  # 0x11: a core module's type
        if kind in (2, 3):
            bound = self.byte()
            if kind == 3 and bound == 1:
                return  # (sub resource)
            if kind == 2 and bound == 1:
                self._value_type()
                return
        self.number()

    def _value_type(self) -> None:
        """A type's index, or one byte for a primitive: both are a LEB128."""
        self.number()
