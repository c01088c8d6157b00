"""The installed program, as a user runs it: what it prints where, what it writes, and how it exits."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from tests.apps.serving import build
from tests.cli.test_docs import README
from tests.conftest import ROOT, SAMPLE
from wherry.engine.catalog import ModelFiles

WHERRY = Path(sys.executable).with_name("wherry")
TEXT = "A ferry is a light boat that carries people and goods across a river."
Result = subprocess.CompletedProcess[str]


def wherry(*arguments: str | Path, cwd: Path = ROOT, **environment: str) -> Result:
    return subprocess.run(
        [WHERRY, *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def transcribe(*arguments: str | Path, **options: Any) -> Result:
    return wherry("transcribe", "--device", "cpu", "--language", "en", *arguments, **options)


def assert_refused(result: Result, code: int, words: str, *, hint: bool = True) -> None:
    """Nothing on stdout; one line on stderr that holds `words`, and perhaps a hint; the exit code."""
    lines = result.stderr.splitlines()
    assert (result.returncode, result.stdout) == (code, ""), result
    assert lines[0].startswith("wherry: "), result
    assert words in lines[0]
    assert [line.startswith("hint: ") for line in lines[1:]] == ([True] if hint else []), result


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recordings of speech, and one file that is none."""
    folder = tmp_path_factory.mktemp("recordings")
    for name in ("a", "b", "c"):
        (folder / f"{name}.wav").write_bytes(SAMPLE.read_bytes())
    (folder / "bad.wav").write_text("no sound at all")
    return folder


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Make a guest that prints "ready" and runs the given WebAssembly."""
    folder = tmp_path_factory.mktemp("guests")

    def make(name: str, body: str) -> Path:
        path = folder / f"{name}.wasm"
        path.write_bytes(
            wasmtime.wat2wasm(
                f"""(module
                  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
                  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
                  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                  (memory (export "memory") 1)
                  (data (i32.const 8) "ready\\n")
                  (func (export "_start")
                    (i32.store (i32.const 0) (i32.const 8)) (i32.store (i32.const 4) (i32.const 6))
                    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 20)))
                    {body}))"""
            )
        )
        return path

    return make


# -- help and usage


def test_the_version_is_the_packages() -> None:
    assert re.fullmatch(r"wherry, version \d+\.\d+\.\d+\n", wherry("--version").stdout)


@pytest.mark.parametrize("arguments", [["-h"], ["--help"], ["transcribe", "-h"], ["models", "list", "--help"]])
def test_help_goes_to_stdout(arguments: list[str]) -> None:
    result = wherry(*arguments)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("Usage: wherry")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sing"], "sing"),
        (["transcribe"], "FILE"),
        (["transcribe", "--bogus", "a.wav"], "--bogus"),
        (["transcribe", "--format", "docx", "a.wav"], "docx"),
        (["run"], "FILE.wasm"),
        (["run", "--network", "wild", "a.wasm"], "wild"),
        (["models", "pull"], "MODEL"),
        (["convert", "a"], "OUT"),
    ],
)
def test_a_wrong_usage_is_one_line_and_a_hint(arguments: list[str], words: str) -> None:
    assert_refused(wherry(*arguments), 2, words)


# -- transcribe


def test_text_goes_to_stdout_and_everything_else_to_stderr(recordings: Path) -> None:
    result = transcribe(recordings / "a.wav")
    assert result.returncode == 0
    assert result.stdout.splitlines()[0] == TEXT
    assert len(result.stdout.splitlines()) == 2


def test_several_formats_on_stdout(recordings: Path) -> None:
    result = transcribe("--format", "srt", "--format", "json", recordings / "a.wav")
    head, _, rest = result.stdout.partition("{")
    assert head.startswith("1\n00:00:00,000 --> ")
    assert json.loads("{" + rest)["language"] == "en"


def test_word_times_are_written(recordings: Path) -> None:
    result = transcribe("--word-timestamps", "--format", "json", recordings / "a.wav")
    words = [word for segment in json.loads(result.stdout)["segments"] for word in segment["words"]]
    assert [word["word"] for word in words[:3]] == [" A", " ferry", " is"]
    assert all(0 <= word["start"] <= word["end"] <= 8.4 for word in words)


def test_batches_hear_the_same(recordings: Path) -> None:
    result = transcribe("--batch-size", "4", recordings / "a.wav")
    assert TEXT in result.stdout


def test_one_bad_file_stops_none_of_the_others(recordings: Path, tmp_path: Path) -> None:
    files = [recordings / name for name in ("a.wav", "bad.wav", "nowhere.wav", "b.wav")]
    result = transcribe("--output-dir", tmp_path / "new/out", "--format", "txt", *files)
    assert result.returncode == 1
    assert sorted(path.name for path in (tmp_path / "new/out").glob("[!.]*")) == ["a.txt", "b.txt"]
    told = [line for line in result.stderr.splitlines() if line.startswith("wherry: ")]
    assert ["nowhere.wav" in told[0], "bad.wav" in told[1], len(told)] == [True, True, 2]  # what can be is checked at first


def test_a_file_alone_exits_with_its_own_code(recordings: Path) -> None:
    assert_refused(transcribe(recordings / "bad.wav"), 3, "bad.wav", hint=False)
    assert_refused(transcribe(recordings / "nowhere.wav"), 4, "nowhere.wav", hint=False)


def test_an_interrupted_run_goes_on_where_it_stopped(recordings: Path, tmp_path: Path) -> None:
    """Killed as soon as the first file is there; the second run leaves that file as it is and does the others."""
    names = ["a", "b", "c"]
    command = ["transcribe", "--device", "cpu", "--format", "txt", "--output-dir", str(tmp_path)]
    files = [str(recordings / f"{name}.wav") for name in names]
    first = subprocess.Popen([WHERRY, *command, *files], stderr=subprocess.DEVNULL)
    while not (tmp_path / "a.txt").exists():
        assert first.poll() is None, "it ended without its first file"
    first.kill()
    first.wait()
    assert (tmp_path / "a.txt").read_text().splitlines()[0] == TEXT  # whole: never half a file under its name
    (tmp_path / "a.txt").write_text("already here")
    second = wherry(*command, *files)
    assert second.returncode == 0
    assert f"{files[0]}: already transcribed" in second.stderr
    assert (tmp_path / "a.txt").read_text() == "already here"
    for name in names[1:]:
        assert (tmp_path / f"{name}.txt").read_text().splitlines()[0] == TEXT
    assert wherry(*command, "--overwrite", files[0]).returncode == 0
    assert (tmp_path / "a.txt").read_text().splitlines()[0] == TEXT


def test_ctrl_c_ends_a_transcription_with_130(recordings: Path, tmp_path: Path) -> None:
    command = [WHERRY, "transcribe", "--device", "cpu", "--output-dir", tmp_path, "--format", "txt"]
    copies = [recordings / f"{name}.wav" for name in ("a", "b", "c")]
    running = subprocess.Popen([*command, *copies], stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "a.txt").exists():
        assert running.poll() is None
    running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in stderr


def test_files_of_one_stem_are_refused_before_they_overwrite_each_other(recordings: Path, tmp_path: Path) -> None:
    (tmp_path / "a.flac").write_bytes(b"")
    result = transcribe("--output-dir", tmp_path / "out", recordings / "a.wav", tmp_path / "a.flac")
    assert_refused(result, 2, "a.flac")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_told(recordings: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = transcribe("--output-dir", tmp_path / "file/out", recordings / "a.wav")
    assert_refused(result, 1, str(tmp_path / "file"), hint=False)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--model", "nobody"], 4, "nobody"),
        (["--device", "tpu"], 2, "tpu"),
        (["--device", "cpu", "--require-gpu"], 2, "--require-gpu"),
        (["--device", "cpu", "--profile"], 2, "--profile"),
        (["--beam-size", "0"], 2, "beam_size"),
        (["--batch-size", "1000"], 2, "batch_size"),
        (["--temperature", "-1"], 2, "temperature"),
    ],
)
def test_wrong_values_are_named(arguments: list[str], code: int, words: str) -> None:
    result = wherry("transcribe", *arguments, SAMPLE)
    assert (result.returncode, result.stdout) == (code, "")
    assert result.stderr.startswith("wherry: ")
    assert words in result.stderr.splitlines()[0]


def test_a_reader_that_leaves_is_no_error(recordings: Path) -> None:
    """`wherry … | head -c 0`: no traceback, and exit code 0."""
    command = f"'{WHERRY}' models list --json; echo code $? >&2"
    result = subprocess.run(["bash", "-c", f"({command}) | true"], capture_output=True, text=True, timeout=60, check=True)
    assert "Traceback" not in result.stderr
    assert "code 0" in result.stderr


# -- run


def test_the_guest_has_what_it_is_given_and_its_exit_code_is_ours(guest: Callable[[str, str], Path]) -> None:
    result = wherry("run", guest("seven", "(call $exit (i32.const 7))"))
    assert (result.returncode, result.stdout, result.stderr) == (7, "ready\n", "")


def test_dockers_flags_are_taken(guest: Callable[[str, str], Path], tmp_path: Path) -> None:
    flags = "--rm --name app --platform wasi/wasm --runtime io.containerd.wasmedge.v1 -p 127.0.0.1:8080:80 -e A=b"
    result = wherry("run", *flags.split(), "-v", f"{tmp_path}:/data:ro", "--memory", "64m", guest("docker", ""), "--own", "-p")
    assert (result.returncode, result.stdout) == (0, "ready\n")


def test_a_guest_transcribes_with_a_preload(transcribe_guest: Path, tiny_en_files: ModelFiles, recordings: Path) -> None:
    folder = tiny_en_files.weights.parent
    preload = "default:Burn:CPU:/model/model.bin:/model/config.json:/model/tokenizer.json:en"
    given = ["--dir", f"{recordings}:/audio:ro", "--dir", f"{folder}:/model:ro"]
    for option, environment in ((["--nn-preload", preload], {}), ([], {"WASMEDGE_WASINN_PRELOAD": preload})):
        result = wherry("run", *given, *option, transcribe_guest, "/audio/a.wav", **environment)
        assert result.returncode == 0, result
        assert TEXT in result.stdout
    missing = wherry("run", *given, "--nn-preload", "default:Burn:CPU:/a:/b:/c", transcribe_guest, "/audio/a.wav")
    assert missing.returncode != 0 and "load_by_name" in missing.stderr  # the guest hears of it when it loads
    assert 'transcribe.wasm: warning: preload: found no file "/a"' in missing.stderr.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--memory", "lots"], 2, "--memory"),
        (["--dir", "a:b:c:d"], 2, "--dir"),
        (["--publish", "eighty"], 2, "--publish"),
        (["--publish", "99999:80"], 2, "--publish"),
        (["--env", "=x"], 2, "--env"),
        (["--nn-preload", "default"], 2, "preload"),
        (["--dir", "/nowhere/at/all:/"], 4, "/nowhere/at/all"),
    ],
)
def test_wrong_flags_of_run_are_named(guest: Callable[[str, str], Path], arguments: list[str], code: int, words: str) -> None:
    result = wherry("run", *arguments, guest("flags", ""))
    assert result.returncode == code
    assert words in result.stderr.splitlines()[0]


def test_a_trap_a_limit_and_no_guest_have_their_codes(guest: Callable[[str, str], Path], tmp_path: Path) -> None:
    assert "trapped" in (trap := wherry("run", guest("trap", "unreachable"))).stderr
    late = wherry("run", "--timeout", "0.5", guest("loop", "(loop $again (br $again))"))
    assert "--timeout" in late.stderr
    assert (trap.returncode, late.returncode) == (6, 6)
    assert_refused(wherry("run", tmp_path / "none.wasm"), 4, "none.wasm", hint=False)
    assert_refused(wherry("run", SAMPLE), 3, "sample.wav", hint=False)


_FOREVER = {
    "computes": "(loop $again (br $again))",
    # One subscription to a clock, an hour from now.
    "sleeps": """(i64.store (i32.const 120) (i64.const 3600000000000))
        (drop (call $poll (i32.const 96) (i32.const 200) (i32.const 1) (i32.const 300)))""",
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
@pytest.mark.parametrize("what", _FOREVER)
def test_a_signal_ends_a_guest(guest: Callable[[str, str], Path], what: str, number: signal.Signals) -> None:
    path = guest(what, _FOREVER[what])
    running = subprocess.Popen([WHERRY, "run", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stdout.readline() == "ready\n"
    running.send_signal(number)
    _, stderr = running.communicate(timeout=60)
    assert (running.returncode, stderr) == (128 + number, "")


# -- models, gpu, doctor, convert, demo


def test_models_are_listed_and_shown(tiny_en_files: ModelFiles) -> None:
    rows = {row["name"]: row for row in json.loads(wherry("models", "list", "--json").stdout)}
    assert rows["whisper-tiny.en"]["licence"] == "MIT"
    assert rows["whisper-tiny.en"]["bytes_on_disk"] > 70e6
    assert all(name in wherry("models", "list").stdout for name in rows)
    shown = json.loads(wherry("models", "show", "--json", "whisper-tiny.en").stdout)
    digests = {file["name"]: file["sha256"] for file in shown["files"]}
    assert digests["model.bin"] == sha256(tiny_en_files.weights)
    assert digests["model.bin"] in wherry("models", "show", "whisper-tiny.en").stdout


def sha256(path: Path) -> str:
    return subprocess.run(["sha256sum", path], check=True, capture_output=True, text=True).stdout.split()[0]


def test_a_model_can_be_removed(tmp_path: Path) -> None:
    folder = tmp_path / "wherry/models/whisper-tiny.en"
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(b"weights")
    cache = {"XDG_CACHE_HOME": str(tmp_path)}
    rows = json.loads(wherry("models", "list", "--json", **cache).stdout)
    assert {row["name"]: row["bytes_on_disk"] for row in rows}["whisper-tiny.en"] == 7
    assert wherry("models", "rm", "whisper-tiny.en", **cache).returncode == 0
    assert not folder.exists()
    assert_refused(wherry("models", "rm", "whisper-tiny.en", **cache), 4, "whisper-tiny.en")
    assert wherry("models", "rm", "../../etc", **cache).returncode == 4
    assert wherry("models", "show", "nobody", **cache).returncode == 4


def test_adapters_as_json_tell_what_they_can_do() -> None:
    said = json.loads(wherry("gpu", "info", "--json").stdout)
    adapters = said["adapters"]
    real = [f"gpu:{adapter['index']}" for adapter in adapters if adapter["kind"] != "cpu"]
    assert said["auto"]["device"] == (real[0] if real else "cpu")
    for index, adapter in enumerate(adapters):
        assert adapter["index"] == index
        assert adapter["kind"] in ("discrete", "integrated", "virtual", "cpu", "unknown")
        assert adapter["limits"]["max-compute-invocations-per-workgroup"] >= 128
    lines = wherry("gpu", "info").stdout
    assert all(adapter["name"] in lines for adapter in adapters)
    assert lines.splitlines()[-1] == f"auto   {said['auto']['device']}: {said['auto']['why']}"


def test_doctor_tells_what_is_there_and_what_is_not(tmp_path: Path) -> None:
    result = wherry("doctor", XDG_CACHE_HOME=str(tmp_path))
    assert result.returncode == 1
    assert f"no  models in {tmp_path}/wherry: none\n     wherry models pull whisper-tiny.en" in result.stdout
    assert "ok  Python 3." in result.stdout
    found = json.loads(wherry("doctor", "--json", XDG_CACHE_HOME=str(tmp_path)).stdout)
    assert "wherry models pull whisper-tiny.en" in [row["mend"] for row in found]
    assert all(bool(row["mend"]) != row["good"] for row in found)


def test_convert_keeps_the_words(tiny_en_files: ModelFiles, recordings: Path, tmp_path: Path) -> None:
    target = tmp_path / "tiny.safetensors"
    assert wherry("convert", "--to", "q8_0", tiny_en_files.weights, target).returncode == 0
    assert "This one carries small programs" in transcribe("--model", target, recordings / "a.wav").stdout


@pytest.mark.slow
def test_demo_prints_the_transcript_and_one_line_and_goes_on_serving() -> None:
    command = [sys.executable, "-m", "wherry", "demo", "--device", "cpu", "--serve"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        text, figures, address = (process.stdout.readline() for _ in range(3))
        assert TEXT in text
        told = r"whisper-tiny\.en on cpu .*: 8\.3 s of speech in [\d.]+ s, real-time factor [\d.]+; the image has \d+\.\d MB\n"
        assert re.fullmatch(told, figures)
        with urllib.request.urlopen(address.split()[0], timeout=30) as page:
            assert b"<title>Wherry" in page.read()
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        process.stdout.close()


@pytest.mark.slow
def test_demo_of_chat_prints_the_answer_and_one_line() -> None:
    build(
        "chat", "--model", "smollm2-135m-instruct", "--model", "all-minilm-l6-v2", "--compression", "none"
    )  # compiles the app, unless the tests of the app have done so
    result = wherry("demo", "chat", "--device", "cpu")
    assert result.returncode == 0, result.stderr
    question, *answer, figures = result.stdout.splitlines()
    assert question == "> Why is the sky blue?" and "scatter" in " ".join(answer)
    told = r"smollm2-135m-instruct on cpu .*: (\d+) tokens in [\d.]+ s, [\d.]+ tokens/s; the image has \d+\.\d MB"
    found = re.fullmatch(told, figures)
    assert found and 1 < int(found[1]) <= 64


def test_demo_names_the_app_that_is_not_there(tmp_path: Path) -> None:
    assert_refused(wherry("demo", "--app", "/nowhere"), 4, "/nowhere")
    assert_refused(wherry("demo", "chat", cwd=tmp_path), 4, "apps/chat")


@pytest.fixture
def readme_folder(transcribe_guest: Path, tiny_en_files: ModelFiles, tmp_path: Path) -> Path:
    """A checkout as README's reader has it after set-up: sources, the built guest, the model in a cache in the home."""
    (tmp_path / "src").symlink_to(ROOT / "src")
    (tmp_path / "build/guests").mkdir(parents=True)
    (tmp_path / "build/guests/transcribe.wasm").symlink_to(transcribe_guest)
    (tmp_path / "build/model").mkdir()
    (tmp_path / ".cache/wherry/models").mkdir(parents=True)
    (tmp_path / ".cache/wherry/models/whisper-tiny.en").symlink_to(tiny_en_files.weights.parent)
    return tmp_path


@pytest.mark.slow
def test_readmes_commands_run(readme_folder: Path) -> None:
    heard = 0
    for line in README:
        if not line.startswith("wherry "):
            continue
        arguments = [argument.replace("~", str(readme_folder)) for argument in shlex.split(line)[1:]]
        result = wherry(*arguments, cwd=readme_folder, XDG_CACHE_HOME=str(readme_folder / ".cache"))
        # What the doctor finds is the machine's.
        assert result.returncode == 0 or arguments == ["doctor"], (line, result)
        heard += "any processor." in result.stdout
    assert heard == 3
