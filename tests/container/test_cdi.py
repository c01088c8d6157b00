"""The CDI spec of hosts with all kinds of GPUs, made of folders; and of this one."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.container.engines import WHERRY
from wherry.container import cdi
from wherry.container.libraries import Closure, closure, find_library
from wherry.errors import FormatError

LIBRARY = Path(sys.executable).resolve()  # any ELF file of this machine


def make_host(
    folder: Path, drivers: Mapping[str, str], kernel: Mapping[str, str], nodes: tuple[str, ...] = (), loader: bool = True
) -> cdi.Host:
    """drivers: description -> library_path; kernel: /dev/dri node -> the kernel's driver; nodes: others below /dev."""
    lib, icd, dev = folder / "lib", folder / "icd.d", folder / "dev"
    for place in (lib, icd, dev / "dri"):
        place.mkdir(parents=True)
    if loader:
        (lib / "libvulkan.so.1").symlink_to(LIBRARY)
    for name, path in drivers.items():
        (icd / f"{name}.json").write_text(json.dumps({"ICD": {"library_path": path, "api_version": "1.3"}}))
        target = Path(path) if path.startswith("/") else lib / path
        if not target.exists():
            target.write_bytes(LIBRARY.read_bytes()[:4096])
    for name, driver in kernel.items():
        (dev / "dri" / name).touch()
        link = folder / "sys/class/drm" / name / "device"
        (folder / "drivers" / driver).mkdir(parents=True, exist_ok=True)
        link.mkdir(parents=True)
        (link / "driver").symlink_to(folder / "drivers" / driver)
    for name in nodes:
        (dev / name).touch()

    def find(name: str) -> Path | None:
        return lib / name if (lib / name).exists() else None

    def needs(files: list[Path]) -> Closure:
        return Closure(libraries={"libc.so.6": LIBRARY, "libm.so.6": LIBRARY, "libdrm.so.2": LIBRARY})

    return cdi.Host(dev, folder / "sys", (icd,), (folder / "egl_vendor.d",), find, needs)


def device(spec: cdi.Spec, name: str = "webgpu") -> dict[str, Any]:
    edits: dict[str, Any] = next(entry["containerEdits"] for entry in spec.data["devices"] if entry["name"] == name)
    return edits


def mounted(edits: dict[str, Any]) -> set[str]:
    return {mount["containerPath"] for mount in edits.get("mounts", [])}


@pytest.mark.parametrize(
    ("library", "kernel"),
    [
        ("libvulkan_radeon.so", "amdgpu"), ("libvulkan_intel.so", "i915"), ("libvulkan_intel_hasvk.so", "i915"),
        ("libvulkan_intel.so", "xe"), ("libvulkan_nouveau.so", "nouveau"), ("libvulkan_virtio.so", "virtio_gpu"),
        ("libvulkan_asahi.so", "asahi"), ("libvulkan_broadcom.so", "v3d"), ("libvulkan_freedreno.so", "msm_dpu"),
    ],
)  # fmt: skip
def test_mesa_gets_its_render_node(tmp_path: Path, library: str, kernel: str) -> None:
    host = make_host(tmp_path, {"driver": library, "lvp": "libvulkan_lvp.so"}, {"renderD128": kernel, "card0": kernel})
    edits = device(cdi.generate(host))
    libraries = {f"/.wherry/gpu/lib/{name}" for name in ("libvulkan.so.1", "libdrm.so.2", library)}
    assert mounted(edits) == {*libraries, "/.wherry/gpu/icd.d/driver.json"}
    assert [(node["path"], node["fileMode"]) for node in edits["deviceNodes"]] == [
        ("/dev/dri/card0", 0o666),
        ("/dev/dri/renderD128", 0o666),
    ]
    assert set(edits) == {"mounts", "deviceNodes"}
    assert all(mount["options"] == ["ro", "nosuid", "nodev", "rbind"] for mount in edits["mounts"])


