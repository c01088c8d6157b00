"""Stop strings, however the answer is cut into pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import InputError
from wherry.text.stops import Stops


@given(
    st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3),
    st.text("ab\n", max_size=40),
    st.lists(st.integers(1, 5), max_size=40),
)
def test_the_pieces_make_no_difference(strings: list[str], text: str, sizes: list[int]) -> None:
    """The reference looks for the first moment at which the text ends in one of them."""
    stops, said, at = Stops(strings), "", 0
    for size in [*sizes, len(text) + 1]:
        said += stops.add(text[at : at + size])
        at += size
    said += stops.end()
    whole = next((text[:end] for end in range(1, len(text) + 1) if any(text[:end].endswith(string) for string in strings)), None)
    found = None if whole is None else max((string for string in strings if whole.endswith(string)), key=len)
    assert said == (text if whole is None or found is None else whole[: -len(found)])
    assert stops.found == found


def test_what_may_begin_a_stop_string_is_held_back() -> None:
    stops = Stops(["###", "END"])
    assert [stops.add(piece) for piece in ("a#", "#b", "E", "N", "D!", "more")] == ["a", "##b", "", "", "", ""]
    assert stops.found == "END"


@pytest.mark.parametrize("strings", [[""], ["a"] * 65, ["a" * 5000]])
def test_strings_that_cannot_be_are_refused(strings: list[str]) -> None:
    with pytest.raises(InputError, match="stop: found"):
        Stops(strings)
