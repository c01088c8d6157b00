"""A JSON schema as a grammar can keep it: what only restricts an answer further, and no grammar can hold, is left out and named.

Schemas of pydantic, zod and MCP's tools say more than PyPI `llguidance` enforces. All drafts are read as 2020-12.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uuid", "unknown"})
# JSON Schema's own; any other name is an annotation, which restricts nothing.
_STANDARD_FORMATS = frozenset(
    {"idn-email", "idn-hostname", "uri-reference", "iri", "iri-reference", "uri-template", "json-pointer",
     "relative-json-pointer", "regex"}
)  # fmt: skip
_TYPES = ("null", "boolean", "object", "array", "number", "string")
_DROPPED = (
    "uniqueItems", "contains", "minContains", "maxContains", "dependentRequired", "dependentSchemas", "dependencies", "if",
    "then", "else", "unevaluatedItems", "unevaluatedProperties", "propertyNames", "not",
)  # fmt: skip
_MAPS = ("properties", "patternProperties", "$defs", "definitions")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE = ("items", "additionalProperties")
_OPEN = frozenset({"additionalProperties", "patternProperties", "minProperties"})
_APPLICATORS = frozenset({"allOf", "anyOf", "oneOf", "$ref"})
_SHOWN = 200  # characters of a value that a note quotes
_BROKEN = ("unclosed group", "unopened group", "missing expression")  # what is no pattern in any language
_LOOK = re.compile(r"\(\?<?[=!]")

PatternFault = Callable[[str], str]  # what is wrong with a pattern, "" for nothing


@dataclass(frozen=True)
class Omission:
    """pointer: of the keyword in the schema, as #/properties/a/uniqueItems."""

    pointer: str
    value: Any
    why: str = ""

    def __str__(self) -> str:
        value = json.dumps(self.value, ensure_ascii=False, default=repr)
        shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"
        return f"{self.pointer}: {shown}{f' ({self.why})' if self.why else ''}"


@dataclass
class Enforceable:
    """`of` gives the schema without what is left out, which `omitted` then names.

    pattern_fault: asked about each pattern, where there is doubt of them. one_of: whether `oneOf` is named as left out, since
    its schemas overlap. closes: whether an object has the properties that its schema names and no others, where the schema says
    nothing of others: small models do not find an end among properties of their own.
    """

    pattern_fault: PatternFault | None = None
    one_of: bool = False
    closes: bool = False
    omitted: list[Omission] = field(default_factory=list)

    def of(self, schema: Any, pointer: str = "#") -> Any:
        if not isinstance(schema, Mapping):
            return schema
        made = _modern(schema)
        self._names(made, pointer)
        self._negation(made, pointer)
        if made.get("unevaluatedProperties") is False and not made.keys() & _APPLICATORS:
            made.setdefault("additionalProperties", made.pop("unevaluatedProperties"))
        for key in _DROPPED:
            if key in made and not _says_nothing(key, value := made.pop(key), made):
                self._omit(pointer, key, value)
        if self.closes and _is_whole(made):
            made["additionalProperties"] = False
        self._format(made, pointer)
        self._counts(made, pointer)
        if self.pattern_fault is not None and isinstance(made.get("pattern"), str):
            self._pattern(made, pointer)
        if self.one_of and "oneOf" in made:
            self._omit(pointer, "oneOf", "more than one of them may fit")
        return self._inner(made, pointer)

    def _inner(self, made: dict[str, Any], pointer: str) -> dict[str, Any]:
        for key in _MAPS:
            if isinstance(made.get(key), Mapping):
                place = f"{pointer}/{key}"
                made[key] = {name: self.of(inner, f"{place}/{_escaped(name)}") for name, inner in made[key].items()}
        if self.pattern_fault is not None and isinstance(made.get("patternProperties"), Mapping):
            self._pattern_properties(made, pointer)
        for key in _LISTS:
            if isinstance(made.get(key), list):
                made[key] = [self.of(inner, f"{pointer}/{key}/{index}") for index, inner in enumerate(made[key])]
        for key in _SINGLE:
            if key in made:
                made[key] = self.of(made[key], f"{pointer}/{key}")
        return made

    def _omit(self, pointer: str, key: str, value: Any, why: str = "") -> None:
        self.omitted.append(Omission(f"{pointer}/{_escaped(key)}", value, why))

    def _names(self, made: dict[str, Any], pointer: str) -> None:
        """Names of properties that are listed, or that fit a pattern, can be enforced where no others are spoken of."""
        names = made.get("propertyNames")
        if not isinstance(names, Mapping) or made.keys() & {"properties", "patternProperties"}:
            return
        values = made.get("additionalProperties", True)
        listed = names.get("enum", [names["const"]] if "const" in names else None)
        rest = names.keys() - {"type", "enum", "const", "pattern", "title", "description"}
        if isinstance(listed, list) and all(isinstance(name, str) for name in listed) and not rest and "pattern" not in names:
            made |= {"type": made.get("type", "object"), "properties": dict.fromkeys(listed, values)}
        elif isinstance(names.get("pattern"), str) and not rest and listed is None:
            made |= {"type": made.get("type", "object"), "patternProperties": {names["pattern"]: values}}
        else:
            return
        made["additionalProperties"] = False
        del made["propertyNames"]

    def _negation(self, made: dict[str, Any], pointer: str) -> None:
        """`not` of types is a list of the others."""
        negated = made.get("not")
        if negated is False:
            del made["not"]
        elif negated is True or negated == {}:
            del made["not"]
            made["enum"] = []
        elif isinstance(negated, Mapping) and negated.keys() <= {"type", "title", "description"} and "type" in negated:
            kinds = negated["type"] if isinstance(negated["type"], list) else [negated["type"]]
            if "integer" in kinds and "number" not in kinds:
                return  # numbers that are no integers are no type
            unwanted = [*kinds, "integer"] if "number" in kinds else kinds
            own = made.get("type", list(_TYPES))
            wanted = [each for each in ([own] if isinstance(own, str) else own) if each not in unwanted]
            if wanted:
                made["type"] = wanted
                del made["not"]

    def _format(self, made: dict[str, Any], pointer: str) -> None:
        name = made.get("format")
        if not isinstance(name, str) or name in FORMATS:
            return  # what is no name, the library refuses
        del made["format"]
        if name in _STANDARD_FORMATS:
            self._omit(pointer, "format", name)

    def _counts(self, made: dict[str, Any], pointer: str) -> None:
        """How many properties there are can be counted only where those with names must all be there."""
        properties, required = made.get("properties"), made.get("required")
        if not isinstance(properties, Mapping) or not properties.keys() - {
            name for name in (required if isinstance(required, list) else ()) if isinstance(name, str)
        }:
            return
        for key in ("minProperties", "maxProperties"):
            if key in made:
                self._omit(pointer, key, made.pop(key))

    def _pattern(self, made: dict[str, Any], pointer: str) -> None:
        pattern = made.pop("pattern")
        weaker, why = self._weaker(pattern)
        if why:
            self._omit(pointer, "pattern", pattern, why)
        if weaker is not None:
            made["pattern"] = weaker

    def _pattern_properties(self, made: dict[str, Any], pointer: str) -> None:
        """Where a pattern of names has to be weaker, or is left out, others must be let through."""
        found: dict[str, Any] = {}
        for pattern, inner in made["patternProperties"].items():
            weaker, why = self._weaker(pattern)
            if why:
                self._omit(f"{pointer}/patternProperties", pattern, inner, why)
            if weaker is not None and not why:
                found[weaker] = inner
            elif made.get("additionalProperties") is False:
                made["additionalProperties"] = inner
        made["patternProperties"] = found
        if not found:
            del made["patternProperties"]

    def _weaker(self, pattern: str) -> tuple[str | None, str]:
        """A pattern, or as much of it as there can be; and what is wrong with the whole one."""
        assert self.pattern_fault is not None
        why = self.pattern_fault(pattern)
        if not why or any(fault in why for fault in _BROKEN):
            return pattern, ""
        weaker = without_lookaround(pattern)
        return (weaker if weaker != pattern and not self.pattern_fault(weaker) else None), why


