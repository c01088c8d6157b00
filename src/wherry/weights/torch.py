"""PyTorch files (`torch.save`): OpenAI's `.pt`, and state dicts of Hugging Face (`pytorch_model.bin`).

A file is a pickle program and the numbers it refers to: since PyTorch 1.6 as a zip archive of stored (uncompressed) entries,
before that one after another. Unpickling runs code, so nothing is unpickled here: `_Program` walks the few operations that
build dictionaries, lists and tensors, and refuses every other. Tensors are views of the mapped file.
"""

import io
import mmap
import pickletools
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.errors import FormatError, TooLargeError
from wherry.weights.checkpoint import Checkpoint

_LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."  # the pickled magic number of torch.save before 1.6
_MAX_PICKLE_BYTES = 16 << 20  # large-v3's is 200 kB
_MAX_OPERATIONS = 1 << 20
_MAX_SHARING = 4  # bytes of all tensors over bytes of the file: tied weights are counted twice, no file is all ties
_MAX_RANK = 8
# torch's storage classes -> numpy's types; bfloat16, which numpy lacks, as its bits.
_BFLOAT16 = "u2"
_STORAGES = {
    "FloatStorage": "f4", "HalfStorage": "f2", "DoubleStorage": "f8", "BFloat16Storage": _BFLOAT16, "LongStorage": "i8",
    "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?",
}  # fmt: skip


def recognises(head: bytes) -> bool:
    return head[:4] == b"PK\x03\x04" or head[: len(_LEGACY)] == _LEGACY


def read(path: Path, config: Path | None = None) -> Checkpoint:
    """Tensors of `model_state_dict` (OpenAI) or of the whole dictionary, under their names in it.

    Raises FormatError where the file is damaged, wants code to be run, or holds no tensors.
    """
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    data = np.frombuffer(mapped, np.uint8)
    root, storages = _read_legacy(path, data) if mapped[: len(_LEGACY)] == _LEGACY else _read_zip(path, data)
    if not isinstance(root, dict):
        raise FormatError(f"{path}: found a {type(root).__name__}, expected a dictionary of tensors")
    said: dict[str, object] = {}
    dims = root.get("dims")
    if isinstance(dims, dict):
        said["dims"] = {name: size for name, size in dims.items() if isinstance(size, int)}
    state = root.get("model_state_dict", root)
    found = {name: x for name, x in state.items() if isinstance(x, _Tensor)} if isinstance(state, dict) else {}
    if not found:
        raise FormatError(f'{path}: found no tensors, expected some in "model_state_dict" or in the dictionary itself')
    tensors: dict[str, NDArray[Any]] = {}
    total = 0
    for name, tensor in found.items():
        total += tensor.items * np.dtype(tensor.storage.dtype).itemsize
        if total > _MAX_SHARING * len(data):
            raise TooLargeError(f'{path}: tensor "{name}": found over {total} bytes of tensors in a file of {len(data)}')
        tensors[str(name)] = _array(path, str(name), tensor, storages)
    return Checkpoint(path, "torch", tensors, said)


@dataclass(frozen=True)
class _Storage:
    """A run of numbers: `key` names its place in the file."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class _Tensor:
    """Elements `offset + sum(index * stride)` of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def items(self) -> int:
        total = 1
        for size in self.shape:
            total *= size
        return total


# The bytes of a storage; raises FormatError where the file has none of that key and size.
_Storages = Callable[[_Storage], NDArray[Any]]


def _array(path: Path, name: str, tensor: _Tensor, storages: _Storages) -> NDArray[Any]:
    flat = storages(tensor.storage)
    if tensor.items:
        last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride, strict=True))
        if last >= len(flat) or tensor.items > len(flat):
            raise FormatError(
                f'{path}: tensor "{name}": found shape {list(tensor.shape)} with strides {list(tensor.stride)} from '
                f"{tensor.offset}, expected no more than the {len(flat)} numbers of its storage"
            )
    else:
        flat = np.zeros(1, flat.dtype)
    size = flat.dtype.itemsize
    start = flat[tensor.offset if tensor.items else 0 :]
    view = np.lib.stride_tricks.as_strided(start, tensor.shape, [step * size for step in tensor.stride], writeable=False)
    if tensor.storage.dtype == _BFLOAT16:  # the upper half of a float32
        return (view.astype(np.uint32) << 16).view(np.float32)
    return view


# -- the two containers


