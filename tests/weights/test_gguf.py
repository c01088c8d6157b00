"""GGUF against PyPI `gguf`, which writes the sound files and reads them beside us; and files that lie."""

import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.weights.files import quant_type
from tests.weights.gguf_files import ARRAY, STRING, U32, Info, field, gguf_bytes, random_blocks, string, u32, write, write_small
from tests.weights.test_hostile_files import EXAMPLES, LIES, assert_survives
from wherry.errors import FormatError, NotFoundError
from wherry.models.names import whisper_tensors
from wherry.weights import Quantized, open_checkpoint
from wherry.weights.blocks import LAYOUTS
from wherry.weights.gguf import _TYPES, _UNSUPPORTED

DENSE = {
    "f32": np.float32, "f16": np.float16, "f64": np.float64,
    "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64,
}  # fmt: skip


def assert_read_as_gguf_reads(path: Path) -> None:
    """Every tensor and every field."""
    checkpoint, reference = open_checkpoint(path), gguf.GGUFReader(path)
    assert checkpoint.format == "gguf"
    assert checkpoint.tensors.keys() == {tensor.name for tensor in reference.tensors}
    for tensor in reference.tensors:
        found = checkpoint.tensors[tensor.name]
        assert found.shape == tuple(int(size) for size in reversed(tensor.shape))
        if isinstance(found, Quantized):
            assert found.format == tensor.tensor_type.name.lower()
            assert found.data.tobytes() == tensor.data.tobytes()
        else:
            assert found.dtype == tensor.data.dtype and found.tobytes() == tensor.data.tobytes()
    expected = {key: each.contents() for key, each in reference.fields.items() if not key.startswith("GGUF.")}
    assert checkpoint.metadata.keys() == expected.keys()
    for key, value in expected.items():
        mine = checkpoint.metadata[key]
        if isinstance(value, list):
            assert isinstance(mine, tuple | np.ndarray) and list(mine) == value, key
        else:
            assert type(mine) is type(value) and mine == value, key


def test_types_are_ggmls() -> None:
    names = {kind.value: kind.name.lower() for kind in gguf.GGMLQuantizationType}
    assert (_TYPES | _UNSUPPORTED).items() <= names.items()
    assert set(_TYPES.values()) == DENSE.keys() | LAYOUTS.keys()


