"""Verdicts that cannot be written are kept for a while, then counted as lost."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from llm_trace_exporter.engine.outbox import ATTEMPTS, Outbox
from llm_trace_exporter.errors import Overloaded
from llm_trace_exporter.model import Origin, Verdict

VERDICT = Verdict(Origin(b"", b"", b"", "log", "", "", "", "", ()), 1, "tone", "code", "pass")


class Disk:
    """Takes verdicts after so many refusals."""

    def __init__(self, refusals: int, retry_after_s: int = 0) -> None:
        self.refusals = refusals
        self.taken: list[Verdict] = []
        self.lost: list[Verdict] = []
        self.asked = threading.Event()
        self.retry_after_s = retry_after_s
        self.outbox = Outbox(self._take, lambda verdicts, _: self.lost.extend(verdicts))

    def _take(self, verdicts: Sequence[Verdict]) -> None:
        self.asked.set()
        if self.refusals:
            self.refusals -= 1
            raise Overloaded("disk full", self.retry_after_s)
        self.taken.extend(verdicts)


@pytest.mark.parametrize("refusals", range(ATTEMPTS + 2))
def test_they_are_taken_once_or_lost(refusals: int) -> None:
    disk = Disk(refusals)
    disk.outbox.put([VERDICT, VERDICT])
    is_taken = refusals < ATTEMPTS
    assert (len(disk.taken), len(disk.lost)) == ((2, 0) if is_taken else (0, 2))


def test_closing_ends_the_waiting() -> None:
    disk = Disk(1, retry_after_s=3600)
    thread = threading.Thread(target=disk.outbox.put, args=([VERDICT],))
    thread.start()
    assert disk.asked.wait(5)
    disk.outbox.close()
    thread.join(5)
    assert not thread.is_alive()
    assert (disk.taken, disk.lost) == ([], [VERDICT])
    disk.outbox.put([VERDICT])
    assert disk.taken == [VERDICT]


def test_what_is_no_full_disk_is_not_tried_again() -> None:
    def take(_: Sequence[Verdict]) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Outbox(take, lambda *_: None).put([VERDICT])
