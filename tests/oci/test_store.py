"""The store: whole blobs or none, whatever ends, several processes at once, and other tools that read it."""

import hashlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.oci.conftest import Killable
from wherry.errors import FormatError, InputError, NotFoundError
from wherry.oci import image
from wherry.oci.digest import Digest
from wherry.oci.image import Descriptor, Index, Manifest, Platform
from wherry.oci.reference import Reference
from wherry.oci.store import Store

LAYER = b"layer" * 1000


def add_image(store: Store, layer: bytes = LAYER) -> Manifest:
    config = Descriptor.of(image.OCI_CONFIG, b'{"os":"wasi","architecture":"wasm","rootfs":{"type":"layers","diff_ids":[]}}')
    manifest = Manifest.build(config, [Descriptor.of(image.OCI_LAYER, layer)])
    for raw in (b'{"os":"wasi","architecture":"wasm","rootfs":{"type":"layers","diff_ids":[]}}', layer, manifest.raw):
        store.put_bytes(raw)
    return manifest


def is_good(store: Store) -> None:
    """Judged without our code: every blob is what its name says, every named manifest's blobs are there."""
    for file in (store.root / "blobs").glob("*/*"):
        assert hashlib.new(file.parent.name, file.read_bytes()).hexdigest() == file.name
    if not (store.root / "index.json").exists():
        return
    left = json.loads((store.root / "index.json").read_bytes())["manifests"]
    while left:
        document = json.loads(blob(store, left.pop()["digest"]))
        left += document.get("manifests", [])
        for child in [document["config"], *document["layers"]] if "layers" in document else []:
            assert len(blob(store, child["digest"])) == child["size"]


def blob(store: Store, digest: str) -> bytes:
    return (store.root / "blobs" / digest.replace(":", "/")).read_bytes()


def test_what_is_put_is_read_back(store: Store) -> None:
    digest = store.put_bytes(b"abc")
    assert str(digest) == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert store.has(digest) and store.size(digest) == 3 and store.read(digest) == b"abc"
    assert store.path(digest).stat().st_mode & 0o777 == 0o444
    other = Digest.of_bytes(b"abc", "sha512")
    store.put(io.BytesIO(b"abc"), other, 3)
    assert store.read(other) == b"abc"
    with pytest.raises(NotFoundError):
        store.open(Digest.of_bytes(b"?"))
    with pytest.raises(FormatError, match="more than 2 bytes"):
        store.read(digest, limit=2)
    is_good(store)


@pytest.mark.parametrize(("data", "size"), [(b"abd", 3), (b"ab", 3), (b"abcd", 3), (b"abc", 4)])
def test_wrong_bytes_are_not_kept(store: Store, data: bytes, size: int) -> None:
    with pytest.raises(FormatError):
        store.put(io.BytesIO(data), Digest.of_bytes(b"abc"), size)
    assert list((store.root / "blobs/sha256").iterdir()) == list((store.root / "incoming").iterdir()) == []


def test_a_damaged_blob_is_told_and_removed(store: Store) -> None:
    manifest = add_image(store)
    store.tag(Reference.parse("a"), manifest.descriptor)
    path = store.path(manifest.layers[0].digest)
    path.chmod(0o644)
    path.write_bytes(LAYER[:-1] + b"R")
    with pytest.raises(FormatError, match="expected sha256") as raised, store.open(manifest.layers[0].digest) as stream:
        stream.read()
    assert str(path) in str(raised.value) and "pull or build" in raised.value.hint
    with pytest.raises(NotFoundError, match="tar"):
        store.tag(Reference.parse("b"), manifest.descriptor)
    add_image(store)
    store.tag(Reference.parse("b"), manifest.descriptor)
    path.chmod(0o644)
    path.write_bytes(b"short")
    with pytest.raises(FormatError, match="found 5 bytes, expected 5000"):
        store.tag(Reference.parse("b"), manifest.descriptor)
    assert not path.exists()


def test_names(store: Store) -> None:
    manifest = add_image(store)
    app, other = Reference.parse("app"), Reference.parse("localhost:5000/other:1")
    with pytest.raises(NotFoundError, match='"app:latest"') as raised:
        store.resolve(app)
    assert "wherry pull app:latest" in raised.value.hint
    store.tag(app, manifest.descriptor)
    store.tag(other, manifest.descriptor)
    newer = add_image(store, b"newer")
    store.tag(app, newer.descriptor)
    assert store.resolve(app) == newer.descriptor
    assert store.resolve(Reference.parse(f"x@{manifest.digest}")) == manifest.descriptor
    assert store.resolve(Reference.parse(f"x@{newer.digest}")) == newer.descriptor
    assert [str(found.reference) for found in store.images()] == ["docker.io/library/app:latest", "localhost:5000/other:1"]
    assert store.untag(other) == manifest.descriptor
    with pytest.raises(NotFoundError):
        store.untag(other)
    assert store.resolve(Reference.parse(f"x@{manifest.digest}")) == manifest.descriptor  # it is still there, without a name
    with pytest.raises(NotFoundError):
        store.resolve(Reference.parse(f"x@{Digest.of_bytes(b'?')}"))


