"""Words of a Dockerfile: quotes, escapes and variables, as docker's documentation has them ("Environment replacement")."""

import json
import re
from collections.abc import Mapping

from wherry.errors import InputError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MODIFIERS = (":-", ":+", ":?", "-", "+", "?", "##", "#", "%%", "%", "//", "/")
_SURROGATE = re.compile("[\ud800-\udbff\udc00-\udc7f\udd00-\udfff]")  # not those that stand for bytes of a name
_BLANKS = " \t\v\f\r"


def split_words(text: str, escape: str = "\\") -> list[str]:
    """Split at blanks outside of quotes; the words keep their quotes and escapes."""
    words: list[str] = []
    word, quote, i = "", "", 0
    while i < len(text):
        char = text[i]
        if char == escape and quote != "'":
            word += text[i : i + 2]
            i += 2
            continue
        if not quote and char in _BLANKS:
            if word:
                words.append(word)
            word = ""
        else:
            if quote:
                quote = "" if char == quote else quote
            elif char in "\"'":
                quote = char
            word += char
        i += 1
    return [*words, word] if word else words


def split_blanks(text: str) -> list[str]:
    """Split at blanks alone, as the list forms of COPY and EXPOSE are."""
    return re.split(f"[{_BLANKS}]+", text.strip(_BLANKS)) if text.strip(_BLANKS) else []


def parse_list(text: str) -> list[str] | None:
    """The JSON form, `["a", "b"]`; None where the text is not of that form."""
    if not text.startswith("["):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
        return None
    return [_SURROGATE.sub("\ufffd", word) for word in found]  # as Go's JSON reads half a pair


def expand(text: str, variables: Mapping[str, str], escape: str = "\\", *, quotes: bool = True) -> str:
    """Replace variables, take quotes and escapes away. A variable that is not set is empty. Raises InputError.

    quotes: False where they are text, as in a heredoc.
    """
    try:
        found, end = _Reader(text, variables, escape, quotes).read("")
    except RecursionError as error:
        raise InputError(f'found "{text[:80]}…", expected fewer variables in one another') from error
    if end != len(text):
        raise InputError(f'found "{text[end]}" in "{text}" that ends nothing')
    return found


class _Reader:
    def __init__(self, text: str, variables: Mapping[str, str], escape: str, quotes: bool) -> None:
        self._text = text
        self._quotes = quotes
        self._escape = escape
        self._variables = variables
        self._i = 0

    def read(self, end: str, *, pattern: bool = False) -> tuple[str, int]:
        """Up to `end` (not within quotes) or the end of the text -> the words so far, and where it stopped.

        pattern: escapes stay, for they mean something in it.
        """
        found = ""
        while self._i < len(self._text) and (not end or self._text[self._i] != end):
            char = self._text[self._i]
            match char:
                case "'" if self._quotes:
                    found += self._until("'")
                case '"' if self._quotes:
                    found += self._in_double_quotes()
                case "$":
                    found += self._variable()
                case self._escape:
                    found += self._text[self._i + (not pattern) : self._i + 2]
                    self._i += 2
                case _:
                    found += char
                    self._i += 1
        return found, self._i

    def _until(self, quote: str) -> str:
        end = self._text.find(quote, self._i + 1)
        if end < 0:
            raise self._unended(quote)
        found = self._text[self._i + 1 : end]
        self._i = end + 1
        return found

    def _in_double_quotes(self) -> str:
        found = ""
        self._i += 1
        while self._i < len(self._text):
            char = self._text[self._i]
            if char == '"':
                self._i += 1
                return found
            if char == "$":
                found += self._variable()
            elif char == self._escape and self._text[self._i + 1 : self._i + 2] in ('"', "$", self._escape):
                found += self._text[self._i + 1]
                self._i += 2
            else:
                found += char
                self._i += 1
        raise self._unended('"')

    def _variable(self) -> str:
        """`$NAME`, `${NAME}` and `${NAME…}` with one of the modifiers of BuildKit's reference."""
        braces = self._text.startswith("${", self._i)
        start = self._i + 1 + braces
        name = _NAME.match(self._text, start)
        if name is None:
            if braces or self._text[start : start + 1] in tuple("0123456789@*#?-$!"):
                raise InputError(f'found "{self._text[self._i : self._i + 3]}" in "{self._text}", expected a name after $')
            self._i += 1
            return "$"
        self._i = name.end()
        value = self._variables.get(name[0])
        if not braces:
            return value or ""
        modifier = next((sign for sign in _MODIFIERS if self._text.startswith(sign, self._i)), "")
        self._i += len(modifier)
        if modifier in ("/", "//"):
            pattern = self.read("/", pattern=True)[0]
            self._pass("/")
            replacement = self.read("}")[0]
            self._pass("}")
            return _replaced(value or "", pattern, replacement, self._escape, every=modifier == "//")
        word = self.read("}", pattern=modifier[:1] in ("#", "%"))[0] if modifier else ""
        self._pass("}")
        if modifier[:1] in ("#", "%") and modifier:
            return _cut(value or "", word, modifier, self._escape)
        there = bool(value) if modifier.startswith(":") else value is not None
        match modifier[-1:]:
            case "?" if not there:
                unset = "is not allowed to be empty" if value is not None else "is not allowed to be unset"
                raise InputError(f"{name[0]}: {word or unset}")
            case "+":
                return word if there else ""
            case "-" if not there:
                return word
        return value or ""

    def _pass(self, sign: str) -> None:
        if not self._text.startswith(sign, self._i):
            raise InputError(f'found "{self._text}", expected ${{NAME}} or ${{NAME…}} with one of {" ".join(_MODIFIERS)}')
        self._i += 1

    def _unended(self, quote: str) -> InputError:
        return InputError(f"found {self._text}, expected another {quote}")


