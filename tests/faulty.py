"""A database that fails at the k-th write, once or from then on, as full and broken disks do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from llm_trace_exporter.storage import State

_READS = ("SELECT", "PRAGMA QUICK_CHECK", "PRAGMA INTEGRITY_CHECK", "EXPLAIN")


def failure(text: str, code: int) -> sqlite3.Error:
    """An error as SQLite raises it."""
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


class Disk:
    """What the connections of a test share: when to fail, and how often it was written."""

    def __init__(self) -> None:
        self.writes = 0
        """Statements that write, and commits, so far."""
        self.fail_from = self.fail_until = 0
        """Writes that fail: from one number on, up to another, which succeeds."""
        self.error: sqlite3.Error = failure("database or disk is full", sqlite3.SQLITE_FULL)

    def fail(self, at: int, times: int, error: sqlite3.Error) -> None:
        """Have the write of that number fail, and those after it, `times` in all."""
        self.fail_from, self.fail_until = at, at + times
        self.error = error

    def write(self) -> None:
        """Note one write.

        Raises: the error, when it is time.
        """
        self.writes += 1
        if self.fail_from <= self.writes < self.fail_until:
            raise self.error


class _Connection(sqlite3.Connection):
    disk: Disk

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        self._note(sql)
        return super().execute(sql, *args)

    def executemany(self, sql: str, *args: Any) -> sqlite3.Cursor:
        self._note(sql)
        return super().executemany(sql, *args)

    def executescript(self, sql: str) -> sqlite3.Cursor:
        self._note(sql)
        return super().executescript(sql)

    def commit(self) -> None:
        if self.in_transaction:
            self.disk.write()
        super().commit()

    def __exit__(self, kind: Any, *more: Any) -> Any:
        if kind is None and self.in_transaction:
            try:
                self.disk.write()
            except sqlite3.Error:
                # As SQLite does where a commit fails for want of room.
                self.rollback()
                raise
        return super().__exit__(kind, *more)

    def _note(self, sql: str) -> None:
        if not sql.lstrip().upper().startswith(_READS):
            self.disk.write()


@contextmanager
def faulty_disk() -> Iterator[Disk]:
    """Every database that is opened meanwhile fails when its disk is told to."""
    disk = Disk()

    class Connection(_Connection):
        pass

    Connection.disk = disk
    with pytest.MonkeyPatch.context() as patched:
        # An engine makes its state itself.
        patched.setitem(
            State.__init__.__kwdefaults__,  # type: ignore[arg-type]
            "connect",
            lambda *a, **k: sqlite3.connect(*a, factory=Connection, **k),
        )
        yield disk
