"""Names of tokens that steer a model in what people say: there they are text, and steer nothing.

Such a name is put aside before a template writes the conversation, and read as the text that it is when that becomes tokens.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from wherry.text.language import Vocabulary
from wherry.text.workers import Check, no_check

_BEGIN, _END = "\uf8f0", "\uf8f1"  # of Unicode's private use
_MAX_DEPTH = 40  # of a pattern's groups
_ASIDE = re.compile(f"{_BEGIN}([0-9]+){_END}")


def _one_of(names: Iterable[str], depth: int = 0) -> str:
    """A pattern of the longest of these names, which begins each with what they share: Gemma has 6,249, which begin alike, and a
    text of nothing but their first letter would take seconds, a name at a time."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name[0], []).append(name)
    found = []
    for group in groups.values():
        first, last = min(group), max(group)  # what these two share, all do
        shared = first[: next((i for i, letter in enumerate(first) if last[i : i + 1] != letter), len(first))]
        rests = [name[len(shared) :] for name in group if name != shared]
        if depth < _MAX_DEPTH:
            inner = _one_of(rests, depth + 1)
        else:
            inner = "|".join(map(re.escape, sorted(rests, key=len, reverse=True)))
        found.append(f"{re.escape(shared)}(?:{inner}){'?' if shared in group else ''}" if rests else re.escape(shared))
    return "|".join(found)


@dataclass(frozen=True)
class Said:
    vocabulary: Vocabulary

    @cached_property
    def _names(self) -> tuple[str, ...]:
        """Those of the tokens that steer, and the mark of this module itself."""
        named = zip(self.vocabulary.names, self.vocabulary.pieces, strict=True)
        return (*sorted({name for name, piece in named if name and not piece}, key=len, reverse=True), _BEGIN)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(_one_of(self._names))

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {name: place for place, name in enumerate(self._names)}

    def aside(self, value: Any) -> Any:
        """Messages or tools, or any part of them, with each such name put aside."""
        if isinstance(value, str):
            return self._pattern.sub(lambda found: f"{_BEGIN}{self._places[found[0]]}{_END}", value)
        if isinstance(value, Mapping):
            return {self.aside(key): self.aside(inner) for key, inner in value.items()}
        return [self.aside(inner) for inner in value] if isinstance(value, list | tuple) else value

    def encode(self, text: str, check: Check = no_check) -> list[int]:
        """What a template wrote -> its tokens: names that it wrote itself steer, names put aside do not."""
        tokens: list[int] = []
        for index, part in enumerate(_ASIDE.split(text)):
            if index % 2 == 0:
                tokens += self.vocabulary.encode(part, special=True, check=check)
            elif int(part) < len(self._names):
                tokens += self.vocabulary.encode(self._names[int(part)])
        return tokens
