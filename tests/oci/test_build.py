"""Building: the same bytes from the same inputs, and the image that buildah makes of the same Dockerfile."""

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.oci.conftest import Killable, program, run
from wherry.errors import InputError, NotFoundError, WherryError
from wherry.oci import image, stored
from wherry.oci.build import build, read_recipe
from wherry.oci.compression import WRITTEN, Compression
from wherry.oci.image import Descriptor, ImageConfig, Index, Manifest, Platform
from wherry.oci.reference import Reference
from wherry.oci.store import Store

NAME = Reference.parse("app")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What is built from, with some of everything."""
    folder = tmp_path / "context"
    files = {
        "app.wasm": "\0asm\1\0\0\0",
        "model/weights.mpk": "weights" * 500,
        "model/config.cfg": "{}",
        "model/tokenizer.json": "{}",
        "site/index.html": "<html>",
        "site/css/a.css": "a",
        "site/css/b.css": "b",
        "notes.txt": "notes",
        "secret.key": "key",
        "deep/a/b/c.txt": "c",
        "deep/a/x.log": "log",
        "ünï.txt": "unicode",
        "with space.txt": "space",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    (folder / "run.sh").write_text("#!")
    (folder / "run.sh").chmod(0o755)
    (folder / "site/link").symlink_to("css/a.css")
    (folder / "empty").mkdir()
    return folder


def make(
    folder: Path, text: str, store: Store, *, ignore: str = "", args: dict[str, str] | None = None, **options: Any
) -> Descriptor:
    (folder / "Dockerfile").write_text(text)
    (folder / ".dockerignore").write_text(ignore) if ignore else None
    return build(read_recipe(folder, None, args or {}), store, NAME, **options)


def open_image(store: Store, descriptor: Descriptor, platform: str = "wasi/wasm") -> tuple[Manifest, ImageConfig]:
    manifest, config = stored.open_image(store, descriptor, [Platform.parse(platform)])
    assert config is not None
    return manifest, config


def files_of(layers: list[bytes]) -> dict[str, str]:
    """name -> content, target or /, by tarfile; later layers over earlier ones."""
    found: dict[str, str] = {}
    for layer in layers:
        with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
            for member in tar:
                name = member.name.strip("/")
                content = tar.extractfile(member) if member.isfile() else None
                found[name] = f"-> {member.linkname}" if member.issym() else content.read().decode() if content else "/"
    return {name: content for name, content in found.items() if name}


def layers_of(store: Store, manifest: Manifest) -> list[bytes]:
    return [store.read(layer.digest, limit=1 << 30) for layer in manifest.layers]


FOUR_COPIES = """\
FROM scratch
COPY model/weights.mpk /weights.mpk
COPY model/config.cfg /config.cfg
COPY model/tokenizer.json /tokenizer.json
COPY app.wasm /app.wasm
ENTRYPOINT ["/app.wasm"]
"""


def test_the_image_is_an_index_of_three_over_the_same_layers(folder: Path, store: Store) -> None:
    descriptor = make(folder, FOUR_COPIES, store)
    index = store.document(store.resolve(NAME))
    assert isinstance(index, Index) and index.descriptor == descriptor
    assert [str(entry.platform) for entry in index.manifests] == ["wasi/wasm", "wasip1/wasm", "linux/amd64"]
    images = [open_image(store, descriptor, str(entry.platform)) for entry in index.manifests]
    assert all(manifest.layers == images[0][0].layers for manifest, _ in images)
    for (manifest, config), entry in zip(images, index.manifests, strict=True):
        assert config.platform == entry.platform
        assert [str(diff_id)[7:] for diff_id in config.diff_ids] == [
            hashlib.sha256(gzip.decompress(layer)).hexdigest() for layer in layers_of(store, manifest)
        ]
        assert config.entrypoint == ("/app.wasm",)
        assert all(layer.media_type == image.OCI_LAYER_GZIP for layer in manifest.layers)


@pytest.mark.parametrize("compression", WRITTEN)
def test_the_same_inputs_give_the_same_digest(folder: Path, tmp_path: Path, compression: Compression) -> None:
    """Another checkout, other times, another umask, another owner, another store, another process: the same image.

    And, where there is one, another Python, as another user, on another file system.
    """
    text = FOUR_COPIES + "COPY site run.sh /s/\nENV A=b C=d\nLABEL x=y wherry.publish=8080:8080\nWORKDIR /w/d\n"
    first = make(folder, text, Store(tmp_path / "one"), compression=compression)
    other = tmp_path / "elsewhere/deeper"
    shutil.copytree(folder, other, symlinks=True)
    for path in other.rglob("*"):
        if not path.is_symlink():
            os.utime(path, (1, 1))
            path.chmod(0o700 if path.is_dir() or path.name == "run.sh" else 0o600)
    steps = """
