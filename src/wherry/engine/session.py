"""The one door to speech recognition: a model on a device, shared by its callers."""

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wherry.audio.log_mel import FRAMES_PER_SECOND, N_FRAMES, SAMPLE_RATE, PowerMel, log_mel_stream
from wherry.engine.alignment_heads import alignment_heads
from wherry.engine.clips import find_clips
from wherry.engine.decoding import detect_language
from wherry.engine.network import Network, build_weights
from wherry.engine.split import split_segment
from wherry.engine.spoken_language import detect_spoken_language
from wherry.engine.timeline import Timeline
from wherry.engine.together import Together
from wherry.engine.transcribe import check_options, check_vocabulary, stream_mel
from wherry.engine.transcript import Segment, TranscribeOptions, Transcript, TranscriptStream
from wherry.engine.turns import Turns
from wherry.errors import DeviceError, FormatError, InputError, NotFoundError, TooLargeError
from wherry.kernels.compiled import compiled
from wherry.kernels.cpu import CpuOperations
from wherry.models.names import whisper_tensors
from wherry.models.whisper import WhisperDims
from wherry.text.languages import LANGUAGES
from wherry.text.whisper import WhisperTokenizer, language_code
from wherry.weights import Checkpoint, open_checkpoint
from wherry.weights.checkpoint import read_json

if TYPE_CHECKING:  # FFmpeg's libraries are loaded where a file is read
    from wherry.audio.decode import AudioStream

Floats = NDArray[np.float32]
Audio: TypeAlias = "Floats | Path | AudioStream"
_PADDING = 30 * SAMPLE_RATE  # silence after the end: the last window is whole
_NO_SPEECH = 0.6  # the probability of no speech above which a window is no sample of the language


