"""Language models in the conventions of WasmEdge's GGML plugin: a prompt and JSON in, text and usage out, whole or in pieces."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from wherry.engine.language import Answer, Language
from wherry.engine.sampling import SamplingOptions
from wherry.errors import InputError, PromptTooLongError
from wherry.text.constraint import Grammar, gbnf, json_schema
from wherry.text.stops import Stops
from wherry.text.workers import no_check
from wherry.wasm.nn.graph import PROMPT, Ending, Tensor
from wherry.wasm.stop import Check

Say = Callable[[str], None]
_ROOM = 4  # tokens of the context that a prompt must leave
# Keys that change nothing about an answer: how llama.cpp runs, and what it prints.
NO_MATTER = {
    "enable-log", "enable-debug-log", "batch-size", "ubatch-size", "n-gpu-layers", "main-gpu", "tensor-split", "split-mode",
    "threads", "use-mmap", "use-mlock", "flash-attn",
}  # fmt: skip
_KEYS = {
    "stream-stdout": bool, "ctx-size": int, "n-predict": int, "embedding": bool, "temp": float, "top-k": int, "top-p": float,
    "min-p": float, "typ-p": float, "repeat-penalty": float, "presence-penalty": float, "frequency-penalty": float,
    "last-n-penalty": int, "mirostat": int, "mirostat-eta": float, "mirostat-ent": float, "seed": int, "reverse-prompt": str,
    "grammar": str, "json-schema": str,
}  # fmt: skip
_ANY_SEED = {-1, 0xFFFF_FFFF}  # llama.cpp's "draw one"


@dataclass(frozen=True)
class Wanted:
    """The keys that are honoured. context: tokens, None for what the model was loaded with. most: tokens of the answer."""

    sampling: SamplingOptions = field(default_factory=lambda: SamplingOptions(0.8, 40, 0.95, 0.05))  # llama.cpp's defaults
    most: int | None = None
    context: int | None = None
    embedding: bool = False
    print_out: bool = False
    stops: tuple[str, ...] = ()
    grammar: Grammar | None = None


@dataclass(frozen=True, eq=False)
class GgmlText:
    """Input 0 is the prompt in UTF-8; input 1 JSON that goes before `config`, key by key. Output 0 is the text, or with
    `embedding` the vector as JSON; output 1 the usage.
    """

    language: Language
    say: Say
    config: bytes = b"{}"
    _named: set[str] = field(default_factory=set)  # keys that are not honoured, and have been named

    def configured(self, config: bytes) -> "GgmlText":
        self._wanted(config)  # said now, not at the first compute
        return replace(self, config=config)

    def compute(self, inputs: dict[int, Tensor], check: Check) -> dict[int, bytes]:
        wanted = self._wanted_of(inputs)
        if wanted.embedding:
            return self._embedded(_prompt(inputs), check)
        pieces = self._answer(_prompt(inputs), wanted, check)
        while pieces.step(check) is None:
            pass
        return pieces.outputs()

    def usage(self, inputs: dict[int, Tensor]) -> bytes:
        """Of the prompt alone; all zeros before there is one."""
        return usage(len(self.language.marked_prompt(_prompt(inputs))) if PROMPT in inputs else 0, 0)

    def stream(self, inputs: dict[int, Tensor]) -> "AnswerPieces":
        wanted = self._wanted_of(inputs)
        if wanted.embedding:
            raise InputError("compute_single: found `embedding`, expected compute: a vector has no pieces")
        return self._answer(_prompt(inputs), wanted)

    def _answer(self, prompt: str, wanted: Wanted, check: Check = no_check) -> "AnswerPieces":
        self.language.check_size("input 0", [prompt])
        tokens = self.language.marked_prompt(prompt, check)
        context = min(wanted.context or self.language.context, self.language.context)
        if len(tokens) > context - _ROOM:
            raise PromptTooLongError(
                f"input 0: found a prompt of {len(tokens)} tokens, expected at most {context - _ROOM} in a context of {context}",
                hint="shorten the prompt, or load the model with a larger ctx-size",
            )
        room = context - len(tokens)
        most = room if wanted.most is None else min(wanted.most, room)
        answers = self.language.generate(tokens, wanted.sampling, most, wanted.grammar) if most else iter(())
        return AnswerPieces(answers, Stops(wanted.stops), len(tokens), full=most == room, print_out=wanted.print_out)

    def _embedded(self, prompt: str, check: Check) -> dict[int, bytes]:
        self.language.check_size("input 0", [prompt])
        tokens = self.language.marked_prompt(prompt, check)
        if len(tokens) >= self.language.context:
            raise PromptTooLongError(f"input 0: found {len(tokens)} tokens, expected fewer than {self.language.context}")
        vector = self.language.embed(tokens)
        data = {"n_embedding": len(vector), "embedding": [float(f"{number:.9g}") for number in vector.tolist()]}
        return {0: json.dumps(data).encode(), 1: usage(len(tokens), 0)}

    def _wanted_of(self, inputs: Mapping[int, Tensor]) -> Wanted:
        return self._wanted(self.config, *([inputs[1].data] if 1 in inputs else []))

    def _wanted(self, *configs: bytes) -> Wanted:
        said: dict[str, Any] = {}
        for raw in configs:
            said |= config_object(raw)
        for key in sorted(said.keys() - _KEYS.keys() - NO_MATTER - self._named):
            self._named.add(key)
            self.say(f"wasi-nn ggml: not honoured: {key}")
        values = {key: _value(key, said[key], kind) for key, kind in _KEYS.items() if said.get(key) is not None}
        context = values.get("ctx-size") or None
        if context is not None and context > self.language.context and "ctx-size" not in self._named:
            self._named.add("ctx-size")
            self.say(f"wasi-nn ggml: ctx-size: found {context}, but the model was loaded with {self.language.context}")
        default = replace(Wanted().sampling, **vars(self.language.sampling))
        sampling = SamplingOptions(
            temperature=max(values.get("temp", default.temperature), 0.0),
            top_k=max(values.get("top-k", default.top_k), 0),
            top_p=values.get("top-p", default.top_p),
            min_p=values.get("min-p", default.min_p),
            repeat_penalty=values.get("repeat-penalty", default.repeat_penalty),
            seed=_seed(values.get("seed", -1)),
            typical_p=values.get("typ-p", default.typical_p),
            presence_penalty=max(values.get("presence-penalty", default.presence_penalty), 0.0),
            frequency_penalty=max(values.get("frequency-penalty", default.frequency_penalty), 0.0),
            penalty_last=values.get("last-n-penalty", default.penalty_last),
            mirostat=values.get("mirostat", default.mirostat),
            mirostat_tau=values.get("mirostat-ent", default.mirostat_tau),
            mirostat_eta=values.get("mirostat-eta", default.mirostat_eta),
        )
        sampling.check()
        most = values.get("n-predict", -1)
        stop = values.get("reverse-prompt", "")
        return Wanted(
            sampling,
            None if most < 0 else most,
            context,
            values.get("embedding", False),
            values.get("stream-stdout", False),
            (stop,) if stop else (),
            _grammar(values.get("grammar"), values.get("json-schema")),
        )


@dataclass
class AnswerPieces:
    """An answer in the making. `full`: its limit is the end of the context."""

    answers: Iterator[Answer]
    stops: Stops
    asked: int  # tokens of the prompt
    full: bool
    print_out: bool
    made: int = 0
    piece: bytes = b""  # the newest
    text: list[bytes] = field(default_factory=list)
    ended: Ending | None = None

    def step(self, check: Check) -> Ending | None:
        """One token more -> None, or why there is none. `check` is called before it."""
        if self.ended is not None:
            return self.ended
        check()
        answer = next(self.answers, None)
        text = self.stops.add(answer.text) if answer else ""
        if self.stops.found is not None:
            self.ended = Ending.SEQUENCE
            self.close()
        elif answer is None or answer.end:
            text += self.stops.end()
            self.ended = Ending.CONTEXT if answer and answer.end == "length" and self.full else Ending.SEQUENCE
        self.made += answer is not None and answer.end != "stop"
        if self.ended is not None and not text:
            return self.ended
        self._add(text)  # the last piece, too, is to be read before the end is told
        return None

    def outputs(self) -> dict[int, bytes]:
        return {0: b"".join(self.text), 1: usage(self.asked, self.made)}

    def close(self) -> None:
        """End the work."""
        if (close := getattr(self.answers, "close", None)) is not None:
            close()

    def _add(self, text: str) -> None:
        if self.print_out:
            print(text, end="", flush=True)
        self.piece = text.encode()
        self.text.append(self.piece)


def _prompt(inputs: Mapping[int, Tensor]) -> str:
    if 0 not in inputs:
        raise InputError("input 0: found none, expected set_input before compute")
    try:
        return inputs[0].data.rstrip(b"\0").decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"input 0: found bytes that are not UTF-8 ({error.reason} at {error.start}), expected a prompt"
        ) from error


def context_of(config: bytes) -> int | None:
    """The context (tokens) that a model is to be loaded with, where its configuration names one."""
    value = config_object(config).get("ctx-size")
    return None if value is None else _value("ctx-size", value, int) or None


def config_object(raw: bytes) -> dict[str, Any]:
    """The keys of a configuration; guests in the wild write some with underscores."""
    try:
        given = json.loads(raw.rstrip(b"\0") or b"{}")
    except (ValueError, RecursionError) as error:
        raise InputError(f"configuration: found no JSON ({error}), expected an object") from error
    if not isinstance(given, dict):
        raise InputError(f"configuration: found a JSON {type(given).__name__}, expected an object")
    return {key.replace("_", "-"): value for key, value in given.items()}


def _value(key: str, value: Any, kind: type) -> Any:
    right = isinstance(value, bool) == (kind is bool) and isinstance(value, int | float if kind is float else kind)
    if not right or (kind is float and not abs(value) < 1e9) or (kind is int and not abs(value) < 1 << 53):
        raise InputError(f"configuration: {key}: found {json.dumps(value)[:80]}, expected a {kind.__name__}")
    return kind(value)


def _grammar(text: str | None, schema: str | None) -> Grammar | None:
    if text and schema:
        raise InputError("configuration: found both grammar and json-schema, expected one of them")
    if text:
        return gbnf(text, "configuration: grammar")
    if not schema:
        return None
    try:
        given = json.loads(schema)
    except (ValueError, RecursionError) as error:
        raise InputError(f"configuration: json-schema: found no JSON ({error}), expected a schema") from error
    if not isinstance(given, dict):
        raise InputError(f"configuration: json-schema: found a JSON {type(given).__name__}, expected an object")
    return json_schema(given, "configuration: json-schema")


def _seed(seed: int) -> int:
    if seed in _ANY_SEED:
        import secrets

        return secrets.randbits(32)
    return seed & (1 << 64) - 1


def usage(asked: int, made: int) -> bytes:
    """llama.cpp's keys are there, for guests read them; there is no llama.cpp."""
    return json.dumps({"input_tokens": asked, "output_tokens": made, "llama_build_number": 0, "llama_commit": "wherry"}).encode()
