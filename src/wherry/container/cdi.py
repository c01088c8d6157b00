"""The CDI spec of this host's GPUs: `docker.com/gpu=webgpu` is every real one, `=lavapipe` Mesa's driver for the CPU.

A container gets the Vulkan loader, the drivers' libraries and descriptions, and the device nodes; nothing else. The files stay
where they are and are mounted one by one, so that an update of a driver shows at once, or fails to mount and says which file.

Sources: the Container Device Interface specification 0.5; Vulkan-Loader, LoaderDriverInterface.md, "Driver Discovery".
"""

import json
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wherry.container import layout
from wherry.container.libraries import Closure, closure, find_library
from wherry.errors import FormatError, NotFoundError

_VERSION = "0.5.0"
_LOADER = "libvulkan.so.1"
# glibc's own are the runtime's: two of them in one process do not go together.
GLIBC = re.compile(r"^(ld-linux.*|lib(c|m|mvec|dl|pthread|rt|util|resolv|anl|BrokenLocale|nss_\w+|thread_db)\.so\.\d+)$")
# The kernel's driver of a /dev/dri node -> the names of Vulkan drivers that speak to it, as part of their library's name.
_SPEAK_TO = {
    "amdgpu": ("radeon", "amdvlk"),
    "asahi": ("asahi",),
    "i915": ("intel",),
    "msm_dpu": ("freedreno",),
    "msm": ("freedreno",),
    "nouveau": ("nouveau",),
    "nvidia": ("nvidia",),
    "panfrost": ("panfrost",),
    "panthor": ("panfrost",),
    "powervr": ("powervr",),
    "v3d": ("broadcom",),
    "vc4-drm": ("broadcom",),
    "virtio_gpu": ("virtio", "gfxstream"),
    "xe": ("intel",),
}
_CPU = "lvp"
# NVIDIA's driver opens these by name at run time, and ldd cannot see them: parts of its own, which carry its version, and,
# without a display, glvnd's EGL and through it its own. Found by taking files away from a process on an H200 (580.159).
_NVIDIA = ("libnvidia-eglcore", "libnvidia-glcore", "libnvidia-glsi", "libnvidia-glvkspirv", "libnvidia-gpucomp", "libnvidia-tls")
_NVIDIA_EGL = "libEGL_nvidia.so.0"
_GLVND = ("libEGL.so.1", "libGLdispatch.so.0")
_NVIDIA_NODES = re.compile(r"^nvidia(\d+|ctl|-modeset)$")
_OPTIONS = ["ro", "nosuid", "nodev", "rbind"]


@dataclass(frozen=True)
class Host:
    """Where to look; a test gives folders of its own."""

    dev: Path = Path("/dev")
    sys: Path = Path("/sys")
    drivers: tuple[Path, ...] = ()  # folders of Vulkan driver descriptions (icd.d), or such files
    vendors: tuple[Path, ...] = ()  # the same of EGL vendors (egl_vendor.d)
    find_library: Callable[[str], Path | None] = find_library
    closure: Callable[[list[Path]], Closure] = closure


