"""How long one clip takes on a GPU, phase by phase and kernel by kernel: `python benchmarks/device.py CLIP.wav [MODEL] [--peer]`.

Prints medians after a warm-up. WHERRY_WEBGPU=wgpu or dawn chooses the implementation, WHERRY_DEVICE the adapter. --peer runs
Hugging Face transformers on CUDA beside it, in turns.
"""

import os
import statistics
import sys
import time
import wave
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wherry.audio.log_mel import N_FRAMES, log_mel, log_mel_stream
from wherry.engine.catalog import default_cache, find_model
from wherry.engine.session import Whisper, load_whisper
from wherry.engine.together import Together

_CALLERS = 16


def median_ms(work: Callable[[], object], times: int) -> float:
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent) * 1e3


def callers_ms(whisper: Whisper, samples: NDArray[np.float32], most: int) -> float:
    """Milliseconds a transcript when many callers want one at once, and `most` of their windows are decoded together."""
    shared = replace(whisper, together=Together(whisper.network, whisper.turns, most))

    def all_at_once(times: int) -> float:
        start = time.perf_counter()
        with ThreadPoolExecutor(_CALLERS) as pool:
            texts = set(pool.map(lambda _: shared.transcribe(samples).text, range(times)))
        if texts != {whisper.transcribe(samples).text}:
            print(f"{most} at once: other texts than alone: {texts}", file=sys.stderr)
        return (time.perf_counter() - start) / times * 1e3

    all_at_once(2 * _CALLERS)  # records what each size of batch needs
    return statistics.median(all_at_once(2 * _CALLERS) for _ in range(3))


def main() -> None:
    words = [word for word in sys.argv[1:] if word != "--peer"]
    clip, model = Path(words[0]), words[1] if len(words) > 1 else "whisper-tiny.en"
    with wave.open(str(clip)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
    files = find_model(model, default_cache())
    wanted = os.environ.get("WHERRY_DEVICE", "gpu")
    start = time.perf_counter()
    whisper = load_whisper(files.weights, config=files.config, tokenizer=files.tokenizer, device=wanted, require_gpu=True)
    loaded = time.perf_counter()
    print(f"{whisper.name} on {whisper.device}, {len(samples) / 16000:.1f} s of speech")
    text = whisper.transcribe(samples).text
    print(f"load {1e3 * (loaded - start):.0f} ms, first transcript {1e3 * (time.perf_counter() - loaded):.0f} ms: {text}")
    print(f"whole transcript  {median_ms(lambda: whisper.transcribe(samples), 20):8.2f} ms (median of 20)")
    if "--peer" in sys.argv:
        from device_peer import transformers_ms

        for _ in range(3):
            spent, said = transformers_ms(files, samples, 5)
            mine = median_ms(lambda: whisper.transcribe(samples), 5)
            print(f"transformers {statistics.median(spent):8.2f} ms (median of 5), Wherry {mine:8.2f} ms; theirs: {said[:60]}")
    for most in (1, 2, 4, 8):
        print(f"{_CALLERS} callers, {most} windows together {callers_ms(whisper, samples, most):8.2f} ms a transcript")
    mel = log_mel(samples, whisper.dims.n_mels)[:N_FRAMES]
    window = np.zeros((1, N_FRAMES, whisper.dims.n_mels), np.float32)
    window[0, : len(mel)] = mel
    device = whisper.network.ops.device
    tiny = device.upload(np.zeros(1, np.float32))

    def listen() -> None:
        whisper.network.listen(window)
        device.download(tiny)

    power = whisper._power_mel()
    both = median_ms(lambda: log_mel_stream([samples], whisper.dims.n_mels, 480_000, power), 10)
    print(f"log-mel           {both:8.2f} ms")
    print(f"encoder and wait  {median_ms(listen, 20):8.2f} ms")
    print(f"wait alone        {median_ms(lambda: device.download(tiny), 20):8.2f} ms")
    loop = next(iter(whisper.network._loops.values()))
    for steps in (1, 16, 64):

        def decode(steps: int = steps) -> None:
            device.run(loop.step, steps)
            device.download(tiny)

        print(f"{steps:3d} steps and wait {median_ms(decode, 20):8.2f} ms")
    device.download(tiny)
    start = time.perf_counter()
    device.run(loop.step, 64)
    sent = time.perf_counter()
    device.download(tiny)
    print(f" 64 steps: sending {1e3 * (sent - start):.2f} ms, until done {1e3 * (time.perf_counter() - start):.2f} ms")
    print(f"dispatches: {len(loop.step.dispatches)} a step; memory in use {device.bytes_in_use() / 1e6:.0f} MB")
    if "timestamp-query" in device.features:
        from wherry.gpu.program import Profile

        device.profile = Profile()
        whisper.transcribe(samples)
        for kernel, grid, calls, seconds in device.profile.table()[:30]:
            print(f"  {kernel:16} {grid:14} {calls:5d} calls {1e3 * seconds:8.2f} ms {1e6 * seconds / calls:8.1f} us each")


if __name__ == "__main__":
    main()
