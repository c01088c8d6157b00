"""The host, seen from inside: an app's imports of `wherry:app` and `wasi:nn` (wasm/wit/app.wit) as a `guest.host.Host`.

Only the program that `wherry build` writes imports this: the modules of the contract exist in a component alone.
"""

import io
import json
import logging
import math
import random
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from componentize_py_types import Err
from wit_world.imports import body as incoming
from wit_world.imports import embeddings, language, log, response, settings, speech
from wit_world.imports import graph as nn_graph
from wit_world.imports import tensor as nn_tensor

from wherry import errors
from wherry.engine.conversation import (
    CONVERSATION_OPTIONS,
    MODEL_OPTIONS,
    NO_NUMBER,
    AnswerOptions,
    Likely,
    Piece,
    Token,
    ToolCall,
    Usage,
    Vector,
    valid_text,
    whole_number,
)
from wherry.engine.transcript import Segment, TranscribeOptions, TranscriptStream, Word
from wherry.guest import host, page, upload, wsgi
from wherry.guest import log as app_log
from wherry.guest.tensor import Tensor

T = TypeVar("T")
_CLASSES = {
    "OTHER": errors.WherryError,
    "INPUT": errors.InputError,
    "FORMAT": errors.FormatError,
    "UNSUPPORTED": errors.UnsupportedError,
    "TOO_LARGE": errors.TooLargeError,
    "PROMPT_TOO_LONG": errors.PromptTooLongError,
    "NOT_FOUND": errors.NotFoundError,
    "MODEL_NOT_FOUND": errors.ModelNotFoundError,
    "DEVICE": errors.DeviceError,
    "OUT_OF_MEMORY": errors.OutOfMemoryError,
    "KERNEL": errors.KernelError,
    "GUEST": errors.GuestError,
    "DOWNLOAD": errors.DownloadError,
    "STOPPED": errors.StoppedError,
}
_NN_CLASSES: dict[str, type[errors.WherryError]] = {
    "INVALID_ARGUMENT": errors.InputError,
    "INVALID_ENCODING": errors.FormatError,
    "UNSUPPORTED_OPERATION": errors.UnsupportedError,
    "TOO_LARGE": errors.TooLargeError,
    "NOT_FOUND": errors.NotFoundError,
}
_MAX_LINE = 1 << 13  # characters of output without a line's end that are kept back


class App:
    """What the component exports: requests to a WSGI app, one after the other."""

    def __init__(self, app: wsgi.Application) -> None:
        self._app = app
        self._host = SandboxHost()
        self._begun = False

    def handle(self, request: Any) -> None:
        if not self._begun:
            self._begin()
        body: Any = io.BytesIO()
        if request.body:
            body = Path(request.body).open("rb")  # noqa: SIM115
        elif request.body is not None:
            body = upload.coming(lambda size: (incoming.read() or "").encode("latin-1"))
        with body, host.use(self._host):
            asked = wsgi.Request(
                request.method, request.target, request.headers, body, request.size, request.scheme, request.client
            )
            wsgi.handle(self._app, asked, _Response())
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            stream.buffer.raw.flush_line()  # type: ignore[union-attr]  # ours, see _begin

    def streams(self) -> list[tuple[str, int]]:
        return list(upload.addresses(self._app))

    def public_paths(self) -> list[str]:
        return list(page.public_paths(self._app))

    def _begin(self) -> None:
        """What must not be as it was when the app was compiled: every instance starts from that moment."""
        self._begun = True
        random.seed()
        sys.stdout, sys.stderr = _lines("stdout"), _lines("stderr")
        app_log.install(logging.root.level if logging.root.level != logging.WARNING else logging.INFO)


class _Response:
    def start(self, status: int, headers: wsgi.Headers) -> None:
        response.start(status, list(headers))

    def write(self, chunk: bytes) -> bool:
        return bool(response.write(chunk.decode("latin-1")))


class _LogStream(io.RawIOBase):
    """What the app prints, to the host's log."""

    def __init__(self, context: str) -> None:
        super().__init__()
        self._context = context
        self._rest = b""

    def writable(self) -> bool:
        return True

    def flush_line(self) -> None:
        """What has no end yet has one now."""
        if self._rest:
            self.write(b"\n")

    def write(self, data: Any) -> int:
        *lines, self._rest = (self._rest + bytes(data)).split(b"\n")
        if len(self._rest) > _MAX_LINE:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            log.write(log.Level.INFO, self._context, line.decode(errors="replace"))
        return len(data)


