"""llama.cpp's grammars (GBNF) in Lark's language, as llguidance reads it.

llguidance's own reader knows neither `\\-` nor `\\u00e9`, takes `.` for anything but a line feed and `&&` in brackets for an
intersection. And it makes tokens of a lexer of what it can, as long as can be: `name ::= [a-z]+ [ \\n]*` before a "\\n" would
leave that nothing. In GBNF every character is for the grammar to decide. So a grammar is read here, as llama.cpp's parser reads
it (src/llama-grammar.cpp), and every token of the lexer is one character. A mask of 49,152 tokens takes 2 ms then, and took 0.1.
"""

import dataclasses
import re
from dataclasses import dataclass

from wherry.errors import InputError

_LARK = re.compile(r"^\s*(%llguidance\b|start\s*:(?!:=))", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_NUMBER = re.compile(r"[0-9]{1,9}")
_ESCAPES = {"t": "\t", "r": "\r", "n": "\n", **{letter: letter for letter in '\\"[]-'}}
_CODES = {"x": 2, "u": 4, "U": 8}  # digits of a character's number
_ANY = "/[\\x00-\U0010ffff]/"
_MAX_TIMES = 2000  # llama.cpp's own; what may come more often may come without end
_MAX_DEPTH = 200  # of brackets


def is_lark(text: str) -> bool:
    """Whether a grammar is written in Lark's language, which llguidance reads itself."""
    return _LARK.search(text) is not None


def lark_of_gbnf(text: str, field: str = "grammar") -> str:
    """The same grammar in Lark's language. Raises InputError, with the place, for what llama.cpp would refuse."""
    return _Reader(text, field).grammar()


@dataclass
class _Reader:
    text: str
    field: str
    at: int = 0
    rules: dict[str, int] = dataclasses.field(default_factory=dict)  # the number of each name
    defined: dict[int, str] = dataclasses.field(default_factory=dict)

    def grammar(self) -> str:
        self._space(lines=True)
        while self.at < len(self.text):
            self._rule()
        for name, number in self.rules.items():
            if number not in self.defined:
                raise InputError(f'{self.field}: found no rule "{name}", expected each rule that is named')
        if "root" not in self.rules:
            raise InputError(f'{self.field}: found no rule "root", expected one where the grammar begins')
        start = f"%llguidance {{}}\n\nstart: {_rule_name(self.rules['root'])}\n"
        return start + "".join(f"{_rule_name(number)}: {body}\n" for number, body in self.defined.items())

    def _rule(self) -> None:
        number = self._number(self._name("the name of a rule"))
        self._space()
        self._expect("::=")
        self._space(lines=True)
        self.defined[number] = self._alternatives(0)
        if self.at < len(self.text) and self.text[self.at] not in "\r\n":
            raise self._fault("the end of the rule")
        self._space(lines=True)

    def _alternatives(self, depth: int) -> str:
        if depth > _MAX_DEPTH:
            raise self._fault(f"at most {_MAX_DEPTH} brackets within each other")
        found = [self._sequence(depth)]
        while self._next("|"):
            self._space(lines=True)
            found.append(self._sequence(depth))
        return " | ".join(found)

    def _sequence(self, depth: int) -> str:
        parts: list[str] = []
        weights: list[int] = []  # how often each is repeated, one repetition within another
        while self.at < len(self.text):
            letter = self.text[self.at]
            if letter == '"':
                parts.append(self._literal())
            elif letter == "[":
                parts.append(self._brackets())
            elif letter == "(":
                self.at += 1
                self._space(lines=True)
                parts.append(f"({self._alternatives(depth + 1)})")
                self._expect(")")
            elif letter == ".":
                self.at += 1
                parts.append(_ANY)
            elif letter in "*+?{":
                if not parts:
                    raise self._fault("something to repeat before it")
                times, count = self._times()
                weights[-1] *= count
                if weights[-1] >= _MAX_TIMES:
                    raise self._fault(f"fewer than {_MAX_TIMES} times in all")
                parts[-1] = f"({parts[-1]}){times}"
            elif letter in "<!":
                raise self._fault("characters", "tokens by name or number cannot stand in a grammar here")
            elif _NAME.match(letter):
                parts.append(_rule_name(self._number(self._name("the name of a rule"))))
            else:
                break
            weights += [1] * (len(parts) - len(weights))
            self._space(lines=depth > 0)
        return " ".join(parts) or '""'

    def _times(self) -> tuple[str, int]:
        """How often, as Lark writes it, and a number of it."""
        letter = self.text[self.at]
        self.at += 1
        if letter != "{":
            return letter, 1
        self._space(lines=True)
        least = most = self._count()
        self._space(lines=True)
        if self._next(","):
            self._space(lines=True)
            most = self._count() if _NUMBER.match(self.text, self.at) else _MAX_TIMES + 1
            self._space(lines=True)
        self._expect("}")
        if least > _MAX_TIMES or most < least:
            raise self._fault(f"{least} to {most} times", f"at most {_MAX_TIMES} times, and no fewer than at least")
        return (f"{{{least},}}", max(least, 1)) if most > _MAX_TIMES else (f"{{{least},{most}}}", max(most, 1))

    def _count(self) -> int:
        found = _NUMBER.match(self.text, self.at)
        if found is None:
            raise self._fault("a number")
        self.at = found.end()
        return int(found[0])

    def _literal(self) -> str:
        self.at += 1
        letters = []
        while not self._next('"'):
            letters.append(self._letter())
        return " ".join(f'"{_quoted(letter)}"' for letter in letters) or '""'

    def _brackets(self) -> str:
        self.at += 1
        other = self._next("^")
        parts, empty = [], True
        while not self._next("]"):
            first, empty = self._letter(), False
            part = _bracketed(first)
            if self.text.startswith("-", self.at) and not self.text.startswith("-]", self.at):
                self.at += 1
                last = self._letter()
                part = f"{part}-{_bracketed(last)}" if first <= last else ""  # a range backwards has nothing in it
            parts.append(part)
        if any(parts):
            return f"/[{'^' if other else ''}{''.join(parts)}]/"
        if not empty and not other:
            raise self._fault("brackets with a character in them")
        return '""' if empty else _ANY

    def _letter(self) -> str:
        if self.at >= len(self.text):
            raise self._fault("the end of a text or of brackets")
        letter = self.text[self.at]
        self.at += 1
        if letter != "\\":
            return letter
        kind = self.text[self.at : self.at + 1]
        self.at += 1
        if kind in _CODES:
            digits = self.text[self.at : self.at + _CODES[kind]]
            if not re.fullmatch(f"[0-9A-Fa-f]{{{_CODES[kind]}}}", digits):
                raise self._fault(f"{_CODES[kind]} hexadecimal digits after \\{kind}")
            self.at += len(digits)
            code = int(digits, 16)
            if code > 0x10FFFF or 0xD800 <= code < 0xE000:
                raise self._fault("the number of a character", f"U+{code:04X} is none")
            return chr(code)
        if not kind or kind not in _ESCAPES:
            self.at -= 1
            raise self._fault(f"one of {' '.join(_CODES)} {' '.join(_ESCAPES)} after a backslash")
        return _ESCAPES[kind]

    def _space(self, *, lines: bool = False) -> None:
        """And comments."""
        while self.at < len(self.text):
            letter = self.text[self.at]
            if letter == "#":
                end = re.compile(r"[\r\n]|\Z").search(self.text, self.at)
                self.at = end.start() if end else len(self.text)
            elif letter in " \t" or (lines and letter in "\r\n"):
                self.at += 1
            else:
                break

    def _name(self, expected: str) -> str:
        found = _NAME.match(self.text, self.at)
        if found is None:
            raise self._fault(expected)
        self.at = found.end()
        return found[0]

    def _number(self, name: str) -> int:
        return self.rules.setdefault(name, len(self.rules))

    def _next(self, letter: str) -> bool:
        """Whether it comes next; then it is passed."""
        found = self.text.startswith(letter, self.at)
        self.at += len(letter) if found else 0
        return found

    def _expect(self, letters: str) -> None:
        if not self._next(letters):
            raise self._fault(f'"{letters}"')

    def _fault(self, expected: str, hint: str = "") -> InputError:
        line = self.text.count("\n", 0, self.at) + 1
        column = self.at - self.text.rfind("\n", 0, self.at)
        found = repr(self.text[self.at : self.at + 20]) if self.at < len(self.text) else "the end"
        return InputError(f"{self.field}: line {line}, column {column}: found {found}, expected {expected}", hint=hint)


def _rule_name(number: int) -> str:
    return f"rule{number}"


def _quoted(letter: str) -> str:
    if letter in '"\\':
        return "\\" + letter
    return letter if " " <= letter <= "~" or letter >= "\x80" else f"\\x{ord(letter):02x}"


def _bracketed(letter: str) -> str:
    """Nothing but letters and digits is safe: what else means something in brackets is another library's to say."""
    return letter if (letter.isascii() and letter.isalnum()) or letter >= "\x80" else f"\\x{ord(letter):02x}"
