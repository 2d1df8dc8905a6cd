"""Reading attributes from serialised KeyValue messages, at the price of what is wanted of them.

Nearly every KeyValue on the wire has one shape: the key, then the value, each once. That shape is
read by index; whatever looks different (fields in another order, sent twice, unknown ones, keys
of 128 bytes and more) goes to protobuf's parser, which gives the same answer, only slower.
Attributes seen before (model names, token counts, flags) cost one dictionary lookup.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Any

from google.protobuf.message import DecodeError as ProtobufError

from ..errors import DecodeError
from . import wire
from .raw import Attributes, Value

MAX_DEPTH = 32
"""Nesting of arrays and maps in one value; what lies deeper reads as None."""

_REMEMBERED_BYTES = 96
_REMEMBERED_ATTRIBUTES = 16_384
_REMEMBERED_KEYS = 8_192
_KEY, _VALUE = 0x0A, 0x12
_STRING, _BOOL, _INT, _DOUBLE = 0x0A, 0x10, 0x18, 0x21
_UNKNOWN = object()
_double = Struct("<d").unpack_from


class KeyFilter:
    """Which attribute keys are read at all; the values of all others are never looked at.

    Also the bounded memory of attributes read before, so one filter serves all requests. Reads
    from several threads are safe: what is remembered depends on the bytes alone.
    """

    __slots__ = ("_attributes", "_exact", "_keys", "_prefixes")

    def __init__(self, exact: Iterable[str], prefixes: Iterable[str] = ()) -> None:
        self._exact = frozenset(exact)
        self._prefixes = tuple(prefixes)
        self._keys: dict[bytes, str | None] = {}
        self._attributes: dict[bytes, tuple[str, Value]] = {}

    def keep(self, key: str) -> bool:
        """Whether some dialect or dimension reads this key."""
        return key in self._exact or key.startswith(self._prefixes)

    def read(self, parts: Iterable[bytes]) -> Attributes:
        """The kept attributes among serialised KeyValue messages; of equal keys the last wins.

        Raises: DecodeError where a part is not a KeyValue.
        """
        attrs: Attributes = {}
        attributes, keys = self._attributes, self._keys
        for part in parts:
            size = len(part)
            if size <= _REMEMBERED_BYTES and (pair := attributes.get(part)) is not None:
                attrs[pair[0]] = pair[1]
                continue
            start = _value_start(part, size)
            if not start:
                self._read_any_shape(part, attrs)
                continue
            raw_key = part[2 : 2 + part[1]]
            known: Any = keys.get(raw_key, _UNKNOWN)
            key: str | None = self._learn(raw_key) if known is _UNKNOWN else known
            if key is None:
                continue
            value = _scalar(part, start, size)
            if value is _UNKNOWN:
                self._read_any_shape(part, attrs)
                continue
            attrs[key] = value
            if size <= _REMEMBERED_BYTES:
                if len(attributes) >= _REMEMBERED_ATTRIBUTES:
                    attributes.clear()
                attributes[part] = (key, value)
        return attrs

    def _learn(self, raw_key: bytes) -> str | None:
        key: str | None = text(raw_key)
        if not self.keep(key or ""):
            key = None
        if len(self._keys) >= _REMEMBERED_KEYS:
            self._keys.clear()
        self._keys[raw_key] = key
        return key

    def _read_any_shape(self, part: bytes, attrs: Attributes) -> None:
        pair = parse(wire.KeyValue, part)
        key = text(pair.key)
        if self.keep(key):
            attrs[key] = read_value(pair.value)


def parse(kind: Any, body: bytes) -> Any:
    """`body` as a message of one of the `wire` types.

    Raises: DecodeError where it is none.
    """
    try:
        return kind.FromString(body)
    except ProtobufError as error:
        raise DecodeError("not a valid protobuf message of this kind") from error


def text(raw: bytes) -> str:
    """A string field; bytes that are not UTF-8 become U+FFFD."""
    return raw.decode("utf-8", "replace")


def read_value(value: Any, depth: int = 0) -> Value:
    """A parsed `wire.AnyValue` as a plain Python value.

    Raises: DecodeError where a nested part is not the message it should be.
    """
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return text(value.string_value)
    if kind == "array_value":
        if depth >= MAX_DEPTH:
            return None
        parts = value.array_value.values
        return [read_value(parse(wire.AnyValue, part), depth + 1) for part in parts]
    if kind == "kvlist_value":
        if depth >= MAX_DEPTH:
            return None
        pairs = [parse(wire.KeyValue, part) for part in value.kvlist_value.values]
        return {text(pair.key): read_value(pair.value, depth + 1) for pair in pairs}
    if kind is None or kind == "string_value_strindex":
        # An index into a table that only profiles have: to be taken as absent (common.proto).
        return None
    scalar: Value = getattr(value, kind)
    return scalar


def _value_start(part: bytes, size: int) -> int:
    """Index of the value's content where `part` is one short key and one value, else 0."""
    if size < 4 or part[0] != _KEY:
        return 0
    at = 2 + part[1]
    if at > 129 or at + 1 >= size or part[at] != _VALUE:
        return 0
    length = part[at + 1]
    if length < 0x80:
        return at + 2 if at + 2 + length == size else 0
    start, length = _varint(part, at + 1, size)
    return start if start and start + length == size else 0


def _varint(part: bytes, at: int, size: int) -> tuple[int, int]:
    """(index after it, number) of a varint of at most 63 bits, else (0, 0)."""
    number = shift = 0
    for index in range(at, min(size, at + 9)):
        byte = part[index]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return index + 1, number
        shift += 7
    return 0, 0


def _scalar(part: bytes, start: int, size: int) -> Any:
    """The AnyValue in `part[start:size]` where it is one scalar, else `_UNKNOWN`."""
    if start == size:
        return None
    tag = part[start]
    if tag == _DOUBLE:
        return _double(part, start + 1)[0] if start + 9 == size else _UNKNOWN
    if tag != _STRING and tag != _INT and tag != _BOOL:
        return _UNKNOWN
    end, number = _varint(part, start + 1, size)
    if tag == _STRING:
        return text(part[end:]) if end and end + number == size else _UNKNOWN
    if end != size:
        return _UNKNOWN
    return number if tag == _INT else bool(number)
