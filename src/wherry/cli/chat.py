"""`wherry chat`."""

import select
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from wherry.cli.unicode import check_text
from wherry.errors import InputError, TooLargeError

if TYPE_CHECKING:
    from wherry.engine.language import Language
    from wherry.engine.sampling import SamplingOptions

Message = dict[str, str]
_HELP = """/new   forget the conversation
/exit  end, as Ctrl-D does
/help  this
\\      at a line's end: the message goes on in the next
Ctrl-C stops an answer, or drops what is typed"""
_MAX_PIPED = 32 << 20  # bytes
_WAIT_SECONDS = 1.0  # for a pipe, before a line says what is waited for
_RATED = 4  # tokens: of fewer, which may come at once, a rate says nothing


@click.command()
@click.argument("model")
@click.argument("prompt", required=False)
@click.option("--raw", is_flag=True, help="Go on with PROMPT as it is, special tokens by their names: no chat template.")
@click.option("--system", metavar="TEXT", help="What the model is told before the conversation.")
@click.option("--max-tokens", type=click.IntRange(min=1), default=512, show_default=True, help="The longest answer.")
@click.option("--context", type=click.IntRange(min=2), help="Tokens of a whole conversation. Default: 4096, or the model's own.")
@click.option(
    "--temperature", type=float, help="0 takes the likeliest token each time. Default of this and the next four: the model's own."
)
@click.option("--top-k", type=int, help="Draw from so many likeliest tokens; 0: from all.")
@click.option("--top-p", type=float, help="Draw from the fewest tokens that are so likely together.")
@click.option("--min-p", type=float, help="Leave out what is less likely than this part of the best.")
@click.option("--repeat-penalty", type=float, help="Above 1: the last 64 tokens are less likely.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed draws the same tokens.")
@click.option("--device", envvar="WHERRY_DEVICE", default="auto", show_default=True, help="auto, cpu, gpu, gpu:N, gpu:NAME.")
@click.option("--require-gpu", is_flag=True, help="Fail rather than run on the CPU.")
def chat(
    model: str,
    prompt: str | None,
    raw: bool,
    system: str | None,
    max_tokens: int,
    context: int | None,
    temperature: float | None,
    top_k: int | None,
    top_p: float | None,
    min_p: float | None,
    repeat_penalty: float | None,
    seed: int,
    device: str,
    require_gpu: bool,
) -> int:
    """Talk with a language model: MODEL is a short name, a GGUF file, or a folder as Hugging Face
    publishes models (safetensors).

    With PROMPT, one answer goes to stdout; what a pipe or a file brings on stdin is read after the prompt. Without PROMPT, a pipe
    or a file is one message, and a terminal is a conversation: one line is one message; a line that ends in a backslash goes on
    in the next; Ctrl-C stops an answer, Ctrl-D ends; /help tells what else there is. How fast it was is told on stderr.

    \b
    Examples:
      wherry chat smollm2-135m-instruct
      wherry chat smollm2-135m-instruct "What is a ferry?"
      cat notes.txt | wherry chat smollm2-135m-instruct "Summarise:"
      wherry chat gemma3-270m --raw "The capital of France is" --max-tokens 8
    """
    from wherry.cli.model_address import find_any_model
    from wherry.engine.language import load_language
    from wherry.engine.sampling import SamplingOptions
    from wherry.engine.session import check_device

    def say(line: str) -> None:
        click.echo(line, err=True)

    check_text("PROMPT", prompt)
    check_text("--system", system)
    piped = None if sys.stdin is not None and sys.stdin.isatty() else _piped(say)
    text = prompt if not piped else piped if not prompt else f"{prompt}\n\n{piped}"
    if text is None or not text.strip():
        if raw:
            raise click.UsageError("--raw needs a PROMPT, or a text on stdin, to go on with")
        if piped is not None:
            raise click.UsageError("found nothing on stdin and no PROMPT, expected a message in one of them")
    drawing: dict[str, float | int | None] = {
        "temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p, "repeat_penalty": repeat_penalty,
    }  # fmt: skip
    given: dict[str, Any] = {name: value for name, value in drawing.items() if value is not None}
    SamplingOptions(seed=seed, **given).check()
    check_device(device, require_gpu)  # before a model is fetched for it
    files = find_any_model(model, say=say, kind="language")
    language = load_language(files.weights, device=device, context=context, require_gpu=require_gpu, for_chat=not raw, say=say)
    options = SamplingOptions(seed=seed, **{**vars(language.sampling), **given})
    if raw and text is not None:
        _answer(language, language.marked_prompt(text), options, max_tokens, say)
        return 0
    before: list[Message] = [{"role": "system", "content": system}] if system else []
    if text is not None:
        _answer(language, language.prompt([*before, {"role": "user", "content": text}]), options, max_tokens, say)
        return 0
    say(f"{model} on {language.device}; /help, Ctrl-D ends")
    _converse(language, before, options, max_tokens, say)
    return 0


