"""How many files the process may have open, and how the listeners share them.

A connection is an open file. Without a reserve, connections on one port would keep the process
from accepting on another one, from opening its state file and from asking a judge.
"""

from __future__ import annotations

import resource
from collections.abc import Mapping

RESERVE = 256
"""Files besides the connections of the listeners."""


def raise_limit() -> None:
    """Take all that the system grants: the usual limit is there for programs older than poll."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def limit() -> int:
    """How many files the process may have open."""
    granted, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return granted


def shares(wanted: Mapping[str, int], files: int) -> dict[str, int]:
    """How many connections each listener may have.

    Args:
        wanted: As configured.
        files: How many the process may have open.

    Returns:
        What is wanted, or the same share of it for all where there are not files enough.
    """
    room = max(files - RESERVE, files // 2)
    total = sum(wanted.values())
    if files < 0 or total <= room:  # negative: there is no limit
        return dict(wanted)
    return {name: max(1, number * room // total) for name, number in wanted.items()}
