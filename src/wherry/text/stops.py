"""Stop strings: where an answer ends, also when the string is spread over several of its pieces."""

from collections.abc import Sequence

from wherry.errors import InputError

_MAX_STOPS = 64
_MAX_LENGTH = 4096  # characters of one


class Stops:
    """What is added comes out again up to the first stop string; what may be the beginning of one is held back."""

    def __init__(self, strings: Sequence[str]) -> None:
        """Raises InputError for an empty string, and for more than anybody means."""
        if len(strings) > _MAX_STOPS or any(not 0 < len(string) <= _MAX_LENGTH for string in strings):
            raise InputError(
                f"stop: found {len(strings)} strings, the longest of {max(map(len, strings), default=0)} characters, expected at "
                f"most {_MAX_STOPS} of 1 to {_MAX_LENGTH}"
            )
        self._strings = tuple(strings)
        self._held = ""
        self.found: str | None = None  # the string that ended the answer
        self.rest = ""  # what came after it in the same piece

    def add(self, text: str) -> str:
        """The next piece -> what can be said of the answer by now. Nothing after `found`."""
        if self.found is not None:
            return ""
        held = self._held + text
        ends = [(at + len(string), at, string) for string in self._strings if (at := held.find(string)) >= 0]
        if ends:
            end, at, self.found = min(ends)  # the first that is whole; of two that end at one place, the longer
            self._held, self.rest = "", held[end:]
            return held[:at]
        most = max(map(len, self._strings), default=1) - 1
        begun = next((i for i in range(max(0, len(held) - most), len(held)) if self._begins(held[i:])), len(held))
        self._held = held[begun:]
        return held[:begun]

    def end(self) -> str:
        """No more comes: what was held back was none."""
        held, self._held = self._held, ""
        return held

    def _begins(self, text: str) -> bool:
        return any(string.startswith(text) for string in self._strings)
