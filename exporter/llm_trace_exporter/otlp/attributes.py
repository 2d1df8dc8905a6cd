"""Reading attributes from serialised messages, at the price of what is wanted of them.

A record's attributes come as two columns of bytes, its keys and its values (`wire.Attributes`).
Emitters write the same keys in the same order again and again, so which of a column are wanted is
remembered by the whole column, and what a short value is by its bytes: what is wanted costs one
look-up in a dictionary, what nobody reads costs none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import Enum
from struct import Struct
from typing import Any, Literal

from google.protobuf.message import DecodeError as ProtobufError

from ..errors import DecodeError
from . import native, wire
from .limits import MAX_DEPTH, MAX_PARTS
from .native import EngineName
from .records import Attributes, Encoding, SignalName, Value

MALFORMED = "not a valid protobuf message of this kind"

_REMEMBERED_KEY_BYTES = 128
_REMEMBERED_KEYS = 8_192
_REMEMBERED_VALUE_BYTES = 64
_REMEMBERED_VALUES = 16_384
_STRING, _BOOL, _INT, _DOUBLE = 0x0A, 0x10, 0x18, 0x21
# Between the keys of a column: no key that anyone wants has it, so a column is known by its text.
_BETWEEN = b"\0"
_COLUMN_KEYS = 512
_REMEMBERED_COLUMNS_BYTES = 8_000_000
# What a column and one wanted key take beside the column's text, roughly.
_COLUMN_BYTES, _WANTED_BYTES = 500, 100
# A tag and a length, of which protobuf's C and C++ parsers take no more bytes, needed or not.
_LENGTH_ENDS = 1 + 5
_double = Struct("<d").unpack_from


class Damaged(DecodeError):
    """A part of a request that is no message of its kind, whatever is around it."""

    def __init__(self) -> None:
        super().__init__(MALFORMED)


class _Mark(Enum):
    ODD = "not one scalar in the usual shape: protobuf's parser must read it"


class _Names(dict[bytes, str | None]):
    """Key as sent -> its name where it is wanted, else None; learned when it is asked for."""

    def __init__(self, keep: Callable[[str], bool]) -> None:
        super().__init__()
        self._keep = keep

    def __missing__(self, key: bytes) -> str | None:
        name = text(key)
        wanted = name if self._keep(name) else None
        if len(key) <= _REMEMBERED_KEY_BYTES:
            if len(self) >= _REMEMBERED_KEYS:
                self.clear()
            self[key] = wanted
        return wanted


Wanted = tuple[tuple[str, int], ...]
"""Name and place of each attribute that is wanted."""


class _Columns:
    """Which attributes of a column of keys are wanted; bounded."""

    __slots__ = ("_bytes", "_known", "_names")

    def __init__(self, keep: Callable[[str], bool]) -> None:
        self._names = _Names(keep)
        self._known: dict[tuple[int, bytes], Wanted] = {}
        self._bytes = 0

    def wanted(self, keys: list[bytes]) -> Wanted:
        if len(keys) > _COLUMN_KEYS:
            return self._among(keys)
        # With its number of keys: one key with _BETWEEN in it is not two keys.
        column = len(keys), _BETWEEN.join(keys)
        known = self._known.get(column)
        return self._learn(column, keys) if known is None else known

    def _learn(self, column: tuple[int, bytes], keys: list[bytes]) -> Wanted:
        wanted = self._among(keys)
        if column[1].count(_BETWEEN) != max(0, len(keys) - 1):
            return wanted
        size = len(column[1]) + _COLUMN_BYTES + _WANTED_BYTES * len(wanted)
        if self._bytes + size > _REMEMBERED_COLUMNS_BYTES:
            self._known.clear()
            self._bytes = 0
        self._bytes += size
        self._known[column] = wanted
        return wanted

    def _among(self, keys: list[bytes]) -> Wanted:
        names = map(self._names.__getitem__, keys)
        return tuple([(name, at) for at, name in enumerate(names) if name])


class _Flags(dict[str, bool]):
    """Name -> what a predicate says of it."""

    def __init__(self, predicate: Callable[[str], bool]) -> None:
        super().__init__()
        self._predicate = predicate

    def __missing__(self, name: str) -> bool:
        if len(self) >= _REMEMBERED_KEYS:
            self.clear()
        flag = self[name] = self._predicate(name)
        return flag


class _Values(dict[bytes, Value]):
    """Serialised AnyValue -> value; short ones are remembered when they were asked for."""

    def __missing__(self, raw: bytes) -> Value:
        value = _read(raw)
        if len(raw) <= _REMEMBERED_VALUE_BYTES and type(value) is not float:
            if len(self) >= _REMEMBERED_VALUES:
                self.clear()
            self[raw] = value
        return value


class KeyFilter:
    """Which attribute keys are read at all; the values of all others are never looked at.

    Also the bounded memory of keys and values read before, so one filter serves all requests.
    Reads from several threads are safe: what is remembered depends on the bytes alone. Lists and
    dicts may be shared by several records: nobody may change them.
    """

    __slots__ = (
        *("_columns", "_exact", "_fleeting", "_native", "_pattern", "_values"),
        *("bodies", "keeps_wire"),
    )

    def __init__(
        self,
        exact: Iterable[str],
        pattern: re.Pattern[str] | None = None,
        *,
        fleeting: Callable[[str], bool] | None = None,
        bodies: Iterable[str] = (),
        keeps_wire: bool = False,
        engine: EngineName = "python",
    ) -> None:
        """Say what is read.

        Args:
            exact: Keys.
            pattern: More keys.
            fleeting: Which keys' values are never remembered.
            bodies: Events, as log records, whose bodies are read.
            keeps_wire: Whether a span is given with what it was decoded from.
            engine: Who reads what is not odd.
        """
        self._exact = frozenset(exact)
        self._pattern = pattern
        self._columns = _Columns(self.keep)
        self._values = _Values()
        self._fleeting = None if fleeting is None else _Flags(fleeting)
        self.bodies = frozenset(bodies)
        self.keeps_wire = keeps_wire
        self._native = native.reader() if engine == "native" else None

    def records_of(
        self, signal: SignalName, body: bytes, encoding: Encoding, max_parts: int = MAX_PARTS
    ) -> native.Records | None:
        """A request as the native engine reads it; None where Python has to."""
        if self._native is None:
            return None
        fleeting = None if self._fleeting is None else self._fleeting.__getitem__
        is_logs, is_json = signal == "logs", encoding == "json"
        return self._native.read(
            body,
            is_logs,
            is_json,
            self.keep,
            fleeting,
            self.keeps_wire,
            self.bodies or None,
            max_parts,
        )

    def keep(self, key: str) -> bool:
        """Whether some dialect or dimension reads this key."""
        if key in self._exact:
            return True
        return self._pattern is not None and self._pattern.fullmatch(key) is not None

    def read(self, attributes: Any) -> Attributes | None:
        """The kept ones of a `wire.Attributes`; of equal keys the last wins.

        None where there are more of the one than of the other, because some attribute lacks its
        key or value or has two: which belong together is then known to `read_parts` only. (Where
        one attribute lacks what another has twice, they are paired in order; nobody sends that.)

        Raises: Damaged where a wanted value is no AnyValue.
        """
        keys, values = attributes.keys[:], attributes.values
        if len(keys) != len(values):
            return None
        wanted = self._columns.wanted(keys)
        known, fleeting = self._values, self._fleeting
        if fleeting is None:
            return {name: known[values[at]] for name, at in wanted}
        return {
            name: _read(values[at]) if fleeting[name] else known[values[at]] for name, at in wanted
        }

    def read_parts(self, parts: Iterable[bytes]) -> Attributes:
        """`read` of the same attributes, given as serialised KeyValue messages."""
        pairs = [parse(wire.KeyValue, part) for part in parts]
        named = [(text(pair.key), pair) for pair in pairs]
        return {name: read_value(pair.value) for name, pair in named if self.keep(name)}


def _read(raw: bytes) -> Value:
    scalar = _scalar(raw, len(raw))
    return read_value(parse(wire.AnyValue, raw)) if scalar is _Mark.ODD else scalar


def parse(kind: Any, body: bytes) -> Any:
    """`body` as a message of one of the `wire` types.

    Raises: Damaged where it is none.
    """
    try:
        return kind.FromString(body)
    except ProtobufError as error:
        raise Damaged from error


def text(raw: bytes) -> str:
    """A string field; bytes that are not UTF-8 become U+FFFD."""
    return raw.decode("utf-8", "replace")


def read_value(value: Any, depth: int = 0) -> Value:
    """A parsed `wire.AnyValue` as a plain Python value.

    Raises: Damaged where a nested part is not the message it should be.
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


def _scalar(part: bytes, size: int) -> str | int | float | Literal[_Mark.ODD] | None:
    """The AnyValue `part` where it is one scalar."""
    if not size:
        return None
    tag = part[0]
    if tag == _DOUBLE:
        if size != 9:
            return _Mark.ODD
        double: float = _double(part, 1)[0]
        return double
    if tag != _STRING and tag != _INT and tag != _BOOL:
        return _Mark.ODD
    at, number = _varint(part, 1, size)
    if tag == _STRING:
        return text(part[at:]) if at + number == size and at <= _LENGTH_ENDS else _Mark.ODD
    if at != size:
        return _Mark.ODD
    return number if tag == _INT else bool(number)
