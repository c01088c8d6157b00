"""Values of components between Python and wasmtime's C API, by types that are looked at once, when a component is linked.

wasmtime-py's own conversion asks for each type again in every call, walks lists of numbers one by one and keeps a module-wide
cache that threads share. Here lists of numbers are copied as a whole, and nothing is shared.

    bool, numbers, char, string    bool, int, float, str
    list<u8>, other lists          bytes, list
    record, tuple                  tuple, in the order of the fields
    variant, result                Case("ok", value); a result is lowered from its bare value too
    option, enum, flags            the value or None, str, frozenset of str
    own and borrow of a resource   the host's number for it; lowered from `Own`
"""

import ctypes
import struct
from collections.abc import Callable, Sequence
from ctypes import byref
from dataclasses import dataclass
from typing import Any, NamedTuple

from wasmtime import WasmtimeError
from wasmtime import _ffi as ffi
from wasmtime.component import _types as types

from wherry.errors import UnsupportedError

Val = ffi.wasmtime_component_val_t
Lift = Callable[[Any, Any], Any]  # a context and a value of the C API, which stays its owner's -> Python's
Lower = Callable[[Any, Any, Any], None]  # a context, Python's value, and where the C API's is to be

_SIZE = ctypes.sizeof(Val)
_OFFSET = Val.of.offset


class Case(NamedTuple):
    """A variant's case by name; `Case("err", failure)` is a result that is none."""

    tag: str
    value: Any = None


@dataclass(frozen=True)
class Own:
    """A resource of the host's that passes to the guest: its number in the table, and its kind's."""

    number: int
    kind: int


@dataclass(frozen=True)
class Converter:
    lift: Lift
    lower: Lower


@dataclass(frozen=True)
class Signature:
    """A function's parameters and its result, None for none."""

    parameters: tuple[Converter, ...]
    result: Converter | None

    @classmethod
    def of(cls, kind: types.FuncType) -> "Signature":
        return cls(tuple(converter(type_) for _, type_ in kind.params), converter(kind.result) if kind.result else None)


def converter(kind: types.ValType) -> Converter:
    """Raises UnsupportedError for streams and futures."""
    for number, field, code in _NUMBERS:
        if type(kind) is number:
            return _scalar(field, code, float if field in ("f32", "f64") else int)
    for type_, make in _MAKERS.items():
        if type(kind) is type_:
            return make(kind)
    raise UnsupportedError(f"component: found a type {type(kind).__name__}, which Wherry cannot pass")


_NUMBERS = (
    (types.U8, "u8", ffi.WASMTIME_COMPONENT_U8), (types.S8, "s8", ffi.WASMTIME_COMPONENT_S8),
    (types.U16, "u16", ffi.WASMTIME_COMPONENT_U16), (types.S16, "s16", ffi.WASMTIME_COMPONENT_S16),
    (types.U32, "u32", ffi.WASMTIME_COMPONENT_U32), (types.S32, "s32", ffi.WASMTIME_COMPONENT_S32),
    (types.U64, "u64", ffi.WASMTIME_COMPONENT_U64), (types.S64, "s64", ffi.WASMTIME_COMPONENT_S64),
    (types.F32, "f32", ffi.WASMTIME_COMPONENT_F32), (types.F64, "f64", ffi.WASMTIME_COMPONENT_F64),
)  # fmt: skip
# struct's letters for the elements of lists.
_LETTERS = {types.U8: "B", types.S8: "b", types.U16: "H", types.S16: "h", types.U32: "I", types.S32: "i", types.U64: "Q",
            types.S64: "q", types.F32: "f", types.F64: "d"}  # fmt: skip


def _scalar(field: str, code: Any, convert: Callable[[Any], Any]) -> Converter:
    def lift(context: Any, c: Any) -> Any:
        return getattr(c.of, field)

    def lower(context: Any, value: Any, c: Any) -> None:
        setattr(c.of, field, convert(value))
        c.kind = code

    return Converter(lift, lower)


def _bool(kind: Any) -> Converter:
    return _scalar("boolean", ffi.WASMTIME_COMPONENT_BOOL, bool)


def _char(kind: Any) -> Converter:
    def lower(context: Any, value: Any, c: Any) -> None:
        c.of.character = ord(value)
        c.kind = ffi.WASMTIME_COMPONENT_CHAR

    return Converter(lambda context, c: chr(c.of.character), lower)


def _text(name: Any) -> str:
    return ctypes.string_at(name.data, name.size).decode() if name.size else ""


