"""Clients that open connections and leave them as they are."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from llm_trace_exporter.server.listeners import split_address


@contextmanager
def strangers(
    address: str, number: int, *, says: bytes = b"", window: int = 0
) -> Iterator[list[socket.socket]]:
    """So many connections to `host:port`, each of which sends this and then nothing.

    `window` is how many bytes of answers the system may take for them.
    """
    opened: list[socket.socket] = []
    try:
        for _ in range(number):
            connection = socket.socket()
            opened.append(connection)
            if window:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
            connection.settimeout(30)
            connection.connect(split_address(address))
            # Where there were too many already, it is closed by now.
            with suppress(ConnectionError):
                connection.sendall(says)
        yield opened
    finally:
        for connection in opened:
            connection.close()


def left(connections: Sequence[socket.socket]) -> int:
    """How many of them the other side has not closed."""
    return sum(map(_is_open, connections))


def _is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        while connection.recv(1 << 16):
            pass
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
