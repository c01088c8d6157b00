"""`wherry`: errors go to stderr as one line and a hint; the exit code tells their kind."""

import importlib
import os
import signal
import sys
from typing import NoReturn

import click

from wherry.cli.ending import end_at, ended, report
from wherry.cli.suggest import SuggestingGroup
from wherry.container.standard_streams import open_standard_streams
from wherry.errors import InputError
from wherry.interruption import has_abandoned_calls

_COMMANDS = {
    "build": "wherry.cli.build",
    "cdi": "wherry.cli.cdi",
    "chat": "wherry.cli.chat",
    "convert": "wherry.cli.convert",
    "demo": "wherry.cli.demo",
    "dev": "wherry.cli.dev",
    "doctor": "wherry.cli.doctor",
    "gpu": "wherry.cli.gpu",
    "images": "wherry.cli.images",
    "inspect": "wherry.cli.images",
    "load": "wherry.cli.archives",
    "login": "wherry.cli.login",
    "logout": "wherry.cli.login",
    "models": "wherry.cli.models",
    "prune": "wherry.cli.images",
    "pull": "wherry.cli.pull",
    "push": "wherry.cli.push",
    "rm": "wherry.cli.images",
    "run": "wherry.cli.run",
    "new": "wherry.cli.new",
    "runtime": "wherry.cli.runtime",
    "save": "wherry.cli.archives",
    "tag": "wherry.cli.images",
    "transcribe": "wherry.cli.transcribe",
}


class _Commands(SuggestingGroup):
    """Imports a command when it is asked for: `wherry --help` need not load a model's libraries."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(_COMMANDS[cmd_name]), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Whoever reads our output may leave: there is nothing more to say then, and nothing went wrong."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered has somewhere to go
            return 0


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="wherry")
def cli() -> None:
    """Run WebAssembly AI apps on any GPU, or on a plain CPU.

    \b
    Examples:
      wherry demo --serve                         a sandboxed web app writes down a recording, then yours
      wherry demo chat --serve                    another answers questions, and has a page to talk from
      wherry transcribe talk.mp3                  the text of a recording, on stdout
      wherry transcribe --output-dir out *.mp3    txt, srt, vtt, tsv and json of many
      wherry chat smollm2-135m-instruct           a conversation with a language model
      wherry run --dir .:/ app.wasm               a guest, next to its models
      wherry build -t speech . && wherry run speech   the same as one image

    \b
    Environment:
      WHERRY_DEVICE            what --device says where it is not given
      WASMEDGE_WASINN_PRELOAD  what --nn-preload says where it is not given
      XDG_CACHE_HOME           where models and compiled guests are kept; default: ~/.cache

    \b
    Exit codes:
      0    done
      1    some of several files failed; doctor: something is missing
      2    a wrong option or value
      3    a file that is damaged, too large or of an unknown format
      4    a file, model or device that does not exist
      5    the device refused
      6    the guest trapped, or ran out of time or memory
      7    a download failed
      130  stopped by Ctrl-C (SIGINT)
      143  stopped by SIGTERM
    `wherry run` ends with the guest's own exit code. An error is one line on stderr, and often a hint after it.
    """


def main() -> None:
    """The console script: every way that a command may end, to an exit code."""
    open_standard_streams()
    end_at(signal.SIGTERM)
    leave(ended(_called))


def leave(code: int) -> NoReturn:
    """End the process with this exit code."""
    if has_abandoned_calls():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # native code that runs while Python goes would crash; all that is ours has gone with the error
    sys.exit(code)


def _called() -> object:
    try:
        return cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        return 130
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        place = getattr(error, "ctx", None)
        report(InputError(error.format_message(), hint=f"see `{place.command_path} --help`" if place is not None else ""))
        return error.exit_code
