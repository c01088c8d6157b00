"""A tokenizer.json as it was published."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from wherry.errors import FormatError, NotFoundError
from wherry.text.faults import library_faults

MAX_TOKENS = 1 << 24
_MAX_GROWTH = 1 << 12  # of a text, by all that replaces parts of it; real ones put U+2581 for a space
_MAX_BYTES = 64 << 20  # the largest in use have some 35 MB


def read_tokenizer(path: Path) -> tuple[Tokenizer, dict[str, Any]]:
    """The tokenizer, and what the file says.

    Raises NotFoundError where there is no file, FormatError where it is no tokenizer, or one that cannot be.
    """
    text, document = _read(path)
    model = document.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    added = document.get("added_tokens")
    numbers = [
        *(vocabulary.values() if isinstance(vocabulary, dict) else ()),
        *(entry.get("id") for entry in (added if isinstance(added, list) else ()) if isinstance(entry, dict)),
    ]
    for number in numbers:  # the library would make room for the largest
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < MAX_TOKENS:
            raise FormatError(f"{path}: found a token with the number {number!r}, expected 0 to {MAX_TOKENS - 1}")
    growth = math.prod(max(len(text), 1) for key, text in step_texts(document) if key in ("content", "prepend"))
    if growth > _MAX_GROWTH:
        raise FormatError(f"{path}: found steps that make a text up to {growth} times as long, expected at most {_MAX_GROWTH}")
    with library_faults(path, "no readable tokenizer, expected a Hugging Face tokenizer.json"):
        return Tokenizer.from_str(text), document


def step_texts(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The texts in a tokenizer's steps, each with its key: patterns ("Regex"), what replaces ("content") …"""
    left = [document.get(step) for step in ("normalizer", "pre_tokenizer", "decoder")]
    while left:
        each = left.pop()
        if isinstance(each, list):
            left += each
        elif isinstance(each, dict):
            yield from ((key, value) for key, value in each.items() if isinstance(value, str))
            left += each.values()


def check_patterns(path: Path, document: Mapping[str, Any], known: str = "") -> None:
    """For a tokenizer whose texts are read in this process. Raises FormatError for a pattern whose work may be out of all
    proportion to the text: one with groups, or with more than two repetitions, that is not the `known` one."""
    for key, text in step_texts(document):
        if key == "Regex" and text != known and ("(" in text or len(re.findall(r"[*+?{]", text)) > 2):
            raise FormatError(
                f"{path}: found the pattern {text[:100]!r}, expected one without groups and with at most two repetitions"
            )


def read_document(path: Path) -> dict[str, Any]:
    """A JSON object of the model's. Raises NotFoundError, FormatError."""
    return _read(path)[1]


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        if (size := path.stat().st_size) > _MAX_BYTES:
            raise FormatError(f"{path}: found {size} bytes, expected at most {_MAX_BYTES}")
        text = path.read_text(encoding="utf-8")
        found = json.loads(text)
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: found no such file, expected it beside the model's weights") from error
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(f"{path}: found unreadable JSON ({error}), expected an object") from error
    if not isinstance(found, dict):
        raise FormatError(f"{path}: found a JSON {type(found).__name__}, expected an object")
    return text, found
