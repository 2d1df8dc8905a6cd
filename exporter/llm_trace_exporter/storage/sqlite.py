"""The SQLite file itself: opened, found whole or not; what can be saved of one that is not."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import ExporterError
from .rows import VERSION

Connect: TypeAlias = Callable[..., sqlite3.Connection]

APPLICATION_ID = 0x4C4C4D54
"""Marks the file as ours (`LLMT`)."""

SUFFIXES = ("", "-wal", "-shm")
"""Of the file and its companions."""

_TABLES = """
CREATE TABLE marks (place INTEGER PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE journal (seq INTEGER PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE series (
  family TEXT NOT NULL, labels TEXT NOT NULL, checkpoint INTEGER NOT NULL, value BLOB NOT NULL,
  PRIMARY KEY (family, labels, checkpoint)
) WITHOUT ROWID;
CREATE TABLE memory (
  name TEXT NOT NULL, checkpoint INTEGER NOT NULL, part INTEGER NOT NULL,
  entries INTEGER NOT NULL, value BLOB NOT NULL,
  PRIMARY KEY (name, checkpoint, part)
);
CREATE TABLE unusable (source TEXT NOT NULL, key TEXT NOT NULL, value BLOB);
"""
KEYS = {
    "marks": ("place",),
    "journal": ("seq",),
    "series": ("family", "labels", "checkpoint"),
    "memory": ("name", "checkpoint", "part"),
}
"""Table -> the columns that name a row."""

_COLUMNS = {
    "marks": "place, value",
    "journal": "seq, value",
    "series": "family, labels, checkpoint, value",
    "memory": "name, checkpoint, part, entries, value",
}
_MAX_WAL_BYTES = 16 << 20
_UNREACHABLE = frozenset(
    (
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    )
)
_TAKEN = frozenset((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED))


class Unreachable(ExporterError):
    """The disk does not let us: it may, later."""


class Damaged(ExporterError):
    """The file is not what this program wrote."""


def open_database(path: Path, connect: Connect, first: Mapping[int, bytes]) -> sqlite3.Connection:
    """The file, made if need be, and locked: no other process uses it from now on.

    Args:
        path: The file.
        connect: As `sqlite3.connect`.
        first: The marks of a new file.

    Raises:
        Unreachable: where the disk is full, read-only or failing.
        Damaged: where the file is.
        ExporterError: where another process has it, or a newer version wrote it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ExporterError(f"state {path}: {error.strerror}") from error
    except OSError as error:
        raise Unreachable(f"state {path}: {error.strerror or error}") from error
    try:
        return _opened(path, connect, first)
    except sqlite3.Error as error:
        raise reason_of(path, error) from error


def reason_of(path: Path, error: sqlite3.Error) -> ExporterError:
    """What SQLite's error means for us."""
    code = getattr(error, "sqlite_errorcode", None)
    kind = code & 0xFF if isinstance(code, int) else None
    if kind in _TAKEN:
        return ExporterError(f"state {path}: another process uses it ({error})")
    if kind in _UNREACHABLE or (kind is None and isinstance(error, sqlite3.OperationalError)):
        return Unreachable(f"state {path}: {error}")
    return Damaged(f"state {path}: {error}")


def _opened(path: Path, connect: Connect, first: Mapping[int, bytes]) -> sqlite3.Connection:
    db = connect(path, check_same_thread=False, timeout=5.0)
    try:
        # A flipped byte in a text must be found by its row's checksum, not end the reading.
        db.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        is_new = not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if is_new:
            db.execute("PRAGMA auto_vacuum=INCREMENTAL")
        else:
            _require_ours(db, path)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute(f"PRAGMA journal_size_limit={_MAX_WAL_BYTES}")
        if is_new:
            db.executescript(
                f"BEGIN IMMEDIATE; PRAGMA application_id={APPLICATION_ID};"
                f"PRAGMA user_version={VERSION}; {_TABLES}"
            )
            db.executemany("INSERT INTO marks VALUES (?, ?)", first.items())
            db.commit()
        # Takes the lock without a write, which a full disk would not let us do.
        db.execute("BEGIN IMMEDIATE")
        db.rollback()
    except BaseException:
        db.close()
        raise
    return db


def _require_ours(db: sqlite3.Connection, path: Path) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    is_marked = db.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
    if not is_marked and not _tables(db) & KEYS.keys():
        raise Damaged(f"state {path}: it belongs to another program")
    found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise Damaged(f"state {path}: {found}")
    if version > VERSION and _newest_row(db) != VERSION:
        raise ExporterError(
            f"state {path}: written by a newer version (schema {version}; this one reads "
            f"{VERSION}); start that version, or move the file away to begin from 0"
        )
    if version != VERSION or not is_marked:
        raise Damaged(f"state {path}: schema {version}, not {VERSION}")


def _newest_row(db: sqlite3.Connection) -> int:
    """Version of the row that is written last; 0 where there is none."""
    with suppress(sqlite3.Error):
        found = db.execute("SELECT value FROM marks ORDER BY place LIMIT 1").fetchone()
        if found is not None and isinstance(found[0], bytes) and found[0]:
            return found[0][0]
    return 0


def move(path: Path, target: Path) -> None:
    """Rename the file and its companions.

    Raises: Unreachable where that is not possible.
    """
    for companion in SUFFIXES:
        try:
            Path(f"{path}{companion}").rename(f"{target}{companion}")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise Unreachable(f"state {path}: {error.strerror or error}") from error


def remove(path: Path) -> None:
    """Delete the file and its companions, as far as they are there."""
    for companion in SUFFIXES:
        with suppress(OSError):
            Path(f"{path}{companion}").unlink()


def save_rows(damaged: Path, db: sqlite3.Connection) -> int:
    """Copy what can be read of a damaged file into a new one; how many rows that were.

    Whether a row is what was written is found out by its seal, by whoever loads it.

    Raises: sqlite3.Error where the new file cannot be written.
    """
    try:
        old = sqlite3.connect(damaged)
    except sqlite3.Error:
        return 0
    old.text_factory = db.text_factory
    try:
        if not _tables(old) & KEYS.keys():
            return 0
        with db:
            db.execute("DELETE FROM marks")
        return sum(_copy(table, old, db) for table in KEYS)
    finally:
        old.close()


def _tables(db: sqlite3.Connection) -> set[str]:
    try:
        found = db.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()
    except sqlite3.Error:
        return set()
    return {name for (name,) in found}


def _copy(table: str, old: sqlite3.Connection, db: sqlite3.Connection) -> int:
    """From both ends: a damaged page ends a walk over the rows."""
    before = db.total_changes
    for direction in ("ASC", "DESC"):
        with db:
            for row in _readable(table, direction, old):
                places = ", ".join("?" * len(row))
                # Texts that are none, and values of a type that the column does not take.
                with suppress(sqlite3.IntegrityError, sqlite3.InterfaceError, UnicodeError):
                    db.execute(f"INSERT OR IGNORE INTO {table} VALUES ({places})", row)  # noqa: S608
    return db.total_changes - before


def _readable(table: str, direction: str, old: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    order = ", ".join(f"{column} {direction}" for column in KEYS[table])
    with suppress(sqlite3.Error):
        yield from old.execute(f"SELECT {_COLUMNS[table]} FROM {table} ORDER BY {order}")  # noqa: S608
