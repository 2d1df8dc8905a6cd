"""Signals that come before the process listens, or once more while it ends."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.process import ANYWHERE, DEADLINE_S, Exporter, wait_for

ENDS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def starting(folder: Path, *arguments: str) -> Iterator[Exporter]:
    """A process that has begun to load its modules."""
    exporter = Exporter(folder, [*ANYWHERE, *arguments], is_cold=True)
    try:
        wait_for(lambda: blocks(exporter, signal.SIGHUP), "signals wait")
        assert not exporter.log
        yield exporter
    finally:
        if exporter.process.poll() is None:
            exporter.process.kill()
            exporter.process.wait(DEADLINE_S)


def blocks(exporter: Exporter, number: signal.Signals) -> bool:
    status = Path(f"/proc/{exporter.process.pid}/status").read_text()
    (blocked,) = (line for line in status.splitlines() if line.startswith("SigBlk:"))
    return bool(int(blocked.split()[1], 16) >> (number - 1) & 1)


def test_a_reload_during_the_start_comes_after_it(tmp_path: Path) -> None:
    with starting(tmp_path) as exporter:
        exporter.signal(signal.SIGHUP)
        exporter.wait_until_listening(3)
        wait_for(lambda: "configuration reloaded" in exporter.log, "the reload")
        assert exporter.get("/-/ready").status_code == 200
        exporter.signal(signal.SIGTERM)
        assert exporter.ended() == 0


@pytest.mark.parametrize("number", ENDS)
def test_an_end_during_the_start_is_an_orderly_one(tmp_path: Path, number: signal.Signals) -> None:
    with starting(tmp_path, f"--config.file={tmp_path / 'config.yml'}") as exporter:
        (tmp_path / "config.yml").write_text(f"state: {{path: {tmp_path / 'state.db'}}}\n")
        exporter.signal(number)
        assert exporter.ended() == 0
        assert "Traceback" not in exporter.log


def test_whoever_asks_twice_gets_an_orderly_end_too(tmp_path: Path) -> None:
    with starting(tmp_path) as exporter:
        exporter.wait_until_listening(3)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            exporter.signal(number)
        assert exporter.ended() == 0
        assert "Traceback" not in exporter.log
