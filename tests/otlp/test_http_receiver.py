"""OTLP/HTTP over real sockets: every answer the specification names."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import zstandard
from google.protobuf import json_format
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from llm_trace_exporter.errors import Overloaded
from tests.otlp import payloads
from tests.otlp.conftest import LIMIT, MAX_REQUESTS, RecordingConsumer, wait_for

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


def post(
    address: str,
    body: Any,
    path: str = "/v1/traces",
    content_type: str | None = PROTOBUF,
    **headers: str,
) -> requests.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type:
        sent["Content-Type"] = content_type
    return requests.post(f"http://{address}{path}", data=body, headers=sent, timeout=10)


def error_of(response: requests.Response) -> Status:
    """The google.rpc.Status of an answer, in the media type that it names."""
    assert response.headers["Content-Type"] in (PROTOBUF, JSON)
    if response.headers["Content-Type"] == JSON:
        return json_format.ParseDict(response.json(), Status())
    return Status.FromString(response.content)


@pytest.mark.parametrize("signal", payloads.BODIES)
@pytest.mark.parametrize("prefix", ["", "/api/public/otel", "/otel"])
@pytest.mark.parametrize("content_type", [PROTOBUF, "Application/X-Protobuf; charset=utf-8"])
def test_full_success_is_an_empty_message(
    http_address: str, sink: RecordingConsumer, signal: str, prefix: str, content_type: str
) -> None:
    body = payloads.BODIES[signal]
    response = post(http_address, body, f"{prefix}/v1/{signal}", content_type)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["Content-Type"] == PROTOBUF
    assert sink.calls == [(signal, "protobuf", "otlp_http")]
    assert sink.refusals == []


def test_json_is_answered_in_json(http_address: str, sink: RecordingConsumer) -> None:
    response = post(http_address, payloads.TRACES_JSON, content_type="application/json;charset=x")
    assert (response.status_code, response.json()) == (200, {})
    assert response.headers["Content-Type"] == JSON
    assert sink.calls == [("traces", "json", "otlp_http")]
    assert sink.spans[0].span_id == bytes.fromhex("eee19b7ec3c1b174")


def test_empty_request_succeeds(http_address: str, sink: RecordingConsumer) -> None:
    assert post(http_address, b"").status_code == 200
    assert post(http_address, b"{}", content_type=JSON).status_code == 200
    assert len(sink.calls) == 2


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("identity", bytes),
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstandard.compress),
    ],
)
def test_content_encodings(
    http_address: str, sink: RecordingConsumer, encoding: str, pack: Any
) -> None:
    body = pack(payloads.traces(3))
    assert post(http_address, body, Content_Encoding=encoding).status_code == 200
    assert len(sink.spans) == 3


def test_partial_success_counts_and_explains(http_address: str) -> None:
    response = post(http_address, payloads.traces(2, broken=3))
    assert response.status_code == 200
    partial = ExportTraceServiceResponse.FromString(response.content).partial_success
    assert (partial.rejected_spans, partial.error_message) == (3, "invalid span id")


def test_partial_success_in_json(http_address: str) -> None:
    body = payloads.TRACES_JSON.replace(b"eee19b7ec3c1b174", b"ee")
    response = post(http_address, body, content_type=JSON)
    assert response.json() == {
        "partialSuccess": {"rejectedSpans": "1", "errorMessage": "invalid span id"}
    }


def test_logs_without_trouble_leave_partial_success_unset(http_address: str) -> None:
    response = post(http_address, payloads.logs(), "/v1/logs")
    answer = ExportLogsServiceResponse.FromString(response.content)
    assert not answer.HasField("partial_success")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"\x0a\xffnope", {}),
        (b"no gzip", {"Content_Encoding": "gzip"}),
        (gzip.compress(payloads.traces(), mtime=0)[:-3], {"Content_Encoding": "gzip"}),
        (zstandard.compress(payloads.traces()) + b"x", {"Content_Encoding": "zstd"}),
    ],
)
def test_bad_data_is_400_with_details(
    http_address: str, sink: RecordingConsumer, body: bytes, headers: dict[str, str]
) -> None:
    response = post(http_address, body, **headers)
    assert response.status_code == 400
    status = error_of(response)
    assert (status.code, bool(status.message)) == (3, True)
    details = BadRequest()
    assert status.details[0].Unpack(details)
    assert details.field_violations[0].description == status.message
    assert sink.refusals == [("otlp_http", "malformed")]


def test_bad_json_is_400_in_json(http_address: str) -> None:
    response = post(http_address, b'{"resourceSpans":7}', content_type=JSON)
    assert (response.status_code, response.headers["Content-Type"]) == (400, JSON)
    assert error_of(response).code == 3


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-protobuffer"])
def test_other_media_types_are_415(
    http_address: str, sink: RecordingConsumer, content_type: str | None
) -> None:
    response = post(http_address, payloads.traces(), content_type=content_type)
    assert response.status_code == 415
    assert response.headers["Accept"] == "application/x-protobuf, application/json"
    assert error_of(response).message
    assert sink.refusals == [("otlp_http", "unsupported_media_type")]


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip"])
def test_other_content_encodings_are_415(
    http_address: str, sink: RecordingConsumer, encoding: str
) -> None:
    response = post(http_address, payloads.traces(), Content_Encoding=encoding)
    assert response.status_code == 415
    assert response.headers["Accept-Encoding"] == "gzip, deflate, zstd"
    assert error_of(response).code == 3
    assert sink.refusals == [("otlp_http", "unsupported_encoding")]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_other_methods_are_405(http_address: str, sink: RecordingConsumer, method: str) -> None:
    response = requests.request(method, f"http://{http_address}/v1/traces", timeout=10)
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert "Access-Control-Allow-Origin" not in response.headers
    if method != "HEAD":
        assert error_of(response).code == 12
    assert sink.refusals == [("otlp_http", "method")]


def test_other_paths_are_404(http_address: str, sink: RecordingConsumer) -> None:
    response = post(http_address, b"", "/v1/profiles")
    assert response.status_code == 404
    assert error_of(response).code == 5
    assert sink.refusals == [("otlp_http", "path")]


def test_overload_is_503_with_retry_after(http_address: str, sink: RecordingConsumer) -> None:
    sink.failure = Overloaded("busy", retry_after_s=7)
    response = post(http_address, payloads.traces())
    assert (response.status_code, response.headers["Retry-After"]) == (503, "7")
    status = error_of(response)
    retry = RetryInfo()
    assert status.code == 14
    assert status.details[0].Unpack(retry)
    assert retry.retry_delay.seconds == 7
    assert sink.refusals == [("otlp_http", "overloaded")]


def test_unexpected_failure_is_500_and_quotes_nothing(
    http_address: str, sink: RecordingConsumer, caplog: pytest.LogCaptureFixture
) -> None:
    sink.failure = ValueError("secret prompt text")
    response = post(http_address, payloads.traces())
    assert response.status_code == 500
    assert error_of(response).message == "internal error"
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text
    assert sink.refusals == [("otlp_http", "internal")]


# --- too large


def test_declared_length_is_refused_before_the_body_is_sent(
    http_address: str, sink: RecordingConsumer
) -> None:
    with socket.create_connection(http_address.split(":"), timeout=5) as client:  # type: ignore[arg-type]
        client.sendall(
            b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
            b"Content-Length: %d\r\n\r\n" % (LIMIT + 1)
        )
        assert client.recv(1_000).startswith(b"HTTP/1.1 413 ")
    assert sink.refusals == [("otlp_http", "too_large")]


def test_client_that_sends_a_large_body_whole_still_reads_the_413(http_address: str) -> None:
    response = post(http_address, bytes(20 * LIMIT))
    assert response.status_code == 413
    assert error_of(response).code == 8
    assert response.headers["Connection"] == "close"


def test_chunked_body_is_bounded(http_address: str, sink: RecordingConsumer) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(30):
            yield bytes(100_000)

    assert post(http_address, chunks()).status_code == 413
    assert sink.calls == []


def test_chunked_body_within_the_limit_is_taken(http_address: str, sink: RecordingConsumer) -> None:
    body = payloads.traces(2)
    assert post(http_address, iter([body[:10], body[10:]])).status_code == 200
    assert len(sink.spans) == 2


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstandard.compress)],
)
def test_bombs_are_413(
    http_address: str, sink: RecordingConsumer, encoding: str, pack: Any
) -> None:
    response = post(http_address, pack(bytes(50 * LIMIT)), Content_Encoding=encoding)
    assert response.status_code == 413
    assert sink.refusals == [("otlp_http", "too_large")]


def test_expect_100_continue_is_refused_without_the_body(http_address: str) -> None:
    with socket.create_connection(http_address.split(":"), timeout=5) as client:  # type: ignore[arg-type]
        client.sendall(
            b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
            b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (LIMIT + 1)
        )
        assert client.recv(1_000).startswith(b"HTTP/1.1 413 ")
        while client.recv(1_000):
            pass


# --- slow and many


def test_slow_body_is_408_and_frees_its_place(http_address: str, sink: RecordingConsumer) -> None:
    head = (
        b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
        b"Content-Length: 10\r\n\r\n12"
    )
    clients = [
        socket.create_connection(http_address.split(":"), timeout=10)  # type: ignore[arg-type]
        for _ in range(MAX_REQUESTS)
    ]
    for client in clients:
        client.sendall(head)
    answers = [client.recv(1_000) for client in clients]
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
    for client in clients:
        client.close()
    assert sink.refusals == [("otlp_http", "timeout")] * MAX_REQUESTS
    assert post(http_address, payloads.traces()).status_code == 200


def test_client_that_leaves_is_counted(http_address: str, sink: RecordingConsumer) -> None:
    with socket.create_connection(http_address.split(":"), timeout=5) as client:  # type: ignore[arg-type]
        client.sendall(
            b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
            b"Content-Length: 10\r\n\r\n12"
        )
    wait_for(lambda: sink.refusals == [("otlp_http", "aborted")])
    assert sink.calls == []


def test_more_requests_than_allowed_are_told_to_come_back(
    http_address: str, sink: RecordingConsumer
) -> None:
    sink.gate.clear()
    codes: list[int] = []

    def send() -> None:
        codes.append(post(http_address, payloads.traces()).status_code)

    threads = [threading.Thread(target=send) for _ in range(MAX_REQUESTS + 3)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(codes) == 3)
    assert codes == [503] * 3
    sink.gate.set()
    for thread in threads:
        thread.join(10)
    assert codes[3:] == [200] * MAX_REQUESTS


def test_bytes_under_way_are_bounded(http_address: str, sink: RecordingConsumer) -> None:
    sink.gate.clear()
    codes: list[int] = []
    body = payloads.traces(1, "x" * (LIMIT - 200))

    def send() -> None:
        codes.append(post(http_address, body).status_code)

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(codes) == 2)
    assert codes == [503] * 2
    sink.gate.set()
    for thread in threads:
        thread.join(10)
    assert codes[2:] == [200] * 4


def test_event_loop_stays_free_while_exports_wait(
    http_address: str, sink: RecordingConsumer
) -> None:
    sink.gate.clear()
    threads = [
        threading.Thread(target=post, args=(http_address, payloads.traces())) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    assert sink.arrived.acquire(timeout=5)
    assert post(http_address, b"", "/nowhere").status_code == 404
    sink.gate.set()
    for thread in threads:
        thread.join(10)
    assert len(sink.spans) == 4


def test_connection_is_kept_between_requests(http_address: str, sink: RecordingConsumer) -> None:
    client = http.client.HTTPConnection(http_address, timeout=5)
    for _ in range(3):
        client.request("POST", "/v1/traces", payloads.traces(), {"Content-Type": PROTOBUF})
        response = client.getresponse()
        assert (response.status, response.read()) == (200, b"")
        assert not response.will_close
    client.close()
    assert len(sink.calls) == 3


def test_answers_to_json_errors_are_json_documents(http_address: str) -> None:
    answer = json.loads(post(http_address, b"{", content_type=JSON).content)
    assert answer["code"] == 3
    assert answer["details"][0]["@type"] == "type.googleapis.com/google.rpc.BadRequest"
