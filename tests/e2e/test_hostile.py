"""Whatever is sent, the process stays up, answers, and counts none of it."""

from __future__ import annotations

import errno
import gzip
import random
import socket
import struct
import zlib
from collections.abc import Iterator
from contextlib import closing

import grpc
import pytest
import requests
import zstandard

from tests.e2e.process import DEADLINE_S, Exporter, running, wait_for
from tests.e2e.wire import Span, call, traces
from tests.facts import Samples
from tests.spans import chat

LIMIT = 100_000
SERVICE = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
JSON = "application/json"
GOOD = traces(call(), service="good")
NOISE = random.Random(7).randbytes(5_000)
REJECTED = "llm_exporter_requests_rejected_total"
# What moves by itself: time, the number of series that count rejections, and connections, of which
# idle ones close.
OWN_PACE = ("llm_exporter_scrape_", "llm_exporter_series", "llm_exporter_connections")

Numbers = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """An exporter that has counted something, which nothing here may change."""
    config = {"decision_wait": "0s", "zero_hold": "0s", "otlp": {"max_request_bytes": f"{LIMIT}B"}}
    with running(tmp_path_factory.mktemp("hostile"), config=config) as started:
        started.send(traces(call(), service="before"))
        started.wait_until_settled()
        yield started


@pytest.fixture
def untouched(exporter: Exporter) -> Iterator[Exporter]:
    """The exporter, whose numbers must be the same afterwards, and which still takes calls."""
    before = numbers(exporter.metrics())
    yield exporter
    assert numbers(exporter.metrics()) == before
    assert exporter.process.poll() is None
    exporter.send(GOOD[:0])


