"""A recording of any length to a transcript, window by window (openai-whisper, transcribe.py)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.audio.log_mel import FRAMES_PER_SECOND, N_FRAMES
from wherry.engine.decoding import Decoded, DecodeOptions, decode_windows, initial_tokens
from wherry.engine.network import Network
from wherry.engine.timing import add_word_timestamps
from wherry.engine.together import Listened, Together
from wherry.engine.transcript import Segment, TranscribeOptions
from wherry.errors import InputError
from wherry.models.whisper import Sound
from wherry.text.whisper import SECONDS_PER_TIMESTAMP, WhisperTokenizer

Floats = NDArray[np.float32]
_FRAMES_PER_TIMESTAMP = 2
_PAUSE_SEARCH = 5 * FRAMES_PER_SECOND  # where a batch is cut: the quietest moment in a window's last five seconds


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
    if options.clip_start < 0 or (options.clip_seconds is not None and options.clip_seconds <= 0):
        raise InputError(f"clip: found {options.clip_start} s + {options.clip_seconds} s, expected a span after 0 s")


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
    takes the segments: what either raises ends the work.
    """
    start = min(round(options.clip_start * FRAMES_PER_SECOND), content_frames)
    stop = content_frames
    if options.clip_seconds is not None:
        stop = min(stop, start + round(options.clip_seconds * FRAMES_PER_SECOND))
    work = _Work(together, tokenizer, mel[:stop], options, np.random.default_rng(options.seed), before_window)
    prompt = tokenizer.encode(" " + options.initial_prompt.strip()) if options.initial_prompt else []
    count = 0
    for found in work.batched(start, stop, prompt) if options.batch_size > 1 else work.in_turn(start, stop, prompt):
        yield [replace(segment, id=count + i) for i, segment in enumerate(found)]
        count += len(found)


@dataclass(frozen=True)
class _Heard:
    """What a window gave: its segments, how many frames on the next window starts, and when the last word ended (seconds)."""

    result: Decoded
    segments: list[Segment]
    advance: int
    last_speech: float


