"""The types of WASI's functions, read from its own files, and whether a component's imports are of them.

A component says itself what types its imports have, and the host's functions would be called with whatever these allow.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from wasmtime.component import _types as types

_FILES = Path(__file__).with_name("wit")
_USE = re.compile(r"use (?:wasi:([\w-]+)/)?([\w-]+)(?:@[\d.]+)?\.\{([^}]*)\};")
_TOKEN = re.compile(r"->|[\w-]+|[{}()<>,:;=]")
_ATTRIBUTE = re.compile(r"@unstable\([^)]*\)")
_RESOURCE = "resource"
_NUMBERS = {
    types.Bool: "bool", types.Char: "char", types.String: "string", types.U8: "u8", types.S8: "s8", types.U16: "u16",
    types.S16: "s16", types.U32: "u32", types.S32: "s32", types.U64: "u64", types.S64: "s64", types.F32: "f32", types.F64: "f64",
}  # fmt: skip

Type = Callable[[], str]  # found when it is asked for: names may come before what they mean


@cache
def contract(interface: str) -> dict[str, str]:
    """wasi:io/poll -> its functions by their names in a component, each with its type as `described` has it."""
    return {name: made() for name, made in _interfaces(interface.partition("/")[0])[interface].functions.items()}


def described(kind: types.FuncType) -> str:
    """A function's type in a form that can be compared; of resources it says how they are held."""
    result = _described(kind.result) if kind.result else "_"
    return f"({','.join(_described(type_) for _, type_ in kind.params)})->{result}"


def _described(kind: Any) -> str:
    for number, name in _NUMBERS.items():
        if type(kind) is number:
            return name
    match kind:
        case types.OwnType():
            return "own"
        case types.BorrowType():
            return "borrow"
        case types.ListType():
            return f"list<{_described(kind.element)}>"
        case types.OptionType():
            return f"option<{_described(kind.payload)}>"
        case types.ResultType():
            return f"result<{_or_none(kind.ok)},{_or_none(kind.err)}>"
        case types.TupleType():
            return f"tuple<{','.join(map(_described, kind.elements))}>"
        case types.RecordType():
            return f"record<{','.join(f'{name}:{_described(each)}' for name, each in kind.fields)}>"
        case types.VariantType():
            return f"variant<{','.join(f'{name}:{_or_none(each)}' for name, each in kind.cases)}>"
        case types.EnumType():
            return f"enum<{','.join(kind.names)}>"
        case types.FlagsType():
            return f"flags<{','.join(kind.names)}>"
        case _:
            return type(kind).__name__


def _or_none(kind: Any) -> str:
    return _described(kind) if kind is not None else "_"


# -- WASI's files


class _Interface:
    def __init__(self) -> None:
        self.types: dict[str, Type] = {}
        self.functions: dict[str, Type] = {}


@cache
def _interfaces(package: str) -> dict[str, _Interface]:
    """wasi:io -> its interfaces by their names."""
    text = _ATTRIBUTE.sub("", (_FILES / f"{package.removeprefix('wasi:')}.wit").read_text(encoding="utf-8")).replace("%", "")
    found: dict[str, _Interface] = {}
    for name, body in re.findall(r"^interface ([\w-]+) \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL):
        made = found[f"{package}/{name}"] = _Interface()
        for other, interface, names in _USE.findall(body):
            source = f"wasi:{other}" if other else package
            for each in names.split(","):
                first, _, last = each.strip().partition(" as ")
                made.types[last or first] = _used(source, f"{source}/{interface}", first)
        _Reader(_USE.sub("", body), made).items("")
    return found


def _made(inner: Type | None) -> str:
    return inner() if inner is not None else "_"


def _used(package: str, interface: str, name: str) -> Type:
    return lambda: _interfaces(package)[interface].types[name]()


class _Reader:
    """One interface's body, token by token."""

    def __init__(self, body: str, made: _Interface) -> None:
        self._tokens: Iterator[str] = iter(_TOKEN.findall(body))
        self._next = next(self._tokens, "")
        self._made = made

    def _take(self, expected: str = "") -> str:
        token, self._next = self._next, next(self._tokens, "")
        if expected and token != expected:
            raise ValueError(f"contract: found {token}, expected {expected}")
        return token

    def _skip(self, token: str) -> bool:
        if self._next == token:
            self._take()
            return True
        return False

    def items(self, resource: str) -> None:
        """To the end of the interface, or of a resource."""
        while self._next and not self._skip("}"):
            word = self._take()
            if word in ("record", "variant", "enum", "flags") and self._next != ":":
                name = self._take()
                self._made.types[name] = self._listed(word)
            elif word == "type" and self._next != ":":
                name = self._take()
                self._take("=")
                self._made.types[name] = self._type()
                self._take(";")
            elif word == "resource" and self._next != ":":
                name = self._take()
                self._made.types[name] = lambda: _RESOURCE
                if not self._skip(";"):
                    self._take("{")
                    self.items(name)
            elif word == "constructor":
                self._made.functions[f"[constructor]{resource}"] = self._function([], lambda: "own")
            else:
                self._take(":")
                static = self._skip("static")
                self._take("func")
                before: list[Type] = [] if static or not resource else [lambda: "borrow"]
                kind = "static" if static else "method"
                self._made.functions[f"[{kind}]{resource}.{word}" if resource else word] = self._function(before, lambda: "_")

    def _function(self, before: list[Type], result: Type) -> Type:
        self._take("(")
        parameters = list(before)
        while not self._skip(")"):
            self._take()
            self._take(":")
            parameters.append(self._type())
            self._skip(",")
        if self._skip("->"):
            result = self._type()
        self._take(";")
        return lambda: f"({','.join(each() for each in parameters)})->{result()}"

    def _listed(self, kind: str) -> Type:
        self._take("{")
        cases: list[tuple[str, Type | None]] = []
        while not self._skip("}"):
            name = self._take()
            inner: Type | None = None
            if self._skip("("):
                inner = self._type()
                self._take(")")
            elif self._skip(":"):
                inner = self._type()
            self._skip(",")
            cases.append((name, inner))
        if kind in ("enum", "flags"):
            return lambda: f"{kind}<{','.join(name for name, _ in cases)}>"
        return lambda: f"{kind}<{','.join(f'{name}:{_made(inner)}' for name, inner in cases)}>"

    def _type(self) -> Type:
        word = self._take()
        inner: list[Type] = []
        if self._skip("<"):
            while not self._skip(">"):
                inner.append((lambda: "_") if self._skip("_") else self._type())
                self._skip(",")
        match word:
            case "own" | "borrow":
                return lambda: word
            case "result":
                ok, err = [*inner, None, None][:2]
                return lambda: f"result<{_made(ok)},{_made(err)}>"
            case "list" | "option" | "tuple":
                return lambda: f"{word}<{','.join(each() for each in inner)}>"
        if word in _NUMBERS.values():
            return lambda: word
        named = self._made.types
        return lambda: "own" if (found := named[word]()) == _RESOURCE else found


def fault(interface: str, name: str, kind: types.FuncType) -> str:
    """Why an import is not of the contract's type, or nothing."""
    wanted = contract(interface).get(name)
    found = described(kind)
    return "" if wanted in (None, found) else f"found {found[:300]}, expected {str(wanted)[:300]}"
