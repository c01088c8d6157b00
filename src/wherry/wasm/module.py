"""A .wasm file to a compiled module, kept in the cache: compiling the demo's server takes seconds, loading it 1 ms."""

import contextlib
import hashlib
import os
import tempfile
from importlib.metadata import version
from pathlib import Path

import wasmtime

from wherry.errors import FormatError, NotFoundError, TooLargeError

_MAX_WASM_BYTES = 256 << 20
# Part of the cache key: a change of how modules are compiled makes old entries unreachable.
_SETTINGS = f"wasmtime-{version('wasmtime')}-epoch-v1"


def new_engine() -> wasmtime.Engine:
    """One engine a guest: interrupting it (increment_epoch) then interrupts that guest alone."""
    config = wasmtime.Config()
    config.epoch_interruption = True
    return wasmtime.Engine(config)


def load_module(engine: wasmtime.Engine, path: Path, cache: Path | None) -> wasmtime.Module:
    """Compile a core module, or take its compiled form from `cache`.

    Raises NotFoundError, FormatError for a file that is no valid core module, TooLargeError.
    """
    try:
        size = path.stat().st_size
        if size > _MAX_WASM_BYTES:
            raise TooLargeError(f"{path}: found {size} bytes, expected a module of at most {_MAX_WASM_BYTES}")
        wasm = path.read_bytes()
    except OSError as error:
        raise NotFoundError(f"{path}: found no readable file ({error.strerror}), expected a .wasm module") from error
    if wasm[:4] != b"\0asm":
        raise FormatError(f"{path}: found first bytes {wasm[:4].hex(' ')}, expected 00 61 73 6d (a WebAssembly module)")
    if wasm[4:8] == b"\x0d\0\x01\0":
        raise FormatError(f"{path}: found a component, expected a core module", hint="build it for wasm32-wasip1")
    compiled = cache / "cwasm" / f"{hashlib.sha256(wasm + _SETTINGS.encode()).hexdigest()}.cwasm" if cache else None
    if compiled is not None and compiled.is_file():
        # An entry that cannot be loaded is replaced below.
        with contextlib.suppress(wasmtime.WasmtimeError):
            return wasmtime.Module.deserialize_file(engine, str(compiled))
    try:
        module = wasmtime.Module(engine, wasm)
    except wasmtime.WasmtimeError as error:
        raise FormatError(f"{path}: found an invalid module ({_first_line(error)}), expected WebAssembly 2.0") from error
    if compiled is not None:
        _keep(compiled, bytes(module.serialize()))
    return module


def _keep(path: Path, data: bytes) -> None:
    """Write all or nothing. Compiled code is trusted when loaded, so the folder belongs to its user alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    Path(temporary).replace(path)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1] if str(error).strip() else "no reason given"
