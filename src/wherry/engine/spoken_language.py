"""Which language a recording is in: that of the first window in which somebody likely speaks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wherry.audio.log_mel import FRAMES_PER_SECOND, N_FRAMES
from wherry.engine.clips import Clip
from wherry.engine.decoding import detect_language
from wherry.engine.together import Together
from wherry.text.whisper import WhisperTokenizer

Floats = NDArray[np.float32]
_SILENCE = -1.4  # a frame of digital zeros: the floor of log-mel is -1.5
_QUIET = 1.25  # below the loudest frame: five decades of power
_LEAD = FRAMES_PER_SECOND // 2  # frames of silence that stay before the first sound
_MAX_LEAD = 5 * FRAMES_PER_SECOND  # more silence than this is passed over
_SURE = 0.5  # of a language: music and noise are rarely taken for one so surely
_MAX_UNSURE = 5  # windows with speech in no sure language, after which the likeliest will do


@dataclass(frozen=True)
class SpokenLanguage:
    """The probability of each language, likeliest first, and whether anybody seems to speak at all."""

    odds: dict[str, float]
    is_spoken: bool


def detect_spoken_language(
    together: Together,
    tokenizer: WhisperTokenizer,
    mel: Floats,
    clips: list[Clip],
    no_speech_threshold: float,
    before_window: Callable[[], None],
) -> SpokenLanguage:
    """mel (frames, n_mels) -> the language of the first window of the clips whose speech is likely.

    Where no window's is, that of the one where it is likeliest. A window of silence costs nothing, others their encoder.
    """
    best: SpokenLanguage | None = None
    best_score = -1.0
    unsure = 0
    for start, stop in _audible_windows(mel, clips):
        before_window()
        with together.turns:
            heard = together.network.listen(_window(mel, start, stop)[None])
            odds, no_speech = detect_language(together.network, tokenizer, heard)
        top = next(iter(odds.values()))
        is_spoken = no_speech <= no_speech_threshold
        if is_spoken and top >= _SURE:
            return SpokenLanguage(odds, True)
        score = (1 - no_speech) * top
        if score > best_score:
            best, best_score = SpokenLanguage(odds, is_spoken), score
        unsure += is_spoken
        if unsure == _MAX_UNSURE:
            break
    if best is not None:
        return best
    codes = list(tokenizer.languages.values())
    return SpokenLanguage(dict.fromkeys(codes, 1 / len(codes)), False)


def _window(mel: Floats, start: int, stop: int) -> Floats:
    """(N_FRAMES, n_mels): the frames of a clip, then silence. Behind the recording's end it is the recording's own, as
    openai-whisper hears it; of what follows a clip nothing is heard.
    """
    if stop + N_FRAMES >= len(mel):
        return mel[start : start + N_FRAMES]
    window = np.full((N_FRAMES, mel.shape[1]), mel.min(), np.float32)
    window[: stop - start] = mel[start:stop]
    return window


def _audible_windows(mel: Floats, clips: list[Clip]) -> Iterator[Clip]:
    """Windows one after another, without the long silence before the first sound of each."""
    loudest = max((float(mel[start:stop].max()) for start, stop in clips), default=_SILENCE)
    if loudest <= _SILENCE:
        return
    for start, stop in clips:
        audible = mel[start:stop].max(axis=1) > loudest - _QUIET
        at = start
        while at < stop:
            first = int(audible[at - start :].argmax())
            if not audible[at - start + first]:
                break
            at += first - _LEAD if first > _MAX_LEAD else 0
            yield at, min(at + N_FRAMES, stop)
            at += N_FRAMES
