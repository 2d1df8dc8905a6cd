"""The open connections of one listener: how many there may be, for how long, and who goes first.

A stranger may open connections and say nothing, or take an answer byte by byte. So a connection
that is waited for has its time, and when there is no room for a new one the least deserving goes:
a probe or a scrape is let in whoever else is there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol


class ConnectionState(IntEnum):
    """What a connection is waited for; those that come first here go first."""

    SILENT = 0
    """Its TLS handshake, or the head of its first or next request, is not complete."""
    IDLE = 1
    """Between two requests."""
    SENDING = 2
    """The body of its request is not complete."""
    TAKING = 3
    """The client has not taken the answer yet."""
    BUSY = 4
    """Its request is being worked on."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Of one listener."""

    max_connections: int = 512
    max_taking: int = 32
    """Answers at once that wait for slow readers: each is held in memory."""
    patience_s: Mapping[ConnectionState, float] = field(
        default_factory=lambda: {
            ConnectionState.SILENT: 10.0,
            ConnectionState.IDLE: 75.0,
            ConnectionState.SENDING: 60.0,
            ConnectionState.TAKING: 30.0,
        }
    )
    """How long a connection may stay as it is, in seconds; for those not named, for ever."""


CLOSED_REASONS = {
    ConnectionState.SILENT: "head_timeout",
    ConnectionState.IDLE: "idle_timeout",
    ConnectionState.SENDING: "body_timeout",
    ConnectionState.TAKING: "answer_timeout",
}
"""Why a connection was closed whose time was over."""

_SLOW_S = 1.0
"""After which a client counts as slow: many may come at once."""

NO_ROOM = "limit"
"""Why a connection was closed that had to make room."""


class Connection(Protocol):
    """What can be closed."""

    def abort(self) -> None:
        """Close at once, whatever is left to send."""
        ...


class Connections:
    """The connections of one listener; belongs to its event loop, but for `count`."""

    def __init__(
        self, limits: ConnectionLimits, clock: Callable[[], float], closed: Callable[[str], None]
    ) -> None:
        """Start without any.

        Args:
            limits: How many, and for how long.
            clock: Monotonic seconds.
            closed: Is told the reason of each connection that is closed from here.
        """
        self.limits = limits
        self._clock = clock
        self._closed = closed
        self._standing: dict[Connection, ConnectionState] = {}
        # Of each standing, the one that has had it for longest first.
        self._since: dict[ConnectionState, OrderedDict[Connection, float]] = {
            state: OrderedDict() for state in ConnectionState
        }

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._standing)

    def stand(self, connection: Connection, state: ConnectionState) -> None:
        """Put a connection, known or new, at the end of those with this standing."""
        before = self._standing.get(connection)
        if before is not None:
            del self._since[before][connection]
        self._standing[connection] = state
        self._since[state][connection] = self._clock()
        if len(taking := self._since[ConnectionState.TAKING]) > self.limits.max_taking:
            for slow in list(_until(taking, self._clock() - _SLOW_S))[:1]:
                self._close(slow, NO_ROOM)

    def leave(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        state = self._standing.pop(connection, None)
        if state is not None:
            del self._since[state][connection]

    def has_room(self) -> bool:
        """Whether one more may come; closes another one for it, unless all are worked on."""
        return self.count < self.limits.max_connections or self.close_one()

    def close_one(self) -> bool:
        """Close the least deserving one, where there is any that is waited for.

        Whoever has just come has had no time to say anything; where all have, as in a flood, the
        one that came first goes.
        """
        oldest = [
            (next(iter(waiting.items())))
            for state, waiting in self._since.items()
            if waiting and state is not ConnectionState.BUSY
        ]
        if not oldest:
            return False
        end_s = self._clock() - _SLOW_S
        slow = [connection for connection, since_s in oldest if since_s <= end_s]
        first, _ = min(oldest, key=lambda held: held[1])
        self._close(slow[0] if slow else first, NO_ROOM)
        return True

    def close_overdue(self) -> None:
        """Close those whose time is over."""
        now_s = self._clock()
        for state, patience_s in self.limits.patience_s.items():
            for connection in list(_until(self._since[state], now_s - patience_s)):
                self._close(connection, CLOSED_REASONS[state])

    def _close(self, connection: Connection, reason: str) -> None:
        self.leave(connection)
        self._closed(reason)
        connection.abort()


def _until(since: Mapping[Connection, float], end_s: float) -> Iterator[Connection]:
    for connection, since_s in since.items():
        if since_s > end_s:
            return
        yield connection