@dataclass(frozen=True)
class _Work:
    together: Together
    tokenizer: WhisperTokenizer
    mel: Floats  # (frames, n_mels), up to where the transcript stops
    options: TranscribeOptions
    random: np.random.Generator
    before_window: Callable[[], None]

    @property
    def network(self) -> Network:
        return self.together.network

    def in_turn(self, start: int, stop: int, prompt: list[int]) -> Iterator[list[Segment]]:
        """Each window starts where the speech of the one before ended, and reads its text."""
        seek = start
        history = list(prompt)
        reset_at = 0  # the prompt of a window starts here in `history`
        last_speech = 0.0  # seconds: where the last segment ended
        while seek < stop:
            self.before_window()
            frames = min(N_FRAMES, stop - seek)
            read = history[reset_at:]
            then = partial(self._heard, read, seek, frames, last_speech)
            first = self._decode_options(self.options.temperature[0], read)
            heard: _Heard = self.together.hear(self._window(seek, frames), self.tokenizer, first, self.random, then)
            if heard.segments:
                yield heard.segments
                history.extend(token for segment in heard.segments for token in segment.tokens)
                if not self.options.condition_on_previous_text or heard.result.temperature > 0.5:
                    reset_at = len(history)
            last_speech = heard.last_speech
            seek += max(heard.advance, 1)

    def _heard(self, prompt: list[int], seek: int, frames: int, last_speech: float, listened: Listened, first: Decoded) -> _Heard:
        """The whole window, after its first decoding; whoever calls has the device."""
        result = self._with_fallback(listened, [first], prompt)[0]
        if self._silent(result):
            return _Heard(result, [], frames, last_speech)
        found, advance = self._segments(result, seek, frames)
        if self.options.word_timestamps:
            found = add_word_timestamps(self.network, self.tokenizer, found, listened(), frames, last_speech)
            ends = [word.end for segment in found for word in segment.words]
            whole = _ends_in_single_timestamp(result.tokens, self.tokenizer.timestamp_begin)
            if not whole and ends and ends[-1] > seek / FRAMES_PER_SECOND:
                advance = round(ends[-1] * FRAMES_PER_SECOND) - seek
            last_speech = ends[-1] if ends else last_speech
        return _Heard(result, [_without_nothing(segment) for segment in found], advance, last_speech)

    def batched(self, start: int, stop: int, prompt: list[int]) -> Iterator[list[Segment]]:
        """Windows cut at pauses and decoded together, none reading another's text."""
        spans = list(_cut_at_pauses(self.mel, start, stop))
        last_speech = 0.0
        for at in range(0, len(spans), self.options.batch_size):
            self.before_window()
            with self.together.turns:
                heard = self._batch(spans[at : at + self.options.batch_size], prompt, last_speech)
            last_speech = max([last_speech, *(segment.end for segment in heard)])
            yield heard

    def _batch(self, spans: list[tuple[int, int]], prompt: list[int], last_speech: float) -> list[Segment]:
        sound = self.network.listen(np.stack([self._window(seek, frames) for seek, frames in spans]))
        first = self._decode(sound, len(spans), self._decode_options(self.options.temperature[0], prompt))
        results = self._with_fallback(lambda: sound, first, prompt)
        heard: list[Segment] = []
        for row, ((seek, frames), result) in enumerate(zip(spans, results, strict=True)):
            if self._silent(result):
                continue
            found, _ = self._segments(result, seek, frames)
            if self.options.word_timestamps:
                alone = self.network.recordings(sound, [row])
                found = add_word_timestamps(self.network, self.tokenizer, found, alone, frames, last_speech)
                last_speech = max([last_speech, *(segment.end for segment in found)])
            heard.extend(_without_nothing(segment) for segment in found)
        return heard

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
            without_timestamps=options.without_timestamps,
        )

    def _decode(self, sound: Sound[Any], windows: int, options: DecodeOptions) -> list[Decoded]:
        initial = np.asarray([initial_tokens(self.tokenizer, options, self.network.dims.n_text_ctx)] * windows, np.int32)
        return decode_windows(self.network, self.tokenizer, sound, initial, options, self.random)

    def _with_fallback(self, listened: Listened, first: list[Decoded], prompt: list[int]) -> list[Decoded]:
        """The results of the first temperature; windows that fail a threshold are tried again at the next ones."""
        results = dict(enumerate(first))
        for temperature in self.options.temperature[1:]:
            pending = [window for window, result in results.items() if self._failed(result)]
            if not pending:
                break
            sound = listened()
            part = sound if len(pending) == len(first) else self.network.recordings(sound, pending)
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

    def _segments(self, result: Decoded, seek: int, frames: int) -> tuple[list[Segment], int]:
        """The window's segments, and how many frames on the next window starts."""
        begin = self.tokenizer.timestamp_begin
        tokens = result.tokens
        offset = seek / FRAMES_PER_SECOND

        def segment(start: float, end: float, part: tuple[int, ...]) -> Segment:
            text = self.tokenizer.decode(part)
            return Segment(
                0, seek, start, end, text, part, result.temperature, result.avg_logprob, result.compression_ratio,
                result.no_speech_prob,
            )  # fmt: skip

        def seconds(token: int) -> float:
            return offset + (token - begin) * SECONDS_PER_TIMESTAMP

        pairs = [i for i in range(1, len(tokens)) if tokens[i] >= begin and tokens[i - 1] >= begin]
        if pairs:
            single = _ends_in_single_timestamp(tokens, begin)
            cuts = [*pairs, len(tokens)] if single else pairs
            found = []
            last = 0
            for cut in cuts:
                part = tokens[last:cut]
                found.append(segment(seconds(part[0]), seconds(part[-1]), part))
                last = cut
            # What follows the last pair is cut off in this window: the next starts there.
            return found, frames if single else (tokens[last - 1] - begin) * _FRAMES_PER_TIMESTAMP
        duration = frames / FRAMES_PER_SECOND
        times = [token for token in tokens if token >= begin]
        if times and times[-1] != begin:
            duration = (times[-1] - begin) * SECONDS_PER_TIMESTAMP
        return [segment(offset, offset + duration, tokens)], frames


def _ends_in_single_timestamp(tokens: tuple[int, ...], begin: int) -> bool:
    return len(tokens) >= 2 and tokens[-2] < begin <= tokens[-1]


def _without_nothing(segment: Segment) -> Segment:
    """A segment of no length or no text says nothing, and must not prompt the next window."""
    if segment.start == segment.end or not segment.text.strip():
        return replace(segment, text="", tokens=(), words=())
    return segment


def _cut_at_pauses(mel: Floats, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Spans (first frame, frames) of at most 30 s, each ending at the quietest moment of its last five seconds."""
    while start < stop:
        frames = stop - start
        if frames > N_FRAMES:
            loudness = mel[start + N_FRAMES - _PAUSE_SEARCH : start + N_FRAMES].mean(axis=1)
            smooth = np.convolve(loudness, np.full(20, 0.05, np.float32), mode="same")
            frames = N_FRAMES - _PAUSE_SEARCH + int(smooth[20:-20].argmin()) + 20
        yield start, frames
        start += frames