def test_an_index_may_be_sparse_but_not_empty(store: Store) -> None:
    here = add_image(store).descriptor
    gone = Descriptor.of(image.OCI_MANIFEST, b"?", platform=Platform("linux", "s390x"))
    index, none = Index.build([here, gone]), Index.build([gone])
    for document in (index, none):
        store.put_bytes(document.raw)
    store.tag(Reference.parse("a"), index.descriptor)
    with pytest.raises(NotFoundError, match="none of its 1 manifests"):
        store.tag(Reference.parse("b"), none.descriptor)


def test_pruning_keeps_what_has_a_name(store: Store) -> None:
    kept, gone = add_image(store), add_image(store, b"gone")
    index = Index.build([kept.descriptor])
    store.put_bytes(index.raw)
    store.tag(Reference.parse("kept"), index.descriptor)
    with store.partial(Descriptor.of(image.OCI_LAYER, b"later")) as part:
        part.write(b"la")
    pruned = store.prune()
    assert (pruned.blobs, pruned.bytes) == (3, len(gone.raw) + 4 + 2)
    assert store.resolve(Reference.parse("kept")) == index.descriptor
    store.require(index.descriptor)
    is_good(store)
    store.untag(Reference.parse("kept"))
    assert store.prune().blobs == 4
    assert not list((store.root / "blobs").glob("*/*"))


def test_nothing_is_pruned_while_somebody_adds(store: Store) -> None:
    with store.hold():
        digest = store.put_bytes(b"about to be named")
        with pytest.raises(InputError, match="another process"):
            Store(store.root).prune()
    assert store.has(digest)
    store.prune()
    assert not store.has(digest)


def test_a_download_goes_on_where_it_ended(store: Store) -> None:
    descriptor = Descriptor.of(image.OCI_LAYER, LAYER)
    with store.partial(descriptor) as part:
        part.write(LAYER[:999])
        with pytest.raises(FormatError, match="found 999 bytes, expected 5000"):
            part.commit()
    with Store(store.root).partial(descriptor) as part:
        assert part.size == 999 and not part.complete
        part.write(LAYER[999:])
        part.commit()
    assert store.read(descriptor.digest) == LAYER
    with store.partial(descriptor) as part:
        assert part.complete
    is_good(store)


def test_a_download_of_wrong_bytes_starts_anew(store: Store) -> None:
    descriptor = Descriptor.of(image.OCI_LAYER, LAYER)
    with store.partial(descriptor) as part:
        part.write(b"L" + LAYER[1:])
        with pytest.raises(FormatError, match="found digest"):
            part.commit()
        assert part.size == 0
        with pytest.raises(FormatError, match="more than 5000"):
            part.write(LAYER + b"!")
    with store.partial(descriptor) as part:
        assert part.size == 0


def test_downloads_of_one_blob_take_turns(store: Store) -> None:
    """Eight at once: one writes, the others find it done, and none writes into the finished blob."""
    descriptor = Descriptor.of(image.OCI_LAYER, LAYER)

    def download(_: int) -> bool:
        with Store(store.root).partial(descriptor) as part:
            if part.complete:
                return False
            for start in range(0, len(LAYER), 100):
                part.write(LAYER[start : start + 100])
            part.commit()
            return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(download, range(8))) == 1
    is_good(store)
    assert list((store.root / "partial").iterdir()) == []


def test_threads_and_processes_tag_at_once(store: Store) -> None:
    """No name is lost: the index is read and replaced under one lock."""
    manifest = add_image(store)
    program = """
        import sys
        from pathlib import Path
        from wherry.oci.store import Store
        from wherry.oci.reference import Reference
        store = Store(Path(sys.argv[1]))
        for i in range(20):
            store.tag(Reference.parse(f"{sys.argv[2]}:{i}"), store.resolve(Reference.parse("app")))
    """
    store.tag(Reference.parse("app"), manifest.descriptor)
    running = [subprocess.Popen([sys.executable, "-c", textwrap.dedent(program), store.root, f"app{i}"]) for i in range(4)]
    assert [process.wait() for process in running] == [0] * 4
    assert len(store.images()) == 81


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "index.json: found no JSON"),
        (b'{"schemaVersion":2,"config":{}}', "index.json"),
        (
            b'{"schemaVersion":2,"manifests":[{"mediaType":"x","size":1,"digest":"sha256:%s","annotations":'
            b'{"org.opencontainers.image.ref.name":"A B"}}]}' % (b"0" * 64),
            "index.json: image",
        ),
    ],
)
def test_a_damaged_index_is_named(store: Store, raw: bytes, words: str) -> None:
    (store.root / "index.json").write_bytes(raw)
    with pytest.raises(FormatError, match=words):
        store.images()