def _piped(say: Callable[[str], None]) -> str:
    """What a pipe or a file brings on stdin, without white space at its end. Raises InputError."""
    if sys.stdin is None:
        return ""
    if not select.select([sys.stdin], [], [], _WAIT_SECONDS)[0]:
        say("waiting for stdin to end; without a text there, redirect it from /dev/null")
    data = sys.stdin.buffer.read(_MAX_PIPED + 1)
    if len(data) > _MAX_PIPED:
        raise TooLargeError(f"stdin: found more than {_MAX_PIPED >> 20} MiB, expected a text that a model can read")
    try:
        return data.decode().rstrip()
    except UnicodeDecodeError as error:
        raise InputError(f"stdin: found bytes that are no UTF-8 at {error.start}, expected a text") from error


def _converse(
    language: "Language", before: list[Message], options: "SamplingOptions", max_tokens: int, say: Callable[[str], None]
) -> None:
    """A conversation at the terminal, after the messages before it."""
    messages = list(before)
    for text in _messages():
        if text.startswith("/") and "\n" not in text:
            if text in ("/exit", "/quit", "/bye"):
                break
            if text == "/new":
                messages = list(before)
                say("the conversation begins anew")
            else:
                say(
                    _HELP if text == "/help" else f"{text}: found no such command. A space before it makes it a message.\n{_HELP}"
                )
            continue
        text = text.strip()
        messages.append({"role": "user", "content": text})
        try:
            answer = _answer(language, language.prompt(messages), options, max_tokens, say)
        except TooLargeError as error:
            if len(messages) == len(before) + 1:
                raise
            say(f"{error.message}: the conversation begins anew")
            messages = [*before, messages[-1]]
            answer = _answer(language, language.prompt(messages), options, max_tokens, say)
        messages.append({"role": "assistant", "content": answer})


def _answer(language: "Language", prompt: list[int], options: "SamplingOptions", most: int, say: Callable[[str], None]) -> str:
    """Print the answer as it comes -> its text. Ctrl-C ends an answer early in a conversation."""
    start, first, count = time.monotonic(), 0.0, 0
    text = ""
    conversation = sys.stdin.isatty()
    try:
        for piece in language.generate(prompt, options, most):
            count += 1
            first = first or time.monotonic()
            click.echo(piece.text, nl=False)
            text += piece.text
    except KeyboardInterrupt:
        if not conversation:
            raise
    click.echo()
    if first:
        spent = time.monotonic() - first
        rate = f", then {(count - 1) / spent:.1f} tokens/s" if count >= _RATED else ""
        say(f"[{len(prompt)} tokens read in {first - start:.2f} s{rate}]")
    return text


def _messages() -> Iterator[str]:
    """What the user types, message by message, with the history and editing of the terminal's own lines."""
    import contextlib

    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - `input` edits lines with it once it is imported
    lines: list[str] = []
    while True:
        try:
            line = input("... " if lines else "> ")
        except EOFError:
            break
        except KeyboardInterrupt:
            click.echo()
            if not lines:
                return
            lines = []
            continue
        if line.endswith("\\"):
            lines.append(line[:-1])
            continue
        text = "\n".join([*lines, line]).rstrip()
        lines = []
        if text.strip():
            yield text
    if (text := "\n".join(lines)).strip():
        yield text
