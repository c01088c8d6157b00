"""Answers of a language model as apps ask for them: conversations with tools, texts that go on; pieces as they are made."""

import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from wherry.engine.conversation import (
    MODEL_OPTIONS,
    AnswerOptions,
    Likely,
    Piece,
    Token,
    ToolCall,
    Usage,
    valid_text,
    whole_number,
)
from wherry.engine.language import Language
from wherry.engine.messages import check_messages, check_tools
from wherry.engine.sampling import SamplingOptions
from wherry.engine.scheduler import Made, Stream
from wherry.errors import InputError, PromptTooLongError
from wherry.text.constraint import Grammar, answer_or_calls, gbnf, json_schema, regular_expression
from wherry.text.language import Pieces
from wherry.text.stops import Stops
from wherry.text.tools import MARKS, CallReader, ToolStyle, call_schema, told_of_tools, tool_style
from wherry.text.workers import Check, no_check

_LOG = logging.getLogger(__name__)
Told = Callable[[Usage, float, float], None]  # the usage of an answer, seconds to its first piece, seconds to its end
_WAIT_SECONDS = 0.1  # between two looks at whether anybody still waits
_MOST_TOP = 20
_ENDLESS = 1 << 30  # tokens, where a context that is full is no end


def chat(
    language: Language,
    messages: object,
    tools: object,
    options: AnswerOptions,
    told: Told = lambda usage, first, seconds: None,
    check: Check = no_check,
) -> "AnswerStream":
    """The answer to a conversation, which is computed from now on. messages, tools: as `engine/messages.py` checks them. What
    `check` raises before the answer begins ends the work.

    With a tool_choice that requires a call the answer is one; else calls are found in what the model says, unless regex or gbnf
    say what it is. Beside a json_schema it is a call or fits the schema, whichever the model begins. Raises InputError naming
    the field, PromptTooLongError.
    """
    options = options.checked()
    said, known = check_messages(messages), check_tools(tools)
    named, choice = options.tool_name, options.tool_choice
    if choice not in ("auto", "none", "required"):
        raise InputError(f'tool_choice: found "{choice}", expected auto, none or required')
    if named is None and choice == "none":
        known = []
    said, begun = _begun_answer(said, options)
    style, reader, begin = tool_style(language.template or ""), None, ""
    if named is not None or choice == "required":
        begin = style.begin
        grammar: Grammar | None = _call_grammar(style, known, options, check)
        reader = _call_reader(known, options, expected=True)
    else:
        grammar = _grammar(options, check)
        if known and (grammar is None or options.json_schema is not None):
            reader = _call_reader(known, options)
            if grammar is not None:
                grammar = _either(language, style, grammar, known, options, check)
    for each in grammar.omitted if grammar is not None else ():
        _log_omission(f"{grammar.field if grammar is not None else ''}: {each}")
    given, of_template = told_of_tools(language.template or "", said, known)
    prompt = language.prompt(
        given,
        of_template,
        begin,
        begun=begun,
        answer=options.generation_prompt,
        options=options.template_options,
        shift=options.shift,
        check=check,
    )
    return _begin(language, "messages", prompt, options, grammar, reader, told, check)


def _begun_answer(messages: list[dict[str, Any]], options: AnswerOptions) -> tuple[list[dict[str, Any]], str]:
    """The messages before the answer, and what the answer has begun with: an assistant's message at the end."""
    last = messages[-1]
    continues = last["role"] == "assistant" and "tool_calls" not in last
    if options.continue_final and not continues:
        raise InputError("continue_final: found no message of the assistant's at the end, expected one to continue")
    if not continues or options.continue_final is False or not options.generation_prompt:
        return messages, ""
    return messages[:-1] or [{"role": "user", "content": ""}], last["content"]


def _call_grammar(style: ToolStyle, tools: Sequence[Mapping[str, Any]], options: AnswerOptions, check: Check) -> Grammar:
    """Of an answer that is a call, of the tool that is named or of any."""
    name = options.tool_name
    schema = call_schema(style, tools, name, parallel=options.parallel_tool_calls)
    for index, tool in enumerate(tools):
        function = tool["function"]
        if function.get("strict") and name in (None, function["name"]):
            field = f"tools[{index}].function.parameters"  # what is refused is named where the caller has it
            json_schema(function["parameters"], field, spaced=False, strict=True, check=check)
    return json_schema(schema, "tools", spaced=False, check=check)


