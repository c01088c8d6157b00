"""The options of `wherry transcribe`: openai-whisper's under its own names, with dashes or with underscores."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

import click

from wherry.engine.cues import Layout
from wherry.engine.transcript import TranscribeOptions
from wherry.errors import InputError

_Command = TypeVar("_Command", bound=Callable[..., Any])
_FLAGS = ("word-timestamps", "condition-on-previous-text", "carry-initial-prompt", "highlight-words")
_DEFAULTS = TranscribeOptions()


class WhisperCommand(click.Command):
    """Takes `--word_timestamps True` for `--word-timestamps`, and False for what turns it off, as openai-whisper does."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        settings = {"token_normalize_func": lambda token: token.replace("_", "-"), "help_option_names": ["-h", "--help"]}
        super().__init__(*args, **kwargs | {"context_settings": settings})

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest: list[str] = []
        for index, arg in enumerate(args):
            if arg == "--":
                return super().parse_args(ctx, rest + args[index:])
            flag = _flag(args[index - 1]) if index else None
            if flag is None or arg.lower() not in ("true", "false"):
                rest.append(arg)
            elif arg.lower() == "false":
                rest[-1] = f"--no-{flag}"
        return super().parse_args(ctx, rest)


def _flag(arg: str) -> str | None:
    name = arg.removeprefix("--").replace("_", "-")
    return name if arg.startswith("--") and name in _FLAGS else None


class _OrNone(click.ParamType[float | None]):
    """A number, or "none"."""

    def __init__(self, number: type[int] | type[float]) -> None:
        self._number = number
        self.name = "integer" if number is int else "float"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]
        try:
            return None if value.lower() == "none" else self._number(value)
        except ValueError:
            self.fail(f'found "{value}", expected a number or none', param, ctx)


