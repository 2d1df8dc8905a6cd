"""Senders of OTLP requests that are ready to go: one connection each, one request at a time."""

from __future__ import annotations

import http.client
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager

import grpc

Send = Callable[[bytes], None]
"""Sends one request and waits for its success."""

CONNECTIONS = 4
"""Requests under way at once."""

_TIMEOUT_S = 120.0
_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@contextmanager
def http_sender(address: str, media_type: str = "application/x-protobuf") -> Iterator[Send]:
    """Over OTLP/HTTP, with one connection; servers close it after some seconds without a request.

    Raises: RuntimeError where a request is refused.
    """
    connection = http.client.HTTPConnection(address, timeout=_TIMEOUT_S)
    headers = {"Content-Type": media_type}

    def send(body: bytes) -> None:
        connection.request("POST", "/v1/traces", body, headers)
        answer = connection.getresponse()
        told = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"a request was answered {answer.status}: {told[:200]!r}")

    connection.connect()
    with closing(connection):
        yield send


@contextmanager
def grpc_sender(address: str) -> Iterator[Send]:
    """Over OTLP/gRPC, with a connection of its own.

    Raises: grpc.RpcError where a request is refused.
    """
    # Channels to one address share a connection unless told otherwise.
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(address, options=options) as channel:
        call = channel.unary_unary(_EXPORT, request_serializer=bytes, response_deserializer=bytes)
        grpc.channel_ready_future(channel).result(_TIMEOUT_S)

        def send(body: bytes) -> None:
            call(body, timeout=_TIMEOUT_S)

        yield send


SENDERS: dict[str, Callable[[str], AbstractContextManager[Send]]] = {
    "OTLP/HTTP": http_sender,
    "OTLP/gRPC": grpc_sender,
}
"""By the name of the listener that they send to."""

JSON = "OTLP/HTTP JSON"


def connect(protocol: str, address_of: Callable[[str], str]) -> AbstractContextManager[Send]:
    """A sender for one of `PROTOCOLS`, to the listener that it is for."""
    if protocol == JSON:
        return http_sender(address_of("OTLP/HTTP"), media_type="application/json")
    return SENDERS[protocol](address_of(protocol))


PROTOCOLS = ("OTLP/HTTP", JSON, "OTLP/gRPC")


def drive(senders: Sequence[Send], bodies: Sequence[bytes]) -> list[float]:
    """Send all bodies, each by whichever sender is free; seconds that each request took.

    Raises: what a sender raises; the others stop then.
    """
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    for body in bodies:
        waiting.put(body)
    took_s: list[float] = []
    failures: list[Exception] = []

    def work(send: Send) -> None:
        while not failures:
            try:
                body = waiting.get_nowait()
            except queue.Empty:
                return
            started_s = time.perf_counter()
            try:
                send(body)
            except Exception as error:  # noqa: BLE001 - told to the caller below
                failures.append(error)
                return
            took_s.append(time.perf_counter() - started_s)

    threads = [threading.Thread(target=work, args=(send,), daemon=True) for send in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return took_s


def send_all(
    protocol: str, address_of: Callable[[str], str], bodies: Sequence[bytes]
) -> list[float]:
    """Send all bodies over CONNECTIONS connections; seconds that each request took."""
    with ExitStack() as stack:
        senders = [stack.enter_context(connect(protocol, address_of)) for _ in range(CONNECTIONS)]
        return drive(senders, bodies)