@dataclass(frozen=True)
class Whisper:
    """A Whisper model ready to transcribe. Safe for several threads: they take turns, in order, window by window; on a GPU,
    windows that wait for it together are decoded together.
    """

    name: str
    device: str  # what it runs on, for people
    tokenizer: WhisperTokenizer
    together: Together
    log: Callable[[str], None] = lambda line: None

    @property
    def network(self) -> Network:
        return self.together.network

    @property
    def turns(self) -> Turns:
        return self.together.turns

    @property
    def dims(self) -> WhisperDims:
        return self.network.dims

    @property
    def languages(self) -> dict[str, str]:
        """The codes that the model knows -> their English names."""
        known = self.tokenizer.languages.values() if self.tokenizer.multilingual else ("en",)
        return {code: LANGUAGES[code] for code in known}

    def gpu_bytes(self) -> int | None:
        """What its GPU holds for it, buffers kept for reuse included; None on the CPU. Any thread may ask, without a turn."""
        return int(self.network.ops.device.bytes_in_use()) if self.network.on_device else None

    def transcribe(
        self,
        audio: Audio,
        options: TranscribeOptions | None = None,
        check: Callable[[], None] = lambda: None,
        *,
        max_seconds: float = math.inf,
    ) -> Transcript:
        """audio: samples (n,) float32 at 16 kHz in [-1, 1], or an audio file, by its path or opened -> its transcript.

        Times are a player's: a file's late start and holes count. `check` is called before each window of 30 s; what it
        raises ends the work there.
        Raises InputError for an option or sample that cannot be, FormatError for a file without audio.
        """
        stream = self.stream(audio, options, check, max_seconds=max_seconds)
        return self.joined(stream, list(stream.segments))

    def joined(self, stream: TranscriptStream, segments: Sequence[Segment]) -> Transcript:
        """A stream and all its segments -> the transcript."""
        return Transcript(
            text=self.tokenizer.decode([token for segment in segments for token in segment.tokens]),
            segments=tuple(segments),
            language=stream.language,
            duration=stream.duration,
            words=tuple(word for segment in segments for word in segment.words),
        )

    def stream(
        self,
        audio: Audio,
        options: TranscribeOptions | None = None,
        check: Callable[[], None] = lambda: None,
        *,
        max_seconds: float = math.inf,
    ) -> TranscriptStream:
        """The same, segment by segment: the device is free for others between the windows that are asked for.

        `check` is also called for every 30 s of a file that are read. Raises TooLargeError where a file has more sound than
        `max_seconds`.
        """
        options = options or TranscribeOptions()
        check_options(options)
        check_vocabulary(options, self.tokenizer)
        if options.word_timestamps and not self.network.alignment_heads:
            raise InputError(
                f"word_timestamps: {self.name} has no alignment heads, so the times of words cannot be found",
                hint="transcribe without the times of words, or take a model that was not distilled",
            )
        mel, samples, timeline = self._mel(audio, check, max_seconds)
        options = timeline.options(options)
        frames = min(samples // (SAMPLE_RATE // FRAMES_PER_SECOND), len(mel) - N_FRAMES)
        name = audio.name if isinstance(audio, Path) else "audio" if isinstance(audio, np.ndarray) else audio.label
        tokenizer = self.tokenizer.using(self._language(mel, frames, options, name, check), options.task)

        def split(segment: Segment, hole: float) -> list[Segment]:
            with self.turns:
                return split_segment(self.network, tokenizer, mel, segment, hole)

        def segments() -> Generator[Segment]:
            count = 0
            is_spoken = False
            for heard in stream_mel(self.together, tokenizer, mel, frames, options, check):
                for segment in timeline.segments(heard, split):
                    is_spoken = is_spoken or bool(segment.text)
                    yield replace(segment, id=count)
                    count += 1
            if not is_spoken:
                self.log(f"{name}: nobody speaks in it")

        return TranscriptStream(tokenizer.language or "en", timeline.duration(samples / SAMPLE_RATE), segments())

    def _mel(self, audio: Audio, check: Callable[[], None], max_seconds: float) -> tuple[Floats, int, Timeline]:
        """(frames + padding, n_mels), the number of samples, and where a player has them."""
        if isinstance(audio, np.ndarray):
            if audio.ndim != 1 or not np.isfinite(audio).all():
                raise InputError(f"audio: found shape {list(audio.shape)}, expected finite samples in one row")
            return *log_mel_stream([audio], self.dims.n_mels, _PADDING, self._power_mel()), Timeline()
        from wherry.audio.decode import open_audio

        stream = open_audio(audio) if isinstance(audio, Path) else audio
        blocks = _within(stream.blocks(), stream.label, check, max_seconds)
        mel, samples = log_mel_stream(blocks, self.dims.n_mels, _PADDING, self._power_mel())
        holes = ((hole.at / SAMPLE_RATE, hole.samples / SAMPLE_RATE) for hole in stream.holes)
        return mel, samples, Timeline(tuple((round(at, 2), round(length, 2)) for at, length in holes))

    def detect_language(
        self,
        audio: Audio,
        rule: str = "speech",
        check: Callable[[], None] = lambda: None,
        *,
        max_seconds: float = math.inf,
    ) -> dict[str, float]:
        """audio as in `transcribe` -> the probability of each language, likeliest first, of the first window in which somebody
        likely speaks. rule "first-window": of the first 30 s. See `TranscribeOptions.language_detection`.
        """
        mel, samples, _ = self._mel(audio, check, max_seconds)
        options = TranscribeOptions(language_detection=rule)
        check_options(options)
        return self._languages(mel, samples // (SAMPLE_RATE // FRAMES_PER_SECOND), options, check)[0]

    def profile(self) -> list[tuple[str, str, int, float]]:
        """GPU time so far where the model was loaded with `profile`: (kernel, workgroups, calls, seconds), costliest first."""
        return [] if not self.network.on_device else list(self.network.ops.profile())

    def _power_mel(self) -> PowerMel | None:
        """The device's own transform, where it has one: each call waits for its turn."""
        if not self.network.on_device:
            return None

        def power_mel(samples: Floats, filters: Floats) -> Floats:
            with self.turns:
                return np.asarray(self.network.ops.power_mel(samples, np.ascontiguousarray(filters)))

        return power_mel

    def _languages(
        self, mel: Floats, frames: int, options: TranscribeOptions, check: Callable[[], None]
    ) -> tuple[dict[str, float], bool]:
        """The probability of each language, likeliest first, and whether anybody seems to speak."""
        if not self.tokenizer.multilingual:
            return {"en": 1.0}, True
        if options.language_detection == "first-window":
            with self.turns:
                return detect_language(self.network, self.tokenizer, self.network.listen(mel[None, :N_FRAMES]))[0], True
        limit = _NO_SPEECH if options.no_speech_threshold is None else options.no_speech_threshold
        spoken = detect_spoken_language(self.together, self.tokenizer, mel, find_clips(options, frames), limit, check)
        return spoken.odds, spoken.is_spoken

    def _language(self, mel: Floats, frames: int, options: TranscribeOptions, name: str, check: Callable[[], None]) -> str:
        if options.language is not None:
            code = language_code(options.language)
            if not self.tokenizer.multilingual and code != "en":
                raise InputError(
                    f'language: found "{options.language}", expected English: {self.name} knows no other',
                    hint="take a multilingual model, such as whisper-base",
                )
            if code not in {"en", *self.tokenizer.languages.values()}:
                raise InputError(f'language: found "{options.language}", which {self.name} does not know')
            return code
        if options.task == "translate" and not self.tokenizer.multilingual:
            raise InputError(
                f'task: found "translate", expected transcribe: {self.name} knows English only',
                hint="take a multilingual model, such as whisper-base",
            )
        odds, is_spoken = self._languages(mel, frames, options, check)
        language = next(iter(odds))
        if not is_spoken:
            self.log(f"{name}: the language is a guess ({LANGUAGES[language]}): no window in which somebody likely speaks")
        return language


def _within(blocks: Iterable[Floats], file: str, check: Callable[[], None], max_seconds: float) -> Iterator[Floats]:
    samples = 0
    for block in blocks:
        check()
        samples += len(block)
        if samples > max_seconds * SAMPLE_RATE:
            raise TooLargeError(f"{file}: found more than {max_seconds:g} s of sound, expected at most that")
        yield block


def load_whisper(
    weights: Path,
    *,
    config: Path | None = None,
    tokenizer: Path | None = None,
    device: str = "auto",
    require_gpu: bool = False,
    profile: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Whisper:
    """Load a model from any weight file that Wherry reads; `tokenizer` is its tokenizer.json (default: beside it, or
    the vocabulary in the file itself where its format has one).

    device: auto, cpu, gpu, gpu:N or gpu:NAME. `auto` and `gpu` take the best real adapter; without one they run on the
    CPU and `say` so, unless `require_gpu`. profile: time every kernel on the GPU, see `Whisper.profile`; needs a GPU.
    """
    checkpoint = open_checkpoint(weights, config=config)
    dims, tensors = whisper_tensors(checkpoint)
    _check_windows(weights, dims)
    reader = _tokenizer(weights, tokenizer, checkpoint, dims)
    ops, description = open_device(device, require_gpu or profile, say, profile=profile)
    placed: dict[int, tuple[Any, Any]] = {}  # by id, with the tensor: one that was freed would leave its id to another

    def place(tensor: Any) -> Any:
        """One copy a tensor, also where two names mean the same one."""
        if id(tensor) not in placed:
            placed[id(tensor)] = (tensor, ops.weight(tensor))
        return placed[id(tensor)][1]

    generation = checkpoint.path.with_name("generation_config.json")  # where Hugging Face's models name their heads
    said = {**checkpoint.metadata, **({"generation_config": read_json(generation)} if generation.is_file() else {})}
    network = Network(dims, ops, build_weights(dims, tensors, place), alignment_heads(dims, said))
    return Whisper(_name(dims), description, reader, Together(network, Turns(), ops.windows_at_once), say)


def _check_windows(weights: Path, dims: WhisperDims) -> None:
    """Audio comes in windows of 30 s, text in windows of 448 tokens: no Whisper has others."""
    found = {"n_mels": dims.n_mels, "n_audio_ctx": dims.n_audio_ctx, "n_text_ctx": dims.n_text_ctx}
    for name, expected in {"n_mels": (80, 128), "n_audio_ctx": (N_FRAMES // 2,), "n_text_ctx": (448,)}.items():
        if found[name] not in expected:
            wanted = " or ".join(map(str, expected))
            raise FormatError(f"{weights}: {name}: found {found[name]}, expected {wanted} for windows of 30 s and 448 tokens")


# Models of as many tokens share their vocabulary.
_TOKENIZERS = {
    51864: "the tokenizer.json of whisper-tiny.en (`wherry models pull whisper-tiny.en` prints its folder)",
    51865: "the tokenizer.json of whisper-base (`wherry models pull whisper-base` prints its folder)",
    51866: "the tokenizer.json that whisper-large-v3 is published with",
}


def _tokenizer(weights: Path, named: Path | None, checkpoint: Checkpoint, dims: WhisperDims) -> WhisperTokenizer:
    """The tokenizer.json that was named or lies beside the weights, else the vocabulary within them (ggml's)."""
    beside = named or weights.with_name("tokenizer.json")
    inside = checkpoint.metadata.get("vocabulary")
    if beside.is_file():
        return WhisperTokenizer.from_file(beside, dims.n_vocab)
    if named is None and isinstance(inside, tuple):
        return WhisperTokenizer.from_vocabulary(inside, dims.n_vocab)
    raise NotFoundError(
        f"{beside}: found no such file, expected the model's tokenizer.json",
        hint=f"put {_TOKENIZERS.get(dims.n_vocab, 'the tokenizer.json of the model')} beside the weights",
    )


def _open_gpu(wanted: str, profile: bool) -> tuple[Any, str]:
    from wherry.gpu.device import open_device as open_adapter
    from wherry.kernels.gpu import GpuOperations

    device = open_adapter(wanted, profile=profile)
    return GpuOperations(device), f"{device.info.name} (WebGPU: {device.info.implementation}, {device.info.backend})"


def open_device(
    device: str,
    require_gpu: bool,
    say: Callable[[str], None],
    *,
    profile: bool = False,
    open_gpu: Callable[[str, bool], tuple[Any, str]] = _open_gpu,
) -> tuple[Any, str]:
    """A device's operations and its description. `auto` alone falls back to the CPU, and says so.

    Raises DeviceError, InputError.
    """
    _check_name(device, require_gpu, profile)
    if device != "cpu":
        try:
            return open_gpu(device, profile)
        except DeviceError:
            if require_gpu or device != "auto":
                raise
            say("no GPU found, running on the CPU (`wherry gpu info` says why)")
    ops = CpuOperations(code=compiled())
    return ops, f"cpu (numpy, {ops.threads} threads)"


def check_device(device: str, require_gpu: bool) -> None:
    """What `open_device` would refuse, before a model is there to load. Raises DeviceError, InputError."""
    _check_name(device, require_gpu, False)
    if require_gpu or device.startswith("gpu"):
        from wherry.gpu.adapter import choose, list_adapters

        choose(list_adapters(), device)


def _check_name(device: str, require_gpu: bool, profile: bool) -> None:
    if device == "cpu" and require_gpu:
        option = "--profile" if profile else "--require-gpu"
        raise InputError(f'device: found "cpu" together with {option}, expected auto or gpu')
    if device not in ("cpu", "auto", "gpu") and not device.startswith("gpu:"):
        raise InputError(f'device: found "{device}", expected auto, cpu, gpu, gpu:N or gpu:NAME')


_NAMES = {4: "tiny", 6: "base", 12: "small", 24: "medium", 32: "large"}


def _name(dims: WhisperDims) -> str:
    size = _NAMES.get(dims.n_audio_layer, f"{dims.n_audio_layer} layers")
    if size == "large" and dims.n_mels == 128:
        size = "large-v3-turbo" if dims.n_text_layer == 4 else "large-v3"
    return f"whisper-{size}" + ("" if dims.n_vocab >= 51865 else ".en")
