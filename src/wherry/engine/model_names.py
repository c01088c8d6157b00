"""Names that people know models by: openai-whisper's, and those of Hugging Face's hub, beside the catalogue's own."""

import difflib
import re
from collections.abc import Collection
from pathlib import Path

_SIZES = (
    "tiny", "tiny.en", "base", "base.en", "small", "small.en", "medium", "medium.en", "large-v1", "large-v2", "large-v3",
    "large-v3-turbo", "large", "turbo",
)  # fmt: skip
_SAME = {"large": "large-v3", "turbo": "large-v3-turbo"}  # as openai-whisper has them
_ON_HUB = {"large-v1": "large"}  # the repository of the first version has no number
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")


def resolve_name(name: str, catalogue: Collection[str]) -> str:
    """`tiny.en`, `openai/whisper-small` or any OWNER/NAME -> a name of the catalogue, or an address on the hub.

    What is in the catalogue, on the disk, or no such name stays as it is.
    """
    if name in catalogue or "://" in name or Path(name).exists():
        return name
    if (own := name.removeprefix("openai/")) in catalogue:
        return own
    size = name.lower().removeprefix("whisper-")
    if size in _SIZES:
        size = _SAME.get(size, size)
        return f"whisper-{size}" if f"whisper-{size}" in catalogue else f"hf://openai/whisper-{_ON_HUB.get(size, size)}"
    if _REPOSITORY.fullmatch(name) and not Path(name).parent.exists():
        return f"hf://{name}"
    return name


def near_names(name: str, catalogue: Collection[str], *, speech: bool) -> list[str]:
    """At most three names that are spelled nearly so; `speech` also knows openai-whisper's."""
    names = [*catalogue, *(_SIZES if speech else ())]
    return difflib.get_close_matches(name.lower(), names, n=3)
