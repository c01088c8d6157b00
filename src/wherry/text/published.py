"""The vocabulary and the chat template of a language model as Hugging Face publishes them: tokenizer.json and its companions."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tokenizers.models import BPE

from wherry.errors import FormatError
from wherry.text.faults import names_file
from wherry.text.files import MAX_TOKENS, read_document, read_tokenizer, step_texts
from wherry.text.language import Vocabulary, letter_bytes, unlettered, unspaced
from wherry.text.special_tokens import ENDS
from wherry.text.splitters import SPLITTERS

_LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# Patterns whose work is in proportion to the text, as far as anybody has seen: those of large families.
_KNOWN_PATTERNS = {_LLAMA3, _LLAMA3.replace("{1,3}", "")}.union(*(splitter.patterns for splitter in SPLITTERS.values()))
_MAX_TEMPLATE = 4 << 20


@names_file("a tokenizer that fails", "tokenizer.json")
def published_vocabulary(folder: Path, config: Mapping[str, object]) -> Vocabulary:
    """The tokenizer.json of `folder`; config: the model's config.json, which may name the tokens that end an answer.

    Raises NotFoundError where there is none, FormatError for one that cannot be or is of a kind that Wherry does not know.
    """
    path = folder / "tokenizer.json"
    tokenizer, said = read_tokenizer(path)
    tokenizer.no_truncation()  # nothing is left out without a word
    tokenizer.no_padding()
    if not isinstance(tokenizer.model, BPE):
        raise FormatError(
            f'{path}: "model": found {type(tokenizer.model).__name__}, expected BPE',
            hint="no family of Wherry's has another kind",
        )
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    size = max(vocabulary.values(), default=-1) + 1
    if not 0 < size <= MAX_TOKENS:
        raise FormatError(f"{path}: found tokens up to {size - 1}, expected 1 to {MAX_TOKENS} of them")
    names = [""] * size  # numbers may be left out
    for name, token in vocabulary.items():
        names[token] = name
    if "ByteLevel" in _types(said.get("decoder")) | _types(said.get("pre_tokenizer")):
        letters = letter_bytes()
        pieces = [unlettered(name, letters) for name in names]
    else:
        pieces = [unspaced(name) for name in names]
    for token, added in tokenizer.get_added_tokens_decoder().items():
        pieces[token] = b"" if added.special else added.content.encode()
    settings = _settings(folder)
    stated = list(_stated_ends(folder, config, size))
    eos = _named(tokenizer, settings.get("eos_token"))
    before, after = _frame(path, tokenizer)
    bos = _named(tokenizer, settings.get("bos_token"))
    special = {name for name, token in vocabulary.items() if not pieces[token]}
    return Vocabulary(
        tokenizer,
        tuple(pieces),
        tuple(names),
        before[0] if bos is None and before else bos,
        stated[0] if eos is None and stated else eos,
        before,
        after,
        frozenset({vocabulary[name] for name in ENDS & special} | {token for token in (eos, *stated) if token is not None}),
        contained=any(key == "Regex" and text not in _KNOWN_PATTERNS for key, text in step_texts(said)),
        frames_chats=False,  # a template writes all of them, as transformers has it
    )


def published_template(folder: Path) -> str | None:
    """The model's chat template; None where it has none. Raises FormatError for one that is no text."""
    alone = folder / "chat_template.jinja"
    if alone.is_file():
        if alone.stat().st_size > _MAX_TEMPLATE:
            raise FormatError(f"{alone}: found {alone.stat().st_size} bytes, expected at most {_MAX_TEMPLATE}")
        return alone.read_text(encoding="utf-8", errors="replace")
    found = _settings(folder).get("chat_template")
    if isinstance(found, list):  # several by name; tools and retrieval have theirs
        named = [entry.get("template") for entry in found if isinstance(entry, dict) and entry.get("name") == "default"]
        found = named[-1] if named else None
    if found is not None and not isinstance(found, str):
        raise FormatError(f'{folder / "tokenizer_config.json"}: "chat_template": found {type(found).__name__}, expected a text')
    return found


def _settings(folder: Path) -> Mapping[str, Any]:
    """tokenizer_config.json; special_tokens_map.json, which older folders have, where it says nothing."""
    return {**_companion(folder / "special_tokens_map.json"), **_companion(folder / "tokenizer_config.json")}


def _companion(path: Path) -> Mapping[str, Any]:
    """A companion's object; empty where there is none."""
    return read_document(path) if path.is_file() else {}


def _types(step: Any) -> set[str]:
    """The kinds of a step and of the steps in it."""
    if not isinstance(step, dict):
        return set()
    inner = [part for value in step.values() if isinstance(value, list) for part in value]
    return {str(step.get("type"))}.union(*map(_types, inner))


def _frame(path: Path, tokenizer: Tokenizer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What the tokenizer's own last step puts before and after a text; transformers asks nothing else about it.

    Raises FormatError for one that does more than that.
    """
    for text in ("a", "0", " "):
        plain, whole = (tokenizer.encode(text, add_special_tokens=special).ids for special in (False, True))
        for start in range(len(whole) - len(plain) + 1):
            if plain and whole[start : start + len(plain)] == plain:
                return tuple(map(int, whole[:start])), tuple(map(int, whole[start + len(plain) :]))
    if not tokenizer.encode("a", add_special_tokens=True).ids:  # no letter is a token of its
        return (), ()
    raise FormatError(f'{path}: "post_processor": found one that changes a text, expected tokens before and after it')


def _named(tokenizer: Tokenizer, name: Any) -> int | None:
    """A token by the name that tokenizer_config.json has for it."""
    name = name.get("content") if isinstance(name, dict) else name
    return tokenizer.token_to_id(name) if isinstance(name, str) else None


def _stated_ends(folder: Path, config: Mapping[str, object], size: int) -> Iterator[int]:
    """By number in config.json and generation_config.json."""
    for path, said in (
        (folder / "config.json", config),
        (folder / "generation_config.json", _companion(folder / "generation_config.json")),
    ):
        yield from _numbers(path, said.get("eos_token_id"), size)


def _numbers(path: Path, value: object, size: int) -> Iterator[int]:
    for number in value if isinstance(value, list) else [] if value is None else [value]:
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < size:
            raise FormatError(f'{path}: "eos_token_id": found {number!r}, expected a token below {size}')
        yield number
