"""Bytes flipped and lost, registries that die, processes killed, disks full: a good image or a clear error, and nothing lost."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.oci.conftest import Killable, program, run
from tests.oci.images import blobs, descriptor, put_image, same_blobs
from tests.oci.registries import DockerRegistry, Fault, Proxy, Request, running
from tests.oci.test_registry import NOBODY, first, gets_blob, transfers
from tests.oci.test_store import is_good
from tests.oci.test_transfer import at
from wherry.errors import DownloadError, FormatError
from wherry.oci.connection import Patience
from wherry.oci.progress import Step
from wherry.oci.reference import Reference
from wherry.oci.store import Store
from wherry.oci.transfer import Transfers, pull, push

SIZE = 3 << 20  # bytes of the layer


@pytest.fixture
def own(tmp_path: Path) -> Iterator[DockerRegistry]:
    """A registry that a test may kill."""
    with running(DockerRegistry(tmp_path / "registry")) as started:
        yield started


def pushed(tmp_path: Path, host: str, name: Reference, size: int = SIZE) -> tuple[Store, dict[str, Any]]:
    """An image that the registry at `host` has -> where it came from, its parts."""
    work = transfers(tmp_path, "origin")
    parts = put_image(work.store, str(name), size=size)
    upstream = Reference.parse(f"{host}/{name.repository}:{name.tag}")
    work.store.tag(upstream, work.store.resolve(name))
    push(upstream, work)
    return work.store, parts


def layer(parts: dict[str, Any]) -> str:
    digest: str = parts["layers"][0]["digest"]
    return digest


def gets(digest: str) -> Callable[[Request], bool]:
    return lambda request: gets_blob(request) and request.digest == digest


def in_turn(wanted: Callable[[Request], bool], *faults: Fault) -> Callable[[Request], Fault | None]:
    """One fault after the other, for the requests that are wanted."""
    left = list(faults)
    return lambda request: left.pop(0) if left and wanted(request) else None


# -- the line


@pytest.mark.parametrize(
    "fault",
    [
        Fault(flip=1_000_000),
        Fault(flip=0),
        Fault(cut=2_000_000),
        Fault(cut=0),
        Fault(reset=2_000_000),
        Fault(reset=0),
        Fault(close=1_000_000),
        Fault(lose_answer=True),
        Fault(status=500),
        Fault(no_ranges=True),
        Fault(status=206, body=b"x" * 100, headers={"Content-Range": "bytes 5-104/200"}),
        Fault(status=416),
    ],
    ids=[
        "flip",
        "flip-first",
        "cut",
        "cut-all",
        "reset",
        "reset-first",
        "close",
        "lost",
        "500",
        "no-ranges",
        "wrong-range",
        "416",
    ],
)
def test_what_happens_on_the_line_is_made_good(tmp_path: Path, registry: DockerRegistry, fault: Fault) -> None:
    with Proxy(registry.host).serving() as proxy:
        name = at(proxy, tmp_path)
        origin, parts = pushed(tmp_path, registry.host, name)
        # At the beginning, and while a download goes on that was torn.
        for number, faults in enumerate([(fault,), (Fault(reset=500_000), fault)]):
            proxy.faults = in_turn(gets(layer(parts)), *faults)
            work = transfers(tmp_path, f"other{number}")
            pull(name, work)
            assert same_blobs(origin.root, work.store.root)
            assert not list((work.store.root / "partial").iterdir())


def test_a_torn_download_goes_on_where_it_was_torn(tmp_path: Path, registry: DockerRegistry) -> None:
    with Proxy(registry.host).serving() as proxy:
        name = at(proxy, tmp_path)
        _, parts = pushed(tmp_path, registry.host, name)
        size = parts["layers"][0]["size"]
        proxy.faults = first(2, gets(layer(parts)), Fault(reset=1_000_000))
        work = transfers(tmp_path)
        assert pull(name, work).bytes < size + 10_000  # nothing came twice
        ranges = [request.headers.get("Range") for request in proxy.requests if gets(layer(parts))(request)]
        assert ranges[0] is None and all(said and said.startswith("bytes=") for said in ranges[1:]) and len(ranges) == 3
        is_good(work.store)


def test_many_tears_are_no_reason_to_give_up(tmp_path: Path, registry: DockerRegistry) -> None:
    """As long as there is progress: a megabyte and more each time."""
    with Proxy(registry.host).serving() as proxy:
        name = at(proxy, tmp_path)
        origin, parts = pushed(tmp_path, registry.host, name, size=20 << 20)
        proxy.faults = first(99, gets(layer(parts)), Fault(close=1_500_000))
        work = transfers(tmp_path, attempts=3)
        pull(name, work)
        assert same_blobs(origin.root, work.store.root)
        assert proxy.count("GET", layer(parts)) > 10


def test_manifests_are_flipped_too(tmp_path: Path, registry: DockerRegistry) -> None:
    with Proxy(registry.host).serving() as proxy:
        name = at(proxy, tmp_path)
        origin, _ = pushed(tmp_path, registry.host, name)
        for number in range(2):
            wanted = ["/manifests/1", "/manifests/sha256"][number]
            proxy.faults = first(1, lambda request, wanted=wanted: wanted in request.path, Fault(flip=30))
            work = transfers(tmp_path, f"other{number}")
            pull(name, work)
            assert same_blobs(origin.root, work.store.root)


@pytest.mark.parametrize(
    "fault", [Fault(reset_request=400_000), Fault(reset_request=0), Fault(lose_answer=True), Fault(status=503)]
)
@pytest.mark.parametrize(("method", "size"), [("PATCH", 40 << 20), ("PUT", 2 << 20), ("POST", 2 << 20)])
def test_torn_uploads_end_well(tmp_path: Path, registry: DockerRegistry, fault: Fault, method: str, size: int) -> None:
    """The second of the requests, so that something is there already."""
    work, other = transfers(tmp_path), transfers(tmp_path, "other")
    with Proxy(registry.host).serving() as proxy:
        name = at(proxy, tmp_path)
        put_image(work.store, str(name), size=size)
        count = 0

        def second(request: Request) -> Fault | None:
            nonlocal count
            count += request.method == method
            return fault if request.method == method and count == 2 else None

        proxy.faults = second
        push(name, work)
        assert count > 2
        proxy.faults = lambda request: None
        pull(name, other)
        assert same_blobs(work.store.root, other.store.root)


# -- the registry's own disk


def damaged(registry: DockerRegistry, digest: str, change: Callable[[bytes], bytes]) -> None:
    path = registry.blob(digest)
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda raw: raw[:500] + bytes([raw[500] ^ 1]) + raw[501:], "found digest sha256:"),
        (lambda raw: raw[:-1], "found "),
        (lambda raw: raw + b"!", "found "),
        (lambda raw: b"", "found "),
    ],
    ids=["flipped", "truncated", "longer", "empty"],
)
def test_a_damaged_layer_in_the_registry_is_refused(
    tmp_path: Path, own: DockerRegistry, change: Callable[[bytes], bytes], words: str
) -> None:
    name = at(own, tmp_path)
    _, parts = pushed(tmp_path, own.host, name)
    damaged(own, layer(parts), change)
    work = transfers(tmp_path, "other")
    with pytest.raises((FormatError, DownloadError)) as caught:
        pull(name, work)
    assert own.host in caught.value.message and layer(parts) in caught.value.message and words in caught.value.message
    assert "push the image there again" in caught.value.hint
    assert not work.store.images() and not work.store.has(descriptor(parts["layers"][0]).digest)
    is_good(work.store)


def test_a_layer_that_the_registry_has_lost(tmp_path: Path, own: DockerRegistry) -> None:
    name = at(own, tmp_path)
    _, parts = pushed(tmp_path, own.host, name)
    own.blob(layer(parts)).unlink()
    own.stop()
    own.start()  # it remembers what it had
    with pytest.raises(Exception, match=layer(parts)) as caught:
        pull(name, transfers(tmp_path, "other"))
    assert "push the image there again" in caught.value.hint  # type: ignore[attr-defined]


# -- a registry that dies


def test_a_registry_that_dies_and_comes_back(tmp_path: Path, own: DockerRegistry) -> None:
    """In the middle of a pull, then of a push: both go on as if nothing had been."""
    name = at(own, tmp_path)
    origin, _ = pushed(tmp_path, own.host, name, size=24 << 20)

    def die(step: Step) -> None:
        if own.runs and step.blob.size > SIZE and step.done > 4 << 20 and deaths:
            deaths.pop()
            own.stop(signal.SIGKILL)

    async def come_back(seconds: float) -> None:
        if not own.runs:
            own.start()

    deaths = [1]
    patience = Patience(connect=5, silence=5, answer=10, sleep=come_back)
    work = Transfers(Store(tmp_path / "other"), NOBODY, patience, progress=die)
    pull(name, work)
    assert not deaths and same_blobs(origin.root, work.store.root)

    deaths = [1]
    put_image(work.store, str(name), size=24 << 20, seed="new")
    push(name, work)
    assert not deaths
    last = transfers(tmp_path, "last")
    pull(name, last)
    is_good(last.store)
    assert last.store.resolve(name) == work.store.resolve(name)


def test_a_registry_that_dies_for_good(tmp_path: Path, own: DockerRegistry) -> None:
    """A clear error; what has come stays, and the next pull goes on with it."""
    name = at(own, tmp_path)
    origin, parts = pushed(tmp_path, own.host, name, size=24 << 20)

    def die(step: Step) -> None:
        if own.runs and step.done > 4 << 20:
            own.stop(signal.SIGKILL)

    work = transfers(tmp_path, "other")
    with pytest.raises(DownloadError) as caught:
        pull(name, Transfers(work.store, NOBODY, work.patience, progress=die))
    assert own.host in caught.value.message and caught.value.hint
    assert not work.store.images()
    kept = work.store.partial_size(descriptor(parts["layers"][0]).digest)
    assert kept > 4 << 20
    own.start()
    assert pull(name, work).bytes <= parts["layers"][0]["size"] - kept + 10_000
    assert same_blobs(origin.root, work.store.root)


# -- several processes, and their ends

WORKER = textwrap.dedent("""
    import sys, os, signal
    from pathlib import Path
    from wherry.oci.connection import Patience
    from wherry.oci.docker_config import DockerConfig
    from wherry.oci.reference import Reference
    from wherry.oci.store import Store
    from wherry.oci.transfer import Transfers, pull, push
    move, root, name, kill = {"pull": pull, "push": push}[sys.argv[1]], sys.argv[2], sys.argv[3], int(sys.argv[4])
    steps = 0
    def progress(step):
        global steps
        steps += 1
        if kill < 0:
            print(step.state, step.blob.digest, step.done, flush=True)
        if steps == kill:
            os.kill(os.getpid(), signal.SIGKILL)
    nobody = DockerConfig(Path("/nonexistent/config.json"))
    done = move(Reference.parse(name), Transfers(Store(Path(root)), nobody, Patience(pause=0.01), progress))
    print("done", done.bytes, steps, flush=True)
