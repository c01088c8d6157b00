"""One format for all that `wherry run` writes to stderr."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from wherry.cli.main import cli
from wherry.cli.run_log import message_writer, read_log_format
from wherry.errors import InputError, NotFoundError


def test_the_option_wins_over_the_variable() -> None:
    assert read_log_format(None, {}) == "text"
    assert read_log_format(None, {"WHERRY_LOG_FORMAT": "json"}) == "json"
    assert read_log_format("text", {"WHERRY_LOG_FORMAT": "json"}) == "text"
    with pytest.raises(InputError, match='WHERRY_LOG_FORMAT: found "xml", expected text or json'):
        read_log_format(None, {"WHERRY_LOG_FORMAT": "xml"})


def test_messages_are_text_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    message_writer("speech", "text")("a\u2028b")
    assert capsys.readouterr().err == "speech: a\u2028b\n"
    message_writer("speech", "json")("first\nsecond")
    (line,) = capsys.readouterr().err.splitlines()
    fields = json.loads(line)
    assert (fields["level"], fields["name"], fields["message"]) == ("info", "speech", "first\nsecond")


@pytest.mark.parametrize("variable", [False, True])
def test_the_error_that_ends_a_run_is_json_too(tmp_path: Path, variable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["run", "--pull", "never", str(tmp_path / "missing.wasm")]
    if variable:
        monkeypatch.setenv("WHERRY_LOG_FORMAT", "json")
    else:
        words[1:1] = ["--log-format", "json"]
    done = CliRunner().invoke(cli, words, standalone_mode=False)
    (line,) = done.stderr.splitlines()
    fields = json.loads(line)
    assert done.return_value == NotFoundError.exit_code
    assert fields["level"] == "error" and "missing.wasm" in fields["message"]
