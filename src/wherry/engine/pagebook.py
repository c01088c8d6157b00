"""Who holds which page of keys and values, and which full pages hold a beginning that another text may share."""

from collections import OrderedDict
from collections.abc import Sequence

from wherry.kernels.pages import PAGE

_Key = tuple[int, tuple[int, ...]]  # the page before (or -1), this page's tokens


class PageBook:
    """Pages 1 to count - 1; page 0 is nobody's, so that a place that was never given one harms no text.

    A page whose tokens are known stays when nobody holds it, until its room is needed: the one unused longest goes first.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = list(range(count - 1, 0, -1))
        self._held: dict[int, int] = {}  # page -> texts that hold it
        self._known: dict[_Key, int] = {}
        self._keys: dict[int, _Key] = {}
        self._unused: OrderedDict[int, None] = OrderedDict()  # known pages that nobody holds, the oldest first

    @property
    def available(self) -> int:
        return len(self._free) + len(self._unused)

    @property
    def held(self) -> int:
        return len(self._held)

    def shared(self, tokens: Sequence[int], most: int) -> list[int]:
        """The pages that hold a beginning of `tokens` of at most `most` tokens; taken for the one who asks."""
        found: list[int] = []
        before = -1
        for start in range(0, most // PAGE * PAGE, PAGE):
            page = self._known.get((before, tuple(tokens[start : start + PAGE])))
            if page is None:
                break
            self._held[page] = self._held.get(page, 0) + 1
            self._unused.pop(page, None)
            found.append(page)
            before = page
        return found

    def take(self, count: int) -> list[int] | None:
        """So many pages, or None where there are not."""
        if count > self.available:
            return None
        pages = []
        for _ in range(count):
            page = self._free.pop() if self._free else self._forgotten()
            self._held[page] = 1
            pages.append(page)
        return pages

    def know(self, pages: Sequence[int], tokens: Sequence[int]) -> None:
        """These pages hold the keys and values of these tokens, as far as they are full."""
        before = -1
        for page, start in zip(pages, range(0, len(tokens) // PAGE * PAGE, PAGE), strict=False):
            key = (before, tuple(tokens[start : start + PAGE]))
            known = self._known.setdefault(key, page)
            if known == page:
                self._keys[page] = key
            before = known

    def give(self, pages: Sequence[int]) -> None:
        """A text holds these no longer."""
        for page in reversed(pages):  # the end of a text goes before its beginning
            self._held[page] -= 1
            if self._held[page]:
                continue
            del self._held[page]
            if page in self._keys:
                self._unused[page] = None
            else:
                self._free.append(page)

    def _forgotten(self) -> int:
        page, _ = self._unused.popitem(last=False)
        del self._known[self._keys.pop(page)]
        return page
