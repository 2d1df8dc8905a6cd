"""The process: how it starts, what it answers, how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests
import yaml

from tests.e2e.process import DEADLINE_S, Exporter, run, running, wait_for
from tests.e2e.wire import call, traces

LONG_REPLAY = 10_000
PATIENT = ("--decision-wait=10m", "--zero-hold=0s")


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """An exporter that tests look at and send to, but do not end."""
    with running(
        tmp_path_factory.mktemp("process"), "--decision-wait=0s", "--zero-hold=0s"
    ) as started:
        yield started


def test_every_limit_is_shown_beside_what_is_used(exporter: Exporter) -> None:
    samples = exporter.metrics().by_name
    limits = [name for name in samples if name.startswith("llm_exporter_") and "_limit" in name]
    assert len(limits) == 8
    for name in limits:
        assert all(sample.value > 0 for sample in samples[name])
        used = samples.get(name.removesuffix("_limit"))
        if name != "llm_exporter_request_bytes_limit":
            assert used is not None
            shown = [s.labels for s in samples[name]]
            if name == "llm_exporter_connections_limit":
                # gRPC does not tell how many it has.
                shown = [labels for labels in shown if labels["source"] != "otlp_grpc"]
            assert [s.labels for s in used] == shown


def test_an_interrupt_ends_it_with_success(tmp_path: Path) -> None:
    with running(tmp_path, "--log.format=json", "--log.level=debug") as exporter:
        exporter.signal(signal.SIGINT)
        assert exporter.ended() == 0
        assert exporter.output == ""
        lines = [json.loads(line) for line in exporter.log.splitlines()]
    assert "SIGINT: draining" in [line["msg"] for line in lines]
    assert all({"ts", "level", "component", "msg"} <= set(line) for line in lines)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_a_long_replay(tmp_path: Path, number: signal.Signals) -> None:
    """What is left of it is not waited for: every other file would be told as passed over."""
    good, bad, files = tmp_path / "good", tmp_path / "bad", tmp_path / "files"
    good.write_bytes(traces(call()))
    bad.write_bytes(b"{}")
    files.mkdir()
    for n in range(LONG_REPLAY):
        os.link(good, files / f"{n:06}.a.traces.pb")
        os.link(bad, files / f"{n:06}.b.traces.json")
    with running(tmp_path / "exporter", f"--replay={files}") as exporter:
        exporter.signal(number)
        assert exporter.ended() == 0
        assert f"{number.name}: draining" in exporter.log
        assert exporter.log.count("passed over") < LONG_REPLAY


def test_a_request_under_way_is_finished(tmp_path: Path) -> None:
    with running(tmp_path, *PATIENT) as exporter:
        body = traces(call())
        with closing(_connection(exporter.http)) as sender:
            sender.sendall(_head(body, "/v1/traces") + body[:10])
            # What came later is answered: the one before has been seen.
            assert requests.get(exporter.http, timeout=DEADLINE_S).status_code == 404
            exporter.signal(signal.SIGTERM)
            wait_for(lambda: exporter.get("/-/ready").status_code == 503, "not ready any more")
            assert exporter.get("/-/ready").text == "draining\n"
            assert exporter.get("/-/healthy").status_code == 200
            wait_for(lambda: _refuses(exporter.http), "OTLP/HTTP closed")
            assert exporter.get("/metrics").status_code == 200
            sender.sendall(body[10:])
            assert _answer(sender).startswith(b"HTTP/1.1 200 ")
        assert exporter.ended() == 0


def test_what_waits_is_counted_before_the_end(tmp_path: Path) -> None:
    """The last scrape that was under way shows it.

    Reading the configuration from a pipe keeps the worker thread busy that also renders single
    families, so a scrape that was asked for before the end is answered after all was counted.
    """
    file = tmp_path / "config.pipe"
    os.mkfifo(file)
    feed = threading.Thread(target=file.write_text, args=("zero_hold: 0s",))
    feed.start()
    with running(tmp_path, f"--config.file={file}") as exporter:
        feed.join(DEADLINE_S)
        exporter.send(traces(call((10, 5))))
        assert exporter.metrics().total("llm_exporter_pending_calls") == 1
        reload = _connection(exporter.web)
        reload.sendall(_head(b"", "/-/reload"))
        writer = wait_for(lambda: _writer(file), "the file is being read")
        with closing(_connection(exporter.web)) as scrape:
            asked = "name[]=llm_tokens_total&name[]=llm_exporter_pending_calls"
            scrape.sendall(f"GET /metrics?{asked} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            # What came later is answered, by no worker: the scrape has been seen.
            assert exporter.get("/-/healthy").status_code == 200
            exporter.signal(signal.SIGTERM)
            wait_for(lambda: _refuses(exporter.web), "the metrics listener closed")
            # A configuration that cannot be used changes nothing.
            os.write(writer, b"nonsense: 1")
            os.close(writer)
            page = _answer(scrape).decode()
        reload.close()
        assert exporter.ended() == 0
    assert re.search(r'^llm_tokens_total\{.*type="input".*\} 10\.0$', page, re.MULTILINE)
    assert re.search(r"^llm_exporter_pending_calls 0\.0$", page, re.MULTILINE)


@pytest.mark.parametrize("listener", ["web", "otlp.http", "otlp.grpc"])
def test_an_address_in_use_is_told(exporter: Exporter, listener: str) -> None:
    taken = {"web": exporter.web, "otlp.http": exporter.http, "otlp.grpc": exporter.grpc}[listener]
    address = taken.removeprefix("http://")
    given = dict.fromkeys(("web", "otlp.http", "otlp.grpc"), "127.0.0.1:0")
    given[listener] = address
    arguments = [f"--{name}.listen-address={at}" for name, at in given.items()]
    output, errors = run("serve", *arguments, code=1)
    assert output == ""
    (line,) = [text for text in errors.splitlines() if text.startswith("llm-trace-exporter: ")]
    assert (
        f"{listener.replace('.', '-')} cannot listen on {address}: Address already in use" in line
    )
    assert "listening for" not in errors


def test_switched_off_listeners(tmp_path: Path) -> None:
    arguments = ["--web.listen-address=127.0.0.1:0", "--otlp.grpc.listen-address="]
    with running(tmp_path, *arguments, listeners=2) as exporter:
        assert "gRPC" not in exporter.log
        assert exporter.get("/-/ready").text == "Ready\n"


def test_probes(exporter: Exporter) -> None:
    assert exporter.get("/-/healthy").text == "Healthy\n"
    assert exporter.get("/-/ready").text == "Ready\n"
    assert exporter.get("/-/reload").status_code == 405
    assert requests.post(f"{exporter.web}/metrics", timeout=DEADLINE_S).status_code == 405
    assert exporter.get("/nothing").status_code == 404


def test_the_landing_page_shows_numbers(exporter: Exporter) -> None:
    def taken_in() -> int:
        page = exporter.get("/").text
        assert exporter.web.removeprefix("http://") in page
        assert exporter.grpc in page
        (number,) = re.findall(r"<b>([\d,]+)</b> spans and log records taken in", page)
        return int(number.replace(",", ""))

    before = taken_in()
    exporter.send(traces(*[call() for _ in range(1234)], service="landing"))
    assert taken_in() == before + 1234


def test_the_configuration_it_shows_can_be_used(exporter: Exporter, tmp_path: Path) -> None:
    shown = exporter.get("/config").text
    assert yaml.safe_load(shown)["decision_wait"] in {"0s", 0}
    file = tmp_path / "shown.yml"
    file.write_text(shown)
    assert run("check", str(file))[0] == f"{file}: configuration is valid\n"
    with running(tmp_path / "again", f"--config.file={file}") as again:
        assert again.get("/config").text == shown
        # Two at once count apart.
        again.send(traces(call(), service="apart"))
        assert again.wait_until_settled().total("llm_requests_total", service="apart") == 1
        assert exporter.metrics().total("llm_requests_total", service="apart") == 0


@pytest.mark.parametrize(
    "argument",
    [
        "--nope",
        "--log.level=loud",
        "--decision-wait=soon",
        "--decision-wait=10",
        "--zero-hold=5x",
        "--decision-wait=99h",
    ],
)
def test_what_the_command_line_cannot_mean(argument: str) -> None:
    output, errors = run("serve", "--config.check", argument, code=2)
    assert output == ""
    assert argument.partition("=")[0] in errors


def test_check_of_a_good_configuration(tmp_path: Path) -> None:
    file = tmp_path / "good.yml"
    file.write_text("decision_wait: 5s\n")
    checked = run("serve", "--config.check", f"--config.file={file}")
    assert checked == (f"{file}: configuration is valid\n", "")


BAD = """\
decision_wiat: 5s
zero_hold: soon
labels:
  caps: {model: -1}