def _either(
    language: Language,
    style: ToolStyle,
    answer: Grammar,
    tools: Sequence[Mapping[str, Any]],
    options: AnswerOptions,
    check: Check,
) -> Grammar:
    """Of an answer that fits a schema or is a call, whichever the model begins."""
    vocabulary = language.vocabulary

    def mark(text: str) -> tuple[int | None, str]:
        name = text.strip()
        token = vocabulary.names.index(name) if name in vocabulary.names else None
        if token is None or vocabulary.pieces[token]:
            return None, text
        return token, text.replace(name, "", 1)

    calls = _call_grammar(style, tools, options, check)
    return answer_or_calls(answer, calls, mark(style.begin), mark(style.end), parallel=options.parallel_tool_calls, check=check)


@lru_cache(maxsize=1024)
def _log_omission(line: str) -> None:
    """Once for each: clients send the same schema over and over."""
    _LOG.warning("accepted, but not enforced: %s", line)


def _call_reader(tools: Sequence[Mapping[str, Any]], options: AnswerOptions, *, expected: bool = False) -> CallReader:
    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools}
    return CallReader(schemas, expected=expected, most=None if options.parallel_tool_calls else 1)


def complete(
    language: Language,
    prompt: str | Sequence[int],
    options: AnswerOptions,
    told: Told = lambda usage, first, seconds: None,
    check: Check = no_check,
) -> "AnswerStream":
    """What comes after a text, or after tokens; computed from now on. Raises as `chat`."""
    options = options.checked()
    tokens = _prompt_tokens(language, prompt, check, special=options.parse_special, shift=options.shift)
    return _begin(language, "prompt", tokens, options, _grammar(options, check), None, told, check)


def score(language: Language, prompt: str | Sequence[int], top: int = 0, check: Check = lambda: None) -> tuple[Token, ...]:
    """How likely each token of a text is after those before it, with the `top` likeliest in its place. The first follows nothing:
    its log-probability is 0 and none is told beside it. Raises as `complete`; what `check` raises ends the work.
    """
    tokens = _prompt_tokens(language, prompt, check)
    if not 0 <= top <= _MOST_TOP:
        raise InputError(f"top: found {top}, expected 0 to {_MOST_TOP}")
    if len(tokens) > language.context:
        raise PromptTooLongError(
            f"prompt: found {len(tokens)} tokens, expected at most the model's maximum context length of {language.context}"
        )
    stream = language.score(tokens, top)
    found = [_token(language, Made(tokens[0], 0.0))]
    try:
        while not stream.ended:
            check()
            for made in stream.take(_WAIT_SECONDS):
                found.append(_token(language, made))
    finally:
        stream.cancelled = True
    return tuple(found)


def _token(language: Language, made: Made) -> Token:
    pieces = language.vocabulary.pieces
    top = tuple(Likely(token, pieces[token], logprob) for token, logprob in made.top)
    return Token(made.token, pieces[made.token], made.logprob, top)


def _prompt_tokens(
    language: Language, prompt: str | Sequence[int], check: Check, *, special: bool = True, shift: bool = False
) -> list[int]:
    """special: whether names of special tokens in a text are these tokens."""
    if isinstance(prompt, str):
        text = valid_text("prompt", prompt)
        if not special:
            return language.text_prompt(text, check, shift=shift)
        if not shift:
            language.check_size("prompt", [text])
        return language.marked_prompt(text, check)
    return [whole_number("prompt", token, 32) for token in prompt]


def _begin(
    language: Language,
    place: str,
    prompt: Sequence[int],
    options: AnswerOptions,
    grammar: Grammar | None,
    reader: CallReader | None,
    told: Told,
    check: Check,
) -> "AnswerStream":
    room = language.context - len(prompt)
    if room < 1 and not options.shift:
        raise PromptTooLongError(
            f"{place}: found {len(prompt)} tokens, expected fewer than the model's maximum context length of {language.context}",
            hint="shorten it, or load the model with a larger context",
        )
    most = options.max_tokens if options.max_tokens is not None else (_ENDLESS if options.shift else room)
    top = options.top_logprobs
    if top is not None and not 0 <= top <= _MOST_TOP:
        raise InputError(f"top_logprobs: found {top}, expected 0 to {_MOST_TOP}")
    drawn: dict[str, Any] = {
        name: getattr(language.sampling, name) if value is None else value
        for name, value in ((name, getattr(options, name)) for name in MODEL_OPTIONS)
    }
    sampling = SamplingOptions(
        **drawn,
        seed=secrets.randbits(63) if options.seed is None else options.seed,
        typical_p=options.typical_p,
        presence_penalty=options.presence_penalty,
        frequency_penalty=options.frequency_penalty,
        logit_bias=tuple(options.logit_bias.items()),
    )
    stops = Stops(options.stop)
    stream = language.submit(prompt, sampling, most, grammar, shift=options.shift, top=top or 0, check=check)
    return AnswerStream(language, stream, sampling.seed, len(prompt), stops, reader, top is not None, place == "prompt", told)