import sys
from pathlib import Path
from wherry.oci.build import build, read_recipe
from wherry.oci.compression import WRITTEN, Compression
from wherry.oci.store import Store
recipe = read_recipe(Path(sys.argv[1]), None, {})
print(build(recipe, Store(Path(sys.argv[2])), None, compression=Compression(sys.argv[3])).digest)
"""
    environment = os.environ | {"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-c", steps, other, tmp_path / "two", compression.value]
    second = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, umask=0o077)
    assert second.stdout.strip() == str(first.digest)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    python = Path("/usr/bin", version)
    if os.geteuid() != 0 or not python.exists() or not Path("/dev/shm").is_dir():
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as shared:
        away = Path(shared) / "context"
        shutil.copytree(folder, away, symlinks=True)
        for path in (Path(shared), away, *away.rglob("*")):
            os.chown(path, 4321, 4321, follow_symlinks=False)
        packages = Path(sysconfig.get_path("purelib"))
        paths = f"{ROOT / 'src'}:{packages}"
        given = {"PYTHONPATH": paths, "PATH": "/usr/bin", "HOME": shared, "TZ": "America/Lima", "LC_ALL": "C.UTF-8"}
        command = ["setpriv", "--reuid=4321", "--regid=4321", "--clear-groups", python, "-c", steps, away, f"{shared}/three"]
        third = subprocess.run([*command, compression.value], env=given, capture_output=True, text=True, umask=0o007, check=False)
        assert third.stdout.strip() == str(first.digest), third.stderr


def test_the_digest_of_a_known_image(tmp_path: Path, store: Store) -> None:
    """Made once on Debian 12 with Python 3.11; every machine and every version must make the same."""
    (tmp_path / "app.wasm").write_bytes(b"\0asm\1\0\0\0" + bytes(range(256)) * 100)
    (tmp_path / ("l" * 120)).write_bytes(b"long name")
    descriptor = make(tmp_path, f'FROM scratch\nCOPY app.wasm /\nCOPY {"l" * 120} /ü\nENTRYPOINT ["/app.wasm"]\n', store)
    assert str(descriptor.digest) == "sha256:c96f1917735bb157702f5560f39c17feeca29f0fcb6442e2bd33e9dc04b4bc8d"


def test_what_is_not_changed_is_not_compressed_again(folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = open_image(store, make(folder, FOUR_COPIES, store))
    inodes = {layer.digest: store.path(layer.digest).stat().st_ino for layer in first.layers}
    (folder / "app.wasm").write_text("\0asm\1\0\0\0changed")
    said: list[str] = []
    second, _ = open_image(store, make(folder, FOUR_COPIES, store, say=said.append))
    assert second.layers[:3] == first.layers[:3] and second.layers[3] != first.layers[3]
    assert all(store.path(digest).stat().st_ino == inode for digest, inode in inodes.items())
    notes = sorted(path.stat().st_mtime_ns for path in (store.root / "layers").iterdir())
    make(folder, FOUR_COPIES, store)
    assert sorted(path.stat().st_mtime_ns for path in (store.root / "layers").iterdir()) == notes
    assert len(said) == 4 and said[3].endswith("COPY app.wasm /app.wasm")


def test_layers_are_plain_for_gnu_tar(folder: Path, store: Store, tmp_path: Path) -> None:
    """Listed by another program: sorted, owner 0, time 0, modes 755 and 644."""
    text = 'FROM scratch\nCOPY . /\nENTRYPOINT ["/app.wasm"]\n'
    manifest, _ = open_image(store, make(folder, text, store, ignore="Dockerfile\n.dockerignore\n"))
    (tmp_path / "layer.tar.gz").write_bytes(layers_of(store, manifest)[0])
    environment = os.environ | {"TZ": "UTC", "LC_ALL": "C.UTF-8"}
    listing = subprocess.run(
        ["tar", "-tvzf", tmp_path / "layer.tar.gz", "--numeric-owner", "--full-time", "--quoting-style=literal"],
        env=environment, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    rows = [line.split(None, 5) for line in listing]
    assert {row[1] for row in rows} == {"0/0"} and {" ".join(row[3:5]) for row in rows} == {"1970-01-01 00:00:00"}
    modes = {row[5].split(" -> ")[0]: row[0] for row in rows}
    assert modes["run.sh"] == "-rwxr-xr-x" and modes["notes.txt"] == "-rw-r--r--" and modes["site/"] == "drwxr-xr-x"
    assert modes["site/link"].startswith("l") and "ünï.txt" in modes and "empty/" in modes
    assert [row[5].split(" -> ")[0].strip("/").split("/") for row in rows] == sorted(
        row[5].split(" -> ")[0].strip("/").split("/") for row in rows
    )


# -- the same as buildah

DOCKERFILES = {  # case -> Dockerfile, .dockerignore, --build-arg
    "files": (
        "FROM scratch\nCOPY app.wasm /app.wasm\nCOPY model/weights.mpk notes.txt /data/\nCOPY run.sh /bin/run\n", "", {},
    ),
    "folders": (
        "FROM scratch\nCOPY site /www\nCOPY site/ /other/\nCOPY deep /\nCOPY app.wasm site /mixed/\n", "", {},
    ),
    "wildcards": (
        "FROM scratch\nCOPY *.txt /t/\nCOPY site/css/?.css /c/\nCOPY mod*/*.cfg /m/\nCOPY [a-n]*.txt /r/\n", "", {},
    ),
    "json form": ('FROM scratch\nCOPY ["with space.txt", "notes.txt", "/two words/"]\n', "", {}),
    "workdir": (
        "FROM scratch\nWORKDIR /a\nWORKDIR b/../c\nCOPY notes.txt .\nCOPY app.wasm ./sub/\nWORKDIR /a/c/sub\nCOPY run.sh x\n",
        "", {},
    ),
    "existing folder": ("FROM scratch\nWORKDIR /dir\nCOPY notes.txt /dir\nCOPY site/css /dir\n", "", {}),
    "variables": (
        "ARG base=scratch\nFROM ${base}\nARG where=/w\nARG other\n"
        "ENV A=1 B=\"two $where\" C='$where' D=$where/x E=\\$A F=a\\ b\nENV A=2 G=$A\nENV old form  of $A \"quoted\"\n"
        "WORKDIR ${where}/${none:-d}/${A:+set}\nCOPY notes.txt $where/\n"
        "LABEL a=\"b c\" \"key with space\"=x multi.$A=$B\nLABEL z=${other:-unset}\n",
        "", {"where": "/given"},
    ),
    "ignored": (
        "FROM scratch\nCOPY . /all\nCOPY deep /deep\n",
        "# comment\n*.key\n**/*.log\nsite/css\n!site/css/b.css\n/model\nempty\n", {},
    ),
    "ignored but": ("FROM scratch\nCOPY . /\n", "*\n!app.wasm\n!site/**\nsite/css/?.css\n", {}),
    "continued": (
        "# syntax=docker/dockerfile:1\nFROM scratch AS only\n  # a comment\n"
        "COPY \\\n  notes.txt \\\n# within\n\n  app.wasm \\\n  /x/\n"
        "env LOWER=case \\\n    next=line\nlabel q=\"one \\\n  two\"\n",
        "", {},
    ),
    "ports and commands": (
        "FROM scratch\nEXPOSE 8080 9000/udp\n"
        'ENTRYPOINT [ "/app.wasm", "--flag" ]\nCMD ["a", "$HOME", "b c"]\nEXPOSE 80/tcp\nCOPY app.wasm /\n',
        "", {},
    ),
    "the last wins": (
        'FROM scratch\nCOPY app.wasm /\nCMD ["x"]\nCMD ["y"]\nENTRYPOINT ["/no"]\nENTRYPOINT ["/app.wasm"]\n', "", {},
    ),
    "overwritten": ("FROM scratch\nCOPY notes.txt /f\nCOPY app.wasm /f\nCOPY site /d\nCOPY deep/a /d\n", "", {}),
    "a linked source": ("FROM scratch\nCOPY site/link /l\nCOPY site /s\n", "", {}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", DOCKERFILES)
def test_the_image_is_buildahs(folder: Path, store: Store, tmp_path: Path, case: str) -> None:
    text, ignore, args = DOCKERFILES[case]
    if "CMD" not in text and "ENTRYPOINT" not in text:  # ours must know what it is to start
        text += 'COPY app.wasm /start.wasm\nENTRYPOINT ["/start.wasm"]\n'
    manifest, config = open_image(store, make(folder, text, store, ignore=ignore and ignore + "!app.wasm\n", args=args))
    theirs = buildah(folder, tmp_path, args)
    index = json.loads((theirs / "index.json").read_text())
    found = json.loads(blob(theirs, index["manifests"][0]["digest"]))
    expected = json.loads(blob(theirs, found["config"]["digest"]))["config"]
    assert files_of([gzip.decompress(layer) for layer in layers_of(store, manifest)]) == files_of(
        [gzip.decompress(blob(theirs, layer["digest"])) for layer in found["layers"]]
    )
    assert config.entrypoint == tuple(expected.get("Entrypoint") or ())
    assert config.cmd == tuple(expected.get("Cmd") or ())
    assert config.working_dir == (expected.get("WorkingDir") or "/")
    assert set(config.exposed_ports) == set(expected.get("ExposedPorts") or {})
    added = {"PATH"}  # buildah gives every image one
    assert config.variables == dict(e.split("=", 1) for e in expected["Env"] if e.split("=")[0] not in added)
    assert config.labels == {n: v for n, v in (expected.get("Labels") or {}).items() if n != "io.buildah.version"}


def buildah(folder: Path, tmp_path: Path, args: dict[str, str]) -> Path:
    storage = [program("buildah"), "--root", tmp_path / "b/root", "--runroot", tmp_path / "b/run", "--storage-driver", "vfs"]
    name = f"t{uuid.uuid4().hex}"
    given = [word for arg, value in args.items() for word in ("--build-arg", f"{arg}={value}")]
    run(*storage, "bud", "-q", "--isolation", "chroot", "--layers=false", *given, "-t", name, folder)
    run(*storage, "push", "-q", name, f"oci:{tmp_path}/theirs:x")
    return tmp_path / "theirs"


def blob(layout: Path, digest: str) -> bytes:
    return (layout / "blobs" / digest.replace(":", "/")).read_bytes()


# -- what is refused

HEAD = "FROM scratch\nCOPY app.wasm /app.wasm\n"
TAIL = '\nENTRYPOINT ["/app.wasm"]\n'


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 0, "no instruction"),
        ("# nothing\n", 0, "no instruction"),
        ("COPY app.wasm /\n", 1, "before FROM"),
        ("ARG x\n", 0, "no FROM"),
        ("FROM debian\n", 1, 'found "debian", expected scratch'),
        ("FROM scratch AS\n", 1, "expected scratch"),
        (HEAD + "FROM scratch\n", 3, "second stage"),
        (HEAD + "RUN ls\n", 3, "RUN: found an instruction"),
        (HEAD + "\n\n# x\nUSER 1000\n", 6, "USER"),
        (HEAD + "ENV --x=y A=b\n", 3, "the flag --x=y, expected none"),
        (HEAD + "VOLUME /x\n", 3, "VOLUME"),
        (HEAD + "HEALTHCHECK NONE\n", 3, "HEALTHCHECK"),
        (HEAD + "ONBUILD ENV a=b\n", 3, "ONBUILD"),
        (HEAD + "SHELL [\"x\"]\n", 3, "SHELL"),
        (HEAD + "STOPSIGNAL 9\n", 3, "STOPSIGNAL"),
        (HEAD + "MAINTAINER me\n", 3, "MAINTAINER"),
        (HEAD + "COPPY a b\n", 3, "COPPY"),
        (HEAD + "{ nonsense\n", 3, 'found "{"'),
        (HEAD + "COPY --from=x a b\n", 3, "the flag --from=x"),
        (HEAD + "COPY app.wasm\n", 3, "SOURCE... TARGET"),
        (HEAD + "COPY\n", 3, "nothing after it"),
        (HEAD + "COPY nothing.txt /\n", 3, 'found no file "nothing.txt"'),
        (HEAD + "COPY *.zip /\n", 3, 'found no file "*.zip"'),
        (HEAD + "COPY ../outside /\n", 3, "without .."),
        (HEAD + "COPY site/../../outside /\n", 3, "without .."),
        (HEAD + "COPY out /\n", 3, "a link out of"),
        (HEAD + "COPY out/passwd /\n", 3, "a link out of"),
        (HEAD + "COPY notes.txt app.wasm /x\n", 3, "ends with /"),
        (HEAD + "COPY x[ /\n", 3, "expected a ]"),
        (HEAD + "COPY pipe /x\n", 3, "device, pipe or socket"),
        (HEAD + "ENV\n", 3, "nothing after it"),
        (HEAD + "ENV A\n", 3, "NAME=VALUE"),
        (HEAD + "ENV A=b C\n", 3, 'found "C"'),
        (HEAD + "ENV =b\n", 3, "not empty"),
        (HEAD + 'ENV A="b\n', 3, 'expected another "'),
        (HEAD + "ENV A=${b\n", 3, "expected ${NAME}"),
        (HEAD + "ENV A=$1\n", 3, "a name after $"),
        (HEAD + "ARG 1x\n", 3, "expected NAME"),
        (HEAD + "ARG TARGETARCH\n", 3, "same for every platform"),
        (HEAD + "EXPOSE http\n", 3, 'found "http"'),
        (HEAD + "EXPOSE 70000\n", 3, "70000"),
        (HEAD + "EXPOSE 9-5\n", 3, "9-5"),
        (HEAD + "ENTRYPOINT /app.wasm\n", 3, "JSON form"),
        (HEAD + "CMD ['x']\n", 3, "JSON form"),
        (HEAD + "CMD [1]\n", 3, "JSON form"),
    ],
)  # fmt: skip
def test_what_is_refused_is_refused_by_line(folder: Path, store: Store, text: str, line: int, words: str) -> None:
    (folder / "out").symlink_to("/etc")
    os.mkfifo(folder / "pipe")
    with pytest.raises(WherryError) as raised:
        make(folder, text if "ENTRYPOINT" in text or not text.startswith(HEAD) else text + TAIL, store)
    place = f"Dockerfile:{line}: " if line else "Dockerfile: "
    assert place in raised.value.message and words in raised.value.message
    assert store.images() == []


def test_an_image_without_its_guest_is_refused(folder: Path, store: Store) -> None:
    with pytest.raises(InputError, match="neither ENTRYPOINT nor CMD"):
        make(folder, HEAD, store)
    with pytest.raises(NotFoundError, match=r'"/ap.wasm" in the image') as raised:
        make(folder, HEAD + 'ENTRYPOINT ["/ap.wasm"]\n', store)
    assert "/app.wasm" in raised.value.hint
    make(folder, 'FROM scratch\nWORKDIR /d\nCOPY app.wasm .\nCMD ["app.wasm"]\n', store)


def test_build_arguments_must_be_declared(folder: Path, store: Store) -> None:
    with pytest.raises(InputError, match='--build-arg: found "nobody"'):
        make(folder, HEAD + TAIL, store, args={"nobody": "1"})
    make(folder, HEAD + TAIL, store, args={"HTTP_PROXY": "x"})
    _, config = open_image(
        store, make(folder, "ARG a=1\nFROM scratch\nARG a\nENV b=$a\n" + HEAD[13:] + TAIL, store, args={"a": "2"})
    )
    assert config.variables["b"] == "2"


def test_a_range_of_ports_is_each_of_them(folder: Path, store: Store) -> None:
    """As docker has it; buildah keeps the range as it is written."""
    _, config = open_image(store, make(folder, HEAD + "EXPOSE 7000-7002/udp 7001" + TAIL, store))
    assert config.exposed_ports == ("7000/udp", "7001/tcp", "7001/udp", "7002/udp")


def test_brackets_in_names(folder: Path, store: Store) -> None:
    (folder / "x[1].txt").write_text("brackets")
    text = HEAD + "COPY x[[]1].txt /a\nCOPY *].txt /b\nCOPY [^a-w][[]*.txt /d" + TAIL
    manifest, _ = open_image(store, make(folder, text, store))
    files = files_of([gzip.decompress(layer) for layer in layers_of(store, manifest)])
    assert [files[name] for name in "abd"] == ["brackets"] * 3


def test_settings_become_variables_and_ports(folder: Path, store: Store) -> None:
    text = HEAD + (
        "LABEL wherry.preload='default:Burn:AUTO:/m:/c:/t:en' wherry.publish=9000:8080 wherry.device=cpu \\\n"
        "      wherry.memory=1g wherry.timeout=2.5\nENV WHERRY_DEVICE=gpu\n"
    )
    _, config = open_image(store, make(folder, text + TAIL, store))
    assert config.variables == {
        "WASMEDGE_WASINN_PRELOAD": "default:Burn:AUTO:/m:/c:/t:en",
        "WHERRY_DEVICE": "gpu",
        "WHERRY_MEMORY": "1g",
        "WHERRY_TIMEOUT": "2.5",
    }
    assert config.exposed_ports == ("8080/tcp",) and config.labels["wherry.publish"] == "9000:8080"
    for label in ("wherry.prelaod=x", "wherry.memory=lots", "wherry.timeout=0", "wherry.publish=http", "wherry.publish=1:99999"):
        with pytest.raises(InputError, match=label.split("=")[0]):
            make(folder, HEAD + f"LABEL {label}" + TAIL, store)


def test_a_file_that_changes_while_it_is_read(folder: Path, store: Store) -> None:
    (folder / "Dockerfile").write_text(HEAD + TAIL)
    recipe = read_recipe(folder, None, {})

    class Changing(Store):
        def recall(self, key: str) -> Descriptor | None:
            (folder / "app.wasm").write_text("\0asm\1\0\0\1")
            return super().recall(key)

    with pytest.raises(InputError, match="changed while"):
        build(recipe, Changing(store.root), NAME)
    assert store.images() == []


BUILD = """
from pathlib import Path
from wherry.oci.archive import load, save
from wherry.oci.build import build, read_recipe
from wherry.oci.reference import Reference
from wherry.oci.store import Store, StoredImage
from wherry.oci.tarstream import Limits
def work(top):
    store, name = Store(top / "images"), Reference.parse("app")
    descriptor = build(read_recipe(Path(FOLDER), None, {}), store, name)
    with (top / "saved.tar").open("wb") as file:
        save(store, [StoredImage(name, descriptor)], file)
    other = Store(top / "other")
    with (top / "saved.tar").open("rb") as file:
        load(other, file, "saved.tar", limits=Limits(reserve=0))
    (top / "digest").write_text(f"{descriptor.digest} {other.resolve(name).digest}")