pricing:
  contracts:
    - {provider: openai, usd_per_million_tokens: {inptu: 1}}
"""


@pytest.mark.parametrize("arguments", [["check"], ["serve", "--config.check", "--config.file"]])
def test_check_of_a_bad_configuration_tells_everything_at_once(
    tmp_path: Path, arguments: list[str]
) -> None:
    file = tmp_path / "bad.yml"
    file.write_text(BAD)
    output, errors = run(*arguments, str(file), code=2)
    assert output == ""
    for line, words in {
        1: ("decision_wiat", "decision_wait"),
        2: ("zero_hold", "soon"),
        4: ("labels.caps.model", "-1"),
        7: ("inptu", "did you mean", "input"),
    }.items():
        (told,) = {t for t in errors.splitlines() if f"{file}:{line}: " in t and words[0] in t}
        assert all(word in told for word in words)


def test_an_unusable_configuration_does_not_start(tmp_path: Path) -> None:
    _, errors = run("serve", f"--config.file={tmp_path / 'absent.yml'}", code=2)
    assert "absent.yml: cannot be read: No such file or directory" in errors
    assert "listening for" not in errors


def _connection(base: str) -> socket.socket:
    host, _, port = base.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=DEADLINE_S)


def _refuses(base: str) -> bool:
    try:
        _connection(base).close()
    except ConnectionError:
        return True
    return False


def _head(body: bytes, path: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()


def _answer(connection: socket.socket) -> bytes:
    """Everything until the other side closes the connection."""
    parts: list[bytes] = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def _writer(pipe: Path) -> int | None:
    """Open a pipe that somebody reads; None while nobody does."""
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None
