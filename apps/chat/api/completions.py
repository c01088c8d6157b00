"""/v1/completions: texts that go on."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from api.asked import (
    DRAWING,
    IGNORED,
    MAX_ANSWERS,
    PENALTIES,
    check_ignored,
    drawing,
    limit,
    open_model,
    penalties,
    seeded,
    streaming,
)
from api.chat import usage
from api.fields import Fields, refused, text, tokens, wrong
from api.forms import FORMS, answer_form
from api.identity import fingerprint, new_id, now
from api.streams import Streams, explained, guarded
from wherry.guest import chat
from wherry.guest.openai import ApiError, event

_FIELDS = (
    {"model", "prompt", "max_tokens", "n_predict", "n", "best_of", "stream", "stream_options", "logprobs", "echo", "suffix"}
    | {"parse_special"} | DRAWING | PENALTIES | IGNORED | FORMS
)  # fmt: skip
_MOST = 16  # tokens, where the request does not say: OpenAI's own
_NAMES: dict[str, str] = {"messages": "prompt", "gbnf": "grammar", "json_schema": "response_format"}


@dataclass(frozen=True)
class Asked:
    """streams: for each prompt `best_of` one after the other, of which `n` are answered with. echoed: each prompt's text, empty
    where it is not to be repeated; scored: its tokens, where it is and log-probabilities are asked for.
    """

    model: chat.Model
    streams: Streams
    echoed: Sequence[str]
    scored: Sequence[Sequence[chat.Token]]
    n: int
    best_of: int
    stream: bool
    include_usage: bool
    logprobs: int | None


def asked(fields: Fields) -> Asked:
    """Raises ApiError naming the field. The answers are being computed when this returns."""
    fields.only(_FIELDS)
    check_ignored(fields)
    if fields.text("suffix"):
        raise refused("suffix", "the models here write the end of a text, not its middle")
    prompts = _prompts(fields)
    n = fields.whole("n", 1, MAX_ANSWERS) or 1
    best_of = fields.whole("best_of", 1, MAX_ANSWERS)
    stream, include_usage = streaming(fields)
    if best_of is not None and best_of < n:
        raise wrong("best_of", best_of, f"at least n, which is {n}")
    if best_of is not None and best_of > n and stream:
        raise refused("best_of", "found it with stream, expected a whole answer to choose from")
    best_of = best_of or n
    if len(prompts) * best_of > MAX_ANSWERS:
        raise ApiError(
            400, f"prompt: found {len(prompts)} of {best_of} answers each, expected at most {MAX_ANSWERS} answers", param="prompt"
        )
    logprobs = fields.whole("logprobs", 0, 5)
    echo, special = fields.flag("echo"), fields.flag("parse_special", default=True)
    if not special and echo and logprobs is not None:
        raise refused("parse_special", "echo with logprobs scores a text with its special tokens; give tokens to score others")
    most = limit(fields, "max_tokens", "n_predict", low=0)
    unsaid = not fields.has("max_tokens") and not fields.has("n_predict")
    options = drawing(fields) | penalties(fields) | answer_form(fields) | {"max_tokens": _MOST if unsaid else most}
    options["top_logprobs"] = 0 if logprobs is None and best_of > n else logprobs
    options["parse_special"] = special
    model = open_model(fields)
    with explained(_NAMES):
        echoed = [(prompt if isinstance(prompt, str) else model.text(prompt)) if echo else "" for prompt in prompts]
        scored = [() if logprobs is None or not echo else model.score(prompt, logprobs) for prompt in prompts]
        pairs = [(prompt, number) for prompt in prompts for number in range(best_of)]
        calls = [lambda p=p, i=i: model.stream_text(p, seeded(options, i)) for p, i in pairs]
        streams = Streams(calls)
    return Asked(model, streams, echoed, scored, n, best_of, stream, include_usage, logprobs)


def whole(asked: Asked) -> dict[str, Any]:
    with asked.streams as streams, explained(_NAMES):
        answers = [stream.answer() for stream in streams.all]
    choices: list[dict[str, Any]] = []
    for number, (prompt, scored) in enumerate(zip(asked.echoed, asked.scored, strict=True)):
        tried = answers[number * asked.best_of : (number + 1) * asked.best_of]
        for answer in sorted(tried, key=_likelihood, reverse=True)[: asked.n] if asked.best_of > asked.n else tried:
            choices.append(
                {
                    "index": len(choices),
                    "text": prompt + answer.text,
                    "logprobs": None if asked.logprobs is None else _logprobs(scored, answer.tokens, 0, asked.logprobs),
                    "finish_reason": answer.finish or "length",
                }
            )
    return _head(asked) | {"choices": choices, "usage": _usage(asked, [answer.usage for answer in answers])}


def events(asked: Asked) -> Iterator[bytes]:
    """Chunks, and [DONE]."""
    with explained(_NAMES):
        pieces = asked.streams.pieces()
    return guarded(_events(asked, pieces), asked.streams)


def _events(asked: Asked, pieces: Iterable[tuple[int, chat.Piece]]) -> Iterator[bytes]:
    head = _head(asked)
    offsets = [0] * len(asked.streams.all)  # characters of each answer so far
    nothing = {"usage": None} if asked.include_usage else {}

    def chunk(
        number: int,
        text: str,
        tokens: Sequence[chat.Token] = (),
        finish: str | None = None,
        scored: Sequence[chat.Token] = (),
    ) -> bytes:
        logprobs = None if asked.logprobs is None else _logprobs(scored, tokens, offsets[number], asked.logprobs)
        choice = {"index": number, "text": text, "logprobs": logprobs, "finish_reason": finish}
        offsets[number] += len(text)
        return event(head | {"choices": [choice]} | nothing)

    for number, (prompt, scored) in enumerate(zip(asked.echoed, asked.scored, strict=True)):
        if prompt:
            yield from (chunk(number * asked.n + each, prompt, scored=scored) for each in range(asked.n))
    for number, piece in pieces:
        if piece.text or piece.tokens or piece.finish:
            yield chunk(number, piece.text, piece.tokens, piece.finish or None)
    if asked.include_usage:
        yield event(head | {"choices": [], "usage": _usage(asked, [stream.usage for stream in asked.streams.all])})
    yield b"data: [DONE]\n\n"


def _prompts(fields: Fields) -> list[str | list[int]]:
    """A text, texts, tokens or lists of tokens."""
    value = fields.required("prompt")
    if isinstance(value, str):
        return [text(value, "prompt")]
    if (found := tokens(value, "prompt")) is not None:
        return [found]
    if not fields.list("prompt", MAX_ANSWERS):
        raise wrong("prompt", value, "a text, a list of texts, tokens, or a list of lists of tokens")
    return [_prompt(each, f"prompt[{index}]") for index, each in enumerate(value)]


def _prompt(value: Any, place: str) -> str | list[int]:
    if isinstance(value, str):
        return text(value, place)
    if (found := tokens(value, place)) is None:
        raise wrong(place, value, "a text or tokens")
    return found


def _likelihood(answer: chat.Answer) -> float:
    """The mean of its tokens' log-probabilities."""
    return sum(token.logprob for token in answer.tokens) / max(1, len(answer.tokens))