def _is_whole(schema: Mapping[str, Any]) -> bool:
    """Whether it names all properties that it speaks of."""
    named, required = schema.get("properties"), schema.get("required", [])
    if not isinstance(named, Mapping) or not named or not isinstance(required, list) or schema.keys() & _OPEN:
        return False
    return all(isinstance(name, str) and name in named for name in required)


def can_close(schema: Any) -> bool:
    """Whether no schema adds properties to those of another: else objects that are closed alone would fit nothing together."""
    if isinstance(schema, list):
        return all(map(can_close, schema))
    if not isinstance(schema, Mapping):
        return True
    if "allOf" in schema or (schema.keys() & {"$ref", "anyOf", "oneOf"} and "properties" in schema):
        return False
    return all(map(can_close, schema.values()))


def _modern(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Older drafts' words in those of 2020-12."""
    made = {key: value for key, value in schema.items() if key not in ("$schema", "x-guidance")}
    if isinstance(made.get("items"), list):
        made["prefixItems"] = made.pop("items")
        if "additionalItems" in made:
            made["items"] = made.pop("additionalItems")
    for limit, key in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(flag := made.get(key), bool):
            del made[key]
            if flag and limit in made:
                made[key] = made.pop(limit)
    for old, new in (("$recursiveRef", "$ref"), ("$dynamicRef", "$ref"), ("$dynamicAnchor", "$anchor")):
        if old in made:
            made.setdefault(new, made.pop(old))
    made.pop("$recursiveAnchor", None)
    if isinstance(made.get("required"), bool):  # draft 3 has it at the property itself
        del made["required"]
    name = made.get("$id")
    if isinstance(name, str) and name.startswith("#"):  # draft 7's anchors
        del made["$id"]
        made["$anchor"] = name[1:]
    return made


def _says_nothing(key: str, value: Any, schema: Mapping[str, Any]) -> bool:
    if key == "uniqueItems":
        return value is False or schema.get("maxItems", 2) == 1
    if key == "propertyNames":
        return value is True or (isinstance(value, Mapping) and value.keys() <= {"type", "title"})
    if key in ("unevaluatedItems", "unevaluatedProperties"):
        return value is True or value == {}
    return value in ({}, []) if key.startswith("depend") else key in ("then", "else") and value in (True, {})


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def without_lookaround(pattern: str) -> str:
    """A pattern without its assertions about what stands before and after: all that it fits, fits what is left."""
    found, at, in_class = "", 0, False
    while at < len(pattern):
        if pattern[at] == "\\":
            if in_class or pattern[at + 1 : at + 2] not in ("b", "B"):
                found += pattern[at : at + 2]
            at += 2
        elif not in_class and _LOOK.match(pattern, at):
            at = _group_end(pattern, at)
        else:
            in_class = pattern[at] == "[" or (in_class and pattern[at] != "]")
            found += pattern[at]
            at += 1
    return found


def _group_end(pattern: str, at: int) -> int:
    """Behind the bracket that closes the group which begins here."""
    depth, in_class = 0, False
    while at < len(pattern):
        letter = pattern[at]
        if letter == "\\":
            at += 1
        elif in_class:
            in_class = letter != "]"
        elif letter == "[":
            in_class = True
        elif letter in "()":
            depth += 1 if letter == "(" else -1
            if not depth:
                return at + 1
        at += 1
    return len(pattern)
