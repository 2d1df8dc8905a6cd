"""Every write of the state file fails once, in turn: nothing is lost, doubled, or goes on failing.

In full by `make test-long`; here every tenth.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
import yaml

from llm_trace_exporter.config.load import parse_config
from llm_trace_exporter.config.settings import Settings
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.errors import Overloaded
from tests.faulty import Disk, failure, faulty_disk
from tests.ledger import Ledger, Scrapes
from tests.telling import CONFIG, Door, Reporter, page

ERRORS = (
    failure("database or disk is full", sqlite3.SQLITE_FULL),
    failure("disk I/O error", sqlite3.SQLITE_IOERR),
    failure("attempt to write a readonly database", sqlite3.SQLITE_READONLY),
)
TIMES = (1, 6)
"""A write that fails alone, and a disk that is full for a while."""
STEPS = 14
PATIENCE = 40
"""Seconds after which a disk that works again must have been noticed."""
BUDGET = {"budgets": [{"name": "all", "limit_usd": 5, "period": "quarterly"}]}


class Clock:
    """Both clocks of an engine."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def engine(self, settings: Settings) -> Engine:
        return Engine(
            settings,
            clock=lambda: self.now_s,
            wall_clock_ns=lambda: int((1_790_000_000 + self.now_s) * 1e9),
        )


def settings(path: Path) -> Settings:
    """Short lives for all that the file holds, so that everything in it is dropped as well."""
    config = {
        **CONFIG,
        **BUDGET,
        "decision_wait": "2s",
        "state": {"path": str(path)},
        "limits": {
            "max_spans": 100,
            "max_subjects": 100,
            "evaluation_target_age": "60s",
            "evaluation_wait": "1s",
        },
        "traces": {"idle_timeout": "5s", "rootless_idle_timeout": "5s"},
    }
    return parse_config(yaml.safe_dump(config), "config")


def tick(engine: Engine) -> None:
    """Do what the clockwork does; what fails is tried again the next time."""
    assert engine.checkpointer is not None
    for work in (engine.ingester.settle, engine.checkpointer.tick):
        with suppress(Overloaded):
            work()


def live(path: Path, disk: Disk) -> Ledger:
    """Everything that is written, in one life and the start of another; each ends with a check."""
    clock, reporter, ledger, scrapes = Clock(), Reporter(9), Ledger(), Scrapes()
    engine = clock.engine(settings(path))
    door = Door(engine)
    refused = 0
    for step in range(STEPS):
        told = reporter.next()
        if door.send(told):
            ledger.acknowledged(told)
            if step % 5 == 0 and door.send(told):
                ledger.acknowledged(told)
        elif refused % 2:
            # Every other one is never sent again: it must not be counted either.
            for _ in range(PATIENCE):
                clock.now_s += 1
                tick(engine)
                if door.send(told):
                    break
            else:
                raise AssertionError("it does not recover")
            ledger.acknowledged(told)
            refused += 1
        else:
            refused += 1
        clock.now_s += 1.5
        tick(engine)
        if step % 4 == 3:
            assert engine.checkpointer is not None
            with suppress(Overloaded):
                engine.checkpointer.checkpoint()
        if step == STEPS // 2:
            assert scrapes.look(page(engine)) == []
    disk.fail_until = 0
    settle(engine, clock)
    assert ledger.differences(page(engine)) == []
    assert scrapes.look(page(engine)) == []
    door.close()
    assert engine.state is not None
    engine.state.close()
    for ends_in_order in (True, False):
        engine = clock.engine(settings(path))
        settle(engine, clock)
        assert ledger.differences(page(engine)) == []
        assert scrapes.look(page(engine)) == []
        if ends_in_order:
            engine.close()
    assert engine.state is not None
    engine.state.close()
    return ledger


def settle(engine: Engine, clock: Clock) -> None:
    """Let everything settle and be complete."""
    for _ in range(3):
        clock.now_s += 20
        tick(engine)


@cache
def writes(folder: Path) -> int:
    """How many writes there are when none fails."""
    with faulty_disk() as disk:
        assert len(live(folder / "undisturbed.db", disk)) > STEPS
        return disk.writes


def failing(folder: Path, every: int, first: int) -> None:
    """A life for every write that may fail, each failing there."""
    total = writes(folder)
    assert total > 60
    for number, at in enumerate(range(first, total + 1, every)):
        error, times = ERRORS[number % len(ERRORS)], TIMES[number // len(ERRORS) % len(TIMES)]
        with faulty_disk() as disk:
            disk.fail(at, times, error)
            try:
                live(folder / f"at-{at}.db", disk)
            except BaseException as failure:
                failure.add_note(f"write {at} of {total} failed {times} times: {error}")
                raise


def test_some_write_fails(tmp_path: Path) -> None:
    failing(tmp_path, every=40, first=3)


@pytest.mark.long
@pytest.mark.parametrize("first", range(1, 7))
def test_every_write_fails(tmp_path: Path, first: int) -> None:
    # Six is as many as there are kinds of failures: each write meets another one in turn.
    failing(tmp_path, every=6, first=first)
