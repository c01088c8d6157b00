"""containerd by its own tool, and as Kubernetes uses it: RuntimeClass, device request, logs, exec, stop."""

import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.container import cri
from tests.container.conftest import Containerd
from tests.container.test_speech import PRELOAD

IMAGE = "docker.io/library/probe:latest"
CAPABILITIES = (  # what containerd gives
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID",
    "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
)  # fmt: skip


def ctr(containerd: Containerd, *words: str | Path, stdin: str = "", seconds: float = 120) -> subprocess.CompletedProcess[str]:
    command = [*containerd.ctr, "--namespace", "k8s.io", *map(str, words)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=seconds, check=False)


def run(
    containerd: Containerd,
    *arguments: str,
    flags: tuple[str | Path, ...] = ("--rm",),
    name: str = "",
    image: str = IMAGE,
    stdin: str = "",
    seconds: float = 120,
) -> subprocess.CompletedProcess[str]:
    words = ["run", "--runtime", "io.containerd.runc.v2", "--runc-binary", containerd.program, "--platform", "wasi/wasm"]
    return ctr(containerd, *words, *flags, image, name or f"t{uuid.uuid4().hex[:12]}", *arguments, stdin=stdin, seconds=seconds)


@contextmanager
def running(containerd: Containerd, *arguments: str, flags: tuple[str | Path, ...] = ()) -> Iterator[tuple[str, Path]]:
    """A container in the background -> its name, its log, once that has a line."""
    name = f"t{uuid.uuid4().hex[:12]}"
    out = Path(tempfile.gettempdir()) / f"{name}.log"
    done = run(containerd, *arguments, flags=("-d", "--log-uri", f"file://{out}", *flags), name=name)
    assert done.returncode == 0, done.stderr
    try:
        written(out, "")
        yield name, out
    finally:
        ctr(containerd, "task", "rm", "--force", name)
        ctr(containerd, "container", "rm", name)
        out.unlink(missing_ok=True)


def written(log: Path, line: str) -> str:
    for _ in range(1200):
        text = log.read_text() if log.exists() else ""
        if text and line in text:
            return text
        time.sleep(0.05)
    raise AssertionError(f"no {line!r} in {text!r}")


def task(containerd: Containerd, name: str, state: str) -> int:
    """Wait until a task is in a state -> its process."""
    for _ in range(1200):
        for line in ctr(containerd, "task", "ls").stdout.splitlines():
            if line.split()[0] == name and line.split()[2] == state:
                return int(line.split()[1])
        time.sleep(0.05)
    raise AssertionError(f"{name} is not {state}")


def get(containerd: Containerd, url: str) -> str:
    code = f"import urllib.request; print(urllib.request.urlopen({url!r}, timeout=30).read().decode(), end='')"
    words = ["nsenter", f"--net=/run/netns/{containerd.namespace}", sys.executable, "-c", code]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_ctr_runs_a_guest(containerd: Containerd) -> None:
    result = run(containerd, "/probe.wasm", "show", "by ctr", flags=("--rm", "--env", "A=b"))
    assert result.returncode == 0, result.stderr
    assert "argument by ctr" in result.stdout
    assert "variable A=b" in result.stdout


@pytest.mark.parametrize("code", [0, 1, 42])
def test_ctr_gives_exit_codes(containerd: Containerd, code: int) -> None:
    assert run(containerd, "/probe.wasm", "exit", str(code)).returncode == code


def test_ctr_stops_restarts_execs_and_kills(containerd: Containerd) -> None:
    with running(containerd, "/probe.wasm", "wait", flags=("--read-only",)) as (name, out):
        assert ctr(containerd, "task", "exec", "--exec-id", "second", name, "/probe.wasm", "exit", "9").returncode == 9
        ctr(containerd, "task", "kill", "--signal", "SIGTERM", name)
        task(containerd, name, "STOPPED")
        assert "exit code 143" in ctr(containerd, "task", "rm", name).stderr
        started = ctr(containerd, "task", "start", "-d", "--log-uri", f"file://{out}", name)
        assert started.returncode == 0, started.stderr
        task(containerd, name, "RUNNING")
        ctr(containerd, "task", "kill", "--signal", "SIGKILL", name)
        task(containerd, name, "STOPPED")
        assert "exit code 137" in ctr(containerd, "task", "rm", name).stderr
        assert "waiting" in out.read_text()


