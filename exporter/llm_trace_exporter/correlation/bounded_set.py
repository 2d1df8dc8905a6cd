"""A bounded memory."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedMap(Generic[K, V]):
    """A bounded mapping; the oldest keys are forgotten first."""

    def __init__(self, limit: int, *, tracks: bool = False) -> None:
        """Remember nothing yet.

        Args:
            limit: How many keys are remembered.
            tracks: Whether to note what is added, for `take_fresh`.
        """
        self._values: OrderedDict[K, V] = OrderedDict()
        self._fresh: deque[K] | None = deque(maxlen=limit) if tracks else None
        self._limit = limit
        self.evicted = 0
        """Forgotten for want of room."""

    @property
    def limit(self) -> int:
        """How many keys are remembered."""
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        """Remember so many from the next addition on."""
        self._limit = limit
        if self._fresh is not None:
            self._fresh = deque(self._fresh, maxlen=limit)

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._values)

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def get(self, key: K) -> V | None:
        """What was remembered with a key; None where there is none."""
        return self._values.get(key)

    def add(self, key: K, value: V) -> bool:
        """Remember; whether the key is new."""
        values = self._values
        is_new = key not in values
        values[key] = value
        if self._fresh is not None:
            self._fresh.append(key)
        if is_new:
            while len(values) > self._limit:
                values.popitem(last=False)
                self.evicted += 1
        return is_new

    def restore(self, closest_pairs: Iterable[tuple[K, V]]) -> None:
        """Remember what an earlier process did, in its order."""
        values = self._values
        values.update(closest_pairs)
        while len(values) > self._limit:
            values.popitem(last=False)

    def take_fresh(self, *, every: bool = False) -> list[tuple[K, V]]:
        """What was added since the last time and is still remembered; or all there is."""
        fresh = self._fresh or ()
        values = self._values
        found = list(values.items()) if every else [(k, values[k]) for k in fresh if k in values]
        if self._fresh is not None:
            self._fresh.clear()
        return found

    def items(self) -> Iterable[tuple[K, V]]:
        """All that is remembered, the oldest first."""
        return self._values.items()
