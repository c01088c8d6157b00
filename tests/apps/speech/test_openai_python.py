"""OpenAI's own Python client against apps/speech: every field, every format, every error. Texts are openai-whisper's."""

import json
from typing import Any

import openai
import pytest

from tests.apps.serving import Served
from tests.apps.speech.conftest import FOREIGN, TIMED
from tests.apps.speech.expected import check_cues, check_segments, check_words, spoken
from tests.conftest import AUDIO, ROOT, SAMPLE

SAMPLE_TEXT = (
    "A ferry is a light boat that carries people and goods across a river. This one carries small programs to any processor."
)
MAX_FILE_BYTES = 25 << 20


def upload(path: str) -> tuple[str, bytes]:
    return path.rpartition("/")[2], (AUDIO / path).read_bytes()


@pytest.fixture(scope="module")
def base() -> dict[str, Any]:
    fixture = json.loads((ROOT / "tests/fixtures/openai_whisper_base.json").read_text(encoding="utf-8"))
    recordings: dict[str, Any] = fixture["recordings"]
    return recordings


# -- formats


def test_the_sample_is_written_down(client: openai.OpenAI) -> None:
    with SAMPLE.open("rb") as file:
        found = client.audio.transcriptions.create(file=file, model="whisper-1")
    assert found.text == SAMPLE_TEXT
    assert found.usage is not None and found.usage.type == "duration"
    assert found.usage.seconds == pytest.approx(8.318, abs=1e-3)


@pytest.mark.parametrize("path", TIMED)
def test_text(path: str, client: openai.OpenAI, reference: dict[str, Any]) -> None:
    found: Any = client.audio.transcriptions.create(file=upload(path), model="whisper-tiny.en", response_format="text")
    assert found == spoken(reference["recordings"][path]) + "\n"


@pytest.mark.parametrize("path", TIMED)
@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_subtitles(kind: Any, path: str, client: openai.OpenAI, reference: dict[str, Any]) -> None:
    found: Any = client.audio.transcriptions.create(file=upload(path), model="whisper-tiny.en", response_format=kind)
    assert found.startswith("WEBVTT\n\n" if kind == "vtt" else "1\n00:00:00,000 --> ")
    check_cues(found, reference["recordings"][path])


@pytest.mark.parametrize("path", TIMED)
@pytest.mark.parametrize("granularities", [None, ["segment"], ["word"], ["word", "segment"]])
def test_verbose_json(granularities: Any, path: str, client: openai.OpenAI, reference: dict[str, Any]) -> None:
    found = client.audio.transcriptions.create(
        file=upload(path),
        model="whisper-tiny.en",
        language="en",
        response_format="verbose_json",
        timestamp_granularities=granularities or openai.omit,
    )
    expected = reference["recordings"][path]
    assert (found.text, found.language) == (spoken(expected), "english")
    assert found.duration == found.usage.seconds > 0  # type: ignore[union-attr]
    if granularities == ["word"]:
        assert found.segments is None
    elif granularities is None or granularities == ["segment"]:
        assert found.segments is not None
        check_segments([segment.model_dump() for segment in found.segments], expected)
        assert found.words is None
    if granularities and "word" in granularities:
        assert found.words is not None
        check_words([word.model_dump() for word in found.words], expected)


# -- streams


@pytest.mark.parametrize("path", TIMED)
@pytest.mark.parametrize("kind", ["json", "text"])
def test_streams(kind: Any, path: str, client: openai.OpenAI, reference: dict[str, Any]) -> None:
    events = list(client.audio.transcriptions.create(file=upload(path), model="whisper-1", response_format=kind, stream=True))
    expected = reference["recordings"][path]["greedy"]
    assert [event.type for event in events] == ["transcript.text.delta"] * len(expected["segments"]) + ["transcript.text.done"]
    deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
    assert [delta.strip() for delta in deltas] == [segment["text"].strip() for segment in expected["segments"]]
    last = events[-1]
    assert last.type == "transcript.text.done"
    assert last.text == "".join(deltas) == expected["text"].strip()


@pytest.mark.parametrize("path", TIMED)
def test_a_stream_may_have_segments_and_words(path: str, client: openai.OpenAI, reference: dict[str, Any]) -> None:
    events: Any = client.audio.transcriptions.create(
        file=upload(path),
        model="whisper-1",
        response_format="verbose_json",
        timestamp_granularities=["word"],
        stream=True,
    )
    segments = [event for event in events if event.type == "transcript.text.segment"]
    assert [segment.id for segment in segments] == ["0", "1"]
    check_words([word for segment in segments for word in segment.words], reference["recordings"][path])


def test_a_stream_is_no_subtitles(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="of a stream"):
        client.audio.transcriptions.create(file=SAMPLE, model="whisper-1", response_format="srt", stream=True)


# -- other languages (the client says of translations that OpenAI's own have been deprecated)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
@pytest.mark.parametrize("path", FOREIGN)
def test_a_language_is_found_and_may_be_translated(path: str, client: openai.OpenAI, base: dict[str, Any]) -> None:
    found = client.audio.transcriptions.create(file=upload(path), model="whisper-base", response_format="verbose_json")
    assert (found.language, found.text) == ("italian", base[path]["text"].strip())
    translated: Any = client.audio.translations.create(file=upload(path), model="whisper-base", response_format="verbose_json")
    assert (translated.language, translated.text) == ("english", base[path]["translation"].strip())


