"""At the pace of the clock: what is due is sent, then one waits for what comes next."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from .traffic import Sent, Traffic

_PAUSE_S = 0.2


class Takes(Protocol):
    """Whoever sends."""

    def send(self, sent: Sent) -> None:
        """Send it, now or soon."""
        ...


def run_live(
    traffic: Traffic,
    sender: Takes,
    end_s: float,
    *,
    now: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Send until a moment, Unix seconds; how many spans and log records that were."""
    records = 0
    while True:
        due_s = min(now(), end_s)
        for sent in traffic.until(due_s):
            sender.send(sent)
            records += len(sent.spans) + len(sent.logs)
        if due_s >= end_s:
            return records
        sleep(_PAUSE_S)