def this_host() -> Host:
    """Where the Vulkan loader and glvnd look: folders, or the files that VK_DRIVER_FILES and its like name."""

    def places(variables: tuple[str, ...], folders: list[str]) -> tuple[Path, ...]:
        named = next((os.environ[name] for name in variables if os.environ.get(name)), "")
        return tuple(Path(name) for name in named.split(":") if name) or tuple(map(Path, folders))

    shared = ["/etc", *(os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")]
    return Host(
        drivers=places(("VK_DRIVER_FILES", "VK_ICD_FILENAMES"), [f"{folder}/vulkan/icd.d" for folder in shared]),
        vendors=places(("__EGL_VENDOR_LIBRARY_FILENAMES",), ["/etc/glvnd/egl_vendor.d", "/usr/share/glvnd/egl_vendor.d"]),
    )


@dataclass(frozen=True)
class Driver:
    """A Vulkan driver: its description, the library named there and where that lies."""

    description: Path
    named: str
    library: Path


@dataclass
class Spec:
    """A CDI spec, and remarks on what was found."""

    data: dict[str, Any]
    remarks: list[str] = field(default_factory=list)

    def text(self) -> str:
        return json.dumps(self.data, indent=2) + "\n"


def generate(host: Host) -> Spec:
    """Describe the host's GPUs. Without one `webgpu` is there all the same and gives nothing: guests compute on the CPU.

    Raises FormatError for a driver description that is none.
    """
    remarks: list[str] = []
    loader = host.find_library(_LOADER)
    drivers = _drivers(host, remarks) if loader is not None else []
    if loader is None:
        remarks.append(f"found no {_LOADER}; on Debian: apt-get install libvulkan1")
    nodes = _dri_nodes(host)
    real: list[Driver] = []
    paths: list[Path] = []
    for driver in drivers:
        mine = _nodes_of(driver, nodes, host)
        if _CPU not in driver.library.name and mine:
            real.append(driver)
            paths += [path for path in mine if path not in paths]
            remarks.append(f"webgpu: {driver.description} on {' '.join(map(str, mine))}")
    devices = [{"name": "webgpu", "containerEdits": _edits(loader, real, paths, host)}]
    if loader is None or not real:
        devices[0]["containerEdits"] = {"env": ["WHERRY_GPU=none"]}  # CDI wants a device to edit something
        remarks.append("webgpu: found no GPU with a Vulkan driver: guests compute on the CPU")
    if loader is not None and (cpu := [driver for driver in drivers if _CPU in driver.library.name]):
        devices.append({"name": "lavapipe", "containerEdits": _edits(loader, cpu, [], host)})
        remarks.append(f"lavapipe: {cpu[0].description}")
    return Spec({"cdiVersion": _VERSION, "kind": layout.GPU_KIND, "devices": devices}, remarks)


def missing_files(spec: dict[str, Any]) -> list[str]:
    """The host's files and nodes that a spec names and that are not there (any more)."""
    missing = []
    for device in spec.get("devices") or []:
        edits = device.get("containerEdits") or {}
        names = [mount["hostPath"] for mount in edits.get("mounts") or []]
        names += [node.get("hostPath") or node["path"] for node in edits.get("deviceNodes") or []]
        missing += [name for name in names if not Path(name).exists()]
    return list(dict.fromkeys(missing))


def _drivers(host: Host, remarks: list[str]) -> list[Driver]:
    found: dict[str, Driver] = {}
    for place in host.drivers:
        for file in _descriptions(place):
            named = _library_of(file)
            library = (file.parent / named).resolve() if "/" in named else host.find_library(named)
            if library is None or not library.is_file():
                remarks.append(f"{file}: left out: its library {named} is not there")
            elif not _is_ours(library):
                remarks.append(f"{file}: left out: {library} is for another processor")
            elif file.name not in found:
                found[file.name] = Driver(file, named, library)
    return list(found.values())


def _descriptions(place: Path) -> list[Path]:
    return sorted(place.glob("*.json")) if place.is_dir() else [place] if place.is_file() else []


def _library_of(file: Path) -> str:
    try:
        named = json.loads(file.read_bytes())["ICD"]["library_path"]
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{file}: found no driver description ({error!r}), expected ICD.library_path") from error
    return str(named)


def _is_ours(library: Path) -> bool:
    """An ELF file of this interpreter's own class and machine."""
    with library.open("rb") as theirs, Path("/proc/self/exe").open("rb") as ours:
        a, b = theirs.read(20), ours.read(20)
    return a[:6] == b[:6] and a[18:20] == b[18:20]


def _dri_nodes(host: Host) -> list[tuple[Path, str]]:
    """(node, kernel driver) of each GPU's render node, and of its card where it has no render node."""
    folder = host.dev / "dri"
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    nodes = []
    for name in names:
        if name.startswith(("renderD", "card")):
            driver = host.sys / "class/drm" / name / "device/driver"
            nodes.append((folder / name, driver.resolve().name if driver.exists() else ""))
    return nodes


def _nodes_of(driver: Driver, nodes: list[tuple[Path, str]], host: Host) -> list[Path]:
    """The device nodes that a driver's library opens; none where its GPU is not in this machine."""
    name = driver.library.name
    mine = [node for node, kernel in nodes if any(word in name for word in _SPEAK_TO.get(kernel, ()))]
    if "nvidia" in name:
        own = sorted(path for path in host.dev.iterdir() if _NVIDIA_NODES.match(path.name))
        return [*own, *mine] if (host.dev / "nvidiactl") in own else []
    return mine


def _edits(loader: Path | None, drivers: list[Driver], nodes: list[Path], host: Host) -> dict[str, Any]:
    """Mounts and nodes of some drivers. A driver whose description names it by its path is mounted at that path."""
    if loader is None or not drivers:
        return {}
    mounts: dict[str, Path] = {f"{layout.GPU}/lib/{_LOADER}": loader}
    files = [loader]
    for driver in drivers:
        mounts[f"{layout.GPU}/icd.d/{driver.description.name}"] = driver.description
        if "/" in driver.named:
            mounts[os.path.normpath(driver.description.parent / driver.named)] = driver.library
        else:
            mounts[f"{layout.GPU}/lib/{driver.named}"] = driver.library
        files.append(driver.library)
        if "nvidia" in driver.library.name:
            for inside, path in _nvidia_parts(driver.library.resolve(), host).items():
                mounts[f"{layout.GPU}/{inside}"] = path
                files += [path] if ".so" in inside else []
    needs = host.closure(files)
    if needs.missing:
        name, user = next(iter(needs.missing.items()))
        raise NotFoundError(f"{user}: found no library {name}, which it needs")
    for name, path in needs.libraries.items():
        if not GLIBC.match(name):
            mounts.setdefault(f"{layout.GPU}/lib/{name}", path)
    edits: dict[str, Any] = {
        "mounts": [
            {"hostPath": str(path.resolve()), "containerPath": inside, "options": _OPTIONS}
            for inside, path in sorted(mounts.items())
        ]
    }
    if nodes:
        edits["deviceNodes"] = [_node(path, host) for path in nodes]
    return edits


def _nvidia_parts(library: Path, host: Host) -> dict[str, Path]:
    """What the driver at libGLX_nvidia.so.580.159 opens by itself, as far as it is there: path below the GPU's folder -> file."""
    version = library.name.partition(".so.")[2]
    parts = {f"lib/{part}.so.{version}": library.parent / f"{part}.so.{version}" for part in _NVIDIA}
    parts[f"lib/{_NVIDIA_EGL}"] = library.parent / _NVIDIA_EGL
    for name in _GLVND:
        if (path := host.find_library(name)) is not None:
            parts[f"lib/{name}"] = path
    for place in host.vendors:
        for file in _descriptions(place):
            if "nvidia" in _library_of(file):
                parts.setdefault(f"egl_vendor.d/{file.name}", file)
    return {inside: path for inside, path in parts.items() if path.is_file()}


def _node(path: Path, host: Host) -> dict[str, Any]:
    """Readable and writable in the container's own /dev for every user there: who asked for the GPU may use it."""
    inside = "/dev/" + path.relative_to(host.dev).as_posix()
    mode = path.stat().st_mode
    kind = "b" if stat.S_ISBLK(mode) else "c"
    entry: dict[str, Any] = {"path": inside, "type": kind, "permissions": "rw", "fileMode": 0o666}
    return {**entry, "hostPath": str(path)} if str(path) != inside else entry
