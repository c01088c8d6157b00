"""Tokens of whole texts, for models that read them at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing

from wherry.errors import FormatError
from wherry.text.faults import library_faults
from wherry.text.files import check_patterns, read_tokenizer
from wherry.text.language import gguf_names
from wherry.text.special_tokens import CONTROL, flag, read_special_tokens

_SPACE = "\u2581"  # GGUF marks the beginnings of words with it, BERT what goes on within one
_INSIDE = "##"
_MAX_WORD = 400  # bytes: WordPiece's 100 characters
_TRIED = "a \U000f0000"  # a word, and one that no vocabulary has: what a tokenizer lacks shows when it is loaded


@dataclass(frozen=True)
class SentenceTokenizer:
    tokenizer: Tokenizer

    @classmethod
    def from_file(cls, path: Path, n_vocab: int) -> "SentenceTokenizer":
        """Raises FormatError where it is none, or has tokens that the model does not."""
        with library_faults(path, "a tokenizer that fails"):
            tokenizer, document = read_tokenizer(path)
            check_patterns(path, document)
            return cls._of(tokenizer, path, n_vocab)

    @classmethod
    def from_gguf(cls, path: Path, fields: Mapping[str, object], n_vocab: int) -> "SentenceTokenizer":
        """WordPiece (Wu et al., 2016) of a GGUF file, lower case and without accents where the file does not say otherwise.

        Raises FormatError where the file has no such vocabulary.
        """
        if (kind := fields.get("tokenizer.ggml.model")) != "bert":
            raise FormatError(f'{path}: field "tokenizer.ggml.model": found "{kind}", expected bert')
        names = gguf_names(path, fields)
        special = read_special_tokens(path, fields, names)
        control = {i for i, kind in enumerate(special.kinds.tolist()) if kind == CONTROL}
        words = [name if i in control or _bracketed(name) else _word(name) for i, name in enumerate(names)]
        if len(set(words)) != len(words):
            raise FormatError(f'{path}: field "tokenizer.ggml.tokens": found {len(words) - len(set(words))} words twice')

        def named(key: str, token: int | None) -> tuple[str, int]:
            if token is None:
                raise FormatError(
                    f'{path}: field "tokenizer.ggml.{key}_token_id": found none in the vocabulary, expected a token'
                )
            return words[token], token

        unknown, _ = named("unknown", special.unknown)
        separator = special.eos if special.separator is None else special.separator
        first, last = named("bos", special.bos), named("seperator", separator)  # sic
        lowercase = flag(path, fields, "normalizer.lowercase", True)
        accents = flag(path, fields, "normalizer.strip_accents", lowercase)
        vocabulary = {word: i for i, word in enumerate(words)}
        with library_faults(path, "a vocabulary that cannot be"):
            tokenizer = Tokenizer(WordPiece(vocabulary, unk_token=unknown, continuing_subword_prefix=_INSIDE))
        tokenizer.normalizer = BertNormalizer(lowercase=lowercase, strip_accents=accents)
        tokenizer.pre_tokenizer = BertPreTokenizer()
        tokenizer.post_processor = BertProcessing(last, first)
        tokenizer.add_special_tokens([AddedToken(words[i], special=True, normalized=False) for i in sorted(control)])
        return cls._of(tokenizer, path, n_vocab)

    @classmethod
    def _of(cls, tokenizer: Tokenizer, path: Path, n_vocab: int) -> "SentenceTokenizer":
        unknown = getattr(tokenizer.model, "unk_token", None)
        if isinstance(tokenizer.model, WordPiece) and tokenizer.token_to_id(str(unknown)) is None:
            raise FormatError(f'{path}: found the unknown token "{unknown}", expected one of the vocabulary')
        if tokenizer.get_vocab_size() > n_vocab:
            raise FormatError(f"{path}: found {tokenizer.get_vocab_size()} tokens, expected at most the model's {n_vocab}")
        tokenizer.no_truncation()  # nothing is left out without a word
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True  # names of special tokens in a text are text
        made = cls(tokenizer)
        with library_faults(path, "a tokenizer that fails"):
            tokenizer.encode(_TRIED)
        return made

    @cached_property
    def longest(self) -> int:
        """Bytes of a text that one token may stand for. A word of too many characters is one unknown token, and how many of them
        are too many does not matter here: no text is made of such words."""
        return max(_MAX_WORD, *(len(name.encode()) for name in self.tokenizer.get_vocab()))

    def encode(self, text: str) -> list[int]:
        """With the tokens that the model wants before and after."""
        with library_faults("tokenizer", "one that cannot read this text"):
            return [int(token) for token in self.tokenizer.encode(text).ids]


def _bracketed(name: str) -> bool:
    """[unused7], which older converters leave as it is; a text's brackets are words of their own."""
    return len(name) > 2 and name[0] == "[" and name[-1] == "]"


def _word(name: str) -> str:
    """A token as BERT's vocabularies write it."""
    return name[1:] if name.startswith(_SPACE) and name != _SPACE else _INSIDE + name
