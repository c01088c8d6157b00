"""What Dockerfiles mean, by docker's reference ("Dockerfile reference") and BuildKit's parser, word by word.

Expected values are those of the reference's own examples and rules, not ours.
"""

import os
from pathlib import Path

import pytest

from tests.oci.test_build import NAME, files_of, folder, layers_of, open_image
from wherry.errors import InputError, WherryError
from wherry.oci.build import build, read_recipe
from wherry.oci.compression import Compression
from wherry.oci.image import ImageConfig
from wherry.oci.store import Store
from wherry.oci.words import expand

__all__ = ["folder"]  # the fixture
TAIL = b'\nCOPY app.wasm /app.wasm\nENTRYPOINT ["/app.wasm"]\n'


def built(folder: Path, store: Store, text: str | bytes, **arguments: str) -> tuple[dict[str, str], ImageConfig]:
    """The files of the image and its configuration; what is to be started comes last."""
    raw = text if isinstance(text, bytes) else text.encode()
    (folder / "Dockerfile").write_bytes(raw + TAIL)
    manifest, config = open_image(store, build(read_recipe(folder, None, arguments), store, NAME, compression=Compression.NONE))
    return files_of(layers_of(store, manifest)), config


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("/app/.", "app/notes.txt"),
        ("/app/", "app/notes.txt"),
        ("/app", "app"),
        ("app/.", "work/app/notes.txt"),
        (".", "work/notes.txt"),
        ("./", "work/notes.txt"),
        ("./.", "work/notes.txt"),
        ("/.", "notes.txt"),
        ("/a/b/..", "a"),
        ("..", "notes.txt"),
    ],
)
def test_where_a_file_is_copied_to(folder: Path, store: Store, target: str, place: str) -> None:
    files, _ = built(folder, store, f"FROM scratch\nWORKDIR /work\nCOPY notes.txt {target}")
    assert files[place] == "notes"
    files, _ = built(folder, store, f'FROM scratch\nWORKDIR /work\nCOPY ["notes.txt", "{target}"]')
    assert files[place] == "notes"


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e"])
def test_a_line_ends_at_a_line_feed_alone(folder: Path, store: Store, sign: str) -> None:
    _, config = built(folder, store, f'FROM scratch\nLABEL a="one{sign}COPY two"\n# x{sign}y\nENV B="c{sign}d"')
    assert config.labels["a"] == f"one{sign}COPY two"
    assert config.variables["B"] == f"c{sign}d"


def test_carriage_returns_and_a_mark_at_the_beginning_are_no_text(folder: Path, store: Store) -> None:
    text = '\ufeffFROM scratch\r\nENV A=b \\\r\n  # a comment between\r\n  C=d\r\nLABEL x="y"\r\nWORKDIR /w\r'
    files, config = built(folder, store, text)
    assert (config.variables, config.labels, config.working_dir) == ({"A": "b", "C": "d"}, {"x": "y"}, "/w")
    assert "w" in files


def test_two_backslashes_at_the_end_of_a_line_do_not_continue_it(folder: Path, store: Store) -> None:
    _, config = built(folder, store, "FROM scratch\nENV A=b\\\\\nENV C=d")
    assert config.variables == {"A": "b\\", "C": "d"}


def test_the_escape_may_be_a_backtick(folder: Path, store: Store) -> None:
    """The reference: `COPY testfile.txt c:\\` means what it says then."""
    _, config = built(folder, store, "# syntax=docker/dockerfile:1\n# escape=`\nFROM scratch\nENV A=c:\\ `\n B=`$A C=x\\y")
    assert config.variables == {"A": "c:\\", "B": "$A", "C": "x\\y"}
    with pytest.raises(InputError, match="escape"):
        built(folder, store, "# escape=x\nFROM scratch")


