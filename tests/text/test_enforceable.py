"""Schemas as pydantic, zod and MCP's tools write them: what a grammar can keep is kept, what it cannot is left out by name."""

import contextlib
import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.text.test_constraint import drawn, vocabulary, words  # noqa: F401 - fixtures
from wherry.errors import InputError
from wherry.text.constraint import GrammarWords, json_schema
from wherry.text.enforceable import without_lookaround
from wherry.text.language import Vocabulary

HOST = {"type": "string", "format": "ipv4"}
SMALL = {"type": "integer", "minimum": 0, "maximum": 9}


def properties(**named: Any) -> dict[str, Any]:
    return {"type": "object", "properties": named, "required": list(named), "additionalProperties": False}


# Schema, and the places that cannot be enforced.
TAKEN: dict[str, tuple[Any, list[str]]] = {
    "set": (properties(t={"type": "array", "items": SMALL, "uniqueItems": True, "maxItems": 3}), ["#/properties/t/uniqueItems"]),
    "set of any": (properties(t={"type": "array", "items": SMALL, "uniqueItems": False, "maxItems": 3}), []),
    "record": (
        {"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": SMALL, "maxProperties": 2}, []),
    "record of an enum": (
        {"type": "object", "propertyNames": {"enum": ["a", "b"]}, "additionalProperties": SMALL}, []),
    "record of a pattern": (
        {"type": "object", "propertyNames": {"pattern": "^[ab]$"}, "additionalProperties": SMALL, "maxProperties": 1}, []),
    "names beside names": (
        {**properties(a=SMALL), "propertyNames": {"maxLength": 3}}, ["#/propertyNames"]),
    "not null": (properties(n={"not": {"type": "null"}, "type": ["integer", "null"], "minimum": 0, "maximum": 9}), []),
    "not a value": (properties(n={**SMALL, "not": {"const": 3}}), ["#/properties/n/not"]),
    "never": ({**properties(a=SMALL), "properties": {"a": SMALL, "b": {"not": {}}}, "required": ["a"]}, []),
    "password": (properties(p={"type": "string", "format": "password", "maxLength": 5, "writeOnly": True}), []),
    "int64": (properties(p={**SMALL, "format": "int64"}), []),
    "json pointer": (
        properties(p={"type": "string", "format": "json-pointer", "maxLength": 5}), ["#/properties/p/format"]),
    "host": (properties(d=HOST), []),
    "one of that overlaps": (properties(v={"oneOf": [SMALL, {"type": "number", "maximum": 9}]}), ["#/properties/v/oneOf"]),
    "one of with a tag": (
        {"oneOf": [properties(k={"const": "a"}, x=SMALL), properties(k={"const": "b"}, y=HOST)],
         "discriminator": {"propertyName": "k"}}, []),
    "lookahead": (
        properties(p={"type": "string", "pattern": "^(?!00)[0-9]{2}(?=x?)$"}), ["#/properties/p/pattern"]),
    "word boundary": (properties(p={"type": "string", "pattern": r"^\bab?\b$"}), ["#/properties/p/pattern"]),
    "back reference": (
        properties(p={"type": "string", "pattern": r"^(a|b)\1$", "maxLength": 4}), ["#/properties/p/pattern"]),
    "names by lookahead": (
        {"type": "object", "patternProperties": {"^(?!a)[bc]$": SMALL}, "additionalProperties": False, "maxProperties": 1},
        ["#/patternProperties/^(?!a)[bc]$"],
    ),
    "contains": (
        properties(t={"type": "array", "items": SMALL, "contains": {"const": 1}, "maxItems": 2}), ["#/properties/t/contains"]),
    "dependent": ({**properties(a=SMALL), "dependentRequired": {"b": ["a"]}}, ["#/dependentRequired"]),
    "if then": (
        {**properties(a=SMALL), "if": {"properties": {"a": {"const": 1}}}, "then": {"required": ["a"]}}, ["#/if", "#/then"]),
    "count of optional": (
        {"type": "object", "properties": {"a": SMALL, "b": SMALL}, "minProperties": 1, "additionalProperties": False},
        ["#/minProperties"],
    ),
    "unevaluated": (
        {"type": "object", "properties": {"a": SMALL}, "required": ["a"], "unevaluatedProperties": False}, []),
    "draft 7 by https": ({"$schema": "https://json-schema.org/draft-07/schema", **properties(a=SMALL)}, []),
    "draft 4": (
        {"$schema": "http://json-schema.org/draft-04/schema#",
         **properties(a={"type": "integer", "minimum": 1, "exclusiveMinimum": True, "maximum": 3})}, []),
    "unknown dialect": ({"$schema": "https://example.com/dialect", **properties(a=SMALL)}, []),
    "tuple of draft 7": (
        properties(t={"type": "array", "items": [SMALL, HOST], "additionalItems": False, "minItems": 2}), []),
    "definitions": ({**properties(a={"$ref": "#/definitions/s"}), "definitions": {"s": SMALL}}, []),
    "anchor": ({**properties(a={"$ref": "#s"}), "$defs": {"x": {"$anchor": "s", **SMALL}}}, []),
    "anchor of draft 7": ({**properties(a={"$ref": "#s"}), "definitions": {"x": {"$id": "#s", **SMALL}}}, []),
    "recursive": (
        {"type": "object", "properties": {"next": {"anyOf": [{"$recursiveRef": "#"}, {"type": "null"}]}},
         "required": ["next"], "additionalProperties": False, "$recursiveAnchor": True}, []),
    "nullable": (properties(a={"type": "string", "maxLength": 3, "nullable": True}), []),
    "multiple": (properties(a={"type": "integer", "multipleOf": 3, "minimum": 0, "maximum": 30}), []),
    "const": (properties(a={"const": {"x": [1, None]}}), []),
    "empty inside": (properties(a={"enum": [1, "a", None, [1]]}), []),
}  # fmt: skip

