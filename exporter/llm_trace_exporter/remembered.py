"""What is worked out once and kept: bounded, and never cleared as a whole."""

from __future__ import annotations

from typing import TypeVar

_K = TypeVar("_K")
_V = TypeVar("_V")


class Remembered(dict[_K, _V]):
    """A dictionary that forgets the oldest quarter of what it holds when it is full.

    Oldest first, many at a time: cheaper on the hot path than keeping the order of use, and a
    flood of new keys costs those that are not in it little. Reads and `keep` from several threads
    are safe.
    """

    __slots__ = ("limit",)

    def __init__(self, limit: int) -> None:
        """Start empty.

        Args:
            limit: How many keys are held, at least 4.
        """
        super().__init__()
        self.limit = limit

    def keep(self, key: _K, value: _V) -> None:
        """Hold a value."""
        if len(self) >= self.limit:
            for old in list(self)[: self.limit // 4]:
                self.pop(old, None)
        self[key] = value
