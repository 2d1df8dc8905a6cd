"""More than anyone should send, against the real process: bounded, exact, and others unharmed."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import grpc
import pytest
import requests
import zstandard
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.e2e.process import DEADLINE_S, OPENMETRICS, Exporter, running
from tests.e2e.wire import Span, any_value, traces
from tests.facts import Samples
from tests.long.budget import rounds
from tests.long.bystander import SERVICE, Bystander, resident_mb
from tests.spans import START_NS, chat

pytestmark = [pytest.mark.long, pytest.mark.alone]

MB = 1024 * 1024
MAX_REQUEST = 32 * MB
MEMORY_MB = 1_200
"""Four bodies of the largest size, what they decode to, and what is remembered."""
PROTOBUF = {"Content-Type": "application/x-protobuf"}
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """One process for all of it, with the limits as they come."""
    config = {"decision_wait": "500ms", "zero_hold": "0s"}
    with running(tmp_path_factory.mktemp("volumes"), config=config) as started:
        yield started


@pytest.fixture
def beset(exporter: Exporter) -> Iterator[Exporter]:
    """The exporter, while a bystander uses it; its memory stays within bounds."""
    with Bystander(exporter):
        yield exporter
    assert resident_mb(exporter) < MEMORY_MB


def post(exporter: Exporter, body: Any, **headers: str) -> int:
    """The status of one request; 0 where the connection ended first."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        answer = requests.post(
            f"{exporter.http}/v1/traces", data=body, headers=PROTOBUF | named, timeout=120
        )
    except requests.ConnectionError:
        return 0
    return answer.status_code


def at_once(work: Callable[[], int], times: int = 6) -> set[int]:
    """What several calls at one time gave."""
    with ThreadPoolExecutor(times) as pool:
        return {found.result() for found in [pool.submit(work) for _ in range(times)]}


def counted(exporter: Exporter, service: str, name: str = "llm_requests_total") -> float:
    """What was counted for a service, when nothing waits."""
    end = time.monotonic() + 180
    while True:
        at = exporter.metrics()
        # The bystander's calls always wait.
        found, waiting = at.total(name, service=service), at.total("llm_exporter_pending_calls")
        if waiting < 200 or time.monotonic() > end:
            time.sleep(1.5)
            return max(found, exporter.metrics().total(name, service=service))
        time.sleep(0.2)


