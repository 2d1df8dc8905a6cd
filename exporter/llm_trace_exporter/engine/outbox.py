"""Verdicts of judges within the exporter, on their way to be counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from ..errors import Overloaded
from ..model import Verdict

ATTEMPTS = 5
"""How often the same verdicts are handed in while they cannot be written."""


class Outbox:
    """Hands verdicts in, again where they cannot be written; safe to call from several threads."""

    def __init__(
        self,
        take: Callable[[Sequence[Verdict]], None],
        lost: Callable[[Sequence[Verdict], Overloaded], None],
    ) -> None:
        """Start open.

        Args:
            take: Counts verdicts, or raises Overloaded and counts none of them.
            lost: Told of those that it would not take in time, and why.
        """
        self._take = take
        self._lost = lost
        self._closing = threading.Event()

    def put(self, verdicts: Sequence[Verdict]) -> None:
        """Hand in; waits between attempts, so it is for threads that nobody waits for."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._take(verdicts)
            except Overloaded as error:
                is_last = attempt == ATTEMPTS or self._closing.wait(error.retry_after_s)
                if is_last:
                    self._lost(verdicts, error)
                    return
            else:
                return

    def close(self) -> None:
        """Wait no more: what cannot be taken at once from now on is lost."""
        self._closing.set()
