"""`wherry`: errors go to stderr as one line and a hint; the exit code tells their kind."""

import importlib
import os
import sys

import click

from wherry.errors import WherryError

_COMMANDS = {
    "convert": "wherry.cli.convert",
    "demo": "wherry.cli.demo",
    "doctor": "wherry.cli.doctor",
    "gpu": "wherry.cli.gpu",
    "models": "wherry.cli.models",
    "run": "wherry.cli.run",
    "transcribe": "wherry.cli.transcribe",
}


class _Commands(click.Group):
    """Imports a command when it is asked for: `wherry --help` need not load a model's libraries."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(_COMMANDS[cmd_name]), cmd_name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="wherry")
def cli() -> None:
    """Run WebAssembly AI apps on any GPU, or on a plain CPU.

    \b
    Exit codes:
      0    done
      1    some files failed
      2    a wrong option or value
      3    a file that is damaged, too large or of an unknown format
      4    a file, model or device that does not exist
      5    the device refused
      6    the guest trapped, or ran out of time or memory
      7    a download failed
      130  stopped by Ctrl-C
    `wherry run` ends with the guest's own exit code.
    """


def main() -> None:
    """The console script."""
    try:
        code = cli.main(standalone_mode=False)
    except WherryError as error:
        report(error)
        code = error.exit_code
    except click.exceptions.Abort:
        code = 130
    except KeyboardInterrupt:
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: nothing more to say
        code = 0
    sys.exit(code if isinstance(code, int) else 0)


def report(error: WherryError) -> None:
    """One line and a hint, on stderr."""
    click.echo(f"wherry: {error.message}", err=True)
    if error.hint:
        click.echo(f"hint: {error.hint}", err=True)
