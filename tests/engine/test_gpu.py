"""The same transcripts from the WGSL kernels, on the first WebGPU adapter: lavapipe where there is no GPU.

WHERRY_TEST_DEVICE names another adapter, WHERRY_WEBGPU the implementation.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import AUDIO
from tests.engine.test_transcribe import ACTIVE, GREEDY, RECORDINGS, TIMED, relative_error
from wherry.audio.decode import decode_audio
from wherry.audio.log_mel import log_mel
from wherry.engine.catalog import ModelFiles
from wherry.engine.convert import convert_whisper
from wherry.engine.session import Whisper, load_whisper
from wherry.engine.transcript import TranscribeOptions
from wherry.gpu.adapter import implementation, list_adapters

DEVICE = os.environ.get("WHERRY_TEST_DEVICE", "gpu:0")


def need_adapter() -> None:
    if list_adapters():
        return
    if os.environ.get("CI"):
        pytest.fail(f"{implementation()} found no adapter")
    pytest.skip(f"{implementation()} found no adapter on this machine; CI has one")


@pytest.fixture(scope="module")
def on_gpu(tiny_en_files: ModelFiles) -> Whisper:
    need_adapter()
    return load_whisper(tiny_en_files.weights, tokenizer=tiny_en_files.tokenizer, device=DEVICE, require_gpu=True)


@pytest.mark.slow
@pytest.mark.parametrize("path", RECORDINGS)
def test_greedy_text_is_openai_whispers(path: str, on_gpu: Whisper, reference: dict[str, Any]) -> None:
    expected = reference["recordings"][path]["greedy"]
    found = on_gpu.transcribe(AUDIO / path, GREEDY)
    assert found.text == expected["text"]
    assert [list(segment.tokens) for segment in found.segments] == [s["tokens"] for s in expected["segments"]]
    for mine, theirs in zip(found.segments, expected["segments"], strict=True):
        assert mine.avg_logprob == pytest.approx(theirs["avg_logprob"], abs=1e-3)
        assert mine.no_speech_prob == pytest.approx(theirs["no_speech_prob"], rel=0.02, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path in TIMED if "jfk.wav" in path])
def test_words_and_beams_are_openai_whispers(path: str, on_gpu: Whisper, reference: dict[str, Any]) -> None:
    expected = reference["recordings"][path]
    found = on_gpu.transcribe(AUDIO / path, replace(GREEDY, beam_size=5, word_timestamps=True))
    assert found.text == expected["beam"]["text"]
    words = [word for segment in expected["words"]["segments"] for word in segment["words"]]
    if found.text == expected["words"]["text"]:
        assert [word.word for word in found.words] == [word["word"] for word in words]
        for mine, theirs in zip(found.words, words, strict=True):
            assert (mine.start, mine.end) == pytest.approx((theirs["start"], theirs["end"]), abs=0.021)


def activations(whisper: Whisper, path: str, expected: dict[str, Any]) -> tuple[float, float]:
    """Relative errors of the encoder's output and of the first step's logits."""
    network = whisper.network
    mel = log_mel(decode_audio(AUDIO / path), 80, padding=480_000, power_mel=network.ops.power_mel)[:3000]
    encoded = network.encode(mel[None])[0].reshape(-1)[expected["encoder_index"]]
    state = network.start(network.listen(mel[None]), 1)
    logits = network.prompt_logits(state, np.asarray([[50257]], np.int32), [0])[0, 0]
    return relative_error(encoded, expected["encoder"]), relative_error(logits[::13], expected["logits"])


@pytest.mark.parametrize("path", ACTIVE)
def test_activations_are_openai_whispers(path: str, on_gpu: Whisper, reference: dict[str, Any]) -> None:
    assert max(activations(on_gpu, path, reference["activations"][path])) < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("path", ACTIVE)
def test_q8_0_stays_near(path: str, tiny_en_files: ModelFiles, reference: dict[str, Any], tmp_path: Path) -> None:
    need_adapter()
    file = tmp_path / "model.safetensors"
    convert_whisper(tiny_en_files.weights, file, "q8_0")
    whisper = load_whisper(file, tokenizer=tiny_en_files.tokenizer, device=DEVICE, require_gpu=True)
    assert max(activations(whisper, path, reference["activations"][path])) < 2e-2


@pytest.mark.slow
def test_sampling_repeats_with_its_seed(on_gpu: Whisper, sample: Any) -> None:
    options = TranscribeOptions(temperature=(0.6,), best_of=2, seed=7)
    first = on_gpu.transcribe(sample, options).text
    assert "small programs" in first
    assert on_gpu.transcribe(sample, options).text == first


@pytest.mark.slow
def test_batched_windows_hear_the_same_words(on_gpu: Whisper, sample: Any) -> None:
    long = np.concatenate([np.concatenate([sample, np.zeros(16_000, np.float32)]) for _ in range(5)])
    batched = on_gpu.transcribe(long, replace(GREEDY, batch_size=2))
    assert batched.text.lower().count("any processor") == 5


@pytest.mark.slow
def test_a_profile_names_each_kernel(tiny_en_files: ModelFiles, sample: Any) -> None:
    need_adapter()
    whisper = load_whisper(tiny_en_files.weights, tokenizer=tiny_en_files.tokenizer, device=DEVICE, profile=True)
    whisper.transcribe(sample[:16_000], GREEDY)
    calls: dict[str, int] = {}
    for kernel, _, count, seconds in whisper.profile():
        assert seconds >= 0
        calls[kernel] = calls.get(kernel, 0) + count
    assert {"log_mel", "layer_norm", "matvec", "attend", "next_token"} <= calls.keys()
    assert calls["attend"] % 8 == 0  # four layers, each with its own and with cross-attention


@pytest.mark.slow
def test_memory_does_not_grow(on_gpu: Whisper, sample: Any) -> None:
    on_gpu.transcribe(sample, GREEDY)
    device = on_gpu.network.ops.device
    before = device.bytes_in_use()
    on_gpu.transcribe(sample, GREEDY)
    assert on_gpu.gpu_bytes() == device.bytes_in_use() == before
