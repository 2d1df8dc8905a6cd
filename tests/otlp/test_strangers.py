"""Clients that say nothing, or too little, on real listeners: others do not notice."""

from __future__ import annotations

import gc
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests
from starlette.responses import PlainTextResponse

from llm_trace_exporter.config.web_settings import Pem, TlsSettings
from llm_trace_exporter.consumer import Outcome
from llm_trace_exporter.errors import Overloaded
from llm_trace_exporter.receivers.connections import ConnectionLimits, ConnectionState
from llm_trace_exporter.receivers.otlp_grpc import GrpcReceiver
from llm_trace_exporter.receivers.otlp_http import HttpReceiver
from llm_trace_exporter.server.listeners import GrpcServer, HttpServer, split_address
from llm_trace_exporter.server.tls import context_of
from tests.otlp import payloads
from tests.otlp.conftest import LIMIT, MAX_REQUESTS, RecordingConsumer, wait_for
from tests.server.certs import Authority
from tests.strangers import left, strangers

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HURRIED = dict.fromkeys(ConnectionState, 0.5) | {ConnectionState.BUSY: 1e9}
BODY_BYTES = 900_000


@contextmanager
def serving(limits: ConnectionLimits, **options: Any) -> Iterator[HttpServer]:
    server = HttpServer("web", PlainTextResponse("hi"), ["127.0.0.1:0"], limits=limits, **options)
    server.start()
    yield server
    server.stop(2)


@pytest.mark.parametrize("says", [b"", b"GET / HT", ASK])
def test_whoever_comes_gets_in_past_the_limit(says: bytes) -> None:
    closed: list[str] = []
    with (
        serving(ConnectionLimits(20), closed=closed.append) as server,
        strangers(server.addresses[0], 100, says=says),
    ):
        for _ in range(30):
            assert requests.get(f"http://{server.addresses[0]}/", timeout=5).text == "hi"
        assert server.connections <= 21
        assert closed and set(closed) == {"limit"}


@pytest.mark.parametrize("says", [b"", b"GET / HT", ASK])
def test_they_have_their_time(says: bytes) -> None:
    with (
        serving(ConnectionLimits(patience_s=HURRIED)) as server,
        strangers(server.addresses[0], 10, says=says) as clients,
    ):
        wait_for(lambda: left(clients) == 0)
        assert server.connections == 0


@pytest.mark.parametrize("says", [b"", HELLO])
def test_handshakes_count_and_have_their_time(tmp_path: Path, says: bytes) -> None:
    authority = Authority()
    pair = authority.issue("127.0.0.1")
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.cert)
    tls = context_of(TlsSettings(cert_file="x", key_file="x"), Pem(pair.cert, pair.key))
    limits = ConnectionLimits(20, patience_s={ConnectionState.SILENT: 2.0})
    with (
        serving(limits, tls=tls) as server,
        strangers(server.addresses[0], 100, says=says) as clients,
    ):
        wait_for(lambda: left(clients) <= 20)
        url = f"https://{server.addresses[0]}/"
        assert requests.get(url, timeout=5, verify=str(ca)).text == "hi"
        wait_for(lambda: left(clients) == 0)
        wait_for(lambda: server.connections == 0)
        assert requests.get(url, timeout=5, verify=str(ca)).text == "hi"


def test_stopping_does_not_wait_for_handshakes() -> None:
    pair = Authority().issue("127.0.0.1")
    tls = context_of(TlsSettings(cert_file="x", key_file="x"), Pem(pair.cert, pair.key))
    server = HttpServer("web", PlainTextResponse("hi"), ["127.0.0.1:0"], tls)
    server.start()
    with strangers(server.addresses[0], 3):
        wait_for(lambda: server.connections == 3)
        begun_s = time.monotonic()
        server.stop(5)
        assert time.monotonic() - begun_s < 3


def test_a_request_that_does_not_wait_for_the_answer_is_not_read() -> None:
    asked: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        await PlainTextResponse("hi")(scope, receive, send)

    server = HttpServer("web", app, ["127.0.0.1:0"])
    server.start()
    with socket.create_connection(split_address(server.addresses[0]), timeout=5) as client:
        client.sendall(ASK * 1_000)
        answer = b""
        while part := client.recv(1 << 16):
            answer += part
    server.stop(2)
    assert (answer.count(b"HTTP/1.1 200"), asked) == (1, ["/"])


def test_an_answer_that_nobody_takes_is_dropped() -> None:
    page = b"x" * 8_000_000
    limits = ConnectionLimits(patience_s={ConnectionState.TAKING: 1.5})
    closed: list[str] = []
    app = PlainTextResponse(page)
    server = HttpServer("web", app, ["127.0.0.1:0"], limits=limits, closed=closed.append)
    server.start()
    with strangers(server.addresses[0], 3, says=ASK, window=4_096):
        wait_for(lambda: closed == ["answer_timeout"] * 3)
        assert server.connections == 0
    assert requests.get(f"http://{server.addresses[0]}/", timeout=10).content == page
    server.stop(2)


