"""Strangers on all three ports of a real process: nobody else may notice.

Two thousand connections are held on each port while a health check, a scrape and a gRPC probe are
each answered within a second and a sender beside them loses nothing.
"""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests

from tests.e2e.process import Exporter, running
from tests.e2e.wire import Span, traces
from tests.long.bystander import Bystander, resident_mb
from tests.server.certs import Authority
from tests.spans import chat
from tests.strangers import left, strangers

pytestmark = [pytest.mark.long, pytest.mark.alone]

NUMBER = 2_000
WITHIN_S = 1.0
HELD_S = 20.0
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""The beginning of a TLS handshake."""
SLOW_BODY = (
    b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
    b"Content-Length: 1000000\r\n\r\n\x0a"
)


@pytest.fixture(scope="module", autouse=True)
def many_files() -> Iterator[None]:
    """This process holds the other ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4 * NUMBER:
        pytest.skip(f"{hard} files are too few to be {3 * NUMBER} strangers")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def probe(exporter: Exporter) -> None:
    """As a kubelet does: over a connection of its own."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(exporter.grpc, options=options) as channel:
        check = _untyped(channel).unary_unary("/grpc.health.v1.Health/Check")
        assert check(b"", timeout=WITHIN_S) == b"\x08\x01"


def asks(exporter: Exporter) -> dict[str, Callable[[], object]]:
    def get(path: str) -> None:
        assert requests.get(exporter.web + path, timeout=WITHIN_S).status_code == 200

    return {
        "scrape": lambda: get("/metrics"),
        "health": lambda: get("/-/healthy"),
        "readiness": lambda: get("/-/ready"),
        "grpc": lambda: probe(exporter),
    }


@contextmanager
def undisturbed(exporter: Exporter, held_s: float = HELD_S) -> Iterator[None]:
    """After the block has begun its mischief, everything is answered in time for a while."""
    with Bystander(exporter):
        yield
        end_s = time.monotonic() + held_s
        while time.monotonic() < end_s:
            for name, ask in asks(exporter).items():
                begun_s = time.monotonic()
                ask()
                assert time.monotonic() - begun_s < WITHIN_S, name
            time.sleep(0.1)


@pytest.mark.parametrize("files", [4_096, 20_000])
def test_silent_connections_on_each_port(tmp_path: Path, files: int) -> None:
    limit = ("sh", "-c", f'ulimit -Sn 256; ulimit -Hn {files}; exec "$@"', "sh")
    with running(tmp_path, started_by=limit) as exporter, ExitStack() as held:
        with undisturbed(exporter):
            taken = [
                held.enter_context(strangers(where, NUMBER))
                for where in (port(exporter.web), port(exporter.http), exporter.grpc)
            ]
            assert left(taken[2]) == NUMBER  # as many as that fit, beside all others
        assert resident_mb(exporter) < 400
        # They have had their time.
        assert sum(map(left, taken)) == 0


def test_clients_that_speak_once_and_stay(tmp_path: Path) -> None:
    """Legal connections: kept alive after a request, and of HTTP/2 without one."""
    with running(tmp_path) as exporter, ExitStack() as held, undisturbed(exporter):
        ask = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
        held.enter_context(strangers(port(exporter.web), NUMBER, says=ask))
        held.enter_context(strangers(port(exporter.http), NUMBER, says=ask))
        held.enter_context(strangers(exporter.grpc, NUMBER, says=PREFACE + SETTINGS))


def test_handshakes_that_never_end(tmp_path: Path) -> None:
    authority = Authority()
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.cert)
    cert, key = authority.issue("localhost", "127.0.0.1").write(tmp_path, "server")
    web = tmp_path / "web.yml"
    web.write_text(f"tls_server_config: {{cert_file: {cert}, key_file: {key}}}\n")
    options = [f"--{name}.config.file={web}" for name in ("web", "otlp.http", "otlp.grpc")]
    with running(tmp_path, *options) as exporter, ExitStack() as held:
        taken = [
            held.enter_context(strangers(where, NUMBER, says=says))
            for where in (port(exporter.web), port(exporter.http), exporter.grpc)
            for says in (b"", HELLO)
        ]
        end_s = time.monotonic() + HELD_S
        while time.monotonic() < end_s:
            url = f"https://{port(exporter.web)}/-/healthy"
            assert requests.get(url, timeout=WITHIN_S, verify=str(ca)).status_code == 200
            time.sleep(0.1)
        assert sum(map(left, taken)) == 0


def test_bodies_that_come_slowly(tmp_path: Path) -> None:
    with running(tmp_path) as exporter, ExitStack() as held, undisturbed(exporter):
        slow = held.enter_context(strangers(port(exporter.http), 300, says=SLOW_BODY))
        method = _untyped(held.enter_context(grpc.insecure_channel(exporter.grpc))).stream_unary(
            EXPORT
        )
        never = threading.Event()
        held.callback(never.set)
        calls = [method.future(silence(never)) for _ in range(90)]
        end_s = time.monotonic() + 10
        while time.monotonic() < end_s:
            for connection in slow:
                with suppress(OSError):
                    connection.send(b"x")
            assert exporter.post(traces(Span(chat((1, 1))), service="other")).status_code == 200
            time.sleep(0.2)
        assert not any(call.done() and call.exception() is None for call in calls)


def test_readers_that_do_not_read(tmp_path: Path) -> None:
    ask = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 100
    with running(tmp_path) as exporter, ExitStack() as held:
        names = [Span(chat((1, 1)) | {"gen_ai.request.model": f"model-{n}"}) for n in range(200)]
        exporter.send(traces(*names))
        before_mb = resident_mb(exporter)
        with undisturbed(exporter, 40):
            slow = held.enter_context(strangers(port(exporter.web), 300, says=ask, window=4_096))
        assert resident_mb(exporter) < before_mb + 150
        # They have had their time; what the system holds of an answer they may still read.
        assert exporter.metrics().total("llm_exporter_connections", source="web") < 20
        assert slow


def port(base: str) -> str:
    return base.removeprefix("http://")


def silence(never: threading.Event) -> Iterator[bytes]:
    never.wait(120)
    yield b""


def _untyped(channel: Any) -> Any:
    """A channel whose messages are bytes, which its types do not know."""
    return channel
