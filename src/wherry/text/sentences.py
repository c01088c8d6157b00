"""Tokens of whole texts, for models that read them at once."""

from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from wherry.errors import FormatError
from wherry.text.files import read_tokenizer


@dataclass(frozen=True)
class SentenceTokenizer:
    tokenizer: Tokenizer

    @classmethod
    def from_file(cls, path: Path, n_vocab: int) -> "SentenceTokenizer":
        """Raises FormatError where it is none, or has tokens that the model does not."""
        tokenizer, _ = read_tokenizer(path)
        if tokenizer.get_vocab_size() > n_vocab:
            raise FormatError(f"{path}: found {tokenizer.get_vocab_size()} tokens, expected at most the model's {n_vocab}")
        tokenizer.no_truncation()  # nothing is left out without a word
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True  # names of special tokens in a text are text
        return cls(tokenizer)

    def encode(self, text: str) -> list[int]:
        """With the tokens that the model wants before and after."""
        return [int(token) for token in self.tokenizer.encode(text).ids]
