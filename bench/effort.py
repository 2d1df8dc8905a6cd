"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """Sizes of a run."""

    content_bytes: tuple[int, ...]
    """Message text of each span."""
    rounds: int
    """Rounds of which the best is shown: what else runs on a machine only ever adds to it."""
    requests: int
    """Requests of a round in process."""
    backlog: int
    """Requests whose calls wait to settle at the same time."""
    sent: int
    """Requests of a round over the network."""
    samples: tuple[int, ...]
    """Sizes of the exposition, ascending."""
    scrapes: int
    """Scrapes of each size."""
    starts: int
    """Processes started."""


BUDGET_BYTES = 1_500
"""The content size that the budgets are for."""
BUDGET_SAMPLES = 100_000
"""The size of the exposition that the budget of a scrape is for."""

QUICK = Effort((0, 1_500, 6_000), 9, 4, 40, 30, (1_000, 10_000, 100_000), 3, 1)
FULL = Effort((0, 1_500, 6_000), 9, 8, 200, 120, (1_000, 10_000, 100_000, 1_000_000), 5, 5)