def zeros(size: int) -> Iterator[bytes]:
    """That many bytes, in chunks: without a length in front."""
    for _ in range(size // MB):
        yield b"\0" * MB


def deflated(wbits: int) -> bytes:
    """Half a gigabyte of zeros."""
    packer = zlib.compressobj(1, zlib.DEFLATED, wbits)
    return b"".join(map(packer.compress, zeros(512 * MB))) + packer.flush()


BOMBS: dict[str, Callable[[], bytes]] = {
    "gzip": lambda: deflated(31),
    "deflate": lambda: deflated(15),
    "zstd": lambda: zstandard.compress(b"\0" * (512 * MB)),
}


@pytest.mark.parametrize("encoding", BOMBS)
def test_bombs(beset: Exporter, encoding: str) -> None:
    body = BOMBS[encoding]()
    assert at_once(lambda: post(beset, body, Content_Encoding=encoding)) <= {413, 503}
    many = body if encoding != "gzip" else body * 4
    assert post(beset, many, Content_Encoding=encoding) == 413


def test_a_bomb_over_grpc(beset: Exporter) -> None:
    with grpc.insecure_channel(beset.grpc) as channel:
        export = channel.unary_unary(EXPORT, bytes, bytes)
        with pytest.raises(grpc.RpcError) as refused:
            export(b"\0" * (100 * MB), compression=grpc.Compression.Gzip, timeout=DEADLINE_S)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_requests_of_100_mb(beset: Exporter) -> None:
    whole = b"\0" * (100 * MB)
    # A client that goes on sending after the answer may find the connection closed.
    assert at_once(lambda: post(beset, whole), 4) <= {413, 503, 0}
    assert at_once(lambda: post(beset, zeros(100 * MB)), 4) <= {413, 503, 0}


def test_ten_thousand_attributes_a_span(beset: Exporter) -> None:
    strange = {f"k{number}": "v" for number in range(10_000)}
    filed = {f"evaluations.{n}.evaluation.label": "x" for n in range(9_999)}
    spans = [Span(chat((10, 5)) | strange)] * 20 + [Span(chat((10, 5)) | filed)] * 5
    beset.send(traces(*spans, service="wide"))
    assert counted(beset, "wide") == 25


def test_one_key_ten_thousand_times(beset: Exporter) -> None:
    message = ExportTraceServiceRequest.FromString(traces(Span(chat((10, 5))), service="again"))
    span = message.resource_spans[0].scope_spans[0].spans[0]
    for number in range(10_000):
        span.attributes.add(key="gen_ai.usage.input_tokens").value.int_value = number
    beset.send(message.SerializeToString())
    counted(beset, "again")
    at = beset.metrics()
    assert at.by("llm_tokens_total", "type", service="again") == {"input": 9_999, "output": 5}


@pytest.mark.parametrize("depth", [30, 90, 400, 5_000])
def test_deep_values_that_are_read(beset: Exporter, depth: int) -> None:
    value = any_value("stop").SerializeToString()
    for _ in range(depth):
        inner = _field(0x0A, value)
        value = _field(0x2A, inner)
    attribute = _field(0x0A, b"gen_ai.response.finish_reasons") + _field(0x12, value)
    call = ExportTraceServiceRequest.FromString(traces(Span(chat((10, 5))), service=f"deep{depth}"))
    span = call.resource_spans[0].scope_spans[0].spans[0].SerializeToString()
    scope = _field(0x12, span + _field(0x4A, attribute))
    resource = call.resource_spans[0].resource.SerializeToString()
    body = _field(0x0A, _field(0x0A, resource) + _field(0x12, scope))
    status = post(beset, body)
    assert status in {200, 400}
    assert counted(beset, f"deep{depth}") == (status == 200)


def test_names_without_end(beset: Exporter) -> None:
    """Every call is counted, under its name or under `other`; up to a million names."""
    names = min(1_000_000, rounds(60_000))
    batch = 1_000
    for first in range(0, names, batch):
        spans = [
            Span(
                chat(
                    (10, 5),
                    gen_ai__request__model=f"m{number}",
                    gen_ai__response__model=f"m{number}",
                )
            )
            for number in range(first, first + batch)
        ]
        body = traces(*spans, service="names")
        while (status := post(beset, body)) != 200:
            assert status == 503
            time.sleep(0.2)
    assert counted(beset, "names") == names
    at = beset.metrics()
    assert at.total("llm_tokens_total", service="names") == names * 15
    assert len(at.by("llm_requests_total", "model", service="names")) <= 1_000
    assert at.by("llm_requests_total", "model", service="names")["other"] > names / 2


NASTY = (
    'a"b', "a\\", "a\nb", 'x"} 1\nllm_requests_total{service="fake"} 1e9', "a\rb", "\0", "\x1b[31m",
    "\x7f\x80\x9f", "\u2028\u202e", "\ufeff", "\ud7ff\ue000", "é" * 5_000, "{}", "# EOF", "{{x}}",
    " ", "\N{PILE OF POO}" * 300, "NaN", '\\"', "a,b=\"c\"",
)  # fmt: skip


def test_no_text_breaks_the_page(beset: Exporter) -> None:
    for number, nasty in enumerate(NASTY):
        attrs = chat(
            (10, 5),
            gen_ai__provider__name=nasty,
            gen_ai__request__model=nasty,
            gen_ai__response__model=nasty,
            error__type=nasty if number % 2 else "",
            feature=nasty,
            team=nasty,
        )
        tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": nasty}
        judged = {
            "gen_ai.operation.name": "evaluation",
            "gen_ai.evaluation.name": nasty,
            "gen_ai.evaluation.score.label": nasty,
        }
        body = traces(Span(attrs, name=nasty), Span(tool), Span(judged), service=f"nasty{nasty}")
        beset.send(body)
        # The same with bytes that are not UTF-8, where the text stood.
        if not nasty.isascii():
            wrong = body.replace(nasty.encode()[:2], b"\xff\xfe")
            assert post(beset, wrong) == 200
    counted(beset, "x")
    page = requests.get(
        f"{beset.web}/metrics", headers={"Accept": OPENMETRICS}, timeout=DEADLINE_S
    ).content.decode("utf-8")
    assert len(list(text_string_to_metric_families(page))) > 50  # type: ignore[no-untyped-call]
    at = Samples(beset.get("/metrics").text)
    assert at.total("llm_requests_total", service="fake") == 0
    services = at.by("llm_requests_total", "service")
    assert sum(n for s, n in services.items() if s.startswith("nasty")) >= len(NASTY)
    assert all(ord(c) >= 32 for s in services for c in s)
    checked = subprocess.run(
        ["promtool", "check", "metrics"],
        input=beset.get("/metrics").content,
        capture_output=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr[:3000]


def _chain(spans: int, *, cycle: bool) -> bytes:
    """Calls each beneath the one before; the first beneath the last, or beneath nothing."""
    body = ExportTraceServiceRequest.FromString(traces(Span(chat((10, 5))), service="chain"))
    scoped = body.resource_spans[0].scope_spans[0]
    first = scoped.spans[0]
    first.trace_id = b"cycle cycle cycl" if cycle else b"chain chain chai"
    first.span_id = (1).to_bytes(8, "big")
    for number in range(2, spans + 1):
        span = scoped.spans.add()
        span.CopyFrom(first)
        span.span_id = number.to_bytes(8, "big")
        span.parent_span_id = (number - 1).to_bytes(8, "big")
    if cycle:
        first.parent_span_id = spans.to_bytes(8, "big")
    return body.SerializeToString()


@pytest.mark.parametrize("cycle", [False, True])
@pytest.mark.parametrize("spans", [2, 3, 20_000])
def test_deep_and_endless_parents(beset: Exporter, spans: int, cycle: bool) -> None:
    beset.send(_chain(spans, cycle=cycle))
    discarded = "llm_exporter_discarded_total"
    assert counted(beset, "chain") + beset.metrics().total(discarded) >= spans


def test_one_trace_of_fifty_thousand(beset: Exporter) -> None:
    body = ExportTraceServiceRequest.FromString(traces(Span(chat((10, 5))), service="flat"))
    scoped = body.resource_spans[0].scope_spans[0]
    for number in range(2, 50_001):
        span = scoped.spans.add()
        span.CopyFrom(scoped.spans[0])
        span.span_id = number.to_bytes(8, "little")
        span.parent_span_id = b"unknown!"
    started_s = time.monotonic()
    beset.send(body.SerializeToString())
    assert counted(beset, "flat") == 50_000
    assert time.monotonic() - started_s < 90


def test_two_reporters_of_very_many(beset: Exporter) -> None:
    """Everything may be a copy of everything: no time that grows with the square."""
    calls = 20_000
    started_s = time.monotonic()
    for scope in ("framework", "sdk"):
        span = ExportTraceServiceRequest.FromString(
            traces(Span(chat((10, 5))), service="twice", scope=scope)
        )
        scoped = span.resource_spans[0].scope_spans[0]
        for number in range(1, calls):
            added = scoped.spans.add()
            added.CopyFrom(scoped.spans[0])
            added.span_id = number.to_bytes(8, "little")
            added.trace_id = scope[:1].encode() * 8 + number.to_bytes(8, "little")
            added.start_time_unix_nano = START_NS + number
            added.end_time_unix_nano = START_NS + 60_000_000_000 + number
        beset.send(span.SerializeToString())
    assert calls <= counted(beset, "twice") <= 2 * calls
    assert time.monotonic() - started_s < 120


def test_slow_silent_and_many_clients(beset: Exporter) -> None:
    host, _, port = beset.http.removeprefix("http://").rpartition(":")
    head = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
    with ExitStack() as stack:
        silent = [
            stack.enter_context(closing(socket.create_connection((host, int(port)), timeout=10)))
            for _ in range(400)
        ]
        slow = silent[:30]
        for connection in slow:
            connection.sendall(head + b"Content-Length: 100000\r\n\r\n")
        for connection in silent[30:60]:
            connection.sendall(head[:20])
        end = time.monotonic() + 8
        while time.monotonic() < end:
            for connection in slow:
                try:
                    connection.send(b"\0")
                except OSError:
                    continue
            time.sleep(0.2)
    assert post(beset, traces(Span(chat()), service=SERVICE + "2")) == 200


def test_more_at_once_than_is_allowed(beset: Exporter) -> None:
    """Those beyond the limit are asked to come again; none is counted in part."""
    body = traces(*[Span(chat((10, 5)))] * 200, service="crowd")
    fresh = threading.Lock()
    statuses: list[int] = []

    def send(number: int) -> None:
        own = ExportTraceServiceRequest.FromString(body)
        for at, span in enumerate(own.resource_spans[0].scope_spans[0].spans):
            span.trace_id = number.to_bytes(8, "big") + b"crowd" + bytes(3)
            span.span_id = (at + 1).to_bytes(8, "big")
        status = post(beset, own.SerializeToString())
        with fresh:
            statuses.append(status)

    with ThreadPoolExecutor(100) as pool:
        list(pool.map(send, range(1, 201)))
    assert set(statuses) <= {200, 503}
    assert counted(beset, "crowd") == statuses.count(200) * 200


def _field(tag: int, content: bytes) -> bytes:
    size, out = len(content), bytes([tag])
    while size > 0x7F:
        out += bytes([size & 0x7F | 0x80])
        size >>= 7
    return out + bytes([size]) + content
