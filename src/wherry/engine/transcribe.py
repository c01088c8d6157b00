"""A recording of any length to a transcript, window by window (openai-whisper, transcribe.py)."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.audio.log_mel import FRAMES_PER_SECOND, N_FRAMES
from wherry.engine.clips import Clip, check_clips, cut_for_batch, find_clips
from wherry.engine.decoding import Decoded, DecodeOptions, decode_windows, initial_tokens
from wherry.engine.hallucinations import HeardWindow, skip_hallucinations
from wherry.engine.network import Network
from wherry.engine.segments import ends_in_single_timestamp, split_segments, starting_at, without_nothing
from wherry.engine.timing import add_word_timestamps
from wherry.engine.together import Listened, Together
from wherry.engine.transcript import Segment, TranscribeOptions
from wherry.errors import InputError
from wherry.models.whisper import Sound
from wherry.text.whisper import WhisperTokenizer

Floats = NDArray[np.float32]
_MIN_WINDOW = 10  # frames: what is left at an end and lasts no longer is no word (whisper.cpp stops there too)
_MAX_PREFIX = 100  # tokens: a window has room for 448, and half of them are the prompt's


def check_options(options: TranscribeOptions) -> None:
    """Raises InputError naming the option that is wrong."""
    if options.task not in ("transcribe", "translate"):
        raise InputError(f'task: found "{options.task}", expected transcribe or translate')
    if not options.temperature or any(not 0 <= t <= 2 for t in options.temperature):
        raise InputError(f"temperature: found {options.temperature}, expected one or more numbers from 0 to 2")
    for name, value in (
        ("beam_size", options.beam_size),
        ("best_of", options.best_of),
        ("batch_size", options.batch_size),
    ):
        if value is not None and not 1 <= value <= 64:
            raise InputError(f"{name}: found {value}, expected 1 to 64")
    if options.patience is not None and (options.beam_size is None or not 0 < options.patience <= 10):
        raise InputError(f"patience: found {options.patience}, expected up to 10, together with beam_size")
    if options.length_penalty is not None and not 0 <= options.length_penalty <= 1:
        raise InputError(f"length_penalty: found {options.length_penalty}, expected 0 to 1")
    if options.language_detection not in ("speech", "first-window"):
        raise InputError(f'language_detection: found "{options.language_detection}", expected speech or first-window')
    for name, number in (
        ("compression_ratio_threshold", options.compression_ratio_threshold),
        ("logprob_threshold", options.logprob_threshold),
        ("no_speech_threshold", options.no_speech_threshold),
    ):
        if number is not None and not abs(number) < 1e6:
            raise InputError(f"{name}: found {number}, expected a number")
    silence = options.hallucination_silence_threshold
    if silence is not None and (not options.word_timestamps or not 0 <= silence < 1e6):
        raise InputError(f"hallucination_silence_threshold: found {silence}, expected seconds, together with word_timestamps")
    check_clips(options)


def check_vocabulary(options: TranscribeOptions, tokenizer: WhisperTokenizer) -> None:
    """Raises InputError where an option names a token that the model cannot leave out, or has too many of them."""
    for token in options.suppress_tokens:
        if not -1 <= token < tokenizer.eot:
            raise InputError(f"suppress_tokens: found {token}, expected -1 or a token of text, 0 to {tokenizer.eot - 1}")
    if (count := len(tokenizer.encode_option(options.prefix))) > _MAX_PREFIX:
        raise InputError(f"prefix: found {count} tokens, expected at most {_MAX_PREFIX}")


def stream_mel(
    together: Together,
    tokenizer: WhisperTokenizer,
    mel: Floats,
    content_frames: int,
    options: TranscribeOptions,
    before_window: Callable[[], None],
) -> Iterator[list[Segment]]:
    """mel (content_frames + padding, n_mels) -> its segments as they are heard, those of one window or batch at a time.

    `tokenizer` already speaks the language and task. `before_window` is called where nobody has the device, and so is whoever
    takes the segments: what either raises ends the work. No segment begins before the one above it ends.
    """
    work = _Work(
        together,
        tokenizer,
        mel,
        content_frames,
        options,
        np.random.default_rng(options.seed),
        before_window,
        tokenizer.encode_option(options.initial_prompt),
        tuple(tokenizer.encode_option(options.prefix)),
    )
    clips = find_clips(options, content_frames)
    count = 0
    end = 0.0
    for heard in work.batched(clips) if options.batch_size > 1 else work.in_turn(clips):
        segments: list[Segment] = []
        for segment in heard:
            segments.append(replace(starting_at(segment, end), id=count + len(segments)))
            end = max(end, segments[-1].end)
        yield segments
        count += len(segments)


@dataclass(frozen=True)
class _Heard:
    """What a window gave: its segments, how many frames on the next window starts, and when the last word ended (seconds)."""

    result: Decoded
    segments: list[Segment]
    advance: int
    last_speech: float


@dataclass
class _Lane:
    """A part of the recording that is walked through window by window, while others are."""

    seek: int  # frames
    stop: int
    last_speech: float  # seconds
    segments: list[Segment] = field(default_factory=list)  # heard, and not yet passed on

    @property
    def frames(self) -> int:
        """Of the window to come; none where the part is heard."""
        return min(N_FRAMES, self.stop - self.seek) if self.seek + _MIN_WINDOW < self.stop else 0


@dataclass(frozen=True)
class _Work:
    together: Together
    tokenizer: WhisperTokenizer
    mel: Floats  # (content_frames + padding, n_mels)
    content_frames: int
    options: TranscribeOptions
    random: np.random.Generator
    before_window: Callable[[], None]
    initial_prompt: list[int]
    prefix: tuple[int, ...]

    @property
    def network(self) -> Network:
        return self.together.network

    def in_turn(self, clips: list[Clip]) -> Iterator[list[Segment]]:
        """Each window starts where the speech of the one before ended, and reads its text."""
        history = list(self.initial_prompt)
        reset_at = 0  # the prompt of a window starts here in `history`
        last_speech = 0.0  # seconds: where the last segment ended
        for seek, stop in clips:
            while seek + _MIN_WINDOW < stop:
                self.before_window()
                frames = min(N_FRAMES, stop - seek)
                if self._is_empty(seek, frames):
                    seek += frames
                    continue
                prompt = self._prompt(history, reset_at)
                then = partial(self._retried, prompt, seek, frames, last_speech)
                first = self._decode_options(self.options.temperature[0], prompt)
                heard: _Heard = self.together.hear(self._window(seek, frames), self.tokenizer, first, self.random, then)
                if heard.segments:
                    yield heard.segments
                    history.extend(token for segment in heard.segments for token in segment.tokens)
                    if not self.options.condition_on_previous_text or heard.result.temperature > 0.5:
                        reset_at = len(history)
                last_speech = heard.last_speech
                seek += max(heard.advance, 1)

    def _prompt(self, history: list[int], reset_at: int) -> list[int]:
        if not self.options.carry_initial_prompt:
            return history[reset_at:]
        room = self.network.dims.n_text_ctx // 2 - 1 - len(self.initial_prompt)
        said = history[max(len(self.initial_prompt), reset_at) :]
        return [*self.initial_prompt, *(said[-room:] if room > 0 else [])]

    def _retried(
        self, prompt: list[int], seek: int, frames: int, last_speech: float, listened: Listened, first: Decoded
    ) -> _Heard:
        """The whole window, after its first decoding; whoever calls has the device."""
        return self._heard(self._with_fallback(listened, [first], prompt)[0], seek, frames, last_speech, listened)

    def _heard(self, result: Decoded, seek: int, frames: int, last_speech: float, listened: Listened) -> _Heard:
        if self._silent(result):
            return _Heard(result, [], frames, last_speech)
        segments, advance = split_segments(self.tokenizer, result, seek, frames)
        if self.options.word_timestamps:
            segments = add_word_timestamps(self.network, self.tokenizer, segments, listened(), frames, last_speech, self.options)
            is_whole = ends_in_single_timestamp(result.tokens, self.tokenizer.timestamp_begin)
            ends = [word.end for segment in segments for word in segment.words]
            if not is_whole and ends and ends[-1] > seek / FRAMES_PER_SECOND:
                advance = round(ends[-1] * FRAMES_PER_SECOND) - seek
            silence = self.options.hallucination_silence_threshold
            if silence is not None:
                window = HeardWindow(segments, seek, frames, advance, last_speech, is_whole)
                segments, advance = skip_hallucinations(window, silence, self.content_frames)
                ends = [word.end for segment in segments for word in segment.words]
            last_speech = ends[-1] if ends else last_speech
        return _Heard(result, [without_nothing(segment) for segment in segments], advance, last_speech)

    def batched(self, clips: list[Clip]) -> Iterator[list[Segment]]:
        """Parts that end at pauses, walked through side by side; no window reads another's text. Segments come in order."""
        parts = deque(part for clip in clips for part in cut_for_batch(self.mel, clip, self.options.batch_size))
        lanes: list[_Lane] = []  # in the recording's order
        while parts or lanes:
            active = [lane for lane in lanes if lane.frames]
            while parts and len(active) < self.options.batch_size:
                start, stop = parts.popleft()
                lane = _Lane(start, stop, start / FRAMES_PER_SECOND)
                lanes.append(lane)
                active += [lane] if lane.frames else []
            for lane in active:
                while lane.frames and self._is_empty(lane.seek, lane.frames):
                    lane.seek += lane.frames
            active = [lane for lane in active if lane.frames]
            if active:
                self.before_window()
                with self.together.turns:
                    self._step(active)
            heard: list[Segment] = []
            while lanes:
                heard += lanes[0].segments
                lanes[0].segments = []
                if lanes[0].frames:
                    break
                lanes.pop(0)
            if heard:
                yield heard

    def _step(self, lanes: list[_Lane]) -> None:
        """One window of each lane, decoded together."""
        # Every number of windows is recorded on a device of its own: there a batch is always whole.
        rows = self.options.batch_size if self.network.on_device else len(lanes)
        mel = [self._window(lane.seek, lane.frames) for lane in lanes]
        sound = self.network.listen(np.stack([*mel, *[mel[0]] * (rows - len(mel))]))
        prompt = self.initial_prompt
        first = self._decode(sound, rows, self._decode_options(self.options.temperature[0], prompt))
        results = self._with_fallback(lambda: sound, first[: len(lanes)], prompt, rows)
        for row, (lane, result) in enumerate(zip(lanes, results, strict=True)):
            alone = partial(self.network.recordings, sound, [row])
            heard = self._heard(result, lane.seek, lane.frames, lane.last_speech, alone)
            lane.segments += heard.segments
            lane.last_speech = heard.last_speech
            lane.seek += max(heard.advance, 1)

    def _is_empty(self, seek: int, frames: int) -> bool:
        """Digital silence, or 80 dB below the loudest: there is nothing to hear, and the decoder would make something up."""
        part = self.mel[seek : seek + frames]
        return bool(part.min() == part.max())

    def _window(self, seek: int, frames: int) -> Floats:
        window = np.zeros((N_FRAMES, self.mel.shape[1]), np.float32)
        window[:frames] = self.mel[seek : seek + frames]
        return window

    def _decode_options(self, temperature: float, prompt: list[int]) -> DecodeOptions:
        options = self.options
        return DecodeOptions(
            temperature,
            beam_size=options.beam_size if temperature == 0 else None,
            best_of=options.best_of if temperature > 0 else None,
            patience=options.patience if temperature == 0 else None,
            length_penalty=options.length_penalty,
            prompt=tuple(prompt),
            prefix=self.prefix,
            without_timestamps=options.without_timestamps,
            suppress_tokens=options.suppress_tokens,
        )

    def _decode(self, sound: Sound[Any], windows: int, options: DecodeOptions) -> list[Decoded]:
        initial = np.asarray([initial_tokens(self.tokenizer, options, self.network.dims.n_text_ctx)] * windows, np.int32)
        return decode_windows(self.network, self.tokenizer, sound, initial, options, self.random)

    def _with_fallback(self, listened: Listened, first: list[Decoded], prompt: list[int], rows: int = 1) -> list[Decoded]:
        """The results of the first temperature; windows that fail a threshold are tried again at the next ones.

        rows: recordings in what was listened to; those after the results only fill it up.
        """
        results = dict(enumerate(first))
        for temperature in self.options.temperature[1:]:
            pending = [window for window, result in results.items() if self._failed(result)]
            if not pending:
                break
            sound = listened()
            part = sound if len(pending) == rows else self.network.recordings(sound, pending)
            decoded = self._decode(part, len(pending), self._decode_options(temperature, prompt))
            results.update(zip(pending, decoded, strict=True))
        return [results[window] for window in range(len(first))]

    def _failed(self, result: Decoded) -> bool:
        options = self.options
        ratio, logprob, silence = (
            options.compression_ratio_threshold,
            options.logprob_threshold,
            options.no_speech_threshold,
        )
        repeats = ratio is not None and result.compression_ratio > ratio
        unsure = logprob is not None and result.avg_logprob < logprob
        silent = silence is not None and logprob is not None and result.no_speech_prob > silence and unsure
        return (repeats or unsure) and not silent

    def _silent(self, result: Decoded) -> bool:
        """No speech: improbable text over a likely silence."""
        options = self.options
        if options.no_speech_threshold is None or result.no_speech_prob <= options.no_speech_threshold:
            return False
        return options.logprob_threshold is None or result.avg_logprob <= options.logprob_threshold