def _lines(context: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(_LogStream(context)), "utf-8", "replace", line_buffering=True)


class SandboxHost:
    """`guest.host.Host` over the imports."""

    def speech_models(self) -> Sequence[str]:
        return list(speech.names())

    def open_speech(self, name: str) -> "SandboxModel":
        return SandboxModel(_call(lambda: speech.open(name)))

    def chat_models(self) -> Sequence[str]:
        return list(language.names())

    def open_chat(self, name: str) -> "SandboxChat":
        return SandboxChat(_call(lambda: language.open(name)))

    def embedding_models(self) -> Sequence[str]:
        return list(embeddings.names())

    def open_embeddings(self, name: str) -> "SandboxEmbeddings":
        return SandboxEmbeddings(_call(lambda: embeddings.open(name)))

    def load_graph(self, name: str) -> "SandboxGraph":
        return SandboxGraph(_nn(lambda: nn_graph.load_by_name(name)))

    def settings(self) -> Mapping[str, str]:
        return dict(settings.all())

    def log(self, level: str, context: str, message: str) -> None:
        log.write(log.Level[level.upper()], context, message)


@dataclass(frozen=True)
class SandboxModel:
    _model: Any

    @cached_property
    def name(self) -> str:
        return str(self._model.name())

    @cached_property
    def device(self) -> str:
        return str(self._model.device())

    @cached_property
    def languages(self) -> Mapping[str, str]:
        return dict(self._model.languages())

    def stream(self, file: Path, options: TranscribeOptions) -> TranscriptStream:
        values = [list(value) if isinstance(value, tuple) else value for value in astuple(options)]
        transcript = _call(lambda: self._model.transcribe(str(file.absolute()), speech.Options(*values)))
        return TranscriptStream(transcript.language(), transcript.duration(), _segments(transcript))

    def detect_language(self, file: Path) -> dict[str, float]:
        return dict(_call(lambda: self._model.detect_language(str(file.absolute()))))


def _segments(transcript: Any) -> Generator[Segment]:
    with transcript:
        while (found := _call(transcript.next)) is not None:
            words = tuple(Word(word.start, word.end, word.word, word.probability) for word in found.words)
            yield Segment(
                id=found.id, seek=found.seek, start=found.start, end=found.end, text=found.text, tokens=tuple(found.tokens),
                temperature=found.temperature, avg_logprob=found.avg_logprob, compression_ratio=found.compression_ratio,
                no_speech_prob=found.no_speech_prob, words=words,
            )  # fmt: skip


@dataclass(frozen=True)
class SandboxChat:
    _model: Any

    @cached_property
    def name(self) -> str:
        return str(self._model.name())

    @cached_property
    def device(self) -> str:
        return str(self._model.device())

    @cached_property
    def context(self) -> int:
        return int(self._model.context())

    @cached_property
    def chats(self) -> bool:
        return bool(self._model.chats())

    @cached_property
    def supports_tools(self) -> bool:
        return bool(self._model.supports_tools())

    def tokens(self, text: str) -> list[int]:
        return list(_call(lambda: self._model.tokens(valid_text("text", text))))

    def text(self, tokens: Sequence[int]) -> str:
        return str(_call(lambda: self._model.text(_numbers("tokens", tokens))))

    def chat(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], options: AnswerOptions
    ) -> "SandboxAnswer":
        checked, default = options.checked(), AnswerOptions()
        more = {name: getattr(checked, name) for name in CONVERSATION_OPTIONS}
        more = {name: value for name, value in more.items() if value != getattr(default, name)}
        said, given = _json("messages", {**more, "messages": messages} if more else messages), _json("tools", tools)
        return SandboxAnswer(_call(lambda: self._model.chat(said, given, _options(options))))

    def complete(self, prompt: str | Sequence[int], options: AnswerOptions) -> "SandboxAnswer":
        if isinstance(prompt, str) and not options.checked().parse_special:
            said = _json("prompt", {"prompt": valid_text("prompt", prompt), "parse_special": False})
            return SandboxAnswer(_call(lambda: self._model.chat(said, "[]", _options(options))))
        return SandboxAnswer(_call(lambda: self._model.complete(_prompt("prompt", prompt), _options(options))))

    def score(self, prompt: str | Sequence[int], top: int) -> tuple[Token, ...]:
        most = whole_number("top", top, 32)
        return tuple(_token(token) for token in _call(lambda: self._model.score(_prompt("prompt", prompt), most)))


