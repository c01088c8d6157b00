"""What a transcription is asked for and what comes back."""

from collections.abc import Generator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TranscribeOptions:
    """How to transcribe; names and defaults are those of openai-whisper's `transcribe`. Times are in seconds.

    language          a code ("en"); None detects it, see `language_detection`
    task              "transcribe", or "translate" into English
    temperature       tried in turn while a window fails a threshold; 0 is greedy or beam search
    beam_size         beams at temperature 0; None is greedy
    best_of           samples at other temperatures; the likeliest is kept
    batch_size        windows decoded together; above 1 the audio is cut at pauses into parts of a minute or two, which
                      are walked through side by side, and no window sees another's text
    clip_timestamps   start, end, start, end, … of the parts to transcribe; the last end may be left out. Not together
                      with clip_start and clip_seconds, which are one such part
    language_detection   "speech": on the first window in which somebody likely speaks; "first-window": on the first
                      30 s, as openai-whisper does
    suppress_tokens   tokens of text that are never chosen; -1 stands for brackets, notes and the like
    prefix            text with which every window's own text begins; it is no part of the result
    carry_initial_prompt   the initial prompt stands before the text of every window, not of the first alone
    hallucination_silence_threshold   with word_timestamps: silence longer than this around improbable words is skipped,
                      and they with it
    prepend_punctuations, append_punctuations   marks that belong to the word after them, and to the one before
    """

    language: str | None = None
    task: str = "transcribe"
    temperature: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    beam_size: int | None = None
    best_of: int | None = 5
    patience: float | None = None
    length_penalty: float | None = None
    initial_prompt: str | None = None
    condition_on_previous_text: bool = True
    compression_ratio_threshold: float | None = 2.4
    logprob_threshold: float | None = -1.0
    no_speech_threshold: float | None = 0.6
    word_timestamps: bool = False
    without_timestamps: bool = False
    batch_size: int = 1
    clip_start: float = 0.0
    clip_seconds: float | None = None
    seed: int = 0
    clip_timestamps: tuple[float, ...] = ()
    language_detection: str = "speech"
    suppress_tokens: tuple[int, ...] = (-1,)
    prefix: str | None = None
    carry_initial_prompt: bool = False
    hallucination_silence_threshold: float | None = None
    prepend_punctuations: str = "\"'“¿([{-"
    append_punctuations: str = "\"'.。,，!！?？:：”)]}、"


@dataclass(frozen=True)
class Word:
    start: float
    end: float
    word: str  # with the space before it
    probability: float


@dataclass(frozen=True)
class Segment:
    """A stretch of speech. `seek` is the first frame (10 ms) of the window it was heard in."""

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: tuple[int, ...]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    words: tuple[Word, ...] = ()


@dataclass(frozen=True)
class Transcript:
    text: str
    segments: tuple[Segment, ...]
    language: str
    duration: float  # seconds of audio
    words: tuple[Word, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class TranscriptStream:
    """A transcript in the making: taking a segment computes it, and no more. Closing `segments` ends the work."""

    language: str
    duration: float  # seconds of audio
    segments: Generator[Segment]