def test_drivers_without_their_gpu_are_left_out(tmp_path: Path) -> None:
    drivers = {
        "radeon": "libvulkan_radeon.so",
        "intel": "libvulkan_intel.so",
        "nvidia": "libGLX_nvidia.so.0",
        "lvp": "libvulkan_lvp.so",
    }
    spec = cdi.generate(make_host(tmp_path, drivers, {"renderD128": "amdgpu"}))
    assert {name for name in mounted(device(spec)) if "icd.d" in name} == {"/.wherry/gpu/icd.d/radeon.json"}
    assert {name for name in mounted(device(spec, "lavapipe")) if "icd.d" in name} == {"/.wherry/gpu/icd.d/lvp.json"}
    assert "deviceNodes" not in device(spec, "lavapipe")


def test_nvidias_driver_brings_what_it_opens_by_name(tmp_path: Path) -> None:
    nodes = ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-modeset", "nvidia-caps", "null", "sda")
    host = make_host(tmp_path, {"nvidia_icd": "libGLX_nvidia.so.0"}, {"renderD128": "nvidia"}, nodes)
    lib = tmp_path / "lib"
    (lib / "libGLX_nvidia.so.0").rename(lib / "libGLX_nvidia.so.580.10")
    (lib / "libGLX_nvidia.so.0").symlink_to("libGLX_nvidia.so.580.10")
    own = {f"libnvidia-{part}.so.580.10" for part in ("eglcore", "glcore", "glsi", "glvkspirv", "gpucomp", "tls")}
    others = {"libnvidia-glcore.so.470.1", "libcuda.so.580.10", "libnvidia-rtcore.so.580.10"}
    for name in {*own, *others, "libEGL_nvidia.so.0", "libEGL.so.1", "libGLdispatch.so.0"}:
        (lib / name).touch()
    (tmp_path / "egl_vendor.d").mkdir()
    for name, library in (("10_nvidia", "libEGL_nvidia.so.0"), ("50_mesa", "libEGL_mesa.so.0")):
        (tmp_path / f"egl_vendor.d/{name}.json").write_text(json.dumps({"ICD": {"library_path": library}}))
    edits = device(cdi.generate(host))
    egl = {"libEGL_nvidia.so.0", "libEGL.so.1", "libGLdispatch.so.0"}
    libraries = {f"lib/{name}" for name in {*own, *egl, "libGLX_nvidia.so.0", "libvulkan.so.1", "libdrm.so.2"}}
    assert mounted(edits) == {
        f"/.wherry/gpu/{name}" for name in {*libraries, "icd.d/nvidia_icd.json", "egl_vendor.d/10_nvidia.json"}
    }
    given = [node["path"] for node in edits["deviceNodes"]]
    assert given == ["/dev/nvidia-modeset", "/dev/nvidia0", "/dev/nvidia1", "/dev/nvidiactl", "/dev/dri/renderD128"]


def test_a_driver_named_by_its_path_is_mounted_there(tmp_path: Path) -> None:
    path = tmp_path / "lib/libvulkan_radeon.so"
    edits = device(cdi.generate(make_host(tmp_path, {"radeon": str(path)}, {"renderD128": "amdgpu"})))
    assert str(path) in mounted(edits)


def test_a_host_without_a_gpu_still_has_the_device(tmp_path: Path) -> None:
    """The published line runs anywhere: CDI wants an edit, so the device gives a variable that says what it is."""
    without = cdi.generate(make_host(tmp_path / "a", {"lvp": "libvulkan_lvp.so"}, {}))
    assert device(without) == {"env": ["WHERRY_GPU=none"]}
    bare = cdi.generate(make_host(tmp_path / "b", {}, {"renderD128": "amdgpu"}, loader=False))
    assert [entry["name"] for entry in bare.data["devices"]] == ["webgpu"]
    assert any("libvulkan1" in remark for remark in bare.remarks)