"""


@pytest.mark.slow
def test_a_kill_at_every_step_of_a_build_and_a_load(folder: Path, in_memory: Path) -> None:
    """Killed before the first file operation, the second, …: what has a name is whole, and the next try gives the same image."""
    (folder / "Dockerfile").write_text(FOUR_COPIES)
    digests = set()
    with Killable(BUILD.replace("FOLDER", repr(str(folder)))) as process:
        for step in range(1, 2000):
            top = in_memory / f"step{step}"
            top.mkdir()
            done = process.work(top, step)
            for store in (Store(top / "images"), Store(top / "other")):
                for image_of in store.images():
                    store.require(image_of.descriptor)
                for blob_file in (store.root / "blobs").glob("*/*"):
                    assert hashlib.sha256(blob_file.read_bytes()).hexdigest() == blob_file.name
            assert process.work(top)
            digests |= set((top / "digest").read_text().split())
            assert len(digests) == 1
            for store in (Store(top / "images"), Store(top / "other")):
                assert list((store.root / "incoming").iterdir()) == []
            shutil.rmtree(top)
            if done:
                assert step > 150
                return
    pytest.fail("it never ended")


def test_builds_at_once(folder: Path, tmp_path: Path) -> None:
    """Six processes build the same image into one store: one image, good."""
    (folder / "Dockerfile").write_text(FOUR_COPIES)
    text = BUILD.replace("FOLDER", repr(str(folder))).replace('top / "saved.tar"', 'top / f"{os.getpid()}.tar"')
    text = text.replace('top / "digest"', 'top / f"{os.getpid()}.digest"') + f"\nimport os\nwork(Path({str(tmp_path)!r}))\n"
    running = [subprocess.Popen([sys.executable, "-c", text]) for _ in range(6)]
    assert [process.wait() for process in running] == [0] * 6
    assert len({digest for path in tmp_path.glob("*.digest") for digest in path.read_text().split()}) == 1
    store = Store(tmp_path / "images")
    store.require(store.resolve(NAME))
    assert store.prune().blobs == 0


# -- wherry.toml

PROJECT = """
name = "speech:1"
entrypoint = ["/app.wasm"]
cmd = ["--verbose"]
workdir = "/work/here"
expose = ["9000/udp"]
[files]
"/model/" = "model/*"
"/app.wasm" = "app.wasm"
"/web/" = ["site", "notes.txt"]
[env]
LOG = "info"
[labels]
"org.opencontainers.image.licenses" = "MIT"
[run]
preload = ["default:Burn:AUTO:/model/weights.mpk:/model/config.cfg:/model/tokenizer.json:en", "b:ggml:CPU:/model/b c.gguf"]
publish = ["8080:8080", "127.0.0.1:9001:9001"]
device = "cpu"
memory = "1g"
timeout = 60
requests = 16
coarse-clock = true
allow-net = ["api.example.org:443", "[2001:db8::1]:80"]
"""


def test_a_project_is_the_dockerfile_it_stands_for(folder: Path, store: Store) -> None:
    (folder / "wherry.toml").write_text(PROJECT)
    project = open_image(store, build(read_recipe(folder, None, {}), store, None))
    (folder / "wherry.toml").unlink()
    text = """FROM scratch
