"""How much may be under way at once, so that memory stays bounded whatever is sent.

A request that is not there yet holds only its bytes; its place it gets when it is complete. One
that comes slowly goes when another one needs the room.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ..errors import Overloaded

SLOW_S = 1.0
"""After which a request that is not complete may be given up for another one."""

_READINGS_PER_PLACE = 16


class Admission:
    """Requests under way and the bytes of their bodies; belongs to one event loop."""

    def __init__(
        self, max_requests: int, max_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start empty.

        Args:
            max_requests: Complete requests; sixteen times as many may be on their way.
            max_bytes: Bytes of the bodies of all of them.
            clock: Monotonic seconds.
        """
        self._requests = self._max_requests = max_requests
        self._bytes = self._max_bytes = max_bytes
        self._max_readings = max_requests * _READINGS_PER_PLACE
        # The one that has been read for longest first.
        self._readings: OrderedDict[Ticket, float] = OrderedDict()
        self._clock = clock

    @property
    def requests(self) -> tuple[int, int]:
        """Complete requests under way, and how many may be."""
        return self._max_requests - self._requests, self._max_requests

    @property
    def size_bytes(self) -> tuple[int, int]:
        """Bytes of all bodies, and how many may be."""
        return self._max_bytes - self._bytes, self._max_bytes

    def enter(self) -> Ticket:
        """A request that begins; release it with `with`.

        Raises: Overloaded when there would be no place for it.
        """
        self._look_for_place()
        return Ticket(self)

    def _look_for_place(self) -> None:
        if self._requests <= 0:
            raise Overloaded("too many requests at once")

    def _begin(self, ticket: Ticket) -> None:
        if len(self._readings) >= self._max_readings and not self._give_up_one():
            raise Overloaded("too many requests at once")
        self._readings[ticket] = self._clock()

    def _give_up_one(self, but: Ticket | None = None) -> bool:
        """Give up the one that has been read for longest, if it is slow."""
        for ticket, since_s in self._readings.items():
            if since_s > self._clock() - SLOW_S:
                return False
            if ticket is not but:
                ticket._give_up()
                return True
        return False


class Ticket:
    """One request."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._size = 0
        self._has_place = False
        self._is_given_up = False
        self._deadline: asyncio.Timeout | None = None

    def __enter__(self) -> Ticket:
        return self

    def __exit__(self, *_: object) -> None:
        self._release()
        if self._has_place:
            self._admission._requests += 1

    @asynccontextmanager
    async def reading(self, timeout_s: float) -> AsyncIterator[None]:
        """The time in which the body is read; at its end the request is complete.

        Raises: TimeoutError when that takes too long, Overloaded when others needed its room, or
            when there is no place.
        """
        admission = self._admission
        admission._begin(self)
        try:
            async with asyncio.timeout(timeout_s) as self._deadline:
                yield
        except TimeoutError as error:
            if self._is_given_up:
                raise Overloaded("it came slowly, and others needed its room") from error
            raise
        finally:
            admission._readings.pop(self, None)
            self._deadline = None
        admission._look_for_place()
        admission._requests -= 1
        self._has_place = True

    def grow(self, size: int) -> None:
        """Make room for `size` more bytes of body.

        Raises: Overloaded when there is none.
        """
        admission = self._admission
        while size > admission._bytes:
            if self._is_given_up or not admission._give_up_one(but=self):
                raise Overloaded("too many request bytes at once")
        admission._bytes -= size
        self._size += size

    def _give_up(self) -> None:
        self._is_given_up = True
        self._admission._readings.pop(self, None)
        self._release()
        if self._deadline is not None:
            self._deadline.reschedule(asyncio.get_running_loop().time())

    def _release(self) -> None:
        self._admission._bytes += self._size
        self._size = 0
