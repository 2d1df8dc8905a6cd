"""uvicorn's HTTP/1.1 protocol, which tells the connections of its listener how it stands.

uvicorn waits for a request's head without limit of time or size, and for a reader of its answer
for ever; a client that never ends either would hold a connection, or memory.
"""

from __future__ import annotations

import asyncio

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .connections import Connections, ConnectionState

MAX_HEAD_BYTES = 64 * 1024
_FAREWELL_S = 0.5


class _OvertakenError(Exception):
    """Makes the parser stop."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection; closed when its head is too long, or others deserve its place more."""

    open_connections: Connections
    """Of the listener; each listener has a class of its own."""

    _head_bytes = 0
    _is_in_head = True
    _is_refused = False
    _is_complete = False
    """Whether the request in hand has come to its end."""
    _is_answer_held = False
    _is_overtaken = False
    """Whether a request came before the one in hand was answered."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first request."""
        super().connection_made(transport)
        self.open_connections.stand(self, ConnectionState.SILENT)
        # A context may be choosy about the client's certificate, beyond its signature.
        connection = transport.get_extra_info("ssl_object")
        lets_in = getattr(getattr(connection, "context", None), "lets_in", None)
        if lets_in is not None and not lets_in(connection.getpeercert()):
            self._is_refused = True
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave."""
        self.open_connections.leave(self)
        super().connection_lost(exc)

    def abort(self) -> None:
        """Close at once, whatever is left to send."""
        self._is_refused = True
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse; what belongs to an unfinished head counts against its limit."""
        if self._is_refused or self._is_overtaken:
            return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # answered as if it had not been asked for
        except httptools.HttpParserError:
            if not self._is_overtaken:
                self.send_400_response("Invalid HTTP request received.")
            return
        if not self._is_in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self.send_400_response("Request head too long.")

    def on_message_begin(self) -> None:
        """Wait for the rest of a head that has begun.

        One that did not wait for the answer to the request before it is not read, and the answer
        is the last one on its connection. Clients have to expect that (RFC 9112, 9.3.2), and none
        sends so but who wants to keep a server busy without reading what it says.
        """
        if not self._is_between_requests():
            self._is_overtaken = True
            raise _OvertakenError
        super().on_message_begin()
        self._is_in_head = True
        self.open_connections.stand(self, ConnectionState.SILENT)

    def on_headers_complete(self) -> None:
        """Wait for the body."""
        self._is_in_head = self._is_complete = False
        self._head_bytes = 0
        super().on_headers_complete()
        self._stand()

    def on_message_complete(self) -> None:
        """Have all that there is to wait for."""
        self._is_complete = True
        super().on_message_complete()
        self._stand()

    def on_response_complete(self) -> None:
        """Wait for the next request, once this answer is taken: each is held in memory."""
        if self.flow.write_paused:
            self._is_answer_held = True
            self.flow.pause_reading()
            return
        self._finish_response()
        self._stand()

    def pause_writing(self) -> None:
        """Wait for the client to take the answer."""
        super().pause_writing()
        self._stand()

    def resume_writing(self) -> None:
        """Go on: the client has taken most of it."""
        super().resume_writing()
        if self._is_answer_held:
            self._is_answer_held = False
            self._finish_response()
        self._stand()

    def shutdown(self) -> None:
        """Close when idle; one with an idle TLS connection does not say goodbye."""
        super().shutdown()
        if self.transport.is_closing():
            self.loop.call_later(_FAREWELL_S, self.transport.abort)

    def _finish_response(self) -> None:
        if self._is_overtaken:
            self.transport.close()
        else:
            super().on_response_complete()

    def _is_between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _stand(self) -> None:
        """Tell what this connection is waited for now."""
        if self.parser is None or self._is_refused:  # it is closed already
            return
        if self.flow.write_paused:
            state = ConnectionState.TAKING
        elif self._is_between_requests():
            state = ConnectionState.SILENT if self._is_in_head else ConnectionState.IDLE
        else:
            state = ConnectionState.BUSY if self._is_complete else ConnectionState.SENDING
        self.open_connections.stand(self, state)
