"""Devices: memory, replay, and what goes wrong on them."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from tests.devices import open_for_tests
from wherry.errors import DeviceError, KernelError, OutOfMemoryError
from wherry.gpu.adapter import AdapterInfo, choose
from wherry.gpu.device import Device
from wherry.gpu.kernel import Kernel, fields_of, unroll
from wherry.gpu.program import Profile
from wherry.kernels import add

DISCRETE = AdapterInfo(0, "NVIDIA H100", "discrete", "Vulkan", "580", "wgpu", (), {})
INTEGRATED = replace(DISCRETE, index=1, name="Intel Arc", kind="integrated")
SOFTWARE = replace(DISCRETE, index=2, name="llvmpipe (LLVM 15)", kind="cpu")


@pytest.fixture(params=["wgpu", "dawn"])
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    opened = open_for_tests(request.param)
    yield opened
    opened.destroy()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [("auto", 0), ("gpu", 0), ("gpu:1", 1), ("gpu:2", 2), ("gpu:intel", 1), ("gpu:LLVMpipe", 2)],
)
def test_choice_of_an_adapter(wanted: str, expected: int) -> None:
    assert choose([DISCRETE, INTEGRATED, SOFTWARE], wanted).index == expected


@pytest.mark.parametrize("wanted", ["auto", "gpu"])
def test_a_driver_on_the_cpu_is_only_taken_by_name(wanted: str) -> None:
    with pytest.raises(DeviceError, match="llvmpipe"):
        choose([SOFTWARE], wanted)


@pytest.mark.parametrize("wanted", ["gpu:3", "gpu:amd"])
def test_an_unknown_adapter_is_named_with_those_found(wanted: str) -> None:
    with pytest.raises(DeviceError, match=f"{wanted}.*NVIDIA H100.*Intel Arc"):
        choose([DISCRETE, INTEGRATED], wanted)


def test_unrolled_text() -> None:
    source = "//unroll r ROWS\nlet a$r = x[$ru];\n//unroll c 2\nput($r, $c);\n//end c\n//end r\n"
    assert unroll(source, {"ROWS": 2}) == "let a0 = x[0u];\nput(0, 0);\nput(0, 1);\nlet a1 = x[1u];\nput(1, 0);\nput(1, 1);\n"


def test_parameters_by_name() -> None:
    kernel = Kernel("k", None, None, fields_of("struct Params { rows: u32, eps: f32, shift: i32 }"))
    assert kernel.pack({"rows": 3, "eps": 0.5, "shift": -1}) == b"\x03\0\0\0\0\0\0\x3f\xff\xff\xff\xff\0\0\0\0"
    with pytest.raises(TypeError, match="k: found parameters"):
        kernel.pack({"rows": 3})


@pytest.mark.parametrize("shape", [(0,), (1,), (3, 5), (1000,)])
@pytest.mark.parametrize("kind", [np.float32, np.float16, np.int32])
def test_what_is_uploaded_comes_back(device: Device, shape: tuple[int, ...], kind: type) -> None:
    value = (np.arange(np.prod(shape)) * 3 - 7).reshape(shape).astype(kind)
    found = device.download(device.upload(value))
    assert found.dtype == kind
    np.testing.assert_array_equal(found, value)


def test_released_memory_is_used_again_and_given_back(device: Device) -> None:
    first = device.upload(np.zeros(100_000, np.float32))
    used = device.bytes_in_use()
    first.release()
    again = device.upload(np.zeros(100_000, np.float32))
    assert device.bytes_in_use() == used
    del again, first
    device.trim()
    assert device.bytes_in_use() == 0


def test_a_program_replays_on_what_its_inputs_hold_now(device: Device) -> None:
    x, one = device.upload(np.zeros((1, 8), np.float32)), device.upload(np.ones(8, np.float32))
    with device.record() as program:
        y = add.launch(device, add.launch(device, x, one), one)
    for start in (5.0, -2.0):
        device.write(x, np.full((1, 8), start, np.float32))
        # Tensors made in between must not take the program's memory.
        device.upload(np.full(8, 77.0, np.float32))
        device.run(program, 3)
        np.testing.assert_array_equal(device.download(y), np.full((1, 8), start + 2))
    device.release(program)


def test_profile_counts_each_kernel() -> None:
    device = open_for_tests("wgpu")
    if "timestamp-query" not in device.features:
        pytest.fail("the adapter has no time stamps")
    device.profile = Profile()
    x = device.upload(np.zeros((1, 8), np.float32))
    add.launch(device, add.launch(device, x, x), x)
    device.flush()
    (name, grid, calls, seconds), *rest = device.profile.table()
    assert (name, grid, calls, rest) == ("add", "1x1x1", 2, [])
    assert seconds >= 0


def test_a_shader_that_does_not_compile_is_named(device: Device) -> None:
    with pytest.raises(KernelError, match='kernel "broken"'):
        device.kernel("broken", "@compute @workgroup_size(1) fn main() { let x: f32 = 1u; }")
    # and the device lives on
    assert device.download(device.upload(np.ones(4, np.float32))).sum() == 4


def test_a_tensor_above_the_limit_says_so(device: Device) -> None:
    with pytest.raises(OutOfMemoryError, match="expected at most"):
        device.empty((1 << 40,))


def test_too_many_workgroups_name_the_kernel(device: Device) -> None:
    x = device.upload(np.zeros((1, 8), np.float32))
    kernel = device.kernel("add", add.source("add"))
    with pytest.raises(KernelError, match=r'"add".*70000'):
        device.dispatch(kernel, (70_000, 1, 1), [x, x, x], count4=2, period4=2)


def test_a_command_that_the_library_refuses_is_an_error(device: Device) -> None:
    """One buffer read and written by one dispatch: WebGPU forbids it, and says so when the commands are finished."""
    x = device.upload(np.zeros((1, 8), np.float32))
    device.dispatch(device.kernel("add", add.source("add")), (1, 1, 1), [x, x, x], count4=2, period4=2)
    with pytest.raises(KernelError, match="submit"):
        device.flush()
    # and the device lives on
    assert device.download(add.launch(device, x, device.upload(np.ones(8, np.float32)))).sum() == 8


@pytest.mark.parametrize("implementation", ["wgpu", "dawn"])
def test_a_lost_device_is_an_error(implementation: str) -> None:
    device = open_for_tests(implementation)
    x = device.upload(np.zeros((1, 8), np.float32))
    device.destroy()
    with pytest.raises(DeviceError):
        device.download(add.launch(device, x, x))
