"""What must survive: a SQLite file with a journal of requests and checkpoints of the series.

A request is in the journal before it is acknowledged. Every so often the changed series are
written as a checkpoint; after a crash they are loaded and the journal since then is applied again.
The journal before the checkpoint is kept as long as the pipeline would remember its spans, and
applied without counting.

WAL with synchronous=NORMAL: a commit survives the death of the process, not of the power supply.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..errors import ExporterError, Overloaded
from .journal import Codec, Entry

_logger = logging.getLogger(__name__)

SCHEMA_VERSION = 2
APPLICATION_ID = 0x4C4C4D54
"""Marks the file as ours (`LLMT`)."""

_RETRY_AFTER_S = 5
_ROWS_AT_ONCE = 2_000
_SUFFIXES = ("", "-wal", "-shm")

_KEPT = """
CREATE TABLE kept (
  name TEXT NOT NULL, part INTEGER NOT NULL, unix_s REAL NOT NULL, entries INTEGER NOT NULL,
  value BLOB NOT NULL, PRIMARY KEY (name, part)
) WITHOUT ROWID;
"""
_TABLES = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE journal (seq INTEGER PRIMARY KEY, spans INTEGER NOT NULL, entry BLOB NOT NULL);
CREATE TABLE series (
  family TEXT NOT NULL, labels TEXT NOT NULL, checkpoint INTEGER NOT NULL,
  touched REAL NOT NULL, value BLOB NOT NULL,
  PRIMARY KEY (family, labels, checkpoint)
) WITHOUT ROWID;
{_KEPT}
"""
_LABELS = msgspec.json.Decoder(dict[str, str])
_VALUES = msgspec.msgpack.Decoder(list[float])
_KEEP = "INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?, ?)"
_DROP_OLDER = "DELETE FROM series WHERE family = ? AND labels = ? AND checkpoint < ?"
_MIGRATIONS: dict[int, str] = {1: _KEPT}
"""Schema version -> statements that lead from it to the next."""


class SavedSeries(NamedTuple):
    """One series as a checkpoint holds it."""

    family: str
    labels: dict[str, str]
    values: list[float]
    """A counter's value; or a histogram's sum, counts and bounds, one after the other."""
    touched_unix_s: float
    """When it was last updated."""


class Kept(NamedTuple):
    """Something else that a checkpoint holds, in one part or in many."""

    name: str
    part: int
    """A part that is written again replaces itself."""
    unix_s: float
    entries: int
    """How many things are in it."""
    value: bytes


