"""Near names for what a user mistyped: commands here, models in the catalogue."""

import difflib
from collections.abc import Iterable

import click


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """ "did you mean X or Y?", or nothing where no name is near."""
    near = difflib.get_close_matches(name.lower(), list(names), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else ""


class SuggestingGroup(click.Group):
    """A group whose error for an unknown command names the commands that are spelled nearly so."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            near = did_you_mean(name, self.list_commands(ctx))
            raise click.UsageError(f'unknown command "{name}"{f": {near}" if near else ""}', ctx)
        return super().resolve_command(ctx, args)
