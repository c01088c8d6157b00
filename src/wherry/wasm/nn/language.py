"""The engine's language models and models of sentences for components, over the preloaded graphs."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from wherry.engine import answers
from wherry.engine.conversation import (
    CONVERSATION_OPTIONS,
    MODEL_OPTIONS,
    NO_NUMBER,
    AnswerOptions,
    Likely,
    Token,
    Usage,
    Vector,
    valid_text,
)
from wherry.engine.embedding import Embedder
from wherry.engine.language import Language
from wherry.engine.sentences import embed_texts
from wherry.errors import InputError, NotFoundError
from wherry.wasm.nn.backend import BurnSpeech, WhisperSpeech
from wherry.wasm.nn.ggml import GgmlText
from wherry.wasm.nn.graph import Graph
from wherry.wasm.nn.sentences import Sentences
from wherry.wasm.nn.speech import default_name
from wherry.wasm.stop import Check

Said = Callable[[str, Usage, float, float], None]  # model, tokens, seconds to the first piece and to the end
_FIELDS = tuple(field.name for field in fields(AnswerOptions) if field.name not in CONVERSATION_OPTIONS)
_MAX_JSON = 32 << 20  # characters of messages or tools
_MAX_TEXTS = 2048  # in one call


@dataclass(frozen=True)
class PreloadedLanguages:
    """`find` gives a graph by name, loading it once; the names are of the graphs of each kind, the default first.

    `said` is told of every answer that was made to its end.
    """

    languages: Sequence[str]
    sentences: Sequence[str]
    find: Callable[[str], Graph]
    said: Said = lambda name, usage, first, seconds: None

    def names(self) -> Sequence[str]:
        return self.languages

    def open(self, name: str) -> "PreloadedLanguage":
        known = _known(name, self.languages)
        graph = self.find(known)
        if not isinstance(graph, GgmlText):
            raise InputError(f'model "{known}": found no language model')
        return PreloadedLanguage(known, graph, self.said)

    def embedding_names(self) -> Sequence[str]:
        return [*self.sentences, *self.languages]

    def open_embeddings(self, name: str) -> "PreloadedEmbeddings":
        known = _known(name, self.embedding_names())
        graph = self.find(known)
        if isinstance(graph, Sentences):
            return PreloadedEmbeddings(known, graph, graph.embedder)
        if isinstance(graph, GgmlText):
            return PreloadedEmbeddings(known, graph, graph.language)
        raise InputError(f'model "{known}": found no model that makes vectors of texts')


def _known(name: str, names: Sequence[str]) -> str:
    known = default_name(name, names)
    if known not in names:
        raise NotFoundError(f'model "{name}": found no such name, expected one of {", ".join(names) or "none"}')
    return known


def gpu_bytes(graphs: Mapping[str, Graph]) -> dict[str, int]:
    """What each of the loaded models holds on a GPU; none of those on the CPU."""
    found: dict[str, int | None] = {}
    for name, graph in graphs.items():
        if isinstance(graph, BurnSpeech | WhisperSpeech):
            found[name] = graph.whisper.gpu_bytes()
        elif isinstance(graph, GgmlText | Sentences):
            found[name] = (graph.language if isinstance(graph, GgmlText) else graph.embedder).gpu_bytes()
    return {name: size for name, size in found.items() if size is not None}


@dataclass(frozen=True)
class PreloadedLanguage:
    name: str
    graph: GgmlText  # held, or it could be let go meanwhile
    said: Said

    @property
    def language(self) -> Language:
        return self.graph.language

    @property
    def device(self) -> str:
        return self.language.device

    @property
    def context(self) -> int:
        return self.language.context

    @property
    def chats(self) -> bool:
        return self.language.template is not None

    @property
    def supports_tools(self) -> bool:
        return self.language.supports_tools

    def tokens(self, text: str, check: Check) -> list[int]:
        return self.language.vocabulary.encode(text, check=check)

    def text(self, tokens: Sequence[int]) -> str:
        return self.language.text(tokens)

    def chat(self, messages: str, tools: str, options: Sequence[Any], check: Check) -> "RecordedAnswer":
        said, given = _json("messages", messages), _json("tools", tools)
        more: dict[str, Any] = {}
        if isinstance(said, dict):
            more = {name: said[name] for name in CONVERSATION_OPTIONS if name in said}
            if "prompt" in said:  # a text to go on with, and options of it
                options_of_text = replace(_options(options), **more)
                prompt = valid_text("prompt", said["prompt"])
                return RecordedAnswer(answers.complete(self.language, prompt, options_of_text, self._told, check))
            said = said.get("messages")
        wanted = replace(_options(options), **more)
        return RecordedAnswer(answers.chat(self.language, said, given, wanted, self._told, check))

    def complete(self, prompt: str | Sequence[int], options: Sequence[Any], check: Check) -> "RecordedAnswer":
        return RecordedAnswer(answers.complete(self.language, prompt, _options(options), self._told, check))

    def score(self, prompt: str | Sequence[int], top: int, check: Check) -> list[Any]:
        return [_token(token) for token in answers.score(self.language, prompt, top, check)]

    def _told(self, usage: Usage, first: float, seconds: float) -> None:
        self.said(self.name, usage, first, seconds)


def _json(place: str, text: str) -> Any:
    if len(text) > _MAX_JSON:
        raise InputError(f"{place}: found {len(text)} characters, expected at most {_MAX_JSON}")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: found no JSON ({error}), expected a list") from error


def _options(values: Sequence[Any]) -> AnswerOptions:
    """Of the contract's record, whose fields are the class's."""
    given: dict[str, Any] = dict(zip(_FIELDS, values, strict=True))
    given |= {name: None for name in MODEL_OPTIONS if given[name] == NO_NUMBER or given[name] != given[name]}
    given["stop"] = tuple(given["stop"])
    given["logit_bias"] = _biases(given["logit_bias"])
    if given["json_schema"] is not None:
        given["json_schema"] = _json("json_schema", given["json_schema"])
    return AnswerOptions(**given)


def _biases(pairs: Sequence[tuple[int, float]]) -> Mapping[int, float]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InputError("logit_bias: found a token twice, expected each once")
    return found


@dataclass(frozen=True)
class RecordedAnswer:
    """An answer in the contract's records."""

    stream: answers.AnswerStream

    @property
    def seed(self) -> int:
        return self.stream.seed

    def next(self, check: Check) -> Any:
        piece = self.stream.next(check)
        if piece is None:
            return None
        tokens = [_token(token) for token in piece.tokens]
        return piece.text, tokens, [(call.name, call.arguments) for call in piece.tool_calls], piece.finish

    def usage(self) -> Any:
        usage = self.stream.usage()
        return usage.prompt, usage.completion, usage.cached

    def close(self) -> None:
        self.stream.close()


def _token(token: Token) -> tuple[int, str, float, list[tuple[int, str, float]]]:
    return (*_likely(token), [_likely(each) for each in token.top])


def _likely(token: Likely) -> tuple[int, str, float]:
    return token.id, token.data.decode("latin-1"), token.logprob


@dataclass(frozen=True)
class PreloadedEmbeddings:
    name: str
    graph: Graph  # held, or it could be let go meanwhile
    model: Embedder | Language

    @property
    def device(self) -> str:
        return self.model.device

    @property
    def dimensions(self) -> int:
        return self.model.dimensions

    @property
    def max_tokens(self) -> int:
        return self.model.max_tokens

    def embed(self, texts: Sequence[str | Sequence[int]], check: Check) -> list[Any]:
        if len(texts) > _MAX_TEXTS:
            raise InputError(f"texts: found {len(texts)}, expected at most {_MAX_TEXTS}")
        return [_vector(vector) for vector in embed_texts(self.model, texts, check)]


def _vector(vector: Vector) -> tuple[list[float], int]:
    return list(vector.numbers), vector.tokens