def test_ctr_serves_and_mounts(containerd: Containerd, tmp_path: Path) -> None:
    """ctr publishes no ports: a container has the host's network, or one without anybody."""
    tmp_path.chmod(0o755)
    (tmp_path / "given").write_text("from the host")
    with running(containerd, "/probe.wasm", "serve", "8123", flags=("--net-host",)) as (_, out):
        written(out, "serving")
        assert get(containerd, "http://127.0.0.1:8123/") == "probe\n"
    given = ("--rm", "--mount", f"type=bind,src={tmp_path},dst=/data,options=rbind:ro")
    assert run(containerd, "/probe.wasm", "read", "/data/given", flags=given).stdout == "from the host"
    assert run(containerd, "/probe.wasm", "write", "/data/new", flags=given, stdin="x").returncode == 1
    assert run(containerd, "/other", "exit", "6").returncode == 6  # another entrypoint, known by its first bytes
    missing = run(containerd, "/no.wasm")
    assert missing.returncode != 0 and "/no.wasm" in missing.stderr and "no such file" in missing.stderr


def test_ctr_forbids(containerd: Containerd) -> None:
    drop = [word for name in CAPABILITIES for word in ("--cap-drop", name)]  # ctr knows no ALL
    flags = ("--read-only", "--user", "1234:1235", "--memory-limit", str(256 << 20), *drop)
    with running(containerd, "/probe.wasm", "wait", flags=flags) as (name, _):
        check(Path(f"/proc/{task(containerd, name, 'RUNNING')}"), loopback=True)
    assert run(containerd, "/probe.wasm", "fill", flags=("--rm", "--memory-limit", str(150 << 20))).returncode == 137