def test_broken_descriptions_are_told_and_others_processors_left_out(tmp_path: Path) -> None:
    host = make_host(tmp_path, {"radeon": "libvulkan_radeon.so", "gone": "libvulkan_gone.so"}, {"renderD128": "amdgpu"})
    (tmp_path / "lib/libvulkan_gone.so").unlink()
    other = bytearray((tmp_path / "lib/libvulkan_radeon.so").read_bytes())
    other[4] = 3 - other[4]  # 32 bits for 64
    (tmp_path / "lib/libvulkan_radeon.so").write_bytes(other)
    spec = cdi.generate(host)
    assert device(spec) == {"env": ["WHERRY_GPU=none"]}
    assert ["another processor" in " ".join(spec.remarks), "is not there" in " ".join(spec.remarks)] == [True, True]
    for text in ("{", "{}", "[]", '{"ICD": 3}'):
        (tmp_path / "icd.d/gone.json").write_text(text)
        with pytest.raises(FormatError, match=r"gone\.json"):
            cdi.generate(host)


def test_files_that_are_gone_are_named(tmp_path: Path) -> None:
    spec = cdi.generate(make_host(tmp_path, {"radeon": "libvulkan_radeon.so"}, {"renderD128": "amdgpu"}))
    assert cdi.missing_files(spec.data) == []
    (tmp_path / "lib/libvulkan_radeon.so").unlink()
    (tmp_path / "dev/dri/renderD128").unlink()
    assert cdi.missing_files(spec.data) == [str(tmp_path / "lib/libvulkan_radeon.so"), str(tmp_path / "dev/dri/renderD128")]


def test_this_hosts_spec_is_whole(tmp_path: Path) -> None:
    """Every library of lavapipe's, by the loader's own account, is in the spec or is glibc's; and it is a CDI spec."""
    if find_library("libvulkan_lvp.so") is None and not Path("/usr/share/vulkan/icd.d").is_dir():
        words = "left out: lavapipe, which mesa-vulkan-drivers has"
        pytest.fail(words) if os.environ.get("CI") else pytest.skip(words)
    result = subprocess.run(
        [WHERRY, "cdi", "generate", "--output", tmp_path / "a/spec.json"], check=True, capture_output=True, text=True
    )
    spec = json.loads((tmp_path / "a/spec.json").read_text())
    assert (spec["cdiVersion"], spec["kind"]) == ("0.5.0", "docker.com/gpu")
    assert "lavapipe" in result.stderr
    lavapipe = next(entry["containerEdits"] for entry in spec["devices"] if entry["name"] == "lavapipe")
    given = {Path(mount["containerPath"]).name for mount in lavapipe["mounts"]}
    driver = next(mount["hostPath"] for mount in lavapipe["mounts"] if "lvp" in mount["hostPath"] and ".so" in mount["hostPath"])
    auxiliary = subprocess.run(["ldd", driver], check=True, capture_output=True, text=True).stdout
    needed = {line.split()[0] for line in auxiliary.splitlines() if "=>" in line}
    assert {name for name in needed - given if not cdi.GLIBC.match(name)} == set()
    for mount in lavapipe["mounts"]:
        status = Path(mount["hostPath"]).stat()
        assert stat.S_ISREG(status.st_mode)


def test_the_closure_is_what_the_loader_loads() -> None:
    """Against /proc/self/maps of a process that really runs."""
    program = Path(sys.executable).resolve()
    found = closure([program])
    code = "print(open('/proc/self/maps').read())"
    maps = subprocess.run([program, "-I", "-S", "-c", code], check=True, capture_output=True, text=True).stdout
    paths = {line[line.index("/") :] for line in maps.splitlines() if "/" in line}
    loaded = {path for path in paths if ".so" in path and "lib-dynload" not in path}
    known = {str(path.resolve()) for path in [*found.libraries.values(), *([found.loader] if found.loader else [])]}
    assert loaded <= known
    assert found.missing == {}
