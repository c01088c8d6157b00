"""Callers whose windows go to the device together hear what they would have heard alone."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.conftest import AUDIO
from tests.engine.test_gpu import on_gpu
from tests.engine.test_transcribe import GREEDY, RECORDINGS
from wherry.engine.session import Whisper
from wherry.engine.together import Together
from wherry.engine.transcript import TranscribeOptions, Transcript
from wherry.errors import StoppedError

__all__ = ["on_gpu"]
SHORT = [path for path in RECORDINGS if "librivox" in path or "jfk.wav" in path][:3]


class Listening:
    """A network that counts how many windows it is given at once."""

    def __init__(self, network: Any) -> None:
        self.network = network
        self.batches: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)

    def listen(self, mel: Any) -> Any:
        self.batches.append(len(mel))
        return self.network.listen(mel)


class Gate(Together):
    """Callers wait before the device until all of them have a window for it."""

    arrived: threading.Semaphore
    opened: threading.Event

    def hear(self, *arguments: Any) -> Any:
        self.arrived.release()
        self.opened.wait()
        return super().hear(*arguments)


def at_once(
    whisper: Whisper, most: int, calls: Sequence[Callable[[Whisper], Any]], missing: int = 0
) -> tuple[list[Any], list[int]]:
    """What each call gave or raised, the first windows of all but `missing` waiting before one has the device; and the sizes of
    the batches."""
    network = Listening(whisper.network)
    gate = Gate(network, whisper.turns, most)  # type: ignore[arg-type]
    gate.arrived, gate.opened = threading.Semaphore(0), threading.Event()
    shared = replace(whisper, together=gate)
    found: list[Any] = [None] * len(calls)

    def call(index: int) -> None:
        try:
            found[index] = calls[index](shared)
        except Exception as error:  # noqa: BLE001 - what the test asks for
            found[index] = error

    threads = [threading.Thread(target=call, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for _ in range(len(calls) - missing):
        gate.arrived.acquire()
    with whisper.turns:
        gate.opened.set()
        while len(gate._waiting) < len(calls) - missing:
            threading.Event().wait(0.005)
    for thread in threads:
        thread.join()
    assert not whisper.turns._taken
    assert not gate._waiting
    return found, network.batches


def transcribed(audio: Any, options: TranscribeOptions) -> Callable[[Whisper], Transcript]:
    return lambda whisper: whisper.transcribe(audio, options)


@pytest.mark.skipif(not SHORT, reason="no recordings at hand")
def test_three_recordings_at_once_are_openai_whispers(tiny_en: Whisper, reference: dict[str, Any]) -> None:
    found, batches = at_once(tiny_en, 4, [transcribed(AUDIO / path, GREEDY) for path in SHORT])
    assert [transcript.text for transcript in found] == [reference["recordings"][p]["greedy"]["text"] for p in SHORT]
    assert max(batches) == 4  # three, and one that fills up
    assert len(batches) < sum(len(transcript.segments) for transcript in found)


@pytest.mark.slow
def test_two_at_once_on_a_device(on_gpu: Whisper, sample: Any) -> None:
    other = np.roll(sample, 8_000)
    alone = [on_gpu.transcribe(audio, GREEDY).text for audio in (sample, other)]
    found, batches = at_once(on_gpu, 2, [transcribed(audio, GREEDY) for audio in (sample, other)])
    assert [transcript.text for transcript in found] == alone
    assert batches == [2]


def test_beams_and_draws_go_alone_and_words_are_timed_in_a_batch(tiny_en: Whisper, sample: Any) -> None:
    wanted = [
        replace(GREEDY, word_timestamps=True),
        GREEDY,
        replace(GREEDY, beam_size=2),
        TranscribeOptions(temperature=(0.4,), seed=3, best_of=2),
    ]
    found, batches = at_once(tiny_en, 4, [transcribed(sample, options) for options in wanted])
    assert sorted(batches) == [1, 1, 2]
    for transcript, options in zip(found, wanted, strict=True):
        alone = tiny_en.transcribe(sample, options)
        assert transcript.text == alone.text
        assert [word.word for word in transcript.words] == [word.word for word in alone.words]
        for mine, theirs in zip(transcript.words, alone.words, strict=True):
            assert (mine.start, mine.end) == pytest.approx((theirs.start, theirs.end), abs=0.021)


def test_one_who_stops_stops_alone(tiny_en: Whisper, sample: Any) -> None:
    def stopped(whisper: Whisper) -> Transcript:
        def check() -> None:
            raise StoppedError("enough")

        return whisper.transcribe(sample, GREEDY, check)

    found, _ = at_once(tiny_en, 4, [transcribed(sample, GREEDY), stopped, transcribed(sample, GREEDY)], missing=1)
    assert isinstance(found[1], StoppedError)
    assert "processor" in found[0].text and found[0].text == found[2].text


def test_an_error_of_the_device_reaches_everyone_who_waited(tiny_en: Whisper, sample: Any, monkeypatch: Any) -> None:
    class Broken(Listening):
        def listen(self, mel: Any) -> Any:
            raise OSError("the device is gone")

    monkeypatch.setattr("tests.engine.test_together.Listening", Broken)
    found, _ = at_once(tiny_en, 4, [transcribed(sample, GREEDY)] * 3)
    assert [str(error) for error in found] == ["the device is gone"] * 3
    assert "processor" in tiny_en.transcribe(sample, GREEDY).text
