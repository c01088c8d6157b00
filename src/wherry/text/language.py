"""The vocabulary of a language model, from a GGUF file's fields or a tokenizer.json, on PyPI `tokenizers`."""

import codecs
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, Regex, Tokenizer, normalizers
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Split
from tokenizers.pre_tokenizers import Sequence as Steps

from wherry.errors import FormatError
from wherry.text.faults import library_faults, names_file
from wherry.text.vocabulary import letters_of_bytes

# Where words end, by the name that GGUF gives each way. The patterns are those the models were trained with.
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_WORDS: dict[str, tuple[str, ...]] = {
    "gpt-2": (_GPT2,),
    "smollm": (r"\p{N}", _GPT2),
    "llama-bpe": (_LLAMA3,),
    "qwen2": (_LLAMA3.replace("{1,3}", ""),),
}
TURNS = frozenset({"<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "<|endoftext|>"})  # what chat formats end one with
CONTROL, _USER = 3, 4  # GGUF's types of tokens: they steer the model; they stand in texts
_SPACE = "\u2581"  # SentencePiece writes a space so
_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_MAX_PIECE = 512  # characters of a token: real ones have some hundred
_MAX_PIECES = 1 << 24  # characters of all tokens, which bounds the search for merges: real ones have two million


@dataclass(frozen=True)
class Vocabulary:
    """`pieces`: the bytes of each token; those of tokens that steer the model are empty."""

    tokenizer: Tokenizer
    pieces: tuple[bytes, ...]
    names: tuple[str, ...]
    bos: int | None  # put before a text that is no chat; None: none
    ends: frozenset[int]  # tokens that end an answer
    _turn: Lock = field(default_factory=Lock, repr=False, compare=False)  # the library's switch is one for all threads

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """`special`: names of special tokens in the text mean these tokens. Never for a text from outside.

        Raises FormatError for a tokenizer that fails at the text.
        """
        with self._turn:
            self.tokenizer.encode_special_tokens = not special
            with library_faults("tokenizer", "one that cannot read this text"):
                return [int(token) for token in self.tokenizer.encode(text, add_special_tokens=False).ids]

    def padded(self, size: int) -> "Vocabulary":
        """With tokens that say nothing up to `size`: tables of weights are often longer than the vocabulary."""
        more = size - len(self.pieces)
        return replace(self, pieces=self.pieces + (b"",) * more, names=self.names + ("",) * more) if more > 0 else self

    def decode(self, tokens: Iterable[int]) -> str:
        return b"".join(self.pieces[token] for token in tokens).decode("utf-8", errors="replace")


class Pieces:
    """Tokens to text as they come: a character whose bytes are spread over tokens appears with its last one."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def add(self, token: int) -> str:
        return self._decoder.decode(self._vocabulary.pieces[token])

    def end(self) -> str:
        return self._decoder.decode(b"", final=True)


@names_file("a vocabulary that cannot be")
def gguf_vocabulary(path: Path, fields: Mapping[str, object]) -> Vocabulary:
    """Raises FormatError where the file has none, or one of a kind that Wherry does not know."""
    kind = fields.get("tokenizer.ggml.model")
    names = gguf_names(path, fields)
    kinds = gguf_kinds(path, fields, len(names))
    if kind == "gpt2":
        tokenizer = _byte_level(path, fields, names)
        letters = letter_bytes()
        pieces = [unlettered(name, letters) for name in names]
    elif kind == "llama":
        tokenizer = _sentence_pieces(path, fields, names)
        pieces = [unspaced(name) for name in names]
    else:
        raise FormatError(f'{path}: field "tokenizer.ggml.model": found "{kind}", expected gpt2 or llama')
    special = [i for i, type_ in enumerate(kinds.tolist()) if type_ in (CONTROL, _USER)]
    tokenizer.add_special_tokens([AddedToken(names[i], special=True, normalized=False) for i in special if kinds[i] == CONTROL])
    # Tokens that stand in texts (spaces in a row, tags) are found before all others, in every text.
    tokenizer.add_tokens([AddedToken(names[i], normalized=_SPACE in names[i]) for i in special if kinds[i] == _USER])
    for i in special:
        pieces[i] = b"" if kinds[i] == CONTROL else names[i].replace(_SPACE, " ").encode()
    bos = gguf_token(path, fields, "bos_token_id", len(names)) if _adds_bos(fields, str(kind)) else None
    return Vocabulary(tokenizer, tuple(pieces), tuple(names), bos, _ends(path, fields, names))


def gguf_names(path: Path, fields: Mapping[str, object]) -> tuple[str, ...]:
    """The tokens, each once. Raises FormatError."""
    names = fields.get("tokenizer.ggml.tokens")
    if not isinstance(names, tuple) or not names or not all(isinstance(name, str) for name in names):
        raise FormatError(f'{path}: field "tokenizer.ggml.tokens": found no list of tokens, expected the vocabulary')
    if max(map(len, names)) > _MAX_PIECE or sum(map(len, names)) > _MAX_PIECES:
        raise FormatError(
            f'{path}: field "tokenizer.ggml.tokens": found a token of more than {_MAX_PIECE} characters, or more than '
            f"{_MAX_PIECES} in all"
        )
    if len(set(names)) != len(names):
        raise FormatError(f'{path}: field "tokenizer.ggml.tokens": found {len(names) - len(set(names))} tokens twice')
    return names


def gguf_kinds(path: Path, fields: Mapping[str, object], count: int) -> NDArray[Any]:
    """GGUF's type of each token (CONTROL and others). Raises FormatError."""
    return _numbers(path, fields, "token_type", count)


def _byte_level(path: Path, fields: Mapping[str, object], names: Sequence[str]) -> Tokenizer:
    """Byte-level BPE (Radford et al., 2019), its merges in the order in which they are made."""
    merges = fields.get("tokenizer.ggml.merges")
    way = fields.get("tokenizer.ggml.pre", "gpt-2")
    if way not in _WORDS:
        raise FormatError(
            f'{path}: field "tokenizer.ggml.pre": found "{way}", expected one of {" ".join(_WORDS)}',
            hint="the words of another family end elsewhere: its tokens would be wrong",
        )
    if not isinstance(merges, tuple) or not all(isinstance(merge, str) and merge.count(" ") == 1 for merge in merges):
        raise FormatError(f'{path}: field "tokenizer.ggml.merges": found no list of "LEFT RIGHT", expected the merges')
    ids = {name: i for i, name in enumerate(names)}
    pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    for left, right in pairs:
        if not {left, right, left + right} <= ids.keys():
            raise FormatError(f'{path}: field "tokenizer.ggml.merges": found "{left} {right}" of no such tokens')
    tokenizer = Tokenizer(BPE(ids, pairs, ignore_merges=way == "llama-bpe"))
    splits: list[Any] = [Split(Regex(pattern), "isolated") for pattern in _WORDS[str(way)]]
    tokenizer.pre_tokenizer = Steps([*splits, ByteLevel(add_prefix_space=False, use_regex=False)])
    return tokenizer


def _sentence_pieces(path: Path, fields: Mapping[str, object], names: Sequence[str]) -> Tokenizer:
    """SentencePiece's BPE (Kudo and Richardson, 2018): of all neighbours the pair is joined whose token has the best score."""
    scores = _numbers(path, fields, "scores", len(names))
    ids = {name: i for i, name in enumerate(names)}
    unknown = names[gguf_token(path, fields, "unknown_token_id", len(names)) or 0]
    order = sorted((i for i in range(len(names)) if len(names[i]) > 1), key=lambda i: (-scores[i], i))
    pairs = [
        (names[i][:cut], names[i][cut:])
        for i in order
        for cut in range(1, len(names[i]))
        if names[i][:cut] in ids and names[i][cut:] in ids
    ]
    tokenizer = Tokenizer(BPE(ids, pairs, unk_token=unknown, fuse_unk=True, byte_fallback=True))
    steps: list[Any] = [normalizers.Prepend(_SPACE)] if fields.get("tokenizer.ggml.add_space_prefix", True) else []
    tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", _SPACE)])
    return tokenizer


def _adds_bos(fields: Mapping[str, object], kind: str) -> bool:
    default = kind == "llama" or fields.get("tokenizer.ggml.pre") == "llama-bpe"
    return bool(fields.get("tokenizer.ggml.add_bos_token", default))


def _ends(path: Path, fields: Mapping[str, object], names: Sequence[str]) -> frozenset[int]:
    """End of text, and of a turn by the names that chat formats give it."""
    found = {gguf_token(path, fields, key, len(names)) for key in ("eos_token_id", "eot_token_id")}
    return frozenset({i for i in found if i is not None} | {i for i, name in enumerate(names) if name in TURNS})


def _numbers(path: Path, fields: Mapping[str, object], key: str, count: int) -> NDArray[Any]:
    """A number of each token."""
    values = fields.get(f"tokenizer.ggml.{key}", ())
    try:
        found = np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        found = np.zeros(0)
    if found.shape != (count,) or not np.isfinite(found).all():
        raise FormatError(
            f'{path}: field "tokenizer.ggml.{key}": found {str(values)[:60]}, expected a number for each of {count}'
        )
    return found


def gguf_token(path: Path, fields: Mapping[str, object], key: str, count: int) -> int | None:
    """A token by its field's name; None where the file names none. Raises FormatError for one that is none."""
    value = fields.get(f"tokenizer.ggml.{key}")
    if value is None:
        return None
    if not isinstance(value, int) or not 0 <= value < count:
        raise FormatError(f'{path}: field "tokenizer.ggml.{key}": found {value!r}, expected a token below {count}')
    return value


def letter_bytes() -> dict[str, int]:
    """The letters that byte-level vocabularies write bytes as."""
    return {letter: byte for byte, letter in enumerate(letters_of_bytes())}


def unlettered(name: str, letters: Mapping[str, int]) -> bytes:
    """A token of a byte-level vocabulary -> its bytes."""
    if all(letter in letters for letter in name):
        return bytes(letters[letter] for letter in name)
    return name.encode()


def unspaced(name: str) -> bytes:
    """A token of SentencePiece's -> its bytes."""
    byte = _BYTE_TOKEN.fullmatch(name)
    return bytes([int(byte[1], 16)]) if byte else name.replace(_SPACE, " ").encode()
