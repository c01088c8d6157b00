"""The WebGPU adapters of this machine."""

from dataclasses import dataclass
from typing import Any

from wherry.errors import DeviceError

# Best first: what `auto` prefers.
_KINDS = {"DiscreteGPU": "discrete", "IntegratedGPU": "integrated", "VirtualGPU": "virtual", "CPU": "cpu"}


@dataclass(frozen=True)
class AdapterInfo:
    """One adapter as its driver describes it. `kind`: discrete, integrated, virtual, cpu or unknown."""

    index: int
    name: str
    kind: str
    backend: str
    driver: str
    features: tuple[str, ...]
    limits: dict[str, int]


def list_adapters() -> list[AdapterInfo]:
    """The adapters of this machine, best first. Raises DeviceError where no graphics library can be loaded."""
    try:
        import wgpu

        adapters: list[Any] = list(wgpu.gpu.enumerate_adapters_sync())
    except (ImportError, OSError, RuntimeError) as error:
        raise DeviceError(
            f"WebGPU: found no usable graphics library ({error}), expected Vulkan, Metal or Direct3D 12",
            hint="on Debian: apt-get install libvulkan1 mesa-vulkan-drivers",
        ) from error
    order = list(_KINDS.values())
    found = []
    for adapter in adapters:
        info = adapter.info
        kind = _KINDS.get(info["adapter_type"], "unknown")
        if info["backend_type"] == "OpenGL":
            continue  # wgpu's OpenGL backend lacks compute features that every kernel needs
        found.append((order.index(kind) if kind in order else len(order), adapter, kind))
    found.sort(key=lambda item: item[0])
    return [
        AdapterInfo(
            index,
            adapter.info["device"],
            kind,
            adapter.info["backend_type"],
            adapter.info["description"],
            tuple(sorted(adapter.features)),
            {key: int(value) for key, value in adapter.limits.items()},
        )
        for index, (_, adapter, kind) in enumerate(found)
    ]
