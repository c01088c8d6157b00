"""Two calls of the libraries below wgpu-py that its own Python calls do not reach, or reach slowly.

Both implementations are wgpu-py's, pinned exactly: what is taken of their insides here is what those versions have.
"""

import importlib
from collections.abc import Callable, Iterable
from typing import Any

from wherry.gpu.program import Dispatch

_INSIDES = {"wgpu": "wgpu.backends.wgpu_native._api", "dawn": "wgpudawn.backends.dawn._api"}
_BOUNDS_CHECKS = 1  # WGPUShaderRuntimeChecks_BoundsChecks (wgpu.h)


def create_shader_module(implementation: str, device: Any, label: str, code: str) -> Any:
    """As the device's own, but wgpu-native does not count the rounds of every loop: ours end, and counting costs a third
    of a matrix product. Indices stay checked. Dawn counts none."""
    if implementation != "wgpu":
        return device.create_shader_module(label=label, code=code)
    api = importlib.import_module(_INSIDES["wgpu"])
    source = api.new_struct_p("WGPUShaderSourceWGSL *", code=api.to_c_string_view(code))
    source[0].chain.next = api.ffi.NULL
    source[0].chain.sType = api.lib.WGPUSType_ShaderSourceWGSL
    descriptor = api.new_struct_p(
        "WGPUShaderModuleDescriptor *",
        nextInChain=api.ffi.cast("WGPUChainedStruct *", source),
        label=api.to_c_string_view(label),
    )
    handle = api.libf.wgpuDeviceCreateShaderModuleTrusted(device._internal, descriptor, _BOUNDS_CHECKS)
    return api.GPUShaderModule(label, handle, device)


def encoder_of(implementation: str) -> Callable[[Any, Iterable[Dispatch]], None]:
    """(compute pass, dispatches) -> encoded. An error comes when the commands are finished, not at the call that made it:
    asking after each of a step's 84 calls costs as much as the calls."""
    api = importlib.import_module(_INSIDES[implementation])
    set_pipeline = api.lib.wgpuComputePassEncoderSetPipeline
    set_bind_group = api.lib.wgpuComputePassEncoderSetBindGroup
    dispatch_workgroups = api.lib.wgpuComputePassEncoderDispatchWorkgroups
    no_offsets = api.ffi.NULL

    def encode(work: Any, dispatches: Iterable[Dispatch]) -> None:
        handle = work._internal
        for dispatch in dispatches:
            set_pipeline(handle, dispatch.pipeline._internal)
            set_bind_group(handle, 0, dispatch.bind_group._internal, 0, no_offsets)
            dispatch_workgroups(handle, *dispatch.grid)

    return encode
