"""The WebGPU adapters of this machine, and which one to take."""

import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from wherry.errors import DeviceError, InputError

_KINDS = {"DiscreteGPU": "discrete", "IntegratedGPU": "integrated", "VirtualGPU": "virtual", "CPU": "cpu"}
_ORDER = [*_KINDS.values(), "unknown"]  # best first: what `auto` prefers
_IMPLEMENTATIONS = {"wgpu": "wgpu", "dawn": "wgpudawn"}
# Dawn hides these from the web; our own shaders are all that ever runs here, so they are safe to ask for.
_DAWN_TOGGLES = ("allow_unsafe_apis", "vulkan_enable_f16_on_nvidia")


@dataclass(frozen=True)
class AdapterInfo:
    """One adapter as its driver describes it. `kind`: discrete, integrated, virtual, cpu or unknown."""

    index: int
    name: str
    kind: str
    backend: str
    driver: str
    implementation: str  # wgpu or dawn
    features: tuple[str, ...]
    limits: dict[str, int]


@dataclass(frozen=True)
class Adapter:
    """An adapter, its description and the Python module that it came from."""

    info: AdapterInfo
    handle: Any
    api: Any


def implementation() -> str:
    """Which WebGPU to use, from WHERRY_WEBGPU: wgpu (the default) or dawn. Raises InputError for another value."""
    name = os.environ.get("WHERRY_WEBGPU", "") or "wgpu"
    if name not in _IMPLEMENTATIONS:
        raise InputError(f'WHERRY_WEBGPU: found "{name}", expected wgpu or dawn')
    return name


def find_adapters(name: str) -> list[Adapter]:
    """The adapters that implementation `name` (wgpu or dawn) finds, best first.

    Raises DeviceError where it is not installed or no graphics library can be loaded.
    """
    try:
        api = importlib.import_module(_IMPLEMENTATIONS[name])
        _prepare(name)
        handles: list[Any] = list(api.gpu.enumerate_adapters_sync())
    except ImportError as error:
        hint = "pip install 'wherry[dawn]'" if name == "dawn" else "pip install wgpu"
        raise DeviceError(f"WebGPU: {name} cannot be loaded ({error})", hint=hint) from error
    except (OSError, RuntimeError) as error:
        raise DeviceError(
            f"WebGPU: found no usable graphics library ({error}), expected Vulkan, Metal or Direct3D 12",
            hint="on Debian: apt-get install libvulkan1 mesa-vulkan-drivers",
        ) from error
    # wgpu's OpenGL backend lacks compute features that every kernel needs.
    usable = [handle for handle in handles if "OpenGL" not in handle.info["backend_type"]]
    usable.sort(key=lambda handle: _ORDER.index(_kind(handle)))
    return [Adapter(_describe(i, handle, name), handle, api) for i, handle in enumerate(usable)]


def list_adapters() -> list[AdapterInfo]:
    """The adapters of this machine, best first. Raises DeviceError where no graphics library can be loaded."""
    return [adapter.info for adapter in find_adapters(implementation())]


def choose(adapters: Sequence[AdapterInfo], wanted: str) -> AdapterInfo:
    """wanted: auto or gpu (the best real adapter), gpu:N (by its number) or gpu:NAME (part of its name).

    A driver that computes on the CPU is slower than numpy: it is only taken by number or name. Raises DeviceError.
    """
    listing = ", ".join(f"gpu:{a.index} {a.name} ({a.kind})" for a in adapters) or "none"
    if wanted in ("auto", "gpu"):
        for adapter in adapters:
            if adapter.kind != "cpu":
                return adapter
        raise DeviceError(
            f"found no GPU (adapters: {listing}), expected one with a WebGPU driver",
            hint="`wherry gpu info` lists the adapters of this machine; `wherry doctor` says what is missing",
        )
    key = wanted.removeprefix("gpu:")
    for adapter in adapters:
        if (key.isdecimal() and adapter.index == int(key)) or (not key.isdecimal() and key.lower() in adapter.name.lower()):
            return adapter
    raise DeviceError(f'device "{wanted}": found {listing}, expected one of them by number or name')


@cache
def _prepare(name: str) -> None:
    """Settings of the library's one instance, which must be made before it is first asked for an adapter."""
    # Mesa's device selection asks the desktop session which GPU to prefer, and complains on stderr where there is none.
    os.environ.setdefault("NODEVICE_SELECT", "1")
    if name == "dawn":
        extras = importlib.import_module("wgpudawn.backends.dawn.extras")
        extras.set_instance_extras(enable_toggles=list(_DAWN_TOGGLES))
    else:  # enumerating OpenGL needs a display, and complains on stderr where there is none
        extras = importlib.import_module("wgpu.backends.wgpu_native.extras")
        extras.set_instance_extras(backends=["Vulkan", "Metal", "DX12"])


def _kind(handle: Any) -> str:
    return _KINDS.get(handle.info["adapter_type"], "unknown")


def _describe(index: int, handle: Any, name: str) -> AdapterInfo:
    return AdapterInfo(
        index,
        handle.info["device"],
        _kind(handle),
        handle.info["backend_type"],
        handle.info["description"],
        name,
        tuple(sorted(handle.features)),
        {key: int(value) for key, value in handle.limits.items()},
    )
