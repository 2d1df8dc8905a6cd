"""Listeners: addresses, errors, slow heads, draining."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import requests
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from llm_trace_exporter.errors import ExporterError
from llm_trace_exporter.receivers.connections import ConnectionLimits, ConnectionState
from llm_trace_exporter.receivers.otlp_grpc import GrpcReceiver
from llm_trace_exporter.server.listeners import GrpcServer, HttpServer, join_address, split_address
from tests.otlp.conftest import RecordingConsumer, wait_for

HURRIED = ConnectionLimits(patience_s={ConnectionState.SILENT: 0.3})


class SlowApp:
    """Answers each request when its gate opens."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.gate = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun.set()
        if Request(scope).url.path == "/slow":
            await asyncio.to_thread(self.gate.wait, 10)
        await PlainTextResponse("done")(scope, receive, send)


@pytest.fixture
def app() -> Iterator[SlowApp]:
    made = SlowApp()
    yield made
    made.gate.set()


def test_bound_addresses_are_readable(app: SlowApp) -> None:
    server = HttpServer("web", app, ["127.0.0.1:0", "127.0.0.1:0"])
    server.start()
    assert len(set(server.addresses)) == 2
    for address in server.addresses:
        assert requests.get(f"http://{address}/", timeout=5).text == "done"
    server.stop(1)
    for address in server.addresses:
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://{address}/", timeout=5)


def test_localhost_has_one_port_on_every_ip_version(app: SlowApp) -> None:
    server = HttpServer("web", app, ["localhost:0"])
    server.start()
    assert len({address.rpartition(":")[2] for address in server.addresses}) == 1
    server.stop(1)


@pytest.fixture
def taken() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield join_address(*listener.getsockname()[:2])


def test_taken_address_is_named(app: SlowApp, sink: RecordingConsumer, taken: str) -> None:
    receiver = GrpcReceiver(sink)
    free = socket.create_server(("127.0.0.1", 0))
    free_address = join_address(*free.getsockname()[:2])
    free.close()
    for server in (
        HttpServer("web", app, [free_address, taken]),
        GrpcServer(receiver, taken),
    ):
        with pytest.raises(ExporterError, match=f"{server.name} cannot listen on {taken}"):
            server.start()
        server.stop(1)
    again = HttpServer("web", app, [free_address])
    again.start()
    again.stop(1)
    receiver.close()


@pytest.mark.parametrize(
    "address", ["", "localhost", "4318", "localhost:", "localhost:x", "h:65536", "::1:80", "h:-1"]
)
def test_malformed_addresses_are_refused(
    app: SlowApp, sink: RecordingConsumer, address: str
) -> None:
    receiver = GrpcReceiver(sink)
    for server in (HttpServer("web", app, [address]), GrpcServer(receiver, address)):
        with pytest.raises(ExporterError):
            server.start()
    receiver.close()


def test_unknown_host_is_named(app: SlowApp) -> None:
    with pytest.raises(ExporterError, match=r"cannot listen on nowhere\.invalid:80"):
        HttpServer("web", app, ["nowhere.invalid:80"]).start()


@pytest.mark.parametrize(
    ("address", "parts"),
    [(":80", ("", 80)), ("[::1]:80", ("::1", 80)), ("localhost:0", ("localhost", 0))],
)
def test_addresses(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts
    assert join_address(*parts) == address


def test_stop_lets_requests_finish(app: SlowApp) -> None:
    server = HttpServer("web", app, ["127.0.0.1:0"])
    server.start()
    answers: list[str] = []
    url = f"http://{server.addresses[0]}/slow"
    client = threading.Thread(target=lambda: answers.append(requests.get(url, timeout=10).text))
    client.start()
    assert app.begun.wait(5)
    stopper = threading.Thread(target=server.stop, args=(5,))
    stopper.start()
    time.sleep(0.3)
    app.gate.set()
    stopper.join(5)
    client.join(5)
    assert answers == ["done"]


def test_stop_gives_up_at_its_deadline(app: SlowApp) -> None:
    server = HttpServer("web", app, ["127.0.0.1:0"])
    server.start()
    with socket.create_connection(split_address(server.addresses[0])) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        assert app.begun.wait(5)
        begun = time.monotonic()
        server.stop(1)
        assert time.monotonic() - begun < 4


def test_stop_without_start_is_nothing(app: SlowApp, sink: RecordingConsumer) -> None:
    HttpServer("web", app, []).stop(1)
    receiver = GrpcReceiver(sink)
    GrpcServer(receiver, "127.0.0.1:0").stop(1)
    receiver.close()


@pytest.mark.parametrize("sent", [b"", b"POST /", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_head_that_never_ends_is_cut_off(app: SlowApp, sent: bytes) -> None:
    server = HttpServer("web", app, ["127.0.0.1:0"], limits=HURRIED)
    server.start()
    with socket.create_connection(split_address(server.addresses[0]), timeout=5) as client:
        client.sendall(sent)
        assert client.recv(10) == b""
    server.stop(1)


def test_second_head_on_a_kept_connection_is_cut_off_too(app: SlowApp) -> None:
    server = HttpServer("web", app, ["127.0.0.1:0"], limits=HURRIED)
    server.start()
    with socket.create_connection(split_address(server.addresses[0]), timeout=5) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while not answer.endswith(b"done"):  # head and body may come apart
            answer += (received := client.recv(1_000))
            assert received
        client.sendall(b"GET / HT")
        assert client.recv(10) == b""
    server.stop(1)


@pytest.mark.parametrize("line", [b"X: " + b"x" * 1_000 + b"\r\n", b"x" * 1_000])
def test_endless_head_is_refused(app: SlowApp, line: bytes) -> None:
    server = HttpServer("web", app, ["127.0.0.1:0"])
    server.start()
    with socket.create_connection(split_address(server.addresses[0]), timeout=5) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        answer = b""
        try:
            for _ in range(2_000):
                client.sendall(line)
            answer = client.recv(100)
        except OSError:
            pass
        assert not answer or answer.startswith(b"HTTP/1.1 400 ")
    assert not app.begun.is_set()
    server.stop(1)


def test_nothing_is_left_running(app: SlowApp, sink: RecordingConsumer) -> None:
    receiver = GrpcReceiver(sink)
    servers: list[HttpServer | GrpcServer] = [
        HttpServer("web", app, ["127.0.0.1:0"]),
        GrpcServer(receiver, "127.0.0.1:0"),
    ]
    for server in servers:
        server.start()
    for server in servers:
        server.stop(1)
    receiver.close()
    names = {"http-web", "otlp-grpc"}
    wait_for(lambda: not names & {thread.name for thread in threading.enumerate()})