""")


def worker(move: str, root: Path, name: Reference, kill: int = 0) -> "subprocess.Popen[str]":
    """A process of its own; killed at its `kill`-th sign of progress, or telling each of them (-1)."""
    command = [sys.executable, "-c", WORKER, move, str(root), str(name), str(kill)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_pulls_at_once_fetch_once(tmp_path: Path, registry: DockerRegistry) -> None:
    """The second process waits for the first; neither takes a byte twice."""
    with Proxy(registry.host).serving() as proxy:
        name = at(proxy, tmp_path)
        origin, parts = pushed(tmp_path, registry.host, name)
        both_wait = threading.Event()
        proxy.faults = lambda request: Fault(before=both_wait.wait) if gets(layer(parts))(request) else None
        root = tmp_path / "other"
        pair = [worker("pull", root, name, -1) for _ in range(2)]
        for process in pair:
            until(process, lambda words: words[:2] == ["waiting", layer(parts)])
        both_wait.set()
        ends = [process.communicate(timeout=60) for process in pair]
        assert [process.returncode for process in pair] == [0, 0], ends
        moved = [int(out.split()[-2]) for out, _ in ends]
        assert sum(moved) == sum(len(raw) for digest, raw in blobs(origin.root).items() if b"schemaVersion" not in raw)
        assert proxy.count("GET", layer(parts)) == 1
        assert same_blobs(origin.root, root)


def test_a_pull_takes_over_from_one_that_was_killed(tmp_path: Path, registry: DockerRegistry) -> None:
    """It waited for the other's download, and goes on with what that left."""
    with Proxy(registry.host).serving() as proxy:
        name = at(proxy, tmp_path)
        origin, parts = pushed(tmp_path, registry.host, name)
        proxy.faults = in_turn(gets(layer(parts)), Fault(stall=1_500_000))
        root = tmp_path / "other"
        one = worker("pull", root, name, -1)
        until(one, lambda words: words[:2] == ["moving", layer(parts)] and int(words[2]) > 1_000_000)
        other = worker("pull", root, name, -1)
        until(other, lambda words: words[:2] == ["waiting", layer(parts)])
        one.kill()
        one.communicate()
        _, error = other.communicate(timeout=60)
        assert other.returncode == 0, error
        assert same_blobs(origin.root, root)
        ranges = [request.headers.get("Range", "") for request in proxy.requests if gets(layer(parts))(request)]
        assert len(ranges) == 2 and int(ranges[1].removeprefix("bytes=").rstrip("-")) > 900_000


