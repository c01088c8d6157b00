"""Tokens with a meaning of their own in a GGUF vocabulary: what begins and ends texts, and what steers a model.

Which tokens these are where a file does not say, and which names end an answer whatever it says, is as llama.cpp has it
(src/llama-vocab.cpp): converters leave much of it out because llama.cpp knows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.errors import FormatError

# GGUF's types of tokens.
UNDEFINED, NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(7)
# What ends an answer, by its name, in every vocabulary.
ENDS = frozenset(
    {
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>",
        "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>",
        "<eos>", "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>", "[e~[",
    }
)  # fmt: skip
# Parts of code to fill in, by their fields and names: what pads, and what parts files and repositories, ends an answer too.
_FILL: Mapping[str, tuple[str, ...]] = {
    "fim_pre prefix": (
        "<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>", "<|code_prefix|>", "<|prefix|>",
        "<|plamo:fim_prefix|>",
    ),
    "fim_suf suffix": (
        "<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>", "<|code_suffix|>", "<|suffix|>",
        "<|plamo:fim_suffix|>",
    ),
    "fim_mid middle": (
        "<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>", "<|code_middle|>", "<|middle|>",
        "<|plamo:fim_middle|>",
    ),
    "fim_pad": ("<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"),
    "fim_rep": ("<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"),
    "fim_sep": ("<|file_sep|>",),
}  # fmt: skip
_FILL_ENDS = ("fim_pad", "fim_rep", "fim_sep")
_SHOWN = frozenset({"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"})  # of gpt-oss: apps read them in the answer
# First token, last token, unknown word, separator, by `tokenizer.ggml.model`, where a file does not say.
_DEFAULTS: Mapping[str, tuple[int | None, int | None, int | None, int | None]] = {
    "llama": (1, 2, 0, None),
    "gpt2": (11, 11, None, None),
    "bert": (101, None, 100, 102),
    "t5": (None, 1, 2, None),
    "plamo2": (1, 2, 0, None),
}


@dataclass(frozen=True)
class SpecialTokens:
    """`kinds` (tokens,): GGUF's types, mended by the names. `remarks`: what of the file was passed over, for people."""

    kinds: NDArray[np.int64]
    bos: int | None
    eos: int | None
    unknown: int | None
    separator: int | None
    ends: frozenset[int]
    remarks: tuple[str, ...]


def read_special_tokens(
    path: Path, fields: Mapping[str, object], names: Sequence[str], *, default_bos: bool = True
) -> SpecialTokens:
    """Raises FormatError for a field of the wrong type."""
    size = len(names)
    kinds = _kinds(path, fields, size)
    places = {name: token for token, name in enumerate(names)}
    remarks: list[str] = []

    def token(*keys: str, default: int | None = None) -> int | None:
        for key in keys:
            found = _token(path, fields, f"tokenizer.ggml.{key}_token_id", size, remarks)
            if found is not None:
                return found
        return default if default is not None and default < size else None

    kind = fields.get("tokenizer.ggml.model")
    first, last, unknown, separator = _DEFAULTS.get(str(kind), (None,) * 4)
    bos = token("bos", *(["cls"] if kind == "bert" else []), default=first if default_bos else None)
    eos = token("eos", default=last)
    ends = {places[name] for name in ENDS & places.keys()}
    for key, fill_names in _FILL.items():
        found = token(*key.split())
        if found is None:
            found = min((places[name] for name in fill_names if name in places), default=None)
            if found is not None:
                kinds[found] = CONTROL
        if key in _FILL_ENDS and found is not None:
            ends.add(found)
    for name in (ENDS | _SHOWN) & places.keys():
        kinds[places[name]] = USER_DEFINED if name in _SHOWN else CONTROL
    ends.update(each for each in (eos, token("eot"), token("eom")) if each is not None)
    _exceptions({names[each]: each for each in ends}, ends, kinds)
    return SpecialTokens(
        kinds,
        bos,
        eos,
        token("unknown", default=unknown),
        token("seperator", "separator", default=separator),  # the first as GGUF writes it
        frozenset(ends),
        tuple(remarks),
    )


def _exceptions(named: Mapping[str, int], ends: set[int], kinds: NDArray[np.int64]) -> None:
    """Names that are ends in most vocabularies and stand within answers in some."""
    calls = named.keys() & {"<|call|>", "<|calls|>"} and named.keys() & {"<|return|>", "<|flush|>"}
    if calls and "<|end|>" in named:  # a message of several
        ends.discard(named["<|end|>"])
        kinds[named["<|end|>"]] = USER_DEFINED
    if named.keys() & {"<|tool_response>", "<|plamo:eos|>"} and "</s>" in named:  # HTML's
        ends.discard(named["</s>"])
        kinds[named["</s>"]] = NORMAL


def flag(path: Path, fields: Mapping[str, object], key: str, default: bool) -> bool:
    """A truth value of the tokenizer's. Raises FormatError for something else."""
    value = fields.get(f"tokenizer.ggml.{key}", default)
    if not isinstance(value, bool):
        raise FormatError(f'{path}: field "tokenizer.ggml.{key}": found {value!r:.60}, expected true or false')
    return value


def numbers(path: Path, fields: Mapping[str, object], key: str, count: int) -> NDArray[np.float64] | None:
    """A number of each token; None where the file has none. Raises FormatError."""
    values: Any = fields.get(f"tokenizer.ggml.{key}")
    if values is None:
        return None
    try:
        found = np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        found = np.zeros(0)
    if found.ndim != 1 or len(found) < count or not np.isfinite(found[:count]).all():
        raise FormatError(
            f'{path}: field "tokenizer.ggml.{key}": found {str(values)[:60]}, expected a number for each of {count}'
        )
    return found[:count]


def _kinds(path: Path, fields: Mapping[str, object], count: int) -> NDArray[np.int64]:
    found = numbers(path, fields, "token_type", count)
    if found is None:
        return np.full(count, NORMAL, np.int64)
    return np.where((found >= UNDEFINED) & (found <= BYTE), found, UNDEFINED).astype(np.int64)


def _token(path: Path, fields: Mapping[str, object], key: str, size: int, remarks: list[str]) -> int | None:
    """A token by its field; None where the file names none, or one that is none: converters write 4294967295 for that."""
    value = fields.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise FormatError(f'{path}: field "{key}": found {value!r:.60}, expected a token below {size}')
    if not 0 <= value < size:
        remarks.append(f'{path.name}: field "{key}": found {value}, passed over: there are {size} tokens')
        return None
    return value
