"""The PyTorch reader against what PyTorch itself reads (tests/references/torch_files.py)."""

import gzip
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.weights.files import random_whisper
from wherry.errors import FormatError, InputError
from wherry.models.names import whisper_tensors
from wherry.weights import open_checkpoint

FILES = ROOT / "tests/fixtures/torch"
SMALL = {
    "n_mels": 80, "n_audio_ctx": 4, "n_audio_state": 64, "n_audio_head": 1, "n_audio_layer": 1,
    "n_vocab": 60, "n_text_ctx": 8, "n_text_state": 64, "n_text_head": 1, "n_text_layer": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    with np.load(FILES / "expected.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("name", ["zip.pt", "legacy.pt"])
def test_every_kind_of_tensor_is_pytorchs(name: str, expected: dict[str, Any]) -> None:
    checkpoint = open_checkpoint(FILES / name)
    assert checkpoint.format == "torch"
    assert checkpoint.metadata["dims"] == {"n_mels": 80}
    arrays = {key: x for key, x in expected.items() if not key.startswith("linear.")}
    assert set(checkpoint.tensors) == set(arrays)
    for key, array in arrays.items():
        found = checkpoint.tensors[key]
        assert isinstance(found, np.ndarray)
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        assert np.array_equal(found, array), key


@pytest.mark.parametrize("name", ["state_dict.pt", "metadata.pt", "parameters.pt"])
def test_plain_state_dicts(name: str, expected: dict[str, Any]) -> None:
    tensors = open_checkpoint(FILES / name).tensors
    assert set(tensors) == {"weight", "bias"}
    for key, found in tensors.items():
        assert np.array_equal(np.asarray(found), expected[f"linear.{key}"])


def test_openais_checkpoint_is_a_model(tmp_path: Path) -> None:
    path = tmp_path / "small.pt"
    path.write_bytes(gzip.decompress((FILES / "whisper.pt.gz").read_bytes()))
    dims, tensors = whisper_tensors(open_checkpoint(path))
    assert vars(dims) == SMALL
    weights = random_whisper(SMALL)
    assert set(tensors) == set(weights)
    for name, x in weights.items():
        assert np.array_equal(np.asarray(tensors[name]), x), name


def test_numbers_are_views_of_the_file() -> None:
    found = open_checkpoint(FILES / "zip.pt").tensors["f32"]
    assert isinstance(found, np.ndarray)
    assert not found.flags.owndata and not found.flags.writeable


def test_a_whole_module_is_refused_with_a_next_step() -> None:
    with pytest.raises(FormatError, match=r"torch\.nn\.modules") as caught:
        open_checkpoint(FILES / "module.pt")
    assert "state_dict" in caught.value.hint


class _Touch:
    """What a hostile file does: it has a function called when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_in_a_file_is_run(tmp_path: Path, protocol: int) -> None:
    touched = tmp_path / "touched"
    path = tmp_path / "hostile.pt"
    _archive(path, pickle.dumps({"model_state_dict": {"a": _Touch(touched)}}, protocol))
    with pytest.raises(FormatError):
        open_checkpoint(path)
    assert not touched.exists()


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "pickle operation"),
        (b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.", r'call of "os\.system"'),
        (b"\x80\x02}.", "no tensors"),
        (b"\x80\x02]\x94" + b"(h\x00h\x00t" * 3 + b".", "damaged|leaves"),
        (b"\x80\x02)" + b"\x85" * 50 + b"K\x01K\x01s.", "change of a tuple"),
        (b"\x80\x02}K\x01\x85K\x01s.", "key of type tuple"),
        (b"", "damaged pickle"),
        (b"\x80\x02" + b"K\x01" * (1 << 20) + b"0.", "pickle operations"),
        (b"\x80\x02X\xff\xff\xff\x7fa.", "damaged pickle"),
    ],
)
def test_hostile_programs_are_refused(tmp_path: Path, program: bytes, message: str) -> None:
    path = tmp_path / "hostile.pt"
    _archive(path, program)
    with pytest.raises(InputError, match=message):
        open_checkpoint(path)


@pytest.mark.parametrize(
    ("shape", "stride", "offset"),
    [((3,), (1,), 0), ((2,), (1,), 1), ((2,), (2,), 0), ((1 << 40,), (0,), 0), ((2,), (1,), 1 << 45), ((2, 2), (1,), 0)],
)
def test_tensors_stay_within_their_storage(tmp_path: Path, shape: Any, stride: Any, offset: int) -> None:
    """A storage of two numbers, and a tensor that wants more of it."""
    storage = b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\x000X\3\0\0\0cpuK\2tQ"
    numbers = b"".join(pickle.dumps(part, 2)[2:-1] for part in (offset, shape, stride))
    head = b"\x80\2}X\1\0\0\0actorch._utils\n_rebuild_tensor_v2\n("
    path = tmp_path / "outside.pt"
    _archive(path, head + storage + numbers + b"\x89ccollections\nOrderedDict\n)RtRs.", {"data/0": b"\0" * 8})
    with pytest.raises(InputError, match=r'tensor "a"|a tensor with sizes'):
        open_checkpoint(path)


def _archive(path: Path, program: bytes, more: dict[str, bytes] | None = None) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", program)
        for name, data in (more or {}).items():
            archive.writestr(f"x/{name}", data)
