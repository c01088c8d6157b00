"""`wherry transcribe` as people use it: names, pipes, folders of results, terminals, openai-whisper's options."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.conftest import SAMPLE
from wherry.cli.outputs import RECORD, OutputFolder, read_source
from wherry.cli.recordings import Recording
from wherry.cli.transcribe import _Run, transcribe
from wherry.cli.transcribe_options import read_options
from wherry.errors import InputError

WHERRY = Path(sys.executable).with_name("wherry")
TEXT = "A ferry is a light boat that carries people and goods across a river."
Result = subprocess.CompletedProcess[str]


def run(*arguments: str | Path, **options: Any) -> Result:
    command = [WHERRY, "transcribe", "--device", "cpu", *arguments]
    options = {"capture_output": True, "timeout": 300, "check": False, **options}
    found = subprocess.run(command, **options)
    return subprocess.CompletedProcess(
        command, found.returncode, *(each.decode(errors="replace") for each in (found.stdout or b"", found.stderr or b""))
    )


def short(path: Path, *, louder: float = 1.0) -> Path:
    """The sample's first sentence; another loudness is another recording."""
    data = SAMPLE.read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if louder == 1.0 else data[:-2] + b"\0\1")
    return path


# -- names


def test_names_of_every_kind_are_transcribed_and_one_failure_stops_none(tmp_path: Path) -> None:
    """A name of 250 bytes, one with markup, one that is no UTF-8; the output of another is a folder."""
    long = "\u3042" * 82 + "abcd"
    odd = os.fsdecode(b"caf\xe9")
    names = [long, "Never Gonna [dQw4w9WgXcQ]", odd, "folder", "last"]
    files = [short(tmp_path / f"{name}.wav") for name in names]
    out = tmp_path / "out"
    (out / "folder.json").mkdir(parents=True)
    result = run("-o", out, "-f", "json", *files)
    assert result.returncode == 1
    assert {path.stem for path in out.glob("*.json") if path.is_file()} == {long, "Never Gonna [dQw4w9WgXcQ]", odd, "last"}
    assert result.stderr.count("wherry: ") == 1 and "folder.json: found a folder" in result.stderr
    again = run("-o", out, "-f", "json", *files)
    assert f"{files[1]}: already transcribed" in again.stderr
    assert "caf\\xe9.wav: already transcribed" in again.stderr
    assert again.stderr.count("already transcribed") == 4
    assert not list(out.glob("*.part")) and not list(out.glob(".*.part"))


# -- what outputs were made of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


def _output(folder: Path, *, overwrite: bool = False, **made_by: Any) -> OutputFolder:
    found = OutputFolder(
        folder, ["txt", "srt"], {"model": "tiny", "options": {"temperature": (0.0, 0.2)}, **made_by}, overwrite=overwrite
    )
    found.prepare()
    return found


def _recording(path: Path) -> Recording:
    return Recording(str(path), path, path.stem)


def _write(output: OutputFolder, path: Path) -> None:
    output.write(_recording(path), read_source(path), {"txt": f"{path}\n", "srt": "1\n"})


def test_a_result_is_done_where_recording_model_and_options_are_the_same(folder: Path, tmp_path: Path) -> None:
    talk = short(tmp_path / "talk.wav")
    assert not _output(folder).is_done(_recording(talk))
    _write(_output(folder), talk)
    assert _output(folder).is_done(_recording(talk))
    assert not _output(folder, model="base").is_done(_recording(talk))
    assert not _output(folder, options={"temperature": (0.0,)}).is_done(_recording(talk))
    assert not _output(folder, overwrite=True).is_done(_recording(talk))
    moved = tmp_path / "elsewhere/talk.wav"
    moved.parent.mkdir()
    talk.rename(moved)
    assert _output(folder).is_done(_recording(moved)), "the same bytes under another name"
    os.utime(moved, (1, 1))
    assert _output(folder).is_done(_recording(moved)), "and with another time"
    (folder / "talk.srt").unlink()
    assert not _output(folder).is_done(_recording(moved)), "one of its files is missing"


def test_the_transcript_of_another_recording_is_not_taken_and_not_written_over(folder: Path, tmp_path: Path) -> None:
    talk, other = short(tmp_path / "talk.wav"), short(tmp_path / "b/talk.flac", louder=2)
    _write(_output(folder), talk)
    with pytest.raises(InputError, match=r"talk\.txt: found the transcript of another recording .*talk\.wav"):
        _output(folder).is_done(_recording(other))
    assert not _output(folder, overwrite=True).is_done(_recording(other))
    short(talk, louder=3)  # the recording was changed since
    with pytest.raises(InputError, match="another recording"):
        _output(folder).is_done(_recording(talk))