def until(process: "subprocess.Popen[str]", wanted: Callable[[list[str]], bool]) -> None:
    """Read what a worker tells, up to the line that is wanted."""
    assert process.stdout is not None
    for line in process.stdout:
        if wanted(line.split()):
            return
    pytest.fail(f"it ended first: {process.communicate()[1]}")


@pytest.mark.slow
@pytest.mark.parametrize("move", ["pull", "push"])
def test_a_kill_in_any_phase_loses_nothing(tmp_path: Path, in_memory: Path, registry: DockerRegistry, move: str) -> None:
    """At points by chance, from the first sign of progress to the last: then the same again, to a good end."""
    chance = random.Random(move)
    name = at(registry, tmp_path)
    origin, _ = pushed(tmp_path, registry.host, name, size=2 << 20)
    whole = worker(move, tmp_path / "whole" if move == "pull" else origin.root, name.with_tag("1"))
    _, error = whole.communicate(timeout=60)
    assert whole.returncode == 0, error
    for turn in range(8):
        root = in_memory / f"store{turn}"
        target = name if move == "pull" else Reference.parse(f"{name}-{turn}".replace("/app:", f"/app{turn}:"))
        store = Store(root)
        if move == "push":
            put_image(store, str(target), size=2 << 20, seed=turn)
        killed = worker(move, root, target, chance.randrange(1, 40))
        killed.communicate(timeout=60)
        assert killed.returncode in (-signal.SIGKILL, 0)
        is_good(store)
        if move == "pull" and killed.returncode:
            assert not store.images()  # a name comes last
        again = worker(move, root, target)
        _, error = again.communicate(timeout=60)
        assert again.returncode == 0, error
        is_good(store)
        if move == "pull":
            assert same_blobs(origin.root, root) and not list((root / "partial").iterdir())
        else:
            layout = tmp_path / f"layout{turn}"
            run(
                program("skopeo"),
                "copy",
                "--all",
                "--insecure-policy",
                "--src-tls-verify=false",
                f"docker://{target}",
                f"oci:{layout}:a",
            )
            assert same_blobs(root, layout)


