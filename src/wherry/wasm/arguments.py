"""A guest's arguments and variables, which the host has as bytes: text, and sometimes text that is no UTF-8.

Python keeps bytes that are no UTF-8 as lone surrogates ("surrogateescape"). Preview1 hands bytes on, so a core module gets
exactly what its user typed; wasmtime's own calls take Unicode alone. Components have strings, which are Unicode.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wherry.errors import InputError
from wherry.wasm.errno import INVAL, SUCCESS
from wherry.wasm.memory import GuestMemory

# Name -> how many arguments it takes; every one answers an errno.
ARITIES: Mapping[str, int] = {"args_get": 2, "args_sizes_get": 2, "environ_get": 2, "environ_sizes_get": 2}


class Arguments:
    """Preview1's calls for one guest. Raises InputError for what no C string can hold."""

    def __init__(self, argv: Sequence[str], variables: Mapping[str, str]) -> None:
        self._lists = {
            "args": [_c_string(f"argument {index}", word) for index, word in enumerate(argv)],
            "environ": [_c_string(f"variable {name!r}", f"{name}={value}") for name, value in variables.items()],
        }

    def call(self, name: str, memory: GuestMemory, arguments: tuple[int, ...]) -> int:
        """args_get and its kin by name -> errno. Raises GuestFault."""
        words = self._lists[name.partition("_")[0]]
        first, second = arguments
        if name.endswith("_sizes_get"):
            memory.set_u32(first, len(words))
            memory.set_u32(second, sum(map(len, words)))
            return SUCCESS
        return _write_words(memory, words, first, second)


def _write_words(memory: GuestMemory, words: Sequence[bytes], pointers: int, buffer: int) -> int:
    """Each word behind the last from `buffer` on, and where it begins in `pointers`."""
    buffer &= 0xFFFF_FFFF
    if buffer + sum(map(len, words)) > 1 << 32:
        return INVAL
    starts = []
    for word in words:
        starts.append(buffer)
        memory.write(buffer, word)
        buffer += len(word)
    memory.write(pointers, b"".join(start.to_bytes(4, "little") for start in starts))
    return SUCCESS


def _c_string(what: str, text: str) -> bytes:
    try:
        raw = os.fsencode(text)
    except UnicodeEncodeError as error:
        raise InputError(f"{what}: found {text[:200]!a}, which is no text of this system's") from error
    if b"\0" in raw:
        raise InputError(f"{what}: found {text[:200]!a}, expected no zero byte")
    return raw + b"\0"


def check_unicode(path: Path, argv: Sequence[str], variables: Mapping[str, str]) -> None:
    """Raises InputError for what a component, whose strings are Unicode, cannot be given."""
    words = [(f"argument {index}", word) for index, word in enumerate(argv)]
    words += [(f"variable {name!a}", f"{name}={value}") for name, value in variables.items()]
    for what, word in words:
        try:
            word.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"{path}: {what}: found {word[:200]!a}, expected UTF-8: the strings of components are Unicode",
                hint="a core module (wasm32-wasip1) takes any bytes",
            ) from error


def preopen(wasi: Any, host: Path, guest: str, writable: bool) -> None:
    """Give a folder to a wasmtime.WasiConfig, which takes Unicode paths alone: others by their descriptor."""
    try:
        wasi.preopen_dir(str(host), guest, writable)
    except UnicodeEncodeError:
        handle = os.open(host, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            wasi.preopen_dir(f"/proc/self/fd/{handle}", guest, writable)
        finally:
            os.close(handle)