def test_a_file_of_unknown_origin_is_not_written_over(folder: Path, tmp_path: Path) -> None:
    talk = short(tmp_path / "talk.wav")
    folder.mkdir()
    (folder / "talk.srt").write_text("by hand")
    with pytest.raises(InputError, match=r"talk\.srt: found a file of unknown origin"):
        _output(folder).is_done(_recording(talk))


def test_half_a_record_is_none(folder: Path, tmp_path: Path) -> None:
    talk, next_talk = short(tmp_path / "talk.wav"), short(tmp_path / "next.wav")
    _write(_output(folder), talk)
    record = folder / RECORD
    whole = record.read_bytes()
    record.write_bytes(b'\xff\n[]\n{"outputs": 1}\n' + whole + whole[:40])
    assert _output(folder).is_done(_recording(talk))
    record.write_bytes(whole + whole[:40] + b"\n")
    _write(_output(folder), next_talk)
    assert _output(folder).is_done(_recording(next_talk))


def test_two_runs_with_one_folder_tell_recordings_apart(tmp_path: Path) -> None:
    talk, other = short(tmp_path / "talk.wav"), short(tmp_path / "b/talk.wav", louder=2)
    first = run("-o", tmp_path / "out", "-f", "txt", talk)
    assert first.returncode == 0
    second = run("-o", tmp_path / "out", "-f", "txt", other)
    assert second.returncode == 2
    assert "another recording" in second.stderr and "hint: --overwrite" in second.stderr
    options = run("-o", tmp_path / "out", "-f", "txt", "--no-condition-on-previous-text", talk)
    assert (options.returncode, options.stderr) == (0, "")
    assert len((tmp_path / "out" / RECORD).read_text().splitlines()) == 2


@pytest.mark.parametrize("error", [OSError(28, "No space left on device", "x"), MemoryError(), InputError("x: no")])
def test_an_inputs_error_is_its_own(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    def work(name: str) -> str:
        if name == "b":
            raise error
        return name

    several = _Run(single=False)
    assert several.each(["a", "b", "c"], work) == ["a", "c"]
    assert several.exit_code == 1
    assert capsys.readouterr().err.startswith("wherry: ")
    with pytest.raises(type(error)):
        _Run(single=True).each(["b"], work)


# -- stdin, addresses, and what is checked before any work


def test_stdin_and_pipes_are_recordings(tmp_path: Path) -> None:
    data = SAMPLE.read_bytes()
    assert run("-", input=data).stdout.splitlines()[0] == TEXT
    os.mkfifo(tmp_path / "talk.wav")
    writer = subprocess.Popen(["sh", "-c", f"cat '{SAMPLE}' > '{tmp_path}/talk.wav'"])
    assert run("-o", tmp_path / "out", "-f", "txt", tmp_path / "talk.wav").returncode == 0
    assert writer.wait(timeout=10) == 0
    assert (tmp_path / "out/talk.txt").read_text().splitlines()[0] == TEXT


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere.wav"], 4, "nowhere.wav"),
        (["."], 4, "found a folder"),
        (["https://example.org/talk.mp3"], 2, "found an address"),
        (["--language", "Klingon", "{}"], 2, "Klingon"),
        (["--language", "Portugese", "{}"], 2, "Portugese"),
        (["--model", "tiny.en", "--language", "German", "{}"], 2, "English"),
        (["--model", "openai/whisper-small.en", "--task", "translate", "{}"], 2, "translate"),
        (["--model", "no-such", "{}"], 4, "no-such"),
        (["--model", "smollm2-135m-instruct", "{}"], 2, "a language model"),
        (["--output-dir", "/proc/nowhere", "{}"], 1, "/proc/nowhere"),
        (["--max-line-width", "20", "{}"], 2, "word_timestamps"),
        (["--word-timestamps", "--max-line-count", "2", "{}"], 2, "max_line_width"),
        (["--clip-timestamps", "5,x", "{}"], 2, "clip_timestamps"),
        (["--clip-timestamps", "5,3", "{}"], 2, "clip_timestamps"),
        (["--suppress-tokens", "a", "{}"], 2, "suppress_tokens"),
        (["--track", "0", "{}"], 2, "--track"),
    ],
)
def test_what_is_wrong_is_said_before_a_model_is_fetched(arguments: list[str], code: int, words: str, tmp_path: Path) -> None:
    """The cache is empty and no index answers: a fetch would be an error of its own."""
    empty = {
        **os.environ,
        "XDG_CACHE_HOME": str(tmp_path),
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "HF_ENDPOINT": "http://127.0.0.1:9",
    }
    result = run(*(each.format(SAMPLE) for each in arguments), env=empty)
    assert (result.returncode, result.stdout) == (code, "")
    assert words in result.stderr.splitlines()[0]
    assert "fetching" not in result.stderr


