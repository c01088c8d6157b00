"""One call of a tool in the text of an answer, in the ways of the families that write calls.

Hermes and Qwen write JSON between `<tool_call>` marks, Llama bare JSON, a Python list or `<function=NAME>`, Qwen3-Coder
`<function=NAME>` with `<parameter=KEY>` lines, GLM keys and values between `<arg_key>` and `<arg_value>`, Mistral a list or
`NAME{…}` after `[TOOL_CALLS]`, Granite and Phi-4-mini a list after `<|tool_call|>`, DeepSeek fenced JSON after its own marks,
Command-R a list of `tool_name` after `Action:` or `<|START_ACTION|>`, LFM2 a Python list.
"""

import ast
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

Call = tuple[str, str]  # a tool's name, and its arguments in JSON
ToolSchemas = Mapping[str, Mapping[str, Any]]  # a tool's name -> the JSON schema of its arguments

OPENING = (
    "<tool_call>", "<tool_calls>", "<|tool_call|>", "<tools>", "<function_call>", "[TOOL_CALLS]", "<|python_tag|>",
    "<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "<|START_ACTION|>", "<|tool_call_start|>", "functools[",
    "<function=", '<function name="', "Action:",
)  # fmt: skip
CLOSING = (
    "</tool_call>", "</tool_calls>", "<|/tool_call|>", "</tools>", "</function_call>", "</function>", "[/TOOL_CALLS]",
    "<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>", "<|END_ACTION|>", "<|tool_call_end|>",
)  # fmt: skip
_SEPARATOR, _ARGUMENTS, _CALL_ID = "<｜tool▁sep｜>", "[ARGS]", "[CALL_ID]"
# Where these are tokens that steer the model they have no text: here it counts.
MARKS = frozenset({*OPENING, *CLOSING, _SEPARATOR, _ARGUMENTS, _CALL_ID})
_MAX_NESTED = 3  # marks before a call
_FENCED_ONLY = "Action:"
_PART_OF_CALL = ("functools[", "<function=", '<function name="')  # marks that are the beginning of the call itself
_PLAIN = tuple(mark for mark in OPENING if mark not in (*_PART_OF_CALL, _FENCED_ONLY))
_NAME = re.compile(r"[a-zA-Z0-9_.:-]{0,80}")
_WORD = re.compile(r"[\w+-]*")
_BLANK = re.compile(r"\s*")
_KEYS = ("name", "function", "arguments", "parameters", "tool_name", "tool_call_id", "tool_call", "tool_calls")
_BARE = (*(f'{{"{key}":' for key in _KEYS), '{"type":"function"')
_BARE_SHOWN = 400  # characters in which the beginning of bare JSON must show
_LITERAL = 10  # characters: an error so near the end may be a word that is not whole
_MAX_PYTHON = 1 << 16  # characters of calls written in Python
_DECODER = json.JSONDecoder(strict=False, parse_constant=lambda word: _no_constant(word))
_CONSTANTS = {"true": True, "false": False, "null": None}


class MoreNeededError(Exception):
    """What follows decides whether this is a call."""


class NoCallError(Exception):
    """It is none."""


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


class CallParser:
    """A place in the text of an answer. final: no more text comes. Each method moves `at` over what it reads.

    A decision never depends on what comes later: where it would, MoreNeededError is raised.
    """

    def __init__(self, text: str, at: int, schemas: ToolSchemas, *, final: bool) -> None:
        self.text = text
        self.at = at
        self._schemas = schemas
        self._final = final

    # -- words

    def take(self, literal: str) -> bool:
        """Whether the literal is next."""
        if self.text.startswith(literal, self.at):
            self.at += len(literal)
            return True
        if not self._final and literal.startswith(self.text[self.at :]):
            raise MoreNeededError
        return False

    def take_one(self, literals: Sequence[str]) -> str:
        """The literal that is next, the first of them; "" for none. Those that begin others come after them."""
        return next((each for each in literals if self.take(each)), "")

    def blank(self) -> None:
        """Skip white space up to something else, or the end of the answer."""
        match = _BLANK.match(self.text, self.at)
        assert match is not None
        self.at = match.end()
        if self.at == len(self.text) and not self._final:
            raise MoreNeededError

    @property
    def ended(self) -> bool:
        return self.at == len(self.text)

    def _until(self, mark: str) -> str:
        end = self.text.find(mark, self.at)
        if end < 0:
            self._fail_at_end()
        found, self.at = self.text[self.at : end], end + len(mark)
        return found

    def _fail_at_end(self) -> NoReturn:
        raise NoCallError if self._final else MoreNeededError

    # -- calls

    def marked(self, mark: str) -> list[Call]:
        """Those after an opening mark, which has been read."""
        if mark in _PART_OF_CALL:
            self.at -= len(mark) if mark != "functools[" else 1
            return self.body()
        self.blank()
        if mark == _FENCED_ONLY:
            if not self.text.startswith("```", self.at) and not (not self._final and "```".startswith(self.text[self.at :])):
                raise NoCallError
            return self._fence()
        return self.body()

    def body(self, *, fenced: bool = False) -> list[Call]:
        """One JSON value, list or function, whatever form it has. fenced: in a fence there is no other."""
        self.blank()
        for _ in range(_MAX_NESTED):
            if not self.take_one(_PLAIN):
                break
            self.blank()
        if self.take("<function=") or self.take('<function name="'):
            return [self._function()]
        if self.ended:
            self._fail_at_end()
        if self.text[self.at] in "{[":
            return self._json_or_python()
        if self.text[self.at] == "`" and not fenced:
            return self._fence()
        return self._named()

    def bare(self) -> list[Call]:
        """Calls that no mark announces: a JSON object or list that begins as calls do, and names its arguments."""
        shown = re.sub(r"\s", "", self.text[self.at : self.at + _BARE_SHOWN])
        begins = [*_BARE, *("[" + begin for begin in _BARE), *(f"[{name}(" for name in self._schemas)]
        if not any(shown.startswith(begin) for begin in begins):
            if not self._final and any(begin.startswith(shown) for begin in begins):
                raise MoreNeededError
            raise NoCallError
        return self._json_or_python(bare=True)

    def fences(self) -> list[Call]:
        """An answer that is nothing but calls in code fences. Code beside text is an example."""
        found: list[Call] = []
        while True:
            found += self._fence(bare=True)
            self.blank()
            if self.ended:
                return found
            if not self.text.startswith("`", self.at):
                raise NoCallError

    def _fence(self, *, bare: bool = False) -> list[Call]:
        if not self.take("```"):
            raise NoCallError
        match = _WORD.match(self.text, self.at)
        assert match is not None
        self.at = match.end()
        found: list[Call] = []
        while True:
            self.blank()
            if found and (self.ended or self.take("```")):
                return found
            if self.take_one(CLOSING) and found:
                continue
            if bare and self.text[self.at : self.at + 1] in ("{", "["):
                found += self.bare()
            else:
                found += self.body(fenced=True)

    def _json_or_python(self, *, bare: bool = False) -> list[Call]:
        start = self.at
        try:
            value = self._json()
        except NoCallError:
            if self.text[start] != "[":
                raise
            self.at = start + 1
            return self._python_list()
        calls = [self._call(each, bare=bare) for each in (value if isinstance(value, list) else [value])]
        if not calls:
            raise NoCallError
        return [call for each in calls for call in each]

    def _json(self) -> Any:
        try:
            value, self.at = _DECODER.raw_decode(self.text, self.at)
        except json.JSONDecodeError as error:
            near = error.pos >= len(self.text) - _LITERAL or error.msg.startswith("Unterminated")
            if near and not self._final:
                raise MoreNeededError from error
            raise NoCallError from error
        except (ValueError, RecursionError) as error:
            raise NoCallError from error
        return value

    def _call(self, value: Any, *, bare: bool = False, wrapped: bool = False) -> list[Call]:
        """Those of a JSON object, wrapped once or not."""
        if not isinstance(value, dict):
            raise NoCallError
        for key in ("function", "tool_call"):
            if isinstance(value.get(key), dict):
                value = value[key]
        if isinstance(value.get("tool_calls"), list) and value["tool_calls"] and not wrapped:
            return [call for each in value["tool_calls"] for call in self._call(each, bare=bare, wrapped=True)]
        name = next((value[key] for key in ("name", "tool_name", "function") if key in value), None)
        given: Any = next((value[key] for key in ("arguments", "parameters") if key in value), None if bare else {})
        if isinstance(given, str):
            try:
                given = json.loads(given or "{}", parse_constant=_no_constant)
            except (ValueError, RecursionError) as error:
                raise NoCallError from error
        if not isinstance(given, dict):
            raise NoCallError
        return [(self._known(name), json.dumps(given, ensure_ascii=False))]

    def _known(self, name: Any) -> str:
        for each in (name, name.removeprefix("functions.").partition(":")[0]) if isinstance(name, str) else ():
            if each in self._schemas:
                return str(each)
        raise NoCallError

    def _named(self) -> list[Call]:
        """`NAME{…}` as Mistral writes it, NAME(…), and what DeepSeek and GLM write after a name."""
        name = self._name()
        if self.take(_SEPARATOR):
            self.blank()
            if name == "function":
                name = self._name()
            self.blank()
            return [(self._known(name), self._fenced_object())]
        if self.text[self.at : self.at + 1] == "(":
            return self._python_call(name.removesuffix(".call"))
        self.blank()
        if self.take(_CALL_ID):
            self._name()
            self.blank()
        if self.take(_ARGUMENTS):
            self.blank()
        if self.ended:
            self._fail_at_end()
        if self.text[self.at] == "{":
            return [(self._known(name), self._object())]
        return [self._pairs(self._known(name))]

    def _name(self) -> str:
        match = _NAME.match(self.text, self.at)
        assert match is not None
        if match.end() == len(self.text) and not self._final:
            raise MoreNeededError
        if not match[0]:
            raise NoCallError
        self.at = match.end()
        return match[0]

    def _object(self) -> str:
        value = self._json()
        if not isinstance(value, dict):
            raise NoCallError
        return json.dumps(value, ensure_ascii=False)

    def _fenced_object(self) -> str:
        if not self.take("```"):
            return self._object()
        self.take("json")
        self.blank()
        found = self._object()
        self.blank()
        self.take("```")
        return found

    def _function(self) -> Call:
        """After `<function=`: the name, then JSON, or parameters line by line."""
        name = self._known(self._name())
        self.take('"')
        if not self.take(">"):
            raise NoCallError
        self.blank()
        if self.text[self.at : self.at + 1] == "{":
            return name, self._object()
        values: dict[str, Any] = {}
        while not self.take("</function>"):
            if not self.take("<parameter="):
                raise NoCallError
            key = self._until(">")
            values[key] = self._typed(name, key, _without_line_ends(self._until("</parameter>")))
            self.blank()
        return name, json.dumps(values, ensure_ascii=False)

    def _pairs(self, name: str) -> Call:
        """GLM's keys and values, up to the mark that closes the call."""
        values: dict[str, Any] = {}
        while not self.take("</tool_call>"):
            if not self.take("<arg_key>"):
                raise NoCallError
            key = self._until("</arg_key>").strip()
            self.blank()
            if not self.take("<arg_value>"):
                raise NoCallError
            values[key] = self._typed(name, key, _without_line_ends(self._until("</arg_value>")))
            self.blank()
        return name, json.dumps(values, ensure_ascii=False)

    def _typed(self, name: str, key: str, text: str) -> Any:
        """A value that was written without quotes: a string where the tool's schema has one, else JSON if it can be."""
        properties = self._schemas[name].get("properties")
        schema = properties.get(key) if isinstance(properties, Mapping) else None
        kind = schema.get("type") if isinstance(schema, Mapping) else None
        if kind == "string":
            return text
        try:
            return json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            return _CONSTANTS.get(text.strip().lower(), text)

    # -- calls in Python

    def _python_list(self) -> list[Call]:
        found: list[Call] = []
        while True:
            self.blank()
            if found and self.take("]"):
                return found
            found += self._python_call(self._name())
            self.blank()
            self.take(",")

    def _python_call(self, name: str) -> list[Call]:
        """NAME(key=value, …), of which the name has been read."""
        known, start = self._known(name), self.at
        if self.text[start : start + 1] != "(":
            raise NoCallError
        end = self._closing_bracket(start)
        try:
            call = ast.parse("f" + self.text[start:end], mode="eval").body
            if not isinstance(call, ast.Call) or call.args:
                raise NoCallError
            values = {each.arg: _python_value(each.value) for each in call.keywords if each.arg is not None}
            arguments = json.dumps(values, ensure_ascii=False, allow_nan=False)
        except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
            raise NoCallError from error
        self.at = end
        return [(known, arguments)]

    def _closing_bracket(self, start: int) -> int:
        depth, quote, at = 0, "", start
        while at < len(self.text):
            letter = self.text[at]
            if quote:
                if letter == "\\":
                    at += 1
                elif letter == quote:
                    quote = ""
            elif letter in "'\"":
                quote = letter
            elif letter in "([{":
                depth += 1
            elif letter in ")]}":
                depth -= 1
                if not depth:
                    return at + 1
            at += 1
            if at - start > _MAX_PYTHON:
                raise NoCallError
        self._fail_at_end()


def _python_value(node: ast.expr) -> Any:
    if isinstance(node, ast.Name) and node.id in _CONSTANTS:
        return _CONSTANTS[node.id]
    return ast.literal_eval(node)


def _without_line_ends(text: str) -> str:
    return text.removeprefix("\n").removesuffix("\n")
