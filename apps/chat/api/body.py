"""A request's JSON, within limits: of its size, before it is read, and of its depth, before it is parsed."""

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from wherry.guest.encoding import read_from
from wherry.guest.openai import ApiError

MAX_BYTES = 8 << 20
_MAX_DEPTH = 64  # Python's parser calls itself for each, and the sandbox's stack is small
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


def read_object(environ: Mapping[str, Any]) -> dict[str, Any]:
    """The request's body, which must be an object. Raises ApiError."""
    kind = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(415, f"Content-Type: found {kind or 'none'}, expected application/json", code="unsupported_media_type")
    body, size = read_from(environ, MAX_BYTES)
    if size is not None and size > MAX_BYTES:
        raise ApiError(413, f"found {size} bytes, expected at most {MAX_BYTES}", code="request_too_large")
    data = body.read(-1 if size is None else size)
    _check_depth(data)
    try:
        found = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"found no JSON, expected an object: {error}", code="invalid_json") from error
    if not isinstance(found, dict):
        raise ApiError(400, f"found {type(found).__name__}, expected a JSON object", code="invalid_json")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _check_depth(data: bytes) -> None:
    if data.count(b"[") + data.count(b"{") <= _MAX_DEPTH:
        return
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", data)):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > _MAX_DEPTH:
            raise ApiError(400, f"found JSON nested deeper than {_MAX_DEPTH}, expected less", code="invalid_json")
