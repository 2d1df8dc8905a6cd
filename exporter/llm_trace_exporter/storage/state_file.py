"""What must survive: a SQLite file with checkpoints and a journal of requests.

A request is in the journal before it is acknowledged. Every so often the changed series, and what
the pipeline remembers, are written as a checkpoint, and the journal up to it is dropped; after a
crash the checkpoint is loaded and the journal since then is applied again.

WAL with synchronous=NORMAL: a commit survives the death of the process, not of the power supply.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import structs

from ..errors import Overloaded
from .journal import Entry
from .open_file import Holder
from .reader import MARKS, PULSE, STARTS, Found, StateReader
from .rows import (
    FIRST,
    Mark,
    Memory,
    Pulse,
    SavedSeries,
    Start,
    in_batches,
    memory_row,
    seal,
    series_row,
)
from .sqlite import KEYS, Connect, Unreachable

_ROWS_AT_ONCE = 2_000
_PARTS_AT_ONCE = 16
_MAX_SET_ASIDE = 1_000
_MAX_STARTS = 1_000
_FREE_SHARE = 0.15
"""Share of unused pages from which they are given back."""
_FREED_AT_ONCE = 2_000
"""Pages given back at once: requests wait meanwhile."""
_FREEINGS = 10
"""How often that is done after one checkpoint."""

_INSERT_ENTRY = "INSERT INTO journal VALUES (?, ?)"
_INSERT_SERIES = "INSERT OR REPLACE INTO series VALUES (?, ?, ?, ?)"
_INSERT_MEMORY = "INSERT OR REPLACE INTO memory VALUES (?, ?, ?, ?, ?)"
_INSERT_MARK = "INSERT OR REPLACE INTO marks VALUES (?, ?)"
_DROP_OLDER = "DELETE FROM series WHERE family = ? AND labels = ? AND checkpoint < ?"
_DROP_VOID = (
    "DELETE FROM series WHERE (family, labels, checkpoint) IN "
    "(SELECT family, labels, checkpoint FROM series WHERE checkpoint < ? LIMIT ?)"
)


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


class State(StateReader):
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
        super().__init__(Holder(path, connect, dict(_sealed(place, FIRST) for place in MARKS)))
        self._seq = 0
        self._has_leftovers = False
        self._has_void = False
        self._start: Start | None = None
        self._greeting: Entry | None = None
        self.run = 1
        """Which process this is, counted from the file's first."""
        with suppress(Unreachable):
            self._file.open()
            self._take_up()

    @property
    def is_open(self) -> bool:
        """Whether there is a file."""
        return self._file.is_open

    @property
    def failure(self) -> str:
        """Why nothing can be kept; empty when all is well."""
        return self._file.failure

    @property
    def moved_aside(self) -> int:
        """Files that could not be used as they were."""
        return self._file.moved_aside

    @property
    def size_bytes(self) -> int:
        """What the file and its companions take on disk."""
        return self._file.size_bytes

    @property
    def seq(self) -> int:
        """Number of the newest entry."""
        return self._seq

    def begin(self, found: Found, rebased_s: float, greeting: Entry) -> None:
        """Go on as the process after `found`.

        Args:
            found: The process before.
            rebased_s: This process's clock less that one's, at one moment.
            greeting: What has to be applied again before the entries of this process.
        """
        self.run = found.run + 1
        self._start = Start(self.run, rebased_s)
        self._greeting = greeting

    def append(self, entry: Entry) -> None:
        """Commit an entry; only then may the request be acknowledged.

        Raises: Overloaded when it cannot be written; nothing has changed then.
        """
        with self._file.lock:
            seq = self._seq
            with self._writing() as db:
                for one in filter(None, (self._greeting, entry)):
                    seq += 1
                    packed = self._codec.pack(structs.replace(one, run=self.run))
                    db.execute(_INSERT_ENTRY, (seq, seal(f"journal/{seq}", packed)))
            self._seq, self._greeting = seq, None

    def beat(self, now_s: float, unix_s: float) -> None:
        """Note that the process lives.

        Raises: Overloaded when it cannot be written.
        """
        with self._writing() as db:
            db.execute(_INSERT_MARK, _sealed(PULSE, Pulse(self.run, now_s, unix_s)))

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Save changed series and memories as of when entry `checkpoint.seq` was the newest.

        Written in small transactions, so that no request waits for long; valid with the last one.

        Raises: Overloaded when it cannot be written; the previous checkpoint stays valid.
        """
        self._drop_leftovers()
        before, number = self.mark, self.mark.number + 1
        self._has_leftovers = True
        written: list[list[tuple[str, str, int]]] = []
        for batch in in_batches(checkpoint.series, _ROWS_AT_ONCE):
            rows = [series_row(one, number) for one in batch]
            with self._writing() as db:
                db.executemany(_INSERT_SERIES, rows)
            written.append([row[:3] for row in rows])
        parts = [
            memory_row(one._replace(run=self.run), number, part)
            for part, one in enumerate(checkpoint.memories)
        ]
        for start in range(0, len(parts), _PARTS_AT_ONCE):
            with self._writing() as db:
                db.executemany(_INSERT_MEMORY, parts[start : start + _PARTS_AT_ONCE])
        mark = structs.replace(
            before,
            number=number,
            seq=checkpoint.seq,
            whole_since=number if checkpoint.is_whole else before.whole_since,
            run=self.run,
            now_s=checkpoint.now_s,
            unix_s=checkpoint.unix_s,
        )
        with self._file.lock:
            with self._writing() as db:
                db.execute("DELETE FROM journal WHERE seq <= ?", (checkpoint.seq,))
                _drop_memories(db, checkpoint, number)
                mark = structs.replace(mark, parts=_count_parts(db))
                db.executemany(_INSERT_MARK, [_sealed(place, mark) for place in MARKS])
            self.mark = mark
            self._has_leftovers = False
            self._has_void |= checkpoint.is_whole
            if self._seq == checkpoint.seq:
                self._greeting = None
        self._tidy([] if checkpoint.is_whole else written)

    def put(self, one: Memory) -> None:
        """Replace one small memory between checkpoints.

        Raises: Overloaded when it cannot be written.
        """
        # Parts of a checkpoint count from 0.
        row = memory_row(one._replace(run=self.run), self.mark.number, -1)
        with self._writing() as db:
            db.execute("DELETE FROM memory WHERE name = ?", (one.name,))
            db.execute(_INSERT_MEMORY, row)

    def put_aside(self) -> None:
        """Move damaged rows out of the way, within the file, for whoever wants to look."""
        if not self.unusable:
            return
        with suppress(Overloaded), self._writing() as db:
            for (table, key), value in self.unusable.items():
                # Texts as the bytes that they are in the file: damaged ones are no UTF-8.
                where = " AND ".join(
                    f"{column} IS {'CAST(? AS TEXT)' if isinstance(key_part, str) else '?'}"
                    for column, key_part in zip(KEYS[table], key, strict=True)
                )
                db.execute(f"DELETE FROM {table} WHERE {where}", list(map(_raw, key)))  # noqa: S608
                db.execute("INSERT INTO unusable VALUES (?, ?, ?)", (table, repr(key), value))
            db.execute(
                "DELETE FROM unusable WHERE rowid <= (SELECT max(rowid) FROM unusable) - ?",
                (_MAX_SET_ASIDE,),
            )
            self.unusable.clear()

    def recover(self) -> bool:
        """Try again to have a file; whether it is another one than before.

        Raises: ExporterError when it is still not possible.
        """
        with self._file.lock:
            is_other = self._file.reopen()
            if is_other:
                self.mark = FIRST
                self._take_up()
            return is_other

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _take_up(self) -> None:
        # Whatever a checkpoint that was not finished has left is in the way of the next.
        self._has_leftovers = self._has_void = True
        self._seq = self.look_around()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction; the first one tells that this process has begun.

        Raises: Overloaded where it cannot be had; nothing is written then.
        """
        with self._file.transaction() as db:
            if self._start is not None:
                place = STARTS + self._start.run
                db.execute(_INSERT_MARK, _sealed(place, self._start))
                db.execute(
                    "DELETE FROM marks WHERE place BETWEEN ? AND ?",
                    (STARTS, place - _MAX_STARTS),
                )
            yield db
        self._start = None

    def _drop_leftovers(self) -> None:
        """Drop what a checkpoint that failed has left: its number is given again."""
        if self._has_leftovers:
            with self._writing() as db:
                for table in ("series", "memory"):
                    db.execute(
                        f"DELETE FROM {table} WHERE checkpoint > ?",  # noqa: S608
                        (self.mark.number,),
                    )

    def _tidy(self, written: Iterable[list[tuple[str, str, int]]]) -> None:
        """Drop series that are void, a few at a time, and give pages back to the disk."""
        for keys in written:
            with self._writing() as db:
                db.executemany(_DROP_OLDER, keys)
        while self._has_void:
            with self._writing() as db:
                gone = db.execute(_DROP_VOID, (self.mark.whole_since, _ROWS_AT_ONCE)).rowcount
            self._has_void = gone == _ROWS_AT_ONCE
        for _ in range(_FREEINGS):
            with self._writing() as db:
                (free,) = db.execute("PRAGMA freelist_count").fetchone()
                (pages,) = db.execute("PRAGMA page_count").fetchone()
                if free <= pages * _FREE_SHARE:
                    break
                # A row without columns for each page: `execute` would look at the first only.
                db.executescript(f"PRAGMA incremental_vacuum({_FREED_AT_ONCE});")
        with self._writing() as db:
            # The file alone, without its log, is then no more than a checkpoint behind.
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _sealed(place: int, sign: Mark | Pulse | Start) -> tuple[int, bytes]:
    return place, seal(f"marks/{place}", msgspec.msgpack.encode(sign))


def _raw(value: object) -> Any:
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value


def _count_parts(db: sqlite3.Connection) -> dict[str, int]:
    query = "SELECT name, count(*) FROM memory WHERE part >= 0 GROUP BY name"
    return dict(db.execute(query).fetchall())


def _drop_memories(db: sqlite3.Connection, checkpoint: Checkpoint, number: int) -> None:
    """Drop the parts that are void, and those older than what is of use."""
    for name in checkpoint.replaces:
        db.execute("DELETE FROM memory WHERE name = ? AND checkpoint < ?", (name, number))
    for name, most in checkpoint.max_entries.items():
        total = 0
        for rowid, entries in db.execute(
            "SELECT rowid, entries FROM memory WHERE name = ? ORDER BY checkpoint DESC, part DESC",
            (name,),
        ).fetchall():
            if total >= most:
                db.execute("DELETE FROM memory WHERE rowid = ?", (rowid,))
            total += entries if isinstance(entries, int) else 0
