"""`wherry login` and `wherry logout`: docker's logins, for docker too."""

import os
import sys

import click

from wherry.errors import InputError, NotFoundError


@click.command()
@click.argument("registry", metavar="[REGISTRY]", default="docker.io")
@click.option("-u", "--username", help="Default: asked for.")
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin.")
def login(registry: str, username: str | None, password_stdin: bool) -> None:
    """Log in to REGISTRY, and keep that where docker does.

    That is the credential helper that docker's config.json names, or the file itself. A wrong password is not kept.

    \b
    Example:
      wherry login -u ada --password-stdin localhost:5000
    """
    from wherry.oci.docker_config import Credentials, DockerConfig
    from wherry.oci.transfer import check_login

    place = _registry(registry)
    if username is None or not password_stdin:
        if not sys.stdin.isatty():
            raise InputError("--username and --password-stdin: found no terminal to ask on, expected both")
        username = username or click.prompt("Username")
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else click.prompt("Password", hide_input=True)
    if not username or ":" in username or not password:
        raise InputError("login: expected a user name without a colon, and a password")
    credentials = Credentials(username, password)
    check_login(place, credentials)
    kept = DockerConfig.default(os.environ).log_in(place, credentials)
    click.echo(f"logged in to {place}; kept in {kept}", err=True)


@click.command()
@click.argument("registry", metavar="[REGISTRY]", default="docker.io")
def logout(registry: str) -> None:
    """Forget the login to REGISTRY."""
    from wherry.oci.docker_config import DockerConfig

    config = DockerConfig.default(os.environ)
    if not config.log_out(_registry(registry)):
        raise NotFoundError(f"{config.path}: found no login to {registry}")


def _registry(text: str) -> str:
    """A registry's name as it is in an image's. Raises InputError."""
    from wherry.oci.reference import Reference

    found = Reference.parse(f"{text}/name")
    if text not in (found.registry, f"index.{found.registry}"):
        raise InputError(f'registry: found "{text}", expected HOST[:PORT] such as docker.io or localhost:5000')
    return found.registry
