"""Stop strings, however the answer is cut into pieces."""

import re

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
    """The reference is a search in the whole text."""
    stops, said, at = Stops(strings), "", 0
    for size in [*sizes, len(text) + 1]:
        said += stops.add(text[at : at + size])
        at += size
    said += stops.end()
    longest_first = sorted(set(strings), key=len, reverse=True)
    place = re.search("|".join(map(re.escape, longest_first)), text) if strings else None
    assert said == (text[: place.start()] if place else text)
    assert stops.found == (place.group() if place else None)


def test_what_may_begin_a_stop_string_is_held_back() -> None:
    stops = Stops(["###", "END"])
    assert [stops.add(piece) for piece in ("a#", "#b", "E", "N", "D!", "more")] == ["a", "##b", "", "", "", ""]
    assert stops.found == "END"


@pytest.mark.parametrize("strings", [[""], ["a"] * 65, ["a" * 5000]])
def test_strings_that_cannot_be_are_refused(strings: list[str]) -> None:
    with pytest.raises(InputError, match="stop: found"):
        Stops(strings)
