"""Reading attributes from serialised KeyValue messages, at the price of what is wanted of them.

Nearly every KeyValue on the wire has one shape: the key, then the value, each once. That shape is
read by index; whatever looks different (fields in another order, sent twice, unknown ones, keys
of 128 bytes and more) goes to protobuf's parser, which gives the same answer, only slower.
Attributes seen before (model names, token counts, flags) cost one dictionary lookup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from struct import Struct
from typing import Any, Literal, TypeGuard, TypeVar

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
_double = Struct("<d").unpack_from


_T = TypeVar("_T")


class _Mark(Enum):
    ODD = "not the usual shape: protobuf's parser must read it"
    UNSEEN = "a head that was not looked at yet"


class KeyFilter:
    """Which attribute keys are read at all; the values of all others are never looked at.

    Also the bounded memory of attributes read before, so one filter serves all requests. Reads
    from several threads are safe: what is remembered depends on the bytes alone.
    """

    __slots__ = ("_exact", "_heads", "_lists", "_pattern", "_scalars")

    def __init__(self, exact: Iterable[str], pattern: re.Pattern[str] | None = None) -> None:
        self._exact = frozenset(exact)
        self._pattern = pattern
        # A head is all before the value's length: key tag, key length, key, value tag.
        self._heads: dict[bytes, str | None] = {}
        self._scalars: dict[bytes, tuple[str, Value]] = {}
        self._lists: dict[bytes, tuple[str, list[Value]]] = {}

    def keep(self, key: str) -> bool:
        """Whether some dialect or dimension reads this key."""
        if key in self._exact:
            return True
        return self._pattern is not None and self._pattern.fullmatch(key) is not None

    def read(self, parts: Iterable[bytes]) -> Attributes:
        """The kept attributes among serialised KeyValue messages; of equal keys the last wins.

        Raises: DecodeError where a part is not a KeyValue.
        """
        attrs: Attributes = {}
        scalars, heads = self._scalars, self._heads
        for part in parts:
            size = len(part)
            if size <= _REMEMBERED_BYTES and (pair := scalars.get(part)) is not None:
                attrs[pair[0]] = pair[1]
                continue
            try:
                at = part[1] + 3
                length = part[at]
            except IndexError:
                self._read_odd(part, attrs)
                continue
            head = part[:at]
            key = heads.get(head, _Mark.UNSEEN)
            if key is _Mark.UNSEEN:
                key = self._learn(head)
            at += 1
            if length >= 0x80:
                at, length = _varint(part, at - 1, size)
            if at + length != size or key is _Mark.ODD:
                self._read_odd(part, attrs)
            elif key is not None:
                value = _scalar(part, at, size)
                if value is _Mark.ODD:
                    self._read_odd(part, attrs)
                    continue
                attrs[key] = value
                if size <= _REMEMBERED_BYTES and type(value) is not float:
                    _remember(scalars, part, (key, value))
        return attrs

    def _learn(self, head: bytes) -> str | Literal[_Mark.ODD] | None:
        if head[0] != _KEY or head[1] >= 0x80 or head[-1] != _VALUE:
            return _Mark.ODD
        name = text(head[2:-1])
        key = name if self.keep(name) else None
        if len(self._heads) >= _REMEMBERED_KEYS:
            self._heads.clear()
        self._heads[head] = key
        return key

    def _read_odd(self, part: bytes, attrs: Attributes) -> None:
        if (known := self._lists.get(part)) is not None:
            attrs[known[0]] = known[1].copy()
            return
        pair = parse(wire.KeyValue, part)
        key = text(pair.key)
        if not self.keep(key):
            return
        attrs[key] = value = read_value(pair.value)
        if len(part) <= _REMEMBERED_BYTES and _is_flat(value):
            _remember(self._lists, part, (key, value.copy()))


def _remember(memory: dict[bytes, _T], part: bytes, pair: _T) -> None:
    if len(memory) >= _REMEMBERED_ATTRIBUTES:
        memory.clear()
    memory[part] = pair


def _is_flat(value: Value) -> TypeGuard[list[Value]]:
    """Whether copying the list makes it independent of the one that is remembered."""
    return type(value) is list and not any(isinstance(item, list | dict) for item in value)


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


def _varint(part: bytes, at: int, size: int) -> tuple[int, int]:
    """(index after it, number) of a varint of at most 63 bits, else an index beyond `size`."""
    if at + 1 < size and part[at + 1] < 0x80:  # most texts and token counts: one or two bytes
        byte = part[at]
        return (at + 1, byte) if byte < 0x80 else (at + 2, byte & 0x7F | part[at + 1] << 7)
    number = shift = 0
    for index in range(at, min(size, at + 9)):
        byte = part[index]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return index + 1, number
        shift += 7
    return size + 1, 0


def _scalar(part: bytes, at: int, size: int) -> str | int | float | Literal[_Mark.ODD] | None:
    """The AnyValue in `part[at:size]` where it is one scalar."""
    if at == size:
        return None
    tag = part[at]
    if tag == _DOUBLE:
        if at + 9 != size:
            return _Mark.ODD
        double: float = _double(part, at + 1)[0]
        return double
    if tag != _STRING and tag != _INT and tag != _BOOL:
        return _Mark.ODD
    at, number = _varint(part, at + 1, size)
    if tag == _STRING:
        return text(part[at:]) if at + number == size else _Mark.ODD
    if at != size:
        return _Mark.ODD
    return number if tag == _INT else bool(number)
