"""containerd by its own tool, and as Kubernetes uses it: RuntimeClass, device request, logs, exec, stop."""

import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.container import cri
from tests.container.conftest import Containerd

IMAGE = "docker.io/library/probe:latest"


def run(containerd: Containerd, *arguments: str, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    words = [
        "--namespace",
        "k8s.io",
        "run",
        "--rm",
        "--runtime",
        "io.containerd.runc.v2",
        "--runc-binary",
        str(containerd.program),
    ]
    command = [*containerd.ctr, *words, "--platform", "wasi/wasm", *flags, IMAGE, f"t{uuid.uuid4().hex[:12]}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_ctr_runs_a_guest(containerd: Containerd) -> None:
    result = run(containerd, "/probe.wasm", "show", "by ctr", flags=("--env", "A=b"))
    assert result.returncode == 0, result.stderr
    assert "argument by ctr" in result.stdout
    assert "variable A=b" in result.stdout


@pytest.mark.parametrize("code", [0, 1, 42])
def test_ctr_gives_exit_codes(containerd: Containerd, code: int) -> None:
    assert run(containerd, "/probe.wasm", "exit", str(code)).returncode == code


def test_ctr_execs_and_kills(containerd: Containerd) -> None:
    name = f"t{uuid.uuid4().hex[:12]}"
    base = [*containerd.ctr, "--namespace", "k8s.io"]
    words = ["run", "-d", "--runtime", "io.containerd.runc.v2", "--runc-binary", str(containerd.program), "--read-only"]
    subprocess.run([*base, *words, "--platform", "wasi/wasm", IMAGE, name, "/probe.wasm", "wait"], check=True, timeout=120)
    try:
        exec_ = [*base, "task", "exec", "--exec-id", "second", name, "/probe.wasm", "exit", "9"]
        assert subprocess.run(exec_, capture_output=True, check=False, timeout=120).returncode == 9
        subprocess.run([*base, "task", "kill", "--signal", "SIGKILL", name], check=True, timeout=120)
    finally:
        subprocess.run([*base, "task", "rm", "--force", name], check=False, capture_output=True, timeout=120)
        subprocess.run([*base, "container", "rm", name], check=False, capture_output=True, timeout=120)


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


@pytest.mark.parametrize("code", [1, 42])
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


def test_the_example_deployment_transcribes(containerd: Containerd, speech_archive: Path, tmp_path: Path) -> None:
    """What a kubelet makes of examples/kubernetes: the RuntimeClass's handler, and the pod template's fields."""
    folder = ROOT / "examples/kubernetes"
    handler = yaml.safe_load((folder / "runtimeclass.yaml").read_text())["handler"]
    template = yaml.safe_load((folder / "deployment.yaml").read_text())["spec"]["template"]
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
