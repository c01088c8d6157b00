"""Names of tokens that steer a model in what people say: there they are text, and steer nothing.

Such a name is put aside before a template writes the conversation, and read as the text that it is when that becomes tokens.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from wherry.text.language import Vocabulary
from wherry.text.workers import Check, no_check

_BEGIN, _END = "\uf8f0", "\uf8f1"  # of Unicode's private use
_ASIDE = re.compile(f"{_BEGIN}([0-9]+){_END}")


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
        return re.compile("|".join(map(re.escape, self._names)))

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
