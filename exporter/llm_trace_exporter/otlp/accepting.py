"""Takes the connections of one listening socket, within the limits of its listener."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable

from .connections import Connections, Standing

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
        self._arrivals: set[asyncio.Task[None]] = set()
        self._task = self._loop.create_task(self._accept())

    def close(self) -> None:
        """Take no more."""
        self._task.cancel()
        for arrival in self._arrivals:
            arrival.cancel()

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
            task = self._loop.create_task(self._welcome(accepted))
            self._arrivals.add(task)
            task.add_done_callback(self._arrivals.discard)
            # Those who come in a row must not keep the others waiting.
            await asyncio.sleep(0)

    async def _welcome(self, accepted: socket.socket) -> None:
        arrival = _Arrival(asyncio.current_task())
        self._connections.stand(arrival, Standing.SILENT)
        try:
            patience_s = self._connections.limits.patience_s[Standing.SILENT] if self._tls else None
            await self._loop.connect_accepted_socket(
                self._protocol, accepted, ssl=self._tls, ssl_handshake_timeout=patience_s
            )
        except (OSError, ssl.SSLError, asyncio.CancelledError):
            accepted.close()
        finally:
            self._connections.leave(arrival)


class _Arrival:
    """A connection that is not set up yet."""

    def __init__(self, task: asyncio.Task[None] | None) -> None:
        self._task = task

    def abort(self) -> None:
        """Give it up."""
        if self._task is not None:
            self._task.cancel()
