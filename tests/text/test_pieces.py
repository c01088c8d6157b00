"""Tokens to text as they come: characters whose bytes are spread over tokens."""

from types import SimpleNamespace
from typing import Any

import pytest

from wherry.text.language import Pieces

WHOLE = "a🙂é"


@pytest.mark.parametrize("count", range(len(WHOLE.encode()) + 1))
def test_part_of_a_character_is_no_text(count: int) -> None:
    vocabulary: Any = SimpleNamespace(pieces=[bytes([byte]) for byte in WHOLE.encode()])
    pieces = Pieces(vocabulary)
    text = "".join(pieces.add(token) for token in range(count)) + pieces.end()
    assert text == WHOLE.encode()[:count].decode(errors="ignore")


def test_bytes_that_are_no_character_are_replaced_where_others_follow() -> None:
    vocabulary: Any = SimpleNamespace(pieces=[b"a", b"\xf0\x9f", b"b"])
    pieces = Pieces(vocabulary)
    assert "".join(pieces.add(token) for token in range(3)) + pieces.end() == "a\ufffdb"