@pytest.mark.slow
@pytest.mark.parametrize("path", ["leopard/test_en.flac"] if TIMED else [])
def test_a_prompt_says_how_names_are_spelt(path: str, client: openai.OpenAI, base: dict[str, Any]) -> None:
    prompted = base[path]["prompted"]
    assert prompted["text"] != base[path]["text"]
    found = client.audio.transcriptions.create(
        file=upload(path), model="whisper-base", language="en", prompt=prompted["prompt"], response_format="json"
    )
    assert found.text == prompted["text"].strip()


# -- the other fields


def test_temperature_is_where_decoding_starts(client: openai.OpenAI) -> None:
    found = client.audio.transcriptions.create(file=SAMPLE, model="whisper-1", temperature=1.0, response_format="verbose_json")
    assert found.segments is not None
    assert {segment.temperature for segment in found.segments} == {1.0}


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["whisper-tiny.en", "whisper-base"]
    model = client.models.retrieve("whisper-base")
    assert (model.id, model.object, model.owned_by) == ("whisper-base", "model", "wherry")
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-5")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


# -- errors


@pytest.mark.parametrize(
    ("change", "error", "param", "code"),
    [
        ({"file": ("a.wav", b"")}, openai.BadRequestError, "file", "empty_file"),
        ({"file": ("a.wav", b"Call me Ishmael. " * 1000)}, openai.BadRequestError, "file", "invalid_audio"),
        ({"file": ("a.wav", SAMPLE.read_bytes()[:44])}, openai.BadRequestError, "file", "invalid_audio"),
        ({"model": "gpt-4o-transcribe"}, openai.NotFoundError, "model", "model_not_found"),
        ({"response_format": "docx"}, openai.BadRequestError, "response_format", None),
        ({"language": "klingon"}, openai.BadRequestError, "language", "invalid_language_format"),
        ({"language": "de"}, openai.BadRequestError, "language", "invalid_language_format"),  # tiny.en knows English alone
        ({"temperature": 1.5}, openai.BadRequestError, "temperature", None),
        ({"temperature": "nan"}, openai.BadRequestError, "temperature", None),
        ({"timestamp_granularities": ["word"]}, openai.BadRequestError, "timestamp_granularities[]", None),
        (
            {"timestamp_granularities": ["letter"], "response_format": "verbose_json"},
            openai.BadRequestError,
            "timestamp_granularities[]",
            None,
        ),
        ({"include": ["logprobs"]}, openai.BadRequestError, "include[]", "unsupported_parameter"),
        ({"include": ["everything"]}, openai.BadRequestError, "include[]", None),
        ({"stream": "perhaps"}, openai.BadRequestError, "stream", None),
    ],
)
def test_what_is_wrong_is_named(
    change: dict[str, Any], error: type[openai.APIStatusError], param: str, code: str | None, client: openai.OpenAI
) -> None:
    fields: dict[str, Any] = {"file": SAMPLE, "model": "whisper-1"} | change
    with pytest.raises(error) as caught:
        client.audio.transcriptions.create(**fields)
    assert (caught.value.param, caught.value.code, caught.value.type) == (param, code, "invalid_request_error")
    assert caught.value.request_id


def test_fields_that_whisper_does_not_have_are_named_in_a_header(client: openai.OpenAI) -> None:
    raw = client.audio.transcriptions.with_raw_response.create(
        file=SAMPLE, model="whisper-1", chunking_strategy="auto", extra_body={"loudness": "3"}
    )
    assert set(raw.headers["wherry-ignored"].split(", ")) == {"chunking_strategy", "loudness"} and raw.parse().text


def test_no_file(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.post(
            "/audio/transcriptions",
            cast_to=object,
            options={"headers": {"Content-Type": "multipart/form-data"}},
            files=[("model", (None, b"whisper-1"))],
        )
    assert caught.value.param == "file"


def test_a_file_over_25_mb(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.audio.transcriptions.create(file=("a.wav", bytes(26_000_000 + (1 << 20))), model="whisper-1")
    assert (caught.value.status_code, caught.value.param, caught.value.code) == (413, "file", "file_too_large")


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_a_translation_needs_a_model_that_knows_languages(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="multilingual") as caught:
        client.audio.translations.create(file=SAMPLE, model="whisper-tiny.en")
    assert caught.value.param == "model"


@pytest.mark.parametrize("key", ["sk-wrong", "sk-test-0123456789abcde", "sk-test-0123456789abcdeff"])
def test_a_wrong_key_is_refused(key: str, client: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        client.with_options(api_key=key).audio.transcriptions.create(file=SAMPLE, model="whisper-1")
    assert caught.value.code == "invalid_api_key"


def test_a_missing_key_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError):
        client.models.list(extra_headers={"Authorization": openai.omit})


def test_the_other_key_is_taken(served: Served, client: openai.OpenAI) -> None:
    assert client.with_options(api_key="sk-another").models.list().data
