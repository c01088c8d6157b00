"""How tokens are drawn where a caller says nothing of it: as the model's own configuration says, else as llama.cpp does."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wherry.errors import FormatError
from wherry.kernels.sample import CANDIDATES
from wherry.weights import Checkpoint
from wherry.weights.checkpoint import read_json

# Ours: GGUF's general.sampling.*, generation_config.json's, the least and the largest value.
_NAMES: Mapping[str, tuple[str, str, float, float]] = {
    "temperature": ("temp", "temperature", 0, 100),
    "top_k": ("top_k", "top_k", 0, 1 << 31),
    "top_p": ("top_p", "top_p", 0, 1),
    "min_p": ("min_p", "min_p", 0, 1),
    "repeat_penalty": ("penalty_repeat", "repetition_penalty", 0.01, 100),
    "penalty_last": ("penalty_last_n", "", -1, 1 << 31),
}
_WHOLE = ("top_k", "penalty_last")


@dataclass(frozen=True)
class SamplingDefaults:
    """As `SamplingOptions` has them. The values are llama.cpp's."""

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    penalty_last: int = 64


def read_sampling_defaults(checkpoint: Checkpoint) -> SamplingDefaults:
    """Each value from the model's configuration that has it. Raises FormatError for one that cannot be."""
    if checkpoint.format == "gguf":
        said = {ours: checkpoint.metadata.get(f"general.sampling.{theirs}") for ours, (theirs, *_) in _NAMES.items()}
        return SamplingDefaults(**_numbers(checkpoint.path, "general.sampling.", said, 0))
    path = checkpoint.path.parent / "generation_config.json"
    config = read_json(path) if path.is_file() else {}
    said = {ours: config.get(theirs) for ours, (_, theirs, *_) in _NAMES.items() if theirs}
    if config.get("do_sample") is False:
        said["temperature"] = 0.0  # the likeliest token each time
    return SamplingDefaults(**_numbers(path, "", said, 1))


def _numbers(path: Path, prefix: str, said: Mapping[str, object], which: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in said.items():
        if value is None:
            continue
        *names, low, high = _NAMES[name]
        kind = int if name in _WHOLE else int | float
        if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
            raise FormatError(
                f'{path}: "{prefix}{names[which]}": found {value!r:.60}, expected '
                f"{'a whole number' if name in _WHOLE else 'a number'} from {low} to {high}"
            )
        found[name] = value if name in _WHOLE else float(value)
    if found.get("top_k", 0) > CANDIDATES:
        found["top_k"] = CANDIDATES  # as many as are looked at
    if found.get("penalty_last", 0) < 0:
        del found["penalty_last"]  # llama.cpp: the whole context; ours has a number
    return found