def test_slow_bodies_take_no_place(http_address: str) -> None:
    head = (
        b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
        b"Content-Length: 1000\r\n\r\nx"
    )
    with strangers(http_address, MAX_REQUESTS + 6, says=head):
        answer = requests.post(
            f"http://{http_address}/v1/traces",
            data=payloads.traces(),
            headers={"Content-Type": "application/x-protobuf"},
            timeout=5,
        )
        assert answer.status_code == 200


def test_idle_streams_take_no_place(grpc_address: str) -> None:
    never = threading.Event()

    def silence() -> Iterator[bytes]:
        never.wait(10)
        yield b""

    with channel_to(grpc_address) as channel:
        stream = channel.stream_unary(EXPORT)
        idle = [stream.future(silence(), timeout=10) for _ in range(MAX_REQUESTS + 6)]
        assert channel.unary_unary(EXPORT)(payloads.traces(), timeout=5) == b""
        never.set()
        del idle


def test_silent_connections_to_grpc_have_a_limit_and_their_time(sink: RecordingConsumer) -> None:
    receiver = GrpcReceiver(sink, limits=ConnectionLimits(10, patience_s=HURRIED))
    server = GrpcServer(receiver, "127.0.0.1:0")
    server.start()
    with strangers(server.addresses[0], 40) as clients:
        wait_for(lambda: left(clients) <= 10)
        wait_for(lambda: left(clients) == 0)
        with channel_to(server.addresses[0]) as channel:
            assert channel.unary_unary(EXPORT)(payloads.traces(), timeout=5) == b""
    server.stop(1)
    receiver.close()


def channel_to(address: str) -> Any:
    return grpc.insecure_channel(address, options=[("grpc.max_send_message_length", -1)])


class Failing(RecordingConsumer):
    """Fails with an error of its own each time."""

    kind: Callable[[str], Exception] = ValueError

    def ingest_request(self, *_: Any, **__: Any) -> Outcome:
        raise self.kind("secret")


def failing(kind: Callable[[str], Exception]) -> Failing:
    made = Failing()
    made.kind = kind
    return made


def big() -> bytes:
    """A request with one field that nobody reads."""
    size = BODY_BYTES
    return b"\x7a" + bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14]) + bytes(size)


def never_ends() -> Iterator[bytes]:
    yield big()
    time.sleep(1.5)


SENT: dict[str, tuple[Callable[[], Iterator[bytes]], RecordingConsumer]] = {
    "good": (lambda: iter([big()]), RecordingConsumer()),
    "malformed": (lambda: iter([b"\xff" * BODY_BYTES]), RecordingConsumer()),
    "too large": (lambda: iter([bytes(2 * LIMIT)]), RecordingConsumer()),
    "two messages": (lambda: iter([big(), big()]), RecordingConsumer()),
    "never ends": (never_ends, RecordingConsumer()),
    "overloaded": (lambda: iter([big()]), failing(Overloaded)),
    "internal": (lambda: iter([big()]), failing(ValueError)),
}


@pytest.mark.parametrize("name", SENT)
def test_nothing_of_a_grpc_request_stays(name: str) -> None:
    """The server looks for rings of objects rarely: a body in one would stay in memory."""
    messages, sink = SENT[name]
    sink.gate.set()
    receiver = GrpcReceiver(sink, max_request_bytes=LIMIT, read_timeout_s=0.2)
    server = GrpcServer(receiver, "127.0.0.1:0")
    server.start()
    with channel_to(server.addresses[0]) as channel:
        method = channel.stream_unary(EXPORT)

        def send() -> None:
            call = method.future(messages(), timeout=10)
            assert (call.exception() is None) == (name == "good")

        assert grown_bytes(send) < 2 * BODY_BYTES
    server.stop(1)
    receiver.close()


@pytest.mark.parametrize("name", ["good", "malformed", "too large", "overloaded", "internal"])
def test_nothing_of_an_http_request_stays(name: str) -> None:
    messages, sink = SENT[name]
    sink.gate.set()
    receiver = HttpReceiver(sink, max_request_bytes=LIMIT, read_timeout_s=0.2)
    server = HttpServer("otlp-http", receiver, ["127.0.0.1:0"])
    server.start()
    url = f"http://{server.addresses[0]}/v1/traces"
    media = {"Content-Type": "application/x-protobuf"}

    def send() -> None:
        answer = requests.post(url, data=b"".join(messages()), headers=media, timeout=10)
        assert (answer.status_code == 200) == (name == "good")

    assert grown_bytes(send) < 2 * BODY_BYTES
    server.stop(1)
    receiver.close()


def grown_bytes(send: Callable[[], None]) -> int:
    """Memory that six requests leave behind, without a look for rings."""
    send()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(6):
            send()
        # The last request may be under way for a moment after its answer.
        end_s = time.monotonic() + 2
        while (grown := tracemalloc.get_traced_memory()[0] - before) > BODY_BYTES:
            if time.monotonic() > end_s:
                break
            time.sleep(0.05)
        return grown
    finally:
        tracemalloc.stop()
        gc.enable()


def test_two_messages_in_one_call_are_refused(grpc_address: str, sink: RecordingConsumer) -> None:
    with channel_to(grpc_address) as channel:
        call = channel.stream_unary(EXPORT).future(iter([payloads.traces()] * 2), timeout=10)
        assert call.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (sink.calls, sink.refusals) == ([], [("otlp_grpc", "malformed")])