COPY model/* /model/
COPY app.wasm /app.wasm
COPY site notes.txt /web/
WORKDIR /work/here
ENV LOG=info
EXPOSE 9000/udp
LABEL org.opencontainers.image.licenses=MIT wherry.device=cpu wherry.memory=1g wherry.timeout=60
LABEL wherry.requests=16 wherry.coarse-clock=true wherry.allow-net="api.example.org:443 [2001:db8::1]:80"
LABEL wherry.publish="8080:8080 127.0.0.1:9001:9001"
LABEL wherry.preload="default:Burn:AUTO:/model/weights.mpk:/model/config.cfg:/model/tokenizer.json:en b:ggml:CPU:/model/b c.gguf"
ENTRYPOINT ["/app.wasm"]
CMD ["--verbose"]
"""
    dockerfile = open_image(store, make(folder, text, store))
    assert project[0].layers == dockerfile[0].layers
    strip = {"raw": b""}
    assert {**vars(project[1]), **strip} == {**vars(dockerfile[1]), **strip}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("entrypoint =", "entripoint ="), '"entripoint"'),
        (('["--verbose"]', '"--verbose"'), "cmd: found"),
        (('memory = "1g"', "memory = 1"), "memory: found 1"),
        (("timeout = 60", "timeout = -1"), "timeout"),
        (("timeout = 60", "timeout = nan"), "timeout"),
        (("requests = 16", "requests = 0"), "requests"),
        (("requests = 16", "requests = 1000"), "requests"),
        (("requests = 16", 'requests = "many"'), "requests"),
        (("coarse-clock = true", 'coarse-clock = "yes"'), "coarse-clock"),
        (("api.example.org:443", "*"), "allow-net"),
        (("api.example.org:443", "http://api"), "allow-net"),
        (('"/app.wasm" = "app.wasm"', '"app.wasm" = "app.wasm"'), "begins with /"),
        (('"model/*"', '"modle/*"'), 'no file "modle/*"'),
        (('"model/*"', "5"), "/model/: found 5"),
        (('"9000/udp"', '"nine"'), "expose"),
        (("[labels]", '[labels]\n"wherry.memory" = "2g"'), "both in labels and in run"),
        (("[labels]", '[labels]\n"wherry.memry" = "2g"'), "wherry.memry"),
        (('workdir = "/work/here"', 'workdir = "here"'), "workdir"),
        (("name =", "name"), "no TOML"),
        (("LOG = ", "LOG.x = "), "env: LOG: found an object"),
    ],
)
def test_a_project_is_refused_by_key(folder: Path, store: Store, change: tuple[str, str], words: str) -> None:
    assert change[0] in PROJECT
    (folder / "wherry.toml").write_text(PROJECT.replace(*change))
    with pytest.raises(WherryError) as raised:
        build(read_recipe(folder, None, {}), store, None)
    assert "wherry.toml" in raised.value.message and words in raised.value.message


def test_the_file_to_build_is_found_or_named(folder: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no wherry\.toml and no Dockerfile"):
        read_recipe(folder, None, {})
    (folder / "wherry.toml").write_text(PROJECT)
    (folder / "Dockerfile").write_text(FOUR_COPIES)
    with pytest.raises(NotFoundError, match="both") as raised:
        read_recipe(folder, None, {})
    assert "--file" in raised.value.hint
    assert len(read_recipe(folder, folder / "Dockerfile", {}).steps) == 5
    (folder / "Other").write_text(FOUR_COPIES)
    (folder / "Other.dockerignore").write_text("app.wasm\n")
    with pytest.raises(NotFoundError, match=r"Other:5: COPY: found no file") as raised:
        read_recipe(folder, folder / "Other", {})
    assert "dockerignore" in raised.value.hint
    with pytest.raises(NotFoundError):
        read_recipe(folder, folder / "None", {})
    with pytest.raises(NotFoundError):
        read_recipe(folder / "none", folder / "Other", {})
    (folder / "Other").write_bytes(b"FROM \xff")
    with pytest.raises(InputError, match="no UTF-8"):
        read_recipe(folder, folder / "Other", {})