WORKER = textwrap.dedent("""
    # Adds, names, prunes and downloads without end; says every name that is safely in.
    import itertools, sys
    from pathlib import Path
    from wherry.errors import InputError
    from wherry.oci import image
    from wherry.oci.image import Descriptor, Manifest
    from wherry.oci.reference import Reference
    from wherry.oci.store import Store
    root, seed = Path(sys.argv[1]), int(sys.argv[2])
    for i in itertools.count():
        store = Store(root)
        layer = b"%d %d" % (seed, i) * 2000
        config = b'{"os":"wasi","seed":%d}' % seed
        with store.hold():
            manifest = Manifest.build(Descriptor.of(image.OCI_CONFIG, config), [Descriptor.of(image.OCI_LAYER, layer)])
            with store.partial(manifest.layers[0]) as part:
                if not part.complete:
                    for start in range(part.size, len(layer), 1000):
                        part.write(layer[start : start + 1000])
                    part.commit()
            store.put_bytes(config)
            store.put_bytes(manifest.raw)
            store.tag(Reference.parse(f"s{seed}:{i}"), manifest.descriptor)
        print(f"s{seed}:{i}", flush=True)
        if i % 3 == 2:
            store.untag(Reference.parse(f"s{seed}:{i - 2}"))
            print(f"-s{seed}:{i - 2}", flush=True)
            try:
                store.prune()
            except InputError:
                pass
""")


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_a_good_store(store: Store) -> None:
    """Two processes are killed at random moments, again and again: every blob is whole, no name that was said is lost."""
    chance = random.Random(3)
    kept: set[str] = set()
    for turn in range(25):
        command = [sys.executable, "-c", WORKER, str(store.root)]
        pair = [subprocess.Popen([*command, str(2 * turn + k)], stdout=subprocess.PIPE, text=True) for k in range(2)]
        for process in pair:
            assert process.stdout is not None
            for _ in range(chance.randrange(1, 5)):
                said = process.stdout.readline().strip()
                assert said, "the worker failed"
                kept.add(said)
            spin(chance.randrange(30_000))  # into the middle of something
            process.send_signal(signal.SIGKILL)
            kept |= set(process.stdout.read().split())
            assert process.wait() == -signal.SIGKILL
            process.stdout.close()
        is_good(store)
    names = {found.reference.familiar for found in store.images()}
    assert {name for name in kept if not name.startswith("-") and f"-{name}" not in kept} - names <= said_last(kept)
    store.prune()
    assert list((store.root / "incoming").iterdir()) == []
    is_good(store)


def spin(steps: int) -> None:
    for _ in range(steps):
        pass


def said_last(kept: set[str]) -> set[str]:
    """Names whose removal may have happened just before the kill, and was not said any more: the worker removes i at i + 2."""
    return {
        name for name in kept if (s := name.split(":"))[0][0] != "-" and f"{s[0]}:{int(s[1]) + 2}" in kept and int(s[1]) % 3 == 0
    }


STEPS = """
# One download, one name, one pruning.
from pathlib import Path
from wherry.oci import image
from wherry.oci.image import Descriptor, Manifest
from wherry.oci.reference import Reference
from wherry.oci.store import Store
def work(top):
    store = Store(top)
    layer, config = b"layer" * 1000, b"{}"
    manifest = Manifest.build(Descriptor.of(image.OCI_CONFIG, config), [Descriptor.of(image.OCI_LAYER, layer)])
    with store.hold():
        with store.partial(manifest.layers[0]) as part:
            if not part.complete:
                part.write(layer[part.size:])
                part.commit()
        store.put_bytes(config)
        store.put_bytes(manifest.raw)
        store.tag(Reference.parse("app"), manifest.descriptor)
    store.untag(Reference.parse("app"))
    store.tag(Reference.parse("app"), manifest.descriptor)
    store.prune()
"""


@pytest.mark.slow
def test_a_kill_at_every_step_leaves_a_good_store(in_memory: Path) -> None:
    """The same work is killed before its first file operation, its second, and so on to the last; then it is done again."""
    with Killable(STEPS) as process:
        for step in range(1, 1000):
            root = in_memory / str(step)
            done = process.work(root, step)
            if root.is_dir():
                is_good(Store(root))
            assert process.work(root), step
            is_good(Store(root))
            assert len(Store(root).images()) == 1
            assert list((root / "incoming").iterdir()) == list((root / "partial").iterdir()) == []
            if done:
                assert step > 40
                return
    pytest.fail("it never ended")


@pytest.mark.skipif(os.geteuid() != 0 and not os.environ.get("CI"), reason="a small file system needs root")
def test_a_full_disk_says_where_and_loses_nothing(tmp_path: Path) -> None:
    program = """
        import subprocess, sys
        from pathlib import Path
        from wherry.oci.store import Store
        root = Path(sys.argv[1])
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", root], check=True)
        store = Store(root / "images")
        good = store.put_bytes(b"good")
        try:
            store.put_bytes(bytes(2 << 20))
        except OSError as error:
            assert error.errno == 28 and str(root) in error.filename, error
            assert not list((store.root / "incoming").iterdir())
            assert store.read(good) == b"good"
            store.put_bytes(b"small enough")
            print("refused")
    """
    command = ["unshare", "-m", sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "refused\n", done