VARIABLES = {"variable": "foobarbaz", "path": "/usr/lib/libx.so.1", "empty": "", "str": "foobarbaz", "string": "foobarbaz"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${variable:-word}", "foobarbaz"),
        ("${unset:-word}", "word"),
        ("${empty:-word}${empty-word}", "word"),
        ("${variable:+word}", "word"),
        ("${unset:+word}${empty:+word}${empty+set}", "set"),
        ("${variable:?message}${variable?}", "foobarbazfoobarbaz"),
        ("${empty?}", ""),
        ("${str#f*b}", "arbaz"),  # these six are the reference's own
        ("${str##f*b}", "az"),
        ("${string%b*}", "foobar"),
        ("${string%%b*}", "foo"),
        ("${string/ba/fo}", "fooforbaz"),
        ("${string//ba/fo}", "fooforfoz"),
        ("${path##*/}", "libx.so.1"),
        ("${path%/*}", "/usr/lib"),
        ("${path%%.*}", "/usr/lib/libx"),
        ("${path#/usr}", "/lib/libx.so.1"),
        ("${path%?}", "/usr/lib/libx.so."),
        ("${path#nothing}", "/usr/lib/libx.so.1"),
        (r"${path//\//:}", ":usr:lib:libx.so.1"),
        ("${path/lib*x/y}", "/usr/y.so.1"),
        ("${unset%x}${unset/a/b}", ""),
        ("${unset:-${variable#foo}}", "barbaz"),
        ("${unset:-'a b'}", "a b"),
        ("${string/bar/}", "foobaz"),
    ],
)
def test_variables_are_replaced_as_the_reference_has_it(text: str, expected: str) -> None:
    assert expand(text, VARIABLES) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("${unset?}", "unset: is not allowed to be unset"),
        ("${unset:?}", "unset: is not allowed to be unset"),
        ("${empty:?}", "empty: is not allowed to be empty"),
        ("${unset:?set it with --build-arg}", "unset: set it with --build-arg"),
        ("${variable:#x}", "expected"),
        ("${variable/a}", "expected"),
        ("${variable^}", "expected"),
        ("${" * 5000, "expected"),
    ],
)
def test_variables_that_cannot_be_replaced_are_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        expand(text, VARIABLES)


def test_a_required_variable_may_come_with_the_build(folder: Path, store: Store) -> None:
    text = 'FROM scratch\nARG V\nENV A="${V:?name it}"'
    assert built(folder, store, text, V="1")[1].variables == {"A": "1"}
    with pytest.raises(InputError, match=r"Dockerfile:3: ENV: V: name it"):
        built(folder, store, text)


def test_patterns_end_in_time() -> None:
    variables = {"a": "ab" * 20_000}
    for modifier in ("##*a*a*a*a*a*c", "%%c*a*a*a*a*", "//a*a*a*c/x", "//a/b", "#*a*a*a*a*c"):
        expand(f"${{a{modifier}}}", variables)


def test_ports_of_any_case_and_ranges(folder: Path, store: Store) -> None:
    _, config = built(folder, store, "FROM scratch\nEXPOSE 8080/TCP 53/Udp 9000-9002 7000-7001/TCP")
    expected = {"8080/tcp", "53/udp", "9000/tcp", "9001/tcp", "9002/tcp", "7000/tcp", "7001/tcp"}
    assert set(config.exposed_ports) == expected


