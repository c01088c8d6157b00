"""One row of `speech.py`: an engine in a process of its own.

    python speech_row.py ENGINE MODELS RECORDING

Loads ENGINE, transcribes RECORDING once and prints what that gave; then, for each line read, transcribes once more.
Every answer is one line of JSON. Peers are imported here only: a process holds one engine and nothing else.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

THREADS = 2
Transcribe = Callable[[str], str]


class NotRun(Exception):
    """The row cannot be run on this machine; the text says why."""


def wherry_cpu(models: Path) -> tuple[Transcribe, str]:
    return _wherry(models, "cpu")


def wherry_gpu(models: Path) -> tuple[Transcribe, str]:
    """The best GPU; where there is none, whatever adapter the machine has, for software drivers are one too."""
    try:
        return _wherry(models, "gpu")
    except NotRun as none:
        try:
            return _wherry(models, "gpu:0")
        except NotRun:
            raise none from None


def _wherry(models: Path, device: str) -> tuple[Transcribe, str]:
    from wherry.engine.session import load_whisper
    from wherry.engine.transcript import TranscribeOptions
    from wherry.errors import DeviceError

    found = json.loads((models / "wherry.json").read_text())
    try:
        model = load_whisper(
            Path(found["weights"]), tokenizer=Path(found["tokenizer"]), device=device, require_gpu=device != "cpu"
        )
    except DeviceError as error:
        raise NotRun(error.message) from error
    options = TranscribeOptions(language="en", temperature=(0.0,), condition_on_previous_text=False)
    return lambda path: model.transcribe(Path(path), options).text, model.device


def faster_whisper_int8(models: Path) -> tuple[Transcribe, str]:
    return _faster_whisper(models, "int8")


def faster_whisper_float32(models: Path) -> tuple[Transcribe, str]:
    return _faster_whisper(models, "float32")


def _faster_whisper(models: Path, compute_type: str) -> tuple[Transcribe, str]:
    from faster_whisper import WhisperModel

    model = WhisperModel(str(models / "ctranslate2"), device="cpu", compute_type=compute_type, cpu_threads=THREADS)

    def transcribe(path: str) -> str:
        segments, _ = model.transcribe(
            path, language="en", beam_size=1, temperature=0.0, condition_on_previous_text=False, vad_filter=False
        )
        return "".join(segment.text for segment in segments)

    return transcribe, f"CTranslate2, cpu, {compute_type}"


def openai_whisper(models: Path) -> tuple[Transcribe, str]:
    import av
    import numpy as np
    import torch
    import whisper

    torch.set_num_threads(THREADS)
    model = whisper.load_model(str(models / "openai.pt"), device="cpu")

    def transcribe(path: str) -> str:
        # Its own loader starts an ffmpeg process, which a machine may lack: the samples are the same.
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=16000)
        with av.open(path) as container:
            pieces = [p.to_ndarray()[0] for f in [*container.decode(audio=0), None] for p in resampler.resample(f)]
        result = model.transcribe(
            np.concatenate(pieces), language="en", temperature=0.0, condition_on_previous_text=False, fp16=False
        )
        return str(result["text"])

    return transcribe, f"torch {torch.__version__}, cpu, float32"


def whisper_cpp(models: Path) -> tuple[Transcribe, str]:
    from pywhispercpp.model import Model

    model = Model(
        str(models / "ggml.bin"), n_threads=THREADS, print_progress=False, print_realtime=False, redirect_whispercpp_logs_to=None
    )

    def transcribe(path: str) -> str:
        segments = model.transcribe(
            path, language="en", no_context=True, temperature=0.0, temperature_inc=0.0, greedy={"best_of": 1}
        )
        return "".join(" " + segment.text for segment in segments)

    return transcribe, "pywhispercpp, cpu, f16"


ENGINES: dict[str, Callable[[Path], tuple[Transcribe, str]]] = {
    "Wherry cpu": wherry_cpu,
    "Wherry gpu": wherry_gpu,
    "faster-whisper int8": faster_whisper_int8,
    "faster-whisper float32": faster_whisper_float32,
    "openai-whisper": openai_whisper,
    "whisper.cpp": whisper_cpp,
}


def peak_mib() -> float:
    """The most memory this process has had resident, in MiB."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except OSError:
        import resource

        size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return size / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def main(engine: str, models: str, recording: str) -> None:
    # Engines print their own notes to standard output: the answers keep it for themselves.
    import os

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(**values: Any) -> None:
        print(json.dumps(values), file=answers, flush=True)

    try:
        transcribe, device = ENGINES[engine](Path(models))
    except (ImportError, NotRun) as error:
        say(not_run=" ".join(str(error).split()))
        return
    text = transcribe(recording)
    say(device=device, text=text, at=time.monotonic())
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        text = transcribe(recording)
        say(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu, text=text, peak=peak_mib())


if __name__ == "__main__":
    main(*sys.argv[1:4])
