"""Ports of a guest: what `-p` opens, what an image's label opens, and what an image may not open."""

import pytest
from click.testing import CliRunner

from wherry.cli.main import cli
from wherry.cli.publish import published_ports, refuse_arguments, without_grants
from wherry.errors import InputError


@pytest.mark.parametrize(
    ("option", "expected"),
    [("8080:80", {80: ("0.0.0.0", 8080)}), ("8080", {8080: ("0.0.0.0", 8080)}), ("127.0.0.1:0:80/tcp", {80: ("127.0.0.1", 0)}),
     ("[::]:8080:80", {80: ("::", 8080)}), ("::1:8080:80", {80: ("::1", 8080)})],
)  # fmt: skip
def test_an_option_opens_all_interfaces_unless_it_names_one(option: str, expected: dict[int, tuple[str, int]]) -> None:
    """As `docker run -p` does."""
    assert published_ports([option], ["9000:9"]) == expected


@pytest.mark.parametrize("label", ["8080:80", "0.0.0.0:8080:80", "[::]:8080:80", "192.168.1.5:8080:80/tcp"])
def test_an_image_opens_a_port_to_this_machine_alone(label: str) -> None:
    assert published_ports([], [label]) == {80: ("127.0.0.1", 8080)}


def test_without_a_word_nothing_is_published() -> None:
    assert published_ports([], []) is None


@pytest.mark.parametrize("option", ["", "a:80", "8080:0", "70000:80", "1:2:3:4:x"])
def test_ports_that_cannot_be_are_refused(option: str) -> None:
    with pytest.raises(InputError, match="--publish"):
        published_ports([option], [])


def test_an_image_gives_nobody_access() -> None:
    lines: list[str] = []
    image = {"WHERRY_ALLOW_ORIGINS": "*", "WHERRY_ALLOW_HOSTS": "*", "WHERRY_TRUSTED_PROXIES": "0.0.0.0/0", "A": "b"}
    assert without_grants(image, lines.append) == {"A": "b"}
    assert [name for name in image if any(f"-e {name}=" in line for line in lines)] == list(image)[:3]


def test_options_after_a_web_app_are_refused_with_where_they_belong() -> None:
    with pytest.raises(InputError) as raised:
        refuse_arguments("speech:1", ["-p", "80:8080"])
    assert 'found "-p"' in raised.value.message and "wherry run -p 80:8080 speech:1" in raised.value.hint


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_address_as_host_says_how_to_listen_there(host: str) -> None:
    result = CliRunner().invoke(cli, ["dev", "--host", host])
    assert isinstance(result.exception, InputError)
    assert f"--listen {host}" in result.exception.hint
