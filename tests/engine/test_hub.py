"""Models from a hub, by the hub's own client: what is chosen, checked, resumed and kept; what is told where it fails."""

import random
from pathlib import Path

import pytest

from tests.engine.hub_server import COMMIT, Hub, serving
from wherry.engine.hub import HubAddress, HubFile, choose, fetch_from_hub, parse_hub_address
from wherry.errors import DownloadError, InputError, NotFoundError

NAME = "someone/small-1.5"
LARGE = random.Random(1).randbytes(300_000)
CHECKPOINT = {
    "model.safetensors": LARGE,
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b"{}",
    "1_Pooling/config.json": b"{}",
    "README.md": b"# read me",
    "onnx/model.onnx": b"x",
}


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)


def fetch(hub: Hub, cache: Path, address: str = f"hf://{NAME}") -> Path:
    return fetch_from_hub(parse_hub_address(address), cache, endpoint=hub.url)


def test_a_checkpoint_comes_with_what_belongs_to_it_once(tmp_path: Path) -> None:
    with serving(Hub(NAME, dict(CHECKPOINT))) as hub:
        weights = fetch(hub, tmp_path)
        assert weights == tmp_path / "hub" / NAME / COMMIT / "model.safetensors"
        found = {str(path.relative_to(weights.parent)) for path in weights.parent.rglob("*") if path.is_file()}
        assert found == CHECKPOINT.keys() - {"README.md", "onnx/model.onnx"}
        assert all((weights.parent / name).read_bytes() == CHECKPOINT[name] for name in found)
        before = len(hub.asked)
        assert fetch(hub, tmp_path) == weights
        assert len(hub.asked) == before + 1, "only what the revision means now is asked again"
    assert fetch(hub, tmp_path) == weights, "without a network, what was fetched last"


def test_a_connection_that_breaks_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 50_000)  # what is not a whole one is fetched again
    with serving(Hub(NAME, {"tiny.Q8_0.gguf": LARGE}, cuts=1)) as hub:
        weights = fetch(hub, tmp_path)
    assert weights.read_bytes() == LARGE
    ranges = [asked for method, path, asked in hub.asked if method == "GET" and path.startswith("/elsewhere/")]
    assert ranges == [None, "bytes=150000-"]


def test_a_process_that_ends_in_the_middle_is_followed_by_one_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class EndedError(BaseException):
        pass

    def end(seconds: float) -> None:
        raise EndedError

    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 50_000)
    with serving(Hub(NAME, {"tiny.gguf": LARGE}, token="hf_secret", cuts=1)) as hub:
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        with monkeypatch.context() as patch:
            patch.setattr("time.sleep", end)  # before it tries again by itself
            with pytest.raises(EndedError):
                fetch(hub, tmp_path)
        assert fetch(hub, tmp_path).read_bytes() == LARGE
        assert [asked for method, path, asked in hub.asked if path.startswith("/elsewhere/")] == [None, "bytes=150000-"]
        assert hub.strangers == 0, "the token is not for other hosts"


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_wrong_bytes_never_get_their_name(name: str, tmp_path: Path) -> None:
    digest = "0" * (64 if name == "model.safetensors" else 40)
    with serving(Hub(NAME, dict(CHECKPOINT), lies={name: digest})) as hub:
        with pytest.raises(DownloadError, match=f"{name}: found the digest [0-9a-f]+, expected 0000"):
            fetch(hub, tmp_path)
        assert not list(tmp_path.rglob(f"{COMMIT}/{name}"))
        hub.lies = {}
        assert fetch(hub, tmp_path).read_bytes() == LARGE


def test_tokens_open_what_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Hub(NAME, {"a.gguf": LARGE}, token="hf_secret")) as hub:
        with pytest.raises(NotFoundError, match="found no such model") as told:
            fetch(hub, tmp_path)
        assert "HF_TOKEN" in told.value.hint
        hub.gated = True
        with pytest.raises(DownloadError, match="wants its terms accepted"):
            fetch(hub, tmp_path)
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        assert fetch(hub, tmp_path).read_bytes() == LARGE


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with serving(Hub(NAME, {"a.gguf": LARGE})) as hub:
        with pytest.raises(NotFoundError, match="found no such model"):
            fetch(hub, tmp_path, "hf://someone/else")
        with pytest.raises(NotFoundError, match='no revision "v9"'):
            fetch(hub, tmp_path, f"hf://{NAME}@v9")
        with pytest.raises(NotFoundError, match=r"found no b\.gguf in it, expected one of a\.gguf"):
            fetch(hub, tmp_path, f"hf://{NAME}/b.gguf")
        assert fetch(hub, tmp_path, f"hf://{NAME}@v1/a.gguf").name == "a.gguf"
    with pytest.raises(DownloadError, match=r"hf://other/one: ") as told:
        fetch(hub, tmp_path, "hf://other/one")
    assert "network" in told.value.hint


def listing(*names: str) -> dict[str, HubFile]:
    return {name: HubFile(name, 1, "0" * 40) for name in names}


@pytest.mark.parametrize(
    ("names", "path", "expected"),
    [
        (["a.gguf", "config.json"], None, ("a.gguf", ["a.gguf"])),
        (["x-00001-of-00002.gguf", "x-00002-of-00002.gguf", "y.md"], None, ("x-00001-of-00002.gguf", 2)),
        (["x-00001-of-00002.gguf", "x-00002-of-00002.gguf", "y.gguf"], "x-00001-of-00002.gguf", ("x-00001-of-00002.gguf", 2)),
        (["model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "config.json"],
         None, ("model.safetensors.index.json", 4)),
        (["part/model.safetensors", "part/config.json", "config.json"], "part/model.safetensors", ("part/model.safetensors", 2)),
        (["model.safetensors", "a.gguf"], None, ("model.safetensors", 1)),
    ],
)  # fmt: skip
def test_which_files_are_a_model(names: list[str], path: str | None, expected: tuple[str, object]) -> None:
    weights, files = choose(HubAddress(NAME, "main", path), listing(*names))
    assert weights == expected[0] and expected[1] in (files, len(files))


def test_which_of_several_is_asked() -> None:
    with pytest.raises(NotFoundError, match=r"found a\.Q4_0\.gguf, a\.Q8_0\.gguf, expected one model") as told:
        choose(HubAddress(NAME, "main", None), listing("a.Q8_0.gguf", "a.Q4_0.gguf"))
    assert told.value.hint == f"name one: hf://{NAME}/a.Q4_0.gguf"
    with pytest.raises(NotFoundError, match="found no weights"):
        choose(HubAddress(NAME, "main", None), listing("README.md"))


@pytest.mark.parametrize(
    "text", ["hf://one", "hf://a/b/../c", "hf://a/b//c", "hf://a/b/c\\d", "hf://a/b@/c", "hf:///b", "hf://a/b/.."]
)
def test_addresses_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected hf://OWNER/NAME"):
        parse_hub_address(text)


@pytest.mark.parametrize("place", ["https://169.254.169.254", "http://10.0.0.1:9", "https://[::ffff:192.168.0.1]"])
def test_no_redirect_of_a_file_leads_inside(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub on this machine may send us to this machine, and to public addresses."""
    monkeypatch.setattr(Hub, "elsewhere", place)
    with serving(Hub(NAME, dict(CHECKPOINT))) as hub, pytest.raises(DownloadError, match=r"sends us to .* address"):
        fetch(hub, tmp_path)