def numbers(at: Samples) -> Numbers:
    """Every llm_ sample but the counters of rejections."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for name, samples in at.by_name.items()
        for sample in samples
        if name.startswith("llm_") and name != REJECTED and not name.startswith(OWN_PACE)
        # An empty request is a request: it took time.
        if not name.startswith("llm_exporter_ingest_duration")
    }


def nested_json(depth: int) -> bytes:
    return b'{"resourceSpans":' + b"[" * depth + b"]" * depth + b"}"


def nested_value(depth: int) -> bytes:
    """A span whose attribute is a list in a list in a list, in protobuf."""
    value = b""
    for _ in range(depth):
        inner = b"\x0a" + _varint(len(value)) + value
        value = b"\x2a" + _varint(len(inner)) + inner
    attribute = b"\x0a\x01a\x12" + _varint(len(value)) + value
    span = b"\x4a" + _varint(len(attribute)) + attribute
    for _ in range(3):
        span = (b"\x12" if _ < 2 else b"\x0a") + _varint(len(span)) + span
    return span


BOMB = b"\0" * (50 * LIMIT)
REFUSED: dict[str, tuple[int, str, dict[str, str], bytes]] = {
    "random": (400, "malformed", {}, NOISE),
    "random JSON": (400, "malformed", {"Content-Type": JSON}, NOISE),
    "cut": (400, "malformed", {}, GOOD[:-5]),
    "text": (400, "malformed", {}, b"hello"),
    "JSON as protobuf": (400, "malformed", {}, b'{"resourceSpans":[]}'),
    "protobuf as JSON": (400, "malformed", {"Content-Type": JSON}, GOOD),
    "a list": (400, "malformed", {"Content-Type": JSON}, b"[]"),
    "no list of groups": (400, "malformed", {"Content-Type": JSON}, b'{"resourceSpans":{}}'),
    "many values": (
        400,
        "malformed",
        {"Content-Type": JSON},
        b'{"resourceSpans":[' + b"{}," * 30_000 + b"{}]}",
    ),
    "deep JSON": (400, "malformed", {"Content-Type": JSON}, nested_json(40_000)),
    "not UTF-8": (400, "malformed", {"Content-Type": JSON}, b'{"resourceSpans":"\xff\xfe"}'),
    "large": (413, "too_large", {}, b"\0" * (LIMIT + 1)),
    "gzip bomb": (413, "too_large", {"Content-Encoding": "gzip"}, gzip.compress(BOMB)),
    "deflate bomb": (413, "too_large", {"Content-Encoding": "deflate"}, zlib.compress(BOMB)),
    "zstd bomb": (413, "too_large", {"Content-Encoding": "zstd"}, zstandard.compress(BOMB)),
    "not gzip": (400, "malformed", {"Content-Encoding": "gzip"}, GOOD),
    "cut gzip": (400, "malformed", {"Content-Encoding": "gzip"}, gzip.compress(GOOD)[:-9]),
    "not zstd": (400, "malformed", {"Content-Encoding": "zstd"}, NOISE),
    "unknown coding": (415, "unsupported_encoding", {"Content-Encoding": "br"}, GOOD),
    "unknown type": (415, "unsupported_media_type", {"Content-Type": "text/plain"}, GOOD),
    "no type": (415, "unsupported_media_type", {"Content-Type": ""}, GOOD),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bodies_over_http(untouched: Exporter, name: str) -> None:
    status, reason, headers, body = REFUSED[name]
    before = untouched.metrics().total(REJECTED, source="otlp_http", reason=reason)
    answer = requests.post(
        f"{untouched.http}/v1/traces",
        data=body,
        headers={"Content-Type": "application/x-protobuf", **headers},
        timeout=DEADLINE_S,
    )
    assert answer.status_code == status, answer.text
    at = untouched.metrics()
    assert at.total(REJECTED, source="otlp_http", reason=reason) == before + 1


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [("GET", "/v1/traces", 405, "method"), ("POST", "/v1/trace", 404, "path")],
)
def test_requests_that_are_no_exports(
    untouched: Exporter, method: str, path: str, status: int, reason: str
) -> None:
    before = untouched.metrics().total(REJECTED, reason=reason)
    answer = requests.request(method, untouched.http + path, data=GOOD, timeout=DEADLINE_S)
    assert answer.status_code == status
    assert untouched.metrics().total(REJECTED, reason=reason) == before + 1


HEAD = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
RAW = {
    "noise": NOISE,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + NOISE[:500],
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + NOISE[:50],
    "two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 900\r\n\r\nhello",
    "negative length": HEAD + b"Content-Length: -1\r\n\r\n",
    "absurd length": HEAD + b"Content-Length: 99999999999999999999\r\n\r\nhello",
    "broken chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nhello\r\n0\r\n\r\n",
    "length and chunks": HEAD
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "endless header": b"GET / HTTP/1.1\r\nX: " + b"a" * 300_000,
    "many headers": b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 50_000,
    "left in the middle": HEAD + b"Content-Length: 5000\r\n\r\nhello",
    "nothing": b"",
}


@pytest.mark.parametrize("port", ["http", "web", "grpc"])
@pytest.mark.parametrize("name", RAW)
def test_bytes_on_any_port(untouched: Exporter, name: str, port: str) -> None:
    host, _, number = getattr(untouched, port).removeprefix("http://").rpartition(":")
    with closing(socket.create_connection((host, int(number)), timeout=DEADLINE_S)) as connection:
        try:
            connection.sendall(RAW[name])
            connection.shutdown(socket.SHUT_WR)
            answer = _everything(connection)
        except OSError as error:
            # It hung up before everything was sent, which is an answer too; silence is none.
            if error.errno in {errno.ECONNRESET, errno.ENOTCONN, errno.EPIPE}:
                return
            raise
    assert b" 200 " not in answer.split(b"\r\n", 1)[0]
    assert b" 500 " not in answer.split(b"\r\n", 1)[0]


def test_a_client_that_resets_the_connection(untouched: Exporter) -> None:
    before = untouched.metrics().total(REJECTED, reason="aborted")
    host, _, number = untouched.http.removeprefix("http://").rpartition(":")
    connection = socket.create_connection((host, int(number)), timeout=DEADLINE_S)
    connection.sendall(HEAD + b"Content-Length: 5000\r\n\r\nhello")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    wait_for(
        lambda: untouched.metrics().total(REJECTED, reason="aborted") == before + 1, "the count"
    )


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        (NOISE, grpc.StatusCode.INVALID_ARGUMENT, "malformed"),
        (GOOD[:-5], grpc.StatusCode.INVALID_ARGUMENT, "malformed"),
        (b"\0" * (LIMIT + 1), grpc.StatusCode.RESOURCE_EXHAUSTED, "too_large"),
    ],
    ids=["random", "cut", "large"],
)
@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_bodies_over_grpc(
    untouched: Exporter,
    body: bytes,
    code: grpc.StatusCode,
    reason: str,
    compression: grpc.Compression,
) -> None:
    before = untouched.metrics().total(REJECTED, source="otlp_grpc", reason=reason)
    assert _call(untouched, SERVICE, body, compression) is code

    def is_counted() -> bool:
        now = untouched.metrics().total(REJECTED, source="otlp_grpc", reason=reason)
        return now == before + 1

    # The library answers for itself what is too large, before the server hears of it.
    wait_for(is_counted, "the count")


def test_unknown_grpc_methods(untouched: Exporter) -> None:
    for method in ("/shop.Service/Do", SERVICE + "All", "/" + "x" * 5_000):
        assert _call(untouched, method, GOOD) is grpc.StatusCode.UNIMPLEMENTED


def test_deep_values_in_protobuf(exporter: Exporter) -> None:
    """Whether they are refused or skipped, nothing is counted and nothing breaks."""
    calls = exporter.metrics().total("llm_requests_total")
    assert exporter.post(nested_value(5_000)).status_code in {200, 400}
    assert exporter.metrics().total("llm_requests_total") == calls


IMPOSSIBLE = {
    "negative": chat((-1, 5)),
    "absurd": chat((2**62, 5)),
    "absurd text": {**chat(), "gen_ai.usage.input_tokens": "9" * 400},
}
UNREADABLE = {
    "not a number": chat((float("nan"), 5)),  # type: ignore[arg-type]
    "infinite": chat((float("inf"), 5)),  # type: ignore[arg-type]
    "cost": chat((0, 5), gen_ai__usage__cost=-1.0),
}


def test_one_impossible_span_spoils_no_other(exporter: Exporter) -> None:
    before = exporter.metrics()
    spans = [Span(attrs) for attrs in (*IMPOSSIBLE.values(), *UNREADABLE.values())]
    answer = exporter.post(traces(*spans, call((10, 5)), service="mixed"))
    assert answer.status_code == 200
    at = exporter.wait_until_settled()
    read = len(UNREADABLE) + 1
    assert at.by("llm_requests_total", "outcome", service="mixed") == {"ok": read}
    assert at.by("llm_tokens_total", "type", service="mixed") == {"input": 10, "output": 5 * 4}
    for name, of, n in (
        ("llm_exporter_discarded_total", {"reason": "invalid"}, len(IMPOSSIBLE)),
        ("llm_exporter_unreadable_numbers_total", {}, len(UNREADABLE)),
    ):
        assert at.total(name, **of) - before.total(name, **of) == n, name


def test_it_still_counts(exporter: Exporter) -> None:
    exporter.send(GOOD)
    at = exporter.wait_until_settled()
    assert at.total("llm_requests_total", service="good") == 1
    assert at.total("llm_requests_total", service="before") == 1
    assert "level=error" not in exporter.own_log


def _call(
    exporter: Exporter,
    method: str,
    body: bytes,
    compression: grpc.Compression = grpc.Compression.NoCompression,
) -> grpc.StatusCode:
    """Call with bytes as they are; the status code."""
    with grpc.insecure_channel(exporter.grpc) as channel:
        export = channel.unary_unary(method, _as_is, _as_is)
        try:
            export(body, timeout=DEADLINE_S, compression=compression)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code
        return grpc.StatusCode.OK


def _as_is(content: bytes) -> bytes:
    return content


def _everything(connection: socket.socket) -> bytes:
    parts: list[bytes] = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def _varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])