class State:
    """One file, one writer; `append` and `checkpoint` may run in two threads at once."""

    def __init__(self, path: Path, max_spans: int) -> None:
        """Open or create the file; what is not ours or damaged is moved aside.

        Args:
            path: The file.
            max_spans: How many spans of the journal are worth keeping.

        Raises: ExporterError when no file can be had there.
        """
        self._path = path
        self._max_spans = max_spans
        self._codec = Codec()
        self.moved_aside = 0
        """Files that could not be used."""
        self._db = self._open()
        self._lock = threading.Lock()
        self._seq: int = self._number("SELECT max(seq) FROM journal")
        self._checkpoint: int = self._meta("checkpoint")

    @property
    def size_bytes(self) -> int:
        """What the file and its companions take on disk."""
        total = 0
        for suffix in _SUFFIXES:
            with suppress(OSError):
                total += Path(f"{self._path}{suffix}").stat().st_size
        return total

    @property
    def seq(self) -> int:
        """Number of the newest entry."""
        return self._seq

    def append(self, entry: Entry) -> None:
        """Commit an entry; only then may the request be acknowledged.

        Raises: Overloaded when it cannot be written; nothing has changed then.
        """
        packed = self._codec.pack(entry)
        spans = len(entry.spans) + len(entry.logs)
        with self._lock:
            seq = self._seq + 1
            try:
                with self._db:
                    self._db.execute("INSERT INTO journal VALUES (?, ?, ?)", (seq, spans, packed))
            except sqlite3.Error as error:
                raise Overloaded(f"state cannot be written: {error}", _RETRY_AFTER_S) from error
            self._seq = seq

    def checkpoint(
        self, series: Iterable[SavedSeries], seq: int, kept: Iterable[Kept] = ()
    ) -> None:
        """Save changed series, and what else is kept, as of when entry `seq` was the newest.

        Written in small transactions, so that no request waits for long; valid with the last one.

        Raises: Overloaded when it cannot be written; the previous checkpoint stays valid.
        """
        number = self._checkpoint + 1
        written: list[list[tuple[str, str, int]]] = []
        try:
            for rows in _batches(series):
                with self._lock, self._db:
                    self._db.executemany(
                        "INSERT OR REPLACE INTO series VALUES (?, ?, ?, ?, ?)",
                        [
                            (s.family, _labels(s), number, s.touched_unix_s, _pack(s.values))
                            for s in rows
                        ],
                    )
                written.append([(s.family, _labels(s), number) for s in rows])
            with self._lock, self._db:
                self._set("checkpoint", number)
                self._set("seq", seq)
                self._db.executemany(_KEEP, map(_row, kept))
            self._checkpoint = number
            for keys in written:
                with self._lock, self._db:
                    self._db.executemany(_DROP_OLDER, keys)
            self._prune(seq)
        except sqlite3.Error as error:
            raise Overloaded(f"state cannot be written: {error}", _RETRY_AFTER_S) from error

    def series(self) -> Iterator[SavedSeries]:
        """The series of the newest valid checkpoint."""
        rows = self._db.execute(
            "SELECT family, labels, max(checkpoint), touched, value FROM series "
            "WHERE checkpoint <= ? GROUP BY family, labels",
            (self._checkpoint,),
        )
        for family, labels, _, touched, value in rows:
            yield SavedSeries(
                family,
                _LABELS.decode(labels),
                _VALUES.decode(value),
                touched,
            )

    def kept(self, name: str) -> Iterator[Kept]:
        """The parts of something kept, the newest first."""
        yield from (
            Kept(*row)
            for row in self._db.execute(
                "SELECT name, part, unix_s, entries, value FROM kept WHERE name = ? "
                "ORDER BY part DESC",
                (name,),
            )
        )

    def keep(self, kept: Kept) -> None:
        """Replace one thing kept, between checkpoints.

        Raises: Overloaded when it cannot be written.
        """
        try:
            with self._lock, self._db:
                self._db.execute(_KEEP, _row(kept))
        except sqlite3.Error as error:
            raise Overloaded(f"state cannot be written: {error}", _RETRY_AFTER_S) from error

    def thin(self, name: str, max_entries: int, since_unix_s: float) -> None:
        """Drop the oldest parts past a number of entries, and those before a time.

        Raises: Overloaded when that cannot be written.
        """
        try:
            with self._lock, self._db:
                total, oldest = 0, 0
                rows = self._db.execute(
                    "SELECT part, entries FROM kept WHERE name = ? ORDER BY part DESC", (name,)
                )
                for part, entries in rows:
                    total += entries
                    if total > max_entries:
                        oldest = part
                        break
                self._db.execute(
                    "DELETE FROM kept WHERE name = ? AND (part <= ? OR unix_s < ?)",
                    (name, oldest, since_unix_s),
                )
        except sqlite3.Error as error:
            raise Overloaded(f"state cannot be written: {error}", _RETRY_AFTER_S) from error

    def entries(self) -> Iterator[tuple[Entry, bool]]:
        """The journal in order, and whether each entry is newer than the checkpoint."""
        counted = self._meta("seq")
        for seq, packed in self._db.execute("SELECT seq, entry FROM journal ORDER BY seq"):
            yield self._codec.unpack(packed), seq > counted

    def close(self) -> None:
        """Close the file."""
        with self._lock, suppress(sqlite3.Error):
            self._db.close()

    def _open(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return self._opened()
        except OSError as error:
            raise ExporterError(f"state {self._path}: {error.strerror or error}") from error
        except sqlite3.OperationalError as error:
            raise ExporterError(f"state {self._path}: {error}") from error
        except (sqlite3.DatabaseError, _ForeignFileError) as error:
            self._move_aside(error)
            try:
                return self._opened()
            except sqlite3.Error as again:
                raise ExporterError(f"state {self._path}: {again}") from again

    def _opened(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, check_same_thread=False, timeout=5.0)
        try:
            is_new = not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if not is_new:
                _require_ours(db)
                self._require_whole(db)
            db.execute("PRAGMA locking_mode=EXCLUSIVE")
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            if is_new:
                db.executescript(_TABLES)
                db.execute(f"PRAGMA application_id={APPLICATION_ID}")
                db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            _migrate(db)
            # The exclusive lock is taken by the first write.
            with db:
                db.execute("INSERT OR IGNORE INTO meta VALUES ('checkpoint', 0), ('seq', 0)")
        except BaseException:
            db.close()
            raise
        return db

    def _require_whole(self, db: sqlite3.Connection) -> None:
        for seq, packed in db.execute("SELECT seq, entry FROM journal"):
            if not self._codec.is_whole(packed):
                raise _ForeignFileError(f"it is damaged: entry {seq} of the journal")

    def _move_aside(self, error: Exception) -> None:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        for suffix in _SUFFIXES:
            old = Path(f"{self._path}{suffix}")
            with suppress(FileNotFoundError):
                old.rename(f"{self._path}.unusable-{stamp}{suffix}")
        self.moved_aside += 1
        _logger.error(
            "state %s cannot be used (%s); moved aside, counters start from 0", self._path, error
        )

    def _prune(self, counted: int) -> None:
        """Drop what the pipeline would have forgotten."""
        with self._lock, self._db:
            total, oldest = 0, counted + 1
            rows = self._db.execute("SELECT seq, spans FROM journal ORDER BY seq DESC")
            for seq, spans in rows:
                total += spans
                if total > self._max_spans and seq <= counted:
                    break
                oldest = seq
            self._db.execute("DELETE FROM journal WHERE seq < ?", (oldest,))

    def _number(self, query: str) -> int:
        return int(self._db.execute(query).fetchone()[0] or 0)

    def _meta(self, name: str) -> int:
        return int(self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()[0])

    def _set(self, name: str, value: int) -> None:
        self._db.execute("UPDATE meta SET value = ? WHERE name = ?", (value, name))


class _ForeignFileError(Exception):
    """A SQLite file that is not ours, or of a version to come."""


def _require_ours(db: sqlite3.Connection) -> None:
    if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise _ForeignFileError("it belongs to another program")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise _ForeignFileError(f"it was written by a newer version (schema {version})")
    found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise _ForeignFileError(f"it is damaged: {found}")


def _migrate(db: sqlite3.Connection) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    while version < SCHEMA_VERSION:
        db.executescript(_MIGRATIONS[version])
        version += 1
        db.execute(f"PRAGMA user_version={version}")


def _batches(series: Iterable[SavedSeries]) -> Iterator[list[SavedSeries]]:
    batch: list[SavedSeries] = []
    for one in series:
        batch.append(one)
        if len(batch) == _ROWS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _labels(series: SavedSeries) -> str:
    return msgspec.json.encode(series.labels, order="sorted").decode()


def _pack(values: list[float]) -> bytes:
    return msgspec.msgpack.encode(values)


def _row(kept: Kept) -> tuple[str, int, float, int, bytes]:
    return kept.name, kept.part, kept.unix_s, kept.entries, kept.value
