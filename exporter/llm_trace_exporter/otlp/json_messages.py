"""JSON values as protobuf messages on the wire, by the descriptors of opentelemetry-proto.

What of them must be right is what `wire` reads; a malformed field that nobody reads is left out.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from struct import Struct
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from . import wire
from .attributes import KeyFilter
from .json_text import Malformed, type_name
from .limits import MAX_DEPTH

Write = Callable[[Any, int, KeyFilter], bytes]
"""(value, depth, what is read) -> the field as it stands in its message, tag included."""

_READ_AS = {
    "Span": "Span", "Event": "Event", "Status": "Status", "LogRecord": "Log",
    "Resource": "Resource", "InstrumentationScope": "Scope", "KeyValue": "KeyValue",
    "AnyValue": "AnyValue", "ArrayValue": "Values", "KeyValueList": "Values",
}  # fmt: skip
"""Message -> the one of `wire` that it is read as; what that one lacks is not read."""
_TOLD_APART = frozenset({"LogRecord", "Resource", "EntityRef"})
"""Messages of which everything counts, read or not: a log record is known by it."""
_HEX_FIELDS = frozenset({"trace_id", "span_id", "parent_span_id"})
_DECIMAL = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)
_COUNT = re.compile(r"[0-9]{1,18}", re.ASCII)
_NOT_FINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_double = Struct("<d").pack
_SMALL = [bytes([n]) for n in range(0x80)]
_REMEMBERED_KEYS = 8_192
_REMEMBERED_KEY_CHARS = 128


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message, and how it is written."""

    number: int
    write: Write
    is_read: bool
    is_alternative: bool
    """One of several of which a message has one: the last wins."""


@cache
def fields_of(kind: Descriptor) -> dict[str, Field]:
    """The fields of a message that are converted, by their names in JSON."""
    read = _wire_fields(kind)
    # Not `fields_by_camelcase_name`: that one also finds the original names.
    return {
        field.camelcase_name: Field(
            field.number,
            _writer(field),
            field.number in read,
            field.containing_oneof is not None,
        )
        for field in kind.fields
        if field.number in read or kind.name in _TOLD_APART
    }


def _wire_fields(kind: Descriptor) -> Any:
    """By number, the fields of a message that are read."""
    name = _READ_AS.get(kind.name)
    known = wire.Span.DESCRIPTOR.file.message_types_by_name
    return known[name].fields_by_number if name else {}


def written(fields: dict[str, Field], source: Any, depth: int, keep: KeyFilter) -> bytes:
    """The message that an object says, its fields in the order of their numbers."""
    if type(source) is not dict:
        raise Malformed(type_name(source), "an object")
    parts: dict[int, bytes] = {}
    for name, value in source.items():
        field = fields.get(name)
        if field is None or value is None:
            continue
        if field.is_alternative:
            parts.clear()
        try:
            parts[field.number] = field.write(value, depth, keep)
        except Malformed as wrong:
            if field.is_read:
                raise wrong.within(name) from None
    return b"".join([parts[number] for number in sorted(parts)])


def _writer(field: FieldDescriptor) -> Write:
    kind = field.message_type
    if kind is not None:
        tag = _varint(field.number << 3 | 2)
        if field.is_repeated:
            return partial(_attributes if field.name == "attributes" else _messages, tag, kind)
        nests = field.name in ("array_value", "kvlist_value")
        return partial(_nested if nests else _one, tag, kind)
    write = _SCALARS[field.type](field)
    if field.is_repeated:
        return lambda values, *_: b"".join(map(write, _list(values)))
    if field.containing_oneof is not None:
        return lambda value, *_: write(value)
    default = write(_DEFAULTS.get(field.type, 0))
    # Outside of a oneof, what has its default is left out.
    return lambda value, *_: b"" if (written := write(value)) == default else written


def _one(tag: bytes, kind: Descriptor, value: Any, depth: int, keep: KeyFilter) -> bytes:
    return sized(tag, written(fields_of(kind), value, depth, keep))


def _nested(tag: bytes, kind: Descriptor, value: Any, depth: int, keep: KeyFilter) -> bytes:
    if depth >= MAX_DEPTH:
        return sized(tag, b"")
    return _one(tag, kind, value, depth + 1, keep)


def _messages(tag: bytes, kind: Descriptor, values: Any, depth: int, keep: KeyFilter) -> bytes:
    fields = fields_of(kind)
    parts = []
    for at, value in enumerate(_list(values)):
        try:
            message = b"" if value is None else written(fields, value, depth, keep)
        except Malformed as wrong:
            raise wrong.within(f"[{at}]") from None
        parts.append(sized(tag, message))
    return b"".join(parts)


def _attributes(tag: bytes, _: Descriptor, items: Any, depth: int, keep: KeyFilter) -> bytes:
    """Attributes of a record; a value that nobody reads may be anything."""
    parts = []
    for at, item in enumerate(_list(items)):
        try:
            pair = b"" if item is None else _pair(item, depth, keep)
        except Malformed as wrong:
            key = item.get("key") if isinstance(item, dict) else None
            if not isinstance(key, str) or keep.keep(key):
                raise wrong.within(f"[{at}]") from None
            unread = _written(item.get("value"))
            pair = _pair({"key": key}, 0, keep) + sized(b"\x12", sized(b"\x3a", unread))
        parts.append(sized(tag, pair))
    return b"".join(parts)


def _written(value: Any) -> bytes:
    """Something that tells a value from others, whatever it is."""
    try:
        return repr(value).encode("utf-8", "replace")
    except RecursionError:
        return b""


