"""A WebGPU device: memory, kernels, and the order in which they run."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.errors import DeviceError, KernelError, OutOfMemoryError
from wherry.gpu.adapter import Adapter, AdapterInfo, choose, find_adapters, implementation
from wherry.gpu.kernel import Kernel, fields_of, unroll
from wherry.gpu.native import create_shader_module, encoder_of
from wherry.gpu.program import Dispatch, Profile, Program
from wherry.gpu.tensor import DTYPES, Pool, Tensor, buffer_size, byte_size, dtype_of

# Taken when the adapter has them, never required. wgpu says subgroup, Dawn subgroups.
_FEATURES = ("shader-f16", "subgroup", "subgroups", "timestamp-query")
_LIMITS = (
    "max-buffer-size", "max-storage-buffer-binding-size", "max-compute-workgroup-storage-size",
    "max-compute-invocations-per-workgroup", "max-compute-workgroup-size-x", "max-storage-buffers-per-shader-stage",
)  # fmt: skip
_USAGE = 0x80 | 0x04 | 0x08  # STORAGE | COPY_SRC | COPY_DST
_UNIFORM = 0x40 | 0x08  # UNIFORM | COPY_DST
_KEPT_STAGING = 8 << 20  # bytes
_MAX_PENDING = 512  # dispatches encoded before they are sent
_PIECE = 64  # dispatches of replays sent at once
_MAX_TIMED = 2048  # dispatches timed in one submission: two time stamps each


class Device:
    """One logical device. Not for two threads at once, but for the release of tensors."""

    def __init__(self, adapter: Adapter, *, profile: bool = False) -> None:
        self.info: AdapterInfo = adapter.info
        self.profile = Profile() if profile else None
        features = [f for f in _FEATURES if f in adapter.handle.features]
        limits = {name: adapter.info.limits[name] for name in _LIMITS}
        if profile and "timestamp-query" not in features:
            raise DeviceError(f'{self.info.name}: found no feature "timestamp-query", which --profile needs')
        # The library logs what it also raises.
        logging.getLogger(adapter.api.__name__).setLevel(logging.CRITICAL)
        self._errors = adapter.api.GPUError
        self._out_of_memory = adapter.api.GPUOutOfMemoryError
        try:
            self._device: Any = adapter.handle.request_device_sync(required_features=features, required_limits=limits)
        except (RuntimeError, self._errors) as error:
            raise DeviceError(f"{self.info.name}: the driver refused a device ({_first_line(error)})") from error
        self.features = frozenset(features)
        self._queue: Any = self._device.queue
        self._encode = encoder_of(self.info.implementation)
        self._pool = Pool(self._make_buffer)
        self._kernels: dict[tuple[str, str, tuple[tuple[str, float], ...]], Kernel] = {}
        self._params: dict[bytes, Any] = {}
        self._pending: list[Dispatch] = []
        self._staging: Any = None
        self._recording: Program | None = None
        self._programs: list[Program] = []

    # -- memory

    def bytes_in_use(self) -> int:
        """Bytes of buffers taken from the driver, those kept for reuse included."""
        return self._pool.bytes() + sum(program.pool.bytes() for program in self._programs)

    def trim(self) -> None:
        """Give buffers that no tensor uses back to the driver."""
        self.flush()
        self._pool.trim()

    def empty(self, shape: tuple[int, ...], dtype: str = "f32") -> Tensor:
        """A tensor of whatever was there before. Raises OutOfMemoryError."""
        limit = min(self.info.limits["max-buffer-size"], self.info.limits["max-storage-buffer-binding-size"])
        if byte_size(shape, dtype) > limit:
            raise OutOfMemoryError(
                f"{self.info.name}: a {dtype} tensor {list(shape)} takes {byte_size(shape, dtype)} bytes, "
                f"expected at most {limit} in one buffer",
                hint="take a smaller or quantised model, or --device cpu",
            )
        return Tensor(self._recording.pool if self._recording else self._pool, shape, dtype)

    def zeros(self, shape: tuple[int, ...], dtype: str = "f32") -> Tensor:
        return self.upload(np.zeros(shape, DTYPES[dtype][0]))

    def upload(self, value: NDArray[Any]) -> Tensor:
        """float32, float16, int32 or uint32, of any shape."""
        return self.upload_bytes(np.ascontiguousarray(value), value.shape, dtype_of(value))

    def upload_bytes(self, data: NDArray[Any], shape: tuple[int, ...], dtype: str) -> Tensor:
        """`data` holds the tensor's bytes as they lie."""
        tensor = Tensor(self._pool, shape, dtype) if self._recording else self.empty(shape, dtype)
        self.write(tensor, data)
        return tensor

    def write(self, tensor: Tensor, data: NDArray[Any], at: int | None = None) -> None:
        """Replace the numbers of `tensor`, after everything dispatched so far; or a part of them, from byte `at` on."""
        self.flush()
        raw = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
        if len(raw) != tensor.size if at is None else at % 4 or len(raw) % 4 or at + len(raw) > tensor.size:
            raise ValueError(f"write: found {len(raw)} bytes at {at or 0}, expected {tensor.size}")
        if at is not None:
            with self._guard("upload"):
                self._queue.write_buffer(tensor.buffer, at, raw)
            return
        if not len(raw):
            return
        with self._guard("upload"):
            whole = len(raw) & ~3
            if whole:
                self._queue.write_buffer(tensor.buffer, 0, raw[:whole])
            if whole < len(raw):  # buffers are written in words
                self._queue.write_buffer(
                    tensor.buffer, whole, np.concatenate([raw[whole:], np.zeros(4 - len(raw) % 4, np.uint8)])
                )

    def download(self, tensor: Tensor) -> NDArray[Any]:
        """Wait for everything dispatched so far -> a copy in numpy. Not for quantised tensors."""
        return self.download_all([tensor])[0]

    def download_all(self, tensors: list[Tensor]) -> list[NDArray[Any]]:
        """Several tensors in one wait: a wait costs far more than the copy."""
        self.flush()
        sizes = [-(-tensor.size // 8) * 8 for tensor in tensors]
        found: list[NDArray[Any]] = []
        if not sum(sizes):
            return [np.zeros(tensor.shape, DTYPES[tensor.dtype][0]) for tensor in tensors]
        with self._guard("download"):
            staging = self._staging_for(sum(sizes))
            encoder = self._device.create_command_encoder()
            at = 0
            for tensor, size in zip(tensors, sizes, strict=True):
                if size:
                    encoder.copy_buffer_to_buffer(tensor.buffer, 0, staging, at, size)
                at += size
            self._queue.submit([encoder.finish()])
            staging.map_sync("READ_NOSYNC", 0, sum(sizes))
            data = np.frombuffer(bytearray(staging.read_mapped(0, sum(sizes))), np.uint8)
            staging.unmap()
        at = 0
        for tensor, size in zip(tensors, sizes, strict=True):
            kind = DTYPES[tensor.dtype][0]
            found.append(data[at : at + tensor.size].view(kind).reshape(tensor.shape))
            at += size
        return found

    def _staging_for(self, size: int) -> Any:
        """A buffer that the host can read, kept from one download to the next unless it is large."""
        if self._staging is not None and size <= self._staging.size:
            return self._staging
        made = self._device.create_buffer(size=max(size, 4096), usage=0x01 | 0x08)  # MAP_READ | COPY_DST
        if size <= _KEPT_STAGING:
            self._staging = made
        return made

    # -- kernels

    def kernel(self, name: str, source: str, entry: str = "main", **constants: Any) -> Kernel:
        """The compiled kernel, from the cache where it is there. `constants`: overrides, and counts of `//unroll`.

        Raises KernelError with the compiler's words where it does not compile.
        """
        key = (source, entry, tuple(sorted(constants.items())))
        if key not in self._kernels:
            text = unroll(source, {k: int(v) for k, v in constants.items()})
            overrides = {k: v for k, v in constants.items() if re.search(rf"override {k}\b", text)}
            try:
                module = create_shader_module(self.info.implementation, self._device, name, text)
                stage = {"module": module, "entry_point": entry, "constants": overrides}
                pipeline = self._device.create_compute_pipeline(label=name, layout="auto", compute=stage)
                layout = pipeline.get_bind_group_layout(0)
            except (RuntimeError, self._errors) as error:
                raise KernelError(f'{self.info.name}: kernel "{name}": {error}') from error
            self._kernels[key] = Kernel(name, pipeline, layout, fields_of(text))
        return self._kernels[key]

    def dispatch(self, kernel: Kernel, grid: tuple[int, int, int], tensors: list[Tensor], **params: int | float) -> None:
        """Run `kernel` over `grid` workgroups, after all that was dispatched before. Binding 0 is its parameters."""
        if 0 in grid:
            return
        limit = self.info.limits["max-compute-workgroups-per-dimension"]
        if max(grid) > limit:
            raise KernelError(f'kernel "{kernel.name}": found a grid of {grid} workgroups, expected at most {limit} each way')
        entries = [{"binding": 0, "resource": self._uniform(kernel.pack(params))}] if kernel.fields else []
        entries += [
            {"binding": i, "resource": {"buffer": tensor.buffer, "offset": 0, "size": -(-max(tensor.size, 4) // 4) * 4}}
            for i, tensor in enumerate(tensors, 1 if kernel.fields else 0)
        ]
        with self._guard(f'kernel "{kernel.name}"'):
            group = self._device.create_bind_group(layout=kernel.layout, entries=entries)
        dispatch = Dispatch(kernel.name, kernel.pipeline, group, grid)
        if self._recording is not None:
            self._recording.dispatches.append(dispatch)
            for tensor in tensors:
                if tensor.pool is not self._recording.pool:
                    self._recording.touched[id(tensor)] = tensor
            return
        self._pending.append(dispatch)
        if len(self._pending) >= _MAX_PENDING:
            self.flush()

    def flush(self) -> None:
        """Send what was dispatched to the GPU."""
        pending, self._pending = self._pending, []
        if pending:
            self._submit([pending])

    # -- programs

    @contextmanager
    def record(self) -> Iterator[Program]:
        """Dispatches inside go into the program instead of to the GPU; tensors made inside belong to it."""
        if self._recording is not None:
            raise RuntimeError("a program is being recorded already")
        program = Program(Pool(self._make_buffer))
        self._recording = program
        try:
            yield program
        finally:
            self._recording = None
        self._programs.append(program)

    def run(self, program: Program, times: int = 1) -> None:
        """Replay a program `times` times. Sent in pieces, so that the GPU works while the next is being encoded."""
        self.flush()
        piece = max(1, _PIECE // max(1, len(program.dispatches)))
        for start in range(0, times, piece):
            self._submit([program.dispatches] * min(piece, times - start))

    def release(self, program: Program) -> None:
        self.flush()
        self._programs.remove(program)
        program.release()

    def _submit(self, batches: list[list[Dispatch]]) -> None:
        if self.profile is not None:
            for batch in batches:
                self._submit_timed(batch)
            return
        with self._guard("submit"):
            encoder = self._device.create_command_encoder()
            work = encoder.begin_compute_pass()
            for batch in batches:
                self._encode(work, batch)
            work.end()
            self._queue.submit([encoder.finish()])

    def _submit_timed(self, batch: list[Dispatch]) -> None:
        """Each dispatch in a pass of its own, between two time stamps."""
        assert self.profile is not None
        for start in range(0, len(batch), _MAX_TIMED):
            part = batch[start : start + _MAX_TIMED]
            count = 2 * len(part)
            with self._guard("profile"):
                queries = self._device.create_query_set(type="timestamp", count=count)
                stamps = self._device.create_buffer(size=8 * count, usage=0x200 | 0x04)  # QUERY_RESOLVE | COPY_SRC
                encoder = self._device.create_command_encoder()
                for i, dispatch in enumerate(part):
                    writes = {
                        "query_set": queries,
                        "beginning_of_pass_write_index": 2 * i,
                        "end_of_pass_write_index": 2 * i + 1,
                    }
                    work = encoder.begin_compute_pass(timestamp_writes=writes)
                    self._encode(work, [dispatch])
                    work.end()
                encoder.resolve_query_set(queries, 0, count, stamps, 0)
                self._queue.submit([encoder.finish()])
                times = np.frombuffer(self._queue.read_buffer(stamps), np.uint64).reshape(-1, 2)
            for dispatch, (begin, end) in zip(part, times.tolist(), strict=True):
                self.profile.add(dispatch, max(0, end - begin) * 1e-9)

    def _uniform(self, data: bytes) -> dict[str, Any]:
        """A uniform buffer with these bytes: made once, never written again."""
        if data not in self._params:
            if len(self._params) > 4096:  # shapes that differ without end must not fill the device
                self.flush()
                self._params.clear()
            with self._guard("parameters"):
                buffer = self._device.create_buffer(size=len(data), usage=_UNIFORM)
                self._queue.write_buffer(buffer, 0, data)
            self._params[data] = buffer
        return {"buffer": self._params[data], "offset": 0, "size": len(data)}

    def _make_buffer(self, size: int) -> Any:
        with self._guard(f"a buffer of {size} bytes"):
            return self._device.create_buffer(size=size, usage=_USAGE)

    @contextmanager
    def _guard(self, what: str) -> Iterator[None]:
        """The library's errors -> ours, with what was being done."""
        try:
            yield
        except self._out_of_memory as error:
            raise OutOfMemoryError(
                f"{self.info.name}: {what}: out of memory ({_first_line(error)})",
                hint="take a smaller or quantised model, or --device cpu",
            ) from error
        except (RuntimeError, self._errors) as error:
            words = _first_line(error)
            lost = "lost" in str(error).lower() or "destroyed" in str(error).lower()
            kind = DeviceError if lost else KernelError
            raise kind(f"{self.info.name}: {what}: {'the device was lost' if lost else 'failed'} ({words})") from error

    def destroy(self) -> None:
        """End the device: everything on it is gone."""
        self._device.destroy()


def open_device(wanted: str, *, profile: bool = False, find: Callable[[str], list[Adapter]] = find_adapters) -> Device:
    """wanted: auto, gpu, gpu:N or gpu:NAME (see `choose`). Raises DeviceError."""
    adapters = find(implementation())
    chosen = choose([adapter.info for adapter in adapters], wanted)
    return Device(adapters[chosen.index], profile=profile)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


__all__ = ["Device", "Program", "Tensor", "buffer_size", "open_device"]
