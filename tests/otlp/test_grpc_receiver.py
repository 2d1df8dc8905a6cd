"""OTLP/gRPC with a real channel: codes, details, limits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from llm_trace_exporter.errors import Overloaded
from tests.otlp import payloads
from tests.otlp.conftest import LIMIT, MAX_REQUESTS, RecordingConsumer, wait_for

_SERVICE = "/opentelemetry.proto.collector.{0}.v1.{1}Service/Export"
METHODS = {
    "traces": _SERVICE.format("trace", "Trace"),
    "logs": _SERVICE.format("logs", "Logs"),
    "metrics": _SERVICE.format("metrics", "Metrics"),
}


@pytest.fixture
def channel(grpc_address: str) -> Iterator[Any]:
    with grpc.insecure_channel(
        grpc_address, options=[("grpc.max_send_message_length", -1)]
    ) as opened:
        yield opened


def export(channel: Any, body: bytes, signal: str = "traces", **options: Any) -> bytes:
    answer: bytes = channel.unary_unary(METHODS[signal])(body, timeout=10, **options)
    return answer


def failure(channel: Any, body: bytes, **options: Any) -> tuple[Any, Status]:
    """(code, google.rpc.Status) of a call that must fail."""
    with pytest.raises(grpc.RpcError) as caught:
        export(channel, body, **options)
    error: Any = caught.value
    metadata = dict(error.trailing_metadata() or ())
    return error.code(), Status.FromString(metadata.get("grpc-status-details-bin", b""))


@pytest.mark.parametrize("signal", METHODS)
@pytest.mark.parametrize(
    "compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate]
)
def test_full_success_is_an_empty_message(
    channel: Any, sink: RecordingConsumer, signal: str, compression: grpc.Compression
) -> None:
    assert export(channel, payloads.BODIES[signal], signal, compression=compression) == b""
    assert sink.calls == [(signal, "protobuf", "otlp_grpc")]
    assert sink.refusals == []


def test_empty_request_succeeds(channel: Any) -> None:
    assert export(channel, b"") == b""


def test_partial_success_counts_and_explains(channel: Any) -> None:
    answer = ExportTraceServiceResponse.FromString(export(channel, payloads.traces(1, broken=2)))
    assert answer.partial_success.rejected_spans == 2
    assert answer.partial_success.error_message == "invalid span id"


def test_bad_data_is_invalid_argument(channel: Any, sink: RecordingConsumer) -> None:
    code, status = failure(channel, b"\x0a\xffnope")
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert status.details[0].Unpack(BadRequest())
    assert sink.refusals == [("otlp_grpc", "malformed")]


def test_overload_is_unavailable_with_retry_info(channel: Any, sink: RecordingConsumer) -> None:
    sink.failure = Overloaded("busy", retry_after_s=3)
    code, status = failure(channel, payloads.traces())
    retry = RetryInfo()
    assert code is grpc.StatusCode.UNAVAILABLE
    assert status.details[0].Unpack(retry)
    assert retry.retry_delay.seconds == 3
    assert sink.refusals == [("otlp_grpc", "overloaded")]


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip])
def test_too_large_is_resource_exhausted_without_retry_info(
    channel: Any, sink: RecordingConsumer, compression: Any
) -> None:
    code, status = failure(channel, bytes(50 * LIMIT), compression=compression)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not status.details
    wait_for(lambda: sink.refusals == [("otlp_grpc", "too_large")])
    assert export(channel, payloads.traces()) == b""


def test_unexpected_failure_is_internal_and_quotes_nothing(
    channel: Any, sink: RecordingConsumer, caplog: pytest.LogCaptureFixture
) -> None:
    sink.failure = ValueError("secret prompt text")
    code, status = failure(channel, payloads.traces())
    assert (code, status.message) == (grpc.StatusCode.INTERNAL, "internal error")
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text


def test_call_whose_message_never_comes_times_out(channel: Any, sink: RecordingConsumer) -> None:
    never = threading.Event()

    def silence() -> Iterator[bytes]:
        never.wait(10)
        yield b""

    with pytest.raises(grpc.RpcError) as caught:
        channel.stream_unary(METHODS["traces"])(silence(), timeout=10)
    never.set()
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert sink.refusals == [("otlp_grpc", "timeout")]


def test_call_without_a_message_fails(channel: Any, sink: RecordingConsumer) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        channel.stream_unary(METHODS["traces"])(iter(()), timeout=10)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert sink.calls == []


def test_unknown_service_is_unimplemented(channel: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/some.Service/Export")(b"", timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_health_probe(channel: Any) -> None:
    assert channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=10) == b"\x08\x01"


def test_more_calls_than_allowed_are_told_to_come_back(
    channel: Any, sink: RecordingConsumer
) -> None:
    sink.gate.clear()
    method = channel.unary_unary(METHODS["traces"])
    calls = [method.future(payloads.traces(), timeout=10) for _ in range(MAX_REQUESTS + 2)]
    wait_for(lambda: sum(call.done() for call in calls) == 2)
    refused = [call for call in calls if call.done()]
    assert [call.code() for call in refused] == [grpc.StatusCode.UNAVAILABLE] * 2
    sink.gate.set()
    assert [call.result() for call in calls if call not in refused] == [b""] * MAX_REQUESTS
