"""A .wasm file to a compiled module or component."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import wasmtime
from wasmtime import _ffi as ffi
from wasmtime import component

from wherry.errors import FormatError, NotFoundError, TooLargeError
from wherry.interruption import interruptible
from wherry.wasm.compiled import CompiledCache
from wherry.wasm.memory import PAGE_BYTES

_MAX_WASM_BYTES = 256 << 20
_PAGES = re.compile(r"(\d+) pages")
_COMPONENT = b"\0asm\x0d\0\1\0"


def _version() -> str:
    """wasmtime's, from its folder's neighbour: `importlib.metadata` would cost every start of a guest 12 ms."""
    for path in Path(wasmtime.__file__).parent.parent.glob("wasmtime-*.dist-info"):
        return path.name.removesuffix(".dist-info")
    from importlib.metadata import version

    return f"wasmtime-{version('wasmtime')}"


# Part of the cache's key: a change of how modules are compiled makes old entries unreachable.
_SETTINGS = f"{_version()}-epoch-v3"


def new_engine() -> wasmtime.Engine:
    """One engine a guest: interrupting it (increment_epoch) then interrupts that guest alone."""
    config = wasmtime.Config()
    config.epoch_interruption = True
    # What no wasm32-wasip1 guest needs, and what our limits and pointers do not count with: a second memory, a shared one
    # (limits do not hold for it), one of 64 bits, and objects on a heap beside it.
    config.wasm_multi_memory = False
    config.wasm_threads = False
    config.wasm_memory64 = False
    config.wasm_gc = False
    return wasmtime.Engine(config)


def new_component_engine() -> wasmtime.Engine:
    """One engine a program: its instances share the compiled code, and each decides at an epoch whether it is meant."""
    config = wasmtime.Config()
    config.epoch_interruption = True
    config.wasm_threads = False
    config.wasm_memory64 = False
    config.wasm_gc = False
    # With it, wasmtime 50 ends whoever lends the host two resources in one call ("deferred host scope has no call context").
    ffi.wasmtime_config_concurrency_support_set(config.ptr(), False)
    return wasmtime.Engine(config)


def is_component(path: Path) -> bool:
    """By its first bytes. Raises NotFoundError."""
    try:
        with path.open("rb") as file:
            return file.read(len(_COMPONENT)) == _COMPONENT
    except OSError as error:
        raise NotFoundError(f"{path}: found no readable file ({error.strerror}), expected a .wasm module") from error


def load_module(
    engine: wasmtime.Engine, path: Path, cache: Path | None, say: Callable[[str], None] = lambda line: None
) -> wasmtime.Module:
    """Compile a core module, or take its compiled form from `cache`; a cache that cannot be used is told to `say`.

    Raises NotFoundError, FormatError for a file that is no valid core module, TooLargeError.
    """
    wasm = _read(path)
    if wasm[:8] == _COMPONENT:
        raise FormatError(f"{path}: found a component, expected a core module", hint="build it for wasm32-wasip1")
    made: wasmtime.Module = _compiled(wasmtime.Module, engine, path, wasm, cache, say)
    return made


def load_component(
    engine: wasmtime.Engine, path: Path, cache: Path | None, say: Callable[[str], None] = lambda line: None
) -> component.Component:
    """The same of a component."""
    wasm = _read(path)
    if wasm[:8] != _COMPONENT:
        raise FormatError(f"{path}: found a core module, expected a component")
    made: component.Component = _compiled(component.Component, engine, path, wasm, cache, say)
    return made


def compile_into(path: Path, cache: Path) -> None:
    """Have the cache hold a module's or component's compiled form."""
    if is_component(path):
        load_component(new_component_engine(), path, cache)
    else:
        load_module(new_engine(), path, cache)


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > _MAX_WASM_BYTES:
            raise TooLargeError(f"{path}: found {size} bytes, expected a module of at most {_MAX_WASM_BYTES}")
        wasm = path.read_bytes()
    except OSError as error:
        raise NotFoundError(f"{path}: found no readable file ({error.strerror}), expected a .wasm module") from error
    if wasm[:4] != b"\0asm":
        raise FormatError(f"{path}: found first bytes {wasm[:4].hex(' ')}, expected 00 61 73 6d (a WebAssembly module)")
    return wasm


def _compiled(kind: Any, engine: wasmtime.Engine, path: Path, wasm: bytes, cache: Path | None, say: Callable[[str], None]) -> Any:
    """`kind` is wasmtime's class for what it is."""
    kept = CompiledCache(cache / "cwasm", say) if cache is not None else None
    key = hashlib.sha256(_SETTINGS.encode() + b"\0" + wasm).hexdigest()
    if kept is not None and (compiled := kept.get(key)) is not None:
        try:
            return kind.deserialize(engine, compiled)
        except wasmtime.WasmtimeError as error:  # of another machine's processor: it is replaced below
            say(f"{path.name}: compiled again ({reason_of(error)})")
    try:
        made = interruptible(lambda: kind(engine, wasm))
    except wasmtime.WasmtimeError as error:
        raise FormatError(f"{path}: found an invalid module ({reason_of(error)}), expected WebAssembly 2.0") from error
    if kept is not None:
        kept.put(key, bytes(made.serialize()))
    return made


def reason_of(error: Exception) -> str:
    """The innermost cause, which wasmtime prints last. Its pages of 64 KiB are megabytes, as `--memory` takes them."""
    cause = str(error).strip().splitlines()[-1].strip() if str(error).strip() else "no reason given"
    return _PAGES.sub(lambda match: f"{megabytes(int(match[1]) * PAGE_BYTES)} MB", cause)


def megabytes(nbytes: int) -> int:
    """Rounded up, so that the number is enough for `--memory`."""
    return -(-nbytes // (1 << 20))