def _pair(item: Any, depth: int, keep: KeyFilter) -> bytes:
    """A KeyValue; those that are a key with one scalar, nearly all, without a look at fields."""
    if type(item) is dict and len(item) == 2:
        key, value = item.get("key"), item.get("value")
        if type(key) is str and type(value) is dict and len(value) == 1:
            for name, scalar in value.items():
                if name == "stringValue" and type(scalar) is str:
                    value = sized(b"\x0a", scalar.encode())
                elif name == "intValue" and _COUNT.fullmatch(str(scalar)):
                    value = b"\x18" + _varint(int(scalar))
                else:
                    break
                return _key(key) + sized(b"\x12", value)
    return written(fields_of(KeyValue.DESCRIPTOR), item, depth, keep)


class _Keys(dict[str, bytes]):
    """Key of an attribute -> the field that says it; bounded."""

    def __missing__(self, key: str) -> bytes:
        written = sized(b"\x0a", key.encode()) if key else b""
        if len(key) <= _REMEMBERED_KEY_CHARS:
            if len(self) >= _REMEMBERED_KEYS:
                self.clear()
            self[key] = written
        return written


_key = _Keys().__getitem__


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise Malformed(type_name(value), "an array")
    return value


def sized(tag: bytes, content: bytes) -> bytes:
    """A length-delimited field."""
    size = len(content)
    return tag + (_SMALL[size] if size < 0x80 else _varint(size)) + content


def _varint(number: int) -> bytes:
    if 0 <= number < 0x80:
        return _SMALL[number]
    number &= 0xFFFFFFFFFFFFFFFF
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _strings(field: FieldDescriptor) -> Callable[[Any], bytes]:
    tag = _varint(field.number << 3 | 2)

    def write(value: Any) -> bytes:
        if type(value) is not str:
            raise Malformed(type_name(value), "a string")
        return sized(tag, value.encode())

    return write


def _bytes(field: FieldDescriptor) -> Callable[[Any], bytes]:
    tag = _varint(field.number << 3 | 2)
    is_hex = field.name in _HEX_FIELDS
    read = binascii.unhexlify if is_hex else _base64
    allowed = "a string of hexadecimal digits" if is_hex else "a string in base64"

    def write(value: Any) -> bytes:
        if type(value) is not str:
            raise Malformed(type_name(value), allowed)
        try:
            return sized(tag, read(value))
        except ValueError:
            raise Malformed("another string", allowed) from None

    return write


def _base64(value: str) -> bytes:
    plain = value.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def _booleans(field: FieldDescriptor) -> Callable[[Any], bytes]:
    tag = _varint(field.number << 3)

    def write(value: Any) -> bytes:
        if type(value) is not bool:
            raise Malformed(type_name(value), "true or false")
        return tag + (b"\x01" if value else b"\x00")

    return write


def _doubles(field: FieldDescriptor) -> Callable[[Any], bytes]:
    tag = _varint(field.number << 3 | 1)
    allowed = "a number, also as a string"

    def write(value: Any) -> bytes:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise Malformed(type_name(value), allowed)
        number = _NOT_FINITE.get(value) if isinstance(value, str) else None
        try:
            return tag + _double(float(value) if number is None else number)
        except ValueError:
            raise Malformed("another string", allowed) from None
        except OverflowError:
            raise Malformed("a number beyond all doubles", allowed) from None

    return write


def _integers(
    least: int, most: int, pack: Callable[[int], bytes], wire_type: int
) -> Callable[[FieldDescriptor], Callable[[Any], bytes]]:
    def writer(field: FieldDescriptor) -> Callable[[Any], bytes]:
        tag = _varint(field.number << 3 | wire_type)
        named: EnumDescriptor | None = field.enum_type
        allowed = f"an integer from {least} to {most}, also as a string"
        if named is not None:
            allowed = f"a number or name of {named.name}"

        def write(value: Any) -> bytes:
            number = _integer(value)
            if number is None and named is not None and isinstance(value, str):
                entry = named.values_by_name.get(value)
                number = None if entry is None else entry.number
            if number is None:
                other = "another string" if isinstance(value, str) else type_name(value)
                raise Malformed("a fraction" if isinstance(value, float) else other, allowed)
            if not least <= number <= most:
                raise Malformed("a number out of range", allowed)
            return tag + pack(number)

        return write

    return writer


def _integer(value: Any) -> int | None:
    if type(value) is int:
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return int(value)
    return None


_SCALARS: dict[int, Callable[[FieldDescriptor], Callable[[Any], bytes]]] = {
    FieldDescriptor.TYPE_STRING: _strings,
    FieldDescriptor.TYPE_BOOL: _booleans,
    FieldDescriptor.TYPE_BYTES: _bytes,
    FieldDescriptor.TYPE_DOUBLE: _doubles,
    FieldDescriptor.TYPE_ENUM: _integers(-(2**31), 2**31 - 1, _varint, 0),
    FieldDescriptor.TYPE_FIXED32: _integers(0, 2**32 - 1, Struct("<I").pack, 5),
    FieldDescriptor.TYPE_FIXED64: _integers(0, 2**64 - 1, Struct("<Q").pack, 1),
    FieldDescriptor.TYPE_INT32: _integers(-(2**31), 2**31 - 1, _varint, 0),
    FieldDescriptor.TYPE_INT64: _integers(-(2**63), 2**63 - 1, _varint, 0),
    FieldDescriptor.TYPE_UINT32: _integers(0, 2**32 - 1, _varint, 0),
}
_DEFAULTS: dict[int, Any] = {
    FieldDescriptor.TYPE_STRING: "",
    FieldDescriptor.TYPE_BYTES: "",
    FieldDescriptor.TYPE_BOOL: False,
}