Piece = list[str | None]  # characters; None for any


def _pieces(pattern: str, escape: str) -> list[Piece]:
    """A pattern of BuildKit's, split at `*`; `?` is any character."""
    pieces: list[Piece] = [[]]
    i = 0
    while i < len(pattern):
        char = pattern[i]
        if char == "*":
            pieces.append([])
        elif char == "?":
            pieces[-1].append(None)
        else:
            i += char == escape and i + 1 < len(pattern)
            pieces[-1].append(pattern[i])
        i += 1
    return pieces


def _span(pieces: list[Piece], value: str, start: int, *, anchored: bool, longest: bool) -> tuple[int, int] | None:
    """Where the pattern matches first, from `start` on: in time that grows with the value's length alone."""
    first, *rest = [
        re.compile("".join("." if char is None else re.escape(char) for char in piece), re.DOTALL) for piece in pieces
    ]
    found = first.match(value, start) if anchored else first.search(value, start)
    if found is None:
        return None
    begin, end = found.span()
    for number, piece in enumerate(rest, 1):
        if number == len(rest) and longest:
            last = range(len(value) - len(pieces[-1]), end - 1, -1)
            found = next((match for i in last if (match := piece.match(value, i))), None)
        else:
            found = piece.search(value, end)
        if found is None:
            return None
        end = found.end()
    return begin, end


def _replaced(value: str, pattern: str, replacement: str, escape: str, *, every: bool) -> str:
    pieces = _pieces(pattern, escape)
    out, start = "", 0
    while start <= len(value) and (span := _span(pieces, value, start, anchored=False, longest=True)) is not None:
        out += value[start : span[0]] + replacement
        start = span[1]
        if span[0] == span[1]:  # it matches nothing: on with the next character
            out += value[start : start + 1]
            start += 1
        if not every:
            break
    return out + value[start:]


def _cut(value: str, pattern: str, modifier: str, escape: str) -> str:
    """`#` and `##` take the shortest and the longest beginning away that the pattern matches, `%` and `%%` such an end."""
    pieces, longest = _pieces(pattern, escape), len(modifier) == 2
    if modifier.startswith("#"):
        span = _span(pieces, value, 0, anchored=True, longest=longest)
        return value[span[1] :] if span else value
    span = _span([piece[::-1] for piece in reversed(pieces)], value[::-1], 0, anchored=True, longest=longest)
    return value[: len(value) - span[1]] if span else value
