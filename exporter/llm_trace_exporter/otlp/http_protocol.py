"""uvicorn's HTTP/1.1 protocol with bounds on what comes before a body.

uvicorn waits for a request's head without limit of time or size; a client that never ends it
would hold a connection, or memory, for ever.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_TIMEOUT_S = 15.0
MAX_HEAD_BYTES = 64 * 1024
_FAREWELL_S = 0.5


class BoundedProtocol(HttpToolsProtocol):
    """One connection; closed when a request's head is late or too long."""

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first request."""
        super().connection_made(transport)
        self._expect_head()
        # A context may be choosy about the client's certificate, beyond its signature.
        connection = transport.get_extra_info("ssl_object")
        lets_in = getattr(getattr(connection, "context", None), "lets_in", None)
        if lets_in is not None and not lets_in(connection.getpeercert()):
            self._is_refused = True
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; what belongs to an unfinished head counts against its limit."""
        if self._is_refused:
            return
        super().data_received(data)
        if self._head_timer is None:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self.send_400_response("Request head too long.")

    def on_message_begin(self) -> None:
        """Wait for the rest of a head that has begun."""
        super().on_message_begin()
        self._expect_head()

    def on_headers_complete(self) -> None:
        """Stop waiting."""
        self._head_came()
        super().on_headers_complete()

    def shutdown(self) -> None:
        """Close when idle; one with an idle TLS connection does not say goodbye."""
        super().shutdown()
        if self.transport.is_closing():
            self.loop.call_later(_FAREWELL_S, self.transport.abort)

    def _expect_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.close)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        self._head_timer = None
        self._head_bytes = 0
