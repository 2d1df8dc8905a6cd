"""How much may be under way at once, so that memory stays bounded whatever is sent."""

from __future__ import annotations

from ..errors import Overloaded


class Admission:
    """Requests under way and the bytes of their bodies; belongs to one event loop."""

    def __init__(self, max_requests: int, max_bytes: int) -> None:
        self._requests = self._max_requests = max_requests
        self._bytes = self._max_bytes = max_bytes

    @property
    def requests(self) -> tuple[int, int]:
        """Requests under way, and how many may be."""
        return self._max_requests - self._requests, self._max_requests

    @property
    def size_bytes(self) -> tuple[int, int]:
        """Bytes of their bodies, and how many may be."""
        return self._max_bytes - self._bytes, self._max_bytes

    def enter(self) -> Ticket:
        """Room for one request; release it with `with`.

        Raises: Overloaded when there is none.
        """
        if self._requests <= 0:
            raise Overloaded("too many requests at once")
        self._requests -= 1
        return Ticket(self)

    def _take(self, size: int) -> None:
        if size > self._bytes:
            raise Overloaded("too many request bytes at once")
        self._bytes -= size

    def _leave(self, size: int) -> None:
        self._requests += 1
        self._bytes += size


class Ticket:
    """One admitted request."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._size = 0

    def __enter__(self) -> Ticket:
        return self

    def __exit__(self, *_: object) -> None:
        self._admission._leave(self._size)

    def grow(self, size: int) -> None:
        """Make room for `size` more bytes of body.

        Raises: Overloaded when there is none.
        """
        self._admission._take(size)
        self._size += size
