"""Which of a text's hidden states stand for the whole text: what a GGUF file or sentence-transformers' notes say of it."""

from enum import Enum
from pathlib import Path

from wherry.errors import FormatError
from wherry.weights import Checkpoint
from wherry.weights.checkpoint import read_json


class Pooling(Enum):
    """As llama.cpp numbers them in `ARCHITECTURE.pooling_type`."""

    NONE = 0  # each token's own vector; where one is asked for, the family's usual one
    MEAN = 1
    CLS = 2  # the first token's
    LAST = 3
    RANK = 4  # no vector but a score


_PUBLISHED = {
    "pooling_mode_mean_tokens": Pooling.MEAN,
    "pooling_mode_cls_token": Pooling.CLS,
    "pooling_mode_lasttoken": Pooling.LAST,
}


def read_pooling(checkpoint: Checkpoint, family: str, default: Pooling) -> Pooling:
    """`default` where nothing is noted, or that nothing is pooled. Raises FormatError for a note that says something else."""
    found = _of_gguf(checkpoint, family) if checkpoint.format == "gguf" else _published(checkpoint.path.parent)
    return default if found in (None, Pooling.NONE) else found


def is_causal(checkpoint: Checkpoint, family: str) -> bool:
    """Whether a token sees those before it alone. Raises FormatError."""
    config = checkpoint.metadata.get("config")
    if checkpoint.format == "gguf":
        name, found = f"{family}.attention.causal", checkpoint.metadata.get(f"{family}.attention.causal")
    else:
        name, found = "is_causal", config.get("is_causal") if isinstance(config, dict) else None
    if found is not None and not isinstance(found, bool):
        raise FormatError(f'{checkpoint.path}: "{name}": found {found!r:.60}, expected true or false')
    return found is not False


def _of_gguf(checkpoint: Checkpoint, family: str) -> Pooling | None:
    name = f"{family}.pooling_type"
    found = checkpoint.metadata.get(name)
    if found is None or found == -1:
        return None
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= Pooling.RANK.value:
        raise FormatError(
            f'{checkpoint.path}: field "{name}": found {found!r:.60}, expected 0 (none), 1 (the mean of all), 2 (the first), '
            "3 (the last) or 4 (a rank)"
        )
    return Pooling(found)


def _published(folder: Path) -> Pooling | None:
    """1_Pooling/config.json, as sentence-transformers writes it."""
    path = folder / "1_Pooling/config.json"
    if not path.is_file():
        return None
    modes = {name for name, value in read_json(path).items() if name.startswith("pooling_mode_") and value is True}
    if len(modes) > 1 or not modes <= _PUBLISHED.keys():
        raise FormatError(f"{path}: found {', '.join(sorted(modes))}, expected the mean of the tokens, the first or the last")
    return _PUBLISHED[modes.pop()] if modes else None
