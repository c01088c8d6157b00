"""The root of a run: what umoci unpacks, unpacked once, written to without a trace."""

import gzip
import os
import shutil
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.oci.conftest import Killable, add_image, plain_tar, program, run
from wherry.errors import FormatError, NotFoundError
from wherry.oci.digest import Digest
from wherry.oci.image import ImageConfig, Manifest
from wherry.oci.rootfs import Roots, chain_ids
from wherry.oci.store import Store

LOWER = plain_tar(
    {"app.wasm": b"\0asm", "models": None, "models/tiny": b"weights" * 1000, "etc/old": b"old", "link": "models/tiny"}
)
UPPER = plain_tar({"app.wasm": b"\0asm2", "etc/.wh.old": b"", "etc/new": b"new", "models/far": "/etc/new"})


def config_of(store: Store, manifest: Manifest) -> ImageConfig:
    return ImageConfig.parse(store.read(manifest.config.digest))


def tree(root: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in sorted(root.rglob("*"))}


@pytest.fixture
def roots(store: Store, tmp_path: Path) -> Roots:
    return Roots(tmp_path / "rootfs", store)


def test_the_root_is_what_umoci_unpacks(store: Store, roots: Roots, tmp_path: Path) -> None:
    """By way of skopeo, which reads the store as it lies."""
    manifest = add_image(store, [gzip.compress(LOWER), gzip.compress(UPPER)], diff_ids=[LOWER, UPPER])
    run(
        program("skopeo"),
        "copy",
        "--insecure-policy",
        f"oci:{store.root}:docker.io/library/app:latest",
        f"oci:{tmp_path}/layout:x",
    )
    run(program("umoci"), "raw", "unpack", "--rootless", "--image", f"{tmp_path}/layout:x", tmp_path / "unpacked")
    with roots.unpacked(manifest, config_of(store, manifest)) as root, roots.writable(root) as copy:
        # An absolute link is followed in the root, not on this machine: here it was made relative.
        expected = {name: content for name, content in tree(tmp_path / "unpacked").items() if name != "models/far"}
        for found in (root, copy):
            assert {name: content for name, content in tree(found).items() if name != "models/far"} == expected
            assert (found / "models/far").read_bytes() == b"new"


def test_the_chain_ids_of_the_specification() -> None:
    """ChainID(L₀|L₁) = Digest(ChainID(L₀) + " " + DiffID(L₁)), by sha256sum."""
    a, b, c = (Digest.of_bytes(name) for name in (b"a", b"b", b"c"))
    second = subprocess.run(["sha256sum"], input=f"{a} {b}".encode(), capture_output=True, check=True).stdout.split()[0].decode()
    third = subprocess.run(["sha256sum"], input=f"sha256:{second} {c}".encode(), capture_output=True, check=True).stdout.split()[
        0
    ]
    assert [chain.hex for chain in chain_ids([a, b, c])] == [a.hex, second, third.decode()]
    assert chain_ids([]) == []


def test_nothing_is_unpacked_twice(store: Store, roots: Roots, tmp_path: Path) -> None:
    """A second run, and another image over the same lower layer, want no blob that was unpacked before."""
    first = add_image(store, [LOWER, UPPER])
    with roots.unpacked(first, config_of(store, first)) as root:
        files = {path: path.stat().st_ino for path in root.rglob("*")}
    other = add_image(store, [LOWER, plain_tar({"x": b"x"})], name="other")
    store.path(first.layers[0].digest).unlink()
    store.path(first.layers[1].digest).unlink()
    with roots.unpacked(first, config_of(store, first)) as root:
        assert {path: path.stat().st_ino for path in root.rglob("*")} == files
    with roots.unpacked(other, config_of(store, other)) as root:
        assert tree(root)["models/tiny"] == b"weights" * 1000 and tree(root)["x"] == b"x"
        assert (root / "etc/old").read_bytes() == b"old"
    missing = add_image(store, [plain_tar({"y": b"y"})], name="third")
    store.path(missing.layers[0].digest).unlink()
    with pytest.raises(NotFoundError), roots.unpacked(missing, config_of(store, missing)):
        pass


def test_no_write_reaches_the_store(store: Store, roots: Roots) -> None:
    """Everything a run can do to its root is gone with it."""
    manifest = add_image(store, [LOWER, UPPER])
    with roots.unpacked(manifest, config_of(store, manifest)) as root:
        before = tree(root)
        blobs = {path: path.read_bytes() for path in (store.root / "blobs").glob("*/*")}
        with roots.writable(root) as copy:
            for path in [path for path in copy.rglob("*") if path.is_file() and not path.is_symlink()]:
                with path.open("r+b") as file:
                    file.write(b"!")
                    file.truncate(1)
            (copy / "app.wasm").unlink()
            (copy / "new").mkdir()
            (copy / "models").rename(copy / "new/models")
            (copy / "link").unlink()
        assert not copy.exists() and list(copy.parent.iterdir()) == []
        assert tree(root) == before
        assert {path: path.read_bytes() for path in (store.root / "blobs").glob("*/*")} == blobs
        with roots.writable(root) as copy:
            assert tree(copy) == before


