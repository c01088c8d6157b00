"""A recording of any length to a transcript, window by window (openai-whisper, transcribe.py)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wherry.audio.log_mel import FRAMES_PER_SECOND, N_FRAMES
from wherry.engine.decoding import Decoded, DecodeOptions, decode_windows
from wherry.engine.network import Network
from wherry.engine.timing import add_word_timestamps
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
    network: Network,
    tokenizer: WhisperTokenizer,
    mel: Floats,
    content_frames: int,
    options: TranscribeOptions,
    before_window: Callable[[], None],
) -> Iterator[list[Segment]]:
    """mel (content_frames + padding, n_mels) -> its segments as they are heard, those of one window or batch at a time.

    `tokenizer` already speaks the language and task. `before_window` is called where nothing is left on the device that the
    next window needs, and so is whoever takes the segments: what either raises ends the work.
    """
    start = min(round(options.clip_start * FRAMES_PER_SECOND), content_frames)
    stop = content_frames
    if options.clip_seconds is not None:
        stop = min(stop, start + round(options.clip_seconds * FRAMES_PER_SECOND))
    work = _Work(network, tokenizer, mel[:stop], options, np.random.default_rng(options.seed), before_window)
    prompt = tokenizer.encode(" " + options.initial_prompt.strip()) if options.initial_prompt else []
    count = 0
    for found in work.batched(start, stop, prompt) if options.batch_size > 1 else work.in_turn(start, stop, prompt):
        yield [replace(segment, id=count + i) for i, segment in enumerate(found)]
        count += len(found)


@dataclass(frozen=True)
class _Work:
    network: Network
    tokenizer: WhisperTokenizer
    mel: Floats  # (frames, n_mels), up to where the transcript stops
    options: TranscribeOptions
    random: np.random.Generator
    before_window: Callable[[], None]

    def in_turn(self, start: int, stop: int, prompt: list[int]) -> Iterator[list[Segment]]:
        """Each window starts where the speech of the one before ended, and reads its text."""
        seek = start
        history = list(prompt)
        reset_at = 0  # the prompt of a window starts here in `history`
        last_speech = 0.0  # seconds: where the last segment ended
        while seek < stop:
            self.before_window()
            frames = min(N_FRAMES, stop - seek)
            sound = self.network.listen(self._window(seek, frames)[None])
            result = self._with_fallback(sound, 1, [history[reset_at:]])[0]
            if self._silent(result):
                seek += frames
                continue
            found, advance = self._segments(result, seek, frames)
            if self.options.word_timestamps:
                found = add_word_timestamps(self.network, self.tokenizer, found, sound, frames, last_speech)
                ends = [word.end for segment in found for word in segment.words]
                whole = _ends_in_single_timestamp(result.tokens, self.tokenizer.timestamp_begin)
                if not whole and ends and ends[-1] > seek / FRAMES_PER_SECOND:
                    advance = round(ends[-1] * FRAMES_PER_SECOND) - seek
                if ends:
                    last_speech = ends[-1]
            found = [_without_nothing(segment) for segment in found]
            yield found
            history.extend(token for segment in found for token in segment.tokens)
            if not self.options.condition_on_previous_text or result.temperature > 0.5:
                reset_at = len(history)
            seek += max(advance, 1)

    def batched(self, start: int, stop: int, prompt: list[int]) -> Iterator[list[Segment]]:
        """Windows cut at pauses and decoded together, none reading another's text."""
        spans = list(_cut_at_pauses(self.mel, start, stop))
        last_speech = 0.0
        for at in range(0, len(spans), self.options.batch_size):
            self.before_window()
            batch = spans[at : at + self.options.batch_size]
            sound = self.network.listen(np.stack([self._window(seek, frames) for seek, frames in batch]))
            results = self._with_fallback(sound, len(batch), [prompt] * len(batch))
            heard: list[Segment] = []
            for row, ((seek, frames), result) in enumerate(zip(batch, results, strict=True)):
                if self._silent(result):
                    continue
                found, _ = self._segments(result, seek, frames)
                if self.options.word_timestamps:
                    alone = self.network.recordings(sound, [row])
                    found = add_word_timestamps(self.network, self.tokenizer, found, alone, frames, last_speech)
                    last_speech = max([last_speech, *(segment.end for segment in found)])
                heard.extend(_without_nothing(segment) for segment in found)
            yield heard  # all at once: the batch lies on the device until its last row is timed

    def _window(self, seek: int, frames: int) -> Floats:
        window = np.zeros((N_FRAMES, self.mel.shape[1]), np.float32)
        window[:frames] = self.mel[seek : seek + frames]
        return window

    def _with_fallback(self, sound: Sound[object], windows: int, prompts: list[list[int]]) -> list[Decoded]:
        """Decode at the first temperature; windows that fail a threshold are tried again at the next ones."""
        options = self.options
        results: dict[int, Decoded] = {}
        pending = list(range(windows))
        for temperature in options.temperature:
            chosen = DecodeOptions(
                temperature,
                beam_size=options.beam_size if temperature == 0 else None,
                best_of=options.best_of if temperature > 0 else None,
                patience=options.patience if temperature == 0 else None,
                length_penalty=options.length_penalty,
                prompt=tuple(prompts[pending[0]]),
                without_timestamps=options.without_timestamps,
            )
            part = sound if len(pending) == windows else self.network.recordings(sound, pending)
            decoded = decode_windows(self.network, self.tokenizer, part, len(pending), chosen, self.random)
            results.update(zip(pending, decoded, strict=True))
            pending = [window for window in pending if self._failed(results[window])]
            if not pending:
                break
        return [results[window] for window in range(windows)]

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
