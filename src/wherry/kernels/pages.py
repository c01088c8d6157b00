"""Keys and values in pages (Kwon et al., 2023, "PagedAttention"): texts take them from one pool as they grow, or share them."""

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

Array = TypeVar("Array")

PAGE = 64  # tokens
PAGES = 32  # words of a row before its list of pages; the first is the text's length, the rest are the sampler's (`sample.py`)
WGSL = f"\nconst PAGE = {PAGE}u;\nconst PAGES = {PAGES}u;\n"


@dataclass(frozen=True)
class Pages(Generic[Array]):
    """One layer's keys, or its values, of the texts of some rows.

    pool: (pages, PAGE, 2, n), of each token its key, then its value; on a GPU two halves in a word. rows: (rows, words) int32, of
    each text its length and, from word PAGES on, its pages. row: the first row that is meant.
    """

    pool: Array
    rows: Array
    row: int = 0
    value: bool = False

    def values(self) -> "Pages[Array]":
        return replace(self, value=True)
