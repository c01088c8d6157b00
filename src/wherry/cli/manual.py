"""docs/cli.md from the commands themselves: `python -m wherry.cli.manual > docs/cli.md`, which is `make docs`."""

from collections.abc import Iterator

import click

from wherry.cli.main import cli

_WIDTH = 100  # columns: the page must not depend on who makes it
_HEAD = """# The command line

Made from `wherry --help` by `make docs`; a test compares the two. `WHERRY_DEVICE` is the default of every `--device`,
`XDG_CACHE_HOME` moves the cache (`~/.cache/wherry`), and `WASMEDGE_WASINN_PRELOAD` is read as `--nn-preload` is.
"""


def all_commands(command: click.Command, parent: click.Context | None = None) -> Iterator[tuple[click.Command, click.Context]]:
    """`command` and those under it, by name, each with a context that knows its full name ("wherry models list")."""
    context = click.Context(
        command,
        info_name=command.name if parent else "wherry",
        parent=parent,
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
        help_option_names=["-h", "--help"],
    )
    yield command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None, name
            yield from all_commands(child, context)


def manual() -> str:
    """The page, in Markdown: each command's help under its name."""
    parts = [_HEAD]
    for command, context in all_commands(cli):
        parts.append(f"## {context.command_path}\n\n```text\n{command.get_help(context).rstrip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(manual(), end="")
