import os
from pathlib import Path

import pytest

from wherry.errors import InputError, ModelNotFoundError, NotFoundError
from wherry.wasm.nn.backend import load_graph
from wherry.wasm.nn.opened import open_beneath
from wherry.wasm.nn.preload import GuestPaths, Preload, parse_preload, parse_preloads


def test_the_published_preload() -> None:
    text = "default:Burn:GPU:/tiny_en.mpk:/tiny_en.cfg:/tokenizer.json:en"
    paths = ("/tiny_en.mpk", "/tiny_en.cfg", "/tokenizer.json")
    assert parse_preload(text) == Preload("default", "burn", "gpu", paths, ("en",))


def test_ggml_paths_keep_their_colons() -> None:
    assert parse_preload("m:GGML:auto:C:/x.gguf").paths == ("C:/x.gguf",)


@pytest.mark.parametrize(
    ("text", "address", "options"),
    [
        ("oci://localhost:5000/team/whisper:tiny.en", "oci://localhost:5000/team/whisper:tiny.en", ()),
        ("oci://localhost:5000/team/whisper:tiny.en:de", "oci://localhost:5000/team/whisper:tiny.en", ("de",)),
        ("oci://localhost:5000/team/whisper", "oci://localhost:5000/team/whisper", ()),
        ("oci://whisper:1", "oci://whisper:1", ()),
        ("oci://whisper:1:en", "oci://whisper:1", ("en",)),
        (f"oci://a.b/whisper@sha256:{'0' * 64}", f"oci://a.b/whisper@sha256:{'0' * 64}", ()),
        (f"oci://a.b/whisper:1@sha256:{'0' * 64}:en", f"oci://a.b/whisper:1@sha256:{'0' * 64}", ("en",)),
    ],
)
def test_a_model_in_a_registry(text: str, address: str, options: tuple[str, ...]) -> None:
    """Only what follows a tag or a digest is a language."""
    assert parse_preload(f"m:Burn:AUTO:{text}") == Preload("m", "burn", "auto", (), options, address)
    assert parse_preload(f"m:GGML:AUTO:{text}").address == text


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "NAME:ENCODING"),
        ("default", "NAME:ENCODING"),
        (":Burn:GPU:x", "NAME:ENCODING"),
        ("a:Burnt:GPU:x:y:z", "encoding"),
        ("a:Burn:NPU:x:y:z", "target"),
        ("a:Burn:GPU:x:y", "WEIGHTS:CONFIG:TOKENIZER"),
    ],
)
def test_what_is_wrong_is_named(text: str, named: str) -> None:
    with pytest.raises(InputError, match=named):
        parse_preload(text)


def test_a_name_is_given_once() -> None:
    with pytest.raises(InputError, match="twice"):
        parse_preloads(["a:Whisper:CPU:x", "a:Whisper:CPU:y"])


def test_paths_are_the_guests_and_stay_in_its_folders(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/model").write_text("m")
    (tmp_path / "outside").write_text("o")
    (tmp_path / "root/link").symlink_to(tmp_path / "outside")
    paths = GuestPaths((("/", tmp_path / "root"),))
    assert paths.resolve("/model") == (tmp_path / "root/model").resolve()
    for escape in ("/link", "/../outside", "/a/../../outside"):
        with pytest.raises(NotFoundError):
            paths.resolve(escape)


def test_a_host_path_serves_where_no_folder_has_it(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_text("w")
    assert GuestPaths(()).resolve(os.fspath(file)) == file


@pytest.mark.parametrize("preload", ["m:GGML:CPU:/gone.gguf", "m:Whisper:CPU:/gone.bin", "m:Burn:CPU:/gone.mpk:/a:/b:en"])
def test_a_preload_without_its_file_is_a_model_that_was_not_found(tmp_path: Path, preload: str) -> None:
    """WasmEdge's errno 103, by which guests tell it from a name that is none (8)."""
    preloads, paths = parse_preloads([preload]), GuestPaths((("/", tmp_path),))
    with pytest.raises(ModelNotFoundError, match="gone") as missing:
        load_graph(preloads, "m", paths.resolve, "cpu", False, print)
    assert missing.value.nn_errno == 103
    with pytest.raises(NotFoundError) as unknown:
        load_graph(preloads, "other", paths.resolve, "cpu", False, print)
    assert unknown.value.nn_errno == 8


def test_a_file_that_was_found_is_the_one_that_is_read(tmp_path: Path) -> None:
    """Whatever takes its name afterwards: a link to a file of the host's, another file, nothing."""
    root, secret = tmp_path / "root", tmp_path / "secret"
    (root / "deep").mkdir(parents=True)
    secret.write_bytes(b"not yours")
    for name in ("a.gguf", "deep/b.gguf", "c.gguf"):
        (root / name).write_bytes(b"model")
    (root / "relative").symlink_to("deep/b.gguf")
    (root / "absolute").symlink_to(root / "c.gguf")
    paths = GuestPaths((("/m", root),))
    found = [paths.resolve_mounted(f"/m/{name}") for name in ("a.gguf", "deep/b.gguf", "relative", "absolute")]
    found.append(paths.resolve(str(root / "c.gguf")))  # as the host's own path
    (root / "a.gguf").unlink()
    (root / "a.gguf").symlink_to(secret)
    (root / "deep").rename(root / "elsewhere")
    (root / "deep").symlink_to(tmp_path)
    (tmp_path / "b.gguf").write_bytes(b"not yours")
    (root / "c.gguf").write_bytes(b"model")
    secret.replace(root / "c.gguf")
    for path in found:
        assert path.read_bytes() == path.read_bytes() == b"model"  # each time that a reader opens it
        with path.open("rb") as file:
            assert file.read(3) == b"mod"
        assert path.stat().st_size == 5 and path.suffix == ".gguf"
    assert found[0] == root / "a.gguf" and str(root / "deep/b.gguf") in f"{found[1]}: a message"
    assert (found[1].parent / "b.gguf").read_bytes() == b"not yours"  # a path made from it is a plain one


def test_a_link_that_comes_into_a_path_meanwhile_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "deep").mkdir(parents=True)
    (tmp_path / "secret").write_text("s")
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "folder").symlink_to(tmp_path)
    for inside in ("link", "folder/secret"):
        with pytest.raises(OSError, match=r"symbolic links|Not a directory"):
            open_beneath(root, Path(inside))
    os.mkfifo(root / "pipe")
    for inside in ("pipe", "deep"):
        with pytest.raises(NotFoundError, match="regular file"):
            open_beneath(root, Path(inside))
        with pytest.raises(NotFoundError):
            GuestPaths((("/", root),)).resolve(f"/{inside}")


def test_the_descriptor_of_a_found_file_goes_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("m")
    paths = GuestPaths((("/", tmp_path),))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(50):
        paths.resolve("/model")
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1
