"""The documents say what the program does: docs/cli.md is its help, README's commands run, links lead somewhere."""

import re
import shlex
import wave
from pathlib import Path

import click
import pytest

from tests.conftest import ROOT, SAMPLE
from wherry.cli.main import cli
from wherry.cli.manual import all_commands, manual

COMMANDS = {context.command_path: (command, context) for command, context in all_commands(cli)}
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def shell_lines(page: Path) -> list[str]:
    """The commands in a page's ```sh blocks, without their comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for raw in block.splitlines() if (line := raw.split("  #")[0].strip())]


README = shell_lines(ROOT / "README.md")


def test_the_manual_is_current() -> None:
    assert (ROOT / "docs/cli.md").read_text() == manual(), "run `make docs`"


@pytest.mark.parametrize("path", COMMANDS)
def test_help_says_something_of_everything(path: str) -> None:
    command, context = COMMANDS[path]
    assert command.help
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option):
            assert parameter.help or isinstance(parameter.type, click.Choice), f"{path} {parameter.opts[-1]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_documents_exist(page: Path) -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in shell_lines(page):
        program, *arguments = shlex.split(line)
        match program:
            case "make":
                assert arguments and set(arguments) <= targets, line
            case "wherry":
                parse(line)
            case _:
                assert (ROOT / program).is_file(), line


def parse(line: str) -> None:
    """Parse a command line as the program would, running nothing."""
    command: click.Command = cli
    context: click.Context | None = None
    name, arguments = "wherry", shlex.split(line)[1:]
    while True:
        context = command.make_context(name, list(arguments), parent=context)
        if not isinstance(command, click.Group):
            return
        found, next_command, arguments = command.resolve_command(context, arguments)
        assert next_command is not None and found is not None, line
        command, name = next_command, found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page}: {target}"


def test_readme_names_the_two_commands_first() -> None:
    assert README[:2] == ["make run", "make test"]


def test_the_sample_is_what_its_page_says() -> None:
    with wave.open(str(SAMPLE)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        assert f"{file.getnframes() / 16_000:.1f} s" in (ROOT / "docs/sample.md").read_text()
    assert SAMPLE.stat().st_size <= 400_000


def test_the_exit_codes_of_help_are_those_of_the_errors() -> None:
    """Every class of errors.py ends with a code that `wherry --help` explains."""
    from wherry import errors

    told = set(map(int, re.findall(r"^ {2,}(\d+)  ", cli.help or "", re.MULTILINE)))
    raised = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.WherryError)}
    assert raised <= told