def test_every_type_of_tensor(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(None, "llama")
    for form, dtype in DENSE.items():
        for shape in ((32,), (3, 5), (2, 3, 4), (2, 1, 3, 2)):
            x = (np.random.default_rng(1).standard_normal(shape) * 50).astype(dtype)
            writer.add_tensor(f"{form}.{len(shape)}", x)
    for form in LAYOUTS:
        writer.add_tensor(form, random_blocks(form, 6, 512), raw_dtype=quant_type(form))
        stacked = random_blocks(form, 6, 256).reshape(2, 3, -1)
        writer.add_tensor(f"{form}.stacked", stacked, raw_dtype=quant_type(form))
    write(writer, tmp_path / "model.gguf")
    assert_read_as_gguf_reads(tmp_path / "model.gguf")


def test_every_type_of_field(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(None, "llama")
    for name, value in {
        "uint8": 255, "int8": -128, "uint16": 65535, "int16": -32768, "uint32": 2**32 - 1, "int32": -(2**31),
        "uint64": 2**64 - 1, "int64": -(2**63), "float32": 0.1, "float64": 0.1, "bool": True, "string": "zwei\nZeilen, „ü“",
    }.items():  # fmt: skip
        getattr(writer, f"add_{name}")(f"a.{name}", value)
    writer.add_string("a.empty", "")
    writer.add_array("many.strings", ["", "a", "▁the", "日本", "\0"])
    writer.add_array("many.bytes", bytes(range(256)))
    writer.add_array("many.integers", [-1, 2, 3])
    writer.add_array("many.floats", [0.5, -1e30])
    writer.add_array("many.bools", [True, False])
    writer.add_tensor("x", np.zeros(4, np.float32))
    write(writer, tmp_path / "model.gguf")
    assert_read_as_gguf_reads(tmp_path / "model.gguf")


@pytest.mark.parametrize("alignment", [8, 64, 4096])
def test_alignments(alignment: int, tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(None, "llama")
    writer.add_custom_alignment(alignment)
    for i in range(3):
        writer.add_tensor(f"t{i}", np.arange(7 + i, dtype=np.int8))
    write(writer, tmp_path / "model.gguf")
    assert_read_as_gguf_reads(tmp_path / "model.gguf")


def test_version_2(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_small(path)
    data = bytearray(path.read_bytes())
    data[4] = 2
    path.write_bytes(data)
    assert_read_as_gguf_reads(path)


def test_an_empty_array_at_the_very_end(tmp_path: Path) -> None:
    """A vocabulary file has no tensors, and nothing after its fields."""
    path = tmp_path / "model.gguf"
    empty = [field(b"none", ARRAY, struct.pack("<IQ", kind, 0)) for kind in (STRING, U32)]
    path.write_bytes(gguf_bytes([*empty[:1], string(b"nil") + empty[1][12:]], data=b"", alignment=1))
    checkpoint = open_checkpoint(path)
    assert checkpoint.metadata["none"] == () and not len(checkpoint.metadata["nil"])  # type: ignore[arg-type]
    assert not checkpoint.tensors


def test_tensors_are_views_of_the_file(tmp_path: Path) -> None:
    write_small(tmp_path / "model.gguf")
    for name, tensor in open_checkpoint(tmp_path / "model.gguf").tensors.items():
        array = tensor.data if isinstance(tensor, Quantized) else tensor
        assert not array.flags.owndata and not array.flags.writeable, name


def test_it_is_no_whisper(tmp_path: Path) -> None:
    write_small(tmp_path / "model.gguf")
    with pytest.raises(FormatError, match="found a gguf file, expected a Whisper model"):
        whisper_tensors(open_checkpoint(tmp_path / "model.gguf"))


# -- pieces


@pytest.fixture
def pieces(tmp_path: Path) -> list[Path]:
    write_small(tmp_path / "model.gguf", split_max_tensors=2)
    found = sorted(tmp_path.glob("model-*.gguf"))
    assert [path.name for path in found] == [f"model-0000{i}-of-00004.gguf" for i in range(1, 5)]
    return found


def test_any_piece_opens_the_whole(pieces: list[Path], tmp_path: Path) -> None:
    whole = tmp_path / "whole.gguf"
    write_small(whole)
    expected = open_checkpoint(whole)
    for piece in pieces:
        found = open_checkpoint(piece)
        assert list(found.tensors) == list(expected.tensors)
        assert found.metadata["tokenizer.ggml.tokens"] == expected.metadata["tokenizer.ggml.tokens"]
        for name, tensor in expected.tensors.items():
            mine = found.tensors[name]
            if isinstance(tensor, Quantized):
                assert isinstance(mine, Quantized) and np.array_equal(mine.data, tensor.data)
            else:
                assert np.array_equal(np.asarray(mine), tensor)


def test_a_missing_piece_is_named(pieces: list[Path]) -> None:
    pieces[2].unlink()
    with pytest.raises(NotFoundError, match=r"model-00003-of-00004\.gguf: found no such file, expected piece 3 of 4"):
        open_checkpoint(pieces[0])


def test_pieces_keep_their_names(pieces: list[Path]) -> None:
    other = pieces[0].rename(pieces[0].with_name("renamed.gguf"))
    with pytest.raises(FormatError, match=r'"split.count": found 4, expected a file name that ends in -00001-of-00004\.gguf'):
        open_checkpoint(other)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: p[1].write_bytes(p[2].read_bytes()), r'00002-of-00004.gguf: field "split.no": found 2, expected 1'),
        (lambda p: p[1].write_bytes(gguf_bytes()), r'"split.no": found 0, expected 1'),
        (lambda p: p[1].write_bytes(b""), r"00002-of-00004.gguf: found an empty file"),
        (lambda p: p[1].write_bytes(b"GGML" + bytes(99)), r"magic: found 47 47 4d 4c, expected 47 47 55 46"),
        (lambda p: p[3].write_bytes(p[3].read_bytes()[:-200]), r"00004-of-00004.gguf: tensor .* bytes at offset"),
    ],
)
def test_pieces_that_lie(change: Any, words: str, pieces: list[Path]) -> None:
    change(pieces)
    with pytest.raises(FormatError, match=words):
        open_checkpoint(pieces[0])


def piece(no: int, count: int, tensors: list[Info], total: int) -> bytes:
    numbers = (("no", 2, "<H", no), ("count", 2, "<H", count), ("tensors.count", 5, "<i", total))
    fields = [field(f"split.{name}".encode(), kind, struct.pack(code, value)) for name, kind, code, value in numbers]
    return gguf_bytes(fields, tensors)


@pytest.mark.parametrize(
    ("names", "total", "words"),
    [((b"a", b"a"), 2, "found it in an earlier piece too"), ((b"a", b"b"), 3, '"split.tensors.count": found 3, expected the 2')],
)
def test_pieces_that_do_not_add_up(names: tuple[bytes, ...], total: int, words: str, tmp_path: Path) -> None:
    paths = [tmp_path / f"m-0000{i}-of-00002.gguf" for i in (1, 2)]
    for i, name in enumerate(names):
        paths[i].write_bytes(piece(i, 2, [Info(name)], total))
    with pytest.raises(FormatError, match=words):
        open_checkpoint(paths[0])


# -- lies


def test_strings_that_are_no_utf_8_are_read(tmp_path: Path) -> None:
    """As llama.cpp does, to which they are bytes. Tokens stay different from each other."""
    strings = struct.pack("<IQ", STRING, 3) + string(b"x") + string(b"\xff") + string(b"\xfe")
    fields = [
        u32(b"\xff\xfe", 1),
        field(b"general.name", STRING, string(b"caf\xe9")),
        field(b"general.tags", ARRAY, strings),
        field(b"tokenizer.ggml.tokens", ARRAY, strings),
    ]
    (tmp_path / "m.gguf").write_bytes(gguf_bytes(fields, [Info(b"n\xe9")]))
    checkpoint = open_checkpoint(tmp_path / "m.gguf")
    assert checkpoint.metadata == {
        "\ufffd\ufffd": 1,
        "general.name": "caf\ufffd",
        "general.tags": ("x", "\ufffd", "\ufffd"),
        "tokenizer.ggml.tokens": ("x", "\udcff", "\udcfe"),
    }
    assert list(checkpoint.tensors) == ["n\ufffd"]


HUGE = (1 << 64) - 1
FILES: dict[str, tuple[bytes, str]] = {
    "version 1": (gguf_bytes(version=1), "version: found 1, expected 2 or 3"),
    "big-endian": (gguf_bytes(version=3 << 24), "a big-endian file, expected 2 or 3"),
    "fields": (gguf_bytes(field_count=HUGE), f"number of fields: found {HUGE} at byte 16, expected at most"),
    "tensors": (gguf_bytes(tensor_count=1 << 40), "number of tensors: found 1099511627776 at byte 8"),
    "more fields than there are": (gguf_bytes([u32(b"a", 1)], field_count=2000), "found"),
    "a long key": (gguf_bytes([string(b"k" * 70_000)]), "key: length: found 70000"),
    "a key twice": (gguf_bytes([u32(b"a", 1), u32(b"a", 2)]), 'field "a": found it twice'),
    "a type of field": (gguf_bytes([field(b"a", 13, bytes(8))]), 'field "a": found type 13, expected numbers'),
    "a huge string": (gguf_bytes([field(b"a", STRING, string(b"x", HUGE))]), f'field "a": length: found {HUGE}'),
    "a string beyond the end": (gguf_bytes([field(b"a", STRING, string(b"x", 5000))]), "bytes left at .*, expected 5000"),
    "truth": (gguf_bytes([field(b"a", 7, b"\2")]), 'field "a": found 2, expected 0 or 1'),
    "an array of arrays": (gguf_bytes([field(b"a", ARRAY, struct.pack("<IQ", ARRAY, 1 << 60))]), 'field "a": found type 9'),
    "a huge array": (gguf_bytes([field(b"a", ARRAY, struct.pack("<IQ", 10, HUGE))]), f"expected {HUGE * 8}"),
    "a huge array of strings": (gguf_bytes([field(b"a", ARRAY, struct.pack("<IQ", STRING, HUGE))]), f"length: found {HUGE}"),
    "strings beyond the end": (
        gguf_bytes([field(b"a", ARRAY, struct.pack("<IQ", STRING, 3) + string(b"x") + string(b"y", 1 << 63))]),
        "found string 1 of 3 at byte .* beyond the end",
    ),
    "more strings than there are": (
        gguf_bytes([field(b"a", ARRAY, struct.pack("<IQ", STRING, 1 << 22))]),
        "found string .* of 4194304 at byte .* beyond the end",
    ),
    "a tensor twice": (gguf_bytes((), [Info(), Info(offset=128)]), 'tensor "a": found it twice'),
    "a long name": (gguf_bytes((), [Info(b"n" * 300)]), "tensor name: length: found 300"),
    "no dimensions": (gguf_bytes((), [Info(dims=())]), "found 0 dimensions, expected 1 to 4"),
    "many dimensions": (gguf_bytes((), [Info(rank=1 << 31)]), "found 2147483648 dimensions"),
    "a dimension of nothing": (gguf_bytes((), [Info(dims=(32, 0))]), r"found shape \[0, 32\]"),
    "a huge dimension": (gguf_bytes((), [Info(dims=(1 << 63,))]), "dimension: found 9223372036854775808"),
    "dimensions that overflow": (gguf_bytes((), [Info(dims=(1 << 40,) * 4)]), f"expected {1 << 162}"),
    "a type of tensor": (gguf_bytes((), [Info(kind=77)]), 'tensor "a": found type 77, expected one of f32 f16 q4_0'),
    "a type that we lack": (gguf_bytes((), [Info(kind=16)]), r"found type 16 \(iq2_xxs\), .*\n\nhint: .*`llama-quantize"),
    "a row that no block fills": (gguf_bytes((), [Info(dims=(33,), kind=8)]), r"found shape \[33\] in q8_0, .* blocks of 32"),
    "a row of half a block": (gguf_bytes((), [Info(dims=(128, 2), kind=12)]), "in q4_k, .* blocks of 256"),
    "an offset outside": (gguf_bytes((), [Info(offset=1 << 50)]), f"found 0 bytes at offset {1 << 50}, expected 128"),
    "an offset that overflows": (gguf_bytes((), [Info(offset=HUGE & ~31)]), "found 0 bytes at offset"),
    "more than is left": (gguf_bytes((), [Info(offset=992)]), "found 32 bytes at offset 992, expected 128"),
    "an offset between": (gguf_bytes((), [Info(offset=4)]), "found offset 4, expected a multiple of 32"),
    "one upon another": (
        gguf_bytes((), [Info(b"b", offset=64), Info(b"a")]),
        'tensor "b": found offset 64, expected at least 128, the end of "a"',
    ),
    "alignment 0": (gguf_bytes([u32(b"general.alignment", 0)]), '"general.alignment": found 0, expected a power of two'),
    "alignment 24": (gguf_bytes([u32(b"general.alignment", 24)]), '"general.alignment": found 24, expected a power of two'),
    "alignment of words": (
        gguf_bytes([field(b"general.alignment", STRING, string(b"x" * 500))]),
        '"general.alignment": found x{80}…, expected an integer',
    ),
    "alignments": (
        gguf_bytes([field(b"general.alignment", ARRAY, struct.pack("<IQII", U32, 2, 32, 32))]),
        r'"general.alignment": found \[32 32\], expected an integer',
    ),
    "counts of pieces": (
        gguf_bytes([field(b"split.count", ARRAY, struct.pack("<IQII", U32, 2, 32, 32))]),
        '"split.count": found .*, expected an integer',
    ),
}  # fmt: skip


@pytest.mark.parametrize("lie", FILES)
def test_lies_are_named(lie: str, tmp_path: Path) -> None:
    data, words = FILES[lie]
    (tmp_path / "model.gguf").write_bytes(data)
    with pytest.raises(FormatError, match=words) as caught:
        open_checkpoint(tmp_path / "model.gguf")
    assert str(tmp_path / "model.gguf") in str(caught.value) and len(str(caught.value)) < 1000


_NUMBERS = st.one_of(st.integers(0, 40), st.sampled_from(LIES))
_NAMES = st.one_of(st.sampled_from([b"a", b"b", b"general.alignment", b"split.count", b"split.no"]), st.binary(max_size=8))
_VALUES = st.one_of(
    st.binary(max_size=24),
    st.builds(string, st.binary(max_size=8), st.one_of(st.none(), _NUMBERS)),
    st.builds(lambda kind, count: struct.pack("<IQ", kind & 0xFFFFFFFF, count), _NUMBERS, _NUMBERS),
)
_FIELDS = st.builds(lambda key, kind, value: field(key, kind & 0xFFFFFFFF, value), _NAMES, _NUMBERS, _VALUES)
_DIMENSIONS = st.lists(st.one_of(st.sampled_from([32, 256]), _NUMBERS), max_size=5)
_KINDS = st.one_of(st.sampled_from(list(_TYPES)), _NUMBERS.map(lambda kind: kind & 0xFFFFFFFF))
_OFFSETS = st.one_of(st.integers(0, 12).map(lambda n: 32 * n), _NUMBERS)


@settings(max_examples=2 * EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(_FIELDS, max_size=3),
    st.lists(st.builds(Info, _NAMES, _DIMENSIONS, _KINDS, _OFFSETS, st.none()), max_size=4),
    st.one_of(st.none(), _NUMBERS),
)
def test_headers_of_any_numbers(
    tmp_path_factory: pytest.TempPathFactory, fields: list[bytes], tensors: list[Info], count: int | None
) -> None:
    data = gguf_bytes(fields, tensors, field_count=count)
    assert_survives(tmp_path_factory.getbasetemp() / "numbers.gguf", data)