def _put_text(name: Any, value: str) -> None:
    raw = value.encode()
    ffi.wasm_byte_vec_new(byref(name), len(raw), (ctypes.c_uint8 * len(raw)).from_buffer_copy(raw))


def _string(kind: Any) -> Converter:
    def lower(context: Any, value: Any, c: Any) -> None:
        _put_text(c.of.string, value)
        c.kind = ffi.WASMTIME_COMPONENT_STRING

    return Converter(lambda context, c: _text(c.of.string), lower)


def _enum(kind: types.EnumType) -> Converter:
    def lower(context: Any, value: Any, c: Any) -> None:
        _put_text(c.of.enumeration, value)
        c.kind = ffi.WASMTIME_COMPONENT_ENUM

    return Converter(lambda context, c: _text(c.of.enumeration), lower)


def _flags(kind: types.FlagsType) -> Converter:
    def lift(context: Any, c: Any) -> frozenset[str]:
        return frozenset(_text(c.of.flags.data[i]) for i in range(c.of.flags.size))

    def lower(context: Any, value: Any, c: Any) -> None:
        ffi.wasmtime_component_valflags_new_uninit(byref(c.of.flags), len(value))
        for i, name in enumerate(value):
            _put_text(c.of.flags.data[i], name)
        c.kind = ffi.WASMTIME_COMPONENT_FLAGS

    return Converter(lift, lower)


def _list(kind: types.ListType) -> Converter:
    element = kind.element
    letter = _LETTERS.get(type(element))
    return _numbers(type(element), letter) if letter else _values(converter(element))


def _numbers(kind: type, letter: str) -> Converter:
    """A list of numbers: each element's bytes lie at the same place of a C value."""
    width = struct.calcsize(letter)
    code = next(code for number, _, code in _NUMBERS if number is kind).value

    def lift(context: Any, c: Any) -> Any:
        count = c.of.list.size
        if not count:
            return b"" if letter == "B" else []
        raw = ctypes.string_at(ctypes.addressof(c.of.list.data.contents), count * _SIZE)
        if letter == "B":
            return raw[_OFFSET::_SIZE]
        packed = bytearray(width * count)
        for k in range(width):
            packed[k::width] = raw[_OFFSET + k :: _SIZE]
        return list(struct.unpack(f"={count}{letter}", packed))

    def lower(context: Any, value: Any, c: Any) -> None:
        count = len(value)
        packed = bytes(value) if letter == "B" else struct.pack(f"={count}{letter}", *value)
        ffi.wasmtime_component_vallist_new_uninit(byref(c.of.list), count)
        if count:
            raw = bytearray(count * _SIZE)
            raw[0::_SIZE] = bytes([code]) * count
            for k in range(width):
                raw[_OFFSET + k :: _SIZE] = packed[k::width]
            ctypes.memmove(c.of.list.data, (ctypes.c_char * len(raw)).from_buffer(raw), len(raw))
        c.kind = ffi.WASMTIME_COMPONENT_LIST

    return Converter(lift, lower)


def _values(element: Converter) -> Converter:
    def lift(context: Any, c: Any) -> list[Any]:
        return [element.lift(context, c.of.list.data[i]) for i in range(c.of.list.size)]

    def lower(context: Any, value: Any, c: Any) -> None:
        ffi.wasmtime_component_vallist_new_uninit(byref(c.of.list), len(value))
        c.kind = ffi.WASMTIME_COMPONENT_LIST
        _fill(context, [c.of.list.data[i] for i in range(len(value))], value, [element] * len(value))

    return Converter(lift, lower)


def _fill(context: Any, places: Sequence[Any], values: Sequence[Any], elements: Sequence[Converter]) -> None:
    """All are something before the first is converted: what fails half-way can be deleted as a whole."""
    for place in places:
        _clear(place)
    for place, value, element in zip(places, values, elements, strict=True):
        element.lower(context, value, place)


def _clear(place: Any) -> None:
    place.kind = ffi.WASMTIME_COMPONENT_BOOL
    place.of.boolean = False


def _tuple(kind: types.TupleType) -> Converter:
    elements = [converter(element) for element in kind.elements]

    def lift(context: Any, c: Any) -> tuple[Any, ...]:
        return tuple(element.lift(context, c.of.tuple.data[i]) for i, element in enumerate(elements))

    def lower(context: Any, value: Any, c: Any) -> None:
        ffi.wasmtime_component_valtuple_new_uninit(byref(c.of.tuple), len(elements))
        c.kind = ffi.WASMTIME_COMPONENT_TUPLE
        _fill(context, [c.of.tuple.data[i] for i in range(len(elements))], value, elements)

    return Converter(lift, lower)


