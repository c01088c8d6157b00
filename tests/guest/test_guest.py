"""What an app imports: the same calls over any host, and no library but Python's own."""

import io
import logging
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from wherry.engine.transcript import TranscribeOptions, TranscriptStream
from wherry.errors import FormatError, InputError, NotFoundError
from wherry.guest import config, host, log, nn, speech
from wherry.guest.fake import SOUND, FakeHost
from wherry.guest.tensor import Tensor


def test_the_package_needs_only_pythons_own_modules() -> None:
    """It is compiled into the component; numpy alone would not even run there."""
    script = (
        "import sys; before = set(sys.modules)\n"
        "from wherry.guest import chat, client, config, embeddings, fake, host, log, nn, openai, page, speech, subtitles, wsgi\n"
        "print('\\n'.join(sorted({name for name in sys.modules if name not in before})))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    foreign = {name for name in loaded if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("wherry")}
    assert not foreign
    mine = {name for name in loaded if name.startswith("wherry") and not name.startswith("wherry.guest")}
    data = {"conversation", "cues", "messages", "transcript", "writers"}
    assert mine == {"wherry", "wherry.engine", "wherry.errors", *(f"wherry.engine.{name}" for name in data)}


# -- speech


@pytest.mark.parametrize("kind", ["path", "name", "bytes", "file"])
def test_audio_may_be_a_path_bytes_or_a_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(SOUND)
    audio: speech.Audio = {"path": path, "name": str(path), "bytes": SOUND, "file": io.BytesIO(SOUND)}[kind]
    with host.use(FakeHost({"default": "Good morning. How are you?"})):
        found = speech.open().transcribe(audio)
    assert found.text == " Good morning. How are you?"
    assert [(segment.text, segment.start, segment.end) for segment in found.segments] == [
        (" Good morning.", 0.0, 2.0),
        (" How are you?", 2.0, 5.0),
    ]
    assert (found.language, found.duration, found.words) == ("en", 5.0, ())


def test_a_file_is_read_from_where_it_stands_and_no_copy_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    seen: list[bytes] = []

    class Listening(FakeHost):
        def open_speech(self, name: str) -> "Model":  # type: ignore[override]
            return Model()

    class Model:
        name, device, languages = "m", "d", {"en": "english"}

        def stream(self, file: Path, options: TranscribeOptions) -> TranscriptStream:
            seen.append(file.read_bytes())
            return TranscriptStream("en", 0.0, (_ for _ in ()))

        def detect_language(self, file: Path) -> dict[str, float]:
            raise FormatError("no audio")

    with host.use(Listening()):
        file = io.BytesIO(b"head" + SOUND)
        file.seek(4)
        speech.open().transcribe(file)
        with pytest.raises(FormatError):
            speech.open().detect_language(b"x")
    assert seen == [SOUND]
    assert list(tmp_path.iterdir()) == []


def test_options_reach_the_host() -> None:
    fake = FakeHost({"small": "One.", "large": "Two."})
    options = speech.Options(language="en", initial_prompt="names", temperature=(0.2,), word_timestamps=True)
    with host.use(fake):
        words = speech.open("large").transcribe(SOUND, options).words
        speech.open().translate(SOUND, options)
    (first, given), (second, translated) = fake.asked
    assert (first, given) == ("large", options)
    assert (second, translated.task, translated.initial_prompt) == ("small", "translate", "names")
    assert [(word.word, word.start, word.end) for word in words] == [(" Two.", 0.0, 1.0)]


def test_models_say_what_they_are() -> None:
    with host.use(FakeHost({"tiny": "x", "base": "y"}, languages={"en": "english", "de": "german"})):
        assert list(speech.names()) == ["tiny", "base"]
        model = speech.open()
        assert (model.name, model.device, model.languages["de"]) == ("tiny", "fake", "german")
        assert model.detect_language(SOUND) == {"en": 1.0}


@pytest.mark.parametrize("audio", [b"", b"this is text, whatever its name says"])
def test_what_is_no_audio_is_refused(audio: bytes) -> None:
    with host.use(FakeHost()), pytest.raises(FormatError):
        speech.open().transcribe(audio)


def test_unknown_names_are_refused() -> None:
    with host.use(FakeHost()):
        with pytest.raises(NotFoundError, match="whisper-9"):
            speech.open("whisper-9")
        with pytest.raises(NotFoundError, match="llama"):
            nn.load_by_name("llama")
        with pytest.raises(InputError, match="xx"):
            speech.open().transcribe(SOUND, speech.Options(language="xx"))


# -- wasi-nn


def test_graphs_compute_tensors() -> None:
    def double(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"0": Tensor.from_numbers([2 * x for x in inputs["0"].numbers()])}

    with host.use(FakeHost(graphs={"double": double})):
        graph = nn.load_by_name("double")
        assert graph.compute({"0": Tensor.from_numbers([1.5, -2.0])})["0"].numbers() == [3.0, -4.0]


def test_tensors_are_little_endian_rows() -> None:
    tensor = Tensor.from_numbers([1.0, 2.0, 3.0, 4.0], dimensions=(2, 2))
    assert (tensor.dimensions, tensor.type, tensor.data) == ((2, 2), "fp32", struct.pack("<4f", 1, 2, 3, 4))
    assert Tensor.from_numbers([7, -1], type="i64").data == struct.pack("<2q", 7, -1)
    assert Tensor.from_text("é") == Tensor((2,), "u8", b"\xc3\xa9")
    assert Tensor((3,), "u8", "词".encode()).text() == "词"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Tensor((2,), "f32", bytes(8)), 'found type "f32"'),
        (lambda: Tensor((3,), "fp32", bytes(8)), "found 8 bytes, expected 12"),
        (lambda: Tensor((2,), "bf16", bytes(4)).numbers(), 'found type "bf16"'),
    ],
)
def test_tensors_that_cannot_be_are_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(InputError, match=message):
        make()


# -- settings, log, host


def test_settings() -> None:
    with host.use(FakeHost(config={"greeting": "hello"})):
        assert config.get("greeting") == "hello"
        assert config.get("other") == ""
        assert config.get("other", "none") == "none"
        assert config.all_settings() == {"greeting": "hello"}


def test_logging_reaches_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", logging.WARNING)
    fake = FakeHost()
    with host.use(fake):
        log.install(logging.DEBUG)
        log.install(logging.DEBUG)
        logger = logging.getLogger("shop")
        logger.warning("only %d left", 3)
        logger.debug("why")
        logger.critical("fire")
        logger.log(5, "below")
    assert fake.logged == [("warn", "shop", "only 3 left"), ("debug", "shop", "why"), ("critical", "shop", "fire")]


def test_without_a_host_the_error_says_what_to_do() -> None:
    for call in (speech.open, speech.names, nn.load_by_name, config.all_settings):
        with pytest.raises(RuntimeError, match="wherry dev"):
            call()


def test_hosts_nest() -> None:
    outer, inner = FakeHost(config={"n": "outer"}), FakeHost(config={"n": "inner"})
    with host.use(outer):
        with host.use(inner):
            assert config.get("n") == "inner"
        assert config.get("n") == "outer"
