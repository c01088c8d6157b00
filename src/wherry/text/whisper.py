"""Whisper's vocabulary: byte-level BPE with special tokens for language, task and time (openai-whisper, tokenizer.py)."""

import difflib
import string
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tokenizers import Tokenizer

from wherry.errors import FormatError, InputError
from wherry.text.faults import library_faults
from wherry.text.files import check_patterns, read_tokenizer
from wherry.text.languages import LANGUAGES
from wherry.text.vocabulary import WORDS, build_tokenizer

SECONDS_PER_TIMESTAMP = 0.02
_MAX_PROMPT = 1 << 14  # characters that are read of a prompt's end: 223 tokens have some thousand
_SPACELESS = {"zh", "ja", "th", "lo", "my", "yue"}  # languages written without spaces: words are characters


@dataclass(frozen=True)
class WhisperTokenizer:
    """A vocabulary for one language and task. `language` and `task` are None in English-only models."""

    tokenizer: Tokenizer
    n_vocab: int
    language: str | None = None
    task: str | None = None

    @classmethod
    def from_file(cls, path: Path, n_vocab: int) -> "WhisperTokenizer":
        """Read a `tokenizer.json`. Raises FormatError where it is not one of Whisper's or does not fit the model."""
        tokenizer, document = read_tokenizer(path)
        check_patterns(path, document, WORDS)
        made = cls(tokenizer, n_vocab)
        if made.timestamp_begin + 1501 != n_vocab:
            raise FormatError(
                f"{path}: <|0.00|> is token {made.timestamp_begin}, expected {n_vocab - 1501} for a model of {n_vocab} tokens",
                hint="take the tokenizer.json that belongs to the model: English-only and multilingual ones differ",
            )
        return made

    @classmethod
    def from_vocabulary(cls, tokens: Sequence[bytes], n_vocab: int) -> "WhisperTokenizer":
        """From the bytes of each token, as ggml files hold them. Raises FormatError where they are not Whisper's."""
        return cls(build_tokenizer(tokens, n_vocab), n_vocab)

    def save(self, path: Path) -> None:
        """Write the vocabulary as a `tokenizer.json`."""
        self.tokenizer.save(str(path))

    def using(self, language: str | None, task: str) -> "WhisperTokenizer":
        """The same vocabulary for a language (a code) and a task, where the model is multilingual."""
        if not self.multilingual:
            return self
        return WhisperTokenizer(self.tokenizer, self.n_vocab, language or "en", task)

    def special(self, name: str) -> int:
        token = self.tokenizer.token_to_id(f"<|{name}|>")
        if token is None:
            raise FormatError(f'tokenizer: found no token "<|{name}|>", expected a Whisper vocabulary')
        return int(token)

    @cached_property
    def multilingual(self) -> bool:
        return self.n_vocab >= 51865

    @cached_property
    def eot(self) -> int:
        return self.special("endoftext")

    @cached_property
    def sot(self) -> int:
        return self.special("startoftranscript")

    @cached_property
    def sot_prev(self) -> int:
        return self.special("startofprev")

    @cached_property
    def no_timestamps(self) -> int:
        return self.special("notimestamps")

    @cached_property
    def timestamp_begin(self) -> int:
        return self.no_timestamps + 1

    @cached_property
    def no_speech(self) -> int:
        # Older vocabularies call it <|nocaptions|>; it stands right before <|notimestamps|>.
        return self.no_timestamps - 1

    @cached_property
    def languages(self) -> dict[int, str]:
        """Language tokens -> codes, in the vocabulary's order."""
        first = self.sot + 1
        count = self.special("translate") - first
        return {first + i: code for i, code in enumerate(list(LANGUAGES)[:count])}

    @cached_property
    def sot_sequence(self) -> tuple[int, ...]:
        if not self.multilingual:
            return (self.sot,)
        # By place, not by name: older vocabularies call Hebrew <|iw|>.
        language = self.sot + 1 + list(LANGUAGES).index(self.language or "en")
        return (self.sot, language, self.special(self.task or "transcribe"))

    @cached_property
    def non_speech_tokens(self) -> frozenset[int]:
        """Brackets, notes and the like, never spoken: suppressed unless asked for ("-" and "'" stay inside words)."""
        symbols = list('"#()*+/:;<=>@[\\]^_`{|}~「」『』')
        symbols += ["<<", ">>", "<<<", ">>>", "--", "---", "-(", "-[", "('", '("', "((", "))", "(((", ")))"]
        symbols += ["[[", "]]", "{{", "}}", "♪♪", "♪♪♪"]
        notes = set("♩♪♫♬♭♮♯")
        found = {token for text in (" -", " '") for token in self.encode(text)[:1]}
        for symbol in [*symbols, *notes]:
            for tokens in (self.encode(symbol), self.encode(" " + symbol)):
                if len(tokens) == 1 or symbol in notes:
                    found.add(tokens[0])
        return frozenset(found)

    def encode(self, text: str) -> list[int]:
        """Text to tokens. Names of special tokens in it ("<|en|>") are text: they steer nothing."""
        with _faults():
            normalizer, splitter = self.tokenizer.normalizer, self.tokenizer.pre_tokenizer
            text = normalizer.normalize_str(text) if normalizer else text
            pieces = splitter.pre_tokenize_str(text) if splitter else [(text, (0, len(text)))]
            return [token.id for piece, _ in pieces for token in self.tokenizer.model.tokenize(piece)]

    def encode_option(self, text: str | None) -> list[int]:
        """A prompt or prefix, of which only the end counts: no window reads more than half of its 448 tokens."""
        text = (text or "").strip()
        return self.encode(" " + text[-_MAX_PROMPT:]) if text else []

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of the tokens; special tokens and timestamps are left out."""
        with _faults():
            return str(self.tokenizer.decode([t for t in tokens if t < self.eot], skip_special_tokens=False))

    def split_words(self, tokens: Sequence[int]) -> tuple[list[str], list[list[int]]]:
        """Tokens -> words and the tokens of each; a word starts at a space, or at each character where there are none."""
        characters, groups = self._split_characters(tokens)
        if (self.language or "en") in _SPACELESS:
            return characters, groups
        words: list[str] = []
        word_tokens: list[list[int]] = []
        for text, group in zip(characters, groups, strict=True):
            starts = group[0] >= self.eot or text.startswith(" ") or text.strip() in string.punctuation or not words
            if starts:
                words.append(text)
                word_tokens.append(list(group))
            else:
                words[-1] += text
                word_tokens[-1].extend(group)
        return words, word_tokens

    def _split_characters(self, tokens: Sequence[int]) -> tuple[list[str], list[list[int]]]:
        """The smallest groups of tokens that decode to whole characters: a character may span tokens."""
        whole = self._decode_all(tokens)
        texts: list[str] = []
        groups: list[list[int]] = []
        current: list[int] = []
        offset = 0
        for token in tokens:
            current.append(token)
            text = self._decode_all(current)
            broken = text.find("\ufffd")
            # A replacement character that stands in the whole text too is real output, not half a character.
            if broken < 0 or (offset + broken < len(whole) and whole[offset + broken] == "\ufffd"):
                texts.append(text)
                groups.append(current)
                current = []
                offset += len(text)
        return texts, groups

    def _decode_all(self, tokens: Sequence[int]) -> str:
        with _faults():
            return str(self.tokenizer.decode([t for t in tokens if t < self.timestamp_begin], skip_special_tokens=False))


def _faults() -> AbstractContextManager[None]:
    return library_faults("tokenizer", "one that cannot read this text")


def language_code(name: str) -> str:
    """`en`, `English`, `EN` -> "en". Raises InputError for a language that Whisper does not know."""
    wanted = name.strip().lower()
    aliases = {
        "burmese": "my", "valencian": "ca", "flemish": "nl", "haitian": "ht", "letzeburgesch": "lb", "pushto": "ps",
        "panjabi": "pa", "moldavian": "ro", "moldovan": "ro", "sinhalese": "si", "castilian": "es", "mandarin": "zh",
    }  # fmt: skip
    by_name = {text: code for code, text in LANGUAGES.items()}
    code = wanted if wanted in LANGUAGES else by_name.get(wanted) or aliases.get(wanted)
    if code is None:
        near = difflib.get_close_matches(wanted, [*by_name, *aliases], n=3)
        raise InputError(
            f'language: found "{name}", expected a language code such as en, de, zh or its English name',
            hint=f"did you mean {' or '.join(near)}?" if near else "leave it out to have the language detected",
        )
    return code
