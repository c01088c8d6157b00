"""Words of a Dockerfile: quotes, escapes and variables, as docker's documentation has them ("Environment replacement")."""

import json
import re
from collections.abc import Mapping

from wherry.errors import InputError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = (":-", ":+", "-", "+")
_BLANKS = " \t\v\f\r"


def split_words(text: str) -> list[str]:
    """Split at blanks outside of quotes; the words keep their quotes and escapes."""
    words: list[str] = []
    word, quote, i = "", "", 0
    while i < len(text):
        char = text[i]
        if char == "\\" and quote != "'":
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
    except ValueError:
        return None
    return found if isinstance(found, list) and all(isinstance(word, str) for word in found) else None


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace variables, take quotes and escapes away. A variable that is not set is empty. Raises InputError."""
    found, end = _Reader(text, variables).read("")
    if end != len(text):
        raise InputError(f'found "{text[end]}" in "{text}" that ends nothing')
    return found


class _Reader:
    def __init__(self, text: str, variables: Mapping[str, str]) -> None:
        self._text = text
        self._variables = variables
        self._i = 0

    def read(self, end: str) -> tuple[str, int]:
        """Up to `end` (not within quotes) or the end of the text -> the words so far, and where it stopped."""
        found = ""
        while self._i < len(self._text) and (not end or self._text[self._i] != end):
            char = self._text[self._i]
            match char:
                case "'":
                    found += self._until("'")
                case '"':
                    found += self._in_double_quotes()
                case "$":
                    found += self._variable()
                case "\\":
                    found += self._text[self._i + 1 : self._i + 2]
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
            elif char == "\\" and self._text[self._i + 1 : self._i + 2] in ('"', "$", "\\"):
                found += self._text[self._i + 1]
                self._i += 2
            else:
                found += char
                self._i += 1
        raise self._unended('"')

    def _variable(self) -> str:
        """`$NAME`, `${NAME}`, and `${NAME:-word}`, `${NAME:+word}` with or without the colon."""
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
        operator = next((sign for sign in _OPERATORS if self._text.startswith(sign, self._i)), "")
        self._i += len(operator)
        word = self.read("}")[0] if operator else ""
        if not self._text.startswith("}", self._i):
            raise InputError(f'found "{self._text}", expected ${{NAME}}, ${{NAME:-word}} or ${{NAME:+word}}')
        self._i += 1
        there = bool(value) if operator.startswith(":") else value is not None
        if operator.endswith("+"):
            return word if there else ""
        return (value or "") if there or not operator else word

    def _unended(self, quote: str) -> InputError:
        return InputError(f"found {self._text}, expected another {quote}")
