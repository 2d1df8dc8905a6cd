"""A disk that is full, read-only or slow, and a file that goes: the exporter serves on."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.errors import ExporterError, Overloaded
from llm_trace_exporter.storage import State
from tests.spans import chat, raw_span
from tests.storage.machine import Machine


@dataclass
class Disk:
    """Opens connections whose writes do what it says."""

    error: tuple[str, int] | None = None
    is_slow: threading.Event | None = None
    is_reached: threading.Event = field(default_factory=threading.Event)

    def connect(self, *given: Any, **options: Any) -> sqlite3.Connection:
        disk = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, /, *values: Any) -> sqlite3.Cursor:
                disk.touched(sql)
                return super().execute(sql, *values)

            def executemany(self, sql: str, /, *values: Any) -> sqlite3.Cursor:
                disk.touched(sql)
                return super().executemany(sql, *values)

        return sqlite3.connect(*given, factory=Connection, **options)

    def touched(self, sql: str) -> None:
        """A statement comes to the disk."""
        if not sql.startswith(("INSERT", "DELETE")):
            return
        if self.error is not None:
            text, code = self.error
            error = sqlite3.OperationalError(text)
            error.sqlite_errorcode = code
            raise error
        if self.is_slow is not None:
            self.is_reached.set()
            assert self.is_slow.wait(30)


FULL = ("database or disk is full", sqlite3.SQLITE_FULL)
FAILING = ("disk I/O error", sqlite3.SQLITE_IOERR | 10 << 8)
READ_ONLY = ("attempt to write a readonly database", sqlite3.SQLITE_READONLY)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Every state file of a test is on it."""
    disk = Disk()
    whole = State.__init__

    def on_disk(self: State, path: Path) -> None:
        whole(self, path, connect=disk.connect)

    monkeypatch.setattr(State, "__init__", on_disk)
    return disk


def is_refused(machine: Machine) -> bool:
    try:
        machine.send(raw_span(chat()))
    except Overloaded as error:
        return error.retry_after_s >= 1
    return False


def is_writable(machine: Machine) -> bool:
    return machine.total("llm_exporter_state_writable") == 1


@pytest.mark.parametrize("error", [FULL, FAILING, READ_ONLY])
def test_a_disk_that_fails_pushes_back_until_it_works(
    disk: Disk, tmp_path: Path, error: tuple[str, int]
) -> None:
    machine = Machine(tmp_path / "state.db")
    machine.send(raw_span(chat()))
    machine.settle()
    disk.error = error
    assert all(is_refused(machine) for _ in range(3))
    assert not is_writable(machine)
    assert machine.engine.state is not None
    assert error[0] in machine.engine.state.failure
    assert machine.calls() == (1, 15)
    disk.error = None
    machine.tick(10)
    assert is_writable(machine)
    assert not is_refused(machine)
    machine.settle()
    machine.crash()
    assert machine.calls() == (2, 30)
    assert machine.engine.state.failure == ""


@pytest.mark.parametrize("error", [FULL, FAILING, READ_ONLY])
def test_a_start_on_a_disk_that_fails_shows_what_is_in_the_file(
    disk: Disk, tmp_path: Path, error: tuple[str, int]
) -> None:
    machine = Machine(tmp_path / "state.db")
    machine.send(raw_span(chat()))
    machine.settle()
    machine.send(raw_span(chat()))
    machine.kill()
    disk.error = error
    machine.start()
    assert machine.calls() == (1, 15)
    assert is_refused(machine)
    machine.tick(10)
    assert not is_writable(machine)
    disk.error = None
    machine.tick(10)
    assert is_writable(machine)
    machine.settle()
    assert not is_refused(machine)
    machine.settle()
    machine.crash()
    assert machine.calls() == (3, 45)


def test_a_new_file_is_begun_when_the_disk_works_again(disk: Disk, tmp_path: Path) -> None:
    """There was none at the start, and there could be none."""
    disk.error = FULL
    machine = Machine(tmp_path / "state.db")
    assert is_refused(machine)
    assert not is_writable(machine)
    disk.error = None
    machine.tick(10)
    assert not is_refused(machine)
    machine.settle()
    machine.crash()
    assert machine.calls() == (1, 15)


