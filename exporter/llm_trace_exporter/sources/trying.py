"""One small read of a store, for who sets a source up: does it let us in, and what is in it?"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from .errors import SourceError
from .system import Ask, System, Walk

_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """What one project answered."""

    project: str
    rows: int = 0
    has_more: bool = False
    newest_ns: int = 0
    """When its newest row of this read began, Unix nanoseconds; 0: there is none."""
    trouble: str = ""
    """Why it cannot be read; empty: it can."""


def try_project(
    system: System,
    project: str,
    fetch: Callable[[Ask], bytes],
    lookback_s: float,
    *,
    now_ns: Callable[[], int] = time.time_ns,
    rows: int = 10,
) -> Found:
    """Ask for the first rows of the look-back, and for nothing that follows from them."""
    until_ns = now_ns()
    walk = Walk(project, until_ns, until_ns - int(lookback_s * _SECOND), until_ns)
    try:
        (ask, *_) = system.first(walk)
        small = replace(ask, limit=min(ask.limit, rows))
        page = system.read(walk, small, fetch(small))
    except SourceError as error:
        return Found(project, trouble=str(error))
    has_more = any(following.step == ask.step for following in page.asks)
    return Found(project, page.rows, has_more, page.newest_ns)
