"""What an app's wherry.toml says, and that whoever runs an image has the last word."""

from pathlib import Path

import pytest

from wherry.cli.build_app import is_app
from wherry.cli.publish import of_server
from wherry.errors import InputError
from wherry.oci.project import read_app_project

TEXT = """
name = "shout"
[env]
ending = "!"
[labels]
"org.opencontainers.image.licenses" = "MIT"
[run]
memory = "256m"
timeout = 30
requests = 16
coarse-clock = true
allow-net = ["api.example.org:443"]
"""


def test_an_app_says_how_it_wants_to_be_run() -> None:
    found = read_app_project(TEXT, "wherry.toml")
    assert found is not None
    assert (found.name, found.env) == ("shout", {"ending": "!"})
    assert found.settings.labels == {
        "wherry.memory": "256m", "wherry.timeout": "30", "wherry.requests": "16", "wherry.coarse-clock": "true",
        "wherry.allow-net": "api.example.org:443",
    }  # fmt: skip
    assert not any("api.example.org" in value for value in found.settings.variables.values()), "no variable grants a host"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[run]\npreload = ["a:Burn:AUTO:/a"]', "found preload, expected none"),
        ('[labels]\n"wherry.memory" = "1g"\n[run]\nmemory = "1g"', "both in labels and in run"),
        ('[labels]\n"wherry.alow-net" = "a"', "wherry.alow-net"),
        ("[run]\nallow_net = []", 'found "allow_net", expected one of'),
        ("memory = 1", 'found "memory"'),
    ],
)
def test_what_is_wrong_is_named(text: str, words: str) -> None:
    with pytest.raises(InputError) as raised:
        read_app_project(text, "wherry.toml")
    assert "wherry.toml" in raised.value.message and words in raised.value.message


def test_a_folder_with_an_app_may_have_a_project(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("")
    assert is_app(tmp_path, None)
    (tmp_path / "wherry.toml").write_text(TEXT)
    assert is_app(tmp_path, None)
    (tmp_path / "wherry.toml").write_text('entrypoint = ["/app.wasm"]\n')
    assert not is_app(tmp_path, None)


def test_an_image_does_not_say_who_may_ask() -> None:
    """Of an image's ENV, whose keys its author knows, nothing is left where whoever runs it says otherwise."""
    image = {"WHERRY_API_KEYS": "known", "WHERRY_ALLOW_ORIGINS": "*", "WHERRY_REQUESTS": "256"}
    assert image | of_server(None, {}, {"WHERRY_API_KEYS": "mine"}) == {**image, "WHERRY_API_KEYS": "mine"}
    own = {"WHERRY_API_KEYS": "other", "WHERRY_REQUESTS": "2"}
    assert image | of_server(256, own, {"WHERRY_API_KEYS": "mine", "WHERRY_REQUESTS": "4"}) == {**image, **own}