ENDLESS = ("record", "names by lookahead")  # names of any length: drawn at random they do not end


@pytest.mark.parametrize("case", TAKEN)
def test_what_cannot_be_enforced_is_left_out_by_name_and_all_else_is_kept(
    case: str,
    words: GrammarWords,  # noqa: F811
    vocabulary: Vocabulary,  # noqa: F811
) -> None:
    schema, places = TAKEN[case]
    grammar = json_schema(schema, spaced=False)
    assert [each.partition(": ")[0] for each in grammar.omitted] == places
    weaker = schema if not places else None
    for seed in range(0 if case in ENDLESS else 6):
        value = json.loads(drawn(words, vocabulary, grammar, seed))
        if weaker is not None and "$schema" not in schema and "$recursiveRef" not in str(schema):
            cls = jsonschema.Draft7Validator if "additionalItems" in str(schema) or "$id" in str(schema) else None
            jsonschema.validate(value, schema, *([cls] if cls else []), format_checker=jsonschema.FormatChecker())
        elif isinstance(schema.get("properties"), dict):
            assert set(value) <= set(schema["properties"]) and set(schema.get("required", ())) <= set(value)
    if places:
        with pytest.raises(InputError, match="cannot be enforced") as caught:
            json_schema(schema, strict=True)
        assert places[0] in caught.value.message
    else:
        assert json_schema(schema, strict=True).omitted == ()


def test_a_strict_refusal_quotes_the_whole_pattern() -> None:
    pattern = r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$"
    with pytest.raises(InputError) as caught:
        json_schema(properties(mail={"type": "string", "pattern": pattern}), "response_format", strict=True)
    message = caught.value.message
    assert message.startswith("response_format: #/properties/mail/pattern: ") and json.dumps(pattern) in message
    assert "look-around, including look-ahead and look-behind, is not supported" in message


def test_what_is_left_of_a_pattern_is_still_enforced(words: GrammarWords, vocabulary: Vocabulary) -> None:  # noqa: F811
    grammar = json_schema(properties(p={"type": "string", "pattern": "^(?!00)[0-9]{2}$"}), spaced=False)
    for seed in range(10):
        assert json.loads(drawn(words, vocabulary, grammar, seed))["p"].isdecimal()
    assert without_lookaround(r"^(?!a(b)[)])c(?:d)(?<=e)(?<n>f)\b[\b(?=]$") == r"^c(?:d)(?<n>f)[\b(?=]$"


def test_an_object_has_no_properties_that_its_schema_does_not_name(
    words: GrammarWords,  # noqa: F811
    vocabulary: Vocabulary,  # noqa: F811
) -> None:
    inner = {"type": "object", "properties": {"b": SMALL}, "required": ["b"]}
    grammar = json_schema({"properties": {"a": inner}, "required": ["a"], "type": "object"}, spaced=False)
    for seed in range(8):
        value = json.loads(drawn(words, vocabulary, grammar, seed))
        assert set(value) == {"a"} and set(value["a"]) == {"b"}


def test_objects_of_several_schemas_have_the_properties_of_all(
    words: GrammarWords,  # noqa: F811
    vocabulary: Vocabulary,  # noqa: F811
) -> None:
    one = {"type": "object", "properties": {"a": SMALL}, "required": ["a"]}
    for schema in (
        {"allOf": [{"$ref": "#/$defs/one"}, properties(a=SMALL, b=SMALL)], "$defs": {"one": one}},
        {"$ref": "#/$defs/one", "properties": {"a": {}, "b": SMALL}, "required": ["b"], "additionalProperties": False,
         "$defs": {"one": one}},
    ):  # fmt: skip
        value = json.loads(drawn(words, vocabulary, json_schema(schema, spaced=False), 1))
        assert set(value) == {"a", "b"}
    assert json_schema({"type": "object", "properties": {"a": SMALL}, "required": ["b"]}).omitted == ()


@pytest.mark.parametrize("schema", [True, {}])
def test_a_schema_of_anything_is_taken(schema: Any) -> None:
    assert json_schema(schema).omitted == ()


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (False, "nothing fits"),
        ({"type": "unheard of"}, "unheard of"),
        (properties(a={"type": "integer", "minimum": 5, "maximum": 3}), "unsatisfiable"),
        ({"$ref": "https://example.com/other.json"}, "example.com"),
    ],
)
def test_a_schema_that_nothing_can_fit_is_refused(schema: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        json_schema(schema)


_KEYS = (
    "type", "properties", "required", "items", "enum", "const", "not", "anyOf", "allOf", "oneOf", "$ref", "$defs", "pattern",
    "format", "minimum", "exclusiveMinimum", "uniqueItems", "propertyNames", "additionalProperties", "patternProperties",
    "minProperties", "prefixItems", "if", "then", "$id", "$anchor", "$schema", "$dynamicRef", "additionalItems",
    "unevaluatedProperties", "x-guidance", "maxItems",
)  # fmt: skip
_LEAVES = st.sampled_from([None, True, False, 0, -1, 1.5, "string", "object", "#", "#/a", "(", "^a(?!b)$", "a"])
_NONSENSE = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4), max_leaves=12
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(_KEYS), _NONSENSE, max_size=4), st.booleans())
def test_nonsense_in_the_place_of_a_schema_is_taken_or_refused_and_nothing_else(schema: Any, strict: bool) -> None:
    with contextlib.suppress(InputError):
        assert json_schema(schema, strict=strict).text
