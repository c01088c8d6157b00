"""Which form an answer is to have: OpenAI's `response_format` and `text.format`, and what other servers' clients send instead."""

import json
import re
from collections.abc import Mapping
from typing import Any

from api.fields import Fields, as_object, refused, text, wrong
from wherry.guest import chat

# vLLM's, llama.cpp's and SGLang's fields -> our word for what they hold.
_GUIDES = {
    "guided_json": "json", "guided_regex": "regex", "guided_choice": "choice", "guided_grammar": "grammar",
    "json_schema": "json", "regex": "regex", "grammar": "grammar", "ebnf": "grammar",
}  # fmt: skip
FORMS = frozenset({"response_format", "structured_outputs", *_GUIDES})
_MAX_CHOICES = 1000


def answer_form(fields: Fields) -> dict[str, Any]:
    """Options of `chat.Options` by name. Raises ApiError where a request asks for two forms."""
    found = json_form(fields.object("response_format"), "json_schema")
    for key, kind in _GUIDES.items():
        if fields.has(key):
            found = _only_one(found, _guide(fields, key, kind), fields.name(key))
    if (outputs := fields.object("structured_outputs")) is not None:
        for kind in ("json", "regex", "choice", "grammar"):
            if outputs.has(kind):
                found = _only_one(found, _guide(outputs, kind, kind), outputs.name(kind))
        if outputs.flag("json_object"):
            found = _only_one(found, {"json_schema": chat.JSON_OBJECT}, outputs.name("json_object"))
    return found


def json_form(form: Fields | None, inside: str) -> dict[str, Any]:
    """The same of `response_format` or `text.format`. inside: the key of the object that has the schema, "" for the form."""
    if form is None:
        return {}
    form.required("type")
    kind = form.one_of("type", ("text", "json_object", "json_schema"), "text")
    if kind == "text":
        return {}
    about = form
    if kind == "json_schema" and inside and not form.has("schema"):
        about = as_object(form.required(inside), form.name(inside), form.ignored)
    about.only({"type", "name", "description", "schema", "strict"})
    about.text("name")
    about.text("description")
    strict = about.flag("strict")
    schema = about.values.get("schema")
    if schema is None:
        return {"json_schema": chat.JSON_OBJECT}
    return {"json_schema": _schema(schema, about.name("schema")), "strict": strict}


def _schema(value: Any, place: str) -> Mapping[str, Any]:
    if value is True:
        return {}
    return as_object(value, place).values


def _only_one(found: dict[str, Any], more: dict[str, Any], place: str) -> dict[str, Any]:
    if found:
        raise refused(place, "found another form of the answer too, expected one of them")
    return more


def _guide(fields: Fields, key: str, kind: str) -> dict[str, Any]:
    place, value = fields.name(key), fields.values[key]
    if kind == "regex":
        return {"regex": text(value, place)}
    if kind == "grammar":
        return {"gbnf": text(value, place)}
    if kind == "choice":
        choices = fields.list(key, _MAX_CHOICES)
        if not choices:
            raise wrong(place, value, "a list of at least one text")
        return {"regex": "|".join(re.escape(text(each, f"{place}[{index}]")) for index, each in enumerate(choices))}
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise wrong(place, value, "a JSON schema") from error
    return {"json_schema": _schema(value, place)}
