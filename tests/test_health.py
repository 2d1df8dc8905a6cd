"""`healthcheck` against servers that are well, ill, late and absent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from llm_trace_exporter.cli.main import main


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        # /late answers well from the second time on.
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        times = self.server.asked.count("/late")  # type: ignore[attr-defined]
        self.send_response(200 if self.path == "/ready?full=1" or times > 1 else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answers) as http:
        http.asked = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_well(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    targets = (f"http://{server}/ready?full=1", f"tcp://{server}")
    assert main(["healthcheck", *targets]) == 0
    assert capsys.readouterr().out == "".join(f"{target}: well\n" for target in targets)


def test_ill(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["healthcheck", f"tcp://{server}", f"http://{server}/"]) == 1
    assert f"http://{server}/: answered 503" in capsys.readouterr().err


def test_late(server: str) -> None:
    assert main(["healthcheck", "--wait=20s", f"http://{server}/late"]) == 0


def test_absent(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        target = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        assert main(["healthcheck", target]) == 1
    assert f"{target}: " in capsys.readouterr().err


def test_not_http(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert main(["healthcheck", "--timeout=100ms", target]) == 1
    assert "timed out" in capsys.readouterr().err


@pytest.mark.parametrize(
    "target", ["localhost:9891", "ftp://a/", "tcp://a", "http://", "http://u:p@a/", "http://a:b/"]
)
def test_targets_that_are_none(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["healthcheck", "tcp://127.0.0.1:1", target]) == 1
    assert "allowed: http://host:port/path" in capsys.readouterr().err


def test_authorities_that_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["healthcheck", "--ca-file=/nowhere/ca.crt", "https://a/"]) == 1
    assert "--ca-file /nowhere/ca.crt: " in capsys.readouterr().err
