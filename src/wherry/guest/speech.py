"""Speech to text.

    model = speech.open()
    print(model.transcribe(upload).text)
    for segment in model.stream("talk.mp3", Options(language="de")).segments:
        print(segment.start, segment.text)

Audio is a path, the bytes of a file, or an open binary file, in any format that the host decodes: wav, mp3, flac, ogg,
opus, m4a, mp4, webm. It never passes through the app's memory.
"""

import os
import shutil
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from wherry.engine.transcript import Segment, Transcript, TranscriptStream, Word
from wherry.engine.transcript import TranscribeOptions as Options
from wherry.guest import host

__all__ = ["Audio", "Model", "Options", "Segment", "Transcript", "TranscriptStream", "Word", "names", "open"]

Audio = str | PathLike[str] | bytes | BinaryIO


@dataclass(frozen=True)
class Model:
    """A loaded model; `open` makes one. Every call raises a class of `wherry.errors`: FormatError for what is no audio,
    InputError for an option that cannot be, TooLargeError for more sound than the host takes.
    """

    _model: host.SpeechModel

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def device(self) -> str:
        """What it runs on, for people."""
        return self._model.device

    @property
    def languages(self) -> Mapping[str, str]:
        """The codes that it knows -> their English names."""
        return self._model.languages

    def transcribe(self, audio: Audio, options: Options | None = None) -> Transcript:
        """The whole transcript. The options' names and defaults are openai-whisper's."""
        stream = self.stream(audio, options)
        segments = tuple(stream.segments)
        return Transcript(
            text="".join(segment.text for segment in segments),
            segments=segments,
            language=stream.language,
            duration=stream.duration,
            words=tuple(word for segment in segments for word in segment.words),
        )

    def translate(self, audio: Audio, options: Options | None = None) -> Transcript:
        """The same in English, whatever is spoken. Raises InputError for a model that knows English only."""
        return self.transcribe(audio, replace(options or Options(), task="translate"))

    def stream(self, audio: Audio, options: Options | None = None) -> TranscriptStream:
        """Segments as they are heard. Who stops taking them, or closes them, ends the work."""
        with _file(audio) as path:
            return self._model.stream(path, options or Options())

    def detect_language(self, audio: Audio) -> dict[str, float]:
        """Codes -> probabilities where somebody first speaks, likeliest first."""
        with _file(audio) as path:
            return self._model.detect_language(path)


def names() -> Sequence[str]:
    """The models that `open` knows, the default first."""
    return host.current().speech_models()


def open(name: str = "default") -> Model:
    """The model of this name, loaded unless it is already. Raises NotFoundError."""
    return Model(host.current().open_speech(name))


@contextmanager
def _file(audio: Audio) -> Generator[Path]:
    """Audio as a file that the host can read until the block ends."""
    if isinstance(audio, str | PathLike):
        yield Path(audio)
        return
    handle, name = tempfile.mkstemp(prefix="audio-")
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            if isinstance(audio, bytes):
                file.write(audio)
            else:
                shutil.copyfileobj(audio, file, 1 << 16)
        yield path
    finally:
        path.unlink(missing_ok=True)