def _record(kind: types.RecordType) -> Converter:
    names = [name for name, _ in kind.fields]
    elements = [converter(element) for _, element in kind.fields]

    def lift(context: Any, c: Any) -> tuple[Any, ...]:
        return tuple(element.lift(context, c.of.record.data[i].val) for i, element in enumerate(elements))

    def lower(context: Any, value: Any, c: Any) -> None:
        ffi.wasmtime_component_valrecord_new_uninit(byref(c.of.record), len(elements))
        for i, name in enumerate(names):
            _put_text(c.of.record.data[i].name, name)
        c.kind = ffi.WASMTIME_COMPONENT_RECORD
        _fill(context, [c.of.record.data[i].val for i in range(len(elements))], value, elements)

    return Converter(lift, lower)


def _boxed(context: Any, element: Converter, value: Any) -> Any:
    """A value of the C API's own memory."""
    made = Val()
    _clear(made)
    element.lower(context, value, made)
    return ffi.wasmtime_component_val_new(byref(made))


def _option(kind: types.OptionType) -> Converter:
    element = converter(kind.payload)

    def lift(context: Any, c: Any) -> Any:
        return element.lift(context, c.of.option.contents) if c.of.option else None

    def lower(context: Any, value: Any, c: Any) -> None:
        c.of.option = _boxed(context, element, value) if value is not None else None
        c.kind = ffi.WASMTIME_COMPONENT_OPTION

    return Converter(lift, lower)


def _variant(kind: types.VariantType) -> Converter:
    cases = {name: converter(element) if element else None for name, element in kind.cases}

    def lift(context: Any, c: Any) -> Case:
        tag = _text(c.of.variant.discriminant)
        element = cases[tag]
        return Case(tag, element.lift(context, c.of.variant.val.contents) if element else None)

    def lower(context: Any, value: Any, c: Any) -> None:
        element = cases[value.tag]
        boxed = _boxed(context, element, value.value) if element else None
        _put_text(c.of.variant.discriminant, value.tag)
        c.of.variant.val = boxed
        c.kind = ffi.WASMTIME_COMPONENT_VARIANT

    return Converter(lift, lower)


def _result(kind: types.ResultType) -> Converter:
    cases = {"ok": converter(kind.ok) if kind.ok else None, "err": converter(kind.err) if kind.err else None}

    def lift(context: Any, c: Any) -> Case:
        tag = "ok" if c.of.result.is_ok else "err"
        element = cases[tag]
        return Case(tag, element.lift(context, c.of.result.val.contents) if element else None)

    def lower(context: Any, value: Any, c: Any) -> None:
        tag, inner = value if type(value) is Case and value.tag in cases else ("ok", value)
        element = cases[tag]
        c.of.result.val = _boxed(context, element, inner) if element else None
        c.of.result.is_ok = tag == "ok"
        c.kind = ffi.WASMTIME_COMPONENT_RESULT

    return Converter(lift, lower)


def _resource(kind: types.OwnType | types.BorrowType) -> Converter:
    def lift(context: Any, c: Any) -> int:
        """A borrow that is not asked for its number would end the call."""
        host = ctypes.POINTER(ffi.wasmtime_component_resource_host_t)()
        raise_error(ffi.wasmtime_component_resource_any_to_host(context, c.of.resource, byref(host)))
        try:
            return int(ffi.wasmtime_component_resource_host_rep(host))
        finally:
            ffi.wasmtime_component_resource_host_delete(host)

    def lower(context: Any, value: Own, c: Any) -> None:
        host = ffi.wasmtime_component_resource_host_new(True, value.number, value.kind)
        found = ctypes.POINTER(ffi.wasmtime_component_resource_any_t)()
        try:
            raise_error(ffi.wasmtime_component_resource_host_to_any(context, host, byref(found)))
        finally:
            ffi.wasmtime_component_resource_host_delete(host)
        c.of.resource = found
        c.kind = ffi.WASMTIME_COMPONENT_RESOURCE

    return Converter(lift, lower)


def raise_error(error: Any) -> None:
    """Raises WasmtimeError for an error of the C API's, which is taken."""
    if error:
        raise WasmtimeError._from_ptr(error)


_MAKERS: dict[type, Callable[[Any], Converter]] = {
    types.Bool: _bool,
    types.Char: _char,
    types.String: _string,
    types.EnumType: _enum,
    types.FlagsType: _flags,
    types.ListType: _list,
    types.TupleType: _tuple,
    types.RecordType: _record,
    types.OptionType: _option,
    types.VariantType: _variant,
    types.ResultType: _result,
    types.OwnType: _resource,
    types.BorrowType: _resource,
}
