"""Names and digests. The cases are those of github.com/distribution/reference's own tests and of docker's documentation."""

import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import FormatError, InputError
from wherry.oci.digest import Digest, Verified
from wherry.oci.reference import Reference

SHA = "sha256:" + "0123456789abcdef" * 4
SHA512 = "sha512:" + "0123456789abcdef" * 8


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("redis", "docker.io/library/redis:latest"),
        ("redis:7", "docker.io/library/redis:7"),
        ("second-state/whisper:1.0", "docker.io/second-state/whisper:1.0"),
        ("docker.io/redis", "docker.io/library/redis:latest"),
        ("docker.io/library/redis", "docker.io/library/redis:latest"),
        ("index.docker.io/redis", "docker.io/library/redis:latest"),
        ("index.docker.io/a/b", "docker.io/a/b:latest"),
        ("localhost/redis", "localhost/redis:latest"),
        ("localhost:5000/redis", "localhost:5000/redis:latest"),
        ("localhost:5000/redis:tag", "localhost:5000/redis:tag"),
        ("127.0.0.1:5000/a/b:c", "127.0.0.1:5000/a/b:c"),
        ("[::1]:5000/repo:tag", "[::1]:5000/repo:tag"),
        ("[2001:db8::1]/repo", "[2001:db8::1]/repo:latest"),
        ("ghcr.io/o/r/deep/er", "ghcr.io/o/r/deep/er:latest"),
        ("Uppercase/lower", "Uppercase/lower:latest"),  # a capital makes it a registry, as in Docker 23 and later
        ("test.com/repo:tag@" + SHA, "test.com/repo:tag@" + SHA),
        ("test:5000/repo@" + SHA512, "test:5000/repo@" + SHA512),
        ("repo@" + SHA, "docker.io/library/repo@" + SHA),
        ("sub-dom1.foo.com/bar/baz/quux:some-long-tag", "sub-dom1.foo.com/bar/baz/quux:some-long-tag"),
        ("xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com/myimage:xn--n3h.com"),
        ("foo_bar.com:8080", "docker.io/library/foo_bar.com:8080"),
        ("foo/foo_bar.com:8080", "docker.io/foo/foo_bar.com:8080"),
        ("a__b/c---d/e.f", "docker.io/a__b/c---d/e.f:latest"),
        ("test.com:tag", "docker.io/library/test.com:tag"),
        ("b.gcr.io/test.example.com/my-app:test.example.com", "b.gcr.io/test.example.com/my-app:test.example.com"),
        ("a/" * 127 + "a", "docker.io/" + "a/" * 127 + "a:latest"),
    ],
)
def test_a_name_is_read_as_docker_reads_it(text: str, whole: str) -> None:
    reference = Reference.parse(text)
    assert str(reference) == whole
    assert Reference.parse(str(reference)) == reference
    assert Reference.parse(reference.familiar) == reference


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":justtag",
        "@" + SHA,
        "repo@sha256:ffffffffffffffffffffffffffffffffff",
        "validname@invaliddigest:" + "f" * 128,
        "docker.io/Redis",
        "repository/Image",
        "a/" * 128 + "a",
        "aa/asdf$$^/aa",
        "xn--n3h.com/☃",
        "foo//bar",
        "foo/",
        "/foo",
        "-test/repo",
        "test-/repo",
        "repo.-x",
        "a___b",
        "repo:tag:tag",
        "repo:" + "t" * 129,
        "repo:.tag",
        "repo:-tag",
        "repo:",
        "repo@",
        "repo\n",
        "repo:tag\n",
        "../../etc/passwd",
        "[fe80::1%eth0]:5000/repo",
        "[2001:db8::1",
        "host:port/repo",
        "0123456789abcdef" * 4,
        "https://docker.io/redis",
    ],
)
def test_what_docker_refuses_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="image"):
        Reference.parse(text)


def test_a_reference_changes_by_parts() -> None:
    reference = Reference.parse("localhost:5000/a:1")
    digest = Digest.parse(SHA)
    assert str(reference.with_tag("2")) == "localhost:5000/a:2"
    assert str(reference.with_digest(digest)) == "localhost:5000/a@" + SHA
    assert reference.is_local
    assert Reference.parse("127.0.0.1/a").is_local and Reference.parse("[::1]:5/a").is_local
    assert not Reference.parse("localhost.evil.com/a").is_local
    assert Reference.parse("redis:7").familiar == "redis:7"


@given(st.text(max_size=40))
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except InputError:
        return
    assert Reference.parse(str(reference)) == reference


@pytest.mark.parametrize(
    "text",
    ["", "sha256", "sha256:", "md5:" + "0" * 32, "sha256:" + "0" * 63, "sha256:" + "A" * 64, "sha256:" + "0" * 64 + "\n",
     "sha256:../../" + "0" * 58, "SHA256:" + "0" * 64],
)  # fmt: skip
def test_no_digest(text: str) -> None:
    with pytest.raises(FormatError, match="digest"):
        Digest.parse(text)


def test_digests_of_known_bytes() -> None:
    """FIPS 180-2's example."""
    assert str(Digest.of_bytes(b"abc")) == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert Digest.of_stream(io.BytesIO(b"abc")) == Digest.of_bytes(b"abc")
    assert Digest.of_bytes(b"abc", "sha512").hex.startswith("ddaf35a193617aba")


@given(st.binary(max_size=300), st.integers(1, 64))
def test_the_right_bytes_pass_in_pieces_of_any_size(data: bytes, step: int) -> None:
    reader = Verified(io.BytesIO(data), Digest.of_bytes(data), len(data))
    found = b"".join(iter(lambda: reader.read(step), b""))
    assert found == data


def read_all(reader: Verified, size: int, step: int) -> bytes:
    found = b""
    while len(found) < size:
        found += reader.read(step)
    return found


@given(st.binary(min_size=1, max_size=100), st.integers(1, 30), st.data())
def test_a_wrong_byte_never_passes_whole(data: bytes, step: int, draw: st.DataObject) -> None:
    """Flipped, short or long: whoever reads as many bytes as were promised has an error, not the bytes."""
    where = draw.draw(st.integers(0, len(data) - 1))
    flipped = data[:where] + bytes([data[where] ^ 1]) + data[where + 1 :]
    for wrong in (flipped, data[:-1], data + b"!"):
        reader = Verified(io.BytesIO(wrong), Digest.of_bytes(data), len(data), place="layer")
        with pytest.raises(FormatError, match="layer: found"):
            read_all(reader, len(data), step)
        with pytest.raises(FormatError):
            reader.read(1)


def test_an_empty_blob() -> None:
    assert Verified(io.BytesIO(b""), Digest.of_bytes(b""), 0).read() == b""
    with pytest.raises(FormatError):
        Verified(io.BytesIO(b""), Digest("sha256", hashlib.sha256(b"x").hexdigest()), 0).read()
