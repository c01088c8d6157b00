"""What a language model is asked for and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from wherry.errors import InputError

_REAL = ("temperature", "top_p", "min_p", "typical_p", "repeat_penalty", "presence_penalty", "frequency_penalty")
# None: as the model's own configuration says. NO_NUMBER stands for it where a number crosses the sandbox's border.
MODEL_OPTIONS = ("temperature", "top_p", "top_k", "min_p", "repeat_penalty", "penalty_last")
NO_NUMBER = (1 << 32) - 1
_WHOLE = {"max_tokens": 32, "top_k": 32, "penalty_last": 32, "seed": 64, "top_logprobs": 32}  # bits
# Options of conversations alone. Where a conversation crosses the sandbox's border they travel with its messages.
CONVERSATION_OPTIONS = ("strict", "continue_final", "generation_prompt", "template_options", "parse_special")
JSON_OBJECT: Mapping[str, Any] = {"type": "object"}


@dataclass(frozen=True)
class AnswerOptions:
    """How to answer.

    max_tokens           of the answer; None: until the context is full
    temperature          0 is greedy. top_p 1, top_k 0, min_p 0 and typical_p 1 leave all tokens. None, of these and of the next
                         line: as the model's own configuration says, else as llama.cpp does (0.8, 0.95, 40, 0.05)
    repeat_penalty       divides (1 is none); presence is taken off once, frequency for each time, in the last `penalty_last`
                         tokens, the prompt's among them
    seed                 None draws one; the same seed gives the same answer, alone or among others
    stop                 strings that end the answer; they are not part of it
    logit_bias           token -> what is added to its logit
    top_logprobs         None: tokens are not told; 0 to 20: they are, with so many of the likeliest in each one's place
    json_schema          the answer is JSON of this schema (any object: JSON_OBJECT); regex, gbnf: it fits this expression of
                         Rust's regex, this grammar of llama.cpp's. At most one of them
    tool_choice          auto, none, required; tool_name: the one that must be called, whatever tool_choice says
    parallel_tool_calls  whether an answer may call several
    shift                where the context is full, go on with the latter half of it rather than end
    strict               whether a json_schema that says what no grammar can keep is refused; else it is kept as far as it can be
    continue_final       whether an assistant's message at the end is the beginning of the answer; None: it is
    generation_prompt    whether the prompt ends where the assistant begins to speak
    template_options     further names that the model's chat template may read, as enable_thinking
    parse_special        whether names of special tokens in a text that goes on are these tokens; in a conversation they never are
    """

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    typical_p: float = 1.0
    repeat_penalty: float | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    penalty_last: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    top_logprobs: int | None = None
    json_schema: Mapping[str, Any] | None = None
    regex: str | None = None
    gbnf: str | None = None
    tool_choice: str = "auto"
    tool_name: str | None = None
    parallel_tool_calls: bool = True
    shift: bool = False
    strict: bool = False
    continue_final: bool | None = None
    generation_prompt: bool = True
    template_options: Mapping[str, Any] = field(default_factory=dict)
    parse_special: bool = True

    def checked(self) -> "AnswerOptions":
        """The same with every value of its type. Raises InputError naming one that is not; which values serve, the host says."""
        said = [name for name in _REAL if name not in MODEL_OPTIONS or getattr(self, name) is not None]
        values: dict[str, Any] = {name: _real(name, getattr(self, name)) for name in said}
        for name, bits in _WHOLE.items():
            if getattr(self, name) is not None:
                values[name] = whole_number(name, getattr(self, name), bits)
        if isinstance(self.stop, str) or not isinstance(self.stop, tuple | list):
            raise InputError(f"stop: found {self.stop!r:.80}, expected texts in a tuple")
        values["stop"] = tuple(valid_text("stop", text) for text in self.stop)
        for name in ("logit_bias", "json_schema", "template_options"):
            if not isinstance(getattr(self, name), Mapping) and not (name == "json_schema" and self.json_schema is None):
                raise InputError(f"{name}: found {getattr(self, name)!r:.80}, expected an object")
        values["logit_bias"] = {
            whole_number("logit_bias", token, 32): _real("logit_bias", bias) for token, bias in self.logit_bias.items()
        }
        for name in ("regex", "gbnf", "tool_choice", "tool_name"):
            if getattr(self, name) is not None or name == "tool_choice":
                values[name] = valid_text(name, getattr(self, name))
        for name in ("parallel_tool_calls", "shift", "strict", "generation_prompt", "continue_final", "parse_special"):
            if not isinstance(getattr(self, name), bool) and not (name == "continue_final" and self.continue_final is None):
                raise InputError(f"{name}: found {getattr(self, name)!r:.80}, expected True or False")
        if self.continue_final and not self.generation_prompt:
            raise InputError("continue_final: found it without generation_prompt, expected one of the two changed")
        return replace(self, **values)


def _real(place: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{place}: found {value!r:.80}, expected a number")
    return float(value)


def whole_number(place: str, value: object, bits: int) -> int:
    """Raises InputError for what is none from 0 to 2^bits - 1."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << bits:
        raise InputError(f"{place}: found {value!r:.80}, expected a whole number from 0 to 2^{bits} - 1")
    return value


def valid_text(place: str, text: object) -> str:
    """Raises InputError for what is no text, and for one with half a character, which no tokenizer reads."""
    if not isinstance(text, str):
        raise InputError(f"{place}: found {text!r:.80}, expected a text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{place}: found half a character at {error.start}, expected Unicode") from error
    return text


@dataclass(frozen=True)
class Likely:
    """A token that could stand in a place, and the logarithm of its probability there, before penalties and temperature.

    data: its bytes; a character may be spread over several tokens. None of a token that steers the model and is no text.
    """

    id: int
    data: bytes
    logprob: float

    @property
    def text(self) -> str:
        return self.data.decode("utf-8", errors="replace")


@dataclass(frozen=True)
class Token(Likely):
    """A token of an answer. top: the likeliest in its place, first to last, as many as were asked for."""

    top: tuple[Likely, ...] = ()


@dataclass(frozen=True)
class ToolCall:
    """arguments: a JSON object, as the model wrote it."""

    name: str
    arguments: str


@dataclass(frozen=True)
class Piece:
    """What an answer has more. text may be empty; tokens are there where `top_logprobs` asked for them.

    finish: "" while more may come; stop, length, or tool_calls where the answer ends with calls of tools.
    """

    text: str
    tokens: tuple[Token, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    finish: str = ""


@dataclass(frozen=True)
class Usage:
    """Tokens. cached: of the prompt, those that were known from other texts and not read again."""

    prompt: int
    completion: int
    cached: int = 0

    @property
    def total(self) -> int:
        return self.prompt + self.completion


@dataclass(frozen=True)
class Answer:
    text: str
    tokens: tuple[Token, ...]
    tool_calls: tuple[ToolCall, ...]
    finish: str  # stop, length or tool_calls
    usage: Usage
    seed: int  # that it was drawn with


@dataclass(frozen=True)
class Vector:
    """What stands for a text: numbers of length 1 together, and how many tokens were read."""

    numbers: tuple[float, ...]
    tokens: int