def test_an_earlier_file_is_taken_up_when_it_can_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder was not there to be entered: a volume that is mounted late."""
    machine = Machine(tmp_path / "state.db")
    machine.send(raw_span(chat()))
    machine.settle()
    machine.kill()
    made = Path.mkdir
    forbidden = Mock(side_effect=PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    monkeypatch.setattr(Path, "mkdir", forbidden)
    machine.start()
    assert machine.calls() == (0, 0)
    assert is_refused(machine)
    machine.tick(10)
    monkeypatch.setattr(Path, "mkdir", made)
    machine.tick(10)
    assert machine.calls() == (1, 15)
    assert not is_refused(machine)
    machine.settle()
    machine.crash()
    assert machine.calls() == (2, 30)


def deleted(path: Path) -> None:
    for companion in path.parent.glob(f"{path.name}*"):
        companion.unlink()


def replaced(path: Path) -> None:
    deleted(path)
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE other (x)")
    db.close()


def moved(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


@pytest.mark.parametrize("happens", [deleted, replaced, moved])
def test_a_file_that_goes_is_noticed_before_anything_is_acknowledged(
    tmp_path: Path, happens: Callable[[Path], None]
) -> None:
    machine = Machine(tmp_path / "state.db")
    calls = [raw_span(chat()) for _ in range(5)]
    machine.send(*calls)
    machine.settle()
    happens(machine.path)
    assert is_refused(machine)
    assert not is_writable(machine)
    machine.tick(10)
    assert is_writable(machine)
    machine.send(*calls)
    machine.settle()
    assert machine.calls() == (5, 75)
    machine.crash()
    machine.send(*calls)
    machine.settle()
    assert machine.calls() == (5, 75)


def test_a_file_that_breaks_while_it_is_used_is_begun_anew(disk: Disk, tmp_path: Path) -> None:
    machine = Machine(tmp_path / "state.db")
    machine.send(raw_span(chat()))
    machine.settle()
    disk.error = ("database disk image is malformed", sqlite3.SQLITE_CORRUPT)
    assert is_refused(machine)
    disk.error = None
    machine.tick(10)
    assert not is_refused(machine)
    machine.settle()
    machine.crash()
    assert machine.calls() == (2, 30)


@contextmanager
def waiting(disk: Disk, machine: Machine) -> Iterator[threading.Thread]:
    """A request that waits for the disk."""
    disk.is_slow = threading.Event()
    thread = threading.Thread(target=machine.send, args=(raw_span(chat()),))
    thread.start()
    assert disk.is_reached.wait(10)
    yield thread
    disk.is_slow.set()
    thread.join(10)


def test_a_scrape_does_not_wait_for_a_slow_disk(disk: Disk, tmp_path: Path) -> None:
    machine = Machine(tmp_path / "state.db")
    machine.send(raw_span(chat()))
    machine.settle()
    with waiting(disk, machine) as thread:
        started_s = time.monotonic()
        assert machine.calls() == (1, 15)
        assert time.monotonic() - started_s < 5
        assert thread.is_alive()
    machine.settle()
    assert machine.calls() == (2, 30)


def test_an_empty_request_leaves_nothing_in_the_file(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "state.db")
    assert machine.engine.state is not None
    before = machine.engine.state.seq
    for encoding, body in (("protobuf", b""), ("json", b"{}")) * 50:
        machine.engine.ingester.ingest_request("traces", encoding, body, "otlp_http")  # type: ignore[arg-type]
    assert machine.engine.state.seq == before


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "state.db")
    with pytest.raises(ExporterError, match="another process uses it"):
        Engine(machine.settings)
    machine.send(raw_span(chat()))
    machine.settle()
    assert machine.calls() == (1, 15)


def test_a_damaged_file_that_cannot_be_moved_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is read-only now: nothing is overwritten, and it is moved aside later."""
    path = tmp_path / "state.db"
    path.write_bytes(b"not a database at all" * 100)
    renamed = Path.rename
    forbidden = Mock(side_effect=OSError(errno.EROFS, os.strerror(errno.EROFS)))
    monkeypatch.setattr(Path, "rename", forbidden)
    machine = Machine(path)
    assert is_refused(machine)
    assert not is_writable(machine)
    assert path.read_bytes().startswith(b"not a database")
    monkeypatch.setattr(Path, "rename", renamed)
    machine.tick(10)
    assert is_writable(machine)
    assert len(list(tmp_path.glob("*.unusable-*"))) == 1
    assert not is_refused(machine)
    machine.settle()
    machine.crash()
    assert machine.calls() == (1, 15)


def test_a_copy_that_cannot_be_finished_leaves_the_damaged_file(disk: Disk, tmp_path: Path) -> None:
    """Half a copy would be taken for all of it the next time."""
    machine = Machine(tmp_path / "state.db")
    for _ in range(5):
        machine.send(raw_span(chat()))
    machine.settle()
    machine.checkpoint()
    machine.kill()
    machine.write(lambda db: db.execute("PRAGMA application_id = 7"))
    disk.error = FULL
    machine.start()
    assert is_refused(machine)
    assert not list(tmp_path.glob("*.unusable-*"))
    disk.error = None
    machine.tick(10)
    assert machine.calls() == (5, 75)
    assert is_writable(machine)
