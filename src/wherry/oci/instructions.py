"""A Dockerfile's lines, as BuildKit's parser reads them: instructions with their flags and heredocs, nothing evaluated.

A line ends at LF alone: U+2028, U+0085 and a form feed are text. Bytes that are no UTF-8 are there as surrogates.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from wherry.errors import InputError
from wherry.oci.words import split_words

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*")
_BLANKS = "[\\t\\v\\f\\r ]+"  # what separates an instruction from its words
_FLAG = re.compile(r"--([a-z-]+)(?:=(.*))?", re.DOTALL)
_HEREDOC = re.compile(r"[0-9]*<<(-?)([^<]+)")
_WITH_HEREDOCS = ("COPY", "ADD", "RUN")
_MAX_INSTRUCTIONS = 10_000


@dataclass(frozen=True)
class Heredoc:
    """`<<NAME` and the lines up to it; expands: whether variables in them are replaced (its name was not quoted)."""

    word: str
    name: str
    content: str
    expands: bool


@dataclass(frozen=True)
class Instruction:
    """`line` counts from 1, `words` is what follows the name and its flags, its continuation lines joined."""

    line: int
    name: str
    words: str
    flags: tuple[tuple[str, str], ...] = ()
    heredocs: tuple[Heredoc, ...] = ()
    escape: str = "\\"

    def __str__(self) -> str:
        flags = "".join(f" --{name}={value}" if value else f" --{name}" for name, value in self.flags)
        return f"{self.name}{flags} {self.words}".rstrip()


def parse_dockerfile(text: str, place: str) -> list[Instruction]:
    """The instructions, in order. Raises InputError for what is none, and where there is none at all."""
    lines = iter(enumerate(text.removeprefix("\ufeff").split("\n"), 1))
    found: list[Instruction] = []
    waiting, begin = "", 0
    directives, escape = True, "\\"
    for number, full in lines:
        raw = full.removesuffix("\r")
        line = raw.strip()
        if directives and (directive := _DIRECTIVE.fullmatch(line)) is not None:
            if directive[1].lower() == "escape":
                escape = _escape(directive[2], f"{place}:{number}")
            continue
        directives = False
        if line.startswith("#") or not line:
            continue  # also between continued lines
        begin = begin or number
        continued = re.search(rf"(?:^|[^{re.escape(escape)}])({re.escape(escape)}[ \t]*)$", raw)
        if continued is not None:
            waiting += raw[: continued.start(1)]
            continue
        found.append(_instruction(begin, waiting + raw, escape, lines, place))
        waiting, begin = "", 0
        if len(found) > _MAX_INSTRUCTIONS:
            raise InputError(f"{place}: found more than {_MAX_INSTRUCTIONS} instructions, expected fewer")
    if waiting.strip():
        found.append(_instruction(begin, waiting, escape, lines, place))
    if not found:
        raise InputError(f"{place}: found no instruction, expected FROM scratch and what follows")
    return found


def _escape(text: str, place: str) -> str:
    if text not in ("\\", "`"):
        raise InputError(f'{place}: escape: found "{text}", expected \\ or `')
    return text


def _instruction(line: int, text: str, escape: str, lines: Iterator[tuple[int, str]], place: str) -> Instruction:
    name, *rest = re.split(_BLANKS, text.strip(), maxsplit=1)
    if not re.fullmatch(r"[A-Za-z]+", name):
        raise InputError(f'{place}:{line}: found "{name[:40]}", expected an instruction such as COPY')
    name, words = name.upper(), rest[0].strip() if rest else ""
    flags: list[tuple[str, str]] = []
    while (word := re.split(_BLANKS, words, maxsplit=1)) and (flag := _FLAG.fullmatch(word[0])) is not None:
        flags.append((flag[1], flag[2] or ""))
        words = word[1] if len(word) > 1 else ""
    heredocs = tuple(_heredocs(line, words, escape, lines, place)) if name in _WITH_HEREDOCS else ()
    return Instruction(line, name, words, tuple(flags), heredocs, escape)


def _heredocs(line: int, words: str, escape: str, lines: Iterator[tuple[int, str]], place: str) -> Iterator[Heredoc]:
    for word in split_words(words, escape):
        match = _HEREDOC.fullmatch(word)
        if match is None:
            continue
        name = re.sub(r"[\"']", "", match[2])
        content = ""
        for _, raw in lines:
            text = raw.lstrip("\t") if match[1] else raw
            if text.removesuffix("\r") == name:
                break
            content += text + "\n"
        else:
            raise InputError(f"{place}:{line}: found {word} without a line {name} that ends it")
        yield Heredoc(word, name, content, name == match[2])
