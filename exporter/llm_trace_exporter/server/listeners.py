"""Listeners: bind, serve in a thread of their own, drain and stop.

Signals are the caller's business. Every listener has its own event loop, so that a scrape is
answered while requests pour in.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import grpc
import uvicorn
from starlette.types import ASGIApp

from ..errors import ExporterError
from ..receivers.accept import Accepting
from ..receivers.connections import ConnectionLimits, Connections
from ..receivers.http_protocol import BoundedProtocol
from ..receivers.otlp_grpc import GrpcReceiver

_BACKLOG = 1_024
_START_TIMEOUT_S = 30.0
_NEVER_S = 86_400
# A host may lack one of the two IP versions; an address that is taken or forbidden is an error.
_FATAL = frozenset({errno.EADDRINUSE, errno.EACCES})


class HttpServer:
    """An ASGI application on one or more addresses (`host:port`; port 0 takes a free one)."""

    def __init__(
        self,
        name: str,
        app: ASGIApp,
        addresses: Sequence[str],
        tls: ssl.SSLContext | None = None,
        *,
        limits: ConnectionLimits | None = None,
        closed: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare; `closed` is told why a connection was closed that a client had left open."""
        self.name = name
        limits = limits or ConnectionLimits()
        self.max_connections = limits.max_connections
        self._connections = Connections(limits, time.monotonic, closed)
        self.addresses: tuple[str, ...] = ()
        """Where it listens, once started, with real port numbers."""
        self._wanted = tuple(addresses)
        config = uvicorn.Config(
            app,
            http=type("Protocol", (BoundedProtocol,), {"open_connections": self._connections}),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            # `Connections` closes what is idle.
            timeout_keep_alive=_NEVER_S,
            backlog=_BACKLOG,
        )
        config.load()
        config.ssl = tls
        self._server = _Server(config, self._connections)
        self._thread: threading.Thread | None = None

    @property
    def connections(self) -> int:
        """How many there are."""
        return self._connections.count

    def start(self) -> None:
        """Bind all addresses and serve.

        Raises: ExporterError naming the address that cannot be had; nothing listens then.
        """
        sockets: list[socket.socket] = []
        try:
            for address in self._wanted:
                sockets += _bind(self.name, address)
        except ExporterError:
            _close(sockets)
            raise
        self.addresses = tuple(_address_of(listener) for listener in sockets)
        self._thread = threading.Thread(
            target=self._server.run, args=(sockets,), name=f"http-{self.name}", daemon=True
        )
        self._thread.start()

    def stop(self, deadline_s: float) -> None:
        """Take no new connections, finish what is under way for at most `deadline_s`, close."""
        if self._thread is None:
            return
        self._server.config.timeout_graceful_shutdown = max(1, round(deadline_s))
        self._server.should_exit = True
        self._thread.join(deadline_s + 1)
        self._server.force_exit = True
        self._thread.join(1)


class _Server(uvicorn.Server):
    """uvicorn's server, but for who is let in."""

    def __init__(self, config: uvicorn.Config, connections: Connections) -> None:
        super().__init__(config)
        self._connections = connections

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take connections from now on."""

        def protocol() -> asyncio.Protocol:
            make: Any = self.config.http_protocol_class
            made: asyncio.Protocol = make(
                config=self.config, server_state=self.server_state, app_state={}
            )
            return made

        self.servers: Any = [
            Accepting(listener, self._connections, protocol, self.config.ssl)
            for listener in sockets or ()
        ]
        self.started = True

    async def on_tick(self, counter: int) -> bool:
        """Close what is overdue, ten times a second."""
        self._connections.close_overdue()
        return await super().on_tick(counter)


class GrpcServer:
    """An OTLP/gRPC receiver on one address (`host:port`; port 0 takes a free one)."""

    name = "otlp-grpc"
    connections = None
    """How many there are: the library does not tell."""

    def __init__(
        self,
        receiver: GrpcReceiver,
        address: str,
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        self.addresses: tuple[str, ...] = ()
        """Where it listens, once started, with its real port number."""
        self.max_connections = receiver.limits.max_connections
        self._receiver = receiver
        self._wanted = address
        self._credentials = credentials
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: Future[float] = Future()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Bind and serve.

        Raises: ExporterError naming the address when it cannot be had.
        """
        bound: Future[int] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(bound,), name=self.name, daemon=True
        )
        self._thread.start()
        host, _ = split_address(self._wanted)
        port = bound.result(_START_TIMEOUT_S)
        self.addresses = (join_address(host, port),)

    def stop(self, deadline_s: float) -> None:
        """Take no new calls, finish what is under way for at most `deadline_s`, close."""
        if self._thread is None or self._loop is None or self._stop.done():
            return
        with suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(self._stop.set_result, deadline_s)
        self._thread.join(deadline_s + 2)

    def _run(self, bound: Future[int]) -> None:
        asyncio.run(self._serve(bound))

    async def _serve(self, bound: Future[int]) -> None:
        server = self._receiver.server()
        try:
            host, port = split_address(self._wanted)
            where = join_address(host or "::", port)
            if self._credentials is None:
                number = server.add_insecure_port(where)
            else:
                number = server.add_secure_port(where, self._credentials)
            await server.start()
        except (ExporterError, RuntimeError) as error:
            bound.set_exception(self._reason(error))
            return
        self._loop = asyncio.get_running_loop()
        bound.set_result(number)
        deadline_s = await asyncio.wrap_future(self._stop)
        await server.stop(deadline_s)

    def _reason(self, error: Exception) -> ExporterError:
        """Why it cannot listen: the library does not say, so ask the system the same."""
        try:
            _close(_bind(self.name, self._wanted))
        except ExporterError as refusal:
            return refusal
        return _cannot_listen(self.name, self._wanted, error)


def split_address(address: str) -> tuple[str, int]:
    """`host:port`, `[v6]:port` or `:port` (every interface) as (host, port).

    Raises: ExporterError where it is none of these.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or len(port) > 5 or int(port) > 65_535:
        raise ExporterError(f"not an address of the form host:port: {address}")
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1], int(port)
    if ":" in host:
        raise ExporterError(f"write an IPv6 address in brackets, [host]:port: {address}")
    return host, int(port)


def join_address(host: str, port: int) -> str:
    """The reverse of `split_address`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _bind(name: str, address: str) -> list[socket.socket]:
    """One listening socket for each IP address that the host part stands for."""
    host, port = split_address(address)
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    try:
        infos = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise _cannot_listen(name, address, error) from error
    for family, kind, protocol, _, target in dict.fromkeys(infos):
        # With port 0 every family gets the port that the first one was given.
        chosen = port or (sockets[0].getsockname()[1] if sockets else 0)
        try:
            listener = socket.socket(family, kind, protocol)
        except OSError as error:
            failure = error
            continue
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((target[0], chosen, *target[2:]))
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            failure = error
            if error.errno in _FATAL:
                break
            continue
        sockets.append(listener)
    if failure is not None and (not sockets or failure.errno in _FATAL):
        _close(sockets)
        raise _cannot_listen(name, address, failure) from failure
    return sockets


def _close(sockets: Sequence[socket.socket]) -> None:
    for listener in sockets:
        listener.close()


def _address_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return join_address(host, port)


def _cannot_listen(name: str, address: str, error: Exception) -> ExporterError:
    if isinstance(error, ExporterError):
        return error
    reason = error.strerror if isinstance(error, OSError) else None
    return ExporterError(f"{name} cannot listen on {address}: {reason or 'address not available'}")
