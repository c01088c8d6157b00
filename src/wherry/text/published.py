"""The vocabulary and the chat template of a language model as Hugging Face publishes them: tokenizer.json and its companions."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tokenizers.models import BPE

from wherry.errors import FormatError
from wherry.text.faults import names_file
from wherry.text.files import MAX_TOKENS, read_document, read_tokenizer
from wherry.text.language import TURNS, Vocabulary, letter_bytes, unlettered, unspaced

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
    beside = _settings(folder)
    return Vocabulary(tokenizer, tuple(pieces), tuple(names), _bos(tokenizer), _ends(folder, config, beside, names))


def published_template(folder: Path) -> str | None:
    """The model's chat template; None where it has none. Raises FormatError for one that is no text."""
    alone = folder / "chat_template.jinja"
    if alone.is_file():
        if alone.stat().st_size > _MAX_TEMPLATE:
            raise FormatError(f"{alone}: found {alone.stat().st_size} bytes, expected at most {_MAX_TEMPLATE}")
        return alone.read_text(encoding="utf-8", errors="replace")
    found = _settings(folder).get("chat_template")
    if isinstance(found, list):  # several by name; tools and retrieval have theirs
        named = {entry.get("name"): entry.get("template") for entry in found if isinstance(entry, dict)}
        found = named.get("default")
    if found is not None and not isinstance(found, str):
        raise FormatError(f'{folder / "tokenizer_config.json"}: "chat_template": found {type(found).__name__}, expected a text')
    return found


def _settings(folder: Path) -> Mapping[str, Any]:
    return _companion(folder / "tokenizer_config.json")


def _companion(path: Path) -> Mapping[str, Any]:
    """A companion's object; empty where there is none."""
    return read_document(path) if path.is_file() else {}


def _types(step: Any) -> set[str]:
    """The kinds of a step and of the steps in it."""
    if not isinstance(step, dict):
        return set()
    inner = [part for value in step.values() if isinstance(value, list) for part in value]
    return {str(step.get("type"))}.union(*map(_types, inner))


def _bos(tokenizer: Tokenizer) -> int | None:
    """What the tokenizer itself puts before a text."""
    plain, whole = (tokenizer.encode("a", add_special_tokens=special).ids for special in (False, True))
    return int(whole[0]) if len(whole) > len(plain) and whole[1 : 1 + len(plain)] == plain else None


def _ends(folder: Path, config: Mapping[str, object], beside: Mapping[str, Any], names: list[str]) -> frozenset[int]:
    """By number in config.json and generation_config.json, by name in tokenizer_config.json, and the ends of turns."""
    eos = beside.get("eos_token")
    wanted = TURNS | {str(eos.get("content") if isinstance(eos, dict) else eos)}
    found = {token for token, name in enumerate(names) if name in wanted}
    for path, said in (
        (folder / "config.json", config),
        (folder / "generation_config.json", _companion(folder / "generation_config.json")),
    ):
        found.update(_numbers(path, said.get("eos_token_id"), len(names)))
    return frozenset(found)


def _numbers(path: Path, value: object, size: int) -> Iterator[int]:
    for number in value if isinstance(value, list) else [] if value is None else [value]:
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < size:
            raise FormatError(f'{path}: "eos_token_id": found {number!r}, expected a token below {size}')
        yield number