@pytest.mark.slow
def test_a_kill_at_every_file_operation_of_a_pull(tmp_path: Path, in_memory: Path, registry: DockerRegistry) -> None:
    name = at(registry, tmp_path)
    origin, _ = pushed(tmp_path, registry.host, name, size=100_000)
    text = f"""
        from pathlib import Path
        from wherry.oci.docker_config import DockerConfig
        from wherry.oci.reference import Reference
        from wherry.oci.store import Store
        from wherry.oci.transfer import Transfers, pull
        def work(top):
            pull(Reference.parse("{name}"), Transfers(Store(top), DockerConfig(top / "none.json")))
    """
    with Killable(text) as killable:
        root, step, done = in_memory / "other", 0, False
        while not done:
            step += 1
            done = killable.work(root, step)
            store = Store(root)
            is_good(store)
            assert done or step < 500
            if step % 10 == 0:  # from the beginning again, or each kill would meet a shorter way
                root = in_memory / f"other{step}"
        assert killable.work(root)
        assert same_blobs(origin.root, root)


@pytest.mark.slow
def test_kills_at_any_moment_while_two_pull(tmp_path: Path, registry: DockerRegistry) -> None:
    """By the clock, which nobody steers: whatever it meets, the store stays good, and the last pull completes it."""
    chance = random.Random(5)
    name = at(registry, tmp_path)
    origin, _ = pushed(tmp_path, registry.host, name, size=8 << 20)
    store = Store(tmp_path / "other")
    for _ in range(6):
        pair = [worker("pull", store.root, name, -1) for _ in range(2)]
        for process in pair:
            assert process.stdout is not None
            for _ in range(chance.randrange(30)):
                process.stdout.readline()
            process.kill()
        for process in pair:
            process.communicate(timeout=60)
        is_good(store)
    pull(name, Transfers(store, NOBODY))
    assert same_blobs(origin.root, store.root)
    assert not list((store.root / "partial").iterdir()) and not list((store.root / "incoming").iterdir())


