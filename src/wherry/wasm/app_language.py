"""Language models for a web app: the contract's interfaces `language` and `embeddings`, on the protocol of language.py."""

from collections.abc import Callable, Sequence
from typing import Any

from wherry.wasm.component import Guest, Interface
from wherry.wasm.values import Case, Own

_MODEL, _ANSWER, _EMBEDDER = 203, 204, 205
Fallible = Callable[[Callable[..., Any]], Callable[..., Any]]


def interfaces(fallible: Fallible) -> dict[str, Interface]:
    """By their names in the contract."""
    language = Interface(
        {
            "names": lambda guest: list(guest.data.languages.names()),
            "open": fallible(lambda guest, name: guest.table.add(_MODEL, guest.data.languages.open(name))),
            "[method]model.name": lambda guest, model: guest.table[model].name,
            "[method]model.device": lambda guest, model: guest.table[model].device,
            "[method]model.context": lambda guest, model: guest.table[model].context,
            "[method]model.chats": lambda guest, model: guest.table[model].chats,
            "[method]model.supports-tools": lambda guest, model: guest.table[model].supports_tools,
            "[method]model.tokens": fallible(lambda guest, model, text: guest.table[model].tokens(text, guest.check)),
            "[method]model.text": fallible(lambda guest, model, tokens: guest.table[model].text(tokens)),
            "[method]model.chat": fallible(_chat),
            "[method]model.complete": fallible(_complete),
            "[method]model.score": fallible(_score),
            "[method]answer.seed": lambda guest, answer: guest.table[answer].seed,
            "[method]answer.next": fallible(lambda guest, answer: guest.table[answer].next(guest.check)),
            "[method]answer.usage": lambda guest, answer: guest.table[answer].usage(),
        },
        {"model": _MODEL, "answer": _ANSWER},
    )
    embeddings = Interface(
        {
            "names": lambda guest: list(guest.data.languages.embedding_names()),
            "open": fallible(lambda guest, name: guest.table.add(_EMBEDDER, guest.data.languages.open_embeddings(name))),
            "[method]model.name": lambda guest, model: guest.table[model].name,
            "[method]model.device": lambda guest, model: guest.table[model].device,
            "[method]model.dimensions": lambda guest, model: guest.table[model].dimensions,
            "[method]model.max-tokens": lambda guest, model: guest.table[model].max_tokens,
            "[method]model.embed": fallible(_embed),
        },
        {"model": _EMBEDDER},
    )
    return {"language": language, "embeddings": embeddings}


def _chat(guest: Guest, model: int, messages: str, tools: str, options: tuple[Any, ...]) -> Own:
    return guest.table.add(_ANSWER, guest.table[model].chat(messages, tools, options, guest.check))


def _complete(guest: Guest, model: int, prompt: Case, options: tuple[Any, ...]) -> Own:
    return guest.table.add(_ANSWER, guest.table[model].complete(prompt.value, options, guest.check))


def _score(guest: Guest, model: int, prompt: Case, top: int) -> list[Any]:
    return list(guest.table[model].score(prompt.value, top, guest.check))


def _embed(guest: Guest, model: int, texts: Sequence[Case]) -> list[Any]:
    return list(guest.table[model].embed([text.value for text in texts], guest.check))