class SandboxAnswer:
    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self._seed = int(answer.seed())
        self._usage: Usage | None = None  # once it is closed

    @property
    def seed(self) -> int:
        return self._seed

    def next(self) -> Piece | None:
        if self._usage is not None or (found := _call(self._answer.next)) is None:
            return None
        calls = tuple(ToolCall(call.name, call.arguments) for call in found.tool_calls)
        return Piece(found.text, tuple(_token(token) for token in found.tokens), calls, found.finish)

    def usage(self) -> Usage:
        if self._usage is not None:
            return self._usage
        found = self._answer.usage()
        return Usage(found.prompt, found.completion, found.cached)

    def close(self) -> None:
        if self._usage is None:
            self._usage = self.usage()
            self._answer.__exit__(None, None, None)


def _token(token: Any) -> Token:
    top = tuple(Likely(each.id, each.data.encode("latin-1"), each.logprob) for each in token.top)
    return Token(token.id, token.data.encode("latin-1"), token.logprob, top)


def _options(options: AnswerOptions) -> Any:
    """In the contract's order, which is the class's. Every value is of the contract's type, or the compiler's code would trap."""
    checked = options.checked()
    names = [field.name for field in fields(checked) if field.name not in CONVERSATION_OPTIONS]
    values: dict[str, Any] = {name: getattr(checked, name) for name in names}
    for name in MODEL_OPTIONS:
        if values[name] is None:
            values[name] = NO_NUMBER if name in ("top_k", "penalty_last") else math.nan
    values["stop"], values["logit_bias"] = list(checked.stop), list(checked.logit_bias.items())
    if checked.json_schema is not None:
        values["json_schema"] = _json("json_schema", checked.json_schema)
    return language.Options(**values)


def _json(place: str, value: Any) -> str:
    try:
        return json.dumps(value)  # halves of characters, which no string of the contract has, are written out
    except (TypeError, ValueError, RecursionError) as error:
        raise errors.InputError(f"{place}: found what JSON cannot say ({error})") from error


def _prompt(place: str, prompt: str | Sequence[int]) -> Any:
    return (
        language.Prompt_Text(valid_text(place, prompt))
        if isinstance(prompt, str)
        else language.Prompt_Tokens(_numbers(place, prompt))
    )


def _numbers(place: str, tokens: Sequence[int]) -> list[int]:
    return [whole_number(place, token, 32) for token in tokens]


@dataclass(frozen=True)
class SandboxEmbeddings:
    _model: Any

    @cached_property
    def name(self) -> str:
        return str(self._model.name())

    @cached_property
    def device(self) -> str:
        return str(self._model.device())

    @cached_property
    def dimensions(self) -> int:
        return int(self._model.dimensions())

    @cached_property
    def max_tokens(self) -> int:
        return int(self._model.max_tokens())

    def embed(self, texts: Sequence[str | Sequence[int]]) -> list[Vector]:
        given = [_prompt(f"texts[{index}]", text) for index, text in enumerate(texts)]
        return [Vector(tuple(found.numbers), found.tokens) for found in _call(lambda: self._model.embed(given))]


@dataclass(frozen=True)
class SandboxGraph:
    _graph: Any

    def compute(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        given = [
            (name, nn_tensor.Tensor(list(tensor.dimensions), nn_tensor.TensorType[tensor.type.upper()], tensor.data))
            for name, tensor in inputs.items()
        ]
        with _nn(self._graph.init_execution_context) as context:
            found = _nn(lambda: context.compute(given))
        outputs: dict[str, Tensor] = {}
        for name, tensor in found:
            with tensor:
                outputs[name] = Tensor(tuple(tensor.dimensions()), tensor.ty().name.lower(), tensor.data())
        return outputs


def _call(call: Callable[[], T]) -> T:
    """A call that can fail: the failure as the exception that the host raised."""
    try:
        return call()
    except Err as error:
        failure: Any = error.value
        raised = _CLASSES[failure.kind.name](failure.message, hint=failure.hint)
    raise raised


def _nn(call: Callable[[], T]) -> T:
    try:
        return call()
    except Err as error:
        with error.value as found:
            raised = _NN_CLASSES.get(found.code().name, errors.WherryError)(found.data())
    raise raised