def _grammar(options: AnswerOptions, check: Check) -> Grammar | None:
    given = [name for name in ("json_schema", "regex", "gbnf") if getattr(options, name) is not None]
    if len(given) > 1:
        raise InputError(f"found {' and '.join(given)}, expected one of them")
    if options.json_schema is not None:
        return json_schema(options.json_schema, spaced=False, strict=options.strict, check=check)
    if options.regex is not None:
        return regular_expression(options.regex, check=check)
    return None if options.gbnf is None else gbnf(options.gbnf, check=check)


@dataclass
class AnswerStream:
    """An answer in the making. Whoever lets it go must close it, or it is computed to its end."""

    language: Language  # held, or it could be let go meanwhile
    stream: Stream
    seed: int
    asked: int  # tokens of the prompt
    stops: Stops
    reader: CallReader | None  # of tools, if there are any
    tells: bool  # whether tokens are told
    tells_end: bool  # the one that ends a text too, as OpenAI's completions have it and conversations have not
    told: Told
    made: int = 0  # tokens taken
    finish: str = ""
    began: float = field(default_factory=time.perf_counter)
    first: float = 0.0  # seconds to the first piece
    _pieces: Pieces = field(init=False)
    _length: int = 0  # characters so far
    _released: int = 0  # of them, those that are no beginning of a stop string
    _tokens: deque[tuple[int, Token]] = field(default_factory=deque)  # not yet told, and where each one's text begins
    _closed: bool = False

    def __post_init__(self) -> None:
        self._pieces = Pieces(self.language.vocabulary)

    def next(self, check: Check = lambda: None) -> Piece | None:
        """What is new; waits for it. None after the piece that has a finish. What `check` raises meanwhile ends the work."""
        if self.finish or self._closed:
            return None
        try:
            while True:
                check()
                made = self.stream.take(_WAIT_SECONDS)
                if made or self.stream.ended:
                    piece = self._piece(made)
                    if piece.text or piece.tokens or piece.tool_calls or piece.finish:
                        return piece
        except BaseException:
            self.close()
            raise

    def usage(self) -> Usage:
        return Usage(self.asked, self.made, min(self.stream.known or 0, self.asked))

    def close(self) -> None:
        """End the work."""
        self._closed = self.stream.cancelled = True

    def _piece(self, made: Sequence[Made]) -> Piece:
        if not self.first:
            self.first = time.perf_counter() - self.began
        text, finish = "", ""
        for each in made:
            text += self._add(each)
            if self.stops.found is not None or each.token in self.language.vocabulary.ends:
                finish = "stop"
            elif each.last:
                finish = "length"
            if finish:
                break
        if not finish and self.stream.ended:
            finish = "length"  # nothing was to be made
        if finish and self.stops.found is None:
            last = self._pieces.end()
            self._length += len(last)
            text += self.stops.add(last)
            text += self.stops.end()
        self._released += len(text)
        tokens = []
        while self._tokens and (self._tokens[0][0] < self._released or (finish and self.stops.found is None)):
            tokens.append(self._tokens.popleft()[1])
        calls: tuple[ToolCall, ...] = ()
        if self.reader is not None:
            text, calls = self._without_calls(text, finish)
            if calls_so_far := bool(self.reader.calls):
                finish = "tool_calls" if finish == "stop" and calls_so_far else finish
        if finish:
            self._end(finish)
        return Piece(text, tuple(tokens), calls, finish)

    def _add(self, made: Made) -> str:
        """One token more -> the text that can be told by now."""
        vocabulary = self.language.vocabulary
        if made.token in vocabulary.ends:
            if self.tells and self.tells_end:
                self._tokens.append((self._length, _token(self.language, made)))
            return ""
        self.made += 1
        name = vocabulary.names[made.token]
        if self.reader is not None and not vocabulary.pieces[made.token] and name in MARKS:
            text = name
        else:
            text = self._pieces.add(made.token)
        if self.tells:
            self._tokens.append((self._length, _token(self.language, made)))
        self._length += len(text)
        return self.stops.add(text)

    def _without_calls(self, text: str, finish: str) -> tuple[str, tuple[ToolCall, ...]]:
        assert self.reader is not None
        before = len(self.reader.calls)
        text = self.reader.add(text)
        if finish:
            text += self.reader.end()
        return text, tuple(ToolCall(name, arguments) for name, arguments in self.reader.calls[before:])

    def _end(self, finish: str) -> None:
        self.finish = finish
        self.close()
        self.told(self.usage(), self.first, time.perf_counter() - self.began)