def _print_languages(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from wherry.engine.whisper_languages import LANGUAGES

        for code, name in sorted(LANGUAGES.items(), key=lambda item: item[1]):
            click.echo(f"{code:4} {name}")
        ctx.exit(0)


_OPTIONS = (
    click.option("--language", "-l", help="Code or English name of the language, or auto. Default: detected."),
    click.option(
        "--list-languages", is_flag=True, is_eager=True, expose_value=False, callback=_print_languages,
        help="Print the languages that Whisper knows, and exit.",
    ),
    click.option(
        "--language-detection", type=click.Choice(["speech", "first-window"]), default="speech", show_default=True,
        help="Where the language is detected: where somebody first speaks, or on the first 30 s, as openai-whisper does.",
    ),
    click.option(
        "--task", type=click.Choice(["transcribe", "translate"]), default="transcribe", show_default=True,
        help="translate: into English, with a multilingual model.",
    ),
    click.option("--word-timestamps/--no-word-timestamps", help="Time each word (in json, srt and vtt)."),
    click.option(
        "--temperature", type=float, default=0.0, show_default=True, help="Where decoding starts; 0 is greedy.",
    ),
    click.option(
        "--temperature-step", "--temperature-increment-on-fallback", "temperature_step", type=_OrNone(float), default=0.2,
        show_default=True, help="Added while a window fails a threshold; 0 or none: no retry.",
    ),
    click.option("--beam-size", type=_OrNone(int), help="Beams at temperature 0. Default: greedy."),
    click.option("--best-of", type=_OrNone(int), default=5, show_default=True, help="Samples at other temperatures."),
    click.option("--patience", type=float, help="Of beam search: how many beams end before it does, as a share of them."),
    click.option("--length-penalty", type=float, help="Exponent of the length by which candidates' scores are divided."),
    click.option("--batch-size", type=int, default=1, show_default=True, help="Windows of 30 s decoded together, cut at pauses."),
    click.option("--initial-prompt", help="Text that the first window is told came before it."),
    click.option(
        "--carry-initial-prompt/--no-carry-initial-prompt", help="Put the initial prompt before every window."
    ),
    click.option("--prefix", help="Text with which every window's own text begins."),
    click.option(
        "--condition-on-previous-text/--no-condition-on-previous-text", default=True, show_default=True,
        help="Each window reads the text of the one before it.",
    ),
    click.option("--suppress-tokens", default="-1", show_default=True, help="Tokens never to choose; -1: brackets and the like."),
    click.option(
        "--compression-ratio-threshold", type=_OrNone(float), default=2.4, show_default=True,
        help="Above it a window's text repeats itself, and is tried again.",
    ),
    click.option(
        "--logprob-threshold", type=_OrNone(float), default=-1.0, show_default=True,
        help="Below it a window's text is unlikely, and is tried again.",
    ),
    click.option(
        "--no-speech-threshold", type=_OrNone(float), default=0.6, show_default=True,
        help="Above it a window with unlikely text is silence.",
    ),
    click.option("--clip-timestamps", help="START,END,START,… in seconds: the parts to transcribe."),
    click.option(
        "--hallucination-silence-threshold", type=_OrNone(float),
        help="With --word-timestamps: skip silence longer than this around improbable words.",
    ),
    click.option("--prepend-punctuations", default=_DEFAULTS.prepend_punctuations, help="Marks of the word after them."),
    click.option("--append-punctuations", default=_DEFAULTS.append_punctuations, help="Marks of the word before them."),
    click.option("--max-line-width", type=click.IntRange(min=1), help="Characters in a line; needs --word-timestamps."),
    click.option("--max-line-count", type=click.IntRange(min=1), help="Lines in a cue; needs --max-line-width."),
    click.option("--max-words-per-line", type=click.IntRange(min=1), help="Words in a cue; needs --word-timestamps."),
    click.option(
        "--highlight-words/--no-highlight-words", help="Underline each word as it is said; needs --word-timestamps."
    ),
)  # fmt: skip


def whisper_options(command: _Command) -> _Command:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read_options(values: dict[str, Any]) -> tuple[TranscribeOptions, Layout]:
    """What click read of the options above. Raises InputError naming the option that is wrong; models are not asked."""
    from wherry.engine.transcribe import check_options
    from wherry.engine.whisper_languages import language_code

    temperatures = [values.pop("temperature")]
    step = values.pop("temperature_step") or 0.0
    while step > 0 and temperatures[-1] + step <= 1.0 + 1e-6:
        temperatures.append(round(temperatures[-1] + step, 6))
    layout = Layout(**{field.name: values.pop(field.name) for field in fields(Layout)})
    language = values.pop("language")
    options = TranscribeOptions(
        temperature=tuple(temperatures),
        language=None if language is None or language.strip().lower() == "auto" else language_code(language),
        suppress_tokens=tuple(int(token) for token in _numbers("suppress_tokens", values.pop("suppress_tokens"), int)),
        clip_timestamps=_numbers("clip_timestamps", values.pop("clip_timestamps") or "", float),
        **values,
    )
    check_options(options)
    _check_layout(layout, timed=options.word_timestamps)
    return options, layout


def _numbers(name: str, text: str, number: type[int] | type[float]) -> tuple[float, ...]:
    try:
        return tuple(number(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise InputError(f'{name}: found "{text}", expected numbers with commas between them') from error


def _check_layout(layout: Layout, *, timed: bool) -> None:
    given = [field.name for field in fields(Layout) if getattr(layout, field.name)]
    if given and not timed:
        raise InputError(
            f"{given[0]}: found it without word_timestamps", hint="add --word-timestamps: lines are laid out word by word"
        )
    if layout.max_line_count and not layout.max_line_width:
        raise InputError(
            "max_line_count: found it without max_line_width, which it needs", hint="for example --max-line-width 42"
        )


def check_language(options: TranscribeOptions, model: str) -> None:
    """An English model's name says what it knows. Raises InputError before it is fetched and loaded."""
    if not model.endswith(".en"):
        return
    hint = "take a multilingual model, such as whisper-base"
    if options.language not in (None, "en"):
        raise InputError(f'language: found "{options.language}", expected English: {model} knows no other', hint=hint)
    if options.task == "translate":
        raise InputError(f'task: found "translate", expected transcribe: {model} knows English only', hint=hint)
