"""What must survive: a SQLite file with checkpoints and a journal of requests.

A request is in the journal before it is acknowledged. Every so often the changed series, and what
the pipeline remembers, are written as a checkpoint, and the journal up to it is dropped; after a
crash the checkpoint is loaded and the journal since then is applied again.

WAL with synchronous=NORMAL: a commit survives the death of the process, not of the power supply.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import structs

from ..errors import ExporterError, Overloaded
from .database import (
    KEYS,
    SUFFIXES,
    Connect,
    Damaged,
    Unreachable,
    move,
    open_database,
    reason_of,
    remove,
    save_rows,
)
from .journal import Codec, Entry
from .rows import (
    DamagedRow,
    Mark,
    Memory,
    Pulse,
    SavedSeries,
    Start,
    in_batches,
    memory_of,
    memory_row,
    seal,
    series_of,
    series_row,
    unseal,
)

_logger = logging.getLogger(__name__)

_RETRY_AFTER_S = 5
_ROWS_AT_ONCE = 2_000
_PARTS_AT_ONCE = 16
_MAX_SET_ASIDE = 1_000
_MAX_STARTS = 1_000
_FREE_SHARE = 0.25
"""Share of unused pages from which they are given back."""

_MARKS = (0, 1)
"""A mark is written twice: without one, nobody knows what the journal adds to the series."""
_PULSE = 2
_STARTS = 10
"""Places in the table of marks: that of a process's start is this and its number."""

_INSERT_SERIES = "INSERT OR REPLACE INTO series VALUES (?, ?, ?, ?)"
_INSERT_MEMORY = "INSERT OR REPLACE INTO memory VALUES (?, ?, ?, ?, ?)"
_INSERT_MARK = "INSERT OR REPLACE INTO marks VALUES (?, ?)"
_DROP_OLDER = "DELETE FROM series WHERE family = ? AND labels = ? AND checkpoint < ?"
_DROP_VOID = (
    "DELETE FROM series WHERE (family, labels, checkpoint) IN "
    "(SELECT family, labels, checkpoint FROM series WHERE checkpoint < ? LIMIT ?)"
)

_M = TypeVar("_M", Mark, Pulse, Start)


class Checkpoint(NamedTuple):
    """What a checkpoint writes."""

    series: Iterable[SavedSeries]
    """Those that changed since the last one; all of them where it is whole."""
    is_whole: bool
    """Whether all earlier series are void."""
    memories: Sequence[Memory]
    replaces: frozenset[str]
    """Names of memories whose earlier parts are void."""
    max_entries: Mapping[str, int]
    """Name -> how many of its newest entries are of use."""
    seq: int
    """The newest entry that was applied when it was taken."""
    now_s: float
    unix_s: float


class Found(NamedTuple):
    """When a process before this one was last known to live."""

    run: int
    """Which one, counted from the file's first; 0: there was none."""
    now_s: float
    """On its monotonic clock."""
    unix_s: float
    """The same moment, Unix seconds."""


