"""The vocabulary of a language model, from a GGUF file's fields or a tokenizer.json, on PyPI `tokenizers`."""

import codecs
import pickle
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, normalizers
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Split
from tokenizers.pre_tokenizers import Sequence as Steps

from wherry.errors import FormatError, TooLargeError
from wherry.text.faults import library_faults, names_file
from wherry.text.special_tokens import (
    BYTE,
    CONTROL,
    NORMAL,
    UNKNOWN,
    USER_DEFINED,
    SpecialTokens,
    flag,
    numbers,
    read_special_tokens,
)
from wherry.text.splitters import SPLITTERS, Splitter
from wherry.text.vocabulary import letters_of_bytes
from wherry.text.workers import START_WITH_TOKENIZER, Check, Limits, WorkerEndedError, Workers, no_check

_SPACE = "\u2581"  # SentencePiece writes a space so
_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_MAX_HERE = 1 << 14  # characters of a text that this process reads itself: some milliseconds
_LIMITS = Limits(seconds=10.0, nbytes=2 << 30, deadline=30.0)
_MAX_PIECE = 512  # characters of a token: real ones have some hundred
_MAX_PIECES = 1 << 24  # characters of all tokens, which bounds the search for merges: real ones have two million
_UNWRITABLE = "\ufdd0"  # a noncharacter, which begins the library's name of a token that is no UTF-8