# -- openai-whisper's options


def _read(*arguments: str) -> Any:
    """The options of a command line, without running it."""
    command = transcribe
    with command.make_context("transcribe", [*arguments, "talk.wav"]) as context:
        values = dict(context.params)
    for name in ("files", "model", "track", "formats", "output_dir", "overwrite", "device", "require_gpu", "profile"):
        values.pop(name)
    return read_options(values)


def test_openai_whispers_spelling_is_taken() -> None:
    options, layout = _read(
        *("--word_timestamps", "True", "--condition_on_previous_text", "False", "--highlight_words", "true"),
        *("--max_line_width", "42", "--max_line_count", "2", "--temperature_increment_on_fallback", "None"),
        *(
            "--compression_ratio_threshold",
            "None",
            "--clip_timestamps",
            "1,2.5,4",
            "--suppress_tokens",
            "-1,50",
            "--beam_size",
            "5",
        ),
        *("--language", "Castilian", "--best_of", "None"),
    )
    assert (options.word_timestamps, options.condition_on_previous_text, layout.highlight_words) == (True, False, True)
    assert (layout.max_line_width, layout.max_line_count) == (42, 2)
    assert (options.temperature, options.compression_ratio_threshold, options.best_of) == ((0.0,), None, None)
    assert (options.clip_timestamps, options.suppress_tokens, options.beam_size) == ((1.0, 2.5, 4.0), (-1, 50), 5)
    assert options.language == "es"


def test_openai_whispers_defaults_are_ours() -> None:
    options, layout = _read("--language", "auto")
    assert options.language is None
    assert options.temperature == pytest.approx((0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
    assert (options.compression_ratio_threshold, options.logprob_threshold, options.no_speech_threshold) == (2.4, -1.0, 0.6)
    assert options.condition_on_previous_text and not options.word_timestamps and not layout.highlight_words


def test_a_recording_that_is_named_true_is_no_value() -> None:
    with transcribe.make_context("transcribe", ["--word-timestamps", "--", "True"]) as context:
        assert context.params["files"] == ("True",)


def test_all_languages_are_listed() -> None:
    result = CliRunner().invoke(transcribe, ["--list-languages"])
    rows = [line.split(maxsplit=1) for line in result.output.splitlines()]
    assert len(rows) == 100
    assert ["yue", "cantonese"] in rows and ["en", "english"] in rows


# -- a terminal


def _in_terminal(command: list[str | Path]) -> str:
    """What a command prints, with one terminal for stdout and stderr."""
    ours, theirs = pty.openpty()
    running = subprocess.Popen(command, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm", "COLUMNS": "120"})
    os.close(theirs)
    printed, began = b"", time.monotonic()
    while time.monotonic() - began < 120:
        if select.select([ours], [], [], 0.5)[0]:
            try:
                data = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            printed += data
    assert running.wait(timeout=30) == 0
    os.close(ours)
    return printed.decode()


def test_a_terminal_shows_segments_and_a_bar_in_seconds(tmp_path: Path) -> None:
    printed = _in_terminal([WHERRY, "transcribe", "--device", "cpu", short(tmp_path / "talk [one].wav")])
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed)
    assert plain.count(TEXT) == 1
    assert "talk [one].wav" in plain
    assert re.search(r"\d+/8 s", plain)


def test_json_of_a_recording_with_lines_is_whole(tmp_path: Path) -> None:
    result = run("--word-timestamps", "--max-line-width", "20", "-f", "srt", "-f", "json", SAMPLE)
    cues, _, data = result.stdout.partition("\n{")
    assert json.loads("{" + data)["language"] == "en"
    lines = [line for line in cues.splitlines() if line and "-->" not in line and not line.isdigit()]
    assert max(map(len, lines)) <= 20
    assert " ".join(lines).replace("  ", " ").startswith(TEXT)
