"""`wherry demo`."""

import tempfile
import time
import wave
from pathlib import Path

import click

from wherry.errors import NotFoundError

_SAMPLE = Path(__file__).with_name("sample.wav")


@click.command()
@click.option("--guest", type=click.Path(path_type=Path), help="The guest. Default: build/guests/transcribe.wasm.")
@click.option("--device", envvar="WHERRY_DEVICE", default="auto", show_default=True, help="auto, cpu, gpu, gpu:N, gpu:NAME.")
@click.option("--require-gpu", is_flag=True, help="Fail rather than run on the CPU.")
def demo(guest: Path | None, device: str, require_gpu: bool) -> int:
    """Have a sandboxed WebAssembly guest transcribe the sample.

    The guest gets one folder with the recording and a graph by name, nothing else; the model runs on the host's GPU or CPU.
    """
    from wherry.engine.catalog import default_cache, find_model
    from wherry.engine.session import load_whisper
    from wherry.engine.transcript import TranscribeOptions
    from wherry.wasm.host import Guest, GuestOptions, Mount
    from wherry.wasm.nn.backend import BurnSpeech
    from wherry.wasm.sockets import NetworkPolicy

    path = guest or Path("build/guests/transcribe.wasm")
    if not path.is_file():
        raise NotFoundError(f"{path}: found no guest, expected the demo's", hint="run `make guests`, or name it with --guest")

    def say(line: str) -> None:
        click.echo(line, err=True)

    files = find_model("whisper-tiny.en", default_cache(), say=say)
    whisper = load_whisper(
        files.weights, config=files.config, tokenizer=files.tokenizer, device=device, require_gpu=require_gpu, say=say
    )
    graph = BurnSpeech(whisper, TranscribeOptions(language="en"))
    with wave.open(str(_SAMPLE)) as file:
        seconds = file.getnframes() / file.getframerate()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "sample.wav").write_bytes(_SAMPLE.read_bytes())
        options = GuestOptions(
            argv=["transcribe", "/sample.wav"],
            mounts=[Mount(Path(folder), "/", writable=False)],
            network=NetworkPolicy({}, outgoing=False),
            memory_bytes=256 << 20,
        )
        started = time.perf_counter()
        code = Guest(path, options, lambda name: graph, cache=default_cache(), say=say).run()
        elapsed = time.perf_counter() - started
    if code == 0:
        click.echo(f"{whisper.name} on {whisper.device}: {seconds:.1f} s of speech in {elapsed:.2f} s, "
                   f"real-time factor {elapsed / seconds:.3f}")  # fmt: skip
    return code
