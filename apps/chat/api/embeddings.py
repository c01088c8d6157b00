"""/v1/embeddings."""

import sys
from array import array
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from api.fields import Fields, text, tokens, wrong
from api.streams import explained
from wherry.guest import embeddings
from wherry.guest.openai import ApiError, unknown_model

_DEFAULT = "default"
_MAX_TEXTS = 2048
_NAMES = {"texts": "input"}


def answer(fields: Fields) -> tuple[dict[str, Any], str]:
    """The answer, and what it was computed on. Raises ApiError naming the field."""
    fields.only({"model", "input", "encoding_format", "dimensions", "user"})
    fields.text("user")
    texts = _texts(fields)
    encoding = fields.one_of("encoding_format", ("float", "base64"), "float")
    name = fields.text("model", _DEFAULT)
    if name != _DEFAULT and name not in embeddings.names():
        raise unknown_model(name[:100], embeddings.names())
    with explained(_NAMES):
        model = embeddings.open(name)
        size = fields.whole("dimensions", 1, model.dimensions) or model.dimensions
        vectors = model.embed(texts)
    data = [
        {"object": "embedding", "index": index, "embedding": _encoded(_cut(vector.numbers, size), encoding)}
        for index, vector in enumerate(vectors)
    ]
    count = sum(vector.tokens for vector in vectors)
    usage = {"prompt_tokens": count, "total_tokens": count}
    return {"object": "list", "data": data, "model": model.name, "usage": usage}, model.device


def _texts(fields: Fields) -> list[str | list[int]]:
    """A text, texts, tokens or lists of tokens. A text alone is named `input` where it is wrong, as one of several is not."""
    value = fields.required("input")
    if isinstance(value, str):
        if not value:
            raise wrong("input", value, "a text that is not empty")
        return [text(value, "input")]
    if (found := tokens(value, "input")) is not None:
        return [found]
    if not fields.list("input", _MAX_TEXTS):
        raise wrong("input", value, "a text, a list of texts, tokens, or a list of lists of tokens")
    given: list[str | list[int]] = []
    for index, each in enumerate(value):
        place = f"input[{index}]"
        if isinstance(each, str):
            given.append(text(each, place))
        elif (found := tokens(each, place)) is not None:
            given.append(found)
        else:
            raise wrong(place, each, "a text or tokens")
    return given


def _cut(numbers: Sequence[float], size: int) -> Sequence[float]:
    """The first `size` of them, of length 1 again."""
    if size == len(numbers):
        return numbers
    length = sum(number * number for number in numbers[:size]) ** 0.5
    if not length:
        raise ApiError(400, f"dimensions: the first {size} of this text's numbers are all 0", param="dimensions")
    return [number / length for number in numbers[:size]]


def _encoded(numbers: Sequence[float], encoding: str) -> Any:
    """A list, or base64 of float32, the low byte first."""
    values = array("f", numbers)
    if encoding == "float":
        return list(numbers)
    if sys.byteorder == "big":
        values.byteswap()
    return b64encode(values.tobytes()).decode()
