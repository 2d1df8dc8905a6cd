"""A bounded memory."""

from __future__ import annotations

from collections import OrderedDict


class Remembered:
    """A bounded set; the oldest members are forgotten first."""

    def __init__(self, limit: int) -> None:
        self._members: OrderedDict[object, object] = OrderedDict()
        self.limit = limit
        self.evicted = 0
        """Forgotten for want of room."""

    def __len__(self) -> int:
        """How many members are remembered."""
        return len(self._members)

    def __contains__(self, member: object) -> bool:
        return member in self._members

    def get(self, member: object) -> object:
        """What was remembered with a member; None where there is none."""
        return self._members.get(member)

    def add(self, member: object, value: object = None) -> bool:
        """Remember; whether it is new."""
        if member in self._members:
            self._members[member] = value
            return False
        self._members[member] = value
        while len(self._members) > self.limit:
            self._members.popitem(last=False)
            self.evicted += 1
        return True