# -- the disk


SMALL_DISK = textwrap.dedent("""
    # A pull into a store on a file system of its own, which somebody else fills meanwhile, and then leaves.
    import subprocess, sys
    from pathlib import Path
    from wherry.errors import WherryError
    from wherry.oci.docker_config import DockerConfig
    from wherry.oci.reference import Reference
    from wherry.oci.store import Store
    from wherry.oci.transfer import Transfers, pull
    root, name, size, filled = Path(sys.argv[1]), Reference.parse(sys.argv[2]), sys.argv[3], sys.argv[4] == "filled"
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", root], check=True)
    def fill(step):
        if filled and step.state == "moving" and not (root / "filler").exists():
            with open(root / "filler", "wb", buffering=0) as file:
                try:
                    while file.write(bytes(4096)): pass
                except OSError: pass
    work = Transfers(Store(root / "images"), DockerConfig(root / "none"), progress=fill)
    try:
        pull(name, work)
    except WherryError as error:
        print(error)
        assert not work.store.images()
        if filled:
            (root / "filler").unlink()
            pull(name, Transfers(work.store, work.config))
            print("then done")
""")


def pull_to_a_small_disk(tmp_path: Path, name: Reference, size: str, how: str) -> str:
    """-> what the program says."""
    if os.geteuid() != 0:
        words = "left out: a small file system wants root"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    (tmp_path / "disk").mkdir()
    command = ["unshare", "-m", sys.executable, "-c", SMALL_DISK, str(tmp_path / "disk"), str(name), size, how]
    return run(*command)


def test_a_disk_too_small_is_told_before_anything_moves(tmp_path: Path, registry: DockerRegistry) -> None:
    with Proxy(registry.host).serving() as proxy:
        name = at(proxy, tmp_path)
        pushed(tmp_path, registry.host, name)
        said = pull_to_a_small_disk(tmp_path, name, "1m", "alone")
        assert "the disk is too full: found" in said and "wherry prune" in said
        assert proxy.count("GET", "/blobs/") == 0


def test_a_disk_that_fills_while_we_pull(tmp_path: Path, registry: DockerRegistry) -> None:
    """The error says where, and what came stays for the next time."""
    name = at(registry, tmp_path)
    pushed(tmp_path, registry.host, name)
    said = pull_to_a_small_disk(tmp_path, name, "5m", "filled")
    assert "No space left on device" in said and "what has come is kept" in said
    assert "wherry prune" in said and "then done" in said
