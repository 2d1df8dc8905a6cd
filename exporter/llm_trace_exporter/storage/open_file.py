"""The open file: a disk that fails, a file that goes or is replaced, and how it comes back.

What was acknowledged is in memory as long as the process lives, so another file is no loss.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import ExporterError, Overloaded
from .sqlite import (
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

_logger = logging.getLogger(__name__)

_RETRY_AFTER_S = 5
_Identity = tuple[int, int]


class Holder:
    """One file, as long as there is one; safe to call from several threads."""

    def __init__(self, path: Path, connect: Connect, first: Mapping[int, bytes]) -> None:
        """Nothing is opened yet.

        Args:
            path: The file.
            connect: Opens a connection, as `sqlite3.connect` does.
            first: The marks of a new file.
        """
        self.path = path
        self.lock = threading.RLock()
        self.failure = ""
        """Why nothing can be kept; empty when all is well."""
        self.moved_aside = 0
        """Files that could not be used as they were."""
        self._connect = connect
        self._first = first
        self._db: sqlite3.Connection | None = None
        self._identity: _Identity | None = None

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
                total += Path(f"{self.path}{suffix}").stat().st_size
        return total

    def open(self) -> None:
        """Open or create the file; from one that is damaged, what can be read is taken over.

        Raises: ExporterError; Unreachable where it may be possible later.
        """
        try:
            try:
                self._db = open_database(self.path, self._connect, self._first)
            except Damaged as error:
                self._db = self._renewed(error)
        except Unreachable as error:
            self._fail(error)
            raise
        self._identity = self._look()
        self.failure = ""

    def reopen(self) -> bool:
        """Have a file again where there is none; whether it is another one than before.

        Raises: ExporterError when it is still not possible.
        """
        with self.lock:
            if self._db is not None and self._is_there():
                return False
            self.close()
            if self._identity is not None and self.path.exists():
                self._leave()
            try:
                self.open()
            except ExporterError as error:
                self._fail(error)
                raise
            _logger.warning("state %s: there is a file again", self.path)
            return True

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is written in it, or nothing.

        Raises: Overloaded where it cannot be had.
        """
        with self.lock:
            if self._db is None or not self._is_there():
                raise Overloaded(self.failure, _RETRY_AFTER_S)
            try:
                with self._db as db:
                    yield db
            except sqlite3.Error as error:
                reason = reason_of(self.path, error)
                if isinstance(reason, Damaged):
                    # A new file, with all that is in memory, is better than this one.
                    self.close()
                self._fail(reason)
                raise Overloaded(f"state cannot be written: {error}", _RETRY_AFTER_S) from error
            if self.failure:
                _logger.warning("state %s can be written again", self.path)
                self.failure = ""

    def rows(self, query: str, values: tuple[object, ...] = ()) -> Iterator[tuple[Any, ...]]:
        """What a query finds; nothing where there is no file.

        Raises: Unreachable where the disk does not give it: the file was found whole.
        """
        if self._db is None:
            return
        try:
            yield from self._db.execute(query, values)
        except sqlite3.Error as error:
            reason = reason_of(self.path, error)
            self._fail(reason)
            raise Unreachable(str(reason)) from error

    def number(self, query: str) -> int:
        """A number that a query finds; 0 where there is none."""
        (found,) = next(self.rows(query), (0,))
        return found if isinstance(found, int) else 0

    def close(self) -> None:
        """Close the file."""
        with self.lock:
            if self._db is not None:
                with suppress(sqlite3.Error):
                    self._db.close()
            self._db = None

    def _leave(self) -> None:
        """Move what lies at the path out of the way: another file, or ours that broke."""
        if self._look() == self._identity:
            self._move_aside("unusable", f"state {self.path}: it is damaged")
            self.moved_aside += 1
        else:
            self._move_aside("replaced", f"state {self.path}: not the file that was written")

    def _renewed(self, error: Damaged) -> sqlite3.Connection:
        """A new file with what can be read of the damaged one, which is moved aside."""
        aside = self._move_aside("unusable", str(error))
        db = None
        try:
            db = open_database(self.path, self._connect, self._first)
            saved = save_rows(aside, db)
        except (sqlite3.Error, ExporterError) as failure:
            # Half a copy would be taken for all of it the next time.
            if db is not None:
                db.close()
            remove(self.path)
            move(aside, self.path)
            if isinstance(failure, sqlite3.Error):
                raise Unreachable(f"state {self.path}: {failure}") from failure
            raise
        self.moved_aside += 1
        _logger.error("state %s: %d rows of the old file could be read", self.path, saved)
        return db

    def _move_aside(self, why: str, error: str) -> Path:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        target = self.path.with_name(f"{self.path.name}.{why}-{stamp}")
        move(self.path, target)
        _logger.error("%s; moved aside to %s", error, target)
        return target

    def _is_there(self) -> bool:
        """Whether the path still leads to the open file."""
        if self._look() == self._identity:
            return True
        self._fail(Unreachable(f"state {self.path}: the file was deleted or replaced"))
        return False

    def _look(self) -> _Identity | None:
        try:
            status = os.stat(self.path)  # noqa: PTH116  # a third of the time
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _fail(self, error: Exception) -> None:
        if str(error) != self.failure:
            self.failure = str(error)
            _logger.error("%s: nothing can be kept", error)
