"""Compressed bodies, written by Python's own zlib and gzip."""

import gzip
import io
import zlib

import pytest

from wherry.guest.encoding import read_from
from wherry.guest.openai import ApiError

TEXT = bytes(range(256)) * 1000
MAX = 1 << 20


def environ(data: bytes, encoding: str) -> dict[str, object]:
    return {"wsgi.input": io.BytesIO(data), "HTTP_CONTENT_ENCODING": encoding, "CONTENT_LENGTH": str(len(data))}


@pytest.mark.parametrize(
    ("data", "encoding"),
    [(gzip.compress(TEXT), "gzip"), (gzip.compress(TEXT), "X-GZip "), (zlib.compress(TEXT), "deflate"), (TEXT, "identity"),
     (TEXT, ""), (gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:]), "gzip")],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 1000, 1 << 16, -1])
def test_a_compressed_body_reads_as_the_plain_one(data: bytes, encoding: str, size: int) -> None:
    if size == 1:
        data, expected = (data, TEXT[:2000])
    else:
        expected = TEXT
    body, length = read_from(environ(data, encoding), MAX)
    found = b""
    while len(found) < len(expected) and (piece := body.read(size)):
        assert size < 0 or len(piece) <= size
        found += piece
    assert found == expected
    assert length == (len(data) if encoding in ("", "identity") else None)


@pytest.mark.parametrize(
    "damaged", [b"", b"x", gzip.compress(TEXT)[:-9], gzip.compress(TEXT)[:500], gzip.compress(b"a") + b"rest"]
)
def test_a_damaged_body_is_refused(damaged: bytes) -> None:
    body, _ = read_from(environ(damaged, "gzip"), MAX)
    with pytest.raises(ApiError) as raised:
        body.read()
    assert raised.value.status == 400 and "gzip" in raised.value.message


def test_few_bytes_that_decompress_to_many_are_refused() -> None:
    body, _ = read_from(environ(gzip.compress(bytes(MAX + 1)), "gzip"), MAX)
    with pytest.raises(ApiError) as raised:
        body.read()
    assert raised.value.status == 413


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "compress"])
def test_other_encodings_are_named(encoding: str) -> None:
    with pytest.raises(ApiError, match=f"found {encoding}, expected gzip") as raised:
        read_from(environ(b"x", encoding), MAX)
    assert raised.value.status == 415