def test_files_may_stand_in_the_dockerfile(folder: Path, store: Store) -> None:
    """The reference's heredocs: variables are replaced unless the name is quoted, `-` takes tabs away."""
    text = (
        "FROM scratch\nARG NAME=world\n"
        'COPY <<EOF /greeting\nhello "$NAME" it\'s \\$5\n# no comment\n\nEOF\n'
        "COPY <<'EOF' /quoted\nhello $NAME\nEOF\n"
        "COPY <<-EOF /tabs\n\thello\n\tEOF\n"
        "COPY <<one.txt <<two.txt notes.txt /many/\n1\none.txt\n2\ntwo.txt\n"
        "LABEL after=it"
    )
    files, config = built(folder, store, text)
    assert files["greeting"] == 'hello "world" it\'s $5\n# no comment\n\n'
    assert (files["quoted"], files["tabs"]) == ("hello $NAME\n", "hello\n")
    assert (files["many/one.txt"], files["many/two.txt"], files["many/notes.txt"]) == ("1\n", "2\n", "notes")
    assert config.labels == {"after": "it"}
    with pytest.raises(InputError, match="Dockerfile:2: found <<EOF without a line EOF"):
        built(folder, store, "FROM scratch\nCOPY <<EOF /x\nhello")


def test_flags_of_copy(folder: Path, store: Store) -> None:
    text = (
        "FROM --platform=wasi/wasm scratch AS app\n"
        "COPY --link --chown=0:0 --chmod=755 notes.txt /program\n"
        "COPY --chmod=0644 run.sh /plain\n"
        "COPY --exclude=css --exclude=*.html site /site\n"
        "COPY --exclude=*.key *.txt *.key /top/\n"
        "ADD notes.txt /added"
    )
    files, _ = built(folder, store, text)
    assert files["added"] == files["program"] == "notes"
    assert {name for name in files if name.startswith("site")} == {"site", "site/link"}
    assert {name for name in files if name.startswith("top/")} == {"top/notes.txt", "top/with space.txt", "top/ünï.txt"}
    for flag, words in (
        ("--chown=1000 ", "--chown: found 1000, expected 0:0"),
        ("--chmod=u+x ", "--chmod: found u"),
        ("--chmod=4755 ", "--chmod: found 4755"),
        ("--from=x ", "the flag --from=x"),
        ("--parents ", "the flag --parents"),
    ):
        with pytest.raises(InputError, match=words):
            built(folder, store, f"FROM scratch\nCOPY {flag}notes.txt /x")


def test_add_fetches_and_unpacks_nothing(folder: Path, store: Store) -> None:
    (folder / "a.tar.gz").write_bytes(b"\x1f\x8b\x08")
    for source, words in (
        ("https://a.example/x", "the address"),
        ("git@a.example:x", "the address"),
        ("a.tar.gz", "the archive"),
    ):
        with pytest.raises(InputError, match=words):
            built(folder, store, f"FROM scratch\nADD {source} /x")


def test_other_encodings_are_bytes_of_names_and_nothing_elsewhere(folder: Path, store: Store) -> None:
    """BuildKit reads bytes: a comment may be in Latin-1, and a file's name may be any bytes."""
    name = os.fsdecode(b"caf\xe9.txt")
    (folder / name).write_text("coffee")
    (folder / os.fsdecode(b"th\xe9.txt")).write_text("tea")
    (folder / ".dockerignore").write_bytes(b"# pour l'\xe9t\xe9\r\nth\xe9*\r\n!nothing\x85\n*.log\n*ocker*\n")
    files, _ = built(folder, store, b"# \xe9t\xe9\nFROM scratch\nCOPY caf\xe9.txt /drink\nCOPY . /all/")
    assert files["drink"] == files[f"all/{name}"] == "coffee"
    assert not any(path.startswith("all/th") for path in files) and "all/deep/a/b/c.txt" in files
    with pytest.raises(InputError, match=r"Dockerfile:2: ENV: found bytes that are no UTF-8"):
        built(folder, store, b"FROM scratch\nENV A=caf\xe9")
    for text in (b"\xff\xfeF\0R\0O\0M\0", b"\xe9\n", b"FROM scr\xe9tch\n"):
        with pytest.raises(WherryError):
            built(folder, store, text)


def test_half_a_pair_in_the_json_form_is_go_s_character(folder: Path, store: Store) -> None:
    _, config = built(folder, store, 'FROM scratch\nCMD ["a\\ud800b"]')
    assert config.cmd == ("a\ufffdb",)
