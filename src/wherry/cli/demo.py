"""`wherry demo`."""

import json
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from wherry.errors import GuestError, NotFoundError
from wherry.isolation import child_environment, python_command
from wherry.wasm.scratch import scratch_folder

_SAMPLE = Path(__file__).with_name("sample.wav")
# What the smallest model of the catalogue answers well with the likeliest words: asked about ferries, it makes things up.
_SYSTEM, _QUESTION = "You are a helpful assistant. Answer in one short sentence.", "Why is the sky blue?"
_WAIT_SECONDS = 300.0  # for the server: the first time on a machine, it compiles the app to machine code


@click.command()
@click.argument("kind", type=click.Choice(["speech", "chat"]), default="speech")
@click.option(
    "--app",
    type=click.Path(path_type=Path),
    help="The web app, with OpenAI's API of that kind. Default: apps/KIND.",
)
@click.option("--serve", is_flag=True, help="Go on serving afterwards, and say where the page is.")
@click.option(
    "-p", "--port", type=click.IntRange(0, 65535), default=0, help="Where to listen on this machine. Default: any free."
)
@click.option("--device", envvar="WHERRY_DEVICE", default="auto", show_default=True, help="auto, cpu, gpu, gpu:N, gpu:NAME.")
@click.option("--require-gpu", is_flag=True, help="Fail rather than run on the CPU.")
def demo(kind: str, app: Path | None, serve: bool, port: int, device: str, require_gpu: bool) -> int:
    """Build an image of a web app with its model, run it, and ask it something: speech, the default,
    writes down a recording; chat answers a question.

    The app answers as OpenAI's API does, from a sandbox; the model runs on this machine's GPU or CPU.

    \b
    Examples:
      wherry demo
      wherry demo chat --serve
    """
    from wherry.cli.store import find_image, open_manifest, open_store

    app = app or Path("apps") / kind
    if not (app / "app.py").is_file():
        raise NotFoundError(
            f"{app}: found no app.py, expected the demo's app",
            hint="run it in a checkout of Wherry, or name the app's folder with --app",
        )
    model, ask = _DEMOS[kind]
    image = f"wherry-demo/{kind}"
    build = python_command("wherry", "build", str(app.resolve()), "--model", model, "-t", image)
    if code := subprocess.run(build, stdout=subprocess.DEVNULL, env=_environment()).returncode:
        return code
    manifest, _ = open_manifest(store := open_store(), find_image(store, image))
    size = sum(layer.size for layer in manifest.layers)
    arguments = ["--device", device, *(["--require-gpu"] if require_gpu else []), "-p", f"127.0.0.1:{port}:8080"]
    with _served(arguments, image) as (url, process):
        ask(url)  # loads the model
        text, figures = ask(url)
        click.echo(text)
        click.echo(f"{model} on {figures}; the image has {size / 1e6:.1f} MB")
        if serve:
            click.echo(f"{url}/  in any browser on this machine; Ctrl-C ends it")
            return process.wait()
    return 0


@contextmanager
def _served(arguments: list[str], image: str) -> Generator[tuple[str, "subprocess.Popen[bytes]"]]:
    """`wherry run` of an image -> its address, once it answers, and its process."""
    command = python_command("wherry", "run", *arguments, image)
    with scratch_folder() as folder:
        log = folder / "log"
        with log.open("w") as file:
            process = subprocess.Popen(
                command, cwd=folder, env=_environment(), stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )
        try:
            yield _address(process, log, image), process
        finally:
            process.terminate()
            process.wait()


def _environment() -> dict[str, str]:
    """The user's settings of Wherry, of the GPU's drivers and of the tools that fetch models and packages."""
    return child_environment(r"WHERRY_\w+|PIP_\w+|HF_\w+|DOCKER_CONFIG|(?:VK|CUDA|NVIDIA|MESA|WGPU|DAWN|EGL|LIBGL)_\w+")


def _address(process: "subprocess.Popen[bytes]", log: Path, image: str) -> str:
    """Raises GuestError with what the server said where it ended, or did not begin in time."""
    until = time.monotonic() + _WAIT_SECONDS
    while process.poll() is None and time.monotonic() < until:
        if found := re.search(r"http://[^\s/]+", log.read_text()):
            return found[0]
        time.sleep(0.05)
    raise GuestError(f"{image}: found no server, expected one\n\n{log.read_text().strip()}")


def _transcribe(url: str) -> tuple[str, str]:
    """Have the sample written down -> its text, and the figures: the device, the seconds, the real-time factor."""
    from wherry.guest.client import multipart

    fields = {"model": "whisper-1", "response_format": "verbose_json"}
    kind, body = multipart(fields, {"file": (_SAMPLE.name, _SAMPLE.read_bytes())})
    found, ran_on, elapsed = _post(f"{url}/v1/audio/transcriptions", body, kind)
    seconds = found["duration"]
    factor = f"real-time factor {elapsed / seconds:.3f}"
    return found["text"], f"{ran_on}: {seconds:.1f} s of speech in {elapsed:.2f} s, {factor}"


def _converse(url: str) -> tuple[str, str]:
    """Ask a question -> the question with its answer, and the figures: the device, the tokens, the seconds."""
    messages = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _QUESTION}]
    question = {"messages": messages, "max_tokens": 128, "temperature": 0}
    found, ran_on, elapsed = _post(f"{url}/v1/chat/completions", json.dumps(question).encode(), "application/json")
    tokens = found["usage"]["completion_tokens"]
    answer = found["choices"][0]["message"]["content"].strip()
    return f"> {_QUESTION}\n{answer}", f"{ran_on}: {tokens} tokens in {elapsed:.2f} s, {tokens / elapsed:.1f} tokens/s"


_DEMOS = {"speech": ("whisper-tiny.en", _transcribe), "chat": ("smollm2-135m-instruct", _converse)}


def _post(url: str, body: bytes, kind: str) -> tuple[dict[str, Any], str, float]:
    """As a client of OpenAI's sends it -> the answer, the device that it says, and the seconds that it took."""
    request = urllib.request.Request(url, body, {"Content-Type": kind})
    started = time.perf_counter()
    try:
        with urllib.request.urlopen(request, timeout=_WAIT_SECONDS) as response:
            return json.load(response), response.headers["wherry-device"], time.perf_counter() - started
    except urllib.error.HTTPError as error:
        raise GuestError(f"{url}: found {error.code} {error.read().decode(errors='replace')}, expected an answer") from error
