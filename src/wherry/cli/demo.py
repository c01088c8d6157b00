"""`wherry demo`."""

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from wherry.errors import GuestError, NotFoundError
from wherry.wasm.scratch import scratch_folder

_SAMPLE = Path(__file__).with_name("sample.wav")
_IMAGE = "wherry-demo/speech"
_WAIT_SECONDS = 300.0  # for the server: the first time on a machine, it compiles the app to machine code


@click.command()
@click.option(
    "--app",
    type=click.Path(path_type=Path),
    default="apps/speech",
    show_default=True,
    help="The web app: OpenAI's speech-to-text API.",
)
@click.option("--serve", is_flag=True, help="Go on serving afterwards, and say where the page is.")
@click.option(
    "-p", "--port", type=click.IntRange(0, 65535), default=0, help="Where to listen on this machine. Default: any free."
)
@click.option("--device", envvar="WHERRY_DEVICE", default="auto", show_default=True, help="auto, cpu, gpu, gpu:N, gpu:NAME.")
@click.option("--require-gpu", is_flag=True, help="Fail rather than run on the CPU.")
def demo(app: Path, serve: bool, port: int, device: str, require_gpu: bool) -> int:
    """Build an image of a web app with its model, run it, and have it write down the sample.

    The app answers as OpenAI's API does, from a sandbox; the model runs on this machine's GPU or CPU.
    """
    from wherry.cli.store import find_image, open_manifest, open_store

    if not (app / "app.py").is_file():
        raise NotFoundError(f"{app}: found no app.py, expected the demo's app", hint="name its folder with --app")
    build = [sys.executable, "-m", "wherry", "build", str(app), "--model", "whisper-tiny.en", "-t", _IMAGE]
    if code := subprocess.run(build, stdout=subprocess.DEVNULL).returncode:
        return code
    manifest, _ = open_manifest(store := open_store(), find_image(store, _IMAGE))
    size = sum(layer.size for layer in manifest.layers)
    arguments = ["--device", device, *(["--require-gpu"] if require_gpu else []), "-p", f"127.0.0.1:{port}:8080"]
    with _served(arguments) as (url, process):
        _transcribe(url)  # loads the model
        started = time.perf_counter()
        found, ran_on = _transcribe(url)
        elapsed = time.perf_counter() - started
        seconds = found["duration"]
        click.echo(found["text"])
        click.echo(f"whisper-tiny.en on {ran_on}: {seconds:.1f} s of speech in {elapsed:.2f} s, real-time factor "
                   f"{elapsed / seconds:.3f}; the image has {size / 1e6:.1f} MB")  # fmt: skip
        if serve:
            click.echo(f"{url}/  in any browser on this machine; Ctrl-C ends it")
            return process.wait()
    return 0


@contextmanager
def _served(arguments: list[str]) -> Generator[tuple[str, "subprocess.Popen[bytes]"]]:
    """`wherry run` of the demo's image -> its address, once it answers, and its process."""
    command = [sys.executable, "-m", "wherry", "run", *arguments, _IMAGE]
    with scratch_folder() as folder:
        log = folder / "log"
        with log.open("w") as file:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        try:
            yield _address(process, log), process
        finally:
            process.terminate()
            process.wait()


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Raises GuestError with what the server said where it ended, or did not begin in time."""
    until = time.monotonic() + _WAIT_SECONDS
    while process.poll() is None and time.monotonic() < until:
        if found := re.search(r"http://[^\s/]+", log.read_text()):
            return found[0]
        time.sleep(0.05)
    raise GuestError(f"{_IMAGE}: found no server, expected one\n\n{log.read_text().strip()}")


def _transcribe(url: str) -> tuple[dict[str, Any], str]:
    """The sample, as a client of OpenAI's sends it -> the answer, and the device that it says."""
    from wherry.guest.client import multipart

    fields = {"model": "whisper-1", "response_format": "verbose_json"}
    kind, body = multipart(fields, {"file": (_SAMPLE.name, _SAMPLE.read_bytes())})
    request = urllib.request.Request(f"{url}/v1/audio/transcriptions", body, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=_WAIT_SECONDS) as response:
            return json.load(response), response.headers["wherry-device"]
    except urllib.error.HTTPError as error:
        raise GuestError(f"{url}: found {error.code} {error.read().decode(errors='replace')}, expected a transcript") from error