def check(process: Path, *, loopback: bool) -> None:
    """The kernel's own account of a process without rights."""
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line)
    assert status["Uid"].split() == ["1234"] * 4
    assert {status[key] for key in ("CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
    mounts = [line.split() for line in (process / "mountinfo").read_text().splitlines()]
    options = {fields[4]: fields[5].split(",") for fields in mounts}
    for target in ("/", "/.wherry/runtime", "/.wherry/root", "/.wherry/cache/wherry"):
        assert "ro" in options[target], target
    assert not loopback or (process / "net/dev").read_text().count(":") == 1
    groups = [line.rpartition(":")[2] for line in (process / "cgroup").read_text().splitlines() if ":memory:" in line]
    assert "/" not in groups


@pytest.mark.slow
def test_ten_containers_of_ctr_share_one_adapter(containerd: Containerd, speech_archive: Path, shaders: list[str]) -> None:
    done = ctr(containerd, "images", "import", "--all-platforms", speech_archive / "small.tar")
    assert done.returncode == 0, done.stderr
    cache = shaders[1].partition(":")[0]
    flags = [
        *("--rm", "--mount", f"type=bind,src={cache},dst=/shaders,options=rbind", *shaders[2:]),
        *("--env", "WHERRY_DEVICE=gpu:llvmpipe", "--env", "CDI_DEVICES=docker.com/gpu=lavapipe", *PRELOAD),
    ]
    words = tuple("--env" if word == "-e" else word for word in flags)
    image = "docker.io/library/small:latest"
    with ThreadPoolExecutor(10) as pool:
        results = list(pool.map(lambda _: run(containerd, flags=words, image=image, seconds=900), range(10)))
    assert [(result.returncode, result.stdout) for result in results] == [(0, "\n")] * 10, results


@contextmanager
def started(
    containerd: Containerd,
    folder: Path,
    *arguments: str,
    devices: tuple[str, ...] = (),
    annotations: dict[str, str] | None = None,
) -> Iterator[str]:
    """A pod of the RuntimeClass with one container, started, as user 1234 with a read-only root."""
    pod = containerd.cri.run_pod(f"p{uuid.uuid4().hex[:12]}", containerd.handler, folder, annotations or {})
    try:
        container = containerd.cri.create(pod, IMAGE, list(arguments), {"FROM": "kubelet"}, list(devices), 1234)
        containerd.cri.call("StartContainer", {1: container})
        yield container
    finally:
        containerd.cri.call("StopPodSandbox", {1: pod[0]})
        containerd.cri.call("RemovePodSandbox", {1: pod[0]})


def ended(containerd: Containerd, container: str) -> int:
    for _ in range(1200):
        state, code = containerd.cri.state(container)
        if state == cri.EXITED:
            return code
        time.sleep(0.05)
    raise AssertionError("it does not end")


def log(folder: Path, line: str) -> str:
    """The container's log, once it has a line: "TIME stdout F line"."""
    for _ in range(1200):
        text = (folder / "container.log").read_text() if (folder / "container.log").exists() else ""
        if line in text:
            return text
        time.sleep(0.05)
    raise AssertionError(f"no {line!r} in {text!r}")


def test_a_pod_of_the_runtime_class_runs_a_guest(containerd: Containerd, tmp_path: Path) -> None:
    with started(containerd, tmp_path, "show", "from Kubernetes") as container:
        assert ended(containerd, container) == 0
        text = log(tmp_path, "argument from Kubernetes")
        assert "variable FROM=kubelet" in text


@pytest.mark.parametrize("code", [0, 1])
def test_a_pods_exit_code_is_the_guests(containerd: Containerd, tmp_path: Path, code: int) -> None:
    with started(containerd, tmp_path, "exit", str(code)) as container:
        assert ended(containerd, container) == code


def test_a_pod_is_execd_and_stopped(containerd: Containerd, tmp_path: Path) -> None:
    with started(containerd, tmp_path, "wait") as container:
        log(tmp_path, "waiting")
        answer = containerd.cri.call("ExecSync", {1: container, 2: ["/probe.wasm", "read", "/etc/note"], 3: 60})
        assert (answer[1][0], answer.get(3, [0])) == (b"a note\n", [0])
        assert containerd.cri.call("ExecSync", {1: container, 2: ["/probe.wasm", "exit", "7"], 3: 60})[3] == [7]
        containerd.cri.call("StopContainer", {1: container, 2: 60})
        assert ended(containerd, container) == 143


def test_a_pods_containers_are_killed_and_replaced(containerd: Containerd, tmp_path: Path) -> None:
    """As a kubelet restarts one: another container in the same pod. A stop without grace kills."""
    pod = containerd.cri.run_pod(f"p{uuid.uuid4().hex[:12]}", containerd.handler, tmp_path, {})
    try:
        for attempt in range(2):
            more = {1: {1: "app", 2: attempt}}
            container = containerd.cri.create(pod, IMAGE, ["wait"], {}, [], 1234, more)
            containerd.cri.call("StartContainer", {1: container})
            log(tmp_path, "waiting")
            containerd.cri.call("StopContainer", {1: container, 2: 0})
            assert ended(containerd, container) == 137
            (tmp_path / "container.log").unlink()
    finally:
        containerd.cri.call("StopPodSandbox", {1: pod[0]})
        containerd.cri.call("RemovePodSandbox", {1: pod[0]})


def test_a_pod_serves_and_has_volumes_limits_and_another_command(containerd: Containerd, tmp_path: Path) -> None:
    """Pods have the host's network here: no network plugin is installed."""
    tmp_path.chmod(0o755)
    (tmp_path / "given").write_text("from the host")
    pod = containerd.cri.run_pod(f"p{uuid.uuid4().hex[:12]}", containerd.handler, tmp_path, {})
    volume = {7: [{1: "/data", 2: str(tmp_path), 3: 1}]}
    wanted: list[tuple[list[str], dict[int, Any], int]] = [
        (["read", "/data/given"], volume, 0),
        (["write", "/data/new"], volume, 1),
        (["6"], {3: ["/other", "exit"]}, 6),
        (["fill"], {}, 137),
        (["serve", "8124"], {}, 143),
    ]
    try:
        for number, (arguments, more, code) in enumerate(wanted):
            more = {1: {1: "app", 2: number}, 11: f"{number}.log", **more}
            limit = {4: 150 << 20, 10: 150 << 20} if arguments == ["fill"] else {}
            container = containerd.cri.create(pod, IMAGE, arguments, {}, [], 1234, more, limit)
            containerd.cri.call("StartContainer", {1: container})
            if arguments[0] == "serve":
                written(tmp_path / f"{number}.log", "serving")
                assert get(containerd, "http://127.0.0.1:8124/") == "probe\n"
                check(Path(f"/proc/{containerd.cri.process(container)}"), loopback=False)
                containerd.cri.call("StopContainer", {1: container, 2: 60})
            assert ended(containerd, container) == code, arguments
        assert "from the host" in (tmp_path / "0.log").read_text()
    finally:
        containerd.cri.call("StopPodSandbox", {1: pod[0]})
        containerd.cri.call("RemovePodSandbox", {1: pod[0]})


def test_ten_pods_at_once(containerd: Containerd, tmp_path: Path) -> None:
    def one(number: int) -> int:
        folder = tmp_path / str(number)
        folder.mkdir()
        with started(containerd, folder, "exit", str(number)) as container:
            return ended(containerd, container)

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(one, range(10))) == list(range(10))


@pytest.mark.parametrize("way", ["field", "annotation", "both"])
def test_a_pods_device_request_is_met(containerd: Containerd, tmp_path: Path, way: str) -> None:
    """containerd gives what the kubelet's field names, our runtime what the pod's annotation names; nothing is given twice."""
    devices = () if way == "annotation" else ("docker.com/gpu=lavapipe",)
    annotations = {} if way == "field" else {"cdi.k8s.io/wherry": "docker.com/gpu=lavapipe"}
    with started(containerd, tmp_path, "wait", devices=devices, annotations=annotations) as container:
        log(tmp_path, "waiting")
        mounts = [
            line.split()[4] for line in Path(f"/proc/{containerd.cri.process(container)}/mountinfo").read_text().splitlines()
        ]
        assert mounts.count("/.wherry/gpu/lib/libvulkan.so.1") == 1


def test_a_pod_that_asks_for_another_kind_gets_nothing_of_ours(containerd: Containerd, tmp_path: Path) -> None:
    with started(containerd, tmp_path, "wait", annotations={"cdi.k8s.io/other": "vendor.com/gpu=0"}) as container:
        log(tmp_path, "waiting")
        assert "/.wherry/gpu" not in Path(f"/proc/{containerd.cri.process(container)}/mountinfo").read_text()


def test_the_example_job_transcribes(containerd: Containerd, speech_archive: Path, tmp_path: Path) -> None:
    """What a kubelet makes of examples/kubernetes: the RuntimeClass's handler, and the pod template's fields."""
    folder = ROOT / "examples/kubernetes"
    handler = yaml.safe_load((folder / "runtimeclass.yaml").read_text())["handler"]
    template = yaml.safe_load((folder / "job.yaml").read_text())["spec"]["template"]
    (app,) = template["spec"]["containers"]
    command = [
        *containerd.ctr,
        "--namespace",
        "k8s.io",
        "images",
        "import",
        "--all-platforms",
        str(speech_archive / "speech.tar"),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    environment = {entry["name"]: entry["value"] for entry in app["env"]}
    annotations = template["metadata"]["annotations"]
    pod = containerd.cri.run_pod(f"p{uuid.uuid4().hex[:12]}", handler, tmp_path, annotations)
    try:
        user = app["securityContext"]["runAsUser"]
        container = containerd.cri.create(pod, app["image"], app["args"], environment, [], user)
        containerd.cri.call("StartContainer", {1: container})
        assert ended(containerd, container) == 0
        assert "A ferry is a light boat" in log(tmp_path, "ferry")
    finally:
        containerd.cri.call("StopPodSandbox", {1: pod[0]})
        containerd.cri.call("RemovePodSandbox", {1: pod[0]})
