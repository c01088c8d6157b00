"""A page for people of an API's description for programs (OpenAPI 3.1): no scripts, and the look of all pages."""

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

_MAX_DEPTH = 3  # of fields within fields
_METHODS = ("get", "put", "post", "delete", "patch")
_PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
  <meta name="color-scheme" content="light dark">
  <title>{title} · API</title>
  <link rel="icon" href="icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="base.css">
  <link rel="stylesheet" href="reference.css">
</head>
<body class="reference">
  <header><img class="mark" src="icon.svg" alt=""><h1>{title} · API</h1></header>
  <main>
    <p>{description}</p>
    <p>Where the server has keys, each request has one of them: <code>Authorization: Bearer KEY</code>.
      The same for programs: <a href="openapi.json">openapi.json</a>.</p>
    <nav aria-label="Addresses"><ul>{contents}</ul></nav>
    {operations}
  </main>
</body>
</html>
"""


def reference_page(api: Mapping[str, Any]) -> bytes:
    """HTML of every operation: its fields with their types and limits, and its answers."""
    operations = list(_operations(api))
    return _PAGE.format(
        title=escape(api["info"]["title"]),
        description=escape(api["info"].get("description", "")),
        contents="".join(
            f'<li><a href="#{_anchor(method, path)}">{_name(method, path)}</a></li>' for method, path, _ in operations
        ),
        operations="\n".join(_operation(api, method, path, operation) for method, path, operation in operations),
    ).encode()


def _operations(api: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, item in api["paths"].items():
        for method in _METHODS:
            if method in item:
                yield method, path, item[method]


def _operation(api: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> str:
    parts = [f'<section id="{_anchor(method, path)}"><h2>{_name(method, path)}</h2>']
    for text in (operation.get("summary"), operation.get("description")):
        parts += [f"<p>{escape(text)}</p>"] if text else []
    parameters = [
        _row(api, each["name"], each["schema"], each.get("required", False), each.get("description"))
        for each in operation.get("parameters", ())
    ]
    parts += [_table("Parameters", parameters)] if parameters else []
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(_table(f"Body, {kind}", _fields(api, body["schema"])))
    parts.append("<h3>Answers</h3>")
    for status, response in operation["responses"].items():
        response = _resolved(api, response)
        fields = [
            _table(kind, rows)
            for kind, body in response.get("content", {}).items()
            if (rows := list(_fields(api, body.get("schema", {}))))
        ]
        line = f"<code>{escape(status)}</code> {escape(response.get('description', ''))}"
        parts.append(
            f"<details><summary>{line}</summary>{''.join(fields)}</details>" if fields and status < "300" else f"<p>{line}</p>"
        )
    return "\n".join([*parts, "</section>"])


def _name(method: str, path: str) -> str:
    return f"<code><b>{method.upper()}</b> {escape(path)}</code>"


def _anchor(method: str, path: str) -> str:
    return method + "".join(letter if letter.isalnum() else "-" for letter in path)


def _table(title: str, rows: Iterable[str]) -> str:
    return f'<h3>{escape(title)}</h3><div class="wide"><table>{"".join(rows)}</table></div>'


def _row(api: Mapping[str, Any], name: str, schema: Mapping[str, Any], required: bool, description: str | None = None) -> str:
    schema = _resolved(api, schema)
    text = description or schema.get("description", "")
    need = " <em>required</em>" if required else ""
    cells = f"<td>{escape(_type(api, schema))}</td><td>{escape(text)}</td>"
    return f'<tr><th scope="row"><code>{escape(name)}</code>{need}</th>{cells}</tr>'


def _fields(api: Mapping[str, Any], schema: Mapping[str, Any], before: str = "", depth: int = 0) -> Iterator[str]:
    """A row for each field of an object, those of the objects in it after it."""
    schema = _resolved(api, schema)
    for option in ("allOf", "anyOf", "oneOf"):
        for each in schema.get(option, ()):
            yield from _fields(api, each, before, depth)
    for name, field in schema.get("properties", {}).items():
        yield _row(api, before + name, field, name in schema.get("required", ()))
        if depth < _MAX_DEPTH:
            inner = _resolved(api, field)
            yield from _fields(api, inner, f"{before}{name}.", depth + 1)
            if isinstance(inner.get("items"), Mapping):
                yield from _fields(api, inner["items"], f"{before}{name}[].", depth + 1)


def _type(api: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """In words: type, choices, limits, default."""
    schema = _resolved(api, schema)
    if "const" in schema:
        return f'"{schema["const"]}"'
    if "enum" in schema:
        words = ", ".join(str(value) for value in schema["enum"])
    elif options := schema.get("anyOf") or schema.get("oneOf"):
        words = " or ".join(dict.fromkeys(_type(api, each) for each in options))
    else:
        kind = schema.get("type", "any value")
        words = " or ".join(kind) if isinstance(kind, list) else str(kind)
        if isinstance(schema.get("items"), Mapping):
            words += f" of {_type(api, schema['items'])}"
    limits = [f"{said} {schema[key]:g}" for key, said in (("minimum", "from"), ("maximum", "to")) if key in schema]
    limits += [f"{said} {schema[key]}" for key, said in (("maxItems", "at most"), ("maxLength", "at most")) if key in schema]
    default = f", by default {schema['default']}" if "default" in schema else ""
    return " ".join([words, *limits]) + default


def _resolved(api: Mapping[str, Any], value: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in value:
        found: Any = api
        for name in value["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        value = found
    return value