@dataclass(frozen=True)
class Vocabulary:
    """`pieces`: the bytes of each token; those of tokens that steer the model are empty.

    `bos`, `eos`: what the file names so, for templates that write them. `before` and `after` stand around a text; around a chat
    too, if `frames_chats` (llama.cpp's rule for GGUF; in a published folder the template writes all).
    """

    tokenizer: Tokenizer
    pieces: tuple[bytes, ...]
    names: tuple[str, ...]
    bos: int | None
    eos: int | None
    before: tuple[int, ...]
    after: tuple[int, ...]
    ends: frozenset[int]  # tokens that end an answer
    frames_chats: bool = True
    remarks: tuple[str, ...] = ()  # what of the file was passed over, for people
    contained: bool = False  # every text is read in a worker: the file brings patterns that nobody vouches for
    _turn: Lock = field(default_factory=Lock, repr=False, compare=False)  # the library's switch is one for all threads

    @cached_property
    def workers(self) -> Workers:
        """Processes that have this vocabulary, for large texts and for grammars."""
        values = {each.name: getattr(self, each.name) for each in fields(self) if not each.name.startswith("_")}
        return Workers(lambda: pickle.dumps(values))  # which does not hold this: its processes end with the vocabulary

    @cached_property
    def longest(self) -> int:
        """Bytes of a text that one token may stand for: a text has at least its bytes divided by this many tokens."""
        return max(
            max(map(len, self.pieces), default=0), max((len(name.encode(errors="replace")) for name in self.names), default=0), 1
        )

    def encode(self, text: str, *, special: bool = False, check: Check = no_check) -> list[int]:
        """`special`: names of special tokens in the text mean these tokens. Never for a text from outside.

        A large text is read in a worker process, which ends where `check` raises. Raises FormatError for a tokenizer that
        fails at the text, TooLargeError for a text that takes it too long.
        """
        if len(text) <= _MAX_HERE and not self.contained:
            return self.encode_here(text, special=special)
        try:
            _, data = self.workers.run(
                "encode", {"special": special}, text.encode("utf-8", "surrogatepass"), limits=_LIMITS, kind=START_WITH_TOKENIZER,
                check=check,
            )  # fmt: skip
        except WorkerEndedError as error:
            raise TooLargeError(
                f"text: found {len(text)} characters, more than become tokens in {_LIMITS.seconds:g} s, expected a shorter one"
            ) from error
        tokens: list[int] = np.frombuffer(data, np.int32).tolist()
        return tokens

    def encode_here(self, text: str, *, special: bool = False) -> list[int]:
        """As `encode`, in this process, whose other threads wait meanwhile."""
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
    """Tokens to text as they come: a character whose bytes are spread over tokens appears with its last one, and not at all
    where an answer ends before."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def add(self, token: int) -> str:
        return self._decoder.decode(self._vocabulary.pieces[token])

    def end(self) -> str:
        """What is left of a text that ends: part of a character is none."""
        self._decoder.reset()
        return ""


@names_file("a vocabulary that cannot be")
def gguf_vocabulary(path: Path, fields: Mapping[str, object]) -> Vocabulary:
    """Raises FormatError where the file has none, or one of a kind that Wherry does not know."""
    kind = fields.get("tokenizer.ggml.model")
    if kind not in ("gpt2", "llama"):
        raise FormatError(f'{path}: field "tokenizer.ggml.model": found "{kind}", expected gpt2 or llama')
    names = gguf_names(path, fields)
    splitter = _splitter(path, fields) if kind == "gpt2" else Splitter((), adds_bos=True, byte_level=False, marks_spaces=True)
    special = read_special_tokens(path, fields, names, default_bos=splitter.default_bos)
    written = _writable(names)
    if kind == "gpt2":
        tokenizer = _byte_level(path, fields, written, splitter)
    else:
        tokenizer = _sentence_pieces(path, fields, written, special)
    kinds = special.kinds.tolist()
    tokenizer.add_special_tokens(
        [AddedToken(written[i], special=True, normalized=False) for i, each in enumerate(kinds) if each in (CONTROL, UNKNOWN)]
    )
    # Tokens that stand in texts (spaces in a row, tags) are found before all others, in every text.
    users = [i for i, each in enumerate(kinds) if each == USER_DEFINED or (splitter.line_tokens and set(names[i]) == {"\n"})]
    tokenizer.add_tokens([AddedToken(written[i], normalized=False) for i in users])
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    if flag(path, fields, "add_bos_token", splitter.adds_bos):
        before = (_stated(path, "bos", special.bos),)
    if flag(path, fields, "add_eos_token", False):
        after = (_stated(path, "eos", special.eos),)
    return Vocabulary(
        tokenizer,
        _pieces(names, kinds, splitter),
        tuple(shown_name(name) for name in names),
        special.bos,
        special.eos,
        before,
        after,
        special.ends,
        remarks=special.remarks,
    )


def gguf_names(path: Path, fields: Mapping[str, object]) -> tuple[str, ...]:
    """The tokens, each once; bytes that are no UTF-8 are surrogates in them. Raises FormatError."""
    names = fields.get("tokenizer.ggml.tokens")
    if not isinstance(names, tuple) or not names or not all(isinstance(name, str) for name in names):
        raise FormatError(f'{path}: field "tokenizer.ggml.tokens": found no list of tokens, expected the vocabulary')
    if max(map(len, names)) > _MAX_PIECE or sum(map(len, names)) > _MAX_PIECES:
        raise FormatError(
            f'{path}: field "tokenizer.ggml.tokens": found a token of more than {_MAX_PIECE} characters, or more than '
            f"{_MAX_PIECES} in all"
        )
    names = tuple(name or f"[EMPTY_{i}]" for i, name in enumerate(names))  # as llama.cpp names them
    if len(set(names)) != len(names):
        raise FormatError(f'{path}: field "tokenizer.ggml.tokens": found {len(names) - len(set(names))} tokens twice')
    return names


def shown_name(name: str) -> str:
    """A token's name in UTF-8."""
    return name if name.isascii() else name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _writable(names: Sequence[str]) -> tuple[str, ...]:
    """The names as the library takes them: it has no others than UTF-8. No text has one of the others."""
    return tuple(name if _is_text(name) else f"{_UNWRITABLE}{i}" for i, name in enumerate(names))


def _is_text(name: str) -> bool:
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def _pieces(names: Sequence[str], kinds: Sequence[int], splitter: Splitter) -> tuple[bytes, ...]:
    """The bytes of each token in an answer."""
    letters = letter_bytes()

    def piece(name: str, kind: int) -> bytes:
        if kind == BYTE:
            return unspaced(name)
        if kind == USER_DEFINED:
            return name.encode("utf-8", "surrogateescape")
        if kind != NORMAL:
            return b""
        if splitter.byte_level:
            return unlettered(name, letters)
        return (name.replace(_SPACE, " ") if splitter.marks_spaces else name).encode("utf-8", "surrogateescape")

    return tuple(map(piece, names, kinds))


