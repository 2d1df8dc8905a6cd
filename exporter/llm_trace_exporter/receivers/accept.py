"""Takes the connections of one listening socket, within the limits of its listener."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from .connections import Connections, ConnectionState

# The process, the system or its memory has no room for another one.
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PAUSE_S = 0.05


class Accepting:
    """A task that accepts, to be closed as asyncio's servers are.

    A connection has its place from the moment that it is accepted, so that those whose TLS
    handshake does not come to its end count as well.
    """

    def __init__(
        self,
        listener: socket.socket,
        connections: Connections,
        protocol: Callable[[], asyncio.Protocol],
        tls: ssl.SSLContext | None,
    ) -> None:
        """Begin, in the running event loop."""
        listener.setblocking(False)
        self._listener = listener
        self._connections = connections
        self._protocol = protocol
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._arrivals: dict[asyncio.Task[None], _Arrival] = {}
        self._task = self._loop.create_task(self._accept())

    def close(self) -> None:
        """Take no more."""
        self._task.cancel()
        for arrival in self._arrivals.values():
            arrival.abort()

    async def wait_closed(self) -> None:
        """Wait until none is under way."""
        await asyncio.gather(self._task, *self._arrivals, return_exceptions=True)

    async def _accept(self) -> None:
        while True:
            try:
                accepted, _ = await self._loop.sock_accept(self._listener)
            except OSError as error:
                if error.errno in _NO_ROOM:
                    self._connections.close_one()
                await asyncio.sleep(_PAUSE_S)
                continue
            if not self._connections.has_room():
                accepted.close()
                continue
            arrival = _Arrival(accepted)
            self._connections.stand(arrival, ConnectionState.SILENT)
            task = self._loop.create_task(self._welcome(arrival))
            self._arrivals[task] = arrival
            task.add_done_callback(self._arrivals.pop)
            # Those who come in a row must not keep the others waiting.
            await asyncio.sleep(0)

    async def _welcome(self, arrival: _Arrival) -> None:
        patience_s = (
            self._connections.limits.patience_s[ConnectionState.SILENT] if self._tls else None
        )
        try:
            await self._loop.connect_accepted_socket(
                self._protocol, arrival.socket, ssl=self._tls, ssl_handshake_timeout=patience_s
            )
        except OSError:  # those of TLS among them
            arrival.socket.close()
        finally:
            self._connections.leave(arrival)


class _Arrival:
    """A connection that is not set up yet."""

    def __init__(self, accepted: socket.socket) -> None:
        self.socket = accepted

    def abort(self) -> None:
        """Let it fail: what sets it up then closes it."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
