"""`wherry models`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from wherry.cli.main import cli
from wherry.engine.catalog import ModelFiles
from wherry.errors import NotFoundError


def test_list_tells_what_is_fetched(tiny_en_files: ModelFiles) -> None:
    done = CliRunner().invoke(cli, ["models", "list", "--json"])
    assert done.exit_code == 0
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    size = sum(file.stat().st_size for file in tiny_en_files.weights.parent.iterdir())
    assert rows["whisper-tiny.en"]["bytes_on_disk"] == size
    plain = CliRunner().invoke(cli, ["models", "list"]).stdout.splitlines()
    assert [line.split()[0] for line in plain] == list(rows)


def test_show_gives_addresses_and_digests() -> None:
    done = CliRunner().invoke(cli, ["models", "show", "whisper-base", "--json"])
    files = {file["name"]: file for file in json.loads(done.stdout)["files"]}
    assert len(files["model.bin"]["addresses"]) == 2
    plain = CliRunner().invoke(cli, ["models", "show", "whisper-base"]).stdout
    for file in files.values():
        assert file["sha256"] in plain
        assert all(address in plain for address in file["addresses"])


def test_pull_of_what_is_there_prints_its_folder(tiny_en_files: ModelFiles) -> None:
    done = CliRunner().invoke(cli, ["models", "pull", "whisper-tiny.en"])
    assert Path(done.stdout.strip()) == tiny_en_files.weights.parent
    assert done.stderr == ""


@pytest.mark.parametrize("command", ["show", "pull", "rm"])
def test_model_commands_refuse_unknown_names_alike(command: str) -> None:
    error = CliRunner().invoke(cli, ["models", command, "whisper-tny"]).exception
    assert isinstance(error, NotFoundError)
    assert error.message == 'unknown model "whisper-tny"' and error.hint.startswith("did you mean whisper-tiny.en")


@pytest.mark.parametrize(
    ("words", "near"),
    [(["trnscribe"], "transcribe"), (["model"], "models"), (["models", "lst"], "list"), (["runtime", "instal"], "install")],
)
def test_unknown_commands_name_near_ones(words: list[str], near: str) -> None:
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 2 and f'unknown command "{words[-1]}": did you mean {near}' in done.output


def test_an_unknown_command_without_near_ones_has_no_suggestion() -> None:
    done = CliRunner().invoke(cli, ["xyzzy"])
    assert done.exit_code == 2 and "did you mean" not in done.output


def test_rm_removes_from_the_users_cache_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "wherry/models/whisper-base"
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(b"x")
    assert CliRunner().invoke(cli, ["models", "rm", "whisper-base"]).exit_code == 0
    assert not folder.exists()
    assert isinstance(CliRunner().invoke(cli, ["models", "rm", "whisper-base"]).exception, NotFoundError)
