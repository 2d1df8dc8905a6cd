"""What a start finds in the file; rows that are not what was written are left out and told."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import structs

from ..errors import ExporterError
from .journal import Codec, Entry
from .open_file import Holder
from .rows import (
    FIRST,
    DamagedRow,
    Mark,
    Memory,
    Pulse,
    SavedSeries,
    Start,
    memory_of,
    series_of,
    unseal,
)

_logger = logging.getLogger(__name__)

MARKS = (0, 1)
"""A mark is written twice: without one, nobody knows what the journal adds to the series."""
PULSE = 2
STARTS = 10
"""Places in the table of marks: that of a process's start is this and its number."""

_SERIES = "SELECT family, labels, checkpoint, value FROM series ORDER BY family, labels, checkpoint"
_MEMORY = (
    "SELECT name, checkpoint, part, entries, value FROM memory ORDER BY name, checkpoint, part"
)
_JOURNAL = "SELECT seq, value FROM journal ORDER BY seq"
_NEWEST_NUMBER = (
    "SELECT max(n) FROM (SELECT max(checkpoint) AS n FROM series "
    "UNION SELECT max(checkpoint) FROM memory)"
)
_OLDEST, _NEWEST = (-1, -1), (1 << 62, 0)
"""Places before and after every (checkpoint, part)."""

_M = TypeVar("_M", Mark, Pulse, Start)


class Found(NamedTuple):
    """When a process before this one was last known to live."""

    run: int
    """Which one, counted from the file's first; 0: there was none."""
    now_s: float
    """On its monotonic clock."""
    unix_s: float
    """The same moment, Unix seconds."""


class StateReader:
    """Reads a file that has just been opened."""

    def __init__(self, file: Holder) -> None:
        """Nothing is read before `look_around`."""
        self._file = file
        self._codec = Codec()
        self.mark = FIRST
        """How far the newest checkpoint goes."""
        self.damaged_rows = 0
        """Rows that were not what was written, or are not there."""
        self.unusable: dict[tuple[str, tuple[Any, ...]], object] = {}
        """(table, key) of such rows -> value."""

    def look_around(self) -> int:
        """Find out how far the file goes; the number of the newest entry.

        Raises: Unreachable.
        """
        marks = [mark for place in MARKS if (mark := self._sign(place, Mark)) is not None]
        newest_seq = self._file.number("SELECT max(seq) FROM journal")
        if marks:
            self.mark = max(marks, key=lambda mark: mark.number)
        else:
            # What the journal adds is unknown: too little is told then, never too much.
            number = self._file.number(_NEWEST_NUMBER)
            self.mark = structs.replace(FIRST, number=number, seq=newest_seq)
            self.damaged_rows += 1
        return max(self.mark.seq, newest_seq)

    def _sign(self, place: int, kind: type[_M]) -> _M | None:
        """A mark, a pulse or a start; None where there is none, or none that is whole."""
        for (value,) in self._file.rows("SELECT value FROM marks WHERE place = ?", (place,)):
            try:
                return msgspec.msgpack.decode(unseal(f"marks/{place}", value), type=kind)
            except (DamagedRow, msgspec.MsgspecError, UnicodeDecodeError) as error:
                self._set_aside("marks", (place,), value, error)
        return None

    def _newest_entry(self) -> Entry | None:
        for seq, value in self._file.rows(f"{_JOURNAL} DESC"):
            with suppress(ExporterError):
                return self._codec.unpack(unseal(f"journal/{seq}", value))
        return None

    def _set_aside(self, table: str, key: tuple[Any, ...], value: object, error: Exception) -> None:
        if (table, key) not in self.unusable:
            self.damaged_rows += 1
            self.unusable[table, key] = value
            _logger.error("state %s: a row of %s is set aside: %s", self._file.path, table, error)

    def found(self) -> Found:
        """When the process before this one was last known to live."""
        moments = [Pulse(self.mark.run, self.mark.now_s, self.mark.unix_s)]
        if (pulse := self._sign(PULSE, Pulse)) is not None:
            moments.append(pulse)
        if (entry := self._newest_entry()) is not None:
            moments.append(Pulse(entry.run, entry.now_s, entry.wall_ns / 1e9))
        last = max(moments, key=lambda pulse: (pulse.run, pulse.now_s))
        return Found(last.run, last.now_s, last.unix_s)

    def starts(self) -> dict[int, float]:
        """Process -> its clock less that of the one before, at one moment."""
        places = list(self._file.rows("SELECT place FROM marks WHERE place >= ?", (STARTS,)))
        found = [self._sign(place, Start) for (place,) in places]
        return {start.run: start.rebased_s for start in found if start is not None}

    def series(self) -> Iterator[SavedSeries]:
        """The series of the newest valid checkpoint.

        Raises: Unreachable.
        """
        mark = self.mark
        newest: tuple[tuple[str, str], SavedSeries] | None = None
        for row in self._file.rows(_SERIES):
            # Also of rows that do not count: their number may be what is damaged.
            try:
                one = series_of(*row)
            except DamagedRow as error:
                self._set_aside("series", row[:3], row[3], error)
                continue
            if not mark.whole_since <= row[2] <= mark.number:
                continue
            if newest is not None and newest[0] != row[:2]:
                yield newest[1]
            newest = (row[:2], one)
        if newest is not None:
            yield newest[1]

    def memories(self) -> Iterator[Memory]:
        """The parts of everything remembered, each name's oldest first.

        Raises: Unreachable.
        """
        whole: Counter[str] = Counter()
        damaged: dict[str, tuple[object, object]] = {}
        for row in self._file.rows(_MEMORY):
            name, checkpoint, part = row[:3]
            try:
                memory_of(*row)
            except DamagedRow as error:
                self._set_aside("memory", row[:3], row[4], error)
                damaged[str(name)] = _NEWEST if not _is_place(row) else (checkpoint, part)
            else:
                whole[name] += checkpoint <= self.mark.number and part >= 0
        for name, count in self.mark.parts.items():
            if whole[name] < count and name not in damaged:
                self.damaged_rows += count - whole[name]
                damaged[name] = _NEWEST
        for row in self._file.rows(_MEMORY):
            with suppress(DamagedRow):
                one = memory_of(*row)
                if row[1] <= self.mark.number:
                    # A later part, which would say how it went on, is gone.
                    is_stale = row[1:3] < damaged.get(one.name, _OLDEST)
                    yield one._replace(is_stale=is_stale)

    def entries(self) -> Iterator[Entry]:
        """The journal since the checkpoint, in order.

        Raises: Unreachable.
        """
        for seq, value in self._file.rows(_JOURNAL):
            try:
                entry = self._codec.unpack(unseal(f"journal/{seq}", value))
            except ExporterError as error:
                self._set_aside("journal", (seq,), value, error)
                continue
            if seq > self.mark.seq:
                yield entry


def _is_place(row: tuple[Any, ...]) -> bool:
    return isinstance(row[1], int) and isinstance(row[2], int)
