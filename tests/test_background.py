"""Work in the background fails alone, is counted each time and logged now and then."""

from __future__ import annotations

import logging
from collections import Counter

import pytest

from llm_trace_exporter.engine.background import LOG_EVERY_S, Background
from llm_trace_exporter.errors import Overloaded


class Room:
    """Background work with a clock of its own."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.counted: Counter[str] = Counter()
        self.background = Background(
            lambda task, n: self.counted.update({task: n}), clock=lambda: self.now_s
        )


def breaks() -> None:
    raise ValueError("canary")


def waits() -> None:
    raise Overloaded("disk full", 5)


def test_each_failure_is_counted_and_few_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    room = Room()
    for _ in range(100):
        room.background.run("settle", breaks)
        room.background.run("expire", breaks)
        room.now_s += 0.5
    assert room.counted == {"settle": 100, "expire": 100}
    assert [record.getMessage() for record in caplog.records] == [
        "settle failed: ValueError",
        "expire failed: ValueError",
    ]
    assert all(record.exc_info for record in caplog.records)
    room.now_s = LOG_EVERY_S
    room.background.run("settle", breaks)
    last = caplog.records[-1].getMessage()
    assert last == "settle failed: ValueError (and 99 times since this was last logged)"


def test_a_full_disk_is_no_failure_and_does_not_flood_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    room = Room()
    for _ in range(10):
        room.background.run("checkpoint", waits)
    room.background.run("checkpoint", breaks)
    assert room.counted == {"checkpoint": 1}
    told = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert told == [
        (logging.WARNING, "checkpoint has to wait: disk full"),
        (logging.ERROR, "checkpoint failed: ValueError"),
    ]


def test_what_was_said_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    room = Room()
    room.background.failed("content", ValueError("canary"))
    room.background.failed("judge", "2 verdicts could not be kept: disk full", 2)
    assert "canary" not in caplog.text
    assert "2 verdicts could not be kept: disk full" in caplog.text
    assert room.counted == {"content": 1, "judge": 2}