class State:
    """One file, one writer; `append` and `checkpoint` may run in two threads at once.

    Where the disk does not let it, nothing is kept and `failure` says why, until `recover` works.
    """

    def __init__(self, path: Path, *, connect: Connect = sqlite3.connect) -> None:
        """Open or create the file; from one that is damaged, what can be read is taken over.

        Args:
            path: The file.
            connect: Opens a connection, as `sqlite3.connect` does.

        Raises: ExporterError where another process has it, or a newer version wrote it.
        """
        self._path = path
        self._connect = connect
        self._codec = Codec()
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._identity: _Identity | None = None
        self._seq = 0
        self.mark = _FIRST
        """How far the newest checkpoint goes."""
        self._has_leftovers = False
        self._has_void = False
        self._start: Start | None = None
        self._unusable: list[tuple[str, tuple[Any, ...], object]] = []
        self.run = 1
        """Which process this is, counted from the file's first."""
        self.failure = ""
        """Why nothing can be kept; empty when all is well."""
        self.moved_aside = 0
        """Files that could not be used as they were."""
        self.damaged_rows = 0
        """Rows that were not what was written."""
        try:
            self._open()
        except Unreachable as error:
            self._fail(error)

    @property
    def is_open(self) -> bool:
        """Whether there is a file."""
        return self._db is not None

    @property
    def size_bytes(self) -> int:
        """What the file and its companions take on disk."""
        total = 0
        for suffix in SUFFIXES:
            with suppress(OSError):
                total += Path(f"{self._path}{suffix}").stat().st_size
        return total

    @property
    def seq(self) -> int:
        """Number of the newest entry."""
        return self._seq

    def found(self) -> Found:
        """When the process before this one was last known to live."""
        with self._lock:
            moments = [Pulse(self.mark.run, self.mark.now_s, self.mark.unix_s)]
            if (pulse := self._sign(_PULSE, Pulse)) is not None:
                moments.append(pulse)
            if (entry := self._newest_entry()) is not None:
                moments.append(Pulse(entry.run, entry.now_s, entry.wall_ns / 1e9))
        last = max(moments, key=lambda pulse: (pulse.run, pulse.now_s))
        return Found(last.run, last.now_s, last.unix_s)

    def starts(self) -> dict[int, float]:
        """Process -> its clock less that of the one before, at one moment."""
        places = self._rows("SELECT place FROM marks WHERE place >= ?", (_STARTS,))
        found = [self._sign(place, Start) for (place,) in list(places)]
        return {start.run: start.rebased_s for start in found if start is not None}

    def begin(self, found: Found, rebased_s: float) -> None:
        """Go on as the process after `found`.

        Args:
            found: The process before.
            rebased_s: This process's clock less that one's, at one moment.
        """
        with self._lock:
            self.run = found.run + 1
            self._start = Start(self.run, rebased_s)

    def append(self, entry: Entry) -> None:
        """Commit an entry; only then may the request be acknowledged.

        Raises: Overloaded when it cannot be written; nothing has changed then.
        """
        with self._lock:
            seq = self._seq + 1
            sealed = seal(f"journal/{seq}", self._codec.pack(structs.replace(entry, run=self.run)))
            with self._writing() as db:
                db.execute("INSERT INTO journal VALUES (?, ?)", (seq, sealed))
            self._seq = seq

    def beat(self, now_s: float, unix_s: float) -> None:
        """Note that the process lives.

        Raises: Overloaded when it cannot be written.
        """
        with self._lock, self._writing() as db:
            db.execute(_INSERT_MARK, _sealed(_PULSE, Pulse(self.run, now_s, unix_s)))

    def checkpoint(self, told: Checkpoint) -> None:
        """Save changed series and memories as of when entry `told.seq` was the newest.

        Written in small transactions, so that no request waits for long; valid with the last one.

        Raises: Overloaded when it cannot be written; the previous checkpoint stays valid.
        """
        self._drop_leftovers()
        before, number = self.mark, self.mark.number + 1
        self._has_leftovers = True
        written: list[list[tuple[str, str, int]]] = []
        for batch in in_batches(told.series, _ROWS_AT_ONCE):
            rows = [series_row(one, number) for one in batch]
            with self._lock, self._writing() as db:
                db.executemany(_INSERT_SERIES, rows)
            written.append([row[:3] for row in rows])
        parts = [
            memory_row(one._replace(run=self.run), number, part)
            for part, one in enumerate(told.memories)
        ]
        for start in range(0, len(parts), _PARTS_AT_ONCE):
            with self._lock, self._writing() as db:
                db.executemany(_INSERT_MEMORY, parts[start : start + _PARTS_AT_ONCE])
        whole_since = number if told.is_whole else before.whole_since
        mark = Mark(number, told.seq, whole_since, self.run, told.now_s, told.unix_s)
        with self._lock:
            with self._writing() as db:
                db.executemany(_INSERT_MARK, [_sealed(place, mark) for place in _MARKS])
                db.execute("DELETE FROM journal WHERE seq <= ?", (told.seq,))
                _drop_memories(db, told, number)
            self.mark = mark
            self._has_leftovers = False
            self._has_void |= told.is_whole
        self._tidy([] if told.is_whole else written)

    def keep(self, one: Memory) -> None:
        """Replace one small memory between checkpoints.

        Raises: Overloaded when it cannot be written.
        """
        # Parts of a checkpoint count from 0.
        row = memory_row(one._replace(run=self.run), self.mark.number, -1)
        with self._lock, self._writing() as db:
            db.execute("DELETE FROM memory WHERE name = ?", (one.name,))
            db.execute(_INSERT_MEMORY, row)

    def series(self) -> Iterator[SavedSeries]:
        """The series of the newest valid checkpoint."""
        for row in self._rows(
            "SELECT family, labels, max(checkpoint), value FROM series "
            "WHERE checkpoint BETWEEN ? AND ? GROUP BY family, labels",
            (self.mark.whole_since, self.mark.number),
        ):
            try:
                yield series_of(*row)
            except DamagedRow as error:
                self._set_aside("series", row[:3], row[3], error)

    def memories(self) -> Iterator[Memory]:
        """The parts of everything remembered, each name's oldest first."""
        for row in self._rows(
            "SELECT name, checkpoint, part, entries, value FROM memory "
            "WHERE checkpoint <= ? ORDER BY name, checkpoint, part",
            (self.mark.number,),
        ):
            try:
                yield memory_of(*row)
            except DamagedRow as error:
                self._set_aside("memory", row[:3], row[4], error)

    def entries(self) -> Iterator[Entry]:
        """The journal since the checkpoint, in order."""
        query = "SELECT seq, value FROM journal WHERE seq > ? ORDER BY seq"
        for seq, value in self._rows(query, (self.mark.seq,)):
            try:
                yield self._codec.unpack(unseal(f"journal/{seq}", value))
            except ExporterError as error:
                self._set_aside("journal", (seq,), value, error)

    def put_aside(self) -> None:
        """Move damaged rows out of the way, within the file, for whoever wants to look."""
        if not self._unusable:
            return
        with suppress(Overloaded), self._lock, self._writing() as db:
            for table, key, value in self._unusable:
                where = " AND ".join(f"{column} IS ?" for column in KEYS[table])
                db.execute(f"DELETE FROM {table} WHERE {where}", key)  # noqa: S608
                db.execute("INSERT INTO unusable VALUES (?, ?, ?)", (table, repr(key), value))
            db.execute(
                "DELETE FROM unusable WHERE rowid <= (SELECT max(rowid) FROM unusable) - ?",
                (_MAX_SET_ASIDE,),
            )
            self._unusable.clear()

    def recover(self) -> bool:
        """Try again to have a file; whether it is another one than before.

        Raises: ExporterError when it is still not possible.
        """
        with self._lock:
            if self._db is not None and self._is_there():
                return False
            self._close()
            if self._identity is not None and self._path.exists():
                self._move_aside("replaced", f"state {self._path}: not the file that was written")
            try:
                self._open()
            except ExporterError as error:
                self._fail(error)
                raise
            self.failure = ""
            return True

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._close()

    def _open(self) -> None:
        first = dict(_sealed(place, _FIRST) for place in _MARKS)
        try:
            db = open_database(self._path, self._connect, first)
        except Damaged as error:
            db = self._renewed(error, first)
        self._db = db
        # Whatever a checkpoint that was not finished has left is in the way of the next.
        self._has_leftovers = self._has_void = True
        self._find_mark()
        self._seq = max(self.mark.seq, self._number("SELECT max(seq) FROM journal"))
        self._identity = self._look()

    def _renewed(self, error: Damaged, first: Mapping[int, bytes]) -> sqlite3.Connection:
        """A new file with what can be read of the damaged one, which is moved aside."""
        aside = self._move_aside("unusable", str(error))
        db = None
        try:
            db = open_database(self._path, self._connect, first)
            saved = save_rows(aside, db)
        except (sqlite3.Error, ExporterError) as failure:
            # Half a copy would be taken for all of it the next time.
            if db is not None:
                db.close()
            remove(self._path)
            move(aside, self._path)
            if isinstance(failure, sqlite3.Error):
                raise Unreachable(f"state {self._path}: {failure}") from failure
            raise
        self.moved_aside += 1
        _logger.error("state %s: %d rows of the old file could be read", self._path, saved)
        return db

    def _move_aside(self, why: str, error: str) -> Path:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        target = self._path.with_name(f"{self._path.name}.{why}-{stamp}")
        move(self._path, target)
        _logger.error("%s; moved aside to %s", error, target)
        return target

    def _find_mark(self) -> None:
        marks = [mark for place in _MARKS if (mark := self._sign(place, Mark)) is not None]
        if marks:
            self.mark = max(marks, key=lambda mark: mark.number)
            return
        # What the journal adds is unknown: too little is told then, never too much.
        number = self._number(
            "SELECT max(n) FROM (SELECT max(checkpoint) AS n FROM series "
            "UNION SELECT max(checkpoint) FROM memory)"
        )
        seq = self._number("SELECT max(seq) FROM journal")
        self.mark = structs.replace(_FIRST, number=number, seq=seq)
        self.damaged_rows += 1

    def _sign(self, place: int, kind: type[_M]) -> _M | None:
        """A mark, a pulse or a start; None where there is none, or none that is whole."""
        for (value,) in self._rows("SELECT value FROM marks WHERE place = ?", (place,)):
            try:
                return msgspec.msgpack.decode(unseal(f"marks/{place}", value), type=kind)
            except (DamagedRow, msgspec.MsgspecError) as error:
                self._set_aside("marks", (place,), value, error)
        return None

    def _newest_entry(self) -> Entry | None:
        query = "SELECT seq, value FROM journal ORDER BY seq DESC"
        for seq, value in self._rows(query, ()):
            with suppress(ExporterError):
                return self._codec.unpack(unseal(f"journal/{seq}", value))
        return None

    def _rows(self, query: str, values: tuple[object, ...]) -> Iterator[tuple[Any, ...]]:
        if self._db is None:
            return
        try:
            yield from self._db.execute(query, values)
        except sqlite3.Error as error:
            # The file was found whole: it is the disk that does not give it.
            self._fail(reason_of(self._path, error))
            self.damaged_rows += 1

    def _number(self, query: str) -> int:
        (found,) = next(self._rows(query, ()), (0,))
        return found if isinstance(found, int) else 0

    def _set_aside(self, table: str, key: tuple[Any, ...], value: object, error: Exception) -> None:
        one = (table, key, value)
        if one not in self._unusable:
            self.damaged_rows += 1
            self._unusable.append(one)
            _logger.error("state %s: a row of %s is set aside: %s", self._path, table, error)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction.

        Raises: Overloaded where it cannot be had; nothing is written then.
        """
        if self._db is None or not self._is_there():
            raise Overloaded(self.failure, _RETRY_AFTER_S)
        try:
            with self._db as db:
                if self._start is not None:
                    place = _STARTS + self._start.run
                    db.execute(_INSERT_MARK, _sealed(place, self._start))
                    db.execute(
                        "DELETE FROM marks WHERE place BETWEEN ? AND ?",
                        (_STARTS, place - _MAX_STARTS),
                    )
                yield db
        except sqlite3.Error as error:
            reason = reason_of(self._path, error)
            if isinstance(reason, Damaged):
                # All that matters is in memory: a new file is better than this one.
                self._close()
            self._fail(reason)
            raise Overloaded(f"state cannot be written: {error}", _RETRY_AFTER_S) from error
        self._start = None
        if self.failure:
            _logger.warning("state %s can be written again", self._path)
            self.failure = ""

    def _is_there(self) -> bool:
        """Whether the path still leads to the open file."""
        if self._look() == self._identity:
            return True
        self._fail(Unreachable(f"state {self._path}: the file was deleted or replaced"))
        return False

    def _look(self) -> _Identity | None:
        try:
            status = os.stat(self._path)  # noqa: PTH116  # a third of the time
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _fail(self, error: Exception) -> None:
        if str(error) != self.failure:
            self.failure = str(error)
            _logger.error("%s: nothing can be kept", error)

    def _drop_leftovers(self) -> None:
        """Drop what a checkpoint that failed has left: its number is given again."""
        if self._has_leftovers:
            with self._lock, self._writing() as db:
                for table in ("series", "memory"):
                    db.execute(
                        f"DELETE FROM {table} WHERE checkpoint > ?",  # noqa: S608
                        (self.mark.number,),
                    )

    def _tidy(self, written: Iterable[list[tuple[str, str, int]]]) -> None:
        """Drop series that are void, a few at a time, and give pages back to the disk."""
        for keys in written:
            with self._lock, self._writing() as db:
                db.executemany(_DROP_OLDER, keys)
        while self._has_void:
            with self._lock, self._writing() as db:
                gone = db.execute(_DROP_VOID, (self.mark.whole_since, _ROWS_AT_ONCE)).rowcount
            self._has_void = gone == _ROWS_AT_ONCE
        if self._number("PRAGMA freelist_count") > self._number("PRAGMA page_count") * _FREE_SHARE:
            with self._lock, self._writing() as db:
                db.execute("PRAGMA incremental_vacuum").fetchall()

    def _close(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
        self._db = None


_Identity = tuple[int, int]
_FIRST = Mark(0, 0, 0, 0, 0.0, 0.0)


def _sealed(place: int, sign: Mark | Pulse | Start) -> tuple[int, bytes]:
    return place, seal(f"marks/{place}", msgspec.msgpack.encode(sign))


def _drop_memories(db: sqlite3.Connection, told: Checkpoint, number: int) -> None:
    """Drop the parts that are void, and those older than what is of use."""
    for name in told.replaces:
        db.execute("DELETE FROM memory WHERE name = ? AND checkpoint < ?", (name, number))
    for name, most in told.max_entries.items():
        total = 0
        for rowid, entries in db.execute(
            "SELECT rowid, entries FROM memory WHERE name = ? ORDER BY checkpoint DESC, part DESC",
            (name,),
        ).fetchall():
            if total >= most:
                db.execute("DELETE FROM memory WHERE rowid = ?", (rowid,))
            total += entries if isinstance(entries, int) else 0