def _splitter(path: Path, fields: Mapping[str, object]) -> Splitter:
    """By its name, which llama.cpp made; of no other is it known where its words end."""
    name = fields.get("tokenizer.ggml.pre") or "default"
    if not isinstance(name, str) or name not in SPLITTERS:
        raise FormatError(
            f'{path}: field "tokenizer.ggml.pre": found "{name!s:.60}", expected one of {", ".join(SPLITTERS)}',
            hint="where words end is not known for this name, so all tokens could be wrong; llama.cpp refuses it too",
        )
    return SPLITTERS[name]


def _byte_level(path: Path, fields: Mapping[str, object], names: Sequence[str], splitter: Splitter) -> Tokenizer:
    """Byte-level BPE (Radford et al., 2019), its merges in the order in which they are made."""
    merges = fields.get("tokenizer.ggml.merges", () if fields.get("tokenizer.ggml.pre") == "kimi-k2" else None)
    if not isinstance(merges, tuple) or not all(isinstance(merge, str) and " " in merge[1:] for merge in merges):
        raise FormatError(f'{path}: field "tokenizer.ggml.merges": found no list of "LEFT RIGHT", expected the merges')
    ids = {name: i for i, name in enumerate(names)}
    pairs = []
    for merge in merges:
        cut = merge.index(" ", 1)
        left, right = merge[:cut], merge[cut + 1 :]
        if not _is_text(merge):  # no text has such parts
            continue
        if not {left, right, left + right} <= ids.keys():
            raise FormatError(f'{path}: field "tokenizer.ggml.merges": found "{left} {right}" of no such tokens')
        pairs.append((left, right))
    tokenizer = Tokenizer(BPE(ids, pairs, ignore_merges=splitter.whole_words, byte_fallback=not splitter.byte_level))
    steps: list[Any] = [Split(Regex(pattern), "isolated") for pattern in splitter.patterns]
    if splitter.byte_level:
        steps.append(ByteLevel(add_prefix_space=False, use_regex=False))
    if splitter.marks_spaces:
        first = [normalizers.Replace(Regex(r"(?<![^\n])(?=[^ \n])"), " ")] if splitter.begins_spaced else []
        tokenizer.normalizer = normalizers.Sequence([*first, normalizers.Replace(" ", _SPACE)])
    tokenizer.pre_tokenizer = Steps(steps)
    return tokenizer


def _sentence_pieces(path: Path, fields: Mapping[str, object], names: Sequence[str], special: SpecialTokens) -> Tokenizer:
    """SentencePiece's BPE (Kudo and Richardson, 2018): of all neighbours the pair is joined whose token has the best score."""
    scores = numbers(path, fields, "scores", len(names))
    if scores is None:
        scores = np.zeros(len(names))
    ids = {name: i for i, name in enumerate(names)}
    # What steers the model is never made of a text's letters, or a text could end a turn.
    made = [i for i, kind in enumerate(special.kinds.tolist()) if len(names[i]) > 1 and kind not in (CONTROL, UNKNOWN)]
    pairs = [
        (names[i][:cut], names[i][cut:])
        for i in sorted(made, key=lambda i: (-scores[i], i))
        for cut in range(1, len(names[i]))
        if names[i][:cut] in ids and names[i][cut:] in ids
    ]
    tokenizer = Tokenizer(BPE(ids, pairs, unk_token=names[special.unknown or 0], fuse_unk=True, byte_fallback=True))
    steps: list[Any] = [normalizers.Prepend(_SPACE)] if flag(path, fields, "add_space_prefix", True) else []
    tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", _SPACE)])
    return tokenizer


def _stated(path: Path, name: str, token: int | None) -> int:
    if token is None:
        raise FormatError(
            f'{path}: field "tokenizer.ggml.{name}_token_id": found none in the vocabulary, expected the token that '
            f"add_{name}_token puts beside every text"
        )
    return token


def letter_bytes() -> dict[str, int]:
    """The letters that byte-level vocabularies write bytes as."""
    return {letter: byte for byte, letter in enumerate(letters_of_bytes())}


def unlettered(name: str, letters: Mapping[str, int]) -> bytes:
    """A token of a byte-level vocabulary -> its bytes."""
    if all(letter in letters for letter in name):
        return bytes(letters[letter] for letter in name)
    return name.encode("utf-8", "surrogateescape")


def unspaced(name: str) -> bytes:
    """A token of SentencePiece's -> its bytes."""
    byte = _BYTE_TOKEN.fullmatch(name)
    return bytes([int(byte[1], 16)]) if byte else name.replace(_SPACE, " ").encode("utf-8", "surrogateescape")