def _read_zip(path: Path, data: NDArray[np.uint8]) -> tuple[Any, _Storages]:
    """`NAME/data.pkl`, `NAME/byteorder` and one `NAME/data/KEY` for each storage."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError, struct.error, OverflowError) as error:
        raise FormatError(f"{path}: found a damaged zip archive ({error}), expected a file of torch.save") from error
    programs = [name for name in entries if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(programs) != 1:
        raise FormatError(f"{path}: found {len(programs)} data.pkl in the archive, expected one, as torch.save writes")
    folder = programs[0].removesuffix("data.pkl")

    def contents(name: str) -> NDArray[np.uint8]:
        """An entry where it lies: zipfile would copy it."""
        entry = entries.get(name)
        if entry is None:
            raise FormatError(f"{path}: {name}: found no such entry in the archive, expected the numbers of a tensor")
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            raise FormatError(f"{path}: {name}: found a compressed or encrypted entry, expected a stored one")
        start = entry.header_offset
        header = data[start : start + 30].tobytes() if start >= 0 else b""
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            raise FormatError(f"{path}: {name}: found no zip entry at byte {start}, expected one")
        start += 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        if start + entry.file_size > len(data):
            raise FormatError(f"{path}: {name}: found {len(data) - start} bytes left, expected {entry.file_size}")
        return data[start : start + entry.file_size]

    program = contents(programs[0])
    if len(program) > _MAX_PICKLE_BYTES:
        raise TooLargeError(f"{path}: data.pkl: found {len(program)} bytes, expected at most {_MAX_PICKLE_BYTES}")
    code = program.tobytes()
    if zlib.crc32(code) != entries[programs[0]].CRC:
        raise FormatError(f"{path}: data.pkl: found another checksum than the archive's: the file is damaged")
    order = "<"
    if folder + "byteorder" in entries:
        said = contents(folder + "byteorder")[:16].tobytes()
        if said not in (b"little", b"big"):
            raise FormatError(f'{path}: byteorder: found {said!r}, expected "little" or "big"')
        order = "<" if said == b"little" else ">"

    def storage(wanted: _Storage) -> NDArray[Any]:
        raw = contents(f"{folder}data/{wanted.key}")
        dtype = np.dtype(wanted.dtype).newbyteorder(order)  # type: ignore[arg-type]
        if len(raw) != wanted.count * dtype.itemsize:
            expected = f"expected {wanted.count} numbers of {dtype.itemsize} bytes"
            raise FormatError(f"{path}: storage {wanted.key}: found {len(raw)} bytes, {expected}")
        return raw.view(dtype)

    return _Program(path, code).run()[0], storage


def _read_legacy(path: Path, data: NDArray[np.uint8]) -> tuple[Any, _Storages]:
    """Five pickles (magic, version, system, the object, the storages' keys), then for each key its count u64 and numbers."""
    head = data[:_MAX_PICKLE_BYTES].tobytes()
    at = len(_LEGACY)
    values: list[Any] = []
    used: dict[str, _Storage] = {}
    for _ in range(4):
        program = _Program(path, head[at:])
        value, size = program.run()
        values.append(value)
        used |= program.storages
        at += size
    _, system, root, keys = values
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise FormatError(f"{path}: found a file of a big-endian machine, expected little-endian numbers")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise FormatError(f"{path}: found no list of storage keys, expected one after the tensors")
    found: dict[str, NDArray[Any]] = {}
    for key in keys:
        wanted = used.get(key)
        dtype = np.dtype(wanted.dtype if wanted else "u1").newbyteorder("<")
        count = int.from_bytes(data[at : at + 8].tobytes(), "little")
        at += 8
        if wanted is None or count != wanted.count or count * dtype.itemsize > len(data) - at:
            raise FormatError(f"{path}: storage {key[:40]}: found {count} numbers with {max(0, len(data) - at)} bytes left")
        # Legacy numbers follow each other at any byte: numpy reads what is not aligned.
        found[key] = np.ndarray((count,), dtype, data.data, at)
        at += count * dtype.itemsize

    def storage(wanted: _Storage) -> NDArray[Any]:
        if wanted.key not in found:
            raise FormatError(f"{path}: storage {wanted.key[:40]}: found no such key after the tensors")
        return found[wanted.key]

    return root, storage


# -- the pickle program


class _Mark:
    """Where a list of operands begins on the stack."""


@dataclass(frozen=True)
class _Global:
    """A name that the program wants imported; only `_CALLS` are known, and none is imported."""

    name: str


class _Program:
    """Evaluates the operations of pickle that data needs, over plain values; whatever would run code is refused."""

    def __init__(self, path: Path, program: bytes) -> None:
        self.path = path
        self.program = program
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, _Storage] = {}

    def run(self) -> tuple[Any, int]:
        """-> the value, and how many bytes the program takes."""
        stream = io.BytesIO(self.program)
        try:
            for count, (operation, argument, _) in enumerate(pickletools.genops(stream)):
                if count > _MAX_OPERATIONS:
                    raise TooLargeError(f"{self.path}: found over {_MAX_OPERATIONS} pickle operations, expected a model")
                self._step(operation.name, argument)
        except (ValueError, IndexError, KeyError, OverflowError, struct.error) as error:
            raise FormatError(f"{self.path}: found a damaged pickle ({type(error).__name__}), expected torch.save's") from error
        if len(self.stack) != 1:
            raise FormatError(f"{self.path}: found a pickle that leaves {len(self.stack)} values, expected one")
        return self.stack[0], stream.tell()

    def _step(self, name: str, argument: Any) -> None:
        stack = self.stack
        match name:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(name == "NEWTRUE")
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8":
                stack.append(argument)
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_TUPLE":
                stack.append(())
            case "MARK":
                stack.append(_Mark())
            case "TUPLE":
                stack.append(tuple(self._operands()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                self._push_tuple(int(name[-1]))
            case "APPEND" | "APPENDS":
                values = [stack.pop()] if name == "APPEND" else self._operands()
                self._top(list).extend(values)
            case "SETITEM" | "SETITEMS":
                self._set_items(self._pop(2) if name == "SETITEM" else self._operands())
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "GLOBAL":
                stack.append(_Global(str(argument).replace(" ", ".")))
            case "STACK_GLOBAL":
                module, attribute = self._pop(2)
                stack.append(_Global(f"{module}.{attribute}" if isinstance(module, str) and isinstance(attribute, str) else ""))
            case "BINPERSID":
                stack.append(self._storage(stack.pop()))
            case "NEWOBJ":
                called = self._pop(2)[0]
                raise self._refused(f'an object of class "{called.name[:80]}"' if isinstance(called, _Global) else "an object")
            case "REDUCE":
                called, operands = self._pop(2)
                stack.append(self._call(called, operands))
            case "BUILD":  # attributes of a dictionary, such as the versions of a state dict's modules
                stack.pop()
                self._top(dict)
            case _:
                raise self._refused(f"pickle operation {name}")

    def _pop(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise IndexError
        taken = self.stack[-count:]
        del self.stack[-count:]
        return taken

    def _push_tuple(self, count: int) -> None:
        self.stack.append(tuple(self._pop(count)))

    def _operands(self) -> list[Any]:
        """What stands above the last mark."""
        taken: list[Any] = []
        while not isinstance(value := self.stack.pop(), _Mark):
            taken.append(value)
        return taken[::-1]

    def _top(self, kind: type) -> Any:
        if not isinstance(self.stack[-1], kind):
            raise self._refused(f"a change of a {type(self.stack[-1]).__name__}")
        return self.stack[-1]

    def _set_items(self, operands: list[Any]) -> None:
        target = self._top(dict)
        for key, value in zip(operands[::2], operands[1::2], strict=True):
            # Only these hash in constant time: tuples of tuples of one tuple would not.
            if not isinstance(key, str | int):
                raise self._refused(f"a key of type {type(key).__name__}")
            target[key] = value

    def _storage(self, identity: Any) -> _Storage:
        """("storage", type, key, device, count), and before 1.6 a sixth: None, or what part of another storage it is."""
        match identity:
            case ("storage", _Global(name), str(key), str(), int(count), *views) if count >= 0 and views in ([], [None]):
                kind = _STORAGES.get(name.removeprefix("torch."))
                if kind is None or not name.startswith("torch."):
                    raise self._refused(f"a storage of type {name[:80]}")
                self.storages[key] = storage = _Storage(key, kind, count)
                return storage
        raise self._refused("a persistent value that is no storage")

    def _call(self, called: Any, operands: Any) -> Any:
        name = called.name if isinstance(called, _Global) else ""
        match name, operands:
            case "torch._utils._rebuild_tensor_v2", (_Storage() as storage, int(offset), tuple(shape), tuple(stride), *_):
                sizes = all(type(n) is int and 0 <= n < 1 << 48 for n in (offset, *shape, *stride))
                if not sizes or len(shape) != len(stride) or len(shape) > _MAX_RANK:
                    raise self._refused("a tensor with sizes that cannot be")
                return _Tensor(storage, offset, shape, stride)
            case "torch._utils._rebuild_parameter", (_Tensor() as tensor, *_):
                return tensor
            case "collections.OrderedDict", ():
                return {}
        raise self._refused(f'a call of "{name[:80]}"')

    def _refused(self, found: str) -> FormatError:
        return FormatError(
            f"{self.path}: pickle: found {found}, expected tensors, numbers, strings, lists and dictionaries",
            hint="save the weights alone: torch.save(model.state_dict(), FILE), or as safetensors",
        )
