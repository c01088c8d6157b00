"""Calls of tools in an answer that comes in pieces."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from wherry.text.calls import CLOSING, OPENING, Call, CallParser, MoreNeededError, NoCallError

_THINKS, _THOUGHT = "<think>", "</think>"
_CANDIDATE = re.compile("|".join(map(re.escape, (*OPENING, _THINKS))) + "|`+|[{\\[]")
_STARTS = (*OPENING, _THINKS)
_LONGEST = max(map(len, _STARTS))
_DECIDES = re.compile(r"[}\])>`]")  # what a call may end with: before it there is nothing new to try
_GROWTH = 1.25  # of the text that waits, after which it is tried all the same


class CallReader:
    """`add` and `end` give what is text, `calls` has what is not.

    What may be a call is held back until it is one, or is none and becomes text. Code in fences and between backticks is an
    example, and so is a thought between `<think>` marks; but an answer that is nothing but a fence with a call is that call.
    """

    def __init__(
        self,
        names: Sequence[str] | Mapping[str, Mapping[str, Any]],
        *,
        expected: bool = False,
        most: int | None = None,
    ) -> None:
        """names: of the tools, with the schemas of their arguments where the types of values are to be known; any other call
        is text. expected: the answer is nothing but calls. most: further calls are left out.
        """
        self._schemas = dict(names) if isinstance(names, Mapping) else {name: {} for name in names}
        self.calls: list[Call] = []
        self._most = most
        self._text = ""  # what is not decided yet
        self._expected = expected
        self._begun = False  # whether text was said
        self._before = "\n"  # the character before `_text`
        self._after_call = False  # nothing but white space came since a call
        self._closer = ""  # what ends the code or the thought that the text is in
        self._tried = 0  # characters that waited when they were last tried

    def add(self, piece: str) -> str:
        """The next piece -> what of the answer is text by now."""
        self._text += piece
        if self._tried and not _DECIDES.search(piece) and len(self._text) < self._tried * _GROWTH:
            return ""
        return self._read(final=False)

    def end(self) -> str:
        """What was held back and is no call."""
        return self._read(final=True)

    def _read(self, *, final: bool) -> str:
        said: list[str] = []
        self._tried = 0
        try:
            while self._text:
                said.append(self._next(final))
        except MoreNeededError:
            self._tried = len(self._text)
        return "".join(said)

    def _next(self, final: bool) -> str:
        """What is decided next: text, or a call, which is none. Raises MoreNeededError where nothing is."""
        if self._expected:
            self._expected = False
            if self._try(lambda parser: parser.body(), 0, final, again=True):
                return ""
        if self._closer:
            return self._code(final)
        if self._after_call:
            return self._following(final)
        if not self._begun and (opened := self._opening(final)) is not None:
            return opened
        return self._plain(final)

    def _opening(self, final: bool) -> str | None:
        """The beginning of an answer: calls may stand here without a mark, and after white space."""
        at = len(self._text) - len(self._text.lstrip())
        if at == len(self._text):
            if not final:
                raise MoreNeededError
            return self._say(at)
        if self._text[at] == "`":
            if not final and "```".startswith(self._text[at:]):
                raise MoreNeededError
            if self._text.startswith("```", at) and self._try(lambda parser: parser.fences(), at, final):
                return ""
        if self._text[at] in "{[" and self._try(lambda parser: parser.bare(), at, final):
            return ""
        return None

    def _following(self, final: bool) -> str:
        """What comes after a call: marks that close it, white space and separators are no text; JSON is a call again."""
        parser = CallParser(self._text, 0, self._schemas, final=final)
        parser.blank()
        parser.take_one(CLOSING)
        if parser.at:
            self._drop(parser.at)
            return ""
        at = 0
        if self._text[0] in ";,":
            parser.at = 1
            parser.blank()
            at = parser.at
        if self._text[at : at + 1] in ("{", "[") and self._try(lambda parser: parser.bare(), at, final):
            return ""
        self._after_call, self._before = False, "\n"
        return ""

    def _plain(self, final: bool) -> str:
        """Text up to what may be a call."""
        for match in _CANDIDATE.finditer(self._text):
            at, what = match.start(), match[0]
            line_begins = (self._text[at - 1] if at else self._before) == "\n"
            if (what in "{[" or what == "Action:") and not line_begins:
                continue
            if at:
                blank = not self._begun and not self._text[:at].strip()
                if blank and what[0] not in "`{[" and what != _THINKS:  # before a call it is no text
                    if self._try(lambda parser, what=what: parser.marked(what), match.end(), final):
                        return ""
                    return self._say(match.end())
                return self._say(at)
            return self._candidate(what, match.end(), final)
        held = 0 if final else self._partial()
        if held == len(self._text):
            raise MoreNeededError
        return self._say(len(self._text) - held)

    def _candidate(self, what: str, end: int, final: bool) -> str:
        if what[0] == "`":
            if end == len(self._text) and not final:
                raise MoreNeededError
            self._closer = "`" * len(what)
            return self._say(end)
        if what == _THINKS:
            self._closer = _THOUGHT
            return self._say(end)
        if what in "{[":
            if not final and any(start.startswith(self._text) for start in _STARTS):
                raise MoreNeededError
            if self._try(lambda parser: parser.bare(), 0, final):
                return ""
            return self._say(end)
        if self._try(lambda parser: parser.marked(what), end, final):
            return ""
        return self._say(end)

    def _code(self, final: bool) -> str:
        """Text in which nothing is a call, up to its end. Code between single backticks ends with the line, too."""
        ends = [self._text.find(self._closer)]
        inline = self._closer in ("`", "``")
        if inline:
            ends.append(self._text.find("\n"))
        if whole := [end for end in ends if end >= 0]:
            end = min(whole)
            end += 1 if inline and self._text[end] == "\n" else len(self._closer)
            self._closer = ""
            return self._say(end)
        held = 0 if final else next((n for n in range(len(self._closer) - 1, 0, -1) if self._text.endswith(self._closer[:n])), 0)
        if held == len(self._text):
            raise MoreNeededError
        return self._say(len(self._text) - held)

    def _partial(self) -> int:
        """Characters at the end that may be the beginning of a mark."""
        for size in range(min(_LONGEST - 1, len(self._text)), 0, -1):
            tail = self._text[-size:]
            if any(start.startswith(tail) for start in _STARTS):
                return size
        return 0

    def _try(self, read: Any, at: int, final: bool, *, again: bool = False) -> bool:
        """Take the calls that `read` finds from a place on. again: what needs more text is asked for once more."""
        parser = CallParser(self._text, at, self._schemas, final=final)
        try:
            found = read(parser)
        except NoCallError:
            return False
        except MoreNeededError:
            self._expected = again
            raise
        room = len(found) if self._most is None else max(0, self._most - len(self.calls))
        self.calls += found[:room]
        self._drop(parser.at)
        self._after_call = True
        return True

    def _drop(self, size: int) -> None:
        self._before, self._text = self._text[size - 1], self._text[size:]

    def _say(self, size: int) -> str:
        said = self._text[:size]
        self._begun = self._begun or bool(said.strip())
        self._drop(size)
        return said