@pytest.mark.skipif(os.geteuid() != 0 and not os.environ.get("CI"), reason="becoming another user needs root")
def test_a_large_file_is_shared_with_a_user_who_cannot_write_it() -> None:
    """An ordinary user's run does not copy a large model, and cannot open it for writing."""
    steps = """
        import os, tempfile
        from pathlib import Path
        from tests.oci.conftest import add_image, plain_tar
        from wherry.oci.image import ImageConfig
        from wherry.oci.rootfs import Roots
        from wherry.oci.store import Store
        with tempfile.TemporaryDirectory() as top:
            os.chmod(top, 0o777)
            os.chdir(top)
            os.setgroups([]); os.setegid(65534); os.seteuid(65534)
            store = Store(Path("images"))
            manifest = add_image(store, [plain_tar({"model": bytes(64 << 20), "small": b"s"})])
            roots = Roots(Path("rootfs"), store)
            config = ImageConfig.parse(store.read(manifest.config.digest))
            with roots.unpacked(manifest, config) as root, roots.writable(root) as copy:
                try:
                    (copy / "model").open("r+b").close()
                    shared = False
                except PermissionError:
                    shared = True
                cloned = (copy / "model").stat().st_ino != (root / "model").stat().st_ino
                (copy / "small").write_bytes(b"written")
                (copy / "model").unlink()
                assert (root / "model").stat().st_size == 64 << 20
                assert shared != cloned, "the file system shares blocks, or the file is shared and cannot be written"
                print("kept")
            os.seteuid(0)
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", textwrap.dedent(steps)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "kept\n", done


def test_a_layer_of_another_digest_is_refused_and_leaves_nothing(store: Store, roots: Roots, tmp_path: Path) -> None:
    manifest = add_image(store, [LOWER], diff_ids=[UPPER])
    with pytest.raises(FormatError, match="diff_id"), roots.unpacked(manifest, config_of(store, manifest)):
        pass
    short = add_image(store, [LOWER, UPPER], diff_ids=[LOWER])
    with pytest.raises(FormatError, match="2 layers and 1 diff_ids"), roots.unpacked(short, config_of(store, short)):
        pass
    assert [path.name for path in (tmp_path / "rootfs/trees").iterdir()] == ["empty"]


def test_eight_runs_at_once(store: Store, roots: Roots) -> None:
    manifest = add_image(store, [LOWER, UPPER])
    config = config_of(store, manifest)

    def once(i: int) -> bytes:
        with roots.unpacked(manifest, config) as root, roots.writable(root) as copy:
            (copy / "app.wasm").write_bytes(b"%d" % i)
            assert (root / "app.wasm").read_bytes() == b"\0asm2"
            return (copy / "app.wasm").read_bytes()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(once, range(8))) == [b"%d" % i for i in range(8)]


def test_pruning_keeps_what_is_needed_and_what_runs(store: Store, roots: Roots, tmp_path: Path) -> None:
    kept, gone = add_image(store, [LOWER]), add_image(store, [UPPER], name="gone")
    for manifest in (kept, gone):
        with roots.unpacked(manifest, config_of(store, manifest)):
            assert roots.prune([]).blobs == 0
    assert roots.prune([(kept, config_of(store, kept))]).blobs == 2  # gone's, and the empty one
    with roots.unpacked(kept, config_of(store, kept)) as root:
        assert (root / "models/tiny").exists()
    assert len(list((tmp_path / "rootfs/trees").iterdir())) == 2


UNPACK = """
from pathlib import Path
from wherry.oci.image import ImageConfig
from wherry.oci.reference import Reference
from wherry.oci.rootfs import Roots
from wherry.oci.store import Store
def work(top):
    store = Store(top / "images")
    manifest = store.document(store.resolve(Reference.parse("app")))
    roots = Roots(top / "rootfs", store)
    with roots.unpacked(manifest, ImageConfig.parse(store.read(manifest.config.digest))) as root, roots.writable(root) as copy:
        found = sorted(str(path.relative_to(copy)) for path in copy.rglob("*"))
        (top / "found").write_text(" ".join(found) + f" {len(list((top / 'rootfs/runs').iterdir()))}")
"""


@pytest.mark.slow
def test_a_kill_at_every_step_leaves_a_good_root(in_memory: Path) -> None:
    """The same run is killed before its first file operation, its second, and so on; then it is done again."""
    add_image(Store(in_memory / "images"), [LOWER, UPPER])
    with Killable(UNPACK) as process:
        for step in range(1, 1000):
            if (in_memory / "rootfs").is_dir():
                shutil.rmtree(in_memory / "rootfs")
            done = process.work(in_memory, step)
            (in_memory / "found").unlink(missing_ok=True)
            assert process.work(in_memory)
            assert (in_memory / "found").read_text() == "app.wasm etc etc/new link models models/far models/tiny 2", step
            names = [path.name for path in (in_memory / "rootfs/trees").iterdir()]
            assert len(names) == 3 and not any(name.startswith("new-") for name in names), step
            assert list((in_memory / "rootfs/runs").iterdir()) == [], step
            if done:
                assert step > 30
                return
    pytest.fail("it never ended")
