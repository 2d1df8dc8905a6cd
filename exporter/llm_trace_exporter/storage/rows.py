"""What the rows of a state file hold, each sealed with its version and a checksum.

The seal covers the row's key as well, so that neither a flipped byte nor a row that strayed to
another place is taken for what was written.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from ..errors import ExporterError

VERSION = 3
"""Of the rows and of the file; a newer file is left to the program that wrote it."""

_SEAL_BYTES = 5


class DamagedRow(ExporterError):
    """A row that is not what was written."""


class SavedSeries(NamedTuple):
    """One series as a checkpoint holds it. Times are seconds of the process that wrote it."""

    family: str
    labels: dict[str, str]
    values: list[float]
    """A counter's value; or a histogram's sum, counts and bounds, one after the other."""
    touched_s: float
    """When it was last updated."""
    born_s: float
    """When it appeared; -inf where it was seen with its value already."""


class Memory(NamedTuple):
    """One part of something remembered, packed by whoever remembers it."""

    name: str
    entries: int
    """How many things are in it."""
    value: bytes
    run: int = 0
    """Which process wrote it, counted from the file's first: its times are of that one's clock."""
    is_stale: bool = False
    """A later part of the same is lost: how things went on from there is not known."""


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """How far a checkpoint goes."""

    number: int
    seq: int
    """The newest entry of the journal that it holds."""
    whole_since: int
    """Series of earlier checkpoints are void."""
    run: int
    """Which process wrote it."""
    now_s: float
    """When, on that process's monotonic clock."""
    unix_s: float
    """The same moment, Unix seconds."""
    parts: dict[str, int] = {}
    """Memory -> how many parts it has."""


FIRST = Mark(0, 0, 0, 0, 0.0, 0.0)
"""Of a file in which nothing is yet."""


class Pulse(msgspec.Struct, frozen=True, array_like=True):
    """A moment at which a process lived."""

    run: int
    now_s: float
    unix_s: float


class Start(msgspec.Struct, frozen=True, array_like=True):
    """The first sign of a process."""

    run: int
    rebased_s: float
    """Its clock less that of the process before, at one moment."""


_ENCODE = msgspec.msgpack.Encoder().encode
_LABELS = msgspec.json.Decoder(dict[str, str])
_SERIES = msgspec.msgpack.Decoder(tuple[float, float, list[float]])
_MEMORY = msgspec.msgpack.Decoder(tuple[int, bytes])
_MAX_SUM = 1e100
"""More than any series comes to, and so little that the sum of all of them is a number."""


def seal(key: str, payload: bytes) -> bytes:
    """A payload with the version and a checksum over it and its row's key."""
    return VERSION.to_bytes(1) + _checksum(key, payload) + payload


def unseal(key: str, sealed: object) -> bytes:
    """The reverse of `seal`.

    Raises: DamagedRow where it is not what was written there.
    """
    if not isinstance(sealed, bytes) or len(sealed) < _SEAL_BYTES:
        raise DamagedRow("no sealed value")
    payload = sealed[_SEAL_BYTES:]
    if sealed[0] != VERSION:
        raise DamagedRow(f"row version {sealed[0]}, not {VERSION}")
    if sealed[1:_SEAL_BYTES] != _checksum(key, payload):
        raise DamagedRow("checksum does not match")
    return payload


def _checksum(key: str, payload: bytes) -> bytes:
    return zlib.crc32(payload, zlib.crc32(key.encode("utf-8", "surrogatepass"))).to_bytes(4)


def series_row(one: SavedSeries, checkpoint: int) -> tuple[str, str, int, bytes]:
    """(family, labels, checkpoint, value) of a series."""
    labels = msgspec.json.encode(one.labels, order="sorted").decode()
    payload = _ENCODE((one.touched_s, one.born_s, one.values))
    return one.family, labels, checkpoint, seal(f"{one.family}{labels}{checkpoint}", payload)


def series_of(family: str, labels: str, checkpoint: int, value: object) -> SavedSeries:
    """The reverse of `series_row`.

    Raises: DamagedRow.
    """
    payload = unseal(f"{family}{labels}{checkpoint}", value)
    try:
        touched_s, born_s, values = _SERIES.decode(payload)
        decoded = _LABELS.decode(labels)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DamagedRow(type(error).__name__) from error
    if not values or not all(0 <= value <= _MAX_SUM for value in values):
        raise DamagedRow("no number that a series can have")
    return SavedSeries(family, decoded, values, touched_s, born_s)


def memory_row(one: Memory, checkpoint: int, part: int) -> tuple[str, int, int, int, bytes]:
    """(name, checkpoint, part, entries, value) of a part."""
    key = f"{one.name}/{checkpoint}/{part}/{one.entries}"
    return one.name, checkpoint, part, one.entries, seal(key, _ENCODE((one.run, one.value)))


def memory_of(name: str, checkpoint: int, part: int, entries: int, value: object) -> Memory:
    """The reverse of `memory_row`.

    Raises: DamagedRow.
    """
    try:
        run, payload = _MEMORY.decode(unseal(f"{name}/{checkpoint}/{part}/{entries}", value))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DamagedRow(type(error).__name__) from error
    return Memory(name, entries, payload, run)


def in_batches(rows: Iterable[SavedSeries], size: int) -> Iterator[list[SavedSeries]]:
    """The rows, `size` at a time."""
    batch: list[SavedSeries] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