def _logprobs(scored: Sequence[chat.Token], made: Sequence[chat.Token], offset: int, top: int) -> dict[str, Any]:
    """scored: a prompt's tokens, which come before those that were made; the first of them has no log-probability."""
    tokens, offsets = [*scored, *made], []
    for token in tokens:
        offsets.append(offset)
        offset += len(token.text)
    return {
        "tokens": [token.text for token in tokens],
        "token_logprobs": [None if scored and token is scored[0] else token.logprob for token in tokens],
        "top_logprobs": [None if scored and token is scored[0] else _likeliest(token) for token in tokens] if top else None,
        "text_offset": offsets,
    }


def _likeliest(token: chat.Token) -> dict[str, float]:
    """By their texts; where two say the same, as parts of characters do, the likelier."""
    found: dict[str, float] = {}
    for one in token.top:
        found.setdefault(one.text, one.logprob)
    return found


def _usage(asked: Asked, each: Sequence[chat.Usage]) -> dict[str, Any]:
    """Of several prompts, each counted once."""
    found = usage(each)
    firsts = each[:: asked.best_of]
    found["prompt_tokens"] = sum(one.prompt for one in firsts)
    found["total_tokens"] = found["prompt_tokens"] + found["completion_tokens"]
    found["prompt_tokens_details"]["cached_tokens"] = sum(one.cached for one in firsts)
    return found


def _head(asked: Asked) -> dict[str, Any]:
    return {
        "id": new_id("cmpl-"),
        "object": "text_completion",
        "created": now(),
        "model": asked.model.name,
        "system_fingerprint": fingerprint(asked.model),
    }
